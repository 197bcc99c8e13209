"""The chain that tests of fishermen play on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stage import Stage, new_stage


@pytest.fixture(scope="module")
def built() -> Stage:
    return new_stage(seed=0)


@pytest.fixture
def stage(built: Stage) -> Iterator[Stage]:
    with built.rewound() as stage:
        yield stage
