"""How orders are named, and whether a command makes sense before anybody acts on it."""

import re
from typing import Final

import msgspec

from tapewire.errors import BrokerError
from tapewire.execution.codes import OrderType, Side, TimeInForce
from tapewire.live.orders import CLIENT_ID_CHARS_MAX, Command, NewOrder
from tapewire.market.records import UNDEF_PRICE

#: Of what a session's own numbers are put behind: room for 11 digits.
SESSION_CHARS_MAX: Final = 24
_SESSION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
#: Where the decoder says that something is wrong: the name of a message comes before its fields.
_PLACE: Final = re.compile(r"`\$\[(\d+)\]`")
_PRICED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_TRIGGERED: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def client_order_id(session: str, number: int) -> str:
    """Return the name of a session's order of that number.

    Parameters
    ----------
    session
        That no other session of the account ever has: at most `SESSION_CHARS_MAX` letters, digits
        and hyphens.

    Raises
    ------
    BrokerError
        If it is none.
    """
    if len(session) > SESSION_CHARS_MAX or not _SESSION.fullmatch(session):
        raise BrokerError(
            f"session: expected at most {SESSION_CHARS_MAX} letters, digits and hyphens within, "
            f"found {session!r}"
        )
    if not 0 <= number < 10 ** (CLIENT_ID_CHARS_MAX - SESSION_CHARS_MAX - 1):
        raise BrokerError(f"number of an order: expected 0 to 10^11 - 1, found {number}")
    return f"{session}-{number}"


def require_sound(command: Command) -> None:
    """Check a command before anybody acts on it.

    Raises
    ------
    BrokerError
        If a field is out of its bounds or is no such word, or the fields don't go together.
    """
    try:
        msgspec.convert(msgspec.to_builtins(command), type(command))
    except msgspec.ValidationError as error:
        names = ("", *command.__struct_fields__)
        what = _PLACE.sub(lambda place: names[int(place[1])], str(error))
        raise BrokerError(f"a {type(command).__name__} can't be sent: {what}") from None
    if isinstance(command, NewOrder):
        for problem in _problems(command):
            raise BrokerError(f"{command.client_order_id} can't be sent: {problem}")


def _problems(order: NewOrder) -> list[str]:
    """What is wrong with an order's terms."""
    found = [
        f"{name}: expected one of {', '.join(one.name for one in words)}, found {value}"
        for name, words, value in (
            ("side", Side, order.side),
            ("order_type", OrderType, order.order_type),
            ("time_in_force", TimeInForce, order.time_in_force),
        )
        if value not in set(words)
    ]
    prices = (
        ("price", order.price, _PRICED),
        ("trigger_price", order.trigger_price, _TRIGGERED),
    )
    for name, price, kinds in prices:
        if (price != UNDEF_PRICE) != (order.order_type in kinds):
            is_there = "one" if order.order_type in kinds else "none with this order_type"
            found.append(f"{name}: expected {is_there}, found {price}")
    if (order.expire_ns > 0) != (order.time_in_force == TimeInForce.GTD):
        found.append(f"expire_ns: expected one with GTD only, found {order.expire_ns}")
    return found
