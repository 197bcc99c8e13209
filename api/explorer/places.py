"""Models, accounts and transactions, from the chain to pages."""

from __future__ import annotations

from typing import Any

from hexbytes import HexBytes
from web3.exceptions import TransactionNotFound

from infernet.chain.artifacts import load
from infernet.chain.connection import translated
from infernet.chain.logs import Event, kinds_of, log_of
from infernet.chain.records import Address, ModelInfo, ProgramRoot, Wei
from interpreter.operators import decode

from .board import Board
from .disputes import dispute_line
from .errors import NoSuchPage
from .pages import AddressPage, ModelPage, TransactionPage
from .players import deeds_of, fisherman_line, miner_line
from .records import Head, Layer, ModelLine
from .tasks import result_line, task_line
from .words import TOLD

_SHOWN = 25


def model_page(board: Board, head: Head, root: ProgramRoot) -> ModelPage:
    """Return what registry and store know of a program, or raise NoSuchPage."""
    market = board.contracts.market
    info = _info(board, root)
    model = board.models.get(root)
    header = model.program.header if model else None
    shapes = (header.input_shape, header.output_shape) if header else ()
    return ModelPage(
        head,
        board.ref(root),
        info.minimum_stake,
        info.max_iterations,
        info.steps_per_iteration,
        info.input_bytes,
        info.output_bytes,
        shapes,
        model.manifest.source_file if model else "",
        len(model.manifest.labels) if model else 0,
        layers_of(board, root),
        market.count_events("Requested", programRoot=root),
        tuple(
            task_line(board, event)
            for event in market.latest_events("Requested", _SHOWN, programRoot=root)
        ),
    )


def model_line(board: Board, root: ProgramRoot) -> ModelLine:
    """Return a registered program in one line."""
    info = _info(board, root)
    requested = board.contracts.market.count_events("Requested", programRoot=root)
    return ModelLine(board.ref(root), info.minimum_stake, info.steps_per_iteration, requested)


def layers_of(board: Board, root: ProgramRoot) -> tuple[Layer, ...]:
    """Return the operators of a program that is held here."""
    model = board.models.get(root)
    if model is None:
        return ()
    names = model.manifest.operator_names
    return tuple(
        Layer(
            index,
            operator.opcode.name,
            names[index] if index < len(names) else "",
            operator.first_step,
            decode(operator).steps,
        )
        for index, operator in enumerate(model.program.operators)
    )


def address_page(board: Board, head: Head, address: Address) -> AddressPage:
    """Return what an account did and has."""
    market, games = board.contracts.market, board.contracts.games
    balance = board.contracts.vault.balance(address)
    players = board.scoreboard.look()
    miner, fisherman = players.miner(address), players.fisherman(address)
    requested = market.latest_events("Requested", _SHOWN, requester=address)
    asserted = market.latest_events("Asserted", _SHOWN, executor=address)
    challenges = games.latest_events("ChallengeCommitted", _SHOWN, challenger=address)
    return AddressPage(
        head,
        address,
        _role(board, address),
        board.contracts.chain.balance(address),
        balance.free,
        balance.locked,
        market.count_events("Requested", requester=address),
        None if miner is None else miner_line(miner),
        None if miner is None else deeds_of(board, head, miner),
        None if fisherman is None else fisherman_line(fisherman),
        tuple(task_line(board, event) for event in requested),
        tuple(result_line(board, event) for event in asserted),
        tuple(dispute_line(board, event) for event in challenges),
    )


def transaction_page(board: Board, head: Head, hash_: bytes) -> TransactionPage:
    """Return a transaction in a block and what the contracts told in it, or raise NoSuchPage."""
    chain = board.contracts.chain
    with translated("reading a transaction", chain.name):
        try:
            sent = chain.web3.eth.get_transaction(HexBytes(hash_))
            receipt = chain.web3.eth.get_transaction_receipt(HexBytes(hash_))
        except TransactionNotFound:
            raise NoSuchPage(
                f"No block of this chain holds transaction 0x{hash_.hex()}. It may be waiting, or "
                "be one of another network."
            ) from None
        block = chain.web3.eth.get_block(receipt["blockNumber"])
    return TransactionPage(
        head,
        hash_,
        int(receipt["blockNumber"]),
        block["timestamp"],
        sent["from"],
        sent["to"],
        receipt["status"] == 1,
        int(receipt["gasUsed"]),
        Wei(int(receipt["gasUsed"]) * int(receipt["effectiveGasPrice"])),
        Wei(int(sent["value"])),
        len(bytes(sent["input"])),
        tuple(board.entry(event) for event in _events_in(board, receipt) if event.name in TOLD),
    )


def _info(board: Board, root: ProgramRoot) -> ModelInfo:
    info = board.contracts.registry.info(root)
    if not info.registered:
        raise NoSuchPage(f"No program 0x{root.hex()} is registered here. Check the root.")
    return info


def _role(board: Board, address: Address) -> str:
    d = board.contracts.deployment
    names = {"registry": d.registry, "vault": d.vault, "market": d.market, "game": d.game}
    names["one-step verifier"] = d.verifier
    return next((name for name, at in names.items() if at == address), "")


def _events_in(board: Board, receipt: Any) -> list[Event]:
    """Return the events of our contracts in a receipt."""
    d = board.contracts.deployment
    names = {
        d.registry: "ModelRegistry",
        d.vault: "StakeManager",
        d.market: "TaskMarket",
        d.game: "DisputeGame",
    }
    found = []
    for raw in receipt["logs"]:
        if name := names.get(raw["address"]):
            kinds = {kind.topic0: kind for kind in kinds_of(load(name)).values()}
            found.append(kinds[bytes(raw["topics"][0])].decoded(log_of(raw)))
    return found
