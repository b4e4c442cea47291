"""What every scenario has in common: exact shares, nested severities, keyed draws, batches that do not matter, a ledger.

A scenario itself answers three questions only: which units may be hit, how likely each one is, and what it becomes.
"""

import difflib
import importlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, Literal

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios._draws import Draws, key_hashes, name_hash, unit_hashes
from pilot_to_prod.scenarios._ledger import WHOLE, ColumnLedger, Ledger, row_keys
from pilot_to_prod.scenarios._text import Words, split_words
from pilot_to_prod.spec import Spec, guess_roles

Unit = Literal["word", "cell", "column"]
Expect = Literal["invariant", "directional", "abstain", "reject", "survive"]
EXPECTATIONS: tuple[Expect, ...] = ("invariant", "directional", "abstain", "reject", "survive")
EXERCISED = 0.05  # share of units that must be eligible for a scenario to say anything


@dataclass(frozen=True)
class Place:
    "Where a scenario is at work, for its hooks."

    column: str
    role: str
    learnt: Any  # what `learn` returned for this column, or None
    frame: pd.DataFrame  # the rows of the values at hand, for cells; the whole batch, for words
    keys: np.ndarray  # their row keys
    spec: Spec | None = None  # the promise, while learning


@dataclass(frozen=True)
class Kind:
    """A registered way in which reality differs from the lab; call it to get a scenario.

    Hooks see only units and their own parameters, so that shares, nesting and the ledger hold for every kind:
    `eligible(units, place) -> bool mask`, `weight(units, place) -> positive weights`,
    `change(units, draws, place) -> new units, each different from the old one`, `learn(reference, place) -> anything`.
    Units are strings for words and a Series for cells.
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

    @cached_property
    def parameters(self) -> dict[str, Any]:
        "Its own keyword-only parameters and their defaults."
        found = inspect.signature(self.change).parameters.values()
        return {p.name: p.default for p in found if p.kind is inspect.Parameter.KEYWORD_ONLY}

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.change) or ""

    def __call__(self, *columns: str, severity: float = 0.1, expect: Expect | None = None, **params: Any) -> "Scenario":
        return Scenario(
            self.name, columns or None, severity=severity, params=tuple(sorted(params.items())), expect=expect or self.expect
        )

    def __repr__(self) -> str:
        return f"<scenario kind {self.name}: {self.family}, {self.unit}, {'/'.join(self.roles)}>"


_KINDS: dict[str, Kind] = {}
FAMILIES = ("missing", "messy", "multilingual")


def register(
    family: str,
    *,
    unit: Unit,
    roles: Sequence[str],
    expect: Expect,
    eligible: Callable[..., Any] | None = None,
    weight: Callable[..., Any] | None = None,
    learn: Callable[..., Any] | None = None,
    severities: Sequence[float] | None = None,
    variants: Callable[[Spec], list[dict[str, Any]] | str] | None = None,
    name: str | None = None,  # None: the name of the function
) -> Callable[[Callable[..., Any]], Kind]:
    "Decorator: make a `change` function a scenario kind that can be called, composed and named in pilot.yaml."

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
    return dict(sorted(_KINDS.items(), key=lambda item: (item[1].family, item[0])))


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


@dataclass(frozen=True)
class Count:
    "What one column of one stage was asked for and got."

    stage: int
    scenario: str
    column: str
    units: int
    eligible: int
    asked: int
    delivered: int


@dataclass(frozen=True)
class Corruption:
    "A corrupted frame with its books."

    frame: pd.DataFrame
    ledger: Ledger
    counts: tuple[Count, ...]
    changed: np.ndarray  # rows that a pilot may answer differently: those hit, and all of them where a type changed; bool
    hit: np.ndarray  # rows with a cell that was changed, shape (rows,), bool
    labels: pd.Series | None = None  # only where the scenario changes labels

    @property
    def asked(self) -> int:
        "Units that had to be hit: floor(severity x eligible + 1/2), summed over columns and stages."
        return sum(c.asked for c in self.counts)

    @property
    def eligible(self) -> int:
        return sum(c.eligible for c in self.counts)

    @property
    def delivered(self) -> int:
        return sum(c.delivered for c in self.counts)

    @property
    def units(self) -> int:
        return sum(c.units for c in self.counts)

    @property
    def exercised(self) -> bool:
        "Whether at least 5% of the units could be hit and one was: below that it says nothing about the pilot."
        return self.delivered > 0 and self.eligible >= EXERCISED * self.units

    def _repr_html_(self) -> str:
        said = f"asked {self.asked}, delivered {self.delivered} of {self.eligible} eligible units"
        return f"<p>{said}</p>" + self.ledger.table().head(10).to_html(index=False, escape=True)


@dataclass(frozen=True)
class _Cut:
    "The last unit inside: everything up to it, in order of (priority, bits), is hit."

    bits: np.uint64
    priority: float | None = None
    count: int = 0


def asked_of(severity: float, eligible: int) -> int:
    "Units to hit: floor(severity x eligible + 1/2)."
    return int(np.floor(severity * eligible + 0.5))


def _cut(bits: np.ndarray, priority: np.ndarray | None, k: int) -> _Cut | None:
    if k == 0:
        return None
    if priority is None:
        return _Cut(np.partition(bits, k - 1)[k - 1], count=k)
    edge = float(np.partition(priority, k - 1)[k - 1])
    room = k - int((priority < edge).sum())
    return _Cut(np.sort(bits[priority == edge])[room - 1], edge, k)


@dataclass
class _Pool:
    "The eligible units of one column of one batch, with their draws and their order."

    total: int
    where: np.ndarray  # position of each eligible unit among all units
    rows: np.ndarray  # row position of each eligible unit
    draws: Draws
    bits: np.ndarray
    priority: np.ndarray | None
    words: Words | None = None

    def hits(self, cut: _Cut | None) -> np.ndarray:
        "Indices into the pool of the units inside the cut, in unit order."
        if cut is None:
            return np.zeros(0, np.int64)
        if self.priority is None:
            return np.flatnonzero(self.bits <= cut.bits)
        assert cut.priority is not None
        inside = (self.priority < cut.priority) | ((self.priority == cut.priority) & (self.bits <= cut.bits))
        return np.flatnonzero(inside)


def _shown(severity: float) -> str:
    "As short as it can be read back."
    return f"{severity:g}" if float(f"{severity:g}") == severity else repr(severity)


def _checked_severity(severity: float, name: str) -> float:
    if isinstance(severity, bool) or not isinstance(severity, int | float) or not 0 <= severity <= 1:
        hint = (
            f" Pass {severity / 100:g} for {severity:g}%." if isinstance(severity, int | float) and 1 < severity <= 100 else ""
        )
        raise ValueError(f"severity of {name!r} must be a number in [0, 1]; got {severity!r}.{hint}")
    return float(severity)


@dataclass(frozen=True)
class Scenario:
    "One way in which reality differs from the lab, at one severity: a value, changed by `at` and combined by `>>`."

    name: str
    columns: tuple[str, ...] | None = None  # None: every column whose role it applies to
    severity: float = field(default=0.1, kw_only=True)
    params: tuple[tuple[str, Any], ...] = field(default=(), kw_only=True)
    expect: Expect = field(default="invariant", kw_only=True)

    def __post_init__(self) -> None:
        kind = kind_named(self.name)
        object.__setattr__(self, "severity", _checked_severity(self.severity, self.name))
        if isinstance(self.columns, str):
            raise ValueError(
                f"columns of {self.name!r} must be a list of names; got the text {self.columns!r}. Pass [{self.columns!r}]."
            )
        if self.columns is not None:
            object.__setattr__(self, "columns", tuple(self.columns))
        if self.expect not in EXPECTATIONS:
            raise ValueError(f"expect of {self.name!r} must be one of {', '.join(EXPECTATIONS)}; got {self.expect!r}.")
        for name, _ in self.params:
            if name not in kind.parameters:
                near = difflib.get_close_matches(name, kind.parameters, n=1)
                raise ValueError(
                    f"scenario {self.name!r} has no parameter {name!r}. "
                    + (f"Did you mean {near[0]!r}? " if near else "")
                    + (f"It takes: {', '.join(kind.parameters)}." if kind.parameters else "It takes none.")
                )

    @property
    def kind(self) -> Kind:
        return kind_named(self.name)

    @property
    def family(self) -> str:
        return self.kind.family

    @property
    def label(self) -> str:
        "Its name and parameters for people, without severity: `parallel_text(language='de')`."
        shown = [f"{k}={v!r}" for k, v in self.params]
        return f"{self.name}({', '.join(shown)})" if shown else self.name

    def at(self, severity: float) -> "Scenario":
        "The same scenario, stronger or weaker."
        return replace(self, severity=severity)

    def __rshift__(self, other: "Scenario | Composition") -> "Composition":
        return Composition((self,)) >> other

    def __repr__(self) -> str:
        parts = [repr(c) for c in self.columns or ()] + [f"severity={_shown(self.severity)}"]
        parts += [f"{k}={v!r}" for k, v in self.params]
        if self.expect != self.kind.expect:
            parts.append(f"expect={self.expect!r}")
        if ":" in self.name:
            named = [f"columns={list(self.columns)!r}"] if self.columns else []
            return f"scenario({', '.join([repr(self.name), *named, *parts[len(self.columns or ()) :]])})"
        return f"{self.name}({', '.join(parts)})"

    def to_json(self) -> dict[str, Any]:
        "Name and parameters as plain values; `scenario(**value)` gives it back."
        out: dict[str, Any] = {"name": self.name, "severity": self.severity, **dict(self.params)}
        if self.columns is not None:
            out["columns"] = list(self.columns)
        if self.expect != self.kind.expect:
            out["expect"] = self.expect
        return out

    @property
    def stream(self) -> str:
        "What its draws are keyed by: everything but the severity and what is expected of the pilot."
        params = self.kind.parameters | dict(self.params)
        return json.dumps([self.name, params], sort_keys=True, default=str)

    def fit(self, reference: pd.DataFrame, spec: Spec | None = None) -> "Fitted":
        "Learn what it needs from reference rows; the spec names roles and ids, else they are guessed from the frame."
        return Fitted((_Stage.fit(self, 0, reference, spec),), self, spec.data.id if spec else None)


@dataclass(frozen=True)
class Composition:
    "Scenarios one after the other; its severity multiplies those of its stages."

    stages: tuple[Scenario, ...]
    severity: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "severity", _checked_severity(self.severity, "composition"))
        object.__setattr__(self, "stages", tuple(self.stages))

    @property
    def name(self) -> str:
        return " >> ".join(s.name for s in self.stages)

    @property
    def label(self) -> str:
        return " >> ".join(s.label for s in self.stages)

    @property
    def family(self) -> str:
        families = dict.fromkeys(s.family for s in self.stages)
        return next(iter(families)) if len(families) == 1 else "composed"

    @property
    def expect(self) -> Expect:
        "What its last stage expects."
        return self.stages[-1].expect

    def at(self, severity: float) -> "Composition":
        return replace(self, severity=severity)

    def __rshift__(self, other: "Scenario | Composition") -> "Composition":
        if isinstance(other, Composition) and other.severity != 1:
            other = Composition(tuple(s.at(s.severity * other.severity) for s in other.stages))
        stages = tuple(s.at(s.severity * self.severity) for s in self.stages)
        return Composition((*stages, *(other.stages if isinstance(other, Composition) else (other,))))

    def __repr__(self) -> str:
        inner = " >> ".join(map(repr, self.stages))
        return inner if self.severity == 1 else f"({inner}).at({_shown(self.severity)})"

    def to_json(self) -> dict[str, Any]:
        return {"stages": [s.to_json() for s in self.stages], "severity": self.severity}

    def fit(self, reference: pd.DataFrame, spec: Spec | None = None) -> "Fitted":
        stages = tuple(_Stage.fit(s, i, reference, spec) for i, s in enumerate(self.stages))
        return Fitted(stages, self, spec.data.id if spec else None)


@dataclass
class _Stage:
    "One fitted scenario at its place in a composition."

    scenario: Scenario
    number: int
    columns: dict[str, str]  # column -> role
    learnt: dict[str, Any]
    stream: np.uint64
    params: dict[str, Any]
    live: list[str] = field(default_factory=list)  # columns that are not empty as it is

    @classmethod
    def fit(cls, scenario: Scenario, number: int, reference: pd.DataFrame, spec: Spec | None) -> "_Stage":
        kind, params = scenario.kind, scenario.kind.parameters | dict(scenario.params)
        roles = spec.roles if spec is not None else guess_roles(reference)
        if scenario.columns is None:
            columns = {c: r for c, r in roles.items() if r in kind.roles and c in reference}
            if not columns:
                raise ValueError(
                    f"scenario {scenario.name!r} applies to {', '.join(kind.roles)} columns; the data has none "
                    f"({', '.join(f'{c}: {r}' for c, r in roles.items())}). Name columns=[…], or leave it out of the suite."
                )
        else:
            gone = [c for c in scenario.columns if c not in reference]
            if gone:
                near = difflib.get_close_matches(gone[0], list(map(str, reference.columns)), n=1)
                raise ValueError(
                    f"scenario {scenario.name!r}: no column {gone[0]!r} in the data. "
                    + (f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(map(str, reference.columns))}.")
                )
            columns = {c: roles[c] if roles.get(c) in kind.roles else kind.roles[0] for c in scenario.columns}
        stage = cls(scenario, number, columns, {}, name_hash("stage", number, scenario.stream), params)
        stage.live = [c for c in sorted(columns) if reference[c].notna().any()]
        if kind.learn is not None:
            keys = np.arange(len(reference)).astype(str).astype(object)
            for c, role in columns.items():
                stage.learnt[c] = kind.learn(reference[c], Place(c, role, None, reference, keys, spec), **params)
        return stage

    def pools(self, frame: pd.DataFrame, keys: np.ndarray, seed: int) -> dict[str, _Pool]:
        "The eligible units of every column, with their draws."
        if self.scenario.kind.unit == "column":
            return {"*": self._column_pool(seed)}
        hashed = key_hashes(keys)
        return {c: self._pool(frame, c, role, keys, hashed, seed) for c, role in self.columns.items()}

    def _column_pool(self, seed: int) -> _Pool:
        names = np.array(self.live, dtype=object)
        zeros = np.zeros(len(names), np.int64)
        draws = Draws(unit_hashes(key_hashes(names), zeros, seed=seed, stream=self.stream, column="*"))
        return _Pool(len(self.columns), np.arange(len(names)), zeros, draws, draws.bits("select"), None)

    def _pool(self, frame: pd.DataFrame, column: str, role: str, keys: np.ndarray, hashed: np.ndarray, seed: int) -> _Pool:
        kind, series, words = self.scenario.kind, frame[column], None
        place = Place(column, role, self.learnt.get(column), frame, keys)
        if kind.unit == "word":
            words = split_words(_texts(series, column, role))
            rows, units, total = words.row, words.unit, len(words)
            allowed = self._eligible_words(words, place)
        else:
            rows, total = np.arange(len(series)), len(series)
            units = np.zeros(total, np.int64)
            allowed = series.notna().to_numpy()
            if kind.eligible is not None:
                allowed = allowed & np.asarray(kind.eligible(series, place, **self.params), dtype=bool)
        weights = None
        if kind.weight is not None:
            weights = np.asarray(kind.weight(series if words is None else words.strings(), place, **self.params), float)
            allowed = allowed & (weights > 0)
        where = np.flatnonzero(allowed)
        rows, units = rows[where], units[where]
        draws = Draws(unit_hashes(hashed[rows], units, seed=seed, stream=self.stream, column=column))
        priority = None if weights is None else -np.log(draws.uniform("select")) / weights[where]
        return _Pool(total, where, rows, draws, draws.bits("select"), priority, words)

    def _eligible_words(self, words: Words, place: Place) -> np.ndarray:
        kind = self.scenario.kind
        if kind.eligible is None or not len(words):
            return np.ones(len(words), bool)
        codes, distinct = pd.factorize(np.array(words.strings(), dtype=object))
        return np.asarray(kind.eligible(list(distinct), place, **self.params), dtype=bool)[codes]

    def pooled(self, parts: Iterable[pd.DataFrame], seed: int, id_column: str | None) -> list["_Part"]:
        "Every batch with its keys and its pools."
        keyed = ((b, row_keys(b, id_column)) for b in parts)
        return [(b, keys, self.pools(b, keys, seed)) for b, keys in keyed]

    def bounds(self, parts: list["_Part"], severity: float) -> dict[str, "_Bound"]:
        "The cut of every column over all batches together."
        used = parts[:1] if self.scenario.kind.unit == "column" else parts
        cuts = {name: _joined([p[name] for _, _, p in used], severity) for name in (used[0][2] if used else {})}
        self.settle(parts, cuts)
        return cuts

    def settle(self, parts: list["_Part"], cuts: dict[str, "_Bound"]) -> None:
        "Note the type each column takes where it is hit, so that a batch without a hit has it as well."
        for name, bound in cuts.items():
            for frame, keys, pools in parts:
                if len(pools[name].hits(bound.cut)):
                    out = self.run(frame, keys, {name: pools[name]}, cuts)[0]
                    columns = self.columns if self.scenario.kind.unit == "column" else (name,)
                    bound.dtypes.update({c: out[c].dtype for c in columns if out[c].dtype != frame[c].dtype})
                    break

    def run(
        self, frame: pd.DataFrame, keys: np.ndarray, pools: dict[str, _Pool], cuts: dict[str, "_Bound"]
    ) -> tuple[pd.DataFrame, tuple[ColumnLedger, ...], list[Count], np.ndarray, np.ndarray, list[dict[str, str]]]:
        out, ledger, counts = frame, [], []
        changed, hit, schema = np.zeros(len(frame), bool), np.zeros(len(frame), bool), []
        for name, pool in pools.items():
            hits = pool.hits(cuts[name].cut)
            if self.scenario.kind.unit == "column":
                chosen = [self.live[i] for i in pool.where[hits]]
                targets: list[tuple[str, pd.Series, ColumnLedger | None]] = [(c, *self._whole(frame, c, keys)) for c in chosen]
                counts.append(Count(self.number, self.scenario.name, "*", pool.total, len(pool.where), len(hits), len(hits)))
            else:
                series, entries = self._changed(frame, name, keys, pool, hits) if len(hits) else (frame[name], None)
                targets = [(name, series, entries)]
                got = 0 if entries is None else _differing(entries)
                counts.append(Count(self.number, self.scenario.name, name, pool.total, len(pool.where), len(hits), got))
            for column, series, entries in targets:
                if entries is None or not len(entries):
                    continue
                if out is frame:
                    out = frame.copy(deep=False)
                out[column] = series
                ledger.append(entries)
                if series.dtype != frame[column].dtype:
                    changed[:] = True
                    schema.append(
                        {"operation": "dtype", "column": column, "old": str(frame[column].dtype), "new": str(series.dtype)}
                    )
                hit |= pd.Index(keys).isin(entries.keys)
        changed |= hit
        for column, dtype in {c: d for bound in cuts.values() for c, d in bound.dtypes.items()}.items():
            changed[:] = True
            if out[column].dtype != dtype:
                out = frame.copy(deep=False) if out is frame else out
                out[column] = out[column].astype(dtype)
        return out, tuple(ledger), counts, changed, hit, schema

    def _whole(self, frame: pd.DataFrame, column: str, keys: np.ndarray) -> tuple[pd.Series, ColumnLedger]:
        series = frame[column]
        place = Place(column, self.columns[column], self.learnt.get(column), frame, keys)
        new = self.scenario.kind.change(series, Draws(np.zeros(len(series), np.uint64)), place, **self.params)
        where = np.flatnonzero(series.notna().to_numpy())
        return _assign(series, where, np.asarray(new, dtype=object)[where], keys)

    def _changed(
        self, frame: pd.DataFrame, column: str, keys: np.ndarray, pool: _Pool, hits: np.ndarray
    ) -> tuple[pd.Series, ColumnLedger]:
        kind, role, series = self.scenario.kind, self.columns[column], frame[column]
        draws, where = pool.draws[hits], pool.where[hits]
        if pool.words is None:
            part = frame.iloc[where]
            place = Place(column, role, self.learnt.get(column), part, keys[where])
            return _assign(series, where, kind.change(part[column], draws, place, **self.params), keys)
        words = pool.words
        old = words.strings(where)
        place = Place(column, role, self.learnt.get(column), frame, keys)
        new = list(kind.change(old, draws, place, **self.params))
        if len(new) != len(old):
            raise ValueError(f"scenario {kind.name!r} returned {len(new)} words for {len(old)}; a change must return one each.")
        texts: list[Any] = words.replace(where, new)
        for i, v in enumerate(series.astype(object)):
            if not isinstance(v, str):
                texts[i] = v
        rows = words.row[where]
        dtype: Any = series.dtype if isinstance(series.dtype, pd.StringDtype) else np.dtype(object)
        entries = ColumnLedger(
            column,
            series.dtype,
            dtype,
            keys[rows],
            words.start[where] - words.offsets[rows],
            np.array(old, dtype=object),
            np.array(new, dtype=object),
        )
        return pd.Series(texts, index=series.index, name=series.name, dtype=dtype), entries


def _texts(series: pd.Series, column: str, role: str) -> list[str]:
    "The cells as strings; missing ones, and values of a category that are not text, as ''. Raises ValueError in a text column."
    values = series.fillna("").tolist() if isinstance(series.dtype, pd.StringDtype) else series.astype(object).tolist()
    out: list[str] = []
    for i, v in enumerate(values):
        if isinstance(v, str):
            out.append(v)
        elif role != "text" or v is None or v is pd.NA or v != v:
            out.append("")
        else:
            raise ValueError(
                f"column {column!r}, row {i}: text expected, got {type(v).__name__} {v!r}. "
                f"Read it as text (dtype 'str'), or give it the role number or category."
            )
    return out


def _missing(values: np.ndarray) -> np.ndarray:
    return np.asarray(pd.isna(values), dtype=bool)


def _assign(series: pd.Series, where: np.ndarray, new: Any, keys: np.ndarray) -> tuple[pd.Series, ColumnLedger]:
    "The column with some cells replaced, in the narrowest type that a feed would deliver, and the record of it."
    if len(new) != len(where):
        raise ValueError(
            f"a change of {series.name!r} returned {len(new)} values for {len(where)} cells; it must return one each."
        )
    old = series.iloc[where].astype(object).to_numpy()
    fresh = np.asarray(new, dtype=object)
    gone = _missing(fresh)
    dtype = _type_after(series, pd.Series(fresh[~gone]).infer_objects(), bool(gone.any()))
    entries = ColumnLedger(str(series.name), series.dtype, dtype, keys[where], np.full(len(where), WHOLE), old, fresh)
    if dtype == np.dtype(object):
        values = series.astype(object).to_numpy(copy=True)
        values[where] = fresh
        values[where[gone]] = np.nan
        return pd.Series(values, index=series.index, name=series.name, dtype=object), entries
    out = series.astype(dtype) if dtype != series.dtype else series.copy()
    out.iloc[where] = pd.Series(fresh, index=out.index[where]).where(~gone, None).astype(dtype).array
    return out, entries


def _type_after(series: pd.Series, kept: pd.Series, gone: bool) -> Any:
    "The type of a column once some cells hold `kept` values, or, with `gone`, nothing."
    dtype: Any = series.dtype
    none = not len(kept)
    if pd.api.types.is_bool_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype):
        return (
            dtype
            if isinstance(dtype, pd.BooleanDtype) and (none or pd.api.types.is_bool_dtype(kept.dtype))
            else np.dtype(object)
        )
    if pd.api.types.is_numeric_dtype(dtype):
        return _number_after(series, kept, gone) if none or pd.api.types.is_numeric_dtype(kept.dtype) else np.dtype(object)
    if isinstance(dtype, pd.StringDtype):
        return dtype if all(isinstance(v, str) for v in kept) else np.dtype(object)
    if isinstance(dtype, pd.CategoricalDtype):
        return dtype if kept.isin(dtype.categories).all() else np.dtype(object)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        if none or not pd.api.types.is_datetime64_any_dtype(kept.dtype):
            return dtype if none else np.dtype(object)
        far = (
            getattr(dtype, "unit", np.datetime_data(dtype)[0] if isinstance(dtype, np.dtype) else "") == "ns"
            and kept.dt.year.max() > 2261
        )
        return (
            (pd.DatetimeTZDtype("us", dtype.tz) if isinstance(dtype, pd.DatetimeTZDtype) else np.dtype("datetime64[us]"))
            if far
            else dtype
        )
    return np.dtype(object)


def _number_after(series: pd.Series, kept: pd.Series, gone: bool) -> Any:
    "Whole numbers stay whole where they can: with a gap they become floats, or nullable where a float cannot hold them."
    dtype: Any = series.dtype
    values = kept.to_numpy()
    if not isinstance(dtype, np.dtype):
        if not len(kept) or np.can_cast(values.dtype, dtype.numpy_dtype):
            return dtype
        return pd.Float64Dtype() if values.dtype.kind == "f" else pd.Int64Dtype()
    found = np.result_type(dtype, values.dtype) if len(kept) else dtype
    if gone and found.kind in "iu":
        wide = series.dropna().abs().max() > 2**53 if len(series.dropna()) else False
        return (pd.Int64Dtype() if found.kind == "i" else pd.UInt64Dtype()) if wide else np.dtype("float64")
    return found


def _differing(entries: ColumnLedger) -> int:
    old, new = entries.old, entries.new
    gone_old, gone_new = _missing(old), _missing(new)
    same = np.fromiter((type(a) is type(b) and a == b for a, b in zip(old, new, strict=True)), bool, len(old))
    return int((~((gone_old & gone_new) | (same & ~gone_old & ~gone_new))).sum())


@dataclass(frozen=True)
class _Bound:
    "The cut of one column, with what it was made from and the types that its hits force on whole columns."

    cut: _Cut | None
    total: int
    eligible: int
    dtypes: dict[str, Any] = field(default_factory=dict)


def _joined(pools: Sequence[_Pool], severity: float) -> _Bound:
    bits = np.concatenate([p.bits for p in pools])
    weighted = pools[0].priority is not None
    priority = np.concatenate([p.priority for p in pools if p.priority is not None]) if weighted else None
    cut = _cut(bits, priority, asked_of(severity, len(bits)))
    return _Bound(cut, sum(p.total for p in pools), len(bits))


_Part = tuple[pd.DataFrame, np.ndarray, dict[str, _Pool]]


@dataclass
class Fitted:
    "A scenario or composition that has learnt its reference."

    stages: tuple[_Stage, ...]
    scenario: "Scenario | Composition"
    id_column: str | None

    def _severity(self, stage: _Stage, severity: float | None) -> float:
        if isinstance(self.scenario, Composition):
            return stage.scenario.severity * (self.scenario.severity if severity is None else severity)
        return self.scenario.severity if severity is None else severity

    def corrupt(
        self,
        frame: pd.DataFrame,  # taken as the whole set; never changed
        *,
        seed: int = 0,
        severity: float | None = None,  # None: the scenario's own
    ) -> Corruption:
        "The frame as reality would deliver it, with the books. Untouched columns are shared, not copied."
        if severity is not None:
            _checked_severity(severity, self.scenario.name)
        return self._apply(frame, seed, severity, None)

    def bind(
        self,
        batches: Iterable[pd.DataFrame],  # the whole set in any split; iterated once for each stage
        *,
        seed: int = 0,
        severities: Sequence[float] | None = None,  # None: the scenario's own only
    ) -> "Bound":
        "Fix the cuts over a whole set, so that each batch can then be corrupted without its neighbours."
        parts = list(batches)
        if not parts:
            raise ValueError(f"no batch to bind {self.scenario.name!r} over: pass the whole set, in any split.")
        seen = np.concatenate([row_keys(b, self.id_column) for b in parts])
        row_keys(pd.DataFrame(index=pd.Index(seen, dtype=object)))
        wanted = [self.scenario.severity] if severities is None else list(severities)
        for s in wanted:
            _checked_severity(s, self.scenario.name)
        if len(self.stages) == 1:
            stage = self.stages[0]
            found = stage.pooled(parts, seed, self.id_column)
            cuts: dict[float, tuple[dict[str, _Bound], ...]] = {s: (stage.bounds(found, s),) for s in wanted}
        else:
            cuts = {s: self._bind_stages(parts, seed, s) for s in wanted}
        return Bound(self, seed, cuts)

    def _bind_stages(self, parts: list[pd.DataFrame], seed: int, severity: float) -> tuple[dict[str, _Bound], ...]:
        found: list[dict[str, _Bound]] = []
        for stage in self.stages:
            pooled = stage.pooled(parts, seed, self.id_column)
            cuts = stage.bounds(pooled, self._severity(stage, severity))
            parts = [stage.run(b, keys, p, cuts)[0] for b, keys, p in pooled]
            found.append(cuts)
        return tuple(found)

    def _apply(
        self, frame: pd.DataFrame, seed: int, severity: float | None, bounds: tuple[dict[str, _Bound], ...] | None
    ) -> Corruption:
        keys, out = row_keys(frame, self.id_column), frame
        stages: list[tuple[ColumnLedger, ...]] = []
        counts: list[Count] = []
        schema: list[dict[str, str]] = []
        changed, hit = np.zeros(len(frame), bool), np.zeros(len(frame), bool)
        for i, stage in enumerate(self.stages):
            pools = stage.pools(out, keys, seed)
            own = self._severity(stage, severity)
            cuts = bounds[i] if bounds is not None else {n: _joined([p], own) for n, p in pools.items()}
            out, entries, got, touched, struck, altered = stage.run(out, keys, pools, cuts)
            stages.append(entries)
            counts += got
            schema += altered
            changed |= touched
            hit |= struck
        ledger = Ledger(tuple(stages), schema=tuple(schema), id_column=self.id_column)
        return Corruption(out, ledger, tuple(counts), changed, hit)


@dataclass
class Bound:
    "A fitted scenario whose cuts are fixed over a whole set: a batch comes out the same whatever stands beside it."

    fitted: Fitted
    seed: int
    cuts: Mapping[float, tuple[dict[str, _Bound], ...]]

    def corrupt(
        self,
        batch: pd.DataFrame,
        severity: float | None = None,  # one of those bound; None: the only one
    ) -> Corruption:
        "One batch of the bound set, corrupted."
        if severity is None:
            if len(self.cuts) != 1:
                raise ValueError(f"several severities are bound ({', '.join(f'{s:g}' for s in self.cuts)}): name one.")
            severity = next(iter(self.cuts))
        if severity not in self.cuts:
            raise ValueError(f"severity {severity:g} was not bound; bound are {', '.join(f'{s:g}' for s in self.cuts)}.")
        return self.fitted._apply(batch, self.seed, severity, self.cuts[severity])
