"""A full run by commands, errors included, shows no secret in any log, file or process."""

from __future__ import annotations

import base64
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from eth_account import Account

from infernet.chain.deployment import Contracts, Deployment
from tests.anvil import Anvil, free_port
from tests.e2e.test_service import Town, wait_until

PASSPHRASE = "correct horse"
RPC_PASSWORD = "b5d0-rpc-password-91c4"
RPC_ACCESS = "a7f3c0ffee91d2b84e6655aa"
HOOK_SECRET = "T0F1-hook-secret-77e2"
ACCOUNTS = ("miner", "fisherman", "requester")
# These hold secrets on purpose; everything else must not.
KEEPERS = {"keystore.json", "passphrase", "miner.toml"}
# Ends a command by an error that nobody foresaw, in a frame that holds the key.
CRASH = """
import infernet.cli.miner as commands
from infernet.cli import main

def withdraw(contracts, wallet, amount):
    key = bytes(wallet.signer._account.key)
    raise ZeroDivisionError(f"unforeseen, with {len(key)} bytes at hand")

commands.withdraw = withdraw
main()
"""

Places = list[tuple[str, bytes]]


def forms_of(name: str, secret: bytes) -> dict[str, bytes]:
    """Return the shapes in which a secret could leak; hexadecimal matches in any case."""
    return {
        f"{name} in hexadecimal": secret.hex().encode(),
        f"{name} in base64": base64.b64encode(secret).rstrip(b"="),
        f"{name} in URL base64": base64.urlsafe_b64encode(secret).rstrip(b"="),
        f"{name} raw": secret,
    }


def forms_of_key(name: str, key: bytes) -> dict[str, bytes]:
    """Return the shapes of a private key: those of any secret, a number, a list of bytes."""
    return {
        **forms_of(name, key),
        f"{name} as a number": str(int.from_bytes(key, "big")).encode(),
        f"{name} as bytes shown": repr(key)[2:-1].encode(),
        f"{name} as a list": ", ".join(map(str, key)).encode(),
    }


def leaks(needles: Mapping[str, bytes], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return which secret stands where."""
    found = []
    for place, content in places:
        for name, needle in needles.items():
            case = re.IGNORECASE if name.endswith("hexadecimal") else re.NOFLAG
            if re.search(re.escape(needle), content, case):
                found.append(f"{name} in {place}")
    return found


def files_in(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file that has no business to hold a secret."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in KEEPERS:
            yield str(path.relative_to(folder)), path.read_bytes()


def family_of(pid: int) -> Iterator[int]:
    """Yield a process and all that it began."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from family_of(int(child))


def once_begun(path: Path) -> bytes:
    """Read what is never empty, except for a moment when its process has just begun."""
    wait_until(f"{path} is filled", lambda: bool(path.read_bytes()))
    return path.read_bytes()


def shown_by(pid: int) -> Iterator[tuple[str, bytes]]:
    """Yield what other processes can learn of one and of its children."""
    for member in family_of(pid):
        for name in ("cmdline", "environ"):
            content = once_begun(Path(f"/proc/{member}/{name}"))
            yield f"{name} of process {member}", content


@dataclass
class Scene:
    """A town behind an URL with credentials. `seen`: all that commands and processes show."""

    town: Town
    seen: Places = field(default_factory=list)

    def run(self, account: str, *arguments: str, **around: str) -> str:
        """Run a command for an account, remember all it shows, and return what it printed."""
        return self.call(account, ["-m", "infernet", *arguments], 0, **around)

    def fail(self, account: str, *arguments: str, **around: str) -> None:
        """Run a command that must fail, and remember all it shows."""
        self.call(account, ["-m", "infernet", *arguments], None, **around)

    def call(self, account: str, arguments: list[str], wanted: int | None, **around: str) -> str:
        """Run Python; `wanted`: the exit code, None: any but 0."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**self.town._around(account), **around},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.seen += shown_by(process.pid)
        out, error = process.communicate(timeout=120)
        code, name = process.returncode, " ".join(arguments)[:80]
        assert code == wanted if wanted is not None else code != 0, f"{name}: {code} {error!r}"
        self.seen += [(f"output of {name}", out), (f"errors of {name}", error)]
        return out.decode()

    def log(self, account: str) -> str:
        """Return what a player has logged so far."""
        return (self.town.folder / account / "log").read_text()


def secret_url(port: int) -> str:
    """Return a node's URL with everything in it that is nobody's business."""
    return f"http://operator:{RPC_PASSWORD}@127.0.0.1:{port}/?apikey={RPC_ACCESS}"


def settle(anvil: Anvil, folder: Path) -> Scene:
    """Deploy, make the accounts, and register the miner."""
    town = Town(anvil, folder)
    (folder / "contracts.json").write_text(town.run("chain", "deploy", "--trial"))
    del town.around["INFERNET_RPC_URL"]
    hook = f"http://127.0.0.1:{free_port()}/{HOOK_SECRET}"
    for account in ACCOUNTS:
        mode = f'"full"\nwebhook = "{hook}"'
        rpc = json.dumps([secret_url(anvil.port)])
        town.init(account, rpc=rpc, port=str(free_port()), mode=mode)
    return Scene(town)


def secrets_of(folder: Path) -> dict[str, bytes]:
    """Return every form of every secret of the scene."""
    needles: dict[str, bytes] = {}
    plain = {
        "passphrase": PASSPHRASE,
        "endpoint's password": RPC_PASSWORD,
        "endpoint's access key": RPC_ACCESS,
        "webhook's secret": HOOK_SECRET,
    }
    for name, secret in plain.items():
        needles |= forms_of(name, secret.encode())
    for account in ACCOUNTS:
        keystore = (folder / account / "keystore.json").read_text()
        needles |= forms_of_key(f"key of {account}", bytes(Account.decrypt(keystore, PASSPHRASE)))
    return needles


def lie_about_a_task(anvil: Anvil, contracts: Contracts) -> None:
    """Assert a false result of the only task, from an account outside the scene."""
    market, liar = contracts.market, anvil.wallet()
    (found,) = market.requests()
    info = contracts.registry.info(found.program_root)
    market.claim(liar, found.task_id, info.minimum_stake, info.minimum_stake)
    market.assert_result(liar, found.task_id, 1, bytes(info.output_bytes))


def play(scene: Scene, anvil: Anvil) -> None:
    """Catch a lie, serve a task, look at everything, withdraw, and lose the node at last."""
    folder = scene.town.folder
    contracts = Contracts(anvil.connect(), Deployment.from_file(folder / "contracts.json"))
    market, games = contracts.market, contracts.games
    loud = ("--log-level", "debug", "--log-format", "json")
    scene.run("miner", "miner", "register", "--yes")
    scene.run("requester", "task", "submit", "digits", "--count", "1", "--json")
    lie_about_a_task(anvil, contracts)
    with scene.town.running("fisherman", "fisherman", "run", *loud) as fisherman:
        wait_until("the lie is challenged", lambda: bool(games.events("ChallengeCommitted")))
        with scene.town.running("miner", "miner", "run", "--yes", *loud) as miner:
            scene.run("requester", "task", "submit", "digits", "--count", "1", "--json")
            wait_until("the truth is told", lambda: len(market.events("Asserted")) == 2)
            scene.seen += [*shown_by(miner.pid), *shown_by(fisherman.pid), *files_in(folder)]
            for command in (
                ["status"],
                ["doctor"],
                ["config", "show"],
                ["config", "show", "--json"],
            ):
                scene.run("miner", *command)
            anvil.skip(contracts.market_constants.window_seconds + 1)
            wait_until("it is final", lambda: bool(market.events("Finalised")))
        scene.run("miner", "miner", "withdraw")
        scene.call("miner", ["-c", CRASH, "miner", "withdraw"], 1)
        assert any(b"ZeroDivisionError" in content for _, content in scene.seen)
        wait_until("the webhook fails", lambda: "webhook_failed" in scene.log("fisherman"))
        anvil.kill()
        before = len(scene.log("fisherman"))
        wait_until("the node is missed", lambda: len(scene.log("fisherman")) > before)


def provoke(scene: Scene, anvil: Anvil) -> None:
    """Make every mistake that comes near a secret; the node is down by now."""
    folder = scene.town.folder
    for command in (["status"], ["doctor"], ["miner", "withdraw"], ["fisherman", "run"]):
        scene.fail("miner", *command)
    wrong = folder / "wrong"
    wrong.mkdir()
    (wrong / "passphrase").touch(mode=0o600)
    (wrong / "passphrase").write_text(f"{PASSPHRASE[::-1]}\n")
    anvil.start()
    scene.fail("miner", "miner", "withdraw", INFERNET_PASSPHRASE_FILE=str(wrong / "passphrase"))
    (folder / "miner" / "passphrase").write_text(f"{PASSPHRASE}\n")
    (folder / "miner" / "passphrase").chmod(0o644)
    exposed = str(folder / "miner" / "passphrase")
    scene.fail("miner", "miner", "withdraw", INFERNET_PASSPHRASE_FILE=exposed)
    settings, keystore = (folder / "miner" / name for name in ("miner.toml", "keystore.json"))
    whole = keystore.read_text()
    keystore.write_text(whole[:-40])
    scene.fail("miner", "miner", "withdraw")
    scene.fail("miner", "doctor")
    keystore.write_text(whole)
    text = settings.read_text()
    key = bytes(Account.decrypt(whole, PASSPHRASE)).hex()
    address = secret_url(anvil.port)
    for broken in (
        f'{text}\nprivate_key = "{key}"\n',
        f'{text}\n[wallet]\nkey = "{key}"\n',
        text.replace('passphrase_file = "', f'passphrase = "{PASSPHRASE}"\nold = "'),
        text.replace(address, address.replace("http", "ftp", 1)),
        text.replace(address, address.replace(f":{anvil.port}", ":port")),
        text.replace('webhook = "http', 'webhook = "gopher'),
        text.replace('webhook = "', "webhook = "),
        text.replace("max_tasks = 4", "max_tasks = many"),
    ):
        assert broken != text
        settings.write_text(broken)
        scene.fail("miner", "miner", "run", "--yes")
    settings.write_text(text)


@pytest.mark.slow
def test_no_secret_leaves_its_file(tmp_path: Path, anvil: Anvil) -> None:
    scene = settle(anvil, tmp_path)
    needles = secrets_of(tmp_path)
    play(scene, anvil)
    provoke(scene, anvil)
    places = [*files_in(tmp_path), *scene.seen]
    names = " ".join(name for name, _ in places)
    for wanted in (".sqlite", ".sqlite-wal", "fisherman/log", "miner/log", "cmdline", "environ"):
        assert wanted in names, f"nothing was searched whose name has {wanted}"
    found = leaks(needles, places)
    assert not found, "\n".join(found)
    size = sum(len(content) for _, content in places)
    print(f"\n{len(needles)} forms of secrets in none of {len(places)} places, {size} bytes")


def test_the_search_finds_what_leaked(tmp_path: Path) -> None:
    """Plant every form of a key in a log, a journal, an argument and a variable."""
    key = bytes(Account.create().key)
    needles = forms_of_key("key", key)
    assert not leaks(needles, [("nothing", b"nothing")])
    for name, needle in needles.items():
        assert f"{name} in log" in leaks(needles, [("log", b"{" + needle + b"}")])
    assert leaks(needles, [("log", key.hex().upper().encode())]) == ["key in hexadecimal in log"]
    (tmp_path / "keystore.json").write_bytes(key)
    assert not leaks(needles, files_in(tmp_path))
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE planted (content BLOB)")
        database.execute("INSERT INTO planted VALUES (?)", (key,))
        database.commit()
        assert leaks(needles, files_in(tmp_path)) == ["key raw in journal.sqlite-wal"]
    around = {**os.environ, "PLANTED": key.hex()}
    with subprocess.Popen(["/bin/sleep", "60"], env=around) as bare:
        found = leaks(needles, shown_by(bare.pid))
        bare.kill()
    assert found == [f"key in hexadecimal in environ of process {bare.pid}"]
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)", key.hex()]
    ) as parent:
        found = leaks(needles, shown_by(parent.pid))
        parent.kill()
    assert found == [f"key in hexadecimal in cmdline of process {parent.pid}"]
