"""A dispute about ResNet50 in real time: anvil, commit to one-step proof, at most 10 seconds.

Needs anvil: `npm ci` in contracts/ installs it. The figure is block time, in whole seconds; an
opening has to come in a later second than its commit. Both players run on this machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import numpy as np
from PIL import Image

from .rivals import infernet

ANVIL = Path("contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
PORT = 18_645
URL = f"http://127.0.0.1:{PORT}"
LIMIT_SECONDS = 10


def start_anvil() -> subprocess.Popen[bytes]:
    """Start anvil and wait until it answers."""
    command = [str(ANVIL), "--silent", "--port", str(PORT), "--hardfork", "prague"]
    process = subprocess.Popen([*command, "--gas-limit", "60000000"])
    question = Request(
        URL,
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode(),
        {"Content-Type": "application/json"},
    )
    for _ in range(100):
        try:
            with urlopen(question, timeout=1):
                return process
        except URLError:
            time.sleep(0.1)
    process.kill()
    raise RuntimeError("anvil did not answer within 10 seconds")


def main() -> int:
    """Print the figures; return 1 if the limit is missed."""
    if not ANVIL.is_file():
        print("left out: anvil is not installed; run `npm ci` in contracts/")
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = folder / "noise.png"
        pixels = np.random.default_rng(1).integers(0, 256, (224, 224, 3), np.uint8)
        Image.fromarray(pixels).save(picture)
        infernet(["model", "build", "resnet50", "--seed", "1"], folder)
        process = start_anvil()
        try:
            arguments = ["demo", "--json", "--seed", "1", "--model", "resnet50", "--rpc", URL]
            shown = json.loads(infernet([*arguments, "--input", str(picture)], folder))
        finally:
            process.terminate()
            process.wait()
    dispute = shown["dispute"]
    seconds = dispute["chain_seconds"]
    print(
        f"ResNet50 on anvil: commit to proof {seconds} s (limit {LIMIT_SECONDS} s), "
        f"{len(dispute['transactions'])} transactions, {dispute['gas']:,} gas, one-step proof "
        f"{shown['proof_gas']:,} gas and {shown['proof_calldata_bytes']:,} bytes"
    )
    return int(seconds > LIMIT_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
