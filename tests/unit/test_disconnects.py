"""A session that is cut, by hand: what can't be sent, what the venue cancels, what is told when.

Latency is 50 µs each way; times are in µs. The market rests at 100 and 101, 1,000 lots each.
"""

from pathlib import Path

import pytest

from stories import (
    OTHER_INSTRUMENT,
    OTHER_SYMBOL,
    Log,
    Played,
    Tape,
    configure,
    merge,
    ns,
    play,
    read,
    run,
)
from tapewire.config.loading import make_config
from tapewire.errors import ConfigError
from tapewire.execution.codes import OrderStatus
from tapewire.market.instruments import InstrumentTable
from tapewire.market.status import TradingState
from tapewire.router import GatewayLimit, RiskLimits, StrategySpec
from tapewire.runs.contracts import Contracts
from tapewire.runs.warnings import count_warnings
from tapewire.runs.wiring import _simulation_config
from tapewire.strategies import STRATEGIES

END = 5_000


def market() -> Tape:
    return Tape().add(0, 1, "B", 100, 1000).add(1, 9, "A", 101, 1000)


def cut(
    *times: tuple[int, int], then: str = "cancel_all", detection_us: int = 0, rate: int = 0
) -> GatewayLimit:
    """A session that is cut at each of some times until another; messages that wait, if a rate."""
    return GatewayLimit(
        rate, "queue", tuple((ns(at), ns(until)) for at, until in times), then,  # type: ignore[arg-type]
        detection_us * 1_000,
    )  # fmt: skip


def ends(played: Played) -> dict[str, tuple[str, str, float]]:
    """(status, reason, when) of each order's end."""
    return {name: (o.status, o.reason, o.closed) for name, o in played.orders.items()}


STAYS = ("NEW", "END_OF_DATA", 0)


def test_the_venue_cancels_all_once_it_has_noticed(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 99).buy(190, "b", 1, 98).buy(500, "c", 1, 99)
    log.cancel(600, "a").replace(700, "b", 2, 98).buy(1_000, "d", 1, 99)
    gateway = cut((200, 1_000), detection_us=100)
    played = play(tmp_path, market().tick(END), log, gateway=gateway, event_log=True)
    # b left before, and arrives. c can't be sent. d leaves in the moment that the session is back.
    assert ends(played) == {
        "a": ("CANCELED", "DISCONNECTED", 300), "b": ("CANCELED", "DISCONNECTED", 300),
        "c": ("DENIED", "NO_SESSION", 500), "d": STAYS,
    }  # fmt: skip
    assert played.orders["d"].arrived == 1_050
    told = [(change[0], change[1], *change[-2:]) for change in played.changes("b")]
    assert told == [
        ("SENT", "NONE", 0, 190), ("ACCEPTED", "NONE", 240, 1_000),
        ("CANCELED", "DISCONNECTED", 300, 1_000), ("REFUSED", "NO_SESSION", 0, 700),
    ]  # fmt: skip
    assert ("REFUSED", "NO_SESSION") in [change[:2] for change in played.changes("a")]
    denied = played.rows.orders[played.rows.orders["status"] == OrderStatus.DENIED]
    assert not denied["limit_value"].any()
    counts = played.counts
    assert (counts["requests_without_session"], counts["replaces_denied"]) == (3, 1)
    assert (counts["orders_canceled_by_disconnect"], counts["cancels_denied"]) == (2, 0)
    said = count_warnings(counts, None)
    assert "3 requests were denied, as the session was cut: NO_SESSION" in said
    assert "2 orders were canceled by the venue, as the session was cut: DISCONNECTED" in said


def test_what_left_before_comes_before_the_venues_cancel(tmp_path: Path) -> None:
    # b is on its way at 200, and so is a's replace: the venue reads them before it finds the end.
    log = Log().buy(10, "a", 1, 99).buy(190, "b", 1, 98).replace(195, "a", 3, 99)
    played = play(tmp_path, market().tick(END), log, gateway=cut((200, 1_000)))
    assert ends(played) == {
        "a": ("CANCELED", "DISCONNECTED", 245), "b": ("CANCELED", "DISCONNECTED", 245),
    }  # fmt: skip
    assert played.orders["a"].quantity == 3


def test_good_till_orders_may_outlive_a_session(tmp_path: Path) -> None:
    log = Log().buy(10, "gtc", 1, 99).buy(11, "day", 1, 99, "DAY")
    log.buy(12, "gtd", 1, 99, "GTD", expire_ns=ns(4_000))
    log.sell(13, "stop", 1, trigger_price=90, tif="DAY")
    played = play(tmp_path, market().tick(END), log, gateway=cut((200, 900), then="cancel_day"))
    assert ends(played) == {
        "gtc": STAYS, "day": ("CANCELED", "DISCONNECTED", 200),
        "gtd": ("EXPIRED", "GOOD_TILL_DATE", 4_000), "stop": ("CANCELED", "DISCONNECTED", 200),
    }  # fmt: skip


def test_orders_that_are_kept_fill_and_that_is_told_later(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 100).buy(1_000, "b", 1, 90)
    tape = market().cancel(150, 1).add(400, 2, "A", 100, 7).tick(END)
    played = play(tmp_path, tape, log, gateway=cut((200, 900), then="keep"))
    assert [(f.order, f.at, f.known) for f in played.fills] == [("a", 400, 900)]
    assert ends(played)["b"] == STAYS
    assert played.counts["fills_known_before_capture"] == 0


def test_it_may_fill_before_the_venue_has_noticed(tmp_path: Path) -> None:
    tape = market().cancel(150, 1).add(260, 2, "A", 100, 1).add(400, 3, "A", 100, 1).tick(END)
    log = Log().buy(10, "a", 2, 100)
    played = play(tmp_path, tape, log, gateway=cut((200, 900), detection_us=100))
    assert [(f.order, f.lots, f.at, f.known) for f in played.fills] == [("a", 1, 260, 900)]
    assert ends(played)["a"] == ("CANCELED", "DISCONNECTED", 300)


def test_a_cut_that_nobody_has_noticed_cancels_nothing(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 99).buy(250, "b", 1, 99)
    gateway = cut((200, 300), (600, 701), detection_us=100)
    played = play(tmp_path, market().tick(END), log, gateway=gateway)
    # The first is over as it would be noticed; the second is not.
    assert ends(played) == {
        "a": ("CANCELED", "DISCONNECTED", 700), "b": ("DENIED", "NO_SESSION", 250),
    }  # fmt: skip


def test_what_waits_at_the_gateway_leaves_when_the_session_is_back(tmp_path: Path) -> None:
    # One message a second: b would leave at 1,000,010, which is in the cut; c a second later.
    s = 1_000_000
    log = Log().buy(10, "a", 1, 99).buy(20, "b", 1, 99).buy(30, "c", 1, 99)
    gateway = cut((900_000, 1_500_000), rate=1)
    played = play(tmp_path, market().tick(3 * s), log, gateway=gateway)
    assert ends(played) == {
        "a": ("CANCELED", "DISCONNECTED", 900_000), "b": STAYS, "c": STAYS,
    }  # fmt: skip
    assert (played.orders["b"].arrived, played.orders["c"].arrived) == (1_500_050, 2_500_050)


def test_a_venue_that_takes_no_cancels_keeps_what_is_there(tmp_path: Path) -> None:
    states = [(100, TradingState.NO_CANCEL), (800, TradingState.OPEN)]
    log = Log().buy(10, "a", 1, 99)
    played = play(tmp_path, market().tick(END), log, states=states, gateway=cut((200, 600)))
    assert ends(played)["a"] == STAYS
    assert played.counts["refused_no_cancel"] == 1


def test_what_the_simulation_sends_itself_waits_for_the_session(tmp_path: Path) -> None:
    # The loss limit is reached at 301, in the cut: the position is closed as it is over.
    tape = market().cancel(300, 1).add(301, 2, "B", 90, 1000).tick(END)
    log = Log().buy(10, "a", 10).buy(20, "b", 1, 95)
    limits = RiskLimits(max_loss=50 * 10**9, on_max_loss="flatten")
    played = play(tmp_path, tape, log, limits=limits, gateway=cut((200, 900)))
    assert [(f.order, f.at) for f in played.fills] == [("a", 60), ("flatten-1", 950)]
    assert ends(played)["b"] == ("CANCELED", "DISCONNECTED", 200)


def test_it_is_cut_from_all_its_books_however_quiet(tmp_path: Path) -> None:
    other = Tape()
    other.instrument = OTHER_INSTRUMENT
    other.add(2, 3, "B", 50, 10).tick(END)
    log = Log().buy(10, "a", 1, 99)
    log.symbol = OTHER_SYMBOL
    log.buy(20, "b", 1, 49).buy(300, "c", 1, 49).buy(1_000, "d", 1, 49)
    tape = merge(market().tick(400).tick(END), other)
    played = play(tmp_path, tape, log, gateway=cut((200, 900), detection_us=50))
    assert ends(played) == {
        "a": ("CANCELED", "DISCONNECTED", 250), "b": ("CANCELED", "DISCONNECTED", 250),
        "c": ("DENIED", "NO_SESSION", 300), "d": STAYS,
    }  # fmt: skip


def test_who_shares_its_book_has_a_session_of_its_own(tmp_path: Path) -> None:
    logs = {"a": Log().buy(10, "a1", 1, 99), "b": Log().buy(20, "b1", 1, 99)}
    sessions = {"a": cut((200, 900)), "b": cut((600, 700), then="keep")}
    specs = [
        StrategySpec(
            name, STRATEGIES["order_log"], {"path": log.write(tmp_path / f"{name}.csv")},
            shared_book="desk", gateway=sessions[name],
        )
        for name, log in logs.items()
    ]  # fmt: skip
    tape = market().trade(400, (1, 1000), rest=(2, 99, 2)).tick(END)
    played = read(*run(configure(None, others=specs), tape.records()))
    assert ends(played)["a1"] == ("CANCELED", "DISCONNECTED", 200)
    # The aggressor's rest comes across b1, which has its place alone by now.
    assert [(f.order, f.at, f.known) for f in played.fills] == [("b1", 400, 450)]


def test_a_session_that_is_never_cut_is_as_without(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 99).buy(20, "b", 1).cancel(30, "a")
    plain = play(tmp_path, market().tick(END), log)
    later = play(tmp_path, market().tick(END), log, gateway=cut((END + 10, END + 20)))
    assert later.digest == plain.digest


# --- the configuration ----------------------------------------------------------------------------

ONE = {"at": "2024-03-04T14:35:00Z", "until": "2024-03-04T14:36:00Z"}


def configured(**gateway: object) -> object:
    return make_config(
        {
            "backtest": {"data_source": {"type": "synthetic"}, "execution": {"gateway": gateway}},
            "strategy": [{"type": "market_maker", "name": "maker"}],
        }
    )


def test_cuts_are_read() -> None:
    config = configured(disconnects=[ONE], on_disconnect="cancel_day", detection_ms=2.5)
    made = _simulation_config(config, Contracts(InstrumentTable([])), (), 0, 0)  # type: ignore[arg-type]
    start = 1_709_562_900 * 10**9
    assert made.gateway == GatewayLimit(
        0, "reject", ((start, start + 60 * 10**9),), "cancel_day", 2_500_000
    )
    assert make_config(config.to_dict()) == config  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("gateway", "message"),
    [
        ({"when_exceeded": "queue"}, "gateway: expected max_messages_per_second, disconnects or"),
        ({"disconnects": []}, "gateway: expected max_messages_per_second, disconnects or both"),
        (
            {"disconnects": [{**ONE, "until": ONE["at"]}]},
            "gateway.disconnects[0]: expected an until after at",
        ),
        (
            {"disconnects": [ONE, {**ONE, "until": "2024-03-05"}]},
            "gateway.disconnects: expected one that begins at",
        ),
        ({"disconnects": [{"at": "noon", "until": 5}]}, "disconnects[0].at: expected a time"),
        ({"disconnects": [ONE], "on_disconnect": "all"}, "on_disconnect: expected "),
        ({"disconnects": [ONE], "detection_ms": -1}, "detection_ms: expected at least 0, found -1"),
    ],
)
def test_what_is_wrong_with_cuts_is_said(gateway: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(**gateway)
    assert message in str(caught.value)
