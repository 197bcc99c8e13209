"""What an auditor's `infernet replay` costs as a command: seconds and peak memory of the process.

Step by step: what is shown of one instruction, at the begin, in the middle and at the end of a run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from infernet.audit.receipt import (
    AssertionPart,
    ChainPart,
    FinalityPart,
    HistoryPart,
    Receipt,
    RunPart,
    TaskPart,
    assertion_id_of,
    root_of,
    task_id_of,
)
from infernet.backend.engine import OrtEngine
from infernet.chain.records import Address
from infernet.models.store import save_model
from interpreter.merkle import Hash
from interpreter.state import final_state, initial_state

from .nets import NETWORKS, Network, network

LIMIT_SECONDS = 60.0
_FEE_WEI, _DEADLINE = 10**16, 2_000_000_000


def receipt_of(net: Network) -> Receipt:
    """Return the receipt that an honest executor's result would have."""
    program, data = net.model.program, net.data.tobytes()
    header, steps = program.header, program.header.steps_per_iteration
    output = OrtEngine(program).run(net.data).output.tobytes()
    accounts = [Address(f"0x{number:040x}") for number in range(1, 8)]
    chain = ChainPart(31337, *accounts[:5])
    input_root, output_root = root_of(data), root_of(output)
    roots = program.root, input_root
    task = TaskPart(b"", accounts[5], 1, *roots, 1, _FEE_WEI, _DEADLINE)
    task = replace(task, id=task_id_of(chain, task))
    result = AssertionPart(b"", 1, accounts[6], output_root, False)
    result = replace(result, id=assertion_id_of(task.id, result))
    states = (
        initial_state(header, Hash(input_root)).hash,
        final_state(header, Hash(output_root), steps, False).hash,
    )
    run = RunPart(net.name, header.encode(), data, output, steps, *states)
    block = 1, bytes(32)
    history = HistoryPart(*block, *block, *block)
    return Receipt(chain, task, result, run, history, FinalityPart("final", *block))


def cost_of(*arguments: str) -> tuple[float, float]:
    """Return the seconds and the peak MiB of a replay in a process of its own."""
    begin = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "infernet", "replay", *arguments], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"infernet replay {' '.join(arguments)} ended with {status}")
    return perf_counter() - begin, usage.ru_maxrss / 1024


def main() -> int:
    """Print the table and return how many replays took longer than the limit."""
    missed = 0
    print(f"{'network':<12} {'replayed':<22} {'seconds':>8} {'MiB':>6}")
    for name in NETWORKS:
        net = network(name)
        with tempfile.TemporaryDirectory() as folder:
            os.environ["INFERNET_DATA_DIR"] = folder
            save_model(net.model)
            receipt = receipt_of(net)
            file = Path(folder) / "receipt.json"
            file.write_text(receipt.to_json(), encoding="utf-8")
            last = receipt.run.steps - 1
            chosen: list[tuple[str, ...]] = [()]
            chosen += [("--step", str(step)) for step in (0, last // 2, last)]
            for options in chosen:
                seconds, mebibytes = cost_of(str(file), *options)
                missed += seconds > LIMIT_SECONDS
                what = f"step {int(options[1]):,}" if options else "whole run"
                print(f"{name:<12} {what:<22} {seconds:>8.1f} {mebibytes:>6,.0f}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
