"""DBN files: which open, which are refused, and with which sentence."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import databento_dbn
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

import streams
from tapewire.errors import FormatError, InputError, MissingFileError
from tapewire.inputs.inspection import inspect_file
from tapewire.replay import read_records
from tapewire.replay.dbn import inspect
from tapewire.replay.zstd_frames import FrameWalker
from tapewire.wire import SymbolMapping

RECORDS = streams.make_records(5)


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
        (streams.dbn_header(schema=None), "expected MBO records, found none: it has no records"),
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


@pytest.mark.parametrize("pack", [bytes, streams.zstd_bytes], ids=["plain", "zstd"])
def test_every_action_byte_is_known_or_named(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    records = streams.make_records(1_500)
    path, header = tmp_path / "x.dbn", streams.dbn_header()
    for action in range(256):
        for at in (0, 1_234):
            records["action"] = ord("A")
            records["action"][at] = action
            streams.write(path, pack(header + records.tobytes()))
            for read in (read_records, partial(read_records, publishers=(1,)), inspect_file):
                if action in b"ACMRTFN":
                    read(str(path))
                    continue
                with pytest.raises(FormatError) as caught:
                    read(str(path))
                assert f"record {at} at byte offset {len(header) + at * 56}" in str(caught.value)
                assert f"expected an action of A, C, F, M, N, R, T, found {bytes([action])!r}" in (
                    str(caught.value)
                )


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


def with_counts(version: int, **counts: int) -> bytes:
    """A header of two symbols and one mapping with one interval, whose counts lie."""
    header = bytearray(streams.dbn_header({"A": [(7, 0, 1)]}, version=version))
    symbol = 22 if version == 1 else 71
    at = {"schema": 108, "symbols": 112}
    at["partial"] = at["symbols"] + 4 + symbol
    at["not_found"] = at["partial"] + 4
    at["mappings"] = at["not_found"] + 4
    at["intervals"] = at["mappings"] + 4 + symbol
    for name, count in counts.items():
        header[at[name] : at[name] + 4] = count.to_bytes(4, "little")
    return bytes(header)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("pack", [bytes, streams.zstd_bytes], ids=["plain", "zstd"])
@pytest.mark.parametrize(
    "name", ["schema", "symbols", "partial", "not_found", "mappings", "intervals"]
)
def test_claimed_counts_are_checked_before_they_are_believed(
    tmp_path: Path,
    version: int,
    pack: Callable[[bytes], bytes],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded: list[bytes] = []
    real = databento_dbn.Metadata.decode
    watched = SimpleNamespace(decode=lambda header: decoded.append(header) or real(header))
    monkeypatch.setattr("tapewire.replay.dbn_refusals.Metadata", watched)
    path = tmp_path / "x"
    inspect(streams.write(path, pack(with_counts(version))))
    assert len(decoded) == 1
    for claim in (7_600_000, 2**32 - 1):
        data = with_counts(version, **{name: claim}) + RECORDS.tobytes()
        with pytest.raises(FormatError, match=rf"corrupt: at byte offset \d+ it claims {claim} "):
            inspect(streams.write(path, pack(data)))
    assert len(decoded) == 1


@pytest.mark.parametrize("symbol_bytes", [0, 1, 21, 256, 65_535])
def test_symbols_of_no_or_absurd_length_are_refused(tmp_path: Path, symbol_bytes: int) -> None:
    header = bytearray(streams.dbn_header())
    header[53:55] = symbol_bytes.to_bytes(2, "little")
    message = f"expected symbols of 22 to 255 bytes, found {symbol_bytes}"
    with pytest.raises(FormatError, match=message):
        inspect(streams.write(tmp_path / "x", bytes(header)))


def test_eleven_thousand_mappings_are_an_ordinary_header(tmp_path: Path) -> None:
    mappings = {f"OPT {n:05}": [(n, 0, 1), (n + 20_000, 1, 2)] for n in range(11_000)}
    data = streams.dbn_bytes(RECORDS, mappings=mappings)
    for pack in (bytes, streams.zstd_bytes):
        assert len(inspect(streams.write(tmp_path / "x", pack(data))).mappings) == 22_000


def test_a_header_that_swells_out_of_a_small_file_is_refused(tmp_path: Path) -> None:
    claim = (64 << 20).to_bytes(4, "little")
    path = streams.write(
        tmp_path / "x", zstandard.ZstdCompressor(1).compress(b"DBN\x03" + claim + bytes(64 << 20))
    )
    with pytest.raises(FormatError, match="claims 67108864 bytes; at most 16777216 are allowed"):
        inspect(path)


EMPTY_FRAMES = {
    "frame": streams.zstd_bytes(b"", checksum=False),
    "skippable frame": b"\x50\x2a\x4d\x18\0\0\0\0",
}


@pytest.mark.parametrize("empty", EMPTY_FRAMES.values(), ids=list(EMPTY_FRAMES))
@pytest.mark.parametrize("place", ["before", "behind"])
def test_endless_empty_frames_are_refused(
    tmp_path: Path, empty: bytes, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.replay.byte_sources.HEADERS_SPARE", 2_000)
    whole = streams.zstd_bytes(streams.dbn_bytes(RECORDS))
    few, many = empty * 900, empty * 3_000
    for frames, refused in ((few, False), (many, True)):
        data = frames + whole if place == "before" else whole + frames
        path = streams.write(tmp_path / "x.dbn.zst", data)
        if refused:
            with pytest.raises(FormatError, match=r"found 20\d\d of them before byte offset"):
                read_records(path)
        else:
            assert len(read_records(path)[1]) == len(RECORDS)


def test_empty_blocks_are_refused_like_empty_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.replay.byte_sources.HEADERS_SPARE", 2_000)
    frame = b"\x28\xb5\x2f\xfd\x00\x58" + bytes(3) * 3_000 + b"\x01\0\0"
    path = streams.write(tmp_path / "x", frame + streams.zstd_bytes(streams.dbn_bytes(RECORDS)))
    with pytest.raises(FormatError, match="found 2001 of them before byte offset"):
        inspect(path)


def test_many_small_frames_that_hold_records_are_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.replay.byte_sources.HEADERS_SPARE", 2_000)
    records = streams.make_records(3_000)
    frames = b"".join(streams.zstd_bytes(record.tobytes()) for record in records)
    path = streams.write(tmp_path / "x", streams.zstd_bytes(streams.dbn_header()) + frames)
    monkeypatch.setattr("tapewire.replay.byte_sources._READ_BYTES", 1 << 14)
    assert read_records(path)[1].tobytes() == records.tobytes()


def test_a_bomb_is_refused_at_its_first_record(tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor(level=1).compress(streams.dbn_header() + bytes(1 << 28))
    assert len(bomb) < 1 << 16
    with pytest.raises(FormatError, match="record 0"):
        inspect(streams.write(tmp_path / "bomb", bomb))
