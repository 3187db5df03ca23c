"""``tapewire features``: rows of features of market data files, as a table."""

import json
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from tapewire.atomic import atomic_file
from tapewire.compiled.units import NS_PER_DAY, NS_PER_S
from tapewire.errors import ConfigError, NoDataError
from tapewire.features import (
    DEFAULT_NAMES,
    FeaturePass,
    FeatureRows,
    FeatureSet,
    Label,
    Labeller,
    RowReach,
    Sampling,
    labels_of,
    until_expiry,
)
from tapewire.features.passing import warm_up
from tapewire.inputs.expiries import expiries_in
from tapewire.inputs.inspection import book_limits
from tapewire.inputs.rolls import with_rolls
from tapewire.inputs.same_data import require_different
from tapewire.inputs.telling import Steps, say, tell
from tapewire.inputs.typed_sources import Names, contract_files, typed_source
from tapewire.market import InstrumentTable
from tapewire.market.records import MBO_DTYPE
from tapewire.processes.signals import interruptible
from tapewire.replay import ReplayPlan, open_source
from tapewire.replay.reused_ids import require_one_symbol

_CHUNK_RECORDS: Final = 65_536
_TIME: Final = pa.timestamp("ns", tz="UTC")
#: Columns beside features and labels.
_KEYS: Final = ("ts_recv", "publisher_id", "instrument_id", "symbol")
#: Key of the Parquet file's metadata that says how its rows were made.
METADATA_KEY: Final = "tapewire_features"


@dataclass(frozen=True)
class FeatureRequest:
    """What rows are wanted, checked.

    Attributes
    ----------
    plan : ReplayPlan
        Which records.
    every : Sampling
    features : FeatureSet
    labels : tuple of Label
    reach : RowReach
        When instruments have rows.
    notes : tuple of str
        What deserves a look.
    """

    plan: ReplayPlan
    every: Sampling
    features: FeatureSet
    labels: tuple[Label, ...]
    reach: RowReach
    notes: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """Columns of the table, and how they were made in its metadata."""
        made = {
            "every": self.every.text,
            "features": list(self.features.names),
            "labels": [label.name for label in self.labels],
            "close_s": self.features.close_ns // NS_PER_S,
        }
        types = (_TIME, pa.uint16(), pa.uint32(), pa.dictionary(pa.int32(), pa.string()))
        names = [*self.features.names, *made["labels"]]  # type: ignore[misc]
        return pa.schema(
            [*zip(_KEYS, types, strict=True), *((name, pa.float64()) for name in names)],
            metadata={METADATA_KEY: json.dumps(made)},
        )


@dataclass(frozen=True)
class FeatureSummary:
    """What `write_features` wrote."""

    path: Path
    rows: int
    records: int
    columns: int


def feature_request(
    files: Sequence[str | os.PathLike[str]],
    *,
    every: str,
    features: str | Sequence[str] | None = None,
    labels: str | Sequence[str] = (),
    symbols: str | Sequence[str] = (),
    start: str | int | None = None,
    end: str | int | None = None,
    close: str | None = None,
    definitions: Names = (),
    statistics: Names = (),
    volumes: Names = (),
) -> FeatureRequest:
    """Check what is wanted, and work out what continuous symbols mean.

    Raises
    ------
    ConfigError
        If a name, a time or a length is not as it should be.
    InputError
        As `tapewire.inputs.rolls.rolls_of`.
    InterruptedRunError
        If the user stopped it.
    """
    sampling, named = Sampling.of(every), labels_of(_names(labels))
    feature_set = FeatureSet(
        DEFAULT_NAMES if features is None else _names(features),
        close_ns=NS_PER_DAY if close is None else _time_of_day_ns(close),
    )
    options = {"symbols": _names(symbols), "start": start, "end": end}
    contracts = contract_files(definitions, statistics, volumes)
    wanted, notes = typed_source(files, options, contracts, always=("definition_files",))
    plan = ReplayPlan(
        files=tuple(wanted.files),
        symbols=tuple(wanted.symbols),
        start_ns=wanted.start,
        end_ns=wanted.end,
        warmup="full",
    )
    with interruptible():
        plan, rolls = with_rolls(plan, wanted, Steps)
    if rolls is not None:
        notes = [*notes, *rolls.warnings()]
    expiries_ns, told = expiries_in(wanted)
    reach = RowReach(until_expiry({} if rolls is None else rolls.reach(), expiries_ns))
    notes = [*notes, *told]
    return FeatureRequest(plan, sampling, feature_set, named, reach, tuple(notes))


def _names(names: str | Sequence[str]) -> list[str]:
    """Several names, or one string of them with commas."""
    if isinstance(names, str):
        return [name.strip() for name in names.split(",") if name.strip()]
    return list(names)


def _time_of_day_ns(text: str) -> int:
    """Return the ns after midnight of ``22:00`` or ``22:00:30``."""
    parts = text.split(":")
    if len(parts) in (2, 3) and all(part.isascii() and part.isdigit() for part in parts):
        hour, minute, second = (*map(int, parts), 0)[:3]
        if hour < 24 and minute < 60 and second < 60 and max(map(len, parts)) <= 2:
            return ((hour * 60 + minute) * 60 + second) * NS_PER_S
    raise ConfigError(f"close: expected a time of day in UTC as 22:00, found {text!r}")


def feature_batches(
    request: FeatureRequest, steps: Steps | None = None
) -> Generator[pa.RecordBatch, None, None]:
    """Give the rows of files, in the order of their moments; memory is bounded but for labels.

    Raises
    ------
    InputError
        If a file can't be used, or holds nothing that was asked for.
    """
    schema = request.schema
    chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
    warm_up(say)
    with book_limits(", ".join(request.plan.files)), open_source(request.plan) as source:
        require_one_symbol(source.info)
        names = InstrumentTable((m.raw_symbol, m.instrument_id) for m in source.info.mappings)
        table = _RowTable(schema, names)
        ahead = FeaturePass(
            request.features,
            request.every,
            start_ns=request.plan.start_ns or 0,
            keeps_mids=bool(request.labels),
        )
        reach = request.reach
        ends = (lambda rows: reach.ends(rows, ahead)) if reach else None
        labeller = Labeller(request.labels, ahead.events, ends)

        def labelled(given: FeatureRows) -> Iterator[pa.RecordBatch]:
            given = reach.within(given, ahead) if reach else given
            if not request.labels:
                if len(given):
                    yield table.batch(ahead, given, np.empty((len(given), 0)))
                return
            for rows, found in labeller.add(given, ahead.clock):
                yield table.batch(ahead, rows, found)

        while n := source.fill(chunk):
            for given in ahead.feed(chunk[:n]):
                yield from labelled(given)
            if steps is not None:
                steps(source.events)
        for given in ahead.finish():
            yield from labelled(given)
        for rows, found in labeller.finish(ahead.clock):
            yield table.batch(ahead, rows, found)


class _RowTable:
    """Makes batches of a table; a symbol is written once."""

    def __init__(self, schema: pa.Schema, names: InstrumentTable) -> None:
        self._schema = schema
        self._names = names
        self._symbols: list[str] = []
        self._positions: dict[int, int] = {}

    def batch(
        self, ahead: FeaturePass, given: FeatureRows, labels: npt.NDArray[np.float64]
    ) -> pa.RecordBatch:
        publishers, instruments = ahead.keys(given.rows["book"])
        columns: list[Any] = [
            pa.array(given.rows["ts"].copy()).cast(_TIME),
            pa.array(publishers.astype(np.uint16)),
            pa.array(instruments.astype(np.uint32)),
            self._symbols_of(instruments),
        ]
        for values in (given.values, labels):
            columns += [pa.array(np.ascontiguousarray(column)) for column in values.T]
        return pa.record_batch(columns, schema=self._schema)

    def _symbols_of(self, instruments: npt.NDArray[np.int64]) -> pa.DictionaryArray:
        ids, places = np.unique(instruments, return_inverse=True)
        positions = []
        for instrument_id in ids.tolist():
            if instrument_id not in self._positions:
                self._positions[instrument_id] = len(self._symbols)
                self._symbols.append(self._names.get(instrument_id).symbol)
            positions.append(self._positions[instrument_id])
        indices = np.array(positions, np.int32)[places]
        return pa.DictionaryArray.from_arrays(indices, pa.array(self._symbols, pa.string()))


def features_table(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    every: str,
    features: str | Sequence[str] | None = None,
    labels: str | Sequence[str] = (),
    symbols: str | Sequence[str] = (),
    start: str | int | None = None,
    end: str | int | None = None,
    close: str | None = None,
    definitions: Names = (),
    statistics: Names = (),
    volumes: Names = (),
) -> pa.Table:
    """Return rows of features of market data files as an Arrow table.

    Parameters
    ----------
    files
        One, or several merged by ``ts_recv``: ``.dbn`` or ``.dbn.zst`` of schema ``mbo``.
    every : str
        ``"100ms"``: a row per book at every whole multiple of that time, as of all events up to
        and including it; ``"100ev"``: after every hundredth event of a book; ``"trade"``,
        ``"bbo"``: after each event that has a trade, or changed a best price or its lots.
    features : str or sequence of str, optional
        Names, or one text of them with commas; see ``docs/features.md``. By default the twenty of
        ``tapewire.features.DEFAULT_NAMES``.
    labels : str or sequence of str, optional
        ``mid_return_1s``, ``mid_return_100ev``: they look ahead.
    symbols, start, end : optional
        Which records; those before ``start`` count, but have no rows. Continuous symbols and
        parents have the rows of their contracts, each on its days.
    close : str, optional
        Time of day of the close, UTC, as ``"22:00"``.
    definitions, statistics, volumes : sequences of paths
        Files that say which contracts those are: see ``docs/rolls.md``.

    Returns
    -------
    pyarrow.Table
        ``ts_recv`` (the row's moment, ns, UTC), ``publisher_id``, ``instrument_id``, ``symbol``,
        then features and labels as float64, NaN where they are not known.

    Raises
    ------
    ConfigError
        If a name or a value is not as it should be.
    InputError
        If a file can't be used, or holds nothing that was asked for.
    """
    given = [files] if isinstance(files, str | os.PathLike) else list(files)
    request = feature_request(
        given,
        every=every,
        features=features,
        labels=labels,
        symbols=symbols,
        start=start,
        end=end,
        close=close,
        definitions=definitions,
        statistics=statistics,
        volumes=volumes,
    )
    require_different(request.plan.files)
    batches = list(feature_batches(request))
    return pa.Table.from_batches(batches, request.schema).unify_dictionaries()


def write_features(
    request: FeatureRequest,
    output: str | os.PathLike[str],
    *,
    console: Console | None = None,
) -> FeatureSummary:
    """Write the rows of `features_table` to a Parquet file, whatever their number.

    The file appears when it is complete; an existing one is replaced. Its metadata say under
    ``tapewire_features`` how the rows were made.

    Raises
    ------
    ConfigError
        If the output is an input.
    InputError
        If a file can't be used, or no row is due.
    OutputError
        If the file can't be written.
    InterruptedRunError
        If the user stopped it; what was there before is untouched.
    """
    output = Path(output)
    for path in request.plan.files:
        if output.exists() and Path(path).exists() and output.samefile(path):
            raise ConfigError(f"output: {output} is the input {path}; choose another name with -o")
    for note in request.notes:
        say(f"note: {note}")
    rows = records = 0
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        require_different(request.plan.files)
        steps = stack.enter_context(_CountedSteps("writing features, records read"))
        file = stack.enter_context(atomic_file(output))
        writer = stack.enter_context(pq.ParquetWriter(file, request.schema, compression="zstd"))
        batches = stack.enter_context(closing(feature_batches(request, steps)))
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
        records = steps.done
        if not rows:
            raise NoDataError(
                f"{', '.join(request.plan.files)}: no row is due in its {records:,} records with "
                f"--every {request.every.text}: choose a shorter one, or another window"
            )
    columns = len(request.features) + len(request.labels)
    tell(console, f"{output}: {rows:,} rows of {records:,} records, {columns} columns")
    return FeatureSummary(output, rows, records, columns)


class _CountedSteps(Steps):
    """Shows how far something is, and knows how far that was."""

    done = 0

    def __init__(self, what: str) -> None:
        super().__init__(what, None)

    def __call__(self, done: int) -> None:
        self.done = done
        super().__call__(done)
