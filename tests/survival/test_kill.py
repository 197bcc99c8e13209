"""Players die by SIGKILL at every point of each transaction, and win once, to the wei."""

from __future__ import annotations

import ast
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from executor.inputs import Inputs
from fisherman.cost import reward_of
from infernet.chain.market import AssertionFound, Request
from infernet.chain.records import AssertionStatus, Seconds, TaskStatus
from infernet.store.database import account_file, open_database
from interpreter.merkle import tree_of_bytes
from tests.anvil import Anvil
from tests.programs import random_program
from tests.stage import FEE, base_fee, reveal_gas

from .accounts import START_WEI, require_balanced, worth
from .player import Moment
from .scenes import lie_after
from .town import LONG_SEED, SHORT_SEED, Town, new_town, payments, town_without_model
from .troupe import Actor, Troupe, require_killed, troupe

N = TypeVar("N", bound=ast.AST)

EVERY = tuple(Moment)
# What a player calls, and dies at, in each test.
PROVEN = ("commit", "open", "prove", "claimReward")
OUTLASTED = ("commit", "open", "dissect", "timeout", "claimReward")
ATTACKED = ("deposit", "claim", "assertResult", "dissect", "prove", "timeout", "forfeit", "settle")
LEFT = ("finalise", "withdraw")
LATER = ("commit", "open", "prove", "settle")
EARLIER = ("commit", "claimPriority", "claimReward")
HIDDEN = ("demandReveal", "timeoutReveal")
SHOWN = ("deposit", "claim", "assertResult", "reveal", "finalise")
BEGUN = ("register", "extend", "deposit", "claim", "assertResult", "finalise")


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


def catch_a_lie(town: Town, folder: Path, dissections: int, kinds: tuple[str, ...]) -> None:
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
        gas = require_once(town, watcher, *kinds)
        stake = town.contracts.registry.info(town.root).minimum_stake
        assert worth(town, watcher.address) == START_WEI - gas + reward_of(stake)
        require_balanced(town, liar.address, watcher.address, requester.address)


def is_rewarded(town: Town) -> bool:
    """Return whether the reward for the first result's fall is paid."""
    found = the_result(town)
    return found is not None and town.contracts.games.contest(found.assertion_id).rewarded


def test_a_fisherman_killed_everywhere_proves_a_lie(anvil: Anvil, tmp_path: Path) -> None:
    catch_a_lie(new_town(anvil, SHORT_SEED), tmp_path, 2, PROVEN)


def test_a_fisherman_killed_everywhere_outlasts_a_liar(anvil: Anvil, tmp_path: Path) -> None:
    catch_a_lie(new_town(anvil, LONG_SEED), tmp_path, 3, OUTLASTED)


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
        gas = require_once(town, miner, *ATTACKED, *LEFT)
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
        late_gas = require_once(town, late, *LATER)
        early_gas = require_once(town, early, *EARLIER)
        stake = town.contracts.registry.info(town.root).minimum_stake
        assert worth(town, early.address) == START_WEI - early_gas + reward_of(stake)
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
        gas = require_once(town, watcher, *HIDDEN)
        assert worth(town, watcher.address) == START_WEI - gas + reward_of(stake)
        assert vault.balance(liar.address).total == 0
        require_balanced(town, liar.address, watcher.address, requester.address)


def test_an_executor_killed_everywhere_reveals_what_it_was_given(
    anvil: Anvil, tmp_path: Path
) -> None:
    """No transaction carries the input; the miner has it from a gateway that is gone."""
    town = new_town(anvil, SHORT_SEED)
    requester, market = town.wallet(), town.contracts.market
    deadline = Seconds(town.chain.next_timestamp() + 10**6)
    root = tree_of_bytes(np.frombuffer(town.data, np.uint8)).root
    task_id, _ = market.request(requester, Request(town.root, FEE, deadline, 1), root, FEE)
    with troupe(town, tmp_path) as players:
        miner = players.cast("miner", "executor", moments=EVERY)
        watcher = players.cast("watcher", "fisherman")
        path = account_file(tmp_path, town.chain.chain_id, miner.address)
        with closing(open_database(path)) as database:
            Inputs(market, database).put(task_id, town.data)

        def is_final() -> bool:
            return market.task(task_id).status is TaskStatus.FINAL

        players.play(is_final, miner, watcher)
        let_finish(players, miner, watcher)
        gas = require_once(town, miner, *SHOWN)
        (revealed,) = market.events("Revealed", taskId=task_id)
        paid = reveal_gas(town.data) * base_fee(town.chain, revealed.block_number)
        assert worth(town, miner.address) == START_WEI - gas + FEE + paid
        require_balanced(town, miner.address, watcher.address, requester.address)


def test_an_executor_killed_everywhere_registers_and_serves(anvil: Anvil, tmp_path: Path) -> None:
    """Its model takes two transactions to register."""
    rng = np.random.default_rng(0)
    town = town_without_model(anvil, random_program(rng, operators=40, max_count=12), rng)
    market, vault = town.contracts.market, town.contracts.vault
    requester = town.wallet()
    with troupe(town, tmp_path) as players:
        miner = players.cast("miner", "executor", moments=EVERY)

        def has_deposited() -> bool:
            return vault.balance(miner.address).total > 0

        players.play(has_deposited, miner, jump_seconds=0)
        town.request(requester)
        players.play(lambda: the_result(town) is not None, miner, jump_seconds=0)
        found = the_result(town)
        assert found is not None

        def is_final() -> bool:
            return market.task(found.task_id).status is TaskStatus.FINAL

        players.play(is_final, miner)
        let_finish(players, miner)
        gas = require_once(town, miner, *BEGUN)
        deposit = town.contracts.registry.deposit()
        assert worth(town, miner.address) == START_WEI - gas - deposit + FEE
        require_balanced(town, miner.address, requester.address)


def nodes_in(folder: str, kind: type[N]) -> Iterator[N]:
    """Yield all nodes of a kind in the code of a folder."""
    for path in sorted((Path(__file__).parents[2] / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                yield node


def calls_in(method: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls in a method."""
    return (node for node in ast.walk(method) if isinstance(node, ast.Call))


def named_first(call: ast.Call) -> str:
    """Return the last name of a call's first argument: `wallet` of `means.wallet`."""
    return ast.unparse(call.args[0]).rpartition(".")[2] if call.args else ""


def sent_by_method() -> dict[str, set[str]]:
    """Return which functions of contracts each method of the chain's package sends."""
    sent: dict[str, set[str]] = {}
    for method in nodes_in("infernet/chain", ast.FunctionDef):
        for call in calls_in(method):
            if ast.unparse(call.func) == "self.send" and named_first(call) == "wallet":
                sent.setdefault(method.name, set()).add(ast.literal_eval(call.args[1]))
    return sent


def test_players_die_at_every_transaction_that_they_can_send() -> None:
    """Read from the code what players call with their wallet, and what that sends."""
    sent, used = sent_by_method(), set()
    for folder in ("executor", "fisherman", "infernet/actors"):
        for call in nodes_in(folder, ast.Call):
            if isinstance(call.func, ast.Attribute) and named_first(call) == "wallet":
                used |= sent.get(call.func.attr, set())
    died_at = {*PROVEN, *OUTLASTED, *ATTACKED, *LEFT, *LATER, *EARLIER, *HIDDEN, *SHOWN, *BEGUN}
    # No game is over one step: a program that can be registered has BEGIN and END.
    assert used == died_at | {"openWithProof"}
