"""The plan of the house: a room imports only what stands in its row, names are lazy, and no room hides a public function."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pilot_to_prod

PACKAGE = Path(pilot_to_prod.__file__).parent
ROOMS: dict[str, set[str]] = {
    "settings": set(),
    "spec": set(),
    "evidence": set(),
    "pilot": {"spec"},
    "scenarios": {"spec"},
    # settings beside the four of the first plan: a notebook's None means "as settings.ini says", and replay is where that is known
    "stress": {"settings", "spec", "pilot", "scenarios", "evidence"},
    "gates": {"spec", "evidence"},
    "card": {"spec", "evidence", "gates"},
    "runs": {"settings", "spec"},
    "operate": {"settings", "spec", "pilot", "evidence", "stress", "gates", "card", "runs"},
    "cli": {"settings", "spec", "evidence", "pilot", "scenarios", "stress", "gates", "card", "runs", "operate"},
}


def room_of(path: Path) -> str:
    "The first part of a module's name within the package."
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path: Path) -> set[str]:
    "Rooms that a module imports, relative imports resolved, deferred ones included."
    package = ["pilot_to_prod", *path.relative_to(PACKAGE).parts[:-1]]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module or "")))
            names = [f"{module}.{a.name}" for a in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "pilot_to_prod":
                found.add(parts[1] if len(parts) > 1 else "pilot_to_prod")
    return found


def modules() -> list[Path]:
    "Every module but the top one and nbdev's index."
    skip = {PACKAGE / "__init__.py", PACKAGE / "_modidx.py"}
    return [p for p in sorted(PACKAGE.rglob("*.py")) if p not in skip and "pilots" not in p.parts[len(PACKAGE.parts) :]]


def test_every_room_stands_in_the_plan() -> None:
    assert {room_of(p) for p in modules()} == set(ROOMS)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_what_stands_in_its_row(path: Path) -> None:
    room = room_of(path)
    # __version__ is all that the command line takes from the top-level name
    allowed = ROOMS[room] | {room} | ({"__version__"} if room == "cli" else set())
    assert imports_of(path) - allowed == set()


def test_the_plan_has_no_cycles() -> None:
    done: list[str] = []
    while len(done) < len(ROOMS):
        ready = [r for r, below in ROOMS.items() if r not in done and below <= set(done)]
        assert ready, f"a cycle among {set(ROOMS) - set(done)}"
        done += ready


def test_no_room_bears_the_name_of_a_public_function() -> None:
    assert not set(ROOMS) & set(pilot_to_prod.__all__)


def test_every_public_name_is_there() -> None:
    assert all(getattr(pilot_to_prod, name) is not None for name in pilot_to_prod.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'replya'"):
        pilot_to_prod.replya


def test_the_package_imports_nothing_heavy() -> None:
    heavy = "pandas", "numpy", "sklearn", "matplotlib", "papermill", "pydantic", "pyarrow"
    code = f"import sys, pilot_to_prod, pilot_to_prod.cli; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
