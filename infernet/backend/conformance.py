"""Conformance: does this machine, with this backend, give the reference's bits?

Runs the published vectors (infernet/backend/vectors) through an engine and compares. Executors and
fishermen run it before they stake; one differing bit forbids it.
"""

from __future__ import annotations

import json
import lzma
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from interpreter.machine import Outcome
from interpreter.merkle import Hash, digest
from interpreter.program import (
    DESCRIPTOR_BYTES,
    Header,
    Operator,
    Program,
    load,
    operators_tree,
)

from .engine import Engine, open_engine
from .errors import BackendError, ConformanceError
from .hashing import hash_bytes, hashing_status

Bytes = npt.NDArray[np.uint8]
MakeEngine = Callable[[Program], Engine]
_FOLDER = files("infernet.backend.vectors")
# Iterations and the halted flag, as the digest takes them.
_RUN = struct.Struct(">I?")


@dataclass(frozen=True, slots=True)
class Vector:
    """A small program with an input and what a run of so many iterations leaves that is right.

    `operator`: the opcode that it exercises, or the kind of model that it is.
    """

    name: str
    operator: str
    program: Program
    data: Bytes
    iterations: int
    output: bytes
    halted: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """A vector that gives something else first at `where`, such as `byte 5`."""

    vector: str
    operator: str
    where: str
    expected: int
    found: int

    def __str__(self) -> str:
        return (
            f"{self.operator}: vector '{self.vector}', {self.where}: "
            f"{self.found} instead of {self.expected}"
        )


LookInside = Callable[[Vector, Engine], Difference | None]


@dataclass(frozen=True, slots=True)
class Report:
    """What a conformance run saw.

    `by_reference`: vectors that the reference ran because the fast engine declined them.
    """

    engine: str
    hashing: str
    vectors: int
    by_reference: int
    digest: Hash
    expected_digest: Hash
    differences: tuple[Difference, ...]

    @property
    def is_exact(self) -> bool:
        """Say whether every bit is right."""
        return not self.differences and self.digest == self.expected_digest

    @property
    def operators(self) -> tuple[str, ...]:
        """Return the operators whose bits differ."""
        return tuple(sorted({difference.operator for difference in self.differences}))

    def require_exact(self) -> None:
        """Raise ConformanceError unless every bit is right."""
        if self.is_exact:
            return
        named = ", ".join(self.operators) or "the digest"
        first = self.differences[0] if self.differences else f"digest {self.digest.hex()}"
        raise ConformanceError(
            f"{self.engine}: the bits of {named} differ on this machine ({first}). "
            "Do not stake: run with the reference engine, or on another machine"
        )


def load_vectors() -> tuple[Vector, ...]:
    """Return the published vectors, in order."""
    text = lzma.decompress((_FOLDER / "vectors.jsonl.xz").read_bytes()).decode()
    found: list[Vector] = []
    for line in text.splitlines():
        found.append(_vector(json.loads(line), found[-1].program if found else None))
    return tuple(found)


def published_digest() -> Hash:
    """Return the digest that a conforming backend gives."""
    return Hash(bytes.fromhex((_FOLDER / "DIGEST").read_text()))


def digest_of(vectors: Sequence[Vector], outcomes: Sequence[Outcome]) -> Hash:
    """Return the one digest over vectors and what their runs left."""
    parts = [
        vector.program.root
        + digest(vector.data.tobytes())
        + _RUN.pack(vector.iterations, outcome.halted)
        + digest(outcome.output.tobytes())
        for vector, outcome in zip(vectors, outcomes, strict=True)
    ]
    return digest(b"".join(parts))


def check(make_engine: MakeEngine = open_engine, look_inside: LookInside | None = None) -> Report:
    """Run every vector and return what was seen; `make_engine` opens an engine for a program.

    `look_inside`: returns what is wrong inside a run whose outcome is right.
    """
    vectors = load_vectors()
    outcomes, differences, names, by_reference = [], [], [], 0
    engines: dict[Hash, Engine] = {}
    for vector in vectors:
        root = vector.program.root
        if root not in engines:
            engines = {root: make_engine(vector.program)}
        engine = engines[root]
        by_reference += bool(engine.reasons)
        names.append(engine.name)
        outcomes.append(engine.run(vector.data, vector.iterations))
        difference = _difference(vector, outcomes[-1])
        if difference is None and look_inside is not None:
            difference = look_inside(vector, engine)
        if difference is not None:
            differences.append(difference)
    return Report(
        ", ".join(dict.fromkeys(names)),
        hashing_status(),
        len(vectors),
        by_reference,
        digest_of(vectors, outcomes),
        published_digest(),
        tuple(differences),
    )


def run_conformance(threads: int = 1) -> Report:
    """Check the default engine on this machine."""
    return check(lambda program: open_engine(program, threads))


def require_conformance(make_engine: MakeEngine = open_engine) -> Report:
    """Return the report, or raise ConformanceError: whoever is about to stake calls this."""
    report = check(make_engine)
    report.require_exact()
    return report


def first_difference(vector: Vector, expected: Bytes, found: Bytes) -> Difference | None:
    """Return where two byte strings differ first, if they do."""
    if len(found) != len(expected):
        return Difference(vector.name, vector.operator, "bytes", len(expected), len(found))
    wrong = np.flatnonzero(found != expected)
    if not wrong.size:
        return None
    at = int(wrong[0])
    where = f"byte {at}"
    return Difference(vector.name, vector.operator, where, int(expected[at]), int(found[at]))


def _difference(vector: Vector, outcome: Outcome) -> Difference | None:
    if outcome.halted != vector.halted:
        flags = int(vector.halted), int(outcome.halted)
        return Difference(vector.name, vector.operator, "halted", *flags)
    return first_difference(vector, np.frombuffer(vector.output, np.uint8), outcome.output)


def _vector(fields: dict[str, Any], before: Program | None) -> Vector:
    """Return the vector of a line; `before`: the last line's program, which is often the same."""
    header = bytes.fromhex(fields["header"])
    program = before
    if program is None or digest(header) != program.root:
        program = _program(header, fields)
    given = np.frombuffer(bytes.fromhex(fields["input"]), np.uint8)
    run = (fields["iterations"], bytes.fromhex(fields["output"]), fields["halted"])
    return Vector(fields["name"], fields["operator"], program, given, *run)


def _program(header: bytes, fields: dict[str, Any]) -> Program:
    descriptors = bytes.fromhex(fields["operators"])
    if len(descriptors) % DESCRIPTOR_BYTES:
        raise BackendError(f"vector '{fields['name']}' is damaged: reinstall the package")
    operators = [
        Operator.decode(descriptors[at : at + DESCRIPTOR_BYTES])
        for at in range(0, len(descriptors), DESCRIPTOR_BYTES)
    ]
    constants = np.frombuffer(bytes.fromhex(fields["constants"]), np.uint8)
    trees = hash_bytes(constants), operators_tree(operators)
    return load(Header.decode(header), operators, constants, *trees)
