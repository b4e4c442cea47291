"""Words of a whole text column at once, and their replacement: UTF-8 bytes as pandas keeps them, no string a row.

A word is a run without white space; in scripts written without spaces each character is one word, with the marks that
sit on it. Positions are bytes inside and code points outside.
"""

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pilot_to_prod.scenarios._kernels import gathered, hash_bytes, positions, rows_of, runs, spliced

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
_SPACE, _SCRIPT, _SOLO, _MARK, _DIGIT = 1, 2, 4, 8, 16
_EMAIL = re.compile(rb"[^\s@<>(),;:]+@[^\s@<>(),;:]+\.[^\s@<>(),;:]+")
_LINK = re.compile(rb"(?:https?://|www\.)\S+|(?<![\w.-])(?:[a-z0-9-]+\.)+[a-z]{2,}/\S*", re.IGNORECASE)
CURRENCY_CODES = (
    "USD|EUR|GBP|JPY|INR|TRY|RUB|KRW|ILS|UAH|BRL|PLN|CZK|HUF|CHF|CAD|AUD|SEK|NOK|DKK|CNY|MXN|IDR|ZAR|SGD|HKD|NZD"  # ISO 4217
)
_CODED = re.compile(  # a currency code beside a number; an IBAN (ISO 13616), together or in groups of four
    rb"(?<![A-Za-z])(?:%b)\s?(?=\d)|(?<=\d)\s?(?:%b)(?![A-Za-z])"
    rb"|(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?!\w)" % ((CURRENCY_CODES.encode(),) * 2)
)
PROTECTED = ("number", "email", "link", "term")


@cache
def _classes() -> np.ndarray:
    "Bit flags of every code point of the basic plane, shape (65536,), uint8. Digits include currency signs."
    table = np.zeros(0x10000, np.uint8)
    for c in range(0x10000):
        category = unicodedata.category(chr(c))
        if c < 0x3001 and chr(c).isspace():
            table[c] = _SPACE
        elif category[0] == "M":
            table[c] = _MARK
        elif category in ("Nd", "Sc"):
            table[c] = _DIGIT
    for low, high in _SOLO_RANGES:
        for c in range(low, high + 1):
            table[c] |= _SCRIPT | (0 if table[c] & _MARK else _SOLO)
    return table


@cache
def _ascii_flags() -> np.ndarray:
    "Flags of single bytes, shape (256,); those of longer characters are 0."
    out = np.zeros(256, np.uint8)
    out[:128] = _classes()[:128]
    return out


@cache
def _ink() -> np.ndarray:
    "1 for single bytes that are no white space, shape (256,), uint8."
    return ((_ascii_flags() & _SPACE) == 0).astype(np.uint8)


def _flags(points: np.ndarray) -> np.ndarray:
    table = _classes()
    if not len(points) or points.max() < 0x10000:
        return table[points]
    out = table[np.minimum(points, 0xFFFF)]
    high = points >= 0x10000
    far = points[high]
    han, selector = (far >= 0x20000) & (far <= 0x323AF), (far >= 0xE0100) & (far <= 0xE01EF)
    digit = (far >= 0x1D7CE) & (far <= 0x1D7FF)  # mathematical digits
    out[high] = np.where(han, _SCRIPT | _SOLO, np.where(selector, _MARK, np.where(digit, _DIGIT, 0)))
    return out


@cache
def is_sign(
    letter: str,
) -> bool:
    "Whether a character counts as a word by itself: letters of scripts that are written without spaces."
    return bool(_flags(np.array([ord(letter)]))[0] & _SOLO)


def code_points(
    data: np.ndarray,  # UTF-8 bytes
    leads: np.ndarray,  # positions of first bytes
) -> np.ndarray:
    "The code point that begins at each position, shape (n,), uint32."
    first = data[leads]
    out = first.astype(np.uint32)
    if not len(first) or first.max() < 0x80:
        return out
    for low, high, size, bits in ((0xC0, 0xE0, 2, 0x1F), (0xE0, 0xF0, 3, 0x0F), (0xF0, 0x100, 4, 0x07)):
        which = np.flatnonzero((first >= low) & (first <= high - 1))
        value = out[which] & np.uint32(bits)
        for i in range(1, size):
            value = (value << np.uint32(6)) | (data[leads[which] + i] & 0x3F)
        out[which] = value
    return out


@dataclass(frozen=True)
class Words:
    "Every unit of text of a column, flat: which row, which place in it, and where in the bytes of all rows."

    data: np.ndarray  # uint8
    offsets: np.ndarray  # start of each row in `data`, shape (rows + 1,)
    present: np.ndarray | None  # rows that are not missing, bool; None: all
    opens: np.ndarray  # first unit of each row, and the number of units last, shape (rows + 1,)
    start: np.ndarray  # in `data`, shape (units,)
    end: np.ndarray
    cache: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def row(self) -> np.ndarray:
        "Row position of each unit, shape (units,)."
        return np.repeat(np.arange(len(self.opens) - 1), np.diff(self.opens))

    @cached_property
    def unit(self) -> np.ndarray:
        "Its number within the row, shape (units,)."
        return np.arange(len(self)) - np.repeat(self.opens[:-1], np.diff(self.opens))

    def rows_of(self, which: np.ndarray) -> np.ndarray:
        "Row positions of some units."
        return rows_of(self.opens, which)

    @cached_property
    def is_ascii(self) -> bool:
        return not len(self.data) or int(self.data.max()) < 128

    @cached_property
    def _bytes(self) -> bytes:
        return self.data.tobytes()

    def strings(self, which: np.ndarray | None = None) -> list[str]:
        "The units themselves, or those at some positions."
        start, end = (self.start, self.end) if which is None else (self.start[which], self.end[which])
        if self.is_ascii:
            text = self._bytes.decode("ascii")
            return [text[a:b] for a, b in zip(start.tolist(), end.tolist(), strict=True)]
        raw = self._bytes
        return [raw[a:b].decode() for a, b in zip(start.tolist(), end.tolist(), strict=True)]

    def texts(self) -> list[str]:
        "Every row as a string; a missing one is ''."
        raw, cuts = self._bytes, self.offsets.tolist()
        return [raw[a:b].decode() for a, b in itertools.pairwise(cuts)]

    @cached_property
    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        "Codes of equal units, shape (units,), and the position of the first of each."
        hashes = hash_bytes(self.data, self.start, self.end - self.start)
        codes, found = pd.factorize(hashes)
        first = np.full(len(found), len(hashes), np.int64)
        np.minimum.at(first, codes, np.arange(len(hashes)))
        return codes, first

    def holding(self, spans: np.ndarray) -> np.ndarray:
        "Units that overlap some byte spans, shape (k, 2), given in order and without overlap; bool, shape (units,)."
        out = np.zeros(len(self), bool)
        if len(spans) and len(self):
            before = np.searchsorted(spans[:, 1], self.start, side="right")  # spans that end at or before the unit
            until = np.searchsorted(spans[:, 0], self.end, side="left")  # spans that begin before its end
            out = until > before
        return out

    def protected(self, what: str, terms: Sequence[str] = ()) -> np.ndarray | None:
        """Units that hold a number, an amount, a currency sign or an IBAN, an e-mail address, a link, or a term of the user's.

        Bool, shape (units,); None where no unit does.
        """
        key = (what, tuple(terms))
        if key not in self.cache:
            held = [self.holding(spans) for spans in self._spans(what, terms) if len(spans)]
            self.cache[key] = np.any(held, axis=0) if held else None
        return self.cache[key]

    def _spans(self, what: str, terms: Sequence[str]) -> tuple[np.ndarray, ...]:
        signs, which = self._signs
        if what == "number":
            at = self._digits()
            return np.stack([at, at + 1], axis=1), self._found(_CODED, signs[which - np.uint8(0x30) < 10])
        if what == "email":
            return (self._found(_EMAIL, signs[which == 0x40]),)
        return (self._found(_LINK, self._links()) if what == "link" else self._terms(terms),)

    @cached_property
    def _signs(self) -> tuple[np.ndarray, np.ndarray]:
        "Where ASCII digits and the signs before letters stand, and which they are."
        at = positions(self.data, 0x21, 0x40)
        return at, self.data[at]

    def _links(self) -> np.ndarray:
        "Where :// and www., whatever its case, and slashes stand."
        data, (signs, which) = self.data, self._signs
        colons, dots = (signs[which == sign] for sign in (0x3A, 0x2E))
        colons = colons[colons < len(data) - 2]
        colons = colons[(data[colons + 1] == 0x2F) & (data[colons + 2] == 0x2F)]
        dots = dots[dots > 2]
        for back in (1, 2, 3):
            dots = dots[data[dots - back] | np.uint8(0x20) == 0x77]
        return np.concatenate([colons, dots, signs[which == 0x2F]])

    def _found(self, pattern: re.Pattern[bytes], marks: np.ndarray) -> np.ndarray:
        "Where a pattern stands, searched in the rows that hold one of some positions."
        spans: list[tuple[int, int]] = []
        for r in np.unique(np.searchsorted(self.offsets, marks, side="right") - 1).tolist():
            spans += [m.span() for m in pattern.finditer(self._bytes, int(self.offsets[r]), int(self.offsets[r + 1]))]
        return np.array(spans, np.int64).reshape(-1, 2)

    def _digits(self) -> np.ndarray:
        "Positions of digits and currency signs."
        if self.is_ascii:
            signs, which = self._signs
            return signs[(which - np.uint8(0x30) < 10) | (which == 0x24)]
        leads = np.flatnonzero((self.data & 0xC0) != 0x80)
        return leads[(_flags(code_points(self.data, leads)) & _DIGIT) > 0]

    def _terms(self, terms: Sequence[str]) -> np.ndarray:
        "Where the user's own terms stand as whole words, whatever their case."
        wanted = sorted({t for t in terms if t.strip()}, key=lambda t: (-len(t), t))
        if not wanted:
            return np.zeros((0, 2), np.int64)
        pattern = re.compile("|".join(rf"(?<!\w){re.escape(t)}(?!\w)" for t in wanted), re.IGNORECASE)
        spans: list[tuple[int, int]] = []
        for begin, text in zip(self.offsets[:-1].tolist(), self.texts(), strict=True):
            spans += [
                (begin + len(text[: m.start()].encode()), begin + len(text[: m.end()].encode())) for m in pattern.finditer(text)
            ]
        return np.array(spans, np.int64).reshape(-1, 2)

    def points_before(self, at: np.ndarray, rows: np.ndarray) -> np.ndarray:
        "Code points from the start of a row to some byte positions in it."
        if self.is_ascii:
            return at - self.offsets[rows]
        counted = np.zeros(len(self.data) + 1, np.int64)
        np.cumsum((self.data & 0xC0) != 0x80, out=counted[1:])
        return counted[at] - counted[self.offsets[rows]]

    def spliced(
        self,
        rows: np.ndarray,
        starts: np.ndarray,
        ends: np.ndarray,
        new: np.ndarray,
        new_offsets: np.ndarray,
        like: pd.Series,
    ) -> tuple[pd.Series, np.ndarray, np.ndarray]:
        "The column after some edits, in its own type, with the new bytes and where each row begins in them."
        data, offsets = spliced(self.data, self.offsets, rows, starts, ends, new, new_offsets)
        return _series(data, offsets, self.present, like), data, offsets


def packed(strings: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    "Strings as bytes one after the other, and where each begins, shape (n + 1,). Raises UnicodeEncodeError on a lone surrogate."
    pieces = [s.encode() for s in strings]
    offsets = np.zeros(len(pieces) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, pieces), np.int64, len(pieces)), out=offsets[1:])
    return np.frombuffer(b"".join(pieces), np.uint8), offsets


def column_bytes(
    series: pd.Series,  # strings; missing ones allowed
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:  # bytes, offsets, rows that are present or None for all
    "The bytes of a column, without a copy where pandas keeps them as Arrow does. Raises UnicodeEncodeError on a lone surrogate."
    found: Any = None
    if isinstance(series.dtype, pd.StringDtype):
        found = pa.array(series.array, from_pandas=True)
    if found is None:
        found = pa.array(series.tolist(), type=pa.large_string(), from_pandas=True)
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
        found = found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)
    if not pa.types.is_large_string(found.type):
        found = found.cast(pa.large_string())
    n, at = len(found), found.offset
    _, edges, body = found.buffers()
    offsets = np.frombuffer(edges, np.int64, n + 1, at * 8) if n else np.zeros(1, np.int64)
    data = np.frombuffer(body, np.uint8) if body is not None and body.size else np.zeros(0, np.uint8)
    present = None
    if found.null_count:
        present = found.is_valid().to_numpy(zero_copy_only=False)
    data, offsets = data[offsets[0] : offsets[-1]], offsets - offsets[0]
    if present is not None and len(data) and (np.diff(offsets)[~present] > 0).any():  # Arrow allows bytes behind a missing cell
        data, offsets = gathered(data, offsets[:-1], np.where(present, np.diff(offsets), 0))
    return data, offsets, present


def _series(data: np.ndarray, offsets: np.ndarray, present: np.ndarray | None, like: pd.Series) -> pd.Series:
    "Bytes as a column of the same index, name and type as another."
    missing = None if present is None else pa.py_buffer(np.packbits(present, bitorder="little").tobytes())
    made = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data), missing)
    if isinstance(like.dtype, pd.StringDtype):
        return pd.Series(pd.array(made, dtype=like.dtype), index=like.index, name=like.name, copy=False)
    values = np.array(made.to_pylist(), dtype=object)
    if present is not None:
        values[~present] = like.array[~present]
    return pd.Series(values, index=like.index, name=like.name, dtype=object)


def split_words(
    texts: Sequence[str] | pd.Series,  # one string a row; a missing cell is ""
) -> Words:
    "Find every word of every row. Raises UnicodeEncodeError on a lone surrogate."
    series = texts if isinstance(texts, pd.Series) else pd.Series(list(texts), dtype=object)
    data, offsets, present = column_bytes(series)
    plain = not len(data) or int(data.max()) < 128
    if plain:
        start, end, opens = runs(data, offsets, _ink())
        return Words(data, offsets, present, opens, start, end)
    start, end = _runs(data, offsets)
    return _words(data, offsets, present, start, end)


def _words(data: np.ndarray, offsets: np.ndarray, present: np.ndarray | None, start: np.ndarray, end: np.ndarray) -> Words:
    return Words(data, offsets, present, np.searchsorted(start, offsets), start, end)


def spans_of(
    words: Words,  # any units of the same column
    find: Callable[[list[str]], Sequence[Sequence[tuple[int, int]]]],  # texts → spans in code points, in order
    name: str,
) -> Words:
    "Units that a function finds in the texts. Raises ValueError when its spans are empty, out of order or outside."
    texts = words.texts()
    starts: list[int] = []
    ends: list[int] = []
    for i, (begin, text, spans) in enumerate(zip(words.offsets[:-1].tolist(), texts, find(texts), strict=True)):
        at, byte = 0, begin
        for a, b in spans:
            if not at <= a < b <= len(text):
                raise ValueError(
                    f"{name}: text {i}, span ({a}, {b}): spans must be in order, without overlap, not empty, within {len(text)}."
                )
            starts.append(byte + len(text[at:a].encode()))
            byte = starts[-1] + len(text[a:b].encode())
            ends.append(byte)
            at = b
    return _words(words.data, words.offsets, words.present, np.array(starts, np.int64), np.array(ends, np.int64))


def _runs(data: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    "Start and end of every word of any text: the same over code points, with marks and scripts without spaces."
    leads = np.flatnonzero((data & 0xC0) != 0x80)
    flags = _flags(code_points(data, leads))
    space, script, solo, mark = ((flags & bit) > 0 for bit in (_SPACE, _SCRIPT, _SOLO, _MARK))
    first = np.zeros(len(flags) + 1, bool)
    first[np.searchsorted(leads, offsets)] = True
    begins = first[:-1] | solo
    mark &= ~first[:-1]  # a mark with nothing to sit on stands for itself
    mark[1:] &= ~space[:-1]
    base = np.maximum.accumulate(np.where(mark, 0, np.arange(len(flags)))) if len(flags) else np.zeros(0, np.int64)
    begins[1:] |= space[:-1] | (script[base[:-1]] & ~script[1:] & ~mark[1:])
    begins &= ~space
    start = np.flatnonzero(begins)
    stops = np.flatnonzero(np.append(begins | space | first[:-1], True))
    end = stops[np.searchsorted(stops, start, side="right")]
    edges = np.append(leads, len(data))
    return edges[start], edges[end]
