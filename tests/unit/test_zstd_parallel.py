"""Frames that threads decompress give what a stream gives, and the same errors."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streams
from tapewire.errors import FormatError
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import zstd_parallel as module
from tapewire.replay.byte_sources import TruncatedFrame, ZstdBytes
from tapewire.replay.dbn import DbnFile
from tapewire.replay.zstd_parallel import FramesBytes, open_zstd


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE_BYTES_MIN", 2_000)
    monkeypatch.setattr(module, "_PIECE_BYTES_MAX", 8_000)
    monkeypatch.setattr(module, "_OUT_BYTES_MAX", 40_000)


def drained(source: Any, step: int) -> tuple[bytes, str]:
    """What a source gives, and how it ends: its hash and size, or its error."""
    out = bytearray(step)
    given = b""
    try:
        while count := source.readinto(memoryview(out)):
            given += out[:count]
        return given, f"{source.content_hash()} {source.disk_bytes}"
    except TruncatedFrame as cut:
        return given + bytes(out[: cut.filled]), f"cut at {cut.offset}, frame {cut.frame_offset}"
    except FormatError as error:
        return b"", str(error)
    finally:
        source.close()


def frames(*sizes: int) -> bytes:
    """Frames of bytes that compress to about a half, of so many bytes each."""
    content = os.urandom(max(sizes))
    return b"".join(
        streams.zstd_bytes(bytes(b & 0xF for b in content[:size]), checksum=i % 2 == 0)
        for i, size in enumerate(sizes)
    )


SKIPPABLE = b"\x50\x2a\x4d\x18\x05\x00\x00\x00hello"
MANY = frames(*[3_000] * 12)
FILES = {
    "many": MANY,
    "tiny ones between": frames(5_000, 1, 1, 1, 5_000, 1, 7_000, 3_000, 10),
    "one that is too large among them": frames(5_000, 5_000, 30_000, 5_000),
    "one of which too much comes out": MANY + streams.zstd_bytes(bytes(50_000)) + MANY,
    "skippable ones": SKIPPABLE + MANY + SKIPPABLE + MANY + SKIPPABLE,
    "cut in the last": MANY[:-700],
    "cut in the first piece": MANY[:2_500],
    "rubbish behind": MANY + b"no zstd frame begins like this" * 9,
    "damaged": MANY[:9_000] + bytes(400) + MANY[9_400:],
}


@pytest.mark.parametrize("step", [100, 4_096, 100_000])
@pytest.mark.parametrize("name", FILES)
def test_threads_and_stream_give_the_same(tmp_path: Path, name: str, step: int) -> None:
    path = streams.write(tmp_path / "x.zst", FILES[name])
    alone = drained(ZstdBytes(path, os.open(path, os.O_RDONLY)), step)
    source = open_zstd(path, os.open(path, os.O_RDONLY), len(FILES[name]), threads=3)
    assert isinstance(source, FramesBytes) or "first" in name
    threaded = drained(source, step)
    if "corrupt" in alone[1]:  # a stream may have read further before it met the damage
        assert "corrupt" in threaded[1]
    else:
        assert threaded == alone
    assert module._POOL.under_way == 0


def test_one_thread_or_one_frame_is_a_stream(tmp_path: Path) -> None:
    for content, threads in ((MANY, 1), (frames(7_000), 4)):
        path = streams.write(tmp_path / "x.zst", content)
        source = open_zstd(path, os.open(path, os.O_RDONLY), len(content), threads=threads)
        assert isinstance(source, ZstdBytes)
        source.close()


def test_closed_in_the_middle_it_leaves_nothing_under_way(tmp_path: Path) -> None:
    path = streams.write(tmp_path / "x.zst", MANY)
    source = open_zstd(path, os.open(path, os.O_RDONLY), len(MANY), threads=3)
    assert source.readinto(memoryview(bytearray(9_000))) == 9_000
    source.close()
    assert module._POOL.under_way == 0


def test_a_file_that_becomes_shorter_while_it_is_read_ends(tmp_path: Path) -> None:
    """The stream says that it is cut; nobody looks for its next frame again and again."""
    path = streams.write(tmp_path / "x.zst", MANY[:9_000])
    fd = os.open(path, os.O_RDONLY)
    assert module._piece_at(fd, 8_000, len(MANY)) is None
    os.close(fd)
    source = open_zstd(path, os.open(path, os.O_RDONLY), len(MANY), threads=3)
    given, said = drained(source, 4_096)
    assert given == drained(ZstdBytes(path, os.open(path, os.O_RDONLY)), 4_096)[0]
    assert said.startswith("cut at")


@pytest.mark.parametrize("left", [0, 5_000])
def test_a_file_that_is_cut_below_where_it_is_read_is_truncated(tmp_path: Path, left: int) -> None:
    """Behind its new end there is no frame that could be cut."""
    header, *parts = (streams.dbn_header(), *np.split(streams.make_records(20_000), 40))
    packed = [streams.zstd_bytes(b"".join((header, parts[0].tobytes())))]
    packed += [streams.zstd_bytes(part.tobytes()) for part in parts[1:]]
    path = streams.write(tmp_path / "x.dbn.zst", b"".join(packed))
    out = np.empty(600, MBO_DTYPE)
    for allow in (False, True):
        streams.write(tmp_path / "x.dbn.zst", b"".join(packed))
        with DbnFile(path, threads=3, allow_truncated=allow) as file:
            assert isinstance(file._bytes, FramesBytes)
            assert file.read_into(out) == 600
            os.truncate(path, left)
            try:
                while not file.at_end:
                    file.read_into(out)
                said = file.truncated
            except FormatError as error:
                assert not allow
                said = str(error)
            assert file.records_read < 20_000
            assert "it was truncated during the replay" in said
