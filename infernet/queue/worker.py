"""A worker: takes jobs from Redis for as long as it is told to, whatever Redis does meanwhile."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import redis
import structlog
from rq.job import Job
from rq.queue import Queue
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from .bench import Bench
from .errors import BrokerUnavailable, QueueError
from .jobs import FUNCTION, Purpose, open_queue

# A partitioned connection shows after this long at most; see RQ's worker_ttl.
_TTL_SECONDS = 30
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 10.0

Connect = Callable[[], redis.Redis]


def work(
    connect: Connect,
    purposes: Sequence[Purpose],
    make_bench: Callable[[redis.Redis], Bench],
) -> int:
    """Take jobs until a signal comes, then end the one in hand; return how many were done.

    `connect`: raises BrokerUnavailable while Redis is away; then it is tried again.
    """
    log = structlog.get_logger("infernet.worker")
    # RQ tells each step; what matters of it is told here.
    logging.getLogger("rq").setLevel(logging.CRITICAL)
    stop, pause, done = threading.Event(), _FIRST_PAUSE_SECONDS, 0
    _end_on_signals(stop.set)
    while not stop.is_set():
        try:
            with connect() as client:
                worker = _worker(client, purposes, make_bench(client), stop)
                log.info("worker_ready", queues=",".join(purposes))
                pause = _FIRST_PAUSE_SECONDS
                worker.work(logging_level="CRITICAL")
                done += worker.successful_job_count
        except (BrokerUnavailable, redis.RedisError) as error:
            log.warning("redis_unavailable", what=str(error), pause_seconds=pause)
        if not stop.is_set():
            stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    log.info("worker_stopped", jobs=done)
    return done


def _worker(
    client: redis.Redis, purposes: Sequence[Purpose], bench: Bench, stop: threading.Event
) -> SimpleWorker:
    class OwnJob(Job):
        """A job that can name no other function: RQ would import and call whatever it names."""

        @property
        def func(self) -> Any:
            if self.func_name != FUNCTION:
                raise QueueError(f"jobs of this queue name '{FUNCTION}', not '{self.func_name}'")
            return bench.run

        success_callback = failure_callback = stopped_callback = property(lambda self: None)

        def send_webhooks(self, status: Any, *, exc_string: str | None = None) -> None:
            """Send none: a job would choose where to."""

    class OwnQueue(Queue):
        job_class = OwnJob

    class OwnWorker(SimpleWorker):
        """Ends after the job in hand when a signal comes, and then for good."""

        job_class, queue_class = OwnJob, OwnQueue

        def subscribe(self) -> None:
            """Take no orders over Redis, such as to end; signals do that."""

        def _install_signal_handlers(self) -> None:
            def end() -> None:
                stop.set()
                self.request_stop(signal.SIGTERM, None)  # type: ignore[no-untyped-call]

            _end_on_signals(end)

    queues = [OwnQueue(open_queue(client, each).name, connection=client) for each in purposes]
    return OwnWorker(
        queues,
        connection=client,
        serializer=JSONSerializer,
        worker_ttl=_TTL_SECONDS,
        log_job_description=False,
    )


def _end_on_signals(end: Callable[[], object]) -> None:
    def handle(number: int, frame: FrameType | None) -> None:
        end()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
