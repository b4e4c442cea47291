"""The ML Test Score: the weakest section counts, measurements outrank words, and words need evidence."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from conftest import text_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.card.rubric import TESTS, Score, band, rubric
from pilot_to_prod.card.rubric import Tested as Result
from pilot_to_prod.evidence import FAULT, Cell, Evidence
from pilot_to_prod.gates import Fact, judge
from pilot_to_prod.pilot import Pilot
from pilot_to_prod.scenarios import scenario, suite
from pilot_to_prod.spec import RUBRIC, Attestation, Spec, parse
from pilot_to_prod.stress import replay

TODAY = date(2026, 11, 23)
IDS = [t for tests in RUBRIC.values() for t in tests]


def promise(**change) -> Spec:
    "A promise of two inputs."
    raw = {
        "name": "tested",
        "task": "binary",
        "model": {"loader": "module", "ref": "model.py:model"},
        "data": {
            "reference": "a.csv",
            "replay": "b.csv",
            "label": "y",
            "labels": ["no", "yes"],
            "positive": "yes",
            "columns": {"amount": "number", "kind": "category", "group": {"role": "category", "input": False}},
        },
        "gates": [{"name": "good", "metric": "accuracy", "at_least": 0.8}],
    }
    spec, problems = parse(raw | change)
    assert spec is not None and not problems, problems
    return spec


def cell(kind: str, family: str, severity: float = 0.1, expect: str = "survive", **spec) -> Cell:
    more = {k: spec.pop(k) for k in ("exercised", "caveat") if k in spec}
    return Cell(f"{kind}{spec or ''}", kind, family, severity, 0, expect, {"name": kind, **spec}, **more)


def evidence_of(
    spec: Spec,
    cells: dict[Cell, np.ndarray] | list[tuple[Cell, float]] = (),  # with the share of rows that are answered wrongly
    n: int = 2000,
    right: float = 0.95,
    slices: tuple[str, ...] = (),
    **change,
) -> Evidence:
    "Evidence by hand: so many rows right, and so many of them wrong in each cell."
    i = np.arange(n)
    truth = (i % 2).astype(np.int16)
    clean = np.where(i * 7919 % 1000 < right * 1000, truth, 1 - truth).astype(np.int16)
    flat = np.full(n, -1, np.int32)
    answers = [np.where(i * 7907 % 1000 < share * 1000, 1 - truth, clean).astype(np.int16) for _, share in cells]
    pilot = {"name": spec.name, "task": spec.task, "labels": ["no", "yes"], "spec": spec.hash, "data": "", "model": ""}
    return Evidence(
        pilot,
        i.astype(str).astype(object),
        truth,
        clean,
        flat,
        tuple(c for c, _ in cells),
        tuple(answers),
        (flat,) * len(answers),
        tuple(a != clean for a in answers),
        {name: i % (2 + k) == 0 for k, name in enumerate(slices)},
        **change,
    )


def looked(spec: Spec, evidence: Evidence | None = None, facts=(), runs=None, today: date = TODAY) -> dict[str, Result]:
    found = evidence_of(spec) if evidence is None else evidence
    return {t.name: t for t in rubric(spec, found, judge(spec, found), facts, today=today, runs=runs).tests}


def word(**change) -> Attestation:
    said = {"says": "It was looked at.", "by": "A. Person", "on": date(2026, 11, 1), "evidence": "https://example.com/1"}
    return Attestation(**(said | {"expires": date(2027, 11, 1)} | change))


def vouched(spec: Spec, **said: Attestation) -> Spec:
    return spec.model_copy(update={"rubric": said})


# --- what it is


def test_every_test_of_the_rubric_is_there_once_and_explained() -> None:
    spec = promise()
    found = rubric(spec, evidence_of(spec), [], today=TODAY)
    assert [t.name for t in found.tests] == IDS == list(TESTS) and len(set(IDS)) == 28
    assert all(RUBRIC[t.section] and t.name in RUBRIC[t.section] and t.says and (t.next or t.score == 1) for t in found.tests)
    assert len({a.title for a in TESTS.values()}) == 28 and all(a.asks.endswith("?") for a in TESTS.values())


def test_the_weakest_section_counts() -> None:
    one = Result("", "", "", 1.0, "computed", "x", "")
    made = [replace(one, section=s, name=n, score=float(s != "model")) for s, names in RUBRIC.items() for n in names]
    found = Score.of(made)
    assert found.sections == {"data": 7, "model": 0, "infrastructure": 7, "monitoring": 7}
    assert (found.value, found.weakest, found.band) == (0, "model", band(0))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "research"),
        (0.5, "holes"),
        (1, "holes"),
        (1.5, "first"),
        (2, "first"),
        (2.5, "reasonably"),
        (3, "reasonably"),
        (3.5, "strong"),
        (5, "strong"),
        (5.5, "exceptional"),
        (7, "exceptional"),
    ],
)
def test_bands(value: float, said: str) -> None:
    assert said in band(value)


def test_the_document_is_plain_and_the_same_each_time() -> None:
    spec = vouched(promise(slices=["group"]), canary=word())
    facts = [Fact("outcomes", "served_quality", np.float64(0.9)), Fact("outcomes", "model_age", pd.NA)]
    evidence = evidence_of(spec, [(cell("mcar", "missing"), 0.1)], slices=("group=a", "group=b"))
    made = [rubric(spec, evidence, judge(spec, evidence), facts, today=TODAY) for _ in range(2)]
    assert made[0] == made[1] and made[0]._repr_html_() == made[1]._repr_html_()
    assert json.loads(json.dumps(made[0].document(), allow_nan=False)) == made[0].document()
    assert list(made[0].frame().columns) == ["section", "name", "title", "score", "how", "says", "next"]


# --- words


@pytest.mark.parametrize(
    ("change", "score", "says"),
    [
        ({}, 0.5, "valid until 2027-11-01"),
        ({"expires": None}, 0.5, "without end"),
        ({"expires": TODAY}, 0.5, "valid until 2026-11-23"),
        ({"expires": TODAY - timedelta(1)}, 0, "expired 2026-11-22"),
        ({"on": TODAY + timedelta(1)}, 0, "yet to come"),
        ({"evidence": None}, 0, "without evidence"),
        ({"evidence": "  "}, 0, "without evidence"),
        ({"by": " "}, 0, "a name is missing"),
    ],
)
def test_a_word_counts_half_while_it_is_valid_and_has_evidence(change: dict, score: float, says: str) -> None:
    found = looked(vouched(promise(), canary=word(**change)))["canary"]
    assert (found.score, found.how) == (score, "attested" if score else "absent")
    assert says in found.says and found.next == TESTS["canary"].earn


def test_governance_speaks_for_two_tests_when_each_of_its_sentences_has_evidence() -> None:
    said = {"says": "Public data.", "by": "Legal", "on": "2026-11-01", "evidence": "sha256:00"}
    bare = {k: v for k, v in said.items() if k != "evidence"}
    whole = looked(promise(governance={"data_sources": said, "lawful_basis": said}))
    assert whole["feature_policy"].score == 0.5 and whole["privacy_controls"].score == 0
    assert "governance.retention: Missing." in whole["privacy_controls"].says
    part = looked(promise(governance={"data_sources": said, "lawful_basis": bare}))["feature_policy"]
    assert part.score == 0 and "lawful_basis" in part.says and "without evidence" in part.says
    both = vouched(promise(governance={"data_sources": said, "lawful_basis": said}), feature_policy=word(evidence=None))
    assert looked(both)["feature_policy"].score == 0.5


def test_hostile_words_do_no_harm() -> None:
    bad = "<script>alert(1)</script>\u202e\x00"
    spec = vouched(promise(), canary=word(says=bad, by=bad, evidence=bad), rollback=word(by=bad, evidence=None))
    found = rubric(spec, evidence_of(spec), [], [Fact("outcomes", "served_quality", bad, source=bad)], today=TODAY)
    shown = found._repr_html_()
    assert "<script" not in shown and "&lt;script&gt;" in shown
    assert not {"\u202e", "\x00"} & set(shown) and "⟨U+202E⟩" in shown


# --- facts


@pytest.mark.parametrize("value", [True, 0.05, "5% of the traffic", np.bool_(True)])
def test_a_measured_fact_decides(value) -> None:
    found = looked(promise(), facts=[Fact("outcomes", "canary", value, n=300, source="event log")])["canary"]
    assert (found.score, found.how, found.next) == (1, "computed", "") and "event log" in found.says


@pytest.mark.parametrize("value", [False, 0, None, "", float("nan"), pd.NA, np.zeros(2)], ids=str)
def test_a_measured_fact_that_says_no_is_broken_whatever_people_say(value) -> None:
    spec = vouched(promise(), canary=word())
    found = looked(spec, facts=[Fact("outcomes", "canary", True), Fact("outcomes", "canary", value)])["canary"]
    assert (found.score, found.how) == (0, "computed") and found.next


@pytest.mark.parametrize("status", ["attested", "absent"])
def test_other_facts_decide_nothing(status: str) -> None:
    assert looked(promise(), facts=[Fact("outcomes", "canary", True, status=status)])["canary"].how == "absent"


# --- computed: data


def test_written_roles_are_a_schema_and_guessed_ones_are_not() -> None:
    assert looked(promise())["feature_schema"].score == 1
    assert looked(promise().model_copy(update={"exploration": True}))["feature_schema"].how == "absent"


def test_inputs_earn_their_place_only_if_each_of_them_is_missed() -> None:
    def alone(**share: float) -> Result:
        cells = [(cell("whole_column", "missing", 1.0, columns=[c]), s) for c, s in share.items()]
        return looked(spec := promise(), evidence_of(spec, cells))["features_beneficial"]

    assert alone(amount=0.3, kind=0.2).score == 1
    assert alone(amount=0.3).how == "absent" and "1 input of 2" in alone(amount=0.3).says
    assert alone(amount=0.3, kind=0).how == "absent" and "without kind" in alone(amount=0.3, kind=0).says
    assert alone().how == "absent"


def test_an_input_that_makes_answers_worse_is_broken() -> None:
    spec = promise()
    evidence = evidence_of(spec, [(cell("whole_column", "missing", 1.0, columns=["kind"]), 0)], right=0.7)
    better = replace(evidence, answers=(evidence.truth.copy(),))
    found = looked(spec, better)["features_beneficial"]
    assert (found.score, found.how) == (0, "computed") and "without kind" in found.says


def test_an_input_without_which_the_pilot_raises_proves_nothing() -> None:
    spec = promise()
    evidence = evidence_of(spec, [(cell("whole_column", "missing", 1.0, columns=[c]), 0.3) for c in ("amount", "kind")])
    raising = replace(evidence, answers=tuple(np.full(len(evidence), FAULT, np.int16) for _ in evidence.answers))
    assert looked(spec, raising)["features_beneficial"].how == "absent"


# --- computed: model


def test_age_is_known_by_a_curve_and_a_plan() -> None:
    plan = {"trigger": "each quarter"}
    curve = [(cell("concept_shift", "shift", s), s) for s in (0.1, 0.3)]
    with_plan, without = promise(retraining=plan), promise()
    assert looked(with_plan, evidence_of(with_plan, curve))["staleness_known"].score == 1
    assert looked(without, evidence_of(without, curve))["staleness_known"].score == 0
    assert looked(with_plan, evidence_of(with_plan, curve[:1]))["staleness_known"].score == 0
    sensitivity = [(replace(c, kind="stale_labels", caveat="no train function"), s) for c, s in curve]
    assert looked(with_plan, evidence_of(with_plan, sensitivity))["staleness_known"].score == 0


def test_a_constant_answer_that_does_better_is_a_simpler_model() -> None:
    spec = promise()
    assert looked(spec, evidence_of(spec, right=0.3))["simpler_baseline"].how == "computed"
    assert "is beaten" in looked(spec)["simpler_baseline"].says and looked(spec)["simpler_baseline"].how == "absent"
    dear = promise(costs={"no -> yes": 100, "yes -> no": 1})
    found = looked(dear, evidence_of(dear))["simpler_baseline"]
    assert (found.score, found.how) == (0, "computed") and "answering no costs less" in found.says


def decided(spec: Spec, evidence: Evidence, verdicts: dict[str, str], **rest) -> dict[str, Result]:
    "The tests, with verdicts of gates as given."
    from pilot_to_prod.gates import Judged, Verdict, promises

    gates = [Judged(p, (), Verdict(verdicts[p.name])) for p in promises(spec) if p.name in verdicts]
    return {t.name: t for t in rubric(spec, evidence, gates, today=TODAY, **rest).tests}


@pytest.mark.parametrize(
    ("verdict", "score", "how"), [("passes", 1, "computed"), ("fails", 0, "computed"), ("undecided", 0, "absent")]
)
def test_gates_against_a_simpler_pilot_gaps_and_time(verdict: str, score: float, how: str) -> None:
    gates = [
        {"name": "simple", "metric": "accuracy", "of": "drop", "at_most": 0.02, "against": "pilots/rules"},
        {"name": "alike", "metric": "selected", "label": "yes", "of": "gap", "between": "group", "at_most": 0.1},
        {"name": "fast", "metric": "latency_p95", "at_most": 50},
    ]
    spec = promise(gates=gates, protected=["group"])
    found = decided(spec, evidence_of(spec), {"simple": verdict, "alike": verdict, "fast": verdict})
    for name in ("simpler_baseline", "inclusion", "compute_performance"):
        assert (found[name].score, found[name].how) == (score, how), name


def test_clean_and_promoted_are_no_simpler_pilots() -> None:
    spec = promise(gates=[{"name": "last", "metric": "accuracy", "of": "drop", "at_most": 0.02, "against": "promoted"}])
    assert decided(spec, evidence_of(spec), {"last": "passes"})["simpler_baseline"].how == "absent"


def test_every_protected_column_needs_a_gap() -> None:
    gap = {"name": "alike", "metric": "accuracy", "of": "gap", "between": "group", "at_most": 0.1}
    spec = promise(gates=[gap], protected=["group", "kind"])
    found = decided(spec, evidence_of(spec), {"alike": "passes"})["inclusion"]
    assert found.how == "absent" and "kind" in found.says
    assert decided(promise(), evidence_of(promise()), {})["inclusion"].how == "absent"


@pytest.mark.parametrize(
    ("verdicts", "score", "how"),
    [
        ({"a": "passes", "b": "passes"}, 1, "computed"),
        ({"a": "passes"}, 0, "absent"),
        ({"a": "passes", "b": "undecided"}, 0, "absent"),
        ({"a": "passes", "b": "fails"}, 0, "computed"),
        ({"gap": "passes"}, 1, "computed"),
        ({"gap": "passes", "a": "undecided"}, 0, "absent"),
        ({}, 0, "absent"),
    ],
)
def test_quality_holds_in_every_slice(verdicts: dict, score: float, how: str) -> None:
    gates = [{"name": n, "metric": "accuracy", "at_least": 0.8, "slice": f"group={n}"} for n in "ab"]
    gates.append({"name": "gap", "metric": "accuracy", "of": "gap", "between": "group", "at_most": 0.1})
    spec = promise(gates=gates, slices=["group"])
    found = decided(spec, evidence_of(spec, slices=("group=a", "group=b")), verdicts)["slice_quality"]
    assert (found.score, found.how) == (score, how)


# --- computed: infrastructure


def test_training_again_on_the_same_rows_has_to_give_the_same_answers() -> None:
    spec = promise()
    same, other = [(cell("uniform_labels", "labels", 0.0), 0.0)], [(cell("uniform_labels", "labels", 0.0), 0.01)]
    assert looked(spec, evidence_of(spec, same))["reproducible_training"].score == 1
    found = looked(spec, evidence_of(spec, other))["reproducible_training"]
    assert (found.score, found.how) == (0, "computed")
    surer = evidence_of(spec, same)
    surer = replace(surer, scores=(surer.clean_score + 5,))
    assert (
        looked(spec, surer)["reproducible_training"].how == "computed"
        and looked(spec, surer)["reproducible_training"].score == 0
    )
    untrained = [(replace(c, caveat="the pilot has no train function"), s) for c, s in other]
    assert looked(spec, evidence_of(spec, untrained))["reproducible_training"].how == "absent"


class Learner:
    "Knows two words, and learns which topic each of them stands for."

    def __init__(self, rows: pd.DataFrame | None = None) -> None:
        first = (lambda t: "late") if rows is None else (lambda t: rows.loc[rows["text"].str.contains(t), "topic"].mode()[0])
        self.parcel, self.lamp = ("late", "broken") if rows is None else (first("parcel"), first("lamp"))

    def predict(self, texts: pd.Series) -> list[str]:
        return [self.parcel if isinstance(t, str) and "parcel" in t else self.lamp for t in texts]


def test_what_replays_of_training_leave_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    "A real replay: training is tested by it, and a training that raises is found."
    frame = text_rows(200)

    def train(rows: pd.DataFrame) -> Learner:
        return Learner(rows)

    pilot = Pilot.of(Learner(), frame, label="topic", reference=text_rows(100, 300))
    monkeypatch.setattr(type(pilot), "trainer", property(lambda _: train))
    chosen = suite([(scenario("uniform_labels"), (0.0, 0.2))], pilot.spec)
    evidence = replay(pilot, chosen, seeds=(0,), progress=False)
    found = looked(pilot.spec, evidence, runs={"finished": 3, "notebooks": {"labels.ipynb": "00"}})
    assert found["reproducible_training"].score == found["specification_tested"].score == found["pipeline_tested"].score == 1
    assert "3 runs of 1 notebook" in found["pipeline_tested"].says
    assert looked(pilot.spec, evidence)["pipeline_tested"].how == "absent"
    assert looked(pilot.spec, evidence, runs={"finished": True})["pipeline_tested"].how == "absent"

    def broken(rows: pd.DataFrame) -> Learner:
        raise ValueError("no such column")

    monkeypatch.setattr(type(pilot), "trainer", property(lambda _: broken))
    failed = looked(pilot.spec, replay(pilot, chosen, seeds=(0,), progress=False))["specification_tested"]
    assert (failed.score, failed.how) == (0, "computed") and "no such column" in failed.says


def test_a_run_without_training_does_not_test_the_whole_way() -> None:
    assert looked(promise(), runs={"finished": 5})["pipeline_tested"].how == "absent"


def test_quality_is_checked_where_a_promise_about_clean_rows_was_judged() -> None:
    assert looked(promise())["validated_before_serving"].score == 1
    worse = promise(gates=[{"name": "good", "metric": "accuracy", "at_least": 0.99}])
    assert looked(worse)["validated_before_serving"].score == 1  # it is held back, which is what was asked
    for gate in ({"metric": "answered", "at_least": 0.9}, {"metric": "accuracy", "at_least": 0.8, "scenario": "typos"}):
        assert looked(promise(gates=[{"name": "other", **gate}]))["validated_before_serving"].how == "absent"


def test_answers_can_be_looked_into_where_examples_are_kept() -> None:
    spec, broke = promise(), cell("mcar", "missing")
    row = {"scenario": broke.scenario, "key": "1", "before": "a", "after": "b", "truth": "no", "answer": "yes"}
    kept = evidence_of(spec, [(broke, 0.2)], examples=pd.DataFrame([row]))
    assert looked(spec, kept)["example_debugging"].score == 1
    assert looked(spec, replace(kept, examples=pd.DataFrame()))["example_debugging"].how == "absent"
    more = evidence_of(spec, [(broke, 0.2), (cell("typos", "noise"), 0.2)], examples=pd.DataFrame([row]))
    assert "typos" in looked(spec, more)["example_debugging"].says and looked(spec, more)["example_debugging"].score == 0
    assert looked(spec)["example_debugging"].how == "absent"


@pytest.mark.parametrize(("back", "score"), [("3-2026", 1), (None, 0), ("", 0), (True, 0)])
def test_a_rollback_that_was_done(back, score: float) -> None:
    assert looked(promise(), runs={"rolled_back": back})["rollback"].score == score


# --- computed: monitoring


def test_changes_upstream_are_noticed_if_replayed_told_and_scheduled() -> None:
    part = {"name": "Bureau", "kind": "technical", "owner": "B", "state": "ready", "columns": ["kind"]}
    spec = promise(dependencies=[part], owner={"name": "T", "webhook": "P2P_WEBHOOK_URL"})
    cells = [(cell("dependency_absent", "feed", dependency="Bureau"), 0.1)]
    full = evidence_of(spec, cells)
    assert looked(spec, full, runs={"scheduled": True})["dependency_changes"].score == 1
    for other, evidence, runs, lacks in (
        (spec, full, None, "schedule"),
        (spec, evidence_of(spec), {"scheduled": True}, "without Bureau"),
        (spec.model_copy(update={"owner": None}), full, {"scheduled": True}, "Nobody is told"),
        (spec.model_copy(update={"dependencies": ()}), full, {"scheduled": True}, "No technical"),
    ):
        found = looked(other, evidence, runs=runs)["dependency_changes"]
        assert found.how == "absent" and lacks in found.says


@pytest.mark.parametrize(
    ("stopped", "score", "how"),
    [
        ((1, 1), 1, "computed"),
        ((1, None), 0, "absent"),
        ((None, 1), 0, "absent"),
        ((1, 0), 0, "computed"),
        ((None, None), 0, "absent"),
    ],
)
def test_rows_that_break_the_rules_are_stopped(stopped: tuple, score: float, how: str) -> None:
    kinds = [("dropped_column", "schema"), ("unit_error", "messy")]
    used = [(k, f, s) for (k, f), s in zip(kinds, stopped, strict=True) if s is not None]
    said = [{"says": f"{k} is stopped", "scenario": k, "expect": "reject", "share": 0.9} for k, _, _ in used]
    spec = promise(behaviour=said)
    evidence = evidence_of(spec, [(cell(k, f, expect="reject"), 0.5) for k, f, _ in used])
    answers = tuple(
        np.where(t & bool(s), -1, a).astype(np.int16)
        for t, a, (_, _, s) in zip(evidence.touched, evidence.answers, used, strict=True)
    )
    found = looked(spec, replace(evidence, answers=answers))["data_invariants"]
    assert (found.score, found.how) == (score, how)


@pytest.mark.parametrize(
    ("age", "score", "how"),
    [(92, 1, "computed"), (93, 0, "computed"), (None, 0, "absent"), ("old", 0, "absent"), (float("nan"), 0, "absent")],
)
def test_the_age_of_the_model(age, score: float, how: str) -> None:
    spec = promise(retraining={"trigger": "each quarter", "every_days": 92})
    found = looked(spec, runs={"model_age_days": age})["model_age"]
    assert (found.score, found.how) == (score, how)
    assert looked(promise(), runs={"model_age_days": 1})["model_age"].how == "absent"


def test_no_answer_is_lost_to_odd_values() -> None:
    spec = promise()
    cells = [
        (cell("mcar", "missing"), 0.1),
        (cell("outliers", "noise"), 0.1),
        (cell("unit_error", "messy", expect="reject"), 0.1),
    ]
    full = evidence_of(spec, cells)
    lost = np.where(np.arange(len(full)) == 7, FAULT, full.answers[0]).astype(np.int16)
    assert looked(spec, full)["numerical_stability"].score == 1
    found = looked(spec, replace(full, answers=(lost, *full.answers[1:])))["numerical_stability"]
    assert (found.score, found.how) == (0, "computed") and "1 row " in found.says
    assert (
        looked(spec, replace(full, answers=(*full.answers[:2], lost)))["numerical_stability"].score == 1
    )  # it had to be stopped
    for some in (cells[:1], cells[1:], [(cell("mcar", "missing", columns=["kind"]), 0.1), cells[1]]):
        assert looked(spec, evidence_of(spec, some))["numerical_stability"].how == "absent"


def test_numbers_are_tested_too() -> None:
    spec = promise(task="regression", gates=[{"name": "near", "metric": "mae", "at_most": 5}])
    spec = spec.model_copy(update={"data": spec.data.model_copy(update={"labels": (), "positive": None})})
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 10, 1500)
    clean, flat = truth + rng.normal(0, 1, 1500), np.full(1500, -1, np.int32)
    off = np.where(np.arange(1500) == 3, np.nan, clean + rng.normal(0, 8, 1500))
    pilot = {"name": "n", "task": "regression", "labels": [], "spec": spec.hash, "data": "", "model": ""}
    cells = (cell("mcar", "missing"), cell("uniform_labels", "labels", 0.0))
    made = (np.arange(1500).astype(str).astype(object), truth, clean, flat, cells, (off, clean), (flat,) * 2)
    found = looked(spec, Evidence(pilot, *made, (np.ones(1500, bool),) * 2))
    assert found["reproducible_training"].score == 1 and found["numerical_stability"].how == "computed"
    assert found["numerical_stability"].score == 0 and "is beaten" in found["simpler_baseline"].says


# --- the order of things


WORDS = st.builds(
    word,
    expires=st.none() | st.dates(TODAY, date(2030, 1, 1)),
    on=st.dates(date(2020, 1, 1), TODAY),
    says=st.text(max_size=30),
    by=st.text(min_size=1, max_size=10).filter(str.strip),
)


@settings(max_examples=60, deadline=None)
@given(
    before=st.dictionaries(st.sampled_from(IDS), WORDS | st.just(word(evidence=None)), max_size=6),
    name=st.sampled_from(IDS),
    said=WORDS,
    runs=st.fixed_dictionaries(
        {},
        optional={
            "finished": st.integers(0, 3),
            "rolled_back": st.none() | st.just("2-a"),
            "model_age_days": st.integers(0, 200),
        },
    ),
)
def test_a_valid_word_never_lowers_a_score_and_never_lifts_a_broken_test(before, name, said, runs) -> None:
    spec = promise(retraining={"trigger": "each quarter", "every_days": 92})
    cells = [(cell("mcar", "missing"), 0.1), (cell("uniform_labels", "labels", 0.0), 0.02)]
    evidence = evidence_of(spec, cells)
    gates = judge(spec, evidence)
    facts = [Fact("outcomes", "canary", False), Fact("outcomes", "served_quality", 0.8)]

    def score(rubric_of: dict) -> Score:
        return rubric(spec.model_copy(update={"rubric": rubric_of}), evidence, gates, facts, today=TODAY, runs=runs)

    old, new = score(before), score(before | {name: said})
    assert new.value >= old.value and all(new.sections[s] >= old.sections[s] for s in RUBRIC)
    for a, b in zip(old.tests, new.tests, strict=True):
        assert b.score >= a.score
        assert a.how != "computed" or a == b
        assert b.score in {"computed": (0, 1), "attested": (0.5,), "absent": (0,)}[b.how]
    assert re.fullmatch(r"computed|attested", new.frame().set_index("name").loc[name, "how"])
