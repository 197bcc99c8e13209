"""Disputes about decoders and encoders on the real contracts: every kind of lie loses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bisection.game import Player
from infernet.backend.engine import open_engine
from infernet.backend.trace import Trace
from infernet.models.sequence.checkpoint import read_checkpoint
from infernet.models.sequence.decode import Choices, decoder_program
from infernet.models.sequence.decoder import ranges_of
from infernet.models.sequence.encoder import encoder_program
from infernet.models.sequence.pieces import BEGIN_OF_TEXT, END_OF_TEXT, read_pieces
from infernet.models.sequence.quantise import quantise
from infernet.models.sequence.request import encode_request
from interpreter.program import Program
from tests.unit.models.test_sequence_decoder import TEXT
from tests.unit.models.test_sequence_encoder import given, sentence
from tests.unit.test_decoder import decoder, request, tokens_of

from .disputes_arena import Arena
from .sequence_disputes import KINDS, Court, Told, summary

CONTEXT = 128
PROMPT = "Once upon a time, there was a little girl named Lily. She"
FULL_STOP, NEW_LINE = 426, 13
HALTING = ["halted flag", *KINDS]
needs_data = pytest.mark.skipif(
    "INFERNET_TEST_DATA" not in os.environ, reason="INFERNET_TEST_DATA is not set"
)


@pytest.fixture(scope="module")
def small_arena() -> Arena:
    """Return a chain whose games are cut four-fold, so that a small program makes deep games."""
    return Arena(arity=4)


@pytest.fixture(scope="module")
def arena() -> Arena:
    return Arena()


@cache
def small() -> Told:
    """Return a run of a small decoder: an end token inside the prompt, and one that ends it."""
    data = request(0, 0, 9)
    free = tokens_of(decoder((-1,)), data)
    program = decoder((free[0], free[4]))
    return Told(Trace(program, data, open_engine(program), 6), seed=3)


def test_the_small_run_has_room_for_every_lie() -> None:
    told = small()
    assert (told.end, told.prompt, told.iterations) == (4, 3, 6)
    assert told.kinds() == HALTING


@pytest.mark.parametrize("liars", Player)
@pytest.mark.parametrize("kind", HALTING)
def test_every_kind_of_lie_about_a_small_decoder_loses(
    small_arena: Arena, kind: str, liars: Player
) -> None:
    Court(small_arena, small()).play(kind, liars)


@cache
def stories(end_tokens: tuple[int, ...]) -> Program:
    """Return the program of stories260K for 128 positions."""
    folder = Path(os.environ["INFERNET_TEST_DATA"]) / "stories260k"
    model, pieces = read_checkpoint(folder / "stories260K.bin"), read_pieces(folder / "tok512.bin")
    ranges = ranges_of(model, pieces.encode(TEXT))
    return decoder_program(model, ranges, Choices(CONTEXT, end_tokens))


def story(
    end_tokens: tuple[int, ...], *, temperature: float = 0.0, text: str = PROMPT, seed: int = 1
) -> Told:
    """Return the story after a prompt, over 128 positions."""
    program = stories(end_tokens)
    pieces = read_pieces(Path(os.environ["INFERNET_TEST_DATA"]) / "stories260k/tok512.bin")
    prompt = pieces.encode(text)
    drawn = Random(seed).randbytes(32)
    data = encode_request(prompt, CONTEXT, 512, temperature=temperature, seed=drawn)
    return Told(Trace(program, data, open_engine(program), CONTEXT), seed)


def judge(arena: Arena, name: str, told: Told, kinds: Sequence[str]) -> None:
    """Play a dispute for each kind, a lying executor's and a lying challenger's in turn."""
    court = Court(arena, told)
    for number, kind in enumerate(kinds):
        court.play(kind, list(Player)[number % 2])
    print(summary(name, told, court.played))


@needs_data
def test_lies_about_a_story_that_ends_lose(arena: Arena) -> None:
    told = story((BEGIN_OF_TEXT, END_OF_TEXT, FULL_STOP))
    # The prompt ends a sentence as well; the run does not.
    assert (told.prompt, told.end) == (17, 30)
    judge(arena, "stories260K, ends", told, ["stop inside the prompt", "halted tail"])


@needs_data
@pytest.mark.slow
def test_thirty_disputes_about_stories(arena: Arena) -> None:
    told = story((BEGIN_OF_TEXT, END_OF_TEXT, FULL_STOP))
    assert told.kinds() == HALTING
    judge(arena, "stories260K, ends at 30", told, HALTING)
    told = story((BEGIN_OF_TEXT, END_OF_TEXT, NEW_LINE))
    assert told.end == 98
    judge(arena, "stories260K, ends at 98", told, [*told.kinds(), "KV entry", "sample"])
    told = story((BEGIN_OF_TEXT, END_OF_TEXT), temperature=0.8, text="Tom")
    assert told.end is None
    judge(arena, "stories260K, sampled", told, [*told.kinds(), "sample", "KV entry", "any step"])


@cache
def bert_tiny(length: int) -> Told:
    """Return BERT-Tiny's run on embedded words, of a program for 128."""
    real, words = sentence()
    model = quantise(real, [words])
    program, _ = encoder_program(model, CONTEXT)
    part = words[np.random.default_rng(length).integers(0, 10, length)]
    data = given(model, CONTEXT, part).view(np.uint8)
    return Told(Trace(program, data, open_engine(program)), length)


@needs_data
@pytest.mark.slow
def test_thirty_disputes_about_bert_tiny(arena: Arena) -> None:
    drawn = Random(5)
    for length in (1, 10, 31, 64, 128):
        told = bert_tiny(length)
        opcodes = sorted({operator.opcode.name for operator in told.program.operators})
        kinds = ["halted flag", "logit", "any step", *drawn.sample(opcodes, 3)]
        judge(arena, f"BERT-Tiny, length {length}, {', '.join(kinds)}", told, kinds)
