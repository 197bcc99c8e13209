"""Models on disk: one folder each, written whole or not at all, checked when read.

    models/<name>/header.bin      the encoded header
                  operators.bin   the descriptors, one after another
                  constants.bin   the constants blob
                  manifest.json   the description
                  tokenizer.json  of a model of text: its tokenizer

The folder `models` lies in INFERNET_DATA_DIR (default: the user's data folder). Models that ship
with the package are found too, after the user's own.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import platformdirs

from interpreter.errors import InterpreterError
from interpreter.merkle import HashBytes, tree_of_bytes
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
    model: Model, *, folder: Path | None = None, replace: bool = False, tokenizer: str | None = None
) -> Path:
    """Write a model and return its folder; a reader sees the whole of it or nothing.

    `tokenizer`: of a model of text, the JSON of the `tokenizers` library. Another model of the
    same name stays unless `replace`. Raises UnusableStore where the folder cannot be written.
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
            _write(model, fresh / "new")
            if tokenizer is not None:
                (fresh / "new" / TOKENIZER).write_text(tokenizer, encoding="utf-8")
            _put_in_place(fresh / "new", target, fresh / "old")
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as error:
        raise UnusableStore(
            f"{error.filename or parent} cannot be written: {error.strerror or error}; make room "
            "there, or name a writable folder in INFERNET_DATA_DIR"
        ) from None
    return target


def _write(model: Model, folder: Path) -> None:
    folder.mkdir()
    program = model.program
    (folder / _HEADER).write_bytes(program.header.encode())
    (folder / _OPERATORS).write_bytes(b"".join(op.encode() for op in program.operators))
    (folder / _CONSTANTS).write_bytes(program.constants.tobytes())
    (folder / _MANIFEST).write_text(model.manifest.encode(), encoding="utf-8")


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
    """Return a stored model, its constants mapped from disk and all of it checked by root."""
    return _read(find_model(name_or_path), hash_bytes)


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
        f"no model '{text}' (known: {known}); import one with 'infernet model import' or "
        "make one with 'infernet model build'"
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


def _read(folder: Path, hash_bytes: HashBytes) -> Model:
    try:
        header = Header.decode((folder / _HEADER).read_bytes())
        descriptors = (folder / _OPERATORS).read_bytes()
        constants = np.memmap(folder / _CONSTANTS, np.uint8, mode="r").view(np.ndarray)
        manifest = _read_manifest(folder)
        cuts = range(0, len(descriptors), DESCRIPTOR_BYTES)
        operators = [Operator.decode(descriptors[i : i + DESCRIPTOR_BYTES]) for i in cuts]
        if len(constants) != header.constants_bytes or len(operators) != header.operator_count:
            raise CorruptModel(f"{folder}: a file is truncated; import the model again")
        tree = hash_bytes(constants)
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
