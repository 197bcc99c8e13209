"""Backends by name: ours, and those that other packages bring (docs/backends.md).

Whatever computes, it has to give the reference's bits; `check_adapter` finds out on this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

import numpy as np
import numpy.typing as npt

from interpreter.program import Program

from .conformance import Difference, Report, Vector, check, load_vectors
from .engine import Engine, ReferenceEngine, open_engine
from .errors import BackendError, UnknownBackend, UnsupportedProgram
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


def runner(adapter: Adapter, program: Program, threads: int = 1) -> Callable[[bytes], Trace]:
    """Return what starts runs of a program, all on one engine."""
    engine = open_with(adapter, program, threads)
    return lambda data: Trace(program, data, engine)


def check_adapter(adapter: Adapter, threads: int = 1) -> Report:
    """Run the published vectors and compare outputs, and every tensor that a dispute would show."""
    report = check(lambda program: open_with(adapter, program, threads))
    found = [
        difference
        for vector in load_vectors()
        if (difference := _exposed_difference(vector, open_with(adapter, vector.program, threads)))
    ]
    return replace(report, differences=report.differences + tuple(found))


def require_adapter(adapter: Adapter, threads: int = 1) -> Report:
    """Return the report, or raise ConformanceError: whoever is about to stake calls this."""
    report = check_adapter(adapter, threads)
    report.require_exact()
    return report


def _exposed_difference(vector: Vector, engine: Engine) -> Difference | None:
    expected = ReferenceEngine(vector.program).run_exposed(vector.data)
    found = engine.run_exposed(vector.data)
    for index, tensor in expected.items():
        given = found.get(index)
        if given is None or given.shape != tensor.shape:
            size = -1 if given is None else given.size
            return Difference(vector.name, vector.operator, -1, tensor.size, size)
        wrong = np.flatnonzero(given != tensor)
        if wrong.size:
            at = int(wrong[0])
            return Difference(vector.name, vector.operator, at, int(tensor[at]), int(given[at]))
    return None


def _announced() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}
