"""Readers of BERT-class encoders: a `.npz` of embedded words, a folder of safetensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..arrays import UnreadableArrays, load_arrays
from ..errors import InvalidSource
from .arithmetic import Array, Reals
from .configs import read_json, real, whole
from .reals import (
    RealClassifier,
    RealEmbedding,
    RealEncoder,
    RealLayer,
    RealLinear,
    RealNorm,
    fitting,
)
from .safetensors import Safetensors

_EPSILON = 1e-12
# Every BERT has heads of 64 channels.
_HEAD_DEPTH = 64


def read_npz(path: Path) -> RealEncoder:
    """Return a classifier of embedded words from arrays `layer0_query.w`, … of a `.npz` file.

    Matrices are `[length, cols]`. Raises InvalidSource.
    """
    try:
        found = load_arrays(path)
        arrays = {name: np.asarray(array, np.float64) for name, array in found.items()}
    except (UnreadableArrays, TypeError, ValueError) as error:
        raise InvalidSource(f"{path} is not a .npz file of arrays: {error}") from None
    count = len({m[1] for name in arrays if (m := re.match(r"layer(\d+)_", name))})
    if not count:
        raise InvalidSource(f"{path} has no array 'layer0_query.w'")
    layers = tuple(_npz_layer(arrays, f"layer{index}") for index in range(count))
    width = len(layers[0].query.bias)
    classifier = RealClassifier(_npz_linear(arrays, "pool"), _npz_linear(arrays, "cls"))
    return fitting(RealEncoder(width // _HEAD_DEPTH, "gelu", None, layers, classifier))


def _npz_layer(arrays: Mapping[str, Reals], name: str) -> RealLayer:
    query, key, value, heads_out, up, down = (
        _npz_linear(arrays, f"{name}_{part}") for part in ("query", "key", "value", "so", "i", "o")
    )
    norms = [
        RealNorm(array(arrays, f"{part}.g"), array(arrays, f"{part}.nb"), _EPSILON)
        for part in (f"{name}_so", f"{name}_o")
    ]
    return RealLayer(query, key, value, heads_out, norms[0], up, down, norms[1])


def _npz_linear(arrays: Mapping[str, Reals], name: str) -> RealLinear:
    return RealLinear(array(arrays, f"{name}.w").T, array(arrays, f"{name}.b"))


def read_folder(folder: Path) -> RealEncoder:
    """Return the encoder of `config.json` and `model.safetensors`, or raise InvalidSource.

    With a classification head its logits are the output, else the mean of all positions.
    """
    config = read_json(folder / "config.json")
    if config.get("model_type") != "bert" or config.get("position_embedding_type") not in (
        None,
        "absolute",
    ):
        raise InvalidSource(f"{folder} holds a '{config.get('model_type')}', not a plain BERT")
    arrays = Safetensors(folder)
    root = "bert." if any(name.startswith("bert.") for name in arrays) else ""
    epsilon = real(config, "layer_norm_eps", _EPSILON)
    layers = tuple(
        _layer(arrays, f"{root}encoder.layer.{index}.", epsilon)
        for index in range(whole(config, "num_hidden_layers"))
    )
    classifier = None
    if "classifier.weight" in arrays:
        pooler = _linear(arrays, f"{root}pooler.dense")
        classifier = RealClassifier(pooler, _linear(arrays, "classifier"))
    name = f"{root}embeddings."
    types = array(arrays, f"{name}token_type_embeddings.weight")
    embedding = RealEmbedding(
        array(arrays, f"{name}word_embeddings.weight"),
        array(arrays, f"{name}position_embeddings.weight") + types[0],
        _norm(arrays, f"{name}LayerNorm", epsilon),
    )
    heads, active = whole(config, "num_attention_heads"), str(config.get("hidden_act", "gelu"))
    return fitting(RealEncoder(heads, active, embedding, layers, classifier))


def _layer(arrays: Mapping[str, Array], name: str, epsilon: float) -> RealLayer:
    query, key, value = (
        _linear(arrays, f"{name}attention.self.{part}") for part in ("query", "key", "value")
    )
    return RealLayer(
        query,
        key,
        value,
        _linear(arrays, f"{name}attention.output.dense"),
        _norm(arrays, f"{name}attention.output.LayerNorm", epsilon),
        _linear(arrays, f"{name}intermediate.dense"),
        _linear(arrays, f"{name}output.dense"),
        _norm(arrays, f"{name}output.LayerNorm", epsilon),
    )


def _linear(arrays: Mapping[str, Array], name: str) -> RealLinear:
    return RealLinear(array(arrays, f"{name}.weight"), array(arrays, f"{name}.bias"))


def _norm(arrays: Mapping[str, Array], name: str, epsilon: float) -> RealNorm:
    return RealNorm(array(arrays, f"{name}.weight"), array(arrays, f"{name}.bias"), epsilon)


def array(arrays: Mapping[str, Array], name: str) -> Reals:
    """Return an array as float64, or raise InvalidSource if it is missing or not finite."""
    if name not in arrays:
        raise InvalidSource(f"the file has no array '{name}'")
    found = np.asarray(arrays[name], np.float64)
    if not np.isfinite(found).all():
        raise InvalidSource(f"array '{name}' is not finite")
    return found
