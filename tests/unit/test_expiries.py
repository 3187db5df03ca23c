"""When instruments end and what they settle at: statistics, definitions, the configuration."""

from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import pytest
from msgspec.structs import replace

import defined
import streams
from tapewire.config.loading import make_config
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError, FormatError, NoDataError
from tapewire.market.instruments import Expiry
from tapewire.market.statistics import STATISTICS, STATISTICS_BYTES, STATISTICS_LAYOUTS
from tapewire.replay.statistics import read_statistics
from tapewire.runs.contract_warnings import contract_warnings
from tapewire.runs.contracts import contracts_of
from tapewire.wire import StreamInfo, SymbolMapping

UNIT = 10**9
DAY_NS = 86_400 * UNIT
#: 15 March 2024, 13:30 UTC.
EXPIRES_NS = 1_710_509_400 * UNIT
FUTURE = {"instrument_id": 7, "raw_symbol": b"ESH4", "ts_recv": 1_000, "expiration": EXPIRES_NS}
INFO = StreamInfo(
    dataset="GLBX.MDP3", schema="mbo", files=(), mappings=(SymbolMapping("ESH4", 7, 0, 0),),
    start_ns=1_000, end_ns=EXPIRES_NS + DAY_NS, batch_records=1, speed=None,
)  # fmt: skip
VENDOR: dict[int, Any] = {1: dbn.StatMsgV1, 2: dbn.StatMsgV1, 3: dbn.StatMsg}


def layout(version: int) -> np.dtype[Any]:
    """The record as Databento's library has it."""
    return np.dtype(VENDOR[version]._dtypes)


def write(path: Path, *rows: dict[str, Any], version: int = 3) -> Path:
    """A file of settlement prices; those of ``rows`` without a day are of the expiry's."""
    made = np.zeros(len(rows), layout(version))
    made["length"], made["rtype"] = made.itemsize // 4, 0x18
    for k, row in enumerate(rows):
        given = {"instrument_id": 7, "stat_type": 3, "update_action": 1, "ts_recv": k,
                 "ts_ref": EXPIRES_NS // DAY_NS * DAY_NS, **row}  # fmt: skip
        for name, value in given.items():
            made[name][k] = value
    header = streams.dbn_header(schema="statistics", version=version)
    streams.write(path, header + made.tobytes())
    return path


def configured(
    folder: Path, *rows: dict[str, Any], defines: bool = True, **stated: Any
) -> RunConfig:
    source = {"type": "databento", "files": ["day.dbn"]}
    if defines:
        path = defined.write(folder / "d.dbn", defined.definition(**FUTURE))
        source["definition_files"] = [str(path)]
    if rows:
        source["statistics_files"] = [str(write(folder / "s.dbn", *rows))]
    return make_config(
        {
            "backtest": {
                "data_source": source,
                "instruments": {"ESH4": {"tick_size": 0.25, "multiplier": 50, **stated}},
            },
            "strategy": {"type": "market_maker"},
        }
    )


def expiry(config: RunConfig, info: StreamInfo = INFO) -> Expiry | None:
    return contracts_of(config, info).table.get(7).expiry


@pytest.mark.parametrize("version", [1, 2, 3])
def test_records_lie_as_databentos_library_has_them(version: int, tmp_path: Path) -> None:
    ours, theirs = STATISTICS_LAYOUTS[version], layout(version)
    assert ours.itemsize == theirs.itemsize == STATISTICS_BYTES[version]
    for name in STATISTICS.names or ():
        assert ours.fields is not None
        assert theirs.fields is not None
        assert ours.fields[name][:2] == theirs.fields[name][:2], name
    rows = ({"price": 5 * UNIT}, {"price": 6 * UNIT, "stat_type": 1}, {"price": -7 * UNIT})
    file = read_statistics(str(write(tmp_path / "a.dbn", *rows, version=version)))
    assert (file.version, file.records_read) == (version, 3)
    assert file.records["price"].tolist() == [5 * UNIT, -7 * UNIT]


def test_real_statistics_are_read(data_file: Any) -> None:
    for version in (1, 2, 3):
        name = f"fixtures/dbn/test_data.statistics.v{version}.dbn.zst"
        file = read_statistics(str(data_file(name)))
        assert (file.version, file.records_read, len(file.records)) == (version, 2, 0)


def test_the_last_price_of_its_day_settles_it(tmp_path: Path) -> None:
    """Of another day, of another instrument and of another kind are none; the later counts."""
    day = EXPIRES_NS // DAY_NS * DAY_NS
    rows = [
        {"price": 1, "ts_ref": day - DAY_NS}, {"price": 2, "ts_ref": day + DAY_NS},
        {"price": 3, "instrument_id": 8}, {"price": 4, "stat_type": 11},
        {"price": 6 * UNIT, "ts_recv": 60}, {"price": 5 * UNIT, "ts_recv": 50},
    ]  # fmt: skip
    assert expiry(configured(tmp_path, *rows)) == Expiry(EXPIRES_NS, 6 * UNIT)
    # One without a day is of the day it was published on; one that was deleted is none.
    rows = [{"price": 7, "ts_ref": 2**64 - 1, "ts_event": EXPIRES_NS + 60 * UNIT}]
    assert expiry(configured(tmp_path, *rows)) == Expiry(EXPIRES_NS, 7)
    rows.append({"price": 7, "update_action": 2})
    assert expiry(configured(tmp_path, *rows)) == Expiry(EXPIRES_NS, None)


def test_what_is_stated_overrides_files_and_it_is_said_where_all_is_from(tmp_path: Path) -> None:
    config = configured(tmp_path, {"price": 6 * UNIT})
    said = contracts_of(config, INFO).describe([7])["ESH4"]
    assert said["expiration"] == {"value": "2024-03-15T13:30:00Z", "from": "definition"}
    assert said["settlement_price"] == {"value": "6", "from": "statistics"}
    assert not [text for text in contract_warnings(config, INFO, contracts_of(config, INFO))
                if "expires" in text]  # fmt: skip
    config = configured(
        tmp_path, {"price": 6 * UNIT}, expiration="2024-03-15T14:00:00Z", settlement_price=-37.63
    )
    said = contracts_of(config, INFO).describe([7])["ESH4"]
    assert said["expiration"] == {"value": "2024-03-15T14:00:00Z", "from": "config"}
    assert said["settlement_price"] == {"value": "-37.63", "from": "config"}
    config = configured(tmp_path)
    contracts = contracts_of(config, INFO)
    said = contracts.describe([7])["ESH4"]
    assert said["settlement_price"] == {"value": None, "from": "mark"}
    [told] = [text for text in contract_warnings(config, INFO, contracts) if "expires" in text]
    assert told.startswith("ESH4 expires at 2024-03-15T13:30:00Z, and what it settled at is not")


def test_what_ends_after_the_data_ends_not(tmp_path: Path) -> None:
    config = configured(tmp_path, {"price": 6 * UNIT})
    assert expiry(config, replace(INFO, end_ns=EXPIRES_NS)) is None
    assert expiry(config, replace(INFO, end_ns=EXPIRES_NS + 1)) is not None
    assert "expiration" not in contracts_of(config, replace(INFO, end_ns=5)).describe([7])["ESH4"]


def test_what_had_ended_before_the_data_is_told(tmp_path: Path) -> None:
    config = configured(tmp_path, expiration="1973-03-03T10:00")
    info = replace(INFO, start_ns=EXPIRES_NS)
    [told] = [t for t in contract_warnings(config, info, contracts_of(config, info)) if "expi" in t]
    assert told.startswith("ESH4 expired at 1973-03-03T10:00:00Z, before the data begin")


def test_a_symbol_of_several_instruments_has_no_one_end(tmp_path: Path) -> None:
    both = replace(INFO, mappings=(*INFO.mappings, SymbolMapping("ESH4", 8, 0, 0)))
    assert expiry(configured(tmp_path), both) is None
    stated = configured(tmp_path, expiration=EXPIRES_NS)
    with pytest.raises(
        ConfigError, match=r"ESH4.expiration: expected a symbol of one instr.* 2 in"
    ):
        contracts_of(stated, both)


def test_files_that_can_not_be_used_are_refused(tmp_path: Path) -> None:
    config = configured(tmp_path, {"price": 1}, defines=False, expiration=EXPIRES_NS)
    with pytest.raises(NoDataError, match=r"s.dbn: has statistics of GLBX.MDP3; expected those of"):
        contracts_of(config, replace(INFO, dataset="DBEQ.BASIC"))
    write(tmp_path / "s.dbn", {"rtype": 0x12})
    with pytest.raises(FormatError, match=r"record 0 at byte offset .* rtype 0x12, 80 bytes"):
        contracts_of(config, INFO)
