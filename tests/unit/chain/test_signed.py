"""Requests that one signs and another sends, on a real node."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infernet.audit.receipt import ChainPart, TaskPart, root_of, task_id_of
from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.errors import Reverted
from infernet.chain.market import Request
from infernet.chain.records import Address, ProgramRoot, Seconds, TaskStatus, Wei
from infernet.chain.signed import carriage_signed, signer_of, typed_request
from infernet.chain.wallet import KeySigner, Wallet
from infernet.models.store import load_model
from tests.anvil import Anvil

FEE = Wei(10**16)

Typed = dict[str, Any]


class Office:
    """A market, a client that holds a balance but no gas money, and a relayer."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil
        self.relayer = anvil.wallet()
        self.contracts: Contracts = deploy(self.relayer, TRIAL)
        self.program = load_model("digits").program
        self.contracts.registry.register(self.relayer, self.program)
        self.client = KeySigner.create()
        anvil.fund(self.client.address, 1)
        vault = self.contracts.vault
        vault.deposit(Wallet(self.contracts.chain, self.client), Wei(5 * FEE))
        anvil.rpc("anvil_setBalance", self.client.address, "0x0")
        self.data = bytes(self.program.header.input_type.byte_count)
        self.root = root_of(self.data)

    def request(self, nonce: int = 7) -> Request:
        until = Seconds(self.contracts.chain.next_timestamp() + 600)
        return Request(ProgramRoot(self.program.root), FEE, until, nonce)

    def typed(self, request: Request, *, other_chain: int = 0, is_carried: bool = True) -> Typed:
        chain_id = self.contracts.chain.chain_id + other_chain
        market = self.contracts.market.address
        return typed_request(chain_id, market, request, self.root, is_carried=is_carried)

    def signature(self, request: Request, *, is_carried: bool = True) -> bytes:
        return self.client.sign_typed(self.typed(request, is_carried=is_carried))


@pytest.fixture
def office(anvil: Anvil) -> Office:
    return Office(anvil)


def test_a_client_without_gas_money_gets_its_task(office: Office) -> None:
    request = office.request()
    held = office.contracts.vault.balance(office.client.address).free
    relayers = office.contracts.vault.balance(office.relayer.address)
    task_id, sent = office.contracts.market.request_signed(
        office.relayer,
        office.client.address,
        request,
        office.root,
        office.data,
        office.signature(request),
    )
    task = office.contracts.market.task(task_id)
    assert (task.requester, task.fee) == (office.client.address, FEE)
    assert sent.sender == office.relayer.address
    balance = office.contracts.vault.balance(office.client.address)
    assert (balance.free, balance.locked) == (held - FEE, FEE)
    assert office.contracts.vault.balance(office.relayer.address) == relayers
    assert office.contracts.market.carried_input(task_id) == office.data
    assert task_id == expected_id(office, request)


def test_its_fee_comes_back_to_it_when_nobody_serves(office: Office) -> None:
    request = office.request()
    signature = office.signature(request, is_carried=False)
    arguments = (office.client.address, request, office.root, b"", signature)
    task_id, _ = office.contracts.market.request_signed(office.relayer, *arguments)
    assert not office.contracts.market.is_input_carried(task_id)
    office.anvil.skip(700)
    office.contracts.market.reclaim_fee(office.relayer, task_id)
    assert office.contracts.market.task(task_id).status is TaskStatus.REFUNDED
    assert office.contracts.vault.balance(office.client.address).free == 5 * FEE


def test_a_changed_request_is_nobody_s(office: Office) -> None:
    request = office.request()
    signature = office.signature(request)
    dearer = replace(request, fee=Wei(FEE + 1))
    with pytest.raises(Reverted, match="WrongSigner"):
        office.contracts.market.request_signed(
            office.relayer, office.client.address, dearer, office.root, office.data, signature
        )
    with pytest.raises(Reverted, match="WrongSigner"):
        office.contracts.market.request_signed(
            office.relayer, office.client.address, request, office.root, b"", signature
        )
    with pytest.raises(Reverted, match="InvalidSignature"):
        office.contracts.market.request_signed(
            office.relayer, office.client.address, request, office.root, b"", signature[:64]
        )


def test_the_signer_is_found_without_the_chain(office: Office) -> None:
    request = office.request()
    signature = office.signature(request)
    assert signer_of(office.typed(request), signature) == office.client.address
    for other in (office.typed(request, other_chain=1), office.typed(request, is_carried=False)):
        assert signer_of(other, signature) != office.client.address


@pytest.mark.parametrize("is_carried", [True, False])
def test_a_signature_says_whether_the_input_goes_along(office: Office, is_carried: bool) -> None:
    request, signature = office.request(), office.signature(office.request(), is_carried=is_carried)
    named = request, office.root, office.client.address, signature
    market, chain_id = office.contracts.market.address, office.contracts.chain.chain_id
    assert carriage_signed(chain_id, market, *named) is is_carried
    assert carriage_signed(chain_id + 1, market, *named) is None


@pytest.mark.parametrize("noise", [b"", bytes(64), bytes(65), b"\xff" * 65, b"\x01" * 66])
def test_what_is_no_signature_has_no_signer(noise: bytes) -> None:
    market = Address("0x" + "11" * 20)
    request = Request(ProgramRoot(bytes(32)), FEE, Seconds(1), 1)
    typed = typed_request(1, market, request, bytes(32), is_carried=True)
    assert signer_of(typed, noise) is None


def expected_id(office: Office, request: Request) -> bytes:
    d = office.contracts.deployment
    chain_id = office.contracts.chain.chain_id
    chain = ChainPart(chain_id, d.registry, d.vault, d.market, d.game, d.verifier)
    task = TaskPart(
        b"",
        office.client.address,
        request.nonce,
        request.program_root,
        office.root,
        request.iterations,
        request.fee,
        request.deadline,
    )
    return task_id_of(chain, task)
