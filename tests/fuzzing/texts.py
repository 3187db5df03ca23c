"""What people write or export: configurations, strategies as data, tables of orders and bars."""

import csv
import io
import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import databento
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

import streams
from declared import SPECIFIED
from fuzzing.mutator import Field, Mutator
from fuzzing.target import Target
from naive.dbn import read_mbo
from stories import COLUMNS, Log
from tapewire.candles import read_candles
from tapewire.candles.rules.loading import load_strategy
from tapewire.config.loading import load_config
from tapewire.errors import ConfigError, InputError
from tapewire.replay.exports import export_to_dbn
from tapewire.strategies.order_log_file import read_order_log

_EVERYTHING = Path(__file__).parent / "everything.yaml"


class Configurations(Target):
    """YAML: a value of another kind, a line gone, aliases, bytes that are no text."""

    name = "yaml"
    refusals = (ConfigError,)
    where = re.compile(r"x\.yaml")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._path = folder / "x.yaml"
        self._text = _EVERYTHING.read_text()
        self._tree = yaml.safe_load(self._text)

    def sound(self) -> None:
        self._path.write_text(self._text)
        load_config(self._path)

    def broken(self, mutator: Mutator) -> None:
        if mutator.chance(2):
            data = mutator.text(self._text, ": ")
        else:
            tree = mutator.tree(self._tree)
            data = yaml.safe_dump(tree, allow_unicode=mutator.chance(2)).encode(
                "utf-8", "surrogatepass"
            )
        self._path.write_bytes(data)
        load_config(self._path)


class Strategies(Target):
    """Strategies that are data: JSON with another value, twice the same key, cut anywhere."""

    name = "strategy-json"
    refusals = (ConfigError,)
    where = re.compile(r"x\.json")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._path = folder / "x.json"
        self._tree = json.loads(SPECIFIED)

    def sound(self) -> None:
        self._path.write_text(SPECIFIED)
        load_strategy(self._path)

    def broken(self, mutator: Mutator) -> None:
        if mutator.chance(3):
            data = mutator.text(SPECIFIED, ":")
        else:
            text = json.dumps(mutator.tree(self._tree), indent=mutator.draw.choice([None, 1]))
            data = text.encode("utf-8", "surrogatepass")
        self._path.write_bytes(data)
        load_strategy(self._path)


class _Tables(Target):
    """A table as CSV and as Parquet."""

    refusals = (InputError,)
    where = re.compile(r"x\.(csv|parquet)")

    def table(self) -> pa.Table:
        """Sound rows."""
        raise NotImplementedError

    def read(self, path: Path) -> int:
        """Read a table; its rows."""
        raise NotImplementedError

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        table = self.table()
        self._rows = table.num_rows
        out = io.StringIO()
        written = csv.writer(out, lineterminator="\n")
        written.writerow(table.column_names)
        written.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
        self._csv = out.getvalue()
        pq.write_table(table, folder / "sound.parquet")
        self._parquet = (folder / "sound.parquet").read_bytes()

    def sound(self) -> None:
        (self.folder / "x.csv").write_text(self._csv)
        (self.folder / "x.parquet").write_bytes(self._parquet)
        assert self.read(self.folder / "x.csv") == self._rows
        assert self.read(self.folder / "x.parquet") == self._rows

    def broken(self, mutator: Mutator) -> None:
        if mutator.chance(3):
            path, end = self.folder / "x.parquet", len(self._parquet)
            footer = [Field(at, n) for at in range(end - 60, end - 4) for n in (1, 4)]
            path.write_bytes(mutator.data(self._parquet, footer))
            found = self.read(path)
            assert found == self._rows, f"{found} rows of {self._rows} were presented as whole"
            return
        path = self.folder / "x.csv"
        path.write_bytes(mutator.text(self._csv))
        found = self.read(path)
        given = path.read_text(encoding="utf-8", errors="replace")
        try:
            rows = sum(any(row) for row in csv.reader(io.StringIO(given))) - 1
        except csv.Error:  # the slow reader's own limits
            return
        assert found == rows, f"{found} rows of {rows} were presented as whole"


class OrderLogs(_Tables):
    """Orders to send."""

    name = "order-log"

    def table(self) -> pa.Table:
        log = Log().buy(10, "a", 3, "100.25").sell(20, "b", 2).buy(30, "c", 4, 101.25, "IOC")
        log.replace(100, "a", 2, "100.5").cancel(200, "a").buy(210, "d", 1, 99)
        log.mass_cancel(220, "d")
        rows = [{name: row[name] or None for name in COLUMNS} for row in log.rows]
        for row in rows:
            row["ts_ns"] = int(row["ts_ns"])
        return pa.Table.from_pylist(rows)

    def read(self, path: Path) -> int:
        log = read_order_log(path)
        assert (np.diff(log.rows["ts"]) >= 0).all()
        return len(log.rows)


class Bars(_Tables):
    """Candles."""

    name = "candles"

    def table(self) -> pa.Table:
        n = 20
        close = 100 + np.arange(n) % 5 * 0.25
        return pa.table(
            {
                "ts_event": 1_700_000_040 * 10**9 + np.arange(n) * 60 * 10**9,
                "open": close, "high": close + 0.5, "low": close - 0.5, "close": close,
                "volume": np.arange(n) + 1,
            }
        )  # fmt: skip

    def read(self, path: Path) -> int:
        candles = read_candles(path)
        assert (candles.high >= candles.low).all()
        return len(candles)


class Exports(_Tables):
    """Databento's CSV and Parquet exports of MBO records."""

    name = "exports"

    def table(self) -> pa.Table:
        records = streams.make_records(12)
        mapped = streams.dbn_bytes(records, mappings={"ESH4": [(7, 0, 1)]})
        store = databento.DBNStore.from_bytes(mapped)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            store.to_parquet(self.folder / "made.parquet", price_type="fixed")
        return pq.read_table(self.folder / "made.parquet")

    def read(self, path: Path) -> int:
        out = self.folder / "out.dbn"
        export_to_dbn(str(path), out)
        return len(read_mbo(out))


class SymbologyFiles(Target):
    """The vendor's ``symbology.json`` beside a file without mappings."""

    name = "symbology"
    refusals = (InputError,)
    where = re.compile(r"symbology\.json|x\.dbn")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._path = folder / "symbology.json"
        self._data = streams.write(
            folder / "x.dbn", streams.dbn_bytes(streams.make_records(3), mappings={})
        )
        self._tree = {
            "result": {"TEST": [{"d0": "2023-12-09", "d1": "2023-12-10", "s": "7"}]},
            "symbols": ["TEST"], "stype_in": "raw_symbol", "stype_out": "instrument_id",
            "start_date": "2023-12-09", "end_date": "2023-12-10", "partial": [], "not_found": [],
            "message": "OK", "status": 0,
        }  # fmt: skip

    def sound(self) -> None:
        from tapewire.replay.dbn import inspect

        self._read: Callable[[str], Any] = inspect
        self._path.write_text(json.dumps(self._tree))
        assert [one.raw_symbol for one in inspect(self._data).mappings] == ["TEST"]

    def broken(self, mutator: Mutator) -> None:
        text = json.dumps(self._tree, indent=1)
        if mutator.chance(2):
            self._path.write_bytes(mutator.text(text, ":"))
        else:
            broken = json.dumps(mutator.tree(self._tree))
            self._path.write_bytes(broken.encode("utf-8", "surrogatepass"))
        self._read(self._data)
