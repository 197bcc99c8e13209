"""Keys come from encrypted files; passphrases from places that other processes cannot read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from infernet.keys import CREDENTIAL, KeyStoreError, address_of, read_passphrase
from infernet.keystore import create_keystore, open_keystore

KEY = bytes(range(1, 33))
ADDRESS = Account.from_key(KEY).address


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(Account.encrypt(KEY, "right", kdf="pbkdf2", iterations=2)))
    return path


def secret(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_s_first_line_opens_the_keystore(keystore: Path, tmp_path: Path) -> None:
    file = secret(tmp_path / "pass", "right\nrest\n")
    assert open_keystore(keystore, file, None).address == ADDRESS
    assert address_of(keystore).lower() == ADDRESS.lower()


def test_the_service_manager_s_credential_opens_it(
    keystore: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret(tmp_path / CREDENTIAL, "right")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert open_keystore(keystore, None, None).address == ADDRESS


def test_the_credential_store_opens_it(keystore: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    asked = []

    def get(service: str, name: str) -> str:
        asked.append((service, name))
        return "right"

    monkeypatch.setattr(keyring, "get_password", get)
    assert open_keystore(keystore, None, None).address == ADDRESS
    assert asked == [("infernet", ADDRESS.lower())]


def test_a_person_is_asked_last(keystore: Path) -> None:
    assert open_keystore(keystore, None, lambda question: "right").address == ADDRESS
    with pytest.raises(KeyStoreError, match="--passphrase-file"):
        open_keystore(keystore, None, None)


def test_a_wrong_passphrase_is_not_shown(keystore: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="passphrase is wrong") as caught:
        open_keystore(keystore, secret(tmp_path / "pass", "wrong-secret"), None)
    assert "wrong-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"crypto": 1}', "\0", KEY.hex()])
def test_what_is_no_keystore_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)
    with pytest.raises(KeyStoreError, match="not an encrypted keystore") as caught:
        open_keystore(tmp_path / "key", secret(tmp_path / "pass", "x"), None)
    assert KEY.hex() not in str(caught.value)


def test_a_broken_keystore_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text('{"crypto": {}, "version": 3}')
    with pytest.raises(KeyStoreError, match="does not open"):
        open_keystore(tmp_path / "key", secret(tmp_path / "pass", "x"), None)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_passphrase_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = secret(tmp_path / "pass", "right", mode)
    with pytest.raises(KeyStoreError, match="chmod 600"):
        read_passphrase(file)


def test_absent_and_empty_passphrase_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeyStoreError, match="cannot be read"):
        read_passphrase(tmp_path / "absent")
    with pytest.raises(KeyStoreError, match="is empty"):
        read_passphrase(secret(tmp_path / "empty", ""))


def test_a_new_keystore_is_its_owner_s_alone_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.json"
    address = create_keystore(path, "right")
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_keystore(path, None, lambda question: "right").address == address
    before = path.read_bytes()
    with pytest.raises(KeyStoreError, match="never overwritten"):
        create_keystore(path, "other")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("kdf", "changed"), [("pbkdf2", "c"), ("pbkdf2", "dklen"), ("scrypt", "n"), ("scrypt", "p")]
)
def test_a_keystore_that_would_take_years_to_open_is_refused(
    tmp_path: Path, kdf: str, changed: str
) -> None:
    path, passphrase = tmp_path / "keystore.json", tmp_path / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_text("secret")
    made = Account.encrypt("0x" + "11" * 32, "secret", kdf, 2)
    path.write_text(json.dumps(made))
    assert open_keystore(path, passphrase, None).address
    made["crypto"]["kdfparams"][changed] = 1 << 40
    path.write_text(json.dumps(made))
    with pytest.raises(KeyStoreError, match="restore a copy"):
        open_keystore(path, passphrase, None)
