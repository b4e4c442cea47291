"""Other distributions: exactly as many rows left out as asked for, a truth that moves in one region, values never seen."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import kind_named, shift
from pilot_to_prod.scenarios._features import Ranks, moments, spelt
from pilot_to_prod.spec import Column, Data, Model, Slice, Spec, canonical, guess_roles

quick = settings(deadline=None, max_examples=60, derandomize=True)
LEAVING = ["covariate_shift", "prior_shift", "seasonal_shift", "subpopulation_shift"]


def promise(frame, label="topic", task=None, slices=(), protected=(), roles=None, **data):
    "A spec over the columns of a frame, roles guessed."
    found = guess_roles(frame, skip=[label]) | (roles or {})
    classes = tuple(sorted(map(canonical, frame[label].dropna().unique()))) if task != "regression" else ()
    kind = task or ("binary" if len(classes) == 2 else "multiclass")
    columns = {c: Column.model_validate(r) for c, r in found.items()}
    held = Data(**({"reference": "m", "replay": "m", "label": label, "columns": columns, "labels": classes} | data))
    return Spec(name="tiny", task=kind, model=Model(loader="module", ref="m:m"), data=held, slices=slices, protected=protected)


def fitted(name, frame, spec=None, **params):
    return kind_named(name)(**params).fit(frame, spec or promise(frame))


def mixed(classes=3, each=40, seed=0):
    n, rng = classes * each, np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "text": [("long " * (i % 9 + 1)) + f"message number {i}" for i in range(n)],
            "shop": np.array(["north", "south", "south", "south", "west", "west"])[np.arange(n) % 6],
            "day": pd.Series(pd.date_range("2025-03-01", periods=n, freq="61h")),
            "topic": [f"class {i % classes:03d}" for i in range(n)],
        }
    )


# rows that are left out


@pytest.mark.parametrize("classes", [2, 3, 77, 150])
@pytest.mark.parametrize("name", LEAVING)
def test_exactly_the_share_asked_for_is_left_out_and_nothing_else_happens(name, classes):
    frame = mixed(classes, each=max(3, 300 // classes))
    fit, before = fitted(name, frame), set()
    for severity in (0.0, 0.1, 0.3, 0.5, 0.8, 1.0):
        hit = fit.corrupt(frame, severity=severity, seed=5)
        gone = set(frame.index[~hit.arrived])
        assert len(gone) == hit.asked == hit.delivered == int(np.floor(severity * hit.eligible + 0.5))
        assert before <= gone
        assert hit.frame.equals(frame.loc[frame.index[hit.arrived]])
        before = gone


@pytest.mark.parametrize("name", LEAVING)
def test_suites_do_not_ask_for_all_rows_to_be_left_out(name):
    assert max(kind_named(name).severities) < 1


def shares(frame, column="topic"):
    return frame[column].value_counts(normalize=True)


def test_the_class_that_is_named_becomes_more_frequent_and_none_of_its_rows_goes():
    frame = mixed(3, each=50)
    frame.loc[frame.index[:6], "topic"] = None
    hit = fitted("prior_shift", frame, toward="class 001").corrupt(frame, severity=0.5)
    assert hit.eligible == int(frame["topic"].isin(["class 000", "class 002"]).sum())
    assert (hit.frame["topic"] == "class 001").sum() == (frame["topic"] == "class 001").sum()
    assert hit.frame["topic"].isna().sum() == 6
    assert shares(hit.frame)["class 001"] > shares(frame)["class 001"]
    several = fitted("prior_shift", frame, toward=["class 001", "class 002"]).corrupt(frame, severity=1.0)
    assert set(several.frame["topic"].dropna()) == {"class 001", "class 002"}


def test_unnamed_it_is_the_positive_class_else_the_rarer_half():
    frame = pd.DataFrame({"x": range(100), "topic": ["yes"] * 70 + ["no"] * 30})
    spec = promise(frame, positive="yes")
    assert set(fitted("prior_shift", frame, spec).corrupt(frame, severity=1.0).frame["topic"]) == {"yes"}
    assert set(fitted("prior_shift", frame).corrupt(frame, severity=1.0).frame["topic"]) == {"no"}
    many = pd.DataFrame({"x": range(60), "topic": ["a"] * 30 + ["b"] * 15 + ["c"] * 9 + ["d"] * 4 + ["e"] * 2})
    assert set(fitted("prior_shift", many).corrupt(many, severity=1.0).frame["topic"]) == {"d", "e"}


def test_classes_are_canonical():
    frame = pd.DataFrame({"x": range(40), "topic": [0.0, 1.0, 1.0, np.nan] * 10})
    left = fitted("prior_shift", frame, toward=0).corrupt(frame, severity=1.0).frame["topic"]
    assert (left == 0).sum() == 10 and (left == 1).sum() == 0 and left.isna().sum() == 10


def test_a_suite_tries_every_class_of_a_few():
    made = kind_named("prior_shift").variants
    assert made(promise(mixed(3))) == [{"toward": f"class 00{i}"} for i in range(3)]
    assert made(promise(mixed(77))) == [{}]
    assert made(promise(mixed(3), labels=())) == [{}]
    assert "number" in made(promise(mixed(3).assign(topic=1.5), task="regression"))


def test_classes_that_are_not_there_are_refused():
    frame = mixed(3)
    with pytest.raises(ValueError, match="toward: no class 'class 01'. Did you mean 'class 001'"):
        fitted("prior_shift", frame, toward="class 01")
    with pytest.raises(ValueError, match="it is empty"):
        fitted("prior_shift", frame, toward=[])
    with pytest.raises(ValueError, match="label column is not known"):
        kind_named("prior_shift")().fit(frame)


def test_classes_and_groups_that_only_the_promise_names_may_stand_in_the_replay_rows():
    frame = mixed(3)
    south = Slice(name="east", column="shop", equals="east")
    spec = promise(frame, labels=("class 000", "class 001", "class 002", "class 003"), slices=(south,))
    later = frame.assign(topic=frame["topic"].replace("class 002", "class 003"), shop=frame["shop"].replace("west", "east"))
    left = fitted("prior_shift", frame, spec, toward="class 003").corrupt(later, severity=1.0).frame
    assert set(left["topic"]) == {"class 003"}
    left = fitted("subpopulation_shift", frame, spec, by="shop", value="east").corrupt(later, severity=1.0).frame
    assert set(left["shop"]) == {"east"}


@pytest.fixture
def apart(tmp_path):
    "Reference rows without market, day and note, which only the replay rows have; and the promise."
    replay = mixed(3, each=20).assign(
        market=["DE", "FR", "FR"] * 20, note="see the terms", when=lambda f: f["day"].dt.strftime("%Y-%m-%d")
    )
    replay.to_csv(tmp_path / "replay.csv", index=False)
    spec = promise(replay.drop(columns="when"), replay="replay.csv", time="when", roles={"market": "market", "note": "text"})
    return replay[["size", "text", "topic"]], replay, spec.model_copy(update={"folder": tmp_path})


def test_columns_that_only_the_replay_rows_have_are_read_from_them(apart):
    reference, replay, spec = apart
    left = fitted("subpopulation_shift", reference, spec).corrupt(replay, severity=1.0).frame
    assert set(left["market"]) == {"DE"}
    left = fitted("seasonal_shift", reference, spec, value=4).corrupt(replay, severity=1.0).frame
    assert set(left["day"].dt.month) == {4}
    hit = fitted("concept_shift", reference, spec, by="market", value="FR").corrupt(replay, severity=1.0)
    assert set(replay["market"][moved(hit, replay)]) == {"FR"}
    with pytest.raises(ValueError, match="'note' is not in the reference rows.*pass term="):
        fitted("concept_shift", reference, spec, by="note")
    with pytest.raises(ValueError, match="no column 'marke'"):
        fitted("subpopulation_shift", reference, spec, by="marke")


def test_without_a_promise_the_label_is_the_column_that_is_named():
    frame = mixed(3)
    hit = kind_named("prior_shift")("topic", toward="class 002").fit(frame).corrupt(frame, severity=1.0)
    assert set(hit.frame["topic"]) == {"class 002"}


@pytest.mark.parametrize(
    ("by", "measure"),
    [
        ("size", lambda f: f["size"].mean()),
        ("text", lambda f: f["text"].str.len().mean()),
        ("day", lambda f: f["day"].astype("int64").mean()),
        ("shop", lambda f: (f["shop"] == "north").mean()),
    ],
)
def test_high_values_stay_and_with_a_negative_strength_low_ones(by, measure):
    frame = mixed(3, each=200)
    for strength, sign in ((4.0, 1), (-4.0, -1)):
        fit = fitted("covariate_shift", frame, by=by, strength=strength)
        moved = [sign * measure(fit.corrupt(frame, severity=s).frame) for s in (0, 0.3, 0.5, 0.8)]
        assert moved == sorted(moved) and moved[0] < moved[-1]


def test_no_strength_is_no_shift_of_a_mean_and_the_greatest_is_finite():
    frame = mixed(3, each=400)
    none = fitted("covariate_shift", frame, by="size", strength=0.0).corrupt(frame, severity=0.5).frame["size"]
    assert abs(none.mean() - frame["size"].mean()) < 0.1
    whole = fitted("covariate_shift", frame, by="size", strength=1e9).corrupt(frame, severity=0.5)
    assert whole.eligible == len(frame) and whole.frame["size"].min() > frame["size"].quantile(0.4)


def test_the_first_number_decides_else_the_first_amount_or_text():
    frame = mixed(3)
    made = shift._learn_rank
    assert kind_named("covariate_shift").learn is made
    assert fitted("covariate_shift", frame).stages[0].learnt["*"][0] == "size"
    assert fitted("covariate_shift", frame.drop(columns="size")).stages[0].learnt["*"][0] == "text"
    only = kind_named("covariate_shift")("day").fit(frame, promise(frame))
    assert only.stages[0].learnt["*"][0] == "day"


def test_a_suite_shifts_every_ordered_input_both_ways():
    made = kind_named("covariate_shift").variants(promise(mixed()))
    assert made == [{"by": c, "strength": s} for c in ("size", "text") for s in (4.0, -4.0)]
    plain = mixed()[["shop", "topic"]]
    assert "number" in kind_named("covariate_shift").variants(promise(plain))


def test_missing_values_are_left_out_at_middling_odds():
    ranks = Ranks.learn(pd.Series([1.0, 2, 3, np.nan]), "number")
    assert ranks.of(pd.Series([np.nan, 0, 2, 9])).tolist() == [0.5, 0.0, 0.5, 1.0]


def test_one_group_stays():
    frame = mixed(3)
    hit = fitted("subpopulation_shift", frame, by="shop", value="west").corrupt(frame, severity=1.0)
    assert set(hit.frame["shop"]) == {"west"} and hit.eligible == (frame["shop"] != "west").sum()
    several = fitted("subpopulation_shift", frame, by="shop", value=["west", "north"]).corrupt(frame, severity=1.0)
    assert set(several.frame["shop"]) == {"west", "north"}


def test_unnamed_it_is_the_rarest_group_with_half_of_its_fair_share():
    frame = pd.DataFrame({"shop": ["a"] * 60 + ["b"] * 30 + ["c"] * 10, "x": range(100), "topic": ["yes", "no"] * 50})
    assert set(fitted("subpopulation_shift", frame, by="shop").corrupt(frame, severity=1.0).frame["shop"]) == {"b"}
    frame["shop"] = ["a"] * 60 + ["b"] * 23 + ["c"] * 17
    assert set(fitted("subpopulation_shift", frame, by="shop").corrupt(frame, severity=1.0).frame["shop"]) == {"c"}


def test_rows_without_a_group_are_outside_of_it():
    frame = mixed(3)
    frame.loc[frame.index[:10], "shop"] = None
    assert fitted("subpopulation_shift", frame, by="shop").corrupt(frame, severity=1.0).frame["shop"].notna().all()


def test_groups_come_from_slices_protected_columns_and_markets():
    frame = mixed(3).assign(market=["DE", "FR"] * 60, sex=["f", "m", "m"] * 40)
    slices = (
        Slice(name="the south", column="shop", equals="south"),
        Slice(name="not the south", column="shop", isin=("north", "west")),
    )
    spec = promise(frame, slices=slices, protected=("sex",))
    made = kind_named("subpopulation_shift").variants(spec)
    assert made == [
        {"by": "shop", "value": "south"},
        {"by": "shop", "value": ["north", "west"]},
        {"by": "sex"},
        {"by": "market"},
    ]
    for params in made:
        assert fitted("subpopulation_shift", frame, spec, **params).corrupt(frame, severity=0.5).delivered > 0
    assert fitted("subpopulation_shift", frame, spec).stages[0].learnt["*"][0] == "shop"
    assert "no slices" in kind_named("subpopulation_shift").variants(promise(mixed(3)))


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("covariate_shift", {"by": "sise"}, "covariate_shift: no column 'sise'; by must be one of size, text"),
        ("subpopulation_shift", {"by": "shop", "value": "sout"}, "no 'sout' in column 'shop'. Did you mean 'south'"),
        ("subpopulation_shift", {"by": "shop", "value": []}, "value: it is empty"),
        ("seasonal_shift", {"part": "year"}, "no part 'year' of a date; known: month, weekday, hour"),
        ("seasonal_shift", {"value": 13}, "value of 'month' must be whole numbers from 1 to 12; got 13"),
        ("seasonal_shift", {"part": "weekday", "value": [0, 7]}, "from 0 to 6"),
        ("seasonal_shift", {"value": []}, r"got \[\]"),
        ("seasonal_shift", {"by": "shop"}, "column 'shop' holds no dates"),
        ("concept_shift", {"above": 1}, r"above must be a share in \[0, 1\); got 1"),
        ("concept_shift", {"by": "shop", "value": "sout"}, "no 'sout' in column 'shop'. Did you mean 'south'"),
        ("concept_shift", {"pairs": {"class 000": "class 9"}}, "concept_shift, pairs: no class 'class 9'"),
    ],
)
def test_mistakes_are_named_with_what_is_allowed(name, params, says):
    with pytest.raises(ValueError, match=says):
        fitted(name, mixed(3), **params)


@pytest.mark.parametrize(("part", "value", "left"), [("month", 5, 5), ("weekday", [5, 6], 5), ("hour", 0, 0)])
@pytest.mark.parametrize("written", ["datetime", "zoned", "text"])
def test_one_season_stays_as_the_clock_on_the_wall_shows_it(part, value, left, written):
    frame = mixed(3, each=80)
    wall = frame["day"]
    frame["day"] = {
        "datetime": wall,
        "zoned": wall.dt.tz_localize("Asia/Tokyo"),
        "text": wall.dt.strftime("%Y-%m-%dT%H:%M:%S") + np.where(np.arange(len(frame)) % 2, "+09:00", "Z"),
    }[written]
    frame.loc[frame.index[3], "day"] = None
    hit = fitted("seasonal_shift", frame, by="day", part=part, value=value).corrupt(frame, severity=1.0)
    kept, part = wall[hit.arrived].drop(index=3), {"weekday": "day_of_week"}.get(part, part)
    allowed = value if isinstance(value, list) else [value]
    assert len(kept) and getattr(kept.dt, part).isin(allowed).all()
    assert hit.arrived[3]
    assert hit.eligible == (~getattr(wall.drop(index=3).dt, part).isin(allowed)).sum()


def test_dates_are_read_one_by_one():
    mess = [
        "2026-03-04",
        "2026-03-04 23:15",
        "2026-03-04T01:00:00.123456789Z",
        "9999-12-31",
        "04.03.2026",
        "2026-02-30",
        None,
        5,
        True,
    ]
    whole = moments(pd.Series(mess, dtype=object))
    alone = [moments(pd.Series([v], dtype=object))[0] for v in mess]
    assert [str(v) for v in whole] == [str(v) for v in alone]
    assert whole.notna().tolist() == [True, True, True, True] + [False] * 5
    assert moments(pd.Series([2026, 2027])).isna().all()


def test_dates_that_cannot_be_read_are_not_exercised():
    frame = mixed(3).assign(day="4.3.26")
    hit = fitted("seasonal_shift", frame, promise(frame, roles={"day": "date"}), by="day").corrupt(frame, severity=0.5)
    assert hit.eligible == 0 and not hit.exercised


def test_seasons_say_why_they_do_not_apply():
    made, frame = kind_named("seasonal_shift").variants, mixed(3)
    assert made(promise(frame)) == [{"by": "day", "part": "month"}, {"by": "day", "part": "weekday"}]
    assert "data.time" in made(promise(frame.drop(columns="day")))
    year = frame.assign(year=2020)
    assert "year" in made(promise(year, time="year"))
    assert made(promise(frame.assign(sent=frame["day"]), time="sent"))[0]["by"] == "sent"


# another truth


def moved(hit, frame):
    return (hit.labels.astype(object) != frame["topic"]).to_numpy()


def test_it_is_the_truth_of_the_replay_rows_that_moves():
    assert kind_named("concept_shift").on == "replay"


@pytest.mark.parametrize("classes", [2, 3, 77, 150])
def test_only_the_region_changes_and_by_the_share_asked_for(classes):
    frame = mixed(classes, each=max(3, 300 // classes))
    fit = fitted("concept_shift", frame, by="size", above=0.7)
    for severity in (0.1, 0.5, 1.0):
        hit = fit.corrupt(frame, severity=severity)
        at = moved(hit, frame)
        assert at.sum() == hit.asked == hit.delivered == int(np.floor(severity * hit.eligible + 0.5))
        assert (frame["size"][at] >= frame["size"].quantile(0.69)).all()
        assert hit.frame.drop(columns="topic").equals(frame.drop(columns="topic"))
    assert abs(hit.eligible - 0.3 * len(frame)) <= 1


def test_each_class_becomes_one_other_class_so_that_it_could_be_learnt_again():
    frame = mixed(5, each=60)
    hit = fitted("concept_shift", frame, by="size").corrupt(frame, severity=1.0)
    at = moved(hit, frame)
    assert (hit.labels[at].groupby(frame["topic"][at]).nunique() == 1).all()


def test_given_pairs_leave_other_classes_alone():
    frame = mixed(3)
    hit = fitted("concept_shift", frame, by="size", above=0, pairs={"class 000": "class 002"}).corrupt(frame, severity=1.0)
    assert set(frame["topic"][moved(hit, frame)]) == {"class 000"}
    assert set(hit.labels[moved(hit, frame)]) == {"class 002"}


@pytest.mark.parametrize(
    ("term", "inside"),
    [
        ("card", ["my CARD is lost", "card", "the (card)"]),
        ("lost card", ["a lost card here"]),
        ("卡", ["我的卡丢了"]),
        ("a.b", ["see a.b now"]),
    ],
)
def test_a_term_is_a_word_of_its_own(term, inside):
    texts = [
        "my CARD is lost",
        "card",
        "the (card)",
        "cards",
        "discard",
        "a lost card here",
        "我的卡丢了",
        "see a.b now",
        "axb",
        None,
    ]
    found = shift._has_term(pd.Series(texts, dtype=object), term)
    expected = inside + (["a lost card here"] if term == "card" else [])
    assert set(np.array(texts, dtype=object)[found]) == set(expected)


def test_the_term_that_says_most_about_the_class_is_found():
    frame = pd.DataFrame(
        {
            "text": [f"the {'refund' if i % 5 == 0 else 'parcel' if i % 2 else 'order'} is number {i}" for i in range(200)],
            "topic": ["money" if i % 5 == 0 else "goods" if i % 3 else "other" for i in range(200)],
        }
    )
    fit = fitted("concept_shift", frame, promise(frame, roles={"text": "text"}))
    hit = fit.corrupt(frame, severity=1.0)
    assert frame["text"][moved(hit, frame)].str.contains("refund").all() and hit.eligible == 40


def test_a_term_of_nearly_all_or_hardly_any_texts_is_no_region():
    texts = ["alpha"] * 60 + ["beta"] * 19 + ["delta"] * 19 + ["gem"] * 2
    topic = np.array(["a"] * 60 + ["b"] * 38 + ["c"] * 2, dtype=object)
    order = np.arange(100) * 37 % 100
    assert shift._telling_term(pd.Series(texts, name="text")[order], topic[order]) in ("beta", "delta")
    alone = pd.Series(["indeed"] * 19 + ["no"], name="text")
    assert shift._telling_term(alone[:19], topic[:19]) == "indeed"


def test_a_category_is_a_region_too():
    frame = mixed(3)
    hit = fitted("concept_shift", frame, value="west").corrupt(frame, severity=1.0)
    assert set(frame["shop"][moved(hit, frame)]) == {"west"}


def test_a_column_without_words_is_refused():
    frame = mixed(3).assign(text="?!")
    with pytest.raises(ValueError, match="no word in column 'text'"):
        fitted("concept_shift", frame, promise(frame, roles={"text": "text"}), by="text")


# values never seen

codes = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"[A-Z]{0,2}[0-9]{1,4}(_new|2)?", fullmatch=True),
    st.sampled_from(["loan", "loan_new", "loan_new2", "A", "A2", "A22", "0", "00", "٣", "-1", "9" * 5000, "x" * 20 + "9" * 16]),
)


@quick
@given(st.lists(codes, min_size=1, max_size=12), codes)
@example(["loan", "loan_new", "loan_new2"], "loan")
@example(["9" * 15], "9" * 15)
def test_a_new_value_is_never_one_of_the_reference_nor_the_old_one(known, other):
    learnt = shift._learn_categories(pd.Series(known, dtype=object), None)
    for value in [*known, other]:
        made = shift._unseen(value, learnt, None)
        assert isinstance(made, str) and made not in known and made != value


@quick
@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=12), st.booleans())
def test_a_new_number_is_a_number(known, whole):
    series = pd.Series(known, dtype="int64" if whole else "float64")
    learnt = shift._learn_categories(series, None)
    for value in series.tolist():
        made = shift._unseen(value, learnt, None)
        assert isinstance(made, int) and made not in known


@pytest.mark.parametrize(
    ("known", "value", "new"),
    [
        (["B07", "B08", "B11"], "B07", "B12"),
        (["007", "012"], "007", "013"),
        (["A1", "B9"], "A1", "A2"),
        (["LEASE"], "LEASE", "LEASE2"),
        (["loan"], "loan", "loan_new"),
        (["current account"], "current account", "current account (new)"),
        (["1", "2", "3"], "1", "4"),
        (["東京"], "東京", "東京_new"),
    ],
)
def test_new_values_look_like_the_old_ones(known, value, new):
    assert shift._unseen(value, shift._learn_categories(pd.Series(known), None), None) == new


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["a", "b", None] * 10, dtype="str"),
        pd.Series(["a", "b", None] * 10, dtype=object),
        pd.Series(["a", "b", None] * 10, dtype="category"),
        pd.Series([1, 2, 3] * 10),
        pd.Series([1.0, 2.0, np.nan] * 10),
        pd.Series([1, 2, None] * 10, dtype="Int8"),
        pd.Series([1, "1", 2.5] * 10, dtype=object),
    ],
    ids=lambda s: str(s.dtype),
)
def test_every_cell_of_any_type_can_be_new(column):
    frame = pd.DataFrame({"code": column, "topic": ["yes", "no"] * 15})
    spec = promise(frame, roles={"code": "category"})
    hit = fitted("unseen_category", frame, spec).corrupt(frame, severity=1.0)
    assert hit.delivered == hit.eligible == column.notna().sum()
    assert not set(spelt(hit.frame["code"])) - {None} & set(spelt(column))
    if pd.api.types.is_numeric_dtype(column.dtype):
        assert pd.api.types.is_numeric_dtype(hit.frame["code"].dtype)


def test_a_flag_has_no_third_state_and_no_number_is_endless():
    frame = pd.DataFrame({"flag": [True, False] * 8, "code": [2**60, np.iinfo("int64").max] * 8, "topic": ["yes", "no"] * 8})
    spec = promise(frame, roles={"flag": "category", "code": "category"})
    assert fitted("unseen_category", frame, spec).corrupt(frame, severity=1.0).eligible == 0


def test_a_value_of_ones_own():
    frame = mixed(3)
    hit = kind_named("unseen_category")("shop", value="east").fit(frame).corrupt(frame, severity=0.5)
    assert set(hit.frame["shop"]) == {"north", "south", "west", "east"}
    with pytest.raises(ValueError, match="'south' is a value of column 'shop' in the reference rows"):
        kind_named("unseen_category")("shop", value="south").fit(frame)


def test_rows_that_have_the_new_value_already_are_not_eligible():
    frame = mixed(3)
    fit = kind_named("unseen_category")("shop", value="east").fit(frame)
    replayed = frame.assign(shop=["east", "north"] * 60)
    assert fit.corrupt(replayed, severity=1.0).eligible == 60


def test_rare_values_become_frequent():
    frame = pd.DataFrame({"make": ["Opel"] * 300 + ["Tatra"] * 2 + ["Zastava"], "topic": ["yes", "no", "no"] * 101})
    hit = kind_named("rare_category")("make").fit(frame).corrupt(frame, severity=1.0)
    assert hit.eligible == hit.delivered == 303
    assert set(hit.frame["make"]) == {"Tatra", "Zastava"}
    assert (hit.frame["make"] == "Tatra").sum() > 100
    few = pd.DataFrame({"make": ["a"] * 5 + ["b"] * 3, "topic": ["yes", "no"] * 4})
    hit = kind_named("rare_category")("make").fit(few).corrupt(few, severity=1.0)
    assert hit.eligible == 5 and set(hit.frame["make"]) == {"b"}
    alone = few.assign(make="a")
    assert kind_named("rare_category")("make").fit(alone).corrupt(alone, severity=1.0).eligible == 0


def test_rare_values_keep_their_type():
    frame = pd.DataFrame({"code": [7] * 200 + [3], "topic": ["yes", "no", "no"] * 67})
    hit = kind_named("rare_category")("code").fit(frame).corrupt(frame, severity=0.5)
    assert hit.frame["code"].dtype == "int64" and set(hit.frame["code"]) == {7, 3}
