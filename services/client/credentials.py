"""Who somebody is at a server, kept between two commands in a file that nobody else may read."""

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from tapewire.atomic import atomic_file
from tapewire.errors import ConfigError, FormatError, MissingFileError

#: Bytes of the file at most.
_BYTES_MAX: Final = 1 << 20
#: How long another command may take to change it, which may have to wait for a server, s; and
#: between two looks.
_CHANGED_S_MAX: Final = 60.0
_LOOK_S: Final = 0.02


@dataclass(frozen=True)
class Credentials:
    """Tokens for one server.

    Attributes
    ----------
    server : str
        ``host:port``.
    access, refresh : str
    authority : str
        Path of certificates in PEM that the server's is held against; empty: no encryption.
    """

    server: str
    access: str
    refresh: str
    authority: str = ""

    def with_authority(self, path: Path | None) -> "Credentials":
        """Return the same for a server whose certificate is held against those of a file."""
        return replace(self, authority=str(path.resolve()) if path is not None else "")

    def keep(self, path: Path) -> None:
        """Write it beside those for other servers."""
        with _changing(path):
            self._put(path)

    def renewed(self, path: Path, renew: Callable[["Credentials"], "Credentials"]) -> "Credentials":
        """Return fresh ones and keep them: those of another command that was faster, or new ones.

        A refresh token is good once, and who shows one that was used is taken for a thief: of
        commands that have the same one, one at a time may use it.

        Raises
        ------
        ConfigError
            If there are none by now, or another command does not end.
        """
        with _changing(path):
            kept = Credentials.of(path, self.server)
            if kept.refresh == self.refresh:
                kept = renew(kept)
                kept._put(path)
            return kept

    def _put(self, path: Path) -> None:
        kept = _all(path)
        kept[self.server] = asdict(self)
        _write(path, kept)

    @staticmethod
    def of(path: Path, server: str) -> "Credentials":
        """Read those for a server.

        Raises
        ------
        ConfigError
            If there are none, or others may read the file.
        """
        found = _all(path).get(server)
        if found is None:
            raise ConfigError(f"{server}: expected a login, found none: tapewire login {server}")
        return Credentials(**found)

    @staticmethod
    def drop(path: Path, server: str) -> None:
        """Forget those for a server."""
        with _changing(path):
            kept = _all(path)
            if kept.pop(server, None) is not None:
                _write(path, kept)


def default_path() -> Path:
    """Where they are kept: under ``XDG_CONFIG_HOME``, else ``~/.config``."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "tapewire" / "servers.json"


def authority_of(path: Path | None) -> bytes | None:
    """Read certificates in PEM.

    Raises
    ------
    MissingFileError
        If there is no such file.
    """
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise MissingFileError(f"{path}: expected certificates in PEM: {error.strerror}") from None


def _all(path: Path) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    found = path.stat()
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(
            f"{path}: expected a file that you alone may read, found mode "
            f"{stat.S_IMODE(found.st_mode):o}: chmod 600 it"
        )
    if found.st_size > _BYTES_MAX:
        raise FormatError(f"{path}: expected at most {_BYTES_MAX:,} bytes, found {found.st_size:,}")
    try:
        kept = json.loads(path.read_text())
        fits = all(
            {"server", "access", "refresh", "authority"} == set(one) for one in kept.values()
        )
    except (ValueError, AttributeError, TypeError):
        fits = False
    if not fits:
        raise FormatError(f"{path}: expected logins as tapewire login writes them; delete it")
    return dict(kept)


@contextlib.contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Be the one command that changes it; the system lets go of it with its process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be changed ({error.strerror}): mend its folder, or name another one's "
            "with XDG_CONFIG_HOME"
        ) from None
    try:
        until_s = time.monotonic() + _CHANGED_S_MAX
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise ConfigError(
                        f"{path}: another command has been changing it for {_CHANGED_S_MAX:.0f} s; "
                        "end that one and try again"
                    ) from None
                time.sleep(_LOOK_S)
        yield
    finally:
        os.close(fd)


def _write(path: Path, kept: dict[str, dict[str, str]]) -> None:
    with atomic_file(path, mode=0o600) as file:
        file.write(json.dumps(kept, indent=1).encode())
