"""Who mines for this gateway, and to whom each open task is offered first; in memory alone.

An offer is a courtesy: whoever claims a task on chain has it, member or not. A restart forgets all
members, and they join again.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import Lock

from infernet.chain.records import Address, ProgramRoot, TaskId, Wei

from ..errors import NoRoom, NotAMember
from ..store.records import Order
from .draw import chance, draw

Score = Callable[[Address], float]
# None: not known yet.
Deposit = Callable[[Address], Wei | None]

TOKEN_PREFIX = "inp_"
_SECRET_BYTES = 32
_ID_DIGITS = 16
_SCORE_SECONDS = 15.0
# What is known of deposits may be older than a member's own.
_FRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Times of a pool, in seconds of this machine's clock.

    `head_start_seconds`: that a task is offered to one member alone. `absent_seconds`: without a
    poll, after which a member has left. `lapse_seconds`: that a member counts less who let a head
    start pass. `session_seconds`: until a member has to sign again, which reads its deposit again.
    """

    head_start_seconds: float = 5.0
    absent_seconds: float = 45.0
    lapse_seconds: float = 60.0
    session_seconds: float = 3_600.0
    challenge_seconds: int = 60
    most_members: int = 1_000
    most_tasks: int = 1_000


DEFAULTS = PoolSettings()


@dataclass(frozen=True, slots=True)
class Member:
    """A miner as it joined. `id`: the same for an account each time; `models`: it runs them."""

    id: str
    address: Address
    models: frozenset[ProgramRoot]
    deposit_wei: Wei


@dataclass(frozen=True, slots=True)
class Place:
    """How a member fares. `offered`, `lapses`: head starts it had, and let pass."""

    member: Member
    score: float
    room: int
    offered: int
    lapses: int
    joined_seconds: float


@dataclass(frozen=True, slots=True)
class Offer:
    """An open task. `holder`: the member it is offered to first until `until`; None: nobody.

    `is_for_all`: whether its head start is over, so that the others may claim it too.
    """

    order: Order
    holder: Address | None
    until: float
    is_for_all: bool


@dataclass(slots=True)
class _Seat:
    member: Member
    token_hash: bytes
    joined_at: float
    expires_at: float
    seen_at: float
    score: float
    scored_at: float
    room: int = 0
    polls: int = 0
    offered: int = 0
    lapses: int = 0
    lapsed_until: float = float("-inf")


class Pool:
    """Members and offers; threads may share it.

    `score`: 0 to 1; `deposit`: that an account has now; `clock`: monotonic seconds.
    """

    def __init__(
        self,
        settings: PoolSettings,
        score: Score,
        deposit: Deposit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._score, self._deposit, self._clock = score, deposit, clock
        self._lock = Lock()
        self._seats: dict[Address, _Seat] = {}
        self._by_token: dict[bytes, Address] = {}
        self._offers: dict[TaskId, Offer] = {}

    def join(
        self, address: Address, models: Iterable[ProgramRoot], deposit_wei: Wei
    ) -> tuple[Member, str]:
        """Take an account in and return it with its session's token; an earlier session ends.

        Raises NoRoom.
        """
        token, now = TOKEN_PREFIX + secrets.token_hex(_SECRET_BYTES), self._clock()
        member = Member(_id_of(address), address, frozenset(models), deposit_wei)
        score = self._score(address)
        with self._lock:
            self._drop_absent(now)
            old = self._seats.get(address)
            if old is None and len(self._seats) >= self.settings.most_members:
                self._drop_withdrawn(now)
            if old is None and len(self._seats) >= self.settings.most_members:
                raise NoRoom(f"the pool has {len(self._seats)} members; name another gateway too")
            end = now + self.settings.session_seconds
            seat = _Seat(member, _hash(token), now, end, now, score, now)
            if old is not None:
                self._by_token.pop(old.token_hash)
                seat.offered, seat.lapses, seat.polls = old.offered, old.lapses, old.polls
                seat.lapsed_until = old.lapsed_until
            self._seats[address] = seat
            self._by_token[seat.token_hash] = address
        return member, token

    def member(self, token: str) -> Member | None:
        """Return whose session a token is of, None if it is over."""
        with self._lock:
            self._drop_absent(self._clock())
            address = self._by_token.get(_hash(token))
            return None if address is None else self._seats[address].member

    def leave(self, member: Member) -> None:
        """Let a member go; its tasks are offered to others at once."""
        with self._lock:
            self._drop(member.address)
            self._draw(self._clock())

    def poll(self, member: Member, room: int) -> int:
        """Note that a member is here and could take so many tasks now; return this poll's number.

        Raises NotAMember.
        """
        with self._lock:
            seat = self._seats.get(member.address)
            if seat is None:
                raise NotAMember("this session has ended; join the pool again")
            seat.seen_at, seat.room, seat.polls = self._clock(), room, seat.polls + 1
            return seat.polls

    def is_latest(self, member: Member, poll: int) -> bool:
        """Return whether a member has not asked again since a poll."""
        with self._lock:
            seat = self._seats.get(member.address)
            return seat is not None and seat.polls == poll

    def hang_up(self, member: Member, poll: int) -> None:
        """Note that the connection of a poll broke: nothing is offered before there is another."""
        with self._lock:
            seat = self._seats.get(member.address)
            if seat and seat.polls == poll:
                seat.room = 0
                self._release(member.address)
                self._draw(self._clock())

    def update(self, orders: Sequence[Order]) -> bool:
        """Bring the offers in line with the open tasks; return whether they changed."""
        now = self._clock()
        with self._lock:
            before = dict(self._offers)
            self._drop_absent(now)
            wanted = {order.id: order for order in orders}
            self._offers = {id_: self._offers[id_] for id_ in self._offers if id_ in wanted}
            for id_, offer in self._offers.items():
                if offer.until > now:
                    continue
                if offer.holder is not None and not offer.is_for_all:
                    self._lapse(offer.holder, now)
                self._offers[id_] = Offer(offer.order, None, math.inf, is_for_all=True)
            for id_, order in wanted.items():
                self._offers.setdefault(id_, Offer(order, None, now, is_for_all=False))
            self._draw(now)
            return self._offers != before

    def work(self, member: Member) -> list[Offer]:
        """Return what a member may claim now: what is its own first, then what is for all."""
        with self._lock:
            found = [
                offer
                for offer in self._offers.values()
                if offer.order.program_root in member.models
                and (offer.is_for_all or offer.holder == member.address)
            ]
        return sorted(found, key=lambda offer: offer.holder != member.address)

    def is_offered(self, member: Member, task_id: TaskId) -> bool:
        """Return whether a member may claim a task now."""
        return any(offer.order.id == task_id for offer in self.work(member))

    def seconds_left(self, member: Member, offer: Offer) -> float:
        """Return how long a member comes first."""
        return max(0.0, offer.until - self._clock()) if offer.holder == member.address else 0.0

    def places(self) -> list[Place]:
        """Return the members, who joined first before the others."""
        now = self._clock()
        with self._lock:
            self._drop_absent(now)
            return [
                Place(
                    seat.member,
                    self._scored(seat, now),
                    seat.room,
                    seat.offered,
                    seat.lapses,
                    now - seat.joined_at,
                )
                for seat in self._seats.values()
            ]

    @property
    def size(self) -> int:
        """Return how many members there are."""
        return len(self._seats)

    # Each of these is called with the lock held.

    def _drop_absent(self, now: float) -> None:
        since = now - self.settings.absent_seconds
        gone = [
            address
            for address, seat in self._seats.items()
            if seat.seen_at < since or seat.expires_at <= now
        ]
        for address in gone:
            self._drop(address)
        if gone:
            self._draw(now)

    def _drop_withdrawn(self, now: float) -> None:
        """Drop who took most of its deposit back: one must not fill the pool account by account."""
        gone = [
            address
            for address, seat in self._seats.items()
            if self._deposited(seat, now) < seat.member.deposit_wei // 2
        ]
        for address in gone:
            self._drop(address)
        if gone:
            self._draw(now)

    def _drop(self, address: Address) -> None:
        if seat := self._seats.pop(address, None):
            self._by_token.pop(seat.token_hash)
            self._release(address)

    def _release(self, address: Address) -> None:
        """Take back what a member was offered first; `_draw` offers it again."""
        now = self._clock()
        for id_, offer in self._offers.items():
            if offer.holder == address:
                self._offers[id_] = replace(offer, holder=None, until=now)

    def _draw(self, now: float) -> None:
        """Offer what nobody has yet to one member each, as far as those have room.

        What nobody has room for is for all at once, and still drawn when somebody has: members take
        their own first, so that they do not race for the rest.
        """
        room = {address: seat.room for address, seat in self._seats.items()}
        for offer in self._offers.values():
            if offer.holder in room:
                room[offer.holder] -= 1
        for id_, offer in self._offers.items():
            if offer.holder is not None:
                continue
            chances = [
                (address, self._chance(seat, now))
                for address, seat in self._seats.items()
                if room[address] > 0
                and offer.order.program_root in seat.member.models
                # Who is idle had its head start.
                and not (offer.is_for_all and now < seat.lapsed_until)
            ]
            holder = draw(id_, chances)
            if holder is None:
                self._offers[id_] = replace(offer, until=math.inf, is_for_all=True)
                continue
            room[holder] -= 1
            self._seats[holder].offered += not offer.is_for_all
            until = now + self.settings.head_start_seconds
            self._offers[id_] = replace(offer, holder=holder, until=until)

    def _chance(self, seat: _Seat, now: float) -> float:
        has_lapsed = now < seat.lapsed_until
        return chance(self._scored(seat, now), self._deposited(seat, now), has_lapsed=has_lapsed)

    def _deposited(self, seat: _Seat, now: float) -> Wei:
        """Return what a member has deposited, as much as when it joined at most."""
        joined = seat.member.deposit_wei
        found = (
            None if now - seat.joined_at < _FRESH_SECONDS else self._deposit(seat.member.address)
        )
        return joined if found is None else min(joined, found)

    def _scored(self, seat: _Seat, now: float) -> float:
        if now - seat.scored_at > _SCORE_SECONDS:
            seat.score, seat.scored_at = self._score(seat.member.address), now
        return seat.score

    def _lapse(self, address: Address, now: float) -> None:
        if seat := self._seats.get(address):
            seat.lapses += 1
            seat.lapsed_until = now + self.settings.lapse_seconds


def _id_of(address: Address) -> str:
    return sha256(b"infernet pool" + bytes.fromhex(address[2:])).hexdigest()[:_ID_DIGITS]


def _hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
