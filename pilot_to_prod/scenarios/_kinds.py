"""What a kind of scenario is, where it is at work, and how one is found by name."""

import difflib
import importlib
import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios._rows import Rows
from pilot_to_prod.scenarios._text import PROTECTED
from pilot_to_prod.spec import Spec

if TYPE_CHECKING:
    from pilot_to_prod.scenarios._engine import Scenario

Unit = Literal["word", "span", "cell", "column", "row", "schema", "label", "event"]
UNITS: tuple[Unit, ...] = ("word", "span", "cell", "column", "row", "schema", "label", "event")
Expect = Literal["invariant", "directional", "abstain", "reject", "survive"]
EXPECTATIONS: tuple[Expect, ...] = ("invariant", "directional", "abstain", "reject", "survive")
Depth = Literal["quick", "standard", "deep"]
DEPTHS: tuple[Depth, ...] = ("quick", "standard", "deep")
FAMILIES = (
    "missing",
    "messy",
    "noise",
    "encoding",
    "language",
    "slang",
    "ambiguity",
    "labels",
    "shift",
    "feed",
    "schema",
    "legacy",
)


class Place:
    "Where a scenario is at work, for its hooks: the rows of the values at hand (for words: the whole batch), read when asked for."

    def __init__(
        self,
        column: str,
        role: str,
        learnt: Any,  # what `learn` returned for this column, or None
        rows: Rows,
        at: np.ndarray | None = None,  # which rows, as positions or bool; None: all of them
        *,
        spec: Spec | None = None,  # the promise
        columns: tuple[str, ...] = (),  # those chosen, for units that span several
        classes: tuple[str, ...] = (),
        label: str | None = None,  # name of the label column
        language: str | None = None,  # of the units at hand, where the kind asks for it
        seed: int = 0,  # of the replay, for weights that draw
    ) -> None:
        self.column, self.role, self.learnt, self.spec = column, role, learnt, spec
        self.columns, self.classes, self.label, self.language = columns, classes, label, language
        self._rows, self._at, self.seed = rows, at, seed

    @cached_property
    def frame(self) -> pd.DataFrame:
        return self._rows.frame if self._at is None else self._rows.frame.iloc[_positions(self._at)]

    @cached_property
    def keys(self) -> np.ndarray:
        "Row keys, canonical strings."
        return self._rows.keys if self._at is None else self._rows.keys[self._at]

    @property
    def confidence(self) -> np.ndarray | None:
        "The clean pilot's confidence in its answer, in [0, 1], where it is known."
        found = self._rows.confidence
        return found if found is None or self._at is None else found[self._at]


def _positions(at: np.ndarray) -> np.ndarray:
    return np.flatnonzero(at) if at.dtype == bool else at


@dataclass(frozen=True)
class Kind:
    """A registered way in which reality differs from the lab; call it to get a scenario.

    Hooks see only units and their own parameters, so that shares, nesting and the ledger hold for every kind:
    `eligible(units, place) -> bool mask`, `weight(units, place) -> positive weights`,
    `change(units, draws, place) -> new units, each different from the old one`, `learn(reference, place) -> anything`.
    Units are strings for words and spans, a Series for cells and labels, a frame for rows, events and schemas.
    """

    name: str
    family: str
    unit: Unit
    roles: tuple[str, ...]
    expect: Expect
    change: Callable[..., Any]
    eligible: Callable[..., Any] | None = None
    weight: Callable[..., Any] | None = None
    learn: Callable[..., Any] | None = None
    severities: tuple[float, ...] | None = None  # where a suite replays it, when not at the usual ones
    variants: Callable[[Spec], list[dict[str, Any]] | str] | None = None  # parameters for a promise, or why it does not apply
    depth: Depth = "standard"  # the smallest suite that it belongs to
    find: Callable[..., Any] | None = None  # spans: texts → spans in code points
    by_language: str | None = None  # the parameter that the row's language fills when it is None
    languages: Callable[..., Collection[str]] | None = None  # languages that it can treat, from its parameters
    about: tuple[str, ...] = ()  # protected content that it may touch
    needs: tuple[str, ...] = ()  # confidence, train
    on: Literal["replay", "reference"] = "replay"  # whose rows are hit
    copied: Callable[..., Any] | None = None  # events: what becomes of the extra copies
    kernel: Any = None  # words: the same as `eligible` and `change`, over bytes
    blanks: bool = False  # cells: what is hit goes missing, and `change` is only the description
    timed: bool = False  # events: replay sends them through the promise's feed, where time matters
    files: tuple[str, ...] = ()  # parameters that name a file, looked for beside pilot.yaml

    @cached_property
    def parameters(self) -> dict[str, Any]:
        "Its own keyword-only parameters and their defaults."
        found = inspect.signature(self.change).parameters.values()
        return {p.name: p.default for p in found if p.kind is inspect.Parameter.KEYWORD_ONLY}

    @property
    def doc(self) -> str:
        "What it simulates, where that comes from, what it applies to and what it expects."
        applies = f"Applies to {', '.join(self.roles)} columns; a good pilot: {EXPECTED[self.expect]} ({self.expect})."
        return f"{inspect.getdoc(self.change) or ''}\n\n{applies}".strip()

    def __call__(self, *columns: str, severity: float = 0.1, expect: Expect | None = None, **params: Any) -> "Scenario":
        from pilot_to_prod.scenarios._engine import Scenario

        return Scenario(
            self.name, columns or None, severity=severity, params=tuple(sorted(params.items())), expect=expect or self.expect
        )

    def __repr__(self) -> str:
        return f"<scenario kind {self.name}: {self.family}, {self.unit}, {'/'.join(self.roles)}>"


EXPECTED: dict[str, str] = {
    "invariant": "keeps its answer",
    "directional": "changes its answer",
    "abstain": "hands over to a person",
    "reject": "stops the row",
    "survive": "answers every row",
}
_KINDS: dict[str, Kind] = {}


def register(
    family: str,
    *,
    unit: Unit,
    roles: Sequence[str],
    expect: Expect,
    depth: Depth = "standard",
    eligible: Callable[..., Any] | None = None,
    weight: Callable[..., Any] | None = None,
    learn: Callable[..., Any] | None = None,
    find: Callable[..., Any] | None = None,
    severities: Sequence[float] | None = None,
    variants: Callable[[Spec], list[dict[str, Any]] | str] | None = None,
    by_language: str | None = None,
    languages: Callable[..., Collection[str]] | None = None,
    about: Sequence[str] | Literal["all"] = (),
    needs: Sequence[str] = (),
    on: Literal["replay", "reference"] | None = None,  # None: reference for labels, replay for anything else
    copied: Callable[..., Any] | None = None,
    kernel: Any = None,
    blanks: bool = False,
    timed: bool = False,
    files: Sequence[str] = (),
    name: str | None = None,  # None: the name of the function
) -> Callable[[Callable[..., Any]], Kind]:
    "Decorator: make a `change` function a scenario kind that can be called, composed and named in pilot.yaml."
    for what, value, allowed in (("unit", unit, UNITS), ("expect", expect, EXPECTATIONS), ("depth", depth, DEPTHS)):
        if value not in allowed:
            raise ValueError(f"register: {what} must be one of {', '.join(allowed)}; got {value!r}.")
    if (unit == "span") != (find is not None):
        raise ValueError("register: unit='span' and find=… belong together: find says where the spans are.")

    def wrap(change: Callable[..., Any]) -> Kind:
        kind = Kind(
            name or change.__name__,
            family,
            unit,
            tuple(roles),
            expect,
            change,
            eligible,
            weight,
            learn,
            tuple(severities) if severities else None,
            variants,
            depth,
            find,
            by_language,
            languages,
            PROTECTED if about == "all" else tuple(about),
            tuple(needs),
            on or ("reference" if unit == "label" else "replay"),
            copied,
            kernel,
            blanks,
            timed,
            tuple(files),
        )
        _KINDS[kind.name] = kind
        return kind

    return wrap


def kinds() -> dict[str, Kind]:
    "Every known kind by name: built in, registered at hand, or from `pilot_to_prod.scenarios` entry points."
    for family in FAMILIES:
        importlib.import_module(f"pilot_to_prod.scenarios.{family}")
    for entry in entry_points(group="pilot_to_prod.scenarios"):
        if entry.name not in _KINDS:
            _KINDS[entry.name] = entry.load()
    order = {f: i for i, f in enumerate(FAMILIES)}
    return dict(sorted(_KINDS.items(), key=lambda item: (order.get(item[1].family, len(order)), item[1].family, item[0])))


def is_attribute(value: str) -> bool:
    "Whether a parameter says `module:attribute` rather than the path of a file."
    return ":" in value and "/" not in value and "\\" not in value


def kind_named(name: str) -> Kind:
    "The kind of that name, or of `module:attribute`. Raises LookupError with the nearest names."
    if name in _KINDS:
        return _KINDS[name]
    if ":" in name:
        module, _, attribute = name.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if not isinstance(found, Kind):
            raise LookupError(f"{name} is a {type(found).__name__}, not a scenario: decorate it with register(...).")
        _KINDS.setdefault(name, found)
        return found
    known = kinds()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"Did you mean {', '.join(near)}?" if near else f"Known are: {', '.join(known)}."
        raise LookupError(f"no scenario is called {name!r}. {hint} Your own is named 'module:attribute'.")
    return known[name]


def leave_out(
    rows: pd.DataFrame,  # events that are hit
) -> pd.DataFrame:  # copies, delay
    "Events that do not arrive."
    return pd.DataFrame({"copies": 0, "delay": 0.0}, index=rows.index)
