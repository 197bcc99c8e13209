"""A gateway on a node of its own, with a model whose inputs are plain bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from api.service.gateway import Gateway
from api.service.terms import Account, RawInput, Settings, Wish
from api.store.records import TaskRow, TaskState
from infernet.chain.connection import connect
from infernet.chain.deployment import Contracts
from infernet.chain.outbox import SendPolicy
from infernet.chain.records import AssertionId, Seconds, TaskId, Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.models.manifest import Coding, Manifest
from infernet.models.pipeline import Model
from infernet.store.database import account_file, open_database
from infernet.store.journal import Journal
from interpreter.program import Program
from tests.anvil import Anvil
from tests.survival.town import Town

FEE = Wei(10**15)
SETTINGS = Settings(fee_wei=FEE, poll_seconds=0.05, top_up_wei=Wei(10 * FEE))
ACCOUNT = Account("tests")
_WAIT_SECONDS = 30.0


def model_of(program: Program) -> Model:
    """Return a program as a model that takes its own bytes, called "plain"."""
    count = program.header.input_type.byte_count
    coding = Coding(1.0, 0, (1, count), "uint8", "flat")
    out = Coding(1.0, 0, (1, program.header.output_type.byte_count), "uint8", "flat")
    return Model(program, Manifest("plain", program.root.hex(), "", "", "", coding, out, None))


def input_for(program: Program, number: int) -> bytes:
    """Return an input of its own for each number."""
    count = program.header.input_type.byte_count
    return (number.to_bytes(4, "big") * count)[:count]


@contextmanager
def gateway_on(
    town: Town, folder: Path, key: bytes, settings: Settings = SETTINGS, confirmations: int = 2
) -> Iterator[Gateway]:
    """Give a started gateway with its own connection and journal."""
    gateway = open_gateway(
        town.anvil.url, town.contracts, town.program, folder, key, settings, confirmations
    )
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.close()
        gateway.contracts.feed.index._database.close()


def open_gateway(
    url: str,
    contracts: Contracts,
    program: Program,
    folder: Path,
    key: bytes,
    settings: Settings = SETTINGS,
    confirmations: int = 2,
) -> Gateway:
    """Return a gateway as its process puts it together."""
    chain = connect(url)
    signer = KeySigner.of_key(key)
    database = open_database(account_file(folder, chain.chain_id, signer.address))
    journal = Journal(database, signer.address)
    wallet = Wallet(chain, signer, journal=journal, policy=SendPolicy(confirmations=confirmations))
    board = Contracts(chain, contracts.deployment, database)
    return Gateway.open(board, wallet, folder, [model_of(program)], settings)


def wish(town: Town, number: int, **changes: object) -> Wish:
    """Return a task on an input of its own."""
    return Wish("plain", RawInput(input_for(town.program, number)), **changes)  # type: ignore[arg-type]


def until(is_so: Callable[[], bool], what: str, seconds: float = _WAIT_SECONDS) -> None:
    """Wait until something is so, or fail saying what was not."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.02)


def await_state(gateway: Gateway, task_id: TaskId, state: TaskState) -> TaskRow:
    """Wait until a task stands as told and return it."""
    until(lambda: gateway.task(task_id).state is state, f"state {state} of a task")
    return gateway.task(task_id)


def await_requested(gateway: Gateway, *ids: TaskId) -> None:
    """Wait until tasks are on chain."""
    until(
        lambda: all(gateway.task(each).standing.requested_block for each in ids),
        "the requests on chain",
    )


@dataclass
class Miner:
    """Does by hand what a miner's process would."""

    town: Town
    wallet: Wallet = field(init=False)

    def __post_init__(self) -> None:
        self.wallet = self.town.wallet()

    def claim(self, task_id: TaskId) -> None:
        stake = self.town.contracts.registry.info(self.town.root).minimum_stake
        self.town.contracts.market.claim(self.wallet, task_id, stake, stake)

    def answer(self, task_id: TaskId, output: bytes | None = None) -> AssertionId:
        """Assert the right output, or a given one."""
        market = self.town.contracts.market
        data = market.carried_input(task_id)
        assert data is not None
        attempt = market.task(task_id).attempt
        answer = self.town.truth(data).output if output is None else output
        market.assert_result(self.wallet, task_id, attempt, answer)
        return market.assertions(taskId=task_id)[-1].assertion_id

    def finish(self, task_id: TaskId) -> None:
        """Claim, assert and make final."""
        self.claim(task_id)
        result = self.answer(task_id)
        self.town.skip(self.town.contracts.market_constants.window_seconds + 1)
        self.town.contracts.market.finalise(self.wallet, result)


def funded_key(anvil: Anvil, ether: int = 100) -> bytes:
    """Return a fresh key with so much ether."""
    key = KeySigner.create().secret(b"gateway")
    anvil.fund(KeySigner.of_key(key).address, ether)
    return key


def soon(town: Town, seconds: int) -> Seconds:
    return Seconds(town.chain.next_timestamp() + seconds)
