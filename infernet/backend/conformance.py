"""Conformance: does this machine, with this backend, give the reference's bits?

Runs the published vectors (infernet/backend/vectors) through an engine and compares. Executors and
fishermen run it before they stake; one differing bit forbids it.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True, slots=True)
class Vector:
    """A program of few operators with an input and the output that is right."""

    name: str
    operator: str
    program: Program
    data: Bytes
    output: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """A vector whose output is wrong, at `element` first."""

    vector: str
    operator: str
    element: int
    expected: int
    found: int

    def __str__(self) -> str:
        return (
            f"{self.operator}: vector '{self.vector}', element {self.element}: "
            f"{self.found} instead of {self.expected}"
        )


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
    text = (_FOLDER / "vectors.jsonl").read_text()
    return tuple(_vector(json.loads(line)) for line in text.splitlines())


def published_digest() -> Hash:
    """Return the digest that a conforming backend gives."""
    return Hash(bytes.fromhex((_FOLDER / "DIGEST").read_text()))


def digest_of(vectors: Sequence[Vector], outputs: Sequence[bytes]) -> Hash:
    """Return the one digest over vectors and outputs."""
    parts = [
        vector.program.root + digest(vector.data.tobytes()) + digest(output)
        for vector, output in zip(vectors, outputs, strict=True)
    ]
    return digest(b"".join(parts))


def check(make_engine: MakeEngine = open_engine) -> Report:
    """Run every vector and return what was seen; `make_engine` opens an engine for a program."""
    vectors = load_vectors()
    outputs, differences, names, by_reference = [], [], [], 0
    engines: dict[Hash, Engine] = {}
    for vector in vectors:
        root = vector.program.root
        if root not in engines:
            engines = {root: make_engine(vector.program)}
        engine = engines[root]
        by_reference += bool(engine.reasons)
        names.append(engine.name)
        outputs.append(engine.run(vector.data).tobytes())
        if outputs[-1] != vector.output:
            differences.append(_difference(vector, outputs[-1]))
    return Report(
        ", ".join(dict.fromkeys(names)),
        hashing_status(),
        len(vectors),
        by_reference,
        digest_of(vectors, outputs),
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


def _difference(vector: Vector, output: bytes) -> Difference:
    if len(output) != len(vector.output):
        return Difference(vector.name, vector.operator, -1, len(vector.output), len(output))
    pairs = zip(vector.output, output, strict=True)
    element = next(i for i, (expected, found) in enumerate(pairs) if expected != found)
    where = (vector.output[element], output[element])
    return Difference(vector.name, vector.operator, element, *where)


def _vector(fields: dict[str, str]) -> Vector:
    data = {key: _unpack(fields[key]) for key in ("header", "operators", "constants", "input")}
    descriptors = data["operators"]
    if len(descriptors) % DESCRIPTOR_BYTES:
        raise BackendError(f"vector '{fields['name']}' is damaged: reinstall the package")
    operators = [
        Operator.decode(descriptors[at : at + DESCRIPTOR_BYTES])
        for at in range(0, len(descriptors), DESCRIPTOR_BYTES)
    ]
    constants = np.frombuffer(data["constants"], np.uint8)
    program = load(
        Header.decode(data["header"]),
        operators,
        constants,
        hash_bytes(constants),
        operators_tree(operators),
    )
    inputs = np.frombuffer(data["input"], np.uint8)
    return Vector(fields["name"], fields["operator"], program, inputs, _unpack(fields["output"]))


def _unpack(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
