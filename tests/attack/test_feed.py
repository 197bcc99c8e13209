"""A crowd of events must not blind who watches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from web3.exceptions import Web3RPCError

from infernet.chain.connection import Chain
from infernet.chain.deployment import Contracts
from infernet.chain.errors import RetryableChainError
from infernet.chain.records import Wei
from tests.stage import Stage, new_stage

Answer = Callable[[dict[str, Any], Callable[[], list[Any]]], list[Any]]


class Odd:
    """A node, or a part of one, whose logs `answer` gives by the question and the true ones."""

    def __init__(self, whole: Any, answer: Answer) -> None:
        self._whole, self._answer = whole, answer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._whole, name)
        return Odd(found, self._answer) if name == "manager" else found

    def request_blocking(self, method: str, parameters: list[Any]) -> Any:
        ask = partial(self._whole.request_blocking, method, parameters)
        return self._answer(parameters[0], ask) if method == "eth_getLogs" else ask()


def seen_by(stage: Stage, answer: Answer) -> Contracts:
    chain = Chain(Odd(stage.chain.web3, answer), "an odd node", stage.chain.chain_id)
    return Contracts(chain, stage.contracts.deployment)


def meagre(most: int) -> Answer:
    """Return a node's manner of giving out the logs of `most` blocks at a time."""

    def answer(wanted: dict[str, Any], ask: Callable[[], list[Any]]) -> list[Any]:
        if int(wanted["toBlock"], 16) - int(wanted["fromBlock"], 16) >= most:
            raise Web3RPCError("query returned more than 10000 results")
        return ask()

    return answer


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
    seen = seen_by(stage, meagre(most))
    assert seen.vault.events("Deposited") == stage.contracts.vault.events("Deposited")
    assert len(seen.vault.events("Deposited")) >= 20
    assert seen.market.requests() == stage.contracts.market.requests()


def test_a_node_that_tells_nothing_is_no_empty_chain(stage: Stage) -> None:
    with pytest.raises(RetryableChainError):
        seen_by(stage, meagre(0)).market.requests()


def test_a_node_that_tells_each_log_twice_is_read_as_one_that_does_not(stage: Stage) -> None:
    seen = seen_by(stage, lambda _, ask: 2 * ask())
    assert seen.vault.events("Deposited") == stage.contracts.vault.events("Deposited")


def test_two_logs_at_one_place_are_no_chains(stage: Stage) -> None:
    def answer(_: dict[str, Any], ask: Callable[[], list[Any]]) -> list[Any]:
        return [log for found in ask() for log in (found, {**found, "data": "0x01"})]

    with pytest.raises(RetryableChainError, match="ask another node"):
        seen_by(stage, answer).market.requests()


def test_a_log_of_a_block_that_was_not_asked_for_is_not_taken(stage: Stage) -> None:
    def answer(_: dict[str, Any], ask: Callable[[], list[Any]]) -> list[Any]:
        return [{**found, "blockNumber": hex(10**9)} for found in ask()]

    with pytest.raises(RetryableChainError, match="unasked"):
        seen_by(stage, answer).market.requests()
