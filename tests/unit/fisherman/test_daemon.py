"""A fisherman as a daemon with threads, on a real node."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from fisherman.actor import Fisherman
from fisherman.cost import reward_of
from fisherman.policy import FishermanPolicy
from infernet.actors.crew import Crew
from infernet.actors.daemon import Pace, run
from infernet.actors.holdings import Run, StartRun, hold
from infernet.actors.report import Report
from infernet.chain.deployment import Contracts
from infernet.chain.wallet import Wallet
from infernet.store.checks import Coverage
from tests.anvil import needs_anvil, running
from tests.survival.town import Town, new_town
from tests.unit.fisherman.lies import Lie, tell_lie, tell_truth

pytestmark = needs_anvil
_PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with running() as anvil:
        yield new_town(anvil)


@dataclass
class Diary:
    """Hears reports and errors of a daemon."""

    reports: list[Report] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def on_report(self, report: Report) -> None:
        self.reports.append(report)

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)

    def on_tick(self, duration_seconds: float) -> None:
        pass

    @property
    def events(self) -> Counter[str]:
        return Counter(report.event for report in self.reports)


@contextmanager
def daemon(
    town: Town, wallet: Wallet, start_run: StartRun, workers: int
) -> Iterator[tuple[Fisherman, Diary]]:
    """Run a fisherman in a thread, as its process would."""
    diary, stop = Diary(), threading.Event()
    view = Contracts(wallet.chain, town.contracts.deployment)
    fisherman = Fisherman(
        view,
        wallet,
        wallet.signer,
        hold(view, town.program, start_run),
        town.conformance,
        tell=diary.on_report,
        policy=FishermanPolicy(max_runs=workers),
        crew=Crew(workers),
    )
    thread = threading.Thread(target=run, args=(fisherman, wallet, stop, diary, Pace(0.1)))
    thread.start()
    try:
        yield fisherman, diary
    finally:
        stop.set()
        thread.join()


def wait_for(condition: Callable[[], bool], meanwhile: Callable[[], object] = bool) -> None:
    until = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until
        meanwhile()
        time.sleep(0.05)


def test_several_lies_at_once_are_all_defeated_and_every_wei_is_there(town: Town) -> None:
    with town.rewound() as town:
        lies = [tell_lie(town, share) for share in (0.1, 0.4, 0.8)]
        tell_truth(town, 5)
        wallet = town.anvil.wallet()
        games = town.contracts.games
        with daemon(town, wallet, lambda data, _=1: town.truth(data), workers=3) as (
            fisherman,
            diary,
        ):
            wait_for(lambda: fisherman.checked == 8)
            wait_for(lambda: diary.events["challenge_committed"] == 3)
            wait_for(lambda: is_stuck(town, lies), lambda: [lie.liar.tick() for lie in lies])
            town.skip(1_300)
            wait_for(lambda: all(games.is_voided(lie.assertion_id) for lie in lies))
            town.skip(town.contracts.game_constants.open_seconds + 1)
            wait_for(lambda: diary.events["reward_collected"] == 3)
        assert fisherman.coverage() == Coverage(seen=8, sampled=8, checked=8, false=3)
        stake = town.contracts.market.assertion(lies[0].assertion_id).stake
        balance = town.contracts.vault.balance(wallet.address)
        deposits = town.contracts.vault.events("Deposited", account=wallet.address)
        deposited = sum(event["amount"] for event in deposits)
        assert (balance.locked, balance.free) == (0, deposited + 3 * reward_of(stake))
        assert diary.errors == []


def is_stuck(town: Town, lies: list[Lie]) -> bool:
    """Say whether each lie is defeated, or its liar can move no more."""
    told = Counter(report.event for report in town.reports)
    fallen = sum(town.contracts.games.is_voided(lie.assertion_id) for lie in lies)
    return fallen + told["out_of_moves"] >= len(lies)


def test_slow_executions_do_not_hold_up_the_moves_of_a_game(town: Town) -> None:
    with town.rewound() as town:
        lie, wallet = tell_lie(town, 0.5), town.anvil.wallet()
        slow, release = threading.Event(), threading.Event()

        def start(data: bytes, iterations: int = 1) -> Run:
            # With one worker this thread is the one for what is not urgent.
            if slow.is_set() and threading.current_thread().name == "crew-1":
                release.wait(_PATIENCE_SECONDS)
            return town.truth(data)

        with daemon(town, wallet, start, workers=1) as (fisherman, diary):
            wait_for(lambda: diary.events["challenge_committed"] == 1)
            slow.set()
            tell_truth(town, 4)
            checked = fisherman.checked
            wait_for(lambda: diary.events["dispute_opened"] == 1, town.anvil.mine)
            lie.liar.tick()
            wait_for(lambda: diary.events["step_proved"] + diary.events["dissected"] >= 1)
            assert fisherman.checked == checked
            release.set()
            wait_for(lambda: fisherman.checked == checked + 4)
