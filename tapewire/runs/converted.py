"""Declared strategies written as code, or as text."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from tapewire.atomic import atomic_file, require_replaceable
from tapewire.candles.rules import load_strategy
from tapewire.candles.sessions import SessionClock
from tapewire.errors import ConfigError, OutputError
from tapewire.generator import strategy_hash
from tapewire.generator.converting import TARGETS, convert

_ENDINGS: Final = {"text": (".txt", ".pine")}
_CODE: Final = (".py",)


@dataclass(frozen=True)
class ConvertedStrategy:
    """What was written.

    Attributes
    ----------
    name, version, target : str
    rules_hash : str
        Of `tapewire.generator.strategy_hash`.
    path : str, optional
        None: it was printed.
    text : str
    """

    name: str
    version: str
    target: str
    rules_hash: str
    path: str | None
    text: str

    def say(self, console: Console, *, as_json: bool) -> None:
        """Print it, or where it is, for people or as one JSON object."""
        if as_json:
            print(json.dumps(asdict(self), ensure_ascii=False))
        elif self.path is None:
            print(self.text, end="")
        else:
            told = f"{self.name} {self.version} as {self.target}, written to {self.path}"
            console.print(told, markup=False, highlight=False, soft_wrap=True)


def convert_file(
    path: Path,
    target: str,
    *,
    output: Path | None = None,
    session: str | None = None,
    force: bool = False,
) -> ConvertedStrategy:
    """Write a strategy declared in a JSON file as code, or as text.

    Parameters
    ----------
    path
        The strategy.
    target
        See `tapewire.generator.converting.convert`.
    output
        A new file; None: none is written.
    session
        When sessions begin, see `SessionClock.of`.
    force
        Replace a file that is there.

    Raises
    ------
    ConfigError
        If the strategy, the target or the sessions are wrong, or a name does not go with a target.
    OutputError
        If the file is there (without ``force``) or can't be written; nothing is left then.
    """
    if target not in TARGETS:
        raise ConfigError(f"--as: expected one of {', '.join(TARGETS)}, found {target!r}")
    endings = _ENDINGS.get(target, _CODE)
    if output is not None:
        if output.suffix not in endings:
            raise ConfigError(
                f"--output: expected a name that ends in {' or '.join(endings)}, found "
                f"{output.name!r}"
            )
        require_replaceable(output)
        if output.exists() and not force:
            raise OutputError(f"{output}: there is a file already; choose another name, or --force")
    strategy = load_strategy(path)
    clock = None if session is None else SessionClock.of(session)
    text = convert(strategy, target, clock=clock)
    if output is not None:
        with atomic_file(output) as file:
            file.write(text.encode())
    return ConvertedStrategy(
        strategy.name, strategy.version, target, strategy_hash(strategy),
        None if output is None else str(output), text,
    )  # fmt: skip
