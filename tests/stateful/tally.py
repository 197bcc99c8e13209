"""What the plays reached: how often each function was called and succeeded, and how games ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .stage import EXECUTOR, WATCHER, Stage
from .world import functions

ENDS = {2: "assertions final", 3: "assertions slashed"}


@dataclass
class Tally:
    """Counts over many plays."""

    plays: int = 0
    called: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)

    def add(self, stage: Stage) -> None:
        """Count a play that has ended."""
        self.plays += 1
        self.called += stage.world.called
        self.done += stage.world.done
        for assertion_id in stage.assertions:
            self.ends[ENDS[stage.status("assertion", assertion_id)]] += 1
        for match in stage.mirror.matches.values():
            verdict = match.model.verdict
            end = "spared" if verdict is None else f"won by {verdict.reason.value}"
            self.ends[f"games {end}"] += 1
            self.ends["dissections"] += match.model.dissections
            self.ends["games of an honest player"] += (
                match.executor == EXECUTOR or match.challenger == WATCHER
            )

    @property
    def never_done(self) -> list[str]:
        """Return the functions that no call succeeded in."""
        every = {f"{f.contract}.{f.name}" for f in functions().values() if not f.is_view}
        return sorted(every - self.done.keys())

    def show(self) -> None:
        """Print the counts as a table."""
        print(f"{self.plays:,} plays, {sum(self.called.values()):,} calls")
        for name, count in sorted(self.ends.items()):
            print(f"{count:9,} {name}")
        print("| function | called | taken |\n|---|---|---|")
        for name in sorted({*self.called, *self.never_done}):
            print(f"| `{name}` | {self.called[name]:,} | {self.done[name]:,} |")
