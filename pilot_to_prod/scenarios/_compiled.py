"""The same loops as in `_kernels`, compiled by numba; results are identical, which the tests try on random input."""

import numpy as np
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONE, _TWO = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _UNIT = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(1)


@njit(cache=True, inline="always")
def _mixed(x):  # type: ignore[no-untyped-def]
    x = (x ^ (x >> _S30)) * _ONE
    x = (x ^ (x >> _S27)) * _TWO
    return x ^ (x >> _S31)


@njit(cache=True)
def _hash_rows(rows, first, out):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        out[i] = _mixed(rows[i] + first)


@njit(cache=True)
def _hash_cells(rows, first, where, out):  # type: ignore[no-untyped-def]
    for i in range(len(where)):
        out[i] = _mixed(rows[where[i]] + first)


@njit(cache=True)
def _hash_units(rows, first, where, units, out):  # type: ignore[no-untyped-def]
    for i in range(len(where)):
        out[i] = _mixed(rows[where[i]] + first + np.uint64(units[i]) * _GOLDEN)


def unit_hashes(
    rows: np.ndarray, column: np.uint64, where: np.ndarray | None = None, units: np.ndarray | None = None
) -> np.ndarray:
    "As `_kernels.unit_hashes`."
    first = np.uint64((int(column) + int(_GOLDEN)) & 0xFFFFFFFFFFFFFFFF)
    out = np.empty(len(rows) if where is None else len(where), np.uint64)
    if where is None and units is None:
        _hash_rows(rows, first, out)
    elif units is None:
        _hash_cells(rows, first, where, out)
    else:
        _hash_units(rows, first, np.arange(len(out)) if where is None else where, units, out)
    return out


@njit(cache=True)
def _splice(data, starts, ends, new, new_offsets, out):  # type: ignore[no-untyped-def]
    at = to = 0
    for k in range(len(starts)):
        for i in range(at, starts[k]):
            out[to] = data[i]
            to += 1
        for i in range(new_offsets[k], new_offsets[k + 1]):
            out[to] = new[i]
            to += 1
        at = ends[k]
    for i in range(at, len(data)):
        out[to] = data[i]
        to += 1


@njit(cache=True)
def _shifted(offsets, rows, grown):  # type: ignore[no-untyped-def]
    after = np.empty(len(offsets), np.int64)
    total = k = 0
    for r in range(len(offsets)):
        while k < len(rows) and rows[k] < r:
            total += grown[k]
            k += 1
        after[r] = offsets[r] + total
    return after


def spliced(
    data: np.ndarray,
    offsets: np.ndarray,
    rows: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    new: np.ndarray,
    new_offsets: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    "As `_kernels.spliced`."
    after = _shifted(offsets, rows, np.diff(new_offsets) - (ends - starts))
    out = np.empty(after[-1], np.uint8)
    _splice(data, starts, ends, new, new_offsets, out)
    return out, after


@njit(cache=True)
def _counted(typed, start, end, out):  # type: ignore[no-untyped-def]
    for w in range(len(start)):
        seen = 0
        for i in range(start[w], end[w]):
            seen += typed[i]
        out[w] = seen


def marked_in(typed: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    "How many bytes of each word are marked, shape (words,)."
    out = np.empty(len(start), np.int64)
    _counted(typed.view(np.uint8), start, end, out)
    return out


@njit(cache=True)
def _nth(typed, start, n, out):  # type: ignore[no-untyped-def]
    for w in range(len(start)):
        i, left = start[w], n[w]
        while left or not typed[i]:
            left -= typed[i]
            i += 1
        out[w] = i


def nth_marked(typed: np.ndarray, start: np.ndarray, n: np.ndarray) -> np.ndarray:
    "Position of the n-th (from 0) marked byte from each start on; it must be there."
    out = np.empty(len(start), np.int64)
    _nth(typed.view(np.uint8), start, n, out)
    return out


@njit(cache=True)
def _windowed(values, low, high, kept):  # type: ignore[no-untyped-def]
    below = found = 0
    for i in range(len(values)):
        v = values[i]
        if v < low:
            below += 1
        elif v <= high:
            if found < len(kept):
                kept[found] = v
            found += 1
    return below, found


def window(values: np.ndarray, low: np.generic, high: np.generic) -> tuple[int, np.ndarray]:
    "How many values lie below a window, and those that lie in it."
    kept = np.empty(len(values) // 4 + 1, values.dtype)
    below, found = _windowed(values, low, high, kept)
    if found > len(kept):
        kept = np.empty(found, values.dtype)
        below, found = _windowed(values, low, high, kept)
    return below, kept[:found]
