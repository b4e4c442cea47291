"""The same corruption whatever the batches and the order of the rows, for every kind."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixed import KINDS, NAMES, UNTOLD, made, promise, sure
from trying import POOL, REFERENCE, cases, corrupt, forms, groups, learnt, quick, same, struck, told

from pilot_to_prod.scenarios import Rows


@pytest.mark.parametrize("name", NAMES)
@quick
@given(data=st.data(), seed=st.integers(0, 100))
def test_batches_and_order_do_not_matter(name, data, seed):
    columns, params, frame = data.draw(cases(name, least=1))
    fitted = learnt(name, columns, params)
    whole = corrupt(fitted, frame, seed)
    order = data.draw(st.permutations(range(len(frame))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(frame)), max_size=2)))
    shuffled = frame.iloc[order]
    parts = [shuffled.iloc[a:b] for a, b in itertools.pairwise([0, *cuts, len(frame)])]
    bound = fitted.bind([Rows(p, "id", confidence=sure(p)) for p in parts], seed=seed, severities=[0.2, 0.5])
    hits = [bound.corrupt(p, 0.5, confidence=sure(p)) for p in parts]
    put = (lambda f: f.sort_index(kind="stable")) if whole.source is not None else (lambda f: f.loc[frame.index])
    assert same(put(pd.concat([h.frame for h in hits])), put(whole.frame))
    assert {tuple(map(str, h.frame.dtypes)) for h in hits} == {tuple(map(str, whole.frame.dtypes))}
    for mark in ("changed", "hit"):
        assert np.concatenate([getattr(h, mark) for h in hits])[np.argsort(order)].tolist() == getattr(whole, mark).tolist()
    assert set().union(*(struck(h, p) for h, p in zip(hits, parts, strict=True))) == struck(whole, frame)
    if KINDS[name].unit not in ("column", "schema"):
        assert sum(h.delivered for h in hits) == whole.delivered
    if whole.labels is not None:
        said = pd.concat([h.labels.astype(object) for h in hits]).loc[frame.index]
        assert list(map(told, said)) == list(map(told, whole.labels))
    mixed_up = corrupt(fitted, shuffled, seed)
    assert same(put(mixed_up.frame), put(whole.frame)) and struck(mixed_up, shuffled) == struck(whole, frame)


@pytest.mark.parametrize("name", [n for n in NAMES if KINDS[n].unit in ("cell", "row", "column", "word", "span")])
def test_the_ledger_of_a_batch_undoes_it(name):
    "Also where nothing was hit, and the columns have the types of the whole."
    fitted = learnt(name, groups(name)[-1])
    parts = [REFERENCE.iloc[i : i + 2] for i in range(0, 12, 2)]
    bound = fitted.bind([Rows(p, "id", confidence=sure(p)) for p in parts], severities=[0.3])
    for part in parts:
        hit = bound.corrupt(part, confidence=sure(part))
        assert same(hit.ledger.undo(hit.frame), part)


@pytest.mark.parametrize("name", [n for n in NAMES if KINDS[n].by_language or KINDS[n].languages])
def test_a_row_keeps_its_detected_language_in_any_batch(name):
    "Nothing says in which language the rows are written."
    spec = promise(UNTOLD)
    fitted = made(name, *groups(name)[0]).fit(REFERENCE, spec)
    frame = POOL.iloc[:12]
    whole = fitted.corrupt(frame)
    assert whole.eligible > 0
    parts = [frame.iloc[i : i + 5][::-1] for i in range(0, 12, 5)]
    bound = fitted.bind(parts)
    assert same(pd.concat([bound.corrupt(p).frame for p in parts]).loc[frame.index], whole.frame)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_found_for_one_scenario_does_not_leak_into_the_next(name):
    "Replay asks the same rows again and again."
    frame = POOL.iloc[:10]
    rows = Rows(frame, "id", confidence=sure(frame))
    tried = [learnt(name, groups(name)[0], p) for p in forms(name)[:2]]
    for fitted, seed in [(f, s) for s in (0, 1) for f in tried]:
        assert same(fitted.corrupt(rows, seed=seed).frame, corrupt(fitted, frame, seed).frame)


def test_what_was_found_under_one_promise_is_not_used_under_another():
    "The same rows, said to be in another language."
    specs = [promise(UNTOLD.replace("  time: seen", f"  time: seen\n  language: {x}")) for x in ("ru", "en")]
    broken = []
    for name in [n for n in NAMES if KINDS[n].by_language]:
        rows, fitted = Rows(POOL.iloc[:8], "id"), [made(name, "text").fit(REFERENCE, spec) for spec in specs]
        try:
            assert all(same(one.corrupt(rows).frame, one.corrupt(rows.frame).frame) for one in (*fitted, *fitted))
        except Exception as e:
            broken.append(f"{name}: {type(e).__name__} {e}")
    assert not broken, "\n".join(broken)


def test_batches_may_come_from_anywhere():
    "A generator is read once and kept; anything else is gone through again."

    class Source:
        times = 0

        def __iter__(self):
            self.times += 1
            return (REFERENCE.iloc[i : i + 20] for i in range(0, 48, 20))

    fitted, source = made("typos", "text").fit(REFERENCE, promise()), Source()
    whole = fitted.corrupt(REFERENCE).frame
    for batches in (iter(Source()), source):
        bound = fitted.bind(batches)
        assert same(pd.concat([bound.corrupt(p).frame for p in Source()]), whole)
    assert source.times > 1
