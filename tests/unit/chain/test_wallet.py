"""Accounts sign without showing keys; a wallet sends only what can succeed and be paid."""

from __future__ import annotations

import json

import pytest
from eth_account import Account

from infernet.chain.connection import Chain, embedded_chain
from infernet.chain.deploy import PRODUCTION, deploy
from infernet.chain.deployment import Contracts, Deployment
from infernet.chain.errors import DeploymentError, InsufficientBalance, Reverted
from infernet.chain.market import Request
from infernet.chain.records import Address, ProgramRoot, Seconds, Wei
from infernet.chain.wallet import KeySigner, Sent, Wallet, faucet, in_ether
from tests.stage import ETHER, Stage, new_stage

KEY = bytes(range(1, 33))


@pytest.fixture(scope="module")
def stage() -> Stage:
    return new_stage()


@pytest.fixture(scope="module")
def chain() -> Chain:
    return embedded_chain()


def test_signer_shows_its_address_alone() -> None:
    signer = KeySigner.of_key(KEY)
    assert repr(signer) == f"KeySigner({signer.address})"
    assert KEY.hex() not in f"{signer!r} {signer} {Wallet(embedded_chain(), signer)!r}"


def test_secrets_are_the_same_after_a_restart_and_differ_by_label_and_key() -> None:
    first, again = KeySigner.of_key(KEY), KeySigner.of_key(KEY)
    assert first.secret(b"a") == again.secret(b"a")
    others = {first.secret(b"b"), KeySigner.create().secret(b"a")}
    assert first.secret(b"a") not in others
    assert len(first.secret(b"a")) == 32


def test_keystore_opens_with_its_password_only() -> None:
    keystore = json.dumps(Account.encrypt(KEY, "right", kdf="pbkdf2", iterations=2))
    assert KeySigner.of_keystore(keystore, "right").address == KeySigner.of_key(KEY).address
    with pytest.raises(ValueError, match="MAC"):
        KeySigner.of_keystore(keystore, "wrong")


def test_transfer_is_accounted_to_the_wei(chain: Chain) -> None:
    told: list[Sent] = []
    bank, to = Wallet(chain, faucet(chain), told.append), KeySigner.create().address
    before = bank.balance
    sent = bank.transfer(to, Wei(5))
    assert chain.balance(to) == 5
    assert bank.balance == before - 5 - sent.fee
    assert (sent.gas_used, told) == (21_000, [sent])


def test_poor_account_is_told_what_it_lacks_and_sends_nothing(chain: Chain) -> None:
    poor = Wallet(chain, KeySigner.create())
    Wallet(chain, faucet(chain)).transfer(poor.address, Wei(7))
    block = chain.block_number()
    with pytest.raises(InsufficientBalance) as caught:
        poor.transfer(poor.address, Wei(ETHER))
    assert poor.address in str(caught.value)
    assert "holds 0.000000000000000007 ETH" in str(caught.value)
    assert chain.block_number() == block


def test_account_that_cannot_pay_gas_sends_nothing(chain: Chain) -> None:
    poor = Wallet(chain, KeySigner.create())
    Wallet(chain, faucet(chain)).transfer(poor.address, Wei(1000))
    with pytest.raises(InsufficientBalance):
        poor.transfer(poor.address, Wei(1))
    assert chain.balance(poor.address) == 1000


def test_refused_call_is_explained_and_costs_nothing(stage: Stage) -> None:
    wallet = stage.wallet()
    before, block = wallet.balance, stage.chain.block_number()
    request = Request(ProgramRoot(b"\x77" * 32), Wei(1), Seconds(2**39), 1)
    with pytest.raises(Reverted, match="Register the model first") as caught:
        stage.contracts.market.request_with_input(wallet, request, b"x", Wei(1))
    assert caught.value.error == "UnknownModel"
    assert (wallet.balance, stage.chain.block_number()) == (before, block)


def test_error_of_another_contract_in_the_call_is_explained_too(stage: Stage) -> None:
    wallet = stage.wallet()
    request = Request(stage.root, Wei(5), Seconds(2**39), 1)
    with pytest.raises(Reverted, match="Deposit the difference") as caught:
        stage.contracts.market.request_with_input(wallet, request, stage.data)
    assert caught.value.error == "InsufficientFree"
    assert caught.value.operands == {"account": wallet.address.lower(), "free": 0, "needed": 5}


def test_input_of_the_wrong_size_is_refused(stage: Stage) -> None:
    wallet = stage.wallet()
    request = Request(stage.root, Wei(5), Seconds(2**39), 1)
    with pytest.raises(Reverted) as caught:
        stage.contracts.market.request_with_input(wallet, request, stage.data[:-1], Wei(5))
    assert caught.value.error == "WrongInputLength"
    assert caught.value.operands == {"given": len(stage.data) - 1, "needed": len(stage.data)}


def test_vault_takes_and_gives_back(stage: Stage) -> None:
    wallet, vault = stage.wallet(), stage.contracts.vault
    vault.deposit(wallet, Wei(ETHER))
    assert vault.balance(wallet.address).free == ETHER
    vault.withdraw(wallet, Wei(ETHER))
    assert vault.balance(wallet.address).total == 0
    with pytest.raises(Reverted, match="InsufficientFree"):
        vault.withdraw(wallet, Wei(1))


def test_deployment_that_cannot_be_paid_does_not_begin(chain: Chain) -> None:
    poor = Wallet(chain, KeySigner.create())
    Wallet(chain, faucet(chain)).transfer(poor.address, Wei(ETHER // 1000))
    block = chain.block_number()
    with pytest.raises(InsufficientBalance, match="the whole deployment"):
        deploy(poor, PRODUCTION)
    assert chain.block_number() == block


def test_deployment_survives_its_description(stage: Stage) -> None:
    deployment = stage.contracts.deployment
    assert Deployment.from_json(deployment.to_json()) == deployment


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"chain_id": 1}', "null"])
def test_other_text_is_no_deployment(text: str) -> None:
    with pytest.raises(DeploymentError, match="not the description"):
        Deployment.from_json(text)


def test_contracts_of_another_chain_are_refused(stage: Stage) -> None:
    text = stage.contracts.deployment.to_json()
    content = json.loads(text) | {"chain_id": 1}
    with pytest.raises(DeploymentError, match="is on chain 1"):
        Contracts(stage.chain, Deployment.from_json(json.dumps(content)))


def test_address_without_a_contract_is_refused(stage: Stage) -> None:
    content = json.loads(stage.contracts.deployment.to_json()) | {"game": "0x" + "12" * 20}
    with pytest.raises(DeploymentError, match="where the game should be"):
        Contracts(stage.chain, Deployment.from_json(json.dumps(content)))


def test_registration_goes_on_where_it_stopped(stage: Stage, monkeypatch) -> None:
    other = new_stage(seed=8)
    registry, program = stage.contracts.registry, other.program
    wallet = stage.wallet()
    monkeypatch.setattr("infernet.chain.registry.CHUNK_DESCRIPTORS", 2)
    seen: list[int] = []

    class Stop(Exception):
        pass

    def stop_after_two(done: int, total: int) -> None:
        seen.append(done)
        if len(seen) == 2:
            raise Stop

    with pytest.raises(Stop):
        registry.register(wallet, program, on_progress=stop_after_two)
    assert registry.checked(wallet.address, ProgramRoot(program.root)) == 4
    assert not registry.info(ProgramRoot(program.root)).registered
    info = registry.register(wallet, program, on_progress=lambda done, _: seen.append(done))
    assert seen[2] == 6
    assert info.registered
    assert info.steps_per_iteration == program.header.steps_per_iteration
    block = stage.chain.block_number()
    registry.register(wallet, program)
    assert stage.chain.block_number() == block


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 ETH"), (1, "0.000000000000000001 ETH"), (15 * 10**17, "1.5 ETH"), (-ETHER, "-1 ETH")],
)
def test_amounts_are_told_to_the_wei(amount: int, text: str) -> None:
    assert in_ether(Wei(amount)) == text


def test_address_is_checksummed() -> None:
    address = KeySigner.of_key(KEY).address
    assert address == Address(Account.from_key(KEY).address)
