"""Every error Tapewire raises on purpose, as one tree.

A message says what was expected, what was found and where (file, record number, byte offset,
sequence, key), and, where there is something to do, what to do next. The command line prints it as
one sentence and exits with ``exit_code``; a traceback is only ever a bug of ours.

    TapewireError
    ├── ConfigError          a configuration file, key, value or command-line argument
    ├── InputError           a market data file or an order log
    │   ├── MissingFileError     it is not there, or can't be read
    │   ├── FormatError          it is no DBN, another schema, truncated or corrupt
    │   ├── NoDataError          it holds nothing that was asked for
    │   ├── FlaggedDataError     a record says of itself what the run is to stop at
    │   ├── DownloadError        a vendor's server refused, fell silent or sent something else
    │   └── FeedError            a live gateway refuses what is asked, or is away for too long
    ├── OutputError          a run folder or file that can't be written
    │   └── BusyFolderError      another run is writing into the folder
    ├── WireError            the stream between replay and router
    │   ├── EndpointError        an address that can't be bound or reached
    │   ├── ProtocolError        a gap, duplicate, bad checksum or malformed frame
    │   └── PeerLostError        the other process died or fell silent
    ├── SimulationError      the run itself: a strategy, a model or a stated limit
    │   └── StrategyError        a strategy's own code raised; what it did until then is kept
    ├── StoreError           the database of strategies and results
    │   ├── StoreLockedError     another process holds it past the deadline
    │   ├── StoreAwayError       its server can't be reached, or lets nobody in
    │   ├── StoreFullError       its disk is full
    │   ├── StoreVersionError    its tables are of an older or newer version
    │   ├── QueueFullError       more jobs wait than may
    │   ├── StaleAttemptError    a job was taken from who writes for it, or has ended
    │   ├── KeyReuseError        an idempotency key that another request had
    │   └── NotAStoreError       what is there is no database, a damaged one or another's
    ├── BrokerError          what goes to a broker, or comes from one
    │   └── BrokerDownError      there is no session with it: nothing was sent
    ├── LiveError            a live session that may not begin, or can't go on
    │   └── LeaseError           another session holds the account, or has taken it over
    └── InterruptedRunError  stopped by the user (Ctrl-C, SIGTERM)

This module imports nothing, so that every room may import it.
"""


class TapewireError(Exception):
    """Base of all errors a user may meet; what they quote of files and peers is safe to show."""

    exit_code = 1

    def __str__(self) -> str:
        text = super().__str__()
        if text.isprintable():
            return text
        return "".join(map(_shown, text))


class ConfigError(TapewireError):
    """A configuration key, value or command-line argument is wrong."""

    exit_code = 2
    #: Where there are several: each of them, in one sentence.
    problems: tuple[str, ...] = ()


class InputError(TapewireError):
    """A market data file or an order log can't be used."""

    exit_code = 3


class MissingFileError(InputError):
    """An input file is missing or unreadable."""


class FormatError(InputError):
    """An input file is not what it should be: format, schema, length or content."""


class NoDataError(InputError):
    """The inputs hold nothing that was asked for."""


class FlaggedDataError(InputError):
    """A record, or an event that ends without one, says something at which a run is to stop.

    Attributes
    ----------
    kind
        What, by its key in the configuration.
    publisher_id, instrument_id
        The book.
    ts_event, ts_recv
        Of the record, ns since the epoch.
    """

    def __init__(
        self,
        message: str,
        kind: str = "",
        publisher_id: int = 0,
        instrument_id: int = 0,
        ts_event: int = 0,
        ts_recv: int = 0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.publisher_id = publisher_id
        self.instrument_id = instrument_id
        self.ts_event = ts_event
        self.ts_recv = ts_recv


class DownloadError(InputError):
    """A vendor's server refused a request, fell silent or sent something else."""


class FeedError(InputError):
    """A live gateway refuses what is asked, or is away for longer than is waited."""


class OutputError(TapewireError):
    """A result can't be written."""

    exit_code = 4


class BusyFolderError(OutputError):
    """Another run is writing into the run folder."""


class WireError(TapewireError):
    """The stream between replay and router failed."""

    exit_code = 5


class EndpointError(WireError):
    """An address can't be bound or reached."""


class ProtocolError(WireError):
    """A frame breaks the protocol: gap, duplicate, checksum, malformed."""


class PeerLostError(WireError):
    """The other process died or fell silent past its deadline."""


class SimulationError(TapewireError):
    """The run itself failed: a strategy, a model or a stated limit."""

    exit_code = 6


class StrategyError(SimulationError):
    """A strategy's own code failed.

    The message may have several lines: the strategy's own traceback is one of them each.

    Attributes
    ----------
    strategy_id
        Its name in the run.
    ts_ns
        Simulated time, ns since the epoch.
    symbol
        The instrument it was called for; None where there was none.
    """

    def __init__(
        self, message: str, strategy_id: str = "", ts_ns: int = 0, symbol: str | None = None
    ) -> None:
        super().__init__(message)
        self.strategy_id = strategy_id
        self.ts_ns = ts_ns
        self.symbol = symbol


class StoreError(TapewireError):
    """The database of strategies and results can't do what was asked."""

    exit_code = 7


class StoreLockedError(StoreError):
    """Another process holds the database past the deadline."""


class LoginEndedError(StoreError):
    """No login lasts that a refresh token is the last one of."""


class StoreAwayError(StoreError):
    """The database's server can't be reached, or lets nobody in."""


class StoreFullError(StoreError):
    """The disk that the database is on is full."""


class StoreVersionError(StoreError):
    """The database has tables of an older or a newer version."""


class QueueFullError(StoreError):
    """More jobs wait than may."""


class StaleAttemptError(StoreError):
    """A job was taken from who writes for it, or has ended: nothing of theirs counts any more."""


class KeyReuseError(StoreError):
    """An idempotency key comes with another request than the first that had it."""


class NotAStoreError(StoreError):
    """What is there is no database, a damaged one, or not one of Tapewire's."""


class BrokerError(TapewireError):
    """Something can't be sent to a broker, or its adapter can't go on."""

    exit_code = 8


class BrokerDownError(BrokerError):
    """There is no session with the broker: nothing of what was asked has been sent."""


class LiveError(TapewireError):
    """A live session may not begin, or can't go on."""

    exit_code = 9


class LeaseError(LiveError):
    """Another session holds the account, or has taken it over."""


class InterruptedRunError(TapewireError):
    """The user stopped the run."""

    exit_code = 130


def _shown(letter: str) -> str:
    """The letter, but escaped where it would steer a terminal, or can't be written."""
    if letter.isprintable() or letter in "\n\t":
        return letter
    return letter.encode("unicode_escape").decode()


def reason_of(name: str) -> str:
    """Return what programs know a class of errors by: ``STORE_LOCKED`` of ``StoreLockedError``."""
    return "".join(
        f"_{letter}" if letter.isupper() and place else letter
        for place, letter in enumerate(name.removesuffix("Error"))
    ).upper()
