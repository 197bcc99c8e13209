"""The networks that the benchmarks run: true topologies with seeded weights."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from infernet.backend.hashing import hash_bytes
from infernet.models.build import synthetic_images, topology
from infernet.models.manifest import input_bytes
from infernet.models.pipeline import Model, Options, import_source
from infernet.models.source import read_model

NETWORKS = ("mobilenetv2", "resnet50")
SEED = 1
CALIBRATION_IMAGES = 4


@dataclass(frozen=True, slots=True)
class Network:
    """A float model, its program, and one input in both forms."""

    name: str
    source: Any
    model: Model
    reals: np.ndarray
    data: np.ndarray


@cache
def network(name: str) -> Network:
    """Return a network, built once a process (seconds)."""
    source = topology(name, SEED)
    images = synthetic_images(CALIBRATION_IMAGES, SEED)
    options = Options(name, hash_bytes=hash_bytes)
    model = import_source(read_model(source, f"{name} {SEED}"), options, images)
    return Network(name, source, model, images[0], input_bytes(model.manifest, images[0]))


def default_session(net: Network, threads: int) -> ort.InferenceSession:
    """Return ONNX Runtime's own static INT8 of a network, with its default settings.

    QOperator, u8 activations, s8 weights, a scale for each channel: what `quantize_static` gives.
    """

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            self.images: Iterator[np.ndarray] = iter(synthetic_images(CALIBRATION_IMAGES, SEED))

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.images, None)
            return None if image is None else {net.source.graph.input[0].name: image}

    with tempfile.TemporaryDirectory() as folder:
        plain, quantised = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(net.source, plain)
        quantize_static(
            plain,
            quantised,
            Images(),
            quant_format=QuantFormat.QOperator,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        return ort.InferenceSession(quantised, options, providers=["CPUExecutionProvider"])


def interleaved(rounds: int, **actions: Callable[[], object]) -> dict[str, float]:
    """Return the median milliseconds of each action, all run in turn `rounds` times."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(rounds):
        for name, action in actions.items():
            begin = perf_counter()
            action()
            taken[name].append(1000 * (perf_counter() - begin))
    return {name: float(np.median(times)) for name, times in taken.items()}
