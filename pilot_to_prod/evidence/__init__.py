"""Answers of a replay, coded small, and the statistics over them."""

from pilot_to_prod.evidence.store import (
    ABSTAINED,
    FAULT,
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
    "METRICS",
    "SCALE",
    "Cell",
    "Evidence",
    "Found",
    "estimate",
    "evidence_groups",
    "join",
    "load",
]
