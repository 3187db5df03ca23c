"""Merging several files by their clocks.

A file's clock is the largest ``ts_recv`` seen in it so far: records never change places within
their file, whatever their ``ts_recv`` says. At equal clocks files of one dataset give their records
by channel and sequence.

Files are opened when their first record is due, and closed at their end, so that memory follows
how many overlap. The beginning of the next one is decoded ahead by a thread.
"""

import sys
from bisect import insort
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from tapewire.compiled.kernel_cache import compile_once
from tapewire.market.records import MBO_KERNEL_DTYPE
from tapewire.replay import _kernels as kernels
from tapewire.replay import _merging as merging
from tapewire.replay.duplicates import DuplicateFilter
from tapewire.replay.levels import warm_up_levels
from tapewire.replay.reading import NO_KEYS, FileReader, as_words

#: Records buffered per open file; less when very many are open at once.
CHUNK_RECORDS: Final = 4_096
_BUFFERED_RECORDS_MAX: Final = 1 << 22
_CHUNK_RECORDS_MIN: Final = 256
#: What the kernels of the replay are called in the kernel cache.
KERNELS: Final = "replay"


class Merger:
    """Merges files by clock, opening each only when its first record is due.

    Parameters
    ----------
    readers
        In the order that decides last between equal clocks.
    tick
        Called after each chunk read; may raise.
    duplicates
        What looks for records that two files have; None: no two can have the same.
    """

    def __init__(
        self,
        readers: Sequence[FileReader],
        tick: Callable[[], None],
        duplicates: DuplicateFilter | None = None,
    ) -> None:
        self._readers = readers
        self._tick = tick
        self._duplicates = duplicates
        self._pool: ThreadPoolExecutor | None = None
        datasets = [r.header.dataset for r in readers]
        self._dataset_ranks = [datasets.index(dataset) for dataset in datasets]
        holds = [i for i, r in enumerate(readers) if r.header.first_ts_recv is not None]
        # Sorted to pop from the end: the earliest first record, at equal clocks file order.
        self._pending = sorted(
            ((readers[i].header.first_ts_recv or 0, i) for i in holds), reverse=True
        )
        self._chunk = max(
            _CHUNK_RECORDS_MIN, min(CHUNK_RECORDS, _BUFFERED_RECORDS_MAX // max(1, len(readers)))
        )
        self._buffer = np.empty((0, self._chunk), MBO_KERNEL_DTYPE)
        self._keys = np.empty((0, self._chunk), np.int64)
        self._pos = np.empty(0, np.int64)
        self._end = np.empty(0, np.int64)
        self._order = np.empty(0, np.int64)
        self._ranks = np.empty(0, np.int64)
        self._heads = np.empty((0, 2), np.int64)
        self._tree = np.empty(0, np.int64)
        self._places = np.empty(0, np.int16)
        self._alike = np.empty(0, np.int64)
        self._state = np.zeros(merging.STATE_SIZE, np.int64)
        self._active: list[int] = []
        self._free: list[int] = []

    def fill(self, out: np.ndarray, out_keys: np.ndarray) -> int:
        """Write the next records; return how many, fewer than ``len(out)`` only at the end.

        Parameters
        ----------
        out
            ``MBO_KERNEL_DTYPE``, contiguous.
        out_keys
            int64, as long, for the clocks (ns).
        """
        if len(self._places) < len(out):
            self._places = np.empty(len(out), np.int16)
            self._alike = np.empty(len(out), np.int64)
        places = self._places[: len(out)]
        written = 0
        while written < len(out):
            end = self._merge(out, out_keys, places, written)
            if end == written:
                break
            if self._duplicates is not None:
                alike = self._alike[: self._state[merging.STATE_ALIKE]]
                end = self._duplicates.keep(
                    as_words(out[:end]), out_keys[:end], places[:end], written, alike
                )
            written = end
        return written

    def _merge(self, out: np.ndarray, keys: np.ndarray, places: np.ndarray, written: int) -> int:
        """Fill the rest of the output; return where it ends."""
        self._state[:] = 0
        words = as_words(out)
        while written < len(out):
            if not self._active and not self._open_next():
                break
            row = self._active[0]
            if len(self._active) == 1 and self._pos[row] == self._end[row]:
                written = self._read_on(row, out, keys, places, written)
                continue
            written, status, row = merging.merge_rows(
                as_words(self._buffer),
                self._keys,
                self._pos,
                self._end,
                self._order,
                self._ranks,
                np.array(self._active, np.int64),
                self._heads,
                self._tree,
                self._limit,
                bool(self._pending),
                words,
                keys,
                places,
                written,
                self._alike,
                self._state,
            )
            if status == merging.MERGE_NEEDS_ROW and len(self._active) > 1:
                self._refill(int(row))
            elif status == merging.MERGE_AT_LIMIT:
                self._open_next()
        return int(written)

    @property
    def _limit(self) -> int:
        """Clock of the first record of the next file that is not open yet."""
        return self._pending[-1][0] if self._pending else 0

    def _read_on(
        self, row: int, out: np.ndarray, keys: np.ndarray, places: np.ndarray, written: int
    ) -> int:
        """Read on in the only file that is open, without a detour; return where the output ends."""
        room = min(len(out), written + self._chunk)
        kept = self._read_row(row, out[written:room], keys[written:room])
        end = written + kept
        if self._pending:
            end = written + int(np.searchsorted(keys[written:end], self._limit))
            left = written + kept - end
            self._buffer[row, :left] = out[end : end + left]
            self._keys[row, :left] = keys[end : end + left]
            self._pos[row], self._end[row] = 0, left
        if end > written:
            places[written:end] = self._order[row]
            merging.note_run(keys, places, written, end, self._alike, self._state)
        return end

    def close(self) -> None:
        """End the thread that decodes ahead."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _open_next(self) -> bool:
        """Open the file whose first record is due next; False if there is none."""
        while self._pending:
            _, index = self._pending.pop()
            row = self._new_row()
            self._order[row] = index
            self._ranks[row] = self._dataset_ranks[index]
            insort(self._active, row, key=lambda row: int(self._order[row]))
            self._make_tree()
            found = self._refill(row)
            self._decode_next_ahead()
            if found:
                return True
        return False

    def _decode_next_ahead(self) -> None:
        if not self._pending:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "tapewire-ahead")
        self._readers[self._pending[-1][1]].decode_ahead(self._pool)

    def _refill(self, row: int) -> bool:
        """Read the next chunk of a row's file; drop the row at the file's end."""
        self._pos[row] = 0
        self._end[row] = self._read_row(row, self._buffer[row], self._keys[row])
        return bool(self._end[row])

    def _read_row(self, row: int, out: np.ndarray, keys: np.ndarray) -> int:
        """Read on in a row's file; drop the row at the file's end."""
        reader = self._readers[int(self._order[row])]
        kept = 0
        while not kept and not reader.done:
            kept = reader.read(out, keys)
            self._tick()
        if not kept:
            self._active.remove(row)
            self._free.append(row)
            self._make_tree()
        return kept

    def _make_tree(self) -> None:
        """Have as many leaves as the rows that are merged need."""
        leaves = 1 << max(0, len(self._active) - 1).bit_length()
        if len(self._heads) != leaves:
            self._heads = np.empty((leaves, 2), np.int64)
            self._tree = np.empty(2 * leaves, np.int64)

    def _new_row(self) -> int:
        if not self._free:
            rows = len(self._pos)
            more = max(1, rows)
            for name in ("_pos", "_end", "_order", "_ranks"):
                setattr(self, name, np.concatenate([getattr(self, name), np.zeros(more, np.int64)]))
            for name in ("_buffer", "_keys"):
                old = getattr(self, name)
                new = np.empty((rows + more, self._chunk), old.dtype)
                new[:rows] = old
                setattr(self, name, new)
            self._free = list(range(rows + more - 1, rows - 1, -1))
        return self._free.pop()


def warm_up() -> None:
    """Compile (or load) the kernels, so that no deadline has to wait for it."""
    compile_once(_call_kernels, (KERNELS,), _say)


def _say(text: str) -> None:
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


def _call_kernels() -> None:
    one = np.zeros(1, MBO_KERNEL_DTYPE)
    state = np.zeros(kernels.STATE_SIZE, np.int64)
    kernels.check_records(one, NO_KEYS, state)
    none3, none2 = np.zeros((0, 3), np.int64), np.zeros((0, 2), np.int64)
    kernels.filter_records(
        one, as_words(one), NO_KEYS, state, 0, 0, np.zeros(0, np.uint8), none3, none2, 0,
        none2,
    )  # fmt: skip
    rows = np.zeros((1, 1), MBO_KERNEL_DTYPE)
    keys = np.zeros((1, 1), np.int64)
    row, out, out_keys = np.zeros(1, np.int64), as_words(one), np.zeros(1, np.int64)
    heads, tree = np.zeros((1, 2), np.int64), np.zeros(2, np.int64)
    data, counts = np.zeros(0, np.uint8), np.zeros(256, np.int64)
    kernels.pick_mbo(data, 0, 0, 0, np.zeros((1, 56), np.uint8), counts)
    kernels.find_records(data, 0, 0, counts)
    places, words = np.zeros(1, np.int16), as_words(rows)
    merge_state = np.zeros(merging.STATE_SIZE, np.int64)
    merging.merge_rows(
        words, keys, row, row, row, row, row, heads, tree, 0, False, out, out_keys, places, 0,
        row, merge_state,
    )  # fmt: skip
    merging.note_run(out_keys, places, 0, 1, row, merge_state)
    DuplicateFilter(["", ""], refuse=False).keep(out, out_keys, places, 0, row[:0])
    warm_up_levels()
