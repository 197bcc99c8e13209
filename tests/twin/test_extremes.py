"""The bounds of one step hold for the largest registrable programs, and nothing there reverts."""

import numpy as np

from interpreter import machine

from .evm import Contracts
from .extremes import CONSTANTS_BYTES, Extreme, draw_extreme, extreme_step, widest_dot
from .sequence_extremes import RECIPES, widest

# What a move adds to a proof: selector, arguments and siblings of a dissection of 32 segments.
GAME_BYTES = 4 + 32 * (7 + 5 + 1)
MAX_CALLDATA_BYTES = 6_900
# The game's own part of a proving transaction, storage and events, with a margin.
GAME_GAS = 60_000
MAX_GAS = 300_000
STEPS = 600
SEQUENCE_STEPS = 600


def require_equal(contracts: Contracts, case: Extreme) -> tuple[int, int]:
    """Check one step; return the gas and the calldata bytes of a transaction with its proof."""
    encoded = case.proof.encode()
    before, after = machine.verify(case.root, case.iterations, case.step, case.proof)
    found = contracts.prove(case.root, case.iterations, case.step, encoded)
    assert found[:2] == (before.hash, after.hash), case
    calldata = 4 + 32 * 5 + len(encoded)
    return found[2], calldata


def test_steps_of_the_largest_programs_agree_within_the_bounds() -> None:
    contracts, rng = Contracts(), np.random.default_rng(1)
    most: dict[str, tuple[int, int]] = {}
    for _ in range(STEPS):
        case = extreme_step(*draw_extreme(rng), rng)
        gas, size = require_equal(contracts, case)
        old = most.get(case.kind, (0, 0))
        most[case.kind] = max(old[0], gas), max(old[1], size)
    assert len(most) == 11
    for kind, (gas, size) in most.items():
        assert size + GAME_BYTES <= MAX_CALLDATA_BYTES, kind
        assert gas <= MAX_GAS, kind


def test_the_most_expensive_step_stays_below_the_bounds() -> None:
    rng = np.random.default_rng(2)
    case = extreme_step(*widest_dot(), rng)
    assert len(case.proof.witness) == 2 * (256 + 32 * 31) + 2 * (256 + 32 * 32)
    gas, size = require_equal(Contracts(), case)
    # Before Prague there is no floor price: this is what is left when execution costs more.
    executed, _ = require_equal(Contracts("CANCUN"), case)
    total = size + GAME_BYTES
    assert total <= MAX_CALLDATA_BYTES
    assert gas + 40 * GAME_BYTES <= MAX_GAS
    assert executed + 16 * GAME_BYTES + GAME_GAS <= MAX_GAS


def test_steps_of_the_largest_sequence_programs_agree_within_the_bounds() -> None:
    contracts, rng = Contracts(), np.random.default_rng(3)
    kinds = set()
    for number in range(SEQUENCE_STEPS):
        case = extreme_step(*draw_extreme(rng, RECIPES), rng, is_zero=number % 4 == 0)
        gas, size = require_equal(contracts, case)
        assert size + GAME_BYTES <= MAX_CALLDATA_BYTES, case.kind
        assert gas + 40 * GAME_BYTES <= MAX_GAS, case.kind
        kinds.add(case.kind)
    assert len(kinds) == 16


def test_the_widest_steps_of_sequence_operators_stay_below_the_bounds() -> None:
    contracts, cancun, rng = Contracts(), Contracts("CANCUN"), np.random.default_rng(4)
    for place, (instruction, index) in enumerate(widest()):
        instruction.check(CONSTANTS_BYTES, 1)
        for is_zero in (False, True):
            case = extreme_step(instruction, index, rng, is_zero)
            gas, size = require_equal(contracts, case)
            executed, _ = require_equal(cancun, case)
            what = f"{place}: {case.kind}, {size + GAME_BYTES} bytes, {gas}, {executed} gas"
            assert size + GAME_BYTES <= MAX_CALLDATA_BYTES, what
            assert gas + 40 * GAME_BYTES <= MAX_GAS, what
            assert executed + 16 * GAME_BYTES + GAME_GAS <= MAX_GAS, what
