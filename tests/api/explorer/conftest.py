"""A scene that many tests look at, and the application over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from infernet.chain.records import AssertionId, GameId, TaskId
from tests.anvil import find_anvil, running

from .scene import Scene, app_over, digits, scene_on, served


@dataclass(frozen=True, slots=True)
class Played:
    """A scene after its story: one task final, one lie slashed. `client`: of the explorer."""

    scene: Scene
    client: httpx.Client
    final: TaskId
    lie: TaskId
    game: GameId
    result: AssertionId


@pytest.fixture(scope="session")
def played() -> Iterator[Played]:
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    with running() as node:
        model = digits()
        scene = scene_on(node, model)
        final = scene.finish_one()
        lie, game = scene.begin_lie()
        for _ in scene.moves(game):
            pass
        scene.settle()
        (asserted,) = scene.town.contracts.market.assertions(taskId=lie)
        with (
            served(app_over(scene.town.view(), (model,))) as url,
            httpx.Client(base_url=url) as client,
        ):
            yield Played(scene, client, final, lie, game, asserted.assertion_id)
