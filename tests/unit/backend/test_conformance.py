"""The vectors are right, the backend passes them, and a backend that is wrong is named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
from infernet.backend.engine import Engine, Exposed, OrtEngine, ReferenceEngine, open_engine
from infernet.backend.errors import ConformanceError
from interpreter import machine
from interpreter.machine import Outcome
from interpreter.operators import MaxPool, decode
from interpreter.program import Program
from interpreter.validate import validate
from tests.programs import OPCODES
from tests.vectors.generate import all_cases


@dataclass(frozen=True, slots=True)
class OffByOne:
    """An engine whose max pool is wrong in one element."""

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
        output = self.inner.run(data, iterations).output.copy()
        if any(isinstance(decode(op), MaxPool) for op in self.program.operators):
            output[-1] ^= 1
        return Outcome(output, False)

    def expose(self, data: np.ndarray, iterations: int, wanted: Sequence[int]) -> Iterable[Exposed]:
        return self.inner.expose(data, iterations, wanted)


def test_the_reference_gives_every_published_output() -> None:
    vectors = load_vectors()
    for vector in vectors:
        validate(vector.program)
        assert machine.run(vector.program, vector.data).tobytes() == vector.output, vector.name
    assert digest_of(vectors, [vector.output for vector in vectors]) == published_digest()


def test_the_published_vectors_are_those_of_the_generator() -> None:
    for vector, case in zip(load_vectors(), all_cases(), strict=True):
        assert (vector.name, vector.operator) == (case.name, case.operator)
        assert vector.program.root == case.program.root
        assert vector.data.tobytes() == case.data.tobytes()


def test_the_vectors_cover_every_operator_and_tell_outputs_apart() -> None:
    vectors = load_vectors()
    opcodes = {code.name for code in OPCODES}
    assert {vector.operator for vector in vectors} == opcodes
    varied = [vector for vector in vectors if len(set(vector.output)) > 3]
    assert len(varied) > 0.9 * len(vectors)


@pytest.mark.parametrize("threads", [1, 2])
def test_this_machine_conforms(threads: int) -> None:
    report = run_conformance(threads)
    report.require_exact()
    assert report.by_reference == 0
    assert report.digest == published_digest()
    assert all(
        isinstance(open_engine(vector.program), OrtEngine) for vector in load_vectors()[::20]
    )


def test_the_reference_engine_conforms() -> None:
    assert require_conformance(ReferenceEngine).is_exact


def test_a_wrong_bit_forbids_staking_and_names_the_operator() -> None:
    report = check(lambda program: OffByOne(open_engine(program)))
    assert report.operators == ("MAXPOOL",)
    assert report.digest != published_digest()
    with pytest.raises(ConformanceError, match="MAXPOOL"):
        require_conformance(lambda program: OffByOne(open_engine(program)))
