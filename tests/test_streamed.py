"""A replay that reads Parquet batch by batch is the one in memory: the same hash, books, examples and faults."""

import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mixed import CLASSES, made, mixed, spec_in

from pilot_to_prod.evidence import FAULT, Evidence
from pilot_to_prod.pilot import Pilot
from pilot_to_prod.scenarios import Composition, Corruption, Scenario, suite
from pilot_to_prod.settings import load_settings
from pilot_to_prod.stress import replay

# a pilot, its rows in a file, and how two replays are compared


class Strict:
    "Its answer depends on every value of a row, on how it is typed, and on nothing else."

    def __init__(self, refuses: str | None = None, moved: int = 0) -> None:
        self.refuses, self.moved = refuses, moved  # a column without which it raises; what training made of it

    def codes(self, frame: pd.DataFrame) -> np.ndarray:
        said = [[f"{c}={v}" for v in frame[c].astype(object).where(frame[c].notna(), "")] for c in sorted(frame)]
        return np.array([zlib.crc32("|".join(row).encode()) + self.moved for row in zip(*said, strict=True)], np.int64)

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        if self.refuses is not None and frame[self.refuses].isna().any():
            raise ValueError(f"no {self.refuses} in {int(self.codes(frame)[frame[self.refuses].isna()][0])}")
        return self.answers(frame)

    def answers(self, frame: pd.DataFrame) -> np.ndarray:
        return np.array(CLASSES, dtype=object)[self.codes(frame) % 4]


class Sure(Strict):
    "Says how sure it is, too."

    def predict_proba(self, frame: pd.DataFrame) -> pd.DataFrame:
        codes = self.codes(frame)
        table = np.ones((len(frame), 4))
        table[np.arange(len(frame)), codes % 4] += 1 + codes % 97
        return pd.DataFrame(table / table.sum(axis=1, keepdims=True), columns=CLASSES)


class Numbers(Strict):
    def answers(self, frame: pd.DataFrame) -> np.ndarray:
        return self.codes(frame) % 1000 / 8


def train(rows: pd.DataFrame) -> Strict:
    "Another pilot for other labels."
    return Strict(moved=int((rows["topic"] == "refund").sum()))


PROMISE = """
name: streamed
task: multiclass
model: {loader: module, ref: "test_streamed:Strict", train: "test_streamed:train"}
data:
  reference: replay.parquet
  replay: replay.parquet
  id: id
  label: topic
  labels: [billing, delivery, refund, 7]
  time: seen
  columns:
    id: id
    text: text
    note: text
    whole: number
    count: number
    price: amount
    flag: category
    sort: category
    city: category
    day: date
    due: date
    seen: {role: date, input: false}
    language: language
slices: [city]
dependencies: [{name: scoring, kind: technical, columns: [price, count]}]
"""
SLICED = PROMISE.replace(
    "[city]", "[city, sort, {name: best, column: sort, equals: a}, {name: east, column: city, isin: [Łódź, 東京]}]"
)
UNNAMED = PROMISE.replace("  id: id\n  label", "  label").replace("    id: id\n", "")
NUMBER = PROMISE.replace("multiclass", "regression").replace("  labels: [billing, delivery, refund, 7]\n", "")
COLUMNS = ["id", "text", "note", "whole", "count", "price", "flag", "sort", "city", "day", "seen", "language"]


def rows(n: int = 24) -> pd.DataFrame:
    "Rows with gaps in columns of most types, in no order, neither of their ids nor of anything else."
    frame = mixed(n)[COLUMNS]
    frame["day"] += pd.Timedelta("1min")
    frame.insert(10, "due", frame["day"].dt.date)
    return frame.sample(frac=1, random_state=4, ignore_index=True)


def filed(
    folder: Path,
    frame: pd.DataFrame,  # without labels
    model: Strict | None = None,
    yaml: str = PROMISE,
    by_label: bool = False,  # one class after the other
    plain: bool = False,  # as another program writes it: nothing says which types pandas had
    **how: Any,  # of the Parquet file
) -> tuple[Pilot, Pilot]:  # to be replayed in memory, and as a stream
    "A pilot that is right about most rows, and their file."
    model, where, table = model or Strict(), folder / "replay.parquet", pa.Table.from_pandas(frame)
    if plain:
        table = table.replace_schema_metadata(None)
    spec = spec_in(folder, yaml)
    pq.write_table(table, where, **how)
    said = model.answers(pd.read_parquet(where)[spec.inputs])
    truth = np.where(np.arange(len(said)) % 6 == 0, np.roll(said, 1), said)
    table = table.append_column(spec.data.label, pa.array(truth.tolist()))
    if by_label:
        table = table.sort_by(spec.data.label)
    pq.write_table(table, where, **how)
    return Pilot(spec, model), Pilot(spec, model)


def differences(a: Evidence, b: Evidence) -> list[str]:
    "What is not the same in two replays, in words."
    out = []
    for one, other in zip(a.cells, b.cells, strict=True):
        x, y = asdict(one), asdict(other)
        out += [f"{one.scenario} at {one.severity:g}: {k} {x[k]!r} ≠ {y[k]!r}" for k in x if x[k] != y[k]]
    for i, cell in enumerate(a.cells):
        for what in ("answers", "scores", "touched"):
            x, y = getattr(a, what)[i], getattr(b, what)[i]
            unlike = int((x != y)[~((x != x) & (y != y))].sum())
            out += [f"{cell.scenario} at {cell.severity:g}: {unlike} {what}"] if unlike else []
    for what in ("examples", "faults"):
        x, y = getattr(a, what), getattr(b, what)
        if not x.equals(y):
            mixed_up = len(x) == len(y) and sorted(map(repr, x.to_numpy().tolist())) == sorted(map(repr, y.to_numpy().tolist()))
            names = "" if not len(x) or not len(y) else f" (first of {x['scenario'].iloc[0]})"
            out.append(f"{what}: {'another order' if mixed_up else f'{len(x)} and {len(y)}, not the same'}{names}")
    if list(map(str, a.keys)) != list(map(str, b.keys)):
        out.append("keys")
    if list(a.slices) != list(b.slices) or any((a.slices[n] != b.slices[n]).any() for n in a.slices):
        out.append(f"slices {list(a.slices)} ≠ {list(b.slices)}")
    out += [f"pilot: another {k}" for k in a.pilot if a.pilot[k] != b.pilot[k]]
    out += [f"notes: {sorted(set(a.notes) ^ set(b.notes)) or 'another order'}"] if a.notes != b.notes else []
    if a.hash != b.hash and not out:
        out.append("hash")
    return out


def replayed(pilot: Pilot, scenarios: Sequence[Scenario | Composition], at: Sequence[float] = (0.4,), **how: Any) -> Evidence:
    now = load_settings({"replay.examples": 5})  # fewer than there are, so that it matters which ones are kept
    found = replay(pilot, suite([(one, at) for one in scenarios], pilot.spec), seeds=(0,), settings=now, progress=False, **how)
    assert len(found.cells) == len(scenarios) * len(at)
    return found


def unlike(
    pilots: tuple[Pilot, Pilot],
    scenarios: Sequence[Scenario | Composition],
    batches: Sequence[int],
    at: Sequence[float] = (0.4,),
) -> str:
    "What streams with batches of some sizes say that the replay in memory does not."
    whole, out = replayed(pilots[0], scenarios, at, stream=False), []
    for size in batches:
        try:
            found = differences(whole, replayed(pilots[1], scenarios, at, stream=True, batch_rows=size))
        except Exception as e:
            found = [f"{type(e).__name__}: {str(e)[:300]}"]
        out += [f"batches of {size}: {f}" for f in found]
    return "\n".join(out)


# how the rows are filed

FEW = [
    made("typos", "text"),
    made("number_words", "text", "note"),
    made("mcar", "text", "whole", "sort", "city", "day", "flag"),
    made("retyped_column", "whole", "flag", "count", "day"),
]


def days_first(frame: pd.DataFrame) -> pd.DataFrame:
    "Moments at midnight, then others, then gaps."
    midnight = frame["day"].dt.normalize().where(frame["day"].dt.hour < 12, frame["day"])
    return frame.assign(day=midnight).sort_values("day", key=lambda d: d.dt.hour, ignore_index=True)


def gaps(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    "Whole numbers, yes and no, and days with gaps, all of them beside each other."
    flag = frame["flag"].astype(object).where(frame["count"].notna(), None)
    return frame.assign(flag=flag).sort_values(["count", "day"], na_position=where, ignore_index=True)


LAYOUTS: dict[str, Any] = {
    "whole numbers as ids": lambda f: {"frame": f.assign(id=np.arange(len(f))[::-1] * 7)},
    "no id": lambda f: {"frame": f.drop(columns="id"), "yaml": UNNAMED},
    "no id, and an index that is a column of the file": lambda f: {
        "frame": f.drop(columns="id").sort_values("whole"),
        "yaml": UNNAMED,
    },
    "one class after the other": lambda f: {"frame": f, "by_label": True},
    "dictionaries": lambda f: {"frame": f.astype({"city": "category"}), "yaml": SLICED},
    "dictionaries of each row group": lambda f: {
        "frame": f.astype({"city": "category"}),
        "yaml": SLICED,
        "row_group_size": 5,
        "plain": True,
    },
    "days without an hour first": lambda f: {"frame": days_first(f)},
    "gaps last, nothing of pandas in it": lambda f: {"frame": gaps(f, "last"), "plain": True},
    "gaps first, nothing of Arrow in it": lambda f: {"frame": gaps(f, "first"), "plain": True, "store_schema": False},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_it_does_not_matter_how_the_rows_are_filed(layout, tmp_path):
    found = unlike(filed(tmp_path, **LAYOUTS[layout](rows())), FEW, (7,))
    assert not found, found


# what happens to them

FEED = "feed: {rate: 10, service_ms: 80, budget_ms: 150}\n"  # busy for four fifths of the time: some wait longer than that
UNITS: dict[str, list[Scenario]] = {
    "word": [made("typos", "text", "note"), made("mojibake", "text", "city", "sort")],
    "span": [made("number_words", "text"), made("emoji", "text", "note"), made("duplicated_delimiters", "text", "city")],
    "cell": [
        made("by_uncertainty", "count", "flag", "sort", "due"),
        made("numbers_as_text", "whole", "count"),
        made("unseen_category", "sort", "city"),
    ],
    "row": [
        made("block_missing", "note", "count", "sort"),
        made("field_shift", "text", "whole", "city"),
        made("dependency_stale", "price", "count"),
    ],
    "column": [made("whole_column", "text", "count", "flag", "sort", "due")],
    "schema": [
        made("dropped_column", "text", "price", "due"),
        made("renamed_column", "note", "count"),
        made("swapped_columns", "whole", "price", "text", "city"),
        made("retyped_column", "count", "flag", "day", "due"),
        made("nullability", "whole", "language"),
    ],
    "label": [made("uniform_labels"), made("stale_labels")],
    "event": [
        made("late_events", delay=1.0),
        made("dependency_late", delay=0.1),
        made("duplicate_events", copies=3, again=0.1),
        made("near_duplicate_events", "text", "price"),
        made("prior_shift"),
    ],
}


@pytest.mark.parametrize("unit", UNITS)
def test_it_does_not_matter_what_happens_to_the_rows(unit, tmp_path):
    assert {one.kind.unit for one in UNITS[unit]} == {unit}
    found = unlike(filed(tmp_path, rows(), Sure(), PROMISE + FEED, row_group_size=13), UNITS[unit], (7,), (0.2, 0.8))
    assert not found, found


def test_labels_of_the_replay_rows_where_nothing_can_be_trained(tmp_path):
    untaught = PROMISE.replace(', train: "test_streamed:train"', "")
    found = unlike(filed(tmp_path, rows(), yaml=untaught), UNITS["label"], (7,))
    assert not found, found


def test_nor_does_it_for_a_pilot_that_answers_with_numbers(tmp_path):
    some = [*FEW, made("late_events", delay=1.0), made("dropped_events")]
    found = unlike(filed(tmp_path, rows(), Numbers(), NUMBER + FEED), some, (7,))
    assert not found, found


COMPOSED = [
    made("retyped_column", "whole", "sort", "flag", "day") >> made("typos", "text"),
    made("retyped_column", "whole", "count") >> made("mcar", "whole", "count", "text"),
    made("mcar", "count", "whole") >> made("retyped_column", "count", "whole") >> made("number_words", "text"),
    made("whole_column", "price", "city") >> made("duplicated_delimiters", "text"),
    made("duplicate_events", again=0.05) >> made("late_events", delay=0.5) >> made("typos", "text"),
    made("dropped_events") >> made("emoji", "text") >> made("dropped_column", "note", "due"),
    made("uniform_labels") >> made("swapped_columns", "whole", "price"),
]


def test_it_does_not_matter_what_happens_to_the_rows_one_after_the_other(tmp_path):
    found = unlike(filed(tmp_path, rows(), yaml=PROMISE + FEED), COMPOSED, (10,))
    assert not found, found


@pytest.mark.parametrize("size", [1, 13, 10**9])
def test_it_does_not_matter_how_many_rows_are_read_at_once(size, tmp_path):
    "One, all but one, or more than there are; in memory, too."
    some = [UNITS["span"][0], UNITS["cell"][0], UNITS["event"][0], COMPOSED[0]]
    pilots = filed(tmp_path, rows(14), Sure(), PROMISE + FEED, row_group_size=5)
    found = unlike(pilots, some, (size,))
    assert not found, found
    assert replayed(pilots[0], some[2:], batch_rows=size).hash == replayed(pilots[0], some[2:]).hash


def test_a_pilot_that_raises_raises_for_the_same_rows(tmp_path):
    frame, model = rows(36), Sure(refuses="note")
    pilots = filed(tmp_path, frame, model, row_group_size=17)
    some = [made("mcar", "note", "text"), made("renamed_column", "note", "city")]
    found = unlike(pilots, some, (11,))
    assert not found, found
    evidence = replayed(pilots[1], some[:1], stream=True, batch_rows=11)
    refused = sorted(frame.loc[frame["note"].isna(), "id"])
    assert evidence.faults.loc[evidence.faults["scenario"] == "clean", "key"].tolist() == refused and len(refused) > 3
    assert [str(k) for k in np.asarray(evidence.keys)[evidence.clean == FAULT]] == refused


# a feed that is promised

BUSY = {
    "patient": "{rate: 2, service_ms: 400}",
    "idle": "{rate: 1, service_ms: 1, budget_ms: 1000}",
    "busy": FEED.partition(" ")[2],
    "overloaded": "{rate: 10, service_ms: 250, budget_ms: 300}",
    "overloaded, with an answer to fall back on": "{rate: 10, service_ms: 250, budget_ms: 300, fallback: billing}",
    "with a short queue, in micro-batches": "{rate: 10, service_ms: 250, queue: 2, micro_batch: 2, max_wait_ms: 50}",
}
TIMED = [
    made("late_events"),
    made("dependency_late", dependency="scoring"),
    made("duplicate_events"),
    made("near_duplicate_events", "text"),
    made("retry_storm"),
    made("duplicate_events") >> made("typos", "text"),
]


@pytest.mark.parametrize(("feed", "stream"), [*((f, False) for f in BUSY), ("overloaded", True)])
def test_severity_0_is_identity_whatever_the_feed(feed, stream, tmp_path):
    "Also where the feed loses answers on a clean day."
    pilots = filed(tmp_path, rows(), Sure(), f"{PROMISE}feed: {BUSY[feed]}\n")
    found = replayed(pilots[stream], TIMED, (0.0,), stream=stream, batch_rows=15)
    for i, cell in enumerate(found.cells):
        assert (cell.asked, cell.delivered, cell.changed, cell.left_out) == (0, 0, 0, 0), cell.scenario
        assert not found.touched[i].any()
        assert (found.answers[i] == found.clean).all() and (found.scores[i] == found.clean_score).all(), cell.scenario
    assert not len(found.faults) and not len(found.examples)


def outcome(folder: Path, feed: str, one: Scenario, at: float, n: int = 40) -> tuple[Evidence, Corruption, np.ndarray]:
    "A replay, what was done to the events, and which of them were given no answer, in the order of their keys."
    pilots = filed(folder, rows(n), yaml=f"{PROMISE}feed: {{rate: 1, arrivals: constant, {feed}}}\n")
    found = replayed(pilots[0], [one], (at,), stream=False)
    frame = pilots[0].replay_set.sort_values("id")
    hit = one.fit(frame, pilots[0].spec).corrupt(frame, severity=at)
    assert list(frame["id"]) == list(found.keys) and int(hit.hit.sum()) == int(n * at + 0.5)
    lost = found.answers[0] == FAULT
    assert list(found.faults["key"] if len(found.faults) else []) == frame["id"][lost].tolist()
    assert (found.answers[0] == found.clean)[~lost].all() or "fallback" in feed
    return found, hit, lost


@pytest.mark.parametrize(("delay", "expires"), [(0.5, False), (0.9, False), (0.95, True), (2.0, True), (1e6, True)])
def test_who_waits_for_a_dependency_longer_than_the_budget_is_lost(delay, expires, tmp_path):
    "An event a second, a tenth of a second for each, a second at most: whoever is held up for more than 0.9 seconds is too late."
    found, hit, lost = outcome(tmp_path, "service_ms: 100, budget_ms: 1000", made("dependency_late", delay=delay), 0.3)
    assert lost.tolist() == (hit.hit & expires).tolist()
    assert found.cells[0].changed == 12 and found.touched[0].tolist() == hit.hit.tolist()


def test_who_is_lost_gets_the_answer_to_fall_back_on(tmp_path):
    one = made("dependency_late", delay=2.0)
    found, hit, lost = outcome(tmp_path, "service_ms: 100, budget_ms: 1000, fallback: refund", one, 0.3)
    assert not lost.any() and not len(found.faults)
    assert (found.answers[0][hit.hit] == CLASSES.index("refund")).all()
    assert (found.answers[0][~hit.hit] == found.clean[~hit.hit]).all()


@pytest.mark.parametrize("at", [1 / 40, 0.1, 0.5, 1.0])
def test_each_event_that_comes_twice_costs_another_one_where_there_is_no_time_to_spare(at, tmp_path):
    """An event a second, a second for each, 2.5 seconds at most: the first copy makes all wait a second, and there is time for that.

    Each further copy comes half a second before the next event, takes its turn, and that one would be answered after 3 seconds."""
    one = made("duplicate_events", again=0.5)
    found, hit, lost = outcome(tmp_path, "service_ms: 1000, budget_ms: 2500", one, at)
    twice = np.flatnonzero(hit.hit)
    assert np.flatnonzero(lost).tolist() == [i + 1 for i in twice[1:] if i + 1 < len(lost)]
    assert found.cells[0].changed == (hit.hit | lost).sum()


@pytest.mark.parametrize("limits", ["service_ms: 500, budget_ms: 1000", "service_ms: 1000"])
def test_events_that_come_twice_cost_nothing_where_there_is_time_for_both(limits, tmp_path):
    _, _, lost = outcome(tmp_path, limits, made("duplicate_events", again=0.5), 1.0)
    assert not lost.any()


@pytest.mark.parametrize(("delay", "at"), [(0.01, 1 / 40), (0.3, 0.5), (5.0, 0.5), (1000.0, 0.5), (5.0, 1.0)])
def test_a_late_event_finds_the_pilot_at_work_or_makes_another_one_find_it_so(delay, at, tmp_path):
    "An event a second, a second for each, a second at most: nobody can wait, so that whoever comes while another is served is lost."
    one = made("late_events", delay=delay)
    _, hit, lost = outcome(tmp_path, "service_ms: 1000, budget_ms: 1000", one, at)
    late = np.zeros(len(lost))
    moved = hit.ledger.stages[0][0]
    late[moved.source] = moved.delay
    free, expected = 0.0, np.zeros(len(lost), bool)
    for i in np.argsort(np.arange(len(lost)) + late, kind="stable"):
        expected[i] = i + late[i] < free
        free = free if expected[i] else i + late[i] + 1
    assert lost.tolist() == expected.tolist()
    if at < 0.1:  # one event, a moment late: the next one
        assert lost.sum() == 1 and hit.hit[np.flatnonzero(lost)[0] - 1]
    else:
        assert 0 < lost.sum() < len(lost)


def test_to_be_late_is_no_fault_where_the_pilot_has_time(tmp_path):
    found, hit, lost = outcome(tmp_path, "service_ms: 1, budget_ms: 1000", made("late_events", delay=30.0), 0.5)
    assert not lost.any() and found.touched[0].tolist() == hit.hit.tolist()
