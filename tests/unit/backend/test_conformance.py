"""The vectors are right, the backend passes them, and a backend that is wrong is named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest

from infernet.backend.conformance import (
    check,
    digest_of,
    load_vectors,
    published_digest,
    require_conformance,
    run_conformance,
)
from infernet.backend.engine import Engine, ReferenceEngine, open_engine
from infernet.backend.errors import ConformanceError
from infernet.backend.exposed import Exposed
from interpreter import machine
from interpreter.machine import Outcome
from interpreter.operators import Halt, MaxPool, decode
from interpreter.program import Opcode, Program
from interpreter.validate import validate
from tests.vectors.generate import all_cases

MODELS = {"ENCODER", "DECODER"}
# They only open and close what others fill; every vector has them.
WITHOUT_BITS = {"BEGIN", "FREE", "END"}


@dataclass(frozen=True, slots=True)
class OffByOne:
    """An engine whose max pool is wrong in one element, and that halts when it should not."""

    inner: Engine

    @property
    def name(self) -> str:
        return "off by one"

    @property
    def program(self) -> Program:
        return self.inner.program

    @property
    def reasons(self) -> tuple[str, ...]:
        return ()

    def run(self, data: np.ndarray, iterations: int = 1) -> Outcome:
        found = self.inner.run(data, iterations)
        output, halted = found.output.copy(), found.halted
        kinds = {type(decode(op)) for op in self.program.operators}
        if MaxPool in kinds:
            output[-1] ^= 1
        return Outcome(output, halted != (Halt in kinds))

    def expose(self, data: np.ndarray, iterations: int, wanted: Sequence[int]) -> Iterable[Exposed]:
        return self.inner.expose(data, iterations, wanted)


def test_the_reference_gives_every_published_output() -> None:
    vectors, outcomes = load_vectors(), []
    for vector in vectors:
        validate(vector.program)
        outcomes.append(machine.complete(vector.program, vector.data, vector.iterations))
        assert outcomes[-1].output.tobytes() == vector.output, vector.name
        assert outcomes[-1].halted == vector.halted, vector.name
    assert digest_of(vectors, outcomes) == published_digest()


def test_the_published_vectors_are_those_of_the_generator() -> None:
    published = {(vector.operator, vector.name): vector for vector in load_vectors()}
    assert len(published) == len(load_vectors())
    for case in all_cases():
        vector = published.pop((case.operator, case.name))
        # What an importer makes of a model may change; what was published stays.
        if case.operator not in MODELS:
            assert vector.program.root == case.program.root, case.name
            assert vector.data.tobytes() == case.data.tobytes(), case.name
            assert vector.iterations == case.iterations, case.name
    assert not published


def test_the_vectors_cover_every_operator_and_tell_outputs_apart() -> None:
    vectors = load_vectors()
    opcodes = {code.name for code in Opcode} - WITHOUT_BITS
    assert {vector.operator for vector in vectors} == opcodes | MODELS
    used = {op.opcode.name for vector in vectors for op in vector.program.operators}
    assert used == {code.name for code in Opcode}
    for operator in opcodes | MODELS:
        own = [vector for vector in vectors if vector.operator == operator]
        assert len({vector.output for vector in own}) > min(2, len(own) - 1), operator
    ends = {(vector.halted, vector.iterations > 1) for vector in vectors}
    assert ends == {(False, False), (False, True), (True, True)}


@pytest.mark.parametrize("threads", [1, 2])
def test_this_machine_conforms(threads: int) -> None:
    report = run_conformance(threads)
    report.require_exact()
    assert report.digest == published_digest()
    if is_native():
        assert report.by_reference == 0


def is_native() -> bool:
    """Say whether programs of sequences have compiled code here."""
    return find_spec("infernet.backend.native._machine") is not None


def test_the_reference_engine_conforms() -> None:
    assert require_conformance(ReferenceEngine).is_exact


def test_a_wrong_bit_or_end_forbids_staking_and_names_the_operator() -> None:
    report = check(lambda program: OffByOne(open_engine(program)))
    assert report.operators == ("DECODER", "HALT", "MAXPOOL")
    assert report.digest != published_digest()
    with pytest.raises(ConformanceError, match="DECODER, HALT, MAXPOOL"):
        require_conformance(lambda program: OffByOne(open_engine(program)))
