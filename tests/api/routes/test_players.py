"""Miners and fishermen over HTTP: what the chain says, ranked, in pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infernet.chain.records import Wei
from tests.anvil import find_anvil, running
from tests.api.explorer.scene import digits, scene_on
from tests.api.office import funded_key
from tests.stage import FEE

from .conftest import Counter, over_http
from .test_tasks import _problem


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    """Give a gateway over a story: an honest miner, a liar that was slashed, a fisherman."""
    if find_anvil() is None:
        pytest.skip("anvil is not installed: `npm ci` in contracts/ installs it, npm is missing")
    with running() as node:
        scene = scene_on(node, digits())
        scene.finish_one()
        _, game = scene.begin_lie()
        for _ in scene.moves(game):
            pass
        scene.settle()
        folder = tmp_path_factory.mktemp("gateway")
        with over_http(scene, folder, funded_key(node)) as found:
            yield found


def test_miners_are_ranked_by_score_and_liars_come_last(ranked: Counter) -> None:
    found = ranked.client.get("/v1/miners").json()
    honest, liar = found["miners"]
    scene = ranked.scene
    assert [honest["address"], liar["address"]] == [
        scene.executor.wallet.address,
        scene.liar.wallet.address,
    ]
    assert honest["score"] > 0.5 > liar["score"]
    assert (honest["final"], honest["slashed"], honest["fees_wei"]) == (1, 0, str(FEE))
    assert (liar["final"], liar["slashed"], liar["disputes_lost"]) == (0, 1, 1)
    assert int(liar["lost_wei"]) > 0
    assert honest["latency_median_seconds"] == honest["latency_p95_seconds"] >= 0
    assert found["cursor"] is None
    assert found["block"] <= scene.town.chain.block_number()


def test_deposits_and_free_balances_are_the_vaults(ranked: Counter) -> None:
    vault = ranked.scene.town.contracts.vault
    places = ("/v1/miners", "miners"), ("/v1/fishermen", "fishermen")
    for place, name in places:
        for player in ranked.client.get(place).json()[name]:
            balance = vault.balance(player["address"])
            assert player["deposit_wei"] == str(balance.total)
            assert player["free_wei"] == str(balance.free)


def test_a_ranking_by_stake_goes_by_the_deposit(ranked: Counter) -> None:
    found = ranked.client.get("/v1/miners?sort=stake").json()["miners"]
    deposits = [int(each["deposit_wei"]) for each in found]
    assert deposits == sorted(deposits, reverse=True)


def test_pages_of_a_ranking_make_the_whole_of_it(ranked: Counter) -> None:
    whole = ranked.client.get("/v1/miners").json()["miners"]
    first = ranked.client.get("/v1/miners?limit=1").json()
    rest = ranked.client.get(f"/v1/miners?limit=1&cursor={first['cursor']}").json()
    assert first["miners"] + rest["miners"] == whole
    assert rest["cursor"] is None
    beyond = ranked.client.get("/v1/miners?cursor=999").json()
    assert (beyond["miners"], beyond["cursor"]) == ([], None)


def test_one_player_is_what_the_ranking_says_of_it_in_any_spelling(ranked: Counter) -> None:
    miner = ranked.client.get("/v1/miners").json()["miners"][0]
    assert ranked.client.get(miner["href"]).json() == miner
    assert ranked.client.get(f"/v1/miners/{miner['address'].lower()}").json() == miner
    (fisherman,) = ranked.client.get("/v1/fishermen").json()["fishermen"]
    assert ranked.client.get(fisherman["href"]).json() == fisherman
    assert fisherman["address"] == ranked.scene.fisherman.wallet.address
    assert (fisherman["challenges"], fisherman["won"], fisherman["rewards"]) == (1, 1, 1)
    assert int(fisherman["rewards_wei"]) > 0 == int(fisherman["bonds_lost_wei"])


def test_who_never_played_and_what_is_no_address_are_problems(ranked: Counter) -> None:
    requester = ranked.scene.requester.address
    for place in ("miners", "fishermen"):
        _problem(ranked.client.get(f"/v1/{place}/{requester}"), 404, "unknown-matter")
        _problem(ranked.client.get(f"/v1/{place}/0x12"), 422, "invalid-request")
        _problem(ranked.client.get(f"/v1/{place}?sort=luck"), 422, "invalid-request")
        _problem(ranked.client.get(f"/v1/{place}?cursor=0"), 422, "invalid-request")


def test_rankings_need_a_key_that_may_read(ranked: Counter) -> None:
    for place in ("miners", "fishermen", f"miners/{ranked.scene.executor.wallet.address}"):
        nobody = ranked.client.get(f"/v1/{place}", headers={"Authorization": ""})
        _problem(nobody, 401, "unauthenticated")
        headers = {"Authorization": f"Bearer {ranked.reader}"}
        assert ranked.client.get(f"/v1/{place}", headers=headers).status_code == 200


def test_the_pool_prefers_by_these_scores(ranked: Counter) -> None:
    miners = ranked.client.get("/v1/miners").json()["miners"]
    for each in miners:
        deposit = Wei(int(each["deposit_wei"]))
        ranked.gateway.pool.pool.join(each["address"], [ranked.scene.town.root], deposit)
    members = ranked.client.get("/v1/pool").json()["members"]
    scores = {each["address"]: each["score"] for each in members}
    # What is past fades with every second.
    assert scores == pytest.approx({each["address"]: each["score"] for each in miners}, rel=1e-4)
