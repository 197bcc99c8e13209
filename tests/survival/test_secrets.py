"""A full run by commands, errors included, leaves no secret in any log, file, argument or variable."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from eth_account import Account

from infernet.chain.deployment import Contracts, Deployment
from tests.anvil import Anvil, running
from tests.e2e.test_service import Town, wait_until

PASSPHRASE = "correct horse"
ACCESS_KEY = "a7f3c0ffee91d2b84e6655aa"
# These hold secrets on purpose, closed to everybody but their owner.
KEEPERS = {"keystore.json", "passphrase", "miner.toml"}


def forms_of(name: str, key: bytes) -> dict[str, bytes]:
    """Return the shapes in which a key could leak."""
    return {
        f"{name} in hexadecimal": key.hex().encode(),
        f"{name} in capitals": key.hex().upper().encode(),
        f"{name} in base64": base64.b64encode(key).rstrip(b"="),
        f"{name} in URL base64": base64.urlsafe_b64encode(key).rstrip(b"="),
        f"{name} as a number": str(int.from_bytes(key, "big")).encode(),
        f"{name} raw": key,
    }


def leaks(needles: Mapping[str, bytes], haystacks: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return which secret stands where."""
    return [
        f"{name} in {place}"
        for place, content in haystacks
        for name, needle in needles.items()
        if needle in content
    ]


def files_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file that has no business to hold a secret."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in KEEPERS:
            yield str(path.relative_to(folder)), path.read_bytes()


def process_in(pid: int) -> Iterator[tuple[str, bytes]]:
    """Yield what other processes can learn of one: arguments and variables."""
    for name in ("cmdline", "environ"):
        yield f"{name} of a process", Path(f"/proc/{pid}/{name}").read_bytes()


def test_no_secret_leaves_its_file(tmp_path: Path, anvil: Anvil) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    here = Town(anvil, folder)
    (folder / "contracts.json").write_text(here.run("chain", "deploy", "--trial"))
    del here.around["INFERNET_RPC_URL"]
    url = json.dumps([f"{anvil.url}/?apikey={ACCESS_KEY}"])
    for port, account in enumerate(("miner", "fisherman", "requester"), start=19_190):
        here.init(account, models='["digits"]', rpc=url, port=str(port))
    needles = {"passphrase": PASSPHRASE.encode(), "access key": ACCESS_KEY.encode()}
    for account in ("miner", "fisherman", "requester"):
        keystore = (folder / account / "keystore.json").read_text()
        needles |= forms_of(f"key of {account}", bytes(Account.decrypt(keystore, PASSPHRASE)))
    seen: list[tuple[str, bytes]] = []

    def say(account: str, *arguments: str) -> None:
        seen.append((f"output of {' '.join(arguments)}", _outcome(here, account, arguments)))

    market = Contracts(anvil.connect(), Deployment.from_file(folder / "contracts.json")).market
    loud = ("--log-level", "debug", "--log-format", "json")
    with (
        here.running("miner", "miner", "run", "--yes", *loud) as miner,
        here.running("fisherman", "fisherman", "run", *loud) as fisherman,
    ):
        say("requester", "task", "submit", "digits", "--json")
        wait_until("it is asserted", lambda: bool(market.events("Asserted")))
        seen += [*process_in(miner.pid), *process_in(fisherman.pid)]
        anvil.process.send_signal(19)  # type: ignore[union-attr]
        time.sleep(0.5)
        anvil.process.send_signal(18)  # type: ignore[union-attr]
        say("miner", "status")
        say("miner", "doctor")
        say("miner", "config", "show")
        say("miner", "config", "show", "--json")
        anvil.skip(market.constants().window_seconds + 1)
        wait_until("it is final", lambda: bool(market.events("Finalised")))
    say("miner", "miner", "withdraw")
    provoke(here, folder, say)
    _require_search_works(needles, tmp_path)
    found = leaks(needles, (*files_in(folder), *seen))
    assert not found, found
