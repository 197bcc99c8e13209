"""A miner that lies on a share of its tasks: `infernet miner run` with lies put in.

Each lie falsifies another kind of step: the first, the last, or one of an operator drawn at random;
what follows is computed faithfully, so that the lie defends itself as well as any.
"""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from threading import Lock

from executor.actor import Executor
from infernet.actors.crew import Crew
from infernet.actors.holdings import Holding, Holdings, Run
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.cli.miner import policy_of
from infernet.cli.player import Watch, open_player, play
from infernet.config import load
from infernet.logs import set_up
from infernet.monitor.snapshot import Role
from interpreter.program import Step


class Liar:
    """Tells runs of which a share is false."""

    def __init__(self, share: float) -> None:
        self._share, self._rng, self._lock = share, random.Random(2026), Lock()

    def corrupted(self, holding: Holding) -> Holding:
        """Return a holding whose runs may be lies."""

        def start(data: bytes) -> Run:
            truth = holding.start_run(data)
            with self._lock:
                if self._rng.random() >= self._share:
                    return truth
                step = self._step(
                    truth.steps, [i.steps for i in truth.states.timeline.instructions]
                )
                amount = self._rng.choice([1, -1, 77, 1_000_003])
            return TamperedTrace(truth, Step(step), Mutation(amount))

        return replace(holding, start_run=start)

    def _step(self, steps: int, sizes: list[int]) -> int:
        kind = self._rng.randrange(4)
        if kind < 2:
            return (0, steps - 1)[kind]
        operator = self._rng.randrange(len(sizes))
        return sum(sizes[:operator]) + self._rng.randrange(sizes[operator])


def main(share: float) -> None:
    """Run the liar until a signal ends it."""
    set_up("info", "json")
    player = open_player(load().config)
    player.wallet.recover()
    policy, liar = policy_of(player.config), Liar(share)
    watch = Watch(player, Role.MINER)
    held: Holdings = {root: liar.corrupted(held) for root, held in player.holdings().items()}
    crew = Crew(policy.max_tasks)

    def make() -> Executor:
        return Executor(
            player.contracts,
            player.wallet,
            held,
            policy,
            player.conformance,
            "liar",
            watch.observers.on_report,
            player.database,
            crew,
        )

    play(player, watch, make)


if __name__ == "__main__":
    main(float(sys.argv[1]))
