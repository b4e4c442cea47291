"""Hostile input survives every kind that takes it: texts, numbers and dates that no demonstration has; and none takes minutes."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mixed import KINDS, NAMES, made, promise
from trying import POOL, REFERENCE, corrupt, differs, learnt, same

TEXTUAL = [n for n in NAMES if "text" in KINDS[n].roles and KINDS[n].unit in ("word", "span", "cell", "row", "event")]
NUMERIC = [n for n in NAMES if {"number", "amount"} & set(KINDS[n].roles) and KINDS[n].unit in ("cell", "row")]
DATED = [n for n in NAMES if "date" in KINDS[n].roles and KINDS[n].unit in ("cell", "row")]


HOSTILE = [
    None,
    float("nan"),
    "",
    "a",
    "\x00",
    "x\x00y é\x00",
    "😀 👩‍👩‍👧‍👦 🇩🇪 \U0001f3fd",
    "e\u0301 n\u0303o \u0301",
    "שלום עולם",
    "مرحبا بالعالم",
    "\u202ereversed\u202c",
    "   ",
    "\ufeffbom",
    "ﬁx ŉ ǆ İ",
    "\r\n",
    "\u2028\x85",
    "\U0010ffff \ufffe",
    "Где мой заказ 5?",
    "hello 1,200.50 Größe the price 漢字 is not in my account, it cost $5.50 on 14 March 2026 at 3:30 pm for twenty-three people",
]
assert len(HOSTILE) < len(POOL)


@pytest.mark.parametrize("name", TEXTUAL)
@pytest.mark.parametrize("column", ["text", "note"])  # a column of strings, one of objects
def test_hostile_text_survives(name, column):
    frame = POOL.iloc[: len(HOSTILE)].assign(
        **{
            column: pd.Series(HOSTILE, dtype=POOL[column].dtype),
            "language": ["ru" if v == "Где мой заказ 5?" else "en" for v in HOSTILE],
        }
    )
    fitted = learnt(name, ("text", "note"))
    hit = corrupt(fitted, frame, seed=3, severity=1.0)
    assert hit.delivered == hit.asked == hit.eligible > 0
    assert same(hit.ledger.undo(hit.frame), frame)
    assert hit.frame[column].dropna().map(lambda v: isinstance(v, str)).all()
    hit.frame[column].dropna().str.encode("utf-8")  # no lone surrogate is made
    if KINDS[name].unit in ("word", "span") or KINDS[name].family not in ("missing", "messy", "feed", "ambiguity", "shift"):
        assert hit.frame[column].isna().tolist() == frame[column].isna().tolist()


SENTENCE = (  # something for every kind that knows English
    '"I paid $1,200.50 for twenty-three lamps on 14 March 2026 at 3:30 pm, and they\'re not here," she definitely said — naïve '
    "café 👍🏽; my account isn't gonna work, it was 10,000 of them, please answer tomorrow about the 3rd price? "
)
RUSSIAN = "Где моя посылка, я жду уже 12 дней и не могу войти в свой аккаунт. "
ELSEWHERE = {"transliteration": ("ru", RUSSIAN)}  # kinds that find nothing in English: it is in Latin letters already
NEVER = {"retyped_column": "a text is of the type text already, and becomes no number"}  # kinds that hit no text at all
ASKED = {"nullability": {"share": 1.0}, "prior_shift": {"toward": "refund"}}  # so that every row is concerned
WITH_A_TEXT = [n for n in NAMES if "text" in KINDS[n].roles]
LENGTH = 100_000


def long_rows(name: str) -> pd.DataFrame:
    "A text of a hundred thousand characters that holds something for a kind, one word of that length, and a short text."
    language, said = ELSEWHERE.get(name, ("en", SENTENCE))
    texts = [(said * (LENGTH // len(said) + 1))[:LENGTH], "é" * LENGTH, "hello, where is my money?"]
    return POOL.iloc[:3].assign(text=pd.Series(texts, dtype="str"), language=[language, "en", "en"], part=1.0, topic="billing")


@pytest.mark.parametrize("name", WITH_A_TEXT)
def test_a_hundred_thousand_characters_are_hit_and_survive(name):
    unit, frame = KINDS[name].unit, long_rows(name)
    reference = REFERENCE[REFERENCE["text"].notna()].assign(
        part=1.0
    )  # texts NOT NULL; numbers that no other number contradicts
    columns = ("part", "text") if unit in ("row", "column", "schema") else ("text",)
    hit = corrupt(made(name, *columns, **ASKED.get(name, {})).fit(reference, promise()), frame, severity=1.0)
    assert hit.delivered == hit.asked == hit.eligible
    assert same(hit.ledger.undo(hit.frame), frame)
    if name in NEVER:
        assert "text" not in hit.ledger.stages[0][0].names
        return
    assert hit.hit[0]
    found = hit.ledger.stages[0][0]
    if unit != "event":  # those send whole rows: late, twice, or not at all
        named = unit == "schema" and "text" in found.names
        assert named or differs(frame["text"].iloc[0], hit.frame["text"].iloc[0])
    if unit in ("word", "span"):  # to the very end
        ends = [at + len(old) for at, old, row in zip(found.start, found.old, found.where, strict=True) if row == 0]
        assert max(ends) > LENGTH - len(SENTENCE)


@pytest.mark.parametrize("name", [n for n in TEXTUAL if KINDS[n].unit in ("word", "span")])
def test_no_letter_of_any_script_breaks_a_kind(name):
    "Every assigned letter of the basic plane as a word of its own, among them those whose case changes their length."
    letters = [chr(c) for c in range(0x10000) if chr(c).isalpha()]
    frame = POOL.iloc[:8].assign(text=pd.Series([" ".join(letters[i::8]) for i in range(8)], dtype="str"))
    hit = corrupt(learnt(name, ("text",)), frame, severity=1.0)
    assert hit.delivered == hit.asked == hit.eligible
    assert same(hit.ledger.undo(hit.frame), frame)


# extreme numbers and dates, and any type of column

NUMBERS = {
    "infinite": [1.5, np.inf, -np.inf, np.nan, 2.5, 0.0],
    "huge": [1.5, 1e308, 5e-324, -1e308, -0.0, 2.5],
    "long": [2**63 - 1, -(2**63), 2**53 + 1, 0, -1, 7],
    "unsigned": np.array([0, 255, 1, 2, 3, 254], dtype="uint8"),
    "nullable": pd.array([1, None, 2**60, -5, 0, 3], dtype="Int64"),
    "single": np.array([1.5, np.inf, 3.4e38, np.nan, 0.1, 2], dtype="float32"),
    "truth": [True, False, True, True, False, False],
    "truth or nothing": pd.array([True, None, False, True, True, False], dtype="boolean"),
    "as text": ["1", "2.5", "", None, "-7", "1e400"],
    "anything": pd.Series([1, "x", None, 2.5, True, 10**30], dtype=object),
    "category": pd.Series([1, 2, 1, 3, 2, 1], dtype="category"),
}


@pytest.mark.parametrize("name", NUMERIC)
def test_extreme_numbers_break_no_scenario(name):
    for values in NUMBERS.values():
        frame = POOL.iloc[:6].assign(whole=values, price=np.arange(6) + 0.5)
        fitted = made(name, "whole", "price").fit(frame, promise())
        for severity in (0.5, 1.0):
            hit = corrupt(fitted, frame, severity=severity)
            assert hit.delivered == hit.asked == int(sum(np.floor(severity * c.eligible + 0.5) for c in hit.counts))
            assert same(hit.ledger.undo(hit.frame), frame)


DAYS = {
    "first and last": pd.Series(
        pd.to_datetime(["1677-09-22", "2262-04-10", None, "2024-02-29", "1970-01-01", "2000-01-01"])
    ).astype("datetime64[ns]"),
    "far": pd.Series(np.array(["0001-01-01", "9999-12-31", "NaT", "2024-02-29", "1582-10-10", "2000-01-01"], "datetime64[us]")),
    "zoned": pd.Series(pd.date_range("2024-03-30 01:30", periods=6, freq="6h", tz="Europe/Berlin")),
    "as text": pd.Series(["2024-02-30", "2024-01-31", "", None, "0000-00-00", "31.12.2024"]),
    "objects": pd.Series([pd.Timestamp("2024-01-05").date(), None, "x", 5, pd.Timestamp("2024-01-05"), pd.NaT], dtype=object),
}


@pytest.mark.parametrize("name", DATED)
def test_extreme_dates_break_no_scenario(name):
    for values in DAYS.values():
        frame = POOL.iloc[:6].assign(day=values)
        fitted = made(name, "day", "stamp").fit(frame, promise())
        hit = corrupt(fitted, frame, severity=1.0)
        assert hit.delivered == hit.asked == hit.eligible
        assert same(hit.ledger.undo(hit.frame), frame)


# a limit on time


def test_no_single_word_of_tens_of_thousands_of_characters_takes_seconds():
    "Every kind of text scenario within 4 seconds of CPU time: what takes the square of the length takes more than that."
    code = """if True:
        import sys, time
        sys.path.insert(0, sys.argv[1])
        from mixed import KINDS, NAMES, made, mixed, promise
        n = 40_000
        words = ["1" * n, "a" + "." * n + "a", "A'b," * (n // 4), "-" * n + "!", "@" * n, "a." * (n // 2)]
        for name in NAMES:
            if KINDS[name].unit in ("word", "span"):
                fitted = made(name, "text", severity=1.0).fit(mixed(), promise())
                fitted.corrupt(mixed(6))
                start = time.process_time()
                fitted.corrupt(mixed(6).assign(text=words))
                if time.process_time() - start > 4:
                    sys.exit(f"{name} took {time.process_time() - start:.1f} s")
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (90, 90))

    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, preexec_fn=limit, check=False)
    assert done.returncode == 0, done.stderr or f"stopped after 90 s (code {done.returncode})"
