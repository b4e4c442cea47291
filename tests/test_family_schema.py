"What upstream does to the columns of a table: names, order, types, contents."

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilot_to_prod.scenarios import kinds
from pilot_to_prod.scenarios.schema import _new_names, _other_case
from pilot_to_prod.spec import Spec

KINDS = kinds()
FAMILY = sorted(k for k, v in KINDS.items() if v.family == "schema")
quick = settings(deadline=None, max_examples=60, derandomize=True)

FRAME = pd.DataFrame(
    {
        "row_id": [f"r{i}" for i in range(12)],
        "amount_paid": np.arange(12) * 1.5,
        "itemCount": np.arange(12),
        "city": pd.Series(["Bern", "Łódź", "Genf"] * 4, dtype="str"),
        "paid_on": pd.Series(pd.date_range("2026-03-04 10:30", periods=12, freq="36h")).astype("datetime64[us]"),
        "member": [True, False, False] * 4,
        "left": [1.0, np.nan] * 6,
        "tag": pd.Series(["a", None, "b"] * 4, dtype="category"),
    }
).set_axis(range(100, 112))
INPUTS = [c for c in FRAME if c != "row_id"]


def hit(name: str, frame: pd.DataFrame = FRAME, columns=INPUTS, severity: float = 1.0, seed: int = 0, **params):
    return KINDS[name](*columns, severity=severity, **params).fit(frame).corrupt(frame, seed=seed)


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("severity", [0.0, 0.3, 1.0])
def test_every_schema_change_is_undone_and_leaves_other_columns_alone(name, severity):
    out = hit(name, severity=severity)
    assert out.frame["row_id"].equals(FRAME["row_id"])
    assert out.frame.index.equals(FRAME.index)
    back = out.ledger.undo(out.frame)
    assert back.equals(FRAME) and list(back.dtypes) == list(FRAME.dtypes)
    if severity == 0:
        assert out.frame.equals(FRAME)


@pytest.mark.parametrize("name", FAMILY)
def test_a_batch_has_the_columns_and_types_of_the_whole(name):
    fitted = KINDS[name](*INPUTS, severity=0.5).fit(FRAME)
    whole, bound = fitted.corrupt(FRAME, seed=3).frame, fitted.bind([FRAME.iloc[:5], FRAME.iloc[5:]], seed=3)
    parts = [bound.corrupt(FRAME.iloc[[i]]).frame for i in range(len(FRAME))]
    assert {tuple(p.columns) for p in parts} == {tuple(whole.columns)}
    assert {tuple(map(str, p.dtypes)) for p in parts} == {tuple(map(str, whole.dtypes))}
    for c in whole:
        joined = [v for p in parts for v in p[c].astype(object)]
        assert all(a == b or (pd.isna(a) and pd.isna(b)) for a, b in zip(joined, whole[c].astype(object), strict=True))


@pytest.mark.parametrize("name", FAMILY)
def test_a_table_of_one_column_is_hit_only_where_something_is_left(name):
    single = FRAME[["amount_paid"]]
    alone = hit(name, single, ["amount_paid"])
    possible = {"renamed_column": 1, "added_column": 1, "retyped_column": 1, "nullability": 1}
    assert alone.eligible == alone.delivered == possible.get(name, 0)
    assert len(alone.frame.columns) >= 1 and len(alone.frame) == len(single)


# names


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("amount_paid", "amountPaid"),
        ("amountPaid", "amount_paid"),
        ("AmountPaid", "amount_paid"),
        ("Amount Paid", "amountPaid"),
        ("customer_2_id", "customer2Id"),
        ("age", "Age"),
        ("Age", "age"),
        ("AGE", "age"),
        ("größe", "Größe"),
        ("_private", "_private_v2"),
        ("42", "42_v2"),
        ("x__y", "xY"),
    ],
)
def test_names_in_the_other_case(old, new):
    assert _new_names([old], "case")[old] == new


@quick
@given(
    columns=st.lists(st.text(alphabet="abAB_ 1é", min_size=1, max_size=6), min_size=1, max_size=6, unique=True),
    style=st.sampled_from(["case", "suffix", "prefix"]),
)
def test_new_names_are_new_and_all_different(columns, style):
    names = _new_names(columns, style)
    assert set(names) == set(columns)
    assert len(set(names.values())) == len(columns) and not set(names.values()) & set(columns)


def test_a_rename_moves_no_value():
    for style in ("case", "suffix", "prefix"):
        out = hit("renamed_column", severity=0.5, style=style)
        assert len(set(out.frame) - set(FRAME)) == out.delivered == 4
        for old, new in zip(FRAME, out.frame, strict=True):
            assert out.frame[new].equals(FRAME[old].rename(new))


def test_a_name_that_is_taken_is_not_taken_twice():
    frame = pd.DataFrame({"a": [1, 2], "a_v2": [3, 4], "a_v2_v2": [5, 6]})
    out = hit("renamed_column", frame, ["a", "a_v2", "a_v2_v2"], style="suffix").frame
    assert out.columns.is_unique and not set(out) & set(frame)


def test_an_unknown_style_is_answered_with_the_known():
    with pytest.raises(ValueError, match="no naming style 'kebab'; known: case, suffix, prefix"):
        hit("renamed_column", style="kebab")
    assert _other_case("already") != "already"


# columns that go, come and move


def test_dropped_columns_are_gone_and_the_rest_stands():
    out = hit("dropped_column", severity=0.4)
    kept = list(out.frame)
    assert len(kept) == len(FRAME.columns) - 3 and out.frame.equals(FRAME[kept])
    assert list(hit("dropped_column").frame) == ["row_id"]


def test_one_column_is_left_where_all_of_a_table_are_named():
    frame = FRAME[["amount_paid", "city", "member"]]
    out = hit("dropped_column", frame, list(frame))
    assert list(out.frame) == ["amount_paid"] and out.eligible == 2


def test_added_columns_stand_in_front_of_known_ones():
    out = hit("added_column", severity=0.6)
    assert out.frame[list(FRAME)].equals(FRAME)
    new = [c for c in out.frame if c not in FRAME]
    assert len(new) == out.delivered == 4
    for c in new:
        old, _, what = c.rpartition("_")
        assert out.frame.columns.get_loc(c) + 1 == out.frame.columns.get_loc(old)
        assert what in ("source", "raw", "updated")
        if what == "raw":
            assert out.frame[c].isna().equals(FRAME[old].isna())


def test_every_kind_of_added_column_turns_up():
    seen = {c.rpartition("_")[2] for s in range(6) for c in hit("added_column", seed=s).frame if c not in FRAME}
    assert seen == {"source", "raw", "updated"}


def test_an_added_column_never_takes_the_place_of_another():
    frame = pd.DataFrame({"a": [1], "a_raw": [2], "a_source": [3], "a_updated": [4]})
    for seed in range(5):
        out = hit("added_column", frame, list(frame), seed=seed).frame
        assert len(out.columns) == 8 and out.columns.is_unique and out[list(frame)].equals(frame)


@pytest.mark.parametrize("severity", [0.2, 0.5, 1.0])
def test_reordered_columns_hold_what_they_held(severity):
    out = hit("reordered_columns", severity=severity)
    assert out.frame[list(FRAME)].equals(FRAME) and list(out.frame) != list(FRAME)
    moved = out.delivered
    assert [c for c in FRAME if c in list(out.frame)[:-moved]] == list(out.frame)[:-moved]


def test_the_order_of_what_moved_is_the_same_at_every_severity():
    orders = [list(hit("reordered_columns", severity=s).frame) for s in (0.2, 0.4, 0.6, 0.8)]
    for weak, strong in zip(orders, orders[1:], strict=False):
        moved = [c for c in strong if c in weak[-1:]]
        assert strong[-1] == weak[-1] == moved[0]


def test_swapped_columns_exchange_their_contents_within_their_type():
    frame = pd.DataFrame({"a": [1.0, 2], "b": ["x", "y"], "c": [3.0, 4], "d": ["z", "w"], "e": [5.0, 6]})
    out = hit("swapped_columns", frame, list(frame))
    assert out.eligible == out.delivered == 2
    assert out.frame.equals(frame.rename(columns={"a": "c", "c": "a", "b": "d", "d": "b"})[list(frame)])
    again = KINDS["swapped_columns"](*frame, severity=1.0).fit(frame).corrupt(out.frame)
    assert again.frame.equals(frame)


def test_columns_of_different_types_are_swapped_when_no_others_are_left():
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [True, False]})
    out = hit("swapped_columns", frame, list(frame)).frame
    assert out["a"].tolist() == ["x", "y"] and out["b"].tolist() == [1, 2] and out["c"].equals(frame["c"])


def test_columns_with_the_same_contents_are_no_pair():
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": [1.0, np.nan]})
    assert hit("swapped_columns", frame, ["a", "b"]).eligible == 0


# types


def test_text_says_the_same_as_the_value():
    out = hit("retyped_column").frame
    assert {str(out[c].dtype) for c in ("amount_paid", "itemCount", "paid_on", "member", "left")} == {"str"}
    assert out["tag"].equals(FRAME["tag"])  # text already
    assert out["amount_paid"].astype(float).equals(FRAME["amount_paid"])
    assert out["itemCount"].astype("int64").equals(FRAME["itemCount"])
    assert pd.to_datetime(out["paid_on"], format="ISO8601").astype("datetime64[us]").equals(FRAME["paid_on"])
    assert (out["member"] == "true").equals(FRAME["member"])
    assert out["left"].isna().equals(FRAME["left"].isna())


def test_numbers_say_the_same_as_the_value():
    out = hit("retyped_column", to="number")
    assert out.delivered == 3
    assert {str(out.frame[c].dtype) for c in ("itemCount", "paid_on", "member")} == {"float64"}
    assert pd.to_datetime(out.frame["paid_on"], unit="s").astype("datetime64[us]").equals(FRAME["paid_on"])
    assert out.frame["itemCount"].astype(int).equals(FRAME["itemCount"])
    assert out.frame["member"].tolist() == FRAME["member"].astype(float).tolist()


@pytest.mark.parametrize("to", ["text", "number"])
def test_what_is_missing_stays_missing_in_another_type(to):
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime(pd.Series(["2024-01-01", None])).dt.tz_localize("Europe/Berlin"),
            "n": pd.array([1, None], dtype="Int64"),
            "b": pd.array([True, None], dtype="boolean"),
        }
    )
    out = hit("retyped_column", frame, list(frame), to=to)
    assert out.delivered == 3 and out.frame.isna().equals(frame.isna())
    assert out.frame["day"].iloc[0] == ("2024-01-01T00:00:00+01:00" if to == "text" else 1704063600.0)
    assert out.ledger.undo(out.frame).equals(frame)


def test_a_double_index_is_no_matter_where_ids_are_named():
    frame = FRAME.set_axis([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    data = {"reference": "a.csv", "replay": "a.csv", "label": "y", "id": "row_id", "labels": ["0", "1"], "positive": "1"}
    roles = dict.fromkeys(INPUTS, "category") | {"row_id": "id"}
    model = {"loader": "module", "ref": "somewhere:predict"}
    spec = Spec.model_validate({"name": "x", "task": "binary", "model": model, "data": data | {"columns": roles}})
    for name in FAMILY:
        out = KINDS[name](*INPUTS, severity=1.0).fit(frame, spec).corrupt(frame)
        assert out.ledger.undo(out.frame).equals(frame)


def test_an_unknown_type_is_answered_with_the_known():
    with pytest.raises(ValueError, match="no type 'bytes'; known: text, number"):
        hit("retyped_column", to="bytes")


def test_only_columns_that_were_never_empty_become_nullable():
    out = hit("nullability", share=1.0)
    assert out.eligible == 5
    assert out.frame["left"].equals(FRAME["left"]) and out.frame["tag"].equals(FRAME["tag"])
    types = {c: str(out.frame[c].dtype) for c in INPUTS[:5]}
    assert types == {"amount_paid": "Float64", "itemCount": "Int64", "city": "object", "paid_on": "object", "member": "boolean"}
    assert out.frame[INPUTS[:5]].isna().all().all()


def test_about_the_share_of_the_rows_holds_nothing_and_the_rest_what_it_held():
    frame = pd.DataFrame({"n": np.arange(4000), "m": np.arange(4000.0)})
    out = hit("nullability", frame, ["n", "m"], share=0.2).frame
    gone = out.isna()
    assert gone.mean().tolist() == pytest.approx([0.2, 0.2], abs=0.032)  # five standard deviations
    assert (gone["n"] & gone["m"]).mean() == pytest.approx(0.04, abs=0.016)  # columns by their own draws
    assert (out["n"].dropna() == frame["n"][~gone["n"]]).all()


def test_the_share_that_holds_nothing_is_a_share():
    for share in (0.0, 1.5, -0.1):
        with pytest.raises(ValueError, match=r"share must be in \(0, 1\]"):
            hit("nullability", share=share)
