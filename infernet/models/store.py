"""Models on disk: one folder each, written whole or not at all, checked when read.

    models/<name>/header.bin      the encoded header
                  operators.bin   the descriptors, one after another
                  constants.bin   the constants blob
                  constants.tree  of a large blob: the upper hashes of its tree
                  manifest.json   the description
                  tokenizer.json  of a model of text: its tokenizer

The folder `models` lies in INFERNET_DATA_DIR (default: the user's data folder). Models that ship
with the package are found too, after the user's own.
"""

from __future__ import annotations

import os
import re
import shutil
import struct
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs

from infernet.backend.hashing import COARSE_BYTES, hash_constants
from interpreter.errors import InterpreterError
from interpreter.merkle import (
    HASH_BYTES,
    PART_BYTES,
    AnyTree,
    CoarseTree,
    HashBytes,
    coarse_tree,
    tree_of_bytes,
)
from interpreter.program import DESCRIPTOR_BYTES, Header, Operator, load, operators_tree
from interpreter.validate import validate

from .errors import CorruptModel, InvalidOption, UnknownModel, UnusableStore
from .manifest import Manifest
from .pipeline import Model

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HEADER, _OPERATORS, _CONSTANTS, _MANIFEST = FILES = (
    "header.bin",
    "operators.bin",
    "constants.bin",
    "manifest.json",
)
TOKENIZER = "tokenizer.json"
_TREE = "constants.tree"
# When the constants last changed, and their size: what the stored hashes are good for. Of the times
# of a file this one cannot be chosen, so hashes that came in a stranger's archive are not believed.
_STAMP = struct.Struct(">QQ")


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored model as a list shows it."""

    name: str
    folder: Path
    is_shipped: bool


def data_dir() -> Path:
    """Return the folder for the user's data."""
    given = os.environ.get("INFERNET_DATA_DIR")
    return Path(given) if given else Path(platformdirs.user_data_dir("infernet", False))


def models_dir() -> Path:
    """Return the folder for the user's models."""
    return data_dir() / "models"


def shipped_dir() -> Path:
    """Return the folder of the models that ship with the package."""
    return Path(str(resources.files("infernet"))) / "zoo"


def check_name(name: str) -> str:
    """Return the name, or raise InvalidOption if it cannot be a folder's."""
    if not _NAME.fullmatch(name):
        raise InvalidOption(
            f"'{name}' is not a model name; use a-z, 0-9, '.', '_' and '-', at most 64 characters"
        )
    return name


def save_model(
    model: Model,
    *,
    folder: Path | None = None,
    replace: bool = False,
    tokenizer: str | None = None,
    grown: Path | None = None,
) -> Path:
    """Write a model and return its folder; a reader sees the whole of it or nothing.

    `tokenizer`: of a model of text, the JSON of the `tokenizers` library. `grown`: a folder
    beside the models that holds the constants already; it becomes the model's. Another model of
    the same name stays unless `replace`. Raises UnusableStore where the folder cannot be written.
    """
    parent = models_dir() if folder is None else folder
    target = parent / check_name(model.manifest.name)
    if target.exists() and not replace and _stored_root(target) != model.program.root:
        raise InvalidOption(
            f"a different model is stored as '{target.name}'; choose --name or use --replace"
        )
    try:
        parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=parent))
        try:
            content = grown or fresh / "new"
            if grown is None:
                content.mkdir()
                (content / _CONSTANTS).write_bytes(model.program.constants.data)
            _describe(model, content, tokenizer)
            _put_in_place(content, target, fresh / "old")
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise UnusableStore(
            f"{error.filename or parent} cannot be written: {error.strerror or error}; make room "
            "there, or name a writable folder in INFERNET_DATA_DIR"
        ) from None
    return target


def copy_model(source: Path, parent: Path) -> Path:
    """Copy a stored model's folder to other models and return the copy; what is there stays.

    Raises InvalidOption where another model has that name, UnusableStore for a full disk.
    """
    target = parent / check_name(load_manifest(source).name)
    if target.exists():
        if _stored_root(target) != _stored_root(source):
            raise InvalidOption(
                f"a different model is stored in {target}; import one of them under another name"
            )
        return target
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=parent) as fresh:
            # With its times, which say that large constants are those that were hashed.
            shutil.copytree(source, Path(fresh) / "new").rename(target)
    except OSError as error:
        raise UnusableStore(
            f"{source} cannot be copied to {target}: {error.strerror or error}; make room there"
        ) from None
    return target


def _describe(model: Model, folder: Path, tokenizer: str | None) -> None:
    """Write all but the constants."""
    program = model.program
    (folder / _HEADER).write_bytes(program.header.encode())
    (folder / _OPERATORS).write_bytes(b"".join(op.encode() for op in program.operators))
    (folder / _MANIFEST).write_text(model.manifest.encode(), encoding="utf-8")
    if tokenizer is not None:
        (folder / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    _write_tree(folder, program.constants_tree)


def _write_tree(folder: Path, tree: AnyTree) -> None:
    if isinstance(tree, CoarseTree):
        (folder / _TREE).write_bytes(_stamp(folder) + tree.top.levels[0])


def _stamp(folder: Path) -> bytes:
    found = (folder / _CONSTANTS).stat()
    return _STAMP.pack(found.st_ctime_ns, found.st_size)


def _put_in_place(content: Path, target: Path, old: Path) -> None:
    """Move a folder to its place; what was there returns if that fails."""
    if target.exists():
        target.rename(old)
    try:
        content.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise


def load_model(name_or_path: str | Path, hash_bytes: HashBytes = tree_of_bytes) -> Model:
    """Return a stored model, its constants mapped from disk, checked by its root.

    Large constants whose size and time of change are those of their stored hashes are not read:
    `verify_model` does that. All others are hashed.
    """
    folder = find_model(name_or_path)
    return _read(folder, hash_bytes, _stored_roots(folder))


def verify_model(name_or_path: str | Path, hash_bytes: HashBytes = tree_of_bytes) -> Model:
    """Return a stored model after every byte of it was hashed; hashes of large constants are
    stored anew.
    """
    folder = find_model(name_or_path)
    model = _read(folder, hash_bytes, b"")
    if _stored_roots(folder) != _upper_hashes(model.program.constants_tree):
        try:
            _write_tree(folder, model.program.constants_tree)
        except OSError as error:
            raise UnusableStore(f"{folder / _TREE} cannot be written: {error.strerror}") from None
    return model


def load_manifest(name_or_path: str | Path) -> Manifest:
    """Return the description of a stored model alone, unchecked."""
    return _read_manifest(find_model(name_or_path))


def list_models() -> list[Entry]:
    """Return the user's models and the shipped ones that they do not hide, by name."""
    found: dict[str, Entry] = {}
    for folder, is_shipped in ((shipped_dir(), True), (models_dir(), False)):
        if folder.is_dir():
            for child in folder.iterdir():
                if _NAME.fullmatch(child.name) and (child / _HEADER).is_file():
                    found[child.name] = Entry(child.name, child, is_shipped)
    return [found[name] for name in sorted(found)]


def find_model(name_or_path: str | Path) -> Path:
    """Return the folder of a stored model, or raise UnknownModel."""
    text = str(name_or_path)
    if _NAME.fullmatch(text):
        for folder in (models_dir(), shipped_dir()):
            if (folder / text).is_dir():
                return folder / text
    path = Path(text)
    if path.is_dir() and any((path / name).exists() for name in FILES):
        return path
    known = ", ".join(entry.name for entry in list_models()) or "none"
    raise UnknownModel(
        f"no model '{text}' (known: {known}; kept in {models_dir()}); import one with 'infernet "
        "model import' or make one with 'infernet model build'"
    )


def _stored_root(folder: Path) -> bytes:
    try:
        return bytes.fromhex(load_manifest(folder).program_root)
    except (CorruptModel, ValueError):
        return b""


def _read_manifest(folder: Path) -> Manifest:
    try:
        return Manifest.decode((folder / _MANIFEST).read_text(encoding="utf-8"))
    except CorruptModel as error:
        raise CorruptModel(f"{folder}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CorruptModel(f"{folder}: {_reason(error)}; import the model again") from None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{Path(error.filename).name}: {error.strerror}"
    return str(error)


def _stored_roots(folder: Path) -> bytes:
    """Return the stored hashes of the constants' parts; none where they are of other bytes."""
    try:
        data = (folder / _TREE).read_bytes()
        return data[_STAMP.size :] if data.startswith(_stamp(folder)) else b""
    except OSError:
        return b""


def _upper_hashes(tree: AnyTree) -> bytes:
    return tree.top.levels[0] if isinstance(tree, CoarseTree) else b""


def _tree(constants: npt.NDArray[np.uint8], hash_bytes: HashBytes, roots: bytes) -> AnyTree:
    if len(constants) <= COARSE_BYTES:
        return hash_bytes(constants)
    if len(roots) != -(-len(constants) // PART_BYTES) * HASH_BYTES:
        return hash_constants(constants)
    return coarse_tree(constants, hash_bytes, roots)


def _read(folder: Path, hash_bytes: HashBytes, roots: bytes) -> Model:
    try:
        header = Header.decode((folder / _HEADER).read_bytes())
        descriptors = (folder / _OPERATORS).read_bytes()
        constants = np.memmap(folder / _CONSTANTS, np.uint8, mode="r").view(np.ndarray)
        manifest = _read_manifest(folder)
        cuts = range(0, len(descriptors), DESCRIPTOR_BYTES)
        operators = [Operator.decode(descriptors[i : i + DESCRIPTOR_BYTES]) for i in cuts]
        if len(constants) != header.constants_bytes or len(operators) != header.operator_count:
            raise CorruptModel(f"{folder}: a file is truncated; import the model again")
        tree = _tree(constants, hash_bytes, roots)
        program = load(header, operators, constants, tree, operators_tree(operators))
        validate(program)
    except (OSError, ValueError, InterpreterError) as error:
        raise CorruptModel(f"{folder}: {_reason(error)}; import the model again") from None
    if program.root.hex() != manifest.program_root:
        raise CorruptModel(
            f"{folder}: the files hash to {program.root.hex()}, but the manifest names "
            f"{manifest.program_root}; import the model again"
        )
    return Model(program, manifest)
