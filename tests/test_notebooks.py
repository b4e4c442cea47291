"""Stress notebooks are thin programs: tagged, at most eight code cells, runnable with their defaults; README is index.ipynb."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pilot_to_prod.runs import STRESS, NotebookError, check_parameters, notebooks, parameters

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", [*STRESS, "scorecard"])
def test_a_stress_notebook_is_a_thin_program(name: str) -> None:
    path = notebooks()[name]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [c for c in cells if c["cell_type"] == "code"]
    assert len(code) <= 8
    assert not any(c["outputs"] for c in code), "a template carries no results"
    assert not any("#| export" in "".join(c["source"]) for c in code)
    assert "pilot" in parameters(path) and "output" in parameters(path)
    for cell in code:
        ast.parse("".join(cell["source"]))


def test_a_misspelt_or_ill_typed_parameter_is_an_error_before_a_kernel_starts() -> None:
    path = notebooks()["missing"]
    check_parameters(path, {"pilot": "credit", "severities": [0.1], "seeds": None})
    with pytest.raises(NotebookError, match="no parameter 'severity'. Did you mean 'severities'"):
        check_parameters(path, {"severity": [0.1]})
    with pytest.raises(NotebookError, match="severities must be a list of numbers"):
        check_parameters(path, {"severities": 0.1})
    with pytest.raises(NotebookError, match="pilot must be a str"):
        check_parameters(path, {"pilot": 3})


def test_a_notebook_without_the_tag_is_refused(tmp_path: Path) -> None:
    book = json.loads(notebooks()["missing"].read_text(encoding="utf-8"))
    for cell in book["cells"]:
        cell["metadata"].pop("tags", None)
    untagged = tmp_path / "untagged.ipynb"
    untagged.write_text(json.dumps(book), encoding="utf-8")
    with pytest.raises(NotebookError, match="0 cells are tagged 'parameters'"):
        parameters(untagged)


@pytest.mark.parametrize("path", sorted((ROOT / "nbs" / "api").glob("*.ipynb")), ids=lambda p: p.stem)
def test_an_api_notebook_ends_in_a_value_and_keeps_its_cells_small(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    exported = [c for c in cells if c["cell_type"] == "code" and "".join(c["source"]).startswith("#| export")]
    lessons = [c for c in cells if c["cell_type"] == "code" and "#|" not in "".join(c["source"])]
    assert any(c["outputs"] for c in lessons), "a lesson ends in a displayed value"
    assert len(exported) <= 40
    assert sum(len("".join(c["source"])) for c in exported) / len(exported) < 1600
    assert len(path.read_bytes()) < 400_000


def test_the_readme_is_the_index_notebook() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "readme.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_page_that_the_site_names_exists() -> None:
    from ruamel.yaml import YAML

    site = YAML(typ="safe").load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))
    assert (ROOT / "nbs" / "_quarto.yml").resolve() == ROOT / "_quarto.yml"

    def pages(node: object) -> list[str]:
        if isinstance(node, dict):
            return [p for v in node.values() for p in pages(v)]
        if isinstance(node, list):
            return [p for v in node for p in pages(v)]
        return [node] if isinstance(node, str) and node.endswith((".ipynb", ".qmd", ".md")) else []

    named = pages(site["website"])
    assert named and [p for p in named if not (ROOT / "nbs" / p).is_file()] == []
    shown = {str(p.relative_to(ROOT / "nbs")) for p in (ROOT / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts}
    assert shown - set(named) == set(), "a notebook that no reader can find"
