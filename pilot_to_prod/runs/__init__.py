"""Plans of notebooks, their execution, and what they leave behind."""

from pilot_to_prod.runs._notebooks import NotebookError, Parameter, check_parameters, notebooks, notebooks_folder, parameters
from pilot_to_prod.runs._store import RunError, Store, look_at
from pilot_to_prod.runs.plan import STRESS, Outcome, Plan, Run, Unit, environment, make_plan, run, subject_hashes

__all__ = [
    "STRESS",
    "NotebookError",
    "Outcome",
    "Parameter",
    "Plan",
    "Run",
    "RunError",
    "Store",
    "Unit",
    "check_parameters",
    "environment",
    "look_at",
    "make_plan",
    "notebooks",
    "notebooks_folder",
    "parameters",
    "run",
    "subject_hashes",
]
