"""Get AI pilots safely into production: write the promise down, replay reality against it, read the scorecard."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .card import Scorecard, scorecard
    from .evidence import Evidence
    from .evidence.store import load as load_evidence
    from .pilot import Pilot, check_pilot
    from .scenarios import check_scenario, register, scenario, suite
    from .settings import load_settings
    from .spec import Spec
    from .stress import replay, stream, time_calls, timed

_HOME = {
    "Evidence": "evidence",
    "Pilot": "pilot",
    "Scorecard": "card",
    "Spec": "spec",
    "check_pilot": "pilot",
    "check_scenario": "scenarios",
    "load_evidence": "evidence",
    "load_settings": "settings",
    "register": "scenarios",
    "replay": "stress",
    "scenario": "scenarios",
    "scorecard": "card",
    "stream": "stress",
    "suite": "scenarios",
    "time_calls": "stress",
    "timed": "stress",
}
_NAMED = {"load_evidence": "load"}

__all__ = [
    "Evidence",
    "Pilot",
    "Scorecard",
    "Spec",
    "__version__",
    "check_pilot",
    "check_scenario",
    "load_evidence",
    "load_settings",
    "register",
    "replay",
    "scenario",
    "scorecard",
    "stream",
    "suite",
    "time_calls",
    "timed",
]


def __getattr__(name: str) -> Any:
    "Names of the house, imported when they are first asked for."
    if name not in _HOME:
        raise AttributeError(f"module 'pilot_to_prod' has no attribute {name!r}; it has {', '.join(_HOME)}.")
    found = getattr(import_module(f"{__name__}.{_HOME[name]}"), _NAMED.get(name, name))
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
