"""Where a value stands among the reference values of its column, from a table: a weight a cell for the price of a look-up.

Everything is row-local: the table is learnt from reference rows, and a value finds its place in it without its neighbours.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

STEPS = 4096  # of equal width between the ends of a distribution
EDGES = 256  # of equal mass, where equal widths would throw too much together
COARSE = 1 / 64  # share of the reference from which a step is too wide, unless it holds one value only


@dataclass(frozen=True)
class Steps:
    "Ranks of numbers: the middle of the step that a number falls into, in [0, 1]."

    low: float
    scale: float  # steps a unit
    edges: np.ndarray | None  # lower ends of the steps but the first, where they are not of equal width
    ranks: np.ndarray  # of each step

    @classmethod
    def learn(
        cls,
        numbers: np.ndarray,  # reference values; nan is left out, infinite ones stand at the ends
    ) -> "Steps":
        known = numbers[~np.isnan(numbers)].astype(float)
        ends = known[np.isfinite(known)]
        low, high = np.quantile(ends, [0.001, 0.999]) if len(ends) else (0.0, 0.0)
        with np.errstate(over="ignore", divide="ignore"):
            scale = np.float64(STEPS) / (high - low)
        found = cls(float(low), float(scale) if np.isfinite(scale) else 0.0, None, np.empty(STEPS))
        at = found.steps(known)
        if _too_wide(known, at):
            cuts = np.quantile(known, np.linspace(0, 1, EDGES), method="lower")
            often = np.nextafter(cuts[1:][cuts[1:] == cuts[:-1]], np.inf)  # a value that spans a step has one of its own
            edges = np.unique(np.concatenate([cuts, often]))
            found = cls(0.0, 0.0, edges, np.empty(len(edges) + 1))
            at = found.steps(known)
        counts = np.bincount(at, minlength=len(found.ranks))
        found.ranks[:] = (np.cumsum(counts) - counts / 2) / max(len(known), 1)
        return found

    def steps(self, numbers: np.ndarray) -> np.ndarray:
        "Step of each number; nan falls into the first or the last one."
        if self.edges is not None:
            return np.searchsorted(self.edges, numbers, side="right")
        with np.errstate(over="ignore", invalid="ignore"):
            at = (numbers - self.low) * self.scale
        np.fmax(at, 0, out=at)
        np.fmin(at, STEPS - 1, out=at)
        return at.astype(np.int64)

    def weights(
        self,
        values: pd.Series,
        strength: float,  # log odds between rank 1 and rank 0
    ) -> np.ndarray:  # positive, 1 in the middle and where there is no number
        numbers = values if pd.api.types.is_numeric_dtype(values.dtype) else pd.to_numeric(values, errors="coerce")
        found = numbers.to_numpy(float, na_value=np.nan)
        out = np.exp(strength * (self.ranks - 0.5))[self.steps(found)]
        out[np.isnan(found)] = 1.0
        return out


def _too_wide(known: np.ndarray, at: np.ndarray) -> bool:
    "Whether a step holds too much of the reference, of more than one value."
    counts = np.bincount(at, minlength=STEPS)
    for step in np.flatnonzero(counts > max(COARSE * len(known), 1)):
        inside = known[at == step]
        if inside.min() != inside.max():
            return True
    return False


@dataclass(frozen=True)
class Rarity:
    "Ranks of categories, texts and days: 1 less their share of the reference; 1 for those never seen."

    ranks: pd.Series

    @classmethod
    def learn(cls, reference: pd.Series) -> "Rarity":
        return cls(1 - _names(reference).value_counts(normalize=True))

    def weights(
        self,
        values: pd.Series,
        strength: float,  # log odds between rank 1 and rank 0
    ) -> np.ndarray:  # positive, 1 where a value is missing
        codes, names = pd.factorize(_names(values))
        ranks = np.append(self.ranks.reindex(names).fillna(1.0).to_numpy(float), 0.5)
        return np.exp(strength * (ranks - 0.5))[codes]


def _names(values: pd.Series) -> pd.Series:
    "Values as keys that do not depend on their neighbours: microseconds since 1970 for dates, else text."
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        stamps = pd.DatetimeIndex(values).as_unit("us").asi8
        return pd.Series(stamps, index=values.index, dtype="Int64").mask(values.isna())
    return values if isinstance(values.dtype, pd.StringDtype) else values.astype("str")


def learn_ranks(
    reference: pd.Series,
) -> Steps | Rarity:  # numbers by size, anything else by how rare it is
    if pd.api.types.is_numeric_dtype(reference.dtype) and not pd.api.types.is_bool_dtype(reference.dtype):
        return Steps.learn(reference.to_numpy(float, na_value=np.nan))
    return Rarity.learn(reference)
