"""What a big card costs: 200 gates, 60 slices, 30 scenarios at 5 severities, 5,000 rows; judged, and written in every form.

Run: make bench, or python benchmarks/card.py --quick. The inputs are those of tests/big_card.py, made before anything is timed. CPU time.
The first run of a process, which also reads the page's template, is told apart and is not among those that are counted.
Writes benchmarks/results/card.json. Exit codes: 0 done, 1 runs differ or the page is larger than it may be, 2 usage.
"""

import argparse
import hashlib
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from _machine import described, others_at_work, said, versions, warning
from page import PAGE_GOAL

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from big_card import GATES, ROWS, SCENARIOS, SEVERITIES, SLICES, TODAY, big_inputs  # noqa: E402

from pilot_to_prod.card import scorecard  # noqa: E402

FORMS = ("html", "json", "junit", "markdown")
STEPS = ("judging", *FORMS)
RUNS = 5
CLOCK = time.process_time  # of all threads: what others do on the machine does not count


def measure(runs: int) -> dict[str, Any]:
    "A first run, then those that count; judged anew each time from the same evidence."
    spec, evidence = big_inputs()
    hash(evidence.hash)  # a replay has it already
    found, sizes, prints = [], {}, set()
    for _ in range(runs + 1):
        one: dict[str, float] = {}
        wall, start = time.perf_counter(), CLOCK()
        card = scorecard(spec, evidence, now=TODAY)
        one["judging"] = CLOCK() - start
        made = {}
        for form in FORMS:
            start = CLOCK()
            made[form] = getattr(card, form)()
            one[form] = CLOCK() - start
        one["wall"] = time.perf_counter() - wall
        found.append(one)
        sizes = {form: len(text.encode()) for form, text in made.items()}
        prints.add(hashlib.sha256("\0".join(made.values()).encode()).hexdigest())
    return {"first": found[0], "runs": found[1:], "bytes": sizes, "same_bytes": len(prints) == 1}


def main() -> int:
    "Measure, say, write."
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one run; not written")
    given = parser.parse_args()
    machine = described()
    print(said(machine))
    result = measure(1 if given.quick else RUNS)
    result |= {
        "gates": GATES,
        "slices": SLICES,
        "scenarios": SCENARIOS,
        "severities": SEVERITIES,
        "rows": ROWS,
        "machine": machine,
        "versions": versions("pilot-to-prod", "numpy", "scipy", "pandas", "jinja2", "junitparser"),
    }
    result["others_at_work_after"] = others_at_work()
    print(f"{GATES} gates, {SLICES} slices, {SCENARIOS} scenarios at {len(SEVERITIES)} severities, {ROWS:,} rows")
    print(f"{'':<10} {'CPU seconds':>24} {'first':>8} {'bytes':>10}")
    for step in STEPS:
        every = [o[step] for o in result["runs"]]
        middle = statistics.median(every)
        result[step] = {"median": middle, "min": min(every), "max": max(every)}
        size = f"{result['bytes'][step]:,}" if step in FORMS else ""
        print(f"{step:<10} {middle:>9.3f} ({min(every):.3f}-{max(every):.3f}) {result['first'][step]:>8.3f} {size:>10}")
    large = result["bytes"]["html"] > PAGE_GOAL
    if large:
        print(f"the page has more than {PAGE_GOAL:,} bytes", file=sys.stderr)
    if not result["same_bytes"]:
        print("the forms differ between runs", file=sys.stderr)
    if said_so := warning(machine["others_at_work"], result["others_at_work_after"]):
        print(said_so)
    if not given.quick:
        out = HERE / "results"
        out.mkdir(exist_ok=True)
        (out / "card.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"written: {out / 'card.json'}")
    return 1 if large or not result["same_bytes"] else 0


if __name__ == "__main__":
    sys.exit(main())
