"""Damaged files: never a shorter result presented as whole."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import streams
from tapewire.errors import FormatError, MissingFileError
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import ReplayPlan, open_source, read_records

RECORDS = streams.make_records(3)
HEADER_BYTES = len(streams.dbn_header())


def test_a_plain_file_truncated_at_every_byte(tmp_path: Path) -> None:
    whole = streams.dbn_bytes(RECORDS)
    path = tmp_path / "x.dbn"
    for size in range(len(whole)):
        streams.write(path, whole[:size])
        good, rest = divmod(size - HEADER_BYTES, 56)
        if size >= HEADER_BYTES and not rest:
            # A file cut between records can't be told from a whole one: DBN has no trailer.
            assert len(read_records(str(path))[1]) == good
            continue
        with pytest.raises(FormatError) as caught:
            read_records(str(path))
        if size > HEADER_BYTES:
            offset = HEADER_BYTES + good * 56
            assert f"ends inside record {good} at byte offset {offset}" in str(caught.value)
            assert f"after {good} good records" in str(caught.value)


@pytest.mark.parametrize("checksum", [False, True])
def test_a_compressed_file_truncated_at_every_byte(tmp_path: Path, checksum: bool) -> None:
    records = streams.make_records(300)
    half = streams.zstd_bytes(streams.dbn_bytes(records), checksum=checksum)
    whole = half + streams.zstd_bytes(streams.make_records(40).tobytes(), checksum=checksum)
    path = tmp_path / "x.dbn.zst"
    for size in range(len(whole)):
        streams.write(path, whole[:size])
        if size == len(half):  # ends between two frames: a whole file of its own
            assert len(read_records(str(path))[1]) == len(records)
            continue
        with pytest.raises(FormatError):
            read_records(str(path))
    streams.write(path, whole[:-1])
    with pytest.raises(FormatError, match=rf"byte offset {len(whole) - 1}.* good records"):
        read_records(str(path))


def test_a_truncated_compressed_file_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    whole = streams.zstd_bytes(streams.dbn_bytes(streams.make_records(200_000)))
    path = streams.write(tmp_path / "x.dbn.zst", whole[: len(whole) * 9 // 10])
    with pytest.raises(FormatError, match="truncated") as caught:
        open_source(ReplayPlan((path,)))
    assert f"ends at byte offset {len(whole) * 9 // 10}" in str(caught.value)


@pytest.mark.parametrize("position", [0.3, 0.6, 0.95])
def test_corrupt_compressed_bytes_are_named(tmp_path: Path, position: float) -> None:
    rng = np.random.default_rng(3)
    records = streams.make_records(50_000)
    records["order_id"] = rng.integers(0, 2**60, len(records))
    sent = bytearray(streams.zstd_bytes(streams.dbn_bytes(records)))
    sent[int(len(sent) * position)] ^= 0x55
    path = streams.write(tmp_path / "x.dbn.zst", bytes(sent))
    with pytest.raises(FormatError, match=r"corrupt|expected an MBO") as caught:
        read_records(path)
    assert "byte offset" in str(caught.value)


@pytest.mark.parametrize("pack", [bytes, streams.zstd_bytes], ids=["plain", "zstd"])
def test_a_file_that_shrinks_during_the_replay(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    records = streams.make_records(200_000)
    records["order_id"] = np.random.default_rng(3).integers(0, 2**60, len(records))
    data = pack(streams.dbn_bytes(records))
    path = streams.write(tmp_path / "x", data)
    out = np.empty(2_048, MBO_DTYPE)
    with open_source(ReplayPlan((path,))) as source:
        assert source.fill(out) == 2_048
        with (tmp_path / "x").open("r+b") as file:
            file.truncate(HEADER_BYTES + 100_000 * 56 if pack is bytes else len(data) // 2)
        with pytest.raises(FormatError, match="truncated"):
            list(iter(lambda: source.fill(out), 0))


def test_a_file_that_vanishes_before_it_is_due(tmp_path: Path) -> None:
    early = streams.write(tmp_path / "a", streams.dbn_bytes(streams.make_records(3)))
    late_records = streams.make_records(3, ts_recv=[streams.START_NS + 10**12] * 3)
    late = streams.write(tmp_path / "b", streams.dbn_bytes(late_records))
    with open_source(ReplayPlan((early, late))) as source:
        (tmp_path / "b").unlink()
        with pytest.raises(MissingFileError, match="no such file"):
            source.fill(np.empty(100, MBO_DTYPE))
