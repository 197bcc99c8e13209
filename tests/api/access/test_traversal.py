"""Nothing that a client names becomes a path outside the blobs or the pages' files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.explorer.rendering import static_file
from api.store.blobs import Blobs


@given(root=st.binary(min_size=32, max_size=32))
def test_every_root_lies_two_folders_below(root: bytes) -> None:
    blobs = object.__new__(Blobs)
    blobs.folder = Path("/blobs")
    path = blobs.path_of(root)
    assert path.parts[:2] == ("/", "blobs")
    assert [len(part) for part in path.parts[2:]] == [1, 1, 64]
    assert set("".join(path.parts[2:])) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "root", [b"", b"../../access.sqlite", b"/" * 31, b"." * 33, b"../" * 21 + b"x"]
)
def test_what_is_no_root_names_no_blob(tmp_path: Path, root: bytes) -> None:
    (tmp_path / "access.sqlite").write_text("secret")
    blobs = Blobs(tmp_path / "inputs", 1_000)
    with pytest.raises(ValueError, match="32 bytes"):
        blobs.get(root)
    with pytest.raises(ValueError, match="32 bytes"):
        blobs.put(root, b"data")
    assert (tmp_path / "access.sqlite").read_text() == "secret"


@pytest.mark.parametrize(
    "name", ["../templates/base.html", "..", "", ".", "/etc/passwd", "%2e%2e", "explorer.css\x00"]
)
def test_pages_serve_their_own_files_alone(name: str) -> None:
    assert static_file(name) is None
