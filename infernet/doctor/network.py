"""Checks of the chain: nodes, contracts, clock, models."""

from __future__ import annotations

import time
from collections.abc import Mapping

from infernet.backend.hashing import hash_bytes
from infernet.chain.code import check_code
from infernet.chain.connection import Chain, connect, translated
from infernet.chain.deployment import Contracts, Deployment
from infernet.chain.endpoints import safe_name
from infernet.chain.errors import ChainError
from infernet.chain.records import ProgramRoot
from infernet.config import Config
from infernet.models.errors import ModelError
from infernet.models.pipeline import Model
from infernet.models.store import load_model

from .finding import Finding, failure, ok, warning

# Windows and clocks are hours; a player that logs a minute off confuses its operator alone.
_SKEW_SECONDS = 60
_OLD_HEAD_SECONDS = 15 * 60


def nodes(config: Config) -> list[Finding]:
    """Check that each node answers, all of them for one chain."""
    network, findings = config.network, []
    if not network.rpc:
        fix = 'write rpc = ["http://127.0.0.1:8545"] under [network], or set INFERNET_RPC_URL'
        return [failure("node", "no node is named", fix)]
    chains: dict[str, int] = {}
    for url in network.rpc:
        name = f"node {safe_name(url)}"
        try:
            chain = connect(url)
            number = chain.block_number()
        except ChainError as error:
            findings.append(
                failure(name, str(error), "start it, correct network.rpc, or take it out")
            )
            continue
        chains[name] = chain.chain_id
        findings.append(_node(name, chain.chain_id, number, network.chain_id))
    if len(set(chains.values())) > 1:
        listed = ", ".join(f"{name} is chain {number}" for name, number in chains.items())
        findings.append(failure("nodes agree", listed, "name nodes of one chain in network.rpc"))
    if len(network.rpc) == 1:
        detail = "one node is trusted with everything"
        fix = "name three nodes of different operators: one may then fail or lie"
        findings.append(warning("quorum", detail, fix))
    return findings


def _node(name: str, chain_id: int, number: int, wanted: int | None) -> Finding:
    if wanted is not None and chain_id != wanted:
        return failure(
            name,
            f"it is chain {chain_id}, network.chain_id says {wanted}",
            "name a node of that chain, or correct network.chain_id",
        )
    return ok(name, f"chain {chain_id}, block {number}")


def contracts(config: Config, chain: Chain) -> list[Finding]:
    """Check that the contracts are there and of this version."""
    place = config.network.contracts
    if place is None:
        fix = "write contracts under [network]; `infernet chain deploy -o` makes the file"
        return [failure("contracts", "no contracts are named", fix)]
    try:
        deployment = Deployment.from_file(place)
        if deployment.chain_id != chain.chain_id:
            detail = f"{place} is for chain {deployment.chain_id}, the nodes are {chain.chain_id}"
            fix = "name the file of this chain in network.contracts"
            return [failure("contracts", detail, fix)]
        faults = check_code(chain, deployment)
    except ChainError as error:
        return [failure("contracts", str(error), "correct network.contracts")]
    fix = "name the right file in network.contracts, or install the version it was made with"
    if faults:
        return [failure("contracts", f"{f.role} at {f.address} {f.what}", fix) for f in faults]
    return [ok("contracts", f"code and interfaces of {place} are this version's")]


def clock(chain: Chain) -> Finding:
    """Check this machine's clock against the chain's; deadlines go by the chain's."""
    try:
        now = chain.next_timestamp()
        with translated("reading the latest block", chain.name):
            head = chain.web3.eth.get_block("latest")["timestamp"]
    except ChainError as error:
        return failure("clock", str(error), "look at the node")
    skew = int(time.time()) - now
    if abs(skew) > _SKEW_SECONDS:
        detail = f"this machine is {abs(skew)} s {'ahead of' if skew > 0 else 'behind'} the chain"
        fix = "let NTP set the clock; if it is right, look at the nodes: they lag"
        return failure("clock", detail, fix)
    if now - head > _OLD_HEAD_SECONDS:
        detail = f"the last block is {now - head} s old"
        return warning("clock", detail, "look at the nodes: no block arrives")
    return ok("clock", f"{skew:+d} s against the chain")


def models(config: Config) -> tuple[list[Finding], Mapping[str, Model]]:
    """Check that the models are stored whole, and return those that are."""
    if not config.infernet.models:
        fix = 'write models = ["digits"] under [infernet]; `infernet model list` shows which'
        return [failure("models", "no model is named", fix)], {}
    found, findings = {}, []
    for name in config.infernet.models:
        try:
            found[name] = load_model(name, hash_bytes)
        except ModelError as error:
            fix = "import or build it, or take it out of infernet.models"
            findings.append(failure(f"model {name}", str(error), fix))
    return findings, found


def registrations(board: Contracts, found: Mapping[str, Model]) -> list[Finding]:
    """Check that stored models are registered."""
    findings = []
    for name, model in found.items():
        root = ProgramRoot(model.program.root)
        if board.registry.info(root).registered:
            findings.append(ok(f"model {name}", f"stored whole and registered, 0x{root.hex()}"))
        else:
            detail = f"stored whole, not registered (0x{root.hex()})"
            fix = "`infernet miner register` registers it, or take the network's own version of it"
            findings.append(warning(f"model {name}", detail, fix))
    return findings
