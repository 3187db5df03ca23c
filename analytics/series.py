"""What strategies recorded, as pictures with few points: one per series, the first few of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.curves import Line
from tapewire.analytics.exact import Int64Array, groups
from tapewire.analytics.ledger import Leg

#: Series with a chart of their own, in the order in which they appear; the table has all of them.
CHARTED_SERIES_MAX: Final = 12
#: Time buckets of one of them, of at most four points each.
SERIES_BUCKETS: Final = 500


@dataclass
class SeriesPicture:
    """The line of one series of one leg.

    ``values`` counts what was recorded, ``undrawn`` what of it is no finite number.
    """

    strategy_id: str
    symbol: str
    name: str
    line: Line
    values: int = 0
    undrawn: int = 0

    def add(self, ts: Int64Array, values: NDArray[np.float64]) -> None:
        """Add values at ascending times."""
        finite = np.isfinite(values)
        self.values += values.size
        self.undrawn += values.size - int(np.count_nonzero(finite))
        self.line.add(ts[finite], values[finite])


@dataclass
class SeriesPictures:
    """Pictures of a run's series, and how many more there are."""

    drawn: list[SeriesPicture] = field(default_factory=list)
    left_out: int = 0

    def read(self, path: Path, legs: Sequence[Leg], span: tuple[int, int]) -> None:
        """Read ``series.parquet`` once, row group by row group."""
        names: dict[str, int] = {}
        pictures: dict[int, SeriesPicture | None] = {}
        for leg, words, codes, ts, values in _row_groups(path):
            number = np.array([names.setdefault(word, len(names)) for word in words], np.int64)
            series = leg << 32 | number[codes]
            _, first = np.unique(series, return_index=True)
            for at in np.sort(first):
                key = int(series[at])
                if key not in pictures:
                    pictures[key] = None
                    if len(self.drawn) < CHARTED_SERIES_MAX:
                        owner = legs[key >> 32]
                        word, line = words[codes[at]], Line(*span, SERIES_BUCKETS)
                        picture = SeriesPicture(owner.strategy_id, owner.symbol, word, line)
                        pictures[key] = picture
                        self.drawn.append(picture)
            for key, rows in groups(series):
                if (drawn := pictures[key]) is not None:
                    drawn.add(ts[rows], values[rows])
        self.left_out = len(pictures) - len(self.drawn)


def _row_groups(path: Path) -> Iterator[tuple[Int64Array, list[str], Int64Array, Any, Any]]:
    """Yield legs, the names there are, each row's place among them, times (ns) and values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, read_dictionary=["name"]) as file:
        for index in range(file.num_row_groups):
            table = file.read_row_group(index, columns=["leg", "name", "ts", "value"])
            named = table.column("name").unify_dictionaries().combine_chunks()
            if isinstance(named, pa.ChunkedArray):
                named = named.chunk(0)
            yield (
                table.column("leg").to_numpy().astype(np.int64),
                named.dictionary.to_pylist(),
                named.indices.to_numpy().astype(np.int64),
                table.column("ts").cast(pa.int64()).to_numpy(),
                table.column("value").to_numpy(),
            )
