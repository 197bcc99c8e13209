"""Text in plain tasks, and on the pages that show them."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.service.text import fresh_seed
from infernet.cli.gateway_view import quoted
from infernet.client import Client, Text
from infernet.client.answers import Finality
from tests.unit.cli.test_task_commands import _PASSPHRASE as PASSPHRASE
from tests.unit.cli.test_task_commands import answer, new_requester, refusal

from .village import CONTEXT, EMBEDDER, MADE, SORTER, TALKER, Village

Told = pytest.CaptureFixture[str]

WICKED = "<script>alert(1)</script>"


def post(village: Village, body: Any, **headers: str) -> httpx.Response:
    return httpx.post(
        f"{village.url}/v1/tasks", headers={**village.headers, **headers}, json=body, timeout=20
    )


def accepted(village: Village, model: str, given: dict[str, Any], **headers: str) -> str:
    answer = post(village, {"model": model, "input": given}, **headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def asserted(village: Village, task_id: str) -> dict[str, Any]:
    village.until(lambda: village.get(f"/v1/tasks/{task_id}")["output"] is not None)
    return dict(village.get(f"/v1/tasks/{task_id}"))


def test_a_text_and_a_chat_are_tasks(village: Village) -> None:
    given: tuple[dict[str, Any], ...] = (
        {"text": "go", "max_tokens": 40},
        {"messages": [{"role": "user", "content": "go"}], "max_tokens": 40},
    )
    ids = [accepted(village, TALKER, each) for each in given]
    found = [asserted(village, each) for each in ids]
    assert found[0]["input_root"] == found[1]["input_root"]
    assert found[0]["iterations"] == 3 + 40 - 1
    text = found[0]["text"]
    assert text == found[1]["text"]
    assert (text["prompt"], text["prompt_tokens"]) == ("go", 3)
    assert (text["made_tokens"], text["finish_reason"]) == (MADE + 1, "stop")
    assert found[0]["output"]["highest"] == []
    whole = accepted(village, TALKER, {"text": "go"})
    assert village.get(f"/v1/tasks/{whole}")["iterations"] == CONTEXT


def test_a_classifier_says_its_labels_and_an_encoder_its_prompt(village: Village) -> None:
    sorted_ = asserted(village, accepted(village, SORTER, {"text": "good day"}))
    assert {each["label"] for each in sorted_["output"]["highest"]} == {"good", "bad"}
    assert sorted_["text"] == {
        "prompt": "good day",
        "prompt_tokens": 10,
        "output": None,
        "made_tokens": 0,
        "finish_reason": None,
    }
    embedded = asserted(village, accepted(village, EMBEDDER, {"text": "good day"}))
    assert embedded["output"]["highest"] == [] and embedded["text"]["prompt"] == "good day"


def test_a_drawn_seed_is_the_same_for_the_same_key(village: Village) -> None:
    given = {"text": "go", "max_tokens": 4, "temperature": 1.0}
    first, second = (
        accepted(village, TALKER, given, **{"Idempotency-Key": "draw"}) for _ in range(2)
    )
    assert first == second
    inputs = {village.input(accepted(village, TALKER, given)) for _ in range(2)}
    assert len(inputs) == 2
    greedy = {village.input(accepted(village, TALKER, {"text": "go"})) for _ in range(2)}
    assert len(greedy) == 1
    batch = {"tasks": [{"model": TALKER, "input": given}] * 2}
    headers = {**village.headers, "Idempotency-Key": "draws"}
    answers = [
        httpx.post(f"{village.url}/v1/tasks/batch", headers=headers, json=batch).json()
        for _ in range(2)
    ]
    ids = [[each["id"] for each in answer["tasks"]] for answer in answers]
    assert ids[0] == ids[1]
    assert village.input(ids[0][0]) != village.input(ids[0][1])


def test_drawn_seeds_are_numbers_that_every_client_reads_exactly() -> None:
    keys = (None, *map(str, range(200)))
    seeds = [fresh_seed(key) for key in keys for _ in range(1 if key else 200)]
    assert all(float(seed) == seed < 2**53 for seed in seeds)
    assert max(seeds) > 2**51
    assert fresh_seed("draw") == fresh_seed("draw")


@pytest.mark.parametrize(
    ("model", "given", "more", "problem", "field"),
    [
        (TALKER, {"text": "x" * 64}, {}, "prompt-too-long", "input"),
        (TALKER, {"text": "go", "max_tokens": 63}, {}, "prompt-too-long", "max_tokens"),
        (TALKER, {"text": "go"}, {"iterations": 5}, "invalid-task", "iterations"),
        (TALKER, {"text": "go", "raw": "AA=="}, {}, "invalid-request", None),
        (TALKER, {"text": 5}, {}, "invalid-request", None),
        (TALKER, {"text": "go", "temperature": 2.5}, {}, "invalid-request", None),
        (EMBEDDER, {"text": "go", "max_tokens": 5}, {}, "invalid-task", "max_tokens"),
        (EMBEDDER, {"messages": [{"role": "user", "content": "x"}]}, {}, "invalid-task", "input"),
        (TALKER, {"messages": []}, {}, "invalid-request", None),
    ],
)
def test_what_is_no_task_of_text_is_refused(
    village: Village,
    model: str,
    given: dict[str, Any],
    more: dict[str, Any],
    problem: str,
    field: str | None,
) -> None:
    answer = post(village, {"model": model, "input": given, **more})
    assert answer.status_code == 422, answer.text
    found = answer.json()
    assert found["type"] == f"/v1/problems/{problem}" and found.get("field") == field, found


def test_the_page_of_a_task_shows_prompt_and_text_as_text(village: Village) -> None:
    task_id = accepted(village, TALKER, {"text": WICKED, "max_tokens": 5})
    text = asserted(village, task_id)["text"]
    page = httpx.get(f"{village.url}/explorer/tasks/{task_id}").text
    assert escape(WICKED) in page and WICKED not in page
    assert escape(text["output"]).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in page
    assert "5 made" in page


def test_raw_input_that_is_no_text_breaks_no_page(village: Village) -> None:
    size = village.get(f"/v1/models/{TALKER}")["input_bytes"]
    for data in (b"\xff" * size, bytes(size)):
        body = {"Content-Type": "application/octet-stream"}
        answer = httpx.post(
            f"{village.url}/v1/tasks?model={TALKER}&iterations=2",
            headers={**village.headers, **body},
            content=data,
        )
        task_id = answer.json()["id"]
        assert village.get(f"/v1/tasks/{task_id}")["text"] is None
        assert httpx.get(f"{village.url}/explorer/tasks/{task_id}").is_success


def test_the_python_client_sends_texts(village: Village) -> None:
    with Client(village.url, village.key) as client:
        task_id = client.submit(TALKER, Text("go", max_tokens=5)).id
        task = client.wait(task_id, Finality.PENDING, timeout_seconds=30)
        chat = [{"role": "user", "content": "go"}]
        other = client.submit(TALKER, Text(chat, max_tokens=5, temperature=0.7, seed=1)).id
        again = client.wait(other, Finality.PENDING, timeout_seconds=30)
        models = {each.name: each.task for each in client.models()}
    assert task.text is not None and task.text.made_tokens == 5
    assert task.text.prompt == "go" and task.text.output
    assert again.text is not None and again.text.prompt == "go"
    assert models[TALKER] == "generate"


def test_the_command_line_sends_texts_to_a_gateway(
    village: Village, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Told
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("INFERNET_API_KEY", village.key)
    monkeypatch.setenv("INFERNET_GATEWAY_URL", village.url)
    submit = ("task", "submit", TALKER, "--text")
    (task_id,) = json.loads(answer(capfd, *submit, "go", "--max-tokens", "40", "--json"))
    text = asserted(village, task_id)["text"]
    shown = answer(capfd, "task", "show", task_id)
    assert 'prompt     "go"' in shown
    assert f"{quoted(text['output'])} ({MADE + 1} tokens, stop); pending" in shown
    found = json.loads(answer(capfd, "task", "show", task_id, "--json"))
    assert found["text"] == text and found["highest"] == []
    options = ("--max-tokens", "2", "--temperature", "0.5", "--seed", "9", "--json")
    answer(capfd, *submit, "go", *options)
    assert "has 65 tokens" in refusal(capfd, 3, *submit, "x" * 64)
    assert "--text excludes" in refusal(capfd, 2, *submit, "go", "--iterations", "3")
    assert "--text excludes" in refusal(capfd, 2, *submit, "go", "picture.png")
    assert "are for --text" in refusal(capfd, 2, "task", "submit", TALKER, "--max-tokens", "3")


def test_the_command_line_puts_texts_on_chain(
    village: Village, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Told
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFERNET_DATA_DIR", str(village.data))
    (tmp_path / "passphrase").touch(mode=0o600)
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    (tmp_path / "contracts.json").write_text(village.contracts.deployment.to_json())
    new_requester(tmp_path / "key.json", village.node)
    seam = ("--rpc", village.node.url, "--contracts", "contracts.json", "--keystore", "key.json")
    command = ("task", "submit", TALKER, "--text", "go", "--passphrase-file", "passphrase", *seam)
    (task_id,) = json.loads(answer(capfd, *command, "--max-tokens", "40", "--json"))
    village.until(lambda: known(village, task_id))
    text = asserted(village, task_id)["text"]
    assert (text["prompt"], text["made_tokens"]) == ("go", MADE + 1)
    told = refusal(capfd, 3, "task", "submit", TALKER, "--text", "x" * 70, *command[5:])
    assert "has 71 tokens" in told


def known(village: Village, task_id: str) -> bool:
    return httpx.get(f"{village.url}/v1/tasks/{task_id}", headers=village.headers).is_success
