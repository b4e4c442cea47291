"""The same loops as in `_kernels`, compiled by numba; results are identical, which the tests try on random input."""

import numpy as np
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONE, _TWO = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_BLOCK = 1 << 11
_S30, _S27, _S31, _UNIT = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(1)


@njit(cache=True, inline="always")
def _mixed(x):  # type: ignore[no-untyped-def]
    x = (x ^ (x >> _S30)) * _ONE
    x = (x ^ (x >> _S27)) * _TWO
    return x ^ (x >> _S31)


@njit(cache=True)
def _hash_block(rows, first, opens, among, at, row, out):  # type: ignore[no-untyped-def]
    """Hashes of the units from `at` on, or of those at the positions `among` from `at` on; the row of the last one.

    `row` is any row not behind that of the first unit.
    """
    n = len(out)
    if opens is None:
        if among is None:
            part = rows[at : at + n]
            for i in range(n):
                out[i] = _mixed(part[i] + first)
        else:
            for i in range(n):
                out[i] = _mixed(rows[among[at + i]] + first)
    elif among is None:
        done = 0
        while done < n:
            while opens[row + 1] <= at + done:
                row += 1
            x = rows[row] + first - np.uint64(opens[row]) * _GOLDEN
            stop = min(opens[row + 1] - at, n)
            for i in range(done, stop):
                out[i] = _mixed(x + np.uint64(at + i) * _GOLDEN)
            done = stop
    else:
        for i in range(n):
            unit = among[at + i]
            if unit < opens[row]:
                row = 0
            while opens[row + 1] <= unit:
                row += 1
            out[i] = _mixed(rows[row] + first + np.uint64(unit - opens[row]) * _GOLDEN)
    return row


@njit(cache=True)
def _kept(block, allowed):  # type: ignore[no-untyped-def]
    found = np.uintp(0)
    for i in range(len(block)):
        block[found] = block[i]
        found += np.uintp(allowed[i])
    return np.int64(found)


@njit(cache=True)
def _hash_units(rows, first, opens, among, allowed, n, out):  # type: ignore[no-untyped-def]
    spare, row, done = np.empty(_BLOCK, np.uint64), 0, 0
    for at in range(0, n, _BLOCK):
        block = spare[: min(_BLOCK, n - at)]
        row = _hash_block(rows, first, opens, among, at, row, block)
        m = len(block) if allowed is None else _kept(block, allowed[at : at + _BLOCK])
        out[done : done + m] = block[:m]
        done += m


def _split_among(among: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    "Positions, or a mask as bytes."
    if among is None:
        return None, None
    return (None, among.view(np.uint8)) if among.dtype == np.bool_ else (among, None)


def _sizes(rows: np.ndarray, opens: np.ndarray | None, among: np.ndarray | None) -> tuple[int, int]:
    "Units that are looked at, and units that are meant."
    looked = len(rows) if opens is None else int(opens[-1])
    if among is None:
        return looked, looked
    return (looked, int(np.count_nonzero(among))) if among.dtype == np.bool_ else (len(among), len(among))


def _first(column: np.uint64) -> np.uint64:
    return np.uint64((int(column) + int(_GOLDEN)) & 0xFFFFFFFFFFFFFFFF)


def unit_hashes(
    rows: np.ndarray, column: np.uint64, opens: np.ndarray | None = None, among: np.ndarray | None = None
) -> np.ndarray:
    "As `_kernels.unit_hashes`."
    looked, meant = _sizes(rows, opens, among)
    out = np.empty(meant, np.uint64)
    _hash_units(rows, _first(column), opens, *_split_among(among), looked, out)
    return out


@njit(cache=True)
def _lowest(rows, first, opens, among, allowed, n, low, high, inside, near, places):  # type: ignore[no-untyped-def]
    spare, row, done, found = np.empty(_BLOCK, np.uint64), 0, 0, 0
    for at in range(0, n, _BLOCK):  # plain loops over what stays in the cache: the compiler makes vectors of them
        block = spare[: min(_BLOCK, n - at)]
        row = _hash_block(rows, first, opens, among, at, row, block)
        m = len(block) if allowed is None else _kept(block, allowed[at : at + _BLOCK])
        block, here = block[:m], inside[done : done + m]
        for i in range(m):
            here[i] = block[i] < low
        for i in range(m):
            if block[i] - low <= high - low:
                if found < len(near):
                    near[found] = block[i]
                    places[found] = done + i
                found += 1
        done += m
    return found


def lowest(
    rows: np.ndarray,
    column: np.uint64,
    opens: np.ndarray | None,
    among: np.ndarray | None,
    n: int,
    low: np.uint64,
    high: np.uint64,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    "Which hashes are below `low`; those from there to `high`; and where these are."
    looked, _ = _sizes(rows, opens, among)
    inside, room = np.empty(n, np.bool_), int(n * (int(high) - int(low)) / 2.0**64 * 1.5) + 64
    while True:
        near, places = np.empty(room, np.uint64), np.empty(room, np.int64)
        found = _lowest(rows, _first(column), opens, *_split_among(among), looked, low, high, inside, near, places)
        if found <= room:
            return inside, near[:found], places[:found]
        room = found


@njit(cache=True)
def _true_in(mask, out):  # type: ignore[no-untyped-def]
    found = np.uintp(0)
    for i in range(len(mask)):
        out[found] = i
        found += np.uintp(mask[i])
    return np.int64(found)


def true_in(mask: np.ndarray) -> np.ndarray:
    "As `_kernels.true_in`."
    out = np.empty(len(mask) + 1, np.int64)  # a page that is not written to costs nothing
    return out[: _true_in(mask.view(np.uint8), out)]


@njit(cache=True, inline="always")
def _step(value, low, scale, last):  # type: ignore[no-untyped-def]
    at = (value - low) * scale
    at = at if at > 0 else 0.0  # nan too
    return np.int64(at if at < last else last)


@njit(cache=True)
def step_counts(values, low, scale, out):  # type: ignore[no-untyped-def]
    "How many values fall into each step of equal width, added to `out`; nan into the first one."
    last = np.float64(len(out) - 1)
    for i in range(len(values)):
        out[_step(values[i], low, scale, last)] += 1


@njit(cache=True)
def step_values(values, low, scale, table, out):  # type: ignore[no-untyped-def]
    "What the table says of the step of each value."
    last = np.float64(len(table) - 1)
    for i in range(len(values)):
        out[i] = table[_step(values[i], low, scale, last)]


@njit(cache=True)
def blanked(values, hit, out):  # type: ignore[no-untyped-def]
    "As `_kernels.blanked`."
    for i in range(len(values)):
        out[i] = np.nan if hit[i] else values[i]


@njit(cache=True)
def _find_runs(data, offsets, ink, edges, opens):  # type: ignore[no-untyped-def]
    found, one = np.uintp(0), np.uintp(1)  # unsigned, so that no place is looked for from the end
    for r in range(len(offsets) - 1):  # no branch a byte: a place is written always, and kept where it counts
        opens[r] = found >> one
        before = np.uint8(0)
        for i in range(np.uintp(offsets[r]), np.uintp(offsets[r + 1])):
            now = ink[data[i]]
            edges[found] = i
            found += np.uintp(now ^ before)
            before = now
        edges[found] = offsets[r + 1]
        found += np.uintp(before)
    opens[len(offsets) - 1] = found >> one
    return found


def runs(data: np.ndarray, offsets: np.ndarray, ink: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    "As `_kernels.runs`."
    edges, opens = np.empty(len(data) + len(offsets) + 2, np.int64), np.empty(len(offsets), np.int64)
    found = _find_runs(data, offsets, ink, edges, opens)
    return edges[:found:2], edges[1:found:2], opens


@njit(cache=True)
def _find_rows(opens, which, out):  # type: ignore[no-untyped-def]
    row = 0
    for k in range(len(which)):
        if which[k] < opens[row]:
            row = 0
        while opens[row + 1] <= which[k]:
            row += 1
        out[k] = row


def rows_of(opens: np.ndarray, which: np.ndarray) -> np.ndarray:
    "As `_kernels.rows_of`."
    out = np.empty(len(which), np.int64)
    _find_rows(opens, which, out)
    return out


@njit(cache=True)
def _differ(data, starts, ends, new, offsets):  # type: ignore[no-untyped-def]
    found = 0
    for k in range(len(starts)):
        size = ends[k] - starts[k]
        if offsets[k + 1] - offsets[k] != size:
            found += 1
            continue
        for i in range(size):
            if data[starts[k] + i] != new[offsets[k] + i]:
                found += 1
                break
    return found


def edited(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, new: np.ndarray, offsets: np.ndarray) -> int:
    "As `_kernels.edited`."
    return int(_differ(data, starts, ends, new, offsets))


@njit(cache=True)
def _splice(data, starts, ends, new, new_offsets, out):  # type: ignore[no-untyped-def]
    at = to = 0
    for k in range(len(starts)):  # the text between edits that change its length, in long pieces
        added = new_offsets[k + 1] - new_offsets[k]
        if added == ends[k] - starts[k]:
            continue
        size = starts[k] - at
        out[to : to + size] = data[at : at + size]
        to += size
        for i in range(added):
            out[to + i] = new[new_offsets[k] + i]
        to += added
        at = ends[k]
    out[to:] = data[at:]
    shift = 0
    for k in range(len(starts)):  # then what keeps it
        added = new_offsets[k + 1] - new_offsets[k]
        if added == ends[k] - starts[k]:
            for i in range(added):
                out[starts[k] + shift + i] = new[new_offsets[k] + i]
        shift += added - (ends[k] - starts[k])


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
def _any(data, marks, start, end, out):  # type: ignore[no-untyped-def]
    for w in range(len(start)):
        i, stop = np.uintp(start[w]), np.uintp(end[w])
        while i < stop and not marks[data[i]]:
            i += np.uintp(1)
        out[w] = i < stop


def any_marked(data: np.ndarray, marks: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    "As `_kernels.Marked.any`."
    out = np.empty(len(start), np.bool_)
    _any(data, marks, start, end, out)
    return out


@njit(cache=True, inline="always")
def _picked(data, marks, start, end, share):  # type: ignore[no-untyped-def]
    i, count = np.uintp(start), 0
    for j in range(i, np.uintp(end)):
        count += marks[data[j]]
    left = np.int64(share * count)
    if count == end - start:
        return i + np.uintp(left)
    while left or not marks[data[i]]:
        left -= marks[data[i]]
        i += np.uintp(1)
    return i


@njit(cache=True)
def _pick(data, marks, start, end, words, share, out):  # type: ignore[no-untyped-def]
    for k in range(len(words)):
        out[k] = _picked(data, marks, start[words[k]], end[words[k]], share[k])


def pick_marked(
    data: np.ndarray, marks: np.ndarray, start: np.ndarray, end: np.ndarray, words: np.ndarray, share: np.ndarray
) -> np.ndarray:
    "As `_kernels.Marked.pick`."
    out = np.empty(len(words), np.int64)
    _pick(data, marks.view(np.uint8), start, end, words, share, out)
    return out


@njit(cache=True, inline="always")
def _char(data, at):  # type: ignore[no-untyped-def]
    "Code point of the UTF-8 character that begins there, and its bytes."
    a = np.uint32(data[at])
    if a < 0xC0:
        return a, np.int64(1)
    b = np.uint32(data[at + 1] & 0x3F)
    if a < 0xE0:
        return (a & np.uint32(0x1F)) << np.uint32(6) | b, np.int64(2)
    c = np.uint32(data[at + 2] & 0x3F)
    if a < 0xF0:
        return (a & np.uint32(0x0F)) << np.uint32(12) | b << np.uint32(6) | c, np.int64(3)
    d = np.uint32(data[at + 3] & 0x3F)
    return (a & np.uint32(0x07)) << np.uint32(18) | b << np.uint32(12) | c << np.uint32(6) | d, np.int64(4)


@njit(cache=True, inline="always")
def _unit_of(hashed, salt):  # type: ignore[no-untyped-def]
    return (np.float64(_mixed(hashed ^ salt) >> np.uint64(12)) + 0.5) * 2.0**-52


@njit(cache=True)
def _slip(data, marks, text, start, end, words, draws, entry, first, count, begins, sizes, keys, starts, ends, out, offsets):  # type: ignore[no-untyped-def]
    hashes, salts = draws
    to = 0
    for k in range(len(words)):
        begin, stop = start[words[k]], end[words[k]]
        move, where, pick = _unit_of(hashes[k], salts[0]), _unit_of(hashes[k], salts[1]), _unit_of(hashes[k], salts[2])
        at = np.int64(_picked(marks, text, begin, stop, where))
        point, size = _char(data, at)
        after = at + size
        starts[k], ends[k] = at, after
        third = begin + _char(data, begin)[1]
        if third < stop:
            third += _char(data, third)[1]
        follows = after < stop
        next_point, next_size = point, size
        if follows:
            next_point, next_size = _char(data, after)
        if third >= stop or move < 0.5:  # the key beside
            key = entry[point]
            key = first[key] + np.int64(pick * count[key])
            for i in range(begins[key], begins[key] + sizes[key]):
                out[to] = keys[i]
                to += 1
        elif move < 0.7 and follows and point != next_point and next_point < 0x10000 and entry[next_point] >= 0:  # swapped
            for i in range(after, after + next_size):
                out[to] = data[i]
                to += 1
            for i in range(at, after):
                out[to] = data[i]
                to += 1
            ends[k] = after + next_size
        elif move >= 0.85:  # twice
            for _ in range(2):
                for i in range(at, after):
                    out[to] = data[i]
                    to += 1
        offsets[k + 1] = to
    return to


def slips(
    data: np.ndarray,
    marked: tuple[np.ndarray, np.ndarray],  # bytes, and which of them begin a letter on a key
    span: tuple[np.ndarray, np.ndarray],  # start and end of every word
    words: np.ndarray,  # positions of those that are hit
    draws: tuple[np.ndarray, np.ndarray],  # hashes, and what makes three streams of them
    layout: tuple[np.ndarray, ...],  # entry, first, count, start, length, data
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    "As `_slips.Slips.edits`."
    n = len(words)
    starts, ends, offsets = np.empty(n, np.int64), np.empty(n, np.int64), np.zeros(n + 1, np.int64)
    out = np.empty(n * max(8, int(layout[4].max(initial=0))), np.uint8)  # two characters of four bytes at most
    to = _slip(data, marked[0], marked[1].view(np.uint8), *span, words, draws, *layout, starts, ends, out, offsets)
    return starts, ends, out[:to], offsets


@njit(cache=True)
def _uniform(hashes, salt, out):  # type: ignore[no-untyped-def]
    for i in range(len(hashes)):
        out[i] = _unit_of(hashes[i], salt)


def uniform(hashes: np.ndarray, salt: np.uint64) -> np.ndarray:
    "As `_draws.Draws.uniform`."
    out = np.empty(len(hashes))
    _uniform(hashes, salt, out)
    return out


@njit(cache=True)
def _to_unit(hashes, out):  # type: ignore[no-untyped-def]
    for i in range(len(hashes)):
        out[i] = (np.float64(hashes[i] >> np.uint64(12)) + 0.5) * 2.0**-52


@njit(cache=True, error_model="numpy")
def _to_wait(logs, weights):  # type: ignore[no-untyped-def]
    for i in range(len(logs)):
        logs[i] = -(logs[i] / weights[i])


def waiting_times(hashes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    "As `_draws.waiting_times`; the logarithm is numpy's own, so that the last bit is the same."
    out = np.empty(len(hashes))
    for at in range(0, len(out), 1 << 14):
        here = slice(at, at + (1 << 14))
        _to_unit(hashes[here], out[here])
        np.log(out[here], out=out[here])
        _to_wait(out[here], weights[here])
    return out


@njit(cache=True)
def _digits(numbers, four, out):  # type: ignore[no-untyped-def]
    for k in range(len(numbers)):
        left, size, bound = numbers[k], 1, np.uint64(10)
        while size < 8 and left >= bound:
            size += 1
            bound *= np.uint64(10)
        if size < 8 or left < bound:
            high = left // np.uint64(10_000)
            low = left - high * np.uint64(10_000)
            if size <= 4:
                word = four[low] >> np.uint64(8 * (4 - size))
            else:
                word = four[high] >> np.uint64(8 * (8 - size)) | four[low] << np.uint64(8 * (size - 4))
            out[k] = _mixed(_mixed(_GOLDEN ^ word) + np.uint64(size))
        else:
            out[k] = _long_digits(left)


@njit(cache=True)
def _long_digits(left):  # type: ignore[no-untyped-def]
    word, size = np.empty(20, np.uint8), 0
    while left:
        ten = left // np.uint64(10)
        word[size] = 48 + (left - ten * np.uint64(10))
        size += 1
        left = ten
    found = _GOLDEN
    for at in range(0, size, 8):
        eight = np.uint64(0)
        for i in range(min(8, size - at)):
            eight |= np.uint64(word[size - 1 - at - i]) << np.uint64(8 * i)
        found = _mixed(found ^ eight)
    return _mixed(found + np.uint64(size))


def number_hashes(
    numbers: np.ndarray,  # uint64
    four: np.ndarray,  # digits of each number below 10,000 as bytes
) -> np.ndarray:
    "As `_draws.key_hashes` of whole numbers."
    out = np.empty(len(numbers), np.uint64)
    _digits(numbers, four, out)
    return out


@njit(cache=True)
def _windowed(values, low, high, kept):  # type: ignore[no-untyped-def]
    below, found = 0, np.uintp(0)
    for i in range(len(values)):
        below += values[i] < low
    for i in range(len(values)):
        kept[found] = values[i]
        found += np.uintp((values[i] >= low) & (values[i] <= high))
    return below, np.int64(found)


def window(values: np.ndarray, low: np.generic, high: np.generic) -> tuple[int, np.ndarray]:
    "How many values lie below a window, and those that lie in it."
    kept = np.empty(len(values) + 1, values.dtype)  # a page that is not written to costs nothing
    below, found = _windowed(values, low, high, kept)
    return below, kept[:found]
