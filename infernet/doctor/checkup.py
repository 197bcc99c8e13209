"""All checks in order; what fails keeps no other from being made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from infernet.chain.connection import Chain, connect
from infernet.chain.deployment import Contracts, Deployment
from infernet.chain.errors import ChainError
from infernet.chain.records import Address
from infernet.config import Config
from infernet.keys import Prompt

from . import account, gateway, machine, network, service
from .finding import Finding, Outcome, failure, skipped


def examine(
    config: Config, folder: Path, prompt: Prompt | None, keys: int | None = None
) -> Iterator[Finding]:
    """Yield the finding of each check, as it is made.

    `folder`: of the data; `prompt`: asks for the passphrase, None where nobody can be asked.
    `keys`: for a gateway, how many API keys are good; None: for a player.
    """
    yield machine.python()
    yield machine.packages()
    yield machine.dependencies()
    yield machine.processor()
    yield machine.conformance(config)
    yield machine.disk(folder)
    yield machine.data_folder(folder)
    opened, address = account.keystore(config, prompt)
    yield from opened
    nodes = network.nodes(config)
    yield from nodes
    chain = _chain(config)
    if chain is None:
        money = ("balance", "stake") if keys is None else ("funds",)
        for check in ("contracts", "clock", *money, "journal"):
            yield skipped(check, "a node that answers")
    else:
        yield from _on_chain(config, chain, folder, address, is_gateway=keys is not None)
    is_running = bool(chain and address and account.is_running(folder, chain, address))
    if keys is None:
        yield service.metrics_port(config, is_running=is_running)
    else:
        yield from gateway.surroundings(config, folder, keys, is_running=is_running)
    redis = service.queue(config)
    if redis:
        yield redis


def is_fit(findings: list[Finding]) -> bool:
    """Say whether nothing failed; warnings do not count."""
    return all(finding.outcome is not Outcome.FAILURE for finding in findings)


def _chain(config: Config) -> Chain | None:
    """Return the connection that players would use; None when it cannot be made."""
    try:
        return connect(config.network.rpc, config.network.quorum) if config.network.rpc else None
    except ChainError:
        # `nodes` has said which of them fails, and why.
        return None


def _on_chain(
    config: Config, chain: Chain, folder: Path, address: Address | None, *, is_gateway: bool
) -> Iterator[Finding]:
    code = network.contracts(config, chain)
    yield from code
    yield network.clock(chain)
    lacking, models = network.models(config)
    yield from lacking
    place = config.network.contracts
    if place is None or not is_fit(code):
        for check in (*(f"model {name}" for name in models), "funds" if is_gateway else "stake"):
            yield skipped(check, "the contracts")
        return
    try:
        board = Contracts(chain, Deployment.from_file(place))
        yield from network.registrations(board, models)
        if address is None:
            yield skipped("balance", "the keystore")
            return
        if is_gateway:
            yield gateway.funds(config, chain, board, address)
        else:
            yield from account.money(config, chain, board, address)
    except ChainError as error:
        yield failure("chain", str(error), "look at the nodes, then run this again")
    if address is not None:
        yield account.account_database(folder, chain, address)
