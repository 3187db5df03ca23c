"""Read a run's tables once, row group by row group, and work out metrics and chart lines.

Memory follows the number of legs and chart points, never the number of rows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.arrivals import OrderCosts
from tapewire.analytics.bands import Band, Bands
from tapewire.analytics.curves import CHART_BUCKETS, Curve, Line
from tapewire.analytics.exact import Int64Array
from tapewire.analytics.fill_marks import FILLS_DRAWN_MAX, FillMarks
from tapewire.analytics.inventory import Inventory
from tapewire.analytics.ledger import Leg
from tapewire.analytics.margins import Margins
from tapewire.analytics.metrics import METRICS, Inputs, Registry
from tapewire.analytics.metrics.inputs import (
    EdgeTotals,
    FillTotals,
    ImpactTotals,
    OrderTotals,
    Pnl,
)
from tapewire.analytics.portfolio import InstrumentTotals, by_instrument
from tapewire.analytics.profiles import HourProfile, QueuePlaces
from tapewire.analytics.quote_marks import QUOTES_DRAWN_MAX, QuoteMarks
from tapewire.analytics.rates import Conversion
from tapewire.analytics.series import SeriesPictures
from tapewire.analytics.settlements import SettledDay, SettledDays, SettlementPrices
from tapewire.analytics.tallies import BLANK, Tallies
from tapewire.errors import FormatError

#: Strategies and legs that are drawn; the tables list all of them.
CHARTED_STRATEGIES_MAX: Final = 8
CHARTED_LEGS_MAX: Final = 12
#: Time buckets of all lines of a chart together; no line has fewer than the least of one.
_BUCKETS_OF_CHART: Final = 1800
_BUCKETS_MIN: Final = 200


@dataclass
class LegPicture:
    """Lines, fills and resting orders of one leg. Prices in 1e-9, positions in lots."""

    leg: int
    book: int
    strategy_id: str
    symbol: str
    position: Line
    mark: Line
    fills: FillMarks
    quotes: QuoteMarks


@dataclass
class Analysis:
    """Everything the metrics table and the report say about the rows."""

    first_ns: int
    last_ns: int
    metrics: Registry = METRICS
    #: Most points of one line.
    points_max: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    #: What is wrong with metrics that failed, by column.
    failed: dict[str, str] = field(default_factory=dict)
    total: Curve = field(default_factory=Curve)
    strategies: dict[str, Curve] = field(default_factory=dict)
    pictures: list[LegPicture] = field(default_factory=list)
    #: Best prices of the books of those, where they are known.
    bands: dict[int, Band] = field(default_factory=dict)
    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    fill_reasons: Counter[str] = field(default_factory=Counter)
    series: SeriesPictures = field(default_factory=SeriesPictures)
    edges: EdgeTotals = field(default_factory=EdgeTotals)
    hours: HourProfile = field(default_factory=HourProfile)
    queues: QueuePlaces = field(default_factory=QueuePlaces)
    instruments: list[InstrumentTotals] = field(default_factory=list)
    settled: list[SettledDay] = field(default_factory=list)


class _Reader(Tallies):
    """One pass over the three tables."""

    def __init__(
        self,
        legs: Sequence[Leg],
        active: Sequence[int],
        span: tuple[int, int],
        metrics: Registry,
        initial_capital: int | None,
        margins: Margins,
        conversion: Conversion,
        settlements: SettlementPrices,
    ) -> None:
        super().__init__(legs, initial_capital, margins, conversion)
        self.settled = SettledDays(legs, settlements, conversion)
        self.span = span
        self.leg_curves = {leg: Curve(capital=initial_capital) for leg in active}
        self.result = Analysis(*span, metrics, strategies=self.strategies, failed=self.failed)
        self.pictures: dict[int, LegPicture] = {}
        self.positions: dict[int, int] = {}  # at the last sample
        self._clock_ns = span[0]
        for leg in active:
            self.open(leg)

    def orders(self, path: Path) -> None:
        sent = ["ts_sent"] if self._conversion else []
        wanted = dict.fromkeys(("leg", "reason", *QuoteMarks.COLUMNS, *OrderTotals.COLUMNS,
                                *OrderCosts.COLUMNS, *sent))  # fmt: skip
        for part in row_groups(path, list(wanted)):
            self.result.queues.add(part["queue_ahead"], part["filled_qty"])
            self.add_orders(part)
        statuses = self.result.statuses
        statuses.update({strategy: Counter() for strategy in self.result.reasons})
        for leg, tally in self.tallies.items():
            if tally.orders.statuses:
                statuses[self.legs[leg].strategy_id] += tally.orders.statuses

    def fills(self, path: Path) -> None:
        wanted = dict.fromkeys((
            "leg", "commission", "position_effect", *FillMarks.COLUMNS, *FillTotals.COLUMNS,
            *Inventory.COLUMNS, *ImpactTotals.COLUMNS,
        ))  # fmt: skip
        for part in row_groups(path, list(wanted)):
            self.result.fill_reasons.update(part["reason"].tolist())
            self.result.hours.add_fills(part["ts_event"], part["last_qty"])
            self.add_fills(part)

    def markouts(self, path: Path) -> None:
        times = ["ts_event"] if self._conversion else []
        for part in row_groups(path, ["leg", *EdgeTotals.COLUMNS, *times]):
            self.add_markouts(part)

    def equity(self, path: Path) -> None:
        for part in row_groups(path, ["leg", "ts", "position", "mark", "pnl", *Pnl.COLUMNS]):
            self.add_samples(part)

    def see_orders(self, leg: int, orders: Mapping[str, NDArray[Any]]) -> None:
        if (picture := self.pictures.get(leg)) is not None:
            picture.quotes.add(orders)
        why = self.result.reasons.setdefault(self.legs[leg].strategy_id, Counter())
        why.update(orders["reason"].tolist())

    def see_fills(self, leg: int, fills: Mapping[str, NDArray[Any]]) -> None:
        if (picture := self.pictures.get(leg)) is not None:
            picture.fills.add(fills)

    def see_samples(
        self, leg: int, samples: Mapping[str, NDArray[Any]], change: Int64Array
    ) -> None:
        self.settled.add(leg, samples)
        self.positions[leg] = int(samples["position"][-1])
        self.leg_curves[leg].add(samples["ts"], change)
        if (picture := self.pictures.get(leg)) is not None:
            picture.position.add(samples["ts"], samples["position"])
            priced = samples["mark"] != NO_MARK
            picture.mark.add(samples["ts"][priced], samples["mark"][priced])

    def see_changes(self, ts: Int64Array, change: Int64Array) -> None:
        clock = np.maximum(ts, self._clock_ns)
        self._clock_ns = int(clock[-1])
        self.result.total.add(clock, change)
        self.result.hours.add_pnl(clock, change)


#: Stand-in for a null mark while reading; no price has this value.
NO_MARK: Final = -(2**63)


def analyse(
    folder_files: dict[str, Path],
    legs: Sequence[Leg],
    final_pnl: dict[int, int],
    span: tuple[int, int],
    metrics: Registry = METRICS,
    initial_capital: int | None = None,
    margins: Margins | None = None,
    bands: Bands | None = None,
    conversion: Conversion | None = None,
    settlements: SettlementPrices | None = None,
) -> Analysis:
    """Work out metrics and chart lines of a run.

    Parameters
    ----------
    folder_files
        Where the tables ``orders``, ``fills`` and ``equity`` are, and
        ``markouts`` and ``series``, if there are any.
    legs
        The run's leg table.
    final_pnl
        Final P&L (1e-9 currency) of every leg that has rows; decides what is drawn.
    span
        First and last time of the samples, ns.
    metrics
        What is computed of every leg, of every strategy and in total.
    initial_capital
        What each strategy begins with, 1e-9 currency, where that was stated.
    margins
        What a lot takes as margin by symbol, where that was stated.
    bands
        Best prices of the books, of a run that has markouts.
    conversion
        Of money in other currencies, where rates change.
    settlements
        What instruments settled at by day, where that is known.
    """
    active = sorted(final_pnl)
    reader = _Reader(
        legs, active, span, metrics, initial_capital, margins or {}, conversion or Conversion(),
        settlements or SettlementPrices(),
    )  # fmt: skip
    by_strategy: dict[str, int] = {}
    for leg in active:
        name = legs[leg].strategy_id
        by_strategy[name] = by_strategy.get(name, 0) + final_pnl[leg]
    drawn = sorted(by_strategy, key=lambda s: -abs(by_strategy[s]))[:CHARTED_STRATEGIES_MAX]
    charted = sorted(active, key=lambda i: -abs(final_pnl[i]))[:CHARTED_LEGS_MAX]
    lines = max(len(drawn), len(charted), 1)
    window = (*span, min(CHART_BUCKETS, max(_BUCKETS_MIN, _BUCKETS_OF_CHART // lines)))
    for name in by_strategy:
        reader.strategies[name] = _curve(window) if name in drawn else Curve()
        reader.strategies[name].capital = initial_capital
    reader.result.total = _curve(window)
    reader.result.total.capital = _together(initial_capital, by_strategy)
    reader.result.points_max = 4 * window[2]
    for leg in charted:
        reader.pictures[leg] = LegPicture(
            leg, legs[leg].publisher_id << 32 | legs[leg].instrument_id,
            legs[leg].strategy_id, legs[leg].symbol, Line(*window), Line(*window),
            FillMarks(*span, FILLS_DRAWN_MAX // len(charted)),
            QuoteMarks(span[1], QUOTES_DRAWN_MAX // len(charted)),
        )  # fmt: skip
    if bands is not None:
        reader.markets = bands.markets()
        books = [reader.pictures[leg].book for leg in charted]
        reader.result.bands = bands.of(books, *span)
    reader.orders(folder_files["orders"])
    reader.fills(folder_files["fills"])
    reader.equity(folder_files["equity"])
    if "markouts" in folder_files:
        reader.markouts(folder_files["markouts"])
    if "series" in folder_files:
        reader.result.series.read(folder_files["series"], legs, span)
    return _conclude(reader, by_strategy)


def _curve(window: tuple[int, int, int]) -> Curve:
    return Curve(line=Line(*window), drawdown_line=Line(*window))


def _together(each: int | None, by_strategy: dict[str, int]) -> int | None:
    return None if each is None else each * len(by_strategy)


def _conclude(reader: _Reader, by_strategy: dict[str, int]) -> Analysis:
    result = reader.result
    for curve in (result.total, *reader.leg_curves.values()):
        curve.finish()
    reader.finish(reader.span[1])
    result.pictures = [reader.pictures[leg] for leg in sorted(reader.pictures)]
    tallies, compute = reader.tallies, result.metrics.compute
    result.instruments = by_instrument(reader.legs, tallies, reader.positions)
    result.settled = reader.settled.rows(NO_MARK)
    result.edges = sum((tally.edges for tally in tallies.values()), EdgeTotals())
    each, together = reader.initial_capital, _together(reader.initial_capital, by_strategy)
    everything = compute(
        Inputs.of(tallies.values(), result.total, together, reader.margins.total()), result.failed
    )
    result.rows.append({"scope": "total", **BLANK, **everything})
    result.rows += reader.of_strategies(result.metrics)
    for leg, tally in tallies.items():
        info = reader.legs[leg]
        keys = {"strategy_id": info.strategy_id, "leg": leg, "publisher_id": info.publisher_id,
                "instrument_id": info.instrument_id, "symbol": info.symbol}  # fmt: skip
        figures = compute(
            Inputs.of([tally], reader.leg_curves[leg], each, reader.margins.of_leg(leg)),
            result.failed,
        )
        result.rows.append({"scope": "leg", **keys, **figures})
    return result


def row_groups(path: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a table's row groups as numpy columns: times and numbers int64, words as objects."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for index in range(file.num_row_groups):
                table = file.read_row_group(index, columns=columns)
                yield {name: _to_numpy(table.column(name), pa) for name in columns}
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's; Arrow has no number for what is wrong in a file
        raise FormatError(f"expected {path} to be Parquet, found a damaged file: {error}") from None


def _to_numpy(column: Any, pa: Any) -> NDArray[Any]:
    if pa.types.is_string(column.type):
        coded = column.combine_chunks().dictionary_encode()
        if isinstance(coded, pa.ChunkedArray):
            coded = coded.combine_chunks()
        words = np.array(coded.dictionary.to_pylist(), object)
        return np.asarray(words[coded.indices.to_numpy(zero_copy_only=False)])
    if column.type != pa.int64():
        column = column.cast(pa.int64())
    if column.null_count:
        column = column.fill_null(NO_MARK)
    return np.asarray(column.to_numpy())
