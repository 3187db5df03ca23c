"""Tasks to try an executor with: what goes well, and each thing that may go wrong."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from tapewire.errors import ConfigError
from tapewire.executors.tasks import Tell


def echo(argument: dict[str, Any], tell: Tell) -> Any:
    """Return ``value``, if there is one."""
    return argument.get("value")


def fail(argument: dict[str, Any], tell: Tell) -> Any:
    """Raise an error of a user's."""
    raise ConfigError(argument["message"])


def say(argument: dict[str, Any], tell: Tell) -> Any:
    """Say each of ``words``, print something, and stay for ``then_sleep_s``."""
    for word in argument["words"]:
        tell(word)
    print("not an answer", flush=True)
    time.sleep(argument.get("then_sleep_s", 0))
    return "said"


def sleep(argument: dict[str, Any], tell: Tell) -> Any:
    """Take ``seconds``; else an hour."""
    time.sleep(argument.get("seconds", 3_600))


def die(argument: dict[str, Any], tell: Tell) -> Any:
    """Kill the process."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(argument: dict[str, Any], tell: Tell) -> Any:
    """Kill the process, unless another one has been here: then return ``value``."""
    mark = Path(argument["mark"])
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return argument["value"]


def much(argument: dict[str, Any], tell: Tell) -> Any:
    """Return ``size`` bytes of text."""
    return "x" * argument["size"]
