"""One life of a player as a process of its own, ended by SIGKILL where a test wants it.

The player is put together as the command line does it. Where it dies is decided from outside: the
journal and the broadcast are wrapped, the code that a user runs knows nothing of it.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any, Literal

from executor.actor import Executor
from executor.policy import Policy
from executor.registration import carry_out, plan
from executor.withdrawal import withdraw
from fisherman.actor import Fisherman
from infernet.actors.crew import Crew
from infernet.actors.daemon import Pace, run, stop_on_signals
from infernet.actors.holdings import hold
from infernet.actors.report import Report
from infernet.backend.conformance import Report as Conformance
from infernet.backend.engine import open_engine
from infernet.backend.tamper import TamperedTrace
from infernet.backend.trace import Trace
from infernet.chain import outbox
from infernet.chain.connection import Chain, connect
from infernet.chain.deployment import Contracts, Deployment
from infernet.chain.outbox import SendPolicy
from infernet.chain.wallet import KeySigner, Wallet
from infernet.store.database import account_file, open_database
from infernet.store.journal import Action, Attempt, Inclusion, Journal, Slot
from interpreter.program import Program, Step
from tests.stage import MUTATION

MAX_TASKS = 2
Role = Literal["executor", "fisherman", "withdrawal"]


class Moment(StrEnum):
    """Where a process dies: between which two steps of one transaction."""

    UNJOURNALLED = "before the journal is written"
    UNSENT = "between journal and broadcast"
    SENT = "between broadcast and receipt"
    SEEN = "between receipt and journal"
    RECORDED = "after the receipt is in the journal"


@dataclass(frozen=True)
class Part:
    """What a process needs to play. `key`: 32 bytes; `fired`: file of deaths died, None: none.

    `moments`: at which it dies, once for each different action.
    """

    name: str
    role: Role
    urls: tuple[str, ...]
    deployment: Deployment
    key: bytes = field(repr=False)
    folder: Path
    program: Program
    conformance: Conformance
    lie_at: int | None = None
    fired: Path | None = None
    moments: tuple[Moment, ...] = tuple(Moment)
    confirmations: int = 2

    @property
    def signer(self) -> KeySigner:
        return KeySigner.of_key(self.key)


@dataclass
class Reaper:
    """Kills its own process at each point once; `path` remembers where it did."""

    path: Path
    moments: tuple[Moment, ...]

    def reach(self, action: Action, moment: Moment) -> None:
        """Die here, unless this is not the first time."""
        digest = sha256(action.data + str(action.recipient).encode()).hexdigest()[:16]
        point = f"{action.kind}\t{digest}\t{moment.name}\n"
        if moment not in self.moments or (self.path.exists() and point in self.path.open()):
            return
        with self.path.open("a") as file:
            file.write(point)
            file.flush()
            os.fsync(file.fileno())
        os.kill(os.getpid(), signal.SIGKILL)

    def install(self, journal: Journal) -> None:
        """Stand at every point of every transaction that this journal is for."""
        append, include = Journal.append, Journal.include
        broadcast = vars(outbox)["broadcast"]

        def appending(
            self_: Journal, nonce: int, action: Action, gas: int, attempt: Attempt
        ) -> Slot:
            if self_ is journal:
                self.reach(action, Moment.UNJOURNALLED)
            slot = append(self_, nonce, action, gas, attempt)
            if self_ is journal:
                self.reach(action, Moment.UNSENT)
            return slot

        def including(self_: Journal, slot_id: int, found: Inclusion) -> bool:
            action = self_.action(slot_id)
            self.reach(action, Moment.SEEN)
            is_news = include(self_, slot_id, found)
            self.reach(action, Moment.RECORDED)
            return is_news

        def broadcasting(chain: Chain, raw: bytes) -> Any:
            answer = broadcast(chain, raw)
            sql = "SELECT slot FROM attempts WHERE raw = ?"
            for (slot_id,) in journal.database.execute(sql, (raw,)):
                self.reach(journal.action(slot_id), Moment.SENT)
            return answer

        for place, name, wrapper in (
            (Journal, "append", appending),
            (Journal, "include", including),
            (outbox, "broadcast", broadcasting),
        ):
            setattr(place, name, wrapper)


class Diary:
    """Writes down what the player tells, one event a line; the parent reads it."""

    def __init__(self, ticks: Any) -> None:
        self._ticks = ticks

    def on_report(self, report: Report) -> None:
        print("report", report.event, report.what, flush=True)

    def on_error(self, error: Exception) -> None:
        print("error", type(error).__name__, error, flush=True)

    def on_tick(self, duration_seconds: float) -> None:
        self._ticks.value += 1


def live(part: Part, ticks: Any) -> None:
    """Play a part until SIGTERM; `ticks` counts turns where the parent can see them."""
    log = os.open(part.folder / f"{part.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    stop = Event()
    stop_on_signals(stop)
    chain = connect(part.urls)
    signer = part.signer
    database = open_database(account_file(part.folder, chain.chain_id, signer.address))
    journal = Journal(database, signer.address)
    if part.fired:
        Reaper(part.fired, part.moments).install(journal)
    policy = SendPolicy(confirmations=part.confirmations, replace_seconds=5)
    wallet = Wallet(chain, signer, journal=journal, policy=policy)
    contracts = Contracts(chain, part.deployment, database)
    if part.role == "withdrawal":
        wallet.recover()
        withdraw(contracts, wallet)
        return
    play(part, contracts, wallet, stop, Diary(ticks))
    database.close()


def play(part: Part, contracts: Contracts, wallet: Wallet, stop: Event, diary: Diary) -> None:
    """Register if need be, and run the loop."""
    if part.role == "executor":
        prepare(part, contracts, wallet)
    held = hold(contracts, part.program, partial(run_of, part))
    assert wallet.journal is not None
    database, pace = wallet.journal.database, Pace(poll_seconds=0.1, longest_pause_seconds=2)
    if part.role == "fisherman":
        fisherman = Fisherman(
            contracts,
            wallet,
            part.signer,
            held,
            part.conformance,
            tell=diary.on_report,
            database=database,
        )
        run(fisherman, wallet, stop, diary, pace)
        return
    executor = Executor(
        contracts,
        wallet,
        held,
        policy_of(part, contracts),
        part.conformance,
        tell=diary.on_report,
        database=database,
        crew=Crew(MAX_TASKS),
    )
    run(executor, wallet, stop, diary, pace)


def policy_of(part: Part, contracts: Contracts) -> Policy:
    """Return what a miner stakes: the least that its model asks for."""
    return Policy(contracts.registry.floor(part.program), MAX_TASKS)


def prepare(part: Part, contracts: Contracts, wallet: Wallet) -> None:
    """Register the model and deposit the stake, as far as that is not done yet."""
    wallet.recover()
    programs = {"random": part.program}
    wanted = plan(contracts, wallet, policy_of(part, contracts), programs)
    carry_out(contracts, wallet, wanted, programs)


def run_of(part: Part, data: bytes, iterations: int = 1) -> Trace | TamperedTrace:
    """Return the run that a player tells of: the truth, or a lie from one step on."""
    truth = Trace(part.program, data, open_engine(part.program), iterations)
    if part.lie_at is None:
        return truth
    return TamperedTrace(truth, Step(part.lie_at), MUTATION)
