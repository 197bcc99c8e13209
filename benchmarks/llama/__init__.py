"""Llama-3-8B's shapes: our engine beside llama.cpp's Q8_0 and the memory's bandwidth, in one run.

Weights are seeded and the layers may be fewer than 32: both sides then have the same fewer, with
the whole embedding and head, and llama.cpp makes the logits of every position as our program does.
Each side is a process of its own; they take turns, and the best turn counts, for all that disturbs
only slows down. A reader of plain memory takes its turn too. llama.cpp is no dependency:
`pip install llama-cpp-python` builds it in minutes; without it its column is left out.
"""


def main(layers: int = 4, threads: int = 1, rounds: int = 3, folder: str = "") -> int:
    """Print the figures; return how many limits were missed.

    `folder`: where the models lie or are to stay, a few GB; else a temporary one.
    """
    # The processes of this package shall not import what only the course of it needs.
    from .play import measure

    return measure(layers, threads, rounds, folder)
