"""Two watchers over one lie: what is left to the one that comes second, or not at all."""

from __future__ import annotations

import pytest

from bisection.game import Player, Prove
from bisection.game import Seconds as GameSeconds
from bisection.solver import next_actions
from fisherman.policy import FishermanPolicy, Mode
from infernet.actors.board import read_game
from infernet.actors.responder import Responder
from infernet.chain.errors import Reverted
from infernet.chain.records import GameStatus
from infernet.chain.wallet import KeySigner
from interpreter.program import Step
from tests.stage import Stage, base_fee
from tests.unit.fisherman.lies import broken, events, locked, tell_lie


def test_a_commit_that_was_not_opened_before_the_assertion_fell_is_lost_and_settled(
    stage: Stage,
) -> None:
    games, constants = stage.contracts.games, stage.contracts.game_constants
    lie, late, quick = tell_lie(stage), stage.wallet(), stage.wallet()
    stage.fisherman(late).tick()
    assert locked(stage, late)
    stage.skip(constants.open_seconds + 1)
    winner = stage.fisherman(quick)
    for _ in range(3):
        winner.tick()
    stage.skip(constants.clock_seconds + constants.grace_seconds + 60)
    winner.tick()
    assert games.is_voided(lie.assertion_id)
    stage.skip(constants.open_seconds + 1)
    winner.tick()
    assert not locked(stage, quick)

    stage.reports.clear()
    loser = stage.fisherman(late)
    assert not sum(loser.tick() for _ in range(4))
    assert events(stage) == ["game_lost"]
    burned = stage.contracts.vault.burned()
    for _ in range(3):
        lie.liar.tick()
    assert not locked(stage, late)
    assert stage.contracts.vault.burned() > burned
    (settled,) = [e for e in games.events("GameSettled") if e["burned"]]
    forfeit = games.events("CommitForfeited")[0].block_number
    due = stage.contracts.game_constants.dissection_gas * base_fee(stage.chain, forfeit)
    assert settled["paidToExecutor"] == due // 10**12 * 10**12
    assert not games.open_challenges()


@pytest.mark.parametrize(
    ("is_right", "told"), [(True, "priority_claimed"), (False, "bond_returned")]
)
def test_whose_commit_came_first_is_known_without_a_run(
    stage: Stage, is_right: bool, told: str
) -> None:
    games, lie = stage.contracts.games, tell_lie(stage, 0.2)
    early, quick = stage.wallet(), stage.wallet()
    (final,) = stage.truth().state_hashes([Step(stage.steps)])
    means = stage.fisherman(early)._means
    commitment, own = means.commitment(lie.assertion_id, final if is_right else b"\x05" * 32)
    bond = games.bond_for(lie.assertion_id)
    games.commit(early, lie.assertion_id, commitment, bond, bond)
    winner = stage.fisherman(quick)
    for _ in range(8):
        winner.tick()
        lie.liar.tick()
    assert games.is_voided(lie.assertion_id)
    assert games.game(own).status is GameStatus.COMMITTED

    stage.reports.clear()
    restarted = stage.fisherman(early, start_run=broken, policy=FishermanPolicy(Mode.DEFENSIVE))
    restarted.tick()
    assert events(stage) == [told]
    assert (games.contest(lie.assertion_id).candidate == own) is is_right


def test_who_proves_a_moment_after_another_won_raises_no_alarm(stage: Stage) -> None:
    games, lie = stage.contracts.games, tell_lie(stage, 0.2)
    wallets = [stage.wallet(), stage.wallet()]
    watchers = [stage.fisherman(wallet) for wallet in wallets]
    truth = stage.truth()

    def is_to_prove(index: int) -> bool:
        (own,) = games.challenges(challenger=wallets[index].address)
        if games.game(own.game_id).status is not GameStatus.CHALLENGER_TURN:
            return False
        now = GameSeconds(stage.chain.next_timestamp())
        game = read_game(stage.contracts, own.game_id)
        return isinstance(next_actions(game, Player.CHALLENGER, truth, now)[0], Prove)

    for watcher in watchers:
        watcher.tick()
    for _ in range(8):
        for index, watcher in enumerate(watchers):
            if not is_to_prove(index):
                watcher.tick()
        lie.liar.tick()
    assert is_to_prove(0)
    assert is_to_prove(1)
    watchers[0].tick()
    assert games.is_voided(lie.assertion_id)

    (own,) = games.challenges(challenger=wallets[1].address)
    assert isinstance(wallets[1].signer, KeySigner)
    told = list(stage.reports)
    tell = stage.reports.append
    second = Responder(stage.contracts, wallets[1], Player.CHALLENGER, "fisherman", tell)
    with pytest.raises(Reverted, match="AssertionVoid"):
        second.respond(own.game_id, truth)
    assert stage.reports == told
