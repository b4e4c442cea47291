"""Words of a text column: found as a slow reader would find them, and replaced without moving anything else."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios._text import split_words

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


def spans(texts: list[str]) -> list[list[tuple[int, int]]]:
    "Spans of each row as split_words finds them, from the start of the row."
    words = split_words(texts)
    out: list[list[tuple[int, int]]] = [[] for _ in texts]
    for r, unit, a, b in zip(words.row.tolist(), words.unit.tolist(), words.start.tolist(), words.end.tolist(), strict=True):
        assert unit == len(out[r])
        out[r].append((a - int(words.offsets[r]), b - int(words.offsets[r])))
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
    assert words.replace(which, new) == expected


@quick
@given(TEXTS)
def test_replacing_words_by_themselves_changes_nothing(texts):
    words = split_words(texts)
    everything = np.arange(len(words))
    assert words.replace(everything, words.strings()) == texts
    assert words.replace(everything[:0], []) == texts


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
    assert words.replace(np.zeros(0, np.int64), []) == []


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
    assert words.replace(np.array([33_000]), ["z"]) == ["ab " * 33_000 + "z", "y"]
