"""A crowd of events must not blind who watches."""

from __future__ import annotations

from typing import Any

import pytest
from web3.exceptions import Web3RPCError

from infernet.chain.connection import Chain
from infernet.chain.deployment import Contracts
from infernet.chain.errors import RetryableChainError
from infernet.chain.records import Wei
from tests.stage import Stage, new_stage


class Meagre:
    """A node, or a part of one, that gives out the logs of `most` blocks at a time."""

    def __init__(self, whole: Any, most: int) -> None:
        self._whole, self._most = whole, most

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._whole, name)
        return Meagre(found, self._most) if name == "manager" else found

    def request_blocking(self, method: str, parameters: list[Any]) -> Any:
        if method == "eth_getLogs":
            (wanted,) = parameters
            if int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) >= self._most:
                raise Web3RPCError("query returned more than 10000 results")
        return self._whole.request_blocking(method, parameters)


@pytest.fixture(scope="module")
def stage() -> Stage:
    stage = new_stage()
    crowd = stage.wallet()
    for _ in range(20):
        stage.contracts.vault.deposit(crowd, Wei(1))
    stage.request(stage.wallet())
    return stage


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_a_node_that_limits_its_answers_still_tells_everything(stage: Stage, most: int) -> None:
    chain = Chain(Meagre(stage.chain.web3, most), "a meagre node", stage.chain.chain_id)
    seen = Contracts(chain, stage.contracts.deployment)
    assert seen.vault.events("Deposited") == stage.contracts.vault.events("Deposited")
    assert len(seen.vault.events("Deposited")) >= 20
    assert seen.market.requests() == stage.contracts.market.requests()


def test_a_node_that_tells_nothing_is_no_empty_chain(stage: Stage) -> None:
    chain = Chain(Meagre(stage.chain.web3, 0), "a mute node", stage.chain.chain_id)
    with pytest.raises(RetryableChainError):
        Contracts(chain, stage.contracts.deployment).market.requests()
