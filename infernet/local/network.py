"""The processes of a local network: what each needs, and how it is asked whether it is ready."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from infernet.chain.connection import Chain, connect
from infernet.chain.deploy import Constants, deploy
from infernet.chain.deployment import Contracts, Deployment
from infernet.chain.records import Address, ProgramRoot, Wei
from infernet.chain.wallet import Wallet, faucet
from infernet.config.load import FILE_VARIABLE
from infernet.models.pipeline import Model
from infernet.queue.broker import EmbeddedBroker

from . import ask
from .errors import LocalError, PortTaken
from .folder import Folder, Settings
from .services import Service

CHAIN, QUEUE, GATEWAY, WORKER = "chain", "queue", "gateway", "worker"
MINER, FISHERMAN = "miner", "fisherman"

_ETHER = 10**18
FUNDS = Wei(1_000 * _ETHER)
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Network:
    """One local network. `engine`: of its chain; `models`: the names of those served."""

    folder: Folder
    engine: str
    models: tuple[str, ...]
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def node(self) -> str:
        """Return the URL of the chain."""
        return f"http://127.0.0.1:{self._port(CHAIN)}"

    @property
    def gateway(self) -> str:
        """Return the URL of the gateway."""
        return f"http://127.0.0.1:{self._port(GATEWAY)}"

    @property
    def broker(self) -> EmbeddedBroker:
        """Return the queue's server, which a service runs."""
        return EmbeddedBroker(self.folder.root)

    def take_port(self, name: str, wanted: int | None = None) -> None:
        """Give a process a port: the one wanted, or that of an earlier run, or any free one.

        Raises PortTaken where the one wanted is not free.
        """
        if wanted is not None and not ask.is_free(wanted):
            raise PortTaken(
                f"port {wanted} for the {name} is taken; end who listens there, or choose another"
            )
        known = self.ports.get(name)
        if wanted is None and (known is None or not ask.is_free(known)):
            wanted = ask.free_port()
        if wanted is not None:
            self.ports[name] = wanted

    def base(self) -> tuple[Service, ...]:
        """Return what all others need: the chain and the queue."""
        self.folder.data.mkdir(mode=0o700, exist_ok=True)
        state = ("--state", str(self.folder.chain), "--engine", self.engine)
        return (
            Service(
                CHAIN,
                _python("infernet", "chain", "run", "--port", str(self._port(CHAIN)), *state),
                partial(ask.is_chain, self.node),
            ),
            Service(QUEUE, self.broker.command(), partial(ask.is_queue, self.broker.url)),
        )

    def serving(self) -> tuple[Service, ...]:
        """Return the gateway and the worker."""
        models = list(self.models)
        self._configure(
            GATEWAY,
            {"infernet": {"models": models}, "api": {"port": self._port(GATEWAY)}},
        )
        self._configure(WORKER, {"queue": {"redis": self.broker.url}})
        return (
            self._service(
                GATEWAY,
                _python("infernet", "api", "run"),
                partial(ask.is_served, f"{self.gateway}/health"),
            ),
            self._service(
                WORKER, _python("infernet", "worker"), partial(ask.has_worker, self.broker.url)
            ),
        )

    def player(
        self,
        name: str,
        arguments: Sequence[str],
        settings: Settings | None = None,
        module: str = "infernet",
    ) -> Service:
        """Return a miner or a fisherman; it hands its runs to the worker unless told otherwise."""
        self.take_port(name)
        own: Settings = {
            "infernet": {"models": list(self.models)},
            "metrics": {"port": self._port(name)},
            "queue": {"redis": self.broker.url},
            "backend": {"type": "queue"},
        }
        merged = dict(own)
        for table, values in (settings or {}).items():
            merged[table] = {**merged.get(table, {}), **values}
        self._configure(name, merged)
        probe = partial(ask.is_served, f"http://127.0.0.1:{self._port(name)}/metrics")
        return self._service(name, _python(module, *arguments), probe)

    def chain(self) -> Chain:
        """Return a connection to the chain, which has to run."""
        return connect(self.node)

    def found(self, chain: Chain, constants: Constants) -> Contracts:
        """Return the contracts, deployed on the first call.

        Raises ChainError, and LocalError where the chain does not hold what it should.
        """
        if self.folder.contracts.exists():
            return Contracts(chain, Deployment.from_file(self.folder.contracts))
        if chain.block_number():
            raise LocalError(
                f"the first start in {self.folder.root} did not come to its end; remove that "
                "folder and start again"
            )
        contracts = deploy(Wallet(chain, faucet(chain)), constants)
        self.folder.contracts.write_text(contracts.deployment.to_json(), encoding="utf-8")
        return contracts

    def register(self, contracts: Contracts, models: Iterable[Model]) -> None:
        """Register the models that are not yet: players watch none that is unknown."""
        bank = Wallet(contracts.chain, faucet(contracts.chain))
        for model in models:
            if not contracts.registry.info(ProgramRoot(model.program.root)).registered:
                contracts.registry.register(bank, model.program)

    def fund(self, chain: Chain, accounts: Sequence[Address]) -> None:
        """Fill accounts up with the chain's play money."""
        bank = Wallet(chain, faucet(chain))
        for account in accounts:
            held = chain.balance(account)
            # Not after each start: what is left of a full purse is plenty.
            if held < FUNDS // 2:
                bank.transfer(account, Wei(FUNDS - held))

    def _configure(self, role: str, settings: Settings) -> None:
        quick: Settings = {"network": {"poll_seconds": _POLL_SECONDS}}
        self.folder.configure(role, self.node, {**settings, **quick})

    def _service(self, name: str, command: tuple[str, ...], probe: partial[bool]) -> Service:
        return Service(name, command, probe, {FILE_VARIABLE: str(self.folder.settings(name))})

    def _port(self, name: str) -> int:
        return self.ports[name]


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a module of ours; whatever lies in the working folder is none."""
    return sys.executable, "-P", "-m", module, *arguments
