"""A stage on a node of its own, so that players may be processes and mempools are real."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from infernet.backend.conformance import require_conformance
from infernet.chain.deploy import PRODUCTION, Constants, deploy
from interpreter.program import Program
from tests.anvil import Anvil
from tests.programs import random_input, random_program
from tests.stage import Stage

# Production's money, and times that are short beside a test's jumps.
BRISK = replace(
    PRODUCTION,
    market=replace(
        PRODUCTION.market, window_seconds=1_200, assert_seconds=1_200, reveal_seconds=900
    ),
    game=replace(PRODUCTION.game, open_seconds=600, clock_seconds=900, grace_seconds=300),
)
# Seeds of programs: a game over the short one takes two dissections, over the long one three.
SHORT_SEED, LONG_SEED = 0, 5


@dataclass
class Town(Stage):
    """A stage whose time and blocks are the node's."""

    anvil: Anvil = field(kw_only=True)

    @contextmanager
    def rewound(self) -> Iterator[Stage]:
        """Give a copy of the town whose history is undone afterwards."""
        snapshot = self.anvil.rpc("evm_snapshot")
        yield replace(self, contracts=self.view(), reports=[])
        assert self.anvil.rpc("evm_revert", snapshot)

    def skip(self, seconds: int) -> None:
        """Let time pass, for the node and for whoever asks it."""
        self.anvil.skip(seconds)


@dataclass(frozen=True, slots=True)
class Payment:
    """What an account gave for gas, which calls of it succeeded, and how many were refused."""

    gas_wei: int = 0
    calls: tuple[bytes, ...] = ()
    failed: int = 0


def payments(anvil: Anvil) -> Mapping[str, Payment]:
    """Return the transactions of each account (lower case), read from the chain's blocks."""
    found: defaultdict[str, Payment] = defaultdict(Payment)
    for number in range(int(anvil.rpc("eth_blockNumber"), 16) + 1):
        block = anvil.rpc("eth_getBlockByNumber", hex(number), True)
        if not block["transactions"]:
            continue
        receipts = anvil.rpc("eth_getBlockReceipts", hex(number))
        for sent, receipt in zip(block["transactions"], receipts, strict=True):
            before, is_done = found[sent["from"].lower()], receipt["status"] == "0x1"
            gas = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
            calls = (bytes.fromhex(sent["input"][2:]),) if is_done else ()
            found[sent["from"].lower()] = Payment(
                before.gas_wei + gas, before.calls + calls, before.failed + (not is_done)
            )
    return found


def new_town(anvil: Anvil, seed: int = SHORT_SEED, constants: Constants = BRISK) -> Town:
    """Deploy to a fresh node and register a random program."""
    rng = np.random.default_rng(seed)
    town = town_without_model(anvil, random_program(rng), rng, constants)
    town.contracts.registry.register(anvil.wallet(), town.program)
    return town


def town_without_model(
    anvil: Anvil, program: Program, rng: np.random.Generator, constants: Constants = BRISK
) -> Town:
    """Deploy to a fresh node and leave it to the players to register the program."""
    data = random_input(program, rng).tobytes()
    deployer = anvil.wallet()
    contracts = deploy(deployer, constants)
    return Town(deployer.chain, contracts, program, data, require_conformance(), anvil=anvil)
