"""Models on disk: whole or not at all, and checked by root."""

import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from infernet.backend.hashing import COARSE_BYTES, hash_bytes, hash_constants
from infernet.models import store
from infernet.models.errors import CorruptModel, InvalidOption, UnknownModel, UnusableStore
from infernet.models.manifest import Coding, Manifest
from infernet.models.pipeline import Model, renamed
from infernet.models.sequence.draft import Draft
from infernet.models.store import (
    list_models,
    load_manifest,
    load_model,
    save_model,
    verify_model,
)
from interpreter import machine
from interpreter.errors import InvalidProgram
from interpreter.operators import Embed
from interpreter.tensors import DType
from tests.unit.models.nets import Net, import_net, safe_weights


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path))
    return tmp_path


def small_model(seed=0) -> Model:
    rng = np.random.default_rng(seed)
    net = Net([1, 3, 4, 4], np.uint8)
    net.node("QLinearConv", "x", *net.params(0.1, 3), net.const(safe_weights(rng, (2, 3, 1, 1))),
             *net.params(0.1, 0, np.int8), *net.params(0.1, 3))  # fmt: skip
    return import_net(net.source())


def test_a_model_returns_as_it_was():
    model = small_model()
    folder = save_model(model)
    for found in (load_model("net"), load_model(folder), load_model(str(folder))):
        assert found.program.root == model.program.root
        assert found.manifest == model.manifest
        data = np.arange(48, dtype=np.uint8)
        np.testing.assert_array_equal(
            machine.run(found.program, data), machine.run(model.program, data)
        )


def test_constants_are_mapped_and_cannot_be_written():
    save_model(small_model())
    constants = load_model("net").program.constants
    assert isinstance(constants.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        constants[0] = 1


def test_saving_twice_is_one_model_and_leaves_nothing_behind(data_folder):
    save_model(small_model())
    save_model(small_model())
    assert [path.name for path in (data_folder / "models").iterdir()] == ["net"]


def test_another_model_of_the_name_stays_unless_replaced():
    first, second = small_model(0), small_model(1)
    save_model(first)
    with pytest.raises(InvalidOption, match="--replace"):
        save_model(second)
    assert load_model("net").program.root == first.program.root
    save_model(second, replace=True)
    assert load_model("net").program.root == second.program.root


def test_a_failed_save_leaves_the_old_model(data_folder, monkeypatch):
    first = small_model(0)
    save_model(first)
    monkeypatch.setattr(store, "_MANIFEST", "missing/manifest.json")
    with pytest.raises(UnusableStore, match=r"missing.*INFERNET_DATA_DIR"):
        save_model(small_model(1), replace=True)
    monkeypatch.undo()
    monkeypatch.setenv("INFERNET_DATA_DIR", str(data_folder))
    assert load_model("net").program.root == first.program.root
    assert [path.name for path in (data_folder / "models").iterdir()] == ["net"]


def test_a_model_that_cannot_be_put_in_place_leaves_the_old_one(data_folder, monkeypatch):
    first = small_model(0)
    save_model(first)
    rename = store.Path.rename

    def refuse_the_new_one(path, to):
        if path.name == "new":
            raise OSError(28, "No space left on device", str(path))
        return rename(path, to)

    monkeypatch.setattr(store.Path, "rename", refuse_the_new_one)
    with pytest.raises(UnusableStore, match="No space left"):
        save_model(small_model(1), replace=True)
    assert load_model("net").program.root == first.program.root
    assert [path.name for path in (data_folder / "models").iterdir()] == ["net"]


@pytest.mark.parametrize("name", ["header.bin", "operators.bin", "constants.bin"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "empty"])
def test_damage_is_noticed(name, damage):
    path = save_model(small_model()) / name
    data = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        flipped = bytes([data[0] ^ 1]) + data[1:]
        path.write_bytes({"truncate": data[:-1], "flip": flipped, "empty": b""}[damage])
    with pytest.raises(CorruptModel, match="import the model again"):
        load_model("net")


@pytest.mark.parametrize("text", ["", "{", "{}", '{"format": 2}', "[]", "null"])
def test_a_damaged_manifest_is_noticed(text):
    path = save_model(small_model()) / "manifest.json"
    path.write_text(text)
    with pytest.raises(CorruptModel, match=r"models/net: .*import the model again"):
        load_model("net")


def test_a_manifest_that_names_another_root_is_noticed():
    folder = save_model(small_model())
    path = folder / "manifest.json"
    root = load_manifest(folder).program_root
    path.write_text(path.read_text().replace(root, "00" * 32))
    with pytest.raises(CorruptModel, match="hash to"):
        load_model(folder)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UnknownModel, match=r"digits.*infernet model import"):
        load_model("nothing")


@pytest.mark.parametrize("name", ["", "../up", "Ab", "a/b", ".hidden", "x" * 65])
def test_names_that_are_no_folder_names_are_refused(name):
    with pytest.raises(InvalidOption, match="not a model name"):
        save_model(renamed(small_model(), name))


def test_the_list_has_the_shipped_models_and_the_users_own():
    save_model(small_model())
    found = {entry.name: entry.is_shipped for entry in list_models()}
    assert found == {"digits": True, "net": False}


def large_model() -> Model:
    """Return a model whose constants are large enough for a coarse tree."""
    rows = (COARSE_BYTES >> 8) + 300
    words = np.random.default_rng(2).integers(-128, 128, (rows, 256), np.int8)
    draft = Draft(DType.I32, (1, 1, 1, 1))
    row = draft.begin(DType.I8, 1, 256)
    sizes = (1, 256, 0, DType.I32, 1, 0, rows, draft.bytes_of(words), 0)
    draft.put(Embed(row.slot, DType.I8, *sizes))
    program = draft.finish(row, (1, 1, 1, 256), hash_bytes=hash_constants)
    coding = Coding(1.0, 0, (1, 1), "int32", "flat")
    manifest = Manifest("large", program.root.hex(), "", "", "float", coding, coding, None)
    return Model(program, manifest)


def test_large_constants_are_hashed_when_they_change_or_when_asked_for() -> None:
    model = large_model()
    folder = save_model(model)
    found = load_model("large", hash_bytes)
    assert found.program.root == model.program.root
    leaf = len(model.program.constants) // 512
    assert found.program.constants_tree.path(leaf) == model.program.constants_tree.path(leaf)
    constants = folder / "constants.bin"
    before = constants.stat()
    with constants.open("r+b") as file:
        file.seek(leaf * 256)
        file.write(b"\x55\xaa\x55\xaa")
    with pytest.raises(CorruptModel, match="do not hash"):
        load_model("large", hash_bytes)
    # The time that a program can choose is not believed.
    os.utime(constants, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(CorruptModel, match="do not hash"):
        load_model("large", hash_bytes)


def test_bytes_that_a_disk_lost_are_found_by_a_full_check_or_by_their_proof() -> None:
    model = large_model()
    constants = save_model(model) / "constants.bin"
    leaf = len(model.program.constants) // 512
    with constants.open("r+b") as file:
        file.seek(leaf * 256)
        file.write(b"\x55\xaa\x55\xaa")
    # Hashes of what was there, for the time that the file has now.
    tree, found = constants.with_name("constants.tree"), constants.stat()
    stamp = struct.pack(">QQ", found.st_ctime_ns, found.st_size)
    tree.write_bytes(stamp + tree.read_bytes()[len(stamp) :])
    with pytest.raises(InvalidProgram, match="have changed on disk"):
        load_model("large", hash_bytes).program.constants_tree.path(leaf)
    with pytest.raises(CorruptModel, match="do not hash"):
        verify_model("large", hash_bytes)


def test_hashes_that_came_with_a_strangers_archive_are_not_believed(tmp_path: Path) -> None:
    folder = save_model(large_model())
    constants = folder / "constants.bin"
    with constants.open("r+b") as file:
        file.write(b"\x55\xaa\x55\xaa")
    # All that an archive can set: the bytes of each file, its size and its time of writing.
    written_ns = 1_700_000_000 * 10**9
    os.utime(constants, ns=(written_ns, written_ns))
    tree = folder / "constants.tree"
    stamp = struct.pack(">QQ", written_ns, constants.stat().st_size)
    tree.write_bytes(stamp + tree.read_bytes()[len(stamp) :])
    unpacked = tmp_path / "unpacked"
    archive = shutil.make_archive(str(tmp_path / "model"), "tar", folder)
    shutil.unpack_archive(archive, unpacked, filter="data")
    assert (unpacked / "constants.bin").stat().st_mtime_ns == written_ns
    with pytest.raises(CorruptModel, match="do not hash"):
        load_model(unpacked, hash_bytes)


def test_hashes_that_are_missing_or_old_are_made_anew() -> None:
    folder = save_model(large_model())
    tree = folder / "constants.tree"
    original = tree.read_bytes()
    os.utime(folder / "constants.bin")
    for content in (None, original, original[:-32], b""):
        if content is None:
            tree.unlink()
        else:
            tree.write_bytes(content)
        load_model("large", hash_bytes)
        verify_model("large", hash_bytes)
        assert tree.read_bytes()[16:] == original[16:]
        assert tree.read_bytes()[:16] != original[:16]
