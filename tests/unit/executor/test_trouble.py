"""An honest miner in trouble: dear gas, an empty purse, a full disk. It loses no stake by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from executor.actor import Executor
from executor.policy import Policy
from executor.purse import DEFENCE_GAS, TASK_GAS
from executor.registration import carry_out, plan
from infernet.actors.holdings import hold
from infernet.actors.report import Report
from infernet.backend.adapters import load_adapter, runner
from infernet.backend.conformance import require_conformance
from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.errors import FeeAboveCap
from infernet.chain.fees import GWEI, Prices
from infernet.chain.market import Request
from infernet.chain.outbox import SendPolicy
from infernet.chain.records import ProgramRoot, Seconds, TaskId, TaskStatus, Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.store.database import open_database
from tests.anvil import ETHER, Anvil, needs_anvil, running
from tests.disk import small_disk
from tests.programs import random_input, random_program
from tests.stage import new_stage

CAP = Wei(5 * GWEI)


@dataclass
class Workshop:
    """A node, a deployment with one model, and a miner that can be started anew."""

    anvil: Anvil
    reports: list[Report] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(5)
        self.program = random_program(rng)
        self.data = random_input(self.program, rng).tobytes()
        self.root = ProgramRoot(self.program.root)
        self.requester = self.anvil.wallet()
        self.contracts = deploy(self.anvil.wallet(), TRIAL)
        self.contracts.registry.register(self.anvil.wallet(), self.program)
        self.signer = KeySigner.create()
        self.anvil.fund(self.signer.address)

    def miner(self) -> Executor:
        """Return the miner as after a start of its process, with a cap on the price of gas."""
        chain = self.anvil.connect()
        view = Contracts(chain, self.contracts.deployment)
        wallet = Wallet(chain, self.signer, policy=SendPolicy(max_fee=CAP))
        held = hold(view, self.program, runner(load_adapter("onnxruntime"), self.program))
        policy = Policy(view.registry.info(self.root).minimum_stake, max_tasks=2)
        programs = {"random": self.program}
        carry_out(view, wallet, plan(view, wallet, policy, programs), programs)
        exact = require_conformance()
        return Executor(view, wallet, held, policy, exact, tell=self.reports.append)

    def request(self, nonce: int) -> TaskId:
        deadline = Seconds(self.anvil.now() + 10**6)
        wanted = Request(self.root, Wei(ETHER), deadline, nonce)
        market = self.contracts.market
        return market.request_with_input(self.requester, wanted, self.data, Wei(ETHER))[0]

    def status(self, task_id: TaskId) -> TaskStatus:
        return self.contracts.market.task(task_id).status

    def events(self) -> list[str]:
        return [report.event for report in self.reports]


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    with running() as anvil:
        yield Workshop(anvil)


@needs_anvil
def test_when_gas_is_dear_what_was_begun_is_ended_and_nothing_begun(workshop: Workshop) -> None:
    begun = workshop.request(1)
    workshop.miner().tick()
    assert workshop.status(begun) is TaskStatus.CLAIMED
    fresh = workshop.request(2)
    workshop.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(20 * CAP))
    workshop.anvil.mine()
    with pytest.raises(FeeAboveCap, match="claim waits"):
        workshop.miner().tick()
    # A fine of the stake is dearer than any price of gas, so the cap holds back offers alone.
    assert workshop.status(begun) is TaskStatus.ASSERTED
    assert workshop.status(fresh) is TaskStatus.OPEN


@needs_anvil
def test_without_gas_for_the_whole_way_nothing_new_is_claimed(workshop: Workshop) -> None:
    begun = workshop.request(1)
    workshop.miner().tick()
    fresh = workshop.request(2)
    price = Prices(workshop.contracts.chain).now().max_fee
    too_little = (2 * TASK_GAS + DEFENCE_GAS // 2) * price
    workshop.anvil.rpc("anvil_setBalance", workshop.signer.address, hex(too_little))
    workshop.reports.clear()
    miner = workshop.miner()
    miner.tick()
    miner.tick()
    assert sorted(workshop.events()) == ["gas_short", "result_asserted"]
    assert [workshop.status(task) for task in (begun, fresh)] == [
        TaskStatus.ASSERTED,
        TaskStatus.OPEN,
    ]
    workshop.anvil.fund(workshop.signer.address)
    miner.tick()
    assert workshop.status(fresh) is TaskStatus.CLAIMED


def test_on_a_full_disk_what_was_begun_is_ended_and_nothing_begun(tmp_path: Path) -> None:
    stage = new_stage()
    wallet = stage.wallet()
    executor = stage.executor(wallet)
    with small_disk(tmp_path / "disk", 24) as disk:
        database = open_database(disk / "account.sqlite")
        stored = Executor(
            executor.contracts,
            wallet,
            executor.holdings,
            executor.policy,
            executor.conformance,
            tell=stage.reports.append,
            database=database,
        )
        begun = stage.request(stage.wallet())
        stored.tick()
        (disk / "other").write_bytes(bytes(12 << 20))
        fresh = stage.request(stage.wallet())
        stored.tick()
        stored.tick()
        database.close()
    market = stage.contracts.market
    assert [market.task(task).status for task in (begun, fresh)] == [
        TaskStatus.ASSERTED,
        TaskStatus.OPEN,
    ]
    events = [report.event for report in stage.reports]
    assert events.count("disk_short") == 1
