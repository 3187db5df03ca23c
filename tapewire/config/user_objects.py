"""From ``file.py:NAME`` or ``package.module:NAME`` to the module that holds what is meant."""

import sys
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tapewire.compiled.user_sources import is_tapewire, own_sources
from tapewire.config.user_modules import LoadError, load_file, load_installed
from tapewire.errors import ConfigError


@dataclass(frozen=True)
class UserModule:
    """A module of a user's own, loaded.

    Attributes
    ----------
    place : str
        What finds it from anywhere: the path of its file, or its dotted name.
    module : module
    sources : mapping of path to sha256
        The user's files that it consists of, its own first; none of an installed one of ours.
    """

    place: str
    module: types.ModuleType
    sources: Mapping[Path, str]

    def get(self, name: str) -> Any:
        """Return what it holds under a name, which may have dots; None if there is nothing."""
        value: Any = self.module
        for part in name.split("."):
            value = getattr(value, part, None)
        return value


def split_kind(kind: str) -> tuple[str, str]:
    """Split it into what holds the object, and its name; either may be empty."""
    place, _, name = kind.rpartition(":")
    return (kind, "") if kind.endswith(".py") or not place else (place, name)


def load_place(place: str, base: Path) -> UserModule:
    """Load a file, or a module by its dotted name.

    Parameters
    ----------
    place
        A path that ends in ``.py``, relative to ``base``; or a name, which is looked for in
        ``base``, then in the current folder, then among what is installed.

    Raises
    ------
    ConfigError
        If there is none, or it can't be loaded.
    """
    if place.endswith(".py"):
        return _file((base / Path(place).expanduser()).absolute())
    parts = place.split(".")
    if not all(part.isidentifier() for part in parts):
        raise ConfigError(f"expected a module as in package.module:NAME, found {place!r}")
    if parts[0] not in sys.stdlib_module_names and parts[0] != "tapewire":
        for root in dict.fromkeys((base.absolute(), Path.cwd())):
            file = root.joinpath(*parts)
            for path in (file.with_name(f"{file.name}.py"), file / "__init__.py"):
                if path.is_file():
                    return _file(path)
    try:
        module = load_installed(place)
    except LoadError as error:
        raise ConfigError(f"{place} can't be loaded: {error}") from None
    path = Path(module.__file__ or "")
    sources = own_sources(path) if path.suffix == ".py" and not is_tapewire(path) else {}
    return UserModule(place, module, sources)


def _file(path: Path) -> UserModule:
    if not path.is_file():
        raise ConfigError(f"expected a file of Python, found nothing at {path}")
    sources = own_sources(path)
    if not sources:
        raise ConfigError(f"{path} can't be read")
    try:
        module = load_file(path, sources)
    except LoadError as error:
        raise ConfigError(f"{path.name} can't be loaded: {error}") from None
    return UserModule(str(path), module, sources)
