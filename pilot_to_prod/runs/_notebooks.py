"""Which stress notebooks there are, what parameters they take, and whether values fit: all before a kernel starts."""

import ast
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pilot_to_prod.spec import near


class NotebookError(ValueError):
    "A notebook that cannot be run with these parameters."


@dataclass(frozen=True)
class Parameter:
    "A name of the parameters cell, its default, and the comment beside it."

    name: str
    default: Any
    comment: str = ""


def notebooks_folder() -> Path:
    "The stress notebooks: inside an installed package, or of the checkout. Raises NotebookError."
    inside = Path(str(resources.files("pilot_to_prod"))) / "notebooks"
    for folder in (inside, Path(__file__).parents[2] / "nbs" / "stress"):
        if folder.is_dir():
            return folder
    raise NotebookError(f"no stress notebooks in {inside}: install the package again.")


def notebooks() -> dict[str, Path]:
    "Stress notebooks by name."
    return {p.stem: p for p in sorted(notebooks_folder().glob("*.ipynb"))}


def parameters(path: Path) -> dict[str, Parameter]:
    "What the cell tagged `parameters` defines. Raises NotebookError when the notebook is none, or has no such cell."
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError:
        raise NotebookError(f"{path}: no such notebook. {near(path.stem, notebooks())}") from None
    except (json.JSONDecodeError, KeyError, UnicodeDecodeError) as e:
        raise NotebookError(f"{path}: not a notebook ({e}).") from None
    tagged = [c for c in cells if "parameters" in c.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(
            f"{path}: {len(tagged)} cells are tagged 'parameters'; exactly one is needed, else papermill ignores every value. "
            "In JupyterLab: property inspector (gear), Cell Tags, add 'parameters'."
        )
    source = "".join(tagged[0]["source"])
    lines, out = source.splitlines(), {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                default = ast.literal_eval(node.value)
            except ValueError:
                raise NotebookError(f"{path}: the default of {node.targets[0].id!r} must be a plain value.") from None
            comment = lines[node.lineno - 1].partition("#")[2].strip()
            out[node.targets[0].id] = Parameter(node.targets[0].id, default, comment)
    return out


_LISTS = {"severities": float, "seeds": int}


def check_parameters(path: Path, values: dict[str, Any]) -> None:
    "Raises NotebookError naming every value that is misspelt or of another type than the default."
    known, wrong = parameters(path), []
    for name, value in values.items():
        if name not in known:
            wrong.append(f"no parameter {name!r}. {near(name, known)}")
            continue
        default = known[name].default
        if name in _LISTS and value is not None:
            if not isinstance(value, list) or not all(
                isinstance(v, _LISTS[name] | int) and not isinstance(v, bool) for v in value
            ):
                wrong.append(
                    f"{name} must be a list of numbers, such as {[0.1, 0.3] if name == 'severities' else [0, 1]}; got {value!r}"
                )
        elif default is not None and value is not None and not isinstance(value, type(default)):
            wrong.append(f"{name} must be a {type(default).__name__}, such as {default!r}; got {value!r}")
    if wrong:
        raise NotebookError(f"{path.name}: " + "; ".join(wrong))
