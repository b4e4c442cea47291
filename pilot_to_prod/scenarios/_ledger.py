"""The record of a corruption: what stood where before, and what stands there now.

A record costs little: it keeps bit masks and byte positions beside the columns before and after, which are shared with the
frames, and makes tables when asked.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pilot_to_prod.scenarios._rows import Rows, row_keys
from pilot_to_prod.scenarios._text import Words

WHOLE = -1  # `start` of an entry that replaces a whole cell


@dataclass(frozen=True)
class Spans:
    "Edited units of text: where they were in the old bytes, and where they are in the new ones."

    words: Words
    which: np.ndarray  # positions of the units among the words
    row: np.ndarray  # position of the row of each
    data: np.ndarray  # new bytes of all rows
    grown: np.ndarray  # bytes that each unit grew by

    @property
    def start(self) -> np.ndarray:
        "Code points from the start of the old text."
        return self.words.points_before(self.words.start[self.which], self.row)

    @property
    def old(self) -> np.ndarray:
        return _objects(self.words.strings(self.which))

    @property
    def new(self) -> np.ndarray:
        after = np.cumsum(self.grown)
        start, end = self.words.start[self.which] + after - self.grown, self.words.end[self.which] + after
        raw = self.data.tobytes()
        return _objects([raw[a:b].decode() for a, b in zip(start.tolist(), end.tolist(), strict=True)])


def _objects(values: list[Any]) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


@dataclass(frozen=True)
class ColumnLedger:
    "Entries of one column in row order: code point spans of the old text, or whole cells."

    column: str
    before: pd.Series
    after: pd.Series
    rows: Rows = field(repr=False)  # for the keys
    mask: np.ndarray | None = None  # packed bits of the rows hit, for whole cells
    spans: Spans | None = None

    def __len__(self) -> int:
        if self.spans is not None:
            return len(self.spans.which)
        assert self.mask is not None
        return int(np.bitwise_count(self.mask).sum())

    @property
    def dtype(self) -> Any:
        return self.before.dtype

    @property
    def dtype_after(self) -> Any:
        return self.after.dtype

    @property
    def where(self) -> np.ndarray:
        "Row position of each entry."
        if self.spans is not None:
            return self.spans.row
        assert self.mask is not None
        return np.flatnonzero(np.unpackbits(self.mask, count=len(self.before)))

    @cached_property
    def keys(self) -> np.ndarray:
        "Row key of each entry, shape (n,)."
        return self.rows.keys[self.where]

    @cached_property
    def start(self) -> np.ndarray:
        "Code points from the start of the old text; WHOLE for a cell."
        return np.full(len(self), WHOLE) if self.spans is None else self.spans.start

    @cached_property
    def old(self) -> np.ndarray:
        return self._cells(self.before) if self.spans is None else self.spans.old

    @cached_property
    def new(self) -> np.ndarray:
        return self._cells(self.after) if self.spans is None else self.spans.new

    def _cells(self, series: pd.Series) -> np.ndarray:
        return series.iloc[self.where].astype(object).to_numpy()

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

    def run(self, frame: pd.DataFrame, keys: np.ndarray, *, back: bool) -> tuple[pd.DataFrame, np.ndarray]:
        "The frame after (or, with `back`, before) the entries; rows are found by key."
        if not len(self) and self.dtype == self.dtype_after:
            return frame, keys
        out = frame.copy(deep=False)
        if back and self.spans is None and self.dtype != self.dtype_after:  # what another type may have rounded, too
            at = pd.Index(self.rows.keys).get_indexer(pd.Index(keys))
            if (at >= 0).all():
                out[self.column] = self.before.iloc[at].set_axis(frame.index)
                return out, keys
        series = out[self.column]
        values = series.astype(object).tolist()
        rows = pd.Index(keys).get_indexer(pd.Index(self.keys))
        before, after = (self.new, self.old) if back else (self.old, self.new)
        self._restored(values, rows, before, after, back)
        made = pd.Series(values, index=series.index, dtype=object, name=series.name)
        out[self.column] = made.astype(self.dtype if back else self.dtype_after)
        return out, keys


@dataclass(frozen=True)
class SchemaLedger:
    "Columns as they were and as they are: names, order, types and values."

    before: pd.DataFrame = field(repr=False)
    after: pd.DataFrame = field(repr=False)
    rows: Rows = field(repr=False)
    names: tuple[str, ...]  # columns that were hit

    def __len__(self) -> int:
        return len(self.names)

    @property
    def column(self) -> str:
        return "*"

    def table(self) -> pd.DataFrame:
        "One row a column that differs: column, key, start, old type, new type."
        said = []
        order_before, order_after = list(self.before.columns), list(self.after.columns)
        for name in dict.fromkeys([*order_before, *order_after]):
            old, new = (_described(f, name) for f in (self.before, self.after))
            same = name in order_before and name in order_after and self.before[name].equals(self.after[name])
            if old != new or not same:
                said.append((name, "*", WHOLE, old, new))
        if not said and order_before != order_after:
            said = [(n, "*", WHOLE, f"place {order_before.index(n)}", f"place {order_after.index(n)}") for n in self.names]
        return pd.DataFrame(said, columns=["column", "key", "start", "old", "new"])

    def run(self, frame: pd.DataFrame, keys: np.ndarray, *, back: bool) -> tuple[pd.DataFrame, np.ndarray]:
        "The frame with the other set of columns; columns that neither names stay where they can."
        here, there = (self.after, self.before) if back else (self.before, self.after)
        at = pd.Index(self.rows.keys).get_indexer(pd.Index(keys))
        if (at < 0).any():
            raise ValueError(
                f"the ledger knows nothing of row {keys[int(np.flatnonzero(at < 0)[0])]!r}: undo the frame it belongs to."
            )
        touched = [n for n in there if n not in here or not there[n].equals(here[n])]
        made = {n: there[n].iloc[at].set_axis(frame.index) if n in touched else frame[n] for n in there}
        return pd.DataFrame(made, index=frame.index, columns=list(there.columns)), keys


def _described(frame: pd.DataFrame, name: str) -> str:
    return str(frame[name].dtype) if name in frame else "(not there)"


@dataclass(frozen=True)
class RowLedger:
    "Rows that did not arrive, arrived again, or arrived in another order."

    before: Rows = field(repr=False)
    after: Rows = field(repr=False)
    source: np.ndarray = field(repr=False)  # row before of each row after, in order of arrival
    copy: np.ndarray = field(repr=False)  # 0 for the row itself, 1, 2, … for copies
    delay: np.ndarray = field(repr=False)  # of each row after, in mean gaps

    @property
    def column(self) -> str:
        return "*"

    def __len__(self) -> int:
        return len(self.table())

    def table(self) -> pd.DataFrame:
        "One row an operation: column, key, start, old place, new place; dropped rows have no new place, copies no old one."
        keys, n = self.before.keys, len(self.before)
        arrived = np.zeros(n, bool)
        arrived[self.source] = True
        gone = np.flatnonzero(~arrived)
        moved = np.flatnonzero((self.copy == 0) & (self.delay > 0))
        again = np.flatnonzero(self.copy > 0)
        none = np.full(max(len(gone), len(again)), None, dtype=object)
        return pd.DataFrame(
            {
                "column": "*",
                "key": np.concatenate([keys[gone], keys[self.source[again]], keys[self.source[moved]]]),
                "start": WHOLE,
                "old": np.concatenate([gone.astype(object), none[: len(again)], self.source[moved].astype(object)]),
                "new": np.concatenate([none[: len(gone)], again.astype(object), moved.astype(object)]),
            }
        )

    def run(self, frame: pd.DataFrame, keys: np.ndarray, *, back: bool) -> tuple[pd.DataFrame, np.ndarray]:
        "All rows as they were sent, or as they arrived. Raises ValueError unless the frame is in the recorded order."
        known = self.after.keys if back else self.before.keys
        if len(known) != len(keys) or (known != keys).any():
            raise ValueError(
                "rows were dropped, doubled or moved: the ledger needs the frame in the order in which it came out."
            )
        if not back:
            return frame.iloc[self.source], self.after.keys
        n = len(self.before)
        first = np.full(n, -1, np.int64)
        own = np.flatnonzero(self.copy == 0)
        first[self.source[own]] = own
        gone = np.flatnonzero(first < 0)
        if not len(gone):
            return frame.iloc[first], self.before.keys
        both = pd.concat([frame, self.before.frame.iloc[gone]])
        first[gone] = len(frame) + np.arange(len(gone))
        return both.iloc[first], self.before.keys


Entries = ColumnLedger | SchemaLedger | RowLedger


@dataclass(frozen=True)
class Ledger:
    "Everything a corruption did, in order of stages: entries of columns, operations on rows and on the schema."

    stages: tuple[tuple[Entries, ...], ...] = ()
    schema: tuple[dict[str, str], ...] = ()  # columns whose type or name changed
    id_column: str | None = None

    def __len__(self) -> int:
        return sum(len(c) for stage in self.stages for c in stage)

    @property
    def rows(self) -> pd.DataFrame:
        "Operations on rows: key, old place, new place."
        tables = [c.table() for stage in self.stages for c in stage if isinstance(c, RowLedger)]
        found = (
            pd.concat(tables, ignore_index=True) if tables else pd.DataFrame({"key": [], "old": [], "new": []}, dtype=object)
        )
        return found[["key", "old", "new"]]

    def table(self, column: str | None = None) -> pd.DataFrame:
        "All entries, or those of one column, one row each: stage, column, key, start, old, new."
        tables = [c.table().assign(stage=i) for i, stage in enumerate(self.stages) for c in stage if column in (None, c.column)]
        tables = [t for t in tables if len(t)]
        names = ["stage", "column", "key", "start", "old", "new"]
        if not tables:
            return pd.DataFrame({n: [] for n in names}, dtype=object)
        return pd.concat([t.astype({"old": object, "new": object}) for t in tables], ignore_index=True)[names]

    def undo(self, frame: pd.DataFrame) -> pd.DataFrame:
        "The frame as it was: the same rows, in any order; in the order they came out where rows were dropped, doubled or moved."
        keys, out = self._last_keys(frame), frame
        for stage in reversed(self.stages):
            for entries in reversed(stage):
                out, keys = entries.run(out, keys, back=True)
        return out

    def replay(self, frame: pd.DataFrame) -> pd.DataFrame:
        "Do the recorded changes to a clean frame again, without any randomness."
        keys, out = row_keys(frame, self.id_column), frame
        for stage in self.stages:
            for entries in stage:
                out, keys = entries.run(out, keys, back=False)
        return out

    def blame(self, key: str) -> pd.DataFrame:
        "What happened to one row."
        table = self.table()
        return table[table["key"] == str(key)].reset_index(drop=True)

    def _last_keys(self, frame: pd.DataFrame) -> np.ndarray:
        moves = [c for stage in self.stages for c in stage if isinstance(c, RowLedger)]
        if not moves:
            return row_keys(frame, self.id_column)
        known = moves[-1].after.keys
        if len(known) != len(frame):
            raise ValueError(f"the corrupted frame had {len(known)} rows; got {len(frame)}. Undo the frame that came out.")
        return known
