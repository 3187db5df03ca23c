"""Records that the engines' kernels work on, and the codes in them."""

from typing import Final

import numpy as np

#: What a strategy says as a bar ends, one byte a bar.
ENTER_LONG: Final = 1
EXIT_LONG: Final = 2
ENTER_SHORT: Final = 4
EXIT_SHORT: Final = 8
ENTRIES: Final = ENTER_LONG | ENTER_SHORT
#: The same in each byte of a word: eight bars are looked at at once.
ENTRIES_WORD: Final = int.from_bytes(bytes([ENTRIES] * 8), "little")
BARS_PER_WORD: Final = 8
#: The same as bits, 64 bars a word, a row each: entries, long ones of them, exits of both sides.
BARS_PER_BITS: Final = 64
PLANES: Final = 4

#: What a session asks of a bar, one byte a bar.
LEAVE_AT_OPEN: Final = 1  # the closing time went by before it
LEAVE_AT_CLOSE: Final = 2  # it ends at the closing time, or beyond it
SHUT_AT_OPEN: Final = 4  # nothing is entered at its open
SHUT_AT_CLOSE: Final = 8

#: When an order of a signal fills.
NEXT_OPEN: Final = 0
AT_CLOSE: Final = 1
#: What comes first where a bar reaches both stop and target.
CHRONOLOGICAL: Final = 0
STOP_FIRST: Final = 1
PESSIMISTIC: Final = 2
OPTIMISTIC: Final = 3
#: How far a stop or a target is from the entry.
NO_DISTANCE: Final = 0
FIXED: Final = 1  # ticks
PERCENT: Final = 2  # a share of the price
ATR: Final = 3  # multiples of the average true range at the signal
#: How large a position is.
WHOLE_BALANCE: Final = 0
FIXED_QUANTITY: Final = 1
RISK: Final = 2

#: Why a position ended.
STILL_OPEN: Final = 0
SIGNAL: Final = 1
STOP: Final = 2
TARGET: Final = 3
CLOCK: Final = 4
END: Final = 5
TRAIL: Final = 6  # a stop that had moved, or was the nearer one from the start
TIME: Final = 7
REASONS: Final = ("", "signal", "stop", "target", "clock", "end", "trailing", "time")
#: The last bar of a position that no time ends.
NEVER: Final = 1 << 62


def _exit_fields(side: str) -> list[tuple[str, str]]:
    """Return what ends positions: distances, where their ranges begin among all, and a time."""
    fields = []
    for name in ("stop", "target", "trail"):
        fields += [
            (f"{side}{name}_kind", "i8"),
            (f"{side}{name}", "f8"),
            (f"{side}{name}_at", "i8"),
        ]
    return [*fields, (f"{side}hold_bars", "i8")]  # 0: no end by time


#: What is asked for: prices and distances in ticks, money in currency.
TERMS: Final = np.dtype(
    [
        ("initial", "f8"),
        ("tick_value", "f8"),  # currency per tick and unit
        ("commission_rate", "f8"),  # share of what is traded
        ("commission_per_unit", "f8"),
        ("slippage", "f8"),  # share of the price
        ("quantity", "f8"),  # units, or the share of the balance at risk
        ("sizing", "i8"),
        ("whole_units", "i8"),
        ("max_positions", "i8"),
        ("entry", "i8"),
        ("within_bar", "i8"),
        *_exit_fields(""),
        ("short_apart", "i8"),  # 1: what follows ends short positions, else what is before
        *_exit_fields("short_"),
    ]
)

#: An open position, or a closed one.
TRADE: Final = np.dtype(
    [
        ("entry_bar", "i8"),
        ("exit_bar", "i8"),
        ("direction", "i8"),  # 1 long, -1 short
        ("reason", "i8"),
        ("quantity", "f8"),
        ("entry_px", "f8"),  # ticks, slippage included
        ("exit_px", "f8"),
        ("stop_px", "f8"),  # minus or plus infinity: none
        ("target_px", "f8"),
        ("commission", "f8"),  # of both sides
        ("pnl", "f8"),  # net
        ("trail", "f8"),  # ticks from the best price to a stop that follows it; infinity: none
        ("trailed", "i8"),  # 1: stop_px is that stop's
        ("last_bar", "i8"),  # at whose open, or close, time ends it
    ]
)

#: What a backtest came to; money in currency.
SUMMARY: Final = np.dtype(
    [
        ("balance", "f8"),
        ("trades", "i8"),
        ("winners", "i8"),
        ("losers", "i8"),
        ("profit", "f8"),  # of winners
        ("loss", "f8"),  # of losers, positive
        ("largest_win", "f8"),
        ("largest_loss", "f8"),
        ("wins_in_a_row", "i8"),
        ("losses_in_a_row", "i8"),
        ("commission", "f8"),
        ("held_bars", "i8"),  # over positions
        ("busy_bars", "i8"),  # that ended with one open
        ("peak", "f8"),
        ("max_drawdown", "f8"),
        ("max_drawdown_share", "f8"),  # of the peak it fell from
        ("refused", "i8"),  # entries: no balance, no size, no average true range
        ("streak", "i8"),  # running: above 0 wins, below 0 losses
        ("open", "i8"),  # running: positions
        ("day", "i8"),  # running: sessions that ended
    ]
)

#: Where a backtest of which only sums are kept is, between two calls.
PLACE: Final = np.dtype(
    [
        ("bar", "i8"),  # from which on entries are looked for
        ("flat", "i8"),  # a bar that ended with nothing open and is not valued yet; -1: none
        ("next_open", "i8"),  # of the bars at which the clock ends positions
        ("next_close", "i8"),
        ("long_exit", "i8"),  # bars that say exit, the next ones
        ("short_exit", "i8"),
    ]
)
