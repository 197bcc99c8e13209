"""Checks of what a gateway needs besides: money for fees, keys, an address, room."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from infernet.chain.connection import Chain
from infernet.chain.deployment import Contracts
from infernet.chain.fees import Prices
from infernet.chain.records import Address, Wei
from infernet.chain.wallet import in_ether
from infernet.config import Config
from infernet.config.tables import ApiTable

from .finding import Finding, failure, ok, warning

# Of a request that brings its input along, a few hundred KiB of it.
_REQUEST_GAS = 5_000_000
_FEW_TASKS = 100
_MIB = 1 << 20


def surroundings(config: Config, folder: Path, keys: int, *, is_running: bool) -> Iterator[Finding]:
    """Yield what is found without a chain. `keys`: API keys that are good now."""
    yield _port(config.api, is_running=is_running)
    yield _address(config.api)
    yield _room(config.api, folder)
    if keys:
        yield ok("api keys", f"{keys} are good")
    else:
        fix = "`infernet api key create NAME` makes one"
        yield warning("api keys", "there is none, so every request is refused", fix)


def funds(config: Config, chain: Chain, board: Contracts, address: Address) -> Finding:
    """Check that the account can pay for tasks: fees from wallet and vault, gas from the wallet."""
    held, free = chain.balance(address), board.vault.balance(address).free
    gas, fee = _REQUEST_GAS * Prices(chain).now().max_fee, config.api.fee
    affords = min((held + free) // (fee + gas), held // gas)
    detail = (
        f"{in_ether(held)} in the wallet, {in_ether(Wei(free))} free in the vault: {affords} tasks "
        f"of {in_ether(Wei(fee))} and the gas for them"
    )
    fix = f"send ether to {address}, or lower api.fee"
    if affords == 0:
        return failure("funds", detail, fix)
    return warning("funds", detail, fix) if affords < _FEW_TASKS else ok("funds", detail)


def _port(table: ApiTable, *, is_running: bool) -> Finding:
    place = f"{table.host}:{table.port}"
    if is_running:
        return ok("port", f"left to the running gateway, {place}")
    try:
        with socket.create_server((table.host, table.port)):
            pass
    except OSError as error:
        fix = "correct api.host or choose another api.port, or end the program that has it"
        return failure("port", f"{place} cannot be used: {error.strerror}", fix)
    return ok("port", f"{place} is free")


def _address(table: ApiTable) -> Finding:
    """Check what clients are told, and that their keys do not travel in the open."""
    url = table.public_url or f"http://{table.host}:{table.port}"
    parts = urlsplit(url)
    is_local = _is_loopback(parts.hostname or "")
    if table.public_url is None and not _is_loopback(table.host):
        fix = "write where clients reach it into api.public_url"
        return warning("public url", f"links and problems name {url}", fix)
    if parts.scheme != "https" and not is_local:
        fix = "put a proxy with TLS in front, name it in api.proxies and correct api.public_url"
        return warning("public url", f"{url} sends keys in the open", fix)
    return ok("public url", url)


def _room(table: ApiTable, folder: Path) -> Finding:
    most, free = table.most_disk_mib * _MIB, shutil.disk_usage(folder).free
    used = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    detail = f"up to {table.most_disk_mib} MiB, {used >> 20} MiB taken, {free >> 20} MiB free"
    if most - used > free:
        fix = "make room, lower api.most_disk_mib, or name a folder on another disk in data.dir"
        return warning("inputs", detail, fix)
    return ok("inputs", detail)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
