"""Commands are imported when they are asked for, and are what the help says of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from infernet.cli import app
from infernet.cli.lazy import COMMANDS, load_command

_HEAVY = ("web3", "onnx", "onnxruntime", "numpy", "fastapi", "eth_account", "PIL", "httpx")
_PROGRAM = """
import sys
from infernet.cli import run
code = run(sys.argv[1:])
print(code, *(name for name in %r if name in sys.modules))
"""


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["nonsense"]])
def test_help_needs_none_of_the_commands_libraries(words: list[str]) -> None:
    program = [sys.executable, "-c", _PROGRAM % (_HEAVY,), *words]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    code = "2" if words == ["nonsense"] else "0"
    assert done.stdout.splitlines()[-1] == code


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_says_of_each_command_what_it_says_itself(name: str) -> None:
    known = typer.main.get_command(app)
    assert COMMANDS[name].help == known.commands[name].help  # type: ignore[attr-defined]
    command = load_command(name)
    assert command.name == name
    assert " ".join(command.help.split("\n\n")[0].split()) == COMMANDS[name].help
