"""The miner.toml that `infernet miner init` writes."""

from __future__ import annotations

import json

_TEXT = """\
# Settings of `infernet miner` and `infernet fisherman`. Everything else has a default:
# `infernet config show` lists every setting, its value and where that came from.

[infernet]
enabled = true
models = ["digits"]     # `infernet model list` shows which there are
stake = 2               # ether, locked per task until its result is final
max_tasks = 4           # tasks in work at once; stake x max_tasks is deposited on the first start

[network]
# Three nodes of different operators, and one of them may fail or lie.
rpc = ["http://127.0.0.1:8545"]
contracts = "contracts.json"   # written by `infernet chain deploy`, or handed out by the network

[pool]
# Gateways to take work from, the first that answers; without any the chain says what there is.
# gateways = ["https://gateway.example"]

[wallet]
keystore = "keystore.json"
{passphrase}
[metrics]
enabled = true
port = 9090

[fisherman]
mode = "full"           # watchtower, defensive or full
sample = 1.0            # share of results that are re-executed
"""


def miner_toml(passphrase_file: str | None) -> str:
    """Return the text, with a passphrase file named if there is one."""
    line = '# passphrase_file = "passphrase"   # chmod 600; without it you are asked\n'
    if passphrase_file:
        line = f"passphrase_file = {json.dumps(passphrase_file)}\n"
    return _TEXT.format(passphrase=line)
