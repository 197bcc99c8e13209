"""A program under the shipped constants: what the contracts would ask of its players."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bisection.dissection import worst_dissections
from executor.purse import TASK_GAS
from fisherman.cost import (
    COMMIT_GAS,
    DISSECT_GAS,
    DISSECT_GAS_EACH,
    OPEN_GAS,
    OPEN_GAS_EACH,
    PROVE_GAS,
    gas_to_the_end,
    reward_of,
)
from infernet.chain.deploy import PRODUCTION, Constants
from infernet.chain.records import Wei

ETHER = 10**18
GWEI = 10**9
HOUR_SECONDS = 3_600
DAY_SECONDS = 24 * HOUR_SECONDS
YEAR_SECONDS = 365 * DAY_SECONDS
# Bounds of what `python -m benchmarks gas` prints.
SETTLE_GAS = 85_000
FORFEIT_GAS = 40_000
# Of what tests/unit/fisherman/test_gas.py prints.
TIMEOUT_GAS = 65_000
# The scale of bonds: one more eighth for each live game.
_BOND_SCALE = 8
# The unit in which a game counts its refund, and the most that it counts.
_REFUND_UNIT_WEI, _MOST_UNITS = 10**12, 65_535

# Steps of one run: a perceptron, a small network, ResNet50.
PERCEPTRON_STEPS = 64
SMALL_STEPS = 134_152
RESNET_STEPS = 38_900_000


@dataclass(frozen=True, slots=True)
class Terms:
    """What the contracts ask of a program of `steps` steps; amounts in wei, times in seconds."""

    steps: int
    constants: Constants = PRODUCTION

    @property
    def floor_wei(self) -> int:
        """Return the least stake of a claim."""
        c = self.constants
        return c.stake_base_wei + c.stake_per_bit_wei * self.steps.bit_length()

    @property
    def dissections(self) -> int:
        """Return the most dissections of a game."""
        return worst_dissections(self.steps, self.constants.game.arity)

    @property
    def run_seconds(self) -> int:
        """Return what a run adds to clocks, openings, claims and windows."""
        return self.constants.game.run_seconds(self.steps)

    @property
    def clock_seconds(self) -> int:
        """Return each player's time for a whole game."""
        return self.constants.game.clock_seconds + self.run_seconds

    @property
    def open_seconds(self) -> int:
        """Return the longest time from a commit to its opening."""
        return self.constants.game.open_seconds + self.run_seconds

    @property
    def assert_seconds(self) -> int:
        """Return the longest time from a claim to its result."""
        return self.constants.market.assert_seconds + self.run_seconds

    @property
    def window_seconds(self) -> int:
        """Return how long a result can be challenged."""
        return self.constants.market.window_seconds + self.run_seconds

    @property
    def most_dispute_seconds(self) -> int:
        """Return the longest time from a commit to a verdict."""
        moves = self.dissections * self.constants.game.grace_seconds
        return self.open_seconds + 2 * self.clock_seconds + moves

    @property
    def most_seconds_to_finality(self) -> int:
        """Return the longest time from an assertion to its end, whatever anyone does."""
        windows = 2 * self.window_seconds + self.constants.market.reveal_seconds
        return windows + self.most_dispute_seconds

    @property
    def challenger_turns(self) -> int:
        """Return the challenger's turns after its opening, the proof included."""
        return self.dissections // 2

    @property
    def executor_turns(self) -> int:
        """Return the executor's turns of a whole game, the proof included."""
        return (self.dissections + 1) // 2

    def bond_wei(self, live: int = 0) -> int:
        """Return the bond of a commit while so many games are live."""
        game = self.constants.game
        base = game.bond_base_wei + game.bond_per_dissection_wei * self.dissections
        return base * (_BOND_SCALE + live) // _BOND_SCALE

    def bonds_wei(self, games: int) -> int:
        """Return the bonds of so many live games together."""
        return sum(self.bond_wei(live) for live in range(games))

    @property
    def dissect_gas(self) -> int:
        """Return the gas of one dissection after the opening."""
        return DISSECT_GAS + DISSECT_GAS_EACH * self._parts

    @property
    def open_gas(self) -> int:
        """Return the gas of an opening."""
        return OPEN_GAS + OPEN_GAS_EACH * self._parts

    @property
    def win_gas(self) -> int:
        """Return the gas of a challenger that is paid in the end."""
        return gas_to_the_end(self.steps, self.constants.game.arity)

    @property
    def late_gas(self) -> int:
        """Return the gas of an honest challenger that another one preceded."""
        return COMMIT_GAS + self.open_gas + SETTLE_GAS

    @property
    def copy_gas(self) -> int:
        """Return the gas of a commit that is never opened, and of its settlement."""
        return COMMIT_GAS + SETTLE_GAS

    @property
    def defence_gas(self) -> int:
        """Return the gas of an honest executor in a whole game against a liar.

        After an odd number of dissections it proves the last step, else the liar is timed out.
        """
        proves = self.dissections % 2
        dissections = self.executor_turns - proves
        end = PROVE_GAS if proves else TIMEOUT_GAS
        return dissections * self.dissect_gas + end + SETTLE_GAS

    def refund_wei(self, price_wei: int) -> int:
        """Return the refund of an executor's whole game, before the limit of half a bond."""
        proves = self.dissections % 2
        game, dissections = self.constants.game, self.executor_turns - proves
        moves = [game.dissection_gas] * dissections + [game.proof_gas] * proves
        return refund_of(moves, price_wei)

    @property
    def task_gas(self) -> int:
        """Return the executor's gas of a task that nobody challenges."""
        return TASK_GAS

    @property
    def _parts(self) -> int:
        return min(self.constants.game.arity, self.steps)


def refund_of(moves_gas: Iterable[int], price_wei: int) -> int:
    """Return what a game counts as the refund of moves, each by its gas, at one base fee."""
    units = sum(gas * price_wei // _REFUND_UNIT_WEI for gas in moves_gas)
    return min(units, _MOST_UNITS) * _REFUND_UNIT_WEI


def burn_of(stake_wei: int) -> int:
    """Return what burns of a slashed stake."""
    return stake_wei - reward_of(Wei(stake_wei))
