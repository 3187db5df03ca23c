"""What is said of an order beside price and quantity, by each kind of strategy, and how it is kept.

What it does at the exchange is told elsewhere; here it only has to get there.
"""

from pathlib import Path
from typing import Any

import pytest

from stories import START_NS, Log, Tape, ns, play, px
from tapewire.analytics.tables import Names, order_columns
from tapewire.compiled.memory import offset_of
from tapewire.errors import FormatError
from tapewire.execution import layout
from tapewire.execution.codes import DENIALS, OrderType, Reason, Term, TimeInForce
from tapewire.execution.layout import NEVER
from tapewire.execution.words import DENIAL_BITS
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.plain.terms import encode


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
