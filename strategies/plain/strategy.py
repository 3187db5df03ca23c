"""Strategies in plain Python: a class with hooks, called for what it asks for and nothing else."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from tapewire.compiled.parameters import ParameterSpec
from tapewire.errors import ConfigError
from tapewire.strategies.definition import HOOKS, StrategyDefinition
from tapewire.strategies.place import Calls, Place
from tapewire.strategies.plain.context import Context, Timer
from tapewire.strategies.plain.market import Market, Trade, trade_of
from tapewire.strategies.plain.orders import Fill, Order
from tapewire.strategies.wants import TRADES_UNSHOWN_MAX, Wants

_TYPES: Final = (int, float, bool, str, Decimal, Path)
_NO_STATE: Final = np.dtype([("none", "i8")])


@dataclasses.dataclass(frozen=True)
class _Declared:
    """What `parameter` says of a field."""

    default: Any
    doc: str
    minimum: Any
    maximum: Any


def parameter(
    default: Any = None, doc: str = "", *, minimum: Any = None, maximum: Any = None
) -> Any:
    """Declare a parameter of a strategy with its bounds; no default makes it a required one.

    >>> class Momentum(Strategy):
    ...     lookback: int = parameter(50, "trades looked back on", minimum=1)
    """
    return _Declared(default, doc, minimum, maximum)


class Strategy:
    """Base of strategies in plain Python.

    Annotated fields are parameters; `wants` says what is seen; the hooks that a class has are what
    it is called for. One instance is made for each book (or one for all, ``wants.together``) of
    each run, so that what it keeps is its own.

    Parameters
    ----------
    **parameters
        Values of the annotated fields.

    Raises
    ------
    ConfigError
        If one is not declared, missing, of another type or out of bounds.

    Examples
    --------
    >>> class Follow(Strategy):
    ...     size: int = 1
    ...
    ...     def on_trade(self, trade, context):
    ...         if context.position == 0 and trade.side > 0:
    ...             context.buy(self.size)
    """

    wants: ClassVar[Wants] = Wants()

    def __init__(self, **parameters: Any) -> None:
        self.parameters: Mapping[str, Any] = _checked(type(self), parameters)
        for name, value in self.parameters.items():
            setattr(self, name, value)

    # --- hooks ------------------------------------------------------------------------------------

    def on_start(self, context: Context) -> None:
        """Its life begins, at the first event of any of its books."""

    def on_market_event(self, market: Market, context: Context) -> None:
        """Any event of a book."""

    def on_book(self, market: Market, context: Context) -> None:
        """The book changed, as ``wants.book`` says."""

    def on_trade(self, trade: Trade, context: Context) -> None:
        """A trade."""

    def on_trades(self, trades: Any, context: Context) -> None:
        """All trades since the last call, as a read-only array of TRADE.

        Called before each timer and at the end, and when 8,192 have gathered.
        """

    def on_timer(self, timer: Timer, context: Context) -> None:
        """A timer's time has come."""

    def on_signal(self, context: Context) -> None:
        """The time has come that was announced to the simulation, from outside the strategy.

        It comes with ``on_timer``, which the strategy has to have.
        """

    def on_order_update(self, order: Order, context: Context) -> None:
        """An order was accepted, changed, closed, or refused."""

    def on_fill(self, fill: Fill, context: Context) -> None:
        """An order was filled, in part or whole."""

    def on_session_close(self, context: Context) -> None:
        """The session closes; where no closing times are configured, the data end."""

    def on_stop(self, context: Context) -> None:
        """The data have ended; what it asks for now is not sent."""

    # --- what a run makes of it -------------------------------------------------------------------

    @classmethod
    def definition(cls) -> StrategyDefinition:
        """Return what a run knows of strategies of this class."""
        hashable: Any = cls
        return _made(hashable)


def _has(cls: type[Strategy], hook: str) -> bool:
    return getattr(cls, hook) is not getattr(Strategy, hook)


@cache
def _made(cls: Any) -> StrategyDefinition:
    hooks: dict[str, Any] = {name: getattr(cls, name) for name in HOOKS if _has(cls, name)}
    # What became of its orders it always has to know, and batches of trades come with timers.
    for name in ("on_order_update", "on_fill"):
        hooks[name] = getattr(cls, name)
    if _has(cls, "on_trades"):
        for name in ("on_timer", "on_session_close", "on_stop"):
            hooks[name] = getattr(cls, name)
    doc = (cls.__doc__ or "").strip().split("\n")[0] or f"Strategy {cls.__name__}."
    return StrategyDefinition(
        name=cls.__name__, doc=doc, parameters=declared_parameters(cls), state=_NO_STATE,
        wants=cls.wants, compiled=False, outside=partial(_settle, cls), **hooks,
    )  # fmt: skip


def _settle(cls: type[Strategy], place: Place) -> Calls:
    return settle(cls(**place.parameters), place)


def settle(strategy: Strategy, place: Place) -> Calls:
    """Let a strategy live at a place; what is to be called for each hook."""
    cls = type(strategy)
    has = {name: _has(cls, name) for name in HOOKS}
    context = Context(
        place, cls.wants, 2 * TRADES_UNSHOWN_MAX, has_timer=has["on_timer"] or has["on_trades"]
    )
    # Where there is one book it is always the one at hand.
    turn = context._turn if cls.wants.together else lambda: context.market

    def on_start() -> None:
        turn()
        strategy.on_start(context)

    event, book, trade = strategy.on_market_event, strategy.on_book, strategy.on_trade

    def on_market_event() -> None:
        event(turn(), context)

    def on_book() -> None:
        book(turn(), context)

    def on_trade() -> None:
        trade(turn()._trade(), context)

    def on_trade_of_one() -> None:
        # The same where there is one book: what a callback does comes on top of each trade.
        market = context.market
        trade(trade_of(market._words, market.symbol), context)

    def on_trades() -> None:
        if (trades := turn()._unshown()).size:
            strategy.on_trades(trades, context)

    def all_trades() -> None:
        if has["on_trades"]:
            for market in context._by_leg.values():
                if (trades := market._unshown()).size:
                    context.market = market
                    strategy.on_trades(trades, context)
        turn()

    def on_timer() -> None:
        all_trades()
        if context._is_signal:
            strategy.on_signal(context)
            return
        timer = context._ended_timer()
        if timer is not None:
            strategy.on_timer(timer, context)

    def on_order_update() -> None:
        turn()
        strategy.on_order_update(context._updated(), context)

    def on_fill() -> None:
        turn()
        strategy.on_fill(context._filled(), context)

    def on_session_close() -> None:
        all_trades()
        strategy.on_session_close(context)

    def on_stop() -> None:
        all_trades()
        strategy.on_stop(context)

    calls = {call.__name__: call for call in (
        on_start, on_market_event, on_book, on_trade, on_timer, on_order_update, on_fill, on_stop,
        on_trades, on_session_close,
    )}  # fmt: skip
    if not cls.wants.together:
        calls["on_trade"] = on_trade_of_one
    return [calls[name] for name in HOOKS]


# --- parameters -----------------------------------------------------------------------------------


def declared_parameters(cls: type[Strategy]) -> dict[str, ParameterSpec]:
    """Return the parameters of a strategy class, from its annotated fields.

    Raises
    ------
    ConfigError
        If a field's type is none that a parameter may have, its default is not of it, or there
        is none at all.
    """
    specs: dict[str, ParameterSpec] = {}
    hints = typing.get_type_hints(cls)
    for one in cls.__mro__:
        for name, value in vars(one).items():
            if isinstance(value, _Declared) and name not in hints:
                raise ConfigError(
                    f"{cls.__name__}.{name}: expected a type for this parameter, found none; write "
                    f"`{name}: {type(value.default or 0).__name__} = parameter(…)`"
                )
    for name, hint in hints.items():
        if name.startswith("_") or typing.get_origin(hint) is ClassVar or hint is ClassVar:
            continue
        kind, optional = _kind(hint)
        if kind is None:
            known = ", ".join(one.__name__ for one in _TYPES)
            raise ConfigError(
                f"{cls.__name__}.{name}: expected one of {known} for a parameter, found {hint}; "
                "what is the strategy's own is set in on_start, without an annotation in the class"
            )
        given = getattr(cls, name, None)
        given = given if isinstance(given, _Declared) else _Declared(given, "", None, None)
        default = given.default
        if default is not None and (default := _converted(default, kind)) is None:
            raise ConfigError(
                f"{cls.__name__}.{name}: expected a default of type {kind.__name__}, found "
                f"{given.default!r}"
            )
        specs[name] = ParameterSpec(
            kind, given.doc or name.replace("_", " "), default, given.minimum, given.maximum,
            optional=optional,
        )  # fmt: skip
    return specs


def _kind(hint: Any) -> tuple[type | None, bool]:
    """The type of a parameter and whether it may be None."""
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [one for one in typing.get_args(hint) if one is not types.NoneType]
        optional = len(kinds) < len(typing.get_args(hint))
        hint = kinds[0] if len(kinds) == 1 else None
    return (hint if hint in _TYPES else None), optional


def _converted(value: Any, kind: type) -> Any:
    """Return a value as `kind` where it is one, None where it is not."""
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    if isinstance(value, bool):
        return None
    try:
        if kind is int and not isinstance(value, (str, float, Decimal)):
            return int(value.__index__())
        if kind is float and isinstance(value, (int, np.floating)):
            return float(value)
        if kind is Decimal and isinstance(value, (int, float, str)):
            return Decimal(str(value))
        if kind is Path and isinstance(value, str):
            return Path(value)
    except (AttributeError, InvalidOperation):
        return None
    return None


def _checked(cls: type[Strategy], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every declared parameter with its value."""
    specs = declared_parameters(cls)
    for name in given:
        if name not in specs:
            close = get_close_matches(name, specs, 1)
            known = f"did you mean {close[0]}?" if close else f"known: {', '.join(specs) or 'none'}"
            raise ConfigError(f"{cls.__name__} has no parameter {name}; {known}")
    values: dict[str, Any] = {}
    for name, spec in specs.items():
        value = given.get(name, spec.default)
        if value is None and spec.required:
            raise ConfigError(f"{cls.__name__} needs the parameter {name} ({spec.doc})")
        if value is not None:
            typed = _converted(value, spec.type)
            fault = spec.type.__name__ if typed is None else spec.fault(typed)
            if fault:
                raise ConfigError(f"{cls.__name__}.{name}: expected {fault}, found {value!r}")
            value = typed
        values[name] = value
    return values
