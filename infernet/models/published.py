"""Models that ship with the program, one of each family, and the digests that are theirs."""

from __future__ import annotations

import json

from infernet.backend.conformance import load_vectors
from infernet.backend.hashing import hash_bytes
from interpreter.program import Program

from .store import load_model, shipped_dir

_CNN = "digits"
# Programs of the conformance vectors, in the order that those have them.
_OF_VECTORS = {"ENCODER": ("encoder",), "DECODER": ("decoder-in-bytes", "decoder-in-words")}
DIGESTS = "digests.json"


def published_programs() -> dict[str, Program]:
    """Return the shipped programs by name: a CNN, an encoder and two decoders."""
    found = {_CNN: load_model(shipped_dir() / _CNN, hash_bytes).program}
    vectors = load_vectors()
    for kind, names in _OF_VECTORS.items():
        programs = {each.program.root: each.program for each in vectors if each.operator == kind}
        found |= zip(names, programs.values(), strict=True)
    return found


def published_digests() -> dict[str, str]:
    """Return, by program root, what `exactness.digest_of` gives on the reference."""
    digests: dict[str, str] = json.loads((shipped_dir() / DIGESTS).read_text(encoding="utf-8"))
    return digests
