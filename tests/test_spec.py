"""pilot.yaml: read as YAML 1.2, every mistake at once, each with its line and what to do."""

import io
import json
from datetime import date
from pathlib import Path

import joblib
import jsonschema
import numpy as np
import pandas as pd
import pytest
from conftest import GATES, ROOT, YAML, text_rows
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML as Ruamel
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from pilot_to_prod.gates import promises
from pilot_to_prod.pilot import Pilot, PilotError, begin_pilot
from pilot_to_prod.spec import Column, Feed, Spec, SpecError, canonical, guess_roles, json_schema, parse, read_frame

SHIPPED = ("credit", "feedback", "meters")


def raw(**more) -> dict:
    "The smallest promise as plain values."
    found = Ruamel(typ="safe", pure=True).load(
        YAML.format(name="tiny", model="  loader: module\n  ref: model.py:model", more=GATES)
    )
    return json.loads(json.dumps(found)) | more


def load(folder: Path, text: str) -> Spec:
    (folder / "pilot.yaml").write_text(text, encoding="utf-8")
    return Spec.load(folder)


def yaml(more: str = GATES, model: str = "  loader: module\n  ref: model.py:model", **change: str) -> str:
    text = YAML.format(name="tiny", model=model, more=more)
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    return text


def says(problems) -> str:
    return "\n".join(map(str, problems))


# ---- what is read


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_promises_are_read_without_a_problem(name):
    spec = Spec.load(ROOT / "pilots" / name)
    assert spec.name == name
    assert spec.folder == ROOT / "pilots" / name
    assert len(spec.promises()) == len(spec.gates) + len(spec.behaviour) == len(promises(spec))


def test_no_is_norwegian_and_not_false(tmp_path):
    spec = load(tmp_path, yaml(GATES + "languages: [no, sv]\n"))
    assert spec.languages == ("no", "sv")
    spec = load(tmp_path, yaml(GATES + "slices: [{name: on, column: text, isin: [yes, off]}]\n"))
    assert (spec.slices[0].name, spec.slices[0].isin) == ("on", ("yes", "off"))


@pytest.mark.parametrize(
    ("value", "spelt"),
    [(1, "1"), (1.0, "1"), (np.int64(3), "3"), (np.float64(2.5), "2.5"), (True, "true"), (np.False_, "false"), ("1.0", "1.0"),
     (float("inf"), "inf"), (10**400, str(10**400)), (" a ", " a ")],
)  # fmt: skip
def test_classes_have_one_spelling(value, spelt):
    assert canonical(value) == spelt


def test_sentences_become_promises(tmp_path):
    sentences = """behaviour:
  - {says: It stays., scenario: typos, up_to: 0.3, expect: keep, share: 0.9}
  - {says: It changes., scenario: upper_case, expect: change, share: 0.8}
  - {says: Somebody looks., slice: text=x, expect: abstain, share: 0.5}
  - {says: It is stopped., family: messy, expect: reject, share: 0.7}
"""
    keep, change, hand, stop = promises(load(tmp_path, yaml(sentences)))
    assert (keep.metric, keep.limit, keep.up, keep.touched, keep.says) == ("unchanged", 0.9, True, True, "It stays.")
    assert (change.metric, pytest.approx(change.limit), change.up) == ("unchanged", 0.2, False)
    assert (hand.metric, hand.limit, hand.up, hand.touched, hand.section) == ("abstained", 0.5, True, False, "oversight")
    assert (stop.metric, stop.limit, stop.touched, stop.section) == ("abstained", 0.7, True, "oversight")


# ---- mistakes


def test_all_mistakes_at_once_each_with_its_line(tmp_path):
    text = """name: Tiny Pilot
taks: binary
task: binry
model:
  loader: skops
data:
  reference: reference.csv
  replay: replay.csv
  label: topic
  labels: [broken, late]
  positive: lat
  columns:
    text: txt
    topic: category
gates:
  - {name: a, metric: acuracy, at_least: 0.5}
  - {name: a, metric: accuracy}
behaviour:
  - {says: x, expect: keep, share: 2, slice: nowhere}
"""
    with pytest.raises(SpecError) as e:
        load(tmp_path, text)
    by_line = {}
    for p in e.value.problems:
        by_line.setdefault(p.line, []).append(str(p))
    assert "name" in says(by_line[1])
    assert "Did you mean 'task'?" in says(by_line[2])
    assert "Did you mean 'binary'?" in says(by_line[3])
    assert "model.path" in says(by_line[4])
    assert "Did you mean 'late'?" in says(by_line[11])
    assert "Did you mean 'text'?" in says(by_line[13])
    assert "must not see" in says(by_line[14])
    assert "Did you mean 'accuracy'?" in says(by_line[16])
    assert "used twice" in says(by_line[17]) and "exactly one of at_least and at_most" in says(by_line[17])
    assert "share" in says(by_line[19]) and "no slice is called 'nowhere'" in says(by_line[19])
    assert [p.line or 0 for p in e.value.problems] == sorted(p.line or 0 for p in e.value.problems)
    assert str(tmp_path / "pilot.yaml") in str(e.value) and f"{len(e.value.problems)} problems" in str(e.value)


@pytest.mark.parametrize(
    ("more", "line", "wanted"),
    [
        ("gates: [{name: a, metric: recall, at_least: 0.5}]", 19, "recall needs label"),
        ("gates: [{name: a, metric: accuracy, at_most: 0.5}]", 19, "use at_least"),
        ("gates: [{name: a, metric: latency_p95, at_least: 5}]", 19, "use at_most"),
        ("gates: [{name: a, metric: accuracy, of: drop, at_most: 0.5}]", 19, "name a scenario or a family"),
        ("gates: [{name: a, metric: accuracy, of: drop, at_least: 0.5, family: messy}]", 19, "use at_most"),
        ("gates: [{name: a, metric: unchanged, at_least: 0.5}]", 19, "name a scenario or a family"),
        ("gates: [{name: a, metric: accuracy, at_least: 0.5, up_to: 0.2}]", 19, "clean rows have no severity"),
        ("gates: [{name: a, metric: accuracy, at_least: 0.5, scenario: typos, family: messy}]", 19, "keep one"),
        ("gates: [{name: a, metric: mae, at_most: 0.5}]", 19, "mae is for regression"),
        ("gates: [{name: a, metric: accuracy, at_least: 0.5, at_most: 0.6}]", 19, "exactly one"),
        (
            "gates: [{name: a, metric: accuracy, at_least: 0.5, slice: kine}]\nslices: [{name: kind, column: text}]",
            19,
            "'kind'",
        ),
        ("gates: [{name: a, metric: accuracy, at_least: high}]", 19, "'high'"),
        ("owner: {name: A, suport: x}", 19, "Did you mean 'support'?"),
        ("dependencies: [{name: d, kind: technical, state: redy}]", 19, "Did you mean 'ready'?"),
        ("governance: {lawful_basis: {says: x, by: y, on: some day}}", 19, "lawful_basis"),
        ("feed:\n  rate: 2\n  service_ms: 50\n  fallback: brokn", 22, "one of the labels; got 'brokn'. Did you mean 'broken'?"),
        ("feed: {rate: 2, service_ms: 50, fallback: brokn}", 19, "Labels: broken, late."),
        ("feed: {rate: 2, service_ms: 50, fallback: 7}", 19, "feed.fallback: must be one of the labels; got '7'"),
        ("feed:\n  rate: 2\n  service_ms: 50\n  budget_ms: 49", 21, "a call takes 50 ms, and budget_ms allows 49"),
        ("feed: {rate: true, service_ms: 50}", 19, "feed.rate: must be a number; got True"),
        ("dependencies:\n- {name: d, kind: technical}\n- {name: d, kind: legal}", 21, "'d' is used twice"),
        (
            "dependencies:\n- name: d\n  kind: technical\n  columns: [id, txt]",
            22,
            "no column 'txt' in data.columns. Did you mean 'text'?",
        ),
    ],
)
def test_mistakes_between_keys(tmp_path, more, line, wanted):
    with pytest.raises(SpecError) as e:
        load(tmp_path, yaml(more))
    hit = [p for p in e.value.problems if wanted in str(p)]
    assert hit, str(e.value)
    assert hit[0].line == line + yaml("").count("\n") - 18


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("  loader: module\n  ref: model.py", "module:function"),
        ("  loader: skops", "needs path"),
        ("  loader: joblib\n  path: m.joblib", "pinned"),
        ("  loader: joblib\n  path: m.joblib\n  sha256: abc", "pinned"),
        ("  loader: pickel\n  path: m.pkl", "Did you mean 'pickle'?"),
        ("  loader: module\n  ref: model.py:model\n  deadline: 0", "greater than 0"),
    ],
)
def test_mistakes_about_the_model(tmp_path, model, wanted):
    with pytest.raises(SpecError, match=wanted):
        load(tmp_path, yaml(model=model))


def test_binary_names_its_positive_class_and_a_column_is_an_input():
    _, problems = parse(raw(data=raw()["data"] | {"positive": None}))
    assert "positive" in says(problems)
    _, problems = parse(raw(data=raw()["data"] | {"columns": {"id": "id"}}))
    assert "no input" in says(problems)
    _, problems = parse(raw(data=raw()["data"] | {"parallel": {"path": "p.csv", "languages": ["de"]}, "id": None}))
    assert "data.id" in says(problems)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", "got nothing"),
        (b"- a\n- b\n", "a mapping"),
        (b"name: [a\n", "not valid YAML"),
        (b"name: a\nname: b\n", "line 2"),
        (b"name: \xff\n", "not UTF-8 at byte 6"),
        (b"name: a\n---\nname: b\n", "not valid YAML"),
        (b"name: !!python/object/apply:os.system ['true']\n", "name"),
    ],
)
def test_files_that_are_no_promise(tmp_path, content, wanted):
    (tmp_path / "pilot.yaml").write_bytes(content)
    with pytest.raises(SpecError, match=wanted):
        Spec.load(tmp_path)


def test_control_character_in_yaml_is_a_spec_error(tmp_path):
    (tmp_path / "pilot.yaml").write_bytes(b'name: "a\x01b"\n')
    with pytest.raises(SpecError, match="YAML"):
        Spec.load(tmp_path)


def test_missing_file_says_how_to_begin_one(tmp_path):
    with pytest.raises(SpecError, match="p2p init"):
        Spec.load(tmp_path / "pilot.yaml")


WORDS = ["text", "id", "module", "drop", "recall", "binary", "a=b"]
NAMES = ["name", "role", "slice", "scenario", "label", "labels", "columns", "metric", "of"]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=6) | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = sorted(Spec.model_fields)
DATA = ["reference", "replay", "label", "columns", "id", "cluster", "time", "labels", "positive", "parallel"]


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    top=st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), JUNK, max_size=8),
    data=st.none() | st.dictionaries(st.sampled_from(DATA), JUNK, max_size=6),
)
def test_parse_returns_problems_and_never_raises(top, data):
    spec, problems = parse(top if data is None else top | {"data": data})
    assert (spec is None) == bool(problems) or problems
    assert all(isinstance(str(p), str) for p in problems)


@pytest.mark.parametrize(
    "change",
    [
        {"slices": 5},
        {"slices": [{"name": ["a"], "column": "text"}]},
        {"gates": [{"name": "a", "metric": "accuracy", "at_least": 0.5, "slice": ["x"]}]},
        {"data": raw()["data"] | {"label": ["topic"]}},
    ],
    ids=["slices-number", "slice-name-list", "gate-slice-list", "label-list"],
)
def test_parse_survives_the_wrong_kind_of_value(change):
    spec, problems = parse(raw(**change))
    assert spec is None and problems


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"gates": [{"name": "a", "metric": "recall", "label": "lat", "at_least": 0.5}]}, "late"),
        ({"gates": [{"name": "a", "metric": "accuracy", "at_least": float("nan")}]}, "at_least"),
        ({"gates": [{"name": "a", "metric": "accuracy", "at_least": 0.5, "section": "performence"}]}, "performance"),
        ({"severities": [30]}, "severities"),
        ({"protected": ["txt"]}, "text"),
        ({"costs": {"lat -> broken": 5}}, "late"),
    ],
    ids=[
        "recall-of-unknown-label",
        "nan-limit",
        "unknown-section",
        "severity-30",
        "unknown-protected-column",
        "unknown-cost-label",
    ],
)
def test_promise_that_cannot_be_judged_is_told_before_a_run(change, wanted):
    _, problems = parse(raw(**change))
    assert wanted in says(problems)


# ---- its feed and its dependencies


def feed_problems(fallback, **change) -> list[str]:
    "What is said of a fallback."
    value = raw(feed={"rate": 2, "service_ms": 50, "fallback": fallback}) | change
    return [str(p) for p in parse(value)[1] if p.where[:1] == ("feed",)]


NAMED = st.integers(-3, 3) | st.booleans() | st.floats(-2, 2) | st.sampled_from(["1", "true", "late", "lat", ""])


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(labels=st.lists(NAMED, max_size=4), fallback=NAMED)
def test_a_fallback_is_one_of_the_labels_however_it_is_written(labels, fallback):
    data = raw()["data"] | {"labels": labels, "positive": labels[0] if labels else None}
    known = not labels or canonical(fallback) in map(canonical, labels)
    assert known == (not feed_problems(fallback, data=data))
    if known and len(labels) > 1:
        spec, problems = parse(raw(data=data, feed={"rate": 2, "service_ms": 50, "fallback": fallback}))
        assert problems or spec.feed.fallback == canonical(fallback)


@pytest.mark.parametrize("fallback", [0, 2.5, -1, "3", "1e3", 10**30])
def test_a_number_falls_back_to_a_number(fallback):
    assert not feed_problems(fallback, task="regression")
    spec, _ = parse(raw(task="regression", gates=[], feed={"rate": 2, "service_ms": 50, "fallback": fallback}))
    assert float(spec.feed.fallback) == float(fallback)


@pytest.mark.parametrize("fallback", ["none", "", True, float("nan"), float("inf"), 10**400, "late"])
def test_a_number_does_not_fall_back_to_anything_else(fallback):
    (says,) = feed_problems(fallback, task="regression")
    assert "must be a number for regression; got " in says and "given when time is up" in says


def test_a_shipped_pilot_with_a_misspelt_fallback_does_not_pass(tmp_path):
    text = (ROOT / "pilots" / "feedback" / "pilot.yaml").read_text(encoding="utf-8")
    head = "\n".join(line for line in text.splitlines() if not line.startswith("feed:"))
    with pytest.raises(SpecError, match="feed.fallback: must be one of the labels; got 'ap'. Did you mean 'app'"):
        load(tmp_path, head + "\nfeed: {rate: 2, service_ms: 50, fallback: ap}\n")


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(service=st.integers(1, 50), budget=st.integers(1, 50), fallback=st.sampled_from([None, "late"]))
def test_a_call_fits_into_the_budget(service, budget, fallback):
    _, problems = parse(raw(feed={"rate": 2, "service_ms": service, "budget_ms": budget, "fallback": fallback}))
    assert (service > budget) == bool(problems)
    assert not problems or f"every event would {'expire' if fallback is None else 'get the fallback'}" in says(problems)


def test_all_that_is_wrong_with_dependencies_and_feed_is_told_at_once():
    wrong = [{"name": "a", "kind": "technical", "columns": ["txt", "text", "idd"]}, {"name": "a", "kind": "legal"}]
    feed = {"rate": 2, "service_ms": 500, "budget_ms": 100, "fallback": "lat"}
    _, problems = parse(raw(dependencies=wrong, feed=feed))
    assert {p.where for p in problems} == {
        ("dependencies", 0, "columns", 0),
        ("dependencies", 0, "columns", 2),
        ("dependencies", 1, "name"),
        ("feed", "fallback"),
        ("feed", "service_ms"),
    }
    right = [
        {"name": "a", "kind": "technical", "columns": ["text"]},
        {"name": "b", "kind": "technical", "columns": ["text", "id"]},
    ]
    assert not parse(raw(dependencies=right))[1]


NUMBERS = ["rate", "service_ms", "row_ms", "budget_ms", "micro_batch", "max_wait_ms", "retries", "queue"]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [True, False, np.True_])
def test_a_truth_value_is_no_number_of_a_feed(name, value):
    with pytest.raises(SpecError, match=f"{name}: must be a number; got"):
        Feed(**{"rate": 1, "service_ms": 1} | {name: value})


def test_parts_made_in_python_tell_all_mistakes_in_the_words_of_the_file():
    with pytest.raises(SpecError) as e:
        Feed(rate=0, service_ms=True, fallbck="x")
    assert str(e.value).splitlines() == [
        "Feed: 3 problems",
        "  rate: input should be greater than 0; got 0.",
        "  service_ms: must be a number; got True.",
        "  fallbck: unknown key. Did you mean 'fallback'?",
    ]
    with pytest.raises(SpecError, match="role: must be one of .*; got 'txt'. Did you mean 'text'"):
        Column(role="txt")


# ---- its name


def test_hash_is_that_of_the_promise_and_not_of_the_file(tmp_path):
    one = load(tmp_path, yaml())
    tree = Ruamel(typ="safe", pure=True).load(yaml())
    turned = {k: tree[k] for k in reversed(tree)}
    turned["data"] = {k: tree["data"][k] for k in reversed(tree["data"])}
    out = io.StringIO()
    plain = Ruamel()
    plain.default_flow_style = True
    plain.dump(turned, out)
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert load(other, "# another layout\n" + out.getvalue()).hash == one.hash
    assert load(tmp_path, yaml(**{"at_least: 0.5": "at_least: 0.51"})).hash != one.hash
    assert load(tmp_path, yaml(**{"at_least: 0.5": "at_least: 0.50"})).hash == one.hash
    assert load(tmp_path, yaml(**{"text: text": "text: {role: text}"})).hash == one.hash
    assert load(tmp_path, yaml(GATES + "seeds: [1]\n")).hash != one.hash


def test_what_is_not_said_about_notices_is_not_in_the_hash(tmp_path):
    owner = "owner: {name: A"
    one = load(tmp_path, yaml(GATES + owner + "}\n"))
    before = {"name", "contact", "on_call", "support"}  # what there was to say before there were notices
    assert set(one.model_dump(mode="json")["owner"]) == before
    told = load(tmp_path, yaml(GATES + owner + ", webhook: TEAM_URL, escalation: [{to: B, after_hours: 24}]}\n"))
    assert told.hash != one.hash and told.owner.escalation[0].webhook is None
    assert load(tmp_path, yaml(GATES + owner + ", webhook: null, escalation: []}\n")).hash == one.hash


@pytest.mark.parametrize("hours", ["0", "-1", "true", ".inf", ".nan", "soon"])
def test_hours_until_it_escalates_are_a_positive_number(tmp_path, hours):
    with pytest.raises(SpecError, match=r"line 20: owner.escalation\[0\].after_hours"):
        load(tmp_path, yaml(GATES + f"owner: {{name: A, escalation: [{{to: B, after_hours: {hours}}}]}}\n"))


# ---- its schema


@pytest.mark.parametrize("name", SHIPPED)
def test_schema_takes_the_shipped_pilots_and_no_misspelt_key(name):
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    found = Ruamel(typ="safe", pure=True).load((ROOT / "pilots" / name / "pilot.yaml").read_text(encoding="utf-8"))
    document = json.loads(json.dumps(found, default=date.isoformat))
    assert not [e.message for e in validator.iter_errors(document)]
    for place in (document, document["data"], document["model"], document["gates"][0], document["owner"]):
        place["mispelt"] = 1
        assert [e for e in validator.iter_errors(document)]
        del place["mispelt"]
    assert not document.get("exploration") and "folder" not in json_schema()["properties"]


def test_schema_takes_what_the_reader_takes():
    value = raw(data=raw()["data"] | {"labels": [0, 1], "positive": 1})
    value["feed"] = {"rate": 2, "service_ms": 50, "fallback": 1}
    spec, problems = parse(value)
    assert spec is not None and not problems and spec.data.labels == ("0", "1") and spec.feed.fallback == "1"
    assert not [e.message for e in jsonschema.Draft202012Validator(json_schema()).iter_errors(value)]


def test_schema_command_prints_it(p2p):
    code, out, _ = p2p("schema")
    assert code == 0 and json.loads(out) == json_schema()


# ---- p2p init


def joblib_of(folder: Path, rows: pd.DataFrame) -> Path:
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(rows["text"], rows["topic"])
    joblib.dump(model, folder / "model.joblib")
    return folder / "model.joblib"


def test_init_needs_trust_for_a_joblib_and_then_pins_it(tmp_path, p2p):
    rows, more = text_rows(60), text_rows(80, 500)
    more.to_csv(tmp_path / "rows.csv", index=False)
    given = [
        "init",
        tmp_path / "mine",
        "--data",
        tmp_path / "rows.csv",
        "--label",
        "topic",
        "--model",
        joblib_of(tmp_path, rows),
    ]
    code, _, err = p2p(*given)
    assert code == 4 and "--trust" in err and "skops" in err
    assert not (tmp_path / "mine").exists()
    code, out, err = p2p(*given, "--trust")
    assert code == 0, err
    assert "p2p check" in out
    spec = Spec.load(tmp_path / "mine")
    assert spec.model.loader == "joblib" and len(spec.model.sha256) == 64
    assert (spec.data.label, spec.task, spec.data.id, spec.roles["text"]) == ("topic", "binary", "id", "text")
    code, out, err = p2p("check", tmp_path / "mine")
    assert code == 0, err
    assert "keeps the contract" in out
    with (tmp_path / "model.joblib").open("ab") as model:
        model.write(b"x")
    code, _, err = p2p("check", tmp_path / "mine")
    assert code == 4 and "SHA-256" in err and "Traceback" not in err


def test_init_does_not_overwrite(tmp_path, p2p):
    text_rows().to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "pilot.yaml").write_text("mine", encoding="utf-8")
    code, _, err = p2p("init", tmp_path, "--data", tmp_path / "rows.csv", "--label", "topic", "--model", "model:predict")
    assert code == 4 and "exists already" in err
    assert (tmp_path / "pilot.yaml").read_text(encoding="utf-8") == "mine"


def test_init_names_the_nearest_column(tmp_path, p2p):
    text_rows().to_csv(tmp_path / "rows.csv", index=False)
    code, _, err = p2p("init", tmp_path / "x", "--data", tmp_path / "rows.csv", "--label", "topics", "--model", "m:f")
    assert code == 4 and "Did you mean 'topic'?" in err and not (tmp_path / "x").exists()


@pytest.mark.parametrize("with_id", [True, False])
def test_init_leaves_out_what_the_model_has_seen(tmp_path, with_id):
    rows = text_rows(80) if with_id else text_rows(80).drop(columns="id")
    seen = rows.iloc[10:40]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    seen.to_csv(tmp_path / "seen.csv", index=False)
    path = begin_pilot(tmp_path / "p", tmp_path / "rows.csv", "topic", "model:predict", seen=tmp_path / "seen.csv")
    spec = Spec.load(path)
    replay = read_frame(spec.path(spec.data.replay))
    assert len(replay) == 50 and not set(replay["text"]) & set(seen["text"])
    assert len(read_frame(spec.path(spec.data.reference))) == 30
    with pytest.raises(PilotError, match="every row is among those"):
        begin_pilot(tmp_path / "q", tmp_path / "seen.csv", "topic", "model:predict", seen=tmp_path / "rows.csv")


def test_init_finds_seen_rows_though_a_gap_made_its_numbers_decimal(tmp_path):
    rows = pd.DataFrame({"years": range(60), "size": [i * 7 % 31 for i in range(60)], "y": ["a", "b"] * 30})
    seen = pd.concat([rows.iloc[:20], pd.DataFrame({"years": [None], "size": [3], "y": ["a"]})])
    rows.to_csv(tmp_path / "rows.csv", index=False)
    seen.to_csv(tmp_path / "seen.csv", index=False)
    spec = Spec.load(begin_pilot(tmp_path / "p", tmp_path / "rows.csv", "y", "model:predict", seen=tmp_path / "seen.csv"))
    replay = read_frame(spec.path(spec.data.replay))
    assert not set(replay["years"]) & set(range(20))


@pytest.mark.parametrize("labels", [["0", "1"], ["yes", "no"], ["true", "false"], ["a, b", "c: #d"], ["1.5", "-2"]])
def test_init_quotes_what_yaml_would_misread(tmp_path, labels):
    rows = text_rows(40).assign(topic=[labels[i % 2] for i in range(40)], **{"on": 1.5, "a: b": range(40)})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    spec = Spec.load(begin_pilot(tmp_path / "Größe 1", tmp_path / "rows.csv", "topic", "model:predict"))
    pilot = Pilot(spec, lambda frame: [labels[0]] * len(frame))
    assert len(pilot.replay_set) == 40 and set(pilot.labels) == set(labels)
    assert set(spec.data.columns) == {"id", "text", "on", "a: b"}


def test_roles_are_guessed_from_values():
    frame = pd.DataFrame(
        {
            "id": range(60),
            "text": text_rows(60)["text"],
            "amount_eur": np.linspace(1, 2, 60),
            "age": range(60),
            "colour": ["red", "blue"] * 30,
            "day": ["2026-01-02"] * 60,
            "language": ["de"] * 60,
            "y": 1,
        }
    )
    wanted = {
        "id": "id",
        "text": "text",
        "amount_eur": "amount",
        "age": "number",
        "colour": "category",
        "day": "date",
        "language": "language",
    }
    assert guess_roles(frame, skip=["y"]) == wanted
