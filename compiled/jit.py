"""The one place where kernels are compiled, with the options all of them share.

What a user waits for on a first run is mostly what is made around kernels: an entry from Python
for each, machine code that nobody enters, and one copy per width, or literal value, of an integer a
kernel is called with. So the few that Python calls say so (``jit_entry``), the others are parts of
those (`tapewire.compiled.parts`), and all take integers from other kernels as 64 bits. This hangs
on how numba works inside; tests/unit/test_jit.py holds what is expected of it.
"""

import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import numba
import numpy as np
from numba import types
from numba.core.registry import CPUDispatcher
from numba.np import linalg

from tapewire.compiled.kernel_cache import BOUNDSCHECK, CACHE_DIR, folder_of
from tapewire.compiled.parts import PartCompiler, WholeCompiler

__all__ = [
    "BOUNDSCHECK",
    "CACHE_DIR",
    "enable_caching_in",
    "entry_of",
    "is_helper",
    "jit",
    "jit_entry",
    "jit_helper",
    "jit_inline",
]

F = TypeVar("F", bound=Callable[..., Any])


def _leave_scipy_for_later() -> None:
    """Have numba load scipy when a kernel multiplies matrices; it does so with its own parts.

    That is a fifth of a second of every process where scipy is installed, and no kernel of ours
    needs it. A user's that does finds it, as its compiler asks again.
    """
    asked = linalg.ensure_blas
    linalg.ensure_blas = lambda: None
    try:
        from numba.np import arraymath
    finally:
        linalg.ensure_blas = asked
    arraymath._HAVE_BLAS = find_spec("scipy") is not None


_leave_scipy_for_later()

# For what a user has numba keep: whatever it reaches of ours counts.
numba.config.CACHE_DIR = str(folder_of(""))
_CACHING: Final = threading.Lock()


class _Kernel(CPUDispatcher):  # type: ignore[misc]
    """A kernel, compiled once per kinds of records it is called with by others."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        _, given = self._compiler.fold_argument_types(args, kws)
        return super().get_call_template(tuple(_widened(kind) for kind in given), {})


class _Inner(_Kernel):
    """A kernel that only kernels call: no machine code of its own, and nothing to keep."""

    def add_overload(self, compiled: Any) -> None:
        # Where a call from Python looks, there is nothing: it ends in the method below.
        self.overloads[tuple(compiled.signature.args)] = compiled

    def _compile_for_args(self, *args: Any, **kws: Any) -> NoReturn:
        raise TypeError(
            f"{self.py_func.__module__}.{self.py_func.__name__} is for kernels alone: compile it "
            "with jit_entry to call it from Python"
        )


class _Helper(_Kernel):
    """A kernel that is kept with those that call it."""


def _widened(kind: Any) -> Any:
    """Return the type an argument arrives as: int64 for every integer but an unsigned word."""
    if isinstance(kind, types.StarArgTuple | types.StarArgUniTuple):
        return types.StarArgTuple.from_types(tuple(_widened(item) for item in kind))
    kind = types.unliteral(kind)
    if isinstance(kind, types.Integer) and kind != types.uint64:
        return types.int64
    return kind


def enable_caching_in(folder: Path, compiled: Any) -> None:
    """Have numba keep what becomes of something to be compiled in a folder.

    It looks up the folder in a setting of the whole process, at this moment alone.
    """
    with _CACHING:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)
        try:
            compiled.enable_caching()
        finally:
            numba.config.CACHE_DIR = before


def _compiled(function: F, kind: type[_Kernel], *, inline: bool = False) -> F:
    is_part = kind is _Inner
    options = {
        "nopython": True,
        "nogil": True,
        "boundscheck": BOUNDSCHECK,
        "forceinline": inline,
        "no_cpython_wrapper": is_part,
        "no_cfunc_wrapper": True,
    }
    compiler = PartCompiler if is_part else WholeCompiler
    compiled: Any = kind(function, targetoptions=options, pipeline_class=compiler)
    result: F = compiled
    return result


def jit_entry(function: F) -> F:
    """Compile a kernel that Python calls: no Python objects, cached, no fastmath, GIL released."""
    compiled = _compiled(function, _Kernel)
    enable_caching_in(folder_of(function.__module__), compiled)
    return compiled


def entry_of(kernel: Callable[..., Any], array: np.dtype[Any] | None = None) -> Callable[..., Any]:
    """The shortest way into a ``jit_entry`` kernel of int64 arguments: 0.1 µs instead of 0.17.

    The last argument may be a contiguous array of a dtype. Arguments go by position, and nothing
    is looked at: whoever calls answers for their types.
    """
    dispatcher: Any = kernel
    signature: tuple[Any, ...] = (types.int64,) * dispatcher.py_func.__code__.co_argcount
    if array is not None:
        signature = (*signature[:-1], types.Array(numba.from_dtype(array), 1, "C"))
    dispatcher.compile(signature)
    entry: Callable[..., Any] = dispatcher.overloads[signature].entry_point
    return entry


def jit(function: F) -> F:
    """Compile a kernel that other kernels call, and Python can't: with them, and kept with them."""
    return _compiled(function, _Inner)


def jit_inline(function: F) -> F:
    """Compile a small kernel into its callers: for what the hot loop does per event."""
    return _compiled(function, _Inner, inline=True)


def jit_helper(function: F) -> F:
    """Compile a function that kernels and Python call, without a cache: its callers have one."""
    return _compiled(function, _Helper)


def is_helper(value: object) -> bool:
    """Whether an object is what `jit_helper` returns."""
    return isinstance(value, _Helper)
