"""One miner on MobileNetV2, end to end on anvil: how many tasks a second, and where time goes.

Needs anvil: `npm ci` in contracts/ installs it. The node mines each transaction at once, so what is
measured is the miner and the node, not a network's block time.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from executor.actor import Executor
from executor.policy import Policy
from executor.registration import carry_out, plan
from infernet.actors.crew import Crew
from infernet.actors.daemon import Pace, run
from infernet.actors.holdings import hold
from infernet.actors.report import Report
from infernet.backend.adapters import BUILT_IN, require_adapter, runner
from infernet.chain import outbox
from infernet.chain.connection import connect
from infernet.chain.deploy import PRODUCTION, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.market import Request
from infernet.chain.quorum import QuorumProvider
from infernet.chain.records import ProgramRoot, Seconds, Wei
from infernet.chain.wallet import KeySigner, Wallet, faucet
from infernet.store.database import Database, account_file, open_database
from infernet.store.journal import Journal

from .anvil import ANVIL, URL, start_anvil
from .nets import network

TASKS = 40
MAX_TASKS = 4
RUNS = 200
FEE = Wei(10**16)
_ETHER = 10**18
# With four threads, on two common cores that run the node as well.
LIMIT_TASKS_PER_SECOND = 5.0
_PARTS = {
    "eth_estimateGas": "simulating",
    "eth_sendRawTransaction": "sending",
    "eth_getTransactionReceipt": "waiting for blocks",
}


class Clockwork:
    """Counts calls and adds up their seconds, by part, over all threads."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, part: str, seconds: float, call: str = "") -> None:
        """Add to a part."""
        with self._lock:
            self.seconds[part] += seconds
            self.calls[call or part] += 1

    def clear(self) -> None:
        """Begin anew."""
        self.seconds.clear()
        self.calls.clear()

    def timed(self, method: Callable[..., Any], part: Callable[..., tuple[str, str]]) -> Any:
        """Return a method that is timed; `part` names the part and the call by its arguments."""

        @wraps(method)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                name, call = part(*arguments)
                self.add(name, time.perf_counter() - began, call)

        return wrapper


@contextmanager
def measured(work: Clockwork) -> Iterator[None]:
    """Time what a miner does: questions to the node, statements, signatures, pauses."""
    kept = (QuorumProvider._answer, Database.execute, KeySigner.sign, outbox.time)

    def asked(provider: object, method: str, params: object) -> tuple[str, str]:
        return _PARTS.get(str(method), "reading"), str(method)

    class Pauses:
        monotonic = staticmethod(time.monotonic)
        sleep = staticmethod(work.timed(time.sleep, lambda *_: ("waiting for blocks", "sleep")))

    QuorumProvider._answer = work.timed(kept[0], asked)  # type: ignore[method-assign]
    Database.execute = work.timed(kept[1], lambda *_: ("journal and index", "SQL"))  # type: ignore[method-assign]
    KeySigner.sign = work.timed(kept[2], lambda *_: ("signing", "sign"))  # type: ignore[method-assign]
    outbox.time = Pauses  # type: ignore[assignment]
    try:
        yield
    finally:
        QuorumProvider._answer, Database.execute, KeySigner.sign, outbox.time = kept  # type: ignore[method-assign]


class Watch:
    """Waits until a miner has reported an event so many times."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.errors: list[Exception] = []
        self._changed = threading.Condition()

    def on_report(self, report: Report) -> None:
        with self._changed:
            self.events[report.event] += 1
            self._changed.notify_all()

    def on_error(self, error: Exception) -> None:
        self.errors.append(error)

    def on_tick(self, duration_seconds: float) -> None:
        """Nothing: what a turn does is timed where it is done."""

    def until(self, event: str, times: int) -> None:
        """Return once an event came so often; raise TimeoutError after two minutes."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.events[event] >= times, 120):
                raise TimeoutError(f"{self.events}, {self.errors[-3:]}")


def measure(folder: Path, workers: int, work: Clockwork) -> float:
    """Print the figures of a miner with so many threads, and return its tasks a second."""
    net = network("mobilenetv2")
    program, root = net.model.program, ProgramRoot(net.model.program.root)
    chain = connect(URL)
    bank = Wallet(chain, faucet(chain))
    owner, requester, signer = (KeySigner.create() for _ in range(3))
    for key in (owner, requester, signer):
        bank.transfer(key.address, Wei(1_000 * _ETHER))
    contracts = deploy(Wallet(chain, owner), replace(PRODUCTION))
    contracts.registry.register(Wallet(chain, owner), program)
    purse, data = Wallet(chain, requester), net.data.tobytes()
    deadline = Seconds(chain.next_timestamp() + 10**6)
    for number in range(TASKS):
        request = Request(root, FEE, deadline, number)
        contracts.market.request_with_input(purse, request, data, FEE)

    chain = connect(URL)
    watch, database = Watch(), open_database(account_file(folder, chain.chain_id, f"{workers}"))
    own = Contracts(chain, contracts.deployment, database)
    wallet = Wallet(chain, signer, journal=Journal(database, signer.address))
    policy = Policy(own.registry.floor(program), max_tasks=TASKS)
    carry_out(own, wallet, plan(own, wallet, policy, {"": program}), {"": program})
    policy = replace(policy, max_tasks=MAX_TASKS)
    adapter = BUILT_IN["onnxruntime"]
    executor = Executor(
        own,
        wallet,
        hold(own, program, runner(adapter, program)),
        policy,
        require_adapter(adapter),
        tell=watch.on_report,
        database=database,
        crew=Crew(workers),
        on_inference=lambda _, seconds: work.add("inference", seconds),
    )
    stop = threading.Event()
    loop = threading.Thread(target=run, args=(executor, wallet, stop, watch, Pace(0.05)))
    work.clear()
    began, cpu_began = time.perf_counter(), time.process_time()
    loop.start()
    try:
        watch.until("result_asserted", TASKS)
        asserted, cpu = time.perf_counter() - began, time.process_time() - cpu_began
        title = f"{workers} threads" if workers else "one thread, none beside it"
        _show(f"{title}, claim to assertion", asserted, cpu, work, is_whole=not workers)
        chain.web3.provider.make_request("evm_increaseTime", [21_700])
        chain.web3.provider.make_request("evm_mine", [])
        began = time.perf_counter()
        watch.until("result_final", TASKS)
        final = time.perf_counter() - began
    finally:
        stop.set()
        loop.join()
    print(f"  then to finality: {TASKS / final:.1f} tasks/s; {len(watch.errors)} errors")
    database.close()
    return TASKS / asserted


def _show(title: str, seconds: float, cpu_seconds: float, work: Clockwork, is_whole: bool) -> None:
    """Print the parts of a task; with one thread they and the rest are the whole."""
    each, spent = 1000 / TASKS, work.seconds
    inference = spent["inference"]
    print(f"{title}: {TASKS / seconds:.1f} tasks/s, {each * seconds:.1f} ms a task", end=", ")
    print(f"{each * cpu_seconds:.1f} ms of processor")
    for part, part_seconds in spent.most_common():
        print(f"  {part:34} {each * part_seconds:>8.1f} ms")
    if is_whole:
        print(f"  {'the rest: decoding, choosing':34} {each * (seconds - spent.total()):>8.1f} ms")
        print(f"  {'whole':34} {each * seconds:>8.1f} ms", end=", ")
        print(f"{1 - inference / seconds:.0%} of it outside inference")
    calls = ", ".join(f"{name} {count / TASKS:.1f}" for name, count in work.calls.most_common(14))
    print(f"  calls a task: {calls}", flush=True)


def inference_alone(threads: int) -> float:
    """Return the runs a second of so many threads that do nothing else: the limit."""
    net = network("mobilenetv2")
    start, data = runner(BUILT_IN["onnxruntime"], net.model.program), net.data.tobytes()
    start(data).output  # noqa: B018
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: start(data).output, range(RUNS)))
    return RUNS / (time.perf_counter() - began)


def main() -> int:
    """Print the figures; return 1 if the miner is slower than the limit."""
    if not ANVIL.is_file():
        print("left out: anvil is not installed; run `npm ci` in contracts/")
        return 0
    process = start_anvil()
    try:
        with tempfile.TemporaryDirectory() as folder:
            work = Clockwork()
            with measured(work):
                measure(Path(folder), 0, work)
                rate = measure(Path(folder), MAX_TASKS, work)
        for threads in (1, MAX_TASKS):
            print(f"inference alone, {threads} threads: {inference_alone(threads):.1f} runs/s")
    finally:
        process.terminate()
        process.wait()
    return int(rate < LIMIT_TASKS_PER_SECOND)


if __name__ == "__main__":
    sys.exit(main())
