"""HTML, Markdown and JUnit of a card, from its document alone."""

import difflib
import re
import unicodedata
from itertools import groupby
from typing import Any

from pilot_to_prod.card import _pictures
from pilot_to_prod.card._escape import md, template, xml
from pilot_to_prod.card._words import SIGN, first_upper, language_name, number, readiness, scenario_words
from pilot_to_prod.spec import safe

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


_SAME_WORD = 0.6  # of its characters; below, another word stands there


def marked(before: str, after: str, limit: int = 300) -> list[tuple[bool, str]]:
    "The text after, in pieces: (was it changed, text). Within a word that is mostly the same, only its changed characters."
    before, after = safe(before, limit), safe(after, limit)
    old, new = re.findall(r"\s+|[^\s]+", before), re.findall(r"\s+|[^\s]+", after)
    out: list[tuple[bool, str]] = []
    changed = 0
    for op, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if op == "equal":
            out.append((False, "".join(new[c:d])))
            continue
        changed += len("".join(new[c:d]))
        pairs = list(zip(old[a:b], new[c:d], strict=True)) if b - a == d - c else [("".join(old[a:b]), "".join(new[c:d]))]
        for was, now in pairs:
            out += _marked_word(was, now)
    if changed > 0.8 * max(len(after), 1) and sum(len(t) for c, t in out if c) > 0.5 * len(after):
        return [(False, after)]
    return [(flag, "".join(t for _, t in run)) for flag, run in groupby((o for o in out if o[1]), key=lambda o: o[0])]


def _marked_word(was: str, now: str) -> list[tuple[bool, str]]:
    if was == now:
        return [(False, now)]
    found = difflib.SequenceMatcher(None, was, now, autojunk=False)
    if len(was) > 60 or len(now) > 60 or found.ratio() < _SAME_WORD:
        return [(True, now)]
    pieces = [(op != "equal", now[c:d]) for op, _, _, c, d in found.get_opcodes() if d > c]
    joined = any(
        unicodedata.category(t[0])[0] == "M" or t[0] == "\u200d" for _, t in pieces
    )  # a mark belongs to the letter before
    return [(True, now)] if joined or not any(c for c, _ in pieces) else pieces


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
        where = [] if worst["scenario"] == "clean" else [scenario_words(worst["scenario"]) + at]
        where += [f"between {' and '.join(safe(str(g), 80) for g in worst['groups'])}"] if worst.get("groups") else []
        out["where"] = ", ".join(where)
        out["whisker"] = _pictures.whisker(worst, gate["limit"], out["css"])
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
                    "whisker": _pictures.whisker(
                        last, curve["limit"] if curve["limit"] is not None else last["value"], CSS[curve["verdict"]]
                    ),
                }
            )
    return sorted(found, key=lambda f: f["value"])


_NOT_SHOWN = "•••"  # stands where the promise does not allow a value to be shown
_METRIC_NAME = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "mae": "Mean absolute error",
    "rmse": "Root mean square error",
    "recall": "Recall",
    "ece": "Calibration error",
    "selected": "Share answered",
    "mean cost": "Mean cost",
}


def _examples(document: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    "Rows that broke: those of which something may be shown, and those of which nothing may."
    shown, hidden = [], []
    relabelling = {c["scenario"] for c in document["content"]["curves"] if c["family"] == "labels"}
    for e in document["shown"]["examples"]:
        before, after = str(e["before"]), str(e["after"])
        made = {k: safe(str(e[k]), 60) for k in ("truth", "answer", "key")} | {
            "scenario": scenario_words(e["scenario"]),
            "severity": f"{e['severity']:g}",
            "relabelled": e["scenario"] in relabelling,
        }
        if _NOT_SHOWN in before and before == after:
            hidden.append(made)
        else:
            shown.append(made | {"pieces": marked(before, after), "before": safe(before, 300)})
    return shown, hidden


def _trend(document: dict[str, Any]) -> dict[str, Any] | None:
    content, made = document["content"], document["made"]
    if not content["performance"]:
        return None
    now = {k: content["performance"][0][k] for k in ("metric", "value", "low", "high")}
    now |= {
        "run": "this run",
        "at": made["on"],
        "verdict": document["timing"]["verdict"],
        "version": content["pilot"]["version"],
    }
    return _pictures.trend(made.get("past", []), now)


def _view(document: dict[str, Any]) -> dict[str, Any]:
    content, timing = document["content"], document["timing"]
    gates = [_gate_view(g) for g in [*content["gates"], *timing["gates"]]]
    curves = [
        c | _pictures.curve(c, CSS[c["verdict"]]) | {"of_family": _FAMILY.get(c["family"], c["family"])}
        for c in content["curves"]
        if c["exercised"] and (len(c["points"]) > 2 or c["kind"] not in ("parallel_text", "translated"))
    ]
    idle = sorted({scenario_words(c["scenario"]) for c in content["curves"] if not c["exercised"]})
    rank = {"fails": 0, "undecided": 1, "no promise": 2, "passes": 3, "not exercised": 4}
    curves = sorted(curves, key=lambda c: (rank[c["verdict"]], c["of_family"], c["title"]))
    shown, hidden = _examples(document)
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
        "sign": SIGN[timing["verdict"]],
        "word": first_upper(timing["verdict"]),
        "readiness": readiness(document),
        "css": CSS[timing["verdict"]],
        "sections": sections,
        "drawn": bool(curves or content["heat"]["rows"]),
        "curves": {
            "promised": [c for c in curves if c["verdict"] != "no promise"],
            "others": [c for c in curves if c["verdict"] == "no promise"],
        },
        "gates": gates,
        "examples": shown,
        "hidden": hidden,
        "languages": _languages(content),
        "idle": idle,
        "heat": _pictures.heat(content["heat"], _METRIC_NAME),
        "map": _pictures.dependency_map(content["dependencies"], content["pilot"]["title"]),
        "found_words": _pictures.found_words,
        "selective": _pictures.selective(content["selective"]),
        "fairness": _pictures.fairness(content["fairness"], _METRIC_NAME),
        "trend": _trend(document),
        "rubric": _pictures.rubric(timing["rubric"]),
        "of": {s["name"]: s for s in sections},
        "first_upper": first_upper,
        "scenario_words": scenario_words,
        "reasons": timing["reasons"][:3],
        "further": timing["reasons"][3:],
        "most": _pictures.ROWS,
        "number": number,
        "SIGN": SIGN,
        "CSS": CSS,
        "safe": safe,
        "metric_name": _METRIC_NAME,
    }


def html(document: dict[str, Any]) -> str:
    "One self-contained page without script; everything that came from data is escaped."
    return template("template.html").render(**_view(document))


def markdown(document: dict[str, Any]) -> str:
    "The card for a pull request or a job summary."
    v = _view(document)
    lines = [f"# {v['sign']} {v['word']}: {md(v['pilot']['title'])}: {v['readiness']}", "", md(v["timing"]["sentence"]), ""]
    for r in v["reasons"]:
        lines += [f"- **{md(r['title'])}**. {md(r['text'])} *Next: {md(r['next'])}*"]
    lines += ["", "| section | verdict | |", "|---|---|---|"]
    lines += [f"| {s['name']} | {s['sign']} {s['verdict']} | {md(s['reason'])} |" for s in v["sections"]]
    lines += ["", "| promise | threshold | worst cell | value | 95% interval | n | verdict |", "|---|---|---|---|---|---|---|"]
    for g in v["gates"]:
        w = g["worst"] or {"value": None, "low": None, "high": None, "n": 0}
        lines.append(
            f"| {md(g['name'])} | {md(g['threshold'])} | {md(g['where'] or g['about'])} | {number(w['value'])} | "
            f"{number(w['low'])} to {number(w['high'])} | {w['n']} | {g['sign']} {g['verdict']} |"
        )
    return "\n".join(
        [*lines, "", f"Evidence {document['content']['hashes']['evidence'][:12]}, card {document['timing_hash'][:12]}.", ""]
    )


def junit(document: dict[str, Any]) -> str:
    "JUnit XML: a suite a section, a case a promise or fact; undecided and absent are errors, broken ones failures."
    from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

    v = _view(document)
    out = JUnitXml(f"scorecard {v['pilot']['name']}")
    for s in v["sections"]:
        suite = TestSuite(s["name"])
        for item in [*s["gates"], *s["facts"]]:
            case = TestCase(xml(item["name"], 200), classname=f"{v['pilot']['name']}.{s['name'].replace(' ', '_')}", time=0)
            said = xml(item.get("reason") or item["verdict"], 300)
            if not item.get("required", True) and item["verdict"] == "absent":
                case.result = [Skipped(xml(item["source"] or "not asked for", 300))]
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
