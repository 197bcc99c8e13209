"""Players die by SIGKILL at every point of each transaction, and win once, to the wei."""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from infernet.chain.market import AssertionFound, Request
from infernet.chain.records import AssertionStatus, Seconds, TaskStatus
from interpreter.merkle import tree_of_bytes
from tests.anvil import Anvil
from tests.stage import FEE

from .accounts import START_WEI, require_balanced, worth
from .player import Moment
from .scenes import lie_after
from .town import LONG_SEED, SHORT_SEED, Town, new_town, payments
from .troupe import Actor, Troupe, require_killed, troupe

EVERY = tuple(Moment)


def the_result(town: Town) -> AssertionFound | None:
    """Return the first result on chain, if there is one."""
    found = town.contracts.market.assertions()
    return found[0] if found else None


def require_once(town: Town, actor: Actor, *kinds: str) -> int:
    """Check that a player sent each call once, died at each point of it, and return its gas.

    `kinds`: the functions that it must have called.
    """
    paid = payments(town.anvil)[actor.address.lower()]
    repeated = [count for count in Counter(paid.calls).values() if count > 1]
    assert not repeated, f"{actor.part.name} sent {len(repeated)} calls more than once"
    assert not paid.failed, f"{actor.part.name} paid for {paid.failed} refused transactions"
    if actor.part.moments:
        deaths = actor.deaths()
        wanted = {(kind, moment.name) for kind in kinds for moment in actor.part.moments}
        assert wanted <= set(deaths), f"not died at {sorted(wanted - set(deaths))}"
        assert actor.ends[-signal.SIGKILL] == sum(deaths.values())
    names = {call[:4] for call in paid.calls}
    assert len(names) == len({*kinds}), f"{actor.part.name} called {len(names)} functions"
    return paid.gas_wei


def let_finish(players: Troupe, *actors: Actor) -> None:
    """Let players come to rest after the last of their points, then end them in order."""
    until = time.monotonic() + 1

    def have_rested() -> bool:
        return time.monotonic() > until and all(actor.is_alive() for actor in actors)

    players.play(have_rested, *actors, jump_seconds=0)
    for actor in actors:
        actor.stop()


def catch_a_lie(town: Town, folder: Path, dissections: int, moves: tuple[str, ...]) -> None:
    """Let a fisherman that dies everywhere catch a liar, and account for every wei."""
    with troupe(town, folder) as players:
        liar = players.cast("liar", "executor", lie_at=lie_after(town, dissections))
        watcher = players.cast("watcher", "fisherman", moments=EVERY)
        requester = town.wallet()
        town.request(requester)
        players.play(lambda: is_rewarded(town), liar, watcher)
        let_finish(players, watcher)
        found = the_result(town)
        assert found is not None
        asserted = town.contracts.market.assertion(found.assertion_id)
        assert asserted.status is AssertionStatus.SLASHED
        gas = require_once(town, watcher, "commit", "open", *moves, "claimReward")
        stake = town.contracts.registry.info(town.root).minimum_stake
        assert worth(town, watcher.address) == START_WEI - gas + stake // 2
        require_balanced(town, liar.address, watcher.address, requester.address)


def is_rewarded(town: Town) -> bool:
    """Return whether the reward for the first result's fall is paid."""
    found = the_result(town)
    return found is not None and town.contracts.games.contest(found.assertion_id).rewarded


def test_a_fisherman_killed_everywhere_proves_a_lie(anvil: Anvil, tmp_path: Path) -> None:
    catch_a_lie(new_town(anvil, SHORT_SEED), tmp_path, 2, ("prove",))


def test_a_fisherman_killed_everywhere_outlasts_a_liar(anvil: Anvil, tmp_path: Path) -> None:
    catch_a_lie(new_town(anvil, LONG_SEED), tmp_path, 3, ("dissect", "timeout"))


def test_an_executor_killed_everywhere_beats_three_attacks_at_once(
    anvil: Anvil, tmp_path: Path
) -> None:
    """One challenger plays a lie to its end, one stops after its opening, one never opens."""
    town = new_town(anvil, LONG_SEED)
    lie = lie_after(town, 3)
    with troupe(town, tmp_path) as players:
        miner = players.cast("miner", "executor", moments=EVERY)
        attacker = players.cast("attacker", "fisherman", lie_at=lie)
        requester, staller, sleeper = (town.wallet() for _ in range(3))
        town.request(requester)
        players.play(lambda: the_result(town) is not None, miner)
        found = the_result(town)
        assert found is not None
        assert town.fisherman(sleeper, lie).tick(), "the sleeper did not commit"
        for _ in range(2):
            assert town.fisherman(staller, lie).tick(), "the staller did not move"
            town.skip(2)
        games = town.contracts.games

        def is_over() -> bool:
            bonds = [games.game(c.game_id).bond for c in games.challenges()]
            task = town.contracts.market.task(found.task_id)
            return task.status is TaskStatus.FINAL and len(bonds) == 3 and not any(bonds)

        players.play(is_over, miner, attacker, seconds=240)
        let_finish(players, miner)
        withdrawal = replace(miner.part, role="withdrawal")
        leaver = Actor(withdrawal, ends=miner.ends)
        players.actors.append(leaver)
        leaver.start()
        while leaver.process is None or leaver.process.is_alive() or not is_done(leaver):
            time.sleep(0.02)
        kinds = ("claim", "assertResult", "dissect", "prove", "timeout", "forfeit", "settle")
        gas = require_once(town, miner, "deposit", *kinds, "finalise", "withdraw")
        refunds = sum(e["paidToExecutor"] for e in games.events("GameSettled"))
        assert refunds > 0
        assert town.chain.balance(miner.part.signer.address) == START_WEI - gas + FEE + refunds
        losers = (attacker.address, staller.address, sleeper.address)
        require_balanced(town, miner.address, requester.address, *losers)


def is_done(actor: Actor) -> bool:
    """Return whether a player's work ended well; start it again if it was killed."""
    if actor.is_alive():
        return False
    done = actor.ends.pop(0, 0) > 0
    if not done:
        require_killed(actor)
        actor.start()
    return done


def test_fishermen_killed_everywhere_share_a_reward_rightly(anvil: Anvil, tmp_path: Path) -> None:
    """The earlier committed, the later won first: the reward moves, both bonds return whole."""
    town = new_town(anvil, SHORT_SEED)
    with troupe(town, tmp_path) as players:
        liar = players.cast("liar", "executor", lie_at=lie_after(town, 2))
        early = players.cast("early", "fisherman", moments=EVERY)
        late = players.cast("late", "fisherman", moments=EVERY)
        requester = town.wallet()
        town.request(requester)
        games = town.contracts.games

        def has_committed() -> bool:
            return early.ends[-signal.SIGKILL] == len(EVERY)

        players.play(has_committed, liar, early, jump_seconds=0)
        early.kill()

        def is_void() -> bool:
            found = the_result(town)
            return found is not None and games.is_voided(found.assertion_id)

        players.play(is_void, liar, late)

        def is_settled() -> bool:
            bonds = [games.game(c.game_id).bond for c in games.challenges()]
            return is_rewarded(town) and not any(bonds)

        players.play(is_settled, liar, early, late)
        let_finish(players, early, late)
        moves = ("commit", "open", "prove", "settle")
        late_gas = require_once(town, late, *moves)
        early_gas = require_once(town, early, "commit", "claimPriority", "claimReward")
        stake = town.contracts.registry.info(town.root).minimum_stake
        assert worth(town, early.address) == START_WEI - early_gas + stake // 2
        assert worth(town, late.address) == START_WEI - late_gas
        require_balanced(town, liar.address, early.address, late.address, requester.address)


def test_a_fisherman_killed_everywhere_slashes_a_hidden_input(anvil: Anvil, tmp_path: Path) -> None:
    town = new_town(anvil, SHORT_SEED)
    requester, liar = town.wallet(), town.wallet()
    market, vault = town.contracts.market, town.contracts.vault
    stake = town.contracts.registry.info(town.root).minimum_stake
    deadline = Seconds(town.chain.next_timestamp() + 10**6)
    request = Request(town.root, FEE, deadline, 1)
    root = tree_of_bytes(np.frombuffer(town.data, np.uint8)).root
    task_id, _ = market.request(requester, request, root, FEE)
    market.claim(liar, task_id, stake, stake)
    market.assert_result(liar, task_id, 1, town.truth().output)
    with troupe(town, tmp_path) as players:
        watcher = players.cast("watcher", "fisherman", moments=EVERY)

        def is_slashed() -> bool:
            found = the_result(town)
            assert found is not None
            return market.assertion(found.assertion_id).status is AssertionStatus.SLASHED

        players.play(is_slashed, watcher)
        let_finish(players, watcher)
        gas = require_once(town, watcher, "demandReveal", "timeoutReveal")
        assert worth(town, watcher.address) == START_WEI - gas + stake // 2
        assert vault.balance(liar.address).total == 0
        require_balanced(town, liar.address, watcher.address, requester.address)
