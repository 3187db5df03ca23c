"""The JSON Schema of declared strategies."""

from typing import Any, Final

from tapewire.candles.indicators.definition import IndicatorDefinition
from tapewire.candles.indicators.registry import INDICATORS
from tapewire.candles.rules.model import DeclaredStrategy

_PARTS: Final = ("IndicatorCondition", "IndicatorValue")
_TYPES: Final = {int: "integer", float: "number"}


def strategy_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a declared strategy.

    It knows the indicators, their parameters with ranges and their outputs. What it can't say
    (whether a timeframe is one of the strategy's, a fast period below a slow one, where stops may
    stand) is checked by `strategy_of`.
    """
    schema = DeclaredStrategy.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    for name in _PARTS:
        part = schema["$defs"][name]
        part["properties"]["indicator"] = {
            "description": part["properties"]["indicator"]["description"],
            "enum": list(INDICATORS),
        }
        part["allOf"] = [_one_indicator(one) for one in INDICATORS.values()]
    return schema


def _one_indicator(definition: IndicatorDefinition) -> dict[str, Any]:
    """Say what an indicator lets its parameters and output be."""
    parameters = {
        name: {
            "type": _TYPES[spec.type],
            "minimum": spec.minimum,
            "maximum": spec.maximum,
            "default": spec.default,
            "description": spec.doc,
        }
        for name, spec in definition.parameters.items()
    }
    return {
        "if": {"properties": {"indicator": {"const": definition.name}}},
        "then": {
            "properties": {
                "params": {
                    "type": "object",
                    "properties": parameters,
                    "additionalProperties": False,
                },
                "output": {"enum": [*(one.name for one in definition.outputs), None]},
            }
        },
    }
