"""States, witnesses and one-step proofs of the reference machine (docs/spec/state.md)."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from interpreter import machine
from interpreter.errors import InvalidWitness
from interpreter.memory import LiveMemory
from interpreter.merkle import digest, tree_of_bytes
from interpreter.operators import decode
from interpreter.program import Program, Step
from interpreter.state import State, final_state, initial_state, wrap_i64
from tests.programs import random_input, random_program

SEEDS = range(6)


def case(seed: int) -> tuple[Program, np.ndarray]:
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    return program, random_input(program, rng)


def states(program: Program, data: np.ndarray) -> list[State]:
    """Return every state of a run, by stepping live memory."""
    memory = machine.start(program, data)
    found, accumulator = [initial_state(program.header, tree_of_bytes(data).root)], 0
    for at in range(program.header.steps_per_iteration):
        accumulator, _ = machine.step(program, 1, Step(at), memory, accumulator)
        found.append(State(Step(at + 1), False, memory.root, accumulator))
    return found


def memory_at(program: Program, data: np.ndarray, at: int) -> tuple[LiveMemory, int]:
    memory, accumulator = machine.start(program, data), 0
    for step in range(at):
        accumulator, _ = machine.step(program, 1, Step(step), memory, accumulator)
    return memory, accumulator


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_ends_in_the_state_that_follows_from_its_output(seed: int) -> None:
    program, data = case(seed)
    output = machine.run(program, data)
    steps = program.header.steps_per_iteration
    expected = final_state(program.header, tree_of_bytes(output).root, steps, False)
    assert states(program, data)[-1].hash == expected.hash


@pytest.mark.parametrize("seed", SEEDS)
def test_the_accumulator_is_zero_between_elements(seed: int) -> None:
    program, data = case(seed)
    for state in states(program, data)[:-1]:
        where = program.locate(state.step)
        instruction = decode(program.operators[where.operator])
        if instruction.element_start(where.index) == where.index:
            assert state.accumulator == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_every_step_is_proven_by_its_witness_alone(seed: int) -> None:
    program, data = case(seed)
    memory, accumulator = machine.start(program, data), 0
    for before, after in pairwise(states(program, data)):
        proof = machine.prove(program, 1, before.step, memory, accumulator)
        assert machine.verify(program.root, 1, before.step, proof) == (before, after)
        accumulator = after.accumulator


@pytest.mark.parametrize("seed", SEEDS)
def test_corrupted_proofs_never_show_another_state(seed: int) -> None:
    program, data = case(seed)
    rng = np.random.default_rng(seed)
    truth = states(program, data)
    for at in rng.choice(len(truth) - 1, 12):
        memory, accumulator = memory_at(program, data, int(at))
        step = Step(int(at))
        proof = machine.prove(program, 1, step, memory, accumulator)
        for _ in range(20):
            forged = corrupt(proof, rng)
            try:
                before, after = machine.verify(program.root, 1, step, forged)
            except InvalidWitness:
                continue
            # What still verifies must start from another pre-state or end in the true one.
            assert before.hash != truth[at].hash or after.hash == truth[at + 1].hash


def corrupt(proof: machine.OneStepProof, rng: np.random.Generator) -> machine.OneStepProof:
    def flip(data: bytes) -> bytes:
        if not data:
            return b"\1"
        at = int(rng.integers(len(data)))
        return data[:at] + bytes([data[at] ^ int(rng.integers(1, 256))]) + data[at + 1 :]

    part = rng.choice(["witness", "cut", "grow", "descriptor", "acc", "root", "header", "index"])
    match part:
        case "witness":
            return replace(proof, witness=flip(proof.witness))
        case "cut":
            return replace(proof, witness=proof.witness[:-1])
        case "grow":
            return replace(proof, witness=proof.witness + b"\0")
        case "descriptor":
            return replace(proof, descriptor=flip(proof.descriptor))
        case "acc":
            return replace(proof, accumulator=wrap_i64(proof.accumulator + 1))
        case "root":
            return replace(proof, memory_root=digest(proof.memory_root))
        case "header":
            return replace(proof, header=flip(proof.header))
        case _:
            return replace(proof, operator_index=proof.operator_index + 1)


def test_a_proof_does_not_serve_another_step_or_model() -> None:
    program, data = case(0)
    other, _ = case(1)
    memory, accumulator = memory_at(program, data, 0)
    proof = machine.prove(program, 1, Step(0), memory, accumulator)
    with pytest.raises(InvalidWitness, match="header"):
        machine.verify(other.root, 1, Step(0), proof)
    for at in (1, program.header.steps_per_iteration):
        with pytest.raises(InvalidWitness):
            machine.verify(program.root, 1, Step(at), proof)


def test_a_halted_state_only_counts_on() -> None:
    program, data = case(0)
    memory, accumulator = memory_at(program, data, 0)
    proof = machine.prove(program, 1, Step(0), memory, accumulator)
    halted = replace(proof, halted=True, witness=b"", accumulator=0)
    before, after = machine.verify(program.root, 1, Step(0), halted)
    assert after == replace(before, step=Step(1))
    with pytest.raises(InvalidWitness, match="empty witness"):
        machine.verify(program.root, 1, Step(0), replace(halted, witness=b"\0"))
