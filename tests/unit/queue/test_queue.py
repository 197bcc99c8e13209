"""Jobs over a real Redis server: warm workers, lost jobs, wiped servers, hostile jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from rq.queue import Queue
from rq.serializers import JSONSerializer

from infernet.backend.adapters import Reference
from infernet.backend.conformance import load_vectors
from infernet.backend.engine import ReferenceEngine
from infernet.queue.bench import Bench
from infernet.queue.broker import EmbeddedBroker, connect
from infernet.queue.errors import BrokerUnavailable, QueueError, UnknownProgram
from infernet.queue.jobs import Answer, Purpose, encode, open_queue
from infernet.queue.programs import get_program, put_program
from infernet.queue.remote import Patience, QueueAdapter, RemoteEngine

_WORKER = """
import sys, threading
from infernet.backend.adapters import Reference
from infernet.queue.bench import Bench
from infernet.queue.broker import connect
from infernet.queue.jobs import Purpose
from infernet.queue.worker import work
url, slow, answer = sys.argv[1], float(sys.argv[2]), sys.argv[3]
class Slow(Bench):
    def run(self, root, data, iterations):
        import time; time.sleep(slow)
        if answer:
            return {"output": answer, "halted": False}
        return super().run(root, data, iterations)
work(lambda: connect(url), list(Purpose), lambda c: Slow(c, Reference()))
"""


_PATIENT = Patience()
# A job's program and input, without its iterations.
_FIRST = (load_vectors()[0].program.root.hex(), encode(load_vectors()[0].data.tobytes()))
_OUT_OF_FORM = (
    *(None, 1, {}, ["output"], {"output": "*"}, {"output": 5}),
    *({"output": "AA=="}, {"output": "AA==", "halted": 0}),
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path) as broker:
        yield broker


@contextmanager
def worker(
    broker: EmbeddedBroker, slow_seconds: float = 0, answer: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    arguments = (broker.url, str(slow_seconds), answer)
    process = subprocess.Popen([sys.executable, "-c", _WORKER, *arguments])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def engine_on(broker: EmbeddedBroker, patience: Patience = _PATIENT) -> RemoteEngine:
    adapter = QueueAdapter(connect(broker.url), Purpose.EXECUTE, Reference(), patience)
    opened = adapter.open(load_vectors()[0].program, 1)
    assert isinstance(opened, RemoteEngine)
    return opened


def computed_locally(engine: RemoteEngine) -> bool:
    return engine._local is not None


def test_a_program_travels_and_is_checked_by_its_root(broker: EmbeddedBroker) -> None:
    client, vector = connect(broker.url), load_vectors()[0]
    with pytest.raises(UnknownProgram, match="no program"):
        get_program(client, vector.program.root)
    put_program(client, vector.program)
    found = get_program(client, vector.program.root)
    assert ReferenceEngine(found).run(vector.data).output.tobytes() == vector.output


@pytest.mark.parametrize("part", ["header", "operators", "constants"])
def test_a_program_changed_in_redis_is_refused(broker: EmbeddedBroker, part: str) -> None:
    client = connect(broker.url)
    program = next(v.program for v in load_vectors() if v.program.header.constants_bytes)
    put_program(client, program)
    key = f"infernet:program:{program.root.hex()}"
    content = bytearray(client.hget(key, part) or b"")
    content[-1] ^= 1
    client.hset(key, part, bytes(content))
    with pytest.raises(UnknownProgram, match=r"is none|is 0x"):
        get_program(client, program.root)


def test_workers_give_the_reference_s_bits_for_every_vector(broker: EmbeddedBroker) -> None:
    adapter = QueueAdapter(connect(broker.url), Purpose.EXECUTE, Reference())
    vectors = load_vectors()
    halted = [vector for vector in vectors if vector.halted][:5]
    longer = [vector for vector in vectors if vector.iterations > 1][:5]
    with worker(broker):
        for vector in (*vectors[:30], *halted, *longer):
            opened = adapter.open(vector.program, 1)
            assert isinstance(opened, RemoteEngine)
            found = opened.run(vector.data, vector.iterations)
            assert (found.output.tobytes(), found.halted) == (vector.output, vector.halted)
            assert not computed_locally(opened)
    assert halted and longer


def test_without_a_worker_the_answer_is_computed_here_after_a_while(
    broker: EmbeddedBroker, capfd: pytest.CaptureFixture[str]
) -> None:
    vector, engine = load_vectors()[0], engine_on(broker, Patience(0.2, 0.5))
    assert engine.run(vector.data).output.tobytes() == vector.output
    assert computed_locally(engine)
    assert "computed_locally" in capfd.readouterr().out
    # Nothing is left behind for workers that come later.
    assert open_queue(connect(broker.url), Purpose.EXECUTE).count == 0


def test_a_worker_killed_at_its_job_is_replaced_by_another(broker: EmbeddedBroker) -> None:
    vector, engine = load_vectors()[0], engine_on(broker, Patience(1.0, 30.0))
    answers: list[bytes] = []
    put_program(connect(broker.url), vector.program)
    with worker(broker, slow_seconds=60) as slow:
        asking = threading.Thread(
            target=lambda: answers.append(engine.run(vector.data).output.tobytes())
        )
        asking.start()
        queue = open_queue(connect(broker.url), Purpose.EXECUTE)
        while not queue.started_job_registry.count:
            time.sleep(0.05)
        os.kill(slow.pid, signal.SIGKILL)
    with worker(broker):
        asking.join(30)
    assert answers == [vector.output]
    assert not computed_locally(engine)


def test_a_server_killed_and_wiped_in_between_loses_no_question(tmp_path: Path) -> None:
    vector, answers = load_vectors()[0], list[bytes]()
    with EmbeddedBroker(tmp_path) as broker:
        engine = engine_on(broker, Patience(1.0, 40.0))
        with worker(broker, slow_seconds=1.5):
            asking = threading.Thread(
                target=lambda: answers.append(engine.run(vector.data).output.tobytes())
            )
            asking.start()
            time.sleep(0.7)
            os.kill(broker.pid, signal.SIGKILL)
            time.sleep(0.5)
            broker.start()
            asking.join(40)
    assert answers == [vector.output]
    assert not computed_locally(engine)


def test_a_wiped_server_is_filled_again(broker: EmbeddedBroker) -> None:
    vector, engine = load_vectors()[0], engine_on(broker)
    with worker(broker):
        assert engine.run(vector.data).output.tobytes() == vector.output
        connect(broker.url).flushall()
        assert engine.run(vector.data).output.tobytes() == vector.output
    assert not computed_locally(engine)


@pytest.mark.parametrize("function", ["os.system", "builtins.exec", "infernet.cli.main"])
def test_workers_call_nothing_that_a_job_names(
    broker: EmbeddedBroker, tmp_path: Path, function: str
) -> None:
    client, mark = connect(broker.url), tmp_path / "called"
    queue = Queue("infernet-execute", connection=client, serializer=JSONSerializer)
    with worker(broker):
        hostile = queue.enqueue_call(function, args=[f"touch {mark}"], on_failure=None)
        result = None
        while result is None:
            result = hostile.latest_result(timeout=1)
        assert result.type is result.Type.FAILED
        assert "jobs of this queue name 'run'" in (result.exc_string or "")
        # The worker goes on.
        engine = engine_on(broker)
        assert engine.run(load_vectors()[0].data).output.tobytes() == load_vectors()[0].output
        assert not computed_locally(engine)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["00", "AA==", 1], "is no program root"),
        (["zz", "AA==", 1], "is no program root"),
        ([load_vectors()[0].program.root.hex(), "*", 1], "not in base64"),
        ([load_vectors()[0].program.root.hex(), "AA==", 1], "input"),
        ([*_FIRST, 0], "takes 1 to 1"),
        ([*_FIRST, 2], "takes 1 to 1"),
        ([*_FIRST, "many"], "takes 1 to 1"),
    ],
)
def test_a_job_that_makes_no_sense_gets_a_reason(
    broker: EmbeddedBroker, arguments: list[Any], said: str
) -> None:
    client = connect(broker.url)
    put_program(client, load_vectors()[0].program)
    answer = Answer.decode(Bench(client, Reference()).run(*arguments))
    assert answer.output is None
    assert said in answer.failure


@pytest.mark.parametrize("content", _OUT_OF_FORM)
def test_an_answer_out_of_form_is_a_failure(content: object) -> None:
    found = Answer.decode(content)
    assert found.output is None
    assert found.failure


def test_an_answer_of_wrong_size_is_refused_and_computed_here(
    broker: EmbeddedBroker, capfd: pytest.CaptureFixture[str]
) -> None:
    vector, engine = load_vectors()[0], engine_on(broker)
    with worker(broker, answer="AA=="):
        assert engine.run(vector.data).output.tobytes() == vector.output
    assert computed_locally(engine)
    assert "a worker's output" in capfd.readouterr().out


def test_a_redis_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnavailable, match="does not answer") as caught:
        connect("redis://user:hunter2@127.0.0.1:1/0")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(QueueError, match="not running"):
        _ = EmbeddedBroker(tmp_path).pid


def test_the_private_server_opens_to_its_owner_alone(broker: EmbeddedBroker) -> None:
    socket = Path(broker.url.removeprefix("unix://"))
    assert socket.parent.stat().st_mode & 0o077 == 0
    assert connect(broker.url).config_get("port") == {"port": "0"}


def test_a_server_left_by_a_killed_process_is_replaced(tmp_path: Path) -> None:
    first = EmbeddedBroker(tmp_path)
    first.start()
    left = connect(first.url)
    left.set("old", "1")
    with EmbeddedBroker(tmp_path) as second:
        assert connect(second.url).get("old") is None
        assert not first.is_running()
        with pytest.raises(redis.ConnectionError):
            redis.Redis(unix_socket_path=str(tmp_path / "none")).ping()


def test_a_worker_told_to_end_ends_well(broker: EmbeddedBroker) -> None:
    engine = engine_on(broker)
    with worker(broker) as process:
        engine.run(load_vectors()[0].data)
        process.terminate()
        assert process.wait(10) == 0


def test_a_worker_without_a_server_still_ends_well(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker, worker(broker) as process:
        engine_on(broker).run(load_vectors()[0].data)
        broker.stop()
        time.sleep(1)
        process.terminate()
        assert process.wait(15) == 0
