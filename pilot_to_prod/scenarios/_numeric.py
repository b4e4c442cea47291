"""Columns of numbers: what is learnt of them, and numbers moved, rounded and clipped within their own type."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios._kinds import Place


def _number(v: Any) -> float:
    "A number as a float; nan for anything else, truth values and text among it."
    if isinstance(v, bool | np.bool_) or not isinstance(v, int | float | np.number):
        return np.nan
    try:
        return float(v)
    except (OverflowError, TypeError):
        return np.nan


def floats(values: pd.Series) -> np.ndarray:
    "The numbers of a column; nan where there is none."
    if pd.api.types.is_bool_dtype(values.dtype):
        return np.full(len(values), np.nan)
    if pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_complex_dtype(values.dtype):
        return values.to_numpy(float, na_value=np.nan)
    return np.array([_number(v) for v in values.astype(object)], float)


def type_of(values: pd.Series) -> np.dtype:
    "The numpy type of a column of numbers; object for a mixed one."
    found: Any = values.dtype
    found = getattr(found, "numpy_dtype", found)
    return found if isinstance(found, np.dtype) and found.kind in "iuf" else np.dtype(object)


def learn_numbers(reference: pd.Series, place: Place, **params: Any) -> dict[str, Any] | None:
    "Spread, quartiles and range of a column, and whether its numbers are whole; None where it has no number."
    x = floats(reference)
    x = x[np.isfinite(x)]
    if not len(x):
        return None
    low, middle, high = np.quantile(x, (0.25, 0.5, 0.75))
    with np.errstate(over="ignore", invalid="ignore"):
        std, whole = float(x.std()), bool((x == np.rint(x)).all())
    spread = next((float(v) for v in (high - low, std, abs(middle)) if v > 0), 1.0)
    return {"std": std, "low": float(low), "high": float(high), "spread": spread, "whole": whole, "least": float(x.min())}


def reachable(values: pd.Series, reach: float) -> np.ndarray:
    "Numbers that stay finite in their own type when moved that far."
    x, kind = floats(values), type_of(values)
    top = float(np.finfo(kind).max) if kind.kind == "f" else 2.0**62
    with np.errstate(over="ignore", invalid="ignore"):
        return np.isfinite(x) & (np.abs(x) + reach < top)


def moved(v: Any, by: float, whole: bool, floor: float, kind: np.dtype) -> Any:
    "A number moved, and another one for certain: whole numbers stay whole, and none leaves its type or falls below the floor."
    exact = isinstance(v, int | np.integer)
    step = round(by) if exact or whole else by
    new = (int(v) if exact else v) + step
    if new < floor <= v:
        new = 2 * math.ceil(floor) - new if exact or whole else 2 * floor - new
    if kind.kind in "iu":
        new = min(max(new, int(np.iinfo(kind).min)), int(np.iinfo(kind).max))
    if new == v:
        new = v + (1 if by > 0 else -1) if exact or whole else v
    if exact and (new < floor <= v or (kind.kind in "iu" and not np.iinfo(kind).min <= new <= np.iinfo(kind).max)):
        new = 2 * v - new
    return new


def unlike(new: list[Any], values: pd.Series) -> Any:
    "The new numbers in the type of the column; a float that came back as it was becomes the next one."
    kind = type_of(values)
    if kind.kind in "iu":
        return np.array(new, dtype=kind)
    if kind.kind == "f":
        fresh, old = np.array(new, dtype=kind), values.to_numpy(kind)
        return np.where(fresh == old, np.nextafter(old, kind.type(np.inf)), fresh)
    pairs = zip(new, values.tolist(), strict=True)
    return np.array(
        [math.nextafter(a, math.inf) if a == b and isinstance(b, float) else a for a, b in pairs] + [None], dtype=object
    )[:-1]


def outlying(v: Any, edge: float, by: float, whole: bool) -> Any:
    "A value beyond an edge of the reference, and another than before."
    new = edge + by
    if isinstance(v, int | np.integer) or whole:
        found = math.ceil(new) if by > 0 else math.floor(new)
        found += 0 if found != v else 1 if by > 0 else -1
        return found if isinstance(v, int | np.integer) else float(found)
    return new


def _coarse(digits: int, step: float | None) -> None:
    if step is not None and not 0 < step < math.inf:
        raise ValueError(f"step must be a number above 0; got {step!r}. Leave it out to round to significant digits.")
    if isinstance(digits, bool) or not isinstance(digits, int) or not 1 <= digits <= 17:
        raise ValueError(f"digits must be a whole number from 1 to 17; got {digits!r}.")


def _rounded(v: Any, digits: int, step: float | None) -> Any:
    "A number with so many significant digits, or the nearest multiple of the step; ties go to the even one."
    exact = isinstance(v, int | np.integer)
    number = Decimal(int(v)) if exact else Decimal(repr(float(v)))
    if step is None:
        unit = Decimal(1).scaleb(number.adjusted() - digits + 1) if number else Decimal(1)
    else:
        unit = Decimal(repr(step))
    found = (number / unit).to_integral_value() * unit
    return int(found.to_integral_value()) if exact else float(found)


def rounded_column(values: pd.Series, digits: int, step: float | None) -> tuple[np.ndarray, Any]:
    "Which numbers rounding changes, and all of them rounded, in the type of the column."
    _coarse(digits, step)
    ok = reachable(values, abs(step or 0.0))
    kind, old = type_of(values), values.tolist()
    new = [_rounded(v, digits, step) if good else None for v, good in zip(old, ok, strict=True)]
    if kind.kind in "iu":
        near = np.iinfo(kind)
        ok &= np.array([v is not None and near.min <= v <= near.max for v in new], bool)
    elif kind.kind == "f":
        with np.errstate(over="ignore"):
            new = [None if v is None else kind.type(v) for v in new]
        ok &= np.array([v is not None and bool(np.isfinite(v)) for v in new], bool)
    return ok & np.array([a != b for a, b in zip(new, old, strict=True)], bool), new


def learn_range(reference: pd.Series, place: Place, *, lower: float | None, upper: float | None) -> tuple[float, float] | None:
    "The ends of the range: values that occur in the reference."
    ends = (0.0 if lower is None else lower, 1.0 if upper is None else upper)
    if not 0 <= ends[0] < ends[1] <= 1 or (lower is None and upper is None):
        raise ValueError(
            f"lower and upper must be quantiles, 0 ≤ lower < upper ≤ 1; got {lower!r} and {upper!r}. Pass 0.1 and 0.9."
        )
    x = floats(reference)
    x = x[np.isfinite(x)]
    if not len(x):
        return None
    low, high = np.quantile(x, ends, method="inverted_cdf")
    return (-np.inf if lower is None else float(low), np.inf if upper is None else float(high))
