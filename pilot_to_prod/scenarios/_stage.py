"""One scenario at its place in a composition: finds its units in a batch, and changes those inside the cut."""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios._assign import Room, assigned, differing, filled
from pilot_to_prod.scenarios._draws import Draws, Keyed, key_hashes, name_hash, row_hashes
from pilot_to_prod.scenarios._kernels import edited, gathered
from pilot_to_prod.scenarios._kinds import Kind, Place, is_attribute
from pilot_to_prod.scenarios._ledger import ColumnLedger, Entries, RowLedger, SchemaLedger, Spans
from pilot_to_prod.scenarios._rows import UNKNOWN, Rows, as_text
from pilot_to_prod.scenarios._select import Bounded, Pool
from pilot_to_prod.scenarios._text import PROTECTED, Words, packed, spans_of
from pilot_to_prod.spec import Spec, canonical, guess_roles

if TYPE_CHECKING:
    from pilot_to_prod.scenarios._engine import Scenario

_ALL = "*"  # the name of a pool over several columns
_KNOWN = "\0"  # stands among the types of a column that was looked at
_PROBE = 1024  # units that are changed to find out the type that a column takes
_DETECTED = 10_000  # distinct reference texts from which the usual language is learnt


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
    untreated: int = 0  # units in a language or script that the scenario knows nothing of


@dataclass
class Outcome:
    "What one stage made of a batch."

    rows: Rows
    ledger: list[Entries] = field(default_factory=list)
    counts: list[Count] = field(default_factory=list)
    schema: list[dict[str, str]] = field(default_factory=list)
    changed: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # rows that may be answered differently
    hit: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))  # rows whose values changed
    source: np.ndarray | None = None  # row before of each row after; None: the same
    labels: bool = False  # whether the labels changed


class Pools(Mapping[str, Pool]):
    "The pools of one batch, each found when asked for, and kept where the batch will be asked again."

    def __init__(self, stage: "Stage", rows: Rows, seed: int) -> None:
        self.stage, self.rows, self.seed, self._kept = stage, rows, seed, dict[str, Pool]()

    @cached_property
    def _mixed(self) -> np.ndarray:
        if self.stage.kind.unit in ("column", "schema"):
            return np.zeros(0, np.uint64)
        made = row_hashes(self.rows.hashed, seed=self.seed, stream=self.stage.stream)
        if not self.rows.keep:
            self.rows.__dict__.pop("hashed")
        return made

    def __getitem__(self, name: str) -> Pool:
        if name in self._kept:
            return self._kept[name]
        made = self.stage.pool(self.rows, name, self.seed, self._mixed)
        if self.rows.keep or len(self) == 1:
            self._kept[name] = made
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self.stage.names)

    def __len__(self) -> int:
        return len(self.stage.names)


@dataclass
class Stage:
    "One fitted scenario."

    scenario: "Scenario"
    number: int
    columns: dict[str, str]  # column -> role
    learnt: dict[str, Any]
    stream: np.uint64
    params: dict[str, Any]
    spec: Spec | None = None
    label: str | None = None
    classes: dict[str, Any] = field(default_factory=dict)  # canonical -> as the data write it
    live: list[str] = field(default_factory=list)  # columns that are not empty as it is
    tongues: dict[str, str] = field(default_factory=dict)  # column -> its usual language

    @property
    def kind(self) -> Kind:
        return self.scenario.kind

    @classmethod
    def fit(cls, scenario: "Scenario", number: int, reference: pd.DataFrame, spec: Spec | None) -> "Stage":
        kind, params = scenario.kind, scenario.kind.parameters | dict(scenario.params)
        if spec is not None:
            params |= {n: spec.path(params[n]) for n in kind.files if params[n] is not None and not is_attribute(params[n])}
        label = spec.data.label if spec is not None else None
        if kind.unit == "label":
            label = scenario.columns[0] if scenario.columns else label
            if label is None or label not in reference:
                raise ValueError(
                    f"scenario {scenario.name!r} changes labels and needs their column: {scenario.name}('label column'), or a pilot "
                    f"whose data.label is there. The data has {', '.join(map(str, reference.columns))}."
                )
        columns = {label: "label"} if kind.unit == "label" and label else _columns_of(scenario, reference, spec)
        stage = cls(scenario, number, columns, {}, name_hash("stage", number, scenario.stream), params, spec, label)
        if kind.unit == "column":
            stage.live = [c for c in sorted(columns) if reference[c].notna().any()]
        if label is not None and label in reference:
            known = reference[label].dropna()
            stage.classes = {canonical(v): v for v in known.drop_duplicates().tolist()}
            stage.classes = {k: stage.classes[k] for k in sorted(stage.classes)}
        stage._learn(reference)
        stage._hear(reference)
        return stage

    def _learn(self, reference: pd.DataFrame) -> None:
        if self.kind.learn is None:
            return
        rows = Rows(reference, keys=np.arange(len(reference)))
        if self.kind.unit in ("row", "schema", "event"):
            self.learnt[_ALL] = self.kind.learn(reference, self._place(_ALL, rows), **self.params)
            return
        for c in self.columns:
            self.learnt[c] = self.kind.learn(reference[c], self._place(c, rows), **self.params)

    def _hear(self, reference: pd.DataFrame) -> None:
        "The usual language of each text column: as the promise says, else the commonest of the reference."
        if not self._asks_language:
            return
        for c, role in self.columns.items():
            if self.spec is not None and self.spec.data.language is not None:
                self.tongues[c] = self.spec.data.language
                continue
            from pilot_to_prod.scenarios._languages import detect

            texts = as_text(reference[c], c, role).dropna().drop_duplicates()
            texts = texts.iloc[:: max(1, len(texts) // _DETECTED)]
            found, _ = detect(texts.astype(str).tolist())
            known = pd.Series(found[found != UNKNOWN])
            self.tongues[c] = str(known.value_counts().sort_index(kind="stable").idxmax()) if len(known) else UNKNOWN

    @property
    def _asks_language(self) -> bool:
        kind = self.kind
        if kind.by_language is not None:
            return self.params[kind.by_language] is None
        return kind.languages is not None

    def _place(
        self, column: str, rows: Rows, at: np.ndarray | None = None, language: str | None = None, seed: int = 0
    ) -> Place:
        return Place(
            column,
            self.columns.get(column, _ALL),
            self.learnt.get(column),
            rows,
            at,
            spec=self.spec,
            columns=tuple(self.columns),
            classes=tuple(self.classes),
            label=self.label,
            language=language,
            seed=seed,
        )

    # units -------------------------------------------------------------------------------------------------------------

    def pools(self, rows: Rows, seed: int) -> "Pools":
        "The eligible units of every column of a batch, found when asked for."
        last = rows.memo.get("pools")
        if last is not None and last.stage is self and last.seed == seed:
            found: Pools = last
            return found
        gone = [c for c in self.columns if c not in rows.frame]
        if gone:
            raise ValueError(
                f"scenario {self.scenario.name!r}: column {gone[0]!r} is not there any more; the data has "
                f"{', '.join(map(str, rows.frame.columns))}. A scenario that drops or renames columns stands last in a composition."
            )
        made = Pools(self, rows, seed)
        if rows.keep:
            rows.memo["pools"] = made
        return made

    @property
    def names(self) -> tuple[str, ...]:
        "One pool a column, or one over all of them."
        return (_ALL,) if self.kind.unit in ("column", "schema", "row", "event") else tuple(self.columns)

    def pool(self, rows: Rows, name: str, seed: int, mixed: np.ndarray) -> Pool:
        "The eligible units of one column, in their order."
        unit = self.kind.unit
        if unit in ("column", "schema"):
            return self._column_pool(rows, seed)
        if unit in ("row", "event"):
            return self._row_pool(rows, mixed, seed)
        if unit in ("word", "span"):
            return self._text_pool(rows, name, self.columns[name], mixed)
        return self._cell_pool(rows, name, mixed)

    def _column_pool(self, rows: Rows, seed: int) -> Pool:
        names = sorted(self.columns) if self.kind.unit == "schema" else self.live
        allowed = np.ones(len(names), bool)
        if self.kind.eligible is not None and names:
            allowed = np.asarray(self.kind.eligible(names, self._place(_ALL, rows), **self.params), bool)
        where = np.flatnonzero(allowed)
        chosen = np.array(names, dtype=object)[where]
        mixed = row_hashes(key_hashes(chosen), seed=seed, stream=self.stream)
        return Pool(len(self.columns), where, Keyed(mixed, name_hash("column", _ALL)))

    def _row_pool(self, rows: Rows, mixed: np.ndarray, seed: int) -> Pool:
        place, allowed, weights = self._place(_ALL, rows, seed=seed), None, None
        if self.kind.eligible is not None:
            allowed = np.asarray(self.kind.eligible(rows.frame, place, **self.params), bool)
        if self.kind.weight is not None:
            weights = np.asarray(self.kind.weight(rows.frame, place, **self.params), float)
        return _chosen(Keyed(mixed, name_hash("column", _ALL)), allowed, weights, len(rows))

    def _cell_pool(self, rows: Rows, column: str, mixed: np.ndarray) -> Pool:
        series, place = rows.frame[column], self._place(column, rows)
        allowed = filled(series)
        units: Any = series
        if self.kind.unit == "label":
            units = series.map(canonical, na_action="ignore")
        untreated, spoken = 0, None
        if self._asks_language and len(series):
            spoken = self._languages(rows, column)
            treats = np.isin(spoken, sorted(self.treats))
            untreated, allowed = int(_both(allowed, ~treats).sum()), _both(allowed, treats)
        if self.kind.eligible is not None and len(series):
            allowed = _both(allowed, self._eligible_cells(rows, column, units, spoken))
        weights = None
        if self.kind.weight is not None:
            weights = np.asarray(self.kind.weight(units, place, **self.params), float)
        pool = _chosen(Keyed(mixed, name_hash("column", column)), allowed, weights, len(series))
        pool.untreated = untreated
        if spoken is not None and self.kind.by_language is not None:
            pool.language = spoken if pool.where is None else spoken[pool.where]
        return pool

    def _eligible_cells(self, rows: Rows, column: str, units: pd.Series, spoken: np.ndarray | None) -> np.ndarray:
        "What the kind says of a column's cells: of those that it can treat, language by language where that matters."
        assert self.kind.eligible is not None
        if spoken is None:
            return np.asarray(self.kind.eligible(units, self._place(column, rows), **self.params), bool)
        out = np.zeros(len(units), bool)
        if self.kind.by_language is None:
            at = np.flatnonzero(np.isin(spoken, sorted(self.treats)))
            if len(at):
                out[at] = np.asarray(self.kind.eligible(units.iloc[at], self._place(column, rows, at), **self.params), bool)
            return out
        for x in sorted(set(spoken.tolist()) & self.treats):
            at = np.flatnonzero(spoken == x)
            said = self.kind.eligible(units.iloc[at], self._place(column, rows, at, x), **self._spoken(x))
            out[at] = np.asarray(said, bool)
        return out

    def _text_pool(self, rows: Rows, column: str, role: str, mixed: np.ndarray) -> Pool:
        words = self._units(rows, column, role)
        allowed: np.ndarray | None = None
        untreated, language = 0, None
        terms = self.spec.data.terms if self.spec is not None else ()
        for what in PROTECTED:
            held = (
                None if what in self.kind.about else self._protected(rows, column, words, what, terms if what == "term" else ())
            )
            if held is not None:
                allowed = _both(allowed, ~held)
        if self._asks_language and len(words):
            language = self._languages(rows, column)[words.row]
            treats = np.isin(language, sorted(self.treats))
            untreated = int(_both(allowed, ~treats).sum())
            allowed = _both(allowed, treats)
        if self._asks_language and self.kind.unit == "span":  # texts without spans because of their language
            untreated = self._unread(rows, column, words)
        said = self._allowed(rows, words, column, language, allowed)
        if said is not None and self.kind.reads is not None:
            untreated += self._unreadable(rows, column, words, _both(allowed, ~said), language)
        allowed = allowed if said is None else _both(allowed, said)
        if self.kind.reads is not None and self.kind.unit == "span":
            untreated += self._unreadable_texts(rows, column, words)
        weights = None
        if self.kind.weight is not None:
            weights = np.asarray(self.kind.weight(words.strings(), self._place(column, rows), **self.params), float)
        total = len(words)
        if self.kind.unit == "span":  # a text without a span is a unit that could not be hit
            total = int(np.maximum(np.diff(words.opens), np.diff(words.offsets) > 0).sum())
        pool = _chosen(Keyed(mixed, name_hash("column", column), words.opens), allowed, weights, total)
        pool.words, pool.untreated = words, untreated
        if language is not None and self.kind.by_language:
            pool.language = language if pool.where is None else language[pool.where]
        return pool

    def _protected(self, rows: Rows, column: str, units: Words, what: str, terms: Sequence[str]) -> np.ndarray | None:
        "Units that hold protected content; a span of letters or digits is protected where its word is."
        words = rows.words(column, self.columns[column])
        held = words.protected(what, terms)
        if held is None or units is words:
            return held
        codes, first = units.distinct
        lettered = np.array([any(c.isalnum() for c in s) for s in units.strings(first)], bool)[codes]
        within = lettered & units.holding(np.stack([words.start[held], words.end[held]], axis=1))
        itself = units.protected(what, terms)
        return within if itself is None else within | itself

    def _unread(self, rows: Rows, column: str, words: Words) -> int:
        "Texts in languages that the kind knows nothing of."
        filled = np.diff(words.offsets) > 0
        return int((filled & ~np.isin(self._languages(rows, column), sorted(self.treats))).sum())

    def _unreadable(self, rows: Rows, column: str, words: Words, among: np.ndarray, language: np.ndarray | None) -> int:
        "How many of some units that it cannot hit are in a script which the kind cannot treat."
        assert self.kind.reads is not None
        at, spoken = np.flatnonzero(among), self._spoken
        tongues = [None] if language is None or self.kind.by_language is None else sorted(set(language[at].tolist()))
        unread = 0
        for x in tongues:
            some = at if x is None else at[language[at] == x]  # type: ignore[index]
            said = self.kind.reads(words.strings(some), self._place(column, rows, None, x), **spoken(x))
            unread += len(some) - int(np.count_nonzero(said))
        return unread

    def _unreadable_texts(self, rows: Rows, column: str, words: Words) -> int:
        "Texts without a span that are in a script which the kind cannot treat, though it knows their language."
        bare = (np.diff(words.opens) == 0) & (np.diff(words.offsets) > 0)
        if self._asks_language:
            bare &= np.isin(self._languages(rows, column), sorted(self.treats))
        at = np.flatnonzero(bare)
        if not len(at):
            return 0
        texts = as_text(rows.frame[column].iloc[at], column, self.columns[column]).tolist()
        assert self.kind.reads is not None
        return len(at) - int(np.count_nonzero(self.kind.reads(texts, self._place(column, rows, at), **self.params)))

    def _units(self, rows: Rows, column: str, role: str) -> Words:
        words = rows.words(column, role)
        if self.kind.unit == "word":
            return words
        key = ("spans", self.kind.name, column, self._spec_key(column))
        if self.kind.learn is not None or key not in words.cache:
            words.cache[key] = self._found(rows, column, words)
        return words.cache[key]

    def _spec_key(self, column: str) -> str:
        "What units and their eligibility depend on, besides the text."
        spec = self.spec
        tongue = (
            None if not self._asks_language else (self.tongues.get(column), spec and spec.data.language, spec and spec.roles)
        )
        return json.dumps([self.params, tongue], sort_keys=True, default=str)

    def _found(self, rows: Rows, column: str, words: Words) -> Words:
        "The spans of a column that the kind finds, each text in its own language where that matters."
        find = self.kind.find
        assert find is not None
        if not (self._asks_language and self.kind.by_language):
            place = self._place(column, rows)
            return spans_of(words, lambda texts: find(texts, place, **self.params), self.scenario.name)
        tongues = self._languages(rows, column)

        def by_language(texts: list[str]) -> list[Sequence[tuple[int, int]]]:
            out: list[Sequence[tuple[int, int]]] = [()] * len(texts)
            for x in sorted(set(tongues.tolist()) & set(self.treats)):
                at = np.flatnonzero(tongues == x)
                found = find([texts[i] for i in at], self._place(column, rows, None, x), **self._spoken(x))
                for i, spans in zip(at.tolist(), found, strict=True):
                    out[i] = spans
            return out

        return spans_of(words, by_language, self.scenario.name)

    @property
    def treats(self) -> frozenset[str]:
        "Languages that the kind can treat."
        assert self.kind.languages is not None
        return frozenset(self.kind.languages(**self.params))

    def _spoken(self, language: str | None) -> dict[str, Any]:
        "The parameters, with the language where it was left open."
        if language is None or self.kind.by_language is None:
            return self.params
        return self.params | {self.kind.by_language: language}

    def _languages(self, rows: Rows, column: str) -> np.ndarray:
        named = None
        if self.spec is not None:
            named = next((c for c, r in self.spec.roles.items() if r == "language"), None)
        if named is None and self.spec is not None and self.spec.data.language is not None:
            return np.full(len(rows), self.spec.data.language, dtype=object)
        return rows.languages(column, self.columns[column], named, self.tongues.get(column, UNKNOWN))

    def _allowed(
        self, rows: Rows, words: Words, column: str, language: np.ndarray | None, among: np.ndarray | None
    ) -> np.ndarray | None:
        "What the kind says of its units, None for all: over bytes where it can, else once for each distinct unit."
        if (self.kind.eligible is None and self.kind.kernel is None) or not len(words):
            return None
        kind = self.kind
        key = ("allowed", kind.name, column, self._spec_key(column))
        if kind.unit == "word" and kind.learn is None and key in words.cache:
            found: np.ndarray = words.cache[key]
            return found
        groups: list[tuple[str | None, Any]] = [(None, slice(None))]
        if language is not None and kind.by_language is not None:
            spoken = language if among is None else language[among]
            groups = [(x, language == x) for x in sorted(set(spoken.tolist()) & set(self.treats))]
        out = np.zeros(len(words), bool)
        for x, here in groups:
            params, place = self._spoken(x), self._place(column, rows, None, x)
            if kind.kernel is not None and kind.kernel.can(words, params):
                out[here] = kind.kernel.eligible(words, params)[here]
            elif kind.eligible is not None:
                codes, first = words.distinct
                used = np.unique(codes[here])
                said = np.zeros(len(first), bool)
                said[used] = np.asarray(kind.eligible(words.strings(first[used]), place, **params), bool)
                out[here] = said[codes[here]]
            else:
                out[here] = True
        words.cache[key] = out
        return out

    # changes -----------------------------------------------------------------------------------------------------------

    def run(self, rows: Rows, pools: Mapping[str, Pool], cut_of: Callable[[str, Pool], Bounded]) -> Outcome:
        "The batch with the units inside the cuts changed, and the books. One column after the other, so that memory stays small."
        unit, out = self.kind.unit, Outcome(rows)
        out.changed, out.hit = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
        if unit == "event":
            return self._events(rows, pools[_ALL], cut_of(_ALL, pools[_ALL]), out)
        if unit == "schema":
            return self._schema(rows, pools[_ALL], cut_of(_ALL, pools[_ALL]), out)
        entries: list[ColumnLedger] = []
        dtypes: dict[str, Any] = {}
        room = Room(len(pools), len(rows)) if self.kind.blanks else None
        for name, pool in pools.items():
            bound = cut_of(name, pool)
            dtypes |= {c: d for c, d in bound.dtypes.items() if c != _KNOWN}
            inside = pool.inside(bound.cut)
            hits = int(np.count_nonzero(inside))
            made: list[ColumnLedger] = []
            if unit == "column":
                made = [self._whole(rows, self.live[i], dtypes) for i in pool.positions(inside)]
                got = hits
            elif not hits:
                got = 0
            elif unit == "row":
                made, got = self._across(rows, pool, inside, dtypes)
            else:
                found, got = (
                    self._text(rows, name, pool, inside)
                    if pool.words is not None
                    else self._cells(rows, name, pool, inside, room, dtypes.get(name))
                )
                made = [found]
            entries += made
            out.counts.append(self._count(name, pool, hits, got))
        return self._written(rows, entries, dtypes, out)

    def _count(self, name: str, pool: Pool, asked: int, delivered: int) -> Count:
        return Count(self.number, self.scenario.name, name, pool.total, pool.eligible, asked, delivered, pool.untreated)

    def _written(self, rows: Rows, entries: list[ColumnLedger], dtypes: Mapping[str, Any], out: Outcome) -> Outcome:
        "The new columns put into a shallow copy of the frame; types as over the whole set."
        label = self.kind.unit == "label"
        frame = _with(rows.frame, {e.column: e.after for e in entries})
        for e in entries:
            out.ledger.append(e)
            if e.mask is not None:
                np.bitwise_or(out.hit, np.unpackbits(e.mask, count=len(rows)).view(bool), out=out.hit)
            else:
                out.hit[e.where] = True
            if e.dtype_after != e.dtype and not label:
                out.changed[:] = True
                out.schema.append({"operation": "dtype", "column": e.column, "old": str(e.dtype), "new": str(e.dtype_after)})
        if not label:
            out.changed |= out.hit
        cast = {c: frame[c].astype(d) for c, d in dtypes.items() if frame[c].dtype != d}
        out.changed[:] |= bool(dtypes)
        for column, series in cast.items():  # the type that the hits of other batches force on the whole column
            own = next((e for e in out.ledger if e.column == column), None)
            if isinstance(own, ColumnLedger):
                out.ledger[out.ledger.index(own)] = replace(own, after=series)
            else:
                nothing = np.packbits(np.zeros(len(rows), bool))
                out.ledger.append(ColumnLedger(column, rows.frame[column], series, rows, nothing))
        frame = _with(frame, cast)
        out.labels = label
        if frame is not rows.frame:
            out.rows = Rows(frame, rows.id_column, keys=rows._keys, confidence=rows.confidence, unique=True)
            out.rows.__dict__.update({"hashed": rows.hashed} if "hashed" in rows.__dict__ else {})
        return out

    def _whole(self, rows: Rows, column: str, dtypes: Mapping[str, Any]) -> ColumnLedger:
        series = rows.frame[column]
        draws = Draws(np.zeros(len(series), np.uint64))
        new = pd.NA if self.kind.blanks else self.kind.change(series, draws, self._place(column, rows), **self.params)
        there = series.notna().to_numpy()
        fresh = new if new is pd.NA else np.asarray(new, dtype=object)[there]
        return assigned(series, there, fresh, rows, forced=dtypes.get(column))

    def _cells(
        self, rows: Rows, column: str, pool: Pool, inside: np.ndarray, room: Room | None, forced: Any
    ) -> tuple[ColumnLedger, int]:
        series, hit = rows.frame[column], pool.mask(inside)
        if self.kind.blanks:  # cells that were not empty are now
            return assigned(series, hit, pd.NA, rows, room, forced), int(np.count_nonzero(inside))
        draws = pool.draws(inside)
        place = self._place(column, rows, hit)
        if self.kind.unit == "label":
            old = series[hit].map(canonical)
            said = list(self.kind.change(old, draws, place, **self.params))
            gone = sorted({str(v) for v in said} - set(self.classes))
            if gone:
                raise ValueError(
                    f"scenario {self.scenario.name!r} returned the class {gone[0]!r}; known are {', '.join(self.classes)}."
                )
            new: Any = [self.classes[v] for v in said]
        elif pool.language is None:
            new = self.kind.change(series[hit], draws, place, **self.params)
        else:
            new = self._spoken_cells(rows, column, np.flatnonzero(hit), draws, pool.language[inside])
        entries = assigned(series, hit, new, rows, forced=forced)
        return entries, differing(entries, hit)

    def _spoken_cells(self, rows: Rows, column: str, where: np.ndarray, draws: Draws, spoken: np.ndarray) -> list[Any]:
        "Cells changed language by language."
        out: list[Any] = [None] * len(where)
        for x in sorted(set(spoken.tolist())):
            at = np.flatnonzero(spoken == x)
            place = self._place(column, rows, where[at], x)
            new = list(self.kind.change(rows.frame[column].iloc[where[at]], draws[at], place, **self._spoken(x)))
            self._same_length(new, at)
            for i, v in zip(at.tolist(), new, strict=True):
                out[i] = v
        return out

    def _across(
        self, rows: Rows, pool: Pool, inside: np.ndarray, dtypes: Mapping[str, Any]
    ) -> tuple[list[ColumnLedger], int]:
        "Several columns of one row at once."
        where, names = pool.positions(inside), list(self.columns)
        part = rows.frame[names].iloc[where]
        new = self.kind.change(part, pool.draws(inside), self._place(_ALL, rows, where), **self.params)
        if list(new.columns) != names or not new.index.equals(part.index):
            raise ValueError(
                f"scenario {self.scenario.name!r} must return the rows that it was given, with the columns {', '.join(names)}."
            )
        made, touched = [], np.zeros(len(where), bool)
        for name in names:
            here = _unlike(part[name], new[name])
            if here.any():
                touched |= here
                fresh = new[name].iloc[np.flatnonzero(here)].astype(object).to_numpy()
                made.append(assigned(rows.frame[name], _mask(len(rows), where[here]), fresh, rows, forced=dtypes.get(name)))
        return made, int(touched.sum())

    def _text(self, rows: Rows, column: str, pool: Pool, inside: np.ndarray) -> tuple[ColumnLedger, int]:
        series, words = rows.frame[column], pool.words
        assert words is not None
        which, draws = pool.hits(inside)
        starts, ends, data, offsets = self._edits(rows, column, pool, inside, which, draws, words)
        row = words.rows_of(which)
        after, raw, _ = words.spliced(row, starts, ends, data, offsets, series)
        grown = np.diff(offsets) - (ends - starts)
        entries = ColumnLedger(column, series, after, rows, None, Spans(words, which, row, raw, grown))
        return entries, edited(words.data, starts, ends, data, offsets)

    def _edits(
        self, rows: Rows, column: str, pool: Pool, inside: np.ndarray, which: np.ndarray, draws: Draws, words: Words
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        "Start and end of each edit in order, the new bytes and where each begins in them; language by language where that matters."
        if pool.language is None:
            return self._spoken_edits(rows, column, which, draws, words, None)
        spoken = pool.language[inside]
        tongues = sorted(set(spoken.tolist()))
        if len(tongues) == 1:
            return self._spoken_edits(rows, column, which, draws, words, tongues[0])
        groups = [np.flatnonzero(spoken == x) for x in tongues]
        parts = [
            self._spoken_edits(rows, column, which[at], draws[at], words, x) for x, at in zip(tongues, groups, strict=True)
        ]
        order = np.argsort(np.concatenate(groups), kind="stable")
        starts, ends, sizes = (
            np.concatenate(v)[order] for v in zip(*((s, e, np.diff(o)) for s, e, _, o in parts), strict=True)
        )
        before = np.cumsum([0] + [len(d) for _, _, d, _ in parts[:-1]])
        at = np.concatenate([o[:-1] + b for (_, _, _, o), b in zip(parts, before, strict=True)])[order]
        data, offsets = gathered(np.concatenate([d for _, _, d, _ in parts]), at, sizes)
        return starts, ends, data, offsets

    def _spoken_edits(
        self, rows: Rows, column: str, which: np.ndarray, draws: Draws, words: Words, language: str | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        "Edits in one language: over bytes where the kind can, else word by word."
        kind, params = self.kind, self._spoken(language)
        if kind.kernel is not None and kind.kernel.can(words, params):
            found: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] = kind.kernel.edits(words, which, draws, params)
            return found
        old = words.strings(which)
        new = list(kind.change(old, draws, self._place(column, rows, None, language), **params))
        self._same_length(new, old)
        return words.start[which], words.end[which], *packed(new)

    def _same_length(self, new: Sequence[Any], old: Sequence[Any] | np.ndarray) -> None:
        if len(new) != len(old):
            raise ValueError(
                f"scenario {self.kind.name!r} returned {len(new)} words for {len(old)}; a change must return one each."
            )

    def _schema(self, rows: Rows, pool: Pool, cut: Bounded, out: Outcome) -> Outcome:
        inside = pool.inside(cut.cut)
        names = [sorted(self.columns)[i] for i in pool.positions(inside)]
        out.counts.append(self._count(_ALL, pool, len(names), len(names)))
        if not names:
            return out
        frame = self.kind.change(rows.frame, names, pool.draws(inside), self._place(_ALL, rows), **self.params)
        if not isinstance(frame, pd.DataFrame) or not frame.index.equals(rows.frame.index):
            raise ValueError(f"scenario {self.scenario.name!r} must return a frame with the rows that it was given.")
        out.ledger.append(SchemaLedger(rows.frame, frame, rows, tuple(names)))
        for name in dict.fromkeys([*rows.frame.columns, *frame.columns]):
            old, new = (str(f[name].dtype) if name in f else "" for f in (rows.frame, frame))
            if old != new:
                what = "added" if not old else "dropped" if not new else "dtype"
                out.schema.append({"operation": what, "column": str(name), "old": old, "new": new})
        out.changed[:], out.hit[:] = True, True
        keys = rows._keys if rows._keys is not None else rows.keys
        out.rows = Rows(frame, rows.id_column, keys=keys, confidence=rows.confidence)
        return out

    def _events(self, rows: Rows, pool: Pool, cut: Bounded, out: Outcome) -> Outcome:
        inside = pool.inside(cut.cut)
        where, draws = pool.hits(inside)
        place = self._place(_ALL, rows, where)
        out.counts.append(self._count(_ALL, pool, len(where), len(where)))
        if not len(where):
            return out
        said = self.kind.change(rows.frame.iloc[where], draws, place, **self.params)
        copies, delay, again = np.ones(len(rows), np.int64), np.zeros(len(rows)), np.ones(len(rows))
        copies[where], delay[where] = said["copies"].to_numpy(), said["delay"].to_numpy(float)
        if "again" in said:
            again[where] = said["again"].to_numpy(float)
        if (copies < 0).any() or not np.isfinite(delay).all() or (delay < 0).any():
            raise ValueError(f"scenario {self.scenario.name!r}: copies and delay of an event must be finite and not negative.")
        source = np.repeat(np.arange(len(rows)), copies)
        copy = np.arange(len(source)) - np.repeat(np.cumsum(copies) - copies, copies)
        late = delay[source] + copy * again[source]
        order = np.argsort(source + late, kind="stable")
        source, copy, late = source[order], copy[order], late[order]
        nth = f"{self.number}." if self.number else ""  # copies of copies, made by a later stage, have names of their own
        keys = np.array(
            [k if not c else f"{k}#{nth}{c + 1}" for k, c in zip(rows.keys[source], copy.tolist(), strict=True)], dtype=object
        )
        confidence = None if rows.confidence is None else rows.confidence[source]
        arrived = Rows(rows.frame.iloc[source], rows.id_column, keys=keys, confidence=confidence)
        out.rows, out.source = arrived, source
        out.ledger.append(RowLedger(rows, arrived, source, copy, late))
        out.hit[where] = True
        extra = np.flatnonzero(copy > 0)
        if self.kind.copied is not None and len(extra):
            self._copied(arrived, extra, source, pool, out)
        return out

    def _copied(self, arrived: Rows, extra: np.ndarray, source: np.ndarray, pool: Pool, out: Outcome) -> None:
        "What the kind makes of the extra copies."
        by_row = np.zeros(pool.total, np.uint64)
        by_row[np.arange(pool.total) if pool.where is None else pool.where] = pool.keyed.hashes
        draws = Draws(by_row[source[extra]])
        names = list(self.columns)
        part = arrived.frame[names].iloc[extra]
        assert self.kind.copied is not None
        new = self.kind.copied(part, draws, self._place(_ALL, arrived, extra), **self.params)
        made = []
        for name in names:
            here = _unlike(part[name], new[name])
            if here.any():
                fresh = new[name].iloc[np.flatnonzero(here)].astype(object).to_numpy()
                made.append(assigned(arrived.frame[name], _mask(len(arrived), extra[here]), fresh, arrived))
        sub = self._written(
            arrived, made, {}, Outcome(arrived, changed=np.zeros(len(arrived), bool), hit=np.zeros(len(arrived), bool))
        )
        out.rows = sub.rows
        out.ledger += sub.ledger
        np.logical_or.at(out.changed, source, sub.changed)

    @property
    def settles(self) -> bool:
        "Whether it may change the type of a column."
        if self.kind.unit in ("word", "span"):
            return "category" in self.columns.values()
        return self.kind.unit in ("cell", "column", "row")

    def settled(self, rows: Rows, pools: Mapping[str, Pool], cuts: Mapping[str, Bounded]) -> bool:
        """Note the type that columns take where they are hit; whether every column is known by now.

        A few units of one batch tell it, except where the type depends on which values are hit: then every batch is looked at.
        """
        for name, bound in cuts.items():
            inside = pools[name].inside(bound.cut)
            if bound.cut is None or _KNOWN in bound.dtypes or not inside.any():
                continue
            by_value = self.kind.unit == "row" or (name != _ALL and _decides(rows.frame[name].dtype))
            if not by_value:
                inside[np.flatnonzero(inside)[_PROBE:]] = False
                bound.dtypes[_KNOWN] = None
            pool = pools[name]
            out = self.run(rows, {name: _only(pool, inside)}, lambda _, p: Bounded(_EVERY, p.total, p.eligible))
            for c in self.columns if name == _ALL else (name,):
                after = out.rows.frame[c].dtype
                if after != rows.frame[c].dtype:
                    bound.dtypes[c] = _wider(bound.dtypes.get(c, after), after)
        return all(b.cut is None or _KNOWN in b.dtypes for b in cuts.values())


def _decides(dtype: Any) -> bool:
    "Whether the type of such a column depends on which values it holds: categories, and whole numbers too long for a float."
    return isinstance(dtype, pd.CategoricalDtype) or (isinstance(dtype, np.dtype) and dtype.kind in "iu")


def _wider(a: Any, b: Any) -> Any:
    "The type that holds what either does."
    if a == b:
        return a
    whole = [t for t in (a, b) if isinstance(t, pd.Int64Dtype | pd.UInt64Dtype)]
    if whole and np.dtype("float64") in (a, b):  # whole numbers with gaps, short in one batch and long in another
        return whole[0]
    numbers = all(isinstance(t, np.dtype) and t.kind in "fiu" for t in (a, b))
    return np.result_type(a, b) if numbers else np.dtype(object)


class _Every:
    rank = bits = np.uint64(0xFFFFFFFFFFFFFFFF)


_EVERY: Any = _Every()


def _only(pool: Pool, inside: np.ndarray) -> Pool:
    at = np.flatnonzero(inside)
    language = None if pool.language is None else pool.language[at]
    return Pool(pool.total, pool.positions(inside), pool.keyed.some(at), None, pool.words, language, pool.untreated)


def _chosen(keyed: Keyed, allowed: np.ndarray | None, weights: np.ndarray | None, total: int) -> Pool:
    if weights is not None and not weights.min(initial=1.0) > 0:
        allowed = _both(allowed, weights > 0)
    if allowed is None or allowed.all():
        return Pool(total, None, keyed, weights)
    where = np.flatnonzero(allowed)
    return Pool(total, where, keyed.some(allowed), None if weights is None else weights[where])


def _both(a: np.ndarray | None, b: np.ndarray) -> np.ndarray:
    "Where both are true; None is true everywhere."
    return b if a is None else a & b


def _with(frame: pd.DataFrame, new: Mapping[str, pd.Series]) -> pd.DataFrame:
    "The frame with some columns replaced, the others shared; the frame itself where there are none."
    if not new:
        return frame
    if len(new) < 4 or not (frame.columns.is_unique and frame.index.is_unique):
        out = frame.copy(deep=False)
        for name, series in new.items():
            out[name] = series
        return out
    made = pd.DataFrame({i: new.get(c, frame[c]) for i, c in enumerate(frame.columns)}, index=frame.index, copy=False)
    made.columns = frame.columns
    return made


def _mask(n: int, at: np.ndarray) -> np.ndarray:
    out = np.zeros(n, bool)
    out[at] = True
    return out


def _unlike(old: pd.Series, new: pd.Series) -> np.ndarray:
    "Where two columns differ; two missing values do not."
    a, b = old.astype(object).to_numpy(), new.astype(object).to_numpy()
    gone = pd.isna(a) & pd.isna(b)
    return (
        np.fromiter((not (x is y or (type(x) is type(y) and x == y)) for x, y in zip(a, b, strict=True)), bool, len(a)) & ~gone
    )


def _columns_of(scenario: "Scenario", reference: pd.DataFrame, spec: Spec | None) -> dict[str, str]:
    "The columns a scenario applies to, with their roles. Raises ValueError where there are none, or where one is not there."
    kind = scenario.kind
    if scenario.columns is None:
        roles = spec.roles if spec is not None else guess_roles(reference)
        columns = {c: r for c, r in roles.items() if r in kind.roles and c in reference}
        if kind.unit == "event":
            return columns
        if not columns:
            raise ValueError(
                f"scenario {scenario.name!r} applies to {', '.join(kind.roles)} columns; the data has none "
                f"({', '.join(f'{c}: {r}' for c, r in roles.items())}). Name columns=[…], or leave it out of the suite."
            )
        return columns
    gone = [c for c in scenario.columns if c not in reference]
    if gone:
        near = difflib.get_close_matches(gone[0], list(map(str, reference.columns)), n=1)
        raise ValueError(
            f"scenario {scenario.name!r}: no column {gone[0]!r} in the data. "
            + (f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(map(str, reference.columns))}.")
        )
    if len(kind.roles) == 1:
        return dict.fromkeys(scenario.columns, kind.roles[0])
    roles = spec.roles if spec is not None else guess_roles(reference[list(scenario.columns)])
    return {c: roles[c] if roles.get(c) in kind.roles else kind.roles[0] for c in scenario.columns}


__all__ = ["Count", "Outcome", "Stage"]
