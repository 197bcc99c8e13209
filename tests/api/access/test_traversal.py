"""Nothing that a client names becomes a path or leads outside the pages' files."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import BlobDamaged
from api.explorer.rendering import static_file
from api.store.blobs import Blobs
from infernet.store.database import open_database

ROOTS = st.binary(max_size=64) | st.sampled_from([b"../../access.sqlite", b"/" * 32, b"\0" * 32])


@given(root=ROOTS, data=st.binary(min_size=1, max_size=100))
def test_no_root_names_a_file(root: bytes, data: bytes) -> None:
    with TemporaryDirectory() as name, closing(open_database(Path(name) / "one.sqlite")) as file:
        before = {path.name for path in Path(name).rglob("*")}
        blobs = Blobs(file, 1_000)
        assert blobs.get(root) is None
        blobs.add({root: data})
        assert {path.name for path in Path(name).rglob("*")} == before
        with suppress(BlobDamaged):
            assert blobs.get(root) == data


@pytest.mark.parametrize(
    "name", ["../templates/base.html", "..", "", ".", "/etc/passwd", "%2e%2e", "explorer.css\x00"]
)
def test_pages_serve_their_own_files_alone(name: str) -> None:
    assert static_file(name) is None
