"""Where a value stands among the reference values of its column, from a table: a weight a cell for the price of a look-up.

Everything is row-local: the table is learnt from reference rows, and a value finds its place in it without its neighbours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios._kernels import compiled, kth_smallest

STEPS = 4096  # of equal width between the ends of a distribution
EDGES = 256  # of equal mass, where equal widths would throw too much together
_BLOCK = 1 << 14
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
        known = numbers if not np.isnan(numbers.min(initial=0.0)) else numbers[~np.isnan(numbers)]
        ends = known if np.isfinite(known).all() else known[np.isfinite(known)]
        low, high = (kth_smallest(ends, k) for k in _outer(len(ends))) if len(ends) else (0.0, 0.0)
        with np.errstate(over="ignore", divide="ignore"):
            scale = np.float64(STEPS) / (np.float64(high) - np.float64(low))
        found = cls(float(low), float(scale) if np.isfinite(scale) else 0.0, None, np.empty(STEPS))
        counts = found._counts(known)
        if found._too_wide(known, counts):
            cuts = np.quantile(known, np.linspace(0, 1, EDGES), method="lower")
            often = np.nextafter(cuts[1:][cuts[1:] == cuts[:-1]], np.inf)  # a value that spans a step has one of its own
            edges = np.unique(np.concatenate([cuts, often]))
            found = cls(0.0, 0.0, edges, np.empty(len(edges) + 1))
            counts = found._counts(known)
        found.ranks[:] = (np.cumsum(counts) - counts / 2) / max(len(known), 1)
        return found

    def steps(self, numbers: np.ndarray) -> np.ndarray:
        "Step of each number; nan falls into the first or the last one."
        return np.concatenate([np.empty(0, np.int64), *(at.copy() for _, at in self._blocks(numbers))])

    def _blocks(self, numbers: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        "Steps of some numbers after the other, as many as stay in the processor's cache; a block is overwritten by the next."
        made, steps = np.empty(min(len(numbers), _BLOCK)), np.empty(min(len(numbers), _BLOCK), np.int64)
        for start in range(0, len(numbers), _BLOCK):
            here = slice(start, start + _BLOCK)
            part = numbers[here]
            if self.edges is not None:
                yield here, np.searchsorted(self.edges, part, side="right")
                continue
            at, out = made[: len(part)], steps[: len(part)]
            with np.errstate(over="ignore", invalid="ignore"):
                np.subtract(part, self.low, out=at)
                np.multiply(at, self.scale, out=at)
            np.fmax(at, 0, out=at)
            np.fmin(at, STEPS - 1, out=at)
            out[:] = at
            yield here, out

    def _counts(self, numbers: np.ndarray) -> np.ndarray:
        out = np.zeros(len(self.ranks), np.int64)
        fast = compiled(len(numbers)) if self.edges is None else None
        if fast is not None:
            fast.step_counts(numbers, self.low, self.scale, out)
            return out
        for _, at in self._blocks(numbers):
            out += np.bincount(at, minlength=len(out))
        return out

    def _too_wide(self, known: np.ndarray, counts: np.ndarray) -> bool:
        "Whether a step holds too much of the reference, of more than one value."
        wide = np.flatnonzero(counts > max(COARSE * len(known), 1))
        at = self.steps(known) if len(wide) else np.empty(0)
        return any(known[at == step].min() != known[at == step].max() for step in wide)

    def weights(
        self,
        values: pd.Series,
        strength: float,  # log odds between rank 1 and rank 0
    ) -> np.ndarray:  # positive, 1 in the middle and where there is no number
        numbers = values if pd.api.types.is_numeric_dtype(values.dtype) else pd.to_numeric(values, errors="coerce")
        found = numbers.to_numpy() if numbers.dtype == np.float64 else numbers.to_numpy(float, na_value=np.nan)
        table, out = np.exp(strength * (self.ranks - 0.5)), np.empty(len(found))
        fast = compiled(len(found)) if self.edges is None else None
        if fast is not None:
            fast.step_values(found, self.low, self.scale, table, out)
        else:
            for here, at in self._blocks(found):
                np.take(table, at, out=out[here], mode="clip")
        if np.isnan(found.min(initial=0.0)):
            out[np.isnan(found)] = 1.0
        return out


def _outer(n: int) -> tuple[int, int]:
    "Which of n sorted values, from 1, leave a thousandth outside at either end."
    return 1 + int(0.001 * (n - 1)), n - int(0.001 * (n - 1))


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
        same = reference.dtype == np.float64
        return Steps.learn(reference.to_numpy() if same else reference.to_numpy(float, na_value=np.nan))
    return Rarity.learn(reference)
