"""Read a table from a path or an fsspec URL, and refuse what no pilot could be given."""

from pathlib import PurePosixPath

import fsspec
import pandas as pd


class DataError(ValueError):
    "A table that cannot be read."


READERS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".pq": "parquet"}


def read_frame(
    path: str,  # CSV, TSV or Parquet (CSV may be .gz), on disk or at an fsspec URL
) -> pd.DataFrame:
    "A table as pandas reads it. Raises FileNotFoundError and ValueError that say what to do."
    name = PurePosixPath(path.split("?")[0])
    suffix = PurePosixPath(name.stem).suffix if name.suffix == ".gz" else name.suffix
    if suffix not in READERS:
        raise DataError(f"{path}: a table must end in {', '.join(READERS)} (or .csv.gz); got {name.suffix or 'no ending'!r}.")
    try:
        with fsspec.open(path, "rb", compression="gzip" if name.suffix == ".gz" else None) as source:
            if READERS[suffix] == "parquet":
                return pd.read_parquet(source)
            return pd.read_csv(source, sep="\t" if READERS[suffix] == "tsv" else ",")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file. Paths in pilot.yaml start from its own folder.") from None
    except UnicodeDecodeError as e:
        raise DataError(
            f"{path}: not UTF-8 at byte {e.start} ({e.reason}). Save it as UTF-8; lone surrogates cannot be read."
        ) from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as e:
        raise DataError(f"{path}: not a readable table: {e}") from None
