"""Find what begins with a few digits, or is called by a name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hexbytes import HexBytes
from web3.exceptions import TransactionNotFound

from infernet.chain.abi import checksummed
from infernet.chain.connection import translated
from infernet.chain.contract import Contract

from .board import Board
from .errors import InvalidQuery
from .records import Hit

MOST_HITS = 50
_MOST_CHARACTERS = 200
_LEAST_DIGITS = 2
_ADDRESS_DIGITS, _HASH_DIGITS = 40, 64
_HEX = re.compile(r"(0x)?([0-9a-fA-F]{2,64})")


def find(board: Board, text: str) -> tuple[Hit, ...]:
    """Return what a text may mean, or raise InvalidQuery. Names come before ids."""
    if len(text) > _MOST_CHARACTERS:
        raise InvalidQuery(f"A search has at most {_MOST_CHARACTERS} characters.")
    text = text.strip()
    if not text:
        return ()
    hits = list(_named(board, text))
    digits = _HEX.fullmatch(text)
    if digits:
        hits += _by_digits(board, digits[2].lower())
    elif text.lower().startswith("0x"):
        raise InvalidQuery(
            f"“{text[:80]}” is no id: after 0x come {_LEAST_DIGITS} to {_HASH_DIGITS} digits "
            "from 0 to 9 and a to f."
        )
    return tuple(dict.fromkeys(hits))[:MOST_HITS]


def _named(board: Board, text: str) -> Iterator[Hit]:
    for root, model in board.models.items():
        if text.lower() in model.manifest.name.lower():
            yield Hit("models", f"0x{root.hex()}", model.manifest.name)


def _by_digits(board: Board, digits: str) -> Iterator[Hit]:
    contracts = board.contracts
    market, games, registry = contracts.market, contracts.games, contracts.registry
    places: tuple[tuple[str, Contract, str, str], ...] = (
        ("tasks", market, "Requested", "taskId"),
        ("assertions", market, "Asserted", "assertionId"),
        ("disputes", games, "ChallengeCommitted", "gameId"),
        ("models", registry, "ModelRegistered", "programRoot"),
    )
    for kind, contract, event, argument in places:
        for found in contract.events_beginning(event, argument, digits, MOST_HITS):
            key = f"0x{bytes(found[argument]).hex()}"
            yield Hit(kind, key, f"{_WORDS[kind]} {key}")
    if len(digits) <= _ADDRESS_DIGITS:
        yield from _accounts(board, digits)
    if len(digits) == _HASH_DIGITS and _is_transaction(board, bytes.fromhex(digits)):
        yield Hit("transactions", f"0x{digits}", f"Transaction 0x{digits}")


def _accounts(board: Board, digits: str) -> Iterator[Hit]:
    """Yield the accounts that did something, or the one that is named in full."""
    market, games = board.contracts.market, board.contracts.games
    places: tuple[tuple[Contract, str, str], ...] = (
        (market, "Requested", "requester"),
        (market, "Asserted", "executor"),
        (games, "ChallengeCommitted", "challenger"),
    )
    # An address is the end of a topic that begins with zeros.
    prefix = "0" * (_HASH_DIGITS - _ADDRESS_DIGITS) + digits
    known = [
        found[name]
        for contract, event, name in places
        for found in contract.events_beginning(event, name, prefix, MOST_HITS)
    ]
    if len(digits) == _ADDRESS_DIGITS:
        known.append(checksummed(f"0x{digits}"))
    for address in dict.fromkeys(known):
        yield Hit("addresses", address, f"Account {address}")


def _is_transaction(board: Board, hash_: bytes) -> bool:
    chain = board.contracts.chain
    with translated("looking for a transaction", chain.name):
        try:
            return chain.web3.eth.get_transaction(HexBytes(hash_))["blockNumber"] is not None
        except TransactionNotFound:
            return False


_WORDS = {"tasks": "Task", "assertions": "Result", "disputes": "Dispute", "models": "Model"}
