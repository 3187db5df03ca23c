"""What stands between live data and orders: data that are late, cut off, or have a gap."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from hdrh.histogram import HdrHistogram

from tapewire.config.live import LiveSettings
from tapewire.execution.codes import Reason
from tapewire.live.rails.messages import DataState
from tapewire.runs.holding import Holds
from tapewire.runs.hooks import FeedStanding

if TYPE_CHECKING:
    from tapewire.router import Simulation
    from tapewire.runs.live_orders import LiveOrders
    from tapewire.wire.messages import FeedState
    from tapewire.wire.receiver import Hops

_NS_PER_MS: Final = 1_000_000
_TOOK_NS_MAX: Final = 3_600 * 10**9
_DIGITS: Final = 3
#: Warnings of a session that its manifest has, each once.
_WARNINGS_MAX: Final = 100


class LiveGate:
    """Holds new orders while data are not to be traded on, and says so.

    Parameters
    ----------
    settings
    announce
        Told in sentences.
    warnings
        Of the run, to which what happened is added.
    holds
        What else speaks against new orders; None: nothing does.

    Attributes
    ----------
    simulation
        Whose orders are held, once it is there.
    orders
        What takes them to a broker; None: they are on paper.
    lag_ns
        Of the last batch: from the line to the simulation.
    holds
        How often orders were held.
    """

    def __init__(
        self, settings: LiveSettings, announce: Callable[[str], None], warnings: list[str],
        holds: Holds | None = None,
    ) -> None:  # fmt: skip
        self._max_lag_ns = int(settings.max_lag_ms * _NS_PER_MS)
        age_ms = settings.max_age_ms
        self._max_age_ns = None if age_ms is None else int(age_ms * _NS_PER_MS)
        self._halts_on_gap = settings.on_gap == "halt"
        self._announce, self._warnings = announce, warnings
        self._holds = Holds() if holds is None else holds
        self._state: FeedState = "live"
        self._has_gap = self._is_late = self._is_stale = self._is_held = False
        self._lags = self._is_old = False  # either makes data late
        self._newest_ns: int | None = None  # ts_recv of the newest record
        self._sent = 0
        self._took = HdrHistogram(1, _TOOK_NS_MAX, _DIGITS)
        self.simulation: Simulation | None = None
        self.orders: LiveOrders | None = None
        self._rails = ""
        self.lag_ns = 0
        self.lag_ns_max = 0
        self.holds = 0

    def attend(self, simulation: "Simulation") -> None:
        """Take the simulation whose orders are held, or are held already."""
        self.simulation = simulation
        self._holds.attend(simulation)

    def warn(self, text: str) -> None:
        """Have the manifest say something."""
        if len(self._warnings) < _WARNINGS_MAX:
            self._warnings.append(text)

    def told(self, state: "FeedState", text: str) -> None:
        """Hear what has become of the feed."""
        self._announce(text)
        self.warn(text)
        if state == "gap":
            self._has_gap = True
        else:
            self._state = state
        self._apply(text)

    def before(self, hops: "Sequence[Hops]", last_ns: int) -> None:
        """A batch has come: see how late, and how old its last record is (``ts_recv``, ns)."""
        self._newest_ns = last_ns
        if hops:
            hop = hops[-1]
            self.lag_ns = hop.decode_ns + hop.wire_ns
            self.lag_ns_max = max(self.lag_ns_max, self.lag_ns)
            self._lags = self.lag_ns > self._max_lag_ns
        self._look_at_age()

    def _look_at_age(self) -> None:
        """See whether data are too late, or too old by now: also where none have come since."""
        if self._max_age_ns is not None and self._newest_ns is not None:
            self._is_old = time.time_ns() - self._newest_ns > self._max_age_ns
        if (self._lags or self._is_old) != self._is_late:
            self._is_late = not self._is_late
            behind = f"data were {self.lag_ns / _NS_PER_MS:,.0f} ms behind the line"
            old = "data were older than max_age_ms by this host's clock"
            self._apply(behind if self._lags else old)

    def after(self, hops: "Sequence[Hops]", simulate_ns: int) -> int:
        """A batch was simulated: if an order left by it, how long that took from the line, ns."""
        assert self.simulation is not None
        sending_ns = 0
        if self.orders is not None:
            began_ns = time.perf_counter_ns()
            self.idle()
            sending_ns = time.perf_counter_ns() - began_ns
        sent = self.simulation.orders_sent
        if sent == self._sent or not hops:
            return 0
        self._sent = sent
        took_ns = self.lag_ns + simulate_ns + sending_ns
        self._took.record_value(max(1, took_ns))
        return took_ns

    def idle(self) -> None:
        """Between two batches, and while none comes: see to age, and to orders at a broker.

        Age is first: as time passes at the broker's orders, a timer may send one.
        """
        self._look_at_age()
        if self.orders is None:
            return
        self.orders.turn(self.lag_ns, self._data_state)
        rails = self.orders.held_because
        if rails != self._rails:
            self._rails = rails
            self._apply(rails)

    def end(self) -> None:
        """The data are over: end what a broker still works, as its settings say."""
        if self.orders is not None:
            self.orders.end()

    @property
    def _data_state(self) -> DataState:
        if self._has_gap:
            return DataState.GAPPED
        return DataState.STALE if self._state != "live" or self._is_late else DataState.SOUND

    def standing(self) -> FeedStanding:
        """Say how the feed is."""
        order_ns = None
        if self._took.total_count:
            median, high, most = (
                int(self._took.get_value_at_percentile(p)) for p in (50.0, 99.0, 100.0)
            )
            order_ns = median, high, most
        state = "gap" if self._has_gap else self._state
        return FeedStanding(state, self._is_held, self.lag_ns, self.lag_ns_max, order_ns)

    def _apply(self, why: str) -> None:
        is_stale = self._state != "live" or self._is_late or (self._has_gap and self._halts_on_gap)
        if is_stale != self._is_stale:
            self._is_stale = is_stale
            self._holds.hold("feed", why if is_stale else "", Reason.STALE_DATA)
        self._holds.hold("rails", self._rails, Reason.RAILS)
        held = is_stale or bool(self._rails)
        if not self._halts_on_gap and self._state == "live":
            self._has_gap = False
        if held == self._is_held:
            return
        self._is_held = held
        self.holds += held
        text = f"new orders are held: {why}" if held else "new orders go again"
        self._announce(text)
        if held:
            self.warn(text)
