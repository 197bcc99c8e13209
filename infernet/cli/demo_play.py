"""Play a demonstration to its end and check on chain that all of it truly happened."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from infernet.actors.report import Tell
from infernet.audit.certify import contradictions
from infernet.audit.receipt import read_receipt
from infernet.audit.replay import replay, trace_of
from infernet.chain.errors import ChainError
from infernet.chain.game import ChallengeFound
from infernet.chain.logs import Event
from infernet.chain.market import AssertionFound
from infernet.chain.records import AssertionStatus, GameId, GameStatus, TaskId, TaskStatus, Wei
from infernet.chain.wallet import Sent, in_ether

from .demo_cast import CHEAT, HONEST, WATCHER, Cast
from .demo_scene import Scene
from .errors import DemoFailed

T = TypeVar("T")

_PAUSE_SECONDS = 0.4
_PATIENCE_SECONDS = 150
_UNCLAIMED = (TaskStatus.NONE, TaskStatus.OPEN)
_REOPENED = (TaskStatus.OPEN, TaskStatus.CLAIMED, TaskStatus.ASSERTED, TaskStatus.FINAL)


@dataclass(frozen=True, slots=True)
class Tasks:
    """The two requests: of the first the result is true, of the second false at first."""

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


@dataclass(slots=True)
class Watch:
    """Shows what happens while it is waited for. `hear`: what the gateway says of a task."""

    cast: Cast
    tell: Tell
    hear: Callable[[str, str], None]
    tasks: dict[str, TaskId] = field(default_factory=dict)
    _states: dict[str, str] = field(default_factory=dict)

    def until(self, what: str, has_happened: Callable[[], bool]) -> None:
        """Return when something has happened.

        Raises ServiceFailed if a process ends, DemoFailed if it takes too long.
        """
        end = time.monotonic() + _PATIENCE_SECONDS
        while not has_happened():
            self.cast.supervisor.require_alive()
            if time.monotonic() > end:
                raise DemoFailed(f"not within {_PATIENCE_SECONDS} s: {what}")
            self.look()
            time.sleep(_PAUSE_SECONDS)
        self.look()

    def look(self) -> None:
        """Tell what is new on the chain, and at the gateway."""
        for report in self.cast.chronicle.look():
            self.tell(report)
        for name, task_id in self.tasks.items():
            task = self.cast.requester.task(task_id)
            state = f"{task['state']}, finality {task['finality']}"
            if self._states.get(name) != state:
                self._states[name] = state
                self.hear(name, state)


def play(cast: Cast, scene: Scene, watch: Watch) -> Tasks:
    """Request both tasks; return when one is final and the liar of the other has lost its stake.

    Who serves what follows from the rules alone: the honest executor has the stake for one task
    at a time, so the second is left to whoever comes. Once its stake is free again, the second,
    which is open again, may be its own as well.
    """
    market = cast.contracts.market
    (first, second), (one, other) = scene.sources, scene.inputs
    honest = cast.requester.request(scene.name, first, one)
    watch.tasks["first task"] = honest
    watch.until("the first task is claimed", lambda: market.task(honest).status not in _UNCLAIMED)
    cast.enter_liar()
    disputed = cast.requester.request(scene.name, second, other)
    watch.tasks["second task"] = disputed
    tasks = Tasks(honest, disputed)
    watch.until("a final task and a slashed liar", lambda: is_over(cast, tasks))
    return tasks


def is_over(cast: Cast, tasks: Tasks) -> bool:
    """Return whether the honest task is final and the challenger has been paid."""
    market, games = cast.contracts.market, cast.contracts.games
    if market.task(tasks.honest).status is not TaskStatus.FINAL:
        return False
    found = market.assertions(taskId=tasks.disputed)
    return any(games.contest(each.assertion_id).rewarded for each in found)


def owned_by_all(cast: Cast) -> Holdings:
    """Return everybody's balances."""
    vault, chain = cast.contracts.vault, cast.contracts.chain
    owned = {
        name: Wei(chain.balance(address) + vault.balance(address).total)
        for name, address in cast.accounts.items()
    }
    return Holdings(owned, vault.burned())


def dispute_of(cast: Cast, tasks: Tasks) -> Dispute:
    """Return the dispute as the chain tells it, or raise ChainError if there was none."""
    games = cast.contracts.games
    asserted = _lying_assertion(cast, tasks)
    challenge = _only(
        games.challenges(assertionId=asserted.assertion_id), "one challenge of the lie"
    )
    game_id = challenge.game_id
    proved = games.events("StepProved", gameId=game_id)
    record = games.game(game_id)
    winner = {GameStatus.WON: WATCHER, GameStatus.LOST: CHEAT}.get(record.status, "nobody")
    return Dispute(
        game_id,
        winner,
        int(proved[0]["step"]) if proved else None,
        len(games.dissections(game_id)),
        _transactions_of(cast, challenge),
        _sent_as(cast, proved[0]) if proved else None,
    )


def check_all(
    cast: Cast, tasks: Tasks, scene: Scene, truths: tuple[bytes, bytes], d: Dispute
) -> None:
    """Raise DemoFailed unless the chain says that all of it happened as it had to."""
    market, games = cast.contracts.market, cast.contracts.games
    truth = _only(market.assertions(taskId=tasks.honest), "one assertion of the first task")
    lie = _lying_assertion(cast, tasks)
    every = market.assertions(taskId=tasks.disputed)
    again = [each for each in every if each.assertion_id != lie.assertion_id]
    rewarded = games.events("Rewarded", assertionId=lie.assertion_id)
    inputs = tuple(market.carried_input(each) for each in (tasks.honest, tasks.disputed))
    statuses = [market.task(each).status for each in (tasks.honest, tasks.disputed)]
    slashed = market.assertion(lie.assertion_id).status is AssertionStatus.SLASHED
    promises = {
        "the inputs on chain are those that were sent": inputs == scene.inputs,
        "the honest task is final": statuses[0] is TaskStatus.FINAL,
        "its executor is the honest one": truth.executor == cast.accounts[HONEST],
        "its output is the true one": truth.output == truths[0],
        "the lie is one": lie.output != truths[1],
        "the lying executor's stake is slashed": slashed,
        "the fisherman won": d.winner == WATCHER,
        "a one-step proof decided": d.proof is not None,
        "the dispute came to the false step": d.step == scene.lie.disputed,
        "the reward went to the fisherman": [each["challenger"] for each in rewarded]
        == [cast.accounts[WATCHER]],
        "the disputed task is open to others again": statuses[1] in _REOPENED,
        "who serves it again tells the truth": all(each.output == truths[1] for each in again),
    }
    broken = [what for what, is_kept in promises.items() if not is_kept]
    if broken:
        raise DemoFailed(f"these did not come true: {'; '.join(broken)}")


def check_money(cast: Cast, before: Holdings, after: Holdings) -> None:
    """Raise DemoFailed unless every wei is accounted for: owned, burned, or paid for gas."""
    chronicle = cast.chronicle
    fees = [each.fee for sent in chronicle.sent.values() for each in sent]
    paid = sum((*fees, *chronicle.refused))
    gone = sum(before.owned.values()) - sum(after.owned.values())
    burned = after.burned - before.burned
    if gone != paid + burned:
        raise DemoFailed(
            f"{in_ether(Wei(gone))} left the accounts, but gas took {in_ether(Wei(paid))} and "
            f"{in_ether(Wei(burned))} burned"
        )
    if before.owned[CHEAT] - after.owned[CHEAT] < cast.stake:
        raise DemoFailed("the lying executor lost less than its stake")


def check_receipt(cast: Cast, tasks: Tasks, scene: Scene) -> str:
    """Return the first task's receipt, fetched over REST and right by itself and by the chain."""
    text = cast.requester.receipt(tasks.honest)
    receipt = read_receipt(text)
    trace = trace_of(
        scene.model.program, receipt.run.input, receipt.task.iterations, is_reference=False
    )
    if receipt.task.id != tasks.honest or receipt.finality.status != "final":
        raise DemoFailed("the gateway's receipt is not that of the final task")
    if not replay(receipt, trace).is_equal:
        raise DemoFailed("the receipt's output is not what its input gives")
    if wrong := contradictions(cast.contracts, receipt):
        raise DemoFailed(f"the chain says otherwise of the receipt's {', '.join(wrong)}")
    return text


def _lying_assertion(cast: Cast, tasks: Tasks) -> AssertionFound:
    found = cast.contracts.market.assertions(taskId=tasks.disputed, executor=cast.accounts[CHEAT])
    return _only(found, "one assertion of the lie")


def _transactions_of(cast: Cast, challenge: ChallengeFound) -> tuple[Sent, ...]:
    """Return the transactions of a dispute: the challenge, the moves and the reward."""
    kinds = ("commit", "open", "openWithProof", "dissect", "prove", "timeout", "claimReward")
    sent = [each for name in (CHEAT, WATCHER) for each in cast.chronicle.sent[name]]
    found = [e for e in sent if e.kind in kinds and e.block_number >= challenge.block_number]
    return tuple(sorted(found, key=lambda each: each.block_number))


def _sent_as(cast: Cast, event: Event) -> Sent:
    every = [each for sent in cast.chronicle.sent.values() for each in sent]
    return next(each for each in every if each.hash == event.transaction)


def _only(found: list[T], what: str) -> T:
    if len(found) != 1:
        raise ChainError(f"the chain holds {len(found)} where {what} should be")
    return found[0]
