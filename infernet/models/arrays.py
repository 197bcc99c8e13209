"""Array files of NumPy from anywhere: read, or refused with one error."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# What NumPy and the archive's reader raise for files that are none of theirs.
_TROUBLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    SyntaxError,
    TypeError,
    TokenError,
    OverflowError,
    MemoryError,
    RecursionError,
    NotImplementedError,
    RuntimeError,
    BadZipFile,
    struct.error,
    zlib.error,
)


class UnreadableArrays(Exception):
    """A file holds no arrays of plain numbers; the message says why."""


def load_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of an .npz by name, of an .npy as `array`, or raise UnreadableArrays."""
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {"array": found}
        with found:
            return {name: _array(found[name]) for name in found.files}
    except _TROUBLE as error:
        raise UnreadableArrays(f"{type(error).__name__}: {error}") from None


def _array(member: object) -> Array:
    """Return a member of an archive, which may hold other files too."""
    if not isinstance(member, np.ndarray):
        raise ValueError("a member is no array")
    return member
