"""Files of other makers and of other users: ITCH, LOBSTER, bundles, run folders."""

import csv
import hashlib
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pyarrow.parquet as pq

import itch_files
import lobster_files
from analytics_runs import run_of, story
from fuzzing.mutator import Field, Mutator
from fuzzing.target import Target
from naive.dbn import read_mbo
from tapewire.analytics.compare import compare, render_comparison, text_rows
from tapewire.errors import InputError, TapewireError
from tapewire.replay.conversions import convert_itch, convert_lobster
from tapewire.runs.bundles import unpack
from tapewire.runs.listing import as_table, list_runs
from tapewire.runs.result import RunResult


class Itch(Target):
    """NASDAQ ITCH: lengths, types and fields of messages, cut anywhere."""

    name = "itch"
    refusals = (InputError,)
    where = re.compile(r"NASDAQ_ITCH50")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._data = itch_files.session({"AAPL": 13, "ZVZZT": 65_535}, 3, 150)
        self._path = folder / "05302019.NASDAQ_ITCH50"
        self._fields, at = [], 0
        while at < len(self._data):
            size = int.from_bytes(self._data[at : at + 2], "big")
            self._fields += [Field(at, 2, "big"), Field(at + 2, 1), Field(at + 3, 2, "big")]
            self._fields += [Field(at + 7, 6, "big"), Field(at + 13, 8, "big")]
            self._fields += [Field(at + k, 4, "big") for k in range(21, size - 2, 4)]
            at += 2 + size

    def sound(self) -> None:
        self._read(self._data)

    def broken(self, mutator: Mutator) -> None:
        self._read(mutator.data(self._data, self._fields))

    def _read(self, data: bytes) -> None:
        self._path.write_bytes(data)
        out = self.folder / "out.dbn"
        report = convert_itch(self._path, out, force=True)
        assert len(read_mbo(out)) == report.records
        found, at, ended = 0, 0, False
        while at < len(data) and data[at : at + 2] != bytes(2):
            ended |= data[at + 2 : at + 3] == b"S" and data[at + 13 : at + 14] == b"C"
            at += 2 + int.from_bytes(data[at : at + 2], "big")
            found += 1
        assert at <= len(data), "a message is cut"
        assert ended or not any(data[at:]), "there is more behind the end"
        told = sum(report.messages.values())
        assert told == found, f"{told} messages of {found} were presented as whole"


class Lobster(Target):
    """LOBSTER: either of its two files."""

    name = "lobster"
    refusals = (InputError,)
    where = re.compile(r"(message|orderbook)_2")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        messages, rows = lobster_files.market(5, 60, 2, 6, 30)
        self._path = lobster_files.write(folder, messages, rows, 2)
        self._book = folder / self._path.name.replace("message", "orderbook")
        self._texts = [self._path.read_text(), self._book.read_text()]

    def sound(self) -> None:
        self._path.write_text(self._texts[0])
        self._book.write_text(self._texts[1])
        self._read()

    def broken(self, mutator: Mutator) -> None:
        which = mutator.draw.randrange(2)
        for k, path in enumerate((self._path, self._book)):
            changed = mutator.text(self._texts[k]) if k == which else self._texts[k].encode()
            path.write_bytes(changed)
        self._read()

    def _read(self) -> None:
        report = convert_lobster(self._path, self.folder / "out.dbn", force=True)
        text = self._path.read_text(encoding="utf-8", errors="replace")
        rows = sum(any(row) for row in csv.reader(io.StringIO(text)))
        told = sum(report.messages.values())
        assert told == rows, f"{told} messages of {rows} were presented as whole"


class Bundles(Target):
    """Bundles: the archive's bytes, its index, names that lead elsewhere."""

    name = "bundle"
    refusals = (TapewireError,)
    where = re.compile(r"x\.zip|fuzz")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._path = folder / "x.zip"
        self._files = {
            "run/config.yaml": b"seed: 1\n", "run/manifest.json": b'{"status": "complete"}',
            "code/a.py": b"print()\n" * 40, "data/day.dbn": bytes(3_000),
        }  # fmt: skip
        facts = {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in self._files.items()
        }
        self._index = {
            "bundle": 1, "files": facts, "code": {"/was/a.py": "code/a.py"},
            "data": {"/was/day.dbn": "data/day.dbn"},
        }  # fmt: skip

    def _written(self, index: bytes, names: dict[str, str]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bundle.json", index)
            for name, data in self._files.items():
                archive.writestr(names.get(name, name), data)
        return out.getvalue()

    def sound(self) -> None:
        self._read(self._written(json.dumps(self._index).encode(), {}))

    def broken(self, mutator: Mutator) -> None:
        way = mutator.draw.randrange(3)
        index = json.dumps(self._index).encode()
        if way == 0:
            data = self._written(json.dumps(mutator.tree(self._index)).encode(), {})
        elif way == 1:
            name = mutator.draw.choice(list(self._files))
            odd = ["../x", "/tmp/x", "run/../../x", "run", "bundle.json", "data\\x", "run/a\0b"]
            data = self._written(index, {name: mutator.draw.choice(odd)})
        else:
            sound = self._written(index, {})
            ends = [Field(len(sound) - k, n) for k in range(8, 320, 2) for n in (2, 4)]
            data = mutator.data(sound, ends + [Field(k, n) for k in range(60) for n in (2, 4)])
        self._read(data)

    def _read(self, data: bytes) -> None:
        self._path.write_bytes(data)
        to = self.folder / "inner" / "there"
        shutil.rmtree(to.parent, ignore_errors=True)
        to.mkdir(parents=True)
        try:
            found = unpack(self._path, to)
            assert (found.run / "config.yaml").read_bytes() == self._files["run/config.yaml"]
            assert all(path.read_bytes() in self._files.values() for path in found.data.values())
        finally:
            assert [one.name for one in to.parent.iterdir()] == ["there"], "written elsewhere"
            assert {one.name for one in self.folder.iterdir()} == {"inner", "x.zip"}


class RunFolders(Target):
    """Run folders of somebody else: the manifest and the tables, as every verb reads them."""

    name = "run-folder"
    refusals = (TapewireError,)
    where = re.compile("fuzz")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._sound = run_of(folder / "sound", story()).path
        self._other = run_of(folder / "other", story()).path
        self._manifest = json.loads((self._sound / "manifest.json").read_text())
        self._tables = sorted(self._sound.glob("*.parquet"))

    def sound(self) -> None:
        self._read(self._sound)

    def broken(self, mutator: Mutator) -> None:
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(self._sound, run)
        if mutator.chance(3):
            table = run / mutator.draw.choice(self._tables).name
            data = table.read_bytes()
            footer = [Field(at, n) for at in range(len(data) - 60, len(data)) for n in (1, 4)]
            table.write_bytes(mutator.data(data, footer))
        else:
            text = json.dumps(self._manifest, indent=1)
            data = mutator.text(text, ":") if mutator.chance(3) else b""
            data = data or json.dumps(mutator.tree(self._manifest)).encode("utf-8", "surrogatepass")
            (run / "manifest.json").write_bytes(data)
        self._read(run)

    def _read(self, run: Path) -> None:
        as_table(list_runs([run]))
        result = RunResult.load(run)
        for table in ("fills", "orders", "equity"):
            rows = result.to_arrow(table).num_rows
            assert rows == pq.read_table(run / f"{table}.parquet").num_rows
        comparison = compare([RunResult.load(self._other), result])
        text_rows(comparison)
        render_comparison(comparison)
