"""`p2p schedule`, and what `p2p run --due` does."""

import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pilot_to_prod.cli._common import BLOCK, ERROR, HOLD, PROMOTE, located, numbers

OPTIONS = "severities", "seeds", "workers", "engine", "cluster", "fresh", "any_verdict"  # of `p2p run`, that a schedule keeps


def _clock() -> datetime:
    return datetime.now(UTC)


def _echo(text: str) -> None:
    click.echo(text, err=True)


def _store(spec: Any, folder: str | None) -> Any:
    "The pilot's folder of runs, as seen from everywhere."
    from pilot_to_prod.runs import Store
    from pilot_to_prod.settings import load_settings

    there = load_settings({"runs.folder": folder}).runs.folder
    return Store(there if "://" in there else str(Path(there).resolve()), spec.name)


# ---- p2p run --due


def when_due(ctx: click.Context) -> int:
    "The exit code of `p2p run --due`: each pilot is run if it is due, with the options of its schedule where none are given."
    codes, first = [], None  # exit codes; the error that is raised in the end
    for pilot in ctx.params["pilots"]:
        try:
            codes.append(_one_when_due(ctx, pilot))
        except Exception as e:  # noqa: BLE001 - raised below, once the other pilots had their turn
            if first is not None:
                _echo(f"p2p: {first}")  # the last one is told by whoever raises it
            first = e
    if first is not None:
        raise first
    return next((c for c in (ERROR, BLOCK, HOLD) if c in codes), PROMOTE)


def _one_when_due(ctx: click.Context, pilot: str) -> int:
    from pilot_to_prod.runs.schedule import due, serve
    from pilot_to_prod.spec import Spec

    store = _store(Spec.load(located(pilot)), ctx.params["folder"])

    def work(schedule: Any, **more: Any) -> int:
        kept = {n: v for n, v in schedule.options.items() if n in OPTIONS and not ctx.params[n]}
        try:
            ctx.invoke(ctx.command, **{**ctx.params, "pilots": (pilot,), "due": False, **kept})
        except SystemExit as e:
            return int(e.code or 0)
        return 0

    if not ctx.params["dry_run"]:
        return serve(store, work, clock=_clock, say=click.echo)
    from pilot_to_prod.runs.schedule import load_schedule

    asked = due(store, _clock())
    click.echo(asked.says)
    return asked.code if asked.time is None else work(load_schedule(store))


# ---- p2p schedule


def _time(_: Any, __: Any, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"a time is written 2026-11-25T12:00:00+00:00; got {value!r}.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@click.command()
@click.argument("pilot")
@click.option("--cron", help="When it is due: minute, hour, day of month, month, day of week, such as '0 2 * * *'; or @daily.")
@click.option("--timezone", help="The time zone of --cron, such as Europe/Berlin.  [default: UTC]")
@click.option(
    "--grace", type=click.IntRange(min=0), help="Seconds after which a time that nobody began is missed.  [default: 3600]"
)
@click.option("--made", callback=_time, help="Times up to this one are never due.  [default: now]")
@click.option(
    "--crontab", "as_crontab", is_flag=True, help="Print the line for crontab -e: the default where nothing else is asked for."
)
@click.option("--github", type=click.Path(path_type=Path, file_okay=False), help="Top of a repository that gets a workflow.")
@click.option(
    "--systemd", "units", type=click.Path(path_type=Path, file_okay=False), help="Folder that gets a service and a timer."
)
@click.option("--jupyter", help="Address of a Jupyter server with jupyter-scheduler, such as http://localhost:8888.")
@click.option("--token-env", default="JUPYTER_TOKEN", show_default=True, help="Environment variable that holds its token.")
@click.option("--jupyter-folder", default="p2p", show_default=True, help="Folder below its root for the driver notebook.")
@click.option("--remove", is_flag=True, help="Remove the schedule, and what the other flags name.")
@click.option("--runs", "folder", help="Folder for runs, instead of [runs] folder in settings.ini.")
@click.option("--severities", callback=numbers(float, "severities"), help="Of each run: 0.1,0.3")
@click.option("--seeds", callback=numbers(int, "seeds"), help="Of each run: 0,1,2")
@click.option("--workers", type=int, help="Of each run.")
@click.option("--engine", help="Of each run.")
@click.option("--cluster", help="Of each run.")
@click.option("--fresh", is_flag=True, help="Each run does again what was done.")
@click.option("--any-verdict", is_flag=True, help="Each run exits with 0 once its card exists, whatever it says.")
def schedule(pilot: str, **given: Any) -> None:
    """Have PILOT judged again on time: keep its schedule, and write it for cron, GitHub Actions, systemd or jupyter-scheduler.

    All of them call `p2p run PILOT --due`, which runs only what is due, once. Without --cron the schedule that is kept is shown, or
    written again.
    """
    from pilot_to_prod.runs.schedule import ScheduleError
    from pilot_to_prod.spec import Spec

    spec = Spec.load(located(pilot))
    store = _store(spec, given["folder"])
    place = pilot if "://" in pilot else str(spec.folder.resolve())
    try:
        if given["remove"]:
            _remove(spec, store, given)
            return
        kept, changed = _kept(spec, store, given)
    except ScheduleError as e:
        raise click.UsageError(str(e)) from None
    wrote = _write(kept, store, place, given)
    if given["as_crontab"] or (changed and not wrote):
        _crontab(kept, store, place)
    _tell(kept, store)


def _kept(spec: Any, store: Any, given: dict[str, Any]) -> tuple[Any, bool]:
    "The schedule as it is kept from now on, and whether it was given. Raises ScheduleError, UsageError."
    from pilot_to_prod.runs.schedule import Schedule, load_schedule, read_cron, save_schedule

    options = {n: given[n] for n in OPTIONS if given[n]}
    if given["cron"] is None:
        found = load_schedule(store)
        if found is None:
            raise click.UsageError(f"{spec.name} has no schedule. Give one: --cron '0 2 * * *' --timezone Europe/Berlin")
        extra = [n for n in ("timezone", "made", "grace") if given[n] is not None] + list(options)
        if extra:
            raise click.UsageError(f"--{extra[0].replace('_', '-')} changes a schedule: give --cron too, now '{found.cron}'.")
        return found, False
    about = {n: given[n] for n in ("timezone", "grace") if given[n] is not None}
    made = Schedule(spec.name, read_cron(given["cron"]), given["made"] or _clock(), options=options, **about)
    store.open()
    return save_schedule(store, made), True


def _program() -> list[str]:
    "The installed command by its full path: schedulers know no other."
    there = shutil.which("p2p", path=str(Path(sys.executable).parent))
    return [there] if there else [sys.executable, "-c", "from pilot_to_prod.cli import main; main()"]


def _command(store: Any, place: str) -> list[str]:
    return [*_program(), "run", place, "--runs", str(store.folder.parent), "--due"]


def _crontab(kept: Any, store: Any, place: str) -> None:
    from pilot_to_prod.runs._schedulers import crontab
    from pilot_to_prod.runs._store import is_here

    log = store.folder / "schedule.log" if is_here(store.folder) else Path.cwd() / f"p2p-{kept.pilot}.log"
    zone = datetime.now().astimezone().tzinfo or UTC
    click.echo(crontab(kept, _command(store, place), str(Path.cwd()), str(log), zone), nl=False)


def _write(kept: Any, store: Any, place: str, given: dict[str, Any]) -> bool:
    "Write and register what is asked for; whether anything was."
    from pilot_to_prod.runs._schedulers import driver, systemd

    if given["github"] is not None:
        path = _github(kept, place, given["github"])
        _echo(f"{path}: written. Commit it; GitHub asks at the times that it names, in UTC.")
        _echo(
            "  Runs are kept in the cache, which forgets after 7 days without use; for longer, a URL in the secret P2P_RUNS_FOLDER."
        )
    if given["units"] is not None:
        given["units"].mkdir(parents=True, exist_ok=True)
        texts = systemd(kept, _command(store, place), str(Path.cwd()))
        for name, text in texts.items():
            (given["units"] / name).write_text(text, encoding="utf-8")
        _echo(f"{given['units']}: {', '.join(texts)} written. Next: systemctl --user enable --now p2p-{kept.pilot}.timer")
    if given["jupyter"] is not None:
        if "://" in place:
            raise click.UsageError(
                "the driver notebook runs a pilot in a folder, not one at a URL: use --crontab or --systemd."
            )
        notebook = driver(place, str(store.folder.parent), str(Path.cwd()))
        made = _server(given).register(kept, notebook, given["jupyter_folder"])
        _echo(f"{given['jupyter']}: job definition {made} runs {kept.pilot}. See it under Notebook Jobs.")
    return any(given[n] is not None for n in ("github", "units", "jupyter"))


def _server(given: dict[str, Any]) -> Any:
    import os

    from pilot_to_prod.runs._schedulers import JupyterServer

    token = os.environ.get(given["token_env"])
    if not token:
        raise click.UsageError(
            f"the environment variable {given['token_env']} holds no token. It is listed by: jupyter server list"
        )
    return JupyterServer(given["jupyter"], token)


def _workflow_path(top: Path, name: str) -> Path:
    return top / ".github" / "workflows" / f"p2p-{name}.yml"


def _github(kept: Any, place: str, top: Path) -> Path:
    "Write the workflow. Raises UsageError where the pilot is outside of the repository."
    from pilot_to_prod.runs import environment
    from pilot_to_prod.runs._schedulers import workflow

    if "://" not in place:
        if not Path(place).is_relative_to(top.resolve()):
            raise click.UsageError(f"{place} is outside of the repository {top.resolve()}: GitHub would not find it.")
        place = Path(place).relative_to(top.resolve()).as_posix()
    own = environment()["pilot-to-prod"]
    package = "pilot-to-prod" if own == "not installed" else f"pilot-to-prod=={own}"
    path = _workflow_path(top, kept.pilot)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(workflow(kept, place, package=package, python=environment()["python"].rpartition(".")[0]), encoding="utf-8")
    return path


def _remove(spec: Any, store: Any, given: dict[str, Any]) -> None:
    from pilot_to_prod.runs.schedule import remove_schedule

    if given["cron"] is not None:
        raise click.UsageError("--remove and --cron contradict each other.")
    if given["jupyter"] is not None:
        gone = _server(given).remove(spec.name, given["jupyter_folder"])
        _echo(f"{given['jupyter']}: {gone} job definition{'' if gone == 1 else 's'} removed.")
    paths = [] if given["github"] is None else [_workflow_path(given["github"], spec.name)]
    paths += [] if given["units"] is None else [given["units"] / f"p2p-{spec.name}.{kind}" for kind in ("timer", "service")]
    for path in paths:
        _echo(f"{path}: {'removed' if path.is_file() else 'was not there'}.")
        path.unlink(missing_ok=True)
    there = remove_schedule(store)
    _echo(
        f"{spec.name}: {'its schedule is removed' if there else 'it had no schedule'}. A line in a crontab goes by: crontab -e"
    )


def _tell(kept: Any, store: Any) -> None:
    "When it is due next, and what was missed."
    from pilot_to_prod.runs.schedule import due, missed

    now = _clock()
    options = f"; {shlex.join(_options(kept))}" if kept.options else ""
    _echo(f"{kept.pilot}: due at {kept.cron} ({kept.timezone}), kept in {store.folder / 'schedule.json'}{options}")
    _echo(f"  {due(store, now).says}")
    for m in missed(store, now)[-5:]:
        until = "" if m.times == 1 else f" to {kept.shown(m.last)}, {m.times} times"
        _echo(f"  missed: {kept.shown(m.first)}{until}: {m.why}{'; caught up' if m.caught_up else ''}")


def _options(kept: Any) -> list[str]:
    from pilot_to_prod.runs._schedulers import option_words

    return option_words(kept.options)
