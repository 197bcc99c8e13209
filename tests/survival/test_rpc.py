"""The same disputes behind faulty endpoints, on a chain that reorganises, on a node that dies."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.anvil import Anvil, needs_anvil, running
from tests.proxy import faulty

from .scenes import Story, tell
from .town import LONG_SEED, new_town

PASSING = {"drop": 0.05, "lose": 0.05, "throttle": 0.02, "fail": 0.05, "truncate": 0.05}
ALL_FAULTS = (
    {"lie": True},
    {"stale_blocks": 3},
    {"drop": 0.3},
    {"lose": 0.3},
    {"delay": 0.2, "delay_seconds": 0.5},
    {"duplicate": 1.0},
    {"throttle": 0.2, "retry_after": 0.2},
    {"fail": 0.3},
    {"truncate": 0.3},
)


def play_behind(anvil: Anvil, folder: Path, *faults: dict[str, Any]) -> None:
    """Tell the story behind three endpoints with these faults."""
    town = new_town(anvil, LONG_SEED)
    with ExitStack() as stack:
        proxies = [stack.enter_context(faulty(anvil.url, **each)) for each in faults]
        tell(town, folder, tuple(proxy.url for proxy in proxies))
        for proxy, wanted in zip(proxies, faults, strict=True):
            hit = [name for name in wanted if name in proxy.counts]
            assert hit or not wanted, f"no fault of {sorted(wanted)} ever happened"


def test_one_endpoint_lies(anvil: Anvil, tmp_path: Path) -> None:
    play_behind(anvil, tmp_path, {"lie": True}, {}, {})


def test_one_endpoint_lags_and_another_repeats(anvil: Anvil, tmp_path: Path) -> None:
    play_behind(anvil, tmp_path, {"stale_blocks": 3}, {"duplicate": 1.0}, {})


def test_all_endpoints_fail_now_and_then(anvil: Anvil, tmp_path: Path) -> None:
    play_behind(anvil, tmp_path, PASSING, PASSING, PASSING)


@pytest.mark.slow
@pytest.mark.parametrize("faults", ALL_FAULTS, ids=lambda faults: next(iter(faults)))
def test_each_fault_alone(anvil: Anvil, tmp_path: Path, faults: dict[str, Any]) -> None:
    play_behind(anvil, tmp_path, {}, faults, {})


@dataclass
class Upheaval:
    """Undoes the chain's last blocks once after each new call of an honest player."""

    depths: tuple[int, ...]
    done: set[bytes] = field(default_factory=set)
    last: int = 0

    def __call__(self, story: Story) -> None:
        anvil = story.town.anvil
        head = int(anvil.rpc("eth_blockNumber"), 16)
        if head == self.last:
            return
        honest = {actor.address.lower() for actor in story.honest}
        for number in range(max(0, head - 2), head + 1):
            block = anvil.rpc("eth_getBlockByNumber", hex(number), True)
            for found in block["transactions"]:
                data = bytes.fromhex(found["input"][2:])
                if found["from"].lower() in honest and data not in self.done:
                    self.done.add(data)
                    self.strike(story, self.depths[len(self.done) % len(self.depths)])
        self.last = int(anvil.rpc("eth_blockNumber"), 16)

    def strike(self, story: Story, depth: int) -> None:
        """Replace so many blocks by empty ones."""
        story.town.anvil.reorg(depth)


class PowerCut(Upheaval):
    """Kills the node after some of the calls, a moment after it saved its state or before."""

    def strike(self, story: Story, depth: int) -> None:
        if depth:
            anvil = story.town.anvil
            time.sleep(depth)
            anvil.kill()
            anvil.start()


def test_a_reorganisation_after_each_call_changes_nothing(anvil: Anvil, tmp_path: Path) -> None:
    town = new_town(anvil, LONG_SEED)
    upheaval = Upheaval((1, 2, 3, 4, 5))
    tell(town, tmp_path, (), upheaval, confirmations=8)
    assert len(upheaval.done) >= 10


@needs_anvil
def test_a_node_that_is_killed_and_comes_back_changes_nothing(tmp_path: Path) -> None:
    with running(state=tmp_path / "chain.json") as anvil:
        town = new_town(anvil, LONG_SEED)
        time.sleep(1.5)
        cut = PowerCut((0, 0, 2, 1))
        tell(town, tmp_path, (), cut, confirmations=8)
        assert len(cut.done) >= 8
