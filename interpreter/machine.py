"""Run a program: whole, step by step, or one step from a witness."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import InvalidProgram, InvalidWitness
from .memory import LiveMemory, Memory, RecordingMemory, Register, WitnessMemory
from .merkle import HASH_BYTES, Hash, HashBytes, digest, empty_root, fold, tree_of_bytes
from .operators import Begin, End, Free, Halt, Keep, decode
from .operators.base import Instruction
from .program import Header, Location, Operator, Program, Step
from .state import State
from .tensors import LEAF_BYTES, depth_of

Bytes = npt.NDArray[np.uint8]
Observer = Callable[[int, int, Bytes], None]

_STATE = struct.Struct(">B32sqI")


def start(program: Program, data: Bytes, hash_bytes: HashBytes = tree_of_bytes) -> LiveMemory:
    """Return the memory before step 0 for an input of exactly the input type's bytes."""
    header = program.header
    header.input_type.check(data, "input")
    slots: list[Register | None] = [None] * (1 << header.slot_depth)
    slots[header.input_slot] = Register(header.input_type, data)
    return LiveMemory(slots, program.constants, hash_bytes)


def apply_whole(instruction: Instruction, iteration: int, memory: LiveMemory) -> None:
    """Execute all steps of one operator at once; END and HALT leave memory to the caller."""
    match instruction:
        case Keep() if iteration:
            return
        case Begin(dst=dst, kind=kind):
            memory.begin(dst, kind)
        case Free(dst=dst):
            memory.free(dst)
        case End() | Halt():
            return
        case _:
            target = instruction.destination
            assert target is not None
            register = memory.slots[target.slot]
            assert register is not None
            views = []
            for operand in instruction.sources:
                source = memory.slots[operand.slot]
                assert source is not None
                views.append(source.data.view(operand.kind.dtype.numpy))
            destination = register.data.view(target.kind.dtype.numpy)
            instruction.whole(iteration, memory.constants, views, destination)
            register.tree = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run leaves: the output's bytes, and whether HALT ended it."""

    output: Bytes
    halted: bool


def complete(
    program: Program, data: Bytes, iterations: int = 1, observe: Observer | None = None
) -> Outcome:
    """Run a program; `observe(iteration, operator index, destination bytes)` sees each tensor."""
    memory = start(program, data)
    halted = any(run_iteration(program, p, memory, observe) for p in range(iterations))
    register = memory.slots[program.header.output_slot]
    assert register is not None
    return Outcome(register.data, halted)


def run_iteration(
    program: Program, iteration: int, memory: LiveMemory, observe: Observer | None = None
) -> bool:
    """Run one iteration on what the one before left, and say whether it halted."""
    for index, operator in enumerate(program.operators):
        instruction = decode(operator)
        if isinstance(instruction, Halt) and instruction.fires(iteration, memory):
            return True
        apply_whole(instruction, iteration, memory)
        target = instruction.destination
        if observe and target:
            register = memory.slots[target.slot]
            assert register is not None
            observe(iteration, index, register.data)
    return False


def run(
    program: Program, data: Bytes, iterations: int = 1, observe: Observer | None = None
) -> Bytes:
    """Return the output bytes of a run (see `complete`)."""
    return complete(program, data, iterations, observe).output


def execute(
    operator: Operator, header: Header, where: Location, is_last: bool, memory: Memory, acc: int
) -> tuple[int, bool]:
    """Execute one step on any memory; return the accumulator after it and whether it halts."""
    instruction = decode(operator)
    halts = isinstance(instruction, Halt) and instruction.fires(where.iteration, memory)
    if halts or (isinstance(instruction, End) and is_last):
        memory.keep_only(header.output_slot)
        return 0, halts
    return instruction.step(where.index, where.iteration, memory, acc), False


def step(
    program: Program, iterations: int, at: Step, memory: Memory, accumulator: int
) -> tuple[int, bool]:
    """Execute step `at` of a run that has not halted; return as `execute`."""
    where = program.locate(at, iterations)
    is_last = where.iteration == iterations - 1
    operator = program.operators[where.operator]
    return execute(operator, program.header, where, is_last, memory, accumulator)


@dataclass(frozen=True, slots=True)
class OneStepProof:
    """Everything that the verifier needs to execute one step (spec: state.md)."""

    header: bytes
    halted: bool
    memory_root: Hash
    accumulator: int
    operator_index: int
    descriptor: bytes
    operator_path: tuple[Hash, ...]
    witness: bytes

    def encode(self) -> bytes:
        """Return the canonical bytes that the contract takes."""
        numbers = _STATE.pack(self.halted, self.memory_root, self.accumulator, self.operator_index)
        path = b"".join(self.operator_path)
        return self.header + numbers + self.descriptor + path + self.witness


def prove(
    program: Program,
    iterations: int,
    at: Step,
    memory: LiveMemory,
    accumulator: int,
    halted: bool = False,
) -> OneStepProof:
    """Execute step `at` on `memory` and return the proof of it; `memory` moves on."""
    where = program.locate(at, iterations)
    root = memory.root
    recording = RecordingMemory(memory, program.constants_tree)
    if not halted:
        step(program, iterations, at, recording, accumulator)
    return OneStepProof(
        program.header.encode(),
        halted,
        root,
        accumulator,
        where.operator,
        program.operators[where.operator].encode(),
        tuple(program.operators_tree.path(where.operator)),
        recording.witness,
    )


def verify(
    program_root: Hash, iterations: int, at: Step, proof: OneStepProof
) -> tuple[State, State]:
    """Return the pre- and post-state that a proof shows, or raise InvalidWitness.

    Twin: OneStepProof.sol.
    """
    if digest(proof.header) != program_root:
        raise InvalidWitness("the header does not hash to the program root")
    before = State(at, proof.halted, proof.memory_root, proof.accumulator)
    try:
        header = Header.decode(proof.header)
        operator = Operator.decode(proof.descriptor)
    except InvalidProgram as error:
        raise InvalidWitness(str(error)) from None
    iteration, local = divmod(at, header.steps_per_iteration)
    if iteration >= iterations:
        raise InvalidWitness(f"step {at} is past the last iteration")
    depth = depth_of(header.operator_count)
    is_known = (
        len(proof.operator_path) == depth
        and proof.operator_index < header.operator_count
        and all(len(node) == HASH_BYTES for node in proof.operator_path)
        and fold(digest(proof.descriptor), proof.operator_index, proof.operator_path)
        == header.operators_root
    )
    if not is_known:
        raise InvalidWitness("the descriptor is not under the operators root")
    index = local - operator.first_step
    if not 0 <= index < decode(operator).steps:
        raise InvalidWitness(f"step {local} is not in the operator's range")
    if proof.halted:
        if proof.witness:
            raise InvalidWitness("a halted step takes an empty witness")
        return before, State(Step(at + 1), True, proof.memory_root, proof.accumulator)
    memory = WitnessMemory(
        proof.witness,
        proof.memory_root,
        header.slot_depth,
        header.constants_root,
        depth_of(header.constants_bytes // LEAF_BYTES),
    )
    where = Location(iteration, proof.operator_index, index)
    is_last = iteration == iterations - 1
    accumulator, halts = execute(operator, header, where, is_last, memory, proof.accumulator)
    return before, State(Step(at + 1), halts, memory.finish(), accumulator)


def empty_siblings(slot_depth: int) -> tuple[Hash, ...]:
    """Return `E(0) … E(slot_depth − 1)`."""
    return tuple(empty_root(depth) for depth in range(slot_depth))
