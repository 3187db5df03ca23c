"""What a finished run hands back."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from tapewire.analytics import Run, load_run
from tapewire.analytics.frames import as_floats
from tapewire.atomic import atomic_file, require_replaceable
from tapewire.config.schema import Output
from tapewire.config.wording import describe, suggest
from tapewire.errors import ConfigError, OutputError
from tapewire.runs.result_display import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd

_TABLES: Final = ("fills", "orders", "equity", "series", "events", "metrics")
_PRICES: Final = ("float", "int")


@dataclass(frozen=True, repr=False)
class RunResult(Run):
    """A finished run: its folder, its manifest, and its tables, read when asked for.

    ``fills``, ``orders``, ``equity`` and ``metrics`` are Arrow tables with prices and money as
    exact integers in units of 1e-9; `to_pandas` makes frames with floats of them.
    """

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, incomplete: bool = False) -> "RunResult":
        """Read a run folder back.

        Parameters
        ----------
        path
            The run folder.
        incomplete
            Give the tables of a run that a strategy's failure ended, too: its rows up to then.
            Without it they are refused, so that nobody takes them for a whole run.

        Raises
        ------
        ConfigError
            If `path` is no path.
        MissingFileError, FormatError
            If it is no run folder, or a broken one.
        """
        if not isinstance(path, (str, os.PathLike)):
            raise ConfigError(f"path: expected a run folder, found {describe(path)}")
        run = load_run(Path(path), incomplete=incomplete)
        return cls(run.path, run.manifest, run.incomplete)

    def to_pandas(self, table: str, *, prices: Literal["float", "int"] = "float") -> "pd.DataFrame":
        """Return a table as a pandas frame.

        Parameters
        ----------
        table
            ``fills``, ``orders``, ``equity`` or ``metrics``.
        prices
            How prices and money come: ``float`` in whole units, or ``int`` in units of 1e-9 as
            they are stored.

        Returns
        -------
        DataFrame
            Times are ``datetime64[ns, UTC]``, quantities integers.

        Raises
        ------
        ConfigError
            For another name.
        MissingFileError
            If the run has no such table.
        """
        _require_one_of("table", table, _TABLES)
        _require_one_of("prices", prices, _PRICES)
        arrow = getattr(self, table)
        return (as_floats(arrow) if prices == "float" else arrow).to_pandas()

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    @property
    def digest(self) -> str:
        """Hash over all orders, fills and positions: equal for equal runs."""
        return str(self.manifest["digest"])

    @property
    def report(self) -> Path:
        """The HTML report, one file."""
        return self.path / "report.html"


def _require_one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        hint = f", {suggest(value, known)}" if isinstance(value, str) else ""
        raise ConfigError(f"{name}: expected {' or '.join(known)}, found {describe(value)}{hint}")


def _copies(output: Output) -> list[tuple[str, Path]]:
    """Which tables go where besides the run folder: the specification's own output keys."""
    wanted = (("metrics.parquet", output.metrics_file), ("fills.parquet", output.trades_file))
    return [(name, Path(path)) for name, path in wanted if path is not None]


def make_room(output: Output) -> None:
    """Make the folders of extra copies, so that a run does not fail for them at its end.

    Raises
    ------
    OutputError
        If one can't be made or written to, or a copy's name is no file's.
    """
    for _, path in _copies(output):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"can't make the folder of {path}: {error.strerror}") from None
        require_replaceable(path)
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"{path}: expected a file that can be written, it can't be")


def copy_results(output: Output, folder: Path) -> None:
    """Copy tables of a finished run to where the configuration wants them, too.

    Raises
    ------
    OutputError
        If one can't be written; the run folder itself is complete.
    """
    for name, path in _copies(output):
        with (folder / name).open("rb") as source, atomic_file(path) as target:
            shutil.copyfileobj(source, target)
