"""The history of runs: what was left is found again, what was changed shows, what was pruned is known, and pictures can be read."""

import json
import shutil
import subprocess
import sys
import unicodedata
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import pilot_to_prod.runs.past as past
from pilot_to_prod.runs import RunError, RunWarning, Store, frame, history, prune, show, trend, verify
from pilot_to_prod.runs._store import write_json
from pilot_to_prod.spec import hash_json

BEGIN = datetime(2026, 1, 1, 6, tzinfo=UTC)
NOW = BEGIN + timedelta(days=400)
VERDICTS = {"promote": "passes", "hold": "undecided", "block": "fails"}
OUTPUTS = ["evidence/missing.parquet", "missing.ipynb", "scorecard.html", "scorecard.ipynb", "scorecard.json"]


def estimate(value: float) -> dict:
    return {"value": value, "low": value - 0.05, "high": value + 0.04, "n": 180}


def a_card(value: float = 0.7, verdict: str = "promote", gates: int = 2, name: str = "right on a clean day, number") -> dict:
    "As much of a card as the history reads."
    worst = {**estimate(value), "scenario": "clean", "severity": 0.0}
    one = {"metric": "accuracy", "of": "value", "limit": 0.6, "at_least": True, "threshold": "accuracy ≥ 0.6"}
    made = [{**one, "name": f"{name} {i}", "verdict": VERDICTS[verdict], "worst": worst} for i in range(gates)]
    late = {**one, "name": "fast enough", "metric": "latency_p95", "limit": 50.0, "at_least": False, "threshold": "≤ 50 ms"}
    late |= {"verdict": "passes", "worst": {**worst, "value": 6.2, "low": 4.0, "high": 6.1}}
    clean = [
        {"metric": m, "label": k, **estimate(value)} for m, k in (("accuracy", None), ("macro_f1", None), ("recall", "app"))
    ]
    parts = [{"slice": s, "metric": "accuracy", **estimate(value)} for s in ("market=IE", "market=GB", "kind=slang")]
    content = {"gates": made, "performance": clean, "slices": parts, "pilot": {"title": "Feedback topics"}}
    return {"content": content, "timing": {"gates": [late], "latency": {**estimate(6.2), "runs": 20}}}


def write(path: Path, data: bytes | dict) -> None:
    "A file and its folders, on this machine or at a URL; tests need no fsync."
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else json.dumps(data, sort_keys=True, indent=1).encode())


def results(value: float, more: dict | None = None) -> bytes:
    table = pd.DataFrame({"pilot": "tiny", "scenario": ["clean", "typos"], "metric": "accuracy", "value": [value, value - 0.1]})
    return table.assign(**(more or {})).to_parquet(index=False)


def a_run(
    top: str | Path,
    number: int,
    *,
    pilot: str = "tiny",
    verdict: str = "promote",
    value: float = 0.7,
    day: int | None = None,  # after the first one
    finished: bool = True,
    card: dict | None = None,
    more: dict | None = None,  # columns of the results
    model: str = "m",
) -> Path:
    "A run as the executor leaves it."
    store = Store(top, pilot)
    store.open()
    run = store.folder / f"{number:04d}-{hash_json(number)[:10]}"
    at = (BEGIN + timedelta(days=number if day is None else day)).isoformat()
    contents = {n: f"{n} of {number}".encode() for n in OUTPUTS}
    contents |= {"scorecard.json": json.dumps(card or a_card(value, verdict)).encode(), "results.parquet": results(value, more)}
    records = {}
    for name in ("missing", "scorecard"):
        own = {n: d for n, d in contents.items() if (name == "missing") == ("missing" in n)}
        for n, d in own.items():
            write(run / n, d)
        outputs = {n: past.file_hash(str(run / n)) for n in own}
        records[name] = {"name": name, "status": "done", "seconds": 2.5, "started": at, "attempt": 1, "outputs": outputs}
        write(run / "records" / f"{name}.json", records[name])
    if finished:
        entry = {"run": run.name, "records": {n: hash_json(r) for n, r in records.items()}, "at": at, "verdict": verdict}
        before = sorted((store.folder / "manifests").glob("0*.json"))
        previous = json.loads(before[-1].read_bytes())["hash"] if before else None
        entry |= {"look": number, "model": model, "data": "d", "spec": "s", "number": len(before) + 1, "previous": previous}
        manifest = entry | {"hash": hash_json(entry)}
        write(store.folder / "manifests" / f"{len(before) + 1:06d}.json", manifest)
        write(run / "record.json", manifest)
    return run


def runs_of(top: str | Path, count: int, **given) -> list[Path]:
    return [a_run(top, i + 1, **given) for i in range(count)]


def kinds(found: list) -> list[tuple[str, str]]:
    return sorted((f.kind, f.file.partition("/")[2] or f.file) for f in found)


@pytest.fixture(params=["disk", "memory"])
def top(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    "A folder of runs on this machine, and one at a URL."
    return str(tmp_path / "runs") if request.param == "disk" else f"memory://{uuid.uuid4().hex}/runs"


# ---- properties


def test_what_was_left_is_found_again_and_nothing_is_wrong_with_it(top):
    made = runs_of(top, 3)
    a_run(top, 4, finished=False)
    table = history(top)
    assert list(table["run"]) == [p.name for p in made] + [Store(top, "tiny").runs()[-1].name]
    assert list(table["state"]) == ["finished"] * 3 + ["unfinished"]
    assert list(table["look"].dropna()) == [1, 2, 3] and list(table["done"]) == [2] * 4
    assert table["at"].is_monotonic_increasing and (table["seconds"] == 5.0).all()
    assert verify(top) == [] and verify(top, "tiny") == []


FILES = [*OUTPUTS, "results.parquet", "record.json"]
DEEDS = st.sampled_from(["change", "remove", "tear"])


def do(deed: str, path: Path) -> None:
    if deed == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-2] if deed == "tear" else path.read_bytes() + b" x")


@given(deeds=st.dictionaries(st.sampled_from([(r, f) for r in range(3) for f in FILES]), DEEDS))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_was_changed_removed_or_torn_shows_all_at_once_and_nothing_else(tmp_path_factory, deeds):
    top = tmp_path_factory.mktemp("runs")
    made = runs_of(top, 3)
    for (r, file), deed in deeds.items():
        do(deed, made[r] / file)
    found = verify(top)
    assert sorted(f.file for f in found) == sorted(f"{made[r].name}/{file}" for r, file in deeds)
    assert all((f.kind == "missing") == (not (top / "tiny" / f.file).exists()) for f in found)


@pytest.mark.parametrize(("deed", "kind"), [("change", "torn"), ("tear", "torn"), ("remove", "missing"), ("edit", "changed")])
def test_record_that_is_not_what_its_manifest_names_shows_beside_the_others(tmp_path, deed, kind):
    made = runs_of(tmp_path, 2)
    path = made[0] / "records" / "missing.json"
    if deed == "edit":
        write_json(path, json.loads(path.read_bytes()) | {"seconds": 1})
    else:
        do(deed, path)
    do("change", made[0] / "scorecard.html")
    do("remove", made[1] / "missing.ipynb")
    assert kinds(verify(tmp_path)) == sorted(
        [(kind, "records/missing.json"), ("changed", "scorecard.html"), ("missing", "missing.ipynb")]
    )
    assert history(tmp_path)["state"].tolist() == ["unfinished", "finished"]


@given(count=st.integers(1, 8), keep=st.integers(0, 9), days=st.integers(0, 12), lost=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_run_stays_if_either_number_says_so_and_the_newest_finished_one_always(tmp_path_factory, count, keep, days, lost):
    top = tmp_path_factory.mktemp("runs")
    runs_of(top, count)
    if lost:
        a_run(top, count + 1, finished=False)
    now = BEGIN + timedelta(days=count + 1)
    said = prune(top, keep=keep, keep_days=days, dry_run=True, now=now)
    assert verify(top) == [] and (history(top)["state"] != "pruned").all()
    done = prune(top, keep=keep, keep_days=days, now=now)
    assert list(said["action"].str.removeprefix("would be ")) == list(done["action"]) and (said["files"] == done["files"]).all()
    table = history(top)
    n = len(table)
    for i, state in enumerate(table["state"]):
        stays = not (keep or days) or (keep and i >= n - keep) or (days and n - i - lost < days) or i == count - 1
        if not (lost and i == count):  # its age is that of its last notebook
            assert (state != "pruned") == bool(stays), (i, count, keep, days, lost)
    assert verify(top) == []
    again = prune(top, keep=keep, keep_days=days, now=now)
    assert (again["action"] == "stays").all() and len(frame(top)) == 2 * count  # results stay


@given(text=st.text(max_size=80))
@example(text="a\x1b[31m\u202eb\u2066c\u2028d\r\ne\x85f\ufeff")
@settings(max_examples=60, deadline=None)
def test_foreign_text_is_shown_on_one_line_without_control_characters(text):
    said = past._shown(text)
    assert len(said.splitlines()) <= 1
    joiners = "\u200c\u200d"
    assert not [c for c in said if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in joiners]


# ---- verify


def test_nothing_to_verify_in_an_empty_folder(top):
    assert verify(top) == [] and len(history(top)) == 0 and len(frame(top)) == 0
    assert list(history(top).columns) == past._HISTORY and list(frame(top).columns) == past._FRAME
    assert len(prune(top, keep=1)) == 0
    with pytest.raises(RunError, match="no runs"):
        trend(top)


def test_pilot_without_runs_is_named_with_the_nearest(tmp_path):
    a_run(tmp_path, 1)
    for ask in (history, verify, frame, prune, trend):
        with pytest.raises(RunError, match="no runs of 'tinny' here. Did you mean 'tiny'"):
            ask(tmp_path, "tinny")
    with pytest.raises(RunError, match="no runs of '../tiny' here"):
        history(tmp_path, "../tiny")


@pytest.mark.parametrize("deed", ["change", "mend", "remove", "tear", "list"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_broken_chain_shows_and_what_follows_is_still_checked(tmp_path, number, deed):
    made = runs_of(tmp_path, 3)
    link = tmp_path / "tiny" / "manifests" / f"{number:06d}.json"
    body = {k: v for k, v in json.loads(link.read_bytes()).items() if k != "hash"} | {"verdict": "hold"}
    if deed == "remove":
        link.unlink()
    else:
        new = {"change": json.dumps(body | {"hash": "x"}), "mend": json.dumps(body | {"hash": hash_json(body)}), "list": "[1]"}
        link.write_text(new.get(deed, "{"), encoding="utf-8")
    (made[2] / "missing.ipynb").write_text("changed", encoding="utf-8")
    found = verify(tmp_path)
    assert any(f.kind in ("chain", "torn") for f in found)
    assert ("changed", "missing.ipynb") in kinds(found)
    assert all(f.run in ("", made[number - 1].name, made[min(number, 2)].name, made[2].name) for f in found)
    with pytest.raises(RunError):
        prune(tmp_path, keep=1)
    assert all((p / "missing.ipynb").exists() for p in made)  # a broken past is evidence


def test_removed_run_and_foreign_files_show(tmp_path):
    made = runs_of(tmp_path, 2)
    shutil.rmtree(made[0])
    (made[1] / "notes.txt").write_text("?", encoding="utf-8")
    (made[1] / "records" / "other.json").write_text("{}", encoding="utf-8")
    (tmp_path / "tiny" / "schedule.json").write_text("{}", encoding="utf-8")  # of another room
    (tmp_path / "tiny" / "stray.csv").write_text("?", encoding="utf-8")
    (tmp_path / "tiny" / "manifests" / "000009x.json").write_text("{}", encoding="utf-8")
    assert kinds(verify(tmp_path)) == [
        ("missing", made[0].name),
        ("unknown", "000009x.json"),
        ("unknown", "notes.txt"),
        ("unknown", "records/other.json"),
        ("unknown", "stray.csv"),
    ]


def test_a_record_cannot_point_out_of_its_run(tmp_path):
    run = a_run(tmp_path, 1, finished=False)
    a_run(tmp_path, 2)
    precious = tmp_path / "precious.txt"
    precious.write_text("mine", encoding="utf-8")
    path = run / "records" / "missing.json"
    record = json.loads(path.read_bytes())
    names = ["../../precious.txt", str(precious), "record.json", "records/missing.json", "tombstone.json"]
    write_json(path, record | {"outputs": record["outputs"] | dict.fromkeys(names, "0" * 64)})
    assert ("missing", "../../precious.txt") in kinds(verify(tmp_path))
    prune(tmp_path, keep=1, now=NOW)
    assert precious.exists() and path.exists() and (run / "tombstone.json").exists()


@pytest.mark.parametrize(
    "content", [b"[]", b"3", b"null", b"{", b"\xff", b'{"status": NaN}', b'{"outputs": 3, "seconds": "x"}', b"[" * 99_999]
)
def test_no_content_of_a_record_or_manifest_stops_the_reading(tmp_path, content):
    made = runs_of(tmp_path, 2)
    for path in (
        made[0] / "records" / "missing.json",
        tmp_path / "tiny" / "manifests" / "000002.json",
        made[1] / "tombstone.json",
    ):
        path.write_bytes(content)
    assert len(history(tmp_path)) == 2 and len(verify(tmp_path)) >= 3
    assert show(made[0]).state == "unfinished" and len(show(made[0]).notebooks) == 2


def test_run_that_was_redone_is_judged_by_its_newest_manifest(tmp_path):
    run = a_run(tmp_path, 1)
    kept = (run / "records" / "missing.json").read_bytes()
    again = a_run(tmp_path, 1, value=0.8, day=0)
    assert again == run and verify(tmp_path) == []
    assert history(tmp_path)["cached"].tolist() == [0]
    (run / "records" / "missing.json").write_bytes(kept)
    assert kinds(verify(tmp_path)) == [("changed", "records/missing.json")]
    assert history(tmp_path)["state"].tolist() == ["unfinished"]


# ---- prune


def test_pruning_leaves_manifests_records_results_and_a_tombstone(top):
    made = runs_of(top, 3)
    chain = Store(top, "tiny").manifests()
    before = trend(top).table
    table = prune(top, keep=1, now=NOW)
    assert list(table["action"]) == ["pruned", "pruned", "stays"] and list(table["files"]) == [5, 5, 0]
    left = past._sizes(Store(top, "tiny").folder / made[0].name)
    assert sorted(left) == [
        "record.json",
        "records/missing.json",
        "records/scorecard.json",
        "results.parquet",
        "tombstone.json",
    ]
    said = json.loads((Store(top, "tiny").folder / made[0].name / "tombstone.json").read_bytes())
    assert sorted(said["removed"]) == OUTPUTS and said["bytes"] == sum(said["removed"].values()) == table["bytes"][0]
    assert said["policy"] == {"keep": 1, "keep_days": 0} and said["at"] == NOW.isoformat()
    assert Store(top, "tiny").manifests() == chain and verify(top) == []
    assert list(history(top)["state"]) == ["pruned", "pruned", "finished"] and list(history(top)["verdict"]) == ["promote"] * 3
    pd.testing.assert_frame_equal(trend(top).table, before)  # the points of the card are in the tombstone
    assert len(frame(top)) == 6
    assert set(show(Store(top, "tiny").folder / made[0].name).files["state"]) == {"there", "pruned"}


@pytest.mark.parametrize("after", [0, 1, 3])
def test_pruning_that_was_killed_is_understood_and_finished(tmp_path, monkeypatch, after):
    made = runs_of(tmp_path, 2)
    remove = past._remove

    def killed(folder: Path, names: dict[str, int]) -> None:
        remove(folder, list(names)[:after])
        raise KeyboardInterrupt

    monkeypatch.setattr(past, "_remove", killed)
    with pytest.raises(KeyboardInterrupt):
        prune(tmp_path, keep=1, now=NOW)
    monkeypatch.setattr(past, "_remove", remove)
    assert (made[0] / "tombstone.json").exists() and sum((made[0] / n).exists() for n in OUTPUTS) == 5 - after
    assert verify(tmp_path) == [] and list(history(tmp_path)["state"]) == ["pruned", "finished"]
    tombstone = (made[0] / "tombstone.json").read_bytes()
    table = prune(tmp_path, keep=0, keep_days=0, now=NOW)  # whatever the policy says now
    assert list(table["action"]) == ["finished", "stays"] and table["files"][0] == 5 - after
    assert not any((made[0] / n).exists() for n in OUTPUTS) and (made[0] / "tombstone.json").read_bytes() == tombstone
    assert not (made[0] / "evidence").exists() and verify(tmp_path) == []


def test_changed_tombstone_hides_nothing(tmp_path):
    made = runs_of(tmp_path, 2)
    prune(tmp_path, keep=1, now=NOW)
    path = made[0] / "tombstone.json"
    path.write_bytes(path.read_bytes().replace(b'"keep": 1', b'"keep": 2'))
    assert kinds(verify(tmp_path)) == sorted([("changed", "tombstone.json"), *(("missing", n) for n in OUTPUTS)])


def test_pruned_run_that_is_executed_again_is_whole_again(tmp_path):
    runs_of(tmp_path, 2)
    prune(tmp_path, keep=1, now=NOW)
    a_run(tmp_path, 1, day=9)
    assert verify(tmp_path) == []
    table = history(tmp_path)
    assert list(table["state"]) == ["finished"] * 2 and table["run"].iloc[-1].startswith("0001")  # the newest now
    assert prune(tmp_path, keep=1, now=NOW)["action"].tolist() == ["pruned", "stays"]


def test_nothing_is_pruned_while_a_run_is_under_way_and_other_pilots_are(tmp_path):
    made, others = runs_of(tmp_path, 2), runs_of(tmp_path, 2, pilot="other")
    lost = a_run(tmp_path, 3, finished=False)
    with FileLock(tmp_path / "tiny" / ".lock"):
        with pytest.raises(RunError, match="tiny: another run of this pilot is under way"):
            prune(tmp_path, keep=1, now=NOW)
        said = prune(tmp_path, "tiny", keep=1, dry_run=True, now=NOW)
        assert said["why"].tolist() == ["not kept by the policy", "the newest finished run", "a run is under way"]
    assert (made[0] / "missing.ipynb").exists() and (lost / "missing.ipynb").exists()
    assert not (others[0] / "missing.ipynb").exists()


def test_policy_comes_from_settings(tmp_path, monkeypatch):
    runs_of(tmp_path, 3)
    assert (prune(tmp_path, dry_run=True, now=NOW)["why"].iloc[:2] == "no limit is set").all()
    monkeypatch.setenv("P2P_RUNS_KEEP", "2")
    monkeypatch.setattr(past, "load_settings", lambda: _settings())
    assert prune(tmp_path, dry_run=True, now=NOW)["action"].tolist() == ["would be pruned", "stays", "stays"]
    assert prune(tmp_path, keep=1, dry_run=True, now=NOW)["action"].tolist() == ["would be pruned"] * 2 + ["stays"]
    with pytest.raises(ValueError, match="keep_days must be 0 or more; got -1"):
        prune(tmp_path, keep_days=-1)


def _settings():
    from pilot_to_prod.settings import load_settings

    return load_settings()


def test_files_of_people_are_left_alone(tmp_path):
    made = runs_of(tmp_path, 2)
    (made[0] / "notes.txt").write_text("keep me", encoding="utf-8")
    (made[0] / "missing.failed.ipynb").write_text("{}", encoding="utf-8")
    prune(tmp_path, keep=1, now=NOW)
    assert (made[0] / "notes.txt").exists() and not (made[0] / "missing.failed.ipynb").exists()


# ---- one table


def test_frame_is_one_table_whatever_columns_the_runs_had(top):
    a_run(top, 1, value=0.7)
    a_run(top, 2, value=0.8, more={"coverage": 0.9, "model": "not this one"}, model="m2", verdict="hold")
    a_run(top, 1, pilot="other")
    a_run(top, 3, finished=False)
    table = frame(top, "tiny")
    assert list(table.columns) == [*past._FRAME, "scenario", "metric", "value", "coverage"]
    assert table["value"].tolist() == pytest.approx([0.7, 0.6, 0.8, 0.7]) and table["coverage"].isna().tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert table["model"].tolist() == ["m", "m", "m2", "m2"] and table["look"].tolist() == [1, 1, 2, 2]
    assert (
        table["verdict"].tolist() == ["promote", "promote", "hold", "hold"] and str(table["at"].dtype) == "datetime64[us, UTC]"
    )
    assert set(frame(top)["pilot"]) == {"tiny", "other"}


def test_torn_results_are_left_out_and_said(tmp_path):
    made = runs_of(tmp_path, 2)
    (made[0] / "results.parquet").write_bytes(b"PAR1")
    with pytest.warns(RunWarning, match=r"results.parquet: left out, it cannot be read"):
        assert frame(tmp_path)["run"].unique().tolist() == [made[1].name]


# ---- over time


def overlaps(figure) -> list[tuple[str, str]]:
    "Texts of a picture that touch each other, or leave it."
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = [*figure.texts, *(t for legend in figure.legends for t in legend.get_texts())]
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        found += [t.label1 for t in axis._update_ticks() if t.label1.get_text()]  # those that are drawn
    found += [ax.title for ax in figure.axes if ax.title.get_text()]
    shown = [(t.get_text(), t.get_window_extent(renderer)) for t in found]
    inside = figure.bbox
    out = [(a, "the edge") for a, b in shown if b.x0 < inside.x0 or b.x1 > inside.x1 or b.y0 < inside.y0 or b.y1 > inside.y1]
    boxes = [(a, b.x0 + 0.5, b.x1 - 0.5, b.y0 + 0.5, b.y1 - 0.5) for a, b in shown]
    for i, (a, ax0, ax1, ay0, ay1) in enumerate(boxes):
        out += [(a, b) for b, bx0, bx1, by0, by1 in boxes[i + 1 :] if ax0 < bx1 and bx0 < ax1 and ay0 < by1 and by0 < ay1]
    return out


LONG = "A customer who writes to us in a hurry, on a phone, in two languages at once, gets the same topic as one who does not, number"


@pytest.mark.parametrize(("count", "name"), [(0, ""), (1, "plain"), (2, LONG), (60, LONG), (60, "W" * 90), (3, "語" * 60)])
def test_labels_do_not_overlap_whatever_the_runs_and_names(tmp_path, count, name):
    verdicts = list(VERDICTS)
    for i in range(count):
        a_run(
            tmp_path,
            i + 1,
            card=a_card(0.5 + 0.3 * (i % 7) / 7, verdicts[i % 3], 4, name),
            verdict=verdicts[i % 3],
            model=f"m{i // 9}",
        )
    if not count:
        Store(tmp_path, "tiny").open()
    with past.warnings.catch_warnings():
        past.warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure, table = trend(tmp_path, "tiny")
        assert overlaps(figure) == []
    assert table["run"].nunique() == count and len(table) == count * (4 + 1 + 4 + 3)
    if count:
        assert table.groupby("kind")["name"].nunique().to_dict() == {"gate": 5, "market": 2, "metric": 4, "slice": 1}


def test_trend_has_values_intervals_thresholds_and_status(tmp_path):
    a_run(tmp_path, 1, value=0.7)
    a_run(tmp_path, 2, value=0.5, verdict="block")
    table = trend(tmp_path, kinds=["gate"], metric="accuracy").table
    first = table[table["name"] == "right on a clean day, number 0"]
    assert first[["value", "low", "high", "limit"]].values.tolist() == [
        pytest.approx([0.7, 0.65, 0.74, 0.6]),
        pytest.approx([0.5, 0.45, 0.54, 0.6]),
    ]
    assert first["status"].tolist() == ["passes", "fails"] and first["n"].tolist() == [180, 180] and first["at_least"].all()
    assert set(trend(tmp_path, metric="latency_p95").table["kind"]) == {"gate", "metric"}
    assert trend(tmp_path, last=1).table["run"].nunique() == 1
    with pytest.raises(LookupError, match="no metric is called 'acuracy' in these runs. Did you mean 'accuracy'"):
        trend(tmp_path, metric="acuracy")
    with pytest.raises(LookupError, match="no kind of series is called 'gates'. Did you mean 'gate'"):
        trend(tmp_path, kinds=["gates"])


def test_too_many_series_are_said_and_the_worst_are_drawn(tmp_path):
    card = a_card(0.7, "promote", 40)
    card["content"]["gates"][33] |= {"verdict": "fails"}
    a_run(tmp_path, 1, card=card)
    figure, table = trend(tmp_path, panels=6)
    texts = [t.get_text() for t in figure.texts]
    assert "Gates: the 6 worst of 41" in texts and "right on a clean day, number 33" in texts and table["name"].nunique() > 41


def test_picture_is_saved_in_the_form_of_its_ending_with_the_same_bytes(tmp_path):
    runs_of(tmp_path / "runs", 2)
    for ending, begin in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        one, other = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
        trend(tmp_path / "runs", kinds=["market"], output=one)
        trend(tmp_path / "runs", kinds=["market"], output=str(other))
        assert one.read_bytes().startswith(begin) and one.read_bytes() == other.read_bytes()
    with pytest.raises(ValueError, match=r"a picture is saved as .svg, .png, .pdf; got '.gif'"):
        trend(tmp_path / "runs", output="x.gif")


HOSTILE = "$x^ \\frac{ $ \x1b[31m\u202e<script>&amp; 日本 \ud800 \x00 % {0}\n" + "long " * 40


def test_hostile_names_are_drawn_and_listed_as_text(tmp_path, p2p):
    card = a_card(name=HOSTILE)
    card["content"]["slices"][0]["slice"] = f"market={HOSTILE}"
    card["content"]["pilot"]["title"] = HOSTILE
    card["content"]["gates"][0] |= {"limit": "x", "at_least": "maybe", "metric": 7}
    card["content"]["slices"][1] |= {"n": 1.5, "value": float("nan"), "low": True}
    a_run(tmp_path / "runs", 1, card=card)
    code, out, _ = p2p("runs", "trend", "--runs", tmp_path / "runs", "--output", tmp_path / "x.svg")
    assert code == 0 and not set(out) & {"\x1b", "\u202e", "\x00", "\ud800"} and "⟨U+202E⟩" in out
    svg = (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert "<script>" not in svg and "\x1b" not in svg
    code, out, _ = p2p("runs", "trend", "--runs", tmp_path / "runs", "--json")
    assert code == 0 and out.isascii() and json.loads(out)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"content": 3, "timing": {}}', b'{"content": {"gates": [3]}, "timing": {"gates": []}}']
)
def test_card_that_cannot_be_read_is_left_out_and_said(tmp_path, content):
    made = runs_of(tmp_path, 2)
    (made[0] / "scorecard.json").write_bytes(content)
    with pytest.warns(RunWarning, match=r"scorecard.json: left out"):
        assert trend(tmp_path).table["run"].unique().tolist() == [made[1].name]


# ---- many runs, and the command line


def test_three_hundred_runs_are_one_listing_and_one_reading(tmp_path, monkeypatch):
    runs_of(tmp_path, 300)
    asked: list[str] = []

    def counted(name: str) -> None:
        known = getattr(past, name)
        monkeypatch.setattr(past, name, lambda *given: (asked.append(name), known(*given))[1])

    counted("_sizes")
    counted("_contents")
    assert len(history(tmp_path)) == 300 and asked == ["_sizes", "_contents"]
    asked.clear()
    assert len(frame(tmp_path)) == 600 and asked == ["_sizes", "_contents", "_contents"]
    asked.clear()
    assert trend(tmp_path, kinds=["market"]).table["run"].nunique() == 300 and asked == ["_sizes", "_contents", "_contents"]
    assert verify(tmp_path) == []
    assert (prune(tmp_path, keep=10, now=NOW)["action"] == "pruned").sum() == 290


def test_commands_list_show_verify_prune_and_trend(tmp_path, p2p: Callable, monkeypatch):
    top = tmp_path / "runs"
    made = runs_of(top, 3)
    monkeypatch.chdir(tmp_path)
    given = ("--runs", top)
    code, out, _ = p2p("runs", "list", *given)
    assert code == 0 and len(out.splitlines()) == 4 and made[2].name in out
    assert [r["run"] for r in json.loads(p2p("runs", "list", "tiny", "--json", *given)[1])] == [p.name for p in made]
    for which in ("2", "0002", made[1].name):
        code, out, _ = p2p("runs", "show", "tiny", which, *given)
        assert code == 0 and f"tiny, run {made[1].name}: finished" in out and "missing.ipynb" in out
    assert json.loads(p2p("runs", "show", "tiny", "--json", *given)[1])["run"] == made[2].name
    assert p2p("runs", "verify", *given)[:2] == (0, f"3 runs (3 finished) in {top}: all as it was left\n")
    code, out, _ = p2p("runs", "prune", "--keep", 1, "--dry-run", *given)
    assert code == 0 and "would be pruned" in out and (made[0] / "missing.ipynb").exists()
    assert p2p("runs", "prune", "--keep", 1, *given)[0] == 0 and not (made[0] / "missing.ipynb").exists()
    assert p2p("runs", "verify", *given)[1] == f"3 runs (2 pruned, 1 finished) in {top}: all as it was left\n"
    assert p2p("runs", "show", "tiny", "1", *given)[1].count("pruned") > 5
    code, out, _ = p2p("runs", "trend", *given)
    assert code == 0 and (tmp_path / "tiny_trend.svg").is_file() and "3 finished runs" in out
    (made[2] / "missing.ipynb").write_text("x", encoding="utf-8")
    code, out, _ = p2p("runs", "verify", *given)
    assert code == 4 and f"changed: tiny/{made[2].name}/missing.ipynb" in out
    assert json.loads(p2p("runs", "verify", "--json", *given)[1])[0]["kind"] == "changed"


@pytest.mark.parametrize(
    "line",
    [
        ("list", "nope"),
        ("verify", "nope"),
        ("show", "nope"),
        ("show", "tiny", "9"),
        ("show", "tiny", "000"),
        ("trend", "nope"),
        ("prune", "--keep", "-1"),
    ],
)
def test_what_is_not_there_is_a_usage_error(tmp_path, p2p, line):
    runs_of(tmp_path, 2)
    code, _, err = p2p("runs", *line, "--runs", tmp_path)
    assert code == 2 and "Traceback" not in err


def test_commands_on_an_empty_folder(tmp_path, p2p):
    assert p2p("runs", "list", "--runs", tmp_path)[:2] == (0, f"No runs in {tmp_path}. Make one: p2p run PILOT\n")
    assert p2p("runs", "verify", "--runs", tmp_path)[0] == 0 and p2p("runs", "prune", "--runs", tmp_path)[0] == 0
    assert p2p("runs", "trend", "--runs", tmp_path)[0] == 2


def test_a_real_run_is_whole_has_results_and_a_trend(interrupted, p2p, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(Path(interrupted["folder"]) / "runs", runs)  # others look at it too
    assert verify(runs) == [] and history(runs)["state"].iloc[-1] == "finished"
    table = frame(runs)
    assert {"all", "scenario", "metric", "low", "high"} & set(table.columns) and (table["pilot"] == "tiny").all()
    assert set(table["scenario"]) > {"clean"} and table["model"].str.len().eq(64).all()
    drawn = trend(runs).table
    assert drawn.loc[drawn["kind"] == "gate", "name"].tolist() == ["clean"]
    code, out, _ = p2p("runs", "list", "--runs", runs)
    assert code == 0 and "finished" in out


def test_the_past_is_imported_when_it_is_asked_for():
    heavy = "pandas", "pyarrow", "matplotlib", "pilot_to_prod.runs"
    for module, unwanted in (
        ("pilot_to_prod.cli.runs", heavy),
        ("pilot_to_prod.runs", ("matplotlib", "pilot_to_prod.runs.past")),
    ):
        code = f"import sys, {module}; print([m for m in {unwanted!r} if m in sys.modules])"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    import pilot_to_prod.runs as room

    assert set(room._PAST) < set(room.__all__) == set(dir(room)) and all(
        getattr(room, n) is getattr(past, n) for n in room._PAST
    )
    with pytest.raises(AttributeError, match="has no attribute 'histroy'"):
        room.histroy
