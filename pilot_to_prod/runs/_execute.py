"""Execute one notebook with papermill in this process; threads may do so at the same time."""

import asyncio
import os
import traceback
import uuid
from collections.abc import Callable
from contextvars import Context
from pathlib import Path
from typing import Any

TEXT, TRACE = 4000, 2000  # characters of a message and of a traceback that are kept


def execute(
    notebook: Path,
    out: Path,  # where a notebook that came to its end goes; one that did not: NAME.failed.ipynb beside it
    parameters: dict[str, Any],
    *,
    cwd: Path,  # the kernel's folder
    cell_timeout: int | None,  # seconds; None: no limit
    engine: str | None = None,  # of papermill; None: its own
    deadline: float | None = None,  # seconds after which the kernel is killed; engine `warm`
    memory: int | None = None,  # bytes that the kernel may map beyond what it holds when it starts; engine `warm`
    environment: dict[str, str] | None = None,  # variables of the kernel beside those of this process; engine `warm`
) -> dict[str, Any]:  # status: done or failed; error: the name of its class; message; peak_bytes of a forked kernel; trace of what is no cell's error
    "What became of it. Never raises for what the notebook does; raises ValueError for what an engine cannot do."
    if engine == "warm":
        from ._warm import warm_up

        warm_up({**os.environ, **(environment or {})})  # while papermill is imported
    import papermill
    from papermill.exceptions import PapermillExecutionError

    token = uuid.uuid4().hex
    own: dict[str, Any] = {"kernel_memory": memory, "kernel_environment": environment, "kernel_deadline": deadline}
    if engine != "warm":
        if asked := [n for n, v in own.items() if v]:
            raise ValueError(f"{', '.join(asked)}: only the engine 'warm' can do that; got engine {engine!r}.")
        own = {}
    else:
        own["kernel_token"] = token
    out.parent.mkdir(parents=True, exist_ok=True)
    aside, failed = out.with_name(f".{out.stem}.part.ipynb"), out.with_name(f"{out.stem}.failed.ipynb")
    aside.unlink(missing_ok=True)
    try:
        _in_own_loop(
            lambda: papermill.execute_notebook(
                str(notebook),
                str(aside),
                parameters=parameters,
                engine_name=engine,
                progress_bar=False,
                log_output=False,
                execution_timeout=cell_timeout,
                request_save_on_cell_execute=False,
                resources={"metadata": {"path": str(cwd)}},  # papermill's cwd= would move every thread of this process
                **own,
            )
        )
    except PapermillExecutionError as e:
        found = _failed(e.ename, str(e.evalue))
    except Exception as e:  # noqa: BLE001 - timeouts, dead kernels, broken notebooks: all are outcomes of the work
        name = "KernelStartError" if type(e) is RuntimeError else type(e).__name__  # what waiting for a kernel raises
        found = _failed(name, str(e)) | {"trace": traceback.format_exc()[-TRACE:]}
    else:
        aside.replace(out)
        failed.unlink(missing_ok=True)
        return {"status": "done", "error": None, "message": None} | _peak(engine, token)
    if aside.exists():  # after a cell's error it holds all cells; after a timeout or a dead kernel papermill writes nothing
        aside.replace(failed)
    return found | _peak(engine, token)


def _peak(engine: str | None, token: str) -> dict[str, Any]:
    "The kernel's peak memory, bytes, where the engine knows it."
    if engine != "warm":
        return {}
    from pilot_to_prod.runs._warm import peak_of

    found = peak_of(token)
    return {} if found is None else {"peak_bytes": found}


def _failed(error: str, message: str) -> dict[str, Any]:
    return {"status": "failed", "error": error, "message": message[:TEXT]}


def _in_own_loop(call: Callable[[], Any]) -> Any:
    "Call it; the event loop that jupyter_core would leave open in this thread is closed."
    from jupyter_core.utils import ensure_event_loop

    def closing() -> Any:
        loop = ensure_event_loop()
        try:
            return call()
        finally:
            loop.close()
            asyncio.set_event_loop(None)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return Context().run(closing)
    return call()  # inside a running loop, as in a notebook, jupyter_core uses a thread of its own
