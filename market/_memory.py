"""Blocks of records that kernels reach by address.

A kernel argument that is an array costs a good part of a microsecond per call and travels as seven
words through every helper. A block is one integer instead: the address of its first record. The
kernels get one state record full of such addresses, and ``at(base, i)`` is a single address
computation. With ``NUMBA_BOUNDSCHECK=1`` the same call checks ``i`` against the capacity, which is
kept in the eight bytes before the block.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import from_dtype, types
from numba.extending import intrinsic

from .jit import BOUNDSCHECK

_ALIGN: Final = 64


class Block:
    """A growable, 64-byte aligned block of fixed-width records with a stable address per size."""

    def __init__(self, dtype: np.dtype[Any], capacity: int) -> None:
        self.dtype = dtype
        self.capacity = 0
        self._owner: npt.NDArray[np.uint8]
        self.records: npt.NDArray[Any]
        self.address = 0
        self._allocate(capacity)

    def _allocate(self, capacity: int) -> None:
        owner = np.zeros(capacity * self.dtype.itemsize + 2 * _ALIGN, np.uint8)
        start = int(owner.ctypes.data)
        offset = _ALIGN - start % _ALIGN if start % _ALIGN else _ALIGN
        owner[offset - 8 : offset].view(np.int64)[0] = capacity
        self._owner, self._offset, self.capacity = owner, offset, capacity
        self.records = np.ndarray((capacity,), self.dtype, owner.data, offset)
        self.address = start + offset

    def grow(self, capacity: int) -> None:
        """Move to a larger block; the old address is no longer valid."""
        old = self.records
        self._allocate(capacity)
        self.records[: old.size] = old

    def copy_of_first(self, n: int) -> npt.NDArray[Any]:
        """Return a copy of the first ``n`` records, made as bytes: numpy copies field by field."""
        end = self._offset + n * self.dtype.itemsize
        return self._owner[self._offset : end].copy().view(self.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes held, header included."""
        return int(self._owner.nbytes)


def accessor(dtype: np.dtype[Any], *, in_block: bool = True) -> Any:
    """Make ``at(base, i)``: a reference to the ``i``-th record, to be read and assigned through.

    ``in_block=False`` is for memory that is not a ``Block``, such as a batch of market records:
    there is no capacity before it to check against.
    """
    kind = from_dtype(dtype)
    size = dtype.itemsize
    if not isinstance(kind, types.Record):
        raise TypeError(f"expected a structured dtype, found {dtype}")

    @intrinsic
    def at(typingctx, base, index):  # type: ignore[no-untyped-def]
        signature = kind(types.int64, types.int64)

        def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
            base_value, i = args
            word = ir.IntType(64)
            if BOUNDSCHECK and in_block:
                header = builder.sub(base_value, ir.Constant(word, 8))
                capacity = builder.load(builder.inttoptr(header, word.as_pointer()))
                bad = builder.icmp_unsigned(">=", i, capacity)
                with builder.if_then(bad, likely=False):
                    context.call_conv.return_user_exc(
                        builder, IndexError, ("block index is out of bounds",)
                    )
            address = builder.add(base_value, builder.mul(i, ir.Constant(word, size)))
            return builder.inttoptr(address, context.get_value_type(kind))

        return signature, codegen

    return at
