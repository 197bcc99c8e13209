"""A node of one's own behaves as any node does, and finds its chain again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests

from infernet.chain.connection import connect
from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.deployment import Contracts
from infernet.chain.errors import Reverted
from infernet.chain.local.node import LocalNode
from infernet.chain.local.server import serving
from infernet.chain.market import Request
from infernet.chain.records import ProgramRoot, Seconds, TaskStatus, Wei
from infernet.chain.wallet import KeySigner, Wallet, faucet
from infernet.models.store import load_model


def test_contracts_and_a_task_live_on_it_and_outlive_it(tmp_path: Path) -> None:
    path = tmp_path / "chain.sqlite"
    node, signer = LocalNode(path), KeySigner.create()
    with serving(node) as url:
        chain = connect(url)
        Wallet(chain, faucet(chain)).transfer(signer.address, Wei(10**19))
        wallet = Wallet(chain, signer)
        contracts = deploy(wallet, TRIAL)
        program = load_model("digits").program
        contracts.registry.register(wallet, program)
        until = Seconds(chain.next_timestamp() + 600)
        request = Request(ProgramRoot(program.root), Wei(5), until, 1)
        data = bytes(program.header.input_type.byte_count)
        task_id, _ = contracts.market.request_with_input(wallet, request, data, Wei(5))
        with pytest.raises(Reverted, match="TaskExists"):
            contracts.market.request_with_input(wallet, request, data, Wei(5))
        head = chain.head()
    node.close()
    again = LocalNode(path)
    with serving(again) as url:
        chain = connect(url)
        assert chain.head() == head
        market = Contracts(chain, contracts.deployment).market
        assert market.task(task_id).status is TaskStatus.OPEN
        assert market.carried_input(task_id) == data
        assert chain.balance(signer.address) > 0
    again.close()


def test_the_next_block_carries_the_wall_clock_s_time_without_any_block() -> None:
    with serving(LocalNode()) as url:
        chain = connect(url)
        assert abs(chain.next_timestamp() - time.time()) <= 2
        time.sleep(2.1)
        assert chain.block_number() == 0
        assert abs(chain.next_timestamp() - time.time()) <= 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no method"),
        (b"[]", None),
        (b'{"method": 5}', "no method"),
        (b'{"method": "eth_nonsense", "params": []}', "eth_nonsense"),
        (b'{"method": "eth_getBalance", "params": ["0x12", "latest"]}', "12"),
        (b'{"method": "eth_getBalance", "params": []}', ""),
        (b'{"method": "eth_getBlockByNumber", "params": [{}, 7]}', ""),
        (b'{"method": "eth_estimateGas", "params": [{"value": "x"}]}', ""),
        (b'{"method": "eth_sendRawTransaction", "params": ["0x00"]}', ""),
    ],
)
def test_a_question_that_makes_no_sense_is_answered_with_an_error(
    body: bytes, said: str | None
) -> None:
    with serving(LocalNode()) as url:
        answer = requests.post(url, data=body, timeout=20)
        assert answer.status_code == 200
        if said is None:
            assert answer.json() == []
        else:
            assert said in answer.json()["error"]["message"]
        assert connect(url).block_number() == 0


def test_a_request_of_any_size_is_not_read() -> None:
    with serving(LocalNode()) as url:
        answer = requests.post(url, data=b" " * (5 << 20), timeout=20)
        assert answer.status_code == 413
