"""Pilots: the contract and who breaks it, loaders that open nothing unasked, and the shipped ones."""

import importlib.util
import pickle
import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from conftest import GATES, ROOT, text_rows
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from pilot_to_prod.pilot import Pilot, PilotError, begin_pilot, check_pilot, find_pilot, loader
from pilot_to_prod.spec import SpecError, file_hash

SHIPPED = ("credit", "feedback", "meters")


def late(texts: object) -> np.ndarray:
    return np.array(["late" if "parcel" in t else "broken" for t in texts], dtype=object)


def of(predict, **more) -> Pilot:
    "A pilot on the tiny texts, around one function from frame to answers."
    return Pilot.of(SimpleNamespace(predict=predict, **more), text_rows(), label="topic")


# ---- the contract


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_pilots_keep_the_contract(name):
    pilot = Pilot.load(ROOT / "pilots" / name)
    table = check_pilot(pilot, pilot.replay_set.head(25))
    assert table["holds"].all() and len(table) >= 8
    assert len(pilot.reference) >= 200 and pilot.has_proba


class Leans:
    "Answers by what the batch is like."

    def predict(self, texts):
        return ["late" if len(t) >= max(map(len, texts)) else "broken" for t in texts]


class Drifts:
    "Answers the other way round every second call."

    calls = 0

    def predict(self, texts):
        self.calls += 1
        return [("late", "broken")[(("parcel" in t) + self.calls // 10) % 2] for t in texts]


@pytest.mark.parametrize("model", [Leans(), Drifts()], ids=["leans-on-company", "drifts"])
def test_answer_that_depends_on_company_is_named(model):
    with pytest.raises(AssertionError, match="one row equals the batch"):
        check_pilot(Pilot.of(model, text_rows(), label="topic"), text_rows(20))


def test_model_that_writes_into_its_frame_does_not_reach_that_of_the_caller():
    def predict(frame):
        frame["text"] = "?"
        frame["more"] = 1
        return ["late"] * len(frame)

    frame = text_rows(20)
    assert check_pilot(Pilot.of(predict, text_rows(), label="topic"), frame)["holds"].all()
    assert frame.equals(text_rows(20))


def test_mutation_is_named_though_the_model_is_given_the_very_frame():
    class Bare:
        spec, labels = of(late).spec, ("broken", "late")

        def predict(self, frame):
            frame.loc[frame.index[0], "text"] = "?"
            return pd.Series("late", index=frame.index)

    with pytest.raises(AssertionError, match="the input is not mutated"):
        check_pilot(Bare(), text_rows(20))


def test_another_index_is_named():
    class Bare:
        spec, labels = of(late).spec, ("broken", "late")

        def predict(self, frame):
            return pd.Series(["late"] * len(frame), index=range(100, 100 + len(frame)))

    with pytest.raises(AssertionError, match="the index is kept"):
        check_pilot(Bare(), text_rows(20))


def test_answers_that_change_between_calls_are_named_unless_declared():
    class Twice:
        "Right while rows come one by one or in another order; the last call differs."

        spec, labels = of(late).spec, ("broken", "late")
        calls = 0

        def predict(self, frame):
            self.calls += 1
            if self.calls == 23:  # 1 batch, 20 single rows, 1 in another order, and again
                return pd.Series("late", index=frame.index)
            return pd.Series(late(frame["text"]), index=frame.index)

    with pytest.raises(AssertionError, match="model.deterministic: false"):
        check_pilot(Twice(), text_rows(20))
    declared = Twice()
    declared.spec = declared.spec.model_copy(update={"model": declared.spec.model.model_copy(update={"deterministic": False})})
    assert check_pilot(declared, text_rows(20))["holds"].all()


def test_probabilities_must_sum_to_one():
    pilot = of(late, predict_proba=lambda texts: np.full((len(texts), 2), 0.7), classes_=["broken", "late"])
    with pytest.raises(AssertionError, match="sum to one"):
        check_pilot(pilot, text_rows(20))


def test_foreign_class_is_named_with_the_nearest():
    with pytest.raises(PilotError, match=r"'lates'.*Did you mean 'late'"):
        of(lambda texts: ["lates"] * len(texts)).predict(text_rows(3))


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (lambda t: ["late"] * (len(t) + 1), "4 answers for 3 rows"),
        (lambda t: "late", "one answers for 3 rows|one a row"),
        (lambda t: pd.DataFrame({"a": ["late"] * len(t), "b": 1}), "a table of 2 columns"),
        (lambda t: [["late", "late"]] * len(t), "3x2"),
    ],
    ids=["longer", "one", "table", "pairs"],
)
def test_wrong_number_of_answers_is_named(answers, says):
    with pytest.raises(PilotError, match=says):
        of(answers).predict(text_rows(3))


# ---- what a model sees and says


def test_classes_are_spelt_as_in_the_promise():
    frame = pd.DataFrame({"x": np.arange(60.0), "y": [0, 1] * 30})
    pilot = Pilot.of(SimpleNamespace(predict=lambda f: (f["x"] % 2).to_numpy(), n_features_in_=1), frame, label="y")
    answers = pilot.predict(frame)
    assert pilot.labels == ("0", "1") and answers.tolist() == ["0", "1"] * 30  # 1.0 is the class 1
    assert answers.index.equals(frame.index)


@pytest.mark.parametrize("kind", [bool, np.bool_])
def test_truth_values_are_classes(kind):
    frame = pd.DataFrame({"x": np.arange(60.0), "y": [False, True] * 30})
    pilot = Pilot.of(SimpleNamespace(predict=lambda f: [kind(v % 2) for v in f["x"]], n_features_in_=1), frame, label="y")
    assert pilot.labels == ("false", "true")
    assert pilot.predict(frame).tolist() == ["false", "true"] * 30


def test_label_never_reaches_the_model():
    seen = []

    def predict(frame):
        seen.append(list(frame.columns))
        return ["late"] * len(frame)

    pilot = Pilot.of(predict, text_rows(), label="topic")
    pilot.predict(pilot.replay_set)
    assert seen == [["text"]]  # neither the label nor the id


def test_abstentions_are_na():
    def predict(texts):
        return [None if i == 0 else "late" for i, _ in enumerate(texts)]

    answers = of(predict).predict(text_rows(3))
    assert answers.isna().tolist() == [True, False, False] and answers.iloc[1] == "late"
    shy = of(lambda texts: [np.nan] * len(texts))
    assert shy.predict(text_rows(3)).isna().all()
    assert check_pilot(shy, text_rows(10))["holds"].all()


def test_frame_of_the_caller_stays_as_it_was():
    frame = text_rows()
    before = frame.copy(deep=True)
    pilot = Pilot.of(
        make_pipeline(CountVectorizer(), LogisticRegression()).fit(frame["text"], frame["topic"]), frame, label="topic"
    )
    pilot.predict(frame)
    pilot.predict_proba(frame)
    pd.testing.assert_frame_equal(frame, before)


# ---- three lines


def test_pipeline_on_text_in_three_lines():
    rows = text_rows(120)
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(rows["text"][:60], rows["topic"][:60])
    pilot = Pilot.of(model, rows[60:], label="topic")
    assert check_pilot(pilot, rows[60:80])["holds"].all()
    assert (pilot.predict(rows[60:]) == rows["topic"][60:]).mean() > 0.9
    assert pilot.predict_proba(rows[60:]).columns.tolist() == ["broken", "late"]
    assert pilot.spec.exploration and pilot.spec.roles["text"] == "text"


def test_pipeline_on_a_frame_in_three_lines():
    frame = pd.DataFrame({"a": np.arange(80.0), "b": np.arange(80.0)[::-1] ** 2, "y": ["lo"] * 40 + ["hi"] * 40, "note": "x"})
    model = LogisticRegression(max_iter=2000).fit(frame[["a", "b"]], frame["y"])
    pilot = Pilot.of(model, frame, label="y")
    assert check_pilot(pilot, frame.head(20))["holds"].all()
    assert pilot.spec.inputs == ["a", "b"] and pilot.labels == ("hi", "lo")


def test_regression_answers_are_numbers():
    frame = pd.DataFrame({"a": np.arange(80.0), "y": np.arange(80.0) * 3 + 0.5})
    pilot = Pilot.of(Ridge().fit(frame[["a"]], frame["y"]), frame, label="y")
    assert pilot.spec.task == "regression" and pilot.labels == () and not pilot.has_proba
    answers = pilot.predict(frame)
    assert answers.dtype == float and np.abs(answers - frame["y"]).max() < 1
    assert check_pilot(pilot, frame.head(20))["holds"].all()


def test_of_says_what_is_not_there():
    with pytest.raises(PilotError, match="Did you mean 'topic'"):
        Pilot.of(late, text_rows(), label="topics")
    frame = pd.DataFrame({"a": np.arange(40.0), "b": 1.0, "y": [0, 1] * 20})
    with pytest.raises(PilotError, match="lacks: b"):
        Pilot.of(LogisticRegression().fit(frame[["a", "b"]], frame["y"]), frame.drop(columns="b"), label="y")


# ---- loaders


class Bomb:
    "Writes a file when it is opened."

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("kind", ["pickle", "joblib"])
@pytest.mark.parametrize("pinned", ["", "0" * 64])
def test_unpinned_pickle_is_refused_and_not_opened(tiny, tmp_path, p2p, kind, pinned):
    target = tmp_path / "executed"
    (tmp_path / "model.bin").write_bytes(pickle.dumps(Bomb(target)))
    lines = f"  loader: {kind}\n  path: ../model.bin" + (f"\n  sha256: '{pinned}'" if pinned else "")
    folder = tiny(source=None, model=lines)
    with pytest.raises((SpecError, PilotError), match="pinned|pins"):
        Pilot.load(folder)
    code, _, err = p2p("check", folder)
    assert code in (2, 4) and "sha256" in err and "Traceback" not in err
    assert not target.exists()


def test_check_says_when_so_few_calls_are_timed_that_latency_cannot_be_judged(tiny, p2p, monkeypatch):
    gates = "gates:\n  - {name: fast, metric: latency_p95, at_most: 50}\n"
    folder = tiny(more=gates)
    assert "undecided" not in p2p("check", folder)[2]
    monkeypatch.setenv("P2P_LATENCY_RUNS", "20")
    code, out, err = p2p("check", folder)
    assert code == 0 and "keeps the contract" in out
    assert "would stay undecided: timed in 20 runs: 500 are the least ([latency] runs)." in err
    assert "undecided" not in p2p("check", tiny(name="untimed"))[2]


def test_bomb_goes_off_when_it_is_opened(tmp_path):
    "The test above would be worth nothing with a bomb that cannot go off."
    target = tmp_path / "executed"
    pickle.loads(pickle.dumps(Bomb(target)))  # noqa: S301
    assert target.exists()


def test_init_does_not_open_a_pickle_either(tmp_path):
    target = tmp_path / "executed"
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Bomb(target)))
    text_rows().to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(PilotError, match="--trust"):
        begin_pilot(tmp_path / "p", tmp_path / "rows.csv", "topic", str(tmp_path / "model.pkl"))
    assert not target.exists()


def test_pinned_joblib_is_opened(tiny, tmp_path):
    rows = text_rows(60, 2000)
    joblib.dump(make_pipeline(CountVectorizer(), LogisticRegression()).fit(rows["text"], rows["topic"]), tmp_path / "m.joblib")
    pilot = Pilot.load(
        tiny(source=None, model=f"  loader: joblib\n  path: ../m.joblib\n  sha256: {file_hash(str(tmp_path / 'm.joblib'))}")
    )
    assert check_pilot(pilot, pilot.replay_set.head(10))["holds"].all()
    assert pilot.hash == pilot.spec.model.sha256


def shout(texts):
    return [t.upper() for t in texts]


def test_skops_with_a_foreign_type_is_refused_by_name(tiny, tmp_path):
    rows = text_rows(60)
    model = make_pipeline(FunctionTransformer(shout), CountVectorizer(), LogisticRegression()).fit(rows["text"], rows["topic"])
    skops.io.dump(model, tmp_path / "m.skops")
    foreign = [t for t in skops.io.get_untrusted_types(file=tmp_path / "m.skops") if t.endswith(".shout")]
    folder = tiny(source=None, model="  loader: skops\n  path: ../m.skops")
    with pytest.raises(PilotError, match=re.escape(foreign[0])) as e:
        Pilot.load(folder)
    assert "model.trusted" in str(e.value)
    yaml = (folder / "pilot.yaml").read_text(encoding="utf-8")
    (folder / "pilot.yaml").write_text(yaml.replace("../m.skops", f"../m.skops\n  trusted: [{foreign[0]}]"), encoding="utf-8")
    assert Pilot.load(folder).predict(text_rows(4)).tolist() == ["broken", "late"] * 2


def test_module_that_is_not_there_says_so(tiny):
    with pytest.raises(PilotError, match=r"no such file \(model.ref"):
        Pilot.load(tiny(source=None))
    with pytest.raises(PilotError, match="Did you mean 'model'"):
        Pilot.load(tiny(model="  loader: module\n  ref: model.py:modle"))
    with pytest.raises(PilotError, match="importable"):
        Pilot.load(tiny(model="  loader: module\n  ref: no_such_module_here:model"))


def test_own_loader_may_be_registered():
    from pilot_to_prod.pilot import _LOADERS

    made = loader("of_the_test")(lambda spec: late)
    try:
        assert _LOADERS["of_the_test"] is made
    finally:
        del _LOADERS["of_the_test"]


def test_pilot_is_found_by_folder_and_by_name(tmp_path, monkeypatch):
    assert find_pilot(ROOT / "pilots" / "credit") == ROOT / "pilots" / "credit"
    monkeypatch.chdir(tmp_path)
    assert Pilot.load("feedback").spec.name == "feedback"  # from the package
    mine = tmp_path / "pilots" / "feedback"
    mine.mkdir(parents=True)
    (mine / "pilot.yaml").write_text("x", encoding="utf-8")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_pilot("feedback") == mine  # nearer
    with pytest.raises(SpecError, match=r"Did you mean 'feedback'.*\n?.*p2p init|p2p init"):
        find_pilot("feedbak")


# ---- the shipped ones


def trainer(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(f"train_{name}", ROOT / "pilots" / name / "train.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ("credit", "feedback"))  # meters has a test of its own
def test_training_again_gives_the_same_answers(name):
    pilot = Pilot.load(ROOT / "pilots" / name)
    again = Pilot(pilot.spec, trainer(name).train(pilot.reference), pilot.reference, pilot.replay_set)
    assert again.predict(pilot.replay_set).equals(pilot.predict(pilot.replay_set))
    gap = again.predict_proba(pilot.replay_set) - pilot.predict_proba(pilot.replay_set)
    assert np.abs(gap.to_numpy()).max() < 1e-6


@pytest.mark.parametrize("name", SHIPPED)
def test_replay_rows_are_new_to_the_model(name):
    pilot = Pilot.load(ROOT / "pilots" / name)
    assert not set(pilot.replay_set["id"]) & set(pilot.reference["id"])
    both = pd.concat([pilot.replay_set, pilot.reference])[pilot.spec.inputs]
    assert not both.duplicated().any()


def six_in_a_row(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[\w’']+", text.lower())
    return {tuple(words[i : i + 6]) for i in range(len(words) - 5)}


def test_no_replay_text_shares_six_words_in_a_row_with_a_training_text():
    pilot = Pilot.load(ROOT / "pilots" / "feedback")
    known = set().union(*map(six_in_a_row, pilot.reference["text"]))
    shared = {i: six_in_a_row(t) & known for i, t in zip(pilot.replay_set["id"], pilot.replay_set["text"], strict=True)}
    assert not {i: s for i, s in shared.items() if s}
    assert all(a != b for a, b in pairwise(sorted(pilot.replay_set["text"].str.casefold())))


def test_feedback_texts_are_complete():
    pilot = Pilot.load(ROOT / "pilots" / "feedback")
    train, replay = pilot.reference, pilot.replay_set
    assert train["topic"].value_counts().min() >= 40 and replay["topic"].value_counts().min() >= 25
    assert set(train["topic"]) == set(replay["topic"]) == set(pilot.labels) and len(pilot.labels) == 6
    assert set(replay["kind"]) == {"plain", "slang", "ambiguous", "two_topics"}
    two = replay[replay["kind"].isin(["two_topics"])]
    assert two["second_topic"].isin(pilot.labels).all() and (two["second_topic"] != two["topic"]).all()
    assert replay.loc[~replay["kind"].isin(["two_topics"]), "second_topic"].isna().all()
    assert replay["market"].notna().all()


def test_feedback_is_there_in_eight_languages():
    pilot = Pilot.load(ROOT / "pilots" / "feedback")
    table = pd.read_csv(pilot.spec.path(pilot.spec.data.parallel.path))
    languages = pilot.spec.data.parallel.languages
    assert len(languages) == 8 and set(table["language"]) == set(languages)
    assert not table.duplicated(["id", "language"]).any()
    for language, rows in table.groupby("language"):
        assert set(rows["id"]) == set(pilot.replay_set["id"]), language
        assert rows["text"].str.strip().str.len().min() > 5, language
        merged = rows.merge(pilot.replay_set, on="id", suffixes=("", "_en"))
        assert (merged["text"] != merged["text_en"]).all(), language
        assert not rows["text"].duplicated().any(), language
    scripts = {"ar": r"[\u0600-\u06ff]", "zh": r"[\u4e00-\u9fff]"}
    for language, script in scripts.items():
        assert table.loc[table["language"] == language, "text"].str.contains(script).all(), language


def test_gates_of_the_tiny_pilot_are_those_of_its_file(tiny):
    assert len(Pilot.load(tiny()).spec.gates) == GATES.count("name:")
