"""The command line."""

from tapewire.cli.program import app, main

__all__ = ["app", "main"]
