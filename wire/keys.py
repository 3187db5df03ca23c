"""Keys for a connection that leaves this host: CURVE of ZeroMQ, pairs of them and lists of others'.

A pair is two files, as other users of ZeroMQ write them: ``NAME.key`` with the public key, to be
given to the other end, and ``NAME.key_secret`` with both, which nobody but its owner may read.
"""

import os
import re
import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import zmq
from zmq.utils import z85

from tapewire.atomic import atomic_file
from tapewire.errors import ConfigError, OutputError

PUBLIC_SUFFIX: Final = ".key"
SECRET_SUFFIX: Final = ".key_secret"
#: Of one list of those who may connect.
ALLOWED_MAX: Final = 1_024
_FILE_BYTES_MAX: Final = 4_096
_NAME: Final = re.compile(r"\w[\w.-]{0,63}", re.ASCII)
_Z85: Final = re.compile(r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_LINE: Final = re.compile(r'^\s*(public|secret)-key\s*=\s*"(.*)"\s*$', re.MULTILINE)


@dataclass(frozen=True)
class KeyPair:
    """Both keys of one end, 40 characters of Z85 each."""

    public: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class ServerKeys:
    """What the bound end has: its pair, and the public keys of those who may connect."""

    pair: KeyPair
    allowed: frozenset[str]


@dataclass(frozen=True)
class ClientKeys:
    """What the connecting end has: its pair, and the public key that the other end must prove."""

    pair: KeyPair
    server: str


def make_pair() -> KeyPair:
    """Make a new pair."""
    public, secret = zmq.curve_keypair()
    return KeyPair(str(public, "ascii"), str(secret, "ascii"))


def write_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a new pair and write it; return the files of its public key and of both.

    Raises
    ------
    ConfigError
        If the name is none.
    OutputError
        If one of the files is there already, or can't be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"expected a name of up to 64 letters, digits, '_', '-' and '.', found {name!r}"
        )
    public_file, secret_file = folder / f"{name}{PUBLIC_SUFFIX}", folder / f"{name}{SECRET_SUFFIX}"
    for path in (secret_file, public_file):
        if path.exists() or path.is_symlink():
            raise OutputError(
                f"{path}: is there already, and keys are never replaced: choose another name, or "
                "move it away"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from None
    pair = make_pair()
    public = f'curve\n    public-key = "{pair.public}"\n'
    with atomic_file(secret_file, mode=0o600) as file:
        file.write(f'# Both keys of {name}: for nobody else.\n{public}    '
                   f'secret-key = "{pair.secret}"\n'.encode())  # fmt: skip
    with atomic_file(public_file) as file:
        file.write(f"# The public key of {name}: for the other end.\n{public}".encode())
    return public_file, secret_file


def read_pair(path: Path) -> KeyPair:
    """Read both keys of an end.

    Raises
    ------
    ConfigError
        If the file is not there, others may read it, or it does not hold a pair.
    """
    text, status = _read(path, "a file of both keys")
    if status.st_mode & 0o077 or status.st_uid not in (os.geteuid(), 0):
        raise ConfigError(
            f"{path}: expected a file that only you may read (mode 0600), found mode "
            f"{stat.S_IMODE(status.st_mode):04o} of user {status.st_uid}: chmod 600 it, and make a "
            "new pair if somebody may have read it"
        )
    keys = dict(_LINE.findall(text))
    if not all(is_key(keys.get(kind, "")) for kind in ("public", "secret")):
        raise ConfigError(
            f"{path}: expected a public-key and a secret-key of 40 characters each, as tapewire "
            "keys new writes them, found none or malformed ones"
        )
    pair = KeyPair(keys["public"], keys["secret"])
    if zmq.curve_public(pair.secret.encode()) != pair.public.encode():
        raise ConfigError(f"{path}: its public key does not belong to its secret key")
    return pair


def is_key(text: str) -> bool:
    """Whether a text is a key: 40 characters that stand for 32 bytes."""
    if not _Z85.fullmatch(text):
        return False
    try:
        z85.decode(text)
    except struct.error:  # five characters that stand for more than four bytes
        return False
    return True


def names_file(entry: str, base: Path) -> bool:
    """Whether an entry of a list of keys names a file or folder rather than being a key itself."""
    return (
        entry.endswith((PUBLIC_SUFFIX, SECRET_SUFFIX))
        or not is_key(entry)
        or path_in(entry, base).exists()
    )


def path_in(entry: str, base: Path) -> Path:
    """Return the path that an entry names, seen from a folder."""
    try:
        return base / Path(entry).expanduser()
    except RuntimeError:  # a home of nobody's: there is no such file, and that is said
        return base / entry


def read_public(entry: str) -> frozenset[str]:
    """Read public keys: one as it is, or of a file, or of all ``*.key`` files in a folder.

    Raises
    ------
    ConfigError
        If it is none of these.
    """
    if not names_file(entry, Path.cwd()):
        return frozenset((entry,))
    path = path_in(entry, Path())
    if not _is_folder(path):
        return frozenset((_read_public_file(path),))
    try:
        files = sorted(file for file in path.iterdir() if file.name.endswith(PUBLIC_SUFFIX))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    if not files:
        raise ConfigError(f"{path}: expected files *{PUBLIC_SUFFIX} in the folder, found none")
    return _bounded(_read_public_file(file) for file in files[: ALLOWED_MAX + 1])


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # too long a name, say: reading it tells
        return False


def read_allowed(entries: Iterable[str]) -> frozenset[str]:
    """Read the public keys of a list, whose entries are as `read_public` takes them.

    Raises
    ------
    ConfigError
        If one can't be read, or there are too many.
    """
    return _bounded(key for entry in entries for key in read_public(entry))


def _bounded(keys: Iterable[str]) -> frozenset[str]:
    found = frozenset(keys)
    if len(found) > ALLOWED_MAX:
        raise ConfigError(f"expected at most {ALLOWED_MAX:,} public keys, found more")
    return found


def _read_public_file(path: Path) -> str:
    text, _ = _read(path, "a public key of 40 characters, or a file or folder of such")
    keys: list[str] = [key for kind, key in _LINE.findall(text) if kind == "public"]
    if len(keys) != 1 or not is_key(keys[0]):
        raise ConfigError(
            f"{path}: expected one public-key of 40 characters, as tapewire keys new writes it, "
            f"found {len(keys) or 'none'}{' malformed' if keys else ''}"
        )
    return keys[0]


def _read(path: Path, expected: str) -> tuple[str, os.stat_result]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: expected {expected}: {why}") from None
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path}: expected {expected}, found no plain file")
        content = file.read(_FILE_BYTES_MAX + 1)
    if len(content) > _FILE_BYTES_MAX:
        raise ConfigError(
            f"{path}: expected {expected} of at most {_FILE_BYTES_MAX:,} bytes, found more"
        )
    return content.decode(errors="replace"), status
