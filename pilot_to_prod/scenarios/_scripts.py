"""Other scripts for the same language: transliteration, words half in another script, and text typed on the wrong keyboard layout."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache

from pilot_to_prod.scenarios._tables import packaged

SCHEMES = ("chat", "standard")
KEPT = 64  # characters up to which a result is kept
_KANA_LOW, _KANA_HIGH = 0x30A1, 0x30F6  # katakana, which is hiragana 0x60 further on
# Runs of letters of each script: what is one unit of transliteration.
_RUNS = {
    "Cyrl": "[\u0400-\u052f\u0300\u0301](?:[\u0400-\u052f\u0300\u0301'’]*[\u0400-\u052f\u0300\u0301])?",
    "Grek": "[\u0370-\u03ff\u1f00-\u1fff\u0300-\u0345]+",
    "Arab": "[\u0621-\u065f\u0670-\u06d3]+",
    "Deva": "[\u0904-\u0939\u0950\u0958-\u0961\u0972-\u097f][\u0900-\u0963\u0971-\u097f]*",
    "Hira": "[\u3041-\u3096\u30a1-\u30fa\u30fc]+|[\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]+",  # kana, kanji
    "Hang": "[\uac00-\ud7a3]+",
    "Hani": "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]+",
    "Latn": "[^\\W\\d_\u0250-\uffff\U00010000-\U0010ffff](?:[^\\W\\d_\u0250-\uffff\U00010000-\U0010ffff]|[\u0300-\u036f])*",
}


@cache
def _run_of(script: str) -> re.Pattern[str]:
    return re.compile(_RUNS[script])


def scripts() -> dict[str, str]:
    "Language that can be transliterated → its script (ISO 15924)."
    return {language: entry["script"] for language, entry in packaged("transliteration.json").items()}


def back_languages() -> list[str]:
    "Languages that can also be written back from Latin letters."
    return [language for language, entry in packaged("transliteration.json").items() if "back" in entry]


def runs(
    texts: Sequence[str],
    script: str,  # ISO 15924 code
) -> list[list[tuple[int, int]]]:
    "Runs of letters of a script in each text, in code points."
    pattern = _run_of(script)
    return [[m.span() for m in pattern.finditer(text)] for text in texts]


class _Rules:
    """Letters to letters, the longest match first.

    A key may begin with ^ (only at the start of a word), end with $ (only at its end), or end with > (its last letter is looked at but stays).
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self.table = table
        keys = sorted(table, key=lambda k: (-len(k.strip("^$>")) - (k[0] == "^" or k[-1] in "$>") / 2, k))
        self.pattern = re.compile("|".join(map(self._part, keys)))

    @staticmethod
    def _part(key: str) -> str:
        if key.endswith(">"):
            return f"{re.escape(key[:-2])}(?={re.escape(key[-2])})"
        body = re.escape(key.strip("^$"))
        return (r"(?<![\w'’])" if key[0] == "^" else "") + body + (r"(?!\w)" if key[-1] == "$" else "")

    def _found(self, text: str, starts: bool, ends: bool, after: str) -> str:
        for key in (f"^{text}" if starts else "", f"{text}$" if ends else "", f"{text}{after}>" if after else "", text):
            if key in self.table:
                return self.table[key]
        raise KeyError(text)

    def apply(self, text: str) -> str:
        "The text in other letters; capitals stay capitals."
        low, out, at = text.lower(), [], 0
        if len(low) != len(text):  # a few capitals are longer in small letters: then case is given up
            text = low
        loud = len(text) > 1 and text.isupper()
        for m in self.pattern.finditer(low):
            out.append(text[at : m.start()])
            starts = not m.start() or not (low[m.start() - 1].isalpha() or low[m.start() - 1] in "'’")
            ends = m.end() == len(low) or not low[m.end()].isalpha()
            new = self._found(m.group(), starts, ends, low[m.end() : m.end() + 1])
            old = text[m.start() : m.end()]
            if old != m.group():
                new = new.upper() if loud else new[:1].upper() + new[1:]
            out.append(new)
            at = m.end()
        out.append(text[at:])
        return "".join(out)


@cache
def _rules(language: str, scheme: str, back: bool) -> _Rules:
    entry = packaged("transliteration.json")[language]
    if back:
        table = entry["back"] | (entry.get("back_chat", {}) if scheme == "chat" else {})
    else:
        table = dict(entry["standard"])
        if scheme == "chat":  # a letter that is written otherwise in chats loses its rules for the start of a word
            for letter in entry["chat"]:
                table.pop(f"^{letter}", None)
            table |= entry["chat"]
    return _Rules(table)


def _greek_bare(text: str) -> str:
    "Without accents: customers who write in Latin letters leave them out. A diaeresis parts two vowels, so a mark of it is kept till the end."
    parted = unicodedata.normalize("NFD", text)
    parted = re.sub("([αεηοΑΕΗΟ])\u0301(?=[υΥ])", "\\1\u200b", parted)  # stressed first vowel: no diphthong
    parted = re.sub("([αεηοΑΕΗΟ])(?=[υΥ]\u0308)", "\\1\u200b", parted)
    return "".join(c for c in parted if not unicodedata.combining(c))


def _greek(text: str, scheme: str) -> str:
    return _rules("el", scheme, False).apply(_greek_bare(text)).replace("\u200b", "")


def _arabic(text: str, scheme: str) -> str:
    "Long vowels between consonants are vowels, at the start of a word and beside vowels consonants; unwritten short vowels stay unwritten."
    vowels = "اآىةوي\u064e\u064f\u0650"
    text = text.replace("\u0640", "")
    doubled = re.sub("(.)([\u064e-\u0650]?)\u0651([\u064e-\u0650]?)", r"\1\1\2\3", text)
    marked = re.sub(f"(?<=[^\\W{vowels}])و(?![{vowels}])", "\ue000", doubled)
    marked = re.sub(f"(?<=[^\\W{vowels}])ي(?![{vowels}])", "\ue001", marked)
    out = _rules("ar", scheme, False).apply(marked)
    return out.replace("\ue000", "o" if scheme == "chat" else "u").replace("\ue001", "i")


def _hindi(text: str, scheme: str) -> str:
    "Consonants carry an a unless a vowel sign or a virama follows; the a of the last consonant, and most of those between, are silent."
    letters = packaged("transliteration.json")["hi"]["letters"]
    consonants, vowels, signs, marks = (letters[k] for k in ("consonants", "vowels", "signs", "marks"))
    text = re.sub("([कखगजफडढ])\u093c", lambda m: unicodedata.normalize("NFC", m.group()), unicodedata.normalize("NFC", text))
    parts: list[list[str]] = []  # [consonant, vowel, mark]
    at = 0
    while at < len(text):
        pair, one = text[at : at + 2], text[at]
        if pair in consonants or one in consonants:
            step = 2 if pair in consonants else 1
            parts.append([consonants[pair if step == 2 else one], "*", ""])
            at += step
            continue
        if one in signs and parts:
            parts[-1][1] = signs[one]
        elif one == "\u094d" and parts:
            parts[-1][1] = ""
        elif one in vowels:
            parts.append(["", vowels[one], ""])
        elif one in marks and parts:
            parts[-1][2] += marks[one]
        elif one not in "\u093c\u200c\u200d":
            parts.append([one, "", ""])
        at += 1
    last = len(parts) - 1
    for i in range(last, -1, -1):
        if parts[i][1] != "*":
            continue
        silent = i == last and i > 0 and not parts[i][2]
        if 0 < i < last and not parts[i][2]:  # between: silent after a sounded vowel and before a consonant with one
            silent = (
                parts[i - 1][1] != "" and not parts[i - 1][2] and bool(parts[i + 1][0]) and parts[i + 1][1] not in ("", "*")
            )
        parts[i][1] = "" if silent else "a"
    plain = letters["standard"] if scheme == "standard" else {}
    out = []
    for i, (consonant, vowel, mark) in enumerate(parts):
        short = plain.get(vowel, vowel)
        if i == last and not mark and last:
            short = letters["final"].get(vowel, short)
        labial = i < last and parts[i + 1][0][:1] in ("p", "b", "m")
        out.append(consonant + short + ("m" if mark == "n" and labial else mark))
    return "".join(out)


def _kana(text: str, scheme: str) -> str:
    "Hepburn, kana by kana, as it is typed; a long sign repeats the vowel, a small tsu doubles the consonant. Kanji stay."
    letters = packaged("transliteration.json")["ja"]["letters"]
    plain = "".join(chr(ord(c) - 0x60) if _KANA_LOW <= ord(c) <= _KANA_HIGH else c for c in text)
    out, at, double = "", 0, False
    while at < len(plain):
        step = 2 if plain[at : at + 2] in letters else 1
        piece, one = letters.get(plain[at : at + step]), plain[at]
        at += step
        if one == "っ":
            double = True
            continue
        if piece is None:
            piece = out[-1:] if one == "ー" and out[-1:] in tuple("aiueo") else ("" if one == "ー" else one)
        elif double and piece[0] not in "aiueon":
            piece = ("t" if piece.startswith("ch") else piece[0]) + piece
        double = False
        if (
            scheme == "standard"
            and out.endswith("n")
            and piece[:1] in tuple("aiueoy")
            and at - step > 0
            and plain[at - step - 1] == "ん"
        ):
            piece = "'" + piece
        out += piece
    return out + ("tsu" if double else "")


def _hangul(text: str, scheme: str) -> str:
    "Revised Romanization, syllable by syllable; a final consonant before a vowel is carried over, other assimilations are not written."
    tables = {k: [p if p != "_" else "" for p in v] for k, v in packaged("transliteration.json")["ko"]["letters"].items()}
    out = []
    for i, c in enumerate(text):
        first, rest = divmod(ord(c) - 0xAC00, 588)
        middle, last = divmod(rest, 28)
        linked = last and i + 1 < len(text) and (ord(text[i + 1]) - 0xAC00) // 588 == 11
        out.append(tables["first"][first] + tables["middle"][middle] + tables["linked" if linked else "last"][last])
    return "".join(out)


def _pinyin(text: str, scheme: str) -> str:
    "Syllables without tones, by the words that the characters form; in chats they are run together, in standard spelling parted."
    try:
        from pypinyin import lazy_pinyin
    except ImportError as error:
        raise ImportError("pinyin needs pypinyin: pip install 'pypinyin>=0.50'") from error
    return (" " if scheme == "standard" else "").join(lazy_pinyin(text))


_OWN: dict[str, Callable[[str, str], str]] = {
    "el": _greek,
    "ar": _arabic,
    "hi": _hindi,
    "ja": _kana,
    "ko": _hangul,
    "zh": _pinyin,
}


def checked_scheme(scheme: str) -> str:
    "The scheme, if it is one. Raises ValueError with those that are."
    if scheme not in SCHEMES:
        raise ValueError(f"no scheme {scheme!r}; known: {', '.join(SCHEMES)}.")
    return scheme


def _into_latin(text: str, language: str, scheme: str) -> str:
    if language in _OWN:
        return _OWN[language](text, scheme)
    return _rules(language, scheme, False).apply(unicodedata.normalize("NFC", text).replace("\u0301", ""))


_kept = lru_cache(maxsize=1 << 16)(_into_latin)


def to_latin(
    text: str,  # a run of letters of the language's script
    language: str,  # ISO 639-1
    scheme: str = "chat",  # "chat": as customers type it; "standard": as passports and atlases print it
) -> str:
    "The text in Latin letters. Raises ValueError with the known languages and schemes."
    if language not in scripts():
        raise ValueError(f"no transliteration for {language!r}; known: {', '.join(sorted(scripts()))}.")
    checked_scheme(scheme)
    return (_kept if len(text) <= KEPT else _into_latin)(text, language, scheme)


def from_latin(
    text: str,
    language: str,
    scheme: str = "chat",
) -> str:
    "Latin letters written back in the language's script, as far as one spelling stands for one sound."
    if language not in back_languages():
        raise ValueError(f"no way back from Latin letters for {language!r}; known: {', '.join(sorted(back_languages()))}.")
    return _rules(language, checked_scheme(scheme), True).apply(unicodedata.normalize("NFC", text))


_MIXES = {"Cyrl": "ru", "Grek": "el"}  # the language whose letters stand in for a script


def letter_script(
    letter: str,
) -> str | None:
    "Latn, Cyrl or Grek for a letter of these scripts, else None."
    point = ord(letter)
    if not letter.isalpha():
        return None
    if point < 0x250:
        return "Latn" if point not in (0xAA, 0xB5, 0xBA) else None
    if 0x370 <= point < 0x400:
        return "Grek"
    return "Cyrl" if 0x400 <= point < 0x530 else None


@lru_cache(maxsize=1 << 12)
def other_letter(
    letter: str,
    into: str,  # for Latin letters: Cyrl or Grek
) -> str:
    "A letter in the other script: Latin for Cyrillic and Greek ones, else of the script named. As it was where there is none."
    script = letter_script(letter)
    if script in _MIXES:
        return to_latin(letter, _MIXES[script], "standard")
    if script == "Latn":
        bare = unicodedata.normalize("NFD", letter)[0]
        return from_latin(bare, _MIXES[into], "standard") if bare.isascii() else letter
    return letter


_HANGUL_FIRST = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_HANGUL_MIDDLE = "ㅏ ㅐ ㅑ ㅒ ㅓ ㅔ ㅕ ㅖ ㅗ ㅗㅏ ㅗㅐ ㅗㅣ ㅛ ㅜ ㅜㅓ ㅜㅔ ㅜㅣ ㅠ ㅡ ㅡㅣ ㅣ"
_HANGUL_LAST = "_ ㄱ ㄲ ㄱㅅ ㄴ ㄴㅈ ㄴㅎ ㄷ ㄹ ㄹㄱ ㄹㅁ ㄹㅂ ㄹㅅ ㄹㅌ ㄹㅍ ㄹㅎ ㅁ ㅂ ㅂㅅ ㅅ ㅆ ㅇ ㅈ ㅊ ㅋ ㅌ ㅍ ㅎ"


@cache
def _hangul_keys() -> tuple[str, list[str], list[str]]:
    return _HANGUL_FIRST, _HANGUL_MIDDLE.split(), ["", *_HANGUL_LAST.split()[1:]]


def keystrokes(
    text: str,
) -> str:
    "Hangul syllables as the letters that are typed for them; all else as it is."
    firsts, middles, lasts = _hangul_keys()
    out = []
    for c in text:
        if "\uac00" <= c <= "\ud7a3":
            first, rest = divmod(ord(c) - 0xAC00, 588)
            middle, last = divmod(rest, 28)
            out.append(firsts[first] + middles[middle] + lasts[last])
        else:
            out.append(c)
    return "".join(out)


def layouts() -> list[str]:
    "Keyboard layouts whose keys are known."
    return sorted(packaged("key_positions.json"))


@cache
def layout_map(
    typed: str,  # the layout that the fingers know
    active: str,  # the layout that is switched on
) -> dict[str, str]:
    "Character meant → character that appears, for keys which differ. Raises ValueError with the known layouts."
    for name in (typed, active):
        if name not in layouts():
            raise ValueError(f"no keyboard layout {name!r}; known: {', '.join(layouts())}.")
    out: dict[str, str] = {}
    for table in ("key_positions.json", "key_positions_shift.json"):
        rows = packaged(table)
        for meant, seen in zip(rows[typed], rows[active], strict=True):
            for a, b in zip(meant, seen, strict=False):  # a layout may have a key more in a row
                if a != " " and b != " " and a != b:
                    out.setdefault(a, b)
    return out


def mistyped(
    word: str,
    typed: str,
    active: str,
) -> str:
    "What appears when a word is typed as on one layout while another is active."
    found = layout_map(typed, active)
    return "".join(found.get(c, c) for c in (keystrokes(word) if typed == "ko" else word))
