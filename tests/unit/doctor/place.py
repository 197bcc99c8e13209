"""A healthy player's surroundings, for tests that spoil one thing each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from infernet.chain.wallet import KeySigner
from infernet.config import Config
from infernet.doctor.checkup import examine
from infernet.doctor.finding import Finding, Outcome
from tests.anvil import Anvil

KEY = bytes(range(1, 33))
ADDRESS = KeySigner.of_key(KEY).address


@dataclass(frozen=True)
class Place:
    """A node with contracts on it, a folder with keystore and passphrase, and settings."""

    node: Anvil
    folder: Path
    config: Config

    def findings(self, config: Config | None = None) -> dict[str, Finding]:
        """Return all findings by check, and require that every kind of check was made."""
        config = config or self.config
        found = list(examine(config, self.folder / "data", None))
        made = {finding.check.split()[0] for finding in found}
        for check in ("python", "packages", "processor", "disk", "keystore", "node", "metrics"):
            assert check in made, f"{check} was not made"
        return {finding.check: finding for finding in found}


def names_of(node: Anvil) -> tuple[str, ...]:
    """Return three URLs of one node, which a player takes for three nodes."""
    return (node.url, f"http://localhost:{node.port}", f"{node.url}/")


def require(finding: Finding, outcome: Outcome, detail: str, fix: str) -> None:
    """Require an outcome, and that a finding names its fault and the fix."""
    assert finding.outcome is outcome, finding
    assert detail in finding.detail, finding
    assert fix in finding.fix, finding
