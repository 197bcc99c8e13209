"""Input to (result, state hash), against ONNX Runtime's default static INT8 of the same network."""

from __future__ import annotations

import sys

from infernet.backend.engine import OrtEngine
from infernet.backend.trace import Trace

from .nets import NETWORKS, default_session, interleaved, network

LIMIT = 1.05
ROUNDS = {"mobilenetv2": 60, "resnet50": 25}
THREADS = 1


def main() -> int:
    """Print the table and return how many networks missed the limit."""
    missed = 0
    print(f"{'network':<12} {'ours ms':>8} {'default ms':>11} {'ratio':>6}   limit {LIMIT}")
    for name in NETWORKS:
        net = network(name)
        session, program = default_session(net, THREADS), net.model.program
        engine = OrtEngine(program, THREADS)
        feed = {session.get_inputs()[0].name: net.reals}

        def ours(net=net, program=program, engine=engine) -> tuple[bytes, bytes]:  # type: ignore[no-untyped-def]
            trace = Trace(program, net.data, engine)
            return trace.output, trace.final.hash

        def theirs(session=session, feed=feed) -> object:  # type: ignore[no-untyped-def]
            return session.run(None, feed)

        took = interleaved(ROUNDS[name], ours=ours, default=theirs)
        ratio = took["ours"] / took["default"]
        missed += ratio > LIMIT
        print(f"{name:<12} {took['ours']:>8.2f} {took['default']:>11.2f} {ratio:>6.3f}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
