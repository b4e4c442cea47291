"""Where replay rows come from: memory, or a Parquet file that is read batch by batch as often as it is needed."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd

from pilot_to_prod.pilot import Pilot, data_problems, one_class
from pilot_to_prod.scenarios import Rows, row_keys
from pilot_to_prod.spec import SpecError, canonical
from pilot_to_prod.stress._replay import ReplayError, coded_truth

_SPILL = 1 << 20  # rows from which finished answers wait on disk


class Held:
    "Replay rows in memory, in key order; words and keys of a batch are found once for all scenarios."

    unique = True

    def __init__(self, pilot: Pilot, batch_rows: int) -> None:
        frame = pilot.replay_set
        if pilot.spec.data.id is None:
            frame = frame.reset_index(drop=True)
        keys = row_keys(frame, pilot.spec.data.id)
        order = np.argsort(keys.astype(str), kind="stable")
        self.pilot, self.frame, self.keys, self.batch_rows = pilot, frame.iloc[order], keys[order], batch_rows
        self.truth = coded_truth(pilot, self.frame[pilot.spec.data.label])
        self._rows: list[Rows] = []
        self.told(None)

    def told(self, confidence: np.ndarray | None) -> None:
        "How sure the clean pilot is of each row, for scenarios that ask."
        cuts = range(0, len(self.frame), self.batch_rows)
        self._rows = [self._batch(slice(i, i + self.batch_rows), confidence) for i in cuts]

    def _batch(self, at: slice, confidence: np.ndarray | None) -> Rows:
        sure = None if confidence is None else confidence[at]
        return Rows(self.frame.iloc[at], self.pilot.spec.data.id, keys=self.keys[at], confidence=sure, keep=True)

    def __iter__(self) -> Iterator[Rows]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def places(self) -> np.ndarray:
        "Where each row stands in key order."
        return np.arange(len(self))

    def columns(self, names: list[str]) -> pd.DataFrame:
        "Some columns of all rows, in key order."
        return self.frame[[n for n in dict.fromkeys(names) if n in self.frame]]

    def placed(self, values: np.ndarray) -> np.ndarray:
        "Values in the order of the batches, as values in key order."
        return values

    @property
    def ordered_keys(self) -> Any:
        return self.keys

    @cached_property
    def hash(self) -> str:
        "SHA-256 of the rows that matter to the pilot, in key order."
        return _data_hash(
            self.pilot, len(self), [Rows(self.frame, None, keys=self.keys).hashed], [_row_hashes(self.pilot, self.frame)]
        )


class Streamed:
    """Replay rows in a Parquet file, read again for each pass; answers are put into key order at the end.

    Memory holds one batch, and a few bytes a row: keys, labels, clean answers and those of the scenario at work.
    """

    unique = True

    def __init__(self, pilot: Pilot, batch_rows: int) -> None:
        self.pilot, self.batch_rows, self.path = pilot, batch_rows, pilot.spec.path(pilot.spec.data.replay)
        self.confidence: np.ndarray | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._survey()

    def _frames(self, columns: list[str] | None = None) -> Iterator[pd.DataFrame]:
        import pyarrow.parquet as pq

        with fsspec.open(self.path, "rb") as source:
            start = 0
            for batch in pq.ParquetFile(source).iter_batches(self.batch_rows, columns=columns):
                frame = batch.to_pandas().astype({c: t for c, t in self._gapped.items() if columns is None or c in columns})
                frame.index = pd.RangeIndex(start, start + len(frame))
                start += len(frame)
                yield frame

    @cached_property
    def _gapped(self) -> dict[str, Any]:
        "Columns of whole numbers or yes and no that have gaps somewhere, with the type that they have in memory as a whole."
        import pyarrow as pa
        import pyarrow.parquet as pq

        with fsspec.open(self.path, "rb") as source:
            file = pq.ParquetFile(source)
            plain = file.schema_arrow.empty_table().to_pandas().dtypes
            found = {}
            for field in file.schema_arrow:
                whole = pa.types.is_integer(field.type)
                simple = whole or pa.types.is_boolean(field.type)
                column = simple and isinstance(plain.get(field.name), np.dtype)  # an index is no column
                if column and self._has_gaps(file, field.name):
                    found[field.name] = np.dtype("float64") if whole else np.dtype(object)
        return found

    def _has_gaps(self, file: Any, column: str) -> bool:
        "Whether a column has missing values: as the file's statistics say, else by reading it."
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        chunks = [g.column(j) for g in groups for j in range(g.num_columns) if g.column(j).path_in_schema == column]
        if chunks and all(c.is_stats_set and c.statistics.has_null_count for c in chunks):
            return any(c.statistics.null_count for c in chunks)
        return any(batch.column(0).null_count for batch in file.iter_batches(self.batch_rows, columns=[column]))

    def _survey(self) -> None:
        "One pass over all rows: are they sound, what are their keys and labels, and what names them."
        import pyarrow as pa

        spec, keys, hashes, truth, content = self.pilot.spec, [], [], [], []
        labels = self.pilot.labels if spec.task != "regression" else ()
        for frame in self._frames():
            problems = data_problems(frame, spec, "replay", labels, whole=False)
            if problems:
                where = f"rows {frame.index[0]:,} to {frame.index[-1]:,}"
                raise SpecError(f"{spec.folder / 'pilot.yaml'} ({where})", problems)
            rows = Rows(frame, spec.data.id)
            hashes.append(rows.hashed)
            keys.append(pa.array(_as_strings(frame, spec.data.id), type=pa.large_string()))
            truth.append(coded_truth(self.pilot, frame[spec.data.label]))
            content.append(_row_hashes(self.pilot, frame))
        if not keys:
            raise ReplayError(f"{self.path}: no rows.")
        joined = np.concatenate(hashes)
        seen = np.sort(joined)
        if (seen[1:] == seen[:-1]).any():
            twice = int((seen[1:] == seen[:-1]).sum())
            raise ReplayError(
                f"{self.path}: {twice} ids stand more than once. Ids must be unique; what belongs together goes to data.cluster."
            )
        self.truth = np.concatenate(truth)
        del seen, truth
        if spec.task != "regression" and len(classes := np.unique(self.truth)) == 1:
            raise SpecError(f"{spec.folder / 'pilot.yaml'}", [one_class(str(self.pilot.labels[classes[0]]), "replay")])
        import pyarrow.compute as pc

        together = pa.chunked_array(keys).combine_chunks()
        together = together if isinstance(together, pa.Array) else pa.concat_arrays(together.chunks)
        self.order = pc.sort_indices(together).to_numpy().astype(np.uint32)
        self.keys = pd.array(together, dtype="str")
        self.hash = _data_hash(self.pilot, len(joined), [joined[self.order]], [np.concatenate(content)[self.order]])

    def told(self, confidence: np.ndarray | None) -> None:
        self.confidence = confidence

    def __iter__(self) -> Iterator[Rows]:
        start = 0
        for frame in self._frames():
            sure = None if self.confidence is None else self.confidence[start : start + len(frame)]
            yield Rows(frame, self.pilot.spec.data.id, confidence=sure, unique=True)
            start += len(frame)

    def __len__(self) -> int:
        return len(self.keys)

    def columns(self, names: list[str]) -> pd.DataFrame:
        "Some columns of all rows, in key order."
        import pyarrow.parquet as pq

        with fsspec.open(self.path, "rb") as source:
            there = pq.ParquetFile(source).schema_arrow.names
        wanted = [n for n in dict.fromkeys(names) if n in there]
        if not wanted:
            return pd.DataFrame(index=pd.RangeIndex(len(self)))
        return pd.concat(list(self._frames(wanted)), ignore_index=True).iloc[self.order]

    def placed(self, values: np.ndarray) -> np.ndarray:
        "Values in key order; on disk where they are many."
        ordered = values[self.order]
        if len(ordered) < _SPILL:
            return ordered
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="p2p-replay-")
        path = Path(self._scratch.name) / f"{len(list(Path(self._scratch.name).iterdir()))}.npy"
        np.save(path, ordered)
        kept = np.load(path, mmap_mode="r").view(_OnDisk)
        kept.folder = self._scratch
        return kept

    @cached_property
    def places(self) -> np.ndarray:
        "Where each row of the file stands in key order."
        out = np.empty(len(self), np.uint32)
        out[self.order] = np.arange(len(self), dtype=np.uint32)
        return out

    @cached_property
    def ordered_keys(self) -> Any:
        return self.keys.take(self.order.astype(np.int64))


class _OnDisk(np.memmap):
    "Answers on disk; their folder goes when the last of them does."

    folder: Any = None

    def __array_finalize__(self, whole: Any) -> None:
        super().__array_finalize__(whole)
        self.folder = getattr(whole, "folder", None)


def _as_strings(frame: pd.DataFrame, id_column: str | None) -> Any:
    source = frame[id_column] if id_column is not None else frame.index.to_series()
    if isinstance(source.dtype, pd.StringDtype):
        return source.array
    if pd.api.types.is_integer_dtype(source.dtype):
        return source.astype("str").array
    return [canonical(v) for v in source.tolist()]


def _row_hashes(pilot: Pilot, frame: pd.DataFrame) -> np.ndarray:
    columns = [*pilot.spec.inputs, pilot.spec.data.label]
    said = {c: _moments(frame[c]) for c in columns if pd.api.types.is_datetime64_any_dtype(frame[c].dtype)}
    return pd.util.hash_pandas_object(frame[columns].assign(**said).astype(str), index=False).to_numpy()


def _moments(series: pd.Series) -> pd.Series:
    "Times as microseconds since 1970: as text, days without an hour look otherwise beside others."
    return pd.Series(pd.DatetimeIndex(series).as_unit("us").asi8, index=series.index)


def _data_hash(pilot: Pilot, rows: int, keys: list[np.ndarray], content: list[np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps([[*pilot.spec.inputs, pilot.spec.data.label], rows]).encode())
    for array in (*keys, *content):
        digest.update(np.ascontiguousarray(array, dtype="<u8").tobytes())
    return digest.hexdigest()


def is_large(
    pilot: Pilot,
    most: int,  # rows that are read into memory
) -> bool:
    "Whether the replay rows are a Parquet file with more rows than that."
    path = pilot.spec.path(pilot.spec.data.replay)
    if pilot.spec.exploration or not path.endswith((".parquet", ".pq")):
        return False
    import pyarrow.parquet as pq

    try:
        with fsspec.open(path, "rb") as source:
            return bool(pq.ParquetFile(source).metadata.num_rows > most)
    except FileNotFoundError:
        return False  # reading it will say so
