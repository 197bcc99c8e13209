"""Disputes, from the chain to pages."""

from __future__ import annotations

from infernet.audit.disputes import Happening, Story, story_of
from infernet.audit.proved import Executed, Proved, proved_step
from infernet.chain.logs import Event
from infernet.chain.records import AssertionId, GameId, ProgramRoot, Seconds, TaskId, Wei

from .board import Board, in_order
from .pages import DisputePage
from .records import DisputeLine, Head, Instruction, Move, Purse, Side, Verdict

_GAME_EVENTS = (
    "ChallengeCommitted",
    "GameOpened",
    "Dissected",
    "StepProved",
    "TimedOut",
    "CommitForfeited",
    "GameLost",
    "AssertionVoided",
    "GameSettled",
    "PriorityClaimed",
    "Rewarded",
)


def dispute_line(board: Board, committed: Event) -> DisputeLine:
    """Return a dispute in one line, from its commit."""
    game_id = GameId(bytes(committed["gameId"]))
    assertion_id = AssertionId(bytes(committed["assertionId"]))
    asserted = board.asserted(assertion_id)
    cuts = board.contracts.games.dissections(game_id)
    return DisputeLine(
        game_id,
        assertion_id,
        TaskId(bytes(asserted["taskId"])),
        asserted["executor"],
        committed["challenger"],
        verdict_of(board, committed),
        Wei(committed["bond"]),
        cuts[0].length if cuts else 0,
        cuts[-1].length if cuts else 0,
        board.time_of(committed),
        committed.block_number,
        committed.log_index,
    )


def verdict_of(board: Board, committed: Event) -> Verdict:
    """Return how a dispute stands, by its events."""
    games, game_id = board.contracts.games, bytes(committed["gameId"])
    if games.has_event("GameLost", gameId=game_id):
        return Verdict.EXECUTOR_WON
    voided = games.events("AssertionVoided", assertionId=bytes(committed["assertionId"]))
    if voided:
        is_ours = any(bytes(event["gameId"]) == game_id for event in voided)
        return Verdict.CHALLENGER_WON if is_ours else Verdict.OVERTAKEN
    moves = games.dissections(GameId(game_id))
    if not moves:
        return Verdict.COMMITTED
    return Verdict.EXECUTOR_TURN if moves[-1].by_challenger else Verdict.CHALLENGER_TURN


def dispute_page(board: Board, head: Head, game_id: GameId) -> DisputePage:
    """Return a dispute move by move, or raise NoSuchPage."""
    committed = board.challenge(game_id)
    story = story_of(board.contracts, game_id)
    found = story.summary
    requested = board.requested(found.task_id)
    root = ProgramRoot(bytes(requested["programRoot"]))
    record = board.contracts.games.game(game_id)
    constants = board.contracts.game_constants
    clock = board.contracts.games.clock_for(story.steps)
    verdict = verdict_of(board, committed)
    # Before the opening the contract keeps no clocks.
    is_open = verdict is not Verdict.COMMITTED
    return DisputePage(
        head,
        game_id,
        found.assertion_id,
        found.task_id,
        board.ref(root),
        found.executor,
        found.challenger,
        verdict,
        any(each.event == "TimedOut" for each in story.happenings),
        story.steps,
        constants.arity,
        clock,
        Seconds(constants.grace_seconds),
        record.executor_clock if is_open else clock,
        record.challenger_clock if is_open else clock,
        None if verdict.is_over else record.deadline,
        moves_of(story, constants.arity),
        instruction_of(board, root, proved_step(board.contracts, game_id)),
        (_stake(board, story), _bond(board, story)),
        story.gas,
        tuple(map(board.entry, _events(board, game_id, found.assertion_id))),
    )


def moves_of(story: Story, arity: int) -> tuple[Move, ...]:
    """Return the dissections of a dispute, the opening first."""
    cuts = [each for each in story.happenings if each.interval and each.clocks]
    return tuple(_move(number, each, arity) for number, each in enumerate(cuts, 1))


def _move(number: int, each: Happening, arity: int) -> Move:
    assert each.interval and each.clocks and each.by
    start, length = each.interval
    executor, challenger = map(Seconds, each.clocks)
    return Move(
        number,
        Side(each.by.value),
        start,
        length,
        min(arity, length),
        executor,
        challenger,
        each.block,
        Seconds(each.time),
        each.transaction,
        each.gas,
    )


def instruction_of(board: Board, root: ProgramRoot, proved: Proved | None) -> Instruction | None:
    """Return the proven step in words."""
    if proved is None:
        return None
    model, ran = board.models.get(root), proved.executed
    layer = ""
    if model and ran and ran.operator_index < len(model.manifest.operator_names):
        layer = model.manifest.operator_names[ran.operator_index]
    return Instruction(
        proved.step,
        Side(proved.prover.value),
        layer,
        sentence_of(proved, ran, layer),
        proved.pre_hash,
        proved.post_hash,
        proved.claimed,
        proved.transaction,
        ran,
    )


def sentence_of(proved: Proved, ran: Executed | None, layer: str) -> str:
    """Return what the contract computed, and what follows from it."""
    loser = proved.prover.opponent.value
    if ran is None:
        what = f"Step {proved.step:,} was executed by the contract."
    else:
        named = f", layer {layer}" if layer else ""
        what = (
            f"Step {proved.step:,} is a “{ran.kind}” of operator {ran.operator_index} "
            f"({ran.operator}{named}): {ran.detail}. {_computed(ran)}"
        )
    return f"{what} The {loser} had claimed another state after this one step, and has lost."


def _computed(ran: Executed) -> str:
    """Return the numbers of a step in words."""
    before, after = ran.accumulator_before, ran.accumulator_after
    if len(ran.stored) == 1:
        return f"An accumulator of {before:,} makes {ran.stored[0]:,}, stored as the element."
    if ran.stored:
        return f"It stores {len(ran.stored)} elements."
    if before == after:
        return f"The accumulator stays {after:,}."
    return f"The accumulator goes from {before:,} to {after:,}."


def _events(board: Board, game_id: GameId, assertion_id: AssertionId) -> list[Event]:
    games, market = board.contracts.games, board.contracts.market
    found = [event for name in _GAME_EVENTS for event in games.events(name, gameId=game_id)]
    found += market.events("Slashed", assertionId=assertion_id)
    return in_order(found)


def _stake(board: Board, story: Story) -> Purse:
    """Return where the stake behind the disputed result is."""
    market, games = board.contracts.market, board.contracts.games
    id_, total = story.summary.assertion_id, story.stake
    burned = sum(event["burned"] for event in market.events("Slashed", assertionId=id_))
    paid = sum(event["reward"] for event in games.events("Rewarded", assertionId=id_))
    back = total if market.has_event("Finalised", assertionId=id_) else 0
    return _purse(Side.EXECUTOR, "stake", total, burned, paid, back)


def _bond(board: Board, story: Story) -> Purse:
    """Return where the bond of the challenge is."""
    found = board.contracts.games.events("GameSettled", gameId=story.summary.game_id)
    burned = sum(event["burned"] for event in found)
    paid = sum(event["paidToExecutor"] for event in found)
    back = sum(event["refunded"] for event in found)
    return _purse(Side.CHALLENGER, "bond", story.summary.bond, burned, paid, back)


def _purse(side: Side, what: str, total: Wei, burned: int, paid: int, back: int) -> Purse:
    locked = Wei(total - burned - paid - back)
    return Purse(side, what, total, locked, Wei(burned), Wei(paid), Wei(back))
