"""What is said of an order beside price and quantity, by each kind of strategy, and how it is kept.

What it does at the exchange is told elsewhere; here it only has to get there.
"""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from plain import play as play_plain
from stories import (
    START_NS,
    SYMBOL,
    Log,
    OrderRules,
    Tape,
    configure,
    ns,
    play,
    px,
    run,
    us,
)
from tapewire import Strategy
from tapewire.analytics.tables import Names, order_columns
from tapewire.compiled.memory import offset_of
from tapewire.errors import FormatError
from tapewire.execution import layout
from tapewire.execution.codes import DENIALS, OrderStatus, OrderType, Reason, Term, TimeInForce
from tapewire.execution.layout import NEVER
from tapewire.execution.words import DENIAL_BITS
from tapewire.market.records import UNDEF_PRICE
from tapewire.router import StrategySpec
from tapewire.strategies import StrategyDefinition
from tapewire.strategies.context import BUY, DAY, GTC, GTD, SELL, submit_limit
from tapewire.strategies.plain.terms import encode
from tapewire.strategies.terms import (
    expire_at,
    post_only,
    post_only_reprice,
    submit_market_to_limit,
    submit_stop,
    submit_stop_limit,
    take_at_least,
)

PRICE = 10**9


def test_an_order_is_five_cache_lines_and_a_venues_rules_are_one() -> None:
    assert layout.OWN_ORDER.itemsize == 320
    assert offset_of(layout.OWN_ORDER, "trigger_price") == 192
    assert offset_of(layout.OWN_ORDER, "peg_limit") == 256
    assert layout.RULES.itemsize == layout.PARTY.itemsize == 64


def test_denials_are_told_apart_from_what_the_exchange_says() -> None:
    assert {reason for reason in Reason if DENIAL_BITS >> reason & 1} == set(DENIALS)
    assert Reason.NONE not in DENIALS
    assert Reason.POST_ONLY not in DENIALS


# --- a log ----------------------------------------------------------------------------------------


def market() -> Tape:
    return Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10).tick(5_000)


def terms_of(tmp_path: Path, log: Log) -> dict[str, dict[str, Any]]:
    """The terms of each order that are not null, as `orders.parquet` has them."""
    played = play(tmp_path, market(), log)
    columns = order_columns(played.rows.orders, Names(played.simulation.legs))
    names = [
        "post_only", "trigger_price", "expires", "min_quantity", "display_quantity", "peg_offset",
        "group",
    ]  # fmt: skip
    ids = columns["client_order_id"].to_pylist()
    return {
        order: {n: columns[n][k].as_py() for n in names if columns[n][k].as_py() is not None}
        for k, order in enumerate(ids)
    }


def test_a_log_says_terms_in_columns_it_may_leave_out(tmp_path: Path) -> None:
    log = Log().buy(10, "plain", 1, 99)
    log.buy(10, "gtx", 1, 99, "GTX").buy(10, "post", 1, 99, post_only="true")
    log.buy(10, "reprice", 1, 99, "GTX", post_only="reprice")
    log.buy(10, "stop", 1, trigger_price=102).buy(10, "limit", 1, 103, trigger_price="102.5")
    log.buy(10, "dated", 1, 99, "GTD", expire_ns=ns(400)).buy(10, "least", 5, 99, min_quantity=2)
    assert terms_of(tmp_path, log) == {
        "plain": {},
        "gtx": {"post_only": "reject"},
        "post": {"post_only": "reject"},
        "reprice": {"post_only": "reprice"},
        "stop": {"trigger_price": px(102)},
        "limit": {"trigger_price": px("102.5")},
        "dated": {"expires": START_NS + 400_000},
        "least": {"min_quantity": 2},
    }


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"post_only": "maybe"}, "row 1, post_only: expected .*'maybe'"),
        ({"min_quantity": 0}, "row 1, min_quantity: expected a whole number from 1 on, found '0'"),
        ({"tif": "GTD"}, "row 1, expire_ns: expected a time, of a GTD order, found nothing"),
        ({"trigger_price": "x"}, "row 1, trigger_price: expected a decimal price, found 'x'"),
        ({"tif": "FOC"}, "row 1, time_in_force: expected GTC or IOC or FOK or .*'FOC'"),
    ],
)
def test_terms_of_a_log_that_are_none(tmp_path: Path, terms: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        play(tmp_path, market(), Log().buy(10, "a", 1, 99, **terms))


# --- compiled ------------------------------------------------------------------------------------


def send_all(ctx: Any, state: Any) -> None:
    """One order of each kind."""
    submit_stop(ctx, BUY, 102 * PRICE, 1, DAY)
    state.handle = submit_stop_limit(ctx, SELL, 99 * PRICE, 98 * PRICE, 2, GTC)
    submit_market_to_limit(ctx, BUY, 3, GTC)
    post_only(ctx, submit_limit(ctx, BUY, 99 * PRICE, 4, GTC))
    post_only_reprice(ctx, submit_limit(ctx, BUY, 98 * PRICE, 5, GTC))
    expire_at(ctx, submit_limit(ctx, BUY, 97 * PRICE, 6, GTD), ctx.now_ns + 90_000)
    take_at_least(ctx, submit_limit(ctx, BUY, 96 * PRICE, 7, GTC), 2**40)


def too_late(ctx: Any, state: Any) -> None:
    """A term is set on an order that has left."""
    expire_at(ctx, state.handle, 0)


def test_compiled_strategies_set_terms_before_the_order_leaves() -> None:
    """What is set later changes nothing, and lots that no order can have are none."""
    definition = StrategyDefinition(
        name="terms", doc="Sends.", parameters={}, state=np.dtype([("handle", "i8")]),
        on_start=send_all, on_trade=too_late,
    )  # fmt: skip
    tape = market().trade(5_100, (9, 1)).tick(6_000)
    spec = StrategySpec("terms", definition, symbols=(SYMBOL,))
    _, rows = run(configure(None, tick=1, others=[spec]), tape.records())
    said = {
        int(row["quantity"]): (
            OrderType(row["order_type"]).name, TimeInForce(row["time_in_force"]).name,
            Term(int(row["terms"])), OrderStatus(row["status"]).name, Reason(row["reason"]).name,
        )
        for row in rows.orders
    }  # fmt: skip
    none = Term(0)
    assert said == {
        1: ("STOP", "DAY", Term.STOP, "NEW", "END_OF_DATA"),
        2: ("STOP_LIMIT", "GTC", Term.STOP, "NEW", "END_OF_DATA"),
        3: ("MARKET_TO_LIMIT", "GTC", none, "FILLED", "NONE"),
        4: ("LIMIT", "GTC", Term.POST_ONLY, "NEW", "END_OF_DATA"),
        5: ("LIMIT", "GTC", Term.REPRICE, "NEW", "END_OF_DATA"),
        6: ("LIMIT", "GTD", Term.EXPIRES, "EXPIRED", "GOOD_TILL_DATE"),
        7: ("LIMIT", "GTC", Term.MINIMUM, "DENIED", "INVALID_QUANTITY"),
    }


# --- plain Python ---------------------------------------------------------------------------------


def test_keywords_become_a_kind_and_terms() -> None:
    def said(has_price: bool, **terms: Any) -> tuple[Any, ...]:
        found = encode(terms, 1_000, has_price=has_price)  # type: ignore[arg-type]
        return OrderType(found.order_type), TimeInForce(found.time_in_force), Term(found.terms)

    gtc, gtd = TimeInForce.GTC, TimeInForce.GTD
    assert said(True, post_only=True) == (OrderType.LIMIT, gtc, Term.POST_ONLY)
    assert said(True, post_only="reprice") == (OrderType.LIMIT, gtc, Term.REPRICE)
    assert said(True, time_in_force="GTX") == (OrderType.LIMIT, gtc, Term.POST_ONLY)
    assert said(True, time_in_force="FOK") == (OrderType.LIMIT, TimeInForce.FOK, Term(0))
    assert said(True, expires="5m") == (OrderType.LIMIT, gtd, Term.EXPIRES)
    assert said(False, trigger_price="99.5") == (OrderType.STOP, gtc, Term.STOP)
    assert said(True, trigger_price=px(99)) == (OrderType.STOP_LIMIT, gtc, Term.STOP)
    assert said(False, market_to_limit=True) == (OrderType.MARKET_TO_LIMIT, gtc, Term(0))
    assert said(True, min_quantity=2) == (OrderType.LIMIT, gtc, Term.MINIMUM)


def test_values_of_keywords() -> None:
    found = encode({"expires": "5m", "trigger_price": "99.5"}, 1_000, has_price=True)
    assert (found.expire_ns, found.trigger_price) == (1_000 + 300 * 10**9, px("99.5"))
    none = encode({"min_quantity": 3}, 1_000, has_price=True)
    assert (none.expire_ns, none.trigger_price, none.min_quantity) == (NEVER, UNDEF_PRICE, 3)


@pytest.mark.parametrize(
    ("terms", "error", "message"),
    [
        ({"postonly": True}, TypeError, "postonly: expected one of time_in_force, trigger_price"),
        ({"post_only": "maybe"}, ValueError, "post_only: expected True, False or 'reprice'"),
        ({"expires": "soon"}, ValueError, "expires: expected a span"),
        ({"expires": 5, "expire_ns": 7}, ValueError, "expected it or expires, found both"),
        ({"market_to_limit": True}, ValueError, "expected neither price nor trigger_price"),
        ({"time_in_force": "FOC"}, ValueError, "time_in_force: expected .*'FOC'"),
    ],
)
def test_keywords_that_are_none(
    terms: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        encode(terms, 0, has_price=True)  # type: ignore[arg-type]


class Stopper(Strategy):
    """Sends a stop, moves its trigger, and notes what it is told of it."""

    told: ClassVar[list[Any]] = []

    def on_start(self, context: Any) -> None:
        self.order = context.buy(2, trigger_price=103 * PRICE)
        context.set_timer(after="200us")

    def on_timer(self, timer: Any, context: Any) -> None:
        context.replace(self.order, price=102 * PRICE, quantity=1)

    def on_order_update(self, order: Any, context: Any) -> None:
        self.told.append((us(context.now), order.status.name, order.price, order.trigger_price))

    def on_fill(self, fill: Any, context: Any) -> None:
        self.told.append((us(context.now), fill.price, fill.quantity))


def test_a_plain_strategy_follows_its_stop() -> None:
    """Accepted, its trigger moved, triggered under half a point of protection, filled in part."""
    Stopper.told.clear()
    tape = market().add(2, 10, "A", 102, 1).add(3, 11, "A", "102.5", 1).tick(300)
    tape.trade(500, (9, 10), (10, 1)).tick(1_000)
    _, rows = play_plain(Stopper, tape, rules=OrderRules(protection=PRICE // 2))
    assert Stopper.told == [
        (101, "NEW", None, 103 * PRICE),
        (301, "NEW", None, 102 * PRICE),
        (550, "NEW", 102 * PRICE + PRICE // 2, 102 * PRICE),
        (550, 102 * PRICE + PRICE // 2, 1),
    ]
    assert rows.orders["ts_triggered"].tolist() == [ns(500)]
