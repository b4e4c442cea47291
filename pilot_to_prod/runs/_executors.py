"""Where notebooks are executed: threads of this process, or the workers of a Dask cluster."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from pilot_to_prod.runs._store import RunError
from pilot_to_prod.runs._task import environment_of
from pilot_to_prod.settings import Settings

CONNECTED = "20s"  # to wait for a scheduler


def threads_of(settings: Settings) -> int | None:
    "Native threads of each kernel on this machine, so that all workers together have one a core; None on a cluster."
    return None if settings.runs.cluster else max(1, (os.cpu_count() or 1) // settings.runs.workers)


@contextmanager
def executor_of(
    settings: Settings,
    given: Executor | None = None,  # one's own, which is left open
) -> Iterator[Executor]:
    "The executor that settings name. Raises RunError where a cluster cannot be had."
    if given is not None:
        yield given
    elif settings.runs.cluster:
        with _dask(settings) as client:
            yield client.get_executor(pure=False, retries=0)
    else:
        threads = ThreadPoolExecutor(settings.runs.workers, thread_name_prefix="p2p")
        ahead = threading.Thread(target=_warm_up, args=(settings,), name="p2p-warm")
        ahead.start()
        try:
            yield threads
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
            ahead.join()


def _warm_up(settings: Settings) -> None:
    "Import what kernels need while this process imports papermill."
    if settings.runs.engine == "warm":
        from pilot_to_prod.runs._warm import warm_up

        warm_up({**os.environ, **environment_of(threads_of(settings))})


@contextmanager
def _dask(settings: Settings) -> Iterator[Any]:
    "A client of a scheduler's address, or of one that is started here with as many workers as [runs] workers says."
    cluster = settings.runs.cluster
    try:
        from distributed import Client, LocalCluster
    except ImportError as e:
        raise RunError(f"a cluster needs Dask: pip install 'pilot-to-prod[dask]' ({e})") from None
    if cluster != "local":
        if "://" not in settings.runs.folder:
            raise RunError(
                f"[runs] cluster {cluster}: its workers may be on other machines, and [runs] folder {settings.runs.folder!r} is on this "
                "one. Name a folder that both can reach by URL: file:///shared/runs, s3://bucket/runs."
            )
        try:
            client = Client(cluster, timeout=CONNECTED)
        except (OSError, ValueError) as e:
            raise RunError(f"[runs] cluster {cluster}: no scheduler answers ({e}).") from None
        with client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=settings.runs.workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as made,
        Client(made) as client,
    ):
        yield client
