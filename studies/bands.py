"""How far figures spread over many draws, and where the run's own stands among them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.schemas import Column, arrow_schema
from tapewire.studies.table import write_table

if TYPE_CHECKING:
    import pyarrow as pa

#: Quantiles that are told, by their columns.
QUANTILES: Final = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
_NONE: Final = "no draw has the figure"
#: Columns of ``bands.parquet``.
COLUMNS: Final = (
    Column("method", "string", "", "trades, order, days, perturbed or markets"),
    Column("metric", "string", "", "name of the figure; money is in currency"),
    Column("count", "int64", "count", "draws that have the figure"),
    Column("mean", "float64", "", "mean over draws", _NONE),
    Column("sd", "float64", "", "sample standard deviation over draws", "fewer than two have it"),
    *(Column(name, "float64", "", f"{share:.0%} quantile over draws", _NONE)
      for name, share in QUANTILES.items()),
    Column("own", "float64", "", "what the run itself came to", "it has none"),
    Column("percentile", "float64", "ratio", "share of draws below the run's own, equals half",
           "the run or the draws have none"),
    Column("below_zero", "float64", "ratio", "share of draws below 0", _NONE),
)  # fmt: skip


@dataclass(frozen=True)
class FigureBand:
    """A figure over many draws; see `COLUMNS`."""

    method: str
    metric: str
    count: int
    mean: float | None
    sd: float | None
    q05: float | None
    q25: float | None
    q50: float | None
    q75: float | None
    q95: float | None
    own: float | None
    percentile: float | None
    below_zero: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def band_of(
    method: str, metric: str, values: Iterable[float | None], own: float | None
) -> FigureBand:
    """Return the band of a figure.

    Quantiles are interpolated linearly between draws in order (R. J. Hyndman, Y. Fan, "Sample
    Quantiles in Statistical Packages", American Statistician 50 (1996), type 7).

    Parameters
    ----------
    values
        Of each draw; None, NaN and infinity count as none.
    own
        Of the run itself.
    """
    known = finite(values)
    mine = None if own is None or not math.isfinite(own) else float(own)
    if not known.size:
        nothing = dict.fromkeys(("mean", "sd", *QUANTILES, "percentile", "below_zero"))
        return FigureBand(method=method, metric=metric, count=0, own=mine, **nothing)
    percentile = None
    if mine is not None:
        percentile = float(((known < mine).mean() + (known <= mine).mean()) / 2)
    sd = float(known.std(ddof=1)) if known.size > 1 else None
    shares = np.quantile(known, list(QUANTILES.values())).tolist()
    return FigureBand(
        method=method,
        metric=metric,
        count=int(known.size),
        mean=float(known.mean()),
        sd=sd,
        own=mine,
        percentile=percentile,
        below_zero=float((known < 0).mean()),
        **dict(zip(QUANTILES, shares, strict=True)),
    )


def finite(values: Iterable[float | None]) -> NDArray[np.float64]:
    """Return the values that are finite numbers."""
    every = np.array([math.nan if v is None else float(v) for v in values], np.float64)
    known: NDArray[np.float64] = every[np.isfinite(every)]
    return known


def write_bands(path: Path, bands: Sequence[FigureBand]) -> None:
    """Write ``bands.parquet``, whole or not at all."""
    import pyarrow as pa

    rows = [band.to_dict() for band in bands]
    write_table(path, pa.Table.from_pylist(rows, schema=arrow_schema("bands", COLUMNS)))


def read_bands(table: "pa.Table") -> list[FigureBand]:
    """Return the bands of a table."""
    return [FigureBand(**row) for row in table.to_pylist()]
