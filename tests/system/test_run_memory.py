"""Memory follows what is live, not how long the file is."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tapewire.bench.crowds import Crowd
from tapewire.bench.growth import ORDERS_PER_BOOK
from tapewire.bench.runs import run_once
from tapewire.replay.synth import synthesize

#: Between these two only the buffers of the tables may still fill up, to a bound of their own: row
#: groups of fills, orders and markouts, as rows and as columns.
GROWTH_MAX_BYTES = 120_000_000


def peak_of(folder: Path, events: int) -> int:
    data = folder / f"{events}.dbn"
    synthesize(data, events=events, seed=3)
    config = folder / f"{events}.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "backtest": {"data_source": {"type": "databento", "files": [data.name]}},
                "strategy": {"type": "market_maker"},
            }
        )
    )
    manifest, _, peak_bytes = run_once(config)
    data.unlink()
    assert manifest["events"] == events
    return peak_bytes


@pytest.mark.long
@pytest.mark.parametrize(
    "millions", [(3, 6), pytest.param((4, 10), marks=pytest.mark.long)], ids=str
)
def test_peak_memory_is_flat_in_the_length_of_the_file(
    tmp_path: Path, millions: tuple[int, int]
) -> None:
    short, long = (peak_of(tmp_path, events * 1_000_000) for events in millions)
    # The longer file is 168 MB bigger, or 336: kept records would show.
    assert long - short < GROWTH_MAX_BYTES, f"{short:,} → {long:,} bytes"


def peaks_of(root: int) -> dict[int, int]:
    """Peak resident memory of a process and of all that it started, bytes."""
    parents, peaks = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "status").read_text()
            parents[int(entry.name)] = int(status.split("PPid:")[1].split()[0])
            peaks[int(entry.name)] = int(status.split("VmHWM:")[1].split()[0]) * 1024
        except (OSError, IndexError):  # it has ended
            continue
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return {process: peaks[process] for process in found if process in peaks}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_eleven_thousand_instruments_take_less_than_two_gigabytes(tmp_path: Path) -> None:
    """The peaks of all processes of a run together; what they share counts for each of them."""
    data, output = tmp_path / "venue.dbn", tmp_path / "run"
    books = 11_000
    Crowd(books, books * ORDERS_PER_BOOK, seed=3, activity="zipf").write(data, 2_000_000)
    command = [sys.executable, "-m", "tapewire", "run", data, "-s", "market_maker"]
    peaks: dict[int, int] = {}
    with subprocess.Popen([*command, "-o", output], stderr=subprocess.DEVNULL) as run:
        while run.poll() is None:
            for process, peak in peaks_of(run.pid).items():
                peaks[process] = max(peak, peaks.get(process, 0))
            time.sleep(0.02)
    assert run.returncode == 0
    manifest = yaml.safe_load((output / "manifest.json").read_text())
    assert manifest["events"] > 2_000_000
    assert sorted(peaks.values())[-2] > 30_000_000  # the replay has a process of its own
    total = sum(peaks.values())
    print(f"{total / 1e6:.0f} MB: {sorted(peaks.values())}")
    assert 200_000_000 < total < 2_000_000_000
