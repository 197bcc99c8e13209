"""What a gateway stands on gives way: its chain reorganises, its node dies, its disk is full."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from api.errors import GatewayError
from api.service.gateway import Gateway
from api.store.records import TaskState
from infernet.chain.records import TaskId
from infernet.chain.wallet import KeySigner
from infernet.store.errors import StoreError
from tests.anvil import Anvil, needs_anvil, running
from tests.api.office import (
    ACCOUNT,
    FEE,
    Miner,
    await_requested,
    await_state,
    funded_key,
    gateway_on,
    until,
    wish,
)
from tests.disk import small_disk

from .town import Town, new_town

_WAIT_SECONDS = 10


def accept(gateway: Gateway, town: Town, *numbers: int) -> list[TaskId]:
    """Have tasks accepted and return their ids."""
    asked = [gateway.accept(wish(town, n), ACCOUNT, f"key-{n}") for n in numbers]
    return [each.result(_WAIT_SECONDS).task_ids[0] for each in asked]


def require_once(gateway: Gateway, town: Town, key: bytes, ids: list[TaskId]) -> None:
    """Finish tasks, and check that each was requested, final and paid once."""
    me, miner = KeySigner.of_key(key).address, Miner(town)
    requests = [e.task_id for e in town.contracts.market.requests() if e.requester == me]
    assert Counter(requests) == Counter(ids)
    results = []
    for task_id in ids:
        miner.claim(task_id)
        results.append(miner.answer(task_id))
    town.skip(town.contracts.market_constants.window_seconds + 1)
    for result in results:
        town.contracts.market.finalise(miner.wallet, result)
    for task_id in ids:
        await_state(gateway, task_id, TaskState.FINAL)
    assert town.contracts.vault.balance(me).locked == 0
    assert gateway.spent(ACCOUNT.id) == len(ids) * FEE


def test_requests_that_five_lost_blocks_held_are_sent_again(anvil: Anvil, tmp_path: Path) -> None:
    town, key = new_town(anvil), funded_key(anvil)
    anvil.mine(8)
    with gateway_on(town, tmp_path, key, confirmations=8) as gateway:
        first = accept(gateway, town, 1, 2, 3)
        await_requested(gateway, *first)
        anvil.reorg(5)
        until(
            lambda: any(e.kind == "reorganised" for e in gateway.events()),
            "the reorganisation is noticed",
        )
        second = accept(gateway, town, 4)
        await_requested(gateway, *first, *second)
        require_once(gateway, town, key, [*first, *second])


@needs_anvil
def test_a_node_that_dies_and_comes_back_loses_no_task(tmp_path: Path) -> None:
    with running(state=tmp_path / "chain.json") as anvil:
        town, key = new_town(anvil), funded_key(anvil)
        time.sleep(1.5)
        with gateway_on(town, tmp_path, key) as gateway:
            first = accept(gateway, town, 1, 2)
            anvil.kill()
            # Accepting needs no chain.
            second = accept(gateway, town, 3, 4)
            anvil.start()
            await_requested(gateway, *first, *second)
            require_once(gateway, town, key, [*first, *second])


def test_a_full_disk_refuses_and_forgets_nothing(anvil: Anvil, tmp_path: Path) -> None:
    town, key = new_town(anvil), funded_key(anvil)
    with small_disk(tmp_path / "disk", 24) as disk, gateway_on(town, disk, key) as gateway:
        before = accept(gateway, town, 1, 2)
        with (disk / "rubbish").open("wb", buffering=0) as rubbish, pytest.raises(OSError):
            while True:
                rubbish.write(os.urandom(4_096))
        number = 2
        with pytest.raises((GatewayError, StoreError), match="disk"):
            while number < 100:
                number += 1
                before += accept(gateway, town, number)
        (disk / "rubbish").unlink()
        # Who was refused asks again, with the same key.
        after = accept(gateway, town, number, number + 1)
        await_requested(gateway, *before, *after)
        known = [row.order.id for row in gateway.tasks(limit=200).tasks]
        assert Counter(known) == Counter([*before, *after])
        require_once(gateway, town, key, known)
