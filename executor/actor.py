"""The miner: claims tasks, runs them, asserts results and defends them.

All it needs after a crash is on chain: it reads its own claims and assertions back from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from infernet.actors.crew import Crew
from infernet.actors.holdings import Holdings
from infernet.actors.report import Tell, tell_nobody
from infernet.actors.tries import Tries
from infernet.backend.conformance import Report as Conformance
from infernet.chain.deployment import Contracts
from infernet.chain.errors import Reverted
from infernet.chain.wallet import Wallet
from infernet.store.database import Database, open_database

from .defence import Defence
from .inputs import Inputs
from .means import Look, Means
from .policy import Policy
from .pool import Pool
from .runs import OnInference, Runs, ignore_inference
from .service import Service

# Runs kept for games in play, besides those of the tasks in work.
_SPARE_RUNS = 4


@dataclass(slots=True)
class Executor:
    """One miner. It meets others on chain alone. `name` is what its reports call it.

    `database`: None keeps what it knows in memory. `crew`: on whose threads it works; none by
    default. `pool`: kept by whoever started it. Raises ConformanceError unless `conformance`, made
    on this machine, is exact, and InferenceFailed if a model does not run at all.
    """

    contracts: Contracts
    wallet: Wallet
    holdings: Holdings
    policy: Policy
    conformance: Conformance
    name: str = "executor"
    tell: Tell = tell_nobody
    database: Database | None = None
    crew: Crew = field(default_factory=Crew)
    on_inference: OnInference = ignore_inference
    pool: Pool | None = None
    _means: Means = field(init=False)
    _service: Service = field(init=False)
    _defence: Defence = field(init=False)

    def __post_init__(self) -> None:
        self.conformance.require_exact()
        most = self.policy.max_tasks + _SPARE_RUNS
        database = self.database or open_database(None)
        tries, inputs = Tries(database), Inputs(self.contracts.market, database)
        self._means = Means(
            self.contracts,
            self.wallet,
            self.holdings,
            self.policy,
            Runs(self.holdings, inputs, tries, most, self.on_inference),
            inputs,
            tries,
            self.pool,
            self.crew,
            self.name,
            self.tell,
        )
        self._means.runs.rehearse()
        self._service, self._defence = Service(self._means), Defence(self._means)

    def tick(self) -> bool:
        """Look at the chain and do what is due; return whether anything was sent."""
        feed = self.contracts.feed
        look = Look(feed.sync(), self.contracts.chain.next_timestamp())
        with feed.as_it_is():
            at_stake = self._defence.at_stake(look)
            works = self._service.works(look, at_stake) + self._defence.works(look)
        return self.crew.attempt_all(works, self._overtaken)

    def stop(self) -> None:
        """Take back the notes of runs that the end of the process cuts off."""
        self._means.tries.stop()

    def _overtaken(self, error: Reverted) -> None:
        self._means.say("overtaken", f"looks again: {error}")
