"""An embedded chain whose base fee never changes: what follows it is the same in every run."""

from __future__ import annotations

from typing import Any

from eth.validation import validate_gas_limit
from eth.vm.forks.prague import PragueVM
from eth_tester import EthereumTester, PyEVMBackend

# What transactions offer here unless they say otherwise.
BASE_FEE_WEI = 10**9


class _SteadyVM(PragueVM):
    """The rules of Prague but the one that moves the base fee."""

    @staticmethod
    def create_header_from_parent(parent: Any, **parameters: Any) -> Any:
        made = PragueVM.create_header_from_parent(parent, **parameters)
        return made.copy(base_fee_per_gas=BASE_FEE_WEI)

    @classmethod
    def validate_gas(cls, header: Any, parent_header: Any) -> None:
        validate_gas_limit(header.gas_limit, parent_header.gas_limit)


def steady_tester() -> EthereumTester:
    """Return a chain with a base fee of 1 gwei."""
    return EthereumTester(backend=PyEVMBackend(vm_configuration=((0, _SteadyVM),)))
