"""The keystone: one evidence serves every batch size and worker count, byte for byte, and cards at the threshold keep their error rates.

Run: make bench. Prints machine, versions, n and figures; the numbers in the docs come from here.
"""

import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pilot_to_prod import Pilot, replay, scenario, suite
from pilot_to_prod.evidence import Cell, Evidence
from pilot_to_prod.gates import Verdict, judge
from pilot_to_prod.spec import parse

ROOT = Path(__file__).resolve().parents[1]


def same_bytes(name: str) -> None:
    "Hashes of the evidence for batches of 1, 7, 64 and all rows, one and two workers; seconds and peak memory beside."
    pilot = Pilot.load(ROOT / "pilots" / name)
    text = name == "feedback"
    composed = (
        scenario("upper_case", severity=0.5) >> scenario("typos")
        if text
        else scenario("sentinel_nulls", severity=0.5) >> scenario("unit_error")
    )
    chosen = suite([composed, "typos" if text else "sentinel_nulls"], pilot.spec)
    found = set()
    for rows, workers in ((1, 1), (7, 1), (64, 1), (10_000, 1), (64, 2)):
        start = time.perf_counter()
        evidence = replay(pilot, chosen, (0.1, 0.3), (0, 1), batch_rows=rows, workers=workers, progress=False)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"  {name:9} batches of {rows:6} workers {workers}: {evidence.hash[:12]}  {time.perf_counter() - start:6.2f} s  peak {peak} MB"
        )
        found.add(evidence.hash)
    assert len(found) == 1, f"{name}: the evidence depends on batches or workers"


def cards(gates: int, n: int, broken: float, replicates: int) -> tuple[float, float]:
    "Shares of cards that block and that promote, over accuracy gates on shared rows whose true accuracy is 0.8 (one at `broken`)."
    made = [{"name": f"g{i}", "metric": "accuracy", "at_least": 0.8, "scenario": {"name": f"s{i}"}} for i in range(gates)]
    columns = {"x": "number"}
    data = {"reference": "r.csv", "replay": "r.csv", "label": "y", "positive": "1", "labels": ["0", "1"], "columns": columns}
    model = {"loader": "module", "ref": "a:b"}
    spec, problems = parse({"name": "k", "task": "binary", "model": model, "gates": made, "data": data})
    assert spec is not None and not problems, problems
    rng, none = np.random.default_rng(0), np.full(n, -1, np.int32)
    truth, yes = np.ones(n, np.int16), np.ones(n, bool)
    keys = np.arange(n).astype(str).astype(object)
    block = promote = 0
    for _ in range(replicates):
        shared, own = rng.standard_normal(n), rng.standard_normal((gates, n))
        latent = 0.8 * shared + 0.6 * own  # rows are alike across scenarios, as real ones are
        cut = np.full(gates, _quantile(0.8))
        cut[0] = _quantile(broken)
        answers = (latent < cut[:, None]).astype(np.int16)
        cells = tuple(Cell(f"s{i}", f"s{i}", "messy", 0.5, 0, "invariant", {"name": f"s{i}"}) for i in range(gates))
        head = {"name": "k", "task": "binary", "labels": ["0", "1"], "spec": "", "data": "", "model": ""}
        evidence = Evidence(head, keys, truth, truth, none, cells, tuple(answers), (none,) * gates, (yes,) * gates)
        verdicts = [j.verdict for j in judge(spec, evidence)]
        block += Verdict.FAILS in verdicts
        promote += all(v is Verdict.PASSES for v in verdicts)
    return block / replicates, promote / replicates


def _quantile(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(p))


if __name__ == "__main__":
    versions = ", ".join(f"{p} {version(p)}" for p in ("numpy", "pandas", "scikit-learn", "scipy"))
    print(f"{platform.machine()}, Python {platform.python_version()}, {versions}")
    print("Same bytes")
    for pilot_name in ("feedback", "credit"):
        same_bytes(pilot_name)
    print("Cards with every gate exactly at its threshold (0.8), 500 shared rows: share that blocks falsely (at most 5%)")
    for count, runs in ((10, 2000), (60, 500)):
        print(f"  {count:3} gates, {runs} cards: block {cards(count, 500, 0.8, runs)[0]:.3f}")
    print("Cards of one gate at its threshold: share that promotes falsely (at most 3%)")
    print(f"    1 gate, 2000 cards: promote {cards(1, 500, 0.8, 2000)[1]:.3f}")
    print("Cards of 10 gates at 0.8, one of them at 0.7 (5.6 standard errors below): share that blocks (power)")
    print(f"   10 gates, 500 cards: block {cards(10, 500, 0.7, 500)[0]:.3f}")
