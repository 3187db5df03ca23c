"""The one place where kernels are compiled, with the options all of them share."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np

from tapewire.compiled.kernel_cache import BOUNDSCHECK, CACHE_DIR

__all__ = ["BOUNDSCHECK", "CACHE_DIR", "jit", "jit_inline", "jit_into", "word"]

F = TypeVar("F", bound=Callable[..., Any])

numba.config.CACHE_DIR = str(CACHE_DIR)


def jit(function: F) -> F:
    """Compile a kernel: no Python objects, no allocation, cached, no fastmath, GIL released."""
    compiled: F = numba.njit(cache=True, nogil=True, boundscheck=BOUNDSCHECK)(function)
    return compiled


def jit_inline(function: F) -> F:
    """Compile a small kernel into its callers: for what the hot loop does per event."""
    compiled: F = numba.njit(cache=True, nogil=True, boundscheck=BOUNDSCHECK, forceinline=True)(
        function
    )
    return compiled


def jit_into(function: F) -> F:
    """Compile a function into its callers alone: one made by another can't be cached by itself."""
    compiled: F = numba.njit(nogil=True, boundscheck=BOUNDSCHECK, forceinline=True)(function)
    return compiled


def word(value: int) -> Any:
    """Make a constant for kernels that is passed on as a plain 64-bit integer.

    A literal would have numba compile every function it is handed to once per value.
    """
    return np.int64(value)
