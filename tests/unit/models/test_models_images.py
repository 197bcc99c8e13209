"""Pictures and arrays become inputs; anything else is refused clearly."""

import io

import numpy as np
import pytest
from PIL import Image

from infernet.models.errors import InvalidCalibration, InvalidInput
from infernet.models.images import picture_bytes, read_input, source_input
from infernet.models.inputs import read_inputs
from infernet.models.manifest import Pixels, input_bytes
from infernet.models.store import load_model
from tests.unit.models.nets import Net, import_net

PICTURE = np.random.default_rng(0).integers(0, 256, (6, 5, 3)).astype(np.uint8)


def png(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def model_of(dtype, layout="nchw", pixels=None):
    shape = [1, 3, 6, 5] if layout == "nchw" else [1, 6, 5, 3]
    net = Net(shape, dtype)
    x = (
        "x"
        if dtype == np.float32
        else net.node("DequantizeLinear", "x", *net.params(0.02, 9, dtype))
    )
    if layout == "nhwc":
        x = net.node("Transpose", x, perm=[0, 3, 1, 2])
    net.node("Relu", x)
    data = [np.random.default_rng(i).normal(0, 1, shape).astype(np.float32) for i in range(3)]
    return import_net(net.source(np.float32), data, pixels=pixels)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32])
def test_a_picture_gives_the_same_bytes_directly_and_through_the_source(dtype, layout):
    pixels = Pixels(False, (120.0, 110.0, 100.0), (60.0, 59.0, 58.0))
    model = model_of(dtype, layout, pixels if dtype == np.float32 else None)
    manifest = model.manifest
    data = source_input(manifest.input, (6, 5, 3), manifest.pixels, png(PICTURE), "picture")
    assert data.dtype == dtype
    direct = picture_bytes(model, png(PICTURE))
    np.testing.assert_array_equal(direct, input_bytes(manifest, data))
    if dtype != np.float32:
        np.testing.assert_array_equal(direct, PICTURE.ravel())


def test_a_picture_of_another_size_and_colour_is_fitted():
    model = model_of(np.uint8)
    grey = np.full((40, 30), 77, np.uint8)
    assert (picture_bytes(model, png(grey)) == 77).all()


def test_inverted_pixels_count_from_white():
    model = model_of(np.float32, pixels=Pixels(False, (0.0,), (255.0,), invert=True))
    black = picture_bytes(model, png(np.zeros((6, 5, 3), np.uint8)))
    assert (black == np.rint(1 / model.manifest.input.scale) + model.manifest.input.zero).all()


@pytest.mark.parametrize("data", [b"", b"not a picture", png(PICTURE)[:60], b"GIF89a"])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(InvalidInput, match="not a picture"):
        picture_bytes(model_of(np.uint8), data)


def test_a_model_of_no_pictures_says_what_it_takes():
    net = Net([1, 12], np.uint8)
    net.node("Relu", net.node("DequantizeLinear", "x", *net.params(0.1, 3)))
    model = import_net(net.source(np.float32))
    with pytest.raises(InvalidInput, match=r"\.npy array of shape \(1, 12\) and type uint8"):
        picture_bytes(model, png(PICTURE))


def test_an_array_is_read_in_the_terms_of_the_source(tmp_path):
    model = model_of(np.uint8)
    path = tmp_path / "x.npy"
    np.save(path, PICTURE.transpose(2, 0, 1))
    np.testing.assert_array_equal(read_input(model, path), PICTURE.ravel())


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((1, 3, 6, 6), np.uint8), "shape"),
        (np.zeros((1, 3, 6, 5), np.int16), "type int16"),
        (np.zeros((1, 3, 6, 5), np.float32), "type float32"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(tmp_path, array, reason):
    path = tmp_path / "x.npy"
    np.save(path, array)
    with pytest.raises(InvalidInput, match=reason):
        read_input(model_of(np.uint8), path)


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.full((1, 3, 6, 5), np.nan, np.float32))
    with pytest.raises(InvalidInput, match="not finite"):
        read_input(model_of(np.float32), path)


def test_a_broken_array_file_is_refused(tmp_path):
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY broken")
    with pytest.raises(InvalidInput, match="not a readable"):
        read_input(model_of(np.uint8), path)


def test_a_folder_and_an_npz_give_their_inputs_in_order(tmp_path):
    model = model_of(np.uint8)
    (tmp_path / "b.png").write_bytes(png(PICTURE))
    np.save(tmp_path / "a.npy", PICTURE.transpose(2, 0, 1))
    (tmp_path / "notes.txt").write_text("left alone")
    found = list(read_inputs(tmp_path, model.manifest.input, model.manifest.pixels))
    assert [name.split(":")[0] for name, _ in found] == ["a.npy", "b.png"]
    np.testing.assert_array_equal(found[0][1], found[1][1])
    path = tmp_path / "set.npz"
    np.savez(path, x=np.zeros((4, 3, 6, 5), np.uint8))
    found = list(read_inputs(path, model.manifest.input, None, limit=3))
    assert [data.shape for _, data in found] == [(1, 3, 6, 5)] * 3


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InvalidCalibration, match="holds no picture"):
        list(read_inputs(tmp_path, load_model("digits").manifest.input, None))
