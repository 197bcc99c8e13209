"""A signature lets in whoever made it, where it was made for, once and for a minute."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.errors import BadChallenge
from api.service.joining import Challenge, Challenges
from infernet.chain.market import Request
from infernet.chain.records import Address, ProgramRoot, Seconds, Wei
from infernet.chain.signed import typed_membership, typed_request
from infernet.chain.wallet import KeySigner

from ..access.gate import Clock

MARKET, OTHER_MARKET = Address("0x" + "33" * 20), Address("0x" + "44" * 20)
URL, OTHER_URL = "https://gateway.example", "https://other.example"
CHAIN = 31_337


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def challenges(clock: Clock) -> Challenges:
    return Challenges(CHAIN, MARKET, URL, 60, clock)


def signed(
    signer: KeySigner,
    challenge: Challenge,
    url: str = URL,
    chain: int = CHAIN,
    market: Address = MARKET,
) -> bytes:
    """Return a miner's signature over a challenge as it understands it."""
    nonce, end = challenge.nonce, challenge.expires_at
    return signer.sign_typed(typed_membership(chain, market, url, signer.address, nonce, end))


def test_a_good_signature_is_taken_once(challenges: Challenges) -> None:
    signer = KeySigner.create()
    challenge = challenges.new(signer.address)
    signature = signed(signer, challenge)
    challenges.use(signer.address, challenge, signature)
    with pytest.raises(BadChallenge, match="used before"):
        challenges.use(signer.address, challenge, signature)


def test_what_was_used_is_remembered_only_until_it_is_over(
    challenges: Challenges, clock: Clock
) -> None:
    signer = KeySigner.create()
    challenge = challenges.new(signer.address)
    challenges.use(signer.address, challenge, signed(signer, challenge))
    clock.now += 61
    with pytest.raises(BadChallenge, match="is over"):
        challenges.use(signer.address, challenge, signed(signer, challenge))
    later = challenges.new(signer.address)
    challenges.use(signer.address, later, signed(signer, later))
    assert list(challenges._used) == [later.nonce]


@pytest.mark.parametrize(
    ("url", "chain", "market"),
    [(OTHER_URL, CHAIN, MARKET), (URL, CHAIN + 1, MARKET), (URL, CHAIN, OTHER_MARKET)],
    ids=["gateway", "chain", "market"],
)
def test_a_signature_for_elsewhere_is_refused(
    challenges: Challenges, url: str, chain: int, market: Address
) -> None:
    signer = KeySigner.create()
    challenge = challenges.new(signer.address)
    with pytest.raises(BadChallenge, match="not by"):
        challenges.use(signer.address, challenge, signed(signer, challenge, url, chain, market))


def test_a_gateway_cannot_join_another_one_with_what_a_miner_signed_for_it(clock: Clock) -> None:
    honest, false = (Challenges(CHAIN, MARKET, url, 60, clock) for url in (URL, OTHER_URL))
    miner = KeySigner.create()
    # The false one hands on the challenge that the honest one gave it.
    challenge = honest.new(miner.address)
    signature = signed(miner, challenge, false.gateway)
    with pytest.raises(BadChallenge):
        honest.use(miner.address, challenge, signature)


def test_nobody_joins_with_the_challenge_or_the_signature_of_another(
    challenges: Challenges,
) -> None:
    one, other = KeySigner.create(), KeySigner.create()
    challenge = challenges.new(one.address)
    with pytest.raises(BadChallenge, match="not given out"):
        challenges.use(other.address, challenge, signed(other, challenge))
    with pytest.raises(BadChallenge, match="not by"):
        challenges.use(one.address, challenge, signed(other, challenge))
    with pytest.raises(BadChallenge, match="not by"):
        challenges.use(one.address, challenge, bytes(65))


def test_a_challenge_cannot_be_made_or_prolonged_by_anybody_else(challenges: Challenges) -> None:
    signer = KeySigner.create()
    longer = replace(challenges.new(signer.address), expires_at=2**39)
    for false in (longer, Challenge(bytes(32), longer.expires_at)):
        with pytest.raises(BadChallenge, match="not given out"):
            challenges.use(signer.address, false, signed(signer, false))


def test_one_from_before_a_restart_is_refused(clock: Clock) -> None:
    signer = KeySigner.create()
    challenge = Challenges(CHAIN, MARKET, URL, 60, clock).new(signer.address)
    with pytest.raises(BadChallenge, match="last start"):
        Challenges(CHAIN, MARKET, URL, 60, clock).use(
            signer.address, challenge, signed(signer, challenge)
        )


def test_a_membership_is_no_request_and_a_request_no_membership(challenges: Challenges) -> None:
    signer = KeySigner.create()
    challenge = challenges.new(signer.address)
    request = Request(ProgramRoot(bytes(32)), Wei(1), Seconds(challenge.expires_at), 1)
    paid = signer.sign_typed(typed_request(CHAIN, MARKET, request, bytes(32), is_carried=True))
    with pytest.raises(BadChallenge, match="not by"):
        challenges.use(signer.address, challenge, paid)
