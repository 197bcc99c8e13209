"""Safetensors files: named arrays, mapped into memory and converted when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidSource
from .arithmetic import Array
from .matrices import Matrix, Rows

_MAX_HEADER_BYTES = 100_000_000
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
        index = folder / "model.safetensors.index.json"
        names = {"model.safetensors"}
        if index.exists():
            names = set(read_json(index).get("weight_map", {}).values())
        self._entries: dict[str, tuple[Array, str, tuple[int, ...]]] = {}
        for name in sorted(names):
            self._open(folder / name)

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
        data, kind, shape = self._entries[name]
        return np.asarray(data.view(_DTYPES[kind]).reshape(shape)), kind

    def shape_of(self, name: str) -> tuple[int, ...]:
        """Return an array's shape without its bytes."""
        return self._entries[name][2]

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
            body = data[8 + length :]
            for name, entry in header.items():
                if name != "__metadata__":
                    self._entries[name] = _entry(body, entry)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidSource(f"{path} is no readable safetensors file: {error}") from None


def _widened(halves: Array) -> Array:
    """Return binary32 numbers whose upper halves are given."""
    return np.asarray(np.left_shift(halves.astype("<u4"), 16).view("<f4"))


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object, or raise InvalidSource."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidSource(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise InvalidSource(f"{path} is not a JSON object")
    return found


def _entry(body: Array, entry: Mapping[str, Any]) -> tuple[Array, str, tuple[int, ...]]:
    kind, shape = entry["dtype"], tuple(int(size) for size in entry["shape"])
    if kind not in _DTYPES:
        raise ValueError(f"dtype {kind} is not supported")
    first, last = entry["data_offsets"]
    expected = int(np.prod(shape, dtype=np.int64)) * np.dtype(_DTYPES[kind]).itemsize
    if not 0 <= first <= last <= len(body) or last - first != expected:
        raise ValueError(f"offsets {first} to {last} do not hold {shape} of {kind}")
    return body[first:last], kind, shape
