"""Functions that come with a definition: compiled alone, called by address or inline by number."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.ccallback import CFunc
from numba.extending import intrinsic

from tapewire.compiled.jit import BOUNDSCHECK, enable_caching_in, jit_inline
from tapewire.compiled.kernel_cache import folder_of
from tapewire.compiled.memory import accessor
from tapewire.compiled.user_kernels import UserKernel, is_users

#: In the place of a number of a built-in kernel: the one at the address.
BY_ADDRESS: Final = -1


def address_of_hook(hook: Callable[..., None], *records: np.dtype[Any]) -> int:
    """Compile ``hook(record, …)`` to a C function of pointers to records; return its address.

    Raises
    ------
    KernelFault
        If it is a user's and can't be compiled.
    """
    return int(_compiled(hook, records, None).address)


def address_of_kernel(kernel: Callable[..., int], state: np.dtype[Any], words: int) -> int:
    """Compile ``kernel(state, …)``, of a record and that many int64, to a C function; its address.

    It returns an int64.
    """
    return int(_compiled(kernel, (state,), words).address)


# Machine code lives as long as what is kept here, for an address keeps nothing alive. It is kept by
# dtypes: making numba's types anew took half a millisecond for each strategy of a run.
@cache
def _compiled(
    function: Callable[..., Any], records: tuple[np.dtype[Any], ...], words: int | None
) -> Any:
    arguments = [numba.from_dtype(record) for record in records] + [types.int64] * (words or 0)
    signature = (types.void if words is None else types.int64)(*arguments)
    # Division by zero follows IEEE, because an exception can't leave a callback.
    options = {"error_model": "numpy", "boundscheck": BOUNDSCHECK}
    if is_users(function):
        return UserKernel(function, records, words or 0).compiled(signature, options)
    # An exact signature and a cached function: loading it in a new process takes milliseconds.
    made = CFunc(function, (signature.args, signature.return_type), {}, options)
    enable_caching_in(folder_of(function.__module__), made)
    made.compile()
    return made


def _call_hook(typingctx: Any, address: Any, context_address: Any, state_address: Any) -> Any:
    """Call ``void hook(CONTEXT *, STATE *)`` at a machine address; about 3 ns."""
    signature = types.void(types.int64, types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        function_type = ir.FunctionType(ir.VoidType(), [word, word])
        pointer = builder.inttoptr(args[0], function_type.as_pointer())
        builder.call(pointer, [args[1], args[2]])
        return context.get_dummy_value()

    return signature, codegen


call_hook: Any = intrinsic(_call_hook)


def _call_kernel(typingctx: Any, address: Any, state_address: Any, words: Any) -> Any:
    """Call ``int64 kernel(STATE *, int64 …)`` at a machine address, with a tuple of the words."""
    signature = types.int64(types.int64, types.int64, words)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        given = [
            context.cast(builder, builder.extract_value(args[2], k), kind, types.int64)
            for k, kind in enumerate(signature.args[2])
        ]
        function_type = ir.FunctionType(word, [word] * (1 + len(given)))
        pointer = builder.inttoptr(args[0], function_type.as_pointer())
        return builder.call(pointer, [args[1], *given])

    return signature, codegen


_call_kernel_at: Any = intrinsic(_call_kernel)


def switch(kernels: Sequence[tuple[Callable[..., int], np.dtype[Any]]]) -> Any:
    """Make ``ask(number, address, state, *words)``: one of the kernels inline, or one by address.

    Parameters
    ----------
    kernels : sequence of (function, dtype of its state)
        Each is called as ``kernel(state record, *words)``, words being int64, and returns an int64.
        What is there several times is compiled once.

    Returns
    -------
    jitted function of (number, address, state, *words)
        ``number`` is a position in ``kernels``, or ``BY_ADDRESS``; ``state`` an address.
    """
    ask: Any = _ask_by_address
    numbers: dict[tuple[Callable[..., int], np.dtype[Any]], tuple[int, ...]] = {}
    for number, one in enumerate(kernels):
        numbers[one] = (*numbers.get(one, ()), number)
    for (kernel, state), chosen in reversed(numbers.items()):
        ask = _ask_built_in(chosen, jit_inline(kernel), accessor(state, in_block=False), ask)
    return ask


@jit_inline
def _ask_by_address(number: int, address: int, state: int, *words: int) -> Any:
    """None of the kernels that are built in: the one at the address."""
    return _call_kernel_at(address, state, words)


def _ask_built_in(numbers: tuple[int, ...], kernel: Any, state_at: Any, otherwise: Any) -> Any:
    def ask(chosen: int, address: int, state: int, *words: int) -> Any:
        if chosen in numbers:
            return kernel(state_at(state, 0), *words)
        return otherwise(chosen, address, state, *words)

    return jit_inline(ask)
