"""Runs: keys that name everything a result depends on, records that come last, and a chain that shows a changed past."""

import json
import shutil
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from conftest import GATES, text_rows, write_pilot
from filelock import FileLock

import pilot_to_prod.runs._task as work
import pilot_to_prod.runs.plan as room
from pilot_to_prod.runs import STRESS, Plan, RunError, Store, Unit, look_at, make_plan, notebooks, run, subject_hashes
from pilot_to_prod.settings import load_settings
from pilot_to_prod.spec import Spec, file_hash, hash_json


def settings_of(folder: Path, **flags):
    return load_settings(
        {"runs.folder": str(folder / "runs"), **{k.replace("_", ".", 1): v for k, v in flags.items()}}, start=folder, environ={}
    )


def keys(pilot: Path, severities=(0.3,), seeds=(0,), **flags) -> dict[str, str]:
    return {
        u.name: u.key for u in make_plan(Spec.load(pilot), settings_of(pilot, **flags), list(severities), list(seeds)).units
    }


# ---- keys


def test_keys_do_not_know_where_the_folder_is(tmp_path):
    one, other = write_pilot(tmp_path / "a" / "tiny"), write_pilot(tmp_path / "elsewhere" / "b" / "renamed")
    assert keys(one) == keys(other) == keys(one)
    assert list(keys(one)) == [*STRESS, "scorecard"]


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {n for n in before if before[n] != after[n]}


EVERY = {*STRESS, "scorecard"}


def test_keys_change_with_severities_and_seeds(tmp_path):
    pilot = write_pilot(tmp_path / "tiny")
    assert changed(keys(pilot), keys(pilot, (0.2,))) == EVERY
    assert changed(keys(pilot), keys(pilot, seeds=(0, 1))) == EVERY
    assert changed(keys(pilot), keys(pilot, replay_examples=3)) == EVERY
    assert not changed(keys(pilot), keys(pilot, runs_workers=1))  # what results do not depend on


@pytest.mark.parametrize("file", ["model.py", "replay.csv", "reference.csv"])
def test_keys_change_with_one_byte_of_model_and_rows(tmp_path, file):
    pilot = write_pilot(tmp_path / "tiny")
    before = keys(pilot)
    with (pilot / file).open("a", encoding="utf-8") as out:
        out.write("\n")
    assert changed(before, keys(pilot)) == EVERY


def test_keys_change_with_the_promise_and_not_with_its_layout(tmp_path):
    pilot = write_pilot(tmp_path / "tiny")
    before, path = keys(pilot), pilot / "pilot.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text("# a remark\n" + text, encoding="utf-8")
    assert not changed(before, keys(pilot))
    path.write_text(text.replace("at_least: 0.5", "at_least: 0.6"), encoding="utf-8")
    assert changed(before, keys(pilot)) == EVERY


def test_keys_change_with_the_source_of_a_notebook(tmp_path, monkeypatch):
    pilot = write_pilot(tmp_path / "tiny")
    before = keys(pilot)
    shutil.copytree(next(iter(notebooks().values())).parent, tmp_path / "stress", ignore=shutil.ignore_patterns(".*"))
    monkeypatch.setattr(room, "notebooks", lambda: {p.stem: p for p in sorted((tmp_path / "stress").glob("*.ipynb"))})
    assert not changed(before, keys(pilot))
    path = tmp_path / "stress" / "messy.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("Messy data", "Messier data"), encoding="utf-8")
    assert changed(before, keys(pilot)) == {"messy", "scorecard"}  # the card comes after all of them


def test_keys_change_with_the_source_of_an_importable_model(tmp_path, monkeypatch):
    (tmp_path / "importable_for_test.py").write_text("def predict(frame): return ['late'] * len(frame)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    pilot = write_pilot(tmp_path / "tiny", model="  loader: module\n  ref: importable_for_test:predict", source=None)
    before = subject_hashes(Spec.load(pilot))["model"]
    (tmp_path / "importable_for_test.py").write_text("def predict(frame): return ['broken'] * len(frame)\n", encoding="utf-8")
    assert subject_hashes(Spec.load(pilot))["model"] != before


def test_keys_change_with_the_tables_and_modules_that_scenarios_name(tmp_path, monkeypatch):
    (tmp_path / "own_kinds.py").write_text("A = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    named = (
        "suite:\n  - {name: slang, path: words.tsv}\n  - {name: 'own_kinds:wet', up_to: '12:30'}\n  - {name: 'not_there:wet'}\n"
    )
    pilot = write_pilot(tmp_path / "tiny", more=named)
    (pilot / "words.tsv").write_text("standard\tslang\nparcel\tbox\n", encoding="utf-8")
    before = keys(pilot)
    assert not changed(before, keys(pilot))
    (pilot / "words.tsv").write_text("standard\tslang\nparcel\tcrate\n", encoding="utf-8")
    other = keys(pilot)
    assert changed(before, other) == EVERY
    (tmp_path / "own_kinds.py").write_text("A = 2\n", encoding="utf-8")
    assert changed(other, keys(pilot)) == EVERY


def test_plan_takes_severities_from_flag_then_promise_then_settings(tmp_path):
    pilot = write_pilot(tmp_path / "tiny", more=GATES + "severities: [0.02]\nseeds: [4]\n")
    spec = Spec.load(pilot)
    assert make_plan(spec, settings_of(pilot)).units[0].parameters["severities"] == [0.02]
    assert make_plan(spec, settings_of(pilot), [0.7]).units[0].parameters["severities"] == [0.7]
    assert make_plan(spec, settings_of(pilot)).units[0].parameters["seeds"] == [4]
    plain = Spec.load(write_pilot(tmp_path / "plain"))
    assert make_plan(plain, settings_of(pilot)).units[0].parameters["severities"] == [0.1, 0.3, 0.5]


# ---- the chain


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(tmp_path / "runs", "tiny")
    made.open()
    for i in range(3):
        made.append({"run": f"000{i + 1}-x", "look": i + 1})
    return made


def link(store: Store, number: int) -> Path:
    return store.folder / "manifests" / f"{number:06d}.json"


def test_chain_is_numbered_and_each_names_the_one_before(store):
    found = store.manifests()
    assert [m["number"] for m in found] == [1, 2, 3]
    assert [m["previous"] for m in found] == [None, found[0]["hash"], found[1]["hash"]]
    assert all(m["hash"] == hash_json({k: v for k, v in m.items() if k != "hash"}) for m in found)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_changed_manifest_shows(store, number):
    body = json.loads(link(store, number).read_text(encoding="utf-8"))
    link(store, number).write_text(json.dumps(body | {"look": 9}), encoding="utf-8")
    with pytest.raises(RunError, match=rf"{number:06d}.json.*chain of runs is broken"):
        store.manifests()
    with pytest.raises(RunError):
        store.append({"run": "0009-x"})


def test_changed_manifest_shows_though_its_own_hash_was_mended(store):
    body = {k: v for k, v in json.loads(link(store, 1).read_text(encoding="utf-8")).items() if k != "hash"} | {"look": 9}
    link(store, 1).write_text(json.dumps(body | {"hash": hash_json(body)}), encoding="utf-8")
    with pytest.raises(RunError, match=r"000002.json"):
        store.manifests()


@pytest.mark.parametrize("number", [1, 2])
def test_removed_manifest_shows(store, number):
    link(store, number).unlink()
    with pytest.raises(RunError, match="chain of runs is broken"):
        store.manifests()


@pytest.mark.parametrize("kept", [0, 1, 40])
def test_torn_manifest_shows(store, kept):
    link(store, 3).write_bytes(link(store, 3).read_bytes()[:kept])
    with pytest.raises(RunError, match="torn"):
        store.manifests()


@pytest.mark.parametrize("content", ["[]", "[1]", "3", '"x"', "null"])
def test_manifest_that_is_no_mapping_shows(store, content):
    link(store, 2).write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match="000002"):
        store.manifests()


def test_removed_newest_manifest_shows_where_its_run_is_still_there(tmp_path, light):
    plan, settings = plan_of(tmp_path, one="open(output, 'w').write('x')")
    made = run(plan, settings)
    assert made.manifest is not None and (made.folder / "record.json").exists()
    for path in (made.folder.parent / "manifests").glob("*.json"):
        path.unlink()
    with pytest.raises(RunError, match="removed"):
        run(plan, settings)


# ---- looks


def entry(look: int, spec: str = "s", data: str = "d", model: str = "m") -> dict:
    return {"look": look, "spec": spec, "data": data, "model": model}


@pytest.mark.parametrize(
    ("chain", "now", "look"),
    [
        ([], ("s", "d", "m"), 1),
        ([entry(1)], ("s", "d", "m"), 1),  # identical: the same look
        ([entry(1), entry(2, model="n")], ("s", "d", "m"), 1),  # identical to the first
        ([entry(1)], ("s", "d", "n"), 2),  # a changed model on the same rows
        ([entry(1)], ("t", "d", "m"), 2),  # a threshold that moved on the same rows
        ([entry(1)], ("s", "e", "m"), 2),  # fresh rows for the same model
        ([entry(1)], ("s", "e", "n"), 1),  # fresh rows and a changed model
        ([entry(1)], ("t", "e", "n"), 1),
        ([entry(1), entry(2, model="n")], ("s", "d", "o"), 3),
        ([entry(1), entry(1, data="e", model="n")], ("s", "e", "m"), 2),  # both were seen before, though not together
    ],
)
def test_looks_are_counted(chain, now, look):
    assert look_at(chain, *now) == look


# ---- execution, with notebooks that need no package


def notebook(path: Path, source: str) -> Path:
    cells = [("output = None\nevidence = None\nlook = 1", ["parameters"]), (source, [])]
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s, metadata={"tags": t}) for s, t in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)
    return path


LIGHTLY = {"runs_workers": 2, "runs_engine": "nbclient", "runs_backoff": 0.1}


def plan_of(folder: Path, after: dict[str, tuple[str, ...]] | None = None, **sources: str) -> tuple[Plan, object]:
    "A plan of small notebooks; a unit called scorecard would write the card."
    units = []
    for name, source in sources.items():
        path = notebook(folder / f"{name}.ipynb", source)
        waits = tuple(u.key for u in units if u.name in (after or {}).get(name, ()))
        units.append(Unit(name, path, {}, hash_json([name, file_hash(str(path))]), waits))
    return Plan("tiny", tuple(units), {"spec": "s", "data": "d", "model": "m"}), settings_of(folder, **LIGHTLY)


LIGHT = """
import json, pathlib, sys
task = pathlib.Path(sys.argv[1])
work = json.loads(task.read_text())
said = {"status": "done", "error": None, "message": None}
try:
    for cell in json.loads(pathlib.Path(work["notebook"]).read_text())["cells"]:
        exec("".join(cell["source"]), work["parameters"] | {"__name__": "cell"} if cell["metadata"].get("tags") else globals() | work["parameters"])
except Exception as e:
    said = {"status": "failed", "error": type(e).__name__, "message": str(e)}
pathlib.Path(work["out"]).write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
task.with_suffix(".outcome").write_text(json.dumps(said))
"""


@pytest.fixture
def light(monkeypatch, tmp_path) -> None:
    "Cells are executed in a bare interpreter, without a kernel: what is asked of a plan does not depend on it."
    worker = tmp_path / "light.py"
    worker.write_text(LIGHT, encoding="utf-8")

    def popen(line: list[str], **given):
        assert line[1:3] == ["-m", "pilot_to_prod.runs._work"]
        return subprocess.Popen([line[0], "-S", str(worker), *line[3:]], **given)

    stand_in = SimpleNamespace(Popen=popen, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(work, "subprocess", stand_in)


def test_failed_notebook_keeps_the_others_and_is_told(tmp_path, request):
    good = "open(output, 'w').write('x')"
    after = {"last": ("one", "bad")}
    plan, settings = plan_of(tmp_path, after, one=good, bad="raise ValueError('odd rows')", last=good)
    said: list[str] = []
    made = run(plan, settings, say=said.append)
    by = {o.name: o for o in made.outcomes}
    assert (by["one"].status, by["bad"].status, by["last"].status) == ("done", "failed", "skipped")
    assert (by["bad"].error, by["bad"].message) == ("ValueError", "odd rows")
    assert [o.name for o in made.failed] == ["bad", "last"] and made.manifest is None
    assert any("bad: failed" in s and "ValueError" in s for s in said)
    record = json.loads((made.folder / "records" / "bad.json").read_text(encoding="utf-8"))
    assert record["status"] == "failed" and record["error"] == "ValueError" and record["outputs"] == {}
    assert (made.folder / "bad.failed.ipynb").exists() and not (made.folder / "bad.ipynb").exists()
    assert (made.folder / "one.ipynb").exists() and not (made.folder / "record.json").exists()
    kept = (made.folder / "records" / "one.json").read_bytes()

    request.getfixturevalue("light")
    notebook(tmp_path / "bad.ipynb", good)  # mended; its key is what the plan says, so the same folder goes on
    said.clear()
    again = run(plan, settings, say=said.append)
    assert again.folder == made.folder and not again.failed and again.manifest is not None
    assert "one: done before" in said and (made.folder / "records" / "one.json").read_bytes() == kept
    assert not (made.folder / "bad.failed.ipynb").exists() and (made.folder / "record.json").exists()

    (made.folder / "evidence" / "one.parquet").write_text("changed", encoding="utf-8")
    said.clear()
    third = run(plan, settings, say=said.append)
    assert "one: started" in said and "bad: done before" in said  # what was changed is done again
    assert (made.folder / "evidence" / "one.parquet").read_text(encoding="utf-8") == "x"
    assert [m["look"] for m in Store(tmp_path / "runs", "tiny").manifests()] == [1] * len(
        Store(tmp_path / "runs", "tiny").manifests()
    )
    assert not third.failed


def test_record_comes_after_what_it_names(tmp_path, monkeypatch, light):
    plan, settings = plan_of(tmp_path, one="open(output, 'w').write('x')")
    write, seen = work.write_json, []

    def watched(path: Path, value: dict) -> None:
        if path.parent.name == "records":
            folder = path.parents[1]
            seen.append({n: file_hash(str(folder / n)) == h for n, h in value["outputs"].items()})
            assert not (folder / "record.json").exists()
        write(path, value)

    monkeypatch.setattr(work, "write_json", watched)
    made = run(plan, settings)
    assert seen == [{"evidence/one.parquet": True, "one.ipynb": True}]
    assert json.loads((made.folder / "record.json").read_text(encoding="utf-8"))["records"].keys() == {"one"}


def test_notebook_that_leaves_no_output_is_a_failure_and_not_a_crash(tmp_path, light):
    plan, settings = plan_of(tmp_path, one="1 + 1")
    made = run(plan, settings)
    assert [o.status for o in made.outcomes] == ["failed"]
    assert json.loads((made.folder / "records" / "one.json").read_text(encoding="utf-8"))["status"] == "failed"


def test_deadline_of_a_run_ends_its_notebooks(tmp_path, light):
    plan, _ = plan_of(tmp_path, one="import threading; threading.Event().wait()")
    began = time.monotonic()
    made = run(plan, settings_of(tmp_path, deadlines_run=1, **LIGHTLY))
    assert time.monotonic() - began < 25
    assert [(o.status, o.error) for o in made.outcomes] == [("failed", "RunDeadline")]
    assert "[deadlines] run" in made.outcomes[0].message


def test_second_run_of_a_pilot_is_refused(tmp_path, store):
    plan = Plan("tiny", (), {"spec": "s", "data": "d", "model": "m"})
    with FileLock(store.folder / ".lock"), pytest.raises(RunError, match="another run of this pilot is under way"):
        run(plan, settings_of(tmp_path))
    with store.lock():
        refused: list[str] = []

        def second() -> None:
            try:
                with Store(tmp_path / "runs", "tiny").lock():
                    refused.append("no")
            except RunError:
                refused.append("yes")

        thread = threading.Thread(target=second)
        thread.start()
        thread.join(10)
        other = Store(tmp_path / "runs", "other")
        other.open()
        with other.lock():  # another pilot is free
            pass
    assert refused == ["yes"]
    with store.lock():  # free again
        pass


def test_new_plan_gets_the_next_folder_and_an_old_one_its_own(tmp_path):
    store = Store(tmp_path, "tiny")
    store.open()
    first, begun = store.run_folder("a" * 64)
    assert (first.name, begun) == ("0001-aaaaaaaaaa", False)
    first.mkdir()
    assert store.run_folder("a" * 64) == (first, True)
    assert store.run_folder("b" * 64)[0].name == "0002-bbbbbbbbbb"


def test_outputs_hold_no_place_of_this_machine_in_their_keys(tmp_path):
    plan = make_plan(Spec.load(write_pilot(tmp_path / "tiny")), settings_of(tmp_path))
    assert str(tmp_path) not in json.dumps([u.key for u in plan.units])
    assert replace(plan, pilot="other").hash == plan.hash and len(text_rows()) == 64


def test_the_suite_of_settings_decides_which_notebooks_run(tmp_path):
    pilot = Spec.load(write_pilot(tmp_path / "tiny"))
    assert [u.name for u in make_plan(pilot, settings_of(tmp_path)).units] == [*STRESS, "scorecard"]
    chosen = settings_of(tmp_path, replay_suite="messy, missing")
    assert [u.name for u in make_plan(pilot, chosen).units] == ["missing", "messy", "scorecard"]
    with pytest.raises(RunError, match="no suite is called 'mesy'. Did you mean 'messy'"):
        make_plan(pilot, settings_of(tmp_path, replay_suite="mesy"))
