"""Where runs are kept: folders, records written last, and one chain of manifests a pilot."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pilot_to_prod.spec import hash_json


class RunError(RuntimeError):
    "A run that cannot be started or finished, with what to do."


def write_json(path: Path, value: Any) -> None:
    "Written aside, flushed, renamed: the final name holds a whole file or none."
    aside = path.with_name(path.name + ".part")
    with aside.open("w", encoding="utf-8") as out:
        json.dump(value, out, sort_keys=True, ensure_ascii=False, indent=1)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(path)


def read_json(path: Path) -> Any | None:
    "What a file holds; None where there is none, or only a torn one."
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None


class Store:
    "The runs of one pilot in a folder."

    def __init__(self, folder: Path, pilot: str) -> None:
        self.folder = folder / pilot

    def open(self) -> None:
        "Make sure that it can be written. Raises RunError."
        try:
            (self.folder / "manifests").mkdir(parents=True, exist_ok=True)
            probe = self.folder / ".probe"
            probe.write_text("")
            probe.unlink()
        except OSError as e:
            raise RunError(
                f"{self.folder}: the runs folder cannot be written ({e.strerror}). "
                "Give another one: --runs FOLDER, P2P_RUNS_FOLDER, or [runs] folder in settings.ini."
            ) from None

    @contextmanager
    def lock(self) -> Iterator[None]:
        "Held while a run is under way; the system frees it when its holder dies. Raises RunError when it is held."
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"{self.folder}: another run of this pilot is under way. Wait for it, or use another runs folder."
            ) from None
        try:
            yield
        finally:
            lock.release()

    def run_folder(self, plan_hash: str) -> tuple[Path, bool]:
        "The folder of a plan, and whether it was begun before: plans are numbered and named by their hash."
        begun = sorted(self.folder.glob(f"*-{plan_hash[:10]}"))
        if begun:
            return begun[-1], True
        last = max((int(p.name.split("-")[0]) for p in self.folder.glob("[0-9]*-*") if p.is_dir()), default=0)
        return self.folder / f"{last + 1:04d}-{plan_hash[:10]}", False

    def manifests(self) -> list[dict[str, Any]]:
        "The chain, oldest first. Raises RunError where it was changed."
        out: list[dict[str, Any]] = []
        for path in sorted((self.folder / "manifests").glob("[0-9]*.json")):
            found = read_json(path)
            before = out[-1]["hash"] if out else None
            body = {k: v for k, v in found.items() if k != "hash"} if isinstance(found, dict) else {}
            if not isinstance(found, dict) or found.get("hash") != hash_json(body) or found.get("previous") != before:
                raise RunError(f"{path}: the chain of runs is broken here: a manifest was changed, removed or torn.")
            out.append(found)
        known = {m["hash"] for m in out}
        for path in sorted(self.folder.glob("[0-9]*-*/record.json")):
            record = read_json(path)
            if isinstance(record, dict) and record.get("hash") not in known:
                raise RunError(
                    f"{path}: this run is in no manifest of the chain: a manifest was removed from {self.folder / 'manifests'}."
                )
        return out

    def append(self, entry: dict[str, Any]) -> dict[str, Any]:
        "Add a manifest that names the one before it; the holder of the lock calls this."
        chain = self.manifests()
        body = {**entry, "number": len(chain) + 1, "previous": chain[-1]["hash"] if chain else None}
        made = {**body, "hash": hash_json(body)}
        write_json(self.folder / "manifests" / f"{len(chain) + 1:06d}.json", made)
        return made


def look_at(chain: list[dict[str, Any]], spec: str, data: str, model: str) -> int:
    """How often a promise has been looked at, this time included.

    The same promise, rows and model again is no new look. Counting starts anew only with fresh rows and a changed model;
    a threshold that moved on the same rows is another look at them.
    """
    for m in chain:
        if (m["spec"], m["data"], m["model"]) == (spec, data, model):
            return int(m["look"])
    if not chain or all(m["data"] != data and m["model"] != model for m in chain):
        return 1
    return max(int(m["look"]) for m in chain) + 1
