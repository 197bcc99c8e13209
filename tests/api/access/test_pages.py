"""Signing in, and forms from elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request

from api.access.csrf import require_form
from api.access.errors import BadForm
from api.access.guard import Access
from api.access.keys import changing
from api.access.limits import Limits
from api.access.middleware import Fence
from api.access.pages import PLACE, SIGN_IN, SIGN_OUT, account_router
from api.access.sessions import Sessions
from infernet.chain.records import Wei

from .gate import Clock, answer

_OWN = {"Origin": "http://gateway"}
Fields = dict[str, str]


class Browser:
    """Keeps cookies and fills in forms."""

    def __init__(self, access: Access, scheme: str = "http") -> None:
        app = FastAPI()
        app.include_router(account_router(access, lambda key_id: Wei(5 * 10**15)))
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(Fence(app, access, answer)),
            base_url=f"{scheme}://gateway",
        )

    def get(self) -> httpx.Response:
        return asyncio.run(self.client.get(PLACE))

    def token(self) -> str:
        found = re.search(r'name="token" value="([^"]+)"', self.get().text)
        assert found
        return found[1]

    def send(self, to: str, fields: Fields, headers: Fields = _OWN) -> httpx.Response:
        return asyncio.run(self.client.post(to, data=fields, headers=headers))

    def sign_in(self, key: str) -> httpx.Response:
        return self.send(SIGN_IN, {"key": key, "token": self.token()})

    def cookie(self) -> str:
        (found,) = self.client.cookies.jar
        return str(found.value)


@pytest.fixture
def roomy(tmp_path: Path) -> Iterator[Access]:
    access = Access.open(tmp_path)
    yield access
    access.close()


@pytest.fixture
def browser(roomy: Access) -> Browser:
    return Browser(roomy)


def _request(headers: Fields, scheme: str = "http") -> Request:
    lines = [(k.lower().encode(), v.encode()) for k, v in {"host": "gateway", **headers}.items()]
    scope = {"type": "http", "scheme": scheme, "path": "/", "headers": lines, "query_string": b""}
    return Request({**scope, "server": ("gateway", 80)})


def test_a_key_signs_in_and_out(browser: Browser, writer_key: str) -> None:
    said = browser.sign_in(writer_key)
    assert (said.status_code, said.headers["Location"]) == (303, PLACE)
    page = browser.get()
    assert page.status_code == 200
    assert "0.005 ETH" in page.text
    assert writer_key.split("_")[1] in page.text
    assert writer_key not in page.text
    token = browser.token()
    assert browser.send(SIGN_OUT, {"token": token}).status_code == 303
    assert "API key" in browser.get().text


def test_the_cookie_is_out_of_reach(roomy: Access) -> None:
    plain = Browser(roomy).get().headers["Set-Cookie"]
    assert plain.startswith("infernet=")
    assert "HttpOnly" in plain
    assert "SameSite=strict" in plain
    safe = Browser(roomy, "https").get().headers["Set-Cookie"]
    assert safe.startswith("__Host-infernet=")
    assert "Secure" in safe
    assert "Path=/" in safe
    assert "Domain" not in safe


def test_signing_in_changes_the_session(browser: Browser, writer_key: str) -> None:
    browser.get()
    before = browser.cookie()
    browser.sign_in(writer_key)
    assert browser.cookie() != before
    browser.client.cookies.clear()
    # Whoever planted the first cookie is not signed in with it.
    browser.client.cookies.set("infernet", before)
    assert "API key" in browser.get().text


def test_a_wrong_key_signs_nobody_in(browser: Browser) -> None:
    said = browser.sign_in(f"inf_{'0' * 12}_{'0' * 64}")
    assert said.status_code == 401
    assert "not one of this gateway" in said.text


def test_guesses_through_the_form_are_limited(access: Access, writer_key: str) -> None:
    browser = Browser(access)
    codes = [browser.sign_in("guess").status_code for _ in range(1)]
    codes += [browser.send(SIGN_IN, {"key": "guess", "token": "x"}).status_code]
    said = [browser.get().status_code for _ in range(3)]
    assert codes == [401, 403]
    assert said[-1] == 429


def test_a_token_works_once(browser: Browser, writer_key: str) -> None:
    token = browser.token()
    assert browser.send(SIGN_IN, {"key": "wrong", "token": token}).status_code == 401
    again = browser.send(SIGN_IN, {"key": writer_key, "token": token})
    assert again.status_code == 403
    assert "sent before" in again.text


def test_a_token_of_another_session_or_form_is_refused(
    roomy: Access, browser: Browser, writer_key: str
) -> None:
    foreign = Browser(roomy).token()
    browser.get()
    assert browser.send(SIGN_IN, {"key": writer_key, "token": foreign}).status_code == 403
    # Of the same session, but shown for signing in.
    assert browser.send(SIGN_OUT, {"token": browser.token()}).status_code == 403
    browser.client.cookies.clear()
    assert browser.send(SIGN_IN, {"key": writer_key, "token": foreign}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://gateway"},
        {"Origin": "http://gateway.evil.example"},
        {"Origin": "http://gateway", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://gateway", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_forms_from_other_sites_are_refused(
    browser: Browser, writer_key: str, headers: Fields
) -> None:
    fields = {"key": writer_key, "token": browser.token()}
    assert browser.send(SIGN_IN, fields, headers).status_code == 403
    # Nor is the token used up: the person's own form still works.
    assert browser.send(SIGN_IN, fields, {"Sec-Fetch-Site": "same-origin"}).status_code == 303


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"token": "x"}'),
        ("text/plain", b"token=x"),
        ("application/x-www-form-urlencoded", b"token=%ff"),
        ("application/x-www-form-urlencoded", b"\xff"),
        ("application/x-www-form-urlencoded", b"a=1&" * 100),
        ("application/x-www-form-urlencoded", b"token=" + b"x" * 5_000),
        ("application/x-www-form-urlencoded", "token=\u0663\ud7ff".encode()),
    ],
)
def test_what_no_form_sends_is_refused(browser: Browser, kind: str, body: bytes) -> None:
    headers = {**_OWN, "Content-Type": kind}
    browser.get()
    said = asyncio.run(browser.client.post(SIGN_IN, content=body, headers=headers))
    assert said.status_code == 403


def test_a_revoked_key_is_signed_out(browser: Browser, tmp_path: Path, writer_key: str) -> None:
    browser.sign_in(writer_key)
    with changing(tmp_path) as keys:
        keys.revoke(writer_key.split("_")[1])
    said = browser.get()
    assert said.status_code == 401
    assert "was revoked" in said.text
    assert browser.get().status_code == 200


def test_pages_have_no_code_of_their_own(browser: Browser) -> None:
    said = browser.get()
    assert "unsafe" not in said.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in said.headers["Content-Security-Policy"]
    assert said.headers["Cache-Control"] == "no-store"
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", said.text)


def test_sessions_end_and_are_bounded() -> None:
    clock = Clock()
    sessions = Sessions(Limits(session_seconds=60, most_sessions=3), clock)
    member = sessions.begin("key")
    for _ in range(50):
        sessions.begin()
    assert len(sessions) == 4
    request = _request({"cookie": f"other=1; infernet={member.id}"})
    # A flood of strangers signs nobody out.
    assert sessions.of(request) is member
    clock.now += 60
    assert sessions.of(request) is None
    assert len(sessions) == 3


def test_a_planted_second_cookie_is_no_session() -> None:
    sessions = Sessions(Limits())
    id_ = sessions.begin("key").id
    for cookie in (
        f"infernet={id_}; infernet=evil",
        f"infernet=evil; infernet={id_}",
        f"Infernet={id_}",
        f"xinfernet={id_}",
        "infernet=",
        "infernet=" + "x" * 10_000,
    ):
        assert sessions.of(_request({"cookie": cookie})) is None
    assert sessions.of(_request({"cookie": f"infernet={id_}"}, "https")) is None


def test_only_the_latest_forms_of_a_session_are_good() -> None:
    sessions = Sessions(Limits())
    session = sessions.begin()
    tokens = [sessions.show_form(session, "act") for _ in range(40)]
    with pytest.raises(BadForm):
        require_form(_request(_OWN), session, "act", tokens[7])
    assert require_form(_request(_OWN), session, "act", tokens[8]) is session
    with pytest.raises(BadForm):
        require_form(_request(_OWN), session, "act", "\ud800")
    with pytest.raises(BadForm, match="session has ended"):
        require_form(_request(_OWN), None, "act", tokens[9])
