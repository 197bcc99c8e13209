"""The economics: its rules are the contracts', its simulation agrees with its closed forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.economics import closed, derive, figures, money, sybils, terms, trials
from benchmarks.economics.balance import balance_of
from benchmarks.economics.delay import ways
from benchmarks.economics.play import EXECUTOR, Executor, Eye, Fisherman, Mind, play
from benchmarks.economics.svg import Axis, Line, chart
from benchmarks.economics.worlds import dear_world, image_world, with_gain
from bisection.game import Player
from infernet.actors.report import tell_nobody
from infernet.actors.responder import Responder
from infernet.backend.tamper import Mutation, TamperedTrace
from infernet.chain.deploy import PRODUCTION
from infernet.chain.game import commitment_of
from infernet.chain.records import GameStatus
from infernet.chain.wallet import Sent, Wallet
from interpreter.program import Step
from tests.stage import Stage, base_fee, new_stage
from tests.unit.fisherman.lies import assert_all, play_out, tell_lie

ROOT = Path(__file__).parents[2]
ASSUMED = derive.Assumptions()


@pytest.fixture(scope="module")
def stage() -> Stage:
    # Two dissections: the challenger proves the last step, so that nobody waits for a clock.
    return new_stage(seed=0)


def wealth(stage: Stage, *wallets: Wallet) -> int:
    """Return what accounts own, in the vault and beside it."""
    vault = stage.contracts.vault
    return sum(vault.balance(each.address).total + each.balance for each in wallets)


@pytest.mark.parametrize("steps", [1, 2, 28, 29, 64, 134_152, 38_900_000, 10**12, 1 << 49])
def test_the_terms_are_what_the_contracts_ask(stage: Stage, steps: int) -> None:
    asked, games = terms.Terms(steps), stage.contracts.games
    assert asked.dissections == games.view("dissections", steps)
    assert asked.clock_seconds == games.clock_for(steps)
    assert asked.most_dispute_seconds == games.view("maxDisputeSeconds", steps)
    assert asked.run_seconds == games.view("runSeconds", steps)
    assert asked.floor_wei == stage.contracts.registry.view("minimumStakeOf", steps)


def test_playing_both_sides_of_a_lie_costs_on_chain_what_the_ledger_says(stage: Stage) -> None:
    with stage.rewound() as stage:
        lie, friend = tell_lie(stage), stage.wallet()
        liar, sent = lie.liar.wallet, list[Sent]()
        liar.on_sent = friend.on_sent = sent.append
        stake = stage.contracts.market.assertion(lie.assertion_id).stake
        before = wealth(stage, liar, friend)
        play_out(stage, lie, stage.fisherman(friend))
        assert stage.contracts.vault.balance(friend.address).locked == 0
        lost = before - wealth(stage, liar, friend) - sum(each.fee for each in sent)
    asked = terms.Terms(stage.steps)
    world = replace(image_world(gas_price_gwei=0), terms=asked, stake_wei=stake)
    assert asked.floor_wei == stake
    assert lost == terms.burn_of(stake) == sybils.own_lie(world, 1).owner_wei


def test_a_liar_that_challenges_itself_later_keeps_the_reward(stage: Stage) -> None:
    with stage.rewound() as stage:
        lie, games, vault = tell_lie(stage, share=0.2), stage.contracts.games, stage.contracts.vault
        liar, honest, friend = lie.liar.wallet, stage.wallet(), stage.wallet()
        stake = stage.contracts.market.assertion(lie.assertion_id).stake
        watcher, false_run = stage.fisherman(honest), stage.run((stage.steps - 1) // 5, stage.data)
        watcher.tick()
        # The friend agrees with the truth where the liar lies, and lies itself at the very end.
        other_run = TamperedTrace(stage.truth(), Step(stage.steps - 1), Mutation(1, 77))
        accomplice = stage.fisherman(friend, start_run=lambda *_: other_run)
        sent = list[Sent]()
        liar.on_sent = friend.on_sent = sent.append
        before = wealth(stage, liar, friend)
        conceding = Responder(stage.contracts, liar, Player.EXECUTOR, "liar", tell_nobody)
        for _ in range(10):
            watcher.tick()
            accomplice.tick()
            for own in games.challenges(challenger=friend.address):
                if games.game(own.game_id).status is GameStatus.EXECUTOR_TURN:
                    conceding.respond(own.game_id, false_run)
        assert games.is_voided(lie.assertion_id)
        stage.skip(stage.contracts.game_constants.open_seconds + 1)
        for _ in range(3):
            watcher.tick()
            accomplice.tick()
        lost = before - wealth(stage, liar, friend) - sum(each.fee for each in sent)
        first, second = games.challenges(assertionId=lie.assertion_id)
        assert (first.challenger, second.challenger) == (honest.address, friend.address)
        assert [each["challenger"] for each in games.events("Rewarded")] == [friend.address]
        assert lost == terms.burn_of(stake)
        assert vault.balance(honest.address).locked == 0
        assert games.game(first.game_id).status is GameStatus.EXECUTOR_TURN, "never answered"


def test_lost_challenges_cost_on_chain_what_the_ledger_says(stage: Stage) -> None:
    with stage.rewound() as stage:
        task_id, honest, attacker = stage.request(stage.wallet()), stage.wallet(), stage.wallet()
        assert_all(stage, stage.executor(honest), [task_id])
        (found,) = stage.contracts.market.assertions(taskId=task_id)
        games, vault, asked = stage.contracts.games, stage.contracts.vault, terms.Terms(stage.steps)
        before = vault.balance(honest.address).total, vault.burned()
        ledger, bonds = money.Ledger(), list[int]()
        for live in range(3):
            commitment = commitment_of(
                found.assertion_id, attacker.address, b"\x07" * 32, bytes([live]) * 32
            )
            bond = games.bond_for(found.assertion_id)
            assert bond == asked.bond_wei(live)
            games.commit(attacker, found.assertion_id, commitment, bond, bond)
            bonds.append(bond)
        stage.skip(stage.contracts.game_constants.open_seconds + 1)
        gas = []
        for challenge in games.challenges(assertionId=found.assertion_id):
            forfeit = games.forfeit(attacker, challenge.game_id)
            settle = games.settle(attacker, challenge.game_id)
            gas.append((forfeit.gas_used, settle.gas_used))
            price = base_fee(stage.chain, forfeit.block_number)
            refund = terms.refund_of([PRODUCTION.game.dissection_gas], price)
            money.lose_challenge(ledger, "attacker", "honest", bonds.pop(0), refund)
        assert asked.bonds_wei(3) == -ledger.of("attacker")
        assert vault.balance(attacker.address).total == 0
        assert vault.balance(honest.address).total - before[0] == ledger.of("honest")
        assert vault.burned() - before[1] == ledger.of(money.BURNED)
        for forfeited, settled in gas:
            assert terms.FORFEIT_GAS / 2 < forfeited <= terms.FORFEIT_GAS
            assert terms.SETTLE_GAS / 2 < settled <= terms.SETTLE_GAS


@pytest.mark.parametrize("watchers", [1, 16])
def test_every_mind_earns_what_its_closed_form_says(watchers: int) -> None:
    for trial in trials.minds(dear_world(), watchers, tasks=1_500):
        assert trial.agrees, trial
        assert not replace(trial, closed=trial.closed + 0.2).agrees, "the trial shows nothing"


@pytest.mark.parametrize(("lies", "hedged"), [(0.02, False), (0.2, False), (0.2, True)])
def test_watchers_earn_what_their_closed_form_says(lies: float, hedged: bool) -> None:
    trial = trials.eyes(dear_world(), 16, lies, hedged)
    assert trial.agrees, trial
    assert not replace(trial, closed=trial.closed + 0.005).agrees, "the trial shows nothing"


def test_who_checks_nothing_earns_nothing_and_who_copies_pays_gas() -> None:
    checking, lazy, copying = trials.bystanders(dear_world(), 8)
    assert checking > 0 == lazy > copying


def test_watchers_that_the_liar_owns_cover_nothing() -> None:
    caught = [trials.silenced(dear_world(), 8, bought) for bought in (0, 4, 8)]
    for simulated, expected in caught:
        assert simulated == pytest.approx(expected, abs=0.04)
    assert caught[-1] == (0, 0)


@pytest.mark.parametrize("watchers", [1, 16])
def test_players_learn_the_balance_in_which_no_change_pays(watchers: int) -> None:
    for trial in trials.balances(dear_world(), watchers):
        assert trial.agrees, trial
    world, balance = dear_world(), balance_of(dear_world(), watchers)
    covered = closed.coverage(balance.share, watchers)
    lie, truth = closed.lying_gain(world, covered, hedged=False), closed.honest_gain(world)
    assert lie == pytest.approx(truth, abs=1e9)
    earned = closed.watching_gain(world, balance.lies, balance.share, watchers, hedged=False)
    assert earned == pytest.approx(0, abs=1e9)


def test_no_wei_appears_or_vanishes_and_a_seed_plays_the_same() -> None:
    crowd = [Fisherman(Eye.CHECKING, 0.2), Fisherman(Eye.COPYING), Fisherman(Eye.COLLUDING, 0.5)]
    outcomes = [play(dear_world(), Executor(Mind.HEDGING, 0.5), crowd, 200, 3) for _ in range(2)]
    assert sum(outcomes[0].ledger.changes.values()) == 0
    assert outcomes[0].ledger.changes == outcomes[1].ledger.changes
    assert outcomes[0].caught > 0


@pytest.mark.parametrize("gas_price_gwei", [0, 20])
def test_playing_both_sides_loses_from_any_number_of_accounts(gas_price_gwei: int) -> None:
    world = image_world(gas_price_gwei)
    lies = [sybils.own_lie(world, number).owner_wei for number in range(1, 65)]
    truths = [sybils.own_truth(world, number).owner_wei for number in range(1, 65)]
    assert lies == sorted(lies) and truths == sorted(truths)
    assert lies[0] >= world.stake_wei * closed.BURNT_SHARE > world.fee_wei
    assert truths[0] >= world.terms.bond_wei() / 2


def test_the_first_of_many_commits_is_drawn_as_the_closed_form_says() -> None:
    world, rng = image_world(), np.random.default_rng(5)
    mine, gain = sybils.best_lottery(world, others=3)
    won = rng.random(20_000) < mine / (mine + 3)
    spent = (mine - 1) * world.terms.copy_gas * world.gas_price_wei
    simulated = won.mean() * (world.reward_wei - world.win_gas_wei) - spent
    assert simulated == pytest.approx(gain, rel=0.02)
    neighbours = [closed.lottery_gain(world, mine + more, 3) for more in (-1, 1)]
    assert max(neighbours) < gain


def test_a_stake_protects_the_value_that_it_is_asked_for() -> None:
    for covered in (0.01, 0.5, 0.99):
        for hedged in (False, True):
            stake = int(closed.stake_for(terms.ETHER, covered, hedged=hedged))
            held = closed.value_protected(stake, covered, hedged)
            assert held == pytest.approx(terms.ETHER, rel=1e-9)
    world = with_gain(replace(image_world(0), fee_wei=0, run_wei=0), 1.0)
    edge = closed.deterring_coverage(world, hedged=True)
    assert closed.value_protected(world.stake_wei, edge) == pytest.approx(world.gain_wei, rel=1e-6)


@pytest.mark.parametrize("gain", [0.001, 0.1, 1.0, 30.0])
def test_a_rational_executor_tells_the_truth_just_above_the_deterring_coverage(gain: float) -> None:
    world = with_gain(image_world(), gain)
    edge = closed.deterring_coverage(world, hedged=True)
    assert closed.best_answer(world, edge + 1e-6, right=0) == "truth"
    assert closed.best_answer(world, edge - 1e-6, right=0) == "hedged lie"


def test_delay_always_costs_and_never_passes_the_bound() -> None:
    world = image_world()
    for way in ways(world, ASSUMED.yearly_rate, 150_528):
        assert way.attacker_wei > 3 * max(way.defender_wei, 0), way.name
        assert 0 < way.seconds <= world.terms.most_seconds_to_finality, way.name
    short = replace(world, terms=terms.Terms(2))
    stalled = next(way for way in ways(short, ASSUMED.yearly_rate, 1) if "stall" in way.name)
    assert stalled.seconds == PRODUCTION.game.open_seconds, "nobody has a second turn in two steps"


def test_the_wanted_window_costs_least() -> None:
    window = derive.wanted_window(ASSUMED, 1)

    def cost(seconds: float) -> float:
        bound = float(ASSUMED.yearly_rate) * seconds / terms.YEAR_SECONDS
        return bound + ASSUMED.outage_share * np.exp(-seconds / ASSUMED.outage_seconds)

    assert cost(window) < min(cost(window * 0.9), cost(window * 1.1))


def test_what_the_model_asks_of_the_shipped_constants() -> None:
    found = {row.name: row.fits for row in derive.rows(image_world(), ASSUMED)}
    assert all(found.values()), [name for name, fits in found.items() if not fits]
    text = (ROOT / "docs" / "spec" / "economics.md").read_text()
    for name in found:
        for constant in name.split(", "):
            assert f"`{constant.split()[0]}`" in text or constant in text, constant


def test_the_page_tells_todays_figures() -> None:
    text = (ROOT / "docs" / "spec" / "economics.md").read_text()
    hint = "the page is old: make bench ARGS=economics prints what it should say"
    for steps in (1, terms.PERCEPTRON_STEPS, terms.SMALL_STEPS, terms.RESNET_STEPS):
        assert f"| {terms.Terms(steps).win_gas:,} |" in text, hint
    for gain in (0.01, 1.0, 100.0):
        hedged = closed.deterring_coverage(with_gain(image_world(), gain), hedged=True)
        assert f"| {hedged:.1%}".replace("%", " %") in text, hint
    for accounts in (1, 8, 64):
        assert f"{sybils.own_lie(image_world(), accounts).owner_wei / terms.ETHER:.3f}" in text, (
            hint
        )


def test_other_constants_are_judged_otherwise() -> None:
    game = replace(
        PRODUCTION.game, dissection_gas=900_000, bond_base_wei=8, steps_per_clock_second=10**9
    )
    market = replace(
        PRODUCTION.market, claim_penalty_bps=100, window_seconds=600, reveal_base_fee_wei=10**9
    )
    constants = replace(PRODUCTION, game=game, market=market, stake_base_wei=0)
    asked = terms.Terms(terms.RESNET_STEPS, constants)
    world = replace(image_world(), terms=asked, stake_wei=asked.floor_wei)
    found = {row.name: row.fits for row in derive.rows(world, ASSUMED)}
    assert {name for name, fits in found.items() if not fits} == {
        "stake_base_wei, stake_per_bit_wei",
        "bond_base_wei, bond_per_dissection_wei",
        "claim_penalty_bps",
        "window_seconds",
        "window_seconds, what a run adds",
        "assert_seconds, what a run adds",
        "open_seconds, what a run adds",
        "steps_per_clock_second",
        "half of a bond burns at least",
        "dissection_gas, proof_gas",
        "reveal_base_fee_wei",
    }


def test_the_plots_are_the_drawn_ones_and_fit_both_themes() -> None:
    for name in ("watching", "both_sides", "stakes", "delays"):
        drawn = getattr(figures, name)()
        kept = ROOT / "docs" / "images" / f"economics-{name.replace('_', '-')}.svg"
        assert kept.read_text() == drawn, f"{kept.name} is old: make bench ARGS=economics"
        assert "prefers-color-scheme:dark" in drawn
        ElementTree.fromstring(drawn)


def test_a_chart_draws_what_lies_on_its_axes() -> None:
    line = Line("a < b", [(1, 1), (10, 2), (100, 3)])
    drawn = chart("t", Axis("x", 1, 10, is_log=True), Axis("y", 0, 3), [line])
    root = ElementTree.fromstring(drawn)
    paths = [each.get("d", "") for each in root.iter() if each.get("class") == "line l0"]
    assert paths[0].count("L") == 1
    assert "a &lt; b" in drawn


def test_a_payment_is_never_negative() -> None:
    with pytest.raises(ValueError, match="amounts are >= 0"):
        money.Ledger().move(EXECUTOR, money.GAS, -1)
