"""The official client against a gateway: chats, completions, streams and embeddings."""

from __future__ import annotations

import struct
from base64 import b64decode
from hashlib import sha256
from typing import Any

import httpx
import numpy as np
import pytest
from openai import APIError, APIStatusError, BadRequestError, OpenAI

from infernet.backend.engine import open_engine
from infernet.models.sequence.request import SEED
from infernet.models.text import Sampling

from .village import CONTEXT, EMBEDDER, MADE, SORTER, TALKER, Village

GO: list[Any] = [{"role": "user", "content": "go"}]


def said(village: Village, prompt: str, most: int) -> str:
    """Return what the program itself goes on with, greedily."""
    codec, model = village.codecs[TALKER], village.models[TALKER]
    asked = codec.encode_request(prompt, Sampling(most))
    found = open_engine(model.program).run(asked.data, asked.iterations)
    length = len(asked.prompt)
    return codec.decode_output(found.output, length, asked.iterations, halted=found.halted).text


def own(answer: Any) -> Any:
    """Return what the gateway says of the task behind an answer."""
    return answer.model_extra["infernet"]


def test_a_chat_says_what_the_program_makes(village: Village) -> None:
    answer = village.client().chat.completions.create(
        model=TALKER, messages=GO, max_tokens=5, temperature=0
    )
    (choice,) = answer.choices
    assert choice.message.role == "assistant" and choice.finish_reason == "length"
    assert choice.message.content == said(village, "go", 5) != ""
    assert answer.usage and answer.usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "total_tokens": 8,
    }
    task = own(answer)
    assert task["finality"] == "soft" and task["seed"] is None
    assert answer.id == f"chatcmpl-{task['task_id'][2:]}"
    assert answer.system_fingerprint == f"fp_{task['program_root'][2:14]}"


def test_the_task_behind_an_answer_is_one_like_any_other(village: Village) -> None:
    answer = village.client().completions.create(
        model=TALKER, prompt="go", max_tokens=5, temperature=0
    )
    task = village.get(f"/v1/tasks/{own(answer)['task_id']}")
    assert task["model"] == TALKER and task["iterations"] == 3 + 5 - 1
    assert task["finality"] == "pending"
    assert task["text"] == {
        "prompt": "go",
        "prompt_tokens": 3,
        "output": answer.choices[0].text,
        "made_tokens": 5,
        "finish_reason": "length",
    }
    receipt = village.get(f"/v1/tasks/{own(answer)['task_id']}/receipt")
    assert receipt["assertion"]["halted"] is False


def test_a_text_ends_with_an_end_token_or_before_a_stop(village: Village) -> None:
    client = village.client()
    whole = client.completions.create(model=TALKER, prompt="go", max_tokens=40, temperature=0)
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage and whole.usage.completion_tokens == MADE + 1
    text = whole.choices[0].text
    receipt = village.get(f"/v1/tasks/{own(whole)['task_id']}/receipt")
    assert receipt["assertion"]["halted"] is True
    for stop in (text[2], [text[3:5], text[1:3], "never"]):
        found = client.completions.create(
            model=TALKER, prompt="go", max_tokens=40, temperature=0, stop=stop
        )
        places = [text.find(each) for each in ([stop] if isinstance(stop, str) else stop)]
        assert found.choices[0].text == text[: min(place for place in places if place >= 0)]
        assert found.choices[0].finish_reason == "stop"
        assert found.usage and found.usage.completion_tokens == MADE + 1


def test_a_stream_gives_the_text_of_the_answer_and_its_usage(village: Village) -> None:
    asked: dict[str, Any] = {"model": TALKER, "messages": GO, "max_tokens": 5, "temperature": 0}
    chunks = list(
        village.client().chat.completions.create(
            **asked, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    assert own(chunks[0])["finality"] == "none"
    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text == said(village, "go", 5)
    reasons = [each.choices[0].finish_reason for each in chunks if each.choices]
    assert reasons[-1] == "length" and set(reasons[:-1]) == {None}
    assert chunks[-1].choices == [] and chunks[-1].usage
    assert chunks[-1].usage.total_tokens == 8
    assert all(each.usage is None for each in chunks[:-1])
    assert own(chunks[-1])["finality"] == "soft"
    assert len({each.id for each in chunks}) == 1


def test_a_stream_of_a_completion_goes_on_until_it_is_final(village: Village) -> None:
    stream = village.client().completions.create(
        model=TALKER,
        prompt="go",
        max_tokens=5,
        temperature=0,
        stream=True,
        extra_body={"infernet": {"wait": "final"}},
    )
    text, finalities = "", []
    for chunk in stream:
        text += "".join(choice.text for choice in chunk.choices)
        finalities.append(own(chunk)["finality"])
        if chunk.choices and chunk.choices[0].finish_reason:
            village.close_windows()
    assert text == said(village, "go", 5)
    assert finalities[0] == "none" and finalities[-1] == "final" and "soft" in finalities


def test_who_wants_a_final_result_gets_no_other(village: Village) -> None:
    wanted = {"wait": "final", "timeout_seconds": 3}
    with pytest.raises(APIStatusError) as caught:
        village.client().completions.create(
            model=TALKER, prompt="go", max_tokens=2, extra_body={"infernet": wanted}
        )
    assert caught.value.code == "still_open"
    body = caught.value.response.json()
    assert caught.value.response.headers["x-should-retry"] == "false"
    task_id = body["infernet"]["task_id"]
    assert village.get(f"/v1/tasks/{task_id}")["state"] in ("asserted", "running")


def test_the_same_seed_gives_the_same_text(village: Village) -> None:
    client = village.client()

    def make(**more: Any) -> Any:
        return client.chat.completions.create(model=TALKER, messages=GO, max_tokens=6, **more)

    first, second, other = make(seed=11), make(seed=11), make(seed=12)
    assert own(first)["task_id"] != own(second)["task_id"]
    assert first.choices[0].message.content == second.choices[0].message.content
    assert own(first)["seed"] == 11
    words = np.frombuffer(village.input(own(first)["task_id"]), "<i4")
    assert words[SEED : SEED + 8].tobytes() == sha256(b"11").digest()
    assert words.tobytes() != village.input(own(other)["task_id"])
    free = make()
    again = make(seed=own(free)["seed"])
    assert again.choices[0].message.content == free.choices[0].message.content


def test_an_idempotency_key_makes_a_repetition_the_same_task(village: Village) -> None:
    headers = {"Idempotency-Key": "chat-1"}
    found = [
        village.client().chat.completions.create(
            model=TALKER, messages=GO, max_tokens=3, extra_headers=headers
        )
        for _ in range(2)
    ]
    assert own(found[0]) == own(found[1])
    assert found[0].choices == found[1].choices
    with pytest.raises(BadRequestError) as caught:
        village.client().chat.completions.create(
            model=TALKER, messages=GO, max_tokens=4, extra_headers=headers
        )
    assert caught.value.code == "key_reused"


def test_messages_may_come_in_parts_and_tokens_as_numbers(village: Village) -> None:
    client = village.client()
    parts = [{"type": "text", "text": "g"}, {"type": "text", "text": "o"}]
    chat: list[Any] = [
        {"role": "developer", "content": "be"},
        {"role": "user", "content": parts},
    ]
    answer = client.chat.completions.create(
        model=TALKER, messages=chat, max_completion_tokens=4, temperature=0
    )
    assert answer.choices[0].message.content == said(village, "be\ngo", 4)
    tokens = village.codecs[TALKER].tokens_of("go")
    plain = client.completions.create(model=TALKER, prompt=tokens, max_tokens=4, temperature=0)
    assert plain.choices[0].text == said(village, "go", 4)
    assert plain.usage and plain.usage.prompt_tokens == len(tokens)


def test_an_answer_is_a_message_of_the_next_request(village: Village) -> None:
    client = village.client()
    asked: dict[str, Any] = {"model": TALKER, "max_tokens": 3, "temperature": 0}
    first = client.chat.completions.create(messages=GO, **asked).choices[0].message
    chat: list[Any] = [*GO, first, {"role": "user", "content": "on"}]
    found = client.chat.completions.create(messages=chat, **asked)
    assert found.choices[0].message.content == said(village, f"go\n{first.content}\non", 3)


def test_members_that_change_nothing_are_taken(village: Village) -> None:
    answer = village.client().chat.completions.create(
        model=TALKER,
        messages=GO,
        max_tokens=3,
        temperature=0,
        n=1,
        tools=[],
        tool_choice="auto",
        parallel_tool_calls=True,
        service_tier="auto",
        modalities=["text"],
        response_format={"type": "text"},
        reasoning_effort=None,
        safety_identifier="somebody",
        prompt_cache_key="go",
        user="somebody",
        store=False,
    )
    assert answer.choices[0].message.content == said(village, "go", 3)


@pytest.mark.parametrize("temperature", [1e-300, 1e-8, 1e-4, 0.003])
def test_the_coldest_temperatures_take_the_likeliest(village: Village, temperature: float) -> None:
    answer = village.client().completions.create(
        model=TALKER,
        prompt=[village.codecs[TALKER].tokens_of("go")],
        max_tokens=5,
        seed=3,
        temperature=temperature,
    )
    assert answer.choices[0].text == said(village, "go", 5)
    assert own(answer)["seed"] == 3


def test_embeddings_are_those_of_the_program(village: Village) -> None:
    client = village.client()
    texts = ["hello", "hello", "you there"]
    found = client.embeddings.create(model=EMBEDDER, input=texts, encoding_format="float")
    vectors = [each.embedding for each in found.data]
    assert [each.index for each in found.data] == [0, 1, 2]
    assert vectors[0] == vectors[1] != vectors[2]
    assert all(abs(sum(x * x for x in each) - 1) < 1e-3 for each in vectors)
    assert found.usage.prompt_tokens == sum(len(each) + 2 for each in texts)
    assert [each["finality"] for each in own(found)] == ["soft"] * 3
    packed = httpx.post(
        f"{village.url}/v1/embeddings",
        headers={"Authorization": f"Bearer {village.key}"},
        json={"model": EMBEDDER, "input": "hello", "encoding_format": "base64"},
        timeout=60,
    ).json()["data"][0]["embedding"]
    numbers = struct.unpack(f"<{len(vectors[0])}f", b64decode(packed))
    assert numbers == pytest.approx(vectors[0])
    # Without a format the client asks for base64 by itself.
    assert client.embeddings.create(model=EMBEDDER, input="hello").data[
        0
    ].embedding == pytest.approx(vectors[0])


def test_models_are_listed_for_every_client(village: Village) -> None:
    client = village.client()
    listed = {each.id: each for each in client.models.list()}
    assert set(listed) == {TALKER, EMBEDDER, SORTER}
    assert listed[TALKER].object == "model" and listed[TALKER].owned_by == "infernet"
    one = client.models.retrieve(TALKER)
    assert one.id == TALKER and one.model_dump()["positions"] == CONTEXT
    models = village.get("/v1/models")["models"]
    assert {each["name"]: each["task"] for each in models} == {
        TALKER: "generate",
        EMBEDDER: "embed",
        SORTER: "classify",
    }


def test_a_client_that_leaves_keeps_nobody_waiting(village: Village) -> None:
    before = village.gateway.condition().listeners
    village.is_open.clear()
    try:
        with pytest.raises(APIError):
            OpenAI(
                base_url=f"{village.url}/v1", api_key=village.key, max_retries=0, timeout=1
            ).completions.create(model=TALKER, prompt="left", max_tokens=2)
        village.until(lambda: village.gateway.condition().listeners == before)
    finally:
        village.is_open.set()
    # It was accepted and is computed all the same.
    latest = village.get("/v1/tasks?limit=1")["tasks"][0]["id"]
    assert village.get(f"/v1/tasks/{latest}")["text"]["prompt"] == "left"
    village.until(lambda: village.get(f"/v1/tasks/{latest}")["state"] == "asserted")
