"""Rows of a batch, block by block: each in order, and kept for a batch that goes on, if asked for.

A block is some variants on one file. Threads are done with them in any order; what is written is in
the grid's, so that one batch is one file, byte for byte, whoever was faster and however often it
was stopped. Kept blocks lie beside the output in ``.NAME.kept``, a Parquet file each, with what the
batch is in ``batch.json``, which is there before the first of them.
"""

import hashlib
import importlib.metadata
import importlib.resources
import json
import os
import shutil
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.analytics.run_folder import sha256_of
from tapewire.atomic import atomic_file, atomic_write, output_errors
from tapewire.errors import (
    ConfigError,
    FormatError,
    InterruptedRunError,
    MissingFileError,
    OutputError,
)
from tapewire.inputs.candle_outputs import stoppable, streamed_tables
from tapewire.inputs.kept_work import first_difference, require_ours, require_plain

if TYPE_CHECKING:
    import pyarrow as pa

#: Variants of a block: so many rows are in memory until the last of them is there.
BLOCK_ROWS: Final = 65_536
_BATCH: Final = "batch.json"
_VERSION: Final = 1
#: Beside the sources, what can change a row.
_PACKAGES: Final = ("tapewire", "numpy", "numba", "pyarrow")
#: The same, of indicators, where it is installed.
_OPTIONAL: Final = ("TA-Lib",)


class BatchBlocks:
    """Takes the blocks of a batch, each once, and in order.

    Parameters
    ----------
    write
        Takes tables for the output.
    folder
        Where blocks are kept; None: nowhere.
    """

    def __init__(self, write: Callable[["pa.Table"], None], folder: Path | None) -> None:
        self._write = write
        self._folder = folder
        self._count = 0

    def rows_kept(self) -> int | None:
        """Rows of the next block, which is skipped, if it is there from before; else None.

        Raises
        ------
        FormatError
            If it is damaged.
        """
        if self._folder is None or not os.path.lexists(path := self._path(self._count)):
            return None
        rows: int = _read(path).num_rows
        self._count += 1
        return rows

    def add(self, tables: Sequence["pa.Table"], order: str) -> None:
        """Take the next block: its rows, and the column that says their order.

        Raises
        ------
        OutputError
            If it can't be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.concat_tables(tables).sort_by(order)
        if self._folder is None:
            self._write(table)
        else:
            path = self._path(self._count)
            with atomic_file(path, mode=0o600) as file, output_errors(path):
                pq.write_table(table, file, write_page_checksum=True)
        self._count += 1

    def finish(self) -> None:
        """Bring kept blocks to the output, in order."""
        if self._folder is not None:
            for number in range(self._count):
                self._write(_read(self._path(number)))

    def _path(self, number: int) -> Path:
        assert self._folder is not None
        return self._folder / f"{number:06}.parquet"


@contextmanager
def batch_blocks(
    output: Path,
    describe: Callable[[], Mapping[str, Any]],
    *,
    force: bool = False,
    checkpoint: bool = False,
    resume: bool = False,
) -> Iterator[BatchBlocks]:
    """Give what takes a batch's blocks; the output is there when all is done, whole.

    Parameters
    ----------
    output
        The Parquet file.
    describe
        Says what the batch is, as JSON has it, where blocks are kept: see `described`.
    force
        Replace a file that is there, and begin anew where blocks are kept.
    checkpoint
        Keep blocks.
    resume
        Go on with those that are there, and keep the others, too.

    Raises
    ------
    ConfigError
        If there is nothing to go on with, or it is another batch's, naming the first key that
        differs.
    FormatError
        If a kept block is damaged.
    OutputError, InterruptedRunError
        As writing; of kept blocks it says how to go on.
    """
    folder = output.with_name(f".{output.name}.kept")
    if resume and force:
        raise ConfigError("--force: expected without --resume, found with it")
    if resume and not (folder / _BATCH).exists():
        raise ConfigError(
            f"--resume: expected blocks of a batch that was stopped beside {output}, found none: "
            "begin one with --checkpoint"
        )
    if (folder / _BATCH).exists() and not resume and not force:
        raise OutputError(
            f"{folder}: holds blocks of a batch that was stopped: --resume goes on with them, "
            "--force begins anew"
        )
    keeps = checkpoint or resume
    try:
        with stoppable(), streamed_tables(output, force=force or resume) as write:
            if keeps:
                _open(folder, describe, resume=resume)
            elif force and os.path.lexists(folder):
                with output_errors(folder, "clear"):
                    shutil.rmtree(folder)
            blocks = BatchBlocks(write, folder if keeps else None)
            yield blocks
            blocks.finish()
        if keeps:
            shutil.rmtree(folder, ignore_errors=True)
    except (InterruptedRunError, OutputError) as error:
        if keeps and (folder / _BATCH).exists():
            with suppress(OSError):
                count = len(list(folder.glob("[0-9]*.parquet")))
                how = "the same command with --resume, not --checkpoint, goes on"
                error.args = (f"{error}; {count:,} blocks are kept: {how}",)
        raise


def described(
    request: Any, files: Sequence[tuple[Path, str]], rows: int, **more: Any
) -> dict[str, Any]:
    """Return what has to be the same for blocks of one batch to be those of another.

    Parameters
    ----------
    request
        What was typed, a dataclass.
    files
        Of bars, and what they are called.
    rows
        Variants, or strategies.
    more
        What else there is.

    Raises
    ------
    MissingFileError
        If a file can't be read.
    """
    from tapewire.compiled.kernel_cache import SOURCES_KEY

    return {
        "batch": _VERSION,
        "request": asdict(request),
        "rows": rows,
        **more,
        "inputs": [{"called": called, **content_of(path)} for path, called in files],
        "versions": _versions(),
        "time_zones": _time_zones(),
        "sources": SOURCES_KEY,
    }


def _versions() -> dict[str, str | None]:
    """Return the version of each package that can change a row; None: it is not installed."""
    found: dict[str, str | None] = {name: importlib.metadata.version(name) for name in _PACKAGES}
    for name in _OPTIONAL:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def _time_zones() -> str:
    """Return a hash of all time zones, as sessions and times of day find them.

    That is in the system's files first, then in a package.
    """
    digest = hashlib.sha256()
    for name in sorted(zoneinfo.available_timezones()):
        files = (Path(root, name) for root in zoneinfo.TZPATH)
        file: Any = next((one for one in files if one.is_file()), None)
        content = (file or importlib.resources.files("tzdata") / "zoneinfo" / name).read_bytes()
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()


def content_of(path: Path) -> dict[str, str]:
    """Return what a file holds, by its hash.

    Raises
    ------
    MissingFileError
        If it can't be read.
    """
    try:
        return {"sha256": sha256_of(path)}
    except OSError as error:
        raise MissingFileError(f"{path}: can't be read: {error.strerror}") from None


def _open(folder: Path, describe: Callable[[], Mapping[str, Any]], *, resume: bool) -> None:
    """Make the folder of kept blocks, empty; or see that what is there is of the same batch."""
    batch = json.loads(json.dumps(describe()))
    if not resume:
        with output_errors(folder, "make"):
            if os.path.lexists(folder):
                shutil.rmtree(folder)
            folder.mkdir(mode=0o700)
        atomic_write(folder / _BATCH, json.dumps(batch, indent=1))
        return
    require_ours(folder)
    path = folder / _BATCH
    require_plain(path)
    try:
        there = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise FormatError(
            f"{path}: expected what the batch is, as JSON, found {error}: begin anew with --force"
        ) from None
    if told := first_difference(there, batch):
        raise ConfigError(
            f"--resume: {folder} holds blocks of another batch, {told}: give what it was begun "
            "with, choose another name (-o), or begin anew with --force"
        )


def _read(path: Path) -> Any:
    """Return a kept block."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    require_plain(path)
    try:
        return pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        told = str(error).splitlines()[0]
        raise FormatError(
            f"the kept block {path} is damaged: {told}: begin anew with --force"
        ) from None
