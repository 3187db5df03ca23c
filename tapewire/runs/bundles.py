"""A bundle: what it takes to repeat a run and to say where a repetition goes another way.

A zip file with the run's configuration, manifest and rows (orders, fills), the source of strategies
that did not come along, and, if asked for, its inputs. ``bundle.json``, its first entry, has size
and SHA-256 of every other one; nothing else is read of it, so what an archive of somebody else's
holds is bounded, and never written anywhere but under a new folder.
"""

import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final

from tapewire.analytics.run_folder import MANIFEST, sha256_of
from tapewire.atomic import atomic_file, output_errors, require_replaceable
from tapewire.compiled.user_sources import roots_of
from tapewire.errors import ConfigError, FormatError, MissingFileError, OutputError
from tapewire.runs.hooks import Hooks
from tapewire.runs.same_inputs import difference

if TYPE_CHECKING:
    from tapewire.analytics import Run

#: Of what is read of it; a bundle of another version is refused.
FORMAT_VERSION: Final = 1
#: What of a run folder is packed beside its manifest.
PACKED: Final = ("config.yaml", "orders.parquet", "fills.parquet")
_INDEX: Final = "bundle.json"
#: What reading an archive raises that is none, or a damaged one.
_DAMAGED: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
    struct.error, OSError,
)  # fmt: skip
_INDEX_BYTES_MAX: Final = 1 << 20
_ENTRIES_MAX: Final = 10_000
_CHUNK_BYTES: Final = 1 << 20
_BYTES_PER_MB: Final = 10**6
#: The same bytes whenever it is packed.
_TIME: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundle:
    """A bundle that was unpacked.

    Attributes
    ----------
    folder
        Where: ``run``, ``code`` and ``data`` below it.
    run
        Its run, as a folder that can be read like any other.
    code
        Where each of its strategies' files is now, by where it was.
    data
        Where each packed input is now, by where it was.
    """

    folder: Path
    run: Path
    code: Mapping[str, Path] = field(default_factory=dict)
    data: Mapping[str, Path] = field(default_factory=dict)


def pack(
    run: "Run",
    path: Path,
    *,
    with_data: bool = False,
    force: bool = False,
    hooks: Hooks | None = None,
) -> int:
    """Write a bundle of a run; return its size in bytes.

    Parameters
    ----------
    run
        A complete run.
    path
        The file.
    with_data
        Pack its inputs, too.
    force
        Replace a file that is there.
    hooks
        Whose `working` shows how far it is.

    Raises
    ------
    ConfigError
        If the run is not complete, or is a backtest on candles.
    MissingFileError, FormatError
        If a file of the run, of its strategies, or an input to be packed, is gone or has changed.
    OutputError
        If the file is there, or can't be written.
    """
    if run.manifest["status"] != "complete":
        raise ConfigError(
            f"{run.path}: expected a complete run, found one that is {run.manifest['status']}"
        )
    if run.manifest.get("kind") == "candles":
        raise ConfigError(
            f"{run.path}: expected a run of tapewire run, found a backtest on candles: its "
            "strategy.json and its bars are all that it takes to repeat it"
        )
    require_replaceable(path)
    if path.exists() and not force:
        raise OutputError(f"{path} is there; --force replaces it")
    entries = _rows_of(run)
    code = _code_of(run)
    entries |= code
    data = _data_of(run) if with_data else {}
    entries |= data
    total = sum(file.stat().st_size for file in entries.values())
    index = {
        "bundle": FORMAT_VERSION,
        "run": run.path.resolve().name,
        "digest": run.manifest["digest"],
        "code": {str(file): name for name, file in code.items()},
        "data": {str(file): name for name, file in data.items()},
        "files": {name: _described(file) for name, file in entries.items()},
    }
    done = 0
    with (
        atomic_file(path) as target,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
        (hooks or Hooks()).working("packing", total // _BYTES_PER_MB) as tell,
    ):
        archive.writestr(_info(_INDEX), json.dumps(index, indent=1))
        for name, file in entries.items():
            with file.open("rb") as source, archive.open(_info(name), "w", force_zip64=True) as to:
                while chunk := source.read(_CHUNK_BYTES):
                    to.write(chunk)
                    done += len(chunk)
                    tell(done // _BYTES_PER_MB)
    return path.stat().st_size


def unpack(path: Path, folder: Path) -> Bundle:
    """Unpack a bundle into an empty folder, and hold every file against what it says of it.

    Raises
    ------
    MissingFileError, FormatError
        If there is none, or it is damaged, or of another version.
    """
    if not path.is_file():
        raise MissingFileError(f"expected a bundle, found no file at {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            index = _index_of(archive, path)
            for name, facts in index["files"].items():
                _extract(archive, name, facts, folder / name, path)
    except _DAMAGED as error:
        raise FormatError(
            f"{path}: expected a bundle, found a file that is none: {error}"
        ) from None
    missing = {"run/config.yaml", f"run/{MANIFEST}"} - index["files"].keys()
    if missing:
        raise FormatError(f"{path}: expected {', '.join(sorted(missing))} in it, found none")
    return Bundle(
        folder=folder,
        run=folder / "run",
        code={was: folder / name for was, name in index["code"].items()},
        data={was: folder / name for was, name in index["data"].items()},
    )


def _rows_of(run: "Run") -> dict[str, Path]:
    """Return the run's own files, which have to be as the run wrote them."""
    files = run.manifest["files"]
    for name in PACKED:
        if name in files and _described(run.path / name) != files[name]:
            raise FormatError(
                f"{run.path / name}: expected it as the run wrote it, found it changed"
            )
    return {
        f"run/{name}": run.path / name for name in (MANIFEST, *PACKED) if name in (MANIFEST, *files)
    }


def _code_of(run: "Run") -> dict[str, Path]:
    """Return the files of strategies that did not come along, by their name in the bundle."""
    found: dict[str, Path] = {}
    for k, source in enumerate(run.manifest["strategy_sources"]):
        root = roots_of(Path(source["file"]))[-1]
        for one in (source, *source["helpers"]):
            file = Path(one["file"])
            if not file.is_file():
                raise MissingFileError(f"expected {file}, of which the run was made, found no file")
            if _described(file)["sha256"] != one["sha256"]:
                raise FormatError(
                    f"expected {file} as the run was made of it (sha256 {one['sha256'][:12]}…), "
                    "found it changed: run again, and bundle that run"
                )
            found[f"code/{k}/{file.relative_to(root)}"] = file
    return found


def _data_of(run: "Run") -> dict[str, Path]:
    """Return the run's inputs by their name in the bundle.

    Files of one folder stay in one: symbology lies beside what goes by it.
    """
    found: dict[str, Path] = {}
    folders: dict[Path, int] = {}
    for one in run.manifest["inputs"]:
        file = Path(one["file"])
        k = folders.setdefault(file.parent, len(folders))
        fault = difference(one, file)
        if fault is not None:
            raise fault
        found[f"data/{k}/{file.name}"] = file
    return found


def _described(file: Path) -> dict[str, Any]:
    try:
        return {"bytes": file.stat().st_size, "sha256": sha256_of(file)}
    except FileNotFoundError:
        raise MissingFileError(f"expected {file}, which the run wrote, found no file") from None


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _index_of(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    """Read ``bundle.json``, and refuse what this version does not write."""
    try:
        info = archive.getinfo(_INDEX)
    except KeyError:
        raise FormatError(f"{path}: expected {_INDEX} in it, found none") from None
    if info.file_size > _INDEX_BYTES_MAX:
        raise FormatError(
            f"{path}: expected at most {_INDEX_BYTES_MAX:,} bytes of {_INDEX}, "
            f"found {info.file_size:,}"
        )
    try:
        with archive.open(info) as file:
            index = json.loads(file.read(_INDEX_BYTES_MAX + 1))
        version = index["bundle"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FormatError(f"{path}: expected {_INDEX} of a bundle, found another") from None
    if version != FORMAT_VERSION:
        raise FormatError(f"{path}: expected a bundle of version {FORMAT_VERSION}, found {version}")
    if not _is_sound(index):
        raise FormatError(f"{path}: expected {_INDEX} of a bundle, found another")
    return dict(index)


def _is_sound(index: Any) -> bool:
    """Whether it names files as they are packed, each within the folder it is unpacked into."""
    try:
        files, places = index["files"], [index["code"], index["data"]]
        return (
            len(files) <= _ENTRIES_MAX
            and all(map(_is_within, files))
            and all(
                isinstance(one["bytes"], int) and isinstance(one["sha256"], str)
                for one in files.values()
            )
            and all(name in files for place in places for name in place.values())
        )
    except (KeyError, TypeError, AttributeError):
        return False


def _is_within(name: str) -> bool:
    path = PurePosixPath(name)
    odd = path.is_absolute() or "\\" in name or "\0" in name or ".." in path.parts
    return not odd and len(path.parts) >= 2 and path.parts[0] in ("run", "code", "data")


def _extract(
    archive: zipfile.ZipFile, name: str, facts: Mapping[str, Any], to: Path, path: Path
) -> None:
    """Write one entry, no more bytes than it is said to have."""
    try:
        source = archive.open(name)
    except KeyError:
        raise FormatError(f"{path}: expected {name} in it, found none") from None
    content, size = hashlib.sha256(), 0
    to.parent.mkdir(parents=True, exist_ok=True)
    with source, output_errors(to), to.open("xb") as target:
        for chunk in _chunks(source):
            size += len(chunk)
            if size > facts["bytes"]:
                break
            content.update(chunk)
            target.write(chunk)
    if size != facts["bytes"] or content.hexdigest() != facts["sha256"]:
        raise FormatError(
            f"{path}: expected {name} with {facts['bytes']:,} bytes and sha256 "
            f"{facts['sha256'][:12]}…, found another content: the bundle is damaged"
        )


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    """Read an entry to its end; errors of the system in that are not about what is written."""
    while True:
        try:
            chunk = source.read(_CHUNK_BYTES)
        except OSError as error:
            raise EOFError(error.strerror) from None
        if not chunk:
            return
        yield chunk
