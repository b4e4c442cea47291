"""Coordinates of the card's pictures, and the table of scenarios and slices. Text goes through the template, which escapes it."""

import unicodedata
from collections.abc import Sequence
from math import ceil
from typing import Any

from markupsafe import Markup

from pilot_to_prod.card._words import number, scenario_words
from pilot_to_prod.spec import safe

CELLS = 4000  # the most that the table of scenarios and slices draws
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
        "title": scenario_words(one["scenario"]).capitalize(),
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
        return {"name": scenario_words(r["scenario"]).capitalize(), "at": f"{r['severity']:g}", "cells": Markup("".join(made))}

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
