"""From what a client sends to the program's input bytes, by the model's declared preprocessing.

What a client sends is refused by its declared size before anything is decoded.
"""

from __future__ import annotations

import ast
import io
import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from infernet.models.errors import InvalidInput
from infernet.models.images import check_array, picture_bytes
from infernet.models.manifest import input_bytes
from infernet.models.pipeline import Model

from ..errors import InvalidTask
from .terms import ArrayInput, Input, PictureInput, RawInput, TensorInput, TextInput

_NPY_BEGIN = re.compile(rb"\x93NUMPY(?:\x01\x00(..)|\x02\x00(....))", re.DOTALL)
_PLAIN_TYPE = re.compile(r"[<>|]?(?:b1|[iu][1248]|f[248])")
_MOST_HEADER_BYTES = 1_000
# Others have readers too: one starts a program (EPS), some decode far more than they announce.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
# A line of many pixels takes several times as long to resize as a square of as many.
_MOST_SIDE_PIXELS = 16_384
_OF_SCANS = ("JPEG", "MPO")
# Each scan of a progressive JPEG costs a pass over all of its pixels, and a few bytes.
_SCAN, _MOST_SCANS = b"\xff\xda", 32
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
    if isinstance(given, TextInput):
        raise InvalidTask("input", "who signs a task names the program's own bytes: send raw")
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
        kinds = set(map(type, level))
        if list not in kinds:
            if not kinds <= {int, float}:
                # NumPy would make each as large as the longest text.
                raise ValueError("they hold something that is no number")
            return values
        if kinds != {list}:
            raise ValueError("lists and numbers stand side by side")
        if sum(len(each) for each in level) > most:
            raise ValueError(f"they hold more than the {most} numbers that the model takes")
        level = [item for each in level for item in each]
    raise ValueError(f"they are nested more than {_MOST_DIMENSIONS} deep")


def _array(given: ArrayInput, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return the array in an .npy file that holds no more numbers than the model takes.

    NumPy's own reader makes room for whatever a header promises, and parses what is none.
    """
    try:
        header, body = _npy_parts(given.data)
        kind, is_fortran, found = (header[name] for name in ("descr", "fortran_order", "shape"))
    except (ValueError, TypeError, KeyError, SyntaxError, MemoryError, RecursionError):
        raise InvalidTask(
            "input", "this is no readable .npy array; give one of version 1"
        ) from None
    if not (isinstance(kind, str) and _PLAIN_TYPE.fullmatch(kind) and isinstance(is_fortran, bool)):
        raise InvalidTask("input", "the array holds something else than plain numbers")
    is_shape = isinstance(found, tuple) and all(type(n) is int and n > 0 for n in found)
    if not is_shape or len(found) > len(shape) or math.prod(found) > math.prod(shape):
        raise InvalidTask(
            "input", f"the array has shape {str(found)[:100]}; the model takes {shape}"
        )
    needed = math.prod(found) * np.dtype(kind).itemsize
    if len(body) != needed:
        raise InvalidTask("input", f"the array has {len(body)} bytes; its shape takes {needed}")
    return np.frombuffer(body, kind).reshape(found, order="F" if is_fortran else "C")


def _npy_parts(data: bytes) -> tuple[Any, bytes]:
    """Return the header of an .npy file, a literal of any type, and what follows.

    Raises ValueError, and whatever `ast.literal_eval` may for text that is none.
    """
    begin = _NPY_BEGIN.match(data)
    if begin is None:
        raise ValueError("no .npy file of version 1 or 2")
    size = int.from_bytes(begin[1] or begin[2], "little")
    header = data[begin.end() : begin.end() + size]
    if size > _MOST_HEADER_BYTES or len(header) < size:
        raise ValueError("too long a header, or one that is cut")
    return ast.literal_eval(header.decode("latin-1")), data[begin.end() + size :]


def _check_pixels(data: bytes, most_pixels: int) -> None:
    """Refuse a picture by what its header says, before its pixels are decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            width, height = picture.size
            has_scans = picture.format in _OF_SCANS
    except Image.DecompressionBombError:
        raise InvalidTask("input", f"the picture has more than {most_pixels} pixels") from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        raise InvalidTask(
            "input", "this is no picture that can be decoded; give a PNG, JPEG, WebP or BMP file"
        ) from None
    if width * height > most_pixels or max(width, height) > _MOST_SIDE_PIXELS:
        raise InvalidTask(
            "input",
            f"the picture has {width}x{height} pixels; {most_pixels} are allowed, and "
            f"{_MOST_SIDE_PIXELS} of a side",
        )
    if has_scans and data.count(_SCAN) > _MOST_SCANS:
        raise InvalidTask(
            "input", f"the picture comes in {data.count(_SCAN)} scans; {_MOST_SCANS} are allowed"
        )
