"""States at any step, from whole tensors: nothing is stepped but the element in progress.

Before a step, memory holds finished tensors and one destination that is partly written. A prefix of
elements is hashed in logarithmic time: nodes left of the boundary leaf are those of the finished
tensor, nodes right of it those of what the slot held before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from interpreter import machine
from interpreter.memory import LiveMemory, Register
from interpreter.merkle import (
    EMPTY,
    Hash,
    Tree,
    digest,
    empty_root,
    leaf_at,
    tree_of_hashes,
    zero_root,
)
from interpreter.operators import Copy, Halt
from interpreter.program import Location, Program, Step
from interpreter.state import State, final_state
from interpreter.tensors import LEAF_BYTES, TensorType

from .exposed import Exposed
from .hashing import hash_bytes
from .moves import blocks, origins_of, places_of
from .timeline import Timeline, Version, before_in

Bytes = npt.NDArray[np.uint8]


def zero_tree(kind: TensorType) -> Tree:
    """Return the tree of a zero tensor; its nodes are padding, so it holds only the root."""
    return Tree((*([b""] * kind.depth), zero_root(kind.depth)), zero_root)


def prove_halted(
    program: Program, iterations: int, at: Step, output: Bytes
) -> machine.OneStepProof:
    """Return the proof of a step after a HALT, when memory holds the output alone."""
    slots: list[Register | None] = [None] * (1 << program.header.slot_depth)
    slots[program.header.output_slot] = Register(program.header.output_type, output)
    memory = LiveMemory(slots, program.constants, hash_bytes)
    return machine.prove(program, iterations, at, memory, 0, halted=True)


@dataclass
class States:
    """The states of one iteration of a run on `data`; `exposed` is the iteration's inside."""

    program: Program
    timeline: Timeline
    iterations: int
    iteration: int
    data: Bytes
    exposed: Exposed
    _trees: dict[int, Tree] = field(default_factory=dict)

    def state(self, at: Step) -> State:
        """Return the state before step `at`, which lies inside the iteration."""
        where = self.program.locate(at, self.iterations)
        if self.has_halted(where):
            return final_state(self.program.header, hash_bytes(self.ending).root, at, True)
        return State(at, False, root_of(self.roots(where)), self.accumulator(where))

    @cached_property
    def halting(self) -> int | None:
        """Return the index of the HALT that ends the run in this iteration, if one does."""
        for operator, instruction in enumerate(self.timeline.instructions):
            if isinstance(instruction, Halt) and self.fires(operator, instruction):
                return operator
        return None

    def fires(self, operator: int, halt: Halt) -> bool:
        """Say whether a HALT that is reached ends the run."""
        return halt.fires(self.iteration, self.sources(operator))

    def has_halted(self, where: Location) -> bool:
        """Say whether the run has halted before a step of the iteration."""
        return self.halting is not None and self.halting < where.operator

    @property
    def ending(self) -> Bytes:
        """Return the output's bytes as the run ends in this iteration."""
        operator = len(self.timeline.instructions) - 1 if self.halting is None else self.halting
        return self.content(self.timeline.version(operator, self.program.header.output_slot))

    @property
    def outcome(self) -> machine.Outcome | None:
        """Return what the run leaves; None if it does not end in this iteration."""
        if self.halting is None and self.iteration < self.iterations - 1:
            return None
        return machine.Outcome(self.ending, self.halting is not None)

    def roots(self, where: Location) -> list[Hash]:
        """Return the root of every slot before a step."""
        roots = [self._root(version) for version in self.timeline.before[where.operator]]
        destination = self.timeline.instructions[where.operator].destination
        if destination is not None and where.index:
            roots[destination.slot] = self._partial_root(where)
        return roots

    def prove(self, at: Step) -> machine.OneStepProof:
        """Return the one-step proof of `at`, equal to what stepping would give."""
        where = self.program.locate(at, self.iterations)
        if self.has_halted(where):
            return prove_halted(self.program, self.iterations, at, self.ending)
        memory = self.memory(where)
        return machine.prove(self.program, self.iterations, at, memory, self.accumulator(where))

    def memory(self, where: Location) -> LiveMemory:
        """Return live memory before a step; its destination may be written to."""
        contents = self.timeline.before[where.operator]
        slots = [self._register(version) for version in contents]
        destination = self.timeline.instructions[where.operator].destination
        if destination is not None:
            data = self.partial(where)
            slots[destination.slot] = Register(destination.kind, data)
        return LiveMemory(slots, self.program.constants, hash_bytes)

    def accumulator(self, where: Location) -> int:
        """Return the accumulator before a step, by replaying its element's earlier steps."""
        instruction = self.timeline.instructions[where.operator]
        start = instruction.element_start(where.index)
        if start == where.index:
            return 0
        memory = self.sources(where.operator)
        accumulator = 0
        for index in range(start, where.index):
            accumulator = instruction.step(index, where.iteration, memory, accumulator)
        return accumulator

    def sources(self, operator: int) -> LiveMemory:
        """Return a memory that holds only what an operator reads."""
        slots: list[Register | None] = [None] * (1 << self.program.header.slot_depth)
        for operand in self.timeline.instructions[operator].sources:
            version = self.timeline.version(operator, operand.slot)
            slots[operand.slot] = Register(version.kind, self.content(version))
        return LiveMemory(slots, self.program.constants, hash_bytes)

    def content(self, version: Version) -> Bytes:
        """Return the bytes of a finished content."""
        if self.timeline.is_zero(version):
            return version.kind.empty()
        return self._written(version.writer)

    def tree(self, version: Version) -> Tree:
        """Return the tree of a finished content, hashed once."""
        if self.timeline.is_zero(version):
            return zero_tree(version.kind)
        tree = self._trees.get(version.writer)
        if tree is None:
            tree = self._trees[version.writer] = hash_bytes(self._written(version.writer))
        return tree

    def partial(self, where: Location) -> Bytes:
        """Return the bytes of an operator's destination before one of its steps, as a copy."""
        instruction = self.timeline.instructions[where.operator]
        data = self.content(self.timeline.base(where.operator)).copy()
        if isinstance(instruction, Copy):
            elements = data.view(instruction.dtype.numpy)
            for block in blocks(instruction.elements_before(where.index, where.iteration)):
                places, values = self.moved(where.operator, instruction, block)
                elements[places] = values
        else:
            stop = self._stored_bytes(where)
            data[:stop] = self._written(where.operator)[:stop]
        return data

    def moved(
        self, operator: int, copy: Copy, block: range
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.generic]]:
        """Return where some elements of a COPY go and what they are, in the order of its steps."""
        source = self.timeline.version(operator, copy.a)
        elements = self.content(source).view(copy.dtype.numpy)
        return places_of(copy, block, self.iteration), elements[
            origins_of(copy, block, self.iteration)
        ]

    def _written(self, writer: int) -> Bytes:
        if writer >= 0:
            return self.exposed.tensors[writer]
        slot = before_in(writer)
        return self.data if slot == self.program.header.input_slot else self.exposed.kept[slot]

    def _stored_bytes(self, where: Location) -> int:
        instruction = self.timeline.instructions[where.operator]
        destination = instruction.destination
        assert destination is not None
        elements = instruction.elements_before(where.index, where.iteration)
        return elements * destination.kind.dtype.size

    def _register(self, version: Version | None) -> Register | None:
        if version is None:
            return None
        return Register(version.kind, self.content(version), self.tree(version))

    def _root(self, version: Version | None) -> Hash:
        return EMPTY if version is None else self.tree(version).root

    def _partial_root(self, where: Location) -> Hash:
        instruction = self.timeline.instructions[where.operator]
        base = self.timeline.base(where.operator)
        if isinstance(instruction, Copy):
            return hash_bytes(self.partial(where)).root
        stop = self._stored_bytes(where)
        if stop == 0:
            return self.tree(base).root
        after = self.tree(Version(where.operator, base.kind))
        leaf, inside = divmod(stop, LEAF_BYTES)
        before = self.tree(base)
        if inside:
            node = digest(self._boundary_leaf(where.operator, base, leaf, inside))
        else:
            node = before.node(0, leaf)
        for height in range(base.kind.depth):
            index = leaf >> height
            if index & 1:
                node = digest(after.node(height, index - 1) + node)
            else:
                node = digest(node + before.node(height, index + 1))
        return node

    def _boundary_leaf(self, operator: int, base: Version, leaf: int, inside: int) -> bytes:
        written = leaf_at(self._written(operator), leaf)[:inside]
        if self.timeline.is_zero(base):
            return written.ljust(LEAF_BYTES, b"\0")
        return written + leaf_at(self._written(base.writer), leaf)[inside:]


def root_of(roots: list[Hash]) -> Hash:
    """Return the memory root over the roots of all slots."""
    return tree_of_hashes(b"".join(roots), empty_root).root
