"""Engines: what turns an input into every tensor of a program.

Engine
├── ReferenceEngine  the interpreter's whole-tensor operators
├── SequenceEngine   compiled code for the operators of sequence models
└── OrtEngine        ONNX Runtime, for other programs that pass range analysis
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from interpreter import machine
from interpreter.machine import Outcome
from interpreter.memory import LiveMemory, Register
from interpreter.operators import Copy, decode
from interpreter.program import Program

from .bounds import analyse
from .course import Course, ReferenceCourse, Stopping
from .errors import BackendError, UnsupportedProgram
from .exposed import Exposed
from .graph import Graph, build
from .sequence.engine import SequenceEngine
from .sequence.plan import is_of_sequences
from .sessions import SessionCourse, feed, open_session, taken

Bytes = npt.NDArray[np.uint8]
# Earlier releases give wrong convolutions on processors with AMX.
MINIMUM_ORT = (1, 25, 1)


class Engine(Protocol):
    """Runs one program on whole tensors, to the bit as the reference does."""

    @property
    def name(self) -> str:
        """Return what runs, in a few words."""

    @property
    def program(self) -> Program:
        """Return the program that it runs."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why a faster engine declined the program; callers show it."""

    def run(self, data: Bytes, iterations: int = 1) -> Outcome:
        """Return the output bytes of an input, and whether the run halted."""

    def expose(self, data: Bytes, iterations: int, wanted: Sequence[int]) -> Iterable[Exposed]:
        """Show the wanted iterations, which ascend; one that the run does not reach is left out.

        One pass over the run serves all of them. Each may be computed as it is taken.
        """


@dataclass(frozen=True, slots=True)
class ReferenceEngine:
    """The interpreter itself. `reasons`: why no fast engine runs, when one was asked for."""

    program: Program
    reasons: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return "reference"

    def run(self, data: Bytes, iterations: int = 1) -> Outcome:
        return machine.complete(self.program, data, iterations)

    def expose(self, data: Bytes, iterations: int, wanted: Sequence[int]) -> Iterator[Exposed]:
        memory = machine.start(self.program, data)
        for iteration in range(max(wanted, default=-1) + 1):
            if iteration in wanted:
                found, halts = self._show(iteration, memory)
                yield found
            else:
                halts = machine.run_iteration(self.program, iteration, memory)
            if halts:
                return

    def course(self, data: Bytes, iterations: int) -> Course:
        """Return a run that can stop before any operator."""
        return ReferenceCourse(self.program, data)

    def _show(self, iteration: int, memory: LiveMemory) -> tuple[Exposed, bool]:
        found = Exposed({}, kept_in(memory, self.program.header.input_slot))

        def observe(_: int, index: int, tensor: Bytes) -> None:
            found.tensors[index] = tensor.copy()

        return found, machine.run_iteration(self.program, iteration, memory, observe)


@dataclass(slots=True)
class OrtEngine:
    """ONNX Runtime on the processor, on a graph made from the program. Threads may share it.

    The graph is of one iteration; range analysis accepts no program that may run longer. Raises
    UnsupportedProgram when that analysis cannot promise the reference's bits.
    """

    program: Program
    threads: int = 1
    _plain: tuple[ort.InferenceSession, Graph] = field(init=False)
    _exposed: tuple[ort.InferenceSession, Graph] | None = field(init=False, default=None)
    _lock: Lock = field(init=False, default_factory=Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_ort_version()
        violations = analyse(self.program)
        if violations:
            raise UnsupportedProgram("; ".join(map(str, violations)))
        self._plain = self._session(expose=False)

    @property
    def reasons(self) -> tuple[str, ...]:
        return ()

    @property
    def name(self) -> str:
        return f"onnxruntime {ort.__version__}, {self.threads} thread(s)"

    def run(self, data: Bytes, iterations: int = 1) -> Outcome:
        session, graph = self._plain
        (result,) = session.run([graph.output.name], {"input": self._feed(data)})
        return Outcome(taken(result, graph.output.dtype), False)

    def expose(self, data: Bytes, iterations: int, wanted: Sequence[int]) -> Iterator[Exposed]:
        if not wanted:
            return
        with self._lock:
            if self._exposed is None:
                self._exposed = self._session(expose=True)
            session, graph = self._exposed
        names = list({value.name: None for value in graph.exposed.values()})
        results = session.run(names, {"input": self._feed(data)}) if names else []
        by_name = dict(zip(names, results, strict=True))
        found = {
            index: taken(by_name[value.name], value.dtype) for index, value in graph.exposed.items()
        }
        yield Exposed(_with_copies(self.program, data, found), {})

    def course(self, data: Bytes, iterations: int) -> Course:
        """Return a run that can stop before any operator."""
        self.program.header.input_type.check(data, "input")
        return SessionCourse(self.program, data, self.threads)

    def _feed(self, data: Bytes) -> npt.NDArray[np.generic]:
        kind = self.program.header.input_type
        kind.check(data, "input")
        return feed(data, kind.dtype)

    def _session(self, *, expose: bool) -> tuple[ort.InferenceSession, Graph]:
        graph = build(self.program, expose=expose)
        return open_session(graph.model, self.threads), graph


def open_engine(program: Program, threads: int = 1) -> Engine:
    """Return the fastest engine that is proven exact for a program.

    When that is the reference, its `reasons` say why; callers show them.
    """
    if is_of_sequences(program):
        try:
            return SequenceEngine(program, threads)
        except UnsupportedProgram as error:
            return ReferenceEngine(program, (str(error),))
    violations = analyse(program)
    if violations:
        return ReferenceEngine(program, tuple(map(str, violations)))
    try:
        return OrtEngine(program, threads)
    except UnsupportedProgram as error:
        return ReferenceEngine(program, (str(error),))


def course_of(engine: Engine, data: Bytes, iterations: int) -> Course:
    """Return a run that can stop; the reference's, of engines whose own cannot."""
    if isinstance(engine, Stopping):
        return engine.course(data, iterations)
    return ReferenceEngine(engine.program).course(data, iterations)


def require_ort_version(version: str = ort.__version__) -> None:
    """Raise BackendError if ONNX Runtime is too old to be exact on every processor."""
    found = tuple(int(part) for part in version.split("+")[0].split(".")[:3])
    if found < MINIMUM_ORT:
        wanted = ".".join(map(str, MINIMUM_ORT))
        raise BackendError(f"onnxruntime {version} is too old: install {wanted} or later")


def kept_in(memory: LiveMemory, input_slot: int) -> dict[int, Bytes]:
    """Return copies of what lies beside the input between two iterations, by slot."""
    return {
        slot: register.data.copy()
        for slot, register in enumerate(memory.slots)
        if register is not None and slot != input_slot
    }


def _with_copies(program: Program, data: Bytes, found: dict[int, Bytes]) -> dict[int, Bytes]:
    """Add the tensors between the COPYs of one destination, which the graph makes at once."""
    operators = [decode(operator) for operator in program.operators]
    if all(index in found for index, op in enumerate(operators) if isinstance(op, Copy)):
        return found
    memory: LiveMemory = machine.start(program, data)
    for index, instruction in enumerate(operators):
        target = instruction.destination
        if target is None or index not in found:
            machine.apply_whole(instruction, 0, memory)
        if target is None:
            continue
        if index in found:
            memory.slots[target.slot] = Register(target.kind, found[index].copy())
            continue
        register = memory.slots[target.slot]
        assert register is not None
        found[index] = register.data.copy()
    return found
