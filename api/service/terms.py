"""What callers hand to the gateway, what they get back, and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infernet.chain.records import Address, ProgramRoot, Seconds, TaskId, Wei
from infernet.models.manifest import Manifest, Task
from infernet.models.sequence.request import SEED_BYTES
from infernet.models.text import Prompt

from .pool import DEFAULTS, PoolSettings

_CENT, _ETHER = Wei(10**16), Wei(10**18)


@dataclass(frozen=True, slots=True)
class RawInput:
    """The program's own input bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class TensorInput:
    """The source's input as nested lists of numbers, with or without the batch dimension."""

    values: list[Any]


@dataclass(frozen=True, slots=True)
class ArrayInput:
    """The source's input as the bytes of an .npy file."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PictureInput:
    """An encoded picture; the model's declared preprocessing makes the input of it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class TextInput:
    """What a model of text goes on from, classifies or embeds.

    `max_tokens`: None for as many as fit. `seed`: 32 bytes. These and the temperature belong to
    models that generate. `task`: what the model has to do, None for whatever it does; `member`:
    what its request calls the prompt.
    """

    prompt: Prompt
    max_tokens: int | None = None
    temperature: float = 0.0
    seed: bytes = bytes(SEED_BYTES)
    task: Task | None = None
    member: str = "input"


Input = RawInput | TensorInput | ArrayInput | PictureInput | TextInput


@dataclass(frozen=True, slots=True)
class Account:
    """Who asks. `id`: of its API key; `budget_wei`: the most its tasks may cost, None: no limit."""

    id: str
    budget_wei: Wei | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """One task to be accepted. None: the settings' default. `deadline_seconds`: from now on."""

    model: str
    input: Input
    fee_wei: Wei | None = None
    deadline_seconds: int | None = None
    iterations: int = 1


@dataclass(frozen=True, slots=True)
class SignedWish:
    """A task that its requester signed (EIP-712); the fee comes from its balance in the vault."""

    model: str
    input: Input
    requester: Address
    fee_wei: Wei
    deadline: Seconds
    nonce: int
    signature: bytes
    iterations: int = 1


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was accepted, in the order asked. `is_repeat`: earlier, under the same key."""

    task_ids: tuple[TaskId, ...]
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that tasks may name. `header`: of its program, encoded."""

    name: str
    program_root: ProgramRoot
    manifest: Manifest
    header: bytes
    input_bytes: int
    output_bytes: int
    input_shape: tuple[int, ...]
    max_iterations: int
    minimum_stake_wei: Wei
    registered_at: Seconds


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits and defaults of a gateway. Seconds are of chain time unless said otherwise.

    `top_up_wei`: at least this much goes to the vault when its free balance does not cover what
    waits. `senders`: requests sent side by side. `unheard_seconds`: of this machine's clock, after
    which a request that was sent and is not on chain is sent again. `key_seconds`: how long an
    idempotency key is kept. `are_inputs_carried`: to the chain, or else requests name roots alone
    and only miners of the pool get the bytes. `public_url`: where those reach the gateway, without
    a slash at its end.
    """

    fee_wei: Wei = _CENT
    most_fee_wei: Wei = _ETHER
    deadline_seconds: int = 3_600
    least_deadline_seconds: int = 60
    most_deadline_seconds: int = 7 * 86_400
    most_batch: int = 100
    most_waiting: int = 10_000
    most_blob_bytes: int = 4 << 30
    most_pixels: int = 40_000_000
    top_up_wei: Wei = _ETHER
    senders: int = 8
    poll_seconds: float = 0.5
    unheard_seconds: float = 180.0
    most_listeners: int = 2_000
    key_seconds: int = 86_400
    are_inputs_carried: bool = True
    public_url: str = "http://127.0.0.1:8000"
    pool: PoolSettings = DEFAULTS
