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
    Rows,
    Scenario,
    kind_named,
    kinds,
    leave_out,
    register,
)
from pilot_to_prod.scenarios._ledger import ColumnLedger, Ledger, RowLedger, SchemaLedger
from pilot_to_prod.scenarios._rows import row_keys
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
    "RowLedger",
    "Rows",
    "Scenario",
    "SchemaLedger",
    "Suite",
    "check_scenario",
    "kind_named",
    "kinds",
    "leave_out",
    "register",
    "row_keys",
    "scenario",
    "suite",
]
