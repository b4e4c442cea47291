"""What a replay asks, before it runs: counted calls are made calls, a limit refuses before the first of them, prices add up."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import write_pilot

from pilot_to_prod.pilot import Pilot
from pilot_to_prod.scenarios import kinds, scenario, suite
from pilot_to_prod.settings import load_settings
from pilot_to_prod.spec import Spec
from pilot_to_prod.spec.model import Price
from pilot_to_prod.stress import Cost, ReplayError, _cost, _replay, cost, engine, replay, time_calls
from pilot_to_prod.stress._cost import Meter

N = 90


def hashed(frame) -> np.ndarray:
    return pd.util.hash_pandas_object(pd.DataFrame(frame).astype(str), index=False).to_numpy()


class Model:
    "Answers anything, by nothing but the row; whoever made it, calls and rows are counted in one place."

    asked: list[tuple[str, int]] = []

    def predict(self, frame):
        Model.asked.append(("predict", len(frame)))
        return np.where(hashed(frame) % 2, "yes", "no")


class Sure(Model):
    classes_ = ["no", "yes"]

    def predict_proba(self, frame):
        Model.asked.append(("predict_proba", len(frame)))
        yes = 0.5 + (hashed(frame) % 1000 / 2000) * np.where(hashed(frame) % 2, 1, -1)
        return np.column_stack([1 - yes, yes])


class Learner(Sure):
    def get_params(self, deep=False):
        return {}

    def fit(self, rows, labels):
        return self


class Sociable(Model):
    "Answers by how many rows are asked together."

    def predict(self, frame):
        super().predict(frame)
        return ["yes" if len(frame) % 7 < 4 else "no"] * len(frame)


class Number(Model):
    def predict(self, frame):
        super().predict(frame)
        return (hashed(frame) % 1000).astype(float)


@pytest.fixture(autouse=True)
def _nothing_asked_yet():
    Model.asked.clear()


def made() -> tuple[int, int]:
    "Calls and rows since the last time."
    out = len(Model.asked), sum(n for _, n in Model.asked)
    Model.asked.clear()
    return out


def rows(n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    words = np.array(["parcel", "lamp", "late", "broken", "street", "please", "answer", "today", "nobody", "came"])
    return pd.DataFrame(
        {
            "text": [" ".join(rng.choice(words, 8)) for _ in range(n)],
            "amount": rng.gamma(2, 100, n).round(2),
            "age": rng.integers(18, 90, n),
            "kind": rng.choice(["a", "b", "c"], n),
            "label": rng.choice(["no", "yes"], n),
        }
    )


def pilot_of(model, n: int = N, **model_of_spec) -> Pilot:
    made_ = Pilot.of(
        model, rows(n), label="label", roles={"text": "text", "amount": "amount", "age": "number", "kind": "category"}
    )
    held = made_.spec.model.model_copy(update=model_of_spec)
    columns = {c: v.model_copy(update={"input": True}) for c, v in made_.spec.data.columns.items()}
    data = made_.spec.data.model_copy(update={"columns": columns})
    return Pilot(made_.spec.model_copy(update={"model": held, "data": data}), model, rows(n), rows(n))


def settings_of(**flags):
    return load_settings({k.replace("_", ".", 1): v for k, v in flags.items()}, environ={})


def paid_for(texts, language):
    raise AssertionError("a translator that costs money was asked")


def test_counting_asks_no_translator():
    pilot = pilot_of(Model())
    one = {"name": "translated", "translator": f"{__name__}:paid_for", "language": "de"}
    counted = cost(pilot, some([one], pilot.spec), (1.0,), (0,), time_rows=0)
    assert counted.cells == 1 and counted.parts[-1].rows == N  # every text counts as one that it changes
    assert any(f"translated ({__name__}:paid_for): a translator is not asked" in r for r in counted.remarks)
    assert not any("translator" in r for r in cost(pilot, some(["mcar"], pilot.spec), (0.1,), (0,), time_rows=0).remarks)
    with pytest.raises(ReplayError, match="needs at most [0-9]+ calls"):
        replay(pilot, some([one], pilot.spec), (1.0,), (0,), max_calls=1)


SUITES = {
    "cells": ["mcar", "mnar", "unit_error"],
    "confidence": [{"name": "by_uncertainty", "columns": ["text", "amount", "kind"]}],
    "words and spans": ["typos", "upper_case", "slang"],
    "columns": ["whole_column"],
    "rows": ["block_missing"],
    "schema": ["dropped_column", "renamed_column", "reordered_columns", "added_column"],
    "events": ["dropped_events", "duplicate_events", "reordered_events", "prior_shift", "near_duplicate_events"],
    "labels": ["uniform_labels", "instance_hard_labels", "concept_shift"],
    "composition": [{"stages": [{"name": "typos", "severity": 0.3}, {"name": "dropped_events", "severity": 0.5}]}],
    "nothing": [],
}
MIXED = [names[0] for names in SUITES.values() if names] + ["prior_shift", "by_uncertainty", "duplicate_events"]


def some(names, spec):
    return suite([n if isinstance(n, str) else scenario(**n) for n in names], spec)


@pytest.fixture
def settings(monkeypatch):
    "Replay in blocks of 32 rows, read in batches of 50."
    for room in (engine, _replay, _cost):
        monkeypatch.setattr(room, "BLOCK", 32)
    return settings_of(replay_batch_rows="50")


# ---- counted = made


def same(pilot, names, settings, severities=(0.05, 0.5)):
    "Counts and replays a suite, and compares."
    chosen = some(names, pilot.spec)
    counted = cost(pilot, chosen, severities, (0,), settings=settings)
    Model.asked.clear()  # what was tried on clean rows
    found = replay(pilot, chosen, severities, (0,), settings=settings, progress=False)
    assert made() == (counted.calls, counted.rows)
    assert counted.cells == len(found.cells) and counted.scenarios == len({c.scenario for c in found.cells})
    assert counted.most_calls == counted.calls  # all rows were tried: nothing is left open


@pytest.mark.parametrize("names", SUITES.values(), ids=SUITES)
def test_counted_calls_are_made_calls(names):
    same(pilot_of(Learner()), names, settings_of())


@pytest.mark.parametrize("model", [Model, Learner, Sociable], ids=lambda m: m.__name__)
def test_blocks_and_batches_are_counted(settings, model):
    same(pilot_of(model()), MIXED, settings, (0.5,))


def test_counted_calls_are_made_calls_of_whole_families():
    pilot = pilot_of(Learner())
    chosen = suite("missing+labels", pilot.spec)
    counted = cost(pilot, chosen, (0.3,), (0,))
    made()
    replay(pilot, chosen, (0.3,), (0,), progress=False)
    assert made() == (counted.calls, counted.rows)


def test_a_declared_dependence_asks_everything(settings):
    pilot = pilot_of(Sure(), deterministic=False)
    chosen = some(["mcar", "concept_shift", "dropped_events"], pilot.spec)
    counted = cost(pilot, chosen, (0.1,), (0,), settings=settings, time_rows=0)
    assert made() == (0, 0)
    found = replay(pilot, chosen, (0.1,), (0,), settings=settings, progress=False)
    gone = sum(c.left_out for c in found.cells)
    assert made() == (counted.calls, counted.rows) and gone
    assert counted.rows == 2 * (N + sum(N - c.left_out for c in found.cells))  # the concept shift's own severities included


def test_a_dependence_that_was_not_tried_is_told_and_its_calls_are_counted(settings):
    pilot = pilot_of(Sociable())
    chosen = some(["mcar", "dropped_events", "concept_shift", "dropped_column", "reordered_columns"], pilot.spec)
    counted = cost(pilot, chosen, (0.05,), (0,), settings=settings, time_rows=0)
    assert made() == (0, 0)
    replay(pilot, chosen, (0.05,), (0,), settings=settings, progress=False)
    assert counted.calls < counted.most_calls == made()[0]
    assert any(f"up to {counted.most_calls:,} calls" in r for r in counted.remarks)


def test_regression_is_counted(settings):
    frame = rows().assign(label=np.linspace(0, 1, N))
    pilot = Pilot.of(Number(), frame, label="label")
    chosen = some(["mcar", "typos"], pilot.spec)
    counted = cost(pilot, chosen, (0.2,), (0,), settings=settings)
    made()
    replay(pilot, chosen, (0.2,), (0,), settings=settings, progress=False)
    assert made() == (counted.calls, counted.rows)


def test_rows_read_from_a_file_batch_by_batch_are_counted(tmp_path, settings):
    write_pilot(tmp_path, source=LOGGED)
    pd.read_csv(tmp_path / "replay.csv").to_parquet(tmp_path / "replay.parquet")
    text = (tmp_path / "pilot.yaml").read_text(encoding="utf-8").replace("replay: replay.csv", "replay: replay.parquet")
    (tmp_path / "pilot.yaml").write_text(text, encoding="utf-8")
    pilot = Pilot.load(tmp_path)
    chosen = some(["typos", "mcar"], pilot.spec)
    now = settings.model_copy(update={"replay": settings.replay.model_copy(update={"memory_rows": 10, "batch_rows": 20})})
    counted = cost(pilot, chosen, (0.02, 0.3), (0,), settings=now)
    made_before = len(logged(tmp_path))
    replay(pilot, chosen, (0.02, 0.3), (0,), settings=now, progress=False)
    found = logged(tmp_path)[made_before:]
    assert (len(found), sum(found)) == (counted.calls, counted.rows)


def test_severities_and_seeds_come_from_where_replay_takes_them():
    pilot = pilot_of(Model())
    chosen = some(["mcar"], pilot.spec)
    now = settings_of(replay_severities="0.1,0.2", replay_seeds="3,4,5")
    assert cost(pilot, chosen, settings=now, time_rows=0).cells == 6
    promised = Pilot(pilot.spec.model_copy(update={"severities": (0.4,), "seeds": (1,)}), pilot.model, rows(), rows())
    assert cost(promised, chosen, settings=now, time_rows=0).cells == 1
    with pytest.raises(ValueError, match=r"severities must be numbers in \[0, 1\]"):
        cost(pilot, chosen, (3,), (0,), time_rows=0)


def test_what_asks_how_sure_the_pilot_is_is_left_out_where_it_cannot_say():
    counted = cost(pilot_of(Model()), suite(["by_uncertainty"], pilot_of(Model()).spec), (0.1,), (0,), time_rows=0)
    assert counted.cells == 0 and any("gives no probabilities" in n for n in counted.notes)
    sure = cost(pilot_of(Sure()), suite(["by_uncertainty"], pilot_of(Sure()).spec), (0.1,), (0,), time_rows=0)
    assert sure.cells == 1 and any(n.startswith("by_uncertainty:") for n in sure.notes)


def test_few_rows_are_tried_and_no_other_is_asked():
    pilot = pilot_of(Sure())
    counted = cost(pilot, some(["mcar"], pilot.spec), (0.5,), (0,), time_rows=16)
    assert max(n for _, n in Model.asked) == 16 and sum(n for _, n in Model.asked) <= 2 * (4 + 16 + 8)
    assert counted.seconds > 0


def test_a_raising_pilot_is_told_of():
    class Raises(Model):
        def predict(self, frame):
            if frame["amount"].max() > 300:
                raise ValueError("too much")
            return super().predict(frame)

    pilot = pilot_of(Raises())
    notes = cost(pilot, some(["mcar"], pilot.spec), (0.1,), (0,)).notes
    assert any("not foreseen" in n for n in notes) and any(f"of {N} clean rows" in n for n in notes)


# ---- time


class Slow(Sure):
    "Moves a clock of its own: ten seconds once, half a second a call, a hundredth a row."

    now = 0.0

    def _wait(self, frame):
        Slow.now += 10 * (Slow.now == 0) + 0.5 + 0.01 * len(frame)

    def predict(self, frame):
        self._wait(frame)
        return super().predict(frame)

    def predict_proba(self, frame):
        self._wait(frame)
        return super().predict_proba(frame)


@pytest.mark.parametrize("tried", [2, 256])
def test_time_is_that_of_calls_and_of_rows(settings, tried):
    Slow.now = 0.0
    pilot = pilot_of(Slow())
    chosen = some(["mcar", "dropped_events", "typos"], pilot.spec)
    counted = cost(pilot, chosen, (0.1, 0.5), (0,), settings=settings, time_rows=tried, clock=lambda: Slow.now)
    began = Slow.now
    replay(pilot, chosen, (0.1, 0.5), (0,), settings=settings, progress=False)
    assert counted.seconds == pytest.approx(Slow.now - began)


def test_corruption_takes_time_too():
    pilot, ticks = pilot_of(Model()), iter(range(100))
    counted = cost(pilot, some(["mcar"], pilot.spec), (0.1,), (0,), clock=lambda: float(next(ticks)))
    meter = Meter(pilot, clock=lambda: 0.0)
    assert meter.replay(some(["mcar"], pilot.spec), (0.1,), (0,)).seconds == 0
    assert counted.seconds >= 1


def test_timed_single_calls_are_counted():
    pilot = pilot_of(Sure())
    now = settings_of(latency_runs="3", latency_calls="4", latency_warmup="2", latency_span="0")
    counted = Meter(pilot, now, time_rows=0).timing()
    time_calls(pilot, settings=now)
    assert made() == (counted.calls, counted.rows) == (18, 18) and counted.cells == 0 and counted.seconds is None


def test_timed_runs_are_spread_over_a_span():
    pilot, now, waited = pilot_of(Sure()), [0.0], []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    def clock() -> float:
        now[0] += 0.001
        return now[0]

    given = settings_of(latency_runs="5", latency_calls="3", latency_warmup="1", latency_span="10")
    calls = time_calls(pilot, settings=given, clock=clock, sleep=sleep)
    assert calls.shape == (5, 3) and np.allclose(calls, 1.0)
    assert len(waited) == 4 and all(1.9 < s < 2 for s in waited) and 8 < now[0] < 8.1  # the first run starts at once
    assert Meter(pilot, given, clock=lambda: 0.0).timing().seconds == 10

    slow = time_calls(
        pilot, settings=settings_of(latency_runs="5", latency_calls="3", latency_span="0.001"), clock=clock, sleep=sleep
    )
    assert slow.shape == (5, 3) and len(waited) == 4  # calls that take longer than the span are not waited for


class Watched(Sure):
    texts: list[str] = []  # of the class, since a pilot may hold a copy

    def predict(self, frame):
        Watched.texts += list(frame["text"])
        return super().predict(frame)


def test_timed_rows_take_turns_over_all_runs():
    pilot = pilot_of(Watched())
    Watched.texts.clear()
    time_calls(pilot, settings=settings_of(latency_runs="5", latency_calls="3", latency_warmup="0", latency_span="0"))
    assert len(Watched.texts) == len(set(Watched.texts)) == 15  # not the same three in every run


# ---- price


def test_a_priced_pilot_is_not_asked_and_its_price_is_calls_and_rows():
    pilot = pilot_of(Sure(), price=Price(call=0.25, row=0.002, currency="USD"))
    chosen = some(["mcar", "whole_column"], pilot.spec)
    counted = cost(pilot, chosen, (0.1,), (0,))
    assert made() == (0, 0)
    assert counted.seconds is None and any("costs money" in n for n in counted.notes)
    assert counted.currency == "USD"
    replay(pilot, chosen, (0.1,), (0,), progress=False)
    calls, asked = made()
    assert counted.price == pytest.approx(0.25 * calls + 0.002 * asked)


def test_no_price_is_no_price_and_not_zero():
    pilot = pilot_of(Model())
    assert cost(pilot, some(["mcar"], pilot.spec), (0.1,), (0,)).price is None
    free = pilot_of(Model(), price=Price())
    assert cost(free, some(["mcar"], free.spec), (0.1,), (0,)).price == 0


@pytest.mark.parametrize(("price", "shown"), [(0, "0.00"), (1234.5, "1,234.50"), (0.1, "0.10"), (0.00042, "0.00042")])
def test_small_prices_are_not_shown_as_nothing(price, shown):
    assert _cost.money(price) == shown


def test_costs_add_up():
    pilot = pilot_of(Sure(), price=Price(call=1))
    parts = [cost(pilot, some([n], pilot.spec), (0.1,), (0, 1)) for n in ("mcar", "typos", "uniform_labels")]
    total = parts[0] + parts[1] + parts[2]
    for name in ("scenarios", "cells", "calls", "rows", "price", "most_calls", "trainings"):
        assert getattr(total, name) == sum(getattr(p, name) for p in parts)
    assert total.seconds is None and len(total.notes) == len(set(total.notes))
    with pytest.raises(ValueError, match="EUR and USD cannot be added"):
        total + cost(pilot_of(Sure(), price=Price(currency="USD")), some([], pilot.spec), (0.1,), (0,))


def test_cost_shows_where_calls_go():
    pilot = pilot_of(Learner())
    counted = cost(pilot, some(["mcar", "uniform_labels"], pilot.spec), (0.1, 0.3), (0,))
    table = counted.to_frame().set_index("what")
    assert list(table.index) == ["clean rows", "every other row again", "mcar", "uniform_labels"]
    assert (table["calls"].sum(), table["rows"].sum(), table["cells"].sum()) == (counted.calls, counted.rows, counted.cells)
    assert table.loc["clean rows", "rows"] == 2 * N and table.loc["every other row again", "rows"] == N
    assert counted.trainings == 3 and any("trained again 3 times" in r for r in counted.remarks)  # at its own severities
    assert f"{counted.calls:,} calls" in counted._repr_html_()
    hostile = Cost(0, 0, 0, 0, None, None, notes=("<script>",))
    assert "<script>" not in hostile._repr_html_()


# ---- a limit refuses


def test_a_limit_refuses_before_the_first_call_and_is_exact(settings):
    pilot = pilot_of(Learner())
    chosen = some(["mcar", "dropped_events", "uniform_labels"], pilot.spec)
    needed = cost(pilot, chosen, (0.1,), (0,), settings=settings)
    made()
    with pytest.raises(ReplayError) as refused:
        replay(pilot, chosen, (0.1,), (0,), settings=settings, max_calls=needed.calls - 1, progress=False)
    assert made() == (0, 0)
    for part in (
        f"needs {needed.calls:,} calls",
        f"for {needed.rows:,} rows",
        f"max_calls={needed.calls - 1}",
        "Nothing was asked",
    ):
        assert part in str(refused.value)
    free = replay(pilot, chosen, (0.1,), (0,), settings=settings, progress=False)
    made()
    limited = replay(pilot, chosen, (0.1,), (0,), settings=settings, max_calls=needed.calls, progress=False)
    assert made()[0] == needed.calls and limited.hash == free.hash


@pytest.mark.parametrize("limit", [0, -3, True, 2.5, "many"])
def test_a_limit_that_is_none_is_an_error(limit):
    pilot = pilot_of(Model())
    with pytest.raises(ValueError, match="max_calls must be a whole number above 0"):
        replay(pilot, some(["mcar"], pilot.spec), (0.1,), (0,), max_calls=limit, progress=False)
    assert made() == (0, 0)


def test_a_dependence_found_by_asking_refuses_there(settings):
    pilot = pilot_of(Sociable())
    chosen = some(["mcar", "concept_shift"], pilot.spec)
    counted = cost(pilot, chosen, (0.02,), (0,), settings=settings, time_rows=0)
    assert counted.calls < counted.most_calls
    with pytest.raises(ReplayError, match="depend on which rows are asked together") as refused:
        replay(pilot, chosen, (0.02,), (0,), settings=settings, max_calls=counted.most_calls - 1, progress=False)
    calls, _ = made()
    assert f"needs {counted.most_calls:,} calls" in str(refused.value) and f"{calls} calls were made" in str(refused.value)
    replay(pilot, chosen, (0.02,), (0,), settings=settings, max_calls=counted.most_calls, progress=False)
    assert made()[0] == counted.most_calls


def test_the_bound_that_needs_no_corruption_holds(settings):
    pilot = pilot_of(Learner())
    chosen = some(MIXED, pilot.spec)
    meter = Meter(pilot, settings, time_rows=0)
    assert meter.most(chosen, (0.5, 1.0), (0,)) >= meter.replay(chosen, (0.5, 1.0), (0,)).most_calls


# ---- the command

LOGGED = '''"""Writes down what it is asked."""

import pathlib


def note(texts):
    with pathlib.Path(__file__).with_name("asked.txt").open("a") as out:
        out.write(f"{len(texts)}\\n")


class Keywords:
    def get_params(self, deep=False):
        return {}

    def fit(self, texts, labels):
        return self

    def predict(self, texts):
        note(texts)
        return ["late" if isinstance(t, str) and "parcel" in t else "broken" for t in texts]


model = Keywords()
'''
PRICED = "  loader: module\n  ref: model.py:model\n  price: {call: 0.5, row: 0.01, currency: CHF}"
SMALL = {
    "P2P_LATENCY_RUNS": "2",
    "P2P_LATENCY_CALLS": "5",
    "P2P_LATENCY_WARMUP": "1",
    "P2P_LATENCY_SPAN": "0",
    "P2P_REPLAY_SUITE": "missing,labels",
}


def logged(folder: Path) -> list[int]:
    path = folder / "asked.txt"
    return [int(n) for n in path.read_text().split()] if path.exists() else []


@pytest.fixture
def small(monkeypatch, tiny):
    "A pilot that writes down what it is asked, with a suite of two notebooks."
    for name, value in SMALL.items():
        monkeypatch.setenv(name, value)
    return lambda **given: tiny(source=LOGGED, **given)


def lines_of(out: str) -> dict[str, list[str]]:
    "Cells of the table by notebook: state, scenarios, cells, calls, rows, seconds, price."
    found = [line.split() for line in out.splitlines() if line.startswith("  ") and not line.startswith("  -")]
    return {f[0]: f[1:] for f in found if f[0] in ("missing", "shift", "scorecard", "all", "notebook")}


def number(text: str) -> float:
    return float(text.replace(",", ""))


def as_the_notebooks_do(folder: Path, severities, seeds) -> dict[str, tuple[int, int]]:
    "Calls and rows of what each notebook executes."
    out, pilot = {}, Pilot.load(folder)
    for name, families in (("missing", "missing"), ("shift", "labels")):
        before = len(logged(folder))
        replay(pilot, suite(families, pilot.spec, None), severities=severities, seeds=seeds, progress=False)
        found = logged(folder)[before:]
        out[name] = len(found), sum(found)
    before = len(logged(folder))
    time_calls(pilot, sleep=lambda seconds: None)
    found = logged(folder)[before:]
    return out | {"scorecard": (len(found), sum(found))}


def test_dry_run_counts_what_each_notebook_asks(small, tmp_path, p2p):
    folder = small()
    code, out, err = p2p("run", folder, "--runs", tmp_path / "runs", "--dry-run", "--severities", "0.02,0.4", "--seeds", "0,3")
    assert code == 0 and not (tmp_path / "runs").exists() and "Traceback" not in err
    table = lines_of(out)
    expected = as_the_notebooks_do(folder, [0.02, 0.4], [0, 3])
    assert list(table) == ["notebook", "missing", "shift", "scorecard", "all"]
    for name, asked in expected.items():
        assert tuple(int(number(v)) for v in table[name][5:7]) == asked, name
    assert [int(number(v)) for v in table["all"][2:4]] == [sum(v[i] for v in expected.values()) for i in (0, 1)]
    assert number(table["all"][4]) > 0 and "price" not in out and "not foreseen" in out


def test_dry_run_of_a_priced_pilot_asks_nothing_and_names_the_price(small, tmp_path, p2p):
    folder = small(model=PRICED)
    code, out, _ = p2p("run", folder, "--runs", tmp_path / "runs", "--dry-run", "--seeds", "0")
    assert code == 0 and logged(folder) == [] and "price CHF" in out and "costs money" in out
    for cells in (v[-5:] for k, v in lines_of(out).items() if k != "notebook"):
        assert cells[3] == "-" and number(cells[4]) == pytest.approx(
            0.5 * number(cells[1]) + 0.01 * number(cells[2]), abs=0.005
        )


def test_dry_run_of_several_pilots_says_what_they_ask_together(small, tmp_path, p2p):
    one, two = small(name="one", model=PRICED), small(name="two", model=PRICED)
    code, out, _ = p2p("run", one, two, "--runs", tmp_path / "runs", "--dry-run", "--seeds", "0", "--severities", "0.3")
    totals = [line.split() for line in out.splitlines() if line.startswith("  all")]
    calls = sum(int(number(t[3])) for t in totals)
    price = sum(number(t[-1]) for t in totals)
    assert code == 0 and len(totals) == 2 and f"Together: {calls:,} calls" in out and f"; {price:,.2f} CHF" in out


@pytest.fixture
def executed(monkeypatch, tmp_path):
    "Plans that would be executed."
    import pilot_to_prod.runs as runs
    from pilot_to_prod.runs import Outcome, Run

    plans = []
    monkeypatch.setattr(
        runs, "run", lambda plan, *_, **__: plans.append(plan) or Run(tmp_path, (Outcome("x", "failed", 0, "E", "m"),), None)
    )
    return plans


def test_max_calls_refuses_before_anything_starts_and_says_by_how_much(small, tmp_path, p2p, executed):
    folders = [small(name="one"), small(name="two")]
    given = ["run", *folders, "--runs", tmp_path / "runs", "--seeds", "0", "--severities", "0.3"]
    _, out, _ = p2p(*given, "--dry-run")
    needed = sum(int(number(line.split()[3])) for line in out.splitlines() if line.startswith("  all"))
    before = [logged(f) for f in folders]
    code, out, err = p2p(*given, "--max-calls", needed - 7)
    assert code == 4 and executed == [] and not (tmp_path / "runs").exists() and "Traceback" not in err
    for part in (
        f"need {needed:,} calls",
        "7 more than --max-calls",
        "No notebook was started",
        "Most calls: ",
        "scenarios have severities of their own, which --severities does not change",
        "one scorecard",
        "two scorecard",
    ):
        assert part in err, part
    assert [logged(f) for f in folders] == before
    p2p(*given, "--max-calls", needed)
    assert [p.pilot for p in executed] == ["one", "two"] and [logged(f) for f in folders] == before
    code, out, err = p2p(*given, "--max-calls", 1, "--dry-run")
    assert code == 4 and "notebook" in out and "more than --max-calls 1" in err


def test_fewer_severities_are_advised_only_where_they_help():
    from pilot_to_prod.cli import _fewer

    own, usual = ("scenario", (0.5,)), ("scenario", None)
    assert _fewer([([usual, usual], [0.1], [0]), None]) == "fewer severities or seeds (--severities, --seeds)"
    assert "1 of 3 scenarios have severities of their own" in _fewer([([usual, own], [0.1], [0]), ([usual], [0.1], [0])])
    assert _fewer([([own], [0.1], [0])]).startswith("fewer seeds (--seeds; all scenarios")


@pytest.mark.parametrize("limit", ["0", "-5", "many", "2.5"])
def test_max_calls_that_is_none_is_wrong_use(small, tmp_path, p2p, executed, limit):
    code, _, err = p2p("run", small(), "--runs", tmp_path / "runs", "--max-calls", limit)
    assert code == 2 and "max-calls" in err and executed == [] and "Traceback" not in err


def test_what_is_finished_is_not_counted(small, tmp_path, p2p, executed, monkeypatch):
    import pilot_to_prod.runs.plan as room

    folder = small()
    given = ["run", folder, "--runs", tmp_path / "runs", "--seeds", "0", "--severities", "0.3"]
    first = lines_of(p2p(*given, "--dry-run")[1])
    plan = room.make_plan(Spec.load(folder), load_settings({"runs.folder": str(tmp_path / "runs")}), [0.3], [0])
    (tmp_path / "runs" / "tiny" / f"0001-{plan.hash[:10]}").mkdir(parents=True)
    monkeypatch.setattr(room, "_is_done", lambda _, unit: unit.name == "shift")
    table = lines_of(p2p(*given, "--dry-run")[1])
    assert table["shift"][1:] == ["done"]
    left = int(number(first["all"][2])) - int(number(first["shift"][5]))
    assert int(number(table["all"][2])) == left
    p2p(*given, "--max-calls", left)
    assert len(executed) == 1
    assert p2p(*given, "--max-calls", left - 1)[0] == 4 and len(executed) == 1
    assert p2p(*given, "--max-calls", left, "--fresh")[0] == 4 and len(executed) == 1  # everything anew


def test_a_dependence_that_would_exceed_the_limit_is_told(small, tmp_path, p2p, executed):
    given = ["run", small(), "--runs", tmp_path / "runs", "--seeds", "0", "--severities", "0.01"]
    needed = int(number(lines_of(p2p(*given, "--dry-run")[1])["all"][2]))
    _, _, err = p2p(*given, "--max-calls", needed)
    assert len(executed) == 1 and "if the answers turn out to depend" in err


# ---- the list of scenarios


def test_scenarios_lists_every_kind_by_family(p2p):
    code, out, _ = p2p("scenarios")
    assert code == 0
    for kind in kinds().values():
        (line,) = [x for x in out.splitlines() if x.split()[:1] == [kind.name] and x.startswith("  ")]
        for part in (kind.unit, kind.expect, kind.depth, kind.doc.splitlines()[0]):
            assert part in line
        assert f"\n{kind.family} (" in out
    assert p2p("scenarios", "--family", "labels")[1].count("labels (") == 1
    assert "typos" not in p2p("scenarios", "--family", "labels")[1]


def test_scenarios_says_all_about_one(p2p):
    code, out, _ = p2p("scenarios", "mar")
    kind = kinds()["mar"]
    assert code == 0 and kind.doc in out
    for name, default in kind.parameters.items():
        assert f"{name} = {default!r}" in out
    assert "# the column that decides" in out


def test_scenarios_for_programs(p2p):
    found = json.loads(p2p("scenarios", "--json")[1])
    assert [k["name"] for k in found] == list(kinds())
    (one,) = json.loads(p2p("scenarios", "typos", "--json")[1])
    assert one["doc"] == kinds()["typos"].doc and [p["name"] for p in one["parameters"]] == list(kinds()["typos"].parameters)


def test_scenarios_of_a_pilot_and_why_others_do_not_apply(tiny, p2p):
    folder = tiny()
    code, out, _ = p2p("scenarios", "--pilot", folder)
    assert code == 0 and "left out: unit_error (no input has the role number or amount)" in out and "typos" in out
    said = json.loads(p2p("scenarios", "--pilot", folder, "--json")[1])
    named = {k["name"] for k in said["applies"]} | {k["name"] for k in said["left_out"]}
    assert named == set(kinds()) and all(k["why"] for k in said["left_out"])
    for one in said["applies"]:
        scenario(**{k: v for k, v in one.items() if k not in ("label", "family", "expect", "depth", "severities", "needs")})
    only = json.loads(p2p("scenarios", "unit_error", "--pilot", folder, "--json")[1])
    assert only["applies"] == [] and [k["name"] for k in only["left_out"]] == ["unit_error"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["mars"], "Did you mean"),
        (["--family", "noize"], "Did you mean 'noise'"),
        (["mar", "--family", "noise"], "is of the family 'missing'"),
        (["nowhere:thing"], "nowhere"),
        (["--pilot", "nowhere"], "no pilot is called"),
    ],
)
def test_scenarios_that_do_not_exist(p2p, given, says):
    code, _, err = p2p("scenarios", *given)
    assert code == 2 and says in err and "Traceback" not in err
