"""`infernet model register`: bring a model onto the chain."""

from __future__ import annotations

from typing import Annotated

import typer

from infernet.backend.hashing import hash_bytes
from infernet.chain.records import ProgramRoot
from infernet.chain.wallet import KeySigner, Wallet, in_ether
from infernet.config import load
from infernet.models.store import load_model
from infernet.store.journal import Journal

from .console import Screen
from .options import ConfigFile, ContractsFile, Keystore, PassphraseFile, Rpc, Yes, seam_flags
from .session import (
    confirm_cost,
    open_account_database,
    open_chain,
    open_contracts,
    open_signer,
    use_data_dir,
)


def register(
    name: Annotated[str, typer.Argument(help="A stored model.")],
    weights: Annotated[str, typer.Option(help="Where others find the weights, a URL.")] = "",
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    keystore: Keystore = None,
    passphrase_file: PassphraseFile = None,
    yes: Yes = False,
) -> None:
    """Register a model, so that tasks can ask for it; say first what it costs."""
    settings = load(config, seam_flags(rpc, contracts, keystore, passphrase_file)).config
    use_data_dir(settings)
    program = load_model(name, hash_bytes).program
    chain = open_chain(settings)
    signer = KeySigner(open_signer(settings))
    database = open_account_database(settings, chain, signer.address)
    screen = Screen.open(to_stderr=True)
    try:
        board = open_contracts(settings, chain, database)
        wallet = Wallet(chain, signer, journal=Journal(database, signer.address))
        wallet.recover()
        root = ProgramRoot(program.root)
        if board.registry.info(root).registered:
            screen.line(f"{name} is registered already, 0x{root.hex()}")
            return
        screen.line(f"registering {name} costs {in_ether(board.registry.deposit())}, and gas")
        confirm_cost("Go on?", is_agreed=yes, repeat=f"infernet model register {name} --yes")
        with screen.progress("operators checked on chain", len(program.operators)) as advance:
            board.registry.register(wallet, program, weights, lambda done, total: advance(done))
        screen.line(f"registered, 0x{root.hex()}")
    finally:
        database.close()
