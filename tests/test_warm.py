"""Warm kernels: everything that a plain kernel is, each one fresh, and nothing left behind."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import in_session_of

from pilot_to_prod.runs import _warm
from pilot_to_prod.runs._execute import execute

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are Linux only")
MODULES = "numpy,matplotlib.pyplot,ipywidgets,joblib,sklearn.ensemble"


def write(path: Path, *cells: str, tags: dict[int, str] | None = None, kernel: str = "python3") -> Path:
    "A notebook of code cells."
    tags = tags or {}
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
    made = nbformat.v4.new_notebook(metadata={"kernelspec": spec, "language_info": {"name": "python"}})
    made.cells = [
        nbformat.v4.new_code_cell(source, metadata={"tags": [tags[i]]} if i in tags else {}) for i, source in enumerate(cells)
    ]
    nbformat.write(made, path)
    return path


class Ran:
    "What became of a notebook, and its cells where it left any."

    def __init__(self, outcome: dict[str, Any], out: Path) -> None:
        self.outcome = {n: v for n, v in outcome.items() if n != "peak_bytes"}
        path = out if out.exists() else out.with_name(f"{out.stem}.failed.ipynb")
        self.nb = nbformat.read(path, as_version=4) if path.exists() else None

    def outputs(self) -> list[Any]:
        return [o for cell in self.nb.cells for o in cell.get("outputs", [])]

    def said(self) -> str:
        return "".join(o.text for o in self.outputs() if o.output_type == "stream" and o.name == "stdout")

    def told(self) -> Any:
        return json.loads(self.said())


_number = iter(range(10**6))


def run(
    folder: Path, *cells: str, timeout: int = 60, kernel: str = "python3", engine: str | None = "warm", **given: Any
) -> Ran:
    name = f"n{next(_number)}"
    notebook, out = write(folder / f"{name}.ipynb", *cells, kernel=kernel), folder / f"{name}.out.ipynb"
    return Ran(execute(notebook, out, {}, cwd=folder, cell_timeout=timeout, engine=engine, **given), out)


@pytest.fixture(autouse=True)
def _few_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P2P_WARM_MODULES", MODULES)
    monkeypatch.setattr(_warm, "_said", set())


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    "A stock of kernels for one test; `module(source)` makes a module and has it imported ahead."
    stock = _warm.Stock()
    monkeypatch.setattr(_warm, "_stock", stock)

    def module(source: str, name: str = "shelf") -> None:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setenv("P2P_WARM_MODULES", name)

    stock.module = module
    monkeypatch.setenv("P2P_WARM_MODULES", "")
    yield stock
    stock.close()


def fork(stock: _warm.Stock, folder: Path) -> _warm.Forked:
    "A kernel as the provisioner asks for it, without a notebook."
    env = dict(os.environ)
    request = {"env": env, "cwd": str(folder), "argv": ["-f", str(folder / "k.json")], "memory": None}
    return stock.fork(_warm.Base.of((), env), env, request)


def eventually(what, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(what())


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children() -> list[int]:
    return [int(p) for t in Path("/proc/self/task").glob("*/children") for p in t.read_text().split()]


def zygote_of(ran_pid: int) -> int:
    return int((Path("/proc") / str(ran_pid) / "stat").read_text().rpartition(")")[2].split()[1])


# ---- the same as a plain kernel

PROBE = """
import json, os, random, resource, signal, sys, threading
import matplotlib, matplotlib.pyplot as plt, numpy, sklearn.ensemble, threadpoolctl
ip = get_ipython()
print(json.dumps({
    "argv": [a for a in sys.argv if not a.endswith(".json")], "name": __name__, "path": sys.path, "env": dict(os.environ),
    "cwd": os.getcwd(), "rc": {k: str(v) for k, v in dict(matplotlib.rcParams).items()}, "interactive": plt.isinteractive(),
    "pools": sorted([p["internal_api"], p["num_threads"]] for p in threadpoolctl.threadpool_info()),
    "handlers": {s.name: str(signal.getsignal(s)) for s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}},
    "callbacks": {k: [f.__qualname__ for f in v] for k, v in ip.events.callbacks.items()},
    "leader": os.getsid(0) == os.getpid(), "flags": str(sys.flags), "limits": resource.getrlimit(resource.RLIMIT_AS),
    "main": sorted(vars(sys.modules["__main__"])), "extensions": sorted(ip.extension_manager.loaded),
    "history": ip.history_manager.hist_file, "recursion": sys.getrecursionlimit(), "threads": len(threading.enumerate()),
    "executable": sys.executable, "zygote": [m for m in sys.modules if "zygote" in m],
}))
"""
REST = (
    "fig, ax = plt.subplots()\nax.plot([0, 1, 4])\nprint(plt.isinteractive(), matplotlib.get_backend())",
    "import ipywidgets\nipywidgets.IntSlider(value=7, description='seven')",
    "import warnings\nwarnings.warn('look out')",
    "def broken(x):\n    return 1 / x\nbroken(0)",
)


def test_a_warm_kernel_is_a_plain_kernel(tmp_path):
    cells = ("%config InlineBackend.figure_formats = ['png']", PROBE, *REST)
    warm, plain = (run(tmp_path, *cells, engine=engine) for engine in ("warm", None))
    found, wanted = (
        json.loads(r.nb.cells[2].outputs[0].text) for r in (warm, plain)
    )  # papermill puts a cell about the error on top
    assert found.pop("env") == wanted.pop("env")
    assert found == wanted
    assert warm.outcome == plain.outcome == {"status": "failed", "error": "ZeroDivisionError", "message": "division by zero"}
    pictures = [[o.data["image/png"] for o in r.outputs() if "image/png" in o.get("data", {})] for r in (warm, plain)]
    assert len(pictures[0]) == 1 and pictures[0] == pictures[1]
    faults = [[o for o in r.outputs() if o.output_type == "error"] for r in (warm, plain)]
    assert faults[0] == faults[1] and faults[0][0].traceback
    states = [r.nb.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"] for r in (warm, plain)]
    assert sorted(v["model_name"] for v in states[0].values()) == sorted(v["model_name"] for v in states[1].values())
    assert [v["state"]["value"] for v in states[0].values() if v["model_name"] == "IntSliderModel"] == [7]
    texts = [
        [o.text.replace(str(p), "") for o in r.outputs() if o.output_type == "stream"][1:2] for r, p in ((warm, 0), (plain, 0))
    ]
    assert texts[0] == texts[1]


def test_the_inline_backend_imported_ahead_makes_pictures_too(own, tmp_path):
    os.environ["P2P_WARM_MODULES"] = "matplotlib.pyplot,matplotlib_inline.backend_inline"  # set back by `own`
    ran = run(tmp_path, "import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert [list(o.data) for o in ran.outputs()] == [["image/png", "text/plain"]]


# ---- each one fresh


def test_nothing_goes_from_one_kernel_to_the_next(tmp_path):
    stain = """
import builtins, json, os, shlex, sys, random, numpy
builtins.stain = json.stain = 1
shlex.quote = None
numpy.float_stain = 2
os.environ["STAIN"] = "1"; del os.environ["PATH"]
sys.path.append("/stain"); os.chdir("/"); random.seed(0); numpy.random.seed(0); os.umask(0)
"""
    look = """
import builtins, json, os, shlex, sys, random, uuid, numpy
print(json.dumps([hasattr(builtins, "stain"), hasattr(json, "stain"), shlex.quote is None, hasattr(numpy, "float_stain"),
    "STAIN" in os.environ, "PATH" not in os.environ, "/stain" in sys.path, os.umask(0) == 0]))
print(json.dumps([os.getcwd(), os.getppid(), random.random(), float(numpy.random.random()), str(uuid.uuid4())]))
"""
    assert run(tmp_path, stain).outcome["status"] == "done"
    (tmp_path / "a").mkdir()
    one, two = (run(folder, look).said().splitlines() for folder in (tmp_path / "a", tmp_path))
    assert json.loads(one[0]) == json.loads(two[0]) == [False] * 8
    (cwd, zygote, *draws), (cwd2, zygote2, *draws2) = json.loads(one[1]), json.loads(two[1])
    assert (cwd, cwd2) == (str(tmp_path / "a"), str(tmp_path)) and zygote == zygote2
    assert all(a != b for a, b in zip(draws, draws2, strict=True))


def test_the_environment_is_the_one_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    code = "import os, json; print(json.dumps([os.environ['SHADE'], os.environ['OPENBLAS_NUM_THREADS']]))"
    monkeypatch.setenv("P2P_WARM_MODULES", "")
    assert run(tmp_path, code, environment={"SHADE": "green"}).told() == ["green", "3"]
    assert "SHADE" not in os.environ


def test_processes_and_threads_work_in_a_cell(tmp_path):
    code = """
import json, multiprocessing, subprocess, sys
from joblib import Parallel, delayed
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
x = np.random.default_rng(0).normal(size=(2000, 4))
fitted = HistGradientBoostingClassifier(max_iter=5).fit(x, x[:, 0] > 0).score(x, x[:, 0] > 0)
with multiprocessing.get_context("fork").Pool(2) as pool:
    forked = pool.map(abs, [-1, -2])
looped = Parallel(n_jobs=2, backend="loky")(delayed(abs)(i) for i in (-3, -4))
ran = subprocess.run([sys.executable, "-c", "print(5)"], capture_output=True, text=True).stdout.strip()
print(json.dumps([fitted > .9, forked, looped, ran]))
"""
    ran = run(tmp_path, code)
    assert ran.outcome["message"] is None
    assert ran.told() == [True, [1, 2], [3, 4], "5"]


def test_six_notebooks_in_three_threads_share_a_zygote(tmp_path):
    code = "import json, os, time\ntime.sleep(.2)\nprint(json.dumps([os.getppid(), os.getcwd(), os.getpid()]))"
    found: dict[int, list[Any]] = {}

    def some(which: range) -> None:
        for i in which:
            (tmp_path / str(i)).mkdir()
            found[i] = run(tmp_path / str(i), code).told()

    threads = [threading.Thread(target=some, args=(range(i, 6, 3),)) for i in range(3)]
    [t.start() for t in threads]
    [t.join(90) for t in threads]
    assert [found[i][1] for i in range(6)] == [str(tmp_path / str(i)) for i in range(6)]
    assert len({f[0] for f in found.values()}) == 1 and len({f[2] for f in found.values()}) == 6


# ---- how a kernel ends


@pytest.mark.parametrize("death", ["os._exit(3)", "os.kill(os.getpid(), 9)"])
def test_a_dead_kernel_is_told_as_papermill_tells_it(tmp_path, death):
    ran = run(tmp_path, f"import os\nopen('pid', 'w').write(str(os.getpid()))\n{death}")
    assert (ran.outcome["error"], ran.outcome["message"]) == ("DeadKernelError", "Kernel died")
    assert not alive(int((tmp_path / "pid").read_text()))


def test_a_cell_has_its_time_and_what_it_started_ends_with_it(tmp_path):
    code = "import os, subprocess, time\np = subprocess.Popen(['sleep', '60'])\nopen('pids', 'w').write(f'{os.getpid()} {p.pid}')\ntime.sleep(60)"
    ran = run(tmp_path, code, timeout=1)
    assert ran.outcome["error"] == "CellTimeoutError" and "Cell execution timed out" in ran.outcome["message"]
    assert not any(alive(int(p)) for p in (tmp_path / "pids").read_text().split())


def test_a_notebook_has_its_time_too(tmp_path):
    ran = run(tmp_path, "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)", deadline=1.5)
    assert ran.outcome["error"] == "DeadKernelError"
    assert not alive(int((tmp_path / "pid").read_text()))


def test_memory_is_bounded_where_asked(tmp_path, monkeypatch):
    code = "import numpy\na = numpy.ones(1 << 20)\ntry:\n    numpy.ones(1 << 28)\nexcept MemoryError:\n    print('refused', end='')"
    assert run(tmp_path, code, memory=500_000_000).said() == "refused"
    monkeypatch.setenv("P2P_KERNEL_MEMORY", "500000000")
    assert run(tmp_path, code).said() == "refused"
    monkeypatch.setenv("P2P_WARM_START", "plain")
    assert run(tmp_path, code.replace("1 << 28", "1 << 30")).said() == "refused"
    monkeypatch.setenv("P2P_KERNEL_MEMORY", "much")
    assert run(tmp_path, code).outcome["message"] == "P2P_KERNEL_MEMORY must be bytes, such as 2000000000; got 'much'"


def test_a_kernel_can_be_interrupted_and_its_exit_code_is_known(tmp_path):
    async def story() -> tuple[Any, Any, str]:
        km = _warm.WarmKernelManager(kernel_name="python3")
        await km.start_kernel(cwd=str(tmp_path))
        kc = km.client()
        kc.start_channels()
        await kc.wait_for_ready(timeout=30)
        asked = kc.execute("import time\nprint('here', flush=True)\ntime.sleep(60)")
        while (await kc.get_iopub_msg(timeout=10))["msg_type"] != "stream":
            pass
        await km.interrupt_kernel()
        while (reply := await kc.get_shell_msg(timeout=10))["parent_header"]["msg_id"] != asked:
            pass
        os.kill(km.provisioner.pid, signal.SIGSTOP)
        with pytest.raises(RuntimeError) as late:
            await kc.wait_for_ready(timeout=1)
        os.kill(km.provisioner.pid, signal.SIGCONT)
        await kc.wait_for_ready(timeout=30)  # what waits behind an error is thrown away: ask when it is over
        kc.execute("import os\nos._exit(7)")
        code = await asyncio.to_thread(km.provisioner.process.wait, 20)
        kc.stop_channels()
        await km.cleanup_resources()
        return reply["content"]["ename"], code, str(late.value)

    assert asyncio.run(story()) == ("KeyboardInterrupt", 7, "Kernel didn't respond in 1 seconds")


def test_a_shutdown_lets_a_kernel_run_its_exit_hooks(tmp_path):
    async def story() -> int | None:
        km = _warm.WarmKernelManager(kernel_name="python3")
        await km.start_kernel(cwd=str(tmp_path))
        kc = km.client()
        kc.start_channels()
        await kc.wait_for_ready(timeout=30)
        kc.execute("import atexit\natexit.register(lambda: open('bye', 'w').close());")
        while (await kc.get_iopub_msg(timeout=10))["content"].get("execution_state") != "idle":
            pass
        process = km.provisioner.process
        kc.stop_channels()
        await km.shutdown_kernel()
        return process.poll()

    assert asyncio.run(story()) == 0
    assert (tmp_path / "bye").exists()


def test_all_kernels_can_be_ended_at_once(tmp_path):
    found: list[Ran] = []
    code = "import os, time\nopen(str(os.getpid()) + '.pid', 'w').close()\ntime.sleep(60)"
    threads = [threading.Thread(target=lambda: found.append(run(tmp_path, code))) for _ in range(2)]
    [t.start() for t in threads]
    assert eventually(lambda: len(list(tmp_path.glob("*.pid"))) == 2, 30)
    _warm.end_kernels()
    [t.join(20) for t in threads]
    assert [r.outcome["error"] for r in found] == ["DeadKernelError"] * 2


# ---- where a warm kernel cannot be had


def test_another_kernel_is_launched_as_always(tmp_path, monkeypatch, caplog):
    spec = tmp_path / "share" / "kernels" / "other"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "other", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    code = "import os; print(os.getppid(), end='')"
    with caplog.at_level(logging.WARNING, "pilot_to_prod.runs"):
        assert [run(tmp_path, code, kernel="other").said() for _ in range(2)] == [str(os.getpid())] * 2
    told = [r.getMessage() for r in caplog.records if r.name == "pilot_to_prod.runs"]
    assert len(told) == 1 and told[0].endswith("is not `-m ipykernel_launcher`; kernels are launched as always.")


@pytest.mark.parametrize(
    ("cmd", "why"),
    [
        ([], "is not of the interpreter"),
        (["/usr/bin/env", "python", "-m", "ipykernel_launcher", "-f", "c"], "is not of the interpreter"),
        (["R", "--slave", "-e", "IRkernel::main()"], "is not of the interpreter"),
        ([sys.executable, "-c", "pass"], "is not `-m ipykernel_launcher`"),
        ([sys.executable, "-O", "-m", "ipykernel_launcher", "-f", "c"], "is not `-m ipykernel_launcher`"),
        ([str(Path(sys.executable).parent / "p2p"), "-m", "ipykernel_launcher"], "is not"),
    ],
)
def test_what_is_no_kernel_of_this_interpreter(cmd, why):
    with pytest.raises(_warm.NotWarm, match=why):
        _warm.parse(cmd)


def test_what_is_one():
    wanted = (("-Xfrozen_modules=off",), ["-f", "c"])
    for name in ("python", "python3", sys.executable):
        assert _warm.parse([name, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "c"]) == wanted


def test_a_zygote_that_ends_while_it_imports_is_not_tried_again(own, tmp_path, caplog):
    own.module("import os\nopen(os.path.dirname(__file__) + '/tries', 'a').write('x')\nos._exit(5)")
    for _ in range(2):
        with pytest.raises(_warm.NotWarm, match="ended with 5 while it imported"):
            fork(own, tmp_path)
    with caplog.at_level(logging.WARNING, "pilot_to_prod.runs"):
        assert run(tmp_path, "import os; print(os.getppid(), end='')").said() == str(os.getpid())
    assert (tmp_path / "tries").read_text() == "x"
    assert "the zygote ended with 5 while it imported; kernels are launched as always" in caplog.text


def test_a_zygote_that_takes_too_long_is_given_up(own, tmp_path, monkeypatch):
    own.module("import time\ntime.sleep(60)")
    monkeypatch.setattr(_warm, "IMPORTS", 1.0)
    monkeypatch.setattr(_warm, "END", 0.2)
    with pytest.raises(_warm.NotWarm, match="more than 1 s"):
        fork(own, tmp_path)


def test_threads_that_a_fork_would_lose_are_named_with_their_module(own, tmp_path):
    own.module("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()")
    with pytest.raises(_warm.NotWarm, match=r"a fork would lose native threads \(shelf starts python.*P2P_WARM_MODULES"):
        fork(own, tmp_path)


def test_threads_that_start_later_are_refused_too(own, tmp_path):
    source = "import threading, time, gc\nf = gc.freeze\ndef late():\n    f()\n"
    own.module(source + "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\ngc.freeze = late")
    with pytest.raises(_warm.NotWarm, match="native threads that a fork would lose: python"):
        fork(own, tmp_path)


def test_a_fork_that_fails(own, tmp_path):
    own.module("import errno, os\ndef fail():\n    raise BlockingIOError(errno.EAGAIN, 'no more')\nos.fork = fail")
    with pytest.raises(_warm.NotWarm, match="fork failed: no more"):
        fork(own, tmp_path)


def test_a_module_that_cannot_be_imported_is_left_out(own, tmp_path, caplog):
    own.module("raise LookupError('nowhere')")
    with caplog.at_level(logging.WARNING, "pilot_to_prod.runs"):
        one = fork(own, tmp_path)
    one.kill()
    assert one.wait(5) == -9
    assert "shelf is not imported ahead (LookupError: nowhere). See P2P_WARM_MODULES." in caplog.text


def test_elsewhere_than_on_linux(own, tmp_path, monkeypatch):
    monkeypatch.setattr(_warm, "LINUX", False)
    assert _warm._way({}) == "ahead"
    for asked in ({"P2P_WARM_START": "fork"}, {"P2P_WARM_START": "somehow"}):
        with pytest.raises(_warm.NotWarm, match="P2P_WARM_START"):
            _warm._way(asked)
    monkeypatch.setattr(_warm, "ZYGOTES", 0)
    with pytest.raises(_warm.NotWarm, match="there are 0 zygotes already"):
        fork(own, tmp_path)


def test_kernels_that_were_started_ahead_are_used_once(own, tmp_path, monkeypatch):
    monkeypatch.setenv("P2P_WARM_START", "ahead")
    monkeypatch.setenv("P2P_WARM_MODULES", "json")
    code = "import os, sys; print(os.getpid(), os.getppid(), os.getcwd(), sys.argv[0].endswith('ipykernel_launcher.py'), os.environ['SHADE'])"
    one = run(tmp_path, code, environment={"SHADE": "blue"}).said().split()
    assert one[1:] == [str(os.getpid()), str(tmp_path), "True", "blue"]
    (waits,) = (p.pid for a in own.ahead.values() for p in a.waiting)
    assert run(tmp_path, code, environment={"SHADE": "red"}).said().split() == [str(waits), *one[1:4], "red"]
    dead = own.ahead[next(iter(own.ahead))].waiting[0]
    dead.kill(), dead.wait()
    assert run(tmp_path, code, environment={"SHADE": "red"}).outcome["status"] == "done"


# ---- nothing is left behind

OWNER = """
import os, sys
from pathlib import Path
from pilot_to_prod.runs._execute import execute
execute(Path("n.ipynb"), Path("out.ipynb"), {}, cwd=Path.cwd(), cell_timeout=90, engine="warm")
"""


@pytest.mark.parametrize("how", ["owner", "terminated"])
def test_the_end_of_the_owner_is_the_end_of_everything(tmp_path, how):
    (tmp_path / "tmp").mkdir()
    write(
        tmp_path / "n.ipynb",
        "import subprocess, time\nsubprocess.Popen(['sleep', '80'])\nopen('started', 'w').close()\ntime.sleep(80)",
    )
    mark = f"P2P_TEST_MARK={tmp_path}"
    env = {**os.environ, "P2P_TEST_MARK": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), "P2P_WARM_MODULES": ""}
    owner = subprocess.Popen([sys.executable, "-c", OWNER], env=env, cwd=tmp_path)
    assert eventually((tmp_path / "started").exists, 60)
    assert len(in_session_of(mark)) >= 4 and len(list((tmp_path / "tmp").iterdir())) == 1
    owner.send_signal(signal.SIGKILL if how == "owner" else signal.SIGTERM)
    owner.wait(30)
    assert eventually(lambda: not in_session_of(mark)), in_session_of(mark)
    assert eventually(lambda: not list((tmp_path / "tmp").iterdir()))


def test_a_zygote_that_was_killed_is_started_again_once(own, tmp_path):
    first = fork(own, tmp_path)
    zygote = zygote_of(first.pid)
    os.kill(zygote, signal.SIGKILL)
    assert first.wait(5) == -9 and eventually(lambda: not alive(first.pid))
    ran = run(tmp_path, "import os; print(os.getppid(), end='')")
    again = int(ran.said())
    assert again not in (zygote, os.getpid()) and alive(again)
    os.kill(again, signal.SIGKILL)
    with pytest.raises(_warm.NotWarm, match="the zygote ended twice, at last with -9"):
        fork(own, tmp_path)


def test_a_kernel_and_what_it_started_end_with_the_zygote(own, tmp_path):
    code = "import os, subprocess, time\np = subprocess.Popen(['sleep', '60'])\n"
    code += "open('pids', 'w').write(f'{os.getppid()} {os.getpid()} {p.pid}')\ntime.sleep(60)"
    found: list[Ran] = []
    thread = threading.Thread(target=lambda: found.append(run(tmp_path, code)))
    thread.start()
    assert eventually(lambda: (tmp_path / "pids").exists() and len((tmp_path / "pids").read_text().split()) == 3, 30)
    pids = [int(p) for p in (tmp_path / "pids").read_text().split()]
    os.kill(pids[0], signal.SIGKILL)
    thread.join(20)
    assert found[0].outcome["error"] == "DeadKernelError"
    assert eventually(lambda: not any(map(alive, pids)))


def test_a_kernel_that_nobody_wants_is_killed(own, tmp_path):
    one = fork(own, tmp_path)
    assert alive(one.pid)
    one.news.close()
    assert eventually(lambda: not alive(one.pid))


def test_only_its_user_can_enter_the_folder(own, tmp_path):
    code = "import glob, json, os, ipykernel\nf = ipykernel.get_connection_file()\nd = os.path.dirname(f)\n"
    code += "print(json.dumps([d, oct(os.stat(d).st_mode & 0o777), oct(os.stat(f).st_mode), len(os.listdir(d))]))"
    found = run(tmp_path, code).told()
    assert found == [str(own.folder), "0o700", "0o100600", 6]
    assert list(own.folder.iterdir()) == []
    own.close()
    assert not Path(found[0]).exists()


FORKED = """
import os
from pilot_to_prod.runs import _warm
env, stock = dict(os.environ), _warm._stock
one = stock.fork(_warm.Base.of((), env), env, {"env": env, "cwd": ".", "argv": ["-f", os.path.abspath("k.json")], "memory": None})
pid = os.fork()
if not pid:
    forgotten = _warm._stock is not stock and not _warm._stock.zygotes and one.news.fileno() == -1 and one.poll() == -9
    _warm.end_kernels(), _warm.close()
    os._exit(not forgotten)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert one.poll() is None
one.kill()
assert one.wait(5) == -9
"""


def test_a_fork_of_the_owner_has_no_kernels(tmp_path):
    env = {**os.environ, "P2P_WARM_MODULES": ""}
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60, cwd=tmp_path, env=env)


def left(folder: Path) -> tuple[int, int, int]:
    "Open files of this process, its children, and what is in a folder."
    return len(list(Path("/proc/self/fd").iterdir())), len(children()), len(list(folder.iterdir()))


def many(
    folder: Path,  # for the notebooks
    count: int,  # of small notebooks, one after the other
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:  # see `left`: after three of them, and after all
    "Execute many; raises AssertionError where one fails."
    for i in range(count):
        assert run(folder, "1 + 1").outcome["status"] == "done"
        if i == 2:
            early = left(_warm._stock.folder)
    return early, left(_warm._stock.folder)


def test_sixty_notebooks_leave_nothing(own, tmp_path):
    early, late = many(tmp_path, 60)
    assert early == late and late[2] == 0
    (zygote,) = own.zygotes.values()
    assert eventually(lambda: not Path(f"/proc/{zygote.process.pid}/task/{zygote.process.pid}/children").read_text())
    assert len(list(Path(f"/proc/{zygote.process.pid}/fd").iterdir())) < 15


# ---- papermill


def test_the_command_line_of_papermill(tmp_path):
    notebook = write(tmp_path / "foreign.ipynb", "who = 'nobody'", "print(f'hello {who}', end='')", tags={0: "parameters"})
    args = [
        sys.executable,
        "-m",
        "papermill",
        "--engine",
        "warm",
        str(notebook),
        "-",
        "-p",
        "who",
        "world",
        "--no-progress-bar",
    ]
    env = {**os.environ, "P2P_WARM_MODULES": "json"}
    done = subprocess.run(args, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    out = nbformat.reads(done.stdout, as_version=4)
    assert out.cells[-1].outputs[0].text == "hello world"
    assert "launched as always" not in done.stderr


@pytest.mark.parametrize("first", ["pilot_to_prod.runs._warm", "papermill"])
def test_the_engine_is_found_whichever_is_imported_first(first):
    code = f"import {first}\nfrom pilot_to_prod.runs._warm import WarmEngine\nfrom papermill.engines import papermill_engines as e\n"
    code += "assert e.get_engine('warm') is WarmEngine"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_only_the_warm_engine_takes_memory(tmp_path):
    with pytest.raises(ValueError, match="kernel_memory: only the engine 'warm' can do that; got engine None"):
        run(tmp_path, "1", engine=None, memory=1)
