"""What a lie is: a name, who tells it about what, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass

from bisection.game import Player

from .case import PARTY, Act, Case
from .claims import Falsehood
from .ground import Party

EXECUTOR, CHALLENGER = Player.EXECUTOR, Player.CHALLENGER

# What most false steps do.
ACCUMULATOR = "leaves another accumulator"
STORED = "stores another byte"
DIRT = "leaves dirt in its slot for good"


@dataclass(frozen=True, slots=True)
class Lie:
    """One row: `network` is a key of NETWORKS, `where` and `what` are for readers."""

    name: str
    network: str
    liars: frozenset[Party]
    where: str
    what: str
    act: Act

    @property
    def who(self) -> str:
        """Return the liars' names."""
        return " + ".join(sorted(party.value for party in self.liars))


def acted(
    name: str, act: Act, liars: set[Party], where: str, what: str, network: str = "digits"
) -> Lie:
    """Return a lie that is told in a way of its own."""
    return Lie(name, network, frozenset(liars), where, what, act)


@dataclass(frozen=True, slots=True)
class Tells:
    """A dispute about a false result, each side playing on from what it says."""

    falsehood: Falsehood
    liar: Player

    def __call__(self, case: Case) -> None:
        """Play it."""
        case.dispute(self.falsehood.claim(case.network), self.liar)


def told(
    name: str, network: str, where: str, what: str, falsehood: Falsehood, liar: Player = EXECUTOR
) -> Lie:
    """Return a lie about a result."""
    return Lie(name, network, frozenset({PARTY[liar]}), where, what, Tells(falsehood, liar))
