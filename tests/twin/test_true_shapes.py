"""Sampled steps of Llama-3-8B's true shapes, executed by the Solidity verifier."""

import pytest

from interpreter.program import Opcode

from .test_extremes import GAME_BYTES, MAX_CALLDATA_BYTES, MAX_GAS
from .true_shapes import emit, encoded, prove_sample, recorded

# Of images; a decoder has none of them.
ABSENT = {Opcode.CONV, Opcode.MAXPOOL, Opcode.ADD, Opcode.CLIP, Opcode.TABLE}
CALL_BYTES = 4 + 32 * 5


def require_sample(count: int, seed: int) -> None:
    """Prove and forge so many steps, and check what the moves with these proofs take."""
    report, registration = prove_sample(count, seed)
    assert report.steps == count and report.forgeries > 10 * count
    assert {kind.split()[0] for kind in report.kinds} == {code.name for code in {*Opcode} - ABSENT}
    for kind, tally in report.kinds.items():
        assert tally.most_gas + 40 * GAME_BYTES <= MAX_GAS, kind
        assert tally.most_bytes + CALL_BYTES + GAME_BYTES <= MAX_CALLDATA_BYTES, kind
    # A call stays far below the gas cap of a transaction.
    assert max(registration) < 5_000_000


def test_some_steps_of_llama_agree_and_their_forgeries_prove_nothing() -> None:
    assert recorded().header.constants_bytes > 8_000_000_000
    require_sample(102, seed=1)


@pytest.mark.slow
def test_a_thousand_steps_of_llama_agree_and_their_forgeries_prove_nothing() -> None:
    require_sample(1_000, seed=2)


@pytest.mark.slow
def test_the_recorded_program_is_the_one_that_an_import_makes() -> None:
    assert encoded(emit()) == encoded(recorded())
