"""From typing ``tapewire run`` to the first event, with kernels to compile and without."""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.processes import run_child
from tapewire.bench.runs import run_config
from tapewire.bench.workload import LoadedSession, Workload
from tapewire.children import module_command

#: Records of the session; only the first ones matter.
START_RECORDS: Final = 20_000
#: Small, so that the first batch is hardly later than the first event.
START_BATCH_RECORDS: Final = 64


@dataclass(frozen=True)
class _Start:
    """One run, as far as its start goes; seconds since the command."""

    first_s: float
    kernels_s: float
    end_s: float


def start_rows(folder: Path, scale: Scale) -> Iterator[Row]:
    """Start-up of real runs: warm several times, cold once.

    Parameters
    ----------
    folder : Path
        Where the small session goes.
    scale : Scale
        The short bench has no cold start.

    Yields
    ------
    Row
        Group ``start``; its times are seconds to the first event.
    """
    place = folder / "start"
    place.mkdir()
    work = Workload(place, START_RECORDS, scale.seed)
    with run_config(work, work.raw, {"batch_records": START_BATCH_RECORDS}) as config:
        _start(config)
        warm = [_start(config) for _ in range(scale.runs)]
        yield _row("warm start", work, warm, "kernels loaded from their cache")
        if scale.quick:
            return
        with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as cache:
            cold = _start(config, {"TAPEWIRE_CACHE_DIR": cache})
        yield _row("cold start", work, [cold], "kernel cache empty: everything is compiled")


def _row(name: str, work: LoadedSession, starts: list[_Start], note: str) -> Row:
    figures = {
        "kernels_s": round(statistics.median(start.kernels_s for start in starts), 2),
        "whole_run_s": round(statistics.median(start.end_s for start in starts), 2),
    }
    return row_of("start", name, work.events, [start.first_s for start in starts], note, figures)


def _start(config: Path, more: Mapping[str, str] | None = None) -> _Start:
    with tempfile.TemporaryDirectory(prefix="tapewire-bench-") as folder:
        command = [*module_command("tapewire.bench._watched_run"), "run", str(config)]
        command += ["-o", str(Path(folder) / "run"), "--quiet"]
        began_s = time.monotonic()  # one clock for all processes of this host
        said = run_child(command, env={**os.environ, **(more or {})})
        end_s = time.monotonic() - began_s
    seen = json.loads(said.splitlines()[-1])
    return _Start(seen["first_s"] - began_s, seen["kernels_s"], end_s)
