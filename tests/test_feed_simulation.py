"""A feed in simulated time: books balance, waiting agrees with theory, and nothing depends on the machine."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pilot_to_prod.pilot import Pilot
from pilot_to_prod.scenarios import Composition, Scenario, suite
from pilot_to_prod.scenarios.feed import (
    dependency_absent,
    dependency_late,
    dropped_events,
    duplicate_events,
    late_events,
    near_duplicate_events,
    reordered_events,
    retry_storm,
)
from pilot_to_prod.scenarios.labels import uniform_labels
from pilot_to_prod.scenarios.missing import mcar
from pilot_to_prod.spec.model import Feed
from pilot_to_prod.stress import ReplayError
from pilot_to_prod.stress._queue import (
    ANSWERED,
    DEAD_LETTERED,
    EXPIRED,
    FALLBACK,
    OUTCOMES,
    _Line,
    outcomes,
    sent_times,
    serve,
    tick,
)
from pilot_to_prod.stress.feed import FeedReport, stream

quick = settings(deadline=None, max_examples=60, derandomize=True)


# the queue


@st.composite
def queues(draw, batches: int = 4):
    "A feed and a few events, all times in whole milliseconds."
    n = draw(st.integers(0, 14))
    feed = Feed(
        rate=1,
        service_ms=draw(st.integers(1, 12)),
        row_ms=draw(st.integers(0, 4)),
        budget_ms=draw(st.none() | st.integers(1, 40)),
        micro_batch=draw(st.integers(1, batches)),
        max_wait_ms=draw(st.integers(0, 20)),
        retries=draw(st.integers(0, 2)),
        queue=draw(st.none() | st.integers(1, 4)),
        fallback=draw(st.sampled_from([None, "x"])),
    )
    arrivals = np.sort(np.array(draw(st.lists(st.integers(0, 60), min_size=n, max_size=n)), np.int64))
    failing = np.array(draw(st.lists(st.sampled_from([False, False, True]), min_size=n, max_size=n)), bool)
    held = np.array(draw(st.lists(st.sampled_from([0, 0, 0, 3, 25]), min_size=n, max_size=n)), np.int64)
    return feed, arrivals, failing, held


def by_the_clock(feed: Feed, arrivals: np.ndarray, failing: np.ndarray, held: np.ndarray):
    "The same queue, millisecond by millisecond, as one would play it on a table."
    n = len(arrivals)
    enter, deadline = arrivals + held, arrivals + (feed.budget_ms if feed.budget_ms is not None else 10**9)
    late, refused = (EXPIRED, DEAD_LETTERED) if feed.fallback is None else (FALLBACK, FALLBACK)
    outcome, started, done, away = [late] * n, [None] * n, list(deadline), [False] * n
    coming = sorted(range(n), key=lambda i: enter[i])
    waiting: list[int] = []
    free, service = 0, feed.service_ms
    room = feed.queue or n + 1

    def in_time(batch, now):
        return all(now + service + (len(batch) - 1) * feed.row_ms <= deadline[j] for j in batch)

    def begin(now):
        nonlocal free
        if free > now or not waiting:
            return
        if len(waiting) < min(feed.micro_batch, room) and now < enter[waiting[0]] + feed.max_wait_ms:
            return
        batch = max((waiting[:k] for k in range(1, feed.micro_batch + 1) if in_time(waiting[:k], now)), key=len)
        del waiting[: len(batch)]
        free = now + service + (len(batch) - 1) * feed.row_ms
        for j in batch:
            started[j] = now
        if not failing[batch].any():
            for j in batch:
                outcome[j], done[j] = ANSWERED, free
            return
        for j in batch:
            tries = 0
            while tries < feed.retries and free + service <= deadline[j]:
                free, tries = free + service, tries + 1
                if not failing[j]:
                    outcome[j], done[j] = ANSWERED, free
                    break
            else:
                if tries == feed.retries:
                    outcome[j], done[j] = DEAD_LETTERED, free

    for now in range(800):
        waiting = [j for j in waiting if now + service <= deadline[j]]
        begin(now)
        while coming and enter[coming[0]] == now:
            i = coming.pop(0)
            if now + service > deadline[i]:
                continue
            if len(waiting) >= room:
                outcome[i], done[i], away[i] = refused, now, True
                continue
            waiting.append(i)
            begin(now)
    assert not waiting
    return outcome, started, done, away


@settings(deadline=None, max_examples=400, derandomize=True)
@given(queues())
def test_the_queue_does_what_a_clock_does(case):
    feed, arrivals, failing, held = case
    found = serve(feed, arrivals / 1000, failing, held / 1000)
    outcome, started, done, away = by_the_clock(feed, arrivals, failing, held)
    assert [OUTCOMES[o] for o in found.outcome] == [OUTCOMES[o] for o in outcome]
    assert found.turned_away.tolist() == away
    assert [None if np.isnan(s) else round(s * 1000, 6) for s in found.started] == started
    assert [round(d * 1000, 6) for d in found.done if d < 1e6] == [d for d in done if d < 10**9]
    assert (outcomes(feed, arrivals / 1000, failing, held / 1000) == found.outcome).all()


@settings(deadline=None, max_examples=200, derandomize=True)
@given(queues(batches=1))
def test_micro_batches_of_one_are_one_at_a_time(case):
    feed, arrivals, failing, held = case
    enter = (arrivals + held) * 10**6
    order = np.argsort(enter, kind="stable")
    lines = [_Line(feed, arrivals[order] * 10**6, enter[order], failing[order]) for _ in range(3)]
    lines[0]._one_by_one()
    lines[1]._batched()
    quickly = len(enter) > 0 and lines[2]._unhurried()
    for other in lines[1 : 3 if quickly else 2]:
        for name in ("outcome", "started", "done", "turned_away"):
            assert getattr(lines[0], name).tolist() == getattr(other, name).tolist(), name


@settings(deadline=None, max_examples=200, derandomize=True)
@given(queues())
def test_a_pilot_that_is_asked_when_it_is_called_is_the_same_queue(case):
    feed, arrivals, failing, held = case
    calls: list[list[int]] = []

    def raises(batch):
        calls.append(batch)
        return bool(failing[batch].any())

    found = serve(feed, arrivals / 1000, raises, held / 1000)
    known = serve(feed, arrivals / 1000, failing, held / 1000)
    for name in ("outcome", "started", "done", "turned_away"):
        assert np.array_equal(getattr(found, name), getattr(known, name), equal_nan=name == "started"), name
    assert all(0 < len(batch) <= feed.micro_batch for batch in calls)
    fine = {i for batch in calls if not failing[batch].any() for i in batch}
    assert fine == set(np.flatnonzero(found.outcome == ANSWERED))


@pytest.mark.parametrize("more", [{}, {"micro_batch": 3, "row_ms": 1e308, "max_wait_ms": 1e308}, {"retries": 10**9}])
def test_times_beyond_the_clock_are_refused_or_not_waited_for(more):
    arrivals, none = np.arange(4000.0), np.zeros(4000, bool)
    feed = Feed(rate=1, service_ms=1e9, **more)
    with pytest.raises(ValueError, match="clock runs for 36 years, and 4,000 events may take .* promise a budget_ms"):
        serve(feed, arrivals, none)
    for budget in (2e9, 1e308):
        served = serve(feed.model_copy(update={"budget_ms": budget}), arrivals, none)
        assert (served.outcome[0] == ANSWERED) == (served.started[0] >= 0)
        assert (np.diff(served.done) >= 0).all() and served.done.min() >= 0
    with pytest.raises(ValueError, match="the simulated clock runs for 36 years, and an event comes after 317 years"):
        tick(np.array([0.0, 1e10]))


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("seed", [0, 1])
def test_waiting_agrees_with_m_d_1(busy, seed):
    feed = Feed(rate=2, service_ms=500 * busy)
    arrivals = sent_times(feed, 300_000, seed)
    assert len(arrivals) > 500_000
    served = serve(feed, arrivals, np.zeros(len(arrivals), bool))
    s = busy / 2
    theory = 2 * s**2 / (2 * (1 - 2 * s))  # Pollaczek-Khinchine with a constant service time
    assert (served.started - arrivals).mean() == pytest.approx(theory, rel=0.05)
    assert (served.started == tick(arrivals)).mean() == pytest.approx(1 - busy, rel=0.05)  # as often as the server is idle


@quick
@given(rate=st.floats(0.1, 50), busy=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_constant_arrivals_below_capacity_never_wait(rate, busy, seed):
    feed = Feed(rate=rate, arrivals="constant", service_ms=1000 * busy / rate)
    arrivals = sent_times(feed, 500 / rate, seed)
    assert len(arrivals) in (500, 501)
    served = serve(feed, arrivals, np.zeros(len(arrivals), bool))
    assert (np.abs(served.started - arrivals) < 1e-9).all() and (served.outcome == ANSWERED).all()


def test_poisson_arrivals_are_poisson():
    gaps = np.diff(sent_times(Feed(rate=4, service_ms=1), 50_000, 3))
    assert gaps.mean() == pytest.approx(0.25, rel=0.01) and gaps.std() == pytest.approx(0.25, rel=0.02)
    assert np.mean(gaps > 0.5) == pytest.approx(np.exp(-2), rel=0.03)
    assert (sent_times(Feed(rate=4, service_ms=1), 100, 3) == sent_times(Feed(rate=4, service_ms=1), 100, 3)).all()
    some, more = sent_times(Feed(rate=4, service_ms=1), 100, 3), sent_times(Feed(rate=4, service_ms=1), 1000, 3)
    assert (more[: len(some)] == some).all() and (more[len(some) :] >= 100).all()


def test_a_queue_of_nothing_and_what_is_no_queue():
    feed = Feed(rate=1, service_ms=1)
    assert len(serve(feed, np.zeros(0), np.zeros(0, bool)).outcome) == 0
    with pytest.raises(ValueError, match="one value an event: 2 arrivals, 1 failing"):
        serve(feed, np.zeros(2), np.zeros(1, bool))
    for bad in ([1.0, 0.0], [np.nan], [-1.0], [np.inf], [1e12]):
        with pytest.raises(ValueError, match="must be sorted"):
            serve(feed, np.array(bad), np.zeros(len(bad), bool))


def test_overload_answers_what_fits_and_no_more():
    feed = Feed(rate=10, arrivals="constant", service_ms=125, budget_ms=1000)
    served = serve(feed, sent_times(feed, 1000), np.zeros(10_000, bool))
    assert np.bincount(served.outcome, minlength=4)[[ANSWERED, EXPIRED]] == pytest.approx([8000, 2000], abs=10)


def test_a_failing_row_takes_its_micro_batch_along_unless_it_is_tried_again():
    arrivals, failing = np.zeros(4), np.array([False, True, False, False])
    feed = Feed(rate=1, service_ms=100, row_ms=10, micro_batch=4, max_wait_ms=50)
    assert (outcomes(feed, arrivals, failing) == DEAD_LETTERED).all()
    again = serve(feed.model_copy(update={"retries": 2}), arrivals, failing)
    assert again.outcome.tolist() == [ANSWERED, DEAD_LETTERED, ANSWERED, ANSWERED]
    assert again.done.tolist() == [0.23, 0.43, 0.53, 0.63]  # the call of four, then one by one


# a pilot behind it


class Lender:
    "Answers by an amount; raises without one."

    def __init__(self) -> None:
        self.rows: list[int] = []

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        self.rows.append(len(frame))
        if frame["amount"].isna().any():
            raise ValueError("no amount")
        return np.where(frame["amount"] > 515, "bad", "good")


def lender(rows: int = 40, model=None, **more) -> Pilot:
    i = np.arange(rows)
    frame = pd.DataFrame({"amount": i * 37.0 % 1000, "age": i * 7 % 60 + 18, "city": np.array(list("abc"))[i % 3]})
    frame["risk"] = np.where((i * 37 % 1000) + (i % 5) * 30 > 500, "bad", "good")
    return Pilot.of(model or Lender(), frame, label="risk", **more)


FEED = Feed(rate=2, service_ms=100)
NAMED = {"roles": {"amount": "amount", "age": "number", "city": "category"}}
SCENARIOS: list[Scenario] = [
    late_events(severity=0.2, delay=20),
    reordered_events(severity=0.3),
    duplicate_events(severity=0.3, copies=3, again=0.5),
    near_duplicate_events("amount", severity=0.3, again=0.5),
    dropped_events(severity=0.3),
    retry_storm(severity=0.2),
    dependency_late(severity=0.2, delay=0.4),
    dependency_absent("amount", severity=0.1),
    mcar("amount", severity=0.1),
]


def same(a: FeedReport, b: FeedReport) -> bool:
    return a.events.equals(b.events) and a.dropped.equals(b.dropped)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    rate=st.floats(0.05, 5),
    service=st.floats(1, 2000),
    more=st.fixed_dictionaries(
        {
            "arrivals": st.sampled_from(["poisson", "constant"]),
            "row_ms": st.floats(0, 50),
            "budget_ms": st.none() | st.floats(1, 5000),
            "micro_batch": st.integers(1, 5),
            "max_wait_ms": st.floats(0, 2000),
            "retries": st.integers(0, 3),
            "queue": st.none() | st.integers(1, 10),
            "fallback": st.sampled_from([None, "good"]),
        }
    ),
    stages=st.lists(st.sampled_from(SCENARIOS), max_size=3),
    seed=st.integers(0, 99),
)
@example(rate=1, service=100, more={}, stages=[dropped_events(severity=1)], seed=0)
def test_books_balance_whatever_happens(rate, service, more, stages, seed):
    report = stream(lender(**NAMED), Feed(rate=rate, service_ms=service, **more), stages, hours=0.1, seed=seed)
    books, events = report.books, report.events
    assert books["sent"] == sum(books[o] for o in OUTCOMES) == len(events)
    assert not events.set_index("copy", append=True).index.has_duplicates
    here = set(events.index)
    assert here.isdisjoint(report.dropped.index) and len(here) + len(report.dropped) == report.drawn
    assert events["arrived"].is_monotonic_increasing and (events["arrived"] >= events["sent"]).all()
    answered = events[events["outcome"] == "answered"]
    assert answered["answer"].notna().all() and (answered["wait_ms"] >= -1e-6).all()
    assert (answered["done"] - answered["arrived"] <= (report.feed.budget_ms or np.inf) / 1000 + 1e-9).all()
    assert (events.loc[events["outcome"] == "fallback", "answer"] == "good").all()
    assert events.loc[events["outcome"].isin(["dead_lettered", "expired"]), "answer"].isna().all()
    if not any(s.name in ("mcar", "dependency_absent") for s in stages) and more.get("queue") is None:
        assert books["dead_lettered"] == 0


def test_the_same_day_twice_and_another_with_another_seed():
    def day(seed):
        return stream(lender(**NAMED), FEED, SCENARIOS, hours=0.3, seed=seed)

    first = day(4)
    assert same(first, day(4)) and not same(first, day(5))
    assert first.events["key"].nunique() == 40


def test_the_order_of_the_replay_set_does_not_matter():
    pilot = lender(**NAMED)
    frame = pilot.replay_set.assign(id=[f"r{i}" for i in range(40)])
    columns = {**pilot.spec.data.columns, "id": type(pilot.spec.data.columns["age"])(role="id")}
    spec = pilot.spec.model_copy(update={"data": pilot.spec.data.model_copy(update={"id": "id", "columns": columns})})
    one, two = (stream(Pilot(spec, Lender(), frame, f), FEED, SCENARIOS, hours=0.2) for f in (frame, frame.iloc[::-1]))
    assert same(one, two)


def test_first_come_first_served():
    events = stream(lender(), Feed(rate=5, service_ms=190), hours=1).events
    assert events["started"].is_monotonic_increasing and events["done"].is_monotonic_increasing
    assert (np.diff(events["started"]) > 0.19 - 1e-6).all()


def test_contents_are_asked_once_each():
    model = Lender()
    report = stream(lender(model=model), FEED, duplicate_events(severity=0.5), hours=2)
    assert len(report.events) > 20_000 and sum(model.rows) <= 60  # forty contents, and a look at every other one
    truth = lender().replay_set["risk"].astype(str).to_numpy()
    at = report.events["key"].astype(int).to_numpy()
    assert (report.events["truth"].to_numpy() == truth[at]).all()
    assert (report.events["answer"] == np.where(lender().replay_set["amount"].to_numpy()[at] > 515, "bad", "good")).all()


class Herd(Lender):
    "Compares each amount with the mean of the call."

    def answers(self, amounts: np.ndarray) -> np.ndarray:
        return amounts > amounts.mean()

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        self.rows.append(len(frame))
        return np.where(self.answers(frame["amount"].to_numpy()), "bad", "good")


class Squeezed(Herd):
    "Gets one row by itself wrong, as code that squeezes a table does."

    def answers(self, amounts: np.ndarray) -> np.ndarray:
        return amounts > (515 if len(amounts) > 1 else 2000)


class Sized(Herd):
    "A limit that depends on the number of rows."

    def answers(self, amounts: np.ndarray) -> np.ndarray:
        return amounts > 10 * len(amounts)


def by_the_call(report: FeedReport, pilot: Pilot) -> np.ndarray:
    "The answers of the model to the calls that the books show, one after the other."
    rows = pilot.replay_set.iloc[report.events["key"].astype(int)]
    out = np.empty(len(rows), dtype=object)
    for at in report.events.reset_index().groupby("started").indices.values():
        out[at] = pilot.model.predict(rows.iloc[at])
    return out


@pytest.mark.parametrize("model", [Herd, Squeezed, Sized])
@settings(deadline=None, max_examples=8, derandomize=True)
@given(most=st.integers(1, 12), service=st.floats(50, 3000), wait=st.floats(0, 3000), seed=st.integers(0, 9))
@example(most=1, service=100, wait=0, seed=0)
@example(most=8, service=100, wait=0, seed=0)
@example(most=40, service=3000, wait=3000, seed=0)
def test_every_answer_is_one_that_the_call_of_the_queue_gave(model, most, service, wait, seed):
    pilot = lender(model=model(), **NAMED)
    feed = Feed(rate=2, service_ms=service, micro_batch=most, row_ms=1, max_wait_ms=wait, budget_ms=9000)
    report = stream(pilot, feed, late_events(severity=0.1), hours=0.05, seed=seed)
    answered = (report.events["outcome"] == "answered").to_numpy()
    assert answered.any() and (report.events["answer"].to_numpy() == by_the_call(report, pilot))[answered].all()
    assert (
        "depend on which rows are asked together" in report.notes[0] and "calls that the queue formed" in report._repr_html_()
    )


def test_a_pilot_that_depends_on_company_and_is_asked_singly_is_asked_about_each_content():
    model = Herd()
    report = stream(lender(model=model), FEED, hours=2)
    assert (report.events["answer"] == "good").all() and len(report.events) > 14_000  # nothing is above its own mean
    assert sum(model.rows) < 200 and set(model.rows[1:]) == {1}


@pytest.mark.parametrize("most", [1, 2, 16, 1000])
def test_a_pilot_that_does_not_depend_on_company_is_asked_once_whatever_the_feed(most):
    model = Lender()
    report = stream(lender(300, model=model), FEED.model_copy(update={"micro_batch": most, "row_ms": 1}), hours=1)
    assert report.notes == () and sum(model.rows) <= 450 and len(model.rows) <= 70


def test_rounding_is_no_company():
    class Rounded:
        def predict(self, rows):
            return rows["size"].to_numpy() * 2 * (1 + 1e-8 * len(rows))

    frame = pd.DataFrame({"size": np.arange(30.0), "price": np.arange(30.0) * 2 + 1})
    pilot = Pilot.of(Rounded(), frame, label="price", roles={"size": "number"})
    assert stream(pilot, FEED, hours=0.1).notes == ()


def test_confidence_that_depends_on_company_gives_it_away():
    class Sure(Lender):
        def predict_proba(self, frame):
            bad = np.where(frame["amount"] > 515, 0.9, 0.1) + 0.01 * (len(frame) > 1)
            return pd.DataFrame({"bad": bad, "good": 1 - bad})

    assert "depend on which rows" in stream(lender(model=Sure()), FEED, hours=0.1).notes[0]


def test_a_call_that_raises_in_company_is_mended_by_its_retries():
    class Narrow(Lender):
        def predict(self, frame):
            if len(frame) > 3:
                raise ValueError("three at most")
            return super().predict(frame)

    feed = Feed(rate=2, service_ms=100, micro_batch=8, max_wait_ms=5000)
    once, again = (stream(lender(model=Narrow()), feed.model_copy(update={"retries": r}), hours=0.1) for r in (0, 1))
    assert once.books["dead_lettered"] > 300 and "depend on which rows" in once.notes[0]
    assert again.books["answered"] == len(again.events)
    right = lender().replay_set["amount"].to_numpy()[again.events["key"].astype(int)] > 515
    assert (again.events["answer"] == np.where(right, "bad", "good")).all()


class Moody(Lender):
    "Says the other thing every third time."

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        self.rows.append(len(frame))
        at = sum(self.rows) - len(frame) + np.arange(len(frame))
        return np.where(at % 3 > 0, "bad", "good")


@pytest.mark.parametrize("declared", [True, False])
def test_a_pilot_that_changes_its_mind_is_asked_in_every_call(declared):
    pilot = lender(model=Moody())
    model = pilot.spec.model.model_copy(update={"deterministic": declared})
    pilot.spec = pilot.spec.model_copy(update={"model": model})
    report = stream(pilot, FEED, hours=0.2)
    assert pilot.model.rows[-len(report.events) :] == [1] * len(report.events)
    assert "not always answered alike" in report.notes[0]
    assert ("model.deterministic: false" in report.notes[0]) == declared
    assert report.events["answer"].eq("good").mean() == pytest.approx(1 / 3, abs=0.01)


def test_a_pilot_that_may_change_its_mind_is_asked_about_every_event():
    pilot = lender()
    model = pilot.spec.model.model_copy(update={"deterministic": False})
    pilot.spec = pilot.spec.model_copy(update={"model": model})
    report = stream(pilot, FEED, hours=0.2)
    assert pilot.model.rows[-1] == len(report.events) and "every event was asked" in report.notes[0]
    assert same(report, stream(lender(), FEED, hours=0.2))


def test_duplicates_are_answered_twice_and_counted():
    report = stream(lender(), FEED, duplicate_events(severity=0.1, copies=3), hours=1)
    found = report.delivery()
    hit = int(np.floor(0.1 * report.drawn + 0.5))
    assert found["copies"] == found["double actions"] == 2 * hit and found["contradictions"] == 0
    assert report.books["sent"] == report.drawn + 2 * hit
    again = stream(lender(), FEED, [duplicate_events(severity=0.1), dropped_events(severity=1)], hours=1)
    assert again.books["sent"] == 0 and len(again.dropped) == again.drawn == report.drawn


def test_near_duplicates_can_be_answered_in_another_way():
    report = stream(lender(**NAMED), FEED, near_duplicate_events("amount", severity=0.5), hours=1)
    assert 0 < report.delivery()["contradictions"] < report.delivery()["double actions"]


def test_out_of_order_is_counted_as_rfc_4737_does():
    assert stream(lender(), FEED, hours=1).delivery()["out of order"] == 0
    report = stream(lender(), FEED, late_events(severity=0.1, delay=30), hours=1)
    sent = report.events["sent"].tolist()
    assert report.delivery()["out of order"] == sum(s < max(sent[: i + 1]) for i, s in enumerate(sent)) > 0.05 * len(sent)
    assert report.delivery()["copies"] == 0
    late = (report.events["arrived"] - report.events["sent"])[report.events["arrived"] > report.events["sent"]]
    assert len(late) == int(np.floor(0.1 * report.drawn + 0.5)) and late.mean() == pytest.approx(30, rel=0.1)


def test_waiting_for_a_dependency_counts_against_the_budget_and_being_late_does_not():
    feed = Feed(rate=1, service_ms=10, budget_ms=500)
    hit = stream(lender(), feed, dependency_late(severity=0.2, delay=2), hours=1)
    assert hit.books["expired"] == int(np.floor(0.2 * hit.drawn + 0.5))
    assert stream(lender(), feed, late_events(severity=0.2, delay=2), hours=1).books["expired"] == 0
    patient = stream(lender(), Feed(rate=1, service_ms=10), dependency_late(severity=0.2, delay=2), hours=1)
    assert patient.books["answered"] == patient.drawn and patient.waits().loc["until the call", "longest"] > 2000


def test_rows_that_raise_go_to_the_dead_letters_after_their_retries():
    feed = FEED.model_copy(update={"retries": 2})
    report = stream(lender(**NAMED), feed, dependency_absent("amount", severity=0.1), hours=0.5)
    dead = report.events[report.events["outcome"] == "dead_lettered"]
    assert dead["key"].nunique() == 4 and np.allclose(dead["done"] - dead["started"], 0.3)
    assert not report.events.loc[report.events["outcome"] == "answered", "key"].isin(dead["key"].unique()).any()


def test_a_full_queue_turns_events_away():
    feed = Feed(rate=10, service_ms=500, queue=3, fallback="bad")
    report = stream(lender(), feed, hours=0.1)
    away = report.events[report.events["outcome"] == "fallback"]
    assert len(away) > 1000 and (away["done"] == away["arrived"]).all() and away["started"].isna().all()
    started, arrived = report.events["started"], report.events["arrived"]
    served = report.events[started.notna()]
    waiting = [((served["arrived"] < t) & (served["started"] > t)).sum() for t in arrived[::50]]
    assert max(waiting) == 3


def test_numbers_have_an_error_and_a_numeric_fallback():
    frame = pd.DataFrame({"size": np.arange(30.0), "price": np.arange(30.0) * 2 + 1})

    class Double:
        def predict(self, rows):
            return rows["size"].to_numpy() * 2

    pilot = Pilot.of(Double(), frame, label="price", roles={"size": "number"})
    report = stream(pilot, Feed(rate=5, service_ms=300, budget_ms=1000, fallback="0"), hours=0.5)
    assert report.books["fallback"] > 100
    found = report.quality()
    assert found.loc["answered", "mean absolute error"] == 1 and found.loc["fallback", "mean absolute error"] > 20
    assert (report.events.loc[report.events["outcome"] == "fallback", "answer"] == 0).all()
    with pytest.raises(ReplayError, match="must be a number for regression; got 'none'"):
        stream(pilot, Feed(rate=5, service_ms=300, fallback="none"))


def test_an_abstention_is_an_answer_that_is_not_right():
    class Shy(Lender):
        def predict(self, frame):
            return [None if a > 900 else "good" for a in frame["amount"]]

    report = stream(lender(model=Shy()), FEED, hours=0.5)
    assert report.books["answered"] == report.drawn
    unsure = report.events["answer"].isna()
    assert 0 < unsure.mean() < 0.2
    right = (report.events["answer"] == report.events["truth"]).mean()
    assert report.quality().loc["answered", "accuracy"] == pytest.approx(right)


def test_a_feed_that_is_promised_is_used():
    pilot = lender()
    pilot.spec = pilot.spec.model_copy(update={"feed": FEED})
    assert same(stream(pilot, hours=0.1), stream(lender(), FEED, hours=0.1))


def test_mistakes_say_what_to_do():
    with pytest.raises(ReplayError, match="promises nothing about its feed. Add to pilot.yaml"):
        stream(lender())
    with pytest.raises(ReplayError, match="one of the labels; got 'god'. Did you mean 'good'"):
        stream(lender(), FEED.model_copy(update={"fallback": "god"}))
    with pytest.raises(ReplayError, match="hours of a feed must be a number above 0; got 0"):
        stream(lender(), FEED, hours=0)
    with pytest.raises(ValueError, match="'uniform_labels' changes labels, which do not flow through a feed"):
        stream(lender(), FEED, uniform_labels(severity=0.1))


def test_too_many_events_are_refused_before_anything_is_drawn():
    for feed, more, says in (
        (
            Feed(rate=1e6, service_ms=5),
            {},
            "86,400,000,000 events; at most 10,000,000 .* Lower hours to 0.00276, or rate to 115.",
        ),
        (Feed(rate=1e308, service_ms=5), {}, "inf events"),
        (FEED, {"hours": 1e300}, "hours of a feed must be at most 320,256, 36 years of its clock; got 1e"),
        (FEED, {"scenarios": duplicate_events(severity=0.5, copies=10**9)}, "or the copies of duplicate_events"),
        (FEED, {"scenarios": late_events(delay=1e12), "hours": 0.1}, "the delays of its scenarios"),
    ):
        with pytest.raises(ValueError, match=says):
            stream(lender(), feed, **more)
    few = Feed(rate=1e6, service_ms=1e-3)
    assert stream(lender(), few, hours=1e-5).drawn == pytest.approx(36_000, rel=0.05)
    assert stream(lender(), FEED, hours=1e-9).books["sent"] == 0


def test_a_feed_is_a_mapping_too():
    assert same(stream(lender(), {"rate": 2, "service_ms": 100}, hours=0.1), stream(lender(), FEED, hours=0.1))
    for feed, says in (
        ({"rate": 0, "sevice_ms": 5}, "3 problems\n  feed.rate: input should be .*; got 0.\n.*\n.* Did you mean 'service_ms'"),
        (
            {"rate": 2, "service_ms": 5, "fallback": "god"},
            "feed.fallback must be one of the labels; got 'god'. Did you mean 'good'",
        ),
        (5, "feed must be a Feed, or a mapping such as .*; got 5."),
        (FEED.model_copy(update={"rate": 0}), "feed.rate: .* got 0."),
    ):
        with pytest.raises(ValueError, match=says):
            stream(lender(), feed)


@pytest.mark.parametrize(
    "given",
    [
        late_events(severity=0.1),
        "late_events",
        {"name": "late_events", "severity": 0.1},
        {"stages": ["late_events"]},
        ["late_events"],
        iter([late_events()]),
        late_events(severity=0.2) >> dropped_events(severity=0),
    ],
)
def test_scenarios_are_given_as_one_writes_them(given):
    wanted = [late_events(severity=0.1)]
    if not isinstance(given, Composition):
        assert same(stream(lender(), FEED, given, hours=0.2), stream(lender(), FEED, wanted, hours=0.2))
    else:
        assert stream(lender(), FEED, given.at(0.5), hours=0.2).scenarios == (repr(wanted[0]), "dropped_events(severity=0)")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("late_event", "no scenario is called 'late_event'. Did you mean late_events"),
        (["late_events", 3], "each of scenarios must be a scenario, its name, .* got 3."),
        (None, "got None. Pass \\(\\) for none."),
        ({"severity": 0.5}, "a scenario needs a name"),
        (
            suite("feed", lender(**NAMED).spec),
            "the suite 'feed': .* replayed one at a time, .* stream\\(pilot, feed, s\\) for s, _ in suite",
        ),
    ],
)
def test_what_is_no_scenario_says_so(given, says):
    with pytest.raises(ValueError, match=says):
        stream(lender(), FEED, given)


@pytest.mark.parametrize("seed", [None, 1.5, "0", True, np.True_, [0]])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="seed must be a whole number; got .* Pass seed=0"):
        stream(lender(), FEED, seed=seed)
    assert same(stream(lender(), FEED, hours=0.1, seed=np.int64(7)), stream(lender(), FEED, hours=0.1, seed=7))


def test_all_mistakes_of_a_call_are_told_at_once():
    with pytest.raises(ReplayError) as e:
        stream(lender(), {"rate": 0, "service_ms": 5}, ["late_event", uniform_labels(severity=0.1)], hours=0, seed=None)
    assert isinstance(e.value, ValueError) and str(e.value).startswith("5 problems\n")
    assert all(word in str(e.value) for word in ("late_event", "uniform_labels", "feed.rate", "hours", "seed"))


def test_books_that_do_not_balance_cannot_be_made():
    good = stream(lender(), FEED.model_copy(update={"budget_ms": 1000.0}), dropped_events(severity=0.1), hours=0.1)
    fields = {n: getattr(good, n) for n in ("title", "feed", "scenarios", "hours", "task", "drawn", "events", "dropped")}
    FeedReport(**fields)
    twice = pd.concat([good.events, good.events.iloc[:1]])
    slow = good.events.assign(done=good.events["done"] + 5)
    for wrong, says in (
        ({"events": twice}, "in the books twice"),
        ({"events": good.events.iloc[1:]}, f"of {good.drawn} events, {len(good.events) - 1} were sent"),
        ({"dropped": good.dropped.iloc[1:]}, "dropped"),
        ({"events": good.events.assign(outcome=good.events["outcome"].where(good.events.index > 3))}, "has no outcome"),
        ({"events": good.events.assign(done=0.0)}, "ended before it arrived"),
        ({"events": good.events.assign(started=np.nan)}, "answered without a call"),
        ({"events": slow}, "later than the budget"),
    ):
        with pytest.raises(AssertionError, match=says):
            FeedReport(**(fields | wrong))


def test_a_report_shows_itself():
    report = stream(
        lender(name="exploration"), Feed(rate=1, service_ms=900, budget_ms=2000), late_events(severity=0.1), hours=0.5
    )
    page = report._repr_html_()
    assert "Exploration" in page and "late_events(severity=0.1)" in page and "<script" not in page and "budget_ms 2000" in page
    assert repr(report).startswith("<feed of Exploration, 0.5 h: 1,") and "expired" in repr(report)
    fig = report.plot(bins=12)
    above, below = fig.axes
    assert "wait" in above.get_ylabel() and below.get_ylabel() == "events in 2.5 min"
    assert [t.get_text() for t in below.get_legend().get_texts()] == ["answered", "fallback", "dead lettered", "expired"]
