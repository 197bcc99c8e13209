"""What clients send as input: taken by the model's coding, or refused before it costs anything."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from api.errors import InvalidTask
from api.service.inputs import program_input
from api.service.terms import ArrayInput, Input, PictureInput, RawInput, TensorInput
from infernet.models.images import picture_bytes
from infernet.models.pipeline import Model
from infernet.models.store import load_model

_PIXELS = 1_000_000


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("digits")


def picture(size: tuple[int, int], kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (10, 200, 30)).save(file, kind)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def huge_png(width: int = 30_000, height: int = 30_000) -> bytes:
    """Return a small file whose header promises so many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(10_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def many_scans(count: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again."""
    file = io.BytesIO()
    Image.new("L", (900, 900), 7).save(file, "JPEG", progressive=True)
    data, end = file.getvalue(), -2
    return data[:end] + data[data.rindex(b"\xff\xda") : end] * count + data[end:]


def npy_header(shape: str, kind: str = "'<f4'") -> bytes:
    """Return an .npy file that has a header and nothing behind it."""
    return npy_begin(f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117))


def npy_begin(header: str) -> bytes:
    """Return an .npy file with any header."""
    text = header + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def bad_palette() -> bytes:
    """Return a BMP that says it has as many colours as fit no palette."""
    file = io.BytesIO()
    Image.new("L", (16, 16)).save(file, "BMP")
    data = bytearray(file.getvalue())
    data[47] = 2
    return bytes(data)


# Its reader would start Ghostscript.
_EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n%%EOF\n"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_a_picture_becomes_what_the_model_declares(model: Model, kind: str) -> None:
    data = picture((40, 30), kind)
    assert program_input(model, PictureInput(data), _PIXELS) == picture_bytes(model, data).tobytes()


def test_the_same_numbers_give_the_same_bytes_in_every_form(model: Model) -> None:
    numbers = np.linspace(0, 1, 256, dtype=np.float32).reshape(1, 1, 16, 16)
    forms: list[Input] = [
        ArrayInput(npy(numbers)),
        ArrayInput(npy(numbers[0])),
        ArrayInput(npy(numbers.astype(np.float64))),
        TensorInput(numbers.tolist()),
        TensorInput(numbers[0].tolist()),
    ]
    found = {program_input(model, form, _PIXELS) for form in forms}
    assert len(found) == 1
    (data,) = found
    assert program_input(model, RawInput(data), _PIXELS) == data


BAD: dict[str, Input] = {
    "no picture": PictureInput(b"GIF89a nothing"),
    "empty picture": PictureInput(b""),
    "cut picture": PictureInput(picture((40, 30), "JPEG")[:200]),
    "picture of many pixels": PictureInput(huge_png()),
    "no array": ArrayInput(b"hello"),
    "empty array": ArrayInput(b""),
    "huge array": ArrayInput(npy_header("(1000000, 1000000)")),
    "negative array": ArrayInput(npy_header("(-1, 16)")),
    "array without its data": ArrayInput(npy_header("(1, 1, 16, 16)")),
    "pickled array": ArrayInput(npy(np.array([print], dtype=object))),
    "array of another shape": ArrayInput(npy(np.zeros((2, 2), np.float32))),
    "array of another type": ArrayInput(npy(np.zeros((1, 1, 16, 16), np.int64))),
    "array that is not finite": ArrayInput(npy(np.full((1, 1, 16, 16), np.nan, np.float32))),
    "zip": ArrayInput(b"PK\x03\x04" + bytes(100)),
    "array of no numbers and a vast side": ArrayInput(npy_header(f"(0, {10**30})")),
    "array of vast numbers": ArrayInput(npy_header("(1, 256)", "'|V2147483647'")),
    "array of vast texts": ArrayInput(npy_header("(1, 256)", "'<U500000000'")),
    "array of times": ArrayInput(npy_header("(1, 256)", "'<M8[ns]'")),
    "array of no type": ArrayInput(npy_header("(1, 256)", "()")),
    "array of truths as sides": ArrayInput(npy_header("(True, True)")),
    "array of many sides": ArrayInput(npy_header(f"({'1, ' * 100})")),
    "header that does not end": ArrayInput(npy_begin("(((")),
    "header of a text that does not end": ArrayInput(npy_begin("'''abc")),
    "header that is deep": ArrayInput(npy_begin("-" * 900 + "1")),
    "header that is a long sum": ArrayInput(npy_begin("1" + "+1" * 450)),
    "header that is long": ArrayInput(npy_begin(" " * 9_000 + "1")),
    "header without hash": ArrayInput(npy_begin("{[]: 1}")),
    "header of a list": ArrayInput(npy_begin("[1]")),
    "program of a printer": PictureInput(_EPS),
    "picture of another kind": PictureInput(picture((40, 30), "TIFF")),
    "picture of one line": PictureInput(huge_png(20_000, 1)),
    "picture in a thousand scans": PictureInput(many_scans(1_000)),
    "picture of a bad palette": PictureInput(bad_palette()),
    "too few bytes": RawInput(bytes(255)),
    "too many bytes": RawInput(bytes(257)),
    "no numbers": TensorInput([["a"] * 16] * 16),
    "a long text beside numbers": TensorInput(
        [[["a" * (1 << 22)] + [1.0] * 15] + [[1.0] * 16] * 15]
    ),
    "nothing": TensorInput([]),
    "ragged lists": TensorInput([[1.0] * 16] * 15 + [[1.0]]),
    "lists beside numbers": TensorInput([1.0, [2.0]]),
    "deep lists": TensorInput([[[[[[[[[[[[1.0]]]]]]]]]]]]),
    "truths": TensorInput([[[True] * 16] * 16]),
    "numbers beyond all": TensorInput([[[10**400] * 16] * 16]),
    "infinite numbers": TensorInput([[[float("inf")] * 16] * 16]),
    "too many numbers": TensorInput([[0.0] * 100_000] * 10),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_input_is_refused_at_once(model: Model, name: str) -> None:
    began = time.monotonic()
    with pytest.raises(InvalidTask) as caught:
        program_input(model, BAD[name], _PIXELS)
    assert caught.value.field == "input"
    assert len(str(caught.value)) < 400
    assert time.monotonic() - began < 5
