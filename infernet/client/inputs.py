"""Say an input in the words of the gateway: a tensor, an .npy file, a picture or plain bytes."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import BadArgument

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_NPY = b"\x93NUMPY"
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM")


@dataclass(frozen=True, slots=True)
class Raw:
    """The program's own input bytes, which nothing converts."""

    data: bytes


# A file, the bytes of one, an array, or nested lists of numbers.
Input: TypeAlias = "Path | bytes | Raw | Sequence[Any] | Array"


def form_of(given: Any) -> dict[str, object]:
    """Return an input as a request has it, or raise BadArgument.

    Bytes and files are told apart by how they begin: PNG, JPEG, WebP, BMP or .npy.
    """
    if isinstance(given, Raw):
        return {"raw": _base64(given.data)}
    if isinstance(given, Path):
        try:
            return _file(given.read_bytes(), str(given))
        except OSError as error:
            raise BadArgument(f"{given} cannot be read: {error.strerror}") from None
    if isinstance(given, bytes):
        return _file(given, "the input")
    if isinstance(given, str):
        raise BadArgument("the input is a text; give a file as pathlib.Path")
    if isinstance(given, Sequence):
        return {"tensor": list(given)}
    return {"npy": _base64(_npy(given))}


def _file(data: bytes, name: str) -> dict[str, object]:
    if data.startswith(_NPY):
        return {"npy": _base64(data)}
    if data.startswith(_PICTURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        return {"image": _base64(data)}
    raise BadArgument(
        f"{name} begins like none of PNG, JPEG, WebP, BMP and .npy; wrap a program's own bytes "
        "in Raw"
    )


def _npy(given: Any) -> bytes:
    # Whoever has an array has paid for the import.
    import numpy as np

    if not isinstance(given, np.ndarray):
        raise BadArgument(f"the input is a {type(given).__name__}; give an array, a Path or bytes")
    buffer = io.BytesIO()
    try:
        np.save(buffer, given, allow_pickle=False)
    except ValueError:
        raise BadArgument(f"an array of {given.dtype} holds no numbers") from None
    return buffer.getvalue()


def _base64(data: bytes) -> str:
    return b64encode(data).decode()
