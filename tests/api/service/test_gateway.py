"""A gateway on a real chain: what becomes of what it accepts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from api.errors import (
    BudgetExceeded,
    InvalidTask,
    KeyReused,
    NoRoom,
    Stopping,
    UnknownModel,
    UnknownTask,
)
from api.service.gateway import ACCEPTERS, Gateway
from api.service.terms import Account, RawInput, SignedWish, TensorInput, Wish
from api.store.records import Finality, TaskRow, TaskState
from api.store.tasks import Filters
from infernet.audit.errors import NotAsserted
from infernet.audit.receipt import read_receipt, root_of
from infernet.chain.market import Request
from infernet.chain.records import ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.signed import typed_request
from infernet.chain.wallet import KeySigner, Wallet
from infernet.store.database import open_database
from tests.anvil import Anvil, needs_anvil, running
from tests.survival.town import Town, new_town, payments

from ..office import (
    ACCOUNT,
    FEE,
    SETTINGS,
    Miner,
    await_requested,
    await_state,
    funded_key,
    gateway_on,
    input_for,
    soon,
    until,
    wish,
)

pytestmark = needs_anvil


@pytest.fixture(scope="module")
def node() -> Iterator[Anvil]:
    with running() as anvil:
        yield anvil


@pytest.fixture(scope="module")
def town(node: Anvil) -> Town:
    return new_town(node)


@pytest.fixture
def gateway(town: Town, tmp_path: Path) -> Iterator[Gateway]:
    with gateway_on(town, tmp_path, funded_key(town.anvil)) as opened:
        yield opened


def accept(gateway: Gateway, town: Town, number: int, key: str | None = None) -> TaskId:
    (task_id,) = gateway.accept(wish(town, number), ACCOUNT, key).result(10).task_ids
    return task_id


def test_a_task_goes_all_the_way_to_final_with_every_event_told_once(
    gateway: Gateway, town: Town
) -> None:
    task_id = accept(gateway, town, 1)
    assert gateway.task(task_id).state is TaskState.QUEUED
    await_requested(gateway, task_id)
    miner = Miner(town)
    miner.claim(task_id)
    await_state(gateway, task_id, TaskState.RUNNING)
    result = miner.answer(task_id)
    row = await_state(gateway, task_id, TaskState.ASSERTED)
    assert row.finality is Finality.PENDING
    assert row.standing.output == town.truth(input_for(town.program, 1)).output
    town.skip(town.contracts.market_constants.window_seconds + 1)
    town.contracts.market.finalise(miner.wallet, result)
    row = await_state(gateway, task_id, TaskState.FINAL)
    assert row.finality is Finality.FINAL
    assert row.standing.executor == miner.wallet.address
    told = [(event.kind, event.state) for event in gateway.events(0, task_id)]
    assert told == [
        ("accepted", TaskState.QUEUED),
        ("requested", TaskState.QUEUED),
        ("claimed", TaskState.RUNNING),
        ("asserted", TaskState.ASSERTED),
        ("finalised", TaskState.FINAL),
    ]
    receipt = read_receipt(gateway.receipt(task_id).to_json())
    assert receipt.task.id == task_id
    assert receipt.finality.status == "final"
    assert gateway.input(task_id) == input_for(town.program, 1)


def test_a_task_that_is_not_on_chain_yet_has_no_result_to_certify(
    gateway: Gateway, town: Town
) -> None:
    town.anvil.rpc("evm_setAutomine", False)
    try:
        task_id = accept(gateway, town, 4)
        with pytest.raises(NotAsserted, match="not on chain yet"):
            gateway.receipt(task_id)
    finally:
        town.anvil.rpc("evm_setAutomine", True)
    await_requested(gateway, task_id)
    with pytest.raises(NotAsserted, match="no result yet"):
        gateway.receipt(task_id)


def test_many_tasks_are_sent_side_by_side_each_once(gateway: Gateway, town: Town) -> None:
    ids = [accept(gateway, town, number) for number in range(30)]
    await_requested(gateway, *ids)
    mine = [e for e in town.contracts.market.requests() if e.requester == gateway.wallet.address]
    assert sorted(each.task_id for each in mine) == sorted(ids)
    assert payments(town.anvil)[gateway.wallet.address.lower()].failed == 0
    vault = town.contracts.vault.balance(gateway.wallet.address)
    assert vault.locked == 30 * FEE


def test_a_repeated_key_gives_the_first_task_and_another_body_is_a_conflict(
    gateway: Gateway, town: Town
) -> None:
    first = gateway.accept(wish(town, 7), ACCOUNT, "k").result(10)
    again = gateway.accept(wish(town, 7), ACCOUNT, "k").result(10)
    assert again == replace(first, is_repeat=True)
    with pytest.raises(KeyReused):
        gateway.accept(wish(town, 8), ACCOUNT, "k").result(10)
    other = gateway.accept(wish(town, 8), Account("someone else"), "k").result(10)
    assert other.task_ids != first.task_ids


def test_a_small_task_waits_for_no_thread(gateway: Gateway, town: Town) -> None:
    # What the registry says of the model is asked once.
    accept(gateway, town, 1)
    release = Event()
    for _ in range(ACCEPTERS):
        gateway._pool.submit(release.wait)
    try:
        batch = gateway.accept_batch([wish(town, 2), wish(town, 3)], ACCOUNT)
        accept(gateway, town, 4)
        assert not batch.done()
    finally:
        release.set()
    assert len(batch.result(10).task_ids) == 2


def test_a_batch_is_accepted_whole_or_not_at_all(gateway: Gateway, town: Town) -> None:
    before = len(gateway.tasks(Filters(account=ACCOUNT.id)).tasks)
    bad = Wish("plain", RawInput(b"short"))
    with pytest.raises(InvalidTask, match="takes exactly"):
        gateway.accept_batch([wish(town, 1), bad], ACCOUNT).result(10)
    with pytest.raises(InvalidTask, match="1 to 100"):
        gateway.accept_batch([], ACCOUNT).result(10)
    assert len(gateway.tasks(Filters(account=ACCOUNT.id)).tasks) == before
    done = gateway.accept_batch([wish(town, 1), wish(town, 2)], ACCOUNT).result(10)
    assert len(done.task_ids) == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"fee_wei": Wei(-1)}, "fee_wei"),
        ({"fee_wei": Wei(SETTINGS.most_fee_wei + 1)}, "fee_wei"),
        ({"deadline_seconds": 1}, "deadline_seconds"),
        ({"deadline_seconds": 10**9}, "deadline_seconds"),
        ({"iterations": 0}, "iterations"),
        ({"iterations": 10**9}, "iterations"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(
    gateway: Gateway, town: Town, changes: dict[str, int], field: str
) -> None:
    with pytest.raises(InvalidTask) as caught:
        gateway.accept(wish(town, 1, **changes), ACCOUNT).result(10)
    assert caught.value.field == field


def test_unknown_models_and_tasks_are_named(gateway: Gateway) -> None:
    with pytest.raises(UnknownModel, match="served: plain"):
        gateway.accept(Wish("../../etc/passwd", RawInput(b"")), ACCOUNT).result(10)
    with pytest.raises(UnknownTask):
        gateway.task(TaskId(bytes(32)))


def test_a_budget_holds_what_is_under_way_and_gets_back_what_was_refunded(
    gateway: Gateway, town: Town
) -> None:
    account = Account("thrifty", Wei(2 * FEE))
    span = SETTINGS.least_deadline_seconds
    first = gateway.accept(wish(town, 1, deadline_seconds=span), account).result(10).task_ids[0]
    gateway.accept(wish(town, 2), account).result(10)
    with pytest.raises(BudgetExceeded):
        gateway.accept(wish(town, 3), account).result(10)
    await_requested(gateway, first)
    town.skip(span + 60)
    await_state(gateway, first, TaskState.REFUNDED)
    assert gateway.spent("thrifty") == FEE
    gateway.accept(wish(town, 3), account).result(10)
    assert gateway.spent("thrifty") == 2 * FEE


def test_a_request_signed_by_the_client_is_paid_by_the_client(gateway: Gateway, town: Town) -> None:
    client = KeySigner.create()
    town.anvil.fund(client.address, 1)
    town.contracts.vault.deposit(Wallet(town.chain, client), FEE)
    data = input_for(town.program, 9)
    asked = Request(ProgramRoot(town.program.root), FEE, soon(town, 3_600), 5)
    market = town.contracts.market.address
    typed = typed_request(town.chain.chain_id, market, asked, root_of(data), is_carried=True)
    signed = SignedWish(
        "plain", RawInput(data), client.address, FEE, asked.deadline, 5, client.sign_typed(typed)
    )
    forged = replace(signed, nonce=6)
    with pytest.raises(InvalidTask) as caught:
        gateway.accept_signed(forged, ACCOUNT).result(10)
    assert caught.value.field == "signature"
    bare = typed_request(town.chain.chain_id, market, asked, root_of(data), is_carried=False)
    with pytest.raises(InvalidTask, match="carried = true"):
        gateway.accept_signed(replace(signed, signature=client.sign_typed(bare)), ACCOUNT).result(
            10
        )
    spent = gateway.spent(ACCOUNT.id)
    (task_id,) = gateway.accept_signed(signed, ACCOUNT).result(10).task_ids
    await_requested(gateway, task_id)
    assert town.contracts.market.task(task_id).requester == client.address
    assert town.contracts.market.is_input_carried(task_id)
    assert town.contracts.vault.balance(client.address).locked == FEE
    assert gateway.spent(ACCOUNT.id) == spent
    assert gateway.accept_signed(signed, ACCOUNT).result(10).is_repeat


def test_a_task_that_could_not_be_sent_in_time_fails_and_costs_nothing(
    town: Town, tmp_path: Path
) -> None:
    poor = funded_key(town.anvil, 0)
    with gateway_on(town, tmp_path, poor) as gateway:
        account = Account("unlucky")
        span = SETTINGS.least_deadline_seconds
        done = gateway.accept(wish(town, 1, deadline_seconds=span), account).result(10)
        (task_id,) = done.task_ids
        until(lambda: gateway.task(task_id).trouble != "", "trouble")
        assert gateway.spent("unlucky") == FEE
        town.skip(span + 10)
        await_state(gateway, task_id, TaskState.FAILED)
        assert gateway.spent("unlucky") == 0
        assert gateway.events(0, task_id)[-1].kind == "failed"
        assert "too little ether" in gateway.events(0, task_id)[-1].data["reason"]
        assert "InsufficientBalance" in gateway.condition().errors


def test_states_follow_a_reorganisation_back_and_forth(gateway: Gateway, town: Town) -> None:
    task_id = accept(gateway, town, 11)
    await_requested(gateway, task_id)
    town.anvil.mine(4)
    miner = Miner(town)
    miner.claim(task_id)
    await_state(gateway, task_id, TaskState.RUNNING)
    town.anvil.reorg(2)
    row = await_state(gateway, task_id, TaskState.QUEUED)
    assert row.standing.executor is None
    assert [e.kind for e in gateway.events(0, task_id)][-1] == "reorganised"
    again = Miner(town)
    again.claim(task_id)
    row = await_state(gateway, task_id, TaskState.RUNNING)
    assert row.standing.executor == again.wallet.address


def test_reindexing_gives_the_same_rows(gateway: Gateway, town: Town) -> None:
    first, second = accept(gateway, town, 21), accept(gateway, town, 22)
    await_requested(gateway, first, second)
    Miner(town).finish(first)
    await_state(gateway, first, TaskState.FINAL)
    foreign = town.request(town.wallet())
    until(lambda: _is_known(gateway, foreign), "a foreign task")

    def rows() -> dict[TaskId, object]:
        return {r.order.id: replace(r, sequence=0) for r in gateway.tasks(limit=200).tasks}

    def events() -> set[tuple[object, ...]]:
        found = gateway._store.events(0, None, 10_000)
        return {(e.task_id, e.kind, e.state, json.dumps(e.data), e.block, e.place) for e in found}

    before = rows(), events()
    assert gateway.task(foreign).order.account is None
    spent = gateway.spent(ACCOUNT.id)
    gateway.reindex()
    assert (rows(), events()) == before
    assert gateway.spent(ACCOUNT.id) == spent


def _is_known(gateway: Gateway, task_id: TaskId) -> bool:
    return any(row.order.id == task_id for row in gateway.tasks().tasks)


def test_an_account_that_is_short_sends_what_it_can_pay(town: Town, tmp_path: Path) -> None:
    key = funded_key(town.anvil, 1)
    rich = Wei(SETTINGS.most_fee_wei)
    with gateway_on(town, tmp_path, key) as gateway:
        dear = [wish(town, number, fee_wei=rich) for number in range(40)]
        gateway.accept_batch(dear, ACCOUNT).result(10)
        cheap = accept(gateway, town, 99)
        await_requested(gateway, cheap)
        row = gateway.tasks(Filters(account=ACCOUNT.id), limit=200).tasks[-1]
        assert row.state is TaskState.QUEUED
        assert "too little ether" in row.trouble


def test_lost_indexes_come_back_from_the_chain(town: Town, tmp_path: Path) -> None:
    key = funded_key(town.anvil)
    with gateway_on(town, tmp_path, key) as gateway:
        first, second = accept(gateway, town, 61), accept(gateway, town, 62)
        await_requested(gateway, first, second)
        Miner(town).finish(first)
        await_state(gateway, first, TaskState.FINAL)
        rows = [gateway.task(each) for each in (first, second)]
        database = gateway.contracts.feed.index._database
    database = open_database(Path(database.name))
    for table in ("logs", "log_blocks", "open_matters"):
        database.execute(f"DELETE FROM {table}")
    database.close()
    with gateway_on(town, tmp_path, key) as gateway:
        until(lambda: gateway.condition().turns > 2, "some turns")
        assert [gateway.task(each) for each in (first, second)] == rows
    for path in tmp_path.glob("gateway.sqlite*"):
        path.unlink()
    with gateway_on(town, tmp_path, key) as gateway:
        row = _when_known(gateway, first)
        assert row.standing == rows[0].standing
        assert row.order == replace(rows[0].order, account=None)
        assert _when_known(gateway, second).standing == rows[1].standing
        assert len(town.contracts.market.events("Requested", requester=gateway.wallet.address)) == 2


def _when_known(gateway: Gateway, task_id: TaskId) -> TaskRow:
    until(lambda: gateway._store.task(task_id) is not None, "the task on chain")
    return gateway.task(task_id)


def test_a_listener_hears_the_past_and_then_the_present(gateway: Gateway, town: Town) -> None:
    task_id = accept(gateway, town, 31)

    async def hear() -> list[str]:
        heard = []
        async with gateway.listen(0, task_id) as listener:
            async for event in listener:
                heard.append(event.kind)
                if event.kind == "requested":
                    await asyncio.to_thread(Miner(town).claim, task_id)
                if event.kind == "claimed":
                    break
        return heard

    assert asyncio.run(asyncio.wait_for(hear(), 20)) == ["accepted", "requested", "claimed"]
    assert gateway.condition().listeners == 0


def test_a_false_result_is_shown_as_disputed_then_slashed_then_queued(
    gateway: Gateway, town: Town
) -> None:
    task_id = accept(gateway, town, 41)
    await_requested(gateway, task_id)
    liar = Miner(town)
    liar.claim(task_id)
    data = input_for(town.program, 41)
    false = bytearray(town.truth(data).output)
    false[0] ^= 1
    liar.answer(task_id, bytes(false))
    fisherman = town.fisherman(town.wallet())
    for _ in range(60):
        fisherman.tick()
        town.skip(200)
        if town.contracts.market.task(task_id).status == 1:
            break
    await_state(gateway, task_id, TaskState.QUEUED)
    until(lambda: gateway.task(task_id).standing.slashed == 1, "the slash")
    seen = [event.state for event in gateway.events(0, task_id, 200)]
    order = [state for at, state in enumerate(seen) if at == 0 or seen[at - 1] is not state]
    assert order[:6] == [
        TaskState.QUEUED,
        TaskState.RUNNING,
        TaskState.ASSERTED,
        TaskState.DISPUTED,
        TaskState.SLASHED,
        TaskState.QUEUED,
    ]
    assert gateway.task(task_id).standing.output is None
    (summary,) = [each for each in gateway.disputes() if each.task_id == task_id]
    assert gateway.dispute(summary.game_id).winner is not None


def test_a_full_disk_quota_and_a_full_queue_refuse_clearly(town: Town, tmp_path: Path) -> None:
    key = funded_key(town.anvil, 0)
    narrow = replace(SETTINGS, most_blob_bytes=10, most_waiting=1)
    with gateway_on(town, tmp_path, key, narrow) as gateway:
        with pytest.raises(NoRoom, match="bytes"):
            gateway.accept(wish(town, 1), ACCOUNT).result(10)
        with pytest.raises(NoRoom, match="wait to be sent"):
            gateway.accept_batch([wish(town, 1), wish(town, 2)], ACCOUNT).result(10)
        assert gateway.condition().blob_bytes == 0
    with pytest.raises(Stopping):
        gateway.accept(wish(town, 1), ACCOUNT).result(10)


def test_a_tensor_is_taken_by_the_models_coding(gateway: Gateway, town: Town) -> None:
    data = input_for(town.program, 51)
    done = gateway.accept(Wish("plain", TensorInput(list(data))), ACCOUNT).result(10)
    assert gateway.input(done.task_ids[0]) == data
    for values in (["a"], [[1, [2]]], [256] * len(data), [0.5] * len(data), [1] * (len(data) + 1)):
        with pytest.raises(InvalidTask) as caught:
            gateway.accept(Wish("plain", TensorInput(list(values))), ACCOUNT).result(10)
        assert caught.value.field == "input"


def test_lists_are_read_page_by_page(gateway: Gateway, town: Town) -> None:
    account = Account("reader")
    ids = [gateway.accept(wish(town, n), account).result(10).task_ids[0] for n in range(5)]
    mine = Filters(account="reader")
    first = gateway.tasks(mine, limit=2)
    second = gateway.tasks(mine, first.cursor, limit=2)
    last = gateway.tasks(mine, second.cursor, limit=2)
    found = [row.order.id for page in (first, second, last) for row in page.tasks]
    assert found == ids[::-1]
    assert last.cursor is None
    assert Seconds(0) < gateway.now()
