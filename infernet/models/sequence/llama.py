"""Llama-class decoders as Hugging Face stores them: config.json and safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidSource
from .arithmetic import Array
from .configs import read_json, real, whole
from .decoder import Decoder, DecoderLayer, DecoderShape
from .matrices import Matrix
from .safetensors import Safetensors

_LAYER_NAMES = {
    "attention_norm": "input_layernorm",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "out": "self_attn.o_proj",
    "hidden_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}
# What changes the arithmetic, with the value that leaves it as the program has it.
_PLAIN = {
    "attention_bias": False,
    "mlp_bias": False,
    "hidden_act": "silu",
    "rope_scaling": None,
    "partial_rotary_factor": 1.0,
}


def read_llama(folder: Path) -> Decoder:
    """Return the decoder in a folder, its weights mapped from disk, or raise InvalidSource."""
    path = folder / "config.json"
    config = read_json(path)
    for name, plain in _PLAIN.items():
        if config.get(name) not in (None, plain):
            raise InvalidSource(f"{path}: {name} = {config[name]} is not supported, only {plain}")
    shape = _shape(config)
    weights = Safetensors(folder)

    def layer(index: int) -> DecoderLayer:
        parts = {
            part: _array(weights, f"model.layers.{index}.{name}.weight", sizes)
            for (part, name), sizes in zip(_LAYER_NAMES.items(), _sizes(shape), strict=True)
        }
        for part in ("query", "key"):
            parts[part] = paired(parts[part], shape.head)
        return DecoderLayer(**parts)

    matrix = (shape.vocabulary, shape.width)
    embedding = _rows(weights, "model.embed_tokens.weight", matrix)
    is_tied = config.get("tie_word_embeddings") or False
    if not isinstance(is_tied, bool):
        raise InvalidSource(f"{path}: tie_word_embeddings is {is_tied!r}, not true or false")
    head = embedding if is_tied else _rows(weights, "lm_head.weight", matrix)
    return Decoder(shape, embedding, layer, _array(weights, "model.norm.weight", matrix[1:]), head)


def paired(weights: Array, head: int) -> Array:
    """Return rows in which the two of a rotated pair are neighbours, not half a head apart."""
    outputs, inputs = weights.shape
    halves = weights.reshape(outputs // head, 2, head // 2, inputs)
    return halves.swapaxes(1, 2).reshape(outputs, inputs)


def _shape(config: Mapping[str, Any]) -> DecoderShape:
    heads = whole(config, "num_attention_heads")
    # Later configurations have the rotation's numbers in an object of their own.
    rope = config.get("rope_parameters") or config
    if not isinstance(rope, dict) or rope.get("rope_type", "default") != "default":
        raise InvalidSource(f"config.json: the rotation {rope} is not supported, only default")
    shape = DecoderShape(
        width=whole(config, "hidden_size"),
        hidden=whole(config, "intermediate_size"),
        layers=whole(config, "num_hidden_layers"),
        heads=heads,
        kv_heads=whole(config, "num_key_value_heads", heads),
        vocabulary=whole(config, "vocab_size"),
        context=whole(config, "max_position_embeddings"),
        theta=real(rope, "rope_theta", 10_000.0),
        epsilon=real(config, "rms_norm_eps"),
    )
    head = whole(config, "head_dim", shape.head)
    if shape.width != heads * head or head % 2 or heads % shape.kv_heads or not shape.theta:
        raise InvalidSource(
            f"config.json: {heads} heads of {head}, {shape.kv_heads} for keys, in a width of "
            f"{shape.width}, and a rotation's base of {shape.theta:g} do not fit"
        )
    return shape


def _sizes(shape: DecoderShape) -> list[tuple[int, ...]]:
    """Return the sizes of a layer's parts, in the order of their names."""
    square, narrow = (shape.width, shape.width), (shape.kv_width, shape.width)
    norm, up = (shape.width,), (shape.hidden, shape.width)
    return [norm, square, narrow, narrow, square, norm, up, up, up[::-1]]


def _array(weights: Safetensors, name: str, sizes: tuple[int, ...]) -> Array:
    _check(weights, name, sizes)
    return weights[name]


def _rows(weights: Safetensors, name: str, sizes: tuple[int, ...]) -> Matrix:
    _check(weights, name, sizes)
    return weights.rows(name)


def _check(weights: Safetensors, name: str, sizes: tuple[int, ...]) -> None:
    if name not in weights:
        raise InvalidSource(f"the weights have no '{name}'; a shard may be missing")
    if weights.shape_of(name) != sizes:
        raise InvalidSource(
            f"'{name}' is {weights.shape_of(name)}, but config.json asks for {sizes}"
        )
