"""`infernet demo`: an honest task becomes final; a lie is narrowed to one step and slashed.

Chain, queue, gateway, worker, two miners and a fisherman are processes of their own; this one
asks over REST as any requester does, and then asks the chain whether all of it truly happened.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from infernet.chain.records import Wei
from infernet.chain.wallet import Sent
from infernet.local.folder import Folder
from infernet.local.network import Network
from infernet.local.supervisor import Supervisor

from .chain import Engine
from .console import Screen, ether
from .demo_cast import CHEAT, WATCHER, Cast, begin, staged
from .demo_lie import MUTATION
from .demo_play import (
    Dispute,
    Holdings,
    Tasks,
    Watch,
    check_all,
    check_money,
    check_receipt,
    dispute_of,
    owned_by_all,
    play,
)
from .demo_scene import Scene, compare_answers, name_answer, prepare
from .explain import Disputed, explain
from .up import adopt, chosen_engine, interruptible

DEFAULT_MODEL = "digits"
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Result:
    """What happened, all of it read back from the chain or measured."""

    scene: Scene
    cast: Cast
    tasks: Tasks
    dispute: Dispute
    disputed: Disputed
    answer: str
    receipt: str
    before: Holdings
    after: Holdings
    seconds: float


def demo(
    model: Annotated[
        str, typer.Option(help="A shipped or imported model, or its folder.")
    ] = DEFAULT_MODEL,
    input_file: Annotated[
        Path | None, typer.Option("--input", help="A picture, or an .npy array.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; the moves go to stderr.")
    ] = False,
    lie_at: Annotated[
        str, typer.Option("--lie-at", help="The step that is falsified: a number or 'random'.")
    ] = "random",
    seed: Annotated[int | None, typer.Option(help="Makes the random choices repeatable.")] = None,
    engine: Annotated[
        Engine, typer.Option(help="Of the chain. auto: anvil where it is installed, else py-evm.")
    ] = Engine.AUTO,
    is_open: Annotated[
        bool, typer.Option("--open", help="Leave the explorer open until Ctrl-C.")
    ] = False,
) -> None:
    """Serve one task honestly and one with a lie, and see both end as they must.

    Exits with 0 only if the honest result became final and the liar was slashed.
    """
    began = time.monotonic()
    screen = Screen.open(to_stderr=as_json)
    rng = random.Random(seed)
    with interruptible(), network_of(model, engine) as (network, supervisor):
        try:
            # What is wrong with the options is said before anything runs.
            scene = prepare(model, input_file, lie_at, rng)
            introduce(screen, scene, network)
            accounts = begin(network, supervisor)
            with staged(network, supervisor, accounts, scene) as cast:
                result = run(screen, scene, cast, began)
                if is_open:
                    cast.recall_players()
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None
        if as_json:
            typer.echo(json.dumps(as_object(result)))
        else:
            conclude(screen, result)
        if is_open:
            _leave_open(screen, network, supervisor)


@contextmanager
def network_of(model: str, engine: Engine) -> Iterator[tuple[Network, Supervisor]]:
    """Give a network that is gone afterwards, and who looks after its processes."""
    with tempfile.TemporaryDirectory(prefix="infernet-demo-") as place:
        folder = Folder(Path(place).resolve())
        with folder.held() as lock:
            (adopted,) = adopt(folder, [model])
            network = Network(folder, chosen_engine(engine), (adopted.manifest.name,))
            try:
                with Supervisor(folder.logs, lambda what: None, (lock,)) as supervisor:
                    yield network, supervisor
            finally:
                network.broker.remove()


def _leave_open(screen: Screen, network: Network, supervisor: Supervisor) -> None:
    url = f"{network.gateway}/explorer"
    screen.line(f"the explorer stays at {url} until Ctrl-C")
    webbrowser.open(url)
    with suppress(KeyboardInterrupt):
        while True:
            supervisor.require_alive()
            time.sleep(1)


def introduce(screen: Screen, scene: Scene, network: Network) -> None:
    """Say what is about to happen."""
    header = scene.model.program.header
    screen.title(f"Model {scene.name}")
    screen.line(f"program root 0x{scene.model.program.root.hex()}")
    screen.line(
        f"{header.operator_count} operators, {header.steps_per_iteration:,} steps, "
        f"input of {header.input_type.byte_count:,} bytes"
    )
    honest, disputed = (source.name for source in scene.sources)
    screen.line(f"inputs: {honest} for the honest task, {disputed} for the disputed one")
    screen.title(f"Starting the network: {network.engine}, queue, gateway, worker, players")


def run(screen: Screen, scene: Scene, cast: Cast, began: float) -> Result:
    """Play the demonstration, check it on chain, and return what happened."""
    for name, pid in cast.supervisor.pids().items():
        screen.line(f"{name:<10} process {pid}")
    screen.line(f"gateway at {cast.network.gateway}, chain at {cast.network.node}")
    screen.line(
        f"each move of a dispute cuts what is left into {scene.lie.arity} parts (the arity)"
    )
    screen.line(f"an executor stakes {ether(cast.stake)} ETH on each result")
    before = owned_by_all(cast)
    screen.title("Two tasks, two executors, one fisherman")
    screen.prose(
        f"The lying executor will add {MUTATION.amount:,} to one number, in step "
        f"{scene.lie.step:,}, and compute on from that. Below each move of the dispute: the steps "
        "still in doubt, and the time left to executor / challenger."
    )
    watch = Watch(cast, screen.report, lambda name, state: screen.hear(f"{name}: {state}"))
    tasks = play(cast, scene, watch)
    cast.dismiss_players()
    watch.look()
    truth, lie = scene.truth, scene.lie
    first = truth.engine.run(np.frombuffer(scene.inputs[0], np.uint8)).output.tobytes()
    dispute, after = dispute_of(cast, tasks), owned_by_all(cast)
    check_all(cast, tasks, scene, (first, truth.output), dispute)
    check_money(cast, before, after)
    receipt = check_receipt(cast, tasks, scene)
    names = scene.model.manifest.operator_names
    disputed = explain(scene.model.program, names, truth, lie.told_on(truth), lie.disputed)
    answer = name_answer(scene.model.manifest, first)
    seconds = time.monotonic() - began
    return Result(scene, cast, tasks, dispute, disputed, answer, receipt, before, after, seconds)


def as_object(result: Result) -> dict[str, Any]:
    """Return a result as the JSON object that `--json` prints; amounts are decimal wei."""
    cast, dispute = result.cast, result.dispute
    played = [each for sent in cast.chronicle.sent.values() for each in sent]
    assert dispute.proof is not None
    return {
        "model": result.scene.name,
        "program_root": f"0x{cast.root.hex()}",
        "steps": result.scene.model.program.header.steps_per_iteration,
        "chain": cast.network.engine,
        "honest_task": {
            "id": f"0x{result.tasks.honest.hex()}",
            "final": True,
            "answer": result.answer,
        },
        "disputed_task": {"id": f"0x{result.tasks.disputed.hex()}"},
        "receipt": json.loads(result.receipt),
        "dispute": {
            "id": f"0x{dispute.game_id.hex()}",
            "winner": dispute.winner,
            "slashed": CHEAT,
            "arity": result.scene.lie.arity,
            "dissections": dispute.dissections,
            "step": result.disputed.step,
            "falsified_step": result.scene.lie.step,
            "operator": result.disputed.operator,
            "operator_index": result.disputed.operator_index,
            "layer": result.disputed.layer,
            "kind": result.disputed.kind,
            "detail": result.disputed.detail,
            "element": result.disputed.element,
            "what": result.disputed.what,
            "claimed": result.disputed.claimed,
            "true": result.disputed.true,
            "transactions": [_transaction(sent) for sent in dispute.sent],
            "gas": sum(sent.gas_used for sent in dispute.sent),
            "chain_seconds": dispute.proof.timestamp - dispute.sent[0].timestamp,
        },
        "transactions": len(played),
        "gas": sum(sent.gas_used for sent in played),
        "proof_gas": dispute.proof.gas_used,
        "proof_calldata_bytes": dispute.proof.calldata_bytes,
        "balances": {
            "before": _amounts(result.before),
            "after": _amounts(result.after),
            "burned": str(result.after.burned - result.before.burned),
        },
        "seconds": round(result.seconds, 3),
    }


def conclude(screen: Screen, result: Result) -> None:
    """Say how it ended."""
    dispute, disputed = result.dispute, result.disputed
    assert dispute.proof is not None
    screen.title("The disputed instruction")
    screen.prose(disputed.sentence)
    if (falsified := result.scene.lie.step) != disputed.step:
        screen.prose(
            f"(Step {falsified:,} was falsified too, but clamps absorbed it; so the executor lied "
            "once more, at the end.)"
        )
    screen.prose(
        f"The chain executed this one step: {dispute.proof.gas_used:,} gas, "
        f"{dispute.proof.calldata_bytes:,} bytes. The {dispute.winner} is right."
    )
    screen.title("Balances in ETH (wallet and vault together)")
    rows = [
        [name, ether(owned), ether(after := result.after.owned[name]), ether(Wei(after - owned))]
        for name, owned in result.before.owned.items()
    ]
    burned = Wei(result.after.burned - result.before.burned)
    screen.rows(["", "before", "after", "change"], [*rows, ["burned", "", "", ether(burned)]])
    gas = sum(sent.gas_used for sent in dispute.sent)
    screen.title("Verdict")
    honest, lied_about = (source.name for source in result.scene.sources)
    screen.prose(f"The honest result is final: {honest} gives {result.answer}.")
    screen.line("Its receipt, fetched over REST, is right by itself and by the chain.")
    screen.prose(f"The false result: {lied_about} gives {compare_answers(result.scene)}.")
    screen.prose(
        f"The {CHEAT} is slashed; the {WATCHER} won in {len(dispute.sent)} transactions and "
        f"{gas:,} gas."
    )
    screen.prose("The disputed task is open again, to whoever computes it truly.")
    screen.line(f"{result.seconds:.1f} s")


def _transaction(sent: Sent) -> dict[str, Any]:
    return {
        "kind": sent.kind,
        "hash": f"0x{sent.hash.hex()}",
        "gas": sent.gas_used,
        "calldata_bytes": sent.calldata_bytes,
    }


def _amounts(holdings: Holdings) -> dict[str, str]:
    return {name: str(amount) for name, amount in holdings.owned.items()}
