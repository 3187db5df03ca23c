"""Kernels over raw records: check, clamp, filter, merge. One pass over each chunk."""

import numpy as np

from tapewire.compiled.jit import jit, jit_entry
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

# Why a merge returned.
MERGE_FULL = 0  # the output is full
MERGE_NEEDS_ROW = 1  # a row has given its last record: refill it
MERGE_AT_LIMIT = 2  # the next record belongs behind the first one of a file not opened yet


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


@jit
def _before(keys: np.ndarray, pos: np.ndarray, order: np.ndarray, a: int, b: int) -> bool:
    """Whether row ``a`` gives the next record before row ``b``: by clock, then file order."""
    key_a = keys[a, pos[a]]
    key_b = keys[b, pos[b]]
    if key_a != key_b:
        return bool(key_a < key_b)
    return bool(order[a] < order[b])


@jit
def _sift_down(
    heap: np.ndarray,
    size: int,
    root: int,
    keys: np.ndarray,
    pos: np.ndarray,
    order: np.ndarray,
) -> None:
    """Restore the heap below a root that may be too large."""
    while True:
        child = 2 * root + 1
        if child >= size:
            return
        if child + 1 < size and _before(keys, pos, order, heap[child + 1], heap[child]):
            child += 1
        if not _before(keys, pos, order, heap[child], heap[root]):
            return
        heap[child], heap[root] = heap[root], heap[child]
        root = child


@jit_entry
def merge_rows(
    words: np.ndarray,
    keys: np.ndarray,
    pos: np.ndarray,
    end: np.ndarray,
    order: np.ndarray,
    heap: np.ndarray,
    size: int,
    limit_key: int,
    limit_order: int,
    out: np.ndarray,
    out_keys: np.ndarray,
    begin: int,
) -> tuple[int, int, int]:
    """Merge the chunks of several files by clock; at equal clocks in file order.

    A file's records stay in their order; its records with equal clock stay together.

    Parameters
    ----------
    words
        int64, shape (rows, chunk, 7): the chunks, as words of the records.
    keys
        int64, shape (rows, chunk): the clock at each record, ns.
    pos, end
        int64, shape (rows,): the next record of each row and where its chunk ends.
    order
        int64, shape (rows,): the place of the row's file in the list of files.
    heap
        int64, shape (≥ size,): the rows to merge, each with a record left; in any order.
    size
        How many rows that are.
    limit_key, limit_order
        Clock and place of the first record of the next file that is not open yet.
    out, out_keys
        int64, shapes (n, 7) and (n,): where records and clocks go, from ``begin`` on.

    Returns
    -------
    written : int
        Where the output now ends.
    status : int
        MERGE_FULL, MERGE_NEEDS_ROW or MERGE_AT_LIMIT.
    row : int
        The row to refill, or -1.
    """
    for root in range(size // 2 - 1, -1, -1):
        _sift_down(heap, size, root, keys, pos, order)
    written = begin
    capacity = out.shape[0]
    while written < capacity:
        row = heap[0]
        until_key = limit_key
        until_order = limit_order
        for child in range(1, min(size, 3)):
            key = keys[heap[child], pos[heap[child]]]
            place = order[heap[child]]
            if key < until_key or (key == until_key and place < until_order):
                until_key = key
                until_order = place
        at = pos[row]
        stop = end[row]
        first = order[row] < until_order
        while at < stop and written < capacity:
            key = keys[row, at]
            if key > until_key or (key == until_key and not first):
                break
            for word in range(7):
                out[written, word] = words[row, at, word]
            out_keys[written] = key
            written += 1
            at += 1
        moved = at > pos[row]
        pos[row] = at
        if at == stop:
            return written, MERGE_NEEDS_ROW, row
        if not moved:
            return written, MERGE_AT_LIMIT, -1
        _sift_down(heap, size, 0, keys, pos, order)
    return written, MERGE_FULL, -1
