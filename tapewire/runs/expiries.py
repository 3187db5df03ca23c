"""When instruments of a run end, and what is held then is settled at."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tapewire.config.schema import DatabentoSource, RunConfig, to_fixed
from tapewire.errors import ConfigError, NoDataError
from tapewire.market.instruments import Expiry, InstrumentTable
from tapewire.market.statistics import STATISTICS, settlement_of
from tapewire.market.times import time_text
from tapewire.runs.beside import beside_of
from tapewire.runs.definitions import Definition

if TYPE_CHECKING:
    from tapewire.replay.statistics import StatisticsFile
    from tapewire.wire import StreamInfo


@dataclass(frozen=True)
class Expiries:
    """The instruments that end while the data last, by symbol.

    Attributes
    ----------
    known
        When, and at what price.
    sources
        Where both are from: ``expiration`` and ``settlement_price``, each ``config``,
        ``definition``, ``statistics`` or, of a price that is not known, ``mark``.
    files
        Those with settlement prices.
    start_ns
        Where the data begin; 0: not known.
    """

    known: Mapping[str, Expiry] = field(default_factory=dict)
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: "Sequence[StatisticsFile]" = ()
    start_ns: int = 0

    def warnings(self, left: Collection[str] = ()) -> list[str]:
        """Say of whom no settlement price is known, and who had expired before the data.

        ``left`` are the symbols that the run rolls out of before.
        """
        gone = [
            f"{symbol} expired at {time_text(expiry.ts)}, before the data begin: every order in it "
            "is denied"
            for symbol, expiry in sorted(self.known.items())
            if expiry.ts < self.start_ns
        ]
        return gone + [
            f"{symbol} expires at {time_text(expiry.ts)}, and what it settled at is not known: "
            "what is held then is settled at its mark (set settlement_price of the instrument, or "
            "statistics_files)"
            for symbol, expiry in sorted(self.known.items())
            if expiry.price is None and expiry.ts >= self.start_ns and symbol not in left
        ]


def expiries_of(
    config: RunConfig, info: "StreamInfo", definitions: Mapping[str, Definition]
) -> Expiries:
    """Bring together what ends while the data last; files of statistics are read.

    What the configuration states overrides definitions and statistics. An instrument that ends
    after the data is not among them.

    Raises
    ------
    MissingFileError, FormatError
        If a file of statistics can't be used.
    NoDataError
        If one is of another dataset.
    ConfigError
        If an expiration is stated of a symbol that stands for several instruments.
    """
    given = config.backtest.instruments
    table = InstrumentTable((m.raw_symbol, m.instrument_id) for m in info.mappings)
    files = _read_files(config, info)
    records = np.concatenate([np.empty(0, STATISTICS), *(file.records for file in files)])
    known: dict[str, Expiry] = {}
    sources: dict[str, dict[str, str]] = {}
    for symbol in dict.fromkeys([*definitions, *given]):
        stated = given[symbol].expiration if symbol in given else None
        defined = definitions[symbol].facts.expiration if symbol in definitions else None
        ts = defined if stated is None else stated
        ids = table.ids_of(symbol)
        if stated is not None and len(ids) > 1:
            raise ConfigError(
                f"backtest.instruments.{symbol}.expiration: expected a symbol of one instrument, "
                f"found one that stands for {len(ids)} in these data"
            )
        if ts is None or len(ids) != 1 or (info.end_ns and ts >= info.end_ns):
            continue
        price = None if symbol not in given else given[symbol].settlement_price
        fixed = None if price is None else to_fixed(price)
        source = "config"
        if fixed is None:
            fixed = settlement_of(records, ids[0], ts)
            source = "mark" if fixed is None else "statistics"
        known[symbol] = Expiry(ts, fixed)
        sources[symbol] = {
            "expiration": "definition" if stated is None else "config",
            "settlement_price": source,
        }
    return Expiries(known, sources, files, info.warmup_until_ns or info.start_ns)


def _read_files(config: RunConfig, info: "StreamInfo") -> "list[StatisticsFile]":
    source: Any = config.backtest.data_source
    if not isinstance(source, DatabentoSource):
        return []
    captured = [one.statistics for one in beside_of(config) if one.statistics is not None]
    if not source.statistics_files:
        return captured
    from tapewire.replay.statistics import read_statistics

    files = [read_statistics(path) for path in source.statistics_files]
    for file in files:
        if info.dataset and file.dataset not in info.dataset.split("+"):
            raise NoDataError(
                f"{file.path}: has statistics of {file.dataset}; expected those of {info.dataset}: "
                "name the file of that dataset, or leave it out"
            )
    return [*files, *captured]
