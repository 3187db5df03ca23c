"""Sends the orders, cancels and replaces listed in a file, each at its time.

This is how a production log is replayed, and how execution is tested.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.jit import jit, jit_entry
from tapewire.compiled.memory import accessor
from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.words import TERM_REDUCE_ONLY
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.binding import Bound
from tapewire.strategies.context import (
    cancel,
    is_open,
    order_price,
    replace,
    set_timer,
    submit_order,
)
from tapewire.strategies.contingent import attach, mass_cancel, oco, peg, reduce_only
from tapewire.strategies.definition import StrategyDefinition
from tapewire.strategies.order_log_file import (
    ACTION_CANCEL,
    ACTION_MASS_CANCEL,
    ACTION_NEW,
    ROW,
    ROWS_AT_ONCE,
    read_order_log,
)
from tapewire.strategies.terms import set_terms

STATE: Final = np.dtype([("rows", "i8"), ("n", "i8"), ("next", "i8")], align=True)

row_at = accessor(ROW, in_block=False)


@jit_entry
def send_due(ctx: Any, state: Any) -> None:
    """Send the rows whose time has come; ask to be called for the next one."""
    sent = 0
    while state.next < state.n:
        row = row_at(state.rows, state.next)
        if row.ts > ctx.now_ns or sent + row.together > ROWS_AT_ONCE:
            set_timer(ctx, row.ts)
            return
        if row.action == ACTION_NEW:
            ctx.leg = row.leg
            row.handle = submit_order(
                ctx, row.side, row.order_type, row.price, row.quantity, row.time_in_force
            )
            if row.terms != 0:
                set_terms(
                    ctx, row.handle, row.terms, row.trigger_price, row.expire_ns,
                    row.min_quantity, row.display_quantity,
                )  # fmt: skip
            _hang(ctx, state, row)
        else:
            sent_by = row_at(state.rows, row.target)
            if row.action == ACTION_CANCEL:
                cancel(ctx, sent_by.handle)
            elif row.action == ACTION_MASS_CANCEL:
                ctx.leg = row.leg
                mass_cancel(ctx)
            else:
                _replace(ctx, sent_by, row)
        state.next += 1
        sent += 1


@jit
def _replace(ctx: Any, sent_by: Any, row: Any) -> None:
    """Ask for what a row says, and for the limit that the venue has given where it leaves that."""
    price = row.price
    if sent_by.venue_price != 0 and is_open(ctx, sent_by.handle):
        known = order_price(ctx, sent_by.handle)
        if known != UNDEF_PRICE and row.venue_price != 0:
            price = known
        elif known != UNDEF_PRICE:
            sent_by.venue_price = 0  # from here on it is as of any limit order
    replace(ctx, sent_by.handle, price, row.quantity)


@jit
def _hang(ctx: Any, state: Any, row: Any) -> None:
    """Say what a new order hangs on."""
    if row.terms & TERM_REDUCE_ONLY:
        reduce_only(ctx, row.handle)
    if row.peg != 0:
        peg(ctx, row.handle, row.peg, row.peg_offset_ticks)
    if row.parent != NIL:
        attach(ctx, row_at(state.rows, row.parent).handle, row.handle)
    elif row.group != NIL and row.group != state.next:
        oco(ctx, row_at(state.rows, row.group).handle, row.handle)


def on_start(ctx: Any, state: Any) -> None:
    """Begin with the first row."""
    send_due(ctx, state)


def on_timer(ctx: Any, state: Any) -> None:
    """A row is due."""
    send_due(ctx, state)


class BoundLog(Bound):
    """A log that has been read: one instance sends its rows, each on its own book."""

    names_its_books: ClassVar[bool] = True
    publisher_hint: ClassVar[str] = (
        "add a publisher_id column or name one under data_source: publishers"
    )

    def __init__(self, definition: StrategyDefinition, parameters: Mapping[str, Any]) -> None:
        super().__init__(definition, parameters)
        self._log = read_order_log(parameters["path"])
        self._state = np.zeros(1, definition.state)
        self.source = str(self._log.path)
        self.books = list(dict.fromkeys(self._log.books))
        self.labels = tuple(self._log.labels)

    def new_state(self) -> npt.NDArray[Any]:
        """The one state record: where the rows are, and which comes next."""
        self._state[0] = (self._log.rows.ctypes.data, self._log.rows.size, 0)
        return self._state

    def place(self, legs: Sequence[int]) -> None:
        """Give every row the leg of its book."""
        leg_of = dict(zip(self.books, legs, strict=True))
        self._log.rows["leg"] = [leg_of[book] for book in self._log.books]

    def counts(self, first_ns: int) -> Mapping[str, int]:
        """Rows that were never sent, and those stamped before there was anything to see."""
        rows = self._log.rows
        return {
            "log_rows_unsent": rows.size - int(self._state[0]["next"]),
            "log_rows_before_data": int((rows["ts"] < first_ns).sum()),
        }


ORDER_LOG = StrategyDefinition(
    name="order_log",
    doc="Sends the orders, cancels and replaces listed in a CSV or Parquet file at their times.",
    parameters={"path": ParameterSpec(Path, "the file of orders")},
    state=STATE,
    on_start=on_start,
    on_timer=on_timer,
    binding=BoundLog,
)
