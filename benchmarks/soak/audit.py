"""What was true, what was slashed, and where each wei went: from the chain alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from infernet.backend.engine import open_engine
from infernet.backend.trace import Trace
from infernet.chain.deployment import Contracts
from infernet.chain.records import Address, AssertionId, ProgramRoot, Wei
from infernet.chain.stake import Vault
from tests.anvil import ETHER

from .ground import BACKING, WALLET, Ground, Player


def false_results(ground: Ground) -> set[AssertionId]:
    """Return the results that are not the model's on their input, by running it anew on each.

    Results whose input never appeared count as false.
    """
    programs = {ProgramRoot(m.program.root): m.program for m in ground.models.values()}
    engines = {root: open_engine(program) for root, program in programs.items()}
    market, found = ground.contracts.market, set[AssertionId]()
    for result in market.assertions():
        data = market.carried_input(result.task_id)
        root = market.task(result.task_id).program_root
        if data is None or (
            Trace(programs[root], data, engines[root]).final.hash != result.final_hash
        ):
            found.add(result.assertion_id)
    return found


def slashed_results(contracts: Contracts) -> set[AssertionId]:
    """Return the results that were slashed."""
    events = contracts.market.events("Slashed")
    return {AssertionId(bytes(event["assertionId"])) for event in events}


@dataclass(frozen=True, slots=True)
class Account:
    """One account's way from its start to the end of a run, in wei.

    `earned`: fees, rewards and refunds that the vault paid to it; `lost`: what the vault took from
    it, paid to others or burned; `rest`: by what start + earned - lost - gas misses the end.
    """

    end: Wei
    earned: Wei
    lost: Wei
    gas: Wei
    locked: Wei

    @property
    def rest(self) -> int:
        """Return the wei that nothing explains."""
        return self.end - ((WALLET + BACKING) * ETHER + self.earned - self.lost - self.gas)


def accounts(ground: Ground) -> dict[str, Account]:
    """Return each player's account, once nobody plays any more.

    All began with the same in wallet and vault together.
    """
    vault, gas = ground.contracts.vault, gas_paid(ground)
    paid_to, taken_from = Counter[str](), Counter[str]()
    for event in vault.events("Paid"):
        paid_to[event["to"]] += event["amount"]
        taken_from[event["from"]] += event["amount"]
    for event in vault.events("Burned"):
        taken_from[event["from"]] += event["amount"]
    return {
        player.name: Account(
            owned(ground, vault, player),
            Wei(paid_to[player.address]),
            Wei(taken_from[player.address]),
            Wei(gas[player.address.lower()]),
            vault.balance(player.address).locked,
        )
        for player in ground.players
    }


def owned(ground: Ground, vault: Vault, player: Player) -> Wei:
    """Return what a player holds in wallet and vault together."""
    address: Address = player.address
    return Wei(ground.contracts.chain.balance(address) + vault.balance(address).total)


def gas_paid(ground: Ground) -> Counter[str]:
    """Return what each account paid for gas, from every receipt of the chain."""
    paid: Counter[str] = Counter()
    for number in range(1, ground.contracts.chain.block_number() + 1):
        for receipt in ground.anvil.rpc("eth_getBlockReceipts", hex(number)):
            price = int(receipt["effectiveGasPrice"], 16)
            paid[receipt["from"].lower()] += int(receipt["gasUsed"], 16) * price
    return paid
