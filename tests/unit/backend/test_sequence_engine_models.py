"""The compiled engine on whole models: every tensor is the reference's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from infernet.backend.hashing import hash_bytes
from infernet.backend.sequence.engine import SequenceEngine
from infernet.models.sequence.bert import read_npz
from infernet.models.sequence.checkpoint import read_checkpoint
from infernet.models.sequence.decode import Choices, decoder_program
from infernet.models.sequence.decoder import DecoderShape, ranges_of
from infernet.models.sequence.encoder import encoder_program
from infernet.models.sequence.pieces import BEGIN_OF_TEXT, END_OF_TEXT, read_pieces
from infernet.models.sequence.quantise import quantise
from infernet.models.sequence.request import encode_request
from infernet.models.sequence.seeded_decoder import LLAMA_3_8B, seeded_decoder
from infernet.models.store import load_model
from infernet.models.text_build import LLAMA_NAME, build_text_model
from infernet.models.text_import import TextOptions
from interpreter.program import Program
from interpreter.tensors import DType
from tests.exposure import require_every_tensor, require_same_inside

pytest.importorskip(
    "infernet.backend.native._machine", reason="the package was installed without a C compiler"
)
DATA = Path(os.environ.get("INFERNET_TEST_DATA", ""))
needs_data = pytest.mark.skipif(
    "INFERNET_TEST_DATA" not in os.environ, reason="INFERNET_TEST_DATA is not set"
)
SHAPE = DecoderShape(64, 96, 2, 4, 2, 80, 32)
FINE = {"activation": DType.I16, "cache": DType.I16, "weight_bytes": 2}


def program_of(shape: DecoderShape = SHAPE, **choices: object) -> Program:
    decoder = seeded_decoder(shape, 3)
    tokens = np.random.default_rng(9).integers(0, shape.vocabulary, 2 * shape.context).tolist()
    given = {"context": shape.context, "end_tokens": (), **choices}
    return decoder_program(decoder, ranges_of(decoder, tokens), Choices(**given))


def prompt_of(length: int, vocabulary: int = 80) -> list[int]:
    tokens: list[int] = np.random.default_rng(length).integers(0, vocabulary, length).tolist()
    return tokens


@pytest.mark.parametrize("choices", [{}, FINE])
@pytest.mark.parametrize("length", [1, 2, 17, 32])
def test_a_decoder_for_prompts_of_each_length(length: int, choices: dict[str, object]) -> None:
    engine = SequenceEngine(program_of(**choices))
    data = encode_request(prompt_of(length), 32, 80)
    require_every_tensor(engine, data, 32, sorted({0, 1, length - 1, 20, 31}))


def test_a_sample_is_drawn_as_the_reference_draws() -> None:
    engine = SequenceEngine(program_of())
    for number in range(3):
        seed = number.to_bytes(32, "big")
        data = encode_request(prompt_of(5), 32, 80, temperature=1.5, seed=seed)
        require_every_tensor(engine, data, 24, [4, 5, 23])


def test_a_run_halts_where_the_reference_does() -> None:
    tokens = SequenceEngine(program_of()).run(encode_request(prompt_of(9), 32, 80), 30)
    made = tokens.output.view("<i4")[:30].tolist()
    # Made at the prompt's last position, later, and only inside the prompt.
    for end in (made[8], made[15], next(t for t in made[:8] if t not in made[8:])):
        engine = SequenceEngine(program_of(end_tokens=(end,)))
        data = encode_request(prompt_of(9), 32, 80)
        require_every_tensor(engine, data, 30)
        require_same_inside(SequenceEngine(engine.program), data, 30, [7, 8, 15, 29])


def require_bert_tiny(lengths: Sequence[int]) -> None:
    """Compare every tensor of BERT-Tiny on sentences of each length."""
    folder = DATA / "bert-tiny-sst2"
    words = [np.loadtxt(folder / "inputs-sst2" / f"input_{i}.txt") for i in range(10)]
    real = read_npz(folder / "bert_tiny_sst2_encoder.npz")
    encoder = quantise(real, [np.stack(words)])
    program, _ = encoder_program(encoder, 128)
    engine = SequenceEngine(program)
    rng = np.random.default_rng(5)
    for length in lengths:
        data = rng.integers(-32768, 32768, 128 * real.width + 1).astype("<i2")
        chosen = np.stack([words[i] for i in rng.integers(0, 10, length)])
        steps = np.floor(chosen.ravel() / encoder.input_step + 0.5)
        data[: steps.size] = np.clip(steps, -32768, 32767)
        data[-1] = length
        require_every_tensor(engine, data.view(np.uint8), 1)


@needs_data
def test_bert_tiny_at_several_lengths() -> None:
    require_bert_tiny((1, 77, 128))


@needs_data
@pytest.mark.slow
def test_bert_tiny_at_every_length() -> None:
    require_bert_tiny(range(1, 129))


def story_program(**choices: object) -> Program:
    decoder = read_checkpoint(DATA / "stories260k" / "stories260K.bin")
    pieces = read_pieces(DATA / "stories260k" / "tok512.bin")
    text = "Once there was a small boat on a big lake. A boy named Tom wanted to sail it."
    ranges = ranges_of(decoder, pieces.encode(text))
    given = {"context": 512, "end_tokens": (BEGIN_OF_TEXT, END_OF_TEXT), **choices}
    return decoder_program(decoder, ranges, Choices(**given))


@needs_data
@pytest.mark.parametrize("length", [1, 30])
def test_stories_over_40_positions(length: int) -> None:
    program = story_program()
    prompt = [BEGIN_OF_TEXT, *prompt_of(length - 1, 512)]
    data = encode_request(prompt, 512, 512)
    require_every_tensor(SequenceEngine(program), data, 40)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("threads", "length", "choices"), [(1, 1, {}), (2, 200, {}), (1, 200, FINE)]
)
def test_stories_over_256_positions(threads: int, length: int, choices: dict[str, object]) -> None:
    program = story_program(end_tokens=(), **choices)
    data = encode_request([BEGIN_OF_TEXT, *prompt_of(length - 1, 512)], 512, 512)
    require_same_inside(SequenceEngine(program, threads), data, 256, range(256))


@pytest.mark.slow
def test_llama_shapes_prefill_32_and_decode_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path))
    _, folder = build_text_model(
        LLAMA_NAME, TextOptions("llama", "", positions=64), seed=3, layers=2
    )
    program = load_model(folder, hash_bytes).program
    vocabulary = LLAMA_3_8B.vocabulary
    data = encode_request(prompt_of(32, vocabulary), 64, vocabulary)
    # The reference runs each position by itself, the engine the prompt's as one.
    require_same_inside(SequenceEngine(program, threads=2), data, 40, range(40))
