"""Blocks of records that kernels reach by address.

A kernel argument that is an array costs a good part of a microsecond per call and travels as seven
words through every helper. A block is one integer instead: the address of its first record. The
kernels get one state record full of such addresses, and ``at(base, i)`` is a single address
computation. With ``NUMBA_BOUNDSCHECK=1`` the same call checks ``i`` against the capacity, which is
kept in the eight bytes before the block.
"""

import sys
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import from_dtype, types
from numba.core import cgutils
from numba.extending import intrinsic

from tapewire.compiled.jit import BOUNDSCHECK

_ALIGN: Final = 64
#: From 4 MiB on numpy asks for huge pages; larger ones would be held whole by a few late copies.
_CHUNK_BYTES: Final = 4 << 20
_CHUNKS_KEPT: Final = 12
#: Of an array that nobody else holds, as ``sys.getrefcount`` counts: a name and an argument.
_REFERENCES_HERE: Final = 2


def offset_of(dtype: np.dtype[Any], field: str) -> int:
    """Bytes from the beginning of a record to one of its fields."""
    fields = dtype.fields
    if fields is None:
        raise TypeError(f"expected a structured dtype, found {dtype}")
    return int(fields[field][1])


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

    def bytes_of_first(self, n: int) -> npt.NDArray[np.uint8]:
        """Return the bytes of the first ``n`` records."""
        return self._owner[self._offset : self._offset + n * self.dtype.itemsize]

    @property
    def nbytes(self) -> int:
        """Bytes held, header included."""
        return int(self._owner.nbytes)


class Copies:
    """Copies of the first records of a block, side by side in large chunks.

    Rows that are kept for long need new memory all the time, which a system gives page by page and
    slowly. So a chunk is used again as soon as nobody holds a copy in it, and ``touch`` gets the
    first one its memory ahead of time. Copied are bytes: numpy copies records field by field.
    """

    def __init__(self, block: Block) -> None:
        self._block = block
        self._chunks: list[npt.NDArray[np.uint8]] = []
        self._used = 0

    def take(self, n: int) -> npt.NDArray[Any]:
        """Return a copy of the block's first ``n`` records, left alone while anybody holds it."""
        size = n * self._block.dtype.itemsize
        if not self._chunks or self._used + size > self._chunks[-1].size:
            self._next_chunk(size)
        chunk, used = self._chunks[-1], self._used
        chunk[used : used + size] = self._block.bytes_of_first(n)
        self._used = used + size
        return np.ndarray((n,), self._block.dtype, chunk, used)

    def touch(self) -> None:
        """Get the first chunk its memory now."""
        if not self._chunks:
            self._next_chunk(0)
            self._chunks[-1].fill(0)

    def _next_chunk(self, size: int) -> None:
        chunks, self._chunks = self._chunks, []
        free = None
        while chunks:
            chunk = chunks.pop(0)
            if free is None and chunk.size >= size and sys.getrefcount(chunk) == _REFERENCES_HERE:
                free = chunk
            elif len(self._chunks) < _CHUNKS_KEPT - 1:
                self._chunks.append(chunk)
        self._chunks.append(np.empty(max(size, _CHUNK_BYTES), np.uint8) if free is None else free)
        self._used = 0


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


@intrinsic
def prefetch(typingctx, address):  # type: ignore[no-untyped-def]
    """Ask for the cache line at an address; a hint, sound for any address."""
    signature = types.void(types.int64)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        # For reading, to be kept in every cache, data.
        builder.call(function, [builder.inttoptr(args[0], byte), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return signature, codegen


def chain_free(block: Block, owner: Any, head: str, first: int) -> None:
    """Put the records from ``first`` on in front of a free list, lowest index first.

    The list goes by their field ``next``; ``owner`` has its head and, as ``<head>_n``, its length.
    """
    n = block.capacity
    links = np.arange(first + 1, n + 1)
    links[-1] = owner[head]
    block.records["next"][first:] = links
    owner[head] = first
    owner[f"{head}_n"] += n - first
