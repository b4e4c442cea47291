"""What every scenario has in common: exact shares, nested severities, keyed draws, batches that do not matter, a ledger.

A scenario itself answers three questions only: which units may be hit, how likely each one is, and what it becomes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios._kinds import (
    DEPTHS,
    EXPECTATIONS,
    FAMILIES,
    UNITS,
    Depth,
    Expect,
    Kind,
    Place,
    Unit,
    kind_named,
    kind_of,
    kinds,
    leave_out,
    register,
    shipped,
)
from pilot_to_prod.scenarios._ledger import Entries, Ledger
from pilot_to_prod.scenarios._rows import Rows, row_keys
from pilot_to_prod.scenarios._select import Bounded, Pool, Tally, asked_of
from pilot_to_prod.scenarios._stage import Count, Stage
from pilot_to_prod.spec import Spec, canonical

EXERCISED = 0.05  # share of units that must be eligible for a scenario to say anything

__all__ = [
    "DEPTHS",
    "EXERCISED",
    "EXPECTATIONS",
    "FAMILIES",
    "UNITS",
    "Bound",
    "Composition",
    "Corruption",
    "Count",
    "Depth",
    "Expect",
    "Fitted",
    "Kind",
    "Place",
    "Rows",
    "Scenario",
    "Unit",
    "asked_of",
    "kind_named",
    "kinds",
    "leave_out",
    "register",
    "shipped",
]


@dataclass(frozen=True)
class Corruption:
    "A corrupted frame with its books."

    frame: pd.DataFrame
    ledger: Ledger
    counts: tuple[Count, ...]
    changed: np.ndarray  # rows that a pilot may answer differently: those hit, and all of them where a type changed; bool
    hit: np.ndarray  # rows that the scenario hit, shape (rows before,), bool
    labels: pd.Series | None = None  # canonical, only where the scenario changes labels
    source: np.ndarray | None = None  # row before of each row in `frame`, in order of arrival; None: the same rows

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
    def untreated(self) -> int:
        "Units that were left alone because the scenario knows nothing of their language."
        return sum(c.untreated for c in self.counts)

    @property
    def exercised(self) -> bool:
        "Whether at least 5% of the units could be hit and one was: below that it says nothing about the pilot."
        return self.delivered > 0 and self.eligible >= EXERCISED * self.units

    @property
    def arrived(self) -> np.ndarray:
        "Which of the rows before are in the frame, bool."
        out = np.ones(len(self.hit), bool)
        if self.source is not None:
            out[:] = False
            out[self.source] = True
        return out

    def _repr_html_(self) -> str:
        said = f"asked {self.asked}, delivered {self.delivered} of {self.eligible} eligible units"
        if self.untreated:
            said += f"; {self.untreated} units are in languages or scripts that it knows nothing of"
        return f"<p>{said}</p>" + self.ledger.table().head(10).to_html(index=False, escape=True)


def _shown(severity: float) -> str:
    "As short as it can be read back."
    return f"{severity:g}" if float(f"{severity:g}") == severity else repr(severity)


def _checked_severity(severity: float, name: str) -> float:
    if wrong := _severity_mistakes(severity, name):
        raise ValueError(wrong[0])
    return float(severity)


def _severity_mistakes(severity: Any, name: str) -> list[str]:
    if not isinstance(severity, bool) and isinstance(severity, int | float) and 0 <= severity <= 1:
        return []
    hint = f" Pass {severity / 100:g} for {severity:g}%." if isinstance(severity, int | float) and 1 < severity <= 100 else ""
    return [f"severity of {name!r} must be a number in [0, 1]; got {severity!r}.{hint}"]


@dataclass(frozen=True)
class Scenario:
    "One way in which reality differs from the lab, at one severity: a value, changed by `at` and combined by `>>`."

    name: str
    columns: tuple[str, ...] | None = None  # None: every column whose role it applies to
    severity: float = field(default=0.1, kw_only=True)
    params: tuple[tuple[str, Any], ...] = field(default=(), kw_only=True)
    expect: Expect = field(default="invariant", kw_only=True)
    home: str | None = field(default=None, kw_only=True, compare=False)  # folder of pilot.yaml, where "file.py:attribute" lies

    def __post_init__(self) -> None:
        kind = kind_named(self.name, self.home)
        wrong = _severity_mistakes(self.severity, self.name)
        if isinstance(self.columns, str):
            wrong.append(
                f"columns of {self.name!r} must be a list of names; got the text {self.columns!r}. Pass [{self.columns!r}]."
            )
        if self.expect not in EXPECTATIONS:
            wrong.append(f"expect of {self.name!r} must be one of {', '.join(EXPECTATIONS)}; got {self.expect!r}.")
        params = tuple((n, v.item() if isinstance(v, np.generic) else v) for n, v in self.params)
        wrong += kind.mistakes(dict(params))
        if wrong:
            raise ValueError(" ".join(wrong))
        made = {"severity": float(self.severity), "params": params, "home": kind.home}
        made["columns"] = None if self.columns is None else tuple(self.columns)
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def __hash__(self) -> int:  # parameters may hold lists
        return hash((self.stream, self.columns, self.severity, self.expect))

    @property
    def kind(self) -> Kind:
        return kind_of(self.name, self.home)

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

    def preview(
        self,
        values: Sequence[str] | pd.DataFrame,  # texts, or rows
        *,
        seed: int = 0,
        label: str | None = None,  # the label column, for scenarios of labels
        spec: Spec | None = None,
    ) -> pd.DataFrame:  # before, after
        'What it does to some texts or rows, side by side: `typos(severity=1).preview(["where is my parcel?"])`.'
        return previewed(self, values, seed, label, spec)

    def fit(self, reference: pd.DataFrame, spec: Spec | None = None) -> "Fitted":
        "Learn what it needs from reference rows; the spec names roles and ids, else they are guessed from the frame."
        return Fitted((Stage.fit(self, 0, reference, spec),), self, spec.data.id if spec else None)


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
        stages = tuple(Stage.fit(s, i, reference, spec) for i, s in enumerate(self.stages))
        return Fitted(stages, self, spec.data.id if spec else None)


def previewed(
    one: "Scenario", values: Sequence[str] | pd.DataFrame, seed: int, label: str | None, spec: Spec | None
) -> pd.DataFrame:
    "Before and after of the cells that differ, one row each; whole rows for rows and schemas."
    texts = not isinstance(values, pd.DataFrame)
    frame = values if isinstance(values, pd.DataFrame) else pd.DataFrame({"text": pd.Series(list(values), dtype="str")})
    if texts and one.columns is None:
        one = replace(one, columns=("text",))
    if label is not None:
        one = replace(one, columns=(label,))
    hit = one.fit(frame, spec).corrupt(frame, seed=seed)
    if texts and hit.source is None:
        return pd.DataFrame({"before": frame["text"], "after": hit.frame["text"]})
    if hit.source is not None or list(hit.frame.columns) != list(frame.columns):
        return hit.frame
    names = [c for c in frame if not frame[c].equals(hit.frame[c])]
    both = {f"{c}{' → after' if i else ''}": f[c] for c in names for i, f in enumerate((frame, hit.frame))}
    return pd.DataFrame(both)


Cuts = dict[str, Bounded]


@dataclass
class Fitted:
    "A scenario or composition that has learnt its reference."

    stages: tuple[Stage, ...]
    scenario: "Scenario | Composition"
    id_column: str | None

    def _severity(self, stage: Stage, severity: float | None) -> float:
        if isinstance(self.scenario, Composition):
            return stage.scenario.severity * (self.scenario.severity if severity is None else severity)
        return self.scenario.severity if severity is None else severity

    def _rows(self, frame: pd.DataFrame | Rows, confidence: np.ndarray | None = None) -> Rows:
        return frame if isinstance(frame, Rows) else Rows(frame, self.id_column, confidence=confidence)

    def corrupt(
        self,
        frame: pd.DataFrame | Rows,  # taken as the whole set; never changed
        *,
        seed: int = 0,
        severity: float | None = None,  # None: the scenario's own
        confidence: np.ndarray | None = None,  # of the clean pilot, shape (rows,), for scenarios that need it
    ) -> Corruption:
        "The frame as reality would deliver it, with the books. Untouched columns are shared, not copied."
        if severity is not None:
            _checked_severity(severity, self.scenario.name)
        return self._apply(self._rows(frame, confidence), seed, severity, None)

    def bind(
        self,
        batches: Iterable[pd.DataFrame | Rows],  # the whole set in any split; gone through several times, so no iterator
        *,
        seed: int = 0,
        severities: Sequence[float] | None = None,  # None: the scenario's own only
    ) -> "Bound":
        "Fix the cuts over a whole set, so that each batch can then be corrupted without its neighbours."
        parts: Iterable[pd.DataFrame | Rows] = list(batches) if isinstance(batches, Iterator) else batches
        if isinstance(parts, Sequence):
            parts = [self._rows(b) for b in parts]
        wanted = tuple([self.scenario.severity] if severities is None else severities)
        for s in wanted:
            _checked_severity(s, self.scenario.name)
        if not getattr(batches, "unique", False):  # a source that has looked itself is not gone through for it
            self._check_keys(parts)
        if len(self.stages) == 1:
            found = self._cuts(parts, 0, wanted, seed, ())
            return Bound(self, seed, {s: (c,) for s, c in found.items()})
        cuts: dict[float, tuple[Cuts, ...]] = {}
        for s in wanted:
            earlier: tuple[Cuts, ...] = ()
            for i in range(len(self.stages)):
                earlier = (*earlier, self._cuts(parts, i, (s,), seed, earlier)[s])
            cuts[s] = earlier
        return Bound(self, seed, cuts)

    def _check_keys(self, parts: Iterable[pd.DataFrame | Rows]) -> None:
        "Keys are unique over all batches. Raises ValueError."
        hashes = [self._rows(b).hashed for b in parts]
        if not hashes:
            raise ValueError(f"no batch to bind {self.scenario.name!r} over: pass the whole set, in any split.")
        seen = np.sort(np.concatenate(hashes)) if len(hashes) > 1 else hashes[0][:0]
        if (seen[1:] == seen[:-1]).any():
            keys = np.concatenate([self._rows(b).keys for b in parts])
            row_keys(pd.DataFrame(index=pd.Index(keys, dtype=object)))  # says which

    def _cuts(
        self,
        parts: Iterable[pd.DataFrame | Rows],
        number: int,
        severities: tuple[float, ...],
        seed: int,
        earlier: tuple[Cuts, ...],
    ) -> dict[float, Cuts]:
        "The cuts of one stage at some severities: one pass over the batches, a second one over many, and a look at the types."
        stage = self.stages[number]

        def staged() -> Iterator[tuple[Rows, Mapping[str, Pool]]]:
            for b in parts:
                rows = self._rows(b)
                for s, cuts in zip(self.stages, earlier, strict=False):
                    rows = s.run(rows, s.pools(rows, seed), _fixed(cuts)).rows
                yield rows, stage.pools(rows, seed)

        own = tuple(self._severity(stage, s) for s in severities)
        tallies: dict[str, Tally] = {}
        by_column = stage.kind.unit in ("column", "schema")
        for _, pools in staged():
            for name, pool in pools.items():
                tallies.setdefault(name, Tally(own)).add(pool)
            if by_column:
                break
        again = [t.needs() for t in tallies.values()]  # each gets ready for it
        if any(again):
            for _, pools in staged():
                for name, pool in pools.items():
                    tallies[name].look(pool)
        out = {
            s: {n: Bounded(t.cut(o), t.total, t.eligible) for n, t in tallies.items()}
            for s, o in zip(severities, own, strict=True)
        }
        open_ = set(out)
        for rows, pools in staged() if stage.settles else ():
            open_ -= {s for s in open_ if stage.settled(rows, pools, out[s])}
            if not open_:
                break
        return out

    def _apply(self, rows: Rows, seed: int, severity: float | None, bounds: tuple[Cuts, ...] | None) -> Corruption:
        entries: list[tuple[Entries, ...]] = []
        counts: list[Count] = []
        schema: list[dict[str, str]] = []
        changed, hit = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
        source: np.ndarray | None = None
        labels = False
        for i, stage in enumerate(self.stages):
            pools = stage.pools(rows, seed)
            cut_of = _own(self._severity(stage, severity)) if bounds is None else _fixed(bounds[i])
            out = stage.run(rows, pools, cut_of)
            rows = out.rows
            entries.append(tuple(out.ledger))
            counts += out.counts
            schema += out.schema
            labels |= out.labels
            for total, found in ((changed, out.changed), (hit, out.hit)):
                if source is None:
                    total |= found
                else:
                    np.logical_or.at(total, source, found)
            if out.source is not None:
                source = out.source if source is None else source[out.source]
        said = None
        if labels:
            name = next(s.label for s in self.stages if s.kind.unit == "label")
            said = rows.frame[name].map(canonical, na_action="ignore").astype("str")
        return Corruption(
            rows.frame, Ledger(tuple(entries), tuple(schema), self.id_column), tuple(counts), changed, hit, said, source
        )


def _own(severity: float) -> Callable[[str, Pool], Bounded]:
    "Cuts where one batch is the whole set."
    return lambda _, p: Bounded(p.lowest(asked_of(severity, p.eligible)), p.total, p.eligible)


def _fixed(cuts: Cuts) -> Callable[[str, Pool], Bounded]:
    return lambda name, _: cuts[name]


@dataclass
class Bound:
    "A fitted scenario whose cuts are fixed over a whole set: a batch comes out the same whatever stands beside it."

    fitted: Fitted
    seed: int
    cuts: Mapping[float, tuple[Cuts, ...]]

    def corrupt(
        self,
        batch: pd.DataFrame | Rows,
        severity: float | None = None,  # one of those bound; None: the only one
        *,
        confidence: np.ndarray | None = None,  # of the clean pilot, shape (rows,), for scenarios that need it
    ) -> Corruption:
        "One batch of the bound set, corrupted."
        if severity is None:
            if len(self.cuts) != 1:
                raise ValueError(f"several severities are bound ({', '.join(f'{s:g}' for s in self.cuts)}): name one.")
            severity = next(iter(self.cuts))
        if severity not in self.cuts:
            raise ValueError(f"severity {severity:g} was not bound; bound are {', '.join(f'{s:g}' for s in self.cuts)}.")
        return self.fitted._apply(self.fitted._rows(batch, confidence), self.seed, severity, self.cuts[severity])
