"""`infernet status`: how a miner or fisherman stands, running or not."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from infernet.chain.errors import ChainError
from infernet.chain.records import Address, ProgramRoot, Wei
from infernet.config import Config, load
from infernet.keys import address_of
from infernet.models.store import load_manifest
from infernet.monitor.observatory import Observatory
from infernet.monitor.process import holder_of, memory_bytes
from infernet.monitor.scoreboard import Scoreboard
from infernet.monitor.snapshot import Capacity, Role
from infernet.store.checks import coverage_of
from infernet.store.database import Database, account_file, open_database
from infernet.store.errors import StoreError

from .options import AsJson, ConfigFile, ContractsFile, Keystore, Rpc, seam_flags
from .session import keystore_of, open_chain, open_contracts, use_data_dir
from .status_view import Process, View, dashboard

_LOOK_SECONDS = 3.0


def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and count the clocks down.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
) -> None:
    """Show tasks, money and disputes of the account in the keystore; needs no passphrase."""
    booth = open_booth(load(config, seam_flags(rpc, contracts, keystore, None)).config)
    console = Console(highlight=False)
    if not watch:
        view = booth.look()
        if as_json:
            typer.echo(as_text(view))
        else:
            console.print(dashboard(view))
        return
    try:
        _stay_json(booth) if as_json else _stay(booth, console)
    except KeyboardInterrupt:
        # The usual way to leave.
        return


@dataclass(frozen=True, slots=True)
class Booth:
    """What a dashboard looks from. `file`: of the account, if its player ran on this machine."""

    observatory: Observatory
    scoreboard: Scoreboard
    backend: str
    file: Path

    def look(self) -> View:
        """Return what is there now; raises ChainError or StoreError."""
        number = holder_of(self.file.with_name(f"{self.file.name}.lock"))
        process = None if number is None else Process(number, memory_bytes(number))
        endpoints = self.observatory.contracts.chain.endpoints
        return View(self.observatory.take(), self.backend, process, endpoints, self._score())

    def _score(self) -> float | None:
        standings, address = self.scoreboard.look(), self.observatory.address
        is_miner = self.observatory.role is Role.MINER
        player = standings.miner(address) if is_miner else standings.fisherman(address)
        return None if player is None else player.score


def open_booth(config: Config) -> Booth:
    """Return what to look from, or raise ConfigError, KeyStoreError, ChainError or StoreError."""
    address = Address(address_of(keystore_of(config)))
    chain = open_chain(config)
    file = account_file(use_data_dir(config), chain.chain_id, address)
    database = open_database(file, readonly=True) if file.exists() else None
    # The events that are on disk already need not be read from the chain again.
    contracts = open_contracts(config, chain, database.copied() if database else None)
    role = _role(database)
    table = config.infernet
    capacity = Capacity(table.max_tasks, Wei(table.stake)) if role is Role.MINER else None
    names = {
        ProgramRoot(bytes.fromhex(load_manifest(name).program_root)): name for name in table.models
    }
    observatory = Observatory(contracts, address, role, names, database, capacity)
    return Booth(observatory, Scoreboard(contracts), config.backend.type, file)


def as_text(view: View) -> str:
    """Return the snapshot as JSON, with what is known of the process."""
    content = json.loads(view.snapshot.to_json())
    process = view.process
    content["backend"] = view.backend
    content["score"] = view.score
    content["process"] = process and {
        "number": process.number,
        "memory_bytes": process.memory_bytes,
    }
    content["endpoints"] = [
        {"name": e.name, "is_shunned": e.is_shunned, "latency_seconds": e.latency_seconds}
        for e in view.endpoints
    ]
    return json.dumps(content)


def _role(database: Database | None) -> Role:
    """Return what the account's file was last used for."""
    return Role.FISHERMAN if database and coverage_of(database) else Role.MINER


def _stay(booth: Booth, console: Console) -> None:
    view, taken_at = booth.look(), time.monotonic()
    with Live(dashboard(view), console=console, screen=console.is_terminal) as live:
        while True:
            time.sleep(1)
            if time.monotonic() - taken_at >= _LOOK_SECONDS:
                try:
                    view, taken_at = booth.look(), time.monotonic()
                except (ChainError, StoreError) as error:
                    view = replace(view, trouble=str(error))
            age = int(time.monotonic() - taken_at)
            live.update(dashboard(replace(view, age_seconds=age)), refresh=True)


def _stay_json(booth: Booth) -> None:
    """Print an object in a line every few seconds."""
    while True:
        typer.echo(as_text(booth.look()))
        sys.stdout.flush()
        time.sleep(_LOOK_SECONDS)
