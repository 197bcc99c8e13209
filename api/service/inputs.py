"""From what a client sends to the program's input bytes, by the model's declared preprocessing.

What a client sends is refused by its declared size before anything is decoded.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from infernet.models.errors import InvalidInput
from infernet.models.images import check_array, picture_bytes
from infernet.models.manifest import input_bytes
from infernet.models.pipeline import Model

from ..errors import InvalidTask
from .terms import ArrayInput, Input, PictureInput, RawInput, TensorInput

_KINDS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
# Deeper lists are no tensor that a program takes.
_MOST_DIMENSIONS = 8


def program_input(model: Model, given: Input, most_pixels: int) -> bytes:
    """Return the bytes that a program runs on, or raise InvalidTask.

    `most_pixels`: of a picture before it is resized.
    """
    try:
        data = _program_input(model, given, most_pixels)
    except InvalidInput as error:
        raise InvalidTask("input", str(error)) from None
    needed = model.program.header.input_type.byte_count
    if len(data) != needed:
        raise InvalidTask(
            "input", f"it has {len(data)} bytes; '{model.manifest.name}' takes exactly {needed}"
        )
    return data


def _program_input(model: Model, given: Input, most_pixels: int) -> bytes:
    coding = model.manifest.input
    if isinstance(given, RawInput):
        return given.data
    if isinstance(given, PictureInput):
        _check_pixels(given.data, most_pixels)
        return picture_bytes(model, given.data).tobytes()
    if isinstance(given, TensorInput):
        array = _tensor(given.values, coding.source_shape, coding.source_dtype)
    else:
        array = _array(given, coding.source_shape)
    checked = check_array(array, coding.source_shape, coding.source_dtype, "the tensor")
    return input_bytes(model.manifest, checked).tobytes()


def _tensor(values: list[Any], shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    """Return nested lists as an array. What is no number of the type is refused, never cut."""
    try:
        array = np.array(_counted(values, math.prod(shape)))
    except (ValueError, OverflowError, TypeError) as error:
        raise InvalidTask("input", f"the lists are no tensor: {error}") from None
    if array.dtype.kind not in "iuf":
        raise InvalidTask("input", "the lists hold something that is no number")
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return array.astype(np.float64)
    limits = np.iinfo(dtype)
    is_fit = array.dtype.kind in "iu" and array.size > 0
    if not is_fit or array.min() < limits.min or array.max() > limits.max:
        raise InvalidTask("input", f"numbers have to be integers from {limits.min} to {limits.max}")
    return array.astype(kind)


def _counted(values: list[Any], most: int) -> list[Any]:
    """Return the lists if they hold no more numbers than `most`, in few dimensions."""
    level: list[Any] = [values]
    for _ in range(_MOST_DIMENSIONS + 1):
        if not any(isinstance(each, list) for each in level):
            return values
        if not all(isinstance(each, list) for each in level):
            raise ValueError("lists and numbers stand side by side")
        if sum(len(each) for each in level) > most:
            raise ValueError(f"they hold more than the {most} numbers that the model takes")
        level = [item for each in level for item in each]
    raise ValueError(f"they are nested more than {_MOST_DIMENSIONS} deep")


def _array(given: ArrayInput, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return the array in an .npy file whose header promises no more than the model takes."""
    file = io.BytesIO(given.data)
    try:
        read_header = _KINDS[np.lib.format.read_magic(file)]
        found, _, kind = read_header(file)
        if kind.hasobject or math.prod(found) > math.prod(shape):
            raise InvalidTask(
                "input", f"the array has shape {found} and type {kind}; the model takes {shape}"
            )
        file.seek(0)
        return np.asarray(np.load(file, allow_pickle=False))
    except (ValueError, KeyError, EOFError, OSError, TypeError, SyntaxError) as error:
        raise InvalidTask("input", f"this is no readable .npy array ({error})") from None


def _check_pixels(data: bytes, most_pixels: int) -> None:
    """Refuse a picture by what its header says, before its pixels are decoded."""
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
    except Image.DecompressionBombError:
        raise InvalidTask("input", f"the picture has more than {most_pixels} pixels") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise InvalidTask(
            "input", "this is no picture that can be decoded; give a PNG, JPEG, WebP or BMP file"
        ) from None
    if width * height > most_pixels:
        raise InvalidTask(
            "input", f"the picture has {width}x{height} pixels; {most_pixels} are allowed"
        )
