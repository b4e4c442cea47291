"""What a card shows of the evidence beside the verdicts: curves, slices, groups, costs, and what dependencies do. Plain values for JSON."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from pilot_to_prod.evidence import SCALE, Cell, Evidence, evidence_groups
from pilot_to_prod.evidence.confidence import Difference, aurc, benjamini_hochberg, risk_coverage
from pilot_to_prod.evidence.statistics import Drop
from pilot_to_prod.gates import Judged
from pilot_to_prod.spec import OF_CONFIDENCE, Spec, safe

LISTED = 0.05  # false discovery rate at which losses are listed; a list never decides
LEAST_LOSS = 0.02  # a loss that is listed is beyond this
_CHUNK = 50_000_000  # numbers held at once for the table of scenarios and slices


def rounded(x: float | None) -> float | None:
    "Six digits; None where there is no number."
    return None if x is None or not isfinite(x) else round(float(x), 6)


def point(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": rounded(value), "low": rounded(low), "high": rounded(high)}


def main_metric(task: str) -> str:
    "What curves and slices are drawn of."
    return "mae" if task == "regression" else "accuracy"


def curves(evidence: Evidence, gates: Sequence[Judged]) -> list[dict[str, Any]]:
    "One curve a scenario over its severities, seeds together, with the verdict of the promises about it."
    metric = main_metric(evidence.task)
    clean = evidence.estimate(metric).estimate
    out: dict[str, dict[str, Any]] = {}
    assert clean is not None
    start = {"severity": 0.0, **point(clean.value, *clean.interval())}
    for (name, severity), cells in evidence_groups(evidence).items():
        cell, found = evidence.cells[cells[0]], evidence.estimate(metric, cells=cells).estimate
        if found is None:
            continue
        curve = out.setdefault(name, _empty_curve(cell, metric, start))
        curve["exercised"] = curve["exercised"] or cell.exercised
        changed = int(sum(evidence.touched[i].sum() for i in cells) / len(cells))
        curve["points"].append({"severity": severity, **point(found.value, *found.interval()), "changed": changed})
    about: dict[str, list[tuple[Judged, Any]]] = {}
    for g in gates:
        for c in g.cells:
            about.setdefault(c.scenario, []).append((g, c))
    for curve in out.values():
        curve |= _promised(curve, about.get(curve["scenario"], []))
    return list(out.values())


def _empty_curve(cell: Cell, metric: str, start: dict[str, Any]) -> dict[str, Any]:
    named = {"scenario": cell.scenario, "kind": cell.kind, "family": cell.family, "expect": cell.expect, "params": cell.spec}
    return {**named, "metric": metric, "exercised": False, "points": [start]}


def _promised(curve: dict[str, Any], about: Sequence[tuple[Judged, Any]]) -> dict[str, Any]:
    "The worst verdict about a scenario, its limit where it is one of the drawn metric, and where it breaks: declared severities only."
    drawn = (g.promise.limit for g, _ in about if g.promise.metric == curve["metric"] and g.promise.of == "value")
    limit = next(drawn, None)
    if not curve["exercised"]:
        return {"verdict": "not exercised", "limit": limit, "breaks": None}
    said = [c.verdict.value for _, c in about]
    verdict = next((v for v in ("fails", "undecided", "passes") if v in said), "no promise")
    at: dict[float, list[str]] = {}
    for _, c in about:
        at.setdefault(c.severity, []).append(c.verdict.value)
    kept = [all(v == "passes" for v in at[s]) for s in sorted(at)]
    run = kept.index(False) if False in kept else len(kept)
    failing = [s for s in sorted(at) if "fails" in at[s]]
    breaks = [sorted(at)[run - 1] if run else None, failing[0] if failing else None] if at else None
    return {"verdict": verdict, "limit": limit, "breaks": breaks}


def slices(evidence: Evidence) -> list[dict[str, Any]]:
    "Clean performance of every slice, worst first."
    metric, out = main_metric(evidence.task), []
    for name in evidence.slices:
        found = evidence.estimate(metric, slice=name).estimate
        if found is not None:
            out.append({"slice": name, "n": found.n, "metric": metric, **point(found.value, *found.interval())})
    return sorted(out, key=lambda r: (-r["value"] if metric == "mae" else r["value"], r["slice"]))


def performance(evidence: Evidence, spec: Spec) -> list[dict[str, Any]]:
    "Headline numbers on clean rows."
    each = [("recall", x) for x in evidence.labels] if len(evidence.labels) <= 12 else []
    sure = [("ece", None)] if (evidence.clean_score >= 0).any() else []
    classes: list[tuple[str, str | None]] = [("accuracy", None), ("macro_f1", None), *each, *sure]
    out = []
    for metric, label in [("mae", None), ("rmse", None)] if evidence.task == "regression" else classes:
        found = evidence.estimate(metric, label=label).estimate
        if found is not None:
            out.append({"metric": metric, "label": label, "n": found.n, **point(found.value, *found.interval())})
    if spec.costs:
        mean = {"n": len(evidence), "value": rounded(_cost(evidence, spec)), "low": None, "high": None}
        out.append({"metric": "mean cost", "label": None, **mean})
    return out


def _cost(evidence: Evidence, spec: Spec) -> float:
    "Mean cost a row by the promise's table of mistakes, on clean rows; described, not judged."
    names = [*evidence.labels, "(fault)", "(abstained)"]
    table = np.array([[spec.costs.get(f"{t} -> {a}", 0.0) for a in names] for t in names])
    return float(table[evidence.truth.astype(int), evidence.clean.astype(int)].sum() / len(evidence))


def faults(evidence: Evidence) -> list[dict[str, Any]]:
    "Errors by scenario and kind; messages are the pilot's own words, so they stay out of the hashed part."
    if not len(evidence.faults):
        return []
    grouped = evidence.faults.groupby(["scenario", "error"])
    told = grouped.agg(rows=("key", "nunique"), first=("message", "first"), severity=("severity", "min")).reset_index()
    return [
        {
            "scenario": str(r["scenario"]),
            "error": str(r["error"]),
            "rows": int(r["rows"]),
            "from": float(r["severity"]),
            "message": safe(str(r["first"]), 160),
        }
        for r in told.to_dict(orient="records")
    ]


def heat(evidence: Evidence, gates: Sequence[Judged]) -> dict[str, Any]:
    """Scenario x slice: the main metric at one severity, the largest that a promise about the scenario covers, else its middle one.

    `loss` marks classes whose drop is beyond LEAST_LOSS at a false discovery rate of LISTED over the whole table; a list, not a verdict."""
    chosen = _one_severity_each(evidence, gates)
    order = [s["slice"] for s in slices(evidence)]
    names = ["all", *order]
    masks = [evidence.rows(n) for n in names]
    table = _Table.of(evidence, [cells for _, cells in chosen], masks)
    marked = table.losses()
    rows = []
    for i, (cell, _) in enumerate(chosen):
        named = {"scenario": cell.scenario, "family": cell.family, "severity": cell.severity}
        values = [rounded(v) for v in table.value[i]]
        rows.append({**named, "values": values, "loss": [int(j) for j in np.flatnonzero(marked[i])]})
    clean = [rounded(v) for v in table.clean]
    metric = main_metric(evidence.task)
    return {
        "metric": metric,
        "slices": names,
        "clean": clean,
        "rows": rows,
        "least_loss": LEAST_LOSS,
        "listed_at": LISTED,
    }


def _one_severity_each(evidence: Evidence, gates: Sequence[Judged]) -> list[tuple[Cell, list[int]]]:
    promised: dict[str, float] = {}
    for g in gates:
        for c in g.cells:
            promised[c.scenario] = max(promised.get(c.scenario, 0.0), c.severity)
    by: dict[str, dict[float, list[int]]] = {}
    for (name, severity), cells in evidence_groups(evidence).items():
        if evidence.cells[cells[0]].exercised:
            by.setdefault(name, {})[severity] = cells
    out = []
    for name, at in by.items():
        levels = sorted(at)
        severity = promised[name] if promised.get(name) in at else levels[len(levels) // 2]
        out.append((evidence.cells[at[severity][0]], at[severity]))
    return sorted(out, key=lambda x: (x[0].family, x[0].scenario))


class _Table:
    "Sums over slices of what was right, lost, gained and touched, a row a scenario."

    def __init__(self, right: np.ndarray, lost: np.ndarray, gained: np.ndarray, touched: np.ndarray, counts: Any) -> None:
        n, was, self.rows = counts  # rows there a scenario and slice; clean sums and rows a slice
        with np.errstate(invalid="ignore", divide="ignore"):
            self.value, self.clean = right / n, was / self.rows
        self.lost, self.gained, self.touched, self.n = lost, gained, touched, n

    @classmethod
    def of(cls, evidence: Evidence, groups: Sequence[list[int]], masks: Sequence[np.ndarray]) -> "_Table":
        clean = _quality(evidence, evidence.clean, evidence.truth)
        sums = np.zeros((5, len(groups), len(masks)))
        most = max(1, _CHUNK // max(5 * len(evidence), 1))
        for start in range(0, len(groups), most):
            parts = [_vectors(evidence, cells, clean) for cells in groups[start : start + most]]
            stacked = np.stack(parts, axis=1) if parts else np.zeros((5, 0, len(evidence)))
            for j, mask in enumerate(masks):
                sums[:, start : start + len(parts), j] = stacked[:, :, mask].sum(axis=2)
        was = np.array([clean[m].sum() for m in masks])
        rows = np.array([m.sum() for m in masks])
        lost, gained = (sums[1], sums[2]) if evidence.task != "regression" else (np.zeros_like(sums[1]),) * 2
        return cls(sums[0], lost, gained, sums[3], (sums[4], was, rows))

    def losses(self) -> np.ndarray:
        "Which drops are beyond LEAST_LOSS, by Tango's score test and Benjamini and Hochberg's step-up; where 30 rows were touched."
        shape = self.lost.shape
        p = np.full(shape, np.nan)
        for i, j in zip(*np.nonzero((self.touched >= 30) & (self.lost > self.gained) & (self.n == self.rows)), strict=True):
            p[i, j] = Drop(self.lost[i, j], self.gained[i, j], int(self.n[i, j])).p_fail(LEAST_LOSS, False)
        p[np.isnan(p) & (self.touched >= 30)] = 1.0
        tried = ~np.isnan(p)
        out = np.zeros(shape, bool)
        if tried.any():
            out[tried] = benjamini_hochberg(p[tried]) <= LISTED
        return out


def _quality(evidence: Evidence, answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    "1 a right answer; for regression the absolute error, that of no answer the largest."
    if evidence.task != "regression":
        right: np.ndarray = (answers == truth).astype(np.float32)
        return right
    errors = np.abs(answers - truth)
    return np.where(np.isfinite(errors), errors, np.nanmax(np.where(np.isfinite(errors), errors, np.nan), initial=0.0))


def _vectors(evidence: Evidence, cells: Sequence[int], clean: np.ndarray) -> np.ndarray:
    "Right, lost, gained, touched and there, averaged over seeds, shape (5, rows)."
    out = np.zeros((5, len(evidence)), np.float32)
    truth = evidence.truth_of(cells)
    for k, i in enumerate(cells):
        answers = evidence.answers[i]
        there = np.isfinite(answers) | np.isnan(answers) if evidence.task == "regression" else answers != -3
        now = np.where(there, _quality(evidence, answers, truth if truth.ndim == 1 else truth[:, k]), 0)
        out += np.stack([now, clean * (1 - now), (1 - clean) * now, evidence.touched[i], there]).astype(np.float32)
    return out / len(cells)


def fairness(evidence: Evidence, spec: Spec) -> list[dict[str, Any]]:
    "What was found in each group of each protected column, and the widest gap; described, since the widest is selected."
    columns = dict.fromkeys([*spec.protected, *(g.between for g in spec.gates if g.between)])
    out = []
    for column in columns:
        groups = [g for g in evidence.groups_of(column) if evidence.rows(g).any()]
        for metric, label in _of_groups(spec, evidence):
            found = [(g, evidence.estimate(metric, slice=g, label=label).estimate) for g in groups]
            rows = [
                {"group": g.partition("=")[2], "n": e.n, **point(e.value, *e.interval())} for g, e in found if e is not None
            ]
            out.append({"column": column, "metric": metric, "label": label, "groups": rows, "widest": _widest(found)})
    return out


def _of_groups(spec: Spec, evidence: Evidence) -> list[tuple[str, str | None]]:
    if spec.task == "regression":
        return [("mae", None)]
    if spec.task == "binary" and spec.data.positive in evidence.labels:
        return [("accuracy", None), ("recall", spec.data.positive), ("selected", spec.data.positive)]
    return [("accuracy", None)]


def _widest(found: Sequence[tuple[str, Any]]) -> dict[str, Any] | None:
    known = sorted(((e.value, g, e) for g, e in found if e is not None), key=lambda x: (x[0], x[1]))
    if len(known) < 2:
        return None
    (low, least, a), (high, most, b) = known[0], known[-1]
    made = {"value": rounded(high - low), "between": [least.partition("=")[2], most.partition("=")[2]]}
    if hasattr(a, "hits") and hasattr(b, "hits"):
        lower, upper = Difference(a.hits, a.n, b.hits, b.n).interval()
        made |= {"low": rounded(lower), "high": rounded(upper)}
    return made


def selective(evidence: Evidence, spec: Spec) -> dict[str, Any] | None:
    "What handing unsure answers to people would buy: errors among those that are kept, by the share that is kept. None without confidence."
    said = (evidence.clean >= 0) & (evidence.clean_score >= 0) if evidence.task != "regression" else np.zeros(0, bool)
    if not said.any():
        return None
    sure, right = evidence.clean_score[said] / SCALE, (evidence.clean == evidence.truth)[said].astype(float)
    table = risk_coverage(sure, right, points=20)
    asked = sorted({g.confidence for g in spec.gates if g.metric in OF_CONFIDENCE and g.confidence is not None})
    return {
        "answered": rounded(float(said.mean())),
        "aurc": rounded(aurc(sure, right)),
        "excess_aurc": rounded(aurc(sure, right, excess=True)),
        "promised_at": asked,
        "points": [{k: rounded(v) for k, v in r.items()} for r in table.to_dict(orient="records")],
    }


_TROUBLES = {"dependency_late": "late", "dependency_stale": "stale", "stale_feature": "stale", "dependency_absent": "absent"}


def dependencies(evidence: Evidence, spec: Spec) -> list[dict[str, Any]]:
    "Each dependency with its owner and state; of a technical one, what replay found when it was late, stale or absent."
    metric = main_metric(evidence.task)
    clean = evidence.estimate(metric).estimate
    out = []
    for d in spec.dependencies:
        found = []
        for (_, severity), cells in evidence_groups(evidence).items():
            cell = evidence.cells[cells[0]]
            if cell.kind not in _TROUBLES or cell.spec.get("dependency") != d.name:
                continue
            now, answered = (evidence.estimate(m, cells=cells).estimate for m in (metric, "answered"))
            if now is None or answered is None or clean is None or not cell.exercised:
                continue
            what = {"trouble": _TROUBLES[cell.kind], "scenario": cell.scenario, "severity": severity, "metric": metric}
            found.append({**what, "clean": rounded(clean.value), **point(now.value, *now.interval())})
            found[-1]["answered"] = rounded(answered.value)
        worst = {t: max((f for f in found if f["trouble"] == t), key=lambda f: f["severity"]) for t in {f["trouble"] for f in found}}
        said = {"name": d.name, "kind": d.kind, "owner": d.owner, "state": d.state, "columns": list(d.columns)}
        out.append({**said, "found": [worst[t] for t in ("late", "stale", "absent") if t in worst]})
    return out
