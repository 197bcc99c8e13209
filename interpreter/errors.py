"""Errors of the reference machine, split by consequence.

InterpreterError
├── InvalidProgram    the program must not be registered or run
├── InvalidTensor     the given bytes are not the tensor asked for
├── InvalidStep       the step does not exist in this program
└── InvalidWitness    the witness proves nothing; nobody wins by it
"""


class InterpreterError(Exception):
    """Root of everything that the reference machine raises."""


class InvalidProgram(InterpreterError):
    """A header or descriptor breaks a registration rule."""


class InvalidTensor(InterpreterError):
    """Bytes do not have the length or type that was declared."""


class InvalidStep(InterpreterError):
    """A step number lies outside the program."""


class InvalidWitness(InterpreterError):
    """A witness does not prove what the step needs."""
