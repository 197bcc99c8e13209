"""Seeded encoders have the true sizes, and agree with their floats."""

from __future__ import annotations

import numpy as np

from infernet.models.sequence.encoder import encoder_program
from infernet.models.sequence.quantise import quantise
from infernet.models.sequence.seeded import BERT_TINY, seeded_encoder, seeded_sequences

from .test_sequence_encoder import assert_every_tensor, cosine, given, output


def test_bert_tiny_with_seeded_weights_agrees_with_its_floats() -> None:
    real = seeded_encoder(BERT_TINY, 1)
    encoder = quantise(real, seeded_sequences(BERT_TINY, 2, (128, 64, 10)))
    program, _ = encoder_program(encoder, 128)
    sequences = seeded_sequences(BERT_TINY, 3, (3, 40, 128))
    for words in sequences:
        data = given(encoder, 128, words)
        assert_every_tensor(encoder, program, 128, data)
        found = output(program, data) * encoder.output_step
        assert cosine(found, real.run(words)) > 0.99
    # A word's row in i16, and those of all positions: nearly all of the constants.
    assert program.header.constants_bytes > 2 * 128 * (30_522 + 512)


def test_a_seed_names_its_weights() -> None:
    words = np.arange(9)
    first, again, other = (seeded_encoder(BERT_TINY, seed).run(words) for seed in (4, 4, 5))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
