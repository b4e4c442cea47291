"What a text, a number or a date becomes in other hands, and what must come through unharmed."

import html
import re
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import kinds
from pilot_to_prod.scenarios.messy import _in_words, _turned
from pilot_to_prod.spec import Spec

KINDS = kinds()
quick = settings(deadline=None, max_examples=60, derandomize=True)


def after(name: str, values, *, dtype=None, severity: float = 1.0, seed: int = 0, **params) -> list:
    "A column after everything that can be hit was hit."
    frame = pd.DataFrame({"c": pd.Series(values, dtype=dtype)})
    out = KINDS[name]("c", severity=severity, **params).fit(frame).corrupt(frame, seed=seed)
    assert out.delivered == out.asked
    return out.frame["c"].tolist()


def texts(name: str, *values: str, **params) -> list[str]:
    return after(name, list(values), dtype="str", **params)


# words


@pytest.mark.parametrize(
    ("style", "before", "expected"),
    [
        ("lower", "BERLIN Straße I (Call)", "berlin straße i (call)"),
        ("title", "where's MY (old) straße", "Where's My (Old) Straße"),
        ("swapped", "Please call Me", "pLEASE CALL mE"),
        ("lower", "order A12 costs 5 KG", "order A12 costs 5 kg"),  # a word with a digit is an amount or a number of something
    ],
)
def test_letter_case_by_hand(style, before, expected):
    assert texts("letter_case", before, style=style) == [expected]


def test_the_letter_case_of_a_category_changes_too():
    assert after("letter_case", pd.Categorical(["Bern", "Genf", "ok"])) == ["bern", "genf", "ok"]


def test_an_unknown_letter_case_is_answered_with_the_known():
    with pytest.raises(ValueError, match="no letter case 'upper'; known: lower, title, swapped. Capitals are upper_case"):
        texts("letter_case", "a", style="upper")


@quick
@given(text=st.text(alphabet="ab ,;:|/.1\n\t", max_size=30), signs=st.sampled_from([" ,;:|", ",", ";|", " "]))
@example(text="1,200.50 at 10:30, ok", signs=" ,;:|")
def test_doubled_delimiters_are_doubled_and_nothing_else(text, signs):
    doubled = texts("duplicated_delimiters", text, delimiters=signs)[0]
    expected = re.sub(rf"(?<![\s{signs}])([{signs.strip()}])(?=\s|$)", r"\1\1", text) if signs.strip() else text
    expected = re.sub(r"(?<=\S) (?=\S)", "  ", expected) if " " in signs else expected
    assert doubled == expected
    assert re.findall(r"[^\s,;:|]", doubled) == re.findall(r"[^\s,;:|]", text)


@pytest.mark.parametrize("kept", ["1,200.50", "10:30", "https://a.example/x,y;z", "a,b@c.example", "12;13"])
def test_delimiters_inside_numbers_times_links_and_addresses_stay_single(kept):
    assert texts("duplicated_delimiters", f"see {kept} now") == [f"see  {kept}  now"]


def test_delimiters_must_be_named():
    with pytest.raises(ValueError, match="no delimiter named"):
        texts("duplicated_delimiters", "a, b", delimiters="")


@quick
@given(words=st.lists(st.text(alphabet='abé&<>"ßZ19.', min_size=1, max_size=6), min_size=1, max_size=8), seed=st.integers(0, 9))
def test_html_remains_are_read_back_as_the_text(words, seed):
    "Each word is either wrapped as it is, or written with entities; a browser shows the same text."
    words = [w for w in words if not re.search(r"&\w", w) and not ("<" in w and ">" in w)] or ["a"]
    for before, new in zip(words, texts("html_remains", " ".join(words), seed=seed)[0].split(" "), strict=True):
        bare = re.sub(r"^<(p|b|span)>(.*)</\1>$|^(.*)(?:<br>|&nbsp;)$", r"\2\3", new, flags=re.DOTALL)
        assert new != before
        assert bare == before or html.unescape(new) == before


def test_every_remain_of_html_turns_up():
    said = " ".join(texts("html_remains", *["Tom&Ann café"] * 200))
    assert all(x in said for x in ("<br>", "&nbsp;", "<p>", "<b>", "<span>", "Tom&amp;Ann", "caf&eacute;"))


# names


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("Müller, Hans", {"Hans Müller"}),
        ("Hans Müller", {"Müller, Hans", "Müller Hans"}),
        ("Ana María García", {"García, Ana María", "García Ana María"}),
        ("García, Ana María", {"Ana María García"}),
        ("São  Paulo", {"Paulo, São", "Paulo São"}),
        ("Bern", {"Bern"}),
        ("a a", {"a a"}),
        ("this is a whole sentence here", {"this is a whole sentence here"}),
    ],
)
def test_the_words_of_a_name_are_turned_around(before, expected):
    seen = set(after("permuted_compounds", [before] * 60, dtype="str"))
    assert seen == expected


@quick
@given(words=st.lists(st.text(alphabet="ab,", min_size=1, max_size=3), min_size=2, max_size=5))
def test_a_turned_name_is_another_with_the_same_words(words):
    if len({w.strip(",") for w in words}) < 2:
        return
    for comma in (True, False):
        new = _turned(" ".join(words), comma)
        assert new != " ".join(words)
        assert sorted(new.replace(",", " ").split()) == sorted(" ".join(words).replace(",", " ").split())


def test_compounds_are_told_in_columns_of_anything():
    values = ["a b", 3, None, 2.5, True, ("x", "y")]
    assert after("permuted_compounds", values, dtype=object)[1:] == values[1:]


def test_names_in_a_text_column_are_turned_when_it_is_named():
    frame = pd.DataFrame({"who": [f"Hans Number{i}" for i in "abcdefgh"]})
    out = KINDS["permuted_compounds"]("who", severity=1.0).fit(frame).corrupt(frame)
    assert out.delivered == 8


# dates


def test_dates_of_a_locale_by_hand():
    assert texts("locale_dates", "2024-12-31T23:59", "2024-02-30", "31.12.2024", "soon", "2024-01-02") == [
        "31.12.24",
        "2024-02-30",
        "31.12.2024",
        "soon",
        "02.01.24",
    ]
    assert after("locale_dates", [date(2024, 3, 4), datetime(2024, 3, 5, 6)], dtype=object, locale="en_US") == [
        "3/4/24",
        "3/5/24",
    ]


def test_dates_with_different_offsets_are_read_as_their_clocks_show():
    assert texts("locale_dates", "2024-01-01T23:30:00+01:00", "2024-07-01T00:30:00+02:00") == ["01.01.24", "01.07.24"]


WALL = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1))


@quick
@given(
    moments=st.lists(WALL, min_size=1, max_size=8),
    dtype=st.sampled_from(["datetime64[s]", "datetime64[us]", "datetime64[ns]", "datetime64[us, UTC]", "str", object]),
)
def test_day_and_month_change_places_and_nothing_else_does(moments, dtype):
    moments = [m.replace(microsecond=0) for m in moments]
    given_ = [m.isoformat() for m in moments] if dtype == "str" else moments
    expected = [m.replace(month=m.day, day=m.month) if m.day <= 12 else m for m in moments]
    got = after("day_month_swap", given_, dtype=dtype)
    if dtype == "str":
        assert got == [m.isoformat() for m in expected]
    else:
        assert [pd.Timestamp(v).tz_localize(None) for v in got] == [pd.Timestamp(m) for m in expected]
    twice = after("day_month_swap", got, dtype=dtype)
    assert pd.Series(twice).equals(pd.Series(pd.Series(given_, dtype=dtype).tolist()))


def test_only_dates_with_two_readings_are_hit():
    frame = pd.DataFrame({"day": pd.to_datetime(["2026-03-04", "2026-01-12", "2026-12-01", "2026-03-13", "2026-05-05", None])})
    out = KINDS["day_month_swap"]("day", severity=1.0).fit(frame).corrupt(frame)
    assert out.eligible == out.delivered == 3
    assert out.frame["day"].dt.strftime("%m-%d").tolist()[:5] == ["04-03", "12-01", "01-12", "03-13", "05-05"]


def test_written_dates_keep_their_way_of_writing():
    written = [
        "03/04/2026",
        "3.4.26",
        "03-04-2026 10:30",
        "25/12/2026",
        "1/2/3",
        "3/4",
        "2026-03-04 x",
        "99.1.2026",
        "01/01/2026",
    ]
    assert texts("day_month_swap", *written) == [
        "04/03/2026",
        "4.3.26",
        "04-03-2026 10:30",
        "25/12/2026",
        "1/2/3",
        "3/4",
        "2026-04-03 x",
        "99.1.2026",
        "01/01/2026",
    ]


def test_a_moment_that_the_clock_leaves_out_is_moved_behind_the_gap():
    "2026-03-08 02:30 does not exist in New York, and 2026-11-01 01:30 exists twice."
    walls = pd.Series(pd.to_datetime(["2026-08-03 02:30", "2026-01-11 01:30"]))
    frame = pd.DataFrame({"day": walls.dt.tz_localize("America/New_York")})
    out = KINDS["day_month_swap"]("day", severity=1.0).fit(frame).corrupt(frame)
    assert out.frame["day"].dt.strftime("%m-%d %H:%M").tolist() == ["03-08 03:00", "11-01 01:30"]
    assert out.frame["day"].dtype == frame["day"].dtype
    assert out.ledger.undo(out.frame).equals(frame)


# units and currencies


def test_whole_numbers_stay_whole_and_exact_in_another_unit():
    big = 2**53 + 1
    assert after("unit_error", [1, 2, big], dtype="int64") == [1000, 2000, big * 1000]
    assert after("unit_error", [1, 2], dtype="int8", factor=100.0) == [100, 200]
    assert after("unit_error", [1, 7], dtype="int64", factor=0.5) == [0.5, 3.5]


def test_a_product_beyond_64_bits_is_not_made_where_the_reference_had_none():
    "The type of a column may not depend on who stands in the batch."
    reference, rare = pd.DataFrame({"n": [1, 2, 3, 4]}), pd.DataFrame({"n": [5, 10**17]}, index=[8, 9])
    fitted = KINDS["unit_error"]("n", severity=1.0).fit(reference)
    out = fitted.corrupt(rare)
    assert out.frame["n"].tolist() == [5000, 10**17] and out.eligible == 1
    bound = fitted.bind([reference, rare])
    assert {str(bound.corrupt(b).frame["n"].dtype) for b in (reference, rare)} == {"int64"}
    large = KINDS["unit_error"]("n", severity=1.0).fit(rare).corrupt(rare)
    assert large.frame["n"].tolist() == [5000.0, 1e20]


def test_the_usual_unit_errors_are_all_replayed():
    factors = [KINDS["unit_error"].parameters | p for p in KINDS["unit_error"].variants(None)]
    assert sorted(p["factor"] for p in factors) == [10.0, 100.0, 1000.0]


@quick
@given(
    amounts=st.lists(st.integers(-(10**9), 10**9).map(lambda c: c / 100), min_size=1, max_size=8),
    rate=st.sampled_from([7.46, 0.13, 1.0]),
)
def test_an_amount_in_another_currency_is_rounded_to_cents(amounts, rate):
    got = after("currency", amounts, dtype=float, rate=rate)
    assert got == pytest.approx([round(a * rate, 2) for a in amounts], abs=0.0051)
    assert all(round(v, 2) == v for v in got)


def test_whole_amounts_stay_whole_in_another_currency():
    frame = pd.DataFrame({"amount": [100, 0, 8]})
    out = KINDS["currency"]("amount", severity=1.0).fit(frame).corrupt(frame)
    assert out.frame["amount"].tolist() == [746, 0, 60] and out.frame["amount"].dtype == "int64"
    assert out.eligible == 2  # nothing is nothing in any currency


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["EUR 12,00", "EUR 1.200,50", "-EUR 3,10"]),
        ({"locale": "en", "currency": "USD"}, ["USD 12.00", "USD 1,200.50", "-USD 3.10"]),
        ({"locale": "en", "currency": "USD", "sign": True}, ["$12.00", "$1,200.50", "-$3.10"]),
        ({"sign": True}, ["12,00 €", "1.200,50 €", "-3,10 €"]),
        ({"currency": "JPY"}, ["JPY 12", "JPY 1.200", "-JPY 3"]),
    ],
    ids=str,
)
def test_amounts_are_written_with_their_currency(params, expected):
    got = after("currency_text", [12.0, 1200.5, -3.1], **params)
    assert [re.sub(r"\s", " ", v) for v in got] == expected


def test_what_is_no_amount_gets_no_currency():
    assert after("currency_text", [np.inf, 1.0, "x", None, True], dtype=object)[::2][:2] == [np.inf, "x"]


# types


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (12, "twelve"),
        (19, "nineteen"),
        (20, "twenty"),
        (99, "ninety-nine"),
        (100, "one hundred"),
        (342, "three hundred forty-two"),
        (1000, "one thousand"),
        (20_015, "twenty thousand fifteen"),
        (999_999, "nine hundred ninety-nine thousand nine hundred ninety-nine"),
        (-5, "minus five"),
    ],
)
def test_numbers_in_words(number, words):
    assert _in_words(number) == words


def test_no_two_numbers_are_said_alike():
    assert len({_in_words(n) for n in range(-2000, 20_000)}) == 22_000


def test_a_number_becomes_a_text_with_its_unit():
    assert after("wrong_type", [12, 3], dtype="int64") == ["12 kg", "3 kg"]
    assert after("wrong_type", [12.0, 2.5, np.nan], unit="m²")[:2] == ["12 m²", "2.5 m²"]
    assert after("wrong_type", [12.0, 2.5], form="about") == ["ca. 12", "ca. 2.5"]
    assert after("wrong_type", [12.0, 2.5, 1e6], form="words") == ["twelve", 2.5, 1e6]


@pytest.mark.parametrize("dtype", ["bool", "boolean", object])
def test_truth_values_become_words(dtype):
    assert after("wrong_type", [True, False, True], dtype=dtype) == ["yes", "no", "yes"]


def test_the_number_of_a_category_is_its_name():
    frame = pd.DataFrame({"kind": pd.Series(["1", "2"] * 9, dtype="str"), "n": pd.Series(["12", " 7 ", "x"] * 6, dtype="str")})
    model = {"loader": "module", "ref": "somewhere:predict"}
    data = {"reference": "a.csv", "replay": "a.csv", "label": "y", "columns": {"kind": "category", "n": "number"}}
    spec = Spec.model_validate(
        {"name": "x", "task": "binary", "model": model, "data": data | {"labels": ["0", "1"], "positive": "1"}}
    )
    out = KINDS["wrong_type"](severity=1.0, form="words").fit(frame, spec).corrupt(frame)
    assert out.frame["kind"].equals(frame["kind"])
    assert out.frame["n"].tolist()[:3] == ["twelve", "seven", "x"]


def test_an_unknown_form_is_answered_with_the_known():
    with pytest.raises(ValueError, match="no form 'roman' of wrong_type; known: unit, about, words"):
        after("wrong_type", [1, 2], form="roman")


def test_text_that_a_locale_writes_the_same_is_not_hit():
    assert after("locale_decimals", ["3.25", "1200.5"], dtype=object, locale="en") == ["3.25", "1,200.5"]


# locales


@pytest.mark.parametrize(
    ("name", "values"),
    [("locale_decimals", [1234.5]), ("currency_text", [1234.5]), ("locale_dates", [date(2026, 3, 4)])],
)
def test_a_locale_is_named_as_unicode_or_as_the_web_does(name, values):
    assert after(name, values, locale="de-CH") == after(name, values, locale="de_CH")
    assert after(name, values, locale="zh-Hant-TW") == after(name, values, locale="zh_Hant_TW")


@pytest.mark.parametrize("name", ["locale_decimals", "currency_text", "locale_dates"])
@pytest.mark.parametrize("locale", ["xx", "de-XX-YY-ZZ", "", "en-US-u-ca-buddhist"])
def test_a_locale_that_is_none_is_found_while_fitting(name, locale):
    with pytest.raises(ValueError, match=f"CLDR has no locale '{locale}'. Pass a language"):
        KINDS[name]("c", severity=1.0, locale=locale).fit(pd.DataFrame({"c": [date(2026, 3, 4)]}))


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("fa", ["۱٬۲۳۴٬۵۶۷٫۵", "۷", "۰", "-۱٬۲۰۰"]),
        ("ar_EG", ["١٬٢٣٤٬٥٦٧٫٥", "٧", "٠", "-١٬٢٠٠"]),
        ("bn", ["১২,৩৪,৫৬৭.৫", "৭", "০", "-১,২০০"]),
        ("ar", ["1,234,567.5", 7.0, 0.0, "-1,200"]),
    ],
)
def test_a_locale_writes_its_own_digits(locale, written):
    assert after("locale_decimals", [1234567.5, 7.0, 0.0, -1200.0], locale=locale) == written


def test_dates_and_amounts_are_written_in_the_digits_of_the_locale():
    assert after("locale_dates", ["2026-03-04"], dtype="str", locale="fa") == ["۲۰۲۶/۳/۴"]
    assert [re.sub(r"\s", " ", v) for v in after("currency_text", [1200.5], locale="bn", currency="BDT")] == ["BDT ১,২০০.৫০"]


# fields


@quick
@given(data=st.data(), seed=st.integers(0, 99))
def test_a_shifted_row_holds_its_values_one_place_further(data, seed):
    columns = data.draw(st.integers(2, 5))
    cells = st.one_of(st.none(), st.integers(0, 9).map(str))
    values = data.draw(st.lists(st.lists(cells, min_size=columns, max_size=columns), min_size=1, max_size=6))
    frame = pd.DataFrame(values, columns=[f"c{i}" for i in range(columns)], dtype="str")
    out = KINDS["field_shift"](*frame.columns, severity=1.0).fit(frame).corrupt(frame, seed=seed)
    for before, new in zip(frame.astype(object).to_numpy(), out.frame.astype(object).to_numpy(), strict=True):
        old, got = [None if pd.isna(v) else v for v in before], [None if pd.isna(v) else v for v in new]
        if all(v is None for v in old):
            assert got == old
            continue
        start = next(i for i in range(columns) if old[i] != got[i])
        assert got == [*old[:start], None, *old[start:-1]]
    assert out.ledger.undo(out.frame).equals(frame)


def test_a_single_field_cannot_be_shifted():
    frame = pd.DataFrame({"a": ["x", "y"]})
    assert KINDS["field_shift"]("a", severity=1.0).fit(frame).corrupt(frame).eligible == 0


def test_every_field_may_be_where_the_shift_begins():
    frame = pd.DataFrame(np.arange(4000.0).reshape(1000, 4), columns=list("abcd"))
    out = KINDS["field_shift"](severity=1.0).fit(frame).corrupt(frame).frame
    starts = (out.isna() & frame.notna()).to_numpy().argmax(axis=1)
    assert np.bincount(starts, minlength=4).min() > 180
