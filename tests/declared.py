"""Declared strategies for tests: the specification's, and drawn ones."""

from typing import Any

from hypothesis import strategies as st

from tapewire.candles.indicators import INDICATORS

#: The example of the specification, as it stands.
SPECIFIED = """{
  "name": "MA_Cross_RSI_Filter",
  "version": "1.0",
  "timeframes": {
    "primary": "1h",
    "secondary": ["4h", "1d"]
  },
  "entry_rules": {
    "long": {
      "operator": "AND",
      "conditions": [
        {
          "indicator": "sma_cross",
          "params": { "fast": 10, "slow": 30 },
          "comparison": "crosses_above"
        },
        {
          "indicator": "rsi",
          "timeframe": "4h",
          "params": { "period": 14 },
          "comparison": "greater_than",
          "value": 50
        }
      ]
    }
  },
  "exit_rules": {
    "long": {
      "operator": "OR",
      "conditions": [
        { "type": "stop_loss", "percent": 2.0 },
        { "type": "take_profit", "percent": 5.0 }
      ]
    }
  }
}
"""

COMPARISONS = (
    "crosses_above", "crosses_below", "greater_than", "greater_or_equal", "less_than",
    "less_or_equal",
)  # fmt: skip
#: Numbers that values of a unit lie about; many of them are met exactly.
_ABOUT = {
    "percent": st.integers(-4, 4).map(lambda k: 25.0 * k),
    "index": st.sampled_from([-100.0, 0.0, 66.0, 100.0]),
    "volume": st.integers(0, 20).map(float),
    "price": st.integers(-3, 3).map(float),
}
_LEVELS = {"open", "high", "low", "close", "sma", "ema", "wma", "vwap", "highest", "lowest"}


@st.composite
def _indicators(draw: Any, names: tuple[str, ...], timeframes: list[str]) -> dict[str, Any]:
    definition = INDICATORS[draw(st.sampled_from(names))]
    part: dict[str, Any] = {"indicator": definition.name}
    if "fast" in definition.parameters:
        fast = draw(st.integers(2, 4))
        part["params"] = {"fast": fast, "slow": draw(st.integers(fast + 1, 7))}
    elif "period" in definition.parameters:
        part["params"] = {"period": draw(st.integers(2, 6))}
    if draw(st.booleans()):
        part["timeframe"] = draw(st.sampled_from(timeframes))
    return part


@st.composite
def _conditions(draw: Any, timeframes: list[str]) -> dict[str, Any]:
    part = draw(_indicators(tuple(INDICATORS), timeframes))
    definition = INDICATORS[part["indicator"]]
    if definition.against is None or draw(st.booleans()):
        output = draw(st.sampled_from(definition.outputs))
        if output is not definition.outputs[0]:
            part["output"] = output.name
        if output.unit == "price" and draw(st.booleans()):
            part["value"] = draw(_indicators(tuple(sorted(_LEVELS)), timeframes))
        else:
            level = 4_000 if part["indicator"] in _LEVELS | {"bbands"} else 0
            part["value"] = draw(_ABOUT[output.unit]) + level
    part["comparison"] = draw(st.sampled_from(COMPARISONS))
    return part


def _groups(inner: Any) -> Any:
    joined = st.fixed_dictionaries({
        "operator": st.sampled_from(["AND", "OR"]),
        "conditions": st.lists(inner, min_size=1, max_size=3),
    })  # fmt: skip
    negated = st.fixed_dictionaries(
        {"operator": st.just("NOT"), "conditions": st.lists(inner, min_size=1, max_size=1)}
    )
    return joined | negated


@st.composite
def declared(draw: Any, primary: str, secondary: list[str]) -> dict[str, Any]:
    """A strategy of any rules, nested up to four deep."""
    timeframes = [primary, *secondary]
    rules = st.recursive(_conditions(timeframes), _groups, max_leaves=5)
    stops = st.sampled_from([
        {"type": "stop_loss", "percent": 2.0}, {"type": "time_exit", "bars": 5},
        {"type": "take_profit", "atr": 3.0, "period": 7}, {"type": "trailing_stop", "fixed": 1.5},
    ])  # fmt: skip
    made: dict[str, Any] = {
        "name": "drawn",
        "version": "1.0",
        "timeframes": {"primary": primary, "secondary": secondary},
        "entry_rules": {"long": draw(rules)},
        "exit_rules": {
            "long": {"operator": "OR", "conditions": [draw(stops), draw(rules)]},
        },
    }
    if draw(st.booleans()):
        made["entry_rules"]["short"] = draw(rules)
        made["exit_rules"]["short"] = draw(stops)
    return made
