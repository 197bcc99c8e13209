"""The honest player never loses: a property, against whatever an adversary may send."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.game.adversary import check

# The seed draws everything: length, fan-out, who is honest, the lie and every attempt at a move.
GAMES = int(os.environ.get("INFERNET_GAMES", "2000"))


@settings(max_examples=GAMES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, (1 << 64) - 1))
def test_the_honest_player_never_loses(seed: int) -> None:
    record = check(seed)
    assert record.last.verdict is not None
