"""What a measurement was made on, and how much memory a piece of work took. Standard library only: every environment runs it."""

import ctypes
import gc
import os
import platform
import resource
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

MB = 2**20


def described() -> dict[str, Any]:
    "Processor, cores, memory, system, Python, date, and how busy others are."
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "others_at_work": others_at_work(),
    }


def said(machine: dict[str, Any]) -> str:
    "The machine in one line."
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}, {machine['date']}"
    )


def others_at_work(seconds: float = 1.0) -> float | None:
    "Cores that were busy while this process slept; None outside Linux."

    def spent() -> tuple[int, int]:
        fields = [int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(fields[:8]) - fields[3] - fields[4], sum(fields[:8])

    try:
        busy, every = spent()
        time.sleep(seconds)
        busy_later, every_later = spent()
    except OSError:
        return None
    return round((busy_later - busy) / max(every_later - every, 1) * (os.cpu_count() or 1), 2)


def warning(*cores: float | None) -> str | None:
    "What to say where others were at work before or after, else None."
    worst = max((c for c in cores if c is not None), default=0.0)
    return f"Others kept {worst:.1f} cores busy meanwhile: these times are not to be quoted." if worst > 0.2 else None


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions(*names: str) -> dict[str, str]:
    "Distribution → version, for those that are installed."
    out = {"python": platform.python_version()}
    for name in names:
        with suppress(PackageNotFoundError):
            out[name] = version(name)
    return out


def _status(field: str) -> float | None:
    "A field of /proc/self/status in MB; None outside Linux."
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    return None


def peak_rss() -> float:
    "Highest resident memory of this process so far, MB. On Linux without what a larger parent held before the fork."
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    high = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return high / MB if sys.platform == "darwin" else high / 1024


def memory_of(work: Callable[[], Any]) -> dict[str, float | None]:
    "Peak resident memory of one call above what was resident before it (Linux only), and peak of what Python and numpy allocated; MB."
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    above = None
    try:
        Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark to what is resident now
        before = _status("VmRSS")
    except OSError:
        before = None
    kept = work()
    if before is not None:
        above = max(peak_rss() - before, 0.0)
    del kept
    gc.collect()
    tracemalloc.start()
    kept = work()
    traced = tracemalloc.get_traced_memory()[1] / MB
    tracemalloc.stop()
    del kept
    return {"rss_above": above, "traced": traced}
