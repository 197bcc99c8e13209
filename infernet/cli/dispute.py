"""`infernet dispute`: what happened in disputes, and who was right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Annotated

import typer

from bisection.game import Player
from infernet.audit.disputes import NO_DEADLINE, Happening, Story, Summary, disputes, story_of
from infernet.audit.errors import WrongVerdict
from infernet.audit.ids import find_id
from infernet.audit.judge import JudgedMove, Judgement, input_of, judge
from infernet.audit.models import model_of
from infernet.audit.replay import trace_of
from infernet.chain.deployment import Contracts
from infernet.chain.records import GameId, GameStatus
from infernet.chain.wallet import in_ether
from infernet.config import load

from .console import Screen
from .options import AsJson, ConfigFile, ContractsFile, Rpc, seam_flags
from .replay import step_text
from .session import open_chain, open_contracts, use_data_dir
from .status_view import duration, short
from .times import moment, utc

app = typer.Typer(help="Look at disputes and repeat them.", no_args_is_help=True)

Game = Annotated[str, typer.Argument(help="The game's id, or the first 6 of its digits or more.")]

_BAR = 60


@app.command("list")
def list_(
    is_open: Annotated[bool, typer.Option("--open", help="Only those that go on.")] = False,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    as_json: AsJson = False,
) -> None:
    """List the disputes, oldest first."""
    found = disputes(_board(config, rpc, contracts), is_open=is_open)
    if as_json:
        typer.echo(json.dumps([_object(each) for each in found], indent=2))
    elif not found:
        typer.echo("no disputes")
    else:
        columns = ("game", "state", "task", "executor", "challenger", "bond")
        Screen.open(to_stderr=False).texts(columns, [_row(each) for each in found])


@app.command("show")
def show(
    game: Game,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell a dispute move by move: interval, clocks, gas, verdict and money."""
    board = _board(config, rpc, contracts)
    story = story_of(board, _game(board, game))
    if as_json:
        typer.echo(json.dumps(_object(story), indent=2))
        return
    for line in _story_lines(story, board.chain.next_timestamp()):
        typer.echo(line)


@app.command("replay")
def replay(
    game: Game,
    is_reference: Annotated[
        bool, typer.Option("--reference", help="Run by the interpreter itself; slow.")
    ] = False,
    config: ConfigFile = None,
    rpc: Rpc = None,
    contracts: ContractsFile = None,
    as_json: AsJson = False,
) -> None:
    """Run the disputed task here and hold every claim of both players against it."""
    board = _board(config, rpc, contracts)
    game_id = _game(board, game)
    story = story_of(board, game_id)
    task = board.market.task(story.summary.task_id)
    model = model_of(task.program_root)
    data = input_of(board, story.summary.task_id)
    trace = trace_of(model.program, data, task.iterations, is_reference=is_reference)
    found = judge(board, game_id, trace, model.manifest.operator_names)
    if as_json:
        typer.echo(json.dumps({**_object(found), "is_confirmed": found.is_confirmed}, indent=2))
    else:
        for line in _judgement_lines(found):
            typer.echo(line)
    if not found.is_confirmed:
        raise WrongVerdict(
            f"the chain says that the {_who(found.winner)} won, but the {_who(found.should_win)} "
            "was right"
        )


def _board(config: Path | None, rpc: str | None, contracts: str | None) -> Contracts:
    settings = load(config, seam_flags(rpc, contracts, None, None)).config
    use_data_dir(settings)
    return open_contracts(settings, open_chain(settings))


def _game(board: Contracts, text: str) -> GameId:
    return GameId(find_id(text, (each.game_id for each in board.games.challenges()), "game"))


def _row(found: Summary) -> tuple[str, ...]:
    return (
        short(found.game_id),
        _state(found.status),
        short(found.task_id),
        found.executor[:10],
        found.challenger[:10],
        in_ether(found.bond),
    )


def _state(status: GameStatus) -> str:
    return {
        GameStatus.WON: "challenger won",
        GameStatus.LOST: "executor won",
        GameStatus.COMMITTED: "challenger opens",
        GameStatus.EXECUTOR_TURN: "executor's turn",
        GameStatus.CHALLENGER_TURN: "challenger's turn",
    }[status]


def _story_lines(story: Story, now: int) -> Iterator[str]:
    found = story.summary
    yield f"game 0x{found.game_id.hex()}"
    yield f"  state       {_state(found.status)}"
    if found.deadline != NO_DEADLINE:
        late = "" if found.deadline >= now else ": anyone may end the game"
        yield f"  deadline    {moment(found.deadline, now)}{late}"
    yield f"  task        0x{found.task_id.hex()}"
    yield f"  result      0x{found.assertion_id.hex()}"
    yield f"  executor    {found.executor}, stake {in_ether(story.stake)}"
    yield f"  challenger  {found.challenger}, bond {in_ether(found.bond)}"
    yield f"  the run has {story.steps:,} steps"
    for transaction, happenings in groupby(story.happenings, lambda each: each.transaction):
        together = list(happenings)
        first = together[0]
        yield ""
        yield f"  {utc(first.time)}, block {first.block}, {first.gas:,} gas"
        yield f"    0x{transaction.hex()}"
        for each in together:
            yield from _happening_lines(each, story.steps)
    yield ""
    yield f"  {story.gas:,} gas in all"


def _happening_lines(each: Happening, steps: int) -> Iterator[str]:
    yield from _wrapped(f"{each.by.value} {each.what}" if each.by else each.what, 4)
    if each.interval and each.clocks:
        executor, challenger = map(duration, each.clocks)
        yield f"    |{_bar(*each.interval, steps)}|"
        yield f"     clocks: executor {executor}, challenger {challenger}"


def _wrapped(text: str, indent: int) -> list[str]:
    first, more = " " * indent, " " * (indent + 2)
    return wrap(
        text,
        80,
        initial_indent=first,
        subsequent_indent=more,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _bar(start: int, length: int, steps: int) -> str:
    """Return the steps in doubt as a part of all of them; at least one mark."""
    first = min(start * _BAR // steps, _BAR - 1)
    last = max(first + 1, min(_BAR, -(-(start + length) * _BAR // steps)))
    return "." * first + "#" * (last - first) + "." * (_BAR - last)


def _judgement_lines(found: Judgement) -> Iterator[str]:
    yield f"the disputed result is {'true' if found.is_result_true else 'false'}"
    for number, move in enumerate(found.moves, 1):
        yield from _wrapped(_move_text(number, move), 2)
    if found.step:
        verdict = "right" if found.step.is_proof_true else "of a state that no true run has"
        yield f"the {found.step.prover.value} proved one step; the proof is {verdict}"
        yield step_text(found.step.shown)
        if found.step.claimed:
            loser = found.step.prover.opponent.value
            yield from _wrapped(f"the {loser} claimed 0x{found.step.claimed.hex()} after it", 2)
    yield f"right is the {_who(found.should_win)}; by the chain: {_who(found.winner)}"


def _move_text(number: int, move: JudgedMove) -> str:
    if move.segment is None:
        claim = "all states true"
    else:
        start, length = move.segment
        claim = f"{move.false} of {move.parts} states false, first at the end of segment "
        claim += f"{move.first_false} ({_steps(length)} from {start:,})"
    base = "" if move.is_start_true else "; it starts from a false state"
    return (
        f"move {number}, {move.by.value}: {_steps(move.length)} from {move.start:,}: {claim}{base}"
    )


def _steps(count: int) -> str:
    return f"{count:,} step{'s' if count != 1 else ''}"


def _who(player: Player | None) -> str:
    return player.value if player else "nobody yet"


def _object(record: Summary | Story | Judgement) -> dict[str, object]:
    return {name: _plain(value) for name, value in asdict(record).items()}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, GameStatus):
        return value.name.lower()
    if isinstance(value, Player):
        return value.value
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
