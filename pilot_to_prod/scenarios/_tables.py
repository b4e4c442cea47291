"""Word tables: what the package ships and what users bring, read with every fault named at once.

A table is a UTF-8 text file with tabs between cells. Its first line names the columns; the first column holds the word to be found, the
others what it may become. Lines which are empty or begin with # are left out. Two columns are called by languages or by words such as
word and replacement, so that a table which begins with an entry is noticed.
"""

import json
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

FAULTS = 20  # faults that an error names; the rest are counted


@cache
def packaged(
    name: str,  # file in tables/, say "key_positions.json"
) -> Any:
    "A JSON table of the package, read once."
    return json.loads(resources.files("pilot_to_prod").joinpath("scenarios", "tables", name).read_text(encoding="utf-8"))


def table_path(
    name: str,  # file in tables/
) -> Path:
    "Where a table of the package lies."
    return Path(str(resources.files("pilot_to_prod").joinpath("scenarios", "tables", name)))


def _raise(path: Path, faults: list[str], rule: str) -> None:
    if faults:
        shown = "".join(f"\n  {fault}" for fault in faults[:FAULTS])
        more = f"\n  and {len(faults) - FAULTS} more" if len(faults) > FAULTS else ""
        raise ValueError(
            f"{path}: {len(faults)} {'fault' if len(faults) == 1 else 'faults'} in the table:{shown}{more}\n{rule}"
        )


def _fault_in(cell: str) -> str | None:
    "What is wrong with a cell that is not empty; None where nothing is."
    if cell != cell.strip():
        return "white space at its edge"
    bad = next((c for c in cell if unicodedata.category(c) in ("Cc", "Cs", "Co") or c == "\ufffd"), None)
    return f"the character U+{ord(bad):04X}" if bad else None


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    "Line number and cells of every line that counts."
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ValueError(f"no word table at {path}. Pass the path of a UTF-8 file with tabs between cells.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}, line {line}: not UTF-8 (byte 0x{error.object[error.start]:02x}). Save the file as UTF-8."
        ) from None
    numbered = enumerate(text.replace("\r\n", "\n").split("\n"), 1)
    return [(n, line.split("\t")) for n, line in numbered if line.strip() and not line.startswith("#")]


_CALLED = (  # what columns of a table of two are called, besides languages
    "abbreviation abbreviations after becomes before chat choices emoji filler fillers from heard key language misspelt new original "
    "phrase phrases replacement replacements slang source spelling standard target term terms text to translation translations value "
    "word words"
)


@cache
def _language_of(name: str) -> str | None:
    "The language that a column is named by: de, pt_BR; None for other names."
    from babel import Locale

    first, *rest = name.strip().replace("-", "_").split("_")
    code = first.lower()
    known = len(code) == 2 and code in Locale.parse("en").languages and all(2 <= len(x) <= 4 for x in rest)
    return ("no" if code == "nb" else code) if known else None


def _header_fault(header: list[str], column: str | None) -> str | None:
    "What is wrong with the names of two columns, of which none is the one asked for."
    data = [name for name in header if name.casefold() not in _CALLED.split() and _language_of(name) is None]
    if data:
        return f"{' and '.join(map(repr, data))} must name columns and read like an entry. Put a first line before: word, tab, replacement"
    spoken = _language_of(header[1])
    if column is not None and spoken is not None and spoken != _language_of(column):
        return f"the column {header[1]!r} holds another language than {column!r}. Ask for {header[1]!r}, or call the column {column!r}"
    return None


def table_languages(
    path: str | Path,  # as for `read_choices`
) -> frozenset[str]:
    "Languages that the columns of a table are named by, but for its first one."
    lines = _lines(Path(path))
    return frozenset(x for name in (lines[0][1][1:] if lines else ()) if (x := _language_of(name)) is not None)


def _checked(path: Path, column: str | None, phrases: bool) -> dict[str, tuple[str, ...]]:
    lines = _lines(path)
    rule = (
        "The first line names the columns (word and replacement, or languages such as en and de); each other line has as many cells, a word first, "
        f"no cell with white space at its edge{'' if phrases else ', no word with white space in it'}, no word twice."
    )
    if not lines:
        raise ValueError(f"{path}: the table is empty. {rule}")
    (first, header), rest = lines[0], lines[1:]
    faults = []
    if len(header) < 2:
        faults.append(f"line {first}: {len(header)} column, at least 2 expected")
    if len({*header}) < len(header) or not all(header):
        faults.append(f"line {first}: column names must differ and not be empty; got {', '.join(map(repr, header))}")
    _raise(path, faults, rule)
    if column is None and len(header) > 2:
        faults.append(f"line {first}: {len(header) - 1} columns to choose from and none was named: {', '.join(header[1:])}")
    if column is not None and column not in header[1:]:
        if len(header) > 2:
            faults.append(f"line {first}: no column {column!r}; the table has {', '.join(header[1:])}")
        fault = _header_fault(header, column) if len(header) == 2 else None
        faults += [f"line {first}: {fault}"] if fault else []
        column = None  # with two columns the second one is meant
    elif column is None and (fault := _header_fault(header, None)) and len(header) == 2:
        faults.append(f"line {first}: {fault}")
    _raise(path, faults, rule)
    at, found = header.index(column, 1) if column else 1, dict[str, tuple[str, ...]]()
    seen: dict[str, int] = {}
    for n, cells in rest:
        if len(cells) != len(header):
            faults.append(f"line {n}: {len(cells)} {'cell' if len(cells) == 1 else 'cells'}, {len(header)} expected")
            continue
        word, new = cells[0], cells[at]
        problem = "is empty" if not word else _fault_in(word) and f"has {_fault_in(word)}"
        if not problem and not phrases and len(word.split()) > 1:
            problem = "holds several words"
        if problem:
            faults.append(f"line {n}: the word {word!r} {problem}")
        elif word.casefold() in seen:
            faults.append(f"line {n}: the word {word!r} stands already in line {seen[word.casefold()]}")
        elif _fault_in(new):
            faults.append(f"line {n}: {new!r} has {_fault_in(new)}")
        else:
            seen[word.casefold()] = n
            choices = tuple(dict.fromkeys(c.strip() for c in new.split("|") if c.strip()))
            if choices:
                found[word] = choices
    if not found and not faults:
        faults.append("no line holds a word and what it becomes")
    _raise(path, faults, rule)
    return found


@lru_cache(maxsize=64)
def _read(path: Path, column: str | None, phrases: bool, stamp: tuple[int, int]) -> Mapping[str, tuple[str, ...]]:
    return _checked(path, column, phrases)


def read_choices(
    path: str | Path,  # a UTF-8 file with tabs between cells and column names in its first line
    *,
    column: str | None = None,  # whose cells the words become; None: the second of two
    phrases: bool = False,  # whether a word of the table may be several
) -> Mapping[str, tuple[str, ...]]:  # never change it: it is shared
    "Word → what it may become (several stand between bars: soon|in a while). Raises ValueError naming every faulty line."
    where = Path(path)
    found = where.stat() if where.is_file() else None
    return _read(where, column, phrases, (found.st_mtime_ns, found.st_size) if found else (0, 0))


def read_words(
    path: str | Path,
    *,
    column: str | None = None,
    phrases: bool = False,
) -> dict[str, str]:
    "Word → its first replacement, as `read_choices`."
    return {word: choices[0] for word, choices in read_choices(path, column=column, phrases=phrases).items()}
