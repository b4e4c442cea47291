"""Slips of the thumb on a keyboard over UTF-8 bytes: the same as `_slip` of the noise family, for all words that are hit at once."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from pilot_to_prod.scenarios._draws import Draws
from pilot_to_prod.scenarios._kernels import Marked, compiled, gathered
from pilot_to_prod.scenarios._text import Words, code_points


class Layout:
    "The letters of a layout as tables over code points, and what the keys beside them type."

    def __init__(self, keys: Mapping[str, str]) -> None:
        self.entry = np.full(0x10000, -1, np.int32)  # code point → entry, -1 where no key types it
        pieces: list[bytes] = []
        first: list[int] = []
        count: list[int] = []
        for point in _typed_by(keys):
            letter = chr(point)
            self.entry[point] = len(first)
            near = [_cased(new, letter).encode() for new in keys[letter.lower()]]
            first.append(len(pieces))
            count.append(len(near))
            pieces += near
        self.first, self.count = np.array(first, np.int64), np.array(count, np.int64)
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        self.start, self.length = np.cumsum(lengths) - lengths, lengths
        self.data = np.frombuffer(b"".join(pieces), np.uint8)

    def types(self, points: np.ndarray) -> np.ndarray:
        "Which code points are on a key, bool."
        return (self.entry[np.minimum(points, 0xFFFF)] >= 0) & (points < 0x10000)


def _typed_by(keys: Mapping[str, str]) -> list[int]:
    "Code points whose small letter is on a key."
    return sorted(point for small in keys for point in _capitals().get(small, [ord(small)]))


@cache
def _capitals() -> dict[str, list[int]]:
    "Small letter → every code point of the basic plane that it is the small letter of."
    out: dict[str, list[int]] = {}
    for point in range(0x10000):
        if not 0xD800 <= point < 0xE000:
            out.setdefault(chr(point).lower(), []).append(point)
    return out


def _cased(new: str, like: str) -> str:
    return new.upper() if like.isupper() and len(new.upper()) == 1 else new


class Slips:
    "The kernel of `typos`: eligible words and edits, for one layout."

    def __init__(self, layouts: Any) -> None:
        self.layouts = layouts  # a function: name → letter → letters beside
        self._made: dict[str, Layout] = {}

    def layout(self, params: Mapping[str, Any]) -> Layout:
        name = params["layout"]
        if name not in self._made:
            self._made[name] = Layout(self.layouts(name))
        return self._made[name]

    def can(self, words: Words, params: Mapping[str, Any]) -> bool:
        return params["layout"] is not None

    def _marked(self, words: Words, params: Mapping[str, Any]) -> Marked:
        "Letters that a slip can start at."
        key = ("slips", params["layout"])
        if key not in words.cache:
            words.cache[key] = self._typed(words, self.layout(params))
        found: Marked = words.cache[key]
        return found

    def _typed(self, words: Words, layout: Layout) -> Marked:
        "Bytes that begin a letter that is on a key."
        if words.is_ascii:
            return Marked(words.data, layout.entry[:256] >= 0, words.start, words.end)
        leads = np.flatnonzero((words.data & 0xC0) != 0x80)
        typed = np.zeros(len(words.data), np.uint8)
        typed[leads] = layout.types(code_points(words.data, leads))
        return Marked(typed, np.arange(256) > 0, words.start, words.end)

    def eligible(self, words: Words, params: Mapping[str, Any]) -> np.ndarray:
        return self._marked(words, params).any

    def edits(
        self, words: Words, which: np.ndarray, draws: Draws, params: Mapping[str, Any]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        "Start and end of each edit, the new bytes and where each begins in them."
        layout, marked = self.layout(params), self._marked(words, params)
        streams = ("move", "where", "which")
        fast = compiled(len(words.data) // 8)
        if fast is not None:
            tables = (layout.entry, layout.first, layout.count, layout.start, layout.length, layout.data)
            text, span = (marked.data, marked.marks), (words.start, words.end)
            made: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] = fast.slips(
                words.data, text, span, which, (draws.hashes, np.array([draws.salt(s) for s in streams])), tables
            )
            return made
        move, where, pick = (draws.uniform(s) for s in streams)
        at = marked.pick(which, where)
        end = words.end[which]
        size = _sizes(words, at)
        after = at + size
        more = after < end
        follows = np.where(more, after, at)
        next_size = _sizes(words, follows)
        point, next_point = (code_points(words.data, p) for p in (at, follows))
        many = _longer_than_two(words, which)
        other = many & (move >= 0.5)
        swap = other & (move < 0.7) & more & (point != next_point) & layout.types(next_point)
        drop = other & ~swap & (move < 0.85)
        double = other & ~swap & ~drop
        entry = layout.entry[point]
        new = layout.first[entry] + (pick * layout.count[entry]).astype(np.int64)
        base = len(words.data)
        beside = ~other
        start_one = np.where(beside, base + layout.start[new], np.where(swap, follows, at))
        length_one = np.where(beside, layout.length[new], np.where(drop, 0, np.where(swap, next_size, size)))
        length_two = np.where(swap | double, size, 0)
        starts = np.stack([start_one, at], axis=1).reshape(-1)
        lengths = np.stack([length_one, length_two], axis=1).reshape(-1)
        data, offsets = gathered(np.concatenate([words.data, layout.data]), starts, lengths)
        return at, np.where(swap, after + next_size, after), data, offsets[::2]


def _sizes(words: Words, at: np.ndarray) -> np.ndarray:
    "Bytes of the characters that begin at some positions."
    if words.is_ascii:
        return np.ones(len(at), np.int64)
    first = words.data[at]
    return (1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0)).astype(np.int64)


def _longer_than_two(words: Words, which: np.ndarray) -> np.ndarray:
    "Whether words have more than two characters."
    start, end = words.start[which], words.end[which]
    if words.is_ascii:
        return end - start > 2
    second = start + _sizes(words, start)
    third = second + _sizes(words, np.minimum(second, end - 1))
    return (second < end) & (third < end)
