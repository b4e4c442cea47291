"""HTML, Markdown and JUnit of a card, from its document alone."""

import difflib
import re
from functools import cache
from importlib import resources
from typing import Any

from markupsafe import Markup

from pilot_to_prod.card._words import language_name, number, scenario_words
from pilot_to_prod.spec import safe

SIGN = {"passes": "✓", "fails": "✗", "undecided": "?", "absent": "–", "no promise": "·", "not exercised": "∅"}
VERDICT = {
    "block": ("✗", "Block", "is not ready for production"),
    "hold": ("?", "Hold", "is not shown to be ready yet"),
    "promote": ("✓", "Promote", "is ready for production"),
}
CSS = {
    "passes": "pass",
    "fails": "fail",
    "undecided": "undecided",
    "absent": "absent",
    "no promise": "absent",
    "not exercised": "absent",
    "block": "fail",
    "hold": "undecided",
    "promote": "pass",
}
_FAMILY = {
    "missing": "Missing data",
    "messy": "Messy data",
    "noise": "Slips and noise",
    "encoding": "Encoding",
    "language": "Other languages",
    "slang": "Slang",
    "ambiguity": "Ambiguity",
    "labels": "Wrong labels",
    "shift": "A shifted world",
    "feed": "Feed",
    "schema": "Schema",
    "legacy": "Old systems",
    "composed": "Combined",
}


def marked(before: str, after: str, limit: int = 300) -> list[tuple[bool, str]]:
    "The text after, in pieces: (was it changed, text)."
    before, after = safe(before, limit), safe(after, limit)
    old, new = re.findall(r"\s+|[^\s]+", before), re.findall(r"\s+|[^\s]+", after)
    out: list[tuple[bool, str]] = []
    for op, _, _, a, b in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        piece = "".join(new[a:b])
        if piece:
            out.append((op != "equal", piece))
    if sum(len(t) for changed, t in out if changed) > 0.8 * max(len(after), 1):
        return [(False, after)]
    return out


def _curve_view(curve: dict[str, Any]) -> dict[str, Any]:
    "A curve with its coordinates in a picture of 250 x 150."
    points = curve["points"]
    scale = 1.0 if curve["metric"] != "mae" else max(p["high"] or p["value"] for p in points) * 1.1 or 1.0
    xs = [p["severity"] for p in points]
    top = max(xs) or 1.0

    def x(v: float) -> float:
        return 34 + 208 * v / top

    def y(v: float) -> float:
        return 128 - 120 * min(max(v / scale, 0), 1)

    line = " ".join(f"{x(p['severity']):.1f},{y(p['value']):.1f}" for p in points)
    band = [f"{x(p['severity']):.1f},{y(p['high']):.1f}" for p in points] + [
        f"{x(p['severity']):.1f},{y(p['low']):.1f}" for p in reversed(points)
    ]
    ticks = [(f"{y(t * scale):.1f}", number(t * scale, 1)) for t in (0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    last = points[-1]
    said = f"{number(points[0]['value'])} when clean, {number(last['value'])} at {last['severity']:g}"
    return curve | {
        "title": scenario_words(curve["scenario"]).capitalize(),
        "line": Markup(line),
        "band": Markup(" ".join(band)),
        "ticks": ticks,
        "xticks": [(f"{x(v):.1f}", f"{v:g}") for v in xs],
        "limit_y": None if curve["limit"] is None else f"{y(curve['limit']):.1f}",
        "said": said,
        "css": CSS[curve["verdict"]],
    }


def _whisker(cell: dict[str, Any], limit: float, css: str) -> dict[str, Any]:
    "An interval with its limit in a picture of 200 x 22."
    values = [v for v in (cell["low"], cell["high"], cell["value"], limit) if v is not None]
    low, high = (0.0, 1.0) if all(0 <= v <= 1 for v in values) else (min(values), max(values))
    span = (high - low) or 1.0

    def x(v: float | None) -> str:
        return f"{8 + 184 * ((v if v is not None else low) - low) / span:.1f}"

    return {"a": x(cell["low"]), "b": x(cell["high"]), "m": x(cell["value"]), "limit": x(limit), "css": css}


def _gate_view(gate: dict[str, Any]) -> dict[str, Any]:
    worst = gate["worst"]
    out = gate | {
        "css": CSS[gate["verdict"]],
        "sign": SIGN[gate["verdict"]],
        "whisker": None,
        "where": "",
        "cells_said": len(gate["cells"]),
    }
    if worst is not None and worst["value"] is not None:
        at = f" at {worst['severity']:g}" if worst["severity"] < 1 else ""
        out["where"] = "" if worst["scenario"] == "clean" else scenario_words(worst["scenario"]) + at
        out["whisker"] = _whisker(worst, gate["limit"], out["css"])
    return out


def _languages(content: dict[str, Any]) -> list[dict[str, Any]]:
    "Each language at the highest severity of its parallel or translated text, worst first."
    found = []
    for curve in content["curves"]:
        if curve["kind"] in ("parallel_text", "translated"):
            last = curve["points"][-1]
            found.append(
                {
                    "name": language_name(str(curve["params"].get("language", "?"))),
                    "css": CSS[curve["verdict"]],
                    "sign": SIGN[curve["verdict"]],
                    "verdict": curve["verdict"],
                    **last,
                    "whisker": _whisker(
                        last, curve["limit"] if curve["limit"] is not None else last["value"], CSS[curve["verdict"]]
                    ),
                }
            )
    return sorted(found, key=lambda f: f["value"])


def _heat(content: dict[str, Any]) -> dict[str, Any]:
    "Share of the clean value kept, scenario x severity."
    curves = [c for c in content["curves"] if c["points"][0]["value"] and c["exercised"]]
    levels = sorted({p["severity"] for c in curves for p in c["points"] if p["severity"] > 0})
    rows: list[dict[str, Any]] = []
    for c in curves:
        at = {p["severity"]: p for p in c["points"]}
        kept = [None if s not in at else at[s]["value"] / c["points"][0]["value"] for s in levels]
        rows.append(
            {
                "name": scenario_words(c["scenario"]).capitalize(),
                "family": _FAMILY.get(c["family"], c["family"]),
                "cells": [(None, "") if k is None else (round(min(max(1 - k, 0), 1), 2), f"{k:.0%}") for k in kept],
                "exercised": c["exercised"],
            }
        )
    return {"levels": [f"{s:g}" for s in levels], "rows": sorted(rows, key=lambda r: (r["family"], r["name"]))}


def _view(document: dict[str, Any]) -> dict[str, Any]:
    content, timing = document["content"], document["timing"]
    sign, word, is_ = VERDICT[timing["verdict"]]
    gates = [_gate_view(g) for g in [*content["gates"], *timing["gates"]]]
    curves = [
        _curve_view(c)
        for c in content["curves"]
        if c["exercised"] and (len(c["points"]) > 2 or c["kind"] not in ("parallel_text", "translated"))
    ]
    idle = sorted({scenario_words(c["scenario"]) for c in content["curves"] if not c["exercised"]})
    rank = {"fails": 0, "undecided": 1, "no promise": 2, "passes": 3, "not exercised": 4}
    families: dict[str, list[Any]] = {}
    for c in sorted(curves, key=lambda c: (rank[c["verdict"]], c["title"])):
        families.setdefault(_FAMILY.get(c["family"], c["family"]), []).append(c)
    examples = [
        e
        | {
            "pieces": marked(str(e["before"]), str(e["after"])),
            "before": safe(str(e["before"]), 300),
            "scenario": scenario_words(e["scenario"]),
            "truth": safe(str(e["truth"]), 60),
            "answer": safe(str(e["answer"]), 60),
        }
        for e in document["shown"]["examples"]
    ]
    sections = [
        s
        | {
            "css": CSS[s["verdict"]],
            "sign": SIGN[s["verdict"]],
            "id": "s-" + s["name"].replace(" ", "-"),
            "facts": [f for f in content["facts"] if f["section"] == s["name"]],
            "gates": [g for g in gates if g["section"] == s["name"]],
        }
        for s in timing["sections"]
    ]
    return {
        "d": document,
        "content": content,
        "timing": timing,
        "pilot": content["pilot"],
        "sign": sign,
        "word": word,
        "is_ready": is_,
        "css": CSS[timing["verdict"]],
        "sections": sections,
        "families": families,
        "gates": gates,
        "examples": examples,
        "languages": _languages(content),
        "idle": idle,
        "heat": _heat(content),
        "reasons": timing["reasons"][:3],
        "further": timing["reasons"][3:],
        "number": number,
        "SIGN": SIGN,
        "CSS": CSS,
        "safe": safe,
        "metric_name": {
            "accuracy": "Accuracy",
            "macro_f1": "Macro-F1",
            "mae": "Mean absolute error",
            "recall": "Recall",
            "mean cost": "Mean cost",
        },
    }


def _harmless(value: Any) -> Any:
    "Whatever the page shows is free of control characters and of bounded length; markup of the page's own stays."
    return safe(value, 300) if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    source = resources.files("pilot_to_prod").joinpath("card/template.html").read_text(encoding="utf-8")
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_harmless)
    return made.from_string(source)


def html(document: dict[str, Any]) -> str:
    "One self-contained page without script; everything that came from data is escaped."
    return _template().render(**_view(document))


def _md(text: Any) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|!~])", r"\\\1", safe(str(text), 200))


def markdown(document: dict[str, Any]) -> str:
    "The card for a pull request or a job summary."
    v = _view(document)
    lines = [f"# {v['sign']} {v['word']}: {_md(v['pilot']['title'])} {v['is_ready']}", "", _md(v["timing"]["sentence"]), ""]
    for r in v["reasons"]:
        lines += [f"- **{_md(r['title'])}**. {_md(r['text'])} *Next: {_md(r['next'])}*"]
    lines += ["", "| section | verdict | |", "|---|---|---|"]
    lines += [f"| {s['name']} | {s['sign']} {s['verdict']} | {_md(s['reason'])} |" for s in v["sections"]]
    lines += ["", "| promise | threshold | worst cell | value | 95% interval | n | verdict |", "|---|---|---|---|---|---|---|"]
    for g in v["gates"]:
        w = g["worst"] or {"value": None, "low": None, "high": None, "n": 0}
        lines.append(
            f"| {_md(g['name'])} | {_md(g['threshold'])} | {_md(g['where'] or g['about'])} | {number(w['value'])} | "
            f"{number(w['low'])} to {number(w['high'])} | {w['n']} | {g['sign']} {g['verdict']} |"
        )
    return "\n".join(
        [*lines, "", f"Evidence {document['content']['hashes']['evidence'][:12]}, card {document['timing_hash'][:12]}.", ""]
    )


def _xml(text: str) -> str:
    return "".join(
        c if c in "\t\n\r" or "\x20" <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000" else "\ufffd"
        for c in text
    )


def junit(document: dict[str, Any]) -> str:
    "JUnit XML: a suite a section, a case a promise or fact; undecided and absent are errors, broken ones failures."
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    v = _view(document)
    out = JUnitXml(f"scorecard {v['pilot']['name']}")
    for s in v["sections"]:
        suite = TestSuite(s["name"])
        for item in [*s["gates"], *s["facts"]]:
            case = TestCase(
                _xml(safe(item["name"], 200)), classname=f"{v['pilot']['name']}.{s['name'].replace(' ', '_')}", time=0
            )
            said = _xml(safe(item.get("reason") or item["verdict"], 300))
            if not item.get("required", True) and item["verdict"] == "absent":
                case.result = [Skipped(_xml(safe(item["source"] or "not asked for", 300)))]
            elif item["verdict"] == "fails":
                case.result = [Failure(said, "broken")]
            elif item["verdict"] != "passes":
                case.result = [Error(said, item["verdict"])]
            suite.add_testcase(case)
        if not suite.tests:
            case = TestCase(f"{s['name']} has facts", classname=f"{v['pilot']['name']}.{s['name'].replace(' ', '_')}", time=0)
            if s["verdict"] != "passes":
                case.result = [Error(s["reason"], s["verdict"])]
            suite.add_testcase(case)
        out.add_testsuite(suite)
    made = out.tostring()
    return made.decode() if isinstance(made, bytes) else str(made)
