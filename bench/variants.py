"""A sweep in one pass: many market makers that differ, over the first part of the session."""

from collections.abc import Callable, Iterator
from typing import Final

from tapewire.bench.measure import Row, Scale, timed
from tapewire.bench.stages import LOOP_NOTE, whole_loop
from tapewire.bench.workload import LoadedSession, make_simulation

#: Records of this part: with a thousand variants each of them is a thousand decisions.
PART_RECORDS: Final = 250_000
PART_RECORDS_QUICK: Final = 100_000
COUNTS: Final = (1, 10, 100, 1_000)
COUNTS_QUICK: Final = (1, 10, 100)
#: From so many variants on there are at most ``MANY_RUNS`` runs.
MANY: Final = 1_000
MANY_RUNS: Final = 3


def variant_parameters(k: int) -> dict[str, int]:
    """Parameters of the ``k``-th variant; the first has the defaults, no two have the same."""
    return {"quantity": 1 + k % 10, "max_inventory": 10 * (1 + k // 10)}


def variant_rows(work: LoadedSession, scale: Scale) -> Iterator[Row]:
    """One, ten, a hundred and, not in the short bench, a thousand over the same part."""
    part = work.records[: PART_RECORDS_QUICK if scale.quick else PART_RECORDS]

    def variants(count: int) -> Callable[[], Callable[[], None]]:
        names = ("market_maker",) * count
        parameters = [variant_parameters(k) for k in range(count)]
        return lambda: whole_loop(make_simulation(work, names, parameters), part)

    for count in COUNTS_QUICK if scale.quick else COUNTS:
        name = f"{count:,} variant{'s' if count > 1 else ''}, one pass"
        runs = min(scale.runs, MANY_RUNS) if count >= MANY else scale.runs
        yield timed("variants", name, part.size, variants(count), runs=runs,
                    note=f"{LOOP_NOTE}; quantity 1 to 10, max_inventory 10 to 1,000")  # fmt: skip
