"""Run a result again, whole or a single step of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from infernet.backend.engine import ReferenceEngine, open_engine
from infernet.backend.trace import Trace
from interpreter import machine
from interpreter.memory import LiveMemory, leaves_of
from interpreter.merkle import Hash, digest, leaf_at
from interpreter.operators import decode
from interpreter.program import Program, Step
from interpreter.tensors import TensorType

from .errors import WrongVerdict
from .receipt import Receipt

CONSTANTS = -1


@dataclass(frozen=True, slots=True)
class Replay:
    """A whole run again. `first_difference`: the first output byte that differs, None: equal.

    `halted`: whether HALT ends the run, `is_halted_true` whether the result says the same.
    """

    engine: str
    output: bytes
    halted: bool
    first_difference: int | None
    is_halted_true: bool

    @property
    def is_equal(self) -> bool:
        """Return whether the result is right."""
        return self.first_difference is None and self.is_halted_true


@dataclass(frozen=True, slots=True)
class Access:
    """Bytes that a step touched. `slot`: CONSTANTS for the program's constants.

    `start`: of the first byte; `leaves`: index and hash of each Merkle leaf they lie in, as it was
    before the access; `numbers`: the bytes as elements, where the slot has a type.
    """

    kind: str
    slot: int
    start: int
    data: bytes
    numbers: tuple[int, ...]
    leaves: tuple[tuple[int, Hash], ...]


@dataclass(frozen=True, slots=True)
class ShownStep:
    """One instruction with all that it touched, proven against the program root."""

    step: Step
    iteration: int
    operator_index: int
    operator: str
    layer: str
    index: int
    kind: str
    detail: str
    element: int | None
    accesses: tuple[Access, ...]
    accumulator_before: int
    accumulator_after: int
    pre_hash: Hash
    post_hash: Hash
    proof_bytes: int


def trace_of(program: Program, data: bytes, iterations: int, *, is_reference: bool) -> Trace:
    """Return the true run, by the fastest exact engine or by the interpreter itself."""
    engine = ReferenceEngine(program) if is_reference else open_engine(program)
    return Trace(program, data, engine, iterations)


def replay(receipt: Receipt, trace: Trace) -> Replay:
    """Run a receipt's task again and compare the outputs, and whether the runs halted."""
    ours, theirs = trace.output, receipt.run.output
    pairs = zip(ours, theirs, strict=False)
    first = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
    if first is None and len(ours) != len(theirs):
        first = min(len(ours), len(theirs))
    is_halted_true = trace.halted == receipt.assertion.halted
    return Replay(trace.engine.name, ours, trace.halted, first, is_halted_true)


def show_step(trace: Trace, step: Step, names: tuple[str, ...] = ()) -> ShownStep:
    """Return one step of a run, executed from its one-step proof alone and compared with the run.

    `names`: of the layers, by operator. Raises TraceError outside the run, WrongVerdict where
    proof and run differ.
    """
    program = trace.program
    proof = trace.one_step_proof(step)
    before, after = machine.verify(program.root, trace.iterations, step, proof)
    expected = trace.state_hashes([step, Step(step + 1)])
    if [before.hash, after.hash] != expected:
        raise WrongVerdict(
            f"step {step}: the proof leads from 0x{before.hash.hex()} to 0x{after.hash.hex()}, "
            "the run does not; this machine computes wrongly, try `infernet model conformance`"
        )
    where = program.locate(step, trace.iterations)
    inside = trace.around(step)
    accesses: list[Access] = []
    if inside is not None and not before.halted:
        seen = _Onlooker(inside.memory(where), accesses)
        machine.step(program, trace.iterations, step, seen, before.accumulator)
    note = decode(program.operators[where.operator]).note(where.index, where.iteration)
    is_named = where.operator < len(names) and names[where.operator]
    return ShownStep(
        step,
        where.iteration,
        where.operator,
        program.operators[where.operator].opcode.name,
        names[where.operator] if is_named else f"#{where.operator}",
        where.index,
        note.kind,
        note.detail,
        note.element if note.element >= 0 else None,
        tuple(accesses),
        before.accumulator,
        after.accumulator,
        before.hash,
        after.hash,
        len(proof.encode()),
    )


@dataclass(slots=True)
class _Onlooker:
    """A memory that notes what a step touches."""

    live: LiveMemory
    accesses: list[Access]

    def read(self, slot: int, kind: TensorType, start: int, stop: int) -> bytes:
        data = self.live.read(slot, kind, start, stop)
        self._note("read", slot, kind, start, data)
        return data

    def read_constant(self, start: int, stop: int) -> bytes:
        data = self.live.read_constant(start, stop)
        leaves = _leaves(self.live.constants, start, stop)
        self.accesses.append(Access("read", CONSTANTS, start, data, (), leaves))
        return data

    def store(self, slot: int, kind: TensorType, start: int, data: bytes) -> None:
        self._note("store", slot, kind, start, data)
        self.live.store(slot, kind, start, data)

    def begin(self, slot: int, kind: TensorType) -> None:
        self.accesses.append(Access("begin", slot, 0, b"", (), ()))
        self.live.begin(slot, kind)

    def free(self, slot: int) -> None:
        self.accesses.append(Access("free", slot, 0, b"", (), ()))
        self.live.free(slot)

    def keep_only(self, slot: int) -> None:
        self.accesses.append(Access("keep only", slot, 0, b"", (), ()))
        self.live.keep_only(slot)

    def _note(self, what: str, slot: int, kind: TensorType, start: int, data: bytes) -> None:
        register = self.live.slots[slot]
        assert register is not None
        numbers = tuple(int(n) for n in np.frombuffer(data, kind.dtype.numpy))
        leaves = _leaves(register.data, start, start + len(data))
        self.accesses.append(Access(what, slot, start, data, numbers, leaves))


def _leaves(data: npt.NDArray[np.uint8], start: int, stop: int) -> tuple[tuple[int, Hash], ...]:
    return tuple((leaf, digest(leaf_at(data, leaf))) for leaf in leaves_of(start, stop))
