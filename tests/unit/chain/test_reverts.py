"""What contracts give on refusal becomes names, operands and advice; nothing is swallowed."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from infernet.chain.errors import Reverted
from infernet.chain.reverts import ADVICE, explain, known_errors


def data_of(signature: str, types: list[str], values: list[object]) -> bytes:
    return bytes(keccak(text=signature)[:4]) + encode(types, values)


def test_custom_error_is_named_with_its_operands_and_advice() -> None:
    data = data_of("StakeBelowFloor(uint256,uint256)", ["uint256", "uint256"], [5, 7])
    error = explain("claim", data)
    assert (error.error, error.operands) == ("StakeBelowFloor", {"stake": 5, "floor": 7})
    assert str(error) == (
        "claim was refused: StakeBelowFloor(stake 5, floor 7). Stake at least the model's floor."
    )


def test_enum_operand_is_told_by_name() -> None:
    task = b"\x11" * 32
    data = data_of("WrongTaskStatus(bytes32,uint8)", ["bytes32", "uint8"], [task, 2])
    error = explain("claim", data)
    assert error.operands == {"taskId": task, "status": "claimed"}
    assert f"taskId 0x{task.hex()}" in str(error)


def test_enum_value_beyond_its_names_stays_a_number() -> None:
    data = data_of("WrongTaskStatus(bytes32,uint8)", ["bytes32", "uint8"], [b"\0" * 32, 99])
    assert explain("claim", data).operands["status"] == 99


def test_string_and_panic_are_told() -> None:
    reason = explain("open", data_of("Error(string)", ["string"], ["no luck"]))
    assert reason.operands == {"reason": "no luck"}
    panic = explain("open", data_of("Panic(uint256)", ["uint256"], [0x11]))
    assert (panic.error, panic.operands) == ("Panic", {"code": "0x11"})


@pytest.mark.parametrize("data", [b"", b"\x01", b"\xde\xad\xbe\xef", b"\xde\xad\xbe\xef" * 20])
def test_unknown_data_is_shown_as_it_is(data: bytes) -> None:
    error = explain("prove", data)
    assert isinstance(error, Reverted)
    assert error.error == ""
    assert data.hex() in str(error)


def test_truncated_operands_are_called_malformed() -> None:
    data = data_of("StakeBelowFloor(uint256,uint256)", ["uint256", "uint256"], [5, 7])[:-1]
    assert "malformed" in str(explain("claim", data))


def test_every_advice_belongs_to_an_error_that_exists() -> None:
    declared = {entry["name"] for entry in known_errors().values()}
    assert set(ADVICE) <= declared
