"""The explorer in a real browser: live, by keyboard, in both themes, on a phone.

With INFERNET_SCREENSHOTS=docs/images the pictures of the documentation are made anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infernet.chain.records import GameStatus
from tests.anvil import find_anvil, running

from .conftest import Played
from .scene import Scene, app_over, digits, scene_on, served

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_WAIT_MS = 15_000
_PHONE = {"width": 375, "height": 740}
_DESK = {"width": 1_200, "height": 800}
# Those of the documentation and how high, besides a live dispute and a phone.
_PICTURES = {"overview-light": 780, "task-light": 960, "dispute-dark": 1_500, "model-dark": 800}
# WCAG 2.2, level AA, for text of any size.
_LEAST_CONTRAST = 4.5


@dataclass
class Reader:
    """A browser that notes all that it complains of, and each host that it asks."""

    browser: playwright.Browser
    url: str
    complaints: list[str] = field(default_factory=list)
    hosts: set[str | None] = field(default_factory=set)

    def open(self, path: str = "", *, size=_DESK, scheme: str = "light") -> playwright.Page:
        """Open a page of the explorer in a fresh window."""
        context = self.browser.new_context(viewport=size, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(_WAIT_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        page.goto(f"{self.url}/explorer{path}")
        return page

    def _hear(self, message: playwright.ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no browser is installed: `apt-get install chromium` installs one")
    with playwright.sync_playwright() as driver:
        # Containers lack what Chromium's sandbox asks of the kernel.
        found = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def reader(browser: playwright.Browser, played: Played) -> Iterator[Reader]:
    """Give a reader of the played scene, and hold what its browser said against the pages."""
    found = Reader(browser, str(played.client.base_url))
    yield found
    for context in browser.contexts:
        context.close()
    assert found.complaints == []
    assert found.hosts <= {"127.0.0.1"}


@pytest.fixture
def live_scene() -> Iterator[Scene]:
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    with running() as node:
        yield scene_on(node, digits())


def keep(page: playwright.Page, name: str) -> None:
    """Keep a picture for the documentation where that is asked for."""
    folder = os.environ.get("INFERNET_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(300)
        page.screenshot(path=Path(folder) / f"explorer-{name}.png", animations="disabled")


def paths(played: Played) -> dict[str, str]:
    return {
        "overview": "",
        "tasks": "/tasks",
        "disputes": "/disputes",
        "models": "/models",
        "task": f"/tasks/0x{played.final.hex()}",
        "slashed": f"/tasks/0x{played.lie.hex()}",
        "result": f"/assertions/0x{played.result.hex()}",
        "dispute": f"/disputes/0x{played.game.hex()}",
        "model": "/models/digits",
        "miners": "/miners",
        "fishermen": "/fishermen",
        "miner": f"/addresses/{played.scene.executor.wallet.address}",
        "account": f"/addresses/{played.scene.fisherman.wallet.address}",
        "key": "/account",
        "search": "/search?q=0x",
        "error": "/tasks/0x12",
    }


def test_a_dispute_is_followed_to_its_verdict_without_a_reload(browser, live_scene):
    scene = live_scene
    scene.finish_one()
    with served(app_over(scene.town.view(), (scene.model,))) as url:
        reader = Reader(browser, url)
        _, game = scene.begin_lie()
        page = reader.open(f"/disputes/0x{game.hex()}", size={"width": 1200, "height": 1000})
        page.evaluate("window.isSamePage = true")
        page.get_by_text("committed", exact=True).wait_for()
        games, seen = scene.town.contracts.games, []
        for status in scene.moves(game):
            cuts = games.dissections(game)
            # Each cut but the last names a part of the one before; a proof names one of the last.
            named = len(cuts) - (status is GameStatus.CHALLENGER_TURN)
            page.wait_for_function(
                "([moves, named]) => document.querySelectorAll('.cell.named').length === named"
                " && document.querySelectorAll('[data-key^=move-]').length === moves",
                arg=[len(cuts), named],
            )
            seen.append(len(cuts))
            if len(seen) == 2:
                keep(page, "dispute-live")
        assert seen == sorted(seen)
        assert seen[-1] >= 3
        page.get_by_role("heading", name="The instruction that decided").wait_for()
        step = games.events("StepProved", gameId=game)[0]["step"]
        assert f"Step {step:,}" in page.locator(".sentence").inner_text()
        assert page.locator("#said").inner_text().startswith("Dispute: challenger won")
        scene.settle()
        money = page.locator(".money .note", has_text="0.9 ETH burned, 0.3 ETH to the challenger")
        money.wait_for()
        assert page.evaluate("window.isSamePage") is True
        page.context.close()
        assert reader.complaints == []


def test_a_ranking_and_a_record_follow_the_chain_without_a_reload(browser, live_scene):
    scene = live_scene
    with served(app_over(scene.town.view(), (scene.model,))) as url:
        reader = Reader(browser, url)
        page = reader.open("/miners")
        page.evaluate("window.isSamePage = true")
        page.get_by_text("Nobody has claimed a task yet.").wait_for()
        scene.finish_one()
        page.get_by_text("1 of 1 final").wait_for()
        assert page.evaluate("window.isSamePage") is True
        page.locator("main a.id").click()
        page.get_by_role("heading", name="A miner", exact=True).wait_for()
        page.evaluate("window.isSamePage = true")
        for _ in range(6):
            _finish_after(scene, page)
        page.get_by_text("7 of 7 results final").wait_for()
        bars = page.locator("[aria-labelledby^=deeds] .final")
        # What is final in one span of blocks is one bar.
        assert 1 < bars.count() <= 7
        assert page.locator("[aria-labelledby^=latencies] .took").count() > 1
        assert page.evaluate("window.isSamePage") is True
        for scheme in ("dark", "light"):
            shown = reader.open(urlsplit(page.url).path.removeprefix("/explorer"), scheme=scheme)
            faint = [each for each in shown.evaluate(CONTRASTS) if each[0] < _LEAST_CONTRAST]
            assert not faint
            if scheme == "dark":
                shown.set_viewport_size({"width": 1_200, "height": 700})
                keep(shown, f"miner-{scheme}")
        for context in browser.contexts:
            context.close()
        assert reader.complaints == []


def _finish_after(scene: Scene, page: playwright.Page) -> None:
    """Let one more task of the honest miner become final, its result some time after the claim."""
    town, market = scene.town, scene.town.contracts.market
    wallet, number = scene.executor.wallet, len(market.requests())
    task = town.request(scene.requester)
    stake = town.contracts.registry.info(town.root).minimum_stake
    market.claim(wallet, task, stake, stake)
    town.skip(7 * number**2)
    market.assert_result(wallet, task, 1, town.truth().output)
    town.skip(town.contracts.market_constants.window_seconds + 1)
    market.finalise(wallet, market.assertions(taskId=task)[-1].assertion_id)
    page.get_by_text(f"{number + 1} of {number + 1} results final").wait_for()


def test_the_slash_key_leads_to_the_search_and_the_search_to_the_page(reader, played):
    page = reader.open()
    page.keyboard.press("/")
    page.keyboard.type(f"0x{played.game.hex()[:10]}")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/disputes/0x{played.game.hex()}")
    assert "one was false" in page.locator("h1").inner_text()


def ground(page: playwright.Page) -> int:
    """Return how light the page is, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(colour.removeprefix("rgb(").split(",")[0])


def test_the_theme_follows_the_system_until_it_is_switched_and_then_stays(reader):
    page = reader.open(scheme="dark")
    assert ground(page) < 40
    page.get_by_role("button", name="Switch between dark and light").click()
    assert ground(page) > 220
    page.get_by_role("link", name="Tasks").first.click()
    page.wait_for_url("**/tasks")
    assert ground(page) > 220
    assert ground(reader.open(scheme="light")) > 220


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_page_is_wider_than_a_phone(reader, played, scheme):
    page = reader.open(size=_PHONE, scheme=scheme)
    for name, path in paths(played).items():
        page.goto(f"{reader.url}/explorer{path}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= _PHONE["width"], name
        if name == "dispute":
            keep(page, f"phone-{scheme}")
    reader.complaints = [text for text in reader.complaints if "400 (Bad Request)" not in text]


def test_the_keyboard_meets_what_is_there_in_its_order_and_sees_where_it_is(reader):
    page = reader.open()
    met = []
    for _ in range(10):
        page.keyboard.press("Tab")
        met.append(
            page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id")
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", met[-1]
    links = ["Tasks", "Disputes", "Models", "Miners", "Fishermen", "Account"]
    assert met == ["Skip to content", "InferNet", *links, "search", "theme"]
    page.keyboard.press("Shift+Tab")
    page.goto(f"{reader.url}/explorer")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    assert page.evaluate("document.getElementById('content').contains(document.activeElement)")


def test_a_new_block_moves_neither_the_focus_nor_what_was_unfolded(reader, played):
    page = reader.open(f"/disputes/0x{played.game.hex()}")
    page.locator("#pulse-dot.on").wait_for()
    page.locator("#touches summary").click()
    page.evaluate("document.querySelector('.verdict').dataset.old = 'yes'")
    link = page.locator("#content a.id").nth(2)
    link.focus()
    href = link.get_attribute("href")
    page.evaluate("refresh()")
    page.locator(".verdict:not([data-old])").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('href')") == href
    assert page.locator("#touches").get_attribute("open") is not None


CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const parse = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = rgb => rgb.map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    const below = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
    return over(parse(getComputedStyle(element).backgroundColor), below);
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].filter(n => n.nodeType === 3 && n.data.trim());
    const isUnseen = !element.checkVisibility() || /^(title|desc)$/.test(element.tagName);
    if (!words.length || isUnseen) continue;
    const style = getComputedStyle(element);
    const isDrawn = element instanceof SVGElement;
    const back = ground(isDrawn ? element.ownerSVGElement.parentElement : element);
    const front = over(parse(isDrawn ? style.fill : style.color), back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), words[0].data.trim().slice(0, 40)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_all_text_can_be_read_against_its_ground(reader, played, scheme):
    page = reader.open(scheme=scheme)
    for name in ("overview", "task", "dispute", "model", "miners", "miner", "account", "result"):
        page.goto(f"{reader.url}/explorer{paths(played)[name]}")
        found = page.evaluate(CONTRASTS)
        assert len(found) > 20
        faint = [(round(ratio, 2), words) for ratio, words in found if ratio < _LEAST_CONTRAST]
        assert not faint, name
        if height := _PICTURES.get(f"{name}-{scheme}"):
            page.set_viewport_size({"width": 1_200, "height": height})
            keep(page, f"{name}-{scheme}")


def test_without_scripts_every_page_still_tells_its_story(browser, played):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{played.client.base_url}/explorer/disputes/0x{played.game.hex()}")
    assert "one was false" in page.locator("h1").inner_text()
    assert page.locator("svg.narrowing").bounding_box()["width"] > 300
    context.close()
