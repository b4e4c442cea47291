"""How one scenario is replayed over rows that come in batches: what is kept, what is asked, and when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from pilot_to_prod.evidence import FAULT, GONE, LEFT_OUT, SCALE, Cell
from pilot_to_prod.pilot import Pilot
from pilot_to_prod.scenarios import Bound, Composition, Corruption, RowLedger, Rows, Scenario
from pilot_to_prod.scenarios.feed import HELD
from pilot_to_prod.spec import Spec, canonical

BLOCK = 8192  # rows in one call of a pilot, whatever the batches they are read in


class ReplayError(RuntimeError):
    "A replay that cannot go on, with what to do."


@dataclass
class Purse:
    "Calls that may still be made: a pilot that raises needs more of them than could be foreseen."

    most: int
    spent: int = 0

    def spend(self, calls: int) -> None:
        "Note some calls before they are made. Raises ReplayError when there are no more."
        if self.spent + calls > self.most:
            raise ReplayError(
                f"the replay made {self.spent:,} calls of the pilot and needs more than max_calls={self.most:,}: rows that make it "
                "raise are asked one by one to be found. Nothing was left out, and nothing is judged. Allow more calls, or mend the "
                "pilot on the rows that raise (a smaller suite shows them)."
            )
        self.spent += calls


@dataclass
class Reply:
    "Coded answers of some rows, in order, and the rows that gave none."

    codes: np.ndarray
    scores: np.ndarray
    faults: list[tuple[int, str, str]] = field(default_factory=list)  # position, error class, message


class Asks(Protocol):
    def __call__(self, frame: pd.DataFrame) -> Reply: ...


class Source(Protocol):
    "The replay rows, as often as they are wanted, in the same batches."

    keys: Any  # of each row, in the order of the batches
    truth: np.ndarray  # coded labels, in the order of the batches
    unique: bool  # its keys were looked at

    def __iter__(self) -> Iterator[Rows]: ...
    def __len__(self) -> int: ...  # rows
    def told(self, confidence: np.ndarray | None) -> None: ...  # of the clean pilot
    @property
    def places(self) -> np.ndarray: ...  # where each row, in the order of the batches, stands in key order
    def placed(self, values: np.ndarray) -> np.ndarray: ...  # the same values in key order
    def columns(self, names: list[str]) -> pd.DataFrame: ...  # in key order
    @property
    def ordered_keys(self) -> Any: ...
    @property
    def hash(self) -> str: ...


@dataclass
class Done:
    "One replayed cell."

    cell: Cell
    codes: np.ndarray
    scores: np.ndarray
    touched: np.ndarray
    examples: pd.DataFrame
    faults: pd.DataFrame
    truth: np.ndarray | None = None  # where the scenario changed it


@dataclass
class Job:
    "What every cell of a replay shares."

    pilot: Pilot
    source: Source
    clean: Reply  # in the order of the source
    everything: bool  # ask all rows in every cell
    examples: int
    labels: dict[Any, str] = field(default_factory=dict)  # what a scenario is called where its own label is not enough
    lost: dict[int, np.ndarray] = field(default_factory=dict)  # seed → rows that the feed loses without any scenario

    def label(self, one: Scenario | Composition) -> str:
        return self.labels.get(one, one.label)


def told_apart(scenarios: Sequence[Scenario | Composition]) -> dict[Any, str]:
    "Labels for scenarios that differ in their columns or in the severities of their stages only."
    seen: dict[str, list[Any]] = {}
    for one in dict.fromkeys(scenarios):
        seen.setdefault(one.label, []).append(one)
    out: dict[Any, str] = {}
    for label, same in seen.items():
        for one in same if len(same) > 1 else ():
            columns = one.columns if isinstance(one, Scenario) else None
            out[one] = repr(one) if columns is None else f"{label} on {', '.join(columns)}"
    return out


def coded_truth(pilot: Pilot, labels: pd.Series) -> np.ndarray:
    "Labels as class codes, or as numbers."
    if pilot.spec.task == "regression":
        return labels.to_numpy(float)
    spelt = {v: canonical(v) for v in labels.dropna().unique()}
    return pd.Index(pilot.labels).get_indexer(pd.Index(labels.map(spelt))).astype(np.int16)


def label_of(one: Scenario | Composition) -> Scenario | None:
    "The stage that changes labels, if there is one."
    stages = one.stages if isinstance(one, Composition) else (one,)
    return next((s for s in stages if s.kind.unit == "label"), None)


def stages_of(one: Scenario | Composition) -> tuple[Scenario, ...]:
    return one.stages if isinstance(one, Composition) else (one,)


def unhurried(pilot: Pilot, one: Scenario | Composition) -> str:
    "Why what comes late or too often cannot do harm in this replay; empty where it can, or where nothing does."
    timed = [s.name for s in stages_of(one) if s.kind.timed]
    feed = pilot.spec.feed
    if not timed or (feed is not None and (feed.budget_ms is not None or feed.queue is not None)):
        return ""
    lacks = "promises no feed" if feed is None else "promises a feed without budget_ms and queue"
    return (
        f"pilot.yaml {lacks}, so that nothing can be too late or too much and {timed[0]} cannot change an answer: "
        "add feed: {rate, service_ms, budget_ms}"
    )


class Sink:
    "Takes the corrupted batches of one cell, asks the pilot as soon as a block is full, keeps what the evidence needs."

    def __init__(self, job: Job, ask: Asks, one: Scenario | Composition, at: float, seed: int) -> None:
        self.job, self.ask, self.one, self.at, self.seed = job, ask, one, at, seed
        n = len(job.source.truth)
        self.codes, self.scores, self.touched = job.clean.codes.copy(), job.clean.scores.copy(), np.zeros(n, bool)
        self.truth = job.source.truth.copy() if label_of(one) is not None else None
        self.books: dict[str, Any] = dict.fromkeys(("asked", "eligible", "delivered", "units", "untreated"), 0)
        self.offset = self.left_out = 0
        self.waiting: list[tuple[pd.DataFrame, pd.DataFrame, np.ndarray]] = []  # before, after, positions in the whole set
        self.faults: list[tuple[Any, ...]] = []
        self.broke: list[tuple[int, int, pd.Series, pd.Series]] = []  # place by key, position, before, after: the first of them
        timed = any(s.kind.timed for s in stages_of(one)) and job.pilot.spec.feed is not None
        self.journey: Journey | None = Journey(job, stages_of(one), seed) if timed else None

    def take(self, rows: Rows, hit: Corruption) -> None:
        "One batch, corrupted."
        here = np.arange(self.offset, self.offset + len(rows))
        self._book(hit)
        self.touched[here] = hit.hit
        if self.journey is not None:
            self.journey.take(hit, self.offset, len(rows))
        arrived, again = hit.arrived, hit.changed
        if not arrived.all():
            gone = here[~arrived]
            self.left_out += len(gone)
            self.codes[gone] = GONE if self.codes.dtype.kind == "f" else LEFT_OUT
            self.scores[gone] = -1
        if self.truth is not None and hit.labels is not None:
            first = _first_of(hit, len(rows))
            self.truth[here[arrived]] = coded_truth(self.job.pilot, hit.labels.iloc[first[arrived]])
        asked = np.flatnonzero(arrived if self.job.everything else arrived & again)
        if len(asked):
            after = hit.frame if hit.source is None else hit.frame.iloc[_first_of(hit, len(rows))[asked]]
            after = after if hit.source is not None else after.iloc[asked]
            self.waiting.append((rows.frame.iloc[asked], after, here[asked]))
        self.offset += len(rows)
        while sum(len(w[2]) for w in self.waiting) >= BLOCK:
            self._flush(BLOCK)

    def _book(self, hit: Corruption) -> None:
        "Add up the counts of a batch; columns are the same in every batch and count once."
        stages = stages_of(self.one)
        for count in hit.counts:
            if self.offset == 0 or stages[count.stage].kind.unit not in ("column", "schema"):
                for name in self.books:
                    self.books[name] += getattr(count, name)

    def _flush(self, most: int) -> None:
        "Ask the oldest rows that wait, at most so many together."
        before, after, at = (_joined([w[i] for w in self.waiting]) for i in range(3))
        self.waiting = [(before.iloc[most:], after.iloc[most:], at[most:])] if len(at) > most else []
        before, after, at = before.iloc[:most], after.iloc[:most], at[:most]
        reply = self.ask(after)
        for i, error, message in reply.faults:
            said = message if quotes(self.job.pilot.spec) else NOT_SHOWN  # the pilot's own words may quote the row
            self.faults.append((self.job.label(self.one), self.at, self.seed, self.job.source.keys[at[i]], error, said))
        self.codes[at], self.scores[at] = reply.codes, reply.scores
        self._keep(before, after, at, reply.codes)

    def _keep(self, before: pd.DataFrame, after: pd.DataFrame, at: np.ndarray, codes: np.ndarray) -> None:
        "Rows that were right and are not any more, the first few by key."
        if not self.job.examples or self.job.pilot.spec.task == "regression":
            return
        truth = self.job.source.truth if self.truth is None else self.truth
        wrong = self.touched[at] & (self.job.clean.codes[at] == self.job.source.truth[at]) & (codes != truth[at])
        which = np.flatnonzero(wrong)
        place = self.job.source.places[at[which]]
        if len(self.broke) == self.job.examples:
            sooner = place < self.broke[-1][0]
            which, place = which[sooner], place[sooner]
        for k in np.argsort(place, kind="stable")[: self.job.examples]:
            i = which[k]
            self.broke.append((int(place[k]), int(at[i]), before.iloc[i], after.iloc[i]))
        self.broke = sorted(self.broke, key=lambda b: b[0])[: self.job.examples]

    def done(self) -> Done:
        "The cell, once every batch was taken."
        if self.waiting:
            self._flush(BLOCK)
        if self.journey is not None:
            lost, fallen = self.journey.end(self.codes, self.scores)
            self.touched |= lost
            self._late(np.flatnonzero(lost & ~fallen))
        one, books = self.one, self.books
        said = one.to_json()
        said.pop("severity", None)
        exercised = books["delivered"] > 0 and books["eligible"] >= 0.05 * books["units"]
        cell = Cell(
            self.job.label(one),
            one.name,
            one.family,
            self.at,
            self.seed,
            one.expect,
            said,
            **books,
            changed=int(self.touched.sum()),
            exercised=exercised,
            left_out=self.left_out,
            caveat=unhurried(self.job.pilot, one),
        )
        put, truth = self.job.source.placed, self.truth
        examples, faults = self._examples(cell), fault_table(self.faults)
        answers = (put(self.codes), put(self.scores), put(self.touched))
        return Done(cell, *answers, examples, faults, None if truth is None else put(truth))

    def _late(self, rows: np.ndarray) -> None:
        "Rows that the feed gave no answer for are faults, too."
        feed = self.job.pilot.spec.feed
        if feed is None or not len(rows):
            return
        limits = [f"budget_ms {feed.budget_ms:g}"] if feed.budget_ms is not None else []
        limits += [f"queue {feed.queue}"] if feed.queue is not None else []
        said = f"no answer in time: the promised feed allows {' and '.join(limits)}"
        for key in (self.job.source.keys[i] for i in rows):
            self.faults.append((self.job.label(self.one), self.at, self.seed, key, "Expired", said))

    def _examples(self, cell: Cell) -> pd.DataFrame:
        if not self.broke:
            return pd.DataFrame()
        at = np.array([i for _, i, _, _ in self.broke])
        shown = [difference(b, a, self.job.pilot.spec) for _, _, b, a in self.broke]
        truth = self.job.source.truth if self.truth is None else self.truth
        return pd.DataFrame(
            {
                "scenario": cell.scenario,
                "family": cell.family,
                "severity": cell.severity,
                "seed": cell.seed,
                "key": [self.job.source.keys[i] for i in at],
                "before": [b for b, _ in shown],
                "after": [a for _, a in shown],
                "truth": named(self.job.pilot, truth[at]),
                "answer": named(self.job.pilot, self.codes[at]),
            }
        )


class Journey:
    "The events of one cell on their way through the promise's feed, in simulated time, sent in the order of their keys."

    def __init__(self, job: Job, stages: Sequence[Scenario], seed: int) -> None:
        self.job, self.stages, self.seed = job, stages, seed
        self.parts: list[tuple[np.ndarray, ...]] = []  # row in the whole set, whether a copy, mean gaps late, mean gaps held up

    def take(self, hit: Corruption, offset: int, rows: int) -> None:
        "The events of one batch, after all stages."
        row, copy, late, held = np.arange(rows), np.zeros(rows, bool), np.zeros(rows), np.zeros(rows)
        for stage, entries in zip(self.stages, hit.ledger.stages, strict=True):
            for e in entries:
                if isinstance(e, RowLedger):
                    row, copy, late, held = (v[e.source] for v in (row, copy, late, held))
                    copy |= e.copy > 0
                    waits = held if stage.name in HELD else late
                    waits += e.delay
        self.parts.append((row + offset, copy, late, held))

    def end(self, codes: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # rows lost, and given the fallback
        "What the feed does not answer in time, and would without the scenario, gets the fallback or no answer."
        row, copy, late, held = (np.concatenate(p) for p in zip(*self.parts, strict=True))
        if self.seed not in self.job.lost:
            n = len(codes)
            every, none = np.arange(n), np.zeros(n)
            self.job.lost[self.seed] = self._outcomes(every, np.zeros(n, bool), none, none, self.job.clean.codes)[0]
        lost, fallen = self._outcomes(row, copy, late, held, codes)
        lost &= ~self.job.lost[self.seed]
        fallen &= lost
        feed, numbers = self.job.pilot.spec.feed, codes.dtype.kind == "f"
        codes[lost] = np.nan if numbers else FAULT
        scores[lost] = -1
        if feed is not None and feed.fallback is not None:
            codes[fallen] = float(feed.fallback) if numbers else self.job.pilot.labels.index(feed.fallback)
        return lost, fallen if feed is not None and feed.fallback is not None else np.zeros(len(codes), bool)

    def _outcomes(
        self, row: np.ndarray, copy: np.ndarray, late: np.ndarray, held: np.ndarray, codes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        "Rows that are answered too late or not at all though the pilot could, and those among them that get the fallback."
        from pilot_to_prod.stress._queue import ANSWERED, FALLBACK, outcomes, sent_times

        feed, n = self.job.pilot.spec.feed, len(codes)
        assert feed is not None
        place = self.job.source.places[row]
        by_key = np.lexsort((copy, place))
        row, copy, place, late, held = (v[by_key] for v in (row, copy, place, late, held))
        sent = sent_times(feed, (n + 12 * np.sqrt(n) + 40) / feed.rate, self.seed)[:n]
        arrived = sent[place] + late / feed.rate
        order = np.argsort(arrived, kind="stable")
        failing = np.isnan(codes[row]) if codes.dtype.kind == "f" else codes[row] == FAULT
        found = np.empty(len(row), np.int8)
        waits = held[order] / feed.rate if held.any() else None
        found[order] = outcomes(feed, arrived[order], failing[order], waits)
        lost, fallen = np.zeros(n, bool), np.zeros(n, bool)
        lost[row[~copy & (found != ANSWERED) & ~failing]] = True
        fallen[row[~copy & (found == FALLBACK)]] = True
        return lost, fallen


def _first_of(hit: Corruption, n: int) -> np.ndarray:
    "Where each row before first stands in the corrupted frame; 0 for rows that do not."
    if hit.source is None:
        return np.arange(n)
    out = np.zeros(n, np.int64)
    out[hit.source[::-1]] = np.arange(len(hit.source))[::-1]
    return out


def _joined(parts: Sequence[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else pd.concat(parts)


def fault_table(faults: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    "One row a fault, by key."
    found = sorted(map(list, faults), key=lambda f: str(f[3]))
    return pd.DataFrame(found, columns=["scenario", "severity", "seed", "key", "error", "message"])


def named(pilot: Pilot, codes: np.ndarray) -> np.ndarray:
    "Class codes in words."
    return np.array([*pilot.labels, "(not there)", "(no answer)", "(to a person)"], dtype=object)[codes]


NOT_SHOWN = "•••"  # instead of a value that the promise does not allow to be shown


def shows_rows(spec: Spec) -> bool:
    "Whether people may see rows: where the promise says so, or where a pilot at hand is being explored."
    return spec.privacy.show_rows or spec.exploration


def quotes(spec: Spec) -> bool:
    "Whether a pilot's own words may be repeated, in which any value of a row may stand."
    return shows_rows(spec) and not spec.privacy.mask


def difference(before: pd.Series, after: pd.Series, spec: Spec) -> tuple[str, str]:
    "The changed inputs of one row as text; a single text column without its name. Values are shown where the promise allows it."
    inputs = spec.inputs
    changed = [c for c in inputs if c not in after or not _same(before[c], after[c])] or list(inputs)[:1]
    hidden = set(spec.privacy.mask) if shows_rows(spec) else set(inputs)

    def value(row: pd.Series, column: str) -> str:
        if column not in row:
            return "(no such column)"
        return NOT_SHOWN if column in hidden else "(empty)" if pd.isna(row[column]) else str(row[column])

    def said(row: pd.Series) -> str:
        parts = [value(row, c) for c in changed[:4]]
        if len(inputs) == 1:
            return parts[0]
        return "; ".join(f"{c} = {v}" for c, v in zip(changed, parts, strict=False)) + ("; …" if len(changed) > 4 else "")

    return said(before), said(after)


def _same(a: Any, b: Any) -> bool:
    return a is b or bool(pd.isna(a) and pd.isna(b)) or (type(a) is type(b) and bool(a == b))


def run_rows(job: Job, ask: Asks, one: Scenario | Composition, seed: int, levels: Sequence[float]) -> list[Done]:
    "All severities of one scenario and seed: bound over the whole set, then corrupted batch by batch."
    bound: Bound = one.fit(job.pilot.reference, job.pilot.spec).bind(job.source, seed=seed, severities=levels)
    sinks = [Sink(job, ask, one, at, seed) for at in levels]
    for rows in job.source:
        for sink in sinks:
            sink.take(rows, bound.corrupt(rows, sink.at))
    return [sink.done() for sink in sinks]


def run_labels(job: Job, one: Scenario, seed: int, levels: Sequence[float], asker: Any) -> list[Done]:
    "A scenario of training labels: the pilot is trained again on the wrong labels and asked about the clean rows."
    pilot = job.pilot
    if pilot.trainer is None:
        return _sensitivity(job, asker(pilot), one, seed, levels, _NO_TRAINING)
    reference = pilot.reference.reset_index(drop=True)
    ids = pilot.spec.data.id
    rows = Rows(reference, ids if ids in reference else None, confidence=_confidence(pilot, reference, one, asker))
    fitted = one.fit(reference, pilot.spec)
    out = []
    for at in levels:
        hit = fitted.corrupt(rows, seed=seed, severity=at)
        try:
            learner = asker(pilot.trained(hit.frame))
        except Exception as e:  # noqa: BLE001 - whatever the training raises is a finding about it
            why = f"training failed on these labels: {type(e).__name__}: {e}"
            out += _sensitivity(job, asker(pilot), one, seed, [at], why)
            continue
        sink = Sink(job, learner, one, at, seed)
        sink.truth = None
        for batch in job.source:
            every = np.ones(len(batch), bool)
            sink.take(batch, Corruption(batch.frame, hit.ledger, (), every, every))
        sink.books.update({n: getattr(hit, n) for n in sink.books})
        out.append(sink.done())
    return out


_NO_TRAINING = (
    "the pilot has no train function (model.train), so labels of the replay rows were changed instead: "
    "this only shows how sensitive the metric is to wrong labels"
)


def _sensitivity(job: Job, ask: Asks, one: Scenario, seed: int, levels: Sequence[float], why: str) -> list[Done]:
    from dataclasses import replace

    done = run_rows(job, ask, one, seed, levels)
    return [replace(d, cell=replace(d.cell, caveat=why)) for d in done]


def _confidence(pilot: Pilot, frame: pd.DataFrame, one: Scenario, asker: Any) -> np.ndarray | None:
    "How sure the pilot is of its training rows, for scenarios that hit some of them more often."
    if not pilot.has_proba or one.kind.weight is None:
        return None
    return confidence_of(asker(pilot)(frame))


def confidence_of(reply: Reply) -> np.ndarray:
    "Scores of a reply in [0, 1]; 0 where there is none."
    return np.where(reply.scores >= 0, reply.scores / SCALE, 0.0)


__all__ = [
    "BLOCK",
    "FAULT",
    "Done",
    "Job",
    "ReplayError",
    "Reply",
    "Sink",
    "confidence_of",
    "run_labels",
    "run_rows",
    "told_apart",
]
