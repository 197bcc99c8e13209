"""What clients are told of miners and fishermen. Times are seconds of the chain."""

from __future__ import annotations

from pydantic import Field

from .values import AddressText, View, WeiText, example

_MINER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
_FISHERMAN = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
_MINER_EXAMPLE = {
    "address": _MINER,
    "href": f"/v1/miners/{_MINER}",
    "score": 0.93,
    "deposit_wei": "4000000000000000000",
    "free_wei": "3100000000000000000",
    "claims": 130,
    "results": 129,
    "final": 125,
    "slashed": 0,
    "expired": 1,
    "disputes_won": 2,
    "disputes_lost": 0,
    "latency_median_seconds": 4,
    "latency_p95_seconds": 11,
    "fees_wei": "1250000000000000000",
    "lost_wei": "9000000000000000",
}
_FISHERMAN_EXAMPLE = {
    "address": _FISHERMAN,
    "href": f"/v1/fishermen/{_FISHERMAN}",
    "score": 0.75,
    "deposit_wei": "2000000000000000000",
    "free_wei": "2000000000000000000",
    "challenges": 3,
    "won": 2,
    "lost": 0,
    "rewards": 2,
    "rewards_wei": "900000000000000000",
    "bonds_lost_wei": "0",
}


class PlayerView(View):
    """An account and how it stands. `deposit_wei`: all that it has in the vault."""

    address: AddressText
    href: str
    score: float = Field(ge=0, le=1, description="0.5 is a new account's; docs/scores.md")
    deposit_wei: WeiText
    free_wei: WeiText = Field(description="Of the deposit, what is not locked")


class MinerView(PlayerView):
    """What a miner did so far. `lost_wei`: stakes slashed, and penalties of expired claims."""

    model_config = example(**_MINER_EXAMPLE)

    claims: int
    results: int
    final: int
    slashed: int = Field(description="Results that were proven false")
    expired: int = Field(description="Claims without a result")
    disputes_won: int
    disputes_lost: int
    latency_median_seconds: int | None = Field(description="From claim to assertion")
    latency_p95_seconds: int | None = Field(description="19 of 20 results took no longer")
    fees_wei: WeiText
    lost_wei: WeiText


class FishermanView(PlayerView):
    """What a fisherman did so far."""

    model_config = example(**_FISHERMAN_EXAMPLE)

    challenges: int
    won: int
    lost: int
    rewards: int
    rewards_wei: WeiText
    bonds_lost_wei: WeiText


class MinersView(View):
    """Miners as of a block, the best first. `cursor`: gives the next page, null on the last."""

    model_config = example(block=1_204, miners=[_MINER_EXAMPLE], cursor=None)

    block: int
    miners: list[MinerView]
    cursor: str | None


class FishermenView(View):
    """Fishermen as of a block, the best first. `cursor`: gives the next page, or null."""

    model_config = example(block=1_204, fishermen=[_FISHERMAN_EXAMPLE], cursor=None)

    block: int
    fishermen: list[FishermanView]
    cursor: str | None
