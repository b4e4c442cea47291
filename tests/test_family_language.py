"""Scenarios of the family language: what turns into what, what stays, and what a wrong parameter says."""

import json
import re
import sys
import types
from decimal import Decimal
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from babel.numbers import get_group_symbol
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import _formats as formats
from pilot_to_prod.scenarios import _languages as languages
from pilot_to_prod.scenarios import _scripts as scripts
from pilot_to_prod.scenarios import _translators as translators
from pilot_to_prod.scenarios import language as family
from pilot_to_prod.scenarios import scenario
from pilot_to_prod.scenarios._tables import packaged, read_choices, read_words, table_path
from pilot_to_prod.spec import Spec

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data"
TABLES = resources.files("pilot_to_prod").joinpath("scenarios/tables")
here = __name__


frame = pd.DataFrame({"text": ["where is my parcel?"]})


def after(one, texts, **kwargs):
    return one.preview(texts, **kwargs)["after"].tolist()


# ---- detection


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("where is my parcel, please?", "en"),
        ("wo ist mein Paket geblieben?", "de"),
        ("kortet virker ikke, hvad skal jeg gøre?", "da"),
        ("kortet virker ikke, hva skal jeg gjøre nå?", "no"),
        ("saya tidak bisa membuka akun saya", "id"),
        ("aku ora iso mbukak akunku", "jv"),
        ("где моя посылка?", "ru"),
        ("मुझे मेरा पैसा वापस चाहिए", "hi"),
        ("Πού είναι το δέμα μου;", "el"),
        ("カードが届きません", "ja"),
        ("我的卡还没到", "zh"),
        ("카드가 안 왔어요", "ko"),
        ("", "und"),
        ("\n", "und"),
        ("\0", "und"),
        ("12:30 / 4.5 €", "und"),
        ("\U0001f600" * 9, "und"),
        ("someone@example.com https://example.com/where-is-my-parcel", "und"),
        ("the parcel is late. " * 5000, "en"),
    ],
)
def test_language_of_a_text(text, code):
    found, sure = languages.detect([text])
    assert found.tolist() == [code]
    assert (sure[0] >= languages.SURE) == (code != "und") and 0 <= sure[0] <= 1


@given(st.lists(st.text(max_size=40), max_size=8))
def test_a_text_is_detected_by_itself(texts):
    together = languages.detect(texts)
    alone = [languages.detect([t]) for t in texts]
    assert together[0].tolist() == [a[0][0] for a in alone]
    assert together[1].tolist() == [a[1][0] for a in alone]
    assert languages.detect(texts[::-1])[0].tolist() == together[0].tolist()[::-1]
    assert all(re.fullmatch("[a-z]{2}|und", x) for x in together[0])


def test_detection_among_named_languages():
    found, _ = languages.detect(["hvor er mit kort?", "hvor er mit kort?", "xq"], among=["en", "da"])
    assert found.tolist()[:2] == ["da", "da"]
    assert set(languages.detect(["hvor er mit kort?"], among=["en", "tr"])[0]) <= {"en", "tr", "und"}


def test_detection_asks_no_network(monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise AssertionError("network")

    monkeypatch.setattr(socket, "socket", refuse)
    languages._model.cache_clear()
    assert languages.detect(["where is my parcel"])[0].tolist() == ["en"]


@pytest.mark.skipif(not REAL.exists(), reason="the shared real data are not here")
def test_stated_accuracy_is_what_is_measured():
    stated = packaged("language_accuracy.json")["xSID 0.7 test, 500 requests a language"]
    table = pd.read_csv(REAL / "xsid/xsid.tsv", sep="\t", quoting=3, keep_default_na=False)
    table = table[table["split"] == "test"]
    for code in ("da", "en", "zh"):
        found, _ = languages.detect(table.loc[table["lang"] == code, "text"].tolist())
        assert float((found == code).mean()) == pytest.approx(stated[code], abs=0.01)


# ---- word tables


def test_a_table_names_every_fault_at_once(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text(
        "en\tcy\nparcel\tparsel\nparcel\tpecyn\n# a note\n\nlonely\n card\tcerdyn\ntwo words\tdau\n\tdim\nx\ta\x07b\n"
    )
    with pytest.raises(ValueError) as caught:
        read_words(path)
    said = str(caught.value)
    assert "6 faults" in said and str(path) in said
    for part in (
        "line 3: the word 'parcel' stands already in line 2",
        "line 6: 1 cell, 2 expected",
        "line 7",
        "line 8",
        "line 9",
        "line 10",
    ):
        assert part in said
    with pytest.raises(ValueError, match="5 faults"):
        read_words(path, phrases=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"one column\nword\n", "at least 2 expected"),
        (b"en\tde\nword\t\n", "no line holds"),
        (b"en\tde\nk\xe4se\tcheese\n", "line 2: not UTF-8 (byte 0xe4)"),
        (b"en\tde\tfr\na\tb\tc\n", "none was named: de, fr"),
        (b"en\ten\na\tb\n", "must differ"),
    ],
)
def test_a_table_that_is_none(tmp_path, content, said):
    path = tmp_path / "words.tsv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(said)):
        read_words(path)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="no word table at"):
        read_words(tmp_path / "none.tsv")
    path = tmp_path / "words.tsv"
    path.write_text("en\tde\tfr\na\tb\tc\n")
    with pytest.raises(ValueError, match="no column 'it'; the table has de, fr"):
        read_words(path, column="it")


def test_a_table_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("en\tde\nsoon\tbald|in Kürze\n")
    assert read_choices(path) == {"soon": ("bald", "in Kürze")} and read_words(path) == {"soon": "bald"}
    path.write_text("﻿en\tde\r\nlate\tspät, sehr\r\n", encoding="utf-8")
    assert read_words(path) == {"late": "spät, sehr"}


@pytest.mark.parametrize("content", ["parcel\tpecyn\norder\tarcheb\n", "word\tpecyn\nx\ty\n", "text\ttxt\nx\ty\n"])
def test_a_table_that_begins_with_an_entry_is_refused(tmp_path, content):
    path = tmp_path / "words.tsv"
    path.write_text(content)
    for column in (None, "cy"):
        with pytest.raises(ValueError, match="line 1: .*read like an entry. Put a first line before: word, tab, replacement"):
            read_words(path, column=column)


@pytest.mark.parametrize(
    "names", ["word\treplacement", "en\tcy", "Word\tReplacement", "standard\tslang", "en-GB\tpt_BR", "x\tde"]
)
def test_names_of_columns_are_words_or_languages(tmp_path, names):
    path = tmp_path / "words.tsv"
    path.write_text(f"{names}\nparcel\tpecyn\n")
    assert read_words(path, column="de" if names == "x\tde" else None) == {"parcel": "pecyn"}


def test_a_table_in_another_language_than_asked_for_is_refused(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("en\tpl\nparcel\tpaczka\n")
    with pytest.raises(ValueError, match="line 1: the column 'pl' holds another language than 'de'. Ask for 'pl'"):
        family.code_switch("text", severity=1, language="de", lexicon=str(path)).fit(frame)
    assert after(family.code_switch(severity=1, language="pl", lexicon=str(path)), ["my parcel is late"]) == [
        "my paczka is late"
    ]
    path.write_text("en\tno\nparcel\tpakke\n")
    assert read_words(path, column="nb") == {"parcel": "pakke"}


# ---- lexicons


def test_the_lexicon_table_is_sound():
    for language in family.lexicons().index:
        words = read_words(table_path("lexicon_en.tsv"), column=language)  # as strict as with a table of a user's
        assert words == family.lexicon(language)
        assert all(re.fullmatch("[a-z]+", w) and new.lower() != w for w, new in words.items())


@pytest.mark.parametrize(
    ("language", "letters"),
    [
        ("ru", "[\u0400-\u04ff]"),
        ("de", "[a-zA-ZäöüÄÖÜß]"),
        ("pl", "[a-zA-Ząćęłńóśźż]"),
        ("ar", "[\u0621-\u063a\u0641-\u064a]"),  # neither vowel signs nor tatweel
        ("zh", "[\u4e00-\u9fff]"),
    ],
)
def test_words_of_a_lexicon_are_in_its_script(language, letters):
    words = family.lexicon(language).values()
    odd = [w for w in words if not re.fullmatch(rf"(?:{letters}|[ '.-])+", w)]
    assert len(odd) <= 12, odd  # names and loans: Café, ATM, E-mail


def test_the_lexicons_of_arabic_and_chinese_are_nearly_full():
    rows = packaged("language.sources.json")["lexicon_en.tsv"]["rows"]
    assert min(len(family.lexicon(x)) for x in ("ar", "zh")) >= 0.9 * rows
    assert not any(" " in new for new in family.lexicon("zh").values())


def test_fifteen_languages_count_on_every_real_text():
    assert len(family.switchable()) == 15 and {"ru", "no", "id", "ar", "zh"} <= set(family.switchable())
    table = family.lexicons()
    measured = table[[c for c in table if c.startswith("coverage on ")]]
    assert measured.shape[1] == 6 and (measured >= 0.55).all(axis=None)
    assert (table["direction"] == "en → " + table.index).all()


@pytest.mark.skipif(not REAL.exists(), reason="the shared real data are not here")
def test_stated_coverage_is_what_is_measured():
    stated = packaged("language.sources.json")["lexicon_en.tsv"]["coverage"]["fr"]
    split = {n: pd.read_csv(REAL / f"nusax/english-{n}.csv")["text"].tolist() for n in ("train", "valid", "test")}
    assert round(family.coverage("fr", split["test"]), 3) == stated["NusaX English test"]
    assert round(family.coverage("fr", split["train"] + split["valid"]), 3) == stated["NusaX English train and valid"]


def test_every_table_of_the_family_has_a_source():
    stated = packaged("language.sources.json")
    assert {"lexicon_en.tsv", "transliteration.json", "language_accuracy.json"} <= set(stated)
    for name, entry in stated.items():
        assert TABLES.joinpath(name).is_file()
        assert (
            {"what", "source", "licence", "url", "rows"} <= set(entry)
            and entry["what"]
            and entry["source"]
            and entry["licence"]
        )
    lines = TABLES.joinpath("lexicon_en.tsv").read_text(encoding="utf-8").splitlines()
    assert stated["lexicon_en.tsv"]["rows"] == len(lines) - 1


# ---- code_switch


def test_code_switch_keeps_case_and_signs():
    said = after(family.code_switch(severity=1, language="de"), ["Where is it? (Parcel), the PARCEL! parcel's my parcel?"])
    assert said == ["Where is it? (Paket), the PAKET! parcel's my Paket?"]


@pytest.mark.parametrize(
    ("language", "said"),
    [("zh", "Where is it? (包裹), the 包裹! parcel's my 包裹?"), ("ar", "Where is it? (طرد), the طرد! parcel's my طرد?")],
)
def test_code_switch_into_scripts_without_capitals(language, said):
    text = "Where is it? (Parcel), the PARCEL! parcel's my parcel?"
    assert after(family.code_switch(severity=1, language=language), [text]) == [said]


def test_code_switch_leaves_other_languages_and_counts_them():
    frame = pd.DataFrame({"text": ["where is my parcel, please?", "wo ist mein Paket geblieben? alarm card"]})
    hit = family.code_switch("text", severity=1, language="es").fit(frame).corrupt(frame)
    assert hit.frame["text"][1] == frame["text"][1] and hit.frame["text"][0] != frame["text"][0]
    assert hit.untreated == 7


def test_code_switch_reads_a_table_of_the_users(tmp_path):
    path = tmp_path / "words.tsv"
    path.write_text("de\tcy\nPaket\tparsel\nKarte\tcerdyn\n", encoding="utf-8")
    one = scenario(
        **json.loads(json.dumps(family.code_switch(severity=1, language="cy", source="de", lexicon=str(path)).to_json()))
    )
    assert after(one, ["Wo ist denn mein Paket?", "where is my parcel please?"]) == [
        "Wo ist denn mein Parsel?",
        "where is my parcel please?",
    ]


WORDS = {"parcel": "parsel"}


def words():
    return {"Card": "cerdyn"}


def test_code_switch_reads_an_object_of_a_module():
    text = ["where is my parcel or my card?"]
    assert after(family.code_switch(severity=1, language="cy", lexicon=f"{here}:WORDS"), text) == [
        "where is my parsel or my card?"
    ]
    assert after(family.code_switch(severity=1, language="cy", lexicon=f"{here}:words"), text) == [
        "where is my parcel or my cerdyn?"
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [("no_such_module:x", "No module named"), (f"{here}:x", "has no attribute 'x'"), (f"{here}:PAIRS", "is a list; a mapping")],
)
def test_a_lexicon_that_is_none(name, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        family.code_switch("text", lexicon=name).fit(frame)
    with pytest.raises(ValueError, match="no word table at"):
        family.code_switch("text", lexicon="none.tsv").fit(frame)


def test_an_added_lexicon_is_known_and_listed(monkeypatch, tmp_path):
    monkeypatch.setattr(family, "_ADDED", {})
    with pytest.raises(ValueError, match="no lexicon en → cy; known: en → ar, en → da"):
        family.code_switch("text", severity=1, language="cy").fit(frame)
    family.add_lexicon("cy", {"Parcel": "parsel", "taxi": "Taxi"}, source="a test", licence="CC0-1.0")
    assert family.lexicon("cy") == {"parcel": "parsel"}
    assert after(family.code_switch(severity=1, language="cy"), ["where is my parcel?"]) == ["where is my parsel?"]
    assert family.lexicons().loc["cy", "licence"] == "CC0-1.0" and "cy" not in family.switchable()
    family.add_lexicon("de", {"parcel": "Packerl"}, source="a test", licence="CC0-1.0")
    assert family.lexicon("de")["parcel"] == "Packerl" and family.lexicon("de")["card"] == "Karte"
    path = tmp_path / "w.tsv"
    path.write_text("fr\tcy\ncarte\tcerdyn\n")
    family.add_lexicon("cy", path, source="a test", licence="CC0-1.0", from_language="fr")
    assert family.lexicon("cy", "fr") == {"carte": "cerdyn"}
    with pytest.raises(ValueError, match="2 words are not one word"):
        family.add_lexicon("cy", {"two words": "x", "b": ""}, source="", licence="")


# ---- translated


def shout(texts, language):
    return [f"{language.upper()} {t}" if "keep" not in t else t for t in texts]


def too_few(texts, language):
    return texts[1:]


def wrong_type(texts, language):
    return [None] * len(texts)


def one_string(texts, language):
    return "text"


def test_translated_by_a_function():
    one = family.translated("text", severity=1, translator=f"{here}:shout", language="de")
    frame = pd.DataFrame({"text": pd.Series(["where is my parcel", None, "keep this please", "", "   "], dtype="str")})
    hit = one.fit(frame).corrupt(frame)
    assert hit.frame["text"].fillna("-").tolist() == ["DE where is my parcel", "-", "keep this please", "", "   "]
    assert (hit.eligible, hit.delivered) == (1, 1)


HEARD: list[str] = []


def listen(texts, language):
    HEARD.extend(texts)
    return shout(texts, language)


def test_a_translator_is_only_asked_for_texts_in_a_language_that_it_reads():
    HEARD.clear()
    one = family.translated("text", severity=1, translator=f"{here}:listen", language="da", source="de")
    frame = pd.DataFrame({"text": ["where is my parcel?", "wo ist mein Paket?"]})
    hit = one.fit(frame).corrupt(frame, seed=0)
    assert set(HEARD) == {"wo ist mein Paket?"} and hit.untreated == 1 and hit.delivered == 1


def test_translated_leaves_texts_that_are_in_the_language():
    one = family.translated(severity=1, translator=f"{here}:shout", language="de")
    assert after(one, ["where is my parcel", "wo ist mein Paket geblieben"])[1] == "wo ist mein Paket geblieben"
    named = family.translated(severity=1, translator=f"{here}:shout", language="da", source="de")
    assert after(named, ["where is my parcel", "wo ist mein Paket geblieben"]) == [
        "where is my parcel",
        "DA wo ist mein Paket geblieben",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{here}:too_few", "returned 1 strings for 2 texts"),
        (f"{here}:wrong_type", "for text 0 it returned a NoneType, and 1 more"),
        (f"{here}:one_string", "must return a list of strings; got a str"),
        (f"{here}:REAL", "a function of texts and a language is needed"),
        (f"{here}:nothing", "has no 'nothing'"),
        ("shout", "'module:function' or 'hf:owner/model'"),
    ],
)
def test_a_translator_that_breaks_the_contract(name, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        family.translated(severity=1, translator=name, language="de").preview(["where is my parcel", "and my card"])


def test_a_translator_in_a_module_that_is_not_there():
    with pytest.raises(ImportError, match="module 'no_such_module' cannot be imported here"):
        family.translated("text", translator="no_such_module:f").fit(frame)


@pytest.fixture
def transformers(monkeypatch):
    "A module with the two classes, the attributes and the calls of transformers 4 and 5 that are used."
    calls = []

    class Tokenizer:
        def __call__(self, texts, return_tensors=None, padding=False):
            calls.append(("tokenizer", tuple(texts), return_tensors, padding))
            return {"input_ids": [list(t.encode()) for t in texts], "attention_mask": [[1] * len(t) for t in texts]}

        def batch_decode(self, sequences, skip_special_tokens=False):
            assert skip_special_tokens
            return [bytes(ids).decode().upper() for ids in sequences]

    class Many(Tokenizer):
        lang_code_to_id = {"en_XX": 1, "de_DE": 7}

    class Sided(Tokenizer):
        src_lang = "eng_Latn"

        def __call__(self, texts, return_tensors=None, padding=False):
            calls.append(("told", self.src_lang, tuple(texts)))
            return super().__call__(texts, return_tensors, padding)

    class Nllb(Sided):
        extra_special_tokens = ["eng_Latn", "deu_Latn", "fra_Latn", "zho_Hans", "zho_Hant", "<mask>"]

        def convert_tokens_to_ids(self, token):
            return 100 + self.extra_special_tokens.index(token)

    class M2M(Sided):
        src_lang = "en"
        lang_code_to_token = {"en": "__en__", "de": "__de__", "fr": "__fr__"}

        def get_lang_id(self, code):
            return 200 + list(self.lang_code_to_token).index(code)

    class Text2Text(Tokenizer):
        def get_vocab(self):
            return {"<2fr>": 1} if self.madlad else {}

    class Model:
        config = types.SimpleNamespace(max_position_embeddings=60)

        def generate(self, input_ids, attention_mask, num_beams, do_sample, forced_bos_token_id=None):
            calls.append(("generate", len(input_ids), num_beams, do_sample, forced_bos_token_id))
            return input_ids

    kinds = {"many": Many, "nllb": Nllb, "m2m": M2M, "t5": Text2Text}

    def load(what):
        def from_pretrained(name):
            calls.append(("load", name))
            made = kinds.get(name.split("/")[1].split("-")[0], Tokenizer)() if what == "tokenizer" else Model()
            made.madlad = "madlad" in name
            if "t5" in name and what == "model":
                stated = {"translation_en_to_fr": {"prefix": "translate English to French: "}}
                made.config = types.SimpleNamespace(model_type="t5", task_specific_params=stated)
            return made

        return types.SimpleNamespace(from_pretrained=from_pretrained)

    fake = types.SimpleNamespace(AutoTokenizer=load("tokenizer"), AutoModelForSeq2SeqLM=load("model"), calls=calls)
    monkeypatch.setitem(sys.modules, "transformers", fake)
    monkeypatch.setattr(translators, "_KNOWN", {})
    translators.translator_named.cache_clear()
    yield fake
    translators.translator_named.cache_clear()


def test_a_hugging_face_model_is_loaded_once_and_asked_in_batches(transformers):
    one = family.translated(severity=1, translator="hf:owner/en-de", language="de")
    texts = [f"where is it {i}. now" for i in range(20)] + ["a b c " * 11]
    assert after(one, texts) == [t.upper() for t in texts[:20]] + [texts[20]]  # the last is longer than the model takes
    assert [c for c in transformers.calls if c[0] == "load"] == [("load", "owner/en-de")] * 2
    generated = [c for c in transformers.calls if c[0] == "generate"]
    assert [c[1] for c in generated] == [16, 5]  # 20 first sentences and one that all share
    assert {c[2:] for c in generated} == {(1, False, None)}
    before = len(transformers.calls)
    after(one, texts)
    assert len(transformers.calls) == before  # what was translated is known


def test_a_model_of_many_languages_is_told_which(transformers):
    after(family.translated(severity=1, translator="hf:owner/many", language="de"), ["where is it"])
    assert [c[4] for c in transformers.calls if c[0] == "generate"] == [7]
    with pytest.raises(ValueError, match="the model writes no 'fr'; it knows de_DE, en_XX"):
        family.translated(severity=1, translator="hf:owner/many", language="fr").preview(["where is it"])


SAYS = ["where is my parcel please?", "wo ist denn mein Paket geblieben?"]


@pytest.mark.parametrize(
    ("model", "codes", "target"), [("nllb", ["deu_Latn", "eng_Latn"], 102), ("m2m", ["de", "en"], 202)], ids=["nllb", "m2m"]
)
def test_a_model_is_told_the_language_of_each_text(transformers, model, codes, target):
    assert after(family.translated(severity=1, translator=f"hf:owner/{model}", language="fr"), SAYS) == [
        t.upper() for t in SAYS
    ]
    told = {c[2][0]: c[1] for c in transformers.calls if c[0] == "told"}
    assert told == {SAYS[0]: codes[1], SAYS[1]: codes[0]}
    assert {c[4] for c in transformers.calls if c[0] == "generate"} == {target}


def test_the_source_that_is_named_comes_before_what_is_detected(transformers):
    assert translators.translations(SAYS, "hf:owner/nllb", "zh-TW", source="en") == [t.upper() for t in SAYS]
    assert {c[1] for c in transformers.calls if c[0] == "told"} == {"eng_Latn"}
    assert {c[4] for c in transformers.calls if c[0] == "generate"} == {104}
    with pytest.raises(ValueError, match="the model reads no 'jv'; it knows deu_Latn, eng_Latn"):
        translators.translations(SAYS, "hf:owner/nllb", "fr", source="jv")


def test_a_language_column_tells_the_model(transformers):
    data = {"reference": "a.csv", "replay": "a.csv", "label": "y", "labels": ["0", "1"], "positive": "1"}
    data["columns"] = {"text": "text", "lang": "language"}
    model = {"loader": "module", "ref": "somewhere:predict"}
    spec = Spec.model_validate({"name": "x", "task": "binary", "model": model, "data": data})
    rows = pd.DataFrame({"text": SAYS, "lang": ["de-CH", "jv"]})
    hit = family.translated("text", severity=1, translator="hf:owner/nllb", language="fr").fit(rows, spec).corrupt(rows)
    assert hit.frame["text"].tolist() == [SAYS[0].upper(), SAYS[1]]  # the model knows no Javanese
    assert {c[1] for c in transformers.calls if c[0] == "told" and c[2]} == {"deu_Latn"}


def test_what_cannot_be_told_is_read_as_the_model_does_by_default(transformers):
    translators.translations([SAYS[1], "xq"], "hf:owner/nllb", "fr")
    assert {c[2][0]: c[1] for c in transformers.calls if c[0] == "told"} == {SAYS[1]: "deu_Latn", "xq": "eng_Latn"}


def test_a_t5_is_told_by_words(transformers):
    said = translators.translations(SAYS, "hf:owner/t5", "fr")
    assert said == ["TRANSLATE ENGLISH TO FRENCH: " + SAYS[0].upper(), "TRANSLATE GERMAN TO FRENCH: " + SAYS[1].upper()]
    assert translators.translations(SAYS[:1], "hf:owner/t5-madlad", "fr") == ["<2FR> " + SAYS[0].upper()]


def test_a_model_of_one_pair_is_told_nothing(transformers):
    translators.translations(SAYS, "hf:owner/en-pt", "pt_BR", source="en")
    assert [c for c in transformers.calls if c[0] == "generate"] == [("generate", 2, 1, False, None)]


@pytest.mark.parametrize(
    ("language", "codes", "code"),
    [
        ("de", ["eng_Latn", "deu_Latn"], "deu_Latn"),
        ("zh", ["zho_Hant", "zho_Hans"], "zho_Hans"),
        ("zh-TW", ["zho_Hans", "zho_Hant"], "zho_Hant"),
        ("ar", ["arb_Latn", "arb_Arab"], "arb_Arab"),
        ("no", ["nno_Latn", "nob_Latn"], "nob_Latn"),
        ("fa", ["pes_Arab"], "pes_Arab"),
        ("pt", ["pt_XX"], "pt_XX"),
        ("sr_Latn", ["srp_Cyrl"], None),
        ("xx", ["eng_Latn"], None),
    ],
)
def test_codes_of_models(language, codes, code):
    assert translators._code_of(language, codes) == code


def test_nothing_is_asked_while_a_replay_is_counted():
    one = family.translated("text", severity=1, translator=f"{here}:never", language="de")
    rows = pd.DataFrame({"text": ["where is my parcel", None, " "]})
    with translators.unasked():
        hit = one.fit(rows).corrupt(rows)
    assert (hit.eligible, hit.delivered) == (1, 1)
    with pytest.raises(AssertionError, match="asked"):
        one.fit(rows).corrupt(rows)


def never(texts, language):
    raise AssertionError("asked")


def test_without_transformers_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setattr(translators, "_KNOWN", {})
    translators.translator_named.cache_clear()
    with pytest.raises(ImportError, match=re.escape("pip install 'transformers[sentencepiece]' torch")):
        family.translated(severity=1, translator="hf:a/b", language="de").preview(["where is it"])


@given(st.text(max_size=60))
def test_sentences_joined_are_the_text(text):
    sentences, gaps = translators._sentences(text)
    assert "".join(s + g for s, g in zip(sentences, gaps, strict=True)) == text


# ---- transliteration

PAIRS = [
    ("ru", "Где моя посылка? Щётка, подъезд", "Gde moya posylka? Shchyotka, podezd"),
    ("uk", "Згода Єнакієве, щастя, під'їзд", "Zghoda Yenakiieve, shchastia, pidizd"),
    ("bg", "Щастие, София, ъгъл", "Shtastie, Sofia, agal"),
    ("sr", "Љубав, Џеп, ђак, ЊЕГОШ", "Ljubav, Džep, đak, NJEGOŠ"),
    ("mk", "Ѓорче, ќе, џеб", "Gjorche, kje, djeb"),
    ("el", "αύριο ευχαριστώ μπύρα Άυλος ταυτότητα του", "avrio efcharisto byra Aylos taftotita tou"),
    ("hi", "नमस्ते आपका नाम दोस्त कमल", "namaste apka nam dost kamal"),
    ("ja", "ちょっと まって しんよう ファイル カード", "chotto matte shin'you fairu kaado"),
    ("ko", "안녕하세요 한국어 없어요", "annyeonghaseyo hangugeo eobseoyo"),
    ("zh", "我要退款，银行", "wo yao tui kuan，yin hang"),
    ("ar", "مرحبا الحساب خير شكراً", "mrhba alhsab khir shkran"),
]


@pytest.mark.parametrize(("language", "text", "latin"), PAIRS)
def test_standard_transliteration(language, text, latin):
    one = family.transliteration(severity=1, language=language, scheme="standard")
    assert after(one, [text]) == [latin]


@pytest.mark.parametrize(
    ("language", "text", "latin"),
    [
        ("el", "θέλω τα χρήματά μου πίσω", "8elw ta xrhmata mou pisw"),
        ("ar", "صباح الخير يا عمر", "9ba7 al5ir ya 3mr"),
        ("bg", "искам шест чаши щастие", "iskam 6est 4a6i 6tastie"),
        ("ru", "хочу вернуть", "ho4u vernut'"),
        ("sr", "чекам пакет", "cekam paket"),
        ("hi", "आपका नाम", "aapka naam"),
        ("zh", "退款", "tuikuan"),
    ],
)
def test_chat_transliteration(language, text, latin):
    assert after(family.transliteration(severity=1, language=language), [text]) == [latin]


def test_kanji_stay_and_count_as_units_that_cannot_be_hit():
    rows = pd.DataFrame({"text": ["注文した商品がまだ届きません", "ありがとう"]})
    hit = family.transliteration("text", severity=1).fit(rows).corrupt(rows)
    assert hit.frame["text"].tolist() == ["注文shita商品gamada届kimasen", "arigatou"]
    assert pd.DataFrame(hit.counts)[["units", "eligible", "delivered"]].iloc[0].tolist() == [7, 4, 4]
    assert "only kana" in family.transliteration.doc


@pytest.mark.parametrize("language", sorted(scripts.scripts()))
@pytest.mark.parametrize("scheme", scripts.SCHEMES)
def test_nothing_of_the_script_is_left(language, scheme):
    if language == "zh":
        pytest.skip("rare characters have no reading")
    entry = packaged("transliteration.json")[language]
    letters = {"hi": "कखगघचटतपमयरलवशसहािीुेो", "ja": "あいうかがきゃちつにへんアエカー", "ko": "가나다라한글"}.get(language)
    text = letters or "".join(k for k in entry["standard"] if len(k) == 1)
    for word in (text, text.upper(), *text):
        for a, b in scripts.runs([word], entry["script"])[0]:
            latin = scripts.to_latin(word[a:b], language, scheme)
            assert not scripts.runs([latin], entry["script"])[0], (word, latin)


@pytest.mark.parametrize("language", scripts.back_languages())
def test_what_has_one_spelling_comes_back(language):
    word = {"ru": "посылка", "uk": "повернути", "bg": "пари", "sr": "Љубав", "mk": "чекам", "el": "ομαδα"}[language]
    assert scripts.from_latin(scripts.to_latin(word, language, "standard"), language, "standard") == word
    one = family.transliteration(severity=1, language=language, into="native", scheme="standard")
    said = after(one, ["Mama, 3 kilo!"])[0]
    assert not re.search("[A-Za-z]", said) and " 3 " in said


def test_transliteration_takes_each_row_in_its_language():
    texts = ["где моя посылка сейчас?", "where is my parcel please?", "πού είναι το δέμα μου;"]
    said = after(family.transliteration(severity=1), texts)
    assert said == ["gde moya posylka sej4as?", texts[1], "pou einai to dema mou;"]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"language": "xx"}, "no transliteration for 'xx'; known: ar, bg,"),
        ({"language": "ru", "scheme": "loud"}, 'scheme must be one of "chat", "standard"; got'),
        ({"language": "ru", "into": "up"}, 'into must be one of "latin", "native"; got'),
        ({"language": "zh", "into": "native"}, "no way back from Latin letters for 'zh'"),
    ],
)
def test_transliteration_says_what_is_known(params, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        family.transliteration(severity=1, **params).preview(["посылка parcel"])


@settings(deadline=None)  # the first reads the table of readings
@given(st.sampled_from(sorted(scripts.scripts())), st.sampled_from(scripts.SCHEMES), st.text(max_size=30))
def test_any_run_has_a_spelling(language, scheme, text):
    for a, b in scripts.runs([text], scripts.scripts()[language])[0]:
        assert isinstance(scripts.to_latin(text[a:b], language, scheme), str)


# ---- layouts and mixed scripts


@pytest.mark.parametrize(
    ("layout", "active", "meant", "seen"),
    [
        ("en", "ru", "hello,", "руддщб"),
        ("ru", "en", "Привет", "Ghbdtn"),
        ("ko", "en", "안녕하세요", "dkssudgktpdy"),
        ("en", "de", "crazy?", "crayz_"),
        ("en", "he", "hello", "יקךךם"),
        ("fr", "en", "salut", "sqlut"),
    ],
)
def test_wrong_layout(layout, active, meant, seen):
    assert after(family.wrong_layout(severity=1, layout=layout, active=active), [meant]) == [seen]


def test_wrong_layout_by_the_language_of_the_row():
    said = after(family.wrong_layout(severity=1), ["where is my parcel", "где моя посылка?"])
    assert said == ["цруку шы ьн зфксуд", "ult vjz gjcskrf&"]
    assert after(family.wrong_layout(severity=1, active="ru"), ["где моя посылка?"]) == ["где моя посылка?"]


def test_wrong_layout_and_back_is_the_word():
    for word in ("parcel", "Where", "[order];"):
        assert scripts.mistyped(scripts.mistyped(word, "en", "ru"), "ru", "en") == word


def test_no_such_layout():
    with pytest.raises(ValueError, match=r"no keyboard layout 'xx'; known: af, ar,"):
        family.wrong_layout(severity=1, layout="en", active="xx").preview(["word"])


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["parcel", "Посылка", "δέμα", "café", "a", "我的", "x1", "WORD"]), min_size=1, max_size=6))
def test_script_mix_keeps_the_start_and_changes_the_rest(parts):
    text = " ".join(parts)
    for before, said in zip(parts, after(family.script_mix(severity=1), [text])[0].split(" "), strict=True):
        if before in ("a", "我的", "x1"):
            assert said == before
        else:
            assert said != before and said[0] == before[0]
            assert len({scripts.letter_script(c) for c in said} - {None}) == 2


def test_script_mix_into_greek():
    assert re.search("[α-ω]", after(family.script_mix(severity=1, into="Grek"), ["parcel"])[0])


# ---- numbers, dates, times, amounts


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "I ordered 3 shirts and 1,250 socks.", "I ordered three shirts and one thousand two hundred fifty socks."),
        ("de", "Seit 21 Tagen, 1.250 Stück", "Seit einundzwanzig Tagen, eintausendzweihundertfünfzig Stück"),
        ("fr", "Depuis 81 jours", "Depuis quatre-vingt-un jours"),
        ("nb", "i 21 dager", "i tjueén dager"),
        ("zh", "我有20个包裹", "我有二十个包裹"),
        ("hi", "मेरे पास 25 हैं", "मेरे पास पच्चीस हैं"),
    ],
)
def test_number_words(language, text, said):
    assert after(family.number_words(severity=1, language=language), [text]) == [said]


@pytest.mark.parametrize(
    "text",
    [
        "$20", "20 €", "5%", "3.5 km", "10:30", "1/2", "2026-12-31", "covid-19", "v2", "0800 123 456", "007", "1e5", "a@b2.c", "#7",
        "1234567", "21st", "3-4", "192.168.0.1", "٣", "",
    ],
)  # fmt: skip
def test_what_is_no_whole_number_stays(text):
    assert after(family.number_words(severity=1, language="en"), [text]) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "+49 (0)30 123 456", "0049 (0)30 123", "(415) 555-2671", "(030) 123456", "030 / 12 34 56", "49 (0) 30 1234", "0800\u00a0123\u00a0456",
        "USD 300", "300 USD", "THB 300", "300\u00a0kr", "Rs. 300", "zł 5", "5 zł", "₫300", "300 ₫",
        "12 May", "May 12, 2026", "the 3rd of June or 4 June", "May 2026",
    ],
)  # fmt: skip
def test_numbers_of_telephones_currencies_and_dates_stay(text):
    assert after(family.number_words(severity=1, language="en"), [text]) == [text]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("call 0301234567. 3 parcels", "call 0301234567. three parcels"),
        ("it was 0 - 3", "it was zero - three"),
        ("3 (2) parcels", "three (two) parcels"),
        ("3 dollars, 5 May-bugs", "three dollars, 5 May-bugs"),
        ("in 2024", "in two thousand twenty-four"),
    ],
)
def test_numbers_beside_telephones_and_dates_are_written_out(text, said):
    assert after(family.number_words(severity=1, language="en"), [text]) == [said]


@given(
    st.lists(
        st.tuples(st.sampled_from([" ", "-", "/", ".", " (", ")", ") ", " / ", " - "]), st.integers(0, 99_999)), max_size=6
    ),
    st.sampled_from(["en", "de", "fr", "sv", "hi"]),
)
def test_what_follows_a_plus_is_never_written_out(groups, language):
    assert formats.find_whole(["call +49" + "".join(f"{sign}{n}" for sign, n in groups)], language) == [[]]


@given(st.integers(0, 999_999), st.sampled_from(["en", "de", "es", "fr", "it", "nl", "da", "sv", "pl", "pt", "tr", "ru", "zh"]))
def test_number_words_hold_no_digit_and_differ(number, language):
    said = formats.spelt(number, language)
    assert said and not any(c.isdigit() for c in said) and "\u00ad" not in said
    assert said != formats.spelt((number + 1) % 1_000_000, language)


@settings(deadline=None, max_examples=50)  # the first of a language makes its table
@given(st.integers(2, 1000), st.sampled_from(sorted(formats.READ_BACK)))
def test_number_words_are_read_back(number, language):
    words = formats.spelt(number, language)
    if words in formats.READ_BACK[language]:
        return
    assert formats.find_spelt([f"x {words}."], language) == [[(2, 2 + len(words))]]
    assert formats.in_digits(words, language) == str(number)


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("en", "one parcel, Twenty-one days, twenty one, one hundred and five", "one parcel, 21 days, 21, 105"),
        ("en", "two, three and four", "2, 3 and 4"),
        ("de", "zweiundzwanzig Tage, gib acht", "22 Tage, gib acht"),
        ("fr", "quatre-vingt-dix-neuf, un pull neuf", "99, un pull neuf"),
        ("tr", "yirmi bir gün, yedi", "21 gün, yedi"),
    ],
)
def test_number_digits(language, text, said):
    assert after(family.number_digits(severity=1, language=language), [text]) == [said]


def test_number_words_say_what_is_known():
    with pytest.raises(ValueError, match="no number words for 'xx'; known: af, ak"):
        family.number_words(severity=1, language="xx").preview(["3"])
    frame = pd.DataFrame({"text": ["where are my 3 parcels please"]})
    assert (
        family.number_words("text", severity=1).fit(frame).corrupt(frame).frame["text"][0]
        == "where are my three parcels please"
    )


SWISS = get_group_symbol("de_CH")  # ’ or ', by the version of the locale data


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("de", "1.200,50 and 3,5"),
        ("fr", "1\u202f200,50 and 3,5"),
        ("de_CH", f"1{SWISS}200.50 and 3.5"),
        ("sv", "1\u00a0200,50 and 3,5"),
        ("de-CH", f"1{SWISS}200.50 and 3.5"),
        ("fa", "۱٬۲۰۰٫۵۰ and ۳٫۵"),
        ("ar_EG", "١٬٢٠٠٫٥٠ and ٣٫٥"),
        ("bn", "১,২০০.৫০ and ৩.৫"),
    ],
)
def test_number_formats(locale, said):
    assert after(family.number_formats(severity=1, language="en", locale=locale), ["1,200.50 and 3.5"]) == [said]


def test_number_formats_group_as_the_locale_does():
    assert after(family.number_formats(severity=1, language="en", locale="hi"), ["1,234,567 of 2024"]) == ["12,34,567 of 2024"]
    assert after(family.number_formats(severity=1, language="de", locale="en"), ["1.234,5"]) == ["1,234.5"]


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("fa", "مبلغ ۱٬۲۳۴٫۵ تومان", "مبلغ 1.234,5 تومان"),
        ("ar", "المبلغ ١٬٢٣٤٫٥ جنيه", "المبلغ 1.234,5 جنيه"),
        ("bn", "মোট ১২,৩৪,৫৬৭.৫ টাকা", "মোট 1.234.567,5 টাকা"),
        ("hi", "कुल १२,३४,५६७.५ रुपये", "कुल 1.234.567,5 रुपये"),
        ("hi", "कुल 12,34,567.5 रुपये", "कुल 1.234.567,5 रुपये"),
        ("fa", "۵٫۵٪ از ۲۰۲۴", "۵٫۵٪ از ۲۰۲۴"),
    ],
)
def test_numbers_in_digits_of_the_language_are_found(language, text, said):
    assert after(family.number_formats(severity=1, language=language), [text]) == [said]


def test_dates_times_amounts_and_words_in_digits_of_the_language():
    assert after(family.number_words(severity=1, language="ar"), ["عندي ٣ كتب"]) == ["عندي ثلاثة كتب"]
    assert after(family.date_formats(severity=1, language="bn"), ["২০২৬-০৩-০৪, ৪ মার্চ"]) == ["04.03.26, 4.3."]
    assert after(family.time_formats(severity=1, language="bn", locale="en"), ["১৫:৩০"]) == ["3:30\u202fPM"]
    assert after(family.currency_formats(severity=1, language="fa"), ["€ ۱۲٫۵۰"]) == ["12,50\u00a0€"]
    assert after(family.date_formats(severity=1, language="en", locale="fa"), ["2026-03-04"]) == ["۲۰۲۶/۳/۴"]


@settings(deadline=None)
@given(
    st.decimals(min_value=1, max_value=10**9, places=2, allow_nan=False),
    st.sampled_from(["fa", "bn", "mr", "ne", "my", "ps", "ur", "hi", "ckb"]),
)
def test_a_number_in_the_digits_of_a_language_is_read_back(number, language):
    if language not in formats.formatted_languages():
        return
    text = formats.number_as(f"{number:.2f}", "en", language)
    assert formats.find_separated([text], language) == [[(0, len(text))]]
    assert formats.number_as(text, language, "en").replace(",", "") == f"{number:.2f}"


@given(
    st.decimals(min_value=1, max_value=10**9, places=2, allow_nan=False),
    st.sampled_from(["de", "fr", "en", "es", "pl", "hi", "tr", "de_CH", "sv"]),
    st.sampled_from(["de", "fr", "en", "da", "it"]),
)
def test_a_number_in_another_locale_has_its_value(number, locale, language):
    text = formats.number_as(f"{number:.2f}", "en", language)
    assert formats.find_separated([text], language) == [[(0, len(text))]]
    other = formats.number_as(text, language, locale)
    group, point = formats._signs(locale)
    assert Decimal(other.replace(group, "").replace(point, ".")) == number


@pytest.mark.parametrize(
    ("text", "locale", "said"),
    [
        ("paid $1,200.50 now", "de", "paid 1.200,50\u00a0$ now"),
        ("paid 20 EUR", "en", "paid €20"),
        ("paid £3.20!", "fr", "paid 3,20\u00a0£GB!"),
        ("€5", "de_CH", "EUR\u00a05"),
        ("CHF 20", "de", "20\u00a0CHF"),
        ("AB$5 and 5% and 20 people", "de", "AB$5 and 5% and 20 people"),
    ],
)
def test_currency_formats(text, locale, said):
    assert after(family.currency_formats(severity=1, language="en", locale=locale), [text]) == [said]


@pytest.mark.parametrize(
    ("language", "text", "params", "said"),
    [
        ("en", "due 2026-03-04.", {}, "due 04.03.26."),
        ("en", "March 4, 2026 or 4th of March", {}, "04.03.26 or 4.3."),
        ("en", "Sep 30 2026", {"style": "long"}, "30. September 2026"),
        ("en", "on 31/12/2025", {}, "on 31.12.25"),
        ("en", "on 03/04/2026", {}, "on 03/04/2026"),
        ("en", "on 03/04/2026", {"day_first": True}, "on 03.04.26"),
        ("en", "on 03/04/2026", {"day_first": False}, "on 04.03.26"),
        ("en", "on 30/02/2026 or 2026-13-01", {}, "on 30/02/2026 or 2026-13-01"),
        ("de", "am 4. März 2026 und 03.04.2026", {"locale": "en"}, "am 3/4/26 und 4/3/26"),
        ("es", "el 4 de marzo de 2026", {"locale": "en_GB", "style": "long"}, "el 4 March 2026"),
        ("zh", "2026年3月4日", {"locale": "en_GB", "style": "medium"}, "4 Mar 2026"),
        (
            "en",
            "version 1.2.2026.5 of https://example.com/2026-03-04",
            {},
            "version 1.2.2026.5 of https://example.com/2026-03-04",
        ),
    ],
)
def test_date_formats(language, text, params, said):
    assert after(family.date_formats(severity=1, language=language, **params), [text]) == [said]


@given(st.dates(), st.sampled_from(["de", "en_GB", "fr", "sv"]))
def test_a_date_in_another_locale_is_the_same_day(day, locale):
    if not 1900 <= day.year < 2100:
        return
    text = day.isoformat()
    assert formats.find_dates([f"on {text}!"], "en") == [[(3, 13)]]
    said = formats.date_as(text, "en", None, locale, "long")
    assert formats.read_date(said, locale.split("_")[0]) == (day, True)


@pytest.mark.parametrize(
    ("language", "text", "locale", "said"),
    [
        ("en", "at 3:30 pm, 7pm, 9 a.m.", "de", "at 15:30, 19:00, 09:00"),
        ("en", "at 12 am or 12:05 pm", "de", "at 00:00 or 12:05"),
        ("de", "um 15:30", "en_GB", "um 15:30"),
        ("de", "um 15:30", "en", "um 3:30\u202fPM"),
        ("da", "kl. 15.30", "de", "kl. 15:30"),
        ("en", "won 3:1 at 25:00, 12:00:01", "de", "won 3:1 at 25:00, 12:00:01"),
    ],
)
def test_time_formats(language, text, locale, said):
    assert after(family.time_formats(severity=1, language=language, locale=locale), [text]) == [said]


@pytest.mark.parametrize("kind", [family.number_formats, family.date_formats, family.time_formats, family.currency_formats])
def test_a_locale_that_is_none_is_found_while_fitting(kind):
    with pytest.raises(ValueError, match="CLDR has no locale 'xx_YY'"):
        kind("text", severity=1, locale="xx_YY").fit(frame)


def test_a_date_style_that_is_none():
    with pytest.raises(ValueError, match="no date style 'tiny'; known: short, medium"):
        family.date_formats("text", style="tiny").fit(frame)


def test_native_digits():
    assert after(family.native_digits(severity=1), ["call 0800-123 at 10:30, x7"]) == ["call ٠٨٠٠-١٢٣ at ١٠:٣٠, x٧"]
    assert after(family.native_digits(severity=1, numbering="deva"), ["12"]) == ["१२"]
    with pytest.raises(ValueError, match="no numbering system 'x'; known: arab, arabext"):
        family.native_digits(severity=1, numbering="x").preview(["12"])
    assert all(int(formats.in_numbering("1234567890", n)) == 1234567890 for n in formats.NUMBERINGS)


@pytest.mark.parametrize(
    "text", ["1" * 100_000, "1." * 50_000, "12 " * 30_000, "x" * 100_000, " " * 100_000, "3:" * 50_000, "a\0" * 9]
)
def test_long_texts_are_searched_in_time(text):
    for find in (formats.find_whole, formats.find_separated, formats.find_amounts, formats.find_dates, formats.find_times):
        for a, b in find([text], "en")[0]:
            assert 0 <= a < b <= len(text)
    formats.find_spelt([text], "en")
    translators._sentences(text)
    assert np.isfinite(languages.detect([text])[1]).all()


# ---- what a suite replays


def test_variants_follow_the_promise():
    spec = Spec.load(ROOT / "pilots/feedback")
    assert [v["language"] for v in family.code_switch.variants(spec)] == ["de", "es", "fr", "sv", "pl", "tr"]
    assert [v["language"] for v in family.parallel_text.variants(spec)] == list(spec.data.parallel.languages)
    assert family.transliteration.variants(spec) == [{}]  # zh and ar are among the parallel texts
    assert {"active": "en"} in family.wrong_layout.variants(spec) and {"active": "de"} in family.wrong_layout.variants(spec)
    assert [v["locale"] for v in family.date_formats.variants(spec)] == ["de", "es", "fr", "sv", "pl", "tr"]
    english = spec.model_copy(update={"languages": ("en",), "data": spec.data.model_copy(update={"parallel": None})})
    assert family.date_formats.variants(english) == [{"locale": "de"}]
    for kind in (family.transliteration, family.wrong_layout, family.parallel_text, family.translated, family.code_switch):
        assert isinstance(kind.variants(english), str), kind
    for kind in (family.transliteration, family.wrong_layout, family.code_switch):
        for params in kind.variants(spec):
            assert scenario(kind.name, **params).params == tuple(params.items())


def test_a_lexicon_is_looked_for_beside_the_promise(tmp_path):
    spec = Spec.load(ROOT / "pilots/feedback").model_copy(update={"folder": tmp_path})
    (tmp_path / "words.tsv").write_text("en\tcy\nparcel\tparsel\n")
    column = next(c for c, r in spec.roles.items() if r == "text")
    rows = pd.DataFrame({spec.data.id: ["1"], column: ["where is my parcel?"]})
    hit = family.code_switch(severity=1, language="cy", lexicon="words.tsv").fit(rows, spec).corrupt(rows)
    assert hit.frame[column].tolist() == ["where is my parsel?"]
