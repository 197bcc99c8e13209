"""Whether the contracts of a deployment are the ones that this package ships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .abi import functions_of
from .artifacts import PROVERS, load
from .connection import Chain, translated
from .errors import DeploymentError
from .records import Address

if TYPE_CHECKING:
    from .deployment import Deployment

_ARTIFACTS = {
    "registry": "ModelRegistry",
    "vault": "StakeManager",
    "market": "TaskMarket",
    "game": "DisputeGame",
    "verifier": "OneStepProof",
}
# Which contract names which other one, and by what view.
_LINKS = (
    ("market", "vault", "vault"),
    ("market", "registry", "registry"),
    ("game", "vault", "vault"),
    ("game", "market", "market"),
    ("game", "oneStepProof", "verifier"),
)
_PROVER_VIEWS = (
    "control",
    "conv",
    "pool",
    "map",
    "copy",
    "matmul",
    "reduce",
    "row",
    "table",
    "token",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the contract at an address. `role`: its name in the deployment."""

    role: str
    address: Address
    what: str


def check_code(chain: Chain, deployment: Deployment) -> list[Fault]:
    """Return what is wrong with the deployed code; parameters fixed at deployment may differ."""
    places = {role: Address(getattr(deployment, role)) for role in _ARTIFACTS}
    faults = [
        fault
        for role, address in places.items()
        if (fault := _fault(chain, role, _ARTIFACTS[role], address))
    ]
    if faults:
        return faults
    for role, view, linked in _LINKS:
        found = _linked(chain, _ARTIFACTS[role], places[role], view)
        if found != places[linked]:
            what = f"works with the {linked} {found}, not with {places[linked]}"
            faults.append(Fault(role, places[role], what))
    for view, artifact in zip(_PROVER_VIEWS, PROVERS, strict=True):
        address = _linked(chain, "OneStepProof", places["verifier"], view)
        if fault := _fault(chain, f"{view} prover", artifact, address):
            faults.append(fault)
    return faults


def require_code(chain: Chain, deployment: Deployment) -> None:
    """Raise DeploymentError unless the deployment is on this chain and of this version."""
    if chain.chain_id != deployment.chain_id:
        raise DeploymentError(
            f"{chain.name} is chain {chain.chain_id}, the deployment is on "
            f"chain {deployment.chain_id}; connect to that chain"
        )
    for fault in check_code(chain, deployment):
        raise DeploymentError(
            f"the {fault.role} at {fault.address} on {chain.name} {fault.what}; check the "
            "deployment, and that it is of this version"
        )


def _fault(chain: Chain, role: str, name: str, address: Address) -> Fault | None:
    with translated(f"looking for the {role}", chain.name):
        code = bytes(chain.web3.eth.get_code(address))
    if not code:
        return Fault(role, address, f"is missing: no code is where the {role} should be")
    artifact = load(name)
    if artifact.masked(code) != artifact.masked(artifact.code):
        return Fault(role, address, f"is another contract than {name} of this package")
    return None


def _linked(chain: Chain, name: str, address: Address, view: str) -> Address:
    kind = functions_of(load(name))[view]
    with translated(f"{name}.{view}", chain.name):
        return Address(kind.decoded(chain.web3.eth.call({"to": address, "data": kind.encoded(())})))
