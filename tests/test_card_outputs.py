"""The card's other forms: its JSON Schema, the terminal, annotations, a sheet, and whether it is still what was judged."""

import copy
import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, text_rows, write_pilot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from readme import card_schemas
from test_card import HOSTILE, TODAY, card_of, evidence_of, harmless, hostile_card, promise

from pilot_to_prod.card import SCHEMA, Scorecard, hashes, scorecard
from pilot_to_prod.card._annotations import Note, command, github, places
from pilot_to_prod.card._escape import cell, logged, md, xml
from pilot_to_prod.card._schema import CARD, PARTS, card_schema, diff_schema
from pilot_to_prod.card._terminal import wide, wrapped
from pilot_to_prod.evidence import FAULT, SCALE, Evidence
from pilot_to_prod.gates import SECTIONS, Fact
from pilot_to_prod.pilot import Pilot
from pilot_to_prod.runs import Store
from pilot_to_prod.runs._store import write_json
from pilot_to_prod.scenarios import suite
from pilot_to_prod.spec import Spec, file_hash, hash_json, parse
from pilot_to_prod.stress import replay

VALID = Draft202012Validator(card_schema())


def wrong(document) -> list[str]:
    return [f"{'/'.join(map(str, e.path))}: {e.message[:200]}" for e in VALID.iter_errors(document)]


def rich() -> Scorecard:
    "Groups, markets, gaps, costs, confidence, clusters, faults, a dependency, a composition and a fact with an interval."
    data = promise().data.model_dump(mode="json", exclude_none=True)
    data["columns"] |= {"market": {"role": "market"}, "sex": "category"}
    gates = promise().model_dump(mode="json", exclude_none=True)["gates"]
    gates += [
        {"name": "alike too", "metric": "recall", "label": "yes", "of": "gap", "between": "sex", "at_most": 0.2},
        {"name": "sure", "metric": "selective_risk", "confidence": 0.5, "at_most": 0.2},
        {"name": "kept", "metric": "accuracy", "of": "retention", "at_least": 0.5, "scenario": "typos"},
        {"name": "not worse", "metric": "accuracy", "of": "drop", "at_most": 0.1, "against": "promoted"},
    ]
    spec = promise(data=data, gates=gates, protected=["sex"], costs={"yes -> no": 5})
    made = evidence_of(spec, n=3000)
    i, clean = np.arange(3000), made.clean.copy()
    clean[5] = FAULT
    slices = (
        made.slices
        | {f"market={m}": i % 3 == k for k, m in enumerate(("GB", "IE", "US"))}
        | {f"sex={s}": i % 2 == k for k, s in enumerate("mf")}
    )
    fault = {"scenario": "typos", "severity": 0.1, "seed": 0, "key": "k1", "error": "ValueError", "message": "no"}
    score = np.where(clean >= 0, SCALE * 8 // 10, -1).astype(np.int32)
    made = replace(made, slices=slices, clean=clean, clean_score=score, clusters=i // 4, faults=pd.DataFrame([fault]))
    fact = Fact("outcomes", "days saved", 2.5, (1.5, 3.5), 200)
    return scorecard(
        spec, made, [fact], now=TODAY, baselines={"promoted": None}, past=[{"verdict": "hold"}], provenance={"environment": "x"}
    )


def regression() -> Scorecard:
    raw = {"name": "prices", "task": "regression", "model": {"loader": "module", "ref": "model.py:model"}}
    data = {"reference": "a.csv", "replay": "b.csv", "label": "y", "columns": {"x": "number"}}
    spec, problems = parse(raw | {"data": data, "gates": [{"name": "near", "metric": "mae", "at_most": 2.0}]})
    assert spec is not None, problems
    n, rng = 1500, np.random.default_rng(0)
    truth = rng.normal(size=n) * 10
    about = {"name": "prices", "title": "Prices", "version": 1, "task": "regression", "labels": []}
    about |= {"spec": spec.hash, "data": "d" * 64, "model": "m" * 64, "exploration": False}
    keys = np.array([f"k{i:05d}" for i in range(n)], object)
    return scorecard(spec, Evidence(about, keys, truth, truth + rng.normal(size=n), np.full(n, -1, np.int32)), now=TODAY)


def exploration() -> Scorecard:
    pilot = Pilot.of(lambda frame: ["late" if "parcel" in t else "broken" for t in frame["text"]], text_rows(), label="topic")
    return scorecard(pilot.spec, replay(pilot, suite(["upper_case"], pilot.spec), (0.3,), (0,)), now=TODAY)


def test_every_form_says_whether_the_pilot_is_ready():
    for made, said in (
        (card_of, "ready for production"),
        (lambda: card_of(latency=80.0), "not ready for production"),
        (exploration, "being explored"),
    ):
        card = made()
        for form in (card.html(), card.markdown(), card.text()):
            assert f"{card.document['content']['pilot']['title']}: {said}" in form


def test_a_card_that_does_not_know_how_many_runs_count_is_valid_and_shown():
    before = json.loads(json.dumps(card_of().document))
    del before["timing"]["latency"]["effective"]
    VALID.validate(before)
    assert "500 runs, 4,000 calls" in Scorecard(before).html()


# ---- the schema


@pytest.mark.parametrize(
    "made",
    [card_of, lambda: card_of(n=120), lambda: card_of(latency=None, facts=[]), rich, regression, exploration],
    ids=["whole", "few", "untimed", "rich", "regression", "exploration"],
)
def test_every_kind_of_card_keeps_the_schema(made):
    assert wrong(made().document) == []


@pytest.mark.parametrize(
    ("name", "kinds"), [("feedback", ["typos", "parallel_text", "dependency_absent"]), ("credit", ["mcar", "label_pairs"])]
)
def test_cards_of_the_shipped_pilots_keep_the_schema(name, kinds):
    pilot = Pilot.load(name)
    known = [k for k in kinds if k in {s.name for s, _ in suite("deep", pilot.spec)}]
    made = replay(pilot, suite(known, pilot.spec), (0.1,), (0,))
    card = scorecard(pilot.spec, made, now=TODAY)
    assert wrong(card.document) == [] and wrong(json.loads(card.json())) == []


def test_rich_card_uses_what_the_schema_describes():
    d = rich().document
    assert d["content"]["fairness"] and d["content"]["selective"] and d["timing"]["markets"] and d["content"]["clusters"]
    assert d["content"]["dependencies"] and d["shown"]["faults"] and any(g["of"] == "gap" for g in d["content"]["gates"])


def objects(schema, path=()):
    "Every part of a schema, with where it stands."
    if isinstance(schema, dict):
        yield path, schema
        for k, v in schema.items():
            yield from objects(v, (*path, k))
    elif isinstance(schema, list):
        for i, v in enumerate(schema):
            yield from objects(v, (*path, i))


@pytest.mark.parametrize("schema", [card_schema(), diff_schema()], ids=["card", "diff"])
def test_schema_is_closed_and_every_part_is_described(schema):
    Draft202012Validator.check_schema(schema)
    for path, part in objects(schema):
        if part.get("type") == "object":
            assert "additionalProperties" in part and part["additionalProperties"] is not True, path
        if path and path[-1] == "properties" or not path or path[0] in ("x-parts",):
            continue
        if len(path) > 1 and path[-2] == "properties" and "$ref" not in part:
            assert part["description"].strip() and "\n" not in part["description"], path


def test_schema_says_which_parts_may_differ_between_two_runs():
    schema = card_schema()
    assert schema["x-parts"] == PARTS
    p = schema["properties"]
    said = {n: p[n]["x-part"] for n in ("content", "timing", "made", "shown")}
    assert said == {"content": "hashed", "timing": "latency", "made": "clock", "shown": "shown"}
    assert (
        p["timing"]["properties"]["rubric"]["x-part"] == "host"
        and p["content"]["properties"]["gates"]["items"]["x-part"] == "hashed"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(extra=1),
        lambda d: d["content"].update(extra=1),
        lambda d: d["content"].pop("rows"),
        lambda d: d["content"]["gates"][0].update(note="x"),
        lambda d: d["content"]["gates"][0]["cells"][0].update(n="many"),
        lambda d: d["timing"].update(verdict="maybe"),
        lambda d: d["timing"]["rubric"]["tests"][0].update(score=2),
        lambda d: d.update(schema="pilot-to-prod/scorecard/9"),
        lambda d: d.update(content_hash="no hash"),
        lambda d: d["content"]["facts"][0].pop("source"),
    ],
)
def test_schema_finds_drift(change):
    document = copy.deepcopy(card_of().document)
    change(document)
    assert wrong(document)


def test_published_schemas_are_those_of_the_package():
    for name, text in card_schemas().items():
        assert (ROOT / "nbs" / "schemas" / name).read_text(encoding="utf-8") == text, f"{name}: make export"
    assert CARD == SCHEMA


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ("pilot-to-prod/scorecard/1", "p2p run"),
        ("pilot-to-prod/scorecard/3", "pip install"),
        ("pilot-to-prod/scorecard/x", "p2p run"),
    ],
)
def test_card_of_another_version_is_refused_with_what_to_do(tmp_path, schema, says):
    (tmp_path / "card.json").write_text(json.dumps(card_of().document | {"schema": schema}), encoding="utf-8")
    with pytest.raises(ValueError, match=f"reads cards of schema {SCHEMA}; got {schema}") as e:
        Scorecard.load(tmp_path / "card.json")
    assert says in str(e.value)


# ---- the terminal


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("made", [card_of, rich, regression, exploration], ids=["plain", "rich", "regression", "exploration"])
def test_no_line_is_wider_than_the_terminal(made, width):
    text = made().text(width)
    assert max(map(wide, text.splitlines())) <= width and "\x1b" not in text


def test_terminal_form_says_what_the_card_says():
    card = card_of(latency=80.0)
    text, flat = card.text(200), " ".join(card.text(200).split())
    assert text.startswith("✗ BLOCK") and card.sentence in flat and card.hash[:12] in text
    assert all(s in text for s in SECTIONS)
    for r in card.reasons(99):
        assert r["title"] in flat and r["next"] in flat
    for g in [*card.document["content"]["gates"], *card.document["timing"]["gates"]]:
        assert g["name"] in flat
    assert "ML Test Score" in text and all(m["market"] in rich().text(200) for m in rich().document["timing"]["markets"])


def test_colour_only_where_it_is_asked_for():
    card = card_of(latency=80.0)
    coloured = card.text(100, color=True)
    assert "\x1b[31m" in coloured or "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == card.text(100) == str(card.text())


def test_printing_a_card_and_showing_it_in_a_notebook(capsys):
    card = card_of()
    print(card)
    assert "✓ PROMOTE" in capsys.readouterr().out
    bundle = card._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/markdown", "text/html"} and "sandbox" in bundle["text/html"]
    assert set(card._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert "text/html" not in card._repr_mimebundle_(exclude=["text/html"])
    assert repr(card).startswith("<scorecard whole")


@given(st.text(), st.integers(2, 60))
@settings(max_examples=200, deadline=None)
def test_wrapped_text_fits_and_loses_nothing(text, width):
    text = " ".join(text.split())
    lines = wrapped(text, width)
    assert all(wide(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


# ---- annotations


def fields(line: str) -> tuple[str, dict[str, str], str]:
    "A workflow command as the runner of GitHub reads it."
    found = re.fullmatch(r"::(error|warning|notice)(?: ([^:]*))?::(.*)", line, re.DOTALL)
    assert found and "\n" not in line and "\r" not in line, line

    def plain(text: str, more: bool = False) -> str:
        for code, c in (("%0D", "\r"), ("%0A", "\n"), *((("%3A", ":"), ("%2C", ",")) if more else ()), ("%25", "%")):
            text = text.replace(code, c)
        return text

    given_ = dict(p.split("=", 1) for p in (found[2] or "").split(",") if p)
    return found[1], {k: plain(v, True) for k, v in given_.items()}, plain(found[3])


def test_each_broken_promise_is_an_error_at_its_line(tmp_path):
    spec = promise(outcomes=[], adoption=None)
    text = (
        "name: whole\ngates:\n"
        + "".join(f"  - {{name: {g.name}, metric: {g.metric}}}\n" for g in spec.gates)
        + "behaviour:\n  - says: Odd ones go to a person.\n"
    )
    (tmp_path / "pilot.yaml").write_text(text, encoding="utf-8")
    card = card_of(spec, latency=80.0)
    found = [fields(line) for line in card.annotations(tmp_path / "pilot.yaml")]
    broken = [f for f in found if f[0] == "error"]
    assert [f[1]["title"] for f in broken] == ["Broken: fast"] and broken[0][1]["line"] == "8"
    assert broken[0][1]["file"].endswith("pilot.yaml") and "95% of calls" in broken[0][2] and "Next:" in broken[0][2]
    assert any(f[0] == "warning" for f in found) and card_of().annotations() == []
    assert all("line" not in fields(line)[1] for line in card.annotations())


def test_no_more_annotations_than_github_shows():
    gates = [{"name": f"perfect {i}", "metric": "accuracy", "at_least": 0.999} for i in range(14)]
    lines = card_of(promise(gates=gates, owner=None, governance=None, retraining=None)).annotations()
    levels = [fields(line)[0] for line in lines]
    assert levels.count("error") == 10 and levels.count("warning") == 10 and levels.count("notice") == 1
    assert re.search(r"4 more errors and \d+ more warnings", fields(lines[-1])[2])


@given(st.text(max_size=300), st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_annotations_are_one_line_and_read_back(title, says):
    line = command(Note("error", title, says, "pilots/a,b:c%/pilot.yaml", 3))
    level, given_, _ = fields(line)
    assert level == "error" and given_["file"] == "pilots/a,b:c%/pilot.yaml" and given_["line"] == "3"
    assert len(line.splitlines()) == 1 and set(given_) <= {"file", "line", "title"}
    assert not set(line) & set("\x00\x1b\r\n\u202e\u2028")


def test_places_of_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "pilot.yaml").write_text("gates: [", encoding="utf-8")
    assert places(tmp_path / "pilot.yaml") == {} == places(tmp_path / "none.yaml")
    (tmp_path / "pilot.yaml").write_text("gates: 3\nbehaviour: [x]\n", encoding="utf-8")
    assert places(tmp_path / "pilot.yaml") == {"key gates": 1, "key behaviour": 2}


def test_several_cards_share_the_limit():
    notes = [Note("error", f"e{i}", "x") for i in range(25)]
    assert len(github(notes)) == 11 and "15 more errors" in github(notes)[-1]


# ---- hostile text


FORMULA = re.compile(r"\s*[=+\-@|\t\r]")


def harmless_sheet(text: str) -> None:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len({len(r) for r in rows}) == 1
    for value in (v for r in rows[1:] for v in r):
        assert not FORMULA.match(value) or re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", value), value[:80]
        assert not set(value) & set("\x00\x1b\u202e")


def harmless_text(text: str) -> None:
    "No control characters, and no line that a workflow takes for a command."
    assert not set(text) & (
        {chr(i) for i in range(32)} - {"\n"}
        | {"\x7f", "\x9b", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
    )
    assert not re.search(r"(?m)^\s*::", text) and "##[" not in text
    assert len(text) < 200_000


@pytest.mark.parametrize("kind", [*HOSTILE, "workflow"])
def test_hostile_text_does_no_harm_in_any_form(kind):
    text = HOSTILE.get(kind, "::stop-commands::x\n::add-mask::y ##[error]z\n::set-env name=PATH::/tmp")
    card = hostile_card(text)
    assert wrong(card.document) == []
    harmless(card.html())
    harmless_text(card.text(80))
    harmless_text(card.markdown().replace("\t", " ")) if kind != "workflow" else None
    harmless_sheet(card.csv())
    for line in card.annotations():
        fields(line)
        assert len(line) < 5000


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_foreign_text_is_harmless_whatever_it_is(text):
    said = cell(text)
    assert not FORMULA.match(said) and not set(said) & set("\x00\x1b\r\n")
    assert not re.search(r"(?<!\\)[<>`|&*_\[\]#]", md(text))
    assert re.fullmatch(r"[\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", xml(text))
    assert not re.search(r"(?m)^[^\S\n]*::", logged(text))


@pytest.mark.parametrize("value", ["=1+1", "@SUM(A1)", "+1", "-1", "\t=1", "  =1", "＝1", "|cmd"])
def test_formulas_are_text_and_numbers_stay_numbers(value):
    assert cell(value).startswith("'") and cell(-1.5) == -1.5 and cell(None) == "" and cell(True) is True


def test_sheet_has_every_number_of_the_card():
    card = rich()
    rows = list(csv.DictReader(io.StringIO(card.csv(), newline="")))
    content = card.document["content"]
    assert {r["name"] for r in rows if r["kind"] == "slice"} == {s["slice"] for s in content["slices"]}
    assert sum(r["kind"] == "fact" for r in rows) == len(content["facts"])
    assert {r["name"] for r in rows if r["kind"] == "promise"} >= {g["name"] for g in content["gates"]}


def test_saved_by_ending(tmp_path):
    card = card_of()
    for ending, made in ((".txt", card.text()), (".csv", card.csv()), (".md", card.markdown())):
        assert card.save(tmp_path / f"card{ending}").read_bytes() == made.encode()
    with pytest.raises(ValueError, match=r"\.txt, \.csv"):
        card.save(tmp_path / "card.pdf")


# ---- the command


def a_run(top: Path, number: int, spec: Spec, evidence: Evidence, now=TODAY) -> Path:
    "The folder of a finished run with its evidence and card, as the executor leaves it."
    store = Store(top, spec.name)
    store.open()
    run = store.folder / f"{number:04d}-{number:010x}"
    evidence.save(run / "evidence" / "typing.parquet")
    card = scorecard(spec, evidence, now=now)
    for form in ("html", "json", "xml", "md"):
        card.save(run / f"scorecard.{form}")
    names = [f"scorecard.{f}" for f in ("html", "json", "xml", "md")] + [
        f"evidence/{p.name}" for p in (run / "evidence").iterdir()
    ]
    outputs = {n: file_hash(str(run / n)) for n in names}
    said = {
        "name": "scorecard",
        "status": "done",
        "seconds": 1.0,
        "started": f"2026-11-{number:02d}T06:00:00+00:00",
        "outputs": outputs,
    }
    write_json(run / "records" / "scorecard.json", said)
    entry = {"run": run.name, "pilot": spec.name, "records": {"scorecard": hash_json(said)}, "at": said["started"], "look": 1}
    entry |= {n: evidence.pilot[n] for n in ("spec", "data", "model")} | {"verdict": card.verdict, "card": card.hash}
    write_json(run / "record.json", store.append(entry))
    return run


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    "Two runs of one pilot, the second with a worse model; the working folder holds nothing else."
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P2P_RUNS_FOLDER", "runs")
    spec = promise()
    a_run(Path("runs"), 1, spec, evidence_of(spec))
    worse = evidence_of(spec, right=0.7)
    a_run(Path("runs"), 2, spec, replace(worse, pilot=worse.pilot | {"model": "n" * 64}))
    return Path("runs")


def test_newest_card_is_shown(runs, p2p):
    for args in (("whole",), ("show", "whole"), ("show", "whole", "--run", "2"), ("whole@2",), ("runs/whole/0002-0000000002",)):
        code, out, err = p2p("card", *args)
        assert (code, err) == (0, "") and "card " in out and out.isprintable() is False and "\x1b" not in out
        assert Scorecard.load(runs / "whole" / "0002-0000000002" / "scorecard.json").hash[:12] in out
    code, out, _ = p2p("card", "runs/whole/0001-0000000001/scorecard.json", "--as", "json")
    assert code == 0 and json.loads(out)["timing"]["verdict"] == "promote"


@pytest.mark.parametrize(
    ("form", "begins"), [("html", "{%"), ("junit", "<testsuites"), ("md", "# "), ("annotations", "::"), ("csv", "kind,")]
)
def test_other_forms(runs, p2p, form, begins):
    code, out, _ = p2p("card", "show", "whole", "--as", form, "--output", f"out/card.{'xml' if form == 'junit' else 'md'}")
    assert code == 0 and (out.startswith(begins) or form == "html" and "<!doctype html>" in out[:20])
    assert next(Path("out").iterdir()).stat().st_size > 100


def test_unknown_card_is_a_usage_error(runs, p2p):
    for args in (("nobody",), ("whole", "--run", "9"), ("whole@7",), ("none.json",), ("shwo",)):
        code, out, err = p2p("card", *args)
        assert code == 2 and out == "" and "Traceback" not in err, args
    assert "Did you mean 'verify'" in p2p("card", "verfy")[2]


def test_schemas_are_printed(p2p):
    assert (
        json.loads(p2p("card", "schema")[1]) == card_schema() and json.loads(p2p("card", "schema", "diff")[1]) == diff_schema()
    )


def test_annotations_of_a_pilot_at_hand(runs, p2p):
    write_pilot(Path("whole"), name="whole")
    code, out, _ = p2p("card", "annotations", "whole")
    assert code == 0 and out.count("::error file=whole/pilot.yaml,line=") >= 1


def test_on_github_prints_what_the_command_prints(runs, p2p, capsys, monkeypatch):
    from pilot_to_prod.cli.card import on_github

    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    on_github([runs / "whole" / "0002-0000000002"])
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    on_github([runs / "whole" / "0002-0000000002"])
    assert capsys.readouterr().out == p2p("card", "annotations", "whole")[1] != ""


def states(p2p, *args) -> tuple[int, dict[str, str]]:
    code, out, _ = p2p("card", "verify", *args, "--json")
    return code, {c["what"]: c["state"] for c in json.loads(out)}


def test_untouched_run_is_verified(runs, p2p):
    code, said = states(p2p, "whole")
    assert code == 0 and set(said.values()) == {"ok", "not checked"}, said
    assert said["evidence"] == said["scorecard.html"] == said["content_hash"] == said["run"] == said["manifest"] == "ok"
    assert said["promise"] == "not checked"
    code, out, _ = p2p("card", "verify", "whole@1")
    assert code == 0 and "all as it was judged" in out


@pytest.mark.parametrize(
    "name",
    [
        "scorecard.json",
        "scorecard.html",
        "scorecard.md",
        "scorecard.xml",
        "evidence/typing.parquet",
        "record.json",
        "records/scorecard.json",
    ],
)
def test_one_changed_byte_is_found(runs, p2p, name):
    path = runs / "whole" / "0002-0000000002" / name
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for at in (0, len(data) - 1, *rng.integers(0, len(data), 3)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        code, said = states(p2p, "runs/whole/0002-0000000002")
        assert code == 4 and "changed" in said.values(), (name, at)
    path.unlink()
    if name != "scorecard.json":
        code, said = states(p2p, "whole@2")
        assert code == 4 and {"missing", "changed"} & set(said.values())


def test_edited_form_and_reformatted_json_are_found_without_a_run(tmp_path, p2p, monkeypatch):
    monkeypatch.chdir(tmp_path)
    card = card_of()
    for form in ("json", "html", "md", "txt"):
        card.save(tmp_path / f"card.{form}")
    assert states(p2p, "card.json")[0] == 0
    (tmp_path / "card.html").write_text(card.html().replace("Promote", "Promoted"), encoding="utf-8")
    assert (
        states(p2p, "card.json") == (4, states(p2p, "card.json")[1]) and states(p2p, "card.json")[1]["card.html"] == "changed"
    )
    card.save(tmp_path / "card.html")
    document = card.document | {"made": {"on": "2020-01-01", "past": []}}
    (tmp_path / "card.json").write_text(json.dumps(document), encoding="utf-8")
    assert states(p2p, "card.json")[1]["card.json"] == "changed"
    changed = copy.deepcopy(card.document)
    changed["timing"]["verdict"] = "hold"
    (tmp_path / "card.json").write_text(json.dumps(changed), encoding="utf-8")
    assert (
        states(p2p, "card.json")[1]["timing_hash"] == "changed" and hashes(changed)["content_hash"] == changed["content_hash"]
    )


def test_evidence_of_another_run_is_found(runs, p2p):
    one, other = (runs / "whole" / f"000{k}-000000000{k}" / "evidence" / "typing.parquet" for k in (1, 2))
    other.write_bytes(one.read_bytes())
    code, said = states(p2p, "whole@2")
    assert code == 4 and said["evidence"] == "changed"


def test_promise_that_changed_since_is_found(tmp_path, p2p, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P2P_RUNS_FOLDER", "runs")
    write_pilot(tmp_path / "tiny")
    pilot = Pilot.load("tiny")
    from pilot_to_prod.runs import subject_hashes

    made = replay(pilot, suite(["upper_case"], pilot.spec), (0.3,), (0,))
    a_run(Path("runs"), 1, pilot.spec, made)
    _, said = states(p2p, "tiny")
    assert (said["promise"], said["model"]) == ("ok", "ok") and subject_hashes(pilot.spec)["model"] == pilot.hash
    text = (tmp_path / "tiny" / "pilot.yaml").read_text(encoding="utf-8")
    (tmp_path / "tiny" / "pilot.yaml").write_text(text.replace("at_least: 0.5", "at_least: 0.4"), encoding="utf-8")
    code, said = states(p2p, "tiny")
    assert code == 4 and said["promise"] == "changed" and said["model"] == "ok"


def test_pruned_evidence_is_not_called_missing(runs, p2p):
    from datetime import UTC, datetime

    from pilot_to_prod.runs import prune

    prune("runs", keep=1, now=datetime(2027, 1, 1, tzinfo=UTC))
    assert not (runs / "whole" / "0001-0000000001" / "scorecard.json").exists()
    assert p2p("card", "show", "whole@1")[0] == 2 and "pruned" in p2p("card", "show", "whole@1")[2]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 3}', "\x00", "{" * 100_000])
def test_verify_of_a_file_that_is_no_card(tmp_path, p2p, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "card.json").write_text(text, encoding="utf-8")
    code, said = states(p2p, "card.json")
    assert code == 4 and said == {"card.json": "changed"}


@given(text=st.text(max_size=80))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_card_with_any_text_is_harmless(text):
    card = card_of(facts=[Fact("outcomes", text or "x", text, source=text)], n=120, latency=None)
    harmless_text(card.text(60))
    harmless_sheet(card.csv())
    assert wrong(card.document) == []
