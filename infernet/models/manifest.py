"""What a program does not say about itself: names, meaning of bytes, where it came from.

Nothing here is verified on chain; the program root alone is the model's identity.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from math import isfinite
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from .errors import CorruptModel

FORMAT = 1
# Integers of more than a byte that a program of sequences takes or gives as they are.
WIDE = {"int16": "<i2", "int32": "<i4"}


@dataclass(frozen=True, slots=True)
class Coding:
    """How bytes stand for the source's numbers: `scale · (byte − zero)`.

    `layout`: how the source orders its axes (nchw, nhwc or flat; of an output also how the
    program does). `source_dtype`: float32, uint8 or int8; integers of the source are these bytes,
    signed ones less 128. Models of sequences have int16 or int32: the program's own integers.
    """

    scale: float
    zero: int
    source_shape: tuple[int, ...]
    source_dtype: str
    layout: str


@dataclass(frozen=True, slots=True)
class Pixels:
    """How a pixel (0 to 255) becomes the source's real number: `(pixel − mean) / deviation`.

    One number per channel, or one for all. `plain`: the pixel is the byte.
    """

    plain: bool
    mean: tuple[float, ...] = (0.0,)
    deviation: tuple[float, ...] = (1.0,)
    invert: bool = False


Task = Literal["generate", "classify", "embed"]


@dataclass(frozen=True, slots=True)
class Text:
    """How text becomes the input of a program, and its output text, classes or a vector.

    `positions`: tokens of one request at most, made ones included. `vocabulary`: tokens there are.
    `end_tokens` end a run that makes one; `begin_tokens` come before every prompt.
    `chat_template`: of Jinja, "" where the model knows no chats. `output_step`: of an output's unit
    (0 where the output is tokens). The tokenizer lies beside the manifest.
    """

    task: Task
    positions: int
    vocabulary: int
    end_tokens: tuple[int, ...] = ()
    begin_tokens: tuple[int, ...] = ()
    chat_template: str = ""
    output_step: float = 0.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description that is stored beside a program. Hashes are hex."""

    name: str
    program_root: str
    source_file: str
    source_sha256: str
    source_kind: str
    input: Coding
    output: Coding
    pixels: Pixels | None
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    operator_names: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    text: Text | None = None

    def encode(self) -> str:
        """Return the manifest as JSON."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def decode(cls, text: str) -> Manifest:
        """Return the manifest in JSON, or raise CorruptModel."""
        try:
            fields = json.loads(text)
            if fields.pop("format") != FORMAT:
                raise CorruptModel(f"the manifest's format is not {FORMAT}; import the model again")
            for name in ("input", "output"):
                coding = fields[name]
                fields[name] = Coding(**{**coding, "source_shape": tuple(coding["source_shape"])})
            pixels = fields["pixels"]
            if pixels is not None:
                pair = {key: tuple(pixels[key]) for key in ("mean", "deviation")}
                fields["pixels"] = Pixels(**{**pixels, **pair})
            text_fields = fields.get("text")
            if text_fields is not None:
                lists = {key: tuple(text_fields[key]) for key in ("end_tokens", "begin_tokens")}
                fields["text"] = Text(**{**text_fields, **lists})
            for name in ("labels", "notes", "operator_names"):
                fields[name] = tuple(fields[name])
            return _typed(cls(**fields))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CorruptModel(
                f"the manifest is damaged ({error}); import the model again"
            ) from None


def _typed(manifest: Manifest) -> Manifest:
    """Return a manifest whose members have their types, or raise TypeError."""
    for part in (manifest, manifest.input, manifest.output, manifest.pixels, manifest.text):
        for name, hint in get_type_hints(type(part)).items() if part is not None else ():
            value = getattr(part, name)
            if not _is_of(hint, value):
                raise TypeError(f"{name} is {str(value)[:80]!r}")
    return manifest


def _is_of(hint: Any, value: object) -> bool:
    """Return whether a value that JSON gave is of a field's type."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in inner
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_of(inner[0], each) for each in value)
    if origin is dict:
        return isinstance(value, dict)
    if origin is UnionType:
        return any(_is_of(each, value) for each in inner)
    if hint is float:
        return type(value) is int or (type(value) is float and isfinite(value))
    return type(value) is hint


def input_bytes(manifest: Manifest, data: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the program's input for the source's input `data`, in the source's shape and type."""
    coding = manifest.input
    if coding.source_dtype in WIDE:
        return np.ascontiguousarray(data, WIDE[coding.source_dtype]).ravel().view(np.uint8)
    if coding.source_dtype == "float32":
        with np.errstate(over="ignore"):
            coded = np.clip(np.rint(data / coding.scale) + coding.zero, 0, 255).astype(np.uint8)
    else:
        shift = 128 if coding.source_dtype == "int8" else 0
        coded = (data.astype(np.int16) + shift).astype(np.uint8)
    if coding.layout == "nchw":
        coded = coded.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(coded).ravel()


def output_numbers(manifest: Manifest, data: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the real numbers that a program's output stands for, in the source's order, flat."""
    coding = manifest.output
    if coding.source_dtype in WIDE:
        return data.view(WIDE[coding.source_dtype]).astype(np.float64) * coding.scale
    reals = (data.astype(np.float64) - coding.zero) * coding.scale
    if coding.layout == "nhwc":
        _, channels, height, width = coding.source_shape
        reals = reals.reshape(height, width, channels).transpose(2, 0, 1).ravel()
    return reals
