"""A miner that starts again with less stake, or with nothing to be claimed, does what is due."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infernet.backend.hashing import hash_bytes
from infernet.chain.deploy import TRIAL, deploy
from infernet.chain.deployment import Contracts, Deployment
from infernet.chain.market import Request
from infernet.chain.records import ProgramRoot, Seconds, TaskId, TaskStatus, Wei
from infernet.chain.wallet import KeySigner, Wallet
from infernet.cli import run
from infernet.keystore import open_keystore
from infernet.models.store import load_model
from tests.anvil import ETHER, Anvil, free_port, needs_anvil, running

_SECONDS = 60


class Office:
    """An operator's folder on a node of its own, and a requester."""

    def __init__(self, folder: Path, anvil: Anvil) -> None:
        self.folder, self.anvil = folder, anvil
        passphrase = folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text("correct horse\n")
        assert run(["miner", "init", str(folder), "--passphrase-file", "passphrase"]) == 0
        text = deploy(anvil.wallet(), TRIAL).deployment.to_json()
        (folder / "contracts.json").write_text(text)
        self.change("http://127.0.0.1:8545", anvil.url)
        self.change("port = 9090", f"port = {free_port()}")
        signer = KeySigner(open_keystore(folder / "keystore.json", passphrase, None))
        self.wallet = Wallet(anvil.connect(), signer)
        anvil.fund(signer.address)
        self.requester = anvil.wallet()
        self.contracts = Contracts(self.requester.chain, Deployment.from_json(text))
        self.program = load_model("digits", hash_bytes).program

    def change(self, old: str, new: str) -> None:
        path = self.folder / "miner.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def request(self, nonce: int) -> TaskId:
        """Ask for a run of the model on an empty picture."""
        deadline = Seconds(self.anvil.now() + 10**6)
        fee, data = Wei(ETHER // 100), bytes(self.program.header.input_type.byte_count)
        request = Request(ProgramRoot(self.program.root), fee, deadline, nonce)
        return self.contracts.market.request_with_input(self.requester, request, data, fee)[0]

    def status(self, task: TaskId) -> TaskStatus:
        return self.contracts.market.task(task).status

    @contextmanager
    def miner(self) -> Iterator[Callable[[Callable[[str], bool]], str]]:
        """Run the miner; yield what waits until its log pleases, and returns it."""
        log = self.folder / "log"
        with log.open("wb") as file:
            command = [sys.executable, "-m", "infernet", "miner", "run"]
            process = subprocess.Popen(command, stdout=file, stderr=file)

        def wait(pleases: Callable[[str], bool]) -> str:
            end = time.monotonic() + _SECONDS
            while not pleases(said := " ".join(log.read_text().split())):
                assert process.poll() is None and time.monotonic() < end, said
                time.sleep(0.2)
            return said

        try:
            yield wait
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setenv("INFERNET_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    with running() as anvil:
        yield Office(tmp_path, anvil)


@needs_anvil
def test_after_a_slash_the_next_start_goes_on_and_asks_for_no_money(office: Office) -> None:
    assert run(["miner", "register", "--yes"]) == 0
    market, vault = office.contracts.market, office.contracts.vault
    late = office.request(1)
    market.claim(office.wallet, late, Wei(2 * ETHER))
    office.anvil.skip(office.contracts.market_constants.assert_seconds + 1)
    market.expire_claim(office.requester, late)
    held = vault.balance(office.wallet.address).total
    assert held < 8 * ETHER
    # Too little for what was lost, so that a start that wanted it could not begin.
    office.anvil.rpc("anvil_setBalance", office.wallet.address, hex(ETHER // 20))
    with office.miner() as wait:
        said = wait(lambda log: "result_asserted" in log or office.status(late).name != "OPEN")
        assert "ETH less than stake x max_tasks; `infernet miner register` adds them" in said
        assert "What this start costs" not in said
        wait(lambda _: office.status(late) is TaskStatus.ASSERTED)
    assert vault.balance(office.wallet.address).total == held


@needs_anvil
def test_a_miner_switched_off_claims_nothing_and_finalises_what_is_open(office: Office) -> None:
    assert run(["miner", "register", "--yes"]) == 0
    begun = office.request(1)
    with office.miner() as wait:
        wait(lambda _: office.status(begun) is TaskStatus.ASSERTED)
    left = office.request(2)
    office.anvil.skip(office.contracts.market_constants.window_seconds + 1)
    office.change("enabled = true\nmodels", "enabled = false\nmodels")
    with office.miner() as wait:
        said = wait(lambda _: office.status(begun) is TaskStatus.FINAL)
        assert "infernet.enabled is false: ends what was begun, and claims nothing new" in said
    assert office.status(left) is TaskStatus.OPEN
    assert office.contracts.vault.balance(office.wallet.address).locked == 0
