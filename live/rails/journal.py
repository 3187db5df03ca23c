"""The journal of an account: what was decided and what came of it, on the disk before it is sent.

Files of one folder that only the user may enter, ``journal-000001.twj`` and on; each begins with
all that has to be known from there on, so that only the last one is ever read again. A new file is
begun with a session, and where one has become too long; the oldest go where there are too many.
What a file begins with appears whole, under its final name; after that frames are appended, each
synced before `append` returns.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tapewire.atomic import atomic_write, output_errors
from tapewire.errors import FormatError, OutputError
from tapewire.live.rails.frames import FILE_MAGIC, PAYLOAD_BYTES_MAX, frame_of, read_frames
from tapewire.live.rails.ledger import AccountLedger
from tapewire.live.rails.records import JOURNAL_CODEC, RECORD_BYTES_MAX, JournalStamp
from tapewire.wire.codec import Message

#: A file is followed by a new one once it is so long (bytes) …
FILE_BYTES_MAX: Final = 16 << 20
#: … and so many are kept, the newest.
FILES_KEPT: Final = 64
_NAME: Final = re.compile(r"journal-(\d{6,9})\.twj")
#: No file is that long: what is read at once is bounded.
_READ_BYTES_MAX: Final = 1 << 30
#: Records are put into frames of about so many bytes where a file begins.
_FRAME_BYTES: Final = PAYLOAD_BYTES_MAX // 2


def make_private_folder(folder: Path) -> None:
    """Make an account's folder, or check that only this user may enter the one that is there.

    Raises
    ------
    OutputError
        If others may, or it can't be made.
    """
    with output_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat(follow_symlinks=False)
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise OutputError(
            f"{folder}: expected a folder of yours that nobody else may enter (mode 0700), found "
            f"mode {status.st_mode & 0o777:04o} of user {status.st_uid}: chmod 700 it, or choose "
            "another one"
        )


def journal_files(folder: Path) -> list[Path]:
    """Return the files of a journal, oldest first."""
    if not folder.is_dir():
        return []
    found = [(int(m[1]), path) for path in folder.iterdir() if (m := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def read_records(path: Path) -> Iterator[Message]:
    """Yield the whole records of one file; a torn end is left out, and the file left as it is.

    Raises
    ------
    FormatError
        If it is no journal, or damaged.
    """
    yield from JournalTail(path).new_records()


class JournalTail:
    """One file of a journal, read again and again: each time what was appended since.

    Whoever writes it meanwhile is not disturbed; a torn end is left for the next time.

    Parameters
    ----------
    path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._whole_bytes = self._frames = self._inode = 0

    def is_of(self, path: Path) -> bool:
        """Whether this goes on where it was: the same file, no shorter than what was read."""
        if path != self.path:
            return False
        with output_errors(path, "read"):
            status = path.stat()
        return not self._inode or (
            status.st_ino == self._inode and status.st_size >= self._whole_bytes
        )

    def new_records(self, bytes_max: int = _READ_BYTES_MAX) -> Iterator[Message]:
        """Yield the whole records that were not read yet.

        Raises
        ------
        FormatError
            If it is no journal, damaged, or there are more bytes than ``bytes_max``.
        OutputError
            If it can't be read.
        """
        path = self.path
        with output_errors(path, "read"), path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_size - self._whole_bytes > bytes_max:
                raise FormatError(f"{path}: longer than any journal ({bytes_max:,} bytes)")
            file.seek(self._whole_bytes)
            data = file.read(bytes_max)
        begins_at, number = self._whole_bytes, self._frames
        found = read_frames(data, str(path), begins_at=begins_at, number=number)
        for payload in found.payloads:
            yield from (_record(one, path) for one in payload)
        self._whole_bytes, self._inode = found.whole_bytes, status.st_ino
        self._frames += len(found.payloads)


class Journal:
    """The account's journal, open for one session.

    Parameters
    ----------
    folder
        The account's own; see `make_private_folder`. The caller holds the account's lease.
    told
        Hears in a sentence what was found.
    also
        Takes each record beside the ledger, read or appended.
    file_bytes_max, files_kept
        When a new file begins, and how many stay.

    Attributes
    ----------
    ledger : AccountLedger
        What all records come to; `append` keeps it so.
    records
        Appended so far.

    Raises
    ------
    FormatError
        If the last file is damaged in the middle.
    OutputError
        If it can't be written.
    """

    def __init__(
        self,
        folder: Path,
        told: Callable[[str], None],
        *,
        also: Callable[[Message], None] = lambda record: None,
        file_bytes_max: int = FILE_BYTES_MAX,
        files_kept: int = FILES_KEPT,
    ) -> None:
        make_private_folder(folder)
        self._folder, self._told, self._also = folder, told, also
        self._file_bytes_max, self._files_kept = file_bytes_max, files_kept
        self.ledger = AccountLedger()
        self.records = 0
        self._fd = -1
        self._frames = self._bytes = self._number = 0
        self._is_broken = False
        self._extra: Callable[[], Iterator[Message]] = lambda: iter(())
        self._read()

    @property
    def path(self) -> Path:
        """The file that is written."""
        return self._folder / f"journal-{self._number:06d}.twj"

    def keep_besides(self, records: Callable[[], Iterator[Message]]) -> None:
        """Say what a new file begins with beside what the ledger keeps."""
        self._extra = records

    def _read(self) -> None:
        """Come to where the last file ends, a torn end left out."""
        files = journal_files(self._folder)
        if not files:
            return
        path = files[-1]
        self._number = int(path.stem.partition("-")[2])
        found = read_frames(_content(path), str(path))
        if found.torn_bytes:
            self._told(
                f"{path}: its last {found.torn_bytes} bytes are a record that was being written: "
                "left out; what it was about was never sent"
            )
        for payload in found.payloads:
            for one in payload:
                self._take(_record(one, path))

    def _take(self, record: Message) -> None:
        self.ledger.apply(record)
        self._also(record)

    # --- writing ----------------------------------------------------------------------------------

    def begin_file(self, now_ns: int) -> None:
        """Begin a new file with all that is known; it appears whole, or not at all.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        frames: list[bytes] = [FILE_MAGIC]
        waiting: list[bytes] = [JOURNAL_CODEC.encode(JournalStamp(now_ns))]
        size = 0
        for record in (*self.ledger.kept(), *self._extra()):
            one = JOURNAL_CODEC.encode(record)
            if size + len(one) > _FRAME_BYTES:
                frames.append(frame_of(len(frames) - 1, waiting))
                waiting, size = [], 0
            waiting.append(one)
            size += len(one) + 4
        frames.append(frame_of(len(frames) - 1, waiting))
        content = b"".join(frames)
        self.close()
        number = self._number + 1
        path = self._folder / f"journal-{number:06d}.twj"
        if path.exists():
            raise OutputError(f"{path}: expected no file of that name, found one: move it away")
        atomic_write(path, content)
        self._number, self._frames, self._bytes = number, len(frames) - 1, len(content)
        with output_errors(path):
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
            os.fchmod(self._fd, 0o600)
        for old in journal_files(self._folder)[: -self._files_kept]:
            with contextlib.suppress(OSError):
                old.unlink()

    def append(self, now_ns: int, *records: Message) -> None:
        """Write records together, synced, and count them in the ledger.

        Raises
        ------
        OutputError
            If they can't be written: the journal takes nothing any more, as it is not known what
            of it is on the disk.
        """
        if self._is_broken or self._fd < 0:
            raise OutputError(f"{self.path}: a write to it failed: nothing is sent without it")
        if self._bytes >= self._file_bytes_max:
            self.begin_file(now_ns)
        encoded = [JOURNAL_CODEC.encode(one) for one in (JournalStamp(now_ns), *records)]
        frame = frame_of(self._frames, encoded)
        self._is_broken = True
        with output_errors(self.path):
            self._write(frame)
        self._is_broken = False
        self._frames += 1
        self._bytes += len(frame)
        self.records += len(records)
        for record in (JournalStamp(now_ns), *records):
            self._take(record)

    def _write(self, frame: bytes) -> None:
        rest = memoryview(frame)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Close its file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _content(path: Path) -> bytes:
    with output_errors(path, "read"):
        if path.stat().st_size > _READ_BYTES_MAX:
            raise FormatError(f"{path}: longer than any journal ({_READ_BYTES_MAX} bytes)")
        return path.read_bytes()


def _record(data: bytes, path: Path) -> Message:
    try:
        return JOURNAL_CODEC.decode(data, bytes_max=RECORD_BYTES_MAX)
    except Exception as error:
        raise FormatError(f"{path}: expected a record of this version, found {error}") from None
