"""Words and spans of a text column: found as a slow reader would find them, and replaced without moving anything else."""

import re
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios._text import Words, column_bytes, packed, spans_of, split_words

quick = settings(deadline=None, max_examples=60, derandomize=True)

LETTERS = "abcXYZ019.,!?-_'é\u0301ßİжЖעأ한국अि\u200d👍🏽👩\x00"
SPACES = " \t\n\r\x0b\x0c\x1c\x85\u00a0\u2003\u2028\u3000"
SOLO = "漢字文中ひらカタ゛กขคเาຂກကခកខ𠀀ｱ"  # each is a word of its own
MARKS = "ัิ้ຶ\u3099\u309aា်"  # sit on the letter before them
TEXTS = st.lists(st.text(alphabet=LETTERS + SPACES + SOLO + MARKS, max_size=25), max_size=6)
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=25)
UNSPACED = (
    "THAI",
    "LAO",
    "MYANMAR",
    "KHMER",
    "HIRAGANA",
    "KATAKANA",
    "HALFWIDTH KATAKANA",
    "CJK UNIFIED",
    "CJK COMPATIBILITY IDEOGRAPH",
)


def unspaced(c: str) -> bool:
    "Whether a character belongs to a script that is written without spaces, by its Unicode name."
    return unicodedata.name(c, "").startswith(UNSPACED) or c in "\u3099\u309a"


def slow_words(text: str) -> list[tuple[int, int]]:
    "Start and end of each word, read character by character."
    out: list[list[int]] = []
    before: str | None = None  # the character before, when it is no white space
    for i, c in enumerate(text):
        if c.isspace():
            before = None
            continue
        starts_alone = unspaced(c) and not unicodedata.category(c).startswith("M")
        mark = unicodedata.category(c).startswith("M")
        leaves_script = before is not None and unspaced(before) and not unspaced(c) and not mark
        if before is None or starts_alone or leaves_script:
            out.append([i, i])
        out[-1][1] = i + 1
        before = before if mark and before is not None else c  # a mark belongs to what it sits on
    return [(a, b) for a, b in out]


def replaced(words: Words, which: np.ndarray, new: list[str], like: pd.Series) -> list[str]:
    "The rows with the words at some positions replaced."
    data, offsets = packed(new)
    after, _, _ = words.spliced(words.row[which], words.start[which], words.end[which], data, offsets, like)
    return after.tolist()


def column(texts: list[str], dtype: str = "object") -> pd.Series:
    return pd.Series(texts, dtype=dtype)


def spans(texts: list[str]) -> list[list[tuple[int, int]]]:
    "Spans of each row as split_words finds them, from the start of the row."
    words = split_words(texts)
    out: list[list[tuple[int, int]]] = [[] for _ in texts]
    starts, ends = (words.points_before(at, words.row).tolist() for at in (words.start, words.end))
    for r, unit, a, b in zip(words.row.tolist(), words.unit.tolist(), starts, ends, strict=True):
        assert unit == len(out[r])
        out[r].append((a, b))
    return out


@quick
@given(TEXTS)
def test_words_are_those_of_a_slow_reader(texts):
    assert spans(texts) == [slow_words(t) for t in texts]


@quick
@given(st.lists(ANY_TEXT, max_size=5))
def test_without_unspaced_scripts_words_are_runs_without_white_space(texts):
    texts = [
        "".join(c for c in t if not 0x0E00 <= ord(c) < 0x1100 and not 0x1780 <= ord(c) < 0x1800 and ord(c) < 0x3041)
        for t in texts
    ]
    words = split_words(texts)
    assert words.strings() == [w for t in texts for w in t.split()]


@quick
@given(st.lists(ANY_TEXT, max_size=5))
def test_every_character_is_in_one_word_or_is_white_space(texts):
    words = split_words(texts)
    assert [c for w in words.strings() for c in w] == [c for t in texts for c in t if not c.isspace()]
    assert all(words.strings())
    assert bool((words.start[1:] >= words.end[:-1]).all())


@quick
@given(TEXTS)
def test_a_row_has_the_same_words_whatever_stands_beside_it(texts):
    assert spans(texts) == [spans([t])[0] for t in texts]


@quick
@given(TEXTS, st.data())
def test_replaced_words_stand_where_the_old_ones_stood(texts, data):
    words = split_words(texts)
    which = np.array(
        sorted(data.draw(st.sets(st.sampled_from(range(len(words))) if len(words) else st.nothing()))), dtype=np.int64
    )
    new = data.draw(st.lists(st.text(alphabet="xy ё漢\n", max_size=4), min_size=len(which), max_size=len(which)))
    given_words = dict(zip(which.tolist(), new, strict=True))
    expected, k = [], 0
    for text in texts:
        at, pieces = 0, []
        for a, b in slow_words(text):
            pieces += [text[at:a], given_words.get(k, text[a:b])]
            at, k = b, k + 1
        expected.append("".join(pieces) + text[at:])
    assert replaced(words, which, new, column(texts)) == expected
    assert replaced(words, which, new, column(texts, "str")) == expected


@quick
@given(TEXTS)
def test_replacing_words_by_themselves_changes_nothing(texts):
    words = split_words(texts)
    everything = np.arange(len(words))
    assert replaced(words, everything, words.strings(), column(texts)) == texts
    assert replaced(words, everything[:0], [], column(texts, "str")) == texts


@quick
@given(TEXTS, st.data())
def test_chosen_strings_are_those_of_all(texts, data):
    words = split_words(texts)
    chosen = data.draw(st.lists(st.sampled_from(range(len(words))), max_size=5)) if len(words) else []
    assert words.strings(np.array(chosen, dtype=np.int64)) == [words.strings()[i] for i in chosen]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \u3000\t", []),
        ("a", ["a"]),
        ("Don't pay $1,200.50", ["Don't", "pay", "$1,200.50"]),
        ("漢字です", ["漢", "字", "で", "す"]),
        ("กั้น a", ["กั้", "น", "a"]),
        ("か\u3099き", ["か\u3099", "き"]),
        ("Tokyo東京Tower", ["Tokyo", "東", "京", "Tower"]),
        ("한국 어", ["한국", "어"]),
        ("a\u0301b", ["a\u0301b"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("a\x00b", ["a\x00b"]),
        ("👩‍👩‍👧 x", ["👩‍👩‍👧", "x"]),
        ("𠀀𠀁", ["𠀀", "𠀁"]),
    ],
)
def test_words_by_hand(text, expected):
    assert split_words([text]).strings() == expected


def test_words_of_a_row_never_run_into_the_next():
    words = split_words(["ab", "", "cd", "  ", "กา"])
    assert words.strings() == ["ab", "cd", "ก", "า"]
    assert words.row.tolist() == [0, 2, 4, 4]
    assert words.unit.tolist() == [0, 0, 0, 1]


def test_no_rows_have_no_words():
    words = split_words([])
    assert len(words) == 0
    assert replaced(words, np.zeros(0, np.int64), [], column([])) == []


@pytest.mark.parametrize(
    "mark", ["\U000e0100", "\ufe00", "\u0301", "\u20dd"], ids=["ideographic variation", "variation", "acute", "circle"]
)
def test_a_mark_stays_with_the_character_it_sits_on(mark):
    assert split_words(["葛" + mark + "飾"]).strings() == ["葛" + mark, "飾"]


def test_a_lone_surrogate_is_refused():
    with pytest.raises(UnicodeEncodeError):
        split_words(["a\ud800b"])


def test_a_hundred_thousand_characters_are_read():
    long = "ab " * 33_000 + "x" * 100_000
    words = split_words([long, "y"])
    assert len(words) == 33_002
    assert replaced(words, np.array([33_000]), ["z"], column([long, "y"])) == ["ab " * 33_000 + "z", "y"]


# spans


@quick
@given(TEXTS, st.data())
def test_spans_are_the_pieces_that_were_found(texts, data):
    found = []
    for t in texts:
        marks = sorted(data.draw(st.sets(st.integers(0, len(t)), max_size=6)))
        found.append(list(zip(marks[::2], marks[1::2], strict=False)))
    words = spans_of(split_words(texts), lambda given_: found if given_ == texts else [], "x")
    assert words.strings() == [t[a:b] for t, spans in zip(texts, found, strict=True) for a, b in spans]
    assert words.row.tolist() == [r for r, spans in enumerate(found) for _ in spans]
    assert words.unit.tolist() == [i for spans in found for i, _ in enumerate(spans)]
    assert words.points_before(words.start, words.row).tolist() == [a for spans in found for a, _ in spans]
    new = ["<é>"] * len(words)
    expected = []
    for t, spans in zip(texts, found, strict=True):
        at, pieces = 0, []
        for a, b in spans:
            pieces, at = [*pieces, t[at:a], "<é>"], b
        expected.append("".join(pieces) + t[at:])
    assert replaced(words, np.arange(len(words)), new, column(texts)) == expected


@pytest.mark.parametrize("wrong", [[(1, 1)], [(0, 2), (1, 3)], [(2, 3), (0, 1)], [(0, 4)], [(-1, 1)]])
def test_spans_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="x: text 1, span .* within 3"):
        spans_of(split_words(["", "aé漢"]), lambda texts: [[], wrong], "x")


# protected content

SIGNS = st.text(alphabet="ab1٣५９𝟙$€£₹.,@ :/wht\tép漢", max_size=30)
PIECES = st.lists(
    st.one_of(
        SIGNS,
        st.sampled_from(
            [
                "a.b@c.de",
                "http://x.y/z?1",
                "HTTPS://é.x",
                "www.x.y",
                "x.org/a",
                "and/or",
                "EUR",
                "Acme Prime",
                "acmeprime",
                " ",
                "(",
                "x@y",
            ]
        ),
    ),
    max_size=5,
).map("".join)


LINKS = r"(?:https?://|www\.)\S+|(?<![\w.-])(?:[a-z0-9-]+\.)+[a-z]{2,}/\S*"


def slow_protected(text: str, what: str) -> list[bool]:
    "For each word whether it overlaps what is protected, sought character by character or by an expression over the string."
    if what == "number":
        spans = [(i, i + 1) for i, c in enumerate(text) if unicodedata.category(c) in ("Nd", "Sc")]
        spans += [m.span() for m in re.finditer(r"(?<![A-Za-z])EUR\s?(?=\d)|(?<=\d)\s?EUR(?![A-Za-z])", text, re.ASCII)]
    elif what == "email":
        spans = [m.span() for m in re.finditer(r"[^\s@<>(),;:]+@[^\s@<>(),;:]+\.[^\s@<>(),;:]+", text, re.ASCII)]
    elif what == "link":
        spans = [m.span() for m in re.finditer(LINKS, text, re.IGNORECASE | re.ASCII)]
    else:
        spans = [m.span() for m in re.finditer(r"(?<!\w)acme prime(?!\w)", text, re.IGNORECASE)]
    return [any(a < end and start < b for start, end in spans) for a, b in slow_words(text)]


def held(words, what: str, terms: list[str]) -> list[bool]:
    found = words.protected(what, terms if what == "term" else ())
    return [False] * len(words) if found is None else found.tolist()


@quick
@given(st.lists(PIECES, max_size=4))
def test_protected_words_are_those_of_a_slow_reader(texts):
    words = split_words(texts)
    for what in ("number", "email", "link", "term"):
        assert held(words, what, ["Acme Prime", " "]) == [p for t in texts for p in slow_protected(t, what)], what


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pay $5 or five", [False, True, False, False]),
        ("€ alone", [True, False]),
        ("EUR 300 or 1,200.50 EUR in EUR", [True, True, False, True, True, False, False]),
        ("from GB29 NWBK 6016 1331 9268 19 please", [False, True, True, True, True, True, True, False]),
        ("at example.com/returns and/or there.", [False, True, False, False]),
        ("mail a.b@c.de, now", [False, True, False]),
        ("(see https://x.org/a?b=c) ok", [False, True, False]),
        ("the Acme  Prime card", [False, False, False, False]),
        ("the ACME prime, card", [False, True, True, False]),
        ("AcmePrime Acme Primer", [False, False, False]),
    ],
)
def test_protected_words_by_hand(text, expected):
    words = split_words([text])
    every = [held(words, what, ["Acme Prime"]) for what in ("number", "email", "link", "term")]
    assert np.any(every, axis=0).tolist() == expected


# columns as pandas keeps them

VALUES = ["ab c", None, "", "é 漢", "last"]


def behind_gaps() -> pa.Array:
    "An Arrow array with bytes behind its missing cell."
    offsets, data = pa.py_buffer(np.array([0, 4, 9, 9, 15, 19], np.int64)), pa.py_buffer("ab cXXXXXé 漢last".encode())
    return pa.LargeStringArray.from_buffers(5, offsets, data, pa.py_buffer(bytes([0b11101])))


KEPT = {
    "str": pd.Series(VALUES, dtype="str"),
    "string": pd.Series(VALUES, dtype="string"),
    "python": pd.Series(VALUES, dtype=pd.StringDtype("python")),
    "objects": pd.Series(VALUES, dtype=object),
    "nan": pd.Series(["ab c", float("nan"), "", "é 漢", "last"], dtype=object),
    "a slice": pd.Series(["zz", *VALUES, "zz"], dtype="str").iloc[1:-1],
    "taken": pd.Series(VALUES[::-1], dtype="str").iloc[::-1],
    "joined": pd.concat([pd.Series(VALUES[:2], dtype="str"), pd.Series(VALUES[2:], dtype="str")]),
    "small offsets": pd.Series(pd.array(pa.array(VALUES, pa.string()), dtype="str")),
    "bytes behind a gap": pd.Series(pd.array(behind_gaps(), dtype="str")),
}


@pytest.mark.parametrize("kept", KEPT)
def test_a_column_has_the_same_words_however_it_is_kept(kept):
    series = KEPT[kept]
    data, offsets, present = column_bytes(series)
    assert data.tobytes().decode() == "ab cé 漢last" and offsets.tolist() == [0, 4, 4, 4, 10, 14]
    assert present is not None and present.tolist() == [True, False, True, True, True]
    words = split_words(series)
    assert words.strings() == ["ab", "c", "é", "漢", "last"] and words.row.tolist() == [0, 0, 3, 3, 4]
    after, _, _ = words.spliced(words.row[[1, 3]], words.start[[1, 3]], words.end[[1, 3]], *packed(["C!", ""]), series)
    assert after.dtype == series.dtype and after.index.equals(series.index)
    assert after.isna().tolist() == series.isna().tolist()
    assert after.dropna().tolist() == ["ab C!", "", "é ", "last"]


def test_a_column_without_a_gap_has_no_mask_and_one_of_gaps_no_bytes():
    assert column_bytes(pd.Series(["a", ""], dtype="str"))[2] is None
    data, offsets, present = column_bytes(pd.Series([None, None], dtype="str"))
    assert len(data) == 0 and offsets.tolist() == [0, 0, 0] and not present.any()
    assert len(split_words(pd.Series([None, None], dtype=object))) == 0
