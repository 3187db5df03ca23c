"""The ``live`` of a configuration: which data a run is of, and when it does not trade on them."""

from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from tapewire.config.orders import OrderSettings

#: What a configuration calls it.
LIVE: Final = "live"


class LiveSettings(BaseModel):
    """Live data in Databento's words, and what stops new orders.

    While the feed is cut off, or what comes is behind by more than `max_lag_ms` (from the line to
    the simulation) or older than `max_age_ms` (by this host's clock), new orders and replaces are
    denied, and cancels go. Behind a gap that could not be filled they are denied for good
    (``on_gap: halt``), or as soon as the books are whole again (``continue``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    symbols: list[str] = Field(min_length=1)
    stype_in: Literal["raw_symbol", "parent", "continuous", "instrument_id"] = "raw_symbol"
    #: ``host:port`` of another gateway than Databento's own.
    gateway: str | None = None
    max_lag_ms: Annotated[Decimal, Field(gt=0)] = Decimal(1_000)
    max_age_ms: Annotated[Decimal, Field(gt=0)] | None = None
    on_gap: Literal["halt", "continue"] = "halt"
    #: How long the gateway may be away, s.
    patience_s: float = Field(default=14_400.0, gt=0)
    #: The environment variable with the address that alerts are posted to; None: there are none.
    alerts: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    #: Where orders go; None: they are on paper.
    orders: OrderSettings | None = None
