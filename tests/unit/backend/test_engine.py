"""The engine gives the reference's tensors, or says why it will not run."""

import numpy as np
import onnxruntime as ort
import pytest
from google.protobuf.message import EncodeError
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidGraph

from infernet.backend import bounds, nodes
from infernet.backend.engine import (
    OrtEngine,
    ReferenceEngine,
    open_engine,
    require_ort_version,
)
from infernet.backend.errors import BackendError, UnsupportedProgram
from interpreter.errors import InvalidTensor
from interpreter.operators import Conv, Window
from interpreter.program import Program
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder
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


def overlapping_program(convolutions: int) -> Program:
    """Return convolutions whose weights lie in each other's, 64 bytes further each."""
    channels, builder = 64, ProgramBuilder(TensorType(DType.U8, 64), slot_depth=2)
    out = builder.begin(TensorType(DType.U8, channels))
    builder.place(bytes(64 * (channels + convolutions)))
    scales = np.full(channels, 0.01, np.float32).view(np.uint32)
    params = builder.place_params(np.zeros(channels, np.int32), scales)
    window = Window(1, 1, 64, 1, 1)
    for i in range(convolutions):
        place = channels, 1, 0, 0, 0, 255, 64 * i, params
        builder.add(Conv(out, 0, DType.U8, DType.U8, window, *place))
    return builder.finish(out)


def test_weights_beyond_what_a_graph_holds_run_on_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounds, "MOST_CONSTANT_BYTES", 4 * 64 * 64)
    assert isinstance(open_engine(overlapping_program(4)), OrtEngine)
    engine = open_engine(overlapping_program(5))
    assert isinstance(engine, ReferenceEngine)
    (reason,) = engine.reasons
    assert reason.startswith("operator 5 (CONV): ")


def test_other_constants_beyond_what_a_graph_holds_run_on_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nodes, "MOST_CONSTANT_BYTES", 100)
    (reason,) = open_engine(overlapping_program(1)).reasons
    assert "constants pass 100 bytes" in reason


@pytest.mark.parametrize("error", [EncodeError("too large"), InvalidGraph("no"), MemoryError()])
def test_a_graph_that_the_runtime_refuses_runs_on_the_reference(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ort, "InferenceSession", refuse)
    engine = open_engine(overlapping_program(1))
    assert isinstance(engine, ReferenceEngine)
    assert type(error).__name__ in engine.reasons[0]
    with pytest.raises(UnsupportedProgram, match="does not take the graph"):
        OrtEngine(overlapping_program(1))
