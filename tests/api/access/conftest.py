"""Keys in a folder, and an application behind the fence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.access.guard import Access
from api.access.keys import Keys, Scope, changing

from .gate import LIMITS, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[Keys]:
    with changing(tmp_path) as keys:
        yield keys


@pytest.fixture
def writer_key(tmp_path: Path) -> str:
    """Return a key that may have tasks accepted."""
    with changing(tmp_path) as keys:
        return keys.create("writer", [Scope.TASKS_WRITE])[1]


@pytest.fixture
def access(tmp_path: Path, clock: Clock) -> Iterator[Access]:
    access = Access(Keys.reading(tmp_path), LIMITS, clock)
    yield access
    access.close()
