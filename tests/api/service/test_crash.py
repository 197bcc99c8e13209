"""Kill a real gateway everywhere: what was accepted is on chain once, and paid once."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from api.store.records import TaskState
from infernet.chain.records import TaskId
from infernet.chain.wallet import KeySigner
from tests.anvil import Anvil, needs_anvil
from tests.survival.town import Town, new_town, payments

from ..office import FEE, Miner, await_state, funded_key, gateway_on, until
from .clerk import Post, serve

pytestmark = needs_anvil

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.api.service.clerk"])
_MOMENTS = {"UNJOURNALLED", "UNSENT", "SENT", "SEEN", "RECORDED"}


def start(post: Post) -> BaseProcess:
    process = _PROCESSES.Process(target=serve, args=(post,), daemon=True)
    process.start()
    return process


def live_until(
    town: Town, post: Post, is_over: Callable[[], bool], kill_after: Callable[[], float] | None
) -> int:
    """Start the gateway whenever it is dead until something is so; return how often it died."""
    deaths, process = 0, start(post)
    end, next_kill = time.monotonic() + 150, time.monotonic() + (kill_after() if kill_after else 0)
    try:
        while not is_over():
            assert time.monotonic() < end, (post.folder / "log").read_text()[-3_000:]
            # Blocks come by themselves, so that what was sent waits in the mempool for a while.
            town.anvil.mine()
            time.sleep(0.05)
            if kill_after and time.monotonic() > next_kill and deaths < 40:
                process.kill()
                process.join()
                next_kill = time.monotonic() + kill_after()
            if not process.is_alive():
                process.join()
                assert process.exitcode == -signal.SIGKILL, (post.folder / "log").read_text()
                deaths, process = deaths + 1, start(post)
    finally:
        process.kill()
        process.join()
    return deaths


def answers(post: Post) -> dict[int, set[TaskId]]:
    """Return the ids that a client was told for each of its wishes."""
    told: dict[int, set[TaskId]] = {}
    for line in post.answers.read_text().splitlines() if post.answers.exists() else ():
        number, id_ = line.split()
        told.setdefault(int(number), set()).add(TaskId(bytes.fromhex(id_)))
    return told


def require_once(town: Town, post: Post) -> list[TaskId]:
    """Check that each wish became one task, on chain once, paid once; return the ids."""
    told = answers(post)
    assert sorted(told) == list(range(post.wishes))
    assert all(len(ids) == 1 for ids in told.values()), "a client was told two ids for one wish"
    ids = [task_id for found in told.values() for task_id in found]
    me = KeySigner.of_key(post.key).address
    requests = Counter(e.task_id for e in town.contracts.market.requests() if e.requester == me)
    assert requests == Counter(ids)
    paid = payments(town.anvil)[me.lower()]
    assert max(Counter(paid.calls).values()) == 1 or _only_deposits_repeat(paid.calls)
    vault = town.contracts.vault.balance(me)
    assert vault.locked == post.wishes * FEE
    return ids


def _only_deposits_repeat(calls: tuple[bytes, ...]) -> bool:
    """Say whether nothing but deposits (no arguments) was done more than once."""
    return all(len(call) == 4 for call, count in Counter(calls).items() if count > 1)


def post_for(town: Town, folder: Path, wishes: int, fired: Path | None) -> Post:
    key = funded_key(town.anvil)
    deployment, url = town.contracts.deployment, town.anvil.url
    return Post(url, deployment, town.program, key, folder, fired, wishes)


def all_requested(town: Town, post: Post) -> bool:
    me = KeySigner.of_key(post.key).address
    found = [e for e in town.contracts.market.requests() if e.requester == me]
    return len(found) >= post.wishes and len(answers(post)) == post.wishes


def test_killed_at_every_point_it_sends_each_task_once(anvil: Anvil, tmp_path: Path) -> None:
    town = new_town(anvil)
    anvil.automine(False)
    post = post_for(town, tmp_path, 2, tmp_path / "fired")
    deaths = live_until(town, post, lambda: all_requested(town, post), None)
    anvil.automine(True)
    anvil.mine()
    points = [line.split("\t") for line in (tmp_path / "fired").read_text().splitlines()]
    assert deaths <= len(points)
    assert {moment for kind, _, moment in points if kind == "requestWithInput"} == _MOMENTS
    assert {kind for kind, _, _ in points} >= {"input", "row", "answer", "deposit"}
    ids = require_once(town, post)
    miner = Miner(town)
    with gateway_on(town, tmp_path, post.key) as gateway:
        for task_id in ids:
            miner.finish(task_id)
        for task_id in ids:
            await_state(gateway, task_id, TaskState.FINAL)
            kinds = [event.kind for event in gateway.events(0, task_id)]
            assert kinds == ["accepted", "requested", "claimed", "asserted", "finalised"]
        assert gateway.spent("tests") == len(ids) * FEE
    assert town.contracts.vault.balance(miner.wallet.address).total >= len(ids) * FEE


def test_killed_between_chain_and_store_it_tells_each_event_once(
    anvil: Anvil, tmp_path: Path
) -> None:
    town = new_town(anvil)
    post = post_for(town, tmp_path, 1, tmp_path / "fired")
    live_until(town, post, lambda: all_requested(town, post), None)
    (task_id,) = require_once(town, post)
    miner = Miner(town)
    miner.finish(task_id)

    def deaths_around_events() -> int:
        lines = (tmp_path / "fired").read_text().splitlines()
        return sum(line.startswith("events\t") for line in lines)

    before = deaths_around_events()

    def is_followed() -> bool:
        return deaths_around_events() >= before + 2

    live_until(town, post, is_followed, None)
    with gateway_on(town, tmp_path, post.key) as gateway:
        await_state(gateway, task_id, TaskState.FINAL)
        kinds = [event.kind for event in gateway.events(0, task_id)]
        assert kinds == ["accepted", "requested", "claimed", "asserted", "finalised"]
        row = gateway.task(task_id)
        gateway.reindex()
        assert gateway.task(task_id) == row


def test_asked_to_end_it_ends_in_order(anvil: Anvil, tmp_path: Path) -> None:
    town = new_town(anvil)
    post = post_for(town, tmp_path, 3, None)
    process = start(post)
    until(lambda: all_requested(town, post), "the requests")
    process.terminate()
    process.join(20)
    assert process.exitcode == 0, (post.folder / "log").read_text()[-3_000:]
    require_once(town, post)


@pytest.mark.slow
def test_killed_at_random_forty_times_it_sends_each_of_a_hundred_tasks_once(
    anvil: Anvil, tmp_path: Path
) -> None:
    town = new_town(anvil)
    anvil.automine(False)
    post = post_for(town, tmp_path, 100, None)
    dice = random.Random(4)

    def is_over() -> bool:
        return all_requested(town, post)

    deaths = live_until(town, post, is_over, lambda: dice.uniform(0.3, 2.0))
    anvil.automine(True)
    anvil.mine()
    assert deaths >= 5
    require_once(town, post)
