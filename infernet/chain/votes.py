"""What several nodes' answers to one question amount to: pure rules, no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from .endpoints import Response

# What a node says when it lacks a block that others have, or is asked too much: no vote.
_TROUBLE = re.compile(
    r"header not found|block not found|unknown block|missing trie|out of ?range|"
    r"rate.?limit|too many requests|throttl|capacity|timed? ?out|busy",
    re.IGNORECASE,
)
_THROTTLE = re.compile(r"rate.?limit|too many requests|throttl|capacity", re.IGNORECASE)
_KNOWN = re.compile(r"already known|known transaction|already imported|already exists", re.I)
_REVERT_CODE = 3

# Nodes add fields of their own; these say it all.
_BLOCK = ("number", "hash", "parentHash", "timestamp", "baseFeePerGas")
_RECEIPT = ("blockHash", "status", "gasUsed", "effectiveGasPrice", "contractAddress")
_LOG = ("address", "topics", "data", "blockHash", "blockNumber", "transactionHash", "logIndex")
_TRANSACTION = ("hash", "blockHash", "from", "nonce", "input")
_FIELDS = {
    "eth_getBlockByNumber": _BLOCK,
    "eth_getBlockByHash": _BLOCK,
    "eth_getTransactionReceipt": _RECEIPT,
    "eth_getTransactionByHash": _TRANSACTION,
    "eth_getLogs": _LOG,
}


def vote_of(method: str, response: Response) -> Hashable | None:
    """Return what equal answers have in common, or None for an answer that is no vote."""
    if "error" in response:
        error = response["error"]
        return ("refused", _refusal_data(error)) if is_refusal(error) else None
    result = response["result"]
    if fields := _FIELDS.get(method):
        result = _only(fields, result)
    return json.dumps(result, sort_keys=True).lower()


def is_refusal(error: Any) -> bool:
    """Return whether an error is a contract's refusal, on which all nodes must agree."""
    if not isinstance(error, dict):
        return False
    return error.get("code") == _REVERT_CODE or "revert" in str(error.get("message", "")).lower()


def is_trouble(response: Response) -> bool:
    """Return whether an error is about the node, not about the question."""
    return bool(_TROUBLE.search(message_of(response)))


def is_throttle(response: Response) -> bool:
    """Return whether a node asks for fewer questions in the form of an answer."""
    return bool(_THROTTLE.search(message_of(response)))


def is_known(response: Response) -> bool:
    """Return whether a node refused a transaction because it has it."""
    return bool(_KNOWN.search(message_of(response)))


def message_of(response: Response) -> str:
    """Return the words of an error, empty for an answer that is none."""
    error = response.get("error", {"message": ""})
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)


def majority(votes: Iterable[Hashable | None], quorum: int) -> Hashable | None:
    """Return the vote that a quorum shares, or None."""
    given = [vote for vote in votes if vote is not None]
    return next((vote for vote in given if given.count(vote) >= quorum), None)


def estimate(responses: Sequence[Response], quorum: int) -> Response | None:
    """Return the largest gas among a quorum that allows a call, or what a quorum refuses with."""
    allowed = [response for response in responses if "result" in response]
    refused = [response for response in responses if "error" in response]
    refused = [response for response in refused if not is_trouble(response)]
    if len(allowed) >= quorum:
        return max(allowed, key=lambda response: int(response["result"], 16))
    if len(refused) >= quorum:
        # The one with the contract's reason is worth most.
        return max(refused, key=lambda response: len(_refusal_data(response["error"])))
    return None


def reached(numbers: Iterable[int], quorum: int) -> int | None:
    """Return the largest number that a quorum has reached, or None if too few tell."""
    ordered = sorted(numbers, reverse=True)
    return ordered[quorum - 1] if len(ordered) >= quorum else None


def lower_median(numbers: Iterable[int]) -> int:
    """Return the middle one, of two the lower."""
    ordered = sorted(numbers)
    return ordered[(len(ordered) - 1) // 2]


def _only(fields: Sequence[str], result: Any) -> Any:
    if isinstance(result, list):
        return [_only(fields, item) for item in result]
    if isinstance(result, dict):
        return {name: result.get(name) for name in fields}
    return result


def _refusal_data(error: Any) -> str:
    data = error.get("data") if isinstance(error, dict) else None
    # Some nodes wrap the bytes once more.
    if isinstance(data, dict):
        data = data.get("data") or data.get("result")
    return data.lower() if isinstance(data, str) else ""
