"""Reading a run folder back."""

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tapewire.analytics.manifest_shape import require_shape
from tapewire.analytics.run_folder import MANIFEST, sha256_of
from tapewire.analytics.schemas import FEES, SERIES, SETTLEMENTS, arrow_schema
from tapewire.compiled.tables import require_whole
from tapewire.errors import FormatError, MissingFileError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Run:
    """A run folder that has ended. Tables are read when asked for and kept.

    Attributes
    ----------
    path
        The folder.
    manifest
        Content of ``manifest.json``.
    incomplete
        Whether the tables of a run that has no end may be had: its rows up to then.
    """

    path: Path
    manifest: dict[str, Any] = field(repr=False)
    incomplete: bool = field(default=False, repr=False)

    @property
    def status(self) -> str:
        """``complete``, ``incomplete`` or ``failed``."""
        return str(self.manifest["status"])

    @property
    def headline(self) -> str:
        """Why the run has no result, in one line; empty where it has one, or nobody knows."""
        return str(self.manifest.get("reason", "")).split("\n", 1)[0]

    @functools.cached_property
    def fills(self) -> "pa.Table":
        """``fills.parquet``."""
        return self._table("fills")

    @functools.cached_property
    def orders(self) -> "pa.Table":
        """``orders.parquet``."""
        return self._table("orders")

    @functools.cached_property
    def equity(self) -> "pa.Table":
        """``equity.parquet``."""
        return self._table("equity")

    @functools.cached_property
    def events(self) -> "pa.Table":
        """``events.parquet``, which a run with ``detailed_log: true`` in ``output`` has."""
        if self.status == "complete" and "events.parquet" not in self.manifest["files"]:
            raise MissingFileError(
                f"expected events.parquet in {self.path}, found a run without a log of its orders' "
                "changes; set backtest.output.detailed_log to true"
            )
        return self._table("events")

    @functools.cached_property
    def series(self) -> "pa.Table":
        """``series.parquet``; without a row where no strategy recorded anything."""
        if self.status == "complete" and "series.parquet" not in self.manifest["files"]:
            return arrow_schema("series", SERIES).empty_table()
        return self._table("series")

    @functools.cached_property
    def fees(self) -> "pa.Table":
        """``fees.parquet``, the lines of each fill's fee; without a row where no model has any."""
        if self.status == "complete" and "fees.parquet" not in self.manifest["files"]:
            return arrow_schema("fees", FEES).empty_table()
        return self._table("fees")

    @functools.cached_property
    def markouts(self) -> "pa.Table":
        """``markouts.parquet``: where the market was around each fill."""
        if self.status == "complete" and "markouts.parquet" not in self.manifest["files"]:
            raise MissingFileError(
                f"expected markouts.parquet in {self.path}, found a run without markouts; set "
                "backtest.output.markouts to true"
            )
        return self._table("markouts")

    @functools.cached_property
    def settlements(self) -> "pa.Table":
        """``settlements.parquet``: days at settlement prices; without a row where none is known."""
        if self.status == "complete" and "settlements.parquet" not in self.manifest["files"]:
            return arrow_schema("settlements", SETTLEMENTS).empty_table()
        return self._table("settlements")

    @functools.cached_property
    def metrics(self) -> "pa.Table":
        """``metrics.parquet``."""
        return self._table("metrics")

    @functools.cached_property
    def variants(self) -> "pa.Table":
        """``variants.parquet``, which a run of a grid has: what varies, and what came of it."""
        if "variants" not in self.manifest:
            raise MissingFileError(
                f"expected variants.parquet in {self.path}, found a run whose strategies have one "
                "value for each parameter"
            )
        return self._table("variants")

    def verify(self) -> None:
        """Compare every file with the size and SHA-256 in the manifest.

        Raises
        ------
        MissingFileError, FormatError
            For a file that is gone or has changed.
        """
        for name, expected in self.manifest["files"].items():
            path = self.path / name
            if not path.is_file():
                raise MissingFileError(f"expected {path}, as the manifest lists it, found no file")
            size, digest = path.stat().st_size, sha256_of(path)
            if (size, digest) != (expected["bytes"], expected["sha256"]):
                raise FormatError(
                    f"expected {path} with {expected['bytes']} bytes and SHA-256 "
                    f"{expected['sha256']}, found {size} bytes and {digest}"
                )

    def _table(self, name: str) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self.path / f"{name}.parquet"
        if self.status != "complete" and self.manifest.get("files") and not self.incomplete:
            raise MissingFileError(
                f"expected {name} of a complete run in {self.path}, found one that is "
                f"{self.status}: {self.headline}; load it with incomplete=True to have its rows up "
                "to then"
            )
        if not path.is_file():
            raise MissingFileError(
                f"expected {path}, found no file; the run is {self.status}"
                + (f": {self.headline}" if self.headline else "")
            )
        try:
            require_whole(path, pq.read_metadata(path))
            return pq.read_table(path)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise FormatError(
                f"expected {path} to be Parquet, found a damaged file: {error}"
            ) from None


def load_run(path: Path | str, *, incomplete: bool = False) -> Run:
    """Read a run folder back.

    Parameters
    ----------
    path
        The folder that ``tapewire run -o`` wrote.
    incomplete
        Give the tables of a run that failed, too, if it left any: its rows up to then.

    Returns
    -------
    Run
        Manifest and tables; look at ``status`` before using the tables.

    Raises
    ------
    MissingFileError
        If there is no manifest: the run is still going on, was killed, or it is another folder.
    FormatError
        If the manifest is no JSON object with a status, or a key of it is of another type.
    """
    folder = Path(path)
    file = folder / MANIFEST
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise MissingFileError(
            f"expected a finished run in {folder}, can't read {file}: {why}"
        ) from error
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"expected JSON in {file}, found {error}") from error
    require_shape(manifest, file)
    return Run(folder, manifest, incomplete)
