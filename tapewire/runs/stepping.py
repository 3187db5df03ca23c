"""``tapewire.Simulation``: a run in this process that goes on as far as it is told to."""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, SupportsIndex

import numpy.typing as npt

from tapewire.config.problems import Places, Problems
from tapewire.config.schema import RunConfig
from tapewire.config.wording import describe
from tapewire.config.yaml import KeyPath
from tapewire.errors import ConfigError, SimulationError
from tapewire.market.times import time_text
from tapewire.processes.signals import heeding
from tapewire.runs.api import AnyPath, AnyStrategy, Time, request_of, time_ns
from tapewire.runs.kept_rows import KeptRows
from tapewire.runs.records import FileRecords, fed_stream
from tapewire.runs.views import BookView, OpenOrder, Position, book_of, open_orders, positions

if TYPE_CHECKING:
    import pyarrow as pa

#: Records between two looks at whether the user wants to stop.
_SLICE_RECORDS: Final = 16_384
#: A step of so few takes less than a millisecond, unless a strategy is slow: no signal is caught
#: meanwhile, which would take longer than the step.
_UNHEEDING_RECORDS: Final = 1_000


class SteppedSimulation:
    """A backtest that is stepped: some records, a look at book and orders, some more records.

    It does what `tapewire.run` does with the same arguments, to the same digest, however it is
    stepped, but in this process alone and without a run folder.

    Parameters
    ----------
    config, files, strategies, symbols, publishers, start, end, warmup, instruments, seed, overrides
        As `tapewire.run` takes them.
    instrument_ids
        Instrument ids by symbol of records of your own: `feed` takes them then, and no file is
        read. It may be empty: instruments go by their numbers then.

    Raises
    ------
    TapewireError
        What `tapewire.run` raises before its first record.

    Notes
    -----
    A step ends at a record, which may be one of several of its event: the book then stands in the
    middle of it. Orders are only ever matched when events are complete, however records are fed.

    Examples
    --------
    >>> with tw.Simulation("day.dbn", strategies="market_maker") as sim:    # doctest: +SKIP
    ...     while sim.step(events=1_000):
    ...         print(sim.book("ESH4").best_bid, sim.orders(), sim.pnl)
    ...     sim.finish()
    """

    def __init__(
        self,
        config: RunConfig | AnyPath | Iterable[AnyPath] | Mapping[str, Any] | None = None,
        *,
        files: AnyPath | Iterable[AnyPath] | None = None,
        strategies: AnyStrategy | Iterable[AnyStrategy] | None = None,
        symbols: str | Iterable[str | SupportsIndex] | None = None,
        publishers: Iterable[SupportsIndex] | None = None,
        start: Time | None = None,
        end: Time | None = None,
        warmup: str | None = None,
        instruments: Mapping[str, Mapping[str, Any]] | None = None,
        seed: SupportsIndex | None = None,
        overrides: Mapping[str | KeyPath, Any] | None = None,
        instrument_ids: Mapping[str, SupportsIndex] | None = None,
    ) -> None:
        fed = instrument_ids is not None
        data = {
            "files": files, "symbols": symbols, "publishers": publishers, "end": end,
            "warmup": warmup,
        }  # fmt: skip
        problems = Problems(Places("tapewire.Simulation"))
        for name in (name for name, value in data.items() if fed and value is not None):
            message = (
                "expected none where records are fed (instrument_ids): feed only what you want"
            )
            problems.add_typed((name,), name, message)
        request = request_of(
            config,
            problems,
            files=files,
            strategies=strategies,
            overrides=overrides,
            fed=fed,
            options={
                "symbols": symbols,
                "publishers": publishers,
                "start": None if fed else start,
                "end": end,
                "warmup": warmup,
                "instruments": instruments,
                "seed": seed,
            },
        )
        #: What is in force, complete and checked.
        self.config: RunConfig = request.checked(label=str)
        self._records: FileRecords | None = None
        self._stopped = ""  # why it goes no further
        from tapewire.runs import wiring
        from tapewire.runs.contract_warnings import contract_warnings
        from tapewire.runs.contracts import contracts_of

        account = self.config.backtest.account
        if account is not None and account.rate_file is not None:
            raise ConfigError(
                "backtest.account.rate_file: expected rates for a simulation that is stepped, "
                "found a file of them, which belongs to a run (tapewire run, tapewire.run)"
            )
        if self.config.backtest.replay.days == "apart":
            raise ConfigError(
                "backtest.replay.days: expected together for a simulation that is stepped, found "
                "apart, which belongs to a run (tapewire run, tapewire.run)"
            )
        wiring.warm_up(self.config, lambda text: None)
        if instrument_ids is not None:
            info = fed_stream(instrument_ids, 0 if start is None else time_ns("start", start))
        else:
            self._records = FileRecords(self.config)
            info = self._records.info
        rolls = None if self._records is None else self._records.rolls
        try:
            #: What deserves a look before the first record.
            contracts = contracts_of(self.config, info, rolls)
            self.warnings: list[str] = contract_warnings(self.config, info, contracts)
            self.warnings += [] if rolls is None else rolls.warnings()
            status = wiring.status_files(self.config)
            self._simulation = wiring.make_simulation(
                self.config, info, status=status, contracts=contracts
            )
        except BaseException:
            self.close()
            raise
        self._look = self._simulation.look()
        self._kept = KeptRows(self._simulation)

    # --- going on -------------------------------------------------------------------------------

    def step(self, events: SupportsIndex | None = None, *, until: Time | None = None) -> int:
        """Run the next records of the files.

        Parameters
        ----------
        events
            At most so many records.
        until
            Only those captured before this moment (``ts_recv``), in any form that ``start`` has.
            Without either: the next batch.

        Returns
        -------
        int
            Records run; 0 if there are no more, or none before `until`.

        Raises
        ------
        TapewireError
            As `tapewire.run` does on the way.
        InterruptedRunError
            If Ctrl-C or SIGTERM came: between two records, and it can go on from there. A step of
            at most 1,000 records, and one outside the main thread, has no ear for them.
        """
        records = self._reading("step")
        limit = None if events is None else _whole_number("events", events)
        until_ns = None if until is None else time_ns("until", until)
        whole_batch = limit is None and until is None
        done = 0
        with heeding(limit is None or limit > _UNHEEDING_RECORDS) as check:
            while limit is None or done < limit:
                left = self._ahead(records)
                wanted = len(left) if limit is None else min(limit - done, len(left))
                count = records.before(wanted, until_ns)
                self._run(left[:count], check, records)
                done += count
                if not count or count < wanted or whole_batch:
                    break
        return done

    def feed(self, records: npt.NDArray[Any]) -> int:
        """Run records of your own.

        Parameters
        ----------
        records
            Shape (n,), dtype ``MBO_DTYPE`` or another one of the same 56 bytes, in the order in
            which they were captured; where they are cut does not matter.

        Returns
        -------
        int
            n.
        """
        self._require_going("feed")
        if self._records is not None:
            raise ConfigError(
                "feed: expected a simulation made for records of your own (instrument_ids={...}), "
                "found one that reads files: use step()"
            )
        with heeding(len(records) > _UNHEEDING_RECORDS) as check:
            self._run(records, check)
        return len(records)

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        """Step batch by batch to the end of the data; give the records of each, which are run."""
        records = self._reading("iteration")
        while len(batch := self._ahead(records)):
            self.step(len(batch))
            yield batch

    def finish(self) -> str:
        """End the data here: let pass what is due, report open orders, stop the strategies.

        What there is to look at can still be looked at; calling it again changes nothing.

        Returns
        -------
        str
            The digest.

        Raises
        ------
        SimulationError
            If the accounts are not what the fills make of them, or it failed before.
        """
        if self._stopped != _FINISHED:
            self._require_going("finish")
            try:
                self._simulation.finish()
                self._kept.check()
            except BaseException as error:
                self._fail(error)
                raise
            self._stopped = _FINISHED
        self._close_files()
        return self.digest()

    def close(self) -> None:
        """Close the files; it goes no further, and can still be looked at."""
        self._stopped = self._stopped or _CLOSED
        self._close_files()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- looking --------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Largest capture time (``ts_recv``) so far, ns since the epoch; 0 before the first."""
        return self._simulation.now_ns

    @property
    def events(self) -> int:
        """Records run so far, those before ``start`` left out."""
        return self._simulation.counts["events"]

    @property
    def counts(self) -> dict[str, int]:
        """Everything that is counted, as in a manifest."""
        return self._simulation.counts

    @property
    def pnl(self) -> float:
        """Net P&L of all strategies in currency, at the last marks."""
        return self._simulation.pnl()

    def book(
        self,
        symbol: str,
        depth: int = 10,
        *,
        publisher_id: int | None = None,
        instrument_id: int | None = None,
    ) -> BookView:
        """Return the best levels of a book.

        Parameters
        ----------
        symbol
            As in the data; the number of an instrument where they have none.
        depth
            Levels per side at most.
        publisher_id, instrument_id
            Which one, where a symbol has several books.

        Raises
        ------
        ConfigError
            For a symbol that the data do not have, and where it is not clear which book is meant.
        """
        return book_of(
            self._look,
            self._simulation.config.instruments,
            symbol,
            publisher_id,
            instrument_id,
            _whole_number("depth", depth),
        )

    def orders(self) -> list[OpenOrder]:
        """Return the simulated orders that are at the exchange now, with their places in queues.

        An order on its way there is not among them yet, one whose cancel is on its way still is.
        """
        return open_orders(self._look, self._simulation.legs)

    def positions(self) -> list[Position]:
        """Return the account of every strategy in every book that it trades, exact to the unit."""
        return positions(self._look, self._simulation.legs)

    def fills(self) -> "pa.Table":
        """Return the fills so far, as ``fills.parquet`` has them."""
        return self.table("fills")

    def table(self, name: str) -> "pa.Table":
        """Return a table of a run folder as far as it goes.

        Parameters
        ----------
        name
            ``fills``, ``orders`` (those that were closed; of the open ones see `orders`),
            ``equity``, ``fees``, ``series``, or ``events`` with ``detailed_log``.
        """
        return self._kept.table(name)

    def digest(self) -> str:
        """Return the digest of the run so far; after `finish`, that of `tapewire.run`."""
        self._kept.collect()
        return self._simulation.digest()

    def digests(self) -> dict[str, str]:
        """Return the digest of every strategy so far."""
        self._kept.collect()
        return self._simulation.digests()

    def __repr__(self) -> str:
        when = time_text(self.now) if self.now else "before its first record"
        end = f", {self._stopped}" if self._stopped else ""
        return f"<Simulation {when}: {self.events:,} events, P&L {self.pnl:,.2f}{end}>"

    # --- inside ---------------------------------------------------------------------------------

    def _run(
        self,
        records: npt.NDArray[Any],
        check: Callable[[], None],
        source: FileRecords | None = None,
    ) -> None:
        """Run records in slices, so that a signal is heard between two of them."""
        for at in range(0, len(records), _SLICE_RECORDS):
            part = records[at : at + _SLICE_RECORDS]
            try:
                self._simulation.feed(part)
                self._kept.note(len(part))
            except BaseException as error:
                self._fail(error)
                raise
            if source is not None:
                source.take(len(part))
            check()

    def _ahead(self, records: FileRecords) -> npt.NDArray[Any]:
        try:
            return records.ahead()
        except BaseException as error:
            self._fail(error)
            raise

    def _fail(self, error: BaseException) -> None:
        """Let nothing go on from where something failed half-way."""
        first = (str(error) or type(error).__name__).split("\n", 1)[0]
        self._stopped = f"failed: {first}"
        self._close_files()

    def _reading(self, what: str) -> FileRecords:
        self._require_going(what)
        if self._records is None:
            raise ConfigError(
                f"{what}: expected a simulation of files, found one made for records of your own: "
                "use feed()"
            )
        return self._records

    def _require_going(self, what: str) -> None:
        if self._stopped:
            raise SimulationError(
                f"{what}: expected a simulation that goes on, found one that is {self._stopped}; "
                "make a new one"
            )

    def _close_files(self) -> None:
        if self._records is not None:
            self._records.close()


_FINISHED: Final = "finished"
_CLOSED: Final = "closed"
#: As `tapewire` offers it.
Simulation = SteppedSimulation


def _whole_number(name: str, value: Any) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if isinstance(value, bool) or number < 1:
        raise ConfigError(f"{name}: expected a whole number from 1, found {describe(value)}")
    return number
