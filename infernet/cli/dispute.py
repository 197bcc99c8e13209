"""`infernet dispute`: what happened in disputes, and who was right."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bisection.game import Player
from infernet.audit.disputes import Happening, Story, Summary, disputes, story_of
from infernet.audit.errors import WrongVerdict
from infernet.audit.ids import find_id
from infernet.audit.judge import Judgement, input_of, judge
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

app = typer.Typer(help="Look at disputes and repeat them.", no_args_is_help=True)

Game = Annotated[str, typer.Argument(help="The game's id, or the first 6 of its digits or more.")]

_BAR = 40


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
        columns = ("game", "state", "task", "executor", "challenger", "bond", "block")
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
    for line in _story_lines(story):
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
        f"0x{found.game_id.hex()[:12]}",
        _state(found.status),
        f"0x{found.task_id.hex()[:12]}",
        found.executor[:10],
        found.challenger[:10],
        in_ether(found.bond),
        str(found.block),
    )


def _state(status: GameStatus) -> str:
    return {
        GameStatus.WON: "challenger won",
        GameStatus.LOST: "executor won",
    }.get(status, status.name.lower().replace("_", " "))


def _story_lines(story: Story) -> list[str]:
    found = story.summary
    lines = [
        f"game 0x{found.game_id.hex()}: {_state(found.status)}",
        f"  task        0x{found.task_id.hex()}",
        f"  result      0x{found.assertion_id.hex()}",
        f"  executor    {found.executor}, stake {in_ether(story.stake)}",
        f"  challenger  {found.challenger}, bond {in_ether(found.bond)}",
        f"  the run has {story.steps:,} steps",
        "",
    ]
    for each in story.happenings:
        lines += _happening_lines(each, story.steps)
    return [*lines, "", f"  {story.gas:,} gas in all"]


def _happening_lines(each: Happening, steps: int) -> list[str]:
    who = f"{each.by.value} " if each.by else ""
    lines = [
        f"  block {each.block}, {each.gas:,} gas, 0x{each.transaction.hex()}",
        f"    {who}{each.what}",
    ]
    if each.interval and each.clocks:
        start, length = each.interval
        clocks = f"executor {each.clocks[0]} s, challenger {each.clocks[1]} s"
        lines.append(f"    |{_bar(start, length, steps)}| clocks: {clocks}")
    return lines


def _bar(start: int, length: int, steps: int) -> str:
    """Return the steps in doubt as a part of all of them; at least one mark."""
    first = min(start * _BAR // steps, _BAR - 1)
    last = max(first + 1, min(_BAR, -(-(start + length) * _BAR // steps)))
    return "." * first + "#" * (last - first) + "." * (_BAR - last)


def _judgement_lines(found: Judgement) -> list[str]:
    lines = [f"the disputed result is {'true' if found.is_result_true else 'false'}"]
    for number, move in enumerate(found.moves, 1):
        claim = "all states true"
        if move.segment:
            first, length = move.segment
            claim = (
                f"{move.false} of {move.parts} states false, first at the end of segment "
                f"{move.first_false} ({length:,} steps from {first:,})"
            )
        base = "" if move.is_start_true else "; it starts from a false state"
        lines.append(
            f"  move {number}, {move.by.value}: {move.length:,} steps from {move.start:,}: "
            f"{claim}{base}"
        )
    if found.step:
        verdict = "right" if found.step.is_proof_true else "of a state that no true run has"
        lines += [f"the {found.step.prover.value} proved one step; the proof is {verdict}"]
        lines.append(step_text(found.step.shown))
        if found.step.claimed:
            loser = found.step.prover.opponent.value
            lines.append(f"  the {loser} claimed 0x{found.step.claimed.hex()} after it")
    lines.append(f"right is the {_who(found.should_win)}; by the chain: {_who(found.winner)}")
    return lines


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
