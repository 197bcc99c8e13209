"""What clients of OpenAI's protocol are answered; `infernet` is this gateway's own."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infernet.models.text import FinishReason

from .given import StateName
from .values import Id, View


class ErrorView(View):
    """What is wrong. `param`: the member of the request that has to change."""

    message: str
    type: str
    param: str | None
    code: str


class TaskRefView(View):
    """A task that was accepted before something went wrong."""

    task_id: Id


class FaultView(View):
    """The answer that is not what was asked for."""

    error: ErrorView
    infernet: TaskRefView | None = None


class InfernetView(View):
    """The task behind an answer, and how sure that is: only `final` can nobody take back."""

    task_id: Id
    program_root: Id
    state: StateName
    finality: Literal["none", "soft", "final"]
    task: str = Field(description="Where the task is followed")
    receipt: str = Field(description="Where its receipt is, once it has a result")
    seed: int | None = Field(None, description="Gives the same text again; null where greedy")


class UsageView(View):
    """Tokens of the prompt, and those that were made, an end token included."""

    prompt_tokens: int
    completion_tokens: int = 0
    total_tokens: int


class Headed(View):
    """What every answer that makes text begins with. `created`: in seconds of the chain."""

    id: str
    created: int
    model: str
    system_fingerprint: str = Field(description="Of the program")
    infernet: InfernetView


class MessageView(View):
    """What the model says."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoiceView(View):
    """The one choice."""

    index: Literal[0] = 0
    message: MessageView
    logprobs: None = None
    finish_reason: FinishReason


class ChatView(Headed):
    """The answer to a chat."""

    object: Literal["chat.completion"] = "chat.completion"
    choices: list[ChatChoiceView]
    usage: UsageView


class DeltaView(View):
    """What a chunk adds to the message."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChatPartView(View):
    """The one choice as far as a chunk has it."""

    index: Literal[0] = 0
    delta: DeltaView
    logprobs: None = None
    finish_reason: FinishReason | None = None


class ChatChunkView(Headed):
    """An event of a stream; the last ones have no choices, but usage or another finality."""

    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    choices: list[ChatPartView]
    usage: UsageView | None = None


class ChoiceView(View):
    """The one choice, or what an event of a stream adds to it."""

    index: Literal[0] = 0
    text: str
    logprobs: None = None
    finish_reason: FinishReason | None = None


class CompletionView(Headed):
    """The text that goes on from a prompt, or an event of its stream."""

    object: Literal["text_completion"] = "text_completion"
    choices: list[ChoiceView]
    usage: UsageView | None = None


class EmbeddingView(View):
    """One vector: numbers, or as base64 of little-endian floats of 32 bits."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsView(View):
    """The vectors in the order of the inputs, and the task of each."""

    object: Literal["list"] = "list"
    data: list[EmbeddingView]
    model: str
    usage: UsageView
    infernet: list[InfernetView]
