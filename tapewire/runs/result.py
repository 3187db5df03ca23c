"""What a finished run hands back."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from tapewire.analytics import Run, load_run
from tapewire.analytics.frames import as_decimals, as_floats
from tapewire.atomic import atomic_file, require_replaceable
from tapewire.config.schema import Output
from tapewire.config.wording import describe, suggest
from tapewire.errors import ConfigError, OutputError
from tapewire.runs.result_display import as_html, as_text

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from tapewire.runs.explain import OrderStory

_TABLES: Final = (
    "fills",
    "orders",
    "equity",
    "fees",
    "markouts",
    "series",
    "events",
    "settlements",
    "metrics",
    "variants",
)
Prices: TypeAlias = Literal["float", "int", "decimal"]
#: What each of them does to a table as it is stored.
_PRICES: Final[dict[str, "Callable[[pa.Table], pa.Table]"]] = {
    "float": as_floats,
    "int": lambda table: table,
    "decimal": as_decimals,
}


@dataclass(frozen=True, repr=False)
class RunResult(Run):
    """A finished run: its folder, its manifest, and its tables, read when asked for.

    ``fills``, ``orders``, ``equity``, ``series``, ``events`` and ``metrics`` are Arrow tables with
    prices and money as exact integers in units of 1e-9; `to_pandas`, `to_polars` and `to_arrow`
    give them with floats, decimals or these integers.
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

    def to_arrow(self, table: str, *, prices: Prices = "float") -> "pa.Table":
        """Return a table as an Arrow table; `prices` as in `to_pandas`, ``int`` is as it is stored.

        Raises
        ------
        ConfigError, MissingFileError
            As `to_pandas`.
        """
        _require_one_of("table", table, _TABLES)
        _require_one_of("prices", prices, tuple(_PRICES))
        converted: pa.Table = _PRICES[prices](getattr(self, table))
        return converted

    def to_pandas(self, table: str, *, prices: Prices = "float") -> "pd.DataFrame":
        """Return a table as a pandas frame.

        Parameters
        ----------
        table
            ``fills``, ``orders``, ``equity``, ``series``, ``events``, ``metrics`` or ``variants``.
        prices
            How prices and money come: ``float`` in whole units, ``decimal`` the same and exact, as
            ``decimal.Decimal``, or ``int`` in units of 1e-9 as they are stored.

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
        return self.to_arrow(table, prices=prices).to_pandas()

    def to_polars(self, table: str, *, prices: Prices = "float") -> "pl.DataFrame":
        """Return a table as a Polars frame, for which the package polars has to be installed.

        Parameters
        ----------
        table, prices
            As in `to_pandas`; ``decimal`` is ``Decimal(38, 9)``.

        Returns
        -------
        DataFrame
            Times are ``Datetime("ns", "UTC")``.

        Raises
        ------
        ConfigError
            For another name, or without the package.
        MissingFileError
            If the run has no such table.
        """
        arrow = self.to_arrow(table, prices=prices)
        try:
            import polars as pl
        except ModuleNotFoundError:
            raise ConfigError(
                "to_polars: expected the package polars, found none: pip install polars"
            ) from None
        frame = pl.from_arrow(arrow)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def explain(
        self, order_id: str | int, *, strategy: str | None = None, symbol: str | None = None
    ) -> "OrderStory":
        """Tell one order's story: its queue, what filled it, what other fill models say.

        Reads the run's data again, up to the order's end; see ``docs/explain.md``.

        Parameters
        ----------
        order_id
            Its ``client_order_id``.
        strategy, symbol
            Whose, and where, if several strategies or books have orders of that id.

        Returns
        -------
        OrderStory
            ``print`` tells it in words.

        Raises
        ------
        ConfigError
            If there is no such order, or several.
        MissingFileError, FormatError
            If the data are gone or have changed, or the order was replaced and the run has no log
            of changes (``output: {explain: true}``).
        """
        from tapewire.runs.explain import explain_order

        return explain_order(self, order_id, strategy=strategy, symbol=symbol)

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    @property
    def digest(self) -> str:
        """Hash over all orders, fills and positions: equal for equal runs."""
        return str(self.manifest["digest"])

    @property
    def instruments(self) -> list[dict[str, Any]]:
        """P&L of each instrument over all strategies, money as exact text; sums are the run's."""
        totals: list[dict[str, Any]] = self.manifest["instrument_totals"]
        return totals

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
