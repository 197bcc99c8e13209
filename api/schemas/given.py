"""What clients ask for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .values import AddressText, Given, Id, Number, WeiGiven

_MOST_SPAN_SECONDS = 2**31
MOST_BATCH = 100
MOST_MESSAGES = 1_000

ModelName = Annotated[
    str,
    Field(min_length=1, max_length=100, description="Name or program root", examples=["digits"]),
]
Base64 = Annotated[str, Field(pattern="^[A-Za-z0-9+/]*={0,2}$", examples=["AAECAw=="])]
Iterations = Annotated[int, Field(ge=1, le=2**32 - 1, description="Runs of the program")]


class TensorForm(Given):
    """The source's input as nested lists of numbers, with or without the batch dimension."""

    tensor: list[Any] = Field(examples=[[[0, 1], [2, 3]]])


class NpyForm(Given):
    """The source's input as an .npy file, in base64."""

    npy: Base64


class ImageForm(Given):
    """A PNG, JPEG, WebP or BMP file in base64; the model's declared preprocessing reads it."""

    image: Base64


class RawForm(Given):
    """The program's own input bytes, in base64."""

    raw: Base64


class Sampled(Given):
    """How a model that generates goes on. Temperature 0 takes the likeliest token.

    `max_tokens`: null for as many as fit. Without a seed, one is drawn where it is needed.
    """

    max_tokens: int | None = Field(None, ge=1, lt=2**31)
    temperature: float = Field(0.0, ge=0, le=2)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)


class TextForm(Sampled):
    """A text for a model of text: to go on from, to classify or to embed."""

    text: str = Field(examples=["Once upon a time"])


class TurnForm(Given):
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class MessagesForm(Sampled):
    """A chat for a model that generates; its template frames the messages."""

    messages: list[TurnForm] = Field(min_length=1, max_length=MOST_MESSAGES)


BytesForm = TensorForm | NpyForm | ImageForm | RawForm
InputForm = BytesForm | TextForm | MessagesForm


class Terms(Given):
    """What a task is besides its input."""

    model: ModelName
    fee_wei: WeiGiven | None = None
    deadline_seconds: int | None = Field(
        None, ge=1, le=_MOST_SPAN_SECONDS, description="From now on, of chain time"
    )
    iterations: Iterations = 1


class SignedTerms(Given):
    """What a requester signed, besides the input: EIP-712, see /v1/tasks/typed-data."""

    model: ModelName
    requester: AddressText
    fee_wei: WeiGiven
    deadline: int = Field(ge=0, lt=2**40, description="Unix time, of the chain")
    nonce: int = Field(ge=0, lt=2**64)
    signature: str = Field(pattern="^0x[0-9a-fA-F]{130}$", description="r, s and v")
    iterations: Iterations = 1


class TaskGiven(Terms):
    """A task that the gateway pays."""

    input: InputForm


class SignedGiven(SignedTerms):
    """A task that its requester signed and pays from its balance in the vault."""

    input: BytesForm


class BatchGiven(Given):
    """Several tasks, of which all are accepted or none."""

    tasks: list[TaskGiven] = Field(min_length=1, max_length=MOST_BATCH)


class TypedQuery(Given):
    """What there is to sign."""

    model: ModelName
    input_root: Id
    fee_wei: WeiGiven
    deadline: Number = Field(ge=0, lt=2**40)
    nonce: Number = Field(ge=0, lt=2**64)
    iterations: Number = Field(1, ge=1, le=2**32 - 1)


StateName = Literal[
    "queued", "running", "asserted", "disputed", "slashed", "final", "refunded", "failed"
]
FinalityName = Literal["none", "pending", "final"]
