"""The same corruption in any process, and in any number of them: for every kind, and for a chain of kinds."""

import hashlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from mixed import KINDS, NAMES, made, mixed, promise
from trying import corrupt, entries, told

from pilot_to_prod.scenarios import Composition, Scenario

CHAIN = ("typos", "mcar", "duplicate_events", "homoglyphs")
FEW = ("chain", "mnar", "negation", "block_missing", "near_duplicate_events", "nullability", "instance_hard_labels")
TABLE = mixed(24)


def fingerprint(name: str) -> str:
    "What a kind, or the chain, makes of the table: a hash of values, types and record."
    one: Scenario | Composition = Composition(tuple(made(n) for n in CHAIN)) if name == "chain" else made(name)
    hit = corrupt(one.fit(TABLE, promise()), TABLE, seed=9)
    found = [[list(map(told, row)) for row in hit.frame.astype(object).to_numpy()], list(map(str, hit.frame.dtypes))]
    if name in KINDS and KINDS[name].unit not in ("event", "schema"):
        found.append(sorted(map(repr, entries(hit))))
    return hashlib.sha256(repr(found).encode("utf-8", "backslashreplace")).hexdigest()


def there(names: list[str], workers: int) -> dict[str, str]:
    "The same in child processes that start from nothing."
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return dict(zip(names, pool.map(fingerprint, names, chunksize=-(-len(names) // workers)), strict=True))


def test_every_kind_makes_the_same_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "54321")
    assert there(NAMES, 1) == {n: fingerprint(n) for n in NAMES}


def test_the_number_of_processes_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {n: fingerprint(n) for n in FEW}
    for workers in (1, 2):
        assert there(list(FEW), workers) == here
