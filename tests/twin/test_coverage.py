"""Branches are told by their lines, their conditions and what these were."""

import shutil

import numpy as np
import pytest
from eth_abi.abi import encode

from tests.programs import random_program

from . import coverage
from .branches import CONTRACTS, Compiled, compile_branches
from .evm import Contracts, selector
from .refusals import require_refused
from .steps import cases
from .watched import Watched

SOURCE = """
pragma solidity 0.8.37;
contract Small {
    function run(uint256 a, uint256 b) external pure returns (uint256 r) {
        unchecked {
            if (a > 1) r = 1; else r = 2;
            if (b == 7) r += 1;
            r += a == 3 ? 1 : 0;
            if (a == 4 && b == 4) r = 9;
            if (a == 5 || b == 5) r = 8;
            for (uint256 i = 0; i < b % 3; ++i) r += 1;
            do r += 1; while (r < b);
        }
        assembly {
            if gt(a, 100) { r := 0 }
            for {} gt(b, 250) { b := 0 } {}
            switch a case 11 { r := 1 } default { r := 2 }
        }
    }
}
"""
CONDITIONS = {
    6: "a > 1",
    7: "b == 7",
    8: "a == 3",
    10: "a == 5",
    11: "i < b % 3",
    12: "r < b",
    15: "gt(a, 100)",
    16: "gt(b, 250)",
    17: "11",
}


@pytest.fixture(scope="module")
def small() -> Compiled:
    if shutil.which("node") is None or not (CONTRACTS / "node_modules" / "solc").is_dir():
        pytest.skip("npm's solc is not installed: `npm ci` in contracts/")
    return compile_branches({"Small.sol": SOURCE})["Small"]


def sides(small: Compiled, a: int, b: int) -> dict[tuple[int, str], set[bool]]:
    """Return which conditions were true, false or both in one call."""
    watched = Watched([small])
    watched.call(selector("run(uint256,uint256)") + encode(["uint256"] * 2, [a, b]))
    found: dict[tuple[int, str], set[bool]] = {}
    for branch, side in watched.taken:
        found.setdefault((branch.line, branch.condition), set()).add(side)
    return found


def test_every_branch_of_a_source_is_found(small: Compiled) -> None:
    found = {(b.line, b.condition) for b in small.branches.values() if b is not None}
    assert found == {
        *CONDITIONS.items(),
        (9, "a == 4"),
        (9, "a == 4 && b == 4"),
        (10, "a == 5 || b == 5"),
    }


@pytest.mark.parametrize(
    ("a", "b"), [(0, 0), (1, 7), (2, 1), (3, 5), (4, 4), (4, 5), (5, 4), (11, 2), (101, 251)]
)
def test_it_is_known_what_each_condition_was(small: Compiled, a: int, b: int) -> None:
    found = sides(small, a, b)
    for line, (condition, value) in {
        6: ("a > 1", a > 1),
        7: ("b == 7", b == 7),
        8: ("a == 3", a == 3),
        9: ("a == 4", a == 4),
        10: ("a == 5", a == 5),
        15: ("gt(a, 100)", a > 100),
    }.items():
        assert found[line, condition] == {value}
    assert found[9, "a == 4 && b == 4"] == {a == b == 4}
    assert found[10, "a == 5 || b == 5"] == {a == 5 or b == 5}
    assert found[11, "i < b % 3"] == ({True, False} if b % 3 else {False})
    assert found[16, "gt(b, 250)"] == ({True, False} if b > 250 else {False})
    assert found[17, "11"] == {a == 11}


def test_a_side_that_was_not_taken_is_listed(small: Compiled) -> None:
    watched = Watched([small])
    watched.call(selector("run(uint256,uint256)") + encode(["uint256"] * 2, [0, 0]))
    left = coverage.missing(watched.branches, watched.taken)
    assert [side for branch, side in left if branch.condition == "b == 7"] == [True]
    assert coverage.table(watched.branches, watched.taken)[-1].startswith("| all | 12 | 24 |")


def test_proofs_are_what_the_shipped_contracts_show() -> None:
    contracts, rng = Contracts(), np.random.default_rng(5)
    report = coverage.prove_some(contracts, 100, 5)
    assert report.steps >= 100
    program = random_program(rng, "hostile")
    for case in cases(program, rng, coverage.REFUSALS):
        require_refused(contracts, case, rng)
