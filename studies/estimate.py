"""What a study would take: passes, bytes, memory and hours, from rates that were measured or said.

A record costs a core so much where one trial is told of it (reading, the book, the trial), and a
little for each further trial of the pass. Passes are packed as they would be; a cluster is done
when its last round of passes is.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import zstandard

from tapewire.config.schema import SyntheticSource
from tapewire.errors import FormatError, MissingFileError
from tapewire.studies.base import PlannedTrial
from tapewire.studies.contents import placed_files
from tapewire.studies.planning import packed

#: Bytes of an MBO record in a file that is not compressed.
RECORD_BYTES: Final = 56
#: Of a compressed file so much of its content tells how well the rest is compressed.
_SAMPLE_BYTES: Final = 32 << 20
_HOUR_S: Final = 3600.0


@dataclass(frozen=True)
class Rates:
    """What a core of a host does.

    Attributes
    ----------
    first_s, more_s
        Of a record: for the first trial of a pass, for each further one.
    start_s, trial_s
        Before the first record of a pass and behind its last: with one trial, and what each further
        one adds.
    ends
        Whether what is behind the last record was measured.
    memory_bytes, trial_bytes
        Of a process with one trial, and what each further one adds; None: not measured.
    source
        ``measured`` or ``said``.
    """

    first_s: float
    more_s: float
    start_s: float = 0.0
    trial_s: float = 0.0
    ends: bool = True
    memory_bytes: int | None = None
    trial_bytes: int | None = None
    source: str = "measured"

    @classmethod
    def said(cls, records_per_s: float) -> "Rates":
        """So many records a second, each for one trial, whichever of its pass it is."""
        return cls(1 / records_per_s, 1 / records_per_s, source="said")

    def pass_s(self, records: int, trials: int) -> float:
        """Return what a core takes for a pass."""
        more = trials - 1
        return (
            self.start_s + more * self.trial_s + records * (self.first_s + more * self.more_s)
        )  # fmt: skip


@dataclass(frozen=True)
class Size:
    """How large a study is, and who would do it.

    Attributes
    ----------
    days, symbols
        The data stand for one of so many days, and of so many instruments, alike.
    nodes, cores
        Hosts, and cores of each.
    """

    days: int = 1
    symbols: int = 1
    nodes: int = 1
    cores: int = 1

    @property
    def times(self) -> int:
        """How often the data are there."""
        return self.days * self.symbols

    @property
    def workers(self) -> int:
        """Passes at a time."""
        return self.nodes * self.cores


@dataclass(frozen=True)
class Estimate:
    """What a study would take.

    Attributes
    ----------
    trials
        Combinations.
    passes, trials_of_pass
        Runs over data, and the most trials of one.
    records, bytes_read
        Over all passes.
    memory_bytes, node_bytes
        Of one process, and of all of a node; None: not measured.
    core_hours, hours
        Of all passes, and until the last round of them is done.
    node_bytes_per_s
        What a node reads meanwhile.
    """

    trials: int
    passes: int
    trials_of_pass: int
    records: int
    bytes_read: int
    memory_bytes: int | None
    node_bytes: int | None
    core_hours: float
    hours: float
    node_bytes_per_s: float
    rates: Rates
    size: Size

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


def estimate(groups: Sequence[tuple[int, int, int]], rates: Rates, size: Size) -> Estimate:
    """Return what a study would take.

    Parameters
    ----------
    groups
        Of trials that may share a pass: how many, records and bytes of their data.
    rates
        Of a core.
    size
        Of the study and the cluster.
    """
    passes = longest = records = bytes_read = 0
    core_s = 0.0
    for members, its_records, its_bytes in groups:
        parts = packed(members, len(groups) * size.times, size.workers)
        longest = max(longest, *parts)
        passes += len(parts) * size.times
        records += its_records * len(parts) * size.times
        bytes_read += its_bytes * len(parts) * size.times
        core_s += sum(rates.pass_s(its_records, part) for part in parts) * size.times
    rounds = math.ceil(passes / size.workers)
    wall_s = rounds * core_s / passes
    memory = None
    if rates.memory_bytes is not None:
        memory = rates.memory_bytes + (longest - 1) * (rates.trial_bytes or 0)
    return Estimate(
        trials=sum(members for members, _, _ in groups),
        passes=passes,
        trials_of_pass=longest,
        records=records,
        bytes_read=bytes_read,
        memory_bytes=memory,
        node_bytes=None if memory is None else memory * size.cores,
        core_hours=core_s / _HOUR_S,
        hours=wall_s / _HOUR_S,
        node_bytes_per_s=bytes_read / size.nodes / wall_s if wall_s else 0.0,
        rates=rates,
        size=size,
    )


def groups_of(planned: Sequence[PlannedTrial]) -> list[list[PlannedTrial]]:
    """Return trials by what they have to share to be run over one pass."""
    groups: dict[str, list[PlannedTrial]] = {}
    for one in planned:
        groups.setdefault(one.group, []).append(one)
    return list(groups.values())


def data_of(planned: PlannedTrial) -> tuple[int, int]:
    """Return records and bytes of the files that a pass of a trial reads; records are estimated.

    A synthetic session has no files: it is made, or found in the cache.

    Raises
    ------
    MissingFileError, FormatError
        If a file can't be read, or is not what its name says.
    """
    source = planned.config.backtest.data_source
    if isinstance(source, SyntheticSource):
        return source.events, 0
    _, files = placed_files(planned.config.to_dict())
    total = sum(path.stat().st_size for path in files)
    records = 0
    for name in source.files:
        try:
            records += _records_in(Path(name))
        except OSError as error:
            raise MissingFileError(f"{name}: can't be read: {error.strerror}") from None
        except zstandard.ZstdError as error:
            raise FormatError(f"{name}: expected Zstandard, found {error}") from None
    return records, total


def _records_in(path: Path) -> int:
    size = path.stat().st_size
    if path.suffix != ".zst":
        return size // RECORD_BYTES
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        content = 0
        while content < _SAMPLE_BYTES and (chunk := reader.read(1 << 20)):
            content += len(chunk)
        return int(content * (size / max(1, file.tell()))) // RECORD_BYTES


def fitted(one: Any, several: Any, trials: int) -> Rates:
    """Return rates from two measurements: a pass of one trial, and one of several.

    Parameters
    ----------
    one, several
        As `tapewire.studies.measuring.measure_pass` returns them.
    trials
        Of the second.
    """
    ends = one["end_s"] is not None and several["end_s"] is not None
    first = Rates(
        one["seconds"] / one["records"],
        0.0,
        one["start_s"] + (one["end_s"] if ends else 0.0),
        ends=ends,
        memory_bytes=one["memory_bytes"],
        trial_bytes=0,
    )
    if trials < 2:
        return first
    more = trials - 1
    more_s = several["seconds"] / several["records"] - first.first_s
    more_bytes = several["memory_bytes"] - one["memory_bytes"]
    return replace(
        first,
        more_s=max(0.0, more_s / more),
        trial_s=max(0.0, (several["end_s"] - one["end_s"]) / more) if ends else 0.0,
        trial_bytes=max(0, round(more_bytes / more)),
    )
