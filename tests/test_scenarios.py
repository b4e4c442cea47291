"""What every registered scenario promises, whichever kind it is: shares, nesting, the record, and that it is tried at all."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixed import KINDS, MORE, NAMES, ROLES, made, promise, sure
from trying import REFERENCE, cases, corrupt, differs, groups, learnt, moved, quick, same, struck

from pilot_to_prod.scenarios import FAMILIES, Corruption, Rows, suite

UNTOUCHED: dict[str, str] = {}  # kinds that find nothing in the mixed table → why


@pytest.mark.parametrize("name", NAMES)
@quick
@given(data=st.data(), seed=st.integers(0, 2**32), severity=st.floats(0, 1))
def test_the_asked_share_is_the_delivered_share_and_shares_nest(name, data, seed, severity):
    columns, params, frame = data.draw(cases(name))
    fitted = learnt(name, columns, params)
    rows = Rows(frame, "id", confidence=sure(frame))  # as replay does: what was found once is used again
    hits = {s: fitted.corrupt(rows, seed=seed, severity=s) for s in (0, 0.4, 0.1, 0.2, severity)}
    assert same(hits[0].frame, frame)
    assert hits[0].asked == hits[0].delivered == len(hits[0].ledger) == 0 and not (hits[0].changed | hits[0].hit).any()
    for s, hit in hits.items():
        assert [c.eligible for c in hit.counts] == [c.eligible for c in hits[0].counts]
        assert all(c.asked == c.delivered == int(np.floor(s * c.eligible + 0.5)) for c in hit.counts)
        assert all(0 <= c.eligible <= c.units and c.untreated >= 0 for c in hit.counts)
    assert recorded(KINDS[name].unit, hits[severity]) == hits[severity].delivered
    order = [struck(hits[s], frame) for s in sorted(hits)]
    assert all(a <= b for a, b in itertools.pairwise(order))


def recorded(unit: str, hit: Corruption) -> int:
    "Units that were hit, counted from the record and from the rows; nothing is recorded that did not change."
    found = [e for stage in hit.ledger.stages for e in stage]
    if unit not in ("event", "schema"):
        assert all(differs(*pair) for e in found for pair in zip(e.old, e.new, strict=True))
    if unit == "schema":
        return len({n for e in found for n in e.names})
    if unit == "column":
        return len(found)
    return int(hit.hit.sum()) if unit in ("row", "event", "label") else sum(map(len, found))


@pytest.mark.parametrize("name", NAMES)
@quick
@given(data=st.data(), seed=st.integers(0, 100), severity=st.sampled_from([0.5, 1.0]))
def test_the_ledger_undoes_and_the_caller_keeps_his_own(name, data, seed, severity):
    columns, params, frame = data.draw(cases(name))
    fitted = learnt(name, columns, params)
    before, numbers, state = frame.copy(deep=True), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    hit = corrupt(fitted, frame, seed, severity)
    assert same(frame, before)
    assert random.getstate() == state and (np.random.get_state()[1] == numbers).all()  # noqa: NPY002
    assert same(hit.ledger.undo(hit.frame), frame)
    again = hit.ledger.replay(frame)
    assert list(again.columns) == list(hit.frame.columns) and not moved(again, hit.frame).any()
    if hit.source is not None:
        arrived = frame.iloc[hit.source]
        assert not moved(arrived, hit.frame)[~hit.changed[hit.source]].any()
        assert (np.bincount(hit.source, minlength=len(frame)) > 0).tolist() == hit.arrived.tolist()
        return
    assert same(hit.ledger.undo(hit.frame.iloc[::-1]), frame.iloc[::-1])
    if KINDS[name].unit == "schema":
        assert hit.changed.all() == (hit.delivered > 0) or not len(frame)
        return
    assert (moved(frame, hit.frame) <= hit.hit).all()
    assert (hit.hit <= hit.changed).all() or hit.labels is not None
    touched = {e.column for stage in hit.ledger.stages for e in stage}
    assert touched <= set(fitted.stages[0].columns) and all(hit.frame[c].equals(frame[c]) for c in frame if c not in touched)


# every kind has something to do


def test_there_are_twelve_families():
    assert {KINDS[n].family for n in NAMES} == set(FAMILIES) and len(FAMILIES) == 12
    assert len(NAMES) >= 100


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_finds_something_in_the_mixed_table(name):
    "A kind that finds nothing here passes every property for nothing: give tests/mixed.py something for it."
    hit = corrupt(made(name).fit(REFERENCE, promise()), REFERENCE, severity=1.0)
    assert (hit.eligible == 0) == (name in UNTOUCHED)
    if name not in UNTOUCHED:
        assert hit.delivered == hit.asked == hit.eligible > 0
        assert hit.hit.any() and len(hit.ledger) > 0


def test_every_column_of_the_table_has_its_turn():
    assert set(ROLES) == {c for n in NAMES for group in groups(n) for c in group}
    assert all(promise().roles[c] == r and c in promise().inputs for c, r in ROLES.items())


def test_a_deep_suite_replays_every_kind():
    found = suite("deep", promise())
    assert {s.name for s, _ in found} | {n for n, _ in found.left_out} == set(NAMES)
    assert {n for n, _ in found.left_out} <= set(MORE)  # what needs more than a promise says
