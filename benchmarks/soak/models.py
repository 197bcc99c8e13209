"""Three small models: the shipped one, another of its shape, and a perceptron."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from infernet.models import digits
from infernet.models.pipeline import Model, Options, import_source
from infernet.models.source import read_model
from infernet.models.store import load_model, save_model

NAMES = ("digits", "noise", "perceptron")
_HIDDEN = 20


def make_models(folder: Path, seed: int) -> Mapping[str, Model]:
    """Write the models that are not shipped into a folder of models, and return all by name."""
    random = np.random.default_rng(seed)
    found = {"digits": load_model("digits")}
    shape = (1, 1, digits.SIDE, digits.SIDE)
    inputs = [random.random(shape, np.float32) for _ in range(8)]
    networks = {"noise": digits.to_onnx(digits.initial(seed)), "perceptron": _perceptron(random)}
    for name, network in networks.items():
        source = read_model(network, sha256(network.SerializeToString()).hexdigest())
        found[name] = import_source(source, Options(name), inputs)
        save_model(found[name], folder=folder)
    return found


def _perceptron(random: np.random.Generator) -> Any:
    """Return an ONNX model with layers of 256, 20 and 10."""
    pixels = digits.SIDE**2
    weights = {
        "first": random.normal(0, pixels**-0.5, (pixels, _HIDDEN)),
        "second": random.normal(0, _HIDDEN**-0.5, (_HIDDEN, digits.CLASSES)),
    }
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "first"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "second"], ["logits"]),
    ]
    shape = [1, 1, digits.SIDE, digits.SIDE]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, digits.CLASSES])
    held = [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()]
    graph = helper.make_graph(nodes, "perceptron", [image], [logits], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
