"""A run whose instruments are defined by files: from the records to fills and manifest."""

from pathlib import Path
from typing import Any

import pytest

import defined
import tapewire as tw
from tapewire.errors import FormatError, MissingFileError
from tapewire.replay import read_records

UNIT = 10**9


def define(path: Path, session: Path, letter: bytes) -> Path:
    """Define the instrument of the synthetic session, with a match algorithm."""
    metadata, records = read_records(session)
    assert metadata.dataset == "GLBX.MDP3"
    [symbol] = metadata.mappings
    fields = {
        "instrument_id": records["instrument_id"][0], "raw_symbol": symbol.encode(),
        "ts_recv": metadata.start, "min_price_increment": UNIT // 4,
        "unit_of_measure_qty": 50 * UNIT, "max_price_variation": 1_000 * UNIT,
        "min_trade_vol": 1, "match_algorithm": letter,
    }  # fmt: skip
    return defined.write(path, defined.definition(**fields), packed=path.suffix == ".zst")


def asked(files: list[str], **stated: Any) -> dict[str, Any]:
    return {
        "strategies": ["market_maker"],
        "overrides": {
            "backtest.data_source.definition_files": files,
            "backtest.execution.fill_model.queue_position_model": "venue",
            "backtest.instruments": {"TWA1": stated} if stated else {},
        },
    }


def test_the_queue_is_shared_out_by_the_letter_of_the_definition(
    synthetic_file: Path, tmp_path: Path
) -> None:
    by_time = define(tmp_path / "fifo.dbn", synthetic_file, b"F")
    by_size = define(tmp_path / "size.definition.dbn.zst", synthetic_file, b"C")
    result = tw.run(
        synthetic_file, transport="inproc", output=tmp_path / "out",
        **asked([str(tmp_path / "*.definition.dbn.zst")]),
    )  # fmt: skip
    said = result.manifest["instruments"]["TWA1"]
    assert said["match_algorithm"] == {"value": "C", "from": "definition"}
    assert said["multiplier"] == {"value": "50", "from": "definition"}
    assert said["lot_size"] == {"value": 1, "from": "default"}
    assert said["definition"]["before_start"]
    assert {leg["multiplier_num"] for leg in result.manifest["legs"]} == {50}
    described = result.manifest["inputs"][1]
    assert (described["file"], described["records_read"]) == (str(by_size), 1)
    assert (len(described["xxh3_128"]), described["records_used"]) == (32, 1)
    assert not [text for text in result.manifest["warnings"] if "multiplier" in text]
    assert "size.definition.dbn.zst" in (result.path / "config.yaml").read_text()

    def digest(files: list[str], **stated: Any) -> str:
        sim = tw.Simulation(synthetic_file, **asked(files, **stated))
        while sim.step():
            pass
        return sim.finish()

    rules = {"tick_size": 0.25, "multiplier": 50, "price_band": 1_000}
    assert result.digest == digest([], **rules, match_algorithm="C")
    assert digest([str(by_time)]) == digest([], **rules, match_algorithm="F") != result.digest
    # What is stated overrides what is defined.
    assert digest([str(by_time)], match_algorithm="C") == result.digest


def test_what_can_be_no_definition_file_is_refused(synthetic_file: Path, tmp_path: Path) -> None:
    def run_with(file: Path) -> None:
        tw.run(synthetic_file, transport="inproc", output=tmp_path / "no", **asked([str(file)]))

    with pytest.raises(MissingFileError, match="no such file"):
        run_with(tmp_path / "none.dbn")
    with pytest.raises(FormatError, match="has schema mbo; expected definition: request the def"):
        run_with(synthetic_file)
    path = define(tmp_path / "one.dbn", synthetic_file, b"F")
    expected = r"one.dbn: has schema definition; .* name it in data_source\.definition_files"
    with pytest.raises(FormatError, match=expected):
        tw.run(path, strategies="market_maker", output=tmp_path / "no", transport="inproc")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match=r"ends inside record 0 .* found 519"):
        run_with(path)
    assert not (tmp_path / "no").exists()
