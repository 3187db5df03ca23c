"""Loads a user's own file as a module, beside anything else of the same name.

Each file gets a package of its own, named by its path and the content of all it consists of. What
it imports from beside it is found there, and nowhere else: helpers of one name in two folders are
two modules, no name of the standard library is taken by a file that lies about, and a file that has
changed is loaded anew while what was loaded before goes on as it was.
"""

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
import threading
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tapewire.compiled.user_sources import (
    digest_of,
    is_tapewire,
    note_loaded,
    owner_of,
    roots_of,
)

_PREFIX: Final = "tapewire_user_"
_LOCK: Final = threading.RLock()
_packages: Final[dict[str, tuple[Path, ...]]] = {}  # folders that each imports from


class LoadError(Exception):
    """A user's file can't be loaded; the text says where and why."""


def load_file(path: Path, sources: Mapping[Path, str]) -> types.ModuleType:
    """Return the module that a file is; loaded once as long as none of its sources changes.

    Raises
    ------
    LoadError
        With the line of the user's own that failed.
    """
    package = _PREFIX + digest_of(sources)
    roots = roots_of(path)
    name = _module_name(package, path, roots)
    with _LOCK:
        there = sys.modules.get(name)
        if there is not None:
            return there
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder())
        _packages[package] = roots
        note_loaded(sources)
        return _guarded(lambda: _load(package, name, path, roots), path, sources)


def load_installed(name: str) -> types.ModuleType:
    """Import a module by its name.

    Raises
    ------
    LoadError
        With the line that failed, or saying that there is none.
    """
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        raise LoadError(f"no module named {name!r} here, beside the configuration or installed")
    return _guarded(lambda: importlib.import_module(name), None, ())


def _module_name(package: str, path: Path, roots: tuple[Path, ...]) -> str:
    parts = path.with_suffix("").relative_to(roots[-1]).parts
    if len(parts) > 1 and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join([package, *(re.sub(r"\W", "_", part) for part in parts)])


def _load(package: str, name: str, path: Path, roots: tuple[Path, ...]) -> types.ModuleType:
    holder = types.ModuleType(package)
    holder.__path__ = [str(root) for root in roots]
    sys.modules[package] = holder
    try:
        if len(roots) > 1:  # its packages come first, so that it can import relative to them
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(name, path, loader=_Loader(name, str(path)))
        assert spec is not None, "the loader is given"
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        assert spec.loader is not None, "the loader is given"
        spec.loader.exec_module(module)
    except BaseException:
        for loaded in [key for key in sys.modules if key.partition(".")[0] == package]:
            del sys.modules[loaded]
        raise
    return sys.modules[name]


class _Loader(importlib.machinery.SourceFileLoader):
    """Runs a file whose imports look beside it first; compiled afresh, for dates of files lie."""

    def path_stats(self, path: Any) -> Mapping[str, Any]:
        raise OSError  # no compiled file is read or written

    def exec_module(self, module: types.ModuleType) -> None:
        package = module.__name__.partition(".")[0]
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(package)}
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of users' packages."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] not in _packages:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(fullname, str(spec.origin))
        return spec


def _importer(package: str) -> Callable[..., Any]:
    """Make what an import statement of a package's modules calls."""
    roots = _packages[package]

    def import_(
        name: str,
        globals: Any = None,
        locals: Any = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        top = name.partition(".")[0]
        if level or owner_of(top, roots) is None:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        found = builtins.__import__(f"{package}.{name}", globals, locals, fromlist or (), 0)
        return found if fromlist else sys.modules[f"{package}.{top}"]

    return import_


# --- what went wrong ------------------------------------------------------------------------------


def _guarded(
    load: Callable[[], types.ModuleType], path: Path | None, sources: Any
) -> types.ModuleType:
    try:
        return load()
    except (Exception, SystemExit) as error:
        raise LoadError(fault_of(error, path, sources)) from None


def fault_of(error: BaseException, path: Path | None, sources: Any = ()) -> str:
    """Say what a user's code raised: its own line, the kind of error and its text."""
    if isinstance(error, SyntaxError) and error.filename:
        line = (error.text or "").strip()
        return f"{error.filename}:{error.lineno}: {error.msg}" + (f": {line}" if line else "")
    text = re.sub(rf"{_PREFIX}[0-9a-f]{{16}}\.", "", str(error))
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    where = _line_of(error, {str(source) for source in sources})
    return f"{where or path}: {what}" if where or path else what


def _line_of(error: BaseException, own: set[str]) -> str | None:
    """Return the innermost line of the user's own; where its files aren't known, of nobody's."""
    where, trace = None, error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name in own or (not own and _is_anybodys(name)):
            where = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return where


def _is_anybodys(name: str) -> bool:
    return not (name.startswith("<") or is_tapewire(Path(name)) or name == importlib.__file__)
