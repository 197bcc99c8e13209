"""The stage of a demonstration: a network of processes, and accounts that share only the chain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from api.access.keys import Scope, changing
from infernet.chain.deploy import PRODUCTION, Constants
from infernet.chain.deployment import Contracts
from infernet.chain.records import Address, MarketConstants, ProgramRoot, Wei
from infernet.chain.wallet import in_ether
from infernet.local.folder import Settings
from infernet.local.network import CHAIN, FISHERMAN, GATEWAY, MINER, Network
from infernet.local.services import Service
from infernet.local.supervisor import Supervisor, names

from .demo_chronicle import Chronicle
from .demo_requests import Requester
from .demo_scene import Scene

REQUESTER, HONEST, CHEAT = "gateway", "honest executor", "lying executor"
WATCHER = "fisherman"
LIAR = "liar"

# Long enough for whoever has to act, short enough to watch.
_WINDOW_SECONDS, _OPEN_SECONDS = 15, 8
_STEPS_PER_SECOND = 2_000_000


@dataclass(slots=True)
class Cast:
    """Everybody on stage: `accounts` by name; `players`: the honest ones that act by themselves."""

    network: Network
    supervisor: Supervisor
    contracts: Contracts
    accounts: dict[str, Address]
    chronicle: Chronicle
    requester: Requester
    root: ProgramRoot
    stake: Wei
    players: tuple[Service, ...]

    def enter_liar(self) -> None:
        """Give the liar its cue: it stakes and looks for a task."""
        _cue(self.network).touch()

    def dismiss_players(self) -> None:
        """End all who act on the chain by themselves."""
        self.supervisor.end(LIAR, *names(self.players))

    def recall_players(self) -> None:
        """Let the honest ones go on."""
        self.supervisor.start(*self.players)


def constants_for(arity: int, steps: int) -> Constants:
    """Return production's parameters with periods that a watcher can wait for."""
    longer = steps // _STEPS_PER_SECOND
    window = _WINDOW_SECONDS + longer
    market = MarketConstants(window, 120, 60, 1_000, PRODUCTION.market.reveal_base_fee_wei)
    game = replace(
        PRODUCTION.game,
        arity=arity,
        open_seconds=_OPEN_SECONDS + longer,
        clock_seconds=60,
        grace_seconds=20,
    )
    return replace(PRODUCTION, market=market, game=game)


def begin(network: Network, supervisor: Supervisor) -> dict[str, Address]:
    """Start chain and queue, and make everybody's key meanwhile; return the accounts by name."""
    network.take_port(CHAIN)
    network.take_port(GATEWAY)
    base = network.base()
    supervisor.start(*base)
    roles = {REQUESTER: GATEWAY, HONEST: MINER, CHEAT: LIAR, WATCHER: FISHERMAN}
    return {name: network.folder.account(role) for name, role in roles.items()}


@contextmanager
def staged(
    network: Network, supervisor: Supervisor, accounts: dict[str, Address], scene: Scene
) -> Iterator[Cast]:
    """Deploy, fund, and give everybody but the liar once they are ready."""
    supervisor.await_ready(*supervisor.pids())
    chain, header = network.chain(), scene.model.program.header
    steps = header.most_steps
    contracts = network.found(chain, constants_for(scene.lie.arity, steps))
    network.fund(chain, list(accounts.values()))
    network.register(contracts, [scene.model])
    stake = contracts.registry.floor(scene.model.program)
    players = (
        network.player(MINER, ("miner", "run", "--yes"), _serving(stake)),
        network.player(FISHERMAN, ("fisherman", "run")),
    )
    # It does not hand its runs to the worker, which would compute them truly.
    settings = {**_serving(stake), "backend": {"type": "onnxruntime"}}
    told = (str(scene.lie.step), str(_cue(network)))
    liar = network.player(LIAR, told, settings, "infernet.cli.demo_liar")
    serving = (*network.serving(), *players)
    supervisor.start(*serving, liar)
    with changing(network.folder.data) as keys:
        _, key = keys.create("demo", [Scope.TASKS_READ, Scope.TASKS_WRITE])
    supervisor.await_ready(*names(serving))
    known = {address: name for name, address in accounts.items()}
    with Requester.calling(network.gateway, key) as requester:
        yield Cast(
            network,
            supervisor,
            contracts,
            accounts,
            Chronicle(contracts, known),
            requester,
            ProgramRoot(scene.model.program.root),
            stake,
            players,
        )


def _cue(network: Network) -> Path:
    return network.folder.root / "cue"


def _serving(stake: Wei) -> Settings:
    """Return the settings of a miner that can back one task at a time."""
    amount = in_ether(stake).split()[0]
    return {"infernet": {"enabled": True, "stake": amount, "max_tasks": 1}}
