"""Which units are hit: exactly the asked share, nested over severities, fixed over a set of any size in one or two passes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from pilot_to_prod.scenarios._draws import Draws, Keyed, waiting_times
from pilot_to_prod.scenarios._kernels import kth_smallest, true_in
from pilot_to_prod.scenarios._text import Words

KEPT = 1 << 18  # units whose order is kept as it is; beyond, only what lies where the cuts must be
_LAST = np.uint64(0xFFFFFFFFFFFFFFFF)
_SHIFT, _BINS = np.uint64(48), 1 << 16


def asked_of(severity: float, eligible: int) -> int:
    "Units to hit: floor(severity x eligible + 1/2)."
    return int(np.floor(severity * eligible + 0.5))


@dataclass(frozen=True)
class Cut:
    "The last unit inside: everything up to it, in order of (rank, bits), is hit."

    rank: np.uint64
    bits: np.uint64


@dataclass
class Pool:
    "The eligible units of one column of one batch, and their order."

    total: int
    where: np.ndarray | None  # position of each eligible unit among all units; None: all are
    keyed: Keyed  # their hashes, shape (eligible,)
    weights: np.ndarray | None = None
    words: Words | None = None
    language: np.ndarray | None = None  # of each eligible unit, where the kind asks for it
    untreated: int = 0  # units in a language or script that the scenario knows nothing of
    _last: tuple[Cut, np.ndarray] | None = field(default=None, init=False, repr=False)  # what `lowest` found on its way

    @property
    def eligible(self) -> int:
        return len(self.keyed)

    @cached_property
    def rank(self) -> np.ndarray:
        "Order of hitting: the hash itself, or −ln(u)/w as a sortable integer (Efraimidis & Spirakis 2006)."
        return self.keyed.hashes if self.weights is None else waiting_times(self.keyed.hashes, self.weights).view(np.uint64)

    def lowest(self, k: int) -> Cut | None:
        "The cut that lets exactly k units in."
        if k == 0:
            return None
        if self.weights is None:
            edge, inside = self.keyed.lowest(k)
        else:
            edge = np.uint64(kth_smallest(self.rank, k))
            inside = self.rank <= edge
            if np.count_nonzero(inside) != k:  # equal ranks on both sides of the cut
                return cut_at(self.rank, self.keyed.some, k)
        self._last = Cut(edge, _LAST), inside
        return self._last[0]

    def inside(self, cut: Cut | None) -> np.ndarray:
        "Which eligible units are inside, bool."
        if cut is None:
            return np.zeros(self.eligible, bool)
        last, self._last = self._last, None
        if last is not None and last[0] is cut:
            return last[1]
        rank = self.rank
        inside = rank <= cut.rank
        if self.weights is not None:
            same = np.flatnonzero(rank == cut.rank)
            inside[same] = self.keyed.some(same).hashes <= cut.bits
        return inside

    def positions(self, inside: np.ndarray) -> np.ndarray:
        "Those units among all units, in order."
        at = true_in(inside)
        return at if self.where is None else self.where[at]

    def draws(self, inside: np.ndarray) -> Draws:
        "Random numbers for those units."
        return Draws(self.keyed, true_in(inside))

    def hits(self, inside: np.ndarray) -> tuple[np.ndarray, Draws]:
        "Both."
        at = true_in(inside)
        return at if self.where is None else self.where[at], Draws(self.keyed, at)

    def mask(self, inside: np.ndarray) -> np.ndarray:
        "Those units among all units, bool."
        if self.where is None:
            return inside
        out = np.zeros(self.total, bool)
        out[self.where[inside]] = True
        return out


def cut_at(
    rank: np.ndarray,  # order of hitting, shape (n,)
    hashes: Callable[[np.ndarray], Keyed],  # positions → hashes, which settle the order of equal ranks
    k: int,
) -> Cut | None:
    "The cut that lets exactly k units in."
    if k == 0:
        return None
    edge = np.uint64(kth_smallest(rank, k))
    same = np.flatnonzero(rank == edge)
    room = k - int(np.count_nonzero(rank < edge)) if len(same) > 1 else 1
    return Cut(edge, np.uint64(np.sort(hashes(same).hashes)[room - 1]))


@dataclass
class _Window:
    "Where the cut of a severity must lie, by the ranks seen so far: what is in it is kept, what is below is counted."

    low: np.uint64
    high: np.uint64
    below: int = 0
    parts: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    @classmethod
    def around(cls, severity: float, ranks: np.ndarray) -> "_Window":
        "Six standard errors on either side of the quantile of some ranks, given in order."
        n = len(ranks)
        slack = 6 * (severity * (1 - severity) / n) ** 0.5 + 2 / n
        low, high = int((severity - slack) * n), int((severity + slack) * n) + 1
        return cls(ranks[low] if low > 0 else np.uint64(0), ranks[high] if high < n else _LAST)

    def add(self, rank: np.ndarray, hashes: np.ndarray) -> None:
        under = rank < self.low
        self.below += int(np.count_nonzero(under))
        here = np.flatnonzero((rank <= self.high) ^ under)
        self.parts.append((rank[here], hashes[here]))

    def cut(self, k: int) -> Cut | None:
        "The cut that lets k units in, if it lies here."
        k -= self.below
        return _cut_of(self.parts, k) if 1 <= k <= sum(len(r) for r, _ in self.parts) else None


@dataclass
class Tally:
    """Finds cuts over many batches: keeps the order of the first units, which says where the cuts must lie, and then only what lies there.

    Where a cut lies elsewhere after all (the first rows were unlike the others), a second pass finds it from counts.
    """

    severities: tuple[float, ...] = ()  # whose cuts will be asked for
    total: int = 0
    eligible: int = 0
    untreated: int = 0
    _kept: list[tuple[np.ndarray, np.ndarray]] | None = field(default_factory=list)
    _windows: dict[float, _Window] = field(default_factory=dict)
    _counts: np.ndarray | None = None
    _wanted: dict[int, list[tuple[np.ndarray, np.ndarray]]] = field(default_factory=dict)

    def add(self, pool: Pool) -> None:
        "One batch, on the first pass."
        self.total += pool.total
        self.eligible += pool.eligible
        self.untreated += pool.untreated
        part = pool.rank, pool.keyed.hashes
        if self._kept is None:
            self._sort_out(part)
            return
        self._kept.append(part)
        if self.eligible > KEPT:
            order = np.sort(np.concatenate([r for r, _ in self._kept]))
            self._windows = {s: _Window.around(s, order) for s in self.severities if s > 0}
            for kept in self._kept:
                self._sort_out(kept)
            self._kept = None

    def _sort_out(self, part: tuple[np.ndarray, np.ndarray]) -> None:
        found = np.bincount((part[0] >> _SHIFT).astype(np.int64), minlength=_BINS)
        self._counts = found if self._counts is None else self._counts + found
        for window in self._windows.values():
            window.add(*part)

    def needs(self) -> bool:
        "Whether a second pass over the same batches is needed, for which it gets ready."
        if self._kept is not None or self._counts is None:
            return False
        upto = np.cumsum(self._counts)
        asked = {s: asked_of(s, self.eligible) for s in self.severities}
        lost = [k for s, k in asked.items() if k and self._windows[s].cut(k) is None]
        self._wanted = {int(np.searchsorted(upto, k)): [] for k in lost}
        return bool(self._wanted)

    def look(self, pool: Pool) -> None:
        "One batch, on the second pass."
        rank = pool.rank
        bins = (rank >> _SHIFT).astype(np.int64)
        for b, found in self._wanted.items():
            here = bins == b
            found.append((rank[here], pool.keyed.hashes[here]))

    def cut(self, severity: float) -> Cut | None:
        "The cut of one of the severities."
        k = asked_of(severity, self.eligible)
        if k == 0:
            return None
        if self._kept is not None:
            return _cut_of(self._kept, k)
        found = self._windows[severity].cut(k)
        if found is not None:
            return found
        assert self._counts is not None
        upto = np.cumsum(self._counts)
        b = int(np.searchsorted(upto, k))
        before = int(upto[b - 1]) if b else 0
        return _cut_of(self._wanted[b], k - before)


def _cut_of(parts: list[tuple[np.ndarray, np.ndarray]], k: int) -> Cut | None:
    rank, bits = _joined(parts)
    return cut_at(rank, Keyed.known(bits).some, k)


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    if len(parts) == 1:
        return parts[0]
    bits = np.concatenate([b for _, b in parts])
    same = all(r is b for r, b in parts)
    return (bits if same else np.concatenate([r for r, _ in parts])), bits


@dataclass(frozen=True)
class Bounded:
    "The cut of one column, with what it was made from and the types that its hits force on whole columns."

    cut: Cut | None
    total: int
    eligible: int
    dtypes: dict[str, Any] = field(default_factory=dict)
