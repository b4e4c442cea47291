"""One unit of work as any executor can do it, on this machine or another: execute a notebook, keep its outputs, write its record last."""

import json
import logging
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pilot_to_prod.runs._execute import execute
from pilot_to_prod.runs._store import is_here, place, read_json, write_bytes, write_json
from pilot_to_prod.spec import file_hash

log = logging.getLogger("pilot_to_prod.runs")

LATE = "RunDeadline"
STOPPED = "Interrupted"
RETRIED = (
    "DeadKernelError",
    "KernelStartError",
    "CellTimeoutError",
    "ProcessDied",
    "KilledWorker",
    "StorageError",
)  # a failing cell is none of them


@dataclass(frozen=True)
class Task:
    "All that a worker needs to know; it can be pickled."

    name: str
    key: str
    notebook: str  # its source, so that a worker needs no file of it
    parameters: dict[str, Any]
    folder: str  # of the run, a path or an fsspec URL
    writes: dict[str, str]  # parameter → file or folder that the notebook is told to write, relative to the run's folder
    outputs: tuple[str, ...]  # files that must then be there; with a * any number of them
    reads: dict[str, str] = field(default_factory=dict)  # parameter → folder that it is told to read
    engine: str | None = "warm"  # of papermill; None: its own, in a process of its own
    cwd: str | None = None  # the kernel's folder, where it is on this machine
    cell_deadline: int = 900  # seconds
    until: float = math.inf  # the run's deadline, seconds since 1970: a task may have waited long before it is done
    memory: int | None = None  # bytes
    threads: int | None = None  # of native libraries in the kernel, where the environment does not say; None: as they like
    attempt: int = 1


@contextmanager
def _room(task: Task) -> Iterator[Path]:
    "Where a notebook reads and writes: the run's folder, or for one at a URL a folder on this machine with what is to be read."
    folder = place(task.folder)
    if is_here(folder):
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="p2p-") as scratch:
        here = Path(scratch)
        for name in task.reads.values():
            for source in sorted((folder / name).glob("*")):
                target = here / name / source.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
        yield here


def _left(room: Path, task: Task) -> dict[str, Path]:
    "Outputs that are there, by their names relative to the run's folder."
    found = [p for pattern in task.outputs for p in sorted(room.glob(pattern)) if not p.name.endswith(".part")]
    return {p.relative_to(room).as_posix(): p for p in found}


def do(task: Task) -> dict[str, Any]:
    "Do the work and write its record, which is returned; never raises for what the notebook does."
    started, begun = time.monotonic(), datetime.now(UTC)
    folder = place(task.folder)
    with _room(task) as room:
        said = _executed(task, room) if time.time() < task.until else late()
        gone = [p for p in task.outputs if "*" not in p and not (room / p).is_file()]
        if said["status"] == "done" and gone:
            said = _failure("NoOutput", f"the notebook ended well but did not write {', '.join(gone)}")
        kept = {f"{task.name}.ipynb": room / f"{task.name}.ipynb"} | _left(room, task)
        failed = room / f"{task.name}.failed.ipynb"
        try:
            hashes = {n: file_hash(str(p)) for n, p in kept.items()} if said["status"] == "done" else {}
            if not is_here(folder):
                for name, path in kept.items() if hashes else [(failed.name, failed)] if failed.exists() else []:
                    write_bytes(folder / name, path.read_bytes())
        except OSError as e:
            said, hashes = _failure("StorageError", f"{folder}: {e}"), {}
        if hashes:
            with suppress(FileNotFoundError):
                (folder / failed.name).unlink()
            if is_here(folder):
                _sign(room / f"{task.name}.ipynb")
        record = {
            "key": task.key,
            "name": task.name,
            "attempt": task.attempt,
            "started": begun.isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - started, 3),
            "outputs": hashes,
            **said,
        }
    write_json(folder / "records" / f"{task.name}.json", record)
    return record


def _sign(path: Path) -> None:
    "Trust a notebook that was executed here, as JupyterLab trusts what it executes: only then it shows the notebook's widgets."
    import nbformat
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    try:
        notary.sign(nbformat.read(path, as_version=4))
    except (OSError, sqlite3.Error) as e:  # what was done stays done
        log.warning("%s is not signed (%s): JupyterLab shows its widgets after Trust Notebook.", path, e)
    finally:
        notary.store.close()


def _failure(error: str, message: str) -> dict[str, Any]:
    return {"status": "failed", "error": error, "message": message}


def _executed(task: Task, room: Path) -> dict[str, Any]:
    "The notebook with its outputs in place: status, error, message."
    out = room / f"{task.name}.ipynb"
    work = {
        "parameters": task.parameters
        | {p: str(room / n) for p, n in task.reads.items()}
        | {p: str(room / n) for p, n in task.writes.items()},
        "cwd": task.cwd if task.cwd and Path(task.cwd).is_dir() else str(room),
        "cell_timeout": task.cell_deadline,
    }
    for name in task.writes.values():
        (room / name).parent.mkdir(parents=True, exist_ok=True)
    scratch = room / f".{task.name}.work"  # one that a killed runner left is found here, and gone in the end
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        notebook = scratch / f"{task.name}.ipynb"
        notebook.write_text(task.notebook, encoding="utf-8")
        return (_in_here if task.engine == "warm" else _apart)(task, notebook, out, work)
    except OSError as e:
        return _failure("StorageError", f"{room}: {e}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def environment_of(threads: int | None) -> dict[str, str]:
    "Variables of a kernel beside those of this process: no bars in the audit record, and native threads that leave room for other kernels."
    counts = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    said = {n: str(threads) for n in counts if threads is not None and n not in os.environ}
    return {"TQDM_DISABLE": "1", **said}


def _in_here(task: Task, notebook: Path, out: Path, work: dict[str, Any]) -> dict[str, Any]:
    "In this process, whose kernels the engine `warm` can end."
    left = max(0.0, task.until - time.time())
    said = execute(
        notebook,
        out,
        work["parameters"],
        cwd=Path(work["cwd"]),
        cell_timeout=work["cell_timeout"],
        engine="warm",
        memory=task.memory,
        environment=environment_of(task.threads),
        deadline=left if math.isfinite(left) else None,
    )
    if said["status"] == "failed" and said["error"] in ("DeadKernelError", "KernelStartError"):
        if _stopping.is_set():
            return _failure(STOPPED, "the run was interrupted")
        if time.time() >= task.until:
            return late()
    return said


def late() -> dict[str, Any]:
    "What is said of work that the deadline of the run ended."
    return _failure(LATE, "the run's deadline passed ([deadlines] run)")


_stopping = threading.Event()
_processes: set["subprocess.Popen[bytes]"] = set()


def _apart(task: Task, notebook: Path, out: Path, work: dict[str, Any]) -> dict[str, Any]:
    "In a process of its own, so that a deadline or an interrupt ends everything that the notebook started."
    job, log = notebook.with_name("work.json"), notebook.with_name("log")
    job.write_text(json.dumps({**work, "notebook": str(notebook), "out": str(out), "engine": task.engine}), encoding="utf-8")
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "pilot_to_prod.runs._work", str(job)],
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **environment_of(task.threads)},
        )
    _processes.add(process)
    try:
        process.wait(max(0.0, task.until - time.time()) if math.isfinite(task.until) else None)
    except subprocess.TimeoutExpired:
        _end(process)
        return late()
    finally:
        _processes.discard(process)
    if _stopping.is_set() and process.returncode:
        return _failure(STOPPED, "the run was interrupted")
    told = log.read_bytes()[-400:].decode(errors="replace")
    found: dict[str, Any] = read_json(job.with_suffix(".outcome")) or _failure(
        "ProcessDied", f"the process ended with {process.returncode} and said: {told}"
    )
    return found


def _end(process: "subprocess.Popen[bytes]") -> None:
    "End a process and everything that it started: kernels have sessions of their own, and so may what they started."
    import psutil

    started = []
    with suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM) if hasattr(os, "killpg") else process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
        process.wait()
    for one in started:
        with suppress(psutil.NoSuchProcess):  # psutil knows one process from a later one of the same number
            one.kill()


@contextmanager
def stopped() -> Iterator[None]:
    "While within, the notebooks of this process that are under way are ended, and count as interrupted."
    from pilot_to_prod.runs._warm import end_kernels

    _stopping.set()
    try:
        end_kernels()
        for process in list(_processes):
            _end(process)
        yield
    finally:
        _stopping.clear()
