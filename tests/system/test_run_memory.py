"""Memory follows what is live, not how long the file is."""

from pathlib import Path

import yaml

from tapewire.bench.runs import run_once
from tapewire.replay.synth import synthesize

SHORT_EVENTS = 4_000_000
LONG_EVENTS = 10_000_000
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


def test_peak_memory_is_flat_in_the_length_of_the_file(tmp_path: Path) -> None:
    short, long = (peak_of(tmp_path, events) for events in (SHORT_EVENTS, LONG_EVENTS))
    # The longer file is 336 MB bigger: kept records would show.
    assert long - short < GROWTH_MAX_BYTES, f"{short:,} → {long:,} bytes"
