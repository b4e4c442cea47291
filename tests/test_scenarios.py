"""What every scenario promises, whichever kind it is, and the mistakes of other libraries that ours must not repeat."""

import hashlib
import itertools
import json
import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import (
    Composition,
    Scenario,
    check_scenario,
    kind_named,
    kinds,
    register,
    row_keys,
    scenario,
    suite,
)
from pilot_to_prod.scenarios import _engine as engine
from pilot_to_prod.scenarios._draws import Draws, key_hashes
from pilot_to_prod.spec import Spec

quick = settings(
    deadline=None, max_examples=25, derandomize=True, phases=(Phase.explicit, Phase.generate)
)  # for each kind; examples are small as drawn
KINDS = kinds()
NAMES = sorted(KINDS)
MORE = {"translated": {"translator": "test_scenarios:shout"}}  # parameters without which a kind cannot run
sys.modules.setdefault("test_scenarios", sys.modules[__name__])

YAML = """
name: mixed
task: binary
model: {loader: module, ref: "somewhere:predict"}
data:
  reference: replay.csv
  replay: replay.csv
  id: id
  label: label
  labels: [no, yes]
  positive: yes
  columns: {id: id, text: text, note: text, whole: number, part: number, price: amount, flag: category, sort: category, city: category, day: date}
  parallel: {path: parallel.csv, languages: [de], column: text}
"""
SENTENCES = [
    "I paid 1,200.50 for two flights and never received the refund",
    "Où est ma commande? Ich warte seit drei Tagen auf Größe 42,5",
    "Mój zwrot zaginął, the money is gone and the bank says no",
    "ขอบคุณมาก the price was 3.5 here",
    "café naïve façade déjà vu 10.000,00 again",
    "Привет, where is the price of my order from yesterday",
    "hello world, this was the best day of my life",
    "שלום my friend, the house is on fire 👍🏽",
    "",
    "x",
]
CITIES = ["Zürich", "Łódź", "Berlin", "São Paulo", "東京"]


def shout(texts: list[str], language: str) -> list[str]:
    "A translator that everybody understands."
    return [t.upper() + "!" for t in texts]


def mixed(rows: int = 30) -> pd.DataFrame:
    "One column of every type, with a missing cell in each that can have one."
    i = np.arange(rows)
    texts = [SENTENCES[k % len(SENTENCES)] + (f" no {k}" if k % 3 else "") for k in range(rows)]
    frame = pd.DataFrame(
        {
            "id": [f"r{k}" for k in range(rows)],
            "text": pd.Series(texts, dtype="str"),
            "note": pd.Series([None if k % 7 == 3 else SENTENCES[(k * 3) % len(SENTENCES)] for k in range(rows)], dtype=object),
            "whole": i * 137 % 4000 + 1,
            "part": np.where(i % 11 == 5, np.nan, i * 0.75 - 3.1),
            "price": i * 99.5 + 0.25,
            "flag": i % 3 == 0,
            "sort": pd.Categorical([None if k % 9 == 4 else "abc"[k % 3] for k in range(rows)], categories=list("abc")),
            "city": pd.Series([CITIES[k % len(CITIES)] for k in range(rows)], dtype="str"),
            "day": pd.Series(pd.date_range("2024-01-29", periods=rows, freq="D")).where(i % 8 != 2),
        }
    )
    frame.loc[4 % rows, "text"] = np.nan
    return frame


def spec_in(folder: Path) -> Spec:
    "A promise with a table of translations for every row that these tests use."
    (folder / "pilot.yaml").write_text(YAML, encoding="utf-8")
    rows = [f"r{k},de,Satz Nummer {k} auf Deutsch" for k in range(60)] + ["r0,fr,une phrase"]
    (folder / "parallel.csv").write_text("id,language,text\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return Spec.load(folder)


@pytest.fixture(scope="session")
def promise(tmp_path_factory):
    return spec_in(tmp_path_factory.mktemp("mixed"))


@pytest.fixture
def registry():
    "Kinds registered in a test are gone after it."
    kinds()
    before = dict(engine._KINDS)
    yield register
    engine._KINDS.clear()
    engine._KINDS.update(before)


def made(name: str, severity: float = 0.5, **more) -> Scenario:
    return KINDS[name](severity=severity, **(MORE.get(name, {}) | more))


def same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    return a.equals(b) and list(a.dtypes) == list(b.dtypes) and list(a.columns) == list(b.columns)


def entries(hit) -> set[tuple]:
    table = hit.ledger.table()
    return set(
        zip(
            table["stage"],
            table["column"],
            table["key"],
            table["start"],
            table["old"].map(repr),
            table["new"].map(repr),
            strict=True,
        )
    )


def texts(*values, dtype="str") -> pd.DataFrame:
    return pd.DataFrame({"t": pd.Series(values, dtype=dtype)})


def corrupted(kind: str, frame: pd.DataFrame, *columns: str, seed: int = 0, severity: float = 0.5, **params):
    return KINDS[kind](*columns, severity=severity, **params).fit(frame).corrupt(frame, seed=seed)


# any frame

any_text = st.one_of(
    st.none(),
    st.just(float("nan")),
    st.sampled_from(
        [
            "",
            "a",
            " ",
            "\x00",
            "👩‍👩‍👧 ok",
            "e\u0301te\u0301",
            "שלום world",
            "مرحبا",
            "a\x00b c",
            "the price was 1,200.50",
            "É",
            "ΑΣ",
            "ß",
        ]
    ),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
)
VALUES = {  # a column of every role and type: its values and its type
    "text": (any_text, "str"),
    "note": (any_text, object),
    "whole": (st.integers(-(10**6), 10**6), "int64"),
    "part": (st.one_of(st.floats(-1e9, 1e9), st.just(float("nan"))), "float64"),
    "price": (st.floats(0, 1e6), "float64"),
    "flag": (st.booleans(), "bool"),
    "sort": (st.sampled_from(["a", "b", None]), pd.CategoricalDtype(["a", "b"])),
    "city": (st.sampled_from([*CITIES, None]), "str"),
    "day": (st.one_of(st.none(), st.datetimes(pd.Timestamp("1990-01-01"), pd.Timestamp("2030-01-01"))), "datetime64[us]"),
}
ROLES = dict.fromkeys(VALUES, "category") | {
    "text": "text",
    "note": "text",
    "whole": "number",
    "part": "number",
    "price": "amount",
    "day": "date",
}
REFERENCE = mixed()


@st.composite
def cases(draw, names: tuple[str, ...], least: int = 0):
    "A scenario of each name on two columns that it is made for (one, where there is one), learnt elsewhere, and a small frame."
    roles = set.intersection(*(set(KINDS[n].roles) for n in names))
    fitting = [c for c, r in ROLES.items() if r in roles]
    columns = draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=2, unique=True))
    ids = draw(st.permutations([f"r{k}" for k in range(8)]))[: draw(st.integers(least, 6))]
    shown = {c: VALUES[c] for c in [*columns, "whole", "part"]}  # mar looks at a number beside its own
    frame = pd.DataFrame({"id": pd.Series(ids, dtype="str")})
    for c, (values, dtype) in shown.items():
        frame[c] = pd.Series(draw(st.lists(values, min_size=len(ids), max_size=len(ids))), dtype=dtype)
    return columns, frame


def learnt(names: tuple[str, ...], columns: list[str], severity: float, promise: Spec):
    stages = tuple(KINDS[n](*columns, severity=severity, **MORE.get(n, {})) for n in names)
    return (stages[0] if len(stages) == 1 else Composition(stages)).fit(REFERENCE, promise)


@pytest.mark.parametrize("name", NAMES)
@quick
@given(data=st.data(), seed=st.integers(0, 2**32), severity=st.floats(0, 1))
def test_the_asked_share_is_the_delivered_share(name, promise, data, seed, severity):
    columns, frame = data.draw(cases((name,)))
    fitted = learnt((name,), columns, 0.5, promise)
    assert fitted.corrupt(frame, seed=seed, severity=0).frame.equals(frame)
    hit = fitted.corrupt(frame, seed=seed, severity=severity)
    for c in hit.counts:
        assert c.asked == c.delivered == int(np.floor(severity * c.eligible + 0.5))
        assert c.eligible <= c.units
    if KINDS[name].unit != "column":
        assert hit.delivered == len(hit.ledger.table())
    weak, middle, strong = (entries(fitted.corrupt(frame, seed=seed, severity=s)) for s in (0.1, 0.2, 0.4))
    assert weak <= middle <= strong


@pytest.mark.parametrize("name", NAMES)
@quick
@given(data=st.data(), seed=st.integers(0, 100))
def test_batches_and_order_do_not_matter(name, promise, data, seed):
    columns, frame = data.draw(cases((name,), least=1))
    fitted = learnt((name,), columns, 0.5, promise)
    whole = fitted.corrupt(frame, seed=seed)
    order = data.draw(st.permutations(range(len(frame))))
    cuts = [0, *sorted(data.draw(st.sets(st.integers(1, len(frame) - 1), max_size=2)) if len(frame) > 1 else ()), len(frame)]
    shuffled = frame.iloc[order]
    parts = [shuffled.iloc[a:b] for a, b in itertools.pairwise(cuts)]
    bound = fitted.bind(parts, seed=seed)
    hits = [bound.corrupt(p) for p in parts]
    assert same(pd.concat([h.frame for h in hits]).loc[frame.index], whole.frame)
    assert {tuple(map(str, h.frame.dtypes)) for h in hits} == {tuple(map(str, whole.frame.dtypes))}
    assert np.concatenate([h.changed for h in hits])[np.argsort(order)].tolist() == whole.changed.tolist()
    assert set().union(*map(entries, hits)) == entries(whole)
    assert same(fitted.corrupt(shuffled, seed=seed).frame.loc[frame.index], whole.frame)


def missing_alike(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    "Where two frames hold the same value, or nothing both."
    return (a.astype(object) == b.astype(object)) | (a.isna() & b.isna())


@pytest.mark.parametrize("name", NAMES)
@quick
@given(data=st.data(), seed=st.integers(0, 100))
def test_the_ledger_undoes_and_the_caller_keeps_his_own(name, promise, data, seed):
    columns, frame = data.draw(cases((name,)))
    fitted = learnt((name,), columns, 0.5, promise)
    before, numbers, state = frame.copy(deep=True), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    hit = fitted.corrupt(frame, seed=seed)
    assert same(frame, before)
    assert random.getstate() == state and (np.random.get_state()[1] == numbers).all()  # noqa: NPY002
    assert same(hit.ledger.undo(hit.frame), frame)
    assert same(hit.ledger.undo(hit.frame.iloc[::-1]), frame.iloc[::-1])
    assert missing_alike(hit.ledger.replay(frame), hit.frame).all().all()
    assert hit.changed[~missing_alike(frame, hit.frame).all(axis=1).to_numpy(bool)].all()
    touched = set(hit.ledger.table()["column"])
    assert touched <= set(columns) and all(hit.frame[c].equals(frame[c]) for c in frame if c not in touched)


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_keeps_the_public_promises(name, promise):
    frame = mixed()
    assert check_scenario(made(name), frame, promise)["holds"].all()
    assert made(name).fit(frame, promise).corrupt(frame).delivered > 0


@pytest.mark.parametrize("name", NAMES)
def test_seeds_differ_and_repeat(name, promise):
    frame = mixed()
    fitted = made(name).fit(frame, promise)
    first = fitted.corrupt(frame, seed=1)
    assert same(first.frame, fitted.corrupt(frame, seed=1).frame)
    others = [entries(fitted.corrupt(frame, seed=s)) for s in range(2, 8)]
    assert any(o != entries(first) for o in others)


@pytest.mark.parametrize("name", NAMES)
@quick
@given(
    severity=st.floats(0, 1),
    expect=st.sampled_from(engine.EXPECTATIONS),
    columns=st.lists(st.sampled_from(["text", "a b", "'", "Größe"]), min_size=1, unique=True),
)
@example(severity=1 / 3, expect="survive", columns=["text"])
def test_a_scenario_travels_as_plain_values(name, severity, expect, columns):
    one = KINDS[name](*columns, severity=severity, expect=expect, **MORE.get(name, {}))
    for s in (one, made(name), one >> made(name) >> one, (one >> made(name)).at(severity)):
        assert scenario(**json.loads(json.dumps(s.to_json()))) == s


@pytest.mark.parametrize("name", NAMES)
def test_the_repr_is_the_constructor_call(name):
    one = KINDS[name]("text", "it's", severity=0.35, expect="abstain", **MORE.get(name, {}))
    for s in (one, made(name, 1), one >> made(name, 0), (one >> made(name, 0.25)).at(0.5)):
        assert eval(repr(s), dict(KINDS)) == s  # noqa: S307


@pytest.mark.parametrize("severity", [1 / 3, 0.1234567891, 1e-7], ids=repr)
def test_the_repr_keeps_every_digit_of_the_severity(severity):
    one = made("typos", severity)
    for s in (one, one >> one, (one >> one).at(severity)):
        assert eval(repr(s), dict(KINDS)) == s  # noqa: S307


def test_the_repr_of_a_kind_named_by_its_module_is_a_call(registry, monkeypatch):
    shouted = registry("own", unit="word", roles=("text",), expect="invariant", name="shouted")(
        lambda words, draws, place: [w + "!" for w in words]
    )
    monkeypatch.setattr(sys.modules["test_scenarios"], "shouted", shouted, raising=False)
    far = scenario("test_scenarios:shouted", columns=["t"], severity=0.5)
    assert eval(repr(far), {"scenario": scenario}) == far  # noqa: S307


def fingerprints(folder: Path) -> dict[str, str]:
    "What every kind and a composition make of one frame, as hashes."
    spec, frame, out = spec_in(folder), mixed(), {}
    chain = made("typos", 0.3) >> made("mcar", 0.2) >> made("homoglyphs", 0.4)
    for name, one in [*((n, made(n)) for n in NAMES), ("chain", chain)]:
        hit = one.fit(frame, spec).corrupt(frame, seed=9)
        said = repr(
            [hit.frame.astype(object).values.tolist(), list(map(str, hit.frame.dtypes)), sorted(map(repr, entries(hit)))]
        )
        out[name] = hashlib.sha256(said.encode("utf-8", "backslashreplace")).hexdigest()
    return out


def run_python(code: str, *args: str, seconds: int | None = None, **env: str) -> subprocess.CompletedProcess:
    "Another process, with a limit on its CPU time."

    def limit() -> None:
        if seconds is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))

    command = [sys.executable, "-c", code, str(Path(__file__).parent), *args]
    return subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONHASHSEED": "7"} | env, preexec_fn=limit, check=False
    )


def test_another_process_makes_the_same(tmp_path):
    code = """if True:
        import json, pathlib, sys
        sys.path.insert(0, sys.argv[1])
        import test_scenarios
        sys.stdout.write(json.dumps(test_scenarios.fingerprints(pathlib.Path(sys.argv[2]))))
    """
    other = run_python(code, str(tmp_path), PYTHONHASHSEED="12345")
    assert other.returncode == 0, other.stderr
    assert json.loads(other.stdout) == fingerprints(tmp_path)


# hostile text

WORDED = [n for n in NAMES if KINDS[n].unit == "word"]
HOSTILE = [
    None,
    float("nan"),
    "",
    "a",
    "\x00",
    "x\x00y é",
    "😀 👩‍👩‍👧‍👦 🇩🇪",
    "e\u0301 n\u0303o \u0301",
    "שלום עולם",
    "\u202ereversed\u202c",
    "   ",
    "\ufeffbom",
    "ﬁx ŉ ǆ",
]


@pytest.mark.parametrize("name", WORDED)
@pytest.mark.parametrize("dtype", ["str", object])
def test_hostile_text_survives(name, dtype):
    frame = pd.DataFrame({"t": pd.Series([*HOSTILE, "hello 1,200.50 Größe the price 漢字"], dtype=dtype)})
    hit = corrupted(name, frame, "t", severity=1.0, seed=3)
    assert hit.frame["t"].isna().tolist() == frame["t"].isna().tolist()
    assert all(isinstance(v, str) for v in hit.frame["t"].dropna())
    assert hit.delivered == hit.asked == hit.eligible > 0
    assert same(hit.ledger.undo(hit.frame), frame)
    hit.frame["t"].dropna().str.encode("utf-8")  # no lone surrogate is made


@pytest.mark.parametrize("name", WORDED)
def test_a_hundred_thousand_characters_survive(name):
    frame = texts("the price of 1,200.50 Größe " * 3_600, "a" * 100_000, "é" * 100_000, "hello")
    hit = corrupted(name, frame, "t", severity=0.3)
    assert hit.delivered == hit.asked > 0
    assert same(hit.ledger.undo(hit.frame), frame)


@pytest.mark.parametrize("word", ["'1' * 100_000", "'a' + '.' * 100_000 + 'a'"], ids=["digits", "dots"])
def test_no_single_word_of_a_hundred_thousand_characters_takes_minutes(word):
    "Every kind of word scenario together, import included, within 8 seconds of CPU time."
    code = f"""if True:
        import pandas as pd
        from pilot_to_prod.scenarios import kinds
        frame = pd.DataFrame({{"t": ["hello", {word}]}})
        for kind in kinds().values():
            if kind.unit == "word":
                kind("t", severity=1.0).fit(frame).corrupt(frame)
    """
    done = run_python(code, seconds=8)
    assert done.returncode == 0, done.stderr or f"stopped after 8 s (code {done.returncode})"


@pytest.mark.parametrize("name", WORDED)
def test_no_letter_of_any_script_breaks_a_kind(name):
    "Every assigned letter of the basic plane as a word of its own, among them those whose case changes their length."
    letters = [chr(c) for c in range(0x10000) if chr(c).isalpha()]
    hit = corrupted(name, texts(*letters), "t", severity=1.0)
    assert hit.delivered == hit.asked == hit.eligible


@pytest.mark.parametrize("layout", ["en", "de", "tr", "pl"])
def test_a_dotted_capital_i_does_not_break_typos(layout):
    frame = texts("İ", "İ 3", "İstanbul")
    hit = corrupted("typos", frame, "t", severity=1.0, layout=layout)
    assert hit.delivered == hit.asked == hit.eligible >= 1


# compositions

CHAIN = [
    ("typos", "upper_case"),
    ("mcar", "unit_error"),
    ("mnar", "mojibake", "mcar"),
    ("locale_decimals", "mcar"),
    ("no_diacritics", "typos", "white_space"),
]


@pytest.mark.parametrize("names", CHAIN, ids=" >> ".join)
@quick
@given(seed=st.integers(0, 50), data=st.data())
def test_compositions_keep_what_they_promise(names, promise, seed, data):
    columns, frame = data.draw(cases(names, least=1))
    fitted = learnt(names, columns, 0.6, promise)
    assert fitted.corrupt(frame, seed=seed, severity=0).frame.equals(frame)
    whole = fitted.corrupt(frame, seed=seed)
    assert same(whole.frame, fitted.corrupt(frame, seed=seed).frame)
    assert same(whole.ledger.undo(whole.frame), frame)
    for c in whole.counts:
        assert c.asked == c.delivered == int(np.floor(0.6 * c.eligible + 0.5))
    cut = data.draw(st.integers(1, len(frame)))
    parts = [p for p in (frame.iloc[:cut], frame.iloc[cut:]) if len(p)]
    bound = fitted.bind(parts, seed=seed)
    assert same(pd.concat([bound.corrupt(p).frame for p in parts]), whole.frame)


def test_a_composition_is_its_stages_one_after_the_other_each_with_its_own_draws():
    a, b = KINDS["typos"]("t", severity=0.5), KINDS["upper_case"]("t", severity=0.5)
    frame = texts(*SENTENCES)
    hit = (a >> b).fit(frame).corrupt(frame, seed=4)
    first = a.fit(frame).corrupt(frame, seed=4)
    assert entries(first) == {e for e in entries(hit) if e[0] == 0}
    twice = (a >> a).fit(frame).corrupt(frame, seed=4).ledger.table()
    starts = [set(zip(g["key"], g["start"], strict=True)) for _, g in twice.groupby("stage")]
    assert starts[0] != starts[1]


def test_the_severity_of_a_composition_multiplies_those_of_its_stages():
    a, b, c = (KINDS[n]("t", severity=0.8) for n in ("typos", "upper_case", "white_space"))
    half = (a >> b).at(0.5)
    frame = texts(*SENTENCES)
    got = half.fit(frame).corrupt(frame)
    assert [x.asked for x in got.counts] == [int(np.floor(0.4 * x.eligible + 0.5)) for x in got.counts]
    assert [s.severity for s in (half >> c).stages] == [0.4, 0.4, 0.8]
    assert (half >> c).severity == 1
    assert [s.severity for s in ((a >> b) >> half).stages] == [0.8, 0.8, 0.4, 0.4]


def test_a_weakened_composition_stays_weak_behind_a_scenario():
    a, b, c = (KINDS[n]("t", severity=0.8) for n in ("typos", "upper_case", "white_space"))
    assert [s.severity for s in (a >> (b >> c).at(0.5)).stages] == [0.8, 0.4, 0.4]


def test_any_two_of_the_table_kinds_compose(promise):
    "What one stage makes of a column, text where numbers stood, the next one takes."
    frame = mixed()
    cells = [n for n in NAMES if KINDS[n].unit == "cell" and "number" in KINDS[n].roles]
    broken = []
    for first in ("locale_decimals", "sentinel_nulls", "mcar", "unit_error"):
        for then in cells:
            chain = KINDS[first]("price", severity=0.5) >> KINDS[then]("price", severity=0.5)
            try:
                hit = chain.fit(frame, promise).corrupt(frame)
                assert same(hit.ledger.undo(hit.frame), frame)
            except Exception as e:
                broken.append(f"{chain!r}: {type(e).__name__} {e}")
    assert not broken, "\n".join(broken)


# types of columns


@pytest.mark.parametrize("name", ["mcar", "mnar", "mar", "sentinel_nulls", "whole_column"])
@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, 2, 3, 4]),
        pd.Series([1, 2, 3, 4], dtype="Int64"),
        pd.Series([1, 2, 3, 4], dtype="Int8"),
        pd.Series([1, 2, 3, 4], dtype="uint8"),
        pd.Series([1.5, 2, np.nan, 4], dtype="float32"),
        pd.Series([1.5, np.inf, -np.inf, 0.0]),
        pd.Series([True, False, True, False]),
        pd.Series([True, None, True, False], dtype="boolean"),
        pd.Series(["a", "b", None, "c"], dtype="str"),
        pd.Series(["a", "b", None, "c"], dtype="string"),
        pd.Series(["a", 1, None, 2.5], dtype=object),
        pd.Series(["a", "b", None, "c"], dtype="category"),
        pd.Series([1, 2, 1, 3], dtype="category"),
        pd.Series(pd.date_range("2024-01-01", periods=4)),
        pd.Series(pd.date_range("2024-01-01", periods=4)).astype("datetime64[ns]"),
        pd.Series(pd.date_range("2024-01-01", periods=4, tz="Europe/Berlin")),
    ],
    ids=lambda s: f"{s.dtype} {s.iloc[1]}",
)
def test_every_type_of_column_can_lose_its_values(name, values):
    frame = pd.DataFrame({"c": values, "other": [4.0, 3.0, 2.0, 1.0]})
    for severity in (0.5, 1.0):
        hit = corrupted(name, frame, "c", severity=severity)
        assert hit.delivered == hit.asked > 0
        assert same(hit.ledger.undo(hit.frame), frame)
    if name != "sentinel_nulls":
        assert hit.frame["c"].isna().all()
    else:
        assert hit.frame["c"].notna().sum() == values.notna().sum()


def test_a_lost_column_is_replayed_with_its_type():
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=3), "n": [1.0, 2.0, 3.0]})
    for name in ("mcar", "whole_column"):
        hit = corrupted(name, frame, "day", "n", severity=1.0)
        assert same(hit.ledger.replay(frame), hit.frame)


def test_whole_numbers_too_long_for_a_float_can_be_restored():
    frame = pd.DataFrame({"account": [2**60 + 1, 2**53 + 1, 5, 6]})
    hit = corrupted("mcar", frame, "account")
    assert same(hit.ledger.undo(hit.frame), frame)
    kept = hit.frame["account"].notna()
    assert [int(v) for v in hit.frame["account"][kept]] == frame["account"][kept].tolist()


@pytest.mark.parametrize("name", ["unit_error", "locale_decimals"])
@pytest.mark.parametrize(
    "values", [[1.5, np.inf, -np.inf, np.nan, 2.5], [1.5, 1e308, 5e-324, -1e308, 2.5]], ids=["infinite", "huge"]
)
def test_extreme_numbers_break_no_scenario(name, values):
    frame = pd.DataFrame({"n": values})
    hit = corrupted(name, frame, "n", severity=1.0)
    assert hit.delivered == hit.asked > 0
    assert same(hit.ledger.undo(hit.frame), frame)


@pytest.mark.parametrize("value", [10**17, 2**53 + 1], ids=["over the range", "over the precision"])
def test_whole_numbers_in_another_unit_are_exact_or_honest_floats(value):
    hit = corrupted("unit_error", pd.DataFrame({"n": [value, 7]}), "n", severity=1.0)
    got = hit.frame["n"].iloc[0]
    assert got == value * 1000 or (isinstance(got, float) and got == pytest.approx(value * 1000))


def test_a_nullable_whole_number_in_another_unit_may_get_a_fraction():
    hit = corrupted("unit_error", pd.DataFrame({"n": pd.array([1, 2, None], dtype="Int64")}), "n", severity=1.0, factor=0.25)
    assert hit.frame["n"].dropna().tolist() == [0.25, 0.5]


def test_a_cell_that_is_no_date_is_not_eligible_for_another_way_of_writing_dates():
    hit = corrupted("locale_dates", pd.DataFrame({"day": ["2024-01-31", "soon", None, "2024-02-01"]}), "day", severity=1.0)
    assert hit.frame["day"].tolist()[:2] == ["31.01.24", "soon"]
    assert hit.eligible == hit.delivered == 2


@pytest.mark.parametrize(
    "values",
    [pd.Categorical(["Zürich", "Bern", "Chur", "Genf"]), pd.array(["Zürich", "Bern", "Chur", None], dtype="string")],
    ids=["category", "string"],
)
def test_a_batch_without_a_hit_has_the_types_of_the_whole(values):
    frame = pd.DataFrame({"city": values})
    fitted = KINDS["mojibake"]("city", severity=1.0).fit(frame)
    whole, bound = fitted.corrupt(frame), fitted.bind([frame])
    parts = [bound.corrupt(frame.iloc[[i]]) for i in range(len(frame))]
    assert {str(p.frame["city"].dtype) for p in parts} == {str(whole.frame["city"].dtype)}
    assert [bool(p.changed[0]) for p in parts] == whole.changed.tolist()


def test_an_empty_frame_stays_empty(promise):
    nothing = mixed().iloc[:0]
    for name in NAMES:
        hit = made(name).fit(mixed(), promise).corrupt(nothing)
        assert hit.frame.shape == nothing.shape


# row keys


def numbered(index) -> pd.DataFrame:
    return pd.DataFrame({"n": np.arange(len(index)) + 0.5, "m": np.arange(len(index)) * 2.0}, index=index)


@pytest.mark.parametrize(
    "index",
    [
        [5, 3, 9, 1, 7, 8],
        list("fedcba"),
        [1.0, 2.5, 3.0, 4.0, 5.5, 6.0],
        pd.date_range("2024-01-01", periods=6, freq="12h"),
        ["a\x00b", "a", "a\x00c", "é", "", " "],
    ],
    ids=["whole", "text", "fractions", "times", "odd text"],
)
def test_a_row_has_its_key_and_its_corruption_whatever_the_batch(index):
    frame = numbered(index)
    assert [row_keys(frame.iloc[[i]])[0] for i in range(len(frame))] == row_keys(frame).tolist()
    fitted = KINDS["mcar"](severity=0.5).fit(frame)
    bound = fitted.bind([frame])
    assert pd.concat([bound.corrupt(frame.iloc[[i]]).frame for i in range(len(frame))]).equals(fitted.corrupt(frame).frame)


def test_whole_ids_are_the_same_key_as_number_and_as_text():
    assert (
        row_keys(numbered([1, 2])).tolist()
        == row_keys(numbered([1.0, 2.0])).tolist()
        == row_keys(numbered(["1", "2"])).tolist()
    )


@pytest.mark.parametrize("ids", [["r1", "r2", "r1"], ["r1", None, "r3"], [1, 2, 2], [1.0, np.nan, 3.0]])
def test_double_and_missing_ids_are_refused(ids, promise):
    frame = mixed().iloc[:3].assign(id=ids)
    fitted = made("typos").fit(mixed(), promise)
    says = "share their id" if pd.Series(ids).notna().all() else "row 1 has no id"
    for act in (lambda: fitted.corrupt(frame), lambda: fitted.bind([frame])):
        with pytest.raises(ValueError, match=says):
            act()


def test_an_id_in_two_batches_is_refused(promise):
    frame = mixed()
    with pytest.raises(ValueError, match="share their id"):
        made("typos").fit(frame, promise).bind([frame.iloc[:5], frame.iloc[4:9]])


def test_a_double_index_is_no_matter_where_ids_are_named(promise):
    frame = mixed(6)
    doubled = frame.set_axis([0, 0, 1, 1, 1, 2])
    for name in ("typos", "mcar", "locale_decimals", "whole_column"):
        fitted = made(name).fit(frame, promise)
        hit = fitted.corrupt(doubled)
        assert same(hit.frame.reset_index(drop=True), fitted.corrupt(frame).frame)
        assert same(hit.ledger.undo(hit.frame), doubled)


# weights


def test_high_values_go_missing_more_often_by_themselves():
    frame = pd.DataFrame({"n": np.random.default_rng(0).normal(size=4000)})
    gone = corrupted("mnar", frame, severity=0.2).frame["n"].isna()
    high = frame["n"] > frame["n"].median()
    assert gone.sum() == 800
    assert gone[high].mean() > 2 * gone[~high].mean() > 0
    even = corrupted("mnar", frame, severity=0.2, strength=0.0).frame["n"].isna()
    assert even[high].mean() == pytest.approx(even[~high].mean(), abs=0.04)
    low = corrupted("mnar", frame, severity=0.2, strength=-4.0).frame["n"].isna()
    assert low[~high].mean() > 2 * low[high].mean()


@pytest.mark.parametrize("dtype", ["str", object, "category", "datetime64[us]"])
def test_rare_values_go_missing_more_often_by_themselves(dtype):
    days = pd.date_range("2020-01-01", periods=500).strftime("%Y-%m-%d").tolist()
    values = pd.Series(["2024-01-01"] * 500 + days)
    frame = pd.DataFrame({"day": pd.to_datetime(values).astype(dtype) if dtype == "datetime64[us]" else values.astype(dtype)})
    gone = corrupted("mnar", frame, "day", severity=0.3).frame["day"].isna()
    assert gone.sum() == 300
    assert gone[500:].mean() > 2 * gone[:500].mean()


def test_cells_go_missing_by_another_column():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"n": rng.normal(size=4000), "age": rng.integers(18, 90, 4000), "noise": rng.normal(size=4000)})
    gone = corrupted("mar", frame, "n", severity=0.2, by="age").frame["n"].isna()
    assert gone.sum() == 800
    old, loud, high = (frame[c] > frame[c].median() for c in ("age", "noise", "n"))
    assert gone[old].mean() > 2 * gone[~old].mean()
    assert gone[loud].mean() == pytest.approx(gone[~loud].mean(), abs=0.05)
    assert gone[high].mean() == pytest.approx(gone[~high].mean(), abs=0.05)
    assert corrupted("mar", frame, "n", by="age").frame["age"].equals(frame["age"])


def test_mar_is_not_driven_by_the_row_number():
    frame = pd.DataFrame(
        {"id": np.arange(2000), "note": ["a", "b"] * 1000, "age": np.random.default_rng(2).integers(18, 90, 2000)}
    )
    gone = corrupted("mar", frame, "note", severity=0.2).frame["note"].isna()
    old = frame["age"] > frame["age"].median()
    assert gone[old].mean() > 2 * gone[~old].mean()


def test_mar_needs_a_column_that_is_there():
    with pytest.raises(ValueError, match="no column 'agee'"):
        corrupted("mar", pd.DataFrame({"n": [1.0, 2], "age": [3, 4]}), "n", by="agee")
    with pytest.raises(ValueError, match="needs a column besides"):
        corrupted("mar", pd.DataFrame({"n": [1.0, 2]}), "n")


def test_weights_of_a_kind_order_its_hits(registry):
    @registry("own", unit="cell", roles=("number",), expect="survive", weight=lambda values, place: values.to_numpy(float))
    def by_size(values, draws, place):
        return -values.to_numpy(float)

    frame = pd.DataFrame({"n": [0.0] * 20 + [1.0] * 20 + [1e9] * 20})
    hit = by_size("n", severity=0.5).fit(frame).corrupt(frame)
    assert hit.eligible == 40 and hit.delivered == 20  # a weight of 0 is never hit
    assert (hit.frame["n"][40:] < 0).all() and (hit.frame["n"][:40] >= 0).all()


def test_every_row_is_as_likely_as_any_other():
    frame = pd.DataFrame({"n": np.arange(40.0)})
    fitted = KINDS["mcar"](severity=0.25).fit(frame)
    times = sum(fitted.corrupt(frame, seed=s).frame["n"].isna().to_numpy().astype(int) for s in range(200))
    assert times.sum() == 2000
    assert times.min() > 50 - 5 * 6.2 and times.max() < 50 + 5 * 6.2  # five standard deviations of a binomial count


# whole columns, translations, and particular kinds


def test_whole_columns_are_lost_as_a_whole():
    frame = numbered(range(9)).assign(a=list("abcabcabc"), b=1)
    fitted = KINDS["whole_column"]("n", "m", "a", "b", severity=0.5).fit(frame)
    hit = fitted.corrupt(frame, seed=2)
    lost = hit.frame.isna().all()
    assert lost.sum() == hit.delivered == 2 and hit.eligible == hit.units == 4
    assert not hit.frame.loc[:, ~lost].isna().any().any()
    bound = fitted.bind([frame.iloc[:2], frame.iloc[2:]], seed=2)
    assert same(bound.corrupt(frame.iloc[2:]).frame, hit.frame.iloc[2:])


def test_a_column_that_is_empty_already_cannot_be_lost():
    frame = numbered(range(5)).assign(gone=np.nan)
    hit = corrupted("whole_column", frame, "n", "gone", severity=1.0)
    assert hit.eligible == hit.delivered == hit.ledger.table()["column"].nunique() == 1


def test_a_parallel_text_is_the_one_of_the_same_item(promise):
    frame = mixed(6)
    hit = KINDS["parallel_text"]("text", severity=1.0, language="de").fit(frame, promise).corrupt(frame)
    expected = [np.nan if pd.isna(t) else f"Satz Nummer {k} auf Deutsch" for k, t in enumerate(frame["text"])]
    assert hit.frame["text"].equals(pd.Series(expected, name="text", dtype="str"))
    french = KINDS["parallel_text"]("text", severity=1.0, language="fr").fit(frame, promise).corrupt(frame)
    assert french.eligible == french.delivered == 1  # only one item is translated
    with pytest.raises(ValueError, match="no row in language 'it'"):
        KINDS["parallel_text"]("text", language="it").fit(frame, promise)
    with pytest.raises(ValueError, match=r"needs data\.parallel"):
        KINDS["parallel_text"]("text").fit(frame)


def test_a_translation_that_was_never_written_leaves_the_text_alone(tmp_path):
    spec = spec_in(tmp_path)
    (tmp_path / "parallel.csv").write_text("id,language,text\nr0,de,Hallo\nr1,de,\n", encoding="utf-8")
    frame = mixed(6).iloc[:3]
    hit = KINDS["parallel_text"]("text", severity=1.0).fit(frame, spec).corrupt(frame)
    assert hit.frame["text"].tolist() == ["Hallo", *frame["text"].tolist()[1:]]
    assert hit.eligible == hit.delivered == 1


def test_translations_are_found_by_ids_that_were_read_as_fractions(tmp_path):
    "One item without an id makes pandas read the whole column as floats."
    spec = spec_in(tmp_path)
    (tmp_path / "parallel.csv").write_text("id,language,text\n1,de,Hallo\n,de,verloren\n2,de,Welt\n", encoding="utf-8")
    frame = mixed(6).iloc[:3].assign(id=[1, 2, 3])
    hit = KINDS["parallel_text"]("text", severity=1.0).fit(frame, spec).corrupt(frame)
    assert hit.frame["text"].tolist()[:2] == ["Hallo", "Welt"]


def test_a_translator_of_ones_own_is_called_with_the_texts_that_are_hit():
    frame = texts("good morning", None, "good night")
    hit = corrupted("translated", frame, "t", severity=1.0, translator="test_scenarios:shout")
    assert hit.frame["t"].tolist()[::2] == ["GOOD MORNING!", "GOOD NIGHT!"]
    with pytest.raises(ValueError, match="module:function"):
        corrupted("translated", frame, "t", severity=1.0)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("upper_case", "Größe 42 ok", "GRÖSSE 42 OK"),
        ("mojibake", "Größe café €", "GrÃ¶ÃŸe cafÃ© â‚¬"),
        ("no_diacritics", "Łódź naïve ok", "Lodz naive ok"),
        ("locale_numbers", "paid $1,200.50 or 3.5 not 7", "paid $1.200,50 or 3,5 not 7"),
    ],
)
def test_changes_by_hand(name, before, after):
    assert corrupted(name, texts(before), "t", severity=1.0).frame["t"].tolist() == [after]


def test_cells_by_hand():
    frame = pd.DataFrame({"n": [1234.5, 7.0, np.nan], "day": pd.to_datetime(["2024-12-31", None, "2025-01-02"])})
    assert corrupted("locale_decimals", frame, "n", severity=1.0).frame["n"].tolist()[:2] == ["1.234,5", 7.0]
    assert corrupted("locale_dates", frame, "day", severity=1.0).frame["day"].tolist()[0] == "31.12.24"
    assert corrupted("unit_error", frame, "n", severity=1.0).frame["n"].tolist()[:2] == [1234500.0, 7000.0]
    assert corrupted("sentinel_nulls", frame, "n", severity=1.0).frame["n"].tolist()[:2] == [-999.0, -999.0]
    assert corrupted("sentinel_nulls", frame, "day", severity=1.0).frame["day"].tolist()[0] == pd.Timestamp("9999-12-31")


def test_homoglyphs_look_the_same_and_are_not():
    hit = corrupted("homoglyphs", texts("apple 123 Pay"), "t", severity=1.0)
    assert hit.eligible == 2
    new = hit.frame["t"].iloc[0].split(" ")
    assert new[1] == "123"
    assert [sum(a != b for a, b in zip(x, y, strict=True)) for x, y in zip(new, ["apple", "123", "Pay"], strict=True)] == [
        1,
        0,
        1,
    ]
    assert not new[0].isascii()


# errors


def test_misspelt_names_are_answered_with_the_nearest():
    with pytest.raises(LookupError, match=r"no scenario is called 'typo'\. Did you mean typos"):
        scenario("typo")
    with pytest.raises(LookupError, match="Did you mean .*homoglyphs"):
        kind_named("homoglyph")
    with pytest.raises(ValueError, match=r"no parameter 'layuot'\. Did you mean 'layout'\? It takes: layout"):
        scenario("typos", layuot="de")
    with pytest.raises(ValueError, match="It takes none"):
        scenario("mcar", strength=2)
    with pytest.raises(ValueError, match=r"no column 'txt' in the data\. Did you mean 'text'\?"):
        scenario("typos", columns=["txt"]).fit(mixed())
    with pytest.raises(ValueError, match=r"no keyboard layout 'xx'; known: .*de, en"):
        corrupted("typos", texts("a b"), "t", layout="xx")
    with pytest.raises(ValueError, match=r"no lexicon for 'xx'; known: "):
        corrupted("code_switch", texts("a b"), "t", language="xx")
    with pytest.raises(ValueError, match="expect of 'typos' must be one of invariant"):
        scenario("typos", expect="perfect")


def test_a_suite_that_does_not_exist_is_answered_with_those_that_do(promise):
    with pytest.raises(LookupError, match="known: standard, spec, missing, messy, multilingual"):
        suite("standart", promise)


@pytest.mark.parametrize(
    ("severity", "hint"),
    [
        (3, r"Pass 0\.03 for 3%"),
        (30, r"Pass 0\.3 for 30%"),
        (-0.1, "got -0.1"),
        (float("nan"), "got nan"),
        (True, "got True"),
        ("0.1", "got '0.1'"),
    ],
)
def test_a_severity_outside_its_range_is_refused(severity, hint):
    frame = texts("hello world")
    fitted = KINDS["typos"]("t").fit(frame)
    acts = [
        lambda: scenario("typos", severity=severity),
        lambda: KINDS["typos"]("t").at(severity),
        lambda: (KINDS["typos"]("t") >> KINDS["typos"]("t")).at(severity),
        lambda: fitted.bind([frame], severities=[severity]),
    ]
    for act in acts:
        with pytest.raises(ValueError, match=hint):
            act()


@pytest.mark.parametrize("severity", [3, -0.5, float("nan")])
def test_a_severity_outside_its_range_is_refused_when_corrupting(severity):
    frame = texts("hello world")
    with pytest.raises(ValueError, match=r"must be a number in \[0, 1\]"):
        KINDS["typos"]("t").fit(frame).corrupt(frame, severity=severity)


def test_columns_are_a_list_not_a_text():
    with pytest.raises(ValueError, match=r"columns of 'typos' must be a list of names; got the text 'text'\. Pass \['text'\]"):
        scenario("typos", columns="text")


def test_a_scenario_without_a_column_to_work_on_says_so():
    with pytest.raises(ValueError, match="applies to date columns; the data has none"):
        scenario("locale_dates").fit(pd.DataFrame({"n": [1.0, 2.0]}))


def test_numbers_in_a_text_column_are_named_with_their_row():
    frame = pd.DataFrame({"t": ["fine", 7, "fine"]}, dtype=object)
    with pytest.raises(ValueError, match=r"column 't', row 1: text expected, got int 7"):
        corrupted("typos", frame, "t")


def test_a_bound_scenario_knows_its_severities():
    frame = texts("hello world", "good night")
    bound = KINDS["typos"]("t").fit(frame).bind([frame], severities=[0.5, 1.0])
    assert bound.corrupt(frame, 1.0).delivered == 4 and bound.corrupt(frame, 0.5).delivered == 2
    with pytest.raises(ValueError, match="several severities are bound"):
        bound.corrupt(frame)
    with pytest.raises(ValueError, match=r"severity 0\.2 was not bound"):
        bound.corrupt(frame, 0.2)


def test_a_composition_is_not_mixed_with_a_name():
    with pytest.raises(ValueError, match="stages and a severity only"):
        scenario("typos", stages=[{"name": "mcar"}])
    with pytest.raises(ValueError, match="needs a name, or stages"):
        scenario()
    with pytest.raises(ValueError, match="at least one"):
        scenario(stages=[])


# kinds of one's own


def test_a_kind_of_ones_own_keeps_the_promises_and_is_known_by_name(registry, monkeypatch):
    @registry(
        "own",
        unit="word",
        roles=("text",),
        expect="invariant",
        eligible=lambda words, place, mark: [mark not in w for w in words],
    )
    def tagged(words, draws, place, *, mark: str = "#"):
        "Words with a mark before or after them."
        return [mark + w if u < 0.5 else w + mark for w, u in zip(words, draws.uniform("side").tolist(), strict=True)]

    frame = texts(*SENTENCES)
    one = tagged("t", severity=0.3, mark="@")
    assert check_scenario(one, frame)["holds"].all()
    assert scenario("tagged", columns=["t"], severity=0.3, mark="@") == one
    assert check_scenario(one >> KINDS["typos"]("t"), frame)["holds"].all()
    assert tagged.doc == "Words with a mark before or after them." and kinds()["tagged"] is tagged
    monkeypatch.setattr(sys.modules["test_scenarios"], "marked", tagged, raising=False)
    far = scenario("test_scenarios:marked", columns=["t"], mark="@")
    assert far.fit(frame).corrupt(frame).delivered > 0
    monkeypatch.setattr(sys.modules["test_scenarios"], "unmarked", 7, raising=False)
    with pytest.raises(LookupError, match="decorate it with register"):
        scenario("test_scenarios:unmarked")


def words_kind(registry, change, **more):
    return registry("own", unit="word", roles=("text",), expect="invariant", name="broken", **more)(change)("t")


def cells_kind(registry, change, **more):
    return registry("own", unit="cell", roles=("number",), expect="invariant", name="broken", **more)(change)("n")


def test_a_kind_that_returns_its_word_unchanged_is_caught(registry):
    with pytest.raises(AssertionError, match="delivered = asked"):
        check_scenario(words_kind(registry, lambda words, draws, place: list(words)), texts(*SENTENCES))


def test_a_kind_that_returns_its_cells_unchanged_is_caught(registry):
    with pytest.raises(AssertionError, match="delivered = asked"):
        check_scenario(cells_kind(registry, lambda values, draws, place: values.to_numpy()), numbered(range(12)))


@pytest.mark.parametrize(
    "change",
    [lambda words, draws, place: ["x"] * (len(words) - 1), lambda words, draws, place: ["x"] * (len(words) + 1)],
    ids=["too few", "too many"],
)
def test_a_kind_that_returns_another_number_of_words_is_refused(registry, change):
    with pytest.raises(ValueError, match="a change must return one each"):
        check_scenario(words_kind(registry, change), texts(*SENTENCES))


def test_a_kind_that_returns_another_number_of_cells_is_refused(registry):
    with pytest.raises(ValueError, match="must return one each"):
        check_scenario(cells_kind(registry, lambda values, draws, place: [0] * (len(values) + 1)), numbered(range(12)))


def test_a_kind_that_looks_at_its_neighbours_is_caught(registry):
    with pytest.raises(AssertionError, match="batches do not matter"):
        check_scenario(
            words_kind(registry, lambda words, draws, place: [f"{w}{i}" for i, w in enumerate(words)]), texts(*SENTENCES)
        )


def test_a_kind_that_draws_from_the_global_generator_is_caught(registry):
    def restless(words, draws, place):
        return [w + str(n) for w, n in zip(words, np.random.randint(0, 10**9, len(words)), strict=True)]  # noqa: NPY002

    with pytest.raises(AssertionError, match="no global generator is used"):
        check_scenario(words_kind(registry, restless), texts(*SENTENCES))


def test_a_kind_that_writes_into_the_frame_of_the_caller_is_caught(registry):
    def greedy(values, draws, place):
        place.frame.iloc[0, 0] = -77.0
        return -values.to_numpy() - 1

    def careless(values, place):
        place.frame.loc[place.frame.index[0], "m"] = -77.0
        return np.ones(len(values), bool)

    with pytest.raises(AssertionError, match="the frame of the caller is untouched"):
        check_scenario(cells_kind(registry, greedy, eligible=careless), numbered(range(12)))


# what other libraries get wrong


def test_one_word_in_ten_is_one_word_in_ten():
    frame = texts(*[" ".join(f"word{chr(97 + k)}{chr(97 + i)}" for k in range(12)) for i in range(20)])
    hit = corrupted("typos", frame, "t", severity=0.1)
    assert hit.units == hit.eligible == 240
    assert hit.asked == hit.delivered == 24
    changed = sum(
        a != b for x, y in zip(frame["t"], hit.frame["t"], strict=True) for a, b in zip(x.split(" "), y.split(" "), strict=True)
    )
    assert changed == 24


@pytest.mark.parametrize("dtype", ["str", "string", object, "category"])
@pytest.mark.parametrize("name", ["typos", "upper_case", "homoglyphs", "white_space"])
def test_a_missing_text_stays_missing(name, dtype):
    frame = texts("hello world", None, "good night", dtype=dtype)
    hit = corrupted(name, frame, "t", severity=1.0)
    assert hit.frame["t"].isna().tolist() == [False, True, False]
    assert not any(
        "nan" in str(v).lower() or "<na>" in str(v).lower() or "none" in str(v).lower() for v in hit.frame["t"].dropna()
    )


@pytest.mark.parametrize("rows", [5, 100, 1000])
def test_a_fifth_of_the_cells_is_exactly_a_fifth(rows):
    frame = pd.DataFrame({"a": np.arange(rows) * 1.0, "b": [f"v{i}" for i in range(rows)]})
    for seed in range(5):
        assert corrupted("mcar", frame, "a", "b", severity=0.2, seed=seed).frame.isna().sum().tolist() == [rows // 5] * 2


def test_missing_cells_are_not_asked_for_again():
    frame = pd.DataFrame({"a": [np.nan] * 50 + list(range(50))})
    hit = corrupted("mcar", frame, severity=0.2)
    assert hit.eligible == 50 and hit.frame["a"].isna().sum() == 60


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_of_the_caller_is_not_overwritten(name, promise):
    frame = mixed()
    before, kept = frame.copy(deep=True), {c: frame[c].copy(deep=True) for c in frame}
    hit = made(name, 1.0).fit(frame, promise).corrupt(frame)
    assert not hit.frame.equals(before)
    assert same(frame, before)
    hit.frame.loc[hit.frame.index[0], ["text", "price"]] = ["over", -1.0]  # nor by writing into what comes back
    assert all(frame[c].equals(kept[c]) for c in frame)


def test_rows_are_not_all_hit_at_the_same_places():
    frame = texts(*["the quick brown fox jumps over the lazy dog again"] * 40)
    table = corrupted("typos", frame, "t", severity=0.2).ledger.table()
    places = table.groupby("key")["start"].agg(tuple)
    assert places.nunique() > 10
    assert table.groupby("start")["new"].nunique().max() > 3  # nor changed in the same way
    assert len(table["start"].unique()) == 10


def test_nothing_is_edited_at_severity_nought(promise):
    for name in NAMES:
        frame = mixed()
        hit = made(name, 0.0).fit(frame, promise).corrupt(frame)
        assert hit.frame.equals(frame) and hit.asked == hit.delivered == len(hit.ledger) == 0
        assert not hit.changed.any() and not hit.exercised


def test_typos_keep_white_space_signs_and_amounts():
    before = "Don't  pay\t$1,200.50\u00a0now,\n(please)!"
    for seed in range(20):
        after = corrupted("typos", texts(before), "t", severity=1.0, seed=seed).frame["t"].iloc[0]
        assert [c for c in after if c.isspace()] == [c for c in before if c.isspace()]
        assert after.split()[2] == "$1,200.50"
        assert after.split()[4][0] == "(" and after.split()[4][-2:] == ")!"
        assert after != before


def test_a_script_that_a_keyboard_cannot_type_is_reported():
    frame = texts("Привет мир", "как дела")
    hit = corrupted("typos", frame, "t", severity=1.0, layout="en")
    assert (hit.units, hit.eligible, hit.asked, hit.delivered, hit.exercised) == (4, 0, 0, 0, False)
    assert hit.frame.equals(frame)
    ours = corrupted("typos", frame, "t", severity=1.0, layout="uk")
    assert ours.delivered == 4 and ours.exercised


def test_too_few_eligible_units_exercise_nothing():
    frame = texts(*["plain words only here now"] * 20, "café")
    hit = corrupted("no_diacritics", frame, "t", severity=1.0)
    assert hit.delivered == 1 and not hit.exercised


def test_draws_are_pinned():
    "A change of hashing changes every corruption ever reported: it must not pass unseen."
    assert key_hashes(["a", "b"]).tolist() == [13950350942979735504, 12688059582079114975]
    hit = corrupted("typos", texts("the quick brown fox", "jumps over the lazy dog"), "t", severity=0.5, seed=7)
    assert hit.frame["t"].tolist() == ["thee quick brown fos", "jumps ove the lqzy do"]


def test_draws_depend_on_what_they_are_for_only():
    hashes = key_hashes([f"k{i}" for i in range(5000)])
    draws = Draws(hashes)
    u = draws.uniform("a")
    assert (
        u.min() > 0 and u.max() < 1 and u.mean() == pytest.approx(0.5, abs=0.02) and u.var() == pytest.approx(1 / 12, abs=0.005)
    )
    assert abs(np.corrcoef(u, draws.uniform("b"))[0, 1]) < 0.06
    assert (draws.uniform("a") == u).all() and (draws[np.arange(7, 9)].uniform("a") == u[7:9]).all()
    below = draws.below(7, "c")
    assert set(below.tolist()) == set(range(7)) and np.bincount(below).min() > 5000 / 7 * 0.8
    normal = draws.normal("d")
    assert normal.mean() == pytest.approx(0, abs=0.06) and normal.std() == pytest.approx(1, abs=0.04)
