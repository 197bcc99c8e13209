"""What a fisherman takes for each true result besides the run: reading, storing, comparing.

    python -m benchmarks watcher

Needs anvil: `npm ci` in contracts/ installs it. The program is so short that its run is nothing.
"""

from __future__ import annotations

import sys
import time

from benchmarks.anvil import ANVIL, URL, start_anvil
from benchmarks.gas import copying_program
from infernet.backend.conformance import require_conformance
from infernet.chain.connection import connect
from infernet.chain.deploy import PRODUCTION, deploy
from infernet.chain.records import Wei
from infernet.chain.wallet import KeySigner, Wallet, faucet
from tests.stage import ETHER, Stage

RESULTS = 200


def stage_on_anvil() -> Stage:
    """Return the contracts on the node, with a short program and an input for it."""
    chain, program = connect(URL), copying_program(256, 4)
    deployer = Wallet(chain, KeySigner.create())
    Wallet(chain, faucet(chain)).transfer(deployer.address, Wei(100 * ETHER))
    contracts = deploy(deployer, PRODUCTION)
    contracts.registry.register(deployer, program)
    return Stage(chain, contracts, program, bytes(256), require_conformance())


def measure(results: int = RESULTS) -> tuple[float, float]:
    """Return the seconds and the processor seconds that a fisherman takes for a true result."""
    stage = stage_on_anvil()
    market, requester, executor = stage.contracts.market, stage.wallet(), stage.wallet(1_000)
    stake, output = stage.contracts.registry.floor(stage.program), stage.truth().output
    for _ in range(results):
        task_id = stage.request(requester)
        market.claim(executor, task_id, stake, stake)
        market.assert_result(executor, task_id, 1, output)
    fisherman = stage.fisherman(stage.wallet())
    began, cpu_began = time.perf_counter(), time.process_time()
    while fisherman.tick():
        pass
    took, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    checked = sum(report.event == "result_checked" for report in stage.reports)
    if checked != results:
        raise AssertionError(f"{checked} of {results} results were checked")
    return took / results, cpu / results


def main() -> int:
    """Print the figures."""
    if not ANVIL.is_file():
        print("left out: anvil is not installed; run `npm ci` in contracts/")
        return 0
    process = start_anvil()
    try:
        seconds, cpu = measure()
    finally:
        process.terminate()
        process.wait()
    print(
        f"{RESULTS} true results: {1000 * seconds:.2f} ms each, {1000 * cpu:.2f} ms of processor, "
        f"{1 / seconds:,.0f} a second"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
