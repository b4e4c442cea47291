"""`p2p notices`: what somebody has to know, who was told, and who knows. Thin commands over `pilot_to_prod.runs.notices`."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from pilot_to_prod.cli._common import aligned, located

_folder = click.option("--runs", "folder", help="Folder of runs, a path or URL, instead of [runs] folder in settings.ini.")


def _missed(store: Any, now: datetime) -> list[datetime]:
    "A time for each outage of the schedule: its first, and one more each week that it lasts."
    from pilot_to_prod.runs.schedule import ScheduleError, missed

    week = timedelta(days=7)
    try:
        return [m.first + (m.last - m.first) // week * week for m in missed(store, now)]
    except ScheduleError as e:
        click.echo(f"p2p: whether runs were missed is not known: {e}", err=True)
        return []


def tell(spec: Any, settings: Any, ended: Any = None) -> Any:
    "Find what is new, missed runs among it, and send what is due. Says on standard error what failed; raises nothing, and no exit code depends on it."
    from pilot_to_prod.runs import RunError, Store
    from pilot_to_prod.runs.notices import notify

    try:
        store, now = Store(settings.runs.folder, spec.name), datetime.now(UTC)
        done = notify(store, spec, now=now, ended=ended, missed=_missed(store, now))
    except Exception as e:  # noqa: BLE001 - whatever keeps a notice from being told is no reason for a run to fail
        why = f": {e}" if isinstance(e, OSError | RunError) else ""
        click.echo(f"p2p: {spec.name}: notices could not be kept or sent ({type(e).__name__}{why})", err=True)
        return None
    for n in done.new:
        click.echo(f"  notice {n.id}: {n.title}", err=True)
    if done.problems:
        more = f", and {len(done.problems) - 1} more" if len(done.problems) > 1 else ""
        says = f"p2p: {spec.name}: not delivered: {done.problems[0]}{more}. Kept, and tried again by the next run, or: p2p notices send"
        click.echo(says, err=True)
    if done.new and done.nobody:
        click.echo("  nobody was told: put a URL into P2P_WEBHOOK_URL, or read: p2p notices list", err=True)
    return done


@contextmanager
def told(spec: Any, settings: Any, quiet: bool = False) -> Iterator[None]:
    """Whatever ends the work within is told before it is raised; that somebody else is at it, or an interrupt, is no failure.

    Of a pilot that was never run nobody is told: whoever runs it for the first time sees it, and a mistake leaves no folder.
    """
    try:
        yield
    except Exception as e:
        if not quiet and "another run of this pilot is under way" not in str(e) and _was_run(spec, settings):
            tell(spec, settings, e)
        raise


def _was_run(spec: Any, settings: Any) -> bool:
    "Whether the pilot has a folder of runs, where its schedule is, too."
    from pilot_to_prod.runs import RunError, Store

    try:
        return bool(Store(settings.runs.folder, spec.name).folder.is_dir())
    except (OSError, RunError):
        return False


@click.group()
def notices() -> None:
    "What somebody has to know: list it, acknowledge it, send what is due."


def _place(folder: str | None) -> tuple[Any, Any]:
    "Settings, and the folder of all runs."
    from pilot_to_prod.runs._store import place
    from pilot_to_prod.settings import load_settings

    settings = load_settings({"runs.folder": folder})
    return settings, place(settings.runs.folder)


def _pilots(top: Any, pilot: str | None) -> list[str]:
    "Names of the pilots that have left something. Raises UsageError where the one that is asked for has not."
    from pilot_to_prod.spec import near

    there = [p.name for p in top.iterdir() if p.is_dir()] if top.is_dir() else []
    found = sorted(n for n in there if any((top / n / part).is_dir() for part in ("notices", "manifests")))
    if pilot is None:
        return found
    name = pilot if pilot in found else Path(pilot).name
    if (Path(pilot) / "pilot.yaml").is_file():
        from pilot_to_prod.spec import Spec

        name = Spec.load(Path(pilot)).name
    if name not in found:
        raise click.UsageError(f"{top} holds nothing of a pilot called {name!r}. {near(name, found)}")
    return [name]


def _kept(top: Any, pilot: str | None = None) -> list[tuple[Any, Any]]:
    "Stores with their notices, oldest first."
    from pilot_to_prod.runs import Store
    from pilot_to_prod.runs.notices import read_notices

    stores = [Store(str(top), name) for name in _pilots(top, pilot)]
    return sorted(((s, n) for s in stores for n in read_notices(s)), key=lambda x: (x[1].at, x[1].id))


def _state(notice: Any) -> str:
    "Where it stands, in words."
    if notice.acknowledged:
        return f"acknowledged by {notice.acknowledged['by']}"
    to = [d["to"] for d in notice.escalated if d["ok"]]
    ways = [d["by"] for d in notice.deliveries if d["ok"]]
    times = max((ways.count(w) for w in ways), default=0)
    said = f"sent {times} time{'s' if times != 1 else ''}" if times else "not delivered" if notice.deliveries else "not sent"
    return said + (f", escalated to {', '.join(dict.fromkeys(to))}" if to else "")


@notices.command("list")
@click.argument("pilot", required=False)
@_folder
@click.option("--open", "only_open", is_flag=True, help="Only what nobody has acknowledged.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_(pilot: str | None, folder: str | None, only_open: bool, as_json: bool) -> None:
    "The notices of PILOT or of every pilot, oldest first."
    from dataclasses import asdict

    _, top = _place(folder)
    found = [n for _, n in _kept(top, pilot) if not (only_open and n.acknowledged)]
    if as_json:
        click.echo(json.dumps([asdict(n) for n in found], indent=1, ensure_ascii=True))
    elif found:
        table = [[n.id, n.at[:16].replace("T", " "), n.kind, _state(n), n.title] for n in found]
        click.echo(aligned([["notice", "found (UTC)", "kind", "state", "what"], *table], left=5))
    else:
        click.echo(f"No {'open ' if only_open else ''}notices in {top}.")


@notices.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@click.option("--by", help="Who acknowledges it; without it, the user of this machine.")
@click.option("--note", default="", help="What was done about it.")
@_folder
def ack(ids: tuple[str, ...], by: str | None, note: str, folder: str | None) -> None:
    "Acknowledge: it is not sent again. The first digits of an ID are enough."
    from pilot_to_prod.runs.notices import acknowledge

    _, top = _place(folder)
    known = _kept(top)
    chosen = [_one(i, known) for i in ids]
    for store, n in chosen:
        said = acknowledge(store, n.id, by=by or _user(), note=note, now=datetime.now(UTC)).acknowledged or {}
        already = " already" if n.acknowledged else ""
        click.echo(f"{n.id}:{already} acknowledged by {said['by']} at {said['at']}: {n.title}")


def _one(start: str, known: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    "The notice whose id begins so. Raises UsageError."
    found = [x for x in known if x[1].id.startswith(start.lower())] if re.fullmatch(r"[0-9a-fA-F]{4,16}", start) else []
    if len(found) != 1:
        many = f"{len(found)} notices begin with {start!r}: give more digits." if found else f"no notice is called {start!r}."
        raise click.UsageError(f"{many} List them: p2p notices list")
    return found[0]


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


@notices.command()
@click.argument("pilot", required=False)
@_folder
def send(pilot: str | None, folder: str | None) -> None:
    "Send what is due for PILOT or every pilot: what is new, what was not delivered, reminders, and what escalates. For a schedule."
    from pilot_to_prod.spec import Spec, SpecError

    settings, top = _place(folder)
    if pilot is not None:
        specs = [Spec.load(located(pilot))]
    else:
        specs = []
        for name in _pilots(top, None):
            try:
                specs.append(Spec.load(located(name)))
            except SpecError as e:
                click.echo(
                    f"p2p: {name}: its promise is not here or cannot be read, so nobody is told ({e.problems[0]})", err=True
                )
    for spec in specs:
        done = tell(spec, settings)
        if done is not None:
            click.echo(f"{spec.name}: {len(done.new)} new, {done.sent} sent, {len(done.problems)} failed")
