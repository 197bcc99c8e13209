"""Backends by name: ours, and those that other packages bring (docs/backends.md).

Whatever computes, it has to give the reference's bits; `check_adapter` finds out on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

import numpy as np
import numpy.typing as npt

from interpreter.program import Program

from .conformance import Difference, Report, Vector, check
from .engine import Engine, ReferenceEngine, open_engine
from .errors import BackendError, UnknownBackend, UnsupportedProgram
from .exposed import Exposed
from .trace import Trace

# Where packages announce their adapters.
GROUP = "infernet.backends"

Bytes = npt.NDArray[np.uint8]


class Adapter(Protocol):
    """A way to run programs."""

    @property
    def name(self) -> str:
        """Return what the adapter is called in settings."""

    def open(self, program: Program, threads: int) -> Engine:
        """Return an engine for a program, or raise UnsupportedProgram to leave it to the reference.

        Several threads may call the engine at once.
        """


class Runner(Protocol):
    """Starts runs of one program."""

    def __call__(self, data: bytes, iterations: int = 1) -> Trace:
        """Return a run on an input; nothing is computed yet."""


@dataclass(frozen=True, slots=True)
class OnnxRuntime:
    """ONNX Runtime on the processor, wherever range analysis proves it exact."""

    name: str = "onnxruntime"

    def open(self, program: Program, threads: int) -> Engine:
        return open_engine(program, threads)


@dataclass(frozen=True, slots=True)
class Reference:
    """The interpreter itself: slow, and right by definition."""

    name: str = "reference"

    def open(self, program: Program, threads: int) -> Engine:
        return ReferenceEngine(program)


BUILT_IN: dict[str, Adapter] = {"onnxruntime": OnnxRuntime(), "reference": Reference()}


def known_backends() -> tuple[str, ...]:
    """Return the names of all backends that are installed, ours first."""
    return (*BUILT_IN, *sorted(_announced().keys() - BUILT_IN.keys()))


def load_adapter(name: str) -> Adapter:
    """Return the adapter of a backend, or raise UnknownBackend or BackendError."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    announced = _announced()
    if name not in announced:
        raise UnknownBackend(
            f"no backend is called '{name}'; installed are {', '.join(known_backends())}. "
            f"A package brings one through the entry-point group {GROUP}"
        )
    entry = announced[name]
    try:
        adapter: Adapter = entry.load()()
    except Exception as error:
        # The package is not ours, and fails in ways of its own.
        raise BackendError(
            f"backend '{name}' ({entry.value}) cannot be loaded: {type(error).__name__}: {error}; "
            "mend or remove the package that brings it"
        ) from error
    return adapter


def open_with(adapter: Adapter, program: Program, threads: int = 1) -> Engine:
    """Return the adapter's engine, or the reference with the reason why it declines."""
    try:
        return adapter.open(program, threads)
    except UnsupportedProgram as error:
        return ReferenceEngine(program, (str(error),))


def runner(adapter: Adapter, program: Program, threads: int = 1) -> Runner:
    """Return what starts runs of a program, all on one engine."""
    engine = open_with(adapter, program, threads)

    def start(data: bytes, iterations: int = 1) -> Trace:
        return Trace(program, data, engine, iterations)

    return start


def check_adapter(adapter: Adapter, threads: int = 1) -> Report:
    """Run the published vectors and compare outputs, and every tensor that a dispute would show."""
    return check(lambda program: open_with(adapter, program, threads), _exposed_difference)


def require_adapter(adapter: Adapter, threads: int = 1) -> Report:
    """Return the report, or raise ConformanceError: whoever is about to stake calls this."""
    report = check_adapter(adapter, threads)
    report.require_exact()
    return report


def _exposed_difference(vector: Vector, engine: Engine) -> Difference | None:
    asked = vector.data, vector.iterations, range(vector.iterations)
    found, iteration = iter(engine.expose(*asked)), 0
    for iteration, expected in enumerate(ReferenceEngine(vector.program).expose(*asked)):
        given = next(found, Exposed({}, {}))
        parts = [("operator", expected.tensors, given.tensors)]
        parts += [("kept slot", expected.kept, given.kept)]
        for what, tensors, seen in parts:
            for index, tensor in tensors.items():
                if difference := _unlike(tensor, seen.get(index)):
                    where = f"iteration {iteration}, {what} {index}, {difference[0]}"
                    return Difference(vector.name, vector.operator, where, *difference[1:])
    if next(found, None) is not None:
        where = f"iterations after number {iteration}, which halts"
        return Difference(vector.name, vector.operator, where, 0, 1)
    return None


def _unlike(tensor: Bytes, seen: Bytes | None) -> tuple[str, int, int] | None:
    """Return where a tensor differs first, what it should be there and what it is."""
    if seen is None or seen.shape != tensor.shape:
        return "bytes", tensor.size, 0 if seen is None else seen.size
    wrong = np.flatnonzero(seen != tensor)
    if not wrong.size:
        return None
    at = int(wrong[0])
    return f"byte {at}", int(tensor[at]), int(seen[at])


def _announced() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
