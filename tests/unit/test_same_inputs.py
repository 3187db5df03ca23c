"""Inputs of a manifest against the files that are there."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import xxhash

from tapewire.analytics import Run
from tapewire.errors import FormatError, MissingFileError
from tapewire.runs.same_inputs import check_inputs

DATA = b"rates"


def run_with(folder: Path, **facts: Any) -> Run:
    one = {"file": str(folder / "rates.csv"), "bytes": len(DATA), **facts}
    return Run(folder, {"status": "complete", "inputs": [one]}, False)


@pytest.mark.parametrize(
    "facts",
    [
        {"xxh3_128": xxhash.xxh3_128(DATA).hexdigest()},
        {"sha256": hashlib.sha256(DATA).hexdigest()},  # rates, recorded latencies
    ],
)
def test_a_file_is_known_by_either_hash(facts: dict[str, str], tmp_path: Path) -> None:
    run = run_with(tmp_path, **facts)
    with pytest.raises(MissingFileError, match=r"rates\.csv"):
        check_inputs(run)
    (tmp_path / "rates.csv").write_bytes(DATA)
    assert check_inputs(run) == ""
    (tmp_path / "rates.csv").write_bytes(b"Rates")
    with pytest.raises(FormatError, match=next(iter(facts))):
        check_inputs(run)
    (tmp_path / "rates.csv").write_bytes(DATA + b"\n")
    with pytest.raises(FormatError, match="with 5 bytes"):
        check_inputs(run)


def test_without_hashes_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_bytes(b"Rates")
    assert "no hashes" in check_inputs(run_with(tmp_path, xxh3_128=None))
