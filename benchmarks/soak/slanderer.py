"""A challenger of honest results: `python -m benchmarks.soak.slanderer`.

It is `infernet fisherman run` with false re-executions: whatever it samples looks false to it. Its
games end each in its own way: never opened, left after one move or two, or played to the end.
"""

from __future__ import annotations

import random
from dataclasses import replace

from fisherman.actor import Fisherman
from fisherman.means import Means
from fisherman.pursue import OwnMatters
from infernet.actors.crew import Crew
from infernet.actors.holdings import Holding, Holdings, Run
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from infernet.chain.game import ChallengeFound
from infernet.chain.records import GameRecord
from infernet.cli.fisherman import policy_of
from infernet.cli.player import Watch, open_player, play
from infernet.config import load
from infernet.logs import set_up
from infernet.monitor.snapshot import Role
from infernet.queue.jobs import Purpose
from interpreter.program import Step

WAYS = 4


class Moody(OwnMatters):
    """Plays its n-th game for n mod 4 moves after the commit, or as long as it can for 3."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self._all = means.contracts.games
        self._address = means.address

    def _play(self, challenge: ChallengeFound, record: GameRecord) -> bool:
        own = [game.game_id for game in self._all.challenges(challenger=self._address)]
        way = own.index(challenge.game_id) % WAYS
        made = sum(found.by_challenger for found in self._all.dissections(challenge.game_id))
        if way < WAYS - 1 and made >= way:
            return False
        return super()._play(challenge, record)


class Slanderer(Fisherman):
    """A fisherman that plays by its mood."""

    def corrupt(self) -> None:
        """Become moody; before the first turn."""
        self._own = Moody(self._means)


def falsified(holding: Holding) -> Holding:
    """Return a holding all of whose runs have a false step; the same for the same input."""

    def start(data: bytes, iterations: int = 1) -> Run:
        truth = holding.start_run(data, iterations)
        assert isinstance(truth, Trace)
        step = random.Random(data).randrange(truth.steps)
        return TamperedTrace(truth, Step(step), Mutation(77))

    return replace(holding, start_run=start)


def main() -> None:
    """Run the slanderer until a signal ends it."""
    set_up("info", "json")
    player = open_player(load().config, Purpose.VERIFY)
    policy = policy_of(player.config)
    watch = Watch(player, Role.FISHERMAN)

    def make() -> Slanderer:
        held: Holdings = {root: falsified(each) for root, each in player.holdings().items()}
        slanderer = Slanderer(
            player.contracts,
            player.wallet,
            player.signer,
            held,
            player.conformance,
            "slanderer",
            watch.observers.on_report,
            policy,
            player.database,
            Crew(policy.max_runs),
        )
        slanderer.corrupt()
        return slanderer

    play(player, watch, make)


if __name__ == "__main__":
    main()
