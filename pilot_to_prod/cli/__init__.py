"""`p2p`: thin commands over the same functions that notebooks call. Heavy imports wait until a command needs them."""

import shutil
import sys
from pathlib import Path
from typing import Any

import click

from pilot_to_prod import __version__
from pilot_to_prod.cli._common import BLOCK, ERROR, HOLD, INTERRUPT, PROMOTE, USAGE, aligned, located, numbers
from pilot_to_prod.cli.approval import promote, sign
from pilot_to_prod.cli.gates import gates
from pilot_to_prod.cli.card import card, on_github
from pilot_to_prod.cli.notices import notices, tell, told
from pilot_to_prod.cli.runs import runs
from pilot_to_prod.cli.schedule import schedule, when_due


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="p2p")
def cli() -> None:
    "Get AI pilots safely into production: write the promise down, replay reality against it, read the scorecard."


cli.add_command(runs)
cli.add_command(gates)
cli.add_command(card)
cli.add_command(notices)
cli.add_command(schedule)
cli.add_command(sign)
cli.add_command(promote)


@cli.command()
@click.argument("pilots", nargs=-1, required=True)
@click.option(
    "--severities", callback=numbers(float, "severities"), help="Instead of those of pilot.yaml or settings.ini: 0.1,0.3"
)
@click.option("--seeds", callback=numbers(int, "seeds"), help="0,1,2")
@click.option("--runs", "folder", help="Folder for runs, instead of [runs] folder in settings.ini.")
@click.option("--workers", type=int, help="Notebooks at the same time.")
@click.option("--engine", help="papermill engine, instead of [runs] engine.")
@click.option("--cluster", help="Dask workers instead of threads: local, or a scheduler's address such as tcp://host:8786.")
@click.option("--fresh", is_flag=True, help="Do again what was done with the same inputs.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show the notebooks, their keys, what is done, and what the others will ask of the pilot; execute nothing.",
)
@click.option(
    "--max-calls",
    type=click.IntRange(min=1),
    help="Refuse to begin where the notebooks need more calls of the pilots than this; nothing is ever sampled.",
)
@click.option("--any-verdict", is_flag=True, help="Exit with 0 once every card exists, whatever it says.")
@click.option(
    "--due", is_flag=True, help="Only if its schedule says that it is due (p2p schedule); else say so and exit with 0."
)
def run(
    pilots: tuple[str, ...],
    severities: Any,
    seeds: Any,
    folder: str | None,
    workers: int | None,
    engine: str | None,
    cluster: str | None,
    fresh: bool,
    dry_run: bool,
    max_calls: int | None,
    any_verdict: bool,
    due: bool,
) -> None:
    """Replay reality against PILOTS and judge them.

    Exits with 0 promote, 1 block, 3 hold (the worst of several pilots), 2 usage, 4 any other error, 130 interrupt.
    """
    if due:
        sys.exit(when_due(click.get_current_context()))
    from pilot_to_prod.runs import make_plan
    from pilot_to_prod.runs import run as execute
    from pilot_to_prod.settings import load_settings
    from pilot_to_prod.spec import Spec, SpecError

    settings = load_settings({"runs.folder": folder, "runs.workers": workers, "runs.engine": engine, "runs.cluster": cluster})
    specs = [Spec.load(located(p)) for p in pilots]
    for spec in specs:
        if wrong := _scenario_problems(spec):
            raise SpecError(str(spec.folder / "pilot.yaml"), wrong)
    at = [p if "://" in p else None for p in pilots]
    plans = []
    for spec, source in zip(specs, at, strict=True):
        with told(spec, settings, quiet=dry_run):
            plans.append(make_plan(spec, settings, severities, seeds, source))
    if dry_run:
        _dry_run(specs, plans, settings, fresh, max_calls)
        return
    if max_calls is not None:
        _check_calls(specs, plans, settings, fresh, max_calls)
    cards, codes = [], []
    for spec, plan in zip(specs, plans, strict=True):
        click.echo(f"{spec.title_text}: {len(plan.units)} notebooks on {settings.runs.workers} workers", err=True)
        with told(spec, settings):
            made = execute(plan, settings, fresh=fresh, say=lambda text: click.echo(f"  {text}", err=True))
        tell(spec, settings, made)
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
        on_github(cards, specs)
    worst = ERROR if ERROR in codes else BLOCK if BLOCK in codes else HOLD if HOLD in codes else PROMOTE
    sys.exit(worst if worst == ERROR or not any_verdict else 0)


def _folder_of(plan: Any, settings: Any) -> tuple[Path, bool]:
    "Where a plan's results go, and whether they were begun."
    from pilot_to_prod.runs import Store

    found: tuple[Path, bool] = Store(Path(settings.runs.folder), plan.pilot).run_folder(plan.hash)
    return found


def _to_do(plan: Any, settings: Any, fresh: bool) -> list[Any]:
    "The units of a plan that a run would execute."
    from pilot_to_prod.runs.plan import _is_done

    folder, begun = _folder_of(plan, settings)
    return [u for u in plan.units if fresh or not begun or not _is_done(folder, u)]


def _asks(unit: Any, spec: Any) -> tuple[Any, ...] | None:
    "What a stress notebook hands to replay: suite, severities, seeds. None: it replays nothing and times single calls."
    from pilot_to_prod.runs import parameters
    from pilot_to_prod.scenarios import suite

    given = {n: p.default for n, p in parameters(unit.notebook).items()} | unit.parameters
    if "families" not in given:
        return None
    return suite(given["families"], spec, given["depth"]), given["severities"], given["seeds"]


def _meter(spec: Any, settings: Any, **given: Any) -> Any:
    from pilot_to_prod.pilot import Pilot
    from pilot_to_prod.stress._cost import Meter

    return Meter(Pilot.load(spec.folder), settings, **given)


def _cost_of(meter: Any, unit: Any, spec: Any) -> Any:
    asked = _asks(unit, spec)
    return meter.timing() if asked is None else meter.replay(*asked)


def _dry_run(specs: list[Any], plans: list[Any], settings: Any, fresh: bool, max_calls: int | None) -> None:
    "Show what there is to do and what it asks of the pilots. Raises ReplayError where that is more than allowed."
    wanted = []
    for spec, plan in zip(specs, plans, strict=True):
        folder, begun = _folder_of(plan, settings)
        click.echo(f"{plan.pilot}: {folder}{'' if begun else ' (new)'}")
        undone, costs = _to_do(plan, settings, fresh), {}
        if undone:
            click.echo(f"{plan.pilot}: counting what {len(undone)} notebooks ask", err=True)
            meter = _meter(spec, settings)
            costs = {u.name: _cost_of(meter, u, spec) for u in undone}
        _show_plan(plan, costs, settings.runs.workers)
        wanted += [(f"{plan.pilot} {n}", c) for n, c in costs.items()]
    if len(plans) > 1:
        _show_sum([c for _, c in wanted])
    if max_calls is not None:
        _refuse_beyond(
            max_calls, wanted, [_asks(u, s) for s, p in zip(specs, plans, strict=True) for u in _to_do(p, settings, fresh)]
        )


def _show_sum(costs: list[Any]) -> None:
    "What several pilots are asked together; prices stay apart by currency."
    from pilot_to_prod.stress._cost import money

    prices: dict[str, float] = {}
    for c in costs:
        if c.price is not None:
            prices[c.currency] = prices.get(c.currency, 0) + c.price
    said = [f"Together: {sum(c.calls for c in costs):,} calls for {sum(c.rows for c in costs):,} rows"]
    click.echo("; ".join(said + [f"{money(p)} {currency}" for currency, p in prices.items()]))


def _show_plan(plan: Any, costs: dict[str, Any], workers: int) -> None:
    "A line a notebook, their sum, and what the numbers leave out."
    total = sum(list(costs.values())[1:], next(iter(costs.values()))) if costs else None
    priced = f"price {total.currency}" if total is not None and total.price is not None else None
    table = [["notebook", "key", "", "scenarios", "cells", "calls", "rows", "seconds", *([priced] if priced else [])]]
    for u in plan.units:
        c = costs.get(u.name)
        table.append([u.name, u.key[:12], "done" if c is None else "to do", *([] if c is None else _figures(c))])
    if total is not None:
        table.append(["all", "", "", *_figures(total)])
    click.echo(aligned(table, left=3))
    if total is not None and total.seconds is not None:
        first, last = (
            [costs[u.name].seconds for u in plan.units if u.name in costs and bool(u.after) is x] for x in (False, True)
        )
        wall = max([sum(first) / workers, *first]) + sum(last)
        click.echo(f"  on {workers} workers about {_span(wall)}, besides starting the notebooks")
    for note in total.remarks if total is not None else ():
        click.echo(f"  - {note}")


def _figures(c: Any) -> list[str]:
    "Scenarios, cells, calls, rows, seconds and price of a cost, as text."
    from pilot_to_prod.stress._cost import money

    out = [f"{n:,}" for n in (c.scenarios, c.cells, c.calls, c.rows)] + ["-" if c.seconds is None else f"{c.seconds:,.1f}"]
    return out if c.price is None else [*out, money(c.price)]


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _check_calls(specs: list[Any], plans: list[Any], settings: Any, fresh: bool, max_calls: int) -> None:
    "Raises ReplayError where the undone notebooks of all pilots need more calls than that; no pilot is asked to find out."
    jobs = []
    for spec, plan in zip(specs, plans, strict=True):
        if undone := _to_do(plan, settings, fresh):
            meter = _meter(spec, settings, time_rows=0)
            jobs += [(f"{plan.pilot} {u.name}", meter, u, spec) for u in undone]
    asked = [(meter, _asks(u, spec)) for _, meter, u, spec in jobs]
    if sum(meter.timing().calls if a is None else meter.most(*a) for meter, a in asked) > max_calls:
        _refuse_beyond(max_calls, [(name, _cost_of(meter, u, spec)) for name, meter, u, spec in jobs], [a for _, a in asked])


def _fewer(asked: list[tuple[Any, ...] | None]) -> str:
    "How to ask for less, where scenarios have severities of their own, which --severities does not change."
    at = [own for a in asked if a is not None for _, own in a[0]]
    own = sum(x is not None for x in at)
    if own and own == len(at):
        return "fewer seeds (--seeds; all scenarios have severities of their own, which --severities does not change)"
    but = f"; {own} of {len(at)} scenarios have severities of their own, which --severities does not change" if own else ""
    return f"fewer severities or seeds (--severities, --seeds{but})"


def _refuse_beyond(max_calls: int, wanted: list[tuple[str, Any]], asked: list[tuple[Any, ...] | None]) -> None:
    "Raises ReplayError where notebooks need more calls than that."
    from pilot_to_prod.stress import ReplayError

    calls, rows, most = (sum(getattr(c, n) for _, c in wanted) for n in ("calls", "rows", "most_calls"))
    if calls <= max_calls:
        if most > max_calls:
            click.echo(
                f"p2p: {calls:,} calls are needed; up to {most:,}, more than --max-calls {max_calls}, if the answers turn out to depend "
                "on which rows are asked together.",
                err=True,
            )
        return
    shown = ", ".join(f"{name} {c.calls:,}" for name, c in sorted(wanted, key=lambda w: -w[1].calls)[:3])
    raise ReplayError(
        f"the notebooks need {calls:,} calls of the pilot for {rows:,} rows, {calls - max_calls:,} more than --max-calls {max_calls}. "
        f"No notebook was started and nothing was left out. Most calls: {shown}. Allow {calls:,}, or take {_fewer(asked)}, "
        "a smaller suite (in pilot.yaml, or [replay] suite), or fewer timed calls ([latency] runs, calls)."
    )


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
        click.echo(f"  {folder.resolve() / 'scorecard.html'}\n    {pilot['title']}: {card.verdict}. {said.rstrip('.')}.")
    click.echo(f"Next: open a card in a browser, then the notebook behind it: jupyter lab {folders[0] / 'multilingual.ipynb'}")


@cli.command()
@click.argument("pilot")
def check(pilot: str) -> None:
    "Check a promise: pilot.yaml, its data and its model, all mistakes at once."
    from pilot_to_prod.pilot import Pilot, PilotError, check_pilot
    from pilot_to_prod.spec import Spec, SpecError, about, threshold

    spec = Spec.load(located(pilot))
    subject = Pilot.load(spec.folder)
    problems = _scenario_problems(spec)
    for which in ("reference", "replay_set"):
        try:
            getattr(subject, which)
        except SpecError as e:
            problems += [p for p in e.problems if p not in problems]
    if all(p.where[:1] != ("data",) for p in problems):
        problems += [p for p in _trial_problems(spec, subject) if p not in problems]
    if problems:
        raise SpecError(str(spec.folder / "pilot.yaml"), sorted(problems, key=lambda p: p.line or 0))
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
    if short := _too_few_calls(spec):
        click.echo(f"p2p: what is promised of latency would stay undecided: {short}.", err=True)
    click.echo(f"The model keeps the contract ({len(table)} checks on {min(50, len(rows))} rows). Next: p2p run {pilot}")


def _too_few_calls(spec: Any) -> str:
    "Why calls timed as the settings have it could not judge latency; nothing where they could, or where none is promised."
    if all(g.metric != "latency_p95" for g in spec.gates):
        return ""
    import numpy as np

    from pilot_to_prod.evidence.statistics import Latency
    from pilot_to_prod.settings import load_settings

    given = load_settings().latency
    return Latency(np.ones((given.runs, given.calls))).short


def _named(spec: Any) -> list[tuple[tuple[Any, ...], str, Any, Any]]:
    "Scenarios that a promise names: place in the file, who names it, as it is written, and its severities in a suite."
    out = [(("gates", i, "scenario"), f"gate {g.name!r}", g.scenario, None) for i, g in enumerate(spec.gates)]
    out += [(("behaviour", i, "scenario"), f"sentence {b.says!r}", b.scenario, None) for i, b in enumerate(spec.behaviour)]
    listed = spec.suite if isinstance(spec.suite, tuple) else ()
    out += [(("suite", i, "scenario"), f"entry {i + 1} of the suite", r.scenario, r.severities) for i, r in enumerate(listed)]
    return [n for n in out if n[2]]


def _at(spec: Any, where: tuple[Any, ...], who: str, says: str) -> Any:
    "A problem with its line in pilot.yaml."
    from pilot_to_prod.spec import Problem
    from pilot_to_prod.spec._read import line_of, read_yaml

    path = spec.folder / "pilot.yaml"
    return Problem(where, f"{who}: {says}", line_of(read_yaml(path), where) if path.is_file() else None)


def _scenario_problems(spec: Any) -> list[Any]:
    "Scenarios that gates, sentences or the suite name, and that do not exist or cannot be made as they are written."
    from pilot_to_prod.scenarios import scenario

    out = []
    for where, who, value, _ in _named(spec):
        try:
            scenario(**value, beside=spec.folder)
        except (LookupError, ValueError, TypeError) as e:
            out.append(_at(spec, where, who, str(e.args[0] if e.args else e)))
    return out


def _trial_problems(spec: Any, subject: Any) -> list[Any]:
    "What the scenarios that a promise names say to its own rows: each is fitted, and corrupts the first 50 at its severities."
    from pilot_to_prod.scenarios.catalogue import _entry, _replayed_for
    from pilot_to_prod.settings import load_settings

    usual = spec.severities or load_settings().replay.severities
    out, said = [], dict[str, str]()
    for where, who, value, at in _named(spec):
        try:
            entries = [_entry((value, at), spec)] if where[0] == "suite" else _replayed_for(value, spec)
        except (LookupError, ValueError, TypeError):
            continue  # told by _scenario_problems
        for one, own in entries:
            levels = own or usual
            key = repr((one, levels))
            if key not in said:
                said[key] = _tried(one, levels, spec, subject)
            if said[key]:
                out.append(_at(spec, where, who, said[key]))
    return out


def _tried(one: Any, levels: Any, spec: Any, subject: Any) -> str:
    "What keeps a scenario from corrupting the pilot's first rows; empty: nothing."
    import numpy as np

    from pilot_to_prod.scenarios import Rows
    from pilot_to_prod.scenarios._translators import unasked

    kinds = [s.kind for s in getattr(one, "stages", (one,))]
    frame = subject.reference if any(k.on == "reference" for k in kinds) else subject.replay_set
    rows = frame.head(50)
    try:
        with unasked():  # a translator may cost money
            fitted = one.fit(subject.reference, spec)
            for level in levels:
                sure = np.linspace(0.05, 0.95, len(rows))
                fitted.corrupt(Rows(rows, spec.data.id if spec.data.id in rows else None, confidence=sure), severity=level)
    except (Exception, SystemExit) as e:  # noqa: BLE001 - whatever a hook does with a value that it does not expect
        if type(e) in (ValueError, LookupError, OSError, FileNotFoundError):
            return str(e)
        known = ", ".join(dict.fromkeys(k.name for k in kinds))
        return f"{one.label} raised {type(e).__name__}: {e} on the first {len(rows)} rows. Look at its parameters: p2p scenarios {known}"
    return ""


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
@click.argument("name", required=False)
@click.option("--family", help="Only those of one family, such as missing or noise.")
@click.option("--pilot", help="Which apply to this pilot, with which parameters, and why others do not.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def scenarios(name: str | None, family: str | None, pilot: str | None, as_json: bool) -> None:
    "List every kind of scenario; say all about the one called NAME; or those that apply to a pilot."
    import json

    spec = None if pilot is None else _loaded(pilot)
    chosen = _chosen_kinds(name, family, spec)
    if spec is not None:
        _show_applying(spec, chosen, as_json)
    elif as_json:
        click.echo(json.dumps([_as_values(k) for k in chosen.values()], indent=1, ensure_ascii=False, default=str))
    elif name is not None:
        _show_kind(chosen[name])
    else:
        _show_kinds(chosen)


def _loaded(pilot: str) -> Any:
    from pilot_to_prod.spec import Spec

    return Spec.load(located(pilot))


def _own_kinds(spec: Any) -> dict[str, Any]:
    "Kinds that a promise names and that are neither built in nor installed."
    from pilot_to_prod.scenarios import kind_named

    stages = [s for _, _, value, _ in _named(spec) for s in value.get("stages", [value])]
    names = [s if isinstance(s, str) else s.get("name") for s in stages]
    return {n: kind_named(n, spec.folder) for n in names if isinstance(n, str) and ":" in n}


def _chosen_kinds(name: str | None, family: str | None, spec: Any = None) -> dict[str, Any]:
    "Kinds by name, with those that a promise names. Raises UsageError with the nearest names."
    from pilot_to_prod.scenarios import kind_named, kinds
    from pilot_to_prod.spec import near

    known = kinds() | (_own_kinds(spec) if spec is not None else {})
    if family is not None and family not in {k.family for k in known.values()}:
        raise click.UsageError(f"no family is called {family!r}. {near(family, {k.family for k in known.values()})}")
    if name is not None:
        if name not in known and ":" not in name:
            pilot = f" A pilot is named by --pilot {name}." if Path(name, "pilot.yaml").exists() else ""
            raise click.UsageError(f"no scenario is called {name!r}. {near(name, known)}{pilot}")
        try:
            known = {name: kind_named(name, None if spec is None else spec.folder)}
        except LookupError as e:
            raise click.UsageError(str(e.args[0])) from None
    out = {n: k for n, k in known.items() if family in (None, k.family)}
    if not out:
        raise click.UsageError(f"{name!r} is of the family {known[name or ''].family!r}, not {family!r}.")
    return out


def _as_values(kind: Any) -> dict[str, Any]:
    "A kind as plain values."
    from pilot_to_prod.scenarios._kinds import EXPECTED

    return {
        "name": kind.name,
        "family": kind.family,
        "unit": kind.unit,
        "roles": list(kind.roles),
        "expect": kind.expect,
        "good_pilot": EXPECTED[kind.expect],
        "depth": kind.depth,
        "severities": None if kind.severities is None else list(kind.severities),
        "needs": list(kind.needs),
        "simulates": kind.doc.splitlines()[0],
        "doc": kind.doc,
        "parameters": [{"name": n, "default": v, "about": about} for n, v, about in _parameters_of(kind)],
    }


def _parameters_of(kind: Any) -> list[tuple[str, Any, str]]:
    "Name, default and the comment beside it in the source, where that can be read."
    import inspect
    import re

    try:
        lines = inspect.getsource(kind.change).splitlines()
    except (OSError, TypeError):
        lines = []
    said = {m[1]: m[2] for m in (re.match(r"\s*(\w+)\s*:[^#]*#\s*(.+)$", line) for line in lines) if m}
    return [(n, v, said.get(n, "")) for n, v in kind.parameters.items()]


def _show_kinds(chosen: dict[str, Any]) -> None:
    from pilot_to_prod.spec import INPUT_ROLES

    families: dict[str, list[Any]] = {}
    for kind in chosen.values():
        families.setdefault(kind.family, []).append(kind)
    table = [
        [
            k.name,
            k.unit,
            "any input" if set(k.roles) == set(INPUT_ROLES) else ", ".join(k.roles),
            k.expect,
            k.depth,
            k.doc.splitlines()[0],
        ]
        for k in chosen.values()
    ]
    head = ["name", "unit", "roles", "expect", "depth", "simulates"]
    lines = iter(aligned([head, *table], left=6).splitlines())
    click.echo(next(lines))
    for family, found in families.items():
        click.echo(f"{family} ({len(found)})")
        for _ in found:
            click.echo(next(lines))
    click.echo(
        f"{len(chosen)} kinds. All about one: p2p scenarios NAME. Which apply to a pilot, and why others do not: --pilot PILOT"
    )


def _show_kind(kind: Any) -> None:
    says = _as_values(kind)
    click.secho(says["name"], bold=True)
    click.echo(f"{says['doc']}\n")
    at = "the usual ones" if kind.severities is None else ", ".join(f"{s:g}" for s in kind.severities)
    click.echo(f"family: {kind.family}   unit: {kind.unit}   depth: {kind.depth}   severities: {at}")
    if kind.needs:
        click.echo(f"needs: {', '.join(kind.needs)}")
    if kind.parameters:
        click.echo("parameters:")
        table = [[f"{p['name']} = {p['default']!r}", *([f"# {p['about']}"] if p["about"] else [])] for p in says["parameters"]]
        click.echo(aligned(table, left=2))
    else:
        click.echo("parameters: none of its own")
    given = ", ".join(f"{n}: {_yaml(v)}" for n, v in kind.parameters.items())
    name = _yaml(kind.name) if ":" in kind.name else kind.name
    click.echo(f"in pilot.yaml: scenario: {{name: {name}, {given}}}" if given else f"in pilot.yaml: scenario: {name}")


def _yaml(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, default=str)


def _stages(one: Any) -> tuple[Any, ...]:
    "Of a composition; a scenario has none."
    return tuple(getattr(one, "stages", ()))


def _some(columns: Any) -> str:
    return ", ".join(columns[:3]) + (f" and {len(columns) - 3} more" if len(columns) > 3 else "")


def _show_applying(spec: Any, chosen: dict[str, Any], as_json: bool) -> None:
    "Those of some kinds that apply to a pilot, as its deepest suite and its own list have them, and why the others do not."
    import json

    from pilot_to_prod.scenarios import suite
    from pilot_to_prod.scenarios.catalogue import _entry

    found = suite("deep", spec)
    listed = [_entry((r.scenario, r.severities), spec) for r in spec.suite] if isinstance(spec.suite, tuple) else []
    deep = list(found)
    both = deep + [e for e in listed if (":" in e[0].name or _stages(e[0])) and e[0] not in [s for s, _ in deep]]
    entries = [(s, at, chosen.get(s.name)) for s, at in both if all(x.name in chosen for x in _stages(s) or [s])]
    left = [(n, why) for n, why in found.left_out if n in chosen]
    there = {s.name for s, _, _ in entries} | {n for n, _ in left}
    why = "no suite holds it by itself: name it in a gate or in the suite of pilot.yaml"
    left += [(n, why) for n in chosen if n not in there]
    if as_json:
        values = [
            {
                **s.to_json(),
                "label": s.label,
                "family": s.family,
                "expect": s.expect,
                "depth": None if k is None else k.depth,
                "severities": at,
                "needs": [] if k is None else k.needs,
            }
            for s, at, k in entries
        ]
        for v in values:
            del v["severity"]
        said = {"pilot": spec.name, "applies": values, "left_out": [{"name": n, "why": why} for n, why in left]}
        click.echo(json.dumps(said, indent=1, ensure_ascii=False))
        return
    table = [["family", "scenario", "expect", "depth", "severities", "columns"]]
    for s, at, k in entries:
        on = "" if k is None or s.columns is None else _some(s.columns)
        on += " (if the pilot gives probabilities)" if k is not None and "confidence" in k.needs else ""
        severities = ", ".join(f"{v:g}" for v in at) if at else "as usual"
        table.append([s.family, s.label, s.expect, "" if k is None else k.depth, severities, on])
    click.echo(aligned(table, left=6))
    for n, why in left:
        click.echo(f"left out: {n} ({why})")


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
