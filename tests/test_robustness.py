"""Numbers that sum severity curves up: worked out by hand on a few rows, and what must hold whatever the rows are."""

import json
from dataclasses import replace
from io import BytesIO
from math import isnan

import numpy as np
import pytest
from conftest import text_rows, write_pilot
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod import Pilot, replay, suite
from pilot_to_prod.evidence import ABSTAINED, FAULT, GONE, LEFT_OUT, Cell, Evidence
from pilot_to_prod.evidence.robustness import (
    _error,
    _together,
    area,
    breaking_point,
    corruption_error,
    mce,
    relative_corruption_error,
    severity_mean,
    summary,
    worst_language,
    worst_slice,
)
from pilot_to_prod.evidence.statistics import Rate
from pilot_to_prod.gates import Verdict, judge
from pilot_to_prod.spec import parse

quick = settings(deadline=None, max_examples=25, derandomize=True)
LABELS = ["a", "b"]


def cell(scenario="typos", severity=0.1, seed=0, family="noise", expect="invariant", exercised=True, **spec):
    return Cell(scenario, scenario.split("(")[0], family, severity, seed, expect, spec, exercised=exercised)


def evidence_of(clean, cells, *, name="pilot", truth=None, task="binary", slices=None, clusters=None):
    "Classes: which rows are right, True or 1; a code below 0 stands. Numbers: the errors themselves, nan for a fault."
    n, numbers = len(clean), task == "regression"
    truth = np.zeros(n, float if numbers else "int16") if truth is None else np.asarray(truth)

    def answers(right):
        right = np.asarray(right, float)
        return truth + right if numbers else np.where(right < 0, right, np.where(right == 1, truth, 1 - truth)).astype("int16")

    pilot = {
        "name": name,
        "version": "2",
        "task": task,
        "labels": [] if numbers else LABELS,
        "spec": "",
        "data": "",
        "model": "",
    }
    clean, none = answers(clean), np.full(n, -1, "int32")
    given = [answers(right) for _, right in cells]
    return Evidence(
        pilot,
        np.array([f"k{i:05d}" for i in range(n)], object),
        truth,
        clean,
        none,
        tuple(c for c, _ in cells),
        tuple(given),
        (none,) * len(cells),
        tuple(a != clean for a in given),
        slices or {},
        clusters,
    )


def right(wrong, n=10):
    "The first `wrong` rows are wrong."
    return np.arange(n) >= wrong


def curve(*wrong, clean=0, n=10, scenario="typos", at=(0.1, 0.3, 0.5), name="pilot", **more):
    "One scenario with so many wrong rows at each severity."
    return evidence_of(
        right(clean, n), [(cell(scenario, s), right(w, n)) for s, w in zip(at, wrong, strict=False)], name=name, **more
    )


def value(table, metric="mce", level="overall", **where):
    found = table[(table["metric"] == metric) & (table["level"] == level)]
    for column, wanted in where.items():
        found = found[found[column] == wanted]
    assert len(found) == 1
    return found.iloc[0]


@st.composite
def pilots(draw, n=60, scenarios=2):
    "Two pilots over the same rows: each scenario at two severities with two seeds."
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    shared = [cell(f"s{i}", s, seed, f"f{i % 2}") for i in range(scenarios) for s in (0.2, 0.5) for seed in (0, 1)]
    truth = rng.integers(0, 2, n).astype("int16")

    def one(name, wrong):
        given = [(c, rng.random(n) >= wrong + 0.4 * c.severity) for c in shared]
        return evidence_of(rng.random(n) >= wrong, given, name=name, truth=truth)

    return one("mine", draw(st.floats(0.02, 0.5))), one("theirs", draw(st.floats(0.02, 0.5)))


def shuffled(evidence, seed=1):
    "The same evidence with its rows and its cells in another order."
    rows = np.random.default_rng(seed).permutation(len(evidence))
    order = np.random.default_rng(seed).permutation(len(evidence.cells))
    return replace(
        evidence,
        keys=evidence.keys[rows],
        truth=evidence.truth[rows],
        clean=evidence.clean[rows],
        clean_score=evidence.clean_score[rows],
        cells=tuple(evidence.cells[i] for i in order),
        **{f: tuple(getattr(evidence, f)[i][rows] for i in order) for f in ("answers", "scores", "touched")},
        slices={k: m[rows] for k, m in evidence.slices.items()},
        clusters=None if evidence.clusters is None else evidence.clusters[rows],
    )


# corruption error


def test_corruption_error_by_hand():
    mine, theirs = curve(2, 4, 6, clean=1), curve(4, 5, 7, clean=2, name="old")
    table = mce(mine, theirs)
    assert value(table, "mce", "scenario")["value"] == pytest.approx((0.2 + 0.4 + 0.6) / (0.4 + 0.5 + 0.7))
    assert value(table, "relative_mce", "scenario")["value"] == pytest.approx((0.1 + 0.3 + 0.5) / (0.2 + 0.3 + 0.5))
    assert set(table["baseline"]) == {"old 2"} and set(table["pilot"]) == {"pilot"}


def test_seeds_are_averaged():
    def pair(first, second, name):
        return evidence_of(right(0), [(cell(seed=0), right(first)), (cell(seed=1), right(second))], name=name)

    assert value(mce(pair(1, 3, "mine"), pair(5, 5, "old")))["value"] == pytest.approx(0.2 / 0.5)


def test_the_mean_is_over_scenarios_and_over_those_of_a_family():
    def three(*wrong):
        names = (("typos", "noise"), ("ocr", "noise"), ("mcar", "missing"))
        return evidence_of(right(0), [(cell(n, family=f), right(w)) for (n, f), w in zip(names, wrong, strict=True)])

    table = mce(three(1, 2, 6), three(2, 2, 3))
    assert value(table, level="family", family="noise")["value"] == pytest.approx((0.5 + 1) / 2)
    assert value(table, level="family", family="missing")["value"] == pytest.approx(2)
    overall = value(table)
    assert overall["value"] == pytest.approx((0.5 + 1 + 2) / 3) and overall["scenarios"] == 3


@pytest.mark.parametrize("clustered", [False, True])
def test_rows_that_took_no_part_count_neither_way(clustered):
    codes = np.repeat(np.arange(5), 2) if clustered else None

    def one(wrong):
        flags = right(wrong).astype(float)
        flags[8:] = LEFT_OUT
        return evidence_of(right(0), [(cell(seed=0), flags), (cell(seed=1), right(wrong))], clusters=codes)

    assert value(mce(one(2), one(4)))["value"] == pytest.approx((2 + 2) / (4 + 4))
    kept = (10 + 8) / 2 / (2 if clustered else 1)
    assert _error(one(2), [0, 1], None, codes).mean() == pytest.approx((1 if clustered else 2) / kept)
    numbers = evidence_of([1.0, 1.0, 1.0], [(cell(), [3.0, 5.0, GONE])], task="regression")
    assert _error(numbers, [0], None, None).mean() == pytest.approx(4) == numbers.estimate("mae", cells=[0]).estimate.value


def test_a_scenario_that_changes_the_truth_is_judged_by_the_changed_one():
    def one(wrong):
        return replace(curve(wrong), truths=(np.r_[np.ones(5, "int16"), np.zeros(5, "int16")],))

    assert value(mce(one(3), one(0)), level="scenario")["value"] == pytest.approx(0.2 / 0.5)


def test_what_nothing_may_be_judged_by_is_left_out():
    noted = replace(cell("flip"), caveat="the labels changed, the pilot did not")
    made = evidence_of(right(0), [(cell(), right(2)), (noted, right(5))])
    assert area(made).set_index("scenario")["reason"]["flip"] == "the labels changed, the pilot did not"
    fine = replace(made, cells=tuple(replace(c, caveat="") for c in made.cells))
    assert [value(mce(*pair))["scenarios"] for pair in ((made, made), (made, fine), (fine, made), (fine, fine))] == [1, 1, 1, 2]


def test_an_abstention_and_a_fault_are_errors():
    mine = evidence_of(right(0), [(cell(), [ABSTAINED, FAULT, *[1] * 8])])
    assert value(mce(mine, curve(4)))["value"] == pytest.approx(0.2 / 0.4)


def test_numbers_are_compared_by_their_mean_absolute_error():
    mine = evidence_of([1.0, 1.0], [(cell(), [2.0, -4.0])], task="regression")
    theirs = evidence_of([1.0, 2.0], [(cell(), [4.0, 8.0])], task="regression", name="old")
    table = mce(mine, theirs)
    assert value(table)["value"] == pytest.approx(3 / 6)
    assert value(table, "relative_mce")["value"] == pytest.approx((3 - 1) / (6 - 1.5))


def test_severity_0_is_no_severity():
    mine, theirs = curve(0, 2, at=(0.0, 0.3)), curve(4, at=(0.3,))
    assert value(mce(mine, theirs))["value"] == pytest.approx(0.5)


@quick
@given(pilots())
def test_a_pilot_against_itself_is_1(both):
    mine, _ = both
    table = mce(mine, replace(mine, pilot=mine.pilot | {"name": "same"}))
    assert value(table)["value"] == pytest.approx(1)
    relative = value(table, "relative_mce")
    assert relative["value"] == pytest.approx(1) or relative["reason"].startswith("undefined: neither")
    assert (table["low"].isna() | ((table["low"] < 1) & (table["high"] > 1))).all()


@quick
@given(pilots())
def test_against_each_other_two_pilots_are_reciprocal_in_each_scenario(both):
    mine, theirs = both
    a, b = mce(mine, theirs), mce(theirs, mine)
    a, b = (t[(t["level"] == "scenario") & (t["metric"] == "mce")]["value"].to_numpy() for t in (a, b))
    assert a * b == pytest.approx(1)


@quick
@given(pilots())
def test_the_order_of_rows_and_cells_does_not_matter(both):
    mine, theirs = both
    one, other = mce(mine, theirs), mce(shuffled(mine, 3), shuffled(theirs, 4))
    for column in one:
        if one[column].dtype == float:
            np.testing.assert_allclose(one[column], other[column], rtol=1e-9)
        else:
            assert one[column].tolist() == other[column].tolist()
    np.testing.assert_allclose(area(mine)["value"], area(shuffled(mine))["value"])


@quick
@given(st.floats(1e-9, 1e9), st.integers(0, 1000))
def test_the_scale_of_numbers_does_not_matter(scale, seed):
    rng = np.random.default_rng(seed)
    errors = [rng.normal(size=50) * (1 + i) for i in range(4)]

    def one(by, a, b):
        return evidence_of(errors[a] * by, [(cell(), errors[b] * by)], task="regression")

    before, after = (mce(one(by, 0, 1), one(by, 2, 3)) for by in (1, scale))
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(before[column], after[column], rtol=1e-6)
    np.testing.assert_allclose(area(one(scale, 0, 1))["relative"], area(one(1, 0, 1))["relative"], rtol=1e-9)


@quick
@given(pilots())
def test_errors_of_rows_are_those_of_the_estimate(both):
    mine, _ = both
    codes = np.arange(len(mine)) // 3
    for evidence, clusters in ((mine, None), (replace(mine, clusters=codes), codes)):
        for cells in ([], [0], [0, 1]):
            found = evidence.estimate("accuracy", cells=cells).estimate
            assert _error(evidence, cells, None, clusters).mean() == pytest.approx(1 - found.value)
    numbers = evidence_of([1.0, np.nan, 3.0], [(cell(), [2.0, 5.0, np.nan])], task="regression")
    for cells in ([], [0]):
        assert _error(numbers, cells, None, None).mean() == pytest.approx(numbers.estimate("mae", cells=cells).estimate.value)


def test_a_baseline_without_errors_gives_no_number():
    table = mce(curve(1, 2, 3), curve(0, 0, 0, name="perfect"))
    for level in ("scenario", "overall"):
        found = value(table, level=level)
        assert isnan(found["value"]) and isnan(found["low"]) and found["reason"] == "undefined: only this pilot errs in typos"


def test_a_baseline_that_gains_under_stress_gives_no_relative_number():
    table = mce(curve(3, 3, 3, clean=2), curve(1, 1, 1, clean=2))
    assert value(table)["value"] == pytest.approx(3)
    assert value(table, "relative_mce")["reason"] == "undefined: only this pilot loses in typos"
    neither = value(mce(curve(1, 1, 1, clean=2), curve(1, 1, 1, clean=2)), "relative_mce")
    assert isnan(neither["value"]) and neither["reason"] == "undefined: neither pilot loses"


def test_where_neither_loses_the_scenario_is_left_out_and_named():
    def two(a, b):
        return evidence_of(right(1), [(cell("typos"), right(a)), (cell("ocr"), right(b))])

    found = value(mce(two(3, 1), two(2, 1)), "relative_mce")
    assert found["value"] == pytest.approx(2) and found["scenarios"] == 1
    assert "neither pilot loses there: ocr" in found["reason"]


def test_no_number_can_be_made_of_pilots_that_do_not_answer():
    mute = evidence_of([1.0, 1.0], [(cell(), [np.nan, np.nan])], task="regression")
    fine = evidence_of([1.0, 1.0], [(cell(), [2.0, 2.0])], task="regression")
    for pair in ((mute, fine), (fine, mute)):
        assert value(mce(*pair))["reason"] == "undefined: no answers to compare in typos"


def test_what_was_not_exercised_or_asks_for_something_else_is_listed_and_left_out():
    def four(a):
        cells = [
            (cell("typos"), right(a)),
            (cell("mojibake", exercised=False), right(9)),
            (cell("vague", expect="abstain"), right(9)),
            (cell("negation", expect="directional"), right(9)),
        ]
        return evidence_of(right(0), cells)

    table = mce(four(1), four(2))
    assert value(table)["value"] == pytest.approx(0.5)
    reasons = table[table["metric"] == "mce"].set_index("scenario")["reason"]
    assert reasons["mojibake"].startswith("not exercised")
    assert "should hand over" in reasons["vague"] and "should answer differently" in reasons["negation"]
    shown = summary(four(1))
    assert set(shown.headline["left_out"]) == {"mojibake", "vague", "negation"} and shown.headline["scenarios"] == 1
    assert area(four(1)).set_index("scenario")["value"].notna().to_dict() == {
        "mojibake": False,
        "negation": False,
        "typos": True,
        "vague": False,
    }


def test_what_either_pilot_did_not_meet_is_left_out():
    def one(exercised):
        return evidence_of(right(0), [(cell(exercised=exercised), right(2))])

    for pair in ((True, False), (False, True)):
        table = mce(one(pair[0]), one(pair[1]))
        assert value(table, level="scenario")["reason"].startswith("not exercised") and isnan(value(table)["value"])


def test_a_severity_that_was_not_exercised_is_named():
    def two(w):
        return evidence_of(right(0), [(cell(severity=0.1, exercised=False), right(0)), (cell(severity=0.5), right(w))])

    found = value(mce(two(2), two(4)), level="scenario")
    assert found["value"] == pytest.approx(0.5) and found["reason"].endswith("not exercised at 0.1")
    assert summary(two(2)).headline["worst"]["value"] == pytest.approx(0.8)


def test_everything_that_differs_is_named_at_once():
    mine = evidence_of(
        right(1), [(cell("typos", 0.1), right(2)), (cell("mcar", columns=["age"]), right(2)), (cell("ocr"), right(1))]
    )
    theirs = evidence_of(right(1, 12), [(cell("typos", 0.3), right(2, 12)), (cell("mcar", columns=["sum"]), right(2, 12))])
    with pytest.raises(ValueError, match="cannot be compared") as said:
        mce(mine, theirs)
    for part in ("rows differ: 0", "2 only in the other (k00010, k00011)", "'ocr'", "severities of 'typos'", '"sum"', "Replay"):
        assert part in str(said.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"truth": np.ones(10, "int16")}, "the truth differs in 10 rows"),
        ({"pilot": {"name": "x", "task": "binary", "labels": ["b", "a"]}}, "labels differ"),
        ({"pilot": {"name": "x", "task": "regression", "labels": []}}, "tasks or labels differ"),
    ],
)
def test_other_truth_labels_or_task_cannot_be_compared(change, says):
    with pytest.raises(ValueError, match=says):
        mce(curve(1, 2, 3), replace(curve(1, 2, 3), **change))


def test_an_unknown_or_empty_slice_is_an_error():
    with pytest.raises(LookupError, match="no slice is called 'x'"):
        mce(curve(1), curve(1), slice="x")
    empty = curve(1, slices={"x": np.zeros(10, bool)})
    with pytest.raises(ValueError, match="slice 'x' has no rows"):
        mce(empty, empty, slice="x")


def test_a_slice_is_compared_alone():
    half = {"late": np.arange(10) >= 5}
    assert value(mce(curve(6, slices=half), curve(7, slices=half), slice="late"))["value"] == pytest.approx(0.5)


def test_few_units_and_a_weak_baseline_get_no_interval():
    few = value(mce(curve(1, 2, 3), curve(2, 3, 4)))
    assert isnan(few["low"]) and "10 units, 40 are the least" in few["reason"]
    weak = value(mce(curve(3, 3, 3, clean=2, n=100), curve(3, 3, 3, clean=2, n=100)), "relative_mce")
    assert weak["value"] == pytest.approx(1) and isnan(weak["low"]) and "within chance in typos" in weak["reason"]


def test_a_pilot_without_errors_gets_an_interval_with_a_width():
    found = value(mce(curve(0, 0, 0, n=200), curve(20, 30, 40, n=200)))
    assert found["value"] == found["low"] == 0 and 0.02 < found["high"] < 0.2


def test_intervals_of_ratios_hold_about_as_often_as_they_say():
    rng, n, held = np.random.default_rng(0), 200, np.zeros(2)
    share, base, slope = 0.05, 0.1, 0.4
    at = (0.2, 0.5)
    truly = sum(share + slope * s / 2 for s in at) / sum(base + slope * s for s in at), 0.5
    for _ in range(200):
        hard, own = rng.random(n), rng.random(n)
        level = np.where(rng.random(n) < 0.6, hard, own)
        mine = evidence_of(level >= share, [(cell(severity=s), level >= share + slope * s / 2) for s in at])
        theirs = evidence_of(hard >= base, [(cell(severity=s), hard >= base + slope * s) for s in at])
        table = mce(mine, theirs)
        found = [value(table, m) for m in ("mce", "relative_mce")]
        held += [f["low"] <= t <= f["high"] for f, t in zip(found, truly, strict=True)]
    assert (held / 200 > 0.92).all()


def test_clusters_are_the_units():
    codes = np.repeat(np.arange(50), 4)
    mine, theirs = (curve(w, n=200, clusters=codes) for w in (30, 60))
    found = value(mce(mine, theirs))
    plain = value(mce(replace(mine, clusters=None), replace(theirs, clusters=None)))
    assert found["n"] == 50 and found["value"] == pytest.approx(plain["value"])
    assert found["high"] - found["low"] > plain["high"] - plain["low"]


def test_array_forms_take_many_scenarios():
    errors = np.array([[0.1, 0.3], [0.2, 0.2]])
    np.testing.assert_allclose(corruption_error(errors, np.array([[0.2, 0.2], [0.0, 0.0]])), [1, np.nan])
    np.testing.assert_allclose(relative_corruption_error(errors, 0.1, np.array([[0.1, 0.3], [0.1, 0.1]]), 0.1), [1, np.nan])


# area


def test_area_by_hand():
    found = area(curve(1, 3, 5)).iloc[0]
    by_hand = (0.1 * (1 + 0.9) / 2 + 0.2 * (0.9 + 0.7) / 2 + 0.2 * (0.7 + 0.5) / 2) / 0.5
    assert found["value"] == found["relative"] == pytest.approx(by_hand)
    assert found["up_to"] == 0.5 and found["points"] == 3 and found["clean"] == 1


@quick
@given(st.floats(-10, 10), st.lists(st.floats(0.01, 1), min_size=1, max_size=5, unique=True))
def test_the_area_of_a_flat_curve_is_its_value(level, severities):
    at = [0.0, *sorted(severities)]
    assert severity_mean(at, [level] * len(at)) == pytest.approx(level)


@quick
@given(st.lists(st.integers(0, 100), min_size=4, max_size=4))
def test_area_lies_between_the_least_and_the_largest_value_and_its_limits_around_it(wrong):
    found = area(curve(*wrong[1:], clean=wrong[0], n=100)).iloc[0]
    shares = [1 - w / 100 for w in wrong]
    assert min(shares) - 1e-9 <= found["value"] <= max(shares) + 1e-9
    assert found["low"] <= found["value"] + 1e-9 and found["value"] <= found["high"] + 1e-9


def test_the_area_of_numbers_and_of_other_metrics():
    numbers = evidence_of([1.0, 1.0], [(cell(severity=0.5), [3.0, 3.0])], task="regression")
    assert area(numbers)["metric"].item() == "mae" and area(numbers)["value"].item() == pytest.approx(2)
    assert area(curve(5, at=(0.5,)), "unchanged")["value"].item() == pytest.approx(0.75)
    with pytest.raises(LookupError, match="latency_p95.*known: accuracy"):
        area(curve(1), "latency_p95")
    with pytest.raises(ValueError, match="recall needs the label.*a, b"):
        area(curve(1), "recall")
    assert area(curve(1, at=(0.5,)), "recall", label="a")["value"].item() == pytest.approx(0.95)


def test_no_replays_give_empty_tables():
    bare = evidence_of(right(1, 50), [])
    assert len(area(bare)) == 0 and len(breaking_point(bare, at_least=0.5)) == 0
    assert value(mce(bare, bare))["reason"] == "undefined: no scenario counts"
    shown = summary(bare, bare, at_least=0.5)
    assert len(shown.scenarios) == 0 and shown.headline["worst"] is None and shown.headline["mce"]["value"] is None


# the worst slice


def sliced(wrong, n):
    "A slice for each entry: so many of its rows are wrong."
    flags = np.concatenate([right(w, k) for w, k in zip(wrong, n, strict=True)])
    owner = np.repeat(np.arange(len(n)), n)
    return evidence_of(flags, [(cell(severity=0.3), ~flags)], slices={f"market=m{i}": owner == i for i in range(len(n))})


def test_the_worst_slice_comes_first_with_widened_limits():
    table = worst_slice(sliced([5, 30, 10], [100, 100, 100]))
    first = table.iloc[0]
    assert first["slice"] == "market=m1" and first["value"] == pytest.approx(0.7) and first["n"] == 100
    assert table["slice"].tolist() == ["market=m1", "market=m2", "market=m0"] and set(table["looked_at"]) == {3}
    low, high = Rate(70, 100).interval(0.025 / 3)
    assert first["low"] <= low < Rate(70, 100).interval()[0] and first["high"] >= high
    assert table["may_be_worst"].tolist() == [True, False, False]


def test_a_small_slice_is_undecided_and_costs_the_others_nothing():
    table = worst_slice(sliced([5, 29, 10], [100, 29, 100]))
    last = table.iloc[-1]
    assert last["slice"] == "market=m1" and last["reason"] == "undecided: 29 rows, 30 are the least"
    assert last["value"] == 0 and isnan(last["low"]) and last["may_be_worst"] and set(table["looked_at"]) == {2}
    assert worst_slice(sliced([5, 29, 10], [100, 29, 100]), minimum=20).iloc[0]["slice"] == "market=m1"


def test_the_worst_slice_of_a_scenario():
    made = sliced([5, 30], [100, 100])
    table = worst_slice(made, scenario="typos")
    assert table.iloc[0][["scenario", "severity", "slice"]].tolist() == ["typos", 0.3, "market=m0"]
    assert table.iloc[0]["value"] == pytest.approx(0.05)
    with pytest.raises(LookupError, match=r"not exercised at 0.2; severities that were: 0.3"):
        worst_slice(made, scenario="typos", severity=0.2)
    with pytest.raises(LookupError, match="no scenario is called 'ocr'.*known: typos"):
        worst_slice(made, scenario="ocr")


def test_a_scenario_is_found_by_kind_unless_several_are_meant():
    both = evidence_of(right(0), [(cell("switch(language='de')"), right(1)), (cell("switch(language='es')"), right(2))])
    with pytest.raises(LookupError, match=r"several scenarios here: switch\(language='de'\), switch"):
        worst_slice(both, scenario="switch")
    assert len(breaking_point(both, at_least=0.5, scenario="switch")) == 2
    assert breaking_point(both, at_least=0.5, scenario="switch(language='es')")["scenario"].item() == "switch(language='es')"


def test_large_errors_are_the_worst_of_numbers():
    errors = np.r_[np.full(1000, 1.0), np.full(1000, 2.0) + np.arange(1000) % 3, np.full(10, 9.0)]
    owner = np.repeat([0, 1, 2], [1000, 1000, 10])
    made = evidence_of(errors, [], task="regression", slices={f"market=m{i}": owner == i for i in range(3)})
    table = worst_slice(made)
    assert table["slice"].tolist() == ["market=m1", "market=m0", "market=m2"]
    assert table["reason"].iloc[-1] == "undecided: 10 rows, 1000 are the least"


def test_no_slices_give_an_empty_table():
    table = worst_slice(curve(1))
    assert len(table) == 0 and "looked_at" in table


@pytest.mark.parametrize(("n", "share"), [(30, 0.98), (100, 0.95), (100, 0.995)])
def test_limits_of_the_worst_of_twenty_hold(n, share):
    rng = np.random.default_rng(0)
    limits = np.array([_together(Rate(x, n), 20) for x in range(n + 1)])
    worst = rng.binomial(n, share, (2000, 20)).min(axis=1)
    assert np.mean((limits[worst, 0] <= share) & (share <= limits[worst, 1])) >= 0.95


# the worst language


def test_languages_come_from_slices_and_from_scenarios():
    n = 200
    slices = {"language=de": np.arange(n) < 100, "Lang=fr": np.arange(n) >= 100, "market=de": np.arange(n) < 5}
    cells = [
        (cell("parallel_text(language='tr')", 1.0, language="tr", name="parallel_text"), right(90, n)),
        (cell("code_switch(language='es')", 0.1, language="es"), right(150, n)),
        (cell("code_switch(language='es')", 0.5, language="es"), right(20, n)),
        (cell("typos", 0.5), right(180, n)),
        (cell("a >> b", 0.5, stages=[{"name": "a"}, {"name": "b", "language": "pl"}]), right(40, n)),
        (cell("c >> d", 0.5, stages=[{"language": "pl"}, {"language": "cs"}]), right(190, n)),
    ]
    table = worst_language(evidence_of(right(30, n), cells, slices=slices))
    assert table[["language", "severity"]].values.tolist() == [["tr", 1.0], ["de", 0.0], ["pl", 0.5], ["es", 0.5], ["fr", 0.0]]
    assert table["value"].tolist() == pytest.approx([0.55, 0.7, 0.8, 0.9, 1.0]) and set(table["looked_at"]) == {5}
    assert len(worst_language(curve(1))) == 0


# the breaking point


def test_the_breaking_point_by_hand():
    found = breaking_point(curve(10, 50, 95, n=400), at_least=0.8).iloc[0]
    assert found["last_passing"] == 0.3 and isnan(found["first_failing"])
    assert found["says"] == "passes at 0.1, 0.3; undecided at 0.5" and found["limit"] == "at least 0.8"
    worse = breaking_point(curve(10, 80, 200, n=400), at_least=0.8).iloc[0]
    assert (worse["last_passing"], worse["first_failing"]) == (0.1, 0.5)
    assert worse["says"] == "passes at 0.1; undecided at 0.3; fails at 0.5"


def test_a_pass_above_a_severity_that_does_not_pass_is_no_last_passing():
    found = breaking_point(curve(10, 200, 10, n=400), at_least=0.8).iloc[0]
    assert (found["last_passing"], found["first_failing"]) == (0.1, 0.3) and found["says"] == "passes at 0.1, 0.5; fails at 0.3"


def test_where_nothing_fails_or_nothing_passes_there_is_no_number():
    fine, broken = (breaking_point(curve(*w, n=400), at_least=0.8).iloc[0] for w in ((1, 2, 3), (200, 300, 390)))
    assert fine["last_passing"] == 0.5 and isnan(fine["first_failing"]) and fine["says"] == "passes at 0.1, 0.3, 0.5"
    assert isnan(broken["last_passing"]) and broken["first_failing"] == 0.1
    few = breaking_point(curve(0, 0, 0), at_least=0.8).iloc[0]
    assert isnan(few["last_passing"]) and few["says"] == "undecided at 0.1, 0.3, 0.5 (10 rows are too few, 17 are the least)"


@quick
@given(st.lists(st.integers(0, 300), min_size=3, max_size=3), st.floats(0.05, 0.95), st.booleans())
def test_the_breaking_point_is_a_bracket_and_agrees_with_the_gate(wrong, limit, drop):
    made = curve(*wrong, clean=20, n=300)
    of, given = ("drop", {"at_most": limit}) if drop else ("value", {"at_least": limit})
    found = breaking_point(made, "accuracy", of, **given).iloc[0]
    last, first = found["last_passing"], found["first_failing"]
    assert isnan(last) or isnan(first) or last < first
    gate = {"name": "typos", "metric": "accuracy", "of": of, "scenario": "typos", **given}
    data = {"reference": "r.csv", "replay": "r.csv", "label": "y", "columns": {"x": "text"}}
    promise = {"name": "p", "task": "binary", "model": {"loader": "module", "ref": "a:b"}, "data": data, "gates": [gate]}
    spec, _ = parse(promise)
    cells = {c.severity: c.verdict for g in judge(spec, made) for c in g.cells}
    for verdict, word in ((Verdict.PASSES, "passes"), (Verdict.FAILS, "fails"), (Verdict.UNDECIDED, "undecided")):
        at = ", ".join(f"{s:g}" for s in sorted(cells) if cells[s] is verdict)
        assert (f"{word} at {at}" in found["says"]) if at else word not in found["says"]


def test_a_failure_is_corrected_for_everything_in_the_table():
    def many(k):
        return evidence_of(right(0, 100), [(cell(f"s{i:02d}", 0.3), right(30, 100)) for i in range(k)])

    assert breaking_point(many(1), at_least=0.8)["first_failing"].notna().all()
    assert breaking_point(many(30), at_least=0.8)["first_failing"].isna().all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "one limit"),
        ({"at_least": 0.8, "at_most": 0.9}, "one limit"),
        ({"at_least": 0.8, "of": "loss"}, "of must be one of value, drop, retention"),
        ({"at_least": 0.8, "of": "drop", "metric": "abstained"}, "of must be one of value for abstained"),
    ],
)
def test_a_promise_that_says_nothing_is_an_error(given, says):
    with pytest.raises(ValueError, match=says):
        breaking_point(curve(1, 2, 3), **given)


def test_retention_looks_at_changed_rows():
    half = np.arange(400, dtype="int16") % 2
    made = curve(10, 60, 200, n=400, truth=half)
    found = breaking_point(made, of="retention", at_least=0.5).iloc[0]
    assert found["first_failing"] == 0.1  # every changed row was right and is wrong
    none = breaking_point(curve(0, 60, 200, n=400, truth=half), of="retention", at_least=0.5).iloc[0]
    assert none["says"] == "undecided at 0.1 (no rows); fails at 0.3, 0.5"


# all of it


def test_the_summary_holds_what_its_parts_say():
    n, half = 200, {"language=de": np.arange(200) < 100, "language=fr": np.arange(200) >= 100}
    mine = evidence_of(right(10, n), [(cell("ocr", s), right(w, n)) for s, w in ((0.1, 20), (0.5, 15))], slices=half)
    theirs = evidence_of(
        right(10, n), [(cell("ocr", s), right(w, n)) for s, w in ((0.1, 40), (0.5, 30))], slices=half, name="old"
    )
    shown = summary(mine, theirs, at_least=0.5)
    row, top = shown.scenarios.iloc[0], shown.headline
    assert row["worst"] == pytest.approx(0.9) and row["severity"] == 0.1 and row["clean"] == pytest.approx(0.95)
    assert row["area"] == area(mine)["value"].item() and row["last_passing"] == 0.5
    assert row["ce"] == value(mce(mine, theirs))["value"] == top["mce"]["value"]
    assert row["retained"] == pytest.approx(0) and (row["low"], row["high"]) == _together(Rate(180, 200), 2)
    assert top["worst"]["value"] == pytest.approx(0.9) and top["worst"]["severity"] == 0.1
    assert top["worst_slice"]["slice"] == "language=de" and top["worst_language"]["language"] == "de"
    assert top["baseline"] == "old 2" and top["breaks"] == {} and top["clean"] == pytest.approx(0.95)
    assert json.loads(json.dumps(top, allow_nan=False)) == top
    assert "ocr" in shown._repr_html_()


def test_what_is_retained_is_retained_of_the_changed_rows():
    made = curve(30, clean=10, n=200, at=(0.3,))
    made = replace(made, touched=(np.arange(200) < 60,))
    assert summary(made).scenarios["retained"].item() == pytest.approx(30 / 50)


def test_few_clusters_give_values_without_limits():
    made = curve(30, n=200, at=(0.3,), clusters=np.arange(200) // 20)
    shown = summary(made, at_least=0.5).scenarios.iloc[0]
    assert isnan(shown["low"]) and "10 clusters; 40 are needed" in shown["reason"] and "10 clusters" in shown["says"]
    assert isnan(area(made)["low"].item())


def test_the_summary_of_numbers_has_no_share_retained():
    rng = np.random.default_rng(0)
    made = evidence_of(rng.normal(size=50), [(cell(severity=0.5), 3 * rng.normal(size=50))], task="regression")
    shown = summary(made, at_most=5.0)
    assert isnan(shown.scenarios["retained"].item()) and shown.headline["worst_slice"] is None
    assert "1000 are the least" in shown.scenarios["says"].item()


def test_names_from_data_are_escaped():
    made = curve(1, 2, 3, scenario="<script>")
    assert "<script>" not in summary(made)._repr_html_()


def test_the_functions_can_be_methods():
    class Asked(Evidence):
        mce, area, summary = mce, area, summary

    made = Asked(**{f: getattr(curve(1, 2, 3), f) for f in Evidence.__dataclass_fields__})
    assert value(made.mce(curve(2, 4, 6)))["value"] == pytest.approx(0.5)
    assert len(made.area()) == len(made.summary().scenarios) == 1


def test_the_column_with_the_role_language_is_one_of_languages_whatever_its_name(tmp_path):
    rows = text_rows().assign(sprache=["de", "en", "en", "en"] * 16)
    folder = write_pilot(tmp_path / "tiny", replay=rows, reference=text_rows(64, 1000).assign(sprache="en"))
    promise = (folder / "pilot.yaml").read_text(encoding="utf-8")
    promise = promise.replace("    text: text\n", "    text: text\n    sprache: language\nslices: [sprache]\n", 1)
    (folder / "pilot.yaml").write_text(promise, encoding="utf-8")
    pilot = Pilot.load(folder)
    evidence = replay(pilot, suite(["upper_case"], pilot.spec), (1.0,), (0,), progress=False)
    assert sorted(worst_language(evidence, minimum=1)["language"]) == ["de", "en"]


# ---- the picture


def drawn(cells) -> tuple[list[str], str]:
    "Titles of the panels, and what stands below; drawn in full, since a text may fail only then."
    right = [1] * 8 + [0] * 2
    fig = evidence_of(right, [(c, right) for c in cells]).plot()
    fig.savefig(BytesIO())
    return [ax.get_title(loc="left") for ax in fig.axes if ax.get_visible()], fig.get_supxlabel().replace("\n", " ")


def test_a_curve_is_drawn_of_what_was_exercised_and_the_rest_is_named():
    idle = [
        cell(name, s, exercised=False)
        for name in ("date_formats(locale='de')", "date_formats(locale='es')", "number_words")
        for s in (0.1, 0.3)
    ]
    titles, below = drawn([cell(severity=0.1), cell(severity=0.3), *idle, cell("parallel_text(language='fr')", 1.0)])
    assert titles == ["typos", "parallel text at 1"]
    assert below == (
        "Not exercised, since there was too little to change: date_formats(locale='de'), date_formats(locale='es'), number_words."
    )
    assert drawn([cell(severity=0.1), cell(severity=0.3)])[1] == ""
    assert drawn(idle)[0] == ["clean rows alone"] == drawn([])[0]


@pytest.mark.parametrize("exercised", [True, False])
def test_names_are_drawn_as_they_are(exercised):
    odd = r"typos(columns='cost in $\frac, $')"
    titles, below = drawn([cell(odd, 0.1, exercised=exercised), cell(odd, 0.3, exercised=exercised)])
    assert titles == ([odd] if exercised else ["clean rows alone"]) and ("$\\frac" in below) is not exercised
    assert drawn([cell(odd, 0.1, exercised=exercised)])[0]
