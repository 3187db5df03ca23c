"""The gateway of a session: how many messages it takes in a second, by hand.

Latency is 50 µs each way; times are in µs.
"""

import random
from pathlib import Path

import pytest

from stories import Log, Tape, ns, play
from tapewire.config.loading import make_config
from tapewire.errors import ConfigError
from tapewire.execution.codes import OrderEvent, OrderStatus, Reason
from tapewire.market.instruments import InstrumentTable
from tapewire.router import GatewayLimit, RiskLimits
from tapewire.runs.contracts import Contracts
from tapewire.runs.warnings import count_warnings
from tapewire.runs.wiring import _simulation_config

REJECT, QUEUE = GatewayLimit(2, "reject"), GatewayLimit(2, "queue")
S = 1_000_000


def deep_book() -> Tape:
    return Tape().add(0, 1, "B", 100, 1000).add(1, 9, "A", 101, 1000)


def test_what_is_too_much_is_rejected_with_its_reason_and_numbers(tmp_path: Path) -> None:
    log = Log()
    for name, at in {"a": 0.2, "b": 0.9, "c": 1.0, "d": 1.199999, "e": 1.2}.items():
        log.buy(at * S, name, 1, 99)
    played = play(tmp_path, deep_book().tick(3 * S), log, gateway=REJECT)
    assert {n: o.reason for n, o in played.orders.items() if o.status == "DENIED"} == {
        "c": "MAX_MESSAGE_RATE", "d": "MAX_MESSAGE_RATE",
    }  # fmt: skip
    denied = played.rows.orders[played.rows.orders["status"] == OrderStatus.DENIED]
    assert [(int(o["limit_value"]), int(o["limit_found"])) for o in denied] == [(2, 3), (2, 3)]


def test_cancels_and_replaces_count_and_are_rejected_too(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 99).replace(200, "a", 2, 99).cancel(300, "a")
    log.replace(400, "a", 5, 99).cancel(S + 20, "a")
    played = play(tmp_path, deep_book().tick(3 * S), log, gateway=REJECT, event_log=True)
    assert [change[:2] for change in played.changes("a")] == [
        ("SENT", "NONE"), ("ACCEPTED", "NONE"), ("REPLACE_SENT", "NONE"), ("REPLACED", "NONE"),
        ("REFUSED", "MAX_MESSAGE_RATE"), ("REFUSED", "MAX_MESSAGE_RATE"),
        ("CANCEL_SENT", "NONE"), ("CANCELED", "USER_CANCEL"),
    ]  # fmt: skip
    counts = played.counts
    assert (counts["cancels_denied"], counts["replaces_denied"]) == (1, 1)
    assert "1 cancel was rejected by the gateway: MAX_MESSAGE_RATE" in count_warnings(counts, None)


def test_a_rejected_order_gives_its_room_back(tmp_path: Path) -> None:
    # Two lots at most: b's were never reserved, so c has room once the window allows.
    log = Log().buy(10, "a", 1, 99).buy(20, "b", 1, 99).buy(S + 20, "c", 1, 99)
    played = play(
        tmp_path, deep_book().tick(3 * S), log, gateway=GatewayLimit(1),
        limits=RiskLimits(max_position=2),
    )  # fmt: skip
    assert {name: o.reason for name, o in played.orders.items()} == {
        "a": "END_OF_DATA", "b": "MAX_MESSAGE_RATE", "c": "END_OF_DATA",
    }  # fmt: skip


def test_what_is_too_much_is_queued_and_leaves_in_order(tmp_path: Path) -> None:
    # Two a second. c and its cancel wait for a second after a and b; d for one after c.
    log = Log().buy(10, "a", 1, 99).buy(20, "b", 1, 99).buy(30, "c", 1, 99).cancel(40, "c")
    log.buy(50, "d", 1, 99)
    played = play(tmp_path, deep_book().tick(3 * S), log, gateway=QUEUE)
    arrived = {name: order.arrived for name, order in played.orders.items()}
    assert arrived == {"a": 60, "b": 70, "c": S + 60, "d": 2 * S + 60}
    assert (played.orders["c"].status, played.orders["c"].closed) == ("CANCELED", S + 70)
    assert played.orders["c"].sent == 30
    assert played.counts["messages_held"] == 3
    assert played.counts["messages_held_ns_max"] == (2 * S + 10 - 50) * 1_000
    assert (
        "3 messages waited at the gateway (execution.gateway), by up to 2,000.0 ms"
        in count_warnings(played.counts, None)
    )


def test_a_queue_that_is_never_full_changes_nothing(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 99).buy(20, "b", 1).cancel(30, "a")
    plain = play(tmp_path, deep_book().tick(500), log)
    for gateway in (GatewayLimit(3, "queue"), GatewayLimit(3, "reject")):
        assert play(tmp_path, deep_book().tick(500), log, gateway=gateway).digest == plain.digest


def test_what_the_simulation_sends_itself_is_not_rejected(tmp_path: Path) -> None:
    # The loss limit is reached at 300; the gateway is full then, and still the position is closed.
    tape = deep_book().cancel(300, 1).add(301, 2, "B", 90, 1000).tick(700)
    log = Log().buy(10, "a", 10)
    limits = RiskLimits(max_loss=50 * 10**9, on_max_loss="flatten")
    played = play(tmp_path, tape, log, limits=limits, gateway=GatewayLimit(1))
    assert [fill.order for fill in played.fills] == ["a", "flatten-1"]


# --- the configuration ----------------------------------------------------------------------------


def configured(own: object = None, **gateway: object) -> object:
    entry = {"type": "market_maker", "name": "maker"}
    if own is not None:
        entry["execution"] = {"gateway": own}  # type: ignore[assignment]
    return make_config(
        {
            "backtest": {"data_source": {"type": "synthetic"}, "execution": {"gateway": gateway}},
            "strategy": [entry],
        }
    )


def test_a_gateway_is_read_and_a_strategy_may_have_its_own() -> None:
    config = configured(
        {"max_messages_per_second": 5}, max_messages_per_second=50, when_exceeded="queue"
    )
    made = _simulation_config(config, Contracts(InstrumentTable([])), (), 0, 0)  # type: ignore[arg-type]
    assert made.gateway == GatewayLimit(50, "queue")
    assert made.strategies[0].gateway == GatewayLimit(5, "reject")
    assert make_config(config.to_dict()) == config  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("gateway", "message"),
    [
        ({"max_messages_per_second": 0}, "max_messages_per_second: expected at least 1, found 0"),
        (
            {"max_messages_per_second": 5, "when_exceeded": "drop"},
            "when_exceeded: expected ",
        ),
    ],
)
def test_what_is_wrong_with_a_gateway_is_said(gateway: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(**gateway)
    assert f"backtest.execution.gateway.{message}" in str(caught.value)


def test_limits_say_their_numbers(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 6, 99).buy(20, "b", 5, 99).buy(30, "c", 9, 99).buy(40, "d", 1, 99)
    limits = RiskLimits(max_position=10, max_order_size=8, max_orders_per_second=1)
    played = play(tmp_path, deep_book().tick(500), log, limits=limits)
    told = {
        Reason(o["reason"]).name: (int(o["limit_value"]), int(o["limit_found"]))
        for o in played.rows.orders
        if o["status"] == OrderStatus.DENIED
    }
    # a's 6 lots are on their way: 5 more would be 11. One order a second: d would be the second.
    assert told == {"MAX_POSITION": (10, 11), "MAX_ORDER_SIZE": (8, 9), "MAX_ORDER_RATE": (1, 2)}
    alive = played.rows.orders[played.rows.orders["status"] != OrderStatus.DENIED]
    assert not alive["limit_value"].any()


def test_a_replace_that_a_limit_denies_says_its_numbers(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 6, 99).replace(200, "a", 12, 99).replace(300, "a", 9, 99.1)
    limits = RiskLimits(max_position=10)
    played = play(tmp_path, deep_book().tick(900), log, limits=limits, tick=1, event_log=True)
    refused = played.rows.events[played.rows.events["event"] == OrderEvent.REFUSED]
    # The second has no valid price: that is no limit's doing, and has no numbers.
    assert [
        (Reason(row["reason"]).name, int(row["limit_value"]), int(row["limit_found"]))
        for row in refused
    ] == [("MAX_POSITION", 10, 12), ("INVALID_PRICE", 0, 0)]
    others = played.rows.events[played.rows.events["event"] != OrderEvent.REFUSED]
    assert not others["limit_value"].any()


def test_a_loss_limit_says_what_was_lost(tmp_path: Path) -> None:
    tape = deep_book().cancel(300, 1).add(301, 2, "B", 90, 1000).tick(700).tick(2_000)
    log = Log().buy(10, "a", 10).buy(1_000, "b", 1)
    played = play(tmp_path, tape, log, limits=RiskLimits(max_loss=50 * 10**9))
    row = played.rows.orders[played.rows.orders["status"] == OrderStatus.DENIED][0]
    # Bought 10 at 101; the mid is 95.5 then.
    assert (int(row["limit_value"]), int(row["limit_found"])) == (50 * 10**9, 55 * 10**9)
    assert int(row["ts_sent"]) == ns(1_000)


# --- against a list of what has left --------------------------------------------------------------


def left_at(sent: list[int], rate: int, queues: bool) -> list[int | None]:
    """When each message leaves, by looking at all that left before; None: it is rejected."""
    found: list[int | None] = []
    for at in sent:
        left = [one for one in found if one is not None]
        if queues:
            found.append(max(at, left[-rate] + S) if len(left) >= rate else at)
        else:
            found.append(at if sum(at - one < S for one in left) < rate else None)
    return found


@pytest.mark.parametrize("queues", [True, False])
def test_any_flow_of_orders_leaves_as_a_list_says(tmp_path: Path, queues: bool) -> None:
    draw = random.Random(11)
    for rate in (1, 3, 10):
        sent = sorted(draw.randrange(10, 8 * S) for _ in range(60))
        log = Log()
        for k, at in enumerate(sent):
            log.buy(at, f"o{k}", 1, 90)
        tape = deep_book()
        for k in range(80):
            tape.tick(k * S)
        gateway = GatewayLimit(rate, "queue" if queues else "reject")
        played = play(tmp_path, tape, log, gateway=gateway)
        arrived = [played.orders[f"o{k}"].arrived for k in range(60)]
        expected = left_at(sent, rate, queues)
        assert arrived == [0 if one is None else one + 50 for one in expected]
