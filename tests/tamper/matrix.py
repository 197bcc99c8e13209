"""All rows, and how one is played."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.e2e.disputes_chain import Refused

from .business import BUSINESS
from .case import Case, Outcome
from .cnn import CNN
from .collusion import COLLUSION
from .crowds import CROWDS
from .decoder import DECODER
from .encoder import ENCODER
from .ground import Ground
from .inputs import INPUTS
from .lie import Lie
from .moves import MOVES
from .networks import NETWORKS
from .registrations import REGISTRATIONS
from .signatures import SIGNATURES

SECTIONS: dict[str, tuple[Lie, ...]] = {
    "False results of a CNN": CNN,
    "False results of an encoder": ENCODER,
    "False results of a decoder": DECODER,
    "False moves in a game": MOVES,
    "False calls of the market, the vault and the game": BUSINESS,
    "Inputs that nobody has": INPUTS,
    "Signed requests": SIGNATURES,
    "Programs": REGISTRATIONS,
    "Several accounts, several games, no answer": (*COLLUSION, *CROWDS),
}
ROWS = tuple(lie for section in SECTIONS.values() for lie in section)


def play(lies: Iterable[Lie], ground: Ground | None = None) -> Iterator[tuple[Lie, Outcome]]:
    """Play rows on one chain, each from the same second."""
    ground = ground or Ground()
    for lie in lies:
        ground.register(NETWORKS[lie.network]().program)
        yield lie, _outcome(ground, lie)


def _outcome(ground: Ground, lie: Lie) -> Outcome:
    """Play one row, and undo it; what an honest party could not go on from is a fault."""
    with ground.rewound():
        case = Case(ground, NETWORKS[lie.network](), lie.liars)
        try:
            lie.act(case)
        except (Refused, AssertionError) as stop:
            case.faults.append(f"it stopped: {type(stop).__name__}: {stop}")
        return case.outcome()
