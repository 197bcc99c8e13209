"""Requests that no tokenizer makes: anybody can put any bytes on chain as a text's input.

Lengths, tokens, flags, coldness and seeds stand anywhere in 32 bits. Engine, reference and contract
agree on each, and no dispute about one is lost by who is right.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from bisection.game import Player
from infernet.backend.engine import open_engine
from infernet.backend.trace import Trace
from infernet.models.sequence.decode import Choices, decoder_program
from infernet.models.sequence.decoder import DecoderShape, ranges_of
from infernet.models.sequence.request import (
    COLDNESS,
    GREEDY,
    LENGTH,
    PROMPT,
    SEED,
    input_elements,
)
from infernet.models.sequence.seeded import EncoderShape, seeded_encoder
from infernet.models.text_import import TextOptions, import_encoder
from infernet.models.text_tokenizers import of_bytes
from interpreter.program import Program, Step
from tests.e2e.disputes_arena import Arena
from tests.e2e.sequence_disputes import Court, Told
from tests.exposure import require_every_tensor
from tests.unit.models.plain_decoder import seeded

Bytes = npt.NDArray[np.uint8]

CONTEXT, VOCABULARY, ENDS = 32, 80, (5, 6, 79)
LEAST, MOST = -(2**31), 2**31 - 1
ENDS_OF_WORDS = (LEAST, MOST, -1, 0, 1)
LENGTHS = (*ENDS_OF_WORDS, 2, 5, CONTEXT - 1, CONTEXT, CONTEXT + 1, 1_000, -CONTEXT)
COLDNESSES = (*ENDS_OF_WORDS, 2**11, 2**19, 2**30, -(2**30))


@cache
def decoder() -> Program:
    """Return the program of a small decoder with end tokens."""
    real = seeded(DecoderShape(32, 40, 2, 4, 2, VOCABULARY, 64))
    return decoder_program(real, ranges_of(real, list(range(60))), Choices(CONTEXT, ENDS))


def tokens(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """Return tokens: real ones, end tokens, those just outside, or any numbers."""
    edges = (*ENDS_OF_WORDS, VOCABULARY - 1, VOCABULARY, *ENDS)
    drawn = (
        rng.integers(0, VOCABULARY, count),
        rng.choice(ENDS, count),
        rng.choice(edges, count),
        rng.integers(LEAST, MOST, count, endpoint=True),
    )
    return drawn[int(rng.integers(len(drawn)))]


def wild(rng: np.random.Generator) -> Bytes:
    """Return the input of a decoder that no request makes."""
    words = np.zeros(input_elements(CONTEXT), np.int64)
    words[LENGTH] = rng.choice(LENGTHS)
    words[GREEDY] = rng.choice((*ENDS_OF_WORDS, 2))
    words[COLDNESS] = rng.choice(COLDNESSES)
    words[SEED:PROMPT] = rng.integers(LEAST, MOST, PROMPT - SEED, endpoint=True)
    words[PROMPT:] = tokens(rng, CONTEXT)
    return words.astype("<i4").view(np.uint8)


@pytest.mark.parametrize("seed", range(16))
def test_every_tensor_of_a_wild_request_is_the_reference_s(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    for iterations in (1, 2, int(rng.integers(3, CONTEXT + 1))):
        require_every_tensor(open_engine(decoder()), wild(rng), iterations)


@pytest.mark.parametrize("has_classes", [True, False])
def test_every_tensor_of_a_wild_sequence_is_the_reference_s(has_classes: bool) -> None:
    real = seeded_encoder(EncoderShape(64, 64, 2, 1, 258, 64, 2), 3)
    real = real if has_classes else replace(real, classifier=None)
    options = TextOptions("wild", "", positions=CONTEXT)
    program = import_encoder(real, of_bytes(is_encoder=True), options, "one two\nthree").program
    rng = np.random.default_rng(int(has_classes))
    for length in LENGTHS:
        words = np.array([*tokens(rng, CONTEXT), length]).astype("<i4")
        require_every_tensor(open_engine(program), words.view(np.uint8), 1)


@pytest.fixture(scope="module")
def arena() -> Arena:
    return Arena(arity=8)


def play(arena: Arena, length: int, liars: Player, most: int) -> None:
    """Play disputes over a request of a prompt that claims to be so long."""
    rng = np.random.default_rng([abs(length), liars is Player.EXECUTOR])
    data = wild(rng)
    data.view("<i4")[LENGTH] = length
    told = Told(Trace(decoder(), data, open_engine(decoder()), 6), seed=int(rng.integers(99)))
    court = Court(arena, told)
    for kind in rng.permutation(told.kinds()).tolist()[:most]:
        court.play(kind, liars)


@pytest.mark.parametrize(
    ("length", "liars"), [(LEAST, Player.EXECUTOR), (0, Player.CHALLENGER), (MOST, Player.EXECUTOR)]
)
def test_who_is_right_wins_over_a_wild_request(arena: Arena, length: int, liars: Player) -> None:
    play(arena, length, liars, 1)


@pytest.mark.slow
@pytest.mark.parametrize("liars", Player)
@pytest.mark.parametrize("length", LENGTHS)
def test_who_is_right_wins_whatever_the_lie(arena: Arena, length: int, liars: Player) -> None:
    play(arena, length, liars, 3)


@pytest.mark.parametrize("seed", range(2))
def test_the_contract_agrees_on_each_token_of_a_wild_request(arena: Arena, seed: int) -> None:
    program, rng = decoder(), np.random.default_rng([seed, 2])
    arena.register(program)
    truth = Trace(program, wild(rng), open_engine(program), 3)
    told = Told(truth, seed)
    wanted = ("TOKEN", "EMBED", "DRAW", "HALT", "LOOKUP", "MASK", "REDUCE", "END")
    steps = [told.in_step_of(opcode) for opcode in wanted]
    for at in steps:
        found = arena.verifier.functions.prove(program.root, 3, at, truth.proof(at)).call()
        assert [bytes(each) for each in found] == truth.state_hashes([at, Step(at + 1)]), at
