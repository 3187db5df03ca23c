"""The bench of candles: its rows are those that targets ask for, rivals must trade as often."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tapewire.bench import candles, declared
from tapewire.bench.measure import Scale
from tapewire.bench.rivals import candles as rivals
from tapewire.bench.targets import judge
from tapewire.errors import ConfigError

SCALE = Scale(5_000, 1, 3, quick=True)
BARS = 3_000


@pytest.fixture
def few_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candles, "BARS_QUICK", BARS)
    monkeypatch.setattr(declared, "BARS_QUICK", BARS)
    monkeypatch.setattr(declared, "STRATEGIES_QUICK", 20)
    monkeypatch.setattr(rivals, "BARS_QUICK", BARS)


@pytest.fixture
def children(few_bars: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What rivals are told, by script; they answer that they made ``trades`` trades a pair."""
    told: dict[str, Any] = {"trades": 1_000, "plans": []}

    def answer(command: Sequence[str], timeout_s: float) -> str:
        plan = json.loads(command[-1])
        told["plans"].append((Path(command[2]).name, plan))
        name, package = (
            ("vectorbt", rivals.VECTORBT) if plan["way"] != "run"
            else ("backtesting.py", rivals.BACKTESTING)
        )  # fmt: skip
        return json.dumps({
            "name": name, "version": package.version, "events": BARS * len(plan["pairs"]),
            "runs": [2.0] * plan["runs"], "convert_s": 0, "what": "a fake",
            "check": {"trades": told["trades"] * len(plan["pairs"])},
        })  # fmt: skip

    monkeypatch.setattr(rivals, "ensure", lambda *_: Path("python"))
    monkeypatch.setattr(rivals, "run_command", answer)
    return told


@pytest.mark.long
def test_every_target_of_candles_finds_its_row(children: dict[str, Any], tmp_path: Path) -> None:
    rows = list(candles.candle_rows(SCALE))
    rows += declared.declared_rows(SCALE, tmp_path)
    assert all(row.events % BARS == 0 for row in rows)
    assert all(row.figures["backtests_per_s"] > 0 for row in rows)
    traded = [row.figures["trades_each"] for row in rows if "trades_each" in row.figures]
    assert len(traded) == len(rows) - 2  # but for the rows of threads
    assert min(traded) > 3
    beside = list(rivals.candle_rival_rows(tmp_path, SCALE, print))
    assert [row.name for row in beside[1:]] == [
        "vectorbt 1.2.0 from_signals", "vectorbt 1.2.0 from_order_func", "backtesting.py 0.6.5 run",
    ]  # fmt: skip
    assert beside[1].figures["backtests_per_s"] == 22.5  # 45 pairs in 2 s
    measured = [found for found in judge([*rows, *beside]) if found.median is not None]
    assert len(measured) == 11


def test_rivals_get_the_same_bars_in_currency(children: dict[str, Any], tmp_path: Path) -> None:
    import numpy as np

    bars = candles.walk(BARS, SCALE.seed)
    for _ in rivals.candle_rival_rows(tmp_path, SCALE, print):
        pass
    script, plan = children["plans"][0]
    assert script == "_vectorbt.py"
    close = np.load(plan["path"])["close"]
    assert close.tolist() == (bars.close * 0.25).tolist()
    assert plan["pairs"][0] == [5, 60]


def test_a_rival_without_the_trades_is_not_believed(
    children: dict[str, Any], tmp_path: Path
) -> None:
    children["trades"] = 0
    shown: list[str] = []
    rows = list(rivals.candle_rival_rows(tmp_path, SCALE, shown.append))
    assert [row.group for row in rows] == ["candles"]
    assert len(shown) == 3
    assert "check.trades: expected" in shown[0]


def test_a_rival_that_can_not_be_installed_is_named(
    few_bars: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Path:
        raise ConfigError("no pip")

    monkeypatch.setattr(rivals, "ensure", refuse)
    shown: list[str] = []
    rows = list(rivals.candle_rival_rows(tmp_path, SCALE, shown.append))
    assert len(rows) == 1
    assert shown[0] == "no rows of vectorbt from_signals: no pip"
