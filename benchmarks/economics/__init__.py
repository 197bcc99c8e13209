"""What lies, checks and delays earn and cost under the shipped constants.

    python -m benchmarks economics

Prints the tables of docs/spec/economics.md and draws its plots. Everything is drawn by fixed seeds;
constants are the ones that `infernet chain deploy` uses, gas is what players weigh with.
"""


def main() -> int:
    """Print tables, write plots, and return how many trials contradict their closed form."""
    from .derive import Assumptions
    from .figures import FOLDER, figures
    from .report import (
        agreement,
        checking,
        constants,
        delay,
        programs,
        sampling,
        stakes,
        sybils,
    )

    assumed = Assumptions()
    programs()
    missed = agreement()
    checking()
    sampling()
    sybils()
    delay(assumed)
    stakes(assumed)
    constants(assumed)
    for name, drawing in figures():
        (FOLDER / name).write_text(drawing, encoding="utf-8")
        print(f"drawn: {FOLDER / name}")
    return missed
