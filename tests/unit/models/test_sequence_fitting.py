"""Encoders whose parts do not fit each other are refused when they are read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from infernet.models.errors import InvalidSource
from infernet.models.sequence.reals import RealEncoder, RealLinear, RealNorm, fitting

from .test_sequence_encoder import HEADS, seeded


def first_layer(real: RealEncoder, **parts: Any) -> RealEncoder:
    return replace(real, layers=(replace(real.layers[0], **parts), *real.layers[1:]))


def test_parts_that_fit_are_taken() -> None:
    for has_words in (True, False):
        real = seeded(1, has_words=has_words, has_classes=has_words)
        assert fitting(real) is real


def test_parts_that_do_not_fit_are_refused() -> None:
    real = seeded(1, has_words=True, has_classes=True)
    embedding, classifier, layer = real.embedding, real.classifier, real.layers[0]
    assert embedding is not None and classifier is not None
    narrow = RealLinear(layer.query.weights[:, 1:], layer.query.bias)
    flat = RealLinear(layer.query.weights.ravel(), layer.query.bias)
    short = RealNorm(layer.output_norm.gain, layer.output_norm.bias[1:], 1e-12)
    wrong = [
        replace(real, heads=0),
        replace(real, heads=HEADS + 1),
        *(first_layer(real, **{part: narrow}) for part in ("query", "key", "value", "heads_out")),
        first_layer(real, up=flat),
        first_layer(real, down=layer.up),
        first_layer(real, attention_norm=short),
        first_layer(real, output_norm=RealNorm(np.array(1.0), np.array(1.0), 1e-12)),
        replace(real, embedding=replace(embedding, positions=embedding.positions[:, 1:])),
        replace(real, embedding=replace(embedding, words=embedding.words[:0])),
        replace(real, classifier=replace(classifier, pooler=narrow)),
        replace(real, classifier=replace(classifier, classes=narrow)),
    ]
    for each in wrong:
        with pytest.raises(InvalidSource):
            fitting(each)
