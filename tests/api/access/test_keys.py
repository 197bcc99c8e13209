"""Keys: made once, kept as hashes, told apart in constant time, ended at once."""

from __future__ import annotations

import hmac
import sqlite3
from pathlib import Path

import pytest

from api.access import keys as module
from api.access.errors import Unauthenticated, UnknownKey
from api.access.keys import FILE_NAME, Keys, Scope, changing
from infernet.chain.records import Wei
from infernet.store.database import open_database

from .gate import Clock


def test_a_key_is_known_by_its_text(keys: Keys) -> None:
    budget = Wei(2**200)
    key, text = keys.create(
        "shop", [Scope.TASKS_READ, Scope.TASKS_WRITE], budget_wei=budget, rate=2.5
    )
    assert keys.check(text) == key == keys.get(key.id)
    assert key.budget_wei == budget
    assert key.scopes == {Scope.TASKS_READ, Scope.TASKS_WRITE}
    assert text.startswith(f"inf_{key.id}_")
    assert keys.list() == [key]


def test_texts_differ_and_are_not_in_the_file(tmp_path: Path) -> None:
    with changing(tmp_path) as keys:
        texts = {keys.create("same", [Scope.ADMIN])[1] for _ in range(50)}
    assert len(texts) == 50
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    secrets = [text.rsplit("_", 1)[1] for text in texts]
    assert not any(secret.encode() in stored for secret in secrets)
    assert not any(bytes.fromhex(secret) in stored for secret in secrets)
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_what_is_no_key_is_refused(keys: Keys) -> None:
    key, text = keys.create("shop", [Scope.ADMIN])
    secret = text.rsplit("_", 1)[1]
    arabic = secret.translate({ord(str(n)): chr(0x660 + n) for n in range(10)})
    for wrong in (
        "",
        "inf_",
        text + "\n",
        text + "0",
        text[:-1],
        text.upper(),
        f" {text}",
        f"inf_{key.id}_{arabic}",
        f"inf_{'0' * 12}_{secret}",
        f"inf_{key.id}_{'0' * 64}",
        f"inf_{key.id}' OR 1=1 --_{secret}",
        "x" * 1_000_000,
    ):
        with pytest.raises(Unauthenticated, match="not one of this gateway"):
            keys.check(wrong)


def test_unknown_ids_and_wrong_secrets_cost_the_same(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _ = keys.create("shop", [Scope.ADMIN])
    compared = list[tuple[int, int]]()

    def watched(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return hmac.compare_digest(left, right)

    monkeypatch.setattr(module, "compare_digest", watched)
    said = set()
    for wrong in (f"inf_{key.id}_{'0' * 64}", f"inf_{'0' * 12}_{'0' * 64}", "nonsense"):
        with pytest.raises(Unauthenticated) as caught:
            keys.check(wrong)
        said.add(str(caught.value))
    assert compared == [(32, 32)] * 3
    assert len(said) == 1


def test_a_key_of_nobody_matches_nothing(keys: Keys) -> None:
    """The hash that unknown ids are compared with lets nobody in, even if it were hit."""
    with pytest.raises(Unauthenticated):
        keys.check(f"inf_{'0' * 12}_{'0' * 64}")


def test_revoked_and_expired_keys_say_so_to_their_holders_alone(
    tmp_path: Path, clock: Clock
) -> None:
    keys = Keys(open_database(None), clock)
    key, text = keys.create("short", [Scope.ADMIN], seconds=60)
    clock.now += 59
    assert keys.check(text).id == key.id
    clock.now += 1
    with pytest.raises(Unauthenticated, match=f"{key.id} expired"):
        keys.check(text)
    gone, gone_text = keys.create("gone", [Scope.ADMIN])
    keys.revoke(gone.id)
    with pytest.raises(Unauthenticated, match=f"{gone.id} was revoked"):
        keys.check(gone_text)
    with pytest.raises(Unauthenticated, match="not one of"):
        keys.check(f"inf_{gone.id}_{'0' * 64}")


def test_revoking_twice_keeps_the_first_time(clock: Clock) -> None:
    keys = Keys(open_database(None), clock)
    key, _ = keys.create("gone", [Scope.ADMIN])
    first = keys.revoke(key.id)
    clock.now += 100
    assert keys.revoke(key.id) == first
    with pytest.raises(UnknownKey, match="api key list"):
        keys.revoke("no such")


def test_a_reader_sees_at_once_what_another_process_changes(tmp_path: Path) -> None:
    reader = Keys.reading(tmp_path)
    with changing(tmp_path) as keys:
        key, text = keys.create("shop", [Scope.ADMIN])
        assert reader.check(text) == key
        keys.revoke(key.id)
    with pytest.raises(Unauthenticated, match="revoked"):
        reader.check(text)
    with pytest.raises(Unauthenticated, match="revoked"):
        reader.still(key.id)
    with pytest.raises(Unauthenticated, match="no more"):
        reader.still("0" * 12)
    reader.close()
    # Nothing is left open that would keep the next command out.
    with sqlite3.connect(tmp_path / FILE_NAME) as file:
        assert file.execute("SELECT COUNT(*) FROM api_keys").fetchone() == (1,)
    file.close()
