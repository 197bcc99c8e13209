"""Faults around a gateway. Each is caused for real and named with its fix."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from api.access.keys import changing
from infernet.cli.doctor import good_keys
from infernet.config import Config
from infernet.config.tables import ApiTable, NetworkTable
from infernet.doctor.checkup import examine
from infernet.doctor.finding import Finding, Outcome
from tests.anvil import free_port

from .place import ADDRESS, Place, require


def findings(place: Place, api: ApiTable, keys: int = 1) -> dict[str, Finding]:
    config = replace(place.config, api=api)
    return {each.check: each for each in examine(config, place.folder / "data", None, keys)}


@pytest.fixture
def table() -> ApiTable:
    return ApiTable(port=free_port(), fee=10**15, most_disk_mib=1)


def test_nothing_is_wrong_with_a_healthy_gateway(place: Place, table: ApiTable) -> None:
    found = findings(place, table)
    for check in ("funds", "port", "public url", "inputs", "api keys", "journal"):
        assert found[check].outcome is Outcome.OK, found[check]
    assert not found.keys() & {"metrics", "stake", "balance"}


def test_an_account_that_cannot_pay_a_task_is_named(place: Place, table: ApiTable) -> None:
    place.node.fund(ADDRESS, 0)
    require(findings(place, table)["funds"], Outcome.FAILURE, "0 tasks", f"ether to {ADDRESS}")


def test_an_account_that_can_pay_few_tasks_is_named(place: Place, table: ApiTable) -> None:
    found = findings(place, replace(table, fee=10**18))
    require(found["funds"], Outcome.WARNING, "tasks of 1 ETH", "lower api.fee")


def test_a_taken_port_is_named(place: Place, table: ApiTable) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = findings(place, replace(table, port=server.getsockname()[1]))
    require(found["port"], Outcome.FAILURE, "in use", "api.port")


@pytest.mark.parametrize(
    ("host", "url", "detail", "fix"),
    [
        ("0.0.0.0", None, "links and problems name http://0.0.0.0", "api.public_url"),
        ("127.0.0.1", "http://gateway.example", "keys in the open", "TLS"),
    ],
)
def test_an_address_that_serves_clients_badly_is_named(
    place: Place, table: ApiTable, host: str, url: str | None, detail: str, fix: str
) -> None:
    found = findings(place, replace(table, host=host, public_url=url))
    require(found["public url"], Outcome.WARNING, detail, fix)


def test_a_disk_that_is_smaller_than_the_room_for_inputs_is_named(
    place: Place, table: ApiTable
) -> None:
    found = findings(place, replace(table, most_disk_mib=2**30))
    require(found["inputs"], Outcome.WARNING, "MiB free", "api.most_disk_mib")


def test_a_gateway_without_a_node_says_what_it_needs(place: Place, table: ApiTable) -> None:
    config = Config(network=NetworkTable(), wallet=place.config.wallet, api=table)
    found = {each.check: each for each in examine(config, place.folder / "data", None, 1)}
    assert found["node"].outcome is Outcome.FAILURE
    assert found["funds"].outcome is Outcome.SKIPPED


def test_a_gateway_without_a_good_key_is_named(place: Place, table: ApiTable) -> None:
    finding = findings(place, table, keys=0)["api keys"]
    require(finding, Outcome.WARNING, "every request is refused", "infernet api key create")


def test_keys_that_are_revoked_are_not_counted(tmp_path: Path) -> None:
    assert good_keys(tmp_path) == 0
    with changing(tmp_path) as held:
        key, _ = held.create("shop", [])
    assert good_keys(tmp_path) == 1
    with changing(tmp_path) as held:
        held.revoke(key.id)
    assert good_keys(tmp_path) == 0
