"""Studies: `tapewire sweep` over many variants, by workers, beside one run of the same records."""

import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tapewire.bench.measure import Row, Scale, row_of
from tapewire.bench.processes import Cost, cost_of
from tapewire.bench.runs import run_config
from tapewire.bench.variants import variant_parameters
from tapewire.bench.workload import LoadedSession, head_file
from tapewire.executors import usable_cores
from tapewire.studies.planning import PASS_TRIALS_MAX

GROUP: Final = "studies"
#: Records of this part of the session.
PART_RECORDS: Final = 1_000_000
PART_RECORDS_QUICK: Final = 100_000
#: Variants of the row that others are compared to; of a small one; of a large one.
VARIANTS: Final = 100
FEW: Final = 10
MANY: Final = 1_000
RUNS_MAX: Final = 3


def study_rows(work: LoadedSession, scale: Scale, folder: Path) -> Iterator[Row]:
    """One run, and studies of 10, 100 and, not in the short bench, 1,000 market makers.

    Yields
    ------
    Row
        Seconds are those of the whole command, records those of all variants together. Figures:
        ``cpu_s``, processor time of all processes; ``peak_mb`` of the largest of them;
        ``mb_per_variant``, what each more of one pass adds to it; ``scaling``, time on one core
        over that on all and their number; ``times_100``, time by variant over that of the
        study of a hundred. One worker alone has its replay, and a thread of its own for rows, on
        other cores: held against it, more workers would have to do what it does with more than
        one core.
    """
    path = folder / "studies-part.dbn"
    records = head_file(work, part_records(work.events), path)
    cores = usable_cores()
    runs = min(scale.runs, RUNS_MAX)

    def row(name: str, count: int, costs: Sequence[Cost], **more: float) -> Row:
        figures = {
            "cpu_s": round(statistics.median(cost.cpu_s for cost in costs), 2),
            "peak_mb": round(max(cost.peak_mb for cost in costs)),
            **more,
        }
        seconds = [cost.wall_s for cost in costs]
        return row_of(GROUP, name, records * count, seconds, "", figures)

    one = [_run(work, path) for _ in range(runs + 1)]
    yield row("one run", 1, one[1:])
    few = [_study(work, path, FEW, 1) for _ in range(runs)]
    yield row(f"{FEW} variants, 1 worker", FEW, few)
    # One pass like that of the few: what a worker keeps between two is no variant's.
    one_pass = PASS_TRIALS_MAX // FEW * FEW  # a whole grid
    whole = [_study(work, path, one_pass, 1) for _ in range(runs)]
    more_mb = max(c.peak_mb for c in whole) - max(c.peak_mb for c in few)
    yield row(f"{one_pass} variants, 1 worker", one_pass, whole,
              mb_per_variant=round(more_mb / (one_pass - FEW), 2))  # fmt: skip
    # By turns, so that a machine that wanders does so for all.
    turns = [(_study(work, path, VARIANTS, 1), _on_one_core(work, path, VARIANTS),
              _study(work, path, VARIANTS, cores)) for _ in range(runs)]  # fmt: skip
    alone, on_one, together = ([turn[k] for turn in turns] for k in range(3))
    yield row(f"{VARIANTS} variants, 1 worker", VARIANTS, alone)
    yield row(f"{VARIANTS} variants, one core", VARIANTS, on_one)
    took_one, took = (statistics.median(c.wall_s for c in costs) for costs in (on_one, together))
    yield row(f"{VARIANTS} variants, all cores", VARIANTS, together,
              scaling=round(took_one / took / cores, 3))  # fmt: skip
    if not scale.quick:
        many = [_study(work, path, MANY, cores)]
        yield row(f"{MANY:,} variants, all cores", MANY, many,
                  times_100=round(many[0].wall_s / MANY / (took / VARIANTS), 3))  # fmt: skip


def part_records(events: int) -> int:
    """Return how many records of a session of so many are taken."""
    return PART_RECORDS if events >= 5 * PART_RECORDS else PART_RECORDS_QUICK


def _run(work: LoadedSession, path: Path) -> Cost:
    with run_config(work, path) as config, tempfile.TemporaryDirectory() as out:
        return cost_of("run", str(config), "-o", str(Path(out) / "run"))


def _on_one_core(work: LoadedSession, path: Path, count: int) -> Cost:
    """Do a study whose processes have one core together."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        return _study(work, path, count, 1)
    finally:
        os.sched_setaffinity(0, before)


def _study(work: LoadedSession, path: Path, count: int, workers: int) -> Cost:
    """Do a study of so many market makers, those of `variant_parameters`."""
    axes: dict[str, list[int]] = {}
    for k in range(count):
        for name, value in variant_parameters(k).items():
            axes.setdefault(name, [])
            axes[name] += [value] * (value not in axes[name])
    vary = [f"--vary={name}={','.join(map(str, values))}" for name, values in axes.items()]
    with run_config(work, path) as config, tempfile.TemporaryDirectory() as out:
        study = Path(out) / "study"
        cost = cost_of(
            "sweep", str(config), *vary, "--workers", str(workers), "-q", "-o", str(study)
        )
        manifest: dict[str, Any] = json.loads((study / "manifest.json").read_text())
        assert manifest["trials"] == count, manifest["trials"]
    return cost
