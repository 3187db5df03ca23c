"""How Python is started in a process of its own."""

import sys


def module_command(module: str) -> list[str]:
    """Return the command that runs a module of this installation, whatever the folder holds.

    Python would look for modules in the current folder first, where a user's ``queue.py`` may be.
    """
    return [sys.executable, "-P", "-m", module]
