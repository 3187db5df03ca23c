"""One pass: trials run together, in a worker; their rows are left in a file."""

import contextlib
import gc
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tapewire.analytics.columns import Part
from tapewire.analytics.ledger import Leg
from tapewire.config.loading import make_config
from tapewire.config.schema import RunConfig
from tapewire.errors import InputError, SimulationError, StrategyError
from tapewire.executors.tasks import Tell, failure_of
from tapewire.runs.assembly import run_checked
from tapewire.runs.figures import run_for_figures
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.studies.blocks import Blocks, block_rows
from tapewire.studies.markets import make_market, on_market
from tapewire.studies.parts import FailedTrial, write_part

if TYPE_CHECKING:
    import pyarrow as pa

#: Records of a batch times strategies, at most: the rows that these make are held at a time.
_BATCH_DECISIONS_MAX: Final = 1 << 18
#: How often a pass says how far it is.
_TELL_S: Final = 0.5
#: What of an input tells it from another.
_INPUT_KEYS: Final = ("file", "bytes", "xxh3_128", "sha256", "records_used")

TASK: Final = "tapewire.studies.passes:run_pass"


def run_pass(argument: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Run the trials of a pass; leave their rows in a part of the study's table.

    Parameters
    ----------
    argument
        ``config``: path of the pass's configuration, as JSON; ``trials``: number by name of
        strategy; ``part``: where the rows go; ``folder``: of the run, which is there only
        if ``keep`` is true; ``block_ns``: length of a block; ``alone``: whether this process has
        one core; perhaps ``market``: a synthetic market to be made and run over, see
        `tapewire.studies.markets`.
    tell
        Gets events done and in all, and in words why there are none yet.

    Returns
    -------
    dict
        Nothing: what came of it is in the part.
    """
    path = Path(argument["config"])
    document = json.loads(path.read_text())
    folder = Path(argument["folder"])
    try:
        if "market" in argument:
            document = on_market(document, make_market(argument["market"], folder))
        config = placed(make_config(document), alone=argument["alone"])
        work = _Pass(
            config, argument["trials"], folder, argument["block_ns"], tell, keep=argument["keep"]
        )
        work.run(list(argument["trials"]))
        if "market" in argument:  # its files go, and would have other places elsewhere
            work.inputs = [{**one, "file": Path(one["file"]).name} for one in work.inputs]
        write_part(Path(argument["part"]), work.rows, work.blocks, work.failed, work.found())
    finally:
        if not argument["keep"]:
            shutil.rmtree(folder, ignore_errors=True)
        gc.collect()  # a run's parts know each other: they would stay beside those of the next
    return {}


def placed(config: RunConfig, *, alone: bool) -> RunConfig:
    """Have a run stay within this process, where each worker has a core; nothing is copied out.

    Many strategies get small batches, so that what waits of their rows is no more than that of few.
    """
    backtest = config.backtest
    output = backtest.output.model_copy(
        update={"metrics_file": None, "trades_file": None, "directory": None, "metrics_port": None}
    )
    replay = backtest.replay
    records = max(1, _BATCH_DECISIONS_MAX // len(config.strategy))
    if records < replay.batch_records:
        replay = replay.model_copy(update={"batch_records": records})
    if alone:
        output = output.model_copy(update={"collector": "inline"})
        replay = replay.model_copy(update={"transport": "inproc", "workers": 1})
    return config.model_copy(
        update={"backtest": backtest.model_copy(update={"output": output, "replay": replay})}
    )


def inputs_of(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a run read, as far as that tells inputs from one another."""
    return [{k: i[k] for k in _INPUT_KEYS if k in i} for i in manifest["inputs"]]


class _Pass:
    """What a pass gathers."""

    def __init__(
        self,
        config: RunConfig,
        trials: Mapping[str, int],
        folder: Path,
        block_ns: int,
        tell: Tell,
        *,
        keep: bool,
    ) -> None:
        self._config = config
        self._trials = trials
        self._folder = folder
        self._block_ns = block_ns
        self._tell = tell
        self._keep = keep
        self._told_s = 0.0
        self._runs = 0
        self.rows: list[Any] = []
        self.blocks: list[Any] = []
        self.failed: list[FailedTrial] = []
        self.inputs: list[dict[str, Any]] = []
        self.events = 0
        self.warnings: list[str] = []

    def run(self, names: list[str]) -> None:
        """Run some strategies together; those that fail are left out, and the rest run again."""
        while names:
            folder = self._folder / f"{self._runs:03d}"
            self._runs += 1
            try:
                self._run_once(self._only(names), names, folder)
            except StrategyError as error:
                if error.strategy_id not in names:
                    raise
                self._fail(error.strategy_id, error)
                names = [name for name in names if name != error.strategy_id]
                continue
            except SimulationError as error:
                # Whose it is, nobody says: halves do.
                if len(names) == 1:
                    self._fail(names[0], error)
                    return
                middle = len(names) // 2
                self.run(names[:middle])
                self.run(names[middle:])
                return
            except InputError as error:
                for name in names:
                    self._fail(name, error)
                return
            return

    def _run_once(self, config: RunConfig, names: list[str], folder: Path) -> None:
        """Run some strategies; a run folder is written only where somebody wants it."""
        hooks = Hooks(announce=self._announce, progress=self._note)
        wanted = {name: self._trials[name] for name in names}
        if self._keep or config.backtest.replay.days == "apart":  # whose rows are joined in there
            result = run_checked(config, name="pass", output=folder, hooks=hooks)
            blocks = block_rows(result, wanted, self._block_ns)
            self._take(result.manifest, result.metrics, blocks, wanted)
            return
        blocks_made = Blocks(wanted, self._block_ns)

        def watch(table: str, part: Part, legs: Sequence[Leg]) -> None:
            blocks_made.take(table, part, {leg.leg: leg.strategy_id for leg in legs})

        figures = run_for_figures(config, folder, hooks, watch)
        self._take(figures.manifest, figures.metrics, blocks_made.columns(), wanted)

    def found(self) -> dict[str, Any]:
        """Return what was read, and what deserves a look."""
        return {"inputs": self.inputs, "events": self.events, "warnings": self.warnings}

    def _only(self, names: list[str]) -> RunConfig:
        chosen = [entry for entry in self._config.strategy if entry.name in names]
        return self._config.model_copy(update={"strategy": chosen})

    def _fail(self, name: str, error: BaseException) -> None:
        said = failure_of(error)
        self.failed.append(
            FailedTrial(self._trials[name], said.error, said.message, said.traceback)
        )

    def _take(
        self,
        manifest: Mapping[str, Any],
        metrics: "pa.Table",
        blocks: Mapping[str, Any],
        wanted: Mapping[str, int],
    ) -> None:
        self.rows.append((metrics, manifest["digests"], wanted))
        self.blocks.append(blocks)
        self.inputs = inputs_of(manifest)
        self.events = int(manifest["events"])
        self.warnings += manifest["warnings"]

    def _announce(self, text: str) -> None:
        """Say why nothing is to be seen yet; what its runs say later is of one trial."""
        if not self._told_s:
            with contextlib.suppress(OSError):
                self._tell(text)

    def _note(self, progress: RunProgress) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= _TELL_S:
            self._told_s = now_s
            with contextlib.suppress(OSError):
                self._tell([progress.events, progress.events_total])
