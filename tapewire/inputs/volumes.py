"""Lots that files traded by day, which continuous symbols go by: each file is read once, and noted.

A file that stays as it is (path, size, dates) is not read again for it.
"""

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tapewire.atomic import atomic_write
from tapewire.compiled.units import NS_PER_DAY
from tapewire.config.schema import DatabentoSource
from tapewire.errors import NoDataError, OutputError
from tapewire.inputs.batch_folder import Working
from tapewire.inputs.cache_folder import cache_dir
from tapewire.market.continuous import ListedFuture
from tapewire.replay.dbn import DbnHeader
from tapewire.replay.volumes import (
    BarFile,
    DayVolumes,
    bar_volumes,
    day_volumes,
    merged_volumes,
    read_bars,
)

_BYTES_PER_MB: Final = 10**6
#: A file of a busy day notes a few hundred contracts: some kilobytes.
_KNOWN_MAX: Final = 2_000


class ContractVolumes:
    """What contracts traded: as daily bars say, and the records of days that these lack.

    Files that begin on the last day are not read: it decides nothing. Instrument ids mean something
    within a dataset only.

    Attributes
    ----------
    bars
        Files of daily bars that were read.
    hashes
        xxh3_128 of files whose trades were added up, by path.
    """

    def __init__(
        self, source: DatabentoSource, headers: Sequence[DbnHeader], working: Working
    ) -> None:
        self._source = source
        self._headers = headers
        self._working = working
        self.bars: list[BarFile] = []
        self.hashes: dict[str, str] = {}

    def of(self, futures: Mapping[str, Sequence[ListedFuture]]) -> dict[str, DayVolumes]:
        """Return volumes by product."""
        if not futures:
            return {}
        datasets = list(dict.fromkeys(header.dataset for header in self._headers))
        self.bars = [read_bars(path) for path in self._source.volume_files]
        for file in self.bars:
            if file.dataset not in datasets:
                raise NoDataError(
                    f"{file.path}: has bars of {file.dataset}; expected those of "
                    f"{', '.join(datasets)}: name the file of that dataset, or leave it out"
                )
        volumes: dict[str, DayVolumes] = {root: {} for root in futures}
        for dataset in datasets:
            here = [header for header in self._headers if header.dataset == dataset]
            mapped = {(m.raw_symbol, m.instrument_id) for header in here for m in header.mappings}
            roots = {
                root: some
                for root, some in futures.items()
                if any((one.symbol, one.instrument_id) in mapped for one in some)
            }
            for root, found in self._in(dataset, here, roots).items() if roots else ():
                volumes[root] = {**volumes[root], **found}
        return volumes

    def _in(
        self,
        dataset: str,
        headers: Sequence[DbnHeader],
        futures: Mapping[str, Sequence[ListedFuture]],
    ) -> dict[str, DayVolumes]:
        """Return volumes by product, of the files of a dataset."""
        bars = bar_volumes(file for file in self.bars if file.dataset == dataset)
        told: dict[str, set[int]] = {}
        for root, some in futures.items():
            numbers = {one.instrument_id for one in some}
            told[root] = {day for day, lots in bars.items() if not numbers.isdisjoint(lots)}
        in_all_bars = set.intersection(*told.values())
        last_ns = max((m.end_ns for header in headers for m in header.mappings), default=0)
        last_day = (min(last_ns, self._source.end or last_ns) - 1) // NS_PER_DAY
        early = [
            header
            for header in headers
            if header.first_ts_recv is not None
            and header.first_ts_recv // NS_PER_DAY < last_day
            and not _days_of(header) <= in_all_bars
        ]
        traded, hashes = volumes_of(early, self._working, once=self._source.duplicates == "drop")
        self.hashes |= hashes
        return {
            root: dict(traded) | {day: lots for day, lots in bars.items() if day in days}
            for root, days in told.items()
        }


def _days_of(header: DbnHeader) -> set[int]:
    """Return the days that a file maps symbols for, or one that no bar is of, if it does not."""
    days: set[int] = set()
    for since, until in {(m.start_ns, m.end_ns) for m in header.mappings}:
        days.update(range(since // NS_PER_DAY, min(until // NS_PER_DAY, since // NS_PER_DAY + 400)))
    return days or {-1}


@dataclass(frozen=True)
class _Noted:
    """What a file traded, and the xxh3_128 of its bytes, where it could be read whole."""

    volumes: DayVolumes
    content_hash: str | None


def volumes_of(
    headers: Sequence[DbnHeader], working: Working, *, once: bool = False
) -> tuple[DayVolumes, dict[str, str]]:
    """Return what all files together traded, by UTC day and instrument, and their hashes by path.

    Parameters
    ----------
    headers
        Of the files.
    working
        Shows how far they are read.
    once
        What several of the files have counts once, as a replay gives it that drops duplicates.

    Raises
    ------
    FormatError
        If a file turns out to be corrupt.
    """
    known = _known()
    read_anew = False
    found: list[DayVolumes] = []
    hashes: dict[str, str] = {}
    sizes = sum(header.size_bytes for header in headers) // _BYTES_PER_MB
    done = 0
    with working("adding up the volumes of days, MB", sizes) as progress:
        for header in headers:
            key, status = os.path.realpath(header.path), _status(header)
            noted = _noted(known.pop(key, None), status)
            if noted is None:

                def tick(read: int, done: int = done) -> None:
                    progress((done + read) // _BYTES_PER_MB)

                noted = _Noted(*day_volumes(header, tick))
                read_anew = True
            known[key] = {  # the last used are last
                "status": status, "hash": noted.content_hash, "volumes": noted.volumes,
            }  # fmt: skip
            if noted.content_hash is not None:
                hashes[header.path] = noted.content_hash
            done += header.size_bytes
            progress(done // _BYTES_PER_MB)
            found.append(noted.volumes)
    if read_anew:
        _note(known)
    shared = _sharing(found) if once else set()
    parts = [volumes for i, volumes in enumerate(found) if i not in shared]
    if shared:
        both = [headers[i] for i in sorted(shared)]
        sizes = sum(header.size_bytes for header in both) // _BYTES_PER_MB
        with working("adding up what several files have, MB", sizes) as progress:
            parts.append(merged_volumes(both, lambda read: progress(read // _BYTES_PER_MB)))
    total: dict[int, dict[int, int]] = {}
    for day, of_day in ((day, lots) for volumes in parts for day, lots in volumes.items()):
        sums = total.setdefault(day, {})
        for number, lots in of_day.items():
            sums[number] = sums.get(number, 0) + lots
    return total, hashes


def _sharing(found: Sequence[DayVolumes]) -> set[int]:
    """Return which files may have the same trades: those with one instrument on one day."""
    first: dict[tuple[int, int], int] = {}
    shared: set[int] = set()
    for i, volumes in enumerate(found):
        for key in ((day, number) for day, lots in volumes.items() for number in lots):
            if first.setdefault(key, i) != i:
                shared |= {first[key], i}
    return shared


def _status(header: DbnHeader) -> list[int]:
    status = os.stat(header.path)  # noqa: PTH116
    return [
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino,
        int(header.allow_truncated),
    ]  # fmt: skip


def _noted(entry: Any, status: list[int]) -> _Noted | None:
    """Return what was noted of a file; None: nothing, or of another state of it."""
    if not isinstance(entry, dict) or entry.get("status") != status:
        return None
    try:
        volumes = {
            int(day): {int(number): int(lots) for number, lots in of_day.items()}
            for day, of_day in entry["volumes"].items()
        }
        content = entry["hash"]
        return _Noted(volumes, None if content is None else str(content))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _known() -> dict[str, Any]:
    try:
        body = json.loads(_known_path().read_bytes())
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def _note(known: dict[str, Any]) -> None:
    kept = dict(list(known.items())[-_KNOWN_MAX:])
    with contextlib.suppress(OSError, OutputError):  # then they are read again
        _known_path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(_known_path(), json.dumps(kept))


def _known_path() -> Path:
    return cache_dir() / "day-volumes.json"
