"""What every part of a miner works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

from infernet.actors.crew import Crew
from infernet.actors.holdings import Holdings
from infernet.actors.report import Report, Tell
from infernet.actors.tries import Tries
from infernet.chain.deployment import Contracts
from infernet.chain.records import Address, AssertionId, Seconds, TaskId
from infernet.chain.wallet import Sent, Wallet

from .inputs import Inputs
from .policy import Policy
from .pool import Pool
from .runs import Runs

Head = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Look:
    """A moment: the latest block, and the time that a transaction sent now would meet."""

    head: Head
    now: Seconds


@dataclass(slots=True)
class Naps:
    """Matters that need no look before the chain grows, or before a time of the chain."""

    _until: dict[bytes, tuple[Head, int]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, matter: bytes, look: Look, until: int) -> None:
        """Leave a matter alone until the next block, or `until`."""
        with self._lock:
            self._until[matter] = (look.head, until)

    def is_asleep(self, matter: bytes, look: Look) -> bool:
        """Return whether nothing can have changed."""
        with self._lock:
            found = self._until.get(matter)
            return found is not None and found[0] == look.head and look.now <= found[1]

    def forget_old(self, look: Look) -> None:
        """Drop what another block put to sleep."""
        with self._lock:
            self._until = {m: nap for m, nap in self._until.items() if nap[0] == look.head}


@dataclass(frozen=True, slots=True)
class Means:
    """Contracts, purse, models, wishes and memory of one miner.

    `pool`: where it takes work from besides the chain; `name`: what reports call it.
    """

    contracts: Contracts
    wallet: Wallet
    holdings: Holdings
    policy: Policy
    runs: Runs
    inputs: Inputs
    tries: Tries
    pool: Pool | None
    crew: Crew
    name: str
    tell: Tell

    @property
    def address(self) -> Address:
        """Return the account that stakes."""
        return self.wallet.address

    def say(
        self,
        event: str,
        what: str,
        sent: Sent | None = None,
        task_id: TaskId | None = None,
        assertion_id: AssertionId | None = None,
    ) -> None:
        """Tell what was done or found out; `event` is constant."""
        address = self.wallet.address
        self.tell(Report(self.name, address, event, what, sent, task_id, assertion_id))
