"""The kernel that merges the chunks of several files."""

import numpy as np

from tapewire.compiled.jit import jit, jit_entry, jit_inline

# Why a merge returned.
MERGE_FULL = 0  # the output is full
MERGE_NEEDS_ROW = 1  # a row has given its last record: refill it
MERGE_AT_LIMIT = 2  # the next record may belong behind the first one of a file not opened yet

# Layout of the state of `merge_rows`, int64: the last record, and those of its clock.
STATE_BEGUN = 0  # 1: there is one
STATE_CLOCK = 1  # its clock, ns
STATE_PLACE = 2  # the place of its file
STATE_GROUP = 3  # where the records of that clock begin in the output
STATE_FILES = 4  # 1: they are of several files
STATE_MARKS = 5  # a bit for each of them, by a hash of its content
STATE_ALIKE = 6  # clocks with records that may be the same in several files, so far
STATE_SIZE = 7

_WORDS = np.uint64(7)
#: Clocks count from the first one of a call, so that their differences fit a word: later ones than
#: this, 146 years, wait for the next call.
_FAR = 1 << 62
#: The tie of a leaf without a row, whose clock is that.
_NO_TIE = 1 << 60


@jit_inline
def _tie(rank: int, words: np.ndarray, record: int) -> int:
    """What decides between records of equal clock: dataset, channel and sequence in one number."""
    first = np.uint64(record) * _WORDS
    channel = (words[first + np.uint64(4)] >> 40) & 0xFF
    sequence = (words[first + np.uint64(6)] >> 32) & 0xFFFFFFFF
    return int(np.int64(rank) << 40 | channel << 32 | sequence)


@jit_inline
def _since(base: int, key: int) -> int:
    """Return a clock as ns since an earlier or equal one, at most _FAR."""
    since = key - base  # below 0 where it does not fit
    return _FAR if since < 0 or since > _FAR else int(since)


@jit_inline
def _copy(words: np.ndarray, record: int, out: np.ndarray, to: int) -> None:
    """Copy a record."""
    source, target = np.uint64(record) * _WORDS, np.uint64(to) * _WORDS
    for word in range(7):
        out[target + np.uint64(word)] = words[source + np.uint64(word)]


@jit_inline
def _mark(words: np.ndarray, record: int) -> int:
    """Return one bit of 64 by a record's content."""
    first = np.uint64(record) * _WORDS
    mixed = words[first] ^ words[first + np.uint64(3)] * 0x2545F491
    mixed ^= words[first + np.uint64(2)] * 0x9E3779B1 ^ words[first + np.uint64(4)] * 0x632BE5AB
    mixed ^= words[first + np.uint64(6)]
    return int(np.int64(1) << ((mixed * 0x2545F4914F6CDD1D >> 58) & 63))


@jit
def _build(heads: np.ndarray, tree: np.ndarray, leaves: int) -> int:
    """Play all matches; return the winner's leaf."""
    for leaf in range(leaves):
        tree[leaves + leaf] = leaf
    # Winners go up in the places of their own leaves, so that the inner nodes can keep losers.
    width = 1
    while width < leaves:
        for left in range(0, leaves, 2 * width):
            a, b = tree[leaves + left], tree[leaves + left + width]
            a_first = heads[a, 0] < heads[b, 0] or (
                heads[a, 0] == heads[b, 0] and heads[a, 1] <= heads[b, 1]
            )
            tree[leaves + left] = a if a_first else b
            tree[(leaves + left) // (2 * width)] = b if a_first else a
        width *= 2
    return int(tree[leaves])


@jit_entry
def merge_rows(
    words: np.ndarray,
    keys: np.ndarray,
    pos: np.ndarray,
    end: np.ndarray,
    order: np.ndarray,
    ranks: np.ndarray,
    rows: np.ndarray,
    heads: np.ndarray,
    tree: np.ndarray,
    limit_key: int,
    limited: bool,
    out: np.ndarray,
    out_keys: np.ndarray,
    out_order: np.ndarray,
    begin: int,
    alike: np.ndarray,
    state: np.ndarray,
) -> tuple[int, int, int]:
    """Merge the chunks of several files by clock.

    At equal clocks by the dataset's place in the list of files, then by channel and sequence, then
    by the file's place. A file's records stay in their order.

    Each record costs as many matches as the tree of losers is high (Knuth, The Art of Computer
    Programming 3, 5.4.1). A match is sign bits in place of a branch: which file is next can't be
    predicted.

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
    rows
        int64, shape (n,): the rows to merge, each with a record left, by ``order``.
    heads, tree
        int64, shapes (m, 2) and (2 m,), m the power of two ≥ n: written to.
    limit_key, limited
        Clock of the first record of the next file that is not open yet: what has that clock waits
        until it is open; and whether there is such a file.
    out, out_keys, out_order
        int64, shapes (n, 7) and (n,), and int16, shape (n,): where records, clocks and the places
        of their files go, from ``begin`` on.
    alike
        int64, shape (n,): filled with where the records of a clock begin, if several files have
        it, and two of its records may be the same.
    state
        int64, shape (STATE_SIZE,), updated; zeros before the first record of an output.

    Returns
    -------
    written : int
        Where the output now ends.
    status : int
        MERGE_FULL, MERGE_NEEDS_ROW or MERGE_AT_LIMIT.
    row : int
        The row to refill, or -1.
    """
    chunk = keys.shape[1]
    from_words, from_keys, to_words = words.reshape(-1), keys.reshape(-1), out.reshape(-1)
    leaves = heads.shape[0]
    base = keys[rows[0], pos[rows[0]]]
    for leaf in range(leaves):
        heads[leaf, 0], heads[leaf, 1] = _FAR, _NO_TIE
        if leaf < rows.shape[0]:
            base = min(base, keys[rows[leaf], pos[rows[leaf]]])
    for leaf in range(rows.shape[0]):
        row = rows[leaf]
        heads[leaf, 0] = _since(base, keys[row, pos[row]])
        heads[leaf, 1] = _tie(ranks[row], from_words, row * chunk + pos[row])
    leaf = _build(heads, tree, leaves)
    limit = _since(base, max(base, limit_key)) if limited else _FAR
    begun, last, last_place = state[STATE_BEGUN], state[STATE_CLOCK], state[STATE_PLACE]
    group, files, marks = state[STATE_GROUP], state[STATE_FILES], state[STATE_MARKS]
    alike_n = state[STATE_ALIKE]
    written = begin
    status = MERGE_FULL
    needed = -1
    while written < out.shape[0]:
        key = heads[np.uint64(leaf), 0]
        if key >= limit:
            if limited and key < _FAR:
                status = MERGE_AT_LIMIT
            break
        row = rows[np.uint64(leaf)]
        at = row * chunk + pos[np.uint64(row)]
        place = order[np.uint64(row)]
        _copy(from_words, at, to_words, written)
        key += base
        out_keys[np.uint64(written)] = key
        out_order[np.uint64(written)] = place
        mark = _mark(from_words, at)
        if key != last or begun == 0:
            group = written
            files = marks = 0
        else:
            files |= place != last_place
        if files & ((marks & mark) != 0) and (alike_n == 0 or alike[alike_n - 1] != group):
            alike[alike_n] = group
            alike_n += 1
        marks |= mark
        begun, last, last_place = 1, key, place
        written += 1
        pos[np.uint64(row)] += 1
        if pos[np.uint64(row)] == end[np.uint64(row)]:
            status = MERGE_NEEDS_ROW
            needed = row
            break
        key = _since(base, from_keys[np.uint64(at + 1)])
        tie = _tie(ranks[np.uint64(row)], from_words, at + 1)
        heads[np.uint64(leaf), 0] = key
        heads[np.uint64(leaf), 1] = tie
        node = (leaves + leaf) >> 1
        while node > 0:
            other = tree[np.uint64(node)]
            other_key, other_tie = heads[np.uint64(other), 0], heads[np.uint64(other), 1]
            before = (other_tie - tie + ((other - leaf) >> 63)) >> 63
            wins = (other_key - key + before) >> 63
            loser = other ^ ((leaf ^ other) & wins)
            leaf ^= other ^ loser
            tree[np.uint64(node)] = loser
            key ^= (key ^ other_key) & wins
            tie ^= (tie ^ other_tie) & wins
            node >>= 1
    state[STATE_BEGUN], state[STATE_CLOCK], state[STATE_PLACE] = begun, last, last_place
    state[STATE_GROUP], state[STATE_FILES], state[STATE_MARKS] = group, files, marks
    state[STATE_ALIKE] = alike_n
    return written, status, needed


@jit_entry
def note_run(
    keys: np.ndarray, order: np.ndarray, begin: int, end: int, alike: np.ndarray, state: np.ndarray
) -> None:
    """Note records that one file gave behind those that were merged, from ``begin`` to ``end``.

    Parameters
    ----------
    keys, order, alike, state
        ``out_keys``, ``out_order``, ``alike`` and ``state`` of `merge_rows`.
    """
    continued = state[STATE_BEGUN] == 1 and keys[begin] == state[STATE_CLOCK]
    files = continued and (state[STATE_FILES] == 1 or order[begin] != state[STATE_PLACE])
    alike_n = state[STATE_ALIKE]
    if files and (alike_n == 0 or alike[alike_n - 1] != state[STATE_GROUP]):
        alike[alike_n] = state[STATE_GROUP]
        state[STATE_ALIKE] = alike_n + 1
    group = end - 1
    while group > begin and keys[group - 1] == keys[group]:
        group -= 1
    if group > begin or not continued:
        files = False
        state[STATE_GROUP] = group
    state[STATE_BEGUN], state[STATE_CLOCK], state[STATE_PLACE] = 1, keys[end - 1], order[begin]
    state[STATE_FILES] = files
    state[STATE_MARKS] = -1  # whatever comes at the same clock may be one of these
