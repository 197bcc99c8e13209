"""Errors of model import and of the model store, split by consequence.

ModelError
├── InvalidOption       the caller asked for something that does not exist (exit code 2)
├── UnusableStore       models cannot be written where they are kept (exit code 2)
├── InvalidSource       the file is not a model that can be read
├── UnsupportedNode     a node cannot be expressed; names it, its operator and the reason
├── InvalidCalibration  calibration inputs are missing or do not fit the model
├── InvalidInput        a picture or array is not an input of the model
├── UnknownModel        no stored or shipped model has that name
└── CorruptModel        a stored model is incomplete or is not what its root says
"""

from __future__ import annotations

from typing import ClassVar


class ModelError(Exception):
    """Root of everything that `infernet.models` raises. `exit_code`: of the command line."""

    exit_code: ClassVar[int] = 3


class InvalidOption(ModelError):
    """A name or option does not exist."""

    exit_code: ClassVar[int] = 2


class UnusableStore(ModelError):
    """The folder of the stored models cannot be written."""

    exit_code: ClassVar[int] = 2


class InvalidSource(ModelError):
    """The source file is not a readable model."""


class UnsupportedNode(ModelError):
    """A node of the source cannot become operators of a program."""

    def __init__(self, operator: str, node: str, reason: str) -> None:
        super().__init__(f"node '{node}' ({operator}): {reason}")
        self.operator = operator
        self.node = node
        self.reason = reason


class InvalidCalibration(ModelError):
    """Calibration inputs are missing, or do not fit the model."""


class InvalidInput(ModelError):
    """The given picture or array cannot be an input of the model."""


class UnknownModel(ModelError):
    """No model of that name exists."""


class CorruptModel(ModelError):
    """A stored model is incomplete, or its bytes do not hash to its root."""
