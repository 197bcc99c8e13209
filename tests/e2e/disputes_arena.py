"""Disputes on the real contracts, played by two choosers, each usually a solver over its trace.

Players meet only on the chain: each rebuilds the game from its storage and its events before
every action.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from web3 import Web3

from bisection.dissection import Dissection
from bisection.game import (
    Action,
    Assertion,
    ClaimTimeout,
    Clocks,
    Dissect,
    Game,
    Player,
    Prove,
    Reason,
    Seconds,
    Verdict,
)
from bisection.solver import TraceProvider, next_actions
from interpreter.merkle import Hash
from interpreter.program import Program, Step

from .disputes_chain import DEPOSIT_WEI, ETHER, GRACE_SECONDS, OPEN_SECONDS, Chain, Refused, Sent

CHUNK = 60
# So many rounds may pass without an accepted move before the mover's time is let run out.
MOST_IDLE = 4
Chooser = Callable[[Game, Player, Seconds], Iterable[Action]]
"""Decides what a player does, for instance `next_actions` over a trace."""


class Claim(Protocol):
    """What a player says the result is, with the trace that it plays from."""

    @property
    def output(self) -> np.ndarray:
        """Return the output's bytes."""

    @property
    def halted(self) -> bool:
        """Return whether it says that the run halts."""

    @property
    def final(self) -> Hash:
        """Return the final state hash."""

    def state_hashes(self, steps: Sequence[Step]) -> list[Hash]:
        """Return the state hash before each step."""

    def proof(self, step: Step) -> bytes:
        """Return the one-step proof."""


@dataclass
class Dispute:
    """What happened in one dispute: every transaction from the commit to the settlement."""

    game_id: bytes
    honest: Player
    bound: int
    sent: list[Sent] = field(default_factory=list)
    refused: list[tuple[Player, str]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    last: Dissection | None = None
    winner: Player | None = None
    proved_step: int | None = None

    @property
    def gas(self) -> int:
        """Return the gas of all transactions."""
        return sum(each.gas for each in self.sent)

    @property
    def dissections(self) -> int:
        """Return the number of dissections, the opening included."""
        return len(self.lengths)

    def of_kind(self, kind: str) -> list[Sent]:
        """Return the transactions of one kind."""
        return [each for each in self.sent if each.kind == kind]

    def moves_of(self, player: Player) -> int:
        """Return how many moves a player made."""
        suffix = f" by {player.value}"
        return sum(each.kind.endswith(suffix) for each in self.sent)


def solver(trace: TraceProvider) -> Chooser:
    """Return the player that follows the solver over a trace."""
    return lambda game, me, now: next_actions(game, me, trace, now)


class Arena(Chain):
    """Tasks and games on the chain."""

    def register(self, program: Program) -> list[Sent]:
        """Have a program validated and registered by the contract, in chunks, if it is not yet."""
        if self.registry.functions.model(program.root).call()[0]:
            return []
        header = program.header.encode()
        descriptors = [operator.encode() for operator in program.operators]
        chunks = [descriptors[i : i + CHUNK] for i in range(0, len(descriptors), CHUNK)]
        first, *others = (b"".join(chunk) for chunk in chunks)
        send, deployer = self.send, self.deployer
        sent = [send("register", deployer, self.registry, header, "", first, value=DEPOSIT_WEI)]
        sent += [send("extend", deployer, self.registry, header, each) for each in others]
        assert self.registry.functions.model(program.root).call()[0], "the program is not complete"
        return sent

    def post(self, program: Program, data: np.ndarray, iterations: int = 1) -> bytes:
        """Request a run of a registered program, its input in calldata; return the task's id."""
        self.mark()
        deadline, nonce = self.now + 10**8, next(self.nonces)
        arguments = (program.root, data.tobytes(), iterations, ETHER, deadline, nonce)
        self.send("requestWithInput", self.requester, self.market, *arguments)
        self.posted = arguments
        return bytes(self.events(self.market, "Requested")[-1]["args"]["taskId"])

    def assert_result(self, task_id: bytes, claim: Claim) -> bytes:
        """Claim the task and assert a result; return the assertion's id."""
        self.mark()
        self.claim(task_id)
        return self.deliver(task_id, claim)

    def claim(self, task_id: bytes) -> None:
        """Claim the task with ten ether, or its model's floor."""
        info = self.market.functions.task(task_id).call()
        stake = max(10 * ETHER, self.registry.functions.model(info[10]).call()[1])
        self.send("claim", self.executor, self.market, task_id, stake)

    def deliver(self, task_id: bytes, claim: Claim) -> bytes:
        """Assert a result of the claimed task; return the assertion's id."""
        attempt = self.market.functions.task(task_id).call()[7]
        arguments = (task_id, attempt, claim.output.tobytes(), claim.halted)
        self.send("assertResult", self.executor, self.market, *arguments)
        asserted = self.events(self.market, "Asserted", taskId=task_id)[-1]["args"]
        assert bytes(asserted["finalHash"]) == claim.final, "chain and claim end differently"
        return bytes(asserted["assertionId"])

    def finalise(self, assertion_id: bytes) -> None:
        """Let the challenge window pass and make an assertion final."""
        self.pass_until(self.market.functions.terms(assertion_id).call()[1])
        self.send("finalise", self.executor, self.market, assertion_id)

    def balance(self, account: str) -> int:
        """Return the wei that an account has in the vault, locked ones included."""
        free, locked = self.vault.functions.account(account).call()
        return int(free) + int(locked)

    def assertion(self, assertion_id: bytes) -> Assertion:
        """Return what a game about an assertion is about; it never changes, so it is read once."""
        if assertion_id not in self.assertions:
            terms = self.market.functions.terms(assertion_id).call()
            ends = Hash(bytes(terms[6])), Hash(bytes(terms[7]))
            self.assertions[assertion_id] = Assertion(terms[5], *ends)
        return self.assertions[assertion_id]

    def commit(self, assertion_id: bytes, final: Hash, salt: bytes) -> tuple[bytes, Sent]:
        """Commit a challenge that claims another final state; return the game's id."""
        types = ["bytes32", "address", "bytes32", "bytes32"]
        packed = self.web3.codec.encode(types, [assertion_id, self.challenger, final, salt])
        arguments = (assertion_id, Web3.keccak(packed), 100 * ETHER)
        sent = self.send("commit", self.challenger, self.game, *arguments)
        logs = self.events(self.game, "ChallengeCommitted", assertionId=assertion_id)
        return bytes(logs[-1]["args"]["gameId"]), replace(sent, kind="commit")

    # Games

    def read_game(self, game_id: bytes) -> Game:
        """Rebuild a game from the contract's storage and its last dissection from the log."""
        stored = self.game.functions.game(game_id).call()
        _, _, deadline, executor_clock, challenger_clock, _, status, root, *rest = stored
        assertion = self.assertion(bytes(rest[-1]))
        clocks = Clocks(Seconds(executor_clock), Seconds(challenger_clock), Seconds(GRACE_SECONDS))
        logs = self.events(self.game, "Dissected", gameId=game_id)
        last = assertion.dissection
        if logs:
            said = logs[-1]["args"]
            hashes = (said["startHash"], *said["hashes"])
            end = Step(said["start"] + said["length"])
            last = Dissection(Step(said["start"]), end, tuple(Hash(bytes(h)) for h in hashes))
            assert last.commitment == bytes(root), "the log is not what the contract committed to"
        mover = Player.EXECUTOR if status == 2 else Player.CHALLENGER
        run = self.game.functions.runSeconds(assertion.steps).call()
        opens_after, claimed = Seconds(deadline - OPEN_SECONDS - run), None
        verdict = self._verdict(game_id, status)
        arguments = (last, mover, clocks, Seconds(deadline), opens_after, claimed)
        return Game(assertion, self.arity, *arguments, len(logs), verdict)

    def _verdict(self, game_id: bytes, status: int) -> Verdict | None:
        if status < 4:
            return None
        winner = Player.EXECUTOR if status == 4 else Player.CHALLENGER
        proved = self.events(self.game, "StepProved", gameId=game_id)
        return Verdict(winner, Reason.PROOF if proved else Reason.TIMEOUT)

    def act(self, dispute: Dispute, me: Player, game: Game, action: Any, salt: bytes) -> None:
        """Send what a player decided; a refused action is noted and changes nothing."""
        sender, game_id, suffix = self.accounts[me], dispute.game_id, f" by {me.value}"
        try:
            match action:
                case Dissect(hashes=hashes) if not game.is_opened:
                    sent = self.send("open", sender, self.game, game_id, salt, list(hashes))
                case Dissect() | Prove():
                    sent = self._move(sender, game_id, game, action)
                case ClaimTimeout() if not game.is_opened:
                    sent, suffix = self.send("forfeit", sender, self.game, game_id), ""
                case ClaimTimeout():
                    sent, suffix = self.send("timeout", sender, self.game, game_id), ""
                case _:
                    return
        except Refused as refusal:
            dispute.refused.append((me, str(refusal)))
            return
        dispute.sent.append(replace(sent, kind=sent.kind + suffix))

    def _move(self, sender: str, game_id: bytes, game: Game, move: Dissect | Prove) -> Sent:
        segment = move.segment
        siblings = list(game.last.siblings(segment.index))
        named = (game_id, segment.index, segment.start_hash, segment.end_hash, siblings)
        if isinstance(move, Dissect):
            return self.send("dissect", sender, self.game, *named, list(move.hashes))
        return self.send("prove", sender, self.game, *named, move.proof)

    def play(
        self, assertion_id: bytes, final: Hash, honest: Player, choosers: dict[Player, Chooser]
    ) -> Dispute:
        """Commit a challenge that claims `final`, play it to its verdict and settle it."""
        self.mark()
        salt = Web3.keccak(text=f"salt {next(self.nonces)}")
        game_id, committed = self.commit(assertion_id, final, salt)
        bound = self.game.functions.dissections(self.assertion(assertion_id).steps).call()
        dispute = Dispute(game_id, honest, bound, [committed])
        idle = 0
        while (game := self.read_game(game_id)).verdict is None:
            idle = 0 if self._round(dispute, choosers, salt) else idle + 1
            assert idle < 3 * MOST_IDLE, f"nobody can end the game: {game}"
            if idle > MOST_IDLE:
                self.pass_until(game.deadline)
        dispute.winner, dispute.last = game.verdict.winner, game.last
        for log in self.events(self.game, "Dissected", gameId=game_id):
            dispute.lengths.append(log["args"]["length"])
        for log in self.events(self.game, "StepProved", gameId=game_id):
            dispute.proved_step = log["args"]["step"]
        self._settle(dispute, assertion_id)
        return dispute

    def _round(self, dispute: Dispute, choosers: dict[Player, Chooser], salt: bytes) -> bool:
        """Let both players act once; return whether anything was mined."""
        mined = len(dispute.sent)
        game = self.read_game(dispute.game_id)
        for me, chooser in choosers.items():
            if len(dispute.sent) > mined:
                game = self.read_game(dispute.game_id)
            for action in chooser(game, me, Seconds(self.now)):
                self.act(dispute, me, game, action, salt)
        return len(dispute.sent) > mined

    def _settle(self, dispute: Dispute, assertion_id: bytes) -> None:
        name, argument = "settle", dispute.game_id
        if dispute.winner is Player.CHALLENGER:
            name, argument = "claimReward", assertion_id
            voided_at = self.game.functions.contest(assertion_id).call()[4]
            self.pass_until(voided_at + OPEN_SECONDS)
        dispute.sent.append(self.send(name, self.challenger, self.game, argument))
