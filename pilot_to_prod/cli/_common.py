"""What the commands share: exit codes, lists of numbers, where a pilot is, aligned columns."""

from pathlib import Path
from typing import Any

import click

PROMOTE, BLOCK, USAGE, HOLD, ERROR, INTERRUPT = 0, 1, 2, 3, 4, 130  # exit codes


def numbers(kind: Any, name: str) -> Any:
    def read(_: Any, __: Any, value: str | None) -> list[Any] | None:
        if value is None:
            return None
        try:
            found = [kind(v) for v in value.replace(",", " ").split()]
            if not found or (kind is float and not all(0 <= v <= 1 for v in found)):
                raise ValueError(value)
            return found
        except ValueError:
            raise click.BadParameter(
                f"{name} must be numbers, such as {'0.1,0.3' if kind is float else '0,1,2'}; got {value!r}."
            ) from None

    return read


def located(pilot: str) -> Path:
    "Where a pilot is, by folder, name or URL. Raises SpecError."
    from pilot_to_prod.pilot import find_pilot

    return find_pilot(pilot)


def aligned(table: list[list[str]], left: int) -> str:
    "Rows of text as aligned columns, the first few to the left and the rest, numbers, to the right."
    widths = [min(max(len(row[i]) for row in table if i < len(row)), 60) for i in range(max(map(len, table)))]
    lines = [
        "  ".join(v.ljust(w) if i < left else v.rjust(w) for i, (v, w) in enumerate(zip(r, widths, strict=False)))
        for r in table
    ]
    return "\n".join(f"  {line}".rstrip() for line in lines)
