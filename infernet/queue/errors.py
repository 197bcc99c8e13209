"""Errors of the queue, split by consequence.

QueueError
├── BrokerUnavailable   no Redis server answers, or none can be started
└── UnknownProgram      neither Redis nor this machine has a program that a job names
"""


class QueueError(Exception):
    """Root of everything that the queue raises."""

    exit_code = 8


class BrokerUnavailable(QueueError):
    """The Redis server cannot be reached or started; the message names it and says why."""


class UnknownProgram(QueueError):
    """A program that a job names is nowhere to be had; whoever asked puts it there again."""
