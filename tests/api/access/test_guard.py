"""Keys, scopes and rates, through an application."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog

from api.access.errors import Unauthenticated
from api.access.guard import Access, Caller, Scope
from api.access.keys import changing
from api.access.limits import Limits
from infernet.chain.records import Wei
from infernet.logs import redactor

from .gate import LIMITS, Client, Clock, application


@pytest.fixture
def client(access: Access) -> Client:
    return Client(application(access))


def _with(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_key_opens_what_its_scope_names_and_nothing_else(client: Client, writer_key: str) -> None:
    said = client.post("/write", headers=_with(writer_key), content=b"abc")
    assert said.status_code == 200
    assert said.json()["account"] == writer_key.split("_")[1]
    refused = client.get("/read", headers=_with(writer_key))
    assert refused.status_code == 403
    assert "tasks:read" in refused.json()["detail"]
    assert 'error="insufficient_scope", scope="tasks:read"' in refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scope", Scope)
def test_no_scope_includes_another(
    access: Access, client: Client, tmp_path: Path, scope: Scope
) -> None:
    with changing(tmp_path) as keys:
        _, text = keys.create("one", [scope])
    codes = {
        Scope.TASKS_WRITE: client.post("/write", headers=_with(text)).status_code,
        Scope.TASKS_READ: client.get("/read", headers=_with(text)).status_code,
    }
    assert codes == {each: 200 if each is scope else 403 for each in codes}


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer inf_nonsense", "bearer\tx", "Bearer  twice"],
)
def test_what_is_no_key_is_answered_401(client: Client, value: str) -> None:
    said = client.post("/write", headers={"Authorization": value})
    assert said.status_code == 401
    assert said.headers["WWW-Authenticate"] == 'Bearer realm="infernet", error="invalid_token"'


def test_no_key_is_told_which_one_to_send(client: Client) -> None:
    said = client.post("/write")
    assert said.status_code == 401
    assert said.headers["WWW-Authenticate"] == 'Bearer realm="infernet"'
    assert "api key create" in said.json()["detail"]


def test_a_key_in_the_address_or_a_cookie_opens_nothing(client: Client, writer_key: str) -> None:
    for name in ("key", "api_key", "access_token", "authorization"):
        assert client.post(f"/write?{name}={writer_key}").status_code in (401, 429)
    cookies = {"Cookie": f"infernet={writer_key}; authorization=Bearer {writer_key}"}
    assert client.post("/write", headers=cookies).status_code in (401, 429)


def test_a_key_is_limited_by_itself(client: Client, writer_key: str, clock: Clock) -> None:
    codes = [client.post("/write", headers=_with(writer_key)).status_code for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2
    said = client.post("/write", headers=_with(writer_key))
    assert said.headers["Retry-After"] == "1"
    # Others behind the same address are not kept waiting.
    assert client.get("/open").status_code == 200
    clock.now += 1
    assert client.post("/write", headers=_with(writer_key)).status_code == 200


def test_a_rate_of_its_own(client: Client, tmp_path: Path, clock: Clock) -> None:
    with changing(tmp_path) as keys:
        _, slow = keys.create("slow", [Scope.TASKS_WRITE], rate=0.1)
        _, fast = keys.create("fast", [Scope.TASKS_WRITE], rate=10)
    codes = [client.post("/write", headers=_with(slow)).status_code for _ in range(2)]
    assert codes == [200, 429]
    codes = [client.post("/write", headers=_with(fast)).status_code for _ in range(21)]
    assert codes == [200] * 20 + [429]


def test_guessing_is_limited_by_address(client: Client, writer_key: str, clock: Clock) -> None:
    codes = [
        client.post("/write", headers=_with(f"inf_{n:012x}_{n:064x}")).status_code for n in range(6)
    ]
    assert codes == [401] * 3 + [429] * 3
    assert client.get("/open").status_code == 429
    # Whoever has a good key is not locked out by a guesser behind the same address.
    assert client.post("/write", headers=_with(writer_key)).status_code == 200
    assert client.get("/open", headers=_with(writer_key)).status_code == 200
    clock.now += 1
    assert client.get("/open").status_code == 200


def test_a_forwarded_address_is_not_believed(client: Client) -> None:
    codes = [
        client.get("/open", headers={"X-Forwarded-For": f"192.0.2.{n}"}).status_code
        for n in range(4)
    ]
    assert codes == [200] * 3 + [429]


def test_the_account_carries_the_budget(access: Access, tmp_path: Path) -> None:
    with changing(tmp_path) as keys:
        key, text = keys.create("poor", [Scope.TASKS_WRITE], budget_wei=Wei(7))
    account = access.identify(text, "192.0.2.1").account
    assert (account.id, account.budget_wei) == (key.id, 7)


def test_a_revoked_key_ends_a_stream(tmp_path: Path) -> None:
    with changing(tmp_path) as keys:
        key, text = keys.create("reader", [Scope.TASKS_READ])
    access = Access.open(tmp_path, Limits(watch_seconds=0.02))
    caller = access.identify(text, "192.0.2.1")
    ended = asyncio.run(_stream(access, caller, tmp_path))
    assert ended == [False, True]
    with pytest.raises(Unauthenticated, match="revoked"):
        access.identify_session(key.id)
    access.close()


async def _stream(access: Access, caller: Caller, folder: Path) -> list[bool]:
    """Return whether a stream was ended before and after its key was revoked."""
    end, found = asyncio.Event(), []
    async with access.watching(caller, end.set):
        await asyncio.sleep(0.1)
        found.append(end.is_set())
        with changing(folder) as keys:
            keys.revoke(caller.key_id)
        await asyncio.wait_for(end.wait(), 5)
        found.append(end.is_set())
    return found


def test_a_used_key_never_gets_into_a_log(
    client: Client, writer_key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client.post("/write", headers=_with(writer_key)).status_code == 200
    cleaned = redactor(None, "info", {"event": f"headers were Bearer {writer_key}"})
    assert writer_key not in cleaned["event"]
    structlog.get_logger().info("nothing", found=writer_key.split("_")[1])
    assert writer_key not in "".join(capsys.readouterr())


def test_errors_never_repeat_what_was_shown(client: Client) -> None:
    guess = f"inf_{'a' * 12}_{'b' * 64}"
    assert guess not in client.post("/write", headers=_with(guess)).text


def test_openapi_names_the_key(access: Access) -> None:
    described = Client(application(access)).get("/openapi.json").json()
    assert described["paths"]["/write"]["post"]["security"] == [{"API key": []}]
    scheme = described["components"]["securitySchemes"]["API key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def test_defaults_leave_room_for_their_costs() -> None:
    for limits in (LIMITS, Limits()):
        assert limits.key.burst >= 1 <= limits.address.burst
        assert limits.most_unknown_bytes <= limits.most_body_bytes <= limits.most_held_bytes
