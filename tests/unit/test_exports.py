"""CSV and Parquet exports become the DBN that they were exported from."""

import gzip
from pathlib import Path
from typing import Any

import databento
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import zstandard

import streams
from tapewire.errors import ConfigError, FormatError, MissingFileError, OutputError
from tapewire.inputs.convert import convert_files
from tapewire.market.records import MBO_DTYPE, UNDEF_PRICE, UNDEF_TIMESTAMP
from tapewire.replay import read_records
from tapewire.replay.exports import export_to_dbn

FIXTURE = "fixtures/python/GLBX.MDP3/test_data.mbo.dbn.zst"


def odd_records() -> np.ndarray:
    """Records with prices and times that are hard to write down."""
    records = streams.make_records(6)
    records["price"] = [1, -1, 4_810_250_000_001, UNDEF_PRICE, -37_630_000_000, 2**62]
    records["ts_event"][2] = UNDEF_TIMESTAMP
    records["ts_in_delta"] = [-5, 0, 1, 2**31 - 1, -(2**31), 7]
    records["order_id"] = [2**64 - 1, 0, 1, 2, 3, 4]
    records["side"] = list(b"BANBAN")
    records["action"] = list(b"ACMTFR")
    records["flags"] = [130, 8, 40, 168, 0, 255]
    return records


def exported(folder: Path, records: np.ndarray) -> dict[str, Path]:
    """Write them as Databento's client does, in every form it has."""
    mapped = streams.dbn_bytes(records, mappings={"ESH4": [(7, 0, 1)]})
    store = databento.DBNStore.from_bytes(mapped)
    forms: dict[str, tuple[str, dict[str, Any]]] = {
        "pretty": ("to_csv", {}),
        "raw": ("to_csv", {"pretty_px": False, "pretty_ts": False}),
        "fixed": ("to_parquet", {"price_type": "fixed"}),
        "float": ("to_parquet", {"price_type": "float"}),
    }
    made = {}
    for name, (method, options) in forms.items():
        made[name] = folder / f"{name}.{method[3:]}"
        getattr(store, method)(made[name], **options)
    return made


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_every_form_gives_the_records_back(tmp_path: Path) -> None:
    records = odd_records()
    forms = exported(tmp_path, records)
    plain = forms["pretty"].read_bytes()
    (tmp_path / "packed.csv.zst").write_bytes(zstandard.compress(plain))
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(plain))
    for path in (forms["pretty"], forms["raw"], forms["fixed"], *tmp_path.glob("packed.*")):
        report = convert_files([path], tmp_path / "out.dbn", force=True)
        metadata, got = read_records(str(tmp_path / "out.dbn"))
        for name in MBO_DTYPE.names or ():
            assert got[name].tolist() == records[name].tolist(), (path.name, name)
        assert report.dataset == "GLBX.MDP3"
        assert report.inputs[0].name == str(path)
        assert list(metadata.mappings) == ["ESH4"]
        assert metadata.mappings["ESH4"][0]["symbol"] == "7"
        assert sorted(p.name for p in tmp_path.glob(".tapewire*")) == []
    with pytest.raises(FormatError, match="up to 4,000,000, found 4611686018"):
        convert_files([forms["float"]], tmp_path / "out.dbn", force=True)


def test_a_real_day_as_csv(tmp_path: Path, data_file: Any) -> None:
    """The table that Databento exported is the DBN file made of it elsewhere."""
    folder = "truth/xnas-arl-20250717"
    convert_files([data_file(f"{folder}/mbo.csv")], tmp_path / "arl.dbn.zst")
    metadata, got = read_records(str(tmp_path / "arl.dbn.zst"))
    assert got.tobytes() == read_records(str(data_file(f"{folder}/mbo.dbn.zst")))[1].tobytes()
    assert metadata.dataset == "XNAS.ITCH"
    assert list(metadata.mappings) == ["ARL"]


def test_a_real_parquet_file_of_three_symbols(tmp_path: Path, data_file: Any) -> None:
    folder = "truth/dbeq-20240131"
    convert_files([data_file(f"{folder}/mbo.parquet")], tmp_path / "dbeq.dbn")
    metadata, got = read_records(str(tmp_path / "dbeq.dbn"))
    assert got.tobytes() == read_records(str(data_file(f"{folder}/mbo.dbn.zst")))[1].tobytes()
    assert sorted(metadata.mappings) == ["SPY", "VOO", "VTI"]


def test_an_id_that_changes_its_symbol_is_followed_by_day(tmp_path: Path) -> None:
    records = streams.make_records(4)
    records["ts_recv"] += np.array([0, 1, 2, 3], np.uint64) * np.uint64(streams.DAY_NS)
    mapped = streams.dbn_bytes(records, mappings={"AAA": [(7, 0, 2)], "BBB": [(7, 2, 4)]})
    databento.DBNStore.from_bytes(mapped).to_csv(tmp_path / "x.csv")
    convert_files([tmp_path / "x.csv"], tmp_path / "out.dbn")
    spans = {
        name: [(str(r["start_date"]), str(r["end_date"]), r["symbol"]) for r in rows]
        for name, rows in read_records(str(tmp_path / "out.dbn"))[0].mappings.items()
    }
    assert spans == {
        "AAA": [("2023-12-09", "2023-12-11", "7")],
        "BBB": [("2023-12-11", "2023-12-13", "7")],
    }


def test_tables_that_are_no_export_of_mbo_records(tmp_path: Path) -> None:
    forms = exported(tmp_path, streams.make_records(3))
    table = pq.read_table(forms["fixed"]).drop_columns(["ts_recv"])
    good = pq.read_table(forms["fixed"])

    def refused(table: pa.Table, text: str) -> None:
        pq.write_table(table, tmp_path / "bad.parquet")
        with pytest.raises(FormatError, match=text):
            export_to_dbn(str(tmp_path / "bad.parquet"), tmp_path / "x.dbn")

    def with_column(name: str, values: list[Any]) -> pa.Table:
        return good.set_column(good.column_names.index(name), name, pa.array(values))

    refused(table, "expected the columns of schema mbo, found none called ts_recv")
    refused(with_column("size", [1, -1, 1]), "bad.parquet: size: Integer value -1 not in range")
    refused(with_column("action", ["A", "AB", "A"]), "action: expected one letter in every row")
    refused(with_column("rtype", [160, 0, 160]), r"row 2: rtype: expected 160 \(MBO\), found 0")
    refused(with_column("publisher_id", [1, 2, 1]), "one dataset, found GLBX.MDP3, XNAS.ITCH")
    refused(with_column("publisher_id", [1, 60_000, 1]), "Databento's, found 60000")
    refused(good.slice(0, 0), "has no records")
    text = forms["pretty"].read_text()
    (tmp_path / "bad.csv").write_text(text.replace(",1,", ",one,", 1))
    with pytest.raises(FormatError, match=r"bad\.csv: .*one"):
        export_to_dbn(str(tmp_path / "bad.csv"), tmp_path / "x.dbn")
    with pytest.raises(MissingFileError, match="no such file"):
        export_to_dbn(str(tmp_path / "none.csv"), tmp_path / "x.dbn")
    with pytest.raises(FormatError, match=r"is a CSV file, .* `tapewire data convert"):
        read_records(str(forms["pretty"]))
    with pytest.raises(FormatError, match="is a Parquet file"):
        read_records(str(forms["fixed"]))
    (tmp_path / "there.dbn").write_text("")
    with pytest.raises(OutputError, match="is there already"):
        convert_files([forms["pretty"]], tmp_path / "there.dbn")
    with pytest.raises(ConfigError, match="expected a name ending in"):
        convert_files([forms["pretty"]], tmp_path / "there.xyz")
