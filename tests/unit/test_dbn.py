"""DBN files: which open, which are refused, and with which sentence."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

import streams
from tapewire.errors import FormatError, InputError, MissingFileError
from tapewire.replay import read_records
from tapewire.replay.dbn import inspect
from tapewire.replay.zstd_frames import FrameWalker
from tapewire.wire import SymbolMapping

RECORDS = streams.make_records(5)


def test_every_fixture_opens_or_is_refused_with_its_reason(
    data_file: Callable[[str], Path],
) -> None:
    index = data_file("fixtures/index.tsv")
    rows = list(csv.DictReader(index.read_text().splitlines(), delimiter="\t"))
    assert len(rows) > 100
    for row in rows:
        path = index.parent / row["path"]
        if row["schema"] == "mbo":
            header = inspect(str(path))
            _, records = read_records(path)
            assert (header.version, len(records)) == (int(row["dbn_version"]), int(row["records"]))
        else:
            reason = f"has schema {row['schema']}" if row["schema"] != "None" else "mixes schemas"
            with pytest.raises(FormatError, match=reason):
                inspect(str(path))
    listed = {row["path"] for row in rows}
    others = [
        p for p in index.parent.rglob("*.*") if str(p.relative_to(index.parent)) not in listed
    ]
    for path in others:
        if path.is_file() and path != index:
            with pytest.raises(FormatError, match=r"legacy DBZ|fragment"):
                inspect(str(path))


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("pack", [bytes, streams.zstd_bytes], ids=["plain", "zstd"])
def test_all_versions_give_the_same_records(
    tmp_path: Path, version: int, pack: Callable[[bytes], bytes]
) -> None:
    data = streams.dbn_bytes(RECORDS, version=version)
    path = streams.write(tmp_path / "any.name", pack(data))
    metadata, records = read_records(path)
    assert records.tobytes() == RECORDS.tobytes()
    assert metadata.dataset == "GLBX.MDP3"
    header = inspect(path)
    assert header.version == version
    day = streams.START_NS
    assert header.mappings == (SymbolMapping("TEST", 7, day, day + streams.DAY_NS),)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "is empty"),
        (b"DB", "ends inside its DBN header"),
        (b"hello, world", "is not a DBN file"),
        (RECORDS.tobytes(), "fragment"),
        (streams.zstd_bytes(RECORDS.tobytes()), "fragment"),
        (b"DBN\x04" + bytes(100), "DBN version 4; expected version 1, 2 or 3"),
        (b"DBN\x03\xff\xff\xff\xff" + bytes(100), "claims 4294967295 bytes"),
        (b"DBN\x03\x64\x00\x00\x00" + b"\xff" * 100, "header is corrupt"),
        (streams.dbn_header(schema="trades"), "has schema trades; expected mbo"),
        (streams.dbn_header(schema=None), "mixes schemas"),
        (streams.dbn_header(ts_out=True), "ts_out"),
        (streams.dbn_bytes(RECORDS)[:-1], "ends inside record 4 at byte offset 584: .* found 55"),
    ],
)
def test_what_is_no_mbo_file_is_refused(tmp_path: Path, data: bytes, text: str) -> None:
    path = streams.write(tmp_path / "x.dbn", data)
    with pytest.raises(FormatError, match=text) as caught:
        inspect(path)
    assert path in str(caught.value)


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="no such file"):
        inspect(str(tmp_path / "none.dbn"))
    with pytest.raises(MissingFileError, match="is a folder"):
        inspect(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MissingFileError, match="not a regular file"):
        inspect(str(tmp_path / "pipe"))
    with pytest.raises(MissingFileError):
        inspect("nul\0byte")


@pytest.mark.parametrize(("field", "value"), [("rtype", 0x00), ("length", 13)])
@pytest.mark.parametrize("pack", [bytes, streams.zstd_bytes], ids=["plain", "zstd"])
def test_a_record_that_is_no_mbo_is_named(
    tmp_path: Path, field: str, value: int, pack: Callable[[bytes], bytes]
) -> None:
    records = streams.make_records(3_000)
    records[field][2_222] = value
    path = streams.write(tmp_path / "x.dbn", pack(streams.dbn_bytes(records)))
    offset = len(streams.dbn_header()) + 2_222 * 56
    with pytest.raises(FormatError, match=f"record 2222 at byte offset {offset}.*expected an MBO"):
        read_records(path)
    with pytest.raises(FormatError, match=f"record 2222 at byte offset {offset}"):
        read_records(path, publishers=(1,))


def test_several_and_skippable_frames_are_one_file(tmp_path: Path) -> None:
    data = streams.dbn_bytes(streams.make_records(1_000))
    skippable = b"\x5f\x2a\x4d\x18" + (7).to_bytes(4, "little") + b"ignored"
    parts = [streams.zstd_bytes(data[i : i + 7_000]) for i in range(0, len(data), 7_000)]
    path = streams.write(tmp_path / "x", skippable + skippable.join(parts) + skippable)
    assert read_records(path)[1].tobytes() == streams.make_records(1_000).tobytes()


@given(
    st.lists(st.binary(max_size=3_000), min_size=1, max_size=4),
    st.booleans(),
    st.data(),
)
def test_the_walker_knows_where_frames_end(
    contents: list[bytes], checksum: bool, data: st.DataObject
) -> None:
    frames = [streams.zstd_bytes(c, checksum=checksum) for c in contents]
    whole = b"".join(frames)
    ends = set(np.cumsum([0] + [len(f) for f in frames]).tolist())
    cut = data.draw(st.integers(0, len(whole)))
    step = data.draw(st.integers(1, 64))
    walker = FrameWalker()
    for at in range(0, cut, step):
        walker.feed(whole[at : min(at + step, cut)])
    assert walker.whole == (cut in ends)
    assert walker.offset == cut


@given(data=st.data())
def test_a_mutated_file_is_refused_or_read_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    good = streams.dbn_bytes(RECORDS)
    packed = data.draw(st.booleans())
    sent = bytearray(streams.zstd_bytes(good) if packed else good)
    for _ in range(data.draw(st.integers(1, 3))):
        sent[data.draw(st.integers(0, len(sent) - 1))] = data.draw(st.integers(0, 255))
    path = streams.write(tmp_path_factory.getbasetemp() / "mutated.dbn", bytes(sent))
    try:
        _, records = read_records(path)
    except InputError:
        return
    assert len(records) == len(RECORDS)


@pytest.mark.parametrize("shift", [-56, -8, 8, 56])
def test_a_header_that_lies_about_its_length_swallows_no_record(tmp_path: Path, shift: int) -> None:
    data = bytearray(streams.dbn_bytes(RECORDS))
    data[4:8] = (int.from_bytes(data[4:8], "little") + shift).to_bytes(4, "little")
    with pytest.raises(FormatError, match="header"):
        inspect(streams.write(tmp_path / "x", bytes(data)))


def test_a_bomb_is_refused_at_its_first_record(tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor(level=1).compress(streams.dbn_header() + bytes(1 << 28))
    assert len(bomb) < 1 << 16
    with pytest.raises(FormatError, match="record 0"):
        inspect(streams.write(tmp_path / "bomb", bomb))
