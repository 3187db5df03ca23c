"""The configuration: the specification's YAML, key for key, and this project's additions.

A `RunConfig` is complete and checked: every path is absolute, every name known, every number of
its type and range. Numbers that must be exact are ``Decimal``; `to_fixed` and the ``*_ns``
properties give them as the integers the simulation computes with. `tapewire.config.loading` makes
one from a file.
"""

import datetime
import itertools
import re
import zoneinfo
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from tapewire.compiled.units import NS_PER_S, SURELY_NS
from tapewire.config.wording import expected
from tapewire.config.yaml import dump_yaml

#: Largest amount that 1e-9 units hold in 63 bits.
FIXED_MAX: Final = Decimal(9_223_372_036)
#: Letters of a strategy's name.
NAME_MAX: Final = 64
SYNTHETIC_EVENTS_MAX: Final = 1_000_000_000


def to_fixed(value: Decimal) -> int:
    """Return `value` in units of 1e-9, exactly."""
    return int(value.scaleb(9))


def _number(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise expected("a number", value)
    number = Decimal(str(value))
    if not number.is_finite():
        raise expected("a finite number", value)
    return number


def _fixed(value: object) -> Decimal:
    number = _number(value)
    if number.adjusted() > 10 or abs(number) > FIXED_MAX:
        raise expected(f"a number within ±{FIXED_MAX}", value)
    if number and (number.adjusted() < -9 or number.scaleb(9) % 1):
        raise expected("at most nine decimal places", value)
    return number


_TIME: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?:(:\d{2})(?:\.(\d{1,9}))?)?)?"
    r"(Z|[+-]\d{2}:?\d{2})?"
)


def parse_time_ns(value: object, *, any_ns: bool = False) -> int:
    """Return a moment as ns since the epoch, from ns or ISO 8601 (UTC where no zone is given).

    A whole number that is no ns of our days is refused, as 20240304 is a date to whoever wrote it;
    with `any_ns`, for times that a program hands on, it is ns like all others.
    """
    what = "a time: ISO 8601 like 2023-12-25T23:00:00Z, or ns since the epoch"
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value < 2**63:
            raise expected("ns since the epoch, from 0 to 2^63-1", value)
        if 0 < value < SURELY_NS and not any_ns:
            raise expected(
                f"ns since the epoch, 0 or from {SURELY_NS:,} (1973) on, or ISO 8601 like "
                "2024-03-04", value,
            )  # fmt: skip
        return value
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise expected(what, value)
    date, minute, second, fraction, zone = match.groups()
    try:
        clock = f"{minute or '00:00'}{second or ''}"
        moment = datetime.datetime.fromisoformat(f"{date}T{clock}{zone or 'Z'}")
    except ValueError:
        raise expected(what, value) from None
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    seconds = (moment - epoch) // datetime.timedelta(seconds=1)
    nanoseconds = seconds * NS_PER_S + int((fraction or "").ljust(9, "0"))
    if not 0 <= nanoseconds < 2**63:
        raise expected("a time between 1970 and 2262", value)
    return nanoseconds


def _speed(value: object) -> object:
    what = "max, realtime or a factor like 10 ({accelerated: 10} in a file)"
    if value in ("max", "realtime"):
        return value
    if isinstance(value, dict) and set(value) == {"accelerated"}:
        factor = _number(value["accelerated"])
        if not Decimal("0.001") <= factor <= 1_000_000:
            raise expected("an acceleration from 0.001 to 1000000", value["accelerated"])
        return {"accelerated": factor}
    raise expected(what, value)


def _name(value: str) -> str:
    if re.fullmatch(rf"[\w.:-]{{1,{NAME_MAX}}}", value) is None:
        raise expected(f"1 to {NAME_MAX} letters, digits, _ . : -", value)
    return value


def _symbol(value: object) -> object:
    """Take a whole number for the text it is: an instrument without a symbol goes by its id."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, Field(min_length=1, max_length=4096)]
Symbol = Annotated[Text, BeforeValidator(_symbol)]
Fixed = Annotated[Decimal, BeforeValidator(_fixed)]
Seconds = Annotated[Decimal, BeforeValidator(_fixed), Field(gt=0, le=86_400)]
TimeNs = Annotated[int, BeforeValidator(parse_time_ns)]
Speed = Annotated[Literal["max", "realtime"] | dict[str, Decimal], BeforeValidator(_speed)]
Micros = Annotated[Decimal, BeforeValidator(_fixed), Field(ge=0, le=86_400_000_000)]
Publisher = Annotated[int, Field(ge=0, le=65_535)]
#: Lots: positions and cash stay within 63 bits.
Lots = Annotated[int, Field(ge=0, le=2**31 - 1)]


class _Section(BaseModel):
    """A mapping whose keys are all known and whose values are of their type as they stand."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


FlagChoice = Literal["continue", "mark", "stop"]


class RecordFlags(_Section):
    """What a run does where a record says something of itself: one word for all, or by kind.

    ``continue`` counts it; ``mark`` does not trust its book until it is certain again; ``stop``
    ends the run there.
    """

    maybe_bad_book: FlagChoice = "continue"
    bad_ts_recv: FlagChoice = "continue"
    missing_last: FlagChoice = "continue"
    clear: FlagChoice = "continue"


def _flags(value: object) -> object:
    """Take one word as that of every kind."""
    if value in get_args(FlagChoice):
        return dict.fromkeys(RecordFlags.model_fields, value)
    if isinstance(value, (RecordFlags, dict)):
        return value
    raise expected(f"{', '.join(get_args(FlagChoice))}, or one of them by kind", value)


class DatabentoSource(_Section):
    """Market data files, merged by ``ts_recv``; the window is [start, end) on ``ts_recv``.

    What lies before ``start`` builds the books (``warmup``) from the first record on, from each
    book's last snapshot on, or not at all; strategies and all that is counted begin at ``start``.
    `status_files` have the trading states of the books (schema ``status``), `definition_files`
    what the venue says of its instruments (schema ``definition``), `statistics_files` what they
    settled at (schema ``statistics``), `volume_files` what they traded by day (``ohlcv-1d``), where
    continuous symbols go by that. A record that two files have is an error, or given once
    (``duplicates: drop``). A file that ends too soon is an error, or played as far as it is whole
    (`allow_truncated`). `flags` says what is done where a record says something of itself.
    `symbols` may be continuous (``ES.v.0``) or parents (``ES.FUT``); what is held of a contract is
    closed as the run rolls out of it, or kept, and the contract with it.
    """

    type: Literal["databento"]
    files: list[Text] = Field(min_length=1)
    #: Put in place of by the files that are found: see `tapewire.config.catalogue`.
    catalogue: Text | None = None
    status_files: list[Text] = Field(default_factory=list)
    definition_files: list[Text] = Field(default_factory=list)
    statistics_files: list[Text] = Field(default_factory=list)
    volume_files: list[Text] = Field(default_factory=list)
    symbols: list[Symbol] = Field(default_factory=list)
    #: None: ``close``.
    roll: Literal["close", "keep"] | None = None
    publishers: list[Publisher] = Field(default_factory=list)
    start: TimeNs | None = None
    end: TimeNs | None = None
    warmup: Literal["full", "snapshot", "none"] = "full"
    duplicates: Literal["refuse", "drop"] = "refuse"
    allow_truncated: bool = False
    flags: Annotated[
        RecordFlags, BeforeValidator(_flags, json_schema_input_type=FlagChoice | RecordFlags)
    ] = Field(default_factory=RecordFlags)


class SyntheticSource(_Section):
    """A made-up session: the same file for the same numbers, made once and kept in the cache."""

    type: Literal["synthetic"]
    events: int = Field(default=2_000_000, ge=64, le=SYNTHETIC_EVENTS_MAX)
    instruments: int = Field(default=1, ge=1, le=500)
    seed: int = Field(default=1, ge=0, lt=2**63)


#: The data sources by their ``type``.
DATA_SOURCES: Final[dict[str, type[BaseModel]]] = {
    "databento": DatabentoSource,
    "synthetic": SyntheticSource,
}


class Replay(_Section):
    """How the events come: how fast, in what batches, over which transport, from what cache.

    Days are played ``together``, one after the other in one simulation, or ``apart``: each is one
    of its own, which ends with nothing open or held (``flatten``: what is held is closed), or is an
    error (``refuse``); `workers` are the processes that play them.
    """

    speed: Speed = "max"
    days: Literal["together", "apart"] = "together"
    day_end: Literal["flatten", "refuse"] = "flatten"
    workers: int = Field(default=1, ge=1, le=256)
    batch_records: int = Field(default=65_536, ge=1, le=65_536)
    transport: Literal["auto", "ipc", "tcp", "inproc"] = "auto"
    payload: Literal["auto", "shared", "inline"] = "auto"
    peer_timeout_s: Annotated[Decimal, BeforeValidator(_fixed), Field(ge=1, le=3600)] = Decimal(5)
    cache: bool = False
    cache_max_gb: Annotated[Decimal, BeforeValidator(_fixed), Field(gt=0, le=1_000_000)] = Decimal(
        20
    )

    @property
    def cache_max_bytes(self) -> int:
        """How large prepared copies of compressed inputs together may be; 1 GB is 10^9 bytes."""
        return to_fixed(self.cache_max_gb)

    @property
    def speed_factor(self) -> float | None:
        """Multiple of real time, None for as fast as possible."""
        if isinstance(self.speed, dict):
            return float(self.speed["accelerated"])
        return None if self.speed == "max" else 1.0


class ModelSection(_Section):
    """A model by its name, with the parameters that its definition declares beside it."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @property
    def given(self) -> dict[str, Any]:
        """The parameters, by name."""
        return dict(self.model_extra or {})

    def with_given(self, parameters: Mapping[str, Any]) -> Self:
        """Return the same choice with these parameters, in their order; None is left out."""
        named = {name: getattr(self, name) for name in type(self).model_fields}
        extra = {name: value for name, value in parameters.items() if value is not None}
        return type(self).model_validate(named | extra | self.given)


class LatencyModel(ModelSection):
    """How long market data, requests and responses take."""

    type: Text = "fixed"


class FillModel(ModelSection):
    """How resting orders fill."""

    type: Text = "mbo_queue"
    queue_position_model: Text = "fifo"


class MarketImpact(ModelSection):
    """How much worse our takers' prices get with their size."""

    type: Text = "none"


class FeeModel(ModelSection):
    """Commission of a fill."""

    type: Text = "per_contract"


#: What becomes of an order that meets one of its own strategy, or of who shares its book.
SelfTradePrevention = Literal["none", "cancel_newest", "cancel_oldest", "cancel_both", "decrement"]


class Disconnect(_Section):
    """A session is cut from a time of its strategy on until, not with, another."""

    at: TimeNs
    until: TimeNs

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.until <= self.at:
            raise expected(f"an until after at, {self.at}", self.until)
        return self


def _in_order(cuts: list[Disconnect]) -> list[Disconnect]:
    for before, cut in itertools.pairwise(cuts):
        if cut.at < before.until:
            raise expected(
                f"one that begins at {before.until}, where the last ends, or later", cut.at
            )
    return cuts


class Gateway(_Section):
    """What a strategy's session may send in any second, and when it is cut.

    More than that comes back (``reject``), or waits and leaves in order when the window allows
    (``queue``). A cut that the venue has noticed after `detection_ms` has it cancel the session's
    orders: all, all but GTC and GTD (``cancel_day``), or none.
    """

    max_messages_per_second: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    when_exceeded: Literal["reject", "queue"] = "reject"
    disconnects: Annotated[list[Disconnect], AfterValidator(_in_order)] = Field(
        default_factory=list
    )
    on_disconnect: Literal["cancel_all", "cancel_day", "keep"] = "cancel_all"
    detection_ms: Annotated[Decimal, BeforeValidator(_fixed), Field(ge=0, le=86_400_000)] = Decimal(
        0
    )

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.max_messages_per_second is None and not self.disconnects:
            raise expected("max_messages_per_second, disconnects or both", None)
        return self

    @property
    def detection_ns(self) -> int:
        """How long after a cut the venue notices it."""
        return int(self.detection_ms * 1_000_000)


class Execution(_Section):
    """What happens between a strategy's decision and its fill."""

    latency_model: LatencyModel = Field(default_factory=LatencyModel)
    fill_model: FillModel = Field(default_factory=FillModel)
    market_impact: MarketImpact = Field(default_factory=MarketImpact)
    fees: FeeModel = Field(default_factory=FeeModel)
    gateway: Gateway | None = None
    crossed_book: Literal["warn", "halt_fills", "abort"] = "halt_fills"
    market_order_in_halt: Literal["wait", "expire"] = "wait"
    unseen_trades: Literal["fill_through", "ignore", "pro_rata", "fill"] = "fill_through"
    book_clear: Literal["cancel", "keep"] = "cancel"
    fill_notice: Literal["response", "feed"] = "response"
    self_trade_prevention: SelfTradePrevention = "none"

    @classmethod
    def default_of(cls, section: str, key: str) -> str:
        """Name of the model that a section stands for where it names none."""
        factory = cls.model_fields[section].annotation
        return str(factory.model_fields[key].default)  # type: ignore[union-attr]


class OwnExecution(_Section):
    """What of the execution is a strategy's own; the rest is the backtest's.

    Of a model of the backtest's own type, only what differs has to be given. Strategies with the
    same `shared_book` meet each other; without, they never do.
    """

    latency_model: LatencyModel | None = None
    fill_model: FillModel | None = None
    market_impact: MarketImpact | None = None
    fees: FeeModel | None = None
    gateway: Gateway | None = None
    shared_book: Annotated[str, AfterValidator(_name)] | None = None
    self_trade_prevention: SelfTradePrevention | None = None


Money = Annotated[Decimal, BeforeValidator(_fixed), Field(gt=0)]
#: What follows when a limit is reached.
LimitAction = Literal["deny", "cancel_all", "halt", "flatten"]


class ConfiguredLimits(_Section):
    """Limits of each strategy, or of all together; a limit that is not given does not bind.

    What an ``on_…`` says follows when its limit is reached, for the rest of the run, after
    `max_daily_loss` for the rest of the session: only orders that reduce a position leave
    (``deny``), open orders are canceled too (``cancel_all``), they are and no order leaves
    (``halt``), and positions are closed with market orders (``flatten``). Without one, losses
    ``halt``, and of the others an order that would pass the limit is denied, no more.
    """

    max_position: Lots | None = None
    max_order_size: Lots | None = None
    max_loss: Money | None = None
    max_orders_per_second: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    on_max_loss: LimitAction = "halt"
    max_gross_exposure: Money | None = None
    max_net_exposure: Money | None = None
    max_messages_per_trade: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    max_daily_loss: Money | None = None
    max_drawdown: Money | None = None
    on_max_order_size: LimitAction | None = None
    on_max_position: LimitAction | None = None
    on_max_gross_exposure: LimitAction | None = None
    on_max_net_exposure: LimitAction | None = None
    on_max_messages_per_trade: LimitAction | None = None
    on_max_orders_per_second: LimitAction | None = None
    on_max_daily_loss: LimitAction | None = None
    on_max_drawdown: LimitAction | None = None


class Output(_Section):
    """Where results go besides the run folder, and how finely they tell.

    ``detailed_log`` adds ``events.parquet``, every change of every order; so does ``explain``, for
    the stories of orders that were replaced. ``markouts`` is ``markouts.parquet``, where the market
    was around each fill, what orders cost, and the metrics that follow. Prometheus asks at
    ``metrics_port`` while a run goes. ``collector`` says where files are written: in
    a process of its own, or by the run's.
    """

    metrics_file: Text | None = None
    trades_file: Text | None = None
    detailed_log: bool = False
    explain: bool = False
    markouts: bool = True
    directory: Text | None = None
    sample_interval_s: Seconds = Decimal(1)
    metrics_port: int | None = Field(default=None, ge=1, le=65_535)
    collector: Literal["auto", "process", "inline"] = "auto"

    @property
    def keeps_events(self) -> bool:
        """Whether ``events.parquet`` is written."""
        return self.detailed_log or self.explain

    @property
    def sample_interval_ns(self) -> int:
        """Simulated time between two samples of the account."""
        return to_fixed(self.sample_interval_s)


#: A currency by its letters, as USD.
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3,5}$")]
Rate = Annotated[Decimal, BeforeValidator(_fixed), Field(gt=0, le=1_000_000)]


class OwnAccount(_Section):
    """How positions are kept: one in each instrument, or a long and a short one side by side."""

    position_mode: Literal["netting", "hedging"] | None = None


class ConfiguredAccount(OwnAccount):
    """The currency that money is counted in, and what a unit of each other one is worth in it.

    That is fixed in ``rates``, and changes over time in ``rate_file``. Without a currency, money is
    in those of the instruments.
    """

    currency: Currency | None = None
    rates: dict[Currency, Rate] = Field(default_factory=dict)
    rate_file: Text | None = None

    @model_validator(mode="after")
    def _rates_are_of_a_currency(self) -> Self:
        if self.currency is None and (self.rates or self.rate_file is not None):
            raise expected("a currency, which money is counted in, beside rates", None)
        return self


class ContractFacts(_Section):
    """What of a contract the market data do not tell; what is not given, a definition may.

    `multiplier` and `margin`, what a lot takes as margin, are in `currency`, the account's where
    none is given. What is held at its `expiration` is settled at `settlement_price`.
    """

    currency: Currency | None = None
    tick_size: Annotated[Decimal, BeforeValidator(_fixed), Field(gt=0)] | None = None
    multiplier: Annotated[Decimal, BeforeValidator(_fixed), Field(gt=0)] | None = None
    margin: Annotated[Decimal, BeforeValidator(_fixed), Field(ge=0)] | None = None
    match_algorithm: Literal["F", "K", "C", "T", "S", "O", "Q", "A", "Y", "P", "V"] | None = None
    lot_size: int | None = Field(default=None, ge=1, lt=2**31)
    min_quantity: int | None = Field(default=None, ge=1, lt=2**31)
    price_band: Annotated[Decimal, BeforeValidator(_fixed), Field(ge=0)] | None = None
    protection_ticks: int | None = Field(default=None, ge=0, le=1_000_000)
    expiration: TimeNs | None = None
    settlement_price: Fixed | None = None

    @model_validator(mode="after")
    def _protection_is_in_ticks(self) -> Self:
        if self.protection_ticks is not None and self.tick_size is None:
            raise expected("a tick_size beside protection_ticks", None)
        if self.protection is not None and self.protection > FIXED_MAX:
            raise expected(f"protection_ticks that come to {FIXED_MAX} at most", self.protection)
        return self

    @property
    def protection(self) -> Decimal | None:
        """How far market and stop orders may reach, in price points; None: any distance."""
        if self.protection_ticks is None or self.tick_size is None:
            return None
        return self.protection_ticks * self.tick_size


def _time_of_day(value: object) -> object:
    what = "a time of day in quotes, like '16:00' or '13:30:00'"
    if not isinstance(value, str) or re.fullmatch(r"\d{2}:\d{2}(:\d{2})?", value) is None:
        raise expected(what, value)
    try:
        datetime.time.fromisoformat(value)
    except ValueError:
        raise expected(what, value) from None
    return value


def _zone(value: object) -> object:
    if isinstance(value, str) and value in zoneinfo.available_timezones():
        return value
    raise expected("a time zone like America/Chicago or UTC", value)


class SessionHours(_Section):
    """When the session closes, each day: strategies are told, and the next one begins."""

    close: Annotated[str, BeforeValidator(_time_of_day)]
    timezone: Annotated[str, BeforeValidator(_zone)] = "UTC"


class Backtest(_Section):
    """Everything but the strategies."""

    data_source: Annotated[DatabentoSource | SyntheticSource, Field(discriminator="type")]
    replay: Replay = Field(default_factory=Replay)
    execution: Execution = Field(default_factory=Execution)
    risk_limits: ConfiguredLimits = Field(default_factory=ConfiguredLimits)
    portfolio_limits: ConfiguredLimits | None = None
    output: Output = Field(default_factory=Output)
    session: SessionHours | None = None
    account: ConfiguredAccount | None = None
    mark_price: Literal["mid", "last", "side_aware"] = "mid"
    instruments: dict[Symbol, ContractFacts] = Field(default_factory=dict)
    initial_capital: Annotated[Decimal, BeforeValidator(_fixed), Field(gt=0)] | None = None
    seed: int = Field(default=0, ge=0, lt=2**63)

    @property
    def money(self) -> ConfiguredAccount | None:
        """The account, if it has a currency that money is counted in."""
        return self.account if self.account is not None and self.account.currency else None


class InferenceLatencyModel(_Section):
    """How long after a row, in simulated time, what a model answers takes effect.

    ``fixed`` has `us`; ``uniform`` `low_us` and `high_us`; ``lognormal`` `median_us` and `sigma`,
    that of its logarithm; ``recorded`` a `file` of Parquet with a column ``latency_ns``, a row of
    it for each row that the model is sent.
    """

    type: Literal["fixed", "uniform", "lognormal", "recorded"] = "fixed"
    us: Micros | None = None
    low_us: Micros | None = None
    high_us: Micros | None = None
    median_us: Micros | None = None
    sigma: Fixed | None = None
    file: Text | None = None

    @model_validator(mode="after")
    def _keys_of_its_type(self) -> Self:
        wanted = _LATENCY_KEYS[self.type]
        given = self.model_fields_set - {"type"}
        for name in sorted(given - set(wanted)):
            raise expected(
                f"{', '.join(wanted)} with type {self.type}", {name: getattr(self, name)}
            )
        for name in wanted:
            if getattr(self, name) is None:
                raise expected(f"{' and '.join(wanted)} with type {self.type}", None)
        if self.low_us is not None and self.high_us is not None and self.low_us > self.high_us:
            raise expected(f"high_us of at least {self.low_us}", self.high_us)
        if self.sigma is not None and not 0 <= self.sigma <= 10:
            raise expected("a sigma from 0 to 10", self.sigma)
        return self


_LATENCY_KEYS: Final = {
    "fixed": ("us",),
    "uniform": ("low_us", "high_us"),
    "lognormal": ("median_us", "sigma"),
    "recorded": ("file",),
}


class BridgeCurve(_Section):
    """Keys of a run that a model on another host connects to."""

    secret_key_file: Text
    allowed_clients: Annotated[list[Text], Field(min_length=1)]


class Bridge(_Section):
    """How a run and a model's process are joined; of no matter to results.

    Without `endpoint` there is one of the run's own, which only a process that the run starts can
    know.
    """

    endpoint: Text | None = None
    curve: BridgeCurve | None = None
    connect_timeout_s: Seconds = Decimal(60)
    answer_timeout_s: Seconds = Decimal(60)
    frame_rows: int = Field(default=4_096, ge=1, le=65_536)
    lookahead_batches: int = Field(default=16, ge=1, le=1_024)


class StrategyEntry(_Section):
    """One strategy, or several that differ in parameters; see `tapewire.config.variants`.

    `name` is the ``strategy_id`` of its orders and fills. `execution`, `risk_limits`, `account` and
    `seed` are its own where they are given, the backtest's where not.

    The keys from `model` on are for strategies in processes of their own: `model` (``class`` in a
    file) or `command` says what is started, neither that somebody else does.
    """

    type: Text
    name: Annotated[str, AfterValidator(_name)]
    symbols: list[Symbol] = Field(default_factory=list)
    publishers: list[Publisher] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)
    variants: list[dict[str, Any]] | None = None
    execution: OwnExecution | None = None
    risk_limits: ConfiguredLimits | None = None
    account: OwnAccount | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    model: Text | None = None
    command: Annotated[list[Text], Field(min_length=1)] | None = None
    features: Annotated[list[Text], Field(min_length=1)] | None = None
    every: Text | None = None
    mode: Literal["pipelined", "lockstep", "free_running"] | None = None
    inference_latency: InferenceLatencyModel | None = None
    on_failure: Literal["halt", "flatten", "continue_without", "restart"] | None = None
    bridge: Bridge | None = None


#: Keys of a strategy that are for those in processes of their own.
MODEL_KEYS: Final = (
    "model", "command", "features", "every", "mode", "inference_latency", "on_failure", "bridge"
)  # fmt: skip


class RunConfig(_Section):
    """One run, complete and checked.

    Made by `load_config` or `make_config`, which fill in names and absolute paths and check the
    strategies' parameters; the constructor alone checks only types and ranges.
    """

    backtest: Backtest
    strategy: list[StrategyEntry] = Field(min_length=1)
    _notes: list[str] = PrivateAttr(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """What deserves a look in how names became files: a run tells it with its warnings."""
        return tuple(self._notes)

    def add_notes(self, notes: Iterable[str]) -> None:
        """Add to `notes`."""
        self._notes.extend(notes)

    def to_yaml(self) -> str:
        """Write the configuration so that it can be run again as it is, from anywhere.

        The output folder is left out: it belongs to one run.
        """
        content = self.model_dump(mode="python", exclude_none=True)
        content["backtest"]["output"].pop("directory", None)
        return dump_yaml(content)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON-compatible values; decimals become numbers."""
        return _jsonable(self.model_dump(mode="python", exclude_none=True))  # type: ignore[no-any-return]


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
