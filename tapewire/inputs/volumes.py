"""Lots that files traded by day, which continuous symbols go by: each file is read once, and noted.

A file that stays as it is (path, size, dates) is not read again for it.
"""

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tapewire.atomic import atomic_write
from tapewire.errors import OutputError
from tapewire.inputs.batch_folder import Working
from tapewire.inputs.cache_folder import cache_dir
from tapewire.replay.dbn import DbnHeader
from tapewire.replay.volumes import DayVolumes, day_volumes

_BYTES_PER_MB: Final = 10**6
#: A file of a busy day notes a few hundred contracts: some kilobytes.
_KNOWN_MAX: Final = 2_000


@dataclass(frozen=True)
class _Noted:
    """What a file traded, and the xxh3_128 of its bytes, where it could be read whole."""

    volumes: DayVolumes
    content_hash: str | None


def volumes_of(headers: Sequence[DbnHeader], working: Working) -> tuple[DayVolumes, dict[str, str]]:
    """Return what all files together traded, by UTC day and instrument, and their hashes by path.

    Parameters
    ----------
    headers
        Of the files.
    working
        Shows how far they are read.

    Raises
    ------
    FormatError
        If a file turns out to be corrupt.
    """
    known = _known()
    read_anew = False
    total: dict[int, dict[int, int]] = {}
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
            for day, of_day in noted.volumes.items():
                sums = total.setdefault(day, {})
                for number, lots in of_day.items():
                    sums[number] = sums.get(number, 0) + lots
    if read_anew:
        _note(known)
    return total, hashes


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
