"""Real models classify as their sources do (INFERNET_TEST_DATA)."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from infernet.backend.hashing import hash_bytes
from infernet.models import build
from infernet.models.accuracy import Report, compare
from infernet.models.inputs import read_inputs
from infernet.models.manifest import Coding, Pixels
from infernet.models.pipeline import Options, import_source
from infernet.models.source import read_model, read_onnx

DATA = Path(os.environ.get("INFERNET_TEST_DATA", ""))
needs_data = pytest.mark.skipif(
    "INFERNET_TEST_DATA" not in os.environ, reason="INFERNET_TEST_DATA is not set"
)
SHOWN = {
    "cat.bmp": "cat",
    "parrot.jpg": "macaw",
    "hot_dog.jpg": "hotdog",
    "dragonfly.bmp": "dragonfly",
    "grace_hopper.bmp": "uniform",
}
CIFAR = Pixels(False, (125.3, 123.0, 113.9), (63.0, 62.1, 66.7))


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


QUANTISED = [
    ("mobilenet/mobilenet_v2_1.0_224_quant.qdq", None),
    ("mobilenet/mobilenet_v1_0.25_128_quant.qdq", None),
    ("mlperf-tiny/pretrainedResnet_quant.qdq", None),
    ("mlperf-tiny/vww_96_int8.qdq", None),
    ("resnet-cifar/resnet20-cifar10.qdq-int8", CIFAR),
    ("resnet-cifar/resnet20-cifar10.qop-u8s8", CIFAR),
    slow("mobilenet/mobilenet_v1_0.5_160_quant.qdq", None),
    slow("resnet-cifar/resnet56-cifar10.qdq-int8", CIFAR),
    slow("resnet-cifar/resnet56-cifar10.qop-u8s8", CIFAR),
]
FLOAT = ["resnet-cifar/resnet20-cifar10.fp32", slow("resnet-cifar/resnet56-cifar10.fp32")]


def photos(coding, pixels):
    return list(read_inputs(DATA / "coral-images", coding, pixels))


@cache
def digits(count=120):
    """Handwritten digits as `f32[1, 1, 28, 28]`, enlarged and framed like MNIST's."""
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    images = datasets.load_digits().images[:count] * (255 / 16)
    framed = [np.pad(np.kron(image, np.ones((3, 3))), 2) for image in images]
    return [image.astype(np.float32)[None, None] for image in framed]


def report(source, inputs, calibration=None, pixels=None):
    options = Options("model", pixels=pixels, hash_bytes=hash_bytes)
    model = import_source(source, options, calibration)
    return Report(tuple(compare(source, model, inputs(model.manifest))))


@needs_data
@pytest.mark.parametrize(("name", "pixels"), QUANTISED)
def test_a_quantised_model_agrees_on_every_photo(name, pixels):
    source = read_onnx(DATA / f"{name}.onnx")
    found = report(source, lambda m: photos(m.input, m.pixels), pixels=pixels)
    assert found.agreement == 1.0
    assert found.worst_cosine > 0.98
    if "mobilenet_v2" in name:
        labels = (DATA / "mobilenet/imagenet_labels.txt").read_text().splitlines()
        shown = {c.name: labels[c.model_top] for c in found.comparisons}
        assert all(word in shown[photo] for photo, word in SHOWN.items())


@needs_data
@pytest.mark.parametrize("name", FLOAT)
def test_a_float_model_agrees_on_every_photo(name):
    source = read_onnx(DATA / f"{name}.onnx")
    coding = Coding(1.0, 0, source.input_shape, "float32", "nchw")
    data = [image for _, image in photos(coding, CIFAR)]
    found = report(source, lambda m: photos(m.input, m.pixels), data, CIFAR)
    assert found.agreement == 1.0
    assert found.worst_cosine > 0.98


@needs_data
def test_keyword_spotting_agrees_on_smooth_spectra():
    random = np.random.default_rng(0)
    noise = random.normal(0, 1, (24, 49, 10, 1))
    spectra = 25 * np.cumsum(noise, axis=1) / np.sqrt(np.arange(1, 50)).reshape(-1, 1, 1) + 40
    inputs = [(str(i), x[None].clip(-128, 127).astype(np.int8)) for i, x in enumerate(spectra)]
    source = read_onnx(DATA / "mlperf-tiny/kws_ref_model.qdq.onnx")
    found = report(source, lambda m: inputs)
    # No recordings exist here; on made-up spectra two words can be a step apart.
    assert found.agreement >= 0.9
    assert found.worst_cosine > 0.99
    assert len({c.source_top for c in found.comparisons}) > 1


@needs_data
@pytest.mark.parametrize("name", ["mnist", "opt-mnist"])
def test_both_digit_networks_agree(name):
    source = read_onnx(DATA / f"onnx-small/{name}.onnx")
    inputs = [(str(i), image) for i, image in enumerate(digits())]
    found = report(source, lambda m: inputs[40:], digits()[:40])
    assert found.agreement >= 0.98
    assert len({c.source_top for c in found.comparisons}) == 10


@needs_data
def test_the_perceptron_agrees():
    flat = [image.reshape(1, 784) / 255 for image in digits()]
    source = read_onnx(DATA / "onnx-small/mlp-784-20-10.onnx")
    inputs = [(str(i), image) for i, image in enumerate(flat[40:])]
    found = report(source, lambda m: inputs, flat[:40])
    # Its weights are random, so the first two classes are often a fraction of a step apart.
    assert found.agreement >= 0.9
    assert found.worst_cosine > 0.99


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet50", "densenet121", "squeezenet"])
def test_large_topologies_with_constant_weights_agree(name):
    source = read_onnx(DATA / f"onnx-light/light_{name}.onnx")
    images = build.synthetic_images(2, 0)
    found = report(source, lambda m: [("image", image) for image in images], images)
    assert found.agreement == 1.0


@pytest.mark.parametrize("name", ["mobilenetv2", pytest.param("resnet50", marks=pytest.mark.slow)])
def test_a_built_topology_agrees_with_its_float_source(name):
    source = read_model(build.topology(name, 1), "")
    inputs = [(str(i), image) for i, image in enumerate(build.synthetic_images(4, 99))]
    calibration = build.synthetic_images(8, 1)
    found = report(source, lambda m: inputs, calibration, build.IMAGENET)
    assert found.agreement == 1.0
    assert found.worst_cosine > 0.99
