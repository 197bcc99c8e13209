"""A dispute over HTTP, and its proof run again from the answer alone."""

from __future__ import annotations

from base64 import b64decode

from infernet.audit.proved import executed
from interpreter.merkle import Hash
from interpreter.program import Step

from .conftest import Counter
from .test_tasks import _problem


def test_a_dispute_is_told_and_its_proof_runs_again(counter: Counter) -> None:
    client, scene = counter.client, counter.scene
    _, game = scene.begin_lie()
    place = f"/v1/disputes/0x{game.hex()}"
    (line,) = client.get("/v1/disputes?open=true").json()["disputes"]
    assert line["href"] == place
    _problem(client.get(f"/v1/proof/0x{game.hex()}"), 404, "no-proof")
    for _ in scene.moves(game):
        pass
    scene.settle()
    story = client.get(place).json()
    assert story["winner"] == "challenger" and story["status"] == "won"
    assert {"ChallengeCommitted", "Dissected", "StepProved"} <= {
        move["event"] for move in story["moves"]
    }
    assert client.get("/v1/disputes?open=true").json()["disputes"] == []
    assert client.get("/v1/disputes?limit=1").json() == {
        "disputes": [{key: story[key] for key in line}],
        "cursor": None,
    }
    found = client.get(f"/v1/proof/0x{game.hex()}").json()
    root = Hash(bytes.fromhex(found["program_root"][2:]))
    step = Step(found["step"])
    again = executed(root, found["iterations"], step, b64decode(found["proof"]))
    assert again.operator and found["prover"] == "challenger"
