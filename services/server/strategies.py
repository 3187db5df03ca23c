"""``StrategyService``: strategies that are kept, listed, shown, given away and deleted."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import grpc.aio

from tapewire.errors import ConfigError
from tapewire.services.proto import strategies_pb2 as pb
from tapewire.services.proto import strategies_pb2_grpc
from tapewire.services.server.database import Database
from tapewire.services.server.guarding import CALLER
from tapewire.services.server.job_desk import JobDesk
from tapewire.services.server.moments import put_moment
from tapewire.services.server.paging import page_size
from tapewire.services.server.run_desk import RunDesk, plain_text
from tapewire.store import Store, StrategyRecord

#: Strategies that one call deletes at most.
DELETED_MAX: Final = 10_000
#: Rows of a page that is read while nobody else is answered.
AT_ONCE_MAX: Final = 100
#: Bytes of a part of a file.
CHUNK_BYTES: Final = 64 << 10


class Strategies(strategies_pb2_grpc.StrategyServiceServicer):
    """Answers calls of ``StrategyService``."""

    def __init__(self, database: Database, desk: JobDesk, runs: RunDesk) -> None:
        self._database, self._desk, self._runs = database, desk, runs

    async def List(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give a page of strategies."""
        limit = page_size(request.page_size)
        # A page along an index is there at once; conditions may be true of few among many.
        is_short = not request.where and limit <= AT_ONCE_MAX
        ask = self._database.look_up if is_short else self._database.ask
        page = await ask(
            "strategies",
            lambda store: store.strategies(
                request.sort or "id",
                descending=not request.ascending,
                where=request.where,
                kind=request.kind or "search",
                after=request.page_token or None,
                limit=limit,
            ),
        )
        return pb.ListStrategiesResponse(
            strategies=[
                _shown(row, row.sharpe_ratio, row.total_return, row.max_drawdown, row.total_trades)
                for row in page.rows
            ],
            next_page_token=page.after or "",
        )

    async def Get(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give one strategy with all that is known of it."""
        found = await self._found(request.which)
        latest = next(
            (one for one in found.results if one.kind == "search" and one.is_latest), None
        )
        figures: tuple[Any, ...] = (None,) * 4
        if latest is not None:
            figures = (
                latest.sharpe_ratio, latest.total_return, latest.max_drawdown, latest.total_trades
            )  # fmt: skip
        return pb.GetStrategyResponse(
            strategy=_shown(found, *figures),
            source_code=found.source_code,
            text=_words(found),
            results=[_json(asdict(one)) for one in found.results],
            verdicts=[_json(asdict(one)) for one in found.verdicts],
        )

    async def GetChart(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give a stretch of a result's bars and trades, or of its equity."""
        _require_which(request.which)
        told = {
            name: getattr(request, name)
            for name in ("first_ns", "last_ns", "points_max")
            if request.HasField(name)
        }
        found = await self._runs.ask(
            "strategy_chart", which=request.which, result_id=request.result_id,
            chart=request.chart, assumptions=list(request.assumptions), **told,
        )  # fmt: skip
        return pb.GetStrategyChartResponse(chart=plain_text(found))

    async def GetGeneration(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Say how a search went."""
        found = await self._runs.ask("generation", generation_id=request.generation_id)
        return pb.GetGenerationResponse(generation=plain_text(found))

    async def Delete(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Delete strategies with all that is known of them, and note who did."""
        ids = list(dict.fromkeys(request.ids))
        if not 1 <= len(ids) <= DELETED_MAX:
            raise ConfigError(f"ids: expected 1 to {DELETED_MAX:,}, found {len(ids):,}")
        by = CALLER.get().name

        def delete(store: Store) -> Any:
            return pb.DeleteStrategiesResponse(deleted=store.delete_strategies(ids, who=by))

        answer = await self._database.once("delete", request.idempotency_key, request, delete)
        return pb.DeleteStrategiesResponse.FromString(answer)

    async def Generate(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask for strategies that are made by rule, tried and judged."""
        job = await self._desk.ask("generate", request)
        return pb.GenerateStrategiesResponse(job=job)

    async def Evolve(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask for a search to go on."""
        return pb.EvolveGenerationResponse(job=await self._desk.ask("evolve", request))

    async def Export(self, request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        """Give one strategy as a file, in parts."""
        found = await self._found(request.which)
        if request.format not in ("", "json"):
            raise ConfigError(f"format: expected json, found {request.format!r}")
        data, name = found.source_code.encode(), f"{found.hash[:12]}.json"
        for begin in range(0, len(data), CHUNK_BYTES):
            yield pb.ExportStrategyChunk(data=data[begin : begin + CHUNK_BYTES], file_name=name)

    async def _found(self, which: str) -> StrategyRecord:
        _require_which(which)
        key: int | str = int(which) if which.isdecimal() and len(which) < 10 else which
        return await self._database.ask("strategy", lambda store: store.strategy(key))


def _require_which(which: str) -> None:
    if not which:
        raise ConfigError("which: expected an id, a name or the begin of a hash, found nothing")


def _shown(
    one: Any, sharpe: float | None, total_return: float | None, drawdown: float | None,
    trades: int | None,
) -> Any:  # fmt: skip
    shown = pb.Strategy(
        id=one.id, hash=one.hash, name=one.name, format=one.format,
        complexity_score=one.complexity_score, sharpe=sharpe, total_return=total_return,
        max_drawdown=drawdown, trades=trades, generation_id=one.generation_id,
    )  # fmt: skip
    put_moment(shown.created_at, one.created_at)
    return shown


def _words(found: StrategyRecord) -> str:
    from tapewire.candles.rules import strategy_of_json, strategy_text

    if found.format != "json":
        return ""
    return strategy_text(strategy_of_json(found.source_code))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, default=_moment, allow_nan=False)


def _moment(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
