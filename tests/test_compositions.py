"""Scenarios one after the other: what a composition promises of any kinds of stages."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed import KINDS, NAMES, made, promise, sure
from trying import REFERENCE, corrupt, entries, groups, quick, same

from pilot_to_prod.scenarios import Composition, Corruption, Fitted, Rows, check_scenario

STAGES = {  # each unit, and changes of the type, the place and the number of what comes next
    "typos": ("text", "note"),
    "emoji_endings": ("text", "note"),
    "mcar": ("price", "city"),
    "locale_decimals": ("price", "whole"),
    "whole_column": ("price", "city", "part"),
    "block_missing": ("text", "whole", "part"),
    "field_shift": ("text", "note", "whole", "part", "price"),
    "swapped_columns": ("whole", "part", "price", "text", "city"),
    "retyped_column": ("whole", "price", "flag"),
    "uniform_labels": (),
    "near_duplicate_events": (),
    "duplicate_events": (),
    "late_events": (),
    "dropped_events": (),
}
FRAME = REFERENCE.iloc[:10]


def texts(*values: str | None) -> pd.DataFrame:
    return pd.DataFrame({"t": pd.Series(values, dtype="str")})


SENTENCES = texts(
    "I paid for two flights and never received the refund",
    "hello world, this was the best day of my life",
    None,
    "where is the price of my order from yesterday",
    "x",
)


def kept(fitted: Fitted, one: Composition, frame: pd.DataFrame, seed: int, parts: list[pd.DataFrame]) -> Corruption:
    "Identity at 0, determinism, exactness of each stage on its own input, reverse undo, batches that do not matter."
    assert same(corrupt(fitted, frame, seed, 0).frame, frame)
    whole = corrupt(fitted, frame, seed, 1)
    again = corrupt(fitted, frame, seed, 1)
    assert same(again.frame, whole.frame) and again.changed.tolist() == whole.changed.tolist()
    for c in whole.counts:
        assert c.asked == c.delivered == int(np.floor(one.stages[c.stage].severity * c.eligible + 0.5))
    assert same(whole.ledger.undo(whole.frame), frame)
    bound = fitted.bind([Rows(p, "id", confidence=sure(p)) for p in parts], seed=seed)
    hits = [bound.corrupt(p, confidence=sure(p)) for p in parts]
    put = (lambda f: f.sort_index(kind="stable")) if whole.source is not None else (lambda f: f.loc[frame.index])
    assert same(put(pd.concat([h.frame for h in hits])), put(whole.frame))
    assert [m for h in hits for m in h.changed] == whole.changed.tolist()
    return whole


@pytest.mark.parametrize("first", STAGES)
def test_what_one_stage_makes_of_the_rows_the_next_one_takes(first):
    broken = []
    for then in STAGES:
        one = made(first, *STAGES[first], severity=0.5) >> made(then, *STAGES[then], severity=0.6)
        try:
            kept(one.fit(REFERENCE, promise()), one, FRAME, 1, [FRAME.iloc[:4], FRAME.iloc[4:]])
        except Exception as e:
            broken.append(f"{first} >> {then}: {type(e).__name__} {str(e)[:200]}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("first", ["dropped_column", "renamed_column"])
def test_a_stage_that_finds_its_column_gone_finds_nothing_there_or_names_it(first):
    broken = []
    for then in (*STAGES, "dropped_column"):
        columns = STAGES.get(then, ("price", "city", "text"))
        one = made(first, "price", "text", "part", severity=1.0) >> made(then, *columns, severity=0.6)
        try:
            hit = corrupt(one.fit(REFERENCE, promise()), FRAME, severity=1)
            assert same(hit.ledger.undo(hit.frame), FRAME)
        except Exception as e:
            if not (
                isinstance(e, ValueError) and then in str(e) and any(f"'{c}'" in str(e) for c in ("price", "text", "part"))
            ):
                broken.append(f"{first} >> {then}: {type(e).__name__} {str(e)[:200]}")
    assert not broken, "\n".join(broken)


LAST = ("dropped_column", "renamed_column")  # stand last in a composition: what comes next would not find its columns
CHAINED = [n for n in NAMES if n not in LAST]


def composed(data: st.DataObject, names: list[str], seed: int) -> None:
    columns = [() if KINDS[n].unit in ("event", "label") else data.draw(st.sampled_from(groups(n))) for n in names]
    one = Composition(tuple(made(n, *c, severity=0.5) for n, c in zip(names, columns, strict=True)))
    rows = sorted(data.draw(st.sets(st.integers(0, 47), min_size=2, max_size=6)))
    frame = REFERENCE.iloc[rows]
    cut = data.draw(st.integers(0, len(frame)))
    whole = kept(one.fit(REFERENCE, promise()), one, frame, seed, [frame.iloc[:cut], frame.iloc[cut:]])
    if names[-1] in LAST and whole.counts[-1].delivered:
        assert list(whole.frame.columns) != list(frame.columns)


@settings(quick, max_examples=25)
@given(data=st.data(), names=st.lists(st.sampled_from(CHAINED), min_size=2, max_size=3), seed=st.integers(0, 50))
def test_any_kinds_compose(data, names, seed):
    composed(data, names, seed)


@pytest.mark.parametrize("last", LAST)
@settings(quick, max_examples=12)
@given(data=st.data(), names=st.lists(st.sampled_from(CHAINED), min_size=1, max_size=2), seed=st.integers(0, 50))
def test_columns_may_go_or_be_renamed_after_any_kinds(last, data, names, seed):
    composed(data, [*names, last], seed)


def test_every_kind_may_stand_before_one_that_takes_its_columns_away():
    broken = []
    for i, name in enumerate(CHAINED):
        columns = () if KINDS[name].unit in ("event", "label") else groups(name)[0]
        one = made(name, *columns) >> made(LAST[i % 2], *(columns or ("price", "text", "part")), severity=0.6)
        try:
            whole = kept(one.fit(REFERENCE, promise()), one, FRAME.iloc[:4], 2, [FRAME.iloc[:1], FRAME.iloc[1:4]])
            assert whole.counts[-1].delivered and list(whole.frame.columns) != list(FRAME.columns)
        except Exception as e:
            broken.append(f"{one!r}: {type(e).__name__} {str(e)[:200]}")
    assert not broken, "\n".join(broken)


def test_rows_that_arrive_twice_again_have_keys_of_their_own():
    "Else two rows get the same draws, and the record does not know which of them it means."
    twice = made("duplicate_events", severity=1.0) >> made("duplicate_events", severity=1.0)
    for then in ("typos", "near_duplicate_events", "mcar"):
        hit = corrupt((twice >> made(then)).fit(REFERENCE, promise()), FRAME, severity=1)
        assert same(hit.ledger.undo(hit.frame), FRAME)
    keys = hit.ledger.stages[1][0].after.keys
    assert len(set(keys)) == len(keys) == 4 * len(FRAME)


def test_a_composition_keeps_the_public_promises():
    for a, b in itertools.permutations(["typos", "mcar", "near_duplicate_events", "swapped_columns"], 2):
        one = made(a, *STAGES[a]) >> made(b, *STAGES[b])
        assert check_scenario(one, REFERENCE.iloc[:7], promise())["holds"].all()


def test_a_composition_is_its_stages_one_after_the_other_each_with_its_own_draws():
    a, b = KINDS["typos"]("t", severity=0.5, layout="en"), KINDS["upper_case"]("t", severity=0.5)
    hit = (a >> b).fit(SENTENCES).corrupt(SENTENCES, seed=4)
    first = a.fit(SENTENCES).corrupt(SENTENCES, seed=4)
    assert entries(first) == {e for e in entries(hit) if e[0] == 0}
    twice = entries((a >> a).fit(SENTENCES).corrupt(SENTENCES, seed=4))
    starts = [{(key, start) for i, _, key, start, _, _ in twice if i == stage} for stage in (0, 1)]
    assert starts[0] != starts[1]


def test_the_severity_of_a_composition_multiplies_those_of_its_stages():
    a, b, c = (KINDS[n]("t", severity=0.8) for n in ("char_swap", "upper_case", "white_space"))
    half = (a >> b).at(0.5)
    got = half.fit(SENTENCES).corrupt(SENTENCES)
    assert [x.asked for x in got.counts] == [int(np.floor(0.4 * x.eligible + 0.5)) for x in got.counts]
    assert [s.severity for s in (half >> c).stages] == [0.4, 0.4, 0.8]
    assert (half >> c).severity == 1
    assert [s.severity for s in ((a >> b) >> half).stages] == [0.8, 0.8, 0.4, 0.4]
    assert [s.severity for s in (a >> (b >> c).at(0.5)).stages] == [0.8, 0.4, 0.4]


def test_several_severities_are_bound_at_once_and_each_is_its_own():
    one = made("typos", "text") >> made("dropped_events") >> made("mcar", "price")
    fitted = one.fit(REFERENCE, promise())
    bound = fitted.bind([FRAME.iloc[:3], FRAME.iloc[3:]], severities=[0.4, 1.0])
    for s in (0.4, 1.0):
        got = pd.concat([bound.corrupt(p, s).frame for p in (FRAME.iloc[:3], FRAME.iloc[3:])])
        assert same(got, corrupt(fitted, FRAME, severity=s).frame)
