"""One plan, executed by threads, by Dask workers, on disk and on an object store: the same results, and what dies is tried again."""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import free_port, write_pilot
from test_runs import notebook

from pilot_to_prod.card._render import html
from pilot_to_prod.pilot import Pilot, find_pilot
from pilot_to_prod.runs import Plan, RunError, Store, Unit, make_plan, run
from pilot_to_prod.runs._store import Lease, place, read_json
from pilot_to_prod.settings import Settings, load_settings
from pilot_to_prod.spec import Spec, SpecError, file_hash, hash_json

QUICK = {
    "replay.suite": "missing, messy",
    "replay.severities": "0.3",
    "replay.seeds": "0",
    "latency.runs": 2,
    "latency.calls": 3,
    "latency.warmup": 0,
    "latency.span": 0,
}


def settings_of(folder: Path | str, **flags: Any) -> Settings:
    given = {k.replace("_", ".", 1): v for k, v in flags.items()}
    return load_settings({"runs.folder": str(folder), **QUICK, **given}, start=Path("/"), environ={})


def small(folder: Path, **sources: str) -> Plan:
    "A plan of small notebooks."
    units = []
    for name, source in sources.items():
        path = folder / f"{name}.ipynb"
        if not path.exists():  # its cells get random names
            notebook(path, source)
        units.append(Unit(name, path, {}, hash_json([name, file_hash(str(path))])))
    return Plan("tiny", tuple(units), {"spec": "s", "data": "d", "model": "m"})


CLOCKED = ("made", "timing", "timing_hash")  # what the schema marks as clock or latency


def hashed(folder: Path, clocked: dict[str, Any] | None = None) -> dict[str, str]:
    "What of a run must not depend on where and when it was executed; the page with what is clocked as given, or left out."
    card = read_json(folder / "scorecard.json")
    assert card is not None
    evidence = {p.name: file_hash(str(p)) for p in sorted((folder / "evidence").glob("*.parquet"))}
    same = {"card": hash_json({k: v for k, v in card.items() if k not in CLOCKED}), **evidence}
    if clocked is None:
        return same
    assert html(card) == (folder / "scorecard.html").read_text(encoding="utf-8")  # the page is made from the document alone
    return same | {"page": html(card | clocked)}


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pilot(tmp_path_factory.mktemp("pilot") / "tiny")


@pytest.fixture(scope="module")
def alone(pilot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    "The folder of a run of one thread on the disk."
    settings = settings_of(tmp_path_factory.mktemp("one") / "runs", runs_workers=1)
    made = run(make_plan(Spec.load(pilot), settings), settings)
    assert not made.failed
    return made.folder


@pytest.fixture(scope="module")
def clocked(alone: Path) -> dict[str, Any]:
    card = read_json(alone / "scorecard.json")
    assert card is not None
    return {k: card[k] for k in CLOCKED}


@pytest.fixture(scope="module")
def one_thread(alone: Path) -> dict[str, str]:
    return hashed(alone)


def test_another_run_gives_the_same_bytes(pilot: Path, tmp_path: Path, alone: Path, clocked: dict[str, Any]) -> None:
    settings = settings_of(tmp_path / "runs", runs_workers=2)
    made = run(make_plan(Spec.load(pilot), settings), settings)
    assert not made.failed and made.folder != alone
    assert hashed(made.folder, clocked) == hashed(alone, clocked)
    assert [p.name for p in made.folder.iterdir() if p.name.startswith(".")] == []


def test_two_dask_workers_give_the_same_bytes(pilot: Path, tmp_path: Path, one_thread: dict[str, str]) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    settings = settings_of(tmp_path / "runs", runs_workers=2, runs_cluster="local")
    made = run(make_plan(Spec.load(pilot), settings), settings)
    assert not made.failed and hashed(made.folder) == one_thread


# ---- an object store


def test_an_object_store_holds_the_same_bytes_and_goes_on(
    pilot: Path, s3: str, one_thread: dict[str, str], tmp_path: Path
) -> None:
    settings = settings_of(f"{s3}/runs", runs_workers=2)
    plan = make_plan(Spec.load(pilot), settings)
    made = run(plan, settings)
    assert not made.failed, made.failed
    local = tmp_path / "copy"
    for name in ("scorecard.json", *(f"evidence/{p.name}" for p in (made.folder / "evidence").glob("*.parquet"))):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_bytes((made.folder / name).read_bytes())
    assert hashed(local) == one_thread
    assert [o.status for o in run(plan, settings).outcomes] == ["cached"] * 3
    (made.folder / "evidence" / "missing.parquet").write_bytes(b"changed")
    again = run(plan, settings)
    assert [o.status for o in again.outcomes] == ["done", "cached", "cached"] and again.folder == made.folder
    assert len(Store(f"{s3}/runs", "tiny").manifests()) == 2  # the record of a notebook that was done again is another


def test_a_lock_at_a_url_is_one_holder_s_and_free_after_its_death(s3: str) -> None:
    path = place(f"{s3}/locks") / "one.lock"
    first, second = Lease(path, lease=5.0, renewed=0.2), Lease(path, lease=5.0, renewed=0.2)
    assert first.acquire() and not second.acquire()
    time.sleep(5.5)
    assert not second.acquire()  # it was renewed
    first._stop.set()  # as if the holder had been killed
    until = time.monotonic() + 60
    while not second.acquire():
        assert time.monotonic() < until
        time.sleep(0.2)
    first._stop.clear()
    first._renew()  # it was asleep, and wakes up: the lock is another's, which it leaves alone
    assert first.lost and not second.lost and second._is_mine()
    first.release()
    assert second._is_mine()
    second.release()
    assert not path.exists()


def test_a_lock_is_renewed_again_after_its_store_could_not_be_reached(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreachable(Exception):
        "Clients of object stores have errors of their own."

    held = Lease(place(f"{s3}/locks") / "two.lock", lease=30.0, renewed=0.05)
    assert held.acquire()
    tried, is_mine = threading.Event(), held._is_mine

    def gone() -> bool:
        tried.set()
        raise Unreachable

    monkeypatch.setattr(held, "_is_mine", gone)
    assert tried.wait(30)
    monkeypatch.setattr(held, "_is_mine", is_mine)
    before = read_json(held.path)
    until = time.monotonic() + 60
    while read_json(held.path) == before:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert not held.lost
    held.release()


def test_a_run_that_lost_its_lock_adds_nothing_to_the_chain(s3: str) -> None:
    store = Store(f"{s3}/lost", "tiny")
    store.open()
    with store.lock():
        (store.folder / ".lock").write_bytes(json.dumps({"holder": "another", "until": time.time() + 60}).encode())
        with pytest.raises(RunError, match="lost its lock"):
            store.append({"run": "0001-x"})
    assert store.manifests() == [] and read_json(store.folder / ".lock")["holder"] == "another"


def test_two_runs_at_once_are_refused_at_a_url(s3: str) -> None:
    store = Store(f"{s3}/others", "tiny")
    store.open()
    with store.lock(), pytest.raises(RunError, match="another run of this pilot is under way"), store.lock():
        pass
    with store.lock():
        pass


# ---- what dies is tried again


DIES_ONCE = """
import os, pathlib, signal
first = pathlib.Path({marker!r})
if not first.exists():
    first.write_text("")
    os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path(output).write_text("x")
"""


@pytest.mark.parametrize("engine", ["warm", "nbclient"])
def test_a_dead_kernel_is_tried_again_and_a_failing_cell_is_not(tmp_path: Path, engine: str) -> None:
    plan = small(tmp_path, dies=DIES_ONCE.format(marker=str(tmp_path / "first")), fails="raise KeyError('odd')")
    said: list[str] = []
    made = run(plan, settings_of(tmp_path / "runs", runs_engine=engine, runs_backoff=0.05), say=said.append)
    by = {o.name: o for o in made.outcomes}
    assert (by["dies"].status, by["dies"].attempts) == ("done", 2)
    assert (by["fails"].status, by["fails"].attempts, by["fails"].error) == ("failed", 1, "KeyError")
    assert "dies: DeadKernelError, tried again in 0 s" in said and "dies: started, attempt 2" in said
    record = read_json(made.folder / "records" / "dies.json")
    assert record is not None and record["attempt"] == 2 and record["status"] == "done"


def test_what_always_dies_ends_as_a_failure_with_its_record(tmp_path: Path) -> None:
    plan = small(tmp_path, dies="import os; os._exit(3)")
    made = run(plan, settings_of(tmp_path / "runs", runs_backoff=0.05, runs_retries=1))
    assert [(o.status, o.error, o.attempts) for o in made.outcomes] == [("failed", "DeadKernelError", 2)]
    record = read_json(made.folder / "records" / "dies.json")
    assert record is not None and record["status"] == "failed" and record["outputs"] == {}


def test_a_cell_that_misses_its_deadline_is_tried_again(tmp_path: Path) -> None:
    source = """
import pathlib, threading
first = pathlib.Path({marker!r})
if not first.exists():
    first.write_text("")
    threading.Event().wait()
pathlib.Path(output).write_text("x")
"""
    plan = small(tmp_path, hangs=source.format(marker=str(tmp_path / "first")))
    made = run(plan, settings_of(tmp_path / "runs", runs_backoff=0.05, deadlines_cell=10))
    assert [(o.status, o.attempts) for o in made.outcomes] == [("done", 2)]


def alive(process: Path) -> bool:
    "Whether a folder of /proc is of a process that runs."
    try:
        return "zombie" not in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(("engine", "given"), [("warm", False), ("warm", True), ("nbclient", False)])
def test_the_deadline_of_a_run_ends_kernels_and_what_they_started(tmp_path: Path, engine: str, given: bool) -> None:
    marker = tmp_path / "pid"
    source = f"""
import subprocess, threading, pathlib
child = subprocess.Popen(["sleep", "300"])
pathlib.Path({str(marker)!r}).write_text(str(child.pid))
threading.Event().wait()
"""
    waits = {f"waits{i}": "import threading; threading.Event().wait()" for i in range(4)}
    plan = small(tmp_path, hangs=source, **waits)
    for seconds in (12, 24, 48):  # until the machine is fast enough for the notebook to have begun
        settings = settings_of(tmp_path / "runs", runs_engine=engine, deadlines_run=seconds, runs_workers=1)
        began = time.monotonic()
        made = run(plan, settings, executor=ThreadPoolExecutor(1) if given else None)
        assert time.monotonic() - began < 3 * seconds  # and not one deadline after the other
        assert [(o.status, o.error) for o in made.outcomes] == [("failed", "RunDeadline")] * 5
        if marker.exists():
            break
    child, killed = Path(f"/proc/{marker.read_text()}"), time.monotonic()
    while alive(child) and time.monotonic() - killed < 10:  # killed, and gone when the system comes to it
        time.sleep(0.05)
    assert not alive(child)  # it would have slept for longer than that


def test_an_interrupt_ends_the_notebooks_and_keeps_what_is_done(tmp_path: Path) -> None:
    plan = small(
        tmp_path,
        one="open(output, 'w').write('x')",
        two=f"open({str(tmp_path / 'began')!r}, 'w').write('x'); import threading; threading.Event().wait()",
    )

    def interrupt() -> None:
        while not (tmp_path / "began").exists() or not (tmp_path / "runs/tiny").glob("*/records/one.json"):
            time.sleep(0.05)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt, daemon=True).start()
    settings = settings_of(tmp_path / "runs", runs_workers=2)
    with pytest.raises(KeyboardInterrupt):
        run(plan, settings)
    (folder,) = Store(tmp_path / "runs", "tiny").runs()
    records = {p.stem: json.loads(p.read_text())["status"] for p in (folder / "records").glob("*.json")}
    assert records["one"] == "done" and records.get("two") in (None, "failed")
    notebook(tmp_path / "two.ipynb", "open(output, 'w').write('x')")
    again = run(plan, settings)
    assert [o.status for o in again.outcomes] == ["cached", "done"]


def test_a_limit_that_an_engine_cannot_keep_is_refused(tmp_path: Path) -> None:
    plan = small(tmp_path, one="open(output, 'w').write('x')")
    with pytest.raises(RunError, match="memory 100 bounds kernels of the engine 'warm' only"):
        run(plan, settings_of(tmp_path / "runs", runs_engine="nbclient", runs_memory=100))


def test_a_kernel_that_takes_too_much_memory_fails_alone(tmp_path: Path) -> None:
    plan = small(tmp_path, greedy="x = bytearray(3_000_000_000)", modest="open(output, 'w').write('x')")
    made = run(plan, settings_of(tmp_path / "runs", runs_memory=500, runs_retries=0))
    by = {o.name: (o.status, o.error) for o in made.outcomes}
    assert by == {"greedy": ("failed", "MemoryError"), "modest": ("done", None)}


def test_a_record_says_how_much_memory_the_kernel_had(tmp_path: Path) -> None:
    from pilot_to_prod.runs import _warm

    _warm.close()  # zygotes that other tests of this process hurt are forgotten
    greedy = "x = bytearray(400_000_000)\nx[:: 4096] = b'x' * len(x[:: 4096])\nopen(output, 'w').write('x')"
    plan = small(tmp_path, greedy=greedy, modest="open(output, 'w').write('x')", dies="import os; os._exit(3)")
    made = run(plan, settings_of(tmp_path / "runs", runs_retries=0))
    peaks = {
        n: (read_json(made.folder / "records" / f"{n}.json") or {}).get("peak_bytes") for n in ("greedy", "modest", "dies")
    }
    assert all(isinstance(p, int) and p > 20_000_000 for p in peaks.values()), peaks
    assert peaks["greedy"] - peaks["modest"] > 300_000_000


def test_a_cluster_that_is_not_there_is_told(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    plan = small(tmp_path, one="open(output, 'w').write('x')")
    with pytest.raises(RunError, match="cannot be reached|folder that both can reach"):
        run(plan, settings_of(tmp_path / "runs", runs_cluster=f"tcp://127.0.0.1:{free_port()}"))


# ---- pilots at URLs


def test_a_pilot_at_a_url_is_copied_once_and_again_when_it_changes(
    pilot: Path, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P2P_CACHE", str(tmp_path / "cache"))
    there = place(f"{s3}/pilots/tiny")
    for file in pilot.iterdir():
        if file.is_file():
            (there / file.name).write_bytes(file.read_bytes())
    first = find_pilot(f"{s3}/pilots/tiny")
    assert find_pilot(f"{s3}/pilots/tiny/pilot.yaml") == first == find_pilot(f"{s3}/pilots/tiny/")
    assert sorted(p.name for p in first.iterdir()) == sorted(p.name for p in there.iterdir())
    assert Spec.load(first).hash == Spec.load(pilot).hash
    (there / "replay.csv").write_bytes((pilot / "replay.csv").read_bytes() + b"r9999,one more,late\n")
    again = find_pilot(f"{s3}/pilots/tiny")
    assert again != first and len(Pilot.load(f"{s3}/pilots/tiny").replay_set) == 65
    with pytest.raises(SpecError, match="no such folder"):
        find_pilot(f"{s3}/pilots/nobody")
    with pytest.raises(SpecError, match="cannot be read"):
        find_pilot("strange://pilots/tiny")


def test_dask_workers_take_the_pilot_and_leave_the_results_by_url(
    pilot: Path, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
    monkeypatch.setenv("P2P_CACHE", str(tmp_path / "cache"))
    there, rows = place(f"{s3}/pilots/remote/tiny"), place(f"{s3}/rows")
    for file in pilot.iterdir():
        if file.is_file() and file.suffix != ".csv":
            (there / file.name).write_bytes(file.read_bytes().replace(b"replay.csv", f"{s3}/rows/replay.csv".encode()))
    (rows / "replay.csv").write_bytes((pilot / "replay.csv").read_bytes())
    (there / "reference.csv").write_bytes((pilot / "reference.csv").read_bytes())
    url = f"{s3}/pilots/remote/tiny"
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
    ) as cluster:
        settings = settings_of(f"{s3}/by-url", runs_cluster=cluster.scheduler_address)
        made = run(make_plan(Spec.load(find_pilot(url)), settings, source=url), settings)
    assert not made.failed, made.failed
    for name in ("scorecard.json", *(f"evidence/{p.name}" for p in (made.folder / "evidence").glob("*.parquet"))):
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes((made.folder / name).read_bytes())
    here = settings_of(tmp_path / "runs", runs_workers=1)
    alone = run(make_plan(Spec.load(find_pilot(url)), here), here)
    assert not alone.failed and hashed(tmp_path / "copy") == hashed(alone.folder)
