"""The record of a corruption: what stood where before, and what stands there now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pilot_to_prod.spec import canonical

WHOLE = -1  # `start` of an entry that replaces a whole cell


def row_keys(
    frame: pd.DataFrame,
    id_column: str | None = None,  # the spec's id; None or absent from the frame: its index
) -> np.ndarray:  # unique canonical strings, shape (rows,), object
    "Row keys of a frame. Raises ValueError when one is missing or stands twice."
    source = frame[id_column] if id_column is not None and id_column in frame else frame.index.to_series()
    where = f"id column {id_column!r}" if id_column is not None and id_column in frame else "index"
    if source.isna().any():
        at = int(np.flatnonzero(source.isna())[0])
        raise ValueError(f"{where}: row {at} has no id. Every row needs one: fill it, or name another column in data.id.")
    if isinstance(source.dtype, pd.StringDtype) or pd.api.types.is_integer_dtype(source.dtype):
        keys = source.astype(str).to_numpy(dtype=object)
    else:
        keys = np.array([canonical(v) for v in source.tolist()], dtype=object)
    twice = pd.Series(keys).duplicated(keep=False).to_numpy()
    if twice.any():
        names = list(dict.fromkeys(keys[twice]))
        shown = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
        raise ValueError(
            f"{where}: {int(twice.sum())} rows share their id ({shown}). Ids must be unique: a translation or a repeated "
            "measurement of one item keeps its own id and names the item in data.cluster."
        )
    return keys


@dataclass(frozen=True)
class ColumnLedger:
    "Entries of one column in row order: code point spans of the old text, or whole cells."

    column: str
    dtype: Any  # before
    dtype_after: Any
    keys: np.ndarray  # row key of each entry, shape (n,)
    start: np.ndarray  # code points from the start of the old text; WHOLE for a cell
    old: np.ndarray
    new: np.ndarray

    def __len__(self) -> int:
        return len(self.keys)

    def table(self) -> pd.DataFrame:
        "One row an entry: column, key, start, old, new."
        return pd.DataFrame({"column": self.column, "key": self.keys, "start": self.start, "old": self.old, "new": self.new})

    def _restored(self, values: list[Any], rows: np.ndarray, before: np.ndarray, after: np.ndarray, back: bool) -> None:
        entry, n = 0, len(self)
        starts = self.start.tolist()
        while entry < n:
            row, key = rows[entry], self.keys[entry]
            if starts[entry] == WHOLE:
                if row >= 0:
                    values[row] = after[entry]
                entry += 1
                continue
            pieces, at, drift = [], 0, 0
            text = values[row] if row >= 0 else ""
            while entry < n and self.keys[entry] == key:
                a = starts[entry] + (drift if back else 0)
                pieces += [text[at:a], after[entry]]
                at = a + len(before[entry])
                drift += len(before[entry]) - len(after[entry])
                entry += 1
            if row >= 0:
                values[row] = "".join(pieces) + text[at:]

    def apply(self, series: pd.Series, keys: np.ndarray, *, back: bool) -> pd.Series:
        "The column after (or, with `back`, before) the entries; rows are found by key."
        if not len(self):
            return series
        values = series.astype(object).tolist()
        rows = pd.Index(keys).get_indexer(pd.Index(self.keys))
        before, after = (self.new, self.old) if back else (self.old, self.new)
        self._restored(values, rows, before, after, back)
        out = pd.Series(values, index=series.index, dtype=object, name=series.name)
        return out.astype(self.dtype if back else self.dtype_after)


@dataclass(frozen=True)
class Ledger:
    "Everything a corruption did: entries a column, then operations on rows and on the schema, in order of stages."

    stages: tuple[tuple[ColumnLedger, ...], ...] = ()
    rows: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"operation": [], "key": [], "position": []}, dtype=object))
    schema: tuple[dict[str, str], ...] = ()
    id_column: str | None = None

    def __len__(self) -> int:
        return sum(len(c) for stage in self.stages for c in stage) + len(self.rows) + len(self.schema)

    def table(self, column: str | None = None) -> pd.DataFrame:
        "All entries, or those of one column, one row each: stage, column, key, start, old, new."
        tables = [c.table().assign(stage=i) for i, stage in enumerate(self.stages) for c in stage if column in (None, c.column)]
        names = ["stage", "column", "key", "start", "old", "new"]
        if not tables:
            return pd.DataFrame({n: [] for n in names}, dtype=object)
        return pd.concat([t.astype({"old": object, "new": object}) for t in tables], ignore_index=True)[names]

    def undo(self, frame: pd.DataFrame) -> pd.DataFrame:
        "The frame as it was: the same rows, in any order."
        return self._run(frame, tuple(reversed(self.stages)), back=True)

    def replay(self, frame: pd.DataFrame) -> pd.DataFrame:
        "Do the recorded changes to a clean frame again, without any randomness."
        return self._run(frame, self.stages, back=False)

    def blame(self, key: str) -> pd.DataFrame:
        "What happened to one row."
        table = self.table()
        return table[table["key"] == str(key)].reset_index(drop=True)

    def _run(self, frame: pd.DataFrame, stages: Sequence[tuple[ColumnLedger, ...]], *, back: bool) -> pd.DataFrame:
        keys, out = row_keys(frame, self.id_column), frame.copy(deep=False)
        for stage in stages:
            for entries in stage:
                out[entries.column] = entries.apply(out[entries.column], keys, back=back)
        return out
