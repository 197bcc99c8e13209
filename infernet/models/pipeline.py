"""ONNX to model: one way for float, QDQ and QOperator sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from interpreter.merkle import HashBytes, tree_of_bytes
from interpreter.program import Program

from .calibrate import ranges
from .convert.run import convert
from .emit import emit
from .errors import InvalidCalibration
from .graph import FloatGraph
from .manifest import Coding, Manifest, Pixels
from .scales import ScaledGraph, choose_scales, unscaled_names
from .source import Source

Notice = Callable[[str], None]


@dataclass(frozen=True)
class Model:
    """A program together with its description."""

    program: Program
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Options:
    """How to import. `pixels`: how pictures become inputs, where the source takes reals."""

    name: str
    source_file: str = ""
    labels: tuple[str, ...] = ()
    pixels: Pixels | None = None
    keep_weights: bool = False
    hash_bytes: HashBytes = tree_of_bytes


def import_source(
    source: Source,
    options: Options,
    calibration: Iterable[npt.NDArray[Any]] | None = None,
    notice: Notice = lambda message: None,
) -> Model:
    """Return the model of a source.

    `calibration`: inputs in the source's shape and type, needed where the source has no scales.
    `notice` is told what is being done.
    """
    notice(f"reading {len(source.nodes)} nodes")
    graph = convert(source)
    seen = {}
    names = unscaled_names(graph)
    if names and calibration is not None:
        notice(f"calibrating {len(names)} tensors")
        seen = ranges(source, calibration, names)
    elif names and not graph.params:
        raise InvalidCalibration(
            "the model has no scales of its own, so it needs calibration inputs: "
            "give a folder of pictures or an .npz with --calibration"
        )
    scaled = choose_scales(graph, seen)
    emission = emit(
        scaled,
        keep_weights=options.keep_weights,
        hash_bytes=options.hash_bytes,
        progress=lambda done, total: notice(f"quantising layer {done + 1} of {total}"),
    )
    facts = {
        "weight_channels": emission.channels,
        "kept_channels": emission.kept_channels,
        "scale_inflation": round(emission.inflation, 4),
    }
    manifest = Manifest(
        options.name,
        emission.program.root.hex(),
        options.source_file,
        source.digest,
        "quantised" if graph.params else "float",
        _input_coding(source, scaled),
        _output_coding(graph, scaled),
        _pixels(source, graph, scaled, options.pixels),
        options.labels,
        graph.notes,
        emission.layers,
        facts,
    )
    return Model(emission.program, manifest)


def renamed(model: Model, name: str) -> Model:
    """Return the model under another name."""
    return replace(model, manifest=replace(model.manifest, name=name))


def _input_coding(source: Source, scaled: ScaledGraph) -> Coding:
    params = scaled.params[scaled.graph.input]
    dtype = np.dtype(source.input_dtype).name
    layout = scaled.graph.input_layout
    return Coding(params.scale, params.zero, source.input_shape, dtype, layout)


def _output_coding(graph: FloatGraph, scaled: ScaledGraph) -> Coding:
    params = scaled.params[graph.output]
    shape = graph.output_shape
    source_shape = shape
    if graph.output_layout == "nhwc":
        source_shape = tuple(shape[i] for i in (0, 3, 1, 2))
    return Coding(params.scale, params.zero, source_shape, "float32", graph.output_layout)


def _pixels(
    source: Source, graph: FloatGraph, scaled: ScaledGraph, given: Pixels | None
) -> Pixels | None:
    """Return how pictures become inputs; None where the input is no picture."""
    height, width, channels = graph.tensors[graph.input].shape
    if height == 1 or width == 1 or channels not in (1, 3):
        return given
    if source.input_dtype != np.float32:
        # The source takes bytes; its scale says what they mean.
        return Pixels(plain=True)
    return given or Pixels(plain=False, deviation=(255.0,))
