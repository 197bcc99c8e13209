"""Pictures and arrays to inputs: of the program (bytes) and of its source."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from .arrays import UnreadableArrays, load_arrays
from .errors import InvalidInput
from .manifest import Coding, Manifest, Pixels, input_bytes
from .pipeline import Model

Array = npt.NDArray[Any]
Shape = tuple[int, int, int]

# Of the readers that there are, one starts a program (EPS).
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
# From here on the library warns; decoded, they take 300 MB and more.
_MOST_PIXELS = 89_478_485
PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def read_input(model: Model, path: Path) -> npt.NDArray[np.uint8]:
    """Return the program's input bytes for a picture, or for an .npy in the source's terms."""
    if path.suffix.lower() == ".npy":
        return input_bytes(model.manifest, read_array(path, model.manifest.input))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}; give a readable picture") from None
    return picture_bytes(model, data, str(path))


def picture_bytes(model: Model, data: bytes, what: str = "input") -> npt.NDArray[np.uint8]:
    """Return the program's input bytes for an encoded picture."""
    manifest = model.manifest
    pixels = _require_pixels(manifest)
    _, height, width, channels = model.program.header.input_shape
    image = decode_picture(data, (height, width, channels), what)
    if pixels.plain:
        return np.ascontiguousarray(image).ravel()
    reals = normalise(image, pixels)
    coded = np.rint(reals / manifest.input.scale) + manifest.input.zero
    coded = np.clip(coded, 0, 255)
    return np.asarray(coded, np.uint8).ravel()


def source_input(coding: Coding, shape: Shape, pixels: Pixels, data: bytes, what: str) -> Array:
    """Return the source's own input for an encoded picture. `shape`: (height, width, channels)."""
    image = decode_picture(data, shape, what)
    if coding.source_dtype == "int8":
        array: Array = (image.astype(np.int16) - 128).astype(np.int8)
    else:
        is_real = coding.source_dtype == "float32"
        array = normalise(image, pixels).astype(np.float32) if is_real else image
    if coding.layout == "nchw":
        array = array.transpose(2, 0, 1)
    return np.ascontiguousarray(array).reshape(coding.source_shape)


def decode_picture(data: bytes, shape: Shape, what: str) -> npt.NDArray[np.uint8]:
    """Return a picture as `u8[height, width, channels]`, resized; refuse what is no picture."""
    height, width, channels = shape
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise ValueError(f"it has {picture.width}x{picture.height} pixels")
            mode = "L" if channels == 1 else "RGB"
            resized = picture.convert(mode).resize((width, height), Image.Resampling.BILINEAR)
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        reason = "it cannot be decoded" if isinstance(error, UnidentifiedImageError) else error
        raise InvalidInput(
            f"{what} is not a picture ({reason}); give a PNG, JPEG or BMP file, or an .npy array"
        ) from None
    return np.asarray(resized, np.uint8).reshape(height, width, channels)


def normalise(image: npt.NDArray[np.uint8], pixels: Pixels) -> npt.NDArray[np.float64]:
    """Return pixels as the source's real numbers, `[height, width, channels]`."""
    values = image.astype(np.float64)
    if pixels.invert:
        values = 255 - values
    return np.asarray((values - np.array(pixels.mean)) / np.array(pixels.deviation))


def read_array(path: Path, coding: Coding) -> Array:
    """Return the source's input in an .npy file, of exactly its shape and type."""
    try:
        arrays = load_arrays(path)
    except UnreadableArrays as error:
        raise InvalidInput(f"{path} is not a readable .npy array ({error})") from None
    if len(arrays) != 1:
        raise InvalidInput(f"{path} holds {len(arrays)} arrays; give one")
    (array,) = arrays.values()
    return check_array(array, coding.source_shape, coding.source_dtype, str(path))


def check_array(array: Array, shape: tuple[int, ...], dtype: str, what: str) -> Array:
    """Return an array with its batch dimension, or raise InvalidInput if it does not fit."""
    if array.shape == shape[1:]:
        array = array.reshape(shape)
    if array.shape != shape:
        raise InvalidInput(f"{what} has shape {array.shape}; the model takes {shape}")
    if array.dtype != np.dtype(dtype) and not (dtype == "float32" and array.dtype.kind == "f"):
        raise InvalidInput(f"{what} has type {array.dtype}; the model takes {dtype}")
    # What the model's type cannot hold becomes infinite.
    with np.errstate(over="ignore"):
        taken = array.astype(dtype)
    if taken.dtype.kind == "f" and not np.isfinite(taken).all():
        raise InvalidInput(f"{what} holds a number that is not finite, or too large")
    return taken


def _require_pixels(manifest: Manifest) -> Pixels:
    if manifest.pixels is None:
        raise InvalidInput(
            f"model '{manifest.name}' does not take pictures; give an .npy array of shape "
            f"{manifest.input.source_shape} and type {manifest.input.source_dtype}"
        )
    return manifest.pixels
