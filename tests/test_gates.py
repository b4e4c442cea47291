"""Gates on gaps, confidence, champions and markets; rows that are shown only where the promise allows it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import text_rows, write_pilot
from hypothesis import given, settings
from hypothesis import strategies as st
from test_card import evidence_of, promise

from pilot_to_prod.evidence import Evidence
from pilot_to_prod.gates import Verdict, judge, judge_market, markets_of
from pilot_to_prod.pilot import Pilot
from pilot_to_prod.scenarios import suite
from pilot_to_prod.spec import SpecError, parse
from pilot_to_prod.stress import replay

N = 4000
quick = settings(max_examples=40, deadline=None, derandomize=True)


def with_gates(*gates: dict, **change):
    columns = {"text": "text", "group": {"role": "category", "input": False}, "land": {"role": "market", "input": False}}
    data = {
        "reference": "a.csv",
        "replay": "b.csv",
        "label": "y",
        "labels": ["no", "yes"],
        "positive": "yes",
        "columns": columns,
    }
    return promise(gates=[{"name": f"g{i}", **g} for i, g in enumerate(gates)], behaviour=[], data=data, **change)


def answers(spec, right: np.ndarray, score: np.ndarray | None = None, slices: dict | None = None, **change) -> Evidence:
    "Evidence whose rows are right where `right` says so."
    made = evidence_of(spec, n=len(right))
    clean = np.where(right, made.truth, 1 - made.truth).astype(np.int16)
    scores = np.full(len(right), -1, np.int32) if score is None else np.round(score * 1_000_000).astype(np.int32)
    return replace(made, clean=clean, clean_score=scores, answers=(clean,), scores=(scores,), slices=slices or {}, **change)


def only(judged):
    (found,) = judged
    return found


def test_promises_and_evidence_know_the_same_metrics():
    "The two rooms import nothing of each other, so that each has a list of its own."
    from typing import get_args

    from pilot_to_prod.evidence import METRICS, robustness
    from pilot_to_prod.spec import LOWER_IS_BETTER
    from pilot_to_prod.spec.model import Metric

    assert set(get_args(Metric)) == set(METRICS)
    assert set(robustness._HIGH_IS_WORSE) - {"abstained"} == set(LOWER_IS_BETTER) - {"latency_p95"}


# ---- gaps


def grouped(shares: dict[str, float], n: int = 1000) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    right = np.concatenate([np.arange(n) < round(p * n) for p in shares.values()])
    who = np.repeat(list(shares), n)
    return right, {f"group={g}": who == g for g in shares}


GAP = {"metric": "accuracy", "of": "gap", "between": "group", "at_most": 0.1}


def test_a_gap_is_judged_between_each_two_groups_and_fails_by_the_widest():
    spec = with_gates(GAP)
    right, slices = grouped({"a": 0.9, "b": 0.88, "c": 0.6})
    found = only(judge(spec, answers(spec, right, slices=slices)))
    assert [c.groups for c in found.cells] == [("group=a", "group=b"), ("group=a", "group=c"), ("group=b", "group=c")]
    assert found.verdict is Verdict.FAILS and found.worst.groups == ("group=a", "group=c")
    assert found.worst.value == pytest.approx(0.3) and found.cells[0].verdict is Verdict.PASSES


def test_a_gap_of_small_groups_is_undecided_and_groups_that_are_alike_pass():
    spec = with_gates(GAP)
    right, slices = grouped({"a": 0.9, "b": 0.9}, n=299)
    assert "300 is the least" in only(judge(spec, answers(spec, right, slices=slices))).reason
    right, slices = grouped({"a": 0.9, "b": 0.9})
    assert only(judge(spec, answers(spec, right, slices=slices))).verdict is Verdict.PASSES
    assert only(judge(spec, answers(spec, right, slices={}))).verdict is Verdict.UNDECIDED


# ---- confidence


@quick
@given(st.floats(0.5, 0.99), st.integers(0, 2**31))
def test_coverage_review_load_and_selective_risk_are_counts(confidence, seed):
    rng = np.random.default_rng(seed)
    score, right = np.round(rng.random(N), 6), rng.random(N) < 0.8
    spec = with_gates({"metric": "coverage", "confidence": confidence, "at_least": 0.5})
    made = answers(spec, right, score)
    sure = np.round(score * 1_000_000) >= round(confidence * 1_000_000)
    ask = {m: made.estimate(m, confidence=confidence).estimate for m in ("coverage", "review_load", "selective_risk")}
    assert ask["coverage"].value == pytest.approx(sure.mean()) and ask["review_load"].value == pytest.approx(1 - sure.mean())
    assert ask["selective_risk"].value == pytest.approx((~right)[sure].mean()) and ask["selective_risk"].n == sure.sum()


def test_a_pilot_without_confidence_is_undecided_and_says_so():
    spec = with_gates({"metric": "coverage", "confidence": 0.5, "at_least": 0.5}, {"metric": "ece", "at_most": 0.1})
    found = judge(spec, answers(spec, np.ones(N, bool)))
    assert [g.verdict for g in found] == [Verdict.UNDECIDED] * 2 and all("no confidence" in g.reason for g in found)


def test_calibration_is_judged():
    rng = np.random.default_rng(0)
    score = rng.uniform(0.5, 1, 5000)
    spec = with_gates({"metric": "ece", "at_most": 0.05})
    assert only(judge(spec, answers(spec, rng.random(5000) < score, score))).verdict is Verdict.PASSES
    assert only(judge(spec, answers(spec, rng.random(5000) < score - 0.2, score))).verdict is Verdict.FAILS


# ---- champions


def against(name: str, **more) -> dict:
    return {"metric": "accuracy", "of": "drop", "at_most": 0.02, "against": name, **more}


def test_a_challenger_is_paired_row_by_row_with_its_champion():
    spec, rng = with_gates(against("old")), np.random.default_rng(0)
    right = rng.random(N) < 0.9
    champion, worse = answers(spec, right), answers(spec, right & (np.arange(N) % 10 > 0))
    same = only(judge(spec, champion, baselines={"old": champion}))
    assert same.verdict is Verdict.PASSES and same.worst.value == 0 and same.worst.high < 0.002
    fell = only(judge(spec, worse, baselines={"old": champion}))
    assert fell.verdict is Verdict.FAILS and fell.worst.value == pytest.approx(right[::10].sum() / N)
    assert only(judge(spec, champion, baselines={"old": worse})).verdict is Verdict.PASSES


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"pilot": {"data": "other"}}, "other rows"),
        ({"pilot": {"labels": ["yes", "no"]}}, "other classes"),
    ],
)
def test_a_champion_of_another_world_decides_nothing(change, why):
    spec = with_gates(against("old"))
    made = answers(spec, np.ones(N, bool))
    other = replace(made, pilot=made.pilot | change["pilot"])
    found = only(judge(spec, made, baselines={"old": other}))
    assert found.verdict is Verdict.UNDECIDED and why in found.reason


def test_the_first_promotion_has_nothing_to_be_worse_than():
    spec = with_gates(against("promoted"), against("old"))
    made = answers(spec, np.ones(N, bool))
    nobody_looked = judge(spec, made)
    assert [g.verdict for g in nobody_looked] == [Verdict.UNDECIDED] * 2
    assert all("nobody looked up" in g.reason for g in nobody_looked)
    first, champion = judge(spec, made, baselines={"promoted": None, "old": None})
    assert first.verdict is Verdict.PASSES and "no run was promoted before" in first.reason
    assert champion.verdict is Verdict.UNDECIDED and "p2p run old" in champion.reason


def test_a_champion_is_compared_in_the_same_replays():
    spec = with_gates(against("old", scenario="typos"))
    made = answers(spec, np.ones(N, bool))
    other = replace(made, answers=(np.where(np.arange(N) < 400, 1 - made.truth, made.truth).astype(np.int16),))
    found = only(judge(spec, made, baselines={"old": other}))
    assert found.verdict is Verdict.PASSES and found.worst.value == pytest.approx(-0.1) and found.worst.scenario == "typos"
    gone = replace(other, cells=(), answers=(), scores=(), touched=())
    assert "did not replay this" in only(judge(spec, made, baselines={"old": gone})).reason


# ---- severities and markets


def test_a_range_of_severities_leaves_the_smaller_ones_out():
    spec = with_gates({"metric": "accuracy", "scenario": "typos", "from_severity": 0.2, "at_least": 0.5})
    made = answers(spec, np.ones(N, bool))
    cells = tuple(replace(made.cells[0], severity=s) for s in (0.1, 0.2, 0.3))
    made = replace(made, cells=cells, answers=made.answers * 3, scores=made.scores * 3, touched=made.touched * 3)
    assert [c.severity for c in only(judge(spec, made)).cells] == [0.2, 0.3]


def test_each_market_is_judged_as_if_it_were_the_only_one():
    spec = with_gates(
        {"metric": "accuracy", "at_least": 0.8},
        {"metric": "accuracy", "at_least": 0.5, "slice": "land=DE"},
        {"metric": "accuracy", "at_least": 0.99, "slice": "land=FR"},
    )
    land = np.arange(N) % 2 == 0
    made = answers(spec, np.where(land, True, np.arange(N) % 4 == 1), slices={"land=DE": land, "land=FR": ~land})
    assert markets_of(spec, made) == [("DE", "land=DE"), ("FR", "land=FR")]
    de, fr = (judge_market(spec, made, f"land={m}") for m in ("DE", "FR"))
    assert [(g.promise.name, g.verdict.value) for g in de] == [("g0", "passes"), ("g1", "passes")]
    assert [(g.promise.name, g.verdict.value) for g in fr] == [("g0", "fails"), ("g2", "fails")]
    assert all(c.n == N // 2 for g in de + fr for c in g.cells)


def test_restricted_evidence_is_the_evidence_of_those_rows():
    spec = with_gates(GAP)
    right, slices = grouped({"a": 0.9, "b": 0.6})
    made = answers(spec, right, slices=slices)
    part = made.restricted("group=b")
    assert len(part) == 1000 and part.estimate("accuracy").estimate == made.estimate("accuracy", slice="group=b").estimate
    assert part.estimate("accuracy", "drop", [0]).estimate == made.estimate("accuracy", "drop", [0], "group=b").estimate


# ---- mistakes


@pytest.mark.parametrize(
    ("gate", "wanted"),
    [
        ({"metric": "accuracy", "of": "gap", "at_most": 0.1}, "needs between"),
        ({"metric": "macro_f1", "of": "gap", "between": "group", "at_most": 0.1}, "a gap is of a share"),
        ({"metric": "accuracy", "of": "gap", "between": "grup", "at_most": 0.1}, "Did you mean 'group'"),
        ({"metric": "accuracy", "between": "group", "at_least": 0.1}, "add of: gap"),
        ({"metric": "accuracy", "of": "gap", "between": "group", "at_least": 0.1}, "use at_most"),
        ({"metric": "ece", "at_least": 0.1}, "use at_most"),
        ({"metric": "ece", "of": "drop", "at_most": 0.1, "scenario": "typos"}, "judged by its value"),
        ({"metric": "accuracy", "confidence": 0.5, "at_least": 0.5}, "does not use it"),
        ({"metric": "selected", "at_least": 0.5}, "needs label"),
        ({"metric": "accuracy", "against": "promoted", "at_least": 0.5}, "for a drop or a retention"),
        ({"metric": "accuracy", "from_severity": 0.5, "at_least": 0.5}, "clean rows have no severity"),
        (
            {"metric": "accuracy", "scenario": "typos", "from_severity": 0.5, "up_to": 0.1, "at_least": 0.5},
            "No severity lies between",
        ),
        ({"metric": "rmse", "at_most": 1}, "rmse is for regression"),
        ({"metric": "coverage", "confidence": 1.5, "at_least": 0.5}, "less than or equal to 1"),
    ],
)
def test_mistakes_of_new_gates_are_told(gate, wanted):
    raw = with_gates().model_dump(mode="json", exclude_none=True) | {"gates": [{"name": "g", **gate}]}
    spec, problems = parse(raw)
    assert any(wanted in p.says for p in problems), (problems, spec)


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("privacy", {"mask": ["grup"]}, "Did you mean 'group'"),
        ("rubric", {"canari": {"says": "x", "by": "y", "on": "2026-01-01"}}, "Did you mean 'canary'"),
        ("approval", ["boss"], "owner"),
    ],
)
def test_mistakes_of_new_parts_are_told(key, value, wanted):
    raw = with_gates().model_dump(mode="json", exclude_none=True) | {key: value}
    _, problems = parse(raw)
    assert any(wanted in p.says for p in problems), problems


def test_what_a_promise_does_not_use_is_not_in_its_hash():
    plain = with_gates({"metric": "accuracy", "at_least": 0.5})
    raw = plain.model_dump(mode="json", exclude_none=True)
    spelt, problems = parse(
        raw
        | {
            "privacy": {"show_rows": False},
            "approval": [],
            "gates": [{**raw["gates"][0], "against": "clean", "from_severity": None}],
        }
    )
    assert not problems and spelt is not None and spelt.hash == plain.hash
    shown, _ = parse(raw | {"privacy": {"show_rows": True}})
    assert shown is not None and shown.hash != plain.hash


# ---- rows


RAISES = """class Picky:
    def predict(self, texts):
        for t in texts:
            if not isinstance(t, str) or not t.startswith(("the", "THE")):
                raise ValueError(f"cannot read {t!r}")
        return ["late" if "parcel" in t else "broken" for t in texts]


model = Picky()
"""


def replayed(folder: Path, privacy: str) -> Evidence:
    write_pilot(folder, source=RAISES, replay=text_rows(40))
    text = (folder / "pilot.yaml").read_text(encoding="utf-8").replace("privacy: {show_rows: true}", privacy)
    (folder / "pilot.yaml").write_text(text, encoding="utf-8")
    pilot = Pilot.load(folder)
    return replay(pilot, suite("messy", pilot.spec), severities=(0.5,), seeds=(0,), progress=False)


def test_rows_are_shown_only_where_the_promise_says_so(tmp_path):
    shown = replayed(tmp_path / "shown", "privacy: {show_rows: true}")
    assert shown.examples["before"].str.contains("street").any() and shown.faults["message"].str.contains("cannot read").any()
    words = {"street", "cannot read", "parcel"}
    for privacy in ("", "privacy: {show_rows: false}", "privacy: {show_rows: true, mask: [text]}"):
        made = replayed(tmp_path / f"p{len(privacy)}", privacy)
        said = pd.concat([made.examples["before"], made.examples["after"]]).tolist()
        said += [*made.faults["message"], *made.notes]
        assert len(made.examples) == len(shown.examples) and not [t for t in said if any(w in t for w in words)]
        assert made.examples["key"].tolist() == shown.examples["key"].tolist()


def test_a_file_of_columns_that_are_not_there_is_refused(tmp_path):
    write_pilot(tmp_path / "p", more="protected: [grup]\n")
    with pytest.raises(SpecError, match="no column 'grup'"):
        Pilot.load(tmp_path / "p")


def test_rows_that_the_model_may_have_learnt_from_are_told(tmp_path):
    folder = write_pilot(tmp_path / "p", replay=text_rows(40, first=5000))
    known, fresh = pd.read_csv(folder / "reference.csv").head(7), text_rows(33, first=5000)
    for rows, wanted in ((pd.concat([known, fresh]), "7 of 40 replay rows have the inputs of a reference row"), (fresh, "")):
        rows.assign(id=[f"q{i}" for i in range(len(rows))]).to_csv(folder / "replay.csv", index=False)
        pilot = Pilot.load(folder)
        made = replay(pilot, suite("messy", pilot.spec), severities=(0.5,), seeds=(0,), progress=False)
        said = [n for n in made.notes if "reference row" in n]
        assert said == [] if not wanted else said[0].startswith(wanted)
