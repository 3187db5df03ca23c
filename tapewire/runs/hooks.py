"""What is told while a run goes on."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tapewire.runs.standing import Standing


@dataclasses.dataclass(frozen=True)
class RunProgress:
    """How far a run is, once per batch."""

    events: int
    #: Events of the whole input: exact, or estimated from its size.
    events_total: int
    elapsed_s: float
    #: Simulated time, ns since the epoch.
    now_ns: int
    #: Function giving the P&L over all strategies in currency; costs a little.
    pnl: Callable[[], float]
    #: Function giving accounts, orders and warnings; costs more, see `tapewire.runs.turns.Turns`.
    standing: "Callable[[], Standing]"
    #: Of a live run, function giving how its feed is.
    feed: "Callable[[], FeedStanding] | None" = None


@dataclasses.dataclass(frozen=True)
class FeedStanding:
    """How a live feed is.

    Attributes
    ----------
    state
        ``live``, ``cut`` or ``gap``.
    held
        Whether new orders are held.
    lag_ns, lag_ns_max
        From the line to the simulation, of the last batch, and the largest so far.
    order_ns
        From the line to orders: median, 99th percentile and largest, ns; None before any.
    """

    state: str
    held: bool
    lag_ns: int
    lag_ns_max: int
    order_ns: tuple[int, int, int] | None

    def words(self) -> str:
        """Say it in a few words."""
        text = "orders held" if self.held else self.state
        text += f", lag {_ms(self.lag_ns)} (most {_ms(self.lag_ns_max)})"
        if self.order_ns is not None:
            median, high, most = map(_ms, self.order_ns)
            text += f", line to order {median}, p99 {high}, most {most}"
        return text


def _ms(ns: int) -> str:
    return f"{ns / 1e6:,.3g} ms"


@dataclasses.dataclass
class Hooks:
    """What the command line shows while a run goes on; silent by default."""

    announce: Callable[[str], None] = lambda text: None
    progress: Callable[[RunProgress], None] = lambda progress: None
    #: Starts to show how far something before the run is, from what it is and its size in MB.
    working: Callable[[str, int], AbstractContextManager[Callable[[int], None]]] = (
        lambda what, total_mb: nullcontext(lambda done_mb: None)
    )
