"""Replay: the same pilot, the same rows, and what happens to them in the field."""

from pilot_to_prod.stress._cost import Cost, cost
from pilot_to_prod.stress.engine import BLOCK, Asker, Reply, ReplayError, described, replay, slice_masks, time_calls, timed
from pilot_to_prod.stress.feed import FeedReport, stream

__all__ = [
    "BLOCK",
    "Asker",
    "Cost",
    "FeedReport",
    "Reply",
    "ReplayError",
    "cost",
    "described",
    "replay",
    "slice_masks",
    "stream",
    "time_calls",
    "timed",
]
