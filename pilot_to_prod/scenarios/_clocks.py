"""Moments moved on the clock, each written as it was: texts in ISO 8601, dates, datetimes, columns of either."""

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd

_TEXT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:(?P<sep>[T ])(?P<clock>\d\d:\d\d)(?P<seconds>:\d\d)?(?P<part>[.,]\d{1,9})?(?P<zone> ?(?:Z|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)
_FAR = 9.2e18  # ticks of a clock, beyond which nothing is moved
MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}  # in a tick; a nanosecond is a thousandth


def _read(text: str) -> tuple[re.Match[str], datetime] | None:
    "A text in ISO 8601 and its wall clock, without the fraction of a second."
    found = _TEXT.fullmatch(text)
    if found is None or (found["part"] and not found["seconds"]):
        return None
    try:
        return found, datetime.fromisoformat(f"{found['day']}T{found['clock'] or '00:00'}{found['seconds'] or ':00'}")
    except ValueError:
        return None


def _write(found: re.Match[str], when: datetime, zone: str) -> str:
    "The moment in the form of the text that it was read from."
    if not found["sep"]:
        return f"{when:%Y-%m-%d}".zfill(10)
    clock = f"{when:%H:%M:%S}" if found["seconds"] else f"{when:%H:%M}"
    return f"{when:%Y-%m-%d}".zfill(10) + found["sep"] + clock + (found["part"] or "") + zone


def shifted(value: Any, by: timedelta) -> Any:  # None: it is no moment, or leaves the calendar
    "A moment moved on its own clock and written as before: what has no time of day moves by whole days only."
    try:
        if isinstance(value, str):
            read = _read(value)
            return None if read is None else _write(read[0], read[1] + by, read[0]["zone"] or "")
        return value + by if isinstance(value, date) and value is not pd.NaT else None
    except (OverflowError, pd.errors.OutOfBoundsDatetime):
        return None


def zoned(value: Any, by: timedelta) -> Any:  # None: it has no time of day, or leaves the calendar
    "The same moment by the clock of another zone that it names; one that names its zone loses the name."
    zone = timezone(by)
    try:
        if isinstance(value, str):
            read = _read(value)
            if read is None or not read[0]["sep"]:
                return None
            return _write(read[0], read[1], "") if read[0]["zone"] else _write(read[0], read[1] + by, _offset(by))
        if not isinstance(value, datetime) or value is pd.NaT:
            return None
        return (value + by).replace(tzinfo=zone) if value.tzinfo is None else value.replace(tzinfo=None)
    except (OverflowError, pd.errors.OutOfBoundsDatetime):
        return None


def _offset(by: timedelta) -> str:
    minutes = int(by.total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def only_days(series: pd.Series) -> np.ndarray:
    "Which cells hold a day without a time: texts and dates without one, and midnights of a column of moments."
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        local = series.dt.tz_localize(None)
        return (local == local.dt.floor("D")).to_numpy(bool, na_value=False)
    values = series.astype(object).tolist()
    return np.array([len(v) == 10 if isinstance(v, str) else not isinstance(v, datetime) for v in values], bool)


def moved(
    series: pd.Series,
    micros: np.ndarray,  # how far each cell moves, in microseconds, a hundred years at most
) -> pd.Series:  # missing: a cell that does not move
    "Each moment of a column moved; a column of moments keeps its type."
    if not pd.api.types.is_datetime64_any_dtype(series.dtype):
        old = series.astype(object).tolist()
        new = [shifted(v, timedelta(microseconds=m)) for v, m in zip(old, micros.tolist(), strict=True)]
        made = [None if n is None or n == v else n for n, v in zip(new, old, strict=True)]
        return pd.Series(made, index=series.index, name=series.name, dtype=object)
    index = pd.DatetimeIndex(series)
    ticks, unit = index.asi8, index.unit
    steps = micros * 1000 if unit == "ns" else np.fix(micros / MICROSECONDS[unit]).astype(np.int64)
    stays = index.isna() | (steps == 0) | (np.abs(ticks.astype(float) + steps) > _FAR)
    after = pd.DatetimeIndex((ticks + np.where(stays, 0, steps)).view(f"M8[{unit}]"))
    if index.tz is not None:
        after = after.tz_localize("UTC").tz_convert(index.tz)
    return pd.Series(after, index=series.index, name=series.name).where(~stays)
