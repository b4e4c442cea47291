"""Names for content: SHA-256 of files and of canonical JSON."""

import hashlib
import json
from typing import Any

import fsspec


def hash_json(value: Any) -> str:
    "SHA-256 of a value as canonical JSON: sorted keys, no spaces, UTF-8. Raises TypeError on what JSON cannot hold."
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_hash(path: str) -> str:
    "SHA-256 of a file, or of what an fsspec URL holds. Raises FileNotFoundError."
    digest = hashlib.sha256()
    with fsspec.open(path, "rb") as source:
        while block := source.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
