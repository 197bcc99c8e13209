"""Put a complete set of contracts on a chain."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .artifacts import PROVERS, load
from .contract import Contract, create
from .deployment import Contracts, Deployment
from .records import Address, GameConstants, MarketConstants, to_struct
from .wallet import Wallet

_MILLI_ETHER = 10**15
_GWEI = 10**9
# All contracts take 23 million; who cannot pay for all of them should not begin.
_DEPLOYMENT_GAS = 28_000_000


@dataclass(frozen=True, slots=True)
class Constants:
    """The parameters that a deployment fixes for ever (spec: dispute.md, "Economics").

    `deposit_wei`: the cost of a registration; `stake_base_wei`: the stake floor of every program;
    `stake_per_bit_wei`: what each binary digit of its number of steps adds.
    """

    deposit_wei: int
    stake_base_wei: int
    stake_per_bit_wei: int
    market: MarketConstants
    game: GameConstants

    def with_arity(self, arity: int) -> Constants:
        """Return the same with another number of parts per dissection."""
        return replace(self, game=replace(self.game, arity=arity))


PRODUCTION = Constants(
    100 * _MILLI_ETHER,
    300 * _MILLI_ETHER,
    50 * _MILLI_ETHER,
    MarketConstants(
        window_seconds=21_600,
        assert_seconds=3_600,
        reveal_seconds=7_200,
        claim_penalty_bps=1_000,
        reveal_base_fee_wei=100 * _GWEI,
    ),
    GameConstants(
        arity=28,
        open_seconds=3_600,
        clock_seconds=10_800,
        grace_seconds=600,
        steps_per_clock_second=50_000_000,
        bond_base_wei=20 * _MILLI_ETHER,
        bond_per_dissection_wei=5 * _MILLI_ETHER,
        dissection_gas=83_000,
        proof_gas=300_000,
    ),
)


# For a node of one's own, where people watch: finality after a minute instead of hours.
TRIAL = replace(
    PRODUCTION,
    market=replace(PRODUCTION.market, window_seconds=60, assert_seconds=300, reveal_seconds=120),
    game=replace(PRODUCTION.game, open_seconds=60, clock_seconds=120, grace_seconds=30),
)


def deploy(wallet: Wallet, constants: Constants, guardian: Address | None = None) -> Contracts:
    """Deploy and wire every contract; `guardian` may pause new requests (default: the wallet)."""
    chain = wallet.chain
    wallet.require_gas("the whole deployment", _DEPLOYMENT_GAS)
    block = chain.block_number() + 1
    provers = [create(wallet, name) for name in PROVERS]
    verifier = create(wallet, "OneStepProof", provers)
    floor = constants.stake_base_wei, constants.stake_per_bit_wei
    registry = create(wallet, "ModelRegistry", constants.deposit_wei, *floor)
    vault = create(wallet, "StakeManager")
    market_values = _struct("TaskMarket", constants.market)
    guard = guardian or wallet.address
    market = create(wallet, "TaskMarket", vault, registry, guard, market_values)
    game_values = _struct("DisputeGame", constants.game)
    game = create(wallet, "DisputeGame", vault, market, verifier, game_values)
    Contract.named(chain, "StakeManager", vault).send(wallet, "initialise", market, game)
    Contract.named(chain, "TaskMarket", market).send(wallet, "initialise", game)
    return Contracts(
        chain, Deployment(chain.chain_id, block, registry, vault, market, game, verifier)
    )


def _struct(contract: str, record: object) -> tuple[object, ...]:
    """Return a record as the struct that a contract's constructor takes last."""
    (constructor,) = [entry for entry in load(contract).abi if entry["type"] == "constructor"]
    return to_struct(record, constructor["inputs"][-1]["components"])
