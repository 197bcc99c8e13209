"""Views become records by the names in the interface."""

from __future__ import annotations

import pytest

from infernet.chain.artifacts import CORE, PROVERS, load
from infernet.chain.errors import ArtifactError, DeploymentError
from infernet.chain.records import (
    Contest,
    GameConstants,
    MarketConstants,
    from_struct,
    to_struct,
)

NAMES = ("windowSeconds", "assertSeconds", "revealSeconds", "claimPenaltyBps", "revealBaseFeeWei")
COMPONENTS = [{"name": name} for name in NAMES]


def test_struct_is_read_by_name_not_by_place() -> None:
    turned = from_struct(MarketConstants, COMPONENTS[::-1], (5, 4, 3, 2, 1))
    assert turned == MarketConstants(1, 2, 3, 4, 5)


def test_record_goes_back_into_a_struct() -> None:
    assert to_struct(MarketConstants(1, 2, 3, 4, 5), COMPONENTS[::-1]) == (5, 4, 3, 2, 1)


def test_missing_field_is_refused_by_name() -> None:
    with pytest.raises(DeploymentError, match="reveal_base_fee_wei"):
        from_struct(MarketConstants, COMPONENTS[:4], (1, 2, 3, 4))


@pytest.mark.parametrize("name", [*CORE, *PROVERS])
def test_every_contract_ships_with_its_code(name: str) -> None:
    artifact = load(name)
    assert artifact.abi
    assert len(artifact.bytecode) > 1000


def test_absent_artifact_says_what_to_do() -> None:
    with pytest.raises(ArtifactError, match="reinstall"):
        load("NoSuchContract")


@pytest.mark.parametrize(
    ("contract", "function", "record"),
    [
        ("TaskMarket", "constants", MarketConstants),
        ("DisputeGame", "constants", GameConstants),
        ("DisputeGame", "contest", Contest),
    ],
)
def test_shipped_interfaces_fit_the_records(contract: str, function: str, record: type) -> None:
    (entry,) = [e for e in load(contract).abi if e.get("name") == function]
    components = entry["outputs"][0]["components"]
    made = from_struct(record, components, tuple(range(len(components))))
    assert to_struct(made, components) == tuple(range(len(components)))
