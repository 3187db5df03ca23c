"""``RunService``: backtests on records of orders, and what came of them."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc.aio

from tapewire.errors import ConfigError
from tapewire.services.proto import runs_pb2 as pb
from tapewire.services.proto import runs_pb2_grpc
from tapewire.services.server.job_desk import JobDesk, job_message
from tapewire.services.server.run_desk import RunDesk, in_text, plain_text, require_data
from tapewire.store import JobRecord

#: Of a file that fills are held against.
FILE_BYTES_MAX: Final = 2 << 20
#: Letters of a configuration; what is asked for is kept in the store.
CONFIG_MAX: Final = 60_000
#: Bytes of a message with a part of a file.
CHUNK_BYTES: Final = 256 << 10


class Runs(runs_pb2_grpc.RunServiceServicer):
    """Answers calls of ``RunService``."""

    def __init__(self, desk: JobDesk, runs: RunDesk) -> None:
        self._desk, self._runs = desk, runs

    async def Describe(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Say what may be asked for."""
        return pb.DescribeRunsResponse(**await self._runs.ask("describe"))

    async def CheckConfig(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Say what is wrong with a configuration, and give it both ways."""
        told: dict[str, Any] = {}
        for name in ("yaml", "json"):
            if request.HasField(name):
                told[name] = bounded(name, getattr(request, name))
        return pb.CheckRunConfigResponse(**await self._runs.ask("check", **told))

    async def Start(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask for a configuration to be run."""
        found = await self._runs.ask("check", yaml=bounded("config", request.config))
        if found["problems"]:
            raise ConfigError("\n".join(found["problems"]))
        return pb.StartRunResponse(job=await self._desk.ask("run", request))

    async def GetResult(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give figures, tables and bars of a run."""
        job = await self._done(request.job_id)
        found = await self._runs.ask("result", run=_run_of(job))
        return pb.GetRunResultResponse(
            job=job_message(job), config=job.asked.get("config", ""), result=plain_text(found)
        )

    async def GetChart(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give a stretch of a chart."""
        told = {
            name: getattr(request, name)
            for name in ("first_ns", "last_ns", "points_max")
            if request.HasField(name)
        }
        found = await self._runs.ask(
            "chart", run=_run_of(await self._done(request.job_id)), chart=request.chart,
            strategy=request.strategy, symbol=request.symbol, **told,
        )  # fmt: skip
        for name, kind in (("lines", pb.RunLine), ("fills", pb.RunFill), ("legs", pb.RunLeg)):
            found[name] = [kind(**one) for one in found[name]]
        return pb.GetRunChartResponse(**found)

    async def ListFills(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give a page of a run's fills."""
        found = await self._runs.ask(
            "fills", run=_run_of(await self._done(request.job_id)), page_size=request.page_size,
            page_token=request.page_token,
        )  # fmt: skip
        found["fills"] = [pb.RunFill(**one) for one in found["fills"]]
        return pb.ListRunFillsResponse(**found)

    async def Explain(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Tell one order's story."""
        if not request.order:
            raise ConfigError("order: expected a client_order_id, found nothing")
        found = await self._runs.ask(
            "explain", run=_run_of(await self._done(request.job_id)), order=request.order,
            strategy=request.strategy, symbol=request.symbol,
        )  # fmt: skip
        return pb.ExplainOrderResponse(**found)

    async def Compare(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Put runs side by side."""
        ids = list(dict.fromkeys(request.job_ids))
        if len(ids) > _COMPARED_MAX:
            raise ConfigError(f"job_ids: expected 2 to {_COMPARED_MAX} runs, found {len(ids):,}")
        names = [_run_of(await self._done(job_id)) for job_id in ids]
        found = await self._runs.ask("compare", names=names)
        return pb.CompareRunsResponse(comparison=plain_text({**found, "job_ids": ids}))

    async def Reconcile(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Hold a run's fills against those of a file of the caller's."""
        require_data(request.data, FILE_BYTES_MAX)
        found = await self._runs.ask(
            "reconcile", run=_run_of(await self._done(request.job_id)),
            file_name=request.file_name, content=in_text(request.data), within=request.within,
        )  # fmt: skip
        return pb.ReconcileRunResponse(reconciliation=plain_text(found))

    async def Spread(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Say between what a run's figures lie when its trades are drawn again."""
        told = {n: getattr(request, n) for n in ("resamples", "seed") if request.HasField(n)}
        run = _run_of(await self._done(request.job_id))
        return pb.SpreadRunResponse(
            spread=plain_text(await self._runs.ask("spread", run=run, **told))
        )

    async def ListFiles(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give names and sizes of a run's files."""
        run = _run_of(await self._done(request.job_id))
        found = await self._runs.ask("files", run=run)
        return pb.ListRunFilesResponse(files=[pb.RunFile(**one) for one in found["files"]])

    async def GetFile(self, request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        """Give one of a run's files, in parts."""
        run, begin = _run_of(await self._done(request.job_id)), 0
        while begin is not None:
            found = await self._runs.ask("file", run=run, name=request.name, begin=begin)
            data, begin = base64.urlsafe_b64decode(found["data"]), found["following"]
            for at in range(0, len(data), CHUNK_BYTES):
                yield pb.GetRunFileResponse(data=data[at : at + CHUNK_BYTES])

    async def _done(self, job_id: int) -> JobRecord:
        return await self._desk.done(job_id, ("run", "live"))


_COMPARED_MAX: Final = 8


def _run_of(job: JobRecord) -> str:
    assert job.result is not None, "it is done"
    return str(job.result["run"])


def bounded(name: str, text: str) -> str:
    """Return a text that is not too long to be kept.

    Raises
    ------
    ConfigError
        If it is, as JSON has it.
    """
    size = len(json.dumps(text))
    if size > CONFIG_MAX:
        raise ConfigError(f"{name}: expected at most {CONFIG_MAX:,} letters, found {size:,}")
    return text
