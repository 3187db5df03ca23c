"""Files of levels give the books they tell: real captures as mbp-10, read as orders again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tapewire as tw
from tapewire.derive import Deriver, find_schema
from tapewire.inputs.derive import derive_file
from tapewire.market.records import F_MBP, MBO_KERNEL_DTYPE, UNDEF_PRICE
from tapewire.replay import read_records

DataFile = Callable[[str], Path]
LEVELS = [f"{side}_{what}_{k:02d}" for side in ("bid", "ask") for what in ("px", "sz")
          for k in range(10)]  # fmt: skip
EMPTY = (*[UNDEF_PRICE] * 10, *[0] * 10) * 2
PLACES = ("publisher_id", "instrument_id", "ts_event", "ts_recv", "sequence", "ts_in_delta")


def rows_of(records: np.ndarray, dataset: str, schema: str) -> np.ndarray:
    deriver = Deriver(find_schema(schema), dataset)
    parts = [rows.copy() for rows in deriver.feed(records.view(MBO_KERNEL_DTYPE))]
    parts += [rows.copy() for rows in deriver.finish()]
    return np.concatenate(parts)


def changes(rows: np.ndarray) -> np.ndarray:
    """Rows of trades, and those with other prices or sizes than their book's row before had."""
    keep = np.ones(len(rows), bool)
    before: dict[tuple[int, int], tuple[int, ...]] = {}
    for i, row in enumerate(rows):
        key = (int(row["publisher_id"]), int(row["instrument_id"]))
        now = tuple(int(row[name]) for name in LEVELS)
        keep[i] = row["action"] == b"T" or before.get(key, EMPTY) != now
        before[key] = now
    return rows[keep]


@pytest.mark.parametrize(
    "name", ["glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst", "truth/dbeq-20240131/mbo.dbn.zst"]
)
def test_levels_read_as_orders_are_the_same_levels(
    name: str, data_file: DataFile, tmp_path: Path
) -> None:
    """Each row of mbp-10 that is made of them again has the prices and sizes it had."""
    path = tmp_path / "levels.dbn.zst"
    derive_file(data_file(name), path, schema="mbp-10")
    metadata, records = read_records(path)
    dataset = str(metadata.dataset)
    assert str(metadata.schema) == "mbo"
    assert (records["flags"] & F_MBP != 0).all()
    _, original = read_records(data_file(name))
    wanted = changes(rows_of(original, dataset, "mbp-10"))
    found = changes(rows_of(records, dataset, "mbp-10"))
    assert len(wanted) == len(found) > 20_000
    for field in (*PLACES, *LEVELS):
        assert (wanted[field] == found[field]).all(), field
    traded = wanted["action"] == b"T"
    assert (traded == (found["action"] == b"T")).all()
    for field in ("price", "size", "side"):
        assert (wanted[field][traded] == found[field][traded]).all(), field


def test_a_run_over_levels_guesses_its_queues_and_says_so(
    data_file: DataFile, tmp_path: Path
) -> None:
    """ESH4 by levels, whatever the batches; with its orders nothing is guessed."""
    path = tmp_path / "es.mbp-10.dbn.zst"
    source = data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    derive_file(source, path, schema="mbp-10")
    runs = [
        tw.run(files=[file], strategies=["market_maker"], output=tmp_path / str(k), **more)
        for k, (file, more) in enumerate(((source, {}), (path, {}), (path, {"batch_records": 37})))
    ]
    exact, guessed, in_pieces = runs
    assert exact.manifest["queues"] == []
    (queue,) = guessed.manifest["queues"]
    assert (queue["symbol"], queue["has_orders"]) == ("ESH4", False)
    assert queue["model"] == "risk_adverse_queue_model"
    assert any("queue estimated" in warning for warning in guessed.manifest["warnings"])
    assert guessed.fills.num_rows > 100
    assert guessed.digest == in_pieces.digest != exact.digest


def test_levels_in_a_folder_are_played_where_there_are_no_orders(
    data_file: DataFile, tmp_path: Path
) -> None:
    folder = tmp_path / "es"
    folder.mkdir()
    source = data_file("glbx/esm4-glbx-mdp3-20240508-snapshot.mbo.dbn.zst")
    derive_file(source, folder / "es.mbp-1.dbn", schema="mbp-1")
    derive_file(source, folder / "es.trades.dbn", schema="trades")
    by_levels = tw.run(files=[folder], strategies=["market_maker"], output=tmp_path / "levels")
    assert [one["file"] for one in by_levels.manifest["inputs"]] == [str(folder / "es.mbp-1.dbn")]
    assert any("1 of trades" in warning for warning in by_levels.manifest["warnings"])
    shutil.copy(source, folder / "es.mbo.dbn.zst")
    by_orders = tw.run(files=[folder], strategies=["market_maker"], output=tmp_path / "orders")
    assert len(by_orders.manifest["inputs"]) == 1
    assert any("1 of mbp-1" in warning for warning in by_orders.manifest["warnings"])
