"""How a gateway that never had a good turn is told from one that works."""

from __future__ import annotations

from api.service.health import Health


def test_a_gateway_that_never_followed_is_idle_since_its_start() -> None:
    health = Health()
    first = health.idle_seconds
    health.on_error(ConnectionError())
    assert 0 <= first <= health.idle_seconds
    assert (health.turns, health.errors) == (0, {"ConnectionError": 1})
