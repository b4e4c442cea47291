"""Replay: the same pilot, the same rows, and what happens to them in the field."""

from pilot_to_prod.stress.engine import BLOCK, Asker, Reply, ReplayError, described, replay, slice_masks, time_calls, timed

__all__ = ["BLOCK", "Asker", "Reply", "ReplayError", "described", "replay", "slice_masks", "time_calls", "timed"]
