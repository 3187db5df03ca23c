"""Variants of families on bars as declared rules, so that runs on records can trade them, too."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tapewire.candles.exits import DISTANCE_KEYS, Exits
from tapewire.candles.rules import DeclaredStrategy, strategy_of_json
from tapewire.candles.timeframes import timeframe_name
from tapewire.errors import ConfigError
from tapewire.factory.keeping import new_strategies
from tapewire.inputs.candles import CandleRequest

if TYPE_CHECKING:
    from tapewire.store import Store

Json = dict[str, Any]
#: The family whose rules can be declared.
CROSSING: Final = "sma_cross"
_PARAMETERS: Final[Mapping[str, Any]] = {"fast": 10, "slow": 30, "short": False}
#: Assumptions that are a strategy's own; all others are the market's, which a run has models of.
_OWN: Final = (*DISTANCE_KEYS, "time_exit")


def declared_variant(
    family: str, parameters: Mapping[str, Any], assumptions: Sequence[str], interval_ns: int
) -> tuple[DeclaredStrategy, list[str]]:
    """Return a variant of a family as declared rules, and which assumptions these leave out.

    The rules say what the family does but for averages that meet and part again on the same side,
    which rules take for another crossing.

    Parameters
    ----------
    family
        ``sma_cross``: what others do has no declared rules.
    parameters
        Its ``fast``, ``slow`` and ``short``; what is left out is as usual.
    assumptions
        ``key=value`` that it was traded with; stops, targets and time exits become rules.
    interval_ns
        How long a bar is, ns.

    Raises
    ------
    ConfigError
        If the family, a parameter or the length of a bar can't be declared.
    """
    if family != CROSSING:
        raise ConfigError(
            f"strategy: expected {CROSSING}, whose rules can be declared, found {family!r}: a run "
            "on records needs it as a strategy in Python"
        )
    for name in parameters:
        if name not in _PARAMETERS:
            raise ConfigError(f"parameters: expected {', '.join(_PARAMETERS)}, found {name!r}")
    given = {**_PARAMETERS, **parameters}
    config = CandleRequest("", settings=assumptions).config()
    lengths = {name: given[name] for name in ("fast", "slow")}
    sides = ("long", "short") if given["short"] is True else ("long",)
    turned = {"long": ("above", "below"), "short": ("below", "above")}
    rules = {
        "name": f"{CROSSING} {given['fast']} {given['slow']}{' short' * (len(sides) > 1)}",
        "version": "1.0",
        "timeframes": {"primary": timeframe_name(interval_ns)},
        "entry_rules": {side: _crosses(lengths, turned[side][0]) for side in sides},
        "exit_rules": {
            side: {
                "operator": "OR",
                "conditions": [
                    _crosses(lengths, turned[side][1]),
                    *_exits(config.exits(1 if side == "long" else -1)),
                ],
            }
            for side in sides
        },
    }
    left_out = [one for one in assumptions if one.partition("=")[0] not in _OWN]
    return strategy_of_json(json.dumps(rules), source=CROSSING), left_out


def _crosses(lengths: Mapping[str, int], where: str) -> Json:
    return {"indicator": CROSSING, "params": dict(lengths), "comparison": f"crosses_{where}"}


def _exits(given: Exits) -> list[Json]:
    found: list[Json] = []
    for key in DISTANCE_KEYS:
        one = getattr(given, key)
        if one is not None:
            period = {"period": one.period} if one.kind == "atr" else {}
            found.append({"type": key, one.kind: one.value, **period})
    if given.time_exit is not None:
        found.append({"type": "time_exit", "bars": given.time_exit})
    return found


def keep_variant(
    store: "Store", family: str, parameters: str, assumptions: Sequence[str], interval_ns: int
) -> Json:
    """Keep a variant in a store; of one that is there already, find it.

    Parameters
    ----------
    store
        Open.
    parameters
        A JSON object.
    family, assumptions, interval_ns
        See `declared_variant`.

    Returns
    -------
    dict
        ``strategy_id`` and ``left_out``.

    Raises
    ------
    ConfigError
        As `declared_variant`; also if the parameters are no JSON object.
    """
    try:
        values = json.loads(parameters)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ConfigError(f"parameters: expected a JSON object, found {parameters[:80]!r}")
    declared, left_out = declared_variant(family, values, assumptions, interval_ns)
    (number,) = store.add_strategies(new_strategies([declared], ""))
    return {"strategy_id": number, "left_out": left_out}
