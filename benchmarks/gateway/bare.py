"""The rival: a bare FastAPI route that stores a body, and does nothing else.

`python -m benchmarks.gateway.bare PORT FILE`. A row of SQLite for each body, on disk before the
answer (WAL, synchronous = FULL, as the gateway's own file). uvicorn serves it with the options that
the gateway is served with.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool

from api.access.limits import Limits
from api.access.server import server_options
from infernet.store.database import open_database


def bare_app(file: Path) -> FastAPI:
    """Return an application with one route."""
    database = open_database(file)
    database.execute("CREATE TABLE IF NOT EXISTS bodies (id TEXT PRIMARY KEY, body BLOB)")
    app = FastAPI()

    @app.post("/v1/tasks", status_code=202)
    async def keep(request: Request) -> dict[str, str]:
        id_, body = secrets.token_hex(32), await request.body()
        await run_in_threadpool(database.execute, "INSERT INTO bodies VALUES (?, ?)", (id_, body))
        return {"id": id_}

    return app


if __name__ == "__main__":
    _, port_, file_ = sys.argv
    uvicorn.run(
        bare_app(Path(file_)),
        port=int(port_),
        log_config=None,
        access_log=False,
        **server_options(Limits()),
    )
