"""Fixtures that more than one folder of tests shares."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from .anvil import Anvil, find_anvil, running


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Let no test's settings for logs, whose stream ends with it, reach the next."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """Give a node of its own to a test; tests are left out where anvil is not installed."""
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    with running() as node:
        yield node
