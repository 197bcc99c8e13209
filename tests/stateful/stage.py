"""A world with its parties, all that was asked and said there, and the models of its games."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data

from infernet.chain.market import Request
from infernet.chain.records import Address, Seconds, Wei
from infernet.chain.signed import typed_request

from .mirror import MOVES, Mirror
from .runs import Run, programs, run_of, runs
from .world import ETHER, Refused, World

KEYS = {
    name: (0xA11CE + number).to_bytes(32)
    for number, name in enumerate(
        ("executor", "watcher", "requester", "guardian", "rogue", "ally", "stranger")
    )
}
ADDRESS = {name: Account.from_key(key).address.lower() for name, key in KEYS.items()}
EXECUTOR, WATCHER, REQUESTER = (ADDRESS[name] for name in ("executor", "watcher", "requester"))
GUARDIAN = ADDRESS["guardian"]
ROGUES = tuple(ADDRESS[name] for name in ("rogue", "ally", "stranger"))
CHAIN_ID = 1
DEPOSIT_WEI = 500 * ETHER


@dataclass(slots=True)
class Posted:
    """A task, the run that it names (None: a root that nobody has bytes for), and who has them."""

    task_id: bytes
    requester: str
    run: Run | None
    fee_wei: int
    is_shared: bool


@dataclass
class Stage:
    """Everything that the players and the invariants look at."""

    world: World = field(default_factory=lambda: World(GUARDIAN))
    tasks: dict[bytes, Posted] = field(default_factory=dict)
    assertions: dict[bytes, Posted] = field(default_factory=dict)
    demands_paid_wei: int = 0
    nonce: int = 0

    def __post_init__(self) -> None:
        self.mirror = Mirror(self.world)
        for account in ADDRESS.values():
            self.world.fund(account, DEPOSIT_WEI)
        for program in programs():
            self.world.register(program)

    def send(
        self, sender: str, name: str, *arguments: Any, value: int = 0, gas: int | None = None
    ) -> Any:
        """Send a call; a move must be taken by chain and model, or refused by both."""
        is_move = name in MOVES
        expected = self.mirror.judge(sender, name, arguments) if is_move else None
        try:
            answer = self.world.send(sender, name, *arguments, value=value, gas=gas)
        except Refused as refusal:
            may_starve = gas is not None or value
            assert expected is None or may_starve, f"{name} refused: {refusal}, the model takes it"
            raise
        if is_move:
            assert expected is not None, f"{name} was taken, the model refuses it"
            self.mirror.keep(arguments[0], expected)
        elif name == "commit":
            self.mirror.commit(sender, arguments[0], arguments[1], answer)
        elif name == "assertResult":
            self.assertions[answer] = self.tasks[arguments[0]]
        elif name == "reveal":
            self._count_reveal(arguments[0])
        elif name.startswith("request"):
            self._keep_task(sender, name, arguments, answer)
        return answer

    def post(
        self, requester: str, run: Run, carried: bool, shared: bool, lifetime: int, fee: int
    ) -> bytes:
        """Request a run and remember it."""
        self.nonce += 1
        header = run.program.root, run.input_root, run.iterations, fee, self.world.now + lifetime
        if carried:
            arguments = (header[0], run.data, *header[2:], self.nonce)
            task_id = self.send(requester, "requestWithInput", *arguments)
        else:
            task_id = self.send(requester, "request", *header, self.nonce)
        self.tasks[task_id].is_shared = shared or carried
        return bytes(task_id)

    def post_hidden(self, requester: str, root: bytes, program_root: bytes, fee: int) -> bytes:
        """Request a run on a root that nobody has bytes for."""
        self.nonce += 1
        until = self.world.now + 5000
        arguments = (program_root, root, 1, fee, until, self.nonce)
        return bytes(self.send(requester, "request", *arguments))

    def signed(
        self, signer: str, run: Run, fee: int, *, is_carried: bool
    ) -> tuple[tuple[Any, ...], bytes]:
        """Return a request that an account signs, as the market takes it, with the signature."""
        self.nonce += 1
        until = self.world.now + 5000
        request = Request(
            run.program.root,
            Wei(fee),
            Seconds(until),
            self.nonce,
            run.iterations,  # type: ignore[arg-type]
        )
        market = Address(self.world.address["TaskMarket"])
        typed = typed_request(CHAIN_ID, market, request, run.input_root, is_carried=is_carried)
        name = next(name for name, address in ADDRESS.items() if address == signer)
        message = encode_typed_data(full_message=typed)
        signature = bytes(Account.sign_message(message, KEYS[name]).signature)
        asked = run.iterations, fee, until, self.nonce, is_carried
        return (run.program.root, run.input_root, *asked), signature

    def things(self, kind: str) -> list[bytes]:
        """Return the ids of all tasks, assertions or games."""
        kinds = {"tasks": self.tasks, "assertions": self.assertions, "games": self.mirror.matches}
        return list(kinds[kind])

    def run_of(self, assertion_id: bytes) -> Run | None:
        """Return the run that an assertion is about."""
        return self.assertions[assertion_id].run

    def status(self, kind: str, one: bytes) -> int:
        """Return the status of a task or an assertion."""
        return int(self.world.view(kind, one)["status"])

    def _keep_task(self, sender: str, name: str, arguments: Sequence[Any], task_id: bytes) -> None:
        """Remember a task, with the run that it names if anybody has the bytes."""
        requester, values, carried = sender, tuple(arguments), b""
        if name == "requestSigned":
            requester, values, carried, _ = arguments
        elif name == "requestWithInput":
            carried = arguments[1]
        number = [program.root for program in programs()].index(values[0])
        held = (run.data for run in runs() if (run.program.root, run.input_root) == values[:2])
        data = carried or next(held, None)
        run = run_of(number, data, values[2]) if data is not None else None
        self.tasks[task_id] = Posted(task_id, requester, run, values[3], bool(carried))

    def _count_reveal(self, assertion_id: bytes) -> None:
        demander = self.world.view("assertion", assertion_id)["demander"]
        self.assertions[assertion_id].is_shared = True
        if demander == WATCHER:
            self.demands_paid_wei += ETHER // 4
