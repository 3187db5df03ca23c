"""Live captures: definitions, trading states and statistics beside the MBO records are used."""

from pathlib import Path
from typing import Any

import databento_dbn
import numpy as np
import pytest

import defined
import streams
import tapewire as tw
from tapewire.errors import FormatError
from tapewire.market.status import STATUS_DTYPE, TradingState
from tapewire.replay.beside import Beside, read_beside
from tapewire.replay.status import transitions_in

LIVE = "fixtures/python/LIVE/test_data.live.dbn.zst"
DAY_NS = streams.DAY_NS
EXPIRES_NS = streams.START_NS + DAY_NS // 2


def sent(record: bytes, ts_out: bool) -> bytes:
    """A record as a capture has it: with the time of sending behind it, or not."""
    return bytes([record[0] + 2]) + record[1:] + bytes(8) if ts_out else record


def defining(version: int, **fields: Any) -> bytes:
    return defined.definition(
        version, instrument_id=7, raw_symbol=b"TEST", min_price_increment=25 * 10**7,
        expiration=EXPIRES_NS, **fields,
    )  # fmt: skip


def state(ts_ns: int, action: int) -> bytes:
    row = (10, 0x12, 1, 7, ts_ns, ts_ns + 1, action, 1, 0, ord("~"), ord("~"), ord("~"), [0] * 7)
    return np.array([row], STATUS_DTYPE).tobytes()


def settled(price: int, kind: int = 3) -> bytes:
    row = np.zeros(1, np.dtype(databento_dbn.StatMsg._dtypes))
    row["length"], row["rtype"] = row.itemsize // 4, 0x18
    for name, value in (
        ("instrument_id", 7), ("stat_type", kind), ("update_action", 1), ("price", price),
        ("ts_ref", EXPIRES_NS // DAY_NS * DAY_NS),
    ):  # fmt: skip
        row[name] = value
    return row.tobytes()


def capture(path: Path, *, ts_out: bool = False, extra: bytes = b"") -> str:
    """Two states, a definition of each version, 40,000 orders, and at the end what they settled at.

    So the last ones lie in another buffer than the first ones.
    """
    times = streams.START_NS + np.arange(40_000) * 1_000_000
    records = streams.make_records(40_000, ts_recv=times)
    records["price"] = 10**9 * 100
    records["side"][20_000:], records["price"][20_000:] = ord("A"), 10**9 * 101
    first = [state(streams.START_NS + at, action) for at, action in ((0, 7), (5 * 10**9, 8))]
    first += [defining(v, ts_recv=v, unit_of_measure_qty=v * 10**9) for v in (1, 2, 3)]
    last = [settled(99 * 10**9), settled(1, kind=1), defining(3, ts_recv=EXPIRES_NS)]
    body = b"".join(
        sent(one, ts_out) for one in (*first, *(row.tobytes() for row in records), *last)
    )
    header = streams.dbn_header(schema=None, ts_out=ts_out)
    return streams.write(path, header + body + extra)


@pytest.mark.parametrize("ts_out", [False, True])
def test_records_of_each_schema_are_found(tmp_path: Path, ts_out: bool) -> None:
    found = read_beside(capture(tmp_path / "live.dbn", ts_out=ts_out))
    assert found.definitions is not None
    assert found.status is not None
    assert found.statistics is not None
    rows = found.definitions.records
    assert found.definitions.records_read == 4
    assert rows["ts_recv"].tolist() == [1, 2, 3, EXPIRES_NS]
    assert rows["unit_of_measure_qty"].tolist()[:3] == [10**9, 2 * 10**9, 3 * 10**9]
    assert set(rows["raw_symbol"].tolist()) == {b"TEST"}
    states = transitions_in([found.status])["state"].tolist()
    assert states == [TradingState.OPEN, TradingState.HALTED]
    assert (found.statistics.records_read, found.statistics.records["price"].tolist()) == (
        2, [99 * 10**9],
    )  # fmt: skip


def test_other_files_have_nothing_beside(tmp_path: Path, data_file: Any) -> None:
    path = streams.write(tmp_path / "mbo.dbn", streams.dbn_bytes(streams.make_records(2)))
    assert read_beside(path) == Beside()
    assert read_beside(str(data_file("fixtures/dbn/test_data.mbo.dbz"))) == Beside()


def test_what_can_be_no_record_is_said(tmp_path: Path) -> None:
    odd = bytes([8, 0x13]) + bytes(30)
    with pytest.raises(FormatError, match="rtype 0x13 has 32 bytes, as in no version of DBN"):
        read_beside(capture(tmp_path / "odd.dbn", extra=odd))
    with pytest.raises(FormatError, match="expected a record, found a length of 0 bytes"):
        read_beside(capture(tmp_path / "bad.dbn", extra=bytes(80)))


@pytest.mark.long
def test_a_run_goes_by_them_and_says_so(tmp_path: Path, data_file: Any) -> None:
    """ESZ4 from Databento's own capture, and a made one with all three."""
    live = str(data_file(LIVE))
    orders = {"transport": "inproc", "strategies": ["market_maker"]}
    result = tw.run(live, output=tmp_path / "a", **orders)
    said = result.manifest["instruments"]["ESZ4"]
    assert said["tick_size"] == {"value": "0.25", "from": "definition"}
    assert said["multiplier"] == {"value": "50", "from": "definition"}
    assert said["definition"]["file"] == live
    made = capture(tmp_path / "live.dbn")
    manifest = tw.run(made, output=tmp_path / "b", end=EXPIRES_NS + DAY_NS // 4, **orders).manifest
    said = manifest["instruments"]["TEST"]
    assert said["multiplier"] == {"value": "3", "from": "definition"}
    assert said["expiration"]["from"] == "definition"
    assert said["settlement_price"] == {"value": "99", "from": "statistics"}
    assert manifest["counts"]["entered_halted"] == 1
    assert [one["records_read"] for one in manifest["inputs"]] == [40_000, 2, 4, 2]
    assert any("mixes schemas" in text and "4 definition" in text for text in manifest["warnings"])
