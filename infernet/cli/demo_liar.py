"""A miner that lies about one step of each task: for the demonstration, which alone starts it.

`infernet` has no such command and no such setting. All but its runs is what `infernet miner run`
does. Its arguments are the step and a file: it enters when that appears, so that the slow part of
its start is over by then.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from infernet.actors.holdings import Holdings, Run, StartRun
from infernet.backend.adapters import runner
from infernet.backend.tamper import TamperedTrace
from infernet.chain.records import ProgramRoot
from infernet.config import load
from infernet.models.pipeline import Model
from infernet.queue.jobs import Purpose
from interpreter.program import Step

from .demo_lie import MUTATION
from .miner import serve
from .options import set_up_logs
from .player import Player, open_player

_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LyingPlayer(Player):
    """A player whose runs are false from one step on."""

    step: Step

    def holdings(self) -> Holdings:
        """Return the models with what runs them falsely."""
        true = Player.holdings(self)
        lies = {ProgramRoot(m.program.root): self._lie_about(m) for m in self.models.values()}
        return {root: replace(each, start_run=lies[root]) for root, each in true.items()}

    def _lie_about(self, model: Model) -> StartRun:
        start = runner(self.adapter, model.program)

        def lie(data: bytes, iterations: int = 1) -> Run:
            trace = start(data, iterations)
            return TamperedTrace(trace, self.step, MUTATION)

        return lie


def main() -> None:
    """Serve tasks falsely until a signal ends it."""
    set_up_logs("info", None)
    player = open_player(load().config, Purpose.EXECUTE)
    cue = Path(sys.argv[2])
    while not cue.exists():
        time.sleep(_PAUSE_SECONDS)
    opened = {name: getattr(player, name) for name in Player.__dataclass_fields__}
    serve(LyingPlayer(**opened, step=Step(int(sys.argv[1]))), is_agreed=True)


if __name__ == "__main__":
    main()
