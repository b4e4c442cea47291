"""Calls of a pilot under watch: a deadline for each, and its prints kept off the page."""

import contextlib
import io
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any


class DeadlineError(TimeoutError):
    "A pilot did not answer in time."


class Caller:
    "Runs functions one after the other in a thread of its own, each up to a deadline; a thread that hangs is left behind."

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._jobs: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], queue.SimpleQueue[Any]] | None] | None = None

    def _work(self, jobs: Any) -> None:
        while (job := jobs.get()) is not None:
            function, args, answer = job
            try:
                answer.put((True, function(*args)))
            except BaseException as e:  # noqa: BLE001 - handed to the caller, who raises it
                answer.put((False, e))

    def __call__(self, function: Callable[..., Any], *args: Any) -> Any:
        "What the function returns or raises. Raises DeadlineError when it takes too long."
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(target=self._work, args=(self._jobs,), daemon=True).start()
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._jobs.put((function, args, answer))
        try:
            done, value = answer.get(timeout=self.seconds)
        except queue.Empty:
            self._jobs = None
            raise DeadlineError(f"no answer within {self.seconds:g} s") from None
        if done:
            return value
        raise value

    def close(self) -> None:
        "End the thread once it is idle."
        if self._jobs is not None:
            self._jobs.put(None)
            self._jobs = None


class Sink(io.TextIOBase):
    "Takes what is printed, keeps the beginning, counts the rest."

    def __init__(self, keep: int = 500) -> None:
        self.head, self.count, self.keep = "", 0, keep

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.count += len(text)
        if len(self.head) < self.keep:
            self.head += text[: self.keep - len(self.head)]
        return len(text)


@contextlib.contextmanager
def quiet() -> Iterator[Sink]:
    "Prints of a pilot (standard output and error) go to a sink; tracebacks and progress keep the real ones."
    sink = Sink()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        yield sink


def watched() -> bool:
    "Whether somebody sees progress: a terminal, or a notebook's front end."
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return sys.stderr.isatty() or type(shell).__name__ == "ZMQInteractiveShell"
