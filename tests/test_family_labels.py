"""Wrong labels: exactly as many as asked for, each another class, and those that people get wrong."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from pilot_to_prod.scenarios import Draws, Place, Rows, kind_named, labels
from pilot_to_prod.scenarios._features import Nearness, given_pairs, spelt
from pilot_to_prod.spec import Column, Data, Model, Spec, canonical, guess_roles

quick = settings(deadline=None, max_examples=30, derandomize=True)
NAMES = ["annotator_labels", "class_pair_labels", "instance_hard_labels", "stale_labels", "uniform_labels"]


def promise(frame, label="topic", task=None, **data):
    "A spec over the columns of a frame, roles guessed."
    columns = {c: Column.model_validate(r) for c, r in guess_roles(frame, skip=[label]).items()}
    classes = tuple(sorted(map(canonical, frame[label].dropna().unique())))
    kind = task or ("binary" if len(classes) == 2 else "multiclass")
    held = Data(**({"reference": "memory", "replay": "memory", "label": label, "columns": columns, "labels": classes} | data))
    return Spec(name="tiny", task=kind, model=Model(loader="module", ref="memory:model"), data=held)


def fitted(name, frame, label="topic", spec=None, **params):
    return kind_named(name)(**params).fit(frame, spec or promise(frame, label))


def truth(frame, label="topic"):
    return pd.Series(spelt(frame[label]), index=frame.index)


def wrong(hit, frame, label="topic"):
    "Rows whose label is another one than the truth."
    return frame.index[(hit.labels.astype(object) != truth(frame, label)).to_numpy() & frame[label].notna().to_numpy()]


def rows(classes, each=4, seed=0):
    "Rows of some classes, told apart by two numbers, a category and a word; class 0 has one row only."
    rng = np.random.default_rng(seed)
    topic = np.repeat(np.arange(classes), each)[each - 1 :]
    return pd.DataFrame(
        {
            "size": topic + rng.normal(0, 0.4, len(topic)),
            "age": (topic * 7 % 5) + rng.normal(0, 1, len(topic)),
            "shop": np.array(list("abc"))[topic % 3],
            "text": [f"it says word{t % 40} and other{t // 3} here number {i}" for i, t in enumerate(topic)],
            "topic": [f"class {t:03d}" for t in topic],
        }
    )


@pytest.mark.parametrize("classes", [2, 3, 77, 150])
@pytest.mark.parametrize("name", NAMES)
def test_the_share_asked_for_is_wrong_whatever_the_number_of_classes(name, classes):
    frame = rows(classes, each=max(4, 240 // classes))
    fit = fitted(name, frame)
    before: set = set()
    for severity in (0.1, 0.2, 0.4, 1.0):
        hit = fit.corrupt(frame, severity=severity, seed=3)
        found = wrong(hit, frame)
        assert hit.eligible == len(frame)
        assert len(found) == hit.asked == hit.delivered == int(np.floor(severity * len(frame) + 0.5))
        assert set(hit.labels) <= set(frame["topic"])
        now = set(zip(found, hit.labels[found], strict=True))
        assert before <= now
        before = now


@pytest.mark.parametrize("name", NAMES)
def test_labels_of_any_type_are_canonical_and_missing_ones_stay(name):
    frame = pd.DataFrame({"x": np.arange(40.0), "topic": [0.0, 1.0, 2.0, np.nan] * 10})
    hit = fitted(name, frame).corrupt(frame, severity=1.0)
    assert hit.labels[frame["topic"].isna()].isna().all()
    assert set(hit.labels.dropna()) <= {"0", "1", "2"}
    assert len(wrong(hit, frame)) == hit.eligible == 30


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_one_class_cannot_be_wrong(name):
    frame = rows(2).assign(topic="only")
    assert fitted(name, frame, spec=promise(frame, task="multiclass")).corrupt(frame, severity=1.0).eligible == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_promise_about_a_number_is_left_out_with_a_reason(name):
    frame = pd.DataFrame({"x": np.arange(9.0), "y": np.arange(9.0) / 7})
    said = kind_named(name).variants(promise(frame, "y", task="regression", labels=()))
    assert isinstance(said, str) and "number" in said


@pytest.mark.parametrize("name", ["annotator_labels", "class_pair_labels", "instance_hard_labels", "stale_labels"])
def test_without_inputs_nothing_can_be_learnt_and_it_says_so(name):
    frame = pd.DataFrame({"key": [f"k{i}" for i in range(6)], "topic": list("ababab")})
    spec = promise(frame, columns={"key": Column(role="id")})
    with pytest.raises(ValueError, match="no input column to learn from"):
        fitted(name, frame, spec=spec)


@quick
@given(st.integers(2, 200), st.integers(0, 2**32 - 1))
def test_another_code_is_another_and_below(classes, seed):
    own = np.arange(300) % classes
    new = labels._anew(own, classes, Draws(np.random.default_rng(seed).integers(0, 2**63, 300).astype(np.uint64)))
    assert (new != own).all() and (new >= 0).all() and (new < classes).all()


def test_uniform_labels_are_uniform():
    frame = pd.DataFrame({"x": np.arange(6000), "topic": np.array(list("abcdef"))[np.arange(6000) % 6]})
    hit = fitted("uniform_labels", frame).corrupt(frame, severity=1.0)
    for _, got in hit.labels.groupby(frame["topic"]):
        assert len(got.value_counts()) == 5
        assert chisquare(got.value_counts()).pvalue > 1e-4


# pairs


def test_pairs_are_the_classes_that_are_alike():
    said = {
        "late": ["parcel not here yet", "parcel is late", "waiting for my parcel", "late parcel once more"],
        "lost": ["parcel lost", "my parcel is lost for good", "lost parcel again", "parcel never came lost"],
        "charged": ["card charged twice", "charged my card again", "why this charge on the card", "card charge wrong"],
        "declined": ["card declined", "the shop declined my card", "declined card again", "my card was declined"],
    }
    frame = pd.DataFrame([(t, c) for c, texts in said.items() for t in texts], columns=["text", "topic"])
    spec = promise(frame, columns={"text": Column(role="text")})
    hit = fitted("class_pair_labels", frame, spec=spec).corrupt(frame, severity=1.0)
    found = dict(zip(frame["topic"], hit.labels, strict=True))
    assert found == {"late": "lost", "lost": "late", "charged": "declined", "declined": "charged"}


def test_given_pairs_hit_only_the_classes_on_their_left():
    frame = rows(4, each=10)
    hit = fitted("class_pair_labels", frame, pairs={"class 001": "class 003"}).corrupt(frame, severity=0.5)
    assert hit.eligible == 10 and hit.delivered == 5
    assert set(hit.labels[wrong(hit, frame)]) == {"class 003"}


def test_one_class_may_become_several():
    frame = rows(4, each=40)
    hit = fitted("stale_labels", frame, old={"class 001": ["class 002", "class 003"]}).corrupt(frame, severity=1.0)
    counts = hit.labels[wrong(hit, frame)].value_counts()
    assert set(counts.index) == {"class 002", "class 003"} and counts.min() > 8


@pytest.mark.parametrize(("name", "parameter"), [("class_pair_labels", "pairs"), ("stale_labels", "old")])
def test_pairs_that_make_no_sense_are_refused_all_at_once(name, parameter):
    frame = rows(4)
    with pytest.raises(ValueError) as e:
        fitted(name, frame, **{parameter: {"class 01": "class 002", "class 003": "class 003", "class 002": []}})
    said = str(e.value)
    assert name in said and parameter in said
    assert "no class 'class 01'. Did you mean 'class 001'?" in said
    assert "'class 003' is paired with itself" in said and "'class 002' is paired with nothing" in said
    with pytest.raises(ValueError, match="it is empty"):
        fitted(name, frame, **{parameter: {}})


def test_pairs_may_name_classes_as_the_file_does():
    assert given_pairs({0: 1.0, True: ["a"]}, ["0", "1", "true", "a"], "pairs") == {"0": ("1",), "true": ("a",)}


# hard instances


def between(n=300):
    "Three classes along a line, without noise: the rows at 1/3 and 2/3 are hard."
    x = (np.arange(n) * 37 % n) / n
    return pd.DataFrame({"x": x, "topic": np.array(["low", "middle", "high"])[(x * 3).astype(int)]})


def test_rows_between_two_classes_are_wrong_first_and_take_the_other_one():
    frame = between()
    hit = fitted("instance_hard_labels", frame).corrupt(frame, severity=0.1)
    x = frame["x"][wrong(hit, frame)]
    edge = np.minimum((x - 1 / 3).abs(), (x - 2 / 3).abs())
    every = np.minimum((frame["x"] - 1 / 3).abs(), (frame["x"] - 2 / 3).abs())
    assert edge.mean() < every.mean() / 2
    full = fitted("instance_hard_labels", frame).corrupt(frame, severity=1.0).labels
    middle = frame["topic"] == "middle"
    assert (full[~middle] == "middle").all()
    assert (full[middle] == np.where(frame["x"][middle] < 0.5, "low", "high")).mean() > 0.9


def place_of(frame, learnt=None, confidence=None):
    rows = Rows(frame, confidence=confidence)
    return Place("topic", "label", learnt, rows, classes=tuple(sorted(frame["topic"].unique())), label="topic")


def test_confidence_of_the_pilot_decides_where_there_is_one():
    frame = between()
    unsure = frame.index[::10]
    sure = np.where(frame.index.isin(unsure), 0.1, 0.99)
    hit = fitted("instance_hard_labels", frame).corrupt(frame, severity=0.05, confidence=sure)
    assert len(wrong(hit, frame)) == 15 and wrong(hit, frame).isin(unsure).all()


def test_a_pilot_that_is_less_sure_has_greater_odds_and_an_unknown_confidence_has_none():
    frame, kind = between(), kind_named("instance_hard_labels")
    near = kind.learn(frame["topic"], place_of(frame), strength=8.0)
    odds = kind.weight(frame["topic"], place_of(frame, near, np.linspace(0.2, 1, 300)), strength=8.0)
    assert (np.diff(odds) < 0).all() and (odds > 0).all()
    none = kind.weight(frame["topic"], place_of(frame, near, np.full(300, np.nan)), strength=8.0)
    assert (none == 1).all()


# annotators


def crowd(n=2000):
    x = np.arange(n) * 37 % n
    return pd.DataFrame(
        {
            "who": pd.Series(np.array([f"person {i}" for i in range(20)])[np.arange(n) * 7 % 20], dtype="str"),
            "x": x,
            "topic": np.array([f"class {i}" for i in range(8)])[x * 8 // n],
        }
    )


@pytest.mark.parametrize("by", ["who", None])
def test_a_few_annotators_make_most_errors(by):
    frame = crowd()
    fit = fitted("annotator_labels", frame, by=by, annotators=20)
    hit = fit.corrupt(frame, severity=0.1)
    who = frame["who"]
    if by is None:
        who = labels._annotator_names(place_of(frame), None, 20)
    errors = (hit.labels.astype(object) != truth(frame)).groupby(who.to_numpy()).sum().sort_values(ascending=False)
    assert 0.7 < errors[:4].sum() / errors.sum() < 0.9
    careless = who.isin(errors.index[:4]).to_numpy()
    found = fit.corrupt(frame, severity=1.0).labels
    habits = found[careless].groupby([who.to_numpy()[careless], frame["topic"][careless]]).nunique()
    assert (habits == 1).all() and len(habits) > 20
    rest = found[~careless].groupby([who.to_numpy()[~careless], frame["topic"][~careless]]).nunique()
    assert rest.mean() > 3


def test_the_column_that_says_who_says_nothing_about_the_class():
    frame = crowd(200).drop(columns="x").assign(who=lambda f: f["topic"])
    with pytest.raises(ValueError, match="no input column"):
        fitted("annotator_labels", frame, by="who")


def test_rows_without_an_annotator_can_be_wrong_too():
    frame = crowd(400)
    frame.loc[frame.index[::3], "who"] = np.nan
    hit = fitted("annotator_labels", frame, by="who").corrupt(frame, severity=1.0)
    assert len(wrong(hit, frame)) == 400


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"by": "whom"}, "no column 'whom'"),
        ({"annotators": 1}, "annotators must be a whole number, at least 2; got 1"),
        ({"careless": 0}, "careless must be between 0 and 1, exclusive; got 0"),
        ({"errors": 1.0}, "errors must be between 0 and 1, exclusive; got 1.0"),
    ],
)
def test_annotators_that_cannot_be_are_refused(params, says):
    with pytest.raises(ValueError, match=says):
        fitted("annotator_labels", crowd(80), **params)


# stale


@pytest.mark.parametrize("kind", ["date", "text", "number"])
def test_the_oldest_rows_are_stale_first(kind):
    frame = between()
    day = pd.Series(pd.date_range("2020-01-01", periods=300, freq="D"))
    frame["when"] = {"date": day, "text": day.dt.strftime("%Y-%m-%d"), "number": day.dt.year + day.dt.day_of_year / 366}[kind]
    spec = promise(frame, time="when")
    old = wrong(fitted("stale_labels", frame, spec=spec).corrupt(frame, severity=0.2), frame)
    assert len(old) == 60 and np.mean(old < 90) > 0.95
    assert np.mean(wrong(fitted("stale_labels", frame).corrupt(frame, severity=0.2), frame) < 90) < 0.6


def test_rows_without_a_date_are_of_middle_age():
    frame = between().assign(when=pd.date_range("2020-01-01", periods=300).where(np.arange(300) % 2 == 0))
    old = wrong(fitted("stale_labels", frame, by="when").corrupt(frame, severity=0.2), frame)
    assert (frame["when"][old].notna()).mean() > 0.9


def test_a_time_column_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="stale_labels: no column 'wen'; by must be one of x, topic"):
        fitted("stale_labels", between(), by="wen")


# what is learnt


def test_what_is_learnt_of_a_row_does_not_depend_on_its_neighbours():
    frame = rows(30, each=6)
    frame.loc[frame.index[::5], ["size", "shop", "text"]] = np.nan
    near = Nearness.learn(place_of(frame), spelt(frame["topic"]))
    other, hard = near.runner_up(frame, frame["topic"])
    parts = [near.runner_up(frame.iloc[i : i + 7], frame["topic"].iloc[i : i + 7]) for i in range(0, len(frame), 7)]
    assert np.array_equal(np.concatenate([p[0] for p in parts]), other)
    assert np.array_equal(np.concatenate([p[1] for p in parts]), hard)
    assert (other != frame["topic"].to_numpy()).all() and (hard >= 0).all() and (hard <= 1).all()


def test_strange_inputs_are_no_obstacle():
    n = 40
    frame = pd.DataFrame(
        {
            "empty": pd.Series([None] * n, dtype=object),
            "endless": [np.inf, -np.inf, 1e300, np.nan] * 10,
            "mixed": pd.Series([1, "1", True, None] * 10, dtype=object),
            "said": pd.Series(["", "?!", "日本語の文", None] * 10, dtype=object),
            "topic": list("abcd") * 10,
        }
    )
    columns = {"empty": "number", "endless": "amount", "mixed": "category", "said": "text"}
    spec = promise(frame, columns={c: Column(role=r) for c, r in columns.items()})
    for name in NAMES:
        hit = fitted(name, frame, spec=spec).corrupt(frame, severity=1.0)
        assert len(wrong(hit, frame)) == n
