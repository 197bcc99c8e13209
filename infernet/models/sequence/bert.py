"""Readers of BERT-class encoders: named arrays of a `.npz` file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..errors import InvalidSource
from .arithmetic import Array, Reals
from .reals import (
    RealClassifier,
    RealEncoder,
    RealLayer,
    RealLinear,
    RealNorm,
)

_EPSILON = 1e-12
# Every BERT has heads of 64 channels.
_HEAD_DEPTH = 64


def read_npz(path: Path) -> RealEncoder:
    """Return a classifier of embedded words from arrays `layer0_query.w`, … of a `.npz` file.

    Matrices are `[length, cols]`. Raises InvalidSource.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name], np.float64) for name in archive}
    except (OSError, ValueError, BadZipFile) as error:
        raise InvalidSource(f"{path} is not a .npz file of arrays: {error}") from None
    count = len({m[1] for name in arrays if (m := re.match(r"layer(\d+)_", name))})
    if not count:
        raise InvalidSource(f"{path} has no array 'layer0_query.w'")
    layers = tuple(_npz_layer(arrays, f"layer{index}") for index in range(count))
    width = len(layers[0].query.bias)
    classifier = RealClassifier(_npz_linear(arrays, "pool"), _npz_linear(arrays, "cls"))
    return RealEncoder(width // _HEAD_DEPTH, "gelu", None, layers, classifier)


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


def array(arrays: Mapping[str, Array], name: str) -> Reals:
    """Return an array as float64, or raise InvalidSource if it is missing or not finite."""
    if name not in arrays:
        raise InvalidSource(f"the file has no array '{name}'")
    found = np.asarray(arrays[name], np.float64)
    if not np.isfinite(found).all():
        raise InvalidSource(f"array '{name}' is not finite")
    return found
