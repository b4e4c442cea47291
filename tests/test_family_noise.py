"""Noise: what fingers, scanners, microphones and sensors make of a value, and that it is what the tables say."""

import json
import random
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import kind_named, noise
from pilot_to_prod.scenarios._speech import SPOKEN, number_words, said, spoken_number
from pilot_to_prod.scenarios._spelling import dyslexic_edits, in_case_of
from pilot_to_prod.scenarios._tables import packaged, table_path
from pilot_to_prod.spec import Spec

quick = settings(deadline=None, max_examples=40, derandomize=True)
WORD_KINDS = [
    "typos",
    "char_swap",
    "char_delete",
    "char_insert",
    "char_substitute",
    "ocr_errors",
    "homophones",
    "dyslexia",
    "misspellings",
]
LEFT = (0, 1.5, 1.75, 2.25)  # where a row of keys begins, in key widths


def hit(name, texts, *, severity=1.0, seed=0, **params):
    frame = pd.DataFrame({"t": pd.Series(texts, dtype=object)})
    return kind_named(name)("t", severity=severity, **params).fit(frame).corrupt(frame, seed=seed)


def after(name, texts, **params):
    return hit(name, texts, **params).frame["t"].tolist()


def numbers(name, values, reference=None, *, severity=1.0, seed=0, **params):
    frame = pd.DataFrame({"n": values})
    fitted = kind_named(name)("n", severity=severity, **params).fit(
        frame if reference is None else pd.DataFrame({"n": reference})
    )
    return fitted.corrupt(frame, seed=seed)


def distance(a, b):
    "Edits between two words, a swap of neighbours being one (optimal string alignment)."
    d = {(i, j): i + j for i in range(len(a) + 1) for j in range(len(b) + 1) if not i or not j}
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return d[len(a), len(b)]


# tables


@pytest.mark.parametrize("name", ["key_positions.json", "key_positions_shift.json"])
def test_every_layout_has_the_same_keys(name):
    table = packaged(name)
    assert {tuple(map(len, rows)) for rows in table.values()} == {(13, 13, 11, 10)}
    assert all(c == " " or unicodedata.category(c)[0] != "C" for rows in table.values() for row in rows for c in row)
    assert (
        table.keys()
        == packaged("key_positions.json").keys()
        >= {"en", "de", "fr", "es", "ru", "el", "ar", "he", "uk", "tr", "ko"}
    )


def around(place):
    "Letter → letters nearer than 1.3 key widths, or else the nearest ones."
    out = {}
    for c, here in place.items():
        gaps = {d: np.hypot(here[0] - there[0], here[1] - there[1]) for d, there in place.items() if d.upper() != c.upper()}
        out[c] = "".join(
            sorted(d for d, g in gaps.items() if g < 1.3 or (min(gaps.values()) >= 1.3 and g == min(gaps.values())))
        )
    return out


def test_neighbours_lie_side_by_side():
    "The neighbours, computed again from the places of the keys; the backslash key is in the second or, in Europe, the third row."
    keyboards, positions = noise.keyboards(), packaged("key_positions.json")
    assert keyboards.keys() == positions.keys() - {"ko"}
    for name, near in keyboards.items():
        keys = [(c, (LEFT[r] + i, r)) for r, row in enumerate(positions[name]) for i, c in enumerate(row)]
        letters = {c: at for c, at in reversed(keys) if unicodedata.category(c)[0] in "LM" and c not in "ªº\ufefb"}
        found = [
            around(letters | ({c: at} if (c := positions[name][1][12]) in letters else {})) for at in ((13.5, 1), (12.75, 2))
        ]
        assert near in found, name
        assert all(c == c.lower() for c in near)


@pytest.mark.parametrize(
    ("layout", "letter", "near"),
    [
        ("en", "g", "bfhtvy"),
        ("fr", "m", "lpù"),
        ("de", "ü", "pßäö"),
        ("ru", "ж", "дзхэю"),
        ("el", "σ", "αδεζχ"),
        ("tr", "ı", "jkou"),
    ],
)
def test_neighbours_by_hand(layout, letter, near):
    assert noise.keyboards()[layout][letter] == near


@pytest.mark.parametrize("name", sorted(json.loads(table_path("noise.sources.json").read_text(encoding="utf-8"))))
def test_every_table_names_its_source(name):
    stated = json.loads(table_path("noise.sources.json").read_text(encoding="utf-8"))[name]
    assert {"what", "source", "licence", "url", "rows"} <= stated.keys()
    if name.endswith(".tsv"):
        found = len(table_path(name).read_text(encoding="utf-8").splitlines()) - 1
    else:
        table = packaged(name)
        found = sum(map(len, table.values())) if name in ("keyboards.json", "phonetic_spellings.json") else len(table)
    assert stated["rows"] == found


def test_no_digit_is_read_as_another_digit():
    for seen, read in packaged("ocr_confusions.json").items():
        for new in read:
            assert new and new != seen
            assert not (any(c.isdigit() for c in seen) and any(c.isdigit() for c in new))


@pytest.mark.parametrize("language", SPOKEN)
def test_words_that_sound_alike_do_so_both_ways(language):
    table = noise.sound_alikes(language)
    for word, others in table.items():
        assert word == word.lower() and len({word.upper(), *(o.upper() for o in others)}) == len(others) + 1
        assert all(word in table[o] for o in others if o in table)


def test_no_misspelling_is_a_word_of_the_list():
    table = noise._misspelt()
    assert not {new for choices in table.values() for new in choices} & table.keys()
    assert {"definitely", "receive", "separate", "necessary"} <= table.keys() and "recieve" in table["receive"]


# slips


@pytest.mark.parametrize(
    ("word", "move", "where", "which", "made"),
    [
        ("Gone", 0.0, 0.0, 0.0, "Bone"),
        ("gone", 0.49, 0.0, 0.99, "yone"),
        ("gone", 0.5, 0.0, 0.0, "ogne"),
        ("gone", 0.69, 0.99, 0.0, "gon"),  # nothing follows the last letter: it is left out
        ("good", 0.6, 0.3, 0.0, "god"),  # neighbours that are equal cannot be swapped
        ("gone", 0.7, 0.0, 0.0, "one"),
        ("gone", 0.85, 0.99, 0.0, "gonee"),
        ("go", 0.9, 0.0, 0.0, "bo"),  # short words only slip to the key beside
        ("(4go)", 0.8, 0.5, 0.0, "(4g)"),
    ],
)
def test_a_slip_is_pinned(word, move, where, which, made):
    "Other kernels must equal this one."
    assert noise._slip(word, noise.keyboards()["en"], move, where, which) == made


def test_a_typo_is_one_edit():
    words = ["refund", "money", "the", "of", "I", "Größe", "GONE", "don't", "(please)!", "well-known"]
    for seed in range(20):
        for old, new in zip(words, " ".join(after("typos", [" ".join(words)], seed=seed, layout="de")).split(" "), strict=True):
            assert distance(old, new) == 1


@quick
@given(st.text(alphabet="abcdéñßÄÖ'-", min_size=2, max_size=12), st.integers(0, 5))
def test_single_slips_are_what_they_are_called(word, seed):
    made = {
        k: hit(k, [word], seed=seed, **({"layout": "en"} if k in ("char_insert", "char_substitute") else {}))
        for k in WORD_KINDS[1:5]
    }
    new = {k: h.frame["t"][0] for k, h in made.items() if h.delivered}
    if "char_swap" in new:
        assert (
            sorted(new["char_swap"]) == sorted(word) and sum(a != b for a, b in zip(word, new["char_swap"], strict=True)) == 2
        )
    if "char_delete" in new:
        assert len(new["char_delete"]) == len(word) - 1
    if "char_insert" in new:
        assert len(new["char_insert"]) == len(word) + 1
    if "char_substitute" in new:
        assert sum(a != b for a, b in zip(word, new["char_substitute"], strict=True)) == 1
    assert all(distance(word, v) == 1 for v in new.values())


def test_letters_move_with_their_marks():
    word = unicodedata.normalize("NFD", "éàüñ")
    clusters = [word[i : i + 2] for i in range(0, 8, 2)]
    for seed in range(10):
        new = after("char_swap", [word], seed=seed)[0]
        assert sorted(new[i : i + 2] for i in range(0, 8, 2)) == sorted(clusters)
        assert len(after("char_delete", [word], seed=seed)[0]) == 6


# what other libraries get wrong


@pytest.mark.parametrize("name", WORD_KINDS)
def test_nothing_but_the_word_is_touched(name):
    "nlpaug turns `Don't pay $1,200.50` into `Don ' t pay $ 1, 200. 50`."
    before = "Don't  pay\t$1,200.50\u00a0there,\n(receive)!"
    params = {"layout": "en"} if name in ("typos", "char_insert", "char_substitute") else {}
    if name in ("homophones", "dyslexia"):
        params = {"language": "en"}
    for seed in range(10):
        new = after(name, [before], seed=seed, **params)[0]
        if name != "homophones":
            assert [c for c in new if c.isspace()] == [c for c in before if c.isspace()]
        parts = new.split()
        assert parts[2] == "$1,200.50" or name == "ocr_errors"
        assert new.endswith(")!") or name in ("ocr_errors", "typos")  # the finger may swap a letter with the sign behind it


def test_texts_are_typed_on_the_keyboard_of_their_language():
    "nlpaug leaves Cyrillic alone on its default layout, and says nothing."
    frame = ["Где моя посылка и когда она придёт", "Where is my parcel and when does it arrive", "Πού είναι το δέμα μου"]
    made = hit("typos", frame)
    assert made.delivered == made.eligible == 7 + 9 + 5
    for old, new in zip(frame, made.frame["t"], strict=True):
        script = {unicodedata.name(c).split()[0] for c in old if c.isalpha()}
        assert {unicodedata.name(c).split()[0] for c in new if c.isalpha()} == script and new != old


def test_a_language_without_a_keyboard_is_reported():
    made = hit("typos", ["我的包裹在哪里", "where is my parcel today"])
    assert made.frame["t"][0] == "我的包裹在哪里"
    assert sum(c.untreated for c in made.counts) == 7 and made.delivered == 5


@pytest.mark.parametrize("name", [*WORD_KINDS, "speech_to_text"])
def test_missing_texts_stay_missing(name):
    "nlpaug crashes on None."
    for gone in (None, np.nan, pd.NA):
        made = hit(name, ["Their refund is here, and the delivery was separate", gone])
        assert made.delivered >= 1 and pd.isna(made.frame["t"][1])


def test_equal_rows_get_different_slips():
    "NL-Augmenter edits the same positions in every row, and edits at probability 0."
    texts = ["please send me the new invoice again"] * 60
    new = after("typos", texts, severity=0.15)
    places = {
        next(i for i, (a, b) in enumerate(zip(t.split(), texts[0].split(), strict=True)) if a != b)
        for t in new
        if t != texts[0]
    }
    assert places == set(range(7)) and len(set(new)) > 30
    assert after("typos", texts, severity=0.0) == texts


# scanners, microphones, spelling


def test_a_scanner_joins_and_splits_letters():
    made = {after("ocr_errors", ["modern"], seed=s)[0] for s in range(60)}
    assert "modem" in made and "rnodern" in made and "moclern" in made


def test_a_misread_amount_is_never_another_amount():
    for seed in range(30):
        for old, new in zip(
            ("1,200.50", "10", "2026"), after("ocr_errors", ["1,200.50", "10", "2026"], seed=seed), strict=True
        ):
            assert any(c.isalpha() for c in new) and new != old


def test_homophones_keep_case_and_signs():
    made = after("homophones", ["Their, THEIR (their)", "I\u2019ll"], language="en")
    first, second, third = made[0].split()
    assert first in ("There,", "They're,") and second in ("THERE", "THEY'RE") and third in ("(there)", "(they're)")
    assert made[1] in ("Aisle", "Isle")


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("I paid $1,200.50 for 2 flights!", "i paid one thousand two hundred dollars and fifty cents for two flights"),
        ("Don't “shout”, please...", "don't shout please"),
        ("Mail joe@x.com or see https://a.b/C?", "mail joe@x.com or see https://a.b/C?"),
        ("50% off, 10:30 sharp (A12)", "fifty percent off 10 30 sharp a12"),
        ("call 0049 now", "call zero zero four nine now"),
    ],
)
def test_a_transcript_by_hand(text, heard):
    assert after("speech_to_text", [text], language="en", misheard=0.0) == [heard]


@pytest.mark.parametrize(
    ("language", "token", "words"),
    [
        ("de", "1.200,50€", "eintausendzweihundert euro fünfzig"),
        ("de", "1€", "ein euro"),
        ("fr", "80€", "quatre-vingts euros"),
        ("fr", "1000000€", "un million d'euros"),
        ("fr", "21£", "vingt et une livres"),
        ("es", "21€", "veintiún euros"),
        ("es", "200£", "doscientas libras"),
        ("es", "3,5", "tres coma cinco"),
        ("en", "-3", "minus three"),
        ("en", "1,50", None),
        ("en", "$5€", None),
    ],
)
def test_amounts_as_they_are_said(language, token, words):
    assert spoken_number(token, language) == words


@pytest.mark.parametrize(
    ("language", "said_as"),
    [
        ("en", {0: "zero", 21: "twenty one", 101: "one hundred one", 1001: "one thousand one", 2_000_000: "two million"}),
        (
            "de",
            {1: "eins", 21: "einundzwanzig", 101: "einhunderteins", 21_000: "einundzwanzigtausend", 1_000_000: "eine million"},
        ),
        (
            "fr",
            {
                71: "soixante et onze",
                80: "quatre-vingts",
                81: "quatre-vingt-un",
                200: "deux cents",
                80_000: "quatre-vingt mille",
            },
        ),
        (
            "es",
            {
                16: "dieciséis",
                31: "treinta y uno",
                100: "cien",
                500: "quinientos",
                21_000: "veintiún mil",
                1_000_000: "un millón",
            },
        ),
    ],
)
def test_numbers_as_they_are_said(language, said_as):
    assert {n: number_words(n, language) for n in said_as} == said_as
    some = [*range(1200), *random.Random(0).sample(range(10**9), 500)]
    assert len({number_words(n, language) for n in some}) == len(set(some))
    with pytest.raises(ValueError, match="999,999,999"):
        number_words(10**9, language)


@quick
@given(st.text(max_size=30).filter(lambda t: not any(0xD800 <= ord(c) < 0xE000 for c in t)), st.sampled_from(SPOKEN))
def test_anything_can_be_heard(text, language):
    for token in text.split():
        heard = said(token, language)
        assert heard == heard.strip() and not any(c in heard for c in '!?;"') or "@" in token or any(c.isdigit() for c in token)


def test_misheard_words_are_a_share_of_those_that_sound_alike():
    texts = ["their right hour"] * 400
    new = after("speech_to_text", texts, language="en", misheard=0.4)
    wrong = np.mean([w not in ("their", "right", "hour") for t in new for w in t.split()])
    assert 0.35 < wrong < 0.55 and all(t != texts[0] for t in new)
    assert hit("speech_to_text", texts, language="en", misheard=0.0).eligible == 0
    with pytest.raises(ValueError, match=r"misheard must be a share in \[0, 1\]; got 40"):
        hit("speech_to_text", texts, language="en", misheard=40)


def test_a_transcript_keeps_the_firms_own_terms():
    spec = Spec.model_validate(
        {
            "name": "x",
            "task": "multiclass",
            "model": {"loader": "module", "ref": "a:b"},
            "data": {"reference": "a.csv", "replay": "a.csv", "label": "y", "columns": {"t": "text"}, "terms": ["WriteRight"]},
        }
    )
    frame = pd.DataFrame({"t": ["My WriteRight account, where is it?"], "y": ["a"]})
    fitted = kind_named("speech_to_text")("t", severity=1.0, language="en", misheard=0.0).fit(frame, spec)
    assert fitted.corrupt(frame).frame["t"].tolist() == ["my WriteRight account where is it"]


def test_dyslexia_spells_by_ear_turns_and_reorders():
    ear, turned, moved = dyslexic_edits("phone", "en")
    assert (0, 2, "f") in ear and (0, 1, "q") in turned and (1, 3, "oh") in moved
    made = [after("dyslexia", ["knobs"], seed=s, language="en")[0] for s in range(200)]
    assert 0.35 < np.mean([m == "nobs" for m in made]) < 0.65
    assert {"kuobs", "knods", "knops", "konbs", "knbos"} & set(made)


def test_dyslexia_keeps_the_case_of_the_word():
    assert all(after("dyslexia", ["Hola"], seed=s, language="es")[0][0].isupper() for s in range(10))
    assert all(after("dyslexia", ["WRONG"], seed=s, language="en")[0].isupper() for s in range(10))
    assert in_case_of("sofa", "iPhone") == "sofa" and in_case_of("sofa", "NICE") == "SOFA" and in_case_of("x", "I") == "X"


def test_misspellings_are_english_only():
    made = hit("misspellings", ["I definitely want to receive it tomorrow", "Ich möchte das Paket bitte morgen früh erhalten"])
    assert (
        made.frame["t"][1] == "Ich möchte das Paket bitte morgen früh erhalten"
        and made.frame["t"][0].split()[1] != "definitely"
    )
    assert sum(c.untreated for c in made.counts) == 8


# numbers


def test_noise_has_the_size_that_was_asked_for():
    x = np.random.default_rng(0).normal(50, 20, 4000)
    new = numbers("gaussian_noise", x, scale=0.2).frame["n"]
    moved = (new - x).to_numpy()
    assert np.std(moved) == pytest.approx(0.2 * x.std(), rel=0.05) and abs(moved.mean()) < 0.3 and (moved != 0).all()


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8", "Int32"])
def test_whole_numbers_stay_whole_and_in_their_type(dtype):
    x = pd.Series([0, 1, 2, 100, 127] * 20, dtype=dtype)
    made = numbers("gaussian_noise", x, scale=0.001)
    assert made.delivered == 100 and made.frame["n"].dtype == x.dtype
    assert (made.frame["n"].astype(int) - x.astype(int)).abs().isin([1]).all() and (made.frame["n"] >= 0).all()
    counted = pd.Series([1.0, 2.0, 30.0, np.nan])
    assert (numbers("gaussian_noise", counted).frame["n"].dropna() % 1 == 0).all()


def test_what_was_never_negative_does_not_become_so():
    x = np.random.default_rng(0).exponential(1, 500)
    assert (numbers("gaussian_noise", x, scale=2.0).frame["n"] >= 0).all()
    assert (numbers("gaussian_noise", x - 1, scale=2.0).frame["n"] < -1).any()


@pytest.mark.parametrize("name", ["gaussian_noise", "outliers", "rounding", "saturation"])
def test_what_is_no_finite_number_is_left_alone(name):
    x = pd.Series([1.5, 20.25, 300.125, 4000.0625, np.inf, -np.inf, np.nan, "x", None, True], dtype=object)
    made = numbers(name, x)
    for i in range(6 if name == "saturation" else 4, 10):
        assert made.frame["n"][i] is x[i] or pd.isna(x[i])
    assert numbers(name, pd.Series([True, False, True])).eligible == 0
    assert name == "outliers" or numbers(name, pd.Series([3, 3, 3])).eligible == 0


@pytest.mark.parametrize("far", [1.5, 3.0])
def test_outliers_lie_beyond_the_fences_on_both_sides(far):
    x = np.random.default_rng(0).normal(0, 1, 1000)
    low, high = np.quantile(x, (0.25, 0.75))
    new = numbers("outliers", x, far=far).frame["n"]
    above, below = new > high + far * (high - low), new < low - far * (high - low)
    assert (above | below).all() and 0.45 < above.mean() < 0.55
    assert new.abs().max() < 2.1 * far * (high - low) + 1


def test_outliers_of_whole_numbers_are_whole():
    ages = pd.Series([20, 30, 40, 50, 60] * 10, dtype="int8")
    made = numbers("outliers", ages)
    assert made.frame["n"].dtype == np.dtype("int64") and (made.frame["n"].sub(40).abs() > 60).all()
    assert (numbers("outliers", ages.astype("uint16")).frame["n"] > 110).all()
    assert numbers("outliers", pd.Series([5, 5, 5, 5])).delivered == 4


@pytest.mark.parametrize(
    ("values", "params", "rounded"),
    [
        ([1234, 1200, -987, 5, 0], {}, [1200, 1200, -990, 5, 0]),
        ([1234.5, 0.0123456, 9.99], {}, [1200.0, 0.012, 10.0]),
        ([1234, 55], {"digits": 1}, [1000, 60]),
        ([0.15, 0.17, 0.31], {"step": 0.05}, [0.15, 0.15, 0.3]),
        ([12, 13, 15], {"step": 5}, [10, 15, 15]),
    ],
)
def test_rounding_by_hand(values, params, rounded):
    made = numbers("rounding", values, **params)
    assert made.frame["n"].tolist() == rounded
    assert made.eligible == sum(a != b for a, b in zip(values, rounded, strict=True))
    assert numbers("rounding", made.frame["n"], **params).eligible == 0


def test_a_saturated_sensor_reports_the_end_of_its_range():
    x = pd.Series(np.arange(1, 101))
    made = numbers("saturation", x)
    assert made.eligible == 19 and made.exercised and made.frame["n"].dtype == x.dtype
    assert made.frame["n"].tolist() == x.clip(10, 90).tolist()
    assert numbers("saturation", x, lower=None, upper=0.5).frame["n"].tolist() == x.clip(upper=50).tolist()
    inside = numbers("saturation", pd.Series([40, 50, 60] * 20), reference=x)
    assert inside.eligible == 0 and not inside.exercised


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("typos", {"layout": "xx"}, r"no keyboard layout 'xx'; known: af, ar,"),
        ("char_insert", {"layout": "xx"}, r"no keyboard layout 'xx'; known: af, ar,"),
        ("homophones", {"language": "xx"}, r"no words that sound alike for language 'xx'; known: en, de, fr, es\."),
        ("dyslexia", {"language": "xx"}, r"no phonetic spellings for language 'xx'; known: en, de, fr, es\."),
        ("gaussian_noise", {"scale": 0}, r"scale must be above 0; got 0\."),
        ("outliers", {"far": -1}, r"far must be above 0; got -1\."),
        ("rounding", {"digits": 0}, r"digits must be a whole number from 1 to 17; got 0\."),
        ("rounding", {"step": 0}, r"step must be a number above 0; got 0\."),
        ("saturation", {"lower": 0.9, "upper": 0.1}, r"0 ≤ lower < upper ≤ 1; got 0\.9 and 0\.1\."),
        ("saturation", {"lower": None, "upper": None}, r"got None and None\."),
    ],
)
def test_errors_say_what_is_allowed(name, params, message):
    with pytest.raises(ValueError, match=message):
        if "amount" in kind_named(name).roles:
            numbers(name, [1.0, 2.0, 3.5], **params)
        else:
            hit(name, ["where is it"], **params)
