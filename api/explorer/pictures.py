"""Inputs as pictures again: the declared preprocessing, backwards."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from infernet.models.pipeline import Model


def picture_of(model: Model, data: bytes) -> bytes:
    """Return a program's input bytes as a PNG; the model takes pictures of 1 or 3 channels."""
    manifest, pixels = model.manifest, model.manifest.pixels
    assert pixels is not None
    _, height, width, channels = model.program.header.input_shape
    coded = np.frombuffer(data, np.uint8).reshape(height, width, channels)
    if pixels.plain:
        image = coded
    else:
        reals = (coded.astype(np.float64) - manifest.input.zero) * manifest.input.scale
        values = reals * np.array(pixels.deviation) + np.array(pixels.mean)
        if pixels.invert:
            values = 255 - values
        image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    shown = image[:, :, 0] if channels == 1 else image
    target = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown)).save(target, "PNG")
    return target.getvalue()
