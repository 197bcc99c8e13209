"""Decoders in files: llama2.c checkpoints and tokenizers, and folders of Hugging Face."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from infernet.models.errors import InvalidSource
from infernet.models.sequence.checkpoint import read_checkpoint
from infernet.models.sequence.decode import Choices, decoder_program
from infernet.models.sequence.decoder import Decoder, DecoderLayer, ranges_of
from infernet.models.sequence.llama import paired, read_llama
from infernet.models.sequence.matrices import Rows
from infernet.models.sequence.pieces import read_pieces

from .plain_decoder import SIZES, greedy, seeded
from .test_sequence_folder import write

STACKED = ("attention_norm", "query", "key", "value", "out", "hidden_norm", "gate", "down", "up")


def checkpoint_bytes(decoder: Decoder, *, has_head: bool) -> bytes:
    s = decoder.shape
    vocabulary = -s.vocabulary if has_head else s.vocabulary
    head = (s.width, s.hidden, s.layers, s.heads, s.kv_heads, vocabulary, s.context)
    layers = [decoder.layer(i) for i in range(s.layers)]
    parts = [decoder.embedding]
    parts += [getattr(layer, name) for name in STACKED for layer in layers]
    parts += [decoder.final_norm, np.zeros(s.context * s.head)]
    parts += [decoder.head] if has_head else []
    return struct.pack("<7i", *head) + b"".join(part.astype("<f4").tobytes() for part in parts)


def assert_same(found: Decoder, expected: Decoder) -> None:
    assert np.allclose(found.embedding, expected.embedding)
    assert np.allclose(found.head, expected.head)
    assert np.allclose(found.final_norm, expected.final_norm)
    for index in range(expected.shape.layers):
        for name in STACKED:
            a, b = (getattr(decoder.layer(index), name) for decoder in (found, expected))
            assert np.allclose(a, b), name


@pytest.mark.parametrize("has_head", [True, False])
def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path, has_head: bool) -> None:
    decoder = seeded()
    path = tmp_path / "model.bin"
    path.write_bytes(checkpoint_bytes(decoder, has_head=has_head))
    found = read_checkpoint(path)
    assert found.shape == SIZES
    assert_same(found, decoder if has_head else replace(decoder, head=decoder.embedding))


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    data = checkpoint_bytes(seeded(), has_head=False)
    path = tmp_path / "model.bin"
    with pytest.raises(InvalidSource, match="No such file"):
        read_checkpoint(path)
    for content, message in (
        (data[:-4], "its header asks for"),
        (data + bytes(4), "its header asks for"),
        (data[:20], "shorter than a checkpoint's header"),
        (struct.pack("<7i", 64, 96, 2, 5, 2, 80, 32) + data[28:], "not that of a llama2.c"),
        (struct.pack("<7i", 64, 96, 2, 0, 2, 80, 32) + data[28:], "not that of a llama2.c"),
    ):
        path.write_bytes(content)
        with pytest.raises(InvalidSource, match=message):
            read_checkpoint(path)


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tok.bin"
    with pytest.raises(InvalidSource, match="No such file"):
        read_pieces(path)
    names = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % i for i in range(256)), b" ", b"a", b" a"]
    entries = [struct.pack("<fi", -i, len(name)) + name for i, name in enumerate(names)]
    data = struct.pack("<i", 6) + b"".join(entries)
    path.write_bytes(data)
    assert read_pieces(path).encode("aé") == [1, 261, 0xC3 + 3, 0xA9 + 3]
    for content, message in (
        (data[:-1], "piece 261 is cut off"),
        (data[:200], "is cut off|is not"),
    ):
        path.write_bytes(content)
        with pytest.raises(InvalidSource, match=message):
            read_pieces(path)


def halved(weights: np.ndarray, head: int) -> np.ndarray:
    """Undo `paired`: put the two of a pair half a head apart."""
    outputs, inputs = weights.shape
    pairs = weights.reshape(outputs // head, head // 2, 2, inputs)
    return pairs.swapaxes(1, 2).reshape(outputs, inputs)


def tensors_of(decoder: Decoder) -> dict[str, np.ndarray]:
    head = decoder.shape.head
    found = {
        "model.embed_tokens.weight": decoder.embedding,
        "model.norm.weight": decoder.final_norm,
        "lm_head.weight": decoder.head,
    }
    for i in range(decoder.shape.layers):
        layer: DecoderLayer = decoder.layer(i)
        for name, array in (
            ("input_layernorm", layer.attention_norm),
            ("self_attn.q_proj", halved(layer.query, head)),
            ("self_attn.k_proj", halved(layer.key, head)),
            ("self_attn.v_proj", layer.value),
            ("self_attn.o_proj", layer.out),
            ("post_attention_layernorm", layer.hidden_norm),
            ("mlp.gate_proj", layer.gate),
            ("mlp.up_proj", layer.up),
            ("mlp.down_proj", layer.down),
        ):
            found[f"model.layers.{i}.{name}.weight"] = array
    return found


def write_shard(path: Path, tensors: dict[str, np.ndarray]) -> None:
    header, body = {}, b""
    for name, array in tensors.items():
        data = array.astype("<f4").tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": offsets}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


CONFIG = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 80,
    "max_position_embeddings": 32,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "rope_scaling": None,
}


def write_folder(folder: Path, decoder: Decoder, **config: object) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    tensors = tensors_of(decoder)
    names = sorted(tensors)
    shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for shard, held in shards.items():
        write_shard(folder / shard, {name: tensors[name] for name in held})
    weight_map = {name: shard for shard, held in shards.items() for name in held}
    index = {"weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_a_sharded_folder_is_read_with_its_pairs_side_by_side(tmp_path: Path) -> None:
    decoder = seeded()
    write_folder(tmp_path, decoder)
    found = read_llama(tmp_path)
    assert found.shape == SIZES
    assert_same(found, decoder)
    assert greedy(found, [5], 8) == greedy(decoder, [5], 8)
    rows = np.arange(8)[:, None]
    assert paired(rows, 4).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_the_base_of_the_rotation_may_lie_in_an_object(tmp_path: Path) -> None:
    parameters = {"rope_theta": 500_000.0, "rope_type": "default"}
    write_folder(tmp_path, seeded(), rope_parameters=parameters)
    assert read_llama(tmp_path).shape.theta == 500_000.0


@pytest.mark.parametrize("part", ["embedding", "head", "final_norm", "up"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(part: str, number: float) -> None:
    decoder = seeded()
    ranges = ranges_of(decoder, list(range(40)))
    owner = decoder.layer(1) if part == "up" else decoder
    spoilt = np.array(getattr(owner, part))
    spoilt[-1] = number
    changed = replace(owner, **{part: spoilt})
    if isinstance(changed, DecoderLayer):
        layers = [decoder.layer(0), changed]
        changed = replace(decoder, layer=lambda index: layers[index])
    with pytest.raises(InvalidSource, match="no finite number"):
        decoder_program(changed, ranges, Choices(32, ()))


def test_a_folder_of_bf16_is_that_of_the_same_numbers_in_f32(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "whole").mkdir()
    halves = {
        name: (np.asarray(array, "<f4").view("<u4") >> 16).astype("<u2")
        for name, array in tensors_of(seeded()).items()
    }
    whole = {name: (half.astype("<u4") << 16).view("<f4") for name, half in halves.items()}
    write(tmp_path / "half/model.safetensors", halves, dict.fromkeys(halves, "BF16"))
    write(tmp_path / "whole/model.safetensors", whole, {})
    for name in ("half", "whole"):
        (tmp_path / name / "config.json").write_text(json.dumps(CONFIG))
    found, expected = (read_llama(tmp_path / name) for name in ("half", "whole"))
    assert isinstance(found.head, Rows) and isinstance(expected.head, np.ndarray)
    assert_same(found, expected)
    assert np.array_equal(found.embedding[np.array([7, 3])], expected.embedding[[7, 3]])
    ranges, choices = ranges_of(expected, [5, 9, 30, 2]), Choices(32, ())
    roots = {decoder_program(each, ranges, choices).root for each in (found, expected)}
    assert len(roots) == 1


def test_a_tied_head_is_the_embedding(tmp_path: Path) -> None:
    write_folder(tmp_path, seeded(), tie_word_embeddings=True)
    found = read_llama(tmp_path)
    assert np.array_equal(found.head, found.embedding)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hidden_act": "gelu"}, "hidden_act = gelu is not supported"),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling = .* is not supported"),
        ({"rope_parameters": {"rope_type": "llama3"}}, "'llama3'} is not supported"),
        ({"rope_parameters": [1]}, "only default"),
        ({"rope_theta": 0}, "base of 0 do not fit"),
        ({"rope_theta": float("inf")}, "'rope_theta' is inf"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5 is not supported"),
        ({"attention_bias": True}, "attention_bias = True"),
        ({"head_dim": 32}, "4 heads of 32"),
        ({"num_key_value_heads": 3}, "3 for keys, in a width of 64"),
        ({"num_attention_heads": 0}, "'num_attention_heads' is 0, not a positive number"),
        ({"num_hidden_layers": -1}, "'num_hidden_layers' is -1"),
        ({"num_hidden_layers": 1.5}, "'num_hidden_layers' is 1.5"),
        ({"num_hidden_layers": True}, "'num_hidden_layers' is True"),
        ({"rms_norm_eps": None}, "'rms_norm_eps' is None"),
        ({"rms_norm_eps": float("nan")}, "'rms_norm_eps' is nan"),
        ({"rms_norm_eps": -1e-5}, "'rms_norm_eps' is -1e-05"),
        ({"tie_word_embeddings": "no"}, "is 'no', not true or false"),
        ({"vocab_size": 81}, "config.json asks for"),
    ],
)
def test_a_folder_that_is_no_such_model_is_refused(
    tmp_path: Path, config: dict[str, object], message: str
) -> None:
    write_folder(tmp_path, seeded(), **config)
    with pytest.raises(InvalidSource, match=message):
        read_llama(tmp_path)


def test_a_missing_layer_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, seeded(), num_hidden_layers=3)
    with pytest.raises(InvalidSource, match=r"no 'model.layers.2.input_layernorm.weight'"):
        read_llama(tmp_path).layer(2)
