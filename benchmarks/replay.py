"""What a replay costs beside the predict calls that it cannot do without: all scenarios, five severities, a TF-IDF pilot.

Run: make bench, or python benchmarks/replay.py --quick. The rows are those of pilots/feedback, each many times with an order number
of its own, in English and in every language of its parallel table; the pilot is the shipped one.
Beside each replay stand the rows that it changes, corrupted the same way and predicted in one call a scenario and severity. CPU time.
Writes benchmarks/results/replay.json.
"""

import argparse
import json
import logging
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from _machine import described, others_at_work, said, versions, warning
from page import REPLAY_GOAL as GOAL
from threadpoolctl import threadpool_limits

from pilot_to_prod import Pilot, replay, suite
from pilot_to_prod.scenarios import Corruption

HERE = Path(__file__).resolve().parent
FEEDBACK = HERE.parent / "pilots" / "feedback"
SEVERITIES = (0.05, 0.1, 0.2, 0.3, 0.5)
CLOCK = time.process_time  # of all threads: what others do on the machine does not count


def made(folder: Path, rows: int) -> Path:
    "The feedback pilot with so many distinct replay rows, and the same rows in its other languages."
    shutil.copytree(FEEDBACK, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    for name in ("replay.csv", "parallel.csv"):
        table = pd.read_csv(folder / "data" / name, dtype="str")
        copies = [
            table.assign(id=table["id"] + f"-{i:04}", text=table["text"] + f" ({1000 + 37 * i})")
            for i in range(-(-rows // pd.read_csv(FEEDBACK / "data" / "replay.csv")["id"].nunique()))
        ]
        if name == "replay.csv":
            every = pd.concat(copies, ignore_index=True).iloc[:rows]
            kept = set(every["id"])
        else:
            every = pd.concat(copies, ignore_index=True)
            every = every[every["id"].isin(kept)]
        every.to_csv(folder / "data" / name, index=False)
    return folder


class Timed:
    "A model that adds up the time spent in it."

    def __init__(self, model: Any) -> None:
        self.model, self.seconds, self.calls, self.rows = model, 0.0, 0, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.model, name)
        if name not in ("predict", "predict_proba"):
            return found

        def call(given: Any) -> Any:
            start = CLOCK()
            answers = found(given)
            self.seconds += CLOCK() - start
            self.calls += 1
            self.rows += len(given)
            return answers

        return call


def hits(pilot: Pilot, chosen: Any, levels: tuple[float, ...]) -> Iterator[tuple[str, float, Corruption]]:
    "Every scenario and severity of a suite, through the public calls, over all rows."
    frame = pilot.replay_set
    for one, own in chosen:
        bound = one.fit(pilot.reference, pilot.spec).bind([frame], seed=0, severities=own or levels)
        for at in own or levels:
            yield one.label, at, bound.corrupt(frame, at)


def answered(call: Any, rows: pd.DataFrame, inputs: list[str]) -> float:
    "Seconds of one call. Where the model breaks on rows that lack something: of the call without them, which it can answer, if any."
    start = CLOCK()
    try:
        if len(rows):
            call(rows)
    except Exception:  # noqa: BLE001 - whatever a model raises
        if not set(inputs) <= set(rows.columns):
            return CLOCK() - start
        rest = rows[rows[inputs].notna().all(axis=1)]
        start = CLOCK()
        if len(rest):
            call(rest)
    return CLOCK() - start


def floor(pilot: Pilot, chosen: Any, levels: tuple[float, ...]) -> dict[str, float]:
    "Seconds that the changed rows' own calls take, one call a cell, on one thread; and seconds of corrupting them."
    out = {"predict": 0.0, "predict_proba": 0.0, "corrupt": 0.0, "rows": 0.0, "cells": 0.0}
    with threadpool_limits(1):
        begun = CLOCK()
        for _, _, hit in hits(pilot, chosen, levels):
            out["corrupt"] += CLOCK() - begun
            rows = hit.frame[hit.changed] if len(hit.changed) == len(hit.frame) else hit.frame
            out["cells"] += 1
            out["rows"] += len(rows)
            for name in ("predict", "predict_proba"):
                out[name] += answered(getattr(pilot, name), rows, pilot.spec.inputs)
            begun = CLOCK()
    return out


def measure(rows: int, runs: int, levels: tuple[float, ...], family: str) -> dict[str, Any]:
    "Replay and floor, turn by turn."
    with tempfile.TemporaryDirectory() as folder:
        pilot = Pilot.load(made(Path(folder) / "feedback", rows))
        pilot.model = timed = Timed(pilot.model)
        chosen = suite(family, pilot.spec)
        found: list[dict[str, Any]] = []
        for run in range(runs):
            timed.seconds, timed.calls, timed.rows = 0.0, 0, 0
            start, wall = CLOCK(), time.perf_counter()
            evidence = replay(pilot, chosen, levels, (0,), progress=False)
            one: dict[str, Any] = {"replay": CLOCK() - start, "replay_wall": time.perf_counter() - wall}
            one |= {"in_model": timed.seconds, "calls": timed.calls, "rows_asked": timed.rows, "hash": evidence.hash}
            one["changed"] = sum(c.changed for c in evidence.cells)
            one["floor"] = floor(pilot, chosen, levels)
            one["ratio"] = one["replay"] / one["floor"]["predict"]
            one["ratio_with_proba"] = one["replay"] / (one["floor"]["predict"] + one["floor"]["predict_proba"])
            found.append(one)
            own = one["floor"]["predict"]
            print(
                f"  run {run + 1}: replay {one['replay']:.1f} CPU s ({one['replay_wall']:.1f} by the clock), of which in the model "
                f"{one['in_model']:.1f} ({one['calls']} calls); the changed rows' own predict {own:.1f}, with predict_proba "
                f"{own + one['floor']['predict_proba']:.1f}; corrupting {one['floor']['corrupt']:.1f}",
                flush=True,
            )
    return {
        "rows": rows,
        "severities": levels,
        "scenarios": len(chosen),
        "cells": int(found[0]["floor"]["cells"]),
        "left_out": list(chosen.left_out),
        "same_evidence": len({o["hash"] for o in found}) == 1,
        "runs": found,
    }


def main() -> int:
    "Measure, say, write."
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="500 rows, one run; not written")
    parser.add_argument("--rows", type=int, help="default 5000")
    parser.add_argument("--runs", type=int, help="default 3")
    parser.add_argument("--suite", default="standard", help="standard, or one family")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    machine = described()
    print(said(machine))
    result = measure(
        given.rows or (500 if given.quick else 5000), given.runs or (1 if given.quick else 3), SEVERITIES, given.suite
    )
    result |= {
        "suite": given.suite,
        "machine": machine,
        "versions": versions("pilot-to-prod", "numpy", "pandas", "scikit-learn", "numba"),
    }
    result["others_at_work_after"] = others_at_work()
    print(f"{result['scenarios']} scenarios, {result['cells']} cells, {result['rows']:,} rows, suite {given.suite}")
    for name, what in (("ratio", "predict"), ("ratio_with_proba", "predict and predict_proba")):
        every = [o[name] for o in result["runs"]]
        middle = statistics.median(every)
        result[name] = {"median": middle, "min": min(every), "max": max(every)}
        note = f" (goal: at most {GOAL:g})" if name == "ratio" else ""
        print(f"replay / the changed rows' own {what}: {middle:.2f} ({min(every):.2f}-{max(every):.2f}){note}")
    if not result["same_evidence"]:
        print("the evidence differs between runs", file=sys.stderr)
    if said_so := warning(machine["others_at_work"], result["others_at_work_after"]):
        print(said_so)
    if not given.quick:
        out = HERE / "results"
        out.mkdir(exist_ok=True)
        (out / "replay.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"written: {out / 'replay.json'}")
    return 0 if result["same_evidence"] else 1


if __name__ == "__main__":
    sys.exit(main())
