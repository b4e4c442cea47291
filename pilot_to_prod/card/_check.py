"""Is a card what was judged? Its hashes, the forms beside it, and the evidence that it was judged on."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilot_to_prod.card._schema import CARD
from pilot_to_prod.card.judged import Scorecard, hashes
from pilot_to_prod.evidence import load
from pilot_to_prod.spec import safe

FORMS = {".html": "html", ".md": "markdown", ".xml": "junit", ".txt": "text", ".csv": "csv"}  # ending → method of Scorecard


@dataclass(frozen=True)
class Check:
    "One thing that was looked at."

    what: str
    state: str  # ok, changed, missing or not checked
    says: str = ""


def read(path: Path) -> tuple[dict[str, Any] | None, str]:
    "The document of a file, whatever its hashes say; or why there is none."
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, "no such file"
    except (ValueError, OSError, RecursionError) as e:
        return None, f"it cannot be read: {safe(e, 200)}"
    got = document.get("schema") if isinstance(document, dict) else None
    if got != CARD or not {"content", "timing", "made", "shown"} <= set(document):
        return None, f"not a card of schema {CARD}; got {safe(got, 80)}"
    return document, ""


def of_hashes(document: Mapping[str, Any]) -> Iterator[Check]:
    "Do the hashes of a card hold?"
    for name, now in hashes(dict(document)).items():
        said = document.get(name)
        if said == now:
            yield Check(name, "ok", now[:12])
        else:
            yield Check(name, "changed", f"it says {safe(said, 64)[:12]}, its content gives {now[:12]}")


def of_forms(
    document: dict[str, Any],
    path: Path,  # of its JSON
    recorded: Mapping[str, str] = {},  # file name → "ok" or "changed", by the record of the run
) -> Iterator[Check]:
    "Does each form beside a card say what its JSON says, byte for byte?"
    card = Scorecard(document)
    if path.read_bytes() != card.json().encode():
        yield Check(path.name, "changed", "the same values in other bytes than a card is written in: it was edited")
    else:
        yield Check(path.name, "ok", "as a card is written")
    for ending, form in FORMS.items():
        beside = path.with_suffix(ending)
        if not beside.is_file():
            if ending in (".html", ".md", ".xml") and recorded.get(beside.name):
                yield Check(beside.name, "missing", "the record of the run names it")
            continue
        if beside.read_bytes() == getattr(card, form)().encode():
            yield Check(beside.name, "ok", "what the JSON gives, byte for byte")
        elif recorded.get(beside.name) == "ok":
            yield Check(beside.name, "ok", "as its run left it; this version would write it otherwise")
        else:
            yield Check(beside.name, "changed", "not what the JSON gives: it was edited, or another version wrote it")


def of_evidence(
    document: Mapping[str, Any],
    folder: Path,  # with the evidence
    gone: str = "",  # why it is not there, if that is known
) -> Check:
    "Is the evidence that which the card was judged on?"
    wanted = document["content"]["hashes"]["evidence"]
    if not folder.is_dir():
        return Check("evidence", "not checked", gone or "there is none beside the card")
    try:
        found = load(folder).hash
    except FileNotFoundError:
        return Check("evidence", "not checked" if gone else "missing", gone or f"no Parquet files in {folder}")
    except Exception as e:  # noqa: BLE001 - a Parquet file with a flipped byte raises whatever its reader pleases
        return Check("evidence", "changed", safe(f"{type(e).__name__}: {e}", 300))
    if found != wanted:
        return Check("evidence", "changed", f"its hash is {found[:12]}, the card was judged on {wanted[:12]}")
    return Check("evidence", "ok", found[:12])
