"""Candles from files: bars of DBN, Parquet and CSV, or made of trades or MBO records."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.candles.data import PRICES, Candles
from tapewire.compiled.tables import read_table
from tapewire.derive import SCHEMAS, Deriver
from tapewire.derive.layout import OHLCV_DTYPE, TRADE_DTYPE
from tapewire.errors import ConfigError, FormatError, InputError, NoDataError
from tapewire.market.records import ACTION_TRADE, MBO_DTYPE
from tapewire.replay import ReplayPlan, open_source
from tapewire.replay.any_schema import SchemaFile, schema_of
from tapewire.replay.dbn import symbol_mappings

if TYPE_CHECKING:
    import pyarrow as pa

_CHUNK_RECORDS: Final = 65_536
_DBN_ENDINGS: Final = (".dbn", ".dbn.zst", ".dbz")
_TIME_NAMES: Final = ("ts_event", "timestamp", "datetime", "date", "time")
#: From 2000 to 2100, and what counts whole numbers of it that are no ns.
_CENTURY_S: Final = (946_684_800, 4_102_444_800)
_OTHER_UNITS: Final = {"seconds": 1, "milliseconds": 1_000, "microseconds": 1_000_000}
_MONTH: Final = ((100, 1, 12),)
_DAY: Final = ((100, 1, 31), *_MONTH)
_MINUTE: Final = ((100, 0, 59), (100, 0, 24), *_DAY)
_SECOND: Final = ((100, 0, 59), *_MINUTE)
#: Times written as numbers: what their digits count by, the last first, the least and the most.
_WRITTEN: Final = {
    "YYYYMM": _MONTH,
    "YYYYMMDD": _DAY,
    "YYYYMMDDHHMM": _MINUTE,
    "YYYYMMDDHHMMSS": _SECOND,
    "YYYYMMDDHHMMSSmmm": ((1_000, 0, 999), *_SECOND),
}
#: Of the year, which is what is left.
_YEARS: Final = (1900, 2100)
_INTERVALS: Final = {name: SCHEMAS[name].interval_ns for name in SCHEMAS if "ohlcv" in name}


def read_candles(
    path: str | Path,
    *,
    symbol: str | None = None,
    interval: str = "1m",
    tick_size: int | None = None,
    faults: str = "error",
) -> Candles:
    """Read the candles of one instrument.

    Parameters
    ----------
    path
        DBN of schema ``ohlcv-…``, ``trades`` or ``mbo``; a Parquet or CSV table with a time
        (``ts_event``, ``timestamp``, ``datetime``, ``date`` or ``time``: ns since the epoch, or a
        date and time, UTC unless it says its zone), ``open``, ``high``, ``low``, ``close``,
        ``volume`` and maybe ``symbol``. Prices of a CSV are decimal; whole numbers of a Parquet
        file are in 1e-9, as Databento's are.
    symbol
        Which instrument, where there are several.
    interval
        Of bars that are made of trades or MBO records: ``1s``, ``1m``, ``1h`` or ``1d``.
    tick_size, faults
        See `Candles.of`.

    Raises
    ------
    MissingFileError, FormatError
        If the file can't be read, or its bars are not sound.
    NoDataError
        If it has no bar of that symbol.
    ConfigError
        If it has several instruments and no symbol was given, or there is no such interval.
    """
    where = str(path)
    if where.endswith(_DBN_ENDINGS):
        found = _read_dbn(where, symbol, interval)
    else:
        found = _read_table(Path(path), symbol)
    times, prices, volume, name, interval_ns = found
    opened, high, low, close = prices
    return Candles.of(
        times, opened, high, low, close, volume, tick_size=tick_size, interval_ns=interval_ns,
        symbol=name, faults=faults, where=where,
    )  # fmt: skip


def kind_of(path: str | Path) -> str:
    """Return what a file has that bars may be read from, as its name and its header say.

    Returns
    -------
    str
        ``bars`` (tables, ``ohlcv-…``); else the schema of its records, of which ``trades`` and
        ``mbo`` can be made bars; empty: its header can't be read.
    """
    if not str(path).endswith(_DBN_ENDINGS):
        return "bars"
    try:
        schema = schema_of(str(path))
    except (InputError, OSError):
        return ""
    return "bars" if schema in _INTERVALS else schema


_Found = tuple[Any, Sequence[Any], Any, str, int]
#: Symbols, each with an instrument's id and from when to when (ns) it stood for that.
_Mappings = Sequence[tuple[str, int, int, int]]


# --- DBN ------------------------------------------------------------------------------------------


def _read_dbn(path: str, symbol: str | None, interval: str) -> _Found:
    schema = schema_of(path)
    mappings: _Mappings
    if schema in _INTERVALS:
        with SchemaFile(path) as file:
            mappings = symbol_mappings(path, file.metadata)
            bars = _all_records(file)
        length = _INTERVALS[schema]
    elif schema in ("trades", "mbo"):
        made = f"ohlcv-{interval}"
        if made not in _INTERVALS:
            known = ", ".join(name.removeprefix("ohlcv-") for name in _INTERVALS)
            raise ConfigError(f"interval: expected one of {known}, found {interval!r}")
        mappings, bars = _made_bars(path, schema, made, symbol)
        length = _INTERVALS[made]
    else:
        raise FormatError(f"{path}: expected schema ohlcv-…, trades or mbo, found {schema}")
    bars, name = _one_instrument(path, bars, length, mappings, symbol)
    publishers = np.unique(bars["publisher_id"])
    if len(publishers) > 1:
        raise FormatError(
            f"{path}: expected bars of one publisher, found those of {name or 'one instrument'} by "
            f"{', '.join(map(str, publishers[:8]))}: each has its own; take data of one venue"
        )
    prices = [bars[column] for column in PRICES]
    times, volume = bars["ts_event"].astype(np.int64), bars["volume"].astype(np.int64)
    return times, prices, volume, name, length


def _all_records(file: SchemaFile) -> npt.NDArray[Any]:
    parts = []
    while True:
        chunk = np.empty(_CHUNK_RECORDS, OHLCV_DTYPE)
        n = file.read_into(chunk)
        if not n:
            break
        parts.append(chunk[:n])
    return np.concatenate(parts) if parts else np.empty(0, OHLCV_DTYPE)


def _made_bars(
    path: str, schema: str, made: str, symbol: str | None
) -> tuple[_Mappings, npt.NDArray[Any]]:
    """Make bars of trades, or of the trades among MBO records."""
    deriver = Deriver(SCHEMAS[made])
    parts: list[npt.NDArray[Any]] = []
    if schema == "mbo":
        plan = ReplayPlan(files=(path,), symbols=(symbol,) if symbol else ())
        with open_source(plan) as source:
            mappings = source.info.mappings
            records = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
            while n := source.fill(records):
                parts += [block.copy() for block in deriver.feed(records[:n])]
    else:
        with SchemaFile(path) as file:
            mappings = symbol_mappings(path, file.metadata)
            found = np.empty(_CHUNK_RECORDS, TRADE_DTYPE)
            while n := file.read_into(found):
                file.require_trades(found[:n])
                parts += [block.copy() for block in deriver.feed(_as_mbo(found[:n]))]
    parts += [block.copy() for block in deriver.finish()]
    return mappings, np.concatenate(parts) if parts else np.empty(0, OHLCV_DTYPE)


def _as_mbo(trades: npt.NDArray[Any]) -> npt.NDArray[Any]:
    records = np.zeros(len(trades), MBO_DTYPE)
    for name in ("publisher_id", "instrument_id", "ts_event", "price", "size", "flags", "ts_recv"):
        records[name] = trades[name]
    records["action"] = ACTION_TRADE
    records["side"] = trades["side"].view(np.uint8)
    return records


def _one_instrument(
    path: str, bars: npt.NDArray[Any], length_ns: int, mappings: _Mappings, symbol: str | None
) -> tuple[npt.NDArray[Any], str]:
    """Return the bars of one symbol, whatever ids it had on its days."""
    known = _rows_by_symbol(bars, length_ns, mappings)
    if symbol is None:
        if len(known) > 1:
            raise ConfigError(f"symbol: {path} has {', '.join(known)}; name one of them")
        return bars, next(iter(known), "")
    if symbol not in known:
        raise NoDataError(f"{path}: expected {symbol}, found {', '.join(known) or 'no bar'}")
    return bars[np.unique(np.concatenate(known[symbol]))], symbol  # in the order of the file


def _rows_by_symbol(
    bars: npt.NDArray[Any], length_ns: int, mappings: _Mappings
) -> dict[str, list[npt.NDArray[np.int64]]]:
    """Return the rows of each symbol that has some, each bar's symbol being that of its time.

    A bar without a symbol at its time goes by the number of its instrument.
    """
    ids, times = bars["instrument_id"], bars["ts_event"].astype(np.int64)
    order = np.lexsort((times, ids))
    ids, times = ids[order], times[order]
    is_named = np.zeros(len(bars), bool)
    found: dict[str, list[npt.NDArray[np.int64]]] = {}
    for name, number, start_ns, end_ns in mappings:
        first, last = np.searchsorted(ids, np.array([number, number + 1], ids.dtype))
        # A recording's symbols may begin within a bar.
        span_ns = start_ns - length_ns + 1, end_ns
        begin, stop = first + np.searchsorted(times[first:last], span_ns)
        rows = order[begin:stop]
        if len(rows):
            found.setdefault(name, []).append(rows)
            is_named[begin:stop] = True
    for number in np.unique(ids[~is_named]):
        found.setdefault(str(number), []).append(order[~is_named & (ids == number)])
    return found


# --- tables ---------------------------------------------------------------------------------------


def _read_table(path: Path, symbol: str | None) -> _Found:
    table = read_table(path, "candles")
    time_name = next((name for name in _TIME_NAMES if name in table.column_names), None)
    for name in (*PRICES, "volume"):
        if name not in table.column_names:
            raise FormatError(
                f"{path}: expected a column {name}, found {', '.join(table.column_names)}"
            )
    if time_name is None:
        raise FormatError(
            f"{path}: expected a column of {', '.join(_TIME_NAMES)}, "
            f"found {', '.join(table.column_names)}"
        )
    table, name = _one_symbol(path, table, symbol)
    prices = [_numbers(path, column, table[column]) for column in PRICES]
    volume = _numbers(path, "volume", table["volume"])
    return _times(path, time_name, table[time_name]), prices, volume, name, 0


def _one_symbol(path: Path, table: "pa.Table", symbol: str | None) -> tuple["pa.Table", str]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if "symbol" not in table.column_names:
        return table, symbol or ""
    column = table["symbol"]
    if column.null_count:
        raise FormatError(f"{path}: symbol: expected one in every row, found none in one")
    try:
        names = column.cast(pa.string())
    except pa.ArrowException as error:
        raise FormatError(f"{path}: symbol: expected text or numbers: {error}") from None
    known = sorted(pc.unique(names).to_pylist())
    if symbol is None:
        if len(known) > 1:
            raise ConfigError(f"symbol: {path} has {', '.join(known)}; name one of them")
        return table, next(iter(known), "")
    if symbol not in known:
        raise NoDataError(f"{path}: expected {symbol}, found {', '.join(known) or 'no bar'}")
    return table.filter(pc.equal(names, symbol)), symbol


def _numbers(path: Path, name: str, column: "pa.ChunkedArray") -> npt.NDArray[Any]:
    """Return a column as int64 or float64; an empty cell is NaN."""
    import pyarrow as pa

    try:
        if pa.types.is_string(column.type):
            import pyarrow.compute as pc

            empty = pc.equal(pc.utf8_trim_whitespace(column), "")
            column = pc.if_else(empty, pa.scalar(None, pa.string()), column).cast(pa.float64())
        elif pa.types.is_decimal(column.type):
            column = column.cast(pa.float64())
        if column.null_count:
            column = column.cast(pa.float64()).fill_null(float("nan"))
    except pa.ArrowException as error:
        raise FormatError(f"{path}: {name}: expected numbers: {error}") from None
    found: npt.NDArray[Any] = column.to_numpy()
    if found.dtype.kind not in "iuf":
        raise FormatError(f"{path}: {name}: expected numbers, found {column.type}")
    return found


def _times(path: Path, name: str, column: "pa.ChunkedArray") -> npt.NDArray[np.int64]:
    """Return a column of times as ns since the epoch, UTC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count:
        raise FormatError(f"{path}: {name}: expected a time in every row, found none in one")
    try:
        if pa.types.is_string(column.type):
            whole = pc.all(pc.match_substring_regex(column, r"^\d{12,}$")).as_py()
            column = column.cast(pa.int64()) if whole else _written_times(column)
        if pa.types.is_integer(column.type):
            return _since_the_epoch(path, name, column.cast(pa.int64()).to_numpy())
        moments = column.cast(pa.timestamp("ns", getattr(column.type, "tz", None)))
        return moments.cast(pa.int64()).to_numpy()
    except pa.ArrowException as error:
        raise FormatError(
            f"{path}: {name}: expected ns since the epoch or a date and time: {error}"
        ) from None


def _since_the_epoch(path: Path, name: str, times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return times as they are, unless they are those of our century in another form."""
    for form, parts in _WRITTEN.items():
        if len(times) and _are_written(times, parts):
            raise FormatError(
                f"{path}: {name}: expected ns since the epoch, found {times[0]}, which looks like "
                f"{form}: write {name} in ns, or as a date and time as 2024-01-02T09:30:00"
            )
    for unit, per_s in _OTHER_UNITS.items():
        low, high = (second * per_s for second in _CENTURY_S)
        if len(times) and low <= times.min() and times.max() < high:
            raise FormatError(
                f"{path}: {name}: expected ns since the epoch, found {times[0]}, which looks like "
                f"{unit}: write {name} in ns, or as a date and time"
            )
    return times


def _are_written(times: npt.NDArray[np.int64], parts: Sequence[tuple[int, int, int]]) -> bool:
    """Whether all numbers are a year, and digits for each of some parts, the last one first."""
    rest = times
    for count, least, most in parts:
        rest, part = np.divmod(rest, count)
        if part.min() < least or part.max() > most:
            return False
    return bool(rest.min() >= _YEARS[0] and rest.max() <= _YEARS[1])


def _written_times(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    with_zone = pc.all(pc.match_substring_regex(column, r"(Z|[+-]\d\d:?\d\d)$")).as_py()
    return column.cast(pa.timestamp("ns", "UTC" if with_zone else None))
