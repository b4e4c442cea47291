"""Answers of a replay, coded small, and the statistics over them."""

from pilot_to_prod.evidence.robustness import Robustness
from pilot_to_prod.evidence.statistics import LEFT_OUT
from pilot_to_prod.evidence.store import (
    ABSTAINED,
    FAULT,
    GONE,
    METRICS,
    SCALE,
    Cell,
    Evidence,
    Found,
    estimate,
    evidence_groups,
    join,
    load,
)

__all__ = [
    "ABSTAINED",
    "FAULT",
    "GONE",
    "LEFT_OUT",
    "METRICS",
    "SCALE",
    "Cell",
    "Evidence",
    "Found",
    "Robustness",
    "estimate",
    "evidence_groups",
    "join",
    "load",
]
