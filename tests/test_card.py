"""The card: the worst section decides, its hashes hold, and nothing that came from data does harm."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from conftest import text_rows
from junitparser import JUnitXml

from pilot_to_prod.card import EXIT, Scorecard, hashes, scorecard
from pilot_to_prod.evidence import FAULT, Cell, Evidence, join, load
from pilot_to_prod.gates import SECTIONS, Fact, Verdict
from pilot_to_prod.pilot import Pilot
from pilot_to_prod.scenarios import scenario, suite
from pilot_to_prod.settings import load_settings
from pilot_to_prod.spec import Spec, hash_json, parse
from pilot_to_prod.stress import replay, timed

TODAY = date(2026, 11, 23)


def said(text: str, until: str = "2027-11-23") -> dict:
    return {"says": text, "by": "A. Person", "on": "2026-11-01", "expires": until}


def promise(until: str = "2027-11-23", **change) -> Spec:
    "A promise with something in every section."
    raw = {
        "name": "whole",
        "task": "binary",
        "model": {"loader": "module", "ref": "model.py:model"},
        "data": {
            "reference": "a.csv",
            "replay": "b.csv",
            "label": "y",
            "labels": ["no", "yes"],
            "positive": "yes",
            "columns": {"text": "text"},
        },
        "owner": {
            "name": "Team",
            "contact": "team@example.com",
            "on_call": "duty@example.com",
            "support": said("Two engineers.", until),
        },
        "slices": [{"name": "odd", "column": "kind", "equals": "odd"}],
        "gates": [
            {"name": "good", "metric": "accuracy", "at_least": 0.8},
            {"name": "typing", "metric": "accuracy", "of": "drop", "at_most": 0.1, "scenario": "typos"},
            {"name": "german", "metric": "accuracy", "at_least": 0.8, "slice": "language=de"},
            {"name": "alike", "metric": "accuracy", "at_least": 0.8, "slice": "group=x", "section": "fairness"},
            {"name": "answers", "metric": "answered", "at_least": 0.95},
            {"name": "fast", "metric": "latency_p95", "at_most": 50},
        ],
        "behaviour": [{"says": "Odd ones go to a person.", "slice": "odd", "expect": "abstain", "share": 0.5}],
        "retraining": {"trigger": "each quarter", "approved_by": "Committee"},
        "dependencies": [{"name": "form", "kind": "technical", "owner": "Shop", "state": "ready"}],
        "governance": {n: said(n, until) for n in ("data_sources", "labelling", "lawful_basis", "retention", "audit_trail")},
        "outcomes": [{"name": "days", "baseline": 3, "target": 1, "measured_by": "tickets"}],
        "adoption": {"name": "answers used", "baseline": 0, "target": 0.8, "measured_by": "tickets"},
    }
    spec, problems = parse(raw | change)
    assert spec is not None and not problems, problems
    return spec


def evidence_of(spec: Spec, n: int = 4000, right: float = 0.95, latency: float | None = 5.0, **change) -> Evidence:
    "Evidence by hand: so many rows right, of which every tenth is odd and handed over."
    i = np.arange(n)
    truth = (i % 2).astype(np.int16)
    odd = i % 40 == 0
    clean = np.where((i * 7919 % 1000) < right * 1000, truth, 1 - truth).astype(np.int16)
    clean[odd & (i % 80 == 0)] = -1
    clean[odd] = -1
    stressed = clean.copy()
    stressed[(i * 31 % 1000) < 20] = 0
    cell = Cell("typos", "typos", "messy", 0.1, 0, "invariant", {"name": "typos"}, n, n, n, n, n)
    slices = {"odd": odd, "language=de": i % 3 == 0, "group=x": i % 5 < 2}
    about = {
        "name": spec.name,
        "title": spec.title_text,
        "version": 1,
        "task": "binary",
        "labels": list(spec.data.labels),
        "spec": spec.hash,
        "data": "d" * 64,
        "model": "m" * 64,
        "exploration": spec.exploration,
    }
    times = None if latency is None else latency + (np.arange(4000).reshape(500, 8) % 7) / 10
    made = Evidence(
        about,
        np.array([f"k{v:06d}" for v in i], object),
        truth,
        clean,
        np.full(n, -1, np.int32),
        (cell,),
        (stressed,),
        (np.full(n, -1, np.int32),),
        (np.ones(n, bool),),
        slices,
        latency=times,
    )
    return replace(made, **change)


def card_of(spec: Spec | None = None, look: int = 1, facts=(), now: date = TODAY, **change) -> Scorecard:
    spec = spec or promise()
    return scorecard(spec, evidence_of(spec, **change), facts, look=look, now=now)


def verdicts(card: Scorecard) -> dict[str, str]:
    return {s["name"]: s["verdict"] for s in card.document["timing"]["sections"]}


# ---- the verdict


def test_promoted_when_every_section_passes():
    card = card_of()
    assert verdicts(card) == dict.fromkeys(SECTIONS, "passes"), card.reasons(9)
    assert (card.verdict, card.exit_code, card.reasons()) == ("promote", 0, [])


def test_one_broken_section_blocks_however_good_the_others_are():
    card = card_of(
        promise(
            gates=[
                *promise().model_dump(mode="json", exclude_none=True)["gates"],
                {"name": "perfect", "metric": "accuracy", "at_least": 0.999},
            ]
        )
    )
    assert verdicts(card)["performance"] == "fails" and list(verdicts(card).values()).count("passes") == len(SECTIONS) - 1
    assert (card.verdict, card.exit_code) == ("block", 1)
    assert card.reasons()[0]["section"] == "performance" and "perfect" in card.reasons()[0]["title"].lower()


def test_too_little_evidence_holds():
    card = card_of(n=120)
    assert "undecided" in verdicts(card).values() and "fails" not in verdicts(card).values()
    assert (card.verdict, card.exit_code) == ("hold", 3)


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("owner", "accountability"),
        ("retraining", "drift and retraining"),
        ("governance", "governance"),
        ("outcomes", "outcomes"),
        ("dependencies", "dependencies"),
        ("behaviour", "oversight"),
    ],
)
def test_absent_section_holds(part, name):
    less = {part: [] if part in ("outcomes", "dependencies", "behaviour") else None}
    card = card_of(promise(**less, **({"adoption": None} if part == "outcomes" else {})))
    assert verdicts(card)[name] == "absent" and card.verdict == "hold"
    assert card.reasons()[0]["section"] == name and part in card.reasons()[0]["next"]


def test_measured_but_unpromised_holds():
    card = card_of(promise(gates=[]))
    assert verdicts(card)["performance"] == "undecided" and card.verdict == "hold"


def test_expired_attestation_holds_from_the_day_after():
    spec = promise(until="2026-11-23")
    assert card_of(spec, now=date(2026, 11, 23)).verdict == "promote"
    card = card_of(spec, now=date(2026, 11, 24))
    assert card.verdict == "hold" and verdicts(card)["governance"] == verdicts(card)["accountability"] == "undecided"


def test_attestation_does_not_stand_in_for_a_measurement():
    fact = Fact("outcomes", "measured gain", 3, status="attested", source="somebody")
    assert fact.verdict is Verdict.UNDECIDED and card_of(facts=[fact]).verdict == "hold"
    assert card_of(facts=[replace(fact, status="measured")]).verdict == "promote"
    assert card_of(facts=[replace(fact, status="absent", required=False)]).verdict == "promote"
    with pytest.raises(ValueError, match="status of fact"):
        replace(fact, status="guessed")
    with pytest.raises(ValueError, match="no section"):
        replace(fact, section="outcome")


def test_exploration_is_never_promoted():
    spec = promise().model_copy(update={"exploration": True})
    card = card_of(spec)
    assert set(verdicts(card).values()) == {"passes"} and card.verdict == "hold" and "exploration" in card.sentence
    pilot = Pilot.of(lambda frame: ["late" if "parcel" in t else "broken" for t in frame["text"]], text_rows(), label="topic")
    assert scorecard(pilot.spec, replay(pilot, suite(["upper_case"], pilot.spec), (0.3,), (0,)), now=TODAY).verdict == "hold"


def test_slow_calls_block_and_untimed_ones_hold():
    assert card_of(latency=80.0).verdict == "block"
    assert card_of(latency=None).verdict == "hold"


def said_of(section: str, evidence: Evidence) -> dict[str, str]:
    "The reason on the card that is about a section."
    card = scorecard(promise(), evidence, now=TODAY)
    return next(r for r in card.document["timing"]["reasons"] if r["section"] == section)


def test_what_would_decide_is_counted_in_what_the_promise_stands_on():
    made = evidence_of(promise())
    few = said_of("faults and latency", replace(made, latency=made.latency.reshape(20, 200)))
    assert few["next"] == "This cannot be judged yet: timed in 20 runs: 500 are the least ([latency] runs)."
    near = 40 * np.exp(0.2 * np.random.default_rng(1).standard_normal((500, 8)) - 0.114)
    close = said_of("faults and latency", replace(made, latency=near))
    assert re.search(
        r"^Time more calls: about [\d,]+ runs would decide this one .*\[latency\] runs, and span in proportion", close["next"]
    )
    fifty = evidence_of(promise(), n=250, right=0.9)
    by_customer = said_of("performance", replace(fifty, clusters=np.arange(250) // 5))
    assert re.search(r"Label rows of more clusters: about [\d,]+ would decide", by_customer["next"])


def test_a_card_says_when_timed_runs_count_as_few():
    made = evidence_of(promise())
    lasting = 5 * np.exp(0.3 * np.repeat(np.random.default_rng(1).standard_normal(50), 10)[:, None] + np.zeros(8))
    calls = lasting * np.random.default_rng(2).lognormal(0, 0.1, lasting.shape)
    card = scorecard(promise(), replace(made, latency=calls), now=TODAY)
    effective = card.document["timing"]["latency"]["effective"]
    assert 25 <= effective <= 100  # fifty moments of ten runs each
    assert f"Slow moments lasted: the runs count as {effective}." in card.html()
    assert "Slow moments lasted" not in card_of().html()


def test_every_look_makes_passing_harder():
    alphas = [card_of(look=k).document["content"]["alpha_pass"] for k in (1, 2, 3, 8)]
    assert alphas == sorted(alphas, reverse=True) and len(set(alphas)) == 4


def test_evidence_of_another_promise_is_refused():
    with pytest.raises(ValueError, match="another promise"):
        scorecard(promise(until="2028-01-01"), evidence_of(promise()))


def test_exit_codes_are_those_of_the_handbook():
    assert EXIT == {"promote": 0, "block": 1, "hold": 3}


def test_filled_protected_is_not_called_missing():
    "The card tells people to fill `protected`; doing so must change what it says."
    gates = [g for g in promise().model_dump(mode="json", exclude_none=True)["gates"] if g.get("section") != "fairness"]
    card = card_of(promise(gates=gates, protected=["text"]))
    about = [r for r in card.reasons(99) if r["section"] == "fairness"]
    assert not about or "Nobody has said which groups" not in about[0]["title"]


# ---- hashes


def test_hashes_name_the_content(tmp_path):
    card = card_of()
    assert {n: card.document[n] for n in ("content_hash", "timing_hash")} == hashes(card.document)
    found = Scorecard.load(card.save(tmp_path / "card.json"))
    assert found.document == json.loads(card.json()) and found.hash == card.hash and found.verdict == card.verdict
    assert card.document["content"]["hashes"]["evidence"] == evidence_of(promise()).hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"verdict": "promote"', '"verdict": "block"'),
        ('"rows": 4000', '"rows": 4001'),
        ('"limit": 0.8', '"limit": 0.7'),
        ('"model": "m', '"model": "n'),
        ('"look": 1', '"look": 2'),
    ],
)
def test_changed_card_is_refused(tmp_path, old, new):
    text = card_of().json()
    assert old in text
    (tmp_path / "card.json").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match="changed after it was judged"):
        Scorecard.load(tmp_path / "card.json")


@pytest.mark.parametrize("text", ["{}", "[]", '{"schema": "pilot-to-prod/scorecard/1"}', "no json", ""])
def test_file_that_is_no_card_is_refused(tmp_path, text):
    (tmp_path / "card.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="card"):
        Scorecard.load(tmp_path / "card.json")


def test_same_inputs_give_the_same_bytes():
    one, other = card_of(), card_of()
    for form in ("html", "json", "junit", "markdown"):
        assert getattr(one, form)() == getattr(other, form)()


def test_day_and_latency_are_not_in_the_content():
    one, slower, later = card_of(), card_of(latency=6.0), card_of(now=date(2026, 12, 1))
    assert one.document["content_hash"] == slower.document["content_hash"] == later.document["content_hash"]
    assert one.document["timing_hash"] != slower.document["timing_hash"]
    assert "latency_p95" not in json.dumps(one.document["content"])


def test_content_changes_with_one_answer_and_one_promise():
    one = card_of()
    answers = evidence_of(promise()).clean.copy()
    answers[1] = 1 - answers[1]
    assert card_of(clean=answers).document["content_hash"] != one.document["content_hash"]
    assert card_of(promise(until="2027-11-22")).document["content_hash"] != one.document["content_hash"]
    assert card_of(look=2).document["content_hash"] != one.document["content_hash"]


def test_content_is_plain_json_and_knows_no_clock():
    document = card_of().document
    assert hash_json(json.loads(json.dumps(document["content"]))) == document["content_hash"]
    assert TODAY.isoformat() not in json.dumps(document["content"]) and document["made"] == {"on": "2026-11-23", "past": []}


# ---- forms


class Tags(HTMLParser):
    "Tags, attributes that fetch, and text of a page."

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.fetching, self.handlers, self.ids, self.links = set(), [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "data", "poster", "background", "action") or (
                name == "href" and not (value or "").startswith("#")
            ):
                self.fetching.append((tag, name, value))
            if name.startswith("on"):
                self.handlers.append((tag, name))
            if name == "id":
                self.ids.append(value)
            if name == "href":
                self.links.append(value)


def harmless(page: str) -> None:
    found = Tags(page)
    assert not found.fetching and not found.handlers
    assert not found.tags & {"script", "iframe", "object", "embed", "link", "img", "form", "base", "audio", "video"}
    styles = "".join(re.findall(r"<style[^>]*>(.*?)</style>", page, re.S)) + "".join(re.findall(r'style="([^"]*)"', page))
    assert "@import" not in styles and "url(" not in styles and "http" not in styles
    assert not set(page) & {chr(0), *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
    assert len(page.encode()) < 500_000


@pytest.mark.parametrize("latency", [5.0, 80.0, None])
def test_page_is_one_file_that_fetches_nothing(latency):
    page = card_of(latency=latency).html()
    harmless(page)
    found = Tags(page)
    assert "prefers-color-scheme" in page and "@media print" in page and '<html lang="en"' in page
    assert len(found.ids) == len(set(found.ids)) and {link[1:] for link in found.links} <= set(found.ids) | {""}
    for name in SECTIONS:
        assert name.capitalize() in page


def test_every_verdict_has_its_word_in_every_form():
    for card, word in ((card_of(), "Promote"), (card_of(latency=80.0), "Block"), (card_of(n=120), "Hold")):
        assert word in card.html() and word in card.markdown() and card.verdict in card.json()


def test_junit_counts_what_the_card_says(tmp_path):
    card = card_of(latency=80.0)
    path = card.save(tmp_path / "card.xml")
    read = JUnitXml.fromfile(str(path))
    suites = {s.name: s for s in read}
    assert list(suites) == list(SECTIONS)
    assert suites["faults and latency"].failures == 1 and sum(s.failures for s in suites.values()) == 1
    assert not sum(s.errors for s in suites.values())
    held = JUnitXml.fromstring(card_of(promise(outcomes=[])).junit())
    assert {s.name: s.errors for s in held}["outcomes"] == 1
    assert all(s.tests for s in held)


def test_unknown_ending_is_refused_and_none_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"\.html, \.json, \.xml, \.md"):
        card_of().save(tmp_path / "card.pdf")
    assert card_of().save(None) is None and not list(tmp_path.iterdir())


# ---- hostile text

HOSTILE = {
    "script": "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)>",
    "attribute": "\" onmouseover=\"alert(1)' onfocus='alert(2)",
    "formula": '=1+1|@SUM(A1)\t=HYPERLINK("http://evil.example")',
    "bidi": "abc\u202ecba\u202c\u2066x\u2069",
    "nul": "a\x00b\x07c\x1b[31mred",
    "template": "{{ 7 * 7 }}{% raw %}",
    "cdata": "]]><!--&amp;&#0;-->\ufffe\uffff",
    "markdown": "| x | [a](javascript:alert(1)) `code` **b**\n# title",
    "long": "Ж" * 2**20,
}


def hostile_card(text: str) -> Scorecard:
    "A card on which a text stands wherever data reach it."
    data = promise().data.model_dump(mode="json", exclude_none=True) | {"labels": ["no", text], "positive": text}
    gates = promise().model_dump(mode="json", exclude_none=True)["gates"]
    gates[0]["name"] = text
    gates[2]["slice"] = f"language={text}"
    gates.append({"name": "caught", "metric": "recall", "label": text, "at_least": 0.5})
    spec = promise(
        data=data,
        gates=gates,
        title=text[:5000],
        owner=promise().model_dump(mode="json", exclude_none=True)["owner"] | {"name": text},
    )
    made = evidence_of(spec)
    slices = {n.replace("language=de", f"language={text}"): m for n, m in made.slices.items()} | {
        f"market={text}": np.arange(len(made)) % 2 == 0
    }
    example = {
        "scenario": "typos",
        "family": "messy",
        "severity": 0.1,
        "seed": 0,
        "key": text,
        "before": text,
        "after": "x" + text,
        "truth": text,
        "answer": text,
    }
    fault = {"scenario": "typos", "severity": 0.1, "seed": 0, "key": "k1", "error": text[:200], "message": text}
    clean = made.clean.copy()
    clean[3] = FAULT
    made = replace(
        made, slices=slices, clean=clean, examples=pd.DataFrame([example]), faults=pd.DataFrame([fault]), notes=(text[:2000],)
    )
    return scorecard(spec, made, now=TODAY)


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_does_no_harm_on_the_page(kind):
    page = hostile_card(HOSTILE[kind]).html()
    harmless(page)
    if kind == "template":
        assert "{{ 7 * 7 }}" in page  # shown, not computed


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_does_no_harm_in_junit(kind, tmp_path):
    text = hostile_card(HOSTILE[kind]).junit()
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites" and not root.findall(".//script")
    assert JUnitXml.fromstring(text.encode())
    assert len(text) < 500_000


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_does_no_harm_in_markdown(kind):
    text = hostile_card(HOSTILE[kind]).markdown()
    assert "\x00" not in text and "\u202e" not in text and len(text) < 500_000
    assert "<script" not in text.replace("\\<script", "") and not re.search(r"(?<!\\)\]\(", text)
    table = [line for line in text.splitlines() if line.startswith("| ")]
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table}
    assert columns == {4, 8}  # no text opens a column or a row of its own
    assert sum(line.startswith("# ") for line in text.splitlines()) == 1


@pytest.mark.parametrize("kind", [k for k in HOSTILE if k != "long"])
def test_hostile_text_is_kept_as_it_is_in_json(kind, tmp_path):
    card = hostile_card(HOSTILE[kind])
    found = Scorecard.load(card.save(tmp_path / "card.json"))
    assert found.document["content"]["gates"][0]["name"] == HOSTILE[kind]


def test_thousands_of_slices_keep_the_page_small():
    spec = promise()
    made = evidence_of(spec)
    many = {f"language=v{i}": np.arange(len(made)) % 3000 == i for i in range(3000)}
    page = scorecard(spec, replace(made, slices=made.slices | many), now=TODAY).html()
    assert len(page.encode()) < 500_000


# ---- keystone: what is judged does not depend on how it was computed


class Bag:
    "Probabilities from the letters of a text: sensitive to every change."

    classes_ = np.array(["broken", "late"])

    def predict_proba(self, texts):
        share = np.array([(sum(map(ord, t if isinstance(t, str) else "")) % 97) / 97 for t in texts])
        parcel = np.array([isinstance(t, str) and "parcel" in t for t in texts])
        top = 0.5 + share / 2
        return np.where(parcel[:, None], np.stack([1 - top, top], 1), np.stack([top, 1 - top], 1))

    def predict(self, texts):
        return self.classes_[self.predict_proba(texts).argmax(1)]


class Sum:
    "A class from two numbers and a category; gaps count as zero."

    classes_ = np.array(["hi", "lo"])
    n_features_in_ = 3

    def predict(self, frame):
        numbers = [pd.to_numeric(frame[c], errors="coerce").fillna(0).to_numpy(float) for c in ("a", "b")]
        bonus = frame["c"].map({"x": 5.0, "y": -5.0}).fillna(0).to_numpy(float)
        return np.where(numbers[0] + numbers[1] + bonus > 50, "hi", "lo")


def text_pilot() -> tuple[Pilot, list]:
    pilot = Pilot.of(Bag(), text_rows(80), label="topic")
    return pilot, [scenario("typos"), scenario("homoglyphs") >> scenario("mojibake")]


def table_pilot() -> tuple[Pilot, list]:
    i = np.arange(80)
    frame = pd.DataFrame({"a": (i * 37 % 101).astype(float), "b": (i * 53 % 89) / 2, "c": np.where(i % 3, "x", "y")})
    frame["y"] = Sum().predict(frame)
    pilot = Pilot.of(Sum(), frame, label="y", roles={"a": "number", "b": "number", "c": "category"})
    return pilot, [scenario("mnar"), scenario("mcar") >> scenario("unit_error")]


@pytest.mark.parametrize("make", [text_pilot, table_pilot])
def test_evidence_does_not_depend_on_batches_and_workers(make):
    pilot, scenarios = make()
    made = {}
    for rows, workers in ((1, 1), (7, 1), (7, 2), (64, 1), (64, 2), (10_000, 1), (10_000, 2)):
        given = {"batch_rows": rows, "workers": workers, "progress": False}
        made[rows, workers] = replay(pilot, suite(scenarios, pilot.spec), (0.1, 0.4), (0,), **given)
    first = made[1, 1]
    assert {e.hash for e in made.values()} == {first.hash}
    assert any((a != first.clean).any() for a in first.answers)  # something happened
    assert len(first.cells) == len(scenarios) * 2
    cards = {scorecard(pilot.spec, e, now=TODAY).document["content_hash"] for e in made.values()}
    assert len(cards) == 1
    shown = {hash_json(json.loads(e.examples.astype(str).to_json(orient="records"))) for e in made.values()}
    assert len(shown) == 1


def test_evidence_does_not_depend_on_the_order_of_a_file():
    rows = text_rows(90)
    pilot = Pilot.of(Bag(), rows, label="topic")
    spec = pilot.spec.model_copy(update={"data": pilot.spec.data.model_copy(update={"id": "id"})})
    mixed = rows.iloc[(np.arange(90) * 37 + 11) % 90]
    found = [replay(Pilot(spec, Bag(), rows, r), suite(["typos"], spec), (0.3,), (0,)).hash for r in (rows, mixed)]
    assert found[0] == found[1]


def test_evidence_changes_with_seed_severity_and_one_row():
    pilot = text_pilot()[0]

    def named(rows: pd.DataFrame, at: float, seed: int) -> str:
        return replay(Pilot(pilot.spec, Bag(), rows, rows), suite(["typos"], pilot.spec), (at,), (seed,)).hash

    rows = text_rows(60)
    other = rows.copy()
    other.loc[3, "text"] += "!"
    assert len({named(rows, 0.3, 0), named(rows, 0.3, 1), named(rows, 0.2, 0), named(other, 0.3, 0)}) == 4


def test_saved_evidence_is_the_same_evidence(tmp_path):
    spec = promise()
    made = evidence_of(spec, n=300)
    made.save(tmp_path / "a.parquet")
    found = load(tmp_path / "a.parquet")
    assert found.hash == made.hash and np.allclose(found.latency, made.latency)
    bytes_ = (tmp_path / "a.parquet").read_bytes()
    made.save(tmp_path / "b.parquet")
    assert (tmp_path / "b.parquet").read_bytes() == bytes_
    with pytest.raises(ValueError, match="cannot be joined"):
        join([made, evidence_of(promise(until="2028-01-01"), n=300)])


def test_timing_stands_beside_evidence_and_not_in_it():
    made = evidence_of(promise(), latency=None)
    assert timed(made, np.ones((2, 5))).hash == made.hash


def test_suite_of_the_settings_is_read(tmp_path):
    assert load_settings(start=tmp_path, environ={"P2P_REPLAY_SUITE": "messy"}).replay.suite == "messy"


# ---- what the page shows


def shown(change=lambda document: None, card: Scorecard | None = None) -> str:
    "The page of a document in which something was put."
    document = json.loads((card or card_of()).json())
    change(document)
    return Scorecard(document).html()


def heat_of(rows: int, slices: int) -> dict:
    names = ["all", *(f"kind=k{i}" for i in range(slices - 1))]
    row = {"family": "messy", "severity": 0.3, "values": [0.5] * slices, "loss": [0, slices - 1]}
    return {
        "metric": "accuracy",
        "slices": names,
        "clean": [0.9] * slices,
        "rows": [row | {"scenario": f"s{i}"} for i in range(rows)],
        "least_loss": 0.02,
        "listed_at": 0.05,
    }


def table_of(page: str) -> str:
    return re.search(r'<table class="hm">.*?</table>', page, re.S).group(0)


def test_every_section_has_an_anchor_and_a_badge():
    page = card_of(latency=80.0).html()
    for name in SECTIONS:
        found = re.search(rf'<h2 id="s-{name.replace(" ", "-")}">.*?<span class="st \w+">. [a-z ]+</span></h2>', page)
        assert found, name


def test_headings_do_not_skip_a_level():
    levels = [int(x) for x in re.findall(r"<h(\d)", card_of().html())]
    assert levels[0] == 1 and levels.count(1) == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


def test_signatures_that_it_needs_are_named():
    assert "it needs the signature of: owner." in card_of().html()
    assert "it needs the signature of: owner, compliance." in card_of(promise(approval=["owner", "compliance"])).html()


@pytest.mark.parametrize(
    ("breaks", "verdict", "words"),
    [
        ([0.3, 0.5], "fails", "Kept up to 0.3, broken from 0.5."),
        ([None, 0.1], "fails", "Broken from 0.1."),
        ([0.3, None], "passes", "Kept up to 0.3."),
        ([0.3, None], "undecided", "Kept up to 0.3, not settled beyond."),
        ([None, None], "undecided", "Not settled at any severity."),
    ],
)
def test_curve_says_where_it_breaks(breaks, verdict, words):
    page = shown(lambda d: d["content"]["curves"][0].update(breaks=breaks, verdict=verdict))
    assert f"<b>{words}</b>" in page


def test_heat_map_marks_losses_and_names_severity():
    table = table_of(shown(lambda d: d["content"].update(heat=heat_of(2, 4))))
    assert table.count("<i>loss beyond chance</i>") == 4 and "A dot • marks 4 losses beyond 2 points" in table
    assert table.count("at severity 0.3") == 2 and table.count("<td class=h9>0.50") == 8


def test_heat_map_is_compact_and_says_what_it_leaves_out():
    page = shown(lambda d: d["content"].update(heat=heat_of(30, 61)))
    assert len(table_of(page).encode()) < 150_000 and table_of(page).count("<td class=h9>") == 30 * 61
    many = table_of(shown(lambda d: d["content"].update(heat=heat_of(30, 1000))))
    assert "867 more, with 30 of the dots, are in the card's JSON" in many and len(many.encode()) < 150_000


@pytest.mark.parametrize(
    ("before", "after", "pieces"),
    [
        ("where is my parcel", "where is my parcrl", [(False, "where is my parc"), (True, "r"), (False, "l")]),
        ("where is my parcel", "where is my Paket", [(False, "where is my "), (True, "Paket")]),
        ("a billl came", "a bill came", [(False, "a "), (True, "bill"), (False, " came")]),
        ("na cafe xyz uvw", "na cafe\u0301 xyz uvw", [(False, "na "), (True, "cafe\u0301"), (False, " xyz uvw")]),
        ("one two", "three four", [(False, "three four")]),
        ("", "", []),
    ],
)
def test_what_was_changed_is_marked(before, after, pieces):
    from pilot_to_prod.card._render import marked

    found = marked(before, after)
    assert found == pieces and "".join(t for _, t in found) == after


def test_rows_that_may_not_be_shown_are_told_by_their_keys():
    hidden = {
        "scenario": "typos",
        "severity": 0.1,
        "key": "k17",
        "before": "•••",
        "after": "•••",
        "truth": "no",
        "answer": "yes",
    }
    page = shown(lambda d: d["shown"].update(examples=[hidden]))
    assert "because the promise does not allow it (<code>privacy: show_rows</code>)" in page
    assert "k17" in page and "•••" not in page


def dependency(i: int, **change) -> dict:
    return {"name": f"needed {i}", "kind": "human", "owner": "Shop", "state": "ready", "columns": [], "found": []} | change


def test_map_of_dependencies_has_owner_state_and_what_replay_found():
    found = {"trouble": "late", "metric": "accuracy", "value": 0.47, "clean": 0.67, "answered": 0.7}
    each = [dependency(0, kind="technical", found=[found]), dependency(1, owner=None, state="missing", name="wide 表" * 60)]
    page = shown(lambda d: d["content"].update(dependencies=each))
    svg = re.search(r'<figure class="map">.*?</figure>', page, re.S).group(0)
    assert "when late: accuracy 0.47 instead of 0.67" in svg and "owner: nobody yet" in svg and "…</text>" in svg
    assert "<title" in svg and "<desc" in svg and "✓ ready" in svg and "– missing" in svg
    many = shown(lambda d: d["content"].update(dependencies=[dependency(i) for i in range(13)]))
    assert 'class="map"' not in many and "13 dependencies, too many for a map" in many


def test_handing_over_is_told_in_a_sentence():
    points = [
        {
            "coverage": c / 20,
            "confidence": 1 - c / 40,
            "risk": 0.14 * c / 20 if c != 16 else 0.09,
            "low": 0.0,
            "high": 0.3,
            "n": 10.0 * c,
        }
        for c in range(1, 21)
    ]
    found = {"answered": 1.0, "aurc": 0.1, "excess_aurc": 0.05, "promised_at": [0.8], "points": points}
    page = shown(lambda d: d["content"].update(selective=found))
    assert "Answering only the surest 80% would leave 9% errors instead of 14%." in page
    assert "At the promised confidence of 0.8 or more: about 40% answered" in page


def test_markets_have_their_own_verdict():
    one = {"market": "DE", "slice": "market=DE", "rows": 60, "verdict": "block", "reason": "robustness: 1 promise is broken"}
    one |= {"gates": {"passes": 3, "undecided": 2, "fails": 1}, "open": ["typing"]}
    page = shown(lambda d: d["timing"].update(markets=[one]))
    assert "✗ block</span>" in page and "Robustness: 1 promise is broken" in page and "typing" in page


def test_groups_and_their_widest_gap():
    groups = [{"group": g, "n": 9, "value": v, "low": v - 0.1, "high": v + 0.1} for g, v in (("a", 0.6), ("b", 0.72))]
    widest = {"value": 0.12, "low": 0.03, "high": 0.2, "between": ["a", "b"]}
    one = {"column": "sex", "metric": "recall", "label": "yes", "groups": groups, "widest": widest}
    page = shown(lambda d: d["content"].update(fairness=[one]))
    assert "Widest gap 0.12 (0.03 to 0.20) between a and b; described, since the widest of several is selected." in page
    assert "Recall of yes" in page and "9 rows" in page


def test_pair_of_groups_stands_where_a_gap_was_found():
    page = shown(lambda d: d["content"]["gates"][1]["worst"].update(groups=["x", "y"]))
    assert "typos at 0.1, between x and y" in page


def test_trend_is_shown_once_there_is_a_run_before():
    assert 'id="trend"' not in card_of().html()
    past = [
        {
            "run": f"r{i}",
            "at": "2026-10-01T10:00",
            "verdict": "hold",
            "version": i,
            "metric": m,
            "value": 0.9,
            "low": 0.8,
            "high": 0.95,
        }
        for i, m in enumerate(["accuracy"] * 29 + ["macro_f1"])
    ]
    page = shown(lambda d: d["made"].update(past=past))
    assert 'id="trend"' in page and "The last 24 runs; 7 earlier are in the card's JSON. 1 without a point" in page
    harmless(page)


def test_ml_test_score_marks_its_lowest_section():
    page = card_of().html()
    bars = re.search(r'<ul class="bars">.*?</ul>', page, re.S).group(0)
    assert bars.count("<li") == 4 and 'class="lowest"' in bars and "All 28 tests" in page


def test_facts_that_are_known_later_do_not_alarm():
    page = card_of().html()
    row = re.search(r"<tr[^>]*><th[^>]*>Answers that people overrule</th>.*?</tr>", page).group(0)
    assert 'class="later"' in row and "not known yet" in row and 'class="st' not in row


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_does_no_harm_in_pictures(kind):
    text = HOSTILE[kind]

    def change(d):
        found = {"trouble": text, "metric": text, "value": 0.4, "clean": 0.6, "answered": 0.7}
        heat = heat_of(2, 3)
        heat["slices"], heat["metric"], heat["rows"][0]["scenario"] = ["all", text, f"a={text}"], text, text
        groups = [{"group": text + x, "n": 9, "value": 0.5, "low": 0.4, "high": 0.6} for x in "ab"]
        widest = {"value": 0.1, "low": None, "high": None, "between": [text, text]}
        market = {"market": text, "slice": text, "rows": 6, "verdict": "hold", "reason": text, "open": [text]}
        run = {
            "run": text,
            "at": text,
            "verdict": "hold",
            "version": text,
            "metric": text,
            "value": 0.5,
            "low": None,
            "high": None,
        }
        d["content"].update(
            dependencies=[dependency(0, name=text, owner=text, state=text, kind=text, found=[found])],
            heat=heat,
            fairness=[{"column": text, "metric": text, "label": text, "groups": groups, "widest": widest}],
        )
        d["content"]["gates"][0]["worst"]["groups"] = [text, text]
        d["timing"]["markets"] = [market | {"gates": {"passes": 0, "undecided": 1, "fails": 0}}]
        d["timing"]["rubric"]["tests"][0] |= {"title": text, "says": text, "next": text}
        d["made"]["past"] = [run]

    harmless(shown(change))
