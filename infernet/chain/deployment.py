"""Where the contracts of one deployment are, and all of them together."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

from .connection import Chain, translated
from .errors import DeploymentError
from .game import Games
from .market import Market
from .records import Address, GameConstants, MarketConstants
from .registry import Registry
from .stake import Vault


@dataclass(frozen=True, slots=True)
class Deployment:
    """Addresses on one chain; `block`: where their history begins."""

    chain_id: int
    block: int
    registry: Address
    vault: Address
    market: Address
    game: Address
    verifier: Address

    def to_json(self) -> str:
        """Return the deployment as text, to be kept or handed on."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Deployment:
        """Return the deployment in a text, or raise DeploymentError."""
        try:
            content = json.loads(text)
            return cls(**{item.name: content[item.name] for item in fields(cls)})
        except (ValueError, KeyError, TypeError) as error:
            raise DeploymentError(
                f"this is not the description of a deployment ({error!r}); "
                "make one with `infernet chain deploy`"
            ) from None

    @classmethod
    def from_file(cls, path: Path) -> Deployment:
        """Return the deployment in a file, or raise DeploymentError."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise DeploymentError(f"{path} cannot be read: {error.strerror}") from None


class Contracts:
    """The contracts of a deployment over one connection."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self.chain = chain
        self.deployment = deployment
        _check(chain, deployment)
        block = deployment.block
        self.registry = Registry.named(chain, "ModelRegistry", deployment.registry, block)
        self.vault = Vault.named(chain, "StakeManager", deployment.vault, block)
        self.market = Market.named(chain, "TaskMarket", deployment.market, block)
        self.games = Games.named(chain, "DisputeGame", deployment.game, block)

    @cached_property
    def game_constants(self) -> GameConstants:
        """Return the game's parameters; they never change."""
        return self.games.constants()

    @cached_property
    def market_constants(self) -> MarketConstants:
        """Return the market's parameters; they never change."""
        return self.market.constants()


def _check(chain: Chain, deployment: Deployment) -> None:
    if chain.chain_id != deployment.chain_id:
        raise DeploymentError(
            f"{chain.name} is chain {chain.chain_id}, the deployment is on "
            f"chain {deployment.chain_id}; connect to that chain"
        )
    for name in ("registry", "vault", "market", "game", "verifier"):
        address = getattr(deployment, name)
        with translated(f"looking for the {name}", chain.name):
            code = chain.web3.eth.get_code(address)
        if not code:
            raise DeploymentError(
                f"{chain.name} has no contract at {address}, where the {name} should be"
            )
