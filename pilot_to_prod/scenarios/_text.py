"""Words of a whole text column at once, and their replacement.

A word is a run without white space; in scripts written without spaces each character is one word, with the marks that
sit on it. Offsets count code points from the start of the cell.
"""

import itertools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

_SOLO_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
)
_SPACE, _SCRIPT, _SOLO, _MARK = 1, 2, 4, 8


@cache
def _classes() -> np.ndarray:
    "Bit flags of every code point of the basic plane, shape (65536,), uint8."
    table = np.zeros(0x10000, np.uint8)
    for c in range(0x3001):
        if chr(c).isspace():
            table[c] = _SPACE
    for c in range(0x300, 0x10000):
        if unicodedata.category(chr(c)).startswith("M"):
            table[c] = _MARK
    for low, high in _SOLO_RANGES:
        for c in range(low, high + 1):
            table[c] |= _SCRIPT | (0 if table[c] & _MARK else _SOLO)
    return table


def _flags(points: np.ndarray) -> np.ndarray:
    table = _classes()
    if not len(points) or points.max() < 0x10000:
        return table[points]
    out = table[np.minimum(points, 0xFFFF)]
    high = points >= 0x10000
    far = points[high]
    han, selector = (far >= 0x20000) & (far <= 0x323AF), (far >= 0xE0100) & (far <= 0xE01EF)
    out[high] = np.where(han, _SCRIPT | _SOLO, np.where(selector, _MARK, 0))
    return out


@dataclass(frozen=True)
class Words:
    "Every word of a column, flat: which row, which place in it, and where in the joined text."

    text: str
    offsets: np.ndarray  # start of each row in `text`, shape (rows + 1,)
    row: np.ndarray  # row position of each word, shape (words,)
    unit: np.ndarray  # number of the word within its row, shape (words,)
    start: np.ndarray  # in `text`, shape (words,)
    end: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    def strings(self, which: np.ndarray | None = None) -> list[str]:
        "The words themselves, or those at some positions."
        text = self.text
        start, end = (self.start, self.end) if which is None else (self.start[which], self.end[which])
        return [text[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]

    def replace(self, which: np.ndarray, new: Sequence[str]) -> list[str]:
        "The rows' texts with the words at increasing positions `which` replaced by `new`, one string a row."
        text, pieces, at = self.text, [], 0
        start, end = self.start[which], self.end[which]
        for a, b, word in zip(start.tolist(), end.tolist(), new, strict=True):
            pieces.append(text[at:a])
            pieces.append(word)
            at = b
        pieces.append(text[at:])
        joined = "".join(pieces)
        grown = np.fromiter(map(len, new), np.int64, len(new)) - (end - start)
        shift = np.zeros(len(self.offsets), np.int64)
        np.add.at(shift, self.row[which] + 1, grown)
        cuts = (self.offsets + np.cumsum(shift)).tolist()
        return [joined[a:b] for a, b in itertools.pairwise(cuts)]


def split_words(
    texts: Sequence[str],  # one string a row; a missing cell is ""
) -> Words:
    "Find every word of every row. Raises UnicodeEncodeError on a lone surrogate."
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    text = "".join(texts)
    flags = _flags(np.frombuffer(text.encode("utf-32-le"), np.uint32))
    space, script, solo, mark = ((flags & bit) > 0 for bit in (_SPACE, _SCRIPT, _SOLO, _MARK))
    first = np.zeros(len(flags) + 1, bool)
    first[offsets] = True
    begins = first[:-1] | solo
    mark &= ~first[:-1]  # a mark with nothing to sit on stands for itself
    mark[1:] &= ~space[:-1]
    base = np.maximum.accumulate(np.where(mark, 0, np.arange(len(flags)))) if len(flags) else np.zeros(0, np.int64)
    begins[1:] |= space[:-1] | (script[base[:-1]] & ~script[1:] & ~mark[1:])
    begins &= ~space
    start = np.flatnonzero(begins)
    stops = np.flatnonzero(np.append(begins | space | first[:-1], True))
    end = stops[np.searchsorted(stops, start, side="right")]
    row = np.searchsorted(offsets, start, side="right") - 1
    opens = np.zeros(len(texts), np.int64)
    counts = np.bincount(row, minlength=len(texts)) if len(texts) else opens
    opens[1:] = np.cumsum(counts)[:-1]
    return Words(text, offsets, row, np.arange(len(start)) - opens[row], start, end)
