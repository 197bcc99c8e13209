"""What becomes of a task without disputed arithmetic, stage by stage: a lie is tried at one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bisection.dissection import cuts
from bisection.game import Player
from bisection.solver import answer
from interpreter.merkle import Hash
from interpreter.program import Step
from tests.e2e.disputes_arena import Claim

from .case import Case
from .claims import Behind
from .ground import Party

EXECUTOR, CHALLENGER = Party.EXECUTOR, Party.CHALLENGER


class Stage(StrEnum):
    """How far a task has come."""

    POSTED = "an open task"
    CLAIMED = "a claimed task"
    ASSERTED = "a result that waits"
    COMMITTED = "a commit"
    OPENED = "an open game"
    DECIDED = "a decided game"
    PAID = "a game that is paid"
    FINAL = "a final result"
    DEMANDED = "an open demand"
    OVERDUE = "a demand past its time"
    REVEALED = "a revealed input"


Course = Callable[[Case], Iterator[Stage]]


@dataclass(slots=True)
class Challenge:
    """A game that somebody begins by hand, and what it says the run leaves."""

    case: Case
    party: Party
    claim: Claim
    number: int = 0
    game_id: bytes = b""

    @property
    def salt(self) -> bytes:
        """Return the salt of the commit."""
        return self.party.value.encode().ljust(28, b"\0") + self.number.to_bytes(4)

    @property
    def commitment(self) -> bytes:
        """Return what is committed to."""
        ground, assertion_id = self.case.ground, self.case.assertion_id
        return ground.commitment(self.party, assertion_id, self.claim.final, self.salt)

    @property
    def hashes(self) -> list[Hash]:
        """Return the opening dissection."""
        ground = self.case.ground
        steps = ground.assertion(self.case.assertion_id).steps
        return self.claim.state_hashes(cuts(Step(0), Step(steps), ground.arity)[1:])

    def commit(self) -> None:
        """Commit it."""
        case = self.case
        self.game_id = case.ground.commit_as(self.party, case.assertion_id, self.commitment)
        case.game_id = self.game_id

    def open(self) -> None:
        """Open it, a block later."""
        self.send("open", self.game_id, self.salt, self.hashes)

    def answered(self) -> None:
        """Have the executor answer from the true run."""
        ground = self.case.ground
        game = ground.read_game(self.game_id)
        move = answer(game, self.case.honest)
        assert move is not None, "there is nothing to answer"
        ground._move(ground.executor, self.game_id, game, move)

    def fight(self, asserted: Claim) -> None:
        """Have both sides play to a verdict, the executor from what it asserts."""
        ground = self.case.ground
        claims = {Player.EXECUTOR: asserted, Player.CHALLENGER: self.claim}
        senders = {Player.EXECUTOR: EXECUTOR, Player.CHALLENGER: self.party}
        while (game := ground.read_game(self.game_id)).verdict is None:
            move = answer(game, claims[game.mover])
            assert move is not None, "there is nothing to answer"
            ground._move(ground.address[senders[game.mover]], self.game_id, game, move)

    def time_out(self, caller: Party | None = None) -> None:
        """Let the mover's time pass and say so."""
        ground = self.case.ground
        ground.pass_until(ground.game.functions.game(self.game_id).call()[2])
        self.send("timeout", self.game_id, caller=caller)

    def settle(self) -> None:
        """Have its bond settled."""
        self.send("settle", self.game_id)

    def send(self, name: str, *arguments: object, caller: Party | None = None) -> None:
        """Send a call of the game's contract."""
        ground = self.case.ground
        ground.send(name, ground.address[caller or self.party], ground.game, *arguments)


def junk(case: Case, party: Party, number: int = 0) -> Challenge:
    """Commit a challenge to an end that is false, whatever the executor said."""
    challenge = Challenge(case, party, Behind("last byte").claim(case.network), number)
    challenge.commit()
    return challenge


def lie_of(case: Case) -> Claim:
    """Return a false result of the case's task."""
    return Behind("first byte").claim(case.network)


def accepted(case: Case) -> Iterator[Stage]:
    """Have a true result accepted."""
    case.post()
    yield Stage.POSTED
    case.ground.claim(case.task_id)
    yield Stage.CLAIMED
    case.deliver(case.honest)
    yield Stage.ASSERTED
    case.finalise()
    yield Stage.FINAL


def defeated(case: Case) -> Iterator[Stage]:
    """Have a false result challenged in its window's last seconds; the liar says nothing more."""
    case.assert_result(lie_of(case))
    case.found_by = "watcher's run"
    yield Stage.ASSERTED
    challenge = Challenge(case, CHALLENGER, case.honest)
    case.ground.pass_until(case.window_end - 5)
    challenge.commit()
    yield Stage.COMMITTED
    challenge.open()
    yield Stage.OPENED
    challenge.time_out()
    yield Stage.DECIDED
    take_reward(case, CHALLENGER)
    case.verdict = "challenger, on time"
    yield Stage.PAID


def doubted(case: Case) -> Iterator[Stage]:
    """Have a true result challenged by somebody who opens and then says nothing more."""
    case.assert_result(case.honest)
    case.found_by = "executor's run"
    yield Stage.ASSERTED
    challenge = Challenge(case, CHALLENGER, lie_of(case))
    challenge.commit()
    yield Stage.COMMITTED
    challenge.open()
    yield Stage.OPENED
    challenge.answered()
    challenge.time_out(EXECUTOR)
    yield Stage.DECIDED
    challenge.send("settle", challenge.game_id, caller=EXECUTOR)
    case.verdict = "executor, on time"
    yield Stage.PAID
    case.finalise()
    yield Stage.FINAL


def take_reward(case: Case, party: Party) -> None:
    """Let the time for earlier commits pass and have the reward paid."""
    ground = case.ground
    opens = ground.game.functions.constants().call()[1]
    ground.pass_until(ground.game.functions.contest(case.assertion_id).call()[4] + opens)
    ground.send("claimReward", ground.address[party], ground.game, case.assertion_id)
