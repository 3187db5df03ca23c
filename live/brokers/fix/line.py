"""The connection to a gateway: made, written and read without ever waiting."""

import errno
import select
import socket
import ssl
import threading
from typing import Any, Final

from tapewire.live.brokers.fix.settings import FixSettings

READ_BYTES: Final = 65_536
#: Reads at one call: a venue that sends faster than it is read keeps nobody from the rest.
_READS_MAX: Final = 16
_MS_PER_S: Final = 1_000
_UNDER_WAY: Final = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


class LineCutError(Exception):
    """There is no connection, or none any more."""


class _Lookup:
    """A host's address, looked up beside: the system may take many seconds for a name.

    A lookup that is given up goes on until the system's own time for it is over.

    Parameters
    ----------
    host, port
    """

    def __init__(self, host: str, port: int) -> None:
        self._asked = (host, port)
        self._is_done = threading.Event()
        self._found: tuple[Any, ...] | OSError = OSError("not looked up yet")
        threading.Thread(target=self._look_up, name="tapewire-lookup", daemon=True).start()

    def _look_up(self) -> None:
        try:
            self._found = socket.getaddrinfo(*self._asked, type=socket.SOCK_STREAM)[0]
        except OSError as error:
            self._found = error
        except Exception as error:  # a name that can't even be asked for
            self._found = OSError(str(error))
        self._is_done.set()

    def wait(self, wait_s: float) -> None:
        """Wait until it is done, or for so long."""
        self._is_done.wait(wait_s)

    def address(self) -> tuple[Any, ...] | None:
        """Return what `socket.getaddrinfo` has found; None: nothing yet.

        Raises
        ------
        OSError
            If there is no such host, or nobody can say.
        """
        if not self._is_done.is_set():
            return None
        if isinstance(self._found, OSError):
            raise self._found
        return self._found


class GatewayLine:
    """One connection, begun when it is made; `advance` says what becomes of it."""

    def __init__(self, settings: FixSettings) -> None:
        self._settings = settings
        self._lookup = _Lookup(settings.host, settings.port)
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLSocket | None = None
        self._wants_write = True
        self.is_open = False

    @property
    def _line(self) -> socket.socket:
        line = self._tls or self._socket
        if line is None:
            raise LineCutError("can't be reached: its address is still looked up")
        return line

    def fileno(self) -> int | None:
        """Return the socket's; None: there is none yet."""
        return None if self._socket is None else self._line.fileno()

    def wait(self, wait_s: float, *, to_write: bool) -> None:
        """Wait until something can be read, or written if that is wanted, or for so long."""
        if self._tls is not None and self._tls.pending():
            return
        fd = self.fileno()
        if fd is None:
            self._lookup.wait(wait_s)
            return
        waiting = select.poll()
        is_to_write = to_write or (not self.is_open and self._wants_write)
        waiting.register(fd, select.POLLIN | (select.POLLOUT if is_to_write else 0))
        waiting.poll(wait_s * _MS_PER_S)

    def advance(self) -> bool:
        """Go on with connecting; return whether bytes can go both ways now.

        Raises
        ------
        LineCutError
            If it failed.
        """
        if self.is_open:
            return True
        try:
            if self._socket is None and not self._has_begun():
                return False
            if self._tls is None and not self._has_connected():
                return False
            if self._tls is not None:
                self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._wants_write = False
            return False
        except ssl.SSLWantWriteError:
            self._wants_write = True
            return False
        except OSError as error:  # ssl's own among them
            what = getattr(error, "verify_message", "") or error.strerror or str(error)
            raise LineCutError(f"can't be reached: {what}") from None
        self.is_open = True
        return True

    def _has_begun(self) -> bool:
        """Begin to connect, once there is an address."""
        found = self._lookup.address()
        if found is None:
            return False
        family, kind, protocol, _, address = found
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = self._socket.connect_ex(address)
        if code not in _UNDER_WAY:
            raise OSError(code, errno.errorcode.get(code, "unknown"))
        return True

    def _has_connected(self) -> bool:
        assert self._socket is not None
        waiting = select.poll()
        waiting.register(self._socket, select.POLLOUT)
        if not waiting.poll(0):
            return False
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise ConnectionError(code, errno.errorcode.get(code, "unknown"))
        if self._settings.tls:
            context = ssl.create_default_context()
            self._tls = context.wrap_socket(
                self._socket, server_hostname=self._settings.host, do_handshake_on_connect=False
            )
        return True

    def read(self) -> bytes:
        """Return what has come; empty: nothing.

        Raises
        ------
        LineCutError
            If the other end has hung up, and nothing more has come.
        """
        found = b""
        for _ in range(_READS_MAX):
            try:
                data = self._line.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return found
            except OSError as error:
                if found:
                    return found
                raise LineCutError(f"has cut the line: {error.strerror or error}") from None
            if not data:
                if found:
                    return found
                raise LineCutError("has hung up")
            found += data
        return found

    def write(self, data: bytearray) -> None:
        """Send what goes, and take it off.

        Raises
        ------
        LineCutError
            If nothing goes any more.
        """
        while data:
            try:
                del data[: self._line.send(data[:READ_BYTES])]
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                raise LineCutError(f"has cut the line: {error.strerror or error}") from None

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._line.close()
