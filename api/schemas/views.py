"""What clients are answered. Times are seconds of the chain."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from infernet.models.text import FinishReason

from .given import FinalityName, StateName
from .values import AddressText, Id, View, WeiText, example

_ID, _ROOT = "0x" + "5a" * 32, "0x" + "c3" * 32
_ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


class AcceptedView(View):
    """A task that the gateway has durably taken on; `id` is the one that it has on chain."""

    model_config = example(id=_ID, href=f"/v1/tasks/{_ID}", is_repeat=False)

    id: Id
    href: str = Field(description="Where the task is followed")
    is_repeat: bool = Field(description="Whether it was accepted earlier under the same key")


class AcceptedBatchView(View):
    """Tasks that were accepted together, in the order asked."""

    model_config = example(
        tasks=[{"id": _ID, "href": f"/v1/tasks/{_ID}", "is_repeat": False}], is_repeat=False
    )

    tasks: list[AcceptedView]
    is_repeat: bool


class PlaceView(View):
    """A transaction and its block."""

    block: int
    transaction: Id


class GuessView(View):
    """One element of an output: its index, its label if it has one, and its real number."""

    index: int
    label: str | None
    value: float


class OutputView(View):
    """A result. Only with finality `final` can nobody take it back any more."""

    finality: FinalityName
    data: str = Field(description="The program's output bytes, in base64")
    highest: list[GuessView] = Field(description="The five largest elements, the largest first")


class TextView(View):
    """What a model of text was asked and said. `output`: null without a result, and of models
    that make no text."""

    prompt: str
    prompt_tokens: int
    output: str | None
    made_tokens: int = Field(description="An end token included")
    finish_reason: FinishReason | None


class TaskView(View):
    """A task as the chain tells it, or as the gateway promised it."""

    model_config = example(
        id=_ID,
        href=f"/v1/tasks/{_ID}",
        state="asserted",
        finality="pending",
        model="digits",
        program_root=_ROOT,
        input_root=_ROOT,
        requester=_ACCOUNT,
        nonce="7",
        iterations=1,
        fee_wei="10000000000000000",
        deadline=1_800_000_000,
        accepted_at=1_799_996_400,
        is_signed=False,
        attempt=0,
        slashed=0,
        executor=_ACCOUNT,
        assertion_id=_ROOT,
        claim_deadline=None,
        window_end=1_799_999_000,
        output={
            "finality": "pending",
            "data": "AAECAwQFBgcICQ==",
            "highest": [{"index": 9, "label": "9", "value": 0.5}],
        },
        text=None,
        requested={"block": 12, "transaction": _ROOT},
        asserted={"block": 15, "transaction": _ROOT},
        closed=None,
        trouble=None,
    )

    id: Id
    href: str
    state: StateName
    finality: FinalityName
    model: str = Field(description="Empty for a program that is not known here")
    program_root: Id
    input_root: Id
    requester: AddressText
    nonce: str
    iterations: int
    fee_wei: WeiText
    deadline: int
    accepted_at: int | None = Field(description="None for a task of others")
    is_signed: bool = Field(description="Whether its requester signed and pays it")
    attempt: int
    slashed: int = Field(description="Results that were proven false")
    executor: AddressText | None
    assertion_id: Id | None
    claim_deadline: int | None
    window_end: int | None = Field(description="Until then a result can be challenged")
    output: OutputView | None
    text: TextView | None = Field(description="Of a model of text; not in lists")
    requested: PlaceView | None
    asserted: PlaceView | None
    closed: PlaceView | None
    trouble: str | None = Field(description="Why it is not on chain yet")


class TasksView(View):
    """Tasks, the newest first. `cursor`: gives the next page, null on the last."""

    tasks: list[TaskView]
    cursor: str | None


class EventView(View):
    """Something that happened to a task; `data` of a server-sent event whose id is `sequence`."""

    model_config = example(
        sequence=41,
        task_id=_ID,
        kind="finalised",
        state="final",
        finality="final",
        data={},
        at={"block": 19, "transaction": _ROOT},
        time=1_799_999_900,
    )

    sequence: int
    task_id: Id
    kind: str
    state: StateName
    finality: FinalityName
    data: dict[str, Any]
    at: PlaceView | None
    time: int


class ModelCardView(View):
    """A model as clients of OpenAI's protocol list it."""

    id: str = Field(description="The model's name")
    object: Literal["model"] = "model"
    created: int = Field(description="When it was registered")
    owned_by: Literal["infernet"] = "infernet"


class ModelView(ModelCardView):
    """A model that tasks may name."""

    name: str
    program_root: Id
    input_shape: list[int] = Field(description="Of the source's input, as JSON and npy have it")
    input_dtype: str
    input_bytes: int
    output_bytes: int
    output_shape: list[int]
    takes_images: bool
    labels: list[str]
    task: Literal["generate", "classify", "embed"] | None = Field(
        description="What it does with text, null where it takes none"
    )
    positions: int | None = Field(description="Tokens of a text and what is made after it")
    max_iterations: int
    minimum_stake_wei: WeiText


class ModelsView(View):
    """The models that tasks may name; `data` is for clients of OpenAI's protocol."""

    object: Literal["list"] = "list"
    data: list[ModelCardView]
    models: list[ModelView]


class TypedDataView(View):
    """What a wallet signs with `eth_signTypedData_v4`."""

    types: dict[str, list[dict[str, str]]]
    primaryType: str  # noqa: N815 - the name that EIP-712 gives it
    domain: dict[str, Any]
    message: dict[str, Any]


class DisputeView(View):
    """A dispute in one line. `length`: steps still in doubt."""

    id: Id
    href: str
    assertion_id: Id
    task_id: Id
    executor: AddressText
    challenger: AddressText
    status: str
    bond_wei: WeiText
    length: int
    block: int


class DisputesView(View):
    """Disputes, the newest first. `cursor`: gives the next page, null on the last."""

    disputes: list[DisputeView]
    cursor: str | None


class MoveView(View):
    """One event of a dispute. `interval`: first step in doubt and the number after it."""

    event: str
    by: str | None
    what: str
    at: PlaceView
    time: int
    gas: int
    interval: list[int] | None
    clocks: list[int] | None


class StoryView(DisputeView):
    """A dispute, move by move."""

    steps: int
    stake_wei: WeiText
    winner: str | None
    gas: int
    moves: list[MoveView]


class ProofView(View):
    """The step that decided a dispute, with all that running it again needs."""

    dispute_id: Id
    program_root: Id
    iterations: int
    step: int
    pre_hash: Id
    post_hash: Id
    prover: str
    proof: str = Field(description="The one-step proof that the contract took, in base64")
    transaction: Id


class HealthView(View):
    """The gateway works."""

    status: str = Field(examples=["ok"])


class StatusView(View):
    """How the gateway fares, where it is, and what it accepts."""

    chain_id: int
    market: AddressText
    vault: AddressText
    account: AddressText
    block: int
    now: int
    waiting: int = Field(description="Tasks accepted and not on chain yet")
    listeners: int
    idle_seconds: float
    disk_bytes: int
    most_disk_bytes: int
    fee_wei: WeiText
    most_fee_wei: WeiText
    deadline_seconds: int
    most_batch: int


class ProblemKindView(View):
    """A kind of problem."""

    type: str
    status: int
    title: str
    help: str


class ProblemKindsView(View):
    """All kinds of problems."""

    problems: list[ProblemKindView]
