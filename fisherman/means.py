"""What every part of a fisherman works with."""

from __future__ import annotations

from dataclasses import dataclass

from infernet.actors.holdings import Holdings
from infernet.actors.report import Position, Report, Tell
from infernet.actors.tries import Tries
from infernet.chain.deployment import Contracts
from infernet.chain.game import commitment_of, game_id_of
from infernet.chain.records import (
    Address,
    AssertionId,
    GameId,
    GameRecord,
    Seconds,
    TaskId,
)
from infernet.chain.wallet import KeySigner, Sent, Wallet
from infernet.store.checks import Checks

from .policy import FishermanPolicy
from .purse import Purse
from .runs import Runs


@dataclass(frozen=True, slots=True)
class Means:
    """Contracts, purse, models, wishes and memory of one fisherman."""

    contracts: Contracts
    wallet: Wallet
    purse: Purse
    signer: KeySigner
    holdings: Holdings
    policy: FishermanPolicy
    checks: Checks
    tries: Tries
    runs: Runs
    name: str
    tell: Tell

    @property
    def address(self) -> Address:
        """Return the account that challenges."""
        return self.wallet.address

    def now(self) -> Seconds:
        """Return the time that a transaction sent now will meet."""
        return self.contracts.chain.next_timestamp()

    def pause_seconds(self) -> int:
        """Return after how long something that could not be done is tried again."""
        return max(1, self.contracts.market_constants.window_seconds // 100)

    def salt(self, assertion_id: AssertionId) -> bytes:
        """Return the salt of this account's commitment; it follows from the key."""
        return self.signer.secret(b"infernet challenge" + assertion_id)

    def commitment(self, assertion_id: AssertionId, final: bytes) -> tuple[bytes, GameId]:
        """Return the commitment to a final hash, and the id of the game that it begins."""
        salt = self.salt(assertion_id)
        commitment = commitment_of(assertion_id, self.address, final, salt)
        return commitment, game_id_of(assertion_id, self.address, commitment)

    def say(
        self,
        event: str,
        what: str,
        sent: Sent | None = None,
        *,
        task_id: TaskId | None = None,
        assertion_id: AssertionId | None = None,
        position: Position | None = None,
    ) -> None:
        """Tell what was done or found out; `event` is constant."""
        self.tell(
            Report(
                actor=self.name,
                address=self.address,
                event=event,
                what=what,
                sent=sent,
                task_id=task_id,
                assertion_id=assertion_id,
                position=position,
            )
        )


def position_of(game_id: GameId, record: GameRecord) -> Position:
    """Return a game as reports show it."""
    return Position(
        game_id,
        record.start,
        record.length,
        record.executor_clock,
        record.challenger_clock,
        record.deadline,
    )
