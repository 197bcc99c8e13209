"""Many players over one result, each in a thread of its own, before a mempool that all can see."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from eth_utils.address import to_checksum_address

from executor.actor import Executor
from fisherman.actor import Fisherman
from infernet.chain.errors import ChainError
from infernet.chain.market import AssertionFound
from infernet.chain.records import Address, GameId, GameStatus, Seconds, Wei
from infernet.chain.wallet import KeySigner, Wallet

from .town import Town

_BLOCK_SECONDS = 0.15
_TIP_WEI = 50 * 10**9
_VERDICTS = ("StepProved", "TimedOut", "CommitForfeited")


@dataclass
class Participant:
    """A player in the crowd. `may_act`: whether it takes its turn now; others always do."""

    wallet: Wallet
    actor: Executor | Fisherman
    may_act: Callable[[], bool] = lambda: True

    @property
    def address(self) -> Address:
        return self.wallet.address


@dataclass
class CopyCat:
    """Sends every call that others send from its own account, paying more to come first."""

    town: Town
    wallet: Wallet
    copied: set[bytes] = field(default_factory=set)
    sent: int = 0

    def look(self) -> None:
        """Copy what waits in the mempool and what the latest block holds."""
        rpc = self.town.anvil.rpc
        waiting = [
            found
            for by_nonce in rpc("txpool_content")["pending"].values()
            for found in by_nonce.values()
        ]
        latest = rpc("eth_getBlockByNumber", "latest", True)["transactions"]
        for found in (*waiting, *latest):
            data = bytes.fromhex(found["input"][2:])
            is_own = found["from"].lower() == self.wallet.address.lower()
            if found["to"] is None or not data or is_own or data in self.copied:
                continue
            self.copied.add(data)
            self._send(found, data)

    def _send(self, found: dict[str, str], data: bytes) -> None:
        rpc, signer = self.town.anvil.rpc, self.wallet.signer
        assert isinstance(signer, KeySigner)
        nonce = int(rpc("eth_getTransactionCount", self.wallet.address, "pending"), 16)
        raw, _ = signer.sign(
            {
                "type": 2,
                "chainId": self.town.chain.chain_id,
                "nonce": nonce,
                "to": to_checksum_address(found["to"]),
                "value": int(found["value"], 16),
                "data": data,
                "gas": int(found["gas"], 16),
                "maxFeePerGas": int(found["maxFeePerGas"], 16) + _TIP_WEI,
                "maxPriorityFeePerGas": _TIP_WEI,
            }
        )
        rpc("eth_sendRawTransaction", "0x" + raw.hex())
        self.sent += 1


@dataclass
class Crowd:
    """Participants that take turns at once, block after block."""

    town: Town
    participants: list[Participant]
    cat: CopyCat | None = None
    rounds: int = 0
    errors: list[str] = field(default_factory=list)

    def play(self, has_ended: Callable[[], bool], jump_seconds: int = 100) -> None:
        """Let all act until the end; time jumps after a round in which nobody sent anything."""
        anvil = self.town.anvil
        anvil.automine(False)
        with ThreadPoolExecutor(len(self.participants)) as pool:
            until = time.monotonic() + 240
            while not has_ended():
                assert time.monotonic() < until, f"no end after {self.rounds} rounds"
                if not self._round(pool):
                    anvil.skip(jump_seconds)
        anvil.automine(True)

    def _round(self, pool: ThreadPoolExecutor) -> bool:
        """Let everybody take a turn while blocks are mined; return whether anybody acted."""
        self.rounds += 1
        turns = [pool.submit(self._turn, each) for each in self.participants if each.may_act()]
        while not all(turn.done() for turn in turns):
            time.sleep(_BLOCK_SECONDS)
            if self.cat:
                self.cat.look()
            self.town.anvil.mine()
        return any(turn.result() for turn in turns)

    def _turn(self, participant: Participant) -> bool:
        try:
            return participant.actor.tick()
        except ChainError as error:
            # The daemon's loop goes on after such an error; so does this one.
            self.errors.append(f"{type(error).__name__}: {error}")
            return True


def the_result(town: Town) -> AssertionFound:
    """Return the first result on chain."""
    return town.contracts.market.assertions()[0]


def assert_result(town: Town, executor: Participant) -> AssertionFound:
    """Let a miner claim and assert the town's task, and return the result."""
    while not town.contracts.market.assertions():
        executor.actor.tick()
    return the_result(town)


def waits_until_late(town: Town, address: Address, slack_seconds: int = 120) -> Callable[[], bool]:
    """Return a rule for whoever moves in the last moment that its clock allows."""
    games = town.contracts.games

    def may_act() -> bool:
        own = games.challenges(challenger=address)
        if not own:
            return True
        record = games.game(own[0].game_id)
        mine = (GameStatus.COMMITTED, GameStatus.CHALLENGER_TURN)
        now = town.chain.next_timestamp()
        return record.status not in mine or record.deadline - now <= slack_seconds

    return may_act


def stops_after(town: Town, address: Address, moves: int) -> Callable[[], bool]:
    """Return a rule for whoever makes so many moves, the commit included, and no more."""
    games = town.contracts.games

    def may_act() -> bool:
        own = games.challenges(challenger=address)
        if not own:
            return True
        made = [d for d in games.dissections(own[0].game_id) if d.by_challenger]
        return 1 + len(made) < moves

    return may_act


def durations(town: Town) -> dict[GameId, int]:
    """Return how long each decided game took, from its commit to its verdict, in seconds."""
    games, found = town.contracts.games, dict[GameId, int]()
    for challenge in games.challenges():
        for name in _VERDICTS:
            for event in games.events(name, gameId=challenge.game_id):
                began = _time_of(town, challenge.block_number)
                found[challenge.game_id] = _time_of(town, event.block_number) - began
    return found


def bound_seconds(town: Town) -> int:
    """Return the contract's bound from a commit to its verdict."""
    return int(town.contracts.games.view("maxDisputeSeconds", town.steps))


def bonds_left(town: Town) -> Wei:
    """Return what is still locked for games."""
    games = town.contracts.games
    return Wei(sum(games.game(each.game_id).bond for each in games.challenges()))


def _time_of(town: Town, block: int) -> Seconds:
    found = town.anvil.rpc("eth_getBlockByNumber", hex(block), False)
    return Seconds(int(found["timestamp"], 16))
