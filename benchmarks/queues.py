"""Tasks in line: arrivals by chance, then servers and blocks, one station after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace

import numpy as np


@dataclass(frozen=True, slots=True)
class Servers:
    """A line before `count` servers that take `seconds` for each task, first come first served."""

    name: str
    seconds: float
    count: int = 1

    @property
    def rate(self) -> float:
        """Return the most tasks a second."""
        return self.count / self.seconds

    def serve(self, arrivals: np.ndarray) -> np.ndarray:
        """Return when each task leaves, in the order of arrival; times in seconds."""
        free = [0.0] * self.count
        heapify(free)
        left = np.empty_like(arrivals)
        for number, arrival in enumerate(arrivals):
            left[number] = max(free[0], arrival) + self.seconds
            heapreplace(free, left[number])
        return left


@dataclass(frozen=True, slots=True)
class Blocks:
    """A line before a chain that takes `capacity` tasks in each block, one every `seconds`."""

    name: str
    seconds: float
    capacity: int

    @property
    def rate(self) -> float:
        """Return the most tasks a second."""
        return self.capacity / self.seconds

    def serve(self, arrivals: np.ndarray) -> np.ndarray:
        """Return the time of the block that takes each task, in the order of arrival."""
        left = np.empty_like(arrivals)
        block, taken = 0, 0
        for number, arrival in enumerate(arrivals):
            first = int(arrival // self.seconds) + 1
            if first > block:
                block, taken = first, 0
            elif taken == self.capacity:
                block, taken = block + 1, 0
            taken += 1
            left[number] = block * self.seconds
        return left


Station = Servers | Blocks


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from arrival to the end of the last station."""

    mean: float
    median: float
    p99: float


def arrivals_of(rate: float, tasks: int, seed: int) -> np.ndarray:
    """Return when so many tasks arrive, independent of each other."""
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, tasks))


def simulate(stations: Sequence[Station], rate: float, tasks: int, seed: int) -> Waits:
    """Send tasks through the stations; the first tenth, while lines fill, is left out."""
    arrived = at = arrivals_of(rate, tasks, seed)
    for station in stations:
        # Servers of one station may overtake each other by nothing: service is constant.
        at = station.serve(at)
    waits = (at - arrived)[tasks // 10 :]
    return Waits(float(waits.mean()), float(np.median(waits)), float(np.quantile(waits, 0.99)))


def bottleneck(stations: Sequence[Station]) -> Station:
    """Return the station that takes the fewest tasks a second."""
    return min(stations, key=lambda station: station.rate)


def mean_seconds_of_one_server(rate: float, seconds: float) -> float:
    """Return the mean time in a line with one server (Pollaczek and Khinchine, constant service).

    `s + s·u / (2·(1 - u))` with the load `u = rate·s`, below 1.
    """
    load = rate * seconds
    if load >= 1:
        raise ValueError(f"a load of {load:.2f} never settles; need less than 1")
    return seconds + seconds * load / (2 * (1 - load))
