"""The shipped digits model, and the gradient that trained it."""

import numpy as np
import pytest

from infernet.models import digits
from infernet.models.images import read_input
from infernet.models.store import load_model, shipped_dir
from interpreter import machine


def test_the_shipped_model_reads_its_sample_pictures():
    model = load_model("digits")
    pictures = sorted((shipped_dir() / "digits").glob("digit-*.png"))
    assert len(pictures) >= 2
    for path in pictures:
        found = machine.run(model.program, read_input(model, path))
        assert model.manifest.labels[found.argmax()] == path.stem.removeprefix("digit-")


def test_the_shipped_model_has_an_operator_of_every_common_kind():
    program = load_model("digits").program
    assert {"CONV", "MAXPOOL", "ADD"} <= {op.opcode.name for op in program.operators}
    assert 100_000 <= program.header.steps_per_iteration <= 1_000_000


def test_the_shipped_model_is_as_accurate_as_its_manifest_says():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from infernet.models.train_digits import classify, load_splits

    model = load_model("digits")
    _, test = load_splits(1)
    found = [classify(model, image) for image in test.images]
    accuracy = float(np.mean(found == test.labels))
    assert round(accuracy, 4) == model.manifest.facts["test_accuracy"]
    assert accuracy > 0.97


def test_the_gradient_is_the_slope_of_the_loss():
    random = np.random.default_rng(0)
    # Biases off zero: a sum of exactly 0 lies on the kink of its ReLU.
    parameters = {
        name: value + random.uniform(0.05, 0.1, value.shape)
        for name, value in digits.initial(0).items()
    }
    images = random.uniform(0, 1, (2, digits.SIDE, digits.SIDE, 1))
    direction = random.normal(0, 1, (2, digits.CLASSES))
    run = digits.Pass(parameters)
    run.forward(images)
    run.backward(direction)
    assert set(run.gradients) == set(parameters)
    for name, value in parameters.items():
        place = tuple(random.integers(0, size) for size in value.shape)
        losses = []
        for change in (1e-4, -1e-4):
            moved = {**parameters, name: value.copy()}
            moved[name][place] += change
            losses.append(float((digits.Pass(moved).forward(images) * direction).sum()))
        slope = (losses[0] - losses[1]) / 2e-4
        assert run.gradients[name][place] == pytest.approx(slope, rel=2e-2, abs=2e-3), name
