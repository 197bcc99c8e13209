"""Write a GGUF file of a Llama's true shape with seeded Q8_0 weights, for llama.cpp to run."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from infernet.models.sequence.decoder import DecoderShape

_ALIGNMENT = 32
_VERSION = 3
# The format's types of values and of tensors.
_U32, _F32, _STRING = 4, 6, 8
_TENSOR_F32, _TENSOR_Q8 = 0, 8
_MOSTLY_Q8 = 7
# Q8_0: 32 weights and their step.
_BLOCK = np.dtype([("step", "<f2"), ("weights", "i1", 32)])
_POOL_BLOCKS = 1 << 20

Blocks = npt.NDArray[np.void]


def write_gguf(path: Path, shape: DecoderShape, seed: int) -> None:
    """Write the file; its weights are windows of one block of random numbers."""
    random = np.random.default_rng(seed)
    pool = np.empty(_POOL_BLOCKS, _BLOCK)
    pool["weights"] = random.integers(-127, 128, (_POOL_BLOCKS, 32))
    tensors = tuple(_tensors(shape))
    with path.open("wb") as file:
        values = tuple(_values(shape))
        file.write(b"GGUF" + struct.pack("<IQQ", _VERSION, len(tensors), len(values)))
        file.write(b"".join(values))
        offset = 0
        for name, dimensions in tensors:
            kind = _TENSOR_Q8 if len(dimensions) == 2 else _TENSOR_F32
            file.write(_text(name) + struct.pack("<I", len(dimensions)))
            file.write(struct.pack(f"<{len(dimensions)}Q", *dimensions))
            file.write(struct.pack("<IQ", kind, offset))
            offset += _padded(_bytes(dimensions))
        for _, dimensions in tensors:
            file.write(bytes(-file.tell() % _ALIGNMENT))
            if len(dimensions) == 1:
                file.write(np.ones(dimensions, "<f4").tobytes())
            else:
                pool["step"] = 0.3 / 60 / dimensions[0] ** 0.5
                _write_blocks(file, pool, int(np.prod(dimensions)) // 32, random)
        file.write(bytes(-file.tell() % _ALIGNMENT))


def _tensors(shape: DecoderShape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield names and dimensions, neighbours in memory first."""
    width, hidden, kv_width = shape.width, shape.hidden, shape.kv_width
    yield "token_embd.weight", (width, shape.vocabulary)
    yield "output.weight", (width, shape.vocabulary)
    yield "output_norm.weight", (width,)
    for layer in range(shape.layers):
        for name, dimensions in {
            "attn_q": (width, width),
            "attn_k": (width, kv_width),
            "attn_v": (width, kv_width),
            "attn_output": (width, width),
            "ffn_gate": (width, hidden),
            "ffn_up": (width, hidden),
            "ffn_down": (hidden, width),
            "attn_norm": (width,),
            "ffn_norm": (width,),
        }.items():
            yield f"blk.{layer}.{name}.weight", dimensions


def _values(shape: DecoderShape) -> Iterator[bytes]:
    """Yield what the file says of the model."""
    for key, text in (("general.architecture", "llama"), ("tokenizer.ggml.model", "no_vocab")):
        yield _text(key) + struct.pack("<I", _STRING) + _text(text)
    yield _text("general.file_type") + struct.pack("<II", _U32, _MOSTLY_Q8)
    for key, number in {
        "context_length": shape.context,
        "embedding_length": shape.width,
        "block_count": shape.layers,
        "feed_forward_length": shape.hidden,
        "attention.head_count": shape.heads,
        "attention.head_count_kv": shape.kv_heads,
        "rope.dimension_count": shape.head,
        "vocab_size": shape.vocabulary,
    }.items():
        yield _text(f"llama.{key}") + struct.pack("<II", _U32, number)
    for key, real in {
        "rope.freq_base": shape.theta,
        "attention.layer_norm_rms_epsilon": shape.epsilon,
    }.items():
        yield _text(f"llama.{key}") + struct.pack("<If", _F32, real)


def _write_blocks(file: object, pool: Blocks, count: int, random: np.random.Generator) -> None:
    while count:
        start = int(random.integers(len(pool) // 2))
        part = pool[start : start + count]
        part.tofile(file)  # type: ignore[arg-type]
        count -= len(part)


def _bytes(dimensions: tuple[int, ...]) -> int:
    if len(dimensions) == 1:
        return 4 * dimensions[0]
    return int(np.prod(dimensions)) // 32 * _BLOCK.itemsize


def _padded(count: int) -> int:
    return -(-count // _ALIGNMENT) * _ALIGNMENT


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data
