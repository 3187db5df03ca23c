"""Each message is delayed as recorded ones were at that time, interpolated between two of them.

A recording is a file of Parquet or CSV with the columns ``req_ts, exch_ts, resp_ts``, int64 ns
since the epoch: when a request was sent, when the exchange had it, when word came back. As in
hftbacktest's ``IntpOrderLatency`` (docs/latency_models.rst): a request sent at t takes
exch_ts - req_ts, linear in t between the recorded req_ts before and after t; a response takes
resp_ts - exch_ts, linear between two exch_ts; before the first and after the last it is theirs.
Requests that the venue rejected (exch_ts of 0 or less there) are refused: leave them out.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from tapewire.compiled.memory import accessor
from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.models.definition import ModelDefinition
from tapewire.execution.models.latency.legs import (
    FEED,
    LATENCY_MAX_NS,
    LEGS,
    RESPONSE,
    Bounds,
    compute_ns,
    compute_us,
    delay_us,
    us_to_ns,
)

IntArray = npt.NDArray[np.int64]
COLUMNS: Final = ("req_ts", "exch_ts", "resp_ts")

STATE: Final = np.dtype(
    [
        ("times", "i8", (len(LEGS),)),  # addresses of ns since the epoch, ascending
        ("delays", "i8", (len(LEGS),)),  # addresses of ns
        ("added_ns", "i8", (len(LEGS),)),
        ("n", "i8"),
    ]
)
_word_at: Final = accessor(np.dtype([("ns", "i8")]), in_block=False)


def kernel(state: Any, leg: int, sent_ns: int, bits: int, load: int) -> Any:
    """The delay at a time, interpolated."""
    if leg == FEED:
        return state.added_ns[leg]
    times, delays = state.times[leg], state.delays[leg]
    first, last = 0, state.n  # of those after `sent_ns`, the first is in this interval
    while first < last:
        middle = (first + last) >> 1
        if _word_at(times, middle).ns <= sent_ns:
            first = middle + 1
        else:
            last = middle
    added_ns = state.added_ns[leg]
    if first == 0 or first == state.n:
        return added_ns + _word_at(delays, max(first - 1, 0)).ns
    t0, t1 = _word_at(times, first - 1).ns, _word_at(times, first).ns
    y0, y1 = _word_at(delays, first - 1).ns, _word_at(delays, first).ns
    return added_ns + y0 + int((y1 - y0) / (t1 - t0) * (sent_ns - t0))


class Recording(NamedTuple):
    """Times, ascending, and the delays recorded then, each (n,) int64 ns."""

    requests: tuple[IntArray, IntArray]
    responses: tuple[IntArray, IntArray]


def read_recording(path: Path) -> Recording:
    """Read and check a recording.

    Raises
    ------
    ValueError
        If it is none, with file and row.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise ValueError(f"{path}: can't be read: {error.strerror}") from None
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, changed_ns: int, size: int) -> Recording:
    # Slow to load, and of use here alone.
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    try:
        table = pa_csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        kind = "CSV" if path.suffix == ".csv" else "Parquet"
        text = " ".join(str(error).split())
        raise ValueError(f"{path}: expected {kind}, found what can't be read: {text}") from None
    found = []
    for name in COLUMNS:
        if name not in table.column_names:
            there = ", ".join(table.column_names)
            raise ValueError(f"{path}: expected columns {', '.join(COLUMNS)}, found {there}")
        column = table.column(name)
        if column.type != pa.int64() or column.null_count:
            raise ValueError(
                f"{path}: expected {name} of int64 (ns since the epoch) in every row, found "
                f"{column.type} with {column.null_count:,} rows empty"
            )
        found.append(column.to_numpy())
    requested, arrived, answered = found
    if requested.size == 0:
        raise ValueError(f"{path}: expected at least one row, found none")
    _check_rows(path, requested, arrived, answered)
    order = np.argsort(arrived, kind="stable")
    return Recording(
        (requested, arrived - requested), (arrived[order], (answered - arrived)[order])
    )


def _check_rows(path: Path, requested: IntArray, arrived: IntArray, answered: IntArray) -> None:
    earlier = np.concatenate([requested[:1], requested[:-1]])
    for wrong, expected, values in (
        (arrived <= 0, "exch_ts of a request the venue took (leave rejected ones out)", arrived),
        (requested < 0, "req_ts of at least 0", requested),
        (requested < earlier, "req_ts no earlier than in the row before", requested),
        (arrived < requested, "exch_ts no earlier than req_ts", arrived),
        (answered < arrived, "resp_ts no earlier than exch_ts", answered),
        (arrived - requested > LATENCY_MAX_NS, "exch_ts within 60 s of req_ts", arrived),
        (answered - arrived > LATENCY_MAX_NS, "resp_ts within 60 s of exch_ts", answered),
    ):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(f"{path}: row {row + 1}: expected {expected}, found {values[row]}")


def _recorded(parameters: Mapping[str, Any], leg: int) -> tuple[IntArray, IntArray]:
    recording = read_recording(Path(parameters["file"]))
    return recording.responses if leg >= RESPONSE else recording.requests


def _added_ns(parameters: Mapping[str, Any], leg: int) -> int:
    if leg == FEED:
        return us_to_ns(parameters["feed_latency_us"])
    return compute_ns(parameters, leg)


def bounds(parameters: Mapping[str, Any]) -> Bounds:
    """Smallest and largest delay of each leg, in ns."""
    found = []
    for leg in range(len(LEGS)):
        _, delays = _recorded(parameters, leg)
        low, high = (0, 0) if leg == FEED else (int(delays.min()), int(delays.max()))
        added = _added_ns(parameters, leg)
        found.append((low + added, high + added))
    return tuple(found)


def prepare(parameters: Mapping[str, Any], state: Any) -> list[tuple[IntArray, IntArray]]:
    """Write where the recording is into the state record; returns what must be kept with it."""
    kept = []
    for leg in range(len(LEGS)):
        times, delays = (np.ascontiguousarray(column) for column in _recorded(parameters, leg))
        kept.append((times, delays))
        state["times"][leg], state["delays"][leg] = times.ctypes.data, delays.ctypes.data
        state["added_ns"][leg] = _added_ns(parameters, leg)
        state["n"] = times.size
    return kept


RECORDED = ModelDefinition(
    family="latency",
    name="recorded",
    doc="recorded delays, interpolated in time",
    kernel=kernel,
    parameters={
        "file": ParameterSpec(Path, "Parquet or CSV with columns req_ts, exch_ts, resp_ts"),
        "feed_latency_us": delay_us("µs from the capture of market data to the strategy", 0),
        "compute_us": compute_us(),
    },
    state=STATE,
    prepare=prepare,
    bounds=bounds,
)
