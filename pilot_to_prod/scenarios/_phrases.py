"""Whole words and phrases in running text: where the entries of a word table stand, and what they become in its case.

A word here is a run of letters with the marks on them, so that punctuation does not stick to it. An entry matches whole
words only, whatever their case, the longest entry first. Nothing is matched inside an address, a compound or a number.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

from pilot_to_prod.scenarios._tables import read_choices, table_path

Span = tuple[int, int]
ELIDING = frozenset({"fr", "it"})  # languages in which a word with a vowel first may stand right after an apostrophe: l'adresse


@cache
def word_pattern() -> re.Pattern[str]:
    "A run of letters, each with its marks."
    marks = [c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c) in ("Mn", "Mc")]
    runs: list[list[int]] = []
    for c in map(ord, marks):
        if runs and runs[-1][1] == c - 1:
            runs[-1][1] = c
        else:
            runs.append([c, c])
    inside = "".join(f"\\u{a:04x}-\\u{b:04x}" for a, b in runs)
    return re.compile(rf"(?:[^\W\d_][{inside}]*)+")


_PLAIN = re.compile(r"[A-Za-z]+")


def word_spans(text: str) -> list[Span]:
    "Where the words of a text stand."
    pattern = _PLAIN if text.isascii() else word_pattern()
    return [m.span() for m in pattern.finditer(text)]


def fold(text: str, language: str | None = None) -> str:
    "Small letters and straight apostrophes, one code point for one; Turkish keeps its two kinds of i apart."
    if language in ("tr", "az"):
        text = text.replace("I", "ı").replace("İ", "i")
    low = text.lower()
    if len(low) != len(text):
        low = "".join(c.lower() if len(c.lower()) == 1 else c.lower()[0] for c in text)
    return low.replace("\u2019", "'")


def capital(text: str, language: str | None = None) -> str:
    "The first letter in capitals."
    first = "İ" if language in ("tr", "az") and text[:1] == "i" else text[:1].upper()
    return first + text[1:]


def shout(text: str, language: str | None = None) -> str:
    "All in capitals."
    return (text.replace("i", "İ") if language in ("tr", "az") else text).upper()


def recased(
    new: str,
    old: str,  # what stands in the text
    standard: str,  # as the table writes it
    language: str | None = None,
) -> str:
    "A replacement in the case of what it replaces: as in the table, capitalised, or all in capitals."
    if old == standard:
        return new
    letters = [c for c in old if c.isalpha()]
    if len(letters) > 1 and all(c.isupper() for c in letters):
        return shout(new, language)
    if old[:1].isupper() and not standard[:1].isupper():
        return capital(new, language)
    return new.lower() if standard[:1].isupper() and not old[:1].isupper() else new


def stands_alone(text: str, start: int, end: int, *, elides: bool = False) -> bool:
    "Whether a span is no part of something longer: an address, a compound, a contraction, a number, a tag."
    before, after = text[start - 1 : start], text[end : end + 1]
    if before and (before in "@#/\\_" or before.isalnum()):
        return False
    if after and (after in "@/\\_" or after.isalnum()):
        return False
    joins = before in ("-", ".", "&") or (before in ("'", "\u2019") and not elides)
    if joins and start > 1 and text[start - 2].isalnum():
        return False
    return not (after in ("-", ".", "'", "\u2019", "&") and text[end + 1 : end + 2].isalnum())


def _opens_with_vowel(word: str) -> bool:
    return unicodedata.normalize("NFD", word[:1]).lower()[:1] in tuple("aeiouœ")


@dataclass(frozen=True)
class _Entry:
    standard: str
    words: tuple[str, ...]  # folded
    gaps: tuple[str, ...]  # between them, a space for any white space
    tail: str  # signs after the last word
    not_before: frozenset[str]
    elides: bool  # whether it may follow an apostrophe: l'adresse


@dataclass(frozen=True)
class Phrases:
    "The entries of a word table, ready to be found."

    choices: Mapping[str, tuple[str, ...]]  # folded entry → what it may become
    standards: Mapping[str, str]  # folded entry → as the table writes it
    language: str | None
    _first: Mapping[str, tuple[_Entry, ...]] = field(repr=False)  # first word → entries, the longest first

    @classmethod
    def of(
        cls,
        table: Mapping[str, Sequence[str]],  # entry → what it may become
        language: str | None = None,
        not_before: Mapping[str, Iterable[str]] | None = None,  # entry → words that must not follow
    ) -> "Phrases":
        "Choices that are the entry itself are left out."
        choices: dict[str, tuple[str, ...]] = {}
        standards: dict[str, str] = {}
        first: dict[str, list[_Entry]] = {}
        for standard, said in table.items():
            low = " ".join(fold(standard, language).split())
            spans = word_spans(low)
            kept = tuple(c for c in said if fold(c, language) != low)
            if not spans or not kept:
                continue
            words = tuple(low[a:b] for a, b in spans)
            gaps = tuple(low[a:b] for (_, a), (b, _) in itertools.pairwise(spans))
            guard = frozenset(fold(w, language) for w in (not_before or {}).get(standard, ()))
            elides = language in ELIDING and all(_opens_with_vowel(c) for c in kept)
            choices[low], standards[low] = kept, standard
            first.setdefault(words[0], []).append(_Entry(low, words, gaps, low[spans[-1][1] :], guard, elides))
        ordered = {w: tuple(sorted(e, key=lambda e: (-len(e.words), -len(e.standard), e.standard))) for w, e in first.items()}
        return cls(choices, standards, language, ordered)

    def __len__(self) -> int:
        return len(self.choices)

    def find(self, text: str) -> list[Span]:
        "Where entries stand in a text, from left to right, the longest first, without overlap."
        low, spans = fold(text, self.language), word_spans(text)
        words = [low[a:b] for a, b in spans]
        out: list[Span] = []
        i = 0
        while i < len(words):
            step = 1
            for entry in self._first.get(words[i], ()):
                end = self._ends(entry, text, low, spans, words, i)
                if end is not None:
                    out.append((spans[i][0], end))
                    step = len(entry.words)
                    break
            i += step
        return out

    def _ends(self, entry: _Entry, text: str, low: str, spans: list[Span], words: list[str], at: int) -> int | None:
        "Where the entry ends if it stands at a word."
        last = at + len(entry.words) - 1
        if last >= len(words) or tuple(words[at : last + 1]) != entry.words:
            return None
        for gap, (_, a), (b, _) in zip(entry.gaps, spans[at:], spans[at + 1 :], strict=False):
            between = low[a:b]
            if between != gap and not (gap == " " and between.isspace() and "\n" not in between):
                return None
        start, end = spans[at][0], spans[last][1] + len(entry.tail)
        if entry.tail and low[spans[last][1] : end] != entry.tail:
            return None
        if not stands_alone(text, start, end, elides=entry.elides):
            return None
        if entry.not_before and last + 1 < len(words):
            follows, (b, _) = words[last + 1], spans[last + 1]
            if low[end:b].isspace() and (follows in entry.not_before or text[b].isupper()):
                return None
        return end

    def key(self, span: str) -> str:
        "The entry that a span is, as `choices` has it."
        return " ".join(fold(span, self.language).split())

    def said(self, span: str, which: float) -> str:
        "What a span becomes, by a number in [0, 1), in its case. KeyError where it is no entry."
        key = self.key(span)
        among = self.choices[key]
        return recased(among[int(which * len(among))], span, self.standards[key], self.language)


@cache
def shipped(
    stem: str,  # tables/<stem>_<language>.tsv
    column: str,
    language: str,
) -> Phrases:
    "A table of the package."
    path = table_path(f"{stem}_{language}.tsv")
    header = path.read_text(encoding="utf-8").split("\n", 1)[0].split("\t")
    guards = read_choices(path, column="not_before", phrases=True) if "not_before" in header else {}
    return Phrases.of(read_choices(path, column=column, phrases=True), language, guards)


@lru_cache(maxsize=64)
def _own(path: str, language: str | None, stamp: tuple[int, int]) -> Phrases:
    return Phrases.of(read_choices(path, column=language, phrases=True), language)


def own(
    path: str,  # a UTF-8 table of the user: standard, what it becomes; or one column a language
    language: str | None,
) -> Phrases:
    "A user's table, read again when the file changes. Raises ValueError naming every faulty line."
    where = Path(path)
    found = where.stat() if where.is_file() else None
    return _own(path, language, (found.st_mtime_ns, found.st_size) if found else (0, 0))


__all__ = [
    "ELIDING",
    "Phrases",
    "capital",
    "fold",
    "own",
    "recased",
    "shipped",
    "shout",
    "stands_alone",
    "word_pattern",
    "word_spans",
]
