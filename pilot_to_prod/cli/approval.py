"""`p2p sign` and `p2p promote`: thin commands over `pilot_to_prod.operate.approval`. The clock is read here."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click

from pilot_to_prod.cli._common import aligned, located

_ROLES = "owner", "product", "compliance"
_folder = click.option("--runs", "folder", help="Folder of runs, a path or URL, instead of [runs] folder in settings.ini.")
_run = click.option("--run", help="Number or name of a run; the newest that is finished where none is given.")


@click.command()
@click.argument("pilot")
@click.option("--as", "role", type=click.Choice(_ROLES), help="The role in which it is signed.")
@click.option("--by", help="Your name.")
@_run
@click.option("--note", default="", help="What should stand beside the name.")
@click.option("--list", "listed", is_flag=True, help="Show who signed what, and whether it still holds; sign nothing.")
@_folder
@click.option("--json", "as_json", is_flag=True, help="With --list: for programs.")
def sign(
    pilot: str, role: str | None, by: str | None, run: str | None, note: str, listed: bool, folder: str | None, as_json: bool
) -> None:
    """Sign the scorecard of PILOT's newest finished run, or of the one that --run names.

    A card that changes after it was signed is unsigned. Exits with 0, 2 for a wrong name or run, 4 where a file is not as it was left.
    """
    if listed:
        _list(pilot, folder, as_json)
        return
    if missing := [o for o, v in (("--as ROLE", role), ("--by NAME", by)) if v is None]:
        raise click.UsageError(
            f"{' and '.join(missing)} missing. Roles: {', '.join(_ROLES)}. Who signed: p2p sign PILOT --list"
        )
    from pilot_to_prod.operate import sign as signed

    with _refusals():
        subject = _subject(pilot, folder)
        made = signed(subject, role=str(role), by=str(by), run=run, note=note, folder=_top(folder), now=datetime.now(UTC))
    _tell(pilot, subject, made, folder)


@click.command()
@click.argument("pilot")
@click.option("--by", required=True, help="Your name.")
@_run
@click.option("--market", "markets", multiple=True, help="Only this market, if it passes. May be repeated.")
@_folder
def promote(pilot: str, by: str, run: str | None, markets: tuple[str, ...], folder: str | None) -> None:
    """Say that PILOT goes into production: judged promote, signed as its promise asks, and unchanged since.

    Exits with 0 done, 1 a promise is broken, 3 something is missing, 2 usage, 4 any other error; where there are several reasons all are told, and
    4 comes before 2, 1 and 3.
    """
    from pilot_to_prod.operate import promote as promoted
    from pilot_to_prod.spec import Spec

    with _refusals():
        spec = Spec.load(located(pilot))
        done = promoted(spec, by=by, run=run, markets=markets or None, folder=_top(folder), now=datetime.now(UTC))
    said = "promoted" if done.recorded else f"was promoted so before, by {done.by} at {done.at}: nothing was added"
    click.secho(f"{spec.name}, run {done.run}: {said}", bold=True)
    click.echo(
        f"  {_where(done)}, by {done.by}; {len(done.signatures)} signatures, card {done.card[:12]}, entry {done.number} of the chain"
    )
    click.echo("  Its run stays when others are pruned. All promotions and signatures: p2p runs list")


def _where(done: Any) -> str:
    return "everywhere" if done.markets is None else f"for {', '.join(done.markets)} only"


@contextmanager
def _refusals() -> Iterator[None]:
    "A refusal is one message with every reason, and the exit code of the gravest."
    from pilot_to_prod.operate import ApprovalError

    try:
        yield
    except ApprovalError as e:
        click.echo(f"p2p: {e}", err=True)
        sys.exit(e.exit_code)


def _top(folder: str | None) -> str:
    from pilot_to_prod.settings import load_settings

    return load_settings({"runs.folder": folder}).runs.folder


def _subject(pilot: str, folder: str | None) -> Any:
    "The promise of a pilot; its name where only its runs are there. Raises SpecError."
    from pilot_to_prod.runs import Store
    from pilot_to_prod.spec import Spec, SpecError

    try:
        return Spec.load(located(pilot))
    except SpecError:
        if "/" not in pilot and "\\" not in pilot and (Store(_top(folder), pilot).folder / "manifests").is_dir():
            return pilot
        raise


def _tell(pilot: str, subject: Any, made: Any, folder: str | None) -> None:
    "What was signed, what it is worth, and what comes next."
    from pilot_to_prod.operate import needed, signatures, unsigned
    from pilot_to_prod.runs import Store
    from pilot_to_prod.spec import Spec

    name = subject.name if isinstance(subject, Spec) else subject
    said = f"signed as {made.role} by {made.by}"
    if not made.recorded:
        said = f"{made.by} had signed this card as {made.role} before, at {made.at}: nothing was added"
    click.secho(f"{name}, run {made.run}: {said}", bold=True)
    click.echo(f"  card {made.card[:12]}, verdict {made.verdict}, entry {made.number} of the chain")
    if made.verdict != "promote":
        click.echo(
            f"  The card says {made.verdict}: this signature says that it was read. It does not let the pilot be promoted as a whole."
        )
    newest = Store(_top(folder), name).manifests()[-1]["run"]
    if newest != made.run:
        click.echo(f"  A newer finished run is there: {newest}. This signature is not for its card.")
    if not isinstance(subject, Spec):
        return
    if made.role not in needed(subject):
        click.echo(f"  The promise asks for {' and '.join(needed(subject))}: this signature is recorded and does not count.")
    if left := unsigned(subject, signatures(subject, _top(folder)), made.run):
        click.echo(f"  Still unsigned: {', '.join(left)}. Next: p2p sign {pilot} --as {left[0]} --by NAME --run {made.run}")
    elif made.verdict == "promote":
        click.echo(f"  Signed by all that the promise asks for. Next: p2p promote {pilot} --run {made.run} --by NAME")


def _list(pilot: str, folder: str | None, as_json: bool) -> None:
    from dataclasses import asdict

    from pilot_to_prod.operate import needed, promoted, signatures
    from pilot_to_prod.spec import Spec

    with _refusals():
        subject = _subject(pilot, folder)
        found, last = signatures(subject, _top(folder)), promoted(subject, _top(folder))
    asked = needed(subject) if isinstance(subject, Spec) else None
    if as_json:
        said = {"signatures": [asdict(s) for s in found], "needed": asked, "promoted": None if last is None else asdict(last)}
        click.echo(json.dumps(said, indent=1, ensure_ascii=True, default=str))
        return
    rows = [[s.run, s.role, s.by[:60], f"{s.at[:10]} {s.at[11:16]}", s.verdict, _worth(s, asked), s.note[:60]] for s in found]
    if rows:
        click.echo(aligned([["run", "as", "by", "when (UTC)", "card said", "", "note"], *rows], left=7))
    else:
        click.echo(f"Nobody has signed. Next: p2p sign {pilot} --as {asked[0] if asked else 'owner'} --by NAME")
    if last is not None:
        changed = "" if last.holds else " Its card changed since: p2p runs verify"
        click.echo(f"Promoted: run {last.run} {_where(last)}, by {last.by} at {last.at}.{changed}")


def _worth(s: Any, asked: tuple[str, ...] | None) -> str:
    if not s.holds:
        return f"does not hold: {s.why}"
    return "holds" if asked is None or s.role in asked else "holds, not asked for"
