"""What miners of the pool ask and are answered. Times without a unit are Unix seconds."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from .values import AddressText, Given, Id, View, WeiText, example

_ID, _ROOT = "0x" + "5a" * 32, "0x" + "c3" * 32
_ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
_NONCE, _MEMBER = "0x" + "1d" * 32, "9f86d081884c7d65"
_GATEWAY = "https://gateway.example"

MemberId = Annotated[
    str, Field(pattern="^[0-9a-f]{16}$", description="Of an account, the same each time")
]


class ChallengeGiven(Given):
    """Who wants to join."""

    address: AddressText


class MinerGiven(Given):
    """A miner and what it signed: EIP-712, see POST /v1/pool/challenges."""

    address: AddressText
    models: list[Id] = Field(
        min_length=1, max_length=256, description="Roots of the programs that it runs"
    )
    nonce: Id
    expires_at: int = Field(ge=0, lt=2**40, description="As the challenge says")
    signature: str = Field(pattern="^0x[0-9a-fA-F]{130}$", description="r, s and v")


class ChallengeView(View):
    """What a miner signs, once. It checks that `gateway` is the URL that it has dialled."""

    model_config = example(
        gateway=_GATEWAY, nonce=_NONCE, expires_at=1_800_000_060, typed_data={"types": {}}
    )

    gateway: str
    nonce: Id
    expires_at: int
    typed_data: dict[str, Any] = Field(description="For `eth_signTypedData_v4`")


class JoinedView(View):
    """A session. `token`: the bearer of what follows, until `session_seconds` are over."""

    model_config = example(
        id=_MEMBER,
        address=_ACCOUNT,
        token="inp_" + "7e" * 32,
        session_seconds=3600.0,
        models=["digits"],
        deposit_wei="4000000000000000000",
        free_wei="3000000000000000000",
        needed_wei="1000000000000000000",
        head_start_seconds=5.0,
        absent_seconds=45.0,
    )

    id: MemberId
    address: AddressText
    token: str
    session_seconds: float
    models: list[str] = Field(description="That both serve, by name")
    deposit_wei: WeiText = Field(description="What the vault holds of the account")
    free_wei: WeiText = Field(description="Of that, what is not locked")
    needed_wei: WeiText = Field(description="The least stake of one task")
    head_start_seconds: float = Field(description="That a task is offered to one miner alone")
    absent_seconds: float = Field(description="Without a question, after which it has left")


class WorkTaskView(View):
    """A task to claim on chain. Check all of it there: `id` is the hash of the rest."""

    model_config = example(
        id=_ID,
        program_root=_ROOT,
        input_root=_ROOT,
        requester=_ACCOUNT,
        nonce="7",
        iterations=1,
        fee_wei="10000000000000000",
        deadline=1_800_003_600,
        input=f"/v1/tasks/{_ID}/input",
        yours_for_seconds=4.2,
    )

    id: Id
    program_root: Id
    input_root: Id
    requester: AddressText
    nonce: str = Field(pattern="^[0-9]+$")
    iterations: int
    fee_wei: WeiText
    deadline: int = Field(description="Unix time, of the chain")
    input: str = Field(description="Where its input bytes are")
    yours_for_seconds: float = Field(description="How long this miner comes first; 0: others do")


class WorkView(View):
    """What a miner may claim, its own first. `cursor`: as `after` it waits for a change."""

    model_config = example(tasks=[], cursor="0123456789abcdef")

    tasks: list[WorkTaskView]
    cursor: str


class MemberView(View):
    """A miner of the pool."""

    model_config = example(
        id=_MEMBER,
        address=_ACCOUNT,
        models=["digits"],
        score=0.9,
        deposit_wei="4000000000000000000",
        room=3,
        offered=17,
        lapses=1,
        joined_seconds=812.5,
    )

    id: MemberId
    address: AddressText
    models: list[str]
    score: float = Field(ge=0, le=1)
    deposit_wei: WeiText = Field(description="When it joined")
    room: int = Field(description="Tasks that it could take now")
    offered: int = Field(description="Head starts that it was given")
    lapses: int = Field(description="Head starts that it let pass")
    joined_seconds: float = Field(description="Since it joined")


class PoolView(View):
    """Who mines for this gateway."""

    model_config = example(
        gateway=_GATEWAY, head_start_seconds=5.0, absent_seconds=45.0, members=[]
    )

    gateway: str = Field(description="The URL that miners name and sign")
    head_start_seconds: float
    absent_seconds: float
    members: list[MemberView]
