"""Nouns with what belongs to them, and the pronoun that says as little as possible in their place.

A noun phrase here is an article or possessive, perhaps some adjectives, and a noun of the table (or several: "my card
payment"). Where a language melts a preposition with what follows into one word (zum Paket, mit dem Paket: dazu, damit), the
preposition goes along.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from pilot_to_prod.scenarios._phrases import Span, capital, fold, stands_alone
from pilot_to_prod.scenarios._tables import packaged

_MOST = 3  # adjectives and further nouns before the noun


@dataclass(frozen=True)
class Referents:
    "The noun phrases of a language."

    pattern: re.Pattern[str]
    one: tuple[str, ...]  # pronouns for one thing
    many: tuple[str, ...]
    plurals: frozenset[str]
    after: dict[str, str]  # preposition, or preposition with article → both with a pronoun
    language: str

    def find(self, text: str) -> list[Span]:
        "Where noun phrases stand in a text."
        spans = (m.span() for m in self.pattern.finditer(fold(text, self.language)))
        return [(a, b) for a, b in spans if stands_alone(text, a, b)]

    def said(
        self,
        span: str,
        which: float,  # in [0, 1): which pronoun
    ) -> str:
        "The pronoun in place of a noun phrase, capitalised where that was."
        low = fold(span, self.language)
        words = low.replace("'", "' ").split()
        new = self.after.get(words[0])
        if new is None:
            last = next((p for p in self.plurals if low.endswith(p) and not low[: -len(p)][-1:].isalpha()), None)
            among = self.one if last is None else self.many
            new = among[int(which * len(among))]
        return capital(new, self.language) if span[:1].isupper() else new


def languages() -> tuple[str, ...]:
    "Languages whose nouns are known."
    return tuple(sorted(packaged("nouns.json")))


@cache
def referents(
    language: str,
) -> Referents:
    "The noun phrases of a language. Raises ValueError with the known languages."
    table: dict[str, dict[str, Any]] = packaged("nouns.json")
    if language not in table:
        raise ValueError(f"no nouns for {language!r}; known: {', '.join(languages())}.")
    t = table[language]
    determiners = "|".join(_opened(w, language) for w in _longest(t["determiners"]))
    nouns = "|".join(re.escape(fold(w, language)) for w in _longest([*t["one"], *t["many"]]))
    middle = "|".join(re.escape(fold(w, language)) for w in _longest(t["adjectives"]))
    melted = [w for w in t["after"] if _melts(w, language)]
    free = [w for w in t["after"] if w not in melted]
    openings = [f"(?:{determiners})"]
    if free:
        openings[0] = rf"(?:(?:{'|'.join(map(re.escape, _longest(free)))})\s)?" + openings[0]
    if melted:
        openings.append("|".join(_opened(w, language) for w in _longest(melted)))
    pattern = rf"(?<!\w)(?:{'|'.join(openings)})(?:(?:{middle}|{nouns})\s){{0,{_MOST}}}(?:{nouns})(?!\w)"
    one, many = (tuple(t["pronouns"][k]) for k in ("one", "many"))
    plurals = frozenset(fold(w, language) for w in t["many"]) - frozenset(fold(w, language) for w in t["one"])
    return Referents(re.compile(pattern), one, many, plurals, t["after"], language)


def _longest(words: list[str]) -> list[str]:
    return sorted(words, key=lambda w: (-len(w), w))


def _opened(word: str, language: str) -> str:
    "A word that opens a noun phrase: with a space behind it, or an apostrophe."
    low = re.escape(fold(word, language))
    return low if word.endswith("'") else rf"{low}\s"


def _melts(word: str, language: str) -> bool:
    "Whether a preposition has its article in it: zum, du, del, no."
    return language not in ("de", "nl") or word in ("vom", "am", "zum", "zur", "beim", "im", "ins")


__all__ = ["Referents", "languages", "referents"]
