"""Seconds per image of the reference interpreter, the machine that everything is compared with."""

from __future__ import annotations

import sys

from interpreter import machine

from .nets import NETWORKS, interleaved, network


def main() -> int:
    """Print the table; there is no limit to miss."""
    print(f"{'network':<12} {'seconds':>8} {'steps':>12}")
    for name in NETWORKS:
        net = network(name)
        program = net.model.program
        took = interleaved(3, reference=lambda p=program, d=net.data: machine.run(p, d))
        steps = program.header.steps_per_iteration
        print(f"{name:<12} {took['reference'] / 1000:>8.2f} {steps:>12,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
