"""Fixtures that more than one folder of tests shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .anvil import Anvil, find_anvil, running


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """Give a node of its own to a test; tests are left out where anvil is not installed."""
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    with running() as node:
        yield node
