"""Cards and their differences as a sheet. Text that a spreadsheet would compute is made text."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from pilot_to_prod.card._escape import cell

_CARD = [
    "kind",
    "section",
    "name",
    "metric",
    "of",
    "label",
    "slice",
    "scenario",
    "severity",
    "groups",
    "value",
    "low",
    "high",
    "n",
]
_CARD += ["limit", "at_least", "verdict", "reason"]


def table(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    "RFC 4180, UTF-8; nothing for what is not there."
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        values = (row.get(c) for c in columns)
        writer.writerow([cell(" and ".join(map(str, v)) if isinstance(v, list | tuple) else v) for v in values])
    return out.getvalue()


def of_card(document: dict[str, Any]) -> str:
    "A row a cell of each promise, a headline number, a slice, a point of a curve, and a fact."
    content, timing = document["content"], document["timing"]
    rows: list[dict[str, Any]] = []
    for g in [*content["gates"], *timing["gates"]]:
        named = {k: g[k] for k in ("section", "name", "metric", "of", "label", "slice", "limit", "at_least")}
        cells = g["cells"] or [{"verdict": g["verdict"], "reason": g["reason"]}]
        rows += [{"kind": "promise", **named, **c} for c in cells]
    rows += [{"kind": "clean rows", "name": m["metric"], **m} for m in content["performance"]]
    rows += [{"kind": "slice", "name": s["slice"], **s} for s in content["slices"]]
    for c in content["curves"]:
        rows += [
            {"kind": "scenario", "name": c["scenario"], "metric": c["metric"], "scenario": c["scenario"], **p}
            for p in c["points"]
        ]
    rows += [{"kind": "fact", **f, "reason": f["source"]} for f in content["facts"]]
    return table(_CARD, rows)
