"""Requesters, members and strangers that want a gateway's money, time or secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.errors import BudgetExceeded, InvalidTask, KeyReused, NoRoom
from api.service.gateway import Gateway
from api.service.terms import Account, RawInput, SignedWish
from infernet.audit.receipt import root_of
from infernet.chain.market import Request
from infernet.chain.records import Address, ProgramRoot, Seconds, Wei
from infernet.chain.signed import signer_of, typed_request
from infernet.chain.wallet import KeySigner, Wallet
from tests.anvil import needs_anvil, running
from tests.api.office import FEE, SETTINGS, funded_key, gateway_on, input_for, soon, until, wish
from tests.survival.town import Town, new_town

pytestmark = needs_anvil

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
    market = Address("0x" + "11" * 20)
    typed = typed_request(31_337, market, request, root_of(b"input"), is_carried=True)
    signature = signer.sign_typed(typed)
    assert signer_of(typed, signature) == signer.address
    assert signer_of(typed, forms_of(signature)[name]) is None


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with running() as anvil:
        yield new_town(anvil)


def signed_wish(town: Town, signer: KeySigner, number: int) -> SignedWish:
    """Return a task that somebody signed and pays."""
    data, deadline = input_for(town.program, number), soon(town, 3_600)
    asked = Request(ProgramRoot(town.program.root), FEE, deadline, number)
    market, root = town.contracts.market.address, root_of(data)
    typed = typed_request(town.chain.chain_id, market, asked, root, is_carried=True)
    signature = signer.sign_typed(typed)
    return SignedWish("plain", RawInput(data), signer.address, FEE, deadline, number, signature)


def test_signed_tasks_that_nobody_pays_leave_room_for_others(town: Town, tmp_path: Path) -> None:
    """One deposit signs for any number of tasks, of which one can be sent."""
    settings = replace(SETTINGS, most_waiting=30, unheard_seconds=1.0)
    poor = KeySigner.create()
    town.anvil.fund(poor.address, 1)
    town.contracts.vault.deposit(Wallet(town.chain, poor), FEE)
    with gateway_on(town, tmp_path, funded_key(town.anvil), settings) as gateway:
        accepted = flood(gateway, town, poor)
        assert 3 <= accepted <= 4
        (task_id,) = gateway.accept(wish(town, 99), Account("honest")).result(10).task_ids
        until(lambda: bool(gateway.task(task_id).standing.requested_block), "the honest task")


def flood(gateway: Gateway, town: Town, signer: KeySigner) -> int:
    """Have signed tasks accepted until the gateway takes no more; return how many it took."""
    for number in range(30):
        try:
            gateway.accept_signed(signed_wish(town, signer, number), Account("crook")).result(10)
        except NoRoom:
            return number
    return 30


def test_a_hundred_requests_at_once_pass_no_budget_together(town: Town, tmp_path: Path) -> None:
    crook = Account("crook", Wei(10 * FEE))
    with gateway_on(town, tmp_path, funded_key(town.anvil)) as gateway:
        wishes = [wish(town, number) for number in range(100)]
        asked = [gateway.accept(each, crook) for each in wishes]
        refused = [each for each in asked if isinstance(each.exception(10), BudgetExceeded)]
        assert len(refused) == 90
        assert gateway.spent("crook") == 10 * FEE


def test_an_idempotency_key_sent_by_many_at_once_is_one_task(town: Town, tmp_path: Path) -> None:
    account = Account("hasty")
    with gateway_on(town, tmp_path, funded_key(town.anvil)) as gateway:
        same = [gateway.accept(wish(town, 1), account, "key") for _ in range(50)]
        other = [gateway.accept(wish(town, 2), account, "key") for _ in range(50)]
        ended = [each for each in same + other if each.exception(10) is None]
        ids = {each.result().task_ids for each in ended}
        assert len(ids) == 1
        assert len(ended) == 50
        assert all(isinstance(e.exception(), KeyReused) for e in same + other if e not in ended)
        # The keys of others are none of its business.
        stranger = gateway.accept(wish(town, 2), Account("other"), "key").result(10)
        assert not stranger.is_repeat
        assert stranger.task_ids not in ids


def test_a_signature_for_another_chain_or_market_or_input_is_refused(
    town: Town, tmp_path: Path
) -> None:
    signer = KeySigner.create()
    good = signed_wish(town, signer, 7)
    asked = Request(ProgramRoot(town.program.root), FEE, good.deadline, good.nonce)
    market, chain_id = town.contracts.market.address, town.chain.chain_id
    root, other = root_of(input_for(town.program, 7)), root_of(input_for(town.program, 8))
    elsewhere = [
        typed_request(chain_id + 1, market, asked, root, is_carried=True),
        typed_request(chain_id, Address("0x" + "11" * 20), asked, root, is_carried=True),
        typed_request(chain_id, market, asked, other, is_carried=True),
    ]
    with gateway_on(town, tmp_path, funded_key(town.anvil)) as gateway:
        for typed in elsewhere:
            bad = replace(good, signature=signer.sign_typed(typed))
            with pytest.raises(InvalidTask, match="did not sign"):
                gateway.accept_signed(bad, Account("crook")).result(10)
