"""Turn what a contract returns on refusal into names, operands and advice."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple
from eth_utils.crypto import keccak

from .abi import values_in
from .artifacts import CORE, PROVERS, load
from .errors import Reverted
from .records import ENUMS

_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")

ADVICE = {
    "AssertionNotPending": "The assertion is decided; nothing can be challenged any more.",
    "AssertionVoid": "Another game has defeated the assertion; settle this one for its bond.",
    "BondAboveLimit": "More challenges are open than expected; raise the limit or wait.",
    "DeadlineNotPassed": "Wait until the deadline has passed, then repeat.",
    "DeadlinePassed": "It is too late for this action.",
    "DisputeNotClear": "Wait until every challenge of the assertion is decided.",
    "InsufficientFree": "Deposit the difference into the stake manager first.",
    "IterationsOutOfRange": "Ask for a number of iterations that the model allows.",
    "NotClaimant": "Another executor has claimed the task; choose another one.",
    "NotMover": "Wait for the opponent's move or its deadline.",
    "OpenedInCommitBlock": "Open the challenge in a later block.",
    "RequestsPaused": "The guardian has paused new requests; try again later.",
    "StakeBelowFloor": "Stake at least the model's floor.",
    "StepAgrees": "The step yields what the opponent said; there is nothing to win here.",
    "TaskExists": "The same task was requested before; use another nonce.",
    "UnknownModel": "Register the model first, or check its program root.",
    "WrongInputLength": "Send an input of exactly the model's size.",
    "WrongTaskStatus": "The task has moved on; look at it again.",
}
_DEFAULT_ADVICE = "Nothing has changed on chain."


def explain(call: str, data: bytes) -> Reverted:
    """Return the error for a call that was refused with `data`; decoding never fails."""
    selector, body = data[:4], data[4:]
    try:
        if selector == _ERROR_STRING:
            return Reverted(
                call, "Error", {"reason": values_in(["string"], body)[0]}, _DEFAULT_ADVICE
            )
        if selector == _PANIC:
            code = hex(values_in(["uint256"], body)[0])
            return Reverted(call, "Panic", {"code": code}, _DEFAULT_ADVICE)
        if entry := known_errors().get(selector):
            name = entry["name"]
            return Reverted(call, name, _operands(entry, body), ADVICE.get(name, _DEFAULT_ADVICE))
    except DecodingError:
        return Reverted(call, "", {}, f"Its data is malformed: 0x{data.hex()}.")
    if data:
        return Reverted(call, "", {}, f"Its data is unknown: 0x{data.hex()}.")
    return Reverted(call, "", {}, "It ran out of gas, or no contract is at that address.")


@cache
def known_errors() -> dict[bytes, dict[str, Any]]:
    """Return every custom error that the contracts declare, by selector."""
    return errors_of(entry for name in (*CORE, *PROVERS) for entry in load(name).abi)


def errors_of(entries: Iterable[dict[str, Any]]) -> dict[bytes, dict[str, Any]]:
    """Return the errors among ABI entries, by selector."""
    found = {}
    for entry in entries:
        if entry["type"] == "error":
            types = ",".join(collapse_if_tuple(item) for item in entry["inputs"])
            found[keccak(text=f"{entry['name']}({types})")[:4]] = entry
    return found


def _operands(entry: dict[str, Any], body: bytes) -> dict[str, object]:
    inputs = entry["inputs"]
    values = values_in([collapse_if_tuple(item) for item in inputs], body)
    return {
        item["name"] or str(position): _named(item, value)
        for position, (item, value) in enumerate(zip(inputs, values, strict=True))
    }


def _named(item: dict[str, Any], value: object) -> object:
    enum = ENUMS.get(str(item.get("internalType", "")).removeprefix("enum ").split(".")[-1])
    if enum is None or value not in [member.value for member in enum]:
        return value
    return enum(value).name.lower()
