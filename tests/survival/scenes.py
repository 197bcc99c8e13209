"""A story with every side of the game, told through whatever lies between players and chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fisherman.cost import reward_of
from infernet.chain.records import AssertionStatus, TaskStatus
from tests.stage import FEE

from .accounts import gains, require_balanced
from .town import Town, payments
from .troupe import Actor, Troupe, troupe


@dataclass(frozen=True, slots=True)
class Story:
    """The players: two are honest and use `urls`; two cheat and ask the node itself."""

    town: Town
    players: Troupe
    liar: Actor
    watcher: Actor
    miner: Actor
    attacker: Actor

    @property
    def honest(self) -> tuple[Actor, Actor]:
        return self.watcher, self.miner


def lie_after(town: Town, dissections: int) -> int:
    """Return a step on which a game narrows to one step with so many dissections."""
    arity = town.contracts.game_constants.arity
    for step in range(town.steps // 2, town.steps):
        start, length, count = 0, town.steps, 0
        while length > 1:
            parts, count = min(arity, length), count + 1
            edges = [start + length * j // parts for j in range(parts + 1)]
            index = max(j for j in range(parts) if edges[j] <= step)
            start, length = edges[index], edges[index + 1] - edges[index]
        if count == dissections:
            return step
    raise AssertionError(f"no step takes {dissections} dissections")


def tell(
    town: Town,
    folder: Path,
    urls: tuple[str, ...],
    on_round: Callable[[Story], object] = lambda story: None,
    confirmations: int = 2,
) -> None:
    """Let a lie be caught, its task be served again, and the true result be attacked in vain.

    Both honest players end with what they are due to the wei, each of their calls done once; a
    reorganisation may have refused some before, which came ahead of what they answer.
    """
    requester = town.wallet()
    town.request(requester)
    town.anvil.mine(8)
    with troupe(town, folder, urls, confirmations) as players:
        lie = lie_after(town, 3)
        direct = (town.anvil.url,)
        story = Story(
            town,
            players,
            players.cast("liar", "executor", lie_at=lie, urls=direct),
            players.cast("watcher", "fisherman"),
            players.cast("miner", "executor"),
            players.cast("attacker", "fisherman", lie_at=lie, urls=direct),
        )
        market, games = town.contracts.market, town.contracts.games

        def between() -> None:
            on_round(story)

        def is_rewarded() -> bool:
            found = market.assertions(executor=story.liar.address)
            return bool(found) and games.contest(found[0].assertion_id).rewarded

        players.play(is_rewarded, story.liar, story.watcher, on_round=between)
        story.liar.kill()

        def is_final() -> bool:
            found = market.assertions(executor=story.miner.address)
            bonds = [games.game(each.game_id).bond for each in games.challenges()]
            if not found or any(bonds) or len(bonds) < 2:
                return False
            return market.task(found[0].task_id).status is TaskStatus.FINAL

        players.play(is_final, *story.honest, story.attacker, on_round=between)
        for actor in story.honest:
            actor.stop()
        _require_justice(story)
        everybody = (story.liar, *story.honest, story.attacker)
        require_balanced(town, requester.address, *(actor.address for actor in everybody))


def _require_justice(story: Story) -> None:
    town, paid = story.town, payments(story.town.anvil)
    (false,) = town.contracts.market.assertions(executor=story.liar.address)
    status = town.contracts.market.assertion(false.assertion_id).status
    assert status is AssertionStatus.SLASHED
    for actor in story.honest:
        calls = Counter(paid[actor.address.lower()].calls)
        assert max(calls.values()) == 1, f"{actor.part.name} did something twice"
    stake = town.contracts.registry.info(town.root).minimum_stake
    refunds = sum(e["paidToExecutor"] for e in town.contracts.games.events("GameSettled"))
    gained = gains(town, (story.watcher.address, story.miner.address))
    assert gained == {story.watcher.address: reward_of(stake), story.miner.address: FEE + refunds}
