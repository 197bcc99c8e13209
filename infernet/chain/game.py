"""Challenges and their games: moves and views (DisputeGame.sol)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from .contract import Contract
from .logs import Event
from .records import (
    Address,
    AssertionId,
    Contest,
    GameConstants,
    GameId,
    GameRecord,
    Seconds,
    Wei,
)
from .wallet import Sent, Wallet


@dataclass(frozen=True, slots=True)
class NamedSegment:
    """A segment of the opponent's dissection, with the path that proves it."""

    index: int
    start_hash: bytes
    end_hash: bytes
    siblings: Sequence[bytes]

    @property
    def arguments(self) -> tuple[int, bytes, bytes, list[bytes]]:
        """Return the segment as the contract takes it."""
        return self.index, self.start_hash, self.end_hash, list(self.siblings)


@dataclass(frozen=True, slots=True)
class DissectedFound:
    """A dissection as its event tells it; `hashes` leave out the one at the start."""

    game_id: GameId
    by_challenger: bool
    start: int
    length: int
    start_hash: bytes
    hashes: tuple[bytes, ...]
    block_number: int


@dataclass(frozen=True, slots=True)
class ChallengeFound:
    """A committed challenge as its event tells it."""

    game_id: GameId
    assertion_id: AssertionId
    challenger: Address
    bond: Wei
    open_deadline: Seconds
    block_number: int


def commitment_of(
    assertion_id: AssertionId, challenger: Address, final_hash: bytes, salt: bytes
) -> bytes:
    """Return what a challenger commits to before it opens."""
    kinds = ["bytes32", "address", "bytes32", "bytes32"]
    return bytes(keccak(encode(kinds, [assertion_id, challenger, final_hash, salt])))


def game_id_of(assertion_id: AssertionId, challenger: Address, commitment: bytes) -> GameId:
    """Return the id of the game that a commitment begins."""
    kinds = ["bytes32", "address", "bytes32"]
    return GameId(bytes(keccak(encode(kinds, [assertion_id, challenger, commitment]))))


class Games(Contract):
    """The dispute game of one deployment."""

    def constants(self) -> GameConstants:
        """Return the parameters fixed at deployment."""
        return self.view_struct(GameConstants, "constants")

    def game(self, game_id: GameId) -> GameRecord:
        """Return a game as it stands."""
        return self.view_struct(GameRecord, "game", game_id)

    def contest(self, assertion_id: AssertionId) -> Contest:
        """Return all games over an assertion together."""
        return self.view_struct(Contest, "contest", assertion_id)

    def bond_for(self, assertion_id: AssertionId) -> Wei:
        """Return the bond of the next commit."""
        return Wei(self.view("bondFor", assertion_id))

    def clock_for(self, steps: int) -> Seconds:
        """Return each player's clock in a game over so many steps."""
        return Seconds(self.view("clockFor", steps))

    def is_clear(self, assertion_id: AssertionId) -> bool:
        """Return whether no game stands in the way of finality."""
        return bool(self.view("isClear", assertion_id))

    def is_voided(self, assertion_id: AssertionId) -> bool:
        """Return whether the assertion was defeated."""
        return bool(self.view("isVoided", assertion_id))

    def commit(
        self, wallet: Wallet, assertion_id: AssertionId, commitment: bytes, bond: Wei, value: Wei
    ) -> Sent:
        """Commit a challenge for at most `bond`; `value` is deposited first."""
        return self.send(wallet, "commit", assertion_id, commitment, bond, value=value)

    def open(self, wallet: Wallet, game_id: GameId, salt: bytes, hashes: Sequence[bytes]) -> Sent:
        """Open a game with the first dissection."""
        return self.send(wallet, "open", game_id, salt, list(hashes))

    def open_with_proof(
        self, wallet: Wallet, game_id: GameId, salt: bytes, final_hash: bytes, proof: bytes
    ) -> Sent:
        """Open and win a game over a single step."""
        return self.send(wallet, "openWithProof", game_id, salt, final_hash, proof)

    def dissect(
        self, wallet: Wallet, game_id: GameId, segment: NamedSegment, hashes: Sequence[bytes]
    ) -> Sent:
        """Dissect a segment of the opponent's last dissection."""
        return self.send(wallet, "dissect", game_id, *segment.arguments, list(hashes))

    def prove(self, wallet: Wallet, game_id: GameId, segment: NamedSegment, proof: bytes) -> Sent:
        """Prove a one-step segment false, and win."""
        return self.send(wallet, "prove", game_id, *segment.arguments, proof)

    def timeout(self, wallet: Wallet, game_id: GameId) -> Sent:
        """Decide a game against the player whose deadline has passed."""
        return self.send(wallet, "timeout", game_id)

    def forfeit(self, wallet: Wallet, game_id: GameId) -> Sent:
        """Decide a commit that was not opened in time."""
        return self.send(wallet, "forfeit", game_id)

    def settle(self, wallet: Wallet, game_id: GameId) -> Sent:
        """Move the bond of a decided game to where it belongs."""
        return self.send(wallet, "settle", game_id)

    def claim_priority(self, wallet: Wallet, game_id: GameId, final: bytes, salt: bytes) -> Sent:
        """Replace the reward's candidate by an earlier game of the same final hash."""
        return self.send(wallet, "claimPriority", game_id, final, salt)

    def claim_reward(self, wallet: Wallet, assertion_id: AssertionId) -> Sent:
        """Pay a quarter of the slashed stake to the candidate."""
        return self.send(wallet, "claimReward", assertion_id)

    def challenges(self, since_block: int = 0, **filters: object) -> list[ChallengeFound]:
        """Return the challenges from a block on; `filters`: assertionId, gameId, challenger."""
        found = self.events("ChallengeCommitted", since_block, **filters)
        return [_challenge_of(event) for event in found]

    def open_challenges(self, **filters: object) -> list[ChallengeFound]:
        """Return the challenges whose bond has not moved yet; `filters` as for `challenges`."""
        return [_challenge_of(event) for event in self.open_events("ChallengeCommitted", **filters)]

    def dissections(self, game_id: GameId, since_block: int = 0) -> list[DissectedFound]:
        """Return the dissections of a game, oldest first."""
        return [
            DissectedFound(
                game_id,
                bool(event["byChallenger"]),
                int(event["start"]),
                int(event["length"]),
                bytes(event["startHash"]),
                tuple(bytes(value) for value in event["hashes"]),
                event.block_number,
            )
            for event in self.events("Dissected", since_block, gameId=game_id)
        ]


def _challenge_of(event: Event) -> ChallengeFound:
    return ChallengeFound(
        GameId(bytes(event["gameId"])),
        AssertionId(bytes(event["assertionId"])),
        event["challenger"],
        Wei(event["bond"]),
        Seconds(event["openDeadline"]),
        event.block_number,
    )
