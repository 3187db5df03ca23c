"""Seeded synthetic MBO sessions, written as real DBN files.

The records come from a small simulated market (``_synth``), the file from Databento's own
encoder: its ``Metadata`` makes the header, its ``Transcoder`` reads every record back and writes
the file, compressed for names that end in ``.zst``.
"""

import datetime as dt
import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Final

import databento_dbn as dbn
import numpy as np
import numpy.typing as npt

from tapewire.atomic import atomic_file
from tapewire.compiled.units import NS_PER_S
from tapewire.errors import ConfigError
from tapewire.market.records import MBO_DTYPE, MBO_KERNEL_DTYPE
from tapewire.replay import _synth, _synth_books

#: Untyped: the vendor's stubs call enum members strings.
_DBN: Final[Any] = dbn

DATASET: Final = "GLBX.MDP3"
DBN_VERSION: Final = 3
#: 4 March 2024, 14:30 UTC: a Monday, an hour after the cash open in Chicago.
SESSION_START_NS: Final = 1_709_562_600_000_000_000
SESSION_S_MAX: Final = 6.5 * 3600
INSTRUMENTS_MAX: Final = 500
EVENTS_MAX: Final = 10**12
#: Records an instrument needs at least: its snapshot and some life.
RECORDS_PER_INSTRUMENT_MIN: Final = 64
#: Records per second of a session too short to fill ``SESSION_S_MAX`` at this rate.
_RECORDS_PER_S: Final = 80
_SNAPSHOT_ORDERS_MAX: Final = 1_500
_FIRST_ORDER_ID: Final = 6_412_777_000_000
_FIRST_INSTRUMENT_ID: Final = 90_001
_CHUNK_RECORDS: Final = 32_768
_DAY_NS: Final = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class SynthSummary:
    """What was written.

    Attributes
    ----------
    path : Path
        The finished file.
    events : int
        Records in it, snapshot included.
    instruments : int
        Instruments in it; ``symbols`` names them.
    seed : int
        The seed it was made from.
    file_bytes : int
        Size of the file.
    actions : dict of str to int
        Records per action letter.
    start_ns, end_ns : int
        First and last ``ts_recv``, ns since the epoch, UTC.
    elapsed_s : float
        Wall time it took, and of that ``kernel_s`` in making the records.
    """

    path: Path
    events: int
    instruments: int
    symbols: tuple[str, ...]
    seed: int
    file_bytes: int
    actions: dict[str, int]
    start_ns: int
    end_ns: int
    elapsed_s: float
    kernel_s: float


class SyntheticSession:
    """The records of one synthetic session, chunk by chunk.

    Parameters
    ----------
    events : int
        Records to make, start snapshot included.
    instruments : int
        Books they are spread over, the first the most active.
    seed : int
        Any 64-bit integer; the same one gives the same records.
    session_s : float, optional
        Seconds of market time to spread them over. By default 80 records a second, at most
        6.5 hours.

    Raises
    ------
    ConfigError
        If an argument is out of range.
    """

    def __init__(
        self, events: int, *, instruments: int = 1, seed: int = 0, session_s: float | None = None
    ) -> None:
        _check_arguments(events, instruments, seed, session_s)
        if session_s is None:
            session_s = min(SESSION_S_MAX, events / _RECORDS_PER_S)
        self.events = events
        self.instruments = instruments
        self.seed = seed
        self.kernel_s = 0.0
        self.symbols = tuple(f"TWA{k + 1}" for k in range(instruments))
        self.end_ns = SESSION_START_NS + int(session_s * NS_PER_S)
        self._engine = np.zeros(1, _synth.ENGINE_DTYPE)
        engine = self._engine[0]
        engine["seed"] = np.int64(np.uint64(seed & (2**64 - 1)).view(np.int64))
        engine["ts_event"] = engine["ts_recv"] = SESSION_START_NS
        engine["ts_end"] = self.end_ns
        engine["order_id"] = _FIRST_ORDER_ID
        engine["left"] = events
        engine["snapshot_orders"] = min(_SNAPSHOT_ORDERS_MAX, events // instruments // 4) & ~1
        self._books = np.zeros(instruments, _synth_books.BOOK_DTYPE)
        k = np.arange(instruments)
        self._books["instrument_id"] = _FIRST_INSTRUMENT_ID + k
        middle = _synth_books.LEVELS // 2
        # 5000, 5050, 5100, …: the first offer of each book.
        self._books["base_price"] = (20_000 + 200 * k - middle) * _synth.TICK_SIZE
        self._books["target_orders"] = 1_400 + (k * 701) % 1_500
        self._levels = np.zeros((instruments, _synth_books.LEVELS), _synth_books.LEVEL_DTYPE)
        self._orders = np.zeros((instruments, _synth_books.ORDERS_MAX), _synth_books.ORDER_DTYPE)
        self._cumulative = np.cumsum(1_000_000 // (k + 1) + 50_000)
        _synth.open_books(self._books, self._levels, self._orders)

    def metadata(self) -> bytes:
        """The DBN header, made by Databento's encoder."""
        first = dt.datetime.fromtimestamp(SESSION_START_NS // NS_PER_S, dt.UTC).date()
        last = dt.datetime.fromtimestamp(self.end_ns // NS_PER_S, dt.UTC).date()
        day_start = SESSION_START_NS // _DAY_NS * _DAY_NS
        end = last + dt.timedelta(days=1)
        mappings = [
            SimpleNamespace(
                raw_symbol=symbol,
                intervals=[
                    SimpleNamespace(
                        start_date=first, end_date=end, symbol=str(_FIRST_INSTRUMENT_ID + k)
                    )
                ],
            )
            for k, symbol in enumerate(self.symbols)
        ]
        return bytes(
            _DBN.Metadata(
                DATASET,
                day_start,
                _DBN.SType.RAW_SYMBOL,
                _DBN.SType.INSTRUMENT_ID,
                _DBN.Schema.MBO,
                symbols=list(self.symbols),
                mappings=mappings,  # any objects with these attributes
                end=day_start + ((end - first).days) * _DAY_NS,
                version=DBN_VERSION,
            )
        )

    def chunks(self, chunk_records: int = _CHUNK_RECORDS) -> Iterator[npt.NDArray[np.void]]:
        """Yield the records, at most ``chunk_records`` at a time.

        Each array (``MBO_DTYPE``) is valid until the next one is asked for. The records don't
        depend on the chunk size, which must leave room for one event.
        """
        if chunk_records < _synth.EVENT_RECORDS_MAX:
            raise ConfigError(
                f"chunk_records: expected at least {_synth.EVENT_RECORDS_MAX} (one event), "
                f"found {chunk_records}"
            )
        out = np.zeros(chunk_records, MBO_KERNEL_DTYPE)
        touched = np.zeros(_synth.TOUCHED_MAX, np.int64)
        books, levels, orders = self._books, self._levels, self._orders
        in_snapshot = True
        while True:
            started = time.perf_counter()
            if in_snapshot:
                n = _synth.snapshot(out, self._engine, books, levels, orders)
            else:
                n = _synth.live(out, self._engine, books, levels, orders, self._cumulative, touched)
            self.kernel_s += time.perf_counter() - started
            if n > 0:
                yield out[:n].view(MBO_DTYPE)
            elif in_snapshot:
                in_snapshot = False
            else:
                return


def _check_arguments(events: int, instruments: int, seed: int, session_s: float | None) -> None:
    if not 1 <= instruments <= INSTRUMENTS_MAX:
        raise ConfigError(f"instruments: expected 1 to {INSTRUMENTS_MAX:,}, found {instruments:,}")
    least = RECORDS_PER_INSTRUMENT_MIN * instruments
    if events < least:
        raise ConfigError(
            f"events: expected at least {least:,} ({RECORDS_PER_INSTRUMENT_MIN} for each of "
            f"{instruments:,} instruments), found {events:,}"
        )
    if events > EVENTS_MAX:
        raise ConfigError(f"events: expected at most {EVENTS_MAX:,}, found {events:,}")
    if not -(2**63) <= seed < 2**64:
        raise ConfigError(f"seed: expected a 64-bit integer, found {seed}")
    if session_s is not None and not 1.0 <= session_s <= 366 * 86_400:
        raise ConfigError(
            f"session_s: expected 1 second to 366 days of market time, found {session_s}"
        )


def synthesize(
    path: str | os.PathLike[str],
    *,
    events: int,
    instruments: int = 1,
    seed: int = 0,
    session_s: float | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> SynthSummary:
    """Write a synthetic session as a DBN v3 file of schema ``mbo``.

    The file appears under its name only when it is complete. Memory does not depend on
    ``events``: about 260 KB per instrument.

    Parameters
    ----------
    path : path
        ``….dbn``, or ``….dbn.zst`` for a zstd frame. An existing file is replaced.
    events, instruments, seed, session_s
        See `SyntheticSession`.
    on_progress : callable, optional
        Called now and then with the records written so far.

    Returns
    -------
    SynthSummary

    Raises
    ------
    ConfigError
        If an argument is out of range, or the name ends in neither ``.dbn`` nor ``.dbn.zst``.
    OutputError
        If the file can't be written.
    """
    path = Path(path)
    if path.name.endswith(".dbn.zst"):
        compression = _DBN.Compression.ZSTD
    elif path.name.endswith(".dbn"):
        compression = _DBN.Compression.NONE
    else:
        raise ConfigError(
            f"output: expected a name ending in .dbn or .dbn.zst, found {path.name!r}"
        )
    started = time.perf_counter()
    session = SyntheticSession(events, instruments=instruments, seed=seed, session_s=session_s)
    with atomic_file(path) as file:
        counts, first_ns, last_ns = _write(file, session, compression, on_progress)
    file_bytes = path.stat().st_size
    return SynthSummary(
        path=path,
        events=events,
        instruments=instruments,
        symbols=session.symbols,
        seed=seed,
        file_bytes=file_bytes,
        actions={chr(a): int(n) for a, n in enumerate(counts) if n},
        start_ns=first_ns,
        end_ns=last_ns,
        elapsed_s=time.perf_counter() - started,
        kernel_s=session.kernel_s,
    )


class DbnSink(io.RawIOBase):
    """Passes bytes on; keeps the system's error, which the encoder wraps in words of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Pass bytes on."""
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise


def _write(
    file: BinaryIO,
    session: SyntheticSession,
    compression: Any,
    on_progress: Callable[[int], None] | None,
) -> tuple[npt.NDArray[np.int64], int, int]:
    """Encode the session; returns records per action code and the first and last ``ts_recv``."""
    counts = np.zeros(256, np.int64)
    first_ns = last_ns = written = 0
    sink = DbnSink(file)
    encoder = _DBN.Transcoder(sink, _DBN.Encoding.DBN, compression)
    try:
        encoder.write(session.metadata())
        for records in session.chunks():
            encoder.write(records.tobytes())
            counts += np.bincount(records["action"], minlength=256)
            first_ns = first_ns or int(records["ts_recv"][0])
            last_ns = int(records["ts_recv"][-1])
            written += len(records)
            if on_progress is not None:
                on_progress(written)
        encoder.finish()
    except dbn.DBNError as error:
        raise sink.error or error from None
    return counts, first_ns, last_ns
