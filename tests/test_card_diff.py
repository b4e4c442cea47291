"""What changed between two cards: said only beyond chance, the same both ways, and never hidden by a promise that changed."""

import copy
import json
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from junitparser import JUnitXml
from test_card import HOSTILE, TODAY, card_of, harmless, hostile_card, promise
from test_card_outputs import a_run, exploration, fields, harmless_sheet, harmless_text, regression, rich

from pilot_to_prod.card import Scorecard, scorecard
from pilot_to_prod.card._schema import OUTCOMES, diff_schema
from pilot_to_prod.card._terminal import wide
from pilot_to_prod.card.diff import CardDiff, Pair, Where, diff, paired_shares, shares
from pilot_to_prod.evidence import LEFT_OUT, Cell, Evidence
from pilot_to_prod.evidence.statistics import Drop
from pilot_to_prod.gates import Fact
from pilot_to_prod.spec import Spec, hash_json, parse

SCHEMA = Draft202012Validator(diff_schema())
NEWS = {"better": "worse", "worse": "better"}


def sound(made: CardDiff) -> CardDiff:
    "Its document keeps the schema and its hash, and its counts are those of its parts."
    assert [f"{list(e.path)}: {e.message[:200]}" for e in SCHEMA.iter_errors(made.document)] == []
    assert made.document["hash"] == hash_json({k: v for k, v in made.document.items() if k != "hash"})
    assert made.document["counts"]["worse"] == len(made.worse) and made.exit_code == (made.outcome == "worse") == bool(
        made.worse
    )
    return made


@cache
def small(**change) -> Spec:
    data = {
        "reference": "a.csv",
        "replay": "b.csv",
        "label": "y",
        "labels": ["no", "yes"],
        "positive": "yes",
        "columns": {"text": "text"},
    }
    gates = [
        {"name": "good", "metric": "accuracy", "at_least": 0.8},
        {"name": "typing", "metric": "accuracy", "of": "drop", "at_most": 0.1, "scenario": "typos"},
        {"name": "part", "metric": "accuracy", "at_least": 0.8, "slice": "part=a"},
    ]
    raw = {
        "name": "small",
        "task": "binary",
        "model": {"loader": "module", "ref": "model.py:model"},
        "data": data,
        "gates": gates,
    }
    spec, problems = parse(raw | change)
    assert spec is not None, problems
    return spec


def answers(
    seed: int,
    n: int = 300,
    right=(0.85, 0.85),
    spec: Spec | None = None,
    rows: str = "d",
    luck: int | None = None,
    typos: float = 0.05,
) -> Evidence:
    "Rows of two slices, each with its share of right answers; the same luck is the same rows hard for every model."
    spec, rng = spec or small(), np.random.default_rng(seed)
    i = np.arange(n)
    truth, part = (i % 2).astype(np.int16), i % 3 == 0
    draw = (np.random.default_rng(luck) if luck is not None else rng).random(n)
    clean = np.where(draw < np.where(part, *right[::-1]), truth, 1 - truth).astype(np.int16)
    hit = np.where(rng.random(n) < typos, 1 - clean, clean).astype(np.int16)
    cell = Cell("typos", "typos", "noise", 0.1, 0, "invariant", {"name": "typos"}, n, n, n, n, n)
    about = {"name": spec.name, "title": spec.title_text, "version": 1, "task": "binary", "labels": ["no", "yes"]}
    about |= {"spec": spec.hash, "data": rows * 64, "model": f"{seed:064d}", "exploration": False}
    none, keys = np.full(n, -1, np.int32), np.array([f"k{v:06d}" for v in i], object)
    slices = {"part=a": part, "part=b": ~part}
    return Evidence(about, keys, truth, clean, none, (cell,), (hit,), (none,), (np.ones(n, bool),), slices)


def judged(evidence: Evidence, spec: Spec | None = None, **more) -> Scorecard:
    return scorecard(spec or small(), evidence, now=TODAY, **more)


def of(made: CardDiff, kind: str, name: str) -> dict:
    return next(
        x
        for x in [*made.document["lines"], *(c for g in made.document["gates"] for c in g["cells"])]
        if (x["kind"], x["name"]) == (kind, name)
    )


def gate(made: CardDiff, name: str) -> dict:
    return next(g for g in made.document["gates"] if g["name"] == name)


# ---- nothing changed


@pytest.mark.parametrize("made", [card_of, rich, regression, exploration, lambda: card_of(n=120, latency=None)])
def test_a_card_does_not_differ_from_itself(made):
    card = made()
    for again in (diff(card, card), diff(card, Scorecard(json.loads(card.json())))):
        assert len(sound(again)) == 0 and not again and again.outcome == "no change beyond chance" and again.exit_code == 0
        assert all(g["a"] == g["b"] and not g["cells"] for g in again.document["gates"]) and again.annotations() == []
    assert diff(card, card).json() == diff(card, Scorecard(json.loads(card.json()))).json()


def test_two_samples_of_the_same_differ_by_chance_only():
    "Different rows of one pilot: any worse at all in at most one diff of twenty."
    cards = [judged(answers(s, 200)) for s in range(102)]
    pairs = [*pairwise(cards[:-1]), *zip(cards, cards[2:], strict=False)]
    assert len(pairs) == 200 and sum(diff(a, b).outcome == "worse" for a, b in pairs) <= 10


def test_two_models_that_are_alike_differ_by_chance_only_row_by_row():
    "The same rows, other errors: row by row, any worse at all in at most one diff of twenty."
    found = [answers(5000 + s, 200, rows="e") for s in range(61)]
    cards = [judged(e) for e in found]
    made = [diff(*two, pair) for two, pair in zip(pairwise(cards), pairwise(found), strict=True)]
    assert all(d.document["method"]["paired"] for d in made) and sum(d.outcome == "worse" for d in made) <= 3


@pytest.mark.parametrize(("n", "p"), [(40, 0.5), (40, 0.95), (400, 0.9)])
def test_false_alarms_of_two_shares(n, p):
    rng = np.random.default_rng(1)
    x, y = rng.binomial(n, p, (2, 4000)) / n
    found = {pair: shares({"value": pair[0], "n": n}, {"value": pair[1], "n": n}).p for pair in set(zip(x, y, strict=True))}
    assert np.mean([found[pair] <= 0.05 for pair in zip(x, y, strict=True)]) <= 0.06


@pytest.mark.parametrize(("n", "off"), [(40, 0.05), (200, 0.02), (200, 0.2)])
def test_false_alarms_of_paired_shares(n, off):
    lost, gained = np.random.default_rng(2).multinomial(n, [off, off, 1 - 2 * off], 4000)[:, :2].T
    found = {pair: paired_shares(Drop(*pair, n)).p for pair in set(zip(lost.tolist(), gained.tolist(), strict=True))}
    assert np.mean([found[pair] <= 0.05 for pair in zip(lost.tolist(), gained.tolist(), strict=True)]) <= 0.05


# ---- something changed


def test_a_worse_model_is_found_and_named():
    before, after = answers(1, 1500, (0.9, 0.9)), answers(2, 1500, (0.9, 0.75))
    made = sound(diff(judged(before), judged(after), (before, after)))
    assert made.outcome == "worse" and made.exit_code == 1
    assert of(made, "slice", "part=a")["outcome"] == gate(made, "part")["outcome"] == "worse"
    assert of(made, "slice", "part=a")["difference"]["high"] < 0
    assert next(s for s in made.document["sections"] if s["name"] == "performance")["outcome"] == "worse"
    assert made.document["hashes"][2] == {"name": "model", "a": before.pilot["model"], "b": after.pilot["model"], "same": False}


def test_the_same_rows_compared_one_by_one_say_more():
    before, after = answers(1, 900, (0.85, 0.85), luck=3), answers(2, 900, (0.87, 0.87), luck=3)
    cards = judged(before), judged(after)
    alone, paired = sound(diff(*cards)), sound(diff(*cards, (before, after)))
    one, other = of(alone, "clean rows", "accuracy"), of(paired, "clean rows", "accuracy")
    assert one["outcome"] == "no change beyond chance" and other["outcome"] == "better" and other["p"] < one["p"]
    assert (
        "Tango" in other["method"]
        and "Newcombe" in one["method"]
        and "could be compared one by one" in alone.document["method"]["why"]
    )
    assert other["difference"]["value"] == pytest.approx(one["difference"]["value"], abs=1e-6)


def test_paired_numbers_are_those_of_the_cards():
    before, after = answers(1, 700, (0.9, 0.8)), answers(2, 700, (0.8, 0.9), typos=0.3)
    made = diff(judged(before), judged(after), (before, after))
    for x in [*made.document["lines"], *(c for g in made.document["gates"] for c in g["cells"])]:
        if x["difference"]:
            assert x["difference"]["value"] == pytest.approx(x["b"]["value"] - x["a"]["value"], abs=3e-6), x
            assert x["difference"]["low"] <= x["difference"]["value"] <= x["difference"]["high"]
    assert {x["method"].split(",")[0] for x in made.document["lines"]} == {"the same rows"}
    typing = gate(made, "typing")["cells"][0]
    assert typing["of"] == "drop" and typing["outcome"] == "worse" and typing["difference"]["value"] > 0


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_what_is_worse_one_way_is_better_the_other(seed, paired):
    rng = np.random.default_rng(seed)
    e = [answers(10 * seed + k, 600, tuple(rng.uniform(0.7, 0.95, 2)), typos=rng.uniform(0, 0.3)) for k in (0, 1)]
    cards = [judged(x) for x in e]
    one = sound(diff(cards[0], cards[1], tuple(e) if paired else None))
    other = sound(diff(cards[1], cards[0], tuple(e[::-1]) if paired else None))
    for a, b in zip(one.document["lines"], other.document["lines"], strict=True):
        assert (a["name"], a["a"], a["b"]) == (b["name"], b["b"], b["a"]) and b["outcome"] == NEWS.get(
            a["outcome"], a["outcome"]
        )
        drawn = "macro-F1" in str(a["name"]) or "bootstrap" in str(a["method"])  # from another thousand draws
        assert a["p"] == pytest.approx(b["p"], abs=0.05 if drawn else 2e-6), a
    for a, b in zip(one.document["gates"], other.document["gates"], strict=True):
        assert b["outcome"] == NEWS.get(a["outcome"], a["outcome"]) and len(a["cells"]) == len(b["cells"])
    assert one.document["counts"]["worse"] == other.document["counts"]["better"]


def test_a_promise_kept_then_broken_is_worse_whatever_the_correction_says():
    one, other = card_of(), card_of(right=0.7)
    made = sound(diff(one, other))
    assert gate(made, "good")["outcome"] == "worse" and gate(made, "good")["why"].startswith("it was kept beyond chance")
    assert gate(diff(other, one), "good")["outcome"] == "better"


def test_everything_compared_is_corrected_together():
    "A number that would be news alone is none among many."
    before, after = answers(1, 600, (0.85, 0.85)), answers(2, 600, (0.85, 0.85))
    made = diff(judged(before), judged(after))
    q = [x["q"] for x in made.document["lines"] if x["q"] is not None]
    assert all(x["q"] >= x["p"] for x in made.document["lines"] if x["q"] is not None) and q
    assert made.document["method"]["compared"] >= len(q)


# ---- the promise itself


def changed_gates(**change) -> Spec:
    gates = [g.model_dump(mode="json", exclude_none=True) for g in small().gates]
    gates[2] |= change
    return small.__wrapped__(gates=gates)


def test_lowered_threshold_is_named_first_and_hides_nothing():
    spec = changed_gates(at_least=0.6)
    made = sound(diff(judged(answers(1, 1500, (0.9, 0.9))), judged(answers(2, 1500, (0.9, 0.7), spec), spec)))
    said = made.document["promise"]
    assert [(p["name"], p["what"], p["how"]) for p in said] == [("part", "threshold", "looser")]
    assert gate(made, "part")["outcome"] == "cannot be compared" and "promise itself changed" in gate(made, "part")["why"]
    assert of(made, "promise", "part")["outcome"] == "worse" and made.exit_code == 1
    assert next(s for s in made.document["sections"] if s["name"] == "performance")["outcome"] == "worse"
    assert made.sentence.startswith("The promise itself changed: 1 gate.")
    text, page = made.text(), made.html()
    assert text.index("The promise itself changed: these") < text.index("Beyond chance")
    assert page.index("The promise itself changed: these") < page.index("<h2>Beyond chance")
    raised = changed_gates(at_least=0.85)
    assert diff(judged(answers(1)), judged(answers(1, spec=raised), raised)).document["promise"][0]["how"] == "stricter"


@pytest.mark.parametrize(
    "change", [{"metric": "answered"}, {"slice": "part=b"}, {"section": "fairness"}, {"label": "yes", "metric": "recall"}]
)
def test_gate_about_something_else_cannot_be_compared(change):
    spec = changed_gates(**change)
    made = sound(diff(judged(answers(1)), judged(answers(2, spec=spec), spec)))
    assert gate(made, "part")["outcome"] == "cannot be compared" and made.document["promise"]
    assert not gate(made, "part")["cells"] or change == {"section": "fairness"}


def test_added_and_removed_promises():
    fewer = small.__wrapped__(gates=[g.model_dump(mode="json", exclude_none=True) for g in small().gates[:2]])
    a, b = judged(answers(1)), judged(answers(1, spec=fewer), fewer)
    assert diff(a, b).document["promise"][0] | {"a": 0} == {"name": "part", "what": "gate", "a": 0, "b": None, "how": "removed"}
    assert (
        gate(sound(diff(b, a)), "part")["outcome"] == "cannot be compared"
        and diff(b, a).document["promise"][0]["how"] == "added"
    )


def test_other_scenarios_are_named():
    one = answers(1)
    cell = replace(one.cells[0], severity=0.3)
    more = replace(one, cells=(one.cells[0], cell), answers=one.answers * 2, scores=one.scores * 2, touched=one.touched * 2)
    made = sound(diff(judged(one), judged(more)))
    assert [(p["name"], p["b"], p["how"]) for p in made.document["promise"]] == [
        ("typing", "typos at 0.3", "added"),
        ("suite", "0.1, 0.3", "changed"),
    ]
    assert (
        gate(made, "typing")["outcome"] == "cannot be compared" and gate(made, "good")["outcome"] == "no change beyond chance"
    )


# ---- facts, markets, rubric


def test_facts_are_no_matter_of_chance():
    def with_(*facts: Fact, **change) -> Scorecard:
        return card_of(facts=facts, n=400, **change)

    fact = Fact("outcomes", "days", 3, status="measured", source="log")
    gone = sound(diff(with_(fact), with_(replace(fact, status="absent"))))
    assert [(f["what"], f["outcome"]) for f in gone.document["facts"]] == [("removed", "worse")] and gone.exit_code == 1
    back = sound(diff(with_(replace(fact, status="absent")), with_(fact)))
    assert [(f["what"], f["outcome"]) for f in back.document["facts"]] == [("added", "better")]
    other = sound(diff(with_(fact), with_(replace(fact, value=2))))
    assert [(f["what"], f["outcome"]) for f in other.document["facts"]] == [
        ("changed", "cannot be compared")
    ] and other.exit_code == 0
    only = sound(diff(with_(), with_(fact)))
    assert only.document["facts"][0]["outcome"] == "cannot be compared"


def test_expired_attestation_is_worse():
    spec = promise(until="2026-11-23")
    made = sound(diff(card_of(spec, now=date(2026, 11, 23)), card_of(spec, now=date(2026, 11, 24))))
    assert {f["what"] for f in made.document["facts"]} == {"expired"} and made.exit_code == 1
    assert {s["name"] for s in made.document["sections"]} == {"accountability", "governance"}
    assert any(fields(line)[1]["title"].startswith("Expired") for line in made.annotations())


def test_markets_that_fall():
    card = rich()
    other = copy.deepcopy(card.document)
    other["timing"]["markets"][0]["verdict"], other["timing"]["markets"][1]["verdict"] = "promote", "promote"
    other["timing"]["markets"].pop()
    there = {m["market"]: m["verdict"] for m in card.document["timing"]["markets"]}
    made = diff(Scorecard(other), card)
    found = {m["market"]: m["outcome"] for m in made.document["markets"]}
    for m, verdict in there.items():
        if m in found:
            assert found[m] in ("worse" if verdict == "block" else "no change beyond chance", "cannot be compared")
    assert len(found) >= 2


def test_latency_of_another_day_is_not_compared_but_its_verdict_is():
    made = sound(diff(card_of(latency=5.0), card_of(latency=6.0)))
    assert (
        gate(made, "fast")["outcome"] == "cannot be compared"
        and "machines" in gate(made, "fast")["why"]
        and made.exit_code == 0
    )
    slow = sound(diff(card_of(latency=5.0), card_of(latency=80.0)))
    assert gate(slow, "fast")["outcome"] == "worse" and slow.exit_code == 1


# ---- what cannot be compared says why


def test_few_rows_are_not_compared():
    made = sound(diff(judged(answers(1, 60)), judged(answers(2, 60, (0.9, 0.2)))))
    assert "too few" in of(made, "slice", "part=a")["why"] and of(made, "slice", "part=a")["outcome"] == "cannot be compared"


def test_evidence_of_another_card_is_refused():
    e = answers(1), answers(2)
    with pytest.raises(ValueError, match="not what its card was judged on"):
        diff(judged(e[0]), judged(e[1]), (e[1], e[0]))


def test_cards_of_different_tasks_are_refused():
    with pytest.raises(ValueError, match="different tasks"):
        diff(card_of(), regression())


def test_other_rows_are_compared_as_such():
    e = answers(1, 400), answers(2, 300, rows="e")
    made = sound(diff(judged(e[0]), judged(e[1]), e))
    assert not made.document["method"]["paired"] and "different rows" in made.document["method"]["why"]


def test_slice_with_other_rows_is_not_paired():
    a, b = answers(1), answers(2)
    b = replace(b, slices={"part=a": np.arange(300) % 5 == 0, "part=b": np.arange(300) % 5 != 0})
    made = sound(diff(judged(a), judged(b), (a, b)))
    assert of(made, "slice", "part=b")["why"] == "the slice holds other rows now"


def test_two_pilots_are_noted():
    other = small.__wrapped__(name="other")
    made = diff(judged(answers(1)), judged(answers(1, spec=other), other))
    assert "two pilots" in made.document["notes"][0]


def test_regression_is_compared_by_its_rows():
    def prices(noise: float) -> tuple[Scorecard, Evidence]:
        raw = {"name": "prices", "task": "regression", "model": {"loader": "module", "ref": "model.py:model"}}
        data = {"reference": "a.csv", "replay": "b.csv", "label": "y", "columns": {"x": "number"}}
        spec, _ = parse(raw | {"data": data, "gates": [{"name": "near", "metric": "mae", "at_most": 2.0}]})
        rng, n = np.random.default_rng(0), 1500
        truth = rng.normal(size=n) * 10
        about = {"name": "prices", "title": "Prices", "version": 1, "task": "regression", "labels": []}
        about |= {"spec": spec.hash, "data": "d" * 64, "model": "m" * 64, "exploration": False}
        keys = np.array([f"k{i:05d}" for i in range(n)], object)
        made = Evidence(about, keys, truth, truth + noise * rng.normal(size=n), np.full(n, -1, np.int32))
        return scorecard(spec, made, now=TODAY), made

    (a, x), (b, y) = prices(1.0), prices(1.3)
    for made in (diff(a, b), diff(a, b, (x, y))):
        assert (
            of(sound(made), "clean rows", "mae")["outcome"] == "worse"
            and of(made, "clean rows", "mae")["higher_is_better"] is False
        )
        assert of(made, "clean rows", "rmse")["outcome"] == "cannot be compared"


def test_unchanged_answers_and_rows_left_out():
    one, other = answers(1, 400), answers(2, 400, typos=0.4)
    pair = Pair(one, other)
    found = pair.compared(
        Where("unchanged", scenario="typos", severity=0.1), 400, other.estimate("unchanged", cells=[0]).estimate.value
    )
    assert found and found.value == pytest.approx(
        other.estimate("unchanged", cells=[0]).estimate.value - one.estimate("unchanged", cells=[0]).estimate.value
    )
    hit = other.answers[0].copy()
    hit[:50] = LEFT_OUT
    left = replace(other, answers=(hit,))
    made = sound(diff(judged(one), judged(left), (one, left)))
    line = of(made, "scenario", "typos")
    assert "Newcombe" in line["method"] and line["b"]["n"] == 350


def test_clusters_are_compared_cluster_by_cluster():
    a, b = (replace(e, clusters=np.arange(900) // 3) for e in (answers(1, 900), answers(2, 900, (0.6, 0.6))))
    made = sound(diff(judged(a), judged(b), (a, b)))
    assert of(made, "clean rows", "accuracy")["outcome"] == "worse" and of(made, "clean rows", "accuracy")["b"]["n"] == 300


# ---- forms


@pytest.fixture(scope="module")
def news() -> CardDiff:
    before, after = answers(1, 1500, (0.85, 0.9)), answers(2, 1500, (0.92, 0.75))
    spec = changed_gates(at_least=0.7)
    return diff(judged(before), judged(replace(after, pilot=after.pilot | {"spec": spec.hash}), spec))


def test_saved_and_loaded(tmp_path, news):
    for ending, text in (
        (".html", news.html()),
        (".md", news.markdown()),
        (".xml", news.junit()),
        (".txt", news.text()),
        (".csv", news.csv()),
    ):
        assert news.save(tmp_path / f"d{ending}").read_bytes() == text.encode()
    found = CardDiff.load(news.save(tmp_path / "d.json"))
    assert found.json() == news.json() and found.html() == news.html() and found.outcome == news.outcome
    assert news.save(None) is None
    with pytest.raises(ValueError, match=r"\.html, \.json, \.xml, \.md, \.txt, \.csv"):
        news.save(tmp_path / "d.pdf")


@pytest.mark.parametrize(
    ("old", "new"), [('"outcome": "worse"', '"outcome": "better"'), ('"promise_changed": true', '"promise_changed": false')]
)
def test_changed_diff_is_refused(tmp_path, news, old, new):
    assert old in news.json()
    (tmp_path / "d.json").write_text(news.json().replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match="changed after it was made"):
        CardDiff.load(tmp_path / "d.json")
    for text in ("", "[]", '{"schema": "pilot-to-prod/card-diff/2"}'):
        (tmp_path / "d.json").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="not a diff"):
            CardDiff.load(tmp_path / "d.json")


def test_page_is_one_file_that_fetches_nothing(news):
    page = news.html()
    harmless(page)
    assert '<html lang="en"' in page and "prefers-color-scheme" in page and "@media print" in page
    assert page.count("<table") == page.count("</table>") and "Worse" in page


def test_junit_is_read_and_counts(news):
    suites = {s.name: s for s in JUnitXml.fromstring(news.junit())}
    assert suites["promises"].tests == len(news.document["gates"])
    assert sum(s.failures for s in suites.values()) == sum(
        x["outcome"] == "worse" for x in [*news.document["gates"], *news.document["lines"]]
    )
    assert suites["promises"].skipped == sum(g["outcome"] == "cannot be compared" for g in news.document["gates"])
    assert {s.name: s.failures for s in JUnitXml.fromstring(diff(card_of(), card_of()).junit())} == {"promises": 0}


def test_every_form_says_the_same(news):
    for text in (news.text(200), news.markdown().replace("\\", ""), news.html()):
        assert "Worse" in text or "WORSE" in text
        for x in news.worse:
            assert x["name"] in text
    assert max(map(wide, news.text(70).splitlines())) <= 70 and str(news) == news.text()
    assert set(news._repr_mimebundle_()) == {"text/plain", "text/markdown", "text/html"} and "sandbox" in news._repr_html_()
    frame = news.frame()
    assert len(frame) == len(news.document["lines"]) + sum(len(g["cells"]) for g in news.document["gates"])
    assert set(frame["outcome"]) <= set(OUTCOMES)
    harmless_sheet(news.csv())


def test_annotations_name_what_is_worse(news):
    found = [fields(line) for line in news.annotations()]
    assert any(f[0] == "error" and "Worse" in f[1]["title"] for f in found)
    assert any(f[0] == "warning" and f[1]["title"] == "The promise changed: part" for f in found)


@pytest.mark.parametrize("kind", [*HOSTILE, "workflow"])
def test_hostile_text_does_no_harm(kind):
    text = HOSTILE.get(kind, "::stop-commands::x\n##[error]y")
    other = copy.deepcopy(hostile_card(text).document)
    for g in other["content"]["gates"]:
        g["limit"], g["threshold"] = g["limit"] + 0.01, text
    for s in [
        *other["content"]["slices"],
        *other["content"]["performance"],
        *(p for c in other["content"]["curves"] for p in c["points"]),
    ]:
        s["value"] = 0.1
    for f in other["content"]["facts"]:
        f["value"] = f["source"] = text
    for c in other["content"]["curves"][:1]:
        c["scenario"] = text
    made = sound(diff(hostile_card(text), Scorecard(other)))
    assert made.worse
    harmless(made.html())
    harmless_text(made.text(80))
    harmless_sheet(made.csv())
    assert JUnitXml.fromstring(made.junit()) is not None
    if kind != "workflow":
        harmless_text(made.markdown())
    for line in made.annotations():
        fields(line)


@given(text=st.text(max_size=120))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_any_text_is_harmless(text, news):
    document = copy.deepcopy(news.document)
    for x in [*document["lines"], *document["gates"], *document["promise"]]:
        x["name"] = text
        x["why" if "why" in x else "what"] = text
    document["a"]["title"] = document["b"]["title"] = document["b"]["pilot"] = text
    made = CardDiff(document)
    harmless(made.html())
    harmless_text(made.text(60))
    harmless_sheet(made.csv())
    assert JUnitXml.fromstring(made.junit()) is not None
    for line in made.annotations():
        fields(line)
    assert not set(made.markdown()) & set("\x00\x1b\r\u202e")


def test_many_promises_stay_small_and_fast():
    import time

    card = card_of()
    document = copy.deepcopy(card.document)
    gates = document["content"]["gates"]
    for k in range(200):
        gates.append(copy.deepcopy(gates[0]) | {"name": f"promise {k}"})
    other = copy.deepcopy(document)
    for g in other["content"]["gates"]:
        for c in g["cells"]:
            c["value"] = 0.5
    began = time.perf_counter()
    made = diff(Scorecard(document), Scorecard(other))
    page = made.html()
    assert time.perf_counter() - began < 5 and len(page.encode()) < 500_000 and len(made.worse) > 200


# ---- the command


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P2P_RUNS_FOLDER", "runs")
    for number, right in ((1, (0.9, 0.9)), (2, (0.9, 0.9)), (3, (0.9, 0.7))):
        a_run(Path("runs"), number, small(), answers(number, 1200, right, luck=4))
    return Path("runs")


def test_last_two_runs_are_compared_row_by_row(runs, p2p):
    code, out, err = p2p("card", "diff", "small")
    assert (
        (code, err) == (1, "") and "WORSE" in out and "row by row" not in err and "Compared: the same rows, one by one." in out
    )
    code, out, _ = p2p("card", "diff", "small@1", "small@2", "--as", "json")
    assert code == 0 and json.loads(out)["method"]["paired"]
    assert p2p("card", "diff", "small@3", "small@2")[0] == 0  # better


def test_cards_by_file_and_folder(runs, p2p, tmp_path):
    one, two = "runs/small/0001-0000000001", "runs/small/0003-0000000003/scorecard.json"
    code, _, _ = p2p("card", "diff", one, two, "--output", "out/d.html", "--output", "out/d.json", "--output", "out/d.xml")
    assert code == 1 and {p.name for p in (tmp_path / "out").iterdir()} == {"d.html", "d.json", "d.xml"}
    sound(CardDiff.load(tmp_path / "out" / "d.json"))
    alone = Path("alone.json")
    alone.write_bytes(Path(two).read_bytes())
    code, out, _ = p2p("card", "diff", f"{one}/scorecard.json", "alone.json", "--as", "json")
    assert code == 1 and not json.loads(out)["method"]["paired"]


def test_evidence_that_was_touched_is_not_used(runs, p2p):
    path = runs / "small" / "0003-0000000003" / "evidence" / "typing.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    code, out, err = p2p("card", "diff", "small")
    assert code == 1 and "not used" in err and "the cards alone" in out


@pytest.mark.parametrize(
    ("args", "code"), [(("nobody",), 2), (("small@1", "none.json"), 2), (("small", "--as", "pdf"), 2), ((), 2)]
)
def test_usage(runs, p2p, args, code):
    got, out, err = p2p("card", "diff", *args)
    assert got == code and "Traceback" not in err and not out


def test_broken_card_is_an_error_and_no_verdict(runs, p2p):
    path = runs / "small" / "0003-0000000003" / "scorecard.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"rows": 1200', '"rows": 1201', 1), encoding="utf-8")
    code, _, err = p2p("card", "diff", "small")
    assert code == 4 and "changed after it was judged" in err
