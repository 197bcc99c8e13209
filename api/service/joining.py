"""Challenges that miners sign to join: made here, good for a short time, used once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest, new
from threading import Lock
from typing import Any

from infernet.chain.records import Address
from infernet.chain.signed import signer_of, typed_membership

from ..errors import BadChallenge

_NONCE_BYTES = 32
_RANDOM_BYTES = 16
_AGAIN = "ask POST /v1/pool/challenges for another and sign that"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a miner signs a membership over. `expires_at`: Unix time of the gateway's machine."""

    nonce: bytes
    expires_at: int


class Challenges:
    """Challenges of one gateway on one market; threads may share it.

    What was given out needs no memory: a nonce proves itself. What was used is remembered until it
    expires.
    """

    def __init__(
        self,
        chain_id: int,
        market: Address,
        gateway: str,
        seconds: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.gateway = gateway
        self._chain_id, self._market = chain_id, market
        self._seconds, self._clock = seconds, clock
        self._secret = secrets.token_bytes(_NONCE_BYTES)
        self._lock = Lock()
        self._used: dict[bytes, int] = {}

    def new(self, address: Address) -> Challenge:
        """Return a challenge for an account."""
        expires_at = int(self._clock()) + self._seconds
        random = secrets.token_bytes(_RANDOM_BYTES)
        return Challenge(random + self._mark(random, address, expires_at), expires_at)

    def typed(self, address: Address, challenge: Challenge) -> dict[str, Any]:
        """Return what has to be signed."""
        return typed_membership(
            self._chain_id,
            self._market,
            self.gateway,
            address,
            challenge.nonce,
            challenge.expires_at,
        )

    def use(self, address: Address, challenge: Challenge, signature: bytes) -> None:
        """Take a signed challenge, or raise BadChallenge."""
        random = challenge.nonce[:_RANDOM_BYTES]
        mark = self._mark(random, address, challenge.expires_at)
        if not compare_digest(challenge.nonce, random + mark):
            raise BadChallenge(
                f"this challenge was not given out by this gateway to {address} since its last "
                f"start; {_AGAIN}"
            )
        now = self._clock()
        if challenge.expires_at <= now:
            raise BadChallenge(f"this challenge is over since {challenge.expires_at}; {_AGAIN}")
        if signer_of(self.typed(address, challenge), signature) != address:
            raise BadChallenge(
                f"the signature is not by {address} over this challenge, chain {self._chain_id}, "
                f"market {self._market} and the gateway's URL {self.gateway}; sign these (the URL "
                "that miners name has to be the gateway's api.public_url)"
            )
        with self._lock:
            self._used = {nonce: end for nonce, end in self._used.items() if end > now}
            if challenge.nonce in self._used:
                raise BadChallenge(f"this challenge was used before; {_AGAIN}")
            self._used[challenge.nonce] = challenge.expires_at

    def _mark(self, random: bytes, address: Address, expires_at: int) -> bytes:
        said = random + bytes.fromhex(address[2:]) + expires_at.to_bytes(8, "big")
        return new(self._secret, said, sha256).digest()[: _NONCE_BYTES - _RANDOM_BYTES]
