"""A miner that lies as it is told to: `python -m benchmarks.soak.liar PLAN`.

It is `infernet miner run` with lies put in. A lie is of a task for good, so that it is defended as
it was told.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock

from executor.actor import Executor
from executor.defence import Defence
from executor.inputs import Inputs
from executor.means import Look, Means
from executor.runs import Runs, SharedRun, ignore_inference
from executor.service import Service
from infernet.actors.crew import Crew, Work
from infernet.actors.holdings import Holdings
from infernet.actors.tries import Tries
from infernet.backend.trace import Trace
from infernet.chain.game import ChallengeFound
from infernet.chain.market import AssertionFound, Market
from infernet.chain.records import GameRecord, GameStatus, ProgramRoot, TaskId
from infernet.cli.miner import policy_of
from infernet.cli.player import Watch, open_player, play
from infernet.config import load
from infernet.logs import set_up
from infernet.monitor.snapshot import Role
from infernet.queue.jobs import Purpose

from .lies import Kind, blank_run, false_run, is_silent, read

_RUNS = 8


class Book:
    """Which task gets which lie: the plan's, in the order in which results are wanted."""

    def __init__(self, plan: dict[int, Kind], market: Market) -> None:
        self._plan, self._market = plan, market
        self._kinds: dict[TaskId, Kind | None] = {}
        self._results = 0
        self._lock = Lock()

    def kind_of(self, task_id: TaskId) -> Kind | None:
        """Return what is told of a task; None for the truth."""
        is_hidden = not self._market.is_input_carried(task_id)
        with self._lock:
            if task_id not in self._kinds:
                self._kinds[task_id] = Kind.HIDDEN if is_hidden else self._plan.get(self._results)
                self._results += not is_hidden
            return self._kinds[task_id]


class FalseRuns(Runs):
    """Runs of which some are false."""

    def __init__(self, holdings: Holdings, inputs: Inputs, tries: Tries, book: Book) -> None:
        super().__init__(holdings, inputs, tries, _RUNS, ignore_inference)
        self._held, self._book = holdings, book

    def of(self, task_id: TaskId, root: ProgramRoot, iterations: int) -> SharedRun | None:
        """Return what is told of a task."""
        kind = self._book.kind_of(task_id)
        if kind is Kind.HIDDEN:
            return SharedRun(blank_run(self._held[root].header, iterations), iterations)
        truth = super().of(task_id, root, iterations)
        if truth is None or kind is None:
            return truth
        assert isinstance(truth.run, Trace)
        return SharedRun(false_run(kind, self._held[root], truth.run, task_id), iterations)


class FalseService(Service):
    """Claims and asserts; of a hidden input too."""

    def works(self, look: Look) -> list[Work]:
        """Return what is to be done about tasks."""
        return super().works(look) + list(self._hidden(look))

    def _hidden(self, look: Look) -> Iterator[Work]:
        means, market = self._means, self._look(look)
        for offer in market.offers.values():
            is_taken = offer.task_id in market.claims or offer.task_id in market.results
            if not is_taken and not means.contracts.market.is_input_carried(offer.task_id):
                act = partial(self._claim, offer, means.policy.stake_wei)
                yield Work(offer.task_id, act)


class FalseDefence(Defence):
    """Defends results; falls silent where its lie says so."""

    def __init__(self, means: Means, book: Book) -> None:
        super().__init__(means)
        self._book = book

    def _move(
        self, challenge: ChallengeFound, result: AssertionFound, record: GameRecord, look: Look
    ) -> bool:
        if record.status is GameStatus.EXECUTOR_TURN:
            cuts = self._means.contracts.games.dissections(challenge.game_id)
            moves = sum(not cut.by_challenger for cut in cuts)
            if is_silent(self._book.kind_of(result.task_id), moves):
                return False
        return super()._move(challenge, result, record, look)


class Liar(Executor):
    """A miner whose runs, service and defence are those above."""

    def corrupt(self, plan: dict[int, Kind]) -> None:
        """Begin to lie; before the first turn."""
        market = self.contracts.market
        book = Book(plan, market)
        runs = FalseRuns(self.holdings, self._means.inputs, self._means.tries, book)
        self._means = replace(self._means, runs=runs)
        self._service = FalseService(self._means)
        self._defence = FalseDefence(self._means, book)


def main(plan: Path) -> None:
    """Run the liar until a signal ends it."""
    set_up("info", "json")
    player = open_player(load().config, Purpose.EXECUTE)
    player.wallet.recover()
    policy = policy_of(player.config)
    watch = Watch(player, Role.MINER)

    def make() -> Liar:
        liar = Liar(
            player.contracts,
            player.wallet,
            player.holdings(),
            policy,
            player.conformance,
            "liar",
            watch.observers.on_report,
            player.database,
            Crew(policy.max_tasks),
        )
        liar.corrupt(read(plan))
        return liar

    play(player, watch, make)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
