"""The few loops that everything else waits for, in numpy always and in numba where it is installed; the results are identical.

`P2P_KERNELS` in the environment chooses: `numpy`, `numba`, or `auto` (numba from some size on, where it is installed; compiling
does not pay below).
"""

import importlib
import importlib.util
import os
from types import ModuleType

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONE, _TWO = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_BLOCK = 1 << 14  # numbers that stay in the processor's cache
_WORTH = 1 << 20  # units from which `auto` takes numba
_SAMPLE = 2048


def compiled(units: int) -> ModuleType | None:
    "The numba kernels, or None for numpy. Raises ValueError for an unknown choice, ImportError when numba is asked for and absent."
    chosen = os.environ.get("P2P_KERNELS", "auto")
    if chosen not in ("auto", "numpy", "numba"):
        raise ValueError(f"P2P_KERNELS must be auto, numpy or numba; got {chosen!r}.")
    if chosen == "numpy" or (chosen == "auto" and (units < _WORTH or importlib.util.find_spec("numba") is None)):
        return None
    try:
        return importlib.import_module("pilot_to_prod.scenarios._compiled")
    except ImportError as e:
        raise ImportError(f"P2P_KERNELS=numba, and numba cannot be imported ({e}). pip install 'pilot-to-prod[speed]'.") from e


def mix(x: np.ndarray) -> np.ndarray:
    "Finaliser of SplitMix64 (Steele, Lea & Flood 2014, variant 13 of Stafford) over uint64; wraps around by design."
    out = np.array(x, dtype=np.uint64)
    flat = out.reshape(-1)
    spare = np.empty(min(len(flat), _BLOCK), np.uint64)
    for at in range(0, len(flat), _BLOCK):
        _mix_block(flat[at : at + _BLOCK], spare)
    return out


def _mix_block(v: np.ndarray, spare: np.ndarray) -> None:
    t = spare[: len(v)]
    for shift, factor in ((30, _ONE), (27, _TWO), (31, None)):
        np.right_shift(v, np.uint64(shift), out=t)
        np.bitwise_xor(v, t, out=v)
        if factor is not None:
            np.multiply(v, factor, out=v)


def unit_hashes(
    rows: np.ndarray,  # uint64 a row: mixed from key, seed and stream
    column: np.uint64,  # hash of the column's name
    where: np.ndarray | None = None,  # row of each unit; None: one unit a row
    units: np.ndarray | None = None,  # number of the unit within its row; None: 0
) -> np.ndarray:
    "One uint64 a unit: mix(row + column + (unit + 1) x golden ratio)."
    n = len(rows) if where is None else len(where)
    fast = compiled(n)
    if fast is not None:
        return fast.unit_hashes(rows, column, where, units)
    out = np.empty(n, np.uint64)
    spare = np.empty(min(n, _BLOCK), np.uint64)
    first = np.uint64((int(column) + int(GOLDEN)) & 0xFFFFFFFFFFFFFFFF)
    for at in range(0, n, _BLOCK):
        v = out[at : at + _BLOCK]
        if where is None:
            np.add(rows[at : at + _BLOCK], first, out=v)
        else:
            np.take(rows, where[at : at + _BLOCK], out=v, mode="clip")
            np.add(v, first, out=v)
        if units is not None:
            t = spare[: len(v)]
            t[:] = units[at : at + _BLOCK]
            np.multiply(t, GOLDEN, out=t)
            np.add(v, t, out=v)
        _mix_block(v, spare)
    return out


def kth_smallest(
    values: np.ndarray,  # numbers without nan, shape (n,)
    k: int,  # 1 ≤ k ≤ n
) -> np.generic:
    "The k-th smallest, exactly: a sample says between which values it must lie, and only those are sorted (after Floyd & Rivest 1975)."
    n = len(values)
    if n > 8 * _SAMPLE:
        seen = np.sort(values[:: n // _SAMPLE])
        at, slack = k / n * len(seen), 4 * int(np.sqrt(_SAMPLE) / 2)
        low, high = int(at - slack), int(at + slack) + 1
        lowest = seen[low] if low > 0 else seen.dtype.type(_least(seen))
        highest = seen[high] if high < len(seen) else seen.dtype.type(_most(seen))
        fast = compiled(n)
        if fast is not None:
            below, kept = fast.window(values, lowest, highest)
        else:
            inside = values >= lowest
            below = n - int(np.count_nonzero(inside))
            inside &= values <= highest
            kept = values[inside]
        if 1 <= k - below <= len(kept):
            return np.partition(kept, k - below - 1)[k - below - 1]
    return np.partition(values, k - 1)[k - 1]


def _least(values: np.ndarray) -> float | int:
    return -np.inf if values.dtype.kind == "f" else int(np.iinfo(values.dtype).min)


def _most(values: np.ndarray) -> float | int:
    return np.inf if values.dtype.kind == "f" else int(np.iinfo(values.dtype).max)


def gathered(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    "Pieces of bytes one after the other, and where each begins, shape (n + 1,)."
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    at = np.repeat(starts - offsets[:-1], lengths)
    at += np.arange(offsets[-1])
    return data[at], offsets


def spliced(
    data: np.ndarray,  # bytes of all rows
    offsets: np.ndarray,  # start of each row in them, shape (rows + 1,)
    rows: np.ndarray,  # row of each edit
    starts: np.ndarray,  # increasing, not overlapping
    ends: np.ndarray,
    new: np.ndarray,  # bytes that stand there afterwards, one edit after the other
    new_offsets: np.ndarray,  # shape (edits + 1,)
) -> tuple[np.ndarray, np.ndarray]:
    "Bytes and offsets after the edits."
    fast = compiled(len(data) // 8)
    if fast is not None:
        return fast.spliced(data, offsets, rows, starts, ends, new, new_offsets)
    added = np.diff(new_offsets)
    grown = np.zeros(len(offsets), np.int64)
    np.add.at(grown, rows + 1, added - (ends - starts))
    after = offsets + np.cumsum(grown)
    out = np.empty(after[-1], np.uint8)
    put = np.ones(len(out), bool)
    keep = np.ones(len(data), bool)
    shift = np.zeros(len(starts), np.int64)
    np.cumsum((added - (ends - starts))[:-1], out=shift[1:])
    put[_spread(starts + shift, added)] = False
    keep[_spread(starts, ends - starts)] = False
    out[put] = data[keep]
    out[~put] = new
    return out, after


def _spread(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    "Every position of some runs."
    ends = np.cumsum(lengths)
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)


class Marked:
    "Marked bytes of a text: how many each word has, and where the n-th of a word is."

    def __init__(self, typed: np.ndarray, start: np.ndarray, end: np.ndarray) -> None:
        self.typed, self.start = typed, start
        self._fast = compiled(len(typed) // 8)
        if self._fast is not None:
            self.count: np.ndarray = self._fast.marked_in(typed, start, end)
            return
        self._before = np.zeros(len(typed) + 1, np.int32)
        np.cumsum(typed, out=self._before[1:], dtype=np.int32)
        self.count = self._before[end] - self._before[start]

    def nth(self, words: np.ndarray, n: np.ndarray) -> np.ndarray:
        "Position of the n-th (from 0) marked byte of some words."
        if self._fast is not None:
            found: np.ndarray = self._fast.nth_marked(self.typed, self.start[words], n)
            return found
        return np.flatnonzero(self.typed)[self._before[self.start[words]] + n]


def hash_bytes(
    data: np.ndarray,  # bytes
    starts: np.ndarray,
    lengths: np.ndarray,
) -> np.ndarray:
    "64-bit hash of each piece: eight bytes at a time, each mixed in; the length last. Shape (n,), uint64."
    padded = np.zeros(len(data) + 8, np.uint8)
    padded[: len(data)] = data
    eight = np.ndarray((len(data) + 1,), "<u8", padded, strides=(1,))
    out, at, left = np.full(len(starts), GOLDEN), starts.copy(), lengths.copy()
    live = np.flatnonzero(left > 0)
    while len(live):
        word = eight[at[live]].astype(np.uint64)
        short = left[live] < 8
        if short.any():
            word[short] &= (np.uint64(1) << (left[live][short] * 8).astype(np.uint64)) - np.uint64(1)
        out[live] = mix(out[live] ^ word)
        at[live] += 8
        left[live] -= 8
        live = live[left[live] > 0]
    return mix(out + lengths.astype(np.uint64))
