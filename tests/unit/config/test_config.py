"""Settings: exact, strict, from four places in one order, secrets hidden."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from executor.policy import MOST_SECONDS
from infernet.cli.miner import policy_of
from infernet.config import ConfigError, Origin, load
from infernet.config.load import names
from infernet.config.show import lines

TABLE = """
[infernet]
enabled = true
models = ["mobilenetv2", "resnet50"]
stake = 100          # locked per task
max_tasks = 4
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "miner.toml"
    path.write_text(text)
    return path


def test_the_user_s_table_works_as_written(tmp_path: Path) -> None:
    table = load(written(tmp_path, TABLE), environment={}).config.infernet
    assert table.enabled is True
    assert table.models == ("mobilenetv2", "resnet50")
    assert (table.stake, table.max_tasks) == (100 * 10**18, 4)


@pytest.mark.parametrize(
    ("text", "wei"),
    [("1.5", 15 * 10**17), ("0.000000000000000001", 1), ('"2.25"', 225 * 10**16), ("0", 0)],
)
def test_stakes_are_exact_to_the_wei(tmp_path: Path, text: str, wei: int) -> None:
    loaded = load(written(tmp_path, f"[infernet]\nstake = {text}"), environment={})
    assert loaded.config.infernet.stake == wei


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[infernet]\nmax_task = 4", "infernet.max_task is not known; did you mean max_tasks?"),
        ("[infernett]\nenabled = true", r"\[infernett\] is not known; did you mean \[infernet\]"),
        ("[infernet]\nzzz = 4", "there are enabled, models, stake, max_tasks"),
        ("infernet = 4", r"write \[infernet\]"),
        ("[infernet]\nenabled = 1", "true or false"),
        ('[api]\nproxies = ["10.0.0.1/8"]', "addresses or networks"),
        ('[api]\nproxies = "*"', "addresses or networks"),
        ("[infernet]\nmax_tasks = 0", "a whole number, 1 to 256"),
        # Two threads each: a slip of the keyboard must not take the machine down.
        ("[infernet]\nmax_tasks = 1000000000000", "a whole number, 1 to 256"),
        ('[infernet]\nmax_tasks = "__"', "a whole number, 1 to 256"),
        (f"[infernet]\nmax_tasks = {'9' * 5_000}", "is not TOML"),
        ("[infernet]\nmost_seconds = 0", "a whole number, 1 to 16777215"),
        ("[infernet]\nstake = 1e400000000", "an amount of ether"),
        ("[infernet]\nstake = 1e99999999999999999999", "is not TOML"),
        (f"[infernet]\nmodels = {'[' * 9_999}", "is not TOML"),
        ("[fisherman]\nsample = 1e-400000000", "a share"),
        ("[network]\nmax_fee = 0.0000000001", "a price in gwei"),
        ('[network]\nrpc = "http://a:99999"', r"http\(s\) URLs"),
        ('[network]\nrpc = "http://[::1"', r"http\(s\) URLs"),
        ('[fisherman]\nwebhook = "http://a:99999"', r"one http\(s\) URL, such"),
        ('[queue]\nredis = "redis://[x"', "a Redis URL"),
        ('[wallet]\nkeystore = "\\u0000x"', "without the character 0"),
        ('[wallet]\nkeystore = "~nobody-of-that-name/x"', "home folder"),
        ("[infernet]\nstake = -1", "0 or more"),
        ("[infernet]\nstake = 0.0000000000000000001", "at most 18 decimals"),
        ("[infernet]\nstake = nan", "an amount of ether"),
        ("[infernet]\nmodels = [1]", "a text in quotes"),
        ("[metrics]\nport = 70000", "a port"),
        ("[fisherman]\nsample = 1.5", "a share"),
        ('[fisherman]\nmode = "ful"', "watchtower, defensive, full"),
        ('[network]\nrpc = "ws://x"', r"http\(s\) URLs"),
        ('[wallet]\nprivate_key = "0x01"', "encrypted keystore"),
        ("[infernet\n", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(written(tmp_path, text), environment={})


def test_a_private_key_in_the_file_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, '[wallet]\nprivate_key = "0xabcdef"'), environment={})
    assert "abcdef" not in str(caught.value)


def test_a_bad_url_with_a_key_in_it_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, '[network]\nrpc = "wss://host/v3/abcdef"'), environment={})
    assert "abcdef" not in str(caught.value)


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    file = written(tmp_path, "[metrics]\nport = 1\nhost = 'a'\n[infernet]\nmax_tasks = 2")
    around = {"INFERNET_METRICS_PORT": "2", "INFERNET_MAX_TASKS": "3"}
    loaded = load(file, {"metrics.port": 3, "metrics.host": None}, around)
    metrics = loaded.config.metrics
    assert (metrics.port, metrics.host, loaded.config.infernet.max_tasks) == (3, "a", 3)
    expected = {
        "metrics.port": Origin.FLAG,
        "metrics.host": Origin.FILE,
        "metrics.enabled": Origin.DEFAULT,
        "infernet.max_tasks": Origin.ENVIRONMENT,
    }
    assert expected.items() <= loaded.origins.items()


def test_every_setting_can_be_set_by_the_environment() -> None:
    variables = [name.variable for name in names()]
    assert len(set(variables)) == len(variables)
    around = {"INFERNET_RPC_URL": "http://a:1, http://b:2", "INFERNET_FISHERMAN_SAMPLE": "50%"}
    config = load(environment=around).config
    assert config.network.rpc == ("http://a:1", "http://b:2")
    assert config.fisherman.sample == Fraction(1, 2)


def test_a_miner_is_as_patient_as_its_settings_say(tmp_path: Path) -> None:
    file = written(tmp_path, TABLE + "most_seconds = 60")
    assert policy_of(load(file, environment={}).config).most_seconds == 60
    around = {"INFERNET_MOST_SECONDS": "7_200"}
    assert policy_of(load(file, environment=around).config).most_seconds == 7_200
    default = policy_of(load(written(tmp_path, TABLE), environment={}).config)
    assert default.most_seconds == MOST_SECONDS


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    file = written(tmp_path, '[wallet]\nkeystore = "key.json"')
    assert load(file, environment={}).config.wallet.keystore == tmp_path / "key.json"


def test_secrets_are_masked_where_settings_are_shown(tmp_path: Path) -> None:
    text = (
        '[network]\nrpc = ["https://user:hunter2@node.example/v3/abcdef?token=xyz"]\n'
        '[fisherman]\nwebhook = "https://hooks.example/T0/abcdef"\n'
        '[queue]\nredis = "redis://:hunter2@127.0.0.1:6379/0"\n'
    )
    shown = "\n".join(f"{line.value}" for line in lines(load(written(tmp_path, text))))
    for hidden in ("hunter2", "abcdef", "xyz", "user"):
        assert hidden not in shown
    for visible in ("node.example", "hooks.example", "127.0.0.1:6379"):
        assert visible in shown


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="infernet miner init"):
        load(tmp_path / "none.toml")
