"""What several answers amount to."""

from __future__ import annotations

from typing import Any

import pytest

from infernet.chain import votes

REVERT = {"error": {"code": 3, "message": "execution reverted", "data": "0xAB"}}
WORDED = {"error": {"code": -32000, "message": "VM Exception: revert", "data": "0xab"}}
NO_BLOCK = {"error": {"code": -32000, "message": "header not found"}}
GAS: list[dict[str, Any]] = [{"result": hex(gas)} for gas in (21_000, 90_000, 100_000)]


def test_only_what_all_nodes_tell_is_compared() -> None:
    one = {"result": {"number": "0x1", "hash": "0xAA", "timestamp": "0x5", "size": "0x9"}}
    two = {"result": {"hash": "0xaa", "number": "0x1", "timestamp": "0x5", "extra": []}}
    later = {"result": {**two["result"], "timestamp": "0x6"}}  # type: ignore[dict-item]
    vote = votes.vote_of("eth_getBlockByNumber", one)
    assert vote == votes.vote_of("eth_getBlockByNumber", two)
    assert vote != votes.vote_of("eth_getBlockByNumber", later)


def test_a_refusal_is_a_vote_by_its_data_whatever_its_words() -> None:
    assert votes.vote_of("eth_call", REVERT) == votes.vote_of("eth_call", WORDED)
    assert votes.vote_of("eth_call", REVERT) != votes.vote_of("eth_call", {"result": "0xab"})


def test_trouble_of_a_node_is_no_vote() -> None:
    assert votes.vote_of("eth_call", NO_BLOCK) is None
    assert votes.is_trouble(NO_BLOCK)
    assert not votes.is_trouble(REVERT)


@pytest.mark.parametrize(
    ("given", "elected"),
    [([], None), ([1], None), ([1, 2], None), ([1, 2, 2], 2), ([None, None, 1], None)],
)
def test_a_majority_needs_a_quorum(given: list[int | None], elected: int | None) -> None:
    assert votes.majority(given, 2) == elected


def test_the_largest_gas_wins_and_one_refusal_does_not() -> None:
    assert votes.estimate([*GAS[:2], REVERT], 2) == GAS[1]
    assert votes.estimate(GAS, 2) == GAS[2]
    assert votes.estimate([GAS[0], REVERT], 2) is None
    assert votes.estimate([GAS[0], NO_BLOCK, NO_BLOCK], 2) is None


def test_two_refusals_outvote_a_gas() -> None:
    silent = {"error": {"code": 3, "message": "execution reverted"}}
    assert votes.estimate([silent, GAS[0], REVERT], 2) == REVERT


@pytest.mark.parametrize(
    ("numbers", "reached"), [([], None), ([5], None), ([9, 5, 4], 5), ([10**9, 5, 5], 5)]
)
def test_a_number_is_reached_where_a_quorum_is(numbers: list[int], reached: int | None) -> None:
    assert votes.reached(numbers, 2) == reached


def test_the_middle_one_of_two_is_the_lower() -> None:
    assert [votes.lower_median(n) for n in ([7], [9, 7], [1, 9, 7])] == [7, 7, 7]


@pytest.mark.parametrize(
    ("message", "is_known"),
    [
        ("already known", True),
        ("transaction already imported", True),
        ("known transaction: 0x12", True),
        ("nonce too low", False),
        ("unknown account", False),
    ],
)
def test_a_transaction_that_a_node_has_is_sent(message: str, is_known: bool) -> None:
    assert votes.is_known({"error": {"code": -32000, "message": message}}) == is_known


def test_many_words_ask_for_fewer_questions() -> None:
    for message in ("rate limit exceeded", "Too Many Requests", "daily request capacity"):
        assert votes.is_throttle({"error": {"code": -32005, "message": message}})
    too_long = {"error": {"code": -32005, "message": "query returned more than 10000 results"}}
    assert not votes.is_throttle(too_long)
    assert not votes.is_throttle({"result": "0x"})
