"""Fault drills: real signals, a real full disk. After each the same command finishes the plan; nothing is lost, and nothing that had succeeded is done twice.

The long ones are marked `drill` and belong to `make drills`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from conftest import in_session_of
from test_executors import settings_of, small

from pilot_to_prod.runs import RunError, Store, run
from pilot_to_prod.runs._store import read_json

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, /proc and tmpfs of Linux")
HERE = Path(__file__).parent
PATIENCE = 120.0  # seconds that anything may take on a busy machine


# a runner in a process of its own -------------------------------------------------------------------------------------------


NOTEBOOK = """
import os, pathlib, time
log = pathlib.Path({log!r})
with log.open("a") as out:
    out.write("began {name} " + str(os.getpid()) + "\\n")
time.sleep({seconds})
while pathlib.Path({log!r}).with_name("wait").exists():
    time.sleep(0.05)
pathlib.Path(output).write_text("x" * {size})
with log.open("a") as out:
    out.write("ended {name}\\n")
"""

RUNNER = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from test_drills import grid
from test_executors import settings_of
from pilot_to_prod.runs import RunError, run
if __name__ == "__main__":
    folder = Path({folder!r})
    try:
        made = run(grid(folder, **{grid!r}), settings_of({runs!r}, **{flags!r}), say=lambda text: print(text, flush=True))
    except KeyboardInterrupt:
        sys.exit(130)
    except RunError as e:
        print(e, file=sys.stderr)
        sys.exit(4)
    sys.exit(4 if made.failed else 0)
"""


def grid(folder: Path, count: int = 6, seconds: float = 0.5, size: int = 1) -> Any:
    "A plan of notebooks that say when they begin and end."
    names = [f"n{i:03d}" for i in range(count)]
    folder.mkdir(exist_ok=True)
    return small(folder, **{n: NOTEBOOK.format(name=n, log=str(folder / "log"), seconds=seconds, size=size) for n in names})


class Drill:
    "A folder, a grid in it, and runners that are started and hurt."

    def __init__(self, folder: Path, runs: Path | None = None, flags: dict[str, Any] | None = None, **grid: Any) -> None:
        self.folder, self.grid, self.mark = folder, grid, f"drill-{uuid.uuid4().hex}"
        self.runs, self.flags = runs or folder / "runs", {"runs_workers": 2, "runs_backoff": 0.1, **(flags or {})}

    def start(self) -> "subprocess.Popen[bytes]":
        self.folder.mkdir(exist_ok=True)
        program = self.folder / "runner.py"
        filled = {"here": str(HERE), "folder": str(self.folder / "grid"), "grid": self.grid, "runs": str(self.runs)}
        program.write_text(RUNNER.format(**filled, flags=self.flags), encoding="utf-8")
        env = {**os.environ, "DRILL": self.mark, "TMPDIR": str(self._scratch())}
        with (self.folder / "said").open("ab") as out:
            return subprocess.Popen([sys.executable, str(program)], stdout=out, stderr=out, env=env, start_new_session=True)

    def _scratch(self) -> Path:
        (self.folder / "tmp").mkdir(exist_ok=True)
        return self.folder / "tmp"

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")

    def log(self) -> list[list[str]]:
        path = self.folder / "grid" / "log"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def begun(self) -> list[str]:
        return [w[1] for w in self.log() if w[0] == "began"]

    def done(self) -> set[str]:
        "Units whose record says so."
        records = self.runs.glob("tiny/*/records/*.json")
        return {r["name"] for p in records if (r := read_json(p)) and r["status"] == "done"}

    def kernels(self) -> list[int]:
        "Processes of notebooks that have begun and not ended."
        ended = {w[1] for w in self.log() if w[0] == "ended"}
        found = [int(w[2]) for w in self.log() if w[0] == "began" and w[1] not in ended]
        return [p for p in found if psutil.pid_exists(p)]

    def finish(self) -> None:
        "The same command once more: it finishes the plan, and what was done is not done again."
        before, begun = self.done(), Counter(self.begun())
        again = self.start()
        assert again.wait(PATIENCE) == 0, self.said
        after = Counter(self.begun())
        assert all(after[n] == begun[n] for n in before), (before, begun, after)
        self.whole()

    def whole(self) -> None:
        "Every unit is done, the chain holds, and nothing is left behind."
        assert len(self.done()) == self.grid.get("count", 6), self.said
        assert len(Store(self.runs, "tiny").manifests()) == 1
        wait_until(lambda: not in_session_of(self.mark))
        wait_until(lambda: not [p for p in self._scratch().iterdir() if p.name != "dask-scratch-space"])  # Dask's own locks
        (folder,) = Store(self.runs, "tiny").runs()
        assert not [p for p in folder.rglob("*") if p.name.endswith(".part") or p.name.startswith(".")]


def wait_until(what: Callable[[], Any], seconds: float = PATIENCE) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Callable[..., Drill]]:
    made: list[Drill] = []

    def make(**given: Any) -> Drill:
        made.append(Drill(tmp_path / "drill", **given))
        return made[-1]

    yield make
    for one in made:
        for pid in in_session_of(one.mark):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def in_the_middle(one: Drill) -> "subprocess.Popen[bytes]":
    "A runner that has done something and is at something."
    runner = one.start()
    wait_until(lambda: runner.poll() is not None or (one.done() and one.kernels()))
    assert runner.poll() is None, one.said
    return runner


# drills ---------------------------------------------------------------------------------------------------------------------


def test_kill_9_of_the_runner(drill: Callable[..., Drill]) -> None:
    one = drill(seconds=1.0)
    runner = in_the_middle(one)
    runner.kill()
    runner.wait()
    wait_until(lambda: not in_session_of(one.mark))  # kernels and zygote end with it
    one.finish()


def test_sigterm_of_the_runner(drill: Callable[..., Drill]) -> None:
    one = drill(seconds=1.0)
    runner = in_the_middle(one)
    runner.terminate()
    assert runner.wait(PATIENCE) == 130, one.said
    wait_until(lambda: not in_session_of(one.mark))
    one.finish()


def test_kill_9_of_a_kernel(drill: Callable[..., Drill]) -> None:
    one = drill(seconds=1.0)
    runner = in_the_middle(one)
    os.kill(one.kernels()[0], signal.SIGKILL)
    assert runner.wait(PATIENCE) == 0, one.said
    assert "DeadKernelError, tried again" in one.said
    one.whole()


def test_kill_9_of_the_zygote(drill: Callable[..., Drill]) -> None:
    one = drill(seconds=1.0)
    runner = in_the_middle(one)
    zygotes = [p for p, line in in_session_of(one.mark).items() if "_zygote" in line and psutil.Process(p).ppid() == runner.pid]
    assert len(zygotes) == 1, in_session_of(one.mark)
    os.kill(zygotes[0], signal.SIGKILL)
    assert runner.wait(PATIENCE) == 0, one.said
    one.whole()


def test_a_record_cut_in_half(drill: Callable[..., Drill]) -> None:
    one = drill(count=3, seconds=0)
    assert one.start().wait(PATIENCE) == 0, one.said
    (record,) = one.runs.glob("tiny/*/records/n001.json")
    record.write_bytes(record.read_bytes()[: record.stat().st_size // 2])
    begun = Counter(one.begun())
    assert one.start().wait(PATIENCE) == 0, one.said
    assert Counter(one.begun()) - begun == Counter({"n001": 1})  # only what lost its record
    assert len(one.done()) == 3


def test_two_runners_at_once(drill: Callable[..., Drill]) -> None:
    one = drill(seconds=0.2)
    (one.folder / "grid").mkdir(parents=True)
    (one.folder / "grid" / "wait").touch()
    runner = one.start()
    wait_until(one.kernels)
    assert one.start().wait(PATIENCE) == 4 and "another run of this pilot is under way" in one.said
    (one.folder / "grid" / "wait").unlink()
    assert runner.wait(PATIENCE) == 0, one.said
    assert Counter(one.begun()) == Counter({f"n{i:03d}": 1 for i in range(6)})
    one.whole()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    "A file system of one megabyte."
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(drill: Callable[..., Drill], small_disk: Path) -> None:
    one = drill(count=4, seconds=0, size=300_000, runs=small_disk, flags={"runs_retries": 0})
    runner = one.start()
    assert runner.wait(PATIENCE) == 4, one.said
    done = one.done()
    assert 0 < len(done) < 4, one.said
    assert all(p.stat().st_size for p in small_disk.glob("tiny/*/records/*.json") if p.stem in done)
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    one.finish()


@pytest.mark.drill
def test_kill_9_of_a_dask_worker(drill: Callable[..., Drill]) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    one = drill(seconds=1.0, flags={"runs_cluster": "local"})
    runner = in_the_middle(one)
    kernel = psutil.Process(one.kernels()[0])
    worker = next(p for p in kernel.parents() if "spawn_main" in " ".join(p.cmdline()) or "forkserver" in " ".join(p.cmdline()))
    worker.kill()
    assert runner.wait(PATIENCE) == 0, one.said
    one.whole()


@pytest.mark.drill
def test_five_hundred_notebooks_leave_nothing(tmp_path: Path) -> None:
    plan = grid(tmp_path / "grid", count=500, seconds=0)
    me = psutil.Process()
    run(grid(tmp_path / "first", count=2, seconds=0), settings_of(tmp_path / "first-runs"))  # what is made once is made
    files, children, threads = me.num_fds(), len(me.children(recursive=True)), me.num_threads()
    made = run(plan, settings_of(tmp_path / "runs"))
    assert not made.failed and len(made.outcomes) == 500
    wait_until(lambda: len(me.children(recursive=True)) <= children)
    assert me.num_fds() <= files + 2 and me.num_threads() <= threads + 2
    assert len(json.loads((made.folder / "record.json").read_text())["records"]) == 500
    from pilot_to_prod.runs import _warm

    assert len(list(_warm._stock.folder.iterdir())) <= 2, list(_warm._stock.folder.iterdir())[:5]
    shutil.rmtree(tmp_path / "runs")


def test_a_runs_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        run(grid(tmp_path / "grid", count=1), settings_of(tmp_path / "file"))
