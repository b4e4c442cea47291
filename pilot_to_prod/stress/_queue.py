"""A queue with one server in simulated time: what becomes of each event of a feed, and when.

Events are served in the order in which they come in. Times are whole nanoseconds inside, so that sums are exact, and the quick way
through an unhurried queue gives the same to the last digit as the long one.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from pilot_to_prod.scenarios._draws import Draws, key_hashes, name_hash, row_hashes
from pilot_to_prod.spec.model import Feed

ANSWERED, FALLBACK, DEAD_LETTERED, EXPIRED = range(4)
OUTCOMES = ("answered", "fallback", "dead_lettered", "expired")
_NEVER = 1 << 62  # nanoseconds
LONGEST = _NEVER / 4e9  # seconds that a feed may last, 36 years: the clock counts nanoseconds
Raises = Callable[[list[int]], bool]  # the events of a call, in its order → whether it raises


@dataclass(frozen=True, eq=False)
class Served:
    "What became of each event, in the order in which they were given."

    outcome: np.ndarray  # int8, into OUTCOMES
    started: np.ndarray  # simulated seconds at which its first call began; nan where there was none
    done: np.ndarray  # simulated seconds at which it was answered, gave up, or failed for the last time
    turned_away: np.ndarray  # bool: the queue was full


def sent_times(
    feed: Feed,
    seconds: float,  # how long the feed runs
    seed: int = 0,
) -> np.ndarray:  # seconds, sorted, all below `seconds`
    "When events are sent: a Poisson process of the feed's rate, or one event each 1/rate seconds from the start."
    expected = feed.rate * seconds
    if feed.arrivals == "constant":
        times = np.arange(int(np.ceil(expected)) + 1) / feed.rate
        return times[times < seconds]
    most = int(expected + 12 * np.sqrt(expected) + 40)  # twelve deviations
    draws = Draws(row_hashes(key_hashes(np.arange(most)), seed=seed, stream=name_hash("feed", "gaps")))
    times = np.cumsum(-np.log(draws.uniform("gap"))) / feed.rate
    return times[times < seconds]


def outcomes(
    feed: Feed,
    arrivals: np.ndarray,  # simulated seconds, sorted
    failing: np.ndarray,  # bool: a call with this event raises
    held: np.ndarray | None = None,  # seconds that an event waits, before it queues, for what it needs; the budget runs
) -> np.ndarray:  # int8: ANSWERED, FALLBACK, DEAD_LETTERED or EXPIRED
    "What becomes of each event."
    return serve(feed, arrivals, failing, held).outcome


def serve(
    feed: Feed,
    arrivals: np.ndarray,  # simulated seconds, sorted
    failing: np.ndarray | Raises,  # bool: a call with this event raises; or a function that is asked when a call is made
    held: np.ndarray | None = None,  # seconds that an event waits, before it queues, for what it needs; the budget runs
) -> Served:
    """The queue of a feed, from beginning to end. Raises ValueError.

    A call takes `service_ms`, and `row_ms` more for each further row; it begins when the server is free and `micro_batch` rows wait, or the
    first of them has waited `max_wait_ms`. A call begins only if its answers are in time for all its rows: fewer rows are taken where
    that helps, and an event that cannot be answered in time any more leaves the queue and gets the fallback, or expires, at its deadline.
    A call with a failing event fails as a whole; each of its rows is then tried `retries` times by itself, and goes to the dead letters.
    An event that comes to a full queue is turned away: it gets the fallback at once, or goes to the dead letters.
    """
    known = np.zeros(len(arrivals), bool) if callable(failing) else np.asarray(failing, bool)
    arrived, held_ns = _checked(arrivals, known, held)
    enter = arrived + held_ns
    order = np.argsort(enter, kind="stable")
    line = _Line(feed, arrived[order], enter[order], known[order])
    if callable(failing):
        asked = failing
        line.raises = lambda batch: asked(order[batch].tolist())
    line.run()
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    started = np.where(line.started < 0, np.nan, line.started / 1e9)
    return Served(line.outcome[back], started[back], line.done[back] / 1e9, line.turned_away[back])


def _checked(arrivals: np.ndarray, failing: np.ndarray, held: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    "Arrivals and holding times in nanoseconds."
    times = np.asarray(arrivals, float)
    waits = np.zeros(len(times)) if held is None else np.asarray(held, float)
    if not len(times) == len(failing) == len(waits):
        raise ValueError(f"a queue needs one value an event: {len(times)} arrivals, {len(failing)} failing, {len(waits)} held.")
    bad = ~(np.isfinite(times) & np.isfinite(waits) & (times >= 0) & (waits >= 0) & (times + waits < LONGEST))
    if bad.any() or (np.diff(times) < 0).any():
        raise ValueError(
            "arrivals must be sorted, and arrivals and held finite numbers of seconds, not negative, and within 36 years together."
        )
    return _ns(times), _ns(waits)


def _ns(seconds: np.ndarray) -> np.ndarray:
    return np.rint(seconds * 1e9).astype(np.int64)


def _ns_of(milliseconds: float) -> int:
    "Whole nanoseconds, at most for ever."
    return round(min(milliseconds * 1e6, float(_NEVER // 2)))


def tick(seconds: np.ndarray) -> np.ndarray:
    "Seconds at the grain of the simulated clock, a nanosecond. Raises ValueError."
    if not (np.abs(seconds) < LONGEST).all():
        raise ValueError(
            f"the simulated clock runs for 36 years, and an event comes after {np.abs(seconds).max() / 31_557_600:.3g} years: lower "
            "the hours of the feed, or the delays of its scenarios."
        )
    return _ns(seconds) / 1e9


class _Line:
    "Events in the order in which they come to the queue."

    def __init__(self, feed: Feed, arrived: np.ndarray, enter: np.ndarray, failing: np.ndarray) -> None:
        n = len(enter)
        self.feed, self.enter, self.failing = feed, enter, failing
        self.raises: Raises | None = None  # asked when a call is made, instead of `failing`
        self.service, self.row = max(1, _ns_of(feed.service_ms)), _ns_of(feed.row_ms)
        budget = _NEVER // 2 if feed.budget_ms is None else _ns_of(feed.budget_ms)
        self.deadline = arrived + budget
        self.late, self.refused = (EXPIRED, DEAD_LETTERED) if feed.fallback is None else (FALLBACK, FALLBACK)
        self.outcome, self.turned_away = np.full(n, self.late, np.int8), np.zeros(n, bool)
        self.started, self.done = np.full(n, -1, np.int64), self.deadline.copy()

    def run(self) -> None:
        "By the quickest way that fits: no event meets a limit, calls of one row, or calls as they are formed."
        if not len(self.enter):
            return
        self._check()
        if self.feed.micro_batch > 1 or self.raises is not None:
            self._batched()
        elif not self._unhurried():
            self._one_by_one()

    def _check(self) -> None:
        "Whether all calls fit on the clock, one after the other; where there is a budget, those that do not are not made."
        patience = _ns_of(self.feed.max_wait_ms)
        most = len(self.enter) * ((1 + self.feed.retries) * self.service + self.row) + patience
        if self.feed.budget_ms is None and most >= _NEVER // 4:
            raise ValueError(
                f"the simulated clock runs for 36 years, and {len(self.enter):,} events may take {most / 3.15576e16:.3g}: lower "
                "service_ms, row_ms, max_wait_ms or retries, send fewer events, or promise a budget_ms."
            )

    def _unhurried(self) -> bool:
        "Waiting times by Lindley's recursion, as a running maximum; whether every event is in time and finds room."
        if len(self.enter) * (1 + self.feed.retries) * self.service >= _NEVER:  # more than the sums below can hold
            return False
        service = np.where(self.failing, (1 + self.feed.retries) * self.service, self.service)
        before = np.cumsum(service) - service
        start = before + np.maximum.accumulate(self.enter - before)
        if (start + service > self.deadline).any():
            return False
        if self.feed.queue is not None:
            waiting = np.arange(len(start)) - np.searchsorted(start, self.enter, side="right")
            if (waiting >= self.feed.queue).any():
                return False
        self.started, self.done = start, start + service
        self.outcome = np.where(self.failing, DEAD_LETTERED, ANSWERED).astype(np.int8)
        return True

    def _one_by_one(self) -> None:
        "Event by event: when one comes in, those before it have settled whether and when it is called."
        service, retries, room = self.service, self.feed.retries, self.feed.queue or _NEVER
        starts: deque[int] = deque()  # of those that wait and will be called
        ends: list[int] = []  # last moments of those that wait in vain, a heap
        began, done, outcome, free = self.started.tolist(), self.done.tolist(), self.outcome.tolist(), 0
        deadlines, failing = self.deadline.tolist(), self.failing.tolist()
        for i, now in enumerate(self.enter.tolist()):
            while starts and starts[0] <= now:
                starts.popleft()
            while ends and ends[0] < now:
                heappop(ends)
            last = deadlines[i] - service  # the moment up to which a call is in time
            if last < now:
                continue
            if len(starts) + len(ends) >= room:
                self.turned_away[i], done[i], outcome[i] = True, now, self.refused
                continue
            start = max(now, free)
            if start > last:
                heappush(ends, last)
                continue
            began[i], free, outcome[i] = start, start + service, ANSWERED
            if failing[i]:
                tries = min(retries, (deadlines[i] - free) // service)
                free += tries * service
                outcome[i] = DEAD_LETTERED if tries == retries else self.late
            if outcome[i] != self.late:
                done[i] = free
            if start > now:
                starts.append(start)
        self.started, self.done, self.outcome = np.array(began), np.array(done), np.array(outcome, np.int8)

    def _batched(self) -> None:
        "Event by event: those that come in, those whose time is up, and calls, in the order of the clock."
        calls, enter, n = _Calls(self), self.enter.tolist(), len(self.enter)
        last = (self.deadline - self.service).tolist()  # the moment up to which a call of one row is in time
        timed, room = self.feed.budget_ms is not None, self.feed.queue or _NEVER
        full, patience = min(self.feed.micro_batch, room), _ns_of(self.feed.max_wait_ms)
        queue, gone = calls.queue, calls.gone
        ends: list[tuple[int, int]] = []  # (last moment, event), a heap
        alive = i = now = free = 0
        while True:
            while queue and gone[queue[0]]:
                queue.popleft()
            due = _NEVER
            if queue:
                due = max(free, now if alive >= full else max(now, enter[queue[0]] + patience))
            elif i == n:
                break
            comes = i < n and enter[i] < due
            now, before = enter[i] if comes else due, alive
            while ends and ends[0][0] < now:
                j = heappop(ends)[1]
                alive -= not gone[j]
                gone[j] = 1
            if comes:
                if last[i] < now:
                    gone[i] = 1
                elif alive >= room:
                    self.turned_away[i], self.done[i], self.outcome[i] = True, now, self.refused
                else:
                    queue.append(i)
                    alive += 1
                    if timed:
                        heappush(ends, (last[i], i))
                i += 1
            elif alive == before:  # else those who wait are others, and the call may be due later
                taken, free = calls.call(now)
                alive -= taken
        calls.write()


class _Calls:
    "Calls of the server, and what they made of the events."

    def __init__(self, line: _Line) -> None:
        self.line, self.most, self.retries = line, line.feed.micro_batch, line.feed.retries
        self.service, self.row = line.service, line.row
        self.deadline, failing = line.deadline.tolist(), line.failing.tolist()
        self.raises: Raises = line.raises or (lambda batch: any(failing[j] for j in batch))
        self.queue: deque[int] = deque()  # those that gave up are still in it
        self.gone = bytearray(len(self.deadline))  # left the queue
        self.made: list[tuple[int, int, int, int]] = []  # event, start, end, outcome

    def call(self, now: int) -> tuple[int, int]:  # rows taken, and when the server is free again
        "One call with the head of the queue, and those after it if it fails."
        until = _NEVER
        batch: list[int] = []
        while self.queue and len(batch) < self.most:
            j = self.queue[0]
            if not self.gone[j]:
                until = min(until, self.deadline[j])
                if now + self.service + len(batch) * self.row > until:
                    break
                batch.append(j)
                self.gone[j] = 1
            self.queue.popleft()
        end = now + self.service + (len(batch) - 1) * self.row
        if not self.raises(batch):
            self.made += [(j, now, end, ANSWERED) for j in batch]
            return len(batch), end
        for j in batch:
            end, outcome = self._again(j, end)
            self.made.append((j, now, end if outcome >= 0 else self.deadline[j], outcome))
        return len(batch), end

    def _again(self, j: int, now: int) -> tuple[int, int]:  # when the server is free again; the outcome, -1 where time is up
        "One row by itself, as often as it may be tried in time."
        for _ in range(self.retries):
            if now + self.service > self.deadline[j]:
                return now, -1
            now += self.service
            if not self.raises([j]):
                return now, ANSWERED
        return now, DEAD_LETTERED

    def write(self) -> None:
        "What became of the events that were called."
        made = np.array(self.made, np.int64).reshape(-1, 4)
        events, line = made[:, 0], self.line
        line.started[events], line.done[events] = made[:, 1], made[:, 2]
        line.outcome[events] = np.where(made[:, 3] < 0, line.late, made[:, 3])
