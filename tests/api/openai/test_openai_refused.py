"""What OpenAI's clients may not ask for, and what they are told instead."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from .village import CONTEXT, EMBEDDER, SORTER, TALKER, Village

CHAT = {"model": TALKER, "messages": [{"role": "user", "content": "go"}]}
PLAIN = {"model": TALKER, "prompt": "go"}
EMBED = {"model": EMBEDDER, "input": "go"}
_CHAT, _PLAIN, _EMBED = "chat/completions", "completions", "embeddings"
_ROLE = {"role": "tool", "content": "go"}
_CALLING = {"role": "assistant", "content": "", "tool_calls": [{}]}
_IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}

_FORMAT = {"type": "json_object"}
_LONG, _WRONG = "context_length_exceeded", "invalid_value"
_MISSING, _UNSERVED = "missing_required_parameter", "unsupported_value"


def says(content: object) -> dict[str, Any]:
    """Return a chat of one message."""
    return {**CHAT, "messages": [{"role": "user", "content": content}]}


REFUSED: list[tuple[str, dict[str, Any], str | None, str]] = [
    (_CHAT, {**CHAT, "n": 2}, "n", _UNSERVED),
    (_CHAT, {**CHAT, "n": True}, "n", _UNSERVED),
    (_CHAT, {**CHAT, "logprobs": True}, "logprobs", _UNSERVED),
    (_CHAT, {**CHAT, "top_p": 0.5}, "top_p", _UNSERVED),
    (_CHAT, {**CHAT, "tools": [{}]}, "tools", _UNSERVED),
    (_CHAT, {**CHAT, "frequency_penalty": 1}, "frequency_penalty", _UNSERVED),
    (_CHAT, {**CHAT, "logit_bias": {"5": 1}}, "logit_bias", _UNSERVED),
    (_CHAT, {**CHAT, "response_format": _FORMAT}, "response_format", _UNSERVED),
    (_CHAT, {**CHAT, "mystery": 1}, "mystery", "unknown_parameter"),
    (_CHAT, {**CHAT, "infernet": {"wait": "maybe"}}, "infernet.wait", _WRONG),
    (_CHAT, {"model": TALKER}, "messages", _MISSING),
    (_CHAT, {**CHAT, "messages": []}, "messages", _WRONG),
    (_CHAT, {**CHAT, "messages": [_ROLE]}, "messages[0].role", _WRONG),
    (_CHAT, {**CHAT, "messages": [_IMAGE]}, "messages[0].content[0].type", _WRONG),
    (_CHAT, says(None), "messages[0].content", _WRONG),
    (_CHAT, says(5), "messages[0].content", _WRONG),
    (_CHAT, {**CHAT, "messages": [{"role": "user"}]}, "messages[0].content", _MISSING),
    (_CHAT, says("x" * 70), "messages", _LONG),
    (_CHAT, says("x" * 10**6), "messages", _LONG),
    (_CHAT, says("\U0010ffff"), "messages", _WRONG),
    (_CHAT, {**CHAT, "max_tokens": CONTEXT}, "max_tokens", _LONG),
    (_CHAT, {**CHAT, "max_tokens": 2**31 - 1}, "max_tokens", _LONG),
    (_CHAT, {**CHAT, "max_tokens": 2**40}, "max_tokens", _WRONG),
    (_CHAT, {**CHAT, "max_tokens": 0}, "max_tokens", _WRONG),
    (_CHAT, {**CHAT, "max_tokens": 3, "max_completion_tokens": 3}, "max_tokens", _WRONG),
    (_CHAT, {**CHAT, "temperature": 2.1}, "temperature", _WRONG),
    (_CHAT, {**CHAT, "temperature": -0.1}, "temperature", _WRONG),
    (_CHAT, {**CHAT, "reasoning_effort": "high"}, "reasoning_effort", _UNSERVED),
    (_CHAT, {**CHAT, "modalities": ["audio"]}, "modalities", _UNSERVED),
    (_CHAT, {**CHAT, "service_tier": "priority"}, "service_tier", _UNSERVED),
    (_CHAT, {**CHAT, "messages": [_CALLING]}, "messages[0].tool_calls", _UNSERVED),
    (_CHAT, {**CHAT, "temperature": "1"}, "temperature", _WRONG),
    (_CHAT, {**CHAT, "seed": 1.5}, "seed", _WRONG),
    (_CHAT, {**CHAT, "stop": list("abcde")}, "stop", _WRONG),
    (_CHAT, {**CHAT, "stop": ""}, "stop", _WRONG),
    (_CHAT, {**CHAT, "model": "gpt-4"}, "model", "model_not_found"),
    (_CHAT, {**CHAT, "model": EMBEDDER}, "model", _WRONG),
    (_CHAT, {**CHAT, "model": SORTER}, "model", _WRONG),
    (_PLAIN, {**PLAIN, "prompt": ["a", "b"]}, "prompt", _WRONG),
    (_PLAIN, {**PLAIN, "prompt": []}, "prompt", _WRONG),
    (_PLAIN, {**PLAIN, "prompt": [[]]}, "prompt", _WRONG),
    (_PLAIN, {**PLAIN, "prompt": [[1], [2]]}, "prompt", _WRONG),
    (_PLAIN, {**PLAIN, "prompt": [258]}, "prompt", _WRONG),
    (_PLAIN, {**PLAIN, "prompt": [-1]}, "prompt[0]", _WRONG),
    (_PLAIN, {**PLAIN, "prompt": {}}, "prompt", _WRONG),
    (_PLAIN, {**PLAIN, "echo": True}, "echo", _UNSERVED),
    (_PLAIN, {**PLAIN, "best_of": 3}, "best_of", _UNSERVED),
    (_PLAIN, {**PLAIN, "logprobs": 0}, "logprobs", _UNSERVED),
    (_EMBED, {**EMBED, "input": ""}, "input", _WRONG),
    (_EMBED, {**EMBED, "input": ["a", ""]}, "input", _WRONG),
    (_EMBED, {**EMBED, "input": []}, "input", _WRONG),
    (_EMBED, {**EMBED, "input": ["a"] * 101}, "input", _WRONG),
    (_EMBED, {**EMBED, "input": "x" * 40}, "input", _LONG),
    (_EMBED, {**EMBED, "input": [999]}, "input", _WRONG),
    (_EMBED, {**EMBED, "dimensions": 5}, "dimensions", _UNSERVED),
    (_EMBED, {**EMBED, "encoding_format": "hex"}, "encoding_format", _WRONG),
    (_EMBED, {**EMBED, "model": TALKER}, "model", _WRONG),
]


@pytest.mark.parametrize(("path", "body", "param", "code"), REFUSED)
def test_a_wrong_request_is_told_what_to_change(
    village: Village, path: str, body: dict[str, Any], param: str | None, code: str
) -> None:
    answer = post(village, path, body)
    assert answer.status_code == (404 if code == "model_not_found" else 400), answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["param"], error["code"]) == (param, code), error
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith(f"{param}: ") and len(error["message"]) < 300


def post(village: Village, path: str, body: Any, **headers: str) -> httpx.Response:
    sent = {**village.headers, **headers}
    return httpx.post(f"{village.url}/v1/{path}", headers=sent, json=body, timeout=20)


def test_the_official_client_raises_what_it_raises_elsewhere(village: Village) -> None:
    client = village.client()
    with pytest.raises(openai.NotFoundError) as unknown:
        client.completions.create(model="gpt-4", prompt="go")
    assert unknown.value.code == "model_not_found" and unknown.value.param == "model"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.completions.create(model=TALKER, prompt="go", n=2)
    assert wrong.value.code == "unsupported_value" and wrong.value.type == "invalid_request_error"
    with pytest.raises(openai.AuthenticationError) as stranger:
        village.client("inf_nobody").completions.create(model=TALKER, prompt="go")
    assert stranger.value.code == "invalid_api_key"
    with pytest.raises(openai.PermissionDeniedError):
        village.client(village.reader).completions.create(model=TALKER, prompt="go")
    with pytest.raises(openai.RateLimitError) as broke:
        village.client(village.poor).completions.create(model=TALKER, prompt="go")
    assert broke.value.code == "insufficient_quota"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


@pytest.mark.parametrize("path", [_CHAT, _PLAIN, _EMBED])
@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"content": b"{"}, 400, "malformed_body"),
        ({"content": b"[]"}, 400, "invalid_value"),
        ({"content": b""}, 400, "malformed_body"),
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_type"),
        ({"content": b" " * (17 << 20)}, 413, "body_too_large"),
        ({"content": b"{}", "headers": {"Content-Encoding": "gzip"}}, 415, "encoding_refused"),
        ({"content": b"{}", "headers": {"Idempotency-Key": "k" * 300}}, 400, "invalid_value"),
    ],
    ids=["cut", "list", "empty", "text", "large", "gzip", "key"],
)
def test_what_is_refused_before_it_is_read_is_told_in_the_same_words(
    village: Village, path: str, sent: dict[str, Any], status: int, code: str
) -> None:
    headers = {"Content-Type": "application/json", **village.headers, **sent.get("headers", {})}
    answer = httpx.post(
        f"{village.url}/v1/{path}", content=sent["content"], headers=headers, timeout=20
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def test_a_wrong_method_is_told_in_the_same_words(village: Village) -> None:
    answer = httpx.get(f"{village.url}/v1/chat/completions", headers=village.headers)
    assert answer.status_code == 405 and answer.json()["error"]["code"] == "method_not_allowed"


def test_a_stream_tells_an_error_as_an_event(village: Village) -> None:
    village.is_open.clear()
    try:
        stream = village.client().completions.create(
            model=TALKER,
            prompt="go",
            max_tokens=2,
            stream=True,
            extra_body={"infernet": {"timeout_seconds": 0.5}},
        )
        with pytest.raises(openai.APIError) as caught:
            list(stream)
    finally:
        village.is_open.set()
    assert caught.value.code == "still_open"


def test_a_task_that_ends_without_a_result_says_so(village: Village) -> None:
    village.is_open.clear()
    try:
        with village.later(lambda: village.node.skip(120), seconds=1.0):
            answer = post(village, _PLAIN, {**PLAIN, "infernet": {"deadline_seconds": 60}})
    finally:
        village.is_open.set()
    assert answer.status_code == 502, answer.text
    found = answer.json()
    assert found["error"]["code"] == "ended_without" and found["error"]["type"] == "server_error"
    assert village.get(f"/v1/tasks/{found['infernet']['task_id']}")["state"] == "refunded"
