"""The application: `infernet api run`, or `uvicorn --factory api.app:create_app`."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
)
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp, Scope

from infernet.actors.opening import use_data_dir
from infernet.config import Config, load

from . import problems
from .access.guard import Access
from .access.middleware import Fence
from .access.pages import account_router
from .direct import Direct
from .explorer.explorer import ChainExplorer
from .explorer.live import Live
from .explorer.rendering import ROOT as EXPLORER
from .explorer.routes import explorer_router
from .head import Head
from .opening import Office, limits_of, opened
from .routes import accept, chain, events, openai, players, pool, service, tasks
from .routes.show import EventTexts
from .schemas.openai_views import FaultView
from .schemas.values import ProblemView
from .store.records import TaskEvent
from .tally import Tally

_ABOUT = """\
INT8 inference that anyone can check. A task is accepted durably, sent to the chain, computed by \
whoever stakes on the result, and final once nobody can challenge it any more.

**Only `finality: final` is a result that nobody can take back.** `pending` may still be proven \
false and slashed; the task is then open again.
"""
_TAGS = [
    {"name": "tasks", "description": "Have tasks computed, and read what became of them"},
    {"name": "openai", "description": "Models of text, in the words of OpenAI's protocol"},
    {"name": "events", "description": "Server-sent events"},
    {"name": "models", "description": "What tasks may name"},
    {"name": "disputes", "description": "Challenged results, move by move"},
    {"name": "pool", "description": "Miners that take work from this gateway"},
    {
        "name": "players",
        "description": "Miners and fishermen, and how far their past speaks for them",
    },
    {"name": "service", "description": "The gateway itself"},
]

Opener = Callable[[Config], AbstractContextManager[Office]]


def create_app(config: Config | None = None, opener: Opener = opened) -> FastAPI:
    """Return the application. `config`: default: miner.toml and INFERNET_*, or ConfigError.

    Its lifespan opens, starts and closes the gateway; whatever that raises ends the server.
    """
    settings = load().config if config is None else config
    access = Access.open(use_data_dir(settings), limits_of(settings))
    app = _Described(
        title="InferNet gateway",
        version=version("infernet"),
        description=_ABOUT,
        openapi_tags=_TAGS,
        lifespan=_lifespan(settings, opener, access),
        # Their pages load code from other hosts.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        servers=[{"url": settings.api.public_url}] if settings.api.public_url else None,
    )
    app.state.access, app.state.texts = access, EventTexts()
    app.state.answers = Counter[int]()
    problems.install(app)
    # Fixed names come before those that may be anything.
    for part in (accept, events, tasks, openai, pool, chain, players, service):
        app.include_router(part.router)
    app.add_api_route("/", _home, include_in_schema=False)
    return app


class _Described(FastAPI):
    """Describes also the bodies that its routes read by hand, and stands behind the fence."""

    def build_middleware_stack(self) -> ASGIApp:
        """Return all that a request passes; around it the fence, also around what goes wrong."""
        inner = Direct(Head(super().build_middleware_stack()))
        return Tally(Fence(inner, self.state.access, _refusal), self.state.answers)

    def openapi(self) -> dict[str, Any]:
        """Return the description, made once."""
        if self.openapi_schema is None:
            found = super().openapi()
            schemas = found.setdefault("components", {}).setdefault("schemas", {})
            for model in (ProblemView, FaultView, *accept.SCHEMAS, *pool.SCHEMAS, *openai.SCHEMAS):
                made = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(made.pop("$defs", {}))
                schemas[model.__name__] = made
        return self.openapi_schema or {}


def _lifespan(
    config: Config, opener: Opener, access: Access
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as stack:
            stack.callback(access.close)
            office = stack.enter_context(opener(config))
            gateway = app.state.gateway = office.gateway
            explorer = ChainExplorer(
                gateway.contracts, office.models, gateway.task, gateway.scoreboard, gateway.spoken
            )
            live = app.state.live = Live(explorer.board)
            stack.callback(live.close)
            gateway.heed(lambda told: live.note(_changed_off_chain(told)))
            app.include_router(account_router(access, gateway.spent))
            app.include_router(explorer_router(explorer, live))
            gateway.start()
            yield

    return lifespan


def send_away(app: FastAPI) -> None:
    """End every stream of a running application, so that its server need not wait for them."""
    app.state.live.close()
    app.state.gateway.send_away()


def _changed_off_chain(told: Sequence[TaskEvent]) -> list[str]:
    """Return the pages of tasks that came to an end which no block tells."""
    return [f"tasks/0x{each.task_id.hex()}" for each in told if each.kind == "failed"]


def _refusal(scope: Scope, error: Exception) -> ASGIApp:
    return problems.of(error, scope["path"])


async def _home() -> RedirectResponse:
    return RedirectResponse(EXPLORER, 303)
