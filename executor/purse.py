"""The gas that a miner keeps for what it has begun, and takes out of the vault when it runs short.

Stakes, fees and refunds are in the vault, which pays no gas; what is free there can be withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from infernet.actors.crew import NO_DEADLINE, Work
from infernet.chain.connection import gas_limit
from infernet.chain.fees import Prices
from infernet.chain.market import reveal_gas
from infernet.chain.records import TaskId, Wei
from infernet.chain.wallet import in_ether

from .means import Look, Means, Naps

# Upper bounds: claim, assertion and finality of one task; every move of one dispute.
TASK_GAS = 400_000
DEFENCE_GAS = 1_000_000
# The largest move of a dispute, a proof. Gas is kept at twice the base fee, so at today's that is
# the whole way of a game: all results may be challenged at once, and no refund is paid before a
# game is decided. What games take beyond it, the refunds of those decided first pay.
MOVE_GAS = 300_000
# What a withdrawal has to bring in, at the least; it takes 45 thousand itself.
_TOP_UP_GAS = 100_000
_MATTER = b"gas"


@dataclass(frozen=True, slots=True)
class AtStake:
    """Own results that are open at one head, by their tasks. `games`: those in play over them.

    `demanded`: results whose input somebody asked to see.
    """

    results: frozenset[TaskId]
    games: int
    demanded: frozenset[TaskId]


class Purse:
    """Reckons in gas; `works` belongs to the thread that ticks, what it returns to any.

    `booked`: returns the stakes of claims on their way, which are still free in the vault.
    """

    def __init__(self, means: Means, prices: Prices, booked: Callable[[], Wei]) -> None:
        self._means, self._prices, self._booked = means, prices, booked
        self._naps = Naps()

    def owed(
        self, in_work: Collection[TaskId], at_stake: AtStake, kept: Mapping[TaskId, int]
    ) -> int:
        """Return the gas that what was begun may take, and one dispute more.

        Whoever challenges all results at once, or demands all hidden inputs, must not find too
        little: each game that is not played, each input that is not revealed loses a stake.
        `kept`: the bytes of each input on disk.
        """
        may_be_demanded = at_stake.results.union(in_work)
        reveals = sum(self.reveal_gas(task_id, kept) for task_id in may_be_demanded)
        disputes = MOVE_GAS * len(may_be_demanded) + DEFENCE_GAS * (at_stake.games + 1)
        return TASK_GAS * len(in_work) + disputes + reveals

    def task_gas(self, task_id: TaskId, kept: Mapping[TaskId, int]) -> int:
        """Return what one task more adds to what is owed."""
        return TASK_GAS + MOVE_GAS + self.reveal_gas(task_id, kept)

    def reveal_gas(self, task_id: TaskId, kept: Mapping[TaskId, int]) -> int:
        """Return what must be there if an input is demanded; nothing where the chain has it."""
        if task_id not in kept or self._means.contracts.market.is_input_carried(task_id):
            return 0
        return gas_limit(reveal_gas(kept[task_id]))

    def works(self, look: Look, in_work: Collection[TaskId], at_stake: AtStake) -> list[Work]:
        """Return the withdrawal of gas, if something is due that the account might not pay."""
        self._naps.forget_old(look)
        if not (in_work or at_stake.results) or self._naps.is_asleep(_MATTER, look):
            return []
        act = partial(self._top_up, len(in_work), at_stake, look)
        return [Work(_MATTER, act, is_urgent=True, deadline=0)]

    def _due(self, tasks: int, at_stake: AtStake) -> int:
        """Return the gas that has a clock now, and that of one result's finality."""
        kept = self._means.inputs.kept_bytes() if at_stake.demanded else {}
        reveals = sum(self.reveal_gas(task_id, kept) for task_id in at_stake.demanded)
        ends = TASK_GAS * (tasks + bool(at_stake.results))
        return ends + DEFENCE_GAS * at_stake.games + reveals

    def _top_up(self, tasks: int, at_stake: AtStake, look: Look) -> bool:
        means, price = self._means, self._prices.now().max_fee
        if means.wallet.is_sending("top up"):
            return False
        due, held = self._due(tasks, at_stake) * price, means.wallet.balance
        if held >= due:
            self._naps.begin(_MATTER, look, NO_DEADLINE)
            return False
        free = means.contracts.vault.balance(means.address).free
        # Twice as much as is due lasts for a while. What claims need is taken for games alone.
        spare = free - self._booked()
        amount = min(2 * due - held, max(spare, min(free, due - held)))
        if amount < _TOP_UP_GAS * price:
            self._naps.begin(_MATTER, look, NO_DEADLINE)
            return False
        sent = means.contracts.vault.top_up(means.wallet, Wei(amount))
        means.say("gas_topped_up", f"takes {in_ether(Wei(amount))} out of the vault for gas", sent)
        return True
