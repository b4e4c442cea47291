"""Foreign text made harmless for each form it is written in; `safe` comes first everywhere, so that controls are visible and length is bounded."""

import re
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
