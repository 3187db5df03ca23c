"""Columns of the tables that the data commands write."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

TIME_TYPE = pa.timestamp("ns", tz="UTC")


def time_column(clock: npt.NDArray[np.uint64]) -> pa.Array:
    """Return times, ns since the epoch, as a column; an undefined one (2^64 − 1) is null."""
    signed = np.ascontiguousarray(clock).view(np.int64)
    undefined = signed == -1
    return pa.array(signed, mask=undefined if undefined.any() else None).view(TIME_TYPE)


def letter_column(letters: npt.NDArray[np.uint8]) -> pa.Array:
    """Return letters, ``uint8`` or ``S1``, as a column of text; a 0 is an empty one."""
    letters = np.ascontiguousarray(letters).view(np.uint8)
    there = letters != 0
    ends = np.zeros(len(letters) + 1, np.int32)
    np.cumsum(there, out=ends[1:])
    kept = letters if there.all() else letters[there]
    return pa.StringArray.from_buffers(len(letters), pa.py_buffer(ends), pa.py_buffer(kept))
