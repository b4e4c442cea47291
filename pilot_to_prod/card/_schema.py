"""JSON Schemas (draft 2020-12) of a card and of what changed between two. Nothing may stand in them that is not described here."""

from typing import Any

from pilot_to_prod.spec import RUBRIC, SECTIONS

CARD, DIFF = "pilot-to-prod/scorecard/2", "pilot-to-prod/card-diff/1"
SITE = "https://pilot-to-prod.github.io/pilot_to_prod/schemas"
PARTS = {
    "hashed": "the same whenever the inputs are: in content_hash",
    "latency": "rests on clocks: in timing_hash",
    "host": "depends on what else this machine or store knows: in no hash, or in timing_hash",
    "clock": "the day it was made: in no hash",
    "shown": "the pilot's and the data's own words, to look at: in no hash",
}
OUTCOMES = ("better", "worse", "no change beyond chance", "cannot be compared")
Schema = dict[str, Any]


def _obj(says: str, properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    return {
        "description": says,
        "type": "object",
        "properties": properties,
        "required": [n for n in properties if n not in optional],
        "additionalProperties": False,
    }


def _list(says: str, items: Schema, **more: Any) -> Schema:
    return {"description": says, "type": "array", "items": items, **more}


def _map(says: str, values: Schema, **more: Any) -> Schema:
    "Names that data or people give → values."
    return {"description": says, "type": "object", "additionalProperties": values, **more}


def _is(says: str, *types: str, **more: Any) -> Schema:
    return {"description": says, "type": types[0] if len(types) == 1 else list(types), **more}


def _text(says: str) -> Schema:
    return _is(says, "string")


def _count(says: str) -> Schema:
    return _is(says, "integer", minimum=0)


def _number(says: str) -> Schema:
    return _is(says, "number", "null")


def _one_of(says: str, *values: Any) -> Schema:
    return {"description": says, "enum": list(values)}


def _hash(says: str) -> Schema:
    return _is(says, "string", pattern="^[0-9a-f]{64}$")


def _or_none(schema: Schema) -> Schema:
    return {
        "description": schema["description"],
        "anyOf": [{k: v for k, v in schema.items() if k != "description"}, {"type": "null"}],
    }


_VERDICT = ("promote", "hold", "block")
_STATE = ("passes", "undecided", "absent", "fails")
_SECTION = _one_of("section of the card", *SECTIONS)
_POINT = {
    "value": _number("what was found; null where there is no number"),
    "low": _number("lower limit of its interval"),
    "high": _number("upper limit of its interval"),
}
_PLAIN = ("string", "number", "boolean", "null")


def _sections() -> Schema:
    one = _obj(
        "one section",
        {"name": _SECTION, "verdict": _one_of("the worst of its parts", *_STATE), "reason": _text("why, in a few words")},
    )
    return _list("the sections, in their order", one, minItems=len(SECTIONS), maxItems=len(SECTIONS))


def _cell() -> Schema:
    return _obj(
        "one judged cell",
        {
            "scenario": _text("label of the scenario; clean where nothing was changed"),
            "severity": _is("share of units that it hits", "number", minimum=0, maximum=1),
            **_POINT,
            "n": _count("independent units that it stands on: rows, clusters or runs"),
            "changed": _count("rows that the scenario changed"),
            "verdict": _one_of("what may be said of it", "passes", "undecided", "fails"),
            "reason": _text("why it is undecided or fails"),
            "p_pass": _number("one-sided p that the promise is broken, if it is called kept"),
            "p_fail": _number("one-sided p that the promise is kept, if it is called broken"),
            "needed": _is("units that would decide it; null: none in sight, or decided", "integer", "null"),
            "needed_range": _or_none(
                _list(
                    "where that number lies, since the distance is only estimated",
                    _is("units", "integer"),
                    minItems=2,
                    maxItems=2,
                )
            ),
            "groups": _or_none(_list("gap: the two groups that are compared", _text("a slice"), minItems=2, maxItems=2)),
        },
    )


def _gates() -> Schema:
    cell = {"$ref": "#/$defs/cell"}
    gate = _obj(
        "one promise",
        {
            "name": _text("name of the gate, or the sentence"),
            "says": _text("what is promised, in words"),
            "section": _SECTION,
            "metric": _text("what is measured"),
            "of": _one_of("its value, or its change", "value", "drop", "retention", "gap"),
            "limit": _is("the threshold", "number"),
            "at_least": _is("whether it is a lower limit", "boolean"),
            "threshold": _text("the threshold in words"),
            "about": _text("the rows and scenarios that it is about, in words"),
            "slice": _is("the slice that it is about; null: all rows", "string", "null"),
            "label": _is("the class that the metric is about", "string", "null"),
            "between": _is("gap: the column whose groups are compared", "string", "null"),
            "confidence": _number("answers that are less sure go to people"),
            "against": _text("what a change is measured against"),
            "verdict": _one_of("of the worst cell", "passes", "undecided", "fails"),
            "reason": _text("why"),
            "worst": {"description": "the cell that decides", "anyOf": [cell, {"type": "null"}]},
            "margin": _number("distance of the worst cell from the threshold, positive where it is kept"),
            "cells": _list("every cell that was judged", cell),
        },
    )
    return _list("promises, as pilot.yaml orders them", gate)


def _facts() -> Schema:
    return _list(
        "what is known without a replay",
        _obj(
            "one fact",
            {
                "section": _SECTION,
                "name": _text("what it is about"),
                "value": {"description": "what is stated or was measured: any value"},
                "interval": _or_none(_list("of a measured number", _number("a limit"), minItems=2, maxItems=2)),
                "n": _is("what a measured number stands on", "integer", "null"),
                "status": _one_of("how it is known", "measured", "attested", "absent"),
                "source": _text("who or what says so"),
                "verdict": _one_of("what that is worth", *_STATE),
                "required": _is("whether its absence holds the card", "boolean"),
            },
        ),
    )


def _performance() -> Schema:
    said = {"metric": _text("what is measured"), "label": _is("of which class", "string", "null")}
    return _list("headline numbers on clean rows", _obj("one number", {**said, "n": _count("units"), **_POINT}))


def _curves() -> Schema:
    point = _obj(
        "one severity, seeds together",
        {
            "severity": _is("0 for clean rows", "number"),
            **_POINT,
            "changed": _count("rows that the scenario changed, on average over seeds"),
        },
        ("changed",),
    )
    return _list(
        "one curve a scenario",
        _obj(
            "one scenario",
            {
                "scenario": _text("its label"),
                "kind": _text("its registered name"),
                "family": _text("its family"),
                "expect": _text("what a good pilot does about it"),
                "params": _map("as scenario(**params) takes them", {"description": "a parameter"}),
                "metric": _text("what is drawn"),
                "exercised": _is("whether at least 5% of the units could be hit", "boolean"),
                "points": _list("by severity", point),
                "verdict": _one_of("the worst verdict about it", "passes", "undecided", "fails", "no promise", "not exercised"),
                "limit": _number("of a promise about the drawn metric"),
                "breaks": _or_none(
                    _list("last severity that is kept and first that fails", _number("a severity"), minItems=2, maxItems=2)
                ),
            },
        ),
    )


def _slices() -> Schema:
    said = {"slice": _text("its name"), "n": _count("units"), "metric": _text("what is measured")}
    return _list("clean performance of every slice, worst first", _obj("one slice", {**said, **_POINT}))


def _heat() -> Schema:
    row = _obj(
        "one scenario",
        {
            "scenario": _text("its label"),
            "family": _text("its family"),
            "severity": _is("the severity that is shown", "number"),
            "values": _list("a value a slice", _number("null where there are no rows")),
            "loss": _list("positions of slices whose loss is listed", _count("a position")),
        },
    )
    return _obj(
        "scenario x slice at one severity",
        {
            "metric": _text("what is measured"),
            "slices": _list("names of the columns, all first", _text("a slice")),
            "clean": _list("clean values a slice", _number("a value")),
            "rows": _list("a row a scenario", row),
            "least_loss": _is("a loss that is listed is beyond this", "number"),
            "listed_at": _is("false discovery rate of the list", "number"),
        },
    )


def _fairness() -> Schema:
    group = _obj("one group", {"group": _text("its value"), "n": _count("units"), **_POINT})
    widest = _obj(
        "the widest gap: selected, so described only",
        {
            "value": _number("the largest value less the smallest"),
            "between": _list("the two groups", _text("a group"), minItems=2, maxItems=2),
            "low": _POINT["low"],
            "high": _POINT["high"],
        },
        ("low", "high"),
    )
    said = {
        "column": _text("whose groups they are"),
        "metric": _text("what is measured"),
        "label": _is("of which class", "string", "null"),
        "groups": _list("what was found in each", group),
        "widest": _or_none(widest),
    }
    return _list("groups of each protected column", _obj("one column and metric", said))


def _selective() -> Schema:
    point = _obj(
        "one confidence",
        {
            "coverage": _number("share of the answers that are at least so sure"),
            "confidence": _number("the confidence"),
            "risk": _number("share of errors among them"),
            "low": _POINT["low"],
            "high": _POINT["high"],
            "n": _number("answers"),
        },
    )
    return _or_none(
        _obj(
            "what handing unsure answers to people would buy; null without confidence",
            {
                "answered": _number("share of rows with an answer and a confidence"),
                "aurc": _number("area under the risk-coverage curve"),
                "excess_aurc": _number("its excess over the best order"),
                "promised_at": _list("confidences that gates name", _number("a confidence")),
                "points": _list("by falling confidence", point),
            },
        )
    )


def _dependencies() -> Schema:
    found = _obj(
        "what replay found at the largest severity",
        {
            "trouble": _one_of("what happened to it", "late", "stale", "absent"),
            "scenario": _text("label"),
            "severity": _is("severity", "number"),
            "metric": _text("what is measured"),
            "clean": _number("value on clean rows"),
            **_POINT,
            "answered": _number("share of rows with an answer"),
        },
    )
    said = {
        "name": _text("its name"),
        "kind": _text("technical, human or legal"),
        "owner": _is("who answers for it", "string", "null"),
        "state": _text("how far it is"),
        "columns": _list("columns that come from it", _text("a column")),
        "found": _list("troubles that were replayed", found),
    }
    return _list("what the pilot depends on", _obj("one dependency", said))


def _content() -> Schema:
    pilot = _obj(
        "the pilot",
        {
            "name": _text("its name"),
            "title": _text("its name for people"),
            "version": _is("of the promise", "integer", "string", "number"),
            "task": _one_of("what it answers", "binary", "multiclass", "regression"),
            "labels": _list("its classes", _text("a class")),
            "exploration": _is("whether nothing is promised yet", "boolean"),
            "language": _is("the column that holds the language of a row", "string", "null"),
            "owner": _is("who answers for it", "string", "null"),
        },
        ("language", "exploration"),
    )
    names = ("spec", "data", "model", "evidence")
    given = {n: _text(f"SHA-256 of the {w}") for n, w in zip(names, ("promise", "rows", "model", "answers"), strict=True)}
    hashes = _map(
        "what it was made from, by SHA-256", {"description": "of notebooks, environment, or `against NAME`: a baseline"}
    )
    return _obj(
        "what is judged; the same inputs give the same bytes",
        {
            "pilot": pilot,
            "hashes": hashes | {"properties": given, "required": list(given)},
            "rows": _count("rows that were replayed"),
            "scenarios": _count("different scenarios"),
            "cells": _count("replays: scenarios x severities x seeds"),
            "alpha": _is("one-sided error each way", "number"),
            "alpha_pass": _is("what this look may spend on passing", "number"),
            "look": _is("how often this promise was looked at on these rows", "integer", minimum=1),
            "judged": _count("cells that were judged together, latency not among them"),
            "sections": _sections(),
            "gates": _gates(),
            "facts": _facts(),
            "performance": _performance(),
            "curves": _curves(),
            "slices": _slices(),
            "heat": _heat(),
            "fairness": _fairness(),
            "selective": _selective(),
            "dependencies": _dependencies(),
            "approval": _list("who has to sign", _text("a role")),
            "clusters": _is("clusters that rows are averaged within", "integer", "null"),
            "notes": _list("limits that were set, and what was left out", _text("a note")),
        },
    )


def _rubric() -> Schema:
    test = _obj(
        "one test",
        {
            "section": _one_of("section of the test score", *RUBRIC),
            "name": _text("as pilot.yaml calls it"),
            "title": _text("for people"),
            "score": _one_of("what it earns", 0, 0.5, 1),
            "how": _one_of("how it is known", "computed", "attested", "absent"),
            "says": _text("what was found, who vouches for it, or what is missing"),
            "next": _text("how its point is earned; empty where it is"),
            "asks": _text("what it asks"),
        },
    )
    sections = {n: _is("sum of its tests", "number", minimum=0, maximum=7) for n in RUBRIC}
    return _obj(
        "the ML Test Score",
        {
            "value": _is("the smallest section", "number"),
            "band": _text("what that means"),
            "weakest": _one_of("the section with the smallest sum", *RUBRIC),
            "sections": _obj("sums", sections),
            "tests": _list("28 tests", test),
        },
    )


def _timing() -> Schema:
    reason = {
        n: _text(w)
        for n, w in (("section", "where"), ("title", "what is wrong"), ("text", "the numbers"), ("next", "what to do"))
    }
    counts = _obj("promises by verdict", {n: _count("promises") for n in ("passes", "undecided", "fails")})
    market = _obj(
        "one market",
        {
            "market": _text("its value"),
            "slice": _text("its slice"),
            "rows": _count("rows"),
            "verdict": _one_of("the verdict that it would have alone", *_VERDICT),
            "reason": _text("why it is not promoted"),
            "gates": counts,
            "open": _list("promises that are broken, else those that are undecided", _text("a promise")),
        },
    )
    latency = _obj(
        "95th percentile of single calls, in milliseconds",
        {
            "runs": _count("runs"),
            "effective": _count("how many runs they count as, since neighbours share slow moments"),
            "calls": _count("calls"),
            **_POINT,
        },
        optional=("effective",),  # cards of before know nothing of it
    )
    return _obj(
        "what rests on clocks: latency, the section it stands in, and with it the verdict",
        {
            "verdict": _one_of("the worst section decides", *_VERDICT),
            "sentence": _text("the verdict in one sentence"),
            "sections": _sections(),
            "gates": _gates(),
            "latency": _or_none(latency),
            "judged": _count("cells of latency that were judged"),
            "reasons": _list("the worst first", _obj("one reason", reason)),
            "markets": _list("each market alone, worst first", market),
            "rubric": _rubric(),
        },
    )


def _shown() -> Schema:
    plain = {
        n: _is(w, *_PLAIN) for n, w in (("key", "of the row"), ("before", "its input"), ("after", "the input under stress"))
    }
    example = {
        "scenario": _text("label"),
        "severity": _is("severity", "number"),
        **plain,
        "truth": _is("what is right", *_PLAIN),
        "answer": _is("what was answered", *_PLAIN),
    }
    fault = {
        "scenario": _text("label"),
        "error": _text("class of the error"),
        "rows": _count("rows without an answer"),
        "from": _is("the smallest severity at which it happened", "number"),
        "message": _text("the pilot's own words"),
    }
    return _obj(
        "to look at",
        {
            "examples": _list("rows that broke", _obj("one row", example)),
            "faults": _list("errors of the pilot", _obj("one error", fault)),
        },
    )


def _made() -> Schema:
    past = _map("one card before this one", {"description": "as the store of runs has it"})
    return _obj(
        "when it was judged, and what was there",
        {"on": _is("day", "string", format="date"), "past": _list("cards before, oldest first", past)},
    )


def _parted(schema: Any, part: str) -> Any:
    "Every described part of a schema marked with how it may differ between two runs."
    if isinstance(schema, list):
        return [_parted(s, part) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {k: _parted(v, part) if k in ("items", "anyOf", "additionalProperties") else v for k, v in schema.items()}
    if "properties" in out:
        out["properties"] = {n: _parted(s, part) for n, s in out["properties"].items()}
    return out | {"x-part": part} if "description" in out else out


def _top(name: str, id_: str, says: str, properties: dict[str, Schema], **more: Any) -> Schema:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{SITE}/{name}.json", "title": id_}
    return head | _obj(says, {"schema": {"description": "this schema and its version", "const": id_}, **properties}) | more


def card_schema() -> Schema:
    "The JSON Schema of a card."
    timing, made = _parted(_timing(), "latency"), _parted(_made(), "clock")
    timing["properties"]["rubric"] = _parted(_rubric(), "host")
    made["properties"]["past"] = _parted(made["properties"]["past"], "host")
    properties = {
        "content": _parted(_content(), "hashed"),
        "timing": timing,
        "made": made,
        "shown": _parted(_shown(), "shown"),
        "content_hash": _parted(_hash("SHA-256 of content as canonical JSON"), "hashed"),
        "timing_hash": _parted(_hash("SHA-256 of [content_hash, timing] as canonical JSON: the name of the card"), "latency"),
    }
    parts = {"x-parts": PARTS, "$defs": {"cell": _cell()}}
    return _top("scorecard-2", CARD, "A production scorecard of pilot_to_prod, as its JSON file holds it.", properties, **parts)


def _side() -> Schema:
    texts = {
        "pilot": _text("name"),
        "title": _text("name for people"),
        "card": _hash("timing_hash of the card"),
        "content": _hash("content_hash of the card"),
    }
    verdict = _one_of("its verdict", *_VERDICT)
    counts = {"rows": _count("rows"), "look": _count("how often the promise was looked at"), "judged_on": _text("day")}
    return _obj(
        "one card", {**texts, "version": _is("of the promise", "integer", "string", "number"), "verdict": verdict, **counts}
    )


def _found() -> Schema:
    return _or_none(
        _obj("what a card found; null where it has no such number", {**_POINT, "n": _is("units", "integer", "null")})
    )


def _line() -> Schema:
    between = _obj("b less a, with its 95% interval", _POINT)
    return _obj(
        "one number of both cards",
        {
            "kind": _one_of("where it stands", "promise", "clean rows", "slice", "scenario", "group"),
            "name": _text("of the promise, metric, slice, scenario or group"),
            "metric": _text("what is measured"),
            "of": _one_of("its value, or its change", "value", "drop", "retention", "gap"),
            "label": _is("of which class", "string", "null"),
            "slice": _is("of which rows", "string", "null"),
            "scenario": _is("label; null: clean rows", "string", "null"),
            "severity": _number("of the scenario"),
            "groups": _or_none(_list("gap: the two groups", _text("a slice"))),
            "higher_is_better": _is("null where nobody says", "boolean", "null"),
            "a": _found(),
            "b": _found(),
            "difference": _or_none(between),
            "p": _number("two-sided p that nothing changed"),
            "q": _number("smallest false discovery rate at which it would be listed, over everything compared"),
            "method": _text("how it was compared"),
            "outcome": _one_of("what may be said", *OUTCOMES),
            "why": _text("why it cannot be compared"),
        },
    )


def diff_schema() -> Schema:
    "The JSON Schema of what changed between two cards."
    outcome = _one_of("what may be said", *OUTCOMES)
    promise = {
        "name": _text("of the gate or sentence; suite for the scenarios"),
        "what": _text("which part of it"),
        "a": {"description": "as it was"},
        "b": {"description": "as it is"},
        "how": _one_of("which way it went", "stricter", "looser", "changed", "added", "removed"),
    }
    state = _or_none(
        _obj("of one card", {n: _text(n) for n in ("verdict", "threshold", "reason")} | {"worst": _found()}),
    )
    gate = {
        "name": _text("of the gate or sentence"),
        "section": _SECTION,
        "a": state,
        "b": state,
        "promise_changed": _is("whether it promises something else now", "boolean"),
        "outcome": outcome,
        "why": _text("why"),
        "cells": _list("numbers of it that differ", {"$ref": "#/$defs/line"}),
    }
    known = _or_none(
        _obj(
            "as one card has it",
            {"value": {"description": "any value"}, **{n: _text(n) for n in ("status", "source", "verdict")}},
        )
    )
    fact = {
        "section": _SECTION,
        "name": _text("what it is about"),
        "what": _one_of("what happened to it", "added", "removed", "changed", "expired", "renewed"),
        "required": _is("whether its absence holds a card", "boolean"),
        "a": known,
        "b": known,
        "outcome": outcome,
        "why": _text("why"),
    }
    section = {
        "name": _SECTION,
        "a": _one_of("verdict", *_STATE),
        "b": _one_of("verdict", *_STATE),
        "outcome": outcome,
        "why": _text("b's reason"),
    }
    market = {
        "market": _text("its value"),
        "a": _or_none(_one_of("verdict", *_VERDICT)),
        "b": _or_none(_one_of("verdict", *_VERDICT)),
        "outcome": outcome,
        "why": _text("b's reason"),
    }
    test = {
        "section": _text("of the test score"),
        "name": _text("as pilot.yaml calls it"),
        "title": _text("for people"),
        **{n: _is("score", "number", "null") for n in ("a", "b")},
        "why": _text("what b says of it"),
    }
    score = {
        **{n: _is("the smallest section", "number") for n in ("a", "b")},
        "tests": _list("tests that earn another score", _obj("one test", test)),
    }
    hash_ = {
        "name": _text("of what"),
        **{n: _is("SHA-256; null where a card has none", "string", "null") for n in ("a", "b")},
        "same": _is("whether they are equal", "boolean"),
    }
    method = {
        "paired": _is("whether the same rows were compared one by one", "boolean"),
        "why": _text("why, or why not"),
        "compared": _count("numbers that were compared together"),
        "listed_at": _is("false discovery rate (Benjamini and Hochberg)", "number"),
    }
    counts = {o.replace(" ", "_"): _count(f"numbers, promises and facts that are: {o}") for o in OUTCOMES}
    properties = {
        "a": {"$ref": "#/$defs/side"},
        "b": {"$ref": "#/$defs/side"},
        "outcome": outcome,
        "sentence": _text("what changed, in a sentence"),
        "counts": _obj("how many of each", counts),
        "method": _obj("how it was compared", method),
        "promise": _list("what the promise itself says otherwise", _obj("one change", promise)),
        "gates": _list("every promise of either card", _obj("one promise", gate)),
        "lines": _list("other numbers that differ", {"$ref": "#/$defs/line"}),
        "facts": _list("facts that differ", _obj("one fact", fact)),
        "sections": _list("sections whose verdict, promises or facts differ", _obj("one section", section)),
        "markets": _list("markets whose verdict differs", _obj("one market", market)),
        "rubric": _obj("the ML Test Score", score),
        "hashes": _list("what the cards were made from", _obj("one hash", hash_)),
        "notes": _list("what to keep in mind", _text("a note")),
        "hash": _hash("SHA-256 of all the rest as canonical JSON"),
    }
    defs = {"side": _side(), "line": _line()}
    says = "What changed between two production scorecards, and whether it is beyond chance."
    return _top("card-diff-1", DIFF, says, properties, **{"$defs": defs})
