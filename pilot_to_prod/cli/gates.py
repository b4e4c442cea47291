"""`p2p gates`: what a promise asks, and what a first run suggests that it could ask."""

from typing import Any

import click

from pilot_to_prod.cli._common import aligned, located


@click.group()
def gates() -> None:
    "The gates of a promise: list them, or have a first run suggest some."


@gates.command("list")
@click.argument("pilot")
def gates_list(pilot: str) -> None:
    "Every gate and sentence of PILOT, with the section of the card where it stands."
    from pilot_to_prod.gates import promises
    from pilot_to_prod.spec import Spec, about, safe

    found = promises(Spec.load(located(pilot)))
    if not found:
        click.echo(f"{pilot} promises nothing yet. Next: p2p run {pilot}, then p2p gates suggest {pilot}")
        return
    rows = [[safe(p.name, 60), p.section, about(p.part), p.threshold] for p in found]
    click.echo(aligned([["gate", "section", "about", "asks"], *rows], left=4))


@gates.command("suggest")
@click.argument("pilot")
@click.option("--run", help="Number or name of a run; the newest that is finished where none is given.")
@click.option("--runs", "folder", help="Folder of runs, a path or URL, instead of [runs] folder in settings.ini.")
def gates_suggest(pilot: str, run: str | None, folder: str | None) -> None:
    """Gates that PILOT would keep on fresh rows if it is as good as a run found it, as they stand in pilot.yaml.

    They may not be judged on the rows they were learnt from: a card leaves them undecided there.
    """
    from pilot_to_prod.card.suggest import as_yaml, suggest
    from pilot_to_prod.evidence import load
    from pilot_to_prod.runs import RunError
    from pilot_to_prod.spec import Spec

    spec = Spec.load(located(pilot))
    at = _evidence_of(spec, run, folder)
    evidence = load(at)
    if evidence.pilot["spec"] != spec.hash:
        click.echo(
            f"p2p: {at} was made for another version of this promise; its rows and answers are looked at all the same", err=True
        )
    found = suggest(spec, evidence)
    if not any(s.gate for s in found):
        raise RunError(f"{at}: no gate can be suggested. " + " ".join(f"{s.why}." for s in found if s.gate is None))
    click.echo(as_yaml(found), nl=False)
    click.echo(
        f"Next: keep those you mean in {spec.folder / 'pilot.yaml'}, put fresh labelled rows into data.replay, p2p run {pilot}",
        err=True,
    )


def _evidence_of(spec: Any, run: str | None, folder: str | None) -> str:
    "The folder of evidence of a finished run. Raises RunError."
    from pilot_to_prod.runs import RunError, Store
    from pilot_to_prod.settings import load_settings

    store = Store(folder or load_settings().runs.folder, spec.name)
    names = [str(m["run"]) for m in store.manifests()]
    if run is not None:
        names = [n for n in names if run in (n, n.split("-")[0], n.split("-")[0].lstrip("0"))]
    if not names:
        asked = f"no finished run {run!r}" if run else "no finished run"
        raise RunError(
            f"{store.folder}: {asked} of {spec.name}. Run it first: p2p run {spec.name}; what there is: p2p runs list"
        )
    at = store.folder / names[-1] / "evidence"
    if not list(at.glob("*.parquet")):
        raise RunError(f"{at}: the evidence of this run was pruned. Run again: p2p run {spec.name} --fresh")
    return str(at)
