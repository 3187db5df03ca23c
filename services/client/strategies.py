"""Strategies of a server, as Python: listed, shown with what came of them, deleted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tapewire.services.client.jobs import JobCalls, new_key
from tapewire.services.client.plain import given, plain
from tapewire.services.client.runs import patient
from tapewire.services.proto import (
    backtests_pb2,
    backtests_pb2_grpc,
    optimizer_pb2,
    optimizer_pb2_grpc,
    strategies_pb2,
    strategies_pb2_grpc,
)


class StrategyCalls(JobCalls):
    """The calls of a client that are about strategies that are kept."""

    def strategies(
        self, *, sort: str = "id", ascending: bool = False, where: str = "", page_size: int = 100
    ) -> Iterator[dict[str, Any]]:
        """Give all strategies that fit, page after page."""
        token = ""
        while True:
            rows, token = self.strategies_page(
                sort=sort, ascending=ascending, where=where, page_size=page_size, page_token=token
            )
            yield from rows
            if not token:
                return

    def strategies_page(self, **asked: Any) -> tuple[list[dict[str, Any]], str]:
        """Return a page of strategies, and where the next one begins; empty: this is the last.

        Parameters
        ----------
        **asked
            Fields of ``ListStrategiesRequest``.
        """
        request = strategies_pb2.ListStrategiesRequest(**asked)
        page = self._call(self._kept.List, request)
        return [_row(one) for one in page.strategies], page.next_page_token

    def strategy(self, which: str) -> dict[str, Any]:
        """Return one strategy, by id, name or the begin of its hash, with its rules in words."""
        found = self._call(self._kept.Get, strategies_pb2.GetStrategyRequest(which=which))
        return {
            **_row(found.strategy),
            "source_code": found.source_code,
            "text": found.text,
            "results": list(found.results),
            "verdicts": list(found.verdicts),
        }

    def delete_strategies(self, ids: Sequence[int]) -> int:
        """Delete strategies; return how many there were."""
        request = strategies_pb2.DeleteStrategiesRequest(ids=ids, idempotency_key=new_key())
        return int(self._call(self._kept.Delete, request).deleted)

    def export(self, which: str) -> bytes:
        """Return one strategy as a file."""
        request = strategies_pb2.ExportStrategyRequest(which=which)
        data: bytes = self._call(self._joined, request)
        return data

    def strategy_results(self, which: str) -> list[dict[str, Any]]:
        """Return all results of one strategy, the oldest first, with their metrics by name."""
        stub = backtests_pb2_grpc.BacktestServiceStub(self._channel)
        found = self._call(stub.ListResults, backtests_pb2.ListResultsRequest(which=which))
        return [plain(one, parsed=("metrics",)) for one in found.results]

    def strategy_chart(
        self, which: str, result_id: int, chart: str = "candles", **more: Any
    ) -> dict[str, Any]:
        """Return a stretch of what a result was made of: bars and trades, or equity.

        Parameters
        ----------
        which
            An id, a name or the begin of a hash.
        result_id
            One of its results, of kind search or test; see `strategy_results`.
        chart
            ``candles`` or ``equity``.
        **more
            Fields of ``GetStrategyChartRequest``: ``first_ns``, ``last_ns``, ``points_max``,
            ``assumptions``.
        """
        request = strategies_pb2.GetStrategyChartRequest(
            which=which, result_id=result_id, chart=chart, **given(more)
        )
        found: dict[str, Any] = json.loads(self._call(patient(self._kept.GetChart), request).chart)
        return found

    def generation(self, generation_id: int) -> dict[str, Any]:
        """Return how a search went: what was asked for, how the best grew, what was judged."""
        request = strategies_pb2.GetGenerationRequest(generation_id=generation_id)
        found: dict[str, Any] = json.loads(
            self._call(patient(self._kept.GetGeneration), request).generation
        )
        return found

    def keep_variant(self, job_id: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a combination of an optimisation as a strategy of the store.

        Parameters
        ----------
        job_id
            Of an optimisation that is done.
        parameters
            As its result has them.

        Returns
        -------
        dict
            ``strategy_id``, and in ``left_out`` the job's assumptions that are not the strategy's.
        """
        stub = optimizer_pb2_grpc.OptimizerServiceStub(self._channel)
        request = optimizer_pb2.KeepVariantRequest(
            job_id=job_id, parameters=json.dumps(dict(parameters))
        )
        return plain(self._call(patient(stub.KeepVariant), request))

    @property
    def _kept(self) -> Any:
        return strategies_pb2_grpc.StrategyServiceStub(self._channel)

    def _joined(self, request: Any, **how: Any) -> bytes:
        return b"".join(part.data for part in self._kept.Export(request, **how))


def _row(one: Any) -> dict[str, Any]:
    figures = {
        name: getattr(one, name) if one.HasField(name) else None
        for name in (
            "sharpe", "total_return", "max_drawdown", "trades", "complexity_score", "generation_id",
        )
    }  # fmt: skip
    return {
        "id": one.id, "name": one.name, "hash": one.hash, "format": one.format,
        **figures,
    }  # fmt: skip
