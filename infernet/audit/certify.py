"""Write receipts from what the chain says, and nothing else."""

from __future__ import annotations

from infernet.chain.connection import translated
from infernet.chain.deployment import Contracts
from infernet.chain.logs import Event
from infernet.chain.records import AssertionId, AssertionStatus, TaskId, TaskStatus

from .errors import InvalidReceipt, NotAsserted, UnknownMatter
from .receipt import (
    AssertionPart,
    ChainPart,
    FinalityPart,
    HistoryPart,
    Receipt,
    RunPart,
    TaskPart,
    differences,
    faults,
)


def receipt_of(contracts: Contracts, task_id: TaskId, header: bytes, model: str) -> Receipt:
    """Return the receipt of a task's last result. `header`: of its program, `model`: a name.

    Raises UnknownMatter, NotAsserted, or InvalidReceipt where the chain contradicts itself.
    """
    market = contracts.market
    requested = _only(contracts, "Requested", task_id)
    results = market.events("Asserted", taskId=task_id)
    if not results:
        raise NotAsserted(
            f"task 0x{task_id.hex()} has no result yet; wait with `infernet task watch`"
        )
    asserted = results[-1]
    data = market.carried_input(task_id)
    if data is None:
        raise NotAsserted(
            f"the input of task 0x{task_id.hex()} is not on the chain; without it nobody can "
            "check the result"
        )
    # The block is named first: what follows is at least as new.
    with translated("reading the latest block", contracts.chain.name):
        block = contracts.chain.web3.eth.get_block("latest")
    status = market.assertion(AssertionId(asserted["assertionId"])).status
    receipt = Receipt(
        _chain(contracts),
        _task(requested, task_id),
        _assertion(asserted),
        _run(contracts, asserted, header, model, data),
        _history(contracts, requested, asserted),
        FinalityPart(status.name.lower(), int(block["number"]), bytes(block["hash"])),
    )
    if found := list(faults(receipt)):
        raise InvalidReceipt(
            f"{contracts.chain.name} contradicts itself: "
            f"{'; '.join(fault.what for fault in found)}; ask another node"
        )
    return receipt


def contradictions(contracts: Contracts, receipt: Receipt) -> list[str]:
    """Return the fields of a receipt that the chain does not confirm.

    A result that was pending may be final now: only a worse standing is a contradiction.
    """
    task_id = TaskId(receipt.task.id)
    fresh = receipt_of(contracts, task_id, receipt.run.header, receipt.run.model)
    if receipt.finality.status == AssertionStatus.PENDING.name.lower():
        later = {"finality.status", "history.finalised_block", "history.finalised_transaction"}
        return [name for name in differences(receipt, fresh) if name not in later]
    return differences(receipt, fresh)


def _chain(contracts: Contracts) -> ChainPart:
    d = contracts.deployment
    return ChainPart(contracts.chain.chain_id, d.registry, d.vault, d.market, d.game, d.verifier)


def _task(requested: Event, task_id: TaskId) -> TaskPart:
    return TaskPart(
        task_id,
        requested["requester"],
        int(requested["nonce"]),
        bytes(requested["programRoot"]),
        bytes(requested["inputRoot"]),
        int(requested["iterations"]),
        int(requested["fee"]),
        int(requested["deadline"]),
    )


def _assertion(asserted: Event) -> AssertionPart:
    return AssertionPart(
        bytes(asserted["assertionId"]),
        int(asserted["attempt"]),
        asserted["executor"],
        bytes(asserted["outputRoot"]),
        bool(asserted["halted"]),
    )


def _run(contracts: Contracts, asserted: Event, header: bytes, model: str, data: bytes) -> RunPart:
    terms = contracts.market.terms(AssertionId(asserted["assertionId"]))
    return RunPart(
        model,
        header,
        data,
        bytes(asserted["output"]),
        terms.steps,
        bytes(terms.initial_hash),
        bytes(terms.final_hash),
    )


def _history(contracts: Contracts, requested: Event, asserted: Event) -> HistoryPart:
    final = contracts.market.events("Finalised", assertionId=asserted["assertionId"])
    return HistoryPart(
        requested.block_number,
        requested.transaction,
        asserted.block_number,
        asserted.transaction,
        final[0].block_number if final else 0,
        final[0].transaction if final else b"",
    )


def _only(contracts: Contracts, name: str, task_id: TaskId) -> Event:
    found = contracts.market.events(name, taskId=task_id)
    if not found or contracts.market.task(task_id).status is TaskStatus.NONE:
        raise UnknownMatter(
            f"the market at {contracts.market.address} has no task 0x{task_id.hex()}; check id "
            "and contracts"
        )
    return found[0]
