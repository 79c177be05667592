"""`python -m sanqu` is the `sanqu` command."""

from sanqu.cli import main

main()
