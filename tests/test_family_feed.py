"""Events that are late, twice, out of order or gone; clocks that are wrong; systems that do not answer."""

import re
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import RowLedger, feed, kind_named, kinds, suite
from pilot_to_prod.scenarios._clocks import moved, shifted, zoned
from pilot_to_prod.spec import Column, Data, Dependency, Model, Spec
from pilot_to_prod.spec.model import Feed

quick = settings(deadline=None, max_examples=60, derandomize=True)
NAMES = [n for n, k in kinds().items() if k.family == "feed"]
COLUMNS = {"id": "id", "text": "text", "whole": "number", "price": "amount", "city": "category", "day": "date"}
BUREAU = Dependency(name="credit bureau", kind="technical", columns=("whole", "city"))
CLERK = Dependency(name="a clerk", kind="human")


def promise(*dependencies, rate=None, **columns) -> Spec:
    data = Data(
        reference="r.csv",
        replay="r.csv",
        label="label",
        labels=("no", "yes"),
        positive="yes",
        id="id",
        columns={n: Column.model_validate(r) for n, r in (columns or COLUMNS).items()},
    )
    more = {"feed": Feed(rate=rate, service_ms=1)} if rate else {}
    return Spec(
        name="tiny", task="binary", model=Model(loader="module", ref="m:p"), data=data, dependencies=dependencies, **more
    )


def rows(n=200) -> pd.DataFrame:
    i = np.arange(n)
    return pd.DataFrame(
        {
            "id": [f"r{k:04d}" for k in i],
            "text": [f"please send parcel number {k} home" for k in i],
            "whole": i * 37 % 11,
            "price": i * 99.5 + 0.25,
            "city": pd.Series([None if k % 9 == 4 else "abcd"[k % 4] for k in i], dtype="str"),
            "day": pd.date_range("2026-01-01 10:00", periods=n, freq="7h"),
        }
    )


def hit(name, frame, severity=0.3, spec=None, seed=1, columns=(), **params):
    return kind_named(name)(*columns, severity=severity, **params).fit(frame, spec or promise()).corrupt(frame, seed=seed)


def arrivals(found) -> RowLedger:
    (entry,) = [e for stage in found.ledger.stages for e in stage if isinstance(e, RowLedger)]
    return entry


def exactly(severity: float, n: int) -> int:
    return int(np.floor(severity * n + 0.5))


def test_all_are_there_and_the_family_has_a_quick_one():
    assert set(NAMES) == {
        "late_events",
        "duplicate_events",
        "near_duplicate_events",
        "reordered_events",
        "dropped_events",
        "retry_storm",
        "partial_batch",
        "clock_skew",
        "time_zone",
        "stale_feature",
        "dependency_late",
        "dependency_stale",
        "dependency_absent",
    }
    assert {"duplicate_events", "dependency_absent"} == {n for n in NAMES if kind_named(n).depth == "quick"}
    timed = {n for n in NAMES if kind_named(n).timed}
    assert timed == {"late_events", "duplicate_events", "near_duplicate_events", "retry_storm", "dependency_late"}
    assert timed >= feed.HELD


# late, twice, gone


@pytest.mark.parametrize("rate", [None, 4.0])
def test_delays_are_seconds_of_the_promised_feed(rate):
    frame, gaps = rows(4000), 4.0 if rate else 1.0
    late = arrivals(hit("late_events", frame, spec=promise(rate=rate), delay=30)).delay
    late = late[late > 0] / gaps
    assert len(late) == 1200
    assert late.mean() == pytest.approx(30, rel=0.1) and np.mean(late > 60) == pytest.approx(np.exp(-2), rel=0.25)
    held = arrivals(hit("dependency_late", frame, spec=promise(rate=rate), delay=3)).delay
    assert np.unique(held).tolist() == [0, 3 * gaps]
    again = arrivals(hit("duplicate_events", frame, spec=promise(rate=rate), again=2.5))
    assert set(again.delay[again.copy == 1]) == {2.5 * gaps}


def test_events_arrive_in_the_order_of_their_time():
    found = hit("late_events", rows())
    entry = arrivals(found)
    assert (np.diff(entry.source + entry.delay) >= 0).all()
    assert sorted(found.frame["id"]) == rows()["id"].tolist() and found.frame["id"].tolist() != rows()["id"].tolist()


@pytest.mark.parametrize("places", [1, 3, 10])
def test_a_reordered_event_falls_back_some_places_and_no_more(places):
    frame = rows(400)
    entry = arrivals(hit("reordered_events", frame, severity=0.02, places=places))
    back = np.argsort(entry.source) - np.arange(400)
    assert back.max() == places and 4 < (back > 0).sum() <= 8


@pytest.mark.parametrize("copies", [2, 4])
def test_duplicates_are_equal_and_exactly_as_many_as_asked(copies):
    frame = rows()
    found = hit("duplicate_events", frame, copies=copies)
    assert len(found.frame) == 200 + 60 * (copies - 1)
    assert found.frame.drop_duplicates().shape[0] == 200
    counts = found.frame["id"].value_counts()
    assert (counts == copies).sum() == 60 and (counts == 1).sum() == 140
    assert found.arrived.all()


def test_near_duplicates_differ_from_their_event_in_one_column_and_never_not_at_all():
    frame = rows()
    found = hit("near_duplicate_events", frame, severity=0.5, copies=3)
    assert len(found.frame) == 400
    entry, inputs = arrivals(found), ["text", "whole", "price", "city", "day"]
    own = found.frame[entry.copy == 0].sort_values("id")
    pd.testing.assert_frame_equal(own, frame)
    extra = found.frame[entry.copy > 0]
    before = frame.iloc[entry.source[entry.copy > 0]]
    differs = (extra[inputs].astype(object).to_numpy() != before[inputs].astype(object).to_numpy()) & extra[
        inputs
    ].notna().to_numpy()
    assert (differs.sum(axis=1) == 1).all()
    assert set(np.flatnonzero(differs.any(axis=0))) == {0, 1, 2}  # text, whole, price
    assert (extra["id"].to_numpy() == before["id"].to_numpy()).all()


def test_near_duplicates_need_a_letter_or_a_number_and_touch_what_the_model_sees():
    frame = rows(40).assign(text=["12 34", "", "…", None] * 10, whole=[np.nan, np.inf, -np.inf, 4.0] * 10)
    found = hit("near_duplicate_events", frame, severity=1.0, columns=("text", "whole"))
    finite = found.frame["whole"][np.isfinite(found.frame["whole"])]
    assert found.eligible == 10 and (finite == 4).sum() == 10 and set(finite) <= {0, 1, 2, 3, 4}
    spec = promise(**{**COLUMNS, "text": {"role": "text", "input": False}})
    seen = hit("near_duplicate_events", rows(40), severity=1.0, spec=spec)
    assert seen.frame.groupby("id")["text"].nunique().max() == 1


@quick
@given(st.text(min_size=1), st.floats(0, 1, exclude_max=True), st.integers(0, 2))
def test_a_slip_changes_one_letter(text, where, how):
    if not any(map(str.isalpha, text)):
        return
    made = feed._slip(text, where, how)
    assert made != text and abs(len(made) - len(text)) <= 1
    assert sorted(set(made) - set(text)) == []


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "int8", "uint8", "uint64"])
@settings(deadline=None, max_examples=150, derandomize=True)
@given(data=st.data())
def test_another_digit_is_another_number_of_the_same_type(dtype, data):
    kind = np.dtype(dtype)
    if kind.kind == "f":
        value = kind.type(data.draw(st.floats(allow_nan=False, allow_infinity=False, width=kind.itemsize * 8)))
    else:
        info = np.iinfo(kind)
        value = kind.type(
            data.draw(st.one_of(st.integers(int(info.min), int(info.max)), st.sampled_from([info.min, info.max, 0])))
        )
    made = feed._other_digit(value, data.draw(st.floats(0, 1, exclude_max=True)))
    again = kind.type(made)
    assert again != value and again == made and np.isfinite(again)
    assert abs(float(again)) <= max(abs(float(value)), 1) * 10


def test_dropped_events_are_gone_and_on_record():
    found = hit("dropped_events", rows())
    assert len(found.frame) == 140 and (~found.arrived).sum() == 60
    assert len(found.ledger.rows) == 60 and found.ledger.rows["new"].isna().all()
    assert len(hit("dropped_events", rows(), severity=1.0).frame) == 0


def test_a_storm_hits_neighbours_several_times():
    frame = rows(400)
    entry = arrivals(hit("retry_storm", frame, severity=0.25, size=50, copies=5, again=0.5))
    counts = np.bincount(entry.source, minlength=400)
    assert counts.max() <= 5 and set(counts) == {1, 2, 3, 4, 5} and (counts > 1).sum() == 100
    whole = (counts > 1).reshape(8, 50).mean(axis=1)
    assert whole.max() == 1 and (whole == 0).sum() >= 5
    gaps = entry.delay[entry.copy == 1]
    assert gaps.min() >= 0.25 and gaps.max() <= 0.75


def test_a_partial_batch_lacks_its_end():
    frame = rows(1000)
    gone = ~hit("partial_batch", frame, severity=0.3, size=100).arrived
    parts = gone.reshape(10, 100)
    assert gone.sum() == 300
    assert parts[:, :5].sum() < parts[:, -5:].sum() / 5  # beginnings are there
    breaks = np.abs(np.diff(parts.astype(int), axis=1)).sum(axis=1)
    assert np.median(breaks[parts.any(axis=1)]) < 15  # by chance it would be 42
    assert len(set(parts.sum(axis=1))) > 5  # some are luckier


def test_the_order_of_deliveries_is_read_from_the_end_of_keys():
    names, numbers = feed._numbered(["o12", "o0013#2", "2026-5", "none", "7a", ""])
    assert names == ["o", "o", "2026-", "none", "7a", ""] and numbers.tolist() == [12, 13, 5, 0, 0, 0]
    digits = np.array([str(i) for i in range(300)], dtype=object)
    fast, slow = feed._deliveries(digits, 10, 0), feed._deliveries(np.append(digits, "x"), 10, 0)
    assert all((a == b[:300]).all() for a, b in zip(fast, slow, strict=True))
    assert len(set(fast[0])) == 30 and (fast[1] == np.arange(300) % 10 / 10).all()
    luck, position = feed._deliveries(np.array(["ab", "cd", "ef"], dtype=object), 10, 0)
    assert len(set(luck)) == 3 and (position == 0).all()


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("late_events", {"delay": 0}, "late_events: delay must be a number of seconds above 0; got 0"),
        ("late_events", {"delay": float("inf")}, "delay must be a number of seconds"),
        ("duplicate_events", {"copies": 1}, "duplicate_events: copies must be a whole number, at least 2; got 1"),
        ("duplicate_events", {"again": -1.0}, "again must be a number of seconds above 0; got -1"),
        ("near_duplicate_events", {"copies": 2.5}, "copies must be a whole number"),
        ("reordered_events", {"places": 0}, "places must be a whole number, at least 1"),
        ("partial_batch", {"size": True}, "size must be a whole number"),
        ("retry_storm", {"again": "1s"}, "again must be a number"),
        ("clock_skew", {"offset": "soon"}, "offset must be whole seconds, not 0, such as '5min'"),
        ("clock_skew", {"offset": "0min"}, "not 0"),
        ("clock_skew", {"offset": "10ms"}, "whole seconds"),
        ("clock_skew", {"offset": "100000D"}, "got '100000D'"),
        ("time_zone", {"hours": 0}, "hours must be quarters of an hour from -14 to 14, not 0; got 0"),
        ("time_zone", {"hours": 0.1}, "quarters"),
        ("time_zone", {"hours": 15}, "from -14 to 14"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(name, params, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        kind_named(name)(**params).fit(rows(), promise())


# clocks

FORMS = [
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.250",
    "%Y-%m-%dT%H:%MZ",
    "%Y-%m-%d %H:%M:%S+01:00",
]
moments = st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1))


@quick
@given(moments, st.sampled_from(FORMS), st.integers(-50_000, 50_000))
def test_a_moved_text_keeps_its_form_and_can_be_moved_back(when, form, minutes):
    text, by = when.strftime(form), timedelta(minutes=minutes)
    if form == FORMS[0]:
        by = timedelta(days=minutes // 100)
    made = shifted(text, by)
    assert re.sub(r"\d", "0", made) == re.sub(r"\d", "0", text)
    assert shifted(made, -by) == text
    parsed = [pd.Timestamp(t) for t in (text, made)]
    assert parsed[1] - parsed[0] == by


@quick
@given(moments, st.sampled_from(FORMS[1:4]), st.integers(-56, 56))
def test_a_zoned_text_is_the_same_moment(when, form, quarters):
    text, by = when.strftime(form), timedelta(minutes=15 * quarters)
    made = zoned(text, by)
    assert pd.Timestamp(made).tz_convert("UTC").tz_localize(None) == pd.Timestamp(text)
    assert pd.Timestamp(made).utcoffset() == by
    assert zoned(made, timedelta(0)) == shifted(text, by)


@pytest.mark.parametrize(
    "value", ["", "soon", "2026-13-01", "2026-02-30", "2026-1-1", "20260101", "2026-01-01T25:00", 7, None, pd.NaT, 1.5]
)
def test_what_is_no_moment_is_left_alone(value):
    assert shifted(value, timedelta(days=1)) is None and zoned(value, timedelta(hours=1)) is None
    assert moved(pd.Series([value, "2026-01-01"], dtype=object), np.full(2, 86_400_000_000)).tolist()[1] == "2026-01-02"


def test_the_ends_of_the_calendar_are_left_alone():
    assert shifted("9999-12-31", timedelta(days=1)) is None and shifted("0001-01-01T00:00", timedelta(minutes=-1)) is None
    assert shifted("0001-01-01", timedelta(days=400)) == "0002-02-05"
    assert shifted(date.max, timedelta(days=1)) is None and shifted(date(2026, 1, 1), timedelta(hours=-5)) == date(2025, 12, 31)
    near = pd.Series(pd.to_datetime(["2262-04-11 23:00", "2026-01-01 00:00", None])).astype("datetime64[ns]")
    found = moved(near, np.full(3, 3_600_000_000))
    assert found.isna().tolist() == [True, False, True] and found.dtype == near.dtype


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
def test_a_column_of_moments_keeps_its_type(unit, tz):
    frame = rows().assign(day=lambda f: f["day"].astype(f"datetime64[{unit}]").dt.tz_localize(tz))
    found = hit("clock_skew", frame)
    assert found.frame["day"].dtype == frame["day"].dtype and found.delivered == 60
    off = (found.frame["day"] - frame["day"])[found.hit] / pd.Timedelta(minutes=1)
    assert set(off.abs()) <= set(range(1, 16)) and (off < 0).any() and (off > 0).any() and off.nunique() > 15


def test_a_column_of_days_is_off_by_days():
    days = pd.date_range("2026-01-01", periods=200, freq="D")
    for column in (days, days.strftime("%Y-%m-%d"), pd.Series(days.date, dtype=object)):
        frame = rows().assign(day=column)
        found = hit("clock_skew", frame)
        off = (pd.to_datetime(found.frame["day"]) - days)[found.hit].dt.days
        assert found.delivered == 60 and set(off) == {-3, -2, -1, 1, 2, 3}


def test_an_offset_is_the_same_for_all():
    found = hit("clock_skew", rows(), offset="-2h")
    assert set(found.frame["day"] - rows()["day"]) == {pd.Timedelta(0), pd.Timedelta(hours=-2)}
    texts = rows().assign(day=rows()["day"].dt.strftime("%Y-%m-%d"))
    assert hit("clock_skew", texts, offset="2h").eligible == 0  # a day stays the day


def test_midnight_five_hours_earlier_is_the_day_before():
    frame = rows().assign(day=[f"2026-03-{1 + k % 28:02d}" for k in range(200)])
    found = hit("time_zone", frame, severity=1.0)
    assert found.frame["day"][0] == "2026-02-28" and found.delivered == 200
    assert hit("time_zone", frame, severity=1.0, hours=5.0).eligible == 0
    assert hit("time_zone", frame, severity=1.0, aware=True).eligible == 0


def test_zones_appear_and_vanish():
    plain = hit("time_zone", rows(), severity=0.5, aware=True)
    said = plain.frame["day"][plain.hit]
    assert said.iloc[0].endswith("-05:00") and plain.delivered == 100
    same = pd.to_datetime(said, utc=True).dt.tz_localize(None)
    assert (same == rows()["day"][plain.hit]).all()
    zoned_rows = rows().assign(day=rows()["day"].dt.strftime("%Y-%m-%dT%H:%MZ"))
    lost = hit("time_zone", zoned_rows, severity=1.0, aware=True)
    assert lost.frame["day"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d").all()


# dependencies


def test_every_column_of_an_absent_dependency_is_missing_and_no_other():
    frame = rows()
    found = hit("dependency_absent", frame, spec=promise(BUREAU), dependency="credit bureau")
    gone = found.frame[["whole", "city"]].isna()
    assert gone[found.hit].all().all() and found.hit.sum() == found.delivered == 60
    assert gone["whole"].sum() == 60
    for c in ("id", "text", "price", "day"):
        assert found.frame[c].equals(frame[c])


def test_rows_where_nothing_was_there_cannot_lose_it():
    frame = rows(20)
    frame["whole"] = frame["whole"].astype(float)
    frame.loc[:9, ["whole", "city"]] = None
    assert hit("dependency_absent", frame, spec=promise(BUREAU), dependency="credit bureau").eligible == 10


def test_a_stale_dependency_answers_with_an_older_row_as_a_whole():
    frame = rows()
    old = pd.DataFrame({**rows(3), "whole": [90, 90, 91], "city": ["x", "x", None]})
    one = kind_named("dependency_stale")(severity=0.5, dependency="credit bureau").fit(old, promise(BUREAU))
    found = one.corrupt(frame, seed=1)
    made = found.frame[["whole", "city"]][found.hit]
    pairs = made.astype(object).where(made.notna(), None).apply(tuple, axis=1).value_counts()
    assert found.delivered == 100 and set(pairs.index) == {(90, "x"), (91, None)}
    assert pairs[(90, "x")] > pairs[(91, None)] * 1.2  # as often as in the reference
    assert found.frame["whole"].dtype == frame["whole"].dtype
    assert found.frame.drop(columns=["whole", "city"]).equals(frame.drop(columns=["whole", "city"]))


@pytest.mark.parametrize("name", ["stale_feature", "dependency_stale"])
def test_what_is_stale_is_another_value(name):
    frame = rows()
    columns = ("whole", "city", "price", "day")
    found = hit(name, frame, severity=1.0, columns=columns)
    assert found.delivered == found.eligible == (200 if name == "dependency_stale" else 200 * 4 - frame["city"].isna().sum())
    unlike = (found.frame[list(columns)].astype(object) != frame[list(columns)].astype(object)).to_numpy()
    assert unlike.any(axis=1).all()
    assert set(found.frame["city"].dropna()) <= set("abcd") and set(found.frame["whole"]) <= set(range(11))


def test_a_column_that_never_changes_cannot_be_stale():
    frame = rows().assign(whole=3)
    assert hit("stale_feature", frame, columns=("whole",)).eligible == 0
    assert hit("dependency_stale", frame, columns=("whole",)).eligible == 0
    assert hit("stale_feature", frame.assign(whole=np.nan), columns=("whole",)).eligible == 0


def test_stale_values_keep_to_the_columns_of_the_dependency_and_their_types():
    frame, spec = rows(), promise(BUREAU)
    old = rows().assign(whole=lambda f: f["whole"].astype(float).where(f["whole"] > 2))
    one = kind_named("stale_feature")(severity=0.5, dependency="credit bureau")
    found = one.fit(old, spec).corrupt(frame, seed=2)
    touched = {c for c in frame if not frame[c].equals(found.frame[c])}
    assert touched == {"whole", "city"}
    assert found.frame["whole"].dtype == frame["whole"].dtype and found.frame["city"].dtype == frame["city"].dtype


def test_drawing_leaves_out_the_own_value_only():
    old = pd.DataFrame({"v": ["a"] * 50 + ["b"] * 30 + ["c"] * 20})
    frame = pd.DataFrame({"v": np.array(list("abcd"))[np.arange(8000) % 4]})
    found = kind_named("stale_feature")("v", severity=1.0).fit(old).corrupt(frame, seed=1)
    got = pd.crosstab(frame["v"], found.frame["v"], normalize="index")
    expected = {"a": [0, 0.6, 0.4], "b": [5 / 7, 0, 2 / 7], "c": [0.625, 0.375, 0], "d": [0.5, 0.3, 0.2]}
    for own, shares in expected.items():
        assert got.loc[own].tolist() == pytest.approx(shares, abs=0.04)


def test_each_technical_dependency_is_a_variant_of_its_own():
    other = Dependency(name="shop", kind="technical", columns=("text",))
    unused = Dependency(name="mail", kind="technical", columns=("elsewhere",))
    spec = promise(BUREAU, CLERK, other, unused)
    found = suite("feed", spec, "deep")
    for name in ("dependency_late", "dependency_absent", "dependency_stale", "stale_feature"):
        assert {dict(s.params)["dependency"] for s, _ in found if s.name == name} == {"credit bureau", "shop"}
    bare = suite("feed", promise(CLERK), "deep")
    left = dict(bare.left_out)
    assert set(left) == {"dependency_late", "dependency_absent", "dependency_stale"}
    assert left["dependency_late"] == "no technical dependency of the promise delivers an input column"
    assert [s.params for s, _ in bare if s.name == "stale_feature"] == [()]


@pytest.mark.parametrize("name", ["dependency_late", "dependency_absent", "dependency_stale", "stale_feature"])
def test_an_unknown_dependency_is_refused_with_the_nearest(name):
    with pytest.raises(
        ValueError, match=f"{name}: no technical dependency is called 'credit buro'. Did you mean 'credit bureau'"
    ):
        hit(name, rows(), spec=promise(BUREAU), dependency="credit buro")
    with pytest.raises(ValueError, match="The promise names none: add it to dependencies"):
        hit(name, rows(), spec=promise(CLERK), dependency="a clerk")
    with pytest.raises(ValueError, match="'credit bureau' delivers whole, city, and the scenario has price"):
        hit(name, rows(), spec=promise(BUREAU), dependency="credit bureau", columns=("price",))


def test_without_a_promise_the_columns_are_named():
    frame = rows()
    found = kind_named("dependency_absent")("whole", "city", severity=0.5).fit(frame).corrupt(frame)
    assert found.frame["whole"].isna().sum() == 100
