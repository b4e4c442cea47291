"""Notices: one fact is told once, until somebody acknowledges it; a receiver may do what it likes, and nobody learns the URL."""

import hashlib
import hmac
import json
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import mistune
import pytest
from conftest import GATES, write_pilot
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pilot_to_prod.runs
from pilot_to_prod.runs import Outcome, Run, RunError, Store, _webhook, notices
from pilot_to_prod.runs._store import write_json
from pilot_to_prod.runs._webhook import Undelivered, deliver, post, url_of
from pilot_to_prod.runs.notices import (
    AGAIN,
    Notice,
    acknowledge,
    alarm,
    escaped,
    is_due,
    notify,
    read_notices,
    sendings,
)
from pilot_to_prod.spec import Spec, SpecError, parse, safe

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
SECRET = "s3cr3t-part-of-the-url"
HOOK = {"P2P_WEBHOOK_URL": f"http://127.0.0.1:9/{SECRET}"}
VERDICTS = ("promote", "hold", "block")
HOSTILE = "**x** `y` <img src=x onerror=alert(1)> [pay](https://evil.example) <!channel> @all | $z$ \u202egnp.exe\x1b[2J\n# head\x00\ud800"


def spec_of(**more: Any) -> Spec:
    "A promise whose owner is told."
    value = {
        "name": "tiny",
        "task": "binary",
        "model": {"loader": "module", "ref": "model.py:model"},
        "data": {"reference": "a.csv", "replay": "b.csv", "label": "topic", "positive": "late", "columns": {"text": "text"}},
        "owner": {"name": "Ada", "on_call": "ada@example.com"},
        **more,
    }
    spec, problems = parse(value)
    assert spec is not None and not problems, problems
    return spec


def store_of(folder: Any, *verdicts: str, first: datetime = NOW - timedelta(days=1)) -> Store:
    "A store with a run a verdict, an hour apart."
    store = Store(str(folder), "tiny")
    store.open()
    for i, verdict in enumerate(verdicts, len(store.manifests()) + 1):
        store.append(
            {"run": f"{i:04d}-ab", "verdict": verdict, "at": (first + timedelta(hours=i)).isoformat(timespec="seconds")}
        )
    return store


class Receiver:
    "A stand-in that keeps what it is sent, and fails while it is told to."

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.calls = 0
        self.error: Exception | None = None

    def __call__(self, variable: str, payload: dict[str, Any]) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error
        self.got.append(json.loads(json.dumps(payload, allow_nan=False)) | {"variable": variable})

    def to(self) -> list[tuple[str, str]]:
        return [(p["notice"]["kind"], p["notice"]["escalated_to"] or p["notice"]["to"]) for p in self.got]


def tell(store: Store, spec: Spec, receiver: Any, hours: float = 0, **more: Any) -> Any:
    given = {"environ": HOOK, "wait": lambda s: None, **more}
    return notify(store, spec, now=NOW + timedelta(hours=hours), post=receiver, **given)


# ---- one fact, one notice


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(VERDICTS), max_size=7), st.integers(1, 4), st.booleans())
def test_every_change_of_the_verdict_is_told_once_however_often_it_is_found(verdicts, calls, between):
    store, receiver = store_of(f"memory://{uuid.uuid4().hex}"), Receiver()
    for verdict in verdicts:
        store_of(store.folder.parent, verdict)
        for _ in range(calls if between else 0):
            tell(store, spec_of(), receiver)
    for _ in range(calls):
        tell(store, spec_of(), receiver)
    changes = [(a, b) for a, b in pairwise(verdicts) if a != b]
    facts = [n.facts for n in read_notices(store)]
    assert sorted((f["before"], f["after"]) for f in facts) == sorted(changes)
    assert all(f["worse"] == (VERDICTS.index(f["after"]) > VERDICTS.index(f["before"])) for f in facts)
    assert len(receiver.got) == len({p["notice"]["id"] for p in receiver.got}) == len(changes)


def test_what_changed_long_ago_is_no_news(tmp_path):
    store = store_of(tmp_path, "promote", "block", first=NOW - timedelta(days=30))
    assert not tell(store, spec_of(), Receiver()).new and not (store.folder / "notices").exists()


@pytest.mark.parametrize(("days", "found"), [(15, []), (14, [False]), (1, [False]), (0, [False]), (-1, [True]), (-400, [True])])
def test_attestations_are_told_two_weeks_ahead_and_when_they_have_expired(tmp_path, days, found):
    said = {"says": "x", "by": "Bo", "on": "2025-01-01", "expires": str((NOW + timedelta(days=days)).date())}
    places = {"owner": {"name": "Ada", "support": said}, "governance": {"lawful_basis": said}}
    places["not_applicable"] = {"fairness": said}
    new = tell(store_of(tmp_path), spec_of(**places), Receiver()).new
    assert sorted(n.facts["place"] for n in new) == (
        ["governance.lawful_basis", "not_applicable.fairness", "owner.support"] if found else []
    )
    assert [n.facts["expired"] for n in new] == found * 3


def test_an_attestation_is_told_again_when_it_expires_and_no_more_when_it_is_renewed(tmp_path):
    store, receiver = store_of(tmp_path), Receiver()

    def at(hours, expires):
        said = {"says": "x", "by": "Bo", "on": "2025-01-01", "expires": expires}
        before = len(receiver.got)
        tell(store, spec_of(owner={"name": "Ada", "support": said}), receiver, hours)
        return [p["notice"]["facts"]["expired"] for p in receiver.got[before:]]

    assert at(0, date(2026, 11, 28)) == [False] and at(24, date(2026, 11, 28)) == [False]
    assert at(48, date(2026, 11, 28)) == [True]
    assert at(72, date(2026, 11, 28)) == [True]  # the one that it was told ahead is over
    assert at(200, date(2027, 11, 28)) == []


def test_missed_runs_found_together_are_one_notice_and_each_is_named_once(tmp_path):
    store, receiver = store_of(tmp_path), Receiver()
    times = [NOW - timedelta(hours=h) for h in range(1, 100)]
    assert len(tell(store, spec_of(), receiver, missed=[*times, NOW - timedelta(days=9)]).new) == 1
    assert not tell(store, spec_of(), receiver, missed=times[:3]).new
    later = tell(store, spec_of(), receiver, missed=[*times, NOW]).new
    assert [len(n.facts["times"]) for n in read_notices(store)] in ([99, 1], [1, 99]) and len(later) == 1
    assert later[0].facts["times"] == ["2026-11-27T01:00:00+00:00"]


def test_a_run_that_failed_is_told_once_and_without_the_text_of_its_error(tmp_path):
    store, receiver = store_of(tmp_path), Receiver()
    failed = Outcome("messy", "failed", 1, "KeyError", "customer 4711 owes 12 EUR"), Outcome("scorecard", "skipped")
    made = Run(store.folder / "0001-ab", failed, None)
    assert len(tell(store, spec_of(), receiver, ended=made).new) == 1 and not tell(store, spec_of(), receiver, ended=made).new
    assert "messy" in receiver.got[0]["text"] and "KeyError" in receiver.got[0]["text"] and "4711" not in str(receiver.got)
    assert not tell(store, spec_of(), receiver, ended=Run(made.folder, (Outcome("messy", "done"),), {})).new
    assert len(tell(store, spec_of(), receiver, ended=ValueError("4711")).new) == 1 and "4711" not in str(receiver.got)
    other = Run(made.folder, (Outcome("shift", "failed", 1, "KeyError"),), None)
    assert len(tell(store, spec_of(), receiver, ended=other).new) == 1


def test_an_alarm_is_one_notice_by_what_it_is_about(tmp_path):
    store, receiver = store_of(tmp_path), Receiver()
    one = alarm(
        store, "Drift of amount", "PSI 0.4", now=NOW, about=["amount", "2026-11-27"], facts={"psi": 0.4, "n": float("nan")}
    )
    again = alarm(store, "Drift of amount", "PSI 0.5", now=NOW + timedelta(hours=1), about=["amount", "2026-11-27"])
    assert one == again and len(read_notices(store)) == 1
    assert alarm(store, "Drift of amount", "PSI 0.5", now=NOW).id != one.id
    assert tell(store, spec_of(), receiver).sent == 2 and receiver.got[0]["notice"]["facts"] in ({"psi": 0.4, "n": "nan"}, {})


# ---- until somebody acknowledges it


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.05, 200), min_size=1, max_size=40))
def test_pauses_between_deliveries_never_shrink_and_are_those_that_are_promised(steps):
    sent, now = [], NOW
    for step in steps:
        if is_due(sent, now):
            sent.append({"ok": True, "at": now.isoformat()})
        now += timedelta(hours=step)
    gaps = [
        (datetime.fromisoformat(b["at"]) - datetime.fromisoformat(a["at"])).total_seconds() / 3600 for a, b in pairwise(sent)
    ]
    assert all(gap >= AGAIN[min(i, len(AGAIN) - 1)] for i, gap in enumerate(gaps))
    assert list(AGAIN) == sorted(AGAIN) and is_due(sent, now + timedelta(hours=AGAIN[-1]))


def test_it_is_sent_after_one_hour_four_more_and_daily(tmp_path):
    store, receiver = store_of(tmp_path, "promote", "block"), Receiver()
    at = [half / 2 for half in range(120) if tell(store, spec_of(), receiver, half / 2).sent]
    assert at == [0, 1, 5, 29, 53]
    assert [p["notice"]["delivery"] for p in receiver.got] == [1, 2, 3, 4, 5]
    assert "Sent again (5)" in receiver.got[-1]["text"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 400), max_size=5), st.floats(0, 100), st.lists(st.floats(0, 400), min_size=1, max_size=6))
def test_what_is_acknowledged_is_never_sent_again(before, when, after):
    store, receiver = store_of(f"memory://{uuid.uuid4().hex}", "promote", "block"), Receiver()
    spec = spec_of(owner={"name": "Ada", "escalation": [{"to": "Bo", "after_hours": 1}]})
    for hours in [0, *sorted(h for h in before if h < when)]:
        tell(store, spec, receiver, hours)
    (notice,) = read_notices(store)
    first = acknowledge(store, notice.id, by="Cy", note="seen", now=NOW + timedelta(hours=when))
    calls = receiver.calls
    for hours in after:
        tell(store, spec, receiver, when + hours)
    assert receiver.calls == calls and read_notices(store) == [first]
    assert acknowledge(store, notice.id, by="Di", now=NOW + timedelta(hours=999)).acknowledged == first.acknowledged


def test_it_escalates_in_the_order_of_hours_once_each_and_the_owner_is_still_told(tmp_path):
    steps = [{"to": "third", "after_hours": 72}, {"to": "first", "after_hours": 2}, {"to": "second", "after_hours": 24}]
    steps[1]["webhook"] = "FIRST_URL"
    spec, store, receiver = spec_of(owner={"name": "Ada", "escalation": steps}), store_of(tmp_path, "hold", "block"), Receiver()
    for hours in (0, 1.9, 2, 23, 30, 71, 200, 300):
        tell(store, spec, receiver, hours)
    to = [p["notice"]["escalated_to"] for p in receiver.got if p["notice"]["escalated_to"]]
    assert to == ["first", "second", "third"]
    assert {p["variable"] for p in receiver.got if p["notice"]["escalated_to"] == "first"} == {"FIRST_URL"}
    assert [e["to"] for e in read_notices(store)[0].escalated] == to and len(read_notices(store)[0].deliveries) == 6
    late, other = store_of(tmp_path / "late", "hold", "block"), Receiver()
    tell(late, spec, other)
    tell(late, spec, other, 500)
    assert [p["notice"]["escalated_to"] for p in other.got] == [None, None, "first", "second", "third"]


def test_it_escalates_although_the_owner_was_never_reached(tmp_path):
    spec = spec_of(owner={"name": "Ada", "webhook": "GONE", "escalation": [{"to": "Bo", "after_hours": 1, "webhook": "BOSS"}]})
    store, got = store_of(tmp_path, "hold", "block"), []

    def receiver(variable, payload):
        if variable == "GONE":
            raise Undelivered("the environment variable GONE is not set")
        got.append(payload["notice"]["escalated_to"])

    assert tell(store, spec, receiver).sent == 0
    assert tell(store, spec, receiver, 1).sent == 1 and tell(store, spec, receiver, 2).sent == 0 and got == ["Bo"]
    (delivery,) = read_notices(store)[0].deliveries
    assert (delivery["ok"], delivery["tries"]) == (False, 3) and delivery["since"] == "2026-11-27T01:00:00+00:00"


# ---- a receiver that fails


def test_a_failed_delivery_is_tried_three_times_and_at_once_in_the_next_call(tmp_path):
    store, receiver, waits = store_of(tmp_path, "promote", "block"), Receiver(), []
    receiver.error = Undelivered("the receiver answered 503", again=True)
    told = tell(store, spec_of(), receiver, wait=waits.append)
    assert receiver.calls == 3 and len(waits) == 2 and waits == sorted(waits) and not told.sent and "503" in told.problems[0]
    for _ in range(50):
        tell(store, spec_of(), receiver)
    (delivery,) = read_notices(store)[0].deliveries  # a receiver that is long away does not fill the disk
    assert delivery["tries"] == receiver.calls == 153
    receiver.error = None
    assert tell(store, spec_of(), receiver, 0.01).sent == 1 and tell(store, spec_of(), receiver, 0.02).sent == 0


def test_a_receiver_that_is_down_is_left_alone_and_one_bad_notice_does_not_stop_the_others(tmp_path):
    store = store_of(tmp_path, *["promote", "block"] * 6)
    down = Receiver()
    down.error = Undelivered("no answer within 10 seconds")
    assert len(tell(store, spec_of(), down).new) == 11 and down.calls == 1
    choosy, seen = [], set()

    def receiver(variable, payload):
        seen.add(payload["notice"]["id"])
        if len(seen) == 1:
            raise Undelivered("the receiver answered 400", down=False)
        choosy.append(payload)

    told = tell(store, spec_of(), receiver)
    assert told.sent == len(choosy) == 10 and len(told.problems) == 1


@pytest.mark.parametrize("error", [ValueError(SECRET), OSError(SECRET), KeyError(SECRET), SystemError(SECRET)])
def test_whatever_a_sender_raises_is_a_failed_delivery_and_its_text_is_not_kept(tmp_path, error):
    store, receiver = store_of(tmp_path, "promote", "block"), Receiver()
    receiver.error = error
    told = tell(store, spec_of(), receiver)
    assert told.problems and SECRET not in str(told) + str(read_notices(store))


def test_an_interrupt_is_not_swallowed_and_leaves_no_lock(tmp_path):
    store, receiver = store_of(tmp_path, "promote", "block"), Receiver()

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tell(store, spec_of(), lambda *_: stop())
    assert tell(store, spec_of(), receiver).sent == 1


class Server:
    "A receiver on this machine that behaves as it is told."

    def __init__(self) -> None:
        self.mode, self.got, self.release = "ok", list[tuple[dict[str, str], bytes]](), threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                outer.got.append((dict(self.headers), b"GET"))
                self.send_response(200)
                self.end_headers()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((dict(self.headers), body))
                getattr(self, "mode_" + outer.mode.split("_")[0])()

            def mode_ok(self) -> None:
                self.send_response(204)
                self.end_headers()

            def mode_status(self) -> None:
                self.send_response(int(outer.mode.split("_")[1]))
                self.send_header("Location", f"http://127.0.0.1:{outer.port}/elsewhere/{SECRET}")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def mode_file(self) -> None:
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd")
                self.end_headers()

            def mode_hang(self) -> None:
                outer.release.wait(20)

            def mode_drip(self) -> None:
                while not outer.release.wait(0.05):
                    try:
                        self.wfile.write(b"H")
                        self.wfile.flush()
                    except OSError:
                        break

            def mode_close(self) -> None:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

            def mode_slow(self) -> None:
                time.sleep(0.4)
                self.mode_ok()

            def mode_garbage(self) -> None:
                self.wfile.write(b"SSH-2.0-nonsense " + SECRET.encode() + b"\r\n\r\n")

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/services/{SECRET}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.release.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("mode", "why", "tries"),
    [
        ("status_500", "the receiver answered 500", 3),
        ("status_503", "the receiver answered 503", 3),
        ("status_400", "the receiver answered 400", 1),
        ("status_404", "the receiver answered 404", 1),
        ("status_301", "301, a redirect", 1),
        ("status_302", "302, a redirect", 1),
        ("status_307", "307, a redirect", 1),
        ("status_308", "308, a redirect", 1),
        ("file", "302, a redirect", 1),
        ("hang", "no answer within 0.3 seconds", 1),
        ("drip", "no answer within 0.3 seconds", 1),
        ("close", "closed without an answer", 3),
        ("garbage", "closed without an answer", 3),
    ],
)
def test_a_receiver_on_the_wire_that_fails(tmp_path, server, mode, why, tries):
    server.mode, environ = mode, {"P2P_WEBHOOK_URL": server.url}
    store = store_of(tmp_path, "promote", "block")
    started = time.monotonic()
    told = tell(store, spec_of(), lambda v, p: post(v, p, environ=environ, timeout=0.3), environ=environ)
    assert why in told.problems[0] and not told.sent
    assert len(server.got) == tries and all(body != b"GET" for _, body in server.got)
    assert time.monotonic() - started < 10
    (delivery,) = read_notices(store)[0].deliveries
    assert delivery["tries"] == tries and why in delivery["error"]
    assert SECRET not in str(told) + "".join(p.read_text() for p in tmp_path.rglob("*.json"))
    server.release.set()
    server.mode = "ok"
    assert tell(store, spec_of(), None, environ=environ).sent == 1


def test_nobody_listens(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        environ = {"P2P_WEBHOOK_URL": f"http://127.0.0.1:{free.getsockname()[1]}/{SECRET}"}
        told = tell(store_of(tmp_path, "promote", "block"), spec_of(), None, environ=environ)
    assert "the connection was refused" in told.problems[0] and SECRET not in str(told)


def test_what_is_posted_is_what_chats_read_and_is_signed(tmp_path, server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # a proxy is for other machines
    monkeypatch.setenv("no_proxy", "")
    environ = {"P2P_WEBHOOK_URL": server.url, "P2P_WEBHOOK_SECRET": "key"}
    assert tell(store_of(tmp_path, "promote", "block"), spec_of(), None, environ=environ).sent == 1
    headers, body = server.got[0]
    assert headers["X-P2P-Signature"] == "sha256=" + hmac.new(b"key", body, hashlib.sha256).hexdigest()
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    said = json.loads(body)
    assert set(said) == {"text", "notice"} and said["text"].startswith("*Tiny: the verdict is worse, promote → block*")
    assert said["notice"]["kind"] == "verdict_changed" and said["notice"]["facts"]["after"] == "block"
    post("P2P_WEBHOOK_URL", {}, environ={"P2P_WEBHOOK_URL": server.url})
    assert "X-P2P-Signature" not in server.got[1][0]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "nonsense",
        "file:///etc/passwd",
        "ftp://example.com/x",
        "http://example.com/x",
        "http://localhost.example.com/x",
        "http://127.0.0.1@example.com/x",
        "http://127.0.0.1\\@example.com/x",
        "http://user:s3cr3t@127.0.0.1/x",
        "https:///x",
        "https://example.com:x/",
        "https://example.com/a b",
        "https://example.com/a\r\nHost: b",
        "https://exämple.com/",
        "https://[::1/x",
        "data:text/plain,x",
    ],
)
def test_only_https_and_this_machine_are_written_to(url):
    with pytest.raises(Undelivered) as said:
        url_of("SOME_URL", {"SOME_URL": url})
    assert "SOME_URL" in str(said.value) and (not url.strip() or url not in str(said.value))


@pytest.mark.parametrize(
    "url", ["https://example.com/x?a=b", "http://localhost:8000/", "http://127.0.0.1/", "http://[::1]:80/x"]
)
def test_urls_that_are_written_to(url):
    assert url_of("SOME_URL", {"SOME_URL": f" {url}\n"}) == url


def test_deliver_stops_where_another_try_cannot_help():
    calls = []

    def send():
        calls.append(1)
        raise Undelivered("no", again=len(calls) < 2)

    assert deliver(send, wait=lambda s: None)[0] == 2 == len(calls)
    assert deliver(lambda: None) == (1, None)


# ---- ways


def test_the_summary_of_a_job_is_added_to(tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n", encoding="utf-8")
    environ, store, receiver = {"GITHUB_STEP_SUMMARY": str(summary), **HOOK}, store_of(tmp_path, "promote", "block"), Receiver()
    assert (
        tell(store, spec_of(), receiver, environ=environ).sent == 2
        and tell(store, spec_of(), receiver, environ=environ).sent == 0
    )
    said = summary.read_text(encoding="utf-8")
    assert said.startswith("before\n*Tiny: the verdict") and said.count("p2p notices ack") == 1
    other = store_of(tmp_path / "other", "promote", "block")
    told = tell(other, spec_of(), receiver, environ={"GITHUB_STEP_SUMMARY": str(tmp_path)})
    assert "cannot be written" in told.problems[0] and told.sent == 0


def test_without_a_way_a_notice_is_kept_and_that_is_no_failure(tmp_path):
    store, receiver = store_of(tmp_path, "promote", "block"), Receiver()
    told = tell(store, spec_of(), receiver, environ={})
    assert told.nobody and len(told.new) == 1 and not told.problems and not receiver.calls
    assert tell(store, spec_of(), receiver).sent == 1
    named = spec_of(owner={"name": "Ada", "webhook": "TEAM_URL"})
    told = tell(store_of(tmp_path / "named", "promote", "block"), named, None, environ={})
    assert told.problems and "TEAM_URL is not set" in told.problems[0]


def test_a_promise_without_owner_is_told_to_whoever_listens(tmp_path):
    receiver = Receiver()
    assert tell(store_of(tmp_path, "promote", "block"), spec_of(owner=None), receiver).sent == 1
    assert "Owner: nobody yet" in receiver.got[0]["text"]


def test_a_broken_chain_is_said_and_the_rest_is_told(tmp_path):
    store, receiver = store_of(tmp_path, "promote", "block"), Receiver()
    first = store.folder / "manifests" / "000001.json"
    first.write_text(first.read_text().replace("promote", "hold"))
    told = tell(store, spec_of(), receiver, missed=[NOW])
    assert told.sent == 1 and "chain of runs is broken" in told.problems[0]


def test_a_torn_or_foreign_file_is_no_notice_and_is_mended(tmp_path):
    store, receiver = store_of(tmp_path, "promote", "block"), Receiver()
    (notice,) = tell(store, spec_of(), receiver).new
    path = store.folder / "notices" / f"{notice.id}.json"
    for text in ("", "{", "[]", "null", '{"id": 1}', "\x00"):
        path.write_text(text)
        (store.folder / "notices" / "other.json").write_text(text)
        assert read_notices(store) == []
        with pytest.raises(LookupError, match="p2p notices list"):
            acknowledge(store, notice.id, by="x", now=NOW)
        assert tell(store, spec_of(), receiver).sent == 1


def test_a_store_at_a_url_keeps_them_too(tmp_path):
    store, receiver = store_of(f"memory://{uuid.uuid4().hex}", "promote", "block"), Receiver()
    (notice,) = tell(store, spec_of(), receiver).new
    tell(store, spec_of(), receiver, 1)
    acknowledge(store, notice.id, by="Cy", now=NOW)
    (kept,) = read_notices(store)
    assert kept.acknowledged["by"] == "Cy" and len(kept.deliveries) == len(receiver.got) == 2
    assert sorted(p.name for p in (store.folder / "notices").iterdir()) == [f"{notice.id}.json"]  # no lock is left


# ---- several processes

CALL = """
import sys
from datetime import UTC, datetime
sys.path.insert(0, sys.argv[3])
from test_notices import NOW, spec_of
from pilot_to_prod.runs import Store
from pilot_to_prod.runs.notices import notify
print("ready", flush=True)
sys.stdin.readline()
told = notify(Store(sys.argv[1], "tiny"), spec_of(), now=NOW, environ={"P2P_WEBHOOK_URL": sys.argv[2]})
print(len(told.new), told.sent, len(told.problems))
"""


def test_processes_that_tell_at_once_tell_each_fact_once(tmp_path, server):
    server.mode = "slow"
    store_of(tmp_path, "promote", "block", "promote", "hold")
    line = [sys.executable, "-c", CALL, str(tmp_path), server.url, str(Path(__file__).parent)]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    assert all(p.stdout.readline() == "ready\n" for p in started)
    for p in started:
        p.stdin.write("go\n")
        p.stdin.flush()
    said = [[int(n) for n in p.communicate(timeout=60)[0].split()] for p in started]
    assert [sum(n) for n in zip(*said, strict=True)] == [3, 3, 0]
    assert len({json.loads(body)["notice"]["id"] for _, body in server.got}) == len(server.got) == 3


def test_threads_that_tell_at_once_tell_each_fact_once_and_lose_no_acknowledgement(tmp_path, monkeypatch):
    def slowly(path, value):  # between what was read and what is written others have time
        time.sleep(0.02)
        write_json(path, value)

    monkeypatch.setattr(notices, "write_json", slowly)
    store = store_of(tmp_path, *["promote", "block"] * 4)
    tell(store, spec_of(), Receiver(), environ={})
    ids, got, gate = [n.id for n in read_notices(store)], list[str](), threading.Barrier(5)

    def receiver(variable, payload):
        got.append(payload["notice"]["id"])
        time.sleep(0.05)

    def work(i: int) -> None:
        gate.wait(10)
        if i < 3:
            tell(store, spec_of(), receiver)
        else:
            for id in ids[::2] if i == 3 else ids[1::2]:
                acknowledge(store, id, by=f"by {i}", now=NOW)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))
    assert len(got) == len(set(got)) and all(n.acknowledged for n in read_notices(store))
    assert {n.id for n in read_notices(store) if n.deliveries} == set(got)


def test_changes_of_one_notice_at_once_are_all_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(notices, "write_json", lambda path, value: (time.sleep(0.02), write_json(path, value)))
    store, gate = store_of(tmp_path), threading.Barrier(6)
    made = alarm(store, "x", "y", now=NOW)

    def work(i: int) -> None:
        gate.wait(10)
        notices._change(store, made.id, lambda n: replace(n, deliveries=(*n.deliveries, {"n": i})))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert sorted(d["n"] for d in read_notices(store)[0].deliveries) == list(range(6))


def test_an_acknowledgement_while_a_receiver_is_slow_is_kept(tmp_path):
    store, receiver = store_of(tmp_path, "promote", "block"), Receiver()

    def slow(variable, payload):
        acknowledge(store, payload["notice"]["id"], by="Cy", now=NOW)  # somebody else, before the delivery is written down
        receiver(variable, payload)

    tell(store, spec_of(), slow)
    (kept,) = read_notices(store)
    assert kept.acknowledged["by"] == "Cy" and [d["ok"] for d in kept.deliveries] == [True]


def test_what_is_acknowledged_while_another_is_sent_is_not_sent(tmp_path):
    store, got = store_of(tmp_path, "promote", "block", "promote", "hold"), []

    def receiver(variable, payload):
        got.append(payload["notice"]["id"])
        for n in read_notices(store):
            acknowledge(store, n.id, by="Cy", now=NOW)

    assert tell(store, spec_of(), receiver).sent == len(got) == 1
    first = read_notices(store)[0]
    assert sendings(first, spec_of(), now=NOW + timedelta(days=9), environ=HOOK) == []
    assert sendings(replace(first, acknowledged=None), spec_of(), now=NOW + timedelta(days=9), environ=HOOK)


# ---- text from data


def shown(markdown: str) -> str:
    "What a reader of GitHub's Markdown sees, and nothing but text."
    made = mistune.create_markdown(escape=False, plugins=["strikethrough", "url", "table", "footnotes", "task_lists", "math"])
    html = str(made("x" + markdown + "x"))
    inner = html.strip().removeprefix("<p>").removesuffix("</p>")
    assert not re.search(r"<[^>]*>", inner), html
    return inner


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("*_`~[]()<>!#|\\&;:/@$.w ha1-\n", max_size=40)))
@example("&lt;b&gt; &amp; &#42;x&#42; https://evil.example www.evil.example a@evil.example")
def test_text_from_data_is_shown_and_does_nothing(text):
    import html

    assert html.unescape(shown(escaped(text)))[1:-1].split() == html.unescape(html.escape(safe(text))).split()
    assert not set(safe(text)) & set("\n\r\t\x00\x1b\u202e\u2066\u200b\ufeff\u2028")


def test_hostile_strings_everywhere(tmp_path):
    said = {
        "says": HOSTILE.replace("\ud800", ""),
        "by": HOSTILE.replace("\ud800", ""),
        "on": "2025-01-01",
        "expires": "2025-02-01",
    }
    owner = {"name": said["by"], "contact": said["by"], "support": said, "escalation": [{"to": "[x](y)<b>", "after_hours": 1}]}
    spec, store, receiver = spec_of(owner=owner, title=said["by"]), store_of(tmp_path), Receiver()
    alarm(store, HOSTILE, HOSTILE, now=NOW, facts={HOSTILE: [HOSTILE, {"x": HOSTILE}]})
    summary = tmp_path / "summary.md"
    made = Run(store.folder / "0001-ab", (Outcome(HOSTILE, "failed", 1, HOSTILE),), None)
    for hours in (0, 2):
        tell(store, spec, receiver, hours, ended=made, environ={"GITHUB_STEP_SUMMARY": str(summary), **HOOK})
    acknowledge(store, read_notices(store)[0].id, by=HOSTILE, note=HOSTILE, now=NOW)
    texts = [p["text"] for p in receiver.got] + [summary.read_text(encoding="utf-8")]
    assert len(receiver.got) == 9
    made_ = mistune.create_markdown(escape=False, plugins=["url", "table", "math"])
    for text in texts:
        assert set(re.findall(r"<(\w+)", made_(text))) <= {"p", "em", "code", "ul", "li"}, text
    everything = "".join(texts) + "".join(p.read_text(encoding="utf-8") for p in tmp_path.rglob("*.json"))
    assert not set(everything) & set("\x00\x1b\u202e\ud800") and "<!channel>" not in "".join(texts)


# ---- the command


@pytest.fixture
def pilot(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_webhook, "PAUSES", (0, 0))
    return write_pilot(tmp_path / "pilots" / "tiny", more=GATES + "owner: {name: Ada}\n")


def fake_run(monkeypatch, outcome: Any) -> None:
    def execute(plan, settings, **_):
        if isinstance(outcome, BaseException):
            raise outcome
        store = Store(settings.runs.folder, plan.pilot)
        store.open()
        return Run(store.folder / "0001-ab", outcome, None)

    monkeypatch.setattr(pilot_to_prod.runs, "run", execute)


FAILED = (Outcome("messy", "failed", 1, "KeyError", "no"),)


@pytest.mark.parametrize("mode", ["ok", "status_500", "close", "status_302", "none", "refused"])
def test_a_failed_run_is_told_and_no_receiver_changes_its_exit_code(pilot, p2p, monkeypatch, server, mode):
    server.mode = mode
    if mode != "none":
        monkeypatch.setenv("P2P_WEBHOOK_URL", server.url if mode != "refused" else "http://example.com/" + SECRET)
    fake_run(monkeypatch, FAILED)
    code, out, err = p2p("run", "tiny", "--runs", "r")
    assert code == 4 and "notebook messy: KeyError" in err and SECRET not in out + err
    told = [line for line in err.splitlines() if "not delivered" in line]
    assert len(told) == (mode not in ("ok", "none")) and ("nobody was told" in err) == (mode == "none")
    (notice,) = read_notices(Store("r", "tiny"))
    assert notice.kind == "run_failed" and notice.to == "Ada"
    assert SECRET not in "".join(p.read_text(errors="replace") for p in Path().rglob("*") if p.is_file())
    server.mode = "ok"
    monkeypatch.setenv("P2P_WEBHOOK_URL", server.url)
    code, out, err = p2p("notices", "send", "--runs", "r")
    assert code == 0 and out == f"tiny: 0 new, {0 if mode == 'ok' else 1} sent, 0 failed\n" and not err


def test_a_run_that_could_not_begin_is_told_but_not_that_another_is_under_way(pilot, p2p, monkeypatch):
    fake_run(monkeypatch, RunError("r/tiny: another run of this pilot is under way. Wait for it, or use another runs folder."))
    assert p2p("run", "tiny", "--runs", "r")[0] == 4 and not read_notices(Store("r", "tiny"))
    fake_run(monkeypatch, KeyboardInterrupt())
    assert p2p("run", "tiny", "--runs", "r")[0] == 130 and not read_notices(Store("r", "tiny"))
    (pilot / "replay.csv").rename(pilot / "gone.csv")
    assert p2p("run", "tiny", "--runs", "r", "--dry-run")[0] == 4 and not read_notices(Store("r", "tiny"))
    assert p2p("run", "tiny", "--runs", "r")[0] == 4 and not Path("r").exists()  # never run before: a mistake leaves nothing
    Store("r", "tiny").open()
    assert p2p("run", "tiny", "--runs", "r")[0] == 4
    assert [n.facts["failed"][0]["error"] for n in read_notices(Store("r", "tiny"))] == ["FileNotFoundError"]


def test_notices_that_cannot_be_kept_do_not_fail_a_run(pilot, p2p, monkeypatch):
    Path("r/tiny").mkdir(parents=True)
    Path("r/tiny/notices").write_text("in the way")
    fake_run(monkeypatch, FAILED)
    code, _, err = p2p("run", "tiny", "--runs", "r")
    assert code == 4 and "notices could not be kept or sent (" in err and "Traceback" not in err


def test_list_and_acknowledge(pilot, p2p):
    store = store_of("r", "promote", "block", first=datetime.now(UTC) - timedelta(hours=12))
    assert p2p("notices", "list", "--runs", "r")[:2] == (0, "No notices in r.\n")
    code, out, err = p2p("notices", "send", "tiny", "--runs", "r")
    assert code == 0 and out == "tiny: 1 new, 0 sent, 0 failed\n" and "nobody was told" in err
    (notice,) = read_notices(store)
    code, out, _ = p2p("notices", "list", "tiny", "--runs", "r")
    assert code == 0 and notice.id in out and "not sent" in out and "promote → block" in out
    assert [Notice(**n).id for n in json.loads(p2p("notices", "list", "--runs", "r", "--json")[1])] == [notice.id]
    for wrong in ("zzzz", "../..", "abc", "*", "0" * 16):
        code, _, err = p2p("notices", "ack", wrong, "--runs", "r")
        assert code == 2 and "no notice is called" in err
    assert p2p("notices", "list", "tinny", "--runs", "r")[0] == 2
    code, out, _ = p2p("notices", "ack", notice.id[:6], "--by", "Cy", "--note", "seen", "--runs", "r")
    assert code == 0 and out.startswith(f"{notice.id}: acknowledged by Cy at ")
    assert "already acknowledged by Cy" in p2p("notices", "ack", notice.id, "--by", "Di", "--runs", "r")[1]
    assert "acknowledged by Cy" in p2p("notices", "list", "--runs", "r")[1]
    assert p2p("notices", "list", "--open", "--runs", "r")[1] == "No open notices in r.\n"


def test_the_command_reads_a_store_at_a_url(pilot, p2p):
    url = f"memory://{uuid.uuid4().hex}"
    store_of(url, "promote", "block", first=datetime.now(UTC) - timedelta(hours=12))
    assert p2p("notices", "send", "--runs", url)[1] == "tiny: 1 new, 0 sent, 0 failed\n"
    (notice,) = read_notices(Store(url, "tiny"))
    assert notice.id in p2p("notices", "list", "--runs", url)[1]
    assert p2p("notices", "ack", notice.id, "--by", "Cy", "--runs", url)[0] == 0
    assert read_notices(Store(url, "tiny"))[0].acknowledged["by"] == "Cy"


def test_a_pilot_whose_promise_is_gone_is_named_and_the_others_are_told(pilot, p2p):
    store_of("r", "promote")
    other = Store("r", "elsewhere")
    other.open()
    code, out, err = p2p("notices", "send", "--runs", "r")
    assert code == 0 and out == "tiny: 0 new, 0 sent, 0 failed\n" and "elsewhere: its promise is not here" in err


# ---- the promise


@pytest.mark.parametrize(
    "owner",
    [
        {"name": "A", "webhook": f"https://hooks.example.com/{SECRET}"},
        {"name": "A", "webhook": [f"https://{SECRET}"]},
        {"name": "A", "webhook": f"hooks.example.com/{SECRET}"},
        {"name": "A", "escalation": f"https://{SECRET}"},
        {"name": "A", "escalation": [f"https://{SECRET}"]},
        {"name": "A", "escalation": [{"to": f"https://{SECRET}", "after_hours": 1}]},
        {"name": "A", "escalation": [{"to": "B", "after_hours": 1, "webhook": f"https://{SECRET}"}]},
    ],
)
def test_a_url_in_a_promise_is_a_mistake_that_is_not_repeated(tmp_path, owner, p2p):
    pilot = write_pilot(tmp_path / "tiny", more=GATES + f"owner: {json.dumps(owner)}\n")
    with pytest.raises(SpecError) as said:
        Spec.load(pilot)
    assert SECRET not in str(said.value) and "line 20: owner." in str(said.value)
    code, out, err = p2p("check", pilot)
    assert code == 2 and SECRET not in out + err
