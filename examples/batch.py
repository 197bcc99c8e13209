"""Classify many photos at once: python examples/batch.py URL [PICTURE …].

INFERNET_API_KEY holds the key. All tasks are accepted together or none is; each result is printed
as soon as nobody can take it back.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from infernet.client import AsyncClient, TaskId, WithoutResult
from infernet.models.store import shipped_dir


async def main(url: str, pictures: list[Path]) -> None:
    """Have pictures classified side by side."""
    async with AsyncClient(url) as client:
        batch = await client.submit_many("digits", pictures)
        ids = [each.id for each in batch.tasks]
        print("accepted", *ids)
        async with asyncio.TaskGroup() as group:
            for picture, task_id in zip(pictures, ids, strict=True):
                group.create_task(tell(client, picture, task_id))


async def tell(client: AsyncClient, picture: Path, task_id: TaskId) -> None:
    """Print the likeliest label of a picture once it is final, or why there is none."""
    try:
        task = await client.wait(task_id)
    except WithoutResult as error:
        print(f"{picture.name}: {error}")
        return
    if task.output is not None:
        print(f"{picture.name}: {task.output.highest[0].label}")


if __name__ == "__main__":
    samples = sorted((shipped_dir() / "digits").glob("*.png"))
    asyncio.run(main(sys.argv[1], [Path(each) for each in sys.argv[2:]] or samples))
