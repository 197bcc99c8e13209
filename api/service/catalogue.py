"""The models that tasks may name: stored here, and registered on chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from infernet.chain.connection import translated
from infernet.chain.deployment import Contracts
from infernet.chain.records import ProgramRoot, Seconds
from infernet.models.pipeline import Model
from infernet.models.text import Codec

from ..errors import UnknownModel
from .terms import ServedModel


class Catalogue:
    """Models by name; what the registry says of them is asked once, it never changes.

    `codecs`: of those of text, by name.
    """

    def __init__(
        self, contracts: Contracts, models: Iterable[Model], codecs: Mapping[str, Codec]
    ) -> None:
        self._contracts, self._codecs = contracts, codecs
        self._models = {model.manifest.name: model for model in models}
        self._served: dict[str, ServedModel] = {}
        # By program root, of those that are not registered too.
        self.names: dict[bytes, str] = {
            model.program.root: name for name, model in self._models.items()
        }

    def served(self) -> list[ServedModel]:
        """Return the registered models by name; raises ChainError while they are unknown."""
        found = (self._look(name) for name in sorted(self._models))
        return [each for each in found if each is not None]

    def known(self, name: str) -> ServedModel | None:
        """Return a model as `find` does, if the registry was asked for it before."""
        return self._served.get(self._key(name))

    def find(self, name: str) -> tuple[Model, ServedModel]:
        """Return a model by its name or by its program root (0x and 64 digits)."""
        key = self._key(name)
        served = self._look(key) if key in self._models else None
        if served is None:
            known = ", ".join(each.name for each in self.served()) or "none"
            raise UnknownModel("model", f"'{name[:80]}' is not served here (served: {known})")
        return self._models[key], served

    def by_root(self, root: bytes) -> Model | None:
        """Return the stored model of a program root."""
        name = self.names.get(root)
        return None if name is None else self._models[name]

    def codec(self, root: bytes) -> Codec | None:
        """Return what turns text into input for a stored model of text, None for others."""
        return self._codecs.get(self.names.get(root, ""))

    def _key(self, name: str) -> str:
        return self.names.get(_root(name), name)

    def _look(self, name: str) -> ServedModel | None:
        if name in self._served:
            return self._served[name]
        model = self._models[name]
        root, header = ProgramRoot(model.program.root), model.program.header
        registry = self._contracts.registry
        info = registry.info(root)
        registered = registry.latest_events("ModelRegistered", 1, programRoot=root)
        # Logs may come some seconds after their block.
        if not info.registered or not registered:
            return None
        self._served[name] = ServedModel(
            name,
            root,
            model.manifest,
            header.encode(),
            info.input_bytes,
            info.output_bytes,
            model.manifest.input.source_shape,
            info.max_iterations,
            info.minimum_stake,
            self._time_of(registered[0].block_number),
        )
        return self._served[name]

    def _time_of(self, block: int) -> Seconds:
        chain = self._contracts.chain
        with translated("reading a block", chain.name):
            return Seconds(int(chain.web3.eth.get_block(block)["timestamp"]))


def _root(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return b""
