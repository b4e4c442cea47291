"""A process that imports once and becomes kernels. `_warm.py` starts it; it imports nothing of the package by itself.

    python _zygote.py fork CONTROL OWNER FOLDER MODULES   a server (Linux): a fork for every kernel that is asked for
    python _zygote.py ahead MODULES                       one kernel, started ahead: it waits for its request on standard input

The server opens no event loop and no zmq context and starts no thread, because only the thread that forks lives on in the child. CONTROL is
an inherited socket: each kernel that is asked for comes as a socket of its own, over which go the request, the process id, `ready` and the exit
code. The kernel lives as long as the other end of its socket; the server lives as long as its owner, however that ends.
"""

import ctypes
import gc
import importlib
import io
import json
import os
import random
import selectors
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

# what a kernel of ipykernel imports while it starts, or for its first cell
KERNEL = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.comm",
    "ipykernel.debugger",
    "IPython.core.completer",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.magics",
    "IPython.core.magics.ast_mod",
    "IPython.core.magics.execution",
    "IPython.core.oinspect",
    "IPython.core.pylabtools",
    "IPython.extensions.storemagic",
    "pdb",
    "sqlite3",
    "tornado.platform.asyncio",
)
SET_AT_IMPORT: dict[str, str] = {}  # variables that modules set when they were imported, and count on
HARMLESS = {"jemalloc_bg_thd"}  # threads that a child can do without: pyarrow's allocator returns memory in the background
PR_SET_PDEATHSIG = 1


def imported(modules: list[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    "Import them; what could not be: module → error, and what started threads: module → their names."
    errors: dict[str, str] = {}
    threads: dict[str, list[str]] = {}
    before: set[str] = set()
    environment = dict(os.environ)
    for name in modules:
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as e:  # noqa: BLE001 - whatever a module does when it is imported
            errors[name] = f"{type(e).__name__}: {e}"
        if new := set(foreign_threads()) - before:
            threads[name] = sorted(new)
            before |= new
    SET_AT_IMPORT.update({n: v for n, v in os.environ.items() if n not in environment})
    return errors, threads


def rehearse() -> None:
    "Do once what many notebooks do, so that modules which are imported at first use are there and fonts are read. Nothing is fitted."
    loaded = sys.modules
    with suppress(Exception):
        if "pandas" in loaded:
            frame = loaded["pandas"].DataFrame({"number": [0.5, 1.5], "count": [1, 2]})
            frame.describe()._repr_html_()
            repr(frame)
            if "sklearn.utils" in loaded:
                loaded["sklearn.utils"].check_array(frame)
    with suppress(Exception):
        if "matplotlib.pyplot" in loaded:
            figure = loaded["matplotlib.figure"].Figure()  # not pyplot's, which would remember it
            axes = figure.add_subplot(title="title", xlabel="x", ylabel="y")
            axes.plot([0, 1], [0, 1], label="line")
            axes.bar([0, 1], [0, 1])
            axes.legend()
            figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")


def foreign_threads() -> list[str]:
    "Names of native threads beside this one that a fork would leave behind."
    found = []
    for task in Path("/proc/self/task").glob("[0-9]*"):
        with suppress(OSError):
            name = (task / "comm").read_text().strip()
            if int(task.name) != os.getpid() and name not in HARMLESS:
                found.append(name)
    return found


# ---- the server


class Server:
    "Forks kernels until its owner is gone."

    def __init__(self, control: socket.socket, owner: int) -> None:
        self.control, self.owner = control, owner
        self.kernels: dict[int, socket.socket | None] = {}  # by process id; None: nobody wants it any more
        self.asked: dict[socket.socket, bytes] = {}  # requests that are not complete yet
        self.over = False
        self.wake, wake = socket.socketpair()
        self.wakes = wake
        for s in (control, self.wake, wake):
            s.setblocking(False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(control, selectors.EVENT_READ, self._accept)
        self.selector.register(self.wake, selectors.EVENT_READ, self._reap)
        self.alive: int | None = None  # readable when the owner has ended, even where a fork of it keeps its sockets open
        with suppress(OSError, AttributeError):
            self.alive = os.pidfd_open(owner)
            self.selector.register(self.alive, selectors.EVENT_READ, self._orphan)

    def run(self) -> tuple[dict[str, Any], socket.socket] | None:
        "Returns in every child, with its request and its socket, and at the end in the server: None."
        self.over = os.getppid() != self.owner  # it may have ended before its end could be watched
        while not self.over:
            for key, _ in self.selector.select():
                if (child := key.data(key.fileobj)) is not None:
                    return child
        for pid in self.kernels:
            kill_group(pid)
        for pid in self.kernels:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        return None

    def _accept(self, control: socket.socket) -> None:
        try:
            _, fds, _, _ = socket.recv_fds(control, 1, 1)
        except BlockingIOError:
            return
        if not fds:  # closed, on purpose or because the owner has ended
            self.over = True
            return
        one = socket.socket(fileno=fds[0])
        one.setblocking(False)
        self.asked[one] = b""
        self.selector.register(one, selectors.EVENT_READ, self._hear)

    def _hear(self, one: socket.socket) -> tuple[dict[str, Any], socket.socket] | None:
        "A part of a request, or the news that nobody wants the kernel any more."
        try:
            data = one.recv(1 << 16)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            for pid in [p for p, s in self.kernels.items() if s is one]:
                self.kernels[pid] = None
                kill_group(pid)
            self._drop(one)
        elif one in self.asked:
            self.asked[one] += data
            if self.asked[one].endswith(b"\n"):
                return self._fork(one, json.loads(self.asked.pop(one)))
        return None

    def _fork(self, one: socket.socket, request: dict[str, Any]) -> tuple[dict[str, Any], socket.socket] | None:
        if threads := foreign_threads():
            tell(one, refused=f"native threads that a fork would lose: {', '.join(threads)}")
            self._drop(one)
            return None
        try:
            pid = os.fork()
        except OSError as e:
            tell(one, refused=f"fork failed: {e.strerror}")
            self._drop(one)
            return None
        if pid:
            self.kernels[pid] = one
            return None
        server = os.getppid()
        os.setsid()
        signal.set_wakeup_fd(-1)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # safe: the server's only thread is the one that forks
        if os.getppid() != server:
            os._exit(1)
        tell(one, pid=os.getpid())
        for s in (self.control, self.wake, self.wakes, *self.asked, *(k for k in self.kernels.values() if k)):
            s.close()
        self.selector.close()
        if self.alive is not None:
            os.close(self.alive)
        return request, one

    def _reap(self, wake: socket.socket) -> None:
        with suppress(BlockingIOError):
            wake.recv(1 << 12)
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            kill_group(ended.si_pid)  # what the kernel started, while its id cannot belong to anybody else
            _, status, used = os.wait4(ended.si_pid, 0)
            if one := self.kernels.pop(ended.si_pid, None):
                tell(one, exit=os.waitstatus_to_exitcode(status), peak=used.ru_maxrss * 1024)
                self._drop(one)

    def _orphan(self, _: Any) -> None:
        self.over = True

    def _drop(self, one: socket.socket) -> None:
        self.asked.pop(one, None)
        with suppress(KeyError):
            self.selector.unregister(one)
        one.close()


def tell(one: socket.socket, **news: Any) -> None:
    "A line to whoever asked for the kernel; nothing happens when nobody listens."
    with suppress(OSError):
        one.sendall(json.dumps(news).encode() + b"\n")


def kill_group(pid: int) -> None:
    "A kernel and what it started."
    for kill in (os.killpg, os.kill):  # the group is there as soon as the child has run its first line
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def serve(control: int, owner: int, folder: str, modules: list[str]) -> None:
    "Import, say so, fork on request; in a child: be the kernel."
    os.dup2(2, 1)  # standard output may be a notebook on its way through a pipe
    here = socket.socket(fileno=control)
    gc.disable()
    errors, threads = imported([*KERNEL, *modules])
    rehearse()
    pools = thread_pools()
    gc.enable()
    gc.collect()
    gc.freeze()  # what is imported is never looked at again, so its pages stay shared
    server = Server(here, owner)
    tell(here, pid=os.getpid(), errors=errors, threads=threads)
    child = server.run()
    if child is None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)
    request, one = child
    become_kernel(request, pools, os.getppid(), one)


# ---- the kernel


def thread_pools() -> list[Any]:
    "Native libraries of linear algebra that were loaded with one thread."
    with suppress(ImportError):
        from threadpoolctl import ThreadpoolController

        return list(ThreadpoolController().select(internal_api="openblas").lib_controllers)
    return []


def widen(pools: list[Any]) -> None:
    "Give them the threads that they would have taken in this environment."
    if not pools:
        return
    cores = len(os.sched_getaffinity(0))
    for name in ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"):
        with suppress(KeyError, ValueError):
            asked = int(os.environ[name].split(",")[0])
            if asked > 0:
                break
    else:
        asked = cores
    for pool in pools:
        pool.set_num_threads(min(asked, cores))


def become_kernel(
    request: dict[str, Any],  # env, cwd, argv as of ipykernel_launcher, memory in bytes or None
    pools: list[Any],  # see `thread_pools`
    parent: int | None,  # process whose end is the kernel's too; None: as the environment says
    one: socket.socket | None = None,  # told `ready`, then closed
) -> None:
    "What `python -m ipykernel_launcher` does, in an interpreter that has imported it already."
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        signal.signal(number, handler)
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(SET_AT_IMPORT | request["env"])
    if hasattr(time, "tzset"):
        time.tzset()
    os.chdir(request["cwd"])
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    widen(pools)
    launcher = importlib.import_module("importlib.util").find_spec("ipykernel_launcher")
    sys.argv = [launcher.origin, *request["argv"]]

    from ipykernel.kernelapp import IPKernelApp

    app = IPKernelApp.instance(**({} if parent is None else {"parent_handle": parent}))
    app.initialize()
    hook_pyplot(app.shell)
    if request["memory"]:
        limit(request["memory"])
    if one is not None:
        tell(one, ready=True)
        one.close()
    app.start()


def limit(memory: int) -> None:
    "Let this process map so many bytes more than it has now: an allocation beyond that raises MemoryError. Linux."
    import resource

    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, mapped + memory))


def hook_pyplot(shell: Any) -> None:
    "Where the inline backend was imported without a shell, do what it does when it finds one; else it still will."
    if backend := sys.modules.get("matplotlib_inline.backend_inline"):
        import matplotlib
        from IPython.core.pylabtools import activate_matplotlib

        inline = "module://matplotlib_inline.backend_inline"
        if os.environ.get("MPLBACKEND", inline) == inline and matplotlib.get_backend() in ("inline", inline):
            activate_matplotlib(inline)
            backend.configure_inline_support(shell, inline)


def wait_ahead(modules: list[str]) -> None:
    "Import, then be the kernel that standard input asks for; end when nobody asks any more."
    imported([*KERNEL, *modules])
    rehearse()
    asked = sys.stdin.buffer.readline()
    if asked:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        become_kernel(json.loads(asked), [], None)


def main() -> None:
    "By the first argument."
    here = str(Path(__file__).parent)
    if sys.path[0] == here:  # put there because this is a script
        del sys.path[0]
    how, *given = sys.argv[1:]
    if how == "fork":
        control, owner, folder, modules = given
        serve(int(control), int(owner), folder, [m for m in modules.split(",") if m])
    elif how == "ahead":
        wait_ahead([m for m in given[0].split(",") if m])


if __name__ == "__main__":
    main()
