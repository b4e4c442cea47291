"""The card, and what changed between two, for a terminal: as wide as it is, in colour only where that is asked for."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from pilot_to_prod.card._escape import logged, shown
from pilot_to_prod.card._words import SIGN, number, readiness, scenario_words
from pilot_to_prod.spec import RUBRIC

WIDTH = 100  # where nobody says how wide it is
_INK = {"✓": "32", "✗": "31", "?": "33"}


def wide(text: str) -> int:
    "Columns that a text takes: two for wide characters, none for marks that stand on others and for joiners."
    return sum(_columns(c) for c in text)


def _columns(c: str) -> int:
    if unicodedata.category(c) in ("Mn", "Me") or c in "\u200c\u200d":
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1


def wrapped(text: str, width: int) -> list[str]:
    "Lines of at most so many columns, broken between words, and within those that are longer than a line."
    lines, line, used = [], "", 0
    for word in text.split(" "):
        room = wide(word)
        if line and used + 1 + room <= width:
            line, used = f"{line} {word}", used + 1 + room
            continue
        if line:
            lines.append(line)
        *full, line = _broken(word, max(width, 2))
        lines += full
        used = wide(line)
    return [*lines, line] if line or not lines else lines


def _broken(word: str, width: int) -> list[str]:
    "A word in pieces of at most so many columns."
    pieces, piece, used = [], "", 0
    for c in word:
        room = _columns(c)
        if used + room > width:
            pieces.append(piece)
            piece, used = "", 0
        piece, used = piece + c, used + room
    return [*pieces, piece]


class Page:
    "Lines, of which each may be painted."

    def __init__(self, width: int | None, color: bool) -> None:
        self.width, self.color = max(width or WIDTH, 60), color  # a narrower one breaks lines itself
        self.lines: list[str] = []

    def paint(self, text: str, sign: str = "", bold: bool = False) -> str:
        codes = [*(["1"] if bold else []), *([_INK[sign]] if sign in _INK else [])]
        return f"\x1b[{';'.join(codes)}m{text}\x1b[0m" if self.color and codes and text else text

    def say(self, text: str = "", first: str = "", rest: str | None = None, sign: str = "", bold: bool = False) -> None:
        "A paragraph, its later lines indented as `rest` says."
        text, later = shown(text, 4000), " " * wide(first) if rest is None else rest
        for i, line in enumerate(wrapped(text, self.width - max(wide(first), wide(later)))):
            self.lines.append(self.paint(((later if i else first) + line).rstrip(), sign, bold))

    def head(self, text: str) -> None:
        self.lines.append("")
        self.say(text, bold=True)

    def table(self, rows: Sequence[Sequence[str]], right: Sequence[int] = (), signed: bool = True) -> None:
        "Rows as columns: texts wrap where they are too wide; columns of `right` are numbers; the first holds a sign to paint by."
        if not rows:
            return
        rows = [[shown(v, 4000) for v in r] for r in rows]
        widths = _fitted(rows, self.width - 2, right)
        for row in rows:
            cells = [wrapped(v, w) for v, w in zip(row, widths, strict=True)]
            for k in range(max(map(len, cells))):
                parts = [
                    _padded(c[k] if k < len(c) else "", w, i in right)
                    for i, (c, w) in enumerate(zip(cells, widths, strict=True))
                ]
                line = ("  " + "  ".join(parts)).rstrip()
                self.lines.append(self.paint(line, row[0] if signed else ""))

    def text(self) -> str:
        return logged("\n".join(self.lines)) + "\n"


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * max(0, width - wide(text))
    return space + text if right else text + space


def _fitted(rows: Sequence[Sequence[str]], width: int, right: Sequence[int]) -> list[int]:
    "Widths of columns: as wide as they need, and the widest texts narrower until all fits."
    widths = [max(max(wide(r[i]) for r in rows), 1) for i in range(len(rows[0]))]
    room = width - 2 * (len(widths) - 1)
    while sum(widths) > room:
        texts = [i for i in range(len(widths)) if i not in right and widths[i] > 8] or [
            i for i in range(len(widths)) if widths[i] > 4
        ]
        if not texts:
            break
        widths[max(texts, key=lambda i: widths[i])] -= 1
    return widths


def interval(point: dict[str, Any] | None) -> str:
    return "" if not point or point["value"] is None else f"{number(point['low'])} to {number(point['high'])}"


def place(cell: dict[str, Any]) -> str:
    "Where a number was found: German text at 0.3; nothing for clean rows."
    if cell["scenario"] in ("clean", None):
        where = ""
    else:
        where = scenario_words(cell["scenario"]) + (f" at {cell['severity']:g}" if cell["severity"] < 1 else "")
    groups = cell.get("groups")
    between = f"{groups[0].partition('=')[2]} and {groups[1].partition('=')[2]}" if groups else ""
    return shown(", ".join(filter(None, (where, between))), 120)


def card(document: dict[str, Any], width: int | None = None, color: bool = False) -> str:
    "A card."
    content, timing = document["content"], document["timing"]
    pilot, verdict = content["pilot"], timing["verdict"]
    page = Page(width, color)
    page.say(
        f"{SIGN[verdict]} {verdict.upper()}  {shown(pilot['title'], 120)}: {readiness(document)}",
        rest="  ",
        sign=SIGN[verdict],
        bold=True,
    )
    page.say(
        f"{shown(pilot['name'], 80)} version {shown(pilot['version'], 20)}, owner: {shown(pilot['owner'] or 'nobody yet', 80)}; judged "
        f"{document['made']['on']} on {content['rows']:,} rows, {content['scenarios']} scenarios, {content['cells']} replays",
        "  ",
    )
    page.say()
    page.say(shown(timing["sentence"], 600))
    _reasons(page, timing["reasons"])
    page.head("Sections")
    page.table([(SIGN[s["verdict"]], s["name"], s["verdict"], shown(s["reason"], 120)) for s in timing["sections"]])
    _promises(page, [*content["gates"], *timing["gates"]])
    _markets(page, timing["markets"])
    _tested(page, timing["rubric"])
    page.say()
    page.say(f"Evidence {content['hashes']['evidence'][:12]}, card {document['timing_hash'][:12]}.")
    return page.text()


def _reasons(page: Page, reasons: Sequence[dict[str, str]]) -> None:
    if reasons:
        page.head("Why, and what to do")
    for i, r in enumerate(reasons, 1):
        page.say(shown(r["title"], 300), f"  {i}. ", bold=True)
        page.say(shown(r["text"], 400), "     ")
        page.say("Next: " + shown(r["next"], 400), "     ")


def _promises(page: Page, gates: Sequence[dict[str, Any]]) -> None:
    if not gates:
        return
    page.head("Promises")
    rows = [("", "promise", "asked", "worst found", "value", "95% interval", "rows", "verdict")]
    for g in gates:
        w = g["worst"]
        found = (place(w), number(w["value"]), interval(w), f"{w['n']:,}") if w else ("", "", "", "")
        rows.append((SIGN[g["verdict"]], shown(g["name"], 120), shown(g["threshold"], 80), *found, g["verdict"]))
    page.table(rows, right=(4, 5, 6))


def _markets(page: Page, markets: Sequence[dict[str, Any]]) -> None:
    if not markets:
        return
    page.head("Markets, each alone")
    rows = [("", "market", "verdict", "rows", "kept", "open", "broken", "why")]
    for m in markets:
        counts = [str(m["gates"][v]) for v in ("passes", "undecided", "fails")]
        rows.append(
            (SIGN[m["verdict"]], shown(m["market"], 60), m["verdict"], f"{m['rows']:,}", *counts, shown(m["reason"], 120))
        )
    page.table(rows, right=(3, 4, 5, 6))


def _tested(page: Page, rubric: dict[str, Any]) -> None:
    page.head(f"ML Test Score {rubric['value']:g} of 7: {rubric['band']}")
    said = ", ".join(f"{n} {rubric['sections'][n]:g}" for n in RUBRIC)
    page.say(f"{said}. The smallest counts.", "  ")
    for t in rubric["tests"]:
        if t["section"] == rubric["weakest"] and t["score"] < 1:
            page.say(f"{shown(t['title'], 120)}: {shown(t['next'], 240)}", "  – ")
