"""Every theorem holds of the sources as they are, and fails of every fault planted in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("z3")

from .__main__ import table
from .solidity import CONTRACTS, Node
from .theorem import Outcome, Theorem, is_refuted, prove, trees_of
from .theorems import THEOREMS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security" / "formal.md"
QUICK = {"division", "root-start", "root-turn", "dot-lanes", "load", "put", "wrap", "segments"}
QUICK |= {"parts", "depth", "joined-index", "truncation", "divisor"}

needs_solc = pytest.mark.skipif(
    shutil.which("node") is None or not (CONTRACTS / "node_modules" / "solc").exists(),
    reason="node or npm's solc is not installed",
)


def _marked(theorems: tuple[Theorem, ...]) -> list[object]:
    """Give the theorems that take long their mark."""
    return [
        pytest.param(t, id=t.name, marks=() if t.name in QUICK else pytest.mark.slow)
        for t in theorems
    ]


@pytest.fixture(scope="module")
def trees(request: pytest.FixtureRequest) -> dict[str, Node]:
    """Compile what the chosen tests need, once."""
    specs = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = [spec.params.get("theorem") for spec in specs if spec]
    return trees_of([theorem for theorem in THEOREMS if theorem in chosen])


@needs_solc
@pytest.mark.parametrize("theorem", _marked(THEOREMS))
def test_theorem_holds(theorem: Theorem, trees: dict[str, Node]) -> None:
    findings = prove(theorem, trees[theorem.unit])
    assert findings
    assert [f.goal.about for f in findings if f.outcome is not Outcome.PROVEN] == []


@needs_solc
@pytest.mark.parametrize("theorem", _marked(THEOREMS))
def test_planted_faults_are_refuted(theorem: Theorem, trees: dict[str, Node]) -> None:
    assert theorem.mutants
    for index, mutant in enumerate(theorem.mutants):
        assert is_refuted(theorem, trees[theorem.mutant_unit(index)]), mutant.planted


def test_names_are_unique() -> None:
    names = [theorem.name for theorem in THEOREMS]
    assert len(set(names)) == len(names)


def test_the_page_lists_every_theorem() -> None:
    assert table() in PAGE.read_text(), "run python -m tests.formal --table"
