"""Ten million rows, ten cells: is the memory of a replay flat, and its time linear in the rows?

Rows that fit into memory (`[replay] memory_rows`, a million) are read once; more are read again for each pass, which costs a part of
each row more. What is compared is a row of the largest file and one of the smallest that is read so.

Run: make bench, or python benchmarks/large.py --rows 20000 100000 for a look. The rows (8 amounts, 2 categories, a label, an id) come
from a fixed seed, chunk by chunk, into a Parquet file that is kept in benchmarks/.data; a smaller file is the head of a larger one.
The pilot is a sum of its columns, so that the time is the replay's own. Making and replaying are child processes of a parent that
imports nothing large, so that the peak memory is theirs. Writes benchmarks/results/large.json.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from _machine import described, others_at_work, peak_rss, said, versions, warning
from page import LARGE_GOAL, LINEAR_GOAL

HERE = Path(__file__).resolve().parent
DATA = HERE / ".data"
CHUNK = 250_000  # rows in a row group, each from a seed of its own
SEED = 7
AMOUNTS = [f"amount{i}" for i in range(8)]
CHANNELS, REGIONS = ("branch", "mail", "phone", "web"), ("east", "north", "south", "west")

PILOT_YAML = """name: large
title: Ten million rows
version: 1
task: binary
owner: {name: Benchmarks, contact: benchmarks@example.com}
model: {loader: module, ref: "model.py:predict"}
data:
  reference: reference.parquet
  replay: replay.parquet
  id: id
  label: label
  labels: ["no", "yes"]
  positive: "yes"
  columns:
COLUMNS    id: id
gates:
  - {name: clean, metric: accuracy, at_least: 0.5}
"""

MODEL_PY = '''"""A sum of columns: as cheap as a model can be."""

import numpy as np


def predict(frame):
    "yes where the amounts are high for the channel; what is missing counts as 100."
    total = np.zeros(len(frame))
    for name in [c for c in frame if c.startswith("amount")]:
        total += np.nan_to_num(frame[name].to_numpy(float), nan=100.0)
    total += 40.0 * (frame["channel"] == "web").to_numpy(bool, na_value=False)
    return np.where(total > 800.0, "yes", "no")
'''


def make(folder: Path, rows: int) -> None:
    "A pilot's folder with so many rows, written row group by row group."
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    def chunk(number: int, size: int) -> pa.Table:
        rng = np.random.default_rng([SEED, number])
        amounts = rng.gamma(2.0, 50.0, (len(AMOUNTS), CHUNK)).round(2)[:, :size]
        channel, region = (rng.integers(0, 4, CHUNK)[:size] for _ in range(2))
        total = amounts.sum(axis=0) + 40.0 * (channel == 3) + rng.normal(0, 100, CHUNK)[:size]
        start = number * CHUNK
        columns = {"id": pa.array([f"r{i:08d}" for i in range(start, start + size)])}
        columns |= {name: pa.array(values) for name, values in zip(AMOUNTS, amounts, strict=True)}
        columns |= {"channel": pa.array(np.array(CHANNELS)[channel]), "region": pa.array(np.array(REGIONS)[region])}
        columns["label"] = pa.array(np.where(total > 800.0, "yes", "no"))
        return pa.table(columns)

    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    roles = "".join(
        f"    {n}: {r}\n" for n, r in [*((a, "amount") for a in AMOUNTS), ("channel", "category"), ("region", "category")]
    )
    (part / "pilot.yaml").write_text(PILOT_YAML.replace("COLUMNS", roles), encoding="utf-8")
    (part / "model.py").write_text(MODEL_PY, encoding="utf-8")
    pq.write_table(chunk(10**6, 10_000), part / "reference.parquet")
    writer = None
    for number, start in enumerate(range(0, rows, CHUNK)):
        table = chunk(number, min(CHUNK, rows - start))
        writer = writer or pq.ParquetWriter(part / "replay.parquet", table.schema, compression="zstd")
        writer.write_table(table, row_group_size=CHUNK)
    assert writer is not None
    writer.close()
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)


def run_large(
    path: Path,  # folder of a pilot whose data.replay is the large file
    rows: int,  # in it
) -> dict[str, Any]:  # what the parent should keep
    "Replay ten cells over the file. The one place that knows how a large replay is called."
    from pilot_to_prod import Pilot, replay, scenario, suite

    pilot = Pilot.load(path)
    chosen = suite([scenario(n) for n in ("mcar", "mar", "mnar", "sentinel_nulls", "unit_error")], pilot.spec)
    evidence = replay(pilot, chosen, (0.1, 0.3), (0,), progress=False)
    return {
        "cells": len(evidence.cells),
        "hash": evidence.hash,
        "rows_seen": len(evidence.keys),
        "faults": len(evidence.faults),
    }


def child(folder: Path, rows: int) -> dict[str, Any]:
    "What one process measures of itself."
    from pilot_to_prod.settings import load_settings

    for name in ("Pilot", "replay", "scenario", "suite"):  # imported before the clock starts
        getattr(import_module("pilot_to_prod"), name)
    start, cpu = time.perf_counter(), time.process_time()
    found = run_large(folder, rows)
    seconds, spent = time.perf_counter() - start, time.process_time() - cpu
    named = versions("pilot-to-prod", "numpy", "pandas", "pyarrow", "numba")
    return {
        "rows": rows,
        "streamed": rows > load_settings().replay.memory_rows,
        "seconds": seconds,
        "cpu": spent,
        "cpu_a_million": spent / rows * 1e6,
        "peak_gb": peak_rss() / 1024,
        "file_mb": (folder / "replay.parquet").stat().st_size / 2**20,
        "versions": named,
        **found,
    }


def _started(*what: str) -> str:
    "A child process of this program; what it printed. Raises RuntimeError with what it said."
    made = subprocess.run([sys.executable, __file__, *what], stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        hint = "killed, perhaps for lack of memory" if made.returncode < 0 else "see above"
        raise RuntimeError(f"{' '.join(what)} ended with {made.returncode}: {hint}")
    return made.stdout


def main() -> int:
    "Make what is not there, measure each size, say, write."
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 2_000_000, 10_000_000], help="sizes, smallest first")
    parser.add_argument("--runs", type=int, default=1, help="of each size")
    parser.add_argument(
        "--limit", type=float, default=3600, help="seconds: a size that would take longer, by the one before, is left out"
    )
    parser.add_argument("--make", nargs=2, metavar=("FOLDER", "ROWS"), help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "ROWS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.make:
        make(Path(given.make[0]), int(given.make[1]))
        return 0
    if given.child:
        print(json.dumps(child(Path(given.child[0]), int(given.child[1]))))
        return 0
    machine = described()
    found: list[dict[str, Any]] = []
    print(said(machine))
    for rows in given.rows:
        folder = DATA / f"large-{rows}"
        expected = found[-1].get("seconds", 0.0) / found[-1]["rows"] * rows if found else 0.0
        if expected > given.limit:
            print(f"{rows:12,} rows left out: by the size before they would take {expected:,.0f} s (--limit {given.limit:g})")
            found.append({"rows": rows, "failed": f"left out: {expected:.0f} s expected"})
            continue
        try:
            if not folder.is_dir():
                print(f"making {rows:,} rows in {folder} ...", flush=True)
                _started("--make", str(folder), str(rows))
            for _ in range(given.runs):
                one = json.loads(_started("--child", str(folder), str(rows)).splitlines()[-1])
                found.append(one)
                print(
                    f"{rows:12,} rows x {one['cells']} cells ({one['file_mb']:.0f} MB on disk): {one['seconds']:.1f} s, "
                    f"{one['cpu_a_million']:.2f} CPU s a million rows, peak {one['peak_gb']:.2f} GB",
                    flush=True,
                )
        except RuntimeError as e:
            print(e, file=sys.stderr)
            found.append({"rows": rows, "failed": str(e)})
    done = [f for f in found if "failed" not in f]
    result: dict[str, Any] = {"machine": machine, "runs": found, "others_at_work_after": others_at_work()}
    if done:
        small, large = next((f for f in done if f["streamed"]), done[-1]), done[-1]
        result["linear"] = large["cpu_a_million"] / small["cpu_a_million"]
        result["peak_gb"] = max(f["peak_gb"] for f in done)
        print(f"peak memory {result['peak_gb']:.2f} GB (goal: at most {LARGE_GOAL:g})")
        if large["rows"] > small["rows"]:
            print(
                f"a row of {large['rows']:,} costs {result['linear']:.2f} times a row of {small['rows']:,} "
                f"(linear: at most {LINEAR_GOAL:g})"
            )
    if said_so := warning(machine["others_at_work"], result["others_at_work_after"]):
        print(said_so)
    if max(given.rows) >= 1_000_000:
        out = HERE / "results"
        out.mkdir(exist_ok=True)
        (out / "large.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"written: {out / 'large.json'}")
    return 0 if len(done) == len(found) else 1


if __name__ == "__main__":
    sys.exit(main())
