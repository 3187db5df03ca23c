"""A capture that does not say which symbols it holds: its instruments go by their numbers."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import streams
import tapewire as tw
from conftest import TapewireHere
from naive.dbn import read_mbo
from tapewire.errors import ConfigError, NoDataError
from tapewire.inputs.books import write_book
from tapewire.inputs.convert import convert_files
from tapewire.inputs.inspection import inspect_file
from tapewire.replay import read_records
from tapewire.replay.synth import synthesize

ID, OTHER = "90001", "90002"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same two instruments, with their symbols (TWA1, TWA2) and without."""
    folder = tmp_path_factory.mktemp("unmapped")
    mapped, unmapped = folder / "mapped.dbn", folder / "unmapped.dbn"
    synthesize(mapped, events=6_000, instruments=2, seed=3)
    unmapped.write_bytes(streams.dbn_bytes(read_mbo(mapped), mappings={}))
    return {"mapped": mapped, "unmapped": unmapped}


def run(path: Path, folder: Path, name: str, more: str = "") -> tw.RunResult:
    """A run over one of two instruments, as a user writes it."""
    text = f"""
backtest:
  data_source: {{type: databento, files: [{path}], symbols: [{name}]}}
  replay: {{transport: inproc}}
  instruments: {{{name}: {{tick_size: 0.25, multiplier: 50}}}}
strategy: {{type: market_maker, symbols: [{name}]{more}}}
"""
    config = folder / f"{path.stem}.yaml"
    config.write_text(text)
    return tw.run(config, output=folder / path.stem)


def test_a_run_by_number_is_the_run_by_symbol(tmp_path: Path, files: dict[str, Path]) -> None:
    by_symbol = run(files["mapped"], tmp_path, "TWA1")
    by_number = run(files["unmapped"], tmp_path, ID)
    assert by_number.manifest["digests"] == by_symbol.manifest["digests"]
    assert by_number.manifest["warnings"] == by_symbol.manifest["warnings"]
    (leg,) = by_number.manifest["legs"]
    assert (leg["symbol"], leg["tick_size"], leg["multiplier_num"]) == (ID, 250_000_000, 50)
    assert set(by_number.fills.column("symbol").to_pylist()) == {ID}
    assert len(by_number.fills) > 0
    report = (by_number.path / "report.html").read_text()
    assert f"on {ID}" in report
    assert f"on {ID}".replace(ID, "TWA1") not in report


def test_an_order_log_names_numbers(tmp_path: Path, files: dict[str, Path]) -> None:
    first = int(read_mbo(files["mapped"])["ts_recv"][0])
    results = {}
    for name, symbol in (("mapped", "TWA1"), ("unmapped", ID)):
        log = tmp_path / f"{name}.csv"
        log.write_text(
            "ts_ns,action,client_order_id,symbol,side,order_type,price,quantity,time_in_force\n"
            f"{first + 10**10},new,1,{symbol},buy,market,,1,IOC\n"
        )
        config = {
            "backtest": {"data_source": {"type": "databento", "files": [str(files[name])]},
                         "replay": {"transport": "inproc"}},
            "strategy": {"type": "order_log", "parameters": {"path": str(log)}},
        }  # fmt: skip
        results[name] = tw.run(config, output=tmp_path / name)
    fills = results["unmapped"].fills
    assert fills.column("symbol").to_pylist() == [ID]
    assert fills.column("last_px") == results["mapped"].fills.column("last_px")
    assert any("carry no symbol mappings" in w for w in results["unmapped"].manifest["warnings"])


def test_data_commands_take_numbers(tmp_path: Path, files: dict[str, Path]) -> None:
    for name, symbol in (("mapped", "TWA2"), ("unmapped", OTHER)):
        write_book(files[name], tmp_path / f"{name}.parquet", symbol=symbol, depth=2)
        report = convert_files([files[name]], tmp_path / f"{name}.dbn", symbols=[symbol])
        assert report.symbols == (symbol,)
        assert report.left_out > 0
        inspected = inspect_file(files[name])
        assert symbol in [book["symbol"] for book in inspected.top_books]
    tables = [pq.read_table(tmp_path / f"{name}.parquet") for name in files]
    assert tables[0].equals(tables[1])
    assert len(tables[0]) > 1_000
    records = [read_mbo(tmp_path / f"{name}.dbn").tobytes() for name in files]
    assert records[0] == records[1]
    # What was written by number is read by number again.
    assert len(read_records(tmp_path / "unmapped.dbn", symbols=(OTHER,))[1]) == len(tables[0])


def test_the_command_line_takes_numbers(
    tmp_path: Path, files: dict[str, Path], tapewire_here: TapewireHere
) -> None:
    done = tapewire_here("run", files["unmapped"], "--symbols", ID, "-s", "sma_crossover",
                    "--transport", "inproc", "-o", "out")  # fmt: skip
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [leg["symbol"] for leg in manifest["legs"]] == [ID]
    shown = tapewire_here("data", "inspect", files["unmapped"])
    assert "none: instruments go by their numbers" in shown.stdout
    assert ID in shown.stdout


@pytest.mark.parametrize(
    ("name", "symbol", "message"),
    [
        ("unmapped", "TWA1", "carry no symbol mappings; name instruments by their numbers"),
        ("unmapped", "090001", "carry no symbol mappings; name instruments by their numbers"),
        ("unmapped", "4294967296", "carry no symbol mappings"),
        ("unmapped", "90009", "none of the 6000 records read match symbols"),
        ("mapped", ID, "instrument 90001 has a symbol in the files: name it as 'TWA1'"),
    ],
)
def test_names_that_are_nobodys(
    files: dict[str, Path], name: str, symbol: str, message: str
) -> None:
    with pytest.raises(NoDataError, match=message):
        read_records(files[name], symbols=(symbol,))


def test_a_strategy_on_a_name_is_told_of_numbers(tmp_path: Path, files: dict[str, Path]) -> None:
    config = {
        "backtest": {"data_source": {"type": "databento", "files": [str(files["unmapped"])]},
                     "replay": {"transport": "inproc"}},
        "strategy": {"type": "market_maker", "symbols": ["TWA1"]},
    }  # fmt: skip
    with pytest.raises(NoDataError, match="name instruments by their numbers"):
        tw.run(config, output=tmp_path / "run")
    config["strategy"]["symbols"] = [True]
    with pytest.raises(ConfigError, match="symbols"):
        tw.run(config, output=tmp_path / "run")
