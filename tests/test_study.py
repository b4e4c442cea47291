"The study of the verdicts: its small version holds, it sees a wrong method, and its page says what was found."

import json
import sys
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

import study  # noqa: E402

from pilot_to_prod.evidence.statistics import ALPHA, Drop, Rate, z_of  # noqa: E402

SMALL = replace(study.TINY, counts=4_000, samples=300, slow=200)


def figures(world: study.World, seed: int = 1, size: study.Size = SMALL) -> dict:
    x = study.tried(world, np.random.default_rng(seed), size.of(world))
    return study.errors_of(x, world)


def within(f: dict) -> bool:
    "A figure holds, as far as so few replicates can tell."
    return f["got"] <= f["target"] + 2 * f["se"] if f["most"] else f["got"] >= f["target"] - 2 * f["se"]


# ---- the contract, small


COUNTED = (
    study.rate_world(0.98, 0.98, True, 189, "189"),
    study.rate_world(0.02, 0.02, False, 300, "300"),
    study.rate_world(0.5, 0.5, True, 300, "300"),
    study.drop_world(0.05, 0.05, 0.05, 73, "73"),
    study.drop_world(0.01, 0.3, 0.01, 1_000, "1,000"),
    study.retention_world(0.95, 0.9, 0.0, 0.95, 300, "300"),
    study.gap_world(0.98, 0.93, 0.05, 300, 300),
    study.risk_world(0.1, 0.1, 1_000, 0.6),
)
SAMPLED = (
    study.f1_world("value", study.FEW, 0.3, 0.0, 0.0, 1_500),
    study.ece_world(0.05, "mixed", 0.05, 1_000),
    study.latency_world(0.0, *study.LEAST),
    study.mae_world("drop", 0.5, 1_000),
    study.seeds_world("value", 0.9, 300),
    study.clusters_world("drop", 0.9, 40),
)


@pytest.mark.parametrize("world", COUNTED + SAMPLED, ids=lambda w: f"{w.metric}, {w.variant}, {w.size}")
def test_a_promise_at_its_limit_is_seldom_judged_wrongly(world):
    found = figures(world)
    wrong = {n: f for n, f in found.items() if n != "coverage" or world.metric != "latency" if not within(f)}
    assert not wrong


def test_a_card_of_promises_at_their_limits_seldom_blocks():
    gates = study.gates_of(60, 500)
    blocked, promoted = study.cards(np.random.default_rng(3), gates, 500, 200, 0.5)
    assert within(study.figure(blocked, 200, 0.05)) and not promoted


def test_a_gate_far_off_blocks_and_gates_far_inside_promote():
    broken = [study.placed("value", 0.8, -5.0, 500), *study.gates_of(59, 500, 5.0)]
    assert study.cards(np.random.default_rng(4), broken, 500, 60, 0.3)[0] >= 0.85 * 60
    kept = study.gates_of(60, 500, 5.0)
    assert study.cards(np.random.default_rng(5), kept, 500, 60, 0.3)[1] >= 0.85 * 60


def test_the_simulated_cards_are_judged_as_judge_does():
    gates = [*study.gates_of(4, 500), *study.gates_of(3, 500, 5.0), *study.gates_of(3, 500, -5.0)]
    assert study.verdicts_differ(np.random.default_rng(6), gates, 500, 5, 0.3) == 0


def test_ten_looks_promote_falsely_as_seldom_as_two():
    for made in study.row_g(SMALL, worlds=COUNTED[:4]):
        assert within(made["figures"]["ten looks"]), made


def test_nothing_drifts_where_nothing_changed():
    found = list(study.row_h(replace(study.TINY, nulls=15, nulls_few=2, shifts=2)))
    assert within(found[0]["figures"]["any flag"])
    assert found[0]["yearly"] == pytest.approx(1 - (1 - found[0]["figures"]["any flag"]["got"]) ** 12, abs=1e-3)


# ---- the same machinery sees a wrong method


@dataclass(frozen=True)
class Wald(Rate):
    "An estimate ± z standard errors of the estimate."

    def _tail(self, limit: float, above: bool) -> float:
        away = (self.value - limit) * (1 if above else -1)
        se = sqrt(self.value * (1 - self.value) / self.n)
        return float(ndtr(-away / se)) if se else float(away <= 0)

    def p_pass(self, limit: float, up: bool) -> float:
        return self._tail(limit, up)

    def p_fail(self, limit: float, up: bool) -> float:
        return self._tail(limit, not up)

    def interval(self, alpha: float = ALPHA) -> tuple[float, float]:
        half = z_of(alpha) * sqrt(self.value * (1 - self.value) / self.n)
        return self.value - half, self.value + half


@dataclass(frozen=True)
class Percentile(Drop):
    "Percentile bootstrap of lost rows, as if with endless replicates (none are won back)."

    def p_pass(self, limit: float, up: bool) -> float:
        return float(binom.sf(np.ceil(limit * self.n) - 1, self.n, self.lost / self.n))


def test_wald_is_seen():
    n = 189
    wrong = replace(COUNTED[0], draw=study.tables(lambda rng, r: rng.binomial(n, 0.98, (r, 1)), lambda hits: Wald(hits, n)))
    found = figures(wrong)
    assert found["false pass"]["ok"] is False and found["false pass"]["got"] > 0.05
    assert found["coverage"]["ok"] is False


def test_the_percentile_bootstrap_is_seen():
    n = 73
    wrong = replace(
        COUNTED[3], draw=study.tables(lambda rng, r: rng.binomial(n, 0.05, (r, 1)), lambda lost: Percentile(lost, 0, n))
    )
    assert figures(wrong)["false pass"]["got"] > 0.05


def test_a_card_without_correction_is_seen():
    gates = study.gates_of(60, 500)
    blocked, _ = study.cards(np.random.default_rng(3), gates, 500, 100, 0.5, correct=lambda p: p <= ALPHA)
    assert study.figure(blocked, 100, 0.05)["got"] > 0.3


def test_looks_without_correction_are_seen():
    for made in study.row_g(SMALL, spend=lambda look: ALPHA, worlds=COUNTED[1:3]):
        assert made["figures"]["ten looks"]["got"] > 0.08


def test_a_replay_that_judge_would_judge_otherwise_is_seen():
    gates = study.gates_of(3, 500, -5.0)
    clean, right = study.answers_of(np.random.default_rng(7), gates, 500, 0.3)
    spec = study.spec_of(gates)
    judged = study.judge(spec, study.evidence_of(spec, clean, right))
    assert [j.verdict is study.Verdict.FAILS for j in judged] == [True] * 3


# ---- the page


def test_the_page_is_what_the_results_say():
    assert study.paged(study.RESULT, check=True) == 0


def test_every_row_is_there_in_full_and_nothing_is_out_of_reach():
    results = json.loads(study.RESULT.read_text(encoding="utf-8"))
    assert list(results) == sorted(study.ROWS) and all(r["full"] for r in results.values())
    assert [
        (n, i["what"], k) for n, r in results.items() for i in r["items"] for k, f in i["figures"].items() if f["ok"] is False
    ] == []
