"""How people write in chats: what becomes what, in which language, and what stays as it is."""

import json
import unicodedata
from importlib import resources
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import _phrases as phrases
from pilot_to_prod.scenarios import kinds, scenario, slang
from pilot_to_prod.scenarios._tables import read_choices, table_path
from pilot_to_prod.spec import Spec

TABLES = resources.files("pilot_to_prod").joinpath("scenarios/tables")
LANGUAGES = slang._shipped_languages()
SOURCES = json.loads(TABLES.joinpath("slang.sources.json").read_text(encoding="utf-8"))
SHARED = Path(__file__).parents[2] / "shared" / "data"
FEEDBACK = Path(__file__).parents[1] / "pilots" / "feedback" / "data"
quick = settings(deadline=None, max_examples=50, derandomize=True)
kinds()


def made(name: str, texts: list[str], severity: float = 1, **params: object) -> list[str]:
    "Texts after a scenario that hits every unit."
    frame = pd.DataFrame({"text": texts})
    one = scenario(name, columns=["text"], severity=severity, **params)
    return one.fit(frame).corrupt(frame, seed=4).frame["text"].tolist()


# whole words and phrases -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["slang", "chat"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_entry_is_found_alone_and_becomes_one_of_its_choices_and_never_itself(language: str, column: str) -> None:
    table = phrases.shipped("slang", column, language)
    assert len(table) > 60
    for key, choices in table.choices.items():
        standard = table.standards[key]
        assert table.find(standard) == [(0, len(standard))], standard
        for i in range(len(choices)):
            assert table.said(standard, (i + 0.5) / len(choices)) == choices[i] != standard


@pytest.mark.parametrize("language", LANGUAGES)
def test_case_does_not_hide_an_entry_and_is_kept(language: str) -> None:
    table = phrases.shipped("slang", "slang", language)
    for key in table.choices:
        loud = phrases.shout(table.standards[key], language)
        if len([c for c in loud if c.isalpha()]) > 1 and phrases.fold(loud, language) == key:
            assert table.find(loud) == [(0, len(loud))], loud
            said = table.said(loud, 0.1)
            assert said == phrases.shout(said, language)


@pytest.mark.parametrize(
    "before, after",
    [
        ("as soon as possible", "asap"),
        ("Please reply AS SOON AS POSSIBLE!", "Please reply ASAP!"),
        ("we are going to cancel, (want to) pay", "we are gonna cancel, (wanna) pay"),
        ("as  soon as\tpossible", "asap"),
        ("Of course.", "Ofc."),
    ],
)
def test_phrases_are_replaced_whole_in_their_case_with_the_signs_around_them(before: str, after: str) -> None:
    assert made("slang", [before], language="en") == [after]


@pytest.mark.parametrize(
    "text",
    [
        "as soon as\npossible",  # not over a line
        "thanks@parents.org",
        "http://money.example/friend",
        "my-friend's friends-to-be",
        "#money @friend friend_1 friend2",
        "moneybags, befriended",
        "give.me",
    ],
)
def test_addresses_compounds_and_parts_of_words_stay(text: str) -> None:
    assert made("slang", [text], language="en") == [text]


@pytest.mark.parametrize(
    "place, gonna", [("the bank", False), ("Paris", False), ("work", False), ("cancel it", True), ("be late", True)]
)
def test_who_goes_to_a_place_is_not_gonna(place: str, gonna: bool) -> None:
    [after] = made("slang", [f"she is going to {place}"], language="en")
    assert ("gonna" in after) is gonna


def test_the_longest_entry_wins() -> None:
    table = phrases.Phrases.of({"let me": ["lemme"], "let me know": ["lmk"], "know": ["kno"]}, "en")
    text = "let me know, let me go"
    assert [text[a:b] for a, b in table.find(text)] == ["let me know", "let me"]


def test_turkish_keeps_its_two_kinds_of_i_apart() -> None:
    assert phrases.fold("İYİ IŞIK", "tr") == "iyi ışık"
    assert phrases.fold("İ", None) == "i"
    assert made("slang", ["İYİ GÜNLER"], language="tr")[0] in ("İİ GÜNLER", "KOLAY GELSİN")


def test_after_an_apostrophe_only_what_still_begins_with_a_vowel_is_replaced() -> None:
    assert made("slang", ["l'argent, mon argent, l'appartement"], language="fr")[0].startswith("l'argent, mon ")
    assert "l'appart" in made("slang", ["l'appartement"], language="fr")
    assert made("slang", ["the friend's"], language="en") == ["the friend's"]


@quick
@given(st.text(max_size=60))
def test_folding_keeps_every_position(text: str) -> None:
    for language in ("en", "tr", None):
        assert len(phrases.fold(text, language)) == len(text)


@quick
@given(
    st.lists(
        st.sampled_from(["as", "soon", "possible", "let", "me", "know", "going", "to", "a", ",", "  ", "é", "-", "'"]),
        max_size=12,
    )
)
def test_spans_are_in_order_apart_and_entries(parts: list[str]) -> None:
    text, table, at = " ".join(parts), phrases.shipped("slang", "slang", "en"), 0
    for a, b in table.find(text):
        assert at <= a < b <= len(text)
        assert table.key(text[a:b]) in table.choices
        at = b


def test_words_carry_their_marks() -> None:
    text = unicodedata.normalize("NFD", "déjà vu") + " हिन्दी"
    assert [text[a:b] for a, b in phrases.word_spans(text)] == [*unicodedata.normalize("NFD", "déjà vu").split(), "हिन्दी"]


# tables ----------------------------------------------------------------------------------------------------------------


def test_slang_is_there_for_at_least_six_languages_with_entries_of_several_words() -> None:
    assert len(LANGUAGES) >= 6
    for language in LANGUAGES:
        keys = phrases.shipped("slang", "slang", language).choices
        assert sum(" " in k for k in keys) >= 15, language


def test_every_table_names_source_licence_size_and_coverage() -> None:
    for language in LANGUAGES:
        about = SOURCES[f"slang_{language}.tsv"]
        lines = TABLES.joinpath(f"slang_{language}.tsv").read_text(encoding="utf-8").strip().split("\n")
        assert about["rows"] == len(lines) - 1
        assert about["source"] and about["licence"] and about["coverage"]
    assert "ekphrasis" in SOURCES["slang_en.tsv"]["source"] and "MIT" in SOURCES["slang_en.tsv"]["licence"]
    assert set(slang.slang_tables().index.get_level_values(0)) == set(LANGUAGES)


def texts_of(language: str, name: str) -> list[str]:
    if name == "banking77":
        parts = [pd.read_csv(SHARED / "banking77" / f"{s}.csv")["text"] for s in ("train", "test")]
        return pd.concat(parts).tolist()
    table = pd.read_csv(FEEDBACK / ("replay.csv" if language == "en" else "parallel.csv"))
    return table["text"].tolist() if language == "en" else table.loc[table["language"] == language, "text"].tolist()


@pytest.mark.parametrize("language", ["de", "en", "es", "fr", "pl", "sv", "tr"])
def test_stated_coverage_is_what_is_measured(language: str) -> None:
    names = ["this project's feedback texts"]
    if language == "en" and (SHARED / "banking77").is_dir():
        names.append("banking77")
    for name in names:
        for table in ("slang", "chat"):
            found = slang.slang_coverage(texts_of(language, name), language, table=table)
            stated = SOURCES[f"slang_{language}.tsv"]["coverage"]
            assert stated[f"{name}: rows with {table}"] == pytest.approx(found["rows"], abs=0.002)
            assert stated[f"{name}: words in {table}"] == pytest.approx(found["words"], abs=0.002)


def test_coverage_counts_rows_and_words() -> None:
    found = slang.slang_coverage(["let me know soon", "nothing here"], "en")
    assert found["rows"] == 1.0 and found["words"] == pytest.approx(4 / 6, abs=0.001)
    assert slang.slang_coverage([], "en").tolist() == [0, 0]


def test_unknown_languages_and_tables_say_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no slang table for 'xx'; known: da, de, en"):
        made("slang", ["a"], language="xx")
    with pytest.raises(ValueError, match="no emoji words for 'xx'; known"):
        made("emoji", ["a"], language="xx")
    with pytest.raises(ValueError, match="no fillers for 'xx'; known"):
        made("fillers", ["a b"], language="xx")
    with pytest.raises(ValueError, match="slang or chat"):
        slang.slang_coverage([], "en", table="leet")
    with pytest.raises(ValueError, match=r"no word table at .*gone\.tsv"):
        made("slang", ["a"], path=str(tmp_path / "gone.tsv"))


def test_an_own_table_is_looked_for_beside_the_promise(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("standard\tslang\nparcel\tbox\n", encoding="utf-8")
    spec = Spec.load(FEEDBACK.parent).model_copy(update={"folder": tmp_path})
    column = next(c for c, r in spec.roles.items() if r == "text")
    frame = pd.DataFrame({spec.data.id: ["1"], column: ["one parcel is here"]})
    hit = scenario("slang", columns=[column], severity=1, path="words.tsv", language="en").fit(frame, spec).corrupt(frame)
    assert hit.frame[column].tolist() == ["one box is here"]


def test_rows_in_languages_without_a_table_stay() -> None:
    texts = ["Please let me know as soon as possible.", "请尽快告诉我我的包裹在哪里。"]
    after = made("slang", texts)
    assert after[0] != texts[0] and after[1] == texts[1]


def test_a_users_table_replaces_ours_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("standard\tslang\nreturn label\tsticker\nthanks\tta|cheers mate\n", encoding="utf-8")
    assert made("slang", ["My Return label, as soon as possible"], path=str(path)) == ["My Sticker, as soon as possible"]
    assert made("abbreviations", ["return label wanted"], path=str(path), vowels=False) == ["sticker wanted"]
    path.write_text("standard\tslang\nreturn label\tretour thingy\n", encoding="utf-8")
    assert made("slang", ["return label"], path=str(path)) == ["retour thingy"]
    path.write_text("standard\tslang\nlabel\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: 1 cell, 2 expected"):
        made("slang", ["label"], path=str(path))


def test_a_users_table_of_one_language_leaves_rows_in_others_alone(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text("standard\tde\nPaket\tPäckchen\n", encoding="utf-8")
    texts = ["Wo ist denn mein Paket geblieben?", "where is my Paket, please?"]
    assert made("slang", texts, path=str(path)) == ["Wo ist denn mein Päckchen geblieben?", texts[1]]
    with pytest.raises(ValueError, match="holds another language than 'fr'"):
        made("slang", texts, path=str(path), language="fr")


def test_choices_that_are_the_entry_itself_are_left_out() -> None:
    assert phrases.Phrases.of({"ok": ["OK"], "no": ["No", "nah"]}).choices == {"no": ("nah",)}


# abbreviations ---------------------------------------------------------------------------------------------------------


def test_entries_come_before_dropped_vowels() -> None:
    assert made("abbreviations", ["please"], language="en")[0] in ("pls", "plz", "plse")
    assert made("abbreviations", ["tomorrow"], language="en")[0] in ("tmrw", "tmr", "tmw")
    assert made("abbreviations", ["Refund gestohlen?"], language="de") == ["Rfnd gsthln?"]
    assert made("abbreviations", ["Refund gestohlen?"], language="de", vowels=False) == ["Refund gestohlen?"]


@quick
@given(st.text(alphabet="abcdeiouyäßéxyz", min_size=1, max_size=14))
def test_a_word_that_loses_its_vowels_keeps_its_ends_and_all_consonants(word: str) -> None:
    if slang._droppable(word):
        short = slang._without_vowels(word)
        assert short[0] == word[0] and short[-1] == word[-1] and len(short) < len(word)
        kept = [c for c in word[1:-1] if unicodedata.normalize("NFD", c)[0] not in "aeiou"]
        assert list(short[1:-1]) == kept


def test_dropped_vowels_take_their_marks_along() -> None:
    assert slang._without_vowels(unicodedata.normalize("NFD", "wörter")) == "wrtr"


# leet, emoji, hashtags, fillers, elongation ------------------------------------------------------------------------------


@quick
@given(st.text(alphabet="aeiostxyzAEIOST!", min_size=1, max_size=40), st.sampled_from([0.0, 0.5, 1.0]))
def test_leet_changes_only_its_letters_and_one_at_least(word: str, share: float) -> None:
    [after] = made("leet", [word], share=share)
    assert len(after) == len(word)
    pairs = [(a, b) for a, b in zip(word, after, strict=True) if a != b]
    assert all(slang.LEET[a.lower()] == b for a, b in pairs)
    able = sum(c.lower() in slang.LEET for c in word)
    assert len(pairs) == (able if share == 1 else min(1, able) if share == 0 else len(pairs)) and bool(pairs) == bool(able)


@pytest.mark.parametrize(
    "language, text", [("en", "credit card"), ("de", "Paket"), ("fr", "carte bancaire"), ("tr", "kredi kartı")]
)
def test_emoji_stand_after_a_word_or_in_its_place(language: str, text: str) -> None:
    [after], [instead] = (made("emoji", [f"a {text}!"], language=language, how=h) for h in ("after", "instead"))
    sign = instead.removeprefix("a ").removesuffix("!")
    assert after == f"a {text} {sign}!" and not any(c.isalnum() for c in sign)
    with pytest.raises(ValueError, match="'after' or 'instead'"):
        made("emoji", ["a"], language=language, how="before")


def test_a_word_has_one_emoji_in_each_language() -> None:
    for language in slang._emoji_languages():
        words = [w for ws in read_choices(table_path("emoji.tsv"), column=language, phrases=True).values() for w in ws]
        assert len({phrases.fold(w, language) for w in words}) == len(words) > 100


@pytest.mark.parametrize(
    "text, ends",
    [
        ("One. Two? Three!", 3),
        ("no stop", 1),
        ("wait... what?!", 2),
        ("v1.2.x is out", 1),
        ("这是什么？", 1),
        ("  \n", 0),
        ("a. ", 1),
    ],
)
def test_every_sentence_may_end_in_an_emoji(text: str, ends: int) -> None:
    [after] = made("emoji_endings", [text], which="🧀")
    assert after.count(" 🧀") == ends
    assert after.replace(" 🧀", "") == text


def test_emoji_of_ones_own_must_be_named() -> None:
    with pytest.raises(ValueError, match="which is empty"):
        made("emoji_endings", ["a."], which=" ")


def test_words_are_run_together_in_hashtags() -> None:
    assert made("hashtags", ["Where's my parcel, it is 12 days late"]) == ["Where's my #parcel, it is 12 #days #late"]
    [after] = made("hashtags", ["where is my parcel gone now"], words=3)
    assert after.lower() == "#whereismy #parcelgonenow"
    assert made("hashtags", ["a b.c http://parcel.example 包裹在哪里"], words=1) == ["a b.c http://parcel.example 包裹在哪里"]
    for wrong, says in (
        (0, "from 1 to 20"),
        (21, "from 1 to 20"),
        (1.5, "a whole number; got 1.5"),
        (True, "a whole number; got True"),
    ):
        with pytest.raises(ValueError, match=says):
            made("hashtags", ["a"], words=wrong)


@pytest.mark.parametrize("language", slang._filler_languages(language=None, path=None))
def test_fillers_stand_between_words_and_nothing_else_changes(language: str) -> None:
    text = "eins zwei drei, vier 5 fünf. sechs"
    [after] = made("fillers", [text], language=language)
    among = sorted(slang._fillers(language, None), key=len, reverse=True)
    words = after.split(" ")
    assert len(words) > len(text.split(" "))
    rest = after
    for filler in among:
        rest = rest.replace(f", {filler},", "").replace(f" {filler}", "")
    assert rest == text
    assert "drei, vier 5 fünf. sechs" in after  # none after a sign, none beside a number


def test_fillers_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "fillers.tsv"
    path.write_text("language\tfillers\nen\tinnit\n", encoding="utf-8")
    assert made("fillers", ["where now"], language="en", path=str(path))[0] in ("where innit now", "where, innit, now")
    with pytest.raises(ValueError, match="no fillers for 'de'; known: en"):
        made("fillers", ["wo nun"], language="de", path=str(path))


@pytest.mark.parametrize(
    "word, letter", [("so", "o"), ("please!", "e"), ("HELP", "E"), ("долго", "о"), ("πολύ", "ύ"), ("شكرا", "ا")]
)
def test_the_last_vowel_is_held(word: str, letter: str) -> None:
    [after] = made("elongation", [word])
    at = word.rindex(letter)
    more = len(after) - len(word)
    assert 2 <= more <= 4
    assert after == word[:at] + letter * (more + 1) + word[at + 1 :]


def test_words_without_a_vowel_stay() -> None:
    assert made("elongation", ["pfft 123 包裹 חבילה"]) == ["pfft 123 包裹 חבילה"]


def test_numbers_mails_links_are_never_touched() -> None:
    texts = ["Pay $1,200.50 to please@money.com or https://please.money/friend today, my friend, the parcel"]
    for name in ("slang", "abbreviations", "leet", "emoji", "fillers", "hashtags", "elongation", "emoji_endings"):
        params = {"language": "en"} if name in ("slang", "abbreviations", "emoji", "fillers") else {}
        [after] = made(name, texts, **params)
        assert after != texts[0], name
        for kept in ("$1,200.50", "please@money.com", "https://please.money/friend"):
            assert kept in after, name
