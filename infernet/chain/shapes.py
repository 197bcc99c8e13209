"""What form a node's answers have: whatever else a node says is no answer (Ethereum JSON-RPC)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_LARGEST_NUMBER = 1 << 63

Check = Callable[[Any], bool]


def has_form(method: str, result: Any) -> bool:
    """Return whether a result has its method's form; of methods unknown here any has."""
    check = _RESULTS.get(method)
    return check is None or check(result)


def _text(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list_of(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _record(needed: Mapping[str, Check], optional: Mapping[str, Check]) -> Check:
    def check(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and all(name in value and is_good(value[name]) for name, is_good in needed.items())
            and all(is_good(value.get(name)) for name, is_good in optional.items())
        )

    return check


_quantity, _data, is_hash, is_address = map(_text, (_QUANTITY, _DATA, _HASH, _ADDRESS))


def _number(value: Any) -> bool:
    """Return whether a value counts blocks, logs or seconds, so that a store can hold it."""
    return _quantity(value) and int(value, 16) < _LARGEST_NUMBER


_block = _record(
    {"parentHash": is_hash, "timestamp": _number},
    # The pending block has neither.
    {"number": _or_none(_number), "hash": _or_none(is_hash), "baseFeePerGas": _or_none(_quantity)},
)
_sealed_block = _record({"number": _number, "hash": is_hash}, {})
_log = _record(
    {
        "address": is_address,
        "topics": _list_of(is_hash),
        "data": _data,
        "blockNumber": _number,
        "blockHash": is_hash,
        "transactionHash": is_hash,
        "logIndex": _number,
    },
    {},
)
_receipt = _record(
    {
        "transactionHash": is_hash,
        "blockHash": is_hash,
        "blockNumber": _number,
        "status": _quantity,
        "gasUsed": _quantity,
        "effectiveGasPrice": _quantity,
    },
    {"contractAddress": _or_none(is_address)},
)
_transaction = _record({"hash": is_hash, "nonce": _quantity}, {"blockHash": _or_none(is_hash)})

_RESULTS: dict[str, Check] = {
    "eth_accounts": _list_of(is_address),
    "eth_blockNumber": _number,
    "eth_call": _data,
    "eth_chainId": _quantity,
    "eth_estimateGas": _quantity,
    "eth_gasPrice": _quantity,
    "eth_getBalance": _quantity,
    "eth_getBlockByHash": _or_none(lambda value: _block(value) and _sealed_block(value)),
    "eth_getBlockByNumber": _or_none(_block),
    "eth_getCode": _data,
    "eth_getLogs": _list_of(_log),
    "eth_getStorageAt": _data,
    "eth_getTransactionByHash": _or_none(_transaction),
    "eth_getTransactionCount": _quantity,
    "eth_getTransactionReceipt": _or_none(_receipt),
    "eth_maxPriorityFeePerGas": _quantity,
    "eth_sendRawTransaction": is_hash,
    "eth_sendTransaction": is_hash,
}
