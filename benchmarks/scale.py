"""What bounds tasks a second, and what each further order of magnitude needs.

    python -m benchmarks scale

Gas is measured on the shipped contracts while it runs; the other figures are what the named
benchmarks print on two cores. Nothing beyond today's contracts is measured: that is arithmetic.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import ceil

from benchmarks.economics.closed import BURNT_SHARE, stake_for
from benchmarks.economics.terms import DAY_SECONDS, ETHER, RESNET_STEPS, Terms
from benchmarks.gas import TaskGas, measure
from benchmarks.queues import Blocks, Servers, Station, bottleneck, simulate
from infernet.chain.connection import BLOCK_GAS

MINUTE_SECONDS = 60
BLOCK_SECONDS = 12
# Inputs and outputs: a sentence and its class, a picture and its classes.
SHAPES = ((256, 4), (150_528, 1_000))
# EIP-7623 for bytes that are not zero, and what a byte of an event costs.
CALLDATA_GAS, LOG_GAS = 40, 8
HASH_BYTES = 32
TASKS_A_MINUTE = tuple(10**power for power in range(1, 7))
BATCHES = (1, 10, 100, 1_000, 10_000)
LOADS = (0.5, 0.8, 0.95)
_SIMULATED, _SEED = 20_000, 1


@dataclass(frozen=True, slots=True)
class Chain:
    """Somewhere to deploy; a parameter of this page, not a measurement."""

    name: str
    gas_per_second: float

    def tasks_per_second(self, gas: float, share: float = 1.0) -> float:
        """Return how many tasks of so much gas fit into a share of all blocks."""
        return share * self.gas_per_second / gas


CHAINS = (
    Chain(
        f"blocks of {BLOCK_GAS // 10**6} M gas each {BLOCK_SECONDS} s", BLOCK_GAS / BLOCK_SECONDS
    ),
    Chain("ten times that", 10 * BLOCK_GAS / BLOCK_SECONDS),
    Chain("a hundred times that", 100 * BLOCK_GAS / BLOCK_SECONDS),
)


@dataclass(frozen=True, slots=True)
class Speeds:
    """Tasks a second of one process each, as the benchmarks print them (docs/benchmarks.md).

    `accepting`: gateway, while it sends (`gateway`); `mining`: a miner from claim to assertion,
    MobileNetV2 (`miner`); `watching`: a fisherman without the runs, by processor time (`watcher`);
    `running`: one core on ResNet50 (`executor`).
    """

    accepting: float = 470
    mining: float = 13.7
    watching: float = 114
    running: float = 1 / 0.02605


@dataclass(frozen=True, slots=True)
class Needs:
    """What a rate of tasks needs, in gas a second, ether at stake, and processes."""

    gas_per_second: float
    stake_ether: float
    gateways: int
    miners: int
    cores: float


def batched_gas(gas: TaskGas, batch: int, bytes_each: int) -> float:
    """Return the gas of a task in a batch: today's transactions once, and its bytes.

    `bytes_each`: of a task's input, output or hashes that travel in calldata and in events.
    """
    if batch == 1:
        return gas.by_root if bytes_each == 0 else gas.carried
    return gas.by_root / batch + bytes_each * (CALLDATA_GAS + LOG_GAS)


def staked_ether(rate: float, terms: Terms, batch: int = 1) -> float:
    """Return the stakes that are bound by so many tasks a second, one stake for each batch.

    Little's law: what is inside is the rate times the time spent there, here the window alone.
    """
    return rate / batch * terms.window_seconds * terms.floor_wei / ETHER


def deters(covered: float, lies: int, stakes: float, falls_together: bool) -> bool:
    """Say whether one stake of so many gains of a lie makes `lies` lies on it a loss.

    Each result is checked by itself, so all lies are missed with probability `(1 - c)^j`; else
    whoever challenges itself loses what burns of the stake. `falls_together`: whether one lie that
    is caught takes the others along, as in a batch; otherwise those that nobody checked stand.
    """
    missed = (1 - covered) ** lies
    gained = missed * lies if falls_together else (1 - covered) * lies
    return gained <= (1 - missed) * stakes * BURNT_SHARE * (1 + 1e-12)


def unprofitable_until(covered: float, falls_together: bool, most: int = 10_000) -> int:
    """Return the most lies on one stake that lose, if the stake just deters a single one."""
    stakes = stake_for(1, covered)
    lies = 1
    while lies < most and deters(covered, lies + 1, stakes, falls_together):
        lies += 1
    return lies


def needs(rate: float, gas: TaskGas, speeds: Speeds, terms: Terms, batch: int) -> Needs:
    """Return what so many tasks a second need, their data outside of the chain."""
    # A miner that claims a batch at once is bound by its cores.
    mining = speeds.mining if batch == 1 else speeds.running
    return Needs(
        rate * batched_gas(gas, batch, 0),
        staked_ether(rate, terms, batch),
        ceil(rate / speeds.accepting),
        ceil(rate / mining),
        rate / speeds.running,
    )


def stations(gas: TaskGas, speeds: Speeds, miners: int, share: float) -> list[Station]:
    """Return today's way of a task to its result: gateway, request, claim, miner, assertion.

    `share`: of all gas that goes to tasks; a block takes as many requests as claims and results.
    """
    capacity = int(share * BLOCK_GAS / gas.by_root)
    chain = Blocks("chain", BLOCK_SECONDS, capacity)
    gateway = Servers("gateway", 1 / speeds.accepting)
    return [gateway, chain, chain, Servers("miners", 1 / speeds.mining, miners), chain]


def show_bounds(measured: list[TaskGas], speeds: Speeds, terms: Terms) -> None:
    """Print what each part takes today."""
    for gas in measured:
        print(
            f"input {gas.input_bytes:,}, output {gas.output_bytes:,} bytes: {gas.by_root:,} gas a "
            f"task by root, {gas.carried:,} with its input"
        )
        for chain in CHAINS:
            by_root, carried = (chain.tasks_per_second(each) for each in (gas.by_root, gas.carried))
            print(
                f"  {chain.name:<30} {by_root:>8,.1f} by root, {carried:>8,.2f} carried, a second"
            )
    print(
        f"one gateway {speeds.accepting:,.0f}/s, one miner {speeds.mining}/s, one fisherman "
        f"{speeds.watching}/s without the runs, one core {speeds.running:.1f} runs of ResNet50/s"
    )
    a_day = DAY_SECONDS / terms.window_seconds
    print(
        f"stakes: {terms.floor_wei / ETHER} ETH carry {a_day:.0f} results a day; one a second "
        f"binds {staked_ether(1, terms):,.0f} ETH"
    )


def show_ladder(gas: TaskGas, speeds: Speeds, terms: Terms) -> None:
    """Print what each order of magnitude needs, as it is today and in batches."""
    print("tasks a minute: gas a second, ETH at stake, gateways, miners, cores; a stake a batch")
    for minute in TASKS_A_MINUTE:
        for batch in (1, *(each for each in BATCHES[1:] if 10 * each <= minute)):
            found = needs(minute / MINUTE_SECONDS, gas, speeds, terms, batch)
            print(
                f"{minute:>9,} in batches of {batch:>6,}: {found.gas_per_second:>15,.0f} gas/s, "
                f"{found.stake_ether:>13,.0f} ETH, {found.gateways:>3} gateways, "
                f"{found.miners:>5,} miners, {found.cores:>6,.1f} cores"
            )


def show_batches(gas: TaskGas) -> None:
    """Print the gas of a task by batch and by what travels on chain."""
    print("gas of a task in a batch: nothing on chain, two hashes, 256 bytes")
    for batch in BATCHES[1:]:
        each = (batched_gas(gas, batch, size) for size in (0, 2 * HASH_BYTES, 256))
        print(f"{batch:>7,}: " + ", ".join(f"{value:>9,.0f}" for value in each))


def show_queues(gas: TaskGas, speeds: Speeds) -> None:
    """Print how long tasks wait, by the load of the part that takes the least."""
    for miners, share in ((1, 1.0), (1, 0.1)):
        line = stations(gas, speeds, miners, share)
        least = bottleneck(line)
        for load in LOADS:
            waits = simulate(line, load * least.rate, _SIMULATED, _SEED)
            print(
                f"{miners} miners, {share:.0%} of blocks: {load:.0%} of {least.rate:.1f}/s "
                f"({least.name}): mean {waits.mean:.1f} s, median {waits.median:.1f} s, p99 "
                f"{waits.p99:.1f} s to a result"
            )


def main() -> int:
    """Print the tables."""
    speeds, terms, measured = Speeds(), Terms(RESNET_STEPS), measure(SHAPES)
    print("-- today")
    show_bounds(measured, speeds, terms)
    print("\n-- in line, before the window")
    show_queues(measured[0], speeds)
    print("\n-- batches")
    show_batches(measured[0])
    print("\n-- orders of magnitude (ResNet50)")
    show_ladder(measured[0], speeds, terms)
    print("\n-- a stake that just deters one lie: how many on it lose")
    for covered in (0.001, 0.01, 0.1, 0.5, 0.9):
        together, alone = (unprofitable_until(covered, each) for each in (True, False))
        print(f"coverage {covered:.1%}: falling together {together:,}, each by itself {alone:,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
