"What goes missing, where, and how: the mechanisms, blocks and sentinels, and the defects of other libraries."

import random
from statistics import fmean

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import kinds, scenario
from pilot_to_prod.scenarios._ranks import COARSE, EDGES, Rarity, Steps, learn_ranks
from pilot_to_prod.spec import Spec

KINDS = kinds()
quick = settings(deadline=None, max_examples=60, derandomize=True)
RNG = np.random.default_rng(5)
EMPTIES = ["mcar", "mar", "mnar", "by_uncertainty", "block_missing", "whole_column"]  # what leaves cells really empty


def hit(name: str, frame: pd.DataFrame, *columns: str, severity: float = 0.5, seed: int = 0, confidence=None, **params):
    fitted = KINDS[name](*columns, severity=severity, **params).fit(frame)
    return fitted.corrupt(frame, seed=seed, confidence=np.linspace(0, 1, len(frame)) if confidence is None else confidence)


def promise(**columns: str) -> Spec:
    model = {"loader": "module", "ref": "somewhere:predict"}
    data = {"reference": "a.csv", "replay": "a.csv", "label": "y", "columns": columns}
    return Spec.model_validate(
        {"name": "x", "task": "binary", "model": model, "data": data | {"labels": ["0", "1"], "positive": "1"}}
    )


# really missing

COLUMNS = {
    "str": pd.Series(["Bern", "Genf", "Chur", "Biel"] * 5, dtype="str"),
    "string": pd.Series(["Bern", "Genf", "Chur", "Biel"] * 5, dtype="string"),
    "object": pd.Series(["Bern", "Genf", "Chur", "Biel"] * 5, dtype=object),
    "category": pd.Series(["Bern", "Genf", "Chur", "Biel"] * 5, dtype="category"),
    "int64": pd.Series(range(20)),
    "Int16": pd.Series(range(20), dtype="Int16"),
    "float32": pd.Series(np.arange(20) / 3, dtype="float32"),
    "bool": pd.Series([True, False] * 10),
    "boolean": pd.Series([True, False] * 10, dtype="boolean"),
    "datetime64[ns]": pd.Series(pd.date_range("2024-01-01", periods=20)).astype("datetime64[ns]"),
}


@pytest.mark.parametrize("name", EMPTIES)
@pytest.mark.parametrize("dtype", COLUMNS)
def test_a_missing_value_is_missing_and_no_text_that_says_so(name, dtype):
    "tab_err leaves the text <NA> in a column of strings, gecko an empty string."
    frame = pd.DataFrame({"c": COLUMNS[dtype], "d": COLUMNS[dtype].iloc[::-1].to_numpy()}, columns=["c", "d"])
    after = hit(name, frame, "c", "d").frame
    gone = after.isna()
    assert gone.to_numpy().sum() == 20
    said = {str(v) for c in after for v in after[c].dropna()}
    assert not said & {"<NA>", "nan", "NaN", "NaT", "None", "", "NULL", "N/A"}
    for c in after:
        assert (after[c][~gone[c]] == frame[c][~gone[c]]).all()


@pytest.mark.parametrize("dtype", ["str", "string", "category", "Int16", "float32", "boolean", "datetime64[ns]"])
def test_a_column_that_can_be_empty_keeps_its_type(dtype):
    frame = pd.DataFrame({"c": COLUMNS[dtype]})
    assert hit("mcar", frame, "c").frame["c"].dtype == frame["c"].dtype


@pytest.mark.parametrize("name", [*EMPTIES, "sentinel_nulls"])
def test_the_frame_of_the_caller_and_every_generator_are_left_alone(name):
    "badgers overwrites the frame that it is given."
    frame = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30) % 7, "c": list("xyzxyz") * 5})
    before, numbers, state = frame.copy(deep=True), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    after = hit(name, frame, severity=0.7).frame
    assert not after.equals(frame)
    assert frame.equals(before) and (frame.dtypes == before.dtypes).all()
    assert random.getstate() == state and (np.random.get_state()[1] == numbers).all()  # noqa: NPY002


def test_two_scenarios_do_not_share_a_generator():
    "badgers keeps one default generator for all instances: what one does depends on what others did before."
    frame = pd.DataFrame({"a": np.arange(100.0)})
    alone = hit("mcar", frame, severity=0.3).frame
    one, other = KINDS["mcar"](severity=0.3).fit(frame), KINDS["mnar"](severity=0.3).fit(frame)
    for _ in range(3):
        other.corrupt(frame, seed=0)
        assert one.corrupt(frame, seed=0).frame.equals(alone)


# by what, and how strongly


def rates(values: np.ndarray, gone: pd.Series, parts: int = 5) -> list[float]:
    "Share that is gone in each fifth of the values, from the lowest."
    order = np.argsort(values, kind="stable")
    return [float(gone.to_numpy()[p].mean()) for p in np.array_split(order, parts)]


@pytest.mark.parametrize("draw", [RNG.normal, RNG.lognormal, RNG.pareto], ids=["normal", "lognormal", "pareto"])
def test_the_higher_the_value_the_likelier_it_goes(draw):
    args = (1.1, 6000) if draw == RNG.pareto else (0, 2, 6000)
    frame = pd.DataFrame({"n": draw(*args)})
    up = rates(frame["n"].to_numpy(), hit("mnar", frame, "n", severity=0.3).frame["n"].isna())
    assert up == sorted(up) and up[-1] > 5 * up[0]
    down = rates(frame["n"].to_numpy(), hit("mnar", frame, "n", severity=0.3, strength=-4.0).frame["n"].isna())
    assert down == sorted(down, reverse=True)
    even = rates(frame["n"].to_numpy(), hit("mnar", frame, "n", severity=0.3, strength=0.0).frame["n"].isna())
    assert max(even) - min(even) < 0.06


def test_values_are_ranked_among_the_reference_not_among_their_neighbours():
    reference = pd.DataFrame({"n": np.arange(1000.0)})
    fitted = KINDS["mnar"]("n", severity=0.5, strength=30.0).fit(reference)
    high = pd.DataFrame({"n": [990.0] * 50 + [10.0] * 50})
    assert fitted.corrupt(high).frame["n"].isna().tolist() == [True] * 50 + [False] * 50


def test_what_decides_for_mar_is_named_and_may_be_a_category():
    frame = pd.DataFrame({"n": np.arange(2000.0), "kind": ["common"] * 1800 + [f"rare {i % 20}" for i in range(200)]})
    gone = hit("mar", frame, "n", severity=0.2, by="kind").frame["n"].isna()
    assert gone.sum() == 400
    assert gone[1800:].mean() > 3 * gone[:1800].mean()
    with pytest.raises(ValueError, match="no column 'sort'"):
        hit("mar", frame, "n", by="sort")


def test_a_row_whose_deciding_value_is_missing_stands_in_the_middle():
    age = np.concatenate([np.full(1000, np.nan), RNG.uniform(18, 90, 4000)])
    frame = pd.DataFrame({"n": np.arange(5000.0), "age": age})
    gone = hit("mar", frame, "n", severity=0.2, by="age").frame["n"].isna()
    low, *_, high = rates(age[1000:], gone[1000:])
    assert low < gone[:1000].mean() < high


def test_mar_and_blocks_need_a_second_input():
    assert "second input" in KINDS["mar"].variants(promise(n="number"))
    assert KINDS["block_missing"].variants(promise(n="number", m="number")) == [{}]


# uncertainty


@quick
@given(
    severity=st.floats(0, 1),
    sure=st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=1, max_size=60),
    strength=st.floats(-8, 8),
)
def test_uncertainty_takes_exactly_what_was_asked(severity, sure, strength):
    "Jenga, asked for 20% by entropy, nulls 80%."
    frame = pd.DataFrame({"n": np.arange(len(sure)) + 0.5})
    out = hit("by_uncertainty", frame, "n", severity=severity, confidence=np.array(sure), strength=strength)
    assert out.frame["n"].isna().sum() == int(np.floor(severity * len(sure) + 0.5)) == out.asked == out.delivered


def test_twenty_per_cent_by_uncertainty_are_twenty_per_cent():
    frame = pd.DataFrame({"n": np.arange(1000.0)})
    assert hit("by_uncertainty", frame, "n", severity=0.2, confidence=RNG.beta(5, 1, 1000)).frame["n"].isna().sum() == 200


def test_rows_that_the_pilot_doubts_lose_their_values_first():
    frame = pd.DataFrame({"n": np.arange(4000.0), "t": ["a"] * 4000})
    sure = RNG.uniform(0.5, 1, 4000)
    out = hit("by_uncertainty", frame, "n", "t", severity=0.25, confidence=sure)
    for c in ("n", "t"):
        lost = rates(sure, out.frame[c].isna())
        assert lost == sorted(lost, reverse=True) and lost[0] > 4 * lost[-1]


def test_a_row_it_abstained_from_counts_as_least_sure():
    frame = pd.DataFrame({"n": np.arange(2000.0)})
    sure = np.where(np.arange(2000) < 200, np.nan, 0.9)
    gone = hit("by_uncertainty", frame, "n", severity=0.1, confidence=sure).frame["n"].isna()
    assert gone[:200].mean() > 0.9


def test_uncertainty_without_confidence_says_what_to_pass():
    fitted = KINDS["by_uncertainty"]("n").fit(pd.DataFrame({"n": [1.0, 2.0]}))
    with pytest.raises(ValueError, match="pass confidence="):
        fitted.corrupt(pd.DataFrame({"n": [1.0, 2.0]}))
    assert KINDS["by_uncertainty"].needs == ("confidence",)


# blocks


@quick
@given(data=st.data(), seed=st.integers(0, 99), width=st.sampled_from([None, 2, 3, 4, 9]))
def test_a_block_is_values_side_by_side(data, seed, width):
    columns = data.draw(st.integers(2, 6))
    holes = data.draw(st.lists(st.lists(st.booleans(), min_size=columns, max_size=columns), min_size=1, max_size=8))
    full = pd.DataFrame(np.arange(len(holes) * columns, dtype=float).reshape(len(holes), columns))
    frame = full.set_axis([f"c{i}" for i in range(columns)], axis=1).mask(np.array(holes))
    size = min(columns, max(2, columns // 2 if width is None else width))
    out = hit("block_missing", frame, *frame.columns, severity=1.0, seed=seed, width=width)
    lost = (frame.notna() & out.frame.isna()).to_numpy()
    present = frame.notna().to_numpy()
    for row, here in zip(lost, present, strict=True):
        at = np.flatnonzero(row)
        possible = any(here[i : i + size].sum() >= 2 for i in range(columns - size + 1))
        assert bool(len(at)) == possible
        if len(at):
            assert len(at) >= 2 and at[-1] - at[0] < size
            assert not here[at[0] : at[-1] + 1][~row[at[0] : at[-1] + 1]].any()
    assert (out.frame.notna() & frame.isna()).to_numpy().sum() == 0


def test_every_block_is_as_likely_as_any_other():
    frame = pd.DataFrame(np.ones((6000, 6)), columns=list("abcdef"))
    lost = hit("block_missing", frame, severity=1.0).frame.isna()
    starts = lost.to_numpy().argmax(axis=1)
    assert (lost.sum(axis=1) == 3).all()
    assert np.bincount(starts).tolist() == pytest.approx([1500] * 4, abs=170)  # five standard deviations


def test_columns_that_are_named_go_together_and_no_others():
    frame = pd.DataFrame({c: np.arange(40.0) for c in "abcd"})
    lost = hit("block_missing", frame, severity=0.25, columns_together=["d", "b"]).frame.isna()
    assert lost[["b", "d"]].all(axis=1).sum() == lost.any(axis=1).sum() == 10
    assert not lost[["a", "c"]].any().any()


def test_a_block_needs_two_columns_that_are_there():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, np.nan]})
    assert hit("block_missing", frame[["a"]], severity=1.0).eligible == 0
    assert hit("block_missing", frame, severity=1.0).eligible == 1
    with pytest.raises(ValueError, match="'z' is not among its columns: a, b"):
        hit("block_missing", frame, columns_together=["a", "z"])


def test_a_group_of_columns_travels_as_plain_values():
    one = scenario("block_missing", columns=["a", "b"], columns_together=["a", "b"])
    assert scenario(**one.to_json()) == one


# sentinels

TABLE = pd.DataFrame(
    {
        "whole": pd.Series([1, 2], dtype="int32"),
        "part": pd.Series([0.5, 1.5], dtype="float32"),
        "name": pd.Series(["a", "b"], dtype="str"),
        "kind": pd.Series(["a", "b"], dtype="category"),
        "flag": [True, False],
        "day": pd.to_datetime(["2024-01-01", "2024-01-02"]),
        "told": pd.Series(["2024-01-01", "2024-01-02"], dtype="str"),
    }
)
ROLES = {
    "whole": "number",
    "part": "amount",
    "name": "text",
    "kind": "category",
    "flag": "category",
    "day": "date",
    "told": "date",
}


@pytest.mark.parametrize(
    ("sentinel", "expected"),
    [
        (None, [-999, -999.0, "N/A", "N/A", "N/A", pd.Timestamp("9999-12-31"), "9999-12-31"]),
        (-1, [-1, -1.0, "-1", "-1", "-1", None, "-1"]),
        ("", [""] * 7),
        ("NULL", ["NULL"] * 7),
        ("1900-01-01", [None] * 5 + [pd.Timestamp("1900-01-01"), "1900-01-01"]),
    ],
    ids=repr,
)
def test_a_sentinel_is_written_as_the_column_writes(sentinel, expected):
    "None: it makes no sense in that column, and no cell of it is hit."
    params = {} if sentinel is None else {"sentinel": sentinel}
    out = KINDS["sentinel_nulls"](*TABLE, severity=1.0, **params).fit(TABLE, promise(**ROLES)).corrupt(TABLE)
    for column, value in zip(TABLE, expected, strict=True):
        assert out.frame[column].tolist() == (TABLE[column].tolist() if value is None else [value, value]), column
        assert [type(v) for v in out.frame[column]] == [
            type(v) for v in (TABLE[column] if value is None else [value] * 2)
        ] or value in (-999, -1)
    assert out.frame.notna().all().all()


@pytest.mark.parametrize(
    ("dtype", "after"), [("int32", "int32"), ("float32", "float32"), ("int8", "int16"), ("uint8", "int16"), ("Int64", "Int64")]
)
def test_a_number_that_stands_for_nothing_keeps_a_type_that_can_hold_it(dtype, after):
    frame = pd.DataFrame({"n": pd.Series([1, 2, 3, 4], dtype=dtype)})
    assert str(hit("sentinel_nulls", frame, "n").frame["n"].dtype) == after


@pytest.mark.parametrize("sentinel", [9999, 99999, 9999.5, -0.1, 2**40])
def test_a_number_that_stands_for_nothing_is_written_to_the_last_digit(sentinel):
    assert (
        hit("sentinel_nulls", pd.DataFrame({"n": [1.5, 2.5]}), "n", severity=1.0, sentinel=sentinel)
        .frame["n"]
        .eq(sentinel)
        .all()
    )


def test_a_cell_that_holds_the_sentinel_already_is_not_hit():
    frame = pd.DataFrame({"n": [-999.0, 1.0, np.nan, 2.0]})
    out = hit("sentinel_nulls", frame, "n", severity=1.0)
    assert out.eligible == out.delivered == 2 and out.frame["n"].isna().sum() == 1


@pytest.mark.parametrize("sentinel", [True, [1], float("nan"), {"a": 1}])
def test_a_sentinel_is_a_number_a_text_or_a_day(sentinel):
    with pytest.raises(ValueError, match="must be a number, a text or a day"):
        hit("sentinel_nulls", TABLE, "whole", sentinel=sentinel)


# ranks


def middle_ranks(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    known = np.sort(known[~np.isnan(known)])
    return (np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")) / (2 * len(known))


SHAPES = {
    "normal": RNG.normal(50, 10, 5000),
    "lognormal": RNG.lognormal(7, 2, 5000),
    "pareto": RNG.pareto(0.5, 5000),
    "years": RNG.integers(1990, 2026, 5000).astype(float),
    "mostly zero": np.where(RNG.uniform(size=5000) < 0.9, 0.0, RNG.lognormal(5, 1, 5000)),
    "two lumps": np.concatenate([RNG.normal(0, 1e-6, 2500), RNG.normal(1e9, 1, 2500)]),
    "huge": RNG.uniform(-1, 1, 5000) * 1.7e308,
    "tiny": RNG.uniform(0, 1, 5000) * 1e-308,
    "infinite": np.concatenate([RNG.normal(size=4000), np.full(500, np.inf), np.full(500, -np.inf)]),
    "one value": np.full(100, 7.0),
    "few": np.array([3.0, 1.0, 2.0, np.nan]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_ranks_from_the_table_are_the_real_ones_to_a_step(shape):
    known = SHAPES[shape]
    found = Steps.learn(known)
    values = known[~np.isnan(known)]
    assert np.abs(found.ranks[found.steps(values)] - middle_ranks(known, values)).max() <= COARSE
    order = np.sort(values)
    assert (np.diff(found.ranks[found.steps(order)]) >= 0).all()
    assert found.edges is None or len(found.edges) <= 2 * EDGES


@quick
@given(
    known=st.lists(st.one_of(st.floats(), st.integers(-5, 5).map(float)), max_size=60),
    values=st.lists(st.floats(), min_size=1, max_size=10),
    strength=st.floats(-8, 8),
)
def test_weights_are_positive_row_by_row_and_one_where_nothing_is_known(known, values, strength):
    found, series = learn_ranks(pd.Series(known, dtype=float)), pd.Series(values, dtype=float)
    weights = found.weights(series, strength)
    assert (weights > 0).all() and np.isfinite(weights).all()
    assert [found.weights(series.iloc[[i]], strength)[0] for i in range(len(values))] == weights.tolist()
    assert (weights[series.isna()] == 1).all()


@quick
@given(
    values=st.lists(st.sampled_from([None, "a", "b", "1", 1, 1.0, True, "True", "new"]), min_size=1, max_size=12),
    dtype=st.sampled_from([object, "str", "category"]),
)
def test_the_rank_of_a_category_does_not_depend_on_its_neighbours(values, dtype):
    "1, 1.0 and True are one key for pandas; they are three names."
    texts = values if dtype is object else [None if v is None else str(v) for v in values]
    series = pd.Series(texts, dtype=dtype)
    found = Rarity.learn(pd.Series(["a", "a", "a", "b", "1", "True"], dtype="str"))
    together = found.weights(series, 4.0)
    assert together.tolist() == [found.weights(series.iloc[[i]], 4.0)[0] for i in range(len(series))]
    assert all(w == 1 for w, gone in zip(together, series.isna(), strict=True) if gone)


def test_rare_and_unseen_categories_rank_high():
    found = Rarity.learn(pd.Series(["a"] * 8 + ["b"] * 2))
    weights = found.weights(pd.Series(["a", "b", "c", None]), 4.0)
    assert weights[0] < 1 < weights[1] < weights[2] == pytest.approx(np.exp(2)) and weights[3] == 1


def test_days_are_keys_whatever_their_unit():
    days = pd.Series([pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02 10:30"), pd.NaT])
    found = Rarity.learn(days.astype("datetime64[ns]"))
    for unit in ("s", "us", "ns"):
        weights = found.weights(days.astype(f"datetime64[{unit}]"), 4.0)
        assert weights[0] == weights[1] < weights[2] and weights[3] == 1
    assert fmean(found.ranks) == pytest.approx(0.5)
