"""The engine behind every scenario: types of columns, row keys, weights, errors that help, kinds of one's own, pinned draws."""

import sys

import numpy as np
import pandas as pd
import pytest
from mixed import KINDS, NAMES, made, promise, spec_in
from trying import REFERENCE, corrupt, same

from pilot_to_prod.scenarios import (
    Corruption,
    check_scenario,
    kind_named,
    kinds,
    register,
    row_keys,
    scenario,
    suite,
)
from pilot_to_prod.scenarios import _kinds as registered
from pilot_to_prod.scenarios._draws import Draws, key_hashes

sys.modules.setdefault("test_engine", sys.modules[__name__])
SENTENCES = [
    "I paid 1,200.50 for two flights and never received the refund",
    "Où est ma commande? Ich warte seit drei Tagen auf Größe 42,5",
    "Mój zwrot zaginął, the money is gone and the bank says no",
    "ขอบคุณมาก the price was 3.5 here",
    "café naïve façade déjà vu 10.000,00 again",
    "Привет, where is the price of my order from yesterday",
    "hello world, this was the best day of my life",
    "שלום my friend, the house is on fire 👍🏽",
    "",
    "x",
]


@pytest.fixture
def registry():
    "Kinds registered in a test are gone after it."
    kinds()
    before = dict(registered._KINDS)
    yield register
    registered._KINDS.clear()
    registered._KINDS.update(before)


def texts(*values, dtype="str") -> pd.DataFrame:
    return pd.DataFrame({"t": pd.Series(values, dtype=dtype)})


def numbered(index) -> pd.DataFrame:
    return pd.DataFrame({"n": np.arange(len(index)) + 0.5, "m": np.arange(len(index)) * 2.0}, index=index)


def corrupted(kind: str, frame: pd.DataFrame, *columns: str, seed: int = 0, severity: float = 0.5, **params) -> Corruption:
    return KINDS[kind](*columns, severity=severity, **params).fit(frame).corrupt(frame, seed=seed)


# types of columns


@pytest.mark.parametrize("name", ["mcar", "mnar", "mar", "sentinel_nulls", "whole_column"])
@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, 2, 3, 4]),
        pd.Series([1, 2, 3, 4], dtype="Int64"),
        pd.Series([1, 2, 3, 4], dtype="Int8"),
        pd.Series([1, 2, 3, 4], dtype="uint8"),
        pd.Series([1.5, 2, np.nan, 4], dtype="float32"),
        pd.Series([1.5, np.inf, -np.inf, 0.0]),
        pd.Series([True, False, True, False]),
        pd.Series([True, None, True, False], dtype="boolean"),
        pd.Series(["a", "b", None, "c"], dtype="str"),
        pd.Series(["a", "b", None, "c"], dtype="string"),
        pd.Series(["a", 1, None, 2.5], dtype=object),
        pd.Series(["a", "b", None, "c"], dtype="category"),
        pd.Series([1, 2, 1, 3], dtype="category"),
        pd.Series(pd.date_range("2024-01-01", periods=4)),
        pd.Series(pd.date_range("2024-01-01", periods=4)).astype("datetime64[ns]"),
        pd.Series(pd.date_range("2024-01-01", periods=4, tz="Europe/Berlin")),
    ],
    ids=lambda s: f"{s.dtype} {s.iloc[1]}",
)
def test_every_type_of_column_can_lose_its_values(name, values):
    frame = pd.DataFrame({"c": values, "other": [4.0, 3.0, 2.0, 1.0]})
    for severity in (0.5, 1.0):
        hit = corrupted(name, frame, "c", severity=severity)
        assert hit.delivered == hit.asked > 0
        assert same(hit.ledger.undo(hit.frame), frame)
    if name != "sentinel_nulls":
        assert hit.frame["c"].isna().all()
    else:
        assert hit.frame["c"].notna().sum() == values.notna().sum()


def test_a_lost_column_is_replayed_with_its_type():
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=3), "n": [1.0, 2.0, 3.0]})
    for name in ("mcar", "whole_column"):
        hit = corrupted(name, frame, "day", "n", severity=1.0)
        assert same(hit.ledger.replay(frame), hit.frame)


def test_whole_numbers_too_long_for_a_float_can_be_restored():
    frame = pd.DataFrame({"account": [2**60 + 1, 2**53 + 1, 5, 6]})
    hit = corrupted("mcar", frame, "account")
    assert same(hit.ledger.undo(hit.frame), frame)
    kept = hit.frame["account"].notna()
    assert [int(v) for v in hit.frame["account"][kept]] == frame["account"][kept].tolist()


@pytest.mark.parametrize("cut", [2, 4, 6])
def test_whole_numbers_too_long_for_a_float_are_kept_in_any_batch(cut):
    frame = pd.DataFrame({"account": [1, 2, 3, 4, 2**60 + 1, 6, 2**53 + 1, 8]})
    for seed in range(4):
        fitted = KINDS["mcar"]("account", severity=0.5).fit(frame)
        whole, parts = fitted.corrupt(frame, seed=seed), [frame.iloc[:cut], frame.iloc[cut:]]
        bound = fitted.bind(parts, seed=seed)
        assert same(pd.concat([bound.corrupt(p).frame for p in parts]), whole.frame)
        kept = whole.frame["account"].notna()
        assert [int(v) for v in whole.frame["account"][kept]] == frame["account"][kept].tolist()


def test_a_row_that_is_not_hit_keeps_its_whole_number():
    "Another unit makes floats of a column of such long numbers, and floats cannot hold its other cells."
    frame = pd.DataFrame({"n": [2**62, 2**53 + 1, 2**53 + 3, 7]})
    for seed in range(4):
        hit = corrupted("unit_error", frame, "n", seed=seed)
        assert [int(v) for v in hit.frame["n"][~hit.hit]] == frame["n"][~hit.hit].tolist()
        assert same(hit.ledger.undo(hit.frame), frame)


@pytest.mark.parametrize("value", [10**17, 2**53 + 1], ids=["over the range", "over the precision"])
def test_whole_numbers_in_another_unit_are_exact_or_honest_floats(value):
    hit = corrupted("unit_error", pd.DataFrame({"n": [value, 7]}), "n", severity=1.0)
    got = hit.frame["n"].iloc[0]
    assert got == value * 1000 or (isinstance(got, float) and got == pytest.approx(value * 1000))


def test_a_nullable_whole_number_in_another_unit_may_get_a_fraction():
    hit = corrupted("unit_error", pd.DataFrame({"n": pd.array([1, 2, None], dtype="Int64")}), "n", severity=1.0, factor=0.25)
    assert hit.frame["n"].dropna().tolist() == [0.25, 0.5]


def test_a_cell_that_is_no_date_is_not_eligible_for_another_way_of_writing_dates():
    hit = corrupted("locale_dates", pd.DataFrame({"day": ["2024-01-31", "soon", None, "2024-02-01"]}), "day", severity=1.0)
    assert hit.frame["day"].tolist()[:2] == ["31.01.24", "soon"]
    assert hit.eligible == hit.delivered == 2


@pytest.mark.parametrize(
    "values",
    [pd.Categorical(["Zürich", "Bern", "Chur", "Genf"]), pd.array(["Zürich", "Bern", "Chur", None], dtype="string")],
    ids=["category", "string"],
)
def test_a_batch_without_a_hit_has_the_types_of_the_whole(values):
    frame = pd.DataFrame({"city": values})
    fitted = KINDS["mojibake"]("city", severity=1.0).fit(frame)
    whole, bound = fitted.corrupt(frame), fitted.bind([frame])
    parts = [bound.corrupt(frame.iloc[[i]]) for i in range(len(frame))]
    assert {str(p.frame["city"].dtype) for p in parts} == {str(whole.frame["city"].dtype)}
    assert [bool(p.changed[0]) for p in parts] == whole.changed.tolist()


# row keys


@pytest.mark.parametrize(
    "index",
    [
        [5, 3, 9, 1, 7, 8],
        list("fedcba"),
        [1.0, 2.5, 3.0, 4.0, 5.5, 6.0],
        pd.date_range("2024-01-01", periods=6, freq="12h"),
        ["a\x00b", "a", "a\x00c", "é", "", " "],
    ],
    ids=["whole", "text", "fractions", "times", "odd text"],
)
def test_a_row_has_its_key_and_its_corruption_whatever_the_batch(index):
    frame = numbered(index)
    assert [row_keys(frame.iloc[[i]])[0] for i in range(len(frame))] == row_keys(frame).tolist()
    fitted = KINDS["mcar"](severity=0.5).fit(frame)
    bound = fitted.bind([frame])
    assert pd.concat([bound.corrupt(frame.iloc[[i]]).frame for i in range(len(frame))]).equals(fitted.corrupt(frame).frame)


def test_whole_ids_are_the_same_key_as_number_and_as_text():
    assert (
        row_keys(numbered([1, 2])).tolist()
        == row_keys(numbered([1.0, 2.0])).tolist()
        == row_keys(numbered(["1", "2"])).tolist()
    )


@pytest.mark.parametrize("ids", [["r1", "r2", "r1"], ["r1", None, "r3"], [1, 2, 2], [1.0, np.nan, 3.0]])
def test_double_and_missing_ids_are_refused(ids):
    frame = REFERENCE.iloc[:3].assign(id=ids)
    fitted = made("typos").fit(REFERENCE, promise())
    says = "share their id" if pd.Series(ids).notna().all() else "row 1 has no id"
    for act in (lambda: fitted.corrupt(frame), lambda: fitted.bind([frame])):
        with pytest.raises(ValueError, match=says):
            act()


def test_an_id_in_two_batches_is_refused():
    frame = REFERENCE
    with pytest.raises(ValueError, match="share their id"):
        made("typos").fit(frame, promise()).bind([frame.iloc[:5], frame.iloc[4:9]])


@pytest.mark.parametrize("name", NAMES)
def test_a_double_index_is_no_matter_where_ids_are_named(name):
    frame = REFERENCE.iloc[:6]
    doubled = frame.set_axis([0, 0, 1, 1, 1, 2])
    fitted = made(name).fit(REFERENCE, promise())
    hit, plain = (corrupt(fitted, f) for f in (doubled, frame))
    assert same(hit.frame.reset_index(drop=True), plain.frame.reset_index(drop=True))
    assert same(hit.ledger.undo(hit.frame), doubled)


# weights


def test_weights_of_a_kind_order_its_hits(registry):
    @registry("own", unit="cell", roles=("number",), expect="survive", weight=lambda values, place: values.to_numpy(float))
    def by_size(values, draws, place):
        return -values.to_numpy(float)

    frame = pd.DataFrame({"n": [0.0] * 20 + [1.0] * 20 + [1e9] * 20})
    hit = by_size("n", severity=0.5).fit(frame).corrupt(frame)
    assert hit.eligible == 40 and hit.delivered == 20  # a weight of 0 is never hit
    assert (hit.frame["n"][40:] < 0).all() and (hit.frame["n"][:40] >= 0).all()


def test_every_row_is_as_likely_as_any_other():
    frame = pd.DataFrame({"n": np.arange(40.0)})
    fitted = KINDS["mcar"](severity=0.25).fit(frame)
    times = sum(fitted.corrupt(frame, seed=s).frame["n"].isna().to_numpy().astype(int) for s in range(200))
    assert times.sum() == 2000
    assert times.min() > 50 - 5 * 6.2 and times.max() < 50 + 5 * 6.2  # five standard deviations of a binomial count


# whole columns and translations


def test_whole_columns_are_lost_as_a_whole():
    frame = numbered(range(9)).assign(a=list("abcabcabc"), b=1)
    fitted = KINDS["whole_column"]("n", "m", "a", "b", severity=0.5).fit(frame)
    hit = fitted.corrupt(frame, seed=2)
    lost = hit.frame.isna().all()
    assert lost.sum() == hit.delivered == 2 and hit.eligible == hit.units == 4
    assert not hit.frame.loc[:, ~lost].isna().any().any()
    bound = fitted.bind([frame.iloc[:2], frame.iloc[2:]], seed=2)
    assert same(bound.corrupt(frame.iloc[2:]).frame, hit.frame.iloc[2:])


def test_a_column_that_is_empty_already_cannot_be_lost():
    frame = numbered(range(5)).assign(gone=np.nan)
    hit = corrupted("whole_column", frame, "n", "gone", severity=1.0)
    assert hit.eligible == hit.delivered == hit.ledger.table()["column"].nunique() == 1


def test_a_parallel_text_is_the_one_of_the_same_item():
    frame = REFERENCE.iloc[:6]
    hit = KINDS["parallel_text"]("text", severity=1.0, language="de").fit(frame, promise()).corrupt(frame)
    told = [np.nan if pd.isna(t) else t if k % 2 else f"Satz Nummer {k}" for k, t in enumerate(frame["text"])]
    assert hit.frame["text"].equals(pd.Series(told, name="text", dtype="str"))
    assert hit.eligible == hit.delivered == 2  # of the items with a translation, one has no text
    with pytest.raises(ValueError, match="no row in language 'it'"):
        KINDS["parallel_text"]("text", language="it").fit(frame, promise())
    with pytest.raises(ValueError, match=r"needs data\.parallel"):
        KINDS["parallel_text"]("text").fit(frame)


def test_a_translation_that_was_never_written_leaves_the_text_alone(tmp_path):
    spec = spec_in(tmp_path)
    (tmp_path / "parallel.csv").write_text("id,language,text\nr0,de,Hallo\nr1,de,\n", encoding="utf-8")
    frame = REFERENCE.iloc[:3]
    hit = KINDS["parallel_text"]("text", severity=1.0).fit(frame, spec).corrupt(frame)
    assert hit.frame["text"].tolist() == ["Hallo", *frame["text"].tolist()[1:]]
    assert hit.eligible == hit.delivered == 1


def test_translations_are_found_by_ids_that_were_read_as_fractions(tmp_path):
    "One item without an id makes pandas read the whole column as floats."
    spec = spec_in(tmp_path)
    (tmp_path / "parallel.csv").write_text("id,language,text\n1,de,Hallo\n,de,verloren\n2,de,Welt\n", encoding="utf-8")
    frame = REFERENCE.iloc[:3].assign(id=[1, 2, 3])
    hit = KINDS["parallel_text"]("text", severity=1.0).fit(frame, spec).corrupt(frame)
    assert hit.frame["text"].tolist()[:2] == ["Hallo", "Welt"]


# errors


def test_misspelt_names_are_answered_with_the_nearest():
    with pytest.raises(LookupError, match=r"no scenario is called 'typo'\. Did you mean typos"):
        scenario("typo")
    with pytest.raises(LookupError, match="Did you mean .*homoglyphs"):
        kind_named("homoglyph")
    with pytest.raises(ValueError, match=r"no parameter 'layuot'\. Did you mean 'layout'\? It takes: layout"):
        scenario("typos", layuot="de")
    with pytest.raises(ValueError, match="It takes none"):
        scenario("mcar", strength=2)
    with pytest.raises(ValueError, match=r"no column 'txt' in the data\. Did you mean 'text'\?"):
        scenario("typos", columns=["txt"]).fit(REFERENCE)
    with pytest.raises(ValueError, match=r"no keyboard layout 'xx'; known: .*de, .*en, "):
        corrupted("typos", texts("a b"), "t", layout="xx")
    with pytest.raises(ValueError, match=r"no lexicon en → xx; known: "):
        corrupted("code_switch", texts("a b"), "t", language="xx")
    with pytest.raises(ValueError, match="expect of 'typos' must be one of invariant"):
        scenario("typos", expect="perfect")


def test_a_suite_that_does_not_exist_is_answered_with_those_that_do():
    with pytest.raises(LookupError, match="known: quick, standard, deep, spec, missing, messy, noise, "):
        suite("standart", promise())


@pytest.mark.parametrize(
    ("severity", "hint"),
    [
        (3, r"Pass 0\.03 for 3%"),
        (30, r"Pass 0\.3 for 30%"),
        (-0.1, "got -0.1"),
        (float("nan"), "got nan"),
        (True, "got True"),
        ("0.1", "got '0.1'"),
    ],
)
def test_a_severity_outside_its_range_is_refused(severity, hint):
    frame = texts("hello world")
    fitted = KINDS["typos"]("t").fit(frame)
    acts = [
        lambda: scenario("typos", severity=severity),
        lambda: KINDS["typos"]("t").at(severity),
        lambda: (KINDS["typos"]("t") >> KINDS["typos"]("t")).at(severity),
        lambda: fitted.bind([frame], severities=[severity]),
    ]
    for act in acts:
        with pytest.raises(ValueError, match=hint):
            act()


@pytest.mark.parametrize("severity", [3, -0.5, float("nan")])
def test_a_severity_outside_its_range_is_refused_when_corrupting(severity):
    frame = texts("hello world")
    with pytest.raises(ValueError, match=r"must be a number in \[0, 1\]"):
        KINDS["typos"]("t").fit(frame).corrupt(frame, severity=severity)


def test_columns_are_a_list_not_a_text():
    with pytest.raises(ValueError, match=r"columns of 'typos' must be a list of names; got the text 'text'\. Pass \['text'\]"):
        scenario("typos", columns="text")


def test_a_scenario_without_a_column_to_work_on_says_so():
    with pytest.raises(ValueError, match="applies to date columns; the data has none"):
        scenario("locale_dates").fit(pd.DataFrame({"n": [1.0, 2.0]}))


def test_numbers_in_a_text_column_are_named_with_their_row():
    frame = pd.DataFrame({"t": ["fine", 7, "fine"]}, dtype=object)
    with pytest.raises(ValueError, match=r"column 't', row 1: text expected, got int 7"):
        corrupted("typos", frame, "t")


def test_a_bound_scenario_knows_its_severities():
    frame = texts("hello world", "good night")
    bound = KINDS["typos"]("t").fit(frame).bind([frame], severities=[0.5, 1.0])
    assert bound.corrupt(frame, 1.0).delivered == 4 and bound.corrupt(frame, 0.5).delivered == 2
    with pytest.raises(ValueError, match="several severities are bound"):
        bound.corrupt(frame)
    with pytest.raises(ValueError, match=r"severity 0\.2 was not bound"):
        bound.corrupt(frame, 0.2)


def test_a_composition_is_not_mixed_with_a_name():
    with pytest.raises(ValueError, match="stages and a severity only"):
        scenario("typos", stages=[{"name": "mcar"}])
    with pytest.raises(ValueError, match="needs a name, or stages"):
        scenario()
    with pytest.raises(ValueError, match="at least one"):
        scenario(stages=[])


# kinds of one's own


def test_a_kind_of_ones_own_keeps_the_promises_and_is_known_by_name(registry, monkeypatch):
    @registry(
        "own",
        unit="word",
        roles=("text",),
        expect="invariant",
        eligible=lambda words, place, mark: [mark not in w for w in words],
    )
    def tagged(words, draws, place, *, mark: str = "#"):
        "Words with a mark before or after them."
        return [mark + w if u < 0.5 else w + mark for w, u in zip(words, draws.uniform("side").tolist(), strict=True)]

    frame = texts(*SENTENCES)
    one = tagged("t", severity=0.3, mark="@")
    assert check_scenario(one, frame)["holds"].all()
    assert scenario("tagged", columns=["t"], severity=0.3, mark="@") == one
    assert check_scenario(one >> KINDS["char_swap"]("t"), frame)["holds"].all()
    assert tagged.doc.startswith("Words with a mark before or after them.\n") and "Applies to text columns" in tagged.doc
    assert kinds()["tagged"] is tagged
    monkeypatch.setattr(sys.modules["test_engine"], "marked", tagged, raising=False)
    far = scenario("test_engine:marked", columns=["t"], mark="@")
    assert far.fit(frame).corrupt(frame).delivered > 0
    monkeypatch.setattr(sys.modules["test_engine"], "unmarked", 7, raising=False)
    with pytest.raises(LookupError, match="decorate it with register"):
        scenario("test_engine:unmarked")


def words_kind(registry, change, **more):
    return registry("own", unit="word", roles=("text",), expect="invariant", name="broken", **more)(change)("t")


def cells_kind(registry, change, **more):
    return registry("own", unit="cell", roles=("number",), expect="invariant", name="broken", **more)(change)("n")


def test_a_kind_that_returns_its_word_unchanged_is_caught(registry):
    with pytest.raises(AssertionError, match="delivered = asked"):
        check_scenario(words_kind(registry, lambda words, draws, place: list(words)), texts(*SENTENCES))


def test_a_kind_that_returns_its_cells_unchanged_is_caught(registry):
    with pytest.raises(AssertionError, match="delivered = asked"):
        check_scenario(cells_kind(registry, lambda values, draws, place: values.to_numpy()), numbered(range(12)))


@pytest.mark.parametrize(
    "change",
    [lambda words, draws, place: ["x"] * (len(words) - 1), lambda words, draws, place: ["x"] * (len(words) + 1)],
    ids=["too few", "too many"],
)
def test_a_kind_that_returns_another_number_of_words_is_refused(registry, change):
    with pytest.raises(ValueError, match="a change must return one each"):
        check_scenario(words_kind(registry, change), texts(*SENTENCES))


def test_a_kind_that_returns_another_number_of_cells_is_refused(registry):
    with pytest.raises(ValueError, match="must return one each"):
        check_scenario(cells_kind(registry, lambda values, draws, place: [0] * (len(values) + 1)), numbered(range(12)))


def test_a_kind_that_looks_at_its_neighbours_is_caught(registry):
    with pytest.raises(AssertionError, match="batches do not matter"):
        check_scenario(
            words_kind(registry, lambda words, draws, place: [f"{w}{i}" for i, w in enumerate(words)]), texts(*SENTENCES)
        )


def test_a_kind_that_draws_from_the_global_generator_is_caught(registry):
    def restless(words, draws, place):
        return [w + str(n) for w, n in zip(words, np.random.randint(0, 10**9, len(words)), strict=True)]  # noqa: NPY002

    with pytest.raises(AssertionError, match="no global generator is used"):
        check_scenario(words_kind(registry, restless), texts(*SENTENCES))


def test_a_kind_that_writes_into_the_frame_of_the_caller_is_caught(registry):
    def greedy(values, draws, place):
        place.frame.iloc[0, 0] = -77.0
        return -values.to_numpy() - 1

    def careless(values, place):
        place.frame.loc[place.frame.index[0], "m"] = -77.0
        return np.ones(len(values), bool)

    with pytest.raises(AssertionError, match="the frame of the caller is untouched"):
        check_scenario(cells_kind(registry, greedy, eligible=careless), numbered(range(12)))


def kind_of(registry, unit, change, roles=("number",), **more):
    return registry("own", unit=unit, roles=roles, expect="survive", name="broken", **more)(change)


def test_spans_are_in_order_apart_not_empty_and_within_the_text(registry):
    for spans in ([(0, 2), (1, 3)], [(2, 3), (0, 1)], [(1, 1)], [(0, 99)], [(-1, 2)]):
        one = kind_of(
            registry, "span", lambda s, draws, place: s, ("text",), find=lambda texts, place, at=spans: [at] * len(texts)
        )
        with pytest.raises(ValueError, match="broken: text 0, span .*: spans must be in order, without overlap, not empty"):
            one("t", severity=1.0).fit(texts("abcdef")).corrupt(texts("abcdef"))
    with pytest.raises(ValueError, match="belong together"):
        registry("own", unit="span", roles=("text",), expect="survive")
    with pytest.raises(ValueError, match="belong together"):
        registry("own", unit="word", roles=("text",), expect="survive", find=lambda texts, place: [])


@pytest.mark.parametrize(
    ("unit", "change", "says"),
    [
        ("row", lambda rows, draws, place: rows[["n"]], "must return the rows that it was given, with the columns n, m"),
        ("row", lambda rows, draws, place: rows.iloc[1:], "must return the rows that it was given"),
        ("schema", lambda frame, names, draws, place: frame.iloc[1:], "must return a frame with the rows that it was given"),
        ("schema", lambda frame, names, draws, place: list(frame), "must return a frame"),
        (
            "event",
            lambda rows, draws, place: pd.DataFrame({"copies": -1, "delay": 0.0}, index=rows.index),
            "must be finite and not",
        ),
        (
            "event",
            lambda rows, draws, place: pd.DataFrame({"copies": 1, "delay": np.nan}, index=rows.index),
            "must be finite and",
        ),
        ("label", lambda labels, draws, place: ["?"] * len(labels), r"returned the class '\?'; known are 0\.5, 1\.5"),
    ],
    ids=["row columns", "row rows", "schema rows", "schema type", "event copies", "event delay", "label"],
)
def test_a_kind_that_returns_what_its_unit_does_not_allow_is_refused(registry, unit, change, says):
    roles = ("label",) if unit == "label" else ("number",)
    one = kind_of(registry, unit, change, roles)(*(["n"] if unit == "label" else ["n", "m"]), severity=1.0)
    with pytest.raises(ValueError, match=says):
        one.fit(numbered(range(4))).corrupt(numbered(range(4)))


def by_place(n: int) -> np.ndarray:
    return np.arange(n) + 1


@pytest.mark.parametrize(
    ("unit", "change", "check"),
    [
        ("cell", lambda values, draws, place: values + by_place(len(values)), "batches do not matter"),
        ("cell", lambda values, draws, place: values + len(values), "what is hit at 0.1 is hit at 0.2"),
        ("row", lambda rows, draws, place: rows + by_place(len(rows))[:, None], "batches do not matter"),
        ("row", lambda rows, draws, place: rows, "delivered = asked"),
        (
            "event",
            lambda rows, draws, place: pd.DataFrame({"copies": by_place(len(rows)), "delay": 0.0}, index=rows.index),
            "batches",
        ),
        (
            "schema",
            lambda frame, names, draws, place: frame.assign(**{n: by_place(len(frame)) for n in names}),
            "batches do not",
        ),
        (
            "label",
            lambda labels, draws, place: sorted(labels)[1:] + sorted(labels)[:1],
            "delivered = asked|batches do not matter",
        ),
    ],
    ids=["cell place", "cell number", "row place", "row nothing", "event place", "schema place", "label"],
)
def test_a_kind_that_looks_beside_its_unit_is_caught_whatever_the_unit(registry, unit, change, check):
    roles = ("label",) if unit == "label" else ("number",)
    one = kind_of(registry, unit, change, roles)(*(["n"] if unit == "label" else ["n", "m"]))
    with pytest.raises(AssertionError, match=check):
        check_scenario(one, numbered(range(12)))


def test_a_kind_whose_eligible_units_depend_on_their_neighbours_is_caught(registry):
    one = cells_kind(
        registry, lambda values, draws, place: -values - 1, eligible=lambda values, place: values.to_numpy() > values.min()
    )
    with pytest.raises(AssertionError, match="batches do not matter"):
        check_scenario(one, numbered(range(12)))


# books


def test_too_few_eligible_units_exercise_nothing():
    frame = texts(*["plain words only here now"] * 20, "café")
    hit = corrupted("no_diacritics", frame, "t", severity=1.0)
    assert hit.delivered == 1 and not hit.exercised


def test_columns_that_are_not_touched_are_shared_not_copied():
    frame = pd.DataFrame({"n": np.arange(2000.0), "m": np.arange(2000.0), "t": pd.Series(["x y"] * 2000, dtype="str")})
    hit = corrupted("mcar", frame, "n")
    assert np.shares_memory(hit.frame["m"].to_numpy(), frame["m"].to_numpy())
    where = [f["t"].array.__arrow_array__().chunk(0).buffers()[2].address for f in (frame, hit.frame)]
    assert where[0] == where[1] and not np.shares_memory(hit.frame["n"].to_numpy(), frame["n"].to_numpy())


def test_the_ledger_answers_for_one_row_and_one_column():
    frame = pd.DataFrame({"n": [1.0, 2, 3, 4], "m": [5.0, 6, 7, 8]}, index=list("abcd"))
    hit = corrupted("mcar", frame, "n", "m", severity=1.0)
    assert hit.ledger.blame("c")[["column", "old"]].values.tolist() == [["n", 3.0], ["m", 7.0]]
    assert hit.ledger.table("m")["old"].tolist() == [5.0, 6.0, 7.0, 8.0] and len(hit.ledger) == len(hit.ledger.table()) == 8


def test_labels_are_canonical_and_of_one_type_in_every_batch():
    frame = pd.DataFrame({"n": np.arange(8.0), "y": pd.Series(["1", "2", None, "3", None, None, "2", "1"], dtype="str")})
    fitted = KINDS["uniform_labels"]("y", severity=0.5).fit(frame)
    bound = fitted.bind([frame.iloc[:4], frame.iloc[4:6], frame.iloc[6:]])
    hits = [bound.corrupt(frame.iloc[a:b]) for a, b in ((0, 4), (4, 6), (6, 8))]
    assert pd.concat([h.labels for h in hits]).equals(fitted.corrupt(frame).labels)
    assert {str(h.labels.dtype) for h in hits} == {str(fitted.corrupt(frame).labels.dtype)}


# draws


def test_draws_are_pinned():
    "A change of hashing changes every corruption ever reported: it must not pass unseen."
    assert key_hashes(["a", "b"]).tolist() == [2986390043289567946, 4230686258967476622]
    assert Draws(key_hashes(["a", "b"])).bits("x").tolist() == [2503472066658148765, 15187607941196430429]
    frame = texts("the quick brown fox", "jumps over the lazy dog")
    assert corrupted("typos", frame, "t", seed=7, layout="en").frame["t"].tolist() == [
        "tthe quick brown fox",
        "jumps oer yhe lazh rog",
    ]
    assert corrupted("mcar", numbered(range(8)), "n", seed=7).ledger.table()["key"].tolist() == ["0", "1", "3", "6"]


def test_columns_stages_and_seeds_are_hit_independently():
    "Whatever is hit in one says nothing of the other: about half of half of the rows are in both."
    frame = numbered(range(2000))
    one = KINDS["mcar"]("n", "m", severity=0.5)
    both = (one >> one).fit(frame).corrupt(frame).ledger.table()
    found = {(s, c): set(g["key"]) for (s, c), g in both.groupby(["stage", "column"])}
    found |= {seed: set(one.fit(frame).corrupt(frame, seed=seed).ledger.table("n")["key"]) for seed in (1, 2, 2**40)}
    first = [found[0, "n"], found[0, "m"], found[1], found[2], found[2**40]]
    for i, a in enumerate(first):
        assert len(a) == 1000
        assert all(400 < len(a & b) < 600 for b in first[i + 1 :])
    assert not found[0, "n"] & found[1, "n"]  # what is empty cannot be hit again


def test_what_is_expected_of_the_pilot_and_how_severe_it_is_change_no_draw():
    frame = texts(*SENTENCES)
    plain = KINDS["typos"]("t", severity=0.3, layout="en").fit(frame)
    other = KINDS["typos"]("t", severity=0.9, layout="en", expect="abstain").fit(frame)
    assert same(plain.corrupt(frame).frame, other.corrupt(frame, severity=0.3).frame)
    assert same(plain.corrupt(frame, severity=0.9).frame, other.corrupt(frame).frame)


def test_draws_depend_on_what_they_are_for_only():
    hashes = key_hashes([f"k{i}" for i in range(5000)])
    draws = Draws(hashes)
    u = draws.uniform("a")
    assert (
        u.min() > 0 and u.max() < 1 and u.mean() == pytest.approx(0.5, abs=0.02) and u.var() == pytest.approx(1 / 12, abs=0.005)
    )
    assert abs(np.corrcoef(u, draws.uniform("b"))[0, 1]) < 0.06
    assert (draws.uniform("a") == u).all() and (draws[np.arange(7, 9)].uniform("a") == u[7:9]).all()
    below = draws.below(7, "c")
    assert set(below.tolist()) == set(range(7)) and np.bincount(below).min() > 5000 / 7 * 0.8
    normal = draws.normal("d")
    assert normal.mean() == pytest.approx(0, abs=0.06) and normal.std() == pytest.approx(1, abs=0.04)
