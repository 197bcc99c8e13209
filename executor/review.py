"""Compare what a gateway says of tasks with what the miner's own nodes say."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from infernet.audit.receipt import ChainPart, TaskPart, task_id_of
from infernet.chain.deployment import Contracts
from infernet.chain.records import ProgramRoot, TaskId

from .errors import GatewayLied
from .gateway import Named


@dataclass(slots=True)
class Review:
    """Compares what a gateway names with the chain. `unknown_seconds`: as in PoolPace."""

    contracts: Contracts
    served: Mapping[ProgramRoot, int]
    unknown_seconds: float
    clock: Callable[[], float] = time.monotonic
    _named_at: dict[TaskId, float] = field(default_factory=dict)

    def known(self, named: Sequence[Named]) -> list[Named]:
        """Return the tasks that the chain shows as they are named; raises GatewayLied.

        A task's id is the hash of all the rest, so an id that the chain knows says everything.
        """
        found, market, now = [], self.contracts.market, self.clock()
        missing = dict[TaskId, float]()
        for task in named:
            self._require_consistent(task)
            # The miner's turns keep the events up to date.
            with self.contracts.feed.as_it_is():
                if market.has_event("Requested", taskId=task.task_id):
                    found.append(task)
                    continue
            first = missing[task.task_id] = self._named_at.get(task.task_id, now)
            if now - first > self.unknown_seconds:
                raise GatewayLied(f"task 0x{task.task_id.hex()} was never requested on chain")
        self._named_at = missing
        return found

    def _require_consistent(self, task: Named) -> None:
        d = self.contracts.deployment
        chain = ChainPart(d.chain_id, d.registry, d.vault, d.market, d.game, d.verifier)
        part = TaskPart(
            task.task_id,
            task.requester,
            task.nonce,
            task.program_root,
            task.input_root,
            task.iterations,
            task.fee_wei,
            task.deadline,
        )
        name = f"task 0x{task.task_id.hex()}"
        if task_id_of(chain, part) != task.task_id:
            raise GatewayLied(f"{name} is not what its root, fee and deadline hash to")
        if task.program_root not in self.served:
            raise GatewayLied(f"{name} is of a program that this miner did not offer to run")
