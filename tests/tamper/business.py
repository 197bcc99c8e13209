"""Lies in the market: claims, results, money and the contracts themselves, each in one call."""

from __future__ import annotations

from tests.e2e.disputes_chain import ETHER

from .courses import Stage, accepted, defeated, doubted
from .ground import DEPOSIT_WEI, MOST_BOND_WEI, Party
from .tries import (
    Call,
    address,
    after_window,
    any_move,
    asked,
    call,
    commitment,
    false_output,
    long_output,
    opening,
    result,
    short_output,
    tries,
    true_output,
)

EXECUTOR, CHALLENGER, REQUESTER = Party.EXECUTOR, Party.CHALLENGER, Party.REQUESTER
FRIEND = Party.FRIEND
POSTED, CLAIMED, ASSERTED, FINAL = Stage.POSTED, Stage.CLAIMED, Stage.ASSERTED, Stage.FINAL
COMMITTED, OPENED, DECIDED, PAID = Stage.COMMITTED, Stage.OPENED, Stage.DECIDED, Stage.PAID

STAKE_WEI = 10 * ETHER
WITHDRAW = call("vault.withdraw", DEPOSIT_WEI)
EXPIRE = call("market.expireClaim", "task_id")
RECLAIM = call("market.reclaimFee", "task_id")
FINALISE = call("market.finalise", "assertion_id")
FINALISE_LATER = call("market.finalise", after_window)
SLASH = call("market.slash", "assertion_id")
REWARD = call("game.claimReward", "assertion_id")
SETTLE = call("game.settle", "game_id")
COMMIT = call("game.commit", "assertion_id", commitment, MOST_BOND_WEI)
CLAIM = call("market.claim", "task_id", STAKE_WEI)


def _request(**changes: object) -> Call:
    return Call("market.requestWithInput", asked(**changes))


REQUESTS = (
    *(
        tries(name, accepted, POSTED, REQUESTER, what, _request(**changes), network)
        for name, what, network, changes in (
            ("requests an unknown program", "a root of no program", "digits", {"root": bytes(32)}),
            ("requests no iteration", "0 iterations", "ends", {"iterations": 0}),
            ("requests an iteration too many", "129 of at most 128", "ends", {"iterations": 129}),
            ("requests two of an encoder", "2 iterations of at most 1", "bert", {"iterations": 2}),
            ("sends a short input", "a byte left out", "digits", {"data": lambda data: data[:-1]}),
            ("sends a long input", "a byte more", "ends", {"data": lambda data: data + b"\0"}),
            ("requests for the past", "a deadline that is over", "digits", {"deadline": 1}),
            ("requests on credit", "a fee that it has not", "digits", {"fee": 2 * DEPOSIT_WEI}),
            (
                "requests the same again",
                "all terms, its nonce too",
                "digits",
                {"nonce": lambda nonce: nonce},
            ),
        )
    ),
    tries("reclaims a fee in time", accepted, POSTED, REQUESTER, "before the deadline", RECLAIM),
    tries("reclaims the fee of a claim", accepted, CLAIMED, REQUESTER, "it is at work", RECLAIM),
    tries("reclaims the fee of a result", accepted, ASSERTED, REQUESTER, "it waits", RECLAIM),
    tries("reclaims a paid fee", accepted, FINAL, REQUESTER, "the executor has it", RECLAIM),
    tries("withdraws the fee", accepted, ASSERTED, REQUESTER, "all that it put in", WITHDRAW),
)

CLAIMS = (
    tries(
        "claims below the floor",
        accepted,
        POSTED,
        EXECUTOR,
        "a stake of 0.001 ETH",
        call("market.claim", "task_id", ETHER // 1000),
    ),
    tries(
        "claims on credit",
        accepted,
        POSTED,
        EXECUTOR,
        "a stake that it has not",
        call("market.claim", "task_id", 2 * DEPOSIT_WEI),
    ),
    tries("claims twice", accepted, CLAIMED, EXECUTOR, "its own claim again", CLAIM),
    tries("claims another's task", accepted, CLAIMED, FRIEND, "while it is claimed", CLAIM),
    tries("claims a result's task", accepted, ASSERTED, FRIEND, "while the result waits", CLAIM),
    tries("claims what is final", accepted, FINAL, FRIEND, "a task that is paid", CLAIM),
    tries("calls a claim expired", accepted, CLAIMED, FRIEND, "while it is in time", EXPIRE),
    tries("withdraws a claim's stake", accepted, CLAIMED, EXECUTOR, "all it put in", WITHDRAW),
)

RESULTS = (
    tries("asserts unclaimed", accepted, POSTED, EXECUTOR, "no claim", result(true_output, 0)),
    tries(
        "asserts for another's claim",
        accepted,
        CLAIMED,
        FRIEND,
        "a false output",
        result(false_output),
    ),
    tries(
        "asserts for another attempt",
        accepted,
        CLAIMED,
        EXECUTOR,
        "the second of one",
        result(false_output, 2),
    ),
    tries("cuts a result", accepted, CLAIMED, EXECUTOR, "a byte less", result(short_output)),
    tries(
        "cuts a story",
        accepted,
        CLAIMED,
        EXECUTOR,
        "a byte less",
        result(short_output),
        "goes on",
    ),
    tries("grows a result", accepted, CLAIMED, EXECUTOR, "a byte more", result(long_output)),
    tries("asserts twice", accepted, ASSERTED, EXECUTOR, "a second output", result(false_output)),
    tries("asserts after the end", accepted, FINAL, EXECUTOR, "when paid", result(false_output)),
    tries("finalises too soon", accepted, ASSERTED, EXECUTOR, "inside the window", FINALISE),
    tries("finalises twice", accepted, FINAL, EXECUTOR, "a second payment", FINALISE),
    tries("withdraws a stake", accepted, ASSERTED, EXECUTOR, "all that it put in", WITHDRAW),
    tries(
        "finalises past a commit",
        defeated,
        COMMITTED,
        EXECUTOR,
        "the window is closed, a commit not yet open",
        FINALISE_LATER,
    ),
    tries(
        "finalises past a game",
        defeated,
        OPENED,
        EXECUTOR,
        "the window is closed, a game is open",
        FINALISE_LATER,
        "ends",
    ),
    tries("finalises a lost result", defeated, DECIDED, EXECUTOR, "not yet slashed", FINALISE),
    tries("finalises a slashed result", defeated, PAID, EXECUTOR, "already slashed", FINALISE),
    tries("withdraws a lost stake", defeated, DECIDED, EXECUTOR, "before it burns", WITHDRAW),
    tries(
        "moves after its defeat",
        defeated,
        DECIDED,
        EXECUTOR,
        "a dissection",
        Call("game.dissect", any_move),
        "bert",
    ),
)

CHALLENGES = (
    tries("challenges a final result", accepted, FINAL, CHALLENGER, "a false end", COMMIT),
    tries(
        "challenges after the window",
        accepted,
        ASSERTED,
        CHALLENGER,
        "a false end",
        call("game.commit", after_window, commitment, MOST_BOND_WEI),
    ),
    tries(
        "challenges what nobody said",
        accepted,
        ASSERTED,
        CHALLENGER,
        "an id of no result",
        call("game.commit", bytes(32), commitment, MOST_BOND_WEI),
    ),
    tries("commits twice", doubted, COMMITTED, CHALLENGER, "the same again", COMMIT),
    tries("joins a lost result", defeated, DECIDED, FRIEND, "a commit after it", COMMIT),
    tries("withdraws its bond", doubted, COMMITTED, CHALLENGER, "all it put in", WITHDRAW),
    tries("settles before it opens", doubted, COMMITTED, CHALLENGER, "its bond", SETTLE),
    tries(
        "forfeits another's commit",
        defeated,
        COMMITTED,
        FRIEND,
        "while it can open",
        call("game.forfeit", "game_id"),
    ),
    tries(
        "opens twice",
        doubted,
        OPENED,
        CHALLENGER,
        "the same again",
        Call("game.open", opening),
        "bert",
    ),
    tries(
        "moves in a lost game",
        doubted,
        DECIDED,
        CHALLENGER,
        "a dissection",
        Call("game.dissect", any_move),
        "ends",
    ),
    tries(
        "times out a lost game",
        doubted,
        DECIDED,
        CHALLENGER,
        "for another verdict",
        call("game.timeout", "game_id"),
    ),
    tries("settles twice", doubted, PAID, CHALLENGER, "its burned bond", SETTLE),
    tries("takes a lost game's reward", doubted, DECIDED, CHALLENGER, "no stake fell", REWARD),
    tries(
        "claims a lost game's priority",
        doubted,
        DECIDED,
        CHALLENGER,
        "no result fell",
        call("game.claimPriority", "game_id", bytes(32), bytes(32)),
    ),
    tries("takes a reward at once", defeated, DECIDED, FRIEND, "others can be earlier", REWARD),
    tries("takes a reward twice", defeated, PAID, FRIEND, "a second half", REWARD),
    tries("settles a paid game", defeated, PAID, FRIEND, "a second bond", SETTLE),
    tries("slashes twice", defeated, PAID, FRIEND, "a second half burns", SLASH),
)

POWERS = tuple(
    tries(name, accepted, ASSERTED, party, what, called)
    for name, party, what, called in (
        ("slashes without a game", FRIEND, "nobody has lost", SLASH),
        ("takes a reward for nothing", FRIEND, "nobody has lost", REWARD),
        (
            "unlocks its stake",
            EXECUTOR,
            "as a module",
            call("vault.unlock", address(EXECUTOR), STAKE_WEI),
        ),
        (
            "pays itself",
            FRIEND,
            "as a module",
            call("vault.pay", address(EXECUTOR), address(FRIEND), STAKE_WEI),
        ),
        (
            "burns another's stake",
            FRIEND,
            "as a module",
            call("vault.burn", address(EXECUTOR), STAKE_WEI),
        ),
        (
            "locks another's money",
            FRIEND,
            "as a module",
            call("vault.lock", address(CHALLENGER), STAKE_WEI),
        ),
        ("voids a result", FRIEND, "as the market", call("game.voidByMarket", "assertion_id")),
        (
            "names another game",
            FRIEND,
            "as the deployer",
            call("market.initialise", address(FRIEND)),
        ),
        (
            "names another market",
            FRIEND,
            "as the deployer",
            call("vault.initialise", address(FRIEND), address(FRIEND)),
        ),
        ("pauses requests", FRIEND, "as the guardian", call("market.setPaused", True)),
    )
)
BUSINESS = (*REQUESTS, *CLAIMS, *RESULTS, *CHALLENGES, *POWERS)
