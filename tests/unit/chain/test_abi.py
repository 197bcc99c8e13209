"""Calls between values and bytes, also where other programs wrote the bytes."""

from __future__ import annotations

import pytest

from infernet.chain.abi import functions_of
from infernet.chain.artifacts import load
from infernet.chain.errors import RetryableChainError

_PROOF = b"a proof"


def proving_call() -> bytes:
    arguments = (bytes(32), 1, bytes(32), bytes(32), [bytes(32)], _PROOF)
    return functions_of(load("DisputeGame"))["prove"].encoded(arguments)


def test_a_move_is_read_whatever_fills_its_words_up() -> None:
    prove, call = functions_of(load("DisputeGame"))["prove"], proving_call()
    dirty = call[:-1] + b"\xff"
    for each in (call, dirty, call + bytes(5)):
        arguments = prove.arguments_in(each)
        assert arguments is not None and arguments[-1] == _PROOF
    assert prove.arguments_in(call[:-40]) is None
    assert prove.arguments_in(b"\0" * 4 + call[4:]) is None


def test_an_answer_that_no_contract_gives_says_what_to_do() -> None:
    task = functions_of(load("TaskMarket"))["task"]
    with pytest.raises(RetryableChainError, match="ask another node"):
        task.decoded(b"\xff" * 40)
