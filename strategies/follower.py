"""Follows signals that come from outside the loop, each at its time: what a model asks for.

The signals lie in an array that whoever has them lays out between two batches of records; a cursor
goes through it. Each is a timer of its own kind, one set at a time, so a thousand of them cost no
more than one.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from tapewire.compiled.jit import jit
from tapewire.compiled.memory import accessor
from tapewire.compiled.parameters import ParameterSpec
from tapewire.execution.knowledge import is_known_open, known_leaves
from tapewire.execution.layout import execution_at, own_at
from tapewire.execution.words import BUY, IOC, MARKET, SELL, STOP, TERM_REDUCE_ONLY, TERM_STOP
from tapewire.market.layout import NIL
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.context import cancel, set_signal, submit_order
from tapewire.strategies.context import replace as replace_order
from tapewire.strategies.contingent import reduce_only
from tapewire.strategies.definition import StrategyDefinition
from tapewire.strategies.layout import REQUESTS_MAX
from tapewire.strategies.terms import set_terms
from tapewire.strategies.wants import Wants

# Kinds of signals.
SIGNAL_TARGET: Final = 0
SIGNAL_SUBMIT: Final = 1
SIGNAL_CANCEL: Final = 2
SIGNAL_REPLACE: Final = 3
SIGNAL_CANCEL_ALL: Final = 4

#: One thing that is asked for, at a time.
SIGNAL: Final = np.dtype(
    [
        ("ts", "i8"),  # local time of the strategy
        ("leg", "i8"),
        ("kind", "i8"),
        ("tag", "i8"),  # of the order, as whoever sends signals calls it
        ("side", "i8"),
        ("order_type", "i8"),
        ("time_in_force", "i8"),
        ("terms", "i8"),  # codes.Term
        ("price", "i8"),  # 1e-9, of a stop its trigger; UNDEF_PRICE of a market order, or where a
        # replace keeps it
        ("quantity", "i8"),  # lots; of a target the position wanted; 0 where a replace keeps it
    ]
)
FOLLOWER_STATE: Final = np.dtype(
    [
        ("signals", "i8"),  # address of SIGNALs, by time
        ("n", "i8"),
        ("next", "i8"),
        ("is_set", "i8"),  # whether it will be called for the next one
    ]
)
_LOTS_MAX: Final = 2**31 - 1
_INDEX_MASK: Final = 0xFFFFFFFF

signal_at = accessor(SIGNAL, in_block=False)


@jit
def set_next(ctx: Any, state: Any) -> None:
    """Have the next signal come at its time."""
    state.is_set = 0
    if state.next < state.n:
        following = signal_at(state.signals, state.next)
        set_signal(ctx, following.ts, following.leg)
        state.is_set = 1


@jit
def _find(ctx: Any, tag: int) -> int:
    """Handle of the newest open order of a tag, or NIL."""
    execution = execution_at(ctx.execution, 0)
    at = ctx.open_tail
    while at != NIL:
        own = own_at(execution.own_orders, at)
        if own.tag == tag and is_known_open(own):
            return (own.generation << 32) | at
        at = own.open_prev
    return NIL


@jit
def _submit(
    ctx: Any, tag: int, side: int, kind: int, price: int, lots: int, force: int, terms: int
) -> None:
    """Send an order under a tag, a stop's price being its trigger."""
    limit = price
    if kind == STOP:
        limit = UNDEF_PRICE
        terms |= TERM_STOP
    handle = submit_order(ctx, side, kind, limit, lots, force)
    if handle == NIL:
        return
    own_at(execution_at(ctx.execution, 0).own_orders, handle & _INDEX_MASK).tag = tag
    if terms & ~TERM_REDUCE_ONLY:
        set_terms(ctx, handle, terms & ~TERM_REDUCE_ONLY, price, 0, 0, 0)
    if terms & TERM_REDUCE_ONLY:
        reduce_only(ctx, handle)


@jit
def _aim(ctx: Any, signal: Any) -> None:
    """Send what is missing to a target, what is open counted as filled, at the market."""
    execution = execution_at(ctx.execution, 0)
    lots = signal.quantity - ctx.position
    at = ctx.open_head
    while at != NIL:
        own = own_at(execution.own_orders, at)
        if own.leg == signal.leg and is_known_open(own):
            lots -= own.side * known_leaves(own)
        at = own.open_next
    if lots != 0:
        side = BUY if lots > 0 else SELL
        _submit(ctx, signal.tag, side, MARKET, UNDEF_PRICE, min(abs(lots), _LOTS_MAX), IOC, 0)


@jit
def _change(ctx: Any, signal: Any) -> None:
    """Ask for another price or quantity of an order, or both; what is not given stays.

    A stop's trigger is known while nothing is asked for about it; else it can't stay.
    """
    handle = _find(ctx, signal.tag)
    price, lots = signal.price, signal.quantity
    if handle != NIL:
        own = own_at(execution_at(ctx.execution, 0).own_orders, handle & _INDEX_MASK)
        if price == UNDEF_PRICE:
            price = own.known_price
            if own.sent_type == STOP and price == UNDEF_PRICE:
                if own.requests != 0:
                    return
                price = own.trigger_price
        lots = own.known_quantity if lots == 0 else lots
    replace_order(ctx, handle, price, lots)


@jit
def _cancel_open(ctx: Any, leg: int) -> bool:
    """Ask for the open orders of a leg to be canceled; whether that were all."""
    execution = execution_at(ctx.execution, 0)
    at = ctx.open_head
    while at != NIL:
        own = own_at(execution.own_orders, at)
        if own.leg == leg and own.requests == 0 and is_known_open(own):
            if ctx.request_n >= REQUESTS_MAX - 1:  # one is for the next signal
                return False
            cancel(ctx, (own.generation << 32) | at)
        at = own.open_next
    return True


def on_start(ctx: Any, state: Any) -> None:
    """Nothing is late: signals are laid out before the records of their time."""
    if state.is_set == 0:
        set_next(ctx, state)


def on_timer(ctx: Any, state: Any) -> None:
    """The time of the next signal has come."""
    signal = signal_at(state.signals, state.next)
    is_done = True
    if signal.kind == SIGNAL_TARGET:
        _aim(ctx, signal)
    elif signal.kind == SIGNAL_SUBMIT:
        _submit(
            ctx, signal.tag, signal.side, signal.order_type, signal.price, signal.quantity,
            signal.time_in_force, signal.terms,
        )  # fmt: skip
    elif signal.kind == SIGNAL_CANCEL:
        cancel(ctx, _find(ctx, signal.tag))
    elif signal.kind == SIGNAL_REPLACE:
        _change(ctx, signal)
    else:
        is_done = _cancel_open(ctx, signal.leg)
    if is_done:
        state.next += 1
    set_next(ctx, state)


EXTERNAL: Final = StrategyDefinition(
    name="external",
    doc="Follows the signals of a model in a process of its own.",
    parameters={},
    state=FOLLOWER_STATE,
    on_start=on_start,
    on_timer=on_timer,
    wants=Wants(together=True),
    is_external=True,
    free_parameters=True,
)

ML_ENHANCED_MOMENTUM: Final = replace(
    EXTERNAL,
    name="ml_enhanced_momentum",
    doc="Goes with an unusually large move as long as a trained model expects more of it.",
    parameters={
        "lookback_period": ParameterSpec(int, "rows that momentum looks back on", 100, 1, 100_000),
        "entry_threshold": ParameterSpec(float, "momentum from which it enters", 2.0, 0.0),
        "exit_threshold": ParameterSpec(float, "momentum to which it stays", 0.5, 0.0),
        "ml_model_path": ParameterSpec(Path, "the trained model, an ONNX file"),
        "feature_config": ParameterSpec(
            dict, "what the model is asked with; the default features unless it is given",
            optional=True,
        ),
        "position_size": ParameterSpec(int, "lots, long or short", 1, 1, 2**31 - 1),
        "trust_pickle": ParameterSpec(bool, "take a pickle, which may run any code", False),
    },
    free_parameters=False,
    model="tapewire.bridge.momentum:EnhancedMomentum",
)  # fmt: skip
