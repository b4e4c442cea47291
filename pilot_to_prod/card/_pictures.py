"""Coordinates of the card's pictures, and the table of scenarios and slices. Text goes through the template, which escapes it."""

import unicodedata
from collections.abc import Sequence
from math import ceil
from typing import Any

from markupsafe import Markup

from pilot_to_prod.card._words import first_upper, number, scenario_words
from pilot_to_prod.spec import RUBRIC, safe

CELLS = 4000  # the most that the table of scenarios and slices draws
ROWS = 200  # the most rows of a table of slices or markets
GROUPS = 24  # the most that a list of groups draws
RUNS = 24  # the most that the trend draws
NODES = 12  # the most that the map of dependencies draws
_LEVELS = 9  # shades of a loss


def whisker(cell: dict[str, Any], limit: float | None, css: str, span: tuple[float, float] | None = None) -> dict[str, Any]:
    "An interval with its limit in a picture of 200 x 22."
    values = [v for v in (cell["low"], cell["high"], cell["value"], limit) if v is not None]
    low, high = span or ((0.0, 1.0) if all(0 <= v <= 1 for v in values) else (min(values), max(values)))
    width = (high - low) or 1.0

    def x(v: float | None) -> str:
        return f"{8 + 184 * ((v if v is not None else low) - low) / width:.1f}"

    return {
        "a": x(cell["value"] if cell["low"] is None else cell["low"]),
        "b": x(cell["value"] if cell["high"] is None else cell["high"]),
        "m": x(cell["value"]),
        "limit": None if limit is None else x(limit),
        "css": css,
    }


def curve(one: dict[str, Any], css: str) -> dict[str, Any]:
    "A curve over severity in a picture of 250 x 150."
    points = one["points"]
    scale = 1.0 if one["metric"] != "mae" else max(p["high"] or p["value"] for p in points) * 1.1 or 1.0
    xs = [p["severity"] for p in points]
    top = max(xs) or 1.0

    def x(v: float) -> float:
        return 34 + 208 * v / top

    def y(v: float) -> float:
        return 128 - 120 * min(max(v / scale, 0), 1)

    line = " ".join(f"{x(p['severity']):.1f},{y(p['value']):.1f}" for p in points)
    known = [p for p in points if p["low"] is not None and p["high"] is not None]
    band = [f"{x(p['severity']):.1f},{y(p['high']):.1f}" for p in known] + [
        f"{x(p['severity']):.1f},{y(p['low']):.1f}" for p in reversed(known)
    ]
    ticks = [(f"{y(t * scale):.1f}", number(t * scale, 1)) for t in (0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    last = points[-1]
    first_failing = (one["breaks"] or [None, None])[1]
    broken = next((p for p in points if p["severity"] == first_failing), None)
    return {
        "title": first_upper(scenario_words(one["scenario"])),
        "line": Markup(line),
        "band": Markup(" ".join(band)),
        "ticks": ticks,
        "xticks": [(f"{x(v):.1f}", f"{v:g}") for v in xs],
        "limit_y": None if one["limit"] is None else f"{y(one['limit']):.1f}",
        "broken": None if broken is None else (f"{x(broken['severity']):.1f}", f"{y(broken['value']):.1f}"),
        "said": f"{number(points[0]['value'])} when clean, {number(last['value'])} at {last['severity']:g}",
        "breaks": breaks_words(one),
        "css": css,
    }


def breaks_words(one: dict[str, Any]) -> str:
    "Where a promise about it breaks: at the severities that were replayed, none in between."
    if one["breaks"] is None:
        return ""
    kept, broken = one["breaks"]
    if kept is None and broken is None:
        return "not settled at any severity"
    if broken is None:
        settled = one["verdict"] == "passes"
        return f"kept up to {kept:g}" + ("" if settled else ", not settled beyond")
    return f"broken from {broken:g}" if kept is None else f"kept up to {kept:g}, broken from {broken:g}"


# ---- scenarios x slices


def heat(table: dict[str, Any], name_of: dict[str, str]) -> dict[str, Any]:
    "The main metric, a row a scenario and a column a slice; the cells are ready markup, made of numbers alone."
    rows, names, clean = table["rows"], table["slices"], table["clean"]
    most = max(2, CELLS // max(len(rows), 1))
    shown = min(len(names), most)
    lower = table["metric"] in ("mae", "rmse")

    def level(value: float, was: float) -> int:
        lost = (value - was) / (was or 1.0) if lower else was - value
        return min(max(ceil(lost / (1.0 if lower else 0.4) * _LEVELS - 1e-9), 0), _LEVELS)

    def cell(value: float | None, was: float | None, listed: bool) -> str:
        if value is None or was is None:
            return "<td>–"
        shade = level(value, was)
        mark = "<b>•<i>loss beyond chance</i></b>" if listed else ""
        return f"<td{f' class=h{shade}' if shade else ''}>{number(value)}{mark}"

    def row(r: dict[str, Any]) -> dict[str, Any]:
        listed = set(r["loss"])
        made = (cell(v, was, j in listed) for j, (v, was) in enumerate(zip(r["values"][:shown], clean, strict=False)))
        return {"name": first_upper(scenario_words(r["scenario"])), "at": f"{r['severity']:g}", "cells": Markup("".join(made))}

    return {
        "rows": [row(r) for r in rows],
        "slices": [n.replace("=", ": ", 1) for n in names[:shown]],
        "clean": Markup("".join("<td>" + number(v) for v in clean[:shown])),
        "metric": name_of.get(table["metric"], table["metric"]),
        "left_out": len(names) - shown,
        "listed": sum(len(r["loss"]) for r in rows),
        "unseen": sum(j >= shown for r in rows for j in r["loss"]),
        "least": f"{100 * table['least_loss']:g} points",
        "rate": f"{table['listed_at']:.0%}",
        "lower": lower,
    }


# ---- text in pictures


def wrapped(text: str, width: int, lines: int) -> list[str]:
    "Text in so many lines of so many columns; what does not fit ends in an ellipsis. Wide characters count double."
    out, line, used = [], "", 0
    for word in safe(text, 400).split():
        size = _columns(word)
        if line and used + 1 + size > width:
            out.append(line)
            line, used = "", 0
        while size > width:  # a word longer than a line
            head = _head(word, width)
            out.append(head)
            word = word[len(head) :]
            size = _columns(word)
        line, used = (f"{line} {word}", used + 1 + size) if line else (word, size)
    out = [*out, line] if line else out
    if len(out) > lines:
        out = [*out[: lines - 1], _head(out[lines - 1], width - 1) + "…"]
    return out


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _head(text: str, width: int) -> str:
    used = 0
    for i, c in enumerate(text):
        used += _columns(c)
        if used > width:
            return text[: max(i, 1)]
    return text


# ---- dependencies

_KINDS = ("technical", "human", "legal", "procedural")
_STATE = {"ready": ("pass", "✓"), "agreed": ("pass", "✓"), "open": ("undecided", "?"), "missing": ("absent", "–")}


def dependency_map(dependencies: Sequence[dict[str, Any]], title: str) -> dict[str, Any] | None:
    "A trunk from the pilot to each dependency, grouped by kind, in a picture 360 wide; None where there is nothing or too much to draw."
    if not 0 < len(dependencies) <= NODES:
        return None
    root = wrapped(title, 38, 2)
    y = 16.0 + 17 * len(root)
    top, kinds, nodes = y, [], []
    for kind in (*_KINDS, *sorted({d["kind"] for d in dependencies} - set(_KINDS))):
        group = [d for d in dependencies if d["kind"] == kind]
        if not group:
            continue
        y += 26
        kinds.append({"name": kind.capitalize(), "y": f"{y:g}"})
        y += 9
        for d in group:
            nodes.append(_node(d, y))
            y += nodes[-1]["height"] + 9
    return {"root": root, "root_height": f"{top - 2:g}", "top": f"{top:g}", "kinds": kinds, "nodes": nodes, "height": f"{y:g}"}


def _node(d: dict[str, Any], y: float) -> dict[str, Any]:
    css, sign = _STATE.get(d["state"], ("absent", "–"))
    lines: list[tuple[str, str, float]] = []
    at = y + 3
    for text in wrapped(d["name"], 37, 2):
        at += 17
        lines.append(("name", text, at))
    at += 16
    lines.append(("owner " + css, f"{sign} {d['state']}", at))
    for text in wrapped(f"owner: {d['owner'] or 'nobody yet'}", 44, 2):
        at += 15
        lines.append(("owner", text, at))
    for found in d["found"]:
        for text in wrapped(found_words(found), 48, 2):
            at += 15
            lines.append(("owner found", text, at))
    height = at + 9 - y
    middle = y + height / 2
    return {
        "css": css,
        "sign": sign,
        "y": f"{y:g}",
        "height": height,
        "middle": f"{middle:g}",
        "sign_y": f"{middle + 4.2:g}",
        "lines": [(c, t, f"{v:g}") for c, t, v in lines],
        "dashed": d["state"] not in ("ready", "agreed"),
    }


_METRIC = {"accuracy": "accuracy", "mae": "mean error"}


def found_words(found: dict[str, Any]) -> str:
    "When absent: accuracy 0.47 instead of 0.67, 70% answered."
    metric = _METRIC.get(found["metric"], found["metric"])
    return (
        f"when {found['trouble']}: {metric} {number(found['value'])} instead of {number(found['clean'])}, "
        f"{found['answered']:.0%} answered"
    )


# ---- risk and coverage


def selective(found: dict[str, Any] | None) -> dict[str, Any] | None:
    "Errors left among the surest answers, by the share that is kept, in a picture of 360 x 200."
    points = [p for p in (found or {}).get("points", []) if p["risk"] is not None]
    if not found or not points:
        return None
    high = max(p["high"] if p["high"] is not None else p["risk"] for p in points)
    top = next((t for t in (0.08, 0.2, 0.4, 0.6, 0.8) if high <= t), 1.0)

    def x(v: float) -> str:
        return f"{40 + 300 * v:.1f}"

    def y(v: float) -> str:
        return f"{168 - 154 * min(v / top, 1):.1f}"

    known = [p for p in points if p["low"] is not None and p["high"] is not None]
    band = [f"{x(p['coverage'])},{y(p['high'])}" for p in known] + [
        f"{x(p['coverage'])},{y(p['low'])}" for p in reversed(known)
    ]
    every = points[-1]
    promised = []
    for confidence in found["promised_at"]:
        kept = [p for p in points if p["confidence"] is not None and p["confidence"] >= confidence]
        at = kept[-1] if kept else None
        said = f"about {at['coverage']:.0%} answered, {at['risk']:.0%} of them wrong" if at else "hardly anything is answered"
        promised.append({"confidence": f"{confidence:g}", "x": x(at["coverage"] if at else 0), "said": said})
    return {
        "line": Markup(" ".join(f"{x(p['coverage'])},{y(p['risk'])}" for p in points)),
        "band": Markup(" ".join(band)),
        "ticks": [(y(top * k / 4), f"{top * k / 4:.0%}") for k in range(5)],
        "xticks": [(x(k / 4), f"{k / 4:.0%}") for k in range(5)],
        "promised": promised,
        "said": _selective_words(points, every),
        "answered": None if found["answered"] is None or found["answered"] > 0.9995 else f"{found['answered']:.0%}",
        "n": int(every["n"]),
        "points": [(f"{p['coverage']:.0%}", f"{p['risk']:.1%}", number(p["confidence"])) for p in points],
    }


def _selective_words(points: Sequence[dict[str, Any]], every: dict[str, Any]) -> str:
    at = min(points, key=lambda p: abs(p["coverage"] - 0.8))
    share, left, all_ = f"{at['coverage']:.0%}", f"{at['risk']:.0%}", f"{every['risk']:.0%}"
    if at["risk"] < every["risk"] and left != all_:
        return f"Answering only the surest {share} would leave {left} errors instead of {all_}."
    return f"Answering only the surest {share} would leave {left} errors, as many as answering everything: handing over by confidence buys little here."


# ---- groups


def fairness(found: Sequence[dict[str, Any]], name_of: dict[str, str]) -> list[dict[str, Any]]:
    "What each group gets, lowest first, all of one column and metric on one scale."
    out = []
    for f in found:
        groups = sorted((g for g in f["groups"] if g["value"] is not None), key=lambda g: (g["value"], g["group"]))
        half = GROUPS // 2
        drawn = groups if len(groups) <= GROUPS else [*groups[:half], *groups[-half:]]
        ends = [v for g in drawn for v in (g["low"], g["high"], g["value"]) if v is not None]
        whole = all(0 <= v <= 1 for v in ends)
        span = (0.0, 1.0) if whole else (min(0.0, *ends), max(ends))
        label = "" if f["label"] is None else f" {f['label']}" if f["metric"] == "selected" else f" of {f['label']}"
        out.append(
            {
                "column": f["column"].replace("_", " "),
                "metric": name_of.get(f["metric"], f["metric"]) + label,
                "groups": [g | {"whisker": whisker(g, None, "absent", span)} for g in drawn],
                "left_out": len(groups) - len(drawn),
                "gap": _gap_words(f["widest"]),
            }
        )
    return out


def _gap_words(widest: dict[str, Any] | None) -> str:
    if widest is None:
        return "Fewer than two groups have rows to compare."
    span = f" ({number(widest['low'])} to {number(widest['high'])})" if widest.get("low") is not None else ""
    a, b = (safe(str(x), 80) for x in widest["between"])
    return (
        f"Widest gap {number(widest['value'])}{span} between {a} and {b}; described, since the widest of several is selected."
    )


# ---- runs before this one


def trend(past: Sequence[dict[str, Any]], now: dict[str, Any]) -> dict[str, Any] | None:
    "The main metric of the last runs and of this one, in a picture of 360 x 190; None without a run before. A run of another metric has no point."
    if not past:
        return None
    runs = [*past, now][-RUNS:]
    drawn = [i for i, r in enumerate(runs) if r["metric"] == now["metric"] and r["value"] is not None]
    ends = [v for i in drawn for v in (runs[i]["low"], runs[i]["high"], runs[i]["value"]) if v is not None]
    low, high = (0.0, 1.0) if all(0 <= v <= 1 for v in ends) else (min(0.0, *ends), max(ends))

    def x(i: int) -> float:
        return 54 + 286 * i / (len(runs) - 1)

    def y(v: float) -> str:
        return f"{160 - 146 * (v - low) / ((high - low) or 1):.1f}"

    known = [i for i in drawn if runs[i]["low"] is not None and runs[i]["high"] is not None]
    band = [f"{x(i):.1f},{y(runs[i]['high'])}" for i in known] + [f"{x(i):.1f},{y(runs[i]['low'])}" for i in reversed(known)]
    step = max(1, ceil(len(runs) / 3))
    labelled = [i for i in range(len(runs)) if (len(runs) - 1 - i) % step == 0]
    return {
        "runs": runs,
        "line": Markup(" ".join(f"{x(i):.1f},{y(runs[i]['value'])}" for i in drawn)),
        "band": Markup(" ".join(band)),
        "marks": [{"x": f"{x(i):.1f}", "y": y(runs[i]["value"]), "verdict": runs[i]["verdict"]} for i in drawn],
        "ticks": [(y(low + (high - low) * k / 4), number(low + (high - low) * k / 4)) for k in range(5)],
        "xticks": [(f"{x(i):.1f}", str(runs[i]["at"])[:10]) for i in labelled],
        "left_out": len(past) + 1 - len(runs),
        "other": len(runs) - len(drawn),
    }


# ---- ML Test Score


def rubric(found: dict[str, Any]) -> dict[str, Any]:
    "Four bars of seven, the lowest marked, and the tests of each."
    bars = [
        {
            "name": name.capitalize(),
            "score": f"{score:g}",
            "width": Markup(f"{100 * min(max(score / 7, 0), 1):.1f}"),
            "lowest": score == found["value"],
        }
        for name, score in ((n, found["sections"][n]) for n in RUBRIC)
    ]
    tests = [t | {"score": f"{t['score']:g}", "section": t["section"].capitalize()} for t in found["tests"]]
    return {"value": f"{found['value']:g}", "band": found["band"], "weakest": found["weakest"], "bars": bars, "tests": tests}
