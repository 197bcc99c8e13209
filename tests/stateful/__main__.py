"""Play many games and print what was reached: `python -m tests.stateful --plays 1000`."""

from __future__ import annotations

import argparse

from .play import Play
from .test_play import LONG, run_plays


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Send anything to the contracts of many games.")
    parser.add_argument("--plays", type=int, default=LONG[0])
    parser.add_argument("--rules", type=int, default=LONG[1], help="in each play")
    options = parser.parse_args()
    run_plays(options.plays, options.rules)
    Play.tally.show()


if __name__ == "__main__":
    main()
