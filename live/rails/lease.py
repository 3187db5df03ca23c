"""One session per account: a lock file that says who holds it, with an epoch that only goes up.

The lock is the system's (``flock``): it is gone with its process. Whoever has it next counts the
epoch up; one that held it before, and has not noticed that its file was taken away, finds another
epoch there before it sends anything.
"""

import os
import socket
from pathlib import Path
from typing import Final

import msgspec

from tapewire.atomic import output_errors
from tapewire.errors import LeaseError
from tapewire.wire.endpoints import lock_file

LEASE_FILE: Final = "lease.lock"
_BYTES_MAX: Final = 4_096
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class LeaseHolder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who holds a lease, as the lock file says it.

    Attributes
    ----------
    epoch
        Counts the holders up, from 1.
    since_ns
        When it was taken, ns since the epoch of the clock.
    is_given_back
        Whether its holder ended it by itself.
    """

    account: str
    epoch: int
    pid: int
    host: str
    boot_id: str
    since_ns: int
    is_given_back: bool = False

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}, epoch {self.epoch}, since {self.since_ns} ns"


class Lease:
    """The right to trade an account, from its making to `give_back`.

    Parameters
    ----------
    folder
        The account's own.
    account
    now_ns
        The time, ns since the epoch.
    takes_over_host
        Whether to take it from a holder on another host, whose end can't be seen from here: only
        for a person who knows that it is dead.

    Attributes
    ----------
    holder : LeaseHolder
        This process.
    before : LeaseHolder or None
        Who had it last.

    Raises
    ------
    LeaseError
        If somebody holds it, naming who; or if its file is of another account or unreadable.
    OutputError
        If the file can't be written.
    """

    def __init__(
        self, folder: Path, account: str, now_ns: int, *, takes_over_host: bool = False
    ) -> None:
        self.path = folder / LEASE_FILE
        with output_errors(self.path):
            try:
                self._fd = lock_file(self.path)
            except BlockingIOError:
                raise LeaseError(
                    f"{account}: another session holds the account: {_told(self.path)}: end it "
                    "first; there is one at a time"
                ) from None
        try:
            self.before = _read(self._fd, self.path)
            self._require_free(account, takes_over_host)
            self.holder = LeaseHolder(
                account, 1 + (self.before.epoch if self.before else 0), os.getpid(),
                socket.gethostname(), _boot_id(), now_ns,
            )  # fmt: skip
            self._write(self.holder)
        except BaseException:
            os.close(self._fd)
            raise

    @property
    def epoch(self) -> int:
        """Counts the sessions of the account up."""
        return self.holder.epoch

    def raise_epoch(self, above: int) -> None:
        """Count the epoch up past one that a journal has: somebody took the file away since."""
        if self.epoch <= above:
            self.holder = msgspec.structs.replace(self.holder, epoch=above + 1)
            self._write(self.holder)

    def _require_free(self, account: str, takes_over_host: bool) -> None:
        before = self.before
        if before is None:
            return
        if before.account != account:
            raise LeaseError(
                f"{self.path}: expected the lease of {account!r}, found that of {before.account!r}:"
                " an account has a folder of its own"
            )
        elsewhere = before.host != socket.gethostname()
        if elsewhere and not before.is_given_back and not takes_over_host:
            raise LeaseError(
                f"{account}: held by {before}, another host, and not given back: whether it has "
                "ended can't be seen from here; take it over only if you know that it has"
            )

    def require_held(self) -> None:
        """Check that nobody else has taken the account since; before anything is sent.

        Raises
        ------
        LeaseError
            If the file under its name is another one, or names another epoch.
        """
        try:
            is_same = os.path.samestat(os.fstat(self._fd), self.path.lstat())
        except OSError:
            is_same = False
        found = _read(self._fd, self.path) if is_same else None
        if found != self.holder:
            raise LeaseError(
                f"{self.holder.account}: the lease of epoch {self.epoch} is lost: "
                f"{_told(self.path)}: nothing is sent any more"
            )

    def give_back(self) -> None:
        """End it; the next one is the next epoch. Never raises."""
        if self._fd < 0:
            return
        try:
            self.require_held()
            self._write(msgspec.structs.replace(self.holder, is_given_back=True))
        except Exception:  # it is lost, or the disk is: the lock goes with the descriptor
            pass
        os.close(self._fd)
        self._fd = -1

    def _write(self, holder: LeaseHolder) -> None:
        """Say who holds it, synced: in one write, so that a reader sees one or the other."""
        with output_errors(self.path):
            content = msgspec.json.encode(holder).ljust(_BYTES_MAX - 1) + b"\n"
            os.pwrite(self._fd, content, 0)
            os.fsync(self._fd)


def _read(fd: int, path: Path) -> LeaseHolder | None:
    content = os.pread(fd, _BYTES_MAX, 0).strip()
    if not content:
        return None
    try:
        return msgspec.json.decode(content, type=LeaseHolder)
    except msgspec.MsgspecError:
        raise LeaseError(
            f"{path}: expected who holds the account, found {content[:80]!r}: look at what wrote "
            "it; an account without a journal may begin in a new folder"
        ) from None


def _told(path: Path) -> str:
    """Who holds it, as far as its file says."""
    try:
        holder = msgspec.json.decode(path.read_bytes().strip(), type=LeaseHolder)
    except (OSError, msgspec.MsgspecError):
        return "its file is gone, or says nothing"
    return str(holder)


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:  # of Linux only
        return ""
