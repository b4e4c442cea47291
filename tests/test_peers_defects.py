"""Mistakes that were reproduced in other libraries for corrupting inputs, and that ours does not make: one part a mistake."""

import random
import re

import numpy as np
import pandas as pd
import pytest
from mixed import KINDS, NAMES, made, promise
from trying import POOL, REFERENCE, corrupt, groups, learnt, same

from pilot_to_prod.scenarios import Corruption

TEXTUAL = [n for n in NAMES if KINDS[n].unit in ("word", "span") or (KINDS[n].unit == "cell" and "text" in KINDS[n].roles)]


def texts(*values: object, dtype: object = "str") -> pd.DataFrame:
    return pd.DataFrame({"t": pd.Series(values, dtype=dtype)})


def corrupted(kind: str, frame: pd.DataFrame, *columns: str, severity: float = 0.5, seed: int = 0, **params) -> Corruption:
    return KINDS[kind](*columns, severity=severity, **params).fit(frame).corrupt(frame, seed=seed)


def changed_words(before: pd.Series, after: pd.Series) -> list[int]:
    "How many words of each row are others."
    pairs = [(a.split(" "), b.split(" ")) for a, b in zip(before, after, strict=True)]
    assert all(len(a) == len(b) for a, b in pairs)
    return [sum(x != y for x, y in zip(a, b, strict=True)) for a, b in pairs]


# asked for typos in 10% of the words of 12-word rows: nlpaug 16-17%, tab_err and TextAttack 8.3%, badgers 6.4%


@pytest.mark.parametrize("name", ["typos", "char_swap", "char_delete", "char_insert", "char_substitute", "ocr_errors"])
def test_one_word_in_ten_is_one_word_in_ten(name):
    frame = texts(*[" ".join(f"worm{chr(97 + k)}{chr(97 + i)}" for k in range(12)) for i in range(20)])
    params = {"layout": "en"} if "layout" in KINDS[name].parameters else {}
    for seed in range(5):
        hit = corrupted(name, frame, "t", severity=0.1, seed=seed, **params)
        assert (hit.units, hit.eligible, hit.asked, hit.delivered) == (240, 240, 24, 24)
        assert sum(changed_words(frame["t"], hit.frame["t"])) == 24


@pytest.mark.parametrize("severity", [0.01, 0.05, 0.1, 0.2, 0.4, 1.0])
def test_any_share_of_the_words_is_that_share(severity):
    frame = texts(*["the quick brown fox jumps over the lazy dog and runs away"] * 25)
    hit = corrupted("typos", frame, "t", severity=severity, layout="en")
    assert sum(changed_words(frame["t"], hit.frame["t"])) == round(severity * 300)


# cleanlab, asked for 20% label noise at 120 classes, gives 3.9%


@pytest.mark.parametrize("name", [n for n in NAMES if KINDS[n].family == "labels"])
def test_a_fifth_of_the_labels_is_a_fifth_whatever_the_number_of_classes(name):
    for classes in (2, 3, 120):
        i = np.arange(1200)
        frame = pd.DataFrame(
            {"n": i % classes + 0.01 * (i % 7), "m": i * 7919 % 97 / 10.0, "y": [f"c{k % classes}" for k in i]}
        )
        hit = corrupted(name, frame, "y", severity=0.2)
        assert hit.delivered == 240
        assert int((hit.labels != frame["y"]).sum()) == 240
        assert set(hit.labels) <= set(frame["y"])


# Jenga's entropy-missing at 20% makes 80% of the cells empty


@pytest.mark.parametrize("rows", [5, 100, 1000])
@pytest.mark.parametrize("name", ["by_uncertainty", "mcar", "mnar", "mar"])
def test_a_fifth_of_the_cells_is_a_fifth(name, rows):
    frame = pd.DataFrame({"a": np.arange(rows) * 1.0, "b": [f"v{i}" for i in range(rows)], "c": np.arange(rows) % 7})
    fitted = KINDS[name]("a", "b", severity=0.2).fit(frame)
    confidence = np.repeat([0.01, 1.0], [rows - rows // 5, rows // 5])  # most rows are a riddle to the pilot
    for seed in range(3):
        gone = fitted.corrupt(frame, seed=seed, confidence=confidence).frame.isna().sum()
        assert gone.tolist() == [rows // 5, rows // 5, 0]


# tab_err writes the text "<NA>" into a column of strings, gecko the text ""


@pytest.mark.parametrize("dtype", ["str", "string", object, "category"])
@pytest.mark.parametrize(
    "name", ["mcar", "mnar", "mar", "by_uncertainty", "whole_column", "block_missing", "dependency_absent"]
)
def test_what_goes_missing_is_missing_and_no_text_that_says_so(name, dtype):
    values = pd.Series(["hello world", "good night", "good morning", "bye"] * 3, dtype=dtype)
    frame = pd.DataFrame({"t": values, "u": values.iloc[::-1].to_numpy(), "n": np.arange(12.0)}).astype({"u": values.dtype})
    hit = KINDS[name]("t", "u", severity=0.5).fit(frame).corrupt(frame, confidence=np.linspace(0, 1, 12))
    assert hit.frame.isna().to_numpy().sum() == 12
    said = {str(v) for c in ("t", "u") for v in hit.frame[c].dropna()}
    assert said <= {"hello world", "good night", "good morning", "bye"}


@pytest.mark.parametrize("name", [n for n in TEXTUAL if KINDS[n].family not in ("missing", "feed")])
@pytest.mark.parametrize("column", ["text", "note"])
def test_what_is_missing_stays_missing(name, column):
    "nlpaug crashes on None."
    frame = POOL.iloc[:12].copy()
    gaps = [None, float("nan"), pd.NA] if column == "note" else [None, None, None]  # a column of objects, or of strings
    frame[column] = pd.Series([*gaps, *REFERENCE[column].iloc[:9]], dtype=POOL[column].dtype)
    hit = corrupt(learnt(name, ("text", "note")), frame, severity=1.0)
    assert hit.frame[column].isna().tolist() == frame[column].isna().tolist()
    assert all(a is b or (a != a and b != b) for a, b in zip(hit.frame[column].iloc[:3], frame[column].iloc[:3], strict=True))
    assert same(hit.ledger.undo(hit.frame), frame)


# badgers overwrites the frame of the caller, and its instances share a generator


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_of_the_caller_is_not_overwritten(name):
    frame = REFERENCE.copy(deep=True)
    hit = corrupt(learnt(name, groups(name)[0]), frame, severity=1.0)
    assert hit.delivered > 0 or not hit.eligible
    assert same(frame, REFERENCE)


@pytest.mark.parametrize("name", NAMES)
def test_instances_share_no_generator(name):
    "What one does changes nothing for another, nor for itself the second time."
    frame, columns = REFERENCE.iloc[:16], groups(name)[0] if KINDS[name].unit not in ("event", "label") else ()
    first, second = (made(name, *columns).fit(REFERENCE, promise()) for _ in range(2))
    alone = corrupt(first, frame).frame
    for _ in range(2):
        corrupt(second, frame, seed=5)
        assert same(corrupt(first, frame).frame, alone) and same(corrupt(second, frame).frame, alone)


# tab_err and NL-Augmenter seed the global generators anew; nlpaug, TextAttack and Jenga read them


@pytest.mark.parametrize("name", NAMES)
def test_global_generators_are_neither_read_nor_written(name):
    columns = groups(name)[0] if KINDS[name].unit not in ("event", "label") else ()
    made_, states = [], []
    for seed in (1, 2):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        states.append((random.getstate(), np.random.get_state()[1].tolist()))  # noqa: NPY002
        fitted = made(name, *columns).fit(REFERENCE, promise())
        made_.append(corrupt(fitted, REFERENCE.iloc[:16]).frame)
        assert (random.getstate(), np.random.get_state()[1].tolist()) == states[-1]  # noqa: NPY002
    assert states[0] != states[1] and same(*made_)


# NL-Augmenter's butter fingers edit the same positions in every row, and still edit at probability 0


@pytest.mark.parametrize(
    "name",
    ["typos", "char_swap", "char_delete", "char_insert", "char_substitute", "ocr_errors", "homoglyphs", "zero_width", "leet"],
)
def test_rows_are_not_all_hit_at_the_same_places(name):
    frame = texts(*["the quick brown fox jumps over the lazy dog again"] * 40)
    params = {"layout": "en"} if "layout" in KINDS[name].parameters else {}
    table = corrupted(name, frame, "t", severity=0.2, **params).ledger.table()
    places = table.groupby("key")["start"].agg(tuple)
    assert places.nunique() > 10
    assert table.groupby("start")["new"].nunique().max() > 3  # nor changed in the same way
    assert table["start"].nunique() >= 7


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_edited_at_severity_nought(name):
    fitted = learnt(name, groups(name)[0])
    hits = [corrupt(fitted, REFERENCE, severity=0.0)]
    bound = fitted.bind([REFERENCE], severities=[0.0]) if "confidence" not in KINDS[name].needs else None
    hits += [bound.corrupt(REFERENCE)] if bound else []
    for hit in hits:
        assert same(hit.frame, REFERENCE) and hit.asked == hit.delivered == len(hit.ledger) == 0
        assert not hit.changed.any() and not hit.hit.any() and not hit.exercised


# nlpaug makes `Don ' t pay $ 1, 200. 50` of `Don't pay $1,200.50`, and leaves Cyrillic alone without a word

PLAIN = [n for n in NAMES if KINDS[n].unit == "word" and "number" not in KINDS[n].about]
LETTERWISE = [
    "typos",
    "char_swap",
    "char_delete",
    "char_insert",
    "char_substitute",
    "upper_case",
    "letter_case",
    "leet",
    "elongation",
]


@pytest.mark.parametrize("name", PLAIN)
def test_amounts_stay_and_words_are_not_taken_apart(name):
    said = "Don't  pay\t$1,200.50\u00a0their account now,\n(please receive)!"
    frame = POOL.iloc[:3].assign(text=pd.Series([said, "The café costs 3.5 now", said], dtype="str"), language="en")
    for seed in range(5):
        hit = corrupt(learnt(name, ("text",)), frame, seed=seed, severity=1.0)
        after = hit.frame["text"].iloc[0]
        assert "\t$1,200.50\u00a0" in after and "3.5" in hit.frame["text"].iloc[1]
        assert re.findall(r"Don ?' ?t", after) in ([], ["Don't"])
        if name in LETTERWISE:
            assert re.findall(r"\s+", after) == re.findall(r"\s+", said)
            assert after.split()[-2].startswith("(") and after.endswith(")!")


def test_cyrillic_is_typed_on_its_own_keyboard():
    frame = texts("Где моя посылка? Я жду уже давно", "Не могу войти в свой аккаунт", "where is my parcel?")
    hit = corrupted("typos", frame, "t", severity=1.0)
    assert hit.delivered == hit.units == 17 and hit.untreated == 0 and hit.exercised
    assert changed_words(frame["t"], hit.frame["t"]) == [7, 6, 4]
    assert not re.search(r"[a-z]", "".join(hit.frame["t"].iloc[:2]))


def test_a_script_that_a_keyboard_cannot_type_is_reported():
    frame = texts("Привет мир", "как дела")
    hit = corrupted("typos", frame, "t", severity=1.0, layout="en")
    assert (hit.units, hit.eligible, hit.asked, hit.delivered, hit.exercised) == (4, 0, 0, 0, False)
    assert hit.untreated == 4
    mixed = corrupted("typos", texts("Привет world 3 !!"), "t", severity=1.0, layout="en")
    assert (mixed.units, mixed.eligible, mixed.untreated) == (4, 1, 1)  # figures and signs are nothing that could be treated
    assert hit.frame.equals(frame)
    assert corrupted("typos", frame, "t", severity=1.0, layout="uk").delivered == 4


@pytest.mark.parametrize("name", [n for n in NAMES if KINDS[n].by_language or KINDS[n].languages])
def test_a_language_is_treated_or_reported(name):
    "Each row that a kind knows nothing of is counted, whatever its script."
    frame = POOL.iloc[:4].assign(
        text=["ሰላም ዓለም እንዴት ነህ 3", "hello, where is my 3 parcel?", "ሰላም", "ສະບາຍດີ 3"], language=["am", "en", "am", "lo"]
    )
    hit = corrupt(made(name, "text").fit(REFERENCE, promise()), frame, severity=1.0)
    treats = KINDS[name].languages(**(KINDS[name].parameters | dict(made(name).params)))
    alone = [r for r, x in enumerate(frame["language"]) if x not in treats]
    assert hit.frame["text"].iloc[alone].tolist() == frame["text"].iloc[alone].tolist()
    assert (hit.untreated > 0) == bool(alone)
    if len(alone) == 4:
        assert not hit.exercised


SAID = {  # script → words, of which none has a digit or sign
    "Latn": "hello dear friends",
    "Cyrl": "привет дорогие друзья",
    "Grek": "καλημέρα αγαπητοί φίλοι",
    "Arab": "مرحبا بالعالم الجميل",
    "Hebr": "שלום עולם יפה",
    "Thai": "สวัสดี",
    "Hira": "おはよう",
    "Hani": "你好朋友",
    "Hang": "안녕하세요 친구 여러분",
}
READ = {  # scripts of which a kind can treat the words
    "char_swap": "Latn Cyrl Grek Arab Hebr Hang",
    "char_delete": "Latn Cyrl Grek Arab Hebr Hang",
    "elongation": "Latn Cyrl Grek Arab",
    "homoglyphs": "Latn Cyrl Grek",
    "leet": "Latn",
    "hashtags": "Latn Cyrl Grek Arab Hebr Hang",
    "script_mix": "Latn Cyrl Grek",
}


@pytest.mark.parametrize("script", SAID)
@pytest.mark.parametrize("name", READ)
def test_a_script_is_treated_or_reported(name, script):
    frame = texts(SAID[script], "1 + 2 = 3 !!")
    hit = corrupted(name, frame, "t", severity=1.0)
    if script in READ[name].split():
        assert hit.untreated == 0 and hit.delivered > 0
    else:
        assert hit.frame.equals(frame) and hit.delivered == 0
        assert hit.untreated == (1 if KINDS[name].unit == "span" else corrupted("typos", frame.iloc[:1], "t", severity=1.0).units)


def test_kanji_are_reported_and_kana_are_written_in_latin_letters():
    hit = corrupted("transliteration", texts("東京 です カメラ", "日本", "123"), "t", severity=1.0, language="ja")
    assert hit.frame["t"].tolist() == ["東京 desu kamera", "日本", "123"]
    assert (hit.units, hit.eligible, hit.untreated) == (5, 2, 2)

