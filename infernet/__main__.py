"""`python -m infernet` is the command `infernet`."""

from infernet.cli import main

main()
