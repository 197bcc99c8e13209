"""Whole operators keep exact at the ends of their ranges, where a narrower sum would overflow."""

import numpy as np
import pytest

from interpreter import machine
from interpreter.operators import Add, Conv, Window
from interpreter.program import Program, Step
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder

U8, I8 = DType.U8, DType.I8


def stepped(program: Program, data: np.ndarray) -> bytes:
    memory, accumulator = machine.start(program, data), 0
    for at in range(program.header.steps_per_iteration - 1):
        accumulator, _ = machine.step(program, 1, Step(at), memory, accumulator)
    register = memory.slots[program.header.output_slot]
    assert register is not None
    return register.data.tobytes()


@pytest.mark.parametrize("p", [(1 << 20, 1 << 20), (1 << 20, 0), (0, 1)])
@pytest.mark.parametrize("dtype", [U8, I8])
def test_the_largest_sums_of_add_are_exact(p: tuple[int, int], dtype: DType) -> None:
    for zeros in ((dtype.minimum,) * 2, (dtype.maximum,) * 2, (dtype.minimum, dtype.maximum)):
        for q in (1, 1023):
            builder = ProgramBuilder(TensorType(dtype, 64), slot_depth=1)
            dst = builder.begin(TensorType(dtype, 64))
            limits = (dtype.minimum, dtype.maximum)
            add = Add(dst, dtype, 64, 0, 0, dtype, dtype, *p, q, *zeros, 0, *limits)
            builder.add(add)
            program = builder.finish(dst)
            data = np.repeat(np.array([0, 127, 128, 255], np.uint8), 16)
            assert machine.run(program, data).tobytes() == stepped(program, data)


@pytest.mark.parametrize("count", [500, 514, 515, 1030, 70_000])
def test_the_largest_sums_of_conv_are_exact(count: int) -> None:
    builder = ProgramBuilder(TensorType(U8, count), slot_depth=1)
    dst = builder.begin(TensorType(U8, 3))
    weights = np.full((3, count), -128, np.int8)
    weights[1, ::2] = 127
    scales = np.array([2.0**-16, 2.0**-20, 2.0**-23], np.float32)
    params = builder.place_params(np.array([2**31 - 1, -7, -(2**31)]), scales.view(np.uint32))
    window = Window(1, 1, count, 1, 1)
    where = (builder.place(weights.tobytes()), params)
    builder.add(Conv(dst, 0, U8, U8, window, 3, 1, 0, 100, 0, 255, *where))
    program = builder.finish(dst)
    for data in (np.full(count, 255, np.uint8), (np.arange(count) % 256).astype(np.uint8)):
        assert machine.run(program, data).tobytes() == stepped(program, data)
