"""Kept tensors to which each position appends: what lets many positions run at once.

An operator then runs for all positions of a wave before the next operator does, so a kept tensor
already holds what later positions append when an earlier one reads it. That changes nothing if
every reader can tell the positions apart, which arithmetic on descriptor fields decides here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from interpreter.operators import Copy, Halt, Instruction, Keep, MatMul, Token
from interpreter.program import Program

Bytes = npt.NDArray[np.uint8]


class Limit(IntEnum):
    """What a product may read of a kept tensor at position `p`; later places hold zeros in truth.

    COLUMNS: the first `p + 1` columns, sums with later ones are 0. DEPTH: the first `p + 1`
    elements of each column.
    """

    NONE = 0
    COLUMNS = 1
    DEPTH = 2


@dataclass(frozen=True, slots=True)
class Append:
    """A COPY that writes places of its own at each position: the only writer of its slot."""

    operator: int
    copy: Copy

    def erase(self, content: Bytes, first: int, last: int) -> None:
        """Make zero what the positions `[first, last)` appended."""
        if last <= first:
            return
        copy = self.copy
        elements = content.view(copy.dtype.numpy)[copy.dst_offset + first * copy.dst_step :]
        shape = (last - first, *copy.sizes)
        strides = [stride * elements.itemsize for stride in (copy.dst_step, *copy.dst_strides)]
        np.lib.stride_tricks.as_strided(elements, shape, strides)[...] = 0


@dataclass(frozen=True, slots=True)
class Appends:
    """How a program's positions may share a wave.

    `by_slot`: the kept slots. `limits`: by operator, the products that read one of them. `lengths`:
    places in the input of what bounds the positions whose tokens are known beforehand.
    `is_halt_last`: no operator stores anything after a HALT.
    """

    by_slot: dict[int, Append]
    limits: dict[int, Limit]
    lengths: tuple[int, ...]
    is_halt_last: bool

    def known(self, words: Sequence[int] | npt.NDArray[np.generic]) -> int | None:
        """Return how many positions may run before a token is made; none: any number.

        `words`: the input's elements.
        """
        found = [int(words[place]) for place in self.lengths]
        if not found:
            return None
        return min(found) if self.is_halt_last else min(found) - 1


def appends_of(program: Program, instructions: Sequence[Instruction]) -> Appends | None:
    """Return how the positions of a valid program share a wave; none if they cannot."""
    kept = {instruction.dst for instruction in instructions if isinstance(instruction, Keep)}
    positions = program.header.max_iterations
    by_slot: dict[int, Append] = {}
    for index, instruction in enumerate(instructions):
        target = instruction.destination
        if target is None or target.slot not in kept:
            continue
        is_first = target.slot not in by_slot
        if not (isinstance(instruction, Copy) and is_first and _is_apart(instruction, positions)):
            return None
        by_slot[target.slot] = Append(index, instruction)
    if set(by_slot) != kept:
        return None
    limits: dict[int, Limit] = {}
    lengths: list[int] = []
    for index, instruction in enumerate(instructions):
        if isinstance(instruction, Token | Halt):
            source = instruction.a if isinstance(instruction, Token) else instruction.b
            if source != program.header.input_slot:
                return None
            lengths.append(instruction.length)
        for operand in instruction.sources:
            append = by_slot.get(operand.slot)
            if append is None:
                continue
            if not _can_read(instruction, index, append, positions):
                return None
            if isinstance(instruction, MatMul):
                limits[index] = _limit(instruction, append.copy)
    return Appends(by_slot, limits, tuple(lengths), _is_halt_last(instructions))


def _is_apart(copy: Copy, positions: int) -> bool:
    """Say whether no two positions write one place."""
    n0, n1, rows, length = copy.sizes
    reach = (positions - 1) * copy.dst_step + length
    is_apart = rows == 1 or reach <= copy.dst_strides[2]
    return n0 == n1 == 1 and length <= copy.dst_step and is_apart


def _can_read(instruction: Instruction, index: int, append: Append, positions: int) -> bool:
    copy = append.copy
    match instruction:
        case MatMul():
            is_second = instruction.a != copy.dst and index > append.operator
            return is_second and _limit(instruction, copy) is not Limit.NONE
        case Token():
            # It reads the element of the position before, and only once the prompt is over.
            numbers = (copy.sizes[2:], copy.dst_offset, copy.dst_step)
            is_row = numbers == ((1, 1), 0, 1) and copy.dst_count >= positions
            return is_row and instruction.a != copy.dst
        case _:
            return False


def _limit(product: MatMul, copy: Copy) -> Limit:
    """Return along which axis of a product's second operand the positions lie."""
    walk, (_, _, rows, length), stride = product.b_walk, copy.sizes, copy.dst_strides[2]
    if walk.zero or walk.offset != copy.dst_offset:
        return Limit.NONE
    batches, step = product.b_batches, copy.dst_step
    if step == walk.row_stride and product.length <= length:
        is_batch = batches == 1 or (stride == walk.batch_stride and batches <= rows)
        is_inside = rows == 1 or product.cols * step <= stride
        if is_batch and is_inside:
            return Limit.COLUMNS
    columns = batches * product.cols
    is_column = columns == 1 or (stride == walk.row_stride and columns <= rows)
    is_batch = batches == 1 or walk.batch_stride == product.cols * stride
    if step == 1 and length == 1 and is_column and is_batch:
        return Limit.DEPTH if rows == 1 or product.length <= stride else Limit.NONE
    return Limit.NONE


def _is_halt_last(instructions: Sequence[Instruction]) -> bool:
    halts = [i for i, each in enumerate(instructions) if isinstance(each, Halt)]
    first = min(halts, default=len(instructions))
    return all(instruction.destination is None for instruction in instructions[first:])
