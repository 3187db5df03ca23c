"""What a model asks for, as the loop carries it out: hand-worked, and the same in every way."""

import numpy as np
import pytest

from markets import spec as along
from models import NOTHING, by, play_models, request, spec_of, targets
from plain import PRICE, quoted
from stories import INSTRUMENT, ns, us
from tapewire.bridge import protocol as msg
from tapewire.bridge.latency import InferenceLatency, LatencyDraws
from tapewire.errors import ConfigError
from tapewire.execution.codes import OrderStatus, OrderType, Reason, Side, Term, TimeInForce
from tapewire.features import RowReach

NONE = msg.NO_TARGET


def at_row(*wanted: int) -> object:
    """Targets of the rows from the first on; none of those behind them."""

    def rule(features: np.ndarray, ts: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(first, first + len(features))
        return np.array([wanted[k] if k < len(wanted) else NONE for k in rows]), NOTHING

    return by(rule)


def asking(*requests: np.ndarray) -> object:
    """Requests of the rows from the first on, and no targets."""

    def rule(features: np.ndarray, ts: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        asked = []
        for row in range(len(features)):
            if first + row < len(requests):
                mine = requests[first + row].copy()
                mine["row"] = row
                asked.append(mine)
        return np.full(len(features), NONE), np.concatenate(asked) if asked else NOTHING

    return by(rule)


MODES = pytest.mark.parametrize("mode", ["pipelined", "lockstep"])


@MODES
def test_a_target_takes_effect_after_feed_and_inference_latency(mode: str) -> None:
    """The row of 2 µs is known at 12, acts at 62 and arrives at 112."""
    tape = quoted().tick(500).tick(1_000)
    played = play_models(
        tape.records(),
        [(spec_of(mode=mode, latency_ns=50_000, feed_ns=10_000), at_row(NONE, 3, NONE))],
        feed_us=10,
    )
    fills, orders = played.fills, played.orders
    assert [(us(row["ts_sent"]), us(row["ts_arrived"])) for row in orders] == [(62, 112)]
    assert fills["last_px"].tolist() == [101 * PRICE]
    assert fills["last_qty"].tolist() == [3]
    assert orders["order_type"].tolist() == [OrderType.MARKET]


@MODES
def test_a_target_counts_what_is_held_and_what_is_open(mode: str) -> None:
    """+3, +5 while 3 are on their way, then -1, then the same again: 3 and 2 bought, 6 sold."""
    tape = quoted().tick(100).tick(400).tick(600).tick(900)
    played = play_models(tape.records(), [(spec_of(mode=mode), at_row(NONE, 3, 5, -1, -1))])
    assert played.fills["side"].tolist() == [Side.BUY, Side.BUY, Side.SELL]
    # 5 lots are bid; taking them leaves none for the sixth.
    assert played.fills["last_qty"].tolist() == [3, 2, 5]
    sent = [(us(row["ts_sent"]), int(row["quantity"])) for row in played.orders]
    assert sent == [(3, 3), (102, 2), (402, 6), (602, 1)]


@MODES
def test_an_instrument_that_is_left_has_no_rows_any_more(mode: str) -> None:
    """Left at 3 ms: of the rows at each whole ms up to 5, those at 1 and 2 are there."""
    records = quoted().tick(4_500).tick(5_500).records()
    rows = {}
    for until in (3_000, 10_000):
        reach = RowReach({INSTRUMENT: [(0, ns(until))]})
        model = (spec_of(every="1ms", mode=mode), at_row(NONE))
        rows[until] = play_models(records, [model], reach=reach).desks["model"].rows
    assert rows == {3_000: 2, 10_000: 5}


@MODES
def test_orders_are_named_by_tags(mode: str) -> None:
    """Sent at 99, replaced to 98, another one canceled; a tag that nobody has is nothing."""
    buy = {"side": 1, "order_type": msg.LIMIT, "time_in_force": msg.GTC}
    tape = quoted().tick(200).tick(400).tick(600).tick(800).tick(1_000)
    played = play_models(
        tape.records(),
        [(
            spec_of(mode=mode),
            asking(
                request(msg.SUBMIT, tag=7, price=99 * PRICE, quantity=2, **buy),
                request(msg.SUBMIT, tag=-8, price=97 * PRICE, quantity=1, **buy),
                request(msg.REPLACE, tag=7, price=98 * PRICE),
                request(msg.CANCEL, tag=-8),
                request(msg.CANCEL, tag=99),
            ),
        )],
    )  # fmt: skip
    by_id = {int(row["client_order_id"]): row for row in played.orders}
    assert by_id[1]["price"] == 98 * PRICE
    assert (by_id[1]["replaces"], by_id[1]["quantity"]) == (1, 2)
    assert by_id[1]["reason"] == Reason.END_OF_DATA
    assert (by_id[2]["status"], by_id[2]["reason"]) == (OrderStatus.CANCELED, Reason.USER_CANCEL)


@MODES
def test_orders_may_have_terms(mode: str) -> None:
    """Each is what an order of its kind is for any strategy, however the model is asked."""
    buy = {"side": 1, "quantity": 1, "time_in_force": msg.GTC, "order_type": msg.LIMIT}
    stop = {"side": -1, "quantity": 5, "order_type": msg.STOP, "time_in_force": msg.DAY}
    tape = quoted().tick(200).tick(400).tick(600).tick(800).tick(1_000).tick(1_200)
    played = play_models(
        tape.records(),
        [(
            spec_of(mode=mode),
            asking(
                request(msg.SUBMIT, tag=1, price=101 * PRICE, terms=msg.ONLY_MAKE, **buy),
                request(msg.SUBMIT, tag=2, price=101 * PRICE, terms=msg.ONLY_MAKE_REPRICED, **buy),
                request(msg.SUBMIT, tag=3, **buy | {"order_type": msg.MARKET_TO_LIMIT}),
                request(msg.SUBMIT, tag=4, price=98 * PRICE, terms=msg.ONLY_REDUCE, **stop),
                request(msg.REPLACE, tag=4, quantity=4),
                request(msg.SUBMIT, tag=5, price=101 * PRICE,
                        **buy | {"quantity": 10, "time_in_force": msg.FOK}),
            ),
        )],
        tick=1,
    )  # fmt: skip
    told = [
        (
            OrderType(row["order_type"]).name, TimeInForce(row["time_in_force"]).name,
            OrderStatus(row["status"]).name, Reason(row["reason"]).name,
        )
        for row in sorted(played.orders, key=lambda row: int(row["client_order_id"]))
    ]  # fmt: skip
    assert told == [
        ("LIMIT", "GTC", "REJECTED", "POST_ONLY"), ("LIMIT", "GTC", "NEW", "END_OF_DATA"),
        ("MARKET_TO_LIMIT", "GTC", "FILLED", "NONE"), ("STOP", "DAY", "NEW", "END_OF_DATA"),
        ("LIMIT", "FOK", "EXPIRED", "MIN_QUANTITY"),
    ]  # fmt: skip
    by_id = {int(row["client_order_id"]): row for row in played.orders}
    assert by_id[2]["price"] == 100 * PRICE
    kept = by_id[4]
    assert (kept["trigger_price"], kept["quantity"], kept["replaces"]) == (98 * PRICE, 4, 1)
    assert Term(int(kept["terms"])) == Term.STOP | Term.REDUCE_ONLY


@MODES
def test_all_orders_of_a_book_are_canceled_however_many(mode: str) -> None:
    buy = {"side": 1, "order_type": msg.LIMIT, "time_in_force": msg.GTC, "quantity": 1}
    many = np.concatenate(
        [request(msg.SUBMIT, tag=k, price=(50 + k) * PRICE, **buy) for k in range(32)]
    )
    tape = quoted().tick(200).tick(400).tick(600).tick(900)
    played = play_models(
        tape.records(),
        [(spec_of(mode=mode), asking(many, many, many, request(msg.CANCEL_ALL)))],
    )
    assert len(played.orders) == 96
    assert set(played.orders["reason"]) == {Reason.USER_CANCEL}


@MODES
def test_requests_come_before_the_target_of_their_row(mode: str) -> None:
    """Without its resting order the target needs all three lots."""

    def rule(features: np.ndarray, ts: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        aims, asked = np.full(len(features), NONE), []
        for k in range(len(features)):
            if first + k == 1:
                asked.append(request(msg.SUBMIT, k, tag=1, price=99 * PRICE, quantity=2, side=1,
                                     order_type=msg.LIMIT, time_in_force=msg.GTC))  # fmt: skip
                aims[k] = 3
        return aims, np.concatenate(asked) if asked else NOTHING

    played = play_models(quoted().tick(200).records(), [(spec_of(mode=mode), by(rule))])
    assert sorted(played.orders["quantity"].tolist()) == [1, 2]


def test_a_model_beside_it_sees_its_orders_in_lockstep() -> None:
    """Position, P&L and open lots are columns; updates come before the row that follows them."""
    tape = quoted().tick(500).tick(1_000)
    played = play_models(tape.records(), [(spec_of(mode="lockstep"), at_row(NONE, 3))])
    rows = np.concatenate(played.models["model"].rows)
    assert rows[:, 1].tolist() == [0, 0, 3, 3]  # position
    # bought at 101, marked at 100.5
    assert rows[:, 2].tolist() == [0, 0, -1.5, -1.5]
    kinds = [msg.name_of(message) for message in played.models["model"].heard]
    assert kinds == [
        "welcome", "instruments", "features", "features", "updates", "features", "features",
        "close", "goodbye",
    ]  # fmt: skip
    updates = played.models["model"].heard[4].updates
    assert [(u.status, us(u.ts_ns), u.fill_quantity) for u in updates] == [
        ("NEW", 103, 0), ("FILLED", 103, 3)
    ]  # fmt: skip
    assert updates[1].fill_price == 101 * PRICE
    assert updates[1].position == 3


def _wavering(features: np.ndarray) -> np.ndarray:
    x = np.nan_to_num(features[:, 0])
    return np.where(x > 0.5, 2, np.where(x < -0.5, -2, NONE))


@pytest.fixture(scope="module")
def records() -> np.ndarray:
    from markets import market

    return market(20_000)


def _digest(records: np.ndarray, *, n: int = 1, **settings: object) -> set[str]:
    """Digests of a wavering model, n times beside one another."""
    play = {name: settings.pop(name) for name in ("batch", "ahead") if name in settings}
    client = {name: settings.pop(name) for name in ("delay_s", "split") if name in settings}
    models = [
        (
            spec_of("model", ("imbalance_1",), "7ev", latency_ns=300_000, **settings)
            if k == 0
            else spec_of(f"model{k}", ("imbalance_5", "mid"), "bbo", latency_ns=10_000),
            by(targets(_wavering), **client),
        )
        for k in range(n)
    ]
    played = play_models(records, models, **play)  # type: ignore[arg-type]
    assert played.orders.size > 50
    return {played.simulation.digests()["model"]}


def test_one_digest_however_it_is_run(records: np.ndarray) -> None:
    """Frames of 1 to 65,536 rows, 1 to 64 batches ahead, of any size, several models, slow ones."""
    digests = _digest(records)
    for settings in (
        {"rows_max": 1},
        {"rows_max": 7, "batch": 1_000},
        {"rows_max": 65_536, "batch": 65_536},
        {"batch": 97, "ahead": 1},
        {"batch": 500, "ahead": 64},
        {"batch": 3_000, "delay_s": 0.01},
        {"split": 3},
        {"n": 2},
        {"n": 4, "batch": 5_000},
        {"mode": "lockstep"},
        {"mode": "lockstep", "batch": 777},
    ):
        digests |= _digest(records, **settings)
    assert len(digests) == 1


def test_a_strategy_beside_a_model_keeps_its_digest(records: np.ndarray) -> None:
    maker = along("maker", "market_maker")
    model = (spec_of("model", ("imbalance_1",), "7ev"), by(targets(_wavering)))
    alone = play_models(records, [model]).simulation.digests()
    both = play_models(records, [model], others=[maker]).simulation.digests()
    assert both["model"] == alone["model"]
    from stories import configure, run

    simulation, _ = run(configure(None, others=[maker]), records, 1_000_000)
    assert both["maker"] == simulation.digests()["maker"]


def test_a_free_running_model_that_is_too_slow_is_sent_no_more(
    records: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tapewire.bridge.desk.FLYING_ROWS_MAX", 200)
    spec = spec_of("model", ("imbalance_1",), "7ev", mode="free_running", rows_max=50)
    slow = by(targets(_wavering), delay_s=0.05)
    desk = play_models(records, [(spec, slow)], batch=1_000).desks["model"]
    assert desk.skipped_rows > 0
    assert desk.rows - desk.answered_rows <= 400


def test_recorded_latencies_are_one_for_each_row(records: np.ndarray) -> None:
    tape = quoted().tick(200).tick(500)
    recorded = InferenceLatency("recorded", recorded_ns=[5_000, 1_000, 9_000, 0])
    played = play_models(tape.records(), [(spec_of(latency=recorded), at_row(NONE, 2, 1))])
    assert [us(int(row["ts_sent"])) for row in played.orders] == [6, 210]  # not before the first
    few = InferenceLatency("recorded", recorded_ns=[5_000, 1_000])
    with pytest.raises(ConfigError, match=r"a recorded latency for each row, found 2 of them"):
        play_models(tape.records(), [(spec_of(latency=few), at_row(NONE))])


@pytest.mark.parametrize("kind", ["uniform", "lognormal"])
def test_drawn_latencies_hang_on_the_key_and_the_row_alone(kind: str) -> None:
    latency = InferenceLatency(kind, 1_000, 9_000, median_ns=4_000, sigma=0.3)  # type: ignore[arg-type]
    whole = LatencyDraws(latency, 7).draw(1_000)
    parts = LatencyDraws(latency, 7)
    assert np.concatenate([parts.draw(n) for n in (1, 7, 992)]).tolist() == whole.tolist()
    assert LatencyDraws(latency, 8).draw(1_000).tolist() != whole.tolist()
    assert whole.min() >= 1_000
    assert whole.max() <= 9_000
    if kind == "lognormal":
        assert abs(np.median(whole) - 4_000) < 150
        assert abs(np.log(whole).std() - 0.3) < 0.03
