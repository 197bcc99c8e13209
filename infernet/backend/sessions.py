"""Sessions of ONNX Runtime: a whole graph, or one part of it after another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from interpreter.operators import Free
from interpreter.program import Program
from interpreter.tensors import DType, TensorType

from .course import Course
from .errors import UnsupportedProgram
from .graph import build_part
from .nodes import flip
from .timeline import timeline_of

Bytes = npt.NDArray[np.uint8]


def open_session(model: onnx.ModelProto, threads: int) -> ort.InferenceSession:
    """Return a session, or raise UnsupportedProgram if ONNX Runtime takes no such model."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The graph already is what the kernels want; nothing may be rewritten.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        data = model.SerializeToString()
        return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # Neither library gives its errors a class in common.
        raise UnsupportedProgram(
            f"ONNX Runtime does not take the graph: {type(error).__name__}: {error}"
        ) from error


def feed(data: Bytes, dtype: DType) -> npt.NDArray[np.generic]:
    """Return a tensor's bytes as a graph takes them."""
    flipped = flip(data, dtype)
    return flipped if dtype.size == 1 else flipped.view(dtype.numpy)


def taken(tensor: npt.NDArray[np.generic], dtype: DType) -> Bytes:
    """Return the bytes of what a graph gives."""
    return flip(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8), dtype)


class SessionCourse(Course):
    """By ONNX Runtime: the operators between two stops are a session, which goes with them.

    The program must have passed `bounds.analyse`, so it has one iteration and no HALT.
    """

    def __init__(self, program: Program, data: Bytes, threads: int) -> None:
        super().__init__(program)
        self._threads = threads
        self._timeline = timeline_of(program, is_first=True)
        self._count = len(program.operators)
        self._contents = {program.header.input_slot: data}

    def apply(self, operators: range) -> bool:
        after = self._timeline.before[operators.stop] if operators.stop < self._count else ()
        stored = {
            version.writer: slot
            for slot, version in enumerate(after)
            if version is not None and version.writer in operators
            if not self._timeline.is_zero(version)
        }
        found = self._run(operators, list(stored)) if stored else {}
        before = self._timeline.before[operators.start]
        # A slot that was freed and begun again between the stops holds zeros, not what it held.
        same = {slot for slot, version in enumerate(after) if version and version == before[slot]}
        self._contents = {slot: each for slot, each in self._contents.items() if slot in same}
        self._contents |= {stored[writer]: content for writer, content in found.items()}
        return True

    def _run(self, operators: range, wanted: list[int]) -> dict[int, Bytes]:
        """Return what wanted operators among some store."""
        kinds = self._kinds(operators)
        part = build_part(self.program, operators, kinds, wanted)
        given = {
            value.name: feed(self._contents.get(slot, kinds[slot].empty()), value.dtype)
            for slot, value in part.given.items()
        }
        values = [part.stored[writer] for writer in wanted]
        session = open_session(part.model, self._threads)
        results = session.run([value.name for value in values], given)
        pairs = zip(results, values, strict=True)
        tensors = [taken(result, value.dtype) for result, value in pairs]
        return dict(zip(wanted, tensors, strict=True))

    def _kinds(self, operators: range) -> dict[int, TensorType]:
        """Return the slots that some operators name and that are there before them."""
        before = self._timeline.before[operators.start]
        kinds = {}
        for instruction in self._timeline.instructions[operators.start : operators.stop]:
            named = [operand.slot for operand in instruction.sources]
            if isinstance(instruction, Free):
                named.append(instruction.dst)
            elif instruction.destination is not None:
                named.append(instruction.destination.slot)
            for slot in named:
                if (version := before[slot]) is not None:
                    kinds[slot] = version.kind
        return kinds

    def content(self, slot: int) -> Bytes:
        return self._contents[slot]
