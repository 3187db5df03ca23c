"""A run whose books have trading states: from files of status records to the manifest."""

from pathlib import Path

import numpy as np
import pytest

import streams
import tapewire as tw
from tapewire.errors import ConfigError, FormatError, MissingFileError
from tapewire.market.status import STATUS_DTYPE
from tapewire.replay import read_records


def write_status(path: Path, records: np.ndarray, *changes: tuple[int, int, str]) -> Path:
    """A DBN file of (ns, action, is trading) for the book of these records."""
    publisher, instrument = (int(records[name][0]) for name in ("publisher_id", "instrument_id"))
    rows = np.array(
        [
            (10, 0x12, publisher, instrument, ts, ts + 1_000, action, 1, 0, ord(trading),
             ord("Y"), ord("~"), [0] * 7)
            for ts, action, trading in changes
        ],
        STATUS_DTYPE,
    )  # fmt: skip
    streams.write(path, streams.zstd_bytes(streams.dbn_header(schema="status") + rows.tobytes()))
    return path


def test_a_halt_in_the_middle_of_a_run(synthetic_file: Path, tmp_path: Path) -> None:
    _, records = read_records(synthetic_file)
    at = [int(records["ts_event"][k]) for k in (0, 10_000, 20_000)]
    status = write_status(
        tmp_path / "day.status.dbn.zst", records, (at[0], 7, "Y"), (at[1], 8, "N"), (at[2], 7, "Y")
    )
    asked = {
        "strategies": ["market_maker", "sma_crossover"],
        "overrides": {"backtest.data_source.status_files": [str(tmp_path / "*.status.dbn.zst")]},
    }
    result = tw.run(synthetic_file, transport="inproc", output=tmp_path / "out", **asked)
    counts = result.manifest["counts"]
    assert counts["entered_halted"] == 1
    assert counts["refused_halted"] > 0
    orders, fills = result.orders.to_pandas(), result.fills.to_pandas()
    refused = orders[orders["status"].astype(str) == "REJECTED"]
    assert 0 < len(refused) <= counts["refused_halted"]  # changes of orders are refused as well
    assert set(refused["reason"]) == {"MARKET_HALTED"}
    assert refused["ts_arrived"].astype("int64").between(at[1], at[2]).all()
    during = fills["ts_event"].astype("int64").between(at[1] + 1, at[2])
    assert len(fills) > 100
    assert not during.any()
    [told] = [text for text in result.manifest["warnings"] if "halted by the venue" in text]
    assert told.startswith("books were halted by the venue 1 time: ")
    described = result.manifest["inputs"][1]
    assert (described["file"], described["records_read"]) == (str(status), 3)
    assert len(described["xxh3_128"]) == 32
    assert "day.status.dbn.zst" in (result.path / "config.yaml").read_text()
    sim = tw.Simulation(synthetic_file, **asked)
    sim.step()
    assert sim.finish() == result.digest


def test_what_can_be_no_status_file_is_refused(synthetic_file: Path, tmp_path: Path) -> None:
    def run_with(*files: str) -> None:
        tw.run(
            synthetic_file, strategies="market_maker", output=tmp_path / "no", transport="inproc",
            overrides={"backtest.data_source.status_files": list(files)},
        )  # fmt: skip

    with pytest.raises(MissingFileError, match="no such file"):
        run_with(str(tmp_path / "none.dbn"))
    with pytest.raises(FormatError, match="has schema mbo; expected status"):
        run_with(str(synthetic_file))
    with pytest.raises(ConfigError, match=r"status_files.*no file matches"):
        run_with(str(tmp_path / "*.none.dbn"))
    _, records = read_records(synthetic_file)
    status = write_status(tmp_path / "one.dbn", records, (1, 7, "Y"))
    with pytest.raises(ConfigError, match=r"status_files.*given twice"):
        run_with(str(status), str(status))
    with pytest.raises(FormatError, match=r"expected mbo: name it in data_source\.status_files"):
        tw.run(status, strategies="market_maker", output=tmp_path / "no", transport="inproc")
