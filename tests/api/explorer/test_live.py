"""Readers learn which pages the chain has changed, also when it takes something back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest

from api.explorer import live
from api.explorer.board import Board
from api.explorer.errors import TooManyReaders
from api.explorer.live import Live, Watch
from infernet.chain.errors import RetryableChainError
from tests.anvil import Anvil
from tests.survival.town import Town, new_town

from .scene import app_over, served


@pytest.fixture
def town(anvil: Anvil) -> Town:
    return new_town(anvil)


def test_a_new_event_names_the_pages_of_all_that_it_is_about(town):
    watch = Watch(Board(town.view(), ()))
    watch.look()
    assert watch.look() is None
    wallet = town.wallet()
    task = town.request(wallet)
    change = watch.look()
    assert change is not None
    assert {f"tasks/0x{task.hex()}", f"addresses/{wallet.address}", "overview"} <= set(change.pages)
    town.anvil.mine()
    empty = watch.look()
    assert empty is not None
    assert (empty.pages, empty.block) == ((), change.block + 1)


def test_moves_of_a_dispute_change_its_result_and_its_task_too(town):
    watch = Watch(Board(town.view(), ()))
    task = town.request(town.wallet())
    liar, fisherman = town.executor(town.wallet(), 3), town.fisherman(town.wallet())
    for _ in range(3):
        liar.tick()
    watch.look()
    for _ in range(3):
        fisherman.tick()
        town.skip(10)
    change = watch.look()
    (challenge,) = town.contracts.games.challenges()
    assert change is not None
    assert {
        f"disputes/0x{challenge.game_id.hex()}",
        f"assertions/0x{challenge.assertion_id.hex()}",
        f"tasks/0x{task.hex()}",
    } <= set(change.pages)


def test_what_a_reorganisation_takes_back_has_changed(town):
    watch = Watch(Board(town.view(), ()))
    town.anvil.mine(3)
    watch.look()
    task = town.request(town.wallet())
    watch.look()
    town.anvil.reorg(1)
    change = watch.look()
    assert change is not None
    assert f"tasks/0x{task.hex()}" in change.pages


def messages(answer: httpx.Response) -> Iterator[dict[str, object]]:
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_a_reader_is_told_within_a_moment(town):
    with (
        served(app_over(town.view(), ())) as url,
        httpx.stream("GET", f"{url}/explorer/events", timeout=10) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        told = messages(answer)
        next(told)
        task = town.request(town.wallet())
        assert any(f"tasks/0x{task.hex()}" in each["pages"] for each in told)


def test_a_server_that_ends_waits_for_no_reader(town):
    with httpx.Client(timeout=10) as client:
        with served(app_over(town.view(), ())) as url:
            request = client.build_request("GET", f"{url}/explorer/events")
            answer = client.send(request, stream=True)
            told = messages(answer)
            next(told)
        # Leaving the block ended the server, and `served` fails where that takes long.
        assert list(told) == []
        answer.close()


def test_a_page_that_changed_without_a_block_is_told_too(town):
    async def read() -> None:
        found = Live(Board(town.view(), ()), 0.01)
        found.note(["tasks/0x01"])
        async with found.reading() as changes:
            first = await asyncio.wait_for(changes.get(), 5)
            # Nobody read when it was noted: who comes reads the whole page.
            assert first is not None and "tasks/0x01" not in first.pages
            found.note(["tasks/0x02"])
            told = await asyncio.wait_for(changes.get(), 5)
            assert told is not None
            assert (told.pages, told.block) == (("tasks/0x02",), first.block)
            town.anvil.mine()
            after = await asyncio.wait_for(changes.get(), 5)
            assert after is not None and after.pages == ()

    asyncio.run(read())


def test_readers_are_counted_and_the_one_too_many_is_refused(town, monkeypatch):
    monkeypatch.setattr(live, "_MOST_READERS", 1)

    async def read() -> None:
        found = Live(Board(town.view(), ()), 0.01)
        found.require_room()
        async with found.reading():
            with pytest.raises(TooManyReaders, match="reload"):
                found.require_room()
        found.require_room()

    asyncio.run(read())


def test_a_reader_that_falls_behind_is_sent_away_and_the_others_go_on(town, monkeypatch):
    monkeypatch.setattr(live, "_MOST_HELD", 2)

    async def read() -> None:
        found = Live(Board(town.view(), ()), 0.01)
        async with found.reading() as slow, found.reading() as quick:
            for _ in range(4):
                town.anvil.mine()
                assert await asyncio.wait_for(quick.get(), 5) is not None
            assert [await slow.get()] == [None]

    asyncio.run(read())


def test_looking_goes_on_after_the_chain_was_away(town, monkeypatch):
    found = Live(Board(town.view(), ()), 0.01)
    look, failures = found._watch.look, [RetryableChainError("away")] * 3

    def fail_at_first(also):
        if failures:
            raise failures.pop()
        return look(also)

    monkeypatch.setattr(found._watch, "look", fail_at_first)

    async def read() -> None:
        async with found.reading() as changes:
            assert await asyncio.wait_for(changes.get(), 5) is not None

    asyncio.run(read())
    assert not failures
