"""What a card asks of earlier runs: those that gates compare with, what they found, and what a store knows for the rubric."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pilot_to_prod.runs._store import Store, is_run, read_json
from pilot_to_prod.spec import Spec

SHOWN = 20  # earlier runs of which a card draws the trend


def baselines(
    spec: Spec,
    folder: str | Path,  # of all runs
) -> dict[str, str | None]:  # name → folder of evidence; None: there is no such run
    "The runs that a promise compares with: the one promoted last, and the last finished one of each champion."
    out: dict[str, str | None] = {}
    for name in sorted({g.against for g in spec.gates} - {"clean"}):
        store = Store(folder, spec.name if name == "promoted" else name)
        chain = store.chain()
        named = [e for e in chain if (e.get("kind") == "promotion" if name == "promoted" else is_run(e))]
        out[name] = str(store.folder / str(named[-1]["run"]) / "evidence") if named else None
    return out


def past(
    store: Store,
    chain: Sequence[dict[str, Any]],  # manifests of finished runs, oldest first
    now: str,  # name of the run that is under way
) -> list[dict[str, Any]]:  # run, at, verdict, version, metric, value, low, high
    "What the last runs found, oldest first; runs whose card was pruned have their verdict only."
    out = []
    for entry in [e for e in chain if e["run"] != now][-SHOWN:]:
        card = read_json(store.folder / str(entry["run"]) / "scorecard.json")
        found = card.get("content", {}) if isinstance(card, dict) else {}
        first = (found.get("performance") or [{}])[0]
        said = {"run": entry["run"], "at": str(entry.get("at", ""))[:10], "verdict": entry.get("verdict")}
        out.append(
            said
            | {"version": found.get("pilot", {}).get("version")}
            | {k: first.get(k) for k in ("metric", "value", "low", "high")}
        )
    return out


def facts(
    store: Store,
    spec: str,  # hash of the promise
    chain: Sequence[dict[str, Any]],
    now: str,
    notebooks: dict[str, str],  # name → hash of its source
) -> dict[str, Any]:
    "What the rubric reads of a store: finished runs of this promise, the one under way included, and whether it has a schedule."
    of_this = {str(e["run"]) for e in chain if e.get("spec") == spec} | {now}
    return {
        "finished": len(of_this),
        "notebooks": notebooks,
        "scheduled": read_json(store.folder / "schedule.json") is not None,
    }
