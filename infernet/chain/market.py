"""Tasks: requests, claims, assertions, reveal demands and finality (TaskMarket.sol)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .contract import Contract
from .errors import ChainError
from .logs import Event
from .records import (
    NO_WEI,
    Address,
    Asserted,
    AssertionId,
    MarketConstants,
    ProgramRoot,
    Seconds,
    Task,
    TaskId,
    Terms,
    Wei,
)
from .wallet import Sent, Wallet

MAX_INPUT_BYTES = 262_144
# What a reveal is paid whose bytes are none of them zero (spec: dispute.md, "Availability").
_TRANSACTION_GAS, _FLOOR_GAS_EACH = 21_000, 40
_REVEAL_GAS, _REVEAL_GAS_EACH = 60_000, 32


@dataclass(frozen=True, slots=True)
class Request:
    """What a requester asks for; `nonce` is its own choice, new for each task."""

    program_root: ProgramRoot
    fee: Wei
    deadline: Seconds
    nonce: int
    iterations: int = 1


@dataclass(frozen=True, slots=True)
class TaskFound:
    """A request as its event tells it."""

    task_id: TaskId
    program_root: ProgramRoot
    requester: Address
    input_root: bytes
    fee: Wei
    block_number: int
    deadline: Seconds
    iterations: int


@dataclass(frozen=True, slots=True)
class AssertionFound:
    """An assertion as its event tells it."""

    assertion_id: AssertionId
    task_id: TaskId
    executor: Address
    output: bytes
    halted: bool
    final_hash: bytes
    window_end: Seconds
    block_number: int


def reveal_gas(input_bytes: int) -> int:
    """Return the most gas that a reveal of so many bytes is paid; zeros among them take less."""
    standard = _REVEAL_GAS + _REVEAL_GAS_EACH * input_bytes
    return _TRANSACTION_GAS + max(standard, _FLOOR_GAS_EACH * input_bytes)


class Market(Contract):
    """Where requesters and executors meet."""

    def constants(self) -> MarketConstants:
        """Return the parameters fixed at deployment."""
        return self.view_struct(MarketConstants, "constants")

    def task(self, task_id: TaskId) -> Task:
        """Return a task as it stands."""
        return self.view_struct(Task, "task", task_id)

    def assertion(self, assertion_id: AssertionId) -> Asserted:
        """Return an assertion as it stands."""
        return self.view_struct(Asserted, "assertion", assertion_id)

    def terms(self, assertion_id: AssertionId) -> Terms:
        """Return what a game over an assertion is about."""
        return self.view_struct(Terms, "terms", assertion_id)

    def request_with_input(
        self, wallet: Wallet, request: Request, data: bytes, value: Wei = NO_WEI
    ) -> tuple[TaskId, Sent]:
        """Request a run on an input that travels along; `value` is deposited first."""
        asked = (request.iterations, request.fee, request.deadline, request.nonce)
        arguments = (request.program_root, data, *asked)
        sent = self.send(wallet, "requestWithInput", *arguments, value=value)
        return self._task_of(sent, sent.sender), sent

    def request(
        self, wallet: Wallet, request: Request, input_root: bytes, value: Wei = NO_WEI
    ) -> tuple[TaskId, Sent]:
        """Request a run on an input that is named by its root alone."""
        asked = (request.iterations, request.fee, request.deadline, request.nonce)
        arguments = (request.program_root, input_root, *asked)
        sent = self.send(wallet, "request", *arguments, value=value)
        return self._task_of(sent, sent.sender), sent

    def request_signed(
        self,
        wallet: Wallet,
        requester: Address,
        request: Request,
        input_root: bytes,
        data: bytes,
        signature: bytes,
    ) -> tuple[TaskId, Sent]:
        """Send a request that `requester` signed; its free balance in the vault pays the fee.

        `data`: the input, or nothing where it was signed for by its root alone.
        """
        signed = (
            request.program_root,
            input_root,
            request.iterations,
            request.fee,
            request.deadline,
            request.nonce,
            bool(data),
        )
        sent = self.send(wallet, "requestSigned", requester, signed, data, signature)
        return self._task_of(sent, requester), sent

    def claim(self, wallet: Wallet, task_id: TaskId, stake: Wei, value: Wei = NO_WEI) -> Sent:
        """Claim an open task; `stake` is locked, `value` deposited first."""
        return self.send(wallet, "claim", task_id, stake, value=value)

    def assert_result(
        self, wallet: Wallet, task_id: TaskId, attempt: int, output: bytes, halted: bool = False
    ) -> Sent:
        """Assert the output of a claimed task; `halted`: HALT ended the run."""
        return self.send(wallet, "assertResult", task_id, attempt, output, halted)

    def finalise(self, wallet: Wallet, assertion_id: AssertionId) -> Sent:
        """Make an assertion final once its window has closed and no game is open."""
        return self.send(wallet, "finalise", assertion_id)

    def slash(self, wallet: Wallet, assertion_id: AssertionId) -> Sent:
        """Burn three quarters of the stake behind a defeated assertion and reopen its task."""
        return self.send(wallet, "slash", assertion_id)

    def reclaim_fee(self, wallet: Wallet, task_id: TaskId) -> Sent:
        """Release the fee of an open task whose deadline has passed to its requester."""
        return self.send(wallet, "reclaimFee", task_id)

    def expire_claim(self, wallet: Wallet, task_id: TaskId) -> Sent:
        """Open a task again whose executor asserted nothing in time."""
        return self.send(wallet, "expireClaim", task_id)

    def demand_reveal(self, wallet: Wallet, assertion_id: AssertionId, value: Wei) -> Sent:
        """Demand that the input's bytes appear on chain; a bond is locked, `value` deposited."""
        return self.send(wallet, "demandReveal", assertion_id, value=value)

    def reveal(self, wallet: Wallet, assertion_id: AssertionId, data: bytes) -> Sent:
        """Answer a demand with the input's bytes."""
        return self.send(wallet, "reveal", assertion_id, data)

    def timeout_reveal(self, wallet: Wallet, assertion_id: AssertionId) -> Sent:
        """Slash an assertion whose demanded input did not appear."""
        return self.send(wallet, "timeoutReveal", assertion_id)

    def requests(self, since_block: int = 0) -> list[TaskFound]:
        """Return the requests made from a block on."""
        return [_request_of(event) for event in self.events("Requested", since_block)]

    def open_requests(self, program_roots: Iterable[ProgramRoot]) -> list[TaskFound]:
        """Return the requests for some programs that are neither final nor refunded, oldest first.

        Takes as long as there are open ones, however many are closed.
        """
        found = [
            _request_of(event)
            for root in program_roots
            for event in self.open_events("Requested", programRoot=root)
        ]
        return sorted(found, key=lambda request: request.block_number)

    def assertions(self, since_block: int = 0, **filters: object) -> list[AssertionFound]:
        """Return the assertions made from a block on; `filters`: taskId, executor."""
        return [_assertion_of(event) for event in self.events("Asserted", since_block, **filters)]

    def open_assertions(self, **filters: object) -> list[AssertionFound]:
        """Return the assertions neither final nor slashed; `filters`: taskId, executor."""
        return [_assertion_of(event) for event in self.open_events("Asserted", **filters)]

    def is_input_carried(self, task_id: TaskId) -> bool:
        """Return whether a task's input was carried or revealed."""
        return self.has_event("InputCarried", taskId=task_id)

    def carried_input(self, task_id: TaskId) -> bytes | None:
        """Return a task's input if it was carried or revealed, else None."""
        found = self.events("InputCarried", taskId=task_id)
        return bytes(found[0]["input"]) if found else None

    def _task_of(self, sent: Sent, requester: Address) -> TaskId:
        for event in self.events("Requested", sent.block_number, requester=requester):
            if event.transaction == sent.hash:
                return TaskId(bytes(event["taskId"]))
        raise ChainError(f"transaction 0x{sent.hash.hex()} holds no request; look at the chain")


def _request_of(event: Event) -> TaskFound:
    return TaskFound(
        TaskId(bytes(event["taskId"])),
        ProgramRoot(bytes(event["programRoot"])),
        event["requester"],
        bytes(event["inputRoot"]),
        Wei(event["fee"]),
        event.block_number,
        Seconds(event["deadline"]),
        int(event["iterations"]),
    )


def _assertion_of(event: Event) -> AssertionFound:
    return AssertionFound(
        AssertionId(bytes(event["assertionId"])),
        TaskId(bytes(event["taskId"])),
        event["executor"],
        bytes(event["output"]),
        bool(event["halted"]),
        bytes(event["finalHash"]),
        Seconds(event["windowEnd"]),
        event.block_number,
    )
