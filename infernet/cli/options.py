"""Options that several commands share, and the settings that they change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from infernet import logs
from infernet.config import ConfigError

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings; default: ./miner.toml.")
]
Rpc = Annotated[str | None, typer.Option(help="Nodes' URLs, with commas between.")]
ContractsFile = Annotated[
    str | None, typer.Option("--contracts", help="The contracts' addresses, a JSON file.")
]
Keystore = Annotated[str | None, typer.Option(help="Encrypted key file.")]
PassphraseFile = Annotated[
    str | None, typer.Option(help="The keystore's passphrase is on its first line.")
]
GatewayUrl = Annotated[
    str | None,
    typer.Option(
        "--gateway", help="A gateway's URL, asked in place of the chain; key: INFERNET_API_KEY."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TaskName = Annotated[
    str, typer.Argument(help="The task's id, or the first 6 of its digits or more.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Agree to what it costs beforehand.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]
LogFormat = Annotated[str | None, typer.Option(help="console or json; default: by who looks on.")]


def set_up_logs(level: str, format_: str | None) -> None:
    """Begin to log as the options ask, or raise ConfigError."""
    if level not in logs.LEVELS:
        raise ConfigError(f"--log-level is '{level}'; choose {', '.join(logs.LEVELS)}")
    if format_ not in (None, *logs.FORMATS):
        raise ConfigError(f"--log-format is '{format_}'; choose {', '.join(logs.FORMATS)}")
    logs.set_up(level, format_)


def seam_flags(
    rpc: str | None,
    contracts: str | None,
    keystore: str | None,
    passphrase_file: str | None,
    gateway: str | None = None,
) -> dict[str, object]:
    """Return the flags that say where chain, contracts, key and gateway are."""
    return {
        "network.rpc": rpc,
        "network.contracts": contracts,
        "wallet.keystore": keystore,
        "wallet.passphrase_file": passphrase_file,
        "gateway.url": gateway,
    }
