"""One library at one task, in its own environment: a task as JSON on standard input, figures as JSON on standard output.

A task is {"library", "task": typos|mcar|mnar, "data", "share", "rows", "mode": time|check, "repeats"}. `time` gives wall and
CPU seconds of every call; `check` gives memory, and what the library really did: measured on what went in and what came out.
The calls are those of the libraries' own documents. Started by benchmarks/peers.py, with benchmarks/ on the path.
"""

import gc
import hashlib
import json
import os
import random
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _machine import MB, memory_of, versions

Call = Callable[[Any, float], Any]  # what the library is handed, share → what it gives back


@dataclass(frozen=True)
class Subject:
    "How one library does one task."

    call: Call  # the part that is timed
    given: Callable[[Any], Any]  # sentences, or a frame of numbers → what the library is handed; fresh for every call
    out: Callable[[Any], Any]  # what it gave back → sentences, or an array of numbers
    record: Callable[[Any, Any, Any], dict[str, Any] | None] = lambda result, before, after: None
    also: Callable[[Any, float], dict[str, bool]] = lambda raw, share: {}  # other things handed to it: is the caller's changed?
    kind: str = "frame"  # what is handed to it, for the report


def _same(a: Any, b: Any) -> bool:
    return bool(a.equals(b)) if isinstance(a, pd.DataFrame) else bool(a == b)


def _text_frame(sentences: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"text": sentences})


def _copied(thing: Any) -> Any:
    return thing.copy(deep=True) if isinstance(thing, pd.DataFrame) else list(thing)


def _texts(frame: pd.DataFrame) -> list[str]:
    return frame["text"].tolist()


def _numbers(table: Any) -> np.ndarray:
    return np.asarray(table, dtype=float)


def _flat(sentences: list[str]) -> tuple[list[list[str]], list[str]]:
    "Words of each sentence, and all of them in one list: for those that take words; the time is part of the job."
    split = [s.split() for s in sentences]
    return split, list(chain.from_iterable(split))


def _joined(split: list[list[str]], words: list[str]) -> list[str]:
    rest = iter(words)
    return [" ".join(islice(rest, len(one))) for one in split]


# ours


def _ours(name: str, **more: Any) -> Call:
    def call(frame: pd.DataFrame, share: float) -> Any:
        from pilot_to_prod.scenarios import scenario

        hit = scenario(name, severity=share, **more).fit(frame).corrupt(frame, seed=0)
        assert len(hit.frame) == len(frame)  # the frame itself, should it be made only when it is looked at
        return hit

    return call


def _ledger(result: Any, before: pd.DataFrame, after: Any) -> dict[str, Any]:
    "Does the ledger hold one entry for each difference, and give the old frame back?"
    changed = (
        int(np.isnan(after).sum())
        if isinstance(after, np.ndarray)
        else _words_changed(_texts(before), after)["delivered_units"]
    )
    undone = bool(result.ledger.undo(result.frame).equals(before))
    return {"what": "ledger", "entries": len(result.ledger), "agrees": len(result.ledger) == changed, "undoes": undone}


# badgers: lists of words; frames and arrays of numbers


def _badgers_typos(sentences: list[str], share: float) -> list[str]:
    from badgers.generators.text.typos import SwapLettersGenerator

    split, words = _flat(sentences)
    changed, _ = SwapLettersGenerator(np.random.default_rng(0)).generate(words, None, swap_proba=share)
    return _joined(split, changed)


class _Words(list[str]):
    "Words that remember their sentences."

    split: list[list[str]]


def _words(sentences: list[str]) -> _Words:
    split, words = _flat(sentences)
    out = _Words(words)
    out.split = split
    return out


def _badgers_words(words: _Words, share: float) -> _Words:
    "The generator alone, on a list of words, which it overwrites and returns."
    from badgers.generators.text.typos import SwapLettersGenerator

    changed: _Words = SwapLettersGenerator(np.random.default_rng(0)).generate(words, None, swap_proba=share)[0]
    return changed


def _badgers_missing(name: str) -> Call:
    def call(frame: Any, share: float) -> Any:
        from badgers.generators.tabular_data.missingness import missingness

        generator = getattr(missingness, name)(np.random.default_rng(0))
        return generator.generate(frame, None, percentage_missing=share)[0], generator

    return call


def _badgers_array(name: str) -> Callable[[pd.DataFrame, float], dict[str, bool]]:
    def also(frame: pd.DataFrame, share: float) -> dict[str, bool]:
        array = frame.to_numpy(copy=True)
        _badgers_missing(name)(array, share)
        return {"array": bool(np.isnan(array).any())}

    return also


def _badgers_indices(result: Any, before: Any, after: np.ndarray) -> dict[str, Any]:
    named = np.zeros(after.shape, bool)
    rows, columns = zip(*result[1].missing_values_indices_, strict=True)
    named[list(rows), list(columns)] = True
    return {"what": "positions", "entries": int(named.sum()), "agrees": bool((named == np.isnan(after)).all()), "undoes": False}


# tab_err: frames


def _tab_err(mechanism: str, error: str) -> Call:
    def call(frame: pd.DataFrame, share: float) -> Any:
        from tab_err import error_mechanism, error_type
        from tab_err.api import high_level

        kind = getattr(error_type, error)(seed=0)
        where = getattr(error_mechanism, mechanism)(seed=0)
        return high_level.create_errors(
            frame, share, error_types_to_include=[kind], error_mechanisms_to_include=[where], seed=0
        )

    return call


def _tab_err_typos(frame: pd.DataFrame, share: float) -> Any:
    "Every row, with a typo in every n-th word: its documents' way to a share of words."
    from tab_err import error_mechanism, error_type
    from tab_err.api import low_level

    kind = error_type.Typo(config={"typo_error_period": round(1 / share)}, seed=0)
    return low_level.create_errors(frame, "text", 1.0, error_mechanism.ECAR(seed=0), kind)


def _mask(result: Any, before: Any, after: Any) -> dict[str, Any]:
    "One flag a cell: for texts it names the row, not the word."
    named, text = result[1].to_numpy(), isinstance(after, list)
    changed = np.array([[a != b] for a, b in zip(_texts(before), after, strict=True)]) if text else np.isnan(after)
    what = "mask of cells, not of words" if text else "mask of cells"
    return {"what": what, "entries": int(named.sum()), "agrees": bool((named == changed).all()), "undoes": False}


# gecko: frames, a value a row; words are its rows here, so that a share of words can be asked for


def _gecko_typos(sentences: list[str], share: float) -> list[str]:
    from gecko import mutator

    rng = np.random.default_rng(0)
    split, words = _flat(sentences)
    edits = [getattr(mutator, f"with_{n}")(rng=rng) for n in ("substitute", "insert", "delete", "transpose")]
    spec = [("word", (share, mutator.with_group(edits, rng=rng)))]
    return _joined(split, mutator.mutate_data_frame(pd.DataFrame({"word": words}), spec)["word"].tolist())


def _gecko_missing(**more: Any) -> Call:
    "As its documents do, with '' as the missing value, which makes columns of objects; or with another one."

    def call(frame: pd.DataFrame, share: float) -> pd.DataFrame:
        from gecko import mutator

        rng = np.random.default_rng(0)
        return mutator.mutate_data_frame(
            frame, [(c, (share, mutator.with_missing_value(rng=rng, **more))) for c in frame.columns]
        )

    return call


def _emptied(frame: pd.DataFrame) -> np.ndarray:
    return frame.replace("", np.nan).to_numpy(dtype=float)


# jenga: frames, a column a call; no seed of its own


def _jenga(missingness: str) -> Call:
    def call(frame: pd.DataFrame, share: float) -> pd.DataFrame:
        from jenga.corruptions.generic import MissingValues

        for column in frame.columns:
            frame = MissingValues(column=column, fraction=share, na_value=np.nan, missingness=missingness).transform(frame)
        return frame

    return call


# nlpaug and augly: lists of texts; no seed of their own


def _nlpaug_keyboard(sentences: list[str], share: float) -> list[str]:
    import nlpaug.augmenter.char as nac

    return nac.KeyboardAug(aug_word_p=share, aug_char_max=1).augment(sentences)


def _nlpaug_characters(sentences: list[str], share: float) -> list[str]:
    import nlpaug.augmenter.char as nac

    return nac.RandomCharAug(action="substitute", aug_word_p=share, aug_char_max=1).augment(sentences)


def _augly(sentences: list[str], share: float) -> list[str]:
    from augly.text import simulate_typos

    return simulate_typos(sentences, aug_word_p=share, aug_char_max=1)


def _list_of_texts(call: Call) -> Subject:
    return Subject(call, list, list, kind="list")


def _frame_of_numbers(call: Call, out: Callable[[Any], Any], **more: Any) -> Subject:
    return Subject(call, _copied, out, **more)


def _ours_typos(**more: Any) -> Subject:
    return Subject(_ours("typos", columns=["text"], **more), _text_frame, lambda r: _texts(r.frame), _ledger)


def _first(result: Any) -> np.ndarray:
    return _numbers(result[0])


def _corrupted(result: Any) -> np.ndarray:
    return _numbers(result.frame)


# (library, task) → how. The library's name up to the first blank is its distribution.
SUBJECTS: dict[tuple[str, str], Subject] = {
    ("pilot-to-prod", "typos"): _ours_typos(layout="en"),  # as the others do: one keyboard, named or built in
    ("pilot-to-prod by language", "typos"): _ours_typos(),  # the default: the keyboard of each text's language
    ("pilot-to-prod", "mcar"): _frame_of_numbers(_ours("mcar"), _corrupted, record=_ledger),
    ("pilot-to-prod", "mnar"): _frame_of_numbers(_ours("mnar"), _corrupted, record=_ledger),
    ("badgers", "typos"): _list_of_texts(_badgers_typos),
    ("badgers words", "typos"): Subject(_badgers_words, _words, lambda r: _joined(r.split, r), kind="list"),
    ("badgers", "mcar"): _frame_of_numbers(
        _badgers_missing("MissingCompletelyAtRandom"),
        _first,
        record=_badgers_indices,
        also=_badgers_array("MissingCompletelyAtRandom"),
    ),
    ("badgers", "mnar"): _frame_of_numbers(
        _badgers_missing("DummyMissingNotAtRandom"),
        _first,
        record=_badgers_indices,
        also=_badgers_array("DummyMissingNotAtRandom"),
    ),
    ("tab_err", "typos"): Subject(_tab_err_typos, _text_frame, lambda r: _texts(r[0]), _mask),
    ("tab_err", "mcar"): _frame_of_numbers(_tab_err("ECAR", "MissingValue"), _first, record=_mask),
    ("tab_err", "mnar"): _frame_of_numbers(_tab_err("ENAR", "MissingValue"), _first, record=_mask),
    ("gecko-syndata", "typos"): _list_of_texts(_gecko_typos),
    ("gecko-syndata", "mcar"): _frame_of_numbers(_gecko_missing(), _emptied),
    ("gecko-syndata nan", "mcar"): _frame_of_numbers(_gecko_missing(value=np.nan), _numbers),
    ("jenga", "mcar"): _frame_of_numbers(_jenga("MCAR"), _numbers),
    ("jenga", "mnar"): _frame_of_numbers(_jenga("MNAR"), _numbers),
    ("nlpaug keyboard", "typos"): _list_of_texts(_nlpaug_keyboard),
    ("nlpaug characters", "typos"): _list_of_texts(_nlpaug_characters),
    ("augly", "typos"): _list_of_texts(_augly),
}


def read(task: str, path: str, rows: int | None) -> Any:
    "The data of a task: sentences, or a frame of numbers in one block, as a reader of files makes it."
    if task == "typos":
        return Path(path).read_text(encoding="utf-8").splitlines()[:rows]
    columns = np.load(path)[:, :rows]  # one row a column of the table
    return pd.DataFrame({f"num{i}": values for i, values in enumerate(columns)})


def timed(subject: Subject, raw: Any, share: float, repeats: int) -> dict[str, Any]:
    "Wall and CPU seconds of the first call, which compiles and fills caches, and of every later one."
    wall, cpu = [], []
    for _ in range(repeats + 1):
        given = subject.given(raw)
        gc.collect()
        w, c = time.perf_counter(), time.process_time()
        result = subject.call(given, share)
        cpu.append(time.process_time() - c)
        wall.append(time.perf_counter() - w)
        del result, given
    return {
        "first_wall": wall[0],
        "wall": wall[1:],
        "cpu": cpu[1:],
        "wall_min": min(wall[1:]),
        "wall_median": statistics.median(wall[1:]),
        "cpu_min": min(cpu[1:]),
        "cpu_median": statistics.median(cpu[1:]),
    }


def checked(subject: Subject, raw: Any, share: float) -> dict[str, Any]:
    "Memory of one call, and what it did: measured, not claimed."
    subject.call(subject.given(raw[:200] if isinstance(raw, list) else raw.iloc[:200]), share)  # imports and compiles
    size = sum(len(s.encode()) for s in raw) if isinstance(raw, list) else int(raw.memory_usage(index=False).sum())
    given = subject.given(raw)
    memory = memory_of(lambda: subject.call(given, share))
    before, given = subject.given(raw), subject.given(raw)
    random.seed(20261123)  # a state that no library sets by itself, so that setting a seed shows as well as drawing
    np.random.seed(20261123)  # noqa: NPY002
    states = _states()
    result = subject.call(given, share)
    touched = [name for name, state in _states().items() if state != states[name]]
    after = subject.out(result)
    again = subject.out(subject.call(subject.given(raw), share))
    delivered = _words_changed(raw, after) if isinstance(raw, list) else _cells_emptied(raw, after)
    return {
        "input_mb": size / MB,
        "memory_mb": memory,
        "memory_ratio": {k: None if v is None else v / (size / MB) for k, v in memory.items()},
        "asked": share,
        **delivered,
        "changes_callers": {subject.kind: not _same(given, before), **subject.also(raw, share)},
        "global_generators": touched,
        "repeatable": _digest(after) == _digest(again),
        "record": subject.record(result, before, after),
        "digest": _digest(after),
    }


def _states() -> dict[str, Any]:
    "What the generators that a whole process shares would give next."
    return {"random": random.getstate(), "numpy.random": repr(np.random.get_state())}  # noqa: NPY002


def _digest(after: Any) -> str:
    content = "\n".join(after).encode() if isinstance(after, list) else np.ascontiguousarray(after).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _pairs(before: list[str], after: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    return ((a.split(), b.split()) for a, b in zip(before, after, strict=True))


def _words_changed(before: list[str], after: list[str]) -> dict[str, Any]:
    "Share of words that differ, over rows that still have as many words as before."
    changed = words = reshaped = 0
    for a, b in _pairs(before, after):
        if len(a) != len(b):
            reshaped += 1
            continue
        words += len(a)
        changed += sum(x != y for x, y in zip(a, b, strict=True))
    return {"delivered": changed / words, "delivered_units": changed, "units": words, "rows_with_other_word_count": reshaped}


def _cells_emptied(before: pd.DataFrame, after: np.ndarray) -> dict[str, Any]:
    "Share of cells that are empty now, over all and by column; and cells that differ in another way."
    empty, old = np.isnan(after), before.to_numpy()
    share = empty.mean(axis=0)
    return {
        "delivered": float(empty.mean()),
        "delivered_units": int(empty.sum()),
        "units": int(empty.size),
        "by_column": [float(share.min()), float(share.max())],
        "cells_changed_otherwise": int((after[~empty] != old[~empty]).sum()),
    }


def main() -> None:
    "Read a task, do it, print what was measured. What a library prints goes to standard error."
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    task = json.load(sys.stdin)
    subject = SUBJECTS[task["library"], task["task"]]
    raw = read(task["task"], task["data"], task.get("rows"))
    made = (
        timed(subject, raw, task["share"], task["repeats"]) if task["mode"] == "time" else checked(subject, raw, task["share"])
    )
    named = versions(task["library"].split()[0], "numpy", "pandas", "pyarrow", "numba")
    json.dump({"library": task["library"], "task": task["task"], "rows": len(raw), "versions": named, **made}, report)
    report.close()


if __name__ == "__main__":
    main()
