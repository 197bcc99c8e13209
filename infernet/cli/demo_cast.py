"""The stage of a demonstration: a chain with contracts on it, and actors with their own keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from executor.actor import Executor
from executor.policy import Policy
from executor.registration import carry_out, plan
from fisherman.actor import Fisherman
from infernet.actors.holdings import Run, hold
from infernet.actors.report import Tell
from infernet.backend.conformance import Report as Conformance
from infernet.backend.engine import Engine, open_engine
from infernet.backend.trace import Trace
from infernet.chain.connection import Chain
from infernet.chain.deploy import PRODUCTION, Constants, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.records import MarketConstants, ProgramRoot, Wei
from infernet.chain.registry import Progress
from infernet.chain.wallet import KeySigner, Sent, Wallet, faucet
from infernet.models.pipeline import Model
from interpreter.program import Program

from .demo_lie import Lie

_ETHER = 10**18
FUNDS = Wei(100 * _ETHER)
FEE = Wei(_ETHER // 10)
REQUESTER, HONEST, CHEAT, FISHERMAN = "requester", "honest executor", "lying executor", "fisherman"

LoadModel = Callable[[], Model]


@dataclass(slots=True)
class Cast:
    """Everybody on stage, with what each sent. The actors share nothing but the chain."""

    contracts: Contracts
    wallets: dict[str, Wallet]
    sent: dict[str, list[Sent]]
    setup: list[Sent]
    honest: Executor
    cheat: Executor
    fisherman: Fisherman
    root: ProgramRoot
    stake: Wei


def constants_for(chain: Chain, arity: int, steps: int) -> Constants:
    """Return production's parameters where time can be skipped, else short periods."""
    if chain.is_embedded:
        return PRODUCTION.with_arity(arity)
    window = 15 + steps // 2_000_000
    market = MarketConstants(window, 120, 60, 1_000, PRODUCTION.market.reveal_bond_wei)
    game = replace(
        PRODUCTION.game, arity=arity, open_seconds=window, clock_seconds=60, grace_seconds=20
    )
    return replace(PRODUCTION, market=market, game=game)


def set_stage(
    chain: Chain,
    load: LoadModel,
    lie: Lie,
    conformance: Conformance,
    tell: Tell,
    on_progress: Progress,
) -> Cast:
    """Deploy, register the model, and give every actor a key, funds and its own model."""
    setup: list[Sent] = []
    bank = Wallet(chain, faucet(chain), setup.append)
    program = load().program
    deployer = Wallet(chain, KeySigner.create(), setup.append)
    bank.transfer(deployer.address, FUNDS)
    steps = program.header.steps_per_iteration * program.header.max_iterations
    contracts = deploy(deployer, constants_for(chain, lie.arity, steps))
    info = contracts.registry.register(deployer, program, on_progress=on_progress)
    signers = {name: KeySigner.create() for name in (REQUESTER, HONEST, CHEAT, FISHERMAN)}
    sent: dict[str, list[Sent]] = {name: [] for name in signers}
    wallets = {name: Wallet(chain, signers[name], sent[name].append) for name in signers}
    for wallet in wallets.values():
        bank.transfer(wallet.address, FUNDS)
    policy = Policy(info.minimum_stake, max_tasks=1, minimum_seconds=1)

    def executor(name: str, told: Lie | None) -> Executor:
        own = Contracts(chain, contracts.deployment)
        model = load().program
        programs = {"model": model}
        carry_out(own, wallets[name], plan(own, wallets[name], policy, programs), programs)
        setup.extend(sent[name])
        sent[name].clear()
        holdings = hold(own, model, runner(model, told))
        return Executor(own, wallets[name], holdings, policy, conformance, name, tell)

    own, model = Contracts(chain, contracts.deployment), load().program
    watched = hold(own, model, runner(model, None))
    signer = signers[FISHERMAN]
    return Cast(
        contracts,
        wallets,
        sent,
        setup,
        executor(HONEST, None),
        executor(CHEAT, lie),
        Fisherman(own, wallets[FISHERMAN], signer, watched, conformance, FISHERMAN, tell),
        ProgramRoot(program.root),
        info.minimum_stake,
    )


def runner(program: Program, lie: Lie | None) -> Callable[[bytes], Run]:
    """Return what runs a program on an input, truly or with one lie."""
    engine: Engine = open_engine(program)

    def start(data: bytes) -> Run:
        trace = Trace(program, data, engine)
        return trace if lie is None else lie.told_on(trace)

    return start
