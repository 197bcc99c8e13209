"""Programs, descriptors and one-step proofs: what the chain holds and a stranger may have made."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np

from infernet.audit.proved import executed, parse_proof
from infernet.backend.engine import ReferenceEngine, open_engine
from interpreter import machine
from interpreter.errors import InterpreterError, InvalidProgram, InvalidWitness
from interpreter.merkle import HASH_BYTES, digest, tree_of_bytes, tree_of_hashes
from interpreter.merkle import empty_root as padding
from interpreter.operators import decode
from interpreter.program import (
    DESCRIPTOR_BYTES,
    Header,
    Opcode,
    Operator,
    Program,
    Step,
    load,
    operators_tree,
)
from interpreter.state import State
from interpreter.validate import validate, validate_header
from tests import sequences
from tests.programs import OPCODES, random_input, random_instruction_program, random_program
from tests.twin.evm import Contracts, Reverted
from tests.twin.steps import cases

from .harness import Disagreement, Harness

_FIXED_HEADER_BYTES, _DEPTH_AT = 128, 2
_MOST_OPERATORS, _MOST_CONSTANTS_BYTES = 40, 1 << 16
_MOST_ELEMENTS, _MOST_STEPS, _MOST_ITERATIONS = 1 << 12, 24, 4
_WHERE = struct.Struct(">QI")


@cache
def programs() -> tuple[Program, ...]:
    """Return small programs over every operator."""
    rng = np.random.default_rng(21)
    images = [random_instruction_program(rng, opcode, "hostile", 60) for opcode in OPCODES]
    made = [sequences.random_sequence_program(rng, opcode) for opcode in sequences.OPCODES]
    halting = sequences.random_sequence_program(np.random.default_rng(0), Opcode.HALT, 3)
    return (*images, *made, halting, random_program(rng, "plain", 4, 60, 600))


@cache
def contracts() -> Contracts:
    """Return the shipped contracts in an EVM of this process."""
    return Contracts()


def _descriptors() -> list[bytes]:
    return sorted({op.encode() for each in programs() for op in each.operators})


def _descriptor(data: bytes) -> None:
    operator = Operator.decode(data)
    if operator.encode() != data:
        raise Disagreement("a descriptor is taken that is encoded otherwise")
    instruction = decode(operator)
    instruction.check(1 << 20, 4)
    if instruction.steps < 0:
        raise Disagreement(f"an operator has {instruction.steps} steps")
    if instruction.steps:
        instruction.note(0)
        instruction.note(instruction.steps - 1, 3)


def _header(data: bytes) -> None:
    header = Header.decode(data)
    if header.encode() != data:
        raise Disagreement("a header is taken that is encoded otherwise")
    validate_header(header)


def _program(data: bytes) -> None:
    header, descriptors = _parts(data)
    program = _accepted(header, descriptors)
    if (program is not None) != contracts().accepts(header.encode(), descriptors):
        raise Disagreement(f"registry and reference differ: the reference says {program is None}")
    if program is None:
        raise InvalidProgram("both refuse it")
    _require_steps(program)


def _engine(data: bytes) -> None:
    """Run a program that a stranger may register on the engine of miners and on the reference."""
    program = _accepted(*_parts(data))
    if program is None or not _is_small(program):
        raise InvalidProgram("refused, or too large to be run here")
    rng = np.random.default_rng(len(data))
    size = program.header.constants_bytes
    program = replace(program, constants=rng.integers(0, 256, size, np.uint8))
    tensor = random_input(program, rng)
    iterations = min(program.header.max_iterations, _MOST_ITERATIONS)
    fast = open_engine(program)
    found = fast.run(tensor, iterations)
    expected = ReferenceEngine(program).run(tensor, iterations)
    is_equal = np.array_equal(found.output, expected.output) and found.halted == expected.halted
    if not is_equal:
        raise Disagreement(f"{fast.name} and the reference differ")


def _parts(data: bytes) -> tuple[Header, list[bytes]]:
    """Number and hash what the bytes say, so that a change is not refused for its hash alone."""
    size = _FIXED_HEADER_BYTES + HASH_BYTES * data[_DEPTH_AT] if len(data) > _DEPTH_AT else 0
    given, rest = Header.decode(data[:size]), data[size:]
    cuts = range(0, min(len(rest), _MOST_OPERATORS * DESCRIPTOR_BYTES), DESCRIPTOR_BYTES)
    return _numbered(given, [rest[at : at + DESCRIPTOR_BYTES] for at in cuts])


def _numbered(header: Header, descriptors: list[bytes]) -> tuple[Header, list[bytes]]:
    step, numbered = 0, []
    for data in descriptors:
        numbered.append(data[:8] + struct.pack(">Q", step % 2**64) + data[16:])
        try:
            step += max(0, decode(Operator.decode(data)).steps)
        except (InvalidProgram, ZeroDivisionError):
            step += 1
    leaves = b"".join(map(digest, numbered))
    root = tree_of_hashes(leaves, padding).root if leaves else header.operators_root
    constants = np.zeros(min(header.constants_bytes, _MOST_CONSTANTS_BYTES), np.uint8)
    fitted = replace(
        header,
        operator_count=len(numbered),
        steps_per_iteration=step % 2**64,
        operators_root=root,
        constants_root=tree_of_bytes(constants).root if len(constants) else header.constants_root,
    )
    return fitted, numbered


def _accepted(header: Header, descriptors: list[bytes]) -> Program | None:
    """Return the program if the reference takes it; constants beyond a small size stay unmade."""
    try:
        validate_header(header)
        operators = [Operator.decode(data) for data in descriptors]
        constants = np.zeros(min(header.constants_bytes, _MOST_CONSTANTS_BYTES), np.uint8)
        tree, descriptors_tree = tree_of_bytes(constants), operators_tree(operators)
        small = replace(header, constants_bytes=len(constants))
        program = load(small, operators, constants, tree, descriptors_tree)
        program = replace(program, header=header)
        validate(program)
    except InvalidProgram:
        return None
    return program


def _require_steps(program: Program) -> None:
    """Prove the first steps of a small program: whatever is registered has a next state."""
    if not _is_small(program):
        return
    memory = machine.start(program, random_input(program, np.random.default_rng(1)))
    total = program.header.most_steps
    accumulator, halted = 0, False
    for number in range(min(total, _MOST_STEPS)):
        at, iterations = Step(number), program.header.max_iterations
        before = State(at, halted, memory.root, accumulator)
        proof = machine.prove(program, iterations, at, memory, accumulator, halted)
        start, after = machine.verify(program.root, iterations, at, proof)
        if start != before or after.memory_root != memory.root:
            raise Disagreement(f"step {number} and its proof differ")
        accumulator, halted = after.accumulator, after.halted


def _is_small(program: Program) -> bool:
    kinds = [target.kind for op in program.operators if (target := decode(op).destination)]
    sizes = [kind.count for kind in (program.header.input_type, *kinds)]
    is_small = max(sizes) <= _MOST_ELEMENTS
    return is_small and program.header.constants_bytes <= _MOST_CONSTANTS_BYTES


def _program_seeds() -> list[bytes]:
    found = []
    for each in programs():
        found.append(each.header.encode() + b"".join(op.encode() for op in each.operators))
    return [data for data in found if len(data) <= _FIXED_HEADER_BYTES + 24 * DESCRIPTOR_BYTES]


def _proof_seeds() -> list[bytes]:
    return list(_proofs())


def _proofs() -> Iterator[bytes]:
    rng = np.random.default_rng(22)
    for program in programs():
        is_halting = any(op.opcode == Opcode.HALT for op in program.operators)
        found = list(cases(program, rng, 60 if is_halting else 3))
        halted = [case for case in found if case.proof.halted]
        for case in (*found[:3], *halted[:1]):
            yield _WHERE.pack(case.step, case.iterations) + case.proof.encode()


@cache
def _roots() -> tuple[bytes, ...]:
    return tuple(program.root for program in programs())


def _proof(data: bytes) -> None:
    """Judge a proof as the reference and as the contract."""
    if len(data) < _WHERE.size:
        raise InvalidWitness("no step")
    (step, iterations), proof = _WHERE.unpack_from(data), data[_WHERE.size :]
    size = _FIXED_HEADER_BYTES + HASH_BYTES * (proof[_DEPTH_AT] if len(proof) > _DEPTH_AT else 0)
    own = digest(proof[:size])
    root = own if own in _roots() else _roots()[0]
    ours = _judged(root, iterations, step, proof)
    try:
        theirs = contracts().prove(root, iterations, step, proof)[:2]
    except Reverted:
        theirs = None
    if ours != theirs:
        raise Disagreement(f"reference and contract differ: {ours and ours[1].hex()}, {theirs}")
    if ours is None:
        raise InvalidWitness("both refuse it")
    executed(root, iterations, Step(step), proof)


def _judged(root: bytes, iterations: int, step: int, proof: bytes) -> tuple[bytes, bytes] | None:
    try:
        parsed = parse_proof(proof)
        before, after = machine.verify(root, iterations, Step(step), parsed)
    except InvalidWitness:
        return None
    if parsed.encode() != proof:
        raise Disagreement("a proof is taken that is encoded otherwise")
    return before.hash, after.hash


HARNESSES = (
    Harness("descriptor", _descriptors, _descriptor, (InvalidProgram,)),
    Harness("header", lambda: [p.header.encode() for p in programs()], _header, (InvalidProgram,)),
    Harness("program", _program_seeds, _program, (InterpreterError,), tries=60),
    Harness("engine", _program_seeds, _engine, (InvalidProgram,), tries=60),
    Harness("proof", _proof_seeds, _proof, (InvalidWitness,)),
)
