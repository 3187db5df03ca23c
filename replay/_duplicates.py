"""Kernels that find the records that two files have at one clock."""

import numpy as np

from tapewire.compiled.jit import jit, jit_entry

# Layout of the state of `drop_duplicates`, int64.
DUP_CLOCK = 0  # the clock whose records are in the table, ns
DUP_BEGUN = 1  # 1: there is such a clock
DUP_USED = 2  # members of the table
DUP_GENERATION = 3  # slots of an earlier generation are empty
DUP_DROPPED = 4  # records left out so far
DUP_STATE_SIZE = 5

#: Groups of so many records are compared one with the other: the table costs more.
_SMALL_GROUP = 128
#: The member of the table that counts what was given of a record, whichever files it came from.
GIVEN = -1


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


@jit
def _move(
    words: np.ndarray, keys: np.ndarray, order: np.ndarray, begin: int, end: int, to: int
) -> int:
    """Move records to an earlier place; return where they end there."""
    if begin == to:
        return end
    for i in range(begin, end):
        for word in range(7):
            words[to, word] = words[i, word]
        keys[to] = keys[i]
        order[to] = order[i]
        to += 1
    return to


@jit_entry
def drop_duplicates(
    words: np.ndarray,
    keys: np.ndarray,
    order: np.ndarray,
    begin: int,
    end: int,
    alike: np.ndarray,
    alike_n: int,
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
    alike, alike_n
        int64, shape (≥ alike_n,): where the records of a clock begin of which two may be the same,
        ascending; but for the first and the last clock, which the batches before and behind may
        have, too.
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
    last = end
    while last > begin and (last == end or keys[last - 1] == keys[last]):
        last -= 1
    continued = begin < end and state[DUP_BEGUN] == 1 and state[DUP_CLOCK] == keys[begin]
    kept = at = begin
    next_alike = 0
    while at < end:
        group = begin
        if not continued:
            while next_alike < alike_n and alike[next_alike] < at:
                next_alike += 1
            group = min(alike[next_alike], last) if next_alike < alike_n else last
        kept = _move(words, keys, order, at, group, kept)
        key = keys[group]
        stop = group + 1
        while stop < end and keys[stop] == key:
            stop += 1
        at = stop
        if not continued and stop < end and stop - group <= _SMALL_GROUP:
            if not _any_alike(words, order, group, stop):
                kept = _move(words, keys, order, group, stop, kept)
                continue
        if not continued:
            state[DUP_BEGUN] = 1
            state[DUP_CLOCK] = key
            state[DUP_USED] = 0
            state[DUP_GENERATION] += 1
        continued = False
        for i in range(group, stop):
            given = _count(words, i, GIVEN, members, slots, state)
            own = _count(words, i, order[i], members, slots, state)
            members[own, 8] += 1
            if members[own, 8] <= members[given, 8]:
                if refuse:
                    return kept, i
                state[DUP_DROPPED] += 1
                continue
            members[given, 8] += 1
            kept = _move(words, keys, order, i, i + 1, kept)
    return kept, -1
