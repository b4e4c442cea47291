"""Plans of notebooks, their execution, and what they leave behind."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pilot_to_prod.runs._notebooks import NotebookError, Parameter, check_parameters, notebooks, notebooks_folder, parameters
from pilot_to_prod.runs._store import RunError, Store, is_run, look_at, read_bytes
from pilot_to_prod.runs.plan import STRESS, Outcome, Plan, Run, Unit, environment, make_plan, run, subject_hashes

if TYPE_CHECKING:
    from pilot_to_prod.runs.past import Finding, RunWarning, Shown, Trend, frame, history, prune, show, trend, verify

_PAST = ("Finding", "RunWarning", "Shown", "Trend", "frame", "history", "prune", "show", "trend", "verify")

__all__ = [
    "STRESS",
    "Finding",
    "NotebookError",
    "Outcome",
    "Parameter",
    "Plan",
    "Run",
    "RunError",
    "RunWarning",
    "Shown",
    "Store",
    "Trend",
    "Unit",
    "check_parameters",
    "environment",
    "frame",
    "history",
    "is_run",
    "look_at",
    "make_plan",
    "notebooks",
    "notebooks_folder",
    "parameters",
    "prune",
    "read_bytes",
    "run",
    "show",
    "subject_hashes",
    "trend",
    "verify",
]


def __getattr__(name: str) -> Any:
    "What reads the past needs pandas, which is imported when it is first asked for."
    if name not in _PAST:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}.")
    found = getattr(import_module(f"{__name__}.past"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
