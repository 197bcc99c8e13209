"""`infernet api`: the gateway that takes tasks over REST."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import Annotated

import typer
import uvicorn

from api.access.server import Server, server_options
from api.app import create_app, send_away
from api.opening import limits_of, opened
from infernet.config import load

from . import api_key
from .console import Screen
from .options import (
    ConfigFile,
    ContractsFile,
    Keystore,
    LogFormat,
    LogLevel,
    PassphraseFile,
    Rpc,
    seam_flags,
    set_up_logs,
)

app = typer.Typer(help="Take tasks over REST and send them to the chain.", no_args_is_help=True)
app.add_typer(api_key.app, name="key")

# For answers that are under way.
_GRACE_SECONDS = 5
# What went wrong is logged by then.
_NOT_STARTED = 3


@app.command("run")
def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
    log_level: LogLevel = "info",
    log_format: LogFormat = None,
) -> None:
    """Serve until a signal ends it; what was accepted is sent by the next run."""
    set_up_logs(log_level, log_format)
    flags = seam_flags(rpc, contracts, keystore, passphrase_file)
    settings = load(config, flags | {"api.host": host, "api.port": port}).config
    gateway = create_app(settings)
    options = uvicorn.Config(
        gateway,
        host=settings.api.host,
        port=settings.api.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        **server_options(limits_of(settings), settings.api.proxies),
    )
    server = Server(options, lambda: send_away(gateway))
    # What is here now stays; looking through it for garbage would hold requests up for 0.1 s.
    gc.collect()
    gc.freeze()
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise typer.Exit(_NOT_STARTED)


@app.command("reindex")
def reindex(
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Read everything that came from the chain again; what was accepted stays.

    The gateway has to be stopped.
    """
    flags = seam_flags(rpc, contracts, keystore, passphrase_file)
    with opened(load(config, flags).config) as office:
        office.gateway.reindex()
        block = office.gateway.condition().block
    Screen.open(to_stderr=True).line(f"read again up to block {block}")
