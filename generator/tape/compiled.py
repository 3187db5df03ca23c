"""What compiled strategies of bars have in common: `BarStrategy` as functions over a record.

A strategy's state has the fields of `bar_fields` and its own. Its ``on_start`` begins with
`begin`; its ``on_trade`` takes the bars that have ended, one by one, and then acts:

    see_time(ctx, state)
    timeframe = ended_bar(state)
    while timeframe >= 0:
        …  # of its own: indicators of state.bars[timeframe]; `decide` as the primary one ended
        timeframe = ended_bar(state)
    add_trade(ctx, state)
    act(ctx, state)

and its ``on_fill`` is `note_fill`. It trades as the class does, order by order.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tapewire.candles import Exits
from tapewire.candles.indicators.compiled import (
    BAR_FIELDS,
    CLOSE,
    HIGH,
    LOW,
    OPEN,
    SESSION,
    VOLUME,
)
from tapewire.candles.layout import (
    ATR,
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    FIXED,
    NO_DISTANCE,
    PERCENT,
)
from tapewire.candles.timeframes import Timeframe
from tapewire.compiled.jit import jit, jit_entry
from tapewire.compiled.parameters import ParameterSpec
from tapewire.compiled.units import NS_PER_DAY, PRICE_UNITS
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.context import (
    BUY,
    IOC,
    SELL,
    first_open,
    submit_limit,
    submit_market,
    view,
)
from tapewire.strategies.layout import trade_at
from tapewire.strategies.wants import Wants

#: The last trade is looked at for its capture time.
WANTS: Final = Wants(trades_kept=1)
#: Parameters that all of them have.
PARAMETERS: Final[Mapping[str, ParameterSpec]] = {
    "quantity": ParameterSpec(int, "lots of each position", 1, 1),
    "at_touch": ParameterSpec(
        bool, "enter by IOC limit orders at the best price seen, not by market orders", False
    ),
}
#: Rows of distances, and their places in them.
LONG: Final = 0
SHORT: Final = 1
STOP: Final = 0
TARGET: Final = 1
TRAIL: Final = 2
_MONDAY: Final = 4
_WEEK: Final = 7
_KINDS: Final = {"fixed": FIXED, "percent": PERCENT, "atr": ATR}


def bar_fields(timeframes: int) -> list[tuple[Any, ...]]:
    """Return the fields of a state whose strategy looks at so many timeframes.

    The primary one is the last: of bars that end together, it is told of last.
    """
    return [
        ("now_ns", "i8"),  # capture time of the last trade, never descending
        ("offset_ns", "i8"),  # from midnight UTC to where sessions begin
        ("length_ns", "i8", (timeframes,)),
        ("sessions", "i8", (timeframes,)),  # in a bar: 1 of 1d, 7 of 1w, else 0
        ("end_ns", "i8", (timeframes,)),  # of bars that have not ended; 0: there is none
        ("bars", "f8", (timeframes, BAR_FIELDS)),
        ("unit", "i8"),  # 1e-9 currency per unit of bars' prices
        ("quantity", "i8"),
        ("at_touch", "i8"),
        ("distance_kind", "i8", (2, 3)),  # long and short; stop, target, trail
        ("distance", "f8", (2, 3)),
        ("hold_bars", "i8", (2,)),
        ("ranges", "f8", (2, 3)),  # average true ranges, where distances are multiples of them
        ("signalled", "f8", (2, 3)),  # the same as of the last entry's signal
        ("due", "i8"),  # what the last bar said, until it is acted on
        ("entry", "i8"),  # handle of the last entry's order
        ("side", "i8"),  # of it, 0 before the first
        ("worth", "f8"),  # price times lots of its fills
        ("lots", "f8"),
        ("bars_held", "i8"),
        ("stop", "f8"),
        ("target", "f8"),
        ("trail", "f8"),
        ("best", "f8"),  # NaN before its first fill
    ]


def prepare_bars(
    parameters: Mapping[str, Any], state: Any, timeframes: Sequence[str], long: Exits,
    short: Exits, *, offset_ns: int = 0,
) -> None:  # fmt: skip
    """Write what does not change into a state.

    Parameters
    ----------
    parameters
        ``quantity`` and ``at_touch`` among them.
    state
        A record with the fields of `bar_fields`.
    timeframes
        The primary one last.
    long, short
        How positions end by themselves.
    offset_ns
        From midnight UTC to where sessions begin.
    """
    state["offset_ns"] = offset_ns
    for k, name in enumerate(timeframes):
        timeframe = Timeframe.of(name)
        state["length_ns"][k], state["sessions"][k] = timeframe.length_ns, timeframe.sessions
    for side, exits in ((LONG, long), (SHORT, short)):
        given = (exits.stop_loss, exits.take_profit, exits.trailing_stop)
        for place, distance in enumerate(given):
            if distance is not None:
                state["distance_kind"][side, place] = _KINDS[distance.kind]
                state["distance"][side, place] = distance.value
        state["hold_bars"][side] = exits.time_exit or 0
    for name in PARAMETERS:
        state[name] = parameters[name]


@jit_entry
def begin(ctx: Any, state: Any) -> None:
    """Its life begins: no position, no average true range."""
    state.unit = ctx.tick_size if ctx.tick_size != 0 else PRICE_UNITS
    state.entry = -1
    state.best = math.nan
    state.ranges[:] = math.nan


# --- bars -----------------------------------------------------------------------------------------


@jit_entry
def see_time(ctx: Any, state: Any) -> None:
    """Take the capture time of the trade at hand."""
    seen = view(ctx)
    last = trade_at(seen.trades, (seen.trade_n - 1) & (seen.trade_capacity - 1))
    state.now_ns = max(state.now_ns, last.ts_recv)


@jit_entry
def ended_bar(state: Any) -> int:
    """Return the timeframe of the next bar that has ended, -1: there is none; it is told once."""
    found = -1
    for k in range(state.end_ns.size):
        end_ns = state.end_ns[k]
        if end_ns != 0 and end_ns <= state.now_ns:
            if found < 0 or end_ns < state.end_ns[found]:
                found = k
    if found >= 0:
        state.end_ns[found] = 0
    return found


@jit_entry
def add_trade(ctx: Any, state: Any) -> None:
    """Add the trade at hand to all bars; those that have ended begin anew."""
    price = ctx.trade_price / state.unit
    for k in range(state.end_ns.size):
        if state.end_ns[k] == 0:
            _begin_bar(state, k, price)
        state.bars[k, HIGH] = max(state.bars[k, HIGH], price)
        state.bars[k, LOW] = min(state.bars[k, LOW], price)
        state.bars[k, CLOSE] = price
        state.bars[k, VOLUME] += ctx.trade_size


@jit
def _begin_bar(state: Any, k: int, price: float) -> None:
    """Begin the bar of a timeframe that the trade at hand is in."""
    day = (state.now_ns - state.offset_ns) // NS_PER_DAY
    start_ns = day * NS_PER_DAY + state.offset_ns
    end_ns = start_ns + NS_PER_DAY
    # A session that begins at noon or later is of the next day.
    late = 1 if 2 * state.offset_ns >= NS_PER_DAY else 0
    number = day + late
    if state.sessions[k] == 0:
        length_ns = state.length_ns[k]
        begin_ns = start_ns + (state.now_ns - start_ns) // length_ns * length_ns
        end_ns = min(begin_ns + length_ns, end_ns)
    elif state.sessions[k] == _WEEK:
        end_ns += (_WEEK - 1 - (number - _MONDAY) % _WEEK) * NS_PER_DAY
    state.end_ns[k] = end_ns
    state.bars[k, OPEN] = price
    state.bars[k, HIGH] = price
    state.bars[k, LOW] = price
    state.bars[k, VOLUME] = 0.0
    state.bars[k, SESSION] = number


# --- decisions ------------------------------------------------------------------------------------


@jit_entry
def end_bar(state: Any, bar: Any) -> None:
    """A primary bar ended: a stop that follows moves, and time passes; before `decide`."""
    state.bars_held += 1
    if math.isnan(state.best):
        return
    if state.side > 0:
        state.best = max(state.best, bar[HIGH])
        state.stop = max(state.stop, state.best - state.trail)
    else:
        state.best = min(state.best, bar[LOW])
        state.stop = min(state.stop, state.best + state.trail)


@jit_entry
def decide(
    state: Any, enter_long: bool, exit_long: bool, enter_short: bool, exit_short: bool
) -> None:
    """Keep what the bar says; entries that contradict what is beside them are none."""
    code = (EXIT_LONG if exit_long else 0) | (EXIT_SHORT if exit_short else 0)
    long = enter_long and not exit_long
    short = enter_short and not exit_short
    if long != short:
        code |= ENTER_LONG if long else ENTER_SHORT
    state.due = code


@jit_entry
def act(ctx: Any, state: Any) -> None:
    """Leave what is to be left, then enter, as an engine of bars does at an open."""
    if first_open(ctx) != -1 or ctx.halted != 0:
        return
    code, state.due = state.due, 0
    price = ctx.trade_price / state.unit
    if ctx.position != 0:
        side = BUY if ctx.position > 0 else SELL
        told = code & (EXIT_LONG if side == BUY else EXIT_SHORT) != 0
        hold_bars = state.hold_bars[_row(state.side)] if state.side != 0 else 0
        over = told or (hold_bars != 0 and state.bars_held >= hold_bars)
        if over or _is_reached(state, price):
            submit_market(ctx, -side, abs(ctx.position))
        if not over:
            return
    if code & ENTER_LONG and _allows(state, BUY, price):
        _enter(ctx, state, BUY)
    if code & ENTER_SHORT and _allows(state, SELL, price):
        _enter(ctx, state, SELL)


@jit_entry
def note_fill(ctx: Any, state: Any) -> None:
    """Count levels from what an entry was filled at."""
    if ctx.update_order != state.entry:
        return
    side, row = state.side, _row(state.side)
    state.worth += ctx.fill_price / state.unit * ctx.fill_quantity
    state.lots += ctx.fill_quantity
    entered = state.worth / state.lots
    state.trail = _away(state, row, TRAIL, entered)
    if math.isnan(state.best):
        state.best = entered
    state.best = max(state.best, entered) if side > 0 else min(state.best, entered)
    fixed = entered - side * _away(state, row, STOP, entered)
    moving = state.best - side * state.trail
    state.stop = moving if side * moving > side * fixed else fixed
    state.target = entered + side * _away(state, row, TARGET, entered)


@jit
def _enter(ctx: Any, state: Any, side: int) -> None:
    """Send an entry; without a price to take, none."""
    if state.at_touch == 0:
        state.entry = submit_market(ctx, side, state.quantity)
    else:
        touch = ctx.best_ask if side == BUY else ctx.best_bid
        if touch == UNDEF_PRICE:
            return
        state.entry = submit_limit(ctx, side, touch, state.quantity, IOC)
    state.side = side
    state.worth = state.lots = 0.0
    state.bars_held = 0
    state.stop, state.target = -side * math.inf, side * math.inf
    state.best = math.nan


@jit
def _allows(state: Any, side: int, price: float) -> bool:
    """Whether a position would have its levels apart from its price; not if a range is unknown."""
    state.signalled[:] = state.ranges
    row = _row(side)
    fixed = _away(state, row, STOP, price) > 0 and _away(state, row, TARGET, price) > 0
    return fixed and _away(state, row, TRAIL, price) > 0


@jit
def _is_reached(state: Any, price: float) -> bool:
    """Whether a price is at the stop or beyond, or at the target."""
    side = state.side
    return side * price <= side * state.stop or side * price >= side * state.target


@jit
def _row(side: int) -> int:
    """Row of distances of a side."""
    return LONG if side > 0 else SHORT


@jit
def _away(state: Any, row: int, place: int, price: float) -> float:
    """How far a level is from a price, in units; infinite: there is none."""
    kind, amount = state.distance_kind[row, place], state.distance[row, place]
    if kind == NO_DISTANCE:
        return math.inf
    if kind == PERCENT:
        return abs(price) * (amount / 100)
    if kind == ATR:
        return state.signalled[row, place] * amount
    return amount / (state.unit / PRICE_UNITS)
