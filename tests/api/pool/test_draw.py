"""Whom a task is offered to: pure, with a clock that stands still until it is set."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import NoRoom, NotAMember
from api.service.draw import chance, draw
from api.service.pool import Member, Pool, PoolSettings
from api.store.records import Order
from infernet.chain.records import Address, ProgramRoot, Seconds, TaskId, Wei

from ..access.gate import Clock

ROOT, OTHER_ROOT = ProgramRoot(b"\1" * 32), ProgramRoot(b"\2" * 32)
ETHER = Wei(10**18)
SETTINGS = PoolSettings(most_members=3)
A, B, C, D = (Address(f"0x{digit * 40}") for digit in "abcd")
_NUMBERS = count(1)


def order(root: ProgramRoot = ROOT) -> Order:
    """Return a task of its own."""
    id_ = TaskId(next(_NUMBERS).to_bytes(32, "big"))
    return Order(id_, None, "m", root, b"", A, 0, 1, Wei(1), Seconds(10))


class Club:
    """A pool with members that have scores."""

    def __init__(self, **scores: float) -> None:
        self.clock = Clock()
        self.scores = dict(scores)
        self.deposits: dict[Address, Wei] = {}
        self.pool = self.opened(SETTINGS)

    def opened(self, settings: PoolSettings) -> Pool:
        """Return a pool in which everybody has what `deposits` says."""
        scores, deposits = self.scores, self.deposits
        return Pool(settings, lambda it: scores.get(it[2], 1.0), deposits.get, self.clock)

    def join(self, address: Address, deposit: int = 1, room: int = 100) -> Member:
        member, _ = self.pool.join(address, [ROOT], Wei(deposit * ETHER))
        self.pool.poll(member, room)
        return member


def holders(club: Club, members: list[Member]) -> Counter[Address]:
    """Return how many tasks are offered to each member alone."""
    return Counter(
        offer.holder
        for member in members
        for offer in club.pool.work(member)
        if offer.holder is not None
    )


def test_a_task_is_offered_to_one_member_and_after_its_head_start_to_all() -> None:
    club = Club()
    one, other = club.join(A), club.join(B)
    assert club.pool.update([order()])
    (holder,) = holders(club, [one, other])
    loser = other if holder == A else one
    assert club.pool.work(loser) == []
    club.clock.now += SETTINGS.head_start_seconds
    club.pool.update([offer.order for offer in club.pool.work(one if holder == A else other)])
    (offer,) = club.pool.work(loser)
    assert offer.is_for_all
    # Of what is for all one who was not idle comes first.
    assert offer.holder == loser.address
    assert {p.member.address: p.lapses for p in club.pool.places()}[holder] == 1


def test_offers_follow_deposit_and_score_and_never_starve_the_worst() -> None:
    club = Club(a=1.0, b=1.0, c=0.0)
    members = [club.join(A, 3, 2_000), club.join(B, 1, 2_000), club.join(C, 1, 2_000)]
    club.pool.update([order() for _ in range(2_000)])
    found = holders(club, members)
    assert sum(found.values()) == 2_000
    assert 2.4 < found[A] / found[B] < 3.6
    assert 0 < found[C] < found[B] / 8


def test_splitting_a_deposit_gains_nothing() -> None:
    whole = chance(1.0, Wei(2 * ETHER), has_lapsed=False)
    assert 2 * chance(1.0, ETHER, has_lapsed=False) == whole


@given(st.binary(min_size=32, max_size=32), st.permutations([A, B, C, D]))
def test_a_draw_is_the_same_in_any_order_and_moves_only_what_it_must(
    task: bytes, order_: list[Address]
) -> None:
    chances = {A: 1.0, B: 2.0, C: 0.5, D: 7.0}
    task_id = TaskId(task)
    chosen = draw(task_id, [(each, chances[each]) for each in order_])
    assert chosen == draw(task_id, chances.items())
    for gone in chances:
        left = [(each, weight) for each, weight in chances.items() if each != gone]
        assert gone == chosen or draw(task_id, left) == chosen


def test_nobody_is_drawn_without_a_weight() -> None:
    assert draw(TaskId(bytes(32)), [(A, 0.0)]) is None
    assert draw(TaskId(bytes(32)), []) is None


def test_a_member_gets_no_more_than_it_has_room_for_and_the_rest_is_for_all() -> None:
    club = Club()
    one, other = club.join(A, room=2), club.join(B, room=0)
    club.pool.update([order() for _ in range(5)])
    assert holders(club, [one, other]) == {A: 2}
    assert len(club.pool.work(other)) == 3
    found = club.pool.work(one)
    assert [offer.holder for offer in found] == [A, A, None, None, None]
    # Once somebody has room, it comes first for what is for all.
    club.pool.poll(other, 2)
    club.pool.update([offer.order for offer in found])
    theirs = club.pool.work(other)
    assert [offer.holder for offer in theirs] == [B, B, None]
    assert all(offer.is_for_all for offer in theirs)


def test_who_let_a_head_start_pass_counts_less_for_a_while() -> None:
    club = Club()
    members = [club.join(A, room=10_000), club.join(B, room=10_000)]
    late = [order() for _ in range(4)]
    club.pool.update(late)
    lapsed = [offer.order for offer in club.pool.work(members[0]) if offer.holder == A]
    assert lapsed
    club.clock.now += SETTINGS.head_start_seconds
    # B has claimed what was its own.
    club.pool.update(lapsed)
    club.pool.update([order() for _ in range(1_000)])
    found = holders(club, members)
    assert found[A] < found[B] / 5
    club.clock.now += SETTINGS.lapse_seconds
    for member in members:
        club.pool.poll(member, 10_000)
    club.pool.update([order() for _ in range(1_000)])
    found = holders(club, members)
    assert found[B] / 2 < found[A]


def test_a_member_that_vanishes_is_dropped_and_its_tasks_go_to_another() -> None:
    club = Club()
    settings = replace(SETTINGS, head_start_seconds=1_000.0)
    club.pool = club.opened(settings)
    one, other = club.join(A), club.join(B)
    club.pool.update([order() for _ in range(20)])
    assert holders(club, [one, other])[A] > 0
    club.clock.now += SETTINGS.absent_seconds - 1
    club.pool.poll(other, 100)
    club.clock.now += 2
    assert [place.member.address for place in club.pool.places()] == [B]
    assert holders(club, [other]) == {B: 20}
    with pytest.raises(NotAMember):
        club.pool.poll(one, 1)


def test_a_broken_connection_frees_tasks_at_once_unless_there_is_a_newer_one() -> None:
    club = Club()
    one, other = club.join(A), club.join(B)
    club.pool.update([order() for _ in range(20)])
    poll = club.pool.poll(one, 100)
    club.pool.hang_up(one, poll - 1)
    assert holders(club, [one, other])[A] > 0
    club.pool.hang_up(one, poll)
    assert holders(club, [one, other]) == {B: 20}


def test_who_leaves_is_gone_and_its_token_with_it() -> None:
    club = Club()
    member, token = club.pool.join(A, [ROOT], ETHER)
    assert club.pool.member(token) == member
    club.pool.leave(member)
    assert club.pool.member(token) is None
    assert club.pool.size == 0


def test_an_account_has_one_session_and_keeps_its_id_and_its_lapses() -> None:
    club = Club()
    first, old = club.pool.join(A, [ROOT], ETHER)
    club.pool.poll(first, 1)
    club.pool.update([order()])
    club.clock.now += SETTINGS.head_start_seconds
    club.pool.update([])
    club.pool.update([order()])
    second, new = club.pool.join(A, [ROOT], Wei(2 * ETHER))
    assert club.pool.member(old) is None
    assert club.pool.member(new) == second
    assert second.id == first.id
    assert club.pool.places()[0].offered == 2


def test_a_session_ends_and_a_full_pool_takes_nobody_else() -> None:
    club = Club()
    for address in (A, B, C):
        club.join(address)
    with pytest.raises(NoRoom):
        club.join(D)
    club.clock.now += SETTINGS.session_seconds
    club.join(D)
    assert [place.member.address for place in club.pool.places()] == [D]


def test_members_hear_nothing_of_programs_that_they_do_not_run() -> None:
    club = Club()
    member = club.join(A)
    club.pool.update([order(OTHER_ROOT)])
    assert club.pool.work(member) == []


def test_one_deposit_fills_no_pool_and_draws_no_tasks_account_by_account() -> None:
    club = Club()
    members = [club.join(address) for address in (A, B, C)]
    club.deposits.update({A: Wei(1), B: Wei(1), C: Wei(ETHER)})
    club.clock.now += 40
    club.pool.update([order() for _ in range(20)])
    assert set(holders(club, members)) == {C}
    club.join(D)
    assert {place.member.address for place in club.pool.places()} == {C, D}
