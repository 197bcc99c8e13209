"""Models of text from files to the store, kills on the way included."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from infernet.models.errors import (
    InvalidCalibration,
    InvalidOption,
    InvalidSource,
    UnusableStore,
)
from infernet.models.sequence.decode import decoder_program
from infernet.models.sequence.decoder import DecoderShape, ranges_of
from infernet.models.sequence.growth import Workplace
from infernet.models.sequence.llama import read_llama
from infernet.models.sequence.seeded_decoder import LLAMA_3_8B, seeded_decoder
from infernet.models.store import load_model
from infernet.models.text import Codec, Sampling
from infernet.models.text_build import build_text_model
from infernet.models.text_import import TextOptions, choose, import_decoder
from infernet.models.text_sources import Kind, import_sequences, kind_of
from infernet.models.text_tokenizers import of_bytes
from interpreter import machine
from interpreter.tensors import DType
from tests.disk import small_disk

from .plain_decoder import seeded
from .test_sequence_files import write_folder

SHAPE = DecoderShape(64, 96, 6, 4, 2, 300, 64)
CONFIG = {"model_type": "llama", "vocab_size": 300, "max_position_embeddings": 64}
PARTS = of_bytes(is_encoder=False)
TEXT = "A kind duck came to help him, and they played together all day."


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data" / "models"


class Killed(BaseException):
    """Stands for a kill between two layers."""


def folder_of(path: Path, shape: DecoderShape = SHAPE) -> Path:
    """Write a sharded folder with a tokenizer."""
    path.mkdir()
    write_folder(path, seeded(shape), **CONFIG, num_hidden_layers=shape.layers)
    (path / "tokenizer.json").write_text(PARTS.tokenizer)
    config = {"bos_token": "<begin>", "eos_token": "<end>"}
    (path / "tokenizer_config.json").write_text(json.dumps(config))
    (path / "text.txt").write_text(TEXT)
    return path


def test_a_folder_becomes_a_model_that_continues_text(tmp_path: Path, models: Path) -> None:
    source = folder_of(tmp_path / "source")
    assert kind_of(source) == Kind.DECODER_FOLDER
    options = TextOptions("story", "source")
    given = {"tokenizer": None, "calibration": source / "text.txt"}
    model, folder = import_sequences(source, Kind.DECODER_FOLDER, options, **given)
    assert sorted(path.name for path in models.iterdir()) == ["story"]
    stored = {path.name for path in folder.iterdir()}
    assert stored == {
        "header.bin",
        "operators.bin",
        "constants.bin",
        "manifest.json",
        "tokenizer.json",
    }
    codec = Codec.of("story")
    assert (codec.text.begin_tokens, codec.text.end_tokens) == ((256,), (257,))
    tokens = codec.tokens_of(TEXT)
    decoder = read_llama(source)
    choices = choose(SHAPE, options, (257,))
    assert (choices.weight_bytes, choices.cache) == (2, DType.I16)
    expected = decoder_program(decoder, ranges_of(decoder, tokens), choices)
    assert model.program.root == expected.root == load_model("story").program.root
    request = codec.encode_request("ab", Sampling(3))
    outcome = machine.complete(model.program, request.data, request.iterations)
    made = codec.decode_output(
        outcome.output, len(request.prompt), request.iterations, halted=outcome.halted
    )
    assert len(made.tokens) <= 3
    with pytest.raises(InvalidOption, match="--replace"):
        import_sequences(source, Kind.DECODER_FOLDER, options, **given)
    again, _ = import_sequences(source, Kind.DECODER_FOLDER, options, replace_model=True, **given)
    assert again.program.root == model.program.root


@pytest.mark.parametrize("layers", [0, 1, 5, 6])
def test_an_import_goes_on_after_the_last_finished_layer(models: Path, layers: int) -> None:
    decoder, options = seeded(SHAPE), TextOptions("story", "source")
    whole, _ = import_decoder(decoder, PARTS, TextOptions("whole", "source"), TEXT)

    def kill(done: int, total: int) -> None:
        if done == layers:
            raise Killed

    with pytest.raises(Killed):
        import_decoder(decoder, PARTS, options, TEXT, progress=kill)
    asked: list[int] = []
    model, folder = import_decoder(
        decoder, PARTS, options, TEXT, progress=lambda done, total: asked.append(done)
    )
    # The embedding comes before the first layer.
    assert asked == [*([] if layers else [0]), *range(layers, 7)]
    assert model.program.root == whole.program.root
    assert sorted(path.name for path in models.iterdir()) == ["story", "whole"]
    assert not list(folder.glob("stream*"))


def test_another_import_does_not_go_on_with_what_is_left(models: Path) -> None:
    def kill(done: int, total: int) -> None:
        if done == 3:
            raise Killed

    first, second = (seeded(SHAPE, seed) for seed in (3, 4))
    with pytest.raises(Killed):
        import_decoder(first, PARTS, TextOptions("story", "first"), TEXT, progress=kill)
    model, _ = import_decoder(second, PARTS, TextOptions("story", "second"), TEXT)
    clean, _ = import_decoder(second, PARTS, TextOptions("clean", "second"), TEXT)
    assert model.program.root == clean.program.root


@pytest.mark.parametrize("name", ["state.json", "constants.bin"])
def test_what_is_cut_off_counts_as_nothing(models: Path, name: str) -> None:
    def kill(done: int, total: int) -> None:
        if done == 3:
            raise Killed

    decoder, options = seeded(SHAPE), TextOptions("story", "source")
    with pytest.raises(Killed):
        import_decoder(decoder, PARTS, options, TEXT, progress=kill)
    path = models / ".growing-story" / name
    path.write_bytes(path.read_bytes()[:100])
    asked: list[int] = []
    model, _ = import_decoder(
        decoder, PARTS, options, TEXT, progress=lambda done, total: asked.append(done)
    )
    assert asked[:2] == [0, 0]
    whole, _ = import_decoder(decoder, PARTS, TextOptions("whole", "source"), TEXT)
    assert model.program.root == whole.program.root


def test_a_full_disk_stops_an_import_that_goes_on_with_more_room(tmp_path: Path) -> None:
    decoder, options = seeded(SHAPE), TextOptions("story", "source")
    with small_disk(tmp_path / "disk", 2) as disk:
        filler = disk / "filler"
        filler.write_bytes(bytes(1_200_000))
        with pytest.raises(UnusableStore, match="No space left on device; make room"):
            import_decoder(decoder, PARTS, options, TEXT, folder=disk)
        filler.unlink()
        asked: list[int] = []
        model, _ = import_decoder(
            decoder,
            PARTS,
            options,
            TEXT,
            folder=disk,
            progress=lambda done, total: asked.append(done),
        )
        assert asked[0] > 0
        whole, _ = import_decoder(decoder, PARTS, TextOptions("whole", "source"), TEXT)
        assert model.program.root == whole.program.root
        del model


def test_two_imports_of_one_name_do_not_meet(models: Path) -> None:
    with (
        Workplace(models / ".growing-story", "").locked(),
        pytest.raises(UnusableStore, match="another import is at work"),
    ):
        import_decoder(seeded(SHAPE), PARTS, TextOptions("story", ""), TEXT)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    shape = DecoderShape(64, 96, 24, 4, 2, 300, 64)
    source = folder_of(tmp_path / "source", shape)
    command = [sys.executable, "-c", "from infernet.cli import main; main()"]
    arguments = ["model", "import", str(source), "--calibration", str(source / "text.txt")]
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL)
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def test_a_killed_process_leaves_its_layers_to_the_next(
    started: subprocess.Popen[bytes], tmp_path: Path, models: Path
) -> None:
    state = models / ".growing-source" / "state.json"
    end = time.monotonic() + 60
    while not state.exists() or json.loads(state.read_text())["layers"] < 3:
        assert started.poll() is None, "the import ended before it was killed"
        assert time.monotonic() < end
        time.sleep(0.005)
    started.send_signal(signal.SIGKILL)
    started.wait()
    done = json.loads(state.read_text())["layers"]
    asked: list[int] = []
    source = tmp_path / "source"
    given = {"tokenizer": None, "calibration": source / "text.txt"}
    kind, options = Kind.DECODER_FOLDER, TextOptions("source", "source")
    model, _ = import_sequences(
        source, kind, options, progress=lambda at, total: asked.append(at), **given
    )
    assert asked[0] == done
    whole, _ = import_sequences(source, kind, TextOptions("whole", "source"), **given)
    assert model.program.root == whole.program.root


def test_sources_that_cannot_be_are_refused(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "source")
    options, text = TextOptions("story", "source"), source / "text.txt"

    def refused(error: type[Exception], reason: str, kind: Kind = Kind.DECODER_FOLDER) -> None:
        with pytest.raises(error, match=reason):
            import_sequences(source, kind, options, tokenizer=None, calibration=text)

    with pytest.raises(InvalidCalibration, match="--calibration"):
        import_sequences(source, Kind.DECODER_FOLDER, options, tokenizer=None, calibration=None)
    text.write_bytes(b"\xff\xfe\xff")
    refused(InvalidCalibration, "give a text file")
    text.write_text("")
    refused(InvalidCalibration, "two or more tokens")
    (source / "tokenizer.json").unlink()
    refused(InvalidSource, "has no tokenizer")
    (source / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(InvalidSource, match="holds a 'gpt2'; folders of bert or llama"):
        kind_of(source)
    (source / "config.json").write_text('{"model_type": ["llama"]}')
    with pytest.raises(InvalidSource, match="folders of bert or llama"):
        kind_of(source)
    with pytest.raises(InvalidSource, match="no such file"):
        kind_of(tmp_path / "none")
    with pytest.raises(InvalidSource, match="knows 16 positions; a program has at least 32"):
        short = DecoderShape(64, 96, 1, 4, 2, 300, 16)
        import_decoder(seeded(short), PARTS, TextOptions("short", ""), TEXT)
    with pytest.raises(InvalidSource, match="more than the 128 tensors"):
        tall = DecoderShape(64, 96, 60, 4, 2, 300, 64)
        import_decoder(seeded(tall), PARTS, TextOptions("tall", ""), TEXT)
    with pytest.raises(InvalidSource, match="tokens and the model 80"):
        import_decoder(seeded(), PARTS, options, TEXT)


def test_large_decoders_take_bytes_and_small_ones_what_loses_least() -> None:
    large = choose(LLAMA_3_8B, TextOptions("", ""), ())
    assert (large.context, large.weight_bytes) == (2048, 1)
    assert (large.activation, large.cache) == (DType.I8, DType.I8)
    asked = TextOptions("", "", positions=64, weight_bytes=1, cache=DType.I8)
    found = choose(SHAPE, asked, ())
    assert (found.weight_bytes, found.cache, found.activation) == (1, DType.I8, DType.I16)


@pytest.mark.slow
def test_a_built_decoder_is_that_of_its_seed_and_of_its_shape() -> None:
    small = {"layers": 1, "vocabulary": 258, "seed": 5}
    model, folder = build_text_model("llama-3-8b", TextOptions("a", "", positions=32), **small)
    matrices = 2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 4096 * 14336
    # Words of the embedding have two bytes, all other weights one.
    assert model.program.header.constants_bytes > matrices + 3 * 258 * 4096
    assert (folder / "constants.tree").exists()
    assert load_model("a").program.root == model.program.root
    again = seeded_decoder(SHAPE, 5).layer(1)
    assert np.array_equal(np.asarray(seeded_decoder(SHAPE, 5).layer(1).up), np.asarray(again.up))


@pytest.mark.skipif(not os.environ.get("INFERNET_TEST_DATA"), reason="no BERT-Tiny")
def test_bert_tiny_takes_embedded_words(tmp_path: Path) -> None:
    source = Path(os.environ["INFERNET_TEST_DATA"]) / "bert-tiny-sst2"
    words = [np.loadtxt(source / "inputs-sst2" / f"input_{i}.txt") for i in range(10)]
    np.savez(tmp_path / "words.npz", a=np.stack(words), b=np.stack(words[2:7]))
    files = ("bert_tiny_sst2_encoder.onnx", "bert_tiny_sst2_encoder.npz")
    roots = set()
    for name in files:
        kind = kind_of(source / name)
        model, folder = import_sequences(
            source / name,
            kind,
            TextOptions(name.replace("_", "-"), name, positions=32),
            tokenizer=None,
            calibration=tmp_path / "words.npz",
        )
        assert model.manifest.text is None
        assert not (folder / "tokenizer.json").exists()
        roots.add(model.program.root)
    assert len(roots) == 1
    np.savez(tmp_path / "words.npz", a=np.zeros((3, 5)))
    with pytest.raises(InvalidCalibration, match=r"\(words, 128\)"):
        import_sequences(
            source / files[0],
            Kind.ENCODER_GRAPH,
            TextOptions("other", ""),
            tokenizer=None,
            calibration=tmp_path / "words.npz",
        )
    (tmp_path / "words.txt").write_text("one two")
    with pytest.raises(InvalidCalibration, match="takes embedded words, no text"):
        import_sequences(
            source / files[1],
            Kind.ENCODER_ARRAYS,
            TextOptions("other", ""),
            tokenizer=None,
            calibration=tmp_path / "words.txt",
        )
