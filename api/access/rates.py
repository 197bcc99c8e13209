"""Token buckets: how often each key or address may ask."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` requests at once, and `per_second` on average; both above zero."""

    per_second: float
    burst: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Buckets:
    """A bucket for each name, full at first; only the `most` names used last are remembered.

    Times are seconds of any clock. One that goes back adds nothing: over the time that the clock
    was seen to reach, no name gets more than burst + rate · time. Not for several threads.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, rate: Rate, now: float, cost: float = 1.0) -> float:
        """Take tokens and return 0, or take none and return the seconds until there are enough.

        `cost`: at most the burst.
        """
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(rate.burst, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        if now > bucket.at:
            bucket.tokens += (now - bucket.at) * rate.per_second
            bucket.at = now
        # Also where the rate of a key was lowered meanwhile.
        bucket.tokens = min(bucket.tokens, rate.burst)
        if bucket.tokens >= cost:
            bucket.tokens -= cost
            return 0.0
        return (cost - bucket.tokens) / rate.per_second + (bucket.at - now)


def place_of(address: str) -> str:
    """Return what shares a bucket with an address: itself, or its network of 64 bits in IPv6.

    One subscriber has 2^64 addresses in IPv6. What is no address stands for itself.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found)
