"""Steps of the largest programs that can be registered; what a step does not touch is noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from interpreter import machine
from interpreter.errors import InvalidProgram
from interpreter.machine import OneStepProof
from interpreter.merkle import Hash, digest, empty_root
from interpreter.operators import (
    Add,
    Begin,
    Clip,
    Conv,
    Copy,
    End,
    Free,
    Instruction,
    MaxPool,
    Table,
    Window,
    decode,
)
from interpreter.program import Header, Location, Step
from interpreter.tensors import LEAF_BYTES, DType, TensorType, depth_of

from .sparse import SparseMemory, SparseTree

SLOT_DEPTH = 7
OPERATORS = 65_535
CONSTANTS_BYTES = 1 << 40
MAX_DIMENSION = (1 << 24) - 1
MAX_COUNT = 1 << 32
MAX_ITERATIONS = 1 << 24
SLOTS = {"dst": 126, "a": 21, "b": 42}
BYTES = (DType.U8, DType.I8)

Recipe = Callable[[np.random.Generator], Instruction]


@dataclass(frozen=True, slots=True)
class Extreme:
    """A proof of one step of a program that is as large as registration allows."""

    root: Hash
    iterations: int
    step: Step
    proof: OneStepProof
    kind: str


def extreme_step(
    instruction: Instruction, index: int, rng: np.random.Generator, is_zero: bool = False
) -> Extreme:
    """Return the proof of step `index` of an operator among 65,535 ones over 2^40 bytes.

    The step is one of any of up to 2^24 iterations. `is_zero`: all data is 0, else it is noise.
    """
    leaf = bytes if is_zero else rng.bytes
    memory = SparseMemory(SLOT_DEPTH, leaf, lambda _: leaf(LEAF_BYTES))
    most = min(MAX_ITERATIONS, ((1 << 63) - 1) // instruction.steps)
    iterations = upto(rng, min(most, last_iteration(instruction) + 1))
    iteration = iterations - 1 if rng.random() < 0.3 else int(rng.integers(iterations))
    accumulator = int(rng.integers(-(2**63), 2**63))
    header = Header(
        slot_depth=SLOT_DEPTH,
        input_slot=127,
        output_slot=SLOTS["dst"],
        input_dtype=DType.U8,
        output_dtype=DType.U8,
        operator_count=OPERATORS,
        max_iterations=iterations,
        steps_per_iteration=((1 << 63) - 1) // iterations,
        constants_bytes=CONSTANTS_BYTES,
        input_shape=(1, 1, 1, 1),
        output_shape=(1, 1, 1, 1),
        operators_root=Hash(bytes(32)),
        constants_root=Hash(bytes(32)),
        initial_siblings=tuple(empty_root(depth) for depth in range(SLOT_DEPTH)),
    )
    is_end = isinstance(instruction, End)
    position = OPERATORS - 1 if is_end else int(rng.integers(0, OPERATORS - 1))
    room = header.steps_per_iteration - instruction.steps
    first = room if is_end else int(rng.integers(room, endpoint=True))
    operator = replace(instruction.encode(), first_step=first)
    where = Location(iteration, position, index)
    machine.execute(operator, header, where, iteration == iterations - 1, memory, accumulator)
    constants = SparseTree(depth_of(CONSTANTS_BYTES // LEAF_BYTES), b"constants", memory.constants)
    witness, memory_root = memory.witness(constants)
    descriptor = operator.encode()
    operators = SparseTree(depth_of(OPERATORS), b"operators", {position: digest(descriptor)})
    header = replace(header, operators_root=operators.root, constants_root=constants.root)
    proof = OneStepProof(
        header.encode(),
        False,
        memory_root,
        accumulator,
        position,
        descriptor,
        tuple(Hash(node) for node in operators.path(position)),
        witness,
    )
    kind = f"{operator.opcode.name} {instruction.note(index).kind}"
    step = Step(iteration * header.steps_per_iteration + first + index)
    return Extreme(digest(header.encode()), iterations, step, proof, kind)


def last_iteration(instruction: Instruction) -> int:
    """Return the last iteration in which all places of an operator lie inside its tensors."""
    if not isinstance(instruction, Copy):
        return MAX_ITERATIONS - 1
    ends = [
        (count - 1 - start - sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))) // step
        for count, start, strides, step, sizes in (
            (instruction.a_count, instruction.a_offset, instruction.a_strides, instruction.a_step,
             instruction.sizes),
            (instruction.dst_count, instruction.dst_offset, instruction.dst_strides,
             instruction.dst_step, instruction.sizes),
        )
        if step
    ]  # fmt: skip
    return min([*ends, MAX_ITERATIONS - 1])


def widest_dot() -> tuple[Instruction, int]:
    """Return a run of 256 elements that straddles two leaves on both sides, and its step."""
    window = Window(255, 256, 65_535, 255, 256, 1, 255)
    conv = Conv(
        SLOTS["dst"], SLOTS["a"], DType.I8, DType.I8, window, 9, 1, -128, 0, -128, 127, 3, 8
    )
    return conv, (conv.runs + 1) * 9 * (256 * 101 + 1) + 1


def draw_extreme(
    rng: np.random.Generator, recipes: Sequence[Recipe] = ()
) -> tuple[Instruction, int]:
    """Return a registrable operator of any size, and one of its steps."""
    recipes = recipes or (conv, conv, pool, copy, copy, add, clip, table, begin, free, end)
    while True:
        instruction = recipes[int(rng.integers(len(recipes)))](rng)
        try:
            instruction.check(CONSTANTS_BYTES, 1)
        except InvalidProgram:
            continue
        steps = instruction.steps
        index = int(rng.integers(0, steps))
        if rng.random() < 0.2:
            index = [0, steps - 1][int(rng.integers(2))]
        assert decode(instruction.encode()) == instruction
        return instruction, index


def upto(rng: np.random.Generator, high: int) -> int:
    """Return an integer in [1, high], small ones and the ends more often."""
    if rng.random() < 0.1:
        return high
    return int(min(high, 2 ** rng.uniform(0, high.bit_length())))


def offset(rng: np.random.Generator, high: int) -> int:
    """Return an integer in [0, high], 0 often."""
    return 0 if high <= 0 or rng.random() < 0.3 else upto(rng, high)


def byte(rng: np.random.Generator) -> DType:
    return BYTES[int(rng.integers(2))]


def value(rng: np.random.Generator, dtype: DType) -> int:
    return int(rng.integers(dtype.minimum, dtype.maximum + 1))


def clamp(rng: np.random.Generator, dtype: DType) -> tuple[int, int]:
    low, high = sorted((value(rng, dtype), value(rng, dtype)))
    return (low, high) if rng.random() < 0.3 else (dtype.minimum, dtype.maximum)


def window(rng: np.random.Generator) -> Window:
    height, width, channels = (upto(rng, 1 << int(rng.integers(0, 16))) for _ in range(3))
    kernel = [upto(rng, 1 << int(rng.integers(0, 12))) for _ in range(2)]
    out = [upto(rng, 1 << int(rng.integers(0, 16))) for _ in range(2)]
    top = MAX_DIMENSION if rng.random() < 0.2 else 3
    stride, dilation = ([upto(rng, top) for _ in range(2)] for _ in range(2))
    pad = [offset(rng, top) for _ in range(2)]
    return Window(height, width, channels, *out, *kernel, *stride, *pad, *dilation)


def conv(rng: np.random.Generator) -> Instruction:
    w, a, dst = window(rng), byte(rng), byte(rng)
    if rng.random() < 0.5:
        w = replace(w, dilation_width=1)
    groups = (1, 1, w.channels)[int(rng.integers(3))]
    out_channels = groups * upto(rng, 1 << int(rng.integers(0, 12)))
    kernel = w.kernel_height * w.kernel_width * w.channels // groups
    weights = offset(rng, CONSTANTS_BYTES - out_channels * kernel)
    params = offset(rng, CONSTANTS_BYTES // 8 - out_channels) * 8
    zeros = value(rng, a), value(rng, dst)
    slots = SLOTS["dst"], SLOTS["a"]
    low, high = clamp(rng, dst)
    return Conv(*slots, dst, a, w, out_channels, groups, *zeros, low, high, weights, params)


def pool(rng: np.random.Generator) -> Instruction:
    return MaxPool(SLOTS["dst"], SLOTS["a"], byte(rng), window(rng))


def copy(rng: np.random.Generator) -> Instruction:
    dtype = DType(int(rng.integers(5)))
    tops = [1 << int(v) for v in rng.integers(0, 12, 4)]
    sizes = tuple(upto(rng, top) for top in tops)
    last = 1 if rng.random() < 0.6 else offset(rng, 9)
    a_strides = (*(offset(rng, 1 << 20) for _ in range(3)), last)
    dst_strides = (*(offset(rng, 1 << 20) for _ in range(3)), 1)
    places = []
    for strides in (a_strides, dst_strides):
        end = sum((n - 1) * s for n, s in zip(sizes, strides, strict=True)) + 1
        start = offset(rng, MAX_COUNT - end)
        places.append((start, min(start + end + offset(rng, 1000), MAX_COUNT)))
    assert prod(sizes) > 0
    (a_start, a_count), (dst_start, dst_count) = places
    return Copy(
        SLOTS["dst"],
        SLOTS["a"],
        dtype,
        a_count,
        dst_count,
        (sizes[0], sizes[1], sizes[2], sizes[3]),
        a_start,
        (a_strides[0], a_strides[1], a_strides[2], a_strides[3]),
        dst_start,
        (dst_strides[0], dst_strides[1], dst_strides[2], 1),
    )


def add(rng: np.random.Generator) -> Instruction:
    dst, a, b = byte(rng), byte(rng), byte(rng)
    numbers = offset(rng, 1 << 20), offset(rng, 1 << 20), 2 * upto(rng, 512) - 1
    zeros = value(rng, a), value(rng, b), value(rng, dst)
    slots = SLOTS["a"], SLOTS["b"], a, b
    low, high = clamp(rng, dst)
    return Add(SLOTS["dst"], dst, upto(rng, MAX_COUNT), *slots, *numbers, *zeros, low, high)


def clip(rng: np.random.Generator) -> Instruction:
    dtype = byte(rng)
    return Clip(SLOTS["dst"], dtype, upto(rng, MAX_COUNT), SLOTS["a"], *clamp(rng, dtype))


def table(rng: np.random.Generator) -> Instruction:
    place = 256 * offset(rng, CONSTANTS_BYTES // 256 - 1)
    return Table(SLOTS["dst"], byte(rng), upto(rng, MAX_COUNT), SLOTS["a"], byte(rng), place)


def begin(rng: np.random.Generator) -> Instruction:
    return Begin(SLOTS["dst"], TensorType(DType(int(rng.integers(5))), upto(rng, MAX_COUNT)))


def free(rng: np.random.Generator) -> Instruction:
    return Free(SLOTS["dst"])


def end(rng: np.random.Generator) -> Instruction:
    return End()
