"""The requester of a demonstration: it knows the gateway's REST interface and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from infernet.chain.records import TaskId

from .errors import DemoFailed

_SECONDS = 20.0
_KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".npy": "application/x-npy",
}
_ANY_KIND = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Requester:
    """Somebody with an API key."""

    client: httpx.Client

    @classmethod
    @contextmanager
    def calling(cls, url: str, key: str) -> Iterator[Requester]:
        """Give a requester of a gateway."""
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(base_url=url, headers=headers, timeout=_SECONDS) as client:
            yield cls(client)

    def request(self, model: str, source: Path, data: bytes) -> TaskId:
        """Send an input and return the id of its task. `data`: the program's, if no kind fits."""
        kind = _KINDS.get(source.suffix.lower(), _ANY_KIND)
        body = data if kind == _ANY_KIND else source.read_bytes()
        answer = self._answer(
            "POST",
            "/v1/tasks",
            params={"model": model},
            content=body,
            headers={"Content-Type": kind, "Idempotency-Key": f"demo {source.name}"},
        )
        return TaskId(bytes.fromhex(answer.json()["id"].removeprefix("0x")))

    def task(self, task_id: TaskId) -> dict[str, Any]:
        """Return a task as the gateway tells it."""
        return dict(self._answer("GET", f"/v1/tasks/0x{task_id.hex()}").json())

    def receipt(self, task_id: TaskId) -> str:
        """Return a task's receipt."""
        return self._answer("GET", f"/v1/tasks/0x{task_id.hex()}/receipt").text

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self.client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise DemoFailed(f"the gateway does not answer {method} {path}: {error}") from None
        if not answer.is_success:
            raise DemoFailed(
                f"the gateway refuses {method} {path} with {answer.status_code}: {answer.text}"
            )
        return answer
