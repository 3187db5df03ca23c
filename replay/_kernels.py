"""Kernels over raw records: check, clamp, filter. One pass over each chunk."""

import numpy as np

from tapewire.compiled.jit import jit_entry
from tapewire.market.records import ACTIONS, RECORD_LENGTH_WORDS, RTYPE_MBO

# Layout of the state of one file, int64.
STATE_CLOCK = 0  # the largest ts_recv seen so far, ns; starts at CLOCK_MIN
STATE_CLAMPED = 1  # kept records whose own ts_recv was smaller than that
STATE_DROPPED = 2  # records the filter left out
STATE_PAST_END = 3  # 1: the clock has reached the end of the filter, nothing more can match
STATE_FIRST = 4  # clock of the first and the last record kept in this chunk
STATE_LAST = 5
STATE_SIZE = 6

CLOCK_MIN = -(2**63)

#: uint8 by action byte: 1 where there is such an action. A look-up costs less than comparing.
KNOWN_ACTIONS = np.zeros(256, np.uint8)
KNOWN_ACTIONS[list(ACTIONS)] = 1


@jit_entry
def check_records(records: np.ndarray, keys: np.ndarray, state: np.ndarray) -> int:
    """Check every record's header and action, and follow the clock.

    Parameters
    ----------
    records
        ``MBO_KERNEL_DTYPE``, shape (n,).
    keys
        int64, shape (n,), filled with the clock (ns) at each record; or shape (0,): not wanted.
    state
        int64, shape (STATE_SIZE,), updated.

    Returns
    -------
    int
        Index of the first record that is no MBO record or has an unknown action, or -1.
    """
    clock = state[STATE_CLOCK]
    clamped = state[STATE_CLAMPED]
    want_keys = keys.shape[0] > 0
    for i in range(records.shape[0]):
        record = records[i]
        if (
            record.length != RECORD_LENGTH_WORDS
            or record.rtype != RTYPE_MBO
            or KNOWN_ACTIONS[record.action] == 0
        ):
            return i
        ts_recv = record.ts_recv
        if ts_recv < clock:
            clamped += 1
        else:
            clock = ts_recv
        if i == 0:
            state[STATE_FIRST] = clock
        if want_keys:
            keys[i] = clock
    state[STATE_CLOCK] = clock
    state[STATE_LAST] = clock
    state[STATE_CLAMPED] = clamped
    return -1


@jit_entry
def filter_records(
    records: np.ndarray,
    words: np.ndarray,
    keys: np.ndarray,
    state: np.ndarray,
    start_ns: int,
    end_ns: int,
    publishers: np.ndarray,
    table: np.ndarray,
    spans: np.ndarray,
    warmup_until_ns: int,
    begins: np.ndarray,
) -> tuple[int, int]:
    """Check every record like :func:`check_records` and move those that match to the front.

    Parameters
    ----------
    words
        The same memory as int64, shape (n, 7).
    start_ns, end_ns
        Records with ``start_ns <= clock < end_ns`` match.
    publishers
        uint8, shape (65536,), 1 where a publisher matches; or shape (0,): all match.
    table
        int64, shape (m, 3), m a power of two: an open-addressing table of instrument id (-1:
        empty), first row and end row in ``spans``; or shape (0, 3): all instruments match.
    spans
        int64, shape (s, 2): the clock (ns) from and before which an instrument id is meant.
    warmup_until_ns, begins
        Before that clock a record matches only if its own is not before that of its book in
        ``begins``: int64, shape (m, 2), m a power of two, an open-addressing table of book
        (publisher id and instrument id in one, -1: empty) and clock (ns).

    Returns
    -------
    bad : int
        Index of the first record that is no MBO record or has an unknown action, or -1.
    kept : int
        Records that matched, now at the front.
    """
    clock = state[STATE_CLOCK]
    clamped = state[STATE_CLAMPED]
    any_publisher = publishers.shape[0] == 0
    any_instrument = table.shape[0] == 0
    mask = table.shape[0] - 1
    kept = 0
    n = records.shape[0]
    for i in range(n):
        record = records[i]
        if (
            record.length != RECORD_LENGTH_WORDS
            or record.rtype != RTYPE_MBO
            or KNOWN_ACTIONS[record.action] == 0
        ):
            return i, kept
        ts_recv = record.ts_recv
        behind = ts_recv < clock
        if not behind:
            clock = ts_recv
        if clock < start_ns:
            continue
        if clock >= end_ns:
            state[STATE_PAST_END] = 1
            n = i  # nothing behind this point is read or counted
            break
        if not any_publisher and publishers[record.publisher_id] == 0:
            continue
        if not any_instrument:
            wanted = np.int64(record.instrument_id)
            at = (wanted * 0x9E3779B1) & mask
            while table[at, 0] != wanted and table[at, 0] != -1:
                at = (at + 1) & mask
            if table[at, 0] == -1:
                continue
            inside = False
            for row in range(table[at, 1], table[at, 2]):
                if spans[row, 0] <= clock and clock < spans[row, 1]:
                    inside = True
                    break
            if not inside:
                continue
        if clock < warmup_until_ns:
            key = np.int64(record.publisher_id) << 32 | np.int64(record.instrument_id)
            at = (key * 0x9E3779B1) & (begins.shape[0] - 1)
            while begins[at, 0] != key and begins[at, 0] != -1:
                at = (at + 1) & (begins.shape[0] - 1)
            if begins[at, 0] == key and clock < begins[at, 1]:
                continue
        if behind:
            clamped += 1
        if kept == 0:
            state[STATE_FIRST] = clock
        state[STATE_LAST] = clock
        if keys.shape[0] > 0:
            keys[kept] = clock
        if kept != i:
            for word in range(7):
                words[kept, word] = words[i, word]
        kept += 1
    state[STATE_CLOCK] = clock
    state[STATE_CLAMPED] = clamped
    state[STATE_DROPPED] += n - kept
    return -1, kept


@jit_entry
def pick_mbo(
    data: np.ndarray, begin: int, end: int, record_bytes: int, out: np.ndarray, counts: np.ndarray
) -> tuple[int, int, int]:
    """Copy the MBO records out of records of any schema.

    Parameters
    ----------
    data
        uint8, shape (n,): records one behind the other, from ``begin`` to ``end``.
    record_bytes
        Of an MBO record: 56, or 64 with the time of sending behind it, which is left out.
    out
        uint8, shape (m, 56).
    counts
        int64, shape (256,): records met by rtype, added to.

    Returns
    -------
    at : int
        Where the first record begins that was not read.
    written : int
        Records copied.
    bad : int
        Where a record begins that can be none, or -1.
    """
    at = begin
    written = 0
    while at + 2 <= end and written < out.shape[0]:
        size = int(data[at]) * 4
        rtype = data[at + 1]
        if size < 16 or (rtype == RTYPE_MBO and size != record_bytes):
            return at, written, at
        if at + size > end:
            break
        if rtype == RTYPE_MBO:
            for i in range(56):
                out[written, i] = data[at + i]
            out[written, 0] = RECORD_LENGTH_WORDS
            written += 1
        counts[rtype] += 1
        at += size
    return at, written, -1


@jit_entry
def find_records(data: np.ndarray, end: int, rtype: int, out: np.ndarray) -> int:
    """Find records of one type among records of any schema.

    Parameters
    ----------
    data
        uint8, shape (n,): records one behind the other, up to ``end``.
    out
        int64, shape (m,), filled with where they begin.

    Returns
    -------
    int
        How many there are; it stops at ``m``, and at what can be no record.
    """
    at = 0
    found = 0
    while at + 16 <= end and found < out.shape[0]:
        size = int(data[at]) * 4
        if size < 16 or at + size > end:
            break
        if data[at + 1] == rtype:
            out[found] = at
            found += 1
        at += size
    return found


@jit_entry
def find_kinds(
    data: np.ndarray, end: int, wanted: np.ndarray, out: np.ndarray
) -> tuple[int, int, int]:
    """Find records of some types among records of any schema.

    Parameters
    ----------
    data
        uint8, shape (n,): records one behind the other, up to ``end``.
    wanted
        uint8, shape (256,): 1 by rtype.
    out
        int64, filled with where they begin; it has room for all.

    Returns
    -------
    at : int
        Where the first record begins that is not whole.
    found : int
        How many there are.
    bad : int
        Where a record begins that can be none, or -1.
    """
    at = 0
    found = 0
    while at + 2 <= end:
        size = int(data[at]) * 4
        if size < 16:
            return at, found, at
        if at + size > end:
            break
        if wanted[data[at + 1]] != 0:
            out[found] = at
            found += 1
        at += size
    return at, found, -1
