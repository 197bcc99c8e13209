"""What holds whatever anybody sends: of money, of games, of finality."""

from __future__ import annotations

from contextlib import suppress

from bisection.game import Player

from . import honest
from .stage import ADDRESS, EXECUTOR, REQUESTER, WATCHER, Stage
from .world import FUNDS_WEI, Refused

CLAIMED, FINAL, REFUNDED = 2, 4, 5
PENDING, FINAL_ASSERTION = 1, 2
# While games are live a round is shorter than the honest side's clock.
ROUNDS, LIVE_SECONDS, QUIET_SECONDS = 100, 150, 1000


def check(stage: Stage) -> None:
    """Require everything."""
    money(stage)
    stakes(stage)
    truth(stage)
    games(stage)
    honest_money(stage)


def money(stage: Stage) -> None:
    """Require that the vault holds what its books say and that no wei appeared or vanished."""
    world = stage.world
    # Anybody may deposit for a contract too: the money is lost, but it is in the books.
    accounts = (*ADDRESS.values(), *world.address.values())
    booked = world.view("burned") + sum(sum(world.view("account", one)) for one in accounts)
    assert world.balance(world.address["StakeManager"]) == booked
    outside = sum(world.balance(account) for account in ADDRESS.values())
    assert booked + outside == len(ADDRESS) * FUNDS_WEI
    for name in ("TaskMarket", "DisputeGame"):
        assert world.balance(world.address[name]) == 0


def stakes(stage: Stage) -> None:
    """Require that each account has locked exactly what it has at stake."""
    world, at_stake = stage.world, dict.fromkeys(ADDRESS.values(), 0)
    for task_id in stage.tasks:
        task = world.view("task", task_id)
        if task["status"] not in (FINAL, REFUNDED):
            at_stake[task["requester"]] += task["fee"]
        if task["status"] == CLAIMED:
            at_stake[task["executor"]] += task["stake"]
    for assertion_id in stage.assertions:
        found = world.view("assertion", assertion_id)
        contest = world.view("contest", assertion_id)
        if found["status"] == PENDING:
            at_stake[found["executor"]] += found["stake"]
        elif contest["candidate"] != bytes(32) and not contest["rewarded"]:
            at_stake[found["executor"]] += world.view("rewardOf", found["stake"])
        if found["demand"] == 1:
            at_stake[found["demander"]] += world.view("revealBondFor", assertion_id)
    for game_id, match in stage.mirror.matches.items():
        at_stake[match.challenger] += world.view("DisputeGame.game", game_id)["bond"]
    for account, locked in at_stake.items():
        assert world.view("account", account)[1] == locked


def truth(stage: Stage) -> None:
    """Require that no false result is final and that no true one of the honest executor fell."""
    for assertion_id, posted in stage.assertions.items():
        found = stage.world.view("assertion", assertion_id)
        is_true = posted.run is not None and found["finalHash"] == posted.run.final
        if found["status"] == FINAL_ASSERTION:
            assert is_true, "a false result is final"
        if found["executor"] == EXECUTOR:
            assert is_true and not stage.world.view("isVoided", assertion_id)


def games(stage: Stage) -> None:
    """Require that each game is its model's twin, ends in time, and no honest one is lost."""
    for match in stage.mirror.matches.values():
        model = match.model
        if not stage.world.view("isVoided", match.assertion_id):
            stage.mirror.compare(match)
        bound = stage.world.view("maxDisputeSeconds", model.assertion.steps)
        assert model.deadline <= match.committed_at + bound, "a deadline beyond the bound"
        assert model.dissections <= model.most_dissections
        if model.verdict is None:
            continue
        if match.executor == EXECUTOR:
            assert model.verdict.winner is Player.EXECUTOR
        if match.challenger == WATCHER:
            assert model.verdict.winner is Player.CHALLENGER


def honest_money(stage: Stage) -> None:
    """Require that the honest side has what it had, but for fees and paid reveals."""
    world = stage.world

    def wealth(account: str) -> int:
        return world.balance(account) + int(sum(world.view("account", account)))

    assert wealth(EXECUTOR) >= FUNDS_WEI
    assert wealth(WATCHER) >= FUNDS_WEI - stage.demands_paid_wei
    paid = sum(
        posted.fee_wei
        for task_id, posted in stage.tasks.items()
        if posted.requester == REQUESTER and stage.status("task", task_id) == FINAL
    )
    assert wealth(REQUESTER) >= FUNDS_WEI - paid


def close(stage: Stage, upkeep: dict[str, str]) -> None:
    """Bring everything to its end: what is locked then was never to be had back."""
    for _ in range(ROUNDS):
        for _ in range(2):
            stage.world.pass_time(1)
            honest.act(stage)
        is_live = any(
            match.model.verdict is None and not stage.world.view("isVoided", match.assertion_id)
            for match in stage.mirror.matches.values()
        )
        stage.world.pass_time(LIVE_SECONDS if is_live else QUIET_SECONDS)
        for name, kind in upkeep.items():
            for one in stage.things(kind):
                with suppress(Refused):
                    stage.send(ADDRESS["stranger"], name, one)
        check(stage)
        if all(stage.world.view("account", account)[1] == 0 for account in ADDRESS.values()):
            return
    raise AssertionError("something stays locked for ever")
