"""What routes are given: the gateway, the caller, ids."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Request, Security
from fastapi.security import HTTPBearer

from infernet.models.manifest import Manifest

from ..access.guard import (
    KEY_SCHEME,
    Access,
    Caller,
    Scope,
    access_of,
    address_of,
    anyone,
    key_in,
    require,
)
from ..errors import NotAMember
from ..schemas.values import ID_PATTERN
from ..service.gateway import Gateway
from ..service.pool import TOKEN_PREFIX, Member
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
# Of routes that take a session of the pool.
MEMBER = (*OPEN, "not-a-member")
STORED = ("store-trouble",)
ON_CHAIN = ("chain-unavailable",)

_SESSION = HTTPBearer(
    scheme_name="Pool session",
    bearerFormat="inp_<secret>",
    description="What POST /v1/pool/miners answers.",
    auto_error=False,
)


async def gateway_of(request: Request) -> Gateway:
    """Return the gateway of the application that a request came to."""
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


async def _member(request: Request, shown: object = Security(_SESSION)) -> Member:
    access, text = access_of(request), key_in(request.scope)
    try:
        if text is None or not text.startswith(TOKEN_PREFIX):
            raise NotAMember("this needs a session of the pool: POST /v1/pool/miners gives one")
        found = (await gateway_of(request)).pool.member(text)
    except NotAMember:
        access.count_address(address_of(request))
        raise
    access.count(found.id)
    return found


async def _reader_or_member(
    request: Request, shown: object = Security(KEY_SCHEME), session: object = Security(_SESSION)
) -> Caller | Member:
    if (key_in(request.scope) or "").startswith(TOKEN_PREFIX):
        return await _member(request)
    return await require(Scope.TASKS_READ)(request)


TheAccess = Annotated[Access, Depends(_access)]
TheGateway = Annotated[Gateway, Depends(gateway_of)]
Texts = Annotated[EventTexts, Depends(_texts)]
IdBytes = Annotated[bytes, Depends(_id)]
Writer = Annotated[Caller, Depends(require(Scope.TASKS_WRITE))]
Reader = Annotated[Caller, Depends(require(Scope.TASKS_READ))]
TheMember = Annotated[Member, Depends(_member)]
ReaderOrMember = Annotated[Caller | Member, Depends(_reader_or_member)]
Anyone = Depends(anyone)


def manifests(gateway: Gateway) -> dict[bytes, Manifest]:
    """Return the manifests of served models by program root; raises ChainError."""
    return {bytes(model.program_root): model.manifest for model in gateway.models()}


def json_body(model: type[Any]) -> dict[str, Any]:
    """Return how OpenAPI says that a route reads a model from a body by hand."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}
