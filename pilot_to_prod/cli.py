"""`p2p`: thin commands over the same functions that notebooks call. Heavy imports wait until a command needs them."""

import shutil
import sys
from pathlib import Path
from typing import Any

import click

from pilot_to_prod import __version__

PROMOTE, BLOCK, USAGE, HOLD, ERROR, INTERRUPT = 0, 1, 2, 3, 4, 130


def _numbers(kind: Any, name: str) -> Any:
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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="p2p")
def cli() -> None:
    "Get AI pilots safely into production: write the promise down, replay reality against it, read the scorecard."


@cli.command()
@click.argument("pilots", nargs=-1, required=True)
@click.option(
    "--severities", callback=_numbers(float, "severities"), help="Instead of those of pilot.yaml or settings.ini: 0.1,0.3"
)
@click.option("--seeds", callback=_numbers(int, "seeds"), help="0,1,2")
@click.option("--runs", "folder", help="Folder for runs, instead of [runs] folder in settings.ini.")
@click.option("--workers", type=int, help="Notebooks at the same time.")
@click.option("--engine", help="papermill engine, instead of [runs] engine.")
@click.option("--fresh", is_flag=True, help="Do again what was done with the same inputs.")
@click.option("--dry-run", is_flag=True, help="Show the notebooks, their keys and what is done; execute nothing.")
@click.option("--any-verdict", is_flag=True, help="Exit with 0 once every card exists, whatever it says.")
def run(
    pilots: tuple[str, ...],
    severities: Any,
    seeds: Any,
    folder: str | None,
    workers: int | None,
    engine: str | None,
    fresh: bool,
    dry_run: bool,
    any_verdict: bool,
) -> None:
    """Replay reality against PILOTS and judge them.

    Exits with 0 promote, 1 block, 3 hold (the worst of several pilots), 2 usage, 4 any other error, 130 interrupt.
    """
    from pilot_to_prod.runs import make_plan
    from pilot_to_prod.runs import run as execute
    from pilot_to_prod.settings import load_settings
    from pilot_to_prod.spec import Spec, SpecError

    settings = load_settings({"runs.folder": folder, "runs.workers": workers, "runs.engine": engine})
    specs = [Spec.load(_found(p)) for p in pilots]
    for spec in specs:
        if wrong := _scenario_problems(spec):
            raise SpecError(str(spec.folder / "pilot.yaml"), wrong)
    cards, codes = [], []
    for spec in specs:
        plan = make_plan(spec, settings, severities, seeds)
        if dry_run:
            _show_plan(plan, settings)
            continue
        click.echo(f"{spec.title_text}: {len(plan.units)} notebooks on {settings.runs.workers} workers", err=True)
        made = execute(plan, settings, fresh=fresh, say=lambda text: click.echo(f"  {text}", err=True))
        if made.failed:
            codes.append(ERROR)
            for o in made.failed:
                if o.status == "failed":
                    click.echo(f"p2p: {spec.name}, notebook {o.name}: {o.error}: {o.message}", err=True)
                    click.echo(f"  its cells are in {made.folder / (o.name + '.failed.ipynb')}", err=True)
            click.echo(f"  what was finished stays in {made.folder}; the same command goes on from there", err=True)
            continue
        cards.append(made.folder)
        codes.append(_report(spec.name, made.folder))
    if cards:
        _farewell(cards)
    if not dry_run:
        worst = ERROR if ERROR in codes else BLOCK if BLOCK in codes else HOLD if HOLD in codes else PROMOTE
        sys.exit(worst if worst == ERROR or not any_verdict else 0)


def _found(pilot: str) -> Path:
    from pilot_to_prod.pilot import find_pilot

    return find_pilot(pilot)


def _show_plan(plan: Any, settings: Any) -> None:
    from pilot_to_prod.runs import Store
    from pilot_to_prod.runs.plan import _is_done

    folder, begun = Store(Path(settings.runs.folder), plan.pilot).run_folder(plan.hash)
    click.echo(f"{plan.pilot}: {folder}{'' if begun else ' (new)'}")
    for u in plan.units:
        click.echo(f"  {u.name:14} {u.key[:12]} {'done' if begun and _is_done(folder, u) else 'to do'}")


def _report(name: str, folder: Path) -> int:
    from pilot_to_prod.card import EXIT, Scorecard

    card = Scorecard.load(folder / "scorecard.json")
    click.secho(f"\n{name}: {card.verdict.upper()}", bold=True)
    click.echo(f"  {card.sentence}")
    for r in card.reasons():
        click.echo(f"  - {r['title']}. {r['text']}\n    Next: {r['next']}")
    return EXIT[card.verdict]


def _farewell(folders: list[Path]) -> None:
    from pilot_to_prod.card import Scorecard

    click.echo("\nCards")
    for folder in folders:
        card = Scorecard.load(folder / "scorecard.json")
        pilot = card.document["content"]["pilot"]
        first = card.reasons(1)
        said = first[0]["title"] if first else card.sentence
        click.echo(f"  {folder.resolve() / 'scorecard.html'}\n    {pilot['title']}: {card.verdict}. {said}.")
    click.echo(f"Next: open a card in a browser, then the notebook behind it: jupyter lab {folders[0] / 'multilingual.ipynb'}")


@cli.command()
@click.argument("pilot")
def check(pilot: str) -> None:
    "Check a promise: pilot.yaml, its data and its model, all mistakes at once."
    from pilot_to_prod.pilot import Pilot, PilotError, check_pilot
    from pilot_to_prod.spec import Spec, SpecError, about, threshold

    spec = Spec.load(_found(pilot))
    subject = Pilot.load(spec.folder)
    problems = _scenario_problems(spec)
    for which in ("reference", "replay_set"):
        try:
            getattr(subject, which)
        except SpecError as e:
            problems += [p for p in e.problems if p not in problems]
    if problems:
        raise SpecError(str(spec.folder / "pilot.yaml"), problems)
    rows = subject.replay_set
    try:
        table = check_pilot(subject, rows.head(50))
    except (PilotError, AssertionError):
        raise
    except (Exception, SystemExit) as e:
        raise PilotError(f"pilot {spec.name!r} raised {type(e).__name__} on clean rows: {e}") from e
    click.echo(
        f"{spec.title_text}, version {spec.version}: {len(spec.gates)} gates and {len(spec.behaviour)} sentences over "
        f"{len(rows):,} rows"
    )
    for g in spec.gates:
        click.echo(f"  {g.name}: {about(g)}: {threshold(g)}")
    for b in spec.behaviour:
        click.echo(f"  “{b.says}” means: {about(b)}: {threshold(b)}")
    click.echo(f"The model keeps the contract ({len(table)} checks on {min(50, len(rows))} rows). Next: p2p run {pilot}")


def _scenario_problems(spec: Any) -> list[Any]:
    "Scenarios that gates, sentences or the suite name, and that do not exist."
    from pilot_to_prod.scenarios import scenario
    from pilot_to_prod.spec import Problem

    named = [(("gates", i), g.scenario) for i, g in enumerate(spec.gates)]
    named += [(("behaviour", i), b.scenario) for i, b in enumerate(spec.behaviour)]
    named += [(("suite", i), r.scenario) for i, r in enumerate(spec.suite if isinstance(spec.suite, tuple) else ())]
    out = []
    for where, value in named:
        try:
            if value:
                scenario(**value)
        except (LookupError, ValueError, TypeError) as e:
            out.append(Problem((*where, "scenario"), str(e.args[0] if e.args else e)))
    return out


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Labelled rows, CSV or Parquet.")
@click.option("--label", required=True, help="Column with the truth.")
@click.option("--model", required=True, help="A .skops, .pkl or .joblib file, or module:function.")
@click.option(
    "--seen", type=click.Path(path_type=Path), help="The rows that the model has seen: they are left out of the replay set."
)
@click.option("--trust", is_flag=True, help="Pin the hash of your own pickle or joblib, so that it may be opened.")
def init(folder: Path, data: Path, label: str, model: str, seen: Path | None, trust: bool) -> None:
    "Begin a pilot in FOLDER: guess roles from the data and write a commented pilot.yaml that runs."
    from pilot_to_prod.pilot import begin_pilot

    path = begin_pilot(folder, data, label, model, seen=seen, trust=trust)
    click.echo(f"{path}: written. Read it, correct what was guessed, then: p2p check {folder} && p2p run {folder}")


@cli.command()
@click.argument("pilot", required=False)
def scenarios(pilot: str | None) -> None:
    "List the scenarios, or those that apply to PILOT and why others do not."
    from pilot_to_prod.scenarios import kinds, suite
    from pilot_to_prod.spec import Spec

    if pilot is None:
        for kind in kinds().values():
            click.echo(f"{kind.family:14} {kind.name:16} {kind.unit:7} {kind.expect:10} {kind.doc.splitlines()[0]}")
        return
    found = suite("standard", Spec.load(_found(pilot)))
    for one, at in found:
        click.echo(f"{one.family:14} {one.label:34} {one.expect:10} {', '.join(f'{s:g}' for s in at) if at else 'as usual'}")
    for name, why in found.left_out:
        click.echo(f"left out: {name} ({why})")


@cli.group()
def notebooks() -> None:
    "The stress notebooks."


@notebooks.command("list")
def notebooks_list() -> None:
    "What there is, and the parameters each takes."
    from pilot_to_prod.runs import notebooks as found
    from pilot_to_prod.runs import parameters

    for name, path in found().items():
        click.echo(f"{name}: {path}")
        for p in parameters(path).values():
            click.echo(f"  {p.name} = {p.default!r}  # {p.comment}")


@notebooks.command("copy")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("stress"))
def notebooks_copy(folder: Path) -> None:
    "Copy them to FOLDER, to open or change them; nothing is overwritten."
    from pilot_to_prod.runs import notebooks as found

    folder.mkdir(parents=True, exist_ok=True)
    there = [n for n in found() if (folder / f"{n}.ipynb").exists()]
    if there:
        raise click.UsageError(f"{folder} already holds {', '.join(there)}: name another folder.")
    for path in found().values():
        shutil.copy(path, folder)
    click.echo(f"{len(found())} notebooks in {folder}. Next: jupyter lab {folder / 'missing.ipynb'}")


@cli.command()
def schema() -> None:
    "Print the JSON Schema of pilot.yaml, for editors."
    import json

    from pilot_to_prod.spec import json_schema

    click.echo(json.dumps(json_schema(), indent=1, ensure_ascii=False))


def _expected(error: Exception) -> bool:
    "Whether an error is one that this package raises on purpose."
    if type(error).__module__.startswith("pilot_to_prod") or isinstance(error, OSError | AssertionError):
        return True
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    ours = last is not None and str(last.tb_frame.f_globals.get("__name__", "")).startswith("pilot_to_prod")
    return ours and type(error) in (ValueError, LookupError)


def main() -> None:
    "Run a command; every expected error is one message and an exit code."
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as e:
        e.show()
        sys.exit(USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("p2p: interrupted. What was finished stays; the same command goes on from there.", err=True)
        sys.exit(INTERRUPT)
    except Exception as e:  # noqa: BLE001 - an exit code of 1 means block, so nothing may escape
        if _expected(e):
            click.echo(f"p2p: {e.args[0] if type(e) is LookupError else e}", err=True)
            sys.exit(USAGE if type(e).__name__ in ("SettingsError", "SpecError", "NotebookError") else ERROR)
        import traceback

        traceback.print_exc()
        click.echo("p2p: this is an error of p2p itself; please report it with the lines above.", err=True)
        sys.exit(ERROR)
