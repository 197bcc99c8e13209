"""Take money out of the vault: what is free, what is locked and until when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from infernet.chain.deployment import Contracts
from infernet.chain.records import (
    NO_WEI,
    Address,
    AssertionId,
    AssertionStatus,
    Seconds,
    TaskId,
    TaskStatus,
    Wei,
)
from infernet.chain.wallet import Sent, Wallet


class Reason(Enum):
    """Why a stake is locked."""

    CLAIMED = "claimed, its result is due"
    ASSERTED = "asserted, its window is open"
    DISPUTED = "disputed"


@dataclass(frozen=True, slots=True)
class Lock:
    """A stake behind a task. `until`: the earliest time at which it can be free again."""

    task_id: TaskId
    reason: Reason
    stake_wei: Wei
    until: Seconds


@dataclass(frozen=True, slots=True)
class Standing:
    """An account's part of the vault; `locks` explain what is locked for tasks."""

    free_wei: Wei
    locked_wei: Wei
    locks: tuple[Lock, ...]

    @property
    def locked_until(self) -> Seconds | None:
        """Return the earliest time at which all stakes can be free; None without any."""
        return max((lock.until for lock in self.locks), default=None)


def standing(contracts: Contracts, address: Address) -> Standing:
    """Return what an account could take out of the vault now, and what it waits for."""
    balance = contracts.vault.balance(address)
    locks = (*_claims(contracts, address), *_results(contracts, address)) if balance.locked else ()
    return Standing(balance.free, balance.locked, locks)


def withdraw(contracts: Contracts, wallet: Wallet, amount: Wei | None = None) -> Sent | None:
    """Take `amount` of what is free out of the vault, or all of it; None if there is nothing."""
    wanted = contracts.vault.balance(wallet.address).free if amount is None else amount
    return contracts.vault.withdraw(wallet, wanted) if wanted > NO_WEI else None


def _claims(contracts: Contracts, address: Address) -> list[Lock]:
    market = contracts.market
    found = {TaskId(bytes(e["taskId"])) for e in market.events("Claimed", executor=address)}
    locks = []
    for task_id in found:
        if market.has_event("Finalised", taskId=task_id):
            continue
        task = market.task(task_id)
        if task.status is TaskStatus.CLAIMED and task.executor == address:
            locks.append(Lock(task_id, Reason.CLAIMED, task.stake, task.claim_deadline))
    return locks


def _results(contracts: Contracts, address: Address) -> list[Lock]:
    locks = []
    for found in contracts.market.open_assertions(executor=address):
        asserted = contracts.market.assertion(found.assertion_id)
        if asserted.status is not AssertionStatus.PENDING:
            continue
        until = asserted.window_end
        reason = Reason.ASSERTED
        if deadlines := _live_deadlines(contracts, found.assertion_id):
            reason, until = Reason.DISPUTED, max(until, *deadlines)
        locks.append(Lock(found.task_id, reason, asserted.stake, until))
    return locks


def _live_deadlines(contracts: Contracts, assertion_id: AssertionId) -> list[Seconds]:
    """Return the next deadline of each game over a result that is not decided."""
    games = contracts.games
    if games.is_clear(assertion_id):
        return []
    challenges = games.open_challenges(assertionId=assertion_id)
    return [games.game(challenge.game_id).deadline for challenge in challenges]
