"""Our corruptions beside those of others: the same data, one run, turn by turn; speed, memory, and what was really delivered.

Run: make bench, or python benchmarks/peers.py --quick for a look. Every library works in an environment of its own, made once in
benchmarks/peers/.venv from the pinned benchmarks/peers/requirements-*.txt; none of them is a dependency of the project.
Writes benchmarks/results/peers.json. Exit codes: 0 measured, 1 a measurement failed, 2 usage, 3 a peer cannot be installed.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _machine import described, others_at_work, said
from page import FAST, OURS, TASKS, Task, goals, peers

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
LEXICON = HERE.parent / "pilot_to_prod" / "scenarios" / "tables" / "lexicon_en.tsv"


class PeerError(RuntimeError):
    "A peer that cannot be installed or run, with what to do."


@dataclass(frozen=True)
class Subject:
    "Something that is measured: a library in an environment."

    name: str  # in the tables
    library: str  # in worker.py
    environment: str | None  # None: this one
    tasks: tuple[str, ...]
    kernels: str | None = None  # P2P_KERNELS, for ours
    rows: int | None = None  # fewer rows for the very slow; rates are by row
    optional: bool = False  # goes without where it cannot be installed


ALL = ("typos", "mcar", "mnar")
SUBJECTS = (
    Subject(OURS, "pilot-to-prod", None, ALL, "numpy"),
    Subject(FAST, "pilot-to-prod", None, ALL, "numba"),
    Subject("ours, numpy, keyboard by language", "pilot-to-prod by language", None, ("typos",), "numpy"),
    Subject("badgers", "badgers", "pandas3", ALL),
    Subject("badgers, words given", "badgers words", "pandas3", ("typos",)),
    Subject("tab_err", "tab_err", "pandas2", ALL),
    Subject("gecko", "gecko-syndata", "numpy1", ("typos", "mcar")),
    Subject("gecko, NaN given", "gecko-syndata nan", "numpy1", ("mcar",)),
    Subject("jenga", "jenga", "jenga", ("mcar", "mnar"), optional=True),
    Subject("nlpaug, keyboard", "nlpaug keyboard", "pandas3", ("typos",)),
    Subject("nlpaug, characters", "nlpaug characters", "pandas3", ("typos",)),
    Subject("AugLy", "augly", "numpy1", ("typos",), rows=1000),
)


# environments


def python_of(environment: str | None) -> Path:
    "The interpreter of an environment."
    if environment is None:
        return Path(sys.executable)
    return PEERS / ".venv" / environment / ("Scripts" if os.name == "nt" else "bin") / "python"


def prepare(environment: str) -> None:
    "Make an environment unless it stands as its requirements say. Raises PeerError."
    wanted = PEERS / f"requirements-{environment}.txt"
    stamp = PEERS / ".venv" / environment / ".ready"
    state = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == state:
        return
    if not (3, 11) <= sys.version_info[:2] <= (3, 12):
        raise PeerError(f"the peers run on Python 3.11 or 3.12; this is {sys.version.split()[0]}. Run it with one of those.")
    print(f"installing {environment} ({wanted.name}) ...", flush=True)
    folder, python = stamp.parent, str(python_of(environment))
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv:
        _done(environment, [uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _done(environment, [uv, "pip", "install", "--quiet", "--python", python, "--requirement", str(wanted)])
    else:
        _done(environment, [sys.executable, "-m", "venv", str(folder)])
        _done(
            environment,
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", str(wanted)],
        )
    if environment == "jenga":
        without = ["--quiet", "--no-deps", "jenga==0.0.1a1"]  # its metadata refuses the Python that it runs on
        if uv:
            _done(
                environment,
                [uv, "pip", "install", "--python", python, "--python-version", "3.9", "--prerelease", "allow", *without],
            )
        else:
            _done(environment, [python, "-m", "pip", "install", "--ignore-requires-python", "--pre", *without])
    stamp.write_text(state)


def _done(environment: str, command: Sequence[str]) -> None:
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        reason = (made.stderr.strip() or made.stdout.strip()).splitlines()
        raise PeerError(
            f"{environment} cannot be installed: {' '.join(command[1:3])} ended with {made.returncode}: "
            + " / ".join(line.strip() for line in reason[-3:] if line.strip())
        )


def prepared(subjects: Sequence[Subject], partial: bool) -> tuple[list[Subject], dict[str, str]]:
    "Those that can be measured here, and why the others cannot. Raises PeerError for one that has to be there."
    failed: dict[str, str] = {}
    for environment in dict.fromkeys(s.environment for s in subjects if s.environment):
        try:
            prepare(environment)
        except PeerError as e:
            failed[environment] = str(e)
    left = {s.name: failed[s.environment] for s in subjects if s.environment in failed}
    needed = [s.environment for s in subjects if s.environment in failed and not s.optional]
    if needed and not partial:
        raise PeerError(
            "\n".join(failed[str(n)] for n in dict.fromkeys(needed))
            + "\nThe peers come from PyPI: run it again with a network, or measure those that are there with --partial."
        )
    if any(s.kernels == "numba" for s in subjects) and find_spec("numba") is None:
        left[FAST] = "numba is not installed in the project's environment"
    return [s for s in subjects if s.name not in left], left


# data


def sentences(rows: int, seed: int = 0) -> list[str]:
    "Sentences of 8 to 16 words, 12 on average, drawn from the project's own English word list."
    heads = [line.split("\t")[0] for line in LEXICON.read_text(encoding="utf-8").splitlines()[1:]]
    words = [w for w in heads if w.isascii() and w.isalpha() and w.islower()]
    rng, out = np.random.default_rng(seed), []
    for n in rng.integers(8, 17, rows):
        text = " ".join(words[i] for i in rng.integers(0, len(words), n))
        out.append(text[0].upper() + text[1:] + ".")
    return out


def numbers(rows: int, columns: int = 20, seed: int = 0) -> np.ndarray:
    "Skewed positive numbers, such as amounts; one row of the array a column of the table."
    return np.random.default_rng(seed).gamma(2.0, 50.0, (columns, rows))


# measuring


def ask(subject: Subject, task: Task, data: Path, mode: str, repeats: int) -> dict[str, Any]:
    "One worker, from start to end. Raises PeerError with what it said."
    order = {
        "library": subject.library,
        "task": task.name,
        "data": str(data),
        "share": task.share,
        "rows": subject.rows,
        "mode": mode,
        "repeats": repeats,
    }
    paths = [str(HERE)] + ([os.environ["PYTHONPATH"]] if subject.environment is None and "PYTHONPATH" in os.environ else [])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    if subject.kernels:
        env["P2P_KERNELS"] = subject.kernels
    command = [str(python_of(subject.environment)), str(PEERS / "worker.py")]
    made = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, env=env, check=False)
    if made.returncode:
        raise PeerError(f"{subject.name} at {task.name}: " + " / ".join(made.stderr.strip().splitlines()[-3:]))
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def measure(task: Task, subjects: Sequence[Subject], data: Path, rounds: int, repeats: int) -> dict[str, Any]:
    "All subjects at one task: what they do once, then their times turn by turn, in turned order every other round."
    out: dict[str, Any] = {}
    for s in subjects:
        print(f"  {task.name}: what {s.name} does", flush=True)
        try:
            found = ask(s, task, data, "check", repeats)
            keep = ("library", "rows", "versions")
            out[s.name] = {**{k: found.pop(k) for k in keep}, "does": found, "rounds": []}
        except PeerError as e:
            out[s.name] = {"failed": str(e)}
    works = [s for s in subjects if "failed" not in out[s.name]]
    for number in range(rounds):
        print(f"  {task.name}: round {number + 1} of {rounds}", flush=True)
        for s in works if number % 2 == 0 else works[::-1]:
            try:
                found = ask(s, task, data, "time", repeats)
                out[s.name]["rounds"].append({k: found[k] for k in ("first_wall", "wall", "cpu")})
            except PeerError as e:
                out[s.name]["failed"] = str(e)
    for s in works:
        if out[s.name]["rounds"]:
            out[s.name] |= _summary(out[s.name])
    _compare(out)
    return out


def _summary(found: dict[str, Any]) -> dict[str, Any]:
    "Seconds over all rounds, and rows a second."
    made: dict[str, Any] = {}
    for clock in ("wall", "cpu"):
        every = [t for r in found["rounds"] for t in r[clock]]
        made[clock] = {"min": min(every), "median": statistics.median(every), "max": max(every), "n": len(every)}
    made["rows_a_second"] = found["rows"] / made["wall"]["median"]
    made["rows_a_cpu_second"] = found["rows"] / made["cpu"]["median"]
    return made


def _compare(out: dict[str, Any]) -> None:
    "How many times as long others take by row: within each round, then the median and the range over rounds."
    for base in (OURS, FAST):
        if "wall" not in out.get(base, {}):
            continue
        for name, found in out.items():
            if "wall" not in found or name == base:
                continue
            for clock in ("wall", "cpu"):
                pairs = zip(found["rounds"], out[base]["rounds"], strict=False)
                times = [
                    (statistics.median(a[clock]) / found["rows"]) / (statistics.median(b[clock]) / out[base]["rows"])
                    for a, b in pairs
                ]
                ratio = {"median": statistics.median(times), "min": min(times), "max": max(times)}
                found.setdefault("times_as_long", {}).setdefault(base, {})[clock] = ratio


def main() -> int:
    "Set up, measure, write."
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="a twentieth of the data, few rounds; printed, written only with --out"
    )
    parser.add_argument("--only", action="append", choices=ALL, help="one task; may be given several times")
    parser.add_argument("--rounds", type=int, help="turns that every library gets (default 5)")
    parser.add_argument("--repeats", type=int, help="timed calls in a turn (default 3)")
    parser.add_argument("--partial", action="store_true", help="go on without peers that cannot be installed")
    parser.add_argument("--out", type=Path, help="folder for peers.json (default benchmarks/results)")
    given = parser.parse_args()
    rounds, repeats = given.rounds or (2 if given.quick else 5), given.repeats or (2 if given.quick else 3)
    tasks = [t for t in TASKS if not given.only or t.name in given.only]
    subjects = [s for s in SUBJECTS if any(t.name in s.tasks for t in tasks)]
    try:
        subjects, left = prepared(subjects, given.partial)
    except PeerError as e:
        print(e, file=sys.stderr)
        return 3
    result: dict[str, Any] = {
        "machine": described(),
        "settings": {"rounds": rounds, "repeats": repeats, "quick": given.quick, "seed": 0},
        "left_out": left,
        "tasks": {},
    }
    print(said(result["machine"]), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for task in tasks:
            rows, data = task.rows // 20 if given.quick else task.rows, Path(folder) / task.name
            if task.name == "typos":
                data.write_text("\n".join(sentences(rows)) + "\n", encoding="utf-8")
            else:
                data = data.with_suffix(".npy")
                np.save(data, numbers(rows))
            able = [s for s in subjects if task.name in s.tasks]
            result["tasks"][task.name] = measure(task, able, data, rounds, repeats)
    result["others_at_work_after"] = others_at_work()
    print("\n" + "\n".join(peers(result, goals(result["tasks"]))))
    out = given.out or (None if given.quick else HERE / "results")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "peers.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"written: {out / 'peers.json'}")
    failed = [f["failed"] for t in result["tasks"].values() for f in t.values() if "failed" in f]
    for why in failed:
        print(why, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
