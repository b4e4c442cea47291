"""Letters of a word: where they stand, how they are misread and how they are spelled by ear."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from pilot_to_prod.scenarios._tables import packaged
from pilot_to_prod.scenarios._text import is_sign


def letters(word: str) -> list[tuple[int, int]]:
    "Where each letter stands, with the marks on it: (start, end) in code points."
    if word.isascii():
        return [(i, i + 1) for i, c in enumerate(word) if c.isalpha()]
    out: list[tuple[int, int]] = []
    for i, c in enumerate(word):
        if c.isalpha():
            out.append((i, i + 1))
        elif out and out[-1][1] == i and unicodedata.category(c)[0] == "M":
            out[-1] = (out[-1][0], i + 1)
    return out


@cache
def script_of(
    letter: str,
) -> str | None:
    "The script of a letter as Unicode calls it: LATIN, CYRILLIC, HAN; None for what is no letter."
    from confusable_homoglyphs import categories

    found = categories.alias(letter) if letter.isalpha() else None
    return None if found == "COMMON" else found


def written_in(
    *scripts: str,  # as `script_of` says them
) -> Callable[..., list[bool]]:
    "A `reads` hook: units with a letter of one of these scripts, and those without any letter."

    def reads(units: Sequence[str], place: Any = None, **params: Any) -> list[bool]:
        found = ({script_of(c) for c in unit} - {None} for unit in units)
        return [not some or not some.isdisjoint(scripts) for some in found]

    return reads


def without_letters(units: Sequence[str], place: Any = None, **params: Any) -> list[bool]:
    "A `reads` hook for what types letters: a unit with letters, of which none can be typed, is in another script."
    return [not any(map(str.isalpha, unit)) for unit in units]


def with_spaces(units: Sequence[str], place: Any = None, **params: Any) -> list[bool]:
    "A `reads` hook: units with a letter of a script that is written with spaces between words, and those without any letter."
    lettered = ([c for c in unit if c.isalpha()] for unit in units)
    return [not found or not all(map(is_sign, found)) for found in lettered]


def pairs(word: str) -> list[tuple[int, int, int]]:
    "Neighbouring letters that differ: start, middle, end."
    found = letters(word)
    return [(a, b, d) for (a, b), (c, d) in pairwise(found) if b == c and word[a:b] != word[c:d]]


def cased(new: str, like: str) -> str:
    "A letter in the case of another one, where it has that case in one letter."
    return new.upper() if like.isupper() and len(new.upper()) == 1 else new


def core_of(word: str) -> tuple[str, str, str]:
    "Leading signs, the word itself, trailing signs."
    head, tail = 0, len(word)
    while head < tail and not word[head].isalnum():
        head += 1
    while tail > head and not (word[tail - 1].isalnum() or unicodedata.category(word[tail - 1])[0] == "M"):
        tail -= 1
    return word[:head], word[head:tail], word[tail:]


def looked_up(core: str) -> str:
    return core.lower().replace("\u2019", "'")


def in_case_of(new: str, old: str) -> str:
    "A word in the case of the one that it stands for: CAPITALS, Capital, or as it is."
    if len(old) > 1 and old.isupper():
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new


@cache
def _confusions() -> dict[str, list[tuple[str, list[str]]]]:
    "First character → what may be misread from there, the longest first, and as what."
    out: dict[str, list[tuple[str, list[str]]]] = {}
    for seen, read in sorted(packaged("ocr_confusions.json").items(), key=lambda item: (-len(item[0]), item[0])):
        out.setdefault(seen[0], []).append((seen, read))
    return out


def misreadings(word: str) -> list[tuple[int, str, list[str]]]:
    "Where a word may be misread, what stands there, and as what."
    table = _confusions()
    return [(i, seen, read) for i, c in enumerate(word) for seen, read in table.get(c, ()) if word.startswith(seen, i)]


@cache
def misread_scripts() -> frozenset[str]:
    "Scripts of which letters are misread, as `script_of` calls them."
    return frozenset(x for seen in packaged("ocr_confusions.json") for c in seen if (x := script_of(c)) is not None)


_TURNED = {"b": "dp", "d": "bq", "p": "qb", "q": "pd", "n": "u", "u": "n", "m": "w", "w": "m"}


@cache
def _by_ear(language: str | None) -> list[tuple[re.Pattern[str], str]]:
    "Spelling → another that sounds the same to a beginner."
    known = packaged("phonetic_spellings.json")
    if language not in known:
        raise ValueError(f"no phonetic spellings for language {language!r}; known: {', '.join(known)}.")
    return [(re.compile(seen, re.IGNORECASE), new) for seen, new in known[language]]


_Edit = tuple[int, int, str]  # start, end, what stands there afterwards


def dyslexic_edits(core: str, language: str | None) -> list[list[_Edit]]:
    "What may happen to a word: spelled by ear, letters turned round, letters in another order; each a list of edits."
    ear = [(m.start(), m.end(), m.expand(new)) for seen, new in _by_ear(language) for m in seen.finditer(core)]
    turned = [(i, i + 1, new) for i, c in enumerate(core) for new in _TURNED.get(c, "")]
    moved = [(a, c, core[b:c] + core[a:b]) for a, b, c in pairs(core) if a > 0]
    edits = [[e for e in found if core[e[0] : e[1]].lower() != e[2].lower()] for found in (ear, turned, moved)]
    return [[e for e in found if core[: e[0]] + e[2] + core[e[1] :]] for found in edits]
