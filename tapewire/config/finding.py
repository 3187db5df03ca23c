"""From the ``type`` of a strategy to its definition: one that comes along, or a user's own.

``name``
    One of `tapewire.strategies.STRATEGIES`.
``package.module:NAME``
    Looked for beside the configuration, then in the current folder, then among what is installed.
``path/to/file.py:NAME``
    Relative to the configuration's folder; without ``:NAME`` its only strategy.
``path/to/file.json``
    A strategy declared as data, relative to the configuration's folder: its rules are interpreted.

``NAME`` is a `StrategyDefinition` or a class with a ``definition()``. A strategy may also be given
as such an object, from Python.
"""

import sys
import sysconfig
import threading
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.compiled.user_sources import digest_of, own_sources
from tapewire.config.user_modules import fault_of
from tapewire.config.user_objects import UserModule, load_place, split_kind
from tapewire.config.wording import close_name, suggest
from tapewire.errors import ConfigError, TapewireError

if TYPE_CHECKING:
    from tapewire.strategies import StrategyDefinition

_YOURS: Final = "one of your own is file.py:NAME, package.module:NAME or declared in file.json"
#: How files of strategies that are declared as data end.
DECLARED: Final = ".json"


@dataclass(frozen=True)
class FoundStrategy:
    """A strategy by its type.

    Attributes
    ----------
    kind : str
        The type as it is found from anywhere.
    definition : StrategyDefinition
    sources : mapping of path to sha256
        The user's files that it consists of, its own first; none for one that comes along, and for
        an object of no file.
    """

    kind: str
    definition: "StrategyDefinition"
    sources: Mapping[Path, str] = field(default_factory=dict)


# What was loaded last under a type, and what was given as an object.
_loaded: Final[dict[str, FoundStrategy]] = {}
_given: Final[dict[str, tuple[object, FoundStrategy]]] = {}
_LOCK: Final = threading.RLock()


def find_strategy(kind: str) -> "StrategyDefinition":
    """Return the definition of a strategy's type, as a checked configuration has it.

    Raises
    ------
    ConfigError
        If there is none, or its file can't be loaded.
    """
    return found_strategy(kind).definition


def found_strategy(kind: str) -> FoundStrategy:
    """Return what `find_strategy` finds, with the files that it comes from."""
    there = known_strategy(kind)
    return there if there is not None else load_strategy(kind, Path.cwd())


def known_strategy(kind: object) -> FoundStrategy | None:
    """Return a strategy without loading any file: None where it was not loaded yet."""
    from tapewire.strategies import STRATEGIES

    if not isinstance(kind, str):
        return None
    if kind in STRATEGIES:
        return FoundStrategy(kind, STRATEGIES[kind])
    return _loaded.get(kind)


def load_strategy(kind: str, base: Path) -> FoundStrategy:
    """Find a strategy, load its file unless that was done already, and remember it.

    Parameters
    ----------
    kind
        The type as a configuration says it.
    base
        Folder that relative paths and modules are looked for in.

    Raises
    ------
    ConfigError
        If there is none, or its file can't be loaded; the text is about the type alone.
    """
    from tapewire.strategies import STRATEGIES

    if kind in STRATEGIES:
        return FoundStrategy(kind, STRATEGIES[kind])
    place, name = split_kind(kind)
    with _LOCK:
        given = _given.get(kind)
        if given is not None and _is_as_given(given[1]):
            found = given[1]
        elif kind.endswith(DECLARED):
            found = _declared(base / Path(kind).expanduser())
        elif place.endswith(".py") or name:
            found = _load(place, name, base)
        else:
            yours = "" if close_name(kind, STRATEGIES) else f" ({_YOURS})"
            raise ConfigError(f"unknown strategy {kind!r}, {suggest(kind, STRATEGIES)}{yours}")
        _loaded[found.kind] = found
    return found


def absolute_kind(kind: str) -> str:
    """Return a type whose file is relative to the current folder with the path in full."""
    place, name = split_kind(kind)
    if kind.endswith(DECLARED):
        return str(Path(kind).expanduser().absolute())
    if not place.endswith(".py"):
        return kind
    path = str(Path(place).expanduser().absolute())
    return f"{path}:{name}" if name else path


def short_name(kind: object) -> str | None:
    """Return the ``NAME`` of a type that has one."""
    return split_kind(kind)[1] or None if isinstance(kind, str) else None


def _declared(path: Path) -> FoundStrategy:
    """Read a strategy declared as data; the file is all that it consists of."""
    from tapewire.candles.rules import load_strategy as read
    from tapewire.generator.tape import declared_definition

    place = path.absolute()
    return FoundStrategy(str(place), declared_definition(read(place)), own_sources(place))


def _load(place: str, name: str, base: Path) -> FoundStrategy:
    if "<locals>" in name or place == "__main__" or "#" in name:
        raise ConfigError(
            f"{place}:{name} was given to tapewire.run as an object, from a notebook, a script or "
            f"a function, and is in no file that can be loaded; {_YOURS}"
        )
    there = load_place(place, base)
    name, definition = _named(there, name)
    return FoundStrategy(f"{there.place}:{name}", definition, there.sources)


# --- what is a strategy ---------------------------------------------------------------------------


def is_strategy(value: object) -> bool:
    """Whether an object is a definition, or a class that has one."""
    from tapewire.strategies import StrategyDefinition

    if isinstance(value, type):
        return isinstance(getattr(value, "definition", None), types.MethodType)
    return isinstance(value, StrategyDefinition)


def _defined(value: Any, where: str, sources: Mapping[Path, str]) -> "StrategyDefinition":
    if not isinstance(value, type):
        return value  # type: ignore[no-any-return]
    try:
        return value.definition()  # type: ignore[attr-defined, no-any-return]
    except TapewireError as error:
        raise ConfigError(f"{where}: {error}") from None
    except Exception as error:
        path = next(iter(sources), None)
        raise ConfigError(f"{where}: {fault_of(error, path, sources)}") from None


def _named(there: UserModule, name: str) -> tuple[str, "StrategyDefinition"]:
    """Return the strategy of a name in a module, without one its only strategy; and the name."""
    names = strategies_in(there.module)
    place = there.place
    if not name:
        if len(names) != 1:
            listed = f"found {len(names)}: {', '.join(names)}" if names else "found none"
            raise ConfigError(f"{place}: expected one strategy, {listed} (name one: file.py:NAME)")
        name = names[0]
    value = there.get(name)
    if not is_strategy(value):
        what = f"no strategy {name!r}" if value is None else f"a {type(value).__name__} of the name"
        hint = f"{name!r}, found {what}; {suggest(name, names)}"
        raise ConfigError(f"{place}: expected a strategy {hint}")
    return name, _defined(value, f"{place}:{name}", there.sources)


def strategies_in(module: types.ModuleType) -> list[str]:
    """Names of the strategies that a module defines, those that come along left out."""
    from tapewire.strategies import STRATEGIES

    names: dict[int, str] = {}
    built_in = {id(definition) for definition in STRATEGIES.values()}
    for name, value in vars(module).items():
        if not is_strategy(value) or id(value) in built_in:
            continue
        if isinstance(value, type) and value.__module__ != module.__name__:
            continue
        names.setdefault(id(value), name)
    return sorted(names.values())


# --- given as objects -----------------------------------------------------------------------------


def give_strategy(value: Any) -> str:
    """Take a definition or a class as it is, from Python; return the type that stands for it.

    The type names its module or file where that holds just this object, so that the configuration
    of a run finds it again; elsewhere it stands for it in this process alone.
    """
    from tapewire.strategies import STRATEGIES

    definition = _defined(value, getattr(value, "__qualname__", "strategy"), {})
    for name, there in STRATEGIES.items():
        if there is definition:
            return name
    module_name, name = _home(value, definition)
    module = sys.modules.get(module_name)
    path = Path(getattr(module, "__file__", None) or "")
    with _LOCK:
        kind, sources = f"{module_name}:{name}", {}
        if _holds(module, name, value) and module_name != "__main__" and path.suffix == ".py":
            sources = own_sources(path)
            if not _is_installed(path):
                kind = f"{path}:{name}"
        if not sources:
            kind = _free(kind, value)
        _given[kind] = (value, FoundStrategy(kind, definition, sources))
    return kind


def _home(value: Any, definition: "StrategyDefinition") -> tuple[str, str]:
    """Module and name of what was given, as far as it can tell."""
    if isinstance(value, type):
        return value.__module__, value.__qualname__
    functions = (*definition.hooks, definition.prepare)
    hook = next((function for function in functions if function is not None), None)
    module = getattr(hook, "__module__", None) or "__main__"
    held = vars(sys.modules[module]) if module in sys.modules else {}
    return module, next((name for name, there in held.items() if there is value), definition.name)


def _holds(module: types.ModuleType | None, name: str, value: object) -> bool:
    """Whether loading a module's file again would give this object under the name."""
    there: Any = module
    for part in name.split("."):
        there = getattr(there, part, None)
    if there is not value or module is None:
        return False
    try:
        path = getattr(module, "__file__", None) or ""  # __main__ of a notebook has none
        code = compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return False
    in_file = _codes(code)
    held = vars(value).values() if isinstance(value, type) else getattr(value, "hooks", ())
    return all(
        function.__code__ in in_file
        for function in (getattr(one, "__func__", one) for one in held)
        if isinstance(function, types.FunctionType) and function.__code__.co_filename == path
    )


def _codes(code: types.CodeType) -> set[types.CodeType]:
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return {code}.union(*map(_codes, inner))


def _is_installed(path: Path) -> bool:
    folders = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    return any(path.is_relative_to(folder) for folder in folders if folder)


def _free(kind: str, value: object) -> str:
    """Return a type that no other object has."""
    text, count = kind, 1
    while text in _given and _given[text][0] is not value:
        count += 1
        text = f"{kind}#{count}"
    return text


def _is_as_given(found: FoundStrategy) -> bool:
    """Whether the files of what was given are still what they were then."""
    path = next(iter(found.sources), None)
    return path is None or digest_of(own_sources(path)) == digest_of(found.sources)
