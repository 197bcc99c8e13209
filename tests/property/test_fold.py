"""Folding the steps of any program gives its tensors: `step` and `whole` are one operator.

Shapes, strides, paddings, dilations, groups, zero points and extremes come from the random
programs; hostile ones carry scales of any bit pattern and extreme biases.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interpreter import machine
from interpreter.operators import decode
from interpreter.program import Opcode, Program, Step
from tests.programs import OPCODES, Style, random_input, random_instruction_program, random_program

SEEDS = st.integers(0, 2**32 - 1)
STYLES = st.sampled_from(["plain", "fast", "hostile"])


def require_fold(program: Program, data: np.ndarray) -> None:
    """Compare, after every operator, the stepped destination with the whole one."""
    wholes: dict[int, bytes] = {}
    machine.run(
        program, data, observe=lambda _, index, tensor: wholes.update({index: tensor.tobytes()})
    )
    memory, accumulator, at = machine.start(program, data), 0, 0
    for index, operator in enumerate(program.operators):
        instruction = decode(operator)
        for _ in range(instruction.steps):
            accumulator, _ = machine.step(program, 1, Step(at), memory, accumulator)
            at += 1
        assert accumulator == 0
        if index in wholes and instruction.destination is not None:
            register = memory.slots[instruction.destination.slot]
            assert register is not None
            assert register.data.tobytes() == wholes[index], f"{index} {instruction}"
    assert at == program.header.steps_per_iteration


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, style=STYLES)
def test_folding_a_programs_steps_gives_its_tensors(seed: int, style: Style) -> None:
    rng = np.random.default_rng(seed)
    program = random_program(rng, style, max_steps=3000)
    require_fold(program, random_input(program, rng))


@pytest.mark.parametrize("opcode", OPCODES)
@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, style=STYLES)
def test_folding_one_operators_steps_gives_its_tensor(
    opcode: Opcode, seed: int, style: Style
) -> None:
    rng = np.random.default_rng(seed)
    program = random_instruction_program(rng, opcode, style, max_count=300)
    require_fold(program, random_input(program, rng))
