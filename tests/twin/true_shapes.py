"""Prove sampled steps of Llama-3-8B's true shapes: `python -m tests.twin.true_shapes --count 1000`.

The program is the one that an import makes: 32 layers, 8,192 positions, 128,256 words. Emitting it
takes a minute, so its header and descriptors lie beside this file; `--record` writes them again. Of
its constants, 8 GB, only the leaves that the sampled steps touch exist, under a tree of true depth.
"""

from __future__ import annotations

import argparse
import lzma
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import shake_128
from pathlib import Path

import numpy as np
import numpy.typing as npt

from infernet.models.sequence.decode import Choices, Emitter
from infernet.models.sequence.decoder import Decoder, DecoderLayer, LayerRanges
from infernet.models.sequence.seeded_decoder import LLAMA_3_8B
from infernet.models.space import Constants
from interpreter import machine
from interpreter.machine import OneStepProof
from interpreter.merkle import HASH_BYTES, digest, empty_root, tree_of_hashes
from interpreter.operators import Halt, decode
from interpreter.program import (
    DESCRIPTOR_BYTES,
    Header,
    Location,
    Opcode,
    Operator,
    Program,
    Step,
    load,
    operators_tree,
)
from interpreter.tensors import LEAF_BYTES, depth_of
from interpreter.validate import validate

from .bulk import Report
from .evm import Contracts
from .large import register
from .sparse import SparseMemory, SparseTree
from .steps import Case

Array = npt.NDArray[np.generic]
STEPS_PER_CHAIN = 300
END_TOKENS = (128_001, 128_009)
RECORD = Path(__file__).with_name("llama-3-8b.xz")
# Kept out of the constants' noise, so that registration meets a program without any.
NOISE = b"constants"


class Outline(Constants):
    """Constants that are measured, not kept."""

    def array(self) -> Array:
        self.size += -self.size % LEAF_BYTES
        return np.broadcast_to(np.uint8(0), self.size)

    def _write(self, data: bytes | memoryview) -> None:
        self.size += memoryview(data).nbytes


def emit() -> Program:
    """Return the program that an import of Llama-3-8B makes, without its constants."""
    shape = LLAMA_3_8B

    def matrix(rows: int, cols: int) -> Array:
        return np.broadcast_to(np.float32(1 / 64), (rows, cols))

    width, inner, half = shape.width, shape.hidden, shape.head // 2
    layer = DecoderLayer(
        np.ones(width),
        *(matrix(rows, width) for rows in (width, shape.kv_width, shape.kv_width, width)),
        np.ones(width),
        *(matrix(rows, cols) for rows, cols in ((inner, width), (inner, width), (width, inner))),
    )
    queries, keys = np.full((shape.heads, half), 8.0), np.full((shape.kv_heads, half), 8.0)
    ranges = LayerRanges(queries, keys, np.full(shape.kv_width, 4.0), 8.0, 8.0, 40.0)
    tokens = matrix(shape.vocabulary, width)
    decoder = Decoder(shape, tokens, lambda _: layer, np.ones(width), tokens)
    emitter = Emitter(decoder, Choices(shape.context, END_TOKENS), Outline())
    stream = emitter.embedding()
    for index in range(shape.layers):
        stream = emitter.layer(stream, index, layer, ranges)
    emitter.sample(stream)
    return emitter.finish(lambda _: NO_TREE)


# Stands for the tree of constants that nobody reads.
NO_TREE = tree_of_hashes(digest(NOISE), empty_root)


def recorded() -> Program:
    """Return the program that `emit` made, without its constants."""
    data = lzma.decompress(RECORD.read_bytes())
    length = 128 + HASH_BYTES * data[2]
    header, rest = Header.decode(data[:length]), data[length:]
    operators = [
        Operator.decode(rest[at : at + DESCRIPTOR_BYTES])
        for at in range(0, len(rest), DESCRIPTOR_BYTES)
    ]
    nothing = np.broadcast_to(np.uint8(0), header.constants_bytes)
    program = load(header, operators, nothing, NO_TREE, operators_tree(operators))
    validate(program)
    return program


def encoded(program: Program) -> bytes:
    """Return header and descriptors."""
    return program.header.encode() + b"".join(each.encode() for each in program.operators)


@dataclass(frozen=True, slots=True)
class Sample:
    """A step of a run of so many iterations, executed on a memory that it made up."""

    step: Step
    iterations: int
    accumulator: int
    memory: SparseMemory


def sample(program: Program, count: int, rng: np.random.Generator) -> Iterator[Sample]:
    """Execute `count` steps: each opcode in turn, in any layer, at any position."""
    context, by_opcode = program.header.max_iterations, dict[Opcode, list[Operator]]()
    for operator in program.operators:
        by_opcode.setdefault(operator.opcode, []).append(operator)
    groups = [by_opcode[opcode] for opcode in sorted(by_opcode)]
    for number in range(count):
        group = groups[number % len(groups)]
        operator = group[int(rng.integers(len(group)))]
        instruction = decode(operator)
        iterations = pick(rng, 1, context)
        where = Location(pick(rng, 0, iterations - 1), 0, pick(rng, 0, instruction.steps - 1))
        first = where.iteration * program.header.steps_per_iteration + operator.first_step
        memory = SparseMemory(program.header.slot_depth, leaf_maker(rng), constant_leaf)
        if isinstance(instruction, Halt) and rng.random() < 0.5:
            end_prompt(instruction, memory)
        accumulator = 0
        if where.index != instruction.element_start(where.index):
            accumulator = pick(rng, -(2**63), 2**63 - 1)
        is_last = where.iteration == iterations - 1
        machine.execute(operator, program.header, where, is_last, memory, accumulator)
        yield Sample(Step(first + where.index), iterations, accumulator, memory)


def pick(rng: np.random.Generator, low: int, high: int) -> int:
    """Return an integer in [low, high], an end of it in half of the cases."""
    if rng.random() < 0.5:
        return (low, high)[int(rng.integers(2))]
    return int(rng.integers(low, high, endpoint=True))


def leaf_maker(rng: np.random.Generator) -> Callable[[int], bytes]:
    """Return what fills leaves of tensors: noise, zeros, or elements at one end of their range."""
    kind = int(rng.integers(4))
    if kind < 2:
        return rng.bytes
    return lambda size: bytes(size) if kind == 2 else b"\xff" * (size - 1) + b"\x7f"


def constant_leaf(index: int) -> bytes:
    """Return the constants' leaf of an index: noise, the same each time."""
    return shake_128(NOISE + index.to_bytes(8)).digest(LEAF_BYTES)


def end_prompt(halt: Halt, memory: SparseMemory) -> None:
    """Let the new token be an end token, made after a prompt of one."""
    token = halt.tokens[-1].to_bytes(4, "little").ljust(LEAF_BYTES, b"\0")
    length = (1).to_bytes(4, "little") * (LEAF_BYTES // 4)
    memory.content[halt.a, 0] = token
    memory.content[halt.b, 4 * halt.length // LEAF_BYTES] = length


def cases(program: Program, samples: Sequence[Sample]) -> Iterator[Case]:
    """Return a proof of each step; all are of one program, whose constants they touch."""
    leaves: dict[int, bytes] = {}
    for each in samples:
        leaves |= each.memory.constants
    constants = SparseTree(depth_of(program.header.constants_bytes // LEAF_BYTES), NOISE, leaves)
    header = replace(program.header, constants_root=constants.root)
    program = replace(program, header=header)
    for each in samples:
        where = program.locate(each.step, each.iterations)
        witness, memory_root = each.memory.witness(constants)
        proof = OneStepProof(
            header.encode(),
            False,
            memory_root,
            each.accumulator,
            where.operator,
            program.operators[where.operator].encode(),
            tuple(program.operators_tree.path(where.operator)),
            witness,
        )
        before, after = machine.verify(program.root, each.iterations, each.step, proof)
        yield Case(program, each.step, proof, before, after, each.iterations)


def prove_sample(count: int, seed: int) -> tuple[Report, list[int]]:
    """Prove and forge `count` steps; return what was proven and the gas of registration."""
    rng, contracts = np.random.default_rng(seed), Contracts()
    program = recorded()
    report, registration = Report(programs=1), list[int]()
    for case in cases(program, list(sample(program, count, rng))):
        if not registration:
            registration = register(contracts, case.program)
        if report.steps % STEPS_PER_CHAIN == 0:
            contracts = Contracts()
        report.prove(contracts, case, rng)
    return report, registration


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Prove sampled steps of a Llama of true shape.")
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", action="store_true", help="emit the program again")
    arguments = parser.parse_args()
    if arguments.record:
        RECORD.write_bytes(lzma.compress(encoded(emit())))
    began = time.monotonic()
    report, registration = prove_sample(arguments.count, arguments.seed)
    print(f"registration: {len(registration)} calls, {sum(registration)} gas")
    report.show(time.monotonic() - began)


if __name__ == "__main__":
    main()
