"""Ranges of activations, seen by running the float source on calibration inputs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from .errors import InvalidCalibration
from .source import RUNTIME_ERRORS, Source, session

Range = tuple[float, float]
Inputs = Iterable[npt.NDArray[Any]]
Progress = Callable[[str], None]


def ranges(source: Source, inputs: Inputs, names: Collection[str]) -> dict[str, Range]:
    """Return the least and greatest value of each named tensor over all inputs.

    Every input has the source's shape and type.
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(source.model)
    present = {output.name for output in exposed.graph.output}
    inner = [name for name in names if name != source.input_name]
    exposed.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in inner if name not in present
    )
    runner = session(exposed, threads=0)
    found: dict[str, Range] = {}
    for data in inputs:
        if data.shape != source.input_shape:
            raise InvalidCalibration(
                f"a calibration input has shape {data.shape}, the model takes {source.input_shape}"
            )
        try:
            tensors = runner.run(inner, {source.input_name: data.astype(source.input_dtype)})
        except RUNTIME_ERRORS as error:
            reason = str(error).splitlines()[0]
            raise InvalidCalibration(f"the source cannot run an input: {reason}") from None
        for name, tensor in [*zip(inner, tensors, strict=True), (source.input_name, data)]:
            low, high = float(np.min(tensor)), float(np.max(tensor))
            if not np.isfinite([low, high]).all():
                raise InvalidCalibration(f"tensor '{name}' is not finite on a calibration input")
            before = found.get(name, (low, high))
            found[name] = (min(before[0], low), max(before[1], high))
    if not found:
        raise InvalidCalibration(
            "the model has no scales of its own, so it needs calibration inputs: "
            "give a folder of pictures or an .npz with --calibration"
        )
    return found
