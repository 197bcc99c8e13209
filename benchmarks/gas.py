"""What tasks and lost challenges cost in gas, sent for real to the shipped contracts.

    python -m benchmarks gas

The chain is py-evm with the Prague rules, so receipts hold the calldata floor. Inputs and outputs
are random bytes; keys are fresh, so calldata differs by a few zero bytes from run to run, and
figures by some hundred gas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from infernet.backend.conformance import require_conformance
from infernet.chain.connection import embedded_chain
from infernet.chain.deploy import PRODUCTION, deploy
from infernet.chain.game import commitment_of
from infernet.chain.market import Request
from infernet.chain.records import Seconds, Wei
from infernet.chain.wallet import KeySigner, Wallet, faucet
from interpreter.merkle import tree_of_bytes
from interpreter.operators import Copy
from interpreter.program import Program
from interpreter.tensors import DType, TensorType
from tests.builder import ProgramBuilder
from tests.stage import ETHER, FEE, Stage

# Bytes of input and output: a sentence, a small picture, one of 224 x 224 x 3 and 1,000 classes.
SHAPES = ((256, 4), (784, 10), (150_528, 1_000))


@dataclass(frozen=True, slots=True)
class TaskGas:
    """Gas of one task that ends well, by transaction, with its bytes of input and output."""

    input_bytes: int
    output_bytes: int
    request_by_root: int
    request_with_input: int
    claim: int
    assert_result: int
    finalise: int

    @property
    def executor(self) -> int:
        """Return what the executor pays."""
        return self.claim + self.assert_result + self.finalise

    @property
    def by_root(self) -> int:
        """Return the gas of a task whose input is named by its root."""
        return self.request_by_root + self.executor

    @property
    def carried(self) -> int:
        """Return the gas of a task whose input travels along."""
        return self.request_with_input + self.executor


@dataclass(frozen=True, slots=True)
class DefenceGas:
    """Gas of the executor's transactions that no move is: end a silent commit, settle a bond."""

    forfeit: int
    settle: int


def copying_program(input_bytes: int, output_bytes: int) -> Program:
    """Return a program whose output is the beginning of its input: only its sizes matter here."""
    builder = ProgramBuilder(TensorType(DType.U8, input_bytes))
    out = builder.begin(TensorType(DType.U8, output_bytes))
    sizes, ones = (1, 1, 1, output_bytes), (0, 0, 0, 1)
    builder.add(Copy(out, 0, DType.U8, input_bytes, output_bytes, sizes, 0, ones, 0, ones))
    return builder.finish(out)


def stage_of(input_bytes: int, output_bytes: int) -> Stage:
    """Return the contracts with production's constants and such a program."""
    program, chain = copying_program(input_bytes, output_bytes), embedded_chain()
    deployer = Wallet(chain, KeySigner.create())
    Wallet(chain, faucet(chain)).transfer(deployer.address, Wei(100 * ETHER))
    contracts = deploy(deployer, PRODUCTION)
    contracts.registry.register(deployer, program)
    data = np.random.default_rng(1).integers(0, 256, input_bytes, np.uint8).tobytes()
    return Stage(chain, contracts, program, data, require_conformance())


def task_gas(stage: Stage) -> TaskGas:
    """Play the second task of each account, so that no account's first slot counts."""
    market, requester, executor = stage.contracts.market, stage.wallet(), stage.wallet()
    stake, root = stage.contracts.registry.floor(stage.program), stage.root
    input_root = tree_of_bytes(np.frombuffer(stage.data, np.uint8)).root
    stage.contracts.vault.deposit(requester, Wei(10 * FEE))
    stage.contracts.vault.deposit(executor, Wei(3 * stake))
    output = stage.truth().output
    for nonce in (1, 2):
        deadline = Seconds(stage.chain.next_timestamp() + 10**6)
        by_root = market.request(requester, Request(root, FEE, deadline, nonce), input_root)[1]
        asked = Request(root, FEE, deadline, nonce + 10)
        task_id, carried = market.request_with_input(requester, asked, stage.data)
        claim = market.claim(executor, task_id, stake)
        asserted = market.assert_result(executor, task_id, 1, output)
        (found,) = market.assertions(taskId=task_id)
        stage.skip(stage.contracts.market_constants.window_seconds + 1)
        final = market.finalise(executor, found.assertion_id)
    sent = (by_root, carried, claim, asserted, final)
    return TaskGas(len(stage.data), len(output), *(each.gas_used for each in sent))


def defence_gas(stage: Stage) -> DefenceGas:
    """Let one challenge be forfeited, refute another, and settle both."""
    market, games = stage.contracts.market, stage.contracts.games
    executor, liar = stage.wallet(), stage.wallet()
    stake = stage.contracts.registry.floor(stage.program)
    task_id = stage.request(stage.wallet())
    market.claim(executor, task_id, stake, stake)
    market.assert_result(executor, task_id, 1, stage.truth().output)
    (found,) = market.assertions(taskId=task_id)
    for salt in (b"\x01" * 32, b"\x02" * 32):
        commitment = commitment_of(found.assertion_id, liar.address, b"\x07" * 32, salt)
        bond = games.bond_for(found.assertion_id)
        games.commit(liar, found.assertion_id, commitment, bond, bond)
    first, second = games.challenges(assertionId=found.assertion_id)
    stage.chain.tester.mine_blocks(1)
    parts = min(stage.contracts.game_constants.arity, stage.steps)
    games.open(liar, first.game_id, b"\x01" * 32, [b"\x07" * 32] * parts)
    stage.skip(stage.contracts.game_constants.open_seconds + 1)
    forfeit = games.forfeit(executor, second.game_id)
    games.settle(executor, second.game_id)
    # The program is so short that the executor's first move is the proof.
    stage.executor(executor).tick()
    settle = games.settle(executor, first.game_id)
    return DefenceGas(forfeit.gas_used, settle.gas_used)


def measure(shapes: Sequence[tuple[int, int]] = SHAPES) -> list[TaskGas]:
    """Return the gas of tasks of so many bytes of input and output."""
    return [task_gas(stage_of(*shape)) for shape in shapes]


def main() -> int:
    """Print the tables."""
    print(
        f"{'input':>8} {'output':>7} {'request':>9} {'carried':>10} {'claim':>8} {'assert':>9} "
        f"{'finalise':>9} {'task':>9} {'carried':>10}"
    )
    for gas in measure():
        print(
            f"{gas.input_bytes:>8,} {gas.output_bytes:>7,} {gas.request_by_root:>9,} "
            f"{gas.request_with_input:>10,} {gas.claim:>8,} {gas.assert_result:>9,} "
            f"{gas.finalise:>9,} {gas.by_root:>9,} {gas.carried:>10,}"
        )
    defence = defence_gas(stage_of(*SHAPES[0]))
    print(f"against a challenge: forfeit {defence.forfeit:,}, settle {defence.settle:,}")
    return 0
