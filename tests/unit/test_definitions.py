"""What definitions say: hand-made records, real ones, and beside a configuration."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import pytest
from msgspec.structs import replace

import defined
from tapewire.config.loading import make_config
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError, FormatError, NoDataError
from tapewire.market.definitions import (
    DEFINITION,
    DEFINITION_BYTES,
    DEFINITION_LAYOUTS,
    DefinedFacts,
    facts_of,
)
from tapewire.replay.definitions import read_definitions
from tapewire.runs.contract_warnings import contract_warnings
from tapewire.runs.contracts import contracts_of
from tapewire.wire import StreamInfo, SymbolMapping

UNIT = 10**9
START_NS = 1_000
FUTURE = {
    "instrument_id": 7,
    "raw_symbol": b"ESH4",
    "ts_recv": START_NS,
    "min_price_increment": UNIT // 4,
    "display_factor": UNIT // 100,
    "unit_of_measure_qty": 50 * UNIT,
    "min_price_increment_amount": UNIT // 8,  # 12.50 a tick, times the display factor
    "max_price_variation": 6 * UNIT,
    "min_trade_vol": 1,
    "match_algorithm": b"F",
}


def facts(**fields: Any) -> DefinedFacts:
    """What a record of the future says with other fields."""
    row = np.frombuffer(defined.definition(**(FUTURE | fields)), DEFINITION_LAYOUTS[3])[0]
    return facts_of(row)


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 3])
def test_records_lie_as_databentos_library_has_them(version: int) -> None:
    ours, theirs = DEFINITION_LAYOUTS[version], defined.layout(version)
    assert ours.itemsize == theirs.itemsize == DEFINITION_BYTES[version]
    for name in DEFINITION.names or ():
        assert ours.fields is not None
        assert theirs.fields is not None
        assert ours.fields[name][:2] == theirs.fields[name][:2], name


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_of_each_version_says_what_the_librarys_own_reader_says(
    tmp_path: Path, version: int
) -> None:
    rows = [FUTURE, {**FUTURE, "instrument_id": 8, "raw_symbol": b"NQH4", "match_algorithm": b"K"}]
    path = defined.write(
        tmp_path / "a.dbn.zst",
        *(defined.definition(version, **row) for row in rows),
        version=version,
        packed=True,
    )
    file = read_definitions(str(path))
    decoder = dbn.DBNDecoder(upgrade_policy=dbn.VersionUpgradePolicy.UPGRADE_TO_V3)
    decoder.write(defined.streams.dbn_header(schema="definition", version=version))
    decoder.write(b"".join(defined.definition(version, **row) for row in rows))
    theirs = [one for one in decoder.decode() if not isinstance(one, dbn.Metadata)]
    assert (file.version, file.records_read, len(theirs)) == (version, 2, 2)
    for our, their in zip(file.records, theirs, strict=True):
        assert isinstance(their, dbn.InstrumentDefMsg)
        assert our["raw_symbol"].decode() == their.raw_symbol
        assert our["match_algorithm"].decode() == str(their.match_algorithm)
        for name in (
            "instrument_id", "ts_recv", "min_price_increment", "display_factor", "min_trade_vol",
            "max_price_variation", "unit_of_measure_qty", "min_price_increment_amount",
            "contract_multiplier", "original_contract_size",
        ):  # fmt: skip
            assert our[name] == getattr(their, name), name
    only = read_definitions(str(path), np.array([8], np.uint32))
    assert (only.records_read, only.records["instrument_id"].tolist()) == (2, [8])


def test_what_is_no_whole_file_of_definitions_is_refused(tmp_path: Path) -> None:
    good = defined.definition(**FUTURE)
    cut = defined.write(tmp_path / "cut.dbn", good, good[:100])
    with pytest.raises(FormatError, match=r"ends inside record 1 .* expected 520 bytes, found 100"):
        read_definitions(str(cut))
    packed = defined.write(tmp_path / "cut.dbn.zst", good * 50, packed=True)
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(FormatError, match="is truncated"):
        read_definitions(str(packed))
    mixed = defined.write(tmp_path / "mixed.dbn", good, bytes([130, 0x12]) + good[2:])
    with pytest.raises(FormatError, match=r"record 1 at byte offset \d+: .*found rtype 0x12"):
        read_definitions(str(mixed))
    # Records of version 2 in a file that says 3.
    older = defined.write(tmp_path / "older.dbn", *[defined.definition(2, **FUTURE)] * 13)
    with pytest.raises(FormatError, match=r"\(rtype 0x13, 520 bytes\), found rtype 0x13, 400 byte"):
        read_definitions(str(older))


# --- what a record says ---------------------------------------------------------------------------


def test_a_future_says_all_that_a_run_takes() -> None:
    one = facts()
    assert (one.raw_symbol, one.ts_recv) == ("ESH4", START_NS)
    assert (one.tick_size, one.multiplier, one.band) == (UNIT // 4, Fraction(50), 6 * UNIT)
    assert (one.min_lots, one.match_algorithm) == (1, "F")
    assert not one.contradicts_itself


def test_what_is_not_defined_is_not_said() -> None:
    one = facts(**{name: defined.NOTHING[name] for name in defined.NOTHING if name in FUTURE})
    assert (one.tick_size, one.multiplier, one.band, one.min_lots) == (None,) * 4
    assert (one.match_algorithm, one.sizes) == ("", {})
    zero = facts(min_price_increment=0, max_price_variation=0, min_trade_vol=0)
    assert (zero.tick_size, zero.band, zero.min_lots) == (None, None, None)


@pytest.mark.parametrize(
    ("fields", "sizes"),
    [
        # Corn: 5,000 bushels at cents per bushel; a tick of 0.25 cents is 12.50.
        (
            {"unit_of_measure_qty": 5_000 * UNIT},
            {"unit_of_measure_qty": 5_000, "min_price_increment_amount": 50},
        ),
        # Gas of a month: 1 MWh an hour, 743 hours.
        (
            {"unit_of_measure_qty": UNIT, "original_contract_size": 743,
             "min_price_increment_amount": 2**63 - 1},
            {"unit_of_measure_qty": 1, "original_contract_size": 743},
        ),
        # Power: 16 MWh a day, 21 days.
        (
            {"unit_of_measure_qty": 16 * UNIT, "contract_multiplier": 21,
             "min_price_increment_amount": 0},
            {"unit_of_measure_qty": 16, "contract_multiplier": 336},
        ),
    ],
)  # fmt: skip
def test_sizes_that_contradict_each_other_are_no_multiplier(
    fields: dict[str, int], sizes: dict[str, int]
) -> None:
    one = facts(**fields)
    assert (one.multiplier, dict(one.sizes)) == (None, sizes)
    assert one.contradicts_itself


def test_real_definitions(data_file: Callable[[str], Path]) -> None:
    path = data_file("glbx/esu4-20240701.definition.dbn.zst")
    es, nq = map(facts_of, read_definitions(str(path)).records)
    assert (es.raw_symbol, es.tick_size, es.multiplier) == ("ESU4", UNIT // 4, 50)
    assert (nq.raw_symbol, nq.tick_size, nq.multiplier) == ("NQU4", UNIT // 4, 20)
    assert (es.band, nq.band, es.min_lots) == (6 * UNIT, 24 * UNIT, 1)
    assert (es.match_algorithm, nq.match_algorithm) == ("F", "F")
    option = facts_of(
        read_definitions(str(data_file("glbx/definition-glbx-es-opt.dbn.zst"))).records[0]
    )
    assert (option.tick_size, option.multiplier, option.band) == (None, 50, None)
    for version in (1, 2, 3):
        file = read_definitions(
            str(data_file(f"fixtures/dbn/test_data.definition.v{version}.dbn.zst"))
        )
        stock = facts_of(file.records[0])
        assert (file.version, file.records_read) == (version, 2)
        assert (stock.raw_symbol, stock.multiplier, stock.match_algorithm) == ("MSFT", None, "F")


# --- in a run -------------------------------------------------------------------------------------

INFO = StreamInfo(
    dataset="GLBX.MDP3", schema="mbo", files=(), mappings=(SymbolMapping("ESH4", 7, 0, 0),),
    start_ns=START_NS, end_ns=0, batch_records=1, speed=None,
)  # fmt: skip


def configured(*paths: Path, queue: str = "fifo", **stated: Any) -> RunConfig:
    """A configuration with these definition files, and what it states of ESH4."""
    instruments = {"instruments": {"ESH4": stated}} if stated else {}
    return make_config(
        {
            "backtest": {
                "data_source": {
                    "type": "databento",
                    "files": ["day.dbn"],
                    "definition_files": list(map(str, paths)),
                },
                "execution": {"fill_model": {"queue_position_model": queue}},
                **instruments,
            },
            "strategy": {"type": "market_maker"},
        }
    )


def test_a_run_goes_by_the_last_definition_at_or_before_its_start(tmp_path: Path) -> None:
    def at(ts_recv: int, tick: int, **fields: Any) -> bytes:
        row = {**FUTURE, "ts_recv": ts_recv, "min_price_increment": tick, **fields}
        return defined.definition(**row)

    late, early = tmp_path / "late.dbn", tmp_path / "early.dbn"
    defined.write(late, at(START_NS, 3), at(START_NS + 1, 4))
    defined.write(early, at(10, 1), at(20, 2), at(30, 9, security_update_action=b"D"))
    contracts = contracts_of(config := configured(late, early), INFO)
    assert contracts.table.get(7).tick_size == 3
    assert (contracts.definitions["ESH4"].file, contracts.definitions["ESH4"].before_start) == (
        str(late), True,
    )  # fmt: skip
    later = replace(INFO, warmup_until_ns=START_NS + 1)
    assert contracts_of(config, later).table.get(7).tick_size == 4
    # Who deletes an instrument says nothing of it.
    assert contracts_of(config, replace(INFO, start_ns=35)).table.get(7).tick_size == 2
    before = replace(INFO, start_ns=5)
    contracts = contracts_of(config, before)
    assert contracts.table.get(7).tick_size == 1
    assert not contracts.definitions["ESH4"].before_start
    told = contract_warnings(config, before, contracts)
    assert any("no definition at or before the start (" in text for text in told)


def test_what_the_configuration_states_overrides_a_definition(tmp_path: Path) -> None:
    path = defined.write(tmp_path / "a.dbn", defined.definition(**FUTURE))
    contracts = contracts_of(
        config := configured(path, multiplier=5, lot_size=2, tick_size=0.25), INFO
    )
    said = contracts.describe([7, 7])["ESH4"]
    assert said.pop("definition") == {"file": str(path), "ts_recv": START_NS, "before_start": True}
    assert said == {
        "tick_size": {"value": "0.25", "from": "config"},
        "multiplier": {"value": "5", "from": "config"},
        "lot_size": {"value": 2, "from": "config"},
        "min_quantity": {"value": 1, "from": "definition"},
        "price_band": {"value": "6", "from": "definition"},
        "match_algorithm": {"value": "F", "from": "definition"},
    }
    one = contracts.table.get(7)
    assert (one.multiplier, one.rules.lot, one.rules.band) == (5, 2, 6 * UNIT)
    [text] = contract_warnings(config, INFO, contracts)
    assert text == (
        "instruments: ESH4: multiplier 5 contradicts its definition (multiplier 50): the "
        "configuration's is used"
    )
    agreed = configured(path, multiplier=50)
    assert contract_warnings(agreed, INFO, contracts_of(agreed, INFO)) == []
    bare = contracts_of(configured(), INFO).describe([7])["ESH4"]
    assert {key: (one["value"], one["from"]) for key, one in bare.items()} == {
        "tick_size": ("0.25", "known_futures"), "multiplier": ("50", "known_futures"),
        "lot_size": (1, "default"), "min_quantity": (1, "default"),
        "price_band": (None, "default"), "match_algorithm": (None, "default"),
    }  # fmt: skip


def test_what_a_definition_leaves_open_is_told(tmp_path: Path) -> None:
    def told(queue: str = "fifo", stated: dict[str, Any] | None = None, **fields: Any) -> list[str]:
        path = defined.write(tmp_path / "a.dbn", defined.definition(**(FUTURE | fields)))
        config = configured(path, queue=queue, **(stated or {}))
        return contract_warnings(config, INFO, contracts_of(config, INFO))

    assert told() == told(queue="venue") == []
    [text] = told(unit_of_measure_qty=5_000 * UNIT)
    assert "multiplier open of ESH4 (unit_of_measure_qty: 5000, min_price_inc" in text
    assert told(stated={"multiplier": 50}, unit_of_measure_qty=2**63 - 1) == []
    [text] = told(min_price_increment=2**63 - 1)
    assert "no constant tick of ESH4: prices are not checked" in text
    for letter in (b"Y", b"Z"):
        [text] = told(queue="venue", match_algorithm=letter)
        assert f"for ESH4 (defined: '{letter.decode()}'): queues are by time there" in text
    assert told(queue="venue", match_algorithm=b"Z", stated={"match_algorithm": "K"}) == []


def test_definitions_of_other_instruments_are_refused(tmp_path: Path) -> None:
    path = defined.write(
        tmp_path / "a.dbn",
        defined.definition(**FUTURE | {"instrument_id": 8}),
        defined.definition(**FUTURE | {"raw_symbol": b"ZNH4"}),  # its id was given again
    )
    expected = r"a.dbn: expected definitions of instruments of the run \(ESH4\), found 2 of others"
    with pytest.raises(NoDataError, match=expected):
        contracts_of(configured(path), INFO)
    with pytest.raises(NoDataError, match=r"a.dbn: has definitions of GLBX.MDP3; expected those"):
        contracts_of(configured(path), replace(INFO, dataset="DBEQ.BASIC"))
    with pytest.raises(ConfigError, match=r"definition_files.*given twice"):
        configured(path, path)
    # A symbol that moves, and an instrument without one, go by their numbers.
    for mappings in ((SymbolMapping("ES.c.0", 7, 0, 0),), ()):
        one = contracts_of(configured(path), replace(INFO, mappings=mappings)).table.get(7)
        assert one.tick_size == UNIT // 4
