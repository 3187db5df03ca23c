"""``DataService``: bars that the store knows, and files that jobs may read."""

import asyncio
import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import grpc.aio

from tapewire.candles.reading import kind_of
from tapewire.errors import ConfigError, MissingFileError
from tapewire.services.proto import data_pb2 as pb
from tapewire.services.proto import data_pb2_grpc
from tapewire.services.server.database import Database
from tapewire.services.server.job_desk import JobDesk
from tapewire.store import DatasetRecord

#: Files of the folder of data that are listed, and entries that are looked at for them.
FILES_MAX: Final = 1_000
_ENTRIES_MAX: Final = 100_000
_SUFFIXES: Final = (".parquet", ".csv", ".csv.gz", ".dbn", ".dbn.zst")
#: What of a dataset's description nobody needs to know who is not on this host.
_KEPT_BACK: Final = ("path",)


class Datasets(data_pb2_grpc.DataServiceServicer):
    """Answers calls of ``DataService``.

    Parameters
    ----------
    database
    desk
        Where jobs are asked for.
    folder
        Of files that jobs may read; None: there are none.
    """

    def __init__(self, database: Database, desk: JobDesk, folder: Path | None) -> None:
        self._database, self._desk, self._folder = database, desk, folder

    async def ListDatasets(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give all datasets of the store, and files."""
        found = await self._database.ask("datasets", lambda store: store.datasets())
        files = [] if self._folder is None else await asyncio.to_thread(_files, self._folder)
        return pb.ListDatasetsResponse(
            datasets=[_shown(one) for one in found],
            files=[
                pb.DataFile(name=name, size_bytes=size, kind=kind) for name, size, kind in files
            ],
        )

    async def GetDataset(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give one dataset, by id or name."""
        which = request.which
        if not which:
            raise ConfigError("which: expected a dataset's id or name, found nothing")
        found = await self._database.ask("datasets", lambda store: store.datasets())
        for one in found:
            if which in (str(one.id), one.name):
                kept = {k: v for k, v in one.description.items() if k not in _KEPT_BACK}
                return pb.GetDatasetResponse(
                    dataset=_shown(one), description=json.dumps(kept, ensure_ascii=False)
                )
        raise MissingFileError(f"dataset: expected one of the store, found none called {which!r}")

    async def InspectFile(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask for what is in a file."""
        return pb.InspectFileResponse(job=await self._desk.ask("inspect", request))

    async def CheckFile(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask whether a file is sound."""
        return pb.CheckFileResponse(job=await self._desk.ask("check", request))

    async def PlotFile(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask for what a picture of a file is drawn from."""
        return pb.PlotFileResponse(job=await self._desk.ask("plot", request))

    async def DeriveFile(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask for records of another schema, in a new file."""
        return pb.DeriveFileResponse(job=await self._desk.ask("derive", request))


def _shown(one: DatasetRecord) -> Any:
    said = one.description
    shown = pb.Dataset(
        id=one.id, name=one.name, digest=one.digest, symbol=said.get("symbol") or "",
        interval_ns=said.get("interval_ns", 0), bars=said.get("bars", 0),
        first_ns=said.get("first_ns", 0), last_ns=said.get("last_ns", 0), trials=one.trials,
    )  # fmt: skip
    shown.created_at.FromDatetime(one.created_at)
    return shown


def _files(folder: Path) -> list[tuple[str, int, str]]:
    """Return names, sizes and kinds of files of market data in a folder, and below it."""
    found = sorted(_walked(folder))[:FILES_MAX]
    return [(name, size, _kind(folder / name)) for name, size in found]


def _kind(path: Path) -> str:
    try:
        return _known_kind(path, path.stat().st_mtime_ns)
    except OSError:
        return ""


@functools.lru_cache(4 * FILES_MAX)
def _known_kind(path: Path, changed_ns: int) -> str:
    """Return what a file has; its header is read once, until it changes."""
    return kind_of(path)


def _walked(folder: Path) -> Iterator[tuple[str, int]]:
    seen = 0
    for where, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if not one.startswith(".")]
        for name in names:
            seen += 1
            if seen > _ENTRIES_MAX:
                return
            path = Path(where) / name
            if name.endswith(_SUFFIXES) and not name.startswith(".") and path.is_file():
                yield str(path.relative_to(folder)), path.stat().st_size
