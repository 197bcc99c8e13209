"""What a first start costs, and doing it: models registered, stake deposited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from infernet.actors.holdings import require_room
from infernet.chain.deployment import Contracts
from infernet.chain.fees import Prices
from infernet.chain.records import NO_WEI, ProgramRoot, Wei
from infernet.chain.registry import CHUNK_DESCRIPTORS
from infernet.chain.wallet import Wallet, in_ether
from interpreter.program import Program

from .errors import PolicyError
from .policy import Policy

# Upper bounds: a chunk's own cost, that of a descriptor, and of a deposit. MobileNetV2's 192
# descriptors took 1.44 million in three chunks, 13 took 163 thousand in one, a deposit 45 thousand.
_CHUNK_GAS = 150_000
_DESCRIPTOR_GAS = 10_000
_DEPOSIT_GAS = 60_000

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Registration:
    """A model that has to be registered; `cost_wei` stays in the registry for good."""

    name: str
    root: ProgramRoot
    cost_wei: Wei
    gas: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a first start takes. `target_wei`: what the vault holds then; `gas_wei`: at most.

    A plan that takes nothing has a total of zero.
    """

    target_wei: Wei
    deposit_wei: Wei
    registrations: tuple[Registration, ...]
    gas_wei: Wei

    @property
    def registrations_wei(self) -> Wei:
        """Return what the registrations cost besides gas."""
        return Wei(sum(each.cost_wei for each in self.registrations))

    @property
    def total_wei(self) -> Wei:
        """Return the most that leaves the wallet."""
        return Wei(self.deposit_wei + self.registrations_wei + self.gas_wei)


def plan(
    contracts: Contracts,
    wallet: Wallet,
    policy: Policy,
    programs: Mapping[str, Program],
    backing: Wei = NO_WEI,
) -> Plan:
    """Return what is missing, by model name; raise PolicyError for a stake below a model's floor.

    The vault is to hold `backing`, and enough for `max_tasks` tasks at least; what is locked there
    already counts. A stake stays locked until its result is final, so more backing serves more.
    Raises ModelTooLarge for a model that this machine cannot run.
    """
    registry = contracts.registry
    registrations = []
    for name, program in programs.items():
        require_room(program)
        floor = registry.floor(program)
        if policy.stake_wei < floor:
            raise PolicyError(
                f"the stake of {in_ether(policy.stake_wei)} is below the floor of model '{name}', "
                f"{in_ether(floor)}; raise the stake, or do not serve this model"
            )
        if not registry.info(ProgramRoot(program.root)).registered:
            registrations.append(_registration(contracts, wallet, name, program))
    target = Wei(max(backing, policy.stake_wei * policy.max_tasks))
    deposit = Wei(max(0, target - contracts.vault.balance(wallet.address).total))
    gas = sum(each.gas for each in registrations) + (_DEPOSIT_GAS if deposit else 0)
    price = Prices(contracts.chain).now().max_fee if gas else 0
    return Plan(target, deposit, tuple(registrations), Wei(gas * price))


def carry_out(
    contracts: Contracts,
    wallet: Wallet,
    wanted: Plan,
    programs: Mapping[str, Program],
    on_progress: Progress | None = None,
) -> None:
    """Register and deposit what is still missing of a plan.

    Whatever was done meanwhile is not done again. `on_progress`: told the model and how many of its
    descriptors are checked. Raises InsufficientBalance or another ChainError.
    """
    for each in wanted.registrations:
        name, program = each.name, programs[each.name]

        def tell(done: int, total: int, name: str = name) -> None:
            if on_progress:
                on_progress(name, done, total)

        contracts.registry.register(wallet, program, on_progress=tell)
    missing = Wei(wanted.target_wei - contracts.vault.balance(wallet.address).total)
    deposit = min(missing, wanted.deposit_wei)
    if deposit > NO_WEI:
        contracts.vault.deposit(wallet, deposit)


def _registration(
    contracts: Contracts, wallet: Wallet, name: str, program: Program
) -> Registration:
    root = ProgramRoot(program.root)
    done = contracts.registry.checked(wallet.address, root)
    left = len(program.operators) - (done or 0)
    chunks = -(-left // CHUNK_DESCRIPTORS)
    cost = contracts.registry.deposit() if done is None else NO_WEI
    return Registration(name, root, cost, chunks * _CHUNK_GAS + left * _DESCRIPTOR_GAS)
