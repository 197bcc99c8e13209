"""`infernet demo`: an honest task becomes final; a lie is narrowed to one step and slashed."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from infernet.backend.conformance import Report as Conformance
from infernet.backend.conformance import require_conformance
from infernet.backend.hashing import hash_bytes
from infernet.chain.connection import Chain, connect, embedded_chain
from infernet.chain.records import Wei
from infernet.chain.wallet import Sent
from infernet.models.pipeline import Model
from infernet.models.store import load_model

from .console import Screen, ether
from .demo_cast import CHEAT, FISHERMAN, Cast, set_stage
from .demo_lie import MUTATION
from .demo_play import (
    Dispute,
    Holdings,
    Tasks,
    check_all,
    check_money,
    dispute_of,
    owned_by_all,
    play,
    request_two,
)
from .demo_scene import Scene, compare_answers, name_answer, prepare
from .explain import Disputed, explain

DEFAULT_MODEL = "digits"


@dataclass(frozen=True, slots=True)
class Result:
    """What happened, all of it read back from the chain or measured."""

    scene: Scene
    chain: Chain
    cast: Cast
    tasks: Tasks
    dispute: Dispute
    disputed: Disputed
    answer: str
    before: Holdings
    after: Holdings
    seconds: float


def demo(
    model: Annotated[str, typer.Option(help="A shipped or imported model.")] = DEFAULT_MODEL,
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
    rpc: Annotated[
        str | None,
        typer.Option(
            envvar="INFERNET_RPC_URL", help="A development node, such as anvil; default: embedded."
        ),
    ] = None,
) -> None:
    """Serve one task honestly and one with a lie, and see both end as they must.

    Exits with 0 only if the honest result became final and the liar was slashed.
    """
    began = time.monotonic()
    screen = Screen.open(to_stderr=as_json)
    scene = prepare(model, input_file, lie_at, random.Random(seed))
    chain = embedded_chain() if rpc is None else connect(rpc)
    conformance = require_conformance()
    introduce(screen, scene, chain, conformance)
    result = run(screen, scene, chain, conformance, began)
    if as_json:
        typer.echo(json.dumps(as_object(result)))
    else:
        conclude(screen, result)


def introduce(screen: Screen, scene: Scene, chain: Chain, conformance: Conformance) -> None:
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
    screen.line(f"conformance: {conformance.vectors} vectors exact ({conformance.engine})")
    screen.title(f"Setting the stage on {chain.name}")


def run(
    screen: Screen, scene: Scene, chain: Chain, conformance: Conformance, began: float
) -> Result:
    """Play the demonstration, check it on chain, and return what happened."""

    def load() -> Model:
        return load_model(scene.name, hash_bytes)

    def show_progress(done: int, total: int) -> None:
        screen.line(f"registration: {done} of {total} operators checked on chain")

    cast = set_stage(chain, load, scene.lie, conformance, screen.report, show_progress)
    setup_gas = sum(sent.gas_used for sent in cast.setup)
    screen.line(f"contracts deployed and model registered: {setup_gas:,} gas")
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
    tasks = request_two(cast, scene.inputs, screen.report)
    play(cast, tasks, screen.report)
    truth, lie = scene.truth, scene.lie
    expected = truth.engine.run(np.frombuffer(scene.inputs[0], np.uint8)).tobytes()
    dispute, after = dispute_of(cast, tasks), owned_by_all(cast)
    check_all(cast, tasks, expected, dispute, lie.disputed)
    check_money(cast, before, after)
    names = scene.model.manifest.operator_names
    disputed = explain(scene.model.program, names, truth, lie.told_on(truth), lie.disputed)
    answer = name_answer(scene.model.manifest, expected)
    seconds = time.monotonic() - began
    return Result(scene, chain, cast, tasks, dispute, disputed, answer, before, after, seconds)


def as_object(result: Result) -> dict[str, Any]:
    """Return a result as the JSON object that `--json` prints; amounts are decimal wei."""
    cast, dispute = result.cast, result.dispute
    played = [each for sent in cast.sent.values() for each in sent]
    assert dispute.proof is not None
    return {
        "model": result.scene.name,
        "program_root": f"0x{cast.root.hex()}",
        "steps": result.scene.model.program.header.steps_per_iteration,
        "chain": result.chain.name,
        "honest_task": {
            "id": f"0x{result.tasks.honest.hex()}",
            "final": True,
            "answer": result.answer,
        },
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
        "setup": {
            "transactions": len(cast.setup),
            "gas": sum(sent.gas_used for sent in cast.setup),
        },
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
    screen.prose(f"The false result: {lied_about} gives {compare_answers(result.scene)}.")
    screen.prose(
        f"The {CHEAT} is slashed; the {FISHERMAN} won in {len(dispute.sent)} transactions and "
        f"{gas:,} gas."
    )
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
