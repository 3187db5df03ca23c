"""Bytes in blocks past the page cache, and compressed by threads: all of them, the same always."""

import errno
import fcntl
import io
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

from tapewire.replay import packing
from tapewire.replay.packing import BlockWriter, packed

_BLOCK = 8_192
_MB = 1 << 20


class _Failing(io.FileIO):
    """Raises errors first, then writes less than was given, which ends at no page."""

    def __init__(self, path: Path, *errors: int) -> None:
        super().__init__(path, "w")
        self._errors = list(errors)

    def write(self, data: Any, /) -> int:
        if self._errors:
            raise OSError(self._errors.pop(), "as was asked for")
        return int(super().write(data[:5_000]))


def _written(path: Path, pieces: list[bytes], head: bytes = b"", errors: Any = None) -> bytes:
    opened = path.open("wb", buffering=0) if errors is None else _Failing(path, *errors)
    with opened as file:
        if head:
            file.write(head)
        with BlockWriter(file, past_cache=True, block_bytes=_BLOCK) as blocks:  # type: ignore[arg-type]
            for piece in pieces:
                assert blocks.write(memoryview(piece)) == len(piece)
        assert file.tell() == len(head) + sum(map(len, pieces))
        assert not fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT
    return path.read_bytes()


@pytest.mark.parametrize("size", [0, 1, _BLOCK - 1, _BLOCK, _BLOCK + 1, 12 * _BLOCK, 100_001])
@pytest.mark.parametrize("step", [1_000, _BLOCK, 50_000])
def test_all_bytes_are_in_the_file_in_order(tmp_path: Path, size: int, step: int) -> None:
    data = np.random.default_rng(size).bytes(size)
    pieces = [data[at : at + step] for at in range(0, size, step)]
    assert _written(tmp_path / "a", pieces) == data
    assert _written(tmp_path / "b", pieces, b"head") == b"head" + data
    assert not [t for t in threading.enumerate() if t.name.startswith("tapewire-write")]


def _refusing(real: Callable[..., Any]) -> Callable[..., Any]:
    def call(fd: int, command: int, flags: int = 0) -> Any:
        if command == fcntl.F_SETFL and flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "no such way")
        return real(fd, command, flags)

    return call


def test_where_the_way_past_the_cache_is_refused_the_bytes_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = np.random.default_rng(1).bytes(5 * _BLOCK + 3)
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "fcntl", _refusing(fcntl.fcntl))
        assert _written(tmp_path / "at-once", [data]) == data
    tried: list[int] = []
    real = fcntl.fcntl

    def noted(fd: int, command: int, flags: int = 0) -> Any:
        if command == fcntl.F_SETFL:
            tried.append(flags & os.O_DIRECT)
            return 0 if flags & os.O_DIRECT else real(fd, command, flags)
        return real(fd, command, flags)

    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "fcntl", noted)
        got = _written(tmp_path / "later", [data], errors=[errno.EINVAL])
    assert got == data
    assert tried == [os.O_DIRECT, 0]


def test_a_full_disk_reaches_the_caller(tmp_path: Path) -> None:
    for size in (100, 20 * _BLOCK):
        with pytest.raises(OSError, match="as was asked for"):
            _written(tmp_path / "a", [bytes(size)], errors=[errno.ENOSPC])


def test_nothing_more_is_written_where_the_caller_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with (
            (tmp_path / "a").open("wb", buffering=0) as file,
            BlockWriter(file, past_cache=True) as blocks,
        ):
            blocks.write(memoryview(b"abc"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (tmp_path / "a").read_bytes() == b""


def test_a_frame_is_the_same_however_many_threads_make_it_and_in_whatever_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(2)
    data = (rng.integers(0, 50, 5 * _MB) ** 2 >> 4).astype(np.uint8).tobytes()
    frames = set()
    for threads, step in ((1, _MB), (2, 70_001), (3, len(data))):
        monkeypatch.setattr(packing, "cores", lambda n=threads: n)
        out = io.BytesIO()
        with packed(out, 1, window_log=17) as sink:  # type: ignore[arg-type]
            for at in range(0, len(data), step):
                sink.write(memoryview(data)[at : at + step])
        frames.add(out.getvalue())
    (frame,) = frames
    reader = zstandard.ZstdDecompressor().decompressobj()
    assert reader.decompress(frame) == data
    assert reader.eof
    assert reader.unused_data == b""
    assert zstandard.get_frame_parameters(frame).has_checksum
