"""Safetensors files: named arrays, mapped into memory and converted when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidSource
from .arithmetic import Array
from .configs import read_json
from .matrices import Matrix, Rows

_MAX_HEADER_BYTES = 100_000_000
_INDEX = "model.safetensors.index.json"
_WEIGHTS = ("F64", "F32", "F16", "BF16")
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
}


class Safetensors(Mapping[str, Array]):
    """The arrays of one file, or of all the shards beside an index; BF16 comes as f32."""

    def __init__(self, folder: Path) -> None:
        self._entries: dict[str, tuple[Array, str]] = {}
        for name in sorted(_files(folder)):
            self._open(folder / name)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __getitem__(self, name: str) -> Array:
        values, kind = self._values(name)
        return _widened(values) if kind == "BF16" else values

    def rows(self, name: str) -> Matrix:
        """Return a matrix of which rows are converted when they are asked for."""
        values, kind = self._values(name)
        if kind != "BF16" or values.ndim != 2:
            return self[name]
        return Rows((values.shape[0], values.shape[1]), lambda places: _widened(values[places]))

    def _values(self, name: str) -> tuple[Array, str]:
        values, kind = self._entries[name]
        if kind not in _WEIGHTS:
            raise InvalidSource(
                f"'{name}' is of {kind}, and weights are floats; import the folder that was there "
                "before it was quantised"
            )
        return values, kind

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return an array's shape without its bytes."""
        return self._entries[name][0].shape

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def _open(self, path: Path) -> None:
        try:
            data = np.memmap(path, np.uint8, mode="r")
            length = int.from_bytes(data[:8].tobytes(), "little")
            if len(data) < 8 or length > min(_MAX_HEADER_BYTES, len(data) - 8):
                raise InvalidSource(f"{path} is cut short, or no safetensors file")
            header = json.loads(data[8 : 8 + length].tobytes())
            header.pop("__metadata__", None)
            body = data[8 + length :].view(np.ndarray)
            self._entries |= {name: _entry(body, entry) for name, entry in header.items()}
            _require_tiles([entry["data_offsets"] for entry in header.values()], len(body))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidSource(
                f"{path} is no readable safetensors file: {error}; download it again"
            ) from None


def _files(folder: Path) -> set[str]:
    """Return the names of the files that hold arrays."""
    path = folder / _INDEX
    if not path.exists():
        return {"model.safetensors"}
    names = read_json(path).get("weight_map")
    held = list(names.values()) if isinstance(names, dict) else []
    if not held or not all(isinstance(name, str) and Path(name).name == name for name in held):
        raise InvalidSource(f"{path}: weight_map does not name files beside it; download it again")
    return set(held)


def _widened(halves: Array) -> Array:
    """Return binary32 numbers whose upper halves are given."""
    return np.asarray(np.left_shift(halves.astype("<u4"), 16).view("<f4"))


def _entry(body: Array, entry: Mapping[str, Any]) -> tuple[Array, str]:
    kind, shape = entry["dtype"], tuple(entry["shape"])
    if kind not in _DTYPES:
        raise ValueError(f"dtype {kind} is not supported")
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError(f"shape {shape} is not one of sizes")
    first, last = entry["data_offsets"]
    expected = prod(shape) * np.dtype(_DTYPES[kind]).itemsize
    if not 0 <= first <= last <= len(body) or last - first != expected:
        raise ValueError(f"offsets {first} to {last} do not hold {shape} of {kind}")
    return body[first:last].view(_DTYPES[kind]).reshape(shape), kind


def _require_tiles(offsets: list[tuple[int, int]], size: int) -> None:
    """Refuse arrays that overlap or leave bytes out: the format has neither."""
    end = 0
    for first, last in sorted(offsets):
        if first != end:
            raise ValueError(f"an array begins at {first}, where the one before ends at {end}")
        end = last
    if end != size:
        raise ValueError(f"the arrays end at {end} of {size} bytes")
