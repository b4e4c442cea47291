"""`p2p card`: show a card, what changed between two, and whether it is what was judged. Thin commands over `pilot_to_prod.card`."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pilot_to_prod.cli._common import ERROR, aligned

FORMS = {"html": "html", "json": "json", "junit": "junit", "md": "markdown", "csv": "csv"}  # --as → method
_as = click.option(
    "--as", "form", type=click.Choice(["text", *FORMS, "annotations"]), default="text", show_default=True, help="In which form."
)
_output = click.option(
    "--output", "outputs", multiple=True, help="Also write it to this file, in the form that its ending names. May be repeated."
)
_runs = click.option("--runs", "folder", help="Folder of runs, a path or URL, instead of [runs] folder in settings.ini.")


class _Shown(click.Group):
    "A group whose first argument may be a pilot: then it is shown."

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Shown)
def card() -> None:
    """Production scorecards: show, diff, verify, annotations, schema.

    `p2p card PILOT` shows the newest one. A card is named by PILOT, by PILOT@RUN, by the folder of a run, or by its .json file.
    """


@dataclass(frozen=True)
class Found:
    "A card and where it is."

    path: Path  # of its JSON
    run: Path | None = None  # the folder of its run

    @property
    def evidence(self) -> Path:
        return self.path.parent / "evidence"

    def card(self) -> Any:
        from pilot_to_prod.card import Scorecard

        return Scorecard.load(self.path)


def find(what: str, folder: str | None = None, run: str | None = None, skip: int = 0) -> Found:
    "A card by PILOT, PILOT@RUN, the folder of a run, or its file; `skip` newer ones of a pilot are passed over. Raises UsageError."
    path = Path(what)
    if run is None and path.suffix == ".json" and path.is_file():
        inside = path.name == "scorecard.json" and (path.parent / "records").is_dir()
        return Found(path, path.parent if inside else None)
    if run is None and (path / "scorecard.json").is_file():
        return Found(path / "scorecard.json", path if (path / "records").is_dir() else None)
    from pilot_to_prod.cli.runs import _named, _place, _run_named

    top = _place(folder)
    pilot, at, named = what.rpartition("@") if "@" in what and not path.exists() else (what, "", "")
    if path.suffix == ".json" and not at:
        raise click.UsageError(f"{_safe(what)}: no such file.")
    name = _pilot_of(pilot, top, _named)
    chosen = run or named or None
    if chosen is not None:
        run_folder = top / name / _run_named(name, chosen, top)
        if not (run_folder / "scorecard.json").is_file():
            raise click.UsageError(f"{run_folder}: this run has no card: it was not finished, or it was pruned.")
        return Found(run_folder / "scorecard.json", run_folder)
    cards = _finished(top, name)
    if len(cards) <= skip:
        says = "no run of it has a card" if not cards else f"only {len(cards)} of its runs has a card" if skip else ""
        raise click.UsageError(f"{_safe(name)}: {says}. Make one: p2p run {_safe(name)}")
    return Found(cards[-1 - skip] / "scorecard.json", cards[-1 - skip])


def _pilot_of(pilot: str, top: Path, named: Any) -> str:
    try:
        return str(named(pilot, top))
    except click.UsageError as e:
        from pilot_to_prod.spec import near

        hint = near(pilot, card.commands) if pilot.isidentifier() else ""
        more = f" {hint}" if hint.startswith("Did you mean") else ""
        raise click.UsageError(f"{e.message}{more}") from None


def _finished(top: Path, name: str) -> list[Path]:
    "Folders of runs that have a card, the newest last."
    from pilot_to_prod.runs import history

    table = history(top, name)
    return [top / name / r for r in table["run"] if (top / name / r / "scorecard.json").is_file()]


def _safe(text: object) -> str:
    from pilot_to_prod.spec import safe

    return safe(text, 200)


def _colored() -> bool:
    "Whether standard output takes colours and nobody asked for none (no-color.org)."
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _put(made: Any, form: str, outputs: Sequence[str], pilot: Path | None) -> None:
    "Print a card or a diff in a form, and write it to files."
    for path in outputs:
        made.save(path)
    if form == "annotations":
        said = "\n".join(made.annotations(pilot))
    elif form == "text":
        said = made.text(_width(), _colored()).rstrip("\n")
    elif form == "json" and sys.stdout.isatty():  # a terminal obeys some characters that JSON may hold
        import json

        said = json.dumps(made.document, sort_keys=True, indent=1)
    else:
        said = getattr(made, FORMS[form])().rstrip("\n")
    if said:
        click.echo(said, color=True if form == "text" and _colored() else None)


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def _yaml_of(pilot: str | None, folder: str | None = None) -> Path | None:
    "The pilot.yaml of a pilot as a path from the working folder; None where there is none at hand."
    from pilot_to_prod.pilot import find_pilot
    from pilot_to_prod.spec import SpecError

    try:
        found = find_pilot(folder or pilot or "")
    except (SpecError, OSError, LookupError):
        return None
    path = Path(found) / "pilot.yaml"
    if not path.is_file():
        return None
    here = Path.cwd()
    return path.resolve().relative_to(here) if path.resolve().is_relative_to(here) else path


@card.command()
@click.argument("what", metavar="PILOT|FILE")
@click.option("--run", help="A run by its number or name, instead of the newest.")
@_as
@_output
@_runs
def show(what: str, run: str | None, form: str, outputs: tuple[str, ...], folder: str | None) -> None:
    "Show the newest card of PILOT, or the one in FILE; as wide as the terminal, in colour where it takes any."
    found = find(what, folder, run).card()
    _put(found, form, outputs, _yaml_of(found.document["content"]["pilot"]["name"]) if form == "annotations" else None)


@card.command()
@click.argument("what", metavar="PILOT|FILE")
@click.option("--run", help="A run by its number or name, instead of the newest.")
@click.option("--file", "path", type=click.Path(path_type=Path), help="The pilot.yaml whose lines are named.")
@_runs
def annotations(what: str, run: str | None, path: Path | None, folder: str | None) -> None:
    "Print broken and undecided promises as commands that GitHub shows beside the lines of pilot.yaml."
    found = find(what, folder, run).card()
    said = found.annotations(path or _yaml_of(found.document["content"]["pilot"]["name"]))
    if said:
        click.echo("\n".join(said))


def on_github(folders: Sequence[Path], specs: Sequence[Any] = ()) -> None:
    "In a GitHub workflow: the annotations of all cards of a step together, since it shows only so many; elsewhere nothing."
    if os.environ.get("GITHUB_ACTIONS") != "true" or not folders:
        return
    from pilot_to_prod.card import Scorecard
    from pilot_to_prod.card._annotations import github, of_card, places

    notes, at = [], {s.name: s.folder for s in specs if s.folder is not None}
    for run in folders:
        document = Scorecard.load(run / "scorecard.json").document
        name = document["content"]["pilot"]["name"]
        path = _yaml_of(name, str(at[name]) if name in at else None)
        notes += of_card(document, path.as_posix(), places(path)) if path else of_card(document)
    for line in github(notes):
        click.echo(line)


@card.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="[B]", required=False)
@_as
@_output
@_runs
def diff(a: str, b: str | None, form: str, outputs: tuple[str, ...], folder: str | None) -> None:
    """What changed from card A to card B, and whether it is beyond chance; of one PILOT, its last two runs.

    Two runs over the same rows are compared row by row, from their evidence. Exits with 0 where nothing got worse beyond chance, 1 where something did,
    2 usage, 4 any other error.
    """
    from pilot_to_prod.card.diff import diff as compared

    before = find(a, folder, skip=0 if b else 1)
    after = find(b or a, folder)
    one, other = before.card(), after.card()
    made = compared(one, other, _evidence_of(before, after, one, other))
    _put(made, form, outputs, _yaml_of(other.document["content"]["pilot"]["name"]) if form == "annotations" else None)
    sys.exit(made.exit_code)


def _evidence_of(a: Found, b: Found, one: Any, other: Any) -> Any:
    "Both evidences, where both are beside their cards, are those of the cards, and stand on the same rows."
    from pilot_to_prod.runs._store import is_here

    if one.document["content"]["hashes"]["data"] != other.document["content"]["hashes"]["data"]:
        return None
    if not all(is_here(f.path) and f.evidence.is_dir() for f in (a, b)):
        return None
    from pilot_to_prod.evidence import load

    found = []
    for f, x in ((a, one), (b, other)):
        try:
            found.append(load(f.evidence))
        except (ValueError, OSError) as e:
            click.echo(f"p2p: {f.evidence}: not used, the cards alone are compared ({_safe(e)})", err=True)
            return None
        if found[-1].hash != x.document["content"]["hashes"]["evidence"]:
            click.echo(f"p2p: {f.evidence}: not what the card was judged on; the cards alone are compared", err=True)
            return None
    return found[0], found[1]


@card.command()
@click.argument("what", metavar="PILOT|FILE|FOLDER")
@click.option("--run", help="A run by its number or name, instead of the newest.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@_runs
def verify(what: str, run: str | None, as_json: bool, folder: str | None) -> None:
    """Check every hash of a card: its own, its evidence, the forms beside it, the records of its run, and the promise, rows and model on disk now.

    Exits with 0 where nothing is changed or missing, else 4.
    """
    found = find(what, folder, run)
    checks = list(_checks(found))
    if as_json:
        import json
        from dataclasses import asdict

        click.echo(json.dumps([asdict(c) for c in checks], indent=1, ensure_ascii=True))
    else:
        click.echo(aligned([[c.state, _safe(c.what), _safe(c.says)] for c in checks], left=3))
        bad = sum(c.state in ("changed", "missing") for c in checks)
        click.echo(f"{found.path}: {f'{bad} changed or missing' if bad else 'all as it was judged'}")
    sys.exit(ERROR if any(c.state in ("changed", "missing") for c in checks) else 0)


def _checks(found: Found) -> Iterator[Any]:
    "One line a thing that was looked at."
    from pilot_to_prod.card._check import Check, of_evidence, of_forms, of_hashes, read
    from pilot_to_prod.runs._store import is_here

    document, why = read(found.path)
    if document is None:
        yield Check(found.path.name, "changed", why)
        return
    yield from of_hashes(document)
    recorded: dict[str, str] = {}
    gone = ""
    if found.run is not None:
        lines, recorded, gone = _of_run(found.run, document)
        yield from lines
    else:
        yield Check("run", "not checked", "the card is not in the folder of a run")
    if not is_here(found.path):
        yield Check("forms and evidence", "not checked", "they are at a URL: fetch the folder first")
    else:
        yield from of_forms(document, found.path, recorded)
        yield of_evidence(document, found.evidence, gone)
    yield from _of_disk(document, found.run)


def _of_run(run: Path, document: dict[str, Any]) -> tuple[list[Any], dict[str, str], str]:
    "What the chain and the records of a run say: lines, forms that are as recorded, and why evidence is gone."
    from pilot_to_prod.card._check import Check
    from pilot_to_prod.runs import RunError
    from pilot_to_prod.runs import show as shown
    from pilot_to_prod.runs import verify as verified

    run = run.absolute() if "://" not in str(run) else run
    try:
        told = shown(run)
        about = [f for f in verified(run.parent.parent, run.parent.name) if f.run in ("", run.name)]
    except RunError as e:
        return [Check("run", "not checked", _safe(e))], {}, ""
    lines = []
    for f in about:
        state = "missing" if f.kind == "missing" else "changed"
        lines.append(Check(f.file, state, f"{f.kind}: {f.says}"))
    if not about:
        lines.append(Check("run", "ok", "the chain of manifests, its records and what they name"))
    manifest = told.manifest or {}
    if told.state == "unfinished":
        lines.append(Check("manifest", "not checked", "the run is not finished"))
    elif manifest.get("card") is not None:
        same = manifest["card"] == document["timing_hash"]
        says = f"card {document['timing_hash'][:12]}" + ("" if same else f", the manifest names {str(manifest['card'])[:12]}")
        lines.append(Check("manifest", "ok" if same else "changed", says))
    else:
        lines.append(Check("manifest", "not checked", "it names no card"))
    bad = {f.file.partition("/")[2] for f in about}
    files = told.files.to_dict(orient="records")
    recorded = {str(r["file"]): "changed" if r["file"] in bad else "ok" for r in files if isinstance(r["notebook"], str)}
    return lines, recorded, "it was pruned" if told.state == "pruned" else ""


def _of_disk(document: dict[str, Any], run: Path | None) -> Iterator[Any]:
    "Promise, rows and model as they are on disk now, against those that were judged."
    from pilot_to_prod.card._check import Check

    names = {"spec": "promise", "data": "rows", "model": "model"}
    path = _yaml_of(document["content"]["pilot"]["name"])
    if path is None:
        yield from (Check(w, "not checked", "no pilot of this name is at hand") for w in names.values())
        return
    from pilot_to_prod.runs import subject_hashes
    from pilot_to_prod.runs._store import read_json
    from pilot_to_prod.spec import Spec, SpecError

    judged = dict(document["content"]["hashes"])
    record = read_json(run / "record.json") if run is not None else None
    if isinstance(record, dict):  # a plan names rows by their files, evidence by their content
        judged |= {"data": record.get("data")}
    try:
        spec = Spec.load(path.parent)
    except SpecError as e:
        yield Check("promise", "changed", _safe(e))
        return
    now: dict[str, str] = {"spec": spec.hash}
    try:
        now |= subject_hashes(spec)
    except FileNotFoundError as e:
        yield Check("rows or model", "missing", _safe(e))
    for name, what in names.items():
        if name == "data" and not isinstance(record, dict):
            yield Check(what, "not checked", "the card is not in the folder of a run, which names their files")
        elif name in now:
            same = now[name] == judged[name]
            says = (
                f"{now[name][:12]} in {path.parent}"
                if same
                else f"the {what} changed since: {str(judged[name])[:12]} was judged, {now[name][:12]} is there now"
            )
            yield Check(what, "ok" if same else "changed", says)


@card.command()
@click.argument("what", type=click.Choice(["card", "diff"]), default="card")
def schema(what: str) -> None:
    "Print the JSON Schema of a card, or of a diff of two."
    import json

    from pilot_to_prod.card._schema import card_schema, diff_schema

    click.echo(json.dumps((card_schema if what == "card" else diff_schema)(), indent=1, ensure_ascii=False))
