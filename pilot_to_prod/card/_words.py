"""The card's sentences."""

import ast
import re
from collections.abc import Sequence
from functools import cache
from math import isfinite
from typing import Any, Protocol

from pilot_to_prod.gates import Judged, Verdict
from pilot_to_prod.spec import Spec


class _Section(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def reason(self) -> str: ...
    @property
    def facts(self) -> Any: ...


SIGN = {"passes": "✓", "fails": "✗", "undecided": "?", "absent": "–", "no promise": "·", "not exercised": "∅"}
SIGN |= {"block": "✗", "hold": "?", "promote": "✓"}
SIGN |= {"worse": "✗", "better": "✓", "no change beyond chance": "=", "cannot be compared": "?"}
_READY = {"block": "not ready for production", "hold": "not shown to be ready yet", "promote": "ready for production"}


def readiness(document: dict[str, Any]) -> str:
    "What the verdict of a card says of its pilot, to stand after its title and a colon."
    return "being explored" if document["content"]["pilot"]["exploration"] else _READY[document["timing"]["verdict"]]


def number(value: float | None, digits: int = 2) -> str:
    "A number for people: 0.84, 12.5, –."
    if value is None or not isfinite(value):
        return "–"
    return f"{round(value, digits) + 0.0:.{digits}f}" if abs(value) < 10 else f"{value:,.1f}"


def first_upper(text: str) -> str:
    "German text, German mixed in: the rest stays as it is."
    return text[:1].upper() + text[1:]


@cache
def language_name(code: str) -> str:
    "German for de, by CLDR; the code itself where CLDR has none."
    from babel import Locale

    return Locale("en").languages.get(code, code)


def scenario_words(label: str) -> str:
    "A scenario's label for people: `parallel_text(language='de')` is German text."
    found = re.search(r"language='([\w-]+)'", label)
    kind = label.split("(")[0].replace("_", " ")
    if found:
        name = language_name(found.group(1))
        return {"parallel text": f"{name} text", "code switch": f"{name} mixed in", "translated": f"translated to {name}"}.get(
            kind, f"{kind}, {name}"
        )
    needed = re.fullmatch(r"dependency_(late|stale|absent)\(dependency=(['\"])(.+)\2\)", label)
    if needed:
        return f"{needed.group(3)} {needed.group(1)}"
    return {"mcar": "missing at random", "mar": "missing by other fields", "mnar": "missing by own value"}.get(
        kind, kind
    ) + _params_words(label)


@cache
def _params_words(label: str) -> str:
    "(toward app, padded) for what stands in the brackets of a label; as it is where that is no list of names and values."
    if "(" not in label:
        return ""
    as_it_is = label[label.index("(") :]
    try:
        call = ast.parse(label, mode="eval").body
        assert isinstance(call, ast.Call) and not call.args
        pairs = [(str(k.arg).replace("_", " "), ast.literal_eval(k.value)) for k in call.keywords]
    except (SyntaxError, ValueError, AssertionError, RecursionError, MemoryError):
        return as_it_is

    def said(key: str, value: Any) -> str:
        if isinstance(value, bool):
            return key if value else f"not {key}"
        values = [str(v).strip() or "empty" for v in (value if isinstance(value, list | tuple) else [value])]
        return f"{key} {', '.join(values)}"

    return f" ({', '.join(said(k, v) for k, v in pairs)})" if pairs else ""


def _cells(gate: Judged, wanted: Verdict) -> str:
    found = [c for c in gate.cells if c.verdict is wanted and isfinite(c.value)]
    found = sorted(found, key=lambda c: c.value if gate.promise.up else -c.value)
    shown: dict[str, list[str]] = {}
    for c in found[:4]:
        at = f" at {c.severity:g}" if 0 < c.severity < 1 else ""
        shown.setdefault(c.scenario, []).append(number(c.value) + at)
    said = [", ".join(v) if k == "clean" else f"{scenario_words(k)} {', '.join(v)}" for k, v in shown.items()]
    text = "; ".join(said) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
    return text[:1].upper() + text[1:]


ADOPTED = "use of its answers against going round it"  # the fact of that name, among outcomes

_ABSENT = {
    "performance": "Nothing is promised about its performance",
    "fairness": "Nobody has said which groups must be treated alike",
    "oversight": "Nothing is promised about handing over to people",
    "drift and retraining": "Nobody has said when it is retrained",
    "accountability": "Nobody answers for it",
    "dependencies": "Nobody has said what it depends on",
    "governance": "Compliance has nothing to sign",
    "outcomes": "Nobody has said what the business gains",
}
KEYS = {
    "fairness": "protected",
    "oversight": "behaviour",
    "drift and retraining": "retraining",
    "accountability": "owner",
    "dependencies": "dependencies",
    "governance": "governance",
    "outcomes": "outcomes",
    "performance": "gates",
    "robustness": "gates",
    "languages and markets": "gates",
    "faults and latency": "gates",
}


def _languages(gates: Sequence[Judged], wanted: Verdict) -> list[str]:
    "Languages whose whole texts were answered with that verdict, worst first."
    cells = [
        c for g in gates for c in g.cells if c.verdict is wanted and c.scenario.startswith(("parallel_text", "translated"))
    ]
    found = (re.search(r"language='([\w-]+)'", c.scenario) for c in sorted(cells, key=lambda c: c.value))
    return list(dict.fromkeys(language_name(m.group(1)) for m in found if m))


def _listed(names: Sequence[str], most: int = 3) -> str:
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} or {len(names) - most} other languages"
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def reason_title(section: _Section, gates: Sequence[Judged]) -> str:
    "What is wrong with a section, in words."
    if not gates and section.verdict is Verdict.ABSENT and not section.facts:
        return _ABSENT.get(section.name, f"Nothing is promised about {section.name}")
    if not gates:
        return f"{section.name.capitalize()}: {section.reason}"
    spoken = _languages(gates, Verdict.FAILS)
    if section.verdict is Verdict.FAILS and spoken:
        return f"Customers who write {_listed(spoken)} get wrong answers"
    says = gates[0].promise.name[:1].upper() + gates[0].promise.name[1:]
    return f"{'Broken' if section.verdict is Verdict.FAILS else 'Not shown yet'}: {says.rstrip('.')}"


def phrase(section: _Section, gates: Sequence[Judged]) -> str:
    "The numbers behind it."
    if not gates:
        gone = [f.name for f in section.facts if f.required and f.verdict is Verdict.ABSENT]
        if not gone:
            return f"The section on {section.name} is {'empty' if section.verdict is Verdict.ABSENT else 'without a promise'}."
        return f"Missing: {', '.join(gone[:5])}{' and more' if len(gone) > 5 else ''}."
    gate = max(gates, key=lambda g: len(_languages([g], section.verdict)))
    more = f" {len(gates) - 1} more in this section." if len(gates) > 1 else ""
    found = _cells(gate, section.verdict) or first_upper(gate.reason)
    return f"{found}; the promise says {gate.promise.threshold}.{more}"


def next_step(section: _Section, gates: Sequence[Judged], spec: Spec) -> str:
    "What to do about it."
    if not gates:
        if section.name == "fairness" and section.facts:
            return "Say how far apart the groups may be: a gate with of: gap and between: the column."
        gone = [f.name for f in section.facts if f.required and f.verdict is Verdict.ABSENT]
        key = "adoption" if gone == [ADOPTED] else KEYS[section.name]
        return f"Fill {key}: in pilot.yaml, then run again."
    gate, worst = gates[0], gates[0].worst
    if section.verdict is Verdict.UNDECIDED:
        if worst is not None and worst.needed:
            if worst.unit == "runs":
                return f"Time more calls: about {worst.needed:,} runs would decide this one (settings.ini: [latency] runs, and span in proportion)."
            more = "rows" if worst.unit == "rows" else f"rows of more {worst.unit}"
            return f"Label {more}: about {worst.needed:,} would decide this one."
        return f"This cannot be judged yet: {worst.reason if worst else gate.reason}."
    kind = (gate.promise.part.scenario or {}).get("name", "")
    if kind in ("parallel_text", "translated", "code_switch") or gate.promise.part.family == "language":
        return "Limit the launch to the languages it was trained on, or train on texts in the others and replay again."
    if getattr(gate.promise.part, "expect", None) == "reject":
        return "Put a check before the model that stops values outside the range it was trained on."
    if gate.promise.metric == "abstained":
        return "Give it a way to say “I am not sure”: answer only above a confidence, and hand the rest to people."
    if gate.promise.metric == "answered":
        return "See the faults below: make the model take empty and odd values, or put a check before it."
    if gate.promise.metric == "latency_p95":
        return "Profile a single call, or agree on another deadline."
    if kind or gate.promise.part.family:
        return "Look at the cases below; train on corrupted copies of the reference rows, then replay again."
    return "Look at the rows it gets wrong before anything else: a better model, more labels, or a smaller promise."
