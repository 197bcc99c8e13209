"""Sampled steps of networks of true size, executed by the Solidity verifier."""

import pytest

from .large import NETWORKS, prove_sample

MAX_PROOF_BYTES = 6_400
MAX_GAS = 250_000


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_sampled_steps_agree_and_their_forgeries_prove_nothing(name: str) -> None:
    report, _ = prove_sample(name, 2_000, seed=2)
    assert report.steps == 2_000 and report.forgeries > 20_000
    assert max(tally.most_bytes for tally in report.kinds.values()) <= MAX_PROOF_BYTES
    assert max(tally.most_gas for tally in report.kinds.values()) <= MAX_GAS


def test_some_steps_of_mobilenetv2_agree() -> None:
    report, registration = prove_sample("mobilenetv2", 100, seed=3)
    assert report.steps == 100 and report.forgeries > 1_000
    # A call stays far below the gas cap of a transaction.
    assert max(registration) < 2_000_000
