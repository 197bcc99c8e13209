"""Find the model that a result was computed with: by its root, never by a name."""

from __future__ import annotations

from infernet.backend.hashing import hash_bytes
from infernet.chain.records import ProgramRoot
from infernet.models.pipeline import Model
from infernet.models.store import list_models, load_manifest, load_model, models_dir

from .errors import UnknownMatter


def names_of_models() -> dict[ProgramRoot, str]:
    """Return the names of the stored models by their roots; the user's own come first."""
    found: dict[ProgramRoot, str] = {}
    for entry in list_models():
        root = ProgramRoot(bytes.fromhex(load_manifest(entry.folder).program_root))
        found.setdefault(root, entry.name)
    return found


def model_of(program_root: bytes) -> Model:
    """Return the stored model of a root, checked by its bytes, or raise UnknownMatter."""
    for entry in list_models():
        if load_manifest(entry.folder).program_root == program_root.hex():
            return load_model(entry.folder, hash_bytes)
    raise UnknownMatter(
        f"no model in {models_dir()} has the root 0x{program_root.hex()}; if you keep models "
        "elsewhere, name the folder above theirs in INFERNET_DATA_DIR; else get the model's files "
        "and use `infernet model import` or `infernet model build`"
    )
