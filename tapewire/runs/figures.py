"""A run that leaves figures alone: what a study asks of its trials, without a run folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from tapewire.analytics.figures import FiguresCollector, Watch
from tapewire.config.accounts import margins
from tapewire.config.schema import RunConfig, to_fixed
from tapewire.processes.collector_thread import CollectorThread
from tapewire.processes.signals import Signals
from tapewire.runs.assembly import AnError, RunAssembly
from tapewire.runs.hooks import Hooks
from tapewire.runs.result import RunResult

if TYPE_CHECKING:
    import pyarrow as pa

    from tapewire.processes.collector_process import CollectorProcess, RunCollector

#: Rows under way to the figures, in parts of what is handed over at a time: a worker has one core,
#: and what waits there is in memory by the number of workers.
_HANDED_MAX: Final = 4


@dataclass(frozen=True)
class Figures:
    """What came of a run.

    Attributes
    ----------
    manifest
        As in a run folder, without what describes its files and results.
    metrics
        Rows of ``metrics.parquet``: those of strategies.
    """

    manifest: dict[str, Any]
    metrics: "pa.Table"


def run_for_figures(config: RunConfig, output: Path, hooks: Hooks, watch: Watch) -> Figures:
    """Run a backtest whose days are together; write nothing.

    Parameters
    ----------
    config
        As `load_config` and `make_config` give it.
    output
        Where a run folder would be.
    hooks, watch
        Who is told, and who sees columns of fills and samples.

    Raises
    ------
    TapewireError
        As `run_checked` does.
    """
    with Signals() as signals:
        try:
            run = _FiguresRun(config, "figures", output, False, None, hooks, signals)
            run.watch = watch
            run.run()
            assert run.collected is not None
            return Figures(run.collected.manifest, run.collected.table())
        except KeyboardInterrupt:
            raise signals.error() from None


class _FiguresRun(RunAssembly):
    """The parts of such a run."""

    watch: Watch | None = None
    collected: FiguresCollector | None = None

    def _collector_process(self, stack: object, stream: object = None) -> "CollectorProcess | None":
        self.facts.collector = "inline"
        return None

    def _collector(self, folder: Path, process: "CollectorProcess | None") -> "RunCollector":
        backtest, contracts = self.facts.config.backtest, self.facts.contracts
        assert contracts is not None
        capital = backtest.initial_capital
        self.collected = FiguresCollector(
            folder, markouts=backtest.output.markouts,
            initial_capital=None if capital is None else to_fixed(capital),
            margins=margins(backtest, contracts.account, contracts.rates_of),
            rates=contracts.rates, watch=self.watch,
        )  # fmt: skip
        return CollectorThread(self.collected, handed_max=_HANDED_MAX)

    def _fail(
        self,
        collector: "RunCollector",
        status: Literal["incomplete", "failed"],
        error: AnError,
        *,
        digests: bool = True,
        keep_rows: bool = False,
    ) -> AnError:
        collector.fail(status, str(error), {})
        return error

    def _result(self, folder: Path) -> RunResult:
        assert self.collected is not None
        return RunResult(folder, self.collected.manifest)
