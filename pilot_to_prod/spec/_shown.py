"""Text from data made safe to show, in a page, a terminal, a picture or a message."""

import unicodedata

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # general categories of Unicode: control, format (bidi too), surrogates, separators
_KEPT = "\u200c\u200d"  # joiners that scripts and emoji need


def visible(
    text: str,
) -> str:
    "On one line, with control, bidi and other hidden characters made visible as ⟨U+202E⟩."
    return "".join(
        " " if c in "\n\t\r" else f"⟨U+{ord(c):04X}⟩" if c not in _KEPT and unicodedata.category(c) in _HIDDEN else c
        for c in text
    )


def safe(
    text: object,
    limit: int = 400,  # characters
) -> str:
    "As `visible`, cut to a length that is said."
    said = str(text)
    return visible(said[:limit]) + (f" … ({len(said):,} characters)" if len(said) > limit else "")
