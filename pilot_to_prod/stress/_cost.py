"""What a replay asks of a pilot, counted before it runs: the same replay, with a stand-in that answers anything at once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from pilot_to_prod.pilot import Pilot
from pilot_to_prod.scenarios import Composition, Scenario, Suite
from pilot_to_prod.scenarios._translators import unasked
from pilot_to_prod.settings import Settings, load_settings
from pilot_to_prod.stress._caller import quiet
from pilot_to_prod.stress._replay import BLOCK, Done, Job, ReplayError, Reply, confidence_of, told_apart
from pilot_to_prod.stress._source import Held, Streamed
from pilot_to_prod.stress.engine import Asker, _answerable, _check_levels, _clean, _depends_on_company, _run_scenario, _source

_PATIENT = 1e6  # seconds that a stand-in may take, which never waits for anything


@dataclass(frozen=True)
class Asked:
    "What a part of a replay asks: clean rows, the company check, or one scenario."

    what: str
    cells: int
    rows: int
    calls: int


@dataclass(frozen=True)
class Cost:
    "What a replay asks of a pilot, how long that takes, and what it costs. Shows itself as a table."

    scenarios: int
    cells: int  # scenarios x severities x seeds
    rows: int  # in all calls: a row that predict and predict_proba both get counts twice
    calls: int  # of predict and of predict_proba, at most BLOCK rows each
    seconds: float | None  # on one processor; None: no call was made to measure one
    price: float | None  # None: the promise names no price
    currency: str | None = None
    notes: tuple[str, ...] = ()
    most_calls: int = 0  # where the answers turn out to depend on which rows are asked together
    trainings: int = 0  # of the pilot on wrong labels; their time is not in the seconds
    parts: tuple[Asked, ...] = field(default=(), repr=False)

    def __add__(self, other: "Cost") -> "Cost":
        "Both, one after the other. Raises ValueError where their currencies differ."
        currencies = {c for c in (self.currency, other.currency) if c is not None}
        if len(currencies) > 1:
            raise ValueError(f"costs in {' and '.join(sorted(currencies))} cannot be added.")
        return Cost(
            self.scenarios + other.scenarios,
            self.cells + other.cells,
            self.rows + other.rows,
            self.calls + other.calls,
            None if self.seconds is None or other.seconds is None else self.seconds + other.seconds,
            None if self.price is None or other.price is None else self.price + other.price,
            next(iter(currencies), None),
            tuple(dict.fromkeys(self.notes + other.notes)),
            self.most_calls + other.most_calls,
            self.trainings + other.trainings,
            self.parts + other.parts,
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        "What the numbers leave out."
        out = list(self.notes)
        if self.most_calls > self.calls:
            out.append(
                f"if the answers turn out to depend on which rows are asked together, every row is asked again: up to {self.most_calls:,} calls"
            )
        if self.trainings:
            out.append(f"the pilot is trained again {self.trainings:,} times: that takes time of its own, which is not counted")
        return tuple(out)

    def to_frame(self) -> pd.DataFrame:
        "One row a part: what, cells, rows, calls."
        return pd.DataFrame([asdict(p) for p in self.parts], columns=["what", "cells", "rows", "calls"])

    def _repr_html_(self) -> str:
        from html import escape

        said = f"{self.calls:,} calls for {self.rows:,} rows, in {self.cells:,} cells of {self.scenarios:,} scenarios"
        said += "" if self.seconds is None else f"; about {self.seconds:,.1f} s"
        said += "" if self.price is None else f"; {money(self.price)} {self.currency}"
        notes = "".join(f"<li>{escape(n)}</li>" for n in self.remarks)
        return f"<p>{escape(said)}</p>{self.to_frame().to_html(index=False, escape=True, border=0)}<ul>{notes}</ul>"


def money(price: float) -> str:
    "Two decimals, and more where they would show nothing."
    return f"{price:,.2f}" if price >= 0.1 or not price else f"{price:.2g}"


def cost(
    pilot: Pilot,
    suite: Suite,  # from `suite("standard", pilot.spec)`
    severities: Sequence[float] | None = None,  # as replay takes them
    seeds: Sequence[int] | None = None,
    *,
    settings: Settings | None = None,  # None: settings.ini
    time_rows: int = 256,  # clean rows to measure time on, the only ones that the pilot is asked; 0: none
    clock: Callable[[], float] = time.perf_counter,  # seconds
) -> Cost:
    """What `replay` with the same arguments will ask. Rows and calls are counted, not estimated; the remarks name what nobody can foresee.

    The rows are corrupted, the pilot is not asked about them, nor is a translator: every text counts as one that it changes.
    A pilot whose calls have a price is not asked at all. Raises as replay does."""
    return Meter(pilot, settings, time_rows=time_rows, clock=clock).replay(suite, severities, seeds)


class StandIn(Pilot):
    "Takes a pilot's place: counts what its model is asked, and raises where a row would not get as far as the model."

    def __init__(self, pilot: Pilot) -> None:
        super().__init__(pilot.spec, pilot.model)
        self.pilot, self.calls, self.rows, self.trainings = pilot, 0, 0, 0

    @property
    def reference(self) -> pd.DataFrame:
        return self.pilot.reference

    @property
    def has_proba(self) -> bool:
        return self.pilot.has_proba

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return self.pilot.labels

    @cached_property
    def trainer(self) -> Callable[[pd.DataFrame], Any] | None:
        return self.pilot.trainer

    def trained(self, rows: pd.DataFrame) -> Pilot:
        self.trainings += 1
        return self

    def _called(self, frame: pd.DataFrame) -> None:
        self._given(frame)  # raises where a column is not there
        self.calls, self.rows = self.calls + 1, self.rows + len(frame)

    def predict(self, frame: pd.DataFrame) -> pd.Series:
        self._called(frame)
        if self.spec.task == "regression":
            return pd.Series(0.0, index=frame.index)
        return pd.Series(self.labels[0], index=frame.index, dtype="str")

    def predict_proba(self, frame: pd.DataFrame) -> pd.DataFrame:
        self._called(frame)
        out = np.zeros((len(frame), len(self.labels)))
        out[:, 0] = np.random.default_rng(0).random(len(frame))
        return pd.DataFrame(out, index=frame.index, columns=list(self.labels))


@dataclass(frozen=True)
class Trial:
    "What a few calls on clean rows tell."

    rows: int
    whole: bool  # these were all rows
    clean: Reply
    company: bool  # answers depend on which rows are asked together
    call: float  # seconds of a call, whatever it holds
    row: float  # seconds that each row adds


@dataclass(frozen=True)
class _Counted:
    "A replay with a stand-in."

    parts: tuple[Asked, ...]
    most: int
    scenarios: int
    trainings: int
    seconds: float
    notes: tuple[str, ...]

    @property
    def calls(self) -> int:
        return sum(p.calls for p in self.parts)

    @property
    def rows(self) -> int:
        return sum(p.rows for p in self.parts)


class Meter:
    "Counts and times what replays of one pilot ask; its rows are read once, and it is tried once."

    def __init__(
        self,
        pilot: Pilot,
        settings: Settings | None = None,
        *,
        time_rows: int = 256,  # 0: never ask
        batch_rows: int | None = None,  # as replay takes them
        stream: bool | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.pilot, self.now, self.time_rows, self.clock = pilot, settings or load_settings(), time_rows, clock
        self.batch_rows, self.stream, self.price = batch_rows, stream, pilot.spec.model.price

    @cached_property
    def source(self) -> Held | Streamed:
        found = _source(self.pilot, self.batch_rows, self.now, self.stream)
        found.placed = lambda values: values  # type: ignore[method-assign] # answers are thrown away: no need to sort them
        return found

    @property
    def methods(self) -> int:
        "Calls for one block: predict, and predict_proba where there is one."
        return 2 if self.pilot.has_proba and self.pilot.spec.task != "regression" else 1

    @cached_property
    def trial(self) -> Trial | None:
        "A few calls, unless they cost money or nobody wants them. Raises ReplayError when one does not come back."
        if self.price is not None or self.time_rows < 1:
            return None
        first = next(iter(self.source)).frame.iloc[: self.time_rows]
        whole, times = len(self.source) <= self.time_rows, []
        with threadpool_limits(1), quiet():
            ask = Asker(self.pilot, self.pilot.spec.model.deadline or self.now.deadlines.call)
            try:
                for _ in range(4):
                    times.append(-self.clock())
                    ask(first.iloc[:1])
                    times[-1] += self.clock()
                single, began = float(np.median(times[1:])), self.clock()  # the first call may load something
                clean = _clean(ask, self.source) if whole else ask(first)
                many = (self.clock() - began) / self.methods
                company = self.pilot.spec.model.deterministic and _depends_on_company(ask, first, clean)
            finally:
                ask.caller.close()
        single, n = single / self.methods, len(clean.codes)
        calls = _blocks(n)  # single = call + row; many = calls x call + n x row
        row = max((many - calls * single) / (n - calls), 0.0) if n > calls else 0.0
        return Trial(n, whole, clean, company, max(single - row, 0.0), row)

    def replay(self, suite: Suite, severities: Sequence[float] | None = None, seeds: Sequence[int] | None = None) -> Cost:
        "What a replay costs."
        plan = self._plan(suite, severities, seeds)
        found, tried = self._counted(plan, self._everything), self.trial
        seconds = None if tried is None else tried.call * found.calls + tried.row * found.rows + found.seconds
        return Cost(
            found.scenarios,
            sum(p.cells for p in found.parts),
            found.rows,
            found.calls,
            seconds,
            *self._priced(found.calls, found.rows),
            (*found.notes, *self._notes(plan)),
            found.calls if tried is not None and tried.whole else found.most,
            found.trainings,
            found.parts,
        )

    def timing(self) -> Cost:
        "What `time_calls` costs: single rows, predict only."
        given = self.now.latency
        calls, tried = given.runs * (given.warmup + given.calls), self.trial
        seconds = None if tried is None else max(calls * (tried.call + tried.row), given.span)
        part = Asked("single calls, timed", 0, calls, calls)
        return Cost(0, 0, calls, calls, seconds, *self._priced(calls, calls), (), calls, 0, (part,))

    def most(self, suite: Suite, severities: Sequence[float] | None = None, seeds: Sequence[int] | None = None) -> int:
        "Calls that a replay cannot exceed unless rows raise, without corrupting one."
        plan = self._plan(suite, severities, seeds)
        learns = {(one, seed) for one, _, seed in plan if any(s.kind.on == "reference" for s in _stages(one))}
        blocks = _blocks(len(self.source)) * (1 + len(plan)) + 1
        return self.methods * (blocks + (len(learns) * _blocks(len(self.pilot.reference)) if learns else 0))

    @property
    def _everything(self) -> bool:
        return not self.pilot.spec.model.deterministic or (self.trial is not None and self.trial.company)

    def _plan(
        self, suite: Suite, severities: Sequence[float] | None, seeds: Sequence[int] | None
    ) -> list[tuple[Any, float, int]]:
        spec = self.pilot.spec
        levels = tuple(severities if severities is not None else spec.severities or self.now.replay.severities)
        draws = tuple(seeds if seeds is not None else spec.seeds or self.now.replay.seeds)
        _check_levels(levels, draws)
        return [(s, float(at), seed) for s, own in suite for seed in draws for at in (own or levels)]

    def _counted(self, plan: list[tuple[Any, float, int]], everything: bool) -> _Counted:
        "The replay itself, with a stand-in for the pilot."
        stand_in, source, began, most = StandIn(self.pilot), self.source, self.clock(), 0
        parts: list[Asked] = []
        kept, notes = _answerable(plan, stand_in)
        groups: dict[tuple[Any, int], list[float]] = {}
        for one, at, seed in kept:
            groups.setdefault((one, seed), []).append(at)

        def part(what: str, cells: int = 0) -> None:
            calls, rows = sum(p.calls for p in parts), sum(p.rows for p in parts)
            parts.append(Asked(what, cells, stand_in.rows - rows, stand_in.calls - calls))

        with threadpool_limits(1), quiet(), unasked():
            ask = Asker(stand_in, _PATIENT)
            try:
                clean = _clean(ask, source)
                part("clean rows")
                if self.pilot.spec.model.deterministic:
                    _depends_on_company(ask, next(iter(source)).frame, clean)
                    part("every other row again")
            finally:
                ask.caller.close()
            known = self.trial.clean if self.trial is not None and self.trial.whole else clean
            source.told(confidence_of(known) if self.pilot.has_proba else None)
            job = Job(stand_in, source, clean, everything, 0, told_apart([one for one, _, _ in plan]))
            for (one, seed), levels in groups.items():
                before = stand_in.calls
                cells = _run_scenario(job, one, seed, levels, ask)
                part(job.label(one), len(cells))
                most += max(stand_in.calls - before, self.methods * sum(self._blocks_left(c) for c in cells))
        joined = _joined(parts)
        most += sum(p.calls for p in joined if not p.cells)
        used = len({one for one, _ in groups})
        return _Counted(joined, most, used, stand_in.trainings, self.clock() - began, tuple(notes))

    def _blocks_left(self, done: Done) -> int:
        "Calls of one method for all rows that arrive and can be shown to the model."
        return _blocks(len(self.source) - done.cell.left_out - len(done.faults))

    def _priced(self, calls: int, rows: int) -> tuple[float | None, str | None]:
        if self.price is None:
            return None, None
        return calls * self.price.call + rows * self.price.row, self.price.currency

    def _notes(self, plan: list[tuple[Any, float, int]]) -> list[str]:
        tried = self.trial
        out = ["rows that make the pilot raise are asked again and again until they are found: that is not foreseen"]
        if self.price is not None:
            out.append("no time: a call of this pilot costs money, so none was made to measure one")
        elif tried is None:
            out.append("no time: no call was made to measure one")
        elif tried.clean.faults:
            out.append(f"the pilot raised for {len(tried.clean.faults):,} of {tried.rows:,} clean rows that it was tried on")
        if self.methods == 2:
            out.append("each row counts twice: predict and predict_proba are both asked")
        if translators := _translators(plan):
            out.append(
                f"{', '.join(translators)}: a translator is not asked to count, since that may cost money; every text counts as one that it "
                "changes, so there may be fewer rows and calls, and what it costs and how long it takes is not in the numbers"
            )
        unsure = {s.name for one, _, _ in plan for s in _stages(one) if "confidence" in s.kind.needs and s.kind.on == "replay"}
        if unsure and self.pilot.has_proba and not (tried is not None and tried.whole):
            out.append(
                f"{', '.join(sorted(unsure))}: which rows are hit depends on how sure the pilot is of them, so their number may differ a little"
            )
        return out


def _stages(one: Scenario | Composition) -> tuple[Scenario, ...]:
    return one.stages if isinstance(one, Composition) else (one,)


def _translators(plan: Sequence[tuple[Any, float, int]]) -> list[str]:
    "Scenarios that ask a translator, with its name."
    asked = [s for one, _, _ in plan for s in _stages(one) if "translator" in s.kind.parameters]
    return list(dict.fromkeys(f"{s.name} ({dict(s.params).get('translator') or 'no translator named'})" for s in asked))


def _blocks(rows: int) -> int:
    return -(-rows // BLOCK)


def _joined(parts: Sequence[Asked]) -> tuple[Asked, ...]:
    "One part a scenario, whatever its seeds."
    out: dict[str, Asked] = {}
    for p in parts:
        had = out.get(p.what, Asked(p.what, 0, 0, 0))
        out[p.what] = Asked(p.what, had.cells + p.cells, had.rows + p.rows, had.calls + p.calls)
    return tuple(out.values())


def within(
    max_calls: int | None,  # None: any number
    pilot: Pilot,
    suite: Suite,
    severities: Sequence[float],
    seeds: Sequence[int],
    settings: Settings,
    batch_rows: int | None,
    stream: bool | None,
    *,
    everything: bool = False,  # its answers were found to depend on which rows are asked together
) -> None:
    "Raises ReplayError when a replay needs more calls than that, ValueError where the limit is none."
    if max_calls is None or (everything and not pilot.spec.model.deterministic):  # then it was known before
        return
    if isinstance(max_calls, bool) or not isinstance(max_calls, int) or max_calls < 1:
        raise ValueError(f"max_calls must be a whole number above 0, or None for any number; got {max_calls!r}.")
    meter = Meter(pilot, settings, time_rows=0, batch_rows=batch_rows, stream=stream)
    if meter.most(suite, severities, seeds) <= max_calls:
        return
    plan = meter._plan(suite, severities, seeds)
    found = meter._counted(plan, everything or meter._everything)
    if found.calls <= max_calls:
        return
    most = "at most " if _translators(plan) else ""  # as if each text were changed
    needs = f"needs {most}{found.calls:,} calls of the pilot for {found.rows:,} rows, more than max_calls={max_calls}."
    way_out = f"Allow {found.calls:,}, or replay fewer scenarios, severities or seeds; cost(pilot, suite) says what asks most."
    if not everything:
        raise ReplayError(f"this replay {needs} Nothing was asked and nothing was left out. {way_out}")
    made = sum(p.calls for p in found.parts if not p.cells)
    raise ReplayError(
        f"the answers of pilot {pilot.spec.name!r} depend on which rows are asked together, so that every row is asked again in every "
        f"cell: this replay {needs} {made:,} calls were made to find that out; nothing was left out. {way_out}"
    )
