"""Programs: header, descriptors, constants, and the root that is a model's identity."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import NewType

import numpy as np
import numpy.typing as npt

from .errors import InvalidProgram, InvalidStep
from .merkle import (
    HASH_BYTES,
    AnyTree,
    Hash,
    digest,
    empty_root,
    tree_of_bytes,
    tree_of_hashes,
)
from .merkle import Tree as Tree
from .tensors import DType, TensorType

Step = NewType("Step", int)

HashConstants = Callable[[npt.NDArray[np.uint8]], AnyTree]
"""Builds the tree over a program's constants: `tree_of_bytes`, or an equal of it."""

VERSION = 1
FIELD_COUNT = 28
DESCRIPTOR_BYTES = 8 + 8 + 8 * FIELD_COUNT
_DESCRIPTOR = struct.Struct(f">8BQ{FIELD_COUNT}q")
_HEADER = struct.Struct(">H6BIIQQ4I4I32s32s")


class Opcode(IntEnum):
    """What an operator does (spec: operators.md)."""

    BEGIN = 0x01
    FREE = 0x02
    END = 0x03
    KEEP = 0x04
    HALT = 0x05
    CONV = 0x10
    MAXPOOL = 0x11
    MATMUL = 0x12
    REDUCE = 0x13
    ADD = 0x20
    CLIP = 0x21
    TABLE = 0x22
    SCALE = 0x23
    COMBINE = 0x24
    ROOT = 0x25
    MASK = 0x26
    ROTATE = 0x27
    COPY = 0x30
    LOOKUP = 0x31
    EMBED = 0x32
    TOKEN = 0x33
    DRAW = 0x34


@dataclass(frozen=True, slots=True)
class Operator:
    """One descriptor, as encoded: typed views of it live in `interpreter.operators`."""

    opcode: Opcode
    dst: int = 0
    a: int = 0
    b: int = 0
    dst_dtype: DType = DType.U8
    a_dtype: DType = DType.U8
    b_dtype: DType = DType.U8
    fields: tuple[int, ...] = ()
    first_step: int = 0

    def encode(self) -> bytes:
        """Return the 240-byte descriptor."""
        padded = (*self.fields, *([0] * (FIELD_COUNT - len(self.fields))))
        head = (self.opcode, self.dst, self.a, self.b, self.dst_dtype, self.a_dtype, self.b_dtype)
        return _DESCRIPTOR.pack(*head, 0, self.first_step, *padded)

    @classmethod
    def decode(cls, data: bytes) -> Operator:
        """Return the operator in a descriptor, or raise InvalidProgram."""
        if len(data) != DESCRIPTOR_BYTES:
            raise InvalidProgram(f"a descriptor has {DESCRIPTOR_BYTES} bytes, not {len(data)}")
        code, dst, a, b, dst_dtype, a_dtype, b_dtype, zero, first, *fields = _DESCRIPTOR.unpack(
            data
        )
        if zero:
            raise InvalidProgram("the last byte of a descriptor's first word must be 0")
        try:
            dtypes = (DType(dst_dtype), DType(a_dtype), DType(b_dtype))
            return cls(Opcode(code), dst, a, b, *dtypes, tuple(fields), first)
        except ValueError as error:
            raise InvalidProgram(f"descriptor at step {first}: {error}") from None

    def padded_fields(self) -> tuple[int, ...]:
        """Return all 28 fields."""
        return (*self.fields, *([0] * (FIELD_COUNT - len(self.fields))))


@dataclass(frozen=True, slots=True)
class Header:
    """The hashed summary of a program; its digest is the program root."""

    slot_depth: int
    input_slot: int
    output_slot: int
    input_dtype: DType
    output_dtype: DType
    operator_count: int
    max_iterations: int
    steps_per_iteration: int
    constants_bytes: int
    input_shape: tuple[int, int, int, int]
    output_shape: tuple[int, int, int, int]
    operators_root: Hash
    constants_root: Hash
    initial_siblings: tuple[Hash, ...]

    @property
    def input_type(self) -> TensorType:
        """Return the type of the input slot."""
        return TensorType(self.input_dtype, _product(self.input_shape))

    @property
    def most_steps(self) -> int:
        """Return the steps of all iterations together."""
        return self.steps_per_iteration * self.max_iterations

    @property
    def output_type(self) -> TensorType:
        """Return the type of the output slot."""
        return TensorType(self.output_dtype, _product(self.output_shape))

    def encode(self) -> bytes:
        """Return the header's canonical bytes."""
        return _HEADER.pack(
            VERSION,
            self.slot_depth,
            self.input_slot,
            self.output_slot,
            self.input_dtype,
            self.output_dtype,
            0,
            self.operator_count,
            self.max_iterations,
            self.steps_per_iteration,
            self.constants_bytes,
            *self.input_shape,
            *self.output_shape,
            self.operators_root,
            self.constants_root,
        ) + b"".join(self.initial_siblings)

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Return the header in `data`, or raise InvalidProgram."""
        if len(data) < _HEADER.size:
            raise InvalidProgram(f"a header has at least {_HEADER.size} bytes, not {len(data)}")
        version, depth, in_slot, out_slot, in_dtype, out_dtype, zero, *rest = _HEADER.unpack(
            data[: _HEADER.size]
        )
        if version != VERSION or zero:
            raise InvalidProgram(f"header version {version} is not {VERSION}")
        if len(data) != _HEADER.size + HASH_BYTES * depth:
            raise InvalidProgram(f"header of {len(data)} bytes does not fit slot depth {depth}")
        tail = data[_HEADER.size :]
        try:
            return cls(
                depth,
                in_slot,
                out_slot,
                DType(in_dtype),
                DType(out_dtype),
                rest[0],
                rest[1],
                rest[2],
                rest[3],
                tuple(rest[4:8]),
                tuple(rest[8:12]),
                Hash(rest[12]),
                Hash(rest[13]),
                tuple(Hash(tail[32 * i : 32 * (i + 1)]) for i in range(depth)),
            )
        except ValueError as error:
            raise InvalidProgram(f"header: {error}") from None


@dataclass(frozen=True, slots=True)
class Location:
    """Where a step is: iteration, operator index, and step within the operator."""

    iteration: int
    operator: int
    index: int


@dataclass(frozen=True)
class Program:
    """A header with the operators and constants that it commits to.

    `constants: u8[constants_bytes]`. Trees are built on first use by `hash_bytes`.
    """

    header: Header
    operators: tuple[Operator, ...]
    constants: npt.NDArray[np.uint8]
    constants_tree: AnyTree
    operators_tree: Tree
    _first_steps: list[int] = field(default_factory=list)

    @property
    def root(self) -> Hash:
        """Return the program root: the model's identity."""
        return digest(self.header.encode())

    def locate(self, step: int, iterations: int = 1) -> Location:
        """Return where `step` is, or raise InvalidStep."""
        iteration, local = divmod(step, self.header.steps_per_iteration)
        if step < 0 or iteration >= iterations:
            raise InvalidStep(f"step {step} is outside a run of {iterations} iteration(s)")
        operator = bisect_right(self._first_steps, local) - 1
        return Location(iteration, operator, local - self._first_steps[operator])


def operators_tree(operators: Iterable[Operator]) -> Tree:
    """Return the tree over descriptors."""
    return tree_of_hashes(b"".join(digest(op.encode()) for op in operators), empty_root)


def assemble(
    operators: Sequence[Operator],
    step_counts: Sequence[int],
    constants: npt.NDArray[np.uint8],
    *,
    slot_depth: int,
    input_slot: int,
    output_slot: int,
    input_dtype: DType,
    output_dtype: DType,
    input_shape: tuple[int, int, int, int],
    output_shape: tuple[int, int, int, int],
    max_iterations: int = 1,
    hash_bytes: HashConstants = tree_of_bytes,
) -> Program:
    """Number the steps, hash the parts and return the program; validation is separate.

    `constants: u8[n]`, n a positive multiple of 256.
    """
    numbered, step = [], 0
    for operator, count in zip(operators, step_counts, strict=True):
        numbered.append(replace(operator, first_step=step))
        step += count
    constants_tree = hash_bytes(constants)
    descriptors = operators_tree(numbered)
    header = Header(
        slot_depth,
        input_slot,
        output_slot,
        input_dtype,
        output_dtype,
        len(numbered),
        max_iterations,
        step,
        len(constants),
        input_shape,
        output_shape,
        descriptors.root,
        constants_tree.root,
        tuple(empty_root(depth) for depth in range(slot_depth)),
    )
    return load(header, numbered, constants, constants_tree, descriptors)


def load(
    header: Header,
    operators: Sequence[Operator],
    constants: npt.NDArray[np.uint8],
    constants_tree: AnyTree,
    descriptors: Tree,
) -> Program:
    """Return a program whose trees match its header, or raise InvalidProgram."""
    if descriptors.root != header.operators_root:
        raise InvalidProgram("the operators do not hash to the header's operators root")
    if constants_tree.root != header.constants_root or len(constants) != header.constants_bytes:
        raise InvalidProgram("the constants do not hash to the header's constants root")
    first_steps = [op.first_step for op in operators]
    return Program(header, tuple(operators), constants, constants_tree, descriptors, first_steps)


def _product(shape: Sequence[int]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result
