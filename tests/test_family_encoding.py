"""Encoding: damage to characters, told by how it can be undone, and by what it must never touch or emit."""

import json
import quopri
import unicodedata
from urllib.parse import unquote

import ftfy
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import encoding, kind_named
from pilot_to_prod.spec import Spec

quick = settings(deadline=None, max_examples=60, derandomize=True)
KINDS = [
    "mojibake",
    "code_page_loss",
    "broken_surrogates",
    "escape_sequences",
    "unicode_form",
    "no_diacritics",
    "full_width",
    "homoglyphs",
    "zero_width",
    "bidi",
    "smart_quotes",
]
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
TURNS = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"
anything = st.text(max_size=20, alphabet=st.characters(exclude_categories=["Cs"]))


def hit(name, texts, *, severity=1.0, seed=0, **params):
    frame = pd.DataFrame({"t": pd.Series(texts, dtype=object)})
    return kind_named(name)("t", severity=severity, **params).fit(frame).corrupt(frame, seed=seed)


def after(name, texts, **params):
    return hit(name, texts, **params).frame["t"].tolist()


def test_the_list_is_the_family():
    assert set(KINDS) == {v.name for v in vars(encoding).values() if getattr(v, "family", None) == "encoding"}


# what every kind of damage keeps


@pytest.mark.parametrize("name", KINDS)
def test_white_space_and_missing_texts_stay(name):
    before = '“Größe”  "4 € 2"\tŁódź\u3000👍 e\u0301cole ＡＢ don\'t'
    for gone in (None, np.nan, pd.NA):
        made = hit(name, [before, gone])
        assert pd.isna(made.frame["t"][1]) and made.delivered == made.asked >= 1
        assert [c for c in made.frame["t"][0] if c in " \t\u3000"] == [c for c in before if c in " \t\u3000"]


@quick
@given(st.lists(anything, min_size=1, max_size=4), st.sampled_from(KINDS), st.integers(0, 3))
def test_whatever_comes_in_no_surrogate_comes_out(texts, name, seed):
    made = hit(name, texts, seed=seed)
    assert made.delivered == made.asked == made.eligible
    "".join(made.frame["t"]).encode()


def test_damage_asks_not_what_a_word_stands_for():
    "Numbers, addresses, links and the user's own terms are hit as anything else."
    made = hit("zero_width", ["$1,200.50 joe@x.com https://a.b ÄRA"])
    assert made.eligible == 4
    columns = {"t": "text"}
    data = {"reference": "a.csv", "replay": "a.csv", "label": "y", "columns": columns, "terms": ["ÄRA"]}
    spec = Spec.model_validate({"name": "x", "task": "multiclass", "model": {"loader": "module", "ref": "a:b"}, "data": data})
    frame = pd.DataFrame({"t": ["meine ÄRA"], "y": ["a"]})
    assert kind_named("mojibake")("t", severity=1.0).fit(frame, spec).corrupt(frame).frame["t"].tolist() == ["meine Ã„RA"]


def test_categories_are_damaged_too():
    frame = pd.DataFrame({"city": pd.Categorical(["Zürich", "Łódź", "Bern", "Zürich"])})
    made = kind_named("unicode_form")("city", severity=1.0).fit(frame).corrupt(frame).frame["city"]
    assert [unicodedata.normalize("NFC", v) for v in made] == ["Zürich", "Łódź", "Bern", "Zürich"] and made[0] != "Zürich"


def test_equal_rows_are_not_hit_in_the_same_place():
    new = after("zero_width", ["please send the invoice"] * 50, severity=0.25)
    assert len({next((i for i, c in enumerate(t) if c in INVISIBLE), -1) for t in new}) > 8


# code pages


@quick
@given(
    st.text(alphabet="abc éüßñçœ€ŁąчяΩ你👍", min_size=1, max_size=12),
    st.sampled_from([p for p in encoding.CODE_PAGES if p != "ascii"]),
)
def test_mojibake_is_utf8_read_byte_by_byte(text, page):
    made = after("mojibake", [text], read_as=page)[0]
    if text.isascii():
        assert made == text
    else:
        assert b"".join(c.encode(page) if c.encode(page, "ignore") else bytes([ord(c)]) for c in made) == text.encode()


def test_ftfy_mends_it():
    texts = ["déçue façade naïve", "Größe über Müller", "señor mañana"]
    assert [ftfy.fix_text(t) for t in after("mojibake", texts)] == texts
    assert [ftfy.fix_text(t) for t in after("mojibake", texts, times=2)] == texts
    twice = [encoding._misread(w, "cp1252", 1) for w in after("mojibake", ["é"])]
    assert twice == after("mojibake", ["é"], times=2) == ["ÃƒÂ©"]


@quick
@given(anything, st.sampled_from(encoding.CODE_PAGES))
def test_what_a_code_page_lacks_is_lost(text, codec):
    made = after("code_page_loss", [text], codec=codec)[0]
    assert len(made) == len(text)
    for old, new in zip(text, made, strict=True):
        known = bool(old.encode(codec, "ignore")) or old.isspace()
        assert new == (old if known else "?")


def test_the_mark_may_be_another_or_none():
    assert after("code_page_loss", ["Łódź 5€"], codec="latin-1", mark="") == ["ód 5"]
    assert after("code_page_loss", ["Łódź 5€"], codec="cp1250", mark="_") == ["Łódź 5€"]


@pytest.mark.parametrize(
    ("left", "made"), [("replacement", "ok \ufffd\ufffd!"), ("question", "ok ??!"), ("cesu8", "ok í\xa0½í±\x8d!")]
)
def test_halves_of_a_character(left, made):
    assert after("broken_surrogates", ["ok 👍!"], left=left) == [made]
    assert hit("broken_surrogates", ["ok ✓ é!"], left=left).eligible == 0


@quick
@given(st.text(alphabet="az09 é✓ß你👍𠮷", min_size=1, max_size=12))
def test_escapes_can_be_undone(text):
    assert json.loads(f'"{after("escape_sequences", [text])[0]}"') == text
    assert unquote(after("escape_sequences", [text], style="percent")[0]) == text
    assert (
        quopri.decodestring(after("escape_sequences", [text], style="quoted_printable")[0].encode("latin-1")).decode() == text
    )


# the same letters


@quick
@given(anything, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_a_form_is_reached(text, form):
    made = hit("unicode_form", [text], form=form)
    words = [w for w in text.split() if unicodedata.normalize(form, w) != w]
    assert bool(made.eligible) == bool(words)
    if form in ("NFC", "NFD"):
        assert unicodedata.normalize("NFC", made.frame["t"][0]) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("before", "without"),
    [("Łódź naïve ok", "Lodz naive ok"), ("Straße, smørrebrød", "Strasse, smorrebrod"), ("ağaç ışık", "agac isik")],
)
def test_letters_without_marks(before, without):
    assert after("no_diacritics", [before]) == [without]


def test_wide_and_back():
    wide = after("full_width", ["Order 4711, please!"])
    assert wide == ["Ｏｒｄｅｒ ４７１１， ｐｌｅａｓｅ！"] and after("full_width", wide, to="half") == ["Order 4711, please!"]
    assert hit("full_width", ["Order 4711"], to="half").eligible == 0


def test_look_alikes_belong_to_another_script():
    def script(c):
        return "DIGIT" if c.isdigit() else unicodedata.name(c).split()[0]

    table = encoding.look_alikes()
    assert all(script(c) != script(near) for c, found in table.items() for near in found)
    assert {script(c) for c in table} == {"LATIN", "CYRILLIC", "GREEK", "DIGIT"}
    assert table["a"] == "αа" and table["р"] == "p" and table["Α"] == "A" and table["0"] == "O"
    assert all(unicodedata.category(c) in ("Ll", "Lu") for found in table.values() for c in found)


def test_homoglyphs_go_both_ways_and_leave_digits():
    made = hit("homoglyphs", ["apple 123 Россия Αθήνα"])
    assert made.eligible == 3
    for old, new in zip(["apple", "123", "Россия", "Αθήνα"], made.frame["t"][0].split(), strict=True):
        assert sum(a != b for a, b in zip(old, new, strict=True)) == (0 if old == "123" else 1)
    assert not made.frame["t"][0].split()[0].isascii()
    digits = hit("homoglyphs", ["100"], digits=True)
    assert digits.eligible == 1 and not digits.frame["t"][0].isdigit()


# what cannot be seen


@quick
@given(st.text(alphabet="abé你ー👍 e\u0301", min_size=1, max_size=12), st.integers(0, 5))
def test_what_has_no_width_can_be_taken_out(text, seed):
    made = after("zero_width", [text], seed=seed)[0]
    assert "".join(c for c in made if c not in INVISIBLE) == text
    turned = after("bidi", [text], seed=seed)[0]
    assert "".join(c for c in turned if c not in TURNS + "\u202c\u2069") == text


def test_zero_width_characters_stand_inside_words():
    made = [after("zero_width", ["refund"], seed=s)[0] for s in range(80)]
    assert {m.index(next(c for c in m if c in INVISIBLE)) for m in made} == {1, 2, 3, 4, 5}
    assert {c for m in made for c in m if c in INVISIBLE} == set(INVISIBLE)


def test_directions_are_closed_again():
    for seed in range(30):
        for word in after("bidi", ["refund please"], seed=seed)[0].split():
            assert word[0] in TURNS and word[-1] == ("\u2069" if word[0] >= "\u2066" else "\u202c")


@pytest.mark.parametrize(
    ("before", "params", "made"),
    [
        ("\"Don't pay\", they said... 'twice' --", {}, "“Don’t pay”, they said… ‘twice’ –"),
        ('Er sagt "nein".', {"quotes": "„“‚‘"}, "Er sagt „nein“."),
        ("“Don’t pay”, «non» … –", {"to": "straight"}, '"Don\'t pay", "non" ... -'),
        ("plain words", {}, "plain words"),
    ],
)
def test_quotation_marks(before, params, made):
    assert after("smart_quotes", [before], **params) == [made]


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("mojibake", {"read_as": "utf-8"}, r"no code page 'utf-8'; known: cp1250, "),
        ("mojibake", {"times": 4}, r"times must be 1, 2 or 3; got 4\."),
        ("code_page_loss", {"codec": "x"}, r"no code page 'x'; known: cp1250, "),
        ("broken_surrogates", {"left": "x"}, r"left must be one of replacement, cesu8, question; got 'x'\."),
        ("escape_sequences", {"style": "x"}, r"style must be one of json, percent, quoted_printable; got 'x'\."),
        ("unicode_form", {"form": "x"}, r"form must be one of NFC, NFD, NFKC, NFKD; got 'x'\."),
        ("full_width", {"to": "x"}, r"to must be one of full, half; got 'x'\."),
        ("smart_quotes", {"to": "x"}, r"to must be curved or straight; got 'x'\."),
        ("smart_quotes", {"quotes": "“”"}, r"quotes must be four signs"),
    ],
)
def test_errors_say_what_is_allowed(name, params, message):
    with pytest.raises(ValueError, match=message):
        hit(name, ["é 👍"], **params)
