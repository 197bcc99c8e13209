"""Checkpoints of llama2.c: a header of seven integers, then the weights in one fixed order."""

from __future__ import annotations

from math import prod
from pathlib import Path

import numpy as np

from ..errors import InvalidSource
from .arithmetic import Array
from .decoder import Decoder, DecoderLayer, DecoderShape

_HEADER_WORDS = 7


def read_checkpoint(path: Path) -> Decoder:
    """Return the decoder in a llama2.c file, its weights mapped from disk, or raise InvalidSource.

    A negative vocabulary in the header says that the head has weights of its own.
    """
    try:
        words = np.memmap(path, "<f4", mode="r").view(np.ndarray)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidSource(f"{path}: {reason}; give a readable checkpoint") from None
    if len(words) <= _HEADER_WORDS:
        raise InvalidSource(f"{path} is shorter than a checkpoint's header; download it again")
    width, hidden, layers, heads, kv_heads, vocabulary, context = (
        words[:_HEADER_WORDS].view("<i4").tolist()
    )
    sizes = (width, hidden, layers, heads, kv_heads, abs(vocabulary), context)
    if min(sizes) < 1 or width % heads or heads % kv_heads or (width // heads) % 2:
        raise InvalidSource(f"{path}: the header {sizes} is not that of a llama2.c checkpoint")
    shape = DecoderShape(*sizes)
    parts = _cut(path, words[_HEADER_WORDS:], _layout(shape, has_head=vocabulary < 0))

    def layer(index: int) -> DecoderLayer:
        return DecoderLayer(**{name: parts[name][index] for name in DecoderLayer.__annotations__})

    embedding = parts["embedding"]
    return Decoder(shape, embedding, layer, parts["final_norm"], parts.get("head", embedding))


def _layout(shape: DecoderShape, *, has_head: bool) -> dict[str, tuple[int, ...]]:
    """Return the parts of the file in their order."""
    layers, width, hidden, kv_width = shape.layers, shape.width, shape.hidden, shape.kv_width
    parts: dict[str, tuple[int, ...]] = {
        "embedding": (shape.vocabulary, width),
        "attention_norm": (layers, width),
        "query": (layers, width, width),
        "key": (layers, kv_width, width),
        "value": (layers, kv_width, width),
        "out": (layers, width, width),
        "hidden_norm": (layers, width),
        "gate": (layers, hidden, width),
        "down": (layers, width, hidden),
        "up": (layers, hidden, width),
        "final_norm": (width,),
        # Tables of the rotation, which follow from the sizes.
        "turns": (2, shape.context, shape.head // 2),
    }
    return {**parts, "head": (shape.vocabulary, width)} if has_head else parts


def _cut(path: Path, words: Array, layout: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    expected = sum(prod(sizes) for sizes in layout.values())
    if len(words) != expected:
        raise InvalidSource(
            f"{path} holds {len(words)} weights, but its header asks for {expected}; "
            "download it again"
        )
    parts, start = {}, 0
    for name, sizes in layout.items():
        parts[name] = words[start : start + prod(sizes)].reshape(sizes)
        start += prod(sizes)
    return parts
