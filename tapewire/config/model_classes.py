"""From what a model is called to its class: ``file.py:NAME`` or ``package.module:NAME``.

Nothing here loads compiled code: a model's process starts at once.
"""

from pathlib import Path

import msgspec

from tapewire.bridge.model import StrategyBase
from tapewire.config.user_objects import UserModule, load_place, split_kind
from tapewire.config.wording import suggest
from tapewire.errors import ConfigError


def find_model(kind: str, base: Path) -> type[StrategyBase]:
    """Load a model's class.

    Parameters
    ----------
    kind
        ``path/to/file.py:NAME`` or ``package.module:NAME``; of a file with one model, its path.
    base
        Folder that relative paths and modules are looked for in.

    Raises
    ------
    ConfigError
        If there is none, or its file can't be loaded.
    """
    place, name = split_kind(kind)
    if not place.endswith(".py") and not name:
        raise ConfigError(
            f"expected a model as file.py:NAME or package.module:NAME, found {kind!r}"
        )
    there = load_place(place, base)
    names = _models_in(there)
    if not name:
        if len(names) != 1:
            listed = f"found {len(names)}: {', '.join(names)}" if names else "found none"
            raise ConfigError(
                f"{there.place}: expected one subclass of tapewire.bridge.StrategyBase, {listed} "
                "(name one: file.py:NAME)"
            )
        name = names[0]
    value = there.get(name)
    if not _is_model(value):
        found = "nothing" if value is None else f"a {type(value).__name__}"
        raise ConfigError(
            f"{there.place}: expected a subclass of tapewire.bridge.StrategyBase under {name!r}, "
            f"found {found}; {suggest(name, names)}"
        )
    return value  # type: ignore[no-any-return]


def parameters_in(texts: list[str]) -> dict[str, object]:
    """Return the parameters of ``key=value``; a value is JSON, or else text.

    Raises
    ------
    ConfigError
        If one has no key.
    """
    parameters: dict[str, object] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key.isidentifier():
            raise ConfigError(f"-p: expected key=value, found {text!r}")
        try:
            parameters[key] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            parameters[key] = value
    return parameters


def _is_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, StrategyBase) and value is not StrategyBase


def _models_in(there: UserModule) -> list[str]:
    """Names of the models that a module defines."""
    module = there.module
    return sorted(
        name
        for name, value in vars(module).items()
        if _is_model(value) and value.__module__ == module.__name__
    )
