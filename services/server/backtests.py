"""``BacktestService`` and ``OptimizerService``: what is traded, and what came of it."""

import json
from typing import Any, Final

import grpc.aio

from tapewire.errors import ConfigError
from tapewire.services.proto import (
    backtests_pb2,
    backtests_pb2_grpc,
    optimizer_pb2,
    optimizer_pb2_grpc,
)
from tapewire.services.server.database import Database
from tapewire.services.server.job_desk import JobDesk, job_message
from tapewire.services.server.run_desk import RunDesk

_OF_WINDOW: Final = ("score", "in_sample", "out_of_sample")
_RESULTS: Final = ("sharpe_ratio", "total_return", "max_drawdown", "total_trades")


class Backtests(backtests_pb2_grpc.BacktestServiceServicer):
    """Answers calls of ``BacktestService``."""

    def __init__(self, database: Database, desk: JobDesk) -> None:
        self._database, self._desk = database, desk

    async def Run(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask for stored strategies to be traded."""
        if (bool(request.keys) + request.HasField("where") + request.every) != 1:
            raise ConfigError("expected strategies (keys), where or every, and one of these only")
        return backtests_pb2.RunBacktestResponse(job=await self._desk.ask("test", request))

    async def Judge(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask for the best of a search to be judged."""
        return backtests_pb2.JudgeGenerationResponse(job=await self._desk.ask("judge", request))

    async def GetResult(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give what came of strategies that were traded."""
        job = await self._desk.done(request.job_id, ("test",))
        result = job.result
        assert result is not None
        return backtests_pb2.GetBacktestResultResponse(
            job=job_message(job), store=result["store"], dataset=result["dataset"],
            bars=result["bars"], part=result["part"], elapsed_s=result["elapsed_s"],
            rows=[
                backtests_pb2.TriedStrategy(
                    id=row["id"], name=row["name"], sharpe=_number(row["sharpe"]),
                    total_return=_number(row["return"]), max_drawdown=_number(row["drawdown"]),
                    trades=row["trades"],
                )
                for row in result["rows"]
            ],
        )  # fmt: skip

    async def ListResults(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give all results of one strategy, the oldest first."""
        which = request.which
        if not which:
            raise ConfigError("which: expected an id, a name or the begin of a hash, found nothing")
        key: int | str = int(which) if which.isdecimal() and len(which) < 10 else which
        found = await self._database.ask("strategy", lambda store: store.strategy(key))
        results = []
        for one in found.results:
            sharpe, returned, drawdown, trades = (getattr(one, name) for name in _RESULTS)
            shown = backtests_pb2.BacktestResult(
                id=one.id, strategy_id=one.strategy_id, dataset=one.dataset, kind=one.kind,
                sharpe=sharpe, total_return=returned, max_drawdown=drawdown, trades=trades,
                metrics=json.dumps(one.metrics), digest=one.digest, is_latest=one.is_latest,
            )  # fmt: skip
            shown.tested_at.FromDatetime(one.tested_at)
            results.append(shown)
        return backtests_pb2.ListResultsResponse(results=results)


class Optimizers(optimizer_pb2_grpc.OptimizerServiceServicer):
    """Answers calls of ``OptimizerService``."""

    def __init__(self, desk: JobDesk, runs: RunDesk) -> None:
        self._desk, self._runs = desk, runs

    async def Start(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Ask for every combination of parameters to be traded."""
        return optimizer_pb2.StartOptimizerResponse(job=await self._desk.ask("optimize", request))

    async def GetResult(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Give the best combinations."""
        job = await self._desk.done(request.job_id, ("optimize",))
        result = job.result
        assert result is not None
        names, objective = result["parameters"], result["objective"]
        best = [
            optimizer_pb2.OptimizedVariant(
                objective_value=_number(one[objective]),
                parameters=json.dumps({name: one[name] for name in names}),
                metrics=json.dumps({name: one[name] for name in one if name not in names}),
            )
            for one in result["best"]
        ]
        return optimizer_pb2.GetOptimizerResultResponse(
            job=job_message(job), strategy=result["strategy"], objective=objective,
            variants=result["variants"], elapsed_s=result["elapsed_s"], best=best,
            walk=_walked(result.get("walk")), interval_ns=result.get("interval_ns", 0),
            best_so_far=[
                optimizer_pb2.BestSoFar(variants=count, objective_value=_number(value))
                for count, value in result.get("best_so_far", ())
            ],
        )  # fmt: skip

    async def KeepVariant(self, request: Any, context: grpc.aio.ServicerContext) -> Any:
        """Keep one combination as declared rules."""
        job = await self._desk.done(request.job_id, ("optimize",))
        result = job.result
        assert result is not None
        kept = await self._runs.ask(
            "keep", family=result["strategy"], parameters=request.parameters,
            assumptions=job.asked.get("assumptions", []),
            interval_ns=result.get("interval_ns", 0),
        )  # fmt: skip
        return optimizer_pb2.KeepVariantResponse(**kept)


def _walked(walk: dict[str, Any] | None) -> Any:
    if walk is None:
        return None
    windows = [
        optimizer_pb2.WalkedWindow(
            **{
                **one, "parameters": json.dumps(one["parameters"]),
                **{name: _number(one[name]) for name in _OF_WINDOW},
            }
        )
        for one in walk["windows"]
    ]  # fmt: skip
    return optimizer_pb2.WalkedVariants(**{**walk, "windows": windows})


def _number(value: float | str | None) -> float | None:
    """Return a figure of a result, where infinity is the text ``inf``."""
    return float(value) if isinstance(value, str) else value
