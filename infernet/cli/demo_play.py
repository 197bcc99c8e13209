"""Play a demonstration to its end and check on chain that all of it truly happened."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TypeVar

from infernet.actors.report import Report, Tell
from infernet.chain.deployment import Contracts
from infernet.chain.errors import ChainError
from infernet.chain.feed import Event
from infernet.chain.game import ChallengeFound
from infernet.chain.market import AssertionFound, Request
from infernet.chain.records import (
    AssertionStatus,
    GameId,
    GameStatus,
    Seconds,
    TaskId,
    TaskStatus,
    Wei,
)
from infernet.chain.wallet import Sent, in_ether

from .demo_cast import CHEAT, FEE, FISHERMAN, HONEST, REQUESTER, Cast
from .errors import DemoFailed

T = TypeVar("T")

_PAUSE_SECONDS = 0.25
_PATIENCE_SECONDS = 60
_LIVE = (GameStatus.COMMITTED, GameStatus.EXECUTOR_TURN, GameStatus.CHALLENGER_TURN)


@dataclass(frozen=True, slots=True)
class Tasks:
    """The two requests: who serves the first is honest, who serves the second lies."""

    honest: TaskId
    disputed: TaskId


@dataclass(frozen=True, slots=True)
class Dispute:
    """A decided dispute as the chain tells it. `step`, `proof`: None when a clock decided."""

    game_id: GameId
    winner: str
    step: int | None
    dissections: int
    sent: tuple[Sent, ...]
    proof: Sent | None


@dataclass(frozen=True, slots=True)
class Holdings:
    """What everybody owns: in the wallet and in the vault together, by name."""

    owned: dict[str, Wei]
    burned: Wei


def owned_by_all(cast: Cast) -> Holdings:
    """Return everybody's balances."""
    vault = cast.contracts.vault
    owned = {
        name: Wei(wallet.balance + vault.balance(wallet.address).total)
        for name, wallet in cast.wallets.items()
    }
    return Holdings(owned, vault.burned())


def request_two(cast: Cast, inputs: tuple[bytes, bytes], tell: Tell) -> Tasks:
    """Request both tasks, each with its input in the transaction."""
    # Nobody can become final before a window has passed, so nobody takes the reopened task then.
    period = cast.contracts.market_constants.window_seconds
    deadline = Seconds(cast.contracts.chain.next_timestamp() + period)
    market, wallet = cast.contracts.market, cast.wallets[REQUESTER]
    found = []
    for nonce, data in enumerate(inputs):
        request = Request(cast.root, FEE, deadline, nonce)
        task_id, sent = market.request_with_input(wallet, request, data, FEE)
        what = "requests a run, its input included"
        tell(Report(REQUESTER, wallet.address, "task_requested", what, sent, task_id))
        found.append(task_id)
    return Tasks(found[0], found[1])


def play(cast: Cast, tasks: Tasks, tell: Tell) -> None:
    """Let everybody act until the first task is final and the liar has lost its stake.

    Then the requester takes back the fee of the other one, which nobody has earned.

    Each actor looks at the chain and acts on what it sees, in turn; where nobody can act, time
    passes. Raises DemoFailed when nothing can happen any more.
    """
    while not is_over(cast.contracts, tasks):
        has_acted = cast.honest.tick()
        # A slashed liar goes home: it would only claim the reopened task and lie again.
        if not is_slashed(cast, tasks):
            has_acted |= cast.cheat.tick()
        has_acted |= cast.fisherman.tick()
        if not has_acted:
            pass_time(cast.contracts)
    wallet = cast.wallets[REQUESTER]
    sent = cast.contracts.market.reclaim_fee(wallet, tasks.disputed)
    what = "takes back the fee that nobody earned"
    tell(Report(REQUESTER, wallet.address, "fee_reclaimed", what, sent, tasks.disputed))


def is_over(contracts: Contracts, tasks: Tasks) -> bool:
    """Return whether the honest task is final and the challenger has been paid."""
    if contracts.market.task(tasks.honest).status is not TaskStatus.FINAL:
        return False
    found = contracts.market.assertions(contracts.deployment.block, taskId=tasks.disputed)
    return any(contracts.games.contest(each.assertion_id).rewarded for each in found)


def is_slashed(cast: Cast, tasks: Tasks) -> bool:
    """Return whether the chain has taken the liar's stake."""
    market, block = cast.contracts.market, cast.contracts.deployment.block
    found = market.assertions(block, taskId=tasks.disputed)
    statuses = [market.assertion(each.assertion_id).status for each in found]
    return AssertionStatus.SLASHED in statuses


def pass_time(contracts: Contracts) -> None:
    """Wait until something is due: an embedded chain travels there, another one is waited for."""
    chain = contracts.chain
    now = chain.next_timestamp()
    # A node's next block may be a little behind what is due; an embedded chain's never is.
    patience = 0 if chain.is_embedded else _PATIENCE_SECONDS
    due = [when for when in _due_times(contracts) if when + patience > now]
    if not due:
        raise DemoFailed("nobody has anything to do any more, and yet it is not over")
    if chain.is_embedded:
        chain.travel_to(min(due))
    else:
        time.sleep(_PAUSE_SECONDS)


def dispute_of(cast: Cast, tasks: Tasks) -> Dispute:
    """Return the dispute as the chain tells it, or raise DemoFailed if there was none."""
    games, block = cast.contracts.games, cast.contracts.deployment.block
    asserted = _lying_assertion(cast, tasks)
    challenge = _only(
        games.challenges(block, assertionId=asserted.assertion_id), "one challenge of the lie"
    )
    game_id = challenge.game_id
    proved = games.events("StepProved", block, gameId=game_id)
    record = games.game(game_id)
    winner = {GameStatus.WON: FISHERMAN, GameStatus.LOST: CHEAT}.get(record.status, "nobody")
    return Dispute(
        game_id,
        winner,
        int(proved[0]["step"]) if proved else None,
        len(games.dissections(game_id, block)),
        _transactions_of(cast, challenge),
        _sent_as(cast, proved[0]) if proved else None,
    )


def check_all(cast: Cast, tasks: Tasks, expected: bytes, dispute: Dispute, step: int) -> None:
    """Raise DemoFailed unless the chain says that all of it happened as it had to."""
    market, games = cast.contracts.market, cast.contracts.games
    block = cast.contracts.deployment.block
    truth = _only(market.assertions(block, taskId=tasks.honest), "one assertion of the true result")
    lie = _lying_assertion(cast, tasks)
    contest = games.contest(lie.assertion_id)
    rewarded = games.events("Rewarded", block, assertionId=lie.assertion_id)
    paid_to = rewarded[0]["challenger"] if rewarded else None
    final = market.task(tasks.honest).status is TaskStatus.FINAL
    slashed = market.assertion(lie.assertion_id).status is AssertionStatus.SLASHED
    promises = {
        "the honest task is final": final,
        "its executor is the honest one": truth.executor == cast.wallets[HONEST].address,
        "its output is the true one": truth.output == expected,
        "the lying executor's stake is slashed": slashed,
        "the fisherman won": dispute.winner == FISHERMAN,
        "a one-step proof decided": dispute.proof is not None,
        "the dispute came to the false step": dispute.step == step,
        "the reward went to the fisherman": paid_to == cast.wallets[FISHERMAN].address,
        "the dispute is closed": bool(contest.rewarded),
        "the liar's fee went back": market.task(tasks.disputed).status is TaskStatus.REFUNDED,
    }
    broken = [what for what, is_kept in promises.items() if not is_kept]
    if broken:
        raise DemoFailed(f"these did not come true: {'; '.join(broken)}")


def check_money(cast: Cast, before: Holdings, after: Holdings) -> None:
    """Raise DemoFailed unless every wei is accounted for: owned, burned, or paid for gas."""
    paid = sum(each.fee for sent in cast.sent.values() for each in sent)
    gone = sum(before.owned.values()) - sum(after.owned.values())
    burned = after.burned - before.burned
    if gone != paid + burned:
        raise DemoFailed(
            f"{in_ether(Wei(gone))} left the accounts, but gas took {in_ether(Wei(paid))} and "
            f"{in_ether(Wei(burned))} burned"
        )
    if before.owned[CHEAT] - after.owned[CHEAT] < cast.stake:
        raise DemoFailed("the lying executor lost less than its stake")


def _due_times(contracts: Contracts) -> list[Seconds]:
    market, games, block = contracts.market, contracts.games, contracts.deployment.block
    due: list[Seconds] = []
    for found in market.assertions(block):
        if market.assertion(found.assertion_id).status is AssertionStatus.PENDING:
            due.append(Seconds(market.assertion(found.assertion_id).window_end + 1))
        contest = games.contest(found.assertion_id)
        if contest.voided_at and not contest.rewarded:
            due.append(Seconds(contest.voided_at + contracts.game_constants.open_seconds + 1))
        for challenge in games.challenges(block, assertionId=found.assertion_id):
            record = games.game(challenge.game_id)
            if record.status in _LIVE:
                due.append(Seconds(record.deadline + 1))
    return due


def _lying_assertion(cast: Cast, tasks: Tasks) -> AssertionFound:
    market, block = cast.contracts.market, cast.contracts.deployment.block
    liar = cast.wallets[CHEAT].address
    found = market.assertions(block, taskId=tasks.disputed, executor=liar)
    return _only(found, "one assertion of the lie")


def _transactions_of(cast: Cast, challenge: ChallengeFound) -> tuple[Sent, ...]:
    """Return the transactions of a dispute: the challenge, the moves and the reward."""
    kinds = ("commit", "open", "openWithProof", "dissect", "prove", "timeout", "claimReward")
    sent = [each for name in (CHEAT, FISHERMAN) for each in cast.sent[name]]
    ours = [each for each in sent if each.kind in kinds]
    found = [each for each in ours if each.block_number >= challenge.block_number]
    return tuple(sorted(found, key=lambda each: each.block_number))


def _sent_as(cast: Cast, event: Event) -> Sent:
    every = [each for sent in cast.sent.values() for each in sent]
    return next(each for each in every if each.hash == event.transaction)


def _only(found: list[T], what: str) -> T:
    if len(found) != 1:
        raise ChainError(f"the chain holds {len(found)} where {what} should be")
    return found[0]
