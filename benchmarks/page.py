"""The page of the docs that shows what was measured: made from benchmarks/results, and from nothing else.

Run: make bench, or python benchmarks/page.py once there are results. Writes nbs/explanations/benchmarks.md; --check says whether
it is what the results say. Exit codes: 0 written or the same, 1 another page stands there, 2 usage, 3 a result is not there.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _machine import said, warning

HERE = Path(__file__).resolve().parent
RESULTS, PAGE = HERE / "results", HERE.parent / "nbs" / "explanations" / "benchmarks.md"
OURS, FAST = "ours, numpy", "ours, numba"


@dataclass(frozen=True)
class Task:
    "What everyone is asked to do."

    name: str
    title: str
    share: float
    rows: int
    unit: str


TASKS = (
    Task("typos", "Typos in 10% of words", 0.1, 20_000, "sentences of 8 to 16 words"),
    Task("mcar", "20% missing completely at random", 0.2, 200_000, "rows of 20 numeric columns"),
    Task("mnar", "20% missing not at random", 0.2, 200_000, "rows of 20 numeric columns"),
)

# what the project wants to reach: task, ours, whom, at least so many times as fast
GOALS = (
    ("typos", OURS, ("badgers",), 6.0),
    ("typos", OURS, ("nlpaug, keyboard", "nlpaug, characters"), 60.0),
    ("typos", FAST, ("badgers",), 20.0),
    ("typos", FAST, ("nlpaug, keyboard", "nlpaug, characters"), 175.0),
    *(
        (task, ours, whom, least)
        for task in ("mcar", "mnar")
        for whom in (("badgers", "tab_err", "gecko"), ("gecko, NaN given",))
        for ours, least in ((OURS, 3.0), (FAST, 8.0))
    ),
)
MEMORY_GOAL = 1.2  # peak above the caller's frame, in sizes of that frame, for mcar and mnar
REPLAY_GOAL = 1.2  # a replay, in predict calls of the rows that it changes
CARD_GOAL, PAGE_GOAL = 3, 500_000  # seconds, bytes: a card of 200 gates
LARGE_GOAL = 1.5  # GB at ten million rows
LINEAR_GOAL = 1.15  # cost of a row there, in that of a row of the smallest file that is read batch by batch


def goals(tasks: dict[str, Any]) -> Iterator[dict[str, Any]]:
    "What we want to reach, and what was measured. Of several peers the fastest counts."
    for task, ours, whom, least in GOALS:
        found = tasks.get(task, {})
        ratios = {
            w: found[w]["times_as_long"][ours]["cpu"]["median"]
            for w in whom
            if ours in found.get(w, {}).get("times_as_long", {})
        }
        if ratios:
            nearest = min(ratios, key=lambda w: ratios[w])
            got = ratios[nearest]
            yield {
                "task": task,
                "what": f"{ours}: times as fast as {nearest}",
                "goal": least,
                "got": got,
                "sign": "≥",
                "reached": got >= least,
            }
    for task in ("mcar", "mnar"):
        for ours in (OURS, FAST):
            got = tasks.get(task, {}).get(ours, {}).get("does", {}).get("memory_ratio", {}).get("rss_above")
            if got is not None:
                what = f"{ours}: peak memory above the caller's frame, in its sizes"
                yield {"task": task, "what": what, "goal": MEMORY_GOAL, "got": got, "sign": "≤", "reached": got <= MEMORY_GOAL}


def peers(result: dict[str, Any], wanted: Iterable[dict[str, Any]]) -> list[str]:
    "Our corruptions beside those of others."
    lines = ["## Beside others", "", said(result["machine"]) + ".", ""]
    if said_so := warning(result["machine"]["others_at_work"], result["others_at_work_after"]):
        lines += [f"**{said_so}**", ""]
    if result["settings"]["quick"]:
        lines += ["**A quick look at small data: nothing here is to be quoted.**", ""]
    s = result["settings"]
    lines += [
        f"Times are of one call in a warm process: median (range) of {s['rounds']} rounds of {s['repeats']} calls; libraries take turns "
        "in every round, and *times as long* is taken within a round: median (range of the rounds), by row, in CPU time, "
        "which counts every thread and not what others do on the machine. "
        "Our calls include fit, the exact share, and the ledger; the keyboard is the English one, as it is with the others, and *by language* "
        "is the default that looks at each text. badgers and gecko take words, so splitting sentences and joining them again "
        "is part of their job; *words given* is the generator alone. gecko is called as its documents do, with '' as the missing value; "
        "*NaN given* is its faster way. Peak memory is what one call needs above what the caller holds already.",
        "",
    ]
    for task in TASKS:
        if task.name in result["tasks"]:
            lines += _section(task, result["tasks"][task.name])
    rows = [
        [g["task"], g["what"], f"{g['sign']} {g['goal']:g}", _short(g["got"]), "yes" if g["reached"] else "no"] for g in wanted
    ]
    if rows:
        lines += ["### What we want to reach", "", *_table(["task", "what", "goal", "measured", "reached"], rows), ""]
    if result["left_out"]:
        lines += ["### Left out here", "", *(f"- {n}: {why}" for n, why in result["left_out"].items()), ""]
    return lines


def _section(task: Task, found: dict[str, Any]) -> Iterator[str]:
    rows = next((f["rows"] for f in found.values() if "rows" in f), task.rows)
    yield from (f"### {task.title}", "", f"{rows:,} {task.unit}.", "")
    bases = [b for b in (OURS, FAST) if "wall" in found.get(b, {})]
    speed = [[n, *_speed(f, bases)] for n, f in found.items() if "wall" in f]
    head = [
        "",
        "rows a CPU second",
        "CPU ms a call",
        "wall ms",
        "first call ms, with imports",
        *(f"times as long as {b}" for b in bases),
        "peak memory",
    ]
    yield from (*_table(head, speed), "")
    does = [[n, _versions(f), *_does(f["does"])] for n, f in found.items() if "does" in f]
    head = ["", "versions", "delivered", "what the caller handed over", "global generators", "same seed, same result", "record"]
    yield from (*_table(head, does), "")
    same = {f["does"]["digest"] for n, f in found.items() if n in (OURS, FAST) and "does" in f}
    if OURS in bases and FAST in bases:
        yield from (f"Ours gives {'the same' if len(same) == 1 else '**different**'} output by numpy and by numba.", "")
    failed = [f"- {n} failed: {f['failed']}" for n, f in found.items() if "failed" in f]
    yield from (*failed, *([""] if failed else []))


def _speed(f: dict[str, Any], bases: Sequence[str]) -> list[str]:
    wall, cpu = f["wall"], f["cpu"]
    first = statistics.median(r["first_wall"] for r in f["rounds"])
    ratios = [f.get("times_as_long", {}).get(b, {}).get("cpu") for b in bases]
    memory, ratio = f["does"]["memory_mb"]["rss_above"], f["does"]["memory_ratio"]["rss_above"]
    if memory is None:
        memory, ratio = f["does"]["memory_mb"]["traced"], f["does"]["memory_ratio"]["traced"]
    few = f" ({f['rows']:,} rows)" if f["library"] == "augly" else ""
    return [
        f"{f['rows_a_cpu_second']:,.0f}{few}",
        f"{cpu['median'] * 1000:,.1f} ({cpu['min'] * 1000:,.1f}–{cpu['max'] * 1000:,.1f})",
        f"{wall['median'] * 1000:,.1f}",
        f"{first * 1000:,.0f}",
        *("1" if r is None else f"{_short(r['median'])} ({_short(r['min'])}–{_short(r['max'])})" for r in ratios),
        f"{memory:.0f} MB, {ratio:.1f} × input",
    ]


def _short(x: float) -> str:
    return f"{x:.1f}" if x >= 1 else f"{x:.2g}"


def _versions(f: dict[str, Any]) -> str:
    return ", ".join(f"{n} {v}" for n, v in f["versions"].items() if n != "python")


def _does(d: dict[str, Any]) -> list[str]:
    got = f"{d['delivered']:.2%} of {d['asked']:.0%} asked"
    if d.get("rows_with_other_word_count"):
        got += f"; {d['rows_with_other_word_count']:,} rows have other words"
    if d.get("cells_changed_otherwise"):
        got += f"; {d['cells_changed_otherwise']:,} cells changed otherwise"
    if "by_column" in d and d["by_column"][1] - d["by_column"][0] > 1e-4:
        got += f" ({d['by_column'][0]:.2%}–{d['by_column'][1]:.2%} by column)"
    handed = ", ".join(f"{kind} {'overwritten' if hit else 'kept'}" for kind, hit in d["changes_callers"].items())
    return [
        got,
        handed,
        ", ".join(d["global_generators"]) or "untouched",
        "yes" if d["repeatable"] else "no",
        _record(d["record"]),
    ]


def _record(r: dict[str, Any] | None) -> str:
    if r is None:
        return "none"
    held = "agrees with what changed" if r["agrees"] else "differs from what changed"
    return f"{r['what']}, {held}, {'gives the old data back' if r['undoes'] else 'without old values'}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(r)} |" for r in (head, ["---"] * len(head), *rows)]


def replayed(result: dict[str, Any]) -> Iterator[str]:
    "What a replay costs beside the calls that it cannot do without."
    yield from ("## A whole replay", "", said(result["machine"]) + f"; {_named(result['versions'])}.", "")
    if said_so := warning(result["machine"]["others_at_work"], result["others_at_work_after"]):
        yield from (f"**{said_so}**", "")
    runs = result["runs"]
    yield (
        f"Every scenario of the suite {result['suite']} ({result['scenarios']}) at {len(result['severities'])} severities where it has none "
        f"of its own, {result['cells']} cells over {result['rows']:,} rows, one seed, the shipped feedback pilot (TF-IDF and logistic "
        f"regression), {len(runs)} runs, CPU time of one thread. Beside it stand the changed rows alone, corrupted the same way, each cell "
        "predicted in one call. A pilot with probabilities is asked twice for each row, for its answer and for how sure it is."
    )
    yield ""
    head = ["", "CPU s, median (range)"]
    rows = [
        ["replay", _range([r["replay"] for r in runs])],
        ["of which inside the model", _range([r["in_model"] for r in runs])],
        [
            "the changed rows' own predict and predict_proba",
            _range([r["floor"]["predict"] + r["floor"]["predict_proba"] for r in runs]),
        ],
        ["the changed rows' own predict alone", _range([r["floor"]["predict"] for r in runs])],
        ["corrupting them", _range([r["floor"]["corrupt"] for r in runs])],
    ]
    yield from (*_table(head, rows), "")
    both, one = result["ratio_with_proba"], result["ratio"]
    yield (
        f"A replay costs {_short(both['median'])} times its own calls (range {_short(both['min'])}–{_short(both['max'])}; goal at most "
        f"{REPLAY_GOAL:g}), or {_short(one['median'])} times predict alone."
    )
    yield ""


def large(result: dict[str, Any]) -> Iterator[str]:
    "Memory and time of many rows."
    done = [r for r in result["runs"] if "failed" not in r]
    yield from ("## Ten million rows", "", said(result["machine"]) + f"; {_named(done[0]['versions'])}.", "")
    if said_so := warning(result["machine"]["others_at_work"], result["others_at_work_after"]):
        yield from (f"**{said_so}**", "")
    yield (
        f"Rows of eight amounts and two categories in a Parquet file, {done[0]['cells']} cells (mcar, mar, mnar, sentinel_nulls and "
        "unit_error at two severities), one seed, a pilot that is a sum of its columns, so that the cost is the replay's own. Each size in a "
        "process of its own; peak is its largest resident memory, imports included."
    )
    yield ""
    rows = [
        [
            f"{r['rows']:,}",
            "batch by batch" if r["streamed"] else "once",
            f"{r['file_mb']:.0f} MB",
            f"{r['seconds']:,.0f}",
            f"{r['cpu_a_million']:.1f}",
            f"{r['peak_gb']:.2f} GB",
        ]
        for r in done
    ]
    yield from (*_table(["rows", "read", "file", "seconds", "CPU s a million rows", "peak memory"], rows), "")
    yield (
        f"Peak {result['peak_gb']:.2f} GB (goal at most {LARGE_GOAL:g}); a row of the largest costs {result['linear']:.2f} times a row of the "
        f"smallest that is read batch by batch (goal at most {LINEAR_GOAL:g}). A file of a million rows or fewer is held in memory, where the "
        "rows are read, and their keys hashed, once and not once a pass."
    )
    yield ""


def notebooks(result: dict[str, Any]) -> Iterator[str]:
    "What executing a notebook costs beside its code."
    yield from ("## Notebooks", "", said(result["machine"]) + f"; {_named(result['versions'])}.", "")
    if said_so := warning(result["machine"]["others_at_work"], result["others_at_work_after"]):
        yield from (f"**{said_so}**", "")
    single, many = result["single"], result["many"]
    ways = single["ways"]
    yield (
        f"A small stress notebook (load a model, corrupt and predict 2,000 rows, a table, a plot), {ways['warm']['n']} times in turn, in a process "
        "that has imported papermill. Overhead is what a notebook takes above the same code as a function."
    )
    yield ""
    rows = [
        [name, f"{w['median']:.2f} ({w['least']:.2f}–{w['most']:.2f})", f"{w['overhead']:.2f}" if name != "function" else ""]
        for name, w in ways.items()
    ]
    yield from (*_table(["way", "seconds", "overhead"], rows), "")
    goals = " and then ".join(f"{g:g}" for g in single["goals"])
    yield f"The engine `warm` costs {ways['warm']['overhead']:.2f} s a notebook (goal: at most {goals} s)."
    yield ""
    rows = [
        [name, _range([r["seconds"] for r in rounds]), _range([r["cpu"] for r in rounds])]
        for name, rounds in many["rounds"].items()
    ]
    yield f"{many['count']} such notebooks on {many['workers']} workers, from start to end, imports included, {len(many['ratios'])} rounds:"
    yield from ("", *_table(["way", "seconds", "CPU seconds"], rows), "")
    goals = " and then ".join(f"{g:g}" for g in many["goals"])
    yield f"Times as fast as papermill in a process pool: {_range(many['ratios'])} (goal: at least {goals})."
    yield ""


def card(result: dict[str, Any]) -> Iterator[str]:
    "What judging costs, and how large the page is."
    yield from ("## A big card", "", said(result["machine"]) + f"; {_named(result['versions'])}.", "")
    if said_so := warning(result["machine"]["others_at_work"], result["others_at_work_after"]):
        yield from (f"**{said_so}**", "")
    yield (
        f"{result['gates']} gates, {result['slices']} slices, {result['scenarios']} scenarios at {len(result['severities'])} severities over "
        f"{result['rows']:,} rows that were replayed before: judged, and written in each form, {len(result['runs'])} times after a first one in the "
        "same process. CPU seconds."
    )
    yield ""
    rows = [
        [
            step,
            f"{result[step]['median']:.3f} ({result[step]['min']:.3f}–{result[step]['max']:.3f})",
            f"{result['first'][step]:.3f}",
            f"{result['bytes'][step]:,}" if step in result["bytes"] else "",
        ]
        for step in ("judging", *result["bytes"])
    ]
    yield from (*_table(["", "CPU s, median (range)", "the first time", "bytes"], rows), "")
    together = sum(result[step]["median"] for step in ("judging", "html"))
    yield (
        f"Judging and the page take {together:.1f} s (goal at most {CARD_GOAL:g}), and the page has {result['bytes']['html'] / 1000:,.0f} kB "
        f"(goal at most {PAGE_GOAL / 1000:,.0f})."
    )
    yield ""


def _named(versions: dict[str, str]) -> str:
    return ", ".join(f"{n} {v}" for n, v in versions.items() if n != "python")


def _range(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.1f} ({min(values):,.1f}–{max(values):,.1f})"


MISSED = """## What falls short, and what was tried

A goal counts as reached when the median reaches it; where its range spans the goal, another run may say otherwise.

- **Typos.** What is left is spread thin: finding words, keeping addresses and numbers whole, hashing, splicing and making the column are each a tenth of the
  call or less, and about a quarter of it is the system handing out fresh memory. Tried: words by one list of edges, no array a word that is not asked for,
  edits that keep their length made in place, hashes found by row instead of being stored, and each loop compiled. One loop over everything would be
  faster for this one kind and useless for the other hundred.
- **Numbers against gecko given NaN.** gecko writes NaN at random places of a copied column: no key, no exact share, no nesting, no record. Ours hashes every
  cell, finds the k-th hash, writes a ledger, and still has to copy the same columns. Tried: hashes that are never kept (the k-th is sought in a window of
  six standard errors), one piece of memory for all new columns, blanking by position instead of by mask, and all of it compiled.
- **Memory of what goes missing by its value.** Beside the new columns stand the weights, hashes and ranks of the one column at work, and what was learnt of the
  others. Tried: one column after the other, ranks by table instead of by sorting, blocks that stay in the cache.
- **A file that is read batch by batch** costs a quarter more a row than one that is held in memory: for each pass it is read, and its keys are hashed, again.
  Among files read so, a row costs the same whatever their size.
- **Forty notebooks on two workers** take a sixth of papermill's time, not an eighth. A third of what is left is spent once: papermill's own import, and that of
  what kernels share. Tried: both at the same time, no wait for silence when a kernel starts, sockets that need no port, one plot and one table drawn before
  the first fork, so that nothing is imported twice, and native threads that leave each other room.
- **The keyboard of each text's language** costs the detection of that language, about a tenth of a millisecond a text; naming the layout avoids it.
"""


def page(results: dict[str, dict[str, Any]]) -> str:
    "The whole page."
    lines = [
        "---",
        "title: Benchmarks",
        "description: What corruption and replay cost, beside other libraries and beside the pilot's own calls.",
        "---",
        "",
        "<!-- Written by benchmarks/page.py from benchmarks/results: run make bench. -->",
        "",
        "# Benchmarks",
        "",
        "`make bench` measures this on your machine: the other libraries are installed in environments of their own, everyone takes turns in "
        "one run, and this page is written from what was found. Ratios say more than times: processors differ.",
        "",
    ]
    found = results["peers"]
    lines += [
        *peers(found, goals(found["tasks"])),
        *replayed(results["replay"]),
        *large(results["large"]),
        *notebooks(results["notebooks"]),
        *card(results["card"]),
        *MISSED.splitlines(),
    ]
    return "\n".join(lines) + "\n"


MEASURED = ("peers", "replay", "large", "notebooks", "card")


def main() -> int:
    "Write the page, or compare it."
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; is the page what the results say?")
    given = parser.parse_args()
    gone = [n for n in MEASURED if not (RESULTS / f"{n}.json").is_file()]
    if gone:
        print(f"no {', '.join(f'{n}.json' for n in gone)} in {RESULTS}: run make bench first.", file=sys.stderr)
        return 3
    made = page({n: json.loads((RESULTS / f"{n}.json").read_text(encoding="utf-8")) for n in MEASURED})
    if given.check:
        same = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == made
        print(f"{PAGE.name} {'is' if same else 'is not'} what the results say")
        return 0 if same else 1
    PAGE.write_text(made, encoding="utf-8")
    print(f"written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
