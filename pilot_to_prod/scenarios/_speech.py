"""A text as a machine writes it down from speech: no capitals, no punctuation, numbers in words.

Numbers are spelled by the rules of each language's school grammar (English, German, French, Spanish), from 0 to 999,999,999; longer
ones and those with a leading zero are read digit by digit, as people read account numbers. Written for this project; not reviewed
by native speakers.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from pilot_to_prod.scenarios._draws import Draws
from pilot_to_prod.scenarios._kernels import GOLDEN, mix

LONGEST = 20  # digits that are read one by one; what is longer stays as it is

_EN = (
    "zero one two three four five six seven eight nine "
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_DE = (
    "null eins zwei drei vier fünf sechs sieben acht neun "
    "zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
_DE_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_FR = "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit dix-neuf"
_FR_TENS = "vingt trente quarante cinquante soixante"
_ES = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete dieciocho diecinueve "
    "veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete veintiocho veintinueve"
)
_ES_TENS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa"
_ES_HUNDREDS = "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"


@cache
def _named(names: str, i: int) -> str:
    return names.split()[i]


def _english(n: int) -> str:
    if n < 20:
        return _named(_EN, n)
    if n < 100:
        return _named(_EN_TENS, n // 10 - 2) + (f" {_named(_EN, n % 10)}" if n % 10 else "")
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if n >= size:
            return f"{_english(n // size)} {name}" + (f" {_english(n % size)}" if n % size else "")
    raise AssertionError


def _german(n: int, one: str = "eins") -> str:
    "`one` is how a final 1 is said: eins alone, ein before a noun or as part of a longer word."
    if n == 1:
        return one
    if n < 20:
        return _named(_DE, n)
    if n < 100:
        tens = _named(_DE_TENS, n // 10 - 2)
        return (f"{_german(n % 10, 'ein')}und" if n % 10 else "") + tens
    for size, name in ((1000, "tausend"), (100, "hundert")):
        if n >= size and n < 10**6:
            return _german(n // size, "ein") + name + (_german(n % size, one) if n % size else "")
    millions = "eine million" if n < 2 * 10**6 else f"{_german(n // 10**6, 'ein')} millionen"
    return millions + (f" {_german(n % 10**6, one)}" if n % 10**6 else "")


def _french(n: int, last: bool = True) -> str:
    "`last`: no number word follows, so that quatre-vingts and deux cents have their s."
    if n < 20:
        return _named(_FR, n)
    if n < 80:
        tens, rest = (n // 10 * 10, n % 10) if n < 60 else (60, n - 60)
        name = _named(_FR_TENS, tens // 10 - 2)
        return name if not rest else f"{name} et {_named(_FR, rest)}" if rest in (1, 11) else f"{name}-{_named(_FR, rest)}"
    if n < 100:
        return f"quatre-vingt-{_named(_FR, n - 80)}" if n > 80 else "quatre-vingts" if last else "quatre-vingt"
    if n < 1000:
        head = "cent" if n < 200 else f"{_named(_FR, n // 100)} cent"
        return f"{head} {_french(n % 100, last)}" if n % 100 else head + ("s" if n >= 200 and last else "")
    if n < 10**6:
        head = "mille" if n < 2000 else f"{_french(n // 1000, False)} mille"
        return head + (f" {_french(n % 1000, last)}" if n % 1000 else "")
    head = f"{_french(n // 10**6)} million" + ("s" if n >= 2 * 10**6 else "")
    return head + (f" {_french(n % 10**6, last)}" if n % 10**6 else "")


def _spanish(n: int, short: bool = False) -> str:
    "`short`: a noun follows, so that uno becomes un and veintiuno veintiún."
    if n < 30:
        return {1: "un", 21: "veintiún"}.get(n, _named(_ES, n)) if short else _named(_ES, n)
    if n < 100:
        return _named(_ES_TENS, n // 10 - 3) + (f" y {_spanish(n % 10, short)}" if n % 10 else "")
    if n < 1000:
        return "cien" if n == 100 else _named(_ES_HUNDREDS, n // 100 - 1) + (f" {_spanish(n % 100, short)}" if n % 100 else "")
    if n < 10**6:
        head = "mil" if n < 2000 else f"{_spanish(n // 1000, True)} mil"
        return head + (f" {_spanish(n % 1000, short)}" if n % 1000 else "")
    head = "un millón" if n < 2 * 10**6 else f"{_spanish(n // 10**6, True)} millones"
    return head + (f" {_spanish(n % 10**6, short)}" if n % 10**6 else "")


_SAY: dict[str, Callable[[int], str]] = {"en": _english, "de": _german, "fr": _french, "es": _spanish}
SPOKEN = tuple(_SAY)  # ISO 639-1
_BEFORE_NOUN: dict[str, Callable[[int], str]] = {
    "en": _english,
    "de": lambda n: _german(n, "ein"),
    "fr": _french,
    "es": lambda n: _spanish(n, True),
}
_POINT = {"en": "point", "de": "komma", "fr": "virgule", "es": "coma"}
_MINUS = {"en": "minus", "de": "minus", "fr": "moins", "es": "menos"}
_SIGNS = {
    "en": {"%": "percent", "&": "and", "+": "plus", "=": "equals"},
    "de": {"%": "prozent", "&": "und", "+": "plus", "=": "gleich"},
    "fr": {"%": "pour cent", "&": "et", "+": "plus", "=": "égale"},
    "es": {"%": "por ciento", "&": "y", "+": "más", "=": "igual a"},
}
_MONEY: dict[str, dict[str, tuple[str, str]]] = {
    "en": {"$": ("dollar", "dollars"), "€": ("euro", "euros"), "£": ("pound", "pounds"), "¥": ("yen", "yen")},
    "de": {"$": ("dollar", "dollar"), "€": ("euro", "euro"), "£": ("pfund", "pfund"), "¥": ("yen", "yen")},
    "fr": {"$": ("dollar", "dollars"), "€": ("euro", "euros"), "£": ("livre", "livres"), "¥": ("yen", "yens")},
    "es": {"$": ("dólar", "dólares"), "€": ("euro", "euros"), "£": ("libra", "libras"), "¥": ("yen", "yenes")},
}
_CENTS = {"en": ("and ", " cents", " cent"), "de": ("", "", ""), "fr": ("", "", ""), "es": ("con ", "", "")}


def number_words(
    n: int,  # 0 to 999,999,999
    language: str,  # en, de, fr or es
) -> str:
    "A whole number as it is said."
    if not 0 <= n < 10**9:
        raise ValueError(f"number_words says 0 to 999,999,999; got {n}.")
    return _SAY[language](n)


@cache
def _number(language: str) -> re.Pattern[str]:
    "A number as the language writes it, with a currency or per-cent sign on either side."
    thousands, point = (",", r"\.") if language == "en" else (r"\.", ",")
    return re.compile(
        rf"(?P<minus>[-\u2212])?(?P<before>[$€£¥])?(?P<whole>[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+|[0-9]+)"
        rf"(?:{point}(?P<part>[0-9]+))?(?P<after>[$€£¥%])?"
    )


def _digits(digits: str, language: str) -> str:
    return " ".join(_SAY[language](int(d)) for d in digits)


def _feminine(words: str, n: int) -> str:
    "Spanish numbers before a feminine noun."
    words = words.replace("cientos", "cientas").replace("quinientos", "quinientas")
    return re.sub(r"\bun$|ún$", "una", words) if n % 10 == 1 else words


def _money(n: int, part: str | None, sign: str, language: str) -> str:
    one, many = _MONEY[language][sign]
    said = _BEFORE_NOUN[language](n)
    if language == "es" and sign == "£":
        said = _feminine(said, n)
    if language == "fr" and sign == "£" and n % 10 == 1 and n % 100 not in (11, 71, 91):
        said += "e"
    of = {"fr": "d'" if one[0] == "e" else "de ", "es": "de "}.get(language, "") if n and n % 10**6 == 0 else ""
    unit = one if n == 1 or (language == "fr" and n == 0) else many
    cents = int(part) if part else 0
    if not cents:
        return f"{said} {of}{unit}"
    lead, tail, tail_one = _CENTS[language] if sign != "¥" else ("", "", "")
    return f"{said} {of}{unit} {lead}{_SAY[language](cents)}{tail_one if cents == 1 else tail}"


def spoken_number(
    token: str,  # without punctuation around it
    language: str,
) -> str | None:  # None where it is no number
    "`$1,200.50` → one thousand two hundred dollars and fifty cents."
    found = _number(language).fullmatch(token)
    if found is None:
        return None
    whole = re.sub(r"[^0-9]", "", found["whole"])
    part, sign = found["part"], found["before"] or found["after"]
    if len(whole) > LONGEST or len(part or "") > LONGEST or (found["before"] and found["after"]):
        return None
    minus = f"{_MINUS[language]} " if found["minus"] else ""
    plain = len(whole) <= 9 and (whole[0] != "0" or len(whole) == 1)
    if sign in _MONEY[language] and plain and len(part or "00") == 2:
        return minus + _money(int(whole), part, sign, language)
    said = _SAY[language](int(whole)) if plain else _digits(whole, language)
    said += f" {_POINT[language]} {_digits(part, language)}" if part else ""
    if sign == "%":
        said += f" {_SIGNS[language]['%']}"
    elif sign:
        said += f" {_MONEY[language][sign][1]}"
    return minus + said


_AWAY = re.compile(r"@|://|^www\.", re.IGNORECASE)
_EDGE = ".,;:!?…\"'()[]{}<>«»„“”‘’‚‹›¿¡*_~`|\u2013\u2014"


_APART = re.compile(r"(?<=[0-9])[\u00a0\u202f](?=[0-9]{3}(?![0-9]))")  # 1 200
_SIGN_APART = re.compile(r"(?<=[0-9])[ \u00a0\u202f](?=[$€£¥%](?![^\s.,;:!?)]))")  # 50 €
_SAYABLE = re.compile(r"[#(]?\w[\w'.,:/#()-]*")  # what else may hold digits: 10:30, 3/4, A12


def _plain(token: str) -> str:
    "Letters, digits and apostrophes between letters; hyphens, slashes and signs between digits part words. The rest is not heard."
    out: list[str] = []
    for i, c in enumerate(token):
        kind = unicodedata.category(c)[0]
        inside = 0 < i < len(token) - 1
        if kind in "LN" or (kind == "M" and out):
            out.append(c)
        elif c in "'\u2019" and inside and token[i - 1].isalpha() and token[i + 1].isalpha():
            out.append("'")
        elif c in "-/\\_\u2010\u2011\u2013\u2014" or (inside and token[i - 1].isdigit() and token[i + 1].isdigit()):
            out.append(" ")
    return " ".join("".join(out).split())


def said(
    token: str,  # a run without white space
    language: str,
) -> str:
    "One token as it is heard and written down; '' where nothing is heard. Addresses, links and formulas stay as they are."
    if _AWAY.search(token):
        return token
    core = token.strip(_EDGE)
    if not any(c.isdigit() for c in core):
        return _SIGNS[language].get(core) or _plain(token.lower())
    if token[:1] in ".," and core[:1].isdigit():
        core = f"0{token[0]}{core}"
    number = spoken_number(core, language)
    if number is None:
        number = _plain(core.lower()) if _SAYABLE.fullmatch(core) else core
    return number


def tokens(
    text: str,
) -> list[str]:
    "Runs without white space; an amount and its sign are one."
    return _SIGN_APART.sub("", _APART.sub(".", text)).split()


def parts_of(draws: Draws, counts: Sequence[int]) -> Draws:
    "Draws for the parts of units, all in one line."
    n = np.asarray(counts, np.int64)
    number = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
    return Draws(mix(np.repeat(draws.bits("parts"), n) + (number.astype(np.uint64) + np.uint64(1)) * GOLDEN))
