"""Decoders: seeded ones, and the real stories260K, against a plain decoder in real numbers."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from infernet.models.errors import InvalidCalibration, InvalidInput, InvalidOption
from infernet.models.sequence.checkpoint import read_checkpoint
from infernet.models.sequence.decode import Choices, decoder_program
from infernet.models.sequence.decoder import Decoder, DecoderShape, ranges_of
from infernet.models.sequence.pieces import BEGIN_OF_TEXT, END_OF_TEXT, Pieces, read_pieces
from infernet.models.sequence.request import encode_request
from infernet.models.sequence.seeded_decoder import seeded_decoder
from interpreter import machine
from interpreter.operators import decode
from interpreter.program import Opcode, Program, Step
from interpreter.tensors import DType

from .plain_decoder import SIZES, PlainDecoder, greedy, seeded

DATA = Path(os.environ.get("INFERNET_TEST_DATA", "")) / "stories260k"
needs_data = pytest.mark.skipif(
    "INFERNET_TEST_DATA" not in os.environ, reason="INFERNET_TEST_DATA is not set"
)
TEXT = (
    "Once there was a small boat on a big lake. A boy named Tom wanted to sail it. His mom said, "
    '"Be careful, the wind is strong today!" Tom was happy and ran to the water. Then the boat hit '
    "a rock and he was very sad. A kind duck came to help him. They played together all day."
)
I8, I16 = DType.I8, DType.I16
FINE = {"activation": I16, "cache": I16, "weight_bytes": 2}
# Heads that fill a step of the map grid, and one that shares no keys.
WHOLE_HEADS = DecoderShape(64, 72, 1, 2, 1, 50, 32)
UNSHARED = DecoderShape(32, 40, 3, 4, 4, 300, 64, 500_000.0)


def program_of(decoder: Decoder, **choices: object) -> Program:
    rng = np.random.default_rng(9)
    tokens = rng.integers(0, decoder.shape.vocabulary, 3 * decoder.shape.context).tolist()
    given = {"context": decoder.shape.context, "end_tokens": (), **choices}
    return decoder_program(decoder, ranges_of(decoder, tokens), Choices(**given))


def made(program: Program, data: np.ndarray, positions: int) -> list[int]:
    tokens: list[int] = machine.run(program, data, positions).view("<i4")[:positions].tolist()
    return tokens


@pytest.mark.parametrize("shape", [SIZES, WHOLE_HEADS, UNSHARED])
def test_a_fine_program_makes_the_tokens_of_real_numbers(shape: DecoderShape) -> None:
    decoder = seeded(shape)
    program = program_of(decoder, **FINE)
    prompt = [5, 7, 11]
    data = encode_request(prompt, shape.context, shape.vocabulary)
    assert made(program, data, 32) == greedy(decoder, prompt, 32)


@pytest.mark.parametrize("cache", [I8, I16])
def test_bytes_keep_most_tokens(cache: DType) -> None:
    decoder = seeded()
    prompt = greedy(decoder, [1, 2, 3], 31)
    data = encode_request(prompt, 32, decoder.shape.vocabulary)
    found = made(program_of(decoder, cache=cache), data, 32)
    expected = greedy(decoder, prompt, 32)
    assert sum(a == b for a, b in zip(found, expected, strict=True)) >= 28


@pytest.mark.parametrize("choices", [{}, FINE])
def test_every_step_of_a_position_gives_what_the_whole_gives(choices: dict[str, object]) -> None:
    decoder = seeded(DecoderShape(32, 40, 1, 4, 2, 40, 32))
    program = program_of(decoder, **choices)
    data = encode_request([3], 32, 40)
    seen: list[bytes] = []
    machine.complete(program, data, 1, lambda p, index, tensor: seen.append(tensor.tobytes()))
    memory, accumulator, folded = machine.start(program, data), 0, []
    for operator in program.operators[:-1]:
        instruction = decode(operator)
        for at in range(operator.first_step, operator.first_step + instruction.steps):
            accumulator, _ = machine.step(program, 2, Step(at), memory, accumulator)
        if instruction.destination:
            register = memory.slots[instruction.destination.slot]
            assert register is not None
            folded.append(register.data.tobytes())
    assert folded == seen


def test_a_run_ends_with_an_end_token_after_the_prompt() -> None:
    decoder = seeded()
    tokens = greedy(decoder, [5, 7], 32)
    # Position 0 makes a token that may be an end token too; the prompt goes on.
    ends = tokens[0], tokens[6]
    stop = next(p for p in range(1, 32) if tokens[p] in ends)
    program = program_of(decoder, end_tokens=ends, **FINE)
    outcome = machine.complete(program, encode_request([5, 7], 32, 80), 32)
    assert outcome.halted
    assert outcome.output.view("<i4").tolist() == tokens[: stop + 1] + [0] * (31 - stop)


def test_samples_follow_the_odds_of_their_temperature() -> None:
    decoder = seeded(DecoderShape(32, 40, 1, 4, 2, 40, 32))
    program = program_of(decoder, **FINE)
    logits = PlainDecoder(decoder).logits(7)
    draws = 200
    for temperature in (0.7, 1.5):
        odds = np.exp((logits - logits.max()) / temperature)
        odds /= odds.sum()
        counts: Counter[int] = Counter()
        for number in range(draws):
            seed = number.to_bytes(32, "big")
            data = encode_request([7], 32, 40, temperature=temperature, seed=seed)
            counts[made(program, data, 1)[0]] += 1
        found = np.array([counts[token] for token in range(40)]) / draws
        # Four standard deviations of a count.
        assert (np.abs(found - odds) <= 4 * np.sqrt(odds * (1 - odds) / draws) + 1 / draws).all()


@pytest.mark.parametrize("temperature", [5e-324, 1e-8, 1e-3, 1 / 256])
def test_cold_requests_take_the_likeliest(temperature: float) -> None:
    decoder = seeded(DecoderShape(32, 40, 1, 4, 2, 40, 32))
    program = program_of(decoder, **FINE)
    cold = encode_request([7], 32, 40, temperature=temperature, seed=b"a" * 32)
    assert made(program, cold, 5) == made(program, encode_request([7], 32, 40), 5)


def test_a_request_that_cannot_be_is_refused() -> None:
    for prompt in ([], [1] * 33, [80], [-1]):
        with pytest.raises(InvalidInput, match="prompt"):
            encode_request(prompt, 32, 80)
    for temperature in (-1e-9, 2049.0, float("nan")):
        with pytest.raises(InvalidInput, match="from 0 to 2048"):
            encode_request([1], 32, 80, temperature=temperature)
    with pytest.raises(InvalidInput, match="a seed has 32 bytes"):
        encode_request([1], 32, 80, temperature=1.0, seed=b"short")


def test_choices_that_cannot_be_are_refused() -> None:
    decoder = seeded()
    for context in (0, 33, 64):
        with pytest.raises(InvalidOption, match=f"context {context} is not a multiple of 32"):
            program_of(decoder, context=context)
    for tokens in ([1], [1, 80]):
        with pytest.raises(InvalidCalibration, match="two or more tokens below 80"):
            ranges_of(decoder, tokens)


def test_bytes_come_close_where_a_few_channels_are_far_stronger() -> None:
    shape = DecoderShape(256, 704, 2, 4, 2, 512, 64, 500_000.0)
    decoder = seeded_decoder(shape, 7)
    program = program_of(decoder)
    # The scale of logits goes before that of their odds.
    scales = [i for i, op in enumerate(program.operators) if op.opcode == Opcode.SCALE]
    found: list[np.ndarray] = []

    def observe(position: int, index: int, tensor: np.ndarray) -> None:
        if index == scales[-2]:
            found.append(tensor.view("<i4").astype(float))

    prompt = np.random.default_rng(1).integers(0, 512, 24).tolist()
    machine.complete(program, encode_request(prompt, 64, 512), 24, observe)
    plain = PlainDecoder(decoder)
    cosines = []
    for token, integers in zip(prompt, found, strict=True):
        reals = plain.logits(token)
        cosines.append(integers @ reals / np.linalg.norm(integers) / np.linalg.norm(reals))
    assert np.mean(cosines) > 0.99


def test_seeded_layers_are_the_same_whenever_they_are_asked_for() -> None:
    first, second = (seeded_decoder(SIZES, 7) for _ in range(2))
    assert np.array_equal(first.layer(1).down, second.layer(1).down)
    assert not np.array_equal(first.layer(0).down, first.layer(1).down)
    assert not np.array_equal(first.head, seeded_decoder(SIZES, 8).head)


def real_program(**choices: object) -> tuple[Decoder, Pieces, Program]:
    decoder, pieces = read_checkpoint(DATA / "stories260K.bin"), read_pieces(DATA / "tok512.bin")
    given = Choices(**{"context": 512, "end_tokens": (BEGIN_OF_TEXT, END_OF_TEXT), **choices})
    return decoder, pieces, decoder_program(decoder, ranges_of(decoder, pieces.encode(TEXT)), given)


def story(program: Program, positions: int) -> list[int]:
    return made(program, encode_request([BEGIN_OF_TEXT], 512, 512), positions)


@needs_data
def test_the_tokenizer_gives_back_the_text() -> None:
    pieces = read_pieces(DATA / "tok512.bin")
    for text in (TEXT, "", "é…\n\t日本"):
        assert pieces.decode(pieces.encode(text)) == text
    tokens = pieces.encode("Once upon a time, there")
    expected = [b" Once", b" upon", b" a", b" time", b",", b" there"]
    assert [pieces.pieces[token] for token in tokens[1:]] == expected


@needs_data
def test_the_story_in_bytes_goes_further_than_115_characters() -> None:
    decoder, pieces, program = real_program()
    expected = pieces.decode(greedy(decoder, [BEGIN_OF_TEXT], 50))
    assert expected.startswith("Once upon a time, there was a little girl named Lily.")
    assert len(expected) > 115
    assert pieces.decode(story(program, 50)) == expected


@needs_data
def test_the_fine_story_is_that_of_real_numbers() -> None:
    decoder, _, program = real_program(**FINE)
    assert story(program, 100) == greedy(decoder, [BEGIN_OF_TEXT], 100)


@needs_data
@pytest.mark.slow
def test_the_fine_story_is_that_of_real_numbers_to_the_last_token() -> None:
    decoder, _, program = real_program(end_tokens=(), **FINE)
    expected = greedy(decoder, [BEGIN_OF_TEXT], 512)
    assert story(program, 512) == expected
    # A new story begins at 345, where a program with end tokens stops.
    _, _, program = real_program(**FINE)
    assert expected[345] == BEGIN_OF_TEXT
    assert story(program, 512) == expected[:346] + [0] * 166
