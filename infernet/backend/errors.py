"""Errors of the fast backend, split by consequence.

BackendError
├── UnsupportedProgram   the fast path cannot promise the program's bits; the reference runs instead
├── UnknownBackend       no installed package brings a backend of that name
├── ConformanceError     this machine's bits differ; it must not stake
└── TraceError           a state was asked for that the trace does not have
"""


class BackendError(Exception):
    """Root of everything that the backend raises."""


class UnsupportedProgram(BackendError):
    """Range analysis or the graph refuses a program; the message names operator and reason."""


class UnknownBackend(BackendError):
    """A backend is named that is not installed."""


class ConformanceError(BackendError):
    """An operator's bits differ from the published vectors."""


class TraceError(BackendError):
    """A step or an input does not fit the trace."""
