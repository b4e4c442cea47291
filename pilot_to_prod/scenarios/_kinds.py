"""What a kind of scenario is, which parameters it takes, where it is at work, and how one is found by name."""

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
from pydantic import ConfigDict, TypeAdapter, ValidationError

from pilot_to_prod.scenarios._rows import Rows
from pilot_to_prod.scenarios._text import PROTECTED
from pilot_to_prod.spec import Spec, near

if TYPE_CHECKING:
    from pilot_to_prod.scenarios._engine import Scenario

Unit = Literal["word", "span", "cell", "column", "row", "schema", "label", "event"]
UNITS: tuple[Unit, ...] = ("word", "span", "cell", "column", "row", "schema", "label", "event")
Expect = Literal["invariant", "directional", "abstain", "reject", "survive"]
EXPECTATIONS: tuple[Expect, ...] = ("invariant", "directional", "abstain", "reject", "survive")
Depth = Literal["quick", "standard", "deep"]
DEPTHS: tuple[Depth, ...] = ("quick", "standard", "deep")
FAMILIES = (
    "missing",
    "messy",
    "noise",
    "encoding",
    "language",
    "slang",
    "ambiguity",
    "labels",
    "shift",
    "feed",
    "schema",
    "legacy",
)


class Place:
    "Where a scenario is at work, for its hooks: the rows of the values at hand (for words: the whole batch), read when asked for."

    def __init__(
        self,
        column: str,
        role: str,
        learnt: Any,  # what `learn` returned for this column, or None
        rows: Rows,
        at: np.ndarray | None = None,  # which rows, as positions or bool; None: all of them
        *,
        spec: Spec | None = None,  # the promise
        columns: tuple[str, ...] = (),  # those chosen, for units that span several
        classes: tuple[str, ...] = (),
        label: str | None = None,  # name of the label column
        language: str | None = None,  # of the units at hand, where the kind asks for it
        seed: int = 0,  # of the replay, for weights that draw
    ) -> None:
        self.column, self.role, self.learnt, self.spec = column, role, learnt, spec
        self.columns, self.classes, self.label, self.language = columns, classes, label, language
        self._rows, self._at, self.seed = rows, at, seed

    @cached_property
    def frame(self) -> pd.DataFrame:
        return self._rows.frame if self._at is None else self._rows.frame.iloc[_positions(self._at)]

    @cached_property
    def keys(self) -> np.ndarray:
        "Row keys, canonical strings."
        return self._rows.keys if self._at is None else self._rows.keys[self._at]

    @property
    def confidence(self) -> np.ndarray | None:
        "The clean pilot's confidence in its answer, in [0, 1], where it is known."
        found = self._rows.confidence
        return found if found is None or self._at is None else found[self._at]


def _positions(at: np.ndarray) -> np.ndarray:
    return np.flatnonzero(at) if at.dtype == bool else at


@dataclass(frozen=True)
class Kind:
    """A registered way in which reality differs from the lab; call it to get a scenario.

    Hooks see only units and their own parameters, so that shares, nesting and the ledger hold for every kind:
    `eligible(units, place) -> bool mask`, `weight(units, place) -> positive weights`,
    `change(units, draws, place) -> new units, each different from the old one`, `learn(reference, place) -> anything`,
    `reads(units, place) -> bool mask`, asked of units that are not eligible: false where their script is one that it cannot treat, which is
    reported as untreated.
    Units are strings for words and spans, a Series for cells and labels, a frame for rows, events and schemas.
    """

    name: str
    family: str
    unit: Unit
    roles: tuple[str, ...]
    expect: Expect
    change: Callable[..., Any]
    eligible: Callable[..., Any] | None = None
    weight: Callable[..., Any] | None = None
    learn: Callable[..., Any] | None = None
    severities: tuple[float, ...] | None = None  # where a suite replays it, when not at the usual ones
    variants: Callable[[Spec], list[dict[str, Any]] | str] | None = None  # parameters for a promise, or why it does not apply
    depth: Depth = "standard"  # the smallest suite that it belongs to
    find: Callable[..., Any] | None = None  # spans: texts → spans in code points
    by_language: str | None = None  # the parameter that the row's language fills when it is None
    languages: Callable[..., Collection[str]] | None = None  # languages that it can treat, from its parameters
    about: tuple[str, ...] = ()  # protected content that it may touch
    needs: tuple[str, ...] = ()  # confidence, train
    on: Literal["replay", "reference"] = "replay"  # whose rows are hit
    copied: Callable[..., Any] | None = None  # events: what becomes of the extra copies
    kernel: Any = None  # words: the same as `eligible` and `change`, over bytes
    blanks: bool = False  # cells: what is hit goes missing, and `change` is only the description
    timed: bool = False  # events: replay sends them through the promise's feed, where time matters
    files: tuple[str, ...] = ()  # parameters that name a file, looked for beside pilot.yaml
    reads: Callable[..., Any] | None = None  # words and spans that are not eligible: false for what it cannot treat, which is counted as untreated
    home: str | None = None  # one's own from a file: the folder in which its name is looked up

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.doc)  # what `typos?` and `help(typos)` show

    @cached_property
    def parameters(self) -> dict[str, Any]:
        "Its own keyword-only parameters and their defaults."
        return {p.name: p.default for p in self._own}

    @cached_property
    def _own(self) -> list[inspect.Parameter]:
        return [p for p in inspect.signature(self.change).parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]

    @cached_property
    def accepts(self) -> dict[str, Any]:
        "What each parameter may be: as it is annotated, else like its default."
        hints: dict[str, Any] = {}
        with suppress(Exception):  # an annotation that only a type checker can read allows anything
            hints = get_type_hints(self.change, include_extras=True)
        return {p.name: _like(p.default) if p.annotation is p.empty else hints.get(p.name, Any) for p in self._own}

    @cached_property
    def _readers(self) -> dict[str, TypeAdapter[Any]]:
        return {n: _reader(a) for n, a in self.accepts.items()}

    def mistakes(self, params: Mapping[str, Any]) -> list[str]:
        "Everything that is wrong with parameters: names, values, and those that are missing."
        out = []
        for name, value in params.items():
            if name not in self.parameters:
                close = difflib.get_close_matches(name, self.parameters, n=1)
                known = f"It takes: {', '.join(self.parameters)}." if self.parameters else "It takes none."
                out.append(
                    f"scenario {self.name!r} has no parameter {name!r}. {f'Did you mean {close[0]!r}? ' if close else ''}{known}"
                )
            elif not _is(value, self.parameters[name]) and (why := _misfit(self._readers[name], value)) is not None:
                wanted = _in_words(self.accepts[name]) + (f", and {why}" if why else "")
                got = f"{value!r} ({_in_words(type(value))})"
                hint = _instead(self._readers[name], name, value, self.parameters[name], self.accepts[name])
                out.append(f"{self.name}: {name} must be {wanted}; got {got}. {hint}")
        out += [
            f"scenario {self.name!r} needs its parameter {n!r}: {_in_words(self.accepts[n])}."
            for n, default in self.parameters.items()
            if default is inspect.Parameter.empty and n not in params
        ]
        return out

    @property
    def doc(self) -> str:
        "What it simulates, where that comes from, what it applies to and what it expects."
        applies = f"Applies to {', '.join(self.roles)} columns; a good pilot: {EXPECTED[self.expect]} ({self.expect})."
        return f"{inspect.getdoc(self.change) or ''}\n\n{applies}".strip()

    def __call__(self, *columns: str, severity: float = 0.1, expect: Expect | None = None, **params: Any) -> "Scenario":
        from pilot_to_prod.scenarios._engine import Scenario

        if ":" not in self.name:
            _KINDS.setdefault(self.name, self)
        given = tuple(sorted(params.items()))
        return Scenario(
            self.name, columns or None, severity=severity, params=given, expect=expect or self.expect, home=self.home
        )

    def __repr__(self) -> str:
        return f"<scenario kind {self.name}: {self.family}, {self.unit}, {'/'.join(self.roles)}>"


EXPECTED: dict[str, str] = {
    "invariant": "keeps its answer",
    "directional": "changes its answer",
    "abstain": "hands over to a person",
    "reject": "stops the row",
    "survive": "answers every row",
}
_KINDS: dict[str, Kind] = {}  # all that are known by their own names, those at hand included
_BUILT_IN: dict[str, Kind] = {}
_ANNOUNCED: dict[str, Kind] = {}  # by entry points of installed packages
_OWN: dict[tuple[str, str], Kind] = {}  # (folder, or nothing where it was imported; name) → kind
_FILES: dict[Path, tuple[tuple[int, int], ModuleType]] = {}  # file → its state when it was loaded, and what was loaded
_LOADED = "_own_scenarios_"  # how the modules are called that were loaded from files


# parameters -------------------------------------------------------------------------------------------------------------


_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "null",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
    Any: "anything",
}


def _in_words(kind: Any) -> str:
    "An annotation for people."
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _in_words(inner[0])
    if origin is Literal:
        return f"one of {', '.join(json.dumps(v, ensure_ascii=False, default=str) for v in inner)}"
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_in_words(i) for i in inner))
    whole = origin or kind
    if whole not in _WORDS and isinstance(whole, type) and issubclass(whole, Mapping):
        return "a mapping"
    if whole not in _WORDS and isinstance(whole, type) and issubclass(whole, Iterable):
        whole = list
    items = [i for i in inner if i is not Ellipsis]
    of = (
        f" of {_in_words(items[0]).removeprefix('a ')}s"
        if whole in (list, tuple) and items and items[0] in (str, float, int)
        else ""
    )
    return _WORDS.get(whole, getattr(whole, "__name__", str(whole))) + of


def _like(default: Any) -> Any:
    "What a parameter without an annotation may be: as its default is, where that says something."
    if isinstance(default, bool | str):
        return type(default)
    return float if isinstance(default, int | float) else Any


def _reader(annotation: Any) -> "TypeAdapter[Any]":
    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # noqa: BLE001 - whatever pydantic cannot make sense of is not checked
        return TypeAdapter(Any)


def _is(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and bool(np.all(value == default)))


def _misfit(reader: "TypeAdapter[Any]", value: Any) -> str | None:
    "None where a value fits as it is, or as YAML and papermill carry it; else the limit that it breaks, or nothing more to say."
    try:
        reader.validate_python(value, strict=True)
        return None
    except ValidationError as e:
        found = [x["msg"].partition("should ")[2] or x["msg"] for x in e.errors() if not _of_type(x["type"])]
    if isinstance(value, list | tuple | dict):
        with suppress(ValidationError, TypeError, ValueError):
            reader.validate_json(json.dumps(value), strict=True)
            return None
    return " or ".join(dict.fromkeys(found))


def _of_type(error: str) -> bool:
    "Whether a finding of pydantic says no more than the type."
    return error.endswith(("_type", "_of")) or error in ("literal_error", "sequence_str", "none_required")


def _instead(reader: "TypeAdapter[Any]", name: str, value: Any, default: Any, allowed: Any) -> str:
    "What to write instead of a value that does not fit."
    tries: list[Any] = [str(value), [value]] if not isinstance(value, str | list | tuple | dict) else []
    if isinstance(value, float) and value.is_integer():
        tries.insert(0, int(value))
    if isinstance(value, str):
        lower, choices = value.strip().lower(), [a for a in _choices(allowed) if isinstance(a, str)]
        tries += difflib.get_close_matches(value, choices, n=1)
        tries += [lower in ("yes", "true", "on")] if lower in ("yes", "true", "on", "no", "false", "off") else []
        for read in (int, float):
            with suppress(ValueError):
                tries.append(read(value))
        tries.append([value])
    for t in tries:
        if _misfit(reader, t) is None:
            return f"Write {name}: {json.dumps(t, ensure_ascii=False, default=str)}."
    if default is inspect.Parameter.empty:
        return ""
    return f"Write for example {name}: {json.dumps(default, ensure_ascii=False, default=str)}, which is the default."


def _choices(annotation: Any) -> list[Any]:
    "All values of the literals in an annotation."
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [v for inner in get_args(annotation) for v in _choices(inner)]


# names ------------------------------------------------------------------------------------------------------------------


def register(
    family: str,
    *,
    unit: Unit,
    roles: Sequence[str],
    expect: Expect,
    depth: Depth = "standard",
    eligible: Callable[..., Any] | None = None,
    weight: Callable[..., Any] | None = None,
    learn: Callable[..., Any] | None = None,
    find: Callable[..., Any] | None = None,
    severities: Sequence[float] | None = None,
    variants: Callable[[Spec], list[dict[str, Any]] | str] | None = None,
    by_language: str | None = None,
    languages: Callable[..., Collection[str]] | None = None,
    about: Sequence[str] | Literal["all"] = (),
    needs: Sequence[str] = (),
    on: Literal["replay", "reference"] | None = None,  # None: reference for labels, replay for anything else
    copied: Callable[..., Any] | None = None,
    kernel: Any = None,
    blanks: bool = False,
    timed: bool = False,
    files: Sequence[str] = (),
    reads: Callable[..., Any] | None = None,
    name: str | None = None,  # None: the name of the function
) -> Callable[[Callable[..., Any]], Kind]:
    """Decorator: make a `change` function a scenario kind that can be called, composed and named in pilot.yaml.

    It is known by its name in this process only, and joins no suite by itself: see `suite`."""
    for what, value, allowed in (("unit", unit, UNITS), ("expect", expect, EXPECTATIONS), ("depth", depth, DEPTHS)):
        if value not in allowed:
            raise ValueError(f"register: {what} must be one of {', '.join(allowed)}; got {value!r}.")
    if (unit == "span") != (find is not None):
        raise ValueError("register: unit='span' and find=… belong together: find says where the spans are.")

    def wrap(change: Callable[..., Any]) -> Kind:
        kind = Kind(
            name or change.__name__,
            family,
            unit,
            tuple(roles),
            expect,
            change,
            eligible,
            weight,
            learn,
            tuple(severities) if severities else None,
            variants,
            depth,
            find,
            by_language,
            languages,
            PROTECTED if about == "all" else tuple(about),
            tuple(needs),
            on or ("reference" if unit == "label" else "replay"),
            copied,
            kernel,
            blanks,
            timed,
            tuple(files),
            reads,
        )
        _keep(kind)
        return kind

    return wrap


def _keep(kind: Kind) -> None:
    "Remember a kind by its name. Raises ValueError where a module takes the name of one that is built in."
    module = str(kind.change.__module__)
    if module.startswith("pilot_to_prod.scenarios."):
        _BUILT_IN[kind.name] = kind
    elif module != "__main__" and kind.name in _built_in():
        raise ValueError(
            f"register: {kind.name!r} of {module} is the name of a built-in scenario. Call the function otherwise, or say register(…, "
            "name=…)."
        )
    if not module.startswith(_LOADED):  # what a promise names is found by that name only, in every process
        _KINDS[kind.name] = kind


def _built_in() -> dict[str, Kind]:
    for family in FAMILIES:
        importlib.import_module(f"pilot_to_prod.scenarios.{family}")
    return _BUILT_IN


def shipped() -> dict[str, Kind]:
    "The kinds that are the same in every process: built in, or announced by `pilot_to_prod.scenarios` entry points."
    built_in = _built_in()
    for entry in entry_points(group="pilot_to_prod.scenarios"):
        if entry.name not in built_in and entry.name not in _ANNOUNCED:
            found = entry.load()
            made = found if found.name == entry.name else replace(found, name=entry.name)
            _ANNOUNCED[entry.name] = made
            if entry.name not in _KINDS or _KINDS[entry.name].change.__module__ != "__main__":
                _KINDS[entry.name] = made
    return _in_order(built_in | _ANNOUNCED)


def kinds() -> dict[str, Kind]:
    "Every known kind by name: built in, registered at hand, or from `pilot_to_prod.scenarios` entry points."
    shipped()
    return _in_order(_KINDS)


def _in_order(found: Mapping[str, Kind]) -> dict[str, Kind]:
    order = {f: i for i, f in enumerate(FAMILIES)}
    return dict(sorted(found.items(), key=lambda item: (order.get(item[1].family, len(order)), item[1].family, item[0])))


def is_attribute(value: str) -> bool:
    "Whether a parameter says `module:attribute` rather than the path of a file."
    return ":" in value and "/" not in value and "\\" not in value


def kind_named(
    name: str,  # registered; or "file.py:attribute" or "module:attribute" of one's own
    beside: str | Path | None = None,  # the folder of pilot.yaml, where that file lies
) -> Kind:
    "The kind of that name. Raises LookupError with the nearest names, or with the file that was looked for."
    if ":" in name:
        return _own_kind(name, beside)
    if name in _KINDS:
        return _KINDS[name]
    known = kinds()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3)
        hint = f"Did you mean {', '.join(close)}?" if close else f"Known are: {', '.join(known)}."
        raise LookupError(
            f"no scenario is called {name!r}. {hint} Your own is named 'file.py:attribute', a file beside pilot.yaml."
        )
    return known[name]


def kind_of(name: str, home: str | None) -> Kind:
    "The kind of a scenario that was made before: files are not looked at again."
    return _OWN.get((home or "", name)) or kind_named(name, home)


def _own_kind(name: str, beside: str | Path | None) -> Kind:
    "What `file.py:attribute` or `module:attribute` names: beside pilot.yaml, else importable. Raises LookupError."
    source, _, attribute = name.rpartition(":")
    file = source if source.endswith(".py") else source.replace(".", "/") + ".py"
    folders = _folders(name, beside)
    home = next((f for f in folders if source != "__main__" and (f / file).is_file()), None)
    where = str(home / file if home else source)
    module = _loaded(home / file, name) if home else _imported(name, source, folders[-1] / file)
    found = getattr(module, attribute, None)
    if found is None:
        own = [n for n, v in vars(module).items() if isinstance(v, Kind) and not n.startswith("_")]
        raise LookupError(f"{where}: has no {attribute!r} (scenario {name!r}). {near(attribute, own)}".rstrip())
    if not isinstance(found, Kind):
        raise LookupError(
            f"{where}: {attribute!r} is a {type(found).__name__}, not a scenario: decorate it with register(…) (scenario {name!r})."
        )
    made = replace(found, name=name, home=str(home) if home else None)
    key = made.home or "", name
    if _OWN.get(key) != made:
        _OWN[key] = made
    return _OWN[key]


def _folders(name: str, beside: str | Path | None) -> list[Path]:
    "Where the file of a name is looked for. Without a promise: where it was found before, if that is one place; the working folder."
    if beside is not None:
        return [Path(beside).resolve()]
    before = {home for home, known in _OWN if known == name and home}
    return [*(map(Path, before) if len(before) == 1 else ()), Path.cwd()]


def _loaded(path: Path, name: str) -> ModuleType:
    "A file as a module of its own, loaded again once it was changed. Raises LookupError."
    state = path.stat()
    now = state.st_mtime_ns, state.st_size
    if path in _FILES and _FILES[path][0] == now:
        return _FILES[path][1]
    called = f"{_LOADED}{hashlib.sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    made = importlib.util.spec_from_file_location(called, path)
    assert made is not None and made.loader is not None
    module = importlib.util.module_from_spec(made)
    sys.modules[called] = module
    try:
        made.loader.exec_module(module)
    except (Exception, SystemExit) as e:  # whatever a person's file does when it is opened
        del sys.modules[called]
        raise LookupError(f"{path}: cannot be loaded (scenario {name!r}): {type(e).__name__}: {e}") from e
    _FILES[path] = now, module
    return module


def _imported(name: str, source: str, path: Path) -> ModuleType:
    if source.endswith(".py"):
        raise LookupError(f"{path}: no such file (scenario {name!r}). 'file.py:attribute' is looked for beside pilot.yaml.")
    try:
        return importlib.import_module(source)
    except ModuleNotFoundError as e:
        raise LookupError(
            f"scenario {name!r}: there is no {path}, and no module {source!r} can be imported ({e}). Put {path.name} beside pilot.yaml, or "
            "install the module."
        ) from e
    except Exception as e:
        raise LookupError(f"scenario {name!r}: {source} cannot be imported: {type(e).__name__}: {e}") from e


def leave_out(
    rows: pd.DataFrame,  # events that are hit
) -> pd.DataFrame:  # copies, delay
    "Events that do not arrive."
    return pd.DataFrame({"copies": 0, "delay": 0.0}, index=rows.index)
