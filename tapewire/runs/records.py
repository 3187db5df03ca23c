"""Records for a simulation in this process: of a configuration's files, or of the caller's own."""

import operator
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.config.schema import DatabentoSource, RunConfig, SyntheticSource
from tapewire.config.wording import describe
from tapewire.errors import ConfigError
from tapewire.inputs.rolls import with_rolls
from tapewire.inputs.same_data import require_different
from tapewire.market.records import MBO_DTYPE
from tapewire.processes.transports import replay_plan
from tapewire.replay import open_source
from tapewire.wire import StreamInfo, SymbolMapping

_INSTRUMENT_ID_MAX: Final = 2**32 - 1


class FileRecords:
    """The records of a configuration's files, in order, read batch by batch as they are taken.

    Parameters
    ----------
    config
        Its data source says which; how they would travel in a run does not matter.

    Attributes
    ----------
    info
        What there is.
    rolls
        What continuous symbols and parents stand for; None: there are none.

    Raises
    ------
    InputError, ConfigError
        If a file can't be used.
    """

    def __init__(self, config: RunConfig) -> None:
        source = config.backtest.data_source
        if isinstance(source, SyntheticSource):
            from tapewire.inputs.synthetic import synthetic_file

            path = synthetic_file(source, lambda text: None)
            source = DatabentoSource(type="databento", files=[str(path)])
        plan = replay_plan(source, config.backtest.replay)
        require_different(
            plan.files, allow_copies=plan.duplicates == "drop", allow_truncated=plan.allow_truncated
        )
        plan, self.rolls = with_rolls(plan, source)
        self._source = open_source(plan)
        self._batch_records = plan.batch_records
        self._batch = np.empty(0, MBO_DTYPE)
        self._clocks = np.empty(0, np.int64)
        self._at = 0
        self._ended = False
        self.info: StreamInfo = self._source.info

    def ahead(self) -> npt.NDArray[Any]:
        """Return what is left of the batch, or of the next one; empty at the end of the data.

        It is not taken yet, and nobody else writes to it.
        """
        if self._at == len(self._batch) and not self._ended:
            self._read()
        return self._batch[self._at :]

    def before(self, count: int, until_ns: int | None) -> int:
        """Return how many of the next ``count`` were captured before a moment; None: all."""
        if until_ns is None:
            return count
        clocks = self._clocks[self._at : self._at + count]
        return int(np.searchsorted(clocks, until_ns, side="left"))

    def take(self, count: int) -> None:
        """Go on behind the next ``count`` records of the batch."""
        self._at += count

    def close(self) -> None:
        """Close the files."""
        self._source.close()
        self._ended = True

    def _read(self) -> None:
        last = self._clocks[-1] if self._clocks.size else np.int64(0)
        batch = np.empty(self._batch_records, MBO_DTYPE)
        count = self._source.fill(batch)
        self._ended = count == 0
        self._batch, self._at = batch[:count], 0
        self._batch.flags.writeable = False
        # As the simulation's clock goes: it never goes back.
        self._clocks = np.maximum.accumulate(
            np.maximum(self._batch["ts_recv"].astype(np.int64), last)
        )


def fed_stream(instrument_ids: Any, start_ns: int) -> StreamInfo:
    """Describe records that the caller brings.

    Parameters
    ----------
    instrument_ids
        A mapping by symbol.
    start_ns
        Records before it only build books; 0: there are none.

    Raises
    ------
    ConfigError
        If an id is none.
    """
    if not isinstance(instrument_ids, Mapping):
        what = "a mapping like {'ESH4': 17077}"
        raise ConfigError(f"instrument_ids: expected {what}, found {describe(instrument_ids)}")
    mappings = []
    for symbol, value in instrument_ids.items():
        try:
            number = operator.index(value)
        except TypeError:
            number = -1
        if not isinstance(symbol, str) or not 0 <= number <= _INSTRUMENT_ID_MAX:
            raise ConfigError(
                f"instrument_ids: expected symbols and whole numbers from 0 to "
                f"{_INSTRUMENT_ID_MAX}, found {symbol!r}: {value!r}"
            )
        mappings.append(SymbolMapping(symbol, number, 0, 0))
    return StreamInfo(
        dataset="",
        schema="mbo",
        files=(),
        mappings=tuple(mappings),
        start_ns=start_ns,
        end_ns=0,
        batch_records=1,
        speed=None,
        warmup="full" if start_ns else "none",
        warmup_until_ns=start_ns,
    )
