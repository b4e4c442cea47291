"""Every registered kind on its own: the public checker, seeds, frames with little in them, names and parameters that travel."""

import json

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mixed import KINDS, MORE, NAMES, ROLES, made, promise
from trying import REFERENCE, corrupt, groups, learnt, quick, same, struck

from pilot_to_prod.scenarios import check_scenario, scenario
from pilot_to_prod.scenarios._engine import EXPECTATIONS


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_keeps_the_public_promises(name):
    columns = () if KINDS[name].unit in ("event", "label") else groups(name)[0]
    assert check_scenario(made(name, *columns), REFERENCE.iloc[:8], promise())["holds"].all()


@pytest.mark.parametrize("name", NAMES)
def test_seeds_differ_and_repeat(name):
    fitted = learnt(name, groups(name)[0])
    first = corrupt(fitted, REFERENCE, 1)
    assert same(first.frame, corrupt(fitted, REFERENCE, 1).frame)
    assert any(struck(corrupt(fitted, REFERENCE, s), REFERENCE) != struck(first, REFERENCE) for s in range(2, 8))


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_of_the_caller_is_not_overwritten_through_what_comes_back(name):
    frame = REFERENCE.copy(deep=True)
    hit = corrupt(learnt(name, groups(name)[0]), frame, severity=0.6)
    for c in hit.frame:
        if len(hit.frame):
            hit.frame.loc[hit.frame.index[0], c] = hit.frame[c].iloc[-1]
    assert same(frame, REFERENCE)


@pytest.mark.parametrize("name", NAMES)
def test_no_row_is_a_frame_and_one_row_is(name):
    fitted = learnt(name, groups(name)[0])
    for frame in (REFERENCE.iloc[:0], REFERENCE.iloc[:1], REFERENCE.iloc[4:5]):
        hit = corrupt(fitted, frame, severity=1.0)
        assert same(hit.ledger.undo(hit.frame), frame)
        assert hit.delivered == hit.asked == hit.eligible
        if not len(frame):
            assert len(hit.frame) == 0 and not hit.ledger.table()["key"].isin(REFERENCE["id"]).any()


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_hold_nothing_are_survived(name):
    gaps = REFERENCE.iloc[:6].copy()
    for c in ROLES:
        if c not in ("whole", "flag"):  # types without a missing value
            gaps[c] = pd.Series([None] * 6, dtype=REFERENCE[c].dtype)
    hit = corrupt(learnt(name, groups(name)[0]), gaps, severity=1.0)
    assert hit.delivered == hit.asked == hit.eligible
    assert same(hit.ledger.undo(hit.frame), gaps)
    if KINDS[name].unit in ("word", "span", "cell"):
        empty = [c for c in groups(name)[0] if gaps[c].isna().all()]
        assert all(c.eligible == 0 for c in hit.counts if c.column in empty) and hit.frame[empty].isna().all().all()


@pytest.mark.parametrize("name", NAMES)
def test_a_preview_shows_what_became_of_the_rows(name):
    frame = REFERENCE.iloc[:12]
    columns = () if KINDS[name].unit in ("event", "label") else groups(name)[0]
    one = made(name, *columns, severity=0.6)
    if "confidence" in KINDS[name].needs:
        with pytest.raises(ValueError, match="confidence"):
            one.preview(frame, spec=promise())
        return
    shown = one.preview(frame, spec=promise())
    assert len(shown) and not shown.equals(frame)
    assert one.preview(frame, spec=promise()).equals(shown)


# names and parameters travel


@pytest.mark.parametrize("name", NAMES)
@settings(quick, max_examples=8)
@given(
    severity=st.floats(0, 1),
    expect=st.sampled_from(EXPECTATIONS),
    columns=st.lists(st.sampled_from(["text", "a b", "'", "Größe"]), min_size=1, unique=True),
)
@example(severity=1 / 3, expect="survive", columns=["text"])
def test_a_scenario_travels_as_plain_values_and_its_repr_is_the_constructor_call(name, severity, expect, columns):
    one = KINDS[name](*columns, severity=severity, expect=expect, **MORE.get(name, {}))
    for s in (one, made(name), one >> made(name) >> one, (one >> made(name)).at(severity)):
        assert scenario(**json.loads(json.dumps(s.to_json()))) == s
        assert eval(repr(s), dict(KINDS)) == s  # noqa: S307


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_says_what_it_simulates_and_where_that_comes_from(name):
    doc = KINDS[name].doc
    assert doc.splitlines()[0].endswith((".", "?")) and "Comes from: " in doc and KINDS[name].expect in doc
