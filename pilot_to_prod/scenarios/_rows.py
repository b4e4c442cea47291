"""A batch of rows as scenarios see it: what is worth computing once is computed once."""

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios._draws import key_hashes
from pilot_to_prod.scenarios._kernels import hash_bytes
from pilot_to_prod.scenarios._text import Words, column_bytes, split_words
from pilot_to_prod.spec import canonical

UNKNOWN = "und"  # a language that cannot be told (ISO 639-2)
SURE = 0.7  # confidence from which a row's own language counts


def row_keys(
    frame: pd.DataFrame,
    id_column: str | None = None,  # the spec's id; None or absent from the frame: its index
) -> np.ndarray:  # unique canonical strings, shape (rows,), object
    "Row keys of a frame. Raises ValueError when one is missing or stands twice."
    source, where = _key_source(frame, id_column)
    keys = _canonical(source, where)
    twice = pd.Series(keys).duplicated(keep=False).to_numpy()
    if twice.any():
        names = list(dict.fromkeys(keys[twice]))
        shown = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
        raise ValueError(
            f"{where}: {int(twice.sum())} rows share their id ({shown}). Ids must be unique: a translation or a repeated "
            "measurement of one item keeps its own id and names the item in data.cluster."
        )
    return keys


def _key_source(frame: pd.DataFrame, id_column: str | None) -> tuple[pd.Series, str]:
    named = id_column is not None and id_column in frame
    source = frame[id_column] if named else frame.index.to_series()
    where = f"id column {id_column!r}" if named else "index"
    if source.isna().any():
        at = int(np.flatnonzero(source.isna())[0])
        raise ValueError(f"{where}: row {at} has no id. Every row needs one: fill it, or name another column in data.id.")
    return source, where


def _canonical(source: pd.Series, where: str) -> np.ndarray:
    if isinstance(source.dtype, pd.StringDtype) or pd.api.types.is_integer_dtype(source.dtype):
        return source.astype(str).to_numpy(dtype=object)
    return np.array([canonical(v) for v in source.tolist()], dtype=object)


class Rows:
    "Some rows with what is known of them: keys and their hashes, words and languages of text columns."

    def __init__(
        self,
        frame: pd.DataFrame,
        id_column: str | None = None,
        *,
        keys: np.ndarray | None = None,  # where they are known already: strings, or whole numbers
        confidence: np.ndarray | None = None,  # of the clean pilot, shape (rows,)
        unique: bool = False,  # keys are known to be unique
        keep: bool = False,  # the same rows will be corrupted again: keep what is found
    ) -> None:
        if confidence is not None and len(confidence) != len(frame):
            raise ValueError(f"confidence has {len(confidence)} values for {len(frame)} rows: pass one a row, in [0, 1].")
        self.frame, self.id_column, self.confidence = frame, id_column, confidence
        self.keep = keep
        self._keys, self._unique = keys, unique or keys is not None
        self.memo: dict[Any, Any] = {}  # what the last scenario found here

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def keys(self) -> np.ndarray:
        "Unique canonical strings, shape (rows,), object."
        if self._keys is not None:
            return self._keys if self._keys.dtype == object else self._keys.astype(str).astype(object)
        return _canonical(*_key_source(self.frame, self.id_column)) if self._unique else row_keys(self.frame, self.id_column)

    @cached_property
    def hashed(self) -> np.ndarray:
        "uint64 hash of each key. Raises ValueError when a key is missing or stands twice."
        if self._keys is not None:
            return key_hashes(self._keys)
        source, _ = _key_source(self.frame, self.id_column)
        if isinstance(source.dtype, np.dtype) and source.dtype.kind in "iu":
            hashes = key_hashes(source.to_numpy())
        elif isinstance(source.dtype, pd.StringDtype):
            data, offsets, _ = column_bytes(source)
            hashes = hash_bytes(data, offsets[:-1], np.diff(offsets))
        else:
            hashes = key_hashes(self.keys)
        by_index = self.id_column is None or self.id_column not in self.frame
        if not self._unique and not (by_index and isinstance(self.frame.index, pd.RangeIndex)):
            seen = np.sort(hashes)
            if (seen[1:] == seen[:-1]).any():
                row_keys(self.frame, self.id_column)
        return hashes

    def words(self, column: str, role: str) -> Words:
        "The words of a text column. Raises ValueError where a cell is no text."
        key = ("words", column)
        if key not in self.memo:
            self.memo[key] = split_words(as_text(self.frame[column], column, role))
        return self.memo[key]

    def languages(
        self,
        column: str,
        role: str,
        named: str | None,  # a column that says it
        default: str,  # for rows of which it cannot be told
    ) -> np.ndarray:
        "ISO 639-1 code of each row's text, shape (rows,), object."
        if named is not None and named in self.frame:
            told = (
                self.frame[named].astype(object).map(lambda v: default if pd.isna(v) else str(v).strip().lower()[:2] or default)
            )
            return told.to_numpy(dtype=object)
        key = ("languages", column)
        if key not in self.memo:
            from pilot_to_prod.scenarios._languages import detect

            self.memo[key] = detect(self.words(column, role).texts())
        found, sure = self.memo[key]
        return np.where((found == UNKNOWN) | (sure < SURE), default, found)


def as_text(series: pd.Series, column: str, role: str) -> pd.Series:
    "The cells as strings; in a category, what is not text counts as missing. Raises ValueError in a text column."
    if isinstance(series.dtype, pd.StringDtype):
        return series
    values = series.astype(object).tolist()
    out = [v if isinstance(v, str) else None for v in values]
    for i, v in enumerate(values):
        if role == "text" and not isinstance(v, str) and not (v is None or v is pd.NA or v != v):
            raise ValueError(
                f"column {column!r}, row {i}: text expected, got {type(v).__name__} {v!r}. "
                f"Read it as text (dtype 'str'), or give it the role number or category."
            )
    return pd.Series(np.array(out, dtype=object), index=series.index, dtype=object)
