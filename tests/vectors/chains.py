"""Vectors of a small encoder and small decoders: chains that a backend may join into one kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from infernet.models.sequence.arithmetic import Dyadic, exponent_table
from infernet.models.sequence.decode import Choices, decoder_program
from infernet.models.sequence.decoder import Decoder, DecoderLayer, DecoderShape, LayerRanges
from infernet.models.sequence.encoder import encoder_program
from infernet.models.sequence.parts import (
    Classifier,
    Columns,
    Embedding,
    Encoder,
    Layer,
    Linear,
    Norm,
)
from infernet.models.sequence.request import encode_request
from interpreter.program import Program
from interpreter.tensors import DType

from .sheet import Array, Case

U8, I8, I16, I32 = DType.U8, DType.I8, DType.I16, DType.I32
POSITIONS, WORDS, HEADS, WIDTH, INNER = 32, 50, 2, 64, 96
SHAPE = DecoderShape(WIDTH, INNER, 1, HEADS, 1, 40, POSITIONS)
END_TOKENS = (3, 17)


class _Parts:
    """Draws the integer parts of an encoder."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def columns(self, count: int, shift: int, dtype: DType) -> Columns:
        """Return a scale of each column whose multipliers have 21 or 22 bits."""
        bias = self.rng.integers(-2000, 2000, count, dtype=np.int32)
        multiplier = self.rng.integers(2**20, 2**22, count, dtype=np.int32)
        bounds = dtype.minimum, dtype.maximum
        return Columns(bias, multiplier, shift, 0, *bounds, dtype)

    def linear(self, columns: Columns, length: int, zero: int = 0) -> Linear:
        """Return weights, one row of them at each end."""
        weights = self.rng.integers(-127, 128, (len(columns.bias), length), dtype=np.int8)
        weights[0], weights[-1] = 127, -127
        return Linear(weights, zero, columns)

    def norm(self) -> Norm:
        """Return a LayerNorm of the stream."""
        gain = self.rng.integers(2**14, 2**16, WIDTH, dtype=np.int32)
        bias = self.rng.integers(-500, 500, WIDTH, dtype=np.int32)
        return Norm(gain, bias, Dyadic(1, 6), 2**15 - 1)

    def layer(self) -> Layer:
        """Return one layer."""
        index = replace(self.columns(INNER, 25, I16), zero=2048, low=0, high=4095)
        change = replace(self.columns(WIDTH, 26, I32), low=-(1 << 17), high=1 << 17)
        return Layer(
            entry=self.columns(WIDTH, 25, I8),
            heads_in=self.linear(self.columns(3 * WIDTH, 29, I8), WIDTH),
            score=Dyadic(3_000_001, 29),
            context=Dyadic(20_011, 14),
            heads_out=self.linear(change, WIDTH),
            attention_norm=self.norm(),
            middle=self.columns(WIDTH, 25, I8),
            up=self.linear(index, WIDTH),
            activation=self.rng.integers(0, 256, 64, dtype=np.uint8).repeat(64),
            down=self.linear(change, INNER, 20),
            output_norm=self.norm(),
        )

    def encoder(self) -> Encoder:
        """Return an encoder of one layer with a classifier."""
        words = self.rng.integers(-(2**14), 2**14, (WORDS, WIDTH), dtype=np.int16)
        places = self.rng.integers(-(2**12), 2**12, (POSITIONS, WIDTH), dtype=np.int16)
        index = replace(self.columns(WIDTH, 29, I16), zero=2048, low=0, high=4095)
        logits = replace(self.columns(5, 22, I32), low=-(1 << 30), high=1 << 30)
        table = np.sort(self.rng.integers(-(2**15), 2**15, 64)).astype(np.int16).repeat(64)
        classifier = Classifier(self.linear(index, WIDTH), table, self.linear(logits, WIDTH))
        embedding = Embedding(words, places, self.norm())
        exponents = exponent_table()
        return Encoder(WIDTH, HEADS, exponents, embedding, (self.layer(),), classifier, 1.0, 1.0)


def encoder_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return sequences of several lengths, ids past the table among them."""
    program, _ = encoder_program(_Parts(rng).encoder(), POSITIONS)
    for length in (1, 2, 17, 31, 32, 0, -5, 1000):
        given = rng.integers(-3, WORDS + 9, POSITIONS + 1).astype("<i4")
        given[-1] = length
        yield Case(f"{length} of {POSITIONS}", "ENCODER", program, given.view(np.uint8))


def decoder(rng: np.random.Generator, choices: Choices) -> Program:
    """Return the program of a decoder whose weights are whole numbers of 2**-10."""

    def matrix(outputs: int, inputs: int) -> Array:
        weights = rng.integers(-500, 501, (outputs, inputs)) / 1024
        weights[:, 3] *= 4
        return weights

    def norm() -> Array:
        return rng.integers(200, 2000, WIDTH) / 1024

    half = WIDTH // HEADS // 2
    layer = DecoderLayer(
        norm(),
        *(matrix(rows, WIDTH) for rows in (WIDTH, WIDTH // 2, WIDTH // 2, WIDTH)),
        norm(),
        *(matrix(rows, cols) for rows, cols in ((INNER, WIDTH), (INNER, WIDTH), (WIDTH, INNER))),
    )
    ranges = LayerRanges(
        rng.integers(2, 9, (HEADS, half)).astype(float),
        rng.integers(2, 9, (1, half)).astype(float),
        rng.integers(1, 5, WIDTH // 2).astype(float),
        gate=8.0,
        up=8.0,
        product=40.0,
    )
    embedding, head = matrix(SHAPE.vocabulary, WIDTH), matrix(SHAPE.vocabulary, WIDTH)
    whole = Decoder(SHAPE, embedding, lambda _: layer, norm(), head)
    return decoder_program(whole, [ranges], choices)


def decoder_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return greedy and sampled texts up to the last position, of each width of numbers."""
    for name, choices, length, last in (
        ("bytes", Choices(POSITIONS, END_TOKENS), 31, POSITIONS),
        ("words", Choices(POSITIONS, END_TOKENS, I16, I16, 2), 9, 12),
    ):
        program = decoder(rng, choices)
        for temperature, prompt, iterations in (
            (0.0, [5, 3, 9, 17, 30, 2], 10),
            (4.0, [int(token) for token in rng.integers(0, 40, length)], last),
        ):
            seed = rng.bytes(32)
            data = encode_request(
                prompt, POSITIONS, SHAPE.vocabulary, temperature=temperature, seed=seed
            )
            label = f"{name}, {len(prompt)} + {iterations} positions, temperature {temperature}"
            yield Case(label, "DECODER", program, data, iterations)


def chain_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return the vectors of whole models."""
    yield from encoder_cases(rng)
    yield from decoder_cases(rng)
