"""Calls of functions between values and bytes, as an interface describes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from .artifacts import Artifact
from .errors import RetryableChainError

checksummed = lru_cache(maxsize=4096)(to_checksum_address)


class FunctionKind:
    """One function of an interface."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        self._inputs = [collapse_if_tuple(item) for item in entry["inputs"]]
        self._outputs = [collapse_if_tuple(item) for item in entry["outputs"]]
        self._output_entries = entry["outputs"]
        self.selector = bytes(keccak(text=f"{self.name}({','.join(self._inputs)})")[:4])

    @property
    def components(self) -> list[dict[str, Any]]:
        """Return the fields of the struct that the function returns."""
        (output,) = self._output_entries
        return list(output["components"])

    def encoded(self, arguments: tuple[object, ...]) -> bytes:
        """Return the bytes of a call."""
        return self.selector + encode(self._inputs, arguments)

    def arguments_in(self, call: bytes) -> tuple[Any, ...] | None:
        """Return the arguments in the bytes of a call, None if they call something else.

        As contracts do, it takes whatever lies between the arguments.
        """
        if call[:4] != self.selector:
            return None
        try:
            return values_in(self._inputs, call[4:], is_strict=False)
        except DecodingError:
            return None

    def decoded(self, data: bytes) -> Any:
        """Return what a call returned: one value, or a tuple of several or none.

        Raises RetryableChainError for what the function cannot return.
        """
        values = answered(self.name, self._outputs, data)
        pairs = zip(self._output_entries, values, strict=True)
        named = tuple(readable(entry, value) for entry, value in pairs)
        return named[0] if len(named) == 1 else named


def values_in(types: Sequence[str], data: bytes, *, is_strict: bool = True) -> tuple[Any, ...]:
    """Return the values in bytes, or raise DecodingError; strictly, what fills words up is 0."""
    try:
        return tuple(decode(types, data, strict=is_strict))
    except (OverflowError, UnicodeDecodeError) as error:
        # Besides its own errors, the library lets through what huge lengths and odd texts raise.
        raise DecodingError(str(error)) from None


def answered(name: str, types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """Return the values in what a node says that a contract gave, or raise RetryableChainError."""
    try:
        return values_in(types, data)
    except DecodingError as error:
        raise RetryableChainError(
            f"{name}: the node gives what the contract cannot have given ({error}); look again "
            "later, ask another node, or check the contracts' addresses"
        ) from None


def functions_of(artifact: Artifact) -> dict[str, FunctionKind]:
    """Return the functions of an interface by name; none of ours is overloaded."""
    entries = (entry for entry in artifact.abi if entry["type"] == "function")
    return {kind.name: kind for kind in map(FunctionKind, entries)}


def readable(entry: dict[str, Any], value: Any) -> Any:
    """Return a decoded value with addresses in mixed case and arrays as lists."""
    kind: str = entry["type"]
    if kind.endswith("]"):
        item = {**entry, "type": kind[: kind.rindex("[")]}
        return [readable(item, element) for element in value]
    if kind == "tuple":
        fields = zip(entry["components"], value, strict=True)
        return tuple(readable(field, element) for field, element in fields)
    return checksummed(value) if kind == "address" else value
