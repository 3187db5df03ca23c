"""Kernels over records as they come from a socket."""

import numpy as np

from tapewire.compiled.jit import jit_entry
from tapewire.market.records import F_SNAPSHOT, RTYPE_MBO

#: Where an MBO record's flags are.
FLAGS_AT = 36


@jit_entry
def pass_records(
    data: np.ndarray, end: int, messages: np.ndarray, out: np.ndarray
) -> tuple[int, int, int, int, int]:
    """Pass over records of any schema, as far as they are whole.

    Parameters
    ----------
    data
        uint8, shape (n,): records one behind the other, up to ``end``.
    messages
        uint8, shape (256,): 1 by rtype where a record is no market data but something that the
        gateway says.
    out
        int64, filled with where those begin; it has room for all (a record has 16 bytes at least).

    Returns
    -------
    at : int
        Where the first record begins that is not whole.
    records : int
        How many records there are, messages among them.
    found : int
        How many messages.
    ts_event : int
        The largest of the market data that are no part of a book's snapshot, ns; -1 where there are
        none.
    bad : int
        Where a record begins that can be none, or -1.
    """
    at = 0
    records = 0
    found = 0
    latest = np.int64(-1)
    while at + 2 <= end:
        size = int(data[at]) * 4
        if size < 16:
            return at, records, found, int(latest), at
        if at + size > end:
            break
        if messages[data[at + 1]] != 0:
            out[found] = at
            found += 1
        elif data[at + 1] != RTYPE_MBO or size < 40 or data[at + FLAGS_AT] & F_SNAPSHOT == 0:
            # Little-endian; an undefined time is the largest of 64 bits, and negative here.
            ts = np.int64(0)
            for i in range(8):
                ts |= np.int64(data[at + 8 + i]) << np.int64(8 * i)
            latest = max(latest, ts)
        records += 1
        at += size
    return at, records, found, int(latest), -1
