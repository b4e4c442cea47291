"""Cards to look at: promoted, blocked with everything in it, an exploration, a big one, and one with a text wherever data reach it.

Counted, not drawn by chance, so that they are the same on every machine."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from test_card import TODAY, evidence_of, promise, said

from pilot_to_prod.card import Scorecard, scorecard
from pilot_to_prod.evidence import FAULT, SCALE, Cell, Evidence
from pilot_to_prod.gates import Fact
from pilot_to_prod.spec import Spec

GATES, SLICES, SCENARIOS, SEVERITIES = 200, 60, 30, (0.1, 0.2, 0.3, 0.4, 0.5)
ROWS = 5000
RUNS = {"finished": 4, "notebooks": {"20_typos": "a" * 64}, "scheduled": True}
PAST = [
    {"run": f"{i:04}-x", "at": f"2026-{6 + i:02}-01", "verdict": v, "version": i, "metric": "accuracy"}
    | {"value": at, "low": at - 0.01, "high": at + 0.01}
    for i, (v, at) in enumerate((("block", 0.81), ("hold", 0.88), ("promote", 0.93), ("block", 0.9)), 1)
]


def raw(spec: Spec, name: str) -> Any:
    "A part of a promise as it is written."
    return spec.model_dump(mode="json", exclude_none=True)[name]


def chance(n: int, salt: int) -> np.ndarray:
    "Numbers in [0, 1) that look like chance and are the same everywhere."
    i = np.arange(n, dtype=np.uint64) + np.uint64(salt * 1_000_003)
    for by in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        i = (i ^ (i >> np.uint64(30))) * np.uint64(by)
    return ((i ^ (i >> np.uint64(31))) % np.uint64(1_000_003)).astype(float) / 1_000_003


def stressed(clean: np.ndarray, share: float, broken: float, salt: int) -> tuple[np.ndarray, np.ndarray]:
    "Answers of a replay that touches a share of the rows and turns a part of their answers; and which rows it touched."
    n = len(clean)
    touched = chance(n, salt) < share
    turned = touched & (chance(n, salt + 7919) < broken) & (clean >= 0)
    return np.where(turned, 1 - clean, clean).astype(np.int16), touched


def with_cells(made: Evidence, named: list[tuple[Cell, float, float]]) -> Evidence:
    "Evidence with these replays: cell, share of the rows touched, part of them answered wrongly."
    found = [stressed(made.clean, share, broken, i) for i, (_, share, broken) in enumerate(named)]
    return replace(
        made,
        cells=tuple(c for c, _, _ in named),
        answers=tuple(a for a, _ in found),
        scores=tuple(made.clean_score for _ in named),
        touched=tuple(t for _, t in found),
    )


def cell(label: str, family: str, severity: float, n: int, kind: str = "", seed: int = 0, **more: Any) -> Cell:
    kind = kind or label
    return Cell(label, kind, family, severity, seed, "invariant", {"name": kind} | more, n, n, n, n, n)


# ---- four cards


@cache
def promoted() -> Scorecard:
    "Every section passes."
    spec = promise()
    return scorecard(spec, evidence_of(spec), now=TODAY)


@cache
def explored() -> Scorecard:
    "Nothing is promised."
    nothing = {"dependencies": [], "outcomes": [], "adoption": None, "governance": None, "owner": None, "retraining": None}
    spec = promise(gates=[], behaviour=[], **nothing).model_copy(update={"exploration": True})
    return scorecard(spec, evidence_of(spec), now=TODAY)


def everything(text: str | None = None) -> Scorecard:
    "A blocked card with everything in it; with a text, that text stands wherever data reach the card."
    return _everything(text) if text is None or len(text) < 10_000 else made_anew(text)


@cache
def _everything(text: str | None) -> Scorecard:
    return made_anew(text)


def made_anew(text: str | None = None) -> Scorecard:
    "As `everything`, judged again."

    def name(plain: str) -> str:
        "What is called so; several that are called by the same text stay apart."
        return plain if text is None else f"{text} {plain}"

    kinds = [name(k) for k in ("parcel", "invoice", "complaint")]
    markets = [name(m) for m in ("at", "de", "fr", "it")]
    groups = [name(g) for g in ("under 30", "30 to 60", "over 60")]
    form, office, typing = name("form"), name("office"), name("typos")
    spec = _promise_of(name, text, kinds[0], markets[2], form, office)
    n = 4000
    made = evidence_of(spec, n=n)
    i = np.arange(n)
    odd = made.slices["odd"]
    wrong = (chance(n, 1) < 0.03) | ((i % 4 == 2) & (chance(n, 2) < 0.12)) | ((i % 3 == 2) & (chance(n, 3) < 0.06))
    clean = np.where(wrong, 1 - made.truth, made.truth).astype(np.int16)
    clean[odd] = -1
    clean[7] = FAULT
    sure = np.where(clean >= 0, ((0.55 + 0.45 * chance(n, 4) * np.where(wrong, 0.7, 1)) * SCALE), -1).astype(np.int32)
    slices = {"odd": odd}
    slices |= {f"market={m}": i % 4 == k for k, m in enumerate(markets)}
    slices |= {f"age={g}": i % 3 == k for k, g in enumerate(groups)}
    slices |= {f"kind={k}": i % 5 == at for at, k in enumerate(kinds)}
    slices |= {f"language={x}": i % 3 == k for k, x in enumerate(("en", "de", name("xx")))}
    cells = [(cell(typing, "messy", s, n, "typos", seed), s, 0.5) for s in (0.1, 0.3, 0.5) for seed in (0, 1)]
    cells += [(cell("upper_case", "noise", s, n), s, 0.01) for s in (0.1, 0.3, 0.5)]
    cells += [(cell("mcar", "missing", s, n), s, 0.3) for s in (0.1, 0.3, 0.5)]
    cells += [
        (cell(f"parallel_text(language='{x}')", "language", 1.0, n, "parallel_text", language=x), 1.0, b)
        for x, b in (("de", 0.02), ("fr", 0.2), ("pl", 0.5))
    ]
    cells += [
        (cell(f"{kind}(dependency={form!r})", "feed", 0.3, n, kind, dependency=form), 0.3, b)
        for kind, b in (("dependency_late", 0.1), ("dependency_stale", 0.3), ("dependency_absent", 0.9))
    ]
    idle = replace(cell("homoglyphs", "encoding", 0.3, n), exercised=False, eligible=9, delivered=3, changed=3)
    made = replace(made, clean=clean, clean_score=sure, slices=slices, clusters=np.array([f"c{k % 2000}" for k in i], object))
    made = with_cells(made, [*cells, (idle, 0.0005, 0.0)])
    example = [
        {"scenario": s, "family": "messy", "severity": v, "seed": 0, "key": name(f"k{k}")}
        | {"before": name("where is my parcel"), "after": name("wher is my pracel"), "truth": "yes", "answer": "no"}
        for k, (s, v) in enumerate(((typing, 0.1), ("mcar", 0.3), ("upper_case", 0.5), (typing, 0.3)))
    ]
    fault = [
        {"scenario": s, "severity": 0.1, "seed": 0, "key": f"k{k}", "error": "ValueError", "message": name("no number in it")}
        for k, s in enumerate((typing, "mcar", "clean"))
    ]
    notes = (name("at most 40 examples of a scenario are kept"),)
    made = replace(made, examples=pd.DataFrame(example), faults=pd.DataFrame(fault), notes=notes)
    facts = [Fact("oversight", name("cases seen"), 12, (10.0, 14.0), 400, "measured", name("event log"))]
    past = [p | {"run": name(str(p["run"])), "version": name(str(p["version"]))} for p in PAST]
    return scorecard(spec, made, facts, look=2, now=TODAY, runs=RUNS, past=past)


def _promise_of(name: Any, text: str | None, kind: str, market: str, form: str, office: str) -> Spec:
    "A promise with every part that a card shows."
    plain = promise()
    attested = said(name("A document says so."))
    attested |= {"by": name("A. Person"), "evidence": "javascript:window.hit=1" if text else "https://example.com/1"}
    data = raw(plain, "data") | {"labels": ["no", "yes"]}
    data["columns"] = {"text": "text", "kind": {"role": "category", "input": False}}
    data["columns"] |= {"age": {"role": "category", "input": False}, "market": "market", "language": "language"}
    gates = [g | {"name": name(g["name"])} for g in raw(plain, "gates") if g["name"] not in ("german", "alike", "typing")]
    gates += [
        {"name": name(n), **g}
        for n, g in {
            "typing": {"metric": "accuracy", "of": "drop", "at_most": 0.1, "scenario": "typos"},
            "nothing lost": {"metric": "accuracy", "of": "retention", "at_least": 0.9, "scenario": "mcar"},
            "every language": {"metric": "accuracy", "at_least": 0.8, "family": "language"},
            "of one kind": {"metric": "accuracy", "at_least": 0.91, "slice": f"kind={kind}"},
            "in one market": {"metric": "accuracy", "at_least": 0.8, "slice": f"market={market}"},
            "alike": {"metric": "accuracy", "of": "gap", "at_most": 0.03, "between": "age"},
            "selected alike": {"metric": "selected", "label": "yes", "of": "gap", "at_most": 0.2, "between": "age"},
            "handed over": {"metric": "review_load", "confidence": 0.7, "at_most": 0.6},
            "sure and wrong": {"metric": "selective_risk", "confidence": 0.7, "at_most": 0.1},
            "calibrated": {"metric": "ece", "at_most": 0.3},
            "found": {"metric": "recall", "label": "yes", "at_least": 0.8, "up_to": 0.3, "scenario": "upper_case"},
            "form missing": {
                "metric": "accuracy",
                "at_least": 0.8,
                "scenario": {"name": "dependency_absent", "dependency": form},
            },
        }.items()
    ]
    change = {
        "title": name("Everything at once"),
        "data": data,
        "gates": gates,
        "owner": raw(plain, "owner")
        | {"name": name("Team"), "contact": name("team"), "on_call": name("duty"), "support": attested},
        "protected": ["age", "market"],
        "dependencies": [
            {"name": form, "kind": "technical", "owner": name("Shop"), "state": "ready", "columns": ["text"]},
            {"name": office, "kind": "human", "state": "open"},
        ],
        "governance": raw(plain, "governance") | {"retention": attested, "labelling": said("Old.", "2026-11-20")},
        "outcomes": [{"name": name("days"), "baseline": 3, "target": 1, "unit": name("days"), "measured_by": name("tickets")}],
        "retraining": None,
        "not_applicable": {"drift and retraining": attested},
        "rubric": {"canary": attested, "rollback": attested, "feature_cost": said("Old.", "2026-11-20")},
        "costs": {"yes -> no": 5.0, "no -> yes": 1.0},
        "approval": ["owner", "compliance"],
        "privacy": {"show_rows": True},
    }
    return promise(**change)


def big_inputs() -> tuple[Spec, Evidence]:
    "A promise of 200 gates, and evidence of 60 slices and 30 scenarios at 5 severities."
    labels = [f"s{i:02}" for i in range(SCENARIOS)]
    gates: list[dict[str, Any]] = []
    for i in range(GATES):
        metric = ("accuracy", "recall", "answered", "macro_f1")[i % 4]
        gate: dict[str, Any] = {"name": f"gate {i:03}", "metric": metric, "at_least": 0.5}
        gate |= {"label": "yes"} if metric == "recall" else {}
        gate |= {"slice": f"kind=k{i % SLICES:02}"} if i % 3 == 0 else {}
        gate |= {"scenario": labels[i % SCENARIOS]} if i % 5 else {}
        gates.append(gate)
    data = raw(promise(), "data")
    data["columns"] = {"text": "text", "kind": {"role": "category", "input": False}}
    spec = promise(gates=gates, slices=["kind"], data=data, behaviour=[])
    made = evidence_of(spec, n=ROWS)
    clean = np.where(chance(ROWS, 1) < 0.9, made.truth, 1 - made.truth).astype(np.int16)
    sure = np.round((0.5 + chance(ROWS, 2) / 2) * SCALE).astype(np.int32)
    kind = (chance(ROWS, 3) * SLICES).astype(int)
    slices = {f"kind=k{i:02}": kind == i for i in range(SLICES)}
    made = replace(made, clean=clean, clean_score=sure, slices=slices)
    return spec, with_cells(made, [(cell(s, "messy", v, ROWS), v, 0.4) for s in labels for v in SEVERITIES])


@cache
def big() -> Scorecard:
    spec, made = big_inputs()
    return scorecard(spec, made, now=TODAY)


CARDS = {"promoted": promoted, "everything": everything, "explored": explored, "big": big}
