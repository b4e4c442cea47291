"A promised feed inside a replay: what time takes away, and what may be said without one."

import numpy as np
import pytest

from pilot_to_prod import Pilot, replay, scenario, suite
from pilot_to_prod.evidence import FAULT
from pilot_to_prod.gates import Verdict, judge
from pilot_to_prod.spec import Spec

DEPENDS = "dependencies:\n  - {name: mail, kind: technical, owner: IT, columns: [text]}\n"
GATE = "gates:\n  - {name: in time, metric: answered, at_least: 0.5, scenario: dependency_late, up_to: 0.2}\n"


def answered(folder, *scenarios, severities=(0.2,)):
    pilot = Pilot.load(folder)
    return replay(pilot, suite(list(scenarios), pilot.spec), severities, (0,), progress=False)


def late(delay: float = 5.0):
    return scenario("dependency_late", dependency="mail", delay=delay)


@pytest.mark.parametrize("feed", ["", "feed: {rate: 1, service_ms: 5}\n"], ids=["no feed", "no budget"])
def test_nothing_can_be_late_without_a_limit_and_no_gate_is_judged_by_it(tiny, feed):
    folder = tiny(more=DEPENDS + GATE + feed)
    evidence = answered(folder, late())
    (cell,) = evidence.cells
    assert "budget_ms" in cell.caveat and "dependency_late" in cell.caveat
    (judged,) = [j for j in judge(Spec.load(folder), evidence) if j.promise.name == "in time"]
    assert judged.verdict is Verdict.UNDECIDED and "feed" in judged.cells[0].reason


def test_what_waits_longer_than_the_budget_is_lost_and_named(tiny):
    folder = tiny(more=DEPENDS + GATE + "feed: {rate: 0.1, service_ms: 5, budget_ms: 3000}\n")
    evidence = answered(folder, late(delay=5.0), late(delay=1.0))
    lost = {dict(c.spec)["delay"]: int((a == FAULT).sum()) for c, a in zip(evidence.cells, evidence.answers, strict=True)}
    assert lost == {5.0: 13, 1.0: 0}  # floor(0.2 x 64 + 1/2) events wait five seconds of three, or one
    assert not any(c.caveat for c in evidence.cells)
    faults = evidence.faults
    assert len(faults) == 13 and set(faults["error"]) == {"Expired"} and faults["message"].str.contains("budget_ms 3000").all()


def test_the_fallback_answers_instead(tiny):
    folder = tiny(more=DEPENDS + "feed: {rate: 0.1, service_ms: 5, budget_ms: 3000, fallback: late}\n")
    evidence = answered(folder, late())
    hit = evidence.touched[0]
    assert hit.sum() == 13 and (evidence.answers[0][hit] == evidence.labels.index("late")).all()
    assert not len(evidence.faults) and (evidence.answers[0][~hit] == evidence.clean[~hit]).all()


def test_what_a_feed_loses_by_itself_is_no_scenarios_doing(tiny):
    "Calls of 3 seconds for an event each second: the queue grows, and its budget is soon gone."
    folder = tiny(more=DEPENDS + "feed: {rate: 1, arrivals: constant, service_ms: 3000, budget_ms: 9000}\n")
    evidence = answered(folder, late(), severities=(0.0, 0.2))
    assert (evidence.answers[0] == evidence.clean).all() and not evidence.touched[0].any()
    assert any("the promised feed itself answers" in n for n in evidence.notes)


def test_a_composition_goes_through_the_feed_with_the_delays_of_all_its_stages(tiny):
    folder = tiny(more=DEPENDS + "feed: {rate: 0.1, service_ms: 5, budget_ms: 3000}\n")
    twice = scenario("dependency_late", dependency="mail", delay=2.0, severity=1.0)
    evidence = answered(folder, twice, twice >> twice, severities=(1.0,))
    lost = {c.kind: int((a == FAULT).sum()) for c, a in zip(evidence.cells, evidence.answers, strict=True)}
    assert lost == {"dependency_late": 0, "dependency_late >> dependency_late": 64}
    assert np.isin(evidence.clean, (0, 1)).all()
