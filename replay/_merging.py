"""Kernels that merge the chunks of several files, and find the records that two files have."""

import numpy as np

from tapewire.compiled.jit import jit, jit_entry

# Why a merge returned.
MERGE_FULL = 0  # the output is full
MERGE_NEEDS_ROW = 1  # a row has given its last record: refill it
MERGE_AT_LIMIT = 2  # the next record may belong behind the first one of a file not opened yet

#: A tie before all others: what has the clock of the limit waits.
TIE_MIN = -1
TIE_MAX = 2**63 - 1

# Layout of the state of `drop_duplicates`, int64.
DUP_CLOCK = 0  # the clock whose records are in the table, ns
DUP_BEGUN = 1  # 1: there is such a clock
DUP_USED = 2  # members of the table
DUP_GENERATION = 3  # slots of an earlier generation are empty
DUP_DROPPED = 4  # records left out so far
DUP_STATE_SIZE = 5

#: Groups of so many records are compared one with the other: the table costs more.
_SMALL_GROUP = 12
#: The member of the table that counts what was given of a record, whichever files it came from.
GIVEN = -1


@jit
def _tie(rank: int, words: np.ndarray, row: int, at: int) -> int:
    """What decides between records of equal clock: dataset, channel and sequence in one number."""
    channel = (words[row, at, 4] >> 40) & 0xFF
    sequence = (words[row, at, 6] >> 32) & 0xFFFFFFFF
    return int(np.int64(rank) << 40 | channel << 32 | sequence)


@jit
def _tied_before(
    words: np.ndarray,
    pos: np.ndarray,
    ranks: np.ndarray,
    order: np.ndarray,
    a: int,
    b: int,
) -> bool:
    """Whether row ``a`` gives the next record before row ``b`` of the same clock."""
    tie_a = _tie(ranks[a], words, a, pos[a])
    tie_b = _tie(ranks[b], words, b, pos[b])
    if tie_a != tie_b:
        return bool(tie_a < tie_b)
    return bool(order[a] < order[b])


@jit
def _sift_down(
    heap: np.ndarray,
    size: int,
    root: int,
    heads: np.ndarray,
    words: np.ndarray,
    pos: np.ndarray,
    ranks: np.ndarray,
    order: np.ndarray,
) -> None:
    """Restore the heap below a root that may be too large."""
    row = heap[root]
    clock = heads[row]
    while True:
        child = 2 * root + 1
        if child >= size:
            break
        least = heap[child]
        if child + 1 < size:
            other = heap[child + 1]
            if heads[other] < heads[least] or (
                heads[other] == heads[least]
                and _tied_before(words, pos, ranks, order, other, least)
            ):
                least = other
                child += 1
        if heads[least] > clock or (
            heads[least] == clock and _tied_before(words, pos, ranks, order, row, least)
        ):
            break
        heap[root] = least
        root = child
    heap[root] = row


@jit_entry
def merge_rows(
    words: np.ndarray,
    keys: np.ndarray,
    pos: np.ndarray,
    end: np.ndarray,
    order: np.ndarray,
    ranks: np.ndarray,
    heads: np.ndarray,
    heap: np.ndarray,
    size: int,
    limit_key: int,
    limit_tie: int,
    out: np.ndarray,
    out_keys: np.ndarray,
    out_order: np.ndarray,
    begin: int,
) -> tuple[int, int, int]:
    """Merge the chunks of several files by clock.

    At equal clocks by the dataset's place in the list of files, then by channel and sequence, then
    by the file's place. A file's records stay in their order.

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
    ranks
        int64, shape (rows,): the place of the first file of its dataset.
    heads
        int64, shape (rows,): written to.
    heap
        int64, shape (≥ size,): the rows to merge, each with a record left; in any order.
    size
        How many rows that are.
    limit_key, limit_tie
        Clock of the first record of the next file that is not open yet, and TIE_MIN: what has that
        clock waits until it is open; without such a file the largest clock, and TIE_MAX.
    out, out_keys, out_order
        int64, shapes (n, 7) and (n,), and int16, shape (n,): where records, clocks and the places
        of their files go, from ``begin`` on.

    Returns
    -------
    written : int
        Where the output now ends.
    status : int
        MERGE_FULL, MERGE_NEEDS_ROW or MERGE_AT_LIMIT.
    row : int
        The row to refill, or -1.
    """
    for i in range(size):
        heads[heap[i]] = keys[heap[i], pos[heap[i]]]
    for root in range(size // 2 - 1, -1, -1):
        _sift_down(heap, size, root, heads, words, pos, ranks, order)
    written = begin
    capacity = out.shape[0]
    while written < capacity:
        row = heap[0]
        until_key = limit_key
        until_row = -1
        for child in range(1, min(size, 3)):
            other = heap[child]
            key = heads[other]
            if key > until_key or (key == until_key and until_row < 0 and limit_tie < 0):
                continue
            if (
                until_row < 0
                or key < until_key
                or _tied_before(words, pos, ranks, order, other, until_row)
            ):
                until_key = key
                until_row = other
        at = pos[row]
        stop = min(end[row], at + capacity - written)
        ahead = at
        while ahead < stop and keys[row, ahead] < until_key:
            ahead += 1
        while ahead < stop and keys[row, ahead] == until_key:
            if until_row < 0:
                if limit_tie < 0:
                    break
            else:
                tie = _tie(ranks[row], words, row, ahead)
                until_tie = _tie(ranks[until_row], words, until_row, pos[until_row])
                if tie > until_tie or (tie == until_tie and order[row] > order[until_row]):
                    break
            ahead += 1
        place = order[row]
        for i in range(ahead - at):
            for word in range(7):
                out[written + i, word] = words[row, at + i, word]
        for i in range(ahead - at):
            out_keys[written + i] = keys[row, at + i]
            out_order[written + i] = place
        written += ahead - at
        at = ahead
        stop = end[row]
        moved = at > pos[row]
        pos[row] = at
        if at == stop:
            return written, MERGE_NEEDS_ROW, row
        if not moved:
            return written, MERGE_AT_LIMIT, -1
        heads[row] = keys[row, at]
        _sift_down(heap, size, 0, heads, words, pos, ranks, order)
    return written, MERGE_FULL, -1


@jit
def _hash(words: np.ndarray, row: int, tag: int) -> int:
    """Return a hash of a record and a tag."""
    value = np.int64(tag) * 0x9E3779B1
    for word in range(7):
        value = (value ^ words[row, word]) * 0x2545F4914F6CDD1D
        value ^= value >> 29
    return int(value)


@jit
def _find(
    words: np.ndarray,
    row: int,
    tag: int,
    members: np.ndarray,
    slots: np.ndarray,
    generation: int,
) -> tuple[int, int]:
    """Return the slot of a record with a tag, and its member, or -1 where it is none."""
    mask = slots.shape[0] - 1
    at = _hash(words, row, tag) & mask
    while slots[at, 0] == generation:
        member = slots[at, 1]
        if members[member, 7] == tag:
            same = True
            for word in range(7):
                if members[member, word] != words[row, word]:
                    same = False
                    break
            if same:
                return at, member
        at = (at + 1) & mask
    return at, -1


@jit
def _count(
    words: np.ndarray,
    row: int,
    tag: int,
    members: np.ndarray,
    slots: np.ndarray,
    state: np.ndarray,
) -> int:
    """Return the member of a record with a tag, made with a count of 0 where there was none."""
    generation = state[DUP_GENERATION]
    slot, member = _find(words, row, tag, members, slots, generation)
    if member >= 0:
        return member
    member = state[DUP_USED]
    state[DUP_USED] = member + 1
    for word in range(7):
        members[member, word] = words[row, word]
    members[member, 7] = tag
    members[member, 8] = 0
    slots[slot, 0] = generation
    slots[slot, 1] = member
    return int(member)


@jit
def _any_alike(words: np.ndarray, order: np.ndarray, begin: int, end: int) -> bool:
    """Whether two of a few records are the same and of different files."""
    for i in range(begin, end):
        for j in range(i + 1, end):
            if order[i] == order[j] or words[i, 2] != words[j, 2] or words[i, 6] != words[j, 6]:
                continue
            same = True
            for word in range(7):
                same = same and words[i, word] == words[j, word]
            if same:
                return True
    return False


@jit_entry
def fill_slots(members: np.ndarray, slots: np.ndarray, state: np.ndarray) -> None:
    """Enter the members of the table into empty slots, after either has grown.

    Parameters
    ----------
    members, slots, state
        As in `drop_duplicates`; all slots are of no generation.
    """
    mask = slots.shape[0] - 1
    for member in range(state[DUP_USED]):
        at = _hash(members, member, members[member, 7]) & mask
        while slots[at, 0] == state[DUP_GENERATION]:
            at = (at + 1) & mask
        slots[at, 0] = state[DUP_GENERATION]
        slots[at, 1] = member


@jit_entry
def drop_duplicates(
    words: np.ndarray,
    keys: np.ndarray,
    order: np.ndarray,
    begin: int,
    end: int,
    members: np.ndarray,
    slots: np.ndarray,
    state: np.ndarray,
    refuse: bool,
) -> tuple[int, int]:
    """Leave out records that another file gave at the same clock, byte for byte.

    Of a record that a file has several times at one clock, so many are given as the file has that
    has most of them.

    Parameters
    ----------
    words, keys, order
        int64, shapes (n, 7) and (n,), and int16, shape (n,): merged records, their clocks and the
        places of their files. Those from ``begin`` to ``end`` are looked at; what stays moves
        forward.
    members
        int64, shape (m, 9), m ≥ members in use + 2 × records: record, tag, count. The tag is the
        place of a file, or GIVEN.
    slots
        int64, shape (s, 2), s a power of two ≥ 2 m: an open-addressing table of generation and
        member.
    state
        int64, shape (DUP_STATE_SIZE,), updated.
    refuse
        Stop at the first duplicate.

    Returns
    -------
    kept_end : int
        Where the records that stay now end.
    duplicate : int
        Index of the duplicate it stopped at, or -1.
    """
    at = begin
    others = 0
    for i in range(begin, end):
        others += order[i] != order[begin]
    continued = begin < end and state[DUP_BEGUN] == 1 and state[DUP_CLOCK] == keys[begin]
    if others == 0 and not continued and begin < end:
        # Of one file: only what has the last clock may have something to meet.
        at = end - 1
        while at > begin and keys[at - 1] == keys[at]:
            at -= 1
    kept = at
    while at < end:
        key = keys[at]
        stop = at + 1
        if stop < end and keys[stop] != key and state[DUP_CLOCK] != key and kept == at:
            kept = at = stop  # nearly all are alone
            continue
        mixed = False
        while stop < end and keys[stop] == key:
            mixed = mixed or order[stop] != order[at]
            stop += 1
        continued = state[DUP_BEGUN] == 1 and state[DUP_CLOCK] == key
        if mixed and stop - at <= _SMALL_GROUP:
            mixed = _any_alike(words, order, at, stop)
        looked_at = continued or mixed or stop == end
        if looked_at and not continued:
            state[DUP_BEGUN] = 1
            state[DUP_CLOCK] = key
            state[DUP_USED] = 0
            state[DUP_GENERATION] += 1
        for i in range(at, stop):
            if looked_at:
                given = _count(words, i, GIVEN, members, slots, state)
                own = _count(words, i, order[i], members, slots, state)
                members[own, 8] += 1
                if members[own, 8] <= members[given, 8]:
                    if refuse:
                        return kept, i
                    state[DUP_DROPPED] += 1
                    continue
                members[given, 8] += 1
            if kept != i:
                for word in range(7):
                    words[kept, word] = words[i, word]
                keys[kept] = key
                order[kept] = order[i]
            kept += 1
        at = stop
    return kept, -1
