"""Terms of an order, as a strategy in plain Python says them."""

from typing import Final, Literal, NamedTuple, TypedDict

from tapewire.compiled.numbers import to_price, whole
from tapewire.execution.codes import OrderType, Term, TimeInForce
from tapewire.execution.layout import NEVER
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.plain.values import Price, Span, to_ns

#: Names of times in force; GTX is a GTC that is post-only.
TIMES_IN_FORCE: Final = {item.name: int(item) for item in TimeInForce} | {
    "GTX": int(TimeInForce.GTC)
}
_GTC, _IOC, _GTD = (int(t) for t in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.GTD))


class OrderTerms(TypedDict, total=False):
    """What may be said of an order beside side, quantity and price.

    Attributes
    ----------
    time_in_force : str
        ``GTC`` (the default where there is a price), ``IOC`` (of a market order), ``FOK``, ``DAY``,
        ``GTD`` (with ``expires`` or ``expire_ns``) or ``GTX``: a GTC that is post-only.
    trigger_price : int, Decimal, str or float
        Makes it a stop order, or with a price a stop-limit order.
    post_only : bool or "reprice"
        Rejected rather than take; or put one tick behind the other side's best price.
    expires : int, timedelta or str
        From now, in ns or like ``5m``.
    expire_ns : int
        Exchange time, ns since the epoch.
    min_quantity : int
        Lots that it takes on arrival, or none at all and ends.
    display_quantity : int
        Lots that it shows, and as many again when they are gone: an iceberg.
    reduce_only : bool
        Never more lots than the position that it reduces; rejected where there is none.
    peg : "touch", "mid" or "opposite"
        Its price follows the best price of its own side, the middle, or the other side's best, and
        never crosses it; ``price`` is then its limit, if it has one.
    peg_offset_ticks : int
        Ticks from that, towards the other side.
    market_to_limit : bool
        Without a price: takes the best price only, and rests there.
    """

    time_in_force: str | None
    trigger_price: Price | None
    post_only: bool | Literal["reprice"]
    expires: Span | None
    expire_ns: int | None
    min_quantity: int | None
    display_quantity: int | None
    reduce_only: bool
    peg: Literal["touch", "mid", "opposite"] | None
    peg_offset_ticks: int
    market_to_limit: bool


class Encoded(NamedTuple):
    """An order's kind and terms, as the kernels have them."""

    order_type: int
    time_in_force: int
    terms: int
    trigger_price: int
    expire_ns: int
    min_quantity: int
    display_quantity: int


def encode(said: OrderTerms, now_ns: int, *, has_price: bool) -> Encoded:
    """Make of what was said about an order what is sent.

    Raises
    ------
    TypeError, ValueError
        If a name is unknown, or a value not of its kind.
    """
    for keyword in said:
        if keyword not in OrderTerms.__annotations__:
            known = ", ".join(OrderTerms.__annotations__)
            raise TypeError(f"{keyword}: expected one of {known}, found another keyword")
    terms = Term(0)
    order_type = OrderType.LIMIT if has_price else OrderType.MARKET
    trigger = UNDEF_PRICE
    if (trigger_price := said.get("trigger_price")) is not None:
        trigger = to_price(trigger_price)
        terms |= Term.STOP
        order_type = OrderType.STOP_LIMIT if has_price else OrderType.STOP
    if said.get("market_to_limit"):
        if order_type is not OrderType.MARKET:
            raise ValueError("market_to_limit: expected neither price nor trigger_price, found one")
        order_type = OrderType.MARKET_TO_LIMIT
    expire_ns = NEVER
    if (span := said.get("expires")) is not None:
        expire_ns = now_ns + to_ns(span, "expires")
    if (at := said.get("expire_ns")) is not None:
        if expire_ns != NEVER:
            raise ValueError("expire_ns: expected it or expires, found both")
        expire_ns = whole(at, "expire_ns")
    if expire_ns != NEVER:
        terms |= Term.EXPIRES
    post_only: object = said.get("post_only", False)
    if post_only not in (True, False, "reprice"):
        raise ValueError(f"post_only: expected True, False or 'reprice', found {post_only!r}")
    if post_only:
        terms |= Term.REPRICE if post_only == "reprice" else Term.POST_ONLY
    minimum = 0
    if (lots := said.get("min_quantity")) is not None:
        minimum = whole(lots, "min_quantity")
        terms |= Term.MINIMUM
    display = 0
    if (lots := said.get("display_quantity")) is not None:
        display = whole(lots, "display_quantity")
        terms |= Term.DISPLAY
    name = said.get("time_in_force")
    in_force = _IOC if order_type is OrderType.MARKET else _GTC
    if name is not None:
        in_force = time_in_force(name)
        if name == "GTX" and not terms & Term.REPRICE:
            terms |= Term.POST_ONLY
    elif expire_ns != NEVER:
        in_force = _GTD
    if order_type is OrderType.MARKET and in_force != _IOC:
        raise ValueError(
            f"time_in_force: expected IOC of a market order, found {name or 'a time to expire'!r}"
        )
    return Encoded(int(order_type), in_force, int(terms), trigger, expire_ns, minimum, display)


def time_in_force(name: str) -> int:
    """Return the code of a time in force.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in TIMES_IN_FORCE:
        known = " or ".join(TIMES_IN_FORCE)
        raise ValueError(f"time_in_force: expected {known}, found {name!r}")
    return TIMES_IN_FORCE[name]
