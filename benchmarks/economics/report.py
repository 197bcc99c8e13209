"""The tables of docs/spec/economics.md, printed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from .closed import (
    best_answer,
    copying_gain,
    deterring_coverage,
    deterring_coverage_of_guesses,
    honest_gain,
    paying_lies,
    share_for,
    stake_for,
    value_protected,
)
from .delay import ways
from .derive import Assumptions, break_even_gas_price, rows
from .sybils import best_lottery, foreign_truth, own_lie, own_truth
from .terms import (
    DAY_SECONDS,
    ETHER,
    GWEI,
    HOUR_SECONDS,
    PERCEPTRON_STEPS,
    RESNET_STEPS,
    SMALL_STEPS,
    YEAR_SECONDS,
    Terms,
)
from .trials import (
    CROWDS,
    RIGHT,
    SHARE,
    Trial,
    all_trials,
    bystanders,
    silenced,
)
from .worlds import dear_world, image_world, run_price, with_gain

_STEPS = (1, PERCEPTRON_STEPS, SMALL_STEPS, RESNET_STEPS, 17 * 10**9, 10**12)
_GAINS = (0.01, 0.1, 1.0, 10.0, 100.0)
_SYBILS = (1, 2, 4, 8, 16, 32, 64)
_PICTURE_BYTES = 150_528
_SLOW_SECONDS = 30
_MONTH_WEI = 5 * ETHER // 100
_BURNS = (Fraction(1, 2), Fraction(3, 4), Fraction(9, 10))


def heading(words: str) -> None:
    """Print the title of a table."""
    print(f"\n-- {words}")


def programs() -> None:
    """Print what the shipped constants ask of programs by size."""
    heading("the shipped constants, by steps: amounts in ETH, times in hours")
    print(
        f"{'steps':>17} {'floor':>6} {'dissections':>11} {'bond':>6} {'gas to win':>10} "
        f"{'pays to gwei':>12} {'dispute':>8} {'finality':>8}"
    )
    for steps in _STEPS:
        terms = Terms(steps)
        print(
            f"{steps:>17,} {terms.floor_wei / ETHER:>6.2f} {terms.dissections:>11} "
            f"{terms.bond_wei() / ETHER:>6.3f} {terms.win_gas:>10,} "
            f"{break_even_gas_price(steps) / GWEI:>12,.0f} "
            f"{terms.most_dispute_seconds / HOUR_SECONDS:>8.1f} "
            f"{terms.most_seconds_to_finality / HOUR_SECONDS:>8.1f}"
        )


def agreement() -> int:
    """Print simulation beside closed form; return how many trials do not agree."""
    heading("simulated and closed, ETH for each result (balances: shares); seeds are fixed")
    missed = 0
    for trial in all_trials():
        missed += not trial.agrees
        _show(trial)
    checking, lazy, copying = bystanders(dear_world(), 16)
    print(
        f"of 16 watchers of lies, for each: checking {checking:+.5f}, lazy {lazy:+.5f}, "
        f"copying {copying:+.5f} ETH"
    )
    return missed


def _show(trial: Trial) -> None:
    print(
        f"{trial.name:<42} {trial.simulated:>10.6f} {trial.closed:>10.6f} "
        f"{'agrees' if trial.agrees else 'DIFFERS'}"
    )


def checking() -> None:
    """Print when checking pays."""
    world = image_world()
    heading("least share of lies at which checking ResNet50 pays for its machine")
    for hedging in (0.0, 0.5, 0.9):
        shares = ", ".join(
            f"{watchers} watchers {paying_lies(world, SHARE, watchers, hedging):.1e}"
            for watchers in CROWDS
        )
        print(f"liars that challenge themselves {hedging:.0%}: {shares}")
    slow = replace(world, run_wei=run_price(_SLOW_SECONDS))
    print(f"runs of {_SLOW_SECONDS} s, one watcher: {paying_lies(slow, SHARE, 1):.1e}")
    earned = world.reward_wei - world.win_gas_wei
    print(
        f"a machine of {_MONTH_WEI / ETHER} ETH a month is paid by one lie in "
        f"{earned / _MONTH_WEI:.1f} months"
    )


def sampling() -> None:
    """Print which coverage deters which gain, and what each of several watchers must check."""
    heading("coverage that deters a gain, and what each of 4, 16, 64 watchers then checks")
    for gain in _GAINS:
        world = with_gain(image_world(), gain)
        whole, half = deterring_coverage(world, False), deterring_coverage(world, True)
        shares = ", ".join(f"{share_for(half, watchers):.2%}" for watchers in CROWDS[1:])
        print(f"gain {gain:>6} stakes: {whole:>7.2%}, hedged {half:>7.2%}: {shares}")
    image, dear = image_world(), dear_world()
    print("what a rational executor does, by gain in stakes and coverage:")
    for gain in _GAINS:
        answers = (
            f"{covered:.0%} {best_answer(with_gain(image, gain), covered, RIGHT)}"
            for covered in (0.0, 0.01, 0.05, 0.2, 0.6, 0.99)
        )
        print(f"  {gain:>6}: {', '.join(answers)}")
    print(
        f"guesses that are right {RIGHT:.0%}: ResNet50 "
        f"{deterring_coverage_of_guesses(image, RIGHT):.1e}, dear runs "
        f"{deterring_coverage_of_guesses(dear, RIGHT):.2%}"
    )
    edge = copying_gain(dear, 0.5, 0.5, 0.0) - honest_gain(dear)
    print(f"copying true answers of half the inputs, dear runs: {edge / ETHER:+.4f} ETH, no harm")
    for bought in (0, 2, 4, 8):
        simulated, closed = silenced(dear, 8, bought)
        print(f"{bought} of 8 watchers bought: {simulated:.1%} of lies caught, closed {closed:.1%}")


def sybils() -> None:
    """Print what one owner of many accounts loses, and when many commits pay."""
    world = image_world()
    heading("one owner, many accounts: ETH lost (ResNet50, 20 gwei)")
    print(
        f"{'accounts':>8} {'own lie':>8} {'own truth':>9} {'other’s truth':>13} {'that other':>10}"
    )
    for number in _SYBILS:
        foreign = foreign_truth(world, number)
        print(
            f"{number:>8} {own_lie(world, number).owner_wei / ETHER:>8.3f} "
            f"{own_truth(world, number).owner_wei / ETHER:>9.3f} "
            f"{foreign.owner_wei / ETHER:>13.3f} {foreign.honest_wei / ETHER:>10.4f}"
        )
    for price in (1, 20, 100):
        mine, gain = best_lottery(image_world(price), 1)
        print(
            f"commits that earn most against one other, drawn by lot, {price} gwei: {mine}, "
            f"{gain / ETHER:.3f} ETH"
        )


def delay(assumed: Assumptions) -> None:
    """Print the ways to hold a task up."""
    for price in (1, 20, 100):
        heading(f"ways to hold one task up (ResNet50, hidden input of 150 KB, {price} gwei)")
        for way in ways(image_world(price), assumed.yearly_rate, _PICTURE_BYTES):
            print(
                f"{way.name:<30} {way.seconds / HOUR_SECONDS:>5.1f} h, attacker "
                f"{way.attacker_wei / ETHER:>8.4f} ETH ({way.attacker_wei_a_day / ETHER:>7.2f} "
                f"a day), others {way.defender_wei / ETHER:>10.6f} ETH, "
                f"{'again and again' if way.repeats else 'once'}"
            )


def stakes(assumed: Assumptions) -> None:
    """Print stakes by value, what the burnt share changes, and what stakes cost."""
    heading("stake in ETH that a lie worth 1 ETH to its maker needs: all lost; liar hedges")
    for covered in (0.01, 0.05, 0.1, 0.5, 0.9, 0.99):
        whole, half = (stake_for(ETHER, covered, hedged=h) / ETHER for h in (False, True))
        held = value_protected(Terms(RESNET_STEPS).floor_wei, covered) / ETHER
        print(f"coverage {covered:>4.0%}: {whole:>7.2f} {half:>7.2f}; ResNet50's floor: {held:.3f}")
    heading("share of a stake that burns: what deters, and what is left to pay a dispute")
    terms = Terms(RESNET_STEPS)
    for burn in _BURNS:
        stake, loss = terms.floor_wei, int(burn * terms.floor_wei)
        covered, gwei = stake / (stake + loss), (stake - loss) / terms.win_gas / GWEI
        print(
            f"burn {float(burn):.0%}: coverage {covered:.1%} for a gain of one stake, dispute "
            f"paid to {gwei:,.0f} gwei"
        )
    heading("what a stake costs, and how many results it carries (window alone)")
    window = terms.window_seconds
    bound = terms.floor_wei * assumed.yearly_rate * window / YEAR_SECONDS
    a_day = DAY_SECONDS / window
    print(
        f"ResNet50: {float(bound) / ETHER:.6f} ETH a result at "
        f"{float(assumed.yearly_rate):.0%} a year; {a_day:.0f} results a day for each "
        f"{terms.floor_wei / ETHER} ETH; one result a second binds "
        f"{terms.floor_wei * window / ETHER:,.0f} ETH"
    )
    for price in (1, 20, 100):
        least = image_world(price).task_gas_wei + float(bound)
        print(f"least fee at {price} gwei: {least / ETHER:.5f} ETH")


def constants(assumed: Assumptions) -> None:
    """Print every shipped constant beside what the model asks of it."""
    heading("the shipped constants and what the model asks")
    for row in rows(image_world(), assumed):
        print(f"[{'fits' if row.fits else 'NO'}] {row.name} = {row.shipped}: {row.wanted}")
