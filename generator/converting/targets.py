"""The forms that a declared strategy may take."""

from collections.abc import Callable, Mapping
from typing import Final

from tapewire.candles.rules import DeclaredStrategy
from tapewire.candles.sessions import SessionClock
from tapewire.errors import ConfigError
from tapewire.generator.converting.candle_code import candle_code
from tapewire.generator.converting.compiled_code import compiled_code
from tapewire.generator.converting.parts import StrategyCode
from tapewire.generator.converting.python_code import python_code
from tapewire.generator.converting.reading import readable_text

#: By name: what makes it.
TARGETS: Final[Mapping[str, Callable[[StrategyCode], str]]] = {
    "candles": candle_code,
    "python": python_code,
    "compiled": compiled_code,
    "text": readable_text,
}


def convert(strategy: DeclaredStrategy, target: str, *, clock: SessionClock | None = None) -> str:
    """Return a declared strategy as code, or as text.

    Parameters
    ----------
    strategy
        A checked one, as `tapewire.candles.rules.load_strategy` gives it.
    target
        ``candles``: a `CandleStrategy` and a function that trades it on bars; ``python``: a
        `BarStrategy` for ``tapewire run``; ``compiled``: the same as functions; ``text``: rules as
        charting scripts write them, to be read.
    clock
        When sessions begin, of which longer bars are counted; None: at midnight, UTC.

    Returns
    -------
    str
        A whole file. The same rules give the same code, whatever their spelling; names that a user
        chose are part of it as text and as names made of their letters alone.

    Raises
    ------
    ConfigError
        If there is no such target, or a compiled strategy can't have such sessions.
    """
    make = TARGETS.get(target)
    if make is None:
        raise ConfigError(f"as: expected one of {', '.join(TARGETS)}, found {target!r}")
    return make(StrategyCode(strategy, clock or SessionClock()))
