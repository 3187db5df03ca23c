"""What a run and its collector's process say to each other: rows by number, and long texts.

The run sends, never more than `WINDOW` messages ahead of what the collector is done with: rows, one
or more batches of them, table by table as raw bytes; and words, a piece of a JSON document, which
says how to begin, what rows count (legs, names) and how to end. The collector answers with what it
is done with, and with the path of a manifest at the end. The run's messages have one number after
the other. Without sockets.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from tapewire.errors import ProtocolError
from tapewire.execution.rows import EVENT_DTYPE, FEE_DTYPE, FILL_DTYPE, ORDER_DTYPE, TOUCH_DTYPE
from tapewire.positions.rows import SAMPLE_DTYPE, SERIES_DTYPE
from tapewire.wire.codec import Codec, Count, Message, Text

Rows = npt.NDArray[Any]

#: Messages under way at most, and bytes of one: so much memory a slow disk may cost, and no more.
WINDOW: Final = 32
PIECE_BYTES: Final = 2 << 20
#: Largest frame: a message is sent when it holds half of that, or what was added makes it more.
FRAME_BYTES_MAX: Final = 2 * PIECE_BYTES
#: Batches in a message at most.
BATCHES_MAX: Final = 1_024
#: A wall-clock latency: which tag, how long, how often.
WALL_DTYPE: Final = np.dtype([("tag", "i8"), ("value_ns", "i8"), ("count", "i8")])
#: The tables of a batch, in the order in which they travel: what `Collector.add` calls them, and
#: what a simulation hands out (`Drained`). One more is a line here, and what becomes of it there.
TABLES: Final = {
    "fills": FILL_DTYPE, "orders": ORDER_DTYPE, "samples": SAMPLE_DTYPE, "events": EVENT_DTYPE,
    "series": SERIES_DTYPE, "fees": FEE_DTYPE, "touches": TOUCH_DTYPE,
}  # fmt: skip
#: A header, the tables, the latencies.
FRAMES_MAX: Final = len(TABLES) + 2

About = Literal["begin", "names", "finish", "fail"]
_Counts = Annotated[tuple[Count, ...], Meta(max_length=BATCHES_MAX * len(TABLES))]


class CollectRows(Message, frozen=True):
    """Rows, as raw bytes in a frame for each table and one for latencies.

    ``counts`` has the rows of each table of the first batch, then of the second, and so on. With
    ``more`` the last batch goes on in the next message.
    """

    number: Count
    counts: _Counts
    latencies: Count
    more: bool


class CollectWords(Message, frozen=True):
    """A piece of a document, in a frame of its own; with ``more`` it goes on in the next one."""

    number: Count
    about: About
    more: bool


class CollectPing(Message, frozen=True):
    """The run asks nothing: whether it arrives says whether the collector is there."""


class CollectHello(Message, frozen=True):
    """The collector's process is there."""

    pid: Count


class CollectDone(Message, frozen=True):
    """The collector is done with all messages before ``number``."""

    number: Count


class CollectEnded(Message, frozen=True):
    """The collector has the folder (``path`` is empty), or has ended it with this manifest."""

    path: Text


CollectMessage = (
    CollectRows | CollectWords | CollectPing | CollectHello | CollectDone | CollectEnded
)

CODEC: Final[Codec[Any]] = Codec(
    CollectMessage,
    magic=b"TWC1",
    noun="collector message",
    bytes_max=FRAME_BYTES_MAX,
    too_large="this is a bug",
)


class CollectedLeg(msgspec.Struct, frozen=True):
    """A leg as the run's documents have it: see `tapewire.analytics.ledger.Leg`."""

    leg: int
    strategy_id: str
    publisher_id: int
    instrument_id: int
    symbol: str
    tick_size: int
    multiplier_num: int
    multiplier_den: int
    client_order_labels: tuple[str, ...] | None = None
    position_limit: int | None = None


class BeginDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a `Collector` is made with."""

    out_dir: str
    config_yaml: str
    force: bool
    resume: bool = False
    event_log: bool
    markouts: bool
    initial_capital: int | None
    margins: dict[str, list[tuple[int, int]]] = {}
    rates: dict[str, list[tuple[int, int, int]]] = {}
    closes: list[tuple[int, int]] = []
    settlements: dict[str, list[tuple[int, int]]] = {}


class NamesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What rows count that they did not count before."""

    legs: list[CollectedLeg] = []
    series: list[str] = []
    fees: list[str] = []
    tags: list[str] = []


class FailDocument(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ends that has no result."""

    status: Literal["incomplete", "failed"]
    reason: str
    manifest: dict[str, Any]
    keep_rows: bool


def byte_view(rows: Rows) -> memoryview:
    """Return the bytes of an array as they lie in memory."""
    return np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data


def pieces_of(batch: Sequence[Rows], bytes_max: int = PIECE_BYTES) -> list[list[Rows]]:
    """Cut a batch's tables into parts of at most so many bytes, or of one row."""
    parts: list[list[Rows]] = []
    part, left = [rows[:0] for rows in batch], bytes_max
    for k, rows in enumerate(batch):
        at = 0
        while at < len(rows):
            fits = max(left, 0) // rows.itemsize
            if not fits and left < bytes_max:
                parts.append(part)
                part, left = [table[:0] for table in batch], bytes_max
                continue
            taken = rows[at : at + max(fits, 1)]
            part[k] = taken
            at += len(taken)
            left -= taken.nbytes
    return [*parts, part]


def read_rows(header: CollectRows, parts: Sequence[memoryview]) -> tuple[list[list[Rows]], Rows]:
    """Return the batches of a message, table by table in each, and its latencies; not copied.

    Raises
    ------
    ProtocolError
        If the frames are not what the header says.
    """
    dtypes = [*TABLES.values(), WALL_DTYPE]
    if len(header.counts) % len(TABLES) or len(parts) != len(dtypes):
        raise ProtocolError(
            f"rows {header.number}: {len(header.counts)} counts and {len(parts)} frames, expected "
            f"{len(TABLES)} for each batch and {len(dtypes)}"
        )
    counts = np.array(header.counts, np.int64).reshape(-1, len(TABLES))
    totals = counts.sum(axis=0).tolist()
    tables = []
    for dtype, n, part in zip(dtypes, [*totals, header.latencies], parts, strict=True):
        if part.nbytes != n * dtype.itemsize:
            raise ProtocolError(
                f"rows {header.number}: a frame of {part.nbytes} bytes, expected "
                f"{n * dtype.itemsize} for {n} rows"
            )
        tables.append(np.frombuffer(part, dtype))
    ends = np.cumsum(counts, axis=0)
    batches = [
        [tables[k][end - n : end] for k, (n, end) in enumerate(zip(row, stop, strict=True))]
        for row, stop in zip(counts.tolist(), ends.tolist(), strict=True)
    ]
    return batches, tables[-1]
