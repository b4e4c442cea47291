"""Foreign text made harmless for each form it is written in; `safe` comes first everywhere, so that controls are visible and length is bounded."""

import re
from functools import cache
from importlib import resources
from typing import Any

from pilot_to_prod.spec import safe

_FORMULA = re.compile(r"\s*[=+\-@|\uff1d\uff0b\uff0d\uff20]")


def md(text: Any, limit: int = 200) -> str:
    "For Markdown: every sign that means something there is escaped, and references to entities too."
    return re.sub(r"([\\`*_{}\[\]<>#|!~&])", r"\\\1", safe(text, limit))


def xml(text: Any, limit: int = 300) -> str:
    "For XML 1.0, which has no room for some characters even when they are escaped."
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", safe(text, limit))


def cell(value: Any, limit: int = 1000) -> Any:
    "For a sheet: text that a spreadsheet would compute gets an apostrophe before it; numbers stay numbers."
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else value
    said = safe(value, limit)
    return "'" + said if _FORMULA.match(said) else said


def shown(text: Any, limit: int = 300) -> str:
    "For a terminal, and for the log of a workflow, where `##[` begins a command anywhere in a line."
    return safe(text, limit).replace("##[", "# #[")


def logged(text: str) -> str:
    "Lines that a workflow would take for commands, which begin with two colons, made plain."
    return re.sub(r"(?m)^([^\S\n]*):(?=:)", r"\1: ", text)


def _harmless(value: Any) -> Any:
    "Whatever a page shows is free of control characters and of bounded length; markup of the page's own stays."
    return safe(value, 300) if isinstance(value, str) and not hasattr(value, "__html__") else value


@cache
def template(
    name: str,  # a file beside this one
) -> Any:  # of Jinja, with autoescape; a name that is not there is an error
    "A page to fill in."
    from jinja2 import Environment, StrictUndefined

    source = resources.files("pilot_to_prod").joinpath("card", name).read_text(encoding="utf-8")
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_harmless)
    return made.from_string(source)
