"""When orders of a live run are held, and what is told of it."""

from decimal import Decimal
from typing import Any

import pytest

from tapewire.config.live import LiveSettings
from tapewire.execution.codes import Reason
from tapewire.live.rails.messages import DataState
from tapewire.runs.holding import Holds
from tapewire.runs.live_gate import LiveGate
from tapewire.wire.receiver import Hops

MS = 1_000_000
STALE, GO = Reason.STALE_DATA, Reason.NONE


class Simulated:
    """What a gate sees of a simulation."""

    def __init__(self) -> None:
        self.held: list[Reason] = []
        self.orders_sent = 0
        self.now_ns = 10**18

    def hold_orders(self, reason: Reason) -> None:
        self.held.append(reason)


class Gated:
    def __init__(self, **settings: Any) -> None:
        self.said: list[str] = []
        self.warnings: list[str] = []
        self.simulation = Simulated()
        given = LiveSettings(dataset="GLBX.MDP3", symbols=["ESZ6"], **settings)
        self.gate = LiveGate(given, self.said.append, self.warnings)
        self.gate.attend(self.simulation)  # type: ignore[arg-type]
        self.simulation.held.clear()

    def batch(
        self, lag_ms: int, *, orders: int = 0, simulate_ns: int = 5_000, last_ns: int = 10**18
    ) -> int:
        hops = [Hops(1 * MS, (lag_ms - 1) * MS)]
        self.gate.before(hops, last_ns)
        self.simulation.orders_sent += orders
        return self.gate.after(hops, simulate_ns)


def test_orders_are_held_while_the_simulation_is_behind() -> None:
    one = Gated(max_lag_ms=Decimal(50))
    for lag_ms in (10, 50, 51, 400, 50, 3):
        one.batch(lag_ms)
    assert one.simulation.held == [STALE, GO]
    assert one.said == [
        "new orders are held: data were 51 ms behind the line",
        "new orders go again",
    ]
    assert one.warnings == one.said[:1]
    assert (one.gate.lag_ns, one.gate.lag_ns_max, one.gate.holds) == (3 * MS, 400 * MS, 1)


def test_a_cut_holds_until_the_feed_is_heard_again() -> None:
    one = Gated()
    one.gate.told("cut", "it hung up")
    one.gate.told("cut", "it hung up again")
    one.batch(1)
    assert one.simulation.held == [STALE]
    one.gate.told("live", "it is heard again")
    assert one.simulation.held == [STALE, GO]
    assert "new orders are held: it hung up" in one.warnings


@pytest.mark.parametrize(("on_gap", "held"), [("halt", [STALE]), ("continue", [])])
def test_behind_a_gap_orders_go_again_or_never(on_gap: str, held: list[Reason]) -> None:
    one = Gated(on_gap=on_gap)
    one.gate.told("gap", "3 s are missing")
    one.gate.told("live", "it is heard again")
    one.batch(1)
    assert one.simulation.held == held
    assert "3 s are missing" in one.warnings


class Times:
    """The time of day, moved by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now_ns = 10**18
        patch.setattr("tapewire.runs.live_gate.time.time_ns", lambda: self.now_ns)

    def pass_ms(self, ms: int) -> int:
        self.now_ns += ms * MS
        return self.now_ns


def test_data_that_are_old_are_none_to_trade_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch at hand counts, before it is simulated."""
    one, times = Gated(max_age_ms=Decimal(200)), Times(monkeypatch)
    for age_ms, held in ((150, []), (201, [STALE]), (100, [STALE, GO])):
        one.gate.before([Hops(MS, MS)], times.pass_ms(10) - age_ms * MS)
        assert one.simulation.held == held
    assert one.warnings == [
        "new orders are held: data were older than max_age_ms by this host's clock"
    ]


def test_data_grow_old_while_none_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders of timers are held by then, and the first batch behind it is fresh."""
    one, times, rails = Gated(max_age_ms=Decimal(1_000)), Times(monkeypatch), Rails()
    one.gate.orders = rails  # type: ignore[assignment]
    one.gate.idle()  # there were no data yet
    one.batch(2, last_ns=times.pass_ms(5) - 2 * MS)
    times.pass_ms(990)
    one.gate.idle()
    assert (one.simulation.held, rails.told[-1]) == ([], DataState.SOUND)
    times.pass_ms(9)
    one.gate.idle()
    assert (one.simulation.held, rails.told[-1]) == ([STALE], DataState.STALE)
    one.gate.before([Hops(MS, MS)], times.pass_ms(5_000) - 2 * MS)
    assert one.simulation.held == [STALE, GO]
    one.gate.after([], 5_000)
    assert rails.told[-1] == DataState.SOUND


def test_without_a_bound_no_data_are_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    one, times = Gated(), Times(monkeypatch)
    one.batch(2)
    times.pass_ms(86_400_000)
    one.gate.idle()
    one.batch(2)
    assert one.simulation.held == []


def test_how_long_orders_took_is_told_of_batches_that_had_any() -> None:
    one = Gated()
    assert one.gate.standing().order_ns is None
    assert one.batch(2) == 0
    assert one.batch(3, orders=2, simulate_ns=7_000) == 3 * MS + 7_000
    assert one.batch(4) == 0
    standing = one.gate.standing()
    assert standing.order_ns is not None
    assert all(abs(ns - 3_007_000) < 4_000 for ns in standing.order_ns)
    assert (standing.state, standing.held, standing.lag_ns) == ("live", False, 4 * MS)
    assert standing.words() == (
        "live, lag 4 ms (most 4 ms), line to order 3.01 ms, p99 3.01 ms, most 3.01 ms"
    )


def test_what_is_held_before_the_simulation_is_there_is_held_in_it() -> None:
    given = LiveSettings(dataset="GLBX.MDP3", symbols=["ESZ6"])
    gate, simulation = LiveGate(given, lambda text: None, []), Simulated()
    gate.told("cut", "it hung up")
    gate.attend(simulation)  # type: ignore[arg-type]
    assert simulation.held == [STALE]


class Rails:
    """What a gate sees of orders that a broker works."""

    held_because = ""

    def __init__(self) -> None:
        self.told: list[DataState] = []

    def turn(self, lag_ns: int, data: DataState) -> None:
        self.told.append(data)


def test_who_holds_orders_is_why_they_are_denied() -> None:
    one, rails = Gated(), Rails()
    one.gate.orders = rails  # type: ignore[assignment]
    rails.held_because = "the rails: KILLED: enough"
    one.gate.idle()
    one.gate.told("cut", "it hung up")
    rails.held_because = ""
    one.gate.idle()
    one.gate.told("live", "it is back")
    assert one.simulation.held == [Reason.RAILS, STALE, GO]
    assert one.said.count("new orders are held: the rails: KILLED: enough") == 1
    assert one.said[-1] == "new orders go again"


def test_the_first_who_holds_orders_gives_the_reason() -> None:
    holds, simulation = Holds(), Simulated()
    holds.hold("paused", "the session is paused", Reason.HELD)
    holds.attend(simulation)  # type: ignore[arg-type]
    holds.hold("feed", "it hung up", STALE)
    holds.hold("feed", "it hung up again", STALE)
    assert holds.reasons == {"paused": "the session is paused", "feed": "it hung up again"}
    holds.hold("paused", "", Reason.HELD)
    holds.hold("feed", "", STALE)
    assert simulation.held == [Reason.HELD, STALE, GO]
    assert holds.reasons == {}


def test_warnings_have_an_end() -> None:
    one = Gated()
    for number in range(300):
        one.gate.told("cut" if number % 2 else "live", f"thing {number}")
    assert len(one.warnings) == 100
    assert len(one.said) > 300
