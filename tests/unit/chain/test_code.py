"""A deployment is trusted for its code alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infernet.chain.artifacts import CORE, PROVERS, load
from infernet.chain.code import check_code
from infernet.chain.connection import embedded_chain
from infernet.chain.contract import create
from infernet.chain.deploy import PRODUCTION, deploy
from infernet.chain.deployment import Contracts, Deployment
from infernet.chain.errors import DeploymentError
from infernet.chain.records import Address
from infernet.chain.wallet import Wallet, faucet


@pytest.fixture(scope="module")
def wallet() -> Wallet:
    chain = embedded_chain()
    return Wallet(chain, faucet(chain))


@pytest.fixture(scope="module")
def deployment(wallet: Wallet) -> Deployment:
    return deploy(wallet, PRODUCTION.with_arity(16)).deployment


def faults(wallet: Wallet, deployment: Deployment) -> list[tuple[str, str]]:
    return [(fault.role, fault.what) for fault in check_code(wallet.chain, deployment)]


def test_whatever_its_parameters_a_deployment_of_ours_is_right(
    wallet: Wallet, deployment: Deployment
) -> None:
    assert faults(wallet, deployment) == []


@pytest.mark.parametrize("role", ["registry", "vault", "market", "game", "verifier"])
def test_another_contract_is_named(wallet: Wallet, deployment: Deployment, role: str) -> None:
    other = create(wallet, "MapProver")
    ((found, what),) = faults(wallet, replace(deployment, **{role: other}))
    assert found == role
    assert "is another contract than" in what


def test_an_empty_address_is_named(wallet: Wallet, deployment: Deployment) -> None:
    nowhere = Address("0x" + "12" * 20)
    with pytest.raises(DeploymentError, match="vault should be"):
        Contracts(wallet.chain, replace(deployment, vault=nowhere))


def test_right_contracts_that_work_with_others_are_named(
    wallet: Wallet, deployment: Deployment
) -> None:
    vault = create(wallet, "StakeManager")
    assert [role for role, _ in faults(wallet, replace(deployment, vault=vault))] == [
        "market",
        "game",
    ]


def test_provers_behind_the_verifier_are_checked(wallet: Wallet, deployment: Deployment) -> None:
    provers = [create(wallet, name) for name in PROVERS]
    swapped = [provers[1], provers[0], *provers[2:]]
    verifier = create(wallet, "OneStepProof", swapped)
    found = [role for role, _ in faults(wallet, replace(deployment, verifier=verifier))]
    # The game goes on to use the verifier that it was made with.
    assert found == ["game", "control prover", "conv prover"]


@pytest.mark.parametrize("name", [*CORE, *PROVERS])
def test_no_more_is_masked_than_what_deployment_fixes(name: str) -> None:
    artifact = load(name)
    assert all(size == 32 for _, size in artifact.immutables)
    assert sum(size for _, size in artifact.immutables) < len(artifact.code) / 5
    for start, size in artifact.immutables:
        assert artifact.code[start : start + size] == bytes(size)
