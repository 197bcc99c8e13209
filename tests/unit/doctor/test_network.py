"""Faults of nodes, contracts, clock and models: each is caused for real and named with its fix."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from infernet.chain.connection import connect
from infernet.chain.deploy import TRIAL, deploy
from infernet.doctor import network
from infernet.doctor.checkup import is_fit
from infernet.doctor.finding import Outcome
from infernet.models.store import shipped_dir
from tests.anvil import free_port, running
from tests.proxy import faulty

from .place import Place, names_of, require


def test_nothing_is_wrong_with_a_healthy_player(place: Place) -> None:
    found = place.findings()
    wrong = [f for f in found.values() if f.outcome not in (Outcome.OK, Outcome.WARNING)]
    assert not wrong
    assert is_fit(list(found.values()))
    for check in ("contracts", "clock", "balance", "stake", "journal", "model digits"):
        assert found[check].outcome is Outcome.OK


def test_a_dead_node_is_named_and_the_others_are_still_asked(place: Place) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    network = replace(place.config.network, rpc=(*place.config.network.rpc[:2], dead))
    found = place.findings(replace(place.config, network=network))
    require(found[f"node {dead}"], Outcome.FAILURE, "no chain answers", "network.rpc")
    assert found["contracts"].outcome is Outcome.OK


def test_without_any_node_the_rest_is_still_checked(place: Place) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    network = replace(place.config.network, rpc=(dead,))
    found = place.findings(replace(place.config, network=network))
    assert found["contracts"].outcome is Outcome.SKIPPED
    assert found["keystore"].outcome is Outcome.OK
    require(found["quorum"], Outcome.WARNING, "one node", "three nodes")


def test_a_node_of_another_chain_is_named(place: Place) -> None:
    network = replace(place.config.network, chain_id=1)
    found = place.findings(replace(place.config, network=network))
    require(found[f"node {place.node.url}"], Outcome.FAILURE, "chain 31337", "network.chain_id")


def test_nodes_of_different_chains_are_named(place: Place) -> None:
    with running("--chain-id", "4242") as other:
        rpc = (*names_of(place.node)[:2], other.url)
        network = replace(place.config.network, rpc=rpc)
        found = place.findings(replace(place.config, network=network))
    require(found["nodes agree"], Outcome.FAILURE, "4242", "one chain")


def test_other_code_at_an_address_is_named(place: Place) -> None:
    market = json.loads((place.folder / "contracts.json").read_text())["market"]
    place.node.rpc("anvil_setCode", market, "0x6001600155")
    found = place.findings()
    require(found["contracts"], Outcome.FAILURE, f"market at {market}", "network.contracts")
    assert found["stake"].outcome is Outcome.SKIPPED


def test_no_code_at_an_address_is_named(place: Place) -> None:
    vault = json.loads((place.folder / "contracts.json").read_text())["vault"]
    place.node.rpc("anvil_setCode", vault, "0x")
    require(place.findings()["contracts"], Outcome.FAILURE, "is missing", "network.contracts")


def test_an_absent_deployment_file_is_named(place: Place) -> None:
    network = replace(place.config.network, contracts=place.folder / "none.json")
    found = place.findings(replace(place.config, network=network))
    require(found["contracts"], Outcome.FAILURE, "none.json", "network.contracts")


def test_a_skewed_clock_is_named(place: Place) -> None:
    place.node.skip(7_200)
    require(place.findings()["clock"], Outcome.FAILURE, "behind the chain", "NTP")


def test_an_unknown_model_is_named(place: Place) -> None:
    table = replace(place.config.infernet, models=("digits", "nonesuch"))
    found = place.findings(replace(place.config, infernet=table))
    require(found["model nonesuch"], Outcome.FAILURE, "no model 'nonesuch'", "infernet.models")
    assert found["model digits"].outcome is Outcome.OK


def test_an_unregistered_model_is_named(place: Place) -> None:
    wallet = place.node.wallet()
    other = deploy(wallet, TRIAL)
    path = place.folder / "others.json"
    path.write_text(other.deployment.to_json())
    network = replace(place.config.network, contracts=path)
    found = place.findings(replace(place.config, network=network))
    require(found["model digits"], Outcome.WARNING, "not registered", "infernet miner register")


def test_no_node_and_no_contracts_are_named_with_what_to_write(place: Place) -> None:
    found = place.findings(replace(place.config, network=replace(place.config.network, rpc=())))
    require(found["node"], Outcome.FAILURE, "no node", "INFERNET_RPC_URL")
    found = place.findings(
        replace(place.config, network=replace(place.config.network, contracts=None))
    )
    require(found["contracts"], Outcome.FAILURE, "no contracts", "infernet chain deploy")


def test_a_deployment_of_another_chain_is_named(place: Place) -> None:
    content = json.loads((place.folder / "contracts.json").read_text())
    other = place.folder / "elsewhere.json"
    other.write_text(json.dumps({**content, "chain_id": 1}))
    settings = replace(place.config.network, contracts=other)
    found = place.findings(replace(place.config, network=settings))
    require(found["contracts"], Outcome.FAILURE, "is for chain 1", "file of this chain")


def test_contracts_of_two_deployments_are_named(place: Place) -> None:
    content = json.loads((place.folder / "contracts.json").read_text())
    other = json.loads(deploy(place.node.wallet(), TRIAL).deployment.to_json())
    mixed = place.folder / "mixed.json"
    mixed.write_text(json.dumps({**content, "vault": other["vault"]}))
    settings = replace(place.config.network, contracts=mixed)
    found = place.findings(replace(place.config, network=settings))
    require(found["contracts"], Outcome.FAILURE, "works with the vault", "network.contracts")


def test_a_clock_ahead_of_the_chain_is_named() -> None:
    with running("--timestamp", str(int(time.time()) - 7_200)) as node:
        found = network.clock(connect(node.url))
    require(found, Outcome.FAILURE, "ahead of the chain", "they lag")


def test_a_chain_without_new_blocks_is_named() -> None:
    with running("--timestamp", str(int(time.time()) - 3_600)) as node:
        node.rpc("evm_increaseTime", hex(3_600))
        found = network.clock(connect(node.url))
    require(found, Outcome.WARNING, "the last block is", "no block arrives")


def test_no_model_is_named_with_what_to_write(place: Place) -> None:
    table = replace(place.config.infernet, models=())
    found = place.findings(replace(place.config, infernet=table))
    require(found["models"], Outcome.FAILURE, "no model", "infernet model list")


def test_a_model_with_one_wrong_byte_on_disk_is_named(place: Place, tmp_path: Path) -> None:
    copy = tmp_path / "digits"
    shutil.copytree(shipped_dir() / "digits", copy)
    content = bytearray((copy / "constants.bin").read_bytes())
    content[100] ^= 1
    (copy / "constants.bin").write_bytes(content)
    table = replace(place.config.infernet, models=(str(copy),))
    found = place.findings(replace(place.config, infernet=table))
    require(found[f"model {copy}"], Outcome.FAILURE, "root", "import or build it")


@pytest.mark.parametrize(
    ("method", "check", "fix"),
    [
        ("eth_getBalance", "chain", "run this again"),
        ("eth_getCode", "contracts", "network.contracts"),
    ],
)
def test_a_node_that_answers_only_some_questions_is_named(
    place: Place, method: str, check: str, fix: str
) -> None:
    with faulty(place.node.url) as proxy:
        proxy.set(fail=1.0, methods=frozenset({method}))
        settings = replace(place.config.network, rpc=(proxy.url,))
        found = place.findings(replace(place.config, network=settings))
    require(found[check], Outcome.FAILURE, "500", fix)
    assert found["keystore"].outcome is Outcome.OK


def test_a_node_that_dies_while_the_clock_is_asked_for_is_named(place: Place) -> None:
    with faulty(place.node.url) as proxy:
        chain = connect(proxy.url)
        proxy.set(fail=1.0)
        require(network.clock(chain), Outcome.FAILURE, "500", "look at the node")
