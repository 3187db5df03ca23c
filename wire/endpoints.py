"""Addresses: what may be bound and reached, and the folder and lock an ipc address needs.

libzmq lets a second bind on an ipc path steal the endpoint without an error, and makes the socket
with the process umask. So an ipc address is bound only in a folder that is private to the user
(0700), and only with a lock on ``<path>.lock`` held.
"""

import contextlib
import errno
import fcntl
import ipaddress
import math
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import zmq

from tapewire.errors import EndpointError

SCHEMES: Final = ("ipc", "tcp", "inproc")
IPC_PATH_BYTES_MAX: Final = 107  # sockaddr_un
_HOST: Final = re.compile(r"[\w.:%-]+|\*")
_ADVICE: Final = "use tcp://127.0.0.1:PORT (and a tunnel between hosts)"
_STALE_AFTER_S: Final = 60.0
_NAME_BYTES: Final = 6
_NAME: Final = re.compile(rf"[0-9a-f]{{{2 * _NAME_BYTES}}}")
_STREAM: Final = "stream"
_OWNER_LOCK: Final = "owner.lock"
#: All that a folder made here may hold.
_OWN_FILES: Final = frozenset({_STREAM, f"{_STREAM}.lock", _OWNER_LOCK})
_OPEN_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def split_endpoint(
    endpoint: str, *, has_keys: bool = False, advice: str = _ADVICE
) -> tuple[str, str]:
    """Return scheme and address of ``scheme://address``, checked.

    Parameters
    ----------
    endpoint
    has_keys
        Whether who connects proves by a key who it is: then a tcp host may be another one.
    advice
        What to do where it may not.

    Raises
    ------
    EndpointError
        If the scheme is unknown, the address malformed, or a tcp host is not this one and there
        are no keys; or if there are keys for an address that is not tcp.
    """
    scheme, separator, address = endpoint.partition("://")
    if not separator or scheme not in SCHEMES or not address:
        raise EndpointError(
            f"expected an address like ipc:///run/folder/stream, tcp://127.0.0.1:5555 or "
            f"inproc://name, found {endpoint!r}"
        )
    if scheme == "tcp":
        _require_host(endpoint, address, has_keys, advice)
    elif has_keys:
        raise EndpointError(
            f"expected tcp://HOST:PORT with keys, found {endpoint!r}: an address that only this "
            "user's own processes can reach has none"
        )
    if scheme == "ipc":
        if not address.startswith("/"):
            raise EndpointError(f"an ipc address needs an absolute path, found {endpoint!r}")
        if len(os.fsencode(address)) > IPC_PATH_BYTES_MAX:
            raise EndpointError(
                f"an ipc path has at most {IPC_PATH_BYTES_MAX} bytes, found "
                f"{len(os.fsencode(address))} in {endpoint!r}: use a shorter folder"
            )
    return scheme, address


def _require_host(endpoint: str, address: str, has_keys: bool, advice: str) -> None:
    host, separator, port = address.rpartition(":")
    host = host.strip("[]")
    port_ok = port == "*" or (port.isdecimal() and 0 < int(port) < 65_536)
    if not separator or not _HOST.fullmatch(host) or not port_ok:
        raise EndpointError(f"expected tcp://HOST:PORT, found {endpoint!r}")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback and not has_keys:
        raise EndpointError(
            f"{endpoint!r} leaves this host, and the stream is neither encrypted nor "
            f"authenticated: {advice}"
        )


class Binding:
    """A bound address; :meth:`close` gives it back."""

    def __init__(
        self, socket: "zmq.Socket[bytes]", endpoint: str, *, has_keys: bool = False
    ) -> None:
        scheme, address = split_endpoint(endpoint, has_keys=has_keys)
        self.endpoint = endpoint
        self._path: Path | None = None
        self._lock_fd = -1
        if scheme == "ipc":
            self._path = Path(address)
            self._claim(endpoint)
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise _bind_error(endpoint, error) from None
        if scheme == "tcp":
            self.endpoint = socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def _claim(self, endpoint: str) -> None:
        """Lock an ipc path, so that nobody else binds it."""
        assert self._path is not None
        os.close(_open_private_folder(self._path.parent))
        try:
            self._lock_fd = lock_file(self._path.with_name(self._path.name + ".lock"))
        except BlockingIOError:
            raise EndpointError(
                f"{endpoint!r} is in use by another process: choose another path, or stop it"
            ) from None
        except OSError as error:
            raise EndpointError(f"can't lock {endpoint!r}: {error.strerror}") from None

    def close(self) -> None:
        """Remove what the binding put into the file system. Close the socket first."""
        if self._lock_fd < 0 or self._path is None:
            return
        for path in (self._path, self._path.with_name(self._path.name + ".lock")):
            with contextlib.suppress(OSError):
                path.unlink()
        os.close(self._lock_fd)
        self._lock_fd = -1
        clear_orphaned(self.endpoint)


def _bind_error(endpoint: str, error: zmq.ZMQError) -> EndpointError:
    if error.errno == errno.EADDRINUSE:
        return EndpointError(
            f"{endpoint!r} is in use by another process: choose another port or path, or stop it"
        )
    return EndpointError(f"can't bind {endpoint!r}: {zmq.strerror(error.errno or 0)}")


def _open_private_folder(folder: Path, *, make: bool = True) -> int:
    """Return a descriptor of a folder, made if need be, once it is known to be private.

    A link is never followed: whoever may write beside it could have it lead anywhere.
    """
    try:
        if make:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700, parents=False)
        fd = os.open(folder, _OPEN_FOLDER)
    except OSError as error:
        link = error.errno in (errno.ELOOP, errno.ENOTDIR) and folder.is_symlink()
        why = "it is a symbolic link, use the folder itself" if link else error.strerror
        raise EndpointError(
            f"can't use the folder {str(folder)!r} for an ipc address: {why}"
        ) from None
    status = os.fstat(fd)
    if not _is_private(status):
        os.close(fd)
        raise EndpointError(
            f"the folder {str(folder)!r} of an ipc address must belong to you with mode 0700, "
            f"found mode {stat.S_IMODE(status.st_mode):04o} of user {status.st_uid}: others could "
            "reach the stream; use a private subfolder"
        )
    return fd


def _is_private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o077


def require_own_folder(address: str, *, missing_ok: bool = False) -> None:
    """Check that only this user can have bound an ipc address.

    Raises
    ------
    EndpointError
        If others may write into its folder.
    """
    folder = Path(address).parent
    if not (missing_ok and not folder.exists()):
        os.close(_open_private_folder(folder, make=False))


def lock_file(path: Path) -> int:
    """Create and lock a file; return its descriptor.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder before us may have unlinked the file between our open and our lock.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(fd).st_ino:
                    return fd
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _runtime_folder() -> Path:
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and len(base) < IPC_PATH_BYTES_MAX // 2 and os.access(base, os.W_OK):
        return Path(base) / "tapewire"
    return Path(tempfile.gettempdir()) / f"tapewire-{os.geteuid()}"


@contextlib.contextmanager
def private_endpoint() -> Iterator[str]:
    """Give an ipc address in a fresh private folder, removed at the end.

    Folders whose owner was killed are removed by who was connected, or by a later call.

    Raises
    ------
    EndpointError
        If no private folder can be made.
    """
    base = _runtime_folder()
    base_fd = _open_private_folder(base)
    try:
        _sweep(base_fd)
        name = secrets.token_hex(_NAME_BYTES)
        folder = base / name
        try:
            os.mkdir(name, mode=0o700, dir_fd=base_fd)
            fd = lock_file(folder / _OWNER_LOCK)
        except OSError as error:
            raise EndpointError(f"can't make a private folder in {str(base)!r}: {error}") from None
        try:
            yield f"ipc://{folder}/{_STREAM}"
        finally:
            with contextlib.suppress(OSError), _opened(name, base_fd) as folder_fd:
                _remove(name, folder_fd, base_fd)
            os.close(fd)
    finally:
        os.close(base_fd)


def clear_orphaned(endpoint: str) -> None:
    """Remove the folder of an address whose owner was killed. Never raises.

    Who was connected calls it. An owner that lives holds its lock, and has held it since before
    anybody knew the address.
    """
    scheme, _, address = endpoint.partition("://")
    folder = Path(address).parent
    if scheme != "ipc" or not _NAME.fullmatch(folder.name):
        return
    with contextlib.suppress(OSError, EndpointError):
        base_fd = _open_private_folder(folder.parent, make=False)
        try:
            with _opened(folder.name, base_fd) as folder_fd:
                _remove_if_stale(folder.name, folder_fd, base_fd, after_s=-math.inf)
        finally:
            os.close(base_fd)


def _sweep(base_fd: int) -> None:
    """Remove the folders of owners that are gone, and nothing else.

    What is removed has a name as :func:`private_endpoint` gives them, is a folder of this user
    that nobody else may enter, and holds only files that belong there. No link is followed, and
    nothing is removed with what is in it.
    """
    for name in os.listdir(base_fd):
        if _NAME.fullmatch(name):
            with contextlib.suppress(OSError), _opened(name, base_fd) as folder_fd:
                _remove_if_stale(name, folder_fd, base_fd)


def _remove_if_stale(
    name: str, folder_fd: int, base_fd: int, *, after_s: float = _STALE_AFTER_S
) -> None:
    status = os.fstat(folder_fd)
    # Age first: a folder is without its lock for a moment after it is made.
    age_s = time.time() - status.st_mtime  # wall clock: file times
    if age_s < after_s or not _is_private(status):
        return
    try:
        lock_fd = os.open(
            _OWNER_LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder_fd
        )
    except FileNotFoundError:  # its owner was killed before it could lock
        _remove(name, folder_fd, base_fd)
        return
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(name, folder_fd, base_fd)
    finally:
        os.close(lock_fd)


def _remove(name: str, folder_fd: int, base_fd: int) -> None:
    """Remove a folder of ours, unless there is anything in it that we did not put there."""
    if set(os.listdir(folder_fd)) <= _OWN_FILES:
        for file in sorted(_OWN_FILES):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file, dir_fd=folder_fd)
        os.rmdir(name, dir_fd=base_fd)


@contextlib.contextmanager
def _opened(name: str, base_fd: int) -> Iterator[int]:
    fd = os.open(name, _OPEN_FOLDER, dir_fd=base_fd)
    try:
        yield fd
    finally:
        os.close(fd)
