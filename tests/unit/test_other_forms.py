"""Other forms of data than DBN of MBO records: mixed captures, DBZ, every fixture there is."""

import csv
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import databento_dbn
import numpy as np
import pytest
import zstandard

import streams
from tapewire.errors import FormatError, InputError, NoDataError
from tapewire.market.records import F_LAST, F_MBP, MBO_DTYPE
from tapewire.replay import ReplayPlan, open_source, read_records
from tapewire.replay.dbn import symbol_mappings
from tapewire.replay.definitions import read_definitions
from tapewire.replay.levels import SCHEMAS as LEVEL_SCHEMAS
from tapewire.replay.mixed import mbo_metadata
from tapewire.replay.schemas import schema_of
from tapewire.replay.status import read_status
from tapewire.wire import SymbolMapping

LIVE = "fixtures/python/LIVE/test_data.live.dbn.zst"


def decoded(data: bytes) -> list[Any]:
    """All records by Databento's decoder."""
    decoder = databento_dbn.DBNDecoder()
    decoder.write(data)
    return [r for r in decoder.decode() if not isinstance(r, databento_dbn.Metadata)]


def unpacked(path: Path) -> bytes:
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()


def test_the_mbo_records_of_a_live_capture_are_played(data_file: Any) -> None:
    path = data_file(LIVE)
    expected = [r for r in decoded(unpacked(path)) if isinstance(r, databento_dbn.MBOMsg)]
    assert len(expected) == 5
    assert schema_of(str(path)) == "mixed"
    metadata, records = read_records(str(path))
    assert records["order_id"].tolist() == [r.order_id for r in expected]
    assert records["ts_recv"].tolist() == [r.ts_recv for r in expected]
    assert records["price"].tolist() == [r.price for r in expected]
    assert str(metadata.schema) == "mbo"
    with open_source(ReplayPlan((str(path),), symbols=("ESZ4",))) as source:
        assert [(m.raw_symbol, m.instrument_id) for m in source.info.mappings] == [("ESZ4", 183748)]
        while source.fill(np.empty(64, MBO_DTYPE)):
            pass
        (totals,) = source.file_totals
    assert (totals.records_read, totals.content_hash is not None) == (5, True)
    assert "2 trades" in totals.left_out
    assert "symbol mapping" in totals.left_out


def mapping_record(number: int, asked: str, raw: str) -> bytes:
    """A `SymbolMappingMsg` of version 2 and 3, field by field."""
    undefined = b"\xff" * 8
    body = b"\xff" + asked.encode().ljust(71, b"\0") + b"\xff" + raw.encode().ljust(71, b"\0")
    head = bytes([44, 0x16]) + (1).to_bytes(2, "little") + number.to_bytes(4, "little")
    return head + undefined + body + undefined * 2


def test_records_of_any_length_between_those_that_are_played(tmp_path: Path) -> None:
    """More of them than fit in a buffer, each with the time of sending behind it or not."""
    records = streams.make_records(40_000)
    other = bytes([12, 0x00]) + bytes(46)  # a trade
    for ts_out in (False, True):
        tail = bytes(8) if ts_out else b""
        words = 2 if ts_out else 0

        def sent(record: bytes, tail: bytes = tail, words: int = words) -> bytes:
            return bytes([record[0] + words]) + record[1:] + tail

        body = b"".join(
            (sent(other) if i % 3 == 0 else b"") + sent(record.tobytes())
            for i, record in enumerate(records)
        )
        first = sent(mapping_record(7, "ES.c.0", "ESH4"))
        header = streams.dbn_header({}, schema=None, ts_out=ts_out)
        path = streams.write(tmp_path / "mixed.dbn", header + first + body)
        with open_source(ReplayPlan((path,), symbols=("ESH4",))) as source:
            got = np.empty(50_000, MBO_DTYPE)
            assert source.fill(got) == 40_000
            assert source.fill(np.empty(5_000, MBO_DTYPE)) == 0
            assert got[:40_000].tobytes() == records.tobytes()
            assert source.file_totals[0].left_out == "13,334 trades, 1 symbol mapping"
        packed = streams.write(
            tmp_path / "mixed.dbn.zst", streams.zstd_bytes(header + first + body)
        )
        assert read_records(packed)[1].tobytes() == records.tobytes()
        cut = streams.write(tmp_path / "cut.dbn", header + first + body[:-9])
        with pytest.raises(FormatError, match=r"ends inside a record, .* after 39999 good MBO"):
            read_records(cut)
        assert len(read_records(cut, allow_truncated=True)[1]) == 39_999


class _Counted(tuple[SymbolMapping, ...]):
    """Mappings that count how often somebody goes through all of them."""

    passes = 0

    def __iter__(self) -> Iterator[SymbolMapping]:
        self.passes += 1
        return super().__iter__()


def test_symbols_of_a_capture_of_a_whole_venue_are_gone_through_once() -> None:
    """Not once for each of them; each keeps its own days, in their order."""
    days = [streams.START_NS + day * streams.DAY_NS for day in range(3)]
    mappings = _Counted(
        SymbolMapping(f"S{number:05d}", number + 100_000 * day, days[day], days[day + 1])
        for number in range(20_000)
        for day in range(1 + number % 2)
    )
    decoder = databento_dbn.DBNDecoder()
    decoder.write(streams.dbn_header({}, schema=None))
    whole = mbo_metadata(decoder.decode()[0], mappings)
    assert mappings.passes <= 2
    assert whole.symbols == [f"S{number:05d}" for number in range(20_000)]
    assert symbol_mappings("made", whole) == tuple(sorted(mappings))


def test_what_is_no_record_among_others_is_refused(tmp_path: Path) -> None:
    header = streams.dbn_header({}, schema=None)
    record = streams.make_records(1).tobytes()
    path = streams.write(tmp_path / "bad.dbn", header + record + bytes(80))
    with pytest.raises(FormatError, match="56 bytes behind its header: expected a record, found"):
        read_records(path)
    path = streams.write(tmp_path / "none.dbn", header + bytes([12, 0x00]) + bytes(46))
    with pytest.raises(FormatError, match="expected MBO records, found none: 1 trades"):
        read_records(path)


def test_a_legacy_file_is_played_as_its_successor(data_file: Any) -> None:
    metadata, records = read_records(str(data_file("fixtures/dbn/test_data.mbo.dbz")))
    newer, same = read_records(str(data_file("fixtures/dbn/test_data.mbo.v1.dbn.zst")))
    assert records.tobytes() == same.tobytes()
    assert len(records) == 2
    assert metadata.mappings == newer.mappings
    assert metadata.dataset == "GLBX.MDP3"


def test_damaged_legacy_headers(tmp_path: Path, data_file: Any) -> None:
    good = data_file("fixtures/dbn/test_data.mbo.dbz").read_bytes()
    for size in range(12, 152):
        with pytest.raises(FormatError):
            read_records(streams.write(tmp_path / "x.dbz", good[:size]))
    bomb = zstandard.compress(bytes(200 << 20))
    frame = good[8 : 8 + 96] + bomb
    path = streams.write(tmp_path / "bomb.dbz", good[:4] + len(frame).to_bytes(4, "little") + frame)
    with pytest.raises(FormatError, match="holds more than"):
        read_records(path)


def played(path: Path) -> str:
    """How a file is used, or why not."""
    try:
        return f"mbo {len(read_records(str(path))[1])}"
    except NoDataError:
        return "empty"
    except InputError as error:
        reason = str(error)
    for schema, read in (("definition", read_definitions), ("status", read_status)):
        if f"{schema}_files" not in reason:
            continue
        try:
            return f"{schema} {len(read(str(path)).records)}"  # type: ignore[operator]
        except InputError as error:
            reason = str(error)
    return reason


def test_every_fixture_opens_or_is_refused_with_the_reason(data_file: Any) -> None:
    index = data_file("fixtures/index.tsv")
    with index.open() as file:
        rows = [SimpleNamespace(**row) for row in csv.DictReader(file, delimiter="\t")]
    assert len(rows) > 100
    for row in rows:
        said = played(index.parent / row.path)
        if row.schema == "mbo":
            assert said == f"mbo {row.records}", row.path
        elif row.schema in ("definition", "status"):
            assert said == f"{row.schema} {row.records}", row.path
        elif row.schema == "None":
            assert said == "mbo 5", row.path
        elif row.schema in LEVEL_SCHEMAS:
            records = read_records(str(index.parent / row.path))[1]
            assert (records["flags"] & F_MBP != 0).all(), row.path
            ended = np.count_nonzero(records["flags"] & F_LAST)
            assert int(row.records) <= ended + np.count_nonzero(records["action"] == ord("T"))
        else:
            assert f"has schema {row.schema}; expected mbo" in said, row.path
    listed = {index.parent / row.path for row in rows}
    others = sorted(p for p in index.parent.rglob("test_data*") if p not in listed)
    others += sorted(index.parent.rglob("multi*"))
    assert len(others) > 10
    for path in others:
        said = played(path)
        if path.name == "test_data.mbo.dbz":
            assert said == "mbo 2"
        elif path.suffix == ".dbz" and schema_of(str(path)) in LEVEL_SCHEMAS:
            assert said.startswith("mbo "), path
        elif path.suffix == ".dbz":
            assert "has schema" in said or "is a legacy DBZ file of schema definition" in said
        else:
            assert "has records but no DBN header (a fragment)" in said, path
