"""What accounts sign besides transactions: EIP-712 typed data.

A request that somebody else sends is the twin of contracts/src/libraries/SignedRequestLib.sol;
docs/spec/dispute.md, "Signed requests". A membership is between miners and gateways: docs/pool.md.
"""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from .market import Request
from .records import Address

_SIGNATURE_BYTES = 65
# Half the order of secp256k1, rounded down: of each pair of signatures one is above.
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_PARITIES = (27, 28)
_DOMAIN = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_REQUEST = [
    {"name": "programRoot", "type": "bytes32"},
    {"name": "inputRoot", "type": "bytes32"},
    {"name": "iterations", "type": "uint32"},
    {"name": "fee", "type": "uint96"},
    {"name": "deadline", "type": "uint40"},
    {"name": "nonce", "type": "uint64"},
    {"name": "carried", "type": "bool"},
]
_MEMBERSHIP = [
    {"name": "gateway", "type": "string"},
    {"name": "miner", "type": "address"},
    {"name": "nonce", "type": "bytes32"},
    {"name": "expiresAt", "type": "uint64"},
]


def typed_request(
    chain_id: int, market: Address, request: Request, input_root: bytes, *, is_carried: bool
) -> dict[str, Any]:
    """Return a request as wallets sign it (`eth_signTypedData_v4`), in types of JSON.

    `is_carried`: whether the input goes on chain with it.
    """
    return {
        "types": {"EIP712Domain": _DOMAIN, "TaskRequest": _REQUEST},
        "primaryType": "TaskRequest",
        "domain": {
            "name": "InferNet",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": market,
        },
        "message": {
            "programRoot": f"0x{request.program_root.hex()}",
            "inputRoot": f"0x{input_root.hex()}",
            "iterations": request.iterations,
            "fee": int(request.fee),
            "deadline": int(request.deadline),
            "nonce": request.nonce,
            "carried": is_carried,
        },
    }


def typed_membership(
    chain_id: int, market: Address, gateway: str, miner: Address, nonce: bytes, expires_at: int
) -> dict[str, Any]:
    """Return what a miner signs to join a gateway's pool; its domain is no contract's.

    `gateway`: the URL that the miner has dialled, so that no other gateway can use the signature.
    `nonce`: 32 bytes; `expires_at`: Unix time.
    """
    return {
        "types": {"EIP712Domain": _DOMAIN, "Membership": _MEMBERSHIP},
        "primaryType": "Membership",
        "domain": {
            "name": "InferNet pool",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": market,
        },
        "message": {
            "gateway": gateway,
            "miner": miner,
            "nonce": f"0x{nonce.hex()}",
            "expiresAt": expires_at,
        },
    }


def carriage_signed(
    chain_id: int,
    market: Address,
    request: Request,
    input_root: bytes,
    requester: Address,
    signature: bytes,
) -> bool | None:
    """Return whether the request that `requester` signed carries its input; None: not signed."""
    for is_carried in (True, False):
        typed = typed_request(chain_id, market, request, input_root, is_carried=is_carried)
        signer = signer_of(typed, signature)
        if signer is not None and signer.lower() == requester.lower():
            return is_carried
    return None


def signer_of(typed: dict[str, Any], signature: bytes) -> Address | None:
    """Return who signed typed data; None where nobody can have, as the contract sees it.

    Libraries take more forms of the same signature than the contract does.
    """
    if len(signature) != _SIGNATURE_BYTES or signature[64] not in _PARITIES:
        return None
    if int.from_bytes(signature[32:64]) > _HALF_ORDER:
        return None
    try:
        message = encode_typed_data(full_message=typed)
        return Address(Account.recover_message(message, signature=signature))
    except (ValueError, BadSignature, ValidationError):
        return None
