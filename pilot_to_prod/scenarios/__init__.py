"""Reality, as values: what happens to a pilot's inputs in the field."""

from pilot_to_prod.scenarios._draws import Draws
from pilot_to_prod.scenarios._engine import (
    FAMILIES,
    Bound,
    Composition,
    Corruption,
    Count,
    Fitted,
    Kind,
    Place,
    Scenario,
    kind_named,
    kinds,
    register,
)
from pilot_to_prod.scenarios._ledger import ColumnLedger, Ledger, row_keys
from pilot_to_prod.scenarios.catalogue import Suite, check_scenario, scenario, suite

__all__ = [
    "FAMILIES",
    "Bound",
    "ColumnLedger",
    "Composition",
    "Corruption",
    "Count",
    "Draws",
    "Fitted",
    "Kind",
    "Ledger",
    "Place",
    "Scenario",
    "Suite",
    "check_scenario",
    "kind_named",
    "kinds",
    "register",
    "row_keys",
    "scenario",
    "suite",
]
