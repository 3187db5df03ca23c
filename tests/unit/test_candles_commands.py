"""``tapewire candles indicators | check | schema``."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from declared import SPECIFIED
from tapewire.candles.indicators import INDICATORS
from tapewire.candles.rules import rule_lines, strategy_of, strategy_schema, strategy_text
from tapewire.cli.candles import app
from tapewire.generator.converting import convert


def out(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_every_indicator_is_listed_with_parameters_and_ranges() -> None:
    lines = out("indicators").splitlines()
    assert [line.split()[0] for line in lines] == list(INDICATORS)
    assert "rsi          period 14 (2 to 100000) → rsi [percent]" in lines
    rows = {one["name"]: one for one in json.loads(out("indicators", "--json"))}
    assert list(rows) == list(INDICATORS)
    assert rows["bbands"]["parameters"]["width"] == {
        "type": "float", "default": 2.0, "minimum": 0.01, "maximum": 100.0,
        "doc": "Standard deviations between the middle and a band.",
    }  # fmt: skip
    assert rows["rsi"]["outputs"] == [{"name": "rsi", "unit": "percent", "low": 0.0, "high": 100.0}]
    one = out("indicators", "macd")
    assert INDICATORS["macd"].formula in one
    assert "compared with: signal, or what is said" in one


def test_a_strategy_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(SPECIFIED)
    expected = [
        "MA_Cross_RSI_Filter 1.0 on 1h, 4h, 1d",
        "  enter long: sma(10) crosses above sma(30) AND rsi(14, 4h) > 50",
        "  leave long: stop loss 2% OR take profit 5%",
    ]
    assert out("check", tmp_path / "s.json").splitlines() == expected
    (row,) = json.loads(out("check", tmp_path / "s.json", "--json"))
    assert row == {"file": str(tmp_path / "s.json"), "text": "\n".join(expected)}


def test_every_kind_of_rule_has_words() -> None:
    close: dict[str, Any] = {"indicator": "close", "comparison": "less_or_equal"}
    band = {"indicator": "bbands", "output": "lower", "params": {"width": 1.5}, "timeframe": "1h"}
    made = {
        "name": "all", "version": "2", "timeframes": {"primary": "5m", "secondary": ["1h"]},
        "entry_rules": {"short": {"operator": "AND", "conditions": [
            {"operator": "NOT", "conditions": [{**close, "value": band}]},
            {"operator": "OR", "conditions": [
                {"indicator": "macd", "comparison": "crosses_below"}, {**close, "value": 3}]},
        ]}},
        "exit_rules": {"short": {"operator": "OR", "conditions": [
            {"type": "trailing_stop", "atr": 2}, {"type": "take_profit", "fixed": 1.5},
            {"type": "time_exit", "bars": 9}]}},
    }  # fmt: skip
    _, enter, leave = strategy_text(strategy_of(made)).splitlines()
    # Whatever line breaks its name has.
    named = strategy_of({**made, "name": "a\u2028b\x0cc"})
    assert [f"  {line}" for line in rule_lines(named)] == [enter, leave]
    assert enter == (
        "  enter short: NOT (close ≤ bbands.lower(20, 1.5, 1h)) AND (macd(12, 26, 9) crosses below "
        "signal OR close ≤ 3)"
    )
    assert leave == (
        "  leave short: trailing stop 2 ATR(14) OR take profit 1.5 OR 9 bars after the entry"
    )


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"indicator": "ema_cross", "comparison": "less_than", "timeframe": "4h"},
         "ema({fast}, 4h) < ema({slow}, 4h)"),
        ({"indicator": "sma_cross", "comparison": "crosses_below", "value": 0},
         "sma({fast}) crosses below sma({slow})"),
        ({"indicator": "sma_cross", "comparison": "greater_than", "value": 2.5},
         "sma_cross({fast}, {slow}) > 2.5"),
        ({"indicator": "rsi", "comparison": "greater_than", "value": {"indicator": "rsi",
          "timeframe": "4h"}}, "rsi(14) > rsi(14, 4h)"),
    ],
)  # fmt: skip
def test_averages_that_cross_are_told_as_two(condition: dict[str, Any], said: str) -> None:
    made = {
        "name": "x", "version": "1", "timeframes": {"primary": "1h", "secondary": ["4h"]},
        "entry_rules": {"long": condition},
        "exit_rules": {"long": {"type": "time_exit", "bars": 2}},
    }  # fmt: skip
    parameters = INDICATORS["sma_cross"].parameters
    known = {name: f"{parameters[name].default:g}" for name in ("fast", "slow")}
    assert rule_lines(strategy_of(made))[0] == f"enter long: {said.format(**known)}"


def test_the_schema_is_printed_or_written(tmp_path: Path) -> None:
    assert json.loads(out("schema")) == json.loads(json.dumps(strategy_schema()))
    assert out("schema", "-o", tmp_path / "s.json") == f"{tmp_path / 's.json'}\n"
    assert json.loads((tmp_path / "s.json").read_text()) == json.loads(out("schema"))


def test_what_is_wrong_is_said_with_an_exit_code(tapewire_here: Any, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(SPECIFIED.replace('"rsi"', '"rsx"').replace("10,", "1,"))
    done = tapewire_here("candles", "check", "s.json")
    assert done.returncode == 2
    assert done.stdout == ""
    title, first, second = done.stderr.splitlines()
    assert title == "error: s.json: 2 problems:"
    rules = "entry_rules.long.conditions"
    assert first == f"  s.json:14: {rules}[0].params: sma_cross.fast: expected at least 2, found 1"
    assert second.startswith(f"  s.json:18: {rules}[1].indicator: there is no indicator 'rsx': did")


@pytest.mark.parametrize("name", INDICATORS)
def test_the_page_says_of_an_indicator_what_it_is(repo: Path, name: str) -> None:
    page = (repo / "docs" / "indicators.md").read_text()
    (row,) = re.findall(rf"^\| `{name}` \| (.*) \|$", page, re.MULTILINE)
    cells = re.split(r" (?<!\\)\| ", row)
    one = INDICATORS[name]
    parameters = [
        f"`{key}` {spec.default:g} ({spec.minimum:g} to {spec.maximum:g})"
        for key, spec in one.parameters.items()
    ]
    assert cells == [
        ", ".join(parameters) or "none",
        ", ".join(f"`{output.name}` ({output.unit})" for output in one.outputs),
        one.formula.replace("|", r"\|"),
        one.source,
    ]


def test_numbers_are_told_as_they_are_traded() -> None:
    def over(indicator: str, value: float) -> dict[str, Any]:
        return {"indicator": indicator, "comparison": "greater_than", "value": value}

    made = {
        "name": "x", "version": "1", "timeframes": {"primary": "1h"},
        "entry_rules": {"long": {"operator": "AND", "conditions": [
            over("close", 20123.75), over("volume", 1234567), over("rsi", 50.0)]}},
        "exit_rules": {"long": {"operator": "OR", "conditions": [
            {"type": "stop_loss", "fixed": 1234.5678},
            {"type": "take_profit", "percent": 1.2345678}]}},
    }  # fmt: skip
    strategy = strategy_of(made)
    enter, leave = rule_lines(strategy)
    assert enter == "enter long: close > 20123.75 AND volume > 1234567 AND rsi(14) > 50"
    assert leave == "leave long: stop loss 1234.5678 OR take profit 1.2345678%"
    text = convert(strategy, "text")
    assert "close > 20123.75" in text
    assert "volume > 1234567\n" in text
    assert "stop=1234.5678, limit=1.2345678%" in text
