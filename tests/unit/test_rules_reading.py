"""Declared strategies read: what is refused, with its line and path; the schema."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from declared import COMPARISONS, SPECIFIED, declared
from tapewire.candles.rules import (
    load_strategy,
    strategy_of,
    strategy_of_json,
    strategy_schema,
)
from tapewire.errors import ConfigError, MissingFileError


def _conditions(made: Any) -> Any:
    return made["entry_rules"]["long"]["conditions"]


def _exits(made: Any) -> Any:
    return made["exit_rules"]["long"]["conditions"]


#: (a change to the example, what is said with its line and path, whether the schema says it, too).
FAULTS: list[tuple[Callable[[Any], Any], str, bool]] = [
    (lambda m: m.pop("name"), ": name: expected this key, found nothing", True),
    (lambda m: m.update(nam="x"), ":50: nam: there is no key 'nam' here: did you mean 'name'?",
     True),
    (lambda m: m.update(version=1.0), ":3: version: expected a string, found 1.0", True),
    (lambda m: m["timeframes"].update(primary="90x"),
     ":5: timeframes.primary: expected a timeframe as 30s, 5m, 4h, 1d or 1w", False),
    (lambda m: m["timeframes"].update(secondary=["4h", "1d", "4h"]),
     ":9: timeframes.secondary[2]: expected each timeframe once, found 4h again", False),
    (lambda m: m["entry_rules"].clear() or m["exit_rules"].clear(),
     ":11: entry_rules: expected rules for long or short, found neither", False),
    (lambda m: m["entry_rules"].update(short=m["entry_rules"].pop("long")),
     ": exit_rules.long: expected entry_rules.long beside it, found none", False),
    (lambda m: _conditions(m)[0].update(indicator="smacross"),
     "[0].indicator: there is no indicator 'smacross': did you mean 'sma_cross'?", True),
    (lambda m: _conditions(m)[0]["params"].update(fast=True),
     ":18: entry_rules.long.conditions[0].params.fast: expected a number, found true", True),
    (lambda m: _conditions(m)[0]["params"].update(fsat=3),
     ":17: entry_rules.long.conditions[0].params: sma_cross has no parameter 'fsat': did", True),
    (lambda m: _conditions(m)[0]["params"].update(fast=1),
     ":17: entry_rules.long.conditions[0].params: sma_cross.fast: expected at least 2, found 1",
     True),
    (lambda m: _conditions(m)[0]["params"].update(fast=30),
     ": sma_cross: expected fast below slow, found 30 and 30", False),
    (lambda m: _conditions(m)[0].update(comparison="above"),
     ": entry_rules.long.conditions[0].comparison: expected 'crosses_above', ", True),
    (lambda m: _conditions(m)[0].update(output="middle"),
     ": expected one of sma_cross's outputs (difference, fast, slow), found 'middle'", True),
    (lambda m: _conditions(m)[0].update(output="fast"),
     ": expected a key value to compare sma_cross.fast with", False),
    (lambda m: _conditions(m)[1].pop("value"), ": expected a key value to compare rsi with", False),
    (lambda m: _conditions(m)[1].update(value="50"),
     ":30: entry_rules.long.conditions[1].value: expected a number, found \"50\"", True),
    (lambda m: _conditions(m)[1].update(value={"indicator": "close"}),
     ".value: expected a percent to compare with, found a price", False),
    (lambda m: _conditions(m)[1].update(value={"indicator": "rsi", "period": 3}),
     ".value.period: there is no key 'period' here", True),
    (lambda m: _conditions(m)[1].update(timeframe="2h"),
     ".timeframe: expected one of the strategy's timeframes (1d, 1h, 4h), found '2h'", False),
    (lambda m: _conditions(m).append({"color": "red"}),
     "expected a rule with a key operator, indicator or type, found a mapping of color", True),
    (lambda m: _conditions(m).append(7), "or type, found 7", True),
    (lambda m: _conditions(m).clear(), "conditions: expected at least 1 of them, found a list of 0",
     True),
    (lambda m: m["entry_rules"]["long"].update(operator="NOT"),
     ".conditions: expected one with NOT, found 2", False),
    (lambda m: m["entry_rules"]["long"].update(operator="XOR"),
     ".operator: expected 'AND', 'OR' or 'NOT', found \"XOR\"", True),
    (lambda m: _conditions(m).append({"type": "time_exit", "bars": 3}),
     "conditions[2]: expected time_exit in exit_rules", False),
    (lambda m: m["exit_rules"]["long"].update(operator="AND"),
     "expected stop_loss under the outermost OR, found it under AND or NOT", False),
    (lambda m: _exits(m).append({"type": "stop_loss", "fixed": 1}),
     "conditions[2]: expected one stop_loss a side, found another", False),
    (lambda m: _exits(m)[0].update(atr=1),
     "expected one of percent, fixed, atr, found percent and atr", False),
    (lambda m: _exits(m)[0].pop("percent"), "expected one of percent, fixed, atr, found none",
     False),
    (lambda m: _exits(m)[0].update(period=3), "conditions[0].period: expected with atr only",
     False),
    (lambda m: _exits(m)[0].update(percent=0), ".percent: expected more than 0.0, found 0", True),
    (lambda m: _exits(m)[0].update(type="stoploss"), ".type: expected 'stop_loss', ", True),
    (lambda m: _exits(m).append({"type": "time_exit", "bars": 0}),
     ".bars: expected at least 1, found 0", True),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message", "in_schema"), FAULTS)
def test_what_is_wrong_is_told_with_line_and_path(
    change: Callable[[Any], Any], message: str, in_schema: bool
) -> None:
    made = json.loads(SPECIFIED)
    change(made)
    with pytest.raises(ConfigError) as caught:
        strategy_of_json(_laid_out(made), source="s.json")
    assert any(
        text.startswith("s.json") and message in text
        for text in (caught.value.problems or (str(caught.value),))
    ), str(caught.value)
    assert _validator().is_valid(made) != in_schema


def _laid_out(made: Any) -> str:
    return json.dumps(made, indent=1)


def _validator() -> Any:
    return jsonschema.Draft202012Validator(strategy_schema())


def test_all_problems_are_told_at_once() -> None:
    made = json.loads(SPECIFIED)
    _conditions(made)[0]["params"]["fast"] = 1
    _conditions(made)[1]["timeframe"] = "2h"
    with pytest.raises(ConfigError, match="strategy: 2 problems") as caught:
        strategy_of(made)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", ":1: expected JSON, found none"),
        ('{"name": "a",\n "name": "b"}', "expected each key once, found 'name' twice"),
        (SPECIFIED.replace("50", "NaN"), "expected numbers, found NaN"),
        (SPECIFIED.replace("50", "1e999"), "value: expected a finite number, found inf"),
        (SPECIFIED.replace("50", "9" * 5_000), "Exceeds the limit"),
        (SPECIFIED.replace("50", "9" * 400), "found a whole number of more than 50 digits"),
        ("[]", "(top level): expected a mapping, found a list of 0"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 60 + "1" + "}" * 60, "expected rules nested at most 16 deep"),
    ],
)
def test_a_text_that_is_no_strategy_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        strategy_of_json(text, source="s.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("s.json")


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.json: can't be read: No such file"):
        load_strategy(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'{"name": "\xe9"}')
    with pytest.raises(ConfigError, match="expected UTF-8, found none at byte 10"):
        load_strategy(tmp_path / "latin.json")
    (tmp_path / "long.json").write_bytes(b" " * (4 << 20) + b"{}")
    with pytest.raises(ConfigError, match="at most 4 MB"):
        load_strategy(tmp_path / "long.json")


def test_more_conditions_than_may_be_are_refused() -> None:
    made = json.loads(SPECIFIED)
    rsi = _conditions(made)[1]
    made["entry_rules"]["long"] = {"operator": "OR", "conditions": [rsi] * 996}
    strategy_of(made)  # with those of the exit it is 1,000
    made["entry_rules"]["short"] = rsi
    with pytest.raises(ConfigError, match="at most 1000 groups and conditions, found 1001"):
        strategy_of(made)


def test_the_published_schema_is_that_of_the_strategies(repo: Path) -> None:
    published = json.loads((repo / "docs" / "strategy.schema.json").read_text())
    assert published == json.loads(json.dumps(strategy_schema())), (
        "write it anew: tapewire candles schema -o docs/strategy.schema.json"
    )
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(json.loads(SPECIFIED), published)
    known = published["$defs"]["IndicatorCondition"]["properties"]["comparison"]["enum"]
    assert sorted(known) == sorted(COMPARISONS)


@settings(max_examples=30)
@given(declared("15m", ["1h", "5m", "1d"]))
def test_what_is_read_fits_the_schema_and_is_the_same_when_written(made: dict[str, Any]) -> None:
    strategy = strategy_of(copy.deepcopy(made))
    _validator().validate(made)
    written = json.loads(strategy.model_dump_json(exclude_unset=True))
    assert written == made
