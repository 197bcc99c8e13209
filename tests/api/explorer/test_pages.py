"""Pages and their twins say what a real chain says, and lead nowhere that is not there."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from PIL import Image

from api.explorer.words import TOLD
from infernet.audit.judge import judge
from infernet.audit.replay import trace_of
from infernet.chain.artifacts import load
from infernet.chain.deployment import Deployment
from infernet.chain.logs import kinds_of
from tests.stage import FEE

from .conftest import Played

ROOT = "/explorer"


def twin(played: Played, path: str) -> Any:
    answer = played.client.get(f"{ROOT}/{path}.json")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def page(played: Played, path: str, status: int = 200) -> str:
    answer = played.client.get(f"{ROOT}/{path}", headers={"Accept": "text/html"})
    assert answer.status_code == status, answer.text
    return answer.text


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


class Links(HTMLParser):
    """What a page refers to, and what its policy would refuse."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.refused: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        leads = ("href", "src") if named.get("method") == "post" else ("href", "src", "action")
        self.found |= {v for k in leads if (v := named.get(k))}
        self.ids += [v for k, v in attrs if k == "id" and v]
        handlers = [k for k in named if k == "style" or k.startswith("on")]
        is_inline = tag == "style" or (tag == "script" and "src" not in named)
        if handlers or is_inline:
            self.refused.append(f"{tag} {handlers}")


def test_every_link_from_the_overview_on_leads_to_a_page_that_its_policy_allows(played):
    waiting, seen = [ROOT], set()
    while waiting:
        path = waiting.pop()
        if path in seen or path.startswith("#"):
            continue
        seen.add(path)
        assert path.startswith(ROOT), path
        answer = played.client.get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 200, path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        if answer.headers["content-type"].startswith("text/html"):
            links = Links(answer.text)
            assert not links.refused, path
            assert len(links.ids) == len(set(links.ids)), path
            waiting += links.found
    kinds = {path.split("/")[2] for path in seen if path.count("/") > 2}
    assert kinds >= {"tasks", "assertions", "disputes", "models", "addresses", "transactions"}
    assert {f"{ROOT}/{name}" for name in ("miners", "fishermen", "account")} <= seen


def test_the_final_task_shows_its_answer_as_final_and_what_it_cost(played):
    found = twin(played, f"tasks/0x{played.final.hex()}")
    assert (found["state"], found["finality"], found["slashed"]) == ("final", "final", 0)
    assert found["fee_wei"] == str(FEE)
    assert found["answer"]["scores"][0]["label"] == "7"
    assert found["output"] == f"0x{played.scene.town.truth().output.hex()}"
    words = text_of(page(played, f"tasks/0x{played.final.hex()}"))
    assert "The result is final: nobody can take it back." in words
    assert f"infernet task receipt 0x{played.final.hex()}" in words


def test_the_input_is_shown_as_the_picture_that_it_was(played, tmp_path):
    answer = played.client.get(f"{ROOT}/tasks/0x{played.final.hex()}/input.png")
    file = tmp_path / "input.png"
    file.write_bytes(answer.content)
    with Image.open(file) as picture:
        assert picture.size == (16, 16)
        shown = picture.tobytes()
    data = played.scene.town.data
    order = sorted(range(len(data)), key=lambda i: data[i])
    levels = [shown[i] for i in order]
    assert levels in (sorted(levels), sorted(levels, reverse=True))


def test_a_slashed_task_is_open_again_and_shows_no_output(played):
    found = twin(played, f"tasks/0x{played.lie.hex()}")
    assert (found["state"], found["finality"], found["output"]) == ("queued", "none", None)
    assert found["slashed"] == 1
    assert [each["status"] for each in found["results"]] == ["slashed"]
    assert [each["verdict"] for each in found["disputes"]] == ["challenger won"]


def test_a_dispute_is_told_as_the_chain_has_it_down_to_the_instruction(played):
    found = twin(played, f"disputes/0x{played.game.hex()}")
    games = played.scene.town.contracts.games
    cuts = games.dissections(played.game)
    assert [(m["start"], m["length"]) for m in found["moves"]] == [
        (c.start, c.length) for c in cuts
    ]
    assert [m["by"] for m in found["moves"]] == ["challenger", "executor"] * (len(cuts) // 2)
    trace = trace_of(played.scene.model.program, played.scene.town.data, 1, is_reference=False)
    names = played.scene.model.manifest.operator_names
    truth = judge(played.scene.town.contracts, played.game, trace, names).step
    assert truth is not None
    step = found["instruction"]
    assert step["step"] == truth.shown.step
    assert step["layer"] == truth.shown.layer
    assert step["executed"]["detail"] == truth.shown.detail
    assert step["executed"]["accumulator_before"] == truth.shown.accumulator_before
    assert step["post_hash"] == f"0x{truth.shown.post_hash.hex()}"
    assert step["claimed_hash"] == f"0x{truth.claimed.hex()}" != step["post_hash"]


def test_stake_and_bond_of_a_dispute_add_up_and_went_where_the_rules_say(played):
    stake, bond = twin(played, f"disputes/0x{played.game.hex()}")["purses"]
    for purse in (stake, bond):
        parts = ("locked_wei", "burned_wei", "paid_wei", "returned_wei")
        assert sum(int(purse[part]) for part in parts) == int(purse["total_wei"]) > 0
    assert int(stake["paid_wei"]) == int(stake["total_wei"]) // 4
    assert int(stake["burned_wei"]) == int(stake["total_wei"]) * 3 // 4
    assert bond["returned_wei"] == bond["total_wei"]


def test_a_dispute_page_says_everything_that_its_pictures_show(played):
    words = text_of(page(played, f"disputes/0x{played.game.hex()}"))
    found = twin(played, f"disputes/0x{played.game.hex()}")
    for move in found["moves"]:
        assert f"{move['length']:,} steps from step {move['start']:,} on" in words
    assert found["instruction"]["sentence"] in words
    assert "0.9 ETH burned, 0.3 ETH to the challenger" in words
    assert "infernet dispute replay" in words


def test_a_false_result_is_never_shown_as_one_that_stands(played):
    found = twin(played, f"assertions/0x{played.result.hex()}")
    assert (found["status"], found["finality"]) == ("slashed", "none")
    assert "proven false" in page(played, f"assertions/0x{played.result.hex()}")


def test_accounts_show_what_they_did(played):
    scene = played.scene
    liar = twin(played, f"addresses/{scene.liar.wallet.address}")
    assert (liar["miner"]["results"], liar["miner"]["final"], liar["miner"]["slashed"]) == (1, 0, 1)
    assert (sum(liar["deeds"]["final"]), sum(liar["deeds"]["slashed"])) == (0, 1)
    assert liar["fisherman"] is None
    fisherman = twin(played, f"addresses/{scene.fisherman.wallet.address}")
    assert (fisherman["fisherman"]["challenges"], fisherman["fisherman"]["won"]) == (1, 1)
    assert (fisherman["miner"], fisherman["deeds"]) == (None, None)
    honest = twin(played, f"addresses/{scene.executor.wallet.address.lower()}")
    assert (honest["miner"]["results"], honest["miner"]["final"]) == (1, 1)
    assert [count for _, count in honest["deeds"]["latencies"]] == [1]
    requester = twin(played, f"addresses/{scene.requester.address}")
    assert (requester["asked"], requester["miner"]) == (2, None)
    vault = twin(played, f"addresses/{scene.town.contracts.vault.address}")
    assert vault["role"] == "vault"


def test_players_are_ranked_and_what_ranks_them_is_told_in_words(played):
    scene, found = played.scene, twin(played, "miners")
    honest, liar = found["miners"]
    assert honest["address"] == scene.executor.wallet.address
    assert honest["score"] > 0.5 > liar["score"]
    assert honest["deposit_wei"] == str(scene.town.contracts.vault.balance(honest["address"]).total)
    words = text_of(page(played, "miners"))
    assert "1 of 1 final" in words and "0 of 1 final 1 slashed" in words
    (fisherman,) = twin(played, "fishermen")["fishermen"]
    assert (fisherman["won"], fisherman["lost"]) == (1, 0)
    assert "1 of 1 won" in text_of(page(played, "fishermen"))
    overview = twin(played, "overview")
    assert (overview["miners"], overview["fishermen"]) == (found["miners"], [fisherman])


def test_a_record_is_drawn_and_its_pictures_are_told_in_words(played):
    address = played.scene.executor.wallet.address
    found = twin(played, f"addresses/{address}")
    words = text_of(page(played, f"addresses/{address}"))
    assert f"{found['miner']['score']:.2f} score as a miner" in words
    assert "1 final, 0 slashed, 0 expired." in words
    assert "Half of the results came within" in words


def test_totals_count_what_happened(played):
    totals = twin(played, "overview")["totals"]
    assert (totals["requested"], totals["final"], totals["slashed"]) == (2, 1, 1)
    assert (totals["disputes"], totals["open_disputes"], totals["open_tasks"]) == (1, 0, 1)
    assert int(totals["burned_wei"]) == played.scene.town.contracts.vault.burned()
    pulse = twin(played, "overview")["pulse"]
    assert [sum(pulse[n]) for n in ("requested", "final", "slashed")] == [2, 1, 1]


def test_the_contracts_can_be_taken_along(played):
    text = played.client.get(f"{ROOT}/contracts.json").text
    assert Deployment.from_json(text) == played.scene.town.contracts.deployment


def test_the_accept_header_chooses_the_twin_as_the_suffix_does(played):
    path = f"{ROOT}/tasks/0x{played.final.hex()}"
    accepted = played.client.get(path, headers={"Accept": "application/json"})
    assert accepted.json() == played.client.get(f"{path}.json").json()
    assert "Accept" in accepted.headers["vary"]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda p: f"0x{p.final.hex()}", "tasks"),
        (lambda p: f"0x{p.final.hex()[:10]}", "tasks"),
        (lambda p: p.final.hex()[:12].upper(), "tasks"),
        (lambda p: f"0x{p.result.hex()[:12]}", "assertions"),
        (lambda p: f"0x{p.game.hex()[:12]}", "disputes"),
        (lambda p: f"0x{p.scene.model.program.root.hex()[:12]}", "models"),
        (lambda p: "DIGIT", "models"),
        (lambda p: p.scene.liar.wallet.address, "addresses"),
        (lambda p: p.scene.liar.wallet.address[:14].lower(), "addresses"),
    ],
)
def test_a_search_goes_straight_to_the_only_thing_that_begins_so(played, make, kind):
    text = make(played)
    answer = played.client.get(f"{ROOT}/search", params={"q": text}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{ROOT}/{kind}/")
    (hit,) = played.client.get(f"{ROOT}/search.json", params={"q": text}).json()["hits"]
    assert hit["kind"] == kind


def test_a_transaction_is_found_by_its_hash_and_tells_its_events(played):
    move = twin(played, f"disputes/0x{played.game.hex()}")["moves"][0]
    answer = played.client.get(
        f"{ROOT}/search", params={"q": move["transaction"]}, follow_redirects=True
    )
    assert answer.url.path == f"{ROOT}/transactions/{move['transaction']}"
    found = twin(played, f"transactions/{move['transaction']}")
    assert [each["event"] for each in found["entries"]] == ["GameOpened", "Dissected"]
    assert found["gas"] == move["gas"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("tasks/0x12", 400),
        ("tasks/0x" + "zz" * 32, 400),
        ("tasks/0x" + "12" * 32, 404),
        ("tasks/0x" + "12" * 32 + "/input.png", 404),
        ("assertions/0x" + "00" * 32, 404),
        ("disputes/0x" + "00" * 32, 404),
        ("models/nothing-of-that-name", 400),
        ("models/0x" + "34" * 32, 404),
        ("addresses/0x1234", 400),
        ("transactions/0x" + "56" * 32, 404),
        ("tasks?before=x", 400),
        ("tasks?before=9-9-9", 400),
        ("tasks?before=" + "9" * 99 + "-1", 400),
        ("miners?after=x", 400),
        ("fishermen?after=" + "9" * 99, 400),
        ("search?q=0xzz", 400),
        ("search?q=" + "a" * 300, 400),
        ("static/../pages.py", 404),
        ("static/nothing.css", 404),
        ("nothing/of/the/kind", 404),
    ],
)
def test_what_is_not_there_is_an_error_that_says_so_on_both_sides(played, path, status):
    assert "InferNet" in page(played, path, status)
    answer = played.client.get(f"{ROOT}/{path}", headers={"Accept": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


def test_what_a_reader_types_is_shown_and_never_run(played):
    html = page(played, 'search?q="><script>alert(1)</script>')
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html
    for path in ("tasks/<img src=x>", "nothing<img src=x>"):
        assert "<img src=x" not in page(played, path, 400 if path.startswith("tasks") else 404)


def test_every_event_of_market_and_game_has_its_words():
    silent = {"InputCarried", "PausedSet"}
    for name in ("TaskMarket", "DisputeGame"):
        assert kinds_of(load(name)).keys() - silent <= TOLD


def test_rankings_go_on_where_the_page_before_ended(played, monkeypatch):
    monkeypatch.setattr("api.explorer.players._PER_PAGE", 1)
    played.scene.town.anvil.mine()
    first = twin(played, "miners")
    assert (len(first["miners"]), first["skipped"], first["next"]) == (1, 0, 1)
    answer = played.client.get(f"{ROOT}/miners.json", params={"after": first["next"]}).json()
    assert (answer["skipped"], answer["next"]) == (1, None)
    assert answer["miners"][0]["score"] < first["miners"][0]["score"]
    html = played.client.get(f"{ROOT}/miners", params={"after": 1}, headers={"Accept": "text/html"})
    assert '<span class="rank muted">2</span>' in html.text


def test_lists_go_on_where_the_page_before_ended(played, monkeypatch):
    monkeypatch.setattr("api.explorer.explorer._PER_PAGE", 1)
    played.scene.town.anvil.mine()
    first = twin(played, "tasks")
    assert [each["id"] for each in first["tasks"]] == [f"0x{played.lie.hex()}"]
    answer = played.client.get(f"{ROOT}/tasks.json", params={"before": first["next"]}).json()
    assert [each["id"] for each in answer["tasks"]] == [f"0x{played.final.hex()}"]
    assert answer["next"] is None
