"""Clients of a gateway as users write them: they send again until they have an answer."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from queue import Empty, Queue
from typing import Any

import httpx
import numpy as np

from infernet.chain.records import TaskId

_PAUSE_SECONDS = 0.3
_AGAIN = {429, 503}


@dataclass
class Requesters:
    """Threads that post inputs of their own, each until it is accepted.

    `told`: the ids that a client was given for each number, which ought to be one.
    """

    url: str
    key: str = field(repr=False)
    input_bytes: int
    model: str = "digits"
    threads: int = 4
    told: dict[int, set[TaskId]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    _wanted: Queue[int] = field(default_factory=Queue)
    _stop: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Requesters:
        for number in range(self.threads):
            thread = threading.Thread(target=self._post_all, name=f"requester-{number}")
            thread.start()
            self._running.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._running:
            thread.join()

    def want(self, numbers: range) -> None:
        """Have so many more tasks posted."""
        for number in numbers:
            self._wanted.put(number)

    @property
    def ids(self) -> list[TaskId]:
        """Return what was accepted."""
        return [task_id for found in list(self.told.values()) for task_id in found]

    def _post_all(self) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {self.key}"}, timeout=10) as client:
            while not self._stop.is_set():
                try:
                    number = self._wanted.get(timeout=0.2)
                except Empty:
                    continue
                # Some users lose an answer and ask again though they need not.
                for _ in range(1 + (number % 5 == 0)):
                    self._post(client, number)

    def _post(self, client: httpx.Client, number: int) -> None:
        data = np.random.default_rng(number).integers(0, 256, self.input_bytes, np.uint8)
        while not self._stop.is_set():
            try:
                answer = client.post(
                    f"{self.url}/v1/tasks",
                    params={"model": self.model},
                    content=data.tobytes(),
                    headers={
                        "Content-Type": "application/octet-stream",
                        "Idempotency-Key": f"wish-{number}",
                    },
                )
            except httpx.TransportError as error:
                self.faults[type(error).__name__] += 1
                self._stop.wait(_PAUSE_SECONDS)
                continue
            if answer.status_code == 202:
                id_ = TaskId(bytes.fromhex(answer.json()["id"][2:]))
                self.told.setdefault(number, set()).add(id_)
                return
            self.faults[str(answer.status_code)] += 1
            if answer.status_code not in _AGAIN:
                self.refused.append(answer.text)
                return
            self._stop.wait(_PAUSE_SECONDS)


@dataclass
class Ear:
    """Hears all events of a gateway, and after each break goes on behind the last it heard."""

    url: str
    key: str = field(repr=False)
    heard: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    breaks: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Ear:
        self._thread = threading.Thread(target=self._listen, name="ear")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _listen(self) -> None:
        with httpx.Client(timeout=5) as client:
            while not self._stop.is_set():
                try:
                    self._hear(client)
                except httpx.TransportError:
                    self.breaks += 1
                    self._stop.wait(_PAUSE_SECONDS)

    def _hear(self, client: httpx.Client) -> None:
        last = str(self.heard[-1][0] if self.heard else 0)
        headers = {"Authorization": f"Bearer {self.key}", "Last-Event-ID": last}
        # A stream ends now and then, so that whoever listens sees that it has to stop.
        query = {"seconds": "3"}
        with client.stream("GET", f"{self.url}/v1/events", headers=headers, params=query) as lines:
            fields: dict[str, str] = {}
            for line in lines.iter_lines():
                name, _, value = line.partition(": ")
                if line and name:
                    fields[name] = value
                elif not line and "id" in fields:
                    self.heard.append((int(fields["id"]), json.loads(fields["data"])))
                    fields = {}
        if not lines.is_success:
            self._stop.wait(_PAUSE_SECONDS)
