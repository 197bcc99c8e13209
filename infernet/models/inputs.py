"""Sets of source inputs, for calibration and comparison: a folder or an .npz."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt

from .arrays import UnreadableArrays, load_arrays
from .errors import InvalidCalibration, InvalidInput
from .images import PICTURES, check_array, source_input
from .manifest import Coding, Pixels

Array = npt.NDArray[Any]


def read_inputs(
    path: Path, coding: Coding, pixels: Pixels | None, limit: int | None = None
) -> Iterator[tuple[str, Array]]:
    """Yield `(name, source input)` for every picture or array in a folder, file or .npz.

    Of `coding` only the source's shape, type and layout are read.
    """
    if not path.exists():
        raise InvalidCalibration(f"{path}: there is no such file or folder; check the path")
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    count = 0
    for file in files:
        for name, array in _read(file, coding, pixels):
            if limit is not None and count >= limit:
                return
            count += 1
            yield name, array
    if not count:
        raise InvalidCalibration(f"{path} holds no picture, .npy or .npz")


def _read(path: Path, coding: Coding, pixels: Pixels | None) -> Iterator[tuple[str, Array]]:
    suffix = path.suffix.lower()
    if suffix in (".npy", ".npz"):
        for name, array in read_arrays(path):
            is_batch = array.ndim == len(coding.source_shape) and len(array) != 1
            for i, one in enumerate(array if is_batch else [array]):
                label = f"{path.name}:{name}[{i}]"
                yield label, check_array(one, coding.source_shape, coding.source_dtype, label)
    elif suffix in PICTURES:
        if pixels is None:
            raise InvalidInput(f"{path.name}: this model does not take pictures; give arrays")
        yield path.name, source_input(coding, _image(coding), pixels, _bytes(path), str(path))


def read_arrays(path: Path) -> list[tuple[str, Array]]:
    """Return the arrays of an .npy or .npz with their names, or raise InvalidCalibration."""
    try:
        return list(load_arrays(path).items())
    except UnreadableArrays as error:
        raise InvalidCalibration(f"{path} is not a readable array file ({error})") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}") from None


def _image(coding: Coding) -> tuple[int, int, int]:
    shape = coding.source_shape
    if len(shape) != 4:
        raise InvalidInput(f"an input of shape {shape} is not a picture; give arrays")
    order = (2, 3, 1) if coding.layout == "nchw" else (1, 2, 3)
    return shape[order[0]], shape[order[1]], shape[order[2]]
