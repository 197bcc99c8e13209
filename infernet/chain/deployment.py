"""Where the contracts of one deployment are, and all of them together."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path

from infernet.store.database import Database

from .code import require_code
from .connection import Chain
from .errors import DeploymentError
from .feed import Feed
from .game import Games
from .market import Market
from .matters import PAIRINGS
from .records import Address, GameConstants, MarketConstants
from .registry import Registry
from .shapes import is_address
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
            found = {item.name: content[item.name] for item in fields(cls)}
            if not all(_is_part(name, value) for name, value in found.items()):
                raise ValueError("a number or an address is none")
            return cls(**found)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
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
        except UnicodeDecodeError:
            raise DeploymentError(f"{path} cannot be read: it is not text") from None


def _is_part(name: str, value: object) -> bool:
    """Return whether a value of JSON can be that of a deployment's field."""
    if name in ("chain_id", "block"):
        return type(value) is int and 0 <= value < 1 << 63
    return is_address(value)


class Contracts:
    """The contracts of a deployment over one connection.

    `database`: keeps their events, in memory by default. Raises DeploymentError unless the
    contracts are there, with the code that this package ships.
    """

    def __init__(
        self, chain: Chain, deployment: Deployment, database: Database | None = None
    ) -> None:
        self.chain = chain
        self.deployment = deployment
        require_code(chain, deployment)
        d = deployment
        addresses = (d.registry, d.vault, d.market, d.game)
        self.feed = feed = Feed(chain, addresses, d.block, database, PAIRINGS)
        self.registry = Registry.named(chain, "ModelRegistry", d.registry, feed)
        self.vault = Vault.named(chain, "StakeManager", d.vault, feed)
        self.market = Market.named(chain, "TaskMarket", d.market, feed)
        self.games = Games.named(chain, "DisputeGame", d.game, feed)

    @cached_property
    def game_constants(self) -> GameConstants:
        """Return the game's parameters; they never change."""
        return self.games.constants()

    @cached_property
    def market_constants(self) -> MarketConstants:
        """Return the market's parameters; they never change."""
        return self.market.constants()
