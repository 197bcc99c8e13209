"""What a local network consists of and when a process that died is started again: pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
# Who has run for so long is taken to have recovered.
_STEADY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """One process. `is_ready`: asks it; `environment`: added to that of this process,
    from which all settings are taken.

    `start_seconds`: within which it has to be ready; `stop_seconds`: what it gets to end in order.
    """

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 240.0
    stop_seconds: float = 12.0


@dataclass(frozen=True, slots=True)
class Restarts:
    """How often a process died in a row; times are a monotonic clock's seconds."""

    deaths: int = 0

    def after_death(self, lived_seconds: float) -> Restarts:
        """Return the count after another death; a long life starts it anew."""
        return Restarts(1 if lived_seconds >= _STEADY_SECONDS else self.deaths + 1)

    @property
    def pause_seconds(self) -> float:
        """Return the wait before the next start: doubled with each death, up to a bound."""
        if not self.deaths:
            return 0.0
        return min(_FIRST_PAUSE_SECONDS * 2.0 ** min(self.deaths - 1, 16), _LONGEST_PAUSE_SECONDS)
