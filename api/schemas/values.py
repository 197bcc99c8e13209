"""Values that every schema uses. Amounts are decimal text: they do not fit a JSON number."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

MOST_WEI = 2**96 - 1
_DIGITS = re.compile(r"[0-9]{1,29}")

_EXAMPLE_ID = "0x" + "5a" * 32
ID_PATTERN = "^0x[0-9a-f]{64}$"
ADDRESS_PATTERN = "^0x[0-9a-fA-F]{40}$"

Id = Annotated[
    str,
    Field(pattern=ID_PATTERN, description="32 bytes in hex", examples=[_EXAMPLE_ID]),
]
AddressText = Annotated[
    str,
    Field(
        pattern=ADDRESS_PATTERN,
        description="An account",
        examples=["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"],
    ),
]
WeiText = Annotated[
    str,
    Field(pattern="^[0-9]+$", description="An amount of wei", examples=["10000000000000000"]),
]


def _amount(value: object) -> object:
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value):
            raise ValueError("an amount of wei is decimal digits, 29 at most")
        return int(value)
    return value


_AMOUNT_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": MOST_WEI},
        # One digit less than the largest amount has, so that whatever fits the pattern is one.
        {"type": "string", "pattern": "^[0-9]{1,28}$"},
    ],
    "description": "An amount of wei, as digits in a text or as a number",
    "examples": ["10000000000000000"],
}
WeiGiven = Annotated[
    int,
    Field(strict=True, ge=0, le=MOST_WEI),
    BeforeValidator(_amount),
    WithJsonSchema(_AMOUNT_SCHEMA),
]


def _digits(value: object) -> object:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return value


# A number of a query, where everything is text.
Number = Annotated[int, Field(strict=True), BeforeValidator(_digits)]


class View(BaseModel):
    """What is answered."""

    model_config = ConfigDict(frozen=True)


class Given(BaseModel):
    """What is asked; unknown members are refused, and nothing is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ProblemView(View):
    """RFC 9457. `type` is an address that describes it; `field` and `errors` say what to change."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    field: str | None = None
    errors: list[dict[str, str]] | None = None


def hex_of(data: bytes) -> str:
    """Return bytes as hex with 0x."""
    return f"0x{data.hex()}"


def example(**content: Any) -> ConfigDict:
    """Return a model's configuration with one example."""
    return ConfigDict(frozen=True, json_schema_extra={"examples": [content]})
