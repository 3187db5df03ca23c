"""What a form of a run is made from: the configuration's JSON Schema, as far as a client may ask.

References are put in place, and what may be absent is said by its absence, so that a page needs to
know six kinds of values only.
"""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from tapewire.compiled.parameters import ParameterSpec
from tapewire.config.models import SECTIONS
from tapewire.config.schema import RunConfig
from tapewire.execution.models import REGISTRIES
from tapewire.runs.served_config import BUILT_IN, KEYS
from tapewire.strategies import STRATEGIES

#: Sections of a form, in its order; the others may be written in the YAML.
SECTIONS_SHOWN: Final = (
    "data_source", "instruments", "execution", "risk_limits", "initial_capital", "seed", "replay",
    "output",
)  # fmt: skip
_KINDS: Final = {int: "integer", float: "number", Decimal: "number", bool: "boolean", str: "string",
                 Path: "string", dict: "object", list: "array"}  # fmt: skip
_KEPT: Final = ("type", "enum", "const", "minimum", "maximum", "default", "description", "format")
#: Files of the server's folder are chosen from, not typed.
_FILES: Final = "data-file"
#: A whole configuration to begin with.
EXAMPLE: Final = """\
backtest:
  data_source: {type: synthetic, events: 200000, seed: 1}
  instruments:
    TWA1: {tick_size: 0.25, multiplier: 50}
  execution:
    latency_model: {type: fixed, network_latency_us: 50, processing_latency_us: 10}
    fill_model: {type: mbo_queue}
    fees: {type: per_contract, per_contract: 0.85}
  risk_limits: {max_position: 20, max_order_size: 10}
strategy:
- type: market_maker
"""


def form_schema() -> dict[str, Any]:
    """Return the JSON Schema of what may be asked for, without references."""
    whole = RunConfig.model_json_schema()
    backtest = whole["$defs"]["Backtest"]["properties"]
    sections = {name: _plain(backtest[name], whole["$defs"]) for name in SECTIONS_SHOWN}
    for name, keys in KEYS.items():
        found = sections[name]["properties"]
        sections[name]["properties"] = {key: found[key] for key in keys}
    for variant in sections["data_source"]["oneOf"]:
        variant["properties"].pop("catalogue", None)
        for key, value in variant["properties"].items():
            if key.endswith("files"):
                value["format"] = _FILES
    _with_models(sections["execution"]["properties"])
    strategy = {"type": "object", "properties": {}, "oneOf": _strategies()}
    return {
        "type": "object",
        "properties": {
            "backtest": {"type": "object", "properties": sections},
            "strategy": {"type": "array", "items": strategy},
        },
    }


def without_references(kind: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a part of a configuration, without references."""
    whole = kind.model_json_schema()
    return _plain(whole, whole.get("$defs", {}))


def _strategies() -> list[dict[str, Any]]:
    return [
        _variant("type", name, {"parameters": _parameters(STRATEGIES[name].parameters)})
        for name in BUILT_IN
    ]


def _with_models(execution: dict[str, Any]) -> None:
    """Put the models that there are in place of the sections that name one."""
    queue_section, queue_key = SECTIONS["queue"]
    for family, (section, key) in SECTIONS.items():
        if family == "queue":
            continue
        variants = []
        for name, definition in REGISTRIES[family].items():
            values = dict(_parameters(definition.parameters)["properties"])
            if section == queue_section:
                values[queue_key] = {"type": "string", "enum": list(REGISTRIES["queue"])}
            variants.append(_variant(key, name, values))
        execution[section] = {"type": "object", "oneOf": variants}


def _variant(key: str, name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {key: {"const": name}, **properties}}


def _parameters(specs: Mapping[str, ParameterSpec]) -> dict[str, Any]:
    found = {}
    for name, spec in specs.items():
        one: dict[str, Any] = {"type": _KINDS.get(spec.type, "string"), "description": spec.doc}
        if spec.type is Path:
            one["format"] = _FILES
        for key in ("default", "minimum", "maximum"):
            value = getattr(spec, key)
            if value is not None:
                one[key] = float(value) if isinstance(value, Decimal) else value
        found[name] = one
    return {"type": "object", "properties": found}


def _plain(schema: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with references put in place, and one of several kinds of a value."""
    if "$ref" in schema:
        return _plain({**known[schema["$ref"].rpartition("/")[2]], **_without_ref(schema)}, known)
    if "discriminator" in schema:
        return {"type": "object", "oneOf": [_plain(one, known) for one in schema["oneOf"]]}
    if "anyOf" in schema:
        kinds = [one for one in schema["anyOf"] if one.get("type") != "null"]
        # A number that must be exact may come as text, too; a form has it as a number.
        first = next((one for one in kinds if one.get("type") == "number"), kinds[0])
        return {**_plain(first, known), **{k: schema[k] for k in ("default",) if schema.get(k)}}
    found = {key: schema[key] for key in _KEPT if key in schema}
    for bound, key in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in schema:
            found[key] = schema[bound]
    if "properties" in schema:
        parts = schema["properties"].items()
        found["properties"] = {name: _plain(one, known) for name, one in parts}
    if isinstance(schema.get("additionalProperties"), Mapping):
        found["additionalProperties"] = _plain(schema["additionalProperties"], known)
    if "items" in schema:
        found["items"] = _plain(schema["items"], known)
    return found


def _without_ref(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "$ref"}
