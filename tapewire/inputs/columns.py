"""Columns of the tables that the data commands write."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

TIME_TYPE = pa.timestamp("ns", tz="UTC")


def time_column(clock: npt.NDArray[np.uint64]) -> pa.Array:
    """Return times, ns since the epoch, as a column; an undefined one (2^64 − 1) is null."""
    signed = clock.astype(np.int64)
    return pa.array(signed, mask=signed == -1).cast(TIME_TYPE)


def letter_column(letters: npt.NDArray[np.uint8]) -> pa.Array:
    """Return letters, ``uint8`` or ``S1``, as a column of text."""
    return pa.array(letters.view("S1").astype("U1"))
