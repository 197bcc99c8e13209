"""What travels over the queue: jobs and their answers, as JSON.

A job is a pure function of program and input, so one that is delivered twice does no harm. Two
kinds share the workers: `execute` for a miner's own tasks and `verify` for a fisherman's checks.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import redis
from rq.job import Job
from rq.queue import Queue
from rq.results import Result
from rq.serializers import JSONSerializer

from interpreter.merkle import HASH_BYTES, Hash

from .errors import QueueError


class Purpose(StrEnum):
    """Whom a job is for; tasks go before checks."""

    EXECUTE = "execute"
    VERIFY = "verify"


# The only function that workers run, and what they answer.
FUNCTION = "run"
_UNKNOWN_PROGRAM, _FAILED, _OUTPUT, _HALTED = "unknown_program", "failed", "output", "halted"
_ANSWER_SECONDS = 300
# Besides the output, in base64 twice: names, braces, a reason.
_MOST_EXTRA_BYTES = 4_096
_OUT_OF_FORM = "a worker's answer is not in its form; update the workers"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker answers: an output and whether the run halted, or why there is none."""

    output: bytes | None = None
    halted: bool = False
    is_unknown_program: bool = False
    failure: str = ""

    def encode(self) -> dict[str, str | bool]:
        """Return the answer as JSON has it."""
        if self.output is not None:
            return {_OUTPUT: encode(self.output), _HALTED: self.halted}
        if self.is_unknown_program:
            return {_UNKNOWN_PROGRAM: self.failure}
        return {_FAILED: self.failure}

    @classmethod
    def decode(cls, content: Any) -> Answer:
        """Return the answer in JSON content; whatever is none counts as a failure."""
        if isinstance(content, dict):
            if _OUTPUT in content and isinstance(halted := content.get(_HALTED), bool):
                try:
                    return cls(decode(str(content[_OUTPUT])), halted)
                except QueueError as error:
                    return cls(failure=str(error))
            if _UNKNOWN_PROGRAM in content:
                return cls(is_unknown_program=True, failure=str(content[_UNKNOWN_PROGRAM]))
            if _FAILED in content:
                return cls(failure=str(content[_FAILED]))
        return cls(failure=_OUT_OF_FORM)


def open_queue(client: redis.Redis, purpose: Purpose) -> Queue:
    """Return the queue of one kind of jobs."""
    return Queue(f"infernet-{purpose}", connection=client, serializer=JSONSerializer)


def enqueue(queue: Queue, root: Hash, data: bytes, iterations: int, most_seconds: int) -> str:
    """Ask for a run of a program on an input, and return the job's id."""
    job = queue.enqueue_call(
        FUNCTION,
        args=[root.hex(), encode(data), iterations],
        timeout=most_seconds,
        # Whoever asked has long asked again.
        ttl=_ANSWER_SECONDS,
        result_ttl=_ANSWER_SECONDS,
        failure_ttl=_ANSWER_SECONDS,
        description=f"run 0x{root.hex()}",
    )
    return str(job.id)


def find_answer(queue: Queue, job_id: str, most_bytes: int, is_waited_for: bool) -> Answer | None:
    """Return the answer to a job, None if there is none yet; wait a second for it if asked to.

    Whoever can write to Redis may have written it, so nothing is unpacked that could grow, and
    whatever is no answer counts as a failure. `most_bytes`: of its output. Raises RedisError, and
    ConnectionError when the job is gone.
    """
    key, client = _answers_key(job_id), queue.connection
    if is_waited_for:
        streams = cast("list[Any]", client.xread({key: "0-0"}, block=1_000))
        found = streams[0][1] if streams else []
    else:
        found = cast("list[Any]", client.xrevrange(key, "+", "-", count=1))
    if not found:
        if not client.exists(Job.key_for(job_id)):
            raise redis.ConnectionError("the job is gone")
        return None
    fields = found[-1][1]
    if fields.get(b"type") != str(Result.Type.SUCCESSFUL.value).encode():
        return Answer(failure="a worker failed; its job in Redis says how")
    return answer_in(fields.get(b"return_value", b""), most_bytes)


def answer_in(content: bytes, most_bytes: int) -> Answer:
    """Return the answer in what a worker left; whatever is none counts as a failure."""
    if len(content) > 2 * most_bytes + _MOST_EXTRA_BYTES:
        return Answer(failure=_OUT_OF_FORM)
    try:
        return Answer.decode(json.loads(base64.b64decode(content, validate=True)))
    except (ValueError, RecursionError):
        return Answer(failure=_OUT_OF_FORM)


def forget(queue: Queue, job_ids: Iterable[str]) -> None:
    """Take back jobs that are no longer wanted, if Redis can be told."""
    try:
        for job_id in job_ids:
            queue.remove(job_id)
            queue.connection.delete(Job.key_for(job_id), _answers_key(job_id))
    except (redis.RedisError, OSError):
        # They end by themselves, nobody being there to hear the answer.
        return


def encode(data: bytes) -> str:
    """Return bytes as JSON can hold them."""
    return base64.b64encode(data).decode()


def decode(text: object) -> bytes:
    """Return the bytes in a text of JSON, or raise QueueError."""
    try:
        return base64.b64decode(str(text), validate=True)
    except ValueError as error:
        raise QueueError(f"a job's bytes are not in base64: {error}") from None


def parse_root(text: object) -> Hash:
    """Return a program root from its digits, or raise QueueError."""
    shown = str(text)
    try:
        root = bytes.fromhex(shown)
    except ValueError:
        root = b""
    if len(root) != HASH_BYTES or root.hex() != shown:
        raise QueueError(f"'{shown[:80]}' is no program root")
    return Hash(root)


def _answers_key(job_id: str) -> str:
    return str(Result.get_key(job_id))  # type: ignore[no-untyped-call]
