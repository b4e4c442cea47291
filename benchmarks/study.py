"""Does a verdict keep what it claims? Every metric, size and prevalence by simulation, through the public API only.

Run: make study, or python benchmarks/study.py [--quick] [--only a,b]. Writes benchmarks/results/study.json, then --page writes
nbs/explanations/study.md from it; --check says whether the page is what the results say.
Exit codes: 0 done (a figure out of reach is a result, not an error), 1 another page stands there, 2 usage, 3 no results.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _machine import described, said, versions
from scipy.optimize import brentq, minimize_scalar
from scipy.special import ndtr, ndtri
from scipy.stats import binom, nct
from scipy.stats import t as t_of

from pilot_to_prod.evidence import Cell, Evidence
from pilot_to_prod.evidence.confidence import Difference, drift, ece_estimate, yearly
from pilot_to_prod.evidence.statistics import (
    ALPHA,
    Drop,
    Estimate,
    Latency,
    Rate,
    Retention,
    alpha_of_look,
    binary_estimate,
    confusion,
    f1_estimate,
    holm,
    macro_f1,
    mae_estimate,
)
from pilot_to_prod.gates import Verdict, judge
from pilot_to_prod.spec import Spec, parse

HERE = Path(__file__).resolve().parent
RESULT, PAGE = HERE / "results" / "study.json", HERE.parent / "nbs" / "explanations" / "study.md"
Rng = np.random.Generator

# ---- what a metric is tried on


@dataclass(frozen=True)
class World:
    "A population whose value is known, a promise about it, and samples of it."

    metric: str
    variant: str
    size: str  # rows, as the page shows them
    kind: str  # score, normal (macro-F1) or latency: which limit on false passes
    truth: float
    limit: float
    up: bool  # at_least
    draw: Callable[[Rng, int], Iterator[tuple[Estimate, int]]]  # (estimate, how often) until so many
    cost: float = 0.0  # milliseconds a replicate; 0: tables of counts, each distinct one is evaluated once
    aside: bool = False  # coverage of another quantity than the promised one: shown only


def tables(
    counts: Callable[[Rng, int], np.ndarray],  # shape (replicates, k)
    make: Callable[..., Estimate],
) -> Callable[[Rng, int], Iterator[tuple[Estimate, int]]]:
    "Draws tables of counts; replicates with the same table are the same estimate."

    def draw(rng: Rng, replicates: int) -> Iterator[tuple[Estimate, int]]:
        found, often = np.unique(counts(rng, replicates), axis=0, return_counts=True)
        for row, k in zip(found.tolist(), often.tolist(), strict=True):
            yield make(*row), k

    return draw


def each(make: Callable[[Rng], Estimate]) -> Callable[[Rng, int], Iterator[tuple[Estimate, int]]]:
    "One sample after another."

    def draw(rng: Rng, replicates: int) -> Iterator[tuple[Estimate, int]]:
        for _ in range(replicates):
            yield make(rng), 1

    return draw


@dataclass(frozen=True)
class Tried:
    "One entry a replicate. Below its minimum an estimate decides nothing: both p are 1, as `judge` has it."

    p_pass: np.ndarray
    p_fail: np.ndarray
    covered: np.ndarray


def tried(world: World, rng: Rng, replicates: int, covers: bool = True) -> Tried:
    "Samples of a world, judged."
    rows = []
    often = []
    for e, k in world.draw(rng, replicates):
        decides = e.n >= e.minimum(world.limit, world.up, ALPHA)
        low, high = e.interval(ALPHA) if covers else (0.0, 0.0)
        rows.append(
            (
                e.p_pass(world.limit, world.up) if decides else 1.0,
                e.p_fail(world.limit, world.up) if decides else 1.0,
                low - 1e-9 <= world.truth <= high + 1e-9,
            )
        )
        often.append(k)
    p_pass, p_fail, covered = np.repeat(np.array(rows, float), often, axis=0).T
    return Tried(p_pass, p_fail, covered.astype(bool))


# ---- shares, drops, ratios and gaps: tables of counts

SIZES = (300, 1_000, 3_000)


def sizes(least: float) -> list[tuple[int, str]]:
    "The minimum, and those of 300, 1,000 and 3,000 above it."
    first = ceil(least)
    return [(first, f"{first} (least)"), *((n, f"{n:,}") for n in SIZES if n > first)]


def rate_world(p: float, limit: float, up: bool, n: int, size: str) -> World:
    return World(
        "rate",
        f"{'at least' if up else 'at most'} {limit:g}",
        size,
        "score",
        p,
        limit,
        up,
        tables(lambda rng, r: rng.binomial(n, p, (r, 1)), lambda hits: Rate(hits, n)),
    )


def risk_world(risk: float, limit: float, n: int, kept: float) -> World:
    "Selective risk: errors among the rows that the pilot answers, whose number is itself chance."

    def counts(rng: Rng, r: int) -> np.ndarray:
        m = rng.binomial(n, kept, r)
        return np.column_stack([rng.binomial(m, risk), m])

    return World(
        "selective risk",
        f"at most {limit:g} of the {kept:.0%} answered",
        f"{n:,}",
        "score",
        risk,
        limit,
        False,
        tables(counts, Rate),
    )


def drop_world(drop: float, flips: float, limit: float, n: int, size: str) -> World:
    "`flips` is the share of rows that change from right to wrong or back."
    shares = [(flips + drop) / 2, (flips - drop) / 2, 1 - flips]
    said_so = "no flips at all" if not flips else f"flips {flips:g}{', none back' if shares[1] < 1e-12 else ''}"
    return World(
        "drop",
        f"at most {limit:g}, {said_so}",
        size,
        "score",
        drop,
        limit,
        False,
        tables(lambda rng, r: rng.multinomial(n, np.clip(shares, 0, 1), r)[:, :2], lambda lost, gained: Drop(lost, gained, n)),
    )


def retention_world(ratio: float, clean: float, gained: float, limit: float, n: int, size: str) -> World:
    lost = clean * (1 - ratio) + gained
    shares = [clean - lost, lost, gained, 1 - clean - gained]
    return World(
        "retention",
        f"at least {limit:g}, clean {clean:g}, gained {gained:g}",
        size,
        "score",
        ratio,
        limit,
        True,
        tables(
            lambda rng, r: rng.multinomial(n, np.clip(shares, 0, 1), r)[:, :3],
            lambda both, away, back: Retention(both, away, back, n),
        ),
    )


def gap_world(p: float, q: float, limit: float, m: int, n: int) -> World:
    return World(
        "gap",
        f"at most {limit:g}, groups {p:g} and {q:g}",
        f"{m:,} / {n:,}",
        "score",
        abs(p - q),
        limit,
        False,
        tables(
            lambda rng, r: np.column_stack([rng.binomial(m, p, r), rng.binomial(n, q, r)]),
            lambda a, b: Difference(a, m, b, n),
        ),
    )


def counted() -> Iterator[World]:
    "Every world of counts with the value exactly at the limit."
    for p in (0.02, 0.1, 0.5, 0.9, 0.98):
        for up in (True, False):
            for n, size in sizes(Rate(0, 1).minimum(p, up)):
                yield rate_world(p, p, up, n, size)
    for risk in (0.02, 0.1):
        for n in (1_000, 3_000):
            yield risk_world(risk, risk, n, 0.6)
    for drop, every in ((0.01, (0.01, 0.02, 0.1, 0.3)), (0.05, (0.05, 0.1, 0.3)), (0.1, (0.1, 0.3))):
        for flips in every:
            for n, size in sizes(max(Drop(0, 0, 100).minimum(drop, False), 30)):
                yield drop_world(drop, flips, drop, n, size)
    for ratio in (0.8, 0.95):
        for clean, gained in ((0.9, 0.0), (0.9, 0.02), (0.6, 0.0), (0.6, 0.1)):
            least = Retention(clean * 1000, 0, 0, 1000).minimum(ratio, True)
            for n, size in sizes(least * 1.15):  # the clean share is itself chance
                yield retention_world(ratio, clean, gained, ratio, n, size.replace("least", "about the least"))
    for m, n in ((300, 300), (300, 1_000), (1_000, 3_000)):
        for p, q in ((0.9, 0.8), (0.98, 0.93), (0.55, 0.5)):
            yield gap_world(p, q, round(abs(p - q), 6), m, n)
            if m != n:
                yield gap_world(q, p, round(abs(p - q), 6), m, n)


# ---- macro-F1, calibration, time, errors, seeds and clusters: sample by sample


def answered(classes: Sequence[float], error: float) -> np.ndarray:  # shape (classes, classes): truth by answer
    "Joint shares of truth and answer: errors go to the other classes alike."
    p = np.asarray(classes, float)
    k = len(p)
    return p[:, None] * np.where(np.eye(k, dtype=bool), 1 - error, error / (k - 1))


def kinds_of(k: int) -> tuple[np.ndarray, np.ndarray]:  # `confusion` tables of the first and second answer
    "Every kind of row: truth × answer before × answer after."
    truth, before, after = (x.ravel() for x in np.meshgrid(*[np.arange(k)] * 3, indexing="ij"))
    return confusion(truth, before[:, None], k), confusion(truth, after[:, None], k)


def flipped(classes: Sequence[float], error: float, lost: float, gained: float) -> np.ndarray:  # shape (kinds,)
    "Joint shares of truth, answer before and answer after; a share of right answers is lost, one of wrong ones won."
    k = len(classes)
    joint = answered(classes, error)
    out = np.zeros((k, k, k))
    for t in range(k):
        for a in range(k):
            if a == t:
                out[t, a] = joint[t, a] * lost / (k - 1)
                out[t, a, t] = joint[t, a] * (1 - lost)
            else:
                out[t, a, a] = joint[t, a] * (1 - gained)
                out[t, a, t] = joint[t, a] * gained
    return out.ravel()


FEW = (0.9, 0.08, 0.02)  # the rare class of the three


def f1_world(
    of: str, classes: Sequence[float], error: float, lost: float, gained: float, n: int, replicates: int = 1000
) -> World:
    k = len(classes)
    before, after = kinds_of(k)
    shares = flipped(classes, error, lost, gained)
    one, two = float(macro_f1(shares @ before)), float(macro_f1(shares @ after))
    truth = {"value": two, "drop": one - two, "retention": two / one}[of]
    rare = min(classes)
    what = "balanced" if len(set(classes)) == 1 else f"rarest class {rare:.0%}"
    return World(
        f"macro-F1 {of}",
        f"{what}, errors {error:g}" + (f", lost {lost:g}, won {gained:g}" if of != "value" else ""),
        f"{n:,}",
        "normal",
        truth,
        truth,
        of != "drop",
        each(
            lambda rng: f1_estimate(
                None if of == "value" else before, after, of, counts=rng.multinomial(n, shares), replicates=replicates
            )
        ),
        0.7 if of == "value" else 2.9,
    )


def ece_world(gap: float, shape: str, limit: float, n: int) -> World:
    "`shape`: over (every answer too sure), mixed (half too sure, half too modest), one (the surest tenth alone is off)."

    def make(rng: Rng) -> Estimate:
        sure = rng.uniform(0.5, 1.0, n)
        off = np.full(n, -gap)
        if shape == "one":
            off = np.where(sure > 0.9, -gap * 5, 0.0)
        elif shape == "mixed":  # the sign changes at a bin's edge
            off = np.where(sure < 0.7, gap, -gap)
        return ece_estimate(sure, (rng.random(n) < sure + off).astype(int))

    what = {"over": "all too sure", "mixed": "some too sure, some too modest", "one": "one bin in five off"}[shape]
    return World(
        "ECE",
        f"at most {limit:g}, " + (what if gap else "calibrated"),
        f"{n:,}",
        "score",
        gap,
        limit,
        False,
        each(make),
        0.5 + n / 8000,
    )


CALLS = 0.5  # standard deviation of one call's time, log scale
LEAST = int(Latency(np.ones((1, 8))).minimum(1.0, False)), 8  # runs and calls in each


def latency_world(between: float, n: int, m: int, pooled: bool = True, slow: float = 0.0, slower: float = 0.0) -> World:
    """`between`: standard deviation of the runs, log scale; `slow`: correlation of a run with the one before. The limit is the true 95th percentile,
    unless all calls are `slower`, log scale."""
    truth = exp(slower - ndtri(0.05) * (sqrt(CALLS**2 + between**2) if pooled else CALLS))

    def make(rng: Rng) -> Estimate:
        runs = rng.standard_normal(n)
        for i in range(1, n):
            if slow:
                runs[i] = slow * runs[i - 1] + sqrt(1 - slow**2) * runs[i]
        return Latency(np.exp(slower + between * runs[:, None] + CALLS * rng.standard_normal((n, m))))

    aside = "" if pooled else ", interval held against the usual run's"
    return World(
        "latency",
        f"runs differ by {between:g}{f', each like the last by {slow:g}' if slow else ''}{aside}",
        f"{n} x {m}",
        "latency",
        truth,
        exp(-ndtri(0.05) * sqrt(CALLS**2 + between**2)),
        False,
        each(make),
        0.25,
        aside=not pooled,
    )


def bursts_world(stay: float, n: int, m: int) -> World:
    """Late calls of their own, while usual ones stay as they are: a fifth of the runs are busy, where 17% of the calls take 4.5 times as long, 2%
    elsewhere. With probability `stay` a run is as the last one, else drawn anew."""
    busy, often, seldom, longer = 0.2, 0.17, 0.02, log(4.5)

    def missed(limit: float) -> float:
        share = busy * often + (1 - busy) * seldom
        return float(share * ndtr((longer - limit) / CALLS) + (1 - share) * ndtr(-limit / CALLS)) - 0.05

    truth = exp(brentq(missed, 0.0, 10.0))

    def make(rng: Rng) -> Estimate:
        runs, anew = rng.random(n) < busy, rng.random(n) >= stay
        anew[0] = True
        runs = runs[np.maximum.accumulate(np.where(anew, np.arange(n), 0))]
        slow = rng.random((n, m)) < np.where(runs, often, seldom)[:, None]
        return Latency(np.exp(longer * slow + CALLS * rng.standard_normal((n, m))))

    variant = f"late calls in bursts, each run like the last by {stay:g}"
    return World("latency", variant, f"{n} x {m}", "latency", truth, truth, False, each(make), 0.25)


def mae_world(of: str, spread: float, n: int, times: float | None = None) -> World:
    """Lognormal errors, or those of two answers to the same rows that share most of what makes a row hard. Errors are so many `times` as large:
    1, or those of the second answer 1.1, where the value is at the limit."""
    mean = exp(spread**2 / 2)
    size = times or (1.0 if of == "value" else 1.1)

    def make(rng: Rng) -> Estimate:
        if of == "value":
            return mae_estimate(None, size * rng.lognormal(0, spread, n))
        hard = 0.8 * rng.standard_normal(n)
        one, two = (np.exp(spread * (hard + 0.6 * rng.standard_normal(n))) for _ in range(2))
        return mae_estimate(one, size * two)

    truth, limit = (size * mean, mean) if of == "value" else ((1 - size) * mean, -0.1 * mean)
    up = of == "drop"  # errors before − errors after, at least −limit
    return World(
        f"MAE {of}", f"lognormal, spread {spread:g}", f"{n:,}", "score", truth, limit, up, each(make), 0.05 + n / 20_000
    )


def likely(rng: Rng, p: float, alike: float, shape: tuple[int, ...]) -> np.ndarray:
    "Chances that vary so that two draws from one of them correlate by `alike` (beta-binomial)."
    k = 1 / alike - 1
    return rng.beta(p * k, (1 - p) * k, shape)


def seeds_world(of: str, p: float, n: int, alike: float = 0.5) -> World:
    "Five seeds of each row, correlated within the row."

    def make(rng: Rng) -> Estimate:
        s = (rng.random((n, 5)) < likely(rng, p, alike, (n, 1))).astype(float)
        return binary_estimate(None if of == "value" else np.ones(n), s, of)

    truth = p if of == "value" else 1 - p
    return World(
        f"{of}, 5 seeds",
        f"{'at least' if of == 'value' else 'at most'} {truth:g}, alike {alike:g}",
        f"{n:,}",
        "score",
        truth,
        truth,
        of == "value",
        each(make),
        0.25,
    )


def clusters_world(of: str, p: float, n: int, alike: float = 0.3) -> World:
    "Clusters of 1 to 19 rows."

    def make(rng: Rng) -> Estimate:
        m = rng.integers(1, 20, n)
        at = np.repeat(np.arange(n), m)
        chance = likely(rng, p, alike, (n,))[at]
        s = (rng.random(len(at)) < chance).astype(float)[:, None]
        if of == "value":
            return binary_estimate(None, s, of, at)
        return binary_estimate(np.ones(len(at)), s, of, at)

    truth = p if of == "value" else round(1 - p, 6)
    return World(
        f"{of}, clusters",
        f"{'at least' if of == 'value' else 'at most'} {truth:g}, alike {alike:g}",
        f"{n} clusters",
        "score",
        truth,
        truth,
        of == "value",
        each(make),
        0.35,
    )


def sampled() -> Iterator[World]:
    "Every other world with the value exactly at the limit (or calibrated)."
    even = (1 / 3, 1 / 3, 1 / 3)
    for of in ("value", "drop", "retention"):
        for classes, least in ((even, 75), (FEW, 1_500)):
            for n in (least, *(s for s in SIZES if s > least)):
                if of == "value":
                    yield from (f1_world(of, classes, error, 0.0, 0.0, n) for error in (0.1, 0.3))
                else:
                    yield f1_world(of, classes, 0.1, 0.05, 0.1, n)
    for of in ("drop", "retention"):  # a sample may well hold no lost row
        yield f1_world(of, even, 0.1, 0.0133, 0.02, 300)
    for n in (1_000, 3_000):
        for gap, shape in ((0.02, "over"), (0.05, "over"), (0.05, "mixed"), (0.05, "one"), (0.1, "over")):
            yield ece_world(gap, shape, gap, n)
        for limit in (0.0, 0.02, 0.05):
            yield ece_world(0.0, "over", limit, n)
    for between in (0.0, 0.1, 0.3):
        yield latency_world(between, *LEAST)
        if between:
            yield latency_world(between, *LEAST, pooled=False)
            yield from (latency_world(between, *LEAST, slow=slow) for slow in (0.5, 0.8, 0.9, 0.95))
            yield latency_world(between, LEAST[0], 40)
    yield from (bursts_world(stay, *LEAST) for stay in (0.5, 0.8))
    for of in ("value", "drop"):
        for n in (1_000, 3_000):
            for spread in (0.5, 1.0):
                yield mae_world(of, spread, n)
    for n in (300, 1_000):
        for p in (0.5, 0.9, 0.98):
            yield seeds_world("value", p, n)
        yield seeds_world("drop", 0.95, n)
    for n in (40, 100):
        for p in (0.5, 0.9):
            yield clusters_world("value", p, n)
        yield clusters_world("drop", 0.9, n)


# ---- figures and their targets

PASS_LIMIT = {"score": 0.03, "normal": 0.04, "latency": 0.06}
COVER, FAIL_LIMIT = 0.93, 0.05
LOOKS_LIMIT = 2 * ALPHA


@dataclass(frozen=True)
class Size:
    "How many replicates."

    counts: int
    samples: int  # where one takes less than a millisecond
    slow: int
    again: int  # times as many, drawn afresh, where a figure lies within one standard error of its target
    cards: int
    nulls: int
    nulls_few: int  # of 300 rows, where the exact test takes its time
    shifts: int

    def of(self, world: World) -> int:
        return self.counts if not world.cost else self.samples if world.cost < 1 else self.slow


FULL = Size(10_000, 10_000, 10_000, 4, 2_000, 2_000, 2_000, 500)
QUICK = Size(2_000, 100, 60, 1, 200, 40, 20, 10)
TINY = Size(500, 20, 10, 1, 20, 5, 5, 2)


def figure(hits: float, replicates: int, target: float | None, most: bool = True) -> dict[str, Any]:
    "A share, its Monte Carlo standard error, and whether it is within its target (None: shown only)."
    got = hits / replicates
    se = sqrt(max(got * (1 - got), 1 / replicates) / replicates)
    ok = None if target is None else got <= target if most else got >= target
    return {"got": round(got, 5), "se": round(se, 5), "target": target, "most": most, "ok": ok}


def exactly(share: float) -> dict[str, Any]:
    "A share that was computed, not drawn."
    return {"got": round(share, 5), "se": 0.0, "target": None, "most": False, "ok": None}


def near(figures: dict[str, dict[str, Any]]) -> bool:
    "Whether chance could have decided a sign."
    return any(f["target"] is not None and abs(f["got"] - f["target"]) <= f["se"] for f in figures.values())


def errors_of(x: Tried, world: World) -> dict[str, dict[str, Any]]:
    "Coverage, false passes where the value is exactly at the limit, false fails."
    n, keeps = len(x.p_pass), abs(world.truth - world.limit) > 1e-9 and world.metric == "ECE"  # calibrated: the promise is kept
    out = {"coverage": figure(float(x.covered.sum()), n, None if world.aside else COVER, most=False)}
    if world.aside:
        return out
    if not keeps:
        out["false pass"] = figure(float((x.p_pass <= ALPHA).sum()), n, PASS_LIMIT[world.kind])
    out["false fail"] = figure(float((x.p_fail <= ALPHA).sum()), n, FAIL_LIMIT)
    return out


def rng_of(*names: object) -> Rng:
    "A generator of its own for each cell, whatever else is run."
    text = "|".join(map(str, names)).encode()
    return np.random.default_rng(np.random.Philox(int.from_bytes(hashlib.sha256(text).digest()[:8], "little")))


Item = dict[str, Any]


def item(
    row: str, what: Sequence[object], figures: dict[str, dict[str, Any]], replicates: int, since: float, note: str = ""
) -> Item:
    out = {"row": row, "what": [str(w) for w in what], "figures": figures, "replicates": replicates}
    return {**out, "seconds": round(time.perf_counter() - since, 2), **({"note": note} if note else {})}


def row_a(size: Size, worlds: Sequence[World] | None = None) -> Iterator[Item]:
    "Coverage, false passes and false fails of one promise."
    for w in [*counted(), *sampled()] if worlds is None else worlds:
        since, r = time.perf_counter(), size.of(w)
        found = errors_of(tried(w, rng_of("a", w.metric, w.variant, w.size), r), w)
        if size.again > 1 and near(found):
            r *= size.again
            found = errors_of(tried(w, rng_of("a again", w.metric, w.variant, w.size), r), w)
        yield item("a", (w.metric, w.variant, w.size), found, r, since)


# ---- a card of many gates on shared rows

RIGHT, BACK = 0.9, 0.1  # share right when clean; share of wrong answers that a scenario puts right


@dataclass(frozen=True)
class Promised:
    "A gate of a simulated card: its true value, and its limit."

    of: str  # value, drop or retention
    truth: float
    limit: float

    @property
    def lost(self) -> float:
        "Share of right answers that the scenario takes, so that the value is the true one."
        return flips_of(self.of, self.truth)[0] / RIGHT

    def estimate(self, counts: tuple[int, ...], n: int) -> Estimate:
        if self.of == "value":
            return Rate(counts[0], n)
        both, lost, gained = counts
        return Drop(lost, gained, n) if self.of == "drop" else Retention(both, lost, gained, n)


def flips_of(of: str, truth: float) -> tuple[float, float]:
    "Shares of all rows that are lost and won."
    won = (1 - RIGHT) * BACK
    return (truth + won if of == "drop" else (1 - truth) * RIGHT + won), won


def se_of(of: str, truth: float, n: int) -> float:
    "Standard error of the observed value."
    if of == "value":
        return sqrt(truth * (1 - truth) / n)
    lost, won = flips_of(of, truth)
    if of == "drop":
        return sqrt((lost + won - truth**2) / n)
    both = RIGHT - lost
    return sqrt((both * (1 - truth) ** 2 + lost * truth**2 + won) / n) / RIGHT


def placed(of: str, limit: float, away: float, n: int, larger: bool = True) -> Promised:
    "A gate whose value lies so many standard errors on the good side of its limit: the larger or the smaller of those at the two places."
    better = -1.0 if of == "drop" else 1.0
    least, most = (1e-6 - (1 - RIGHT) * BACK, 0.9) if of == "drop" else (0.01, 0.9999 if of == "value" else 1.0)
    value = limit
    for _ in range(400):
        errors = se_of(of, limit, n), se_of(of, value, n)
        there = limit + better * away * (max(errors) if larger else min(errors))
        value = min(max((value + there) / 2, least), most)
    return Promised(of, value, limit)


def alone(gate: Promised, n: int) -> World:
    "One gate of a card as a world of its own."
    if gate.of == "value":
        return rate_world(gate.truth, gate.limit, True, n, f"{n:,}")
    lost, won = flips_of(gate.of, gate.truth)
    if gate.of == "drop":
        return drop_world(gate.truth, lost + won, gate.limit, n, f"{n:,}")
    return retention_world(gate.truth, RIGHT, won, gate.limit, n, f"{n:,}")


KINDS = (("value", 0.8), ("drop", 0.05), ("value", 0.95), ("retention", 0.9), ("value", 0.9), ("drop", 0.1))


def gates_of(m: int, n: int, away: float = 0.0, larger: bool = True) -> list[Promised]:
    "Accuracy under stress, its drop and its retention in turn."
    return [placed(*KINDS[i % len(KINDS)], away, n, larger) for i in range(m)]


def answers_of(rng: Rng, gates: Sequence[Promised], n: int, alike: float) -> tuple[np.ndarray, np.ndarray]:
    "Right or wrong, clean, shape (n,), and in each gate's cell, shape (n, gates): what makes a row hard is shared by all cells."
    m = len(gates)
    hard, frail = rng.standard_normal((2, n), np.float32)
    clean = sqrt(alike) * hard + sqrt(1 - alike) * rng.standard_normal(n, np.float32) < ndtri(RIGHT)
    value = np.array([g.of == "value" for g in gates])
    latent = rng.standard_normal((n, m), np.float32)
    latent *= np.float32(sqrt(1 - alike))
    latent += np.float32(sqrt(alike)) * np.where(value, hard[:, None], frail[:, None])
    cut = ndtri([g.truth if g.of == "value" else 1 - g.lost for g in gates]).astype(np.float32)
    kept = latent < cut
    won = latent < np.float32(ndtri(BACK))
    return clean, np.where(value, kept, np.where(clean[:, None], kept, won))


def counts_of(clean: np.ndarray, right: np.ndarray, gates: Sequence[Promised]) -> list[tuple[int, ...]]:
    hits, both = right.sum(0).tolist(), right[clean].sum(0).tolist()
    sure = int(clean.sum())
    return [(h,) if g.of == "value" else (b, sure - b, h - b) for g, h, b in zip(gates, hits, both, strict=True)]


@dataclass
class Bench:
    "p-values of gates, kept by their counts."

    n: int

    def __post_init__(self) -> None:
        self.known: dict[Any, tuple[float, float]] = {}

    def p(self, gate: Promised, counts: tuple[int, ...]) -> tuple[float, float]:
        key = gate.of, gate.limit, counts
        if key not in self.known:
            e, up = gate.estimate(counts, self.n), gate.of != "drop"
            decides = e.n >= e.minimum(gate.limit, up, ALPHA)
            self.known[key] = (e.p_pass(gate.limit, up), e.p_fail(gate.limit, up)) if decides else (1.0, 1.0)
        return self.known[key]

    def card(self, gates: Sequence[Promised], counts: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray]:
        p = np.array([self.p(g, c) for g, c in zip(gates, counts, strict=True)])
        return p[:, 0], p[:, 1]


Correct = Callable[[np.ndarray], np.ndarray]


def cards(
    rng: Rng, gates: Sequence[Promised], n: int, replicates: int, alike: float, correct: Correct = holm
) -> tuple[int, int]:
    "How many of so many cards block, and how many promote."
    bench, blocked, promoted = Bench(n), 0, 0
    for _ in range(replicates):
        p_pass, p_fail = bench.card(gates, counts_of(*answers_of(rng, gates, n, alike), gates))
        fails = bool(correct(p_fail).any())
        blocked += fails
        promoted += bool((p_pass <= ALPHA).all()) and not fails
    return blocked, promoted


def spec_of(gates: Sequence[Promised]) -> Spec:
    "The same gates as a promise: gate i is about typos at severity (i + 1)/1000 alone."
    given = []
    for i, g in enumerate(gates):
        at = (i + 1) / 1000
        limit = {"at_most" if g.of == "drop" else "at_least": g.limit}
        given.append(
            {"name": f"g{i}", "metric": "accuracy", "of": g.of, "scenario": "typos", "up_to": at, "from_severity": at, **limit}
        )
    raw = {
        "name": "simulated",
        "task": "binary",
        "model": {"loader": "module", "ref": "model.py:model"},
        "data": {
            "reference": "a.csv",
            "replay": "b.csv",
            "label": "y",
            "labels": ["no", "yes"],
            "positive": "yes",
            "columns": {"text": "text"},
        },
        "owner": {"name": "T", "contact": "t@example.com"},
        "gates": given,
    }
    spec, problems = parse(raw)
    if spec is None:
        raise ValueError(str(problems))
    return spec


def evidence_of(spec: Spec, clean: np.ndarray, right: np.ndarray) -> Evidence:
    "The same answers as a replay would leave them."
    n, m = right.shape
    truth = (np.arange(n) % 2).astype(np.int16)
    said_so = np.where(right.T, truth, 1 - truth).astype(np.int16)
    about = {"name": spec.name, "title": spec.title_text, "version": 1, "task": "binary", "labels": list(spec.data.labels)}
    about |= {"spec": spec.hash, "data": "d" * 64, "model": "m" * 64, "exploration": spec.exploration}
    none = np.full(n, -1, np.int32)
    return Evidence(
        about,
        np.array([f"k{i:06d}" for i in range(n)], object),
        truth,
        np.where(clean, truth, 1 - truth).astype(np.int16),
        none,
        tuple(
            Cell("typos", "typos", "messy", (i + 1) / 1000, 0, "invariant", {"name": "typos"}, n, n, n, n, n) for i in range(m)
        ),
        tuple(said_so),
        (none,) * m,
        (np.ones(n, bool),) * m,
    )


def verdicts_differ(rng: Rng, gates: Sequence[Promised], n: int, replicates: int, alike: float) -> int:
    "Gates on which `judge` and this simulation disagree."
    spec, bench, differ = spec_of(gates), Bench(n), 0
    for _ in range(replicates):
        clean, right = answers_of(rng, gates, n, alike)
        p_pass, p_fail = bench.card(gates, counts_of(clean, right, gates))
        fails = holm(p_fail)
        for j, (no, p) in zip(judge(spec, evidence_of(spec, clean, right)), zip(fails, p_pass, strict=True), strict=True):
            ours = Verdict.FAILS if no else Verdict.PASSES if p <= ALPHA else Verdict.UNDECIDED
            differ += ours is not j.verdict
    return differ


def row_b(size: Size) -> Iterator[Item]:
    "False blocks of a card: every gate exactly at its limit."
    for n, target in ((500, 0.05), (250, 0.07)):
        for m in (10, 60, 200):
            for alike in (0.0, 0.5):
                since, gates = time.perf_counter(), gates_of(m, n)
                blocked, promoted = cards(rng_of("b", n, m, alike), gates, n, size.cards, alike)
                found = {"false block": figure(blocked, size.cards, target), "promoted": figure(promoted, size.cards, None)}
                yield item("b", (f"{m} gates", f"{n} rows", f"alike {alike:g}"), found, size.cards, since)
    since, k = time.perf_counter(), min(30, size.cards)
    differ = verdicts_differ(rng_of("judge"), [*gates_of(5, 500), *gates_of(5, 500, 5.0), *gates_of(3, 500, -5.0)], 500, k, 0.3)
    yield item(
        "b", ("13 gates", "500 rows", "verdicts of judge that differ"), {"differ": figure(differ, k * 13, 0.0)}, k * 13, since
    )


@dataclass(frozen=True)
class Family:
    "Populations that differ by one number, from the one whose value is exactly at the limit to those far away."

    make: Callable[[float], World]
    at: float  # the number where the value is at the limit
    good: float  # the farthest on the good side,
    bad: float  # and on the other
    promise: str
    found: Callable[[Estimate, World], float] = lambda e, w: e.value
    true: Callable[[World], float] = lambda w: w.truth
    light: Callable[[float], World] | None = None  # whose estimates have the same values, and come quicker
    nearest: Callable[[float], World] | None = None  # at the limit, what such samples resemble most; None: the one `at` it
    more: int = 1  # times as many replicates for the spread

    def spread(self, w: World, rng: Rng, replicates: int) -> float:
        "Standard error: what the value does from sample to sample."
        pairs = [(self.found(e, w), k) for e, k in w.draw(rng, replicates)]
        values, often = np.array(pairs).T
        return float(np.sqrt(np.average((values - np.average(values, weights=often)) ** 2, weights=often)))

    def away(self, k: float, replicates: int) -> World:
        "The value lies so many standard errors on the good side (k > 0) or on the other; the larger of those at the two places counts."
        limit, end, replicates = self.make(self.at), self.good if k > 0 else self.bad, replicates * self.more
        rng = partial(rng_of, "spread", limit.metric, self.promise, limit.size)
        light = self.light or self.make
        se, x = self.spread(light(self.at), rng(), replicates), self.at
        for _ in range(4):
            near, far = self.at, end
            for _ in range(60):
                x = (near + far) / 2
                near, far = (x, far) if abs(self.true(self.make(x)) - self.true(limit)) < abs(k) * se else (near, x)
            there = self.nearest(x) if self.nearest else light(self.at)
            se = max(self.spread(there, rng(), replicates), self.spread(light(x), rng(), replicates))
        return replace(self.make(x), limit=limit.limit, variant=self.promise)


def late_share(e: Estimate, w: World) -> float:
    assert isinstance(e, Latency)
    return float((e.calls > w.limit).mean())


def late(between: float, n: int, m: int) -> Family:
    "Calls that are all slower or faster; what is estimated is the share beyond the limit."
    sd = sqrt(CALLS**2 + between**2)
    return Family(
        lambda x: latency_world(between, n, m, slower=x),
        0.0,
        -4.0,
        4.0,
        f"runs differ by {between:g}",
        late_share,
        lambda w: float(ndtr(-np.log(w.limit / w.truth) / sd + ndtri(0.05))),
    )


def families() -> list[Family]:
    "Metrics that need whole samples, or two groups."
    even = (1 / 3, 1 / 3, 1 / 3)
    rare = "rarest class 2%, errors 0.1"

    def f1(of: str, classes: Sequence[float], n: int, promise: str) -> Family:
        def make(x: float, replicates: int = 1000) -> World:
            error, lost, won = (x, 0.0, 0.0) if of == "value" else (0.1, x, 0.1)
            return f1_world(of, classes, error, lost, won, n, replicates)

        return Family(make, 0.1 if of == "value" else 0.05, 0.0, 0.9, promise, light=lambda x: make(x, 2))

    def gap(q: float, m: int, n: int) -> Family:
        limit = round(0.9 - q, 6)

        def nearest(x: float) -> World:
            def unlike(y: float) -> float:
                return -m * (0.9 * log(y) + 0.1 * log(1 - y)) - n * (x * log(y - limit) + (1 - x) * log(1 - y + limit))

            y = float(minimize_scalar(unlike, bounds=(limit + 1e-6, 1 - 1e-6), method="bounded").x)
            return gap_world(y, y - limit, limit, m, n)

        promise = f"at most {limit:g}, one group 0.9"
        return Family(lambda x: gap_world(0.9, x, limit, m, n), q, 0.9, 0.0, promise, nearest=nearest)

    def mae(of: str, spread: float, n: int) -> Family:
        at, good, bad = (1.0, 0.05, 10.0) if of == "value" else (1.1, 0.5, 10.0)
        return Family(lambda x: mae_world(of, spread, n, x), at, good, bad, f"lognormal, spread {spread:g}", more=4)

    return [
        *(f1("value", even, n, "balanced, errors at most 0.1") for n in (300, 1_000)),
        f1("drop", FEW, 1_500, f"{rare}, lost at most 0.05, won 0.1"),
        f1("retention", FEW, 1_500, f"{rare}, lost at most 0.05, won 0.1"),
        *(gap(q, m, n) for q, m, n in ((0.65, 300, 300), (0.65, 300, 1_000), (0.75, 1_000, 3_000))),
        *(
            Family(lambda x, n=n: ece_world(x, "over", x, n), 0.1, 0.0, 0.5, "at most 0.1, all too sure")
            for n in (1_000, 3_000)
        ),
        *(late(between, *LEAST) for between in (0.0, 0.1, 0.3)),
        *(late(between, LEAST[0], 40) for between in (0.1, 0.3)),
        mae("value", 1.0, 1_000),
        mae("value", 0.5, 3_000),
        mae("drop", 1.0, 1_000),
        mae("drop", 0.5, 3_000),
    ]


def each_metric() -> list[World]:
    "Worlds of each metric in turn, value at the limit: the least rows, rare errors, rare classes, none won back."
    even = (1 / 3, 1 / 3, 1 / 3)
    n_of = {0.9: Rate(0, 1).minimum(0.9, True), 0.98: Rate(0, 1).minimum(0.98, True)}
    out = [rate_world(p, p, True, n, size) for p in (0.5, 0.9, 0.98) for n, size in sizes(n_of.get(p, 30))[:3]]
    out += [rate_world(0.02, 0.02, False, n, f"{n:,}") for n in (300, 1_000)]
    out += [risk_world(0.1, 0.1, 1_000, 0.6)]
    for drop, flips in ((0.05, 0.05), (0.05, 0.1), (0.01, 0.01), (0.01, 0.3)):
        out += [drop_world(drop, flips, drop, n, size) for n, size in sizes(Drop(0, 0, 100).minimum(drop, False))[:3]]
    for clean, gained in ((0.9, 0.0), (0.9, 0.02), (0.6, 0.1)):
        out += [retention_world(0.95, clean, gained, 0.95, n, f"{n:,}") for n in (300, 1_000)]
    out += [
        gap_world(p, q, round(abs(p - q), 6), m, n)
        for p, q in ((0.9, 0.8), (0.98, 0.93))
        for m, n in ((300, 300), (300, 1_000))
    ]
    out += [f1_world("value", even, 0.1, 0.0, 0.0, 300), f1_world("value", FEW, 0.1, 0.0, 0.0, 1_500)]
    out += [f1_world(of, FEW, 0.1, 0.05, 0.1, 1_500) for of in ("drop", "retention")]
    out += [f1_world(of, even, 0.1, 0.0133, 0.02, 300) for of in ("drop", "retention")]
    out += [ece_world(0.05, "over", 0.05, 1_000), *(latency_world(b, *LEAST) for b in (0.0, 0.1, 0.3))]
    out += [latency_world(0.3, *LEAST, slow=0.9), bursts_world(0.5, *LEAST)]
    out += [mae_world(of, s, 1_000) for of in ("value", "drop") for s in (0.5, 1.0)]
    return [
        *out,
        seeds_world("value", 0.9, 300),
        seeds_world("drop", 0.95, 300),
        clusters_world("value", 0.9, 40),
        clusters_world("drop", 0.9, 40),
    ]


def row_c(size: Size) -> Iterator[Item]:
    "False promotions of a card: one gate exactly at its limit, nine others far above theirs."
    for w in each_metric():
        since, r = time.perf_counter(), size.of(w)
        for again in (1, size.again):
            rng = rng_of("c", again, w.metric, w.variant, w.size)
            x = tried(w, rng, r * again, covers=False)
            others = np.ones(r * again, bool)
            for hits in rng.binomial(500, 0.95, (9, r * again)):  # at least 0.8, promised of 500 rows: 15 standard errors above
                p = {h: Rate(h, 500).p_pass(0.8, True) for h in np.unique(hits).tolist()}
                others &= np.array([p[h] for h in hits.tolist()]) <= ALPHA
            found = {"false promote": figure(float(((x.p_pass <= ALPHA) & others).sum()), r * again, PASS_LIMIT[w.kind])}
            if not near(found):
                break
        yield item("c", (w.metric, w.variant, w.size), found, len(others), since)


CALLED = {"value": "accuracy", "drop": "drop", "retention": "retention"}


def best(p: float, limit: float, n: int, alpha: float, above: bool) -> float:
    "Power of the most powerful test of a share at its level (Neyman & Pearson 1933): no valid method can do better."
    if not above:
        return best(1 - p, 1 - limit, n, alpha, True)
    c = int(binom.isf(alpha, n, limit))  # more hits than c reject; c itself with the chance that is left
    left = (alpha - binom.sf(c, n, limit)) / binom.pmf(c, n, limit)
    return float(binom.sf(c, n, p) + left * binom.pmf(c, n, p))


def best_of_runs(runs: int, alpha: float, away: float) -> float:
    "Power of a t test of so many normal runs, so many standard errors away (noncentral t)."
    return float(nct.sf(t_of.isf(alpha, runs - 1), runs - 1, away))


SMALLER, BEST = "with the smaller error", "best possible"


def drawn(
    row: str, family: Family, away: float, size: Size, hits: Callable[[Tried], dict[str, tuple[np.ndarray, float, bool]]]
) -> Item:
    "One cell; drawn afresh with more replicates where chance could have decided."
    since, w = time.perf_counter(), family.away(away, size.counts)
    r = size.of(w)
    for again in (1, size.again):
        x = tried(w, rng_of(row, again, w.metric, w.variant, w.size), r * again, covers=False)
        found = {n: figure(float(h.sum()), len(h), target, most) for n, (h, target, most) in hits(x).items()}
        if not near(found):
            break
    if w.metric == "latency":
        runs = int(w.size.split()[0])
        bound = {
            n: 1 - best_of_runs(runs, ALPHA, away) if n == "undecided" else best_of_runs(runs, ALPHA / int(n.split()[0]), -away)
            for n in found
        }
        found |= {f"{n}, {BEST}": exactly(share) for n, share in bound.items()}
    return item(row, (w.metric, w.variant, w.size), found, len(x.p_pass), since)


def row_d(size: Size) -> Iterator[Item]:
    "Power to block: one gate five standard errors on the wrong side. Alone it must be rejected at alpha over the number of gates."
    goals = ((60, 0.9), (200, 0.85))
    for of, limit in KINDS:
        for n in (500, 1_000, 3_000):
            since, found = time.perf_counter(), dict[str, dict[str, Any]]()
            for larger in (True, False):
                w = alone(placed(of, limit, -5.0, n, larger), n)
                p = tried(w, rng_of("d", of, limit, n, larger), size.counts, covers=False).p_fail
                for m, goal in goals:
                    name = f"{m} gates" if larger else f"{m} gates, {SMALLER}"
                    found[name] = figure(float((p <= ALPHA / m).sum()), len(p), goal if larger else None, most=False)
                    if of == "value":
                        found[f"{name}, {BEST}"] = exactly(best(w.truth, limit, n, ALPHA / m, False))
            yield item("d", (CALLED[of], f"limit {limit:g}", f"{n:,}"), found, size.counts, since)
    for family in families():
        yield drawn(
            "d", family, -5.0, size, lambda x: {f"{m} gates": (x.p_fail <= ALPHA / m, goal, False) for m, goal in goals}
        )
    r = max(size.cards // 8, 20)
    for of, limit in KINDS[:2]:  # whole cards: the others five standard errors on the right side
        since, found = time.perf_counter(), {}
        for m, goal in goals:
            gates = [placed(of, limit, -5.0, 500), *gates_of(m - 1, 500, 5.0)]
            blocked, _ = cards(rng_of("d card", m, of, limit), gates, 500, r, 0.3)
            found[f"{m} gates"] = figure(blocked, r, goal, most=False)
        yield item("d", (CALLED[of], f"limit {limit:g}, whole cards", "500"), found, r, since)


def row_e(size: Size) -> Iterator[Item]:
    "Power to promote: every gate five standard errors on the right side."
    for m, target in ((60, 0.85), (200, 0.7)):
        for n, part in ((500, 1), (1_000, 3), (3_000, 5)):
            r, found, since = max(size.cards // part, 20), {}, time.perf_counter()
            for larger in (True, False):
                _, promoted = cards(rng_of("e", m, n, larger), gates_of(m, n, 5.0, larger), n, r, 0.3)
                name = "promoted" if larger else f"promoted, {SMALLER}"
                found[name] = figure(promoted, r, target if larger else None, most=False)
            yield item("e", (f"{m} gates", f"{n:,} rows", "alike 0.3"), found, r, since)


def row_f(size: Size) -> Iterator[Item]:
    "How often a gate stays undecided that lies three standard errors on the right side."
    for of, limit in KINDS:
        for n in (300, 1_000, 3_000):
            since, found = time.perf_counter(), {}
            for larger in (True, False):
                w = alone(placed(of, limit, 3.0, n, larger), n)
                x = tried(w, rng_of("f", of, limit, n, larger), size.counts, covers=False)
                name = "undecided" if larger else f"undecided, {SMALLER}"
                undecided = (x.p_pass > ALPHA) & (x.p_fail > ALPHA)
                found[name] = figure(float(undecided.sum()), size.counts, 0.2 if larger else None)
                if of == "value":
                    found[f"{name}, {BEST}"] = exactly(1 - best(w.truth, limit, n, ALPHA, True))
            yield item("f", (CALLED[of], f"limit {limit:g}", f"{n:,}"), found, size.counts, since)
    for family in families():
        yield drawn("f", family, 3.0, size, lambda x: {"undecided": ((x.p_pass > ALPHA) & (x.p_fail > ALPHA), 0.2, True)})


LOOKS = 10


def row_g(size: Size, spend: Callable[[int], float] = alpha_of_look, worlds: Sequence[World] | None = None) -> Iterator[Item]:
    "Ten looks at a promise exactly at its limit, each on fresh rows: does any of them pass?"
    even = (1 / 3, 1 / 3, 1 / 3)
    alphas = np.array([spend(k) for k in range(1, LOOKS + 1)])
    usual = [
        *(rate_world(p, p, True, n, f"{n:,}") for p, n in ((0.5, 300), (0.9, 300), (0.9, 1_000), (0.98, 1_000))),
        *(drop_world(0.05, f, 0.05, n, f"{n:,}") for f, n in ((0.05, 300), (0.1, 300), (0.1, 1_000))),
        retention_world(0.95, 0.9, 0.02, 0.95, 300, "300"),
        retention_world(0.95, 0.9, 0.02, 0.95, 1_000, "1,000"),
        gap_world(0.9, 0.8, 0.1, 300, 1_000),
        ece_world(0.05, "over", 0.05, 1_000),
        f1_world("value", even, 0.1, 0.0, 0.0, 300),
        f1_world("value", even, 0.1, 0.0, 0.0, 1_000),
        f1_world("drop", even, 0.1, 0.05, 0.1, 300),
        f1_world("drop", even, 0.1, 0.0133, 0.02, 300),
        f1_world("drop", FEW, 0.1, 0.05, 0.1, 1_500),
        latency_world(0.0, *LEAST),
        latency_world(0.1, *LEAST),
        latency_world(0.3, *LEAST),
        *(mae_world(of, spread, 1_000) for of in ("value", "drop") for spread in (0.5, 1.0)),
    ]
    for w in usual if worlds is None else worlds:
        since, r = time.perf_counter(), size.of(w) // (1 if w.cost < 0.2 else 4)
        for again in (1, size.again):
            rng = rng_of("g", *([again] if again > 1 else []), w.metric, w.variant, w.size)
            p = rng.permutation(tried(w, rng, r * again * LOOKS, covers=False).p_pass).reshape(-1, LOOKS)
            found = {
                "ten looks": figure(float((p <= alphas).any(axis=1).sum()), len(p), LOOKS_LIMIT),
                "each at alpha": figure(float((p <= ALPHA).any(axis=1).sum()), len(p), None),
            }
            if not near(found):
                break
        yield item("g", (w.metric, w.variant, w.size), found, len(p), since)


def frame(rng: Rng, n: int, moved_by: float = 0.0, mixed_by: float = 0.0) -> pd.DataFrame:
    "Ten columns of numbers and ten of categories; two of each shift: numbers by standard deviations, categories by total variation."
    out: dict[str, Any] = {}
    for i in range(10):
        x = rng.standard_normal(n) + (moved_by if i < 2 else 0.0)
        out[f"n{i}"] = np.round(x, 1) if i % 5 == 3 else np.exp(x) if i % 5 == 4 else x
    for i, k in enumerate((2, 5, 3, 4, 6, 8, 10, 15, 20, 30)):
        p = np.full(k, 1 / k) if i % 2 else 1 / np.arange(1, k + 1)
        p = p / p.sum()
        if i < 2:
            p = p + np.append(mixed_by, np.full(k - 1, -mixed_by / (k - 1)))
        names = np.array([f"v{j}" for j in range(k)], object)
        out[f"c{i}"] = pd.Categorical(names[rng.choice(k, n, p=p)], categories=names)
    return pd.DataFrame(out)


def row_h(size: Size) -> Iterator[Item]:
    "Drift: flags where nothing changed, and what is found where four of twenty columns did."
    for n, runs in ((1_000, size.nulls), (300, size.nulls_few)):
        since, rng = time.perf_counter(), rng_of("h", n)
        ours = tested = alone_ = 0
        for _ in range(runs):
            t = drift(frame(rng, n), frame(rng, n))
            ours += bool(t["drifted"].any())
            tested += bool((t["q"] <= 0.05).any())
            alone_ += bool((t["p"] < 0.05).any())
        found = {
            "any flag": figure(ours, runs, 0.06),
            "q-value alone": figure(tested, runs, None),
            "p below .05 alone": figure(alone_, runs, None),
        }
        made = item("h", ("nothing changed", "", f"{n:,}"), found, runs, since)
        yield {**made, "yearly": round(yearly(ours / runs, 12), 4)}
    for n in (1_000, 300):
        for by, mix in ((0.2, 0.08), (0.4, 0.15), (0.6, 0.25)):
            since, rng, hit, false = time.perf_counter(), rng_of("h", n, by), np.zeros(2), 0
            for _ in range(size.shifts):
                flags = drift(frame(rng, n), frame(rng, n, by, mix)).set_index("column")["drifted"]
                hit += flags[["n0", "n1"]].sum(), flags[["c0", "c1"]].sum()
                false += bool(flags.drop(["n0", "n1", "c0", "c1"]).any())
            found = {
                "numbers found": figure(hit[0], 2 * size.shifts, None),
                "categories found": figure(hit[1], 2 * size.shifts, None),
                "any flag beside": figure(false, size.shifts, None),
            }
            what = f"2 numbers by {by:g} sd, 2 categories by {mix:g}"
            yield item("h", ("4 of 20 columns shifted", what, f"{n:,}"), found, size.shifts, since)


# ---- the page

TITLES = {
    "a": "One promise: coverage, false passes, false fails",
    "b": "False blocks of a card",
    "c": "False promotions of a card",
    "d": "Power to block",
    "e": "Power to promote",
    "f": "Undecided",
    "g": "Ten looks",
    "h": "Drift",
}
COLUMNS = {
    "a": ("metric", "promise", "rows"),
    "b": ("gates", "rows a gate", "how alike the cells are"),
    "c": ("metric", "promise", "rows"),
    "d": ("metric", "promise", "rows"),
    "e": ("gates", "rows a gate", "how alike the cells are"),
    "f": ("metric", "promise", "rows"),
    "g": ("metric", "promise", "rows"),
    "h": ("input", "shift", "rows in each frame"),
}
ABOUT = {
    "a": "Every promise has its limit exactly at the true value, the hardest place: a pass there counts as false, since any worse value passes more "
    "seldom, and a fail does so, since meeting a limit keeps the promise. Coverage is of the two-sided interval. Below "
    "its minimum an estimate decides nothing. "
    "Reach: coverage at least 93%; false passes at most 3% (calibration and mean absolute error, for which the contract names no figure, are held to "
    "the same), 4% for macro-F1, 6% for latency; false fails at most 5%. A cell without a sign is shown only: an interval held against another "
    "value than the promised one.",
    "b": "Every gate is exactly at its limit, on the same rows: accuracy under stress, its drop and its retention in turn. Cells are *alike* by the "
    "correlation of what makes a row hard. Reach: at most 5% of the cards block with 500 rows, 7% with 250. The last line holds this "
    "simulation against `judge` itself.",
    "c": "One gate is exactly at its limit, nine others lie far above theirs. Reach: as for false passes.",
    "d": "One gate lies five standard errors on the wrong side of its limit. Alone among m gates it must be rejected at α/m. An error is taken at "
    "the true value and at the limit (of two groups: of the populations at the limit, the one that such samples resemble most), and **the larger one counts**: "
    "passing has to allow for the spread at the limit, failing meets that of the value. "
    "With the smaller one, shown beside, no valid test reaches as much in every cell: *best possible* is the most powerful test of a share, randomised to its "
    "exact level (Neyman and Pearson 1933), and for latency a t test of so many normal runs. Of twenty runs that one blocks in "
    f"{best_of_runs(20, ALPHA / 60, 5):.0%} and {best_of_runs(20, ALPHA / 200, 5):.0%}: why as many calls are timed in {LEAST[0]} short ones. "
    "Latency is measured in shares of late calls. "
    "Reach: at least 90% of 60 gates, 85% of 200. *Whole cards* has the others simulated too.",
    "e": "Every gate lies five standard errors, the larger of those at the two places, on the right side. Reach: at least 85% of the cards with 60 gates "
    "promote, 70% with 200.",
    "f": "A gate lies three standard errors, the larger of those at the two places, on the right side. Reach: at most 20% stay undecided.",
    "g": "A promise exactly at its limit is looked at ten times, each time on fresh rows, and promoted if any look passes. Reach: at most 5% (2α). "
    "Beside it, what looks without a correction would do.",
    "h": "Ten columns of numbers, with ties and skew among them, and ten of categories with 2 to 30 levels, judged as `drift` does unless told otherwise. "
    "Reach: at most 6% of runs with nothing to find flag anything. Where four columns did shift, the rule holds the share of false flags among all flags, not "
    "among runs, so that runs with a false one *beside* the true ones are more. A shift near the floor (a distance of 0.1) is meant to be passed over.",
}
THEIRS = (
    ("uncorrected p < .05", "66%"),
    ("Evidently 0.7.23, its default", "17 of 17 runs"),
    ("PSI > 0.1, 300 rows", "99%"),
    ("Benjamini-Hochberg alone", "3.5–8%"),
)


def shown(f: dict[str, Any] | None) -> str:
    if f is None:
        return ""
    sign = "" if f["ok"] is None else " ✓" if f["ok"] else " ✗"
    return f"{f['got']:.1%} ± {f['se']:.1%}{sign}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(r)} |" for r in (head, ["---"] * len(head), *rows)]


def names_of(items: Sequence[Item]) -> list[str]:
    "Names of the figures, those of fewer gates first."
    return sorted({n for i in items for n in i["figures"]}, key=lambda n: (int(n.split()[0]) if n[0].isdigit() else 0, n))


def distance(f: dict[str, Any]) -> float:
    "How far inside its target a figure is, in the target's own size."
    away = f["target"] - f["got"] if f["most"] else f["got"] - f["target"]
    return away / max(1 - f["target"] if not f["most"] else f["target"], 1e-9)


def worst_of(result: dict[str, Any]) -> Iterator[list[str]]:
    "For each figure of a row and target: its worst cell."
    groups: dict[tuple[str, float], list[tuple[Item, dict[str, Any]]]] = {}
    for i in result["items"]:
        for n in names_of([i]):
            f = i["figures"][n]
            if f["target"] is not None:
                groups.setdefault((n, f["target"]), []).append((i, f))
    for (n, target), found in groups.items():
        i, f = min(found, key=lambda pair: distance(pair[1]))
        sign = "≤" if f["most"] else "≥"
        missed = sum(not g["ok"] for _, g in found)
        yield [n, f"{sign} {target:.0%}", shown(f), ", ".join(w for w in i["what"] if w), f"{missed} of {len(found)}"]


def section(name: str, result: dict[str, Any]) -> Iterator[str]:
    "One row of the contract, every cell."
    yield from (f"## {TITLES[name]}", "", ABOUT[name], "")
    if not result["full"]:
        yield from ("**A quick look with few replicates: nothing here is to be quoted.**", "")
    items = result["items"]
    names = names_of(items)
    rows = [[*i["what"], *(shown(i["figures"].get(n)) for n in names), f"{i['replicates']:,}"] for i in items]
    yield from (*table([*COLUMNS[name], *names, "replicates"], rows), "")
    if name == "h":
        yield from drifts(items)
    missed = [
        f"{', '.join(w for w in i['what'] if w)} ({n})" for i in items for n in names_of([i]) if i["figures"][n]["ok"] is False
    ]
    if missed:
        yield from (f"Out of reach: {'; '.join(missed)}.", "")


def drifts(items: Sequence[Item]) -> Iterator[str]:
    "A year of runs, and what others do."
    ours = [
        [f"ours, {i['what'][2]} rows", shown(i["figures"]["any flag"]), f"{i['yearly']:.0%}"] for i in items if "yearly" in i
    ]
    theirs = [[f"{n} (theirs)", rate, ""] for n, rate in THEIRS]
    yield from (
        "Runs that flag something where nothing changed, of 20 columns, and the chance of it in a year of monthly runs:",
        "",
    )
    yield from (*table(["", "a run", "a year"], [*ours, *theirs]), "")
    yield "(theirs): measured with those libraries or rules on 20 columns of 1,000 rows unless stated otherwise."
    yield ""


def page(results: dict[str, Any]) -> str:
    "The whole page."
    first = results["a"]
    took = sum(r["seconds"] for r in results.values())
    lines = [
        "---",
        "title: Does a verdict keep what it claims?",
        "description: Every metric, size and prevalence by simulation, against what the statistical contract asks.",
        "---",
        "",
        "<!-- Written by benchmarks/study.py --page from benchmarks/results/study.json: run make study. -->",
        "",
        "# Does a verdict keep what it claims?",
        "",
        "`make study` draws samples from populations whose value is known, through the public interface alone, and counts how often a verdict is wrong. "
        "Nominal is 2.5% a side. Every cell is shown, none is averaged; ± is one Monte Carlo standard error. Where a "
        "figure fell within one such error of its "
        "target, the cell was drawn afresh with more replicates, and only those count.",
        "",
        f"{said(first['machine'])}; {', '.join(f'{n} {v}' for n, v in first['versions'].items() if n != 'python')}. {took / 60:.0f} minutes in all.",
        "",
        "## The worst cell of each row",
        "",
    ]
    rows = [[TITLES[n].split(":")[0], *w] for n in ROWS if n in results for w in worst_of(results[n])]
    lines += [*table(["row", "figure", "reach", "worst", "where", "out of reach"], rows), ""]
    for n in ROWS:
        if n in results:
            lines += section(n, results[n])
    return "\n".join(lines).rstrip() + "\n"


ROWS: dict[str, Callable[[Size], Iterator[Item]]] = {
    "a": row_a,
    "b": row_b,
    "c": row_c,
    "d": row_d,
    "e": row_e,
    "f": row_f,
    "g": row_g,
    "h": row_h,
}


def paged(source: Path, check: bool) -> int:
    "Write the page, or compare it."
    if not source.is_file():
        print(f"no {source}: run make study first.", file=sys.stderr)
        return 3
    made = page(json.loads(source.read_text(encoding="utf-8")))
    if check:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == made
        print(f"{PAGE.name} {'is' if same else 'is not'} what the results say")
        return 0 if same else 1
    PAGE.write_text(made, encoding="utf-8")
    print(f"written: {PAGE}")
    return 0


def main() -> int:
    "Simulate, or write the page, or compare it."
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few replicates, about a minute; nothing to be quoted")
    parser.add_argument("--tiny", action="store_true", help="hardly any: does everything run?")
    parser.add_argument("--only", default="", help=f"rows to simulate again, of {','.join(ROWS)}; the others stay as they are")
    parser.add_argument(
        "--into",
        type=Path,
        help="where results go, or come from; default: results/study.json, of a quick look the temporary folder",
    )
    parser.add_argument("--page", action="store_true", help="simulate nothing: write the page from the results")
    parser.add_argument(
        "--check", action="store_true", help="simulate nothing, write nothing: is the page what the results say?"
    )
    given = parser.parse_args()
    if given.page or given.check:
        return paged(given.into or RESULT, given.check)
    chosen = [r for r in given.only.split(",") if r] or list(ROWS)
    if wrong := [r for r in chosen if r not in ROWS]:
        parser.error(f"no row {wrong}; there are {', '.join(ROWS)}")
    size = TINY if given.tiny else QUICK if given.quick else FULL
    into = given.into or (RESULT if size is FULL else Path(tempfile.gettempdir()) / "study.json")
    for name in chosen:
        since, machine = time.perf_counter(), described()
        items = list(ROWS[name](size))
        seconds = round(time.perf_counter() - since, 1)
        made = {
            "items": items,
            "seconds": seconds,
            "machine": machine,
            "versions": versions("pilot_to_prod", "numpy", "scipy", "pandas"),
        }
        made["full"] = size is FULL
        kept = json.loads(into.read_text(encoding="utf-8")) if into.is_file() else {}
        into.write_text(json.dumps({**kept, name: made}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        missed = sum(f["ok"] is False for i in items for f in i["figures"].values())
        print(f"{name}: {len(items)} cells, {missed} figures out of reach, {seconds:.0f} s", flush=True)
    print(f"written: {into}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
