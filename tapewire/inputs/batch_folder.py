"""What the vendor says of a batch download, in the files that it puts beside the data.

``manifest.json`` lists the files with size and SHA-256, ``condition.json`` how good each day is
(``available``, ``degraded``, ``pending``, ``missing``). The form of both is that of the vendor's
``batch.list_files`` and ``metadata.get_dataset_condition``. ``symbology.json`` is read by the
replay (`tapewire.replay.symbology`).
"""

import contextlib
import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from tapewire.atomic import atomic_write
from tapewire.compiled.units import NS_PER_DAY
from tapewire.errors import FormatError, OutputError
from tapewire.inputs.cache_folder import cache_dir

MANIFEST_FILE: Final = "manifest.json"
CONDITION_FILE: Final = "condition.json"
#: A job of 10,000 files takes about 4 MB.
_BYTES_MAX: Final = 64 << 20
_READ_BYTES: Final = 4 << 20
_BYTES_PER_MB: Final = 10**6
_TOLD_MAX: Final = 5
_BAD_CONDITIONS: Final = ("degraded", "pending", "missing")
#: Files whose SHA-256 was found right are not read again while they stay as they are.
_KNOWN_MAX: Final = 10_000
_EPOCH: Final = dt.date(1970, 1, 1)

#: Starts to show how far something is, from what it is and its size in MB.
Working = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


def _silent(what: str, total_mb: int) -> AbstractContextManager[Callable[[int], None]]:
    return nullcontext(lambda done_mb: None)


def check_downloads(
    files: Sequence[str],
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    allow_truncated: bool = False,
    working: Working = _silent,
) -> list[str]:
    """Hold files against what lies beside them; return what deserves a look, in words.

    Parameters
    ----------
    files
        Market data files. Those without a manifest of the vendor's beside them are left alone.
    start_ns, end_ns
        Days outside are not told of (ns since the epoch, UTC).
    allow_truncated
        A file that is too short is told of, in place of an error.
    working
        Shows how far the checksums are.

    Raises
    ------
    FormatError
        If a file is not what the manifest says, or a file beside can't be understood.
    """
    folders: dict[Path, list[str]] = {}
    for name in files:
        folders.setdefault(Path(name).parent, []).append(name)
    notes: list[str] = []
    for folder, names in folders.items():
        listed = _manifest(folder / MANIFEST_FILE)
        if listed is None:
            continue
        notes += _check_files(folder, names, listed, allow_truncated, working)
        notes += _conditions(folder / CONDITION_FILE, start_ns, end_ns)
    return notes


def _json(path: Path) -> Any:
    """Read a JSON file; None where there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
    except (FileNotFoundError, IsADirectoryError):
        return None
    except OSError as error:
        raise FormatError(f"{path}: can't be read: {error.strerror}") from None
    if len(content) > _BYTES_MAX:
        raise FormatError(f"{path}: expected at most {_BYTES_MAX:,} bytes, found more")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: expected JSON ({str(error)[:200]})") from None


def _manifest(path: Path) -> dict[str, tuple[int, str]] | None:
    """Return size and SHA-256 by file name; None where it is no manifest of a batch download."""
    body = _json(path)
    if not isinstance(body, dict) or "job_id" not in body or "files" not in body:
        return None
    listed: dict[str, tuple[int, str]] = {}
    try:
        for entry in body["files"]:
            content = str(entry["hash"]).removeprefix("sha256:").lower()
            listed[str(entry["filename"])] = int(entry["size"]), content
    except (KeyError, TypeError, ValueError):
        raise FormatError(
            f"{path}: files[{len(listed)}]: expected filename, size and hash, found another thing"
        ) from None
    return listed


def _check_files(
    folder: Path,
    names: Sequence[str],
    listed: dict[str, tuple[int, str]],
    allow_truncated: bool,
    working: Working,
) -> list[str]:
    notes = []
    known = _known()
    before = dict(known)
    for name in names:
        if Path(name).name not in listed:
            notes.append(f"{name}: {folder / MANIFEST_FILE} does not list it: it is unchecked")
            continue
        size, content = listed[Path(name).name]
        try:
            found = os.stat(name)  # noqa: PTH116
        except OSError:
            continue  # not there: for the replay to say
        if found.st_size != size:
            said = f"{name}: expected {size:,} bytes ({MANIFEST_FILE}), found {found.st_size:,}"
            if not allow_truncated or found.st_size > size:
                raise FormatError(f"{said}: the download is not whole, fetch it again")
            notes.append(said)
        elif known.get(os.path.realpath(name)) != [*_status(found), content]:
            actual = _sha256(name, working)
            if actual != content:
                raise FormatError(
                    f"{name}: expected SHA-256 {content} ({MANIFEST_FILE}), found {actual}: the "
                    "file is damaged, fetch it again"
                )
            known[os.path.realpath(name)] = [*_status(found), content]
    if known != before:
        _note_known(known)
    kinds = {_kind(Path(name).name) for name in names}
    gone = [n for n in listed if _kind(n) in kinds and not (folder / n).exists()]
    if gone:
        more = f" and {len(gone) - _TOLD_MAX:,} more" if len(gone) > _TOLD_MAX else ""
        notes.append(
            f"{folder / MANIFEST_FILE} lists files that are not there: "
            f"{', '.join(sorted(gone)[:_TOLD_MAX])}{more}"
        )
    return notes


def _kind(name: str) -> str:
    """``glbx-mdp3-20240102.mbo.dbn.zst`` → ``mbo.dbn.zst``."""
    return name.partition(".")[2]


def _status(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _sha256(name: str, working: Working) -> str:
    content = hashlib.sha256()
    with Path(name).open("rb", buffering=0) as file:
        total_mb = os.fstat(file.fileno()).st_size // _BYTES_PER_MB
        with working(f"checking the SHA-256 of {Path(name).name}, MB", total_mb) as progress:
            done = 0
            while data := file.read(_READ_BYTES):
                content.update(data)
                done += len(data)
                progress(done // _BYTES_PER_MB)
    return content.hexdigest()


def _known() -> dict[str, list[Any]]:
    """Return status and SHA-256 of files that were found right; none where that can't be read."""
    try:
        body = json.loads(_known_path().read_bytes())
    except (OSError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def _note_known(known: dict[str, list[Any]]) -> None:
    kept = dict(list(known.items())[-_KNOWN_MAX:])
    with contextlib.suppress(OSError, OutputError):  # then they are read again
        _known_path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic_write(_known_path(), json.dumps(kept))


def _known_path() -> Path:
    return cache_dir() / "checksums.json"


def _conditions(path: Path, start_ns: int | None, end_ns: int | None) -> list[str]:
    """Say which days are not as they should be."""
    body = _json(path)
    if body is None:
        return []
    days: dict[str, list[str]] = {}
    for date, condition in _days(path, body):
        midnight_ns = (date - _EPOCH).days * NS_PER_DAY
        after = end_ns is not None and midnight_ns >= end_ns
        if after or (start_ns is not None and midnight_ns + NS_PER_DAY <= start_ns):
            continue
        if condition in _BAD_CONDITIONS:
            days.setdefault(condition, []).append(date.isoformat())
    said = []
    for condition in _BAD_CONDITIONS:
        if dates := days.get(condition):
            more = f" and {len(dates) - _TOLD_MAX:,} more" if len(dates) > _TOLD_MAX else ""
            said.append(
                f"the vendor says that data are {condition}: "
                f"{', '.join(dates[:_TOLD_MAX])}{more} ({path})"
            )
    return said


def _days(path: Path, body: Any) -> Iterator[tuple[dt.date, str]]:
    if not isinstance(body, list):
        raise FormatError(f"{path}: expected a list of days, found {type(body).__name__}")
    for i, entry in enumerate(body):
        try:
            yield dt.date.fromisoformat(entry["date"]), str(entry["condition"])
        except (KeyError, TypeError, ValueError):
            raise FormatError(
                f"{path}: [{i}]: expected date and condition, found another thing"
            ) from None
