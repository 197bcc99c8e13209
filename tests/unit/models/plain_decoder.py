"""A decoder written plainly in real numbers, one position at a time, to compare programs with."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from infernet.models.sequence.decoder import Decoder, DecoderLayer, DecoderShape

SIZES = DecoderShape(64, 96, 2, 4, 2, 80, 32)


def seeded(shape: DecoderShape = SIZES, seed: int = 3) -> Decoder:
    """Return a decoder with random weights."""
    rng = np.random.default_rng(seed)

    def matrix(outputs: int, inputs: int) -> np.ndarray:
        return rng.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32)

    w, kv, hidden = shape.width, shape.kv_width, shape.hidden
    sizes = {"query": (w, w), "key": (kv, w), "value": (kv, w), "out": (w, w)}
    sizes |= {"gate": (hidden, w), "up": (hidden, w), "down": (w, hidden)}
    layers = [
        DecoderLayer(
            **{
                field.name: matrix(*sizes[field.name])
                if field.name in sizes
                else rng.uniform(0.5, 1.5, w).astype(np.float32)
                for field in fields(DecoderLayer)
            }
        )
        for _ in range(shape.layers)
    ]
    norm = rng.uniform(0.5, 1.5, w)
    embedding, head = rng.normal(size=(2, shape.vocabulary, w))
    return Decoder(shape, embedding, layers.__getitem__, norm, head * 0.7)


class PlainDecoder:
    """Keeps the keys and values of the positions so far."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.layers = [decoder.layer(i) for i in range(decoder.shape.layers)]
        self.kept = [([], []) for _ in self.layers]

    def logits(self, token: int) -> np.ndarray:
        """Return the logits after one more token."""
        x = self.decoder.embedding[token].astype(float)
        for layer, kept in zip(self.layers, self.kept, strict=True):
            x = x + layer.out @ self._context(self._norm(x, layer.attention_norm), layer, *kept)
            h = self._norm(x, layer.hidden_norm)
            gate = layer.gate @ h
            x = x + layer.down @ (gate / (1 + np.exp(-gate)) * (layer.up @ h))
        return self.decoder.head @ self._norm(x, self.decoder.final_norm)

    def _norm(self, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return x / np.sqrt(np.mean(x * x) + self.decoder.shape.epsilon) * weights

    def _context(
        self, h: np.ndarray, layer: DecoderLayer, keys: list[np.ndarray], values: list[np.ndarray]
    ) -> np.ndarray:
        shape = self.decoder.shape
        position = len(keys)
        angle = position * shape.theta ** (-np.arange(0, shape.head, 2) / shape.head)

        def turned(weights: np.ndarray) -> np.ndarray:
            pairs = (weights @ h).reshape(-1, shape.head // 2, 2)
            spun = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angle)
            return np.stack([spun.real, spun.imag], axis=-1).reshape(-1, shape.head)

        query = turned(layer.query)
        keys.append(turned(layer.key))
        values.append((layer.value @ h).reshape(-1, shape.head))
        context = []
        for head in range(shape.heads):
            shared = head * shape.kv_heads // shape.heads
            scores = np.array([key[shared] @ query[head] for key in keys]) / shape.head**0.5
            odds = np.exp(scores - scores.max())
            mixed = sum(odd * value[shared] for odd, value in zip(odds, values, strict=True))
            context.append(mixed / odds.sum())
        return np.concatenate(context)


def greedy(decoder: Decoder, prompt: Sequence[int], positions: int) -> list[int]:
    """Return the likeliest token after each position; the prompt goes first."""
    plain, made = PlainDecoder(decoder), []
    for position in range(positions):
        token = prompt[position] if position < len(prompt) else made[-1]
        made.append(int(plain.logits(token).argmax()))
    return made
