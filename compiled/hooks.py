"""Calling a strategy's compiled functions by address."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


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
