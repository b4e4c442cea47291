"""A pilot in operation: signed, promoted, watched."""

from pilot_to_prod.operate.approval import (
    ApprovalError,
    Promotion,
    Reason,
    Signature,
    needed,
    promote,
    promoted,
    sign,
    signatures,
    unsigned,
)

__all__ = [
    "ApprovalError",
    "Promotion",
    "Reason",
    "Signature",
    "needed",
    "promote",
    "promoted",
    "sign",
    "signatures",
    "unsigned",
]
