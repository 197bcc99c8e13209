"""A dispute as the client tells it, from the challenge to the verdict."""

from __future__ import annotations

import pytest

from infernet.client import Client, NotThere
from tests.api.routes.conftest import Counter


def test_a_dispute_is_told_move_by_move(counter: Counter) -> None:
    scene = counter.scene
    task_id, game = scene.begin_lie()
    with Client(counter.url, counter.key) as client:
        (open_one,) = client.disputes(is_open=True)
        assert open_one.id == f"0x{game.hex()}" and open_one.task_id == f"0x{task_id.hex()}"
        first = client.dispute(open_one.id)
        assert first.winner is None and first.moves[0].event == "ChallengeCommitted"
        for _ in scene.moves(game):
            pass
        story = client.dispute(open_one.id)
        assert story.winner == "challenger" and story.moves[: len(first.moves)] == first.moves
        narrowed = [move.interval[1] for move in story.moves if move.interval]
        assert narrowed == sorted(narrowed, reverse=True) and narrowed[-1] < story.steps
        assert client.proof(story.id).prover == "challenger"
        with pytest.raises(NotThere):
            client.dispute("0x" + "0" * 64)
