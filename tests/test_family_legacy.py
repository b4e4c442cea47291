"What old systems make of texts, dates, numbers and flags."

import unicodedata
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import kinds

KINDS = kinds()
quick = settings(deadline=None, max_examples=80, derandomize=True)


def after(name: str, values, *, reference=None, dtype=None, **params) -> list:
    "A column after everything that can be hit was hit."
    frame = pd.DataFrame({"c": pd.Series(values, dtype=dtype)})
    known = frame if reference is None else pd.DataFrame({"c": pd.Series(reference)})
    out = KINDS[name]("c", severity=1.0, **params).fit(known).corrupt(frame)
    assert out.delivered == out.asked
    assert out.ledger.undo(out.frame).equals(frame)
    return out.frame["c"].tolist()


# fields of a fixed width


@quick
@given(texts=st.lists(st.text(max_size=20), min_size=1, max_size=6), width=st.integers(1, 12), padded=st.booleans())
def test_no_text_is_wider_than_its_field(texts, width, padded):
    for before, new in zip(texts, after("fixed_width", texts, dtype=object, width=width, padded=padded), strict=True):
        assert len(new) == width if padded else len(new) == min(len(before), width)
        assert new[: len(before)] == before[:width]


def test_the_usual_width_depends_on_the_role():
    long = [f"this is sentence number {i} and it is as long as a customer's message" for i in range(30)]
    assert {len(v) for v in after("fixed_width", long, dtype="str")} == {40}
    assert set(after("fixed_width", ["Frankfurt am Main", "Bern"] * 5, dtype="category")) == {"Frankfurt ", "Bern"}


def test_a_field_has_a_width():
    with pytest.raises(ValueError, match="width must be at least 1 character; got 0"):
        after("fixed_width", ["a", "b"], dtype="str", width=0)


# capitals


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("Größe Straße", "GROSSE STRASSE"),
        ("Łódź, Ærø, Þór", "LODZ, AERO, THOR"),
        ("naïve – “déjà vu”…", 'NAIVE - "DEJA VU"...'),
        ("İstanbul ağaç", "ISTANBUL AGAC"),
        ("Ǿ ǽ", "O AE"),
        ("5 € for 3 ½", "5 EUR FOR 3 1?2"),
        ("ok 👍", "OK ?"),
        ("ﬁne", "FINE"),
        ("ALREADY 42", "ALREADY 42"),
        ("東京", "東京"),
        ("Привет ok", "Привет ok"),
        ("", ""),
    ],
)
def test_capitals_by_hand(before, expected):
    assert after("upper_case_only", [before], dtype="str") == [expected]


@quick
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
def test_capitals_are_ascii_and_stay_as_they_are(text):
    once = after("upper_case_only", [text], dtype=object)[0]
    if once != text:
        assert once.isascii() and once == once.upper()
        assert after("upper_case_only", [once], dtype=object) == [once]
    letters = [c for c in text if c.isalpha()]
    if all("LATIN" in unicodedata.name(c, "") and ord(c) < 0x180 and c != "ŉ" for c in letters):
        assert once.isascii() or not any(c.isalpha() or not c.isascii() for c in text)


def test_letters_that_have_no_place_are_reported_not_lost():
    frame = pd.DataFrame({"c": pd.Series(["東京", "Привет", "Zürich"], dtype="str")})
    out = KINDS["upper_case_only"]("c", severity=1.0).fit(frame).corrupt(frame)
    assert (out.eligible, out.units) == (1, 3)


# years


def test_dates_become_six_digits():
    assert after("two_digit_years", [pd.Timestamp("1985-04-01 10:30"), pd.NaT, pd.Timestamp("2026-12-31")])[::2] == [
        "850401",
        "261231",
    ]
    assert after("two_digit_years", ["2026-03-04", "2026-03-04T10:30", "soon", "20260304"], dtype="str") == [
        "260304",
        "260304",
        "soon",
        "20260304",
    ]
    assert after("two_digit_years", [date(2005, 1, 2), datetime(1999, 12, 31, 5)], dtype=object) == ["050102", "991231"]


@quick
@given(
    moments=st.lists(st.datetimes(datetime(1901, 1, 1), datetime(2099, 12, 31)), min_size=1, max_size=6),
    pivot=st.integers(0, 100),
    dtype=st.sampled_from(["datetime64[us]", "str", object, "datetime64[us, UTC]"]),
)
@example(moments=[datetime(2000, 2, 29, 10)], pivot=0, dtype="datetime64[us]")
@example(moments=[datetime(2000, 2, 29, 10)], pivot=0, dtype="str")
@example(moments=[datetime(1948, 2, 29, 10)], pivot=50, dtype="datetime64[us]")
@example(moments=[datetime(1948, 2, 29, 10)], pivot=50, dtype="str")
def test_a_window_keeps_everything_but_the_century(moments, pivot, dtype):
    values = [m.isoformat() for m in moments] if dtype == "str" else moments
    got = after("two_digit_years", values, dtype=dtype, pivot=pivot)
    for before, new in zip(moments, got, strict=True):
        said = pd.Timestamp(new).tz_localize(None)
        assert said.year == before.year % 100 + (2000 if before.year % 100 < pivot else 1900)
        leap_lost = (before.month, before.day) == (2, 29) and said.year == 1900
        assert (said.month, said.day) == ((2, 28) if leap_lost else (before.month, before.day))
        assert said.time() == pd.Timestamp(before).time()


def test_only_dates_of_another_century_are_hit_by_a_window():
    frame = pd.DataFrame({"born": pd.to_datetime(["1948-07-15", "1985-04-01", "2004-02-29", None])})
    out = KINDS["two_digit_years"]("born", severity=1.0, pivot=50).fit(frame).corrupt(frame)
    assert out.eligible == 1 and out.frame["born"].dt.year.tolist()[:3] == [2048, 1985, 2004]
    assert out.frame["born"].dtype == frame["born"].dtype
    with pytest.raises(ValueError, match=r"pivot must be in 0\.\.100"):
        KINDS["two_digit_years"]("born", pivot=1950).fit(frame).corrupt(frame)


# numbers


def read_back(text: str, decimals: int) -> float:
    "A reader of the three forms, written apart from what writes them."
    positive, negative = "{ABCDEFGHI", "}JKLMNOPQR"
    sign, digits = 1, text.strip()
    if digits[-1] in positive:
        digits = digits[:-1] + str(positive.index(digits[-1]))
    elif digits[-1] in negative:
        sign, digits = -1, digits[:-1] + str(negative.index(digits[-1]))
    elif digits[-1] == "-" or digits[0] == "-":
        sign, digits = -1, digits.strip("-")
    return sign * int(digits) / 10**decimals


@quick
@given(
    cents=st.lists(st.integers(-(10**10), 10**10), min_size=2, max_size=6),
    form=st.sampled_from(["zero_padded", "trailing_minus", "overpunch"]),
)
@example(cents=[-1725, 0], form="overpunch")
def test_digits_are_read_back_as_the_number(cents, form):
    amounts = [c / 100 for c in cents]
    for number, text in zip(amounts, after("numbers_as_text", amounts, reference=[0.5], form=form), strict=True):
        assert read_back(text, 2) == pytest.approx(number, abs=1e-9)
        assert len(text.strip().strip("-")) == 11


def test_numbers_by_hand():
    assert after("numbers_as_text", [123.45, -0.5, 7.0]) == ["00000012345", "-00000000050", "00000000700"]
    assert after("numbers_as_text", [123, -4], width=6, form="trailing_minus") == ["000123 ", "000004-"]
    assert after("numbers_as_text", [12, -12, 0, -10], width=4, form="overpunch") == ["001B", "001K", "000{", "001}"]


def test_nothing_has_no_sign():
    assert after("numbers_as_text", [-0.001, 0.5], form="overpunch") == ["0000000000{", "0000000005{"]
    assert after("numbers_as_text", [-0.001, 0.5], form="trailing_minus") == ["00000000000 ", "00000000050 "]


def test_the_point_is_where_the_reference_has_it():
    assert after("numbers_as_text", [5.0, 7.0], reference=[1.5, 2.0], width=5) == ["00500", "00700"]
    assert after("numbers_as_text", [5.0, 7.0], reference=[1.0, 2.0], width=5) == ["00005", "00007"]


def test_a_number_that_has_no_place_in_the_field_is_left():
    values = [99, 100, np.inf, np.nan, -98]
    got = after("numbers_as_text", values, reference=[1], width=2)
    assert got[1:3] == [100, np.inf] and got[4] == "-98"
    assert after("numbers_as_text", [True, False], dtype="bool") == [True, False]


def test_an_unknown_form_is_answered_with_the_known():
    with pytest.raises(ValueError, match="no form 'packed' of numbers_as_text; known: zero_padded, trailing_minus, overpunch"):
        after("numbers_as_text", [1, 2], form="packed")


# flags


@pytest.mark.parametrize("dtype", ["bool", "boolean", object])
def test_truth_values_are_one_character(dtype):
    assert after("packed_flags", [True, False, True], dtype=dtype) == ["Y", "N", "Y"]
    assert after("packed_flags", [True, False, True], dtype=dtype, flags="10") == ["1", "0", "1"]


def test_yes_and_no_are_known_in_some_languages_and_one_letter_stays():
    assert after("packed_flags", ["Ja", "nein", None], dtype="str", flags="JN")[:2] == ["J", "N"]
    assert after("packed_flags", ["Y", "N", "yes"], dtype="str") == ["Y", "N", "Y"]


@quick
@given(values=st.lists(st.text(max_size=5), min_size=1, max_size=150))
def test_every_category_has_a_code_of_its_own(values):
    codes = after("packed_flags", values, dtype=object)
    both = set(zip(values, codes, strict=True))
    assert len(both) == len(set(values))
    if not set(map(str.lower, values)) <= {
        "y",
        "n",
        "t",
        "f",
        "yes",
        "no",
        "true",
        "false",
        "ja",
        "nein",
        "oui",
        "non",
        "si",
        "sí",
    }:
        assert len(set(codes)) == len(set(values)) and {len(c) for c in codes} == {max(2, len(str(len(set(values)))))}


def test_a_long_list_has_longer_codes():
    names = [f"branch {i:03}" for i in range(1, 151)]
    assert after("packed_flags", names, dtype="str") == [f"{i:03}" for i in range(1, 151)]


def test_a_category_that_the_list_does_not_have_is_left():
    assert after("packed_flags", ["b", "c", "a"], reference=["a", "b"]) == ["02", "c", "01"]


@pytest.mark.parametrize("flags", ["Y", "YNX", "YY", ""])
def test_flags_are_two_characters(flags):
    with pytest.raises(ValueError, match="flags must be two different characters"):
        after("packed_flags", [True, False], flags=flags)


def test_a_record_from_the_old_system_is_one_composition():
    frame = pd.DataFrame({"city": ["Zürich", "São Paulo"], "n": [1, -2], "day": pd.to_datetime(["1999-12-31", "2026-01-02"])})
    record = (
        KINDS["numbers_as_text"]("n", severity=1.0, width=3, form="overpunch")
        >> KINDS["two_digit_years"]("day", severity=1.0)
        >> KINDS["upper_case_only"]("city", severity=1.0)
        >> KINDS["fixed_width"]("city", severity=1.0, width=6, padded=True)
    )
    out = record.fit(frame).corrupt(frame)
    assert ["".join(r) for r in out.frame.to_numpy()] == ["ZURICH00A991231", "SAO PA00K260102"]
    assert out.ledger.undo(out.frame).equals(frame)


# one record at a time


@quick
@given(n=st.integers(1, 60), size=st.integers(2, 20), seed=st.integers(0, 5))
def test_records_of_one_file_wait_for_its_last(n, size, seed):
    frame = pd.DataFrame({"c": np.arange(n) * 1.0}, index=[f"f{i}" for i in range(n)])
    hit = KINDS["one_at_a_time"](severity=1.0, size=size).fit(frame).corrupt(frame, seed=seed)
    (moves,) = hit.ledger.stages[0]
    arrives = moves.source + moves.delay  # in mean gaps, were they sent one after the other
    assert (arrives == moves.source // size * size + size - 1).all()
    assert sorted(hit.frame.index, key=lambda k: int(k[1:])) == list(frame.index)


def test_half_of_the_records_are_whole_files_but_for_one():
    frame = pd.DataFrame({"c": np.arange(80) * 1.0}, index=[f"f{i:02}" for i in range(80)])
    hit = KINDS["one_at_a_time"](severity=0.5, size=20).fit(frame).corrupt(frame, seed=3)
    held = np.bincount(np.flatnonzero(hit.hit) // 20, minlength=4)
    assert sorted(held) == [0, 0, 20, 20] and hit.delivered == 40


@pytest.mark.parametrize("size", [1, 2.0, True, "50"])
def test_a_file_holds_at_least_two_records(size):
    frame = pd.DataFrame({"c": [1.0, 2.0]})
    with pytest.raises(ValueError, match="size"):
        KINDS["one_at_a_time"](severity=1, size=size).fit(frame).corrupt(frame)
