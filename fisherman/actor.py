"""The watcher: re-executes results of the models it holds and challenges false ones.

All it needs after a crash is on chain or in its file: salts follow from its key, games from its
own commits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from infernet.actors.crew import Crew, Work
from infernet.actors.holdings import Holdings
from infernet.actors.report import Tell, tell_nobody
from infernet.actors.tries import Tries
from infernet.backend.conformance import Report as Conformance
from infernet.chain.deployment import Contracts
from infernet.chain.errors import Reverted
from infernet.chain.fees import Prices
from infernet.chain.wallet import KeySigner, Wallet
from infernet.store.checks import Checks, Coverage
from infernet.store.database import Database, open_database

from .challenge import Challenger
from .check import Checker
from .means import Means
from .policy import FishermanPolicy
from .purse import Purse
from .pursue import OwnMatters
from .runs import Runs
from .watch import Watch


@dataclass(slots=True)
class Fisherman:
    """One watcher. It meets others on chain alone. `name` is what its reports call it.

    `database`: None keeps what it knows in memory. `crew`: whose threads do the work. Raises
    ConformanceError unless `conformance`, made on this machine, is exact.
    """

    contracts: Contracts
    wallet: Wallet
    signer: KeySigner
    holdings: Holdings
    conformance: Conformance
    name: str = "fisherman"
    tell: Tell = tell_nobody
    policy: FishermanPolicy = field(default_factory=FishermanPolicy)
    database: Database | None = None
    crew: Crew = field(default_factory=Crew)
    _means: Means = field(init=False)
    _own: OwnMatters = field(init=False)
    _watch: Watch = field(init=False)
    _challenger: Challenger = field(init=False)
    _checker: Checker = field(init=False)

    def __post_init__(self) -> None:
        self.conformance.require_exact()
        database = self.database or open_database(None)
        self._means = Means(
            self.contracts,
            self.wallet,
            Purse(self.contracts, self.wallet, Prices(self.contracts.chain)),
            self.signer,
            self.holdings,
            self.policy,
            Checks(database),
            Tries(database),
            Runs(self.holdings, self.contracts.market, self.policy.max_runs),
            self.name,
            self.tell,
        )
        self._own = OwnMatters(self._means)
        self._watch = Watch(self._means)
        self._challenger = Challenger(self._means)
        self._checker = Checker(self._means, self._challenger, self.crew)

    @property
    def checked(self) -> int:
        """Return how many results it has re-executed."""
        return self.coverage().checked

    def coverage(self) -> Coverage:
        """Return what became of all results that it saw."""
        return sum(self._means.checks.coverage().values(), Coverage())

    def tick(self) -> bool:
        """Look at the chain and do what is due; return whether to look again at once."""
        mode, works = self.policy.mode, list[Work]()
        if mode.sends:
            works += self._own.works()
        if mode.checks:
            self._watch.look()
            works += self._challenger.works() + self._checker.works()
        has_acted = self.crew.attempt_all(works, self._overtaken)
        return has_acted or (self.crew.is_inline and self._checker.has_more)

    def stop(self) -> None:
        """Take back the notes of runs that the end of the process cuts off."""
        self._means.tries.stop()

    def _overtaken(self, error: Reverted) -> None:
        self._means.say("overtaken", f"looks again: {error}")
