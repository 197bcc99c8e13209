"""Gateways that lie, flood, trickle or babble cost a miner nothing but their suggestions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from infernet.audit.receipt import ChainPart, TaskPart, root_of, task_id_of
from infernet.chain.market import Request
from infernet.chain.records import Seconds, TaskId, TaskStatus
from tests.anvil import needs_anvil, running
from tests.stage import FEE
from tests.survival.town import Town, new_town

from ..office import input_for, until
from .club import PACE, housed, mining
from .test_miners import are_asserted

pytestmark = needs_anvil

PATIENT = replace(PACE, first_pause=600.0, longest_pause=600.0, answer=1.0, wait=1.0)
CHALLENGE = {"nonce": "0x" + "11" * 32, "expires_at": 2**33}
JOINED = {"token": "inp_x", "head_start_seconds": 3_600.0, "absent_seconds": 1.0}

Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with running() as anvil:
        yield new_town(anvil)


def as_json(content: object) -> Answer:
    """Return what answers with a value."""
    return as_bytes(json.dumps(content).encode())


def as_bytes(data: bytes, status: int = 200) -> Answer:
    """Return what answers with bytes."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def flood(handler: BaseHTTPRequestHandler) -> None:
    """Answer without an end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65_536)


def trickle(handler: BaseHTTPRequestHandler) -> None:
    """Answer so slowly that no piece is late, and all of it is."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    """Send the miner, and its token, elsewhere."""
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:1/elsewhere")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


@contextmanager
def lying(
    work: Answer, given: Answer | None = None, *, joined: Answer | None = None
) -> Iterator[str]:
    """Serve what looks like a gateway and give its URL. `given`: answers for an input."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            is_first = self.path.endswith("/challenges")
            (as_json(CHALLENGE) if is_first else joined or as_json(JOINED))(self)

        def do_GET(self) -> None:
            answer = work if self.path.startswith("/v1/pool/work") else given
            with suppress(ConnectionError):
                (answer or as_bytes(b"", 404))(self)

        def do_DELETE(self) -> None:
            as_bytes(b"", 204)(self)

        def log_message(self, *said: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def named(town: Town, task_id: TaskId, **changes: object) -> Answer:
    """Return an answer that names a task of the chain, with some of it changed."""
    (event,) = town.contracts.market.events("Requested", taskId=task_id)
    task: dict[str, Any] = {
        "id": f"0x{task_id.hex()}",
        "program_root": f"0x{bytes(event['programRoot']).hex()}",
        "input_root": f"0x{bytes(event['inputRoot']).hex()}",
        "requester": event["requester"],
        "nonce": str(event["nonce"]),
        "iterations": event["iterations"],
        "fee_wei": str(event["fee"]),
        "deadline": event["deadline"],
        "yours_for_seconds": 3_600.0,
    }
    return as_json({"tasks": [{**task, **changes}], "cursor": "0" * 16})


def hidden_task(town: Town, number: int) -> TaskId:
    """Request a run on an input that only its root names."""
    deadline = Seconds(town.chain.next_timestamp() + 10**6)
    wanted = Request(town.root, FEE, deadline, 10_000 + number)
    root = root_of(input_for(town.program, number))
    return town.contracts.market.request(town.wallet(), wanted, root, FEE)[0]


def test_liars_are_left_one_after_the_other_and_the_honest_one_is_served(
    town: Town, tmp_path: Path
) -> None:
    task, hidden = town.request(town.wallet()), hidden_task(town, 7)
    size = town.program.header.input_type.byte_count
    other = "0x" + "ab" * 32
    liars: list[tuple[Answer, Answer | None]] = [
        (named(town, task, fee_wei=str(10**21)), None),
        (named(town, task, deadline=2**39), None),
        (named(town, task, input_root=other), None),
        (named(town, task, program_root=other), None),
        (named(town, task, id=other), None),
        (named(town, hidden), as_bytes(bytes(size))),
        (named(town, hidden), as_bytes(bytes(size - 1))),
    ]
    babblers: list[Answer] = [
        flood,
        trickle,
        redirect,
        as_bytes(b"<html>"),
        as_bytes(b"[" * 500_000),
        as_bytes(b"\xff\xfe"),
        as_json({"tasks": [{}], "cursor": "0"}),
        as_json({"tasks": [], "cursor": "\r\nEvil: 1"}),
        as_bytes(b'{"type": "\\u001b[31m"}', 503),
        named(town, task, requester="0x12"),
        named(town, task, nonce="9" * 60),
        named(town, hidden),
    ]
    with ExitStack() as stack:
        urls = [stack.enter_context(lying(work, given)) for work, given in liars]
        urls += [stack.enter_context(lying(work)) for work in babblers[:-1]]
        urls.append(stack.enter_context(lying(babblers[-1], flood)))
        urls.append(stack.enter_context(lying(flood, joined=as_bytes(b"[]"))))
        honest = stack.enter_context(housed(town, tmp_path / "honest"))
        miner = stack.enter_context(mining(town, [*urls, honest.url], pace=PATIENT))
        until(lambda: honest.members() == [miner.address], "reaching the honest one", 60)
        assert miner.pool is not None
        print("liars left:", miner.pool.counts)
        assert miner.pool.counts == {
            "joined": len(urls),
            "failed": len(babblers) + 1,
            "lied": len(liars),
        }
        last = honest.submit(1)
        until(lambda: are_asserted(town, [task, last]), "results")
        assert miner.errors == []
        assert sorted(miner.claimed()) == sorted([task, last])
        assert town.contracts.market.task(hidden).status is TaskStatus.OPEN


def test_a_task_that_the_chain_never_shows_is_a_lie_after_a_while(town: Town) -> None:
    task = town.request(town.wallet())
    (event,) = town.contracts.market.events("Requested", taskId=task)
    d = town.contracts.deployment
    chain = ChainPart(d.chain_id, d.registry, d.vault, d.market, d.game, d.verifier)
    never = TaskPart(
        b"",
        event["requester"],
        2**40,
        town.root,
        bytes(event["inputRoot"]),
        1,
        int(event["fee"]),
        event["deadline"],
    )
    false_id = f"0x{task_id_of(chain, never).hex()}"
    with (
        lying(named(town, task, id=false_id, nonce=str(2**40))) as url,
        mining(town, [url], pace=PATIENT) as miner,
    ):
        until(lambda: miner.pool is not None and miner.pool.counts["lied"] == 1, "finding out")
        until(lambda: are_asserted(town, [task]), "a result")
        assert miner.errors == []


def test_a_gateway_that_reserves_everything_for_others_delays_only_so_long(town: Town) -> None:
    with (
        lying(as_json({"tasks": [], "cursor": "0" * 16})) as url,
        mining(town, [url], pace=replace(PATIENT, patience=2.0)) as miner,
    ):
        pool = miner.pool
        assert pool is not None
        until(lambda: pool.advice.patience_seconds > 0, "advice")
        # It says an hour.
        assert pool.advice.patience_seconds == 2.0
        task = town.request(town.wallet())
        until(lambda: are_asserted(town, [task]), "a result", 30)
