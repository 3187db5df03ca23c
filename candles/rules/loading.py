"""Declared strategies read from JSON, and checked."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from tapewire.candles.rules import model
from tapewire.candles.rules.checking import problems_of
from tapewire.candles.rules.model import DEPTH_MAX, DeclaredStrategy
from tapewire.candles.rules.problems import of_validation, raise_problems
from tapewire.errors import ConfigError, MissingFileError

#: Bytes of a file with one strategy.
_BYTES_MAX: Final = 4 << 20
_KEYS: Final = {
    name: None
    for one in vars(model).values()
    if isinstance(one, type) and issubclass(one, BaseModel)
    for name in one.model_fields
}


def strategy_of(declared: Mapping[str, Any], *, source: str = "strategy") -> DeclaredStrategy:
    """Take a strategy declared as data.

    Parameters
    ----------
    declared
        As the JSON has it: dicts, lists, strings and numbers.
    source
        What it is called in messages.

    Raises
    ------
    ConfigError
        If it is wrong; all problems are told, each with its path.
    """
    return _checked(declared, source, None)


def strategy_of_json(text: str, *, source: str = "strategy") -> DeclaredStrategy:
    """Read a strategy from JSON.

    Raises
    ------
    ConfigError
        If it is no JSON, has a key twice, or is wrong; each problem with its line and path.
    """
    try:
        declared = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}:{error.lineno}: expected JSON, found none: {error}") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply") from None
    except ValueError as error:  # of ours, or Python's: a number of thousands of digits
        raise ConfigError(f"{source}: {error}") from None
    return _checked(declared, source, text)


def load_strategy(path: str | os.PathLike[str]) -> DeclaredStrategy:
    """Read a strategy from a JSON file.

    Raises
    ------
    MissingFileError
        If the file can't be read.
    ConfigError
        As `strategy_of_json`.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise MissingFileError(f"{path}: can't be read: {error.strerror}") from None
    if len(data) > _BYTES_MAX:
        raise ConfigError(f"{path}: expected a strategy of at most {_BYTES_MAX >> 20} MB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8, found none at byte {error.start}") from None
    return strategy_of_json(text, source=str(path))


class _RefusedError(ValueError):
    """Something in a text that is not to be taken for JSON."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _RefusedError(f"expected each key once, found {twice!r} twice in one mapping")
    return found


def _no_number(text: str) -> Any:
    raise _RefusedError(f"expected numbers, found {text}")


def _checked(declared: Any, source: str, text: str | None) -> DeclaredStrategy:
    if _deeper(declared, 2 * DEPTH_MAX + 6):
        raise ConfigError(f"{source}: expected rules nested at most {DEPTH_MAX} deep")
    try:
        strategy = DeclaredStrategy.model_validate(declared)
    except ValidationError as error:
        raise_problems(source, of_validation(error, _KEYS), text)
        raise  # not reached: an error has problems
    raise_problems(source, problems_of(strategy), text)
    return strategy


def _deeper(value: Any, depth: int) -> bool:
    if isinstance(value, (dict, list)):
        inner = value.values() if isinstance(value, dict) else value
        return depth == 0 or any(_deeper(one, depth - 1) for one in inner)
    return False
