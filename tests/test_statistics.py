"""What a number may claim: against other computations of the same thing, and against exact or simulated error rates."""

from itertools import pairwise
from math import exp, inf, isfinite, nan, sqrt

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import binom, binomtest, multinomial, norm
from sklearn.metrics import f1_score

from pilot_to_prod.evidence.statistics import (
    ALPHA,
    Drop,
    Latency,
    LogMean,
    Normal,
    Rate,
    Retention,
    _tilted,
    alike_in_turn,
    alpha_of_look,
    binary_estimate,
    bootstrap_totals,
    confusion,
    decision_range,
    f1_estimate,
    holm,
    macro_f1,
    mae_estimate,
    rows_to_decide,
    unit_means,
    z_of,
)

quick = settings(deadline=None, max_examples=40, derandomize=True)
counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
limits = st.floats(0.02, 0.98)


@st.composite
def paired_tables(draw):
    "both right, lost, gained, n: with zero cells and rare flips among them."
    both, lost, gained, none = (draw(st.integers(0, 150)) for _ in range(4))
    assume(both + lost + gained + none > 0)
    return both, lost, gained, both + lost + gained + none


# a share


@pytest.mark.parametrize("alpha", [0.2, 0.025, 1e-3, 1e-9])
def test_z_of_leaves_alpha_above_it(alpha):
    assert norm.sf(z_of(alpha)) == pytest.approx(alpha, rel=1e-9)


@quick
@given(counts, st.sampled_from([0.1, 0.025, 0.001]))
def test_limits_of_a_share_invert_the_score_test(table, alpha):
    hits, n = table
    low, high = Rate(hits, n).interval(alpha)
    assert 0 <= low <= hits / n + 1e-12 and hits / n - 1e-12 <= high <= 1
    for end in (low, high):
        if 1e-9 < end < 1 - 1e-9:
            assert abs(hits / n - end) / sqrt(end * (1 - end) / n) == pytest.approx(norm.isf(alpha), rel=1e-6)


@quick
@given(counts, limits)
def test_a_share_passes_exactly_where_its_limit_meets_the_threshold(table, limit):
    rate = Rate(*table)
    low, high = rate.interval()
    assume(min(abs(low - limit), abs(high - limit)) > 1e-9)
    hits, n = table
    assert (rate.p_pass(limit, True) <= ALPHA) == (low >= limit and binom.sf(hits - 1, n, limit) <= ALPHA)
    assert (rate.p_pass(limit, False) <= ALPHA) == (high <= limit and binom.cdf(hits, n, limit) <= ALPHA)


@quick
@given(counts, limits)
def test_a_share_fails_by_the_exact_binomial_tail(table, limit):
    hits, n = table
    assert Rate(hits, n).p_fail(limit, True) == pytest.approx(
        binomtest(hits, n, limit, alternative="less").pvalue, rel=1e-9, abs=1e-300
    )
    assert Rate(hits, n).p_fail(limit, False) == pytest.approx(
        binomtest(hits, n, limit, alternative="greater").pvalue, rel=1e-9, abs=1e-300
    )


@quick
@given(counts, st.sampled_from([0.2, 0.5, 0.8]), limits)
def test_a_fractional_count_fails_no_earlier_than_its_neighbours(table, part, limit):
    hits, n = table
    hits = max(0.0, hits - part)
    around = [Rate(np.floor(hits), n), Rate(np.ceil(hits), n)]
    for up in (True, False):
        assert Rate(hits, n).p_fail(limit, up) >= max(r.p_fail(limit, up) for r in around) - 1e-9


def test_no_rows_claim_nothing():
    for empty in (Rate(0, 0), Drop(0, 0, 0), Retention(0, 0, 0, 0)):
        for up in (True, False):
            assert empty.p_pass(0.5, up) == empty.p_fail(0.5, up) == 1
        low, high = empty.interval()
        assert low <= 0 and high >= 1


def test_a_perfect_slice_of_twelve_rows_passes_nothing():
    perfect = Rate(12, 12)
    assert perfect.minimum(0.8, True) > 12
    assert perfect.p_pass(0.8, True) > ALPHA
    assert perfect.interval()[0] < 0.8
    assert perfect.interval()[1] - perfect.interval()[0] > 0.2


@pytest.mark.parametrize("limit", [0.5, 0.6, 0.8, 0.9, 0.95, 0.99])
def test_the_minimum_is_where_a_perfect_share_first_passes(limit):
    least = Rate(0, 0).minimum(limit, True)
    below, above = int(np.ceil(least)) - 1, int(np.floor(least)) + 1
    assert Rate(below, below).p_pass(limit, True) > ALPHA >= Rate(above, above).p_pass(limit, True)
    assert Rate(0, below).p_pass(1 - limit, False) > ALPHA >= Rate(0, above).p_pass(1 - limit, False)
    assert Rate(0, 0).minimum(1 - limit, False) == pytest.approx(least)


def wrong_verdicts(n: int, limit: float, up: bool) -> tuple[float, float]:
    "Exact chance of a false pass and of a false fail when the true share stands on the threshold."
    k = np.arange(n + 1)
    chance = binom.pmf(k, n, limit)
    passes = np.array([Rate(int(x), n).p_pass(limit, up) <= ALPHA for x in k]) & (n >= Rate(0, n).minimum(limit, up))
    fails = np.array([Rate(int(x), n).p_fail(limit, up) <= ALPHA for x in k])
    return float(chance[passes].sum()), float(chance[fails].sum())


@pytest.mark.parametrize("up", [True, False], ids=["at_least", "at_most"])
@pytest.mark.parametrize("limit", [0.6, 0.7, 0.8, 0.9, 0.95, 0.99])
def test_a_share_at_its_threshold_is_rarely_judged_wrongly(limit, up):
    for n in (100, 150, 250, 400, 800):
        passed, failed = wrong_verdicts(n, limit if up else 1 - limit, up)
        assert passed <= 0.03, n
        assert failed <= 0.05, n


@pytest.mark.parametrize("limit", [0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
def test_a_share_from_the_minimum_on_falsely_passes_at_most_three_in_a_hundred(limit):
    least = int(np.ceil(Rate(0, 0).minimum(limit, True)))
    worst = max((wrong_verdicts(n, limit, True)[0], n) for n in range(least, 100))
    assert worst[0] <= 0.03, f"{worst[0]:.3f} at n = {worst[1]}, although the minimum is {least}"


# a drop


def tango_by_search(lost: int, gained: int, n: int, drop: float) -> float:
    "The score statistic with its nuisance share found by maximising the likelihood under the constraint."
    rest = n - lost - gained

    def negative(g: float) -> float:
        parts = ((gained, g), (lost, g + drop), (rest, 1 - 2 * g - drop))
        return -sum(k * np.log(max(p, 1e-300)) for k, p in parts if k)

    floor = max(0.0, -drop)
    g = minimize_scalar(negative, bounds=(floor, (1 - drop) / 2), method="bounded", options={"xatol": 1e-13}).x
    g = min((g, floor, (1 - drop) / 2), key=negative)  # the best may lie on the edge
    return (n * drop - (lost - gained)) / sqrt(n * (2 * g + drop - drop * drop))


@pytest.mark.parametrize(
    ("lost", "gained", "n"), [(12, 3, 100), (0, 0, 80), (5, 0, 200), (0, 4, 60), (40, 35, 150), (1, 1, 400), (30, 0, 31)]
)
@pytest.mark.parametrize("drop", [0.01, 0.05, 0.2, 0.6, -0.05, -0.3])
def test_the_score_of_a_drop_is_the_constrained_maximum_likelihood_one(lost, gained, n, drop):
    assert Drop(lost, gained, n).z(drop) == pytest.approx(tango_by_search(lost, gained, n, drop), rel=1e-4, abs=1e-4)


@quick
@given(paired_tables(), st.sampled_from([0.1, 0.025, 0.001]))
def test_the_limits_of_a_drop_stand_z_away(table, alpha):
    _, lost, gained, n = table
    drop = Drop(lost, gained, n)
    low, high = drop.interval(alpha)
    assert -1 <= low <= drop.value + 1e-9 and drop.value - 1e-9 <= high <= 1
    assert drop.z(low) == pytest.approx(-norm.isf(alpha), abs=1e-4) or low < -1 + 1e-6
    assert drop.z(high) == pytest.approx(norm.isf(alpha), abs=1e-4) or high > 1 - 1e-6


@quick
@given(paired_tables())
def test_a_drop_seen_from_the_other_side_is_a_gain(table):
    _, lost, gained, n = table
    low, high = Drop(lost, gained, n).interval()
    mirrored = Drop(gained, lost, n).interval()
    assert (low, high) == (pytest.approx(-mirrored[1], abs=1e-7), pytest.approx(-mirrored[0], abs=1e-7))


@quick
@given(paired_tables(), st.floats(0.01, 0.5))
def test_a_drop_passes_exactly_where_its_limit_meets_the_threshold(table, limit):
    _, lost, gained, n = table
    drop = Drop(lost, gained, n)
    low, high = drop.interval()
    assume(min(abs(low - limit), abs(high - limit)) > 1e-6)
    assert (drop.p_pass(limit, False) <= ALPHA) == (high <= limit)
    assert (drop.p_fail(limit, False) <= ALPHA) == (low >= limit)


def test_a_drop_needs_rows_and_touched_rows():
    assert Drop(0, 0, 500).minimum(0.05, False) == pytest.approx(73, abs=0.5)
    assert Drop(0, 0, 500).minimum(0.01, False) == pytest.approx(380, abs=0.5)
    assert Drop(0, 0, 500, changed=29).minimum(0.05, False) == inf
    assert isfinite(Drop(0, 0, 500, changed=30).minimum(0.05, False))
    assert Drop(0, 0, 500).minimum(0.0, False) == inf


@pytest.mark.parametrize("gain", [0.0, 0.005, 0.02], ids="gains {}".format)
@pytest.mark.parametrize(("n", "limit"), [(200, 0.05), (200, 0.1), (73, 0.05)])
def test_a_drop_at_its_threshold_with_rare_flips_rarely_passes(n, limit, gain):
    lost, gained = np.meshgrid(np.arange(61), np.arange(25), indexing="ij")
    lost, gained = lost.ravel(), gained.ravel()
    keep = lost + gained <= n
    lost, gained = lost[keep], gained[keep]
    chance = multinomial.pmf(np.stack([lost, gained, n - lost - gained], -1), n, [limit + gain, gain, 1 - limit - 2 * gain])
    assert chance.sum() > 0.999  # the tables left out are too rare to matter
    likely = chance > 1e-9
    table = list(zip(lost[likely].tolist(), gained[likely].tolist(), chance[likely].tolist(), strict=True))
    passed = sum(p for a, b, p in table if Drop(a, b, n).p_pass(limit, False) <= ALPHA)
    failed = sum(p for a, b, p in table if Drop(a, b, n).p_fail(limit, False) <= ALPHA)
    assert passed <= 0.03
    assert failed <= 0.05


# a retention


def nam_by_search(both: int, lost: int, gained: int, n: int, ratio: float) -> float:
    "The score statistic with its cell shares found by maximising the likelihood under the constraint."
    seen = np.array([both, lost, gained, n - both - lost - gained], float)

    def cells(v: np.ndarray) -> np.ndarray:
        clean, kept = v  # share right when clean, and right both times; the stressed share is ratio × clean
        return np.array([kept, clean - kept, ratio * clean - kept, 1 - clean - ratio * clean + kept])

    def negative(v: np.ndarray) -> float:
        p = cells(v)
        return 1e9 if (p <= 0).any() else -float((seen * np.log(p)).sum())

    clean = min((both + lost) / n, 0.98 / max(1.0, ratio))
    low, high = max(0.0, clean + ratio * clean - 1), min(clean, ratio * clean)
    tight = {"xatol": 1e-11, "fatol": 1e-12, "maxiter": 5000, "maxfev": 5000}
    found = minimize(negative, [clean, (low + high) / 2], method="Nelder-Mead", options=tight)
    found = minimize(negative, found.x, method="Nelder-Mead", options=tight)
    p = cells(found.x)
    variance = p[0] * (1 - ratio) ** 2 + p[1] * ratio**2 + p[2]  # of stressed − ratio × clean, one row
    return ((both + gained) - ratio * (both + lost)) / sqrt(n * variance)


@pytest.mark.parametrize(
    ("both", "lost", "gained", "n"), [(60, 12, 3, 100), (150, 5, 1, 200), (40, 30, 20, 120), (20, 2, 9, 50)]
)
@pytest.mark.parametrize("ratio", [0.5, 0.8, 0.9, 1.0, 1.2])
def test_the_score_of_a_retention_is_the_constrained_maximum_likelihood_one(both, lost, gained, n, ratio):
    assert Retention(both, lost, gained, n).z(ratio) == pytest.approx(
        nam_by_search(both, lost, gained, n, ratio), rel=1e-4, abs=1e-4
    )


@quick
@given(paired_tables(), st.sampled_from([0.1, 0.025, 0.001]))
def test_the_limits_of_a_retention_stand_z_away(table, alpha):
    both, lost, gained, n = table
    assume(both + lost > 0)
    kept = Retention(both, lost, gained, n)
    low, high = kept.interval(alpha)
    if low > 1e-5:
        assert kept.z(low) == pytest.approx(norm.isf(alpha), abs=1e-3)
    if high < 9.9:
        assert kept.z(high) == pytest.approx(-norm.isf(alpha), abs=1e-3)


@quick
@given(paired_tables())
@example((0, 1, 50, 100))
def test_the_interval_of_a_retention_holds_its_value(table):
    both, lost, gained, n = table
    assume(both + lost > 0)
    kept = Retention(both, lost, gained, n)
    low, high = kept.interval()
    assert low - 1e-6 <= kept.value <= high + 1e-6


@quick
@given(paired_tables())
def test_retention_the_other_way_round_is_one_over_it(table):
    both, lost, gained, n = table
    assume(both + lost > 0 and both + gained > 0)
    low, high = Retention(both, lost, gained, n).interval()
    back = Retention(both, gained, lost, n).interval()
    assume(low > 0.11 and high < 9 and back[0] > 0.11 and back[1] < 9)
    assert (low, high) == (pytest.approx(1 / back[1], rel=1e-5), pytest.approx(1 / back[0], rel=1e-5))


def test_retention_must_start_above_chance():
    assert Retention(30, 5, 2, 100, chance=0.4).minimum(0.9, True) == inf
    assert isfinite(Retention(300, 50, 20, 400, chance=0.4).minimum(0.9, True))


# macro-F1


@st.composite
def answered(draw):
    "truth, answers a seed (−1: none), number of classes"
    k, n, seeds = draw(st.integers(2, 5)), draw(st.integers(1, 40)), draw(st.integers(1, 3))
    truth = np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    said = np.array(draw(st.lists(st.lists(st.integers(-1, k - 1), min_size=seeds, max_size=seeds), min_size=n, max_size=n)))
    return truth, said, k


@quick
@given(answered())
def test_macro_f1_is_that_of_scikit_learn_with_the_labels_fixed(case):
    truth, said, k = case
    ours = macro_f1(confusion(truth, said, k).sum(0))
    theirs = f1_score(np.repeat(truth, said.shape[1]), said.ravel(), average="macro", labels=list(range(k)), zero_division=0)
    assert float(ours) == pytest.approx(theirs, abs=1e-12)


@quick
@given(answered(), st.randoms(use_true_random=False))
def test_confusion_sums_to_the_same_in_any_order(case, random):
    truth, said, k = case
    order = list(range(len(truth)))
    random.shuffle(order)
    table = confusion(truth, said, k)
    assert (confusion(truth[order], said[order], k) == table[order]).all()
    assert (confusion(truth, said[:, ::-1], k) == table).all()
    assert (table == np.floor(table)).all()


def test_a_class_with_too_few_rows_leaves_macro_f1_undecided():
    truth = np.repeat([0, 1, 2], [50, 19, 20])
    table = confusion(truth, truth[:, None], 3)
    found = f1_estimate(None, table, names=("a", "b", "c"))
    assert found.minimum(0.5, True) == inf
    assert "b" in found.short and "c" not in found.short
    absent = f1_estimate(None, confusion(np.zeros(90, int), np.zeros((90, 1), int), 2))
    assert absent.minimum(0.5, True) == inf


def test_bootstrap_weights_come_from_their_own_generator():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = bootstrap_totals(np.eye(200), np.ones(200, int), 300, seed=1)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert (bootstrap_totals(np.eye(200), np.ones(200, int), 300, seed=1) == first).all()
    assert (bootstrap_totals(np.eye(200), np.ones(200, int), 300, seed=2) != first).any()
    assert first.mean() == pytest.approx(1, abs=0.02) and first.var() == pytest.approx(1, abs=0.05)


def test_units_that_are_alike_are_drawn_together_with_the_same_spread():
    rng = np.random.default_rng(3)
    truth, said = drawn_answers(rng, 900, [0.6, 0.25, 0.15], [0.9, 0.85, 0.7])
    each = confusion(truth, said[:, None], 3)
    kinds, at = np.unique(np.column_stack([truth, said]), axis=0, return_index=True)[:2]
    counts = np.array([((truth == t) & (said == a)).sum() for t, a in kinds])
    one, other = f1_estimate(None, each, replicates=4000), f1_estimate(None, each[at], counts=counts, replicates=4000)
    assert one.value == pytest.approx(other.value) and one.n == other.n and one.short == other.short
    assert one.se == pytest.approx(other.se, rel=0.06)


def drawn_answers(rng, n, shares, right):
    "Truth and answers of a pilot that is right with `right[class]`, else says any other class."
    k = len(shares)
    truth = rng.choice(k, n, p=shares)
    hit = rng.random(n) < np.asarray(right)[truth]
    return truth, np.where(hit, truth, (truth + rng.integers(1, k, n)) % k)


def true_f1(shares, right):
    shares, right, k = np.asarray(shares), np.asarray(right), len(shares)
    hits, wrong = shares * right, shares * (1 - right) / (k - 1)
    return float(np.mean(2 * hits / (hits + wrong.sum() - wrong + shares)))


@pytest.mark.parametrize(
    ("n", "shares", "right"),
    [(500, [0.6, 0.25, 0.15], [0.9, 0.85, 0.7]), (600, [0.55, 0.3, 0.09, 0.06], [0.9, 0.8, 0.7, 0.75])],
    ids=["common classes", "rare class"],
)
def test_macro_f1_at_its_threshold_rarely_passes(n, shares, right):
    rng, replicates, passed = np.random.default_rng(11), 500, 0
    limit = true_f1(shares, right)
    for _ in range(replicates):
        truth, said = drawn_answers(rng, n, shares, right)
        found = f1_estimate(None, confusion(truth, said[:, None], len(shares)), replicates=200)
        passed += found.p_pass(limit, True) <= ALPHA and n >= found.minimum(limit, True)
    slack = 3 * sqrt(0.04 * 0.96 / replicates)  # of the simulation itself
    assert 0 < passed / replicates <= 0.04 + slack


def test_the_bootstrap_error_of_macro_f1_is_the_spread_over_fresh_samples():
    rng, shares, right, n = np.random.default_rng(5), [0.6, 0.25, 0.15], [0.9, 0.85, 0.7], 600
    tables = [confusion(t, s[:, None], 3) for t, s in (drawn_answers(rng, n, shares, right) for _ in range(400))]
    values = [float(macro_f1(t.sum(0))) for t in tables]
    claimed = np.mean([f1_estimate(None, t, replicates=300).se for t in tables[:100]])
    assert claimed == pytest.approx(np.std(values, ddof=1), rel=0.15)


# seeds and clusters


def test_seeds_are_not_data():
    "Five seeds of one row agree more than five rows would: averaged, the interval covers; pooled, it would not."
    rng, n, seeds, replicates = np.random.default_rng(7), 200, 5, 2500
    covers = pooled = 0
    for _ in range(replicates):
        row = rng.beta(0.8, 0.2, (n, 1))
        s = (rng.random((n, seeds)) < row).astype(float)
        low, high = binary_estimate(None, s).interval()
        covers += low <= 0.8 <= high
        low, high = Rate(float(s.sum()), n * seeds).interval()
        pooled += low <= 0.8 <= high
    assert covers / replicates >= 0.93
    assert pooled / replicates < 0.93  # else this simulation could not tell


def test_rows_of_one_customer_are_one_unit():
    rng, groups, size, replicates = np.random.default_rng(8), 60, 6, 1500
    clusters, covers = np.repeat(np.arange(groups), size), 0
    for _ in range(replicates):
        right = (rng.random(groups * size) < np.repeat(rng.beta(1.4, 0.6, groups), size)).astype(float)
        found = binary_estimate(None, right[:, None], clusters=clusters)
        low, high = found.interval()
        covers += low <= 0.7 <= high
    assert found.n == groups
    assert covers / replicates >= 0.93


@quick
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 4)), min_size=1, max_size=40), st.booleans())
def test_estimates_from_indicators_count_pairs(rows, grouped):
    clean, stressed = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows], float)
    clusters = np.array([r[2] for r in rows]) if grouped else np.arange(len(rows))

    def by_group(values):
        return sum(float(np.mean([v for v, c in zip(values, clusters, strict=True) if c == g])) for g in set(clusters.tolist()))

    given_clusters = clusters if grouped else None
    drop = binary_estimate(clean, stressed[:, None], "drop", given_clusters)
    assert drop.n == len(set(clusters.tolist()))
    assert drop.lost == pytest.approx(by_group([a > b for a, b in zip(clean, stressed, strict=True)]))
    assert drop.gained == pytest.approx(by_group([a < b for a, b in zip(clean, stressed, strict=True)]))
    kept = binary_estimate(clean, stressed[:, None], "retention", given_clusters)
    assert kept.both == pytest.approx(by_group([a == b == 1 for a, b in zip(clean, stressed, strict=True)]))
    assert binary_estimate(None, stressed[:, None], "value", given_clusters).hits == pytest.approx(by_group(stressed))


def test_clusters_are_averaged_whatever_their_names():
    values = np.array([1.0, 0.0, 0.5, 0.5, 1.0])
    assert unit_means(values, np.array(["b", "b", "a", "c", "c"])).tolist() == [0.5, 0.5, 0.75]
    assert unit_means(values, None) is values


# means and calls


def test_a_mean_error_has_the_interval_of_the_t_distribution():
    rng = np.random.default_rng(2)
    clean, stressed = rng.exponential(1.0, 1200), rng.exponential(1.2, 1200)
    found = mae_estimate(clean, stressed)
    assert isinstance(found, Normal) and found.value == pytest.approx(clean.mean() - stressed.mean())
    assert found.minimum(0, True) == 0
    assert mae_estimate(clean[:999], stressed[:999]).minimum(0, True) == inf
    alone = mae_estimate(None, stressed)
    assert isinstance(alone, LogMean) and alone.minimum(1.0, False) == 1000
    low, high = alone.interval()
    assert (
        0 < low < stressed.mean() < high and low * high >= stressed.mean() ** 2
    )  # log scale below; the error at the limit above
    assert alone.p_pass(high, False) == pytest.approx(ALPHA, abs=1e-3) and alone.p_fail(low, False) == pytest.approx(ALPHA)


@pytest.mark.parametrize(("lucky", "least", "most"), [(True, 3, inf), (False, 0.5, 1.5)])
def test_a_mean_error_that_saw_few_large_errors_does_not_pass_as_if_there_were_none(lucky, least, most):
    errors = np.concatenate([np.full(990, 1.0), np.full(10, 40.0)]) if lucky else np.linspace(0.9, 1.1, 1000)
    found = mae_estimate(None, errors)
    limit = found.value * (1.4 if lucky else 1.004)
    alone = LogMean(found.value, found.spread, found.n).p_pass(limit, False)
    assert least * alone < found.p_pass(limit, False) < most * alone
    assert found.p_fail(limit, False) == LogMean(found.value, found.spread, found.n).p_fail(limit, False)


def test_latency_is_judged_by_runs_not_by_calls():
    rng = np.random.default_rng(4)
    calls = rng.lognormal(3, 0.2, (500, 8))
    found = Latency(calls)
    assert found.n == 500 == found.minimum(50, False) and not found.short
    assert found.p_pass(100.0, False) <= ALPHA and found.p_fail(100.0, False) > 0.5
    assert found.p_fail(15.0, False) <= ALPHA and found.p_pass(15.0, False) > 0.5
    short = Latency(calls[:, :7])
    assert short.minimum(50, False) == inf and "7 timed calls: 8 are the least" in short.short
    assert Latency(calls[:499]).n < Latency(calls[:499]).minimum(50, False)
    few = Latency(calls.reshape(20, 200))  # as many calls, in runs too few for a gate among many
    assert few.minimum(50, False) == 500 and few.short == "timed in 20 runs: 500 are the least ([latency] runs)"


@pytest.mark.parametrize("shape", [(500, 8), (500, 40)])
def test_standard_error_of_the_95th_percentile_is_what_it_does_from_sample_to_sample(shape):
    rng = np.random.default_rng(2)
    found = [Latency(np.exp(0.2 * rng.standard_normal((shape[0], 1)) + 0.5 * rng.standard_normal(shape))) for _ in range(300)]
    assert np.median([f.se for f in found]) == pytest.approx(np.std([f.value for f in found]), rel=0.2)


# many gates, many looks, more rows


def naive_holm(p: list[float], alpha: float) -> list[bool]:
    "Smallest first: reject while it is at most α over the number still standing."
    out, standing = [False] * len(p), list(range(len(p)))
    while standing:
        i = min(standing, key=lambda j: (p[j], j))
        if p[i] > alpha / len(standing):
            break
        out[i] = True
        standing.remove(i)
    return out


p_values = st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.025, 0.0125, 0.001, 1.0])), max_size=30)


@quick
@given(p_values, st.sampled_from([0.025, 0.05, 0.5]))
def test_holm_is_the_step_down_procedure(p, alpha):
    assert holm(np.array(p), alpha).tolist() == naive_holm(p, alpha)


@quick
@given(p_values, st.randoms(use_true_random=False))
def test_holm_rejects_no_more_than_each_alone_and_no_less_than_bonferroni(p, random):
    rejected = holm(np.array(p))
    assert all(v <= ALPHA for v, r in zip(p, rejected, strict=True) if r)
    assert all(r for v, r in zip(p, rejected, strict=True) if v <= ALPHA / len(p))
    order = list(range(len(p)))
    random.shuffle(order)
    assert holm(np.array([p[i] for i in order])).tolist() == [bool(rejected[i]) for i in order]


@pytest.mark.parametrize("alpha", [0.025, 0.01])
def test_all_looks_together_spend_at_most_twice_alpha(alpha):
    spent = [alpha_of_look(k, alpha) for k in range(1, 10_001)]
    assert spent[0] == alpha and min(spent) > 0
    assert 1.99 * alpha <= sum(spent) <= 2 * alpha
    assert all(b <= a for a, b in pairwise(spent))


def test_looks_are_counted_from_one():
    with pytest.raises(ValueError, match="counted from 1"):
        alpha_of_look(0)


@pytest.mark.parametrize(
    "make",
    [lambda s: Rate(s * 400, 400), lambda s: Drop((1 - s) * 200, 2, 400), lambda s: Retention(s * 300, (1 - s) * 300, 2, 400)],
)
@pytest.mark.parametrize("share", [0.6, 0.75, 0.9])
def test_a_limit_further_off_needs_fewer_rows(make, share):
    found = make(share)
    up = not isinstance(found, Drop)
    for side in (-1, 1):
        gaps = np.linspace(1.05, 6, 30) * found.se
        needed = [rows_to_decide(found, found.value + side * g, up) for g in gaps if 0.05 < found.value + side * g < 0.95]
        assert None not in needed
        floor = [found.minimum(found.value + side * g, up) for g in gaps if 0.05 < found.value + side * g < 0.95]
        assert all(n >= m for n, m in zip(needed, floor, strict=True))
        free = [n for n, m in zip(needed, floor, strict=True) if n > np.ceil(m)]  # where the minimum does not bind
        assert free == sorted(free, reverse=True)


def test_more_gates_need_more_rows_to_fail_and_no_more_to_pass():
    found = Rate(300, 400)
    failing = [rows_to_decide(found, 0.8, True, judged=m) for m in (1, 10, 60, 200)]
    assert all(a < b for a, b in pairwise(failing))
    assert len({rows_to_decide(found, 0.7, True, judged=m) for m in (1, 10, 60, 200)}) == 1
    assert rows_to_decide(found, 0.7, True, alpha=alpha_of_look(3)) > rows_to_decide(found, 0.7, True)


def test_within_one_standard_error_no_number_of_rows_is_in_sight():
    found = Rate(300, 400)
    assert rows_to_decide(found, 0.75, True) is None
    assert rows_to_decide(found, 0.75 + 0.9 * found.se, True) is None
    assert rows_to_decide(found, 0.75 + 1.1 * found.se, True) is not None
    assert rows_to_decide(Normal(nan, 0.1, 30), 0.5, True) is None


def test_the_rows_asked_for_would_decide():
    for hits, limit in ((300, 0.72), (300, 0.78), (380, 0.93)):
        found = Rate(hits, 400)
        n = rows_to_decide(found, limit, True)
        more = Rate(round(found.value * n), n)
        kept = found.value >= limit
        assert (more.p_pass(limit, True) if kept else more.p_fail(limit, True)) <= ALPHA


# n that would decide, as a range; runs that resemble their neighbours


@quick
@given(st.integers(200, 5000), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_the_number_of_rows_that_would_decide_lies_in_its_range(n, share, limit):
    found = Rate(round(n * share), n)
    middle, span = rows_to_decide(found, limit, True), decision_range(found, limit, True)
    assert (middle is None) == (span is None)
    if middle is not None:
        assert span[0] <= middle <= span[1]


def test_runs_that_drift_claim_less():
    rng = np.random.default_rng(0)
    steady = rng.lognormal(1, 0.1, (500, 8))
    slowing = steady * np.linspace(1, 1.5, 500)[:, None]
    assert alike_in_turn(np.linspace(0, 1, 200)) > 5 and alike_in_turn(np.zeros(200)) == 1 == alike_in_turn(np.ones(2))
    order = rng.permutation(500)
    limit = float(np.quantile(slowing, 0.97))
    assert Latency(slowing).p_pass(limit, False) > Latency(slowing[order]).p_pass(limit, False)


def test_runs_without_drift_claim_hardly_less():
    rng = np.random.default_rng(1)
    found = np.array([alike_in_turn(rng.normal(size=500)) for _ in range(2000)])
    assert found.min() == 1 and 1 < found.mean() < 1.1, found.mean()


@pytest.mark.parametrize("r", [0.3, 0.6, 0.8])
def test_runs_like_their_neighbours_count_as_many_as_the_spread_of_their_mean_says(r):
    rng, n = np.random.default_rng(4), 500
    noise = rng.standard_normal((400, n))
    runs = noise.copy()
    for i in range(1, n):
        runs[:, i] = r * runs[:, i - 1] + sqrt(1 - r * r) * noise[:, i]
    claimed = [row.std(ddof=1) / sqrt(n) * alike_in_turn(row) for row in runs]
    assert np.median(claimed) == pytest.approx(runs.mean(axis=1).std(), rel=0.15)


def test_limits_of_a_skewed_estimate_are_where_it_is_neither_passed_nor_failed():
    for skew in (-0.6, -0.2, 0.0, 0.3, 0.8):
        found = Normal(0.9, 0.02, 300, skew=skew)
        low, high = found.interval()
        assert found.p_pass(low, True) == pytest.approx(ALPHA) and found.p_pass(high, False) == pytest.approx(ALPHA)
        assert low <= Normal(0.9, 0.02, 300).interval()[0] and high >= Normal(0.9, 0.02, 300).interval()[1]


def timed_calls(rng: np.random.Generator, spread: float, like_the_last: float, runs: int = 500, calls: int = 8) -> np.ndarray:
    "Milliseconds of calls in runs that differ, each like the one before (stationary)."
    moment = rng.standard_normal(runs)
    for i in range(1, runs):
        moment[i] = like_the_last * moment[i - 1] + sqrt(1 - like_the_last**2) * moment[i]
    return np.exp(spread * moment[:, None] + 0.25 * rng.standard_normal((runs, calls)))


@pytest.mark.parametrize(
    ("spread", "like_the_last"), [(0.0, 0), (0.1, 0), (0.3, 0), (0.1, 0.8), (0.3, 0.8), (0.1, 0.95), (0.3, 0.95)]
)
def test_timed_calls_at_their_limit_rarely_pass_where_runs_differ_and_slow_moments_last(spread, like_the_last):
    "Where late calls come in bad runs, t over the runs alone passes too often; where those come together, more so."
    rng, replicates = np.random.default_rng(5), 300
    limit = exp(1.6448536 * sqrt(spread**2 + 0.25**2))
    passed = sum(Latency(timed_calls(rng, spread, like_the_last)).p_pass(limit, False) <= ALPHA for _ in range(replicates))
    assert passed / replicates <= 0.03 + 3 * sqrt(0.03 * 0.97 / replicates)
    fast = Latency(timed_calls(rng, spread, 0))
    assert fast.p_pass(3 * limit, False) <= ALPHA
    low, high = fast.interval()
    assert low <= fast.value <= high and fast.p_pass(high, False) <= ALPHA < fast.p_fail(low, False)


def test_runs_count_for_less_where_calls_rank_alike_though_late_calls_do_not_show_it():
    "Eight calls say little of a share of 5%, but much of whether it was a slow moment."
    rng = np.random.default_rng(6)
    ratio = []
    for _ in range(50):
        found = Latency(timed_calls(rng, 0.15, 0.9))
        share = (found.calls > 1.6).mean(axis=1)
        ratio.append(found._over(1.6).se / (share.std(ddof=1) / sqrt(found.n) * alike_in_turn(share)))
    assert min(ratio) >= 1 and np.median(ratio) > 1.3, (min(ratio), np.median(ratio))


def test_effective_runs_are_as_many_as_say_as_much():
    rng = np.random.default_rng(8)
    strangers = [Latency(timed_calls(rng, 0.2, 0)).effective for _ in range(40)]
    assert max(strangers) == 500 and np.median(strangers) > 400
    alike = [Latency(timed_calls(rng, 0.5, 0.9)).effective for _ in range(40)]
    assert 500 / 19 / 2 < np.median(alike) < 500 / 19 * 2  # (1 + φ) ÷ (1 − φ) = 19 of them count as one


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_a_clock_in_other_units_changes_no_verdict(scale):
    calls = timed_calls(np.random.default_rng(7), 0.2, 0.6)
    as_is, other = Latency(calls), Latency(calls * scale)
    assert other.effective == as_is.effective
    assert other.p_pass(1.8 * scale, False) == pytest.approx(as_is.p_pass(1.8, False))
    assert other.p_fail(1.4 * scale, False) == pytest.approx(as_is.p_fail(1.4, False))


def test_calls_too_short_for_the_clock_are_ranked_as_equals():
    calls = timed_calls(np.random.default_rng(7), 0.2, 0.6)
    as_is, coarse = Latency(calls), Latency(np.where(calls < 0.9, 0.0, calls))  # a third of the calls take no time
    assert 0.7 < coarse.effective / as_is.effective < 1.4
    assert coarse.p_pass(2.5, False) <= ALPHA and coarse.p_fail(1.2, False) <= ALPHA


# ---- the standard error at the limit


@quick
@given(st.integers(20, 2_000).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n))), st.floats(-2, 2))
def test_tilted_to_a_limit_a_share_has_the_error_of_its_score_test(case, away):
    hits, n = case
    p = hits / n
    limit = p + away * sqrt(p * (1 - p) / n)
    assume(0.01 < limit < 0.99)
    seen = np.array([hits, n - hits], float)
    moved, wide = _tilted(np.array([1 - p, -p]) / n, seen, seen)
    here = sqrt(p * (1 - p) / n)
    found = np.interp((limit - p) / here, moved, wide) * here
    assert found == pytest.approx(sqrt(limit * (1 - limit) / n), rel=0.02)


@quick
@given(st.integers(0, 2**31), st.sampled_from(["value", "drop", "retention"]), st.sampled_from([90, 300, 1_500]))
def test_limits_of_macro_f1_are_where_it_is_neither_passed_nor_failed(seed, of, n):
    rng = np.random.default_rng(seed)
    truth, error = rng.integers(0, 3, n), rng.uniform(0.02, 0.5)
    before, after = (np.where(rng.random(n) < error, rng.integers(0, 3, n), truth) for _ in range(2))
    found = f1_estimate(
        None if of == "value" else confusion(truth, before[:, None], 3), confusion(truth, after[:, None], 3), of, replicates=200
    )
    low, high = found.interval()
    step = 0.02 * found.se
    up, kept, lost = (False, high, low) if of == "drop" else (True, low, high)
    out = step if of == "drop" else -step
    assert found.p_pass(kept + out, up) <= ALPHA + 1e-9 < found.p_pass(kept - out, up) + 2e-9
    assert found.p_fail(lost - out, up) <= ALPHA + 1e-9 < found.p_fail(lost + out, up) + 2e-9


def test_a_drop_without_a_lost_row_does_not_pass_as_if_none_could_be_lost():
    truth = np.arange(300) % 3
    before = np.where(np.arange(300) < 30, (truth + 1) % 3, truth)
    after = np.where(np.arange(300) < 24, before, truth)  # six are won, none is lost
    found = f1_estimate(confusion(truth, before[:, None], 3), confusion(truth, after[:, None], 3), "drop")
    paired = Drop(0, 6, 300)
    for limit in (0.005, 0.01, 0.02):
        plain = norm.cdf((found.value - limit) / found.se)
        score = paired.p_pass(limit, False)
        assert plain < score / 3 and score / 2 < found.p_pass(limit, False) < 4 * score


def test_runs_without_a_late_call_among_bad_ones_do_not_pass_as_if_runs_were_alike():
    rng = np.random.default_rng(8)
    calls = np.exp(0.3 * rng.standard_normal(40)[:, None] + 0.5 * rng.standard_normal((40, 400)))
    found, limit = Latency(calls), 3.2
    share = (calls > limit).mean(axis=1)
    alone = Normal(share.mean(), share.std(ddof=1) / sqrt(40), 40, df=39).p_pass(0.05, False)
    assert share.mean() < 0.04 and 2 * alone < found.p_pass(limit, False) < 1
