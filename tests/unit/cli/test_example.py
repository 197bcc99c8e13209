"""The example of settings, and the file that `miner init` writes, are what the program reads."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from infernet.cli.template import miner_toml
from infernet.config import Origin, load
from infernet.config.load import names
from infernet.config.tables import Config

TEXT = (Path(__file__).parents[3] / "miner.example.toml").read_text(encoding="utf-8")
USERS_TABLE = """[infernet]
enabled = true
models = ["mobilenetv2", "resnet50"]
stake = 100          # locked per task
max_tasks = 4
"""
USERS_KEYS = {f"infernet.{key}" for key in ("enabled", "models", "stake", "max_tasks")}
# A commented setting: its default, or in <> what it may be where there is none.
_COMMENTED = re.compile(r"^# (?P<key>\w+) = (?P<value><.*>|[^#\n]*?) *(?P<comment>#.*)?$", re.M)


def test_the_user_s_own_table_stands_in_it_unchanged() -> None:
    assert USERS_TABLE in TEXT


def test_it_shows_every_setting_once_and_no_other() -> None:
    found = tomllib.loads(_COMMENTED.sub(r"\g<key> = 0", TEXT))
    shown = [f"{table}.{key}" for table, keys in found.items() for key in keys]
    assert shown == [str(name) for name in names()]


def test_it_loads_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "miner.toml"
    path.write_text(TEXT)
    loaded = load(path, environment={})
    from_file = {name for name, origin in loaded.origins.items() if origin is Origin.FILE}
    assert from_file == USERS_KEYS


def test_each_default_that_it_shows_is_the_true_one(tmp_path: Path) -> None:
    """Uncommented defaults change nothing; where it shows none there is none."""
    path = tmp_path / "miner.toml"
    path.write_text(
        _COMMENTED.sub(
            lambda m: "" if m["value"].startswith("<") else f"{m['key']} = {m['value']}", TEXT
        )
    )
    loaded, defaults = load(path, environment={}), Config()
    for name in names():
        if str(name) in USERS_KEYS:
            continue
        default = getattr(getattr(defaults, name.table), name.key)
        assert getattr(getattr(loaded.config, name.table), name.key) == default, str(name)
        is_shown = loaded.origins[str(name)] is Origin.FILE
        assert is_shown == (default not in (None, ())), f"{name} is shown wrongly"


def test_what_it_shows_where_there_is_no_default_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "miner.toml"
    path.write_text(_COMMENTED.sub(lambda m: f"{m['key']} = {m['value'].strip('<>')}", TEXT))
    assert set(load(path, environment={}).origins.values()) == {Origin.FILE}


def test_what_miner_init_writes_loads(tmp_path: Path) -> None:
    path = tmp_path / "miner.toml"
    path.write_text(miner_toml("secret/passphrase"))
    config = load(path, environment={}).config
    assert config.wallet.passphrase_file == tmp_path / "secret/passphrase"
    assert config.wallet.keystore == tmp_path / "keystore.json"
    path.write_text(miner_toml(None))
    assert load(path, environment={}).config.wallet.passphrase_file is None
