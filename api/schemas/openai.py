"""What clients of OpenAI's protocol ask for, as far as it is served.

A member that would change the answer and is not served is taken with its neutral value alone.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_plain_validator_function

from .given import MOST_BATCH, MOST_MESSAGES, ModelName
from .values import Given, WeiGiven

MOST_STOPS, MOST_STOP_CHARACTERS = 4, 256
MOST_WAIT_SECONDS = 3_600
# Clients of this protocol give up after 600 seconds.
WAIT_SECONDS = 570
UNSUPPORTED = "unsupported_value"
_MOST_TOKENS = 2**31 - 1
_MOST_SPAN_SECONDS = 2**31

Token = Annotated[int, Field(ge=0, lt=2**31)]
Stop = Annotated[str, Field(min_length=1, max_length=MOST_STOP_CHARACTERS)]


class _Only:
    """The type of a member that is served with these values alone, and with null."""

    def __init__(self, *values: object) -> None:
        self._values = (*values, None)

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: object, handler: object) -> dict[str, object]:
        return {"enum": list(self._values), "description": "No other value is served"}

    def _check(self, value: object) -> object:
        # True is 1, and neither means the other.
        if not any(value == each and type(value) is type(each) for each in self._values):
            said = " or ".join(map(json.dumps, self._values))
            raise PydanticCustomError(UNSUPPORTED, "only {said} is served here", {"said": said})
        return value


class InfernetGiven(Given):
    """What this gateway is told besides.

    `wait`: for a result that somebody staked on, or for one that nobody can take back.
    """

    wait: Literal["soft", "final"] = "soft"
    timeout_seconds: float = Field(default=WAIT_SECONDS, gt=0, le=MOST_WAIT_SECONDS)
    fee_wei: WeiGiven | None = None
    deadline_seconds: int | None = Field(
        default=None, ge=1, le=_MOST_SPAN_SECONDS, description="From now on, of chain time"
    )


class Asked(Given):
    """What every request of the protocol has."""

    model: ModelName
    user: str | None = Field(None, max_length=1_000, description="Not used")
    infernet: InfernetGiven = InfernetGiven()


class StreamOptions(Given):
    """How a stream goes."""

    include_usage: bool | None = None
    include_obfuscation: Annotated[Any, _Only(False)] = None


class Sampled(Asked):
    """A request for tokens."""

    temperature: float | None = Field(None, ge=0, le=2, description="Default 1; 0 is greedy")
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Stop | Annotated[list[Stop], Field(max_length=MOST_STOPS)] | None = Field(
        None, description="The text ends before the first of these"
    )
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: dict[str, str] | None = Field(None, max_length=16, description="Not used")
    service_tier: Annotated[Any, _Only("auto", "default")] = None
    safety_identifier: str | None = Field(None, max_length=1_000, description="Not used")
    prompt_cache_key: str | None = Field(None, max_length=1_000, description="Not used")
    n: Annotated[Any, _Only(1)] = None
    top_p: Annotated[Any, _Only(1, 1.0)] = None
    presence_penalty: Annotated[Any, _Only(0, 0.0)] = None
    frequency_penalty: Annotated[Any, _Only(0, 0.0)] = None
    logit_bias: Annotated[Any, _Only({})] = None


class TextPart(Given):
    """A part of a message."""

    type: Literal["text"]
    text: str


class Message(Given):
    """One turn of a chat. `developer` is `system` by another name."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: Annotated[Any, _Only()] = None
    # What an answer of this protocol has, so that it can be sent back as it came.
    refusal: Annotated[Any, _Only()] = None
    annotations: Annotated[Any, _Only([])] = None
    audio: Annotated[Any, _Only()] = None
    tool_calls: Annotated[Any, _Only([])] = None
    function_call: Annotated[Any, _Only()] = None


class ChatGiven(Sampled):
    """POST /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1, max_length=MOST_MESSAGES)
    max_tokens: int | None = Field(None, ge=1, le=_MOST_TOKENS)
    max_completion_tokens: int | None = Field(None, ge=1, le=_MOST_TOKENS)
    logprobs: Annotated[Any, _Only(False)] = None
    top_logprobs: Annotated[Any, _Only(0)] = None
    response_format: Annotated[Any, _Only({"type": "text"})] = None
    tools: Annotated[Any, _Only([])] = None
    tool_choice: Annotated[Any, _Only("none", "auto")] = None
    parallel_tool_calls: bool | None = Field(None, description="Not used")
    functions: Annotated[Any, _Only([])] = None
    function_call: Annotated[Any, _Only("none", "auto")] = None
    modalities: Annotated[Any, _Only(["text"])] = None
    audio: Annotated[Any, _Only()] = None
    prediction: Annotated[Any, _Only()] = None
    reasoning_effort: Annotated[Any, _Only("none")] = None
    verbosity: Annotated[Any, _Only()] = None
    web_search_options: Annotated[Any, _Only()] = None
    store: Annotated[Any, _Only(False)] = None


class CompletionGiven(Sampled):
    """POST /v1/completions."""

    prompt: str | list[str] | list[Token] | list[list[Token]]
    max_tokens: int | None = Field(None, ge=1, le=_MOST_TOKENS, description="Default 16")
    logprobs: Annotated[Any, _Only()] = None
    echo: Annotated[Any, _Only(False)] = None
    best_of: Annotated[Any, _Only(1)] = None
    suffix: Annotated[Any, _Only("")] = None


class EmbeddingsGiven(Asked):
    """POST /v1/embeddings. Each input is a task."""

    input: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MOST_BATCH)]
        | Annotated[list[Token], Field(min_length=1)]
        | Annotated[list[list[Token]], Field(min_length=1, max_length=MOST_BATCH)]
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[Any, _Only()] = None
