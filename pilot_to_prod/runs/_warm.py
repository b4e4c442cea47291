"""Kernels that are there at once: the papermill engine `warm` and the kernel provisioner `p2p-warm`.

A kernel spends most of a small notebook's time on imports. Here one process, the zygote (`_zygote.py`), imports them once and forks a
fresh kernel for every notebook. Where that cannot be done, or not safely, the kernel is launched as always, and the log says why, once.
Elsewhere than on Linux kernels are started ahead, and each is used once.

    papermill --engine warm notebook.ipynb out.ipynb

P2P_WARM_MODULES  modules to import ahead, by commas; the default is `MODULES`
P2P_WARM_START    fork, ahead or plain; the default is fork on Linux, ahead elsewhere
P2P_KERNEL_MEMORY bytes that a kernel may map beyond what it holds when it starts; Linux
"""

import asyncio
import atexit
import json
import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.launcher import launch_kernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Dict, Float, Integer, Unicode, default
from traitlets.config import Config

if TYPE_CHECKING:
    WarmEngine: Any

log = logging.getLogger("pilot_to_prod.runs")

MODULES = (
    "numpy",
    "pandas",
    "scipy.stats",
    "joblib",
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.feature_extraction.text",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "ipywidgets",
    "pyarrow.parquet",
    "pyarrow.dataset",
    "skops.io",
    "numba",
    "pilot_to_prod.card",
    "pilot_to_prod.gates",
    "pilot_to_prod.pilot",
    "pilot_to_prod.scenarios",
    "pilot_to_prod.settings",
    "pilot_to_prod.stress",
)
# variables that interpreters and libraries read once, when they are loaded: kernels that differ in one need different zygotes
AT_IMPORT = (
    *("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "HOME", "XDG_", "IPYTHON", "JUPYTER_", "P2P_WARM_"),
    *("OMP_", "OPENBLAS_", "GOTO_", "MKL_", "BLIS_", "KMP_", "NUMBA_", "NUMEXPR_", "ARROW_", "MPL", "SKLEARN_", "SCIPY_"),
)
INLINE = "module://matplotlib_inline.backend_inline"
LINUX = sys.platform == "linux"
PROGRAM = Path(__file__).with_name("_zygote.py")
ZYGOTES = 4  # at a time: each holds the memory of what it imported
IMPORTS, ANSWER, READY, END = 180.0, 30.0, 15.0, 5.0  # seconds to wait for a zygote, a fork, a kernel's sockets, a kernel's end
LIBRARIES = 2 << 30  # bytes that imports may map in a kernel that has not imported yet


class NotWarm(Exception):
    "Why a kernel is launched as always."


class ZygoteGone(Exception):
    "A zygote ended before it answered."


_said: set[str] = set()


def _say(reason: str) -> None:
    "Once a process."
    if reason not in _said:
        _said.add(reason)
        log.warning("warm kernels: %s; kernels are launched as always.", reason)


# ---- what kernels have in common


@dataclass(frozen=True)
class Base:
    "What a kernel can inherit and not change: kernels of one base share a zygote."

    options: tuple[str, ...]  # of the interpreter
    modules: str  # by commas
    environment: tuple[tuple[str, str], ...]  # variables that count at import

    @staticmethod
    def of(options: tuple[str, ...], env: dict[str, str]) -> "Base":
        "Of a kernel that is asked for."
        counting = tuple(sorted((n, v) for n, v in env.items() if n.startswith(AT_IMPORT)))
        return Base(options, env.get("P2P_WARM_MODULES", ",".join(MODULES)), counting)


def parse(
    cmd: list[str],  # of a kernel, with the connection file in its place
) -> tuple[tuple[str, ...], list[str]]:  # options of the interpreter, arguments of ipykernel_launcher
    "Raises NotWarm unless this interpreter would run ipykernel."
    names = "python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}"
    there = sys.executable if cmd[:1] and cmd[0] in names else shutil.which(cmd[0]) if cmd else None
    if there is None or Path(there).parent.resolve() != Path(sys.executable).parent.resolve():
        raise NotWarm(f"the kernel {' '.join(cmd[:3])!r} is not of the interpreter {sys.executable}")
    if not Path(there).samefile(sys.executable):
        raise NotWarm(f"the kernel's interpreter {there} is not {sys.executable}")
    at = cmd.index("-m") if "-m" in cmd else 0
    if not at or cmd[at + 1 : at + 2] != ["ipykernel_launcher"] or not all(o.startswith("-X") for o in cmd[1:at]):
        raise NotWarm(f"the kernel's command {' '.join(cmd[:4])!r} is not `-m ipykernel_launcher`")
    return tuple(cmd[1:at]), cmd[at + 2 :]


# ---- a forked kernel


class Forked:
    "A kernel that a zygote forked, with what is asked of `subprocess.Popen`."

    stdin = stdout = stderr = None

    def __init__(self, news: socket.socket, pid: int, heard: bytes = b"") -> None:
        self.news, self.pid, self.owner, self.ready = news, pid, os.getpid(), False
        self.returncode: int | None = None
        self.peak: int | None = None  # bytes, once it has ended: resident, with what it shares with other kernels
        self._heard = b""
        news.setblocking(False)
        _sockets.add(news)
        if heard:
            self._hear(heard)

    def _hear(self, data: bytes) -> None:
        "Lines of the zygote and of the kernel; none any more: the zygote has ended."
        self._heard += data
        while b"\n" in self._heard:
            line, _, self._heard = self._heard.partition(b"\n")
            said = json.loads(line)
            self.ready = self.ready or "ready" in said
            if "exit" in said:
                self.returncode, self.peak = said["exit"], said.get("peak")
        if not data and self.returncode is None:
            self.returncode = -signal.SIGKILL
            if os.getpid() == self.owner:  # and not a fork of it, where the socket is closed
                with suppress(OSError):
                    os.killpg(self.pid, signal.SIGKILL)  # the kernel ends with its zygote; what it started does not
        if self.returncode is not None:
            self.news.close()

    def poll(self) -> int | None:
        "The exit code, negative for a signal; None while it runs."
        while self.returncode is None:
            try:
                self._hear(self.news.recv(4096))
            except BlockingIOError:
                break
            except OSError:
                self._hear(b"")
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        "Until it has ended. Raises subprocess.TimeoutExpired after so many seconds."
        until = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                raise subprocess.TimeoutExpired(f"kernel {self.pid}", timeout or 0)
            select.select([self.news], [], [], left)
        assert self.returncode is not None
        return self.returncode

    async def until(self, what: Callable[[], bool], seconds: float) -> None:
        "Until something is so, the kernel has ended, or so many seconds have passed."
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not what() and self.poll() is None and (left := end - loop.time()) > 0:
            with suppress(asyncio.TimeoutError, OSError):
                self._hear(await asyncio.wait_for(loop.sock_recv(self.news, 4096), left))

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


_sockets: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()  # which a fork of this process must not keep open


# ---- the zygotes of this process


class Zygote:
    "The process that forks kernels of one base, once it has imported."

    def __init__(self, base: Base, env: dict[str, str], folder: Path) -> None:
        self.base, self.ready = base, False
        self.control, theirs = socket.socketpair()
        _sockets.add(self.control)
        given = [str(theirs.fileno()), str(os.getpid()), str(folder), base.modules]
        at_import = {
            "OPENBLAS_NUM_THREADS": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "MPLBACKEND": env.get("MPLBACKEND") or INLINE,
        }
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, *base.options, str(PROGRAM), "fork", *given],
                stdin=subprocess.DEVNULL,
                cwd="/",
                env={**env, **at_import},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def wait(self) -> None:
        "Until it has imported. Raises NotWarm when it cannot, or may not fork."
        if self.ready:
            return
        try:
            self.control.settimeout(IMPORTS)
            said: dict[str, Any] = json.loads(_line(self.control)[0])
        except TimeoutError:
            raise NotWarm(f"the imports took more than {IMPORTS:.0f} s") from None
        except (ZygoteGone, OSError):
            raise NotWarm(f"the zygote ended with {self.process.wait()} while it imported") from None
        for name, error in said["errors"].items():
            if self.base.modules != ",".join(MODULES):  # of the default ones some belong to extras
                log.warning("warm kernels: %s is not imported ahead (%s). See P2P_WARM_MODULES.", name, error)
        if said["threads"]:
            guilty = "; ".join(f"{name} starts {', '.join(t)}" for name, t in said["threads"].items())
            raise NotWarm(f"a fork would lose native threads ({guilty}): leave the module out of P2P_WARM_MODULES")
        self.ready = True

    def fork(self, request: dict[str, Any]) -> Forked:
        "A kernel. Raises NotWarm when the zygote refuses, ZygoteGone when it has ended."
        ours, theirs = socket.socketpair()
        try:
            ours.settimeout(ANSWER)
            with theirs:
                socket.send_fds(self.control, [b"k"], [theirs.fileno()])
            ours.sendall(json.dumps(request).encode() + b"\n")
            line, rest = _line(ours)
        except TimeoutError:
            ours.close()
            raise NotWarm(f"the zygote did not answer within {ANSWER:.0f} s") from None
        except (OSError, ZygoteGone):
            ours.close()
            raise ZygoteGone from None
        said = json.loads(line)
        if "pid" not in said:
            ours.close()
            raise NotWarm(said["refused"])
        return Forked(ours, said["pid"], rest)

    def close(self) -> None:
        "End it and its kernels."
        self.control.close()
        self.end()

    def end(self) -> None:
        "Wait for its end, and do not wait for long."
        try:
            self.process.wait(END)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _line(one: socket.socket) -> tuple[bytes, bytes]:
    "The first line, and what came behind it. Raises ZygoteGone."
    heard = b""
    while b"\n" not in heard:
        data = one.recv(1 << 16)
        if not data:
            raise ZygoteGone
        heard += data
    line, _, rest = heard.partition(b"\n")
    return line, rest


class Ahead:
    "Kernels of one base that have imported and wait to be used, each once."

    def __init__(self, base: Base, size: int = 1) -> None:
        self.base, self.size = base, size
        self.waiting: list[subprocess.Popen[bytes]] = []

    def take(self, env: dict[str, str], request: dict[str, Any]) -> subprocess.Popen[bytes]:
        "One that is now a kernel; others are started in its place. Raises NotWarm when none lives."
        for _ in range(self.size + 1):
            self.fill(env)
            one = self.waiting.pop(0)
            assert one.stdin is not None
            with suppress(BrokenPipeError), one.stdin:
                one.stdin.write(json.dumps(request).encode() + b"\n")
                one.stdin.flush()
                self.fill(env)
                return one
            one.wait()
        raise NotWarm(f"a kernel that was started ahead ended with {one.returncode}")

    def fill(self, env: dict[str, str]) -> None:
        "Start what lacks."
        given = [sys.executable, *self.base.options, str(PROGRAM), "ahead", self.base.modules]
        at_import = {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "MPLBACKEND": env.get("MPLBACKEND") or INLINE}
        while len(self.waiting) < self.size:
            self.waiting.append(launch_kernel(given, stdin=subprocess.PIPE, env={**env, **at_import}, cwd=sys.prefix))

    def close(self) -> None:
        "End those that wait."
        for one in self.waiting:
            one.kill()
            one.wait()
            if one.stdin is not None:
                one.stdin.close()
        self.waiting.clear()


class Stock:
    "What a process keeps for its kernels: a folder, zygotes, and kernels started ahead. Threads may ask at once."

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.locks: dict[Base, Any] = {}
        self.zygotes: dict[Base, Zygote] = {}
        self.failed: dict[Base, str] = {}
        self.ended: dict[Base, int] = {}  # how many zygotes ended that had worked
        self.ahead: dict[Base, Ahead] = {}
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        "Where the sockets and connection files of the kernels are; only their user can enter."
        with self.lock:
            if self._folder is None or not self._folder.is_dir():
                self._folder = Path(tempfile.mkdtemp(prefix="p2p-"))
            return self._folder

    def begin(self, base: Base, env: dict[str, str]) -> Any:
        "Start the zygote for a base where there is none, and do not wait for it; the lock of the base. Raises NotWarm."
        with self.lock:
            if base not in self.locks and len(self.locks) >= ZYGOTES:
                raise NotWarm(f"there are {ZYGOTES} zygotes already, for other environments or modules")
            own = self.locks.setdefault(base, threading.RLock())
        with own:
            found = self.zygotes.get(base)
            if found is not None and found.ready and found.process.poll() is not None:
                self.zygotes.pop(base).close()
                self.ended[base] = self.ended.get(base, 0) + 1
                if self.ended[base] > 1:
                    self.failed[base] = f"the zygote ended twice, at last with {found.process.returncode}"
            if base in self.failed:
                raise NotWarm(self.failed[base])
            if base not in self.zygotes:
                try:
                    self.zygotes[base] = Zygote(base, env, self.folder)
                except OSError as e:
                    self.failed[base] = f"the zygote cannot be started ({e})"
                    raise NotWarm(self.failed[base]) from None
        return own

    def zygote(self, base: Base, env: dict[str, str]) -> Zygote:
        "The one for a base, when it is ready. Raises NotWarm, and then at once for every kernel of that base."
        with self.begin(base, env):
            if base in self.failed:  # while this thread waited for another one
                raise NotWarm(self.failed[base])
            try:
                self.zygotes[base].wait()
            except NotWarm as e:
                self.failed[base] = str(e)
                self.zygotes.pop(base).close()
                raise
            return self.zygotes[base]

    def is_ready(self, base: Base) -> bool:
        "Whether a kernel can be had without waiting for imports."
        found = self.zygotes.get(base)
        return found is not None and found.ready

    def fork(self, base: Base, env: dict[str, str], request: dict[str, Any]) -> Forked:
        "A kernel from a zygote, which is started again where it has ended. Raises NotWarm."
        while True:
            zygote = self.zygote(base, env)
            try:
                return zygote.fork(request)
            except ZygoteGone:
                zygote.end()

    def take(self, base: Base, env: dict[str, str], request: dict[str, Any]) -> subprocess.Popen[bytes]:
        "A kernel that was started ahead. Raises NotWarm."
        try:
            with self.lock:
                return self.ahead.setdefault(base, Ahead(base)).take(env, request)
        except OSError as e:
            raise NotWarm(f"no kernel can be started ahead ({e})") from None

    def close(self) -> None:
        "End all of it."
        for zygote in self.zygotes.values():
            zygote.close()
        for ahead in self.ahead.values():
            ahead.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


_stock = Stock()
_provisioners: "weakref.WeakSet[WarmProvisioner]" = weakref.WeakSet()
_asked: dict[str, Forked] = {}  # token of who asked → kernel


def peak_of(token: str) -> int | None:
    "The most memory that the kernel asked for with a token had at a time, bytes, asked once; None where that is not known."
    kernel = _asked.pop(token, None)
    return None if kernel is None else kernel.peak


@atexit.register
def close() -> None:
    "End the zygotes of this process with their kernels, and forget which ones failed."
    global _stock
    old, _stock = _stock, Stock()
    old.close()


def _forget() -> None:
    "A fork of this process has no kernels: they belong to the process that asked for them."
    global _stock
    _stock = Stock()
    _provisioners.clear()
    for one in _sockets:
        one.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def end_kernels() -> None:
    "Kill every kernel of this process and what it started: each notebook under way ends with a DeadKernelError within a second or two."
    for one in list(_provisioners):
        if (process := one.process) is not None and process.returncode is None:
            with suppress(OSError):
                os.killpg(one.pgid, signal.SIGKILL) if one.pgid else process.kill()


def warm_up(environ: dict[str, str] | None = None) -> None:
    "Start the zygote for kernels of this environment (None: of this process) before one is asked for, and do not wait for it."
    env = dict(os.environ if environ is None else environ)
    with suppress(NotWarm):  # said when a kernel is asked for
        if _way(env) == "fork":
            _stock.begin(Base.of((), env), env)


def _way(env: dict[str, str]) -> str:
    "How kernels are started. Raises NotWarm."
    way = env.get("P2P_WARM_START") or ("fork" if LINUX else "ahead")
    if way not in ("fork", "ahead", "plain"):
        raise NotWarm(f"P2P_WARM_START must be fork, ahead or plain; got {way!r}")
    if way == "fork" and not LINUX:
        raise NotWarm("P2P_WARM_START=fork works on Linux only")
    return way


# ---- extension points of jupyter_client


class WarmProvisioner(LocalProvisioner):
    "Kernel provisioner `p2p-warm`: a kernel that is there at once, else one that is launched as always."

    process: Any

    async def launch_kernel(self, cmd: list[str], **kw: Any) -> Any:
        "As the base class. Raises ValueError where P2P_KERNEL_MEMORY is no number."
        env = dict(kw.get("env") or os.environ)
        memory = self._memory(env)
        try:
            warm = await self._started(cmd, env, memory, kw)
        except NotWarm as e:
            warm = None
            _say(str(e))
        if warm is None:
            info = await super().launch_kernel(cmd, **kw)
            _provisioners.add(self)
            if memory is not None:
                _limit(self.process.pid, memory + LIBRARIES)
            return info
        self.process = warm
        _provisioners.add(self)
        if (token := getattr(self.parent, "token", "")) and isinstance(warm, Forked):
            _asked[token] = warm
        self.pid = self.process.pid
        self.pgid = self.process.pid if hasattr(os, "killpg") else None
        self.cwd = kw.get("cwd", Path.cwd())
        return self.connection_info

    async def _started(self, cmd: list[str], env: dict[str, str], memory: int | None, kw: dict[str, Any]) -> Any:
        "A warm kernel; None where a plain one is wanted. Raises NotWarm."
        way = _way(env)
        if way == "plain":
            return None
        if strange := set(kw) - {"env", "cwd", "extra_arguments", "kernel_id"}:
            raise NotWarm(f"a kernel is launched with {', '.join(sorted(strange))}")
        options, argv = parse(cmd)
        base = Base.of(options, env)
        request: dict[str, Any] = {"argv": argv, "cwd": str(kw.get("cwd") or Path.cwd()), "memory": memory}
        request["env"] = {**env, "JPY_PARENT_PID": str(os.getpid())}
        if way == "ahead":
            return _stock.take(base, env, request)
        if _stock.is_ready(base):
            forked = _stock.fork(base, env, request)
        else:  # seconds of imports, which nobody else in this event loop should wait for
            forked = await asyncio.to_thread(_stock.fork, base, env, request)
        await forked.until(lambda: forked.ready, READY)
        return forked

    def _memory(self, env: dict[str, str]) -> int | None:
        asked = getattr(self.parent, "memory", None) or env.get("P2P_KERNEL_MEMORY") or None
        try:
            return None if asked is None else int(asked)
        except ValueError:
            raise ValueError(f"P2P_KERNEL_MEMORY must be bytes, such as 2000000000; got {asked!r}") from None

    async def send_signal(self, signum: int) -> None:
        "To the kernel's group; to nobody once the kernel has ended."
        if not isinstance(self.process, Forked) or self.process.poll() is None:
            await super().send_signal(signum)

    async def kill(self, restart: bool = False) -> None:
        "Ends when the kernel has ended."
        await super().kill(restart)
        if isinstance(self.process, Forked):
            await self.process.until(lambda: False, END)


def _limit(pid: int, memory: int) -> None:
    "Bound the address space of another process, bytes, where the system can."
    with suppress(ImportError, AttributeError, OSError):
        import resource

        resource.prlimit(pid, resource.RLIMIT_AS, (memory, memory))


class WarmKernelClient(AsyncKernelClient):
    "A client that does not wait for silence to know that a kernel is ready."

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        "Until a request was answered on both channels. Raises RuntimeError when the kernel dies or so many seconds have passed."
        until = time.monotonic() + (float("inf") if timeout is None else timeout)
        asked: set[str] = set()
        while True:
            asked.add(self.kernel_info())
            with suppress(Empty):
                reply = await self.shell_channel.get_msg(timeout=1)
                if reply["msg_type"] == "kernel_info_reply" and await self._idle_after(asked):
                    self._handle_kernel_info_reply(reply)
                    return
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if time.monotonic() > until:
                raise RuntimeError(f"Kernel didn't respond in {timeout:.0f} seconds")

    async def _idle_after(self, asked: set[str]) -> bool:
        "Whether the end of one of these requests is heard on iopub, where all messages before it are thrown away."
        with suppress(Empty):
            while True:
                said = await self.iopub_channel.get_msg(timeout=0.2)
                idle = said["msg_type"] == "status" and said["content"]["execution_state"] == "idle"
                if idle and said["parent_header"].get("msg_id") in asked:
                    return True
        return False


class WarmKernelManager(AsyncKernelManager):
    "Manages a kernel from `p2p-warm`, unless the kernel's spec names another provisioner."

    memory = Integer(None, allow_none=True, config=True, help="bytes that a kernel may map beyond what it holds when it starts")
    token = Unicode("", config=True, help="by which `peak_of` finds the kernel")
    deadline = Float(None, allow_none=True, config=True, help="seconds from its start after which a kernel is killed")
    environment = Dict(config=True, help="environment variables of the kernel, beside those of this process")

    @property
    def kernel_spec(self) -> Any:
        "The spec, naming the provisioner."
        spec = super().kernel_spec
        if spec is not None and "kernel_provisioner" not in spec.metadata:
            spec.metadata = {**spec.metadata, "kernel_provisioner": {"provisioner_name": "p2p-warm"}}
        return spec

    @default("client_factory")
    def _client(self) -> type:
        return WarmKernelClient if self._is_ours() else AsyncKernelClient

    def _is_ours(self) -> bool:
        with suppress(NotWarm):
            return bool(parse(self.kernel_spec.argv))
        return False

    async def start_kernel(self, **kw: Any) -> None:  # type: ignore[override]
        "As the base class; on Linux over sockets in a folder of this process: no port that others may take first."
        if self.environment:
            kw["env"] = {**(kw.get("env") or os.environ), **self.environment}
        if LINUX and not self.connection_file and self._is_ours():
            place = _stock.folder / uuid.uuid4().hex[:12]
            self.connection_file = f"{place}.json"
            if self.transport == "tcp" and len(str(place)) < 100:  # a socket's path has 107 characters at most
                self.transport, self.ip = "ipc", str(place)
        await super().start_kernel(**kw)
        if self.deadline is not None:
            asyncio.get_running_loop().call_later(self.deadline, self._late)

    def _late(self) -> None:
        "Kill the kernel, if it still runs, and what it started."
        process, group = getattr(self.provisioner, "process", None), getattr(self.provisioner, "pgid", None)
        if process is not None and process.poll() is None:
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL) if group else process.kill()

    async def shutdown_kernel(self, now: bool = False, restart: bool = False) -> None:  # type: ignore[override]
        "As the base class; a kernel that is to end now is not interrupted first, which it would tell on standard error."
        if now and self.owns_kernel and self.has_kernel and self.provisioner is not None:
            await self.provisioner.kill(restart=restart)
        await super().shutdown_kernel(now=now, restart=restart)


# ---- extension point of papermill


def __getattr__(name: str) -> Any:
    "WarmEngine is made when it is asked for: papermill asks while it is itself being imported."
    if name != "WarmEngine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from papermill.engines import NBClientEngine

    if "WarmEngine" not in globals():

        class WarmEngine(NBClientEngine):
            "Papermill engine `warm`."

            @classmethod
            def execute_managed_notebook(
                cls,
                nb_man: Any,
                kernel_name: str,
                *,
                kernel_memory: int | None = None,  # bytes, see P2P_KERNEL_MEMORY
                kernel_environment: dict[str, str] | None = None,  # variables of the kernel beside those of this process
                kernel_token: str | None = None,  # see `peak_of`
                kernel_deadline: float | None = None,  # seconds after which the kernel is killed with what it started
                **kw: Any,
            ) -> Any:
                own = {"memory": kernel_memory, "environment": kernel_environment or {}, "deadline": kernel_deadline, "token": kernel_token}
                config = Config({"WarmKernelManager": {k: v for k, v in own.items() if v}})
                config.merge(kw.pop("config", None) or {})
                kw = {"kernel_manager_class": WarmKernelManager, "shutdown_kernel": "immediate", "config": config, **kw}
                return super().execute_managed_notebook(nb_man, kernel_name, **kw)

        WarmEngine.__qualname__ = "WarmEngine"
        globals()["WarmEngine"] = WarmEngine
    return globals()["WarmEngine"]
