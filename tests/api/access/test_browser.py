"""Signing in with a real browser, which says itself where a form comes from."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from api.access.guard import Access
from api.access.limits import Limits
from api.access.middleware import Fence
from api.access.pages import PLACE, SIGN_IN, account_router
from api.explorer.rendering import static_file
from infernet.chain.records import Wei

from .gate import answer, served

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def page() -> Iterator[playwright.Page]:
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no browser is installed: `apt-get install chromium` installs one")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(15_000)
        yield page
        browser.close()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    access = Access.open(tmp_path)
    app = FastAPI()
    app.include_router(account_router(access, lambda key_id: Wei(5 * 10**15)))

    @app.get("/explorer/static/{name}")
    def static(name: str) -> Response:
        return static_file(name) or Response(status_code=404)

    @app.get("/evil")
    def evil(to: str) -> Response:
        form = f'<form method=post action="{to}"><input name=key><button>go</button></form>'
        return HTMLResponse(form, headers={"Content-Security-Policy": "default-src 'none'"})

    with served(Fence(app, access, answer), Limits()) as port:
        yield port
    access.close()


def test_a_browser_signs_in_and_out(port: int, page: playwright.Page, writer_key: str) -> None:
    page.goto(f"http://127.0.0.1:{port}{PLACE}")
    page.fill("#key", writer_key)
    page.click("main button")
    page.wait_for_selector("text=Sign out")
    assert writer_key.split("_")[1] in page.inner_text("main")
    assert page.evaluate("document.cookie") == ""
    page.click("text=Sign out")
    page.goto(f"http://127.0.0.1:{port}{PLACE}")
    assert page.is_visible("#key")


def test_a_page_of_another_site_sends_nothing(port: int, page: playwright.Page) -> None:
    page.goto(f"http://127.0.0.1:{port}{PLACE}")
    to = f"http://127.0.0.1:{port}{SIGN_IN}"
    page.goto(f"http://localhost:{port}/evil?to={to}")
    with page.expect_response(to) as caught:
        page.click("button")
    said = caught.value
    assert said.status == 403
    assert "cookie" not in said.request.all_headers()
    assert said.request.all_headers()["sec-fetch-site"] in ("cross-site", "same-site")
