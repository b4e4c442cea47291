"""Cells of a column replaced, in the narrowest type that a feed would deliver, and the record of it."""

from typing import Any

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios._kernels import blanked
from pilot_to_prod.scenarios._ledger import ColumnLedger
from pilot_to_prod.scenarios._rows import Rows


def filled(series: pd.Series) -> np.ndarray | None:
    "Cells that are not missing, bool; None for all of them."
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "iufb":
        values = series.to_numpy()
        if series.dtype.kind != "f" or not len(values) or not np.isnan(values.min()):  # a minimum is nan where any value is
            return None
    return series.notna().to_numpy()


class Room:
    "Memory for several columns of floats at once: one large piece costs the system less than many small ones."

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows, self._left = columns, rows, list[np.ndarray]()

    def column(self) -> np.ndarray:
        "The next column, shape (rows,), not filled."
        if not self._left:
            self._left = list(np.empty((max(self.columns, 1), self.rows)))
        return self._left.pop()


def assigned(
    series: pd.Series,
    hit: np.ndarray,  # rows, bool
    new: Any,  # a value a hit row, in order; pd.NA: all of them missing
    rows: Rows,
    room: Room | None = None,  # where the column is put, if it is one of floats whose cells go missing
    forced: Any = None,  # the type that the hits of other batches force on it; object keeps every value as it is
) -> ColumnLedger:
    "The column with some cells replaced. Raises ValueError when the number of values is another."
    mixed = forced == np.dtype(object)
    if new is pd.NA and not mixed:
        return ColumnLedger(str(series.name), series, _vanished(series, hit, room), rows, np.packbits(hit))
    where = np.flatnonzero(hit)
    new = [pd.NA] * len(where) if new is pd.NA else new
    if len(new) != len(where):
        raise ValueError(
            f"a change of {series.name!r} returned {len(new)} values for {len(where)} cells; it must return one each."
        )
    return ColumnLedger(str(series.name), series, _replaced(series, where, new, mixed), rows, np.packbits(hit))


def _vanished(series: pd.Series, hit: np.ndarray, room: Room | None) -> pd.Series:
    same = isinstance(series.dtype, np.dtype) and series.dtype.kind == "f"
    dtype = series.dtype if same else type_after(series, pd.Series([], dtype=object), True)
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        values = (room or Room(1, len(series))).column() if dtype == np.float64 else np.empty(len(series), dtype)
        blanked(series.to_numpy(), hit, values)
        return pd.Series(values, index=series.index, name=series.name, copy=False)
    if dtype == np.dtype(object):
        values = series.astype(object).to_numpy(copy=True)
        values[hit] = np.nan
        return pd.Series(values, index=series.index, name=series.name, dtype=object)
    array = series.array.copy() if series.dtype == dtype else series.astype(dtype).array.copy()
    array[hit] = pd.NaT if pd.api.types.is_datetime64_any_dtype(dtype) else pd.NA
    return pd.Series(array, index=series.index, name=series.name, copy=False)


def _replaced(series: pd.Series, where: np.ndarray, new: Any, mixed: bool) -> pd.Series:
    dtype: Any = series.dtype
    given = np.asarray(new) if isinstance(new, np.ndarray | pd.Series) else None
    plain = given is not None and given.dtype.kind in "fiu" and isinstance(dtype, np.dtype) and dtype.kind in "fiu"
    if given is not None and plain and not mixed and not (given.dtype.kind == "f" and np.isnan(given).any()):
        found = dtype if _holds(dtype, given) else _lossless(series, np.result_type(dtype, given.dtype))
        if found == np.dtype(object):
            given = given.astype(object)
        values = series.to_numpy(dtype=found, copy=True)
        values[where] = given
        return pd.Series(values, index=series.index, name=series.name, copy=False)
    fresh = np.empty(len(where), dtype=object)
    fresh[:] = list(new)
    gone = np.asarray(pd.isna(fresh), dtype=bool)
    if isinstance(dtype, pd.StringDtype) and not mixed and _is_text(fresh[~gone]):
        fresh[gone] = None
        out = series.copy()
        out.iloc[where] = pd.array(fresh, dtype=dtype)
        return out
    dtype = np.dtype(object) if mixed else type_after(series, pd.Series(fresh[~gone]).infer_objects(), bool(gone.any()))
    if dtype == np.dtype(object):
        values = series.astype(object).to_numpy(copy=True)
        values[where] = fresh
        values[where[gone]] = pd.NaT if pd.api.types.is_datetime64_any_dtype(series.dtype) else np.nan  # as the others are
        return pd.Series(values, index=series.index, name=series.name, dtype=object)
    out = series.astype(dtype) if dtype != series.dtype else series.copy()
    out.iloc[where] = pd.Series(fresh, index=out.index[where]).where(~gone, None).astype(dtype).array
    return out


def _is_text(values: np.ndarray) -> bool:
    "Whether values are strings, all of them."
    return pd.api.types.infer_dtype(values, skipna=False) in ("string", "empty")


def type_after(series: pd.Series, kept: pd.Series, gone: bool) -> Any:
    "The type of a column once some cells hold `kept` values, or, with `gone`, nothing."
    dtype: Any = series.dtype
    none = not len(kept)
    if pd.api.types.is_bool_dtype(dtype) and not isinstance(dtype, pd.CategoricalDtype):
        holds = (none or pd.api.types.is_bool_dtype(kept.dtype)) and (isinstance(dtype, pd.BooleanDtype) or not gone)
        return dtype if holds else np.dtype(object)
    if pd.api.types.is_numeric_dtype(dtype):
        return _number_after(series, kept, gone) if none or pd.api.types.is_numeric_dtype(kept.dtype) else np.dtype(object)
    if isinstance(dtype, pd.StringDtype):
        return dtype if isinstance(kept.dtype, pd.StringDtype) or _is_text(kept.to_numpy()) else np.dtype(object)
    if isinstance(dtype, pd.CategoricalDtype):
        return dtype if kept.isin(dtype.categories).all() else np.dtype(object)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        if none or not pd.api.types.is_datetime64_any_dtype(kept.dtype):
            return dtype if none else np.dtype(object)
        if str(getattr(dtype, "tz", None)) != str(getattr(kept.dtype, "tz", None)):
            return np.dtype(object)
        far = (
            getattr(dtype, "unit", np.datetime_data(dtype)[0] if isinstance(dtype, np.dtype) else "") == "ns"
            and kept.dt.year.max() > 2261
        )
        return (
            (pd.DatetimeTZDtype("us", dtype.tz) if isinstance(dtype, pd.DatetimeTZDtype) else np.dtype("datetime64[us]"))
            if far
            else dtype
        )
    return np.dtype(object)


def _number_after(series: pd.Series, kept: pd.Series, gone: bool) -> Any:
    "Whole numbers stay whole where they can: with a gap they become floats, or nullable where a float cannot hold them."
    dtype: Any = series.dtype
    values = kept.to_numpy()
    if not isinstance(dtype, np.dtype):
        if not len(kept) or np.can_cast(values.dtype, dtype.numpy_dtype):
            return dtype
        return pd.Float64Dtype() if values.dtype.kind == "f" else pd.Int64Dtype()
    found = dtype if not len(kept) or _holds(dtype, values) else _lossless(series, np.result_type(dtype, values.dtype))
    if gone and found.kind in "iu":
        wide = series.dropna().abs().max() > 2**53 if len(series.dropna()) else False
        return (pd.Int64Dtype() if found.kind == "i" else pd.UInt64Dtype()) if wide else np.dtype("float64")
    return found


def _lossless(series: pd.Series, found: np.dtype[Any]) -> np.dtype[Any]:
    "A float type only where it holds every whole number of the column."
    long = (
        series.dtype.kind in "iu"
        and found.kind == "f"
        and len(series)
        and bool((series.abs() > 2**53).any() or (series.min() < -(2**53)))
    )
    return np.dtype(object) if long else found


def _holds(dtype: np.dtype[Any], values: np.ndarray) -> bool:
    "Whether a column's type holds some numbers of the same kind exactly."
    if dtype.kind != values.dtype.kind:
        return False
    with np.errstate(over="ignore"):
        return bool((values.astype(dtype) == values).all())


def differing(entries: ColumnLedger, hit: np.ndarray) -> int:
    "Entries whose new value is another than the old; a missing value is not another than a missing one."
    before, after = entries.before, entries.after
    if all(isinstance(s.dtype, np.dtype) and s.dtype.kind in "fiu" for s in (before, after)):
        old, new = before.to_numpy(), after.to_numpy()
        other = old != new  # true of two missing values, too
        other &= hit
        both = np.isnan(new) if new.dtype.kind == "f" and old.dtype.kind == "f" else None
        if both is not None and both.any():
            both &= np.isnan(old)
            both &= hit
            return int(np.count_nonzero(other) - np.count_nonzero(both))
        return int(np.count_nonzero(other))
    if isinstance(before.dtype, pd.StringDtype) and before.dtype == after.dtype:
        was, now = before.array[hit], after.array[hit]
        unlike = (pd.Series(was) != pd.Series(now)).to_numpy(bool, na_value=True)  # true of two missing values, too
        return int(np.count_nonzero(unlike & ~(was.isna() & now.isna())))
    old, new = entries.old, entries.new
    gone = np.asarray(pd.isna(old), bool) & np.asarray(pd.isna(new), bool)
    same = np.fromiter((type(a) is type(b) and a == b for a, b in zip(old, new, strict=True)), bool, len(old))
    return int(np.count_nonzero(~(gone | same)))
