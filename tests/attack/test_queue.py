"""A stranger can write to Redis: jobs and answers made to harm, at a worker as users start it.

The worst that comes of it is a wrong output or a pause: no code runs, nothing is sent anywhere.
"""

from __future__ import annotations

import base64
import json
import pickle
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from rq.command import send_shutdown_command
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.utils import as_text

from infernet.backend.adapters import Reference
from infernet.backend.conformance import load_vectors
from infernet.queue.broker import connect
from infernet.queue.jobs import Purpose, open_queue
from infernet.queue.programs import put_program
from infernet.queue.remote import Patience, QueueAdapter, RemoteEngine
from tests.anvil import free_port
from tests.deploy.players import wait_until
from tests.survival.outpost import Process, RedisServer, worker_on

VECTOR = load_vectors()[0]
RIGHT = [VECTOR.program.root.hex(), base64.b64encode(VECTOR.data.tobytes()).decode(), 1]


@dataclass(frozen=True)
class Bait:
    """Becomes a file when it is unpickled."""

    path: str

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.path),)


@dataclass
class Post:
    """A server with a worker, and a stranger that knows the password."""

    server: RedisServer
    worker: Process
    client: redis.Redis
    queue: Queue

    def engine(self, patience: Patience | None = None) -> RemoteEngine:
        adapter = QueueAdapter(
            connect(self.server.url), Purpose.EXECUTE, Reference(), patience or Patience()
        )
        opened = adapter.open(VECTOR.program, 1)
        assert isinstance(opened, RemoteEngine)
        return opened

    def require_works(self) -> None:
        """Check that the worker still answers, and rightly."""
        assert self.worker.is_alive(), self.worker.log[-3_000:]
        engine = self.engine()
        assert engine.run(VECTOR.data).output.tobytes() == VECTOR.output
        assert engine._local is None, self.worker.log[-3_000:]

    def push(self, fields: dict[str, bytes | str], job_id: str = "crafted") -> None:
        """Write a job by hand and queue it."""
        right = Job.create("run", args=RIGHT, connection=self.client, serializer=JSONSerializer)
        content = {**right.to_dict(), "origin": self.queue.name, "status": "queued", **fields}
        self.client.hset(Job.key_for(job_id), mapping=content)
        self.client.rpush(self.queue.key, job_id)


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    folder = tmp_path_factory.mktemp("post")
    server = RedisServer(folder, free_port())
    worker = worker_on("worker", folder, server.url)
    server.start()
    try:
        worker.start()
        wait_until("the worker is ready", lambda: "worker_ready" in worker.log)
        client = connect(server.url)
        put_program(client, VECTOR.program)
        yield Post(server, worker, client, open_queue(client, Purpose.EXECUTE))
    finally:
        worker.kill()
        server.process.kill()


def data_of(content: object) -> bytes:
    return zlib.compress(json.dumps(content).encode())


def crafted(mark: Path) -> dict[str, dict[str, bytes | str]]:
    """Return fields of jobs that are to harm the worker; `mark`: appears if one succeeds."""
    command = f"touch {mark}"
    return {
        "a pickle": {"data": zlib.compress(pickle.dumps(Bait(str(mark))))},
        "a pickle as result": {"result": pickle.dumps(Bait(str(mark)))},
        "another function": {"data": data_of(["os.system", None, [command], {}])},
        "an instance": {"data": data_of(["run", {"__reduce__": "os.system"}, [command], {}])},
        "arguments by other names": {"data": data_of(["run", None, [], {"command": command}])},
        "no list": {"data": data_of({"run": command})},
        "numbers": {"data": data_of(["run", None, [1, 2], {}])},
        "nested deep": {"data": zlib.compress(b"[" * 100_000)},
        "32 MiB of input": {"data": data_of(["run", None, [RIGHT[0], "A" * (32 << 20)], {}])},
        "callbacks": {
            "success_callback_name": "os.system",
            "failure_callback_name": "os.system",
            "stopped_callback_name": "os.system",
        },
        "a status that is none": {"status": "evil"},
        "a time that is none": {"created_at": "yesterday"},
        "a timeout that is none": {"timeout": "for ever"},
        "no time at all": {"timeout": "-1"},
        "a dependency": {"dependency_id": "nobody"},
    }


@pytest.mark.parametrize("name", crafted(Path()))
def test_a_crafted_job_runs_nothing_and_the_worker_goes_on(
    post: Post, tmp_path: Path, name: str
) -> None:
    mark = tmp_path / "called"
    post.push(crafted(mark)[name])
    wait_until("the job is taken", lambda: post.queue.count == 0)
    post.require_works()
    assert not mark.exists()


@pytest.mark.parametrize("kind", ["missing", "list", "string"])
def test_a_queued_name_without_a_job_is_passed_over(post: Post, kind: str) -> None:
    key = Job.key_for(f"no-job-{kind}")
    if kind == "list":
        post.client.rpush(key, "x")
    elif kind == "string":
        post.client.set(key, "x")
    post.client.rpush(post.queue.key, f"no-job-{kind}")
    post.require_works()


def test_a_job_has_nothing_sent_to_an_address_that_it_names(post: Post) -> None:
    asked = threading.Event()

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.set()
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Listening) as listener:
        serving = threading.Thread(target=listener.serve_forever)
        serving.start()
        url = f"http://127.0.0.1:{listener.server_port}/"
        hooks = [{"url": url, "job_status": status} for status in ("finished", "failed")]
        for fields in ({}, {"data": data_of(["os.system", None, ["true"], {}])}):
            post.push({"webhooks": json.dumps(hooks), **fields})
            wait_until("the job is taken", lambda: post.queue.count == 0)
            post.require_works()
        listener.shutdown()
        serving.join()
    assert not asked.is_set()


def test_a_worker_takes_no_orders_over_redis(post: Post) -> None:
    workers = post.client.smembers("rq:workers")
    names = [(as_text(key) or "").rpartition(":")[2] for key in workers]
    assert names
    for name in names:
        send_shutdown_command(post.client, name)
        post.client.publish(f"rq:pubsub:{name}", json.dumps({"command": "kill-horse"}))
    post.require_works()


def packed(content: object) -> bytes:
    return base64.b64encode(json.dumps(content).encode())


ANSWERS: dict[str, dict[str, bytes | str]] = {
    "nothing": {"x": "1"},
    "a type that is none": {"type": "evil", "return_value": packed({})},
    "no value": {"type": "1"},
    "a pickle": {"type": "1", "return_value": base64.b64encode(pickle.dumps(Bait("called")))},
    "no base64": {"type": "1", "return_value": "*" * 40},
    "nested deep": {"type": "1", "return_value": base64.b64encode(b"[" * 4_000)},
    "64 MiB": {"type": "1", "return_value": b"A" * (64 << 20)},
    "no object": {"type": "1", "return_value": packed([1, 2])},
    "an output that is none": {
        "type": "1",
        "return_value": packed({"output": {"a": 1}, "halted": False}),
    },
    "an output of wrong size": {
        "type": "1",
        "return_value": packed({"output": "AA==", "halted": False}),
    },
    "a bomb": {"type": "2", "exc_string": base64.b64encode(zlib.compress(bytes(64 << 20)))},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_crafted_answer_is_none_and_the_run_is_done_here(
    post: Post, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with answered_by_a_stranger(post, ANSWERS[name]) as engine:
        assert engine.run(VECTOR.data).output.tobytes() == VECTOR.output
        assert engine._local is not None
    assert not list(tmp_path.iterdir())


def test_a_worker_that_never_knows_the_program_costs_no_more_than_the_wait(post: Post) -> None:
    fields: dict[str, bytes | str]
    fields = {"type": "1", "return_value": packed({"unknown_program": "no"})}
    before = puts(post)
    with answered_by_a_stranger(post, fields, Patience(1, 3)) as engine:
        began = time.monotonic()
        assert engine.run(VECTOR.data).output.tobytes() == VECTOR.output
        assert 2 <= time.monotonic() - began < 12
    # It is given the program again now and then, not as fast as it can ask.
    assert 3 <= puts(post) - before < 400


def test_a_wrong_output_of_the_right_size_is_believed(post: Post) -> None:
    """What Redis is trusted with: whoever may write there can have a miner assert a lie."""
    wrong = bytes(byte ^ 1 for byte in VECTOR.output)
    answer = packed({"output": base64.b64encode(wrong).decode(), "halted": False})
    with answered_by_a_stranger(post, {"type": "1", "return_value": answer}) as engine:
        assert engine.run(VECTOR.data).output.tobytes() == wrong
        assert engine._local is None


def puts(post: Post) -> int:
    """Return how often programs and jobs were written: each by HSET, a program by three."""
    return int(post.client.info("commandstats")["cmdstat_hset"]["calls"])


@contextmanager
def answered_by_a_stranger(
    post: Post, fields: dict[str, bytes | str], patience: Patience | None = None
) -> Iterator[RemoteEngine]:
    """Give an engine whose jobs, in a database without workers, a stranger answers."""
    url, is_over = post.server.url.removesuffix("0") + "1", threading.Event()
    client = connect(url)
    adapter = QueueAdapter(client, Purpose.EXECUTE, Reference(), patience or Patience(5, 6))
    key = open_queue(client, Purpose.EXECUTE).key

    def answer_all() -> None:
        with connect(url) as stranger:
            while not is_over.is_set():
                if taken := stranger.blpop([key], 0.2):
                    stranger.xadd(f"rq:results:{taken[1].decode()}", fields)

    answering = threading.Thread(target=answer_all)
    answering.start()
    try:
        opened = adapter.open(VECTOR.program, 1)
        assert isinstance(opened, RemoteEngine)
        yield opened
    finally:
        is_over.set()
        answering.join()
        client.close()
