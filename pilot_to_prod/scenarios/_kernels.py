"""The few loops that everything else waits for, in numpy always and in numba where it is installed; the results are identical.

`P2P_KERNELS` in the environment chooses: `numpy`, `numba`, or `auto` (numba from some size on, where it is installed; compiling
does not pay below).
"""

import importlib
import importlib.util
import os
from collections.abc import Iterator
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONE, _TWO = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD = (1 << 64) - 1
_BLOCK = 1 << 14  # numbers that stay in the processor's cache
_BYTES = 1 << 16  # bytes, likewise
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
    opens: np.ndarray | None = None,  # first unit of each row, and their number last; None: one unit a row
    among: np.ndarray | None = None,  # some of the units: bool over all of them, or positions; None: all
) -> np.ndarray:
    "One uint64 a unit: mix(row + column + (number of the unit in its row + 1) x golden ratio)."
    fast = compiled(_many(rows, opens, among))
    if fast is not None:
        return fast.unit_hashes(rows, column, opens, among)
    out = [np.empty(0, np.uint64)]
    for _, v in _hashed(rows, column, opens, among):
        out.append(v.copy())
    return np.concatenate(out)


def _many(rows: np.ndarray, opens: np.ndarray | None, among: np.ndarray | None) -> int:
    "Units that are looked at."
    return (len(rows) if opens is None else int(opens[-1])) if among is None or among.dtype == bool else len(among)


def _hashed(
    rows: np.ndarray, column: np.uint64, opens: np.ndarray | None, among: np.ndarray | None
) -> Iterator[tuple[int, np.ndarray]]:
    "The same block by block, with the place of the first; a block is overwritten by the next."
    n, done = _many(rows, opens, among), 0
    positions = among if among is not None and among.dtype != bool else None
    made, spare = np.empty((2, min(n, _BLOCK)), np.uint64)
    first = np.uint64((int(column) + int(GOLDEN)) & _WORD)
    for at in range(0, n, _BLOCK):
        v, here = made[: min(_BLOCK, n - at)], slice(at, at + _BLOCK)
        which = None if positions is None else positions[here]
        if opens is None:
            np.add(rows[here] if which is None else rows[which], first, out=v)
        else:
            _in_rows(rows, opens, at, which, v, spare[: len(v)])
            np.add(v, first, out=v)
        _mix_block(v, spare)
        if among is not None and positions is None:
            v = v[among[here]]
        yield done, v
        done += len(v)


def _in_rows(
    rows: np.ndarray, opens: np.ndarray, at: int, which: np.ndarray | None, out: np.ndarray, spare: np.ndarray
) -> None:
    "Row hash + number of the unit in its row x golden ratio, of the units from `at` on, or of those at some positions."
    if which is None:
        low, high = np.searchsorted(opens, [at, at + len(out) - 1], side="right") - 1
        edges = np.clip(opens[low : high + 2], at, at + len(out))
        base = rows[low : high + 1] - opens[low : high + 1].astype(np.uint64) * GOLDEN
        out[:] = np.repeat(base, np.diff(edges))
        spare[:] = np.arange(at, at + len(out))
    else:
        row = np.searchsorted(opens, which, side="right") - 1
        np.take(rows, row, out=out, mode="clip")
        spare[:] = which - opens[row]
    np.multiply(spare, GOLDEN, out=spare)
    np.add(out, spare, out=out)


def lowest(
    rows: np.ndarray,  # as for unit_hashes
    column: np.uint64,
    opens: np.ndarray | None,
    among: np.ndarray | None,
    n: int,  # number of units
    k: int,  # 1 ≤ k ≤ n
) -> tuple[np.uint64, np.ndarray] | None:
    """The k-th smallest hash of some units, and which hashes are not larger, bool, shape (n,); without keeping the hashes.

    Hashes are uniform, so the k-th lies within six standard errors of k/n: those below are in, and only those near are sorted.
    None where it does not lie there after all.
    """
    share = k / n
    slack = 6 * (share * (1 - share) / n) ** 0.5 + 2 / n
    low = np.uint64(int(max(share - slack, 0.0) * 2.0**64))
    high = np.uint64(min(int(low) + int(2 * slack * 2.0**64), _WORD))
    fast = compiled(n)
    if fast is not None:
        inside, near, at_near = fast.lowest(rows, column, opens, among, n, low, high)
    else:
        inside, some, places = np.empty(n, bool), [], []
        for at, v in _hashed(rows, column, opens, among):
            here = inside[at : at + len(v)]
            np.less(v, low, out=here)
            found = np.flatnonzero((v <= high) ^ here)
            some.append(v[found])
            places.append(found + at)
        near, at_near = np.concatenate(some), np.concatenate(places)
    left = k - int(np.count_nonzero(inside))
    if not 1 <= left <= len(near):
        return None
    edge = np.partition(near, left - 1)[left - 1]
    inside[at_near[near <= edge]] = True
    return edge, inside


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
    "Bytes and offsets after the edits: those that keep their length are made in place, the others cut the text into pieces."
    fast = compiled(len(data) // 8)
    if fast is not None:
        return fast.spliced(data, offsets, rows, starts, ends, new, new_offsets)
    added, gone = np.diff(new_offsets), ends - starts
    even, odd = np.flatnonzero(added == gone), np.flatnonzero(added != gone)
    out = data.copy()
    out[_spread(starts[even], gone[even])] = gathered(new, new_offsets[even], added[even])[0]
    if not len(odd):
        return out, offsets
    old, fresh = out.tobytes(), new.tobytes()
    begins, stops = [0, *ends[odd].tolist()], [*starts[odd].tolist(), len(data)]
    pieces: list[Any] = [b""] * (2 * len(odd) + 1)
    pieces[::2] = [old[a:b] for a, b in zip(begins, stops, strict=True)]
    pieces[1::2] = [fresh[a:b] for a, b in zip(new_offsets[odd].tolist(), new_offsets[odd + 1].tolist(), strict=True)]
    grown = np.zeros(len(offsets), np.int64)
    np.add.at(grown, rows[odd] + 1, (added - gone)[odd])
    return np.frombuffer(b"".join(pieces), np.uint8), offsets + np.cumsum(grown)


def true_in(mask: np.ndarray) -> np.ndarray:
    "Positions of what is true."
    fast = compiled(len(mask))
    return np.flatnonzero(mask) if fast is None else np.asarray(fast.true_in(mask))


def blanked(
    values: np.ndarray,  # numbers, shape (n,)
    hit: np.ndarray,  # bool
    out: np.ndarray,  # floats that can hold them
) -> None:
    "The values with nan where they are hit, written to `out`."
    fast = compiled(len(values))
    if fast is not None:
        fast.blanked(values, hit, out)
        return
    out[:] = values
    out[np.flatnonzero(hit)] = np.nan


def rows_of(
    opens: np.ndarray,  # first unit of each row, and the number of units last, shape (rows + 1,)
    which: np.ndarray,  # positions of some units
) -> np.ndarray:
    "The row of each unit."
    fast = compiled(len(which) * 8)
    if fast is not None:
        return np.asarray(fast.rows_of(opens, which))
    return np.searchsorted(opens, which, side="right") - 1


def edited(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, new: np.ndarray, offsets: np.ndarray) -> int:
    "How many edits, as for `spliced`, have new bytes that differ from the old."
    fast = compiled(len(data) // 8)
    if fast is not None:
        return int(fast.edited(data, starts, ends, new, offsets))
    size = np.diff(offsets)
    at = np.flatnonzero(size == ends - starts)
    before, edges = gathered(data, starts[at], size[at])
    unlike = np.zeros(len(before) + 1, np.int64)
    np.cumsum(before != gathered(new, offsets[:-1][at], size[at])[0], out=unlike[1:])
    return len(starts) - int(np.count_nonzero(np.diff(unlike[edges]) == 0))


def _spread(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    "Every position of some runs."
    ends = np.cumsum(lengths)
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(ends[-1] if len(ends) else 0)


def positions(
    data: np.ndarray,  # bytes
    low: int,
    high: int,
) -> np.ndarray:
    "Where a byte in [low, high] stands."
    found = [np.empty(0, np.int64)]
    for at in range(0, len(data), _BYTES):
        part = data[at : at + _BYTES] - np.uint8(low)  # what is smaller wraps around
        found.append(np.flatnonzero(part <= high - low) + at)
    return np.concatenate(found)


def runs(
    data: np.ndarray,  # bytes
    offsets: np.ndarray,  # start of each row in them, shape (rows + 1,)
    ink: np.ndarray,  # which bytes make a run, shape (256,), uint8 of 0 and 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # start and end of each run, and the first run of each row, shape (rows + 1,)
    "Runs of bytes within rows."
    fast = compiled(len(data) // 8)
    if fast is not None:
        return fast.runs(data, offsets, ink)
    n, begun, ended = len(data), 0, 0
    start, end = np.empty((2, (n + len(offsets)) // 2 + 1), np.int64)
    inner = offsets[(offsets > 0) & (offsets < n)]
    plain = n > 0 and int(data.min()) >= 0x20 and not ink[0x20] and bool(ink[0x21:].all())  # white space is the space alone
    there, edge = np.zeros(_BYTES + 1, np.uint8), np.empty(_BYTES, bool)  # the byte before the block, and the block
    for at in range(0, n, _BYTES):
        m = min(_BYTES, n - at)
        now, before = there[1 : m + 1], there[:m]
        there[0] = there[_BYTES] if at else 0
        if plain:
            np.not_equal(data[at : at + m], 0x20, out=now.view(bool))
        else:
            np.take(ink, data[at : at + m], out=now)
        joints = inner[np.searchsorted(inner, at) : np.searchsorted(inner, at + m)] - at
        joints = joints[(now[joints] & before[joints]) > 0]  # rows that meet without a space
        for compare in (np.greater, np.less):
            compare(now, before, out=edge[:m])
            edge[joints] = True
            found = np.flatnonzero(edge[:m])
            if compare is np.greater:
                np.add(found, at, out=start[begun : begun + len(found)])
                begun += len(found)
            else:
                np.add(found, at, out=end[ended : ended + len(found)])
                ended += len(found)
    if ended < begun:
        end[ended] = n
    start, end = start[:begun], end[:begun]
    return start, end, np.searchsorted(start, offsets)


class Marked:
    "Marked bytes of a text: which words have one, and where some of a word is."

    def __init__(
        self,
        data: np.ndarray,  # bytes
        marks: np.ndarray,  # which of them are marked, shape (256,), bool
        start: np.ndarray,  # of each word
        end: np.ndarray,
    ) -> None:
        self.data, self.marks, self.start, self.end = data, marks, start, end

    @cached_property
    def any(self) -> np.ndarray:
        "Words with a marked byte, bool: most begin with one."
        fast = compiled(len(self.start))
        if fast is not None:
            found: np.ndarray = fast.any_marked(self.data, self.marks, self.start, self.end)
            return found
        out = self.marks[self.data[self.start]]
        rest = np.flatnonzero(~out)
        out[rest] = self._counted(rest)[0] > 0
        return out

    def _counted(self, words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        "Marked bytes of each, those of all words before it, where they are among the bytes of these words, and where each word begins."
        flat, offsets = gathered(self.data, self.start[words], self.end[words] - self.start[words])
        marked = self.marks[flat]
        upto = np.zeros(len(flat) + 1, np.int32)
        np.cumsum(marked, out=upto[1:], dtype=np.int32)
        before = upto[offsets]
        return np.diff(before), before[:-1], np.flatnonzero(marked), offsets[:-1]

    def pick(
        self,
        words: np.ndarray,  # positions of words that have one
        share: np.ndarray,  # in [0, 1), one a word
    ) -> np.ndarray:
        "Position of one marked byte of each word: the floor(share x marked)-th, from 0."
        fast = compiled(len(self.data) // 8)
        if fast is not None:
            found: np.ndarray = fast.pick_marked(self.data, self.marks, self.start, self.end, words, share)
            return found
        count, before, at, begins = self._counted(words)
        return at[before + (share * count).astype(np.int64)] - begins + self.start[words]


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
