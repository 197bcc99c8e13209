"""A chain with the real contracts on it, a registered random program and funded players."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from bisection.game import Player
from executor.actor import Executor
from executor.policy import Policy
from executor.registration import carry_out, plan
from fisherman.actor import Fisherman
from fisherman.policy import FishermanPolicy
from infernet.actors.holdings import StartRun, hold
from infernet.actors.report import Report
from infernet.backend.conformance import Report as Conformance
from infernet.backend.conformance import require_conformance
from infernet.backend.engine import open_engine
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.backend.trace import Trace
from infernet.chain.connection import Chain, embedded_chain
from infernet.chain.deploy import PRODUCTION, Constants, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.market import Request
from infernet.chain.records import ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.wallet import KeySigner, Wallet, faucet
from infernet.store.database import Database
from interpreter.program import Program, Step

from .programs import random_input, random_program

ETHER = 10**18
FEE = Wei(ETHER // 10)
MUTATION = Mutation(1_000_003)


def base_fee(chain: Chain, block_number: int) -> Wei:
    """Return the base fee of a block."""
    return Wei(chain.web3.eth.get_block(block_number)["baseFeePerGas"])


def reveal_gas(data: bytes) -> int:
    """Return the gas that a reveal of an input is paid (docs/spec/dispute.md, "Availability")."""
    zeros, others = data.count(0), len(data) - data.count(0)
    standard = 4 * zeros + 16 * others + 60_000 + 16 * len(data)
    return 21_000 + max(standard, 10 * zeros + 40 * others)


@dataclass
class Stage:
    """One deployment and what is needed to play on it; `reports` is all that actors told."""

    chain: Chain
    contracts: Contracts
    program: Program
    data: bytes
    conformance: Conformance
    reports: list[Report] = field(default_factory=list)
    nonce: int = 0
    iterations: int = 1

    @property
    def root(self) -> ProgramRoot:
        return ProgramRoot(self.program.root)

    @property
    def steps(self) -> int:
        return self.program.header.steps_per_iteration * self.iterations

    @contextmanager
    def rewound(self) -> Iterator[Stage]:
        """Give a copy of the stage whose history is undone afterwards."""
        snapshot = self.chain.tester.take_snapshot()
        yield replace(self, contracts=self.view(), reports=[])
        self.chain.tester.revert_to_snapshot(snapshot)

    def wallet(self, ether: int = 100) -> Wallet:
        """Return the wallet of a fresh key with so much ether."""
        wallet = Wallet(self.chain, KeySigner.create())
        if ether:
            Wallet(self.chain, faucet(self.chain)).transfer(wallet.address, Wei(ether * ETHER))
        return wallet

    def view(self) -> Contracts:
        """Return the contracts as another process would see them."""
        return Contracts(self.chain, self.contracts.deployment)

    def truth(self, data: bytes | None = None) -> Trace:
        return Trace(self.program, data or self.data, open_engine(self.program), self.iterations)

    def run(self, lie_at: int | None, data: bytes, iterations: int = 1) -> Trace | TamperedTrace:
        truth = Trace(self.program, data, open_engine(self.program), iterations)
        # A rehearsal is shorter than the task that is lied about.
        if lie_at is None or lie_at >= truth.steps:
            return truth
        return TamperedTrace(truth, Step(lie_at), MUTATION)

    def executor(self, wallet: Wallet, lie_at: int | None = None, max_tasks: int = 4) -> Executor:
        """Return an executor whose stakes are deposited, as after a start of its process."""
        view = self.view()
        held = hold(view, self.program, partial(self.run, lie_at))
        policy = Policy(view.registry.info(self.root).minimum_stake, max_tasks)
        programs = {"random": self.program}
        carry_out(view, wallet, plan(view, wallet, policy, programs), programs)
        name = Player.EXECUTOR.value
        return Executor(view, wallet, held, policy, self.conformance, name, self.reports.append)

    def fisherman(
        self,
        wallet: Wallet,
        lie_at: int | None = None,
        policy: FishermanPolicy | None = None,
        database: Database | None = None,
        view: Contracts | None = None,
        start_run: StartRun | None = None,
    ) -> Fisherman:
        """Return a fisherman, as after a start of its process."""
        view = view or self.view()
        held = hold(view, self.program, start_run or partial(self.run, lie_at))
        assert isinstance(wallet.signer, KeySigner)
        return Fisherman(
            view,
            wallet,
            wallet.signer,
            held,
            self.conformance,
            tell=self.reports.append,
            policy=policy or FishermanPolicy(),
            database=database,
        )

    def request(self, wallet: Wallet) -> TaskId:
        """Request a run on the stage's input, which travels along."""
        self.nonce += 1
        deadline = Seconds(self.chain.next_timestamp() + 10**6)
        request = Request(self.root, FEE, deadline, self.nonce, self.iterations)
        return self.contracts.market.request_with_input(wallet, request, self.data, FEE)[0]

    def skip(self, seconds: int) -> None:
        """Let time pass."""
        self.chain.travel_to(Seconds(self.chain.next_timestamp() + seconds))


def new_stage(seed: int = 5, constants: Constants = PRODUCTION) -> Stage:
    """Return a stage over a random program of a few hundred steps or more."""
    rng = np.random.default_rng(seed)
    program = random_program(rng)
    return stage_of(program, random_input(program, rng).tobytes(), constants)


def stage_of(
    program: Program, data: bytes, constants: Constants = PRODUCTION, iterations: int = 1
) -> Stage:
    """Return a stage over a program; its tasks are runs of `data` for so many iterations."""
    chain = embedded_chain()
    deployer = Wallet(chain, KeySigner.create())
    Wallet(chain, faucet(chain)).transfer(deployer.address, Wei(100 * ETHER))
    contracts = deploy(deployer, constants)
    contracts.registry.register(deployer, program)
    conformance = require_conformance()
    return Stage(chain, contracts, program, data, conformance, iterations=iterations)
