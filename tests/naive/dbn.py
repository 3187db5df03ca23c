"""The shortest reader of a DBN file of MBO records, independent of the replay room."""

from pathlib import Path

import numpy as np
import zstandard

from tapewire.market.records import MBO_DTYPE


def read_mbo(path: Path) -> np.ndarray:
    """All records of a ``.dbn`` or ``.dbn.zst`` file that holds nothing but MBO records."""
    with path.open("rb") as file:
        if path.suffix == ".zst":
            raw = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()
        else:
            raw = file.read()
    assert raw[:3] == b"DBN", path
    start = 8 + int.from_bytes(raw[4:8], "little")
    records = np.frombuffer(raw, MBO_DTYPE, offset=start)
    assert (records["rtype"] == 0xA0).all(), path
    return records
