"""One village for all tests of OpenAI's protocol."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.anvil import find_anvil, running

from .village import Village, models_in, village_on


@pytest.fixture(scope="session")
def village(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Village]:
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    folder = tmp_path_factory.mktemp("village")
    places = models_in(folder / "models")
    with running() as node, village_on(node, folder, places) as found:
        yield found
