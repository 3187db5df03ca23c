"""Kernels over records as they come from a socket."""

import numpy as np

from tapewire.compiled.jit import jit_entry
from tapewire.market.records import F_SNAPSHOT, RECORD_BYTES, RTYPE_MBO

#: Where an MBO record's flags are.
FLAGS_AT = 36
_TS_RECV_AT = 40


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


@jit_entry
def pick_mbo(
    data: np.ndarray, start: int, out: np.ndarray, clocks: np.ndarray
) -> tuple[int, int, int]:
    """Copy the MBO records among whole records of any schema.

    Parameters
    ----------
    data
        uint8, shape (n,): whole records, as `pass_records` has found them.
    start
        Where to begin.
    out
        uint8, shape (m, 56): where to.
    clocks
        int64, shape (3,): the largest ``ts_recv`` so far, ns, and how many records came before it,
        which both go on; that of the first record copied.

    Returns
    -------
    at : int
        Where to go on, once there is room again: ``n`` if all are passed.
    records : int
        How many were copied.
    others : int
        How many MBO records there were whose length is another.
    """
    at = start
    records = 0
    others = 0
    while at < data.size:
        size = int(data[at]) * 4
        if data[at + 1] == RTYPE_MBO:
            if size != RECORD_BYTES:
                others += 1
            elif records == out.shape[0]:
                return at, records, others
            else:
                ts = np.int64(0)
                for i in range(8):
                    ts |= np.int64(data[at + _TS_RECV_AT + i]) << np.int64(8 * i)
                if ts < clocks[0]:
                    clocks[1] += 1
                else:
                    clocks[0] = ts
                if records == 0:
                    clocks[2] = clocks[0]
                for i in range(RECORD_BYTES):
                    out[records, i] = data[at + i]
                records += 1
        at += size
    return at, records, others
