"""States for a dispute, as multiples of one inference.

First dissection: every state of it, from the input on. Whole dispute: all dissections of one player
down to a random step, and its one-step proof.
"""

from __future__ import annotations

import sys
from bisect import bisect_right

import numpy as np

from bisection.dissection import cuts
from infernet.backend.engine import OrtEngine
from infernet.backend.trace import Trace
from interpreter.program import Step

from .nets import NETWORKS, interleaved, network

ARITY = 32
LIMITS = {"resnet50": (3.0, 6.0)}
ROUNDS = {"mobilenetv2": 40, "resnet50": 20}


def dispute(trace: Trace, target: int) -> int:
    """Dissect towards `target` as one player does all the way, prove it, return the levels."""
    start, end, levels = Step(0), Step(trace.steps), 0
    while end - start > 1:
        edges = cuts(start, end, ARITY)
        trace.state_hashes(edges[1:])
        segment = bisect_right(edges, target) - 1
        start, end, levels = edges[segment], edges[segment + 1], levels + 1
    trace.proof(start)
    return levels


def main() -> int:
    """Print the table and return how many limits were missed."""
    missed = 0
    head = ("network", "inference ms", "first", "x", "dispute", "x", "levels")
    print("{:<12} {:>13} {:>8} {:>6} {:>8} {:>6} {:>7}".format(*head))
    for name in NETWORKS:
        net = network(name)
        program = net.model.program
        engine = OrtEngine(program, 1)
        rng = np.random.default_rng(0)
        levels = []

        def inference() -> object:
            return engine.run(net.data)  # noqa: B023

        def first() -> object:
            trace = Trace(program, net.data, engine)  # noqa: B023
            return trace.state_hashes(cuts(Step(0), Step(trace.steps), ARITY)[1:])

        def whole() -> None:
            trace = Trace(program, net.data, engine)  # noqa: B023
            levels.append(dispute(trace, int(rng.integers(trace.steps))))  # noqa: B023

        took = interleaved(ROUNDS[name], inference=inference, first=first, whole=whole)
        ratios = took["first"] / took["inference"], took["whole"] / took["inference"]
        limits = LIMITS.get(name)
        missed += sum(r > limit for r, limit in zip(ratios, limits or ratios, strict=True))
        print(
            f"{name:<12} {took['inference']:>13.2f} {took['first']:>8.1f} {ratios[0]:>6.2f} "
            f"{took['whole']:>8.1f} {ratios[1]:>6.2f} {max(levels):>7}"
            + (f"   limits {limits[0]} and {limits[1]}" if limits else "")
        )
    return missed


if __name__ == "__main__":
    sys.exit(main())
