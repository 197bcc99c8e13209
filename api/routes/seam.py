"""What routes are given: the gateway, the caller, ids."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request

from infernet.models.manifest import Manifest

from ..access.guard import Access, Caller, Scope, access_of, anyone, require
from ..schemas.values import ID_PATTERN
from ..service.gateway import Gateway
from .show import EventTexts

# Answers that any route with a key, or without one, may give.
KEYED = (
    "unauthenticated",
    "forbidden",
    "too-many-requests",
    "invalid-request",
    *(
        "bad-headers",
        "encoding-refused",
        "headers-too-large",
        "body-too-large",
        "too-slow",
        "too-busy",
        "internal",
    ),
)
OPEN = tuple(name for name in KEYED if name != "forbidden")
STORED = ("store-trouble",)
ON_CHAIN = ("chain-unavailable",)


async def _gateway(request: Request) -> Gateway:
    found = request.app.state.gateway
    assert isinstance(found, Gateway)
    return found


async def _texts(request: Request) -> EventTexts:
    found = request.app.state.texts
    assert isinstance(found, EventTexts)
    return found


async def _id(
    id_: Annotated[str, Path(alias="id", pattern=ID_PATTERN, description="32 bytes in hex")],
) -> bytes:
    return bytes.fromhex(id_[2:])


async def _access(request: Request) -> Access:
    return access_of(request)


TheAccess = Annotated[Access, Depends(_access)]
TheGateway = Annotated[Gateway, Depends(_gateway)]
Texts = Annotated[EventTexts, Depends(_texts)]
IdBytes = Annotated[bytes, Depends(_id)]
Writer = Annotated[Caller, Depends(require(Scope.TASKS_WRITE))]
Reader = Annotated[Caller, Depends(require(Scope.TASKS_READ))]
Anyone = Depends(anyone)


def manifests(gateway: Gateway) -> dict[bytes, Manifest]:
    """Return the manifests of served models by program root; raises ChainError."""
    return {bytes(model.program_root): model.manifest for model in gateway.models()}
