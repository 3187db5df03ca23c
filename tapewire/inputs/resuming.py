"""One file of a batch, fetched in as many goes as it takes, and checked against its hash."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from tapewire.atomic import PartialFile, output_errors
from tapewire.errors import DownloadError, OutputError
from tapewire.inputs.databento_http import CutError, HistoricalGateway

#: Bytes taken from the line at once: what a cut may lose of what has come.
CHUNK_BYTES: Final = 16 << 10
_HASHED_BYTES: Final = 1 << 20
_PARTIAL_CONTENT: Final = 206
_SHA256: Final = re.compile(r"sha256:([0-9a-f]{64})")
_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._=+-]{0,199}")


@dataclass(frozen=True)
class BatchFile:
    """A file as ``batch.list_files`` tells of it; ``sha256`` in hexadecimal."""

    name: str
    size: int
    sha256: str
    url: str

    @classmethod
    def listed(cls, answer: Any, job_id: str) -> list[Self]:
        """Return the files of an answer.

        Raises
        ------
        DownloadError
            If one lacks something, or has a name that is not a plain one.
        """
        files = []
        for row in answer if isinstance(answer, list) else []:
            try:
                name, size, sha256 = row["filename"], row["size"], row["hash"]
                url = row["urls"]["https"]
                found = _SHA256.fullmatch(sha256)
                if not (_NAME.fullmatch(name) and found and isinstance(size, int) and size >= 0):
                    raise ValueError
                files.append(cls(name, size, found[1], str(url)))
            except (KeyError, TypeError, ValueError):
                raise DownloadError(
                    f"job {job_id}: expected each file with a plain filename, size, sha256 and "
                    f"https url, found {str(row)[:200]}"
                ) from None
        if not files:
            raise DownloadError(f"job {job_id}: has no files")
        return files


def fetch(
    gateway: HistoricalGateway,
    file: BatchFile,
    path: Path,
    on_progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Fetch what is missing of a file; it has its name once its hash is right.

    Returns
    -------
    int
        Bytes that came over the line.

    Raises
    ------
    DownloadError
        If it can't be had, or what came has another hash: then nothing of it is kept.
    OutputError
        If it can't be written, or a file with another content has its name.
    """
    if path.is_file():
        if (
            path.stat().st_size == file.size
            and _hash_of(path, file.size).hexdigest() == file.sha256
        ):
            return 0
        raise OutputError(
            f"{path}: is there with another content than the job's: choose another folder with -o"
        )
    part = PartialFile(path)
    try:
        fetched = _complete(gateway, file, part, on_progress)
        with output_errors(path):
            part.file.flush()
        found = _hash_of(part.partial, file.size).hexdigest()
        if found != file.sha256:
            part.restart()
            raise DownloadError(
                f"{path}: expected sha256 {file.sha256}, found {found}: nothing of it is kept, run "
                "again"
            )
        part.publish()
    finally:
        part.close()
    return fetched


def _complete(
    gateway: HistoricalGateway,
    file: BatchFile,
    part: PartialFile,
    on_progress: Callable[[int], None],
) -> int:
    """Bring a part to the file's size, going on where it ends."""
    fetched = 0
    with output_errors(part.path):
        furthest = there = part.file.seek(0, 2)
    for pause in gateway.tries(str(part.path)):
        if there > file.size:
            part.restart()
            furthest = there = 0
        if there == file.size:
            return fetched
        try:
            # No other encoding than the file's own: bytes are counted from its beginning.
            headers = {"Range": f"bytes={there}-{file.size - 1}", "accept-encoding": "identity"}
            with gateway.opened("GET", file.url, headers=headers) as response:
                if not _goes_on(response, there):
                    part.restart()
                    there = 0
                for chunk in response.iter_content(CHUNK_BYTES):
                    with output_errors(part.path):
                        part.file.write(chunk)
                    there += len(chunk)
                    fetched += len(chunk)
                    on_progress(fetched)
                    if there > furthest:
                        furthest = there
                        pause.got_on()
                    if there > file.size:
                        break
            if there < file.size:
                raise CutError(f"the line ended after {there:,} of {file.size:,} bytes")
        except CutError as error:
            pause(error)
    raise AssertionError("unreachable: tries end by raising")


def _goes_on(response: Any, there: int) -> bool:
    """Whether a response begins where the part ends; else it is the whole file.

    Raises
    ------
    CutError
        If it is another part.
    """
    if response.status_code != _PARTIAL_CONTENT:
        return False
    begins = str(response.headers.get("Content-Range", ""))
    if not begins.startswith(f"bytes {there}-"):
        raise CutError(f"expected the bytes from {there:,} on, found {begins[:60]!r}")
    return True


def _hash_of(path: Path, size: int) -> Any:
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        left = size
        while left > 0 and (data := file.read(min(left, _HASHED_BYTES))):
            sha256.update(data)
            left -= len(data)
    return sha256
