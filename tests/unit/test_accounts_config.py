"""Money of several currencies in one: the rate is part of what a price point is worth, exactly."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import tapewire as tw
from tapewire.compiled.jit import jit_entry
from tapewire.config.accounts import PRODUCT_MAX, hedges, worths
from tapewire.config.loading import load_config
from tapewire.errors import ConfigError
from tapewire.positions.accounting import currency

TEXT = """\
backtest:
  data_source: {type: synthetic, events: 1000}
  account:
    currency: USD
    rates: {EUR: 1.0842, JPY: 0.0067}
  instruments:
    FDAX: {currency: EUR, multiplier: 25}
    NKD: {currency: JPY, multiplier: 500}
    ES: {multiplier: 50}
    NQ: {currency: USD, multiplier: 20}
strategy: {type: market_maker}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


def test_a_price_point_is_worth_the_multiplier_times_the_rate(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, TEXT))
    assert worths(config.backtest) == {
        "FDAX": Fraction("27.105"), "NKD": Fraction("3.35"), "ES": 50, "NQ": 20,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("account", "own", "expected"),
    [
        ("", "", False),
        ("{position_mode: hedging}", "", True),
        ("{position_mode: hedging}", "{position_mode: netting}", False),
        ("{currency: USD}", "{position_mode: hedging}", True),
    ],
)
def test_a_strategys_own_mode_is_before_the_backtests(
    tmp_path: Path, account: str, own: str, expected: bool
) -> None:
    text = "backtest:\n  data_source: {type: synthetic, events: 1000}\n"
    text += f"  account: {account}\n" if account else ""
    text += "strategy:\n  type: market_maker\n" + (f"  account: {own}\n" if own else "")
    config = load_config(write(tmp_path, text))
    assert hedges(config.strategy[0], config.backtest) is expected
    assert (config.backtest.money is None) == ("currency" not in account)


@pytest.mark.parametrize(
    ("line", "replacement", "message"),
    [
        ("EUR: 1.0842", "EUR: 0", r":5: backtest.account.rates.EUR: expected more than 0"),
        ("EUR: 1.0842", "eur: 1.0842", r":5: backtest.account.rates.*eur"),
        ("EUR: 1.0842", "USD: 1", r"rates.USD: expected currencies other than the account's"),
        ("EUR: 1.0842", "GBP: 1.2", r":7: .*FDAX.currency: .*\(USD, GBP, JPY\), found EUR"),
        ("currency: USD\n", "curency: USD\n", r"did you mean 'currency'"),
        ("    currency: USD\n", "", r":3: backtest.account: expected a currency, which money is c"),
        (
            "currency: USD\n    rates",
            "currency: USD\n    position_mode: hedge\n    rates",
            r":5: backtest.account.position_mode: .*netting.*found 'hedge'",
        ),
        ("multiplier: 25", "multiplier: 123456789.123456789", r":7: .*multiplier: .*fewer digits"),
        (
            "  account:\n    currency: USD\n    rates: {EUR: 1.0842, JPY: 0.0067}\n",
            "",
            r":4: backtest.instruments.FDAX.currency: expected backtest.account",
        ),
    ],
)
def test_refused_with_line_and_key(
    tmp_path: Path, line: str, replacement: str, message: str
) -> None:
    assert TEXT.count(line) == 1
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, TEXT.replace(line, replacement)))


def test_a_run_in_another_currency_makes_as_much_by_the_rate(
    tmp_path: Path, synthetic_file: Path
) -> None:
    def run(name: str, multiplier: float, **backtest: Any) -> tw.RunResult:
        facts = {"tick_size": 0.25, "multiplier": multiplier, **backtest.pop("facts", {})}
        config = {
            "backtest": {
                "data_source": {"type": "databento", "files": [str(synthetic_file)]},
                "replay": {"transport": "inproc"}, "instruments": {"TWA1": facts}, **backtest,
            },
            "strategy": {"type": "market_maker"},
        }  # fmt: skip
        return tw.run(config, output=tmp_path / name)

    euro = run(
        "euro", 25, facts={"currency": "EUR"},
        account={"currency": "USD", "rates": {"EUR": 1.08}},
    )  # fmt: skip
    dollar = run("dollar", 27)
    results = [run.manifest["results"]["total"]["net_pnl"] for run in (euro, dollar)]
    assert results[0] == results[1]
    assert float(results[0]) != 0
    assert "Money is in USD," in euro.report.read_text()
    assert "Money is in the instruments&#39; currency," in dollar.report.read_text()
    euro.verify()


@jit_entry
def _currency(units: int, numerator: int, denominator: int) -> int:
    return currency(units, numerator, denominator)


@pytest.mark.parametrize("units", [10**17, -(10**17), 1, -1, 0, 123_456_789_012_345_678])
def test_money_is_exact_where_a_product_would_not_fit(units: int) -> None:
    for ratio in (Fraction("54.210617"), Fraction(1, 8), Fraction(50), Fraction("0.001000001")):
        assert ratio.numerator * ratio.denominator <= PRODUCT_MAX
        numerator, denominator = ratio.as_integer_ratio()
        if abs(units * ratio) < 2**63:
            assert _currency(units, numerator, denominator) == units * numerator // denominator
