"""The engine gives the reference's tensors, or says why it will not run."""

import numpy as np
import pytest

from infernet.backend.engine import (
    OrtEngine,
    ReferenceEngine,
    open_engine,
    require_ort_version,
)
from infernet.backend.errors import BackendError, UnsupportedProgram
from interpreter.errors import InvalidTensor
from interpreter.program import Program
from tests.exactness import tensors_of
from tests.programs import random_input, random_program

SEEDS = range(40)


def case(seed: int) -> tuple[Program, np.ndarray]:
    rng = np.random.default_rng(seed)
    program = random_program(rng, "fast", operators=8)
    return program, random_input(program, rng)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_tensor_equals_the_references(seed: int) -> None:
    program, data = case(seed)
    engine, reference = open_engine(program), ReferenceEngine(program)
    expected, found = tensors_of(reference, data), tensors_of(engine, data)
    assert expected.keys() == found.keys()
    for index, tensor in expected.items():
        assert np.array_equal(tensor, found[index]), program.operators[index]
    assert np.array_equal(engine.run(data).output, reference.run(data).output)


def test_most_random_programs_that_keep_the_rules_run_fast() -> None:
    engines = [open_engine(case(seed)[0]) for seed in SEEDS]
    assert sum(isinstance(engine, OrtEngine) for engine in engines) > 0.8 * len(engines)


@pytest.mark.parametrize("seed", range(6))
def test_two_threads_change_nothing(seed: int) -> None:
    program, data = case(seed)
    one, two = open_engine(program, 1), open_engine(program, 2)
    expected = tensors_of(one, data)
    for index, tensor in tensors_of(two, data).items():
        assert np.array_equal(tensor, expected[index])


def test_a_declined_program_runs_on_the_reference_and_says_why() -> None:
    for seed in range(200):
        rng = np.random.default_rng(seed)
        program = random_program(rng, "hostile")
        engine = open_engine(program)
        if engine.reasons:
            break
    assert isinstance(engine, ReferenceEngine)
    assert all(reason.startswith("operator ") for reason in engine.reasons)
    with pytest.raises(UnsupportedProgram, match="operator"):
        OrtEngine(program)
    data = random_input(program, rng)
    assert np.array_equal(engine.run(data).output, ReferenceEngine(program).run(data).output)


def test_an_input_of_another_length_is_refused() -> None:
    program, data = case(0)
    for engine in (open_engine(program), ReferenceEngine(program)):
        with pytest.raises(InvalidTensor, match="expected"):
            engine.run(data[:-1])


def test_a_run_leaves_its_input_as_it_was() -> None:
    for seed in range(10):
        program, data = case(seed)
        before = data.copy()
        tensors_of(open_engine(program), data)
        assert np.array_equal(data, before)


def test_old_runtimes_are_refused() -> None:
    require_ort_version("1.25.1")
    require_ort_version("1.31.1+cpu")
    with pytest.raises(BackendError, match=r"1\.24\.4 is too old"):
        require_ort_version("1.24.4")
