"""Files whose records are of several schemas, as the live client writes them.

The MBO records are given, the others counted. Which instruments there are is said by records, too:
those of symbol mappings near the beginning.

Source: the DBN specification, record header and ``SymbolMappingMsg``.
"""

import datetime as dt
from types import SimpleNamespace
from typing import Any, Final

import databento_dbn as dbn
import numpy as np
import numpy.typing as npt

from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import FormatError
from tapewire.market.records import RECORD_BYTES, RTYPE_MBO
from tapewire.replay import _kernels as kernels
from tapewire.replay.byte_sources import ByteSource, TruncatedFrame
from tapewire.wire import SymbolMapping

_BUFFER_BYTES: Final = 1 << 20
#: The records of symbol mappings are looked for so far into the file.
MAPPINGS_WITHIN_BYTES: Final = 16 << 20
_MAPPINGS_MAX: Final = 100_000
_RTYPE_MAPPING: Final = 0x16
_TS_MAX: Final = 2**63 - 1
_TS_OUT_BYTES: Final = 8
_EPOCH: Final = dt.date(1970, 1, 1)
_LAST_DAY: Final = dt.date(2262, 4, 11)
#: Untyped: the vendor's stubs call enum members strings.
_DBN: Final[Any] = dbn

#: What records are called, by rtype (several for those of a schema's versions).
_NAMES: Final = {
    0x00: "trades", 0x01: "mbp-1", 0x0A: "mbp-10", 0x11: "ohlcv", 0x12: "status",
    0x13: "definition", 0x14: "imbalance", 0x15: "error", 0x16: "symbol mapping", 0x17: "system",
    0x18: "statistics", 0x20: "ohlcv-1s", 0x21: "ohlcv-1m", 0x22: "ohlcv-1h", 0x23: "ohlcv-1d",
    0x24: "ohlcv-eod", 0xB1: "cmbp-1", 0xC0: "cbbo-1s", 0xC1: "cbbo-1m", 0xC2: "tcbbo",
    0xC3: "bbo-1s", 0xC4: "bbo-1m",
}  # fmt: skip


def _mapping_dtype(symbol_bytes: int, stypes: bool) -> np.dtype[Any]:
    fields: list[tuple[str, Any]] = [("head", "V4"), ("instrument_id", "<u4"), ("ts_event", "<u8")]
    for side in ("in", "out"):
        fields += [(f"stype_{side}", "u1")] if stypes else []
        fields += [(f"symbol_{side}", f"S{symbol_bytes}")]
    if not stypes:
        fields += [("padding", "V4")]
    return np.dtype([*fields, ("start_ts", "<u8"), ("end_ts", "<u8")])


#: `SymbolMappingMsg` by its size in bytes: version 1 has short symbols and no symbology types.
_MAPPINGS: Final = {
    dtype.itemsize: dtype for dtype in (_mapping_dtype(22, False), _mapping_dtype(71, True))
}


class MixedBytes:
    """The MBO records among those of other schemas, as if there were no others.

    Parameters
    ----------
    path
        For messages.
    source
        The bytes behind the header.
    ts_out
        Whether each record has the time of sending behind it.

    Attributes
    ----------
    counts
        Records met, int64 by rtype.
    """

    def __init__(self, path: str, source: ByteSource, *, ts_out: bool) -> None:
        self._path = path
        self._source = source
        self._record_bytes = RECORD_BYTES + (_TS_OUT_BYTES if ts_out else 0)
        self._buffer = np.empty(_BUFFER_BYTES, np.uint8)
        self._begin = self._end = 0
        self._passed = 0
        self._ended = False
        self._cut: TruncatedFrame | None = None
        self.counts = np.zeros(256, np.int64)

    def left_out(self) -> str:
        """Say in words which records were no MBO records; empty where there are none."""
        rtypes = [int(r) for r in np.flatnonzero(self.counts) if r != RTYPE_MBO]
        return ", ".join(
            f"{int(self.counts[rtype]):,} {_NAMES.get(rtype, f'rtype {rtype:#04x}')}"
            for rtype in rtypes
        )

    def readinto(self, out: memoryview) -> int:
        """Fill ``out``, whose size is of whole records, as far as the file goes."""
        records = np.frombuffer(out, np.uint8).reshape(-1, RECORD_BYTES)
        written = 0
        while written < len(records):
            self._begin, count, bad = kernels.pick_mbo(
                self._buffer, self._begin, self._end, self._record_bytes,
                records[written:], self.counts,
            )  # fmt: skip
            written += count
            if bad >= 0:
                raise FormatError(
                    f"{self._path}: {self._passed + bad} bytes behind its header: expected a "
                    f"record, found a length of {4 * int(self._buffer[bad])} bytes with rtype "
                    f"{int(self._buffer[bad + 1]):#04x}: the file is corrupt"
                )
            if written < len(records) and not self._refill():
                self._require_whole(written)
                break
        return written * RECORD_BYTES

    def _refill(self) -> bool:
        left = self._end - self._begin
        if self._ended:
            return False
        self._buffer[:left] = self._buffer[self._begin : self._end]
        self._passed += self._begin
        try:
            count = self._source.readinto(self._buffer[left:].data)
        except TruncatedFrame as cut:
            self._cut, count = cut, cut.filled
        self._begin, self._end = 0, left + count
        self._ended = self._end < len(self._buffer)
        return count > 0

    def _require_whole(self, written: int) -> None:
        filled = written * RECORD_BYTES
        if self._cut is not None:
            raise TruncatedFrame(filled, self._cut.offset, self._cut.frame_offset)
        if self._begin < self._end:
            raise TruncatedFrame(filled, self._passed + self._end, None)

    def content_hash(self) -> str:
        """Return the xxh3_128 of the bytes read from disk so far."""
        return self._source.content_hash()

    @property
    def disk_bytes(self) -> int:
        """Bytes read from disk so far."""
        return self._source.disk_bytes

    def close(self) -> None:
        """Close the file."""
        self._source.close()


def recorded_mappings(source: ByteSource) -> tuple[SymbolMapping, ...]:
    """Return what records of symbol mappings say, of those near the beginning, sorted.

    Parameters
    ----------
    source
        The bytes behind the header; they are read.
    """
    data = np.empty(MAPPINGS_WITHIN_BYTES, np.uint8)
    try:
        end = source.readinto(data.data)
    except TruncatedFrame as cut:
        end = cut.filled
    starts = np.empty(_MAPPINGS_MAX, np.int64)
    found: set[SymbolMapping] = set()
    for at in starts[: kernels.find_records(data, end, _RTYPE_MAPPING, starts)]:
        if (mapping := mapping_in(data[at : at + 4 * int(data[at])])) is not None:
            found.add(mapping)
    return tuple(sorted(found))


def mapping_in(record: npt.NDArray[np.uint8]) -> SymbolMapping | None:
    """Return what a record of a symbol mapping says; None if it has another size than those.

    Parameters
    ----------
    record
        uint8, shape (n,).
    """
    dtype = _MAPPINGS.get(record.size) or _MAPPINGS.get(record.size - _TS_OUT_BYTES)
    if dtype is None:
        return None
    message = record[: dtype.itemsize].view(dtype)[0]
    name = bytes(message["symbol_out"]).decode(errors="replace")
    if not name or name.isdigit():  # as Databento's client has it
        name = bytes(message["symbol_in"]).decode(errors="replace")
    start, end_ts = int(message["start_ts"]), int(message["end_ts"])
    return SymbolMapping(
        name,
        int(message["instrument_id"]),
        start if start <= _TS_MAX else 0,
        end_ts if end_ts <= _TS_MAX else _TS_MAX,
    )


def mbo_metadata(metadata: dbn.Metadata, mappings: tuple[SymbolMapping, ...]) -> dbn.Metadata:
    """Return the metadata of a file of the MBO records alone, with these mappings."""
    named: dict[str, list[SymbolMapping]] = {}
    for mapping in mappings:
        named.setdefault(mapping.raw_symbol, []).append(mapping)
    return _DBN.Metadata(  # type: ignore[no-any-return]
        metadata.dataset,
        metadata.start,
        metadata.stype_in if metadata.stype_in is not None else _DBN.SType.RAW_SYMBOL,
        _DBN.SType.INSTRUMENT_ID,
        _DBN.Schema.MBO,
        symbols=list(metadata.symbols) or list(named),
        partial=list(metadata.partial),
        not_found=list(metadata.not_found),
        mappings=[
            SimpleNamespace(
                raw_symbol=name,
                intervals=[
                    SimpleNamespace(
                        start_date=_date(m.start_ns),
                        end_date=_date(m.end_ns),
                        symbol=str(m.instrument_id),
                    )
                    for m in its
                ],
            )
            for name, its in named.items()
        ],
        end=metadata.end,
        ts_out=False,
        version=metadata.version,
    )


def _date(ns: int) -> dt.date:
    return min(_EPOCH + dt.timedelta(days=ns // NS_PER_DAY), _LAST_DAY)
