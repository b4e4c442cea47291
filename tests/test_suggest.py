"""Gates suggested from a first run: kept by fresh rows, and not judged on the rows they came from."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from test_card import evidence_of, promise

from pilot_to_prod.card.suggest import as_yaml, limit_for, rounded_limit, suggest
from pilot_to_prod.evidence.statistics import Rate
from pilot_to_prod.gates import Verdict, judge
from pilot_to_prod.spec import parse


def fresh_of(spec, seed: int, n: int = 4000, right: float = 0.95):
    "Evidence over other rows of the same world."
    made = evidence_of(spec, n=n, right=right)
    rng = np.random.default_rng(seed)
    clean = np.where(rng.random(n) < right, made.truth, 1 - made.truth).astype(np.int16)
    hurt = np.where(rng.random(n) < 0.02, 1 - clean, clean).astype(np.int16)
    score = np.full(n, round(right * 1_000_000), np.int32)
    about = made.pilot | {"data": f"{seed:064x}"[::-1]}
    return replace(made, pilot=about, clean=clean, answers=(hurt,), clean_score=score, scores=(score,))


def test_on_their_own_rows_they_are_undecided_and_say_why():
    spec = promise()
    found = fresh_of(spec, 1)
    gates = tuple(s.gate for s in suggest(spec, found) if s.gate)
    asked = spec.model_copy(update={"gates": gates, "behaviour": ()})
    judged = judge(asked, found)
    assert len(gates) >= 5
    for g in judged:
        assert g.verdict is Verdict.UNDECIDED and all("these very rows" in c.reason for c in g.cells), g


def test_fresh_rows_of_the_same_world_pass_nine_times_in_ten():
    "Each gate by itself, over 40 pairs of a first run and fresh rows; fixed seeds."
    spec, kept, tried = promise(), 0, 0
    for seed in range(40):
        gates = tuple(s.gate for s in suggest(spec, fresh_of(spec, 2 * seed + 10)) if s.gate and s.gate.metric != "latency_p95")
        asked = spec.model_copy(update={"gates": gates, "behaviour": ()})
        judged = judge(asked, fresh_of(spec, 2 * seed + 11))
        kept, tried = kept + sum(g.verdict is Verdict.PASSES for g in judged), tried + len(judged)
        assert not [g for g in judged if g.verdict is Verdict.FAILS]
    assert kept / tried >= 0.87, kept / tried


def test_as_yaml_reads_back_as_the_same_gates():
    spec = promise()
    found = suggest(spec, fresh_of(spec, 1234567890123456))
    read = YAML(typ="safe").load(as_yaml(found))["gates"]
    raw = spec.model_dump(mode="json", exclude_none=True) | {"gates": read}
    again, problems = parse(raw)
    assert not problems and again is not None
    assert [g.model_dump() for g in again.gates] == [s.gate.model_dump() for s in found if s.gate]


@settings(max_examples=60, deadline=None)
@given(st.integers(30, 5000), st.floats(0, 1), st.booleans())
def test_a_limit_is_easier_to_keep_than_what_was_found(n, share, up):
    found = Rate(round(n * share), n)
    limit = rounded_limit(limit_for(found, up), up)
    assert limit <= found.value if up else limit >= found.value


def test_what_cannot_be_judged_is_told_and_not_proposed():
    spec = promise()
    few = [s for s in suggest(spec, fresh_of(spec, 3, n=20)) if s.gate is None]
    assert few and all(s.why for s in few)
    assert all(line.startswith(("#", "gates:", "  - ")) for line in as_yaml(few).splitlines())


@pytest.mark.parametrize("name", ["\n- {name: x}", "a: b #", "<script>"])
def test_a_hostile_slice_cannot_leave_its_line(name):
    spec = promise()
    made = fresh_of(spec, 5)
    made = replace(made, slices={f"group={name}": np.ones(len(made), bool)})
    read = YAML(typ="safe").load(as_yaml(suggest(spec, made)))["gates"]
    assert all(
        set(g)
        <= {"name", "metric", "at_least", "at_most", "slice", "label", "confidence", "learnt_from", "family", "up_to", "of"}
        for g in read
    )
    assert any(g.get("slice") == f"group={name}" for g in read)
