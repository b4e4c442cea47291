"""What does a notebook cost beside its code: papermill as it is, the warm engine, and the same code as a function?

Run: make bench, or python benchmarks/notebooks.py --count 8 --runs 3 for a look. The notebook is a small stress notebook: it loads a model,
corrupts 2,000 rows, predicts them, and leaves a table and a plot. Two measurements: single notebooks in turn, in one process that has
imported papermill, and 40 notebooks on 2 workers from start to end, imports and zygote included: papermill in a process pool of 2, and
the warm engine with 2 threads over one zygote; each notebook's linear algebra has its worker's share of the cores. Compiled modules are
cached, as in any installation. Writes benchmarks/results/notebooks.json.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _machine import described, others_at_work, said, versions, warning

HERE = Path(__file__).resolve().parent
OVERHEAD_GOALS = 0.9, 0.45  # seconds a notebook, above the same code as a function
SPEED_GOALS = 5.0, 8.0  # times as fast as papermill in a process pool, 40 notebooks on 2 workers
WORKERS, ROWS = 2, 2000

PARAMETERS = "seed = 0\nrows = 2000"
CELLS = (
    "import joblib\nimport matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd\nimport sklearn.pipeline",
    'model = joblib.load("model.joblib")\n'
    "rng = np.random.default_rng(seed)\n"
    'columns = [f"x{i}" for i in range(8)]\n'
    "frame = pd.DataFrame(rng.normal(size=(rows, 8)), columns=columns)\n"
    "label = (frame.x0 + frame.x1 > 0).to_numpy()",
    "found = []\n"
    "for severity in (0, 0.1, 0.3, 0.5):\n"
    "    hit = frame.mask(rng.random(frame.shape) < severity)\n"
    '    found.append({"severity": severity, "accuracy": float((model.predict(hit) == label).mean())})\n'
    "table = pd.DataFrame(found)\n"
    "table",
    'fig, ax = plt.subplots(figsize=(5, 3))\nax.plot(table.severity, table.accuracy, marker="o")\n'
    'ax.set(xlabel="severity", ylabel="accuracy", ylim=(0, 1));',
)


def make(folder: Path) -> None:
    "The model and the notebook."
    import joblib
    import nbformat
    import numpy as np
    import pandas as pd
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(ROWS, 8)), columns=[f"x{i}" for i in range(8)])
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(frame, frame.x0 + frame.x1 > 0)
    joblib.dump(model, folder / "model.joblib")
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(metadata={"kernelspec": spec, "language_info": {"name": "python"}})
    made.cells = [nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    made.cells += [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(made, folder / "stress.ipynb")


def as_function(folder: Path, seed: int) -> None:
    "The notebook's code, its table as HTML and its plot as PNG, without a notebook."
    names: dict[str, Any] = {"seed": seed, "rows": ROWS}
    os.chdir(folder)
    for source in CELLS:
        exec(source, names)  # noqa: S102
    names["table"]._repr_html_()
    names["fig"].savefig(io.BytesIO(), format="png", bbox_inches="tight")
    names["plt"].close("all")


def as_notebook(folder: Path, seed: int, engine: str | None) -> None:
    "Raises RuntimeError where it fails."
    from pilot_to_prod.runs._execute import execute

    out = folder / f"{engine}-{seed}.ipynb"
    given = {"seed": seed, "rows": ROWS}
    done = execute(folder / "stress.ipynb", out, given, cwd=folder, cell_timeout=120, engine=engine)
    if done["status"] != "done":
        raise RuntimeError(f"{engine}: {done}")


def child_single(folder: Path, runs: int) -> dict[str, Any]:
    "Seconds of each of the three ways, in turn, in a process where each has been done once."
    import matplotlib

    matplotlib.use("Agg")
    ways: dict[str, Callable[[int], None]] = {
        "function": lambda seed: as_function(folder, seed),
        "warm": lambda seed: as_notebook(folder, seed, "warm"),
        "papermill": lambda seed: as_notebook(folder, seed, None),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for seed in range(runs + 1):
        for way, work in ways.items():
            start = time.perf_counter()
            work(seed)
            if seed:
                times[way].append(time.perf_counter() - start)
    return {
        "times": times,
        "versions": versions("papermill", "nbclient", "ipykernel", "jupyter-client", "pyzmq", "pilot-to-prod"),
    }


def child_many(folder: Path, count: int, engine: str | None) -> dict[str, Any]:
    "Many notebooks on two workers."
    pool: Executor = ThreadPoolExecutor(WORKERS) if engine == "warm" else ProcessPoolExecutor(WORKERS)
    with pool:
        for one in [pool.submit(as_notebook, folder, seed, engine) for seed in range(count)]:
            one.result()
    return {"count": count}


def started(*what: object) -> dict[str, Any]:
    "What a child process of this program found, with its seconds from start to end and the CPU seconds of all its processes."
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "P2P_WARM_START", "P2P_WARM_MODULES")}
    env["PYTHONPYCACHEPREFIX"] = str(HERE / ".data" / "pycache")
    if what[1] != "single":  # a worker's share of the cores, as joblib gives it
        env["OMP_NUM_THREADS"] = env["OPENBLAS_NUM_THREADS"] = str(max((os.cpu_count() or 1) // WORKERS, 1))
    start, before = time.perf_counter(), os.times()
    made = subprocess.run([sys.executable, __file__, *map(str, what)], stdout=subprocess.PIPE, text=True, check=True, env=env)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"seconds": time.perf_counter() - start, "cpu": cpu, **json.loads(made.stdout.splitlines()[-1])}


def summary(times: list[float]) -> dict[str, float]:
    return {"median": statistics.median(times), "least": min(times), "most": max(times), "n": len(times)}


def main() -> int:
    "Make, measure, say, write."
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=12, help="single notebooks of each way")
    parser.add_argument("--count", type=int, default=40, help="notebooks on two workers")
    parser.add_argument("--rounds", type=int, default=3, help="of many notebooks, each way in turn")
    parser.add_argument("--child", nargs=3, metavar=("WHAT", "FOLDER", "NUMBER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        what, folder, number = given.child[0], Path(given.child[1]), int(given.child[2])
        if what == "single":
            result = child_single(folder, number)
        else:
            result = child_many(folder, number, "warm" if what == "warm" else None)
        print(json.dumps(result))
        return 0
    machine = described()
    print(said(machine))
    with tempfile.TemporaryDirectory(prefix="p2p-bench-") as scratch:
        make(Path(scratch))
        started("--child", "single", scratch, 1)  # compiles and caches what is imported
        single = started("--child", "single", scratch, given.runs)
        ways = {way: summary(times) for way, times in single["times"].items()}
        for way, s in ways.items():
            over = s["overhead"] = s["median"] - ways["function"]["median"]
            print(f"{way:10} {s['median']:.3f} s ({s['least']:.3f} to {s['most']:.3f}, n={s['n']}), overhead {over:.3f} s")
        many: dict[str, list[dict[str, Any]]] = {"papermill": [], "warm": []}
        for _ in range(given.rounds):
            for way, rounds in many.items():
                one = started("--child", way, scratch, given.count)
                rounds.append(one)
                print(f"{given.count} notebooks, {way:10} {one['seconds']:6.1f} s", flush=True)
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(many["papermill"], many["warm"], strict=True)]
    result = {
        "machine": machine,
        "versions": single["versions"],
        "single": {"ways": ways, "times": single["times"], "goals": OVERHEAD_GOALS},
        "many": {"count": given.count, "workers": WORKERS, "rounds": many, "ratios": ratios, "goals": SPEED_GOALS},
        "others_at_work_after": others_at_work(),
    }
    print(
        f"overhead of a warm notebook {ways['warm']['overhead']:.2f} s (goals: {OVERHEAD_GOALS[0]:g}, then {OVERHEAD_GOALS[1]:g})"
    )
    print(
        f"warm is {statistics.median(ratios):.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f}, n={len(ratios)}; "
        f"goals: {SPEED_GOALS[0]:g}, then {SPEED_GOALS[1]:g})"
    )
    if said_so := warning(machine["others_at_work"], result["others_at_work_after"]):
        print(said_so)
    if given.count >= 40 and given.runs >= 10:
        out = HERE / "results"
        out.mkdir(exist_ok=True)
        (out / "notebooks.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        print(f"written: {out / 'notebooks.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
