"""Models, disputes and proofs: what the chain says besides tasks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from infernet.audit.disputes import summary_of
from infernet.audit.errors import UnknownMatter
from infernet.audit.proved import proof_of
from infernet.chain.records import GameId

from ..errors import NoProof
from ..problems import answers
from ..schemas.views import (
    DisputesView,
    DisputeView,
    ModelsView,
    ModelView,
    ProofView,
    StoryView,
)
from . import show
from .seam import KEYED, ON_CHAIN, IdBytes, Reader, TheGateway
from .tasks import Cursor, Limit

router = APIRouter(prefix="/v1")

_ON_CHAIN = answers(*KEYED, *ON_CHAIN)
_ONE = answers(*KEYED, *ON_CHAIN, "unknown-matter")


@router.get(
    "/models", summary="List the models that tasks may name", tags=["models"], responses=_ON_CHAIN
)
def get_models(gateway: TheGateway, caller: Reader) -> ModelsView:
    """Return the models that are stored here and registered on chain."""
    served = gateway.models()
    return ModelsView(
        data=[show.card(each) for each in served], models=[show.model(each) for each in served]
    )


@router.get(
    "/models/{name}",
    summary="Get a model",
    tags=["models"],
    responses=answers(*KEYED, *ON_CHAIN, "unknown-model"),
)
def get_model(
    gateway: TheGateway,
    caller: Reader,
    name: Annotated[str, Path(min_length=1, max_length=100, description="Or program root")],
) -> ModelView:
    """Return a model by its name or program root."""
    return show.model(gateway.model(name))


@router.get(
    "/disputes", summary="List disputes, the newest first", tags=["disputes"], responses=_ON_CHAIN
)
def get_disputes(
    gateway: TheGateway,
    caller: Reader,
    cursor: Cursor = None,
    limit: Limit = 50,
    is_open: Annotated[bool, Query(alias="open", description="Only undecided ones")] = False,
) -> DisputesView:
    """Return the disputes of this deployment."""
    games = gateway.contracts.games
    found = games.open_challenges() if is_open else games.challenges()
    end = len(found) if cursor is None else min(int(cursor) - 1, len(found))
    start = max(end - limit, 0)
    # Only what is shown is asked of the chain.
    shown: list[DisputeView] = [
        show.dispute(summary_of(gateway.contracts, each)) for each in reversed(found[start:end])
    ]
    return DisputesView(disputes=shown, cursor=str(start + 1) if start else None)


@router.get(
    "/disputes/{id}", summary="Get a dispute, move by move", tags=["disputes"], responses=_ONE
)
def get_dispute(gateway: TheGateway, caller: Reader, id_: IdBytes) -> StoryView:
    """Return what happened in a dispute so far."""
    return show.story(gateway.dispute(GameId(id_)))


@router.get(
    "/proof/{id}",
    summary="Get the proof that decided a dispute",
    tags=["disputes"],
    responses=answers(*KEYED, *ON_CHAIN, "unknown-matter", "no-proof"),
)
def get_proof(gateway: TheGateway, caller: Reader, id_: IdBytes) -> ProofView:
    """Return a one-step proof with all that running it again needs: no model, no other step."""
    game = GameId(id_)
    if not gateway.contracts.games.challenges(gameId=game):
        raise UnknownMatter(f"there is no dispute 0x{game.hex()}; check the id")
    found = proof_of(gateway.contracts, game)
    if found is None:
        raise NoProof("no transaction to the game brought a proof in this dispute")
    return show.proof(game, found)
