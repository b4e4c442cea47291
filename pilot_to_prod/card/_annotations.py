"""What a card says of a promise as annotations of a GitHub workflow, each at its line of pilot.yaml."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilot_to_prod.card._terminal import interval, place
from pilot_to_prod.card._words import KEYS, number
from pilot_to_prod.spec import SpecError, safe
from pilot_to_prod.spec._read import line_of, read_yaml

SHOWN = 10  # errors, and as many warnings, that GitHub shows of one step


@dataclass(frozen=True)
class Note:
    "One annotation."

    level: str  # error, warning or notice
    title: str
    says: str
    file: str = ""
    line: int | None = None


def places(
    path: Path,  # of a pilot.yaml
) -> dict[str, int]:  # names of gates, sentences, and top-level keys → line; empty where the file cannot be read
    "Where the parts of a promise stand in its file."
    try:
        tree = read_yaml(path)
    except (SpecError, OSError):
        return {}
    out: dict[str, int] = {}
    for key in tree:
        out[f"key {key}"] = line_of(tree, (key,)) or 1
    for key, name in (("gates", "name"), ("behaviour", "says")):
        entries = tree.get(key)
        for i, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, dict) and entry.get(name) is not None:
                out.setdefault(f"name {entry[name]}", line_of(tree, (key, i)) or 1)
    return out


def _line(lines: Mapping[str, int], name: str, section: str) -> int | None:
    "Of the promise by its name, else of the key that its section is about, else the top of the file."
    if not lines:
        return None
    return lines.get(f"name {name}", lines.get(f"key {KEYS.get(section, '')}", 1))


def of_card(document: dict[str, Any], file: str = "", lines: Mapping[str, int] | None = None) -> list[Note]:
    "An error for each broken promise, a warning for what is undecided or missing."
    content, timing, at = document["content"], document["timing"], lines or {}
    gates, next_ = [*content["gates"], *timing["gates"]], _steps(document)
    out = []
    for g in gates:
        if g["verdict"] == "passes":
            continue
        level = "error" if g["verdict"] == "fails" else "warning"
        title = f"{'Broken' if level == 'error' else 'Undecided'}: {safe(g['name'], 120)}"
        out.append(
            Note(level, title, _found(g) + _next(next_, g["section"], g["name"]), file, _line(at, g["name"], g["section"]))
        )
    for f in content["facts"]:
        if f["required"] and f["verdict"] != "passes":
            title = f"{'Missing' if f['verdict'] == 'absent' else 'Undecided'}: {safe(f['name'], 120)}"
            said = f"{f['section'].capitalize()}: {safe(f['source'], 120) or 'nobody has stated it'}."
            out.append(Note("warning", title, said + _next(next_, f["section"]), file, _line(at, "", f["section"])))
    held = {g["section"] for g in gates} | {f["section"] for f in content["facts"] if f["required"]}
    for s in timing["sections"]:
        if s["verdict"] != "passes" and s["name"] not in held:
            said = f"{s['reason'].capitalize()}." + _next(next_, s["name"])
            out.append(Note("warning", f"Missing: {s['name']}", said, file, _line(at, "", s["name"])))
    return out


def _found(g: dict[str, Any]) -> str:
    w = g["worst"]
    said = f"promised {safe(g['threshold'], 120)}"
    if w and w["value"] is not None:
        where = f" with {place(w)}" if place(w) else ""
        said += f"; found {number(w['value'])} ({interval(w)}; n = {w['n']:,}){where}"
    reason = safe(g["reason"], 200)
    return f"{said[0].upper()}{said[1:]}{'; ' + reason if reason else ''}."


def _steps(document: dict[str, Any]) -> dict[tuple[str, str], str]:
    "Section and promise → what to do: the step of a section is about its worst promise; without a promise it is about its facts."
    worst = {s["name"]: s["verdict"] for s in document["timing"]["sections"]}
    first: dict[str, tuple[float, str]] = {}
    for g in [*document["content"]["gates"], *document["timing"]["gates"]]:
        if g["verdict"] == worst[g["section"]]:
            rank = g["worst"]["p_fail"] if g["worst"] else 1.0
            first.setdefault(g["section"], (rank, g["name"]))
            first[g["section"]] = min(first[g["section"]], (rank, g["name"]), key=lambda x: x[0])
    return {(r["section"], first.get(r["section"], (0.0, ""))[1]): r["next"] for r in document["timing"]["reasons"]}


def _next(known: Mapping[tuple[str, str], str], section: str, name: str = "") -> str:
    return f" Next: {safe(known[section, name], 300)}" if (section, name) in known else ""


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def command(note: Note) -> str:
    "A workflow command: one line, whatever the text."
    given = {"file": note.file, "line": str(note.line) if note.line and note.file else "", "title": safe(note.title, 200)}
    said = ",".join(f"{k}={_property(v)}" for k, v in given.items() if v)
    return f"::{note.level}{' ' + said if said else ''}::{_data(safe(note.says, 1000) or safe(note.title, 200))}"


def github(
    notes: Iterable[Note],
    shown: int = SHOWN,  # errors, and as many warnings
) -> list[str]:  # lines to print
    "As many annotations as GitHub shows, errors first, and one that says how many more there are."
    found = list(notes)
    out, more = [], []
    for level in ("error", "warning", "notice"):
        own = [n for n in found if n.level == level]
        out += [command(n) for n in own[:shown]]
        if len(own) > shown:
            more.append(f"{len(own) - shown} more {level}{'s' if len(own) - shown > 1 else ''}")
    if more:
        said = f"{' and '.join(more)}: GitHub shows {shown} of each a step. The card has them all."
        out.append(command(Note("notice", "More than is shown here", said)))
    return out
