"""Files that hosts have to agree on: where they are, and a hash of what is in them."""

import functools
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import xxhash

from tapewire.analytics.run_folder import sha256_of
from tapewire.compiled import kernel_cache
from tapewire.compiled.user_sources import own_sources
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError
from tapewire.runs.manifest import strategy_sources
from tapewire.runs.versions import versions

_CHUNK: Final = 1 << 20
#: Versions that may differ between hosts.
_OF_A_HOST: Final = ("platform",)


def placed_files(document: Mapping[str, Any]) -> tuple[dict[str, Any], list[Path]]:
    """Return a configuration that says every file from the root on, and the files.

    Parameters
    ----------
    document
        Plain values of a checked configuration. What is text and the name of a file is one; of
        ``file.py:NAME`` the file, with those of its own that it imports.
    """
    found: dict[Path, None] = {}

    def placed(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: placed(one) for key, one in value.items()}
        if isinstance(value, list):
            return [placed(one) for one in value]
        if not isinstance(value, str) or not value or "\0" in value:
            return value
        path, colon, name = value.rpartition(":")
        if colon and path.endswith(".py") and _is_file(path):
            source = Path(path).absolute()
            found.update(dict.fromkeys(own_sources(source)))
            return f"{source}:{name}"
        if not _is_file(value):
            return value
        found[Path(value).absolute()] = None
        return str(Path(value).absolute())

    whole = placed(document)
    assert isinstance(whole, dict)
    return whole, list(found)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # longer than a name may be
        return False


def content_of(path: Path) -> dict[str, Any]:
    """Return what a file is: ``file``, ``bytes`` and ``xxh3_128``.

    It is read once by each process, unless it changes meanwhile.

    Raises
    ------
    ConfigError
        If it can't be read.
    """
    try:
        status = path.stat()
        digest = _hash(str(path), status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise _unreadable(path, error) from None
    return {"file": str(path), "bytes": status.st_size, "xxh3_128": digest}


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path} on {socket.gethostname()}: expected a file, found {error.strerror}")


@functools.lru_cache(maxsize=100_000)
def _hash(path: str, inode: int, size: int, mtime_ns: int) -> str:
    hashed = xxhash.xxh3_128()
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def require_contents(expected: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a host on which a file is missing, or another.

    Raises
    ------
    ConfigError
        Naming host and file.
    """
    for one in expected:
        found = content_of(Path(one["file"]))
        for key in ("bytes", "xxh3_128"):
            if found[key] != one[key]:
                raise ConfigError(
                    f"{one['file']} on {socket.gethostname()}: expected {key} {one[key]}, as where "
                    f"the study was begun, found {found[key]}: every node needs the same files"
                )


@functools.cache
def software() -> dict[str, str]:
    """Return what makes results on this host: versions, and a hash of all rooms' sources."""
    found = {name: of for name, of in versions().items() if name not in _OF_A_HOST}
    root = Path(kernel_cache.__file__).parents[1]
    return {**found, "sources": kernel_cache.room_keys(root)[""]}


def made_by(config: RunConfig) -> dict[str, Any]:
    """Return what makes the results of trials beside a configuration, JSON-ready.

    ``versions``: see `software`; ``strategy_sources``: sha256 of the strategies' files, and of
    those of models in processes of their own, by path.
    """
    files = [file for one in strategy_sources(config) for file in (one, *one["helpers"])]
    _, models = placed_files({"models": [one.model for one in config.strategy if one.model]})
    return {
        "versions": software(),
        "strategy_sources": {file["file"]: file["sha256"] for file in files}
        | {str(file): _sha256(file) for file in models},
    }


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise _unreadable(path, error) from None


def require_software(expected: Mapping[str, str]) -> None:
    """Refuse a host whose Tapewire, or what it stands on, is another.

    Raises
    ------
    ConfigError
        Naming host and package.
    """
    for name, found in _differing(expected):
        raise ConfigError(
            f"{socket.gethostname()}: expected {name} {expected.get(name)}, as where the study was "
            f"begun, found {found}: every node needs the same versions"
        )


def _differing(expected: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, found in software().items():
        if expected.get(name) != found:
            yield name, found
