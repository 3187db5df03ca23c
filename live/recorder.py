"""A feed kept as DBN files: as it came, whole under their final names, one behind the other.

A file in the making is hidden (``.NAME.part``). What a killed process left of one is cut to whole
records and given its name when the next recording begins.
"""

import contextlib
import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from tapewire.atomic import PartialFile, atomic_write, output_errors
from tapewire.errors import FormatError, OutputError
from tapewire.live.framing import RTYPE_MAPPING, Framer, RecordBlock
from tapewire.live.overlap import Recent
from tapewire.live.subscription import FeedRequest
from tapewire.wire.messages import FeedState

#: What a folder's recordings are of.
REQUEST_FILE: Final = "recording.json"
_START_AT: Final = 26
_START_BYTES: Final = 8
_READ_BYTES: Final = 1 << 20
_NS_PER_S: Final = 10**9
_PART: Final = re.compile(r"\.(.+\.dbn)\.part")
#: Blocks of messages that may come before any data.
_EARLY_MAX: Final = 1_000
_MAPPING_NAMES: Final = slice(16, None)


class Recorder:
    """Takes a feed, and writes files into a folder.

    Parameters
    ----------
    folder
        Made if it is not there.
    request
        What it is a recording of; a folder has recordings of one.
    rotate_ns
        A file has as much of market time, ns: begun anew at multiples of it since the epoch.
    hear
        Told what happens, in sentences.

    Attributes
    ----------
    paths : list of Path
        Of files that are whole.

    Raises
    ------
    OutputError
        If the folder has recordings of another request, or can't be written.
    """

    def __init__(
        self, folder: Path, request: FeedRequest, rotate_ns: int, hear: Callable[[str], None]
    ) -> None:
        self._folder, self._request, self._rotate_ns, self._hear = folder, request, rotate_ns, hear
        self._file: PartialFile | None = None
        self._header = b""
        self._mappings: dict[bytes, bytes] = {}
        self._early: list[RecordBlock] = []
        self._bytes = 0
        self._part_ns = -1
        self.paths: list[Path] = []
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._require_same_request()

    def _require_same_request(self) -> None:
        """A folder's files are one stream: nobody shall find another one's among them."""
        path = self._folder / REQUEST_FILE
        asked = msgspec.json.encode(
            {"dataset": self._request.dataset, "symbols": sorted(self._request.symbols),
             "schemas": sorted(self._request.schemas), "stype_in": self._request.stype_in}
        )  # fmt: skip
        with output_errors(path):
            found = path.read_bytes() if path.exists() else None
        if found is None:
            atomic_write(path, asked)
        elif found != asked:
            raise OutputError(
                f"{path}: expected recordings of {asked.decode()}, found {found[:500]!r}: choose "
                "another folder"
            )

    # --- a feed -----------------------------------------------------------------------------------

    def opened(self, header: bytes, metadata: Any) -> None:
        """Take the metadata that a session begins with."""
        self._header = header

    def block(self, block: RecordBlock, received_ns: int = 0) -> None:
        """Write records."""
        for at in block.messages:
            record = block.bytes_at(at)
            if record[1] == RTYPE_MAPPING:
                self._mappings[record[_MAPPING_NAMES]] = record
        if self._file is None and block.records == len(block.messages):
            self._early.append(block)  # of a session without data nothing is kept
            del self._early[:-_EARLY_MAX]
            return
        part_ns = block.ts_event_ns // self._rotate_ns if block.ts_event_ns >= 0 else self._part_ns
        if self._file is None or part_ns > self._part_ns >= 0:
            self.close()
            self._open(block)
            for early in self._early:
                self._write(early.data.data)
            self._early.clear()
        if part_ns >= 0:
            self._part_ns = max(self._part_ns, part_ns)
        self._write(block.data.data)

    def told(self, text: str, state: FeedState | None = None) -> None:
        """Pass on what has happened."""
        self._hear(text)

    def _open(self, block: RecordBlock) -> None:
        """Begin a file: its header says from when on it is, its names are in it."""
        start = self._start_ns
        if self.paths and block.ts_event_ns >= 0:
            start = block.ts_event_ns
        self._file = PartialFile(self._path_from(start))
        self._file.restart()
        self._bytes = 0
        start_bytes = start.to_bytes(_START_BYTES, "little")
        header = self._header
        self._write(header[:_START_AT] + start_bytes + header[_START_AT + _START_BYTES :])
        if self.paths:
            for record in self._mappings.values():
                self._write(record)

    @property
    def first_path(self) -> Path:
        """What the first file will be called, once a session is `opened`, in a new folder."""
        return self.paths[0] if self.paths else self._path_from(self._start_ns)

    @property
    def _start_ns(self) -> int:
        return int.from_bytes(self._header[_START_AT : _START_AT + _START_BYTES], "little")

    def _path_from(self, start_ns: int) -> Path:
        """A name that no file has, nor one in the making."""
        moment = dt.datetime.fromtimestamp(start_ns // _NS_PER_S, dt.UTC)
        stem = f"{self._request.dataset.lower().replace('.', '-')}-{moment:%Y%m%dT%H%M%S}"
        path, number = self._folder / f"{stem}.dbn", 1
        while path.exists() or path.with_name(f".{path.name}.part").exists():
            number += 1
            path = self._folder / f"{stem}-{number}.dbn"
        return path

    def _write(self, data: bytes | memoryview) -> None:
        assert self._file is not None
        file = self._file.file
        with output_errors(self._file.path):
            file.write(data)
            file.flush()  # to the system: a process that is killed loses nothing
        self._bytes += len(data)

    def close(self) -> None:
        """Give the file its name; of one that could not be written, what is whole."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with output_errors(file.path):
            file.file.truncate(self._bytes)
        file.publish()
        self.paths.append(file.path)


def discard_empty(folder: Path) -> None:
    """Remove a folder of recordings that has none. Never raises."""
    with contextlib.suppress(OSError):
        if [path.name for path in folder.iterdir()] == [REQUEST_FILE]:
            (folder / REQUEST_FILE).unlink()
        folder.rmdir()


def recover_recordings(folder: Path) -> list[Path]:
    """Give their names to files that killed processes left, cut to whole records.

    Returns
    -------
    list of Path
        Those files. One without a record is removed.

    Raises
    ------
    OutputError
        If another process is at one, or one can't be written.
    """
    found = []
    if not folder.is_dir():
        return []
    for path in sorted(folder.iterdir()):
        match = _PART.fullmatch(path.name)
        if match is None:
            continue
        file = PartialFile(folder / match[1])
        try:
            whole = _whole_bytes(file)
            with output_errors(file.path):
                file.file.truncate(whole)
            if whole:
                file.publish()
                found.append(file.path)
            else:
                path.unlink()
        finally:
            file.close()
    return found


def _whole_bytes(file: PartialFile) -> int:
    """Bytes of the header and of whole records; 0 where there is none of these."""
    framer, size, records = Framer(str(file.partial)), 0, 0
    with output_errors(file.path):
        file.file.seek(0)
        while data := file.file.read(_READ_BYTES):
            try:
                block = framer.feed(data)
            except FormatError:
                break
            size += len(data)
            records += block.records if block is not None else 0
    return size - framer.left_bytes if records else 0


def recent_of(path: Path) -> Recent:
    """Return what the end of a recording holds, for a feed that goes on behind it.

    Raises
    ------
    FormatError
        If it is no recording.
    """
    framer, recent = Framer(str(path)), Recent()
    with output_errors(path), path.open("rb") as file:
        while data := file.read(_READ_BYTES):
            block = framer.feed(data)
            if block is not None:
                recent.add(block)
    return recent
