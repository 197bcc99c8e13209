"""Files that hold models: a program's description, and the sources that models come from."""

from __future__ import annotations

import io
import json
import struct
import tempfile
from atexit import register
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from infernet.models.errors import ModelError
from infernet.models.images import decode_picture
from infernet.models.inputs import read_arrays
from infernet.models.manifest import Manifest
from infernet.models.pipeline import Options, import_source
from infernet.models.sequence.bert import read_folder, read_npz
from infernet.models.sequence.bert_onnx import read_onnx_encoder
from infernet.models.sequence.checkpoint import read_checkpoint
from infernet.models.sequence.decoder import Decoder, DecoderShape
from infernet.models.sequence.llama import read_llama
from infernet.models.sequence.pieces import read_pieces
from infernet.models.sequence.reals import RealEncoder
from infernet.models.sequence.safetensors import Safetensors
from infernet.models.source import read_onnx
from infernet.models.store import shipped_dir
from infernet.models.text import Codec, Sampling, read_tokenizer
from infernet.models.text_tokenizers import TextParts, of_bytes, of_folder, of_pieces, of_ranks
from tests.unit.models.nets import Net, safe_weights
from tests.unit.models.plain_decoder import seeded
from tests.unit.models.test_sequence_encoder import seeded as seeded_encoder
from tests.unit.models.test_sequence_files import CONFIG, checkpoint_bytes, tensors_of
from tests.unit.models.test_sequence_folder import CONFIG as BERT_CONFIG
from tests.unit.models.test_sequence_folder import named
from tests.unit.models.test_sequence_folder import write as write_safetensors
from tests.unit.models.test_sequence_onnx import write as write_encoder_graph

from .harness import Harness
from .mutations import of_json

_SHAPE = DecoderShape(8, 8, 1, 2, 1, 8, 8)
_MOST_INPUT = 1 << 14
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-")
register(_FOLDER.cleanup)


@cache
def folder(name: str) -> Path:
    """Return a folder of this process for the files of one harness."""
    found = Path(_FOLDER.name) / name
    found.mkdir(parents=True, exist_ok=True)
    return found


def of_file(file: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """Return what reads a file of that name with the given bytes."""

    def call(data: bytes) -> object:
        path = folder(f"{read.__name__} {file}") / file
        path.write_bytes(data)
        return read(path)

    return call


def _written(write: Callable[[Path], object], name: str = "made") -> bytes:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / name
        write(path)
        return path.read_bytes()


# Descriptions


def _manifests() -> list[bytes]:
    shipped = (shipped_dir() / "digits" / "manifest.json").read_text(encoding="utf-8")
    text = {"task": "generate", "positions": 32, "vocabulary": 300, "end_tokens": [2]}
    text |= {"begin_tokens": [1], "chat_template": "{{ messages }}", "output_step": 0.0}
    return [shipped.encode(), json.dumps({**json.loads(shipped), "text": text}).encode()]


def _manifest(data: bytes) -> None:
    manifest = Manifest.decode(data.decode("utf-8"))
    assert Manifest.decode(manifest.encode()) == manifest
    sizes = (*manifest.input.source_shape, *manifest.output.source_shape)
    assert all(type(size) is int for size in sizes)
    assert isinstance(manifest.name, str) and isinstance(manifest.program_root, str)


# Arrays and pictures


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(arrays: Mapping[str, np.ndarray], *, is_packed: bool = False) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if is_packed else np.savez)(file, **arrays)
    return file.getvalue()


def _array_files() -> list[bytes]:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.arange(4, dtype=np.uint8)}
    return [_npy(arrays["a"]), _npz(arrays), _npz(arrays, is_packed=True)]


def _pictures() -> list[bytes]:
    found = []
    for kind in ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM"):
        file = io.BytesIO()
        Image.new("RGB", (9, 7), (10, 200, 30)).save(file, kind)
        found.append(file.getvalue())
    return found


# Encoders


def _run(real: RealEncoder) -> RealEncoder:
    """Run an encoder that was read: what fits together can be run."""
    words: Any = np.arange(4) % 2
    if real.embedding is None:
        words = np.random.default_rng(0).normal(0, 1, (4, real.width))
    with np.errstate(all="ignore"):
        real.run(words)
    return real


def _encoder_archive() -> list[bytes]:
    rng, width = np.random.default_rng(3), 64
    sizes = {"query": (64, 64), "key": (64, 64), "value": (64, 64), "so": (64, 64), "i": (64, 8)}
    arrays = {}
    for part, (length, cols) in (*sizes.items(), ("o", (8, 64))):
        arrays[f"layer0_{part}.w"] = rng.normal(0, 0.1, (length, cols)).astype("<f2")
        arrays[f"layer0_{part}.b"] = np.zeros(cols, "<f2")
    for part in ("so", "o"):
        arrays |= {f"layer0_{part}.g": np.ones(width, "<f2"), f"layer0_{part}.nb": np.zeros(width)}
    for name, cols in (("pool", width), ("cls", 2)):
        arrays |= {f"{name}.w": np.ones((width, cols), "<f2"), f"{name}.b": np.zeros(cols)}
    return [_npz(arrays, is_packed=True)]


@cache
def _bert_weights() -> bytes:
    return _written(lambda path: write_safetensors(path, named(True, "bert."), {}))


def _bert_folder(path: Path) -> None:
    weights = path.parent / "model.safetensors"
    if not weights.exists():
        weights.write_bytes(_bert_weights())
    _run(read_folder(path.parent))


def _encoder_graphs() -> list[bytes]:
    real = seeded_encoder(3, has_words=True, has_classes=False)
    return [_written(lambda path: write_encoder_graph(path, real), "made.onnx")]


# Decoders


def _decoder_parts() -> Decoder:
    return seeded(_SHAPE)


def _require_layers(decoder: Decoder) -> None:
    for index in range(min(decoder.shape.layers, 4)):
        decoder.layer(index)
    decoder.shape.turns(min(decoder.shape.context, 64))


def _checkpoint(path: Path) -> None:
    _require_layers(read_checkpoint(path))


@cache
def _llama_weights() -> bytes:
    tensors = tensors_of(_decoder_parts())
    return _written(lambda path: write_safetensors(path, tensors, {}))


def _llama_configs() -> list[bytes]:
    s = _SHAPE
    sizes = {"hidden_size": s.width, "intermediate_size": s.hidden, "num_hidden_layers": s.layers}
    sizes |= {"num_attention_heads": s.heads, "num_key_value_heads": s.kv_heads}
    sizes |= {"vocab_size": s.vocabulary, "max_position_embeddings": s.context}
    plain = {**CONFIG, **sizes}
    rope = {"rope_parameters": {"rope_theta": 500_000.0, "rope_type": "default"}}
    return [json.dumps(each).encode() for each in (plain, {**plain, **rope})]


def _llama_folder(path: Path) -> None:
    weights = path.parent / "model.safetensors"
    if not weights.exists():
        weights.write_bytes(_llama_weights())
    _require_layers(read_llama(path.parent))


def _safetensors_files() -> list[bytes]:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "h": np.arange(6, dtype="<u2").reshape(3, 2)}
    arrays |= {"s": np.arange(4, dtype="<f4"), "e": np.zeros((0, 2), "<f4")}
    return [_written(lambda path: write_safetensors(path, arrays, {"h": "BF16"})), _llama_weights()]


def _safetensors(path: Path) -> None:
    found = Safetensors(path.parent)
    for name in found:
        assert found[name].shape == found.shape_of(name)
        found.rows(name)


def _indexes() -> list[bytes]:
    return [json.dumps({"weight_map": {"a": "a.safetensors", "b": "a.safetensors"}}).encode()]


def _index(path: Path) -> None:
    weights = path.parent / "a.safetensors"
    if not weights.exists():
        weights.write_bytes(_safetensors_files()[0])
    _safetensors(path)


# Tokenizers


def _pieces() -> list[bytes]:
    names = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % i for i in range(256)), b" ", b"a", b" a"]
    entries = [struct.pack("<fi", -i, len(name)) + name for i, name in enumerate(names)]
    return [struct.pack("<i", 6) + b"".join(entries)]


def _piece_file(path: Path) -> None:
    pieces = read_pieces(path)
    pieces.decode(pieces.encode("a é"))
    _use(of_pieces(pieces))


def _ranks() -> list[bytes]:
    from base64 import b64encode

    pieces = [bytes([i]) for i in range(256)] + [b"ab", b"abc"]
    return [b"".join(b64encode(each) + b" %d\n" % i for i, each in enumerate(pieces))]


def _rank_file(path: Path) -> None:
    _use(of_ranks(path))


def _use(parts: TextParts) -> None:
    """Take a tokenizer as an import and then the store do, and turn a text there and back."""
    path = folder("used tokenizer") / "tokenizer.json"
    path.write_text(parts.tokenizer, encoding="utf-8")
    _tokenizer(path)


def _tokenizer(path: Path) -> None:
    from infernet.models.manifest import Text

    tokenizer = read_tokenizer(path)
    count = max(1, tokenizer.get_vocab_size(with_added_tokens=True))
    codec = Codec(Text("generate", 64, count), tokenizer)
    codec.text_of(codec.encode_request("a é", Sampling(4)).prompt)


def _tokenizers() -> list[bytes]:
    return [of_bytes(is_encoder=each).tokenizer.encode() for each in (False, True)]


def _tokenizer_configs() -> list[bytes]:
    return [
        json.dumps({"bos_token": "<begin>", "eos_token": {"content": "<end>"}}).encode(),
        json.dumps({"chat_template": [{"name": "default", "template": "{{ x }}"}]}).encode(),
        json.dumps({"chat_template": "{{ messages }}", "eos_token": "<end>"}).encode(),
    ]


def _tokenizer_config(path: Path) -> None:
    tokenizer = path.parent / "tokenizer.json"
    if not tokenizer.exists():
        tokenizer.write_text(of_bytes(is_encoder=False).tokenizer, encoding="utf-8")
    found = of_folder(path.parent)
    assert all(type(token) is int for token in (*found.begin_tokens, *found.end_tokens))
    assert isinstance(found.chat_template, str)


# Graphs of pictures


def _graphs() -> list[bytes]:
    rng = np.random.default_rng(0)
    small = Net([1, 3, 4, 4], np.uint8)
    weights = small.const(safe_weights(rng, (2, 3, 1, 1)))
    small.node(
        "QLinearConv", "x", *small.params(0.1, 3), weights, *small.params(0.1, 0, np.int8),
        *small.params(0.1, 3),
    )  # fmt: skip
    real = Net([1, 3, 6, 6])
    x = real.node("Conv", "x", real.const(rng.normal(0, 0.3, (2, 3, 3, 3)), np.float32))
    real.node("GlobalAveragePool", real.node("Relu", x))
    return [each.proto().SerializeToString() for each in (small, real)]


def _graph(path: Path) -> None:
    source = read_onnx(path)
    if np.prod(source.input_shape) > _MOST_INPUT:
        return
    rng = np.random.default_rng(0)
    inputs = [rng.normal(0, 1, source.input_shape).astype(source.input_dtype) for _ in range(2)]
    import_source(source, Options("fuzzed"), inputs)


HARNESSES = (
    Harness("manifest", _manifests, _manifest, (ModelError, UnicodeDecodeError), of_json),
    Harness("arrays", _array_files, of_file("a.npz", read_arrays), (ModelError,)),
    Harness(
        "picture", _pictures, lambda data: decode_picture(data, (8, 8, 3), "a file"), (ModelError,)
    ),
    Harness(
        "encoder-npz",
        _encoder_archive,
        of_file("e.npz", lambda path: _run(read_npz(path))),
        (ModelError,),
        tries=60,
    ),
    Harness(
        "encoder-config",
        lambda: [json.dumps(BERT_CONFIG).encode()],
        of_file("config.json", _bert_folder),
        (ModelError,),
        of_json,
        tries=60,
    ),
    Harness(
        "encoder-onnx",
        _encoder_graphs,
        of_file("e.onnx", lambda path: _run(read_onnx_encoder(path))),
        (ModelError,),
        tries=20,
    ),
    Harness(
        "checkpoint",
        lambda: [checkpoint_bytes(_decoder_parts(), has_head=each) for each in (True, False)],
        of_file("model.bin", _checkpoint),
        (ModelError,),
    ),
    Harness(
        "decoder-config",
        _llama_configs,
        of_file("config.json", _llama_folder),
        (ModelError,),
        of_json,
    ),
    Harness(
        "safetensors",
        _safetensors_files,
        of_file("model.safetensors", _safetensors),
        (ModelError,),
    ),
    Harness(
        "safetensors-index",
        _indexes,
        of_file("model.safetensors.index.json", _index),
        (ModelError,),
        of_json,
    ),
    Harness("pieces", _pieces, of_file("tok.bin", _piece_file), (ModelError,), tries=40),
    Harness("ranks", _ranks, of_file("tokenizer.model", _rank_file), (ModelError,), tries=40),
    Harness(
        "tokenizer", _tokenizers, of_file("tokenizer.json", _tokenizer), (ModelError,), of_json, 60
    ),
    Harness(
        "tokenizer-config",
        _tokenizer_configs,
        of_file("tokenizer_config.json", _tokenizer_config),
        (ModelError,),
        of_json,
    ),
    Harness("onnx", _graphs, of_file("net.onnx", _graph), (ModelError,), tries=40),
)
