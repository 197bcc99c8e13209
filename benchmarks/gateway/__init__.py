"""The gateway under load, beside a bare FastAPI route that stores the same bodies.

100 connections post tasks; one miner brings tasks to finality; 1,000 listeners hear of events.
Gateway, miner, rival, load and node are processes of their own, on the same machine. Needs anvil:
`npm ci` in contracts/ installs it.
"""


def main() -> int:
    """Print the figures; return how many limits were missed."""
    # The processes of this package shall not import what only the course of it needs.
    from .play import measure

    return measure()
