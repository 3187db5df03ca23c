"""All features, found by name; the keys of a ``feature_config`` as names."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tapewire.errors import ConfigError
from tapewire.features import flows, prices, queues, times
from tapewire.features.definition import (
    LEVELS_MARK,
    LEVELS_MAX,
    WINDOW_MARK,
    FeatureDefinition,
    window_ns,
)

#: A feature is a definition in the file of its family and a line here.
FEATURES: Final[tuple[FeatureDefinition, ...]] = (
    prices.MID,
    prices.SPREAD,
    prices.MICROPRICE,
    prices.RETURNS,
    prices.VOLATILITY,
    queues.IMBALANCE,
    queues.ORDER_FLOW_IMBALANCE,
    queues.DEPLETION_BID,
    queues.DEPLETION_ASK,
    flows.TRADE_FLOW,
    flows.ARRIVAL_RATE,
    flows.TRADE_RATE,
    times.TIME_OF_DAY,
    times.TIME_TO_CLOSE,
)

#: Columns where nobody says which.
DEFAULT_NAMES: Final = (
    "mid", "spread", "microprice", "imbalance_1", "imbalance_5", "imbalance_10",
    "returns_1s", "returns_10s", "returns_1m", "returns_5m", "volatility_1m", "volatility_5m",
    "order_flow_imbalance_1s", "order_flow_imbalance_10s", "trade_flow_10s", "trade_flow_1m",
    "queue_depletion_bid_10s", "queue_depletion_ask_10s", "arrival_rate_10s", "time_of_day",
)  # fmt: skip

_TIMES: Final = ("time_of_day", "time_to_close")


class FoundFeature(NamedTuple):
    """What a name stands for."""

    number: int  # position in FEATURES
    window_ns: int  # 0: it has none
    levels: int  # 0: it has none


def find_feature(name: str) -> FoundFeature:
    """Return what a name stands for.

    Raises
    ------
    ConfigError
        If no feature has this name; the text names a close one.
    """
    for number, definition in enumerate(FEATURES):
        argument = definition.argument_of(name)
        if argument is None:
            continue
        if WINDOW_MARK in definition.name:
            length_ns = window_ns(argument)
            if length_ns is None:
                raise ConfigError(
                    f"feature {name!r}: expected a window of 1ms to 24h, found {argument}"
                )
            return FoundFeature(number, length_ns, 0)
        if LEVELS_MARK in definition.name:
            levels = int(argument)
            if not 1 <= levels <= LEVELS_MAX:
                raise ConfigError(
                    f"feature {name!r}: expected 1 to {LEVELS_MAX} levels, found {levels}"
                )
            return FoundFeature(number, 0, levels)
        return FoundFeature(number, 0, 0)
    raise ConfigError(f"there is no feature {name!r}: {_suggestion(name)}")


def _suggestion(name: str) -> str:
    aliases = [alias for definition in FEATURES for alias in definition.aliases]
    patterns = [definition.name for definition in FEATURES]
    close = difflib.get_close_matches(name, [*DEFAULT_NAMES, *_TIMES, *aliases], 1, 0.6)
    if not close:
        close = difflib.get_close_matches(name, patterns, 1, 0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join([*patterns, *aliases])}; a window is a length as 30s or 5m"


_LISTS: Final = ("price_features", "microstructure_features")
_FLAG: Final = "use_time_features"


def names_of(feature_config: Mapping[str, Any]) -> list[str]:
    """Return the features that a ``feature_config`` asks for, in its order.

    Parameters
    ----------
    feature_config
        ``price_features`` and ``microstructure_features``, lists of names, and
        ``use_time_features``, which adds ``time_of_day`` and ``time_to_close``; each may be left
        out.

    Raises
    ------
    ConfigError
        If a key, a value or a name is not one of these.
    """
    for key in feature_config:
        if key not in (*_LISTS, _FLAG):
            close = difflib.get_close_matches(str(key), (*_LISTS, _FLAG), 1, 0.6)
            hint = (
                f"did you mean {close[0]!r}?" if close else f"known: {', '.join(_LISTS)}, {_FLAG}"
            )
            raise ConfigError(f"feature_config: there is no key {key!r}: {hint}")
    names: list[str] = []
    for key in _LISTS:
        given = feature_config.get(key, [])
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise ConfigError(f"feature_config.{key}: expected a list of names, found {given!r}")
        for name in given:
            if not isinstance(name, str):
                raise ConfigError(f"feature_config.{key}: expected a name, found {name!r}")
            try:
                find_feature(name)
            except ConfigError as error:
                raise ConfigError(f"feature_config.{key}: {error}") from None
            names.append(name)
    flag = feature_config.get(_FLAG, False)
    if not isinstance(flag, bool):
        raise ConfigError(f"feature_config.{_FLAG}: expected true or false, found {flag!r}")
    return list(dict.fromkeys([*names, *(_TIMES if flag else ())]))
