"""Scenarios of one's own: found beside pilot.yaml, the same in every process, checked before they run."""

import json
import pickle
import pydoc
import subprocess
import sys
import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from conftest import text_rows
from hypothesis import given
from hypothesis import strategies as st
from mixed import KINDS, NAMES, promise
from pydantic import Field
from trying import quick

from pilot_to_prod.evidence import Cell, Evidence
from pilot_to_prod.gates import matching, section_of
from pilot_to_prod.scenarios import (
    FAMILIES,
    check_scenario,
    kind_named,
    kinds,
    register,
    scenario,
    suite,
)
from pilot_to_prod.scenarios import _kinds as registered
from pilot_to_prod.spec import Gate, Spec

MINE = """from pilot_to_prod.scenarios import register


@register("messy", unit="word", roles=["text"], expect="invariant", depth="quick")
def masked(words, draws, place, *, mask: str = "[NAME]"):
    "Words masked."
    return [mask + w for w in words]


@register("strange", unit="word", roles=["text"], expect="invariant", name="other")
def odd(words, draws, place):
    "Words doubled."
    return [w + w for w in words]


number = 7
"""
BOTH = ("mine.py:masked", "mine:masked")


@pytest.fixture(autouse=True)
def _nothing_stays():
    "What a test registers, loads or announces is gone after it."
    kinds()
    kept = {name: dict(getattr(registered, name)) for name in ("_KINDS", "_OWN", "_FILES", "_ANNOUNCED")}
    yield
    for name, before in kept.items():
        getattr(registered, name).clear()
        getattr(registered, name).update(before)


def gate(scenario: Any, name: str = "own", **more: Any) -> str:
    said = {"name": name, "metric": "accuracy", "at_least": 0.1, "scenario": scenario, **more}
    return f"  - {json.dumps(said)}\n"


@pytest.fixture
def beside(tiny):
    "A pilot with mine.py beside its pilot.yaml, and gates on some scenarios."

    def write(*named: Any, name: str = "tiny", source: str = MINE, more: str = "") -> Any:
        gates = "".join(gate(n, f"gate {i}") for i, n in enumerate(named))
        folder = tiny(name=name, more=f"{more}gates:\n{gates}" if gates else more)
        (folder / "mine.py").write_text(source, encoding="utf-8")
        return folder

    return write


def labels(found: Any) -> list[str]:
    return [s.label for s, _ in found]


# beside pilot.yaml


@pytest.mark.parametrize("name", BOTH)
def test_a_file_beside_the_promise_is_enough(beside, p2p, tmp_path, name):
    folder = beside(
        {"name": name, "mask": "X"},
        more=f"suite: [{{scenario: {{name: '{name}', mask: Y}}, severities: [0.5]}}]\n"
        f"behaviour: [{{says: the same, expect: keep, share: 0.5, scenario: '{name}'}}]\n",
    )
    assert p2p("check", folder)[0] == 0
    code, out, _ = p2p("scenarios", "--pilot", folder)
    assert code == 0 and all(f"{name}{of}" in out for of in ("(mask='X')", "(mask='Y')", " "))
    code, out, err = p2p("run", folder, "--dry-run", "--runs", tmp_path / "runs", "--seeds", "0", "--severities", "0.3")
    assert code == 0 and "Traceback" not in err
    spec = Spec.load(folder)
    assert {labels(suite(names, spec))[0] for names in ("spec", [name], [{"name": name}])} <= {f"{name}(mask='Y')", name}
    assert labels(suite("messy", spec, "quick"))[-2:] == [f"{name}(mask='X')", name]


@pytest.mark.parametrize("name", BOTH)
def test_a_name_travels_and_holds_no_path(beside, name):
    folder = beside(name)
    ((one, _),) = suite([{"name": name, "mask": "é", "columns": ["text"], "severity": 0.5}], Spec.load(folder))
    both = one >> scenario("typos", columns=["text"])
    for s in (one, both):
        assert scenario(**json.loads(json.dumps(s.to_json()))) == s == scenario(**s.to_json(), beside=folder)
        assert eval(repr(s), {"scenario": scenario, **KINDS}) == s  # noqa: S307
        assert pickle.loads(pickle.dumps(s)) == s  # noqa: S301
        assert str(folder) not in repr(s) + json.dumps(s.to_json())
    assert str(folder) not in one.stream and one.at(0.2).kind is one.kind
    assert check_scenario(one, text_rows(12), Spec.load(folder))["holds"].all()


def test_two_pilots_may_call_their_files_alike(beside):
    first = beside("mine.py:masked", name="one")
    second = beside("mine.py:masked", name="two", source=MINE.replace("mask + w", "w + mask"))
    for folder, after in ((first, "[NAME]word"), (second, "word[NAME]"), (first, "[NAME]word")):
        ((one, _),) = suite(["mine.py:masked"], Spec.load(folder))
        assert one.at(1).preview(["word"])["after"].tolist() == [after]


def test_a_changed_file_is_read_again(beside):
    folder = beside()
    scenario("mine.py:masked", beside=folder)
    (folder / "mine.py").write_text(MINE.replace("mask + w", "w + mask + '!'"), encoding="utf-8")
    assert scenario("mine.py:masked", beside=folder, severity=1).preview(["a"])["after"].tolist() == ["a[NAME]!"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("yours.py:masked", r"tiny/yours\.py: no such file \(scenario 'yours\.py:masked'\).*beside pilot\.yaml"),
        ("yours:masked", r"there is no .*tiny/yours\.py, and no module 'yours' can be imported"),
        ("mine.py:maskd", r"tiny/mine\.py: has no 'maskd'.*Did you mean 'masked'"),
        ("mine:number", r"mine\.py: 'number' is a int, not a scenario: decorate it with register"),
    ],
)
def test_a_name_that_leads_nowhere_says_where_it_was_looked_for(beside, p2p, name, says):
    folder = beside(name)
    with pytest.raises(LookupError, match=says):
        suite([name], Spec.load(folder))
    code, _, err = p2p("check", folder)
    assert code == 2 and "gate 'gate 0'" in err and "line " in err and "Traceback" not in err


def test_a_file_that_cannot_be_loaded_is_named_with_its_error(beside, p2p):
    folder = beside("mine.py:masked", source="import nothing_of_that_name\n")
    code, _, err = p2p("check", folder)
    assert (
        code == 2
        and f"{folder / 'mine.py'}: cannot be loaded" in err
        and "nothing_of_that_name" in err
        and "Traceback" not in err
    )


# the same in every process


def test_what_was_registered_or_loaded_before_changes_no_suite(beside):
    folder = beside("mine.py:masked")
    spec = Spec.load(folder)
    names = ("quick", "deep", "messy", "noise", "messy+noise")
    code = (
        "import json, sys; from pilot_to_prod.scenarios import suite; from pilot_to_prod.spec import Spec; spec = Spec.load(sys.argv[1]); "
        f"print(json.dumps([[s.label for s, _ in suite(n, spec)] for n in {names!r}]))"
    )
    fresh = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True, cwd=folder.parent
    )

    @register("noise", unit="word", roles=["text"], expect="invariant", depth="quick")
    def at_hand(words, draws, place):
        return [w + "?" for w in words]

    at_hand("text")
    scenario("mine:odd", beside=folder)
    found = [labels(suite(n, spec)) for n in names]
    assert found == json.loads(fresh.stdout)
    assert found[1].count("mine.py:masked") == 1 and "masked" not in found[1] and "at_hand" not in found[1]
    assert labels(suite(["at_hand", at_hand("text"), "typos"], spec)) == ["at_hand", "at_hand", "typos"]
    assert kinds()["at_hand"] is at_hand and not any(":" in n for n in kinds())
    with pytest.raises(LookupError, match="no scenario is called 'odd'"):
        scenario("odd")  # a file's kinds go by the file's name


def test_an_announced_kind_is_in_suites_once_and_by_the_name_of_its_entry(beside, monkeypatch):
    @register("noise", unit="word", roles=["text"], expect="invariant", name="of_package")
    def of_package(words, draws, place):
        "Words with a mark."
        return [w + "!" for w in words]

    entry = types.SimpleNamespace(name="announced", load=lambda: of_package)
    monkeypatch.setattr(registered, "entry_points", lambda group: [entry])
    found = labels(suite("noise", Spec.load(beside())))
    assert found.count("announced") == 1 and "of_package" not in found
    assert scenario("announced").kind.name == "announced"


def test_a_module_may_not_take_the_name_of_a_built_in_kind():
    with pytest.raises(ValueError, match=r"'typos' of .* is the name of a built-in scenario.*name="):
        register("noise", unit="word", roles=["text"], expect="invariant", name="typos")(lambda words, draws, place: words)
    assert kinds()["typos"] is KINDS["typos"]


def test_what_a_promise_names_is_in_the_suite_of_some_notebook(beside):
    from pilot_to_prod.runs.plan import STRESS

    folder = beside("mine.py:odd", {"stages": ["typos", {"name": "mcar", "severity": 0.5}]})
    for depth in ("quick", "standard", "deep"):
        every = [label for f in STRESS.values() for label in labels(suite("+".join(f), Spec.load(folder), depth))]
        assert every.count("mine.py:odd") == 1 and every.count("typos >> mcar") == 1


# compositions


COMPOSED = {"stages": [{"name": "typos", "severity": 0.5}, {"name": "mine:masked", "mask": "X"}]}


def test_a_promised_composition_is_replayed(beside):
    spec = Spec.load(beside(COMPOSED))
    for name in ("quick", "deep", "noise"):
        (one,) = [s for s, _ in suite(name, spec) if "stages" in s.to_json()]
        assert one.label == "typos >> mine:masked(mask='X')" and one.severity == 1 and one.stages[0].severity == 0.5
    assert not [s for s, _ in suite("messy", spec) if "stages" in s.to_json()]  # once over all notebooks


def evidence_of(*made: Any) -> Evidence:
    "Cells as replay writes them, and nothing else."
    said = [s.to_json() for s in made]
    cells = [
        Cell(s.label, s.name, s.family, 0.3, 0, s.expect, {k: v for k, v in j.items() if k != "severity"})
        for s, j in zip(made, said, strict=True)
    ]
    return types.SimpleNamespace(cells=tuple(cells))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("named", "about"),
    [
        ({"stages": [{"name": "typos"}, {"name": "mcar"}]}, [0, 1]),
        ({"stages": ["typos", "mcar"]}, [0, 1]),
        ({"stages": [{"name": "typos", "severity": 0.5}, {"name": "mcar"}]}, [0]),
        ({"stages": [{"name": "typos", "layout": "de"}, {"name": "mcar"}], "severity": 0.4}, [1]),
        ({"stages": [{"name": "mcar"}, {"name": "typos"}]}, []),
        ({"stages": [{"name": "typos"}]}, []),
        ({"name": "typos"}, [2, 3]),
        ({"name": "typos", "columns": ["text"]}, [3]),
        ({"name": "typos", "expect": "invariant"}, [2, 3]),
        ({"name": "typos", "layout": "de"}, []),
    ],
)
def test_gates_are_about_the_scenarios_and_compositions_that_they_name(named, about):
    first = scenario(stages=[{"name": "typos", "severity": 0.5}, {"name": "mcar"}])
    second = scenario(stages=[{"name": "typos", "layout": "de"}, {"name": "mcar"}])
    evidence = evidence_of(first, second, scenario("typos"), scenario("typos", columns=["text"]))
    evidence.cells = tuple(types.SimpleNamespace(**{**vars(c), "scenario": f"{i}"}) for i, c in enumerate(evidence.cells))
    part = Gate(name="g", metric="accuracy", at_least=0.5, scenario=named)
    assert [at for _, at in matching(evidence, part)] == [[i] for i in about]


def test_a_composition_stands_on_the_card_where_a_stage_does():
    named = {"stages": [{"name": "typos"}, {"name": "translated", "language": "de"}]}
    assert section_of(Gate(name="g", metric="accuracy", at_least=0.5, scenario=named)) == "languages and markets"
    assert section_of(Gate(name="g", metric="accuracy", at_least=0.5, scenario={"stages": ["typos"]})) == "robustness"


@pytest.mark.parametrize("named", [{"stages": 5}, {"stages": "typos"}, {"stages": [3]}, {"severity": 0.3}, {"name": 5}])
def test_what_is_no_scenario_is_told_with_its_place(beside, p2p, named):
    code, _, err = p2p("check", beside(named))
    assert code == 2 and "gates[0].scenario: gate 'gate 0'" in err and "Traceback" not in err


def test_check_accepts_a_composition(beside, p2p):
    code, out, err = p2p("check", beside(COMPOSED))
    assert code == 0 and "gate 0: " in out and "Traceback" not in err


# parameters


@register("own", unit="word", roles=["text"], expect="invariant", name="choosy")
def choosy(
    words,
    draws,
    place,
    *,
    width: Annotated[int, Field(ge=1)] = 3,
    share: float | None = None,
    sure: bool = False,
    columns_of: Annotated[Sequence[str], Field(min_length=1)] | None = None,
    how: Literal["before", "after"] = "after",
    pairs: dict[str, str] | None = None,
    pair: tuple[int, int] = (1, 2),
    anything: Any = None,
    free=True,
):
    return [w + "!" for w in words]


registered._KINDS.pop("choosy")


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"width": "3"}, r"choosy: width must be a whole number; got '3' \(a text\)\. Write width: 3\."),
        (
            {"width": -2},
            r"a whole number, and be greater than or equal to 1; got -2 .*for example width: 3, which is the default",
        ),
        ({"width": True}, "must be a whole number; got True"),
        ({"width": 2.0}, "Write width: 2"),
        ({"sure": "no"}, r"must be true or false; got 'no' \(a text\)\. Write sure: false"),
        ({"sure": 1}, "must be true or false; got 1"),
        ({"free": "yes"}, "must be true or false; got 'yes' .*Write free: true"),
        ({"share": "0.5"}, "must be a number or null; got '0.5' .*Write share: 0.5"),
        ({"columns_of": []}, r"at least 1 item.*got \[\]"),
        ({"columns_of": "text"}, r'a list of texts or null; got \'text\' .*Write columns_of: \["text"\]'),
        ({"how": "befor"}, 'must be one of "before", "after"; got .*Write how: "before"'),
        ({"pairs": ["a"]}, "must be a mapping or null"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_what_to_write(params, says):
    with pytest.raises(ValueError, match=says):
        scenario_of(params)


def scenario_of(params: dict[str, Any], **more: Any) -> Any:
    registered._KINDS["choosy"] = choosy
    return scenario("choosy", **params, **more)


@pytest.mark.parametrize(
    "params",
    [
        {"share": 1, "width": np.int64(4), "sure": np.bool_(True)},
        {"columns_of": ["a"], "pairs": {"a": "b"}, "pair": [3, 4]},
        {"columns_of": ("a",), "how": "before", "pair": (3, 4), "anything": object},
        {"share": None, "columns_of": None, "free": False},
    ],
)
def test_a_value_that_fits_is_taken_as_yaml_and_notebooks_carry_it(params):
    one = scenario_of(params)
    assert not any(isinstance(v, np.generic) for v in dict(one.params).values())


@quick
@given(st.dictionaries(st.sampled_from(["width", "sure", "share"]), st.text(max_size=5), min_size=1), st.text(max_size=3))
def test_all_that_is_wrong_is_said_at_once(params, severity):
    with pytest.raises(ValueError) as e:
        scenario_of(params, severity=severity, colums=["a"])
    for part in (
        *(f"choosy: {n} must be " for n in params),
        "severity of 'choosy'",
        "no parameter 'colums'. Did you mean 'columns_of'?",
    ):
        assert part in str(e.value)


def test_a_parameter_without_default_must_be_given():
    @register("own", unit="word", roles=["text"], expect="invariant")
    def needy(words, draws, place, *, mark: str):
        return [w + mark for w in words]

    with pytest.raises(ValueError, match="'needy' needs its parameter 'mark': a text"):
        needy("text")
    assert needy("text", mark="!").label == "needy(mark='!')"


@pytest.mark.parametrize("name", NAMES)
def test_every_built_in_default_and_variant_fits(name):
    kind = KINDS[name]
    assert kind.mistakes(kind.parameters) == []
    made = kind.variants(promise()) if kind.variants else []
    assert all(kind.mistakes(p) == [] for p in made if not isinstance(made, str))


WRONG = """suite:
  - typos
  - {scenario: {name: negation, language: zz}, severities: [0.2]}
gates:
  - {name: clean, metric: accuracy, at_least: 0.5}
  - {name: keys, metric: accuracy, at_least: 0.1, scenario: {name: typos, layout: qwertzz}}
  - {name: wide, metric: accuracy, at_least: 0.1, scenario: {name: fixed_width, width: "3", padded: "no"}}
  - {name: column, metric: accuracy, at_least: 0.1, scenario: {name: typos, columns: [txt]}}
behaviour:
  - {says: the same, expect: keep, share: 0.5, scenario: "mine.py:breaks"}
"""
BREAKS = """

@register("messy", unit="word", roles=["text"], expect="invariant")
def breaks(words, draws, place):
    return {}["nothing"]
"""


def test_check_tries_every_named_scenario_and_says_all_at_once(beside, p2p):
    folder = beside(more=WRONG, source=MINE + BREAKS)
    code, _, err = p2p("check", folder)
    assert code == 2 and "5 problems" in err and "Traceback" not in err
    lines = err.splitlines()[1:]
    for place, *parts in (
        ("suite[1].scenario: entry 2 of the suite", "zz"),
        ("gates[1].scenario: gate 'keys'", "no keyboard layout 'qwertzz'"),
        ("gates[2].scenario: gate 'wide'", "Write padded: false.", "Write width: 3."),
        ("gates[3].scenario: gate 'column'", "no column 'txt'"),
        ("behaviour[0].scenario: sentence 'the same'", "mine.py:breaks raised KeyError", "p2p scenarios mine.py:breaks"),
    ):
        (line,) = [x for x in lines if place in x]
        assert all(p in line for p in parts) and "line " in line
    assert lines == sorted(lines, key=lambda x: int(x.split("line ")[1].split(":")[0]))


# what is shown


def test_a_kind_documents_itself():
    for kind in KINDS.values():
        assert kind.__doc__ == kind.doc
    assert kind_named("typos").doc.splitlines()[0] in pydoc.plain(pydoc.render_doc(kind_named("typos")))


def test_scenarios_says_how_ones_own_is_named(beside, p2p, monkeypatch):
    folder = beside("mine:masked")
    code, out, _ = p2p("scenarios", "mine:masked", "--pilot", folder)
    assert code == 0 and "mine:masked " in out
    monkeypatch.chdir(folder)
    for name in BOTH:
        code, out, _ = p2p("scenarios", name)
        assert code == 0 and out.splitlines()[0] == name and f'scenario: {{name: "{name}", mask: "[NAME]"}}' in out
    said = json.loads(p2p("scenarios", "--pilot", folder, "--json")[1])
    assert "mine:masked" in {k["name"] for k in said["applies"]}
    assert set(FAMILIES) >= {k["family"] for k in said["applies"]}
