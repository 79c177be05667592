"""The `sanqu` command."""

from sanqu.cli.main import main

__all__ = ["main"]
