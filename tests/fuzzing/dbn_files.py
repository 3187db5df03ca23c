"""DBN files: plain and packed, of every version, of other schemas, legacy ones; cut anywhere."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import databento_dbn
import numpy as np
import zstandard

import defined
import streams
from fuzzing.mutator import Field, Mutator
from fuzzing.target import Target
from tapewire.errors import InputError
from tapewire.inputs.inspection import inspect_file
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import read_records
from tapewire.replay.dbn import inspect

_RECORDS = streams.make_records(40)
_MIXED = 0xFFFF
_IN_FILE = re.compile(r"x\.dbn")
_IN_RECORDS = re.compile(r"x\.dbn.*\b(byte offset|bytes behind|frame|record) ")


def _header_fields(version: int) -> list[Field]:
    """Numbers of a header that something hangs on; see ``databento/dbn``, ``encode/dbn``."""
    more = 8 if version == 1 else 0  # version 1 has a count of records before the types
    return [
        Field(3, 1), Field(4, 4), Field(4, 4), Field(24, 2), Field(26, 8), Field(34, 8),
        Field(42, 8), Field(50 + more, 1), Field(51 + more, 1), Field(52 + more, 1), Field(53, 2),
        Field(108, 4), Field(112, 4), *(Field(116 + 4 * k, 4) for k in range(30)),
    ]  # fmt: skip


def _record_fields(start: int, count: int, size: int = 56) -> list[Field]:
    sizes = [(0, 1), (1, 1), (2, 2), (4, 4), (8, 8), (16, 8), (24, 8), (32, 4), (36, 1), (38, 1),
             (39, 1), (40, 8), (48, 4), (52, 4)]  # fmt: skip
    return [Field(start + k * size + at, n) for k in range(count) for at, n in sizes]


def packed(data: bytes, mutator: Mutator | None = None) -> bytes:
    """Pack into zstd, into several frames where a mutator says so."""
    if mutator is None or mutator.chance(2):
        return streams.zstd_bytes(data)
    draw = mutator.draw
    out, at = b"", 0
    while at < len(data):
        step = draw.choice([1, 7, 56, 560, 5_000])
        out += streams.zstd_bytes(data[at : at + step], checksum=draw.random() < 0.5)
        if mutator.chance(4):
            out += bytes([0x50 + draw.randrange(16)]) + b"\x2a\x4d\x18\x03\0\0\0abc"
        at += step
    return out


def unpacked(data: bytes) -> bytes:
    """What zstd frames hold; every one must be whole."""
    if data[1:4] != b"\xb5\x2f\xfd" and data[1:4] != b"\x2a\x4d\x18":
        return data
    out = b""
    while data:
        if data[1:4] == b"\x2a\x4d\x18":
            end = 8 + int.from_bytes(data[4:8], "little")
            assert len(data) >= end, "a skippable frame is cut"
            data = data[end:]
            continue
        one = zstandard.ZstdDecompressor().decompressobj()
        out += one.decompress(data)
        assert one.eof, "a frame is cut"
        data = one.unused_data
    return out


def naive_records(data: bytes) -> np.ndarray | None:
    """The MBO records of a whole file, by length bytes alone; None for schemas made of levels."""
    data = unpacked(data)
    version, schema = data[3], int.from_bytes(data[24:26], "little")
    tail = 8 if data[60 if version == 1 else 52] else 0
    at = 8 + int.from_bytes(data[4:8], "little")
    if schema not in (0, _MIXED):
        return None
    found = []
    while at < len(data):
        length = data[at] * 4
        assert length >= 16 + tail, "a record shorter than its header"
        assert at + length <= len(data), "a record is cut"
        if data[at + 1] == 0xA0:
            assert length == 56 + tail, "an MBO record of another length"
            found.append(bytes([14]) + data[at + 1 : at + 56])
        at += length
    return np.frombuffer(b"".join(found), MBO_DTYPE)


_BOMB = zstandard.ZstdCompressor(level=1).compress(bytes(1 << 28))


class _Files(Target):
    """Sound files, broken as they lie on disk or before they are packed."""

    refusals = (InputError,)
    where = _IN_FILE

    def files(self) -> list[tuple[bytes, list[Field]]]:
        """Plain files, and their fields."""
        raise NotImplementedError

    def read(self, path: str, data: bytes) -> None:
        """Read a file, and check what is taken."""
        raise NotImplementedError

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._files = self.files()
        self._path = folder / "x.dbn"

    def sound(self) -> None:
        for data, _ in self._files:
            for one in (data, packed(data)):
                self.read(streams.write(self._path, one), one)

    def broken(self, mutator: Mutator) -> None:
        data = self.change(mutator, *mutator.draw.choice(self._files))
        self.read(streams.write(self._path, data), data)

    def change(self, mutator: Mutator, data: bytes, fields: list[Field]) -> bytes:
        way = mutator.draw.randrange(10)
        if way < 4:
            return mutator.data(data, fields)
        if way < 6:
            return packed(mutator.data(data, fields), mutator)
        if way == 6:
            return mutator.cut(mutator.draw.choice([data, packed(data, mutator)]))
        if way == 7 and mutator.chance(4):
            return packed(mutator.cut(data), mutator) + _BOMB
        return mutator.data(packed(data, mutator), [Field(k, n) for k in range(12) for n in (1, 4)])


class MboFiles(_Files):
    """Files that a run plays: MBO records alone, or among others."""

    name = "dbn"

    def files(self) -> list[tuple[bytes, list[Field]]]:
        out = []
        for version in (1, 2, 3):
            header = streams.dbn_header(version=version)
            fields = _header_fields(version) + _record_fields(len(header), len(_RECORDS))
            out.append((header + _RECORDS.tobytes(), fields))
        header = streams.dbn_header({}, schema=None)
        trade = bytes([12, 0x00]) + bytes(46)
        body = b"".join(trade * (k % 3 == 0) + r.tobytes() for k, r in enumerate(_RECORDS))
        lengths = _record_fields(len(header), 20, 52)
        out.append((header + body, _header_fields(3) + lengths))
        return out

    def read(self, path: str, data: bytes) -> None:
        self.where = _IN_FILE
        inspect(path)
        self.where = _IN_RECORDS  # what is wrong now is not its header
        _, records = read_records(path)
        self.where = _IN_FILE
        expected = naive_records(data)
        if expected is not None:
            assert records.tobytes() == expected.tobytes(), (
                f"{len(records)} records of {len(expected)} were presented as whole"
            )
        inspect_file(path)


class CutFiles(MboFiles):
    """The same, cut at every byte in turn."""

    name = "dbn-cut"

    def play(self, seed: int) -> bool:
        data, _ = self._files[seed % 4]
        data = packed(data) if seed // 4 % 2 else data
        self._cut = data[: seed // 8 % len(data)]
        return super().play(seed)

    def broken(self, mutator: Mutator) -> None:
        self.read(streams.write(self._path, self._cut), self._cut)


def _vendor_bytes(kind: type, schema: str, rtype: int, version: int = 3, **fields: Any) -> bytes:
    """A file of ten records as Databento's library lays them out."""
    rows = np.zeros(10, np.dtype(kind._dtypes))  # type: ignore[attr-defined]
    rows["length"], rows["rtype"], rows["publisher_id"] = rows.itemsize // 4, rtype, 1
    rows["instrument_id"] = 7
    rows["ts_event"] = rows["ts_recv"] = streams.START_NS + np.arange(10)
    for name, value in fields.items():
        rows[name] = value
    return streams.dbn_header(schema=schema, version=version) + rows.tobytes()


class OtherSchemas(_Files):
    """Definitions, statistics, states and levels, by the readers that each has."""

    name = "dbn-other"

    def files(self) -> list[tuple[bytes, list[Field]]]:
        from tapewire.replay.definitions import read_definitions
        from tapewire.replay.statistics import read_statistics
        from tapewire.replay.status import read_status

        self._readers: list[Callable[[str], object]] = []
        out = []
        header = streams.dbn_header(schema="definition")
        one = defined.definition(instrument_id=7, raw_symbol=b"TEST", ts_recv=streams.START_NS)
        made: list[tuple[bytes, Callable[[str], object]]] = [(header + one * 4, read_definitions)]
        stat, state = databento_dbn.StatMsg, databento_dbn.StatusMsg
        made.append((_vendor_bytes(stat, "statistics", 0x18, stat_type=3), read_statistics))
        made.append((_vendor_bytes(state, "status", 0x12, action=7), read_status))
        levels = {"action": b"A", "side": b"B", "flags": 128, "price": 10**9, "size": 1}
        for kind, schema, rtype in (
            (databento_dbn.MBP10Msg, "mbp-10", 0x0A),
            (databento_dbn.MBP1Msg, "mbp-1", 0x01),
            (databento_dbn.MBP1Msg, "tbbo", 0x01),
        ):
            made.append((_vendor_bytes(kind, schema, rtype, **levels), read_records))
        for data, reader in made:
            start = 8 + int.from_bytes(data[4:8], "little")
            size = data[start] * 4
            many = (len(data) - start) // size
            more = [
                Field(start + k * size + at, 8) for k in range(many) for at in range(8, size, 8)
            ]
            out.append((data, _header_fields(3) + _record_fields(start, many, size) + more))
            self._readers.append(reader)
        return out

    def sound(self) -> None:
        for (data, _), reader in zip(self._files, self._readers, strict=True):
            for one in (data, packed(data)):
                reader(streams.write(self._path, one))

    def broken(self, mutator: Mutator) -> None:
        k = mutator.draw.randrange(len(self._files))
        path = streams.write(self._path, self.change(mutator, *self._files[k]))
        self._readers[k](path)
        inspect_file(path)


class LegacyFiles(_Files):
    """DBZ files; of real ones alone, so there must be some."""

    name = "dbz"

    def files(self) -> list[tuple[bytes, list[Field]]]:
        found = sorted((Path(os.environ["TAPEWIRE_DATA"]) / "fixtures").rglob("*.mbo*.dbz"))
        assert found, "no DBZ file among the market data"
        return [(path.read_bytes(), [Field(k, 4) for k in range(0, 160, 2)]) for path in found]

    def sound(self) -> None:
        for data, _ in self._files:
            read_records(streams.write(self._path, data))

    def broken(self, mutator: Mutator) -> None:
        data, fields = mutator.draw.choice(self._files)
        changed = mutator.cut(data) if mutator.chance(4) else mutator.data(data, fields)
        _, records = read_records(streams.write(self._path, changed))
        assert len(records) * 56 == len(unpacked(changed)), "fewer records than it has"
