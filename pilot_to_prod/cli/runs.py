"""`p2p runs`: what happened from run to run. Thin commands over `pilot_to_prod.runs`; nothing here asks a pilot anything."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from pilot_to_prod.cli._common import aligned

FOUND = 4  # exit code of verify where something is not as it was left


def _folder_option(f: Any) -> Any:
    return click.option("--runs", "folder", help="Folder of runs, a path or URL, instead of [runs] folder in settings.ini.")(f)


_as_json = click.option("--json", "as_json", is_flag=True, help="For programs.")


@click.group()
def runs() -> None:
    "The runs of pilots: list, show, verify, prune, and their trend."


@runs.command("list")
@click.argument("pilot", required=False)
@_folder_option
@_as_json
def list_(pilot: str | None, folder: str | None, as_json: bool) -> None:
    "One line a run, oldest first, of PILOT or of every pilot."
    from pilot_to_prod.runs import history

    top = _place(folder)
    table = history(top, _named(pilot, top))
    if as_json:
        _print_json(table)
        return
    if not len(table):
        click.echo(f"No runs in {top}. Make one: p2p run PILOT")
        return
    told = [n for n in ("signed", "promoted") if table[n].ne("").any()]  # where nobody signs, nothing is said of it
    rows = [
        [
            *_texts(r, "pilot", "run", "state", "verdict", *told),
            _at(r["at"]),
            _figure(r["look"]),
            _notebooks(r),
            f"{r['seconds']:,.0f}",
            _size(r["bytes"]),
        ]
        for r in table.to_dict(orient="records")
    ]
    head = ["pilot", "run", "state", "verdict", *told, "when (UTC)", "look", "notebooks", "seconds", "size"]
    _show_table(head, rows, left=5 + len(told))


def _notebooks(row: Any) -> str:
    "7 done, 2 of them before; 1 failed."
    said = f"{row['done']}" + (f" ({row['cached']} before)" if row["cached"] else "")
    return said + (f", {row['failed']} failed" if row["failed"] else "")


@runs.command()
@click.argument("pilot")
@click.argument("run", required=False)
@_folder_option
@_as_json
def show(pilot: str, run: str | None, folder: str | None, as_json: bool) -> None:
    "The notebooks and files of one RUN of PILOT, by number or name; the newest where none is given."
    import pandas as pd

    from pilot_to_prod.runs import show as shown

    top = _place(folder)
    name = _named(pilot, top)
    found = shown(top / str(name) / _run_named(str(name), run, top))
    if as_json:
        said = {n: getattr(found, n) for n in ("pilot", "run", "state", "manifest", "tombstone", "approval")}
        said |= {n: json.loads(getattr(found, n).to_json(orient="records")) for n in ("notebooks", "files")}
        click.echo(json.dumps(said, indent=1, ensure_ascii=True))
        return
    click.secho(f"{_clean(found.pilot)}, run {_clean(found.run)}: {found.state}", bold=True)
    for n in ("at", "verdict", "look", "number", "spec", "data", "model"):
        if found.manifest and n in found.manifest:
            click.echo(f"  {n}: {_clean(found.manifest[n])}")
    if found.tombstone and found.state == "pruned":
        click.echo(
            f"  pruned: {_clean(found.tombstone.get('at'))}, {len(found.tombstone.get('removed', ()))} files, {_size(found.tombstone.get('bytes', 0))}"
        )
    for e in found.approval:
        how = f"{e.get('kind')} {e.get('role', '')}".strip()
        click.echo(f"  {_clean(how)}: {_clean(e.get('by'))}, {_clean(e.get('at'))}")
    books = [
        [
            *_texts(r, "name", "status"),
            _at(r["started"]),
            *_texts(r, "attempt", "seconds"),
            "" if pd.isna(r["peak_bytes"]) else _size(int(r["peak_bytes"])),
        ]
        for r in found.notebooks.to_dict(orient="records")
    ]
    _show_table(["notebook", "status", "started (UTC)", "attempt", "seconds", "peak memory"], books, left=3)
    for r in found.notebooks.to_dict(orient="records"):
        if isinstance(r["error"], str):
            click.echo(f"  {_clean(r['name'])}: {_clean(r['error'])}: {_clean(r['message'])}")
    click.echo()
    files = [[*_texts(r, "file", "state"), _figure(r["bytes"])] for r in found.files.to_dict(orient="records")]
    _show_table(["file", "", "bytes"], files, left=2)


@runs.command()
@click.argument("pilot", required=False)
@_folder_option
@_as_json
def verify(pilot: str | None, folder: str | None, as_json: bool) -> None:
    """Follow the chain of manifests, and compare every record and output with its hash.

    Exits with 0 where all is well, 4 where something was changed, removed, torn or added. What was pruned is none of it.
    """
    from dataclasses import asdict

    from pilot_to_prod.runs import history
    from pilot_to_prod.runs import verify as verified

    top = _place(folder)
    name = _named(pilot, top)
    found = verified(top, name)
    if as_json:
        click.echo(json.dumps([asdict(f) for f in found], indent=1, ensure_ascii=True))
    else:
        for f in found:
            click.echo(f"{f.kind}: {_clean(f.pilot)}/{_clean(f.file)}: {_clean(f.says)}")
        table = history(top, name)
        states = ", ".join(f"{n} {s}" for s, n in table["state"].value_counts().items())
        what = f"{len(found)} finding{'s' if len(found) != 1 else ''}" if found else "all as it was left"
        click.echo(f"{len(table)} run{'' if len(table) == 1 else 's'}{f' ({states})' if states else ''} in {top}: {what}")
    sys.exit(FOUND if found else 0)


@runs.command()
@click.argument("pilot", required=False)
@_folder_option
@click.option(
    "--keep", type=click.IntRange(min=0), help="So many newest runs of a pilot stay, instead of [runs] keep; 0: no limit."
)
@click.option(
    "--keep-days", type=click.IntRange(min=0), help="Runs of so many days stay, instead of [runs] keep_days; 0: no limit."
)
@click.option("--dry-run", is_flag=True, help="Show what would be removed; remove nothing.")
@_as_json
def prune(pilot: str | None, folder: str | None, keep: int | None, keep_days: int | None, dry_run: bool, as_json: bool) -> None:
    """Remove notebooks, evidence and cards of old runs of PILOT, or of every pilot.

    A run stays if --keep or --keep-days says so; the newest finished run and the one last promoted always do. Records, manifests and results stay,
    with a tombstone, and so do cards that somebody signed.
    """
    from pilot_to_prod.runs import prune as pruned

    top = _place(folder)
    table = pruned(top, _named(pilot, top), keep=keep, keep_days=keep_days, dry_run=dry_run)
    if as_json:
        _print_json(table)
        return
    rows = [
        [*_texts(r, "pilot", "run", "action", "why"), _at(r["at"]), f"{r['files']:,}", _size(r["bytes"])]
        for r in table.to_dict(orient="records")
    ]
    if rows:
        _show_table(["pilot", "run", "", "why", "when (UTC)", "files", "size"], rows, left=5)
    gone = table[~table["action"].isin(["stays"])]
    said = "would be removed" if dry_run else "removed"
    click.echo(f"{len(gone)} of {len(table)} runs: {gone['files'].sum():,} files, {_size(int(gone['bytes'].sum()))} {said}")
    if len(table) and not len(gone) and (table["why"] == "no limit is set").any():
        click.echo("No limit is set: say --keep or --keep-days, or [runs] keep and keep_days in settings.ini.")


@runs.command()
@click.argument("pilot", required=False)
@_folder_option
@click.option("--metric", help="Only this one, such as accuracy.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(["gate", "metric", "slice", "market"]), help="May be repeated."
)
@click.option("--last", type=click.IntRange(min=1), help="So many newest runs.")
@click.option("--output", help="The picture: .svg, .png or .pdf. PILOT_trend.svg where none is given.")
@_as_json
def trend(
    pilot: str | None,
    folder: str | None,
    metric: str | None,
    kinds: tuple[str, ...],
    last: int | None,
    output: str | None,
    as_json: bool,
) -> None:
    "Gates, metrics, slices and markets of PILOT over its runs: a table, and a picture."
    from pilot_to_prod.runs import trend as drawn

    top = _place(folder)
    name = _named(pilot, top) or _only(top)
    output = output or (None if as_json else f"{name}_trend.svg")
    _, table = drawn(top, name, metric=metric, kinds=kinds or ("gate", "metric", "slice", "market"), last=last, output=output)
    if as_json:
        _print_json(table)
        return
    rows = [_series(t) for _, t in table.groupby(["kind", "name"], sort=False)]
    if rows:
        _show_table(["", "", "over time", "status", "first", "newest", "threshold", "runs"], rows, left=4)
    count = table["run"].nunique()
    click.echo(f"{count} finished run{'' if count == 1 else 's'}. Picture: {output}")


def _series(t: Any) -> list[str]:
    "One series as a line of text."
    values = t["value"].dropna()
    first, last = (f"{v:.4g}" for v in (values.iloc[0], values.iloc[-1])) if len(values) else ("-", "-")
    threshold = _clean(t["threshold"].iloc[-1]) if t["kind"].iloc[-1] == "gate" else ""
    status = t["status"].dropna()
    said = _clean(status.iloc[-1]) if len(status) else ""
    return [*_texts(t.iloc[-1], "kind", "name"), _spark(list(t["value"])), said, first, last, threshold, str(len(t))]


def _spark(values: list[float], most: int = 20) -> str:
    "The newest values as bars, ▁ for the lowest and █ for the highest; a space where there is none."
    shown = values[-most:]
    real = [v for v in shown if v == v]
    if not real:
        return ""
    low, width = min(real), max(real) - min(real)
    return "".join(" " if v != v else "▁▂▃▄▅▆▇█"[round((v - low) / width * 7) if width else 3] for v in shown)


def _place(folder: str | None) -> Path:
    "Of runs, as the option or settings say."
    from pilot_to_prod.runs._store import place
    from pilot_to_prod.settings import load_settings

    return place(load_settings({"runs.folder": folder}).runs.folder)


def _named(pilot: str | None, top: Path) -> str | None:
    "A pilot by its name in the folder of runs, or by its own folder. Raises UsageError with those that have runs."
    from pilot_to_prod.runs.past import _pilots
    from pilot_to_prod.spec import Spec, near

    known = _pilots(top)
    if pilot is None or pilot in known:
        return pilot
    own = Path(pilot) / "pilot.yaml" if Path(pilot).is_dir() else Path(pilot)
    if own.name.endswith(".yaml") and own.is_file() and (name := Spec.load(own.parent).name) in known:
        return name
    hint = near(_clean(pilot), map(_clean, known))
    raise click.UsageError(
        f"{top}: no runs of {_clean(pilot)!r} here.{' ' + hint if hint else ''} Make one: p2p run {_clean(pilot)}"
    )


def _only(top: Path) -> str:
    from pilot_to_prod.runs.past import _pilots

    known = _pilots(top)
    if len(known) != 1:
        said = f"say which pilot: {', '.join(map(_clean, known))}" if known else "no runs here. Make one: p2p run PILOT"
        raise click.UsageError(f"{top}: {said}")
    return known[0]


def _run_named(pilot: str, run: str | None, top: Path) -> str:
    "A run by its number, or by the beginning of its name."
    from pilot_to_prod.runs import history
    from pilot_to_prod.spec import near

    names = list(history(top, pilot)["run"])
    if run is None and names:
        return str(names[-1])
    found = [n for n in names if run and (n.startswith(run) or (run.isdecimal() and int(n.split("-")[0]) == int(run)))]
    if len(found) != 1:
        which = (
            f"{len(found)} runs begin with {_clean(run)!r}: {', '.join(found)}"
            if found
            else f"no run {_clean(run)!r} of {pilot}"
        )
        raise click.UsageError(f"{which}. {'' if found else near(_clean(run), names)}".strip())
    return str(found[0])


def _clean(value: Any) -> str:
    from pilot_to_prod.runs.past import _shown

    return _shown(value, 400)


def _texts(row: Any, *names: str) -> list[str]:
    "Values of a row as text, nothing for what is not there."
    return ["" if row[n] is None or row[n] != row[n] else _clean(row[n])[:60] for n in names]


def _figure(value: Any) -> str:
    import pandas as pd

    return "" if pd.isna(value) else f"{int(value):,}"


def _at(value: Any) -> str:
    "2026-03-05 06:00; nothing for no moment."
    import pandas as pd

    at = pd.to_datetime(value, utc=True, errors="coerce")
    return "" if pd.isna(at) else f"{at:%Y-%m-%d %H:%M}"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def _show_table(head: list[str], rows: list[list[str]], left: int) -> None:
    click.echo(aligned([head, *rows], left))


def _print_json(table: Any) -> None:
    "Records; moments as ISO 8601, and null for what is not there."
    click.echo(json.dumps(json.loads(table.to_json(orient="records", date_format="iso")), indent=1, ensure_ascii=True))
