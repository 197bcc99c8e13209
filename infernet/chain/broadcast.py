"""Hand a signed transaction to the nodes, and understand what they answer in their own words."""

from __future__ import annotations

from enum import Enum, auto

from eth_utils.exceptions import ValidationError
from web3.exceptions import Web3RPCError

from .connection import Chain, translated
from .errors import ChainError


class Answer(Enum):
    """What a broadcast came to."""

    TAKEN = auto()
    """A node has it, now or since before."""
    USED = auto()
    """The account's nonce is beyond it: it is in a block, or another one is."""
    UNDERPRICED = auto()
    """It must offer more."""
    POOR = auto()
    """The account cannot pay for it."""
    REFUSED = auto()
    """A node answered with another refusal."""
    UNKNOWN = auto()
    """No answer: it may have arrived."""


# In the words of geth, reth, anvil, Nethermind, Besu, Erigon and py-evm, lower case.
_WORDS = (
    (Answer.TAKEN, ("already known", "alreadyknown", "already imported", "known transaction")),
    (Answer.USED, ("nonce too low", "nonce_too_low", "oldnonce", "invalid transaction nonce")),
    (
        Answer.UNDERPRICED,
        (
            "underpriced",
            "less than block base fee",
            "lower than block's base fee",
            "feetoolow",
            "gas price too low",
            "gas price below",
        ),
    ),
    (
        Answer.POOR,
        ("insufficient funds", "insufficientfunds", "enough balance", "upfront cost exceeds"),
    ),
)


def broadcast(chain: Chain, raw: bytes) -> tuple[Answer, str]:
    """Send a signed transaction and return what it came to, with the node's words."""
    try:
        with translated("sending a transaction", chain.name):
            try:
                chain.web3.eth.send_raw_transaction(raw)
            except (Web3RPCError, ValidationError) as error:
                return meaning_of(str(error)), str(error)
    except ChainError as error:
        return Answer.UNKNOWN, str(error)
    return Answer.TAKEN, ""


def meaning_of(message: str) -> Answer:
    """Return what a node's refusal of a transaction means."""
    text = message.lower()
    for answer, words in _WORDS:
        if any(word in text for word in words):
            return answer
    return Answer.REFUSED
