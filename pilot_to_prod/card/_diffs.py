"""HTML, Markdown, JUnit, text, a sheet and annotations of what changed between two cards, from its document alone."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pilot_to_prod.card._annotations import Note, _line, places
from pilot_to_prod.card._csv import table
from pilot_to_prod.card._escape import md, shown, template, xml
from pilot_to_prod.card._schema import OUTCOMES
from pilot_to_prod.card._terminal import Page, place
from pilot_to_prod.card._words import SIGN, number, scenario_words
from pilot_to_prod.spec import safe

CSS = {"better": "pass", "worse": "fail", "no change beyond chance": "absent", "cannot be compared": "undecided"}
CSS |= {"passes": "pass", "fails": "fail", "undecided": "undecided", "absent": "absent"}
CSS |= {"promote": "pass", "block": "fail", "hold": "undecided"}
WORD = {"worse": "Worse", "better": "Better", "no change beyond chance": "No change beyond chance"}
_METRIC = {"macro_f1": "macro-F1", "mae": "mean absolute error", "rmse": "root mean squared error", "ece": "calibration error"}
_KIND = {"promise": "Promises", "clean rows": "Clean rows", "slice": "Slices", "group": "Groups", "scenario": "Scenarios"}


def metric_words(line: Mapping[str, Any]) -> str:
    "Recall of late, a drop of accuracy."
    said = _METRIC.get(line["metric"], line["metric"].replace("_", " ")) + (
        f" of {line['label']}" if line["label"] is not None else ""
    )
    return said if line["of"] == "value" else f"{line['of']} of {said}"


def line_words(line: Mapping[str, Any]) -> str:
    "What a number is about: accuracy, channel=phone; accuracy with typos at 0.3."
    if line["kind"] == "promise":
        where = place({**line, "scenario": line["scenario"] or "clean"})
        return f"{line['name']}{': ' + where if where else ''}"
    if line["kind"] == "scenario":
        return scenario_words(line["scenario"]) + (f" at {line['severity']:g}" if line["severity"] < 1 else "")
    if line["kind"] == "clean rows":
        return metric_words(line)
    return f"{metric_words(line)}, {line['slice']}"


def change(line: Mapping[str, Any]) -> str:
    "0.91 → 0.87."
    return " → ".join("none" if x is None else number(x["value"], 3) for x in (line["a"], line["b"]))


def between(line: Mapping[str, Any]) -> str:
    "−0.04 (−0.07 to −0.01)."
    d = line["difference"]
    if d is None or d["value"] is None:
        return ""
    value, low, high = (_signed(d[n]) for n in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _signed(x: float | None) -> str:
    return "–" if x is None else f"{'+' if x > 0 else ''}{number(x, 3)}".replace("-", "−")


def told(value: Any) -> str:
    return "none" if value is None else safe(value, 160)


def _numbers(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    "Numbers that differ, the worst first; among equals the largest change first."
    lines = [*(c for g in document["gates"] for c in g["cells"]), *document["lines"]]
    rank = ("worse", "better", "cannot be compared", "no change beyond chance")
    return sorted(lines, key=lambda x: (rank.index(x["outcome"]), x["p"] if x["p"] is not None else 1.0))


def _changed_gates(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [g for g in document["gates"] if g["a"] != g["b"] or g["cells"] or g["promise_changed"]]


def _verdict(state: Mapping[str, Any] | None) -> str:
    return "none" if state is None else str(state["verdict"])


def _view(document: Mapping[str, Any]) -> dict[str, Any]:
    numbers, outcome = _numbers(document), document["outcome"]
    lines = [{**x, "about": line_words(x), "said": change(x), "between": between(x)} for x in numbers]
    gates = sorted(_changed_gates(document), key=lambda g: OUTCOMES.index(g["outcome"]) if g["outcome"] != "worse" else -1)
    return {
        "d": document,
        "a": document["a"],
        "b": document["b"],
        "word": WORD[outcome],
        "outcome": outcome,
        "news": [x for x in lines if x["outcome"] in ("worse", "better")],
        "rest": [x for x in lines if x["outcome"] not in ("worse", "better")],
        "gates": gates,
        "unchanged": len(document["gates"]) - len(gates),
        "kinds": _KIND,
        "verdict": _verdict,
        "told": told,
        "number": number,
        "CSS": CSS,
        "SIGN": SIGN,
    }


def html(document: Mapping[str, Any]) -> str:
    "One self-contained page without script; everything that came from data is escaped."
    page: str = template("_diff.html").render(**_view(document))
    return page


def fragment(document: Mapping[str, Any]) -> str:
    "The page in a frame of its own, for a notebook."
    from html import escape

    look = "width:100%;height:700px;border:1px solid #dfe3ea;border-radius:8px"
    return f'<iframe title="What changed" srcdoc="{escape(html(document), quote=True)}" style="{look}" sandbox></iframe>'


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    made = [f"| {' | '.join(md(v) for v in r)} |" for r in rows]
    return ["", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *made] if made else []


def markdown(document: Mapping[str, Any]) -> str:
    "For a pull request or a job summary."
    v = _view(document)
    a, b = document["a"], document["b"]
    lines = [
        f"# {SIGN[v['outcome']]} {v['word']}: {md(b['title'])}, {a['verdict']} → {b['verdict']}",
        "",
        md(document["sentence"], 600),
    ]
    if document["promise"]:
        lines += ["", "**The promise itself changed: these gates cannot be compared.**"]
        lines += _table(
            ("promise", "what", "before", "now", ""),
            ((p["name"], p["what"], told(p["a"]), told(p["b"]), p["how"]) for p in document["promise"]),
        )
    head = ("number", "before → now", "change (95% interval)", "outcome", "")
    for title, found in (("Beyond chance", v["news"]), ("The rest", v["rest"])):
        if found:
            lines += ["", f"## {title}"]
            lines += _table(
                head, ((x["about"], x["said"], x["between"], f"{SIGN[x['outcome']]} {x['outcome']}", x["why"]) for x in found)
            )
    lines += ["", "## Promises"]
    lines += _table(
        ("promise", "before", "now", "outcome", ""),
        ((g["name"], _verdict(g["a"]), _verdict(g["b"]), f"{SIGN[g['outcome']]} {g['outcome']}", g["why"]) for g in v["gates"]),
    )
    lines += ["", f"{v['unchanged']} promises have the same numbers on both cards."]
    for title, key, names in (
        ("Facts", "facts", ("name", "what", "outcome", "why")),
        ("Sections", "sections", ("name", "a", "b", "outcome")),
    ):
        if document[key]:
            said = [{"a": "before", "b": "now"}.get(n, n) for n in names]
            lines += ["", f"## {title}", *_table(said, ([x[n] for n in names] for x in document[key]))]
    if document["markets"]:
        lines += [
            "",
            "## Markets",
            *_table(
                ("market", "before", "now", "outcome"),
                ([x[n] for n in ("market", "a", "b", "outcome")] for x in document["markets"]),
            ),
        ]
    lines += [
        "",
        f"Compared: {md(document['method']['why'], 300)}. Cards {a['card'][:12]} and {b['card'][:12]}, diff {document['hash'][:12]}.",
        "",
    ]
    return "\n".join(lines)


def junit(document: Mapping[str, Any]) -> str:
    "A suite of promises, a case each, and suites of what else differs: worse beyond chance is a failure, what cannot be compared is skipped."
    from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

    name = xml(document["b"]["pilot"])
    out = JUnitXml(f"card diff {name}")
    suites: dict[str, list[tuple[str, Mapping[str, Any]]]] = {"promises": [(g["name"], g) for g in document["gates"]]}
    for x in document["lines"]:
        suites.setdefault(x["kind"] + "s" if x["kind"] != "clean rows" else x["kind"], []).append((line_words(x), x))
    suites["facts"] = [(f["name"], f) for f in document["facts"]]
    suites["markets"] = [(m["market"], m) for m in document["markets"]]
    for title, items in suites.items():
        if not items:
            continue
        suite = TestSuite(title)
        for called, item in items:
            case = TestCase(xml(called, 200), classname=f"{name}.{title.replace(' ', '_')}", time=0)
            if item["outcome"] == "worse":
                case.result = [Failure(xml(_why(item)), "worse")]
            elif item["outcome"] == "cannot be compared":
                case.result = [Skipped(xml(item["why"]))]
            suite.add_testcase(case)
        out.add_testsuite(suite)
    made = out.tostring()
    return made.decode() if isinstance(made, bytes) else str(made)


def _why(item: Mapping[str, Any]) -> str:
    "What a gate, number, fact or market says of its change."
    if "difference" in item:
        return f"{metric_words(item)} {change(item)}, by {between(item)}"
    if "cells" in item:
        bad = [f"{line_words(c)} {change(c)}" for c in item["cells"] if c["outcome"] == item["outcome"]]
        return "; ".join([f"{_verdict(item['a'])} → {_verdict(item['b'])}", *filter(None, (item["why"],)), *bad[:3]])
    then, now = (x["verdict"] if isinstance(x, dict) else x for x in (item["a"], item["b"]))
    return f"{told(then)} → {told(now)}; {item['why']}"


def notes(document: Mapping[str, Any], pilot: str | Path | None = None) -> list[Note]:
    "An error for what got worse beyond chance, a warning for what cannot be compared and for a promise that changed."
    path = Path(pilot) if pilot is not None else None
    at = places(path) if path is not None else {}
    file = "" if path is None else path.as_posix()
    out = []
    for g in document["gates"]:
        moved = not g["promise_changed"] and _verdict(g["a"]) != _verdict(g["b"])
        if g["outcome"] == "worse" or (g["outcome"] == "cannot be compared" and moved):
            level, word = ("error", "Worse") if g["outcome"] == "worse" else ("warning", "Cannot be compared")
            out.append(Note(level, f"{word}: {safe(g['name'], 120)}", _why(g), file, _line(at, g["name"], g["section"])))
    gone = {g["name"] for g in document["gates"] if g["outcome"] == "worse"}
    for x in [n for n in _numbers(document) if n["outcome"] == "worse" and not (n["kind"] == "promise" and n["name"] in gone)]:
        out += [Note("error", f"Worse: {safe(line_words(x), 120)}", _why(x), file, 1 if at else None)]
    for x in document["facts"]:
        title = f"{x['what'].capitalize()}: {safe(x['name'], 120)}"
        out += [Note("error", title, _why(x), file, _line(at, "", x["section"]))] if x["outcome"] == "worse" else []
    for m in document["markets"]:
        title = f"Worse: market {safe(m['market'], 120)}"
        out += [Note("error", title, _why(m), file, 1 if at else None)] if m["outcome"] == "worse" else []
    for p in document["promise"]:
        said = f"{told(p['what'])}: {told(p['a'])} → {told(p['b'])} ({p['how']})"
        out.append(
            Note("warning", f"The promise changed: {safe(p['name'], 120)}", said, file, _line(at, p["name"], "performance"))
        )
    return out


_SHEET = [
    "kind",
    "name",
    "metric",
    "of",
    "label",
    "slice",
    "scenario",
    "severity",
    "groups",
    "a",
    "b",
    "difference",
    "low",
    "high",
    "p",
    "q",
]
_SHEET += ["outcome", "why"]


def sheet(document: Mapping[str, Any]) -> str:
    "A row a number that differs, and a row a changed part of the promise, gate, fact, section and market."
    rows: list[dict[str, Any]] = [
        {"kind": "the promise", "name": p["name"], "metric": p["what"], **_sides(p), "why": p["how"]}
        for p in document["promise"]
    ]
    rows += [
        {
            "kind": "verdict of a promise",
            "name": g["name"],
            "a": _verdict(g["a"]),
            "b": _verdict(g["b"]),
            "outcome": g["outcome"],
            "why": g["why"],
        }
        for g in _changed_gates(document)
    ]
    for x in _numbers(document):
        rows.append(
            {
                **x,
                **(x["difference"] or {}),
                "difference": x["difference"] and x["difference"]["value"],
                "a": x["a"] and x["a"]["value"],
                "b": x["b"] and x["b"]["value"],
            }
        )
    for f in document["facts"]:
        rows.append(
            {
                "kind": "fact",
                "name": f["name"],
                "metric": f["what"],
                **{n: f[n] and f[n]["value"] for n in "ab"},
                "outcome": f["outcome"],
                "why": f["why"],
            }
        )
    for kind, key, name in (("section", "sections", "name"), ("market", "markets", "market")):
        rows += [{"kind": kind, "name": x[name], **_sides(x), "outcome": x["outcome"], "why": x["why"]} for x in document[key]]
    return table(_SHEET, rows)


def _sides(x: Mapping[str, Any]) -> dict[str, Any]:
    return {n: x[n] for n in "ab"}


def text(document: Mapping[str, Any], width: int | None = None, color: bool = False) -> str:
    "For a terminal."
    v, page = _view(document), Page(width, color)
    a, b = document["a"], document["b"]
    page.say(
        f"{SIGN[v['outcome']]} {v['word'].upper()}  {shown(b['title'], 120)}: {a['verdict']} → {b['verdict']}",
        rest="  ",
        sign=SIGN[v["outcome"]],
        bold=True,
    )
    for name, side in (("before", a), ("now", b)):
        of = f"{shown(side['pilot'], 80)} version {shown(side['version'], 20)}, judged {side['judged_on']} on {side['rows']:,} rows"
        page.say(f"{name}: {of}, card {side['card'][:12]}", "  ")
    page.say()
    page.say(shown(document["sentence"], 600))
    if document["promise"]:
        page.head("The promise itself changed: these gates cannot be compared")
        page.table(
            [
                (
                    "",
                    shown(p["name"], 100),
                    shown(p["what"], 90),
                    f"{shown(told(p['a']), 100)} → {shown(told(p['b']), 100)}",
                    p["how"],
                )
                for p in document["promise"]
            ]
        )
    for title, found in (("Beyond chance", v["news"]), ("The rest", v["rest"])):
        if found:
            page.head(title)
            rows = [
                (SIGN[x["outcome"]], shown(x["about"], 120), x["said"], x["between"], shown(x["why"] or x["outcome"], 120))
                for x in found
            ]
            page.table([("", "number", "before → now", "change (95% interval)", ""), *rows])
    if v["gates"]:
        page.head("Promises")
        page.table(
            [
                (
                    SIGN[g["outcome"]],
                    shown(g["name"], 120),
                    f"{_verdict(g['a'])} → {_verdict(g['b'])}",
                    g["outcome"],
                    shown(g["why"], 160),
                )
                for g in v["gates"]
            ]
        )
    for title, key, name in (("Facts", "facts", "name"), ("Markets", "markets", "market"), ("Sections", "sections", "name")):
        if document[key]:
            page.head(title)
            page.table([(SIGN[x["outcome"]], shown(x[name], 100), *_moved(x), shown(x["why"], 120)) for x in document[key]])
    page.say()
    rubric = document["rubric"]
    page.say(f"ML Test Score {rubric['a']:g} → {rubric['b']:g}. {v['unchanged']} promises have the same numbers on both cards.")
    others = [h["name"] for h in document["hashes"] if not h["same"]]
    page.say(
        f"Other {', '.join(shown(n, 60) for n in others)} than before."
        if others
        else "Everything that the cards were made from is the same."
    )
    for note in document["notes"]:
        page.say(shown(note, 300), "  – ")
    page.say(f"Compared: {document['method']['why']}.", "  – ")
    return page.text()


def _moved(x: Mapping[str, Any]) -> tuple[str, str]:
    "What a fact, market or section was and is, and its outcome."
    sides = [s["verdict"] if isinstance(s, dict) else "none" if s is None else str(s) for s in (x["a"], x["b"])]
    said = f"{x['what']}: " if "what" in x else ""
    return said + " → ".join(sides), x["outcome"]
