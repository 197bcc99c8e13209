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
from infernet.backend.engine import open_engine
from infernet.backend.hashing import hash_bytes
from infernet.backend.trace import Trace
from infernet.chain.connection import Chain, connect, embedded_chain
from infernet.chain.deploy import PRODUCTION
from infernet.chain.market import MAX_INPUT_BYTES
from infernet.chain.records import Wei
from infernet.chain.wallet import Sent
from infernet.config import Settings
from infernet.models.errors import InvalidInput
from infernet.models.images import PICTURES, read_input
from infernet.models.manifest import Manifest, output_numbers
from infernet.models.pipeline import Model
from infernet.models.store import load_model, shipped_dir

from .console import Screen, ether
from .demo_cast import CHEAT, FISHERMAN, Cast, set_stage
from .demo_lie import Lie, plan_lie
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
from .explain import Disputed, explain

DEFAULT_MODEL = "digits"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a demonstration is about, as its narrator knows it.

    `inputs`: of the honest and of the disputed task; `truth`: the run that the lie is about.
    """

    name: str
    model: Model
    inputs: tuple[bytes, bytes]
    truth: Trace
    lie: Lie


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
        str | None, typer.Option(help="A development node, such as anvil; default: embedded.")
    ] = None,
) -> None:
    """Serve one task honestly and one with a lie, and see both end as they must.

    Exits with 0 only if the honest result became final and the liar was slashed.
    """
    began = time.monotonic()
    screen = Screen.open(to_stderr=as_json)
    scene = prepare(model, input_file, lie_at, random.Random(seed))
    url = rpc or Settings.load().rpc_url
    chain = connect(url) if url else embedded_chain()
    conformance = require_conformance()
    introduce(screen, scene, chain, conformance)
    result = run(screen, scene, chain, conformance, began)
    if as_json:
        typer.echo(json.dumps(as_object(result)))
    else:
        conclude(screen, result)


def prepare(name: str, path: Path | None, lie_at: str, rng: random.Random) -> Scene:
    """Return the scene for the given options, or raise what is wrong with them."""
    model = load_model(name, hash_bytes)
    inputs = choose_inputs(name, model, path)
    at = parse_step(lie_at, model.program.header.steps_per_iteration)
    truth = Trace(model.program, inputs[1], open_engine(model.program))
    lie = plan_lie(truth, at, rng, PRODUCTION.game.arity)
    return Scene(name, model, inputs, truth, lie)


def choose_inputs(name: str, model: Model, path: Path | None) -> tuple[bytes, bytes]:
    """Return the input bytes of both tasks: the given one twice, or two shipped samples."""
    size = model.program.header.input_type.byte_count
    if size > MAX_INPUT_BYTES:
        raise InvalidInput(
            f"model '{name}' takes {size} bytes; an input carried to the chain has at most "
            f"{MAX_INPUT_BYTES}"
        )
    if path is not None:
        data = read_input(model, path).tobytes()
        return data, data
    folder = shipped_dir() / name
    found = sorted(p for p in folder.rglob("*") if p.suffix in PICTURES) if folder.is_dir() else []
    if not found:
        raise InvalidInput(f"model '{name}' ships no sample; name a picture or array with --input")
    return read_input(model, found[0]).tobytes(), read_input(model, found[-1]).tobytes()


def parse_step(text: str, steps: int) -> int | None:
    """Return the step in an option, None for 'random'; raise BadParameter otherwise."""
    if text == "random":
        return None
    if not text.isdecimal() or int(text) >= steps:
        raise typer.BadParameter(
            f"'{text}' is not a step of this model; give 'random' or 0 to {steps - 1}",
            param_hint="--lie-at",
        )
    return int(text)


def introduce(screen: Screen, scene: Scene, chain: Chain, conformance: Conformance) -> None:
    """Say what is about to happen."""
    header = scene.model.program.header
    screen.title(f"Model {scene.name}")
    screen.line(f"program root 0x{scene.model.program.root.hex()}")
    screen.line(
        f"{header.operator_count} operators, {header.steps_per_iteration:,} steps, "
        f"input of {header.input_type.byte_count:,} bytes"
    )
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
    screen.line(f"arity {scene.lie.arity}, stake {ether(cast.stake)} ETH a task")
    before = owned_by_all(cast)
    screen.title("Two tasks, two executors, one fisherman")
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


def name_answer(manifest: Manifest, output: bytes) -> str:
    """Return the class with the highest score: its label, or its number."""
    best = int(np.argmax(output_numbers(manifest, np.frombuffer(output, np.uint8))))
    return manifest.labels[best] if best < len(manifest.labels) else str(best)


def as_object(result: Result) -> dict[str, Any]:
    """Return a result as the JSON object that `--json` prints; amounts are decimal wei."""
    cast, dispute = result.cast, result.dispute
    played = [sent for wallet in cast.wallets.values() for sent in wallet.sent]
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
    screen.line(disputed.sentence)
    if (falsified := result.scene.lie.step) != disputed.step:
        screen.line(
            f"(Step {falsified:,} was falsified too, but clamps absorbed it; so the executor lied "
            "once more, at the end.)"
        )
    screen.line(
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
    screen.line(f"The honest result is final: {result.answer}.")
    screen.line(
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
