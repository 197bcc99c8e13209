"""A town for auditors: its program is in the store, and commands reach its chain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bisection.game import Player
from infernet.backend.tamper import TamperedTrace
from infernet.cli.demo_lie import narrow
from infernet.models.manifest import Coding, Manifest
from infernet.models.pipeline import Model
from infernet.models.store import save_model
from interpreter.program import Program, Step
from tests.anvil import find_anvil, running
from tests.stage import MUTATION
from tests.survival.town import SHORT_SEED, Town, new_town


@contextmanager
def audited_town(folder: Path) -> Iterator[tuple[Town, tuple[str, ...]]]:
    """Give a town on a fresh node, and the options of commands that say where it is."""
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    with pytest.MonkeyPatch.context() as patch, running() as node:
        patch.setenv("INFERNET_DATA_DIR", str(folder))
        patch.chdir(folder)
        town = new_town(node, SHORT_SEED)
        keep_model(town.program)
        contracts = folder / "contracts.json"
        contracts.write_text(town.contracts.deployment.to_json(), encoding="utf-8")
        yield town, ("--rpc", node.url, "--contracts", str(contracts))


def keep_model(program: Program) -> None:
    """Put a program in the store, so that it is found by its root."""
    coding = Coding(1.0, 0, (1,), "uint8", "flat")
    root = program.root.hex()
    save_model(Model(program, Manifest("random", root, "", "", "", coding, coding, None)))


def proven_lie(town: Town, prover: Player = Player.CHALLENGER) -> tuple[int, int]:
    """Return a lie over which one player has the last word, and the step they come to."""
    truth, arity = town.truth(), town.contracts.game_constants.arity
    for step in range(town.steps):
        disputed, dissections = narrow(truth, TamperedTrace(truth, Step(step), MUTATION), arity)
        if (dissections % 2 == 0) == (prover is Player.CHALLENGER):
            return step, disputed
    raise AssertionError(f"no lie of this program ends with the {prover.value}'s turn")
