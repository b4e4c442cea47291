"""Where runs are kept, on this machine or at any fsspec URL: folders, records written last, one chain of manifests a pilot, and a lock."""

import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pilot_to_prod.spec import hash_json

SETTLED = 1.0  # seconds after which two that took over a lock at once see who has it
BRIEF = 2.0  # seconds that a run waits for one who signs or promotes
LEASE, RENEWED = 60.0, 15.0  # seconds after which a lock at a URL that nobody renews is free; how often its holder renews it


class RunError(RuntimeError):
    "A run that cannot be started or finished, with what to do."


def is_run(
    entry: dict[str, Any],  # of the chain
) -> bool:
    "Whether an entry is the manifest of a run; the others say their kind, such as signature or promotion."
    return entry.get("kind", "run") == "run"


def place(
    folder: str | Path,  # on this machine, or an fsspec URL such as s3://bucket/runs
) -> Path:  # with the methods of pathlib.Path, wherever it is
    "A folder by path or URL; what it lists is as it is now. Raises RunError where the file system of a URL is not installed."
    if not isinstance(folder, str):
        return folder
    if "://" not in folder or folder.startswith("file://"):
        return Path(folder.removeprefix("file://"))
    from upath import UPath

    try:
        found: Path = UPath(folder, use_listings_cache=False, skip_instance_cache=True)
        found.fs  # type: ignore[attr-defined]  # noqa: B018 - made when it is asked for
    except (ImportError, ValueError) as e:
        raise RunError(f"{folder}: {e}") from None
    return found


def is_here(folder: Path) -> bool:
    "Whether a folder is on this machine's disk."
    return "://" not in str(folder)


def write_bytes(path: Path, data: bytes) -> None:
    "The final name holds a whole file or none: written aside, flushed and renamed; at a URL an object appears when it is whole."
    if not is_here(path):
        path.write_bytes(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    try:
        with aside.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    "As `write_bytes`, in canonical order."
    write_bytes(path, json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1).encode())


def read_bytes(path: Path) -> bytes:
    "What a file holds, whole and as one state. Raises FileNotFoundError."
    return path.read_bytes() if is_here(path) else path.fs.cat_file(path.path)  # type: ignore[attr-defined]


def read_json(path: Path) -> Any | None:
    "What a file holds; None where there is none, or only a torn one."
    try:
        return json.loads(read_bytes(path))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None


class Lease:
    """A lock at a URL: an object that only one can create, and that its holder renews.

    A holder that was killed renews nothing, so that after a minute the lock is free. One that slept for longer finds that another
    has it, renews no more, and knows that it is lost.
    """

    def __init__(self, path: Path, lease: float = LEASE, renewed: float = RENEWED) -> None:
        self.path, self.lease, self.renewed = path, lease, renewed
        self.mine, self.lost = uuid.uuid4().hex, False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def _said(self) -> bytes:
        return json.dumps({"holder": self.mine, "until": time.time() + self.lease}).encode()

    def _create(self) -> bool:
        "Whether the object was made by this call."
        fs, path = self.path.fs, self.path.path  # type: ignore[attr-defined]
        try:
            fs.pipe_file(path, self._said(), mode="create")
        except (FileExistsError, OSError) as e:
            if isinstance(e, FileExistsError) or "PreconditionFailed" in str(e) or "pre-conditions" in str(e):
                return False
            raise
        return True

    def _is_mine(self) -> bool:
        held = read_json(self.path)
        return isinstance(held, dict) and held.get("holder") == self.mine

    def acquire(self) -> bool:
        "Whether it is held now."
        if not self._create():
            held = read_json(self.path)
            if isinstance(held, dict) and held.get("until", 0) > time.time():
                return False
            with suppress(FileNotFoundError):
                self.path.unlink()
            if not self._create():
                return False
            time.sleep(SETTLED)
            if not self._is_mine():
                return False
        self._thread = threading.Thread(target=self._renew, name="p2p-lease", daemon=True)
        self._thread.start()
        return True

    def _renew(self) -> None:
        while not self._stop.wait(self.renewed):
            with suppress(Exception):  # whatever the client of a store raises when it cannot be reached: the next time, or the lease ends
                if not self._is_mine():
                    self.lost = True
                    return
                self.path.write_bytes(self._said())

    def release(self) -> None:
        "Free it, if it is still this one's."
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._is_mine():
            self.path.unlink()


def _acquired(lock: FileLock | Lease) -> bool:
    try:
        return bool(lock.acquire(timeout=0)) if isinstance(lock, FileLock) else lock.acquire()
    except Timeout:
        return False


class Store:
    "The runs of one pilot in a folder."

    def __init__(self, folder: str | Path, pilot: str) -> None:
        self.folder = place(folder) / pilot
        self._lease: Lease | None = None  # held at a URL

    def open(self) -> None:
        "Make sure that it can be written. Raises RunError."
        try:
            (self.folder / "manifests").mkdir(parents=True, exist_ok=True)
            probe = self.folder / ".probe"
            probe.write_text("")
            probe.unlink()
        except OSError as e:
            raise RunError(
                f"{self.folder}: the runs folder cannot be written ({e.strerror or e}). "
                "Give another one: --runs FOLDER, P2P_RUNS_FOLDER, or [runs] folder in settings.ini."
            ) from None

    @contextmanager
    def lock(
        self,
        wait: float = 0,  # seconds for its holder to be done
    ) -> Iterator[None]:
        "Held while a run is under way, and free once its holder is dead. Raises RunError when it is held."
        taken = FileLock(self.folder / ".lock") if is_here(self.folder) else Lease(self.folder / ".lock")
        until = time.monotonic() + wait
        while not (held := _acquired(taken)) and time.monotonic() < until:
            time.sleep(0.02 if isinstance(taken, FileLock) else 0.5)
        if not held:
            raise RunError(f"{self.folder}: another run of this pilot is under way. Wait for it, or use another runs folder.")
        self._lease = taken if isinstance(taken, Lease) else None
        try:
            yield
        finally:
            self._lease = None
            taken.release()

    def runs(self) -> list[Path]:
        "The folders of its runs, oldest first."
        return sorted(p for p in self.folder.glob("[0-9]*-*") if p.is_dir())

    def run_folder(self, plan_hash: str, fresh: bool = False) -> tuple[Path, bool]:
        "The folder of a plan, and whether it was begun before: plans are numbered and named by their hash."
        there = self.runs()
        begun = [p for p in there if p.name.endswith(f"-{plan_hash[:10]}")]
        if begun and not fresh:
            return begun[-1], True
        last = max((int(p.name.split("-")[0]) for p in there), default=0)
        return self.folder / f"{last + 1:04d}-{plan_hash[:10]}", False

    def manifests(self) -> list[dict[str, Any]]:
        "The manifests of runs in the chain, oldest first. Raises RunError where the chain was changed."
        return [e for e in self.chain() if is_run(e)]

    def chain(self) -> list[dict[str, Any]]:
        "All entries, oldest first: manifests of runs, signatures, promotions. Raises RunError where one was changed, removed or torn."
        written = [  # read first: each of them was written after its entry
            [(p, read_json(p)) for p in sorted(self.folder.glob(f"[0-9]*-*/{part}.json"))] for part in ("record", "approval/*")
        ]
        out: list[dict[str, Any]] = []
        for path in sorted((self.folder / "manifests").glob("[0-9]*.json")):
            found = read_json(path)
            before = out[-1]["hash"] if out else None
            body = {k: v for k, v in found.items() if k != "hash"} if isinstance(found, dict) else {}
            if not isinstance(found, dict) or found.get("hash") != hash_json(body) or found.get("previous") != before:
                raise RunError(f"{path}: the chain of runs is broken here: a manifest was changed, removed or torn.")
            out.append(found)
        known = {m["hash"] for m in out}
        for path, record in written[0]:
            if isinstance(record, dict) and record.get("hash") not in known:
                raise RunError(
                    f"{path}: this run is in no manifest of the chain: a manifest was removed from {self.folder / 'manifests'}."
                )
        for path, copy in written[1]:
            if isinstance(copy, dict) and copy.get("hash") not in known:
                raise RunError(f"{path}: no entry of the chain says this: one was removed from {self.folder / 'manifests'}.")
        return out

    def append(self, entry: dict[str, Any]) -> dict[str, Any]:
        "Add an entry that names the one before it; the holder of the lock calls this. Raises RunError when it has lost the lock."
        if self._lease is not None and (self._lease.lost or not self._lease._is_mine()):
            raise RunError(f"{self.folder}: this run lost its lock to another while it slept. What it did stays; run it again.")
        chain = self.chain()
        body = {**entry, "number": len(chain) + 1, "previous": chain[-1]["hash"] if chain else None}
        made = {**body, "hash": hash_json(body)}
        self.mend(chain)
        write_json(self.folder / "manifests" / f"{len(chain) + 1:06d}.json", made)
        self.mend([made])
        return made

    def mend(self, chain: list[dict[str, Any]]) -> None:
        """Give the run that the last entry signs or promotes its copy of it, where a kill came between the two.

        With the copy, as with the record of a run, the last entry of the chain cannot be removed unseen. The holder of the lock calls this.
        """
        if chain and not is_run(chain[-1]) and "run" in chain[-1]:
            copy = self.folder / str(chain[-1]["run"]) / "approval" / f"{chain[-1]['number']:06d}.json"
            if not copy.exists():
                write_json(copy, chain[-1])


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
