"""Small pilots to test with, and one run of the command line that several tests look at."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

ROOT = Path(__file__).parents[1]

KEYWORDS = '''"""Answers by one word of the text."""

CALLS = []


class Keywords:
    def predict(self, texts):
        CALLS.append(len(texts))
        return ["late" if isinstance(t, str) and "parcel" in t else "broken" for t in texts]


model = Keywords()
'''

YAML = """name: {name}
version: 1
task: binary
model:
{model}
data:
  reference: reference.csv
  replay: replay.csv
  id: id
  label: topic
  labels: [broken, late]
  positive: late
  columns:
    id: id
    text: text
privacy: {{show_rows: true}}
{more}"""

GATES = "gates:\n  - {name: clean, metric: accuracy, at_least: 0.5}\n"

QUICK = {"P2P_LATENCY_RUNS": "2", "P2P_LATENCY_CALLS": "5", "P2P_LATENCY_SPAN": "0", "P2P_REPLAY_SEVERITIES": "0.3", "P2P_REPLAY_SEEDS": "0"}


def text_rows(n: int = 64, first: int = 0) -> pd.DataFrame:
    "Rows with an id, a text and one of two topics; no two texts are alike."
    who = ("my sister", "a neighbour", "our office", "the school", "her uncle")
    late = "the parcel for {} in street {} did not come on time"
    broken = "the lamp of {} in street {} does not light up any more"
    texts = [(late if i % 2 else broken).format(who[i % 5], i) for i in range(first, first + n)]
    topics = ["late" if i % 2 else "broken" for i in range(first, first + n)]
    return pd.DataFrame({"id": [f"r{i:04d}" for i in range(first, first + n)], "text": texts, "topic": topics})


def write_pilot(
    folder: Path,
    *,
    source: str | None = KEYWORDS,  # of model.py; None: write none
    model: str = "  loader: module\n  ref: model.py:model",
    more: str = GATES,
    replay: pd.DataFrame | None = None,
    reference: pd.DataFrame | None = None,
    name: str = "tiny",
) -> Path:
    "A text pilot in a folder."
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pilot.yaml").write_text(YAML.format(name=name, model=model, more=more), encoding="utf-8")
    if source is not None:
        (folder / "model.py").write_text(source, encoding="utf-8")
    (text_rows() if replay is None else replay).to_csv(folder / "replay.csv", index=False)
    (text_rows(64, 1000) if reference is None else reference).to_csv(folder / "reference.csv", index=False)
    return folder


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("P2P_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Path]:
    "Writes a text pilot in a new folder; keyword arguments of `write_pilot`."
    return lambda **given: write_pilot(tmp_path / given.get("name", "tiny"), **given)


@pytest.fixture
def p2p(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    "The command in this process: (exit code, standard output, standard error)."
    from pilot_to_prod.cli import main

    def call(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["p2p", *map(str, args)])
        code = 0
        try:
            main()
        except SystemExit as e:
            code = 0 if e.code is None else int(e.code)
        except Exception:
            traceback.print_exc()  # as the interpreter does with what nobody catches
            code = 1
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def command(*args: object) -> list[str]:
    "The installed command, or the same from the checkout."
    there = shutil.which("p2p", path=str(Path(sys.executable).parent))
    return [*([there] if there else [sys.executable, "-c", "from pilot_to_prod.cli import main; main()"]), *map(str, args)]


def in_session_of(mark: str) -> dict[int, str]:
    "Processes whose environment holds a mark: pid → command line. A process that ended is in no list."
    found = {}
    for at in Path("/proc").glob("[0-9]*"):
        try:
            state = (at / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and mark.encode() in (at / "environ").read_bytes():
                found[int(at.name)] = (at / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (OSError, ValueError, IndexError):
            continue
    return found


def _hears_ctrl_c() -> None:
    "Shells start what runs in the background deaf to it, and the deafness is inherited."
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _interrupt_and_go_on(folder: Path) -> dict[str, Any]:
    "Start a run, press Ctrl-C after its first notebook, and give the same command again."
    pilot, runs, mark = write_pilot(folder / "tiny"), folder / "runs", f"P2P_TEST_MARK={folder}"
    environ = {**os.environ, **QUICK, "P2P_TEST_MARK": str(folder)}
    line = command("run", pilot, "--runs", runs, "--workers", 2)
    out: dict[str, Any] = {"folder": str(folder), "linux": Path("/proc/self/environ").exists()}
    with (folder / "first.txt").open("wb") as said:
        first = subprocess.Popen(
            line, stdout=said, stderr=said, env=environ, cwd=folder, process_group=0, preexec_fn=_hears_ctrl_c
        )
        until = time.monotonic() + 120
        while not sorted(runs.glob("tiny/*/records/*.json")) and first.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        until = time.monotonic() + 30  # the next notebook: the command, its worker and its kernel
        while (working := len(in_session_of(mark))) < 3 and first.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        out["working"] = working
        seen = sorted(runs.glob("tiny/*/records/*.json"))
        os.killpg(first.pid, signal.SIGINT)
        out["code"] = first.wait(60)
    out["kept"] = {p.name: p.read_text(encoding="utf-8") for p in seen}
    until = time.monotonic() + 10
    while (left := in_session_of(mark)) and time.monotonic() < until:
        time.sleep(0.1)
    out["left"] = list(left.values())
    out["parts"] = [p.name for p in runs.rglob("*.part*")]
    out["first"] = (folder / "first.txt").read_text(encoding="utf-8")
    again = subprocess.run(line, capture_output=True, text=True, env=environ, cwd=folder, timeout=300)
    out |= {"again": again.returncode, "stdout": again.stdout, "stderr": again.stderr}
    out["records"] = {p.name: p.read_text(encoding="utf-8") for p in sorted(runs.glob("tiny/*/records/*.json"))}
    third = subprocess.run(line, capture_output=True, text=True, env=environ, cwd=folder, timeout=300)
    return out | {"third": third.returncode, "third_stderr": third.stderr}


@pytest.fixture(scope="session")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    "What became of a run that was interrupted and given again; done once, whichever worker comes first."
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder = shared / "interrupted"
    with FileLock(shared / "interrupted.lock"):
        told = shared / "interrupted.json"
        if not told.exists():
            folder.mkdir()
            told.write_text(json.dumps(_interrupt_and_go_on(folder)), encoding="utf-8")
    yield json.loads(told.read_text(encoding="utf-8"))


def free_port() -> int:
    "A port of this machine that nobody has."
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(url: str, server: "subprocess.Popen[bytes]", log: Path, seconds: float = 60) -> None:
    "Until a server answers; fails with what it said when it ends or takes longer."
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            assert server.poll() is None and time.monotonic() < until, log.read_text(errors="replace")[-2000:]
            time.sleep(0.1)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    "A server of the S3 protocol on this machine; the URL of a bucket."
    pytest.importorskip("moto", reason="moto is not installed")
    s3fs = pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    s3fs.S3FileSystem.clear_instance_cache()  # of a server that is gone
    port, folder = free_port(), tmp_path_factory.mktemp("s3")
    log = (folder / "log").open("wb")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    known = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    known |= {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_EC2_METADATA_DISABLED": "true"}
    before = {n: os.environ.get(n) for n in known}
    os.environ.update(known)
    with log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/moto-api/", server, folder / "log")
            from pilot_to_prod.runs._store import place

            bucket = place("s3://bucket")
            bucket.mkdir(parents=True, exist_ok=True)
            yield "s3://bucket"
        finally:
            server.terminate()
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name)
                else:
                    os.environ[name] = value
