"""What rails are told once, before anything else: account, limits, policies; no secrets."""

from typing import Annotated, Any, Final, Literal, Protocol

import msgspec
from msgspec import Meta

from tapewire.errors import ConfigError

ROLE_LIVE: Final = "live"
_WORDS_MAX: Final = 64
_S: Final = 10**9

Bound = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Word = Annotated[str, Meta(min_length=1, max_length=_WORDS_MAX, pattern=r"^[A-Za-z0-9_.:/-]+$")]
Wait = Annotated[float, Meta(gt=0.0, le=86_400.0)]
#: What is done with open orders and positions: nothing, the first, both.
WindUp = Literal["keep", "cancel", "flatten"]
OnLimit = Literal["deny", "cancel_all", "halt", "flatten"]


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the settings."""


class RailsInstrument(_Settings, frozen=True):
    """An instrument that may be traded; what is not listed may not.

    Attributes
    ----------
    multiplier_num, multiplier_den
        Of the contract: currency by price unit and lot, a quotient.
    tick
        1e-9 price; prices of orders are its multiples. 0: any.
    """

    multiplier_num: Annotated[int, Meta(ge=1, le=10**12)] = 1
    multiplier_den: Annotated[int, Meta(ge=1, le=10**9)] = 1
    tick: Bound = 0


class RailsLimits(_Settings, frozen=True):
    """What may be held, sent and lost in an account; None: no limit.

    The first nine are those of `tapewire.positions`, in the same units: lots and 1e-9 currency.

    Attributes
    ----------
    max_messages_per_second
        New orders, replaces and cancels of the engine in any second; a cancel counts, and is let
        through.
    max_open_orders
        Those of unknown outcome among them.
    price_band
        How far (1e-9 price) a price may reach past the touch it would trade at, or without one past
        the last trade.
    on_max_loss, on_max_daily_loss, on_max_drawdown
        What follows.
    """

    max_order_size: Bound | None = None
    max_position: Bound | None = None
    max_gross_exposure: Bound | None = None
    max_net_exposure: Bound | None = None
    max_messages_per_trade: Bound | None = None
    max_orders_per_second: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    max_loss: Bound | None = None
    max_daily_loss: Bound | None = None
    max_drawdown: Bound | None = None
    max_messages_per_second: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    max_open_orders: Annotated[int, Meta(ge=0, le=10_000)] = 1_000
    price_band: Bound | None = None
    on_max_loss: OnLimit = "halt"
    on_max_daily_loss: OnLimit = "halt"
    on_max_drawdown: OnLimit = "halt"


class RailsWaits(_Settings, frozen=True):
    """How long is waited for what (s).

    Attributes
    ----------
    beat
        An engine that says nothing for so long has no new orders sent; twice as long, it is lost.
    lag
        The most that the engine may be behind its data.
    quote
        How old the last word about an instrument may be for an order in it.
    answer
        An order, cancel or replace without an answer for so long has an unknown outcome.
    report
        For an account's report; it is asked for again then.
    absence
        A report without an order of unknown outcome, or without its replace, settles it only if it
        was asked for so long after that was sent: it may have been on its way.
    retry
        Between two cancels of an order, two tries to flatten, two questions about a difference.
    ending
        For orders to end and positions to close when the session does.
    """

    beat: Wait = 2.0
    lag: Wait = 0.5
    quote: Wait = 10.0
    answer: Wait = 5.0
    report: Wait = 10.0
    absence: Wait = 10.0
    retry: Wait = 1.0
    ending: Wait = 30.0


class BrokerChoice(_Settings, frozen=True):
    """Who makes the broker: ``module:function``, called with the options as keywords.

    Options name where credentials are kept, and never are any themselves.
    """

    factory: Annotated[str, Meta(max_length=256, pattern=r"^[A-Za-z0-9_.]+:[A-Za-z0-9_]+$")]
    options: dict[str, Any] = {}


class RailsSettings(_Settings, frozen=True):
    """All of it.

    Attributes
    ----------
    folder
        The account's own: lease, journal, kill file.
    day_turn
        When a day begins, for the daily loss (s after midnight, UTC).
    on_end, on_kill, on_engine_lost
        What is done with orders and positions then. A kill never keeps orders.
    adopts_positions
        Whether what the venue holds and the journal does not is taken over, at the venue's average
        price; else trading does not begin.
    cancels_earlier
        Whether orders that an earlier session left open are canceled: the engine of this one knows
        nothing of them.
    cancels_strangers
        Whether orders at the venue that the journal does not know are canceled; else they are told
        of and left.
    """

    account: Word
    folder: str
    broker: BrokerChoice
    instruments: dict[Word, RailsInstrument]
    mode: Literal["paper", "live"] = "paper"
    limits: RailsLimits = RailsLimits()
    waits: RailsWaits = RailsWaits()
    day_turn: Annotated[int, Meta(ge=0, lt=86_400)] = 0
    on_end: WindUp = "cancel"
    on_kill: Literal["cancel", "flatten"] = "cancel"
    on_engine_lost: WindUp = "cancel"
    adopts_positions: bool = False
    cancels_earlier: bool = True
    cancels_strangers: bool = False

    def __post_init__(self) -> None:
        if not self.instruments:
            raise ValueError("expected at least one instrument that may be traded, found none")


def read_settings(content: bytes, where: str) -> RailsSettings:
    """Read settings as JSON.

    Raises
    ------
    ConfigError
        If they are not what they have to be.
    """
    try:
        return msgspec.json.decode(content, type=RailsSettings)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from None


def in_ns(seconds: float) -> int:
    """Return a duration in ns."""
    return round(seconds * _S)


def confirmation_of(account: str) -> str:
    """Return what a person types before orders of an account are real."""
    return f"trade {account} live"


class NamesAccount(Protocol):
    """What says which account is traded, and whether it is a real one."""

    @property
    def account(self) -> str:
        """Its name."""

    @property
    def mode(self) -> Literal["paper", "live"]:
        """Whether its orders are real."""


def require_confirmed(settings: NamesAccount, role: str, typed: str | None) -> None:
    """Check that a session may send real orders: configuration, role and typed words have to agree.

    Paper needs none of it.

    Parameters
    ----------
    role
        Of who asks.
    typed
        What they typed; None: nothing.

    Raises
    ------
    ConfigError
        If one of the three is missing.
    """
    if settings.mode == "paper":
        return
    if role != ROLE_LIVE:
        raise ConfigError(
            f"{settings.account}: expected the role {ROLE_LIVE!r} for mode: live, found {role!r}: "
            "leave mode out to trade on paper"
        )
    expected = confirmation_of(settings.account)
    if typed != expected:
        found = "nothing" if typed is None else repr(typed)
        raise ConfigError(
            f"{settings.account}: expected {expected!r} to be typed for mode: live, found {found}"
        )
