"""What goes wrong: each is told with what, where and what to do next, by the right exit code, and what was finished stays."""

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import GATES, text_rows, write_pilot

from pilot_to_prod.card import EXIT, scorecard
from pilot_to_prod.evidence import FAULT, load
from pilot_to_prod.pilot import Pilot, PilotError
from pilot_to_prod.runs import STRESS, NotebookError, check_parameters, make_plan, parameters
from pilot_to_prod.scenarios import scenario, suite
from pilot_to_prod.settings import load_settings
from pilot_to_prod.spec import SpecError, read_frame
from pilot_to_prod.stress import ReplayError, replay

EVERY_NOTEBOOK = (*STRESS, "scorecard")


def told(p2p: Callable, folder: Path, *wanted: str, code: int = 2) -> None:
    "`p2p check` ends with a code and one message that holds every part."
    got, out, err = p2p("check", folder)
    assert got == code, err
    assert "Traceback" not in err and "error of p2p itself" not in err, err
    for part in wanted:
        assert part in err, err
    assert "keeps the contract" not in out


def model(text: str) -> str:
    "model.py around the body of `predict(self, texts)`."
    return f"import sys, threading\n\nclass Model:\n    def predict(self, texts):\n        texts = list(texts)\n{text}\n\nmodel = Model()\n"


ANSWER = '        return ["late" if isinstance(t, str) and "parcel" in t else "broken" for t in texts]'


def asked(folder: Path, *, severities: tuple[float, ...] = (0.3,), **more):
    pilot = Pilot.load(folder)
    return replay(pilot, suite(["upper_case"], pilot.spec), severities, (0,), **more)


# ---- files, columns, labels


def test_missing_promise(tmp_path, p2p):
    told(p2p, tmp_path, "pilot.yaml", "no such file", "p2p init")
    told(p2p, tmp_path / "nowhere.yaml", "nowhere.yaml", "p2p init")
    told(p2p, Path("feedbak"), "Did you mean 'feedback'?", "p2p init")


def test_missing_data(tiny, p2p):
    folder = tiny()
    (folder / "replay.csv").unlink()
    told(p2p, folder, "replay.csv", "no such file", "pilot.yaml", code=4)
    code, _, err = p2p("run", folder, "--runs", folder / "runs")
    assert code == 4 and "replay.csv" in err and "Traceback" not in err
    assert not (folder / "runs").exists()  # nothing was begun


def test_missing_model(tiny, p2p):
    told(
        p2p,
        tiny(source=None, model="  loader: skops\n  path: gone.skops"),
        "gone.skops",
        "no such model file",
        "model.path",
        code=4,
    )


def test_model_file_of_another_kind(tiny, p2p):
    folder = tiny(source=None, model="  loader: skops\n  path: model.skops")
    (folder / "model.skops").write_bytes(b"this is no archive")
    told(p2p, folder, "model.skops", code=4)


def test_column_that_is_not_there(tiny, p2p):
    told(
        p2p,
        tiny(replay=text_rows().rename(columns={"text": "texts"})),
        "data.replay",
        "no column 'text'",
        "Did you mean 'texts'?",
    )
    told(p2p, tiny(reference=text_rows().drop(columns="text")), "data.reference", "no column 'text'")
    told(p2p, tiny(replay=text_rows().drop(columns=["id", "topic"])), "no column 'id'", "no column 'topic'")


def test_unknown_label(tiny, p2p):
    rows = text_rows()
    rows.loc[5, "topic"] = "lat"
    told(p2p, tiny(replay=rows), "data.replay", "'lat'", "not among the labels", "Did you mean 'late'?")


def test_empty_sets(tiny, p2p):
    told(p2p, tiny(replay=text_rows(0)), "data.replay", "has no rows")
    told(p2p, tiny(reference=text_rows(0)), "data.reference", "has no rows")


def test_table_of_no_bytes_and_no_table(tiny, p2p):
    folder = tiny()
    (folder / "replay.csv").write_bytes(b"")
    told(p2p, folder, "replay.csv", "not a readable table", code=4)
    (folder / "replay.csv").write_bytes(b'a,b\n"1,2\n3')
    told(p2p, folder, "replay.csv", "not a readable table", code=4)


def test_one_class(tiny, p2p):
    told(p2p, tiny(replay=text_rows().assign(topic="late")), "data.replay", "every row has the label 'late'")


def test_duplicate_and_missing_ids(tiny, p2p):
    rows = text_rows()
    rows.loc[[7, 8], "id"] = "r0003"
    told(p2p, tiny(replay=rows), "3 rows share their id", "'r0003'", "data.cluster")
    told(p2p, tiny(replay=text_rows().assign(id=[None, *range(63)])), "1 rows have no 'id'")


def test_text_column_of_numbers(tiny, p2p):
    told(p2p, tiny(replay=text_rows().assign(text=range(64))), "column 'text'", "holds numbers", "role number")


def test_text_column_with_a_number_in_it(tiny):
    rows = text_rows().astype(object)
    rows.loc[9, "text"] = 12
    with pytest.raises(SpecError, match=r"column 'text', row 9.*12"):
        Pilot(Pilot.load(tiny()).spec, None, rows, rows).replay_set


def test_labels_that_are_nan(tiny, p2p):
    rows = text_rows()
    rows.loc[[4, 6], "topic"] = None
    told(p2p, tiny(replay=rows), "2 rows have no label in 'topic'", "first: row 4", "leave them out")


def test_every_mistake_of_a_table_at_once(tiny, p2p):
    rows = text_rows().drop(columns="text")
    rows.loc[0, "topic"] = None
    rows.loc[1, "topic"] = "other"
    rows.loc[3, "id"] = "r0002"
    told(p2p, tiny(replay=rows), "4 problems", "no column 'text'", "have no label", "'other'", "share their id")


@pytest.mark.parametrize("column", ["text", "id", "topic"])
def test_lone_surrogate_in_a_frame(tiny, column):
    rows = text_rows().astype(object)
    rows.loc[3, column] = "late \ud800"
    with pytest.raises((SpecError, ReplayError), match=f"'{column}'.*({'not among' if column == 'topic' else 'surrogate'})"):
        pilot = Pilot(Pilot.load(tiny()).spec, Pilot.load(tiny()).model, rows, rows)
        _ = replay(pilot, suite(["upper_case"], pilot.spec), (0.3,), (0,)).hash


def test_lone_surrogate_in_a_frame_at_hand():
    rows = text_rows().astype(object)
    rows.loc[3, "text"] = "late \ud800"
    with pytest.raises((SpecError, PilotError), match="surrogate"):
        Pilot.of(lambda frame: ["late"] * len(frame), rows, label="topic").replay_set


@pytest.mark.parametrize("wrong", [b"\xed\xa0\x80", b"\xff\xfe", b"caf\xe9"], ids=["surrogate", "bom-like", "latin-1"])
def test_broken_bytes_in_a_csv(tiny, p2p, wrong):
    folder = tiny()
    bytes_ = (folder / "replay.csv").read_bytes().replace(b"the lamp", b"the " + wrong, 1)
    (folder / "replay.csv").write_bytes(bytes_)
    with pytest.raises(ValueError, match=r"replay.csv: not UTF-8.*Save it as UTF-8"):
        read_frame(str(folder / "replay.csv"))
    told(p2p, folder, "replay.csv", "not UTF-8", "Save it as UTF-8", code=4)


# ---- models


def test_model_that_answers_too_few(tiny, p2p):
    folder = tiny(source=model('        return ["late"] * (len(texts) - 1)'))
    with pytest.raises(ReplayError, match=r"none of its 64 clean rows.*0 answers for 1 rows"):
        asked(folder)
    told(p2p, folder, "answers for", "one a row", code=4)


def test_rows_that_make_it_raise_are_found_exactly_and_the_run_goes_on(tiny):
    body = '        if any(f"street {i} " in t for t in texts for i in (5, 6, 40)): raise KeyError("no such street")\n' + ANSWER
    counted = body.replace(
        "        if any",
        '        sys.modules[__name__].calls = getattr(sys.modules[__name__], "calls", 0) + 1\n        if any',
        1,
    )
    evidence = asked(tiny(source=model(counted)))
    clean = evidence.faults[evidence.faults["scenario"] == "clean"]
    assert sorted(clean["key"]) == ["r0005", "r0006", "r0040"]
    assert set(clean["error"]) == {"KeyError"} and clean["message"].str.contains("no such street").all()
    assert [evidence.keys[i] for i in np.flatnonzero(evidence.clean == FAULT)] == ["r0005", "r0006", "r0040"]
    assert (np.delete(evidence.clean, [5, 6, 40]) == np.delete(evidence.truth, [5, 6, 40])).all()
    assert evidence.estimate("answered").estimate.value == pytest.approx(61 / 64)
    assert len(evidence.cells) == 1
    calls = sys.modules["_pilot_tiny_model"].calls
    assert calls < 3 * 3 * 2 * 7  # halved, not asked row by row: three rounds of three faults in 64 rows


def test_model_that_raises_only_under_stress(tiny):
    evidence = asked(
        tiny(source=model('        if any("THE" in t for t in texts): raise ValueError("no shouting")\n' + ANSWER)),
        severities=(1.0,),
    )
    assert (evidence.clean == evidence.truth).all()
    assert (evidence.answers[0] == FAULT).all() and len(evidence.faults) == 64
    assert set(evidence.faults["scenario"]) == {"upper_case"}


def test_model_that_always_raises(tiny, p2p):
    folder = tiny(source=model('        raise RuntimeError("the server is down")'))
    with pytest.raises(ReplayError, match=r"'tiny' answers none of its 64 clean rows: RuntimeError: the server is down"):
        asked(folder)
    told(p2p, folder, "the server is down", code=4)


@pytest.mark.parametrize("error", ["TypeError", "ZeroDivisionError", "AttributeError", "Exception", "NotImplementedError"])
def test_error_of_a_model_is_no_verdict(tiny, p2p, error):
    "Exit code 1 means block; an error of any class is 4."
    told(p2p, tiny(source=model(f'        raise {error}("odd")')), "odd", code=4)


@pytest.mark.parametrize("text", ["def model(:\n", "import no_such_module_here\n", "raise TypeError('odd')\n", "1 / 0\n"])
def test_module_that_cannot_be_opened_is_no_verdict(tiny, p2p, text):
    told(p2p, tiny(source=text), "model.py", code=4)


def test_model_that_exits_is_a_fault(tiny):
    evidence = asked(tiny(source=model('        if any("street 5 " in t for t in texts): sys.exit(0)\n' + ANSWER)))
    assert evidence.faults.loc[evidence.faults["scenario"] == "clean", "key"].tolist() == ["r0005"]
    assert set(evidence.faults["error"]) == {"SystemExit"}


def test_model_that_exits_does_not_end_a_check_well(tiny, p2p):
    code, out, err = p2p("check", tiny(source=model("        sys.exit(0)")))
    assert code == 4 and "SystemExit" in err and "keeps the contract" not in out


def test_error_message_with_a_lone_surrogate_is_kept_readable(tiny, tmp_path):
    body = '        if any("street 5 " in t for t in texts): raise ValueError("odd \\ud800 letter")\n' + ANSWER
    evidence = asked(tiny(source=model(body)))
    assert len(evidence.faults) and evidence.save(tmp_path / "e.parquet") is not None


def test_model_that_hangs_is_left_at_its_deadline(tiny):
    hang = '        if len(texts) == 64: threading.Event().wait()\n' + ANSWER  # fmt: skip
    folder = tiny(source=model(hang), model="  loader: module\n  ref: model.py:model\n  deadline: 0.5")
    found: list[BaseException] = []

    def ask() -> None:
        try:
            asked(folder)
        except BaseException as e:
            found.append(e)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert isinstance(found[0], ReplayError)
    for part in ("'tiny'", "no answer within 0.5 s", "64 rows", "model.deadline", "[deadlines] call"):
        assert part in str(found[0])


def test_deadline_of_the_settings_counts_where_the_promise_names_none(tiny):
    folder = tiny(source=model("        threading.Event().wait()"))
    with pytest.raises(ReplayError, match=r"within 0.2 s"):
        asked(folder, settings=load_settings({"deadlines.call": 0.2}, start=folder, environ={}))


def test_prints_of_a_model_are_noted_and_not_shown(tiny, capfd):
    folder = tiny(source=model('        print("debug: " + "x" * 2**20); print("oh", file=sys.stderr)\n' + ANSWER))
    evidence = asked(folder, progress=False)
    said = capfd.readouterr()
    assert "xxx" not in said.out + said.err and len(said.out + said.err) < 1000
    notes = [n for n in evidence.notes if "the pilot printed" in n]
    assert len(notes) == 1 and "debug: xxx" in notes[0] and len(notes[0]) < 300
    assert int(notes[0].split("printed ")[1].split(" ")[0].replace(",", "")) > 2**20


def test_replay_without_a_fault_says_nothing_of_prints(tiny):
    evidence = asked(tiny())
    assert not len(evidence.faults) and not any("printed" in n for n in evidence.notes)


# ---- notebooks and parameters


def notebook(folder: Path, *cells: tuple[str, list[str]]) -> Path:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s, metadata={"tags": t}) for s, t in cells])
    nbformat.write(made, folder / "mine.ipynb")
    return folder / "mine.ipynb"


def test_notebook_without_a_parameters_cell(tmp_path):
    with pytest.raises(NotebookError, match=r"mine.ipynb: 0 cells are tagged 'parameters'.*Cell Tags"):
        parameters(notebook(tmp_path, ("x = 1", [])))
    with pytest.raises(NotebookError, match="2 cells"):
        parameters(notebook(tmp_path, ("x = 1", ["parameters"]), ("x = 1", ["parameters"])))


def test_notebook_that_is_none(tmp_path):
    (tmp_path / "mine.ipynb").write_text("{", encoding="utf-8")
    with pytest.raises(NotebookError, match=r"mine.ipynb: not a notebook"):
        parameters(tmp_path / "mine.ipynb")
    with pytest.raises(NotebookError, match="Did you mean 'missing'"):
        parameters(tmp_path / "mising.ipynb")


def test_misspelt_and_ill_typed_parameters_at_once(tmp_path):
    path = notebook(
        tmp_path,
        ("pilot = 'feedback'  # a folder\nseverities = None  # shares\nseeds = None\nlook = 1\noutput = None", ["parameters"]),
    )
    assert parameters(path)["pilot"].comment == "a folder"
    check_parameters(path, {"pilot": "x", "severities": [0.1, 1], "seeds": [0], "look": 2, "output": "x"})
    check_parameters(path, {"severities": None, "output": None})
    with pytest.raises(NotebookError) as e:
        check_parameters(path, {"severity": [0.1], "severities": 0.1, "seeds": [0.5], "look": "two", "pilot": 3})
    for part in (
        "mine.ipynb",
        "no parameter 'severity'",
        "Did you mean 'severities'?",
        "[0.1, 0.3]",
        "seeds must be",
        "look must be a int",
        "pilot must be a str",
    ):
        assert part in str(e.value), str(e.value)
    with pytest.raises(NotebookError, match="severities"):
        check_parameters(path, {"severities": [True]})


def test_command_tells_notebook_mistakes_as_usage_before_a_kernel_starts(tiny, tmp_path, p2p, monkeypatch):
    import pilot_to_prod.runs.plan as plan

    monkeypatch.setattr(
        plan, "notebooks", lambda: dict.fromkeys((*plan.STRESS, "scorecard"), notebook(tmp_path, ("pilot = 'x'", [])))
    )
    code, _, err = p2p("run", tiny(), "--runs", tmp_path / "runs")
    assert code == 2 and "'parameters'" in err and not (tmp_path / "runs").exists()
    monkeypatch.setattr(
        plan,
        "notebooks",
        lambda: dict.fromkeys(
            (*plan.STRESS, "scorecard"), notebook(tmp_path, ("pilot = 'x'\nsevereties = None\nseeds = None", ["parameters"]))
        ),
    )
    code, _, err = p2p("run", tiny(), "--runs", tmp_path / "runs")
    assert code == 2 and "Did you mean 'severeties'?" in err and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "given",
    [["--severities", "strong"], ["--seeds", "0.5"], ["--workers", "0"], ["--workers", "two"], ["--severitys", "0.1"], []],
)
def test_wrong_use_of_the_command(tiny, tmp_path, p2p, given):
    code, _, err = p2p("run", *([tiny(), "--runs", tmp_path / "runs", *given] if given else []))
    assert code == 2 and err and "Traceback" not in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("given", ["30", "-0.1", "nan"])
def test_severity_outside_its_range_is_wrong_use(tiny, tmp_path, p2p, given):
    code, _, err = p2p("run", tiny(), "--runs", tmp_path / "runs", "--dry-run", "--severities", given)
    assert code == 2 and "severities" in err and "Traceback" not in err


def test_unknown_command_and_help(p2p):
    code, _, err = p2p("rnu")
    assert code == 2 and "rnu" in err
    assert p2p("--help")[0] == 0 and p2p("--version")[0] == 0


# ---- runs that are stopped


def test_runs_folder_that_cannot_be_written(tiny, tmp_path, p2p):
    (tmp_path / "runs").write_text("a file in its place", encoding="utf-8")
    code, _, err = p2p("run", tiny(), "--runs", tmp_path / "runs")
    assert code == 4 and "Traceback" not in err
    for part in (str(tmp_path / "runs"), "cannot be written", "--runs", "P2P_RUNS_FOLDER", "settings.ini"):
        assert part in err
    assert (tmp_path / "runs").read_text(encoding="utf-8") == "a file in its place"


def test_interrupt_of_any_command_is_130(tiny, p2p, monkeypatch):
    import pilot_to_prod.pilot as room

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "check_pilot", stop)
    code, _, err = p2p("check", tiny())
    assert code == 130 and "interrupted" in err and "Traceback" not in err


def test_ctrl_c_ends_a_run_and_keeps_what_was_finished(interrupted):
    assert interrupted["code"] == 130
    assert "interrupted" in interrupted["first"] and "Traceback" not in interrupted["first"]
    assert interrupted["kept"] and all(json.loads(r)["status"] == "done" for r in interrupted["kept"].values())
    assert not interrupted["parts"]


def test_ctrl_c_leaves_no_process_behind(interrupted):
    if not interrupted["linux"]:
        pytest.skip("reads /proc")
    assert interrupted["working"] >= 3  # something was under way
    assert not interrupted["left"]


def test_same_command_goes_on_after_ctrl_c(interrupted):
    assert interrupted["again"] == EXIT["hold"], interrupted["stderr"]
    for name, record in interrupted["kept"].items():
        assert f"{Path(name).stem}: done before" in interrupted["stderr"]
        assert interrupted["records"][name] == record  # untouched
    assert set(interrupted["records"]) == {f"{n}.json" for n in (*STRESS, "scorecard")}
    assert "HOLD" in interrupted["stdout"] and "scorecard.html" in interrupted["stdout"]
    assert interrupted["third"] == EXIT["hold"] and interrupted["third_stderr"].count("done before") == len(EVERY_NOTEBOOK)


def test_what_a_run_leaves_fits_together(interrupted):
    (folder,) = Path(interrupted["folder"], "runs", "tiny").glob("0001-*")
    assert {"record.json", *(f"scorecard.{f}" for f in ("html", "json", "xml", "md"))} <= {p.name for p in folder.iterdir()}
    evidence, card = load(folder / "evidence"), json.loads((folder / "scorecard.json").read_text(encoding="utf-8"))
    assert card["content"]["hashes"]["evidence"] == evidence.hash and len(evidence) == 64
    manifest = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert manifest["verdict"] == "hold" and manifest["look"] == 1 and manifest["card"] == card["timing_hash"]
    assert manifest["previous"] is None and manifest["number"] == 1


def test_dry_run_tells_what_is_done(interrupted, p2p, monkeypatch):
    from conftest import QUICK

    for name, value in QUICK.items():
        monkeypatch.setenv(name, value)
    runs = Path(interrupted["folder"], "runs")
    before = sorted(p for p in runs.rglob("*"))
    code, out, _ = p2p("run", Path(interrupted["folder"], "tiny"), "--runs", runs, "--workers", 2, "--dry-run")
    assert code == 0 and out.count("done") == len(EVERY_NOTEBOOK) and "to do" not in out
    code, out, _ = p2p("run", Path(interrupted["folder"], "tiny"), "--runs", runs, "--dry-run", "--seeds", "5")
    assert code == 0 and out.count("to do") == len(EVERY_NOTEBOOK)
    assert sorted(p for p in runs.rglob("*")) == before


# ---- exit codes of verdicts


@pytest.fixture
def judged(monkeypatch, tmp_path):
    "Makes `p2p run` find cards of chosen verdicts instead of executing notebooks."
    import pilot_to_prod.runs as runs
    from pilot_to_prod.runs import Outcome, Run

    def prepare(verdicts: dict[str, str]) -> list[Path]:
        def execute(plan, settings, **_):
            if verdicts[plan.pilot] == "failed":
                return Run(
                    tmp_path, (Outcome("messy", "failed", 1, "ValueError", "odd rows"), Outcome("missing", "done")), None
                )
            spec = Pilot.load(tmp_path / plan.pilot).spec
            pilot = Pilot.load(spec.folder)
            card = scorecard(spec, replay(pilot, suite(["upper_case"], spec), (0.3,), (0,)))
            card.document["timing"]["verdict"] = verdicts[plan.pilot]
            from pilot_to_prod.card import hashes

            card.document |= hashes(card.document)
            card.save(tmp_path / plan.pilot / "out" / "scorecard.json")
            return Run(tmp_path / plan.pilot / "out", (), {})

        monkeypatch.setattr(runs, "run", execute)
        return [write_pilot(tmp_path / name, name=name) for name in verdicts]

    return prepare


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["promote"], 0),
        (["block"], 1),
        (["hold"], 3),
        (["failed"], 4),
        (["promote", "hold"], 3),
        (["hold", "block", "promote"], 1),
        (["failed", "block"], 4),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, list) else str(v),
)
def test_exit_code_is_that_of_the_worst_pilot(judged, p2p, verdicts, code):
    folders = judged({f"p{i}": v for i, v in enumerate(verdicts)})
    got, out, err = p2p("run", *folders)
    assert got == code, err
    for v in verdicts:
        assert v.upper() in out or v == "failed"
    if "failed" in verdicts:
        assert "ValueError: odd rows" in err and "goes on from there" in err and "Traceback" not in err


def test_any_verdict_counts_as_done_but_an_error_does_not(judged, p2p):
    assert p2p("run", "--any-verdict", *judged({"a": "block", "b": "hold"}))[0] == 0
    assert p2p("run", "--any-verdict", *judged({"c": "block", "d": "failed"}))[0] == 4


def test_unknown_pilot_stops_before_the_known_ones_run(judged, p2p, tmp_path):
    folders = judged({"a": "promote"})
    assert p2p("run", *folders, tmp_path / "nowhere")[0] == 2


def test_error_inside_the_command_is_4_and_asks_for_a_report(tiny, p2p, monkeypatch):
    import pilot_to_prod.cli as room

    for error in (ValueError, TypeError, MemoryError):

        def fail(*_: object, error: type[Exception] = error) -> None:
            raise error("inside")

        monkeypatch.setattr(room, "_scenario_problems", fail)
        code, _, err = p2p("check", tiny())
        assert code == 4 and "report it" in err, error


# ---- data that are odd but allowed


def test_gate_on_a_slice_that_has_no_rows(tiny):
    folder = tiny(more=GATES + "  - {name: few, metric: accuracy, at_least: 0.5, slice: topic=lost}\n")
    with pytest.raises(ReplayError, match="'topic=lost' has no rows"):
        asked(folder)


def test_slice_of_a_column_that_is_not_there(tiny):
    with pytest.raises(ReplayError, match=r"no column 'tpic'.*Did you mean 'topic'"):
        asked(tiny(more=GATES + "slices: [tpic]\n"))


def test_empty_texts_are_rows_like_others(tiny):
    rows = text_rows()
    rows.loc[[0, 2], "text"] = None
    evidence = asked(tiny(replay=rows), severities=(1.0,))
    assert not len(evidence.faults) and (evidence.answers[0] >= 0).all()


def test_scenario_that_is_not_there_names_the_nearest():
    with pytest.raises(LookupError, match="typos"):
        scenario("typoes")


@pytest.mark.parametrize("given", [(), (1.5,), (-0.1,), (True,), ("0.1",), (float("nan"),)])
def test_severities_of_a_replay_are_numbers_in_range(tiny, given):
    with pytest.raises(ValueError, match="severities must be numbers in"):
        asked(tiny(), severities=given)


def test_frame_with_two_columns_of_one_name_is_refused():
    rows = text_rows()
    with pytest.raises((SpecError, PilotError), match="text"):
        Pilot.of(lambda frame: ["late"] * len(frame), pd.concat([rows, rows[["text"]]], axis=1), label="topic")


def test_plan_without_its_data_says_where_paths_start(tiny):
    folder = tiny()
    (folder / "reference.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"reference.csv"):
        make_plan(Pilot.load(folder).spec, load_settings(start=folder, environ={}))


def test_progress_is_shown_where_it_is_asked_for_and_is_no_print_of_the_pilot(tiny, capsys):
    pilot = Pilot.load(tiny())
    evidence = replay(pilot, suite(["upper_case"], pilot.spec), (0.3,), (0,), progress=True)
    assert "replay tiny" in capsys.readouterr().err
    assert not any("printed" in note for note in evidence.notes)
    replay(pilot, suite(["upper_case"], pilot.spec), (0.3,), (0,), progress=False)
    assert "replay tiny" not in capsys.readouterr().err
