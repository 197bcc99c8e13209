"""Train, quantise and ship the digits model: `python -m infernet.models.train_digits`.

Needs scikit-learn for its 1,797 handwritten digits (8x8, 17 levels of grey). Four fifths train,
the rest test; both are enlarged to 16x16 as any picture of another size would be.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_digits

from interpreter import machine

from . import digits
from .manifest import Pixels, input_bytes
from .pipeline import Model, Options, import_source
from .source import read_model
from .store import save_model, shipped_dir

Array = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

_BATCH = 64
_PEAK_RATE = 3e-3
_DECAY = 1e-4
_CALIBRATION_IMAGES = 256
_SAMPLES = 4
_LARGEST_SHIFT = 1


@dataclass(frozen=True, slots=True)
class Split:
    """Pictures `u8[n, 16, 16]` and their classes."""

    pictures: Bytes
    labels: Labels

    @property
    def images(self) -> Array:
        """Return the network's input, `f32[n, 16, 16, 1]` from 0 to 1."""
        return (self.pictures[..., None] / np.float32(255)).astype(np.float32)


def load_splits(seed: int) -> tuple[Split, Split]:
    """Return the training and the test split."""
    data = load_digits()
    small = np.rint(data.images * (255 / 16)).astype(np.uint8)
    size = (digits.SIDE, digits.SIDE)
    large = [Image.fromarray(one).resize(size, Image.Resampling.BILINEAR) for one in small]
    pictures, labels = np.stack([np.asarray(one) for one in large]), np.asarray(data.target)
    order = np.random.default_rng(seed).permutation(len(pictures))
    test, train = np.split(order, [len(order) // 5])
    return Split(pictures[train], labels[train]), Split(pictures[test], labels[test])


def train(split: Split, epochs: int, seed: int) -> digits.Parameters:
    """Return trained weights: Adam, one cosine of the rate, randomly shifted pictures."""
    random = np.random.default_rng(seed)
    parameters = digits.initial(seed)
    first = {name: np.zeros_like(value) for name, value in parameters.items()}
    second = {name: np.zeros_like(value) for name, value in parameters.items()}
    images, count = split.images, len(split.labels)
    total, step = epochs * (count // _BATCH), 0
    for epoch in range(epochs):
        losses = []
        for batch in np.array_split(random.permutation(count), count // _BATCH):
            step += 1
            run = digits.Pass(parameters)
            logits = run.forward(_shifted(images[batch], random))
            loss, gradient = _cross_entropy(logits, split.labels[batch])
            run.backward(gradient)
            losses.append(loss)
            rate = _PEAK_RATE * 0.5 * (1 + np.cos(np.pi * step / total))
            for name, value in parameters.items():
                slope = run.gradients[name]
                first[name] += 0.1 * (slope - first[name])
                second[name] += 0.001 * (slope**2 - second[name])
                mean, square = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
                value -= rate * (mean / (np.sqrt(square) + 1e-8) + _DECAY * value)
        print(f"epoch {epoch + 1:2d} of {epochs}: loss {np.mean(losses):.4f}", flush=True)
    return parameters


def ship(parameters: digits.Parameters, training: Split, test: Split, folder: Path) -> Model:
    """Quantise the network, measure it on the test split and write model and sample pictures."""
    network = digits.to_onnx(parameters)
    source = read_model(network, sha256(network.SerializeToString()).hexdigest())
    options = Options(
        "digits",
        "trained: infernet.models.train_digits",
        tuple(str(digit) for digit in range(digits.CLASSES)),
        Pixels(plain=False, deviation=(255.0,)),
    )
    calibration = [
        image.transpose(2, 0, 1)[None] for image in training.images[:_CALIBRATION_IMAGES]
    ]
    model = import_source(source, options, calibration)
    found = np.array([classify(model, image) for image in test.images])
    floating = digits.Pass(parameters).forward(test.images).argmax(axis=1)
    facts = {
        **model.manifest.facts,
        "test_images": len(test.labels),
        "test_accuracy": round(float(np.mean(found == test.labels)), 4),
        "float_test_accuracy": round(float(np.mean(floating == test.labels)), 4),
        "same_as_float": round(float(np.mean(found == floating)), 4),
    }
    model = replace(model, manifest=replace(model.manifest, facts=facts))
    target = save_model(model, folder=folder, replace=True)
    right = np.flatnonzero(found == test.labels)
    for digit in range(_SAMPLES):
        index = next(i for i in right if test.labels[i] == 2 * digit + 1)
        Image.fromarray(test.pictures[index]).save(target / f"digit-{test.labels[index]}.png")
    return model


def classify(model: Model, image: Array) -> int:
    """Return the class that the program gives `image: f32[16, 16, 1]`."""
    data = input_bytes(model.manifest, image.transpose(2, 0, 1)[None])
    return int(machine.run(model.program, data).argmax())


def _shifted(images: Array, random: np.random.Generator) -> Array:
    rows, columns = random.integers(-_LARGEST_SHIFT, _LARGEST_SHIFT + 1, (2, len(images)))
    edge = _LARGEST_SHIFT
    padded = np.pad(images, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    side = digits.SIDE
    cuts = zip(padded, edge + rows, edge + columns, strict=True)
    return np.stack([one[row : row + side, column : column + side] for one, row, column in cuts])


def _cross_entropy(logits: Array, labels: Labels) -> tuple[float, Array]:
    """Return the mean loss and its gradient by the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    chances = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    loss = float(-np.log(chances[rows, labels] + 1e-12).mean())
    chances[rows, labels] -= 1
    return loss, chances / len(labels)


def main() -> None:
    """Train and ship."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=shipped_dir())
    given = parser.parse_args()
    training, test = load_splits(given.seed)
    model = ship(train(training, given.epochs, given.seed), training, test, given.folder)
    print(f"digits {model.program.root.hex()}: {model.manifest.facts}")


if __name__ == "__main__":
    main()
