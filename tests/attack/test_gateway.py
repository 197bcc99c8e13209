"""Requesters, members and strangers that want a gateway's money, time or secrets."""

from __future__ import annotations

import pytest

from infernet.audit.receipt import root_of
from infernet.chain.market import Request
from infernet.chain.records import Address, ProgramRoot, Seconds, Wei
from infernet.chain.signed import signer_of, typed_request
from infernet.chain.wallet import KeySigner

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def forms_of(signature: bytes) -> dict[str, bytes]:
    """Return what libraries take for the same signature and the contract does not."""
    r, s, v = signature[:32], signature[32:64], signature[64]
    other = (_ORDER - int.from_bytes(s)).to_bytes(32)
    return {
        "the other of the pair": r + other + bytes([55 - v]),
        "parity 0 or 1": r + s + bytes([v - 27]),
        "parity of a chain": r + s + bytes([v + 10]),
        "parity beyond all": r + s + b"\xff",
    }


@pytest.mark.parametrize("name", forms_of(bytes(64) + b"\x1b"))
def test_a_signature_that_the_contract_refuses_is_refused_before_it_is_accepted(name: str) -> None:
    """Accepted, it would fill the queue until its deadline and never be sent."""
    signer = KeySigner.create()
    request = Request(ProgramRoot(bytes(32)), Wei(1), Seconds(2), 3)
    typed = typed_request(31_337, Address("0x" + "11" * 20), request, root_of(b"input"))
    signature = signer.sign_typed(typed)
    assert signer_of(typed, signature) == signer.address
    assert signer_of(typed, forms_of(signature)[name]) is None
