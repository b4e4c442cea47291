"""Calibration, groups, selective prediction and drift: against other computations, published examples and simulated error rates."""

from decimal import Decimal
from math import inf, isnan, sqrt

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2_contingency, false_discovery_control, ks_2samp, norm

from pilot_to_prod.evidence.confidence import (
    Difference,
    aurc,
    benjamini_hochberg,
    drift,
    ece_estimate,
    risk_coverage,
    rmse_estimate,
    yearly,
)
from pilot_to_prod.evidence.statistics import ALPHA, Rate

quick = settings(deadline=None, max_examples=40, derandomize=True)
limits = st.floats(0.005, 0.6)
alphas = st.sampled_from([0.1, ALPHA, 1e-3])
seeds = st.integers(0, 10_000)


@st.composite
def two_groups(draw):
    n, k = draw(st.integers(1, 800)), draw(st.integers(1, 800))
    part = draw(st.sampled_from([0.0, 0.5]))
    return Difference(draw(st.integers(0, n)) * (1 - part / n), n, float(draw(st.integers(0, k))), k)


def pilots(rng, n, gap=0.0):
    "Confidence evenly over 0.5–0.95, right less often by the gap."
    sure = rng.uniform(0.5, 0.95, n)
    return sure, (rng.random(n) < sure - gap).astype(float)


# calibration


def plain_ece(sure, right, bins=10):
    total = 0.0
    for low in np.arange(bins) / bins:
        inside = (sure > low) & (sure <= low + 1 / bins + 1e-12) | (low == 0) & (sure == 0)
        total += abs((right[inside] - sure[inside]).sum())
    return total / len(sure)


@quick
@given(seeds, st.integers(2, 300), st.floats(-0.3, 0.3), alphas)
def test_an_interval_of_ece_contains_the_plain_value_and_the_lower_estimate_is_below_it(seed, n, gap, alpha):
    sure, right = pilots(np.random.default_rng(seed), n, gap)
    e = ece_estimate(sure, right)
    low, high = e.interval(alpha)
    assert e.value == pytest.approx(plain_ece(sure, right))
    assert e.signed <= e.value + 1e-12 and e.n == n
    assert 0 <= low <= e.value + 1e-12 and e.value <= high + 1e-12 and high <= 1


@quick
@given(seeds, st.floats(-0.3, 0.3), st.lists(st.floats(0.01, 0.9), min_size=2, max_size=2, unique=True).map(sorted), alphas)
def test_ece_passes_and_fails_exactly_where_its_limits_meet_the_threshold(seed, gap, pair, alpha):
    e = ece_estimate(*pilots(np.random.default_rng(seed), 400, gap))
    low, high = e.interval(alpha)
    for limit in pair:
        assume(min(abs(limit - low), abs(limit - high)) > 1e-9)
        assert (e.p_pass(limit) <= alpha) == (high <= limit)
        assert (e.p_fail(limit) <= alpha) == (low >= limit)
        assert e.p_pass(limit, True) == e.p_fail(limit) and e.p_fail(limit, True) == e.p_pass(limit)
    assert e.p_pass(pair[0]) >= e.p_pass(pair[1]) and e.p_fail(pair[0]) <= e.p_fail(pair[1])


def test_confidence_on_an_edge_belongs_to_the_bin_below():
    sure = np.repeat([0.3, 0.7, 1.0, 0.0], 50)  # each alone in its bin
    right = np.repeat([1.0, 0.0, 1.0, 0.0], 50)
    assert ece_estimate(sure, right).value == pytest.approx((0.7 + 0.7) / 4)
    assert ece_estimate([0.3, 0.25], [1.0, 0.0]).value == pytest.approx(abs(0.7 - 0.25) / 2)


def test_seeds_and_rows_of_a_cluster_are_not_data():
    rng = np.random.default_rng(3)
    sure, right = pilots(rng, 300)
    one = ece_estimate(sure, right)
    for repeated in (
        ece_estimate(np.repeat(sure[:, None], 4, 1), np.repeat(right[:, None], 4, 1)),
        ece_estimate(np.repeat(sure, 4), np.repeat(right, 4), np.repeat(np.arange(300), 4)),
    ):
        assert (repeated.n, repeated.value, repeated.se, repeated.signed_se) == pytest.approx(
            (300, one.value, one.se, one.signed_se)
        )


def test_folds_do_not_follow_the_order_of_rows():
    rng = np.random.default_rng(0)
    sure = np.full(1000, 0.8)
    right = np.r_[np.ones(200), rng.random(800) < 0.75].astype(float)  # the first fifth of the file is another customer
    assert ece_estimate(sure, right) == ece_estimate(sure, right)
    assert abs(ece_estimate(sure, right).signed) < 0.05


def test_ece_of_few_rows_claims_nothing_and_of_bad_input_says_why():
    for n in (0, 1):
        e = ece_estimate(np.full(n, 0.9), np.ones(n))
        assert e.p_pass(0.5) == e.p_fail(0.01) == 1 and e.interval() == (0, 1) and e.n == n
    e = ece_estimate(np.ones(50), np.ones(50))  # never wrong and says so
    assert e.value == 0 and 0 < e.interval()[1] < 0.1 and e.p_fail(0.05) == 1
    assert e.minimum(0.05, False) == 1000 and e.minimum(0.001, False) > 3000 and e.minimum(0.0, False) == inf
    for bad in (np.nan, 1.2, -0.1):
        with pytest.raises(ValueError, match=r"confidence must be in \[0, 1\]"):
            ece_estimate([bad, 0.5], [1, 0])


@pytest.mark.parametrize(
    "gap,passes,fails", [(0.0, (0.9, 1), (0, 0.03)), (0.05, (0, 0.03), (0, 0.05)), (0.15, (0, 0.001), (0.95, 1))]
)
def test_ece_at_a_limit_of_five_points_from_two_thousand_rows(gap, passes, fails):
    rng = np.random.default_rng(7)
    found = [ece_estimate(*pilots(rng, 2000, gap)) for _ in range(400)]
    assert passes[0] <= np.mean([e.p_pass(0.05) <= ALPHA for e in found]) <= passes[1]
    assert fails[0] <= np.mean([e.p_fail(0.05) <= ALPHA for e in found]) <= fails[1]


def test_one_bad_bin_among_good_ones_fails_rarely_at_the_limit():
    rng = np.random.default_rng(11)

    def one():
        sure = rng.uniform(0.5, 1, 1000)
        return ece_estimate(sure, (rng.random(1000) < np.where(sure > 0.9, sure - 0.25, sure)).astype(float))

    assert np.mean([one().p_fail(0.05) <= ALPHA for _ in range(800)]) <= 0.05


@pytest.mark.parametrize("limit", [0.01, 0.05])
def test_rare_errors_of_a_pilot_that_is_always_sure_do_not_pass_too_easily(limit):
    "One bin, so that the error is a share: exact chances over all counts."
    n, chance = 1000, 0.0
    for k in range(120):
        right = np.r_[np.zeros(k), np.ones(n - k)]
        if ece_estimate(np.ones(n), right).p_pass(limit) <= ALPHA:
            chance += binom.pmf(k, n, limit)
    assert chance <= 0.03


# two groups


@pytest.mark.parametrize(
    "table,low,high",
    [  # Newcombe 1998, table II, method 10
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_the_published_intervals_of_newcombe(table, low, high):
    a, n, b, k = table
    assert Difference(a, n, b, k).signed_interval() == pytest.approx((low, high), abs=5.1e-5)


@quick
@given(two_groups(), limits, alphas)
def test_a_gap_passes_only_inside_its_interval_and_fails_only_outside(gap, limit, alpha):
    low, high = gap.interval(alpha)
    assert 0 <= low <= gap.value + 1e-9 and gap.value <= high + 1e-9
    assume(min(abs(low - limit), abs(high - limit)) > 1e-7)
    score = max(norm.cdf(-gap._score(limit)), norm.cdf(gap._score(-limit)))
    assert (gap.p_pass(limit) <= alpha) == (high <= limit and score <= alpha)
    if gap.p_fail(limit) <= alpha:
        assert low >= limit
    assert gap.p_pass(limit, True) == gap.p_fail(limit) and gap.p_fail(limit, True) == gap.p_pass(limit)


@quick
@given(two_groups(), limits)
def test_a_gap_does_not_depend_on_which_group_is_named_first(gap, limit):
    other = Difference(gap.hits_b, gap.n_b, gap.hits_a, gap.n_a)
    assert other.signed == pytest.approx(-gap.signed) and other.se == pytest.approx(gap.se) and other.n == gap.n
    assert other.interval() == pytest.approx(gap.interval(), abs=1e-12)
    assert other.p_pass(limit) == pytest.approx(gap.p_pass(limit), rel=1e-6, abs=1e-12)
    assert other.p_fail(limit) == pytest.approx(gap.p_fail(limit), rel=1e-6, abs=1e-12)


@quick
@given(two_groups())
def test_chances_of_a_gap_move_with_the_limit(gap):
    steps = np.linspace(0.001, 0.9, 15)
    assert (np.diff([gap.p_pass(x) for x in steps]) <= 1e-9).all()
    assert (np.diff([gap.p_fail(x) for x in [0.0, *steps]]) >= -1e-9).all()
    assert all(gap.p_pass(x) + gap.p_fail(x) >= 1 - 1e-9 for x in steps)


def test_at_a_limit_of_zero_a_gap_fails_by_the_two_sided_test():
    gap = Difference(330, 400, 290, 400)
    p = gap.p_fail(0.0)
    assert gap.signed_interval(p / 2)[0] == pytest.approx(0, abs=1e-8)
    assert Difference(3, 10, 3, 10).p_fail(0.0) == 1 and gap.p_pass(0.0) == 1


def test_a_group_without_rows_claims_nothing():
    gap = Difference(0, 0, 5, 10)
    assert isnan(gap.value) and gap.p_pass(0.2) == gap.p_fail(0.2) == 1 and gap.interval() == (0, 1) and gap.n == 0
    assert gap.minimum(0.05, False) == 300


@pytest.mark.parametrize("n,k", [(300, 300), (300, 1000)])
@pytest.mark.parametrize("p,limit", [(0.7, 0.05), (0.9, 0.1), (0.98, 0.02), (1.0, 0.05), (0.8, 0.0)])
def test_a_gap_at_its_limit_is_rarely_judged_wrongly(n, k, p, limit):
    rng = np.random.default_rng(5)
    found = [Difference(a, n, b, k) for a, b in zip(rng.binomial(n, p, 500), rng.binomial(k, p - limit, 500), strict=True)]
    assert np.mean([g.p_pass(limit) <= ALPHA for g in found]) <= 0.03 + 0.01  # a simulation's own error beside it
    assert np.mean([g.p_fail(limit) <= ALPHA for g in found]) <= 0.05


def test_the_exact_chance_of_a_false_pass_over_the_tables_that_matter():
    n, p, limit = 300, 0.95, 0.1
    a, b = binom.pmf(np.arange(n + 1), n, p), binom.pmf(np.arange(n + 1), n, p - limit)
    first, second = np.flatnonzero(a > 1e-4), np.flatnonzero(b > 1e-4)
    chance = sum(a[i] * b[j] for i in first for j in second if Difference(i, n, j, n).p_pass(limit) <= ALPHA)
    assert chance <= 0.03


# selective prediction


def slow_aurc(sure, wrong):
    "Mean over many random orders of the ties."
    rng, out, k = np.random.default_rng(0), [], np.arange(1, len(sure) + 1)
    for _ in range(2000):
        order = np.lexsort((rng.random(len(sure)), -sure))
        out.append(np.mean(wrong[order].cumsum() / k))
    return np.mean(out)


def test_aurc_averages_over_ties_and_its_excess_is_what_a_better_order_would_gain():
    rng = np.random.default_rng(2)
    sure, right = rng.integers(0, 4, 40) / 4, (rng.random(40) < 0.7).astype(float)
    assert aurc(sure, right) == pytest.approx(slow_aurc(sure, 1 - right), abs=0.004)
    assert aurc(np.full(40, 0.9), right) == pytest.approx(1 - right.mean())
    assert aurc(right, right, excess=True) == 0 and isnan(aurc(np.empty(0), np.empty(0)))
    wrong = int((1 - right).sum())
    best = sum((k - (40 - wrong)) / k for k in range(40 - wrong + 1, 41)) / 40
    assert aurc(sure, right, excess=True) == pytest.approx(aurc(sure, right) - best)


@quick
@given(seeds, st.integers(1, 400), st.integers(1, 30), st.sampled_from([4, 1000]))
def test_the_curve_ends_with_every_answer_and_has_as_many_points_as_asked(seed, n, points, levels):
    rng = np.random.default_rng(seed)
    sure, right = rng.integers(0, levels, n) / levels, (rng.random(n) < 0.8).astype(float)
    curve = risk_coverage(sure, right, points=points)
    assert list(curve) == ["coverage", "confidence", "risk", "low", "high", "n"]
    assert 1 <= len(curve) <= points and curve.coverage.iloc[-1] == 1 and curve.risk.iloc[-1] == pytest.approx(1 - right.mean())
    assert curve.coverage.is_monotonic_increasing and curve.confidence.is_monotonic_decreasing
    for row in curve.itertuples():
        out = sure >= row.confidence
        assert (row.n, row.risk) == (out.sum(), pytest.approx(1 - right[out].mean()))
        assert (row.low, row.high) == pytest.approx(Rate((1 - right[out]).sum(), out.sum()).interval())
    assert np.isclose(aurc(sure, right), aurc(sure * 0.5, right))


def test_selective_prediction_needs_one_confidence_a_row():
    assert risk_coverage(np.empty(0), np.empty(0)).empty
    for sure in ([0.5, np.nan], [[0.5, 0.5]], [0.5]):
        with pytest.raises(ValueError, match="one value a row"):
            aurc(np.array(sure), np.ones(2))


# described


def test_rmse_is_shown_and_never_decides():
    rng = np.random.default_rng(0)
    errors = np.abs(rng.normal(0, 3, 4000))
    e = rmse_estimate(errors)
    low, high = e.interval()
    assert low < e.value < high and e.value == pytest.approx(sqrt((errors**2).mean())) and low < 3 < high
    assert e.p_pass(1e9) == e.p_fail(0.0) == 1 and e.minimum(5, False) == inf and e.short.startswith("described only:")
    assert "the largest 1% of the errors make" in rmse_estimate(np.abs(rng.standard_t(1.5, 4000))).short
    assert e.se == pytest.approx(np.std([rmse_estimate(np.abs(rng.normal(0, 3, 4000))).value for _ in range(300)]), rel=0.15)
    for few in ([], [2.0], [0.0, 0.0]):
        e = rmse_estimate(np.array(few))
        assert e.short and e.interval()[0] <= e.interval()[1]


# drift


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_are_those_of_benjamini_and_hochberg(p):
    assert benjamini_hochberg(np.array(p)) == pytest.approx(false_discovery_control(p))
    assert benjamini_hochberg(np.array([np.nan, *p, np.nan]))[1:-1] == pytest.approx(false_discovery_control(p))


def month(rng, n=1000, shift=0.0):
    "Ten numbers and ten categories; the first two of each move by the shift."
    return pd.DataFrame(
        {f"x{i}": rng.normal(shift * (i < 2), 1, n) for i in range(10)}
        | {
            f"c{i}": rng.choice(
                list("abcd"), n, p=np.array([0.4, 0.3, 0.2, 0.1]) + shift * (i < 2) * np.array([-0.5, 0.5, 0, 0])
            )
            for i in range(10)
        }
    )


def test_runs_without_change_raise_few_flags_even_without_a_floor():
    rng = np.random.default_rng(4)
    found = [drift(month(rng, 400), month(rng, 400), floor=0.0) for _ in range(100)]
    assert np.mean([f.drifted.any() for f in found]) <= 0.08
    assert not any(drift(month(rng), month(rng)).drifted.any() for _ in range(20))


def test_a_real_shift_in_four_columns_is_found_in_exactly_those():
    rng = np.random.default_rng(1)
    for _ in range(10):
        found = drift(month(rng), month(rng, shift=0.45))
        assert sorted(found.column[found.drifted]) == ["c0", "c1", "x0", "x1"] and len(found) == 20


def test_at_huge_n_only_the_effect_matters():
    rng = np.random.default_rng(0)
    a, b = pd.DataFrame({"x": rng.normal(0, 1, 200_000)}), pd.DataFrame({"x": rng.normal(0.05, 1, 200_000)})
    row = drift(a, b).iloc[0]
    assert row.q < 1e-6 and not row.drifted and "too small to matter" in row.reason
    assert drift(a, b, floor=0.01).drifted.all()


@quick
@given(seeds, st.integers(2, 900), st.integers(2, 900), st.booleans())
def test_statistics_are_those_of_scipy(seed, n, k, ties):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 1, n), rng.normal(0.1, 1, k)
    if ties:
        x, y = np.round(x), np.round(y)
    row = drift(pd.DataFrame({"x": x}), pd.DataFrame({"x": y})).iloc[0]
    want = ks_2samp(x, y, method="exact" if max(n, k) <= 500 else "asymp")
    assert (row.statistic, row.effect, row.p) == pytest.approx(
        (want.statistic, want.statistic, want.pvalue), rel=1e-9, abs=1e-12
    )
    a, b = rng.choice(3, n), rng.choice(3, k)
    table = np.array([np.bincount(a, minlength=3), np.bincount(b, minlength=3)])
    assume((table.sum(0) * min(n, k) / (n + k) >= 5).all())
    row = drift(pd.DataFrame({"c": a.astype(str)}), pd.DataFrame({"c": b.astype(str)})).iloc[0]
    want = chi2_contingency(table, correction=False)
    assert (row.statistic, row.p) == pytest.approx((want.statistic, want.pvalue))
    assert row.effect == pytest.approx(np.abs(table[0] / n - table[1] / k).sum() / 2)


def test_missing_values_are_a_level_of_categories_and_a_test_of_their_own_for_numbers():
    rng = np.random.default_rng(0)
    a = pd.DataFrame({"x": rng.random(500), "c": rng.choice(["u", "v"], 500)})
    b = a.copy()
    b.loc[:199, ["x", "c"]] = None
    found = drift(a, b).set_index(["column", "kind"])
    assert found.loc[("x", "missing")].drifted and found.loc[("c", "category")].drifted
    assert found.loc[("x", "missing")].effect == pytest.approx(0.4) == found.loc[("c", "category")].effect
    number = found.loc[("x", "number")]
    assert not number.drifted and (number.n_reference, number.n_current) == (500, 300)


def why(a, b, **kw):
    found = drift(pd.DataFrame({"x": a}), pd.DataFrame({"x": b}), **kw)
    return found.iloc[0]


@pytest.mark.parametrize(
    "a,b,reason",
    [
        ([1.0] * 50, [1.0] * 50, "no difference shown"),
        (["k"] * 50, ["k"] * 50, "no difference shown"),
        ([None] * 9, [np.nan] * 9, "no values in either"),
        ([1.0] * 9, [None] * 9, "no values in current"),
        ([], [1.0], "no rows in reference"),
        ([1.0], [], "no rows in current"),
        ([1.0], [2.0], "no difference shown"),
        (["a"], ["b"], "no difference shown"),
        ([1.0] * 9, ["1"] * 9, "number in reference, category in current"),
        ([f"id {i}" for i in range(60)], [f"id {i}" for i in range(60, 120)], "every level is rare"),
    ],
)
def test_what_cannot_be_tested_says_why(a, b, reason):
    row = why(a, b)
    assert reason in row.reason and row.drifted is np.False_ or row.drifted is False


def test_columns_of_one_frame_and_unknown_names_are_reported():
    a, b = pd.DataFrame({"x": [1.0] * 9, "old": 1}), pd.DataFrame({"x": [1.0] * 9, "new": 1})
    found = drift(a, b)
    assert list(found.column) == ["x", "old", "new"]
    assert list(found.reason[1:]) == ["only in reference", "only in current"]
    assert list(drift(a, b, columns=["x"]).column) == ["x"]
    with pytest.raises(ValueError, match="no column"):
        drift(a, b, columns=["z"])
    with pytest.raises(ValueError, match="q must be in"):
        drift(a, b, q=5)
    assert drift(a[[]], b[[]]).empty


def test_new_levels_infinite_values_and_times_are_compared():
    rng = np.random.default_rng(0)
    row = why(["a", "b"] * 200, ["a", "new"] * 200)
    assert row.drifted and row.effect == pytest.approx(0.5) and "50% of current values have levels unseen" in row.reason
    x = rng.random(400)
    assert why(x, np.where(x < 0.3, np.inf, x)).effect == pytest.approx((x < 0.3).mean())
    day = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 1000, 600), unit="h")
    for times in (day, day.tz_localize("Europe/Berlin", ambiguous=True, nonexistent="shift_forward"), day - day[0], day.date):
        row = why(pd.Series(times[:300]), pd.Series(times[300:] + pd.Timedelta(days=30)))
        assert row.kind in ("time", "duration") and row.drifted


def test_levels_of_any_kind_are_counted():
    rng = np.random.default_rng(0)
    for levels in ([True, False], [1, "1"], [[1], [2]], [("a",), ("b",)]):
        values = pd.Series([levels[i] for i in rng.integers(0, 2, 400)])
        row = why(values[:200].reset_index(drop=True), values[200:].reset_index(drop=True))
        assert row.kind == "category" and row.p > 0.001
    assert why(pd.Series(["a", "b"] * 50), pd.Series(["a", "b", "b", 1] * 25, dtype=object)).effect == pytest.approx(0.25)
    kinds = pd.Series(["a", "b"] * 100, dtype="category")
    row = why(kinds, pd.Series(["b", "c"] * 100, dtype="category"))
    assert row.drifted and row.effect == pytest.approx(0.5)
    assert why(kinds, pd.Series(["a", "b"] * 100)).p == 1
    assert why([True, False] * 50, pd.array([True, False] * 50, "boolean")).p == 1
    for other in (
        pd.Series([0, 1] * 100, dtype="category"),
        pd.Series(pd.period_range("2020", periods=2)).repeat(100),
        [1j, 2j] * 100,
    ):
        assert why(kinds, pd.Series(other).reset_index(drop=True)).effect == pytest.approx(1)
    assert why([Decimal(i) for i in range(60)], [float(i) for i in range(60)]).kind == "number"
    assert why(pd.array([1, None] * 60, "Int64"), pd.array([1, 2] * 60, "Int64")).n_reference == 60


def test_rare_levels_are_pooled():
    a, b = ["a"] * 200 + ["x", "y", "z"], ["a"] * 200 + ["q"] * 3
    row = why(a, b)
    assert row.q > 0.05 or "too rare" in row.reason
    a, b = ["a"] * 100 + ["b"] * 100 + [f"k{i}" for i in range(20)], ["a"] * 100 + ["b"] * 100 + [f"m{i}" for i in range(20)]
    assert why(a, b).p == pytest.approx(1)
    assert why(["a"] * 12, ["a"] * 6 + ["b"] * 6).test == "Fisher exact"


def test_a_name_that_occurs_twice_is_not_guessed():
    a = pd.DataFrame([[1.0, 2.0]] * 9, columns=["x", "x"])
    assert "more than once" in drift(a, a).reason[0]


def test_a_flag_a_month_in_twenty_is_one_in_two_years():
    assert yearly(0.05) == pytest.approx(0.4596, abs=1e-4)
    assert yearly(0.05, 1) == pytest.approx(0.05) and yearly(0.0) == 0 and yearly(1.0, 52) == 1
