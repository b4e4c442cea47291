"""What a run hands to its card of earlier runs: baselines for gates, the past for the trend, facts for the rubric."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import QUICK, write_pilot

from pilot_to_prod.runs import Store, make_plan
from pilot_to_prod.runs._before import baselines, past
from pilot_to_prod.settings import load_settings
from pilot_to_prod.spec import Spec

AGAINST = """gates:
  - {name: as before, metric: accuracy, of: drop, at_most: 0.3, against: promoted}
  - {name: as the champion, metric: accuracy, of: drop, at_most: 0.3, against: old}
  - {name: clean, metric: accuracy, at_least: 0.5}
"""


def a_run(p2p: Any, pilot: Path, *more: str) -> dict:
    code, out, err = p2p("run", pilot, "--runs", pilot.parent / "runs", "--any-verdict", *more)
    assert code == 0, (out, err)
    card = sorted((pilot.parent / "runs" / pilot.name).glob("*/scorecard.json"))[-1]
    return json.loads(card.read_text(encoding="utf-8"))


def gates(card: dict) -> dict[str, tuple[str, str]]:
    return {g["name"]: (g["verdict"], g["reason"]) for g in card["content"]["gates"]}


def test_a_card_is_compared_with_what_was_promoted_and_with_a_champion(tmp_path, p2p, monkeypatch):
    for name, value in (QUICK | {"P2P_REPLAY_SUITE": "ambiguity"}).items():
        monkeypatch.setenv(name, value)
    pilot = write_pilot(tmp_path / "tiny", more=AGAINST)
    first = a_run(p2p, pilot)
    said = gates(first)
    assert said["as before"] == ("passes", "no run was promoted before, so there is none to be worse than")
    assert said["as the champion"][0] == "undecided" and "p2p run old" in said["as the champion"][1]
    assert first["made"]["past"] == [] and first["timing"]["rubric"]["tests"]

    old = write_pilot(tmp_path / "old", name="old")
    a_run(p2p, old)
    store = Store(tmp_path / "runs", "tiny")
    run = store.manifests()[-1]["run"]
    with store.lock():
        store.append({"kind": "promotion", "run": run, "pilot": "tiny"})
    second = a_run(p2p, pilot)
    said = gates(second)
    assert said["as before"][0] == "passes" and "promoted before" not in said["as before"][1]
    assert said["as the champion"][0] == "passes"
    assert {"against promoted", "against old"} <= set(second["content"]["hashes"])
    assert [p["run"] for p in second["made"]["past"]] == [run] and second["made"]["past"][0]["value"] is not None


def test_keys_name_what_is_compared_and_not_where_it_is(tmp_path):
    keys, pilot = set(), write_pilot(tmp_path / "tiny", more=AGAINST)
    for folder in ("here", "there"):
        settings = load_settings({"runs.folder": str(tmp_path / folder)}, start=tmp_path, environ={})
        plan = make_plan(Spec.load(pilot), settings)
        keys.add(plan.units[-1].key)
        assert plan.units[-1].parameters["baselines"] == {"old": None, "promoted": None}
    assert len(keys) == 1
    store = Store(tmp_path / "here", "tiny")
    store.open()
    with store.lock():
        store.append({"kind": "promotion", "run": "0001-abc", "pilot": "tiny"})
    settings = load_settings({"runs.folder": str(tmp_path / "here")}, start=tmp_path, environ={})
    now = make_plan(Spec.load(pilot), settings).units[-1]
    assert now.key not in keys and now.parameters["baselines"]["promoted"].endswith("0001-abc/evidence")


def test_a_promise_that_compares_with_nothing_asks_for_nothing(tmp_path):
    spec = Spec.load(write_pilot(tmp_path / "tiny"))
    assert baselines(spec, tmp_path / "runs") == {}
    settings = load_settings({"runs.folder": str(tmp_path / "runs")}, start=tmp_path, environ={})
    assert "baselines" not in make_plan(spec, settings).units[-1].parameters


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"content": {}}', '{"content": {"performance": []}}'])
def test_a_past_whose_cards_are_gone_or_torn_has_its_verdicts_left(tmp_path, torn):
    store = Store(tmp_path, "tiny")
    store.open()
    (store.folder / "0001-abc").mkdir()
    (store.folder / "0001-abc" / "scorecard.json").write_text(torn)
    chain = [{"run": "0001-abc", "verdict": "hold", "at": "2026-01-02T03:04:05"}, {"run": "0002-abc", "verdict": "block"}]
    found = past(store, chain, "0003-abc")
    assert [(p["run"], p["verdict"], p["value"]) for p in found] == [("0001-abc", "hold", None), ("0002-abc", "block", None)]
    assert found[0]["at"] == "2026-01-02"
