"""Checks of the account: keystore, passphrase, money, its file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from infernet.chain.connection import Chain
from infernet.chain.deployment import Contracts
from infernet.chain.fees import Prices
from infernet.chain.records import Address, Wei
from infernet.chain.wallet import in_ether
from infernet.config import Config
from infernet.keys import KeyStoreError, Prompt, address_of, exposed
from infernet.keystore import open_keystore
from infernet.monitor.process import holder_of
from infernet.store.database import account_file, open_database
from infernet.store.errors import StoreError
from infernet.store.journal import Journal

from .finding import Finding, failure, ok, warning

# One dispute from the first move to the last, for either player.
_DISPUTE_GAS = 1_500_000


def keystore(config: Config, prompt: Prompt | None) -> tuple[list[Finding], Address | None]:
    """Check that the key opens and that nobody else can read it; return its address."""
    path = config.wallet.keystore
    if path is None:
        fix = "`infernet miner init` makes one; name it in wallet.keystore"
        return [failure("keystore", "no keystore is named", fix)], None
    address = None
    with suppress(KeyStoreError):
        address = Address(address_of(path))
    try:
        account = open_keystore(path, config.wallet.passphrase_file, prompt)
    except KeyStoreError as error:
        return [
            failure("keystore", str(error), "correct wallet.keystore or its passphrase")
        ], address
    detail = f"account {account.address}"
    if exposure := exposed(path):
        return [failure("keystore", exposure, f"chmod 600 {path}")], Address(account.address)
    return [ok("keystore", f"{detail} opens")], Address(account.address)


def money(config: Config, chain: Chain, board: Contracts, address: Address) -> list[Finding]:
    """Check wallet and stake against what the settings want."""
    held = chain.balance(address)
    reserve = Wei(_DISPUTE_GAS * Prices(chain).now().max_fee)
    findings = []
    if held < reserve:
        detail = f"{in_ether(held)} in the wallet; one dispute may take {in_ether(reserve)} of gas"
        findings.append(failure("balance", detail, f"send ether to {address}"))
    else:
        findings.append(ok("balance", f"{in_ether(held)} in the wallet"))
    if not config.infernet.enabled:
        return findings
    table, vault = config.infernet, board.vault.balance(address)
    wanted = Wei(table.stake * table.max_tasks)
    detail = f"{in_ether(vault.total)} in the vault, {in_ether(vault.locked)} of it locked"
    if vault.total < wanted:
        fix = f"`infernet miner register` brings it to {in_ether(wanted)}"
        findings.append(warning("stake", detail, fix))
    else:
        findings.append(ok("stake", detail))
    return findings


def account_database(folder: Path, chain: Chain, address: Address) -> Finding:
    """Check the account's file: whole, of this version, and whether a player holds it."""
    path = account_file(folder, chain.chain_id, address)
    if not path.exists():
        return ok("journal", "none yet; the first run makes it")
    try:
        database = open_database(path, readonly=True)
        try:
            found = database.execute("PRAGMA integrity_check(1)")[0][0]
            unsettled = len(Journal(database, address).unsettled())
        finally:
            database.close()
    except StoreError as error:
        return failure("journal", str(error), "see docs/operating.md, “After a crash”")
    if found != "ok":
        return failure("journal", f"{path} is damaged: {found}", "restore it from a backup")
    holder = holder_of(path.with_name(f"{path.name}.lock"))
    whose = f"held by process {holder}" if holder else "no player runs"
    return ok("journal", f"whole, {unsettled} transactions unsettled, {whose}")


def is_running(folder: Path, chain: Chain, address: Address) -> bool:
    """Say whether a player of this account runs on this machine."""
    path = account_file(folder, chain.chain_id, address)
    holder = holder_of(path.with_name(f"{path.name}.lock"))
    return holder is not None and holder != os.getpid()
