"""The pool's desk: lets miners in who can stake, tells each what it may claim, and wakes them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock

from infernet.chain.deployment import Contracts
from infernet.chain.records import Address, ProgramRoot, Seconds, TaskId, Wei
from infernet.chain.wallet import in_ether

from ..errors import DepositTooSmall, NotAMember, NotOffered, Stopping, UnknownModel
from ..store.records import TaskRow
from ..store.tasks import TaskStore
from .catalogue import Catalogue
from .joining import Challenge, Challenges
from .pool import Deposit, Member, Offer, Place, Pool, PoolSettings, Score

# How soon it is noticed that a waiting miner hung up.
_LOOK_SECONDS = 1.0
_CURSOR_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Joined:
    """A session. `free_wei`: of the deposit, what is not locked; `needed_wei`: what one task takes.

    `models`: names of those that both the member and this gateway serve.
    """

    member: Member
    token: str
    free_wei: Wei
    needed_wei: Wei
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """What a member may claim, and how long each is for it alone. `cursor`: names this answer."""

    offers: tuple[tuple[Offer, float], ...]
    cursor: str


class PoolDesk:
    """The pool of one gateway. `url`: under which miners reach it, without a slash at its end."""

    def __init__(
        self,
        contracts: Contracts,
        catalogue: Catalogue,
        store: TaskStore,
        settings: PoolSettings,
        url: str,
        score: Score,
        deposit: Deposit,
    ) -> None:
        self._contracts, self._catalogue, self._store = contracts, catalogue, store
        deployment = contracts.deployment
        self.settings = settings
        self.challenges = Challenges(
            deployment.chain_id, deployment.market, url, settings.challenge_seconds
        )
        self.pool = Pool(settings, score, deposit)
        self._lock = Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._is_closed = False

    def join(
        self,
        address: Address,
        models: frozenset[ProgramRoot],
        challenge: Challenge,
        signature: bytes,
    ) -> Joined:
        """Take a miner in that signed a challenge.

        Raises BadChallenge, UnknownModel, DepositTooSmall, NoRoom or ChainError.
        """
        self.challenges.use(address, challenge, signature)
        served = [each for each in self._catalogue.served() if each.program_root in models]
        if not served:
            known = ", ".join(each.name for each in self._catalogue.served()) or "none"
            raise UnknownModel("models", f"none of these is served here (served: {known})")
        balance = self._contracts.vault.balance(address)
        needed = min(each.minimum_stake_wei for each in served)
        if balance.total < needed:
            raise DepositTooSmall(
                f"the vault holds {in_ether(balance.total)} of {address}, and one task takes a "
                f"stake of {in_ether(needed)}; `infernet miner register` deposits it"
            )
        roots = [each.program_root for each in served]
        member, token = self.pool.join(address, roots, balance.total)
        names = tuple(each.name for each in served)
        return Joined(member, token, balance.free, needed, names)

    def member(self, token: str) -> Member:
        """Return whose session a token is of, or raise NotAMember."""
        found = self.pool.member(token)
        if found is None:
            raise NotAMember(
                "this session is over or of another start of the gateway; join the pool again"
            )
        return found

    def leave(self, member: Member) -> None:
        """Let a miner go."""
        self.pool.leave(member)
        self._ring()

    def places(self) -> list[Place]:
        """Return who is here."""
        return self.pool.places()

    @property
    def size(self) -> int:
        """Return how many miners are here."""
        return self.pool.size

    def refresh(self, now: Seconds) -> None:
        """Offer what the chain shows as open, and wake whom that concerns; raises StoreError."""
        # Without members nothing is read for them.
        most = 0 if not self.size else self.settings.most_tasks
        if self.pool.update([row.order for row in self._store.claimable(now, most)]):
            self._ring()

    async def work(
        self,
        member: Member,
        room: int,
        after: str | None,
        wait_seconds: float,
        is_gone: Callable[[], Awaitable[bool]],
    ) -> Work:
        """Return what a member may claim, once that is something else than `after` named.

        After `wait_seconds` it is returned as it is, and soon when the member asks again: one
        member must not hold many connections. Raises NotAMember or Stopping.
        """
        end = time.monotonic() + wait_seconds
        poll = self.pool.poll(member, room)
        loop, bell = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._waiting.add((loop, bell))
        try:
            while True:
                bell.clear()
                if self._is_closed:
                    raise Stopping("the gateway is ending; ask again, or another one")
                found = self._work(member)
                left = end - time.monotonic()
                if found.cursor != after or left <= 0 or not self.pool.is_latest(member, poll):
                    return found
                try:
                    await asyncio.wait_for(bell.wait(), min(left, _LOOK_SECONDS))
                except TimeoutError:
                    if await is_gone():
                        self.pool.hang_up(member, poll)
                        self._ring()
                        return found
        finally:
            with self._lock:
                self._waiting.discard((loop, bell))

    def require_readable(self, member: Member, row: TaskRow) -> None:
        """Raise NotOffered for a task that is none of a member's business."""
        task_id = TaskId(row.order.id)
        is_executor = row.standing.executor == member.address
        if not is_executor and not self.pool.is_offered(member, task_id):
            raise NotOffered(
                f"task 0x{task_id.hex()} is neither offered to {member.address} nor claimed by it; "
                "ask GET /v1/pool/work which ones are"
            )

    def close(self) -> None:
        """Send everybody away."""
        self._is_closed = True
        self._ring()

    def _work(self, member: Member) -> Work:
        offers = self.pool.work(member)
        said = sha256()
        for offer in offers:
            said.update(offer.order.id + (b"\1" if offer.holder == member.address else b"\0"))
        timed = tuple((offer, self.pool.seconds_left(member, offer)) for offer in offers)
        return Work(timed, said.hexdigest()[:_CURSOR_DIGITS])

    def _ring(self) -> None:
        with self._lock:
            for loop, bell in self._waiting:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(bell.set)
