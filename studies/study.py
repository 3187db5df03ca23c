"""A study that is complete: its tables, its best rows, any row again."""

import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapewire.analytics.snooping import Overfitting
from tapewire.config.loading import make_config
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError, FormatError, SimulationError
from tapewire.studies.axes import MARKET, Trial
from tapewire.studies.base import Base
from tapewire.studies.folder import BLOCKS_FILE, MARKETS, TRIALS, read_manifest, read_plan
from tapewire.studies.luck import Luck
from tapewire.studies.markets import market_again, on_market
from tapewire.studies.pruning import day_after, until
from tapewire.studies.settings import StudySettings
from tapewire.studies.table import Ranking

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Study:
    """A study's folder.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    MissingFileError, FormatError
        If it holds no complete study.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        #: Its folder.
        self.path = Path(path)
        #: Content of ``manifest.json``.
        self.manifest: dict[str, Any] = read_manifest(self.path)
        self._plan = read_plan(self.path)
        if "study" not in self._plan:
            raise FormatError(f"{self.path}: expected a study with trials, found one without")
        #: What was tried.
        self.settings = StudySettings.model_validate(self._plan["study"])

    @property
    def digest(self) -> str:
        """One digest for all its rows."""
        return str(self.manifest["digest"])

    @property
    def luck(self) -> Luck:
        """How much of the best row is luck."""
        told = dict(self.manifest["luck"])
        if told["overfitting"] is not None:
            told["overfitting"] = Overfitting(**told["overfitting"])
        return Luck(**told)

    @functools.cached_property
    def trials(self) -> "pa.Table":
        """``trials.parquet``: a row for each trial; money in 1e-9 currency."""
        return self._table(TRIALS)

    @functools.cached_property
    def blocks(self) -> "pa.Table":
        """``blocks.parquet``: what each trial made in each block of time."""
        return self._table(BLOCKS_FILE)

    def to_pandas(self) -> "pd.DataFrame":
        """Return `trials` as a pandas frame, money in currency."""
        from tapewire.studies.table import MONEY_COLUMNS

        frame = self.trials.to_pandas()
        for name in MONEY_COLUMNS & set(frame.columns):
            frame[name] = frame[name].astype(float) / 1e9
        return frame

    def best(self, count: int = 10) -> list[dict[str, Any]]:
        """Return the best rows by the objective, money in currency; those that keep all."""
        ranking = Ranking(self.settings.objectives[0], self.settings.kept)
        return ranking.order(self.trials.to_pylist())[:count]

    def config(self, number: int) -> RunConfig:
        """Return the configuration of one trial by itself; run, it gives the row's digest.

        The synthetic market of one that has any is made again, in the study's folder.

        Raises
        ------
        ConfigError
            If there is no such trial.
        """
        values = self.values(number)
        document = self._plan["base"]
        if "last_day" in self.trials.column_names:
            last = self.trials["last_day"][self.trials["trial"].to_pylist().index(number)].as_py()
            if last is not None:  # it was played so far
                document = until(document, day_after(last))
        base = Base(document, [name for name in values if name != MARKET])
        alone = base.planned(Trial(number, values)).alone
        if MARKET not in values:
            return alone
        folder = self.path / MARKETS
        made = market_again(self._plan, self.path, folder, number, values[MARKET])
        return make_config(on_market(alone.to_dict(), made))

    def require_same(self, number: int, digests: Mapping[str, str]) -> None:
        """Raise if a run of a trial did not come to what the trial came to.

        Raises
        ------
        SimulationError
            If its digest is another.
        """
        row = self.trials["trial"].to_pylist().index(number)
        there = self.trials["digest"][row].as_py()
        found = list(digests.values())
        if there is not None and found != [there]:
            raise SimulationError(
                f"trial {number}: expected digest {there}, as in {self.path}, found "
                f"{', '.join(found)}: data, versions or strategies have changed since"
            )

    def values(self, number: int) -> dict[str, Any]:
        """Return what varies of one trial.

        Raises
        ------
        ConfigError
            If there is no such trial.
        """
        numbers = self.trials["trial"].to_pylist()
        if number not in numbers:
            raise ConfigError(
                f"{self.path}: expected a trial from 1 to {len(numbers):,}, found {number:,}"
            )
        found = json.loads(self.trials["values"][numbers.index(number)].as_py())
        assert isinstance(found, dict)
        return found

    def _table(self, name: str) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_table(self.path / name)
        except (OSError, pa.ArrowException) as error:
            raise FormatError(f"{self.path / name}: expected Parquet, found {error}") from None
