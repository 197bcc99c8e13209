"""Real models: every tensor of the fast engine equals the reference's, on every kernel at hand.

The models come from outside (INFERNET_TEST_DATA); masks.py says how kernels are chosen.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from infernet.backend.engine import OrtEngine, ReferenceEngine
from infernet.backend.hashing import hash_bytes
from infernet.models.build import synthetic_images, topology
from infernet.models.exactness import digest_of, inputs_of
from infernet.models.pipeline import Model, Options, import_source
from infernet.models.source import Source, read_model, read_onnx
from infernet.models.store import save_model
from tests.exactness import tensors_of

from .masks import PROFILES, require_digests

FILES = (
    "mobilenet/mobilenet_v2_1.0_224_quant.qdq",
    "mobilenet/mobilenet_v1_0.25_128_quant.qdq",
    "mobilenet/mobilenet_v1_0.5_160_quant.qdq",
    "mlperf-tiny/kws_ref_model.qdq",
    "mlperf-tiny/pretrainedResnet_quant.qdq",
    "mlperf-tiny/vww_96_int8.qdq",
    "resnet-cifar/resnet20-cifar10.fp32",
    "resnet-cifar/resnet20-cifar10.qdq-int8",
    "resnet-cifar/resnet20-cifar10.qop-u8s8",
    "resnet-cifar/resnet56-cifar10.fp32",
    "resnet-cifar/resnet56-cifar10.qdq-int8",
    "resnet-cifar/resnet56-cifar10.qop-u8s8",
    "onnx-small/mnist",
    "onnx-small/opt-mnist",
    "onnx-small/mlp-784-20-10",
    "onnx-light/light_resnet50",
)
BUILT = ("mobilenetv2", "resnet50")


def calibration(source: Source) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    images = [rng.normal(0, 1, source.input_shape).astype(np.float32) for _ in range(3)]
    return [np.cumsum(image, axis=-1) / 8 + image for image in images]


def name_of(model: str) -> str:
    return model.rpartition("/")[2].lower()


@cache
def imported(model: str) -> Model:
    options = Options(name_of(model), hash_bytes=hash_bytes)
    if model in BUILT:
        source = read_model(topology(model, 1), model)
        return import_source(source, options, synthetic_images(2, 1))
    root = os.environ.get("INFERNET_TEST_DATA")
    if not root:
        pytest.skip("INFERNET_TEST_DATA is not set: the models are outside the project")
    source = read_onnx(Path(root) / f"{model}.onnx")
    return import_source(source, options, calibration(source))


@pytest.mark.slow
@pytest.mark.parametrize("model", [*FILES, *BUILT])
def test_every_tensor_equals_the_references(model: str) -> None:
    program = imported(model).program
    reference = ReferenceEngine(program)
    engines = [OrtEngine(program, threads) for threads in (1, 2)]
    tensors = 0
    for data in inputs_of(program):
        expected, output = tensors_of(reference, data), reference.run(data).output
        for engine in engines:
            found = tensors_of(engine, data)
            assert found.keys() == expected.keys()
            for index, tensor in expected.items():
                assert np.array_equal(found[index], tensor), f"operator {index}"
            assert np.array_equal(engine.run(data).output, output)
        tensors += len(expected)
    assert tensors >= len(inputs_of(program))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """Return a folder of stored models and the reference's digest of each."""
    folder = tmp_path_factory.mktemp("models")
    digests = {}
    for model in (*FILES, *BUILT):
        found = imported(model)
        save_model(found, folder=folder)
        digests[name_of(model)] = digest_of(ReferenceEngine(found.program))
    yield folder, digests


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_digests_are_equal_on_every_kernel(
    profile: str, stored: tuple[Path, dict[str, str]]
) -> None:
    require_digests(profile, *stored)
