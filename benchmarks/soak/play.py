"""The course of a soak: request, wait until all is settled, and say what came of it."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infernet.backend.hashing import hash_bytes
from infernet.chain.market import Request
from infernet.chain.records import (
    AssertionId,
    GameStatus,
    ProgramRoot,
    Seconds,
    TaskId,
    TaskStatus,
    Wei,
)
from infernet.chain.wallet import in_ether
from infernet.store.checks import Coverage, coverage_of
from infernet.store.database import open_database
from tests.anvil import find_anvil

from . import audit
from .ground import LIARS, MINERS, Ground, Player, peopled
from .health import LARGEST_GROWTH, growth, watch
from .lies import Kind, Plan, draw
from .slanderer import WAYS

TASKS, SHARE, SEED = 1_000, 0.03, 2026
FEE = Wei(10**16)
# Tasks that wait or are in work at a time; more would only lengthen the queue.
_OPEN_AT_ONCE = 40
_DEADLINE_SECONDS, _HIDDEN_SECONDS = 100_000, 3_600
_PATIENCE_SECONDS, _NEWS_SECONDS = 3_600, 30


@dataclass(frozen=True, slots=True)
class Requests:
    """What was requested: tasks that have to become final, and tasks whose input is withheld."""

    shown: list[TaskId]
    hidden: list[TaskId]


def main(tasks: int = TASKS, share: float = SHARE) -> int:
    """Print the figures; return how many promises were broken.

    `share`: of results that are lies; the slanderer challenges as large a share.
    """
    if find_anvil() is None:
        print("left out: anvil is not installed; run `npm ci` in contracts/")
        return 0
    plan, folder = draw(tasks, share, LIARS, MINERS + LIARS, SEED), Path(tempfile.mkdtemp())
    broken = 1
    try:
        with peopled(folder, plan, share, SEED) as ground:
            broken = soak(ground, plan, tasks)
    finally:
        if broken:
            print(f"logs and databases stay in {folder}")
        else:
            shutil.rmtree(folder)
    return broken


def soak(ground: Ground, plan: Plan, tasks: int) -> int:
    """Play, and return how many promises were broken."""
    began, stop = time.monotonic(), threading.Event()
    processes = [(player.process.pid, player.health) for player in ground.players]
    watcher = threading.Thread(target=watch, args=(processes, stop))
    watcher.start()
    try:
        requests = request_all(ground, plan, tasks)
        requested = time.monotonic() - began
        wait_until_settled(ground, requests)
    finally:
        stop.set()
        watcher.join()
    settled = time.monotonic() - began
    disorderly = ground.stop()
    reclaim(ground, requests.hidden)
    print(f"{tasks} tasks, the last requested after {requested:.0f} s, settled in {settled:.0f} s")
    return report(ground, plan, requests, disorderly)


def request_all(ground: Ground, plan: Plan, tasks: int) -> Requests:
    """Request tasks on inputs drawn by seed, so that a bounded number waits."""
    rng, market, wallet = random.Random(SEED), ground.contracts.market, ground.requester
    programs = [model.program for model in ground.models.values()]
    now, found = ground.contracts.chain.next_timestamp(), Requests([], [])
    for number in range(tasks):
        while number % 10 == 0 and number - _asserted(ground) > _OPEN_AT_ONCE:
            time.sleep(0.2)
        program = programs[number % len(programs)]
        data = rng.randbytes(program.header.input_type.byte_count)
        is_hidden = number in plan.hidden
        seconds = _HIDDEN_SECONDS if is_hidden else _DEADLINE_SECONDS
        request = Request(ProgramRoot(program.root), FEE, Seconds(now + seconds), number)
        if is_hidden:
            found.hidden.append(
                market.request(
                    wallet, request, hash_bytes(np.frombuffer(data, np.uint8)).root, FEE
                )[0]
            )
        else:
            found.shown.append(market.request_with_input(wallet, request, data, FEE)[0])
    return found


def wait_until_settled(ground: Ground, requests: Requests) -> None:
    """Wait until every result is final or slashed and every game settled, or raise RuntimeError."""
    market, games = ground.contracts.market, ground.contracts.games
    end, told = time.monotonic() + _PATIENCE_SECONDS, 0.0
    while True:
        final = {bytes(event["taskId"]) for event in market.events("Finalised")}
        slashed = {bytes(event["taskId"]) for event in market.events("Slashed")}
        waiting = len(set(requests.shown) - final) + len(set(requests.hidden) - slashed)
        running = len(games.open_challenges())
        if not waiting + running + len(market.open_assertions()):
            return
        ground.require_alive()
        if time.monotonic() > end:
            raise RuntimeError(f"{waiting} tasks and {running} games are open; {ground.folder}")
        if time.monotonic() - told > _NEWS_SECONDS:
            told = time.monotonic()
            print(f"  {waiting} tasks and {running} games are open", flush=True)
        time.sleep(1)


def reclaim(ground: Ground, hidden: list[TaskId]) -> None:
    """Take the fees of tasks back that no honest miner could claim.

    Time is skipped to their deadline only now: nobody plays any more, so no clock runs out on
    anybody.
    """
    market = ground.contracts.market
    latest = max((market.task(task_id).deadline for task_id in hidden), default=0)
    left = latest + 1 - ground.contracts.chain.next_timestamp()
    if left > 0:
        ground.anvil.skip(left)
    for task_id in hidden:
        market.reclaim_fee(ground.requester, task_id)


def report(ground: Ground, plan: Plan, requests: Requests, disorderly: list[str]) -> int:
    """Print what happened, promise by promise; return how many were broken."""
    market = ground.contracts.market
    false, slashed = audit.false_results(ground), audit.slashed_results(ground.contracts)
    results = market.assertions()
    print(f"{len(results)} results, {len(false)} false, {len(slashed)} slashed")
    told = Counter(kind for each in plan.told for kind in each.values())
    told[Kind.HIDDEN] = len(plan.hidden)
    print("  lies: " + ", ".join(f"{kind.value} {told[kind]}" for kind in Kind))
    ways = _print_games(ground)
    coverage = {p.name: _coverage(ground, p) for p in ground.players if "fisherman" in p.name}
    for name, seen in coverage.items():
        print(f"  {name}: saw {seen.seen} results, checked {seen.checked}, missed {seen.late}")
    statuses = Counter(market.task(t).status for t in (*requests.shown, *requests.hidden))
    ends = {TaskStatus.FINAL: len(requests.shown), TaskStatus.REFUNDED: len(requests.hidden)}
    full, accounts = coverage["fisherman-full"], audit.accounts(ground)
    promises = {
        f"all {plan.lies} planned lies were told, {len(Kind)} kinds": len(false) == plan.lies,
        f"honest results were challenged in all {WAYS} ways": len(+ways) == WAYS,
        "the full fisherman saw every result and missed none": full.seen == len(results)
        and not full.late,
        "what is slashed is what is false": false == slashed,
        "no task, result, game or stake is open": statuses == Counter(+Counter(ends))
        and not any(account.locked for account in accounts.values()),
        "every process ran to the end and stopped in order": not disorderly,
        "the vault holds what its accounts hold and what was burned": _is_backed(ground),
    }
    return _print_money(ground, accounts) + _print_health(ground) + _print_promises(promises)


def _print_games(ground: Ground) -> Counter[int]:
    """Print how games ended; return how often honest results were challenged in each way."""
    games = ground.contracts.games
    names = {player.address: player.name for player in ground.players}
    ended = Counter[tuple[str, str]]()
    ways = Counter[int]()
    honest = {p.address for p in ground.players if p.is_honest}
    own = 0
    for challenge in games.challenges():
        name, status = names[challenge.challenger], games.game(challenge.game_id).status
        ended[name, status.name.lower()] += 1
        if name == "slanderer":
            executor = _executor_of(ground, challenge.assertion_id)
            ways[own % WAYS] += executor in honest and status is GameStatus.LOST
            own += 1
    for (name, end), number in sorted(ended.items()):
        print(f"  games of {name}: {number} {end}")
    return ways


def _print_money(ground: Ground, accounts: dict[str, audit.Account]) -> int:
    """Print each account; return how many honest ones lost anything or cannot be explained."""
    print(f"  {'ether':<22} {'earned':>8} {'lost':>8} {'gas':>21} {'unexplained wei':>16}")
    kept: dict[str, bool] = {}
    for player in ground.players:
        account = accounts[player.name]
        kept[player.name] = account.rest == 0 and not (player.is_honest and account.lost)
        shown = (in_ether(value).removesuffix(" ETH") for value in (account.earned, account.lost))
        row = "".join(f" {value:>8}" for value in shown)
        gas = in_ether(account.gas).removesuffix(" ETH")
        print(f"  {_mark(kept[player.name])} {player.name:<15}{row} {gas:>21} {account.rest:>16}")
    return sum(not is_kept for is_kept in kept.values())


def _print_health(ground: Ground) -> int:
    """Print memory and open files; return how many processes grew."""
    print(f"  {'MiB':<22} {'RSS':>5} {'PSS':>5} {'growth':>7} {'PSS':>7}  open files, by halves")
    broken = 0
    for player in ground.players:
        health = player.health
        half, is_kept = len(health.files) // 2, health.is_flat
        broken += not is_kept
        if half < 2:
            print(f"  {_mark(False)} {player.name:<15} too few samples: {len(health.files)}")
            continue
        print(
            f"  {_mark(is_kept)} {player.name:<15} {health.rss[-1] / 1024:>5.0f} "
            f"{health.pss[-1] / 1024:>5.0f} {growth(health.rss):>+7.2%} "
            f"{growth(health.pss):>+7.2%}  {max(health.files[:half])}, {max(health.files[half:])}"
        )
    print(f"  growth: of a line through the second half, kept up to {LARGEST_GROWTH:.0%} of RSS")
    return broken


def _print_promises(promises: dict[str, bool]) -> int:
    for text, is_kept in promises.items():
        print(f"  {_mark(is_kept)} {text}")
    return sum(not is_kept for is_kept in promises.values())


def _mark(is_kept: bool) -> str:
    return "kept  " if is_kept else "BROKEN"


def _executor_of(ground: Ground, assertion_id: AssertionId) -> str:
    return ground.contracts.market.assertion(assertion_id).executor


def _is_backed(ground: Ground) -> bool:
    """Say whether the vault's ether is what its accounts hold, and what was burned."""
    vault = ground.contracts.vault
    addresses = [ground.requester.address, *(player.address for player in ground.players)]
    held = sum(vault.balance(address).total for address in addresses)
    return ground.anvil.balance(vault.address) == held + vault.burned()


def _coverage(ground: Ground, player: Player) -> Coverage:
    """Return what a fisherman did, from its own file."""
    (path,) = (ground.folder / "data").glob(f"*{player.address.lower()}.sqlite")
    database = open_database(path, readonly=True)
    total = sum(coverage_of(database).values(), Coverage())
    database.close()
    return total


def _asserted(ground: Ground) -> int:
    return len(ground.contracts.market.events("Asserted"))
