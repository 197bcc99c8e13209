"""The table of docs/conformance.md, made from the rows in docs/machines."""

from __future__ import annotations

from pathlib import Path

from .places import ROOT
from .rows import Row, read_rows

FOLDER = ROOT / "docs/machines"
PAGE = ROOT / "docs/conformance.md"
BEGIN, END = "<!-- rows: python -m tests.machines --write -->", "<!-- end of rows -->"
_SHORT = 8


def recorded(folder: Path = FOLDER) -> dict[str, list[Row]]:
    """Return the rows of each machine by its name."""
    return {path.stem: read_rows(path.read_text()) for path in sorted(folder.glob("*.jsonl"))}


def table(machines: dict[str, list[Row]]) -> str:
    """Return the digests of all models, and a line for each machine."""
    models: dict[str, tuple[str, str]] = {}
    for row in (row for rows in machines.values() for row in rows):
        for entry in row["models"]:
            models.setdefault(entry["name"], (entry["program_root"], entry["digest"]))
    lines = ["| model | program root | digest |", "|---|---|---|"]
    lines += [f"| {name} | `{root}` | `{digest}` |" for name, (root, digest) in models.items()]
    lines += ["", "| machine | processor | sets that NumPy found | kernels | versions | threads |"]
    lines[-1] += " vectors |" + "".join(f" {name} |" for name in models)
    lines.append("|" + "---|" * (7 + len(models)))
    for machine, rows in machines.items():
        for row in rows:
            lines.append("| " + " | ".join(_cells(machine, row, list(models))) + " |")
    return "\n".join(lines) + "\n"


def write(page: Path = PAGE) -> None:
    """Put the table of what is recorded into the page."""
    text = page.read_text()
    before, rest = text.split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{table(recorded())}{END}{rest.split(END)[1]}")


def _cells(machine: str, row: Row, models: list[str]) -> list[str]:
    digests = {entry["name"]: entry["digest"] for entry in row["models"]}
    kernels = [row["products"], row["sequences"], row["hashing"]]
    kernels = [kernel.removeprefix("compiled, ") for kernel in kernels]
    versions = f"NumPy {row['numpy']}, ORT {row['onnxruntime']}, Python {row['python']}"
    return [
        machine,
        f"{row['processor']}, {row['architecture']}, {row['system']}",
        " ".join(row["numpy_features"][-1:]) or "none beyond its baseline",
        "; ".join(kernels),
        versions,
        str(row["threads"]),
        *(f"`{digest[:_SHORT]}`" for digest in [row["conformance"]]),
        *(f"`{digests[name][:_SHORT]}`" if name in digests else "—" for name in models),
    ]
