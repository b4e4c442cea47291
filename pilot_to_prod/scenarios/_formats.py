"""Numbers, dates, times and amounts inside running text: where they stand, what they say, and how another locale writes them.

How a language writes them, and how the other locale does, comes from CLDR by babel; number words from CLDR's spell-out rules by unicode-rbnf.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

# A digit run that touches none of these on its left: letters of alphabets, a decimal sign, a slash. Scripts without spaces may touch it.
_SOLID = "[^\\W\\d_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff]"
_LEFT = rf"(?<!{_SOLID})(?<![\d_.,:/\\#@'’+\-\u2212\u2013\u2014])"
_RIGHT = rf"(?!{_SOLID})(?![\d_%‰°@\\]|[.,:/'’\-\u2212\u2013\u2014]\d|\s?[%‰])"
_LONG = 40  # characters of a number, date or amount; what is longer is a code
_SPACE = "[ \u00a0\u202f]"
_MONEY_LEFT = "(?<![$€£¥₹₺₽₩₪₴])(?<![$€£¥₹₺₽₩₪₴] )"
_MONEY_RIGHT = f"(?!{_SPACE}?[$€£¥₹₺₽₩₪₴])"


@cache
def locale_named(
    code: str,  # CLDR locale, BCP 47 tag or ISO 639-1 code, say "de", "en_GB" or "de-CH"
) -> Any:  # babel.Locale
    "The locale of that name. Raises ValueError with the next step."
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError, AttributeError) as error:
        raise ValueError(
            f"CLDR has no locale {code!r}. Pass a language, or a language and a country, say 'de' or 'de_CH'."
        ) from error


@cache
def formatted_languages() -> frozenset[str]:
    "ISO 639-1 codes of the languages whose numbers and dates CLDR knows."
    from babel.localedata import locale_identifiers

    return frozenset({name.split("_")[0] for name in locale_identifiers()} | {"no"}) - {"root"}


@cache
def _signs(language: str) -> tuple[str, str]:
    "Grouping and decimal sign of a language, for Western digits."
    from babel.numbers import get_decimal_symbol, get_group_symbol

    locale = locale_named(language)
    return get_group_symbol(locale, numbering_system="latn"), get_decimal_symbol(locale, numbering_system="latn")


@cache
def _grouped(language: str) -> tuple[str, str]:
    "Patterns of a language's grouping sign (all spaces are one) and decimal sign."
    group, point = _signs(language)
    return (_SPACE if group.isspace() else "['’]" if group in "'’" else re.escape(group)), re.escape(point)


@cache
def _to_western(language: str) -> dict[int, str]:
    "Digits and signs of a language's own numbering system → Western ones, one code point for one."
    native = locale_named(language).other_numbering_systems.get("native", "latn")
    arabic = native in ("arab", "arabext")  # keyboards of Arabic and Persian have either digits
    zeros = [NUMBERINGS[n] for n in (("arab", "arabext") if arabic else (native,)) if n in NUMBERINGS]
    signs = dict(zip(map(ord, "٬٫٪"), (*_signs(language), "%"), strict=True)) if arabic else {}
    return {ord(zero) + i: str(i) for zero in zeros for i in range(10)} | signs


def _western(text: str, language: str) -> str:
    "The text with a language's own digits as Western ones; every character stays where it is."
    return text if text.isascii() else text.translate(_to_western(language))


def _written(text: str, language: str) -> tuple[Decimal, int]:
    "A number as a language writes it, in Western digits or its own, and how many decimals it was given."
    group, point = _grouped(language)
    plain = re.sub(point, ".", re.sub(group, "", _western(text, language)))
    return Decimal(plain), len(plain.partition(".")[2])


@cache
def _groups(language: str, first: str = "[0-9]") -> str:
    "Pattern of a whole number with grouping signs: by thousands, and by lakh and crore where a language does so."
    group, _ = _grouped(language)
    by_two = rf"|{first}[0-9]?(?:{group}[0-9]{{2}}(?![0-9]))++{group}[0-9]{{3}}" if _lakhs(language) else ""
    return rf"{first}[0-9]{{0,2}}(?:{group}[0-9]{{3}})++{by_two}"


def _lakhs(language: str) -> bool:
    return bool(locale_named(language).decimal_formats[None].grouping[1] == 2)


def _number(language: str) -> str:
    _, point = _grouped(language)
    return rf"(?:{_groups(language)}|[0-9]++)(?:{point}[0-9]++)?"


def _spans(pattern: re.Pattern[str], texts: Sequence[str], language: str) -> list[list[tuple[int, int]]]:
    read = (_western(text, language) for text in texts)
    return [[m.span() for m in pattern.finditer(text) if len(m.group()) <= _LONG] for text in read]


def _native(text: str, locale: Any) -> str:
    "Western digits as those that a locale writes by default: CLDR's for Persian are ۱۲۳. babel knows the signs, not the digits."
    numbering = locale.default_numbering_system
    return in_numbering(text, numbering) if numbering in NUMBERINGS else text


def has_own_digits(
    code: str,  # as `locale_named` takes it
) -> bool:
    "Whether a locale writes digits other than Western ones by default."
    return locale_named(code).default_numbering_system in NUMBERINGS


# Whole numbers and their words

# unicode-rbnf 2.4.1 against num2words: wrong or badly spelt from some number on.
_MISSPELT = frozenset({"be", "is", "lt", "lv", "sl"})
SPELT_BELOW = 1_000_000  # whole numbers up to here are spelt out


@cache
def spelling_languages() -> frozenset[str]:
    "ISO 639-1 codes of the languages whose number words are known."
    from unicode_rbnf import RbnfEngine

    return frozenset({x for x in RbnfEngine.get_supported_languages() if len(x) == 2} | {"nb"}) - _MISSPELT


@cache
def _speller(language: str) -> Any:
    from unicode_rbnf import RbnfEngine

    return RbnfEngine.for_language("no" if language == "nb" else language)


@lru_cache(maxsize=1 << 14)
def spelt(
    number: int,  # 0 <= number < SPELT_BELOW
    language: str,
) -> str:
    "The number in words, by CLDR's spell-out rules."
    return re.sub("[\u00ad\u200b]", "", _speller(language).format_number(number).text).strip()


@cache
def _whole(language: str) -> re.Pattern[str]:
    _, point = _grouped(language)
    return re.compile(
        rf"{_LEFT}(?<!\d{_SPACE}){_MONEY_LEFT}(?:{_groups(language, '[1-9]')}|0|[1-9][0-9]*+)(?!{point}[0-9])(?!{_SPACE}\d)"
        rf"{_RIGHT}{_MONEY_RIGHT}"
    )


# +49 (0)30 123 456, 030 / 12 34 56, (415) 555-2671, 49 (0) 30 1234: a plus, a leading 0 or brackets with digits, and the digits behind.
_JOIN = r"(?!\.\s)[ \u00a0\u202f./()\-\u2013]{1,3}+"
_AREA = rf"(?:\d{{1,4}}{_SPACE}?)?\((?=\d{{1,5}}\){_SPACE}?\d)"
_PHONE = re.compile(rf"(?<!\w)(?:\+{_SPACE}?\(?|\(?(?=0)|{_AREA})\d++(?:{_JOIN}\d++)*+")
_CALLED = 6  # digits of a telephone number, unless it begins with a plus


@cache
def _currency() -> tuple[re.Pattern[str], re.Pattern[str]]:
    "A currency sign or code at the end of a text, and at its start."
    from babel.numbers import list_currencies

    names = [*list_currencies(), *(x for x in CURRENCIES if x[-1].isalpha()), "kr", "Rs"]
    signs = "".join(c for c in map(chr, range(0x10000)) if unicodedata.category(c) == "Sc")
    words = "|".join(sorted(names, key=len, reverse=True))
    left = rf"(?:(?<![^\W\d_])(?:{words})\.?|[{signs}]){_SPACE}?\Z"
    return re.compile(left), re.compile(rf"{_SPACE}?(?:(?:{words})(?![^\W_])|[{signs}])")


@cache
def _calendar(language: str) -> re.Pattern[str]:
    "Dates, and months with a year."
    names, year = _month_names(language), r"(?:19|20)[0-9]{2}(?![0-9])"
    month = rf"(?<!\w)(?:{names})\.?,?{_SPACE}(?:de{_SPACE})?{year}"
    return re.compile(f"{_dates(language).pattern}|{month}", re.IGNORECASE)


def _barred(text: str, language: str) -> bytearray:
    "1 for each character of a telephone number or a date, else 0."
    out = bytearray(len(text))
    called = (m for m in _PHONE.finditer(text) if m.group()[0] == "+" or sum(map(str.isdigit, m.group())) >= _CALLED)
    for a, b in (m.span() for found in (called, _calendar(language).finditer(text)) for m in found):
        out[a:b] = b"\1" * (b - a)
    return out


def _priced(text: str, start: int, end: int) -> bool:
    "Whether a currency stands right before or after a number."
    before, after = _currency()
    return bool(before.search(text, max(0, start - 8), start) or after.match(text, end))


def find_whole(texts: Sequence[str], language: str) -> list[list[tuple[int, int]]]:
    "Whole numbers that a person could have written in words: no codes, telephone numbers, prices, times, dates or parts of them."
    pattern, out = _whole(language), list[list[tuple[int, int]]]()
    for text in (_western(t, language) for t in texts):
        found = [m for m in pattern.finditer(text) if len(m.group()) <= _LONG]
        spans = [m.span() for m in found if _written(m.group(), language)[0] < SPELT_BELOW and not _priced(text, *m.span())]
        barred = _barred(text, language) if spans else bytearray()
        out.append([(a, b) for a, b in spans if not any(barred[a:b])])
    return out


def in_words(text: str, language: str) -> str:
    "A whole number as `find_whole` finds it, in words."
    return spelt(int(_written(text, language)[0]), language)


# Languages whose number words are read back, with those which also are other words when they stand alone.
READ_BACK: dict[str, frozenset[str]] = {
    "en": frozenset({"second"}),
    "da": frozenset({"to", "ti", "ni"}),
    "de": frozenset({"acht"}),
    "es": frozenset({"cero"}),
    "fr": frozenset({"neuf"}),
    "it": frozenset({"sei"}),
    "nl": frozenset({"acht"}),
    "pl": frozenset({"sto"}),
    "pt": frozenset({"cem"}),
    "sv": frozenset({"nio"}),
    "tr": frozenset({"yedi", "yüz", "bin", "altı", "on"}),
}
_JOINTS = {"en": {"and"}, "da": {"og"}, "sv": {"och"}}
_LONGEST = 8  # words of one number


def _plain(words: Sequence[str], language: str) -> tuple[str, ...]:
    return tuple(w for w in words if w not in _JOINTS.get(language, ()))


@cache
def _numerals(language: str) -> dict[tuple[str, ...], int]:
    "Words of a number → the number, for 2 to 1,000 and round thousands."
    out: dict[tuple[str, ...], int] = {}
    for n in [*range(2, 1001), *range(1100, 10_000, 100), *range(10_000, 100_000, 1000)]:
        words = re.findall(r"\w+", spelt(n, language).lower())
        key = _plain(words, language)
        if len(words) > 1 or words[0] not in READ_BACK[language]:
            out.setdefault(key, n)
    return out


@cache
def _first_words(language: str) -> frozenset[str]:
    return frozenset(key[0] for key in _numerals(language))


_WORD = re.compile(r"[^\W\d_]+")


def find_spelt(texts: Sequence[str], language: str) -> list[list[tuple[int, int]]]:
    "The longest runs of words that say one number from 2 on; one is left alone, since it mostly is an article or a pronoun."
    known, begins, out = _numerals(language), _first_words(language), []
    for text in texts:
        words = [(m.start(), m.end(), m.group().lower()) for m in _WORD.finditer(text)]
        spans, i = [], 0
        while i < len(words):
            size = 0
            if words[i][2] in begins:
                end = i + 1
                while end < min(i + _LONGEST, len(words)) and text[words[end - 1][1] : words[end][0]] in (" ", "-"):
                    end += 1
                while end > i and (words[end - 1][2] in _JOINTS.get(language, ()) or not _says(words[i:end], language, known)):
                    end -= 1
                size = end - i
            if size:
                spans.append((words[i][0], words[i + size - 1][1]))
            i += size or 1
        out.append(spans)
    return out


def _says(words: Sequence[tuple[int, int, str]], language: str, known: dict[tuple[str, ...], int]) -> bool:
    return _plain([w for *_, w in words], language) in known


def in_digits(text: str, language: str) -> str:
    "Number words as `find_spelt` finds them, in digits."
    return str(_numerals(language)[_plain(_WORD.findall(text.lower()), language)])


# Numbers with a fraction or thousands


@cache
def _separated(language: str) -> re.Pattern[str]:
    return re.compile(f"{_LEFT}{_MONEY_LEFT}{_number(language)}{_RIGHT}{_MONEY_RIGHT}")


def find_separated(texts: Sequence[str], language: str) -> list[list[tuple[int, int]]]:
    "Numbers with a decimal or grouping sign of the language."
    pattern = _separated(language)
    read = (_western(text, language) for text in texts)
    return [[m.span() for m in pattern.finditer(t) if not m.group().isdigit() and len(m.group()) <= _LONG] for t in read]


@lru_cache(maxsize=1 << 14)
def number_as(text: str, language: str, locale: str) -> str:
    "A number as `find_separated` finds it, as another locale writes it: same value, same decimals."
    from babel.numbers import format_decimal

    value, decimals = _written(text, language)
    target = locale_named(locale)
    pattern = _with_decimals(target.decimal_formats[None].pattern, decimals)
    return _native(format_decimal(value, format=pattern, locale=target, numbering_system="default"), target)


def decimal_as(value: Any, locale: str) -> str:
    "A number of a cell as a locale writes it: all its decimals, its signs and digits."
    from babel.numbers import format_decimal

    target = locale_named(locale)
    return _native(format_decimal(value, locale=target, decimal_quantization=False, numbering_system="default"), target)


def _with_decimals(pattern: str, decimals: int) -> str:
    "A CLDR number pattern with just as many decimals."
    return re.sub(r"0(\.[0#]+)?(?=[^0#]*(?:;|$))", "0" + ("." + "0" * decimals if decimals else ""), pattern)


# Amounts of money

CURRENCIES = {
    "$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₺": "TRY", "₽": "RUB", "₩": "KRW", "₪": "ILS", "₴": "UAH",
    "R$": "BRL", "zł": "PLN", "Kč": "CZK", "Ft": "HUF",
}  # fmt: skip
_CODES = "USD|EUR|GBP|JPY|INR|TRY|RUB|KRW|ILS|UAH|BRL|PLN|CZK|HUF|CHF|CAD|AUD|SEK|NOK|DKK|CNY|MXN|IDR|ZAR|SGD|HKD|NZD"
_SYMBOL = "|".join(re.escape(s) for s in sorted(CURRENCIES, key=len, reverse=True)) + "|" + _CODES


@cache
def _amount(language: str) -> re.Pattern[str]:
    number = _number(language)
    return re.compile(
        rf"(?<![\w$€£¥₹₺₽₩₪₴])(?P<before>{_SYMBOL}){_SPACE}?(?P<a>{number})(?![\w%]|[.,:/]\d)"
        rf"|{_LEFT}{_MONEY_LEFT}(?P<b>{number}){_SPACE}?(?P<after>{_SYMBOL})(?!\w)"
    )


def find_amounts(texts: Sequence[str], language: str) -> list[list[tuple[int, int]]]:
    "Amounts with a currency sign or code before or after them."
    return _spans(_amount(language), texts, language)


@lru_cache(maxsize=1 << 14)
def amount_as(text: str, language: str, locale: str) -> str:
    "An amount as another locale writes it: its place and name of the currency, its signs; same value, same decimals."
    from babel.numbers import format_currency

    m = _amount(language).fullmatch(_western(text, language))
    if m is None:
        return text
    sign, number = (m["before"], m["a"]) if m["before"] else (m["after"], m["b"])
    value, decimals = _written(number, language)
    target = locale_named(locale)
    pattern = _with_decimals(target.currency_formats["standard"].pattern, decimals)
    said = {"format": pattern, "locale": target, "currency_digits": False, "numbering_system": "default"}
    return _native(format_currency(value, CURRENCIES.get(sign, sign), **said), target)


def currency_as(value: float, currency: str, pattern: str | None, locale: str) -> str:
    "An amount of a cell as a locale writes it; the pattern is the locale's own where it is None."
    from babel.numbers import format_currency

    target = locale_named(locale)
    return _native(format_currency(value, currency, pattern, locale=target, numbering_system="default"), target)


# Dates

STYLES = ("short", "medium", "long", "full")


def checked_format(locale: str, style: str) -> None:
    "Raises ValueError with the next step where CLDR has no such locale or style."
    locale_named(locale)
    if style not in STYLES:
        raise ValueError(f"no date style {style!r}; known: {', '.join(STYLES)}.")


@cache
def _months(language: str) -> dict[str, int]:
    "Names and short names of months, in small letters → 1 to 12; a name that is one letter only is left out."
    locale, out = locale_named(language), dict[str, int]()
    for context in ("format", "stand-alone"):
        for width in ("wide", "abbreviated"):
            for number, name in locale.months[context][width].items():
                bare = name.lower().rstrip(".")
                if len(bare) > 1 and not bare[0].isdigit():
                    out.setdefault(bare, number)
    return out


def _month_names(language: str) -> str:
    return "|".join(re.escape(n) for n in sorted(_months(language), key=len, reverse=True)) or r"(?!)"


@cache
def _dates(language: str) -> re.Pattern[str]:
    names = _month_names(language)
    day, year = r"(?:0?[1-9]|[12][0-9]|3[01])", r"(?:19|20)[0-9]{2}"
    named = rf"(?<![\w.,:/-])(?:{day}(?:st|nd|rd|th|\.|er)?{_SPACE}(?:of{_SPACE}|de{_SPACE})?(?:{names})\.?(?:,?{_SPACE}(?:de{_SPACE})?{year})?"
    named += rf"|(?:{names})\.?{_SPACE}{day}(?:st|nd|rd|th)?(?:,?{_SPACE}{year})?)(?![\w:/]|[.,-]\d)"
    sign = r"(?P<sign>[./-])"
    eastern = rf"(?:{year}[年년]{_SPACE}?)?(?:0?[1-9]|1[0-2])[月월]{_SPACE}?{day}[日일]"
    digits = rf"{_LEFT}{eastern}|{_LEFT}(?:{year}-[01][0-9]-[0-3][0-9]|[0-3]?[0-9]{sign}[0-3]?[0-9](?P=sign){year})(?![\w/@]|[-.,:]\d)"
    return re.compile(f"{digits}|{named}", re.IGNORECASE)


@lru_cache(maxsize=1 << 14)
def read_date(
    text: str,
    language: str,
    day_first: bool | None = None,  # how to read 3/4/2026; None: such dates are not read, but 3.4.2026 has the day first
) -> tuple[date, bool] | None:  # the day and whether a year was given; None where it is no date or may be two
    "What a date in running text says."
    text = _western(text, language)
    numbers = [int(n) for n in re.findall(r"[0-9]+", text)]
    name = next((w for w in re.findall(r"[^\W\d_]+(?:\.(?=\w)[^\W\d_]+)*", text.lower()) if w in _months(language)), None)
    if name is None and not text.isascii():  # names with vowel signs, as in Bengali
        found = re.search(_month_names(language), text.lower())
        name = found.group() if found else None
    if re.search("[月월]", text):
        year, month, day = (numbers[0] if len(numbers) == 3 else None), numbers[-2], numbers[-1]
    elif name is not None:
        day, month, year = numbers[0], _months(language)[name], numbers[1] if len(numbers) > 1 else None
    elif len(numbers) != 3:
        return None
    elif numbers[0] > 31:
        year, month, day = numbers
    else:
        first, second, year = numbers
        ahead = True if "." in text else day_first
        if first > 12 or second > 12 or first == second:
            ahead = first > 12 or first == second
        if ahead is None:
            return None
        day, month = (first, second) if ahead else (second, first)
    try:
        return date(year or 2000, month, day), year is not None
    except ValueError:
        return None


def find_dates(texts: Sequence[str], language: str, day_first: bool | None = None) -> list[list[tuple[int, int]]]:
    "Dates that say one day: ISO 8601, digits, or with the name of a month in the language."
    pattern, read = _dates(language), (_western(text, language) for text in texts)
    return [[m.span() for m in pattern.finditer(t) if read_date(m.group(), language, day_first)] for t in read]


@lru_cache(maxsize=1 << 14)
def date_as(text: str, language: str, day_first: bool | None, locale: str, style: str) -> str:
    "A date as another locale writes it: same day, and no year where none was given."
    from babel.dates import format_skeleton

    read = read_date(text, language, day_first)
    if read is None:
        return text
    day, whole = read
    target = locale_named(locale)
    if whole:
        return day_as(day, locale, style)
    skeleton = "Md" if style == "short" else "MMMd" if style == "medium" else "MMMMd"
    return _native(format_skeleton(skeleton, day, locale=target), target)


def day_as(day: date, locale: str, style: str = "short") -> str:
    "A date as a locale writes it, in its digits and the Gregorian calendar."
    from babel.dates import format_date

    target = locale_named(locale)
    return _native(format_date(day, style, locale=target), target)


# Times of day


@cache
def _times(language: str) -> re.Pattern[str]:
    pattern = locale_named(language).time_formats["short"].pattern
    sign = "[:.]" if "." in pattern else "[:h]" if language == "fr" else ":"
    hours, minutes = "(?:[01]?[0-9]|2[0-3])", "[0-5][0-9]"
    half = rf"(?:1[0-2]|0?[1-9])(?::{minutes})?{_SPACE}?[ap]\.?m\b\.?|" if language == "en" else ""
    return re.compile(rf"{_LEFT}(?:{half}{hours}{sign}{minutes})(?![\w]|[.,:/-]\d)", re.IGNORECASE)


def find_times(texts: Sequence[str], language: str) -> list[list[tuple[int, int]]]:
    "Times of day: 15:30, in English also 3:30 pm and 3pm."
    return _spans(_times(language), texts, language)


@lru_cache(maxsize=1 << 14)
def time_as(text: str, language: str, locale: str) -> str:
    "A time as another locale writes it."
    from babel.dates import format_time

    numbers = [int(n) for n in re.findall(r"[0-9]+", _western(text, language))]
    half = re.search("[ap](?=\\.?m)", text.lower())
    hour = numbers[0] % 12 + 12 * (half.group() == "p") if half else numbers[0]
    target = locale_named(locale)
    return _native(format_time(time(hour, numbers[1] if len(numbers) > 1 else 0), "short", locale=target), target)


# Digits of other scripts


NUMBERINGS = {  # CLDR name → its zero; nine more digits follow it in Unicode
    "arab": "\u0660", "arabext": "\u06f0", "beng": "\u09e6", "cakm": "\U00011136", "deva": "\u0966",
    "gujr": "\u0ae6", "guru": "\u0a66", "hmnp": "\U0001e140", "khmr": "\u17e0", "knda": "\u0ce6", "laoo": "\u0ed0", "mlym": "\u0d66",
    "mtei": "\uabf0", "mymr": "\u1040", "nkoo": "\u07c0", "olck": "\u1c50", "orya": "\u0b66", "tamldec": "\u0be6", "telu": "\u0c66",
    "thai": "\u0e50", "tibt": "\u0f20", "adlm": "\U0001e950",
}  # fmt: skip


def in_numbering(text: str, numbering: str) -> str:
    "Western digits as those of another script. Raises ValueError with the known numbering systems."
    if numbering not in NUMBERINGS:
        raise ValueError(f"no numbering system {numbering!r}; known: {', '.join(NUMBERINGS)}.")
    zero = ord(NUMBERINGS[numbering])
    return text.translate({48 + i: zero + i for i in range(10)})
