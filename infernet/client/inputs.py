"""Say an input in the words of the gateway: a tensor, an .npy file, a picture, bytes or text."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True, slots=True)
class Text:
    """A text for a model of text, or the messages of a chat: `{"role": …, "content": …}` each.

    The rest is for models that generate; temperature 0 takes the likeliest token. `max_tokens`:
    None for as many as fit; `seed`: None for one that the gateway draws.
    """

    prompt: str | Sequence[Mapping[str, str]]
    max_tokens: int | None = None
    temperature: float = 0.0
    seed: int | None = None


# A file, the bytes of one, an array, nested lists of numbers, or text.
Input: TypeAlias = "Path | bytes | Raw | Text | Sequence[Any] | Array"


def form_of(given: Any) -> dict[str, object]:
    """Return an input as a request has it, or raise BadArgument.

    Bytes and files are told apart by how they begin: PNG, JPEG, WebP, BMP or .npy.
    """
    if isinstance(given, Text):
        return _text(given)
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
        raise BadArgument("the input is a text; give a file as pathlib.Path, a prompt as Text")
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


def _text(given: Text) -> dict[str, object]:
    said = asdict(given)
    name = "text" if isinstance(given.prompt, str) else "messages"
    said = {name: said.pop("prompt"), **said}
    return {key: value for key, value in said.items() if value is not None}


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
