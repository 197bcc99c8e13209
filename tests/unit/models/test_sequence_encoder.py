"""Encoders: seeded ones of every kind, and the real BERT-Tiny, against plain NumPy and floats."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from infernet.models.errors import InvalidCalibration, InvalidOption, InvalidSource
from infernet.models.sequence.bert import read_npz
from infernet.models.sequence.encoder import encoder_program
from infernet.models.sequence.parts import Encoder
from infernet.models.sequence.quantise import Choices, quantise
from infernet.models.sequence.reals import (
    RealClassifier,
    RealEmbedding,
    RealEncoder,
    RealLayer,
    RealLinear,
    RealNorm,
)
from interpreter import machine
from interpreter.program import Program, Step

from .plain_encoder import PlainEncoder

WIDTH, HEADS, INNER, WORDS, POSITIONS = 64, 2, 96, 50, 32

Array = npt.NDArray[Any]


def seeded(seed: int, *, has_words: bool, has_classes: bool, active: str = "gelu") -> RealEncoder:
    """Return a small encoder with weights of a seed, some columns of its stream far stronger."""
    random = np.random.default_rng(seed)

    def linear(cols: int, length: int) -> RealLinear:
        weights = random.standard_t(5, (cols, length)) / np.sqrt(length)
        return RealLinear(weights, random.normal(0, 0.1, cols))

    def norm() -> RealNorm:
        gain = np.exp(random.normal(0, 0.2, WIDTH))
        gain[3] *= 8
        return RealNorm(gain, random.normal(0, 0.1, WIDTH), 1e-12)

    def layer() -> RealLayer:
        heads = [linear(WIDTH, WIDTH) for _ in range(4)]
        return RealLayer(*heads, norm(), linear(INNER, WIDTH), linear(WIDTH, INNER), norm())

    embedding = None
    if has_words:
        words, places = (random.normal(0, 0.05, (n, WIDTH)) for n in (WORDS, POSITIONS))
        embedding = RealEmbedding(words, places, norm())
    classifier = RealClassifier(linear(WIDTH, WIDTH), linear(3, WIDTH)) if has_classes else None
    return RealEncoder(HEADS, active, embedding, (layer(), layer()), classifier)


def sequences(real: RealEncoder, seed: int, lengths: tuple[int, ...]) -> list[Array]:
    random = np.random.default_rng(seed)
    if real.embedding:
        return [random.integers(0, WORDS, n) for n in lengths]
    return [random.normal(0, 1, (n, real.width)) for n in lengths]


def given(encoder: Encoder, positions: int, words: Array, filler: int = 0) -> Array:
    """Return the program's input for a sequence; `filler` stands behind it."""
    if encoder.embedding:
        data = np.full(positions + 1, filler, "<i4")
        data[: len(words)] = words
    else:
        data = np.full(positions * encoder.width + 1, filler, "<i2")
        steps = np.floor(words.ravel() / encoder.input_step + 0.5)
        data[: words.size] = np.clip(steps, -32768, 32767)
    data[-1] = len(words)
    return data


def output(program: Program, data: Array) -> Array:
    return machine.run(program, data.view(np.uint8)).view("<i4")


def cosine(a: Array, b: Array) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def assert_every_tensor(encoder: Encoder, program: Program, positions: int, data: Array) -> None:
    """Compare each stored tensor with plain NumPy's, and prove that none was left out."""
    plain = PlainEncoder(encoder, positions)
    expected = plain.run(data)
    seen: list[tuple[str, Array]] = []

    def observe(iteration: int, index: int, stored: Array) -> None:
        operator = program.operators[index]
        name = f"operator {index} ({operator.opcode.name})"
        seen.append((name, stored.view(operator.dst_dtype.numpy).copy()))

    found = machine.run(program, data.view(np.uint8), observe=observe)
    assert len(seen) == len(plain.tensors) > 30
    for (name, stored), tensor in zip(seen, plain.tensors, strict=True):
        assert np.array_equal(stored, tensor.ravel()), name
    assert np.array_equal(found.view("<i4"), expected.ravel())


@pytest.mark.parametrize(
    ("has_words", "has_classes", "active"),
    [
        (True, True, "gelu"),
        (True, False, "gelu_new"),
        (False, True, "relu"),
        (False, False, "gelu"),
    ],
)
def test_every_tensor_is_what_plain_arithmetic_says(
    has_words: bool, has_classes: bool, active: str
) -> None:
    real = seeded(1, has_words=has_words, has_classes=has_classes, active=active)
    encoder = quantise(real, sequences(real, 2, (1, 3, 5, 17, *[30] * 6)))
    program, layers = encoder_program(encoder, POSITIONS)
    assert len(layers) == len(program.operators)
    likenesses = []
    for words in sequences(real, 3, (1, 2, 9, 20, 32)):
        data = given(encoder, POSITIONS, words)
        assert_every_tensor(encoder, program, POSITIONS, data)
        likenesses.append(cosine(output(program, data).astype(float), real.run(words)))
    # Seeded attention is far sharper than a trained model's: single sequences may fall off.
    assert np.median(likenesses) > 0.99, likenesses


@pytest.mark.parametrize("has_words", [True, False])
def test_what_lies_behind_the_sequence_changes_nothing(has_words: bool) -> None:
    real = seeded(4, has_words=has_words, has_classes=False)
    encoder = quantise(real, sequences(real, 5, (20,)))
    program, _ = encoder_program(encoder, POSITIONS)
    (words,) = sequences(real, 6, (11,))
    results = [output(program, given(encoder, POSITIONS, words, filler)) for filler in (0, 31, -9)]
    assert all(np.array_equal(results[0], other) for other in results[1:])
    if not has_words:
        longer, _ = encoder_program(encoder, 64)
        assert np.array_equal(results[0], output(longer, given(encoder, 64, words)))


def test_step_by_step_is_the_same_run() -> None:
    real = seeded(6, has_words=True, has_classes=True)
    encoder = quantise(replace(real, layers=real.layers[:1]), sequences(real, 5, (20,)))
    program, _ = encoder_program(encoder, POSITIONS)
    (words,) = sequences(real, 6, (13,))
    data = given(encoder, POSITIONS, words)
    memory, accumulator = machine.start(program, data.view(np.uint8)), 0
    for step in range(program.header.steps_per_iteration):
        accumulator, _ = machine.step(program, 1, Step(step), memory, accumulator)
    register = memory.slots[program.header.output_slot]
    assert register is not None
    assert np.array_equal(register.data.view("<i4"), output(program, data))


def test_extreme_inputs_stay_inside_the_proof() -> None:
    real = seeded(7, has_words=False, has_classes=True)
    encoder = quantise(real, sequences(real, 8, (20,)), Choices(False, 0.0, 1.0))
    program, _ = encoder_program(encoder, POSITIONS)
    random = np.random.default_rng(9)
    count = POSITIONS * WIDTH + 1
    for data in (
        np.full(count, -32768, "<i2"),
        np.full(count, 32767, "<i2"),
        random.choice(np.array([-32768, 32767], "<i2"), count),
    ):
        assert_every_tensor(encoder, program, POSITIONS, data)


def test_choices_are_told_in_words() -> None:
    assert "least squared error; smoothing 0.6" in Choices().describe()
    told = Choices(False, 0.0, 1.5).describe()
    assert told.startswith("i8 and u8 ranges by the largest magnitude; smoothing 0; i16 streams")
    assert "12-bit index to u8; exponents of 15 bits in steps of 1/64" in told


def test_models_that_cannot_be_programs_are_refused() -> None:
    real = seeded(1, has_words=True, has_classes=True)
    encoder = quantise(real, sequences(real, 2, (5,)))
    with pytest.raises(InvalidOption, match="multiple of 32"):
        encoder_program(encoder, 20)
    with pytest.raises(InvalidOption, match="the model knows 32"):
        encoder_program(encoder, 64)
    with pytest.raises(InvalidCalibration, match="no sequence"):
        quantise(real, [])
    with pytest.raises(InvalidOption, match="no activation 'swish'"):
        quantise(replace(real, activation="swish"), sequences(real, 2, (5,)))
    layer = encoder.layers[0]
    for broken, what in (
        (replace(layer, score=replace(layer.score, multiplier=1 << 50)), "layer 0: scores"),
        (replace(layer, context=replace(layer.context, shift=50)), "layer 0: the sum of weights"),
    ):
        changed = replace(encoder, layers=(broken, *encoder.layers[1:]))
        with pytest.raises(InvalidSource, match=what):
            encoder_program(changed, POSITIONS)


def sentence() -> tuple[RealEncoder, Array]:
    root = os.environ.get("INFERNET_TEST_DATA")
    if not root:
        pytest.skip("INFERNET_TEST_DATA is not set: no trained BERT-Tiny")
    folder = Path(root) / "bert-tiny-sst2"
    words = [np.loadtxt(folder / "inputs-sst2" / f"input_{i}.txt") for i in range(10)]
    return read_npz(folder / "bert_tiny_sst2_encoder.npz"), np.stack(words)


def parts_of(words: Array, seed: int, count: int) -> list[Array]:
    """Return sentences of some of the words, in their order, between the first and the last."""
    random = np.random.default_rng(seed)
    places = [np.sort(random.permutation(8)[: random.integers(1, 9)]) + 1 for _ in range(count)]
    return [words[[0, *chosen, 9]] for chosen in places]


def test_bert_tiny_agrees_with_its_floats() -> None:
    real, words = sentence()
    encoder = quantise(real, [words, *parts_of(words, 1, 30)])
    program, _ = encoder_program(encoder, POSITIONS)
    found = output(program, given(encoder, POSITIONS, words)) * encoder.output_step
    expected = real.run(words)
    print(f"BERT-Tiny: {Choices().describe()}")
    print(f"BERT-Tiny: cosine of the sentence's logits {cosine(found, expected):.5f}")
    assert cosine(found, expected) >= 0.99
    assert found.argmax() == expected.argmax()
    errors = []
    for part in parts_of(words, 7, 20):
        expected = real.run(part)
        found = output(program, given(encoder, POSITIONS, part)) * encoder.output_step
        errors.append(np.abs(found - expected).max())
        is_clear = np.ptp(expected) > 0.3
        assert not is_clear or found.argmax() == expected.argmax()
    print(
        f"BERT-Tiny: logits of its parts differ by {np.mean(errors):.3f}, at most {max(errors):.3f}"
    )
    assert np.mean(errors) < 0.05


def test_bert_tiny_at_lengths_to_128() -> None:
    real, words = sentence()
    encoder = quantise(real, [words])
    program, _ = encoder_program(encoder, 128)
    random = np.random.default_rng(5)
    for length in (1, 31, 128):
        part = words[random.integers(0, 10, length)]
        assert_every_tensor(encoder, program, 128, given(encoder, 128, part))


def test_bert_tiny_in_floats_is_the_source() -> None:
    real, words = sentence()
    onnxruntime = pytest.importorskip("onnxruntime")
    path = Path(os.environ["INFERNET_TEST_DATA"]) / "bert-tiny-sst2/bert_tiny_sst2_encoder.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"embeddings": words[None].astype(np.float32)})
    assert np.allclose(real.run(words), expected[0], atol=1e-4)
