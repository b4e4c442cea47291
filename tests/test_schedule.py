"""Schedules: due times come once, missed ones are caught up once, and what other schedulers are told is quoted and asks often enough."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import GATES, QUICK, free_port, wait_for, write_pilot
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pilot_to_prod.runs import RunError, Store
from pilot_to_prod.runs import schedule as room
from pilot_to_prod.runs._schedulers import JupyterServer, SchedulerError, asked, calendar, crontab, driver, systemd, workflow
from pilot_to_prod.runs.schedule import (
    ATTEMPTS,
    Schedule,
    ScheduleError,
    due,
    due_history,
    due_times,
    load_schedule,
    missed,
    read_cron,
    remove_schedule,
    run_due,
    save_schedule,
    serve,
)

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
]
BERLIN = ZoneInfo("Europe/Berlin")
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    "A field of an expression: anything, a step, a number, a list or a range."
    one = st.integers(low, high)
    ranges = st.tuples(one, one).map(lambda p: f"{min(p)}-{max(p)}")
    lists = st.lists(one, min_size=2, max_size=3, unique=True).map(lambda v: ",".join(map(str, v)))
    return st.one_of(st.just("*"), one.map(str), lists, ranges, st.integers(2, 12).map(lambda n: f"*/{n}"))


@st.composite
def crons(draw: st.DrawFn) -> str:
    days = draw(st.sampled_from(["*", "*", "*", "1", "1,15", "28-31", "L", "*/2"]))
    months = draw(st.sampled_from(["*", "*", "*", "3,10", "JAN-JUN"]))
    weekdays = draw(st.sampled_from(["*", "*", "MON-FRI", "7", "0", "FRI#2", "5L"]))
    return f"{draw(numbers(0, 59))} {draw(numbers(0, 23))} {days} {months} {weekdays}"


zones = st.sampled_from(ZONES)
times = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)).map(lambda t: t.replace(microsecond=0, tzinfo=UTC))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(str(tmp_path / "runs"), "tiny")
    found.open()
    return found


def kept(store: Store, cron: str = "0 2 * * *", made: datetime = datetime(2026, 11, 1, tzinfo=UTC), **given: Any) -> Schedule:
    return save_schedule(store, Schedule(store.folder.name, cron, made, **given))


def call(store: Store, now: datetime, code: int = 0, seconds: float = 60) -> tuple[list[datetime], int, str]:
    "One call of --due: the times at which work began, the exit code, and what was said."
    clock, began, said = iter([now, now + timedelta(seconds=seconds)]), [], []

    def work(_: Schedule) -> int:
        began.append(now)
        return code

    return began, serve(store, work, clock=lambda: next(clock), say=said.append), " ".join(said)


# ---- due times


@given(crons(), zones, times)
@FEW
def test_due_times_are_monotone_and_in_the_future(cron, zone, start):
    found = list(islice(due_times(cron, zone, start), 30))
    assert found and found[0] > start
    assert all(a < b for a, b in zip(found, found[1:], strict=False))
    assert all((t.second, t.microsecond, t.tzinfo) == (0, 0, UTC) for t in found)


@given(crons(), zones, times, st.integers(0, 3 * 24 * 3600))
@FEW
def test_due_times_do_not_depend_on_where_one_begins_to_look(cron, zone, start, seconds):
    later = start + timedelta(seconds=seconds)
    whole = [t for t in islice(due_times(cron, zone, start), 1000) if t > later]
    assume(len(whole) > 3)
    assert list(islice(due_times(cron, zone, later), 3)) == whole[:3]


@given(crons(), zones, times, st.integers(0, 40 * 24 * 60))
@FEW
def test_the_newest_is_the_last_of_all_that_came(cron, zone, made, minutes):
    now = made + timedelta(minutes=minutes)
    every = list(takewhile(lambda t: t <= now, due_times(cron, zone, made)))
    assert Schedule("tiny", cron, made, zone).newest(now) == (every[-1] if every else None)


@given(st.integers(0, 59), st.integers(0, 23), zones, st.dates(datetime(2015, 1, 1).date(), datetime(2035, 1, 1).date()))
@FEW
def test_a_fixed_time_comes_once_a_day_whatever_the_clocks_do(minute, hour, zone, day):
    start = datetime.combine(day, datetime.min.time(), tzinfo=ZoneInfo(zone)) - timedelta(days=2)
    found = list(islice(due_times(f"{minute} {hour} * * *", zone, start), 370))
    days = [t.astimezone(ZoneInfo(zone)).date() for t in found]
    assert days == [days[0] + timedelta(days=i) for i in range(370)]


@pytest.mark.parametrize(
    ("cron", "start", "clock"),
    [
        ("30 2 * * *", datetime(2026, 3, 28, 12), ["29 03:00", "30 02:30"]),  # does not exist on the 29th
        ("0,30 2-3 * * *", datetime(2026, 3, 28, 12), ["29 03:00", "29 03:30", "30 02:00"]),
        ("30 2 * * *", datetime(2026, 10, 24, 12), ["25 02:30", "26 02:30"]),  # exists twice on the 25th
        ("*/20 2 * * *", datetime(2026, 10, 24, 12), ["25 02:00", "25 02:20", "25 02:40", "26 02:00"]),
        ("0 * * * *", datetime(2026, 10, 24, 23, 30), ["25 02:00", "25 02:00", "25 03:00"]),  # every hour that passes
    ],
)
def test_clocks_that_are_put_forward_and_back(cron, start, clock):
    found = islice(due_times(cron, "Europe/Berlin", start.replace(tzinfo=UTC)), len(clock))
    assert [f"{t.astimezone(BERLIN):%d %H:%M}" for t in found] == clock


# ---- serving


gaps = st.lists(st.integers(0, 3 * 24 * 60), min_size=1, max_size=25)  # minutes between calls


@given(crons(), zones, times, gaps)
@FEW
def test_each_due_time_is_served_once_and_only_the_newest(tmp_path_factory, cron, zone, made, minutes):
    store = Store(str(tmp_path_factory.mktemp("runs")), "tiny")
    store.open()
    schedule, now, served = kept(store, cron, made, timezone=zone), made, []
    for gap in minutes:
        now += timedelta(minutes=gap)
        newest = schedule.newest(now)
        began, code, _ = call(store, now)
        assert code == 0
        assert bool(began) == (newest is not None and newest not in served)
        served += [newest] if began else []
        assert not call(store, now)[0], "in the same minute nothing is left"
    assert [datetime.fromisoformat(e["due"]) for e in due_history(store)] == served == sorted(set(served))


@given(crons(), zones, times, gaps)
@FEW
def test_what_passed_was_either_begun_in_time_or_is_missed(tmp_path_factory, cron, zone, made, minutes):
    store = Store(str(tmp_path_factory.mktemp("runs")), "tiny")
    store.open()
    schedule, now = kept(store, cron, made, timezone=zone), made
    for gap in minutes:
        now += timedelta(minutes=gap)
        call(store, now)
    every = list(takewhile(lambda t: t <= now, schedule.after(made)))
    begun = {e["due"]: datetime.fromisoformat(e["begun"]) for e in due_history(store)}
    late = [t for t in every if begun.get(t.isoformat(), t + timedelta(days=999)) > t + timedelta(seconds=schedule.grace)]
    found = missed(store, now)
    assume(len(every) <= room.COUNTED)
    assert sum(m.times for m in found) == len(late)
    assert all(any(m.first <= t <= m.last for m in found) for t in late)


def test_a_week_of_sleep_is_one_run_and_one_outage(store):
    kept(store, "0 2 * * *", datetime(2026, 11, 1, tzinfo=UTC))
    assert call(store, datetime(2026, 11, 1, 2, 5, tzinfo=UTC))[0]
    woken = datetime(2026, 11, 9, 7, tzinfo=UTC)
    (lasting,) = missed(store, woken)
    assert (lasting.times, lasting.caught_up) == (8, None)
    began, code, said = call(store, woken)
    assert began == [woken] and code == 0 and "due since 2026-11-09 02:00 UTC" in said
    assert "nothing is due; 2026-11-09 02:00 UTC is served. The next time is 2026-11-10 02:00 UTC." in call(store, woken)[2]
    (outage,) = missed(store, woken)
    assert (outage.first.day, outage.last.day, outage.times, outage.caught_up) == (2, 9, 8, woken)
    assert "nobody asked" in outage.why


def test_nothing_is_due_before_the_schedule_was_made(store):
    made = datetime(2026, 11, 5, 12, tzinfo=UTC)
    kept(store, "0 2 * * *", made)
    began, code, said = call(store, made + timedelta(minutes=1))
    assert (began, code) == ([], 0) and "nothing is due yet" in said
    assert missed(store, made + timedelta(minutes=1)) == []


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_card_serves_whatever_it_says(store, code):
    kept(store)
    now = datetime(2026, 11, 3, 2, tzinfo=UTC)
    assert call(store, now, code)[1] == code
    assert call(store, now)[:2] == ([], 0)


def test_a_failure_is_tried_again_and_given_up_in_the_end(store):
    kept(store)
    now = datetime(2026, 11, 3, 2, tzinfo=UTC)
    for n in range(ATTEMPTS):
        began, code, said = call(store, now + timedelta(hours=n), 4)
        assert began and code == 4 and ("tried again" in said) == (n > 0)
    began, code, said = call(store, now + timedelta(hours=9))
    assert (began, code) == ([], 4) and "given up after 3 failed runs" in said
    assert call(store, now + timedelta(days=1))[:2] == ([now + timedelta(days=1)], 0)


def test_an_error_is_raised_and_recorded(store):
    kept(store)
    now = datetime(2026, 11, 3, 2, tzinfo=UTC)

    def work(_: Schedule) -> int:
        raise FileNotFoundError("replay.csv")

    with pytest.raises(FileNotFoundError):
        serve(store, work, clock=lambda: now, say=lambda _: None)
    assert [(e["code"], e["attempts"]) for e in due_history(store)] == [(4, 1)]
    assert call(store, now)[0], "and nothing holds the lock"


def test_without_a_schedule_there_is_no_due(store):
    with pytest.raises(RunError, match=r"has no schedule. Make one: p2p schedule PILOT --cron '0 2"):
        call(store, datetime(2026, 11, 3, tzinfo=UTC))


# ---- overlap


def test_of_two_callers_at_once_one_works(store):
    kept(store)
    now, began, said, inside, go = datetime(2026, 11, 3, 2, tzinfo=UTC), [], [], threading.Event(), threading.Event()

    def work(_: Schedule) -> int:
        began.append(1)
        inside.set()
        assert go.wait(20)
        return 0

    first = threading.Thread(target=serve, args=(store, work), kwargs={"clock": lambda: now, "say": said.append})
    first.start()
    assert inside.wait(20)
    try:
        again, code, told = call(Store(str(store.folder.parent), "tiny"), now)
        assert (again, code) == ([], 0) and "another run of this pilot is under way" in told
    finally:
        go.set()
        first.join(20)
    assert began == [1] and call(store, now)[0] == []


def test_a_run_by_hand_is_waited_for_by_nobody_and_nothing_is_lost(store):
    kept(store)
    now = datetime(2026, 11, 3, 2, tzinfo=UTC)
    with store.lock():
        assert call(store, now)[:2] == ([], 0)
    assert due_history(store) == []
    assert call(store, now)[0]


def test_a_killed_holder_holds_nothing_and_its_time_is_tried_again(store):
    kept(store)
    code = (
        "import sys, time; from datetime import UTC, datetime; from pilot_to_prod.runs import Store\n"
        "from pilot_to_prod.runs.schedule import serve\n"
        "def work(_):\n    print('in', flush=True); time.sleep(60)\n"
        "serve(Store(sys.argv[1], 'tiny'), work, clock=lambda: datetime(2026, 11, 3, 2, tzinfo=UTC), say=lambda _: None)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(store.folder.parent)], stdout=subprocess.PIPE, text=True)
    now = datetime(2026, 11, 3, 2, 10, tzinfo=UTC)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "in\n"
        assert call(store, now)[:2] == ([], 0)
    finally:
        holder.kill()
        holder.wait(20)
        holder.stdout.close()
    began, done, said = call(store, now)
    assert began and done == 0 and "was begun and has no card; tried again" in said
    assert [(e["attempts"], e["code"]) for e in due_history(store)] == [(2, 0)]


def test_a_run_that_lasts_too_long_is_the_reason_of_the_next_outage(store):
    kept(store, "0 * * * *", datetime(2026, 11, 3, tzinfo=UTC), grace=600)
    assert call(store, datetime(2026, 11, 3, 1, tzinfo=UTC), seconds=3.5 * 3600)[0]
    call(store, datetime(2026, 11, 3, 5, tzinfo=UTC))
    (outage,) = missed(store, datetime(2026, 11, 3, 5, tzinfo=UTC))
    assert (outage.first.hour, outage.last.hour, outage.times) == (2, 4, 3) and "still under way" in outage.why


def test_schedules_live_at_urls_too():
    store = Store(f"memory://schedules-{secrets.token_hex(4)}/runs", "tiny")
    store.open()
    kept(store)
    assert call(store, datetime(2026, 11, 3, 2, tzinfo=UTC))[0]
    assert not call(store, datetime(2026, 11, 3, 2, tzinfo=UTC))[0]


# ---- what is kept


def test_the_same_times_again_keep_the_moment_from_which_they_count(store):
    first = kept(store, made=datetime(2026, 11, 1, tzinfo=UTC))
    later = datetime(2026, 11, 7, tzinfo=UTC)
    assert kept(store, made=later, options={"seeds": [1]}).made == first.made
    assert load_schedule(store) == kept(store, made=later, options={"seeds": [1]})
    assert kept(store, "0 3 * * *", made=later).made == later
    assert remove_schedule(store) and not remove_schedule(store) and load_schedule(store) is None


@pytest.mark.parametrize("text", ["{}", "[]", '{"pilot": "a', '{"pilot": "a", "cron": "x", "made": "2026-11-01T00:00+00:00"}'])
def test_a_file_that_is_no_schedule_is_named(store, text):
    (store.folder / "schedule.json").write_text(text, encoding="utf-8")
    with pytest.raises(ScheduleError, match=r"schedule.json: this is no schedule"):
        load_schedule(store)


def test_every_mistake_is_told_with_what_is_allowed():
    with pytest.raises(ScheduleError) as e:
        Schedule("tiny", "60 2 0 FOO 8", datetime(2026, 1, 1), "Europe/Berln", grace=-1)
    said = str(e.value).splitlines()
    assert [re.search(r"minute|day of month|month|day of week", line)[0] for line in said[:4]] == [
        "minute",
        "day of month",
        "month",
        "day of week",
    ]
    assert "'60' is none. Allowed: 0-59" in said[0] and "Did you mean 'Europe/Berlin'?" in said[4]
    assert "time zone" in said[5] and "grace" in said[6]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 2 * *", "it has 4"),
        ("0 0 2 * * *", "it has 6"),
        ("@often", "it has 1"),
        ("0 0 31 2 *", "never comes"),
        ("*/0 * * * *", "minute '*/0'"),
        ("5-1 * * * *", "minute '5-1'"),
        ("0 2 * * \u0665", "day of week"),
    ],
)
def test_bad_expressions(text, says):
    with pytest.raises(ScheduleError, match=re.escape(says)):
        read_cron(text)


def test_nicknames_and_names():
    assert read_cron(" @daily ") == "0 0 * * *"
    assert read_cron("0  9\t* jan-mar mon") == "0 9 * JAN-MAR MON"


@pytest.mark.parametrize("zone", ["../etc/passwd", "/etc/localtime", "", "Europe", "a\0b"])
def test_hostile_time_zones(zone):
    with pytest.raises(ScheduleError, match="no time zone is called"):
        Schedule("tiny", "@daily", datetime(2026, 1, 1, tzinfo=UTC), zone)


# ---- what other schedulers are told


@given(crons(), zones, st.sampled_from(ZONES), times, st.booleans())
@FEW
def test_asking_passes_over_no_due_time_by_more_than_an_hour(cron, zone, there, start, hourly):
    start = start.replace(year=2026 + start.year % 2, month=start.month, day=min(start.day, 28))
    expression = asked(cron, zone, ZoneInfo(there) if hourly else UTC, hourly=hourly)
    assert re.fullmatch(r"[\d,*/ ]+", expression), "plain numbers, which every cron reads"
    for time_ in islice(due_times(cron, zone, start), 20):
        ask = next(due_times(expression, there if hourly else "UTC", time_ - timedelta(seconds=1)))
        assert ask - time_ <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("cron", "zone", "expected"),
    [
        ("0 2 * * *", "UTC", "0 2 * * *"),
        ("0 2 * * MON-FRI", "UTC", "0 2 * * 1,2,3,4,5"),
        ("0 2 * * 7", "UTC", "0 2 * * 0"),
        ("0 2 * * MON", "Europe/Berlin", "0 0,1 * * 1"),
        ("30 0 * * MON", "Europe/Berlin", "30 22,23 * * *"),  # over midnight: the days are left open
        ("0 12 * * *", "Asia/Kathmandu", "15 6 * * *"),
        ("0 0 L * *", "UTC", "0 0 * * *"),
    ],
)
def test_github_is_told_in_utc(cron, zone, expected):
    assert asked(cron, zone) == expected


hostile = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).map(
    lambda t: f"/x{t}"
)
awkward = st.sampled_from(
    ["/a b", "/50% off", "/it's", '/"q"', "/$HOME", "/`id`", "/a\\%b", "/a\\", "/;rm", "/${{ secrets.T }}", "/%%"]
)


def as_cron_reads(line: str) -> tuple[str, str]:
    "The five fields and the command, as cron hands it to the shell: an unescaped % would end it."
    fields = line.split(" ", 5)
    out, escaped = "", False
    for ch in fields[5]:
        if escaped:
            out, escaped = (out[:-1] if ch == "%" else out) + ch, False
            continue
        if ch == "%":
            break
        escaped = ch == "\\"
        out += ch
    return " ".join(fields[:5]), out


@given(st.lists(hostile | awkward, min_size=1, max_size=3), hostile | awkward)
@FEW
def test_a_crontab_holds_hostile_names(words, folder):
    text = crontab(
        Schedule("tiny", "0 2 * * *", datetime(2026, 1, 1, tzinfo=UTC)), ["printf", "%s\\0", *words], folder, "/dev/stdout"
    )
    lines = text.splitlines() if "\u2028" not in text and "\x85" not in text else text.strip("\n").split("\n")
    assume(len(lines) == 2)
    fields, command = as_cron_reads(lines[1])
    assert fields == "0 * * * *" and lines[0].startswith("# pilot tiny")
    where, _, rest = command.partition(" && ")
    done = subprocess.run(["/bin/sh", "-c", rest], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words
    assert (
        subprocess.run(["/bin/sh", "-c", f'set -- {where[3:]}; printf %s "$1"'], capture_output=True).stdout.decode() == folder
    )


@given(hostile | awkward)
@FEW
def test_a_workflow_is_yaml_and_runs_no_expression_of_a_name(path):
    options = {"seeds": [0, 1], "engine": "warm; id", "any_verdict": True}
    made = Schedule("tiny", "0 2 * * *", datetime(2026, 1, 1, tzinfo=UTC), "Europe/Berlin", options=options)
    found = YAML(typ="safe").load(workflow(made, path))
    job = found["jobs"]["judge"]
    assert found["on"]["schedule"] == [{"cron": "0 0,1 * * *"}]
    assert job["env"]["PILOT"].replace("${{ '${{' }}", "${{") == path
    assert "${{" not in job["env"]["PILOT"].replace("${{ '${{' }}", "")
    (script,) = [s["run"] for s in job["steps"] if "--due" in s.get("run", "")]
    assert path not in script and "--engine 'warm; id'" in script and "--seeds 0,1" in script
    assert subprocess.run(["/bin/sh", "-n", "-c", script]).returncode == 0


def test_a_workflow_says_what_it_needs():
    made = Schedule("tiny", "0 2 * * *", datetime(2026, 1, 1, tzinfo=UTC))
    found = YAML(typ="safe").load(workflow(made, "pilots/tiny"))
    uses = [s["uses"].partition("@")[0] for s in found["jobs"]["judge"]["steps"] if "uses" in s]
    assert uses == [
        "actions/checkout",
        "actions/setup-python",
        "actions/cache",
        "actions/cache/restore",
        "actions/cache/save",
        "actions/upload-artifact",
    ]
    assert found["permissions"] == {"contents": "read"} and found["concurrency"]["cancel-in-progress"] is False
    other = YAML(typ="safe").load(workflow(Schedule("tiny-two", "0 2 * * *", made.made), "pilots/two"))
    keys = [s["with"]["key"] for s in other["jobs"]["judge"]["steps"] if "restore-keys" in s.get("with", {})]
    assert not keys[0].startswith(found["jobs"]["judge"]["steps"][4]["with"]["restore-keys"]), (
        "a pilot restores its own runs only"
    )


@pytest.mark.parametrize("text", ["/a\nb", "/a\0b", "/a\rb"])
def test_what_no_line_can_hold_is_refused(text):
    made = Schedule("tiny", "@daily", datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(SchedulerError, match="cannot hold line breaks"):
        crontab(made, ["p2p", text], "/", "/log")
    with pytest.raises(SchedulerError, match="cannot hold line breaks"):
        systemd(made, ["p2p", text], "/")


def test_systemd_units():
    made = Schedule("tiny", "0 2 * * MON", datetime(2026, 1, 1, tzinfo=UTC), "Europe/Berlin")
    texts = systemd(made, ["p2p", "run", '/50% "$x" \\'], "/srv/50%")
    assert r'ExecStart="p2p" "run" "/50%% \"$$x\" \\"' in texts["p2p-tiny.service"]
    assert "WorkingDirectory=/srv/50%%\n" in texts["p2p-tiny.service"]
    assert "OnCalendar=Mon *-*-* 02:00:00 Europe/Berlin\nPersistent=true" in texts["p2p-tiny.timer"]
    assert calendar("*/30 9-10 1 JAN *", "UTC") == "*-01-01 09,10:00,30:00 UTC"
    assert calendar("0 9 1 * MON", "UTC") == "*-*-* 09:00:00 UTC"  # cron: either; systemd: both


# ---- the command


def test_the_command_keeps_shows_and_removes(tiny, p2p, tmp_path):
    pilot, runs, units = tiny(), tmp_path / "runs", tmp_path / "units"
    code, out, err = p2p("schedule", pilot, "--cron", "0 2 * * *", "--runs", runs, "--seeds", "0,1")
    assert code == 0 and out.splitlines()[1].startswith("0 * * * * cd ") and "--due >> " in out
    assert json.loads((runs / "tiny" / "schedule.json").read_text())["options"] == {"seeds": [0, 1]}
    assert "nothing is due yet" in err and "--seeds 0,1" in err
    code, out, err = p2p("schedule", pilot, "--runs", runs)
    assert (code, out) == (0, "") and "due at 0 2 * * * (UTC)" in err
    code, out, err = p2p("schedule", pilot, "--runs", runs, "--github", tmp_path, "--systemd", units)
    assert (code, out) == (0, "")
    written = tmp_path / ".github" / "workflows" / "p2p-tiny.yml"
    assert YAML(typ="safe").load(written.read_text())["jobs"]["judge"]["env"]["PILOT"] == "tiny"
    assert sorted(p.name for p in units.iterdir()) == ["p2p-tiny.service", "p2p-tiny.timer"]
    code, out, err = p2p("schedule", pilot, "--runs", runs, "--github", tmp_path, "--systemd", units, "--remove")
    assert code == 0 and not written.exists() and not list(units.iterdir())
    assert p2p("schedule", pilot, "--runs", runs)[0] == 2


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        (["--cron", "0 25 * * *"], "hour '25' is none. Allowed: 0-23"),
        (["--cron", "@daily", "--timezone", "Berlin"], "no time zone is called 'Berlin'"),
        (["--cron", "@daily", "--made", "yesterday"], "2026-11-25T12:00:00"),
        (["--timezone", "UTC"], "has no schedule"),
        (["--cron", "@daily", "--jupyter", "http://127.0.0.1:9"], "JUPYTER_TOKEN holds no token"),
        (["--cron", "@daily", "--github", "elsewhere"], "is outside of the repository"),
    ],
)
def test_misuse_of_the_command(tiny, p2p, tmp_path, monkeypatch, given_, says):
    monkeypatch.delenv("JUPYTER_TOKEN", raising=False)
    code, _, err = p2p("schedule", tiny(), "--runs", tmp_path / "runs", *given_)
    assert code == 2 and says in err


def test_run_due_runs_once_with_the_options_of_the_schedule(tiny, p2p, tmp_path, monkeypatch):
    asked_for = []

    def fake(plan: Any, settings_: Any, **given: Any) -> Any:
        asked_for.append((plan.units[0].parameters["seeds"], settings_.runs.workers, given["fresh"]))
        raise RunError("as if nothing could be started")

    monkeypatch.setattr("pilot_to_prod.runs.run", fake)
    pilot, runs = tiny(), tmp_path / "runs"
    code, out, err = p2p("run", pilot, "--runs", runs, "--due")
    assert code == 4 and "has no schedule" in err
    p2p(
        "schedule",
        pilot,
        "--cron",
        "@hourly",
        "--made",
        "2026-01-01",
        "--runs",
        runs,
        "--seeds",
        "7",
        "--workers",
        1,
        "--fresh",
    )
    code, out, err = p2p("run", pilot, "--runs", runs, "--due", "--dry-run")
    assert code == 0 and "due since" in out and not asked_for and not due_history(Store(str(runs), "tiny"))
    code, out, err = p2p("run", pilot, "--runs", runs, "--due")
    assert code == 4 and "as if nothing" in err and asked_for == [([7], 1, True)]
    p2p("run", pilot, "--runs", runs, "--due", "--seeds", "8")
    assert asked_for[1][0] == [8]


# ---- jupyter-scheduler


def test_errors_of_a_server_are_told_in_words():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(SchedulerError, match=r"no server answers .*Start it"):
        JupyterServer(f"http://127.0.0.1:{port}", "x", timeout=5).definitions("p2p tiny")
    for url in ("file:///etc/passwd", "localhost:8888", "http://"):
        with pytest.raises(SchedulerError, match="is no address of a Jupyter server"):
            JupyterServer(url, "x")


@contextmanager
def jupyter(root: Path, token: str) -> Iterator[str]:
    "A Jupyter server with jupyter-scheduler on a free port of this machine; its address. Ended with all that it started."
    port = free_port()
    own = {f"JUPYTER_{n}_DIR": str(root / n.lower()) for n in ("DATA", "CONFIG", "RUNTIME")}
    environ = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")} | own | QUICK
    environ |= {"IPYTHONDIR": str(root / "ipython"), "HOME": str(root), "JUPYTER_TOKEN": token, "JUPYTER_PREFER_ENV_PATH": "1"}
    line = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    line += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}", "--allow-root"]
    with (root / "server.log").open("wb") as log:
        server = subprocess.Popen(
            line, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environ, cwd=root, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{url}/api/status?token={token}", server, root / "server.log")
        yield url
    finally:
        end = os.killpg if hasattr(os, "killpg") else os.kill
        end(server.pid, signal.SIGTERM)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            pass
        try:
            end(server.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        except ProcessLookupError:
            pass
        server.wait(10)


def test_a_jupyter_server_registers_updates_runs_and_removes(tmp_path, p2p, monkeypatch):
    pytest.importorskip("jupyter_scheduler", reason="jupyter-scheduler is not installed: pip install 'pilot-to-prod[schedule]'")
    token, runs = secrets.token_hex(16), tmp_path / "runs"
    pilot = write_pilot(tmp_path / "tiny", more="suite: labels\n" + GATES)
    monkeypatch.setenv("MY_TOKEN", token)
    monkeypatch.chdir(tmp_path)
    with jupyter(tmp_path, token) as url:
        about = [
            "schedule",
            pilot,
            "--runs",
            runs,
            "--jupyter",
            url,
            "--token-env",
            "MY_TOKEN",
            "--severities",
            "0.3",
            "--seeds",
            "0",
        ]
        server = JupyterServer(url, token)
        with pytest.raises(SchedulerError, match="does not accept the token"):
            JupyterServer(url, "wrong").definitions("p2p tiny")
        code, _, err = p2p(*about, "--cron", "0 0 2 1 *", "--made", "2024-06-01", "--timezone", "Europe/Berlin")
        assert code == 0 and "job definition" in err, err
        (first,) = server.definitions("p2p tiny")
        assert (first["schedule"], first["timezone"], first["active"]) == ("0 0 2 1 *", "Europe/Berlin", True)
        code, _, _ = p2p(*about, "--cron", "0 0 1 1 *", "--made", "2024-06-01")
        (found,) = server.definitions("p2p tiny")
        assert found["job_definition_id"] == first["job_definition_id"] and (found["schedule"], found["timezone"]) == (
            "0 0 1 1 *",
            "UTC",
        )
        assert len(list((tmp_path / "p2p").glob("*.ipynb"))) == 1
        moved = driver(str(pilot), str(runs), str(tmp_path)) | {"nbformat_minor": 5}
        moved["cells"][0]["source"] = "other text"
        server.register(load_schedule(Store(str(runs), "tiny")), moved)
        (found,) = server.definitions("p2p tiny")
        assert found["input_filename"] != first["input_filename"], "a changed notebook reaches the server"

        job = server.ask("POST", f"scheduler/job_definitions/{found['job_definition_id']}/jobs", {})["job_id"]
        until = time.monotonic() + 120  # some 15 s where nothing else runs
        while (state := server.ask("GET", f"scheduler/jobs/{job}"))["status"] not in (
            "COMPLETED",
            "FAILED",
        ):  # a new job is STOPPED
            assert time.monotonic() < until, state
            time.sleep(0.2)
        assert state["status"] == "COMPLETED", (state["status_message"], (tmp_path / "server.log").read_text()[-2000:])
        (output,) = [p for p in (tmp_path / "data").rglob(f"{job}/*.ipynb") if p.name != found["input_filename"]]
        shown = output.read_text(encoding="utf-8")
        assert "due since" in shown
        assert "text/html" in shown and "other text" in shown
        (entry,) = due_history(Store(str(runs), "tiny"))
        assert entry["code"] in (0, 1, 3) and entry["attempts"] == 1
        assert run_due(pilot, str(runs), say=lambda _: None) is None, "the same time again is not due"

        code, _, err = p2p("schedule", pilot, "--runs", runs, "--jupyter", url, "--token-env", "MY_TOKEN", "--remove")
        assert code == 0 and "1 job definition removed" in err and server.definitions("p2p tiny") == []
        server.ask("GET", "api/contents/p2p")
    with socket.socket() as port:
        port.settimeout(2)
        assert port.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) != 0, "no port is left open"


def test_exit_codes_are_those_of_the_card():
    from pilot_to_prod.card import EXIT

    assert room.EXIT == EXIT and tuple(sorted(EXIT.values())) == room.SERVED


def test_due_of_a_clock_that_went_back_is_nothing(store):
    kept(store)
    assert call(store, datetime(2026, 11, 4, 2, tzinfo=UTC))[0]
    assert due(store, datetime(2026, 11, 3, 12, tzinfo=UTC)).time is None


def test_a_missed_time_is_told_once_by_the_command_line(tmp_path: Path, p2p: Any) -> None:
    from conftest import write_pilot

    from pilot_to_prod.runs.notices import read_notices

    pilot = write_pilot(tmp_path / "tiny")
    store = Store(tmp_path / "runs", "tiny")
    store.open()
    save_schedule(store, Schedule(str(pilot), "0 2 * * *", datetime(2026, 1, 1, tzinfo=UTC)))  # nobody has begun it since
    code, out, err = p2p("notices", "send", pilot, "--runs", tmp_path / "runs")
    assert code == 0 and "1 new" in out, (out, err)
    assert [n.kind for n in read_notices(store)] == ["run_missed"]
    code, out, err = p2p("notices", "send", pilot, "--runs", tmp_path / "runs")
    assert "0 new" in out
