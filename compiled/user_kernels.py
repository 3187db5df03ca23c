"""A user's functions on their way to machine code: helpers, a place for it, what is wrong in words.

What machine code depends on is all that a function reaches: its own files and, of the functions and
constants that it and its helpers name, the code and the values. Kernels of a user are kept in a
folder named by a hash of that, so that a changed helper or constant is never missed.
"""

import difflib
import dis
import hashlib
import inspect
import linecache
import os
import re
import shutil
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import EnumMeta
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numba.core.caching import NullCache
from numba.core.ccallback import CFunc
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from tapewire.compiled.jit import enable_caching_in, is_helper, jit_helper
from tapewire.compiled.kernel_cache import CACHE_DIR, SOURCES_KEY
from tapewire.compiled.user_sources import is_tapewire, key_of

#: Folders of users' kernels that are kept; the ones unused for longest go.
FOLDERS_MAX: Final = 2_000
_LATER: Final = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
F = TypeVar("F", bound=Callable[..., Any])


class KernelFault(Exception):
    """A user's function can't be compiled.

    Attributes
    ----------
    file, line
        Where, as the user wrote it.
    reason : str
        Why, in one line.
    """

    def __init__(self, file: str, line: int, reason: str) -> None:
        super().__init__(file, line, reason)
        self.file, self.line, self.reason = file, line, reason

    def __str__(self) -> str:
        source = linecache.getline(self.file, self.line).strip()
        shown = f", in: {source}" if source else ""
        return f"{self.file}:{self.line}: {self.reason}{shown}"


def jit(function: F) -> F:
    """Compile a helper of a user's own, which hooks and Python may call.

    It has no cache of its own: the hooks that call it have it in theirs.
    """
    return jit_helper(function)


def is_users(function: Callable[..., Any]) -> bool:
    """Whether a function is none of Tapewire's own."""
    return not is_tapewire(Path(function.__code__.co_filename))


class UserKernel:
    """A user's function as it is compiled.

    Attributes
    ----------
    function
        It, with plain functions that it calls compiled, too.
    cached : bool
        Whether machine code is kept: not where no file holds the function.
    folder : Path
        Where it is kept.

    Raises
    ------
    KernelFault
        If it does not take the arguments that it is called with, or is a generator.
    """

    def __init__(self, function: Any, records: Sequence[np.dtype[Any]], words: int) -> None:
        self._records = records
        self._digest = hashlib.sha256(SOURCES_KEY.encode())
        self._seen: dict[int, Any] = {}
        self._functions: list[types.FunctionType] = []
        code = function.__code__
        wanted = len(records) + words
        if code.co_argcount != wanted or code.co_flags & _LATER:
            what = f"found {code.co_argcount} of them" if code.co_argcount != wanted else (
                "found a generator or coroutine"
            )  # fmt: skip
            reason = f"expected a function of {wanted} arguments, {what}"
            raise KernelFault(code.co_filename, code.co_firstlineno, reason)
        path = Path(code.co_filename)
        self.cached = path.is_file()
        if self.cached:
            self._add("sources", key_of(path))
        self.function = self._copy(function)
        self._fill(self.function)
        self.folder = CACHE_DIR / f"user-{self._digest.hexdigest()[:16]}"

    # --- what it reaches --------------------------------------------------------------------------

    def _add(self, *words: object) -> None:
        self._digest.update("|".join(map(str, words)).encode(errors="surrogateescape") + b"\n")

    def _copy(self, function: types.FunctionType) -> types.FunctionType:
        """Return the function with globals of its own."""
        copy = types.FunctionType(
            function.__code__, dict(function.__globals__), function.__name__,
            function.__defaults__, function.__closure__,
        )  # fmt: skip
        copy.__qualname__, copy.__kwdefaults__ = function.__qualname__, function.__kwdefaults__
        return copy

    def _fill(self, function: types.FunctionType) -> None:
        """Note the function's code and all that it names; put compiled helpers in their places."""
        self._functions.append(function)
        names = self._note_code(function.__code__)
        self._add("defaults", function.__defaults__, function.__kwdefaults__)
        for cell in function.__closure__ or ():
            with suppress(ValueError):  # an empty cell is numba's to refuse
                self._reach("cell", cell.cell_contents, names)
        known = function.__globals__
        for name in sorted(names & known.keys()):
            known[name] = self._reach(name, known[name], names)

    def _note_code(self, code: types.CodeType) -> set[str]:
        self._add(code.co_name, code.co_code.hex(), code.co_varnames, code.co_names)
        names = set(code.co_names)
        for const in code.co_consts:
            if isinstance(const, types.CodeType):
                names |= self._note_code(const)
            else:
                self._add(type(const), repr(const))
        return names

    def _reach(self, name: str, value: Any, names: set[str]) -> Any:
        """Note what a name stands for; return it, compiled where it is a plain function."""
        if id(value) in self._seen:
            return self._seen[id(value)]
        self._add(name, type(value))
        plain = value.py_func if is_helper(value) else value
        if isinstance(plain, types.FunctionType) and is_users(plain) and not _is_known(plain):
            copy = self._copy(plain)
            self._seen[id(value)] = value = jit_helper(copy)
            self._fill(copy)
        elif isinstance(value, Dispatcher) and is_users(value.py_func):
            self._seen[id(value)] = value
            vars(value)["_cache"] = NullCache()  # it knows of its own file only
            self._fill(self._copy(value.py_func))
        elif isinstance(value, types.ModuleType) and not value.__name__.startswith("tapewire."):
            self._seen[id(value)] = value
            for attribute in sorted(names & vars(value).keys()):
                self._reach(f"{name}.{attribute}", getattr(value, attribute), names)
        elif isinstance(value, np.ndarray):
            self._add(value.dtype, value.shape, hashlib.sha256(value.tobytes()).hexdigest())
        elif isinstance(value, EnumMeta):
            self._add(*map(repr, value))
        elif isinstance(value, _VALUES):
            self._add(repr(value))
        return value

    # --- what is kept, what is wrong --------------------------------------------------------------

    def compiled(self, signature: Any, options: Mapping[str, Any]) -> Any:
        """Compile or load it as a C function; numba keeps what it compiles in the folder.

        Raises
        ------
        KernelFault
            With the user's own line.
        """
        try:
            made = CFunc(self.function, (signature.args, signature.return_type), {}, dict(options))
            if self.cached:
                _make_room(self.folder)
                enable_caching_in(self.folder, made)
            made.compile()
        except Exception as error:
            raise self._fault(error) from None
        return made

    def _fault(self, error: Exception) -> KernelFault:
        if isinstance(error, KeyError) and error.args:  # how it tells of an unknown field
            name = str(error.args[0])
            fields = [field for record in self._records for field in record.names or ()]
            close = difflib.get_close_matches(name, fields, n=1)
            own = ", ".join((self._records[-1].names or ())[:_FIELDS_TOLD_MAX])
            hint = f"did you mean {close[0]!r}?" if close else f"the state has {own or 'none'}"
            return KernelFault(*self._line_naming(name), f"there is no field {name!r}, {hint}")
        return KernelFault(*self._line_of(error), reason_of(error))

    def _line_naming(self, name: str) -> tuple[str, int]:
        for function in self._functions:
            for step in dis.get_instructions(function):
                line = step.positions.lineno if step.positions is not None else None
                if step.argval == name and line is not None:
                    return function.__code__.co_filename, line
        return self._first_line()

    def _line_of(self, error: Exception) -> tuple[str, int]:
        files = {function.__code__.co_filename for function in self._functions}
        for place in re.finditer(_PLACE, str(error)):
            file = place["file"] or place["at"]
            line = int(place["line"] or place["at_line"])
            path = str(Path(file).resolve())
            for known in files:
                if file == known or path == str(Path(known).resolve()):
                    return known, line
        where = getattr(error, "loc", None)
        if where is not None and where.filename in files:
            return where.filename, where.line
        return self._first_line()

    def _first_line(self) -> tuple[str, int]:
        code = self._functions[0].__code__
        return code.co_filename, code.co_firstlineno


_VALUES: Final = (
    tuple, list, dict, set, frozenset, np.generic, np.dtype, int, float, complex, str, bytes,
    type(None),
)  # fmt: skip
_PLACE: Final = r'File "(?P<file>[^"]+)", line (?P<line>\d+)|(?P<at>/[^()\n]+) \((?P<at_line>\d+)\)'
_FIELDS_TOLD_MAX: Final = 20


def reason_of(error: Exception) -> str:
    """Return what numba objects to, in one line."""
    text = _without_records(re.sub(r"\x1b\[\d+m", "", str(error)))
    text = re.sub(r"Literal\[(\w+)\]\((.*?)\)", r"\1 \2", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Failed in ", "During:"))] or [""]
    first = lines[0]
    if first.startswith("No implementation of function") and len(lines) > 1:
        first = f"there is no {lines[1].removeprefix('>>>').strip()}"
    untyped = re.match(r"Untyped global name '(\w+)'.*'function'", first)
    if untyped:
        first = f"{untyped[1]} is a plain function: decorate it with tapewire.jit"
    first = re.sub(r"\.* Raised from .*$", "", first)
    first = re.sub(r", defined at .*$|: %.*$|\.$", "", first)
    first = re.sub(r"No conversion from (.*) to none for .*", r"a hook returns nothing", first)
    if re.match(r"[A-Z][a-z]* ", first):
        first = first[0].lower() + first[1:]
    return first or type(error).__name__


def _without_records(text: str) -> str:
    """Leave out what records consist of, which numba writes out in full."""
    while (start := text.find("Record(")) >= 0:
        end, depth = start + len("Record("), 1
        while depth and end < len(text):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        text = f"{text[:start]}record{text[end:]}"
    return text


def _is_known(function: types.FunctionType) -> bool:
    """Whether numba has a meaning of its own for a function."""
    try:
        cpu_target.typing_context.resolve_value_type(function)
    except (NumbaError, ValueError):
        return False
    return True


def _make_room(folder: Path) -> None:
    """Note that a folder is in use; for a new one, let go of those unused for longest."""
    with suppress(OSError):
        new = not folder.exists()
        folder.mkdir(mode=0o700, exist_ok=True)
        os.utime(folder)
        if not new:
            return
        folders = sorted(CACHE_DIR.glob("user-*"), key=lambda path: path.stat().st_mtime_ns)
        for old in folders[:-FOLDERS_MAX]:
            shutil.rmtree(old, ignore_errors=True)
