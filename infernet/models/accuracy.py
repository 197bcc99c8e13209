"""Compare a model with its source on the same inputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from interpreter import machine

from .errors import InvalidInput
from .manifest import input_bytes, output_numbers
from .pipeline import Model
from .source import Source, session

_ENDS = ("Softmax", "LogSoftmax", "ArgMax")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One input: the largest output of the source and of the model, and how alike they are.

    `agrees`: the tops are the same class, or one side has both classes level: outputs are bytes,
    so exact ties occur, and their order means nothing.
    """

    name: str
    source_top: int
    model_top: int
    agrees: bool
    cosine: float


@dataclass(frozen=True, slots=True)
class Report:
    """All inputs together. `agreement`: share of inputs with the same top-1."""

    comparisons: tuple[Comparison, ...]

    @property
    def agreement(self) -> float:
        """Return the share of inputs on which both name the same class."""
        return float(np.mean([c.agrees for c in self.comparisons]))

    @property
    def mean_cosine(self) -> float:
        """Return the mean cosine between the outputs."""
        return float(np.mean([c.cosine for c in self.comparisons]))

    @property
    def worst_cosine(self) -> float:
        """Return the least cosine between the outputs."""
        return min(c.cosine for c in self.comparisons)


def compare(
    source: Source, model: Model, inputs: Iterable[tuple[str, npt.NDArray[Any]]]
) -> Iterator[Comparison]:
    """Yield the comparison of each source input; both sides stop before a closing Softmax."""
    _require_same_input(source, model)
    exposed = onnx.ModelProto()
    exposed.CopyFrom(source.model)
    name = next((node.inputs[0] for node in source.nodes if node.op in _ENDS), source.output_name)
    if name != source.output_name:
        exposed.graph.output.append(onnx.ValueInfoProto(name=name))
    runner = session(exposed, threads=0)
    for label, data in inputs:
        found = np.asarray(runner.run([name], {source.input_name: data})[0])
        expected = found.astype(np.float64).ravel()
        output = machine.run(model.program, input_bytes(model.manifest, data))
        actual = output_numbers(model.manifest, output)
        if len(actual) != len(expected):
            raise InvalidInput(
                f"the source gives {len(expected)} numbers and the model {len(actual)}; "
                "is this the file that the model was imported from?"
            )
        yield _compared(label, expected, actual)


def _require_same_input(source: Source, model: Model) -> None:
    coding = model.manifest.input
    takes = (tuple(source.input_shape), source.input_dtype.name)
    if takes != (coding.source_shape, coding.source_dtype):
        raise InvalidInput(
            f"the source takes {takes[0]} {takes[1]}, the model {coding.source_shape} "
            f"{coding.source_dtype}; is this the file that the model was imported from?"
        )


def _compared(
    label: str, expected: npt.NDArray[np.float64], actual: npt.NDArray[np.float64]
) -> Comparison:
    source_top, model_top = int(expected.argmax()), int(actual.argmax())
    is_level = expected[model_top] == expected.max() or actual[source_top] == actual.max()
    return Comparison(label, source_top, model_top, bool(is_level), _cosine(expected, actual))


def _cosine(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else float(not a.any() and not b.any())
