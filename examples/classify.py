"""Classify a photo through a gateway: python examples/classify.py URL [PICTURE].

INFERNET_API_KEY holds the key. The receipt it writes is checked offline by
`infernet task verify receipt.json`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from infernet.client import Client, Finality, Task
from infernet.models.store import shipped_dir


def main(url: str, picture: Path) -> None:
    """Have a picture classified and tell the result when it is staked on and when it is final."""
    with Client(url) as client:
        task_id = client.submit("digits", picture).id
        print(f"accepted {task_id}")
        show(client.wait(task_id, Finality.PENDING))
        show(client.wait(task_id, Finality.FINAL))
        client.receipt(task_id).save(Path("receipt.json"))
        print("receipt.json: check it with `infernet task verify receipt.json`")


def show(task: Task) -> None:
    """Print the likeliest label and how sure the result is."""
    if task.output is not None:
        print(f"{task.output.finality}: {task.output.highest[0].label}")


if __name__ == "__main__":
    given = sys.argv[2] if len(sys.argv) > 2 else shipped_dir() / "digits" / "digit-7.png"
    main(sys.argv[1], Path(given))
