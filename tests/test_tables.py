"""Every word table: where it comes from, and how much of named texts it reaches, measured again where the texts are at hand.

Treebanks of Universal Dependencies are looked for in ../shared/data/ud, from the project's root, or in the folder that TREEBANKS names.
"""

import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from pilot_to_prod.scenarios import _scripts, kind_named, kinds, language, noise, slang
from pilot_to_prod.scenarios._negation import negations
from pilot_to_prod.scenarios._phrases import fold, word_spans
from pilot_to_prod.scenarios._referents import referents
from pilot_to_prod.scenarios._spelling import core_of, dyslexic_edits, looked_up
from pilot_to_prod.scenarios._tables import packaged, table_path

TABLES = table_path("")
ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
TREEBANKS = Path(os.environ.get("TREEBANKS", SHARED / "ud"))
SOURCES = {p.name: json.loads(p.read_text(encoding="utf-8")) for p in sorted(TABLES.glob("*.sources.json"))}
STATED = {name: about for stated in SOURCES.values() for name, about in stated.items()}
CONTENT = frozenset({"NOUN", "VERB", "ADJ", "ADV", "PROPN"})  # universal parts of speech of content words
NEAR = 0.002  # a figure has three places
kinds()


# texts -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    "A real text: its rows, its words and, where they are known, the places of its content words in each row."

    name: str  # as the tables of sources have it
    language: str
    rows: list[str]
    words: list[str]
    content: list[list[tuple[int, int]]] | None = None

    @property
    def content_words(self) -> list[str]:
        return [row[a:b] for row, spans in zip(self.rows, self.content or [], strict=False) for a, b in spans]


def plain(name: str, language: str, rows: list[str]) -> Text:
    "Words are runs of letters; content words are known in English only, and are those of `coverage`."
    words = [row[a:b] for row in rows for a, b in word_spans(row)]
    if language != "en":
        return Text(name, language, rows, words)
    found = [[m.span() for m in re.finditer(r"[a-z]+", row.lower())] for row in rows]
    content = [
        [(a, b) for a, b in spans if b - a > 1 and row[a:b].lower() not in ENGLISH_STOP_WORDS]
        for row, spans in zip(rows, found, strict=True)
    ]
    return Text(name, language, rows, words, content)


def treebank(name: str, path: Path) -> Text:
    "Words are tokens with a letter; a token is a content word if a word in it is one by its part of speech."
    rows, words, content = [], [], []
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.split("\n")
        row = next(x.split("=", 1)[1].strip() for x in lines if x.startswith("# text ="))
        at, until, spans = 0, 0, list[tuple[int, int, bool]]()
        for number, form, _, part, *_ in (x.split("\t") for x in lines if not x.startswith("#")):
            if "." in number:  # a word that is not written
                continue
            first = int(number.split("-")[0])
            if first > until:
                start = row.index(form, at)
                at = start + len(form)
                spans.append((start, at, part in CONTENT))
            elif part in CONTENT:  # a word inside the token before
                spans[-1] = (*spans[-1][:2], True)
            until = max(until, int(number.split("-")[-1]))
        spans = [s for s in spans if any(c.isalpha() for c in row[s[0] : s[1]])]
        rows.append(row)
        words += [row[a:b] for a, b, _ in spans]
        content.append([(a, b) for a, b, counts in spans if counts])
    return Text(name, path.name[:2], rows, words, content)


def declaration(name: str, path: Path) -> Text:
    "A translation of the Universal Declaration of Human Rights, a paragraph a row."
    root = ElementTree.parse(path).getroot()
    rows = [e.text.strip() for e in root.iter() if e.text and e.text.strip()]
    code = root.attrib["{http://www.w3.org/XML/1998/namespace}lang"].split("-")[0]
    return plain(name, {"zlm": "ms"}.get(code, code), rows)


def real(name: str) -> Path:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"no real data here: ../shared/data/{name}, from the project's root, is absent")
    return path


def of_xsid(spoken: str, *parts: str) -> list[str]:
    table = pd.read_csv(real("xsid/xsid.tsv"), sep="\t", dtype="str", keep_default_na=False)
    return table.loc[(table["lang"] == spoken) & table["split"].isin(parts), "text"].tolist()


def of_csv(folder: str, *parts: str) -> list[str]:
    return [row for part in parts for row in pd.read_csv(real(f"{folder}{part}.csv"))["text"]]


def of_clinc(*parts: str) -> list[str]:
    table = json.loads(real("clinc150/data_small.json").read_text(encoding="utf-8"))
    return [row for part in parts or table for row, _ in table[part]]


def of_feedback(spoken: str) -> list[str]:
    "The texts of the project's own example, which are always here."
    table = pd.read_csv(ROOT / "pilots/feedback/data" / ("replay.csv" if spoken == "en" else "parallel.csv"))
    return (table if spoken == "en" else table[table["language"] == spoken])["text"].tolist()


LOCAL: dict[tuple[str, str], Callable[[], list[str]]] = {
    ("banking77", "en"): lambda: of_csv("banking77/", "train", "test"),
    ("banking77 test", "en"): lambda: of_csv("banking77/", "test"),
    ("clinc150", "en"): of_clinc,
    ("clinc150 test", "en"): lambda: of_clinc("test"),
    ("NusaX-senti", "en"): lambda: of_csv("nusax/english-", "train", "valid", "test"),
    ("NusaX-senti", "id"): lambda: of_csv("nusax/indonesian-", "train", "valid", "test"),
    ("NusaX-senti", "jv"): lambda: of_csv("nusax/javanese-", "train", "valid", "test"),
    ("nusax test", "en"): lambda: of_csv("nusax/english-", "test"),
    ("nusax test", "id"): lambda: of_csv("nusax/indonesian-", "test"),
    ("nusax test", "jv"): lambda: of_csv("nusax/javanese-", "test"),
    **{("this project's feedback texts", x): lambda x=x: of_feedback(x) for x in ("de", "en", "es", "fr", "pl", "sv", "tr")},
    **{("xSID 0.7", x): lambda x=x: of_xsid(x, "valid", "test") for x in ("en", "de", "da", "tr", "ar", "zh")},
    **{("xSID test", x): lambda x=x: of_xsid(x, "test") for x in ("de", "da", "tr", "ar", "zh")},
}


@cache
def local(name: str, spoken: str) -> Text:
    return plain(name, spoken, LOCAL[name, spoken]())


# measures: a table and a text → what is stated of them ------------------------------------------------------------------

Shares = Iterator[tuple[str, float]]


def share(found: list[bool]) -> float:
    return round(sum(found) / len(found), 3)


def eligible(kind: str, text: Text, **params: object) -> float:
    "Share of the words, or rows, that a scenario can hit."
    frame = pd.DataFrame({"t": pd.Series(text.rows, dtype=object)})
    hit = kind_named(kind)("t", severity=1.0, **params).fit(frame).corrupt(frame, seed=0)
    return round(hit.eligible / sum(c.units for c in hit.counts), 3)


def slang_shares(text: Text) -> Shares:
    for table in ("slang", "chat"):
        found = slang.slang_coverage(text.rows, text.language, table=table)
        yield f"{text.name}: rows with {table}", found["rows"]
        yield f"{text.name}: words in {table}", found["words"]
        if text.content:
            yield f"{text.name}: content words in {table}", inside(slang._lexicon(table, text.language, None).find, text)


def inside(find: Callable[[str], list[tuple[int, int]]], text: Text) -> float:
    "Share of content words that stand in what is found."
    return share(
        [
            any(start <= a and b <= end for start, end in spans)
            for row, places in zip(text.rows, text.content or [], strict=True)
            for spans in [find(row)]
            for a, b in places
        ]
    )


def emoji_shares(text: Text) -> Shares:
    find = slang._emoji_table(text.language).find
    yield f"{text.name} ({text.language}): rows with a word", share([bool(find(row)) for row in text.rows])
    if text.content:
        yield f"{text.name} ({text.language}): content words", inside(find, text)


def filler_shares(text: Text) -> Shares:
    gaps = slang._before_gaps(text.rows, None, language=text.language, path=None)  # type: ignore[arg-type]
    yield f"{text.name} ({text.language}): rows that can take one", share([bool(g) for g in gaps])


def word_shares(kind: str, known: Callable[[str], bool], text: Text, **params: object) -> Shares:
    "Words between spaces that a scenario of noise can hit, and content words."
    yield f"{text.name} ({text.language})", eligible(kind, text, **params)
    if text.content:
        yield f"{text.name} ({text.language}), content words", share([known(w) for w in text.content_words])


def homophone_shares(text: Text) -> Shares:
    table = noise.sound_alikes(text.language)
    return word_shares("homophones", lambda w: looked_up(core_of(w)[1]) in table, text, language=text.language)


def phonetic_shares(text: Text) -> Shares:
    return word_shares("dyslexia", lambda w: any(dyslexic_edits(w, text.language)), text, language=text.language)


def keyboard_shares(text: Text) -> Shares:
    yield f"{text.name} ({text.language})", eligible("typos", text, layout=text.language)


def misspelling_shares(text: Text) -> Shares:
    table = noise._misspelt()
    yield f"{text.name} (en), content words", share([w.lower() in table for w in text.content_words])


def misread_shares(text: Text) -> Shares:
    yield f"{text.name} ({text.language})", eligible("ocr_errors", text)


def layouts_of(text: Text) -> list[str]:
    "Layouts usual for the language of a text, in any country."
    if text.language == "no":
        return ["nn"] if "Nynorsk" in text.name else ["nb", "no"]
    return [x for x in packaged("key_positions.json") if x.split("_")[0] == text.language]


def on_keys(word: str, keys: frozenset[str]) -> bool:
    "Whether every letter of a word, and every mark, stands on a key; signs do not count."
    typed = unicodedata.normalize("NFC", word)
    letters = [c for c in typed if unicodedata.category(c)[0] in "LM"]
    return all(c in keys for c in _scripts.keystrokes("".join(letters)))


def key_shares(shift: bool, text: Text) -> Shares:
    for layout in layouts_of(text):
        tables = ("key_positions.json", "key_positions_shift.json")[: 1 + shift]
        keys = frozenset("".join(row for table in tables for row in packaged(table)[layout])) - {" "}
        for what, words in (("words", text.words), ("content words", text.content_words)):
            if words:
                yield (
                    f"{text.name} ({layout}): {what}",
                    share([on_keys(w if shift else fold(w, text.language), keys) for w in words]),
                )


def romanized(word: str, spoken: str, runs: re.Pattern[str]) -> bool:
    "Whether a word is in Latin letters alone afterwards, in both schemes."
    for scheme in _scripts.SCHEMES:
        new = runs.sub(lambda m, scheme=scheme: _scripts.to_latin(m.group(), spoken, scheme), word)
        if not all(unicodedata.name(c, "").startswith("LATIN") for c in new if unicodedata.category(c)[0] in "LM"):
            return False
    return True


def transliteration_shares(text: Text) -> Shares:
    runs = re.compile(_scripts._RUNS[_scripts.scripts()[text.language]])
    for what, words in (("words", text.words), ("content words", text.content_words)):
        if words:
            found = [romanized(w, text.language, runs) for w in words if runs.search(w)]
            yield f"{text.name} ({text.language}): {what}", share(found)


def noun_shares(text: Text) -> Shares:
    found = referents(text.language)
    yield f"{text.name} ({text.language}): rows with a noun phrase", share([bool(found.find(row)) for row in text.rows])


def negation_shares(text: Text) -> Shares:
    found = [bool(negations(row, text.language, "both")) for row in text.rows]
    yield f"{text.name} ({text.language}): rows", share(found)


def inserted_shares(kind: str, text: Text) -> Shares:
    "Rows that can take one, in the language that is found in them."
    yield f"{text.name} ({text.language}): rows that can take one", eligible(kind, text)


MEASURES: dict[str, Callable[[Text], Shares]] = {
    **{f"slang_{x}.tsv": slang_shares for x in slang._shipped_languages()},
    **{f"homophones_{x}.tsv": homophone_shares for x in ("en", "de", "fr", "es")},
    "emoji.tsv": emoji_shares,
    "fillers.tsv": filler_shares,
    "misspellings_en.tsv": misspelling_shares,
    "keyboards.json": keyboard_shares,
    "ocr_confusions.json": misread_shares,
    "phonetic_spellings.json": phonetic_shares,
    "key_positions.json": lambda text: key_shares(False, text),
    "key_positions_shift.json": lambda text: key_shares(True, text),
    "transliteration.json": transliteration_shares,
    "nouns.json": noun_shares,
    "negation_coverage.json": negation_shares,
    "distractors.json": lambda text: inserted_shares("distractor", text),
    "connectors.json": lambda text: inserted_shares("two_intents", text),
}


# what is stated ---------------------------------------------------------------------------------------------------------

FIGURES = {"language_accuracy.json"}  # holds measured shares of named texts itself
ELSEWHERE = {"lexicon_en.tsv"}  # measured again in test_real_input.py
MEASURED = sorted(name for name, about in STATED.items() if "coverage" in about and name not in ELSEWHERE)


def test_every_table_is_stated_once() -> None:
    shipped = {p.name for p in TABLES.iterdir() if p.suffix in (".json", ".tsv") and not p.name.endswith(".sources.json")}
    assert shipped == set(STATED)
    assert sum(map(len, SOURCES.values())) == len(STATED)


@pytest.mark.parametrize("table", sorted(STATED))
def test_every_table_has_a_source_a_licence_a_size_and_a_coverage(table: str) -> None:
    about = STATED[table]
    assert about["what"] and about["source"] and about["licence"] and about["rows"] > 0
    assert about.get("coverage") or about.get("coverage_note") or table in FIGURES


@pytest.mark.parametrize("table", MEASURED)
def test_every_share_is_one_and_every_text_is_named(table: str) -> None:
    about = STATED[table]
    assert about["coverage_note"]
    assert all(0 <= x <= 1 for x in about["coverage"].values())
    texts = {name_of(key) for key in about["coverage"]}
    assert {x for x in texts if x.startswith("UD")} == set(about.get("texts", {}))
    assert all(re.search(r"\bcommit [0-9a-f]{12},", x) for x in about.get("texts", {}).values())


def name_of(key: str) -> str:
    "The text of a key: what stands before its language in brackets, or before the colon."
    return key.split(" (")[0].split(": ")[0]


def language_of(table: str, key: str) -> str:
    "The language of a key: of the table, or in brackets; a layout is its language in a country."
    found = re.search(r"\(([a-z]{2})(?:_\w+)?\)", key)
    return found[1] if found else table.split("_")[1][:2]


def of(table: str, name: str, spoken: str) -> dict[str, float]:
    "What is stated of a table and a text."
    return {k: x for k, x in STATED[table]["coverage"].items() if name_of(k) == name and language_of(table, k) == spoken}


def stated_locally() -> list[tuple[str, str, str]]:
    found = ((table, name_of(k), language_of(table, k)) for table in MEASURED for k in STATED[table]["coverage"])
    return [one for one in dict.fromkeys(found) if one[1:] in LOCAL]


@pytest.mark.parametrize(("table", "name", "spoken"), stated_locally())
def test_a_stated_coverage_is_what_is_measured(table: str, name: str, spoken: str) -> None:
    found = dict(MEASURES[table](local(name, spoken)))
    assert found == pytest.approx(of(table, name, spoken), abs=NEAR)


@pytest.mark.parametrize("table", [x for x in MEASURED if STATED[x].get("texts")])
def test_a_treebank_is_covered_as_stated(table: str) -> None:
    paths = {name: TREEBANKS / about.split()[0].rstrip(",") for name, about in STATED[table]["texts"].items()}
    here = {name: path for name, path in paths.items() if path.is_file()}
    if not here:
        pytest.skip(f"no treebank here: none of the {len(paths)} texts of {table} is in {TREEBANKS.name}/")
    for name, path in here.items():
        text = opened(name, path)
        stated = {k: x for k, x in STATED[table]["coverage"].items() if name_of(k) == name}
        assert dict(MEASURES[table](text)) == pytest.approx(stated, abs=NEAR)


@cache
def opened(name: str, path: Path) -> Text:
    return declaration(name, path) if path.suffix == ".xml" else treebank(name, path)


# the measures -----------------------------------------------------------------------------------------------------------


def test_english_content_words_are_those_of_the_lexicon() -> None:
    rows = ["Where's MY parcel?", "I can't find the card, a bank card."]
    text = plain("two rows", "en", rows)
    assert text.content_words == ["parcel", "card", "bank", "card"]
    known = language.lexicon("de")
    found = sum(w in known for w in map(str.lower, text.content_words)) / len(text.content_words)
    assert language.coverage("de", rows) == found


def test_content_words_of_a_treebank_are_tagged(tmp_path: Path) -> None:
    path = tmp_path / "es_x-ud-test.conllu"
    lines = ["# text = Quiero verlo, ya.", "1\tQuiero\t_\tVERB", "2-3\tverlo\t_\t_", "2\tver\t_\tVERB", "3\tlo\t_\tPRON"]
    lines += ["3.1\tnada\t_\tNOUN", "4\t,\t_\tPUNCT", "5\tya\t_\tADV", "6\t.\t_\tPUNCT"]
    path.write_text("\n".join(x if x.startswith("#") else f"{x}\t_" for x in lines) + "\n\n", encoding="utf-8")
    text = treebank("UD x", path)
    assert (text.language, text.words, text.content_words) == ("es", ["Quiero", "verlo", "ya"], ["Quiero", "verlo", "ya"])
    path.write_text("# text = de la\n1\tde\t_\tADP\t_\n2\tla\t_\tDET\t_\n", encoding="utf-8")
    assert treebank("UD x", path).content_words == []


@pytest.mark.parametrize(
    ("word", "layout", "small", "shift"),
    [
        ("straße", "de", True, True),
        ("café", "es", False, False),  # a dead key
        ("żółw", "pl", False, False),  # AltGr
        ("नाम", "hi", True, True),
        ("ख़बर", "hi", False, True),
        ("한국", "ko", True, True),
        ("don't", "en", True, True),
    ],
)
def test_a_letter_has_a_key_of_its_own(word: str, layout: str, small: bool, shift: bool) -> None:
    rows = [packaged(name)[layout] for name in ("key_positions.json", "key_positions_shift.json")]
    keys = [frozenset("".join(found)) - {" "} for found in rows]
    assert (on_keys(word, keys[0]), on_keys(word, keys[0] | keys[1])) == (small, shift)


@pytest.mark.parametrize(
    ("word", "spoken", "whole"), [("привет", "ru", True), ("ѣ", "ru", False), ("ありがとう", "ja", True), ("東京", "ja", False)]
)
def test_a_word_is_written_in_latin_letters_or_not(word: str, spoken: str, whole: bool) -> None:
    assert romanized(word, spoken, re.compile(_scripts._RUNS[_scripts.scripts()[spoken]])) is whole


def test_at_least_twelve_layouts_are_measured_and_all_but_what_has_no_text() -> None:
    measured = {re.search(r"\((\w+)\)", k)[1] for k in STATED["key_positions.json"]["coverage"]}  # type: ignore[index]
    assert measured == set(packaged("key_positions.json"))
    assert len(measured) == 69


@pytest.mark.parametrize("kind", ["distractor", "two_intents"])
def test_what_is_inserted_fits_every_row_that_is_not_blank(kind: str) -> None:
    rows = ["Where is it?", "", " ", "ok", "12"]
    frame = pd.DataFrame({"t": rows})
    hit = kind_named(kind)("t", severity=1.0, language="en").fit(frame).corrupt(frame, seed=0)
    assert hit.eligible == 3
