"""A chain with production constants on which every row of the matrix begins from the same block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from enum import StrEnum
from itertools import count

from web3 import Web3
from web3.contract import Contract

from infernet.chain.artifacts import PROVERS
from infernet.chain.deploy import PRODUCTION
from interpreter.merkle import Hash
from tests.e2e.disputes_arena import Arena
from tests.e2e.disputes_chain import DEPOSIT_WEI as REGISTRATION_WEI
from tests.e2e.disputes_chain import ETHER, Refused, Sent

# Far from any clock of today, so that ids and their gas are the same in every run.
BEGINNING = 4_000_000_000
DEPOSIT_WEI = 1_000 * ETHER
MOST_BOND_WEI = 100 * ETHER


class Party(StrEnum):
    """Who has money at stake. A friend acts for a liar, a watcher is a second honest challenger."""

    EXECUTOR = "executor"
    CHALLENGER = "challenger"
    REQUESTER = "requester"
    FRIEND = "friend"
    WATCHER = "watcher"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A transaction that the chain refused, by the contract's error."""

    party: Party
    kind: str
    error: str


def _plain(error: str) -> str:
    """Return a contract's error by its name, and others without their figures."""
    if "Out of gas" in error:
        return "out of gas"
    return "no reason" if error == "execution reverted: b''" else error


class Ground(Arena):
    """The contracts as they are deployed in production, and a log of all that is sent."""

    def __init__(self) -> None:
        self.log: list[tuple[Party, Sent]] = []
        self.refusals: list[Refusal] = []
        self.address: dict[Party, str] = {}
        super().__init__()
        named = self.requester, self.executor, self.challenger, *self.web3.eth.accounts[4:6]
        order = Party.REQUESTER, Party.EXECUTOR, Party.CHALLENGER, Party.FRIEND, Party.WATCHER
        self.address |= zip(order, named, strict=True)
        for party in order:
            self.send("deposit", self.address[party], self.vault, value=DEPOSIT_WEI)
        self.salt, self.game_id = b"", b""

    def _deploy(self, clock_seconds: int) -> None:
        """Deploy with the constants that `infernet chain deploy` takes."""
        self.pass_until(BEGINNING)
        self.vault = self._create("StakeManager")
        self.verifier = self._create(
            "OneStepProof", [self._create(name).address for name in PROVERS]
        )
        # The arena pays its own deposit for a model; no row is about that one.
        floor = PRODUCTION.stake_base_wei, PRODUCTION.stake_per_bit_wei
        money = REGISTRATION_WEI, *floor
        self.registry = self._create("ModelRegistry", *money)
        self.market, self.game = self.second_market()
        self.send("initialise", self.deployer, self.vault, self.market.address, self.game.address)

    def second_market(self) -> tuple[Contract, Contract]:
        """Deploy a market with its game over the same vault and registry."""
        vault, registry = self.vault.address, self.registry.address
        market = self._create(
            "TaskMarket", vault, registry, self.deployer, astuple(PRODUCTION.market)
        )
        addresses = vault, market.address, self.verifier.address
        game = self._create("DisputeGame", *addresses, astuple(PRODUCTION.game))
        self.send("initialise", self.deployer, market, game.address)
        return market, game

    def send(
        self, name: str, sender: str, contract: Contract, *arguments: object, value: int = 0
    ) -> Sent:
        """Send one transaction and log it, also where the chain refuses it."""
        party = self.party(sender)
        try:
            sent = super().send(name, sender, contract, *arguments, value=value)
        except Refused as refusal:
            if party is not None:
                self.refusals.append(Refusal(party, name, _plain(str(refusal))))
            raise
        if party is not None:
            self.log.append((party, sent))
        return sent

    def key(self, party: Party) -> bytes:
        """Return the private key of a party's account."""
        keys = self.provider.ethereum_tester.backend.account_keys
        return bytes(keys[self.web3.eth.accounts.index(self.address[party])].to_bytes())

    def party(self, account: str) -> Party | None:
        """Return whose account it is; None for the deployer's."""
        found = [party for party, address in self.address.items() if address == account]
        return found[0] if found else None

    @contextmanager
    def rewound(self) -> Iterator[None]:
        """Undo afterwards what happens on the chain."""
        # Going back executes the snapshot's own block again, so that one is empty.
        if self.web3.eth.get_block("latest")["transactions"]:
            self.provider.ethereum_tester.mine_block()
        snapshot = self.provider.ethereum_tester.take_snapshot()
        # Every row begins at the same second with the same nonces, whichever are played.
        self.pass_until(BEGINNING + 100_000)
        self.nonces = count()
        self.log.clear()
        self.refusals.clear()
        self.assertions.clear()
        try:
            yield
        finally:
            self.provider.ethereum_tester.revert_to_snapshot(snapshot)
            self.mark()

    def wealth(self) -> dict[Party, int]:
        """Return the wei of each party in the vault, locked ones included."""
        return {party: self.balance(account) for party, account in self.address.items()}

    @property
    def burned(self) -> int:
        """Return the wei that nobody has any more."""
        return int(self.vault.functions.burned().call())

    def commit(self, assertion_id: bytes, final: Hash, salt: bytes) -> tuple[bytes, Sent]:
        """Commit the challenger's challenge, and remember it for those who twist its opening."""
        self.game_id, sent = super().commit(assertion_id, final, salt)
        self.salt = salt
        return self.game_id, sent

    def commit_as(self, party: Party, assertion_id: bytes, commitment: bytes) -> bytes:
        """Commit a challenge of any party; return the game's id."""
        sender = self.address[party]
        self.send("commit", sender, self.game, assertion_id, commitment, MOST_BOND_WEI)
        return self._hash(["bytes32", "address", "bytes32"], [assertion_id, sender, commitment])

    def commitment(self, party: Party, assertion_id: bytes, final: Hash, salt: bytes) -> bytes:
        """Return what binds a challenge to its sender, end and salt."""
        values = [assertion_id, self.address[party], final, salt]
        return self._hash(["bytes32", "address", "bytes32", "bytes32"], values)

    def _hash(self, types: list[str], values: Sequence[object]) -> bytes:
        return bytes(Web3.keccak(self.web3.codec.encode(types, values)))
