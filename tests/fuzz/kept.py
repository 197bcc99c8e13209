"""Inputs that made a decoder fail once: one file for each harness, what happened by input."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path

_FOLDER = Path(__file__).parent / "kept"


def kept_inputs(name: str) -> list[tuple[str, bytes]]:
    """Return what each input of a harness did, and the input."""
    path = _FOLDER / f"{name}.json"
    if not path.exists():
        return []
    found = json.loads(path.read_text(encoding="utf-8"))
    return [(what, b64decode(text, validate=True)) for text, what in found.items()]


def keep(name: str, what: str, data: bytes) -> Path:
    """Add an input to those of a harness."""
    path = _FOLDER / f"{name}.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found[b64encode(data).decode()] = what
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return path
