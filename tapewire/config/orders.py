"""The ``orders`` of a live configuration: an account whose broker gets what strategies send."""

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_FACTORIES: Final = {"fix": "tapewire.live.brokers.fix.opening:open_fix"}
Lots = Annotated[int, Field(ge=0, le=2**31 - 1)]
Money = Annotated[Decimal, Field(ge=0, le=10**9)]
Wait = Annotated[float, Field(gt=0, le=86_400)]
OnLimit = Literal["deny", "cancel_all", "halt", "flatten"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BrokerSettings(_Part):
    """Which broker: ``type: fix``, or ``factory: module:function`` of an adapter of your own.

    ``options`` are what it is made with: of ``fix`` the keys of
    `tapewire.live.brokers.fix.settings.FixSettings`. They say where credentials are kept, and never
    what they are.
    """

    type: Literal["fix"] | None = None
    factory: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+:[A-Za-z0-9_]+$")] | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one(self) -> "BrokerSettings":
        if (self.type is None) == (self.factory is None):
            raise ValueError("expected one of type and factory")
        return self

    @property
    def maker(self) -> str:
        """``module:function`` that makes it."""
        return self.factory or _FACTORIES[self.type or ""]


class OrderLimits(_Part):
    """Limits of the account, whatever a strategy's own are: lots, and currency; none: no limit.

    They are held by the rails, in a process of their own, beside those of the run
    (``risk_limits``).
    """

    max_order_size: Lots | None = None
    max_position: Lots | None = None
    max_gross_exposure: Money | None = None
    max_net_exposure: Money | None = None
    max_messages_per_trade: Lots | None = None
    max_orders_per_second: Annotated[int, Field(ge=0, le=10_000)] | None = None
    max_messages_per_second: Annotated[int, Field(ge=0, le=10_000)] | None = None
    max_open_orders: Annotated[int, Field(ge=0, le=10_000)] = 1_000
    #: How far past the touch a price may reach, in the price's own unit.
    price_band: Money | None = None
    max_loss: Money | None = None
    max_daily_loss: Money | None = None
    max_drawdown: Money | None = None
    on_max_loss: OnLimit = "halt"
    on_max_daily_loss: OnLimit = "halt"
    on_max_drawdown: OnLimit = "halt"


class OrderWaits(_Part):
    """How long is waited for what, s."""

    beat: Wait = 2.0
    lag: Wait = 0.5
    quote: Wait = 10.0
    answer: Wait = 5.0
    report: Wait = 10.0
    absence: Wait = 10.0
    retry: Wait = 1.0
    ending: Wait = 30.0


class OrderSettings(_Part):
    """An account, its broker, and the rails before it; without it a session is on paper.

    ``mode: live`` needs the role ``live`` and typed words besides; ``paper`` is an account at a
    broker's test gateway. `folder` has the account's journal, lease and kill switch.
    """

    account: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,64}$")]
    folder: Annotated[str, Field(min_length=1)]
    broker: BrokerSettings
    mode: Literal["paper", "live"] = "paper"
    limits: OrderLimits = OrderLimits()
    waits: OrderWaits = OrderWaits()
    #: When a day begins, for the daily loss, s after midnight, UTC.
    day_turn: Annotated[int, Field(ge=0, lt=86_400)] = 0
    on_end: Literal["keep", "cancel", "flatten"] = "cancel"
    on_kill: Literal["cancel", "flatten"] = "cancel"
    on_engine_lost: Literal["keep", "cancel", "flatten"] = "cancel"
    adopts_positions: bool = False
    cancels_earlier: bool = True
    cancels_strangers: bool = False
