"""The pool over HTTP: who gets in, what a session opens, and the problem of everything else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from infernet.chain.records import TaskId, Wei
from infernet.chain.signed import typed_membership
from infernet.chain.wallet import KeySigner
from tests.anvil import needs_anvil, running
from tests.survival.town import new_town

from ..office import input_for, until
from .club import House, housed

pytestmark = needs_anvil
UNKNOWN = "0x" + "ab" * 32


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running() as anvil, housed(new_town(anvil), tmp_path_factory.mktemp("house")) as found:
        yield found


@dataclass
class Applicant:
    """A key with a deposit, which asks a gateway by hand."""

    house: House
    signer: KeySigner
    token: str = ""

    def given(self, url: str | None = None, **changes: object) -> dict[str, Any]:
        """Return what it sends to join; `url`: of the gateway that it believes to talk to."""
        address, town = self.signer.address, self.house.town
        body = {"address": address}
        answer = httpx.post(f"{self.house.url}/v1/pool/challenges", json=body)
        assert answer.status_code == 201, answer.text
        nonce, end = answer.json()["nonce"], answer.json()["expires_at"]
        market = town.contracts.deployment.market
        place = url or self.house.url
        typed = typed_membership(
            town.chain.chain_id, market, place, address, bytes.fromhex(nonce[2:]), end
        )
        if url is None:
            said = answer.json()["typed_data"]
            assert said["message"] == typed["message"]
            assert said["domain"] == typed["domain"]
        return {
            "address": address,
            "models": [f"0x{town.root.hex()}"],
            "nonce": nonce,
            "expires_at": end,
            "signature": f"0x{self.signer.sign_typed(typed).hex()}",
            **changes,
        }

    def join(self, given: dict[str, Any] | None = None) -> httpx.Response:
        answer = httpx.post(f"{self.house.url}/v1/pool/miners", json=given or self.given())
        if answer.status_code == 201:
            self.token = answer.json()["token"]
        return answer

    def ask(self, method: str, path: str, **query: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = self.house.url + path
        return httpx.request(method, url, headers=headers, params=query, timeout=20)

    def work(self, **query: Any) -> Any:
        answer = self.ask("GET", "/v1/pool/work", **{"wait_seconds": 0, **query})
        assert answer.status_code == 200, answer.text
        return answer.json()


def applicant(house: House, stakes: float = 2) -> Applicant:
    """Return a key with a deposit of so many stakes."""
    town = house.town
    wallet = town.wallet()
    stake = town.contracts.registry.floor(town.program)
    if stakes:
        town.contracts.vault.deposit(wallet, Wei(int(stakes * stake)))
    assert isinstance(wallet.signer, KeySigner)
    return Applicant(house, wallet.signer)


@pytest.fixture
def member(house: House) -> Iterator[Applicant]:
    found = applicant(house)
    assert found.join().status_code == 201
    yield found
    found.ask("DELETE", "/v1/pool/miners/me")


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def test_joining_tells_id_deposit_and_what_a_task_takes(house: House) -> None:
    one = applicant(house)
    said = one.join().json()
    stake = house.town.contracts.registry.floor(house.town.program)
    assert (said["deposit_wei"], said["free_wei"]) == (str(2 * stake), str(2 * stake))
    assert (said["needed_wei"], said["models"]) == (str(stake), ["plain"])
    again = one.join().json()
    assert again["id"] == said["id"]
    assert again["token"] != said["token"]
    shown = httpx.get(f"{house.url}/v1/pool").json()
    assert shown["gateway"] == house.url
    (place,) = [each for each in shown["members"] if each["address"] == one.signer.address]
    assert (place["id"], place["deposit_wei"], place["models"]) == (
        said["id"],
        str(2 * stake),
        ["plain"],
    )
    assert 0 <= place["score"] <= 1
    assert "infernet_gateway_pool_members 1.0" in httpx.get(f"{house.url}/metrics").text
    assert said["token"] not in str(shown)
    assert one.ask("DELETE", "/v1/pool/miners/me").status_code == 204
    assert problem(one.ask("GET", "/v1/pool/work")) == (401, "not-a-member")
    assert one.signer.address not in house.members()


def test_a_signature_opens_nothing_twice_and_nothing_elsewhere(house: House) -> None:
    one, other = applicant(house), applicant(house)
    given = one.given()
    assert one.join(given).status_code == 201
    assert problem(one.join(given)) == (403, "bad-challenge")
    assert problem(one.join(one.given("https://evil.example"))) == (403, "bad-challenge")
    theirs = {**one.given(), "address": other.signer.address}
    assert problem(other.join(theirs)) == (403, "bad-challenge")
    assert problem(one.join(one.given(expires_at=2**39))) == (403, "bad-challenge")
    assert problem(one.join(one.given(nonce=UNKNOWN))) == (403, "bad-challenge")


def test_who_cannot_stake_or_runs_nothing_that_is_served_stays_outside(house: House) -> None:
    poor = applicant(house, 0.5)
    answer = poor.join()
    assert problem(answer) == (402, "deposit-too-small")
    assert "infernet miner register" in answer.json()["detail"]
    assert problem(applicant(house, 0).join()) == (402, "deposit-too-small")
    stranger = applicant(house)
    assert problem(stranger.join(stranger.given(models=[UNKNOWN]))) == (404, "unknown-model")
    assert poor.signer.address not in house.members()


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"{", 400, "malformed-body"),
        (b"[" * 60_000, 400, "malformed-body"),
        (b"[]", 422, "invalid-request"),
        (b'{"address": "0x12"}', 422, "invalid-request"),
        (b'{"address": 7}', 422, "invalid-request"),
    ],
)
@pytest.mark.parametrize("path", ["challenges", "miners"])
def test_what_is_no_application_is_told_so(
    house: House, path: str, body: bytes, status: int, name: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{house.url}/v1/pool/{path}", content=body, headers=headers)
    assert problem(answer) == (status, name)
    answer = httpx.post(f"{house.url}/v1/pool/{path}", content=body)
    assert problem(answer) == (415, "unsupported-type")


@pytest.mark.parametrize("token", ["", "inp_" + "0" * 64, "inf_" + "0" * 12 + "_" + "0" * 64])
def test_without_a_session_there_is_no_work(house: House, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for method, path in (("GET", "/v1/pool/work"), ("DELETE", "/v1/pool/miners/me")):
        answer = httpx.request(method, house.url + path, headers=headers)
        assert problem(answer) == (401, "not-a-member")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_session_is_no_key(member: Applicant) -> None:
    for path in ("/v1/tasks", "/v1/models", "/v1/disputes", f"/v1/tasks/{UNKNOWN}"):
        assert problem(member.ask("GET", path)) == (401, "unauthenticated")
    assert problem(member.ask("POST", "/v1/tasks")) == (401, "unauthenticated")


def test_work_is_waited_for_and_told_once(house: House, member: Applicant) -> None:
    before = member.work(room=1)
    assert before["tasks"] == []
    task = house.submit(1)
    began = time.monotonic()
    told = member.work(room=1, after=before["cursor"], wait_seconds=10)
    assert time.monotonic() - began < 5
    (named,) = told["tasks"]
    assert named["id"] == f"0x{task.hex()}"
    assert 0 < named["yours_for_seconds"] <= 3
    found = house.gateway.task(task).order
    assert (named["fee_wei"], named["deadline"]) == (str(found.fee_wei), found.deadline)
    began = time.monotonic()
    same = member.work(room=1, after=told["cursor"], wait_seconds=0.5)
    assert time.monotonic() - began >= 0.5
    assert same["cursor"] == told["cursor"]
    # Nobody took it, so it is for all, and that is news.
    later = member.work(room=1, after=told["cursor"], wait_seconds=10)
    assert [each["yours_for_seconds"] for each in later["tasks"]] == [0]


def test_an_input_is_read_by_whom_it_is_offered_to_and_nobody_else(house: House) -> None:
    one, other = applicant(house), applicant(house)
    for each in (one, other):
        assert each.join().status_code == 201
    one.work(room=10)
    other.work(room=0)
    task = house.submit(2)
    path = f"/v1/tasks/0x{task.hex()}/input"
    until(lambda: is_named(one, task), "an offer")
    assert one.ask("GET", path).content == input_for(house.town.program, 2)
    assert problem(other.ask("GET", path)) == (403, "not-offered")
    assert problem(one.ask("GET", f"/v1/tasks/{UNKNOWN}/input")) == (404, "unknown-task")
    assert house.client.get(path).content == input_for(house.town.program, 2)
    # Whoever has claimed it reads it, and nobody else.
    town = house.town
    stake = town.contracts.registry.floor(town.program)
    wallet = town.wallet()
    town.contracts.market.claim(wallet, task, stake, stake)
    until(lambda: not is_named(one, task), "the claim")
    assert problem(one.ask("GET", path)) == (403, "not-offered")
    for each in (one, other):
        each.ask("DELETE", "/v1/pool/miners/me")


def is_named(who: Applicant, task: TaskId) -> bool:
    """Return whether a task is offered to somebody."""
    return f"0x{task.hex()}" in [each["id"] for each in who.work(room=10)["tasks"]]


def test_who_hangs_up_gets_nothing_until_it_is_back(house: House, member: Applicant) -> None:
    cursor = ""
    # Tasks of other tests may still be on their way to it.
    while (new := member.work(room=3, wait_seconds=0.5, **as_after(cursor))["cursor"]) != cursor:
        cursor = new
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(
            f"{house.url}/v1/pool/work",
            params={"room": 3, "after": cursor, "wait_seconds": 30},
            headers={"Authorization": f"Bearer {member.token}"},
            timeout=0.3,
        )
    until(lambda: room_of(member) == 0, "a hang-up")
    member.work(room=3)
    assert room_of(member) == 3


def test_a_member_holds_no_more_connections_than_one(house: House, member: Applicant) -> None:
    """Thousands of questions that wait would leave nobody else a connection."""
    cursor = member.work(room=0)["cursor"]
    began = time.monotonic()

    def ask(number: int) -> float:
        answer = member.ask("GET", "/v1/pool/work", room=0, after=cursor, wait_seconds=5)
        assert answer.status_code == 200
        return time.monotonic() - began

    with ThreadPoolExecutor(20) as crowd:
        ended = sorted(crowd.map(ask, range(20)))
    assert ended[18] < 4 < ended[19]


def as_after(cursor: str) -> dict[str, str]:
    return {"after": cursor} if cursor else {}


def room_of(who: Applicant) -> int:
    """Return how many tasks the gateway believes that somebody can take."""
    places = who.house.gateway.pool.places()
    return next(each.room for each in places if each.member.address == who.signer.address)


def test_questions_out_of_bounds_are_refused(member: Applicant) -> None:
    for query in ({"room": -1}, {"room": 257}, {"wait_seconds": 31}, {"after": "x"}):
        assert problem(member.ask("GET", "/v1/pool/work", **query)) == (422, "invalid-request")
