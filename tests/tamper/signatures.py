"""Lies of whoever relays a signed request, or signs one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account import Account

from infernet.backend.hashing import hash_bytes
from infernet.chain.market import Request
from infernet.chain.records import Address, ProgramRoot, Seconds, Wei
from infernet.chain.signed import typed_request
from tests.e2e.disputes_chain import ETHER

from .case import Case
from .courses import Stage
from .ground import DEPOSIT_WEI, Party
from .lie import Lie
from .tries import Call, tries

REQUESTER, FRIEND = Party.REQUESTER, Party.FRIEND
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True, slots=True)
class Signing:
    """How a request is signed; `fee` is what is sent, whatever was signed."""

    nonce: int = 1
    fee: int | None = None
    signed_fee: int = ETHER
    signer: Party = REQUESTER
    other_chain: int = 0
    is_other_market: bool = False
    is_high: bool = False
    is_cut: bool = False
    is_other_input: bool = False
    is_stripped: bool = False
    names: Party = REQUESTER

    def arguments(self, case: Case) -> Sequence[Any]:
        """Return what `requestSigned` takes."""
        ground, truth = case.ground, case.truth
        request = Request(
            ProgramRoot(truth.program.root),
            Wei(self.signed_fee),
            Seconds(ground.now + 10**8),
            self.nonce,
            truth.iterations,
        )
        root = hash_bytes(truth.data).root
        signature = self._sign(case, request, root)
        fee = request.fee if self.fee is None else self.fee
        asked = request.iterations, fee, request.deadline, self.nonce, True
        terms = (request.program_root, root, *asked)
        data = case.network.other.data if self.is_other_input else truth.data
        carried = b"" if self.is_stripped else data.tobytes()
        return ground.address[self.names], terms, carried, signature

    def _sign(self, case: Case, request: Request, root: bytes) -> bytes:
        ground = case.ground
        market = ground.vault if self.is_other_market else ground.market
        chain = ground.web3.eth.chain_id + self.other_chain
        typed = typed_request(chain, Address(market.address), request, root, is_carried=True)
        signature = Account.sign_typed_data(ground.key(self.signer), full_message=typed).signature
        if self.is_high:
            s = ORDER - int.from_bytes(signature[32:64])
            signature = signature[:32] + s.to_bytes(32) + bytes([55 - signature[64]])
        return bytes(signature[:64] if self.is_cut else signature)


def relayed(case: Case) -> Iterator[Stage]:
    """Have a signed request sent by somebody else, and its result accepted."""
    ground = case.ground
    ground.mark()
    arguments = Signing(nonce=0).arguments(case)
    ground.send("requestSigned", ground.address[FRIEND], ground.market, *arguments)
    case.task_id = bytes(ground.events(ground.market, "Requested")[-1]["args"]["taskId"])
    case.relayed = arguments
    yield Stage.POSTED
    case.assert_result(case.honest)
    yield Stage.ASSERTED
    case.finalise()
    yield Stage.FINAL


def _relays(name: str, what: str, signing: Signing, network: str = "digits") -> Lie:
    sends = Call("market.requestSigned", signing.arguments)
    return tries(name, relayed, Stage.POSTED, FRIEND, what, sends, network)


def _again(case: Case) -> Sequence[Any]:
    return case.relayed


SIGNATURES = (
    tries(
        "relays twice",
        relayed,
        Stage.POSTED,
        FRIEND,
        "the same signature",
        Call("market.requestSigned", _again),
    ),
    tries(
        "relays a paid request",
        relayed,
        Stage.FINAL,
        FRIEND,
        "the same signature",
        Call("market.requestSigned", _again),
        "ends",
    ),
    _relays("relays to another chain", "signed for another chain id", Signing(other_chain=1)),
    _relays(
        "relays to another market", "signed for another contract", Signing(is_other_market=True)
    ),
    _relays("relays at a higher fee", "2 ETH where 1 was signed", Signing(fee=2 * ETHER)),
    _relays("relays at no fee", "0 ETH where 1 was signed", Signing(fee=0), "bert"),
    _relays("relays its own as another's", "signed by itself", Signing(signer=FRIEND)),
    _relays("relays another's as its own", "signed by another", Signing(names=FRIEND)),
    _relays("relays the other form", "the high s of the pair", Signing(is_high=True)),
    _relays("relays a cut signature", "64 bytes", Signing(is_cut=True)),
    _relays("relays another input", "not of the signed root", Signing(is_other_input=True)),
    _relays("relays without the input", "the input left out", Signing(is_stripped=True)),
    _relays(
        "relays on credit",
        "a fee that is not there",
        Signing(signed_fee=2 * DEPOSIT_WEI),
        "goes on",
    ),
)
