"""Read YAML with places, and say what is wrong with it: all mistakes at once, each with its line."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Where = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    "One mistake: where it is, what is allowed, what was found, what to do."

    where: Where
    says: str
    line: int | None = None

    def __str__(self) -> str:
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.where).lstrip(".")
        return f"{f'line {self.line}: ' if self.line else ''}{place or 'file'}: {self.says}"


class SpecError(ValueError):
    "Everything that is wrong with a pilot's promise."

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source, self.problems = source, tuple(problems)
        n = len(self.problems)
        super().__init__(f"{source}: {n} problem{'s' if n != 1 else ''}\n" + "\n".join(f"  {p}" for p in self.problems))


def near(name: Any, known: Iterable[str]) -> str:
    "A hint naming the closest match, or all that is known."
    names = sorted(map(str, known))
    found = difflib.get_close_matches(str(name), names, n=1)
    if found:
        return f"Did you mean {found[0]!r}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"Known: {shown}." if names else ""


def read_yaml(path: Path) -> CommentedMap:
    "A YAML 1.2 mapping that remembers its lines. Raises SpecError."
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise SpecError(
            str(path), [Problem((), "no such file. Write one with: p2p init FOLDER --data FILE --label COLUMN --model FILE")]
        ) from None
    except UnicodeDecodeError as e:
        raise SpecError(str(path), [Problem((), f"not UTF-8 at byte {e.start}. Save the file as UTF-8.")]) from None
    try:
        found = YAML(typ="rt").load(text)
    except MarkedYAMLError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else None
        raise SpecError(str(path), [Problem((), f"not valid YAML: {e.problem}", line)]) from None
    except YAMLError as e:
        raise SpecError(str(path), [Problem((), f"not valid YAML: {str(e).splitlines()[0]}")]) from None
    if not isinstance(found, CommentedMap):
        got = "nothing" if found is None else type(found).__name__
        raise SpecError(str(path), [Problem((), f"a mapping of keys is expected; got {got}. Start with 'name:'.")])
    return found


def line_of(tree: Any, where: Where) -> int | None:
    "Line of the deepest part of `where` that is in the file, counted from 1."
    line, node = None, tree
    for part in where:
        try:
            if isinstance(node, CommentedMap) and part in node:
                line = node.lc.key(part)[0] + 1
                node = node[part]
            elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
                line = node.lc.item(part)[0] + 1
                node = node[part]
            else:
                break
        except (KeyError, TypeError, AttributeError):
            break
    return line


def plain(node: Any) -> Any:
    "The same values without ruamel's types."
    if isinstance(node, dict):
        return {(k if isinstance(k, str) else str(k)): plain(v) for k, v in node.items()}
    if isinstance(node, list):
        return [plain(v) for v in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def field_problems(error: ValidationError, tree: Any, fields: dict[str, set[str]]) -> list[Problem]:
    "Pydantic's findings in our words; `fields` names what each part of the file may hold."
    out = []
    for e in error.errors():
        where: Where = tuple(p for p in e["loc"] if not (isinstance(p, str) and p.startswith(("function-", "literal["))))
        kind, got, allowed = e["type"], e["input"], e.get("ctx", {})
        if kind == "missing":
            says = "is required and is not there."
        elif kind == "extra_forbidden":
            parent = ".".join(str(p) for p in where[:-1] if not isinstance(p, int))
            says = f"unknown key. {near(where[-1], fields.get(parent, set()))}".strip()
        elif kind == "literal_error":
            options = [o.strip("'\" ") for o in str(allowed["expected"]).replace(" or ", ", ").split(", ")]
            says = f"must be one of {', '.join(options)}; got {_shown(got)}. {near(got, options)}"
        elif kind == "value_error":
            says = str(allowed["error"])
        else:
            says = f"{e['msg'][0].lower()}{e['msg'][1:]}; got {_shown(got)}."
        out.append(Problem(where, says, line_of(tree, where)))
    return out
