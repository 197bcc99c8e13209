"""What tests of the compiled code share."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest

LEVELS = {"portable": 0, "AVX2": 1, "AVX-512": 2, "AVX-512 and AMX": 3}


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """Select loops of one instruction set for sequence programs."""
    native = import_module("infernet.backend.native._machine")
    if native.use(LEVELS[request.param]) != request.param:
        native.use(max(LEVELS.values()))
        pytest.skip("this processor has no such instructions")
    yield request.param
    native.use(max(LEVELS.values()))
