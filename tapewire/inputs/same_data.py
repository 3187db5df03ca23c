"""Refuses data that is given twice: its events would count double."""

from collections.abc import Sequence
from typing import Final

from tapewire.config.input_files import same_file
from tapewire.errors import ConfigError

#: Files whose first so many records are the same are the same data, compressed or not.
COMPARED_RECORDS: Final = 1_024
_RECORD_BYTES: Final = 56


def require_different(
    files: Sequence[str], *, allow_copies: bool = False, allow_truncated: bool = False
) -> None:
    """Refuse files of which two hold the same data, whatever their names and compression.

    Parameters
    ----------
    allow_copies
        Only one file under two names is refused: of copies, the merge gives each record once.
    allow_truncated
        Files may end too soon.

    Raises
    ------
    ConfigError
        If two are one file, or begin with the same records.
    InputError
        If one of several can't be read.
    """
    sentence = same_file(files)
    if sentence is None and len(files) > 1 and not allow_copies:
        sentence = _same_records(files, allow_truncated)
    if sentence is not None:
        raise ConfigError(sentence)


def _same_records(files: Sequence[str], allow_truncated: bool) -> str | None:
    alike: dict[bytes, list[tuple[str, bytes]]] = {}
    for name in files:
        start = _start_of(name, allow_truncated)
        first = start[:_RECORD_BYTES]
        if not first:
            continue  # an empty file is like nothing
        for other, other_start in alike.setdefault(first, []):
            common = min(len(start), len(other_start))
            if start[:common] == other_start[:common]:
                return (
                    f"{name} has the same records as {other}: they would count double; leave one "
                    "out"
                )
        alike[first].append((name, start))
    return None


def _start_of(name: str, allow_truncated: bool) -> bytes:
    """Return the first records of a file, at most `COMPARED_RECORDS`."""
    import numpy as np

    from tapewire.market.records import MBO_DTYPE
    from tapewire.replay import ReplayPlan, open_source

    records = np.empty(COMPARED_RECORDS, MBO_DTYPE)
    with open_source(ReplayPlan(files=(name,), allow_truncated=allow_truncated)) as source:
        if source.headers[0].first_ts_recv is None:
            return b""
        return records[: source.fill(records)].tobytes()
